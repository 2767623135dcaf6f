//! The latest output of a running job, in memory.

use super::{length, line_start};

/// How much of the latest output [`Tail`] keeps, in bytes.
pub const TAIL_BYTES: usize = 64 * 1024;

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
