//! Runs one job from its claim to its ending. The ending and the messages that tell it are one transaction.

use super::action::{ActionCx, Reading};
use super::live::{Active, Phase, StopReason};
use super::redact::Redactor;
use super::transport::Worker;
use super::{Jobs, Last, live, locked};
use crate::base::ids::JobId;
use crate::base::job::{AfterCrash, Ending, MAX_STARTS};
use crate::base::time::Millis;
use crate::delivery::Outgoing;
use crate::delivery::render::Size;
use crate::delivery::{card, undo};
use crate::store::jobs::{Claim, Job};
use crate::store::{self, Tx};
use futures::FutureExt;
use futures::future::BoxFuture;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

/// Pauses while the database refuses an ending, longest last, which repeats.
const STORE_PAUSES: [Duration; 4] = [
    Duration::from_millis(200),
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(15),
];

/// What becomes of a job whose work is over.
enum Fate<'a> {
    /// It ended so, and these messages bring what it left.
    Ended(&'a Ending, &'a [Outgoing]),
    /// It was stopped with the bot, and runs again by its rule.
    Again,
}

/// What the queue feeds.
pub(super) struct Runner {
    pub jobs: Jobs,
}

impl Worker for Runner {
    fn work(&self, id: JobId) -> BoxFuture<'_, ()> {
        Box::pin(self.jobs.work(id))
    }
}

impl Jobs {
    /// Works on a job if it is queued and has room; the one step of the workers.
    pub async fn work(&self, id: JobId) {
        let presence = self.inner.store.presence();
        // Taken before the claim: what is claimed by an instance that is cut off then is killed by this.
        let cut = presence.cut();
        if self.inner.closing.is_cancelled() {
            return;
        }
        // It is here, and no longer on its way: else it would not be handed over again.
        locked(&self.inner.pushed).remove(&id);
        if !presence.may_claim() {
            // Kept until it may again, or until another instance settles what this one left.
            locked(&self.inner.parked).insert(id);
            return;
        }
        // Noted before the claim, so that an end that frees room in this very moment finds it.
        locked(&self.inner.parked).insert(id);
        let claim = self.claim(id).await;
        if !matches!(claim, Ok(Claim::Busy)) {
            locked(&self.inner.parked).remove(&id);
        }
        match claim {
            Ok(Claim::Won(job)) => {
                let span = tracing::info_span!("job", %id, request = job.new.request_id);
                if self.inner.registry.takes_worker(&job.new.kind) {
                    self.run_claimed(Arc::new(*job), cut).instrument(span).await;
                } else {
                    let jobs = self.clone();
                    let run = async move { jobs.run_claimed(Arc::new(*job), cut).await };
                    self.inner.beside.spawn(run.instrument(span));
                }
            }
            Ok(Claim::Busy | Claim::Gone) => {}
            Err(error) => {
                tracing::error!(job = %id, %error, "a job could not be claimed; it is pushed again soon");
                self.inner.refused.notify_one();
            }
        }
    }

    async fn claim(&self, id: JobId) -> store::Result<Claim> {
        let mut tx = self.inner.store.begin().await?;
        self.inner.store.lock_claims(&mut tx).await?;
        let own = self.inner.store.presence().id();
        let claim = store::jobs::claim(&mut tx, id, own.as_deref(), self.now()).await?;
        self.inner.store.commit(tx).await?;
        Ok(claim)
    }

