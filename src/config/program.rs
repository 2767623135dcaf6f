//! Whether a file may be run: it is there, executable, and nobody else can change it.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, access};

/// Checks a program right before it is run, and when the configuration is loaded.
///
/// # Errors
/// What is wrong, and what would be right: the file is missing, is not a file, is not executable by
/// this user, or it or a folder above it can be written by everyone.
pub fn check_program(path: &Path) -> Result<(), String> {
    let shown = path.display();
    let meta = std::fs::metadata(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => format!("{shown} does not exist; check the path"),
        _ => format!("{shown} cannot be looked at ({error}); check the path and its permissions"),
    })?;
    if !meta.is_file() {
        return Err(format!("{shown} is not a file; name the program itself"));
    }
    if access(path, AccessFlags::X_OK).is_err() {
        return Err(format!("{shown} is not executable; run chmod +x on it"));
    }
    if meta.permissions().mode() & 0o002 != 0 {
        return Err(format!(
            "{shown} can be written by everyone; run chmod o-w on it"
        ));
    }
    let real = path
        .canonicalize()
        .map_err(|error| format!("{shown} cannot be looked at ({error})"))?;
    check_folders(path)?;
    check_folders(&real)
}

/// A folder that everyone can write, unless it is sticky like /tmp, lets anyone swap what is in it.
fn check_folders(path: &Path) -> Result<(), String> {
    for folder in path.ancestors().skip(1) {
        let Ok(meta) = std::fs::metadata(folder) else {
            continue;
        };
        if meta.permissions().mode() & 0o1002 == 0o002 {
            return Err(format!(
                "{} lies in {}, which everyone can write; run chmod o-w on that folder",
                path.display(),
                folder.display()
            ));
        }
    }
    Ok(())
}

/// Finds a bare program name in the folders of `PATH`; relative folders are passed over.
pub(super) fn find_in_path(name: &str, search: &str) -> Option<PathBuf> {
    std::env::split_paths(search)
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(name))
        .find(|path| path.is_file() && access(path, AccessFlags::X_OK).is_ok())
}
