//! How much one person may have looked up: while a program lists values, what was sent to the same chat waits, and when
//! enough waits, so does everybody.

use crate::base::error::Error;
use crate::base::ids::UserId;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Lookups of one person at the same time; fewer than there are places, so that nobody takes them all.
const AT_ONCE: u32 = 2;
/// So much time a person may spend on lookups at a stretch; it comes back half as fast as time goes by.
const STRETCH: Duration = Duration::from_secs(20);

/// What persons spend on lookups. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct Looks(Arc<Mutex<HashMap<UserId, Account>>>);

#[derive(Clone, Copy, Debug)]
struct Account {
    running: u32,
    spent: Duration,
    at: Instant,
}

impl Account {
    fn new(now: Instant) -> Self {
        Self {
            running: 0,
            spent: Duration::ZERO,
            at: now,
        }
    }

    fn recover(&mut self, now: Instant) {
        let gone = now.saturating_duration_since(self.at);
        self.spent = self.spent.saturating_sub(gone / 2);
        self.at = now;
    }
}

impl Looks {
    /// Begins to look something up for a person.
    ///
    /// # Errors
    /// Refused while too much is being looked up for them, or was just now.
    pub(super) fn begin(&self, user: UserId, now: Instant) -> Result<Look, Error> {
        let mut accounts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        accounts.retain(|_, account| {
            account.recover(now);
            account.running > 0 || !account.spent.is_zero()
        });
        let account = accounts.entry(user).or_insert_with(|| Account::new(now));
        if account.running >= AT_ONCE || account.spent >= STRETCH {
            return Err(Error::refused(
                "Looking up the values that you asked for takes long. Try again in a moment.",
            ));
        }
        account.running += 1;
        Ok(Look {
            looks: self.clone(),
            user,
            begun: now,
        })
    }

    fn end(&self, user: UserId, begun: Instant, now: Instant) {
        let mut accounts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(account) = accounts.get_mut(&user) {
            account.recover(now);
            account.running = account.running.saturating_sub(1);
            account.spent += now.saturating_duration_since(begun);
        }
    }
}

/// A lookup that goes on until this is dropped.
#[must_use]
pub struct Look {
    looks: Looks,
    user: UserId,
    begun: Instant,
}

impl Drop for Look {
    fn drop(&mut self) {
        self.looks.end(self.user, self.begun, Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANN: UserId = UserId(1);
    const BEN: UserId = UserId(2);

    #[test]
    fn so_many_at_once_and_no_more() {
        let (looks, now) = (Looks::default(), Instant::now());
        let first = looks.begin(ANN, now).unwrap();
        let second = looks.begin(ANN, now).unwrap();
        assert!(looks.begin(ANN, now).is_err());
        assert!(looks.begin(BEN, now).is_ok(), "others look on");
        drop(first);
        assert!(looks.begin(ANN, now).is_ok());
        drop(second);
    }

    #[test]
    fn who_had_much_looked_up_waits_a_moment() {
        let (looks, now) = (Looks::default(), Instant::now());
        let look = looks.begin(ANN, now).unwrap();
        let later = now + 2 * STRETCH;
        looks.end(ANN, now, later);
        // Counted above already, and its end is not known to take any time.
        std::mem::forget(look);
        assert!(looks.begin(ANN, later).is_err());
        assert!(looks.begin(BEN, later).is_ok());
        let rested = later + 3 * STRETCH;
        assert!(looks.begin(ANN, rested).is_ok());
        assert!(looks.begin(BEN, rested + 4 * STRETCH).is_ok());
        let known = looks.0.lock().unwrap().len();
        assert_eq!(known, 1, "who has rested is forgotten");
    }
}
