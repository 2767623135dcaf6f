//! A search in words: how it is read, and how what it found is shown.

use crate::base::error::{Error, Result};
use crate::base::text::{self, escape};
use crate::jobs::output::{FoundLine, Sought};

/// The most lines around each.
const MAX_CONTEXT: usize = 20;
/// Marked places on a page: Telegram takes 100 entities, and between two marks there is one for the rest.
pub(super) const MARKS: usize = 48;

/// Lines with their numbers, a sign for a gap between them, and the matches marked.
pub(super) fn listing(lines: &[FoundLine], marks: &mut usize) -> String {
    let mut html = String::new();
    let mut plain = String::new();
    let mut before = 0;
    for (at, line) in lines.iter().enumerate() {
        if at > 0 {
            plain.push('\n');
        }
        if before > 0 && line.number > before + 1 {
            plain.push_str("⋯\n");
        }
        before = line.number;
        let sign = if line.matches { ':' } else { '-' };
        plain.push_str(&format!("{}{sign} ", line.number));
        let mut done = 0;
        for mark in line.marks.iter().take(*marks) {
            plain.push_str(&line.text[done..mark.start]);
            flush(&mut html, &mut plain);
            html.push_str(&format!("<b>{}</b>", escape(&line.text[mark.clone()])));
            done = mark.end;
        }
        *marks = marks.saturating_sub(line.marks.len());
        plain.push_str(&line.text[done..]);
    }
    flush(&mut html, &mut plain);
    html
}

fn flush(html: &mut String, plain: &mut String) {
    match text::is_blank(plain) {
        true => html.push_str(&escape(plain)),
        false => html.push_str(&format!("<code>{}</code>", escape(plain))),
    }
    plain.clear();
}

/// What is looked for, as it is said back.
pub(super) fn quoted(sought: &Sought) -> String {
    let words = escape(text::head_units(&sought.to_string(), 100));
    match sought.regex {
        true => words,
        false => format!("“{words}”"),
    }
}

/// Takes `±2`, `+2` or `context 2` off the end.
pub(super) fn split_context(typed: &str) -> Result<(&str, Option<usize>)> {
    let (head, last) = match typed.rsplit_once(char::is_whitespace) {
        Some((head, last)) => (head.trim_end(), last),
        None => return Ok((typed, None)),
    };
    let number = |digits: &str| {
        let all_digits = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        all_digits.then(|| digits.parse().unwrap_or(usize::MAX))
    };
    let signed = last
        .strip_prefix('±')
        .or_else(|| last.strip_prefix("+-"))
        .or_else(|| last.strip_prefix('+'));
    let (head, count) = if let Some(digits) = signed {
        match number(digits) {
            Some(count) => (head, count),
            None => return Ok((typed, None)),
        }
    } else {
        let by_word = head
            .rsplit_once(char::is_whitespace)
            .filter(|(_, word)| word.eq_ignore_ascii_case("context"));
        match (by_word, number(last)) {
            (Some((head, _)), Some(count)) => (head.trim_end(), count),
            _ => return Ok((typed, None)),
        }
    };
    if count > MAX_CONTEXT {
        return Err(Error::refused(format!(
            "At most {MAX_CONTEXT} lines around a match can be shown. Write ±{MAX_CONTEXT} or less."
        )));
    }
    Ok((head, Some(count)))
}

/// The expression that a text begins with, slashes and spaces in it included, and what follows it.
pub(super) fn expression(typed: &str) -> Option<(&str, &str)> {
    let ends = typed.match_indices('/').skip(1).map(|(at, _)| at + 1);
    let whole = |end: usize| {
        let rest = &typed[end..];
        let end = end + usize::from(rest.starts_with('i'));
        let rest = &typed[end..];
        let ended = rest.is_empty() || rest.starts_with(char::is_whitespace);
        ended.then(|| (&typed[..end], rest.trim()))
    };
    let mut ends = ends.filter_map(whole);
    ends.next().filter(|_| typed.starts_with('/'))
}

/// A text without the quotes around it.
pub(super) fn unquoted(text: &str) -> &str {
    for (open, close) in [('"', '"'), ('\'', '\''), ('“', '”'), ('„', '“'), ('«', '»')] {
        let inner = text.strip_prefix(open).and_then(|t| t.strip_suffix(close));
        if let Some(inner) = inner.filter(|inner| !inner.is_empty()) {
            return inner;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_around_are_asked_for_at_the_end() {
        let split = |typed| split_context(typed).unwrap();
        assert_eq!(split("error ±2"), ("error", Some(2)));
        assert_eq!(split("disk full +-3"), ("disk full", Some(3)));
        assert_eq!(split("disk full +3"), ("disk full", Some(3)));
        assert_eq!(split("disk full context 0"), ("disk full", Some(0)));
        for text in [
            "error",
            "±2",
            "exit -1",
            "a ±x",
            "context 2",
            "in context",
            "a \"±2\"",
        ] {
            assert_eq!(split(text), (text, None));
        }
        for much in ["a ±999", "a ±99999999999999999999999", "a context 21"] {
            assert!(split_context(much).is_err(), "{much}");
        }
    }

    #[test]
    fn an_expression_may_hold_spaces_and_slashes() {
        assert_eq!(expression("/a b/ failed"), Some(("/a b/", "failed")));
        assert_eq!(expression("/a \"b/c d/i"), Some(("/a \"b/c d/i", "")));
        for text in ["a/b/ c", "/usr", "/usr/bin", "“/a/”"] {
            assert_eq!(expression(text), None, "{text}");
        }
    }

    #[test]
    fn marks_stay_within_what_telegram_takes() {
        let line = |number| FoundLine {
            number,
            text: "<b>a</b> a a a a a a a".to_owned(),
            matches: true,
            marks: vec![3..4, 9..10, 11..12, 13..14],
        };
        let lines: Vec<_> = (1..=40).map(line).collect();
        let html = listing(&lines, &mut MARKS.clone());
        let entities = html.matches("<b>").count() + html.matches("<code>").count();
        assert!(entities <= 100, "{entities}");
        assert!(
            html.starts_with("<code>1: &lt;b&gt;</code><b>a</b><code>&lt;/b&gt; </code><b>a</b>")
        );
        let plain = text::plain_of_html(&html);
        assert_eq!(plain.lines().count(), 40);
        assert!(plain.ends_with("40: <b>a</b> a a a a a a a"));
    }
}
