//! New lines of a log that grows, is moved away, or is emptied.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::{DirEntryExt, MetadataExt};
use std::path::{Path, PathBuf};

/// Read at once, and the longest line; a longer one counts as several.
const BUFFER: usize = 64 * 1024;
/// The most that one look reads, in bytes; the rest is for the next.
const MAX_BYTES: u64 = 64 << 20;
/// So many bytes before the place tell whether the file was written anew.
const PRINT: u64 = 64;

/// How far a log was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    device: u64,
    inode: u64,
    offset: u64,
    print: String,
}

/// Gives each line that was added since to `take`, without its end, and returns how far it was read. Without a place, it
/// begins at the end. A line that is not ended yet is left for the next look.
///
/// # Errors
/// The disk's; then nothing is lost, the place still counts.
pub fn read_new(
    path: &Path,
    place: Option<&Place>,
    mut take: impl FnMut(&[u8]),
) -> io::Result<Place> {
    let mut file = File::open(path)?;
    let meta = file.metadata()?;
    let Some(place) = place else {
        return Place::at(&mut file, meta.len());
    };
    let same = (meta.dev(), meta.ino()) == (place.device, place.inode);
    if same {
        let from = match place.fits(&mut file)? {
            true => place.offset,
            // Emptied, and perhaps grown beyond the place since.
            false => 0,
        };
        let end = read_lines(&mut file, from, &mut take)?;
        return Place::at(&mut file, end);
    }
    if let Some(moved) = place.moved(path)? {
        let mut old = File::open(moved)?;
        if place.fits(&mut old)? {
            read_lines(&mut old, place.offset, &mut take)?;
        }
    }
    let end = read_lines(&mut file, 0, &mut take)?;
    Place::at(&mut file, end)
}

impl Place {
    fn at(file: &mut File, offset: u64) -> io::Result<Self> {
        let meta = file.metadata()?;
        Ok(Self {
            device: meta.dev(),
            inode: meta.ino(),
            offset,
            print: print(file, offset)?,
        })
    }

    /// Whether the file still holds what stood before the place.
    fn fits(&self, file: &mut File) -> io::Result<bool> {
        Ok(file.metadata()?.len() >= self.offset && print(file, self.offset)? == self.print)
    }

    /// Where the file of the place is now, if it was moved within its folder.
    fn moved(&self, path: &Path) -> io::Result<Option<PathBuf>> {
        let Some(folder) = path.parent() else {
            return Ok(None);
        };
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            if entry.ino() == self.inode && entry.metadata()?.dev() == self.device {
                return Ok(Some(entry.path()));
            }
        }
        Ok(None)
    }
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

/// Reads whole lines, and returns where the next one begins.
fn read_lines(file: &mut File, from: u64, take: &mut impl FnMut(&[u8])) -> io::Result<u64> {
    file.seek(SeekFrom::Start(from))?;
    let mut reader = BufReader::with_capacity(BUFFER, file);
    let mut line = Vec::new();
    let mut at = from;
    while at - from < MAX_BYTES {
        line.clear();
        let read = reader
            .by_ref()
            .take(BUFFER as u64)
            .read_until(b'\n', &mut line)?;
        let ended = line.ends_with(b"\n");
        if read == 0 || !ended && read < BUFFER {
            break;
        }
        at += read as u64;
        take(line.strip_suffix(b"\n").unwrap_or(&line));
    }
    Ok(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    struct Log {
        dir: tempfile::TempDir,
        place: Option<Place>,
    }

    impl Log {
        fn path(&self) -> PathBuf {
            self.dir.path().join("log")
        }

        fn write(&self, text: &str) {
            let mut file = File::options()
                .append(true)
                .create(true)
                .open(self.path())
                .unwrap();
            file.write_all(text.as_bytes()).unwrap();
        }

        fn look(&mut self) -> Vec<String> {
            let mut lines = Vec::new();
            let take = |line: &[u8]| lines.push(String::from_utf8_lossy(line).into_owned());
            self.place = Some(read_new(&self.path(), self.place.as_ref(), take).unwrap());
            lines
        }
    }

    #[test]
    fn each_line_is_seen_once_whatever_is_done_to_the_log() {
        let mut log = Log {
            dir: tempfile::tempdir().unwrap(),
            place: None,
        };
        log.write("before\n");
        assert_eq!(log.look(), [""; 0], "what was there is old");
        log.write("one\ntwo\nhal");
        assert_eq!(log.look(), ["one", "two"]);
        assert_eq!(log.look(), [""; 0]);
        log.write("f\n");
        assert_eq!(log.look(), ["half"]);
        // Moved away with a line that nobody saw, and begun anew.
        log.write("last\n");
        fs::rename(log.path(), log.dir.path().join("log.1")).unwrap();
        assert!(read_new(&log.path(), log.place.as_ref(), |_| ()).is_err());
        log.write("first\n");
        assert_eq!(log.look(), ["last", "first"]);
        // Copied and emptied, and grown to more than before.
        log.write("a line that is lost by copying\n");
        log.look();
        let longer = "x".repeat(200);
        fs::write(log.path(), "").unwrap();
        log.write(&format!("{longer}\n"));
        assert_eq!(log.look(), [longer]);
        fs::write(log.path(), "short\n").unwrap();
        assert_eq!(log.look(), ["short"]);
        // A line without an end is no reason to hold all of it.
        log.write(&"y".repeat(BUFFER + 10));
        assert_eq!(log.look(), ["y".repeat(BUFFER)]);
    }
}
