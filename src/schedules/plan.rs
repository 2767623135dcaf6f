//! What is to be done about a schedule at a moment: a function of its times and of where it stands.
//!
//! A clock that goes forward makes times pass as an absence does. One that goes back repeats nothing: times up to `settled`
//! are dealt with. Only if it goes back so far that it must have been wrong before, times count anew from now.

use crate::base::schedule::{Missed, spread};
use crate::base::time::Millis;
use crate::config::Schedule;
use std::time::Duration;

/// A run that begins so much late was missed.
const LATE: Duration = Duration::from_secs(60);
/// Missed runs are made up for as long as they are not older.
const OLDEST: Duration = Duration::from_secs(7 * 24 * 3600);
/// Put back by more than this, the clock was wrong before.
const BACK: Duration = Duration::from_secs(3600);

/// Where a schedule stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// What an interval counts from.
    pub anchor: Millis,
    /// Every time up to this one is dealt with.
    pub settled: Millis,
    /// Its last run is open, or is to be tried again.
    pub busy: bool,
    /// Everything is frozen.
    pub frozen: bool,
}

/// Why a time passes without a run, or a failed run is not tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The run before was not over.
    Busy,
    /// The bot was away, and missed runs are skipped.
    Missed,
    /// It is too long ago to be made up for.
    TooOld,
    /// Everything was frozen.
    Frozen,
    /// Its next time came while it could not be tried again, and one run is enough for both.
    Next,
}

impl Why {
    /// In words, as a part of a sentence.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Why::Busy => "the run before was not over",
            Why::Missed => "the bot was away",
            Why::TooOld => "it was too long ago",
            Why::Frozen => "everything was frozen",
            Why::Next => "the next run was due",
        }
    }
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    /// Nothing before this moment; without one, nothing ever.
    Wait(Option<Millis>),
    /// Nothing before its last run is over.
    Hold,
    /// Run what is due at this time.
    Fire(Millis),
    /// Note that the times up to this one pass without a run.
    Skip(Millis, Why),
    /// Count anew from now: the clock was wrong.
    Anew,
}

/// A try that is to follow a failed run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Try {
    /// When.
    pub at: Millis,
    /// When the run before failed, if that is still known.
    pub failed: Option<Millis>,
}

/// What becomes of such a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// Nothing before this moment.
    Wait(Millis),
    /// It runs now.
    Run,
    /// It is given up.
    Drop(Why),
}

/// What becomes now of a try that is to follow. What is late goes by the rule for missed times; what waits for a moment that
/// came from a wrong clock waits no longer.
#[must_use]
pub fn again(schedule: &Schedule, at: Standing, next: Try, now: Millis) -> Again {
    if at.frozen {
        return Again::Drop(Why::Frozen);
    }
    if at.settled.max(next.failed.unwrap_or_default()) > now.plus(BACK) {
        return Again::Run;
    }
    if next.at > now {
        return Again::Wait(next.at);
    }
    if now.since(next.at) <= LATE {
        return Again::Run;
    }
    let is_due = || {
        let due = self::next(schedule, at.anchor, at.settled);
        due.is_some_and(|due| begins(schedule, due) <= now)
    };
    match schedule.missed {
        Missed::Skip => Again::Drop(Why::Missed),
        Missed::Once if is_due() => Again::Drop(Why::Next),
        Missed::All if next.at < now.minus(OLDEST) => Again::Drop(Why::TooOld),
        Missed::Once | Missed::All => Again::Run,
    }
}

/// What is to be done now.
#[must_use]
pub fn plan(schedule: &Schedule, at: Standing, now: Millis) -> Plan {
    if at.settled > now.plus(BACK) {
        return Plan::Anew;
    }
    let Some(next) = next(schedule, at.anchor, at.settled) else {
        return Plan::Wait(None);
    };
    if begins(schedule, next) > now {
        return Plan::Wait(Some(begins(schedule, next)));
    }
    let newest = newest(schedule, at, now).unwrap_or(next);
    if at.frozen {
        return Plan::Skip(newest, Why::Frozen);
    }
    match schedule.missed {
        Missed::All => all(schedule, at, next, now),
        Missed::Once | Missed::Skip if at.busy => Plan::Skip(newest, Why::Busy),
        Missed::Skip if now.since(begins(schedule, newest)) > LATE => {
            Plan::Skip(newest, Why::Missed)
        }
        Missed::Once | Missed::Skip => Plan::Fire(newest),
    }
}

fn all(schedule: &Schedule, at: Standing, next: Millis, now: Millis) -> Plan {
    let oldest = now.minus(OLDEST);
    if next < oldest {
        let old = schedule
            .when
            .latest(schedule.zone, at.anchor, at.settled, oldest);
        return Plan::Skip(old.unwrap_or(next), Why::TooOld);
    }
    match at.busy {
        true => Plan::Hold,
        false => Plan::Fire(next),
    }
}

