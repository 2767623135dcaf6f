//! Stopped where it waits, where it works, and where it tidies up; and what goes on though its definition is gone.

use super::program;
use crate::harness::tools::{Gate, children, lines, until};
use crate::harness::{ANN, BEN, OPS};
use crate::on_both;
use std::fs;
use std::os::unix::fs::PermissionsExt;

on_both! {
    /// A hold, a program, a service and an approval at once: all end, and nobody is asked any more.
    async fn a_group_is_stopped(world) {
        let here = world.path().display().to_string();
        let work = program(&world, "work", &format!("echo work >> {here}/begun; sleep 1000"));
        world.set(&format!(
            "workflows:
  group:
    notify: []
    steps:
      - {{name: hold, needs: [], hold: 1h}}
      - {{name: work, needs: [], run: [sh, {work}], skip_if: ['false']}}
      - {{name: serve, needs: [], service: [sh, {work}]}}
      - {{name: gate, needs: [], approve: {{question: 'Really?', role: operator}}, skip_if: ['false']}}
      - {{name: never, needs: [gate], run: [echo, never]}}
    always: [{{name: clean, run: [sh, -c, 'echo clean >> {here}/begun']}}]"
        ));
        world.start().await;
        world.say(BEN, "/whoami");
        world.sandbox.say(BEN, OPS, "/workflow run group");
        let asked = world.sees(OPS, "Really?").await;
        let begun = world.path().join("begun");
        until("both to begin", || lines(&begun).len() == 2).await;
        world.say(BEN, "/workflow stop group");
        let card = world.sees(OPS, "stopped by ben").await;
        for words in ["🚫 hold", "🚫 work", "🚫 gate", "▫️ never", "✅ clean"] {
            assert!(card.text.contains(words), "{words}: {}", card.text);
        }
        world.sees(OPS, "The run was stopped.").await;
        world.quiet().await;
        let told = world.forges(ANN, OPS, "step:yes:1:3:1").await.unwrap();
        assert!(told.contains("Nobody needs to answer") || told.contains("over"), "{told}");
        assert!(world.sandbox.from_bot(OPS).iter().all(|one| one.id != asked.id || one.button("Approve").is_none()));
        assert_eq!(lines(&begun), ["work", "work", "clean"]);
        assert_eq!(children(&world), [0; 0]);
    }
}

on_both! {
    /// What always runs is not cut short by a stop; an approval that a check makes needless is not asked for.
    async fn what_always_runs_is_not_stopped(world) {
        let mut gate = Gate::new(&world, "gate");
        let clean = program(&world, "clean", &format!("echo cleaning; {}; echo cleaned", gate.wait()));
        world.set(&format!(
            "workflows: {{w: {{notify: [], steps: [{{name: ask, approve: 'Really?', skip_if: ['true']}}], always: [{{name: clean, run: [sh, {clean}]}}]}}}}"
        ));
        world.start().await;
        world.say(BEN, "/workflow run w");
        world.sees(BEN, "cleaning").await;
        world.say(BEN, "/workflow stop w");
        world.sees(BEN, "Stopping").await;
        gate.open(1);
        let card = world.sees(BEN, "stopped by ben").await;
        assert!(card.text.contains("✅ clean") && card.text.contains("⏭ ask"), "{}", card.text);
        assert_eq!(world.count(BEN, "Really?"), 0);
    }
}

on_both! {
    /// A run keeps what it began with: a reload that takes its workflow away does not touch it.
    async fn a_run_outlives_its_definition(world) {
        let mut gate = Gate::new(&world, "gate");
        let wait = program(&world, "wait", &format!("echo waiting; {}", gate.wait()));
        world.set(&format!(
            "workflows: {{w: {{notify: [], steps: [{{name: wait, run: [sh, {wait}]}}, {{name: more, run: [echo, more]}}], always: [{{name: clean, run: [echo, clean]}}]}}}}"
        ));
        world.start().await;
        world.say(BEN, "/workflow run w");
        world.sees(BEN, "waiting").await;
        world.settings.clear();
        world.config_file();
        world.asks(ANN, ANN, "/reload").await;
        let told = world.asks(BEN, BEN, "/workflow run w").await;
        assert!(told.text.contains("There is no workflow") || told.text.contains("no workflow"), "{}", told.text);
        let status = world.asks(BEN, BEN, "/workflow status w").await;
        assert!(status.text.contains("▶️ wait"), "{}", status.text);
        gate.open(1);
        let card = world.sees(BEN, "w · #1 · succeeded").await;
        assert!(card.text.contains("✅ more") && card.text.contains("✅ clean"), "{}", card.text);
    }
}

on_both! {
    /// Where no folder can be made, the run fails and says which.
    async fn without_room_for_its_folder_it_says_so(world) {
        world.set("workflows: {w: {notify: [], steps: [{name: one, run: [echo, one]}]}}");
        world.start().await;
        world.say(BEN, "/workflow run w");
        world.sees(BEN, "w · #1 · succeeded").await;
        world.quiet().await;
        // A file where the folder of folders was; as root, rights alone would refuse nothing.
        let work = world.path().join("data/work");
        fs::set_permissions(world.path().join("data"), fs::Permissions::from_mode(0o700)).unwrap();
        fs::remove_dir_all(&work).unwrap();
        fs::write(&work, "").unwrap();
        world.say(BEN, "/workflow run w");
        let card = world.sees(BEN, "❌ w · #2").await;
        assert!(card.text.contains("cannot be made"), "{}", card.text);
    }
}
