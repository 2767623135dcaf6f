//! The time of a run. While the bot lives it is measured by a clock that nobody can put: when the machine's is put, the times
//! of the run move with it, so that what is left of a hold, a wait or a run stays what it was.

use super::{Inner, Run};
use crate::base::time::Millis;
use crate::workflows::plan;
use std::time::Duration;

/// What two clocks may differ by before one was put: they are read one after the other, and corrected in small steps.
const TOLERANCE: i64 = 1000;
/// Two readings further apart than this say nothing of each other: the process was paused in between.
const AT_ONCE: Duration = Duration::from_millis(100);

/// Both clocks at one moment.
#[derive(Clone, Copy)]
pub(super) struct Reading {
    wall: Millis,
    steady: Duration,
}

impl Reading {
    pub(super) fn take(inner: &Inner) -> Self {
        loop {
            let (before, wall) = (inner.steady(), inner.now());
            let steady = inner.steady();
            if steady.saturating_sub(before) <= AT_ONCE {
                return Self { wall, steady };
            }
        }
    }

    /// By how many milliseconds the machine's clock was put forward between `earlier` and here; negative: back.
    fn put_since(self, earlier: Self) -> i64 {
        let passed = self.steady.saturating_sub(earlier.steady).as_millis();
        self.wall.0 - earlier.wall.0 - i64::try_from(passed).unwrap_or(i64::MAX)
    }
}

impl Run {
    /// The time by the machine's clock; if that was put, the times of the run are moved first.
    pub(super) fn now(&mut self) -> Millis {
        let now = Reading::take(&self.inner);
        let put = now.put_since(self.read);
        if put.abs() >= TOLERANCE {
            tracing::warn!(run = %self.cx.job.id, put, "the clock was put; what the run waits for moves with it");
            plan::shift(&mut self.rows, put);
            self.dirty.extend(0..self.rows.len());
            self.read = now;
        }
        now.wall
    }
}
