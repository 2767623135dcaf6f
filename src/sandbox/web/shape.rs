//! The world as the page reads it: people, chats, messages, menus, calls, faults.

use serde_json::{Value, json};

use super::super::faults::{Fault, FaultKind};
use super::super::files::picture_size;
use super::super::model::{Button, Document, MenuEntry, Message};
use super::super::record::Record;
use super::super::state::{Chat, ChatKind, Standing, State};
use super::Site;

/// The longest part of a message that is quoted above its answer, in characters.
const QUOTE: usize = 120;
/// The most messages that one request gets.
pub(super) const PAGE: usize = 100;

/// Everything the page needs to begin.
pub(super) fn world(site: &Site, state: &State) -> Value {
    json!({
        "bot": {
            "id": state.bot.id,
            "name": state.bot.first_name,
            "username": state.bot.username,
        },
        "people": people(site, state),
        "chats": chats(state),
        "last": last(state),
    })
}

fn people(site: &Site, state: &State) -> Vec<Value> {
    let person = |player: &super::Player| {
        let known = state.people.get(&player.id);
        json!({
            "id": player.id,
            "name": known.map(|person| person.first_name.as_str()),
            "role": player.role,
        })
    };
    site.players.iter().map(person).collect()
}

/// The chats by what they are, without what is in them.
pub(super) fn chats(state: &State) -> Value {
    state.chats.values().map(chat).collect()
}

fn chat(chat: &Chat) -> Value {
    let topic = |(id, name): (&i32, &String)| json!({"id": id, "name": name});
    let inside =
        |(_, standing): &(&i64, &Standing)| !matches!(standing, Standing::Left | Standing::Kicked);
    let members = chat.members.iter().filter(inside);
    json!({
        "id": chat.id,
        "kind": chat.kind.name(),
        "title": chat.title,
        "forum": chat.forum,
        "topics": chat.topics.iter().map(topic).collect::<Vec<_>>(),
        "members": members.map(|(id, _)| *id).collect::<Vec<_>>(),
        "bot": chat.bot.name(),
        "moved": chat.migrated_to,
    })
}

/// The last message of each chat, and of each of its topics.
fn last(state: &State) -> Vec<Value> {
    let mut last = Vec::new();
    for chat in state.chats.values() {
        let topics = chat.topics.keys().map(|id| Some(*id));
        for thread in topics.chain([None]) {
            let mut backwards = chat.messages.values().rev();
            last.extend(
                backwards
                    .find(|m| m.thread == thread)
                    .map(|m| message(state, m)),
            );
        }
    }
    last
}

/// A page of messages before a number, oldest first; whether there are more.
pub(super) fn messages(state: &State, chat: i64, thread: Option<i32>, before: i32) -> Value {
    let Some(place) = state.chats.get(&chat) else {
        return json!({"messages": [], "more": false});
    };
    let earlier = place.messages.range(..before).rev().map(|(_, m)| m);
    let mut fitting = earlier.filter(|m| !place.forum || m.thread == thread);
    let mut page: Vec<Value> = fitting
        .by_ref()
        .take(PAGE)
        .map(|m| message(state, m))
        .collect();
    page.reverse();
    json!({"messages": page, "more": fitting.next().is_some()})
}

/// One message.
pub(super) fn message(state: &State, message: &Message) -> Value {
    let entities: Vec<Value> = message.entities.iter().map(|e| e.json()).collect();
    let rows: Vec<Vec<Value>> = message
        .buttons
        .iter()
        .map(|row| row.iter().map(button).collect())
        .collect();
    json!({
        "id": message.id,
        "chat": message.chat,
        "thread": message.thread,
        "from": message.from,
        "name": author(state, message),
        "bot": message.from_bot,
        "text": message.text,
        "entities": entities,
        "buttons": rows,
        "ask": message.force_reply,
        "file": message.document.as_deref().map(file),
        "reply": message.reply_to.map(|id| quote(state, message.chat, id)),
        "forwarded": forwarded(message),
        "service": service(message),
        "date": message.date,
        "edited": message.edited,
        "reactions": message.reactions,
    })
}

fn author(state: &State, message: &Message) -> Value {
    let chat = message
        .extra
        .get("sender_chat")
        .and_then(|chat| chat.get("title"));
    match (chat, message.from) {
        (Some(title), _) => title.clone(),
        (None, Some(id)) => state.person_json(id)["first_name"].take(),
        (None, None) => Value::Null,
    }
}

