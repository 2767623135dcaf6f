//! One bot to a SQLite file: a second one would take the first one's running jobs for lost.

use crate::store;
use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use std::fs::File;
use std::path::Path;

/// Held while the bot runs; the system frees it when the process ends, however it ends.
pub struct Lock {
    _file: Flock<File>,
}

/// Takes the lock that belongs to a database file.
///
/// # Errors
/// When another bot holds it, or the lock file cannot be made.
pub fn take(database: &Path) -> Result<Lock> {
    let mut path = database.as_os_str().to_owned();
    path.push(".lock");
    let path = Path::new(&path);
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
