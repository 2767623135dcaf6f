//! What follows from the end of a run: whether it is told, and whether it is tried again.

use super::rhythm::{self, RUNS};
use crate::base::job::Ending;
use crate::base::schedule::Rule;
use crate::delivery::report::Tried;
use crate::jobs::aftermath::{Aftermath, Over, Verdict};
use crate::store::schedules::Retry;
use crate::store::{self, Tx};
use futures::future::{BoxFuture, FutureExt};
use std::sync::Arc;
use tokio::sync::Notify;

/// Decides what follows from the end of runs, and wakes the loop that goes on from there.
#[derive(Clone, Default)]
pub struct Ends {
    pub(super) wake: Arc<Notify>,
}

impl Aftermath for Ends {
    fn over<'a>(&'a self, tx: &'a mut Tx, over: Over<'a>) -> BoxFuture<'a, store::Result<Verdict>> {
        decide(tx, over).boxed()
    }

    fn committed(&self) {
        self.wake.notify_one();
    }
}

async fn decide(tx: &mut Tx, over: Over<'_>) -> store::Result<Verdict> {
    let Over {
        telling, ending, ..
    } = over;
    if let Some((number, pause)) = again(&over) {
        let retry = Retry {
            at: over.at.plus(pause),
            of: over.job.id,
            number: number + 1,
        };
        // Unless it is gone, or counts anew by another timer.
        if store::schedules::try_again(tx, &telling.schedule, retry).await? {
            return Ok(match telling.is_live() {
                true => Verdict::Told(Tried::Again(number, pause)),
                false => Verdict::Quiet,
            });
        }
    }
    if telling.anew.is_some() && is_on(tx, &telling.schedule).await? {
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

/// Whether another run follows.
async fn is_on(tx: &mut Tx, schedule: &str) -> store::Result<bool> {
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
