//! What there is, how it stands and went, and who may see it.

use super::deploy;
use crate::harness::tools::Gate;
use crate::harness::{ANN, BEN, CLEO, OPS, STRANGER};
use crate::on_both;

on_both! {
    /// The list, the dry run, a start that asks for what is missing, the card, a step's log, and the totals.
    async fn a_workflow_is_found_tried_run_and_looked_at(world) {
        deploy(&mut world);
        world.script("other", "echo other", &[]);
        world.start().await;
        let list = world.asks(BEN, BEN, "/workflow").await;
        assert!(list.text.contains("Build and put") && list.text.contains("not run yet"), "{}", list.text);
        assert!(!list.text.contains("other"), "{}", list.text);
        let scripts = world.asks(BEN, BEN, "/run").await;
        assert!(!scripts.text.contains("deploy"), "{}", scripts.text);
        let plan = world.asks(BEN, BEN, "/workflow plan deploy v7").await;
        for words in ["1. build: sh ", "build v7", "after build", "undo: sh ", "3. clean: echo cleaned", "Nothing was run"] {
            assert!(plan.text.contains(words), "{words}: {}", plan.text);
        }
        let plan = world.asks(BEN, BEN, "/workflow plan deploy").await;
        assert!(plan.text.contains("build \"{{ params.tag }}\""), "{}", plan.text);
        let wrong = world.asks(BEN, BEN, "/workflow plan deploy 7").await;
        assert!(wrong.text.contains("tag"), "{}", wrong.text);
        assert_eq!(world.jobs().await, 0);
        world.presses(BEN, &list, "Run deploy").await;
        world.sees(BEN, "tag?").await;
        world.say(BEN, "v7");
        let card = world.sees(BEN, "succeeded").await;
        assert!(card.text.starts_with("✅ deploy · #1"), "{}", card.text);
        assert!(card.text.contains("\ntag=v7\n✅ build") && card.text.contains("✅ clean"), "{}", card.text);
        world.quiet().await;
        world.presses(BEN, &card, "Log: build").await;
        let pressed = world.sees(BEN, "#1 · build").await;
        let typed = world.asks(BEN, BEN, "/workflow log 1 build").await;
        assert_eq!((pressed.text.as_str(), pressed.document.is_none()), (typed.text.as_str(), true));
        assert!(typed.text.contains("built v7"), "{}", typed.text);
        let log = world.asks(BEN, BEN, "/workflow log 1 put").await;
        assert!(log.text.contains("putting") && log.document.is_none(), "{}", log.text);
        let log = world.asks(BEN, BEN, "/workflow log 1 buld").await;
        assert!(log.text.contains("Did you mean build?"), "{}", log.text);
        let status = world.asks(BEN, BEN, "/workflow status deploy").await;
        assert!(status.text.starts_with("✅ deploy · #1 · succeeded"), "{}", status.text);
        let job = world.asks(BEN, BEN, "/job 1").await;
        assert!(job.text.contains("✅ build"), "{}", job.text);
        world.say(BEN, "/run deploy v8");
        world.sees(BEN, "✅ deploy · #2 · succeeded").await;
        world.say(BEN, "/retry 2");
        world.sees(BEN, "✅ deploy · #3 · succeeded").await;
        let list = world.asks(BEN, BEN, "/workflow list").await;
        assert!(list.text.contains("3 ok") && list.text.contains("✅ succeeded"), "{}", list.text);
        world.polite();
    }
}

