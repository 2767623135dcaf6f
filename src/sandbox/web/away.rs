//! Telegram away for a while: the absence and the clock that ends it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::super::Sandbox;
use crate::base::time::Millis;

/// Makes the stand-in unreachable for a time.
pub(super) struct Away {
    sandbox: Sandbox,
    bell: watch::Sender<u64>,
    now: Arc<Mutex<Option<Absence>>>,
}

struct Absence {
    until: Millis,
    timer: JoinHandle<()>,
}

impl Away {
    pub(super) fn new(sandbox: Sandbox, bell: watch::Sender<u64>) -> Away {
        Away {
            sandbox,
            bell,
            now: Arc::default(),
        }
    }

    /// Goes away from now on for this time; an absence that lasts is replaced.
    pub(super) fn begin(&self, time: Duration) {
        self.end();
        let (sandbox, now, bell) = (self.sandbox.clone(), self.now.clone(), self.bell.clone());
        let mut current = self.now.lock().expect("no holder of this lock panics");
        sandbox.away(true);
        let timer = tokio::spawn(async move {
            tokio::time::sleep(time).await;
            sandbox.away(false);
            now.lock().expect("no holder of this lock panics").take();
            bell.send_modify(|n| *n += 1);
        });
        *current = Some(Absence {
            until: Millis::now().plus(time),
            timer,
        });
        drop(current);
        self.bell.send_modify(|n| *n += 1);
    }

    /// Comes back.
    pub(super) fn end(&self) {
        let absence = self
            .now
            .lock()
            .expect("no holder of this lock panics")
            .take();
        if let Some(absence) = absence {
            absence.timer.abort();
            self.sandbox.away(false);
            self.bell.send_modify(|n| *n += 1);
        }
    }

    /// When it comes back; none when it is there.
    pub(super) fn until(&self) -> Option<Millis> {
        let now = self.now.lock().expect("no holder of this lock panics");
        now.as_ref().map(|absence| absence.until)
    }
}
