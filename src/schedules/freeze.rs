//! Freezing everything, and ending that: who has a role and a private chat, and each known group, is told in the same
//! transaction.

use super::Schedules;
use crate::access::Grant;
use crate::base::error::Result;
use crate::base::ids::{ChatId, Place};
use crate::base::time::Millis;
use crate::delivery::Outgoing;
use crate::store;
use crate::store::freeze::Freeze;

impl Schedules {
    /// The freeze in force, if there is one.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn frozen(&self) -> Result<Option<Freeze>> {
        let mut db = self.inner.store.read().await?;
        Ok(store::freeze::current(&mut db).await?)
    }

    /// Freezes everything and tells everybody with these words in HTML. `false` when it was frozen before.
    ///
    /// # Errors
    /// When the database refuses; nothing is frozen then.
    pub async fn freeze(
        &self,
        grant: &Grant,
        reason: Option<String>,
        html: &str,
        now: Millis,
    ) -> Result<bool> {
        let freeze = Freeze {
            since: now,
            by: grant.actor().id,
            name: grant.actor().name.clone(),
            reason,
        };
        let mut tx = grant.begin(&self.inner.store).await?;
        let done = store::freeze::begin(&mut tx, &freeze).await?;
        let told = match done {
            true => self.tell_everybody(&mut tx, grant, html).await?,
            false => Vec::new(),
        };
        tx.commit().await?;
        self.kick(&told);
        // What was to be tried again is given up, and told.
        self.wake();
        Ok(done)
    }

    /// Ends the freeze and tells everybody with these words in HTML. `false` when nothing was frozen.
    ///
    /// # Errors
    /// When the database refuses; all stays frozen then.
    pub async fn unfreeze(&self, grant: &Grant, html: &str) -> Result<bool> {
        let mut tx = grant.begin(&self.inner.store).await?;
        let done = store::freeze::end(&mut tx).await?;
        if done {
            let now = self.inner.hubs.now();
            store::schedules::forget_seen(&mut tx, None, now).await?;
        }
        let told = match done {
            true => self.tell_everybody(&mut tx, grant, html).await?,
            false => Vec::new(),
        };
        tx.commit().await?;
        self.kick(&told);
        self.inner.hubs.look_soon();
        self.wake();
        Ok(done)
    }

    /// Promises the words to everybody but where they were asked for, which is answered.
    async fn tell_everybody(
        &self,
        tx: &mut store::Tx,
        grant: &Grant,
        html: &str,
    ) -> Result<Vec<Place>> {
        let mut chats: Vec<ChatId> = Vec::new();
        for person in self.inner.access.persons() {
            let seen = store::people::find(tx, person.id).await?;
            if seen.is_some_and(|seen| seen.private) {
                chats.push(ChatId(person.id.0));
            }
        }
        chats.extend(self.inner.access.chats().into_iter().map(|(chat, _)| chat));
        chats.retain(|chat| *chat != grant.actor().place.chat);
        let place = |chat| Place { chat, thread: None };
        let told: Vec<_> = chats.into_iter().map(place).collect();
        for place in &told {
            let message = Outgoing::text(*place, html, Vec::new());
            self.inner.outbox.promise(tx, &message).await?;
        }
        Ok(told)
    }
}
