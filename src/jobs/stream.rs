//! The news of a streaming job: what was printed and not yet shown, bounded, cut into messages when they are due.

use crate::base::text;
use crate::delivery::render::{self, Size};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// A piece is due when so much waits, in UTF-16 units.
const PIECE_UNITS: usize = 3000;
/// A piece is due when the oldest of what waits is this old.
const PIECE_AGE: Duration = Duration::from_secs(3);
/// What may wait, in bytes; older output is left out of the chat (never out of the log).
const WAITING: usize = 64 * 1024;
/// Messages that may be made of what waits; the middle of more is left out.
const AT_ONCE: usize = 3;

/// Output that waits to be shown.
#[derive(Debug)]
pub struct Stream {
    size: Size,
    waiting: VecDeque<u8>,
    /// Lines dropped before what waits.
    dropped: u64,
    /// Anything was dropped before what waits, be it a part of a line.
    cut: bool,
    since: Option<Instant>,
    /// Anything was ever left out.
    skipped: bool,
}

/// Messages made of what waited.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Pieces {
    /// Each a message in HTML.
    pub html: Vec<String>,
    /// Something was left out, and its place says how much.
    pub skipped: bool,
}

impl Stream {
    /// The news of a program that writes to a terminal of this size.
    #[must_use]
    pub fn new(size: Size) -> Self {
        Self {
            size,
            waiting: VecDeque::new(),
            dropped: 0,
            cut: false,
            since: None,
            skipped: false,
        }
    }

    /// Adds what was printed.
    pub fn push(&mut self, bytes: &[u8]) {
        self.since.get_or_insert_with(Instant::now);
        let keep = &bytes[bytes.len().saturating_sub(WAITING)..];
        self.dropped += newlines(&bytes[..bytes.len() - keep.len()]);
        self.waiting.extend(keep);
        let over = self.waiting.len().saturating_sub(WAITING);
        if over > 0 || keep.len() < bytes.len() {
            self.skipped = true;
            self.cut = true;
            let gone: Vec<u8> = self.waiting.drain(..over).collect();
            self.dropped += newlines(&gone);
            self.drop_partial_line();
        }
    }

    /// When the next piece is due; `None` when nothing waits.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        let since = self.since?;
        match self.waiting.len() >= PIECE_UNITS {
            true => Some(since),
            false => Some(since + PIECE_AGE),
        }
    }

    /// Takes what waits as messages. Unless `all`, a line that is not complete stays, if a complete one came before it.
    pub fn take(&mut self, all: bool) -> Pieces {
        let bytes = self.waiting.make_contiguous();
        let end = match bytes.iter().rposition(|byte| *byte == b'\n') {
            Some(newline) if !all => newline + 1,
            _ => bytes.len(),
        };
        let taken: Vec<u8> = self.waiting.drain(..end).collect();
        self.since = (!self.waiting.is_empty()).then(Instant::now);
        let before = Gap {
            cut: std::mem::take(&mut self.cut),
            lines: std::mem::take(&mut self.dropped),
        };
        let pieces = pieces(&render::render(&taken, self.size), before);
        self.skipped |= pieces.skipped;
        Pieces {
            skipped: self.skipped,
            ..pieces
        }
    }

    fn drop_partial_line(&mut self) {
        if let Some(newline) = self.waiting.iter().position(|byte| *byte == b'\n')
            && newline + 1 < self.waiting.len()
        {
            self.waiting.drain(..=newline);
            self.dropped += 1;
        }
    }
}

/// What is left out at one place.
#[derive(Clone, Copy)]
struct Gap {
    /// Anything at all.
    cut: bool,
    /// Whole lines of it.
    lines: u64,
}

impl Gap {
    /// The line that stands in its place.
    fn note(self) -> Option<String> {
        let what = match self.lines {
            0 if self.cut => "part of a line".to_owned(),
            0 => return None,
            1 => "1 line".to_owned(),
            many => format!("{} lines", text::grouped(many)),
        };
        Some(format!("… {what} left out here …\n"))
    }
}

