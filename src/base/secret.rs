//! Values that must not be printed: no `Debug`, no `Display`, wiped when dropped.

pub use secrecy::{ExposeSecret, SecretString};
