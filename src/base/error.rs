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
pub struct Refusal(String);

impl Refusal {
    /// A refusal with these words (plain text, no markup).
    pub fn new(words: impl Into<String>) -> Self {
        Self(words.into())
    }

    /// The words, as plain text.
    #[must_use]
    pub fn words(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
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
