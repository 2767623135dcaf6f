//! What a job printed: the log on disk, which keeps head and tail within a limit, and the latest part in memory.
//!
//! The head is `<id>.log`. What does not fit goes to segments in the folder `<id>.log.tail`, each named by the position in
//! the output at which it starts; old ones are removed. So what is missing shows in names and sizes alone, whenever
//! the writer stopped. All calls block on the disk.

use crate::base::ids::JobId;
use regex::bytes::{Regex, RegexBuilder};
use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long a full disk is left alone before the next try.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// The most segments kept, so that a disk that is full again and again makes no heap of files.
const MAX_SEGMENTS: usize = 16;
/// The least size of a log, in bytes; below it segments would be too small to be worth their files.
const MIN_LOG_BYTES: u64 = 4096;
/// The longest part of a line that a search shows, in bytes.
const SHOWN_LINE_BYTES: usize = 400;
/// The longest part of a line that a search looks at in one go, in bytes.
const WINDOW_BYTES: usize = 64 * 1024;
/// How much of the latest output [`Tail`] keeps, in bytes.
pub const TAIL_BYTES: usize = 64 * 1024;

/// Writes the log of one job.
pub struct LogWriter {
    tail: PathBuf,
    segment_max: u64,
    file: Option<Open>,
    /// Start and length of every segment on disk, oldest first.
    segments: VecDeque<(u64, u64)>,
    /// Bytes taken so far, written or not: the position in the output.
    position: u64,
    head_len: u64,
    lost: u64,
    failed_at: Option<Instant>,
    retry_after: Duration,
}

/// The file that is written to.
struct Open {
    file: File,
    len: u64,
    max: u64,
}

impl LogWriter {
    /// Starts the log of a job in `dir` (made when missing), at most `max_bytes` (at least 4 KiB) on disk; an older log of
    /// the job is removed. Up to `max_bytes` nothing is left out; of more, the first half and at least the last quarter stay.
    ///
    /// # Errors
    /// When the head cannot be created.
    pub fn create(dir: &Path, id: JobId, max_bytes: u64) -> io::Result<Self> {
        let max = max_bytes.max(MIN_LOG_BYTES);
        let segment_max = max / 4;
        let head_max = max - 2 * segment_max;
        private_folder(dir)?;
        remove(dir, id)?;
        let file = private_file(&head_path(dir, id))?;
        Ok(Self {
            file: Some(Open {
                file,
                len: 0,
                max: head_max,
            }),
            tail: tail_path(dir, id),
            segment_max,
            segments: VecDeque::new(),
            position: 0,
            head_len: 0,
            lost: 0,
            failed_at: None,
            retry_after: RETRY_AFTER,
        })
    }

    /// Appends to the log. After an error the writer takes and counts what comes without writing it, and tries the disk
    /// again a second later: the error of a full disk is returned once, and the job goes on.
    ///
    /// # Errors
    /// The disk's, once for each time that it stops working.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self
            .failed_at
            .is_some_and(|at| at.elapsed() < self.retry_after)
        {
            self.skip(bytes.len());
            return Ok(());
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            match self.write_some(rest) {
                Ok(written) => {
                    self.failed_at = None;
                    rest = &rest[written..];
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    let told = self.failed_at.replace(Instant::now()).is_some();
                    self.file = None;
                    self.skip(rest.len());
                    return if told { Ok(()) } else { Err(error) };
                }
            }
        }
        Ok(())
    }

    /// How many bytes were taken, kept or not.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.position
    }

    /// How many bytes the limit left out of the middle.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.position - self.head_len - self.tail_len() - self.lost
    }

    /// How many bytes the disk did not take.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost
    }

    fn skip(&mut self, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.position += bytes;
        self.lost += bytes;
    }

    /// Writes as much as the current file has room for, going on to a new segment when it has none.
    fn write_some(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let open = match &mut self.file {
            Some(open) if open.len < open.max => open,
            _ => {
                let open = self.next_segment()?;
                self.file.insert(open)
            }
        };
        let room = usize::try_from(open.max - open.len).unwrap_or(usize::MAX);
        let written = open.file.write(&bytes[..room.min(bytes.len())])?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        let length = u64::try_from(written).unwrap_or(u64::MAX);
        open.len += length;
        self.position += length;
        match self.segments.back_mut() {
            Some((_, len)) => *len += length,
            None => self.head_len += length,
        }
        Ok(written)
    }

    fn next_segment(&mut self) -> io::Result<Open> {
        if let Some((start, 0)) = self.segments.back().copied() {
            ignore_missing(fs::remove_file(self.tail.join(start.to_string())))?;
            self.segments.pop_back();
        }
        while self.segments.len() >= MAX_SEGMENTS || self.tail_len() > self.segment_max {
            let Some((oldest, _)) = self.segments.pop_front() else {
                break;
            };
            ignore_missing(fs::remove_file(self.tail.join(oldest.to_string())))?;
        }
        private_folder(&self.tail)?;
        let file = private_file(&self.tail.join(self.position.to_string()))?;
        self.segments.push_back((self.position, 0));
        Ok(Open {
            file,
            len: 0,
            max: self.segment_max,
        })
    }

    fn tail_len(&self) -> u64 {
        self.segments.iter().map(|(_, len)| len).sum()
    }
}

