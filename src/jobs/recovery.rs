//! After a start: what an earlier run of the bot left open is told as lost, run again by rule, or queued anew.

use super::runner::marker;
use super::{Jobs, Last, live, output};
use crate::base::error::Result;
use crate::base::ids::JobId;
use crate::base::job::{AfterCrash, Ending, JobState, MAX_STARTS, OutputMode};
use crate::delivery::card::{self, Seen};
use crate::delivery::render::{Size, render};
use crate::drivers::process;
use crate::store::{self, jobs::Job};
use futures::future::join_all;
use std::path::Path;
use std::time::Duration;

/// Time that leftover processes get between TERM and KILL.
const LEFTOVER_GRACE: Duration = Duration::from_secs(2);
/// Bytes of a lost job's log that are read for its card.
const TAIL: usize = 64 * 1024;

/// What a recovery did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Jobs told as lost.
    pub lost: usize,
    /// Jobs put back into the queue by their rule.
    pub again: usize,
    /// Jobs that waited and go on waiting.
    pub queued: usize,
}

/// What is known of the instance that ran what is settled.
pub(super) struct Cause {
    /// What begins the markers of its processes; `None` when they cannot be seen from here.
    pub marker: Option<String>,
    /// Whether nothing of it can run any more, once what can be seen was ended.
    pub has_ended: bool,
}

impl Jobs {
    /// Settles what an earlier run left open; where other instances may live, only what none of them knows to be its own.
    /// Call before anything runs here.
    ///
    /// # Errors
    /// When the database refuses; call again then.
    pub async fn recover(&self) -> Result<Recovered> {
        let (mut running, queued) = {
            let mut db = self.inner.store.read().await?;
            (
                store::jobs::open(&mut db, JobState::Running).await?,
                store::jobs::open(&mut db, JobState::Queued).await?,
            )
        };
        if self.inner.store.presence().is_shared() {
            let mut db = self.inner.store.read().await?;
            let known = store::instances::all(&mut db).await?;
            let is_known = |job: &Job| {
                known
                    .iter()
                    .any(|one| job.claimed_by.as_ref() == Some(&one.id))
            };
            running.retain(|job| !is_known(job));
        }
        let cause = Cause {
            marker: Some(self.inner.settings.marker.clone()),
            has_ended: true,
        };
        let mut done = self.settle_all(running, &cause).await?;
        done.queued = queued.len();
        // A folder that cannot be read is no reason to serve nobody.
        if let Err(error) = self.tidy_files().await {
            tracing::error!(%error, "old files of jobs could not be removed");
        }
        self.push_again().await?;
        Ok(done)
    }

    /// Ends what is left of these jobs and tells them, or queues them anew.
    pub(super) async fn settle_all(&self, running: Vec<Job>, cause: &Cause) -> Result<Recovered> {
        let mut done = Recovered::default();
        // Processes may have outlived the bot: they end before anything of them is told or started again, all at
        // once, because stubborn ones take their time and people wait to be told.
        if let Some(instance) = &cause.marker {
            let leftovers = running.iter().map(|job| end_leftovers(instance, job));
            join_all(leftovers.collect::<Vec<_>>()).await;
        }
        for job in running {
            let may_repeat = match job.new.after_crash {
                AfterCrash::Report => false,
                AfterCrash::Retry => {
                    cause.has_ended && job.cancel_by.is_none() && job.starts < MAX_STARTS
                }
                // What was interrupted in it is its kind's to judge, and how often it begins again.
                AfterCrash::Resume => true,
            };
            if may_repeat {
                if self.requeue(&job, cause).await? {
                    done.again += 1;
                    continue;
                }
                // Asked in this very moment that it be stopped; or another settled it.
                let now = {
                    let mut db = self.inner.store.read().await?;
                    store::jobs::find(&mut db, job.id).await?
                };
                let its = |now: &Job| now.state == JobState::Running && now.starts == job.starts;
                let Some(now) = now.filter(its) else { continue };
                self.tell_lost(&now).await?;
            } else {
                self.tell_lost(&job).await?;
            }
            done.lost += 1;
        }
        Ok(done)
    }

    /// `false` when it was to be stopped, or is no longer this start's.
    async fn requeue(&self, job: &Job, cause: &Cause) -> Result<bool> {
        let mut tx = self.inner.store.begin().await?;
        let again = store::jobs::requeue(&mut tx, job.id, job.starts).await?;
        if again && !cause.has_ended {
            // Known in this moment alone: whoever goes on with it has only rows to go by.
            store::workflows::cast_adrift(&mut tx, job.id).await?;
        }
        self.inner.store.commit(tx).await?;
        if again {
            tracing::warn!(job = %job.id, "was running when the bot died; runs again by its rule");
        }
        Ok(again)
    }

    async fn tell_lost(&self, job: &Job) -> Result<()> {
        let end = self.end_of_log(job.id).await;
        let mut tx = self.inner.store.begin().await?;
        let now = self.now();
        let ending = match &job.cancel_by {
            Some(by) => Ending::Cancelled(by.clone()),
            None => Ending::Lost,
        };
        if store::jobs::end(&mut tx, job.id, job.starts, &ending, end.bytes, now).await? {
            let mut job = job.clone();
            // What of a stream the chat has seen is not known: the card and the file say it all.
            job.new.output = match job.new.output {
                OutputMode::Stream | OutputMode::Card => OutputMode::Card,
                mode @ (OutputMode::File | OutputMode::Silent) => mode,
            };
            let slot = card::slot(job.id);
            let card = store::outbox::slot(&mut tx, &slot, job.new.place.chat).await?;
            let seen = Seen {
                card: card.is_some(),
                ..Seen::default()
            };
            let last = Last {
                ending: &ending,
                at: now,
                took: None,
                end: &end,
                seen: &seen,
            };
            self.tell_end(&mut tx, &job, last, &[]).await?;
        }
        self.inner.store.commit(tx).await?;
        // Cut off in the middle, its files may be as well.
        self.remove_files(self.folder(job)).await;
        self.sent_off(job).await;
        tracing::warn!(job = %job.id, "was running when the bot died; told as lost");
        Ok(())
    }

    /// The end of an ended job's output, read from its log.
    pub async fn end_of_log(&self, id: JobId) -> live::End {
        let folder = self.inner.settings.log_dir.clone();
        let read = tokio::task::spawn_blocking(move || read_end(&folder, id));
        read.await.unwrap_or_default()
    }
}

async fn end_leftovers(instance: &str, job: &Job) {
    let left = process::end_all(&marker(instance, job), LEFTOVER_GRACE).await;
    if !left.is_empty() {
        tracing::error!(job = %job.id, ?left, "processes of a dead run cannot be ended");
    }
}

fn read_end(folder: &Path, id: JobId) -> live::End {
    match output::LogReader::open(folder, id) {
        Ok(log) => live::End {
            text: render(&log.tail(TAIL).unwrap_or_default(), Size::Pipe),
            whole: log.len() <= TAIL as u64 && log.dropped() == 0,
            bytes: log.len() + log.dropped(),
            missing: log.dropped(),
            lines: 0,
            hash: None,
            board: None,
        },
        Err(_) => live::End::default(),
    }
}
