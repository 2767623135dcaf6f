//! What people do: write, press, edit, forward, block, throw out; each makes the update it makes.

use std::sync::Arc;

use axum::body::Bytes;
use serde_json::{Map, Value, json};

use super::Sandbox;
use super::model::{Document, EntityKind, Message, Sent, What};
use super::state::{ANONYMOUS_ADMIN, Chat, ChatKind, Person, Press, Standing, State, unix_now};
use super::text;

/// A message that someone is about to write; [`Speech::text`] or [`Speech::file`] writes it.
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
enum Extra {
    ForwardedFrom(i64),
    ViaBot(i64),
    SentAs(i64),
}

impl Speech {
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
        let sandbox = self.sandbox.clone();
        let bytes = bytes.into();
        sandbox.shared().with(|state| {
            let document = state
                .files
                .add(name, "application/octet-stream", bytes, false);
            write(state, self, caption, Some(document))
        })
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

fn mark_message(
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
fn tell(state: &mut State, chat: i64, id: i32, edited: bool) -> Sent {
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

/// Changes how the bot stands in a chat and tells it.
fn stand(state: &mut State, chat: i64, by: i64, standing: Standing) -> Option<i64> {
    state.person(by);
    let place = state.chat(chat);
    let old = std::mem::replace(&mut place.bot, standing);
    let bot = state.bot.id;
    let body = json!({
        "chat": state.chats.get(&chat).map(|chat| state.chat_json(chat)),
        "from": state.person_json(by),
        "date": unix_now(),
        "old_chat_member": state.member_json(bot, old),
        "new_chat_member": state.member_json(bot, standing),
    });
    state.queue("my_chat_member", body)
}

impl State {
    /// Makes a group a supergroup under a new identifier, with both service messages.
    pub(super) fn migrate(&mut self, old: i64, new: i64) {
        let group = self.chat(old);
        group.migrated_to = Some(new);
        let mut heir = Chat::new(new, ChatKind::Supergroup, &group.title);
        heir.members = group.members.clone();
        heir.bot = group.bot;
        self.chats.insert(new, heir);
        for (chat, key, other) in [
            (old, "migrate_to_chat_id", new),
            (new, "migrate_from_chat_id", old),
        ] {
            let mut extra = Map::new();
            extra.insert(key.into(), json!(other));
            mark_message(self, &Extra::SentAs(chat), None, &mut extra);
            self.service(chat, extra);
        }
    }

    fn service(&mut self, chat: i64, extra: Map<String, Value>) -> Sent {
        let id = self.chat(chat).next_id();
        self.store(Message {
            id,
            chat,
            thread: None,
            from: Some(ANONYMOUS_ADMIN),
            from_bot: false,
            text: String::new(),
            entities: Vec::new(),
            source: String::new(),
            buttons: Vec::new(),
            force_reply: false,
            document: None,
            reply_to: None,
            date: unix_now(),
            edited: None,
            history: Vec::new(),
            reactions: Vec::new(),
            extra,
        });
        tell(self, chat, id, false)
    }

    /// Makes the update of a button press.
    fn press(&mut self, from: i64, chat: i64, message_id: i32, data: &str) -> String {
        self.person(from);
        let id = format!("{}", rand::random::<u64>());
        self.presses.insert(id.clone(), Press { answered: false });
        self.press_order.push_back(id.clone());
        while self.press_order.len() > self.keep {
            if let Some(old) = self.press_order.pop_front() {
                self.presses.remove(&old);
            }
        }
        let body = json!({
            "id": id,
            "from": self.person_json(from),
            "message": self.message_json(chat, message_id),
            "chat_instance": format!("{}", chat.wrapping_mul(7_919)),
            "data": data,
        });
        self.queue("callback_query", body);
        id
    }
}

/// The world.
impl Sandbox {
    /// Adds a person. A private chat exists only once they have written, or pressed Start.
    pub fn add_person(&self, id: i64, first_name: &str, username: Option<&str>) {
        self.add_someone(id, first_name, username, false);
    }

    /// Adds another bot.
    pub fn add_bot(&self, id: i64, first_name: &str, username: &str) {
        self.add_someone(id, first_name, Some(username), true);
    }

    fn add_someone(&self, id: i64, first_name: &str, username: Option<&str>, is_bot: bool) {
        let person = Person {
            id,
            first_name: first_name.to_owned(),
            username: username.map(str::to_owned),
            is_bot,
            deactivated: false,
        };
        self.shared().with(|state| state.people.insert(id, person));
    }

    /// Opens the private chat with a person without a message, as if they had written long ago.
    pub fn open_private(&self, person: i64) {
        self.shared().with(|state| {
            state.person(person);
            state.chat(person);
        });
    }

    /// Adds a group with the bot in it: a supergroup if the identifier is at most -10^12 or if it
    /// is a forum, otherwise a basic group.
    pub fn add_group(&self, id: i64, title: &str, forum: bool) {
        self.shared().with(|state| {
            let chat = state.chat(id);
            title.clone_into(&mut chat.title);
            chat.forum = forum;
            if forum {
                chat.kind = ChatKind::Supergroup;
            }
        });
    }

    /// Adds a channel with the bot as administrator.
    pub fn add_channel(&self, id: i64, title: &str) {
        self.shared().with(|state| {
            let mut chat = Chat::new(id, ChatKind::Channel, title);
            chat.bot = Standing::Administrator;
            state.chats.insert(id, chat);
        });
    }

    /// Opens a topic and gives its number.
    pub fn add_topic(&self, group: i64, name: &str) -> i32 {
        self.shared().with(|state| {
            let chat = state.chat(group);
            let id = chat.next_id().max(2);
            chat.last_id = id;
            chat.topics.insert(id, name.to_owned());
            id
        })
    }

    /// Deletes a topic: messages to it are refused from now on.
    pub fn delete_topic(&self, group: i64, topic: i32) {
        self.shared()
            .with(|state| state.chat(group).topics.remove(&topic));
    }

    /// Puts a person into a group, or changes how they stand there.
    pub fn add_member(&self, group: i64, person: i64, standing: Standing) {
        self.shared().with(|state| {
            state.person(person);
            state.chat(group).members.insert(person, standing);
        });
    }

    /// Whether the bot sees only what is meant for it in groups; it does so at first.
    pub fn set_privacy(&self, on: bool) {
        self.shared().with(|state| state.privacy = on);
    }
}

/// What people do.
impl Sandbox {
    /// Starts a message of a person; unknown people and chats are made up.
    pub fn speak(&self, from: i64, chat: i64) -> Speech {
        Speech {
            sandbox: self.clone(),
            from: Some(from),
            chat,
            thread: None,
            reply_to: None,
            date: None,
            extra: Vec::new(),
        }
    }

    /// A person writes.
    pub fn say(&self, from: i64, chat: i64, text: &str) -> Sent {
        self.speak(from, chat).text(text)
    }

    /// A person writes, dated in seconds since 1970.
    pub fn say_at(&self, from: i64, chat: i64, text: &str, unix_seconds: i64) -> Sent {
        self.speak(from, chat).at(unix_seconds).text(text)
    }

    /// An administrator writes in the name of the group.
    pub fn say_anonymously(&self, group: i64, text: &str) -> Sent {
        let mut speech = self.speak(ANONYMOUS_ADMIN, group);
        speech.extra.push(Extra::SentAs(group));
        speech.text(text)
    }

    /// Someone writes in the name of another chat, for example the linked channel.
    pub fn say_as_chat(&self, chat: i64, sender_chat: i64, text: &str) -> Sent {
        let mut speech = self.speak(136_817_688, chat);
        speech.extra.push(Extra::SentAs(sender_chat));
        speech.text(text)
    }

    /// A channel posts; nobody is named as its author.
    pub fn channel_post(&self, channel: i64, text: &str) -> Sent {
        let mut speech = self.speak(0, channel);
        speech.from = None;
        speech.extra.push(Extra::SentAs(channel));
        speech.text(text)
    }

    /// The author of a message changes its text. No update if it is not there.
    pub fn edit_said(&self, chat: i64, message_id: i32, text: &str) -> Sent {
        let content = text::read(text, None, None).unwrap_or_default();
        self.shared().with(|state| {
            let keep = state.keep;
            match state.chat(chat).messages.get_mut(&message_id) {
                Some(message) => {
                    message.text = content.text;
                    message.entities = content.entities;
                    message.source = content.source;
                    message.edited = Some(unix_now());
                    message.remember(std::time::Instant::now(), keep);
                    tell(state, chat, message_id, true)
                }
                None => Sent {
                    message_id,
                    update_id: None,
                },
            }
        })
    }

    /// A person deletes a message; the bot is not told.
    pub fn delete_said(&self, chat: i64, message_id: i32) {
        self.shared()
            .with(|state| state.chat(chat).messages.remove(&message_id));
    }

    /// A person presses the button with this data, or else with this label; gives the identifier
    /// of the press.
    ///
    /// # Errors
    /// The words for a message or button that is not there, with what is there instead.
    pub fn press(
        &self,
        from: i64,
        chat: i64,
        message_id: i32,
        data_or_label: &str,
    ) -> Result<String, String> {
        self.shared().with(|state| {
            let message = state.message(chat, message_id);
            let message =
                message.ok_or_else(|| format!("no message {message_id} in chat {chat}"))?;
            let found = message
                .button(data_or_label)
                .and_then(|button| button.data.clone());
            let data = found.ok_or_else(|| {
                let labels: Vec<&str> = message.all_buttons().map(|b| b.text.as_str()).collect();
                format!(
                    "no button {data_or_label:?} to press under message {message_id}: {labels:?}"
                )
            })?;
            Ok(state.press(from, chat, message_id, &data))
        })
    }

    /// A person sends any data as if a button had it; the message need not exist.
    pub fn press_forged(&self, from: i64, chat: i64, message_id: i32, data: &str) -> String {
        self.shared()
            .with(|state| state.press(from, chat, message_id, data))
    }

    /// Makes every press so far too old to be answered.
    pub fn expire_presses(&self) {
        self.shared().with(|state| state.presses.clear());
    }

    /// A person blocks the bot. Gives the update.
    pub fn block(&self, person: i64) -> Option<i64> {
        self.shared()
            .with(|state| stand(state, person, person, Standing::Kicked))
    }

    /// A person unblocks the bot. Gives the update.
    pub fn unblock(&self, person: i64) -> Option<i64> {
        self.shared()
            .with(|state| stand(state, person, person, Standing::Member))
    }

    /// Someone throws the bot out of a group. Gives the update.
    pub fn kick(&self, group: i64, by: i64) -> Option<i64> {
        self.set_bot_standing(group, by, Standing::Kicked)
    }

    /// Someone changes how the bot stands in a chat. Gives the update.
    pub fn set_bot_standing(&self, chat: i64, by: i64, standing: Standing) -> Option<i64> {
        self.shared().with(|state| stand(state, chat, by, standing))
    }

    /// A person deletes their account.
    pub fn deactivate(&self, person: i64) {
        self.shared().with(|state| {
            state.person(person);
            if let Some(person) = state.people.get_mut(&person) {
                person.deactivated = true;
            }
        });
    }

    /// A group becomes a supergroup; gives its new identifier.
    pub fn migrate(&self, group: i64) -> i64 {
        let new = -1_000_000_000_000 - group.unsigned_abs().cast_signed() % 1_000_000_000_000 - 1;
        self.shared().with(|state| state.migrate(group, new));
        new
    }

    /// Hands the bot any update, whatever it asked for; `update_id` is filled in if missing.
    pub fn inject(&self, update: Value) -> i64 {
        self.shared().with(|state| state.queue_raw(update))
    }

    /// Delivers an update once more, though it was confirmed. False if it is long forgotten.
    pub fn redeliver(&self, update_id: i64) -> bool {
        self.shared().with(|state| state.redeliver(update_id))
    }
}