/// The log of one job as it was when it was opened, while its writer may go on.
pub struct LogReader {
    parts: Vec<Part>,
}

/// One file of a log.
struct Part {
    start: u64,
    len: u64,
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

/// What a search in a log found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Search {
    /// The first lines that match, with the lines around them, in order.
    pub lines: Vec<FoundLine>,
    /// How many lines match in all.
    pub matches: u64,
}

/// One line of a [`Search`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundLine {
    /// Which line of the log it is, counted from 1.
    pub number: u64,
    /// The line as printed, without its newline; invalid UTF-8 replaced, a long line cut to the part around the match.
    pub text: String,
    /// Whether it matches itself, or only stands beside one that does.
    pub matches: bool,
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

    /// Searches the log, as [`LogReader::read`] gives it, for a plain text, letter case aside. Returns the first `limit` lines that
    /// match, each with `context` lines before and after it, and counts all. Memory is bounded whatever the lines' length.
    ///
    /// # Errors
    /// The disk's.
    pub fn grep(&self, text: &str, context: usize, limit: usize) -> io::Result<Search> {
        let pattern = RegexBuilder::new(&regex::escape(text))
            .case_insensitive(true)
            .build()
            .map_err(io::Error::other)?;
        let mut lines = Lines::new(self.read()?, &pattern, text.len());
        let mut search = Search::default();
        let mut before: VecDeque<FoundLine> = VecDeque::new();
        let mut after = 0;
        while let Some(line) = lines.next_line()? {
            let wanted = line.matches && search.matches < length(limit);
            search.matches += u64::from(line.matches);
            if wanted {
                search.lines.extend(before.drain(..));
                search.lines.push(line);
                after = context;
            } else if after > 0 {
                search.lines.push(line);
                after -= 1;
            } else {
                before.push_back(line);
                if before.len() > context {
                    before.pop_front();
                }
            }
        }
        Ok(search)
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

    fn read_from(&self, mut skipped: u64) -> io::Result<impl Read + '_> {
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
struct PartReader<'a> {
    part: &'a Part,
    at: u64,
}

impl Read for PartReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let room = buffer.len().min(size(self.part.len - self.at));
        let read = self.part.file.read_at(&mut buffer[..room], self.at)?;
        self.at += length(read);
        Ok(read)
    }
}

/// Cuts a log into lines, looking for a pattern in each without ever holding a long one whole.
struct Lines<'p, R> {
    input: BufReader<R>,
    pattern: &'p Regex,
    /// How much of a long line's window is looked at again with the next, so that no match is cut in two.
    overlap: usize,
    number: u64,
}

impl<'p, R: Read> Lines<'p, R> {
    fn new(input: R, pattern: &'p Regex, pattern_len: usize) -> Self {
        Self {
            input: BufReader::with_capacity(WINDOW_BYTES, input),
            pattern,
            // A letter in the other case may be longer, at most four bytes for one.
            overlap: pattern_len * 4,
            number: 0,
        }
    }

