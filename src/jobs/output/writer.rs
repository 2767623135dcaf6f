//! Writes the log of one job: head and tail within a limit, whatever the disk does.

use super::{head_path, ignore_missing, private_file, private_folder, remove_own, tail_path};
use crate::base::ids::JobId;
use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long a full disk is left alone before the next try.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// The most segments kept, so that a disk that is full again and again makes no heap of files.
const MAX_SEGMENTS: usize = 16;
/// The least size of a log, in bytes; below it segments would be too small to be worth their files.
const MIN_LOG_BYTES: u64 = 4096;

/// Writes the log of one job.
pub struct LogWriter {
    tail: PathBuf,
    segment_max: u64,
    pub(super) file: Option<Open>,
    /// Start and length of every segment on disk, oldest first.
    segments: VecDeque<(u64, u64)>,
    /// Bytes taken so far, written or not: the position in the output.
    position: u64,
    head_len: u64,
    lost: u64,
    failed_at: Option<Instant>,
    pub(super) retry_after: Duration,
}

/// The file that is written to.
pub(super) struct Open {
    pub file: File,
    pub len: u64,
    pub max: u64,
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
        remove_own(dir, id)?;
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
