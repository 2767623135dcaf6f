//! The files that messages name: logs of jobs, and what jobs left for the chat.

use super::files::Folder;
use super::output::{self, Found, LogReader};
use super::scratch::{pack, scratch};
use crate::base::ids::JobId;
use crate::base::text;
use crate::delivery::{Attachment, Attachments, Content, NoFile};
use futures::future::BoxFuture;
use std::fs::File;
use std::io::{self, BufReader, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long a search for a file may take.
const SEARCH: Duration = Duration::from_secs(60);
/// The largest picture that Telegram takes as one, in bytes.
const PICTURE_BYTES: u64 = 10_000_000;
/// The most that its width and height may be together, in pixels.
const PICTURE_SIDES: usize = 10_000;
/// The most that one side may be longer than the other.
const PICTURE_RATIO: usize = 20;

/// Finds logs by the key `log:<job>`, those of a run's steps by `step:<run>:<step>`, what jobs left by `out:<job>:<number>`, and what was found in a log by its search.
#[derive(Clone, Debug)]
pub struct Files {
    logs: PathBuf,
    work: PathBuf,
}

/// A key, read.
enum Key {
    Log(JobId),
    Left(JobId, usize),
    Step(JobId, i64),
}

impl Key {
    fn read(key: &str) -> Option<Self> {
        let (kind, rest) = key.split_once(':')?;
        match (kind, rest.split_once(':')) {
            ("step", Some((run, seq))) => {
                Some(Key::Step(JobId(run.parse().ok()?), seq.parse().ok()?))
            }
            ("log", None) => Some(Key::Log(JobId(rest.parse().ok()?))),
            ("out", Some((id, number))) => {
                Some(Key::Left(JobId(id.parse().ok()?), number.parse().ok()?))
            }
            _ => None,
        }
    }
}

impl Files {
    /// The logs in one folder, the folders of jobs in another.
    #[must_use]
    pub fn new(logs: PathBuf, work: PathBuf) -> Self {
        Self { logs, work }
    }

    fn compose(&self, key: &str, name: &str) -> Result<Attachment, NoFile> {
        if let Some(found) = Found::of_key(key) {
            return matches(&self.logs, &found, name);
        }
        match Key::read(key) {
            Some(Key::Log(id)) => log(&self.logs, &self.logs, id, id, name),
            Some(Key::Step(run, seq)) => {
                let folder = output::steps_folder(&self.logs, run);
                log(&self.logs, &folder, run, JobId(seq), name)
            }
            Some(Key::Left(id, number)) => left(&Folder::of(&self.work, id), number, name),
            None => Err(NoFile::Ever(format!("There is no file {key}."))),
        }
    }

    /// The folder and number of what a job left; logs are kept anyway.
    fn left(&self, key: &str) -> Option<(Folder, usize)> {
        match Key::read(key)? {
            Key::Left(id, number) => Some((Folder::of(&self.work, id), number)),
            Key::Log(_) | Key::Step(..) => None,
        }
    }
}

impl Attachments for Files {
    fn open<'a>(
        &'a self,
        key: &'a str,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Attachment, NoFile>> {
        let (files, key, name) = (self.clone(), key.to_owned(), name.to_owned());
        Box::pin(async move {
            tokio::task::spawn_blocking(move || files.compose(&key, &name))
                .await
                .unwrap_or_else(|error| Err(NoFile::Now(io::Error::other(error))))
        })
    }

    fn sent(&self, key: &str) {
        if let Some((folder, number)) = self.left(key) {
            folder.sent(number);
        }
    }

    fn refused(&self, key: &str, name: &str) {
        if let Some((folder, number)) = self.left(key) {
            folder.refused(number, name);
        }
    }
}

/// The lines that a search found, as a file.
fn matches(folder: &Path, found: &Found, name: &str) -> Result<Attachment, NoFile> {
    let log = LogReader::open(folder, found.job).map_err(no_log)?;
    let scratch = scratch(folder, &found.job.to_string());
    let mut file = File::create(scratch.path()).map_err(NoFile::Now)?;
    let until = Instant::now() + SEARCH;
    let matches = output::write_found(&log, found, &mut file, until).map_err(NoFile::Now)?;
    if matches == 0 {
        return Err(NoFile::Ever("Nothing matches any more.".to_owned()));
    }
    let size = file.metadata().map_err(NoFile::Now)?.len();
    if size > text::DOCUMENT_BYTES {
        return Err(NoFile::Ever(format!(
            "They are {}, and Telegram takes {}. Search for something rarer.",
            text::bytes(size),
            text::bytes(text::DOCUMENT_BYTES)
        )));
    }
    Ok(Attachment::new(Content::Scratch(scratch), name))
}

