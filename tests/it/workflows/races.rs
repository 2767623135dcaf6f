//! What is said in the very moment in which it is too late: one of both wins, and what was told is what happens.

use super::keeping::Hands;
use super::program;
use crate::harness::tools::lines;
use crate::harness::{ANN, BEN, OPS, World};
use crate::on_both;
use opsgram::sandbox::Message;
use std::path::PathBuf;
use std::time::Duration;

const FIVE: Duration = Duration::from_secs(300);

/// A workflow whose step is taken back unless somebody confirms it within five minutes.
fn put(world: &mut World) -> PathBuf {
    let done = world.path().join("done");
    let put = program(world, "put", &format!("echo put $1 >> {}", done.display()));
    let back = program(
        world,
        "back",
        &format!("echo back $1 >> {}", done.display()),
    );
    world.set(&format!(
        "workflows:
  put:
    concurrency: parallel
    notify: []
    steps: [{{name: put, run: [sh, {put}, '{{{{ run.id }}}}'], undo: [sh, {back}, '{{{{ run.id }}}}'], confirm_within: 5m}}]"
    ));
    done
}

/// What the message about the step says now.
async fn settled(world: &World, run: i64) -> Message {
    world.sees(BEN, &format!("· #{run} · put\n")).await
}

on_both! {
    /// The time is up while somebody presses, many times over.
    async fn confirmed_or_taken_back_and_never_both(world) {
        let done = put(&mut world);
        let hands = Hands::default();
        world.start_at(hands.clock()).await;
        let (mut kept, mut lost) = (0, 0);
        for run in 1..=24i64 {
            world.say(BEN, "/workflow run put");
            let asked = world.sees(BEN, &format!("put · #{run} · put\nIt succeeded. Unless ben or an admin confirms")).await;
            let press = world.sandbox.press(BEN, BEN, asked.id, "It works, keep it").unwrap();
            // From now on to some moments later: before, while and after the press is taken.
            let moments = Duration::from_millis(run.unsigned_abs() % 6 * 2);
            tokio::time::sleep(moments).await;
            hands.pass(&world, FIVE, run);
            let told = world.answer(&press).await.unwrap_or_default();
            let is_kept = told.contains("Kept") || told.contains("kept") || told.contains("holds");
            let card = match is_kept {
                true => world.sees(BEN, &format!("✅ put · #{run} · succeeded")).await,
                false => world.sees(BEN, &format!("put · #{run} · failed at put: nobody confirmed it in time")).await,
            };
            assert!(card.text.contains(&format!("#{run}")), "{told}: {}", card.text);
            let back = lines(&done).contains(&format!("back {run}"));
            assert_eq!(back, !is_kept, "{run}: {told}");
            kept += usize::from(is_kept);
            lost += usize::from(!is_kept);
            let message = settled(&world, run).await;
            assert!(message.buttons.is_empty(), "{}", message.text);
        }
        assert_eq!(kept + lost, 24);
    }
}

on_both! {
    /// Frozen or not, what nobody confirms is taken back, and says so; a press that is too late is told.
    async fn a_freeze_does_not_keep_what_nobody_confirmed(world) {
        let done = put(&mut world);
        let hands = Hands::default();
        world.start_at(hands.clock()).await;
        world.say(BEN, "/workflow run put");
        let asked = world.sees(BEN, "Unless ben or an admin confirms within 5 m").await;
        assert!(asked.button("It works, keep it").is_some() && asked.button("Take it back").is_some());
        world.sandbox.open_private(ANN);
        world.say(ANN, "/freeze moving");
        world.sees(ANN, "froze everything").await;
        hands.pass(&world, FIVE, 1);
        let card = world.sees(BEN, "failed at put: nobody confirmed it in time").await;
        assert!(card.text.contains("a freeze does not stop this"), "{}", card.text);
        assert_eq!(lines(&done), ["put 1", "back 1"]);
        world.quiet().await;
        assert!(settled(&world, 1).await.buttons.is_empty());
        let told = world.forges(BEN, BEN, "step:yes:1:0:1").await.unwrap();
        assert!(told.contains("Nobody needs to answer"), "{told}");
    }
}

on_both! {
    /// Two questions of one run stand at once: each has its message and its answer, typed or pressed.
    async fn two_approvals_stand_at_once(world) {
        world.set(
            "workflows:
  two:
    notify: []
    parallel: 2
    steps:
      - {name: left, approve: {question: 'Left?', role: operator}}
      - {name: right, needs: [], approve: {question: 'Right?', role: operator}}
      - {name: after, needs: [left, right], run: [echo, after]}",
        );
        world.start().await;
        world.say(ANN, "/whoami");
        world.sandbox.say(BEN, OPS, "/workflow run two");
        let left = world.sees(OPS, "Left?").await;
        let right = world.sees(OPS, "Right?").await;
        assert_ne!(left.id, right.id);
        let told = world.asks(ANN, ANN, "/workflow approve 1").await;
        assert!(told.text.contains("left") && told.text.contains("right"), "{}", told.text);
        assert_eq!(world.presses(ANN, &right, "Approve").await.unwrap(), "Approved: right of #1.");
        let still = world.sees(OPS, "Left?").await;
        assert!(still.button("Approve").is_some(), "{}", still.text);
        let told = world.asks(ANN, ANN, "/workflow approve 1").await;
        assert_eq!(told.text, "Approved: left of #1.");
        let card = world.sees(OPS, "✅ two · #1 · succeeded").await;
        assert!(card.text.contains("✅ after"), "{}", card.text);
        world.quiet().await;
        for question in ["Left?", "Right?"] {
            let message = world.sees(OPS, question).await;
            assert!(message.buttons.is_empty() && message.text.contains("Approved by "), "{}", message.text);
        }
    }
}

on_both! {
    /// One is refused while the other still asks: the other is told that nobody needs to answer, and its button does nothing.
    async fn one_refusal_ends_the_other_question(world) {
        world.set(
            "workflows: {two: {notify: [], parallel: 2, steps: [
              {name: left, approve: {question: 'Left?', role: operator}},
              {name: right, needs: [], approve: {question: 'Right?', role: operator}}]}}",
        );
        world.start().await;
        world.sandbox.say(BEN, OPS, "/workflow run two");
        let left = world.sees(OPS, "Left?").await;
        world.sees(OPS, "Right?").await;
        world.presses(ANN, &left, "Refuse").await;
        world.sees(OPS, "failed at left: refused by").await;
        world.quiet().await;
        let right = world.sees(OPS, "· #1 · right\n").await;
        assert!(right.text.contains("The run has failed meanwhile") && right.buttons.is_empty(), "{}", right.text);
        let told = world.forges(ANN, OPS, "step:yes:1:1:1").await.unwrap();
        assert!(told.contains("Nobody needs to answer"), "{told}");
    }
}
