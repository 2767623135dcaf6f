//! Who is what, in memory: the file's word beside the database's. Decisions read this and nothing else.

use crate::base::ids::{ChatId, Place, ThreadId, UserId};
use crate::base::role::Role;
use crate::base::time::Millis;
use crate::config::Config;
use crate::store::ceilings::Ceiling;
use crate::store::members::{Member, Membership, Right};
use crate::store::{self, Connection};
use std::collections::{HashMap, HashSet};

/// A group may have moved so often; the bound guards against a cycle.
const MOVES: usize = 4;

/// A group of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedChat {
    /// Which.
    pub id: ChatId,
    /// What it is called.
    pub name: String,
    /// The most that anyone may do there.
    pub role: Role,
    /// Topics that differ from it.
    pub topics: Vec<(ThreadId, Role)>,
}

/// The persons and groups of the configuration.
#[derive(Clone, Debug, Default)]
pub struct Listed {
    /// Persons with their roles.
    pub users: Vec<Member>,
    /// Groups with the most that anyone may do in them.
    pub chats: Vec<ListedChat>,
    /// Persons who may run a script whatever their role, by its name.
    pub allow: Vec<(String, UserId)>,
}

impl From<&Config> for Listed {
    fn from(config: &Config) -> Self {
        let users = config.access.users.iter().map(|user| Member {
            id: user.id,
            name: user.name.clone(),
            role: user.role,
        });
        let chats = config.access.chats.iter().map(|chat| ListedChat {
            id: chat.id,
            name: chat.name.clone(),
            role: chat.role,
            topics: chat.topics.clone(),
        });
        let allow = config.scripts.values().flat_map(|script| {
            let name = script.name.to_string();
            script.allow.iter().map(move |user| (name.clone(), *user))
        });
        Self {
            users: users.collect(),
            chats: chats.collect(),
            allow: allow.collect(),
        }
    }
}

/// What somebody is in a chat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nobody we know.
    Unknown,
    /// Known, but in a group that is not on the list.
    UnlistedChat,
    /// Known here: the lower of the person's and the group's role.
    Known(Role),
}

/// The word of the configuration.
#[derive(Clone, Default)]
pub(super) struct Fixed {
    pub users: HashMap<UserId, Member>,
    pub chats: HashMap<ChatId, ListedChat>,
    allow: HashMap<UserId, HashSet<String>>,
}

impl From<Listed> for Fixed {
    fn from(listed: Listed) -> Self {
        let mut allow: HashMap<UserId, HashSet<String>> = HashMap::new();
        for (script, user) in listed.allow {
            allow.entry(user).or_default().insert(script);
        }
        Self {
            users: listed.users.into_iter().map(|m| (m.id, m)).collect(),
            chats: listed.chats.into_iter().map(|c| (c.id, c)).collect(),
            allow,
        }
    }
}

/// The word of the database, as of one version.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Stored {
    pub version: i64,
    pub members: HashMap<UserId, Membership>,
    pub rights: HashMap<UserId, Vec<Right>>,
    pub ceilings: HashMap<Place, Ceiling>,
}

impl Stored {
    /// Reads all of it. The version comes first, so that what is read is at least that new.
    pub async fn read(db: &mut Connection) -> store::Result<Self> {
        let version = store::members::version(db).await?;
        let mut rights: HashMap<UserId, Vec<Right>> = HashMap::new();
        let members = store::members::all(db).await?;
        for right in store::members::rights(db).await? {
            rights.entry(right.user).or_default().push(right);
        }
        let ceilings = store::ceilings::all(db).await?;
        Ok(Self {
            version,
            members: members.into_iter().map(|m| (m.member.id, m)).collect(),
            rights,
            ceilings: ceilings.into_iter().map(|c| (c.place, c)).collect(),
        })
    }

    /// The next moment at which a role or right ends.
    pub fn next_end(&self, now: Millis) -> Option<Millis> {
        let roles = self.members.values().filter_map(|member| member.until);
        let rights = self
            .rights
            .values()
            .flatten()
            .filter_map(|right| right.until);
        roles.chain(rights).filter(|end| *end > now).min()
    }
}

/// Everybody and every group.
#[derive(Default)]
pub(super) struct People {
    pub fixed: Fixed,
    pub stored: Stored,
    /// Groups that moved, new id first.
    pub moved: HashMap<ChatId, ChatId>,
}

impl People {
    /// The person's own role. The file's word about a person counts before the database's.
    pub fn role(&self, user: UserId, now: Millis) -> Option<Role> {
        match self.fixed.users.get(&user) {
            Some(member) => Some(member.role),
            None => self.stored.members.get(&user)?.role_at(now),
        }
    }

