//! A start while a workflow runs: it waits, or takes the place of what runs.

use super::keeping::Hands;
use super::program;
use crate::harness::tools::{Gate, lines, until};
use crate::harness::{ANN, BEN, OPS, PATIENCE, World};
use crate::on_both;
use opsgram::base::job::JobState;
use std::time::{Duration, Instant};

const HOUR: Duration = Duration::from_secs(3600);

fn hold(name: &str, more: &str) -> String {
    format!(
        "workflows: {{{name}: {{{more}, steps: [{{name: hold, hold: 1h}}], always: [{{name: clean, run: [echo, cleaned]}}]}}}}"
    )
}

on_both! {
    /// Starts are done one after the other, in their order.
    async fn a_start_waits_for_the_one_before(world) {
        world.set(&hold("slow", "concurrency: queue"));
        let hands = Hands::default();
        world.start_at(hands.clock()).await;
        world.sandbox.say(BEN, OPS, "/workflow run slow");
        world.sees(OPS, "▶️ slow · #1").await;
        for run in 2..=3 {
            world.sandbox.say(BEN, OPS, "/workflow run slow");
            world.sees(OPS, &format!("⏳ slow · #{run} · queued")).await;
        }
        for run in 1..=3 {
            world.sees(OPS, &format!("▶️ slow · #{run}")).await;
            world.sees(OPS, "⏳ hold").await;
            hands.pass(&world, HOUR, run);
            world.sees(OPS, &format!("✅ slow · #{run} · succeeded")).await;
        }
    }
}

on_both! {
    /// A start ends what runs, whose last steps run all the same, and begins after that; what waits gives way as well.
    async fn a_start_takes_the_place_of_what_runs(world) {
        world.set(&hold("slow", "concurrency: replace"));
        world.start().await;
        world.sandbox.say(BEN, OPS, "/workflow run slow");
        world.sees(OPS, "⏳ hold").await;
        world.sandbox.say(BEN, OPS, "/workflow run slow");
        world.sees(OPS, "(replaced by #2)").await;
        let told = world.sees(OPS, "🚫 hold").await;
        assert!(told.text.starts_with("🚫 slow · #1") && told.text.contains("✅ clean"), "{}", told.text);
        world.sees(OPS, "▶️ slow · #2").await;
        let store = world.services().store.clone();
        let (one, two) = (world.job(&store, 1).await, world.job(&store, 2).await);
        assert!(two.started_at >= one.finished_at, "one at a time");
        for person in [ANN, BEN] {
            world.say(person, "/workflow run slow");
        }
        let begun = Instant::now();
        while world.jobs().await < 4 || world.job(&store, 4).await.state != JobState::Running {
            assert!(begun.elapsed() < PATIENCE, "the newest never ran");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(world.job(&store, 3).await.state, JobState::Cancelled);
    }
}

on_both! {
    /// What takes the place of a run that began by itself keeps the rhythm, and pauses nothing.
    async fn a_start_in_its_place_keeps_the_rhythm(world) {
        world.set(&hold("slow", "concurrency: replace, every: after_end"));
        world.sandbox.open_private(ANN);
        let hands = Hands::default();
        world.start_at(hands.clock()).await;
        world.sees(ANN, "⏳ hold").await;
        world.say(BEN, "/workflow run slow");
        world.sees(ANN, "(replaced by #2)").await;
        world.sees(BEN, "▶️ slow · #2").await;
        let list = world.asks(ANN, ANN, "/schedules").await;
        assert!(list.text.contains("next when #2 ends"), "{}", list.text);
        world.sees(BEN, "⏳ hold").await;
        hands.pass(&world, HOUR, 2);
        world.sees(ANN, "▶️ slow · #3").await;
    }
}

/// Asks to take a run back, and says yes.
async fn take_back(world: &World, name: &str, run: i64) {
    world.say(BEN, &format!("/workflow undo {run}"));
    let asked = world
        .sees(BEN, &format!("Take back {name} · #{run}?"))
        .await;
    world.presses(BEN, &asked, "Take it back").await;
}

on_both! {
    /// A run that waits for an approval holds up no undo; approved meanwhile, it goes on when that is over.
    async fn an_undo_waits_for_nobody_who_waits(world) {
        let mut gate = Gate::new(&world, "gate");
        let done = world.path().join("done");
        let here = done.display();
        let back = program(&world, "back", &format!("echo back >> {here}; {}; echo backed >> {here}", gate.wait()));
        world.set(&format!(
            "workflows: {{flow: {{notify: [], steps: [
  {{name: put, run: [sh, -c, 'echo put >> {here}'], undo: [sh, {back}]}},
  {{name: ask, approve: {{question: 'Really?', role: operator, by_asker: true}}}},
  {{name: after, run: [sh, -c, 'echo after >> {here}']}}]}}}}"
        ));
        world.start().await;
        world.say(BEN, "/workflow run flow");
        world.sees(BEN, "Really?").await;
        world.asks(BEN, BEN, "/workflow approve 1").await;
        world.sees(BEN, "✅ flow · #1 · succeeded").await;
        world.say(BEN, "/workflow run flow");
        world.sees(BEN, "✋ flow · #2 · ask").await;
        take_back(&world, "flow", 1).await;
        until("the undo to begin", || lines(&done).last().is_some_and(|line| line == "back")).await;
        world.asks(BEN, BEN, "/workflow approve 2").await;
        world.sees(BEN, "🔒 after · waits for #3 (flow), which is at work").await;
        assert_eq!(lines(&done), ["put", "after", "put", "back"]);
        gate.open(1);
        world.sees(BEN, "↩️ flow · #3 · took back #1").await;
        world.sees(BEN, "✅ flow · #2 · succeeded").await;
        assert_eq!(lines(&done), ["put", "after", "put", "back", "backed", "after"]);
    }
}

