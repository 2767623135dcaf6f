//! A file that somebody sent: what Telegram says of it. The bytes stay there until a job needs them.

use super::text;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A file that somebody sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upload {
    /// What Telegram hands it out by; it stays the same for this bot.
    pub file_id: String,
    /// Its name, made safe.
    pub name: String,
    /// Its size in bytes, if Telegram says it.
    pub size: Option<u64>,
    /// Its type, as the sender's program named it.
    pub mime: Option<String>,
}

/// Files by the arguments that they are the values of.
pub type Uploads = BTreeMap<String, Upload>;

impl Upload {
    /// Name and size in words: `backup.sql (3 MB)`.
    #[must_use]
    pub fn words(&self) -> String {
        match self.size {
            Some(size) => format!("{} ({})", self.name, text::bytes(size)),
            None => self.name.clone(),
        }
    }
}
