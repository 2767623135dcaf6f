//! Where a check stands, and what a look makes of that: pure, so that every step can be tried.
//!
//! ok → pending → firing (warning, critical) → ok. What cannot be read is pending too, and then fires as a warning. While a
//! check flaps, it keeps firing, and is only told of when it becomes critical, until it has been calm for a while.

use crate::base::alert::{Reading, Severity, Turn};
use crate::base::time::Millis;
use crate::config::{Check, Limits};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The form of [`State`] as it is stored.
pub const VERSION: i64 = 1;
/// So many times within the window that it becomes bad, or worse again after it was better, and it flaps.
const RISES: usize = 4;
/// The window is at least this long, and holds at least so many looks.
const WINDOW: (Duration, u32) = (Duration::from_secs(30 * 60), 20);
/// After a time without a look nobody knows how long it has been bad. It is at least this long, and so many looks. A state
/// is written down far more often.
const BLIND: (Duration, u32) = (Duration::from_secs(10 * 60), 3);

/// What decides of a check.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rule {
    /// The thresholds.
    pub limits: Limits,
    /// How long it has to be bad.
    pub hold: Duration,
    /// The time from one look to the next.
    pub every: Duration,
}

impl Rule {
    /// The rule of a check.
    #[must_use]
    pub fn of(check: &Check) -> Self {
        Self {
            limits: check.limits,
            hold: check.hold,
            every: check.every,
        }
    }

    /// Whether the value of a look decides how bad it is, rather than what the look says of itself.
    #[must_use]
    pub fn decides(&self, seen: &Seen) -> bool {
        let measured = seen
            .reading
            .value
            .and_then(|value| self.limits.judge(value, seen.stated));
        measured >= seen.stated
    }

    fn window(&self) -> Duration {
        WINDOW.0.max(self.every * WINDOW.1)
    }

    /// How long a flapping check has to be calm.
    fn calm(&self) -> Duration {
        self.window() / 2
    }

    fn blind(&self) -> Duration {
        BLIND.0.max(self.every * BLIND.1)
    }

    /// How long it may not be readable: one failure that the next look mends is no news.
    fn patience(&self) -> Duration {
        self.hold.max(self.every)
    }
}

/// What a look found.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// What was read.
    pub reading: Reading,
    /// How bad it is in itself, whatever the thresholds say.
    pub stated: Option<Severity>,
}

/// Where a check stands between two looks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// What was told last: nothing, or that it fires this bad.
    firing: Option<Severity>,
    /// When what fires began.
    since: Option<Millis>,
    /// How bad the last look that could read found it.
    level: Option<Severity>,
    /// Since when it is at least a warning.
    warning_since: Option<Millis>,
    /// Since when it is critical.
    critical_since: Option<Millis>,
    /// Since when it cannot be read.
    unreadable_since: Option<Millis>,
    /// The last look.
    looked_at: Option<Millis>,
    /// When it was told that it is bad, or worse again after it had become better, within the window.
    rises: Vec<Millis>,
    /// Whether what fires has become better since it became worse.
    #[serde(default)]
    eased: bool,
    /// While it flaps: since when it has not changed.
    calm_since: Option<Millis>,
}

/// How a check stands, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nobody has looked yet.
    New,
    /// All is well.
    Good,
    /// It is bad, but not for long enough.
    Pending(Severity),
    /// It is bad, and that was told.
    Firing(Severity),
    /// It cannot be read.
    Unreadable,
    /// Nobody has looked for far longer than the time between two looks.
    Stale,
}

impl State {
    /// What was told last.
    #[must_use]
    pub fn firing(&self) -> Option<Severity> {
        self.firing
    }

    /// When what fires began; else when what is not told yet did.
    #[must_use]
    pub fn since(&self) -> Option<Millis> {
        let pending = self.warning_since.into_iter().chain(self.unreadable_since);
        self.since.or(pending.min())
    }

    /// Since when it has been at least a warning, told or not.
    #[must_use]
    pub fn bad_since(&self) -> Option<Millis> {
        self.warning_since
    }

    /// Since when it cannot be read.
    #[must_use]
    pub fn unreadable_since(&self) -> Option<Millis> {
        self.unreadable_since
    }

    /// The last look.
    #[must_use]
    pub fn looked_at(&self) -> Option<Millis> {
        self.looked_at
    }

    /// Whether it changes so often that single changes are no news.
    #[must_use]
    pub fn is_flapping(&self) -> bool {
        self.calm_since.is_some()
    }

    /// How it stands now.
    #[must_use]
    pub fn standing(&self, rule: &Rule, now: Millis) -> Standing {
        match (self.looked_at, self.firing) {
            (None, _) => Standing::New,
            (Some(at), _) if now.since(at) > rule.blind() => Standing::Stale,
            (Some(_), _) if self.unreadable_since.is_some() => Standing::Unreadable,
            (Some(_), Some(severity)) => Standing::Firing(severity),
            (Some(_), None) => self.level.map_or(Standing::Good, Standing::Pending),
        }
    }

    /// Whether two states differ in more than when was looked last.
    #[must_use]
    pub fn differs(&self, other: &State) -> bool {
        let at = |state: &State| State {
            looked_at: None,
            ..state.clone()
        };
        at(self) != at(other)
    }

