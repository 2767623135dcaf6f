//! What a schedule promises, as values: what is told of its runs, what becomes of missed ones, and how a failed one is
//! tried again.

use super::ids::Place;
use super::job::Ending;
use super::role::Role;
use super::time::Millis;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::time::Duration;

/// Which runs of a schedule are told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// Each, with a card while it runs; of a script with `output: stream`, messages as it prints.
    Always,
    /// Those that print something or fail.
    #[default]
    OnOutput,
    /// Those that fail.
    OnFailure,
    /// Those that fail or print something else than the last good one.
    OnChange,
}

impl Rule {
    /// Every rule with its word in the configuration.
    pub const ALL: [(&'static str, Rule); 4] = [
        ("always", Rule::Always),
        ("on_output", Rule::OnOutput),
        ("on_failure", Rule::OnFailure),
        ("on_change", Rule::OnChange),
    ];

    /// Whether a run is told that ended so, printed something or not, and something else than the last good one or not.
    #[must_use]
    pub fn tells(self, ending: &Ending, printed: bool, changed: bool) -> bool {
        let good = *ending == Ending::Exited(0);
        match self {
            Rule::Always => true,
            Rule::OnOutput => printed || !good,
            Rule::OnFailure => !good,
            Rule::OnChange => changed || !good,
        }
    }
}

/// What a schedule does within a time to come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upcoming {
    /// The schedule.
    pub schedule: String,
    /// When it runs next.
    pub next: Millis,
    /// How often it runs within that time: 1 to [`Upcoming::MOST`], where counting ends.
    pub times: usize,
    /// The role that its script needs.
    pub need: Role,
}

impl Upcoming {
    /// Runs are counted up to this many.
    pub const MOST: usize = 100;
}

/// What becomes of runs whose time passed while nothing could run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Missed {
    /// Nothing.
    Skip,
    /// One run for all of them.
    #[default]
    Once,
    /// Each is made up for, one after the other.
    All,
}

/// How a failed run is tried again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Retries {
    /// How often it is tried at the most, the first time included.
    pub attempts: u32,
    /// The pause before the second try.
    pub backoff: Duration,
    /// Each further pause is so many times as long.
    pub factor: f64,
    /// The longest pause.
    pub max: Duration,
    /// Up to so much more, so that not everything comes back at once.
    pub jitter: Duration,
    /// Exit codes that another try would not change.
    pub not_on: Vec<i32>,
}

impl Retries {
    /// The most tries after the first.
    pub const MOST: u32 = 19;

    /// So many tries after the first, with everything else as it is when nothing is said of it.
    #[must_use]
    pub fn again(times: u32) -> Self {
        Self {
            attempts: times.saturating_add(1),
            backoff: Duration::from_secs(10),
            factor: 2.0,
            max: Duration::from_secs(3600),
            jitter: Duration::ZERO,
            not_on: Vec::new(),
        }
    }

    /// How long to wait before the next try, after the try of this number (from 1) ended so; `None` when there is none.
    /// `seed` decides the jitter.
    #[must_use]
    pub fn pause(&self, attempt: u32, ending: &Ending, seed: &str) -> Option<Duration> {
        let hopeful = match ending {
            Ending::Exited(0) => false,
            Ending::Exited(code) => !self.not_on.contains(code),
            Ending::Signaled(_) | Ending::Broken(_) | Ending::TimedOut(_) => true,
            // Somebody's will, or a run whose deeds are not known.
            Ending::Cancelled(_) | Ending::Stopped | Ending::Lost => false,
        };
        if !hopeful || attempt >= self.attempts {
            return None;
        }
        let doubled = i32::try_from(attempt.saturating_sub(1)).unwrap_or(i32::MAX);
        let long = self.backoff.as_secs_f64() * self.factor.powi(doubled);
        let pause = Duration::try_from_secs_f64(long).unwrap_or(self.max);
        Some(pause.min(self.max) + spread(seed, self.jitter))
    }
}

/// A run of what begins anew when it ends failed at once, if it failed within this time.
pub const AT_ONCE: Duration = Duration::from_secs(60);

