//! Rehearsals: what a check would have told of what was measured of this machine.

mod play;
mod source;

pub use play::{Event, Lasting, Played, What};
pub use source::KINDS;

use crate::base::time::Millis;
use crate::config::{Check, CheckKind};
use crate::drivers::host;
use crate::store::samples::{self, Past, Step};
use crate::store::{self, Store};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

/// How long a rehearsal waits for another one, and how long the database may take.
const PATIENCE: Duration = Duration::from_secs(8);

/// What a rehearsal came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Rehearsal {
    /// The machine whose samples were used.
    pub host: String,
    /// The series, as `monitors::sampler::series` names it.
    pub series: String,
    /// From when on samples of which step were used, oldest first.
    pub spans: Vec<(Step, Millis)>,
    /// What would have been told.
    pub played: Played,
}

/// Why there is no rehearsal.
#[derive(Debug, thiserror::Error)]
pub enum Cannot {
    /// Checks of this kind leave no samples.
    #[error("checks of kind {} leave no samples", .0.as_str())]
    Kind(CheckKind),
    /// Single devices are not sampled.
    #[error("single devices are not sampled")]
    Device(String),
    /// Single sensors are not sampled.
    #[error("single sensors are not sampled")]
    Sensor(String),
    /// This disk is not sampled.
    #[error("{} is not sampled", .0.display())]
    Disk(PathBuf),
    /// No sample of it is kept yet.
    #[error("no sample of it is kept yet")]
    Nothing,
    /// Others are rehearsed, or the database takes too long.
    #[error("it takes too long")]
    Late,
    /// The database refused.
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// Rehearses checks, one at a time. Cheap to clone.
#[derive(Clone)]
pub struct Rehearsals {
    store: Store,
    room: Arc<Semaphore>,
}

impl Rehearsals {
    /// Rehearsals by what stands in this database.
    #[must_use]
    pub fn new(store: Store) -> Self {
        Self {
            store,
            room: Arc::new(Semaphore::new(1)),
        }
    }

    /// What the check would have told of all that is kept of this machine, had it been in force. Incidents that begin within
    /// `group_wait` make one message.
    ///
    /// # Errors
    /// [`Cannot`].
    pub async fn of(
        &self,
        check: &Check,
        group_wait: Duration,
        now: Millis,
    ) -> Result<Rehearsal, Cannot> {
        let room = Arc::clone(&self.room);
        let turn = timeout(PATIENCE, room.acquire_owned()).await;
        let turn = turn.ok().and_then(Result::ok).ok_or(Cannot::Late)?;
        let host = host::name();
        let read = async {
            let known = {
                let mut db = self.store.read().await?;
                samples::names(&mut db, &host).await?
            };
            let source = source::of(check, &known).await?;
            let mut db = self.store.read().await?;
            let past = samples::past(&mut db, &host, &source.series, now).await?;
            Ok::<_, Cannot>((source, past))
        };
        let (source, past) = timeout(PATIENCE, read).await.map_err(|_| Cannot::Late)??;
        if past.is_empty() {
            return Err(Cannot::Nothing);
        }
        let (spans, series) = (spans(&past), source.series.clone());
        let (check, machine) = (check.clone(), host.clone());
        let played = spawn_blocking(move || {
            let _turn = turn;
            play::play(&check, &machine, group_wait, &source, &past)
        });
        Ok(Rehearsal {
            host,
            series,
            spans,
            played: played.await.map_err(|_| Cannot::Late)?,
        })
    }
}

/// From when on there are rows of which step.
fn spans(past: &[Past]) -> Vec<(Step, Millis)> {
    let mut spans: Vec<(Step, Millis)> = Vec::new();
    for row in past {
        if spans.last().is_none_or(|(step, _)| *step != row.step) {
            spans.push((row.step, row.at));
        }
    }
    spans
}
