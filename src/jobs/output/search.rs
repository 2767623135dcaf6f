//! Looks for lines in a log, page by page, without ever holding a long line whole.

use super::pattern::Pattern;
use super::{LogReader, char_start, length};
use crate::base::text;
use regex::bytes::Regex;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Read};
use std::ops::Range;
use std::sync::LazyLock;
use std::time::Instant;

/// The longest part of a line that a search shows, in bytes.
pub(super) const SHOWN_LINE_BYTES: usize = 400;
/// The longest part of a line that a search looks at in one go, in bytes.
pub(super) const WINDOW_BYTES: usize = 64 * 1024;
/// The most lines that are given by their numbers.
const MAX_ROWS: usize = 500;

/// A place in a log: the start of a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Point {
    /// Bytes before it, as [`LogReader::read`] gives them.
    pub offset: u64,
    /// Lines before it.
    pub line: u64,
}

/// How a search goes.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// Where it begins.
    pub from: Point,
    /// Lines shown before and after each that matches.
    pub context: usize,
    /// Matching lines given at the most.
    pub matches: usize,
    /// Room for all lines together, in UTF-16 units.
    pub room: usize,
    /// Whether to go on counting when enough was found.
    pub count: bool,
    /// When to stop, wherever it is then.
    pub until: Instant,
}

/// What a search found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Searched {
    /// The first lines that match, with the lines around them, in order.
    pub lines: Vec<FoundLine>,
    /// How many lines match in what was looked at.
    pub matches: u64,
    /// Where the next page begins; `None` when nothing more matches.
    pub next: Option<Point>,
    /// Whether the log was looked at to its end.
    pub whole: bool,
}

/// One line of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundLine {
    /// Which line of the log it is, counted from 1.
    pub number: u64,
    /// The line as printed, without newline and terminal codes; invalid UTF-8 replaced, a long line cut to the part around
    /// the match.
    pub text: String,
    /// Whether it matches itself, or only stands beside one that does.
    pub matches: bool,
    /// The places of `text` that match.
    pub marks: Vec<Range<usize>>,
}

impl FoundLine {
    /// Its length in a message, with its number and sign, in UTF-16 units.
    fn units(&self) -> usize {
        text::utf16_len(&self.text) + self.number.ilog10() as usize + 6
    }
}

/// Lines by their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rows {
    /// From this one to that one.
    Between(u64, u64),
    /// The last so many.
    Last(usize),
}

impl LogReader {
    /// Searches the log, as [`LogReader::read`] gives it. Memory is bounded whatever the lines' length.
    ///
    /// # Errors
    /// The disk's.
    pub fn search(&self, pattern: &Pattern, wanted: Wanted) -> io::Result<Searched> {
        let mut lines = self.lines(Some(pattern), wanted.from, SHOWN_LINE_BYTES)?;
        lines.until = Some(wanted.until);
        let mut found = Searched::default();
        let mut before: VecDeque<(Point, FoundLine)> = VecDeque::new();
        let (mut after, mut shown, mut used) = (0, 0, 0);
        loop {
            let here = lines.at;
            let Some(line) = lines.next_line()? else {
                found.whole = true;
                break;
            };
            found.matches += u64::from(line.matches);
            if found.next.is_some() {
                // Only counted.
            } else if line.matches {
                let cost = line.units() + before.iter().map(|(_, l)| l.units()).sum::<usize>();
                if shown == wanted.matches || (shown > 0 && used + cost > wanted.room) {
                    found.next = Some(before.front().map_or(here, |(point, _)| *point));
                    if !wanted.count {
                        break;
                    }
                    continue;
                }
                if used + cost <= wanted.room {
                    found.lines.extend(before.drain(..).map(|(_, line)| line));
                }
                before.clear();
                used += cost;
                shown += 1;
                found.lines.push(line);
                after = wanted.context;
            } else if after > 0 && used + line.units() <= wanted.room {
                used += line.units();
                found.lines.push(line);
                after -= 1;
            } else {
                after = 0;
                before.push_back((here, line));
                if before.len() > wanted.context {
                    before.pop_front();
                }
            }
            if Instant::now() >= wanted.until {
                found.next.get_or_insert(lines.at);
                break;
            }
        }
        Ok(found)
    }

