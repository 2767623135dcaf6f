//! What people say to a run: who may, who was first, and what follows.

use crate::harness::tools::{Gate, lines};
use crate::harness::{ANN, BEN, CLEO, OPS, Outside};
use crate::on_both;

const GATE: &str = "workflows:
  gate:
    steps:
      - {name: before, run: [echo, before]}
      - {name: gate, approve: {question: 'Really?', role: operator}}
      - {name: after, run: [echo, after]}";

on_both! {
    /// Neither the asker nor a lower role approves; somebody else does, once, and the trail has all of it.
    async fn an_approval_needs_another_person(world) {
        world.set(GATE);
        world.start().await;
        world.say(BEN, "/whoami");
        world.sandbox.say(BEN, OPS, "/workflow run gate");
        let asked = world.sees(OPS, "Really?").await;
        let told = world.presses(BEN, &asked, "Approve").await.unwrap();
        assert!(told.contains("somebody else has to approve it"), "{told}");
        let told = world.presses(CLEO, &asked, "Approve").await.unwrap();
        assert!(told.contains("needs the role operator"), "{told}");
        let told = world.asks(BEN, OPS, "/workflow approve 1").await;
        assert!(told.text.contains("somebody else has to approve it"), "{}", told.text);
        assert_eq!(world.audited("workflow.approve", "refused").await.len(), 3);
        assert!(world.audited("workflow.approve", "allowed").await.is_empty());
        let told = world.presses(ANN, &asked, "Approve").await.unwrap();
        assert_eq!(told, "Approved: gate of #1.");
        world.sees(OPS, "✅ gate · #1 · succeeded").await;
        world.sees(OPS, "Approved by ").await;
        world.quiet().await;
        let told = world.forges(ANN, OPS, "step:no:1:1:1").await.unwrap();
        assert!(told.contains("was first: approved"), "{told}");
        let told = world.forges(ANN, OPS, "step:yes:1:1:1").await.unwrap();
        assert!(told.contains("You said so already"), "{told}");
        let told = world.forges(ANN, OPS, "step:yes:1:9:1").await.unwrap();
        assert!(told.contains("Nobody needs to answer"), "{told}");
        world.quiet().await;
        assert_eq!(world.audited("workflow.approve", "allowed").await.len(), 1);
    }
}

on_both! {
    /// A refusal ends the run, with its reason; the last moment decides between two answers.
    async fn a_refusal_says_why(world) {
        world.set(GATE);
        world.start().await;
        world.sandbox.say(BEN, OPS, "/workflow run gate");
        world.sees(OPS, "Really?").await;
        let told = world.asks(ANN, ANN, "/workflow refuse 1 not before noon").await;
        assert_eq!(told.text, "Refused: gate of #1.");
        world.sees(OPS, "not before noon").await;
        let card = world.sees(OPS, "failed at gate").await;
        assert!(card.text.contains("▫️ after"), "{}", card.text);
        world.quiet().await;
        let told = world.asks(ANN, ANN, "/workflow approve 1").await;
        assert!(told.text.contains("waits for nobody's approval"), "{}", told.text);
        let lines = world.audited("workflow.refuse", "allowed").await;
        assert_eq!((lines.len(), lines[0].arguments.as_str()), (1, "not before noon"));
    }
}

on_both! {
    /// Killed inside a step: the asker is asked what now, and each answer does what it says.
    async fn after_a_crash_somebody_says_what_now(world) {
        let mut gate = Gate::new(&world, "gate");
        let done = world.path().join("done");
        let slow = super::program(&world, "slow", &format!("echo begun; echo begun >> {}; {}", done.display(), gate.wait()));
        world.set(&format!(
            "workflows: {{slow: {{steps: [{{name: first, run: [echo, first]}}, {{name: work, run: [sh, {slow}]}}, {{name: last, run: [echo, last]}}]}}}}"
        ));
        let mut bot = Outside::start(&world).await;
        world.say(BEN, "/workflow run slow");
        world.sees(BEN, "begun").await;
        for (label, done_by, starts) in [("Run again", "Run again by ben", 2), ("Go on without", "Left out by ben", 2)] {
            bot.kill().await;
            bot = Outside::start(&world).await;
            world.sees(BEN, "The bot was stopped while this step ran").await;
            let told = world.forges(CLEO, BEN, "step:skip:1:1:1").await;
            assert!(told.is_none_or(|told| !told.contains("goes on")), "a viewer may not");
            let pressed = world.press(BEN, BEN, label);
            world.answer(&pressed).await;
            world.sees(BEN, done_by).await;
            crate::harness::tools::until("another start", || lines(&done).len() == starts).await;
        }
        let card = world.sees(BEN, "✅ slow · #1 · succeeded").await;
        assert!(card.text.contains("⏭ work") && card.text.contains("✅ last"), "{}", card.text);
        gate.open(1);
        bot.terminate().await;
    }
}

on_both! {
    /// Whoever approves sees what will be executed, where, and what of it can be taken back; secrets stay hidden.
    async fn an_approval_says_what_it_lets_happen(world) {
        world.set("workflows:
  gate:
    params: [{name: tag, pattern: 'v[0-9]+'}]
    steps:
      - {name: before, run: [echo, 'key s3cr3t-value'], needs: [], capture: {key: 'key (.*)', secret: true}}
      - {name: gate, needs: [before], approve: {question: 'Really {{ params.tag }}?', role: operator}}
      - {name: drain, needs: [gate], run: [echo, drain, '{{ params.tag }}'], env: {KEY: '{{ steps.before.key }}'}, undo: [echo, fill]}
      - {name: swap, needs: [drain], run: [echo, swap]}
      - {name: beside, needs: [before], run: [echo, beside]}");
        world.start().await;
        world.say(BEN, "/whoami");
        world.sandbox.say(BEN, OPS, "/workflow run gate v7");
        let asked = world.sees(OPS, "Really v7?").await;
        assert!(asked.text.contains("If approved, this follows on "), "{}", asked.text);
        assert!(asked.text.contains("drain: echo drain v7") && asked.text.contains("swap: echo swap"), "{}", asked.text);
        assert!(asked.text.contains("Can be taken back afterwards: drain."), "{}", asked.text);
        assert!(!asked.text.contains("beside") && !asked.text.contains("s3cr3t"), "{}", asked.text);
        world.presses(ANN, &asked, "Approve").await;
        world.sees(OPS, "✅ gate · #1 · succeeded").await;
        let settled = world.sees(OPS, "Approved by ").await;
        assert!(!settled.text.contains("If approved"), "{}", settled.text);
    }
}
