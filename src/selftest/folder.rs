//! The folder in which everything is kept: whether it can be written, and how much room there is.

use super::Part;
use crate::base::text::bytes;
use crate::drivers::patience;
use nix::sys::statvfs::statvfs;
use nix::unistd::{AccessFlags, Uid, User, access};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Less room than this will soon be a trouble.
const LITTLE: u64 = 512 << 20;
/// With less room than this, nothing can be relied on.
const NONE: u64 = 32 << 20;

/// What the part is called.
pub const PART: &str = "data folder";

/// Looks at the folder and changes nothing; it may not be there yet.
#[must_use]
pub fn look(folder: &Path) -> Part {
    let shown = folder.display();
    let there = existing(folder);
    if !there.is_dir() {
        let words = format!("{} is not a folder", there.display());
        return Part::fail(PART, words, "name another under data_dir");
    }
    if access(there, AccessFlags::W_OK | AccessFlags::X_OK).is_err() {
        return Part::fail(
            PART,
            format!("{} cannot be written by this user", there.display()),
            format!("run `sudo chown {} {}`", me(), there.display()),
        );
    }
    let free = match free(there) {
        Ok(free) => free,
        Err(error) => {
            let words = format!("{shown} cannot be measured ({error})");
            return Part::fail(PART, words, "name another under data_dir");
        }
    };
    let room = format!("{} free", bytes(free));
    let words = match there == folder {
        true => format!("{shown} · {} · {room}", owner(folder)),
        false => format!("{shown} · will be made · {room}"),
    };
    match free {
        free if free < NONE => Part::fail(PART, words, "free some space on this disk"),
        free if free < LITTLE => Part::warn(PART, words, "free some space on this disk"),
        _ => Part::ok(PART, words),
    }
}

/// The same for the folder of a running bot: a file is made among those of jobs, and removed.
pub(super) async fn try_out(data_dir: &Path) -> Part {
    let folder = data_dir.to_owned();
    let looked = patience::ask(PART, super::LIMIT, move || {
        let part = look(&folder);
        match write(&folder.join("work")) {
            Err(error) if part.state != super::State::Fail => Part::fail(
                PART,
                format!(
                    "{} cannot be written: {error}",
                    folder.join("work").display()
                ),
                format!(
                    "see to its permissions and its disk; {} must be able to write it",
                    me()
                ),
            ),
            Ok(()) | Err(_) => part,
        }
    });
    let silent = || {
        let words = format!("{} does not answer", data_dir.display());
        Part::fail(
            PART,
            words,
            "look at its disk; a network disk that is away hangs like that",
        )
    };
    looked.await.unwrap_or_else(silent)
}

fn write(folder: &Path) -> io::Result<()> {
    let path = folder.join(format!("selftest-{}", ulid::Ulid::generate()));
    fs::write(&path, "written and removed")?;
    fs::remove_file(&path)
}

/// The room on the disk of this file or folder, in bytes, as far as this user may use it.
pub(super) fn free(path: &Path) -> nix::Result<u64> {
    let disk = statvfs(path)?;
    Ok(disk.blocks_available().saturating_mul(disk.fragment_size()))
}

/// The folder itself, or the nearest one above it that is there.
#[must_use]
pub fn existing(path: &Path) -> &Path {
    let there = path.ancestors().find(|folder| folder.exists());
    there.unwrap_or(Path::new("/"))
}

/// The user of this process.
#[must_use]
pub fn me() -> String {
    name(Uid::effective())
}

/// Whose it is, when that is somebody else: root may do what the bot's user may not.
fn owner(path: &Path) -> String {
    match fs::metadata(path) {
        Ok(meta) if meta.uid() != Uid::effective().as_raw() => {
            format!("belongs to {}", name(Uid::from_raw(meta.uid())))
        }
        Ok(_) => "can be written".to_owned(),
        Err(error) => format!("cannot be looked at ({error})"),
    }
}

fn name(id: Uid) -> String {
    match User::from_uid(id) {
        Ok(Some(user)) => user.name,
        Ok(None) | Err(_) => id.to_string(),
    }
}
