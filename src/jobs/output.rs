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
mod tests {
    use super::*;
    use proptest::prelude::{prop, prop_assert, prop_assert_eq, proptest};

    const ID: JobId = JobId(12);

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().expect("a temporary folder")
    }

    fn whole(dir: &Path) -> Vec<u8> {
        let mut bytes = Vec::new();
        LogReader::open(dir, ID)
            .and_then(|log| log.copy_to(&mut bytes))
            .expect("a readable log");
        bytes
    }

    fn on_disk(dir: &Path) -> u64 {
        let log = LogReader::open(dir, ID).expect("a log");
        log.parts.iter().map(|part| part.len).sum()
    }

    /// Numbered lines of ten bytes each, so that any piece tells where it stood.
    fn numbered(lines: usize) -> Vec<u8> {
        (0..lines)
            .flat_map(|n| format!("{n:09}\n").into_bytes())
            .collect()
    }

    #[test]
    fn output_up_to_the_limit_is_kept_whole() {
        for max in [4096, 4097, 4098, 4099] {
            let dir = folder();
            let bytes = vec![b'x'; usize::try_from(max).unwrap()];
            let mut log = LogWriter::create(dir.path(), ID, max).unwrap();
            for piece in bytes.chunks(700) {
                log.write(piece).unwrap();
            }
            assert_eq!((log.total(), log.dropped(), log.lost()), (max, 0, 0));
            assert_eq!(whole(dir.path()), bytes);
        }
    }

    #[test]
    fn of_longer_output_head_and_tail_are_kept_and_the_rest_is_counted() {
        let dir = folder();
        let bytes = numbered(10_000);
        let mut log = LogWriter::create(dir.path(), ID, 8000).unwrap();
        for piece in bytes.chunks(333) {
            log.write(piece).unwrap();
            assert!(on_disk(dir.path()) <= 8000);
        }
        let reader = LogReader::open(dir.path(), ID).unwrap();
        assert_eq!(reader.dropped(), log.dropped());
        assert_eq!(reader.len() + reader.dropped(), 100_000);
        assert!(
            reader.len() >= 6000,
            "three quarters at least: {}",
            reader.len()
        );
        let text = String::from_utf8(whole(dir.path())).unwrap();
        assert!(text.starts_with("000000000\n") && text.ends_with("\n000009999\n"));
        let note = format!("\n… {} bytes left out here …\n", grouped(log.dropped()));
        assert!(text.contains(&note), "{note}");
        assert_eq!(text.matches('…').count(), 2);
    }

    #[test]
    fn an_older_log_of_the_job_is_replaced_and_a_removed_one_is_gone() {
        let dir = folder();
        let mut log = LogWriter::create(dir.path(), ID, 0).unwrap();
        log.write(&numbered(1000)).unwrap();
        let mut log = LogWriter::create(dir.path(), ID, 0).unwrap();
        log.write(b"new").unwrap();
        assert_eq!(whole(dir.path()), b"new");
        remove(dir.path(), ID).unwrap();
        remove(dir.path(), ID).unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        let missing = LogReader::open(dir.path(), ID)
            .err()
            .map(|error| error.kind());
        assert_eq!(missing, Some(io::ErrorKind::NotFound));
    }

    #[test]
    fn a_log_is_for_its_owner_only() {
        use std::os::unix::fs::PermissionsExt;
        let dir = folder();
        let logs = dir.path().join("a/logs");
        LogWriter::create(&logs, ID, 0).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&logs), 0o700);
        assert_eq!(mode(&head_path(&logs, ID)), 0o600);
    }

    #[test]
    fn a_reader_keeps_its_log_while_the_writer_goes_on() {
        let dir = folder();
        let mut log = LogWriter::create(dir.path(), ID, 4096).unwrap();
        log.write(&numbered(500)).unwrap();
        let before = whole(dir.path());
        let reader = LogReader::open(dir.path(), ID).unwrap();
        log.write(&numbered(5000)).unwrap();
        let mut after = Vec::new();
        reader.copy_to(&mut after).unwrap();
        assert_eq!(after, before);
    }

    #[test]
    fn the_tail_starts_with_a_line_and_tells_what_is_missing() {
        let dir = folder();
        let mut log = LogWriter::create(dir.path(), ID, 4000).unwrap();
        log.write(&numbered(10_000)).unwrap();
        let reader = LogReader::open(dir.path(), ID).unwrap();
        assert_eq!(reader.tail(25).unwrap(), b"000009998\n000009999\n");
        let everything = reader.tail(1_000_000).unwrap();
        assert_eq!(everything, whole(dir.path()));
        let most = String::from_utf8(reader.tail(everything.len() - 1).unwrap()).unwrap();
        assert!(most.starts_with("000000001\n") && most.contains("bytes left out here"));
    }

    /// A disk of 64 KiB, where the system lets us have one.
    struct SmallDisk(tempfile::TempDir);

    impl SmallDisk {
        fn mount() -> Option<Self> {
            let dir = folder();
            let done = std::process::Command::new("mount")
                .args(["-t", "tmpfs", "-o", "size=64k,mode=700", "tmpfs"])
                .arg(dir.path())
                .stderr(std::process::Stdio::null())
                .status();
            done.is_ok_and(|status| status.success())
                .then_some(Self(dir))
        }
    }

    impl Drop for SmallDisk {
        fn drop(&mut self) {
            let _ = std::process::Command::new("umount")
                .arg(self.0.path())
                .status();
        }
    }

    #[test]
    fn a_full_disk_is_told_once_and_the_log_goes_on_when_there_is_room() {
        let Some(disk) = SmallDisk::mount() else {
            eprintln!("left out: mounting a small disk needs root");
            return;
        };
        let dir = disk.0.path();
        let filler = dir.join("filler");
        fs::write(&filler, vec![0; 40 * 1024]).unwrap();
        let mut log = LogWriter::create(dir, ID, 1024 * 1024).unwrap();
        log.retry_after = Duration::ZERO;
        let bytes = numbered(1000);
        let errors = (0..10).filter(|_| log.write(&bytes).is_err()).count();
        assert_eq!(errors, 1, "said once");
        assert_eq!(log.total(), 100_000);
        assert!(log.lost() > 70_000 && log.dropped() == 0);
        fs::remove_file(filler).unwrap();
        log.write(b"room again\n").unwrap();
        let reader = LogReader::open(dir, ID).unwrap();
        assert_eq!(reader.dropped(), log.lost());
        let text = String::from_utf8(whole(dir)).unwrap();
        let end = format!(
            "… {} bytes left out here …\nroom again\n",
            grouped(log.lost())
        );
        assert!(text.ends_with(&end), "{end}");
    }

    #[test]
    fn a_failing_disk_is_left_alone_for_a_while() {
        let dir = folder();
        let mut log = LogWriter::create(dir.path(), ID, 4096).unwrap();
        let full = fs::OpenOptions::new()
            .write(true)
            .open("/dev/full")
            .unwrap();
        log.file = Some(Open {
            file: full,
            len: 0,
            max: 4096,
        });
        assert_eq!(
            log.write(b"one").map_err(|error| error.kind()),
            Err(io::ErrorKind::StorageFull)
        );
        log.write(b"two").unwrap();
        assert_eq!(log.lost(), 6, "not tried so soon");
        log.retry_after = Duration::ZERO;
        log.write(b"three").unwrap();
        assert_eq!(
            whole(dir.path()),
            "… 6 bytes left out here …\nthree".as_bytes()
        );
    }

    #[test]
    fn a_search_finds_lines_in_any_case_with_their_neighbours() {
        let dir = folder();
        let mut log = LogWriter::create(dir.path(), ID, 1_000_000).unwrap();
        log.write("a\nb\nERROR one\nc\nd\ne\nОшибка\nerror two\nf\nerror three".as_bytes())
            .unwrap();
        let reader = LogReader::open(dir.path(), ID).unwrap();
        let found = reader.grep("Error", 1, 2).unwrap();
        let lines: Vec<_> = found
            .lines
            .iter()
            .map(|line| (line.number, line.text.as_str(), line.matches))
            .collect();
        assert_eq!(
            lines,
            [
                (2, "b", false),
                (3, "ERROR one", true),
                (4, "c", false),
                (7, "Ошибка", false),
                (8, "error two", true),
                (9, "f", false),
            ]
        );
        assert_eq!(found.matches, 3);
        assert_eq!(reader.grep("ОШИБКА", 0, 9).unwrap().matches, 1);
        assert_eq!(
            reader.grep(".*", 0, 9).unwrap(),
            Search::default(),
            "plain text, no pattern"
        );
    }

    #[test]
    fn a_search_looks_through_lines_of_any_length() {
        let dir = folder();
        let mut log = LogWriter::create(dir.path(), ID, 10_000_000).unwrap();
        for shift in 0..12 {
            let filler = "é".repeat(WINDOW_BYTES / 2 * 3 - shift);
            log.write(format!("{filler}needle{filler}\n").as_bytes())
                .unwrap();
        }
        let reader = LogReader::open(dir.path(), ID).unwrap();
        let found = reader.grep("NEEDLE", 0, 99).unwrap();
        assert_eq!((found.matches, found.lines.len()), (12, 12));
        for line in found.lines {
            assert!(line.text.len() < SHOWN_LINE_BYTES + 10);
            assert!(line.text.contains("éneedleé") && !line.text.contains('\u{FFFD}'));
        }
    }

    #[test]
    fn the_latest_output_starts_with_a_line() {
        let mut tail = Tail::default();
        tail.push(b"one\ntwo");
        assert_eq!(
            (tail.bytes(), tail.total(), tail.lines()),
            (&b"one\ntwo"[..], 7, 2)
        );
        tail.push(&numbered(20_000));
        assert!(tail.bytes().len() <= TAIL_BYTES && tail.bytes().len() > TAIL_BYTES - 10);
        assert!(tail.bytes().ends_with(b"\n000019999\n"));
        assert_eq!(tail.bytes().len() % 10, 0, "whole lines");
        assert_eq!((tail.total(), tail.lines()), (200_007, 20_001));
        tail.push("é".repeat(TAIL_BYTES).as_bytes());
        assert!(std::str::from_utf8(tail.bytes()).is_ok());
    }

    proptest! {
        #[test]
        fn wherever_the_writer_stops_the_reader_accounts_for_every_byte(
            pieces in prop::collection::vec(1usize..3000, 0..30), max in 4096u64..9000,
        ) {
            let dir = folder();
            let all = numbered(10_000);
            let mut log = LogWriter::create(dir.path(), ID, max).unwrap();
            let mut at = 0;
            for piece in pieces {
                log.write(&all[at..at + piece]).unwrap();
                at += piece;
            }
            let (total, dropped) = (log.total(), log.dropped());
            drop(log);
            let reader = LogReader::open(dir.path(), ID).unwrap();
            prop_assert_eq!(total, length(at));
            prop_assert_eq!(reader.dropped(), dropped);
            prop_assert_eq!(reader.len() + dropped, total);
            prop_assert!(reader.len() <= max && (dropped == 0) == (total <= max));
            for part in &reader.parts {
                let mut bytes = Vec::new();
                PartReader { part, at: 0 }.read_to_end(&mut bytes).unwrap();
                prop_assert_eq!(&bytes, &all[size(part.start)..size(part.start + part.len)]);
            }
        }
    }
}
