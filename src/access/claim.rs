//! The claim code: with nobody configured, whoever reads the log becomes the first owner, once.

use super::{Access, Actor, Asked, Stored, entry, locked, storable};
use crate::base::error::Result;
use crate::base::role::Role;
use crate::base::time::Millis;
use crate::store::{self, audit};
use rand::RngExt;

/// Letters of a claim code: none that a person could mistake for another.
const CODE_LETTERS: &[u8] = b"ABCDEFGHJKMNPQRSTUVWXYZ23456789";
/// Groups of four letters in a claim code; 31^16 codes are about 79 bits.
const CODE_GROUPS: usize = 4;

impl Access {
    /// Makes a new claim code if nobody at all is configured, and returns it for the log.
    #[must_use]
    pub fn open_claim(&self) -> Option<String> {
        if !locked(&self.inner.people).is_empty() {
            return None;
        }
        let code = new_code();
        *locked(&self.inner.claim) = Some(code.clone());
        Some(code)
    }

    /// Whether nobody owns the bot yet, so that a claim code is waited for.
    #[must_use]
    pub fn is_unclaimed(&self) -> bool {
        locked(&self.inner.claim).is_some()
    }

    /// Makes the actor the first owner if the code is right, once.
    ///
    /// # Errors
    /// When the database refuses; the code stays usable then.
    pub async fn claim(&self, actor: &Actor, code: &str) -> Result<bool> {
        if !actor.place.chat.is_private() {
            return Ok(false);
        }
        // Taken before the database is asked: of two persons with the code only one goes on.
        let taken = locked(&self.inner.claim).take_if(|own| same(&letters(own), &letters(code)));
        let Some(taken) = taken else {
            return Ok(false);
        };
        let made = self.make_owner(actor).await;
        if made.is_err() {
            *locked(&self.inner.claim) = Some(taken);
        }
        made
    }

    /// Makes the actor owner if there is no member yet.
    async fn make_owner(&self, actor: &Actor) -> Result<bool> {
        let now = Millis::now();
        let mut tx = self.inner.store.begin_led().await?;
        store::members::hold(&mut tx).await?;
        let made = store::members::claim(&mut tx, actor.id, &storable(&actor.name), now).await?;
        if !made {
            return Ok(false);
        }
        store::members::remove_right(&mut tx, actor.id, None).await?;
        let asked = Asked::new("owner.claim", actor.id.to_string(), Role::Owner);
        audit::add(&mut tx, &entry(actor, &asked, "done", None)).await?;
        let stored = Stored::read(&mut tx).await?;
        self.inner.store.commit(tx).await?;
        self.adopt(stored);
        tracing::warn!(owner = %actor.id, "the bot was claimed; it has an owner now");
        Ok(true)
    }
}

fn new_code() -> String {
    let mut random = rand::rng();
    let group = |random: &mut rand::rngs::ThreadRng| -> String {
        (0..4)
            .map(|_| char::from(CODE_LETTERS[random.random_range(0..CODE_LETTERS.len())]))
            .collect()
    };
    let groups: Vec<_> = (0..CODE_GROUPS).map(|_| group(&mut random)).collect();
    groups.join("-")
}

/// A code as it counts: whatever a phone makes of its hyphens and of its letters' case.
fn letters(code: &str) -> String {
    let counts = |c: &char| c.is_ascii_alphanumeric();
    let letters: String = code.chars().filter(counts).collect();
    letters.to_ascii_uppercase()
}

/// Compares in a time that does not depend on where the texts differ.
fn same(a: &str, b: &str) -> bool {
    let differ = a
        .bytes()
        .zip(b.bytes())
        .fold(0, |acc, (x, y)| acc | (x ^ y));
    a.len() == b.len() && differ == 0
}
