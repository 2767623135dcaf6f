//! The one form that names of scripts and arguments have.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The longest name, in characters.
pub const MAX_LEN: usize = 40;

/// A name: a letter or digit first, then letters, digits, `-`, `_` or `.`; ASCII, 1–40 characters.
///
/// Short enough for a button, and safe as a file name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct Name(String);

/// Why a text is not a [`Name`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a name: it must start with a letter or digit, hold only letters, digits, `-`, `_`, `.`, and be at most {MAX_LEN} characters long"
)]
pub struct BadName(String);

impl Name {
    /// Checks the text and wraps it.
    ///
    /// # Errors
    /// [`BadName`] when the text has another form.
    pub fn new(text: impl Into<String>) -> Result<Self, BadName> {
        let text = text.into();
        let good = text.len() <= MAX_LEN
            && text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && text
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
        if good {
            Ok(Self(text))
        } else {
            Err(BadName(text))
        }
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Name::new(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_form_is_a_name() {
        for good in ["a", "health-check", "v1.2_x", &"a".repeat(MAX_LEN)] {
            assert!(Name::new(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "-x",
            ".x",
            "a b",
            "é",
            "a/b",
            "a\n",
            &"a".repeat(MAX_LEN + 1),
        ] {
            assert!(Name::new(bad).is_err(), "{bad:?}");
        }
    }
}
