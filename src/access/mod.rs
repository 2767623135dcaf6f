//! Who may do what. Deny by default; every decision is written down.
//!
//! A decision hands out a [`Grant`], and what changes something takes the grant as an argument: nothing can be
//! done that was not decided. The grant carries its line of the audit trail into the transaction of the deed.
//! Decisions read memory alone; changes of rights are decided in their transaction and adopted with its commit.

mod automatic;
mod change;
mod claim;
mod clock;
mod deed;
mod directory;
mod invites;
mod news;
mod people;
mod rules;
mod seen;
mod strangers;

pub use change::{By, Change, Done};
pub use deed::Deed;
pub use directory::{Ending, Group, Lent, Origin, OwnRight, Person, Wanted};
pub use invites::{INVITE_PREFIX, Invited};
pub use news::{Herald, News};
pub use people::{Listed, ListedChat, Standing};
pub use rules::may_give;

use crate::base::error::{Error, Result};
use crate::base::ids::{ChatId, Place, UserId};
use crate::base::role::Role;
use crate::base::time::Millis;
use crate::store::{self, Store, Tx, audit, members::Member};
use people::{People, Stored};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use strangers::Strangers;

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

impl Actor {
    /// Whether it is the bot itself, by its configuration, or the command line: no person of Telegram.
    #[must_use]
    pub fn is_bot(&self) -> bool {
        self.id == UserId(0)
    }

    /// Somebody without a Telegram account: whoever uses the command line, or the bot itself.
    fn on_server(name: &str) -> Self {
        Self {
            id: UserId(0),
            name: name.to_owned(),
            place: Place {
                chat: ChatId(0),
                thread: None,
            },
            request_id: ulid::Ulid::generate().to_string(),
        }
    }
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

/// The proof that something was allowed. Only [`Access`] makes one.
#[derive(Clone, Debug)]
pub struct Grant {
    actor: Actor,
    role: Role,
    entry: Arc<audit::Entry>,
    written: Arc<AtomicBool>,
    /// Why nothing was done by it after all.
    refused: Arc<OnceLock<String>>,
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
        if self.written.swap(true, Ordering::SeqCst) {
            return Ok(());
        }
        let mut entry = (*self.entry).clone();
        if let Some(why) = self.refused.get() {
            entry.refuse(&storable(why));
        }
        audit::add(tx, &entry).await
    }

    /// Notes that what was allowed was refused for another reason, such as a wrong value: unless its line is written, the
    /// audit trail says so.
    pub fn refuse(&self, why: &str) {
        // The first reason is the one that counted.
        let _ = self.refused.set(why.to_owned());
    }

    /// The same without a line of the audit trail: for what goes on and on, and has its line already.
    #[must_use]
    pub fn without_line(self) -> Self {
        self.written.store(true, Ordering::SeqCst);
        self
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

/// Who may do what. Cheap to clone.
#[derive(Clone)]
pub struct Access {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    herald: Arc<dyn Herald>,
    people: Mutex<People>,
    claim: Mutex<Option<String>>,
    strangers: Mutex<Strangers>,
    seen: Mutex<seen::Unwritten>,
}

impl Access {
    /// Reads the members of the database beside the listed ones. News goes to the herald.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn open(
        store: Store,
        listed: Listed,
        herald: Arc<dyn Herald>,
    ) -> store::Result<Self> {
        let (stored, moves) = {
            let mut db = store.read().await?;
            (
                Stored::read(&mut db).await?,
                store::chats::moves(&mut db).await?,
            )
        };
        let people = People {
            fixed: listed.into(),
            stored,
            moved: moves.into_iter().map(|(from, to)| (to, from)).collect(),
        };
        Ok(Self {
            inner: Arc::new(Inner {
                store,
                herald,
                people: Mutex::new(people),
                claim: Mutex::default(),
                strangers: Mutex::default(),
                seen: Mutex::default(),
            }),
        })
    }

    /// Reads anew what the database says of persons and groups, if another process changed it. `true` when it did.
    ///
    /// # Errors
    /// When the database refuses; what was known before goes on to count.
    pub async fn refresh(&self) -> store::Result<bool> {
        let known = locked(&self.inner.people).stored.version;
        let stored = {
            let mut db = self.inner.store.read().await?;
            if store::members::version(&mut db).await? == known {
                return Ok(false);
            }
            Stored::read(&mut db).await?
        };
        self.adopt(stored);
        // Whoever changed it may have left messages, for owners and for those concerned, that no lane knows of.
        let waiting = {
            let mut db = self.inner.store.read().await?;
            store::outbox::chats_waiting(&mut db).await?
        };
        for chat in waiting {
            self.inner.herald.kick(chat);
        }
        Ok(true)
    }

    /// Takes over what the configuration says now.
    pub fn relist(&self, listed: Listed) {
        let mut people = locked(&self.inner.people);
        people.fixed = listed.into();
        if !people.is_empty() {
            *locked(&self.inner.claim) = None;
        }
    }

    /// Whether somebody goes on to own the bot for good under this word of the configuration, if anybody does now.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn stays_owned(&self, listed: Listed) -> store::Result<bool> {
        let stored = {
            let mut db = self.inner.store.read().await?;
            Stored::read(&mut db).await?
        };
        let fixed = locked(&self.inner.people).fixed.clone();
        let of = |fixed| People {
            fixed,
            stored: stored.clone(),
            moved: Default::default(),
        };
        Ok(rules::stays_owned(&of(fixed), &of(listed.into())))
    }

