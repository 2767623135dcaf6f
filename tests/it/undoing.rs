//! Scripts that are taken back: by hand, once and in time; or by themselves, when nobody confirmed them.

use crate::harness::tools::lines;
use crate::harness::{BEN, CLEO, Outside, World};
use crate::on_both;
use opsgram::base::time::Millis;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

/// Adds a script `put` with one argument and its undo; what both write.
fn put(world: &mut World, more: &[&str]) -> PathBuf {
    let done = world.path().join("done");
    let back = world.path().join("back");
    fs::write(&back, format!("echo back $1 >> {}", done.display())).unwrap();
    let undo = format!("undo: [sh, {}, \"{{what}}\"]", back.display());
    let mut rules = vec!["args: [{name: what, pattern: '[a-z]+'}]", undo.as_str()];
    rules.extend(more);
    world.script("put", &format!("echo put $1 >> {}", done.display()), &rules);
    done
}

fn in_ten_minutes() -> Millis {
    Millis::now().plus(Duration::from_secs(600))
}

on_both! {
    /// Asked first, with what would run; by those who may run the script; once.
    async fn a_script_is_taken_back_once(world) {
        let done = put(&mut world, &["undo_for: 20m"]);
        world.start().await;
        world.say(BEN, "/run put x");
        let card = world.sees(BEN, "✅ put · #1 · exit 0").await;
        world.quiet().await;
        assert!(world.forges(CLEO, BEN, "undo:1").await.is_some_and(|told| !told.is_empty()));
        world.presses(BEN, &card, "Undo (20 m)").await;
        let asked = world.sees(BEN, "Take back put · #1?").await;
        assert!(asked.text.ends_with("back\nx"), "{}", asked.text);
        assert_eq!(world.jobs().await, 1);
        world.forges(CLEO, BEN, "undone:1").await;
        world.quiet().await;
        assert_eq!(world.jobs().await, 1, "a viewer may not");
        world.presses(BEN, &asked, "Take it back").await;
        let card = world.sees(BEN, "↩️ put · #2 · took back #1").await;
        assert!(card.button("Run again").is_none());
        world.quiet().await;
        let jobs = world.asks(BEN, BEN, "/jobs").await;
        for words in ["↩️ put · #2 · took back #1", "✅ put · #1 · exit 0"] {
            assert!(jobs.text.contains(words), "{words}: {}", jobs.text);
        }
        assert!(jobs.text.contains("↩️ taken back by #2"), "{}", jobs.text);
        world.forges(BEN, BEN, "undone:1").await;
        world.sees(BEN, "#1 was taken back already, by #2").await;
        let told = world.forges(BEN, BEN, "undo:2").await.unwrap();
        assert!(told.contains("There is nothing of #2 to take back"), "{told}");
        world.quiet().await;
        assert_eq!(lines(&done), ["put x", "back x"]);
        assert_eq!(world.audited("script.undo", "allowed").await.len(), 1);
        let refused = world.audited("script.undo", "refused").await;
        assert!(refused.iter().any(|line| line.actor.0 == BEN && line.reason.as_ref().is_some_and(|why| why.contains("taken back already"))));
    }
}

on_both! {
    /// After its time it is not offered any more, and a failure never is.
    async fn too_late_is_said(world) {
        let done = put(&mut world, &["undo_for: 1ms"]);
        world.start().await;
        world.say(BEN, "/run put x");
        world.sees(BEN, "✅ put · #1 · exit 0").await;
        world.quiet().await;
        world.forges(BEN, BEN, "undone:1").await;
        world.sees(BEN, "The time to take back #1 is over").await;
        assert_eq!(lines(&done), ["put x"]);
    }
}

on_both! {
    /// Confirmed, it stays, however late it gets; not confirmed, it is taken back, once, frozen or not.
    async fn what_nobody_confirms_is_taken_back(world) {
        let done = put(&mut world, &["confirm_within: 5m"]);
        world.start().await;
        world.say(BEN, "/run put kept");
        let asked = world.sees(BEN, "confirms within 5 m, it is taken back").await;
        world.quiet().await;
        assert!(world.forges(CLEO, BEN, "keep:1").await.is_some_and(|told| !told.contains("kept")));
        assert_eq!(world.presses(BEN, &asked, "It works, keep it").await.unwrap(), "#1 is kept.");
        world.sees(BEN, "It works, keep it — ").await;
        let undoing = world.services().undoing.clone();
        undoing.step(in_ten_minutes()).await.unwrap();
        assert_eq!(world.jobs().await, 1);
        let told = world.forges(BEN, BEN, "keep:1").await;
        assert!(told.is_none_or(|told| told.contains("any more")));
        world.say(BEN, "/run put lost");
        world.sees(BEN, "✋ put · #2").await;
        world.quiet().await;
        undoing.step(Millis::now()).await.unwrap();
        assert_eq!(world.jobs().await, 2);
        for _ in 0..2 {
            undoing.step(in_ten_minutes()).await.unwrap();
        }
        world.sees(BEN, "nobody confirmed it in time, so it is taken back").await;
        world.sees(BEN, "put · #3").await;
        world.quiet().await;
        assert_eq!(lines(&done), ["put kept", "put lost", "back lost"]);
        world.forges(BEN, BEN, "undone:2").await;
        world.sees(BEN, "#2 was taken back already, by #3").await;
    }
}

on_both! {
    /// The bot is dead when the time is up: it is taken back after the next start.
    async fn a_crash_does_not_forget_it(world) {
        let done = put(&mut world, &["confirm_within: 2s"]);
        let bot = Outside::start(&world).await;
        world.say(BEN, "/run put x");
        world.sees(BEN, "confirms within 2 s").await;
        bot.kill().await;
        let bot = Outside::start(&world).await;
        world.sees(BEN, "↩️ put · #2 · took back #1").await;
        assert_eq!(lines(&done), ["put x", "back x"]);
        bot.terminate().await;
    }
}
