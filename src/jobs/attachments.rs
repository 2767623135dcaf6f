//! The files that messages name: logs of jobs, and what jobs left for the chat.

use super::files::Folder;
use super::output::{self, Found, LogReader};
use crate::base::ids::JobId;
use crate::base::text;
use crate::delivery::{Attachment, Attachments, Content, Scratch};
use flate2::Compression;
use flate2::write::GzEncoder;
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

/// Finds logs by the key `log:<job>`, what jobs left by `out:<job>:<number>`, and what was found in a log by its search.
#[derive(Clone, Debug)]
pub struct Files {
    logs: PathBuf,
    work: PathBuf,
}

/// A key, read.
enum Key {
    Log(JobId),
    Left(JobId, usize),
}

impl Key {
    fn read(key: &str) -> Option<Self> {
        let (kind, rest) = key.split_once(':')?;
        match (kind, rest.split_once(':')) {
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

    fn compose(&self, key: &str, name: &str) -> Result<Attachment, String> {
        if let Some(found) = Found::of_key(key) {
            return matches(&self.logs, &found, name);
        }
        match Key::read(key) {
            Some(Key::Log(id)) => log(&self.logs, id, name),
            Some(Key::Left(id, number)) => left(&Folder::of(&self.work, id), number, name),
            None => Err(format!("There is no file {key}.")),
        }
    }

    /// The folder and number of what a job left; logs are kept anyway.
    fn left(&self, key: &str) -> Option<(Folder, usize)> {
        match Key::read(key)? {
            Key::Left(id, number) => Some((Folder::of(&self.work, id), number)),
            Key::Log(_) => None,
        }
    }
}

impl Attachments for Files {
    fn open<'a>(
        &'a self,
        key: &'a str,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Attachment, String>> {
        let (files, key, name) = (self.clone(), key.to_owned(), name.to_owned());
        Box::pin(async move {
            tokio::task::spawn_blocking(move || files.compose(&key, &name))
                .await
                .map_err(|_| "The file cannot be read.".to_owned())?
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
fn matches(folder: &Path, found: &Found, name: &str) -> Result<Attachment, String> {
    let failed = |error: io::Error| format!("The lines cannot be sent: {error}.");
    let log =
        LogReader::open(folder, found.job).map_err(|_| "The log is no longer kept.".to_owned())?;
    let scratch = scratch(folder, found.job);
    let mut file = File::create(scratch.path()).map_err(failed)?;
    let until = Instant::now() + SEARCH;
    let matches = output::write_found(&log, found, &mut file, until).map_err(failed)?;
    if matches == 0 {
        return Err("Nothing matches any more.".to_owned());
    }
    let size = file.metadata().map_err(failed)?.len();
    if size > text::DOCUMENT_BYTES {
        return Err(format!(
            "They are {}, and Telegram takes {}. Search for something rarer.",
            text::bytes(size),
            text::bytes(text::DOCUMENT_BYTES)
        ));
    }
    Ok(Attachment::new(Content::Scratch(scratch), name))
}

fn scratch(folder: &Path, id: JobId) -> Scratch {
    Scratch::new(folder.join(format!("send-{id}-{}", ulid::Ulid::generate())))
}

fn log(folder: &Path, id: JobId, name: &str) -> Result<Attachment, String> {
    let log = LogReader::open(folder, id).map_err(|_| "The log is no longer kept.".to_owned())?;
    if log.is_empty() {
        return Err("It printed nothing.".to_owned());
    }
    write_out(folder, &log, id, name).map_err(|error| format!("The log cannot be sent: {error}."))
}

fn write_out(folder: &Path, log: &LogReader, id: JobId, name: &str) -> io::Result<Attachment> {
    let scratch = scratch(folder, id);
    let mut file = File::create(scratch.path())?;
    if log.len() <= text::DOCUMENT_BYTES {
        log.copy_to(&mut file)?;
        return Ok(Attachment::new(Content::Scratch(scratch), name));
    }
    let mut gzip = GzEncoder::new(file, Compression::default());
    log.copy_to(&mut gzip)?;
    gzip.finish()?.flush()?;
    let size = std::fs::metadata(scratch.path())?.len();
    if size > text::DOCUMENT_BYTES {
        return Err(io::Error::other(format!(
            "it is {} even compressed, and Telegram takes {}; it is kept on the server as job {id}",
            text::bytes(size),
            text::bytes(text::DOCUMENT_BYTES)
        )));
    }
    let mut attachment = Attachment::new(Content::Scratch(scratch), format!("{name}.gz"));
    attachment.note = Some(format!("Compressed from {}.", text::bytes(log.len())));
    Ok(attachment)
}

fn left(folder: &Folder, number: usize, name: &str) -> Result<Attachment, String> {
    let gone = |_| format!("The file {name} is no longer on the server.");
    let mut file = folder.open(number).map_err(gone)?;
    let size = file.metadata().map_err(gone)?.len();
    if size == 0 || size > text::DOCUMENT_BYTES {
        return Err(format!(
            "The file {name} cannot be sent: it has {} by now.",
            text::bytes(size)
        ));
    }
    let picture = is_picture(&file, size);
    file.rewind().map_err(gone)?;
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
        assert!(matches!(Key::read("out:7:2"), Some(Key::Left(JobId(7), 2))));
    }
}
