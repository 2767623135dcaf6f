//! What people do: write, press, edit, forward, block, throw out; each makes the update it makes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Bytes;
use serde_json::{Value, json};

use super::Sandbox;
use super::model::{Document, Sent};
use super::speech::{Speech, tell};
use super::state::{ANONYMOUS_ADMIN, Press, Standing, State, unix_now};
use super::text;
use super::world::stand;

impl State {
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

/// What people do.
impl Sandbox {
    /// Starts a message of a person; unknown people and chats are made up.
    pub fn speak(&self, from: i64, chat: i64) -> Speech {
        Speech::new(self.clone(), Some(from), chat)
    }

    /// A person writes.
    pub fn say(&self, from: i64, chat: i64, text: &str) -> Sent {
        self.speak(from, chat).text(text)
    }

    /// A person sends a file with a caption.
    pub fn send_file(
        &self,
        from: i64,
        chat: i64,
        name: &str,
        bytes: impl Into<Bytes>,
        caption: &str,
    ) -> Sent {
        self.speak(from, chat).file(name, bytes, caption)
    }

    /// The file behind an identifier, whoever sent it.
    pub fn document(&self, file_id: &str) -> Option<Arc<Document>> {
        self.shared()
            .with(|state| state.files.get(file_id).cloned())
    }

    /// Telegram forgets a file: it can no longer be fetched.
    pub fn forget_file(&self, file_id: &str) {
        self.shared().with(|state| state.files.forget(file_id));
    }

    /// A person writes, dated in seconds since 1970.
    pub fn say_at(&self, from: i64, chat: i64, text: &str, unix_seconds: i64) -> Sent {
        self.speak(from, chat).at(unix_seconds).text(text)
    }

    /// An administrator writes in the name of the group.
    pub fn say_anonymously(&self, group: i64, text: &str) -> Sent {
        self.speak(ANONYMOUS_ADMIN, group).sent_as(group).text(text)
    }

    /// Someone writes in the name of another chat, for example the linked channel.
    pub fn say_as_chat(&self, chat: i64, sender_chat: i64, text: &str) -> Sent {
        self.speak(136_817_688, chat)
            .sent_as(sender_chat)
            .text(text)
    }

    /// A channel posts; nobody is named as its author.
    pub fn channel_post(&self, channel: i64, text: &str) -> Sent {
        Speech::new(self.clone(), None, channel)
            .sent_as(channel)
            .text(text)
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
                    message.remember(Instant::now(), keep);
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

    /// Makes a message so much older than it is.
    pub fn age(&self, chat: i64, message_id: i32, by: Duration) {
        self.shared().with(|state| {
            if let Some(message) = state.chat(chat).messages.get_mut(&message_id) {
                message.date -= i64::try_from(by.as_secs()).unwrap_or(i64::MAX);
            }
        });
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