on_both! {
    /// Who may not run it sees nothing of it; what is mistyped is told with what was meant.
    async fn others_are_refused_and_typos_are_told(world) {
        deploy(&mut world);
        world.start().await;
        let list = world.asks(CLEO, CLEO, "/workflow").await;
        assert!(list.text.contains("No workflow is open to your role"), "{}", list.text);
        for text in ["/workflow run deploy v1", "/workflow plan deploy v1", "/workflow status deploy", "/workflow stop deploy"] {
            let refused = world.asks(CLEO, CLEO, text).await;
            let told = refused.text.contains("There is no workflow") || refused.text.contains("needs the role");
            assert!(told, "{text}: {}", refused.text);
        }
        world.say(STRANGER, "/workflow run deploy v1");
        for (text, words) in [
            ("/workflow run deplo v1", "Did you mean deploy?"),
            ("/workflow stats", "Did you mean /workflow status?"),
            ("/workflow deploy", "Did you mean /workflow run deploy"),
            ("/workflow frobnicate", "is not known here"),
            ("/workflow plan", "Write which workflow"),
            ("/workflow plan deploy v1 extra", "“extra” is one argument too many. Write /workflow plan deploy <tag"),
            ("/workflow log", "Write the number of a run"),
            ("/workflow retry x", "Write the number of a run"),
            ("/workflow stop", "Write what to stop"),
            ("/workflow status 77", "no run #77"),
            ("/workflow log 77", "no run #77"),
            ("/workflow 77", "no run #77"),
            ("/workflow undo", "Write the number of a run"),
            ("/workflow help", "For example: /workflow run deploy"),
            ("/workflow stop 77", "no run #77"),
            ("/workflow stop deploy", "deploy does not run now"),
            ("/workflow status deploy", "was not run yet"),
            ("/workflow status", "No workflow runs now"),
            ("/workflow approve 77", "no run #77"),
        ] {
            let told = world.asks(BEN, BEN, text).await;
            assert!(told.text.contains(words), "{text}: {}", told.text);
        }
        world.quiet().await;
        assert_eq!(world.jobs().await, 0);
    }
}

on_both! {
    /// A hold is shown while it lasts and stopped by name; a second start is refused with the number of the first.
    async fn what_runs_is_shown_and_stopped(world) {
        world.set("workflows: {wait: {steps: [{name: pause, hold: 1h}], always: [{name: clean, run: [echo, x]}]}}");
        world.script("plain", "echo plain", &[]);
        world.start().await;
        world.say(BEN, "/workflow run wait");
        world.sees(BEN, "left").await;
        let again = world.asks(BEN, BEN, "/workflow run wait").await;
        assert!(again.text.contains("#1"), "{}", again.text);
        let list = world.asks(BEN, BEN, "/workflow").await;
        assert!(list.text.contains("runs now, #1") && !list.text.contains("not run yet"), "{}", list.text);
        let status = world.asks(BEN, BEN, "/workflow status").await;
        assert!(status.text.contains("⏳ pause") && status.text.contains("▫️ clean"), "{}", status.text);
        let list = world.asks(BEN, BEN, "/workflow").await;
        assert!(list.text.contains("runs now, #1"), "{}", list.text);
        for (command, label) in [("/workflow status 1", "Stop"), ("/job 1", "Cancel")] {
            for (person, may) in [(BEN, true), (CLEO, false)] {
                let shown = world.asks(person, person, command).await;
                assert_eq!(shown.button(label).is_some(), may, "{command}: {}", shown.text);
            }
        }
        let refused = world.asks(CLEO, CLEO, "/workflow stop 1").await;
        assert!(refused.text.contains("needs the role operator"), "{}", refused.text);
        world.say(BEN, "/workflow stop wait");
        let card = world.sees(BEN, "stopped by ben").await;
        assert!(card.text.contains("🚫 pause") && card.text.contains("✅ clean"), "{}", card.text);
        world.quiet().await;
        let list = world.asks(BEN, BEN, "/workflow").await;
        assert!(list.text.contains("1 stopped"), "{}", list.text);
        world.say(BEN, "/run plain");
        world.sees(BEN, "✅ plain · #2").await;
        for text in ["/workflow status 2", "/workflow stop 2", "/workflow retry 2"] {
            let told = world.asks(ANN, ANN, text).await;
            assert!(told.text.contains("not a run of a workflow"), "{text}: {}", told.text);
        }
    }
}

on_both! {
    /// A run that was stopped says so from then on, wherever it is looked at, and is not to be stopped twice.
    async fn what_is_being_stopped_says_so(world) {
        let mut gate = Gate::new(&world, "gate");
        let clean = super::program(&world, "clean", &gate.wait());
        world.set(&format!("workflows: {{wait: {{steps: [{{name: pause, hold: 1h}}], always: [{{name: clean, run: [sh, {clean}]}}]}}}}"));
        world.start().await;
        world.say(BEN, "/workflow run wait");
        world.sees(BEN, "left").await;
        let told = world.asks(BEN, BEN, "/workflow stop 1").await;
        assert_eq!(told.text, "Stopping #1 …");
        for (command, label) in [("/workflow status", "Stop"), ("/workflow status 1", "Stop"), ("/job 1", "Cancel")] {
            let shown = world.asks(BEN, BEN, command).await;
            assert!(shown.text.starts_with("⏹ wait · #1 · stopping · "), "{command}: {}", shown.text);
            assert!(shown.button(label).is_none(), "{command}: {shown:?}");
        }
        gate.open(1);
        world.sees(BEN, "stopped by ben").await;
    }
}

