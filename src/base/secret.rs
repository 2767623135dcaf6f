//! Values that must not be printed: no `Debug`, no `Display`, wiped when dropped.

pub use secrecy::{ExposeSecret, SecretString};

/// What is shown in the place of a secret.
pub const MASK: &str = "•••";
