//! Short ways to ask something, and to look at what was kept of it.

use super::{PATIENCE, World};
use opsgram::base::role::Role;
use opsgram::sandbox::{Message, View};
use opsgram::store::audit::Entry;
use opsgram::store::history::{self, Cursor, Filter};
use opsgram::store::{audit, inbox, outbox};

impl World {
    /// The same world, with its database, folder and stand-in, before any script was configured.
    pub fn sharing(mut world: World) -> World {
        world.scripts.clear();
        world
    }

    /// Says something in the chat, and returns the first message of the bot that follows it.
    pub async fn asks(&self, person: i64, chat: i64, text: &str) -> Message {
        let sent = self.sandbox.say(person, chat, text);
        self.after(chat, sent.message_id).await
    }

    /// Waits for the first message of the bot in the chat after this one.
    pub async fn after(&self, chat: i64, message: i32) -> Message {
        let found = |view: &View<'_>| view.from_bot(chat).find(|m| m.id > message).cloned();
        let what = format!("a message in chat {chat} after #{message}");
        match self.sandbox.wait(PATIENCE, &what, found).await {
            Ok(message) => message,
            Err(error) => panic!("{error}"),
        }
    }

    /// Presses this button of this message and returns the words shown at the button, if any.
    pub async fn presses(&self, person: i64, message: &Message, label: &str) -> Option<String> {
        let pressed = self
            .sandbox
            .press(person, message.chat, message.id, label)
            .unwrap();
        self.answer(&pressed).await
    }

    /// Sends what no button said and returns the words shown for it, if any.
    pub async fn forges(&self, person: i64, chat: i64, data: &str) -> Option<String> {
        let last = |view: &View<'_>| view.last_from_bot(chat).map_or(1, |message| message.id);
        let message = self.sandbox.look(last);
        let pressed = self.sandbox.press_forged(person, chat, message, data);
        self.answer(&pressed).await
    }

    /// The audit trail, oldest line first.
    pub async fn audit(&self) -> Vec<Entry> {
        let mut db = self.services().store.read().await.unwrap();
        let mut lines = audit::latest(&mut db, 1000).await.unwrap();
        lines.reverse();
        lines
    }

    /// The lines of the audit trail with this action and result.
    pub async fn audited(&self, action: &str, result: &str) -> Vec<Entry> {
        let mut lines = self.audit().await;
        lines.retain(|line| line.action == action && line.result == result);
        lines
    }

    /// How many jobs were ever made.
    pub async fn jobs(&self) -> usize {
        let mut db = self.services().store.read().await.unwrap();
        let all = history::list(
            &mut db,
            &Filter::default(),
            Role::Owner,
            Cursor::Newest,
            1000,
        )
        .await;
        all.unwrap().len()
    }

    /// Waits until every update is handled, whatever waits to be sent.
    pub async fn quiet_but_for_messages(&self) {
        let begun = std::time::Instant::now();
        loop {
            let mut db = self.services().store.read().await.unwrap();
            let open = inbox::unhandled(&mut db).await.unwrap();
            drop(db);
            if open.is_empty() && self.sandbox.pending_updates() == 0 {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "never quiet: {open:?}");
            // There is no event for “nothing”; this is the pace of looking, not a time that the test relies on.
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }

    /// Waits until every update is handled and every message is out, whatever jobs still run.
    pub async fn quiet_but_for_jobs(&self) {
        let begun = std::time::Instant::now();
        loop {
            let mut db = self.services().store.read().await.unwrap();
            let pending = outbox::pending(&mut db).await.unwrap();
            let open = inbox::unhandled(&mut db).await.unwrap();
            drop(db);
            if pending == 0 && open.is_empty() && self.sandbox.pending_updates() == 0 {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "never quiet: {open:?}");
            // There is no event for “nothing”; this is the pace of looking, not a time that the test relies on.
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }

    /// Looks that Telegram never had to refuse a message: none too long, none with broken markup.
    pub fn polite(&self) {
        let sends = ["sendMessage", "editMessageText", "sendDocument"];
        for call in self.sandbox.calls() {
            // A page that is asked for again may be the same as before.
            let why = call.error.as_deref().unwrap_or_default();
            let refused = call.code == 400 && sends.contains(&call.method);
            assert!(
                !refused || why.contains("is not modified"),
                "the bot earned {call:?}"
            );
        }
        for person in [super::ANN, super::BEN, super::CLEO, super::OPS] {
            for message in self.sandbox.from_bot(person) {
                assert!(!message.text.contains("**"), "{}", message.text);
                assert!(!message.text.contains('`'), "{}", message.text);
            }
        }
    }
}
