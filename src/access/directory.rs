//! The lists that people look at: who has a role and from where, which groups are known, whom a word means.

use super::{Access, locked};
use crate::base::error::{Error, Result};
use crate::base::ids::{ChatId, Place, UserId};
use crate::base::role::Role;
use crate::base::time::Millis;
use crate::store::members::{Given, Source};
use crate::store::{self, people::Seen};
use std::collections::{BTreeMap, HashMap};

/// Places and persons shown beside those with a role, at the most.
const SEEN: u32 = 500;

/// Where a role or ceiling comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The configuration.
    File,
    /// The database: how, and by whom.
    Stored(Source, Given),
}

/// A right of somebody's own to one script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnRight {
    /// The script.
    pub script: String,
    /// When it ends; `None` for never.
    pub until: Option<Millis>,
    /// Whether the configuration gives it.
    pub fixed: bool,
}

/// A person who has a role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// Who.
    pub id: UserId,
    /// What they are called.
    pub name: String,
    /// Their username, without `@`.
    pub username: Option<String>,
    /// What they are at this moment.
    pub role: Role,
    /// When that ends, and what comes after; `None` for never.
    pub until: Option<(Millis, Option<Role>)>,
    /// Where it comes from.
    pub origin: Origin,
    /// The database's word, which counts again when the configuration no longer names them.
    pub dormant: Option<Role>,
    /// Scripts that they may run whatever their role.
    pub rights: Vec<OwnRight>,
    /// When they wrote or pressed last.
    pub seen: Option<Millis>,
}

/// A role or a right of one's own that ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// Whose.
    pub name: String,
    /// What ends.
    pub what: Lent,
    /// When.
    pub at: Millis,
}

/// What somebody has for a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lent {
    /// A role, and the one after it.
    Role(Role, Option<Role>),
    /// The right to a script.
    Script(String),
}

/// A group or topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Which.
    pub place: Place,
    /// Its title; empty when it is not known.
    pub title: String,
    /// The most that anyone may do there; `None` when it is not on the list.
    pub ceiling: Option<Role>,
    /// Where its own word comes from; `None` when it has none.
    pub origin: Option<Origin>,
    /// Whether the bot is in it, as far as is known.
    pub present: Option<bool>,
}

/// Somebody meant by a word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Who.
    pub id: UserId,
    /// What they are called.
    pub name: String,
    /// Their role at this moment.
    pub role: Option<Role>,
}

