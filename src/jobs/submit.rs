//! Taking a job in: its row, the decision that allowed it and what it is made from are written together.

use super::Jobs;
use super::live::Active;
use crate::access::Grant;
use crate::base::error::{Error, Result};
use crate::base::ids::{JobId, MessageId, UpdateId};
use crate::base::job::{AfterCrash, OnBusy, OutputMode, Undo};
use crate::base::role::Role;
use crate::base::schedule::Telling;
use crate::base::workflow::{RUN, StepRow};
use crate::delivery::{card, report};
use crate::store::jobs::{Added, NewRow};
use crate::store::{self, Tx};
use futures::future::BoxFuture;
use std::sync::Arc;

/// A job to be submitted.
#[derive(Clone, Debug)]
pub struct NewJob {
    /// The kind of work.
    pub kind: &'static str,
    /// Its arguments as JSON.
    pub payload: String,
    /// The name shown to people.
    pub title: String,
    /// The lowest role that may see what it prints.
    pub role: Role,
    /// Jobs of one lane share a limit.
    pub lane: String,
    /// How many of the lane may run at once.
    pub lane_limit: u32,
    /// What happens when that many run.
    pub on_busy: OnBusy,
    /// What happens when the bot dies while it runs.
    pub after_crash: AfterCrash,
    /// How output reaches the chat.
    pub output: OutputMode,
    /// The job that it repeats.
    pub retry_of: Option<JobId>,
    /// What is told of it, if it is a run of a schedule.
    pub telling: Option<Telling>,
    /// The named lock that it has while it runs.
    pub lock: Option<String>,
    /// How it may be taken back once it succeeded.
    pub undo: Option<Undo>,
    /// Whether it was promised before: it is taken also while everything is frozen, and however many wait.
    pub promised: bool,
}

/// What is written together with a job, in its transaction: `Err` takes the job back.
pub type Beside = Box<dyn for<'t> FnOnce(&'t mut Tx, JobId) -> BoxFuture<'t, Result<()>> + Send>;

/// Where a job comes from and where its card goes.
#[derive(Clone, Debug)]
pub struct Origin {
    /// What it is made from, such as `update:77`; the same source never makes a second job.
    pub source: String,
    /// The message that its card answers.
    pub reply_to: Option<MessageId>,
    /// An own message that becomes its card.
    pub card: Option<MessageId>,
    /// The update that is handled by submitting it.
    pub update: Option<UpdateId>,
}

/// That a job has to end before another one of its kind begins, and how it can be ended.
async fn busy(tx: &mut Tx, job: &NewJob, id: JobId) -> store::Result<String> {
    let title = &job.title;
    if job.kind != RUN {
        return Ok(format!(
            "{title} is running already as #{id}, and it is set not to wait. Stop it with /cancel {id}, or wait for its end."
        ));
    }
    let steps = store::workflows::steps(tx, id).await?;
    let asks = |row: &StepRow| row.state.is_asked();
    let waits = match steps.iter().any(asks) {
        true => " and waits for an answer",
        false => "",
    };
    Ok(format!(
        "{title} is running already as #{id}{waits}; one run goes on at a time. /workflow status {id} shows it, /workflow stop {id} stops it."
    ))
}

/// Who stopped what gives way to this job.
fn replaced_by(row: &NewRow, id: JobId) -> String {
    format!("{} (replaced by #{id})", row.asker_name)
}

/// What became of a submission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Submitted {
    /// Accepted: it will run, or be reported as lost.
    New(JobId),
    /// The same source had made this job before.
    Before(JobId),
}

impl Jobs {
    /// Accepts a job: from here on it is durable.
    ///
    /// # Errors
    /// Refused when everything is frozen, when too many wait, or when it is busy and may not wait; nothing is kept then.
    pub async fn submit(&self, grant: &Grant, job: NewJob, origin: Origin) -> Result<Submitted> {
        let nothing: Beside = Box::new(|_, _| Box::pin(async { Ok(()) }));
        self.submit_with(grant, job, origin, nothing).await
    }

    /// The same, with something that is written together with the job.
    ///
    /// # Errors
    /// As [`Jobs::submit`], and what `beside` says.
    pub async fn submit_with(
        &self,
        grant: &Grant,
        job: NewJob,
        origin: Origin,
        beside: Beside,
    ) -> Result<Submitted> {
        let row = self.row(grant, &job, &origin);
        let added = self.accept(grant, &job, &origin, &row, beside).await;
        grant.settle(&added);
        if matches!(added, Err(Error::Internal(_))) {
            // Where the connection was lost, it may be there all the same.
            self.inner.refused.notify_one();
        }
        let id = match added? {
            Added::Before(id) => return Ok(Submitted::Before(id)),
            Added::New(id) => id,
        };
        tracing::info!(job = %id, title = row.title, asker = %row.asker, "submitted");
        if job.on_busy == OnBusy::Replace {
            self.make_way(grant, id, &row).await;
        }
        let active = Arc::new(Active::new(id, row));
        active.shown.lock().await.seen.card = origin.card.is_some();
        self.open(&active);
        self.push(id).await;
        Ok(Submitted::New(id))
    }