    /// The highest role that the person has or falls back to; what outranks them must outrank this.
    pub fn rank(&self, user: UserId, now: Millis) -> Option<Role> {
        let own = self.role(user, now)?;
        let later = self.stored.members.get(&user).and_then(|m| m.fallback);
        match self.fixed.users.contains_key(&user) {
            true => Some(own),
            false => Some(later.map_or(own, |later| own.max(later))),
        }
    }

    /// The name of somebody who has a role.
    pub fn name(&self, user: UserId) -> Option<&str> {
        let fixed = self.fixed.users.get(&user).map(|member| &member.name);
        let stored = || self.stored.members.get(&user).map(|m| &m.member.name);
        fixed.or_else(stored).map(String::as_str)
    }

    /// The most that anyone may do there; `None` for a group that is not on the list. The topic's word counts before the
    /// group's, and a group of the file is the file's alone.
    pub fn ceiling(&self, place: Place) -> Option<Role> {
        let mut chat = place.chat;
        for _ in 0..MOVES {
            if let Some(listed) = self.fixed.chats.get(&chat) {
                let topic = listed
                    .topics
                    .iter()
                    .find(|(id, _)| Some(*id) == place.thread);
                return Some(topic.map_or(listed.role, |(_, role)| *role));
            }
            let here = Place { chat, ..place };
            let whole = Place { chat, thread: None };
            let stored = &self.stored.ceilings;
            if let Some(group) = stored.get(&whole) {
                return Some(stored.get(&here).unwrap_or(group).role);
            }
            chat = *self.moved.get(&chat)?;
        }
        None
    }

    /// The id under which a group is on the list: its own, or one that it had before it moved.
    pub fn listed_as(&self, chat: ChatId) -> Option<ChatId> {
        let mut id = chat;
        for _ in 0..MOVES {
            let whole = Place {
                chat: id,
                thread: None,
            };
            if self.fixed.chats.contains_key(&id) || self.stored.ceilings.contains_key(&whole) {
                return Some(id);
            }
            id = *self.moved.get(&id)?;
        }
        None
    }

    /// What the person is there, at that moment.
    pub fn standing(&self, user: UserId, place: Place, now: Millis) -> Standing {
        let Some(role) = self.role(user, now) else {
            return Standing::Unknown;
        };
        if place.chat.is_private() {
            return Standing::Known(role);
        }
        match self.ceiling(place) {
            Some(ceiling) => Standing::Known(role.min(ceiling)),
            None => Standing::UnlistedChat,
        }
    }

    /// Whether the person has a right of their own to the script. It counts only for somebody who has a role.
    pub fn has_right(&self, user: UserId, script: &str, now: Millis) -> bool {
        let fixed = || {
            let allowed = self.fixed.allow.get(&user);
            allowed.is_some_and(|scripts| scripts.contains(script))
        };
        let lasts = |right: &Right| right.until.is_none_or(|until| until > now);
        let stored = || {
            let rights = self.stored.rights.get(&user);
            rights.is_some_and(|all| all.iter().any(|r| r.script == script && lasts(r)))
        };
        self.role(user, now).is_some() && (fixed() || stored())
    }

    /// Whether the file gives the person a right to the script.
    pub fn is_right_fixed(&self, user: UserId, script: &str) -> bool {
        let allowed = self.fixed.allow.get(&user);
        allowed.is_some_and(|scripts| scripts.contains(script))
    }

    /// The person's rights by the file.
    pub fn fixed_rights(&self, user: UserId) -> Vec<String> {
        let mut all: Vec<_> = self
            .fixed
            .allow
            .get(&user)
            .into_iter()
            .flatten()
            .cloned()
            .collect();
        all.sort();
        all
    }

    /// Those who own the bot at that moment.
    pub fn owners(&self, now: Millis) -> Vec<UserId> {
        let mut all: Vec<_> = self
            .everybody()
            .into_iter()
            .filter(|user| self.role(*user, now) == Some(Role::Owner))
            .collect();
        all.sort();
        all
    }

    /// Whether somebody owns the bot for good.
    pub fn has_lasting_owner(&self) -> bool {
        let fixed = self.fixed.users.values().any(|m| m.role == Role::Owner);
        let lasts = |m: &&Membership| m.until.is_none() && m.member.role == Role::Owner;
        let fixes = |m: &&Membership| !self.fixed.users.contains_key(&m.member.id);
        fixed
            || self
                .stored
                .members
                .values()
                .filter(fixes)
                .any(|m| lasts(&m))
    }

    /// The ids that the file or the database has a role for.
    pub fn everybody(&self) -> HashSet<UserId> {
        let fixed = self.fixed.users.keys();
        fixed.chain(self.stored.members.keys()).copied().collect()
    }

    /// Whether nobody at all is configured.
    pub fn is_empty(&self) -> bool {
        self.fixed.users.is_empty() && self.stored.members.is_empty()
    }
}
