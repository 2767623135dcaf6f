//! The configuration in force: read anew at each use, so that a reload reaches everyone; and the way to ask for one.

use super::changes::Changes;
use super::{Config, Faults};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use tokio::sync::{mpsc, oneshot};

/// Requests that may wait for the one that reads the file.
const WAITING: usize = 8;

/// The configuration in force. Cheap to clone; all clones see a replacement.
#[derive(Clone)]
pub struct Live(Arc<RwLock<Arc<Config>>>);

impl Live {
    /// Begins with this configuration.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(config))))
    }

    /// The configuration at this moment. Whoever needs it twice for one request keeps what this gave.
    #[must_use]
    pub fn current(&self) -> Arc<Config> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts another one in force, whole and at once.
    pub fn replace(&self, config: Config) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
    }
}

/// What is wanted of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// To be read, and put in force when it has no fault.
    Reload,
    /// To be read only.
    Check,
}

/// What came of reading the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It has no fault. These are its differences to what was in force; after a reload they are in force.
    Good(Box<Changes>),
    /// It has faults, and what was in force stays.
    Faulty(Faults),
    /// It was not taken for another reason, as a sentence; what was in force stays.
    NotNow(String),
}

/// A request, and where its outcome goes.
pub struct Question {
    /// What is wanted.
    pub wanted: Wanted,
    /// Who asks, so that they are not told twice; `None` for a signal.
    pub asker: Option<crate::base::ids::UserId>,
    /// Where the outcome goes.
    pub answer: oneshot::Sender<Outcome>,
}

/// Asks for the file to be read. Cheap to clone; all clones ask the same.
#[derive(Clone, Default)]
pub struct Reloads {
    served: Arc<OnceLock<(PathBuf, mpsc::Sender<Question>)>>,
    fault: Arc<RwLock<Option<String>>>,
}

impl Reloads {
    /// Begins to take requests for this file; nothing when that was begun before.
    #[must_use]
    pub fn serve(&self, file: PathBuf) -> Option<mpsc::Receiver<Question>> {
        let (sender, receiver) = mpsc::channel(WAITING);
        self.served.set((file, sender)).is_ok().then_some(receiver)
    }

    /// The file; `None` when the bot was started without one.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        self.served.get().map(|(file, _)| file.as_path())
    }

    /// Notes why what stands in the file is not in force; `None` when it is.
    pub fn note(&self, fault: Option<String>) {
        *self.fault.write().unwrap_or_else(PoisonError::into_inner) = fault;
    }

    /// Why what stands in the file is not in force, as a short sentence; `None` when it is.
    #[must_use]
    pub fn fault(&self) -> Option<String> {
        self.fault
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Asks, and waits for the outcome; `None` when there is no file, or nobody who reads it any more.
    pub async fn ask(
        &self,
        wanted: Wanted,
        asker: Option<crate::base::ids::UserId>,
    ) -> Option<Outcome> {
        let (_, sender) = self.served.get()?;
        let (answer, outcome) = oneshot::channel();
        let question = Question {
            wanted,
            asker,
            answer,
        };
        sender.send(question).await.ok()?;
        outcome.await.ok()
    }
}
