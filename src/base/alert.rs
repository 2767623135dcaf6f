//! What a check says, as values: how bad something is, and the changes that are told.

use super::time::Millis;
use serde::{Deserialize, Serialize};
use std::fmt;

/// How bad something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// To be looked at.
    Warning,
    /// To be looked at now; passes quiet hours.
    Critical,
}

impl Severity {
    /// As stored and typed.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Warning => "warning",
            Severity::Critical => "critical",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The unit of a measured value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// A plain number, such as a load or a count.
    Number,
    /// 0–100.
    Percent,
    /// Bytes.
    Bytes,
    /// Bytes in a second.
    BytesPerSecond,
    /// Seconds.
    Seconds,
    /// Degrees Celsius.
    Celsius,
}

/// What a check found when it looked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// The measured value, where there is one.
    pub value: Option<f64>,
    /// Its unit.
    pub unit: Unit,
    /// A short sentence or figure in place of the value or beside it, such as `3 failed units: nginx.service, …`; plain
    /// text, secrets masked.
    pub note: Option<String>,
    /// Whether it was never reached, so that the fault may be on this side: the network, or its name servers.
    #[serde(default)]
    pub unreached: bool,
}

/// What is told of a check: changes, and now and then what is read while it fires; never every look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Turn {
    /// An incident begins, this bad.
    Raised(Severity),
    /// The same incident became this bad: worse or better than before, and not over.
    Became(Severity),
    /// The same incident, as bad as before: this was read since.
    Reads,
    /// It is over.
    Cleared,
}

/// One change of one check. Raised and cleared alternate for each check, whatever is restarted when.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// The check, by its name in the configuration; unique.
    pub check: String,
    /// The machine that it is about.
    pub host: String,
    /// What subscribers choose by, such as `disk` or `web`.
    pub topic: String,
    /// What changed.
    pub turn: Turn,
    /// Why: what was read, or, when the check could not be read, that it could not.
    pub reading: Result<Reading, String>,
    /// The threshold that decided, in the reading's unit, if there is one.
    pub limit: Option<f64>,
    /// The worst value since it began to be bad, as far as values decided.
    pub worst: Option<f64>,
    /// When it was seen.
    pub at: Millis,
    /// When what is wrong began: the first bad look, before the time that it has to last.
    pub since: Millis,
    /// Whether the check changes so often that single changes are no news.
    pub flapping: bool,
}
