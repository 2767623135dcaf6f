//! What a kind of work is to the engine: a name, its arguments, and how to run.

use super::files::Folder;
use super::live::{Active, Output, StopReason};
use crate::base::job::Ending;
use crate::delivery::render::Size;
use crate::store::jobs::Job;
use futures::future::{BoxFuture, FutureExt};
use serde::de::DeserializeOwned;
use std::collections::HashMap;
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// The work was told to stop, and did; the engine knows by whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped;

/// What an action gets to work with.
#[derive(Clone)]
pub struct ActionCx {
    /// The job as it was claimed.
    pub job: Arc<Job>,
    /// Its files.
    pub files: Folder,
    /// Takes what the work prints.
    pub output: Arc<Output>,
    /// Fires when the work must stop.
    pub stop: CancellationToken,
    /// Fires when the work must end where it is, since the bot stops; of a kind that goes on after the next start.
    pub leave: CancellationToken,
    /// Marks every process of this job, so that none outlives it unseen.
    pub marker: String,
    /// Where logs are.
    pub log_dir: PathBuf,
    /// Bytes of a log that are kept.
    pub max_log: u64,
    pub(super) active: Arc<Active>,
}

impl ActionCx {
    /// Why the work must stop, once [`ActionCx::stop`] fired.
    #[must_use]
    pub fn stop_reason(&self) -> Option<StopReason> {
        self.active.stop_reason()
    }
}

/// How the output of a job is to be read.
#[derive(Clone, Debug)]
pub struct Reading {
    /// What must not be seen in it.
    pub secrets: Vec<String>,
    /// The terminal that the work writes to.
    pub size: Size,
}

/// A kind of work.
pub trait Action: Send + Sync + 'static {
    /// Its arguments, stored as JSON.
    type Args: DeserializeOwned + Send;
    /// Its name, `area.verb`; stored, so never renamed.
    const KIND: &'static str;
    /// Whether a run of it takes a worker. What mostly waits takes none.
    const TAKES_WORKER: bool = true;

    /// How its output is to be read.
    fn reading(&self, args: &Self::Args) -> Reading;

    /// Does the work.
    fn run(
        &self,
        args: Self::Args,
        cx: ActionCx,
    ) -> impl Future<Output = Result<Ending, Stopped>> + Send;
}

/// The kinds of work by name.
#[derive(Default)]
pub struct Registry {
    kinds: HashMap<&'static str, Box<dyn Erased>>,
}

impl Registry {
    /// Adds a kind.
    #[must_use]
    pub fn with<A: Action>(mut self, action: A) -> Self {
        self.kinds.insert(A::KIND, Box::new(action));
        self
    }

    /// How to read the output of a job; `None` when its kind or arguments cannot be read (it will not run then).
    #[must_use]
    pub fn reading(&self, job: &Job) -> Option<Reading> {
        let kind = self.kinds.get(job.new.kind.as_str())?;
        kind.reading(&job.new.payload)
    }

    /// Whether a run of this kind takes a worker.
    #[must_use]
    pub fn takes_worker(&self, kind: &str) -> bool {
        self.kinds.get(kind).is_none_or(|kind| kind.takes_worker())
    }

    /// Runs a job by its kind. An unknown kind or unreadable arguments end it as broken.
    pub async fn run(&self, cx: ActionCx) -> Result<Ending, Stopped> {
        match self.kinds.get(cx.job.new.kind.as_str()) {
            Some(kind) => kind.run(cx).await,
            None => Ok(Ending::Broken(format!(
                "This version does not know the kind of work “{}”.",
                cx.job.new.kind
            ))),
        }
    }
}

trait Erased: Send + Sync {
    fn takes_worker(&self) -> bool;
    fn reading(&self, payload: &str) -> Option<Reading>;
    fn run(&self, cx: ActionCx) -> BoxFuture<'_, Result<Ending, Stopped>>;
}

impl<A: Action> Erased for A {
    fn takes_worker(&self) -> bool {
        A::TAKES_WORKER
    }

    fn reading(&self, payload: &str) -> Option<Reading> {
        let args = serde_json::from_str(payload).ok()?;
        Some(Action::reading(self, &args))
    }

    fn run(&self, cx: ActionCx) -> BoxFuture<'_, Result<Ending, Stopped>> {
        async move {
            match serde_json::from_str(&cx.job.new.payload) {
                Ok(args) => Action::run(self, args, cx).await,
                Err(error) => Ok(Ending::Broken(format!(
                    "The stored arguments cannot be read: {error}."
                ))),
            }
        }
        .boxed()
    }
}
