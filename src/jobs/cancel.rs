//! Stopping a job wherever it is: in the queue, here, in another instance, or between two of these.

use super::live::{self, StopReason};
use super::{Jobs, Last};
use crate::access::Grant;
use crate::base::error::Result;
use crate::base::ids::JobId;
use crate::base::job::{AfterCrash, Ending, JobState};
use crate::delivery::card::Seen;
use crate::store::jobs::Job;
use crate::store::{self, Tx};
use std::time::Duration;

/// How often a job that is just being started is looked for when it is cancelled, and the pause between.
const STARTING_LOOKS: (u32, Duration) = (50, Duration::from_millis(20));

/// What became of a request to cancel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cancelled {
    /// It had not started and never will.
    Dequeued,
    /// It is being stopped.
    Stopping,
    /// It was asked to stop before, and has yet to end.
    Already,
    /// It had ended before.
    Over(JobState),
    /// It is starting or ending in this very moment; asking again helps.
    Passing,
    /// There is no such job.
    Unknown,
}

impl Jobs {
    /// Stops a job, or takes it out of the queue. `by` is the name that its card shows.
    ///
    /// # Errors
    /// When the database refuses; the job goes on then.
    pub async fn cancel(&self, grant: &Grant, id: JobId, by: &str) -> Result<Cancelled> {
        let cancelled = self.try_cancel(grant, id, by).await;
        grant.settle(&cancelled);
        cancelled
    }

    pub(super) async fn try_cancel(&self, grant: &Grant, id: JobId, by: &str) -> Result<Cancelled> {
        // Whoever shows a job holds this while it writes; taken after the transaction, the two would wait for each other.
        let active = self.find(id);
        let mut shown = match &active {
            Some(active) => Some(active.shown.lock().await),
            None => None,
        };
        let mut tx = self.inner.store.begin().await?;
        grant.record(&mut tx).await?;
        let Some(job) = store::jobs::find(&mut tx, id).await? else {
            self.inner.store.commit(tx).await?;
            return Ok(Cancelled::Unknown);
        };
        if store::jobs::cancel_queued(&mut tx, id, by, self.now()).await? {
            self.tell_dequeued(&mut tx, &job, by).await?;
            self.inner.store.commit(tx).await?;
            if let Some(shown) = &mut shown {
                shown.closed = true;
            }
            drop(shown);
            self.close(&job).await;
            self.wake_waiting().await;
            return Ok(Cancelled::Dequeued);
        }
        // Asked again: another instance may have taken it in between.
        let job = store::jobs::find(&mut tx, id).await?.unwrap_or(job);
        let wished = self.wish(&mut tx, &job, by).await?;
        self.inner.store.commit(tx).await?;
        drop(shown);
        match wished {
            Some(cancelled) => Ok(cancelled),
            None if job.state.is_final() => Ok(Cancelled::Over(job.state)),
            None => self.stop_here(id, by).await,
        }
    }

    /// Writes down that a job is to stop, where that is more than this process can do by itself; `None` when it is a job
    /// of this process, or over.
    async fn wish(&self, tx: &mut Tx, job: &Job, by: &str) -> Result<Option<Cancelled>> {
        let (id, state) = (job.id, job.state);
        // It has an end of its own to come to, over a crash too: the wish must outlive this process.
        let resumes = !state.is_final() && job.new.after_crash == AfterCrash::Resume;
        if resumes {
            store::jobs::wish_cancel(tx, id, by).await?;
            if state == JobState::Queued {
                return Ok(Some(Cancelled::Stopping));
            }
        }
        let presence = self.inner.store.presence();
        if state != JobState::Running || !presence.is_elsewhere(job.claimed_by.as_deref()) {
            return Ok(None);
        }
        if resumes || store::jobs::wish_cancel(tx, id, by).await? {
            return Ok(Some(Cancelled::Stopping));
        }
        let now = store::jobs::find(tx, id).await?;
        let now = now.as_ref().unwrap_or(job);
        Ok(Some(match now.cancel_by {
            _ if now.state.is_final() => Cancelled::Over(now.state),
            Some(_) => Cancelled::Already,
            // Put back into the queue in between.
            None => Cancelled::Passing,
        }))
    }

    /// Promises the message that tells that a job was taken out of the queue.
    async fn tell_dequeued(&self, tx: &mut Tx, job: &Job, by: &str) -> Result<()> {
        let seen = Seen {
            card: true,
            ..Seen::default()
        };
        let ending = Ending::Cancelled(by.to_owned());
        let end = live::End::default();
        let last = Last {
            ending: &ending,
            at: self.now(),
            took: None,
            end: &end,
            seen: &seen,
        };
        Ok(self.tell_end(tx, job, last, &[]).await?)
    }

    /// Stops a job that runs in this process.
    async fn stop_here(&self, id: JobId, by: &str) -> Result<Cancelled> {
        // Looked up again: one that waited over a restart is opened only when it starts.
        match self.find(id) {
            Some(active) if active.stop_reason().is_some() => Ok(Cancelled::Already),
            Some(active) => {
                active.stop(StopReason::Cancelled(by.to_owned()));
                Ok(Cancelled::Stopping)
            }
            None => self.cancel_starting(id, by).await,
        }
    }

    /// Stops a job that runs by the database and is not known here: it ended in this very moment, or it waited over a
    /// restart and is just being started.
    async fn cancel_starting(&self, id: JobId, by: &str) -> Result<Cancelled> {
        let (looks, pause) = STARTING_LOOKS;
        for _ in 0..looks {
            if let Some(active) = self.find(id) {
                active.stop(StopReason::Cancelled(by.to_owned()));
                return Ok(Cancelled::Stopping);
            }
            tokio::time::sleep(pause).await;
            let mut db = self.inner.store.read().await?;
            match store::jobs::find(&mut db, id).await? {
                Some(job) if job.state.is_final() => return Ok(Cancelled::Over(job.state)),
                Some(_) => {}
                None => return Ok(Cancelled::Unknown),
            }
        }
        Ok(Cancelled::Passing)
    }
}
