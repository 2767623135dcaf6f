//! Strangers: each is told once an hour, each hour of theirs is a line or two of the audit trail, and owners hear of a few.

use super::news::{self, News};
use super::{Access, Actor, Asked, Channel, entry, entry_of, locked, storable};
use crate::base::error::Result;
use crate::base::ids::{ChatId, UserId};
use crate::base::role::Role;
use crate::base::time::Millis;
use crate::store::people::Knocks;
use crate::store::{self, audit};
use std::collections::HashMap;

/// An hour, in milliseconds.
const HOUR: i64 = 3_600_000;
/// A day, in milliseconds.
const DAY: i64 = 24 * HOUR;
/// Strangers that are told, and have a line of their own, within an hour; the others are only counted.
const FIRSTS: usize = 200;
/// Notices to owners within an hour; what is more is told as a number when the hour is over.
const NOTICES: u64 = 10;
/// A stranger's message, as the audit trail calls it.
const KNOCK: &str = "knock";
/// The bot was put into a group.
const ADDED: &str = "chat.added";
/// A message of a group that is no person's own.
const NOBODY: &str = "nobody";
/// An invitation that does not hold.
const INVITE: &str = "invite.use";
/// All those who are only counted are one in the books.
const OTHERS: UserId = UserId(0);

/// The books of the strangers.
#[derive(Default)]
pub(super) struct Strangers {
    hour: i64,
    notices: u64,
    untold: u64,
    /// The hour of the last writing down.
    written: i64,
    /// By what they did, and who, or which group.
    firsts: HashMap<(&'static str, UserId), First>,
    /// By stranger and hour.
    counted: HashMap<(UserId, i64), Counted>,
}

/// A stranger's first message of an hour.
struct First {
    at: Millis,
    day: i64,
}

/// Messages that were counted and are not written down yet.
struct Counted {
    name: String,
    chat: ChatId,
    count: i64,
}

/// What to do about a stranger's message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    /// Write it down and tell them; `notice`: tell the owners too.
    First { notice: bool },
    /// It is counted.
    Count,
}

impl Strangers {
    fn turn(&mut self, now: Millis) {
        let hour = now.0.div_euclid(HOUR);
        if hour != self.hour {
            (self.hour, self.notices) = (hour, 0);
            self.firsts.retain(|_, first| now.0 - first.at.0 < DAY);
        }
    }

    /// Whether it is the first of its kind within an hour, while there are not too many of them.
    fn is_first(&mut self, what: &'static str, who: UserId, now: Millis) -> bool {
        self.turn(now);
        let recent = |first: &First| now.0 - first.at.0 < HOUR;
        if self.firsts.get(&(what, who)).is_some_and(recent) {
            return false;
        }
        let others = self.firsts.iter();
        if others
            .filter(|((kind, _), f)| *kind == what && recent(f))
            .count()
            >= FIRSTS
        {
            return false;
        }
        let day = now.0.div_euclid(DAY);
        self.firsts.insert((what, who), First { at: now, day });
        true
    }

    /// Counts what is not the first; of a crowd there is one count.
    fn count(&mut self, what: &'static str, who: UserId, name: &str, chat: ChatId) {
        let full = !self.firsts.contains_key(&(what, who));
        let (who, name) = match full {
            true => (OTHERS, "others".to_owned()),
            false => (who, storable(name)),
        };
        let count = 0;
        let new = || Counted { name, chat, count };
        let counted = self.counted.entry((who, self.hour)).or_insert_with(new);
        counted.count += 1;
    }

    fn knock(&mut self, user: UserId, name: &str, chat: ChatId, now: Millis) -> Due {
        let day = now.0.div_euclid(DAY);
        let before = self.firsts.get(&(KNOCK, user));
        let told_today = before.is_some_and(|first| first.day == day);
        let within_hour = before.is_some_and(|first| now.0 - first.at.0 < HOUR);
        if self.is_first(KNOCK, user, now) {
            let notice = !told_today && self.notices < NOTICES;
            self.notices += u64::from(notice);
            self.untold += u64::from(!notice && !told_today);
            return Due::First { notice };
        }
        self.untold += u64::from(!within_hour);
        self.count(KNOCK, user, name, chat);
        Due::Count
    }
}

