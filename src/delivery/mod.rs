//! The durable outbox: what was promised to a chat arrives, in order, at Telegram's pace.
//!
//! Three kinds of message leave here. *Promised* ones are rows, written in the transaction that made the promise,
//! and stay pending until Telegram has them. *Answers* to an update need no row of their own: the stored update
//! is their promise, marked handled once the answer is out. *Live* edits are kept in memory, newest only, and go
//! when nothing else waits.

pub mod card;
pub mod clients;
mod fetch;
mod lane;
mod lanes;
mod limits;
mod message;
pub mod reach;
mod relay;
pub mod render;
pub mod report;
mod retry;
mod seal;
mod send;
pub mod undo;

pub use fetch::{Fetcher, NotFetched};
pub use lane::Step;
pub use limits::Limits;
pub use message::{Body, Button, Buttons, Outgoing};
pub use send::Bots;

use crate::base::ids::{ChatId, UpdateId};
use crate::base::secret::{ExposeSecret, SecretString};
use crate::base::time::Millis;
use crate::store::{self, Store, Tx};
use futures::future::BoxFuture;
use lane::{Lane, Offer};
use lanes::Lanes;
use seal::Seal;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use teloxide::prelude::Requester;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// A file that is removed when it is no longer needed.
#[derive(Debug)]
pub struct Scratch(PathBuf);

impl Scratch {
    /// A file at this path, made by the caller.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.0)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(path = %self.0.display(), %error, "a file that was sent stays behind");
        }
    }
}

/// A file ready to be sent.
#[derive(Debug)]
pub struct Attachment {
    /// Its bytes.
    pub content: Content,
    /// Its name as people see it.
    pub name: String,
    /// A remark for the text under it, such as that it was compressed.
    pub note: Option<String>,
    /// Whether it can be shown as a picture.
    pub picture: bool,
}

/// Where the bytes of a file are.
#[derive(Debug)]
pub enum Content {
    /// In a file made for the sending.
    Scratch(Scratch),
    /// In a file that stays until it was sent; opened, so that it is the very one that was looked at.
    Open(std::fs::File),
    /// In memory: small, and made for the sending.
    Bytes(Vec<u8>),
}

impl Attachment {
    /// A file under a name, without a remark.
    pub fn new(content: Content, name: impl Into<String>) -> Self {
        Self {
            content,
            name: name.into(),
            note: None,
            picture: false,
        }
    }
}

/// Why there is no file to send.
#[derive(Debug)]
pub enum NoFile {
    /// There will be none; a sentence for the chat says why.
    Ever(String),
    /// The disk refused; that may pass.
    Now(std::io::Error),
}

/// Finds the files that messages name by key.
pub trait Attachments: Send + Sync {
    /// The file for a key, under the name that was promised.
    fn open<'a>(&'a self, key: &'a str, name: &'a str)
    -> BoxFuture<'a, Result<Attachment, NoFile>>;

    /// Telegram has the file for a key; it is not asked for again.
    fn sent(&self, key: &str);

    /// The file for a key did not go, and only the words did; it is not asked for again.
    fn refused(&self, key: &str, name: &str);
}

/// What to do once an answer is out (or can never be): mark its update as handled.
pub type Afterwards = Box<dyn FnOnce() -> BoxFuture<'static, ()> + Send>;

/// An answer to an update, promised by the stored update itself.
pub struct Answer {
    /// What to say.
    pub message: Outgoing,
    /// What is said instead if that cannot be sent; given for what must never stand in the database. Such an answer waits
    /// in memory, and is made anew after a restart.
    pub instead: Option<String>,
    /// What follows.
    pub afterwards: Afterwards,
}

