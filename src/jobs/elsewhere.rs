//! Jobs of several instances on one database: what runs elsewhere is not shown here, who asks here stops what runs there,
//! and what a dead instance ran is settled.

use super::live::{Active, Phase, StopReason};
use super::recovery::{Cause, Recovered};
use super::{Jobs, locked};
use crate::base::error::Result;
use crate::base::job::JobState;
use crate::delivery::Outgoing;
use crate::store::instances::Instance;
use crate::store::{self, jobs::Job};
use std::sync::Arc;

impl Jobs {
    /// Looks what other instances did to jobs that are open here: took them, or were asked to stop them.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn look_elsewhere(&self) -> Result<()> {
        let Some(own) = self.inner.store.presence().id() else {
            return Ok(());
        };
        // Before the database is asked: a job that is opened later is not missing there.
        let open = self.all();
        let (wishes, claims) = {
            let mut db = self.inner.store.read().await?;
            (
                store::jobs::cancel_wishes(&mut db, &own).await?,
                store::jobs::claims(&mut db).await?,
            )
        };
        for (id, by) in wishes {
            if let Some(active) = self.find(id)
                && active.stop_reason().is_none()
            {
                active.stop(StopReason::Cancelled(by));
            }
        }
        for active in open {
            let waits = matches!(*active.phase.borrow(), Phase::Queued);
            let is_ours = match claims.get(&active.id) {
                Some(None) => true,
                Some(Some(by)) => *by == own,
                None => false,
            };
            if waits && !is_ours {
                self.let_go(&active).await;
            }
        }
        // Room that an end elsewhere made is not told to what was parked here.
        self.wake_waiting().await;
        Ok(())
    }

    /// Shows a job no more: another instance does.
    async fn let_go(&self, active: &Arc<Active>) {
        active.shown.lock().await.closed = true;
        locked(&self.inner.active).remove(&active.id);
        active.phase.send_replace(Phase::Ended);
    }

    /// Promises a message that shows an open job; where there are several instances, only if it is this one's to show.
    pub(super) async fn show(&self, active: &Active, message: &Outgoing) -> store::Result<bool> {
        let Some(own) = self.inner.store.presence().id() else {
            self.inner.outbox.post(message).await?;
            return Ok(true);
        };
        let mut tx = self.inner.store.begin().await?;
        if !store::jobs::is_shown_by(&mut tx, active.id, &own).await? {
            return Ok(false);
        }
        self.inner.outbox.promise(&mut tx, message).await?;
        self.inner.store.commit(tx).await?;
        self.inner.outbox.kick(message.place.chat);
        Ok(true)
    }

    /// Whether this start of a job is still what counts; it is not when another instance took this one for dead. Asks until
    /// the database answers: what ran here left files, which belong to its ending.
    pub(super) async fn is_still_ours(&self, job: &Job) -> bool {
        let Some(own) = self.inner.store.presence().id() else {
            return true;
        };
        let counts = |now: &Job| {
            now.state == JobState::Running
                && now.starts == job.starts
                && now.claimed_by.as_ref() == Some(&own)
        };
        for attempt in 0.. {
            let now = async {
                let mut db = self.inner.store.read().await?;
                store::jobs::find(&mut db, job.id).await
            };
            match now.await {
                Ok(now) => return now.as_ref().is_some_and(counts),
                Err(error) => {
                    tracing::error!(%error, "it cannot be looked up whose job this is; trying again");
                    if !self.may_try_again(attempt).await {
                        break;
                    }
                }
            }
        }
        false
    }

    /// Settles what a dead instance ran. `can_end`: its processes can be seen from here, and ended. `has_ended`: they ended
    /// for certain, by themselves or with it; else nothing of it runs again by itself, since it may run still.
    ///
    /// # Errors
    /// When the database refuses; call again then.
    pub async fn settle(
        &self,
        dead: &Instance,
        can_end: bool,
        has_ended: bool,
    ) -> Result<Recovered> {
        let running = {
            let mut db = self.inner.store.read().await?;
            store::jobs::open(&mut db, JobState::Running).await?
        };
        let its = |job: &Job| job.claimed_by.as_deref() == Some(dead.id.as_str());
        let running: Vec<_> = running.into_iter().filter(its).collect();
        let cause = Cause {
            marker: can_end.then(|| dead.marker.clone()),
            has_ended: can_end || has_ended,
        };
        let done = self.settle_all(running, &cause).await?;
        self.push_again().await?;
        Ok(done)
    }

    /// Pushes every queued job, those on their way included: another instance is gone, and what the queue had handed to it
    /// comes to nobody by itself.
    ///
    /// # Errors
    /// When the database or the queue refuses.
    pub async fn push_again(&self) -> Result<()> {
        locked(&self.inner.pushed).clear();
        self.sweep().await
    }
}