impl Access {
    /// Turns an unknown person away: told at most once an hour, and audited then; what follows within the hour is counted
    /// into one line. `true` when they are to be told.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn turn_away(&self, actor: &Actor, what: &str) -> Result<bool> {
        let now = Millis::now();
        let due = locked(&self.inner.strangers).knock(actor.id, &actor.name, actor.place.chat, now);
        let Due::First { notice } = due else {
            return Ok(false);
        };
        let asked = Asked {
            action: KNOCK,
            target: actor.id.to_string(),
            arguments: what.to_owned(),
            need: Role::Viewer,
        };
        let mut tx = self.inner.store.begin().await?;
        audit::add(
            &mut tx,
            &entry(actor, &asked, "refused", Some("unknown person")),
        )
        .await?;
        if let Some(seen) = self.unwritten(actor.id) {
            store::people::note(&mut tx, &seen).await?;
        }
        let mut told = Vec::new();
        if notice && !store::people::is_ignored(&mut tx, actor.id).await? {
            let knock = News::Knock {
                user: actor.id,
                name: super::seen::tidy(&actor.name),
                day: now.0.div_euclid(DAY),
            };
            told = self.announce(&mut tx, None, &knock).await?;
        }
        self.inner.store.commit(tx).await?;
        self.kick(&told);
        Ok(true)
    }

    /// The bot was added to a group that is not on the list: owners are asked what to do, once a day for each group.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn added_to(&self, chat: ChatId, title: &str, by: &Actor) -> Result<()> {
        let now = Millis::now();
        let due = {
            let mut strangers = locked(&self.inner.strangers);
            // Whoever takes it out and puts it in again writes no line each time.
            if !strangers.is_first(ADDED, UserId(chat.0), now) {
                strangers.count(ADDED, UserId(chat.0), &super::seen::tidy(title), chat);
                return Ok(());
            }
            let due = strangers.notices < NOTICES;
            strangers.notices += u64::from(due);
            due
        };
        let what = (ADDED, chat.to_string(), super::seen::tidy(title));
        let line = entry_of(Channel::Telegram, by, what);
        let mut tx = self.inner.store.begin().await?;
        audit::add(&mut tx, &line).await?;
        let mut told = Vec::new();
        if due {
            let added = News::Added {
                chat,
                title: super::seen::tidy(title),
                by: super::seen::tidy(&by.name),
                day: now.0.div_euclid(DAY),
            };
            told = self.announce(&mut tx, None, &added).await?;
        }
        self.inner.store.commit(tx).await?;
        self.kick(&told);
        Ok(())
    }

    /// Audits what nobody known sent to a group: the first of an hour as a line, what follows counted into one.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn note_nobody(&self, actor: &Actor, asked: &Asked, why: &str) -> Result<()> {
        let chat = actor.place.chat;
        let first = {
            let mut strangers = locked(&self.inner.strangers);
            let who = UserId(chat.0);
            let first = strangers.is_first(NOBODY, who, Millis::now());
            if !first {
                strangers.count(NOBODY, who, &actor.name, chat);
            }
            first
        };
        match first {
            true => self.note_refusal(actor, asked, why).await,
            false => Ok(()),
        }
    }

    /// Whether a stranger's use of this invitation, which does not hold, has a line of its own: the first of an hour has.
    pub(super) fn is_first_use(&self, invitation: i64) -> bool {
        let mut strangers = locked(&self.inner.strangers);
        strangers.is_first(INVITE, UserId(invitation), Millis::now())
    }

    /// No more notices of this person. What they send goes on to be counted.
    ///
    /// # Errors
    /// The refusal in words, or a failure of the database.
    pub async fn ignore(&self, grant: &super::Grant, user: UserId) -> Result<()> {
        let mut tx = grant.begin(&self.inner.store).await?;
        store::people::ignore(&mut tx, user, true).await?;
        Ok(tx.commit().await?)
    }

    /// Promises news to the owners as they are known in memory.
    pub(super) async fn announce(
        &self,
        tx: &mut store::Tx,
        also: Option<UserId>,
        news: &News,
    ) -> store::Result<Vec<UserId>> {
        let people = self.people_in(tx).await?;
        let herald = self.inner.herald.as_ref();
        news::promise(herald, tx, &people, OTHERS, also, news).await
    }

    /// Writes down what was only noted in memory: who was seen, how often strangers wrote, and for each hour that is
    /// over one line of the trail for each of them.
    ///
    /// # Errors
    /// When the database refuses; what was noted since the last time may then be lost.
    pub async fn write_down(&self, now: Millis) -> Result<()> {
        let hour = now.0.div_euclid(HOUR);
        let (counted, turned, untold) = {
            let mut strangers = locked(&self.inner.strangers);
            let turned = strangers.written != hour;
            strangers.written = hour;
            let untold = if turned {
                std::mem::take(&mut strangers.untold)
            } else {
                0
            };
            (std::mem::take(&mut strangers.counted), turned, untold)
        };
        if counted.is_empty() && !turned && self.all_written() {
            return Ok(());
        }
        let mut tx = self.inner.store.begin().await?;
        self.write_seen(&mut tx).await?;
        let mut counted: Vec<_> = counted.into_iter().collect();
        counted.sort_by_key(|(key, _)| *key);
        for ((id, hour), Counted { name, chat, count }) in counted {
            let knocks = Knocks {
                id,
                name,
                chat,
                hour,
                count,
            };
            store::people::add_knocks(&mut tx, &knocks).await?;
        }
        for knocks in store::people::take_knocks(&mut tx, hour).await? {
            audit::add(&mut tx, &line_of(&knocks)).await?;
        }
        let mut told = Vec::new();
        if untold > 0 {
            let summary = News::Knocks {
                messages: untold,
                hour,
            };
            told = self.announce(&mut tx, None, &summary).await?;
        }
        self.inner.store.commit(tx).await?;
        self.kick(&told);
        Ok(())
    }
}

