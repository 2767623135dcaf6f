//! What a message about incidents says, as data; the chat puts it into words.

use crate::base::ids::Place;
use crate::base::time::Millis;
use crate::delivery::Buttons;
use crate::store::broadcasts::Counts;
use crate::store::incidents::{Incident, Kind};
use futures::future::BoxFuture;

/// An incident, as a message shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// The incident.
    pub incident: Incident,
    /// Whether this is the message that tells it now: only then it has buttons.
    pub live: bool,
    /// How often it was told here.
    pub times: i64,
    /// How many others follow from it and are hidden.
    pub follow: usize,
    /// The script that may put it right.
    pub fix: Option<String>,
}

/// A message about incidents.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown {
    /// Of what kind.
    pub kind: Kind,
    /// The incidents.
    pub lines: Vec<Line>,
    /// Now.
    pub now: Millis,
}

/// What a day was like.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Day {
    /// The day, as its reader's calendar has it, such as `2026-11-21`.
    pub date: String,
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

/// Runs fixes by itself.
pub trait Fixer: Send + Sync {
    /// Submits the script as a job; its card goes to the place. The same source never makes a second job. `Err` says why
    /// there is no job, as a sentence.
    fn run<'a>(
        &'a self,
        script: &'a str,
        source: String,
        place: Place,
        answers: Option<crate::base::ids::MessageId>,
    ) -> BoxFuture<'a, Result<(), String>>;
}
