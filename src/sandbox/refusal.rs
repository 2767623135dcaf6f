//! How the server says no: code, words, and the parameters a client acts on.

use serde_json::{Value, json};

/// An answer with `ok: false`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Refusal {
    /// The HTTP status and `error_code`.
    pub(super) code: u16,
    /// The whole description, with Telegram's prefix.
    pub(super) description: String,
    retry_after: Option<u64>,
    migrate_to: Option<i64>,
}

impl Refusal {
    /// An error with its full words.
    pub(super) fn new(code: u16, description: impl Into<String>) -> Refusal {
        Refusal {
            code,
            description: description.into(),
            retry_after: None,
            migrate_to: None,
        }
    }

    /// 400, prefixed as Telegram does.
    pub(super) fn bad(words: impl AsRef<str>) -> Refusal {
        Refusal::new(400, format!("Bad Request: {}", words.as_ref()))
    }

    /// 403, prefixed as Telegram does.
    pub(super) fn forbidden(words: impl AsRef<str>) -> Refusal {
        Refusal::new(403, format!("Forbidden: {}", words.as_ref()))
    }

    /// 429 with the seconds to wait.
    pub(super) fn too_many(seconds: u64) -> Refusal {
        let words = format!("Too Many Requests: retry after {seconds}");
        Refusal {
            retry_after: Some(seconds),
            ..Refusal::new(429, words)
        }
    }

    /// 400 for a group that has become a supergroup.
    pub(super) fn migrated(to: i64) -> Refusal {
        let words = "group chat was upgraded to a supergroup chat";
        Refusal {
            migrate_to: Some(to),
            ..Refusal::bad(words)
        }
    }

    /// The JSON body.
    pub(super) fn body(&self) -> Value {
        let mut body =
            json!({"ok": false, "error_code": self.code, "description": self.description});
        if let Some(seconds) = self.retry_after {
            body["parameters"] = json!({"retry_after": seconds});
        }
        if let Some(chat) = self.migrate_to {
            body["parameters"] = json!({"migrate_to_chat_id": chat});
        }
        body
    }
}