/// A run of a schedule, as its job carries it: what is told of it, and where.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Telling {
    /// The schedule.
    pub schedule: String,
    /// When the run was due.
    pub due: Millis,
    /// The same on the schedule's clock, for people.
    pub time: String,
    /// Which runs are told.
    pub rule: Rule,
    /// Where beside the job's own place.
    pub also: Vec<Place>,
    /// Which try it is, from 1.
    pub attempt: u32,
    /// How it is tried again.
    pub retries: Option<Retries>,
    /// Of a workflow whose next run begins when this one ends: how many runs before it failed at once.
    #[serde(default)]
    pub anew: Option<u32>,
    /// Of one that follows a run at another place: that run, as HTML.
    #[serde(default)]
    pub follows: Option<String>,
}

impl Telling {
    /// Whether the run, which began then, may yet be one more that fails at once, which is not told.
    #[must_use]
    pub fn is_doubtful(&self, began: Millis, now: Millis) -> bool {
        self.anew.is_some_and(|failed| failed > 0) && now.since(began) < AT_ONCE
    }

    /// Whether its card is shown while it runs.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.rule == Rule::Always
    }

    /// How often it is tried at the most.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.retries.as_ref().map_or(1, |retries| retries.attempts)
    }
}

/// A part of `most` that is always the same for the same seed, and evenly spread over seeds; whole milliseconds.
#[must_use]
pub fn spread(seed: &str, most: Duration) -> Duration {
    let digest = Sha256::digest(seed.as_bytes());
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    let most = u64::try_from(most.as_millis()).unwrap_or(u64::MAX - 1);
    Duration::from_millis(u64::from_be_bytes(first) % (most + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_exactly_this_table() {
        let (good, bad) = (Ending::Exited(0), Ending::Exited(3));
        // Rule; told when quiet, printed the same, printed something else, failed in silence.
        let table = [
            (Rule::Always, [true, true, true, true]),
            (Rule::OnOutput, [false, true, true, true]),
            (Rule::OnFailure, [false, false, false, true]),
            (Rule::OnChange, [false, false, true, true]),
        ];
        for (rule, told) in table {
            let found = [
                rule.tells(&good, false, false),
                rule.tells(&good, true, false),
                rule.tells(&good, true, true),
                rule.tells(&bad, false, false),
            ];
            assert_eq!(found, told, "{rule:?}");
        }
        for ending in [
            Ending::Lost,
            Ending::Stopped,
            Ending::TimedOut(Duration::ZERO),
        ] {
            assert!(Rule::OnFailure.tells(&ending, false, false), "{ending:?}");
        }
    }

    #[test]
    fn pauses_grow_to_their_longest_and_end() {
        let retries = Retries {
            attempts: 5,
            backoff: Duration::from_secs(10),
            factor: 3.0,
            max: Duration::from_secs(60),
            jitter: Duration::ZERO,
            not_on: vec![2],
        };
        let pause = |attempt, ending: &Ending| retries.pause(attempt, ending, "x");
        let failed = Ending::Exited(1);
        let all: Vec<_> = (1..=5).map(|n| pause(n, &failed)).collect();
        let seconds = |n| Some(Duration::from_secs(n));
        assert_eq!(
            all,
            [seconds(10), seconds(30), seconds(60), seconds(60), None]
        );
        for never in [
            Ending::Exited(0),
            Ending::Exited(2),
            Ending::Cancelled("ann".into()),
            Ending::Stopped,
            Ending::Lost,
        ] {
            assert_eq!(pause(1, &never), None, "{never:?}");
        }
        assert_eq!(pause(1, &Ending::Signaled(9)), seconds(10));
    }

    #[test]
    fn jitter_is_the_same_each_time_and_differs_between_runs() {
        let most = Duration::from_secs(60);
        let all: Vec<_> = (0..200).map(|n| spread(&format!("a:{n}"), most)).collect();
        assert!(all.iter().all(|one| *one <= most));
        assert!(all.iter().any(|one| *one < most / 4) && all.iter().any(|one| *one > most / 4 * 3));
        assert_eq!(spread("a:1", most), all[1]);
        assert_eq!(spread("a:1", Duration::ZERO), Duration::ZERO);
    }
}