/// The line of the trail for what a stranger, or nobody known in a group, sent within an hour after the first message.
fn line_of(knocks: &Knocks) -> audit::Entry {
    let actor = Actor {
        id: knocks.id,
        name: knocks.name.clone(),
        ..Actor::on_server("")
    };
    let what = (KNOCK, knocks.id.to_string(), format!("×{}", knocks.count));
    let mut line = entry_of(Channel::Telegram, &actor, what);
    line.chat = knocks.chat;
    line.refuse("unknown person, counted over an hour");
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn knock(books: &mut Strangers, user: i64, now: i64) -> Due {
        books.knock(UserId(user), "Mallory", ChatId(user), Millis(now))
    }

    #[test]
    fn the_first_of_an_hour_is_told_and_the_rest_counted() {
        let mut books = Strangers::default();
        assert_eq!(knock(&mut books, 9, DAY), Due::First { notice: true });
        for n in 1..50 {
            assert_eq!(knock(&mut books, 9, DAY + n), Due::Count);
        }
        assert_eq!(books.counted[&(UserId(9), 24)].count, 49);
        let later = DAY + HOUR;
        assert_eq!(knock(&mut books, 9, later), Due::First { notice: false });
        let tomorrow = 2 * DAY + HOUR;
        assert_eq!(knock(&mut books, 9, tomorrow), Due::First { notice: true });
    }

    #[test]
    fn a_crowd_is_bounded_and_nobody_is_left_out_of_the_count() {
        let mut books = Strangers::default();
        let mut told = 0;
        let mut noticed = 0;
        for user in 1..=1_000 {
            match knock(&mut books, user, DAY + user) {
                Due::First { notice } => {
                    told += 1;
                    noticed += u64::from(notice);
                }
                Due::Count => {}
            }
        }
        assert_eq!((told, noticed), (FIRSTS, NOTICES));
        assert_eq!(books.counted.len(), 1, "the crowd is one in the books");
        assert_eq!(books.counted[&(OTHERS, 24)].count, 800);
        assert_eq!(books.untold, 1_000 - NOTICES);
        assert_eq!(books.firsts.len(), FIRSTS);
    }
}
