//! What can be done about a run that is over: gone on with, or taken back.

use super::deploy;
use crate::harness::tools::lines;
use crate::harness::{BEN, CLEO};
use crate::on_both;
use std::fs;

on_both! {
    /// What was done is not done again; what ended well is not retried, and one failure is retried once.
    async fn a_failed_run_goes_on_where_it_failed(world) {
        deploy(&mut world);
        let broken = world.path().join("broken");
        fs::write(&broken, "").unwrap();
        world.start().await;
        world.say(BEN, "/workflow run deploy v1");
        let card = world.sees(BEN, "failed at put: exit 1").await;
        world.quiet().await;
        let refused = world.asks(CLEO, CLEO, "/workflow retry 1").await;
        assert!(refused.text.contains("no workflow"), "{}", refused.text);
        fs::remove_file(&broken).unwrap();
        world.presses(BEN, &card, "Retry from put").await;
        let note = world.sees(BEN, "Done in #1 and not done again: build").await;
        assert_eq!(note.text, "Done in #1 and not done again: build.");
        world.sees(BEN, "✅ deploy · #2 · succeeded").await;
        world.quiet().await;
        assert_eq!(lines(&world.path().join("done")), ["build", "put", "put"]);
        for (text, words) in [
            ("/workflow retry 2", "#2 did not fail"),
            ("/job 2", "repeating #1"),
            ("/workflow", "1 ok, 1 failed"),
        ] {
            let told = world.asks(BEN, BEN, text).await;
            assert!(told.text.contains(words), "{text}: {}", told.text);
        }
    }
}

on_both! {
    /// Asked first; done once, by a run of its own, with what the old run was given and was.
    async fn a_run_is_taken_back_once(world) {
        deploy(&mut world);
        world.start().await;
        world.say(BEN, "/workflow run deploy v3");
        let card = world.sees(BEN, "✅ deploy · #1 · succeeded").await;
        world.quiet().await;
        let refused = world.forges(CLEO, BEN, "flow:undo:1").await.unwrap();
        assert!(refused.contains("no workflow"), "{refused}");
        world.presses(BEN, &card, "Undo … (10 m)").await;
        let asked = world.sees(BEN, "Take back deploy · #1?").await;
        assert!(asked.text.contains("put: sh ") && asked.text.contains("back v3 1"), "{}", asked.text);
        assert_eq!(world.jobs().await, 1);
        world.presses(BEN, &asked, "Take it back").await;
        let card = world.sees(BEN, "↩️ deploy · #2 · took back #1").await;
        assert!(card.button("Run again").is_none());
        world.quiet().await;
        assert_eq!(lines(&world.path().join("done")), ["build", "put", "back v3 1"]);
        let card = world.sees(BEN, "deploy · #1 · ↩️ #2 takes it back").await;
        assert!(card.button("Undo … (10 m)").is_none());
        for text in ["/workflow status 1", "/workflow 1", "/job 1", "/jobs"] {
            let told = world.asks(BEN, BEN, text).await;
            assert!(told.text.contains("#1 · ↩️ taken back by #2 · succeeded"), "{text}: {}", told.text);
            assert!(told.button("Undo … (10 m)").is_none());
        }
        world.forges(BEN, BEN, "flow:undone:1").await;
        world.sees(BEN, "#1 was taken back already, by #2").await;
        world.forges(BEN, BEN, "again:2").await;
        world.sees(BEN, "#2 took back #1. That is done once.").await;
        let list = world.asks(BEN, BEN, "/workflow").await;
        assert!(list.text.contains("1 ok") && list.text.contains("#1"), "{}", list.text);
        let told = world.forges(BEN, BEN, "flow:undo:2").await.unwrap();
        let refused = world.audited("workflow.undo.ask", "refused").await;
        assert!(refused.iter().any(|line| line.actor.0 == CLEO), "a viewer's press is in the trail");
        assert_eq!(told, "There is nothing of #2 to take back.");
        assert_eq!(world.jobs().await, 2);
    }
}
