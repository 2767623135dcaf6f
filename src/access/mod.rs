//! Who may do what. Deny by default; every decision is written down.
//!
//! A decision hands out a [`Grant`], and what changes something takes the grant as an argument: nothing can be
//! done that was not decided. The grant carries its line of the audit trail into the transaction of the deed.

use crate::base::error::{Error, Result};
use crate::base::ids::{ChatId, Place, UserId};
use crate::base::role::Role;
use crate::base::time::Millis;
use crate::store::{self, Store, Tx, audit, members::Member};
use rand::RngExt;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// An unknown person is told so at most this often; the rest is silence.
const TURN_AWAY_EVERY: Duration = Duration::from_secs(3600);
/// Unknown persons remembered for that; the oldest are forgotten first.
const TURNED_AWAY: usize = 5000;
/// Letters of a claim code: none that a person could mistake for another.
const CODE_LETTERS: &[u8] = b"ABCDEFGHJKMNPQRSTUVWXYZ23456789";
/// Groups of four letters in a claim code; 31^16 codes are about 79 bits.
const CODE_GROUPS: usize = 4;

/// The person who asks, and where.
#[derive(Clone, Debug)]
pub struct Actor {
    /// Who.
    pub id: UserId,
    /// Their name as Telegram or the configuration gives it.
    pub name: String,
    /// Where they asked; the answer goes there.
    pub place: Place,
    /// The request, as in the logs.
    pub request_id: String,
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

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The action in the audit trail, such as `script.run`.
    pub action: &'static str,
    /// What it is about, such as a script's name.
    pub target: String,
    /// Its arguments, masked.
    pub arguments: String,
    /// The lowest role that may.
    pub need: Role,
}

impl Asked {
    /// A request without arguments.
    pub fn new(action: &'static str, target: impl Into<String>, need: Role) -> Self {
        Self {
            action,
            target: target.into(),
            arguments: String::new(),
            need,
        }
    }
}

/// The proof that something was allowed. Only [`Access::allow`] makes one.
#[derive(Clone, Debug)]
pub struct Grant {
    actor: Actor,
    role: Role,
    entry: Arc<audit::Entry>,
    written: Arc<AtomicBool>,
}

impl Grant {
    /// Who was allowed.
    #[must_use]
    pub fn actor(&self) -> &Actor {
        &self.actor
    }

    /// The role it was allowed by.
    #[must_use]
    pub fn role(&self) -> Role {
        self.role
    }

    /// Writes the decision's line of the audit trail, unless it is there; call [`Grant::settle`] after the commit.
    ///
    /// # Errors
    /// When the database refuses; what was allowed must not happen then.
    pub async fn record(&self, tx: &mut Tx) -> store::Result<()> {
        if !self.written.swap(true, Ordering::SeqCst) {
            audit::add(tx, &self.entry).await?;
        }
        Ok(())
    }

    /// Whether its line of the audit trail is written.
    #[must_use]
    pub fn is_recorded(&self) -> bool {
        self.written.load(Ordering::SeqCst)
    }

    /// Notes whether the transaction that [`Grant::record`] wrote into was committed.
    pub fn settle<T, E>(&self, committed: &std::result::Result<T, E>) {
        if committed.is_err() {
            self.written.store(false, Ordering::SeqCst);
        }
    }
}

/// The persons and groups of the configuration.
#[derive(Clone, Debug, Default)]
pub struct Listed {
    /// Persons with their roles.
    pub users: Vec<Member>,
    /// Groups with the most that anyone may do in them.
    pub chats: Vec<(ChatId, Role)>,
}

/// Who may do what. Cheap to clone.
#[derive(Clone)]
pub struct Access {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    people: Mutex<People>,
    claim: Mutex<Option<String>>,
    turned_away: Mutex<HashMap<UserId, Millis>>,
}

struct People {
    listed: HashMap<UserId, Member>,
    members: HashMap<UserId, Member>,
    chats: HashMap<ChatId, Role>,
    moved: HashMap<ChatId, ChatId>,
}