fn button(button: &Button) -> Value {
    json!({
        "text": button.text, "data": button.data, "url": button.url,
        "copy": button.copy, "style": button.style,
    })
}

fn file(document: &Document) -> Value {
    let size = document
        .photo
        .then(|| picture_size(&document.bytes))
        .flatten();
    json!({
        "name": document.name,
        "mime": document.mime,
        "size": document.bytes.len(),
        "photo": document.photo,
        "width": size.map(|(width, _)| width),
        "height": size.map(|(_, height)| height),
    })
}

fn quote(state: &State, chat: i64, id: i32) -> Value {
    let Some(message) = state.message(chat, id) else {
        return json!({"id": id, "name": null, "text": "Deleted message"});
    };
    let mut text: String = message.text.chars().take(QUOTE).collect();
    if let Some(document) = message.document.as_ref().filter(|_| text.is_empty()) {
        text.clone_from(&document.name);
    }
    json!({
        "id": id,
        "from": message.from,
        "name": author(state, message),
        "text": text.split_whitespace().collect::<Vec<_>>().join(" "),
    })
}

fn forwarded(message: &Message) -> Option<&Value> {
    let origin = message.extra.get("forward_origin")?;
    origin.get("sender_user")?.get("first_name")
}

/// The words of a message that the chat itself made.
fn service(message: &Message) -> Option<String> {
    let has = |key: &str| message.extra.contains_key(key);
    let words = if has("migrate_to_chat_id") {
        "This group became a supergroup"
    } else if has("migrate_from_chat_id") {
        "This supergroup was made of a group"
    } else {
        return (message.text.is_empty() && message.document.is_none())
            .then(|| "Service message".to_owned());
    };
    Some(words.to_owned())
}

/// The commands that this person's client offers in this chat: of all the menus that fit, the narrowest.
pub(super) fn menu(state: &State, person: i64, chat: i64) -> Vec<Value> {
    let place = state.chats.get(&chat);
    let private = place.is_none_or(|chat| chat.kind == ChatKind::Private);
    let leads = place.is_some_and(|place| {
        let standing = place.members.get(&person);
        matches!(standing, Some(Standing::Creator | Standing::Administrator))
    });
    let mut scopes = vec![];
    if !private {
        scopes.push(format!("chat_member:{chat}:{person}"));
    }
    if leads {
        scopes.push(format!("chat_administrators:{chat}"));
    }
    scopes.push(format!("chat:{chat}"));
    if leads {
        scopes.push("all_chat_administrators".to_owned());
    }
    scopes.push(match private {
        true => "all_private_chats".to_owned(),
        false => "all_group_chats".to_owned(),
    });
    scopes.push("default".to_owned());
    let found = scopes.into_iter().find_map(|scope| {
        let of = |language: &str| state.menus.get(&(scope.clone(), language.to_owned()));
        of("en").or_else(|| of(""))
    });
    let entry = |e: &MenuEntry| json!({"command": e.command, "description": e.description});
    found.map_or_else(Vec::new, |menu| menu.iter().map(entry).collect())
}

/// A call as one line of the list.
pub(super) fn call(record: &Record) -> Value {
    json!({
        "id": record.id,
        "at": record.at,
        "method": record.method,
        "chat": record.chat,
        "code": record.code,
        "error": record.error,
        "ms": record.took.as_secs_f64() * 1000.0,
    })
}

/// The faults that wait for their calls.
pub(super) fn faults(state: &State) -> Vec<String> {
    state.faults.rules().iter().map(fault).collect()
}

fn fault(rule: &Fault) -> String {
    let kind = match rule.kind {
        FaultKind::TooManyRequests(seconds) => format!("429, wait {seconds} s"),
        FaultKind::ServerError(code) => code.to_string(),
        FaultKind::DropBefore => "cut before it is done".to_owned(),
        FaultKind::DropAfter => "cut after it is done".to_owned(),
        FaultKind::Missing => "404, no such file".to_owned(),
        FaultKind::Half => "cut in the middle of a file".to_owned(),
        FaultKind::Shorter => "half of a file".to_owned(),
        FaultKind::Garbage => "garbage as the answer".to_owned(),
        FaultKind::Delay(time) => format!("{} s late", time.as_secs()),
        FaultKind::Forbidden(_) => "403, blocked".to_owned(),
        FaultKind::Refused(code, words) => format!("{code}, {words}"),
        FaultKind::Migrate(_) => "group becomes supergroup".to_owned(),
    };
    match rule.left {
        Some(1) | None => kind,
        Some(left) => format!("{kind} × {left}"),
    }
}
