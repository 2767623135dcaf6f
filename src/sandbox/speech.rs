//! Messages that people write, and which of them the bot gets to see.

use std::sync::Arc;

use axum::body::Bytes;
use serde_json::{Map, Value, json};

use super::Sandbox;
use super::files::mime_of;
use super::model::{Document, EntityKind, Message, Sent, What};
use super::state::{Chat, ChatKind, Standing, State, unix_now};
use super::text;
use super::world::stand;

/// A message that someone is about to write; [`Speech::text`] or [`Speech::file`] writes it.
#[must_use = "nothing is written before `text` or `file`"]
pub struct Speech {
    sandbox: Sandbox,
    from: Option<i64>,
    chat: i64,
    thread: Option<i32>,
    reply_to: Option<i32>,
    date: Option<i64>,
    extra: Vec<Extra>,
}

/// Further marks on a message.
pub(super) enum Extra {
    ForwardedFrom(i64),
    ViaBot(i64),
    SentAs(i64),
    Album(String),
    Holds(&'static str, Value),
}

impl Speech {
    pub(super) fn new(sandbox: Sandbox, from: Option<i64>, chat: i64) -> Speech {
        Speech {
            sandbox,
            from,
            chat,
            thread: None,
            reply_to: None,
            date: None,
            extra: Vec::new(),
        }
    }

    /// Marks it as written in the name of a chat.
    pub(super) fn sent_as(mut self, chat: i64) -> Speech {
        self.extra.push(Extra::SentAs(chat));
        self
    }

    /// Writes in this topic.
    pub fn topic(mut self, id: i32) -> Speech {
        self.thread = Some(id);
        self
    }

    /// Answers this message.
    pub fn reply_to(mut self, message_id: i32) -> Speech {
        self.reply_to = Some(message_id);
        self
    }

    /// Dates the message, in seconds since 1970.
    pub fn at(mut self, unix_seconds: i64) -> Speech {
        self.date = Some(unix_seconds);
        self
    }

    /// Marks it as forwarded from what this person wrote.
    pub fn forwarded_from(mut self, person: i64) -> Speech {
        self.extra.push(Extra::ForwardedFrom(person));
        self
    }

    /// Marks it as written through this other bot.
    pub fn via_bot(mut self, bot: i64) -> Speech {
        self.extra.push(Extra::ViaBot(bot));
        self
    }

    /// Writes a text.
    pub fn text(self, text: &str) -> Sent {
        let sandbox = self.sandbox.clone();
        sandbox
            .shared()
            .with(|state| write(state, self, text, None))
    }

    /// Sends a file with a caption.
    pub fn file(self, name: &str, bytes: impl Into<Bytes>, caption: &str) -> Sent {
        self.bytes(name, bytes.into(), caption, false)
    }

    /// Sends a picture as a photo, which has no name, with a caption.
    pub fn photo(self, bytes: impl Into<Bytes>, caption: &str) -> Sent {
        self.bytes("photo.jpg", bytes.into(), caption, true)
    }

    fn bytes(self, name: &str, bytes: Bytes, caption: &str, photo: bool) -> Sent {
        let sandbox = self.sandbox.clone();
        sandbox.shared().with(|state| {
            let document = state.files.add(name, mime_of(name), bytes, photo);
            write(state, self, caption, Some(document))
        })
    }

    /// Makes the message a part of an album: the parts share this name.
    pub fn album(mut self, name: &str) -> Speech {
        self.extra.push(Extra::Album(name.to_owned()));
        self
    }

