//! The life of a job as a value: its states, and the rules a script may choose.

use super::ids::JobId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Where a job stands. `Queued` and `Running` are open; the others are final.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// Accepted and durable; no process yet.
    Queued,
    /// Claimed by a worker.
    Running,
    /// Ended with exit code 0.
    Succeeded,
    /// Ended in any other way of its own, or could not be started.
    Failed,
    /// Stopped by a person, or by the bot's own orderly stop.
    Cancelled,
    /// Stopped because its time was up.
    TimedOut,
    /// The bot died while it ran; what became of it is not known.
    Lost,
}

impl JobState {
    /// Every state, for tables and tests.
    pub const ALL: [JobState; 7] = [
        JobState::Queued,
        JobState::Running,
        JobState::Succeeded,
        JobState::Failed,
        JobState::Cancelled,
        JobState::TimedOut,
        JobState::Lost,
    ];

    /// The whole state machine: whether a job in this state may go to `next`.
    ///
    /// `Running` may return to `Queued` only by the crash rule [`AfterCrash::Retry`].
    #[must_use]
    pub fn may_become(self, next: JobState) -> bool {
        use JobState::{Cancelled, Failed, Lost, Queued, Running, Succeeded, TimedOut};
        match self {
            Queued => matches!(next, Running | Cancelled),
            Running => matches!(
                next,
                Succeeded | Failed | Cancelled | TimedOut | Lost | Queued
            ),
            Succeeded | Failed | Cancelled | TimedOut | Lost => false,
        }
    }

    /// Whether nothing more will happen to the job.
    #[must_use]
    pub fn is_final(self) -> bool {
        !matches!(self, JobState::Queued | JobState::Running)
    }

    /// The word kept in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            JobState::Queued => "queued",
            JobState::Running => "running",
            JobState::Succeeded => "succeeded",
            JobState::Failed => "failed",
            JobState::Cancelled => "cancelled",
            JobState::TimedOut => "timed_out",
            JobState::Lost => "lost",
        }
    }

    /// Reads the word of [`JobState::as_str`]; `None` for any other.
    #[must_use]
    pub fn parse(word: &str) -> Option<JobState> {
        JobState::ALL
            .into_iter()
            .find(|state| state.as_str() == word)
    }
}

/// How a job's output reaches the chat.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OutputMode {
    /// One message, edited while the job runs; long output follows as messages or a file.
    #[default]
    Card,
    /// Messages follow as the program prints.
    Stream,
    /// Always a file.
    File,
    /// Only a failure is told.
    Silent,
}

impl OutputMode {
    /// The word kept in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            OutputMode::Card => "card",
            OutputMode::Stream => "stream",
            OutputMode::File => "file",
            OutputMode::Silent => "silent",
        }
    }

    /// Reads the word of [`OutputMode::as_str`]; `None` for any other.
    #[must_use]
    pub fn parse(word: &str) -> Option<OutputMode> {
        Some(match word {
            "card" => OutputMode::Card,
            "stream" => OutputMode::Stream,
            "file" => OutputMode::File,
            "silent" => OutputMode::Silent,
            _ => return None,
        })
    }
}

/// What happens to a job that was running when the bot died.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AfterCrash {
    /// It is reported as lost, with a button to run it again.
    #[default]
    Report,
    /// It runs again by itself.
    Retry,
    /// It goes on where it was, however often; its kind keeps where that is. No rule of a script.
    #[serde(skip)]
    #[schemars(skip)]
    Resume,
}

impl AfterCrash {
    /// The word kept in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            AfterCrash::Report => "report",
            AfterCrash::Retry => "retry",
            AfterCrash::Resume => "resume",
        }
    }

    /// Reads the word of [`AfterCrash::as_str`]; `None` for any other.
    #[must_use]
    pub fn parse(word: &str) -> Option<AfterCrash> {
        Some(match word {
            "report" => AfterCrash::Report,
            "retry" => AfterCrash::Retry,
            "resume" => AfterCrash::Resume,
            _ => return None,
        })
    }
}