impl Access {
    /// Reads the members of the database beside the listed ones.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn open(store: Store, listed: Listed) -> store::Result<Self> {
        let (members, moves) = {
            let mut db = store.read().await?;
            (
                store::members::all(&mut db).await?,
                store::chats::moves(&mut db).await?,
            )
        };
        let by_id = |all: Vec<Member>| all.into_iter().map(|m| (m.id, m)).collect();
        let people = People {
            listed: by_id(listed.users),
            members: by_id(members),
            chats: listed.chats.into_iter().collect(),
            moved: moves.into_iter().map(|(from, to)| (to, from)).collect(),
        };
        Ok(Self {
            inner: Arc::new(Inner {
                store,
                people: Mutex::new(people),
                claim: Mutex::default(),
                turned_away: Mutex::default(),
            }),
        })
    }

    /// Reads the members again: another instance may have changed them while this one did not decide.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn reread(&self) -> store::Result<()> {
        let (members, moves) = {
            let mut db = self.inner.store.read().await?;
            (
                store::members::all(&mut db).await?,
                store::chats::moves(&mut db).await?,
            )
        };
        let mut people = locked(&self.inner.people);
        people.members = members.into_iter().map(|m| (m.id, m)).collect();
        people.moved = moves.into_iter().map(|(from, to)| (to, from)).collect();
        Ok(())
    }

    /// Takes other persons and groups of the configuration, at once; whoever it lists, a claim code is void.
    pub fn relist(&self, listed: Listed) {
        let mut people = locked(&self.inner.people);
        if !listed.users.is_empty() {
            *locked(&self.inner.claim) = None;
        }
        people.listed = listed.users.into_iter().map(|m| (m.id, m)).collect();
        people.chats = listed.chats.into_iter().collect();
    }

    /// Makes a new claim code if nobody at all is configured, and returns it for the log.
    #[must_use]
    pub fn open_claim(&self) -> Option<String> {
        let people = locked(&self.inner.people);
        if !people.listed.is_empty() || !people.members.is_empty() {
            return None;
        }
        let code = new_code();
        *locked(&self.inner.claim) = Some(code.clone());
        Some(code)
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
        let mut tx = self.inner.store.begin().await?;
        let made = store::members::claim(&mut tx, actor.id, &storable(&actor.name), now).await?;
        if !made {
            return Ok(false);
        }
        let asked = Asked::new("owner.claim", actor.id.to_string(), Role::Owner);
        audit::add(&mut tx, &entry(actor, &asked, "done", None)).await?;
        self.inner.store.commit(tx).await?;
        let member = Member {
            id: actor.id,
            name: actor.name.clone(),
            role: Role::Owner,
        };
        locked(&self.inner.people).members.insert(actor.id, member);
        Ok(true)
    }

    /// The name that the configuration or the database has for a person.
    #[must_use]
    pub fn name_of(&self, user: UserId) -> Option<String> {
        let people = locked(&self.inner.people);
        people.find(user).map(|member| member.name.clone())
    }

    /// The known persons with their own roles, by id.
    #[must_use]
    pub fn persons(&self) -> Vec<Member> {
        let people = locked(&self.inner.people);
        let mut all: Vec<_> = people.listed.values().cloned().collect();
        all.extend(
            people
                .members
                .values()
                .filter(|m| !people.listed.contains_key(&m.id))
                .cloned(),
        );
        all.sort_by_key(|member| member.id);
        all
    }

    /// The listed groups with their ceilings.
    #[must_use]
    pub fn chats(&self) -> Vec<(ChatId, Role)> {
        let people = locked(&self.inner.people);
        people.chats.iter().map(|(id, role)| (*id, *role)).collect()
    }

    /// Whether the group is on the list.
    #[must_use]
    pub fn is_listed(&self, chat: ChatId) -> bool {
        locked(&self.inner.people).ceiling(chat).is_some()
    }

    /// What the person is in the chat, at this moment.
    #[must_use]
    pub fn standing(&self, user: UserId, chat: ChatId) -> Standing {
        let people = locked(&self.inner.people);
        let Some(member) = people.find(user) else {
            return Standing::Unknown;
        };
        if chat.is_private() {
            return Standing::Known(member.role);
        }
        match people.ceiling(chat) {
            Some(ceiling) => Standing::Known(member.role.min(ceiling)),
            None => Standing::UnlistedChat,
        }
    }

    /// Decides. An allowed request yields a grant; a refused one is audited at once and its words say who may.
    ///
    /// # Errors
    /// The refusal, or a failure of the database (then nothing is allowed).
    pub async fn allow(&self, actor: &Actor, asked: Asked) -> Result<Grant> {
        let refusal = match self.standing(actor.id, actor.place.chat) {
            Standing::Known(role) if role >= asked.need => {
                return Ok(Grant {
                    actor: actor.clone(),
                    role,
                    entry: Arc::new(entry(actor, &asked, "allowed", None)),
                    written: Arc::default(),
                });
            }
            Standing::Known(role) => self.too_low(actor, asked.need, role),
            Standing::UnlistedChat => format!(
                "This group is not on my list, so I do nothing here. \
                 The owner can add it to the configuration under access.chats with the id {}.",
                actor.place.chat
            ),
            Standing::Unknown => "I do not know you.".to_owned(),
        };
        self.write(&entry(actor, &asked, "refused", Some(&refusal)))
            .await?;
        Err(Error::refused(refusal))
    }

    /// Says which role is needed, and whether it is the person's or the group's that is too low.
    fn too_low(&self, actor: &Actor, need: Role, here: Role) -> String {
        let needed = match need {
            Role::Owner => "This needs the role owner".to_owned(),
            lower => format!("This needs the role {lower} or higher"),
        };
        let people = locked(&self.inner.people);
        if people.find(actor.id).is_some_and(|own| own.role >= need) {
            format!(
                "{needed}, and in this group nobody is more than {here}. \
                 Send it to me in our private chat."
            )
        } else {
            format!("{needed}. You are {here} here.")
        }
    }

    /// Whether nobody owns the bot yet, so that a claim code is waited for.
    #[must_use]
    pub fn is_unclaimed(&self) -> bool {
        locked(&self.inner.claim).is_some()
    }

    /// Turns an unknown person away: audited each time, told at most once an hour. `true` when they are to be told.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn turn_away(&self, actor: &Actor, what: &str) -> Result<bool> {
        let asked = Asked {
            action: "knock",
            target: actor.id.to_string(),
            arguments: what.to_owned(),
            need: Role::Viewer,
        };
        self.write(&entry(actor, &asked, "refused", Some("unknown person")))
            .await?;
        let now = Millis::now();
        let mut told = locked(&self.inner.turned_away);
        if told.len() >= TURNED_AWAY {
            let limit = now.minus(TURN_AWAY_EVERY);
            told.retain(|_, at| *at > limit);
            if told.len() >= TURNED_AWAY {
                told.clear();
            }
        }
        let due = told
            .get(&actor.id)
            .is_none_or(|at| now.since(*at) >= TURN_AWAY_EVERY);
        if due {
            told.insert(actor.id, now);
        }
        Ok(due)
    }

    /// Audits something refused for another reason than a role, such as a message by an anonymous admin.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn note_refusal(&self, actor: &Actor, asked: &Asked, why: &str) -> Result<()> {
        self.write(&entry(actor, asked, "refused", Some(why))).await
    }

    /// Notes that a group has a new id: its ceiling moves with it.
    pub fn chat_moved(&self, from: ChatId, to: ChatId) {
        locked(&self.inner.people).moved.insert(to, from);
    }

    async fn write(&self, entry: &audit::Entry) -> Result<()> {
        let mut tx = self.inner.store.begin().await?;
        audit::add(&mut tx, entry).await?;
        self.inner.store.commit(tx).await?;
        Ok(())
    }
}

impl People {
    /// The file's word about a person counts before the database's.
    fn find(&self, user: UserId) -> Option<&Member> {
        self.listed.get(&user).or_else(|| self.members.get(&user))
    }

    fn ceiling(&self, chat: ChatId) -> Option<Role> {
        let mut id = chat;
        for _ in 0..4 {
            if let Some(role) = self.chats.get(&id) {
                return Some(*role);
            }
            id = *self.moved.get(&id)?;
        }
        None
    }
}

/// A text that every database takes: PostgreSQL knows no NUL.
fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

fn entry(actor: &Actor, asked: &Asked, result: &str, reason: Option<&str>) -> audit::Entry {
    audit::Entry {
        at: Millis::now(),
        actor: actor.id,
        actor_name: storable(&actor.name),
        chat: actor.place.chat,
        channel: "telegram".to_owned(),
        action: asked.action.to_owned(),
        target: storable(&asked.target),
        arguments: storable(&asked.arguments),
        result: result.to_owned(),
        reason: reason.map(str::to_owned),
        request_id: actor.request_id.clone(),
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

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
