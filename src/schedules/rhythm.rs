//! When a workflow begins anew that runs whenever its last run has ended: a function of its runs and of where its schedule
//! stands.
//!
//! The gap is from the end of the newest run, whoever started it, to the next start. Runs that fail at once make it longer each
//! time, and so do good ones that do next to nothing, once there were several. Whoever stops a run means it: then nothing begins
//! before somebody says so.

use crate::base::ids::JobId;
use crate::base::schedule::AT_ONCE;
use crate::base::time::Millis;
use crate::store::workflows::Past;
use std::time::Duration;

/// The pause after one that did, twice as long after each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
/// The longest such pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// The least time from one start to the next, however short a good run is.
const LEAST: Duration = Duration::from_secs(2);
/// A run that takes less does next to nothing.
const BRIEF: Duration = Duration::from_secs(5);
/// So many such runs may follow each other without a longer pause.
const BRIEF_RUNS: u32 = 3;
/// Put back by more than this, the clock was wrong before.
const BACK: Duration = Duration::from_secs(300);
/// So many runs are looked back on: more failures make the pause no longer.
pub const RUNS: u32 = 8;

/// Where such a schedule stands.
#[derive(Clone, Copy, Debug)]
pub struct Standing<'a> {
    /// Nothing begins before this moment: that of its last start, or from which it counts.
    pub settled: Millis,
    /// When its last start was due.
    pub last_due: Option<Millis>,
    /// The newest run that waits or runs.
    pub open: Option<JobId>,
    /// The runs that are over, newest first, up to [`RUNS`].
    pub past: &'a [Past],
    /// Everything is frozen.
    pub frozen: bool,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Then {
    /// Nothing before this run is over.
    Hold(JobId),
    /// Nothing as long as everything is frozen.
    Rest,
    /// Nothing before this moment.
    Wait(Millis),
    /// Run what is due since this moment.
    Fire(Millis),
    /// Pause: this run was stopped, by somebody.
    Pause(JobId, String),
    /// Count anew from now: the clock was wrong.
    Anew,
}

/// What is to be done now.
#[must_use]
pub fn then(at: Standing<'_>, now: Millis) -> Then {
    if at.settled > now.plus(BACK) {
        return Then::Anew;
    }
    if let Some(open) = at.open {
        return Then::Hold(open);
    }
    // No two starts are due at the same moment: by that they are told apart.
    let first = match at.last_due == Some(at.settled) {
        true => Millis(at.settled.0 + 1),
        false => at.settled,
    };
    let last = at.past.first().filter(|last| last.at >= at.settled);
    if let Some(last) = last
        && let Some(by) = &last.by
    {
        return Then::Pause(last.id, by.clone());
    }
    if at.frozen {
        return Then::Rest;
    }
    let ready = match last {
        None => first,
        Some(last) if last.at > now.plus(BACK) => now,
        Some(last) => match failing(at.past).max(brief(at.past)) {
            0 => last.at.max(last.began.plus(LEAST)),
            times => last.at.plus(pause(times)),
        },
    };
    let due = ready.max(first);
    match due <= now {
        true => Then::Fire(due),
        false => Then::Wait(due),
    }
}

/// How many of the newest runs failed at once, one after the other.
#[must_use]
pub fn failing(past: &[Past]) -> u32 {
    let failed = |run: &&Past| !run.good && run.by.is_none() && run.at.since(run.began) < AT_ONCE;
    u32::try_from(past.iter().take_while(failed).count()).unwrap_or(RUNS)
}

/// How many more of the newest runs than may be were over in next to no time, one after the other: a workflow that has
/// nothing to do must not fill the chat.
fn brief(past: &[Past]) -> u32 {
    let brief = |run: &&Past| run.by.is_none() && run.at.since(run.began) < BRIEF;
    let runs = u32::try_from(past.iter().take_while(brief).count()).unwrap_or(RUNS);
    runs.saturating_sub(BRIEF_RUNS)
}

