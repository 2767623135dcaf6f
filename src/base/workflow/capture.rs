//! Values read from what a program prints, line by line, and secret ones kept out of what is shown.
//!
//! A line ends with `\n` or `\r`, and where the cursor is moved to another place: each state of a progress line is a line.
//! Colours and other escape sequences are left out before a line is matched.

mod plain;

use super::Capture;
use crate::base::secret::MASK;
use plain::{bare, has_sequences, plain, without_strings};
use regex::Regex;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

/// The longest line that is read whole, in bytes as printed.
pub const LINE_BYTES: usize = 8 * 1024;
/// The longest value, in bytes; what is longer is no value.
pub const VALUE_BYTES: usize = 4 * 1024;
/// So many secret values are masked in other lines than those they were read from.
const SECRETS: usize = 64;
/// The shortest of them, in bytes; a shorter one would mask ordinary words.
const SECRET_BYTES: usize = 4;
/// What is shown of a line that is too long to be searched for secrets.
const LEFT_OUT: &str = "••• (a line of more than 8 KiB is left out)";

/// Reads values from a stream of bytes, which may come in any pieces. Each value is read once: the first one counts.
pub struct Captures {
    rules: Vec<Rule>,
    /// Whether any rule is secret: then a line is shown when it is complete, and not before.
    guarded: bool,
    /// The secret values read so far, the first [`SECRETS`] of them.
    secrets: Vec<String>,
    /// The line so far, up to [`LINE_BYTES`].
    line: Vec<u8>,
    /// Whether the line went on after that.
    long: bool,
}

struct Rule {
    name: String,
    pattern: Regex,
    secret: bool,
    found: bool,
}

/// A value that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The name it was looked for by.
    pub name: String,
    /// The value.
    pub value: String,
    /// Whether it must not be seen.
    pub secret: bool,
}

/// What became of some bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Read<'a> {
    /// What may be shown and stored now, secret values masked.
    pub shown: Cow<'a, [u8]>,
    /// The values that were read with it, in the order of their lines.
    pub found: Vec<Found>,
}

impl Captures {
    /// Looks for these values.
    ///
    /// # Errors
    /// Which expression is none, and why.
    pub fn new(wanted: &BTreeMap<String, Capture>) -> Result<Self, String> {
        let rules = wanted.iter().map(|(name, capture)| {
            let pattern = Regex::new(&capture.pattern)
                .map_err(|error| format!("the expression of `{name}` is wrong: {error}"))?;
            Ok(Rule {
                name: name.clone(),
                pattern,
                secret: capture.secret,
                found: false,
            })
        });
        Ok(Self {
            rules: rules.collect::<Result<_, String>>()?,
            guarded: wanted.values().any(|capture| capture.secret),
            secrets: Vec::new(),
            line: Vec::new(),
            long: false,
        })
    }

