//! A Telegram message as what it means to us: a command of a person, or why it is none.

use crate::base::filename;
use crate::base::ids::{ChatId, MessageId, Place, ThreadId, UserId};
use crate::base::time::Millis;
use crate::base::upload::{Attached, Upload};
use teloxide::types::{FileMeta, Message};

/// Telegram's stand-in sender for anonymous group admins.
const ANONYMOUS_ADMIN: u64 = 1_087_968_824;

/// Who wrote, as Telegram says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Author {
    /// A person.
    Person {
        /// Their id, the only thing that rights hang on.
        id: UserId,
        /// Their first name.
        name: String,
        /// Their username.
        username: Option<String>,
    },
    /// An admin who hides who they are.
    AnonymousAdmin,
    /// A bot, a channel, or nobody.
    Nobody,
}

/// A message that another one replies to.
#[derive(Clone, Debug)]
pub struct Replied {
    /// Which.
    pub message: MessageId,
    /// Who wrote it.
    pub author: UserId,
    /// Its text.
    pub text: String,
}

/// A message, reduced.
#[derive(Clone, Debug)]
pub struct Incoming {
    /// Who wrote.
    pub author: Author,
    /// Where; the topic included.
    pub place: Place,
    /// Which message.
    pub message: MessageId,
    /// Its text, or the caption of its file.
    pub text: String,
    /// The file in it.
    pub file: Option<Upload>,
    /// The file in the message that it answers.
    pub replied: Option<Upload>,
    /// The album that it is a part of.
    pub album: Option<String>,
    /// What it is, when it is neither text nor file.
    pub other: Option<&'static str>,
    /// The message that it replies to.
    pub reply_to: Option<Replied>,
    /// When it was written.
    pub date: Millis,
    /// It was written by somebody else, elsewhere, or through another bot.
    pub second_hand: bool,
    /// Who wrote the message that it answers.
    pub answers: Option<Author>,
    /// The title of the group, and of the topic as far as it shows.
    pub titles: (String, String),
}

impl Incoming {
    /// Reduces a message; `None` for one that nobody wrote, such as the notice of a new member.
    #[must_use]
    pub fn of(message: &Message) -> Option<Self> {
        let (file, other) = (upload(message), other(message));
        let text = message.text().or(message.caption());
        if text.is_none() && file.is_none() && other.is_none() {
            return None;
        }
        Some(Self {
            author: author(message),
            place: place(message),
            message: MessageId(message.id.0),
            text: text.unwrap_or_default().to_owned(),
            file,
            replied: message.reply_to_message().and_then(upload),
            album: message.media_group_id().map(|id| id.0.clone()),
            other,
            reply_to: message.reply_to_message().and_then(|replied| {
                let author = replied.from.as_ref()?;
                let author = UserId(i64::try_from(author.id.0).unwrap_or(0));
                Some(Replied {
                    message: MessageId(replied.id.0),
                    author,
                    text: replied.text().unwrap_or_default().to_owned(),
                })
            }),
            date: Millis(message.date.timestamp_millis()),
            second_hand: message.forward_origin().is_some() || message.via_bot.is_some(),
            answers: message
                .reply_to_message()
                .filter(|answered| answered.forum_topic_created().is_none())
                .map(author),
            titles: (
                message.chat.title().unwrap_or_default().to_owned(),
                topic_title(message).unwrap_or_default(),
            ),
        })
    }
}

impl Incoming {
    /// The file that a command in it is about: its own, or the one of the message that it answers.
    #[must_use]
    pub fn attached(&self) -> Option<Attached> {
        let own = self.file.as_ref().map(|file| (file, true));
        let (upload, own) = own.or(self.replied.as_ref().map(|file| (file, false)))?;
        Some(Attached {
            upload: upload.clone(),
            own,
        })
    }
}

/// The file in a message: a document, or what may as well be one. Of a photo, its largest form.
fn upload(message: &Message) -> Option<Upload> {
    let of = |file: &FileMeta, name: Option<&str>, mime: Option<String>, kind: &str| Upload {
        file_id: file.id.0.clone(),
        name: match name {
            Some(name) => filename::safe(name),
            None => format!("{kind}-{}", message.id.0),
        },
        // What the library writes where Telegram says nothing.
        size: (file.size != u32::MAX).then_some(u64::from(file.size)),
        mime,
    };
    if let Some(document) = message.document() {
        let (name, mime) = (
            document.file_name.as_deref(),
            document.mime_type.as_ref().map(|mime| mime.to_string()),
        );
        return Some(of(&document.file, name, mime, "document"));
    }
    if let Some(photo) = message.photo() {
        let largest = photo.iter().max_by_key(|form| (form.width, form.height))?;
        let name = format!("photo-{}.jpg", message.id.0);
        let mime = Some("image/jpeg".to_owned());
        return Some(of(&largest.file, Some(&name), mime, "photo"));
    }
    if let Some(video) = message.video() {
        let (name, mime) = (
            video.file_name.as_deref(),
            video.mime_type.as_ref().map(|mime| mime.to_string()),
        );
        return Some(of(&video.file, name, mime, "video"));
    }
    let audio = message.audio()?;
    let (name, mime) = (
        audio.file_name.as_deref(),
        audio.mime_type.as_ref().map(|mime| mime.to_string()),
    );
    Some(of(&audio.file, name, mime, "audio"))
}

