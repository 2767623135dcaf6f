//! What can be done about a run that is over: gone on with, or taken back.

use super::deploy;
use crate::harness::tools::lines;
use crate::harness::{ANN, BEN, CLEO};
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
        let back = world.sees(BEN, "↩️ deploy · #2 · took back #1").await;
        assert!(back.button("Run again").is_none());
        world.quiet().await;
        assert_eq!(lines(&world.path().join("done")), ["build", "put", "back v3 1"]);
        let told = world.sees(BEN, "\n↩️ taken back by #2").await;
        assert!(told.id == card.id && told.text.starts_with("✅ deploy · #1 · succeeded"), "{}", told.text);
        assert!(told.button("Undo … (10 m)").is_none() && told.button("Run again").is_some());
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
        assert!(list.text.contains("#1 · ↩️ taken back by #2"), "{}", list.text);
        assert!(list.text.contains("1 ok") && list.text.contains("#1"), "{}", list.text);
        let told = world.forges(BEN, BEN, "flow:undo:2").await.unwrap();
        let refused = world.audited("workflow.undo.ask", "refused").await;
        assert!(refused.iter().any(|line| line.actor.0 == CLEO), "a viewer's press is in the trail");
        assert_eq!(told, "There is nothing of #2 to take back.");
        assert_eq!(world.jobs().await, 2);
    }
}

on_both! {
    /// A run that only does the same once more takes nothing over: each is taken back by itself, also when the workflow is no
    /// longer configured.
    async fn a_run_that_was_run_again_is_taken_back_itself(world) {
        deploy(&mut world);
        world.start().await;
        world.say(BEN, "/workflow run deploy v3");
        let card = world.sees(BEN, "✅ deploy · #1 · succeeded").await;
        world.quiet().await;
        world.presses(BEN, &card, "Run again").await;
        world.sees(BEN, "✅ deploy · #2 · succeeded").await;
        world.quiet().await;
        world.settings.clear();
        world.config_file();
        world.asks(ANN, ANN, "/reload").await;
        for (id, by) in [(1, 3), (2, 4)] {
            world.say(BEN, &format!("/workflow undo {id}"));
            let asked = world.sees(BEN, &format!("Take back deploy · #{id}?")).await;
            world.presses(BEN, &asked, "Take it back").await;
            world.sees(BEN, &format!("↩️ deploy · #{by} · took back #{id}")).await;
        }
        world.quiet().await;
        let done = ["build", "put", "build", "put", "back v3 1", "back v3 2"];
        assert_eq!(lines(&world.path().join("done")), done);
    }
}

on_both! {
    /// While everything is frozen nothing is taken back, whether it was asked before or is now; afterwards the question still
    /// stands.
    async fn a_frozen_run_is_not_taken_back(world) {
        deploy(&mut world);
        world.sandbox.open_private(ANN);
        world.start().await;
        world.say(BEN, "/workflow run deploy v3");
        let card = world.sees(BEN, "✅ deploy · #1 · succeeded").await;
        world.quiet().await;
        world.presses(BEN, &card, "Undo … (10 m)").await;
        let asked = world.sees(BEN, "Take back deploy · #1?").await;
        world.say(ANN, "/freeze moving");
        world.sees(ANN, "froze everything").await;
        world.presses(BEN, &asked, "Take it back").await;
        world.sees(BEN, "Frozen by ann").await;
        let told = world.forges(BEN, BEN, "flow:undo:1").await.unwrap_or_default();
        assert!(told.contains("Frozen by ann"), "{told}");
        world.quiet().await;
        assert_eq!(world.jobs().await, 1);
        world.say(ANN, "/unfreeze");
        world.sees(ANN, "ended the freeze").await;
        world.presses(BEN, &asked, "Take it back").await;
        world.sees(BEN, "↩️ deploy · #2 · took back #1").await;
        world.quiet().await;
        assert_eq!(lines(&world.path().join("done")), ["build", "put", "back v3 1"]);
    }
}

