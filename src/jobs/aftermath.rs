//! What else follows from the end of a job, decided by whoever made it, in the transaction of its ending.

use crate::base::job::Ending;
use crate::base::schedule::Telling;
use crate::base::time::Millis;
use crate::delivery::report::Tried;
use crate::store::jobs::Job;
use crate::store::{self, Tx};
use futures::future::BoxFuture;

/// The end of a job that is a run of a schedule.
#[derive(Clone, Copy, Debug)]
pub struct Over<'a> {
    /// The job.
    pub job: &'a Job,
    /// What is to be told of it.
    pub telling: &'a Telling,
    /// How it ended.
    pub ending: &'a Ending,
    /// When.
    pub at: Millis,
    /// Whether it printed anything, or left a file.
    pub printed: bool,
    /// The hash of what it printed; `None` when that is not known.
    pub hash: Option<&'a str>,
}

/// What is to be told of such an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing.
    Quiet,
    /// The end, with what came of trying.
    Told(Tried),
}

/// Decides what follows from the end of runs of schedules.
pub trait Aftermath: Send + Sync {
    /// Writes what follows, and says what is told.
    ///
    /// # Errors
    /// When the database refuses; the ending is not written then either, and comes again.
    fn over<'a>(&'a self, tx: &'a mut Tx, over: Over<'a>) -> BoxFuture<'a, store::Result<Verdict>>;

    /// To be called after the commit.
    fn committed(&self);
}
