//! Files that are written whole or not at all.

use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// How much a written file is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Worth {
    /// It must be there after a power cut.
    Kept,
    /// It is written again in a moment anyway.
    Passing,
}

/// Replaces a file, or makes it, with these rights. A reader sees the old content or the new, never a part.
///
/// # Errors
/// The disk's; then the old file is as it was.
pub fn replace(path: &Path, content: &[u8], mode: u32, worth: Worth) -> io::Result<()> {
    let folder = folder(path);
    let file = written(folder, content, mode, worth)?;
    file.persist(path)?;
    settle(folder, worth)
}

/// Makes a file with these rights; an existing one is left as it is.
///
/// # Errors
/// `AlreadyExists` when there is one, or the disk's.
pub fn make(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let folder = folder(path);
    let file = written(folder, content, mode, Worth::Kept)?;
    file.persist_noclobber(path)?;
    settle(folder, Worth::Kept)
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        Some(_) | None => Path::new("."),
    }
}

fn written(
    folder: &Path,
    content: &[u8],
    mode: u32,
    worth: Worth,
) -> io::Result<tempfile::NamedTempFile> {
    // Made with mode 0600: what is secret is never open to others, not even for a moment.
    let mut file = tempfile::Builder::new()
        .prefix(".opsgram-")
        .tempfile_in(folder)?;
    file.write_all(content)?;
    file.as_file()
        .set_permissions(Permissions::from_mode(mode))?;
    if worth == Worth::Kept {
        file.as_file().sync_all()?;
    }
    Ok(file)
}

/// The new name is on the disk once its folder is.
fn settle(folder: &Path, worth: Worth) -> io::Result<()> {
    match worth {
        Worth::Kept => File::open(folder)?.sync_all(),
        Worth::Passing => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_file_is_replaced_whole_and_keeps_to_its_mode() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state");
        for (content, mode, worth) in [("one", 0o600, Worth::Kept), ("two", 0o640, Worth::Passing)]
        {
            replace(&path, content.as_bytes(), mode, worth).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), content);
            let found = path.metadata().unwrap().permissions().mode() & 0o777;
            assert_eq!(found, mode);
        }
        let refused = make(&path, b"three", 0o600).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read_to_string(&path).unwrap(), "two");
        assert_eq!(
            fs::read_dir(dir.path()).unwrap().count(),
            1,
            "nothing is left over"
        );
    }

    #[test]
    fn a_folder_that_is_missing_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("none/state");
        assert!(replace(&path, b"x", 0o600, Worth::Kept).is_err());
        assert!(make(&path, b"x", 0o600).is_err());
    }
}