/// The outbox. Cheap to clone.
#[derive(Clone)]
pub struct Outbox {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    bots: Bots,
    attachments: Arc<dyn Attachments>,
    limits: Mutex<Limits>,
    lanes: Mutex<Lanes>,
    gone: Mutex<HashSet<ChatId>>,
    /// Tells that a chat went, or came back.
    reach: watch::Sender<()>,
    moved: Mutex<HashMap<ChatId, ChatId>>,
    /// Whether sending has begun here; with other instances on the database, only the one that leads sends.
    open: AtomicBool,
    /// Live forms of cards that the one which sends is to be told, by slot.
    away: Mutex<HashMap<String, Outgoing>>,
    /// Of other instances' cards, the newest form that was handed to a lane.
    relayed: Mutex<HashMap<String, Millis>>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Outbox {
    /// An outbox over this database and these clients. Nothing is sent before [`Outbox::start`].
    #[must_use]
    pub fn new(
        store: Store,
        bots: Bots,
        attachments: Arc<dyn Attachments>,
        limits: Limits,
    ) -> Self {
        Self {
            inner: Arc::new(Inner {
                store,
                bots,
                attachments,
                limits: Mutex::new(limits),
                lanes: Mutex::default(),
                gone: Mutex::default(),
                reach: watch::Sender::new(()),
                moved: Mutex::default(),
                open: AtomicBool::new(false),
                away: Mutex::default(),
                relayed: Mutex::default(),
                stop: CancellationToken::new(),
                tasks: TaskTracker::new(),
            }),
        }
    }

    /// Reads what is known of chats and begins to send what an earlier run left pending.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn start(&self) -> store::Result<()> {
        let mut db = self.inner.store.read().await?;
        let gone = store::chats::gone(&mut db).await?;
        let moves = store::chats::moves(&mut db).await?;
        // Anew, not in addition: another instance may have sent since.
        *locked(&self.inner.gone) = gone.into_iter().collect();
        locked(&self.inner.moved).extend(moves);
        self.inner.open.store(true, Ordering::SeqCst);
        for chat in store::outbox::chats_waiting(&mut db).await? {
            self.kick(chat);
        }
        Ok(())
    }

