//! The parts of a check on this machine: files, their modes, and room.

use super::Part;
use crate::base::text::bytes;
use crate::config::{Database, Loaded, TokenSource};
use nix::sys::statvfs::statvfs;
use nix::unistd::{AccessFlags, Uid, User, access};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

/// Less room than this will soon be a trouble.
const LITTLE: u64 = 512 << 20;
/// With less room than this, nothing can be relied on.
const NONE: u64 = 32 << 20;

pub(super) fn look(loaded: &Loaded) -> Vec<Part> {
    let config = &loaded.config;
    let mut parts = vec![data_dir(&config.data_dir)];
    parts.extend(open_files(loaded));
    parts
}

/// The folder itself, or the nearest one above it that is there.
pub(in crate::app) fn existing(path: &Path) -> &Path {
    let there = path.ancestors().find(|folder| folder.exists());
    there.unwrap_or(Path::new("/"))
}

fn data_dir(folder: &Path) -> Part {
    const PART: &str = "data folder";
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
    let free = match statvfs(there) {
        Ok(disk) => disk.blocks_available().saturating_mul(disk.fragment_size()),
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

/// Files that should not be open to others as far as they are.
fn open_files(loaded: &Loaded) -> Vec<Part> {
    const PART: &str = "file modes";
    let config = &loaded.config;
    let token = match &config.telegram.token_source {
        Some(TokenSource::File(path)) => Some(path.as_path()),
        Some(TokenSource::Variable(_) | TokenSource::Credential(_)) | None => None,
    };
    let database = match &config.database {
        Database::Sqlite { path } => Some(path.as_path()),
        Database::Postgres { .. } => None,
    };
    let data = Some(config.data_dir.as_path());
    let mut wrong = Vec::new();
    for (path, forbidden, mode) in [
        (Some(loaded.file.as_path()), 0o022, "go-w"),
        (token, 0o077, "600"),
        (database, 0o007, "600"),
        (data, 0o007, "700"),
    ] {
        let Some(path) = path else { continue };
        let Ok(meta) = fs::metadata(path) else {
            continue;
        };
        if meta.permissions().mode() & forbidden != 0 {
            let shown = path.display();
            wrong.push(match forbidden {
                0o022 => Part::fail(
                    PART,
                    format!("others can write {shown}, and with it decide what the bot runs"),
                    format!("run `chmod {mode} {shown}`"),
                ),
                _ => Part::warn(
                    PART,
                    format!("others can read {shown}"),
                    format!("run `chmod {mode} {shown}`"),
                ),
            });
        }
    }
    if wrong.is_empty() {
        wrong.push(Part::ok(PART, "nothing is open to others"));
    }
    wrong
}

/// The user of this process.
pub(super) fn me() -> String {
    name(Uid::effective())
}

/// Whose it is, when that is somebody else: root may do what the bot's user may not.
pub(super) fn owner(path: &Path) -> String {
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