    /// Lines by their numbers, 500 at the most, and how many the log has.
    ///
    /// # Errors
    /// The disk's.
    pub fn rows(&self, rows: Rows) -> io::Result<(Vec<FoundLine>, u64)> {
        let mut lines = self.lines(None, Point::default(), SHOWN_LINE_BYTES)?;
        let mut kept = VecDeque::new();
        while let Some(line) = lines.next_line()? {
            match rows {
                Rows::Between(from, to) => {
                    if (from..=to).contains(&line.number) && kept.len() < MAX_ROWS {
                        kept.push_back(line);
                    }
                }
                Rows::Last(count) => {
                    kept.push_back(line);
                    if kept.len() > count.min(MAX_ROWS) {
                        kept.pop_front();
                    }
                }
            }
        }
        Ok((kept.into(), lines.at.line))
    }

    pub(super) fn lines<'a>(
        &'a self,
        pattern: Option<&'a Pattern>,
        from: Point,
        shown_bytes: usize,
    ) -> io::Result<Lines<'a, impl Read + 'a>> {
        Ok(Lines {
            input: BufReader::with_capacity(WINDOW_BYTES, self.read_from(from.offset)?),
            pattern,
            at: from,
            shown_bytes,
            until: None,
        })
    }
}

/// Cuts a log into lines, looking for a pattern in each without ever holding a long one whole.
pub(super) struct Lines<'p, R> {
    input: BufReader<R>,
    pattern: Option<&'p Pattern>,
    /// Where the next line starts.
    pub at: Point,
    /// The longest part of a line that is given.
    shown_bytes: usize,
    /// From then on, nothing is looked for in the rest of a line.
    pub until: Option<Instant>,
}

impl<R: Read> Lines<'_, R> {
    pub fn next_line(&mut self) -> io::Result<Option<FoundLine>> {
        let overlap = self.pattern.map_or(0, Pattern::overlap);
        let mut window = Vec::new();
        let mut shown: Option<Vec<u8>> = None;
        let mut matches = false;
        let mut first = true;
        loop {
            let limit = length(WINDOW_BYTES + overlap - window.len().min(overlap));
            let read = (&mut self.input)
                .take(limit)
                .read_until(b'\n', &mut window)?;
            self.at.offset += length(read);
            if read == 0 && first {
                return Ok(None);
            }
            let ended = read == 0 || window.ends_with(b"\n");
            let line = window.strip_suffix(b"\n").unwrap_or(&window);
            let line = plain(line.strip_suffix(b"\r").unwrap_or(line));
            let late = !first && self.until.is_some_and(|until| Instant::now() >= until);
            if let Some(pattern) = self.pattern.filter(|_| !matches && !late)
                && let Some(at) = pattern.find(&line, first, ended)
            {
                matches = true;
                shown = Some(self.around(&line, at));
            }
            if shown.is_none() {
                shown = Some(self.around(&line, 0));
            }
            if ended {
                break;
            }
            first = false;
            window.drain(..window.len().saturating_sub(overlap));
        }
        self.at.line += 1;
        let text = String::from_utf8_lossy(&shown.unwrap_or_default()).into_owned();
        Ok(Some(FoundLine {
            number: self.at.line,
            marks: match self.pattern {
                Some(pattern) if matches => pattern.marks(&text),
                Some(_) | None => Vec::new(),
            },
            text,
            matches,
        }))
    }

    /// The part of a line to show: from its start when `at` is near it, else from a little before `at`.
    fn around(&self, line: &[u8], at: usize) -> Vec<u8> {
        let start = if at < self.shown_bytes / 2 {
            0
        } else {
            at - self.shown_bytes / 4
        };
        let start = char_start(line, start);
        let end = char_start(line, line.len().min(start + self.shown_bytes));
        let dots = |cut: bool| if cut { "…".as_bytes() } else { b"" };
        [dots(start > 0), &line[start..end], dots(end < line.len())].concat()
    }
}

/// A line without the codes that colour a terminal: they would stand between the letters that are looked for.
fn plain(line: &[u8]) -> Cow<'_, [u8]> {
    static CODES: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(
            r"(?-u)\x1b(?:\[[0-9;:?<=>]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[ -/]*[0-~])",
        )
        .ok()
    });
    match &*CODES {
        Some(codes) if line.contains(&0x1b) => codes.replace_all(line, &b""[..]),
        Some(_) | None => Cow::Borrowed(line),
    }
}