    /// Writes a promise into the transaction; after the commit call [`Outbox::kick`] for its chat.
    /// `false` when its source had promised before.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn promise(&self, tx: &mut Tx, message: &Outgoing) -> store::Result<bool> {
        let row = self.row(message)?;
        store::outbox::add(tx, &row, Millis::now()).await
    }

    /// Promises a message, which has a slot, whose words must not stand in the database to be read. It is sent first; when it
    /// is written which message it is, it is edited into these words. So none is ever out that could not be removed.
    ///
    /// # Errors
    /// When the database refuses, or the words cannot be sealed.
    pub async fn promise_sealed(
        &self,
        tx: &mut Tx,
        message: &Outgoing,
        words: &SecretString,
    ) -> store::Result<bool> {
        let slot = message.slot.as_deref().unwrap_or_default();
        let seal = Seal::of(self.inner.bots.quick.token());
        let sealed = seal.and_then(|seal| seal.close(slot, words.expose_secret()));
        let unsealed = || store::Error::Corrupt("words could not be sealed".to_owned());
        let row = store::outbox::NewRow {
            sealed: Some(sealed.ok_or_else(unsealed)?),
            ..self.row(message)?
        };
        store::outbox::add(tx, &row, Millis::now()).await
    }

    fn row(&self, message: &Outgoing) -> store::Result<store::outbox::NewRow> {
        Ok(store::outbox::NewRow {
            chat: self.current_id(message.place.chat),
            payload: serde_json::to_string(message)
                .map_err(|error| store::Error::Corrupt(error.to_string()))?,
            slot: message.slot.clone(),
            source: message.source.clone(),
            job: message.job,
            sealed: None,
        })
    }

    /// Writes a promise in a transaction of its own and begins to send it.
    ///
    /// # Errors
    /// When the database refuses; then nothing was promised.
    pub async fn post(&self, message: &Outgoing) -> store::Result<()> {
        let mut tx = self.inner.store.begin().await?;
        self.promise(&mut tx, message).await?;
        self.inner.store.commit(tx).await?;
        self.kick(message.place.chat);
        Ok(())
    }

    /// Sends an answer to an update, without a row.
    pub fn answer(&self, answer: Answer) {
        if !self.may_send() {
            // Its update is still open: the instance that leads answers it.
            return;
        }
        let chat = self.current_id(answer.message.place.chat);
        let lane = self.lane(chat);
        lane.push_answer(answer);
        self.run_lane(lane);
    }

    /// Offers a live edit of the slot's message; it replaces an older offer and goes when nothing else waits.
    pub fn offer(&self, message: Outgoing) {
        if !self.may_send() {
            return self.offer_away(message);
        }
        let Some(slot) = message.slot.clone() else {
            return;
        };
        let lane = self.lane(self.current_id(message.place.chat));
        lane.offer(slot, Offer::Here(Box::new(message)));
        self.run_lane(lane);
    }

    /// Deletes a slot's message, as far as that works at once: for what is in the way and does no harm if it stays.
    pub fn clear_away(&self, chat: ChatId, slot: String) {
        let outbox = self.clone();
        let chat = self.current_id(chat);
        self.inner.tasks.spawn(async move {
            // It may be on its way yet; which message it is shows when it is out.
            let lane = outbox.lane(chat);
            tokio::select! {
                () = lane.drained() => {}
                () = outbox.inner.stop.cancelled() => return,
            }
            let known = async {
                let mut db = outbox.inner.store.read().await?;
                store::outbox::slot(&mut db, &slot, chat).await
            };
            let Ok(Some(message)) = known.await else {
                return;
            };
            if let Err(error) = send::delete(&outbox.inner.bots, chat, message).await {
                tracing::debug!(%chat, %error, "a message stays that could have gone");
            }
        });
    }

    /// Takes back the live edit of a slot, because something final follows.
    pub fn withdraw(&self, chat: ChatId, slot: &str) {
        let chat = self.current_id(chat);
        locked(&self.inner.away).remove(slot);
        if let Some(lane) = locked(&self.inner.lanes).known(chat) {
            lane.withdraw(slot);
        }
    }

    /// Resolves when a message to this chat would go at once.
    pub async fn clear(&self, chat: ChatId) {
        loop {
            if !self.may_send() {
                return self.clear_elsewhere(self.current_id(chat)).await;
            }
            let chat = self.current_id(chat);
            let lane = locked(&self.inner.lanes).known(chat);
            if let Some(lane) = lane {
                lane.drained().await;
            }
            let now = std::time::Instant::now();
            let wait = locked(&self.inner.limits).wait(chat, limits::Urgency::Live, now);
            if wait.is_zero() {
                return;
            }
            tokio::time::sleep(wait).await;
        }
    }

    /// Begins to send the chat's pending rows. Of a group that moved, those under its old id too: a promise that was being
    /// written while the move was noted still names that.
    pub fn kick(&self, chat: ChatId) {
        if !self.may_send() {
            // The instance that leads looks for rows by itself; this one does when it begins to send.
            return;
        }
        let now = self.current_id(chat);
        for chat in std::iter::once(chat).chain((now != chat).then_some(now)) {
            let lane = self.lane(chat);
            lane.rows_waiting();
            self.run_lane(lane);
        }
    }

    /// Does the next thing for a chat, as its loop does.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn step(&self, chat: ChatId) -> store::Result<Step> {
        let lane = self.lane(self.current_id(chat));
        lane::step(self, &lane).await
    }

    /// The id that a migrated group has now.
    #[must_use]
    pub fn current_id(&self, chat: ChatId) -> ChatId {
        let moved = locked(&self.inner.moved);
        let mut id = chat;
        // A group can migrate only from a basic group to a supergroup; the bound guards against a cycle.
        for _ in 0..4 {
            match moved.get(&id) {
                Some(next) => id = *next,
                None => break,
            }
        }
        id
    }

    /// The group that had this id before it migrated; access given to the old id holds for the new one.
    #[must_use]
    pub fn former_id(&self, chat: ChatId) -> Option<ChatId> {
        locked(&self.inner.moved)
            .iter()
            .find(|(_, now)| **now == chat)
            .map(|(before, _)| *before)
    }

    /// Notes that a group moved: everything that waits goes to the new id.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn chat_moved(&self, from: ChatId, to: ChatId) -> store::Result<()> {
        let mut tx = self.inner.store.begin().await?;
        store::chats::migrate(&mut tx, from, to, Millis::now()).await?;
        self.inner.store.commit(tx).await?;
        locked(&self.inner.moved).insert(from, to);
        tracing::info!(%from, %to, "the group has a new id");
        self.kick(to);
        Ok(())
    }

    /// Notes that a chat can be reached again: somebody there wrote, or unblocked the bot.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn chat_back(&self, chat: ChatId) -> store::Result<()> {
        if !locked(&self.inner.gone).remove(&chat) {
            return Ok(());
        }
        let mut tx = self.inner.store.begin().await?;
        store::chats::mark_back(&mut tx, chat, Millis::now()).await?;
        self.inner.store.commit(tx).await?;
        self.inner.reach.send_replace(());
        tracing::info!(%chat, "the chat can be reached again");
        Ok(())
    }

    /// Notes that a chat cannot be reached; what waits for it is closed, other chats are not touched.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn chat_gone(&self, chat: ChatId, reason: &str) -> store::Result<()> {
        let mut tx = self.inner.store.begin().await?;
        store::chats::mark_gone(&mut tx, chat, reason, Millis::now()).await?;
        self.inner.store.commit(tx).await?;
        locked(&self.inner.gone).insert(chat);
        self.inner.reach.send_replace(());
        tracing::warn!(%chat, reason, "the chat cannot be reached");
        Ok(())
    }

    /// Whether messages leave from here at this very moment.
    fn may_send(&self) -> bool {
        self.inner.open.load(Ordering::SeqCst) && self.inner.store.presence().leads()
    }

    /// Leaves a group.
    ///
    /// # Errors
    /// What Telegram answers.
    pub async fn leave(&self, chat: ChatId) -> std::result::Result<(), teloxide::RequestError> {
        let chat = teloxide::types::ChatId(self.current_id(chat).0);
        self.inner.bots.quick.leave_chat(chat).await?;
        Ok(())
    }

    /// For how long Telegram wants this chat left alone, or we leave it alone after a failure; zero when it may be spoken to.
    #[must_use]
    pub fn closed_for(&self, chat: ChatId) -> Duration {
        locked(&self.inner.limits).closed_for(self.current_id(chat), std::time::Instant::now())
    }

    /// Whether nobody there can be reached, as far as we know.
    #[must_use]
    pub fn is_gone(&self, chat: ChatId) -> bool {
        locked(&self.inner.gone).contains(&self.current_id(chat))
    }

    /// Changes when this instance finds that a chat cannot be reached, or can be again.
    #[must_use]
    pub fn reach(&self) -> watch::Receiver<()> {
        self.inner.reach.subscribe()
    }

    /// Tries again what waits for the chat, without the pause after the last failure. A pause that Telegram asked for holds.
    pub fn hurry(&self, chat: ChatId) {
        locked(&self.inner.limits).hurry(self.current_id(chat));
        self.kick(chat);
    }

    /// Sends what can be sent within `limit`, then stops. What is left is sent by the next run.
    pub async fn stop(&self, limit: Duration) {
        self.flush(limit).await;
        self.inner.stop.cancel();
        self.inner.tasks.close();
        self.inner.tasks.wait().await;
    }

    /// Waits until what waits is sent, for so long at the most.
    pub async fn flush(&self, limit: Duration) {
        let deadline = tokio::time::Instant::now() + limit;
        let lanes = locked(&self.inner.lanes).all();
        for lane in lanes {
            if tokio::time::timeout_at(deadline, lane.drained())
                .await
                .is_err()
            {
                break;
            }
        }
    }

    fn lane(&self, chat: ChatId) -> Arc<Lane> {
        locked(&self.inner.lanes).of(chat)
    }

    /// Starts the lane's loop unless it runs already.
    fn run_lane(&self, lane: Arc<Lane>) {
        lane.wake();
        if self.inner.stop.is_cancelled() || !lane.claim_loop() {
            return;
        }
        let outbox = self.clone();
        self.inner.tasks.spawn(async move {
            lane::run(&outbox, &lane).await;
        });
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The name of an update as the source of a message.
#[must_use]
pub fn source_of(update: UpdateId) -> String {
    format!("update:{update}")
}
