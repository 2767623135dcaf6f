//! The two kinds of failure: what the asker may read, and what only the log may.

use std::fmt;

/// A failure of a request.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The request itself cannot be carried out; the text is meant for the person who asked.
    #[error("{0}")]
    Refused(Refusal),
    /// Something of ours failed; the asker sees a reference, the log holds the cause.
    #[error("{0:#}")]
    Internal(anyhow::Error),
}

/// The result of a request.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a request was turned down: one or more calm sentences in plain text that say what would be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    words: String,
    /// How many bytes at the end are code, such as a pattern.
    code: usize,
}

impl Refusal {
    /// A refusal with these words (plain text, no markup).
    pub fn new(words: impl Into<String>) -> Self {
        let words = words.into();
        Self { words, code: 0 }
    }

    /// A refusal that ends with a piece of code, shown as such.
    #[must_use]
    pub fn with_code(words: &str, code: &str) -> Self {
        Self {
            words: format!("{words}{code}"),
            code: code.len(),
        }
    }

    /// The words, as plain text.
    #[must_use]
    pub fn words(&self) -> &str {
        &self.words
    }

    /// The words before the code at the end, and the code; empty when there is none.
    #[must_use]
    pub fn parts(&self) -> (&str, &str) {
        self.words.split_at(self.words.len() - self.code)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}

impl Error {
    /// A refusal with these words.
    pub fn refused(words: impl Into<String>) -> Self {
        Self::Refused(Refusal::new(words))
    }
}

impl From<anyhow::Error> for Error {
    fn from(error: anyhow::Error) -> Self {
        Self::Internal(error)
    }
}
