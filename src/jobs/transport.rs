//! How job ids travel from those who submit to those who work. What a job is stands in its row.

use crate::base::ids::JobId;
use futures::future::BoxFuture;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Takes job ids and works on them.
pub trait Worker: Send + Sync + 'static {
    /// Works on one job to its end. An id may come more than once; only a queued job is run.
    fn work(&self, id: JobId) -> BoxFuture<'_, ()>;
}

/// Carries job ids. It may deliver one twice, or lose those that it had when the machine lost power:
/// the rows decide what runs, and a sweep pushes again what was forgotten.
pub trait Transport: Send + Sync + 'static {
    /// Hands an id over.
    fn push(&self, id: JobId) -> BoxFuture<'_, anyhow::Result<()>>;

    /// Feeds the worker, at most `workers` ids at a time, until `stop` fires.
    fn run(
        &self,
        worker: Arc<dyn Worker>,
        workers: usize,
        stop: CancellationToken,
    ) -> BoxFuture<'_, anyhow::Result<()>>;

    /// Forgets ids that were worked on.
    fn prune(&self) -> BoxFuture<'_, anyhow::Result<()>>;
}
