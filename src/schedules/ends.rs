//! What follows from the end of a run: whether it is told, and whether it is tried again.

use super::rhythm::{self, RUNS};
use super::{Notice, Schedules};
use crate::base::error::Result;
use crate::base::ids::Place;
use crate::base::job::Ending;
use crate::base::schedule::Rule;
use crate::config::Live;
use crate::delivery::report::Tried;
use crate::jobs::aftermath::{Aftermath, Over, Verdict};
use crate::store::schedules::Retry;
use crate::store::{self, Tx};
use futures::future::{BoxFuture, FutureExt};
use std::sync::Arc;
use tokio::sync::Notify;

/// Decides what follows from the end of runs, and wakes the loop that goes on from there.
#[derive(Clone)]
pub struct Ends {
    live: Live,
    pub(super) wake: Arc<Notify>,
}

impl Ends {
    /// Decides by the configuration in force.
    #[must_use]
    pub fn new(live: Live) -> Self {
        Self {
            live,
            wake: Arc::default(),
        }
    }
}

impl Schedules {
    /// Gives up the try that is to follow a failed run, if one is, and tells where its runs are told that it failed: they may
    /// have heard nothing, or that it is tried again. Returns where, to be sent after the commit.
    pub(super) async fn give_up(&self, tx: &mut Tx, name: &str, why: &str) -> Result<Vec<Place>> {
        let Some(failed) = store::schedules::give_up(tx, name).await? else {
            return Ok(Vec::new());
        };
        let job = store::jobs::find(tx, failed).await?;
        let Some((place, telling)) = job.and_then(|job| Some((job.new.place, job.new.telling?)))
        else {
            return Ok(Vec::new());
        };
        let notice = Notice::GivenUp {
            schedule: telling.schedule,
            time: telling.time,
            job: failed,
            why: why.to_owned(),
        };
        let mut told = telling.also;
        told.insert(0, place);
        self.tell(tx, &told, &notice).await?;
        Ok(told)
    }
}

impl Aftermath for Ends {
    fn over<'a>(&'a self, tx: &'a mut Tx, over: Over<'a>) -> BoxFuture<'a, store::Result<Verdict>> {
        decide(&self.live, tx, over).boxed()
    }

    fn committed(&self) {
        self.wake.notify_one();
    }
}

async fn decide(live: &Live, tx: &mut Tx, over: Over<'_>) -> store::Result<Verdict> {
    let Over {
        telling, ending, ..
    } = over;
    if let Some((number, pause)) = again(&over)
        && is_on(live, tx, &telling.schedule).await?
    {
        let retry = Retry {
            at: over.at.plus(pause),
            of: over.job.id,
            number: number + 1,
        };
        // Unless it was removed, or another run follows already.
        if store::schedules::try_again(tx, &telling.schedule, retry).await? {
            return Ok(match telling.is_live() {
                true => Verdict::Told(Tried::Again(number, pause)),
                false => Verdict::Quiet,
            });
        }
    }
    if telling.anew.is_some() && is_on(live, tx, &telling.schedule).await? {
        let past = store::workflows::past(tx, &over.job.new.title, RUNS).await?;
        let failing = rhythm::failing(&past);
        let before = past.iter().skip(1).zip(1..failing);
        let told = before.into_iter().any(|(run, _)| run.by_itself);
        match failing {
            0 => {}
            _ if told => return Ok(Verdict::Quiet),
            _ => return Ok(Verdict::Told(Tried::Anew(rhythm::pause(failing)))),
        }
    }
    let good = *ending == Ending::Exited(0);
    let changed = match (telling.rule, over.hash) {
        (Rule::OnChange, Some(hash)) if good => {
            store::schedules::swap_hash(tx, &telling.schedule, hash, over.printed).await?
        }
        (Rule::OnChange, None) => over.printed,
        (Rule::Always | Rule::OnOutput | Rule::OnFailure | Rule::OnChange, _) => false,
    };
    let tried = match (&telling.retries, telling.attempt, good) {
        (None, _, _) | (Some(_), 1, true) => Tried::Once,
        (Some(_), number, _) => Tried::Last(number),
    };
    Ok(match telling.rule.tells(ending, over.printed, changed) {
        true => Verdict::Told(tried),
        false => Verdict::Quiet,
    })
}

/// Whether another run may follow.
async fn is_on(live: &Live, tx: &mut Tx, schedule: &str) -> store::Result<bool> {
    let config = live.current();
    let is_off = config
        .schedules
        .iter()
        .any(|one| one.name == schedule && !one.enabled);
    if is_off || store::freeze::is_frozen(tx).await? {
        return Ok(false);
    }
    let row = store::schedules::find(tx, schedule).await?;
    Ok(row.is_some_and(|row| row.paused.is_none()))
}

/// Which try it was, and how long to wait before the next one.
fn again(over: &Over<'_>) -> Option<(u32, std::time::Duration)> {
    let telling = over.telling;
    let seed = format!("{}:{}", over.job.new.source, telling.attempt);
    let retries = telling.retries.as_ref()?;
    let pause = retries.pause(telling.attempt, over.ending, &seed)?;
    Some((telling.attempt, pause))
}