/// The log of this number in its folder, which belongs to this job.
fn log(
    logs: &Path,
    folder: &Path,
    job: JobId,
    number: JobId,
    name: &str,
) -> Result<Attachment, NoFile> {
    let log = LogReader::open(folder, number).map_err(no_log)?;
    if log.is_empty() {
        return Err(NoFile::Ever("It printed nothing.".to_owned()));
    }
    write_out(logs, &log, job, name)
}

fn no_log(error: io::Error) -> NoFile {
    match error.kind() {
        io::ErrorKind::NotFound => NoFile::Ever("The log is no longer kept.".to_owned()),
        _ => NoFile::Now(error),
    }
}

fn write_out(folder: &Path, log: &LogReader, id: JobId, name: &str) -> Result<Attachment, NoFile> {
    let what = id.to_string();
    if log.len() > text::DOCUMENT_BYTES {
        let too_large = |packed| {
            format!(
                "The log is {packed} even compressed, and Telegram takes {}; it is kept on the server as job {id}.",
                text::bytes(text::DOCUMENT_BYTES)
            )
        };
        let copy = |mut gzip: &mut dyn Write| log.copy_to(&mut gzip).map(drop);
        return pack(folder, &what, copy, log.len(), name, too_large);
    }
    let scratch = scratch(folder, &what);
    File::create(scratch.path())
        .and_then(|mut file| log.copy_to(&mut file))
        .map_err(NoFile::Now)?;
    Ok(Attachment::new(Content::Scratch(scratch), name))
}

fn left(folder: &Folder, number: usize, name: &str) -> Result<Attachment, NoFile> {
    let mut file = folder.open(number).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => {
            NoFile::Ever(format!("The file {name} is no longer on the server."))
        }
        _ => NoFile::Now(error),
    })?;
    let size = file.metadata().map_err(NoFile::Now)?.len();
    if size == 0 || size > text::DOCUMENT_BYTES {
        return Err(NoFile::Ever(format!(
            "The file {name} cannot be sent: it has {} by now. The server keeps it.",
            text::bytes(size)
        )));
    }
    let picture = is_picture(&file, size);
    file.rewind().map_err(NoFile::Now)?;
    let mut attachment = Attachment::new(Content::Open(file), name);
    attachment.picture = picture;
    Ok(attachment)
}

/// Whether Telegram shows a file as a picture, by what is in it: PNG, JPEG, WebP or GIF within its limits.
fn is_picture(file: &File, size: u64) -> bool {
    if size > PICTURE_BYTES {
        return false;
    }
    let Ok(found) = imagesize::reader_size(BufReader::new(file)) else {
        return false;
    };
    let (long, short) = (found.width.max(found.height), found.width.min(found.height));
    short > 0
        && long.saturating_add(short) <= PICTURE_SIDES
        && long <= short.saturating_mul(PICTURE_RATIO)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The beginning of a PNG of this size, which is all that is looked at.
    fn png(width: u32, height: u32) -> Vec<u8> {
        let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
        bytes.extend(width.to_be_bytes());
        bytes.extend(height.to_be_bytes());
        bytes.extend([8, 6, 0, 0, 0, 0, 0, 0, 0]);
        bytes
    }

    fn is_shown(bytes: &[u8], size: u64) -> bool {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file.rewind().unwrap();
        is_picture(&file, size)
    }

    #[test]
    fn a_picture_is_known_by_what_is_in_it_and_kept_within_telegrams_limits() {
        for (width, height, shown) in [
            (1, 1, true),
            (5000, 5000, true),
            (5000, 5001, false),
            (2000, 100, true),
            (2001, 100, false),
            (0, 10, false),
            (u32::MAX, u32::MAX, false),
        ] {
            assert_eq!(is_shown(&png(width, height), 33), shown, "{width}×{height}");
        }
        assert!(!is_shown(&png(9, 9), PICTURE_BYTES + 1));
        for text in [
            &b""[..],
            b"\x89PNG",
            b"not a picture, whatever its name",
            b"<svg/>",
        ] {
            assert!(!is_shown(text, 33));
        }
    }

    #[test]
    fn only_our_keys_name_files() {
        for bad in [
            "",
            "log",
            "log:x",
            "out:1",
            "out:1:../2",
            "out:-:1",
            "etc:1:1",
            "log:1:2",
        ] {
            assert!(Key::read(bad).is_none(), "{bad}");
        }
        assert!(matches!(Key::read("log:7"), Some(Key::Log(JobId(7)))));
        assert!(matches!(
            Key::read("step:7:0"),
            Some(Key::Step(JobId(7), 0))
        ));
        assert!(matches!(Key::read("out:7:2"), Some(Key::Left(JobId(7), 2))));
    }
}
