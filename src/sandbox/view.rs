//! What can be seen: the world as a test or a terminal looks at it.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use super::Sandbox;
use super::model::{Answer, Call, Event, MenuEntry, Message};
use super::state::State;

/// A look at the world; it does not change while you look.
pub struct View<'a> {
    state: &'a State,
}

impl<'a> View<'a> {
    pub(super) fn new(state: &'a State) -> View<'a> {
        View { state }
    }

    /// The messages of a chat, oldest first.
    pub fn messages(&self, chat: i64) -> impl Iterator<Item = &'a Message> + use<'a> {
        self.state
            .chats
            .get(&chat)
            .into_iter()
            .flat_map(|chat| chat.messages.values())
    }

    /// The messages the bot wrote in a chat, oldest first.
    pub fn from_bot(&self, chat: i64) -> impl Iterator<Item = &'a Message> + use<'a> {
        self.messages(chat).filter(|message| message.from_bot)
    }

    /// The last message the bot wrote in a chat.
    pub fn last_from_bot(&self, chat: i64) -> Option<&'a Message> {
        let chat = self.state.chats.get(&chat)?;
        chat.messages
            .values()
            .rev()
            .find(|message| message.from_bot)
    }

    /// One message.
    pub fn message(&self, chat: i64, id: i32) -> Option<&'a Message> {
        self.state.message(chat, id)
    }

    /// Everything that happened after this number, oldest first.
    pub fn events_since(&self, seq: u64) -> impl Iterator<Item = &'a Event> + use<'a> {
        let events = &self.state.events;
        let from = events.partition_point(|event| event.seq <= seq);
        events.range(from..)
    }

    /// The number of the last thing that happened.
    pub fn seq(&self) -> u64 {
        self.state.seq
    }

    /// The calls the bot made, oldest first.
    pub fn calls(&self) -> impl Iterator<Item = &'a Call> + use<'a> {
        self.state.calls.iter()
    }

    /// The answers to button presses, oldest first.
    pub fn answers(&self) -> impl Iterator<Item = &'a Answer> + use<'a> {
        self.state.answers.iter()
    }

    /// The answer to one press.
    pub fn answer(&self, callback_id: &str) -> Option<&'a Answer> {
        self.answers()
            .find(|answer| answer.callback_id == callback_id)
    }

    /// The command menu of a scope: see [`Sandbox::commands`].
    pub fn commands(&self, scope: &str) -> &'a [MenuEntry] {
        let key = (scope.to_owned(), String::new());
        self.state
            .menus
            .get(&key)
            .map(Vec::as_slice)
            .unwrap_or_default()
    }

    /// How many updates were not confirmed.
    pub fn pending_updates(&self) -> usize {
        self.state.pending.len()
    }

    /// How many 429 the bot earned by itself.
    pub fn floods_earned(&self) -> u64 {
        self.state.meter.floods()
    }

    /// All chats as a person reads them, and the latest refusals.
    pub fn transcript(&self) -> String {
        let mut out = String::new();
        for chat in self.state.chats.values() {
            let _ = writeln!(out, "── chat {} ({})", chat.id, chat.title);
            for message in chat.messages.values() {
                line(&mut out, message);
            }
        }
        let refused: Vec<&Call> = self.calls().filter(|call| call.error.is_some()).collect();
        for call in refused.iter().rev().take(10).rev() {
            let words = call.error.as_deref().unwrap_or_default();
            let _ = writeln!(
                out,
                "!! {} {:?}: {} {words}",
                call.method, call.chat, call.code
            );
        }
        out
    }
}

/// One message of a transcript.
fn line(out: &mut String, message: &Message) {
    let who = match (message.from_bot, message.from) {
        (true, _) => "bot".to_owned(),
        (false, Some(id)) => id.to_string(),
        (false, None) => "channel".to_owned(),
    };
    let _ = write!(
        out,
        "#{} {who}: {}",
        message.id,
        message.text.replace('\n', "\n    ")
    );
    if let Some(document) = &message.document {
        let _ = write!(
            out,
            " [file {}, {} bytes]",
            document.name,
            document.bytes.len()
        );
    }
    for row in &message.buttons {
        let labels: Vec<String> = row.iter().map(|b| format!("[{}]", b.text)).collect();
        let _ = write!(out, "\n    {}", labels.join(" "));
    }
    if message.edits() > 0 {
        let _ = write!(out, "  (edited {}×)", message.edits());
    }
    out.push('\n');
}

/// What can be seen.
impl Sandbox {
    /// Looks at the world under its lock: keep it short.
    pub fn look<T>(&self, look: impl FnOnce(&View<'_>) -> T) -> T {
        self.shared().with(|state| look(&View::new(state)))
    }

    /// Waits until the look finds something; it is tried on each change.
    ///
    /// # Errors
    /// After `timeout`: what was waited for, and the whole conversation.
    pub async fn wait<T>(
        &self,
        timeout: Duration,
        what: &str,
        mut look: impl FnMut(&View<'_>) -> Option<T>,
    ) -> Result<T, String> {
        let shared = Arc::clone(self.shared());
        let mut bell = shared.bell();
        let deadline = tokio::time::Instant::now() + timeout;
        loop {
            bell.mark_unchanged();
            if let Some(found) = self.look(&mut look) {
                return Ok(found);
            }
            if tokio::time::timeout_at(deadline, bell.changed())
                .await
                .is_err()
            {
                if let Some(found) = self.look(&mut look) {
                    return Ok(found);
                }
                let seen = self.look(|view| view.transcript());
                return Err(format!("not seen within {timeout:?}: {what}\n{seen}"));
            }
        }
    }

    /// The messages of a chat, oldest first.
    pub fn messages(&self, chat: i64) -> Vec<Message> {
        self.look(|view| view.messages(chat).cloned().collect())
    }

    /// The messages the bot wrote in a chat, oldest first.
    pub fn from_bot(&self, chat: i64) -> Vec<Message> {
        self.look(|view| view.from_bot(chat).cloned().collect())
    }

    /// Everything that happened after this number, oldest first.
    pub fn events_since(&self, seq: u64) -> Vec<Event> {
        self.look(|view| view.events_since(seq).cloned().collect())
    }

    /// The number of the last thing that happened, for [`Sandbox::events_since`].
    pub fn seq(&self) -> u64 {
        self.look(|view| view.seq())
    }

    /// The calls the bot made, oldest first.
    pub fn calls(&self) -> Vec<Call> {
        self.look(|view| view.calls().cloned().collect())
    }

    /// The answers to button presses, oldest first.
    pub fn answers(&self) -> Vec<Answer> {
        self.look(|view| view.answers().cloned().collect())
    }

    /// The command menu of a scope: `default`, `all_private_chats`, `all_group_chats`,
    /// `all_chat_administrators`, `chat:ID`, `chat_administrators:ID`, `chat_member:ID:USER`.
    pub fn commands(&self, scope: &str) -> Vec<MenuEntry> {
        self.look(|view| view.commands(scope).to_vec())
    }

    /// How many updates were not confirmed.
    pub fn pending_updates(&self) -> usize {
        self.look(|view| view.pending_updates())
    }

    /// How many 429 the bot earned by itself: rates it broke, and waits it did not keep. A 429 that
    /// a [`super::Fault`] makes does not count.
    pub fn floods_earned(&self) -> u64 {
        self.look(|view| view.floods_earned())
    }
}
