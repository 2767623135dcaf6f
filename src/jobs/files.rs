//! The folder of a job's files: what came in, what it left in `$OPSGRAM_OUT`, and which of that goes to the chat.
//!
//! `work/<job>/out` is the script's own. What is promised to the chat moves to `work/<job>/send/<number>` before the
//! ending is written, so that nothing but this program names it any more; what stays in `out` is told, and kept as
//! long as the job.

use crate::base::filename::safe;
use crate::base::ids::JobId;
use crate::base::text::{DOCUMENT_BYTES, bytes};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, FileType, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Of a crowded folder, so many names are looked at; the others are counted.
const LOOKED_AT: usize = 1000;
/// So many of the files that are not sent are named.
const NAMED: usize = 10;

/// The files of one job.
#[derive(Clone, Debug)]
pub struct Folder {
    root: PathBuf,
}

/// How much of what a job left is sent.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// So many files.
    pub files: usize,
    /// So many bytes together.
    pub bytes: u64,
}

/// What a job left in its folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Left {
    /// What goes to the chat.
    pub sent: Vec<Found>,
    /// How much stays on the server.
    pub kept: usize,
    /// The first of those by name, and why each stays.
    pub named: Vec<(String, Why)>,
}

/// A file to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// What it is found by.
    pub number: usize,
    /// Its name, made safe.
    pub name: String,
}

/// Why something is not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Telegram takes no empty files.
    Empty,
    /// It alone has more bytes than Telegram takes.
    Large(u64),
    /// It would be one too many.
    Number,
    /// With it, all would have too many bytes.
    Sum(u64),
    /// A folder.
    Folder,
    /// A link; where it leads is nobody's business here.
    Link,
    /// A pipe, a socket, a device.
    Special,
    /// It cannot be read or moved.
    Unreadable,
}

impl Why {
    /// In a few words for the chat.
    #[must_use]
    pub fn words(self) -> String {
        match self {
            Why::Empty => "empty".to_owned(),
            Why::Large(size) => {
                format!("{}, Telegram takes {}", bytes(size), bytes(DOCUMENT_BYTES))
            }
            Why::Number => "one too many".to_owned(),
            Why::Sum(size) => format!("{}, too much together", bytes(size)),
            Why::Folder => "a folder".to_owned(),
            Why::Link => "a link".to_owned(),
            Why::Special => "no regular file".to_owned(),
            Why::Unreadable => "cannot be read".to_owned(),
        }
    }
}

impl Folder {
    /// The folder of a job among all of them. Nothing is made yet.
    #[must_use]
    pub fn of(work: &Path, id: JobId) -> Self {
        Self {
            root: work.join(id.to_string()),
        }
    }

    /// Where the script leaves what it wants to be sent.
    #[must_use]
    pub fn out(&self) -> PathBuf {
        self.root.join("out")
    }

    /// Where files are that came with the command.
    #[must_use]
    pub fn incoming(&self) -> PathBuf {
        self.root.join("in")
    }

    /// Where work is done that outlives a start of the bot.
    #[must_use]
    pub fn work(&self) -> PathBuf {
        self.root.join("run")
    }

    /// Makes what is missing of the folder, for this user alone; what an earlier start left stays.
    ///
    /// # Errors
    /// The disk's.
    pub fn prepare_again(&self) -> io::Result<()> {
        private_folder(&self.out())
    }

    /// Makes the folder anew, for this user alone: nothing of an earlier start is in it.
    ///
    /// # Errors
    /// The disk's.
    pub fn prepare(&self) -> io::Result<()> {
        self.remove()?;
        private_folder(&self.out())
    }

    /// Whether nothing came in, and nothing was left.
    #[must_use]
    pub fn is_untouched(&self) -> bool {
        let is_none = |path| fs::symlink_metadata(path).is_err();
        let out = fs::read_dir(self.out());
        is_none(self.incoming()) && out.is_ok_and(|mut entries| entries.next().is_none())
    }

    /// Sorts what is in `out`: regular files within the bounds, by name, are set apart to be sent.
    ///
    /// # Errors
    /// The disk's, when the folder itself cannot be read.
    pub fn collect(&self, bounds: Bounds) -> io::Result<Left> {
        let out = self.out();
        remove_tree(&self.incoming())?;
        // A folder that was replaced by a link would lead out of here.
        if !fs::symlink_metadata(&out)?.is_dir() {
            return Err(io::Error::other("the folder is no longer one"));
        }
        fs::set_permissions(&out, Permissions::from_mode(0o700))?;
        let (entries, more) = first_by_name(&out)?;
        let mut left = Left::default();
        let mut sum = 0;
        for (name, kind) in entries {
            let shown = safe(&name.to_string_lossy());
            match self.judge(&name, kind, bounds, left.sent.len(), sum) {
                Ok((number, size)) => {
                    sum += size;
                    left.sent.push(Found {
                        number,
                        name: shown,
                    });
                }
                Err(why) => {
                    left.kept += 1;
                    if left.named.len() < NAMED {
                        left.named.push((shown, why));
                    }
                }
            }
        }
        left.kept += more;
        Ok(left)
    }