    /// Takes over what was read, unless something newer is known.
    fn adopt(&self, stored: Stored) {
        let mut people = locked(&self.inner.people);
        if stored.version >= people.stored.version {
            people.stored = stored;
        }
        if !people.is_empty() {
            *locked(&self.inner.claim) = None;
        }
    }

    /// Sends what was promised to these persons.
    fn kick(&self, told: &[UserId]) {
        for user in told {
            self.inner.herald.kick(ChatId(user.0));
        }
    }

    /// The name that the configuration or the database has for a person with a role.
    #[must_use]
    pub fn name_of(&self, user: UserId) -> Option<String> {
        let people = locked(&self.inner.people);
        people.role(user, Millis::now())?;
        people.name(user).map(str::to_owned)
    }

    /// The persons who have a role at this moment, with it, by id.
    #[must_use]
    pub fn persons(&self) -> Vec<Member> {
        let (people, now) = (locked(&self.inner.people), Millis::now());
        let mut all: Vec<_> = people
            .everybody()
            .into_iter()
            .filter_map(|id| {
                let role = people.role(id, now)?;
                let name = people.name(id)?.to_owned();
                Some(Member { id, name, role })
            })
            .collect();
        all.sort_by_key(|member| member.id);
        all
    }

    /// The groups on the list with their ceilings, by id.
    #[must_use]
    pub fn chats(&self) -> Vec<(ChatId, Role)> {
        let people = locked(&self.inner.people);
        let stored = people.stored.ceilings.values();
        let whole = stored.filter(|ceiling| ceiling.place.thread.is_none());
        let mut all: Vec<_> = whole.map(|c| (c.place.chat, c.role)).collect();
        all.retain(|(chat, _)| !people.fixed.chats.contains_key(chat));
        all.extend(people.fixed.chats.values().map(|chat| (chat.id, chat.role)));
        all.sort();
        all
    }

    /// Whether the group is on the list.
    #[must_use]
    pub fn is_listed(&self, chat: ChatId) -> bool {
        locked(&self.inner.people).listed_as(chat).is_some()
    }

    /// What the person is there, at this moment.
    #[must_use]
    pub fn standing(&self, user: UserId, place: Place) -> Standing {
        self.standing_at(user, place, Millis::now())
    }

    /// What the person is there at another moment.
    #[must_use]
    pub fn standing_at(&self, user: UserId, place: Place, now: Millis) -> Standing {
        locked(&self.inner.people).standing(user, place, now)
    }

    /// The person's own role at this moment, wherever they are.
    #[must_use]
    pub fn own_role(&self, user: UserId) -> Option<Role> {
        locked(&self.inner.people).role(user, Millis::now())
    }