/// When a run begins that is due then.
#[must_use]
pub fn begins(schedule: &Schedule, due: Millis) -> Millis {
    due.plus(spread(
        &format!("{}:{}", schedule.name, due.0),
        schedule.jitter,
    ))
}

/// The next time that comes after this one.
#[must_use]
pub fn next(schedule: &Schedule, anchor: Millis, after: Millis) -> Option<Millis> {
    schedule.when.next(schedule.zone, anchor, after)
}

/// How many runs begin after this moment and by that one, counted up to `most`.
#[must_use]
pub fn count(
    schedule: &Schedule,
    at: Standing,
    (after, until): (Millis, Millis),
    most: usize,
) -> usize {
    let mut due = after.max(at.settled);
    let runs = std::iter::from_fn(|| {
        due = next(schedule, at.anchor, due)?;
        Some(begins(schedule, due))
    });
    runs.take_while(|begins| *begins <= until)
        .take(most)
        .count()
}

/// The newest time whose run could have begun by now.
fn newest(schedule: &Schedule, at: Standing, now: Millis) -> Option<Millis> {
    let before = |until| {
        schedule
            .when
            .latest(schedule.zone, at.anchor, at.settled, until)
    };
    let last = before(now)?;
    match begins(schedule, last) <= now {
        true => Some(last),
        // The jitter is shorter than the time between two.
        false => before(Millis(last.0 - 1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::name::Name;
    use crate::base::schedule::Rule;
    use crate::base::when::{When, Zone};
    use proptest::prelude::*;

    const MINUTE: i64 = 60_000;

    fn schedule(when: &str, missed: Missed) -> Schedule {
        Schedule {
            name: "work".to_owned(),
            script: Name::new("work").unwrap(),
            when: When::parse(when).unwrap(),
            follows: None,
            zone: Zone::UTC,
            jitter: Duration::ZERO,
            missed,
            given: Vec::new(),
            rule: Rule::default(),
            retries: None,
            to: Vec::new(),
            enabled: true,
        }
    }

    fn since(settled: i64) -> Standing {
        Standing {
            anchor: Millis(0),
            settled: Millis(settled * MINUTE),
            busy: false,
            frozen: false,
        }
    }

    fn minute(n: i64) -> Millis {
        Millis(n * MINUTE)
    }

    #[test]
    fn runs_of_a_time_to_come_are_counted_up_to_a_number() {
        let every = schedule("every 10m", Missed::Once);
        let count = |after, until, most| {
            let span = (minute(after), minute(until));
            super::count(&every, since(0), span, most)
        };
        assert_eq!(count(0, 9, 100), 0);
        assert_eq!(count(0, 10, 100), 1);
        assert_eq!(count(10, 10, 100), 0, "what begins then is no more to come");
        assert_eq!(count(10, 60, 100), 5);
        assert_eq!(count(10, 60, 3), 3);
    }

    #[test]
    fn what_is_done_is_exactly_this_table() {
        let every = |missed| schedule("every 10m", missed);
        let busy = |settled| Standing {
            busy: true,
            ..since(settled)
        };
        let frozen = |settled| Standing {
            frozen: true,
            ..since(settled)
        };
        let wait = |n| Plan::Wait(Some(minute(n)));
        let week = 7 * 24 * 60;
        let table = [
            ("not yet", Missed::Once, since(0), 9, wait(10)),
            (
                "in time",
                Missed::Once,
                since(0),
                10,
                Plan::Fire(minute(10)),
            ),
            ("done", Missed::Once, since(10), 10, wait(20)),
            (
                "away for one",
                Missed::Once,
                since(10),
                25,
                Plan::Fire(minute(20)),
            ),
            (
                "away for three",
                Missed::Once,
                since(10),
                45,
                Plan::Fire(minute(40)),
            ),
            (
                "skipped",
                Missed::Skip,
                since(10),
                45,
                Plan::Skip(minute(40), Why::Missed),
            ),
            (
                "a little late",
                Missed::Skip,
                since(10),
                41,
                Plan::Fire(minute(40)),
            ),
            (
                "one by one",
                Missed::All,
                since(10),
                45,
                Plan::Fire(minute(20)),
            ),
            ("not at once", Missed::All, busy(10), 45, Plan::Hold),
            (
                "too old",
                Missed::All,
                since(10),
                week + 45,
                Plan::Skip(minute(40), Why::TooOld),
            ),
            (
                "busy",
                Missed::Once,
                busy(10),
                20,
                Plan::Skip(minute(20), Why::Busy),
            ),
            ("busy, not due", Missed::Once, busy(10), 19, wait(20)),
            (
                "frozen",
                Missed::All,
                frozen(10),
                45,
                Plan::Skip(minute(40), Why::Frozen),
            ),
            ("clock put back", Missed::Once, since(100), 50, wait(110)),
            (
                "clock was wrong",
                Missed::Once,
                since(10_000),
                50,
                Plan::Anew,
            ),
        ];
        for (what, missed, standing, now, done) in table {
            assert_eq!(plan(&every(missed), standing, minute(now)), done, "{what}");
        }
        let never = schedule("0 0 29 2 *", Missed::Once);
        let far = plan(&never, since(0), minute(1));
        assert!(matches!(far, Plan::Wait(Some(_))), "{far:?}");
    }

    #[test]
    fn what_becomes_of_a_try_is_exactly_this_table() {
        let frozen = Standing {
            frozen: true,
            ..since(10)
        };
        let week = 7 * 24 * 60;
        let (wait, drop) = (|n| Again::Wait(minute(n)), Again::Drop);
        // The run of minute 10 failed in minute 12, and is to be tried again in minute 15.
        let table = [
            ("not yet", Missed::Skip, since(10), 14, wait(15)),
            ("in time", Missed::Skip, since(10), 15, Again::Run),
            ("a little late", Missed::Skip, since(10), 16, Again::Run),
            ("late", Missed::Skip, since(10), 17, drop(Why::Missed)),
            ("late, once", Missed::Once, since(10), 19, Again::Run),
            (
                "late, and the next is due",
                Missed::Once,
                since(10),
                20,
                drop(Why::Next),
            ),
            ("late, all", Missed::All, since(10), 45, Again::Run),
            (
                "too old",
                Missed::All,
                since(10),
                week + 16,
                drop(Why::TooOld),
            ),
            ("frozen", Missed::Once, frozen, 11, drop(Why::Frozen)),
            (
                "clock put back a little",
                Missed::Once,
                since(10),
                1,
                wait(15),
            ),
            ("clock was wrong", Missed::Once, since(10), -60, Again::Run),
        ];
        for (what, missed, standing, now, becomes) in table {
            let next = Try {
                at: minute(15),
                failed: Some(minute(12)),
            };
            let schedule = schedule("every 10m", missed);
            assert_eq!(
                again(&schedule, standing, next, minute(now)),
                becomes,
                "{what}"
            );
        }
        // Only the run ended by a wrong clock; and one whose end is not known waits.
        let far = |failed| Try {
            at: minute(2_885),
            failed,
        };
        let every = schedule("every 10m", Missed::Once);
        let of = |failed| again(&every, since(10), far(failed), minute(15));
        assert_eq!(of(Some(minute(2_880))), Again::Run);
        assert_eq!(of(Some(minute(14))), wait(2_885));
        assert_eq!(of(None), wait(2_885));
    }

    #[test]
    fn jitter_moves_the_run_and_not_the_rhythm() {
        let mut every = schedule("every 10m", Missed::Once);
        every.jitter = Duration::from_secs(300);
        let begin = begins(&every, minute(10));
        assert!(begin > minute(10) && begin <= minute(15), "{begin:?}");
        let before = Millis(begin.0 - 1);
        assert_eq!(plan(&every, since(0), before), Plan::Wait(Some(begin)));
        assert_eq!(plan(&every, since(0), begin), Plan::Fire(minute(10)));
        // The next one is due, and has not begun.
        let at = Standing {
            settled: Millis(0),
            ..since(0)
        };
        assert_eq!(plan(&every, at, minute(20)), Plan::Fire(minute(10)));
    }

    proptest! {
        /// Whatever the clock does: no time is run twice, times only grow, and each step leads on.
        #[test]
        fn no_time_is_run_twice(
            when in prop::sample::select(vec!["every 7m", "*/5 * * * *", "06:30"]),
            missed in prop::sample::select(vec![Missed::Skip, Missed::Once, Missed::All]),
            moves in prop::collection::vec((-50i64..200, any::<bool>(), any::<bool>()), 1..60),
        ) {
            let schedule = schedule(when, missed);
            let mut at = since(1000);
            let mut now = 1000 * MINUTE;
            let mut last = Millis(0);
            for (minutes, busy, frozen) in moves {
                now += minutes * MINUTE;
                at.busy = busy;
                at.frozen = frozen;
                for _ in 0..10_000 {
                    match plan(&schedule, at, Millis(now)) {
                        Plan::Wait(next) => {
                            prop_assert!(next.is_some_and(|next| next.0 > now));
                            break;
                        }
                        Plan::Hold => break,
                        Plan::Fire(due) => {
                            prop_assert!(due > last && due > at.settled && due.0 <= now);
                            prop_assert!(!busy && !frozen);
                            last = due;
                            at.settled = due;
                        }
                        Plan::Skip(until, _) => {
                            prop_assert!(until > at.settled && until.0 <= now);
                            at.settled = until;
                        }
                        Plan::Anew => {
                            at.anchor = Millis(now);
                            at.settled = Millis(now);
                            last = Millis(0);
                        }
                    }
                }
            }
        }
    }
}