    async fn run_claimed(&self, job: Arc<Job>, cut: CancellationToken) {
        let active = self.activate(&job).await;
        let started = Instant::now();
        active.phase.send_replace(Phase::Running(started));
        if self.inner.closing.is_cancelled() {
            // Claimed in the moment of the stop: whoever waits for the running jobs may not have seen this one.
            active.stop(StopReason::Shutdown);
        }
        let reading = self.inner.registry.reading(&job).unwrap_or(Reading {
            secrets: Vec::new(),
            size: Size::Pipe,
        });
        let log_dir = &self.inner.settings.log_dir;
        let files = self.folder(&job);
        // The folder is made by another thread while this one opens the log.
        let resumes = job.new.after_crash == AfterCrash::Resume && job.starts > 1;
        let ((), output) = tokio::join!(self.prepare_folder(&files, resumes), async {
            active.open_output(log_dir, self.limits().max_log, &reading)
        });
        let cx = ActionCx {
            job: Arc::clone(&job),
            files: files.clone(),
            output: Arc::clone(&output),
            stop: active.stop.clone(),
            leave: active.leave.clone(),
            marker: self.marker(&job),
            log_dir: log_dir.clone(),
            max_log: self.limits().max_log,
            active: Arc::clone(&active),
            jobs: self.clone(),
            freed: self.inner.freed.subscribe(),
        };
        tracing::info!(title = job.new.title, start = job.starts, "started");
        let run = AssertUnwindSafe(self.inner.registry.run(cx)).catch_unwind();
        // Dropping the run kills all that it started at once: others may take it for ended soon.
        let result = cut.run_until_cancelled(run).await;
        output.finish();
        // One that resumes is not over before it says so itself, not even when somebody stopped it.
        let stopped_by = match job.new.after_crash {
            AfterCrash::Resume => None,
            AfterCrash::Report | AfterCrash::Retry => active.stop_reason(),
        };
        let ending = match result {
            None => {
                tracing::error!("killed, because this instance was cut off from the database");
                match stopped_by {
                    Some(StopReason::Cancelled(by)) => Ending::Cancelled(by),
                    Some(StopReason::Shutdown) | None => Ending::Lost,
                }
            }
            Some(Ok(Ok(ending))) => ending,
            Some(Ok(Err(_))) => match stopped_by {
                Some(StopReason::Cancelled(by)) => Ending::Cancelled(by),
                Some(StopReason::Shutdown) | None => Ending::Stopped,
            },
            Some(Err(_)) => Ending::Broken(format!(
                "Something went wrong inside the bot. The log has it under {}.",
                job.new.request_id
            )),
        };
        tracing::info!(?ending, took = ?started.elapsed(), "ended");
        let cut_short = match ending {
            Ending::Stopped => true,
            Ending::Lost => job.starts < MAX_STARTS,
            Ending::Exited(_)
            | Ending::Signaled(_)
            | Ending::Broken(_)
            | Ending::Cancelled(_)
            | Ending::TimedOut(_) => false,
        };
        let again = match job.new.after_crash {
            AfterCrash::Report => false,
            AfterCrash::Retry => cut_short,
            AfterCrash::Resume => matches!(ending, Ending::Stopped | Ending::Lost),
        };
        // Taken for dead, this instance has nothing to collect: the folder is a later start's.
        let is_over_here = !again && self.is_still_ours(&job).await;
        let results = match is_over_here {
            false => Vec::new(),
            true => {
                let mask = Redactor::new(reading.secrets.iter().map(String::as_str));
                self.results(&job, &files, &mask).await
            }
        };
        let fate = match again {
            true => Fate::Again,
            false => Fate::Ended(&ending, &results),
        };
        self.conclude(&job, &active, &fate).await;
        self.wake_waiting().await;
        if is_over_here {
            self.remove_work(files.clone()).await;
        }
        // Where something is sent, the last of it to go takes the folders along.
        if is_over_here && results.is_empty() {
            self.remove_empty_folders(files).await;
        }
    }

    /// The open job of this process; one that waited over a restart is opened now.
    async fn activate(&self, job: &Job) -> Arc<Active> {
        if let Some(active) = self.find(job.id) {
            return active;
        }
        let active = Arc::new(Active::new(job.id, job.new.clone()));
        let slot = async {
            let mut db = self.inner.store.read().await?;
            store::outbox::slot(&mut db, &card::slot(job.id), job.new.place.chat).await
        };
        active.shown.lock().await.seen.card = slot.await.is_ok_and(|slot| slot.is_some());
        self.open(&active);
        active
    }

