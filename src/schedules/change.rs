//! What persons change about schedules: they make and remove them, pause them, and let them go on.

use super::{Schedules, Spec};
use crate::access::Grant;
use crate::base::error::{Error, Result};
use crate::base::schedule::Rule;
use crate::base::time::Millis;
use crate::base::when::{When, Zone};
use crate::config::Script;
use crate::store;
use crate::store::schedules::{Made, Paused};
use std::time::Duration;

/// Schedules that the chat may hold; more is a mistake, or ill will.
const MOST: usize = 200;

/// A schedule to be made in the chat.
#[derive(Clone, Debug, PartialEq)]
pub struct New {
    /// When it runs.
    pub when: When,
    /// By which clock.
    pub zone: Zone,
    /// The arguments, as typed.
    pub given: Vec<String>,
    /// Which runs are told.
    pub rule: Rule,
    /// Up to so much later than due.
    pub jitter: Duration,
    /// How often a failed run is tried again; 0 for never.
    pub times: u32,
}

impl Schedules {
    /// Makes a schedule of this script, told where it is made, and returns its name. The question that was answered by it is
    /// taken in the same transaction.
    ///
    /// # Errors
    /// Refused when there are too many, or when the question was answered before.
    pub async fn add(
        &self,
        grant: &Grant,
        script: &Script,
        new: &New,
        question: &str,
        now: Millis,
    ) -> Result<String> {
        let actor = grant.actor();
        let spec = Spec {
            when: new.when.to_string(),
            zone: new.zone.to_string(),
            given: new.given.clone(),
            rule: new.rule,
            jitter: new.jitter,
            times: new.times,
        };
        let made = Made {
            spec: serde_json::to_string(&spec).map_err(anyhow::Error::new)?,
            by: actor.id,
            name: actor.name.clone(),
            place: actor.place,
            at: now,
        };
        let timer = format!("{} | {}", new.when, new.zone);
        let mut tx = grant.begin(&self.inner.store).await?;
        if !store::intents::take(&mut tx, question, now).await? {
            return Err(Error::refused("This was answered already."));
        }
        let all = store::schedules::all(&mut tx).await?;
        let of_chat = all.iter().filter(|row| row.made.is_some()).count();
        if of_chat >= MOST {
            return Err(Error::refused(format!(
                "{MOST} schedules were made in the chat, which is the limit. Remove one first: /schedules"
            )));
        }
        let script = script.name.as_str();
        let name = loop {
            let number = store::schedules::number(&mut tx, script).await?;
            // No name in the configuration holds a `+`.
            let name = format!("{script}+{number}");
            if store::schedules::add(&mut tx, &name, script, &timer, Some(&made), now).await? {
                break name;
            }
        };
        tx.commit().await?;
        self.wake();
        Ok(name)
    }

    /// Removes a schedule that was made in the chat; `false` when there is none of this name.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn remove(&self, grant: &Grant, name: &str) -> Result<bool> {
        let mut tx = grant.begin(&self.inner.store).await?;
        let why = format!("{} removed the schedule.", grant.actor().name);
        let told = self.give_up(&mut tx, name, &why).await?;
        let removed = store::schedules::remove(&mut tx, name).await?;
        tx.commit().await?;
        self.kick(&told);
        Ok(removed)
    }

    /// Pauses a schedule; `false` when it was paused before. What runs goes on; what failed is not tried again.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn pause(&self, grant: &Grant, name: &str, now: Millis) -> Result<bool> {
        let paused = Paused {
            at: now,
            by: grant.actor().name.clone(),
            why: None,
        };
        let mut tx = grant.begin(&self.inner.store).await?;
        let done = store::schedules::pause(&mut tx, name, &paused).await?;
        let why = format!("{} paused the schedule.", paused.by);
        let told = self.give_up(&mut tx, name, &why).await?;
        tx.commit().await?;
        self.kick(&told);
        Ok(done)
    }

    /// Lets a paused schedule go on from now, in its old rhythm; `false` when it was not paused.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn resume(&self, grant: &Grant, name: &str, now: Millis) -> Result<bool> {
        let mut tx = grant.begin(&self.inner.store).await?;
        let done = store::schedules::resume(&mut tx, name, now).await?;
        if done {
            store::schedules::forget_seen(&mut tx, Some(name), now).await?;
        }
        tx.commit().await?;
        self.inner.hubs.look_soon();
        self.wake();
        Ok(done)
    }
}
