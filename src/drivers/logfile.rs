//! New lines of a log that grows, is moved away, or is emptied.

mod older;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs::{File, Metadata};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Read at once, and the longest line; a longer one counts as several.
const BUFFER: usize = 64 * 1024;
/// The most that one look reads, in bytes; the rest is for the next.
const MAX_BYTES: u64 = 64 << 20;
/// So many bytes before the place tell whether the file was written anew.
const PRINT: u64 = 64;

/// How far a log was read. The default is that there was none, so that whatever comes is new.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    mark: Option<Mark>,
}

/// A place in a file, which may have been moved away since.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Mark {
    device: u64,
    inode: u64,
    offset: u64,
    print: String,
    /// When the file was changed last, in nanoseconds since 1970.
    modified: i64,
}

/// Gives each line that was added since to `take`, without its end, and returns how far it was read. Without a place, it
/// begins at the end. A line that is not ended yet is left for the next look.
///
/// # Errors
/// The disk's; then nothing is lost, the place still counts.
pub fn read_new(path: &Path, place: Option<&Place>, take: impl FnMut(&[u8])) -> io::Result<Place> {
    read_some(path, place, MAX_BYTES, take)
}

/// Reads about so many bytes.
fn read_some(
    path: &Path,
    place: Option<&Place>,
    most: u64,
    mut take: impl FnMut(&[u8]),
) -> io::Result<Place> {
    let mut file = File::open(path)?;
    let meta = file.metadata()?;
    let Some(Place { mark }) = place else {
        return Mark::at(&mut file, meta.len()).map(Place::of);
    };
    let mut left = most;
    let mut reached = None;
    if let Some(mark) = mark {
        if identity(&meta) == mark.identity() && mark.fits(&mut file)? {
            let end = read_lines(&mut file, mark.offset, &mut left, false, &mut take)?;
            return Mark::at(&mut file, end).map(Place::of);
        }
        let mut older = older::unread(path, mark, &meta)?.into_iter().peekable();
        while let Some((mut old, from)) = older.next() {
            let over = older.peek().is_some() || meta.len() > 0;
            let end = read_lines(&mut old, from, &mut left, over, &mut take)?;
            reached = Some(Mark::at(&mut old, end)?);
            if left == 0 {
                break;
            }
        }
    }
    match reached {
        // As long as nothing is in the new one, lines may still come to the old one.
        Some(reached) if left == 0 || meta.len() == 0 => Ok(Place::of(reached)),
        Some(_) | None => {
            let end = read_lines(&mut file, 0, &mut left, false, &mut take)?;
            Mark::at(&mut file, end).map(Place::of)
        }
    }
}

impl Place {
    fn of(mark: Mark) -> Self {
        Self { mark: Some(mark) }
    }
}

impl Mark {
    fn at(file: &mut File, offset: u64) -> io::Result<Self> {
        let meta = file.metadata()?;
        let (device, inode) = identity(&meta);
        Ok(Self {
            device,
            inode,
            offset,
            print: print(file, offset)?,
            modified: modified(&meta),
        })
    }

    fn identity(&self) -> (u64, u64) {
        (self.device, self.inode)
    }

    /// Whether the file still holds what stood before the place.
    fn fits(&self, file: &mut File) -> io::Result<bool> {
        Ok(file.metadata()?.len() >= self.offset && print(file, self.offset)? == self.print)
    }
}

fn identity(meta: &Metadata) -> (u64, u64) {
    (meta.dev(), meta.ino())
}

fn modified(meta: &Metadata) -> i64 {
    let seconds = meta.mtime().saturating_mul(1_000_000_000);
    seconds.saturating_add(meta.mtime_nsec())
}

/// Not the bytes themselves: they may be secret, and this is stored.
fn print(file: &mut File, offset: u64) -> io::Result<String> {
    let from = offset.saturating_sub(PRINT);
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.take(offset - from).read_to_end(&mut bytes)?;
    let hash = Sha256::digest(&bytes);
    Ok(hash[..8].iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Reads lines until nothing is left of what may be read, and returns where the next one begins. In a file that is `over`, the
/// last one needs no end.
fn read_lines(
    file: &mut File,
    from: u64,
    left: &mut u64,
    over: bool,
    take: &mut impl FnMut(&[u8]),
) -> io::Result<u64> {
    file.seek(SeekFrom::Start(from))?;
    let mut reader = BufReader::with_capacity(BUFFER, file);
    let mut line = Vec::new();
    let mut at = from;
    while *left > 0 {
        line.clear();
        let read = reader
            .by_ref()
            .take(BUFFER as u64)
            .read_until(b'\n', &mut line)?;
        let ended = line.ends_with(b"\n") || over;
        if read == 0 || !ended && read < BUFFER {
            break;
        }
        at += read as u64;
        *left = left.saturating_sub(read as u64);
        take(line.strip_suffix(b"\n").unwrap_or(&line));
    }
    Ok(at)
}

#[cfg(test)]
mod tests;
