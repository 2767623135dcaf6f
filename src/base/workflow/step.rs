//! A step of a run as it stands: its states, and what may follow which.

use super::super::ids::UserId;
use super::super::job::Ending;
use super::super::time::Millis;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// Where a step stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepState {
    /// Its turn has not come, or a pause before its next try lasts.
    Waiting,
    /// It is being done.
    Running,
    /// A service that goes on.
    Up,
    /// Somebody has to say whether it may go on: an approval, or what becomes of it after a crash.
    Asked,
    /// It succeeded, and somebody has to say that it holds.
    Confirming,
    /// What it did is being taken back, because nobody said that it holds.
    Reverting,
    /// The bot died while that was done, and somebody has to say whether it begins again.
    Stranded,
    /// It succeeded.
    Done,
    /// It failed, which its definition allows.
    Ignored,
    /// It failed.
    Failed,
    /// It need not run: its condition says so, or a person.
    Skipped,
    /// It never ran, because of what came before.
    Blocked,
    /// It was stopped with the run.
    Stopped,
}

impl StepState {
    /// Every state, for tables and tests.
    pub const ALL: [(&'static str, StepState); 13] = [
        ("waiting", StepState::Waiting),
        ("running", StepState::Running),
        ("up", StepState::Up),
        ("asked", StepState::Asked),
        ("confirming", StepState::Confirming),
        ("reverting", StepState::Reverting),
        ("stranded", StepState::Stranded),
        ("done", StepState::Done),
        ("ignored", StepState::Ignored),
        ("failed", StepState::Failed),
        ("skipped", StepState::Skipped),
        ("blocked", StepState::Blocked),
        ("stopped", StepState::Stopped),
    ];

    /// The word kept in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        let found = StepState::ALL.iter().find(|(_, state)| *state == self);
        found.map_or("", |(word, _)| word)
    }

    /// Reads the word of [`StepState::as_str`]; `None` for any other.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        let found = StepState::ALL.iter().find(|(known, _)| *known == word);
        found.map(|(_, state)| *state)
    }

    /// Whether nothing more happens to the step in this run.
    #[must_use]
    pub fn is_over(self) -> bool {
        match self {
            StepState::Waiting
            | StepState::Running
            | StepState::Up
            | StepState::Asked
            | StepState::Confirming
            | StepState::Reverting
            | StepState::Stranded => false,
            StepState::Done
            | StepState::Ignored
            | StepState::Failed
            | StepState::Skipped
            | StepState::Blocked
            | StepState::Stopped => true,
        }
    }

    /// Whether a step that needs this one may begin.
    #[must_use]
    pub fn lets_on(self) -> bool {
        match self {
            StepState::Up | StepState::Done | StepState::Ignored | StepState::Skipped => true,
            StepState::Waiting
            | StepState::Running
            | StepState::Asked
            | StepState::Confirming
            | StepState::Reverting
            | StepState::Stranded
            | StepState::Failed
            | StepState::Blocked
            | StepState::Stopped => false,
        }
    }

    /// Whether it waits for what a person says.
    #[must_use]
    pub fn is_asked(self) -> bool {
        match self {
            StepState::Asked | StepState::Confirming | StepState::Stranded => true,
            StepState::Waiting
            | StepState::Running
            | StepState::Up
            | StepState::Reverting
            | StepState::Done
            | StepState::Ignored
            | StepState::Failed
            | StepState::Skipped
            | StepState::Blocked
            | StepState::Stopped => false,
        }
    }
}

/// What a person said about a step that waits for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// What was said.
    pub said: Said,
    /// By whom, as shown to people.
    pub by: String,
    /// Their number at Telegram.
    pub by_id: i64,
    /// When.
    pub at: Millis,
    /// Why, if they said so.
    pub reason: Option<String>,
}

