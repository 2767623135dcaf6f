//! One bot to a SQLite file: a second one would take the first one's running jobs for lost.

use crate::store;
use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use std::fs::File;
use std::path::{Path, PathBuf};

/// Held while the bot runs; the system frees it when the process ends, however it ends.
pub struct Lock {
    _file: Flock<File>,
}

/// Whether a bot runs on this database file. Nothing is made.
pub fn is_taken(database: &Path) -> bool {
    let Ok(file) = File::open(beside(database)) else {
        return false;
    };
    // A shared lock, and only for this moment.
    matches!(
        Flock::lock(file, FlockArg::LockSharedNonblock),
        Err((_, Errno::EWOULDBLOCK))
    )
}

fn beside(database: &Path) -> PathBuf {
    let mut path = database.as_os_str().to_owned();
    path.push(".lock");
    path.into()
}

/// Takes the lock that belongs to a database file.
///
/// # Errors
/// When another bot holds it, or the lock file cannot be made.
pub fn take(database: &Path) -> Result<Lock> {
    let path = &beside(database);
    let file = store::make_private(path)
        .and_then(|()| File::options().write(true).open(path))
        .with_context(|| format!("making the lock file {}", path.display()))?;
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(file) => Ok(Lock { _file: file }),
        Err((_, Errno::EWOULDBLOCK)) => bail!(
            "another opsgram is running on {}. Stop it first, or give this one a database of its own",
            database.display()
        ),
        Err((_, error)) => Err(error).context("locking the database"),
    }
}
