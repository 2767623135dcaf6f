//! What is kept of ended jobs, by age, by number and by the size of their logs and files. The oldest go first, a batch at a time.
//!
//! The row goes before the log: a crash in between leaves a log that is nobody's, and the next sweep removes it.
//! A job that has not ended, that has to be confirmed, or one of whose messages is still to be sent, is kept whatever the
//! limits say.

use super::{Jobs, files, output};
use crate::base::error::Result;
use crate::base::ids::JobId;
use crate::base::time::Millis;
use crate::store;
use crate::store::retention::{self, Why};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Jobs removed in one transaction: few enough that nobody waits for it.
const BATCH: u32 = 200;
/// Notes of what was removed are kept for a year.
const KEEP_NOTES: Duration = Duration::from_secs(365 * 24 * 3600);

/// What is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// How long an ended job is.
    pub age: Duration,
    /// How many ended jobs are.
    pub count: u64,
    /// Bytes of all logs, and of the files that ended jobs left here, together.
    pub bytes: u64,
}

/// What a sweep removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// Jobs that were too old.
    pub by_age: usize,
    /// Jobs that were too many.
    pub by_count: usize,
    /// Jobs whose logs and files were too much.
    pub by_size: usize,
    /// Logs that were nobody's.
    pub orphans: usize,
}

impl Jobs {
    /// Removes what is more than is kept, with its logs and what the outbox keeps of it, and logs that are nobody's.
    ///
    /// # Errors
    /// When the database, the queue or the disk refuses; what went so far is gone.
    pub async fn forget_old(
        &self,
        keep: Keep,
        now: Millis,
        stop: &CancellationToken,
    ) -> Result<Removed> {
        let mut removed = Removed::default();
        let old = now.minus(keep.age);
        while !stop.is_cancelled() {
            match self.forget(old, BATCH, Why::Age, now).await? {
                0 => break,
                gone => removed.by_age += gone,
            }
        }
        while !stop.is_cancelled() {
            let ended = {
                let mut db = self.inner.store.read().await?;
                retention::ended(&mut db).await?
            };
            let over = u32::try_from(ended.saturating_sub(keep.count)).unwrap_or(u32::MAX);
            match self.forget(now, over.min(BATCH), Why::Count, now).await? {
                0 => break,
                gone => removed.by_count += gone,
            }
        }
        let kept = self.survey().await?;
        let mut bytes = kept.bytes;
        removed.orphans = self.sweep_orphans(kept.jobs, stop).await?;
        if removed.orphans > 0 {
            bytes = self.survey().await?.bytes;
        }
        let (mut with_files, files) = self.left_behind(stop).await?;
        bytes += files;
        while bytes > keep.bytes && !stop.is_cancelled() {
            let over = bytes - keep.bytes;
            let (gone, freed) = self.forget_until(over, &mut with_files, now).await?;
            if gone == 0 {
                break;
            }
            removed.by_size += gone;
            bytes = bytes.saturating_sub(freed);
        }
        let mut tx = self.inner.store.begin().await?;
        retention::prune_notes(&mut tx, now.minus(KEEP_NOTES)).await?;
        self.inner.store.commit(tx).await?;
        self.inner.transport.prune().await?;
        if removed != Removed::default() {
            tracing::info!(?removed, "old jobs were removed");
        }
        Ok(removed)
    }

    /// Removes up to `limit` of the oldest that ended before the moment; returns how many.
    async fn forget(&self, before: Millis, limit: u32, why: Why, now: Millis) -> Result<usize> {
        let oldest = {
            let mut db = self.inner.store.read().await?;
            retention::oldest(&mut db, before, None, limit).await?
        };
        let gone = self.forget_these(&oldest, why, now).await?;
        Ok(gone)
    }

