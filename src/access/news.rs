//! What owners and those concerned are told, promised in the transaction of the change itself.

use super::People;
use super::change::Done;
use crate::base::ids::{ChatId, UserId};
use crate::base::role::Role;
use crate::base::time::Millis;
use crate::store::outbox::NewRow;
use crate::store::{self, Tx};
use std::collections::BTreeSet;

/// Owners told at the most; a bot with more has given the role away.
const TOLD: usize = 20;

/// Something to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// Rights were changed.
    Changed {
        /// What.
        done: Done,
        /// By whom.
        by: String,
    },
    /// The same, for the person concerned.
    Yours {
        /// What.
        done: Done,
        /// By whom.
        by: String,
    },
    /// The end of a role that was given for a time, for the person concerned.
    Ended {
        /// The role that ended.
        role: Role,
        /// The role that is left.
        left: Option<Role>,
    },
    /// An invitation was used.
    Invited {
        /// By whom.
        user: UserId,
        /// Their name.
        name: String,
        /// What it made of them.
        role: Role,
        /// Who had made it.
        inviter: String,
    },
    /// A stranger wrote.
    Knock {
        /// Who.
        user: UserId,
        /// Their name.
        name: String,
        /// The day, counted since 1970: they are told of once a day.
        day: i64,
    },
    /// Strangers wrote more than was told one by one.
    Knocks {
        /// How many messages.
        messages: u64,
        /// The hour, counted since 1970.
        hour: i64,
    },
    /// The bot was added to a group that is not on the list.
    Added {
        /// Which group.
        chat: ChatId,
        /// Its title.
        title: String,
        /// Who added it.
        by: String,
        /// The day, counted since 1970.
        day: i64,
    },
}

/// Puts news into words and brings them on their way.
pub trait Herald: Send + Sync {
    /// The message that tells it to a person, as a row of the outbox.
    ///
    /// # Errors
    /// When it cannot be written down.
    fn row(&self, to: UserId, news: &News) -> store::Result<NewRow>;

    /// Rows for this chat were committed.
    fn kick(&self, chat: ChatId);
}

/// Promises news to every owner but the one whose deed it was, and to `also`. Returns who is told.
pub(super) async fn promise(
    herald: &dyn Herald,
    tx: &mut Tx,
    people: &People,
    doer: UserId,
    also: Option<UserId>,
    news: &News,
) -> store::Result<Vec<UserId>> {
    let now = Millis::now();
    let owners = people.owners(now).into_iter().take(TOLD);
    let also = also.filter(|user| people.role(*user, now).is_some());
    let told: BTreeSet<_> = owners.chain(also).filter(|user| *user != doer).collect();
    for user in &told {
        let row = herald.row(*user, news)?;
        store::outbox::add(tx, &row, now).await?;
    }
    Ok(told.into_iter().collect())
}

/// Promises news to one person, if they wrote to the bot in private once: `noted`, or written down before.
pub(super) async fn promise_to(
    herald: &dyn Herald,
    tx: &mut Tx,
    user: UserId,
    noted: bool,
    news: &News,
) -> store::Result<Option<UserId>> {
    let known = noted || {
        let seen = store::people::find(tx, user).await?;
        seen.is_some_and(|seen| seen.private)
    };
    if !known {
        return Ok(None);
    }
    let row = herald.row(user, news)?;
    store::outbox::add(tx, &row, Millis::now()).await?;
    Ok(Some(user))
}
