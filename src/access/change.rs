//! Changes of rights: who may make them is decided inside the transaction that makes them.
//!
//! Nobody gives more than he has, nobody touches somebody of his own rank or a higher one (owners excepted), nobody
//! raises himself, the file's persons and groups are the file's, and somebody always owns the bot.

use super::news::{self, News};
use super::{Access, Actor, Channel, People, Stored, entry_of, locked, storable};
use crate::base::error::{Error, Result};
use crate::base::ids::{ChatId, Place, UserId};
use crate::base::role::Role;
use crate::base::time::Millis;
use crate::store::ceilings::Ceiling;
use crate::store::members::{Given, Member, Membership, Right, Source};
use crate::store::{self, Tx, audit};
use serde::{Deserialize, Serialize};

/// Persons with a role in the database, at the most.
const MEMBERS: usize = 5_000;
/// Rights to single scripts that one person may have, at the most.
const RIGHTS: usize = 100;
/// Groups and topics in the database, at the most.
const CEILINGS: usize = 1_000;
/// Telegram's own accounts, which stand for no person: its service messages, anonymous admins, channels.
const TELEGRAMS: [i64; 3] = [777_000, 1_087_968_824, 136_817_688];

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

    fn target(&self) -> String {
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

/// Whether somebody of this role may give that one, to begin with: owners all, admins what is below them.
#[must_use]
pub fn may_give(authority: Role, role: Role) -> bool {
    match authority {
        Role::Owner => true,
        Role::Admin => role < Role::Admin,
        Role::Viewer | Role::Operator => false,
    }
}

impl Access {
    /// Changes rights, if the asker may; one line of the audit trail says what became of it. Owners are told of it.
    ///
    /// # Errors
    /// The refusal in words, or a failure of the database; nothing was changed then.
    pub async fn change(&self, by: &By, change: Change) -> Result<Done> {
        let (actor, channel) = by.actor();
        let mut line = entry_of(
            channel,
            &actor,
            (change.action(), change.target(), change.arguments()),
        );
        let now = Millis::now();
        let mut tx = self.inner.store.begin().await?;
        store::members::hold(&mut tx).await?;
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

/// Decides, and says what the change will be.
fn prepare(people: &People, by: &By, change: &Change, now: Millis) -> Result<Done, String> {
    let authority = by.authority(people, now);
    let Some(authority) = authority.filter(|role| *role >= Role::Admin) else {
        let here = authority.map_or("nobody I know".to_owned(), |role| role.to_string());
        return Err(format!(
            "This needs the role admin or higher. You are {here} here."
        ));
    };
    let (actor, _) = by.actor();
    let before = match change {
        Change::Chat { place, .. } | Change::NoChat { place } => people.ceiling(*place),
        Change::Role { .. }
        | Change::NoRole { .. }
        | Change::Script { .. }
        | Change::NoScript { .. } => change.user().and_then(|user| people.role(user, now)),
    };
    let name = match change {
        Change::Role { name, .. } => name.clone(),
        Change::NoRole { .. }
        | Change::Script { .. }
        | Change::NoScript { .. }
        | Change::Chat { .. }
        | Change::NoChat { .. } => {
            let user = change.user();
            let name = user.map(|user| people.name(user).map(str::to_owned));
            name.map_or(String::new(), |name| {
                name.unwrap_or_else(|| change.target())
            })
        }
    };
    let own = change.user() == Some(actor.id);
    match change {
        Change::Role { .. } | Change::NoRole { .. } => {
            check_role(people, authority, own, change, &name, now)?;
        }
        Change::Script { .. } | Change::NoScript { .. } => {
            check_script(people, authority, own, change, &name, now)?;
        }
        Change::Chat { .. } | Change::NoChat { .. } => check_chat(people, authority, change)?,
    }
    let fallback = match change {
        Change::Role {
            user,
            until: Some(_),
            ..
        } => lasting(people, *user, now),
        Change::Role { .. }
        | Change::NoRole { .. }
        | Change::Script { .. }
        | Change::NoScript { .. }
        | Change::Chat { .. }
        | Change::NoChat { .. } => None,
    };
    let done = Done {
        change: change.clone(),
        name,
        before,
        fallback,
    };
    Ok(done)
}

/// The role that a person has for good.
fn lasting(people: &People, user: UserId, now: Millis) -> Option<Role> {
    let member = people.stored.members.get(&user)?;
    match member.until {
        Some(_) => member.fallback,
        None => member.role_at(now),
    }
}

fn check_role(
    people: &People,
    authority: Role,
    own: bool,
    change: &Change,
    name: &str,
    now: Millis,
) -> Result<(), String> {
    let (user, role) = match change {
        Change::Role { user, role, .. } => (*user, Some(*role)),
        Change::NoRole { user } => (*user, None),
        Change::Script { .. }
        | Change::NoScript { .. }
        | Change::Chat { .. }
        | Change::NoChat { .. } => return Ok(()),
    };
    if user.0 <= 0 {
        return Err(format!("{user} is not the id of a person."));
    }
    if TELEGRAMS.contains(&user.0) {
        return Err("That is an account of Telegram itself, not a person.".to_owned());
    }
    if people.fixed.users.contains_key(&user) {
        return Err(format!(
            "{name} is fixed in the configuration; change it there."
        ));
    }
    let rank = people.rank(user, now);
    if rank.is_none() && role.is_none() && !people.stored.rights.contains_key(&user) {
        return Err(format!("{name} has no role. /users shows who has one."));
    }
    if own && role.is_some_and(|role| Some(role) >= rank) {
        return Err("Nobody gives a role to himself. Ask another owner.".to_owned());
    }
    if !own && let Some(rank) = rank.filter(|rank| !may_give(authority, *rank)) {
        return Err(format!(
            "{name} is {rank}, and you are {authority} here. Only an owner changes that."
        ));
    }
    if let Some(role) = role.filter(|role| !own && !may_give(authority, *role)) {
        return Err(format!(
            "As {authority} you give roles below yours. Only an owner makes somebody {role}."
        ));
    }
    if rank.is_none() && people.stored.members.len() >= MEMBERS {
        return Err(format!(
            "{MEMBERS} persons have a role, which is the limit. Revoke some first."
        ));
    }
    if is_last_owner(people, change) {
        return Err(format!(
            "{name} is the last owner for good. Make somebody else owner first."
        ));
    }
    Ok(())
}

/// Whether nobody would own the bot for good any more.
fn is_last_owner(people: &People, change: &Change) -> bool {
    if !people.has_lasting_owner() {
        return false;
    }
    let mut after = People {
        fixed: people.fixed.clone(),
        stored: people.stored.clone(),
        moved: Default::default(),
    };
    match change {
        Change::Role {
            user, role, until, ..
        } => {
            if let Some(member) = after.stored.members.get_mut(user) {
                member.member.role = *role;
                member.until = *until;
            }
        }
        Change::NoRole { user } => {
            after.stored.members.remove(user);
        }
        Change::Script { .. }
        | Change::NoScript { .. }
        | Change::Chat { .. }
        | Change::NoChat { .. } => {}
    }
    // Giving a new owner never takes the last one away, and a new member is not in `after`.
    !after.has_lasting_owner()
}

fn check_script(
    people: &People,
    authority: Role,
    own: bool,
    change: &Change,
    name: &str,
    now: Millis,
) -> Result<(), String> {
    let (user, script, needs) = match change {
        Change::Script {
            user,
            script,
            needs,
            ..
        } => (*user, script, Some(*needs)),
        Change::NoScript { user, script } => (*user, script, None),
        Change::Role { .. }
        | Change::NoRole { .. }
        | Change::Chat { .. }
        | Change::NoChat { .. } => return Ok(()),
    };
    let rights = people.stored.rights.get(&user);
    let stored = rights.is_some_and(|all| all.iter().any(|right| right.script == *script));
    if needs.is_none() && !stored {
        return Err(match people.is_right_fixed(user, script) {
            true => format!(
                "{name}'s right to {script} is fixed in the configuration; change it there."
            ),
            false => format!("{name} has no right of their own to {script}."),
        });
    }
    let rank = people.rank(user, now);
    if own && needs.is_some() {
        return Err("Nobody gives a right to himself. Ask another owner.".to_owned());
    }
    if !own && let Some(rank) = rank.filter(|rank| !may_give(authority, *rank)) {
        return Err(format!(
            "{name} is {rank}, and you are {authority} here. Only an owner changes that."
        ));
    }
    let Some(needs) = needs else { return Ok(()) };
    if needs > authority {
        return Err(format!(
            "{script} needs the role {needs}, and you are {authority} here. Nobody gives more than he has."
        ));
    }
    match rank {
        None => Err(format!(
            "{name} has no role yet. Give one first: /grant {user} viewer"
        )),
        Some(rank) if rank >= needs && people.role(user, now) >= Some(needs) => {
            Err(format!("{name} is {rank} and may run {script} already."))
        }
        Some(_) if !stored && rights.is_some_and(|all| all.len() >= RIGHTS) => Err(format!(
            "{name} has rights to {RIGHTS} scripts, which is the limit. A higher role would be simpler."
        )),
        Some(_) => Ok(()),
    }
}

fn check_chat(people: &People, authority: Role, change: &Change) -> Result<(), String> {
    let (place, role) = match change {
        Change::Chat { place, role } => (*place, Some(*role)),
        Change::NoChat { place } => (*place, None),
        Change::Role { .. }
        | Change::NoRole { .. }
        | Change::Script { .. }
        | Change::NoScript { .. } => return Ok(()),
    };
    if place.chat.is_private() {
        return Err("That is no group. Groups have negative ids; /chats shows them.".to_owned());
    }
    let listed = people.listed_as(place.chat);
    if listed.is_some_and(|id| people.fixed.chats.contains_key(&id)) {
        return Err("This group is fixed in the configuration; change it there.".to_owned());
    }
    let own_word = |place: Place| {
        let chat = listed.unwrap_or(place.chat);
        people.stored.ceilings.get(&Place { chat, ..place })
    };
    if let Some(before) = own_word(place).filter(|own| own.role > authority) {
        return Err(format!(
            "Its most is {} and you are {authority}. Only an owner changes that.",
            before.role
        ));
    }
    match role {
        Some(role) if role > authority => Err(format!(
            "You are {authority}. Nobody gives more than he has."
        )),
        Some(_) if place.thread.is_some() && listed.is_none() => {
            Err("The group is not on my list yet. Allow it first, then its topic.".to_owned())
        }
        Some(_) if own_word(place).is_none() && people.stored.ceilings.len() >= CEILINGS => Err(
            format!("{CEILINGS} groups and topics are on my list, which is the limit."),
        ),
        None if own_word(place).is_none() => Err(match place.thread {
            Some(_) => "This topic has no word of its own; it is like its group.".to_owned(),
            None => "This group is not on my list.".to_owned(),
        }),
        Some(_) | None => Ok(()),
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
            store::people::ignore(tx, *user, false).await?;
            store::members::put(tx, &new).await
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
