//! The folder of all logs: how much it holds, and what lies in it.

use super::{head_path, tail_path};
use crate::base::ids::JobId;
use crate::jobs::scratch::PREFIX;
use std::fs::{self, DirEntry};
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// A file that was composed to be sent is left alone so long; sending the largest one takes minutes.
const SCRATCH_FOR: Duration = Duration::from_secs(24 * 3600);

/// What a folder of logs holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Bytes of all logs together.
    pub bytes: u64,
    /// The jobs that have a log, in any order.
    pub jobs: Vec<JobId>,
}

/// Looks through a folder of logs, and removes files that were composed to be sent and left behind by a crash.
///
/// # Errors
/// The disk's. A file that goes meanwhile is none.
pub fn survey(dir: &Path) -> io::Result<Kept> {
    let mut kept = Kept::default();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(PREFIX) {
            remove_if_old(&entry);
            continue;
        }
        let (digits, is_tail) = match name.split_once(".log") {
            Some((digits, "")) => (digits, false),
            Some((digits, ".tail")) => (digits, true),
            Some(_) | None => continue,
        };
        let Some(id) = digits.parse().ok().map(JobId) else {
            continue;
        };
        kept.bytes += match is_tail {
            true => folder_bytes(&entry.path()),
            false => entry.metadata().map_or(0, |meta| meta.len()),
        };
        if !is_tail || !head_path(dir, id).exists() {
            kept.jobs.push(id);
        }
    }
    Ok(kept)
}

/// How much of the disk one log takes, in bytes.
#[must_use]
pub fn kept_bytes(dir: &Path, id: JobId) -> u64 {
    let head = fs::metadata(head_path(dir, id)).map_or(0, |meta| meta.len());
    head + folder_bytes(&tail_path(dir, id))
}

fn folder_bytes(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else {
        return 0;
    };
    let len = |entry: DirEntry| entry.metadata().ok().map(|meta| meta.len());
    entries.flatten().filter_map(len).sum()
}

fn remove_if_old(entry: &DirEntry) {
    let changed = entry.metadata().and_then(|meta| meta.modified());
    let old = changed.is_ok_and(|at| {
        let age = SystemTime::now().duration_since(at);
        age.is_ok_and(|age| age > SCRATCH_FOR)
    });
    if old && let Err(error) = fs::remove_file(entry.path()) {
        tracing::warn!(path = %entry.path().display(), %error, "a file that was to be sent stays behind");
    }
}
