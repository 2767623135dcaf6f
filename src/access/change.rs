//! Changes of rights: who may make them is decided, by the rules, inside the transaction that makes them.

use super::news::{self, News};
use super::rules::prepare;
use super::{Access, Actor, Channel, People, Stored, entry_of, locked, storable};
use crate::base::error::{Error, Result};
use crate::base::ids::{ChatId, Place, UserId};
use crate::base::role::Role;
use crate::base::time::Millis;
use crate::store::ceilings::Ceiling;
use crate::store::members::{Given, Member, Membership, Right, Source};
use crate::store::{self, Tx, audit};
use serde::{Deserialize, Serialize};

/// On whose word rights are changed.
#[derive(Clone, Debug)]
pub enum By {
    /// A person, with what they are where they ask.
    Person(Actor),
    /// A person, with what they are in private: for what is about the group itself.
    Privately(Actor),
    /// Whoever may use the command line on the server, under this name: as much as an owner.
    CommandLine(String),
}

/// A change of rights.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// Gives a person a role.
    Role {
        /// Who.
        user: UserId,
        /// What they are called from now on.
        name: String,
        /// The role.
        role: Role,
        /// When it ends and what was before comes back; `None` for never.
        until: Option<Millis>,
    },
    /// Takes a person's role, and with it everything.
    NoRole {
        /// Who.
        user: UserId,
    },
    /// Gives a person the right to one script.
    Script {
        /// Who.
        user: UserId,
        /// The script.
        script: String,
        /// The role that it needs otherwise.
        needs: Role,
        /// When it ends; `None` for never.
        until: Option<Millis>,
    },
    /// Takes the right to one script.
    NoScript {
        /// Who.
        user: UserId,
        /// The script.
        script: String,
    },
    /// Puts a group on the list, or sets what differs in a topic.
    Chat {
        /// Which.
        place: Place,
        /// The most that anyone may do there.
        role: Role,
    },
    /// Takes a group off the list, or a topic's own word.
    NoChat {
        /// Which.
        place: Place,
    },
}

/// A change that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// What was changed.
    pub change: Change,
    /// The name of the person whom it is about; empty for groups.
    pub name: String,
    /// The role before, of the person or the group.
    pub before: Option<Role>,
    /// What remains when the new role ends.
    pub fallback: Option<Role>,
}

impl Change {
    /// The person whom it is about.
    #[must_use]
    pub fn user(&self) -> Option<UserId> {
        match self {
            Change::Role { user, .. }
            | Change::NoRole { user }
            | Change::Script { user, .. }
            | Change::NoScript { user, .. } => Some(*user),
            Change::Chat { .. } | Change::NoChat { .. } => None,
        }
    }

    /// Whether it is asked about first: it makes an owner, takes one's or an admin's role, or closes a group.
    #[must_use]
    pub fn is_dangerous(&self, before: Option<Role>) -> bool {
        let high = before.is_some_and(|role| role >= Role::Admin);
        match self {
            Change::Role { role, .. } => {
                (*role == Role::Owner && before != Some(Role::Owner))
                    || (high && before.is_some_and(|before| before > *role))
            }
            Change::NoRole { .. } => high,
            Change::NoChat { place } => place.thread.is_none(),
            Change::Script { .. } | Change::NoScript { .. } | Change::Chat { .. } => false,
        }
    }

    fn action(&self) -> &'static str {
        match self {
            Change::Role { .. } => "member.grant",
            Change::NoRole { .. } => "member.revoke",
            Change::Script { .. } => "script.grant",
            Change::NoScript { .. } => "script.revoke",
            Change::Chat { .. } => "chat.allow",
            Change::NoChat { .. } => "chat.remove",
        }
    }

    pub(super) fn target(&self) -> String {
        match self {
            Change::Role { user, .. }
            | Change::NoRole { user }
            | Change::Script { user, .. }
            | Change::NoScript { user, .. } => user.to_string(),
            Change::Chat { place, .. } | Change::NoChat { place } => match place.thread {
                Some(thread) => format!("{}/{thread}", place.chat),
                None => place.chat.to_string(),
            },
        }
    }

    fn arguments(&self) -> String {
        let until = |until: &Option<Millis>| match until {
            Some(end) => format!(" until {}", end.utc().format("%Y-%m-%dT%H:%M:%SZ")),
            None => String::new(),
        };
        match self {
            Change::Role {
                name,
                role,
                until: end,
                ..
            } => format!("{role}{} as {name}", until(end)),
            Change::Script {
                script, until: end, ..
            } => format!("{script}{}", until(end)),
            Change::NoScript { script, .. } => script.clone(),
            Change::Chat { role, .. } => role.to_string(),
            Change::NoRole { .. } | Change::NoChat { .. } => String::new(),
        }
    }
}

impl By {
    /// What is written down of whoever it is.
    pub(super) fn actor(&self) -> (Actor, Channel) {
        match self {
            By::Person(actor) | By::Privately(actor) => (actor.clone(), Channel::Telegram),
            By::CommandLine(name) => (Actor::on_server(name), Channel::CommandLine),
        }
    }

    /// The person whose word it is; `None` for the command line.
    pub(super) fn person(&self) -> Option<UserId> {
        match self {
            By::Person(actor) | By::Privately(actor) => Some(actor.id),
            By::CommandLine(_) => None,
        }
    }