/// What a message is that holds neither words nor a file for us.
fn other(message: &Message) -> Option<&'static str> {
    let found = [
        (message.sticker().is_some(), "a sticker"),
        (message.voice().is_some(), "a voice message"),
        (message.video_note().is_some(), "a video message"),
        (message.location().is_some(), "a location"),
        (message.contact().is_some(), "a contact"),
        (message.poll().is_some(), "a poll"),
        (message.dice().is_some(), "a die"),
    ];
    found.into_iter().find_map(|(is, what)| is.then_some(what))
}

/// Where a message stands. *General* of a forum is addressed without a topic.
#[must_use]
pub fn place(message: &Message) -> Place {
    let topic = message.thread_id.filter(|_| message.is_topic_message);
    Place {
        chat: ChatId(message.chat.id.0),
        thread: topic.map(|id| ThreadId(id.0.0)).filter(|id| id.0 != 1),
    }
}

/// In a topic, a message without an answer of its own answers the topic's beginning.
fn topic_title(message: &Message) -> Option<String> {
    let created = message.reply_to_message()?.forum_topic_created()?;
    Some(created.name.clone())
}

fn author(message: &Message) -> Author {
    match &message.from {
        Some(user) if user.id.0 == ANONYMOUS_ADMIN => Author::AnonymousAdmin,
        Some(_) if message.sender_chat.is_some() => Author::Nobody,
        Some(user) if !user.is_bot => Author::Person {
            id: UserId(i64::try_from(user.id.0).unwrap_or(0)),
            name: user.first_name.clone(),
            username: user.username.clone(),
        },
        Some(_) | None => Author::Nobody,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};
    use teloxide::types::{Update, UpdateKind};

    fn update() -> Value {
        let ann = json!({"id": 111, "is_bot": false, "first_name": "Ann", "username": "ann"});
        let chat = json!({"id": -1001, "type": "supergroup", "title": "ops", "is_forum": true});
        json!({"update_id": 7, "message": {
            "message_id": 5, "date": 1_700_000_000, "chat": chat, "from": ann, "caption": "/run x",
            "message_thread_id": 3, "is_topic_message": true, "media_group_id": "1",
            "document": {"file_id": "a", "file_unique_id": "b", "file_name": "x.sql", "mime_type": "text/plain", "file_size": 9},
            "reply_to_message": {"message_id": 4, "date": 1_700_000_000, "chat": chat, "from": ann, "text": "hello"},
        }})
    }

    /// The places in a value, as JSON pointers.
    fn places(value: &Value, at: &str, found: &mut Vec<String>) {
        if let Value::Object(map) = value {
            for (key, value) in map {
                let at = format!("{at}/{key}");
                places(value, &at, found);
                found.push(at);
            }
        }
    }

    fn anything() -> impl Strategy<Value = Value> {
        prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "\\PC{0,40}".prop_map(Value::from),
            Just(json!({})),
            Just(json!([])),
        ]
    }

    proptest! {
        /// Whatever Telegram sends and the library reads can be stored and read back, and means the same.
        #[test]
        fn an_update_means_the_same_after_a_restart(changes in prop::collection::vec((any::<prop::sample::Index>(), anything()), 0..4)) {
            let mut sent = update();
            for (place, value) in changes {
                let mut all = Vec::new();
                places(&sent, "", &mut all);
                if let Some(old) = sent.pointer_mut(place.get(&all).as_str()) {
                    *old = value;
                }
            }
            let Ok(update) = serde_json::from_value::<Update>(sent) else {
                return Ok(());
            };
            let stored = serde_json::to_string(&update).unwrap();
            let again: Update = serde_json::from_str(&stored).unwrap();
            if let (UpdateKind::Message(before), UpdateKind::Message(after)) = (&update.kind, &again.kind) {
                let (before, after) = (Incoming::of(before), Incoming::of(after));
                prop_assert_eq!(format!("{before:?}"), format!("{after:?}"));
            }
        }
    }
}
