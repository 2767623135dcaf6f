//! How long and how many searches may read logs: each may keep a processor busy.

use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, SemaphorePermit};

/// Searches at once.
const AT_ONCE: usize = 2;

/// The room that searches share.
#[derive(Debug)]
pub struct Searches {
    time: Duration,
    room: Semaphore,
}

impl Searches {
    /// Room for searches of which each may take this long.
    #[must_use]
    pub fn new(time: Duration) -> Self {
        Self {
            time,
            room: Semaphore::new(AT_ONCE),
        }
    }

    /// When a search that begins now has to end.
    #[must_use]
    pub fn until(&self) -> Instant {
        Instant::now() + self.time
    }

    /// Waits for a turn, as long as a search may take; `None` when others are still at it.
    pub async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        let turn = tokio::time::timeout(self.time, self.room.acquire()).await;
        turn.ok()?.ok()
    }
}
