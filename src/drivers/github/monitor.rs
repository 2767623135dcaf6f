//! Keeps exactly one run going: what to do next, by what is known.

use super::{Active, Unknown, backoff};
use crate::base::time::Millis;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// So long GitHub may need to show a run that was dispatched.
pub const VISIBLE_AFTER: Duration = Duration::from_secs(120);
/// The pause before what was only partly seen is looked at again.
const SOON: Duration = Duration::from_secs(10);

/// What a monitor knows by itself. It is stored, so that a restart starts no second run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// Its newest run.
    pub own: Own,
    /// How many looks or dispatches failed in a row, and when the last did.
    pub failed: Option<(u32, Millis)>,
}

/// What is known of the newest run that a monitor started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Own {
    /// There is none, or it is over.
    #[default]
    None,
    /// A dispatch was sent then; its run is not known yet. It is noted before it is sent.
    Sent(Millis),
    /// It has this id and is not over, as far as is known.
    Runs(u64),
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Start a run.
    Dispatch,
    /// Look again, and not before then.
    Wait(Millis),
    /// One runs; look again as usual.
    Nothing,
}

impl Known {
    /// Takes down that a look or a dispatch failed.
    pub fn fails(&mut self, now: Millis) {
        let failures = self.failed.map_or(0, |(failures, _)| failures);
        self.failed = Some((failures.saturating_add(1), now));
    }
}

/// What to do, by what is known and what GitHub answered when it was asked which runs are not over.
#[must_use]
pub fn monitor_step(known: &Known, active: &Result<Active, Unknown>, now: Millis) -> Step {
    let failures = known.failed.map_or(1, |(failures, _)| failures);
    let active = match active {
        Ok(active) => active,
        Err(unknown) => {
            let again = now.plus(backoff(failures));
            return Step::Wait(unknown.until.map_or(again, |until| until.max(again)));
        }
    };
    if !active.runs.is_empty() {
        return Step::Nothing;
    }
    if !active.complete {
        return Step::Wait(now.plus(SOON));
    }
    if let Some((failures, at)) = known.failed
        && let Some(until) = pending(at, backoff(failures), now)
    {
        return Step::Wait(until);
    }
    match known.own {
        Own::None => Step::Dispatch,
        // The list may be behind what is known of the run itself.
        Own::Runs(_) => Step::Wait(now.plus(SOON)),
        Own::Sent(at) => match pending(at, VISIBLE_AFTER, now) {
            Some(until) => Step::Wait(until),
            None => Step::Dispatch,
        },
    }
}

/// The end of a time that began at `at`, if it is not over. A beginning that is far ahead was told by a wrong clock.
fn pending(at: Millis, length: Duration, now: Millis) -> Option<Millis> {
    let until = at.plus(length);
    (now < until && at <= now.plus(length)).then_some(until)
}

#[cfg(test)]
mod tests;
