//! Identifiers as newtypes, so that a chat is never mistaken for a user.

use serde::{Deserialize, Serialize};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id!(
    /// A job, counted from 1 and shown to people as `#12`.
    JobId(i64)
);
id!(
    /// A Telegram user; fits 52 bits.
    UserId(i64)
);
id!(
    /// A Telegram chat: positive for a private chat, negative for a group.
    ChatId(i64)
);
id!(
    /// A forum topic in a group.
    ThreadId(i32)
);
id!(
    /// A message, unique in its chat only.
    MessageId(i32)
);
id!(
    /// A Telegram update; unique, but not always growing (Bot API, *Update*).
    UpdateId(i64)
);

impl ChatId {
    /// Whether this is a person's private chat with the bot (Telegram gives those positive ids).
    #[must_use]
    pub fn is_private(self) -> bool {
        self.0 > 0
    }
}

/// Where a message goes: a chat, and within a forum the topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Place {
    /// The chat.
    pub chat: ChatId,
    /// The forum topic; `None` outside forums and for *General*, which is addressed without a topic.
    pub thread: Option<ThreadId>,
}
