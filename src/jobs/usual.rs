//! Jobs that take longer than their script usually does, by its own history; each is told once.

use super::{Jobs, subject};
use crate::base::error::Result;
use crate::base::job::JobState;
use crate::base::time::Millis;
use crate::delivery::report;
use crate::store;
use std::time::Duration;

/// Fewer good runs say nothing about what is usual.
const LEAST: usize = 5;
/// So many of the latest good runs are looked at.
const LATEST: u32 = 50;
/// However short a script usually is, so much more is nothing to speak of.
const SLACK: Duration = Duration::from_secs(60);

/// How long a script usually takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usual {
    /// Half of its runs are shorter.
    pub median: Duration,
    /// A run that takes longer is told.
    pub limit: Duration,
}

/// What is usual by these runs; `None` when they are too few to say.
#[must_use]
pub fn usual(mut runs: Vec<Duration>) -> Option<Usual> {
    if runs.len() < LEAST {
        return None;
    }
    runs.sort_unstable();
    // By nearest rank: the smallest run that so many percent do not exceed.
    let rank = |percent: usize| runs[(runs.len() * percent).div_ceil(100).max(1) - 1];
    let most = rank(95);
    Some(Usual {
        median: rank(50),
        limit: (most * 2).max(most + SLACK),
    })
}

impl Jobs {
    /// Promises a notice of each running job that by this moment takes longer than is usual; one that was told before is not
    /// told again. Only for the instance that leads.
    ///
    /// # Errors
    /// When the database refuses; call again then.
    pub async fn tell_slow(&self, now: Millis) -> Result<()> {
        let running = {
            let mut db = self.inner.store.read().await?;
            store::jobs::open(&mut db, JobState::Running).await?
        };
        for job in running {
            let runs = job
                .started_at
                .map_or(Duration::ZERO, |since| now.since(since));
            if runs <= SLACK {
                continue;
            }
            let before = {
                let mut db = self.inner.store.read().await?;
                store::history::good_runs(&mut db, &job.new.title, LATEST).await?
            };
            let Some(usual) = usual(before).filter(|usual| runs > usual.limit) else {
                continue;
            };
            let notice = report::slow(&subject(job.id, &job.new), runs, usual.median);
            let mut tx = self.inner.store.begin_led().await?;
            let is_news = self.inner.outbox.promise(&mut tx, &notice).await?;
            self.inner.store.commit(tx).await?;
            if is_news {
                self.inner.outbox.kick(notice.place.chat);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_usual_is_learnt_from_five_runs_on() {
        let seconds = |all: &[u64]| {
            all.iter()
                .map(|n| Duration::from_secs(*n))
                .collect::<Vec<_>>()
        };
        assert_eq!(usual(seconds(&[1, 1, 1, 1])), None);
        // A minute more than the slowest of few.
        let short = usual(seconds(&[3, 1, 2, 5, 4])).unwrap();
        assert_eq!((short.median.as_secs(), short.limit.as_secs()), (3, 65));
        // Twice as long.
        let long = usual(seconds(&[100, 110, 120, 130, 600])).unwrap();
        assert_eq!((long.median.as_secs(), long.limit.as_secs()), (120, 1200));
        // One outlier among many says nothing.
        let mut many = vec![100; 39];
        many.push(5000);
        assert_eq!(usual(seconds(&many)).unwrap().limit.as_secs(), 200);
    }
}
