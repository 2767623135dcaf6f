//! The rules by which rights are changed, as functions of who is what.
//!
//! Nobody gives more than he has, nobody touches somebody of his own rank or a higher one (owners excepted), nobody
//! raises himself, the file's persons and groups are the file's, and somebody always owns the bot.

use super::change::{By, Change, Done};
use super::people::People;
use crate::base::ids::{Place, UserId};
use crate::base::role::Role;
use crate::base::time::Millis;
use crate::store::members::Given;

/// Persons with a role in the database, at the most.
pub(super) const MEMBERS: usize = 5_000;
/// Rights to single scripts that one person may have, at the most.
const RIGHTS: usize = 100;
/// Groups and topics in the database, at the most.
const CEILINGS: usize = 1_000;
/// Telegram's own accounts, which stand for no person: its service messages, anonymous admins, channels.
const TELEGRAMS: [i64; 3] = [777_000, 1_087_968_824, 136_817_688];

/// Whether somebody of this role may give that one, to begin with: owners all, admins what is below them.
#[must_use]
pub fn may_give(authority: Role, role: Role) -> bool {
    match authority {
        Role::Owner => true,
        Role::Admin => role < Role::Admin,
        Role::Viewer | Role::Operator => false,
    }
}

/// Decides, and says what the change will be.
pub(super) fn prepare(
    people: &People,
    by: &By,
    change: &Change,
    now: Millis,
) -> Result<Done, String> {
    let authority = by.authority(people, now);
    let Some(authority) = authority.filter(|role| *role >= Role::Admin) else {
        let here = authority.map_or("nobody I know".to_owned(), |role| role.to_string());
        return Err(format!(
            "This needs the role admin or higher. You are {here} here."
        ));
    };
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
    let own = change.user().is_some() && change.user() == by.person();
    match change {
        Change::Role { .. } | Change::NoRole { .. } => {
            check_role(people, authority, own, change, &name, now)?;
        }
        Change::Script { .. } | Change::NoScript { .. } => {
            check_script(people, authority, own, change, &name, now)?;
        }
        Change::Chat { .. } | Change::NoChat { .. } => {
            check_chat(people, authority, change, now)?;
        }
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
    if is_full(people, user, now) {
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

/// Whether one more person would be too many.
pub(super) fn is_full(people: &People, user: UserId, now: Millis) -> bool {
    people.rank(user, now).is_none() && people.stored.members.len() >= MEMBERS
}

/// Whether a change of a role leaves nobody who owns the bot for good.
fn is_last_owner(people: &People, change: &Change) -> bool {
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
    !stays_owned(people, &after)
}

/// Whether a change leaves somebody who owns the bot for good, as far as anybody did: an owner for a time is none to rely on.
pub(super) fn stays_owned(before: &People, after: &People) -> bool {
    after.has_lasting_owner() || !before.has_lasting_owner()
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

/// Whether a change would undo what an owner, or the command line, has set: the place's own word, for a topic without one
/// its group's if that is lower, and for a group that goes the words of its topics too.
fn is_owners_word(people: &People, place: Place, role: Option<Role>, now: Millis) -> bool {
    let chat = people.listed_as(place.chat).unwrap_or(place.chat);
    let by_owner =
        |given: &Given| given.by == UserId(0) || people.role(given.by, now) == Some(Role::Owner);
    let stored = &people.stored.ceilings;
    let whole = stored.get(&Place { chat, thread: None });
    let counts = match (stored.get(&Place { chat, ..place }), role) {
        (Some(own), _) => Some(own),
        (None, Some(role)) => whole.filter(|group| group.role < role),
        (None, None) => None,
    };
    let goes = place.thread.is_none() && role.is_none();
    let topics = stored.values().filter(|c| goes && c.place.chat == chat);
    counts.into_iter().chain(topics).any(|c| by_owner(&c.given))
}

fn check_chat(
    people: &People,
    authority: Role,
    change: &Change,
    now: Millis,
) -> Result<(), String> {
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
    if authority < Role::Owner && is_owners_word(people, place, role, now) {
        return Err("An owner set what counts here. Only an owner changes that.".to_owned());
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
