//! What a message about incidents says, as data; the chat puts it into words.

use crate::access::Ending;
use crate::base::ids::{MessageId, Place};
use crate::base::schedule::Upcoming;
use crate::base::time::Millis;
use crate::base::when::Zone;
use crate::delivery::Buttons;
use crate::store;
use crate::store::broadcasts::Counts;
use crate::store::incidents::{Incident, Kind};
use crate::store::silences::Silence;
use futures::future::BoxFuture;
use std::time::Duration;

/// An incident, as a message shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// The incident.
    pub incident: Incident,
    /// Whether this is the message that tells it now: only then it has buttons.
    pub live: bool,
    /// How often it was told here.
    pub times: i64,
    /// The checks whose incidents follow from it and are hidden here.
    pub follow: Vec<String>,
    /// The script that may put it right, unless the only reader may not run it.
    pub fix: Option<String>,
}

/// A message about incidents.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown {
    /// Of what kind.
    pub kind: Kind,
    /// The incidents.
    pub lines: Vec<Line>,
    /// Whether a reader may do something about them. In a group somebody may, so there they are asked when they press.
    pub acts: bool,
    /// Now.
    pub now: Millis,
}

/// What a day was like, and what the next one brings.
#[derive(Clone, Debug, PartialEq)]
pub struct Day {
    /// The day, as its reader's calendar has it, such as `2026-11-21`.
    pub date: String,
    /// By which clock it is told.
    pub zone: Zone,
    /// When it is told.
    pub now: Millis,
    /// From.
    pub from: Millis,
    /// To.
    pub to: Millis,
    /// Jobs that ended, by their last state's name.
    pub jobs: Vec<(String, u64)>,
    /// Titles of jobs that failed, and how often.
    pub failed: Vec<(String, u64)>,
    /// The incidents that lasted within it.
    pub incidents: Vec<Incident>,
    /// The disks that are worth telling.
    pub disks: Vec<Disk>,
    /// What the next one brings.
    pub ahead: Ahead,
}

/// How a disk stands, and where it goes.
#[derive(Clone, Debug, PartialEq)]
pub struct Disk {
    /// Its machine, where there are several.
    pub host: Option<String>,
    /// Its name in the configuration, else where it is mounted.
    pub name: String,
    /// How full it is, 0–100.
    pub percent: f64,
    /// Bytes used now that were free a day ago, if that is known.
    pub more: Option<f64>,
    /// When it is full if it goes on as in the last seven days.
    pub full_in: Option<Duration>,
}

/// What the coming day brings.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ahead {
    /// What runs by itself, the next first; `None` while everything is frozen.
    pub runs: Option<Vec<Upcoming>>,
    /// Checks of pages whose certificate ends within 30 days, with the moment, the next first.
    pub certificates: Vec<(String, Millis)>,
    /// Silences that end, the next first.
    pub silences: Vec<Silence>,
    /// Roles and rights that end, the next first.
    pub lent: Vec<Ending>,
}

/// Puts what is told into words and buttons.
pub trait Voice: Send + Sync {
    /// A message about incidents: HTML and buttons.
    fn incidents(&self, shown: &Shown) -> (String, Buttons);

    /// That a fix could not be started by itself, and why.
    fn no_fix(&self, incident: &Incident, script: &str, why: &str) -> String;

    /// How far a broadcast has come.
    fn broadcast(&self, total: u64, counts: &Counts) -> String;

    /// A day.
    fn day(&self, day: &Day) -> String;
}

/// Where the job of a fix is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shows {
    /// Where.
    pub place: Place,
    /// The message that its card answers.
    pub answers: Option<MessageId>,
    /// Whether only a failure is shown, since the incident itself is not told there yet.
    pub quietly: bool,
}

/// Runs fixes by itself.
pub trait Fixer: Send + Sync {
    /// Submits the script as a job; its card goes to the place. The same source never makes a second job. `Err` says why
    /// there is no job, as a sentence.
    fn run<'a>(
        &'a self,
        script: &'a str,
        source: String,
        shown: Shows,
    ) -> BoxFuture<'a, Result<(), String>>;
}

/// Knows what runs by itself.
pub trait Agenda: Send + Sync {
    /// What runs from now on until then, the next first; `None` while everything is frozen.
    fn ahead(
        &self,
        now: Millis,
        until: Millis,
    ) -> BoxFuture<'_, store::Result<Option<Vec<Upcoming>>>>;
}