    /// The ended jobs that left files here and may go, oldest first, and how many bytes they left.
    async fn left_behind(&self, stop: &CancellationToken) -> Result<(Vec<JobId>, u64)> {
        let work = self.inner.settings.work_dir.clone();
        let listed = tokio::task::spawn_blocking(move || files::jobs(&work));
        let listed = listed.await.map_err(anyhow::Error::new)?;
        let mut listed = listed.map_err(anyhow::Error::new)?;
        listed.sort_unstable();
        let (mut jobs, mut bytes) = (Vec::new(), 0);
        for batch in listed.chunks(BATCH as usize) {
            if stop.is_cancelled() {
                break;
            }
            let may_go = {
                let mut db = self.inner.store.read().await?;
                retention::may_go(&mut db, batch).await?
            };
            let (work, measured) = (self.inner.settings.work_dir.clone(), may_go.clone());
            let size = move |id: JobId| files::Folder::of(&work, id).bytes();
            let sum =
                tokio::task::spawn_blocking(move || measured.into_iter().map(size).sum::<u64>());
            bytes += sum.await.map_err(anyhow::Error::new)?;
            jobs.extend(may_go);
        }
        Ok((jobs, bytes))
    }

    /// Removes of the oldest as many as hold so many bytes; returns how many went, and what they held. Those that left files
    /// are taken off the list.
    async fn forget_until(
        &self,
        over: u64,
        with_files: &mut Vec<JobId>,
        now: Millis,
    ) -> Result<(usize, u64)> {
        let oldest = {
            let mut db = self.inner.store.read().await?;
            let first = with_files.get(..BATCH as usize).unwrap_or(with_files);
            retention::oldest(&mut db, now, Some(first), BATCH).await?
        };
        let folder = self.inner.settings.log_dir.clone();
        let work = self.inner.settings.work_dir.clone();
        let measured = tokio::task::spawn_blocking(move || {
            let (mut chosen, mut bytes) = (Vec::new(), 0);
            for id in oldest {
                if bytes >= over {
                    break;
                }
                bytes += output::kept_bytes(&folder, id) + files::Folder::of(&work, id).bytes();
                chosen.push(id);
            }
            (chosen, bytes)
        });
        let (chosen, bytes) = measured.await.map_err(anyhow::Error::new)?;
        let gone = self.forget_these(&chosen, Why::Size, now).await?;
        with_files.retain(|id| !chosen.contains(id));
        Ok((gone, bytes))
    }

    async fn forget_these(&self, jobs: &[JobId], why: Why, now: Millis) -> Result<usize> {
        let mut tx = self.inner.store.begin().await?;
        let gone = retention::forget(&mut tx, jobs, why, now).await?;
        self.inner.store.commit(tx).await?;
        let count = gone.len();
        self.remove_logs(gone).await?;
        Ok(count)
    }

    /// Removes logs whose jobs are gone: a crash fell between the row and the file.
    async fn sweep_orphans(&self, logs: Vec<JobId>, stop: &CancellationToken) -> Result<usize> {
        let mut count = 0;
        for batch in logs.chunks(BATCH as usize) {
            if stop.is_cancelled() {
                break;
            }
            let orphans = {
                let mut db = self.inner.store.read().await?;
                retention::unknown(&mut db, batch).await?
            };
            count += orphans.len();
            self.remove_logs(orphans).await?;
        }
        Ok(count)
    }

    async fn survey(&self) -> Result<output::Kept> {
        let folder = self.inner.settings.log_dir.clone();
        let survey = tokio::task::spawn_blocking(move || output::survey(&folder));
        let kept = survey.await.map_err(anyhow::Error::new)?;
        Ok(kept.map_err(anyhow::Error::new)?)
    }

    async fn remove_logs(&self, jobs: Vec<JobId>) -> Result<()> {
        let settings = &self.inner.settings;
        let (logs, work) = (settings.log_dir.clone(), settings.work_dir.clone());
        let removal = tokio::task::spawn_blocking(move || {
            for id in jobs {
                if let Err(error) = output::remove(&logs, id) {
                    tracing::warn!(job = %id, %error, "the log of a removed job stays for now");
                }
                if let Err(error) = files::Folder::of(&work, id).remove() {
                    tracing::warn!(job = %id, %error, "the files of a removed job stay for now");
                }
            }
        });
        Ok(removal.await.map_err(anyhow::Error::new)?)
    }

    /// Removes what the outbox keeps of messages that were done, and of cards not touched, before the moment; not of jobs that
    /// are not over.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn forget_messages(&self, before: Millis, stop: &CancellationToken) -> Result<()> {
        while !stop.is_cancelled() {
            let mut tx = self.inner.store.begin().await?;
            let gone = store::outbox::prune(&mut tx, before, BATCH).await?;
            self.inner.store.commit(tx).await?;
            if gone == 0 {
                break;
            }
        }
        Ok(())
    }
}
