//! A start while a workflow runs: it waits, or takes the place of what runs.

use super::keeping::Hands;
use crate::harness::{ANN, BEN, OPS, PATIENCE};
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
