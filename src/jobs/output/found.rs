//! The matches of a search as a file: every one, with its neighbours, as long as the lines are.

use super::LogReader;
use super::pattern::Sought;
use super::search::{Point, WINDOW_BYTES};
use crate::base::ids::JobId;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::io::{self, BufWriter, Write};
use std::time::Instant;

/// A search whose matches are wanted as a file, as it stands in a promised message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// In whose log.
    pub job: JobId,
    /// For what.
    pub sought: Sought,
    /// Lines before and after each that matches.
    pub context: usize,
}

impl Found {
    /// The key by which a message names the file.
    ///
    /// # Errors
    /// None that could happen; the library's form.
    pub fn key(&self) -> serde_json::Result<String> {
        Ok(format!("found:{}", serde_json::to_string(self)?))
    }

    /// Reads such a key; `None` for another one.
    #[must_use]
    pub fn of_key(key: &str) -> Option<Self> {
        serde_json::from_str(key.strip_prefix("found:")?).ok()
    }
}

/// Writes every line that matches, with its neighbours and numbers, until the time is over; returns how many match.
///
/// # Errors
/// The disk's, those of `out`, or an expression that is none.
pub fn write_found(
    log: &LogReader,
    found: &Found,
    out: &mut impl Write,
    until: Instant,
) -> io::Result<u64> {
    let pattern = found.sought.compile().map_err(io::Error::other)?;
    let mut out = BufWriter::new(out);
    let mut lines = log.lines(Some(&pattern), Point::default(), WINDOW_BYTES / 2)?;
    lines.until = Some(until);
    let mut before = VecDeque::new();
    let (mut matches, mut after, mut last) = (0, 0, 0);
    while let Some(line) = lines.next_line()? {
        if line.matches {
            before.push_back(line);
            for line in before.drain(..) {
                if last > 0 && line.number > last + 1 {
                    writeln!(out, "⋯")?;
                }
                last = line.number;
                let mark = if line.matches { ':' } else { '-' };
                writeln!(out, "{}{mark} {}", line.number, line.text)?;
            }
            matches += 1;
            after = found.context;
        } else if after > 0 {
            last = line.number;
            writeln!(out, "{}- {}", line.number, line.text)?;
            after -= 1;
        } else {
            before.push_back(line);
            if before.len() > found.context {
                before.pop_front();
            }
        }
        if Instant::now() >= until {
            writeln!(
                out,
                "⋯ stopped at line {}: this took too long",
                lines.at.line
            )?;
            break;
        }
    }
    out.flush()?;
    Ok(matches)
}