    /// Writes the ending, and tries until the database takes it: what ran must not look as if it still did.
    async fn conclude(&self, job: &Job, active: &Active, fate: &Fate<'_>) {
        let at = self.now();
        let end = match active.output() {
            Some(output) => output.end().await,
            None => live::End::default(),
        };
        let mut shown = active.shown.lock().await;
        shown.closed = true;
        // A live edit that still waited would go after the ending, and show the job as running for ever.
        let chat = job.new.place.chat;
        self.inner.outbox.withdraw(chat, &card::slot(job.id));
        let rest = active
            .output()
            .and_then(|o| o.with_stream(|s| s.take(true)));
        if let Some(rest) = rest {
            shown.seen.skipped |= rest.skipped;
            shown.seen.rest = rest.html;
        }
        for attempt in 0.. {
            match self.write_ending(job, fate, at, &end, &shown.seen).await {
                Ok(()) => break,
                Err(error) => {
                    tracing::error!(%error, "the ending of a job cannot be written; trying again");
                    if !self.may_try_again(attempt).await {
                        break;
                    }
                }
            }
        }
        drop(shown);
        self.close(job).await;
    }

    /// Waits before what the database refused is tried again; `false` when the bot stops and it was tried often enough.
    pub(super) async fn may_try_again(&self, attempt: usize) -> bool {
        if self.inner.closing.is_cancelled() && attempt >= STORE_PAUSES.len() {
            return false;
        }
        tokio::time::sleep(STORE_PAUSES[attempt.min(STORE_PAUSES.len() - 1)]).await;
        true
    }

    async fn write_ending(
        &self,
        job: &Job,
        fate: &Fate<'_>,
        at: Millis,
        end: &live::End,
        seen: &card::Seen,
    ) -> store::Result<()> {
        let mut tx = self.inner.store.begin().await?;
        let (ending, results) = match fate {
            Fate::Ended(ending, results) => ((*ending).clone(), *results),
            Fate::Again if store::jobs::requeue(&mut tx, job.id, job.starts).await? => {
                return self.inner.store.commit(tx).await;
            }
            Fate::Again => match store::jobs::find(&mut tx, job.id).await? {
                // Asked at another instance that it be stopped: it does not run again.
                Some(Job {
                    cancel_by: Some(by),
                    ..
                }) => (Ending::Cancelled(by), &[][..]),
                // Not this start's any more.
                Some(_) | None => return Ok(()),
            },
        };
        if store::jobs::end(&mut tx, job.id, job.starts, &ending, end.bytes, at).await? {
            let took = job.started_at.map(|started| at.since(started));
            let last = Last {
                ending: &ending,
                at,
                took,
                end,
                seen,
            };
            self.tell_end(&mut tx, job, last, results).await?;
            if ending == Ending::Exited(0) {
                self.ask_to_confirm(&mut tx, job, at).await?;
            }
        }
        self.inner.store.commit(tx).await
    }

    /// Of a job that is taken back unless somebody confirms it: asks for that.
    async fn ask_to_confirm(&self, tx: &mut Tx, job: &Job, at: Millis) -> store::Result<()> {
        let within = job.new.undo.as_ref().and_then(|rule| rule.confirm);
        let Some(within) = within else {
            return Ok(());
        };
        store::undo::open(tx, job.id, at.plus(within)).await?;
        let message = undo::question(job.id, &job.new.title, job.new.place, within);
        let message = message.of_job(job.id);
        self.inner.outbox.promise(tx, &message).await?;
        Ok(())
    }

    /// Pushes the jobs that the queue delivered before it was their turn, if it is now.
    pub(super) async fn wake_waiting(&self) {
        self.inner.freed.send_replace(());
        // What is handed over while this instance may take nothing comes back to it, and to none that may.
        let may_claim = self.inner.store.presence().may_claim();
        if !may_claim || locked(&self.inner.parked).is_empty() {
            return;
        }
        let ready = async {
            let mut db = self.inner.store.read().await?;
            store::jobs::ready(&mut db).await
        };
        match ready.await {
            Ok(ids) => {
                for id in ids {
                    let waited = locked(&self.inner.parked).remove(&id);
                    if waited {
                        self.push(id).await;
                    }
                }
            }
            Err(error) => {
                tracing::error!(%error, "waiting jobs cannot be looked up; the sweep will find them");
            }
        }
    }

    /// What marks the processes of one start of a job.
    pub(super) fn marker(&self, job: &Job) -> String {
        marker(&self.inner.settings.marker, job)
    }
}

/// What marks the processes of one start of a job of the instance whose markers begin like this.
pub(super) fn marker(instance: &str, job: &Job) -> String {
    format!("{instance}:{}:{}", job.id, job.starts)
}