    /// The state after the check is watched no more, and what is told of that.
    #[must_use]
    pub fn ended(self) -> (State, Option<Turn>) {
        let turn = self.firing.map(|_| Turn::Cleared);
        (State::default(), turn)
    }

    /// Moves what a clock that was set back left in the future, and forgets what nobody knows after a time without looks.
    fn at(mut self, rule: &Rule, now: Millis) -> State {
        let blind = self
            .looked_at
            .is_some_and(|at| now.since(at) > rule.blind());
        for since in [
            &mut self.warning_since,
            &mut self.critical_since,
            &mut self.unreadable_since,
            &mut self.calm_since,
        ] {
            *since = since.map(|at| if blind { now } else { at.min(now) });
        }
        self.since = self.since.map(|at| at.min(now));
        let window = rule.window();
        self.rises.iter_mut().for_each(|at| *at = (*at).min(now));
        self.rises.retain(|at| now.since(*at) <= window);
        self.looked_at = Some(now);
        self
    }
}

/// One look: the state after it, and what is told of it. An error is why it could not be read.
#[must_use]
pub fn step(
    state: State,
    rule: &Rule,
    seen: &Result<Seen, String>,
    now: Millis,
) -> (State, Option<Turn>) {
    let mut state = state.at(rule, now);
    let level_before = state.level;
    match seen {
        Ok(seen) => {
            let measured = seen.reading.value.and_then(|value| {
                let held = state.level;
                rule.limits.judge(value, held)
            });
            state.level = measured.max(seen.stated);
            state.unreadable_since = None;
            let bad = |held: bool, since: Option<Millis>| held.then(|| since.unwrap_or(now));
            state.warning_since = bad(state.level.is_some(), state.warning_since);
            let critical = state.level == Some(Severity::Critical);
            state.critical_since = bad(critical, state.critical_since);
        }
        // What was last read is held: nobody knows that it is over.
        Err(_) => state.unreadable_since = state.unreadable_since.or(Some(now)),
    }
    if state.is_flapping() && level_before != state.level {
        state.calm_since = Some(now);
    }
    let wanted = wanted(&state, rule, seen.is_ok(), now);
    let is_calm = state
        .calm_since
        .is_none_or(|since| now.since(since) >= rule.calm());
    if is_calm {
        state.calm_since = None;
    }
    let turn = match (state.firing, wanted) {
        (None, None) => None,
        (Some(told), Some(wanted)) if told == wanted => None,
        (None, Some(severity)) => Some(Turn::Raised(severity)),
        (Some(told), Some(wanted)) if wanted > told => Some(Turn::Became(wanted)),
        (Some(_), _) if !is_calm => None,
        (Some(_), Some(wanted)) => Some(Turn::Became(wanted)),
        (Some(_), None) => Some(Turn::Cleared),
    };
    match turn {
        Some(Turn::Raised(severity)) => {
            state.since = state.since().or(Some(now));
            state.told(severity, now);
        }
        Some(Turn::Became(severity)) if state.firing < Some(severity) => state.told(severity, now),
        Some(Turn::Became(severity)) => {
            state.firing = Some(severity);
            state.eased = true;
        }
        Some(Turn::Cleared) => {
            state.firing = None;
            state.since = None;
        }
        Some(Turn::Reads) | None => {}
    }
    (state, turn)
}

impl State {
    fn told(&mut self, severity: Severity, now: Millis) {
        let goes_on = self.firing.is_some() && !self.eased;
        self.firing = Some(severity);
        self.eased = false;
        if goes_on {
            // From bad to worse, straight: that is one.
            return;
        }
        self.rises.push(now);
        if self.rises.len() >= RISES {
            self.rises.clear();
            self.calm_since = Some(now);
        }
    }
}

/// What should be told by now.
fn wanted(state: &State, rule: &Rule, is_readable: bool, now: Millis) -> Option<Severity> {
    let lasted =
        |since: Option<Millis>, time: Duration| since.is_some_and(|since| now.since(since) >= time);
    if !is_readable {
        let blind = lasted(state.unreadable_since, rule.patience());
        return state.firing.or(blind.then_some(Severity::Warning));
    }
    let lasting = if lasted(state.critical_since, rule.hold) {
        Some(Severity::Critical)
    } else if lasted(state.warning_since, rule.hold) {
        Some(Severity::Warning)
    } else {
        None
    };
    // What fires is not over while it is still bad, however short by a clock that was set.
    lasting.max(state.level.min(state.firing))
}

/// The worst value after a look, since the check began to be bad; `before` is the worst until then.
#[must_use]
pub fn worst(
    before: Option<f64>,
    state: &State,
    rule: &Rule,
    seen: &Result<Seen, String>,
) -> Option<f64> {
    state.since()?;
    let by_value = seen.as_ref().ok().filter(|seen| rule.decides(seen));
    let value = by_value.and_then(|seen| seen.reading.value);
    match (before, value) {
        (Some(before), Some(value)) if rule.limits.is_worse(value, before) => Some(value),
        (Some(before), _) => Some(before),
        (None, value) => value,
    }
}

#[cfg(test)]
mod tests;
