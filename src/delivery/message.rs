//! What leaves for a chat, as data.

use crate::base::ids::{JobId, MessageId, Place};
use serde::{Deserialize, Serialize};

/// A button under a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Button {
    /// The words on it.
    pub label: String,
    /// What comes back when it is pressed; at most 64 bytes.
    pub data: String,
}

impl Button {
    /// A button with these words and this data.
    pub fn new(label: impl Into<String>, data: impl Into<String>) -> Self {
        Self {
            label: label.into(),
            data: data.into(),
        }
    }
}

/// Rows of buttons.
pub type Buttons = Vec<Vec<Button>>;

/// What a message holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Body {
    /// Text in Telegram's HTML, at most 4096 UTF-16 units after parsing.
    Text {
        /// The text.
        html: String,
        /// The buttons under it.
        #[serde(default)]
        buttons: Buttons,
    },
    /// A file.
    Document {
        /// What [`super::Attachments`] finds the bytes by.
        key: String,
        /// The file's name as people see it.
        name: String,
        /// The text under it, at most 1024 units.
        html: String,
        /// The buttons under it.
        #[serde(default)]
        buttons: Buttons,
    },
}

/// A message for a chat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outgoing {
    /// Where to.
    pub place: Place,
    /// The message it answers.
    #[serde(default)]
    pub reply_to: Option<MessageId>,
    /// An own message that it replaces, if that one can still be edited.
    #[serde(default)]
    pub edits: Option<MessageId>,
    /// Opens the reader's keyboard to answer it, with these words in the empty input field: for the person whose message
    /// it answers, or who is named in it. Such a message has no buttons and is never edited.
    #[serde(default)]
    pub force_reply: Option<String>,
    /// Whether it comes without a sound.
    #[serde(default)]
    pub silent: bool,
    /// Takes the slot's message away. What it says takes that one's place where Telegram lets none be deleted any more.
    #[serde(default)]
    pub removes: bool,
    /// What it says.
    pub body: Body,
    /// The name of the message over its life, such as `job:12`: the first one is sent, later ones edit it.
    #[serde(skip)]
    pub slot: Option<String>,
    /// What it was made from; a second message from the same source is never made.
    #[serde(skip)]
    pub source: Option<String>,
    /// The job that it tells of; a job is kept until all of its messages are out.
    #[serde(skip)]
    pub job: Option<JobId>,
}

impl Outgoing {
    /// A text with buttons.
    pub fn text(place: Place, html: impl Into<String>, buttons: Buttons) -> Self {
        Self::new(
            place,
            Body::Text {
                html: html.into(),
                buttons,
            },
        )
    }

    /// A message with this body.
    #[must_use]
    pub fn new(place: Place, body: Body) -> Self {
        Self {
            place,
            reply_to: None,
            edits: None,
            force_reply: None,
            silent: false,
            removes: false,
            body,
            slot: None,
            source: None,
            job: None,
        }
    }

    /// What takes the slot's message away, once; these words take its place where Telegram lets it not be deleted.
    pub fn removal(place: Place, slot: &str, html: impl Into<String>) -> Self {
        Self {
            removes: true,
            ..Self::text(place, html, Vec::new())
                .slot(slot)
                .source(format!("gone:{slot}"))
        }
    }

    /// The same, as an answer to a message.
    #[must_use]
    pub fn reply_to(mut self, message: Option<MessageId>) -> Self {
        self.reply_to = message;
        self
    }

    /// The same, in place of an own message.
    #[must_use]
    pub fn edits(mut self, message: Option<MessageId>) -> Self {
        self.edits = message;
        self
    }

    /// The same, without a sound.
    #[must_use]
    pub fn silent(mut self, silent: bool) -> Self {
        self.silent = silent;
        self
    }

    /// The same, opening the reader's keyboard with these words in the empty input field.
    #[must_use]
    pub fn force_reply(mut self, placeholder: impl Into<String>) -> Self {
        self.force_reply = Some(placeholder.into());
        self
    }

    /// The same, as the newest form of the slot's message.
    #[must_use]
    pub fn slot(mut self, slot: impl Into<String>) -> Self {
        self.slot = Some(slot.into());
        self
    }

    /// The same, made at most once from this source.
    #[must_use]
    pub fn source(mut self, source: impl Into<String>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The same, as a message of a job.
    #[must_use]
    pub fn of_job(mut self, job: JobId) -> Self {
        self.job = Some(job);
        self
    }
}