/// The answers that there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Said {
    /// Approved; after a crash: run it again; it holds.
    Yes,
    /// Refused; after a crash: it counts as failed; take it back.
    No,
    /// After a crash: go on without it.
    Skip,
}

impl Said {
    /// Every answer with its word.
    pub const ALL: [(&'static str, Said); 3] =
        [("yes", Said::Yes), ("no", Said::No), ("skip", Said::Skip)];

    /// The word kept in buttons.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Said::Yes => "yes",
            Said::No => "no",
            Said::Skip => "skip",
        }
    }

    /// Reads the word of [`Said::as_str`]; `None` for any other.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        let found = Said::ALL.iter().find(|(known, _)| *known == word);
        found.map(|(_, said)| *said)
    }
}

/// A step of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct StepRow {
    /// Where it stands.
    pub state: StepState,
    /// Which try it is, from 1; 0 before the first.
    pub attempt: u32,
    /// How often this try was begun and came to no end of its own; one that the bot stopped in good order is left out. Counted
    /// anew for taking back what it did, and when somebody said that it runs again.
    pub starts: u32,
    /// Whether it may still be at work on a machine that cannot be seen.
    pub adrift: bool,
    /// When its first try began.
    pub started_at: Option<Millis>,
    /// When it was over.
    pub ended_at: Option<Millis>,
    /// What it waits for: the end of a hold or a pause, or the last moment of an answer.
    pub until: Option<Millis>,
    /// How its last try ended.
    pub ending: Option<Ending>,
    /// What it found.
    pub found: BTreeMap<String, String>,
    /// What a person said.
    pub answer: Option<Answer>,
    /// The lock that it has, or waits for.
    pub lock: Option<Lock>,
    /// Who was asked about it in their private chats, where nobody in the run's own chat may answer.
    pub asked: Vec<UserId>,
    /// Whether it was to be taken back and that failed: what it did may still be there.
    pub left_over: bool,
}

/// How the lock is called, before a lane, of a step that waits for its turn: a run and what takes another run of its workflow
/// back are not at work at once. Nobody ever has it.
pub const TURN: &str = "turn:";

/// A named lock, as a step has to do with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lock {
    /// Its name.
    pub name: String,
    /// Who has it instead, as people are told; `None` when the step has it.
    pub by: Option<String>,
}

impl StepRow {
    /// A step whose turn has not come.
    #[must_use]
    pub fn new() -> Self {
        Self {
            state: StepState::Waiting,
            attempt: 0,
            starts: 0,
            adrift: false,
            started_at: None,
            ended_at: None,
            until: None,
            ending: None,
            found: BTreeMap::new(),
            answer: None,
            lock: None,
            asked: Vec::new(),
            left_over: false,
        }
    }

    /// Whether it has its lock.
    #[must_use]
    pub fn is_holder(&self) -> bool {
        self.lock.as_ref().is_some_and(|lock| lock.by.is_none())
    }

    /// Whether it waits for its lock, or for its turn.
    #[must_use]
    pub fn wants_lock(&self) -> bool {
        self.lock.as_ref().is_some_and(|lock| lock.by.is_some())
    }

    /// How long it took, or has taken so far.
    #[must_use]
    pub fn took(&self, now: Millis) -> Option<Duration> {
        let end = self.ended_at.unwrap_or(now);
        self.started_at.map(|started| end.since(started))
    }
}

impl Default for StepRow {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_read_back_and_nothing_follows_an_end() {
        for (word, state) in StepState::ALL {
            assert_eq!(StepState::parse(word), Some(state));
            assert_eq!(state.as_str(), word);
            // What lets others on is over, a service aside.
            assert!(!state.lets_on() || state.is_over() || state == StepState::Up);
        }
        for (word, said) in Said::ALL {
            assert_eq!((Said::parse(word), said.as_str()), (Some(said), word));
        }
        assert_eq!(StepState::parse("lost"), None);
        assert_eq!(Said::parse(""), None);
    }
}
