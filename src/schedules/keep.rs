//! The step of a workflow that begins anew when it ends.

use super::fire::Due;
use super::rhythm::{self, RUNS, Then};
use super::{Notice, Schedules};
use crate::base::error::Result;
use crate::base::ids::JobId;
use crate::base::time::Millis;
use crate::config::{Config, Schedule};
use crate::store;
use crate::store::schedules::{Paused, Schedule as Row};
use crate::store::workflows::Past;

/// The runs of a workflow, as far as its rhythm depends on them.
pub(super) struct Runs {
    open: Option<JobId>,
    past: Vec<Past>,
}

impl Schedules {
    /// Brings a schedule up to this moment whose runs follow each other; returns when it goes on.
    pub(super) async fn keep(
        &self,
        config: &Config,
        schedule: &Schedule,
        (row, frozen): (&Row, bool),
        now: Millis,
    ) -> Result<Option<Millis>> {
        let look = now.plus(schedule.when.shortest());
        let runs = self.runs(schedule).await?;
        Ok(match rhythm::then(standing(row, &runs, frozen), now) {
            // An end is not always told here: of a run that was started by hand, or runs at another instance.
            Then::Hold(_) => Some(look),
            Then::Rest => None,
            Then::Wait(at) => Some(at),
            Then::Fire(at) => {
                let due = Due {
                    schedule,
                    row,
                    at,
                    attempt: 1,
                    retry_of: None,
                    anew: Some(rhythm::failing(&runs.past)),
                    seen: None,
                };
                self.fire(config, due, now).await?;
                Some(look)
            }
            Then::Pause(job, by) => {
                self.stopped(schedule, job, &by, now).await?;
                None
            }
            Then::Anew => {
                let mut tx = self.inner.store.begin_led().await?;
                store::schedules::restart(&mut tx, &row.name, &row.timer, now).await?;
                self.inner.store.commit(tx).await?;
                Some(now)
            }
        })
    }

    /// What such a schedule does next.
    pub(super) async fn then(
        &self,
        schedule: &Schedule,
        (row, frozen): (&Row, bool),
        now: Millis,
    ) -> store::Result<Then> {
        let runs = self.runs(schedule).await?;
        Ok(rhythm::then(standing(row, &runs, frozen), now))
    }

    async fn runs(&self, schedule: &Schedule) -> store::Result<Runs> {
        let title = schedule.script.as_str();
        let mut db = self.inner.store.read().await?;
        // What is open first: a run that ends in between is a run that is over, or looked at again.
        let open = store::workflows::newest_open(&mut db, title, None).await?;
        let past = store::workflows::past(&mut db, title, RUNS).await?;
        Ok(Runs { open, past })
    }

    /// Pauses what somebody stopped, and tells where its runs are told.
    async fn stopped(&self, schedule: &Schedule, job: JobId, by: &str, now: Millis) -> Result<()> {
        let paused = Paused {
            at: now,
            by: by.to_owned(),
            why: Some(format!("with #{job}, which was stopped")),
        };
        let notice = Notice::Stopped {
            schedule: schedule.name.clone(),
            by: by.to_owned(),
            job,
        };
        let mut tx = self.inner.store.begin_led().await?;
        let told = match store::schedules::pause(&mut tx, &schedule.name, &paused).await? {
            true => self.places(schedule),
            false => Vec::new(),
        };
        self.tell(&mut tx, &told, &notice).await?;
        self.inner.store.commit(tx).await?;
        self.kick(&told);
        Ok(())
    }
}

fn standing<'a>(row: &Row, runs: &'a Runs, frozen: bool) -> rhythm::Standing<'a> {
    rhythm::Standing {
        settled: row.settled,
        last_due: row.last_due,
        open: runs.open,
        past: &runs.past,
        frozen,
    }
}