on_both! {
    /// What a failed run did is taken back as far as it can be: one that cannot be keeps no other from it, and the end says so.
    async fn a_failed_run_is_taken_back_as_far_as_it_can_be(world) {
        let done = world.path().join("done").display().to_string();
        world.set(&format!(
            "workflows: {{w: {{steps: [
  {{name: one, run: [echo, 1], undo: [sh, -c, 'echo one >> {done}']}},
  {{name: two, run: [echo, 2], undo: [sh, -c, 'echo two >> {done}; exit 7']}},
  {{name: three, run: ['false']}}]}}}}"
        ));
        world.start().await;
        world.say(BEN, "/workflow run w");
        let card = world.sees(BEN, "failed at three: exit 1").await;
        assert!(card.button("Retry from three").is_some(), "{card:?}");
        world.quiet().await;
        world.presses(BEN, &card, "Undo … (10 m)").await;
        let asked = world.sees(BEN, "Take back w · #1?").await;
        world.presses(BEN, &asked, "Take it back").await;
        let told = world.sees(BEN, "\n↩️ #2 could not take all of it back: at two: exit 7").await;
        assert!(told.id == card.id && told.button("Retry from three").is_none(), "{told:?}");
        let end = world.sees(BEN, "failed at two: exit 7").await;
        assert!(end.text.contains("✅ one"), "{}", end.text);
        assert!(end.button("Retry from two").is_none(), "{end:?}");
        world.quiet().await;
        assert_eq!(lines(&world.path().join("done")), ["two", "one"]);
        let told = world.asks(BEN, BEN, "/jobs failed").await;
        assert!(told.text.contains("#2"), "{}", told.text);
        let told = world.asks(BEN, BEN, "/workflow retry 1").await;
        assert_eq!(told.text, "#2 was to take #1 back and could not take back all of it. /job 2 shows why; the rest is to be done by hand.");
        let told = world.asks(BEN, BEN, "/workflow undo 1").await;
        assert!(told.text.contains("By hand, this takes it back, one after the other:\ntwo: "), "{}", told.text);
        let told = world.forges(BEN, BEN, "flow:undo:2").await.unwrap();
        assert_eq!(told, "There is nothing of #2 to take back.");
        let told = world.asks(BEN, BEN, "/retry 2").await;
        assert!(told.text.starts_with("#2 was to take #1 back and could not take back all of it. That is tried once: /workflow undo 1"), "{}", told.text);
    }
}

on_both! {
    /// What takes a run back works where the step did, below the folder of its own run; that it is empty is said before.
    async fn a_relative_folder_is_there_again(world) {
        let done = world.path().join("done");
        let here = done.display();
        world.set(&format!(
            "workflows:
  put:
    notify: []
    steps:
      - {{name: make, run: [mkdir, -p, 'repo/sub']}}
      - {{name: put, cwd: repo/sub, run: [touch, x], undo: [sh, -c, 'echo \"${{PWD##*work/}} $(ls | wc -l)\" >> {here}']}}"
        ));
        world.start().await;
        world.say(BEN, "/workflow run put");
        let card = world.sees(BEN, "✅ put · #1 · succeeded").await;
        world.quiet().await;
        world.presses(BEN, &card, "Undo … (10 m)").await;
        let asked = world.sees(BEN, "Take back put · #1?").await;
        assert!(asked.text.contains("works in its folders finds them empty"), "{}", asked.text);
        world.presses(BEN, &asked, "Take it back").await;
        world.sees(BEN, "↩️ put · #2 · took back #1").await;
        let told = lines(&done);
        assert!(told.len() == 1 && told[0].starts_with("2/") && told[0].ends_with("repo/sub 0"), "{told:?}");
    }
}