    /// Stops what runs or waits in the lane before a job that replaces it.
    async fn make_way(&self, grant: &Grant, id: JobId, row: &NewRow) {
        let before = async {
            let mut db = self.inner.store.read().await?;
            store::jobs::before_in_lane(&mut db, &row.lane, id).await
        };
        let by = replaced_by(row, id);
        match before.await {
            Ok(before) => {
                for other in before {
                    if let Err(error) = self.try_cancel(grant, other, &by).await {
                        tracing::error!(job = %other, %error, "a job that is replaced cannot be stopped; the other waits for it");
                    }
                }
            }
            Err(error) => {
                tracing::error!(job = %id, %error, "what a job replaces cannot be looked up; it waits for it");
            }
        }
    }

    /// Writes what a submission is: the job, the decision that allowed it, the update as handled, the card's message.
    async fn accept(
        &self,
        grant: &Grant,
        job: &NewJob,
        origin: &Origin,
        row: &NewRow,
        beside: Beside,
    ) -> Result<Added> {
        let mut tx = self.inner.store.begin().await?;
        // In the order in which an instance is declared dead: claims, then the lease.
        self.inner.store.lock_claims(&mut tx).await?;
        self.inner.store.fence(&mut tx).await?;
        self.check_room(&mut tx, job).await?;
        let added = store::jobs::add(&mut tx, row).await?;
        // What belongs to one that was made before was written with it.
        if let Added::New(id) = added {
            beside(&mut tx, id).await?;
            if job.on_busy == OnBusy::Replace {
                // Should the bot die before they are told to stop, they stop when they go on.
                for other in store::jobs::before_in_lane(&mut tx, &row.lane, id).await? {
                    store::jobs::wish_cancel(&mut tx, other, &replaced_by(row, id)).await?;
                }
            }
            grant.record(&mut tx).await?;
            if let Some(message) = origin.card {
                let (slot, chat) = (card::slot(id), row.place.chat);
                store::outbox::put_slot(&mut tx, &slot, chat, message, row.created_at).await?;
            }
        }
        if let Some(update) = origin.update {
            store::inbox::mark_handled(&mut tx, update, row.created_at).await?;
        }
        self.inner.store.commit(tx).await?;
        Ok(added)
    }

    fn row(&self, grant: &Grant, job: &NewJob, origin: &Origin) -> NewRow {
        let actor = grant.actor();
        NewRow {
            kind: job.kind.to_owned(),
            payload: job.payload.clone(),
            title: job.title.clone(),
            role: job.role,
            asker: actor.id,
            asker_name: actor.name.clone(),
            place: actor.place,
            reply_to: origin.reply_to,
            source: origin.source.clone(),
            retry_of: job.retry_of,
            request_id: actor.request_id.clone(),
            lane: job.lane.clone(),
            lane_limit: job.lane_limit,
            // Nobody's share: schedules of the configuration, and what takes no worker and mostly waits.
            user_limit: match actor.is_bot() || !self.inner.registry.takes_worker(job.kind) {
                true => u32::MAX,
                false => self.limits().per_user,
            },
            after_crash: job.after_crash,
            output: job.output,
            created_at: self.now(),
            telling: job.telling.clone(),
            lock: job.lock.clone(),
            undo: job.undo.clone(),
        }
    }

    async fn check_room(&self, tx: &mut Tx, job: &NewJob) -> Result<()> {
        if job.promised {
            return Ok(());
        }
        if let Some(freeze) = store::freeze::current(tx).await? {
            return Err(Error::refused(report::frozen(&freeze)));
        }
        let (queued, _) = store::jobs::counts(tx).await?;
        if queued >= self.limits().max_queued {
            return Err(Error::refused(format!(
                "{queued} jobs are waiting already, which is the limit (jobs.max_queued). \
                 Try again when some are done: /jobs running",
            )));
        }
        if job.on_busy == OnBusy::Refuse
            && let Some(id) = store::jobs::busy_with(tx, &job.lane, job.lane_limit).await?
        {
            return Err(Error::refused(busy(tx, job, id).await?));
        }
        Ok(())
    }
}
