//! What the sandbox shows: messages, buttons, files, calls and events, as plain values.

use std::sync::Arc;
use std::time::Instant;

use axum::body::Bytes;
use serde_json::{Value, json};

/// What a stretch of text is.
#[derive(Clone, Debug, PartialEq)]
pub enum EntityKind {
    /// Bold text.
    Bold,
    /// Italic text.
    Italic,
    /// Underlined text.
    Underline,
    /// Struck text.
    Strikethrough,
    /// Hidden until tapped.
    Spoiler,
    /// Fixed-width text; the language is used only inside `pre`.
    Code(Option<String>),
    /// A block of fixed-width text with its language.
    Pre(Option<String>),
    /// A quotation.
    Blockquote {
        /// Whether it is folded.
        expandable: bool,
    },
    /// A link under other text.
    TextLink(String),
    /// A link to a person by identifier.
    TextMention(i64),
    /// A custom emoji by identifier.
    CustomEmoji(String),
    /// A command such as `/start`.
    BotCommand,
}

impl EntityKind {
    /// The name the Bot API uses.
    pub fn name(&self) -> &'static str {
        match self {
            EntityKind::Bold => "bold",
            EntityKind::Italic => "italic",
            EntityKind::Underline => "underline",
            EntityKind::Strikethrough => "strikethrough",
            EntityKind::Spoiler => "spoiler",
            EntityKind::Code(_) => "code",
            EntityKind::Pre(_) => "pre",
            EntityKind::Blockquote { expandable: false } => "blockquote",
            EntityKind::Blockquote { expandable: true } => "expandable_blockquote",
            EntityKind::TextLink(_) => "text_link",
            EntityKind::TextMention(_) => "text_mention",
            EntityKind::CustomEmoji(_) => "custom_emoji",
            EntityKind::BotCommand => "bot_command",
        }
    }
}

/// A stretch of text with a meaning.
#[derive(Clone, Debug, PartialEq)]
pub struct Entity {
    /// What it is.
    pub kind: EntityKind,
    /// Where it starts, in UTF-16 units.
    pub offset: usize,
    /// How long it is, in UTF-16 units.
    pub length: usize,
}

impl Entity {
    pub(super) fn json(&self) -> Value {
        let mut json =
            json!({"type": self.kind.name(), "offset": self.offset, "length": self.length});
        match &self.kind {
            EntityKind::Pre(Some(language)) => json["language"] = json!(language),
            EntityKind::TextLink(url) => json["url"] = json!(url),
            EntityKind::TextMention(id) => {
                json["user"] = json!({"id": id, "is_bot": false, "first_name": id.to_string()});
            }
            EntityKind::CustomEmoji(id) => json["custom_emoji_id"] = json!(id),
            _ => {}
        }
        json
    }
}

/// A button under a message.
#[derive(Clone, Debug, PartialEq)]
pub struct Button {
    /// What it says.
    pub text: String,
    /// What a press sends back.
    pub data: Option<String>,
    /// The address it opens.
    pub url: Option<String>,
    /// The text it copies.
    pub copy: Option<String>,
    /// Its colour: `danger`, `success` or `primary`.
    pub style: Option<String>,
}

/// A file in a message.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// Identifier for sending it again.
    pub file_id: String,
    /// The name the sender gave.
    pub name: String,
    /// The content type.
    pub mime: String,
    /// The content; empty when it was dropped to bound memory.
    pub bytes: Bytes,
    /// Whether it was sent as a photo.
    pub photo: bool,
}

/// The text a message had at some time.
#[derive(Clone, Debug, PartialEq)]
pub struct Version {
    /// The plain text, or the caption.
    pub text: String,
    /// The labels of the buttons, row after row.
    pub buttons: Vec<Vec<String>>,
    /// When it came to be so.
    pub at: Instant,
}

/// A message as a person sees it.
#[derive(Clone, Debug)]
pub struct Message {
    /// Identifier inside its chat.
    pub id: i32,
    /// The chat it is in.
    pub chat: i64,
    /// The topic it is in.
    pub thread: Option<i32>,
    /// Who wrote it; nobody for channel posts.
    pub from: Option<i64>,
    /// Whether the bot under test wrote it.
    pub from_bot: bool,
    /// The plain text, or the caption of a file.
    pub text: String,
    /// What the text is made of.
    pub entities: Vec<Entity>,
    /// The text as it was sent, with its markup.
    pub source: String,
    /// The keyboard under it, row by row.
    pub buttons: Vec<Vec<Button>>,
    /// Whether it asks the reader to answer it.
    pub force_reply: bool,
    /// Whether it came without a sound.
    pub silent: bool,
    /// The words in the empty input field of who answers it.
    pub placeholder: Option<String>,
    /// The file in it.
    pub document: Option<Arc<Document>>,
    /// The message it answers.
    pub reply_to: Option<i32>,
    /// When it was sent, in seconds since 1970.
    pub date: i64,
    /// When it was last edited, in seconds since 1970.
    pub edited: Option<i64>,
    /// Everything it ever said, oldest first; the last one is what it says now.
    pub history: Vec<Version>,
    /// The bot's reactions, as emoji.
    pub reactions: Vec<String>,
    /// Further fields of the wire format: `forward_origin`, `via_bot`, service content.
    pub(super) extra: serde_json::Map<String, Value>,
}

