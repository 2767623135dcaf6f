//! Tells when the configuration file, or a workflow's, may have changed. Only a hint: whether it did, its content says.

use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::Notify;

/// Watches while it lives.
pub(super) struct Watch {
    changed: Arc<Notify>,
    _watcher: Option<RecommendedWatcher>,
}

impl Watch {
    /// Watches the folder of the file, not the file: editors replace it. What becomes of the other files there is passed
    /// over. So it watches the folder of workflows; one that is named later is looked at by the clock. Where the system cannot watch, and where a mount puts a link to another folder, nothing is told, and whoever
    /// asks looks at the file by the clock alone.
    pub(super) fn over(file: &Path, workflows: Option<&Path>) -> Self {
        let changed = Arc::new(Notify::new());
        let told = Arc::clone(&changed);
        let folder = file.parent().unwrap_or(Path::new("/"));
        let name = file.file_name().map(ToOwned::to_owned);
        let concerns = move |event: &notify::Event| {
            let is_it = |path: &PathBuf| {
                path.file_name() == name.as_deref()
                    || path.extension().is_some_and(|end| end == "yaml")
            };
            !event.kind.is_access() && event.paths.iter().any(is_it)
        };
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if event.is_ok_and(|event| concerns(&event)) {
                told.notify_one();
            }
        })
        .and_then(|mut watcher| {
            watcher.watch(folder, RecursiveMode::NonRecursive)?;
            if let Some(workflows) = workflows.filter(|other| *other != folder) {
                watcher.watch(workflows, RecursiveMode::NonRecursive)?;
            }
            Ok(watcher)
        })
        .inspect_err(|error| {
            tracing::debug!(%error, "the folder of the configuration cannot be watched; it is looked at by the clock");
        });
        Self {
            changed,
            _watcher: watcher.ok(),
        }
    }

    /// Resolves when the file was touched since the last time.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }
}