    /// Sends something else, such as a `sticker` or a `location`, as the Bot API writes it.
    pub fn other(mut self, field: &'static str, content: Value) -> Sent {
        self.extra.push(Extra::Holds(field, content));
        self.text("")
    }
}

fn write(state: &mut State, speech: Speech, source: &str, document: Option<Arc<Document>>) -> Sent {
    let chat = speech.chat;
    if let Some(from) = speech.from {
        state.person(from);
    }
    let content = text::read(source, None, None).unwrap_or_default();
    let mut extra = Map::new();
    for mark in &speech.extra {
        mark_message(state, mark, speech.date, &mut extra);
    }
    let id = state.chat(chat).next_id();
    return_to(state, chat);
    state.store(Message {
        id,
        chat,
        thread: speech.thread,
        from: speech.from,
        from_bot: false,
        text: content.text,
        entities: content.entities,
        source: source.to_owned(),
        buttons: Vec::new(),
        force_reply: false,
        silent: false,
        placeholder: None,
        document,
        reply_to: speech.reply_to,
        date: speech.date.unwrap_or_else(unix_now),
        edited: None,
        history: Vec::new(),
        reactions: Vec::new(),
        extra,
    });
    tell(state, chat, id, false)
}

pub(super) fn mark_message(
    state: &mut State,
    mark: &Extra,
    date: Option<i64>,
    extra: &mut Map<String, Value>,
) {
    match mark {
        Extra::ForwardedFrom(person) => {
            state.person(*person);
            let date = date.unwrap_or_else(unix_now);
            let user = state.person_json(*person);
            extra.insert(
                "forward_origin".into(),
                json!({"type": "user", "date": date, "sender_user": user}),
            );
        }
        Extra::ViaBot(bot) => {
            let user = json!({"id": bot, "is_bot": true, "first_name": format!("Bot {bot}"), "username": format!("other{bot}_bot")});
            extra.insert("via_bot".into(), user);
        }
        Extra::SentAs(chat) => {
            state.chat(*chat);
            let chat = state.chats.get(chat).map(|chat| state.chat_json(chat));
            extra.insert("sender_chat".into(), json!(chat));
        }
        Extra::Album(name) => {
            extra.insert("media_group_id".into(), json!(name));
        }
        Extra::Holds(field, content) => {
            extra.insert((*field).into(), content.clone());
        }
    }
}

/// Who writes to a bot again after blocking it unblocks it.
fn return_to(state: &mut State, chat: i64) {
    let chat = state.chat(chat);
    if chat.kind == ChatKind::Private && chat.bot == Standing::Kicked {
        let (id, by) = (chat.id, chat.id);
        stand(state, id, by, Standing::Member);
    }
}

/// Makes the update of a message that is new or was edited.
pub(super) fn tell(state: &mut State, chat: i64, id: i32, edited: bool) -> Sent {
    state.happened(What::Said {
        chat,
        message_id: id,
    });
    let Some(place) = state.chats.get(&chat) else {
        return Sent {
            message_id: id,
            update_id: None,
        };
    };
    let kind = match (place.kind == ChatKind::Channel, edited) {
        (false, false) => "message",
        (false, true) => "edited_message",
        (true, false) => "channel_post",
        (true, true) => "edited_channel_post",
    };
    let seen = place
        .messages
        .get(&id)
        .is_some_and(|message| sees(state, place, message));
    let body = state.message_json(chat, id);
    let update_id = seen.then(|| state.queue(kind, body)).flatten();
    Sent {
        message_id: id,
        update_id,
    }
}

/// Whether the bot may see a message: in groups with privacy on only what is meant for it.
fn sees(state: &State, chat: &Chat, message: &Message) -> bool {
    let inside = !matches!(chat.bot, Standing::Left | Standing::Kicked);
    let leads = matches!(chat.bot, Standing::Administrator | Standing::Creator);
    let open = chat.kind == ChatKind::Private || leads || !state.privacy;
    let reply = message
        .reply_to
        .and_then(|id| chat.messages.get(&id))
        .is_some_and(|m| m.from_bot);
    let service = message.text.is_empty() && message.document.is_none();
    inside && (open || reply || service || is_for(state, message))
}

/// Whether a message starts with a command for this bot, or for any, or mentions it.
fn is_for(state: &State, message: &Message) -> bool {
    let own = state
        .bot
        .username
        .as_deref()
        .unwrap_or_default()
        .to_lowercase();
    let text = message.text.to_lowercase();
    let starts = message
        .entities
        .iter()
        .any(|e| e.kind == EntityKind::BotCommand && e.offset == 0);
    let command = text.split_whitespace().next().unwrap_or_default();
    let to_us = command.split_once('@').is_none_or(|(_, name)| name == own);
    (starts && to_us) || text.contains(&format!("@{own}"))
}
