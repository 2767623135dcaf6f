//! What people wish: silences, subscriptions, quiet hours, broadcasts. Each is one transaction with the line of the trail
//! that allowed it.

use super::{Incidents, private};
use crate::access::Grant;
use crate::base::error::Result;
use crate::base::ids::{MessageId, Place};
use crate::base::time::Millis;
use crate::delivery::Outgoing;
use crate::monitors::Ledger;
use crate::store::broadcasts::{self, Broadcast};
use crate::store::incidents;
use crate::store::outbox;
use crate::store::silences::{self, Silence};
use crate::store::subscriptions::{self, QuietHours, Subscription};
use crate::store::{self, Tx};
use std::collections::BTreeSet;

impl Incidents {
    /// Keeps a silence, with the right to it; its number is drawn here.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn silence(
        &self,
        grant: &Grant,
        mut silence: Silence,
        now: Millis,
    ) -> Result<Silence> {
        let mut tx = grant.begin(&self.inner.store).await?;
        silence.id = incidents::hold(&mut tx, 1).await?;
        silences::put(&mut tx, &silence, now).await?;
        tx.commit().await?;
        Ok(silence)
    }

    /// Ends a silence. `false` when it had ended.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn end_silence(&self, grant: &Grant, id: i64, now: Millis) -> Result<bool> {
        let mut tx = grant.begin(&self.inner.store).await?;
        incidents::hold(&mut tx, 0).await?;
        let ended = silences::end(&mut tx, id, now).await?;
        tx.commit().await?;
        Ok(ended)
    }

    /// Keeps a subscription, and the quiet hours of its place if any are given. `false` when all was so before.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn subscribe(
        &self,
        grant: &Grant,
        wanted: Option<&Subscription>,
        quiet: Option<&QuietHours>,
        now: Millis,
    ) -> Result<bool> {
        let by = grant.actor().id;
        let mut tx = grant.begin(&self.inner.store).await?;
        let mut changed = false;
        if let Some(wanted) = wanted {
            changed |= subscriptions::put(&mut tx, wanted, by, now).await?;
        }
        if let Some(hours) = quiet {
            changed |= !subscriptions::quiet(&mut tx).await?.contains(hours);
            subscriptions::put_quiet(&mut tx, hours).await?;
        }
        tx.commit().await?;
        Ok(changed)
    }

    /// Ends a place's subscription to a topic, or all of them; an owner's place is told nothing then, although owners are
    /// without any. `false` when there was none.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn unsubscribe(
        &self,
        grant: &Grant,
        place: Place,
        topic: Option<&str>,
        now: Millis,
    ) -> Result<bool> {
        let mut tx = grant.begin(&self.inner.store).await?;
        let before = subscriptions::all(&mut tx).await?;
        let mine: Vec<_> = before.iter().filter(|one| one.place == place).collect();
        let muted = mine.iter().any(|one| one.least.is_none());
        let by_default = mine.is_empty() && self.owners().contains(&place);
        let mut changed = false;
        if !muted {
            changed = subscriptions::remove(&mut tx, place, topic).await?;
        }
        let rest = mine
            .iter()
            .any(|one| topic.is_some() && one.topic.as_deref() != topic);
        if (changed || by_default && topic.is_none()) && !rest && self.owners().contains(&place) {
            let nothing = Subscription {
                place,
                topic: None,
                least: None,
            };
            subscriptions::put(&mut tx, &nothing, grant.actor().id, now).await?;
            changed = true;
        }
        tx.commit().await?;
        Ok(changed)
    }

    /// Ends a place's quiet hours. `false` when it had none.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn no_quiet(&self, grant: &Grant, place: Place) -> Result<bool> {
        let mut tx = grant.begin(&self.inner.store).await?;
        let changed = subscriptions::remove_quiet(&mut tx, place).await?;
        tx.commit().await?;
        Ok(changed)
    }

    /// Where a broadcast goes: everybody with a role, and every group or topic that subscribed, as far as they can be reached.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn recipients(&self) -> Result<Vec<Place>> {
        let mut db = self.inner.store.read().await?;
        let subscribed = subscriptions::all(&mut db).await?;
        let persons = self.inner.access.persons();
        let persons = persons.iter().map(|person| private(person.id));
        let groups = subscribed.iter().map(|one| one.place);
        let all: BTreeSet<Place> = persons.chain(groups).collect();
        let reached = |place: &Place| !self.inner.outbox.is_gone(place.chat) && self.may(*place);
        Ok(all.into_iter().filter(reached).collect())
    }

    /// Promises a message to all of them, and a count to the sender, in place of their own message if one is named. The same
    /// source makes one broadcast.
    ///
    /// # Errors
    /// When the database refuses; then nobody is told.
    pub async fn broadcast(
        &self,
        grant: &Grant,
        (source, card): (&str, Option<MessageId>),
        html: &str,
        to: &[Place],
        now: Millis,
    ) -> Result<bool> {
        let place = grant.actor().place;
        let mut tx = grant.begin(&self.inner.store).await?;
        let id = incidents::hold(&mut tx, 1).await?;
        let counts = broadcasts::Counts {
            waiting: to.len() as u64,
            ..broadcasts::Counts::default()
        };
        let one = Broadcast {
            id,
            place,
            total: to.len() as u64,
            told: self.inner.voice.broadcast(to.len() as u64, &counts),
        };
        let new = broadcasts::add(&mut tx, &one, source, now).await?;
        if new {
            let slot = format!("broadcasting:{id}");
            if let Some(card) = card {
                outbox::put_slot(&mut tx, &slot, place.chat, card, now).await?;
            }
            let count = Outgoing::text(place, one.told.clone(), Vec::new()).slot(slot);
            self.promise(&mut tx, &count).await?;
            for place in to {
                let thread = place.thread.map_or(0, |thread| i64::from(thread.0));
                let message = Outgoing::text(*place, html, Vec::new())
                    .source(broadcasts::source(id, place.chat, thread));
                self.promise(&mut tx, &message).await?;
            }
        }
        tx.commit().await?;
        self.committed();
        Ok(new)
    }

    /// Tells how far each broadcast has come.
    pub(super) async fn follow_broadcasts(&self, tx: &mut Tx, now: Millis) -> store::Result<()> {
        for one in broadcasts::under_way(tx).await? {
            let counts = broadcasts::counts(tx, one.id).await?;
            let words = self.inner.voice.broadcast(one.total, &counts);
            let ended = (counts.waiting == 0).then_some(now);
            if words != one.told {
                let message = Outgoing::text(one.place, words.clone(), Vec::new())
                    .slot(format!("broadcasting:{}", one.id));
                self.promise(tx, &message).await?;
            }
            if words != one.told || ended.is_some() {
                broadcasts::note(tx, one.id, &words, ended).await?;
            }
        }
        Ok(())
    }
}