    /// Takes the next bytes. Without a secret rule all of them may be shown at once; with one, each line once it is
    /// complete.
    pub fn push<'a>(&mut self, bytes: &'a [u8]) -> Read<'a> {
        let mut read = Read::default();
        if !self.guarded {
            read.shown = Cow::Borrowed(bytes);
            if self.rules.iter().all(|rule| rule.found) {
                return read;
            }
        }
        for piece in bytes.split_inclusive(|byte| matches!(byte, b'\n' | b'\r')) {
            let end = match piece.last() {
                Some(end @ (b'\n' | b'\r')) => Some(*end),
                _ => None,
            };
            let text = &piece[..piece.len() - usize::from(end.is_some())];
            let room = LINE_BYTES - self.line.len();
            self.line.extend_from_slice(&text[..text.len().min(room)]);
            self.long |= text.len() > room;
            if let Some(end) = end {
                self.end_line(Some(end), &mut read);
            }
        }
        read
    }

    /// The end of the stream: what is left counts as a line. Another stream may follow.
    pub fn finish(&mut self) -> Read<'static> {
        let mut read = Read::default();
        self.end_line(None, &mut read);
        read
    }

    /// The secret values read so far, in their order; also those after the first one of a rule, which are not told.
    pub fn secrets(&self) -> &[String] {
        &self.secrets
    }

    /// The names that were not read yet.
    pub fn missing(&self) -> impl Iterator<Item = &str> {
        let missing = self.rules.iter().filter(|rule| !rule.found);
        missing.map(|rule| rule.name.as_str())
    }

    fn end_line(&mut self, end: Option<u8>, read: &mut Read<'_>) {
        let line = std::mem::take(&mut self.line);
        let long = std::mem::take(&mut self.long);
        let text = plain(&line);
        let (mut hidden, mut at) = (Vec::new(), 0);
        for part in text.split('\n') {
            self.read(part, long, &mut read.found, |range| {
                hidden.push(at + range.start..at + range.end);
            });
            at += part.len() + 1;
        }
        if !self.guarded {
            return;
        }
        let shown = read.shown.to_mut();
        for secret in &self.secrets {
            let places = text.match_indices(secret.as_str());
            hidden.extend(places.map(|(at, _)| at..at + secret.len()));
        }
        if long {
            shown.extend_from_slice(LEFT_OUT.as_bytes());
        } else if !has_sequences(&line) {
            shown.extend_from_slice(masked(&text, hidden, &line).as_ref());
        } else if hidden.is_empty() && !self.tells(&bare(&line)) {
            shown.extend(without_strings(&line));
        } else {
            // A sequence may stand inside of it, hold it, or take its first letter.
            shown.extend_from_slice(MASK.as_bytes());
        }
        shown.extend(end);
    }

    /// Reads the values of a line. What reaches the end of one that goes on may be a part only, and does not count.
    fn read(
        &mut self,
        line: &str,
        long: bool,
        found: &mut Vec<Found>,
        mut hide: impl FnMut(Range<usize>),
    ) {
        for rule in &mut self.rules {
            if rule.found && !rule.secret {
                continue;
            }
            for range in values(&rule.pattern, line) {
                let value = &line[range.clone()];
                let whole = !(long && range.end == line.len());
                if rule.secret {
                    hide(range);
                    let fits = (SECRET_BYTES..=VALUE_BYTES).contains(&value.len());
                    let known = self.secrets.iter().any(|secret| secret == value);
                    if fits && !known && self.secrets.len() < SECRETS {
                        self.secrets.push(value.to_owned());
                    }
                }
                if !rule.found && whole && value.len() <= VALUE_BYTES {
                    rule.found = true;
                    found.push(Found {
                        name: rule.name.clone(),
                        value: value.to_owned(),
                        secret: rule.secret,
                    });
                }
            }
        }
    }

    fn tells(&self, text: &str) -> bool {
        let mut secret = self.rules.iter().filter(|rule| rule.secret);
        secret.any(|rule| values(&rule.pattern, text).next().is_some())
            || self
                .secrets
                .iter()
                .any(|known| text.contains(known.as_str()))
    }
}

/// The text without these parts, which may overlap; the line as it is when there are none.
fn masked<'a>(text: &str, mut hidden: Vec<Range<usize>>, line: &'a [u8]) -> Cow<'a, [u8]> {
    if hidden.is_empty() {
        return Cow::Borrowed(line);
    }
    hidden.sort_unstable_by_key(|range| (range.start, range.end));
    let mut masked = String::with_capacity(text.len());
    let mut at = 0;
    for range in hidden {
        if range.start >= at {
            masked.push_str(&text[at..range.start]);
            masked.push_str(MASK);
        }
        at = at.max(range.end);
    }
    masked.push_str(&text[at..]);
    Cow::Owned(masked.into_bytes())
}

/// Where the values of a line are: the first group of each match, or the whole match; empty ones are none.
fn values(pattern: &Regex, line: &str) -> impl Iterator<Item = Range<usize>> {
    pattern
        .captures_iter(line)
        .filter_map(|found| found.get(1).or_else(|| found.get(0)))
        .map(|value| value.range())
        .filter(|range| !range.is_empty())
}

#[cfg(test)]
mod tests;
