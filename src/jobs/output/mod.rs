//! What a job printed: the log on disk, which keeps head and tail within a limit, and the latest part in memory.
//!
//! The head is `<id>.log`. What does not fit goes to segments in the folder `<id>.log.tail`, each named by the position in
//! the output at which it starts; old ones are removed. So what is missing shows in names and sizes alone, whenever
//! the writer stopped. All calls block on the disk.

mod found;
mod pattern;
mod reader;
mod search;
mod searches;
mod sweep;
mod tail;
mod writer;

pub use found::{Found, write_found};
pub use pattern::{Pattern, Sought};
pub use reader::LogReader;
pub use search::{FoundLine, Point, Rows, Searched, Wanted};
pub use searches::Searches;
pub use sweep::{Kept, kept_bytes, survey};
pub use tail::{TAIL_BYTES, Tail};
pub use writer::LogWriter;

use crate::base::ids::JobId;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Removes a job's log; one that is not there is no error.
///
/// # Errors
/// The disk's.
pub fn remove(dir: &Path, id: JobId) -> io::Result<()> {
    ignore_missing(fs::remove_dir_all(steps_folder(dir, id)))?;
    remove_own(dir, id)
}

/// The same without the logs of its steps, which a run that goes on keeps.
fn remove_own(dir: &Path, id: JobId) -> io::Result<()> {
    ignore_missing(fs::remove_dir_all(tail_path(dir, id)))?;
    ignore_missing(fs::remove_file(head_path(dir, id)))
}

/// Where the logs of a run's steps are, each under its number.
#[must_use]
pub fn steps_folder(dir: &Path, run: JobId) -> PathBuf {
    dir.join(format!("{run}.steps"))
}

/// The numbers of the steps of a run that printed something.
#[must_use]
pub fn steps_printed(dir: &Path, run: JobId) -> std::collections::BTreeSet<usize> {
    let Ok(entries) = fs::read_dir(steps_folder(dir, run)) else {
        return Default::default();
    };
    let number = |entry: fs::DirEntry| {
        let name = entry.file_name();
        let number = name.to_str()?.strip_suffix(".log")?.parse().ok()?;
        (entry.metadata().ok()?.len() > 0).then_some(number)
    };
    entries.flatten().filter_map(number).collect()
}

fn head_path(dir: &Path, id: JobId) -> PathBuf {
    dir.join(format!("{id}.log"))
}

fn tail_path(dir: &Path, id: JobId) -> PathBuf {
    dir.join(format!("{id}.log.tail"))
}

fn private_folder(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
}

fn private_file(path: &Path) -> io::Result<File> {
    fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
}

fn ignore_missing(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// The next byte from `at` on that can start a UTF-8 character.
fn char_start(bytes: &[u8], at: usize) -> usize {
    let ahead = bytes[at..].iter().take(3);
    at + ahead
        .take_while(|byte| (0x80..0xC0).contains(*byte))
        .count()
}

/// Where the first whole line starts; when none does, the first whole character.
fn line_start(bytes: &[u8]) -> usize {
    match bytes.iter().position(|byte| *byte == b'\n') {
        Some(newline) if newline + 1 < bytes.len() => newline + 1,
        _ => char_start(bytes, 0),
    }
}

fn length(size: usize) -> u64 {
    u64::try_from(size).unwrap_or(u64::MAX)
}

fn size(length: u64) -> usize {
    usize::try_from(length).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests;
