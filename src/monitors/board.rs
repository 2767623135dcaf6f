//! How all checks of this machine stand now, from memory.

use super::state::{Rule, Standing, State};
use crate::base::alert::{Reading, Severity};
use crate::base::name::Name;
use crate::base::time::Millis;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

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
pub struct Board(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    all: Vec<Shown>,
    /// When the loop took its last step; nothing where another instance looks.
    stepped: Option<Instant>,
}

impl Board {
    /// All checks, by name; empty where another instance looks.
    #[must_use]
    pub fn all(&self) -> Vec<Shown> {
        self.inner().all.clone()
    }

    /// The checks of which it was told that they are bad, and how bad; none where another instance looks.
    #[must_use]
    pub fn told(&self) -> HashMap<Name, Severity> {
        let told = |shown: &Shown| Some((shown.check.clone(), shown.state.firing()?));
        self.inner().all.iter().filter_map(told).collect()
    }

    /// How long ago the loop took its last step; `None` where another instance looks.
    #[must_use]
    pub fn still_for(&self) -> Option<Duration> {
        self.inner().stepped.map(|at| at.elapsed())
    }

    pub(super) fn replace(&self, all: Vec<Shown>) {
        self.inner().all = all;
    }

    /// The loop begins, or took a step.
    pub(super) fn step(&self) {
        self.inner().stepped = Some(Instant::now());
    }

    /// Nobody looks any more.
    pub(super) fn clear(&self) {
        *self.inner() = Inner::default();
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
