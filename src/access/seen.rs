//! Who and where was seen: noted in memory, written down every few seconds, so that no command waits for it.

use super::{Access, locked, storable};
use crate::base::ids::{ChatId, Place, UserId};
use crate::base::time::Millis;
use crate::store::ceilings::Seen as SeenPlace;
use crate::store::people::Seen;
use crate::store::{self, Tx};
use std::collections::HashMap;

/// Persons noted between two writes, at the most; who has a role is noted beyond that.
const PERSONS: usize = 1_000;
/// Places noted between two writes, at the most.
const PLACES: usize = 200;
/// The longest name that is kept, in characters; Telegram's own limit is 64.
const NAME: usize = 64;

/// What was seen and is not written down yet.
#[derive(Default)]
pub(super) struct Unwritten {
    persons: HashMap<UserId, Seen>,
    places: HashMap<Place, SeenPlace>,
}

/// A name as it is kept: on one line, without what turns a line around, and not too long.
pub(super) fn tidy(name: &str) -> String {
    let turns = |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let kept = name.chars().filter(|c| !c.is_control() && !turns(*c));
    let kept: String = kept.take(NAME).collect();
    match kept.trim() {
        "" => "nameless".to_owned(),
        kept => storable(kept),
    }
}

impl Access {
    /// Notes that a person wrote or pressed.
    pub fn saw(&self, user: UserId, name: &str, username: Option<&str>, chat: ChatId) {
        let known = self.own_role(user).is_some();
        let seen = Seen {
            id: user,
            name: tidy(name),
            username: username.map(str::to_lowercase),
            private: chat.is_private(),
            at: Millis::now(),
        };
        let mut unwritten = locked(&self.inner.seen);
        let persons = &mut unwritten.persons;
        if let Some(before) = persons.get_mut(&user) {
            let private = before.private || seen.private;
            *before = Seen { private, ..seen };
        } else if known || persons.len() < PERSONS {
            persons.insert(user, seen);
        }
    }

    /// Notes that something came from a group or topic, or that the bot was put into one or out of it.
    pub fn saw_place(&self, place: Place, title: &str, present: bool) {
        if place.chat.is_private() {
            return;
        }
        let title = match title {
            "" => String::new(),
            title => tidy(title),
        };
        let mut unwritten = locked(&self.inner.seen);
        if unwritten.places.len() >= PLACES && !unwritten.places.contains_key(&place) {
            return;
        }
        let known = unwritten.places.remove(&place).map(|seen| seen.title);
        let seen = SeenPlace {
            place,
            title: if title.is_empty() {
                known.unwrap_or_default()
            } else {
                title
            },
            present,
            at: Millis::now(),
        };
        unwritten.places.insert(place, seen);
    }

    /// What was noted of a person and is not written down yet.
    pub(super) fn unwritten(&self, user: UserId) -> Option<Seen> {
        locked(&self.inner.seen).persons.get(&user).cloned()
    }

    /// Whether there is nothing to be written down.
    pub(super) fn all_written(&self) -> bool {
        let unwritten = locked(&self.inner.seen);
        unwritten.persons.is_empty() && unwritten.places.is_empty()
    }

    /// Writes down who and where was seen. What is noted meanwhile is written the next time.
    pub(super) async fn write_seen(&self, tx: &mut Tx) -> store::Result<()> {
        let Unwritten { persons, places } = std::mem::take(&mut *locked(&self.inner.seen));
        // In the order of the ids, so that two processes never wait for each other.
        let mut persons: Vec<_> = persons.into_values().collect();
        persons.sort_by_key(|seen| seen.id);
        for seen in &persons {
            store::people::note(tx, seen).await?;
        }
        let mut places: Vec<_> = places.into_values().collect();
        places.sort_by_key(|seen| (seen.place.chat, seen.place.thread));
        for seen in &places {
            store::ceilings::note(tx, seen).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::tidy;

    #[test]
    fn a_name_cannot_turn_a_line_around_or_break_it() {
        assert_eq!(tidy("Mal\u{202e}lory\0\n"), "Mallory");
        assert_eq!(tidy("\u{2067}\u{200f} \n"), "nameless");
        assert_eq!(tidy(&"x".repeat(500)).len(), 64);
        assert_eq!(tidy("<b>Zoë</b>"), "<b>Zoë</b>");
    }
}
