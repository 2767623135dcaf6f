//! What a kind of work is to the engine: a name, its arguments, and how to run.

use super::files::Folder;
use super::live::Output;
use crate::base::job::Ending;
use crate::delivery::render::Size;
use crate::store::jobs::Job;
use futures::future::{BoxFuture, FutureExt};
use serde::de::DeserializeOwned;
use std::collections::HashMap;
use std::future::Future;
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
    /// Marks every process of this job, so that none outlives it unseen.
    pub marker: String,
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
    fn reading(&self, payload: &str) -> Option<Reading>;
    fn run(&self, cx: ActionCx) -> BoxFuture<'_, Result<Ending, Stopped>>;
}

impl<A: Action> Erased for A {
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
