//! How it goes with places outside, as told by whoever deals with them, for the checks that tell people.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Who deals with a place outside.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dealer {
    /// The schedule of this name, which follows GitHub.
    Schedule(String),
    /// The dead-man switch.
    Heartbeat,
}

/// What came of the last try of each. Clones are handles on the same one.
#[derive(Clone, Debug, Default)]
pub struct Troubles(Arc<Mutex<BTreeMap<Dealer, Option<String>>>>);

impl Troubles {
    /// Takes down what came of a try: why it failed, if it did.
    pub fn note(&self, dealer: Dealer, why: Option<String>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(dealer, why);
    }

    /// Why the last try failed, if it did; `None` when there was none since the start.
    #[must_use]
    pub fn of(&self, dealer: &Dealer) -> Option<Option<String>> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(dealer).cloned()
    }
}