impl Message {
    /// How often it was edited.
    pub fn edits(&self) -> usize {
        self.history.len().saturating_sub(1)
    }

    /// All buttons, row after row.
    pub fn all_buttons(&self) -> impl Iterator<Item = &Button> {
        self.buttons.iter().flatten()
    }

    /// The button with this data, or else with this label.
    pub fn button(&self, data_or_label: &str) -> Option<&Button> {
        let by_data = self
            .all_buttons()
            .find(|b| b.data.as_deref() == Some(data_or_label));
        by_data.or_else(|| self.all_buttons().find(|b| b.text == data_or_label))
    }

    /// Adds what it says now to its history.
    pub(super) fn remember(&mut self, at: Instant, keep: usize) {
        let labels = |row: &Vec<Button>| row.iter().map(|b| b.text.clone()).collect();
        let buttons = self.buttons.iter().map(labels).collect();
        if self.history.len() >= keep.max(2) {
            self.history.remove(1);
        }
        self.history.push(Version {
            text: self.text.clone(),
            buttons,
            at,
        });
    }
}

/// What came of something a person did.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sent {
    /// The new message.
    pub message_id: i32,
    /// The update the bot gets; none when the bot asked not to get such, or may not see it.
    pub update_id: Option<i64>,
}

/// An answer to a button press.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The press.
    pub callback_id: String,
    /// What the person was shown.
    pub text: Option<String>,
    /// Whether it was shown as a dialog.
    pub alert: bool,
    /// When.
    pub at: Instant,
}

/// One entry of a command menu.
#[derive(Clone, Debug, PartialEq)]
pub struct MenuEntry {
    /// The command without its slash.
    pub command: String,
    /// The words beside it.
    pub description: String,
}

/// One call the bot made.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// The method as the Bot API spells it.
    pub method: &'static str,
    /// The chat it was for.
    pub chat: Option<i64>,
    /// The HTTP status of the answer; 0 when the connection was closed without one.
    pub code: u16,
    /// The description of an error.
    pub error: Option<String>,
    /// When the answer was ready.
    pub at: Instant,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Its number; each is one more than the last.
    pub seq: u64,
    /// When.
    pub at: Instant,
    /// What.
    pub what: What,
}

/// The kinds of things that happen.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// A person, or the chat itself, made a message.
    Said {
        /// The chat.
        chat: i64,
        /// The message.
        message_id: i32,
    },
    /// The bot sent a message.
    Sent {
        /// The chat.
        chat: i64,
        /// The message.
        message_id: i32,
    },
    /// The bot changed a message.
    Edited {
        /// The chat.
        chat: i64,
        /// The message.
        message_id: i32,
    },
    /// The bot deleted a message.
    Deleted {
        /// The chat.
        chat: i64,
        /// The message.
        message_id: i32,
    },
    /// The bot answered a button press.
    Answered {
        /// The press.
        callback_id: String,
        /// What the person was shown.
        text: Option<String>,
        /// Whether it was shown as a dialog.
        alert: bool,
    },
    /// The bot reacted to a message.
    Reacted {
        /// The chat.
        chat: i64,
        /// The message.
        message_id: i32,
        /// The reactions it has now.
        emoji: Vec<String>,
    },
    /// The bot showed what it is doing.
    Action {
        /// The chat.
        chat: i64,
        /// The topic.
        thread: Option<i32>,
        /// For example `typing`.
        action: String,
    },
    /// The bot changed a command menu.
    CommandsSet {
        /// The scope, as [`super::Sandbox::commands`] takes it.
        scope: String,
        /// How many entries it has now.
        count: usize,
    },
    /// The bot asks for updates.
    Polling {
        /// The offset that it confirms.
        offset: i64,
    },
    /// The bot asked for updates and got an answer.
    Polled {
        /// The offset it confirmed.
        offset: i64,
        /// How many updates it got.
        given: usize,
    },
    /// An update waits for the bot.
    Queued {
        /// Its identifier.
        update_id: i64,
    },
    /// A call was refused.
    Refused {
        /// The method.
        method: &'static str,
        /// The chat it was for.
        chat: Option<i64>,
        /// The error code; 0 when the connection was closed without an answer.
        code: u16,
        /// The words.
        description: String,
    },
}