on_both! {
    /// The run that went on is the one to take back: both would do it twice.
    async fn a_run_that_was_gone_on_with_is_not_taken_back(world) {
        world.set("workflows: {w: {steps: [{name: a, run: [echo, a], undo: [echo, back]}, {name: b, run: ['false']}]}}");
        world.start().await;
        world.say(BEN, "/workflow run w");
        world.sees(BEN, "w · #1 · failed at b: exit 1").await;
        world.quiet().await;
        world.say(BEN, "/workflow retry 1");
        let card = world.sees(BEN, "w · #2 · failed at b: exit 1").await;
        world.quiet().await;
        let told = world.forges(BEN, BEN, "flow:undo:1").await.unwrap();
        assert_eq!(told, "#2 went on with what #1 did. Take that one back instead.");
        world.presses(BEN, &card, "Undo … (10 m)").await;
        let asked = world.sees(BEN, "Take back w · #2?").await;
        world.presses(BEN, &asked, "Take it back").await;
        world.sees(BEN, "↩️ w · #3 · took back #2").await;
    }
}

on_both! {
    /// Texts of many kilobytes, from a parameter, in each place where they are shown: every message fits.
    async fn long_texts_are_cut(world) {
        world.set(
            "workflows:
  say:
    notify: []
    params: [{name: what, max_len: 4096}]
    steps:
      - {name: gate, approve: {question: 'About {{ params.what }}', role: operator, by_asker: true}}
      - {name: tell, notify: 'So: {{ params.what }}'}
      - {name: put, run: [echo, '{{ params.what }}'], undo: [echo, '{{ params.what }}']}",
        );
        world.start().await;
        let long = "<&>".repeat(1200);
        world.say(BEN, &format!("/workflow run say {long}"));
        let asked = world.sees(BEN, "About <&>").await;
        world.presses(BEN, &asked, "Approve").await;
        world.sees(BEN, "So: <&>").await;
        let card = world.sees(BEN, "✅ say · #1 · succeeded").await;
        world.quiet().await;
        world.presses(BEN, &card, "Undo … (10 m)").await;
        let asked = world.sees(BEN, "Take back say · #1?").await;
        assert!(asked.text.contains("more characters are not shown here"), "{}", asked.text);
        world.presses(BEN, &asked, "Take it back").await;
        world.sees(BEN, "↩️ say · #2 · took back #1").await;
    }
}

on_both! {
    /// What an earlier run did is taken back under that run's number, also after two retries.
    async fn what_was_taken_over_is_taken_back_as_what_it_was(world) {
        let here = world.path().display().to_string();
        let (broken, done) = (world.path().join("broken"), world.path().join("done"));
        let back = super::program(&world, "back", &format!("echo back $1 $2 $WHO >> {here}/done"));
        world.set(&format!(
            "workflows:
  w:
    env: {{WHO: '{{{{ run.id }}}}'}}
    steps:
      - {{name: make, run: [echo, made], undo: [sh, {back}, make, '{{{{ run.id }}}}']}}
      - {{name: look, run: [sh, -c, '[ ! -e {here}/broken ]'], undo: [sh, {back}, look, '{{{{ run.id }}}}']}}"
        ));
        fs::write(&broken, "").unwrap();
        world.start().await;
        world.say(BEN, "/workflow run w");
        world.sees(BEN, "w · #1 · failed at look").await;
        world.quiet().await;
        world.say(BEN, "/workflow retry 1");
        world.sees(BEN, "w · #2 · failed at look").await;
        world.quiet().await;
        fs::remove_file(&broken).unwrap();
        world.say(BEN, "/workflow retry 2");
        let card = world.sees(BEN, "✅ w · #3 · succeeded").await;
        world.quiet().await;
        world.presses(BEN, &card, "Undo … (10 m)").await;
        let asked = world.sees(BEN, "Take back w · #3?").await;
        assert!(asked.text.contains("look 3") && asked.text.contains("make 1"), "{}", asked.text);
        world.presses(BEN, &asked, "Take it back").await;
        world.sees(BEN, "↩️ w · #4 · took back #3").await;
        assert_eq!(lines(&done), ["back look 3 3", "back make 1 1"]);
    }
}
