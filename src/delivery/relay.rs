//! Several instances on one database: one sends, and looks for what the others have to say.

use super::lane::Offer;
use super::message::Outgoing;
use super::{Outbox, locked};
use crate::base::ids::ChatId;
use crate::base::time::Millis;
use crate::store;
use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// How often an instance that does not send looks whether a chat has room.
const LOOK: Duration = Duration::from_millis(500);

impl Outbox {
    /// Sends no more, because another instance does: what was in hand is left to it. Rows are its by themselves, answers
    /// by their updates, and live edits come anew.
    pub fn suspend(&self) {
        self.inner.open.store(false, Ordering::SeqCst);
        for lane in locked(&self.inner.lanes).all() {
            lane.forget();
        }
        locked(&self.inner.relayed).clear();
    }

    /// At the instance that sends: takes up what others promised, and the live forms of the cards of their jobs.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn take_from_others(&self) -> store::Result<()> {
        let Some(own) = self.inner.store.presence().id() else {
            return Ok(());
        };
        let (live, waiting) = {
            let mut db = self.inner.store.read().await?;
            (
                store::live::of_others(&mut db, &own).await?,
                store::outbox::chats_waiting(&mut db).await?,
            )
        };
        let mut seen = HashMap::new();
        for (slot, chat, at) in live {
            let before = locked(&self.inner.relayed).get(&slot).copied();
            if before != Some(at) {
                let lane = self.lane(self.current_id(chat));
                lane.offer(slot.clone(), Offer::Elsewhere);
                self.run_lane(lane);
            }
            seen.insert(slot, at);
        }
        *locked(&self.inner.relayed) = seen;
        for chat in waiting {
            let lane = locked(&self.inner.lanes).known(chat);
            if lane.is_none_or(|lane| !lane.is_busy()) {
                self.kick(chat);
            }
        }
        Ok(())
    }

    /// At an instance that does not send: writes down the newest live forms for the one that does.
    ///
    /// # Errors
    /// When the database refuses; they are dropped then, and newer ones follow.
    pub async fn give_away(&self) -> store::Result<()> {
        let live = std::mem::take(&mut *locked(&self.inner.away));
        let Some(own) = self.inner.store.presence().id() else {
            return Ok(());
        };
        if live.is_empty() {
            return Ok(());
        }
        let mut tx = self.inner.store.begin().await?;
        for (slot, message) in live {
            let payload = serde_json::to_string(&message)
                .map_err(|error| store::Error::Corrupt(error.to_string()))?;
            let chat = self.current_id(message.place.chat);
            store::live::put(&mut tx, &slot, &own, chat, &payload, Millis::now()).await?;
        }
        self.inner.store.commit(tx).await
    }

    /// Keeps a live form for the instance that sends; a newer one of the same slot replaces it.
    pub(super) fn offer_away(&self, message: Outgoing) {
        if let Some(slot) = message
            .slot
            .clone()
            .filter(|_| self.inner.store.presence().has_company())
        {
            locked(&self.inner.away).insert(slot, message);
        }
    }

    /// Resolves when nothing waits for this chat at the instance that sends.
    pub(super) async fn clear_elsewhere(&self, chat: ChatId) {
        loop {
            let waits = async {
                let mut db = self.inner.store.read().await?;
                store::outbox::next(&mut db, chat).await
            };
            if matches!(waits.await, Ok(None)) {
                return;
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}
