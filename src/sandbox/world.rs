//! Who and what there is: people, groups, topics, how everyone stands in them, migrations.

use serde_json::{Map, Value, json};

use super::Sandbox;
use super::model::{Message, Sent};
use super::speech::{Extra, mark_message, tell};
use super::state::{ANONYMOUS_ADMIN, Chat, ChatKind, Person, Standing, State, unix_now};

/// Changes how the bot stands in a chat and tells it.
pub(super) fn stand(state: &mut State, chat: i64, by: i64, standing: Standing) -> Option<i64> {
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
            silent: false,
            placeholder: None,
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

    /// Deletes a topic with all its messages; what is sent to it from now on is refused.
    pub fn delete_topic(&self, group: i64, topic: i32) {
        self.shared().with(|state| {
            let chat = state.chat(group);
            chat.topics.remove(&topic);
            chat.closed_topics.remove(&topic);
            chat.messages
                .retain(|_, message| message.thread != Some(topic));
        });
    }

    /// Closes a topic, or opens it again: in a closed one only administrators write.
    pub fn close_topic(&self, group: i64, topic: i32, closed: bool) {
        self.shared().with(|state| {
            let chat = state.chat(group);
            match closed {
                true => chat.closed_topics.insert(topic),
                false => chat.closed_topics.remove(&topic),
            }
        });
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
