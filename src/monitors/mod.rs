//! Watching: what is measured, what is checked, and the incidents that come of it.

pub mod board;
pub mod chart;
pub mod charts;
pub mod incidents;
pub mod levels;
pub mod probe;
pub mod pushes;
pub mod rehearsal;
pub mod sampler;
pub mod state;
pub mod trend;
pub mod watch;

use crate::base::alert::Change;
use crate::store::{self, Tx};
use futures::future::BoxFuture;

/// Takes the changes of checks down, in the transaction that keeps the states of the checks: both hold, or neither. So an
/// incident is promised to the chat exactly when its check says so, whatever is killed when.
pub trait Ledger: Send + Sync {
    /// Writes the changes, in their order, and what is promised because of them.
    ///
    /// # Errors
    /// When the database refuses; the caller gives the transaction up and comes again.
    fn record<'a>(
        &'a self,
        tx: &'a mut Tx,
        changes: &'a [Change],
    ) -> BoxFuture<'a, store::Result<()>>;

    /// To be called after the commit: what was promised begins to leave.
    fn committed(&self);
}
