//! What must not be seen of a run. All its steps know the same, also of what is found while they go on.

use crate::jobs::redact::Redactor;
use std::sync::{Arc, PoisonError, RwLock};

/// The secrets of a run, in the order in which they became known. Cheap to clone; clones share them.
#[derive(Clone)]
pub(super) struct Secrets {
    known: Arc<RwLock<Arc<[String]>>>,
}

impl Secrets {
    /// Those that are known from the start.
    pub fn new(known: Vec<String>) -> Self {
        Self {
            known: Arc::new(RwLock::new(known.into())),
        }
    }

    /// Those that are known by now; later ones come after them.
    pub fn all(&self) -> Arc<[String]> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&known)
    }

    /// From here on this must not be seen either.
    pub fn learn(&self, secret: &str) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if !known.iter().any(|one| one == secret) {
            let more = known.iter().cloned().chain([secret.to_owned()]);
            *known = more.collect();
        }
    }

    /// A text as people may read it.
    pub fn mask(&self, text: &str) -> String {
        Redactor::new(self.all().iter().map(String::as_str)).mask(text)
    }
}
