//! Keeps exactly one run going: what to do next, by what is known.
//!
//! A list of runs is believed when it shows one, and never when it shows none: a run that was begun or seen counts as going
//! until GitHub says of that very run that it is over.

use super::{Active, Run, Unknown, backoff};
use crate::base::time::Millis;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// So long GitHub may need to show a run that was dispatched.
pub const VISIBLE_AFTER: Duration = Duration::from_secs(120);
/// GitHub tells its clock in whole seconds, and the parts of it need not go by the same.
const SLACK: Duration = Duration::from_secs(60);
/// The pause before what was only partly seen is looked at again.
const SOON: Duration = Duration::from_secs(10);
/// A run that ends badly before that did nothing: the next one begins later, and later each time.
const IN_VAIN: Duration = Duration::from_secs(300);

/// What a monitor knows by itself. It is stored, so that no other life and no other instance starts a second run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// The run that goes, or may go.
    pub own: Own,
    /// How many looks, dispatches or runs failed in a row, and when the last did.
    pub failed: Option<(u32, Millis)>,
    /// Since when GitHub says, each time it is asked, that it knows no run like the one that goes.
    #[serde(default)]
    pub gone_since: Option<Millis>,
}

/// What is known of the run that is kept going.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Own {
    /// There is none, or it is over.
    #[default]
    None,
    /// A dispatch was sent then; its run is not known yet. It is noted before it is sent.
    Sent(Millis),
    /// It is this one, and not over as far as is known.
    Runs {
        /// Its id.
        id: u64,
        /// When it was begun, or first seen.
        since: Millis,
        /// Whether it is no other than the one that was begun: GitHub said so, or none was.
        sure: bool,
        /// Whether its page was seen.
        seen: bool,
    },
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

/// What a look brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// The run that goes is this one, which nobody here began.
    Goes(Run),
    /// The run that was begun is this one.
    Found(Run),
    /// This run is over, and how it ended, if that is known.
    Over(u64, Option<String>),
}

impl Known {
    /// Takes down that a look, a dispatch or a run failed.
    pub fn fails(&mut self, now: Millis) {
        let failures = self.failed.map_or(0, |(failures, _)| failures);
        self.failed = Some((failures.saturating_add(1), now));
    }

    /// The run that GitHub is to be asked about by its id, since the list does not show it.
    #[must_use]
    pub fn missing(&self, active: &Result<Active, Unknown>) -> Option<u64> {
        let Own::Runs { id, .. } = self.own else {
            return None;
        };
        let listed = |active: &Active| active.runs.iter().any(|run| run.id == id);
        (!active.as_ref().is_ok_and(listed)).then_some(id)
    }

    /// Takes in a look: which runs GitHub lists as not over, and what it says of the run that the list does not show. Returns
    /// what is new, and what to do.
    pub fn takes(
        &mut self,
        active: &Result<Active, Unknown>,
        missing: Option<&Result<Option<Run>, Unknown>>,
        now: Millis,
    ) -> (Vec<News>, Step) {
        let mut news = Vec::new();
        if active.is_err() {
            self.fails(now);
        }
        let is_listed = self.missing(active).is_none();
        let missing = missing.and_then(|run| run.as_ref().ok());
        let listed = active.iter().flat_map(|active| &active.runs);
        news.extend(self.finds(listed.chain(missing.and_then(Option::as_ref))));
        match missing {
            Some(None) if self.is_gone(active, now) => news.extend(self.loses(None, now)),
            Some(None) => {}
            Some(Some(run)) => {
                self.gone_since = None;
                news.extend(self.loses(Some(run), now));
            }
            None if is_listed => self.gone_since = None,
            None => {}
        }
        if let Ok(active) = active {
            news.extend(self.adopts(active, now));
        }
        let step = monitor_step(self, active, now);
        if step == Step::Nothing && !self.is_young(IN_VAIN, now) {
            self.failed = None;
        }
        (news, step)
    }

    /// Sees the run that was begun for the first time.
    fn finds<'a>(&mut self, mut shown: impl Iterator<Item = &'a Run>) -> Option<News> {
        let Own::Runs { id, seen, .. } = &mut self.own else {
            return None;
        };
        let run = shown.find(|run| run.id == *id && !*seen)?;
        *seen = true;
        Some(News::Found(run.clone()))
    }

    /// Whether a run that GitHub does not know is gone: one that it just began is not shown everywhere at once, and without the
    /// right to see any, none is shown. So it has to say that for a while, and to show the list.
    fn is_gone(&mut self, active: &Result<Active, Unknown>, now: Millis) -> bool {
        if active.is_err() {
            return false;
        }
        let since = *self.gone_since.get_or_insert(now);
        pending(since, VISIBLE_AFTER, now).is_none()
    }

    /// Takes in what GitHub says of the run that goes; `None` when it knows none of this id.
    fn loses(&mut self, run: Option<&Run>, now: Millis) -> Option<News> {
        let Own::Runs {
            id, since, sure, ..
        } = self.own
        else {
            return None;
        };
        // One that was just begun is not shown everywhere at once.
        let may_come = self.is_young(VISIBLE_AFTER, now);
        if !run.map_or(!may_come, Run::is_over) {
            return None;
        }
        match run.is_some_and(Run::is_good) || !self.is_young(IN_VAIN, now) {
            true => self.failed = None,
            false => self.fails(now),
        }
        self.gone_since = None;
        // Perhaps it was not the one that was begun, and that one is still to be shown.
        self.own = match sure || !may_come {
            true => Own::None,
            false => Own::Sent(since),
        };
        Some(News::Over(id, run.and_then(|run| run.conclusion.clone())))
    }

    /// Takes one of the runs that go for the one to be kept, unless there is one.
    fn adopts(&mut self, active: &Active, now: Millis) -> Option<News> {
        let sent = match self.own {
            Own::Runs { .. } => return None,
            Own::Sent(at) => pending(at, VISIBLE_AFTER, now).map(|_| at),
            Own::None => None,
        };
        let Some(at) = sent else {
            let run = active.runs.first()?;
            self.own = runs(run.id, now, true);
            return Some(News::Goes(run.clone()));
        };
        let earliest = Millis(at.0.saturating_add(active.ahead)).minus(SLACK);
        let fits = |run: &&Run| run.event == "workflow_dispatch" && run.created >= earliest;
        let run = active.runs.iter().find(fits)?;
        self.own = runs(run.id, at, false);
        Some(News::Found(run.clone()))
    }

    fn is_young(&self, age: Duration, now: Millis) -> bool {
        match self.own {
            Own::Runs { since, .. } => pending(since, age, now).is_some(),
            Own::None | Own::Sent(_) => true,
        }
    }
}

fn runs(id: u64, since: Millis, sure: bool) -> Own {
    Own::Runs {
        id,
        since,
        sure,
        seen: true,
    }
}

/// What to do, by what is known and what GitHub answered when it was asked which runs are not over.
fn monitor_step(known: &Known, active: &Result<Active, Unknown>, now: Millis) -> Step {
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
        Own::Runs { .. } => Step::Wait(now.plus(SOON)),
        // It is to be found by its id before it is over; so the list is looked at meanwhile.
        Own::Sent(at) => match pending(at, VISIBLE_AFTER, now) {
            Some(until) => Step::Wait(until.min(now.plus(SOON))),
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
