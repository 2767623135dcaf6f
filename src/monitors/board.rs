//! How all checks of this machine stand now, from memory.

use super::state::{Rule, Standing, State};
use crate::base::alert::Reading;
use crate::base::name::Name;
use crate::base::time::Millis;
use std::sync::{Arc, Mutex, PoisonError};

/// How a check stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown {
    /// The check.
    pub check: Name,
    /// What subscribers choose by.
    pub topic: Name,
    /// Where it stands.
    pub state: State,
    /// What decides of it.
    pub rule: Rule,
    /// What was read last, or why it could not be read; `None` before the first look.
    pub reading: Option<Result<Reading, String>>,
    /// Whether its lock was held when it was due last, so that nobody looked.
    pub locked: bool,
}

impl Shown {
    /// How it stands at this moment.
    #[must_use]
    pub fn standing(&self, now: Millis) -> Standing {
        self.state.standing(&self.rule, now)
    }
}

/// What all checks of this machine found last. Cheap to clone; all clones see the same.
#[derive(Clone, Default)]
pub struct Board(Arc<Mutex<Vec<Shown>>>);

impl Board {
    /// All checks, by name; empty where another instance looks.
    #[must_use]
    pub fn all(&self) -> Vec<Shown> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(super) fn replace(&self, all: Vec<Shown>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = all;
    }
}