/// What happens to a start when the script already runs as often as it may.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnBusy {
    /// It waits for its turn.
    #[default]
    Queue,
    /// It is refused with the id of the running job.
    Refuse,
    /// Those that run or wait are stopped, and it follows. No rule of a script.
    #[serde(skip)]
    #[schemars(skip)]
    Replace,
}

/// How a job ended, as far as it is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// The program ended by itself with this code; 0 is success.
    Exited(i32),
    /// A signal that we did not send ended the program.
    Signaled(i32),
    /// It could not be started, or its result could not be kept; the words say why.
    Broken(String),
    /// Its time was up: how much it had.
    TimedOut(Duration),
    /// Somebody stopped it: who, as shown to people.
    Cancelled(String),
    /// The bot was stopped in an orderly way while it ran.
    Stopped,
    /// The bot died while it ran.
    Lost,
}

impl Ending {
    /// The final state that this ending leads to.
    #[must_use]
    pub fn state(&self) -> JobState {
        match self {
            Ending::Exited(0) => JobState::Succeeded,
            Ending::Exited(_) | Ending::Signaled(_) | Ending::Broken(_) => JobState::Failed,
            Ending::TimedOut(_) => JobState::TimedOut,
            Ending::Cancelled(_) | Ending::Stopped => JobState::Cancelled,
            Ending::Lost => JobState::Lost,
        }
    }
}

/// How often a job, or a try of a step, is started at the most, however often the bot dies under it.
pub const MAX_STARTS: u32 = 3;

/// What would be taken back after a start of the bot, since nobody confirmed it in time, is confirmed so long yet, once: a
/// press of the time when the bot was away is still on its way.
pub const LAST_WORDS: Duration = Duration::from_secs(60);

/// How the source of a job begins that takes another one back; its number follows, and that of the job that could not, if one
/// tried before.
pub const UNDO_SOURCE: &str = "undo:";

/// The source of a job that takes this one back, after that other one could not.
#[must_use]
pub fn undo_source(id: JobId, after: Option<JobId>) -> String {
    match after {
        None => format!("{UNDO_SOURCE}{id}"),
        Some(after) => format!("{UNDO_SOURCE}{id}:{after}"),
    }
}

/// The job that another one takes back, by the source of the other; `None` when it takes none back.
#[must_use]
pub fn undone(source: &str) -> Option<JobId> {
    let number = source.strip_prefix(UNDO_SOURCE)?.split(':').next()?;
    number.parse().ok().map(JobId)
}

/// How a job that succeeded may be taken back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undo {
    /// For how long after its end that is offered.
    pub within: Duration,
    /// Unless somebody confirms within this time that all is well, it is taken back by itself.
    pub confirm: Option<Duration>,
}

#[cfg(test)]
mod tests {
    use super::JobState::{self, *};
    use super::{JobId, undo_source, undone};

    #[test]
    fn the_state_machine_is_exactly_this_table() {
        let legal = [
            (Queued, Running),
            (Queued, Cancelled),
            (Running, Succeeded),
            (Running, Failed),
            (Running, Cancelled),
            (Running, TimedOut),
            (Running, Lost),
            (Running, Queued),
        ];
        for from in JobState::ALL {
            for to in JobState::ALL {
                assert_eq!(
                    from.may_become(to),
                    legal.contains(&(from, to)),
                    "{from:?} -> {to:?}"
                );
            }
        }
    }

    #[test]
    fn a_final_state_never_changes() {
        for from in JobState::ALL.into_iter().filter(|s| s.is_final()) {
            assert!(JobState::ALL.into_iter().all(|to| !from.may_become(to)));
        }
    }

    #[test]
    fn what_is_taken_back_is_read_from_the_source() {
        for after in [None, Some(JobId(13))] {
            assert_eq!(undone(&undo_source(JobId(12), after)), Some(JobId(12)));
        }
        assert_eq!(undone("update:12"), None);
        assert_eq!(undone("undo:"), None);
    }

    #[test]
    fn words_read_back() {
        for state in JobState::ALL {
            assert_eq!(JobState::parse(state.as_str()), Some(state));
        }
        assert_eq!(JobState::parse("done"), None);
    }
}
