//! What people say to a run: who may, who was first, and what follows.

use crate::harness::tools::{Gate, lines};
use crate::harness::{ANN, BEN, CLEO, OPS, Outside, STRANGER};
use crate::on_both;
use opsgram::base::ids::JobId;
use opsgram::base::time::Millis;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

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
        // Without a number it is told what waits for the answer that the asker may give.
        let nothing = "Nothing waits that you may approve here. /workflow status shows what runs.";
        for person in [BEN, CLEO] {
            assert_eq!(world.asks(person, person, "/workflow approve").await.text, nothing);
        }
        for (person, word) in [(ANN, "approve"), (BEN, "refuse")] {
            let told = world.asks(person, person, &format!("/workflow {word}")).await;
            assert_eq!(told.text, format!("Which one? Write /workflow {word} and its number, or press it:\n✋ gate · #1 · gate"));
            assert!(told.button("gate #1").is_some());
        }
        let told = world.presses(ANN, &asked, "Approve").await.unwrap();
        assert_eq!(told, "Approved: gate of #1.");
        world.sees(OPS, "✅ gate · #1 · succeeded").await;
        assert_eq!(world.asks(ANN, ANN, "/workflow approve").await.text, nothing);
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
        world.sees(OPS, "\nRefused by ann: not before noon").await;
        let card = world.sees(OPS, "failed at gate: refused by ann (not before noon)").await;
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
            let told = world.asks(BEN, BEN, "/workflow approve 1").await;
            assert_eq!(
                told.text,
                "work was cut off. Its buttons answer that: Run again, Go on without, Count as failed. /workflow status 1 has them."
            );
            let told = world.asks(BEN, BEN, "/workflow refuse 1 work never").await;
            assert!(told.text.starts_with("work was cut off"), "{}", told.text);
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
      - {name: drain, needs: [gate], run: [echo, drain, '{{ params.tag }}'], undo: [echo, fill]}
      - {name: swap, needs: [drain], run: [echo, swap], env: {KEY: '{{ steps.before.key }}'}}
      - {name: rare, needs: [drain], when: '{{ params.tag }} == v8', run: [echo, rare]}
      - {name: beside, needs: [before], run: [echo, beside]}");
        world.start().await;
        world.say(BEN, "/whoami");
        world.sandbox.say(BEN, OPS, "/workflow run gate v7");
        let asked = world.sees(OPS, "Really v7?").await;
        assert!(asked.text.contains("If approved, this follows on "), "{}", asked.text);
        assert!(asked.text.contains("drain: echo drain v7") && asked.text.contains("swap: echo swap"), "{}", asked.text);
        assert!(asked.text.contains("Can be taken back afterwards: drain."), "{}", asked.text);
        assert!(!asked.text.contains("rare"), "what is left out is known by now: {}", asked.text);
        assert!(!asked.text.contains("beside") && !asked.text.contains("s3cr3t"), "{}", asked.text);
        world.presses(ANN, &asked, "Approve").await;
        world.sees(OPS, "✅ gate · #1 · succeeded").await;
        let settled = world.sees(OPS, "Approved by ").await;
        assert!(!settled.text.contains("If approved"), "{}", settled.text);
    }
}

const HIGH: &str = "workflows:
  gate:
    role: operator
    max_duration: 30m
    steps:
      - {name: gate, approve: {question: 'Really?', role: admin}, timeout: 30m}
      - {name: after, run: [echo, after]}";

on_both! {
    /// Where nobody in the chat may approve, those who may are asked in private, once, over a restart; answered by one of them,
    /// it is settled everywhere. The status of the run has the buttons for who may.
    async fn those_who_may_are_asked_in_private(world) {
        world.set(HIGH);
        world.sandbox.open_private(ANN);
        world.start().await;
        world.say(BEN, "/workflow run gate");
        let told = world.sees(BEN, "I ask in private: ann").await;
        let card = world.sees(BEN, "▶️ gate · #1").await;
        assert!(card.id < told.id, "the card comes first");
        assert!(told.text.contains("/workflow approve 1") && told.button("Approve").is_none(), "{}", told.text);
        let asked = world.sees(ANN, "Really?").await;
        assert!(asked.text.contains("Started by ben · within "), "{}", asked.text);
        world.stop().await;
        world.start().await;
        let status = world.asks(BEN, BEN, "/workflow status gate").await;
        assert!(status.text.contains("waits for approval by admin or above"), "{}", status.text);
        assert!(status.button("Approve").is_none());
        let status = world.asks(ANN, ANN, "/workflow 1").await;
        assert!(status.button("Approve").is_some() && status.button("Refuse").is_some());
        assert_eq!(world.count(ANN, "Really?"), 1, "asked once");
        let told = world.presses(ANN, &status, "Approve").await.unwrap();
        assert_eq!(told, "Approved: gate of #1.");
        for chat in [ANN, BEN] {
            world.sees(chat, "✅ gate · #1 · gate\nReally?\nApproved by ann").await;
        }
        world.sees(BEN, "✅ gate · #1 · succeeded").await;
    }
}