on_both! {
    /// One that asks first shows its steps; what changed meanwhile is not run.
    async fn its_steps_are_confirmed(world) {
        let mut gate = Gate::new(&world, "gate");
        let open = super::program(&world, "open", &gate.wait());
        let flow = |what: &str| {
            format!("workflows: {{ask: {{confirm: true, steps: [{{name: one, run: [sh, {open}]}}, {{name: two, run: [echo, {what}]}}]}}}}")
        };
        world.set(&flow("second"));
        world.start().await;
        let asked = world.asks(BEN, BEN, "/workflow run ask").await;
        assert!(asked.text.contains("one: sh ") && asked.text.contains("two: echo second"), "{}", asked.text);
        assert_eq!(world.jobs().await, 0);
        world.presses(BEN, &asked, "Run").await;
        gate.open(1);
        world.sees(BEN, "✅ ask · #1 · succeeded").await;
        let asked = world.asks(BEN, BEN, "/workflow run ask").await;
        world.settings.clear();
        world.set(&flow("other"));
        world.config_file();
        let told = world.asks(ANN, ANN, "/reload").await;
        assert!(!told.text.contains("fault"), "{}", told.text);
        world.presses(BEN, &asked, "Run").await;
        world.sees(BEN, "has changed since you asked").await;
        assert_eq!(world.jobs().await, 1);
    }
}

on_both! {
    /// Looking is for whoever may see a run; what is refused says so at once, and the trail has it as refused.
    async fn who_may_only_look_looks(world) {
        world.set("workflows: {wait: {params: [{name: tag, pattern: 'v[0-9]+', default: v1}], steps: [{name: pause, hold: 1h}, {name: tell, notify: '{{ params.tag }}'}]}}");
        world.start().await;
        let told = world.asks(BEN, BEN, "/workflow run wait 7").await;
        assert!(told.text.contains("tag"), "{}", told.text);
        world.quiet().await;
        assert!(world.audited("script.run", "allowed").await.is_empty());
        assert_eq!(world.audited("script.run", "refused").await.len(), 1, "a wrong value");
        world.sandbox.say(BEN, OPS, "/workflow run wait");
        let card = world.sees(OPS, "left").await;
        let status = world.asks(CLEO, CLEO, "/workflow status wait").await;
        assert!(status.text.contains("⏳ pause"), "{}", status.text);
        let told = world.presses(CLEO, &card, "Stop").await.unwrap();
        assert!(told.contains("needs the role"), "not promised first: {told}");
        world.say(ANN, "/freeze moving");
        world.sees(ANN, "froze everything").await;
        let told = world.asks(BEN, BEN, "/run wait v2").await;
        assert!(told.text.contains("Frozen by ann"), "{}", told.text);
        world.quiet_but_for_jobs().await;
        assert_eq!(world.audited("script.run", "refused").await.len(), 2, "frozen");
        assert_eq!(world.audited("script.run", "allowed").await.len(), 1);
        world.say(BEN, "/workflow stop wait");
        let card = world.sees(OPS, "stopped by ben").await;
        assert!(card.button("Retry from pause").is_some(), "{}", card.text);
    }
}

on_both! {
    /// What was waited for in vain is said, once.
    async fn a_wait_in_vain_says_for_what(world) {
        world.set("workflows: {w: {notify: [], steps: [{name: up, wait_for: {file: /nowhere/mark, every: 1s}, timeout: 1s}]}}");
        world.start().await;
        world.say(BEN, "/workflow run w");
        let card = world.sees(BEN, "failed at up: there was no file /nowhere/mark in 1 s").await;
        assert_eq!(card.text.matches("no file").count(), 1, "{}", card.text);
        assert!(card.button("Log: up").is_none(), "it printed nothing");
        let asked = world.asks(BEN, BEN, "/schedule w every 30m").await;
        assert!(asked.text.ends_with("Each run has its card here."), "{}", asked.text);
    }
}
