//! How it goes with places outside, as told by whoever deals with them, for the checks that tell people.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Who deals with a place outside.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dealer {
    /// The schedule of this name, which follows GitHub.
    Schedule(String),
    /// The dead-man switch.
    Heartbeat,
}

/// What came of the last try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Came {
    /// It went well.
    Well,
    /// It failed, for this reason, and is tried again.
    Failed(String),
    /// Nothing is tried, for this reason, until somebody puts it right.
    Barred(String),
}

/// What came of the last try of each. Clones are handles on the same one.
#[derive(Clone, Debug, Default)]
pub struct Troubles(Arc<Mutex<BTreeMap<Dealer, Came>>>);

impl Troubles {
    /// Takes down what came of a try.
    pub fn note(&self, dealer: Dealer, came: Came) {
        self.all().insert(dealer, came);
    }

    /// Takes down that nothing is tried for now: what came of the last try says nothing of today.
    pub fn forget(&self, dealer: &Dealer) {
        self.all().remove(dealer);
    }

    /// What came of the last try; `None` when there was none since the start, or since it rests.
    #[must_use]
    pub fn of(&self, dealer: &Dealer) -> Option<Came> {
        self.all().get(dealer).cloned()
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<Dealer, Came>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