    fn next_line(&mut self) -> io::Result<Option<FoundLine>> {
        let mut window = Vec::new();
        let mut shown: Option<Vec<u8>> = None;
        let mut matches = false;
        loop {
            let before = window.len();
            let limit = length(WINDOW_BYTES + self.overlap - before.min(self.overlap));
            let read = (&mut self.input)
                .take(limit)
                .read_until(b'\n', &mut window)?;
            if read == 0 && shown.is_none() && window.is_empty() {
                return Ok(None);
            }
            let ended = read == 0 || window.ends_with(b"\n");
            let line = window.strip_suffix(b"\n").unwrap_or(&window);
            if !matches && let Some(found) = self.pattern.find(line) {
                matches = true;
                shown = Some(around(line, found.start()));
            }
            shown.get_or_insert_with(|| around(line, 0));
            if ended {
                break;
            }
            window.drain(..window.len().saturating_sub(self.overlap));
        }
        self.number += 1;
        Ok(Some(FoundLine {
            number: self.number,
            text: String::from_utf8_lossy(&shown.unwrap_or_default()).into_owned(),
            matches,
        }))
    }
}

/// The part of a line to show: from its start when `at` is near it, else from a little before `at`.
fn around(line: &[u8], at: usize) -> Vec<u8> {
    let start = if at < SHOWN_LINE_BYTES / 2 {
        0
    } else {
        at - SHOWN_LINE_BYTES / 4
    };
    let start = char_start(line, start);
    let end = char_start(line, line.len().min(start + SHOWN_LINE_BYTES));
    let mut shown = Vec::new();
    shown.extend_from_slice(if start > 0 { "…".as_bytes() } else { b"" });
    shown.extend_from_slice(&line[start..end]);
    shown.extend_from_slice(if end < line.len() {
        "…".as_bytes()
    } else {
        b""
    });
    shown
}

/// The next byte from `at` on that can start a UTF-8 character.
fn char_start(bytes: &[u8], at: usize) -> usize {
    let ahead = bytes[at..].iter().take(3);
    at + ahead
        .take_while(|byte| (0x80..0xC0).contains(*byte))
        .count()
}

/// Where the first whole line starts; when none does, the first whole character.
fn line_start(bytes: &[u8]) -> usize {
    match bytes.iter().position(|byte| *byte == b'\n') {
        Some(newline) if newline + 1 < bytes.len() => newline + 1,
        _ => char_start(bytes, 0),
    }
}

/// The latest output of a running job, in memory.
#[derive(Clone, Debug, Default)]
pub struct Tail {
    bytes: Vec<u8>,
    total: u64,
    lines: u64,
    in_line: bool,
}

impl Tail {
    /// Adds what was printed (already masked); only the last [`TAIL_BYTES`] are kept.
    pub fn push(&mut self, bytes: &[u8]) {
        let Some(last) = bytes.last() else {
            return;
        };
        self.total += length(bytes.len());
        self.lines += length(bytes.iter().filter(|byte| **byte == b'\n').count());
        self.in_line = *last != b'\n';
        self.bytes
            .extend_from_slice(&bytes[bytes.len().saturating_sub(TAIL_BYTES)..]);
        if self.bytes.len() > 2 * TAIL_BYTES {
            self.bytes.drain(..self.bytes.len() - TAIL_BYTES);
        }
    }

    /// The latest output: all of it while it fits, else its end from the start of a line where one starts in it.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        let kept = &self.bytes[self.bytes.len().saturating_sub(TAIL_BYTES)..];
        if length(kept.len()) == self.total {
            kept
        } else {
            &kept[line_start(kept)..]
        }
    }

    /// How many bytes were printed in all.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total
    }

    /// How many lines were printed in all, an unfinished last one included.
    #[must_use]
    pub fn lines(&self) -> u64 {
        self.lines + u64::from(self.in_line)
    }
}

/// Removes a job's log; one that is not there is no error.
///
/// # Errors
/// The disk's.
pub fn remove(dir: &Path, id: JobId) -> io::Result<()> {
    ignore_missing(fs::remove_dir_all(tail_path(dir, id)))?;
    ignore_missing(fs::remove_file(head_path(dir, id)))
}

fn head_path(dir: &Path, id: JobId) -> PathBuf {
    dir.join(format!("{id}.log"))
}

fn tail_path(dir: &Path, id: JobId) -> PathBuf {
    dir.join(format!("{id}.log.tail"))
}

fn private_folder(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
}

fn private_file(path: &Path) -> io::Result<File> {
    fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
}

fn ignore_missing(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
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

/// A number with commas between thousands.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn length(size: usize) -> u64 {
    u64::try_from(size).unwrap_or(u64::MAX)
}

fn size(length: u64) -> usize {
    usize::try_from(length).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests;