    /// Whether the person may run the script there: by their role, or by a right of their own to that script. Neither
    /// gets past the group's ceiling.
    #[must_use]
    pub fn may_run(&self, user: UserId, place: Place, script: &str, need: Role) -> bool {
        self.may_run_at(user, place, script, need, Millis::now())
    }

    /// The same at another moment.
    #[must_use]
    pub fn may_run_at(
        &self,
        user: UserId,
        place: Place,
        script: &str,
        need: Role,
        now: Millis,
    ) -> bool {
        let people = locked(&self.inner.people);
        match people.standing(user, place, now) {
            Standing::Known(role) if role >= need => true,
            Standing::Known(_) => {
                let open = place.chat.is_private()
                    || people.ceiling(place).is_some_and(|most| most >= need);
                open && people.has_right(user, script, now)
            }
            Standing::Unknown | Standing::UnlistedChat => false,
        }
    }

    /// Decides. An allowed request yields a grant; a refused one is audited at once and its words say who may.
    ///
    /// # Errors
    /// The refusal, or a failure of the database (then nothing is allowed).
    pub async fn allow(&self, actor: &Actor, asked: Asked) -> Result<Grant> {
        self.decide(actor, asked, None).await
    }

    /// Decides about a script: who has a right of their own to it may what else the role would have to allow.
    ///
    /// # Errors
    /// The refusal, or a failure of the database (then nothing is allowed).
    pub async fn allow_script(&self, actor: &Actor, asked: Asked, script: &str) -> Result<Grant> {
        self.decide(actor, asked, Some(script)).await
    }

    async fn decide(&self, actor: &Actor, asked: Asked, script: Option<&str>) -> Result<Grant> {
        let by_right =
            || script.is_some_and(|name| self.may_run(actor.id, actor.place, name, asked.need));
        let refusal = match self.standing(actor.id, actor.place) {
            Standing::Known(role) if role >= asked.need || by_right() => {
                return Ok(Grant {
                    actor: actor.clone(),
                    role,
                    entry: Arc::new(entry(actor, &asked, "allowed", None)),
                    written: Arc::default(),
                    refused: Arc::default(),
                });
            }
            Standing::Known(role) => self.too_low(actor, asked.need, role),
            Standing::UnlistedChat => format!(
                "This group is not on my list, so I do nothing here. An owner or admin can allow it: \
                 /chats allow viewer here, or in the configuration under access.chats with the id {}.",
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
        if self.own_role(actor.id).is_some_and(|own| own >= need) {
            format!(
                "{needed}, and in this group nobody is more than {here}. \
                 Send it to me in our private chat."
            )
        } else {
            format!("{needed}. You are {here} here.")
        }
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

/// By which way something came in, as the audit trail says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Channel {
    Telegram,
    CommandLine,
    Clock,
}

impl Channel {
    fn as_str(self) -> &'static str {
        match self {
            Channel::Telegram => "telegram",
            Channel::CommandLine => "cli",
            Channel::Clock => "clock",
        }
    }
}

/// A text that every database takes: PostgreSQL knows no NUL.
fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

fn entry(actor: &Actor, asked: &Asked, result: &str, reason: Option<&str>) -> audit::Entry {
    let what = (asked.action, asked.target.clone(), asked.arguments.clone());
    audit::Entry {
        result: result.to_owned(),
        reason: reason.map(str::to_owned),
        ..entry_of(Channel::Telegram, actor, what)
    }
}

/// A line that says that something was done: its action, target and arguments.
fn entry_of(
    channel: Channel,
    actor: &Actor,
    (action, target, arguments): (&str, String, String),
) -> audit::Entry {
    audit::Entry {
        at: Millis::now(),
        actor: actor.id,
        actor_name: storable(&actor.name),
        chat: actor.place.chat,
        channel: channel.as_str().to_owned(),
        action: action.to_owned(),
        target: storable(&target),
        arguments: storable(&arguments),
        result: "done".to_owned(),
        reason: None,
        request_id: actor.request_id.clone(),
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