on_both! {
    /// What takes a run back waits while another run of its workflow is at work, and says so; there is one of it, over a start.
    async fn an_undo_waits_for_whoever_is_at_work(world) {
        let mut gate = Gate::new(&world, "gate");
        let done = world.path().join("done");
        let here = done.display();
        let put = program(&world, "put", &format!("echo put >> {here}; {}", gate.wait()));
        world.set(&format!(
            "workflows: {{flow: {{notify: [], steps: [{{name: put, run: [sh, {put}], on_crash: retry, undo: [sh, -c, 'echo back >> {here}']}}]}}}}"
        ));
        world.start().await;
        world.say(BEN, "/workflow run flow");
        gate.open(1);
        world.sees(BEN, "✅ flow · #1 · succeeded").await;
        world.say(BEN, "/workflow run flow");
        until("the second to begin", || lines(&done).len() == 2).await;
        take_back(&world, "flow", 1).await;
        world.sees(BEN, "🔒 put · waits for #2 (flow), which is at work").await;
        world.stop().await;
        world.start().await;
        until("the second to begin again", || lines(&done).len() == 3).await;
        world.forges(BEN, BEN, "flow:undone:1").await;
        world.sees(BEN, "#3 takes #1 back already").await;
        gate.open(1);
        world.sees(BEN, "✅ flow · #2 · succeeded").await;
        world.sees(BEN, "↩️ flow · #3 · took back #1").await;
        world.quiet().await;
        assert_eq!(lines(&done), ["put", "put", "put", "back"]);
    }
}

on_both! {
    /// An undo that was cut off lets a run go on, and waits for it when it was told to begin again; the run does not wait for it
    /// as well, though a service of it is up.
    async fn an_undo_that_was_cut_off_and_the_run_it_let_on_do_not_wait_for_each_other(world) {
        let (mut gate, mut other) = (Gate::new(&world, "gate"), Gate::new(&world, "other"));
        let done = world.path().join("done");
        let here = done.display();
        let back = program(&world, "back", &format!("echo back >> {here}; {}", gate.wait()));
        let work = program(&world, "work", &format!("echo work >> {here}; {}", other.wait()));
        world.set(&format!(
            "workflows: {{flow: {{notify: [], steps: [
  {{name: put, run: [echo, put], undo: [sh, {back}]}},
  {{name: ask, approve: {{question: 'Really?', role: operator, by_asker: true}}}},
  {{name: serve, service: [sleep, '1000']}},
  {{name: work, run: [sh, {work}]}},
  {{name: last, run: [sh, -c, 'echo last >> {here}']}}]}}}}"
        ));
        world.start().await;
        world.say(BEN, "/workflow run flow");
        world.sees(BEN, "✋ flow · #1 · ask").await;
        world.asks(BEN, BEN, "/workflow approve 1").await;
        other.open(1);
        world.sees(BEN, "✅ flow · #1 · succeeded").await;
        world.say(BEN, "/workflow run flow");
        world.sees(BEN, "✋ flow · #2 · ask").await;
        take_back(&world, "flow", 1).await;
        until("the undo to begin", || lines(&done).len() == 3).await;
        world.stop().await;
        world.start().await;
        let asked = world.sees(BEN, "The bot was stopped while this step of #1 was being taken back. How far it").await;
        world.asks(BEN, BEN, "/workflow approve 2").await;
        until("the run to be let on", || lines(&done).len() == 4).await;
        world.presses(BEN, &asked, "Run again").await;
        world.sees(BEN, "🔒 put · waits for #2 (flow), which is at work").await;
        other.open(1);
        world.sees(BEN, "✅ flow · #2 · succeeded").await;
        gate.open(1);
        world.sees(BEN, "↩️ flow · #3 · took back #1").await;
        assert_eq!(lines(&done), ["work", "last", "back", "work", "last", "back"]);
    }
}
