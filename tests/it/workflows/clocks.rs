//! The machine's clock is put while a run holds: what is left of the hold, and of the run, stays what it was.

use super::killed::rows;
use crate::harness::{BEN, World};
use crate::on_both;
use opsgram::base::ids::JobId;
use opsgram::base::time::{Clock, Millis};
use opsgram::base::workflow::StepState;
use opsgram::workflows::Steady;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

/// Two clocks: time passes for both, and one is put.
#[derive(Clone, Default)]
struct Clocks {
    passed: Arc<AtomicI64>,
    put: Arc<AtomicI64>,
}

impl Clocks {
    fn both(&self) -> (Clock, Steady) {
        let (one, other) = (self.clone(), self.clone());
        let wall = move || {
            let ahead = one.passed.load(Ordering::SeqCst) + one.put.load(Ordering::SeqCst);
            Millis(Millis::now().0 + ahead)
        };
        let steady = move || {
            let passed = other.passed.load(Ordering::SeqCst);
            Duration::from_millis((Millis::now().0 + passed).unsigned_abs())
        };
        (Clock::new(wall), Arc::new(steady))
    }
}

/// Wakes the run and waits until its hold ends about then, by the clock of the test's machine.
async fn holds_until(world: &World, end: i64) {
    let store = world.services().store.clone();
    let close = |until: Option<Millis>| until.is_some_and(|at| (at.0 - end).abs() < HOUR);
    loop {
        world.services().flows.wake(JobId(1));
        let row = rows(&store, 1).await.remove(0);
        assert_eq!(row.state, StepState::Running);
        if close(row.until) {
            return;
        }
        // There is no event for a row; this is the pace of looking.
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

on_both! {
    async fn a_hold_lasts_as_long_as_it_says(world) {
        world.set("workflows: {w: {max_duration: 8h, notify: [], steps: [{name: hold, hold: 5h}]}}");
        let clocks = Clocks::default();
        let (wall, steady) = clocks.both();
        world.start_by(wall.clone(), Arc::clone(&steady)).await;
        let begun = Millis::now().0;
        world.say(BEN, "/workflow run w");
        world.sees(BEN, "⏳ hold").await;
        for put in [DAY, -2 * DAY, 0] {
            clocks.put.store(put, Ordering::SeqCst);
            holds_until(&world, begun + 5 * HOUR + put).await;
        }
        // Put back while the bot is away, which nobody notices: it holds no longer than from its beginning.
        world.stop().await;
        clocks.put.store(-DAY, Ordering::SeqCst);
        world.start_by(wall, steady).await;
        holds_until(&world, begun + 5 * HOUR - DAY).await;
        clocks.passed.store(5 * HOUR + HOUR / 2, Ordering::SeqCst);
        world.services().flows.wake(JobId(1));
        world.sees(BEN, "✅ w · #1 · succeeded").await;
    }
}
