//! The JSON that goes to the bot: users, chats and messages as the Bot API writes them.

use serde_json::{Map, Value, json};

use super::files::picture_size;
use super::model::{Button, Document, Message};
use super::state::{ANONYMOUS_ADMIN, Chat, ChatKind, Person, Standing, State};

/// A user.
pub(super) fn person(person: &Person) -> Value {
    let mut json =
        json!({"id": person.id, "is_bot": person.is_bot, "first_name": person.first_name});
    if let Some(username) = &person.username {
        json["username"] = json!(username);
    }
    if !person.is_bot {
        json["language_code"] = json!("en");
    }
    json
}

impl State {
    /// A user by identifier; the bot itself and the anonymous administrator included.
    pub(super) fn person_json(&self, id: i64) -> Value {
        if id == self.bot.id {
            return person(&self.bot);
        }
        if id == ANONYMOUS_ADMIN {
            return json!({"id": id, "is_bot": true, "first_name": "Group", "username": "GroupAnonymousBot"});
        }
        match self.people.get(&id) {
            Some(known) => person(known),
            None => json!({"id": id, "is_bot": false, "first_name": format!("Person {id}")}),
        }
    }

    /// A chat, short form.
    pub(super) fn chat_json(&self, chat: &Chat) -> Value {
        let mut json = json!({"id": chat.id, "type": chat.kind.name()});
        if chat.kind == ChatKind::Private {
            if let Some(person) = self.people.get(&chat.id) {
                json["first_name"] = json!(person.first_name);
                if let Some(username) = &person.username {
                    json["username"] = json!(username);
                }
            }
            return json;
        }
        json["title"] = json!(chat.title);
        if chat.forum {
            json["is_forum"] = json!(true);
        }
        json
    }

    /// A message by its place.
    pub(super) fn message_json(&self, chat: i64, id: i32) -> Value {
        let found = self
            .chats
            .get(&chat)
            .and_then(|chat| Some((chat, chat.messages.get(&id)?)));
        match found {
            Some((chat, message)) => self.render(chat, message, true),
            None => json!({"chat": self.chat_by_id(chat), "message_id": id, "date": 0}),
        }
    }

    fn chat_by_id(&self, id: i64) -> Value {
        self.chats.get(&id).map_or_else(
            || json!({"id": id, "type": "private"}),
            |c| self.chat_json(c),
        )
    }

    fn render(&self, chat: &Chat, message: &Message, with_reply: bool) -> Value {
        let mut map = Map::new();
        map.insert("message_id".into(), json!(message.id));
        map.insert("date".into(), json!(message.date));
        map.insert("chat".into(), self.chat_json(chat));
        if let Some(from) = message.from {
            map.insert("from".into(), self.person_json(from));
        }
        if let Some(thread) = message.thread {
            map.insert("message_thread_id".into(), json!(thread));
            map.insert("is_topic_message".into(), json!(true));
        }
        if let Some(edited) = message.edited {
            map.insert("edit_date".into(), json!(edited));
        }
        let reply = message
            .reply_to
            .filter(|_| with_reply)
            .and_then(|id| chat.messages.get(&id));
        if let Some(reply) = reply {
            map.insert("reply_to_message".into(), self.render(chat, reply, false));
        }
        content(&mut map, message);
        if !message.buttons.is_empty() {
            map.insert("reply_markup".into(), keyboard(&message.buttons));
        }
        map.extend(message.extra.clone());
        Value::Object(map)
    }

    /// How the bot stands in a chat, as a member object.
    pub(super) fn member_json(&self, id: i64, standing: Standing) -> Value {
        let mut json = json!({"user": self.person_json(id), "status": standing.name()});
        match standing {
            Standing::Creator => json["is_anonymous"] = json!(false),
            Standing::Kicked => json["until_date"] = json!(0),
            Standing::Administrator => {
                for right in [
                    "can_be_edited",
                    "is_anonymous",
                    "can_change_info",
                    "can_promote_members",
                    "can_restrict_members",
                    "can_post_stories",
                    "can_edit_stories",
                    "can_delete_stories",
                    "can_manage_topics",
                ] {
                    json[right] = json!(false);
                }
                for right in [
                    "can_manage_chat",
                    "can_delete_messages",
                    "can_manage_video_chats",
                    "can_invite_users",
                    "can_pin_messages",
                ] {
                    json[right] = json!(true);
                }
            }
            Standing::Member | Standing::Left => {}
        }
        json
    }
}

fn content(map: &mut Map<String, Value>, message: &Message) {
    let entities: Vec<Value> = message
        .entities
        .iter()
        .map(super::model::Entity::json)
        .collect();
    let (text, marks) = match &message.document {
        Some(document) if document.photo => {
            map.insert(
                "photo".into(),
                json!([thumbnail(document), photo(document)]),
            );
            ("caption", "caption_entities")
        }
        Some(document) => {
            map.insert("document".into(), file(document));
            ("caption", "caption_entities")
        }
        None => ("text", "entities"),
    };
    if !message.text.is_empty() {
        map.insert(text.into(), json!(message.text));
    }
    if !entities.is_empty() {
        map.insert(marks.into(), Value::Array(entities));
    }
}

fn file(document: &Document) -> Value {
    json!({
        "file_id": document.file_id,
        "file_unique_id": unique(document),
        "file_name": document.name,
        "mime_type": document.mime,
        "file_size": document.bytes.len(),
    })
}

fn photo(document: &Document) -> Value {
    let (width, height) = picture_size(&document.bytes).unwrap_or((800, 600));
    json!({
        "file_id": document.file_id,
        "file_unique_id": unique(document),
        "width": width,
        "height": height,
        "file_size": document.bytes.len(),
    })
}

/// The small form of a photo, which Telegram puts before the whole; it cannot be fetched here.
fn thumbnail(document: &Document) -> Value {
    json!({
        "file_id": format!("{}s", document.file_id),
        "file_unique_id": format!("{}s", unique(document)),
        "width": 90,
        "height": 67,
        "file_size": 1200,
    })
}

/// The part of an identifier that stays the same for the same file.
pub(super) fn unique(document: &Document) -> String {
    format!(
        "AQAD{}",
        &document.file_id[document.file_id.len().saturating_sub(16)..]
    )
}

/// An inline keyboard.
fn keyboard(rows: &[Vec<Button>]) -> Value {
    let button = |button: &Button| {
        let mut json = json!({"text": button.text});
        for (key, value) in [
            ("callback_data", &button.data),
            ("url", &button.url),
            ("style", &button.style),
        ] {
            if let Some(value) = value {
                json[key] = json!(value);
            }
        }
        if let Some(copy) = &button.copy {
            json["copy_text"] = json!({"text": copy});
        }
        json
    };
    let rows: Vec<Vec<Value>> = rows
        .iter()
        .map(|row| row.iter().map(button).collect())
        .collect();
    json!({"inline_keyboard": rows})
}
