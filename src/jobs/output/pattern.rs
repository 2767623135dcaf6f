//! What is looked for in a log: a text or a regular expression, bounded in size.

use regex::bytes::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::Range;

/// The longest text or expression that is looked for, in bytes.
const MAX_BYTES: usize = 500;
/// The most memory that a compiled expression may take, in bytes. It also bounds the time: a window of a line is gone
/// through in at most this many steps for each of its bytes.
const MAX_COMPILED: usize = 256 * 1024;
/// The most memory for the states that are worked out during a search, in bytes.
const MAX_STATES: usize = 2 * 1024 * 1024;
/// How much of a window is looked at again for an expression, whose matches have no fixed length, in bytes.
const REGEX_OVERLAP: usize = 4096;
/// The most places that are marked in one line.
const MARKS: usize = 8;

/// What is looked for, as it was typed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sought {
    /// The text, or the expression without its slashes.
    pub text: String,
    /// Whether it is a regular expression.
    pub regex: bool,
    /// Letter case never matters, by `/…/i`.
    pub any_case: bool,
}

impl Sought {
    /// A plain text.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            regex: false,
            any_case: false,
        }
    }

    /// Reads `/…/` and `/…/i` as an expression, anything else as a text.
    #[must_use]
    pub fn read(typed: &str) -> Self {
        let inner = typed.strip_prefix('/').and_then(|rest| {
            let any_case = rest.strip_suffix("/i").map(|inner| (inner, true));
            any_case.or_else(|| rest.strip_suffix('/').map(|inner| (inner, false)))
        });
        match inner.filter(|(inner, _)| !inner.is_empty()) {
            Some((inner, any_case)) => Self {
                text: inner.to_owned(),
                regex: true,
                any_case,
            },
            None => Self::text(typed),
        }
    }

    /// Whether capitals count: only if some were typed.
    #[must_use]
    pub fn exact_case(&self) -> bool {
        let mut escaped = false;
        let mut capital = |c: char| {
            // A capital after a backslash is a class, such as \S, and no letter.
            let counts = c.is_uppercase() && !(self.regex && escaped);
            escaped = c == '\\' && !escaped;
            counts
        };
        !self.any_case && self.text.chars().any(&mut capital)
    }

    /// Makes it ready to search with.
    ///
    /// # Errors
    /// What is wrong with it, as a sentence.
    pub fn compile(&self) -> Result<Pattern, String> {
        if self.text.len() > MAX_BYTES {
            return Err(format!(
                "That is too long to look for: at most {MAX_BYTES} letters are taken."
            ));
        }
        let expression = match self.regex {
            true => self.text.clone(),
            false => regex::escape(&self.text),
        };
        let built = RegexBuilder::new(&expression)
            .case_insensitive(!self.exact_case())
            .size_limit(MAX_COMPILED)
            .dfa_size_limit(MAX_STATES)
            .build();
        let regex = built.map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => {
                "This expression is too large. Repeat less, or look for a part of it.".to_owned()
            }
            other => format!(
                "“/{}/” is no regular expression: {}.",
                self.text,
                reason(&other)
            ),
        })?;
        Ok(Pattern {
            regex,
            overlap: match self.regex {
                true => REGEX_OVERLAP,
                // A letter in the other case may be longer, at most four bytes for one.
                false => self.text.len() * 4,
            },
        })
    }
}

impl fmt::Display for Sought {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.regex, self.any_case) {
            (false, _) => f.write_str(&self.text),
            (true, false) => write!(f, "/{}/", self.text),
            (true, true) => write!(f, "/{}/i", self.text),
        }
    }
}

/// The last line of what the library says, which names the fault; the lines before draw the expression.
fn reason(error: &regex::Error) -> String {
    let words = error.to_string();
    let last = words.lines().last().unwrap_or_default();
    last.strip_prefix("error: ").unwrap_or(last).to_owned()
}

/// Something to search with. Its time grows with what is searched and no faster: nothing is tried twice.
#[derive(Clone, Debug)]
pub struct Pattern {
    regex: Regex,
    overlap: usize,
}

impl Pattern {
    /// How much of a long line's window is looked at again with the next, so that no match is cut in two.
    pub(super) fn overlap(&self) -> usize {
        self.overlap
    }

    /// Where the first match in a window of a line begins. In a window that goes on, one that touches the end is left to
    /// the next window; in one that is not the line's first, `^` fits nowhere.
    pub(super) fn find(&self, window: &[u8], first: bool, ended: bool) -> Option<usize> {
        let from = usize::from(!first).min(window.len());
        let found = self.regex.find_at(window, from)?;
        (ended || found.end() < window.len()).then_some(found.start())
    }

    /// The places of a line that are to be marked.
    pub(super) fn marks(&self, line: &str) -> Vec<Range<usize>> {
        let whole = |range: &Range<usize>| {
            !range.is_empty()
                && line.is_char_boundary(range.start)
                && line.is_char_boundary(range.end)
        };
        self.regex
            .find_iter(line.as_bytes())
            .map(|found| found.range())
            .filter(whole)
            .take(MARKS)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slashes_make_an_expression() {
        assert_eq!(
            Sought::read("/a+/"),
            Sought {
                text: "a+".into(),
                regex: true,
                any_case: false
            }
        );
        assert_eq!(
            Sought::read("/a+/i"),
            Sought {
                text: "a+".into(),
                regex: true,
                any_case: true
            }
        );
        for text in ["//", "/", "/usr", "usr/", "a/b/"] {
            assert_eq!(Sought::read(text), Sought::text(text));
        }
    }

    #[test]
    fn capitals_count_when_they_are_typed() {
        let finds = |sought: &str, line: &str| {
            let pattern = Sought::read(sought).compile().unwrap();
            pattern.find(line.as_bytes(), true, true).is_some()
        };
        assert!(finds("error", "ERROR") && finds("ошибка", "Ошибка") && finds("Error", "Error"));
        assert!(!finds("Error", "ERROR") && !finds("/E\\w+/", "error"));
        assert!(finds("/E\\w+/i", "error") && finds("/\\Srror/", "ERROR"));
        assert!(!finds(".*", "abc") && finds("/.*/", "abc"));
    }

    #[test]
    fn bombs_and_nonsense_are_named() {
        for bomb in [
            "/a{1000}{1000}/",
            "/(\\w{200}){200}/",
            "/((a{100}){100}){100}/",
        ] {
            assert!(
                Sought::read(bomb)
                    .compile()
                    .unwrap_err()
                    .contains("too large"),
                "{bomb}"
            );
        }
        let open = Sought::read("/(a/").compile().unwrap_err();
        assert_eq!(open, "“/(a/” is no regular expression: unclosed group.");
        let long = Sought::text("x".repeat(MAX_BYTES + 1))
            .compile()
            .unwrap_err();
        assert!(long.contains("too long"));
    }

    #[test]
    fn what_would_never_end_elsewhere_ends() {
        let pattern = Sought::read("/(a+)+$/").compile().unwrap();
        let line = [vec![b'a'; 60_000], b"b".to_vec()].concat();
        assert_eq!(pattern.find(&line, true, true), None);
    }
}