    /// Sets one file apart, if it can be sent, and says under which number and how large it is.
    fn judge(
        &self,
        name: &OsString,
        kind: FileType,
        bounds: Bounds,
        before: usize,
        sum: u64,
    ) -> Result<(usize, u64), Why> {
        if kind.is_symlink() {
            return Err(Why::Link);
        }
        if kind.is_dir() {
            return Err(Why::Folder);
        }
        if !kind.is_file() {
            return Err(Why::Special);
        }
        let path = self.out().join(name);
        let size = match open_regular(&path).and_then(|file| file.metadata()) {
            Ok(found) => found.len(),
            Err(_) => return Err(Why::Unreadable),
        };
        match size {
            0 => return Err(Why::Empty),
            _ if size > DOCUMENT_BYTES => return Err(Why::Large(size)),
            _ if before >= bounds.files => return Err(Why::Number),
            _ if sum + size > bounds.bytes => return Err(Why::Sum(size)),
            _ => {}
        }
        let number = before + 1;
        let moved = private_folder(&self.sending())
            .and_then(|()| fs::rename(&path, self.sending().join(number.to_string())));
        match moved {
            Ok(()) => Ok((number, size)),
            Err(_) => Err(Why::Unreadable),
        }
    }

    /// A file that was set apart to be sent.
    ///
    /// # Errors
    /// When it is gone, or no regular file.
    pub fn open(&self, number: usize) -> io::Result<File> {
        open_regular(&self.sending().join(number.to_string()))
    }

    /// Removes a file that was sent, and the folder when it was the last.
    pub fn sent(&self, number: usize) {
        tell_failure(
            &self.root,
            fs::remove_file(self.sending().join(number.to_string())),
        );
        self.remove_empty();
    }

    /// Puts a file that did not go back to where it was, to be kept with the job; beside what has its name by now.
    pub fn refused(&self, number: usize, name: &str) {
        let back = private_folder(&self.out()).and_then(|()| {
            fs::rename(
                self.sending().join(number.to_string()),
                free(&self.out(), &safe(name)),
            )
        });
        tell_failure(&self.root, back);
        self.remove_empty();
    }

    /// Removes what was set apart or came in; what is kept with the job stays.
    pub fn settle(&self) {
        for part in [self.sending(), self.incoming(), self.work()] {
            tell_failure(&part, remove_tree(&part));
        }
        self.remove_empty();
    }

    /// How much of the disk it takes, in bytes; links are not followed, and what cannot be looked into is left out.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let (mut bytes, mut todo) = (0, vec![self.root.clone()]);
        while let Some(folder) = todo.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                match entry.metadata() {
                    Ok(found) if found.is_dir() => todo.push(entry.path()),
                    // A file with holes says that it is larger than it is.
                    Ok(found) => bytes += found.len().min(found.blocks() * 512),
                    Err(_) => {}
                }
            }
        }
        bytes
    }

    /// Removes everything.
    ///
    /// # Errors
    /// The disk's.
    pub fn remove(&self) -> io::Result<()> {
        remove_tree(&self.root)
    }

    fn sending(&self) -> PathBuf {
        self.root.join("send")
    }

    /// Removes what it worked in.
    pub fn remove_work(&self) {
        let work = self.work();
        tell_failure(&work, remove_tree(&work));
    }

    /// Removes its folders that hold nothing; those that hold something refuse to go.
    pub fn remove_empty(&self) {
        for folder in [self.sending(), self.out(), self.root.clone()] {
            if let Err(error) = fs::remove_dir(&folder)
                && !matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::DirectoryNotEmpty
                )
            {
                tracing::warn!(folder = %folder.display(), %error, "an empty folder stays behind");
            }
        }
    }
}

/// The jobs that have a folder.
///
/// # Errors
/// The disk's.
pub fn jobs(work: &Path) -> io::Result<Vec<JobId>> {
    let entries = match fs::read_dir(work) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let id = entry?
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok());
        found.extend(id.map(JobId));
    }
    Ok(found)
}

/// Makes a folder that nobody else can look into, unless it is there.
///
/// # Errors
/// The disk's.
pub fn private_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// The first entries by name, and how many more there are.
fn first_by_name(folder: &Path) -> io::Result<(BTreeMap<OsString, FileType>, usize)> {
    let mut first = BTreeMap::new();
    let mut more = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        first.insert(entry.file_name(), entry.file_type()?);
        if first.len() > LOOKED_AT {
            first.pop_last();
            more += 1;
        }
    }
    Ok((first, more))
}

/// Opens a regular file without following a link and without waiting for the other end of a pipe.
fn open_regular(path: &Path) -> io::Result<File> {
    let flags = nix::fcntl::OFlag::O_NOFOLLOW | nix::fcntl::OFlag::O_NONBLOCK;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits())
        .open(path)?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::Error::other("it is no regular file")),
    }
}

/// A path in the folder that nothing has, as near to the name as can be.
fn free(folder: &Path, name: &str) -> PathBuf {
    let is_free = |path: &PathBuf| fs::symlink_metadata(path).is_err();
    let first = folder.join(name);
    let others = (2..).map(|n: u64| folder.join(format!("{n}-{name}")));
    std::iter::once(first.clone())
        .chain(others)
        .find(is_free)
        .unwrap_or(first)
}

/// Removes a folder and all that is in it, also when the script took rights away; links are removed, not followed.
fn remove_tree(path: &Path) -> io::Result<()> {
    let removed = |result: io::Result<()>| match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    };
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Ok(found) if !found.is_dir() => return removed(fs::remove_file(path)),
        Ok(_) | Err(_) => {}
    }
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            open_up(path)?;
            removed(fs::remove_dir_all(path))
        }
        result => removed(result),
    }
}

/// Gives ourselves the rights on every folder of a tree that removing it needs.
fn open_up(root: &Path) -> io::Result<()> {
    let mut todo = vec![root.to_owned()];
    while let Some(folder) = todo.pop() {
        fs::set_permissions(&folder, Permissions::from_mode(0o700))?;
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                todo.push(entry.path());
            }
        }
    }
    Ok(())
}

fn tell_failure(path: &Path, result: io::Result<()>) {
    match result {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(path = %path.display(), %error, "a job's file stays behind");
        }
        Ok(()) | Err(_) => {}
    }
}

#[cfg(test)]
mod tests;