fn pieces(shown: &str, mut gap: Gap) -> Pieces {
    let mut parts: Vec<&str> = text::split(shown, PIECE_UNITS);
    parts.retain(|part| !text::is_blank(part));
    let mut html = Vec::new();
    if parts.len() > AT_ONCE {
        let last = parts.pop();
        if !gap.cut {
            html.push(text::pre(parts.remove(0)));
        }
        gap.cut = true;
        gap.lines += parts
            .iter()
            .map(|part| part.lines().count() as u64)
            .sum::<u64>();
        parts = last.into_iter().collect();
    }
    let note = gap.note();
    let mut note = note.unwrap_or_default();
    for part in parts {
        html.push(format!("{note}{}", text::pre(part)));
        note.clear();
    }
    Pieces {
        html,
        skipped: gap.cut,
    }
}

fn newlines(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|byte| **byte == b'\n').count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(pieces: &Pieces) -> Vec<String> {
        pieces.html.iter().map(|h| text::plain_of_html(h)).collect()
    }

    #[test]
    fn a_partial_line_waits_for_its_end() {
        let mut stream = Stream::new(Size::Pipe);
        stream.push(b"one\ntw");
        assert_eq!(plain(&stream.take(false)), ["one"]);
        stream.push(b"o\n");
        assert_eq!(plain(&stream.take(false)), ["two"]);
        assert_eq!(stream.due(), None);
    }

    #[test]
    fn a_quiet_line_without_end_is_shown_all_the_same() {
        let mut stream = Stream::new(Size::Pipe);
        stream.push(b"Password: ");
        assert!(stream.due().is_some());
        assert_eq!(plain(&stream.take(false)), ["Password:"]);
    }

    #[test]
    fn much_at_once_is_counted_in_place() {
        let mut stream = Stream::new(Size::Pipe);
        for n in 0..20_000 {
            stream.push(format!("line {n} of a long log that nobody reads\n").as_bytes());
        }
        let pieces = stream.take(true);
        let texts = plain(&pieces);
        assert!(pieces.skipped);
        assert_eq!(texts.len(), 1);
        assert!(texts[0].ends_with("line 19999 of a long log that nobody reads"));
        let counted: u64 = texts[0]
            .lines()
            .next()
            .map(|l| l.chars().filter(char::is_ascii_digit).collect::<String>())
            .and_then(|digits| digits.parse().ok())
            .unwrap_or(0);
        let shown = texts[0].lines().count() as u64 - 1;
        assert_eq!(counted + shown, 20_000);
    }

    #[test]
    fn a_part_of_a_line_is_not_left_out_in_silence() {
        let mut stream = Stream::new(Size::Pipe);
        stream.push("x".repeat(WAITING + 1).as_bytes());
        stream.push(b"\n");
        stream.waiting.drain(..WAITING - 100);
        let pieces = stream.take(false);
        assert!(pieces.skipped);
        assert!(plain(&pieces)[0].starts_with("… part of a line left out here …\nxxx"));
    }

    #[test]
    fn a_few_pages_are_shown_whole() {
        let mut stream = Stream::new(Size::Pipe);
        let line = "a line of forty characters, more or less\n";
        for _ in 0..150 {
            stream.push(line.as_bytes());
        }
        let pieces = stream.take(true);
        assert!(!pieces.skipped);
        assert_eq!(pieces.html.len(), 3);
        let shown: usize = plain(&pieces).iter().map(|t| t.lines().count()).sum();
        assert_eq!(shown, 150);
    }

    #[test]
    fn every_piece_fits_telegram() {
        let mut stream = Stream::new(Size::Pipe);
        stream.push("😀<&>".repeat(9000).as_bytes());
        for piece in plain(&stream.take(true)) {
            assert!(text::utf16_len(&piece) <= text::MESSAGE_UNITS);
        }
    }
}
