//! What a parameter may be, in a form that can be stored with a run.

use serde::{Deserialize, Serialize};

/// A parameter of a workflow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Param {
    /// Its name, unique in the workflow.
    pub name: String,
    /// The form of its values.
    pub form: Form,
    /// The value when none is given.
    pub default: Option<String>,
    /// Whether it may be left out although it has no default; it is empty then.
    pub optional: bool,
}

/// The form of a value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// A text.
    Text {
        /// The only values allowed; empty when any is.
        choices: Vec<String>,
        /// A regular expression that the whole value must match.
        pattern: Option<String>,
        /// What to write, in words.
        hint: Option<String>,
        /// Whether it may start with `-`.
        allow_dash: bool,
        /// The longest, in characters.
        max_len: usize,
    },
    /// A whole number within these bounds.
    Integer {
        /// The least.
        min: i64,
        /// The most.
        max: i64,
    },
    /// `true` or `false`.
    Boolean,
}
