//! Reads the log of one job while its writer may go on: all of it, or from any point.

use super::{head_path, length, line_start, size, tail_path};
use crate::base::ids::JobId;
use crate::base::text::grouped;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// The log of one job as it was when it was opened, while its writer may go on.
pub struct LogReader {
    pub(super) parts: Vec<Part>,
}

/// One file of a log.
pub(super) struct Part {
    pub start: u64,
    pub len: u64,
    file: File,
}

/// A piece of the log as it is read: a file, or the line that says what is missing.
enum Piece<'a> {
    Kept(&'a Part),
    Note(String),
}

impl Piece<'_> {
    fn len(&self) -> u64 {
        match self {
            Piece::Kept(part) => part.len,
            Piece::Note(text) => length(text.len()),
        }
    }
}

impl LogReader {
    /// Opens a job's log in `dir`.
    ///
    /// # Errors
    /// `NotFound` when there is none; else the disk's.
    pub fn open(dir: &Path, id: JobId) -> io::Result<Self> {
        let tail = tail_path(dir, id);
        // A segment may go between being listed and being opened; then there are newer ones.
        let mut segments = open_segments(&tail);
        for _ in 0..3 {
            match &segments {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    segments = open_segments(&tail);
                }
                _ => break,
            }
        }
        // Every part is opened after a later one was listed: then it is complete, and no gap is seen where there is none.
        let segments = segments?;
        let mut parts = vec![Part::open(0, &head_path(dir, id))?];
        parts.extend(segments);
        Ok(Self { parts })
    }

    /// How many bytes of output are kept.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.parts.iter().map(|part| part.len).sum()
    }

    /// Whether nothing is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many bytes of output are missing before the end of what is kept.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        let end = self.parts.last().map_or(0, |part| part.start + part.len);
        end - self.len()
    }

    /// The whole log, with a line `… 12,345,678 bytes left out here …` wherever something is missing.
    ///
    /// # Errors
    /// The disk's.
    pub fn read(&self) -> io::Result<impl Read + '_> {
        self.read_from(0)
    }

    /// Copies what [`LogReader::read`] gives and returns its length in bytes.
    ///
    /// # Errors
    /// The disk's, or those of `out`.
    pub fn copy_to(&self, out: &mut impl Write) -> io::Result<u64> {
        io::copy(&mut self.read()?, out)
    }

    /// The last `max` bytes of what [`LogReader::read`] gives, from the start of a line where one starts in them.
    ///
    /// # Errors
    /// The disk's.
    pub fn tail(&self, max: usize) -> io::Result<Vec<u8>> {
        let whole: u64 = self.pieces()?.iter().map(Piece::len).sum();
        let skipped = whole.saturating_sub(length(max));
        let mut bytes = Vec::new();
        self.read_from(skipped)?.read_to_end(&mut bytes)?;
        if skipped > 0 {
            bytes.drain(..line_start(&bytes));
        }
        Ok(bytes)
    }

    fn pieces(&self) -> io::Result<Vec<Piece<'_>>> {
        let mut pieces = Vec::new();
        let mut end = 0;
        let mut in_line = false;
        for part in &self.parts {
            if part.start > end {
                let newline = if in_line { "\n" } else { "" };
                let missing = grouped(part.start - end);
                pieces.push(Piece::Note(format!(
                    "{newline}… {missing} bytes left out here …\n"
                )));
            }
            end = part.start + part.len;
            in_line = part.ends_in_line()?.unwrap_or(in_line);
            pieces.push(Piece::Kept(part));
        }
        Ok(pieces)
    }

    pub(super) fn read_from(&self, mut skipped: u64) -> io::Result<impl Read + '_> {
        let mut all: Box<dyn Read + '_> = Box::new(io::empty());
        for piece in self.pieces()? {
            let skip = skipped.min(piece.len());
            skipped -= skip;
            all = match piece {
                Piece::Kept(part) => Box::new(all.chain(PartReader { part, at: skip })),
                Piece::Note(note) => {
                    let bytes = note
                        .as_bytes()
                        .iter()
                        .copied()
                        .skip(size(skip))
                        .collect::<Vec<u8>>();
                    Box::new(all.chain(io::Cursor::new(bytes)))
                }
            };
        }
        Ok(all)
    }
}

impl Part {
    fn open(start: u64, path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let len = file.metadata()?.len();
        Ok(Self { start, len, file })
    }

    /// Whether the last byte is no newline; `None` when there is no byte.
    fn ends_in_line(&self) -> io::Result<Option<bool>> {
        let mut last = [0];
        if self.len == 0 {
            return Ok(None);
        }
        self.file.read_exact_at(&mut last, self.len - 1)?;
        Ok(Some(last != *b"\n"))
    }
}

/// Reads a part up to the length it had when it was opened.
pub(super) struct PartReader<'a> {
    pub part: &'a Part,
    pub at: u64,
}

impl Read for PartReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let room = buffer.len().min(size(self.part.len - self.at));
        let read = self.part.file.read_at(&mut buffer[..room], self.at)?;
        self.at += length(read);
        Ok(read)
    }
}

/// The segments in a folder, oldest first; none when there is no folder.
fn open_segments(folder: &Path) -> io::Result<Vec<Part>> {
    let mut starts: Vec<u64> = Vec::new();
    match fs::read_dir(folder) {
        Ok(entries) => {
            for entry in entries {
                starts.extend(
                    entry?
                        .file_name()
                        .to_str()
                        .and_then(|name| name.parse::<u64>().ok()),
                );
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    starts.sort_unstable();
    starts
        .into_iter()
        .map(|start| Part::open(start, &folder.join(start.to_string())))
        .collect()
}
