//! What a probe remembers, and of what: of something else it says nothing.

use crate::config::{FileMeasure, Probe};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// What is kept from look to look. What is looked at may be another after a restart or a reload.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// What was looked at.
    of: String,
    memory: Value,
}

impl Kept {
    /// What this probe remembers.
    pub(in crate::monitors) fn new(probe: &Probe, memory: Value) -> Self {
        Self {
            of: print(probe),
            memory,
        }
    }

    /// Reads what was written down; of what cannot be read, nothing is known.
    #[must_use]
    pub fn read(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_default()
    }

    /// As it is written down.
    pub(in crate::monitors) fn written(&self) -> Option<String> {
        serde_json::to_string(self).ok()
    }

    /// Whether it is of what this probe looks at.
    pub(in crate::monitors) fn is_of(&self, probe: &Probe) -> bool {
        self.of == print(probe)
    }

    /// What this probe is to know; nothing when it is of something else.
    pub(in crate::monitors) fn for_probe(&self, probe: &Probe) -> Value {
        match self.is_of(probe) {
            true => self.memory.clone(),
            false => Value::Null,
        }
    }

    pub(super) fn memory(self) -> Value {
        self.memory
    }
}

/// Tells what is looked at from anything else. Not the words themselves: an address may hold a password, and this is stored.
fn print(probe: &Probe) -> String {
    let words = match probe {
        // For how long lines count changes nothing of how far they were read.
        Probe::File {
            path,
            measure: FileMeasure::Lines { pattern, .. },
        } => format!("lines of {path:?} like {pattern}"),
        // The token is only the way by which it comes.
        Probe::Push { .. } => "pushes".to_owned(),
        probe => format!("{probe:?}"),
    };
    let hash = Sha256::digest(words.as_bytes());
    hash[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}
