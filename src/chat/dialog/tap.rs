//! What the buttons under a question for an argument say to us.

/// What is pressed under a question for an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tap {
    /// The value with this fingerprint.
    Value(u64),
    /// No value: the default, or none at all.
    Skip,
    /// The same for all that is left.
    SkipAll,
    /// The question before.
    Back,
    /// Give it up.
    Cancel,
    /// Show this page of values.
    Page(usize),
    /// Look the values up again.
    Again,
}

impl Tap {
    /// As it travels in a button.
    #[must_use]
    pub fn data(self) -> String {
        match self {
            Tap::Value(print) => format!("v{print:x}"),
            Tap::Skip => "s".to_owned(),
            Tap::SkipAll => "r".to_owned(),
            Tap::Back => "b".to_owned(),
            Tap::Cancel => "x".to_owned(),
            Tap::Page(page) => format!("p{page}"),
            Tap::Again => "a".to_owned(),
        }
    }

    /// Reads it; `None` for anything that no button of ours says.
    #[must_use]
    pub fn read(word: &str) -> Option<Self> {
        Some(match (word, word.get(1..)) {
            ("s", _) => Tap::Skip,
            ("r", _) => Tap::SkipAll,
            ("b", _) => Tap::Back,
            ("x", _) => Tap::Cancel,
            ("a", _) => Tap::Again,
            (_, Some(rest)) if word.starts_with('v') => {
                Tap::Value(u64::from_str_radix(rest, 16).ok()?)
            }
            (_, Some(rest)) if word.starts_with('p') => Tap::Page(rest.parse().ok()?),
            _ => return None,
        })
    }
}