/// How long to wait after so many runs in a row that failed at once, or that were too many and brief.
#[must_use]
pub fn pause(times: u32) -> Duration {
    let doubled = 1u32 << times.saturating_sub(1).min(16);
    (FIRST_PAUSE * doubled).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MINUTE: i64 = 60;

    fn second(n: i64) -> Millis {
        Millis(n * 1000)
    }

    /// A run from this second to that one.
    fn run(id: i64, began: i64, at: i64, good: bool, by: Option<&str>) -> Past {
        Past {
            id: JobId(id),
            began: second(began),
            at: second(at),
            good,
            by: by.map(str::to_owned),
            by_itself: true,
        }
    }

    fn since(settled: i64, past: &[Past]) -> Standing<'_> {
        Standing {
            settled: second(settled),
            last_due: None,
            open: None,
            past,
            frozen: false,
        }
    }

    #[test]
    fn what_is_done_is_exactly_this_table() {
        let hours = 5 * 60 * MINUTE;
        let good = [run(1, 100, 100 + hours, true, None)];
        let short = [run(1, 100, 101, true, None)];
        let failed = [run(1, 100, 101, false, None)];
        let thrice = [
            run(3, 120, 121, false, None),
            run(2, 106, 107, false, None),
            run(1, 100, 101, false, None),
        ];
        let lasted = [run(2, 120, 181, false, None), failed[0].clone()];
        let brief = |runs: i64| -> Vec<Past> {
            let newest_first = (0..runs).rev();
            newest_first
                .map(|n| run(n + 1, 100 + 2 * n, 101 + 2 * n, true, None))
                .collect()
        };
        let (three, five) = (brief(3), brief(5));
        let longer = [vec![run(6, 110, 116, true, None)], five.clone()].concat();
        let stopped = [run(7, 100, 150, false, Some("ann"))];
        let future = [run(1, 9000, 9001, false, None)];
        let open = |at: Standing<'static>| Standing {
            open: Some(JobId(12)),
            ..at
        };
        let frozen = |at| Standing { frozen: true, ..at };
        let fire = |n| Then::Fire(second(n));
        let wait = |n| Then::Wait(second(n));
        let table = [
            ("never run", since(50, &[]), 50, fire(50)),
            ("run now", open(since(50, &[])), 900, Then::Hold(JobId(12))),
            (
                "run now, frozen",
                frozen(open(since(50, &[]))),
                900,
                Then::Hold(JobId(12)),
            ),
            ("over", since(100, &good), 100 + hours, fire(100 + hours)),
            (
                "over while the bot was away",
                since(100, &good),
                900 + hours,
                fire(100 + hours),
            ),
            (
                "over, frozen",
                frozen(since(100, &good)),
                100 + hours,
                Then::Rest,
            ),
            ("over in no time", since(100, &short), 101, wait(102)),
            ("failed at once", since(100, &failed), 101, wait(106)),
            ("waited after that", since(100, &failed), 106, fire(106)),
            ("thrice", since(120, &thrice), 122, wait(141)),
            ("thrice next to nothing", since(104, &three), 105, wait(106)),
            (
                "five times next to nothing",
                since(108, &five),
                109,
                wait(119),
            ),
            ("then something", since(110, &longer), 116, fire(116)),
            ("failed later", since(120, &lasted), 181, fire(181)),
            (
                "stopped",
                since(100, &stopped),
                150,
                Then::Pause(JobId(7), "ann".to_owned()),
            ),
            (
                "stopped, and let go on",
                since(160, &stopped),
                160,
                fire(160),
            ),
            ("failed, and let go on", since(160, &thrice), 160, fire(160)),
            ("did not start", since(180, &good[..0]), 120, wait(180)),
            ("clock was wrong", since(9000, &[]), 60, Then::Anew),
            ("an end to come", since(100, &future), 120, fire(120)),
        ];
        for (what, at, now, done) in table {
            assert_eq!(then(at, second(now)), done, "{what}");
        }
        let again = Standing {
            last_due: Some(second(50)),
            ..since(50, &[])
        };
        assert_eq!(then(again, second(60)), Then::Fire(Millis(50_001)));
    }

    #[test]
    fn the_pause_grows_up_to_five_minutes() {
        let pauses: Vec<u64> = (1..=9).map(|times| pause(times).as_secs()).collect();
        assert_eq!(pauses, [5, 10, 20, 40, 80, 160, 300, 300, 300]);
        assert_eq!(pause(RUNS), LONGEST_PAUSE);
        assert_eq!(pause(u32::MAX), LONGEST_PAUSE);
    }

    proptest! {
        /// Whatever runs do: one at a time, no start is due twice, none comes before its pause, and a run that was good or lasted
        /// is followed within five seconds, unless several before it were as brief.
        #[test]
        fn each_run_is_followed_by_one(runs in prop::collection::vec((0i64..200, any::<bool>(), 0i64..9), 1..40)) {
            let mut past: Vec<Past> = Vec::new();
            let mut at = since(0, &[]);
            let mut now = 0;
            for (number, (lasts, good, late)) in (1..).zip(runs) {
                at.past = &past;
                now += late;
                let due = loop {
                    match then(at, second(now)) {
                        Then::Fire(due) => break due,
                        Then::Wait(due) => {
                            prop_assert!(due > second(now));
                            now = (due.0 + 999) / 1000;
                        }
                        other => prop_assert!(false, "{other:?}"),
                    }
                };
                prop_assert!(at.last_due.is_none_or(|last| due > last));
                if let Some(last) = past.first() {
                    let gap = due.since(last.at);
                    match failing(&past).max(brief(&past)) {
                        0 => prop_assert!(gap < Duration::from_secs(5), "{gap:?}"),
                        times => prop_assert!(gap >= pause(times)),
                    }
                }
                let over = run(number, now, now + lasts, good, None);
                past.insert(0, over);
                past.truncate(RUNS as usize);
                at = Standing { settled: due, last_due: Some(due), ..since(0, &[]) };
                let held = Standing { open: Some(JobId(number)), ..at };
                prop_assert_eq!(then(held, second(now + lasts)), Then::Hold(JobId(number)));
                now += lasts;
            }
        }
    }
}