on_both! {
    /// Who never opened the bot's chat is named with what to do, nobody counts as asked who was not, and whoever opens it is asked
    /// then, also when that was while the bot was away. The list of workflows says what the run waits for.
    async fn who_cannot_be_reached_is_named_and_asked_later(world) {
        world.people("access: {users: [{id: 111, name: ann, role: owner}, {id: 222, name: ben, role: operator}, {id: 333, name: cleo, role: admin}, {id: 999, name: dan, role: admin}]}\n");
        world.set(HIGH);
        world.start().await;
        world.say(BEN, "/workflow run gate");
        let told = world.sees(BEN, "Nobody is asked yet: I cannot write to ann, cleo, dan. They are asked as soon as they open our private chat").await;
        assert!(!told.text.contains("in private:"), "{}", told.text);
        let list = world.asks(BEN, BEN, "/workflow").await;
        assert!(list.text.contains("✋ waits for approval, #1"), "{}", list.text);
        world.say(CLEO, "/start");
        let asked = world.sees(CLEO, "Really?").await;
        assert!(asked.button("Approve").is_some(), "{}", asked.text);
        let told = world.sees(BEN, "I ask in private: cleo.").await;
        assert!(told.text.contains("I cannot write to ann, dan yet"), "{}", told.text);
        world.stop().await;
        // The role of one is taken away meanwhile.
        world.people("access: {users: [{id: 111, name: ann, role: owner}, {id: 222, name: ben, role: operator}, {id: 333, name: cleo, role: admin}]}\n");
        world.say(STRANGER, "/start");
        world.say(ANN, "/start");
        world.start().await;
        let asked = world.sees(ANN, "Really?").await;
        let told = world.sees(BEN, "I ask in private: ann, cleo.").await;
        assert!(!told.text.contains("dan"), "{}", told.text);
        world.quiet_but_for_jobs().await;
        world.presses(ANN, &asked, "Approve").await;
        for chat in [ANN, BEN, CLEO] {
            world.sees(chat, "✅ gate · #1 · gate\nReally?\nApproved by ann").await;
        }
        world.quiet().await;
        assert_eq!(world.count(CLEO, "Really?"), 1, "asked once");
        assert_eq!(world.count(STRANGER, "Really?"), 0, "neither asked nor told");
    }
}

on_both! {
    /// What is asked for longer than messages are kept is asked once all the same, and changed when it is answered.
    async fn a_question_outlives_what_is_kept(world) {
        world.set(HIGH);
        world.sandbox.open_private(ANN);
        world.start().await;
        world.say(BEN, "/workflow run gate");
        let asked = world.sees(ANN, "Really?").await;
        let told = world.sees(BEN, "I ask in private: ann").await;
        world.quiet_but_for_jobs().await;
        let later = Millis::now().plus(Duration::from_secs(3600));
        let jobs = &world.services().jobs;
        jobs.forget_messages(later, &CancellationToken::new()).await.unwrap();
        world.services().flows.wake(JobId(1));
        world.presses(ANN, &asked, "Approve").await;
        for (chat, before) in [(ANN, asked), (BEN, told)] {
            let now = world.sees(chat, "✅ gate · #1 · gate\nReally?\nApproved by ann").await;
            assert_eq!(now.id, before.id);
        }
        world.sees(BEN, "✅ gate · #1 · succeeded").await;
        world.quiet().await;
        assert_eq!(world.count(ANN, "Really?"), 1, "asked once");
        jobs.forget_messages(later, &CancellationToken::new()).await.unwrap();
        let mut db = world.services().store.read().await.unwrap();
        let left: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM outbox").fetch_one(&mut *db).await.unwrap();
        assert_eq!(left, 0, "of what is over, nothing is kept");
    }
}

on_both! {
    /// In a group that is held below the role nobody can approve: it says where one can.
    async fn a_group_below_the_role_says_where(world) {
        world.set(HIGH);
        world.sandbox.open_private(ANN);
        world.start().await;
        world.sandbox.say(BEN, OPS, "/workflow run gate");
        let told = world.sees(OPS, "I ask in private: ann").await;
        assert!(told.button("Approve").is_none(), "{}", told.text);
        let refused = world.forges(ANN, OPS, "step:yes:1:0:1").await.unwrap();
        assert!(refused.ends_with("Say /workflow approve 1 in our private chat."), "{refused}");
        assert_eq!(world.audited("workflow.approve", "refused").await.len(), 1);
        let told = world.asks(ANN, ANN, "/workflow approve 1").await;
        assert_eq!(told.text, "Approved: gate of #1.");
        world.sees(OPS, "✅ gate · #1 · succeeded").await;
    }
}

on_both! {
    /// The question stays to be read when its time is over.
    async fn a_question_outlives_its_time(world) {
        world.set("workflows: {gate: {steps: [{name: gate, approve: {question: 'Really?', role: operator, by_asker: true}, timeout: 1s}]}}");
        world.start().await;
        world.say(BEN, "/workflow run gate");
        world.sees(BEN, "⏱ gate · #1 · gate\nReally?\nNobody approved it in time.").await;
    }
}

on_both! {
    /// What somebody has to confirm says who may, and is kept by its number as well.
    async fn it_is_kept_by_its_number(world) {
        world.set("workflows: {careful: {steps: [{name: change, run: [echo, changed], undo: [echo, back], confirm_within: 5m}]}}");
        world.start().await;
        world.say(BEN, "/workflow run careful");
        let asked = world.sees(BEN, "Unless ben or an admin confirms within 5 m").await;
        assert!(asked.text.contains("/workflow approve 1 keeps it"), "{}", asked.text);
        let status = world.asks(BEN, BEN, "/workflow status").await;
        assert!(status.button("It works, keep it").is_some() && status.button("Take it back").is_some());
        let told = world.asks(BEN, BEN, "/workflow approve 1").await;
        assert_eq!(told.text, "It is kept: change of #1.");
        world.sees(BEN, "✅ careful · #1 · succeeded").await;
        world.quiet().await;
        world.say(BEN, "/workflow run careful");
        world.sees(BEN, "✋ careful · #2 · change").await;
        let told = world.asks(BEN, BEN, "/workflow refuse 2 too slow").await;
        assert_eq!(told.text, "It is being taken back: change of #2.");
        world.sees(BEN, "careful · #2 · change\nNot kept by ben (too slow), so it was taken back").await;
        world.sees(BEN, "failed at change: not kept by ben (too slow), so it was taken back").await;
    }
}
