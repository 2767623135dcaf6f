//! Readers that turn values of the tree into typed ones, note what is wrong, and go on.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::fault::{At, Report};
use super::tree::{Node, Value};
use crate::base::name::Name;
use crate::base::suggest::closest;
use crate::base::time::{human, parse_duration};

/// The items of a list.
pub(super) fn list<'a>(node: &'a Node, name: &str, report: &mut Report) -> &'a [Node] {
    match &node.value {
        Value::Seq(items) => items,
        Value::Null => {
            let message =
                format!("`{name}` has no value; write a list, `[]`, or leave the key out");
            report.fault(&node.at, message);
            &[]
        }
        Value::Scalar { .. } | Value::Map(_) => {
            let message = format!(
                "`{name}` must be a list, not {}; write `- item` lines or `[a, b]`",
                kind(node)
            );
            report.fault(&node.at, message);
            &[]
        }
    }
}

/// A list of texts.
pub(super) fn texts<'a>(node: &'a Node, name: &str, report: &mut Report) -> Vec<(&'a str, &'a At)> {
    list(node, name, report)
        .iter()
        .enumerate()
        .filter_map(|(index, item)| {
            Some((text(item, &format!("{name}[{index}]"), report)?, &item.at))
        })
        .collect()
}

/// Any scalar, as it was written.
pub(super) fn text<'a>(node: &'a Node, name: &str, report: &mut Report) -> Option<&'a str> {
    match &node.value {
        Value::Scalar { text, .. } if text.contains('\0') => {
            report.fault(
                &node.at,
                format!("`{name}` holds a NUL character; remove it"),
            );
            None
        }
        Value::Scalar { text, .. } => Some(text),
        Value::Null => {
            report.fault(
                &node.at,
                format!("`{name}` has no value; write one, or leave the key out"),
            );
            None
        }
        Value::Seq(_) | Value::Map(_) => {
            report.fault(
                &node.at,
                format!("`{name}` must be a single value, not {}", kind(node)),
            );
            None
        }
    }
}

/// A whole number, written without quotes.
pub(super) fn integer(
    node: &Node,
    name: &str,
    range: RangeInclusive<i64>,
    report: &mut Report,
) -> Option<i64> {
    let written = text(node, name, report)?;
    let number = written.parse().ok().filter(|_| is_plain(node));
    if let Some(number) = number.filter(|number| range.contains(number)) {
        return Some(number);
    }
    let (low, high) = (range.start(), range.end());
    let quotes = if is_plain(node) {
        ""
    } else {
        ", without quotes"
    };
    report.fault(
        &node.at,
        format!("`{name}` is `{written}`; write a whole number from {low} to {high}{quotes}"),
    );
    None
}

/// A flag, written without quotes.
pub(super) fn flag(node: &Node, name: &str, report: &mut Report) -> Option<bool> {
    let written = text(node, name, report)?;
    let value = match written.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" => Some(true),
        "false" | "no" | "off" => Some(false),
        _ => None,
    };
    let value = value.filter(|_| is_plain(node));
    if value.is_none() {
        report.fault(
            &node.at,
            format!("`{name}` is `{written}`; write true or false, without quotes"),
        );
    }
    value
}

/// A duration of at least 1 ms and at most `most`.
pub(super) fn duration(
    node: &Node,
    name: &str,
    most: Duration,
    report: &mut Report,
) -> Option<Duration> {
    let written = text(node, name, report)?;
    match parse_duration(written) {
        Ok(found) if !found.is_zero() && found <= most => Some(found),
        Ok(_) => {
            report.fault(
                &node.at,
                format!(
                    "`{name}` is `{written}`; write a time above 0 and up to {}",
                    human(most)
                ),
            );
            None
        }
        Err(wrong) => {
            report.fault(&node.at, format!("`{name}`: {wrong}"));
            None
        }
    }
}

/// Reads a name, or says what a name is.
pub(super) fn parse_name(written: &str, at: &At, report: &mut Report) -> Option<Name> {
    Name::new(written)
        .map_err(|wrong| report.fault(at, wrong.to_string()))
        .ok()
}

/// A path made absolute: relative ones start from `base`; `.` and doubled slashes are dropped.
pub(super) fn absolute(base: &Path, written: &str) -> PathBuf {
    base.join(written).components().collect()
}

/// Whether a value was written without quotes.
pub(super) fn is_plain(node: &Node) -> bool {
    matches!(node.value, Value::Scalar { plain: true, .. })
}

/// Letters at the beginning that words of one meaning share.
const STEM: usize = 4;

/// ` (did you mean …?)`, or nothing.
pub(super) fn meant(word: &str, known: &[&str]) -> String {
    match closest(word, known.iter().copied()).or_else(|| of_stem(word, known)) {
        Some(near) => format!(" (did you mean `{near}`?)"),
        None => String::new(),
    }
}

/// The only known word that begins as this one does, as `failure` for `failed`.
fn of_stem<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let (end, _) = word.char_indices().nth(STEM)?;
    let mut alike = known.iter().filter(|known| known.starts_with(&word[..end]));
    let first = alike.next()?;
    alike.next().is_none().then_some(first)
}

/// `a`, `a or b`, `a, b or c`.
pub(super) fn one_of(words: &[&str]) -> String {
    match words {
        [] => "nothing".to_owned(),
        [only] => (*only).to_owned(),
        [most @ .., last] => format!("{} or {last}", most.join(", ")),
    }
}

/// A key's name in backquotes; the file itself in words.
pub(super) fn quoted(name: &str) -> String {
    match name {
        "" | "the file" => "the file".to_owned(),
        _ => format!("`{name}`"),
    }
}

/// What a value is, for people.
pub(super) fn kind(node: &Node) -> &'static str {
    match node.value {
        Value::Null => "nothing",
        Value::Scalar { .. } => "a single value",
        Value::Seq(_) => "a list",
        Value::Map(_) => "keys and values",
    }
}