    /// How much their word counts.
    pub(super) fn authority(&self, people: &People, now: Millis) -> Option<Role> {
        let own = |actor: &Actor| people.role(actor.id, now);
        match self {
            By::Person(actor) => match actor.place.chat.is_private() {
                true => own(actor),
                false => Some(own(actor)?.min(people.ceiling(actor.place)?)),
            },
            By::Privately(actor) => own(actor),
            By::CommandLine(_) => Some(Role::Owner),
        }
    }
}

impl Access {
    /// Changes rights, if the asker may; one line of the audit trail says what became of it. Owners are told of it.
    ///
    /// # Errors
    /// The refusal in words, or a failure of the database; nothing was changed then.
    pub async fn change(&self, by: &By, change: Change) -> Result<Done> {
        self.change_once(by, change, None).await
    }

    /// The same as the answer to a question, which is taken in the transaction of the change: both happen, once, or neither.
    ///
    /// # Errors
    /// The refusal in words, also of a question that was answered before, or a failure of the database.
    pub async fn change_once(&self, by: &By, change: Change, intent: Option<&str>) -> Result<Done> {
        let (actor, channel) = by.actor();
        let mut line = entry_of(
            channel,
            &actor,
            (change.action(), change.target(), change.arguments()),
        );
        let now = Millis::now();
        let mut tx = self.inner.store.begin_led().await?;
        store::members::hold(&mut tx).await?;
        if let Some(intent) = intent
            && !store::intents::take(&mut tx, intent, now).await?
        {
            return Err(Error::refused("This was answered already."));
        }
        let people = self.people_in(&mut tx).await?;
        let done = match prepare(&people, by, &change, now) {
            Ok(done) => done,
            Err(words) => {
                drop(tx);
                line.refuse(&words);
                self.write(&line).await?;
                return Err(Error::refused(words));
            }
        };
        let given = Given {
            by: actor.id,
            by_name: storable(&actor.name),
            at: now,
        };
        apply(&mut tx, &people, &done, given).await?;
        audit::add(&mut tx, &line).await?;
        let told = self.tell(&mut tx, &people, &actor, &done).await?;
        let stored = Stored::read(&mut tx).await?;
        self.inner.store.commit(tx).await?;
        self.adopt(stored);
        self.kick(&told);
        Ok(done)
    }

    /// What a change would be by what is known in memory; `None` when the asker may not make it.
    #[must_use]
    pub fn would(&self, by: &By, change: &Change) -> Option<Done> {
        let people = locked(&self.inner.people);
        prepare(&people, by, change, Millis::now()).ok()
    }

    /// Promises the news of a change to the owners and to the person concerned.
    async fn tell(
        &self,
        tx: &mut Tx,
        people: &People,
        actor: &Actor,
        done: &Done,
    ) -> store::Result<Vec<UserId>> {
        let herald = self.inner.herald.as_ref();
        let by = actor.name.clone();
        let (own, all) = (done.clone(), done.clone());
        let concerned = done.change.user().filter(|user| *user != actor.id);
        let all = News::Changed {
            done: all,
            by: by.clone(),
        };
        let mut told = news::promise(herald, tx, people, actor.id, None, &all).await?;
        // Whoever is told as an owner need not be told twice.
        if let Some(user) = concerned.filter(|user| !told.contains(user)) {
            let own = News::Yours { done: own, by };
            let noted = self.unwritten(user).is_some_and(|seen| seen.private);
            told.extend(news::promise_to(herald, tx, user, noted, &own).await?);
        }
        Ok(told)
    }

    /// Everybody as of this transaction, which holds other changes back.
    pub(super) async fn people_in(&self, tx: &mut Tx) -> store::Result<People> {
        let stored = Stored::read(tx).await?;
        let people = locked(&self.inner.people);
        Ok(People {
            fixed: people.fixed.clone(),
            stored,
            moved: people.moved.clone(),
        })
    }
}

/// Writes a change that was decided.
async fn apply(tx: &mut Tx, people: &People, done: &Done, given: Given) -> store::Result<()> {
    let listed = |chat: ChatId| people.listed_as(chat).unwrap_or(chat);
    match &done.change {
        Change::Role {
            user,
            name,
            role,
            until,
        } => {
            let new = Membership {
                member: Member {
                    id: *user,
                    name: storable(name),
                    role: *role,
                },
                source: Source::Granted,
                given,
                until: *until,
                fallback: done.fallback,
            };
            welcome(tx, people, &new).await
        }
        Change::NoRole { user } => {
            store::members::remove_right(tx, *user, None).await?;
            store::members::remove(tx, *user).await
        }
        Change::Script {
            user,
            script,
            until,
            ..
        } => {
            let right = Right {
                user: *user,
                script: script.clone(),
                until: *until,
                given,
            };
            store::members::put_right(tx, &right).await
        }
        Change::NoScript { user, script } => {
            store::members::remove_right(tx, *user, Some(script)).await
        }
        Change::Chat { place, role } => {
            let place = Place {
                chat: listed(place.chat),
                ..*place
            };
            let role = *role;
            store::ceilings::put(tx, &Ceiling { place, role, given }).await
        }
        Change::NoChat { place } => {
            let place = Place {
                chat: listed(place.chat),
                ..*place
            };
            store::ceilings::remove(tx, place).await
        }
    }
}

/// Writes a role. Whoever had none begins anew: rights that were left from an earlier one do not come back with it.
pub(super) async fn welcome(tx: &mut Tx, people: &People, new: &Membership) -> store::Result<()> {
    let user = new.member.id;
    if people.rank(user, Millis::now()).is_none() {
        store::members::remove_right(tx, user, None).await?;
    }
    store::people::ignore(tx, user, false).await?;
    store::members::put(tx, new).await
}