impl Access {
    /// The persons who have a role at this moment: the highest first, then by name.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn directory(&self) -> Result<Vec<Person>> {
        self.write_down(Millis::now()).await?;
        let ids: Vec<UserId> = self.persons().iter().map(|member| member.id).collect();
        let mut seen = HashMap::new();
        {
            let mut db = self.inner.store.read().await?;
            for id in &ids {
                if let Some(found) = store::people::find(&mut db, *id).await? {
                    seen.insert(*id, found);
                }
            }
        }
        let now = Millis::now();
        let mut all: Vec<Person> = ids
            .into_iter()
            .filter_map(|id| self.person(id, seen.remove(&id), now))
            .collect();
        all.sort_by(|a, b| {
            let lower = |p: &Person| p.name.to_lowercase();
            b.role.cmp(&a.role).then_with(|| lower(a).cmp(&lower(b)))
        });
        Ok(all)
    }

    /// What persons have for a time that ends after this moment and by that one, the next first; what the configuration
    /// gives anyhow does not end.
    #[must_use]
    pub fn ending(&self, now: Millis, until: Millis) -> Vec<Ending> {
        let ids: Vec<UserId> = locked(&self.inner.people).everybody().into_iter().collect();
        let mut all = Vec::new();
        for person in ids.into_iter().filter_map(|id| self.person(id, None, now)) {
            let role = person
                .until
                .map(|(at, next)| (Lent::Role(person.role, next), at));
            let rights = person.rights.into_iter().filter_map(|right| {
                let at = right.until?;
                Some((Lent::Script(right.script), at))
            });
            let soon = role
                .into_iter()
                .chain(rights)
                .filter(|(_, at)| *at <= until);
            all.extend(soon.map(|(what, at)| Ending {
                name: person.name.clone(),
                what,
                at,
            }));
        }
        all.sort_by(|a, b| (a.at, &a.name).cmp(&(b.at, &b.name)));
        all
    }

    /// One person, if they have a role at this moment.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn look_up(&self, id: UserId) -> Result<Option<Person>> {
        let seen = {
            let mut db = self.inner.store.read().await?;
            store::people::find(&mut db, id).await?
        };
        Ok(self.person(id, seen, Millis::now()))
    }

    fn person(&self, id: UserId, seen: Option<Seen>, now: Millis) -> Option<Person> {
        let people = locked(&self.inner.people);
        let role = people.role(id, now)?;
        let stored = people.stored.members.get(&id);
        let fixed = people.fixed.users.contains_key(&id);
        let origin = match stored.filter(|_| !fixed) {
            Some(member) => Origin::Stored(member.source, member.given.clone()),
            None => Origin::File,
        };
        let running = stored.filter(|member| !fixed && !member.is_over(now));
        let lasts = |until: &Option<Millis>| until.is_none_or(|until| until > now);
        let own = people.stored.rights.get(&id).into_iter().flatten();
        let mut rights: BTreeMap<String, OwnRight> = own
            .filter(|right| lasts(&right.until))
            .map(|right| {
                let (script, until) = (right.script.clone(), right.until);
                let fixed = false;
                (
                    script.clone(),
                    OwnRight {
                        script,
                        until,
                        fixed,
                    },
                )
            })
            .collect();
        for script in people.fixed_rights(id) {
            let right = OwnRight {
                script: script.clone(),
                until: None,
                fixed: true,
            };
            rights.insert(script, right);
        }
        Some(Person {
            id,
            name: people.name(id)?.to_owned(),
            username: seen.as_ref().and_then(|seen| seen.username.clone()),
            role,
            until: running.and_then(|m| Some((m.until?, m.fallback))),
            origin,
            dormant: stored.filter(|_| fixed).and_then(|m| m.role_at(now)),
            rights: rights.into_values().collect(),
            seen: seen.map(|seen| seen.at),
        })
    }

    /// Persons without a role who wrote, those who wrote last first.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn strangers(&self) -> Result<Vec<Seen>> {
        self.write_down(Millis::now()).await?;
        let mut all = {
            let mut db = self.inner.store.read().await?;
            store::people::latest(&mut db, SEEN).await?
        };
        all.retain(|seen| self.own_role(seen.id).is_none());
        Ok(all)
    }

    /// Whom a word means: an id, an `@username` of somebody seen, or the name of somebody who has a role.
    ///
    /// # Errors
    /// Refused when nobody or more than one person is meant, or a failure of the database.
    pub async fn find(&self, word: &str) -> Result<Wanted> {
        if let Ok(id) = word.parse::<i64>() {
            if id <= 0 || id >= 1 << 52 {
                let shown = shown(word);
                return Err(Error::refused(format!(
                    "{shown} is not the id of a person. /whoami shows it."
                )));
            }
            return self.by_id(UserId(id)).await;
        }
        match self.named(word).await?.as_slice() {
            [one] => Ok(one.clone()),
            [one, other, ..] => Err(Error::refused(format!(
                "More than one person is called {}: {} and {}. Use the id.",
                one.name, one.id, other.id
            ))),
            [] if word.starts_with('@') => Err(Error::refused(format!(
                "I have not seen {} yet. Let them write to me once, or take their id from /whoami.",
                shown(word)
            ))),
            [] => Err(Error::refused(format!(
                "I know nobody called {}. Use the name in /users, an id, or @username of somebody who wrote to me.",
                shown(word)
            ))),
        }
    }

    /// Whom a name may mean: with `@` whoever was seen under this username, else those with a role who are called so.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn named(&self, name: &str) -> Result<Vec<Wanted>> {
        if let Some(username) = name.strip_prefix('@') {
            self.write_down(Millis::now()).await?;
            let mut db = self.inner.store.read().await?;
            let seen = store::people::named(&mut db, &username.to_lowercase()).await?;
            let seen = seen.into_iter();
            return Ok(seen.map(|s| self.wanted(s.id, Some(s.name))).collect());
        }
        let lower = name.to_lowercase();
        let mut named = self.persons();
        named.retain(|member| member.name.to_lowercase() == lower);
        let named = named.into_iter();
        Ok(named.map(|member| self.wanted(member.id, None)).collect())
    }

    /// The person of this id, under the name that is known of them.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn by_id(&self, id: UserId) -> Result<Wanted> {
        let name = match self.unwritten(id) {
            Some(seen) => Some(seen.name),
            None => {
                let mut db = self.inner.store.read().await?;
                store::people::find(&mut db, id)
                    .await?
                    .map(|seen| seen.name)
            }
        };
        Ok(self.wanted(id, name))
    }

    fn wanted(&self, id: UserId, seen_as: Option<String>) -> Wanted {
        let people = locked(&self.inner.people);
        let known = people.name(id).map(str::to_owned);
        Wanted {
            id,
            name: known.or(seen_as).unwrap_or_else(|| id.to_string()),
            role: people.role(id, Millis::now()),
        }
    }

    /// The groups and topics that are on the list, that the bot is in, or in which it was asked; by title.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn groups(&self) -> Result<Vec<Group>> {
        self.write_down(Millis::now()).await?;
        let seen = {
            let mut db = self.inner.store.read().await?;
            store::ceilings::seen(&mut db, SEEN).await?
        };
        let people = locked(&self.inner.people);
        let mut all: BTreeMap<(ChatId, i32), Group> = BTreeMap::new();
        let mut add = |place: Place, title: &str, origin: Option<Origin>, present: Option<bool>| {
            let key = (place.chat, place.thread.map_or(0, |thread| thread.0));
            let group = all.entry(key).or_insert_with(|| Group {
                place,
                title: String::new(),
                ceiling: people.ceiling(place),
                origin: None,
                present: None,
            });
            if group.title.is_empty() {
                title.clone_into(&mut group.title);
            }
            group.origin = group.origin.take().or(origin);
            group.present = group.present.or(present);
        };
        for chat in people.fixed.chats.values() {
            let whole = Place {
                chat: chat.id,
                thread: None,
            };
            add(whole, &chat.name, Some(Origin::File), None);
            for (topic, _) in &chat.topics {
                let place = Place {
                    chat: chat.id,
                    thread: Some(*topic),
                };
                add(place, "", Some(Origin::File), None);
            }
        }
        for ceiling in people.stored.ceilings.values() {
            let origin = Origin::Stored(Source::Granted, ceiling.given.clone());
            if !people.fixed.chats.contains_key(&ceiling.place.chat) {
                add(ceiling.place, "", Some(origin), None);
            }
        }
        for place in &seen {
            add(place.place, &place.title, None, Some(place.present));
        }
        Ok(all.into_values().collect())
    }
}

/// What was typed, short enough to be shown.
fn shown(word: &str) -> String {
    let short = crate::base::text::shorten(word, 60);
    format!("“{short}”")
}
