//! The configuration in force: read anew at each use, so that a reload reaches everyone.

use super::Config;
use std::sync::{Arc, PoisonError, RwLock};

/// The configuration in force. Cheap to clone; all clones see a replacement.
#[derive(Clone)]
pub struct Live(Arc<RwLock<Arc<Config>>>);

impl Live {
    /// Begins with this configuration.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(config))))
    }

    /// The configuration at this moment.
    #[must_use]
    pub fn current(&self) -> Arc<Config> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}
