//! The world the server keeps: people, chats, messages, pending updates, and what happened.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::faults::Faults;
use super::files::Files;
use super::model::{Answer, Call, Event, MenuEntry, Message, What};
use super::rates::{Meter, Rates};
use super::record::Records;
use super::refusal::Refusal;

/// The identifier Telegram uses for anonymous administrators.
pub(super) const ANONYMOUS_ADMIN: i64 = 1_087_968_824;

/// Kinds of updates a bot gets only when it asks for them.
const ON_REQUEST: [&str; 3] = ["chat_member", "message_reaction", "message_reaction_count"];

/// A person or a bot.
#[derive(Clone, Debug)]
pub(super) struct Person {
    pub(super) id: i64,
    pub(super) first_name: String,
    pub(super) username: Option<String>,
    pub(super) is_bot: bool,
    pub(super) deactivated: bool,
}

/// The kinds of chats.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum ChatKind {
    Private,
    Group,
    Supergroup,
    Channel,
}

impl ChatKind {
    pub(super) fn name(self) -> &'static str {
        match self {
            ChatKind::Private => "private",
            ChatKind::Group => "group",
            ChatKind::Supergroup => "supergroup",
            ChatKind::Channel => "channel",
        }
    }
}

/// How someone stands in a chat.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Standing {
    /// Made the chat.
    Creator,
    /// Manages it.
    Administrator,
    /// Is in it.
    Member,
    /// Was in it.
    Left,
    /// Was thrown out, or, in a private chat, blocked the bot.
    Kicked,
}

impl Standing {
    pub(super) fn name(self) -> &'static str {
        match self {
            Standing::Creator => "creator",
            Standing::Administrator => "administrator",
            Standing::Member => "member",
            Standing::Left => "left",
            Standing::Kicked => "kicked",
        }
    }
}

/// A chat and everything in it.
#[derive(Debug)]
pub(super) struct Chat {
    pub(super) id: i64,
    pub(super) kind: ChatKind,
    pub(super) title: String,
    pub(super) forum: bool,
    pub(super) topics: BTreeMap<i32, String>,
    pub(super) closed_topics: BTreeSet<i32>,
    pub(super) members: BTreeMap<i64, Standing>,
    pub(super) bot: Standing,
    pub(super) migrated_to: Option<i64>,
    pub(super) messages: BTreeMap<i32, Message>,
    pub(super) last_id: i32,
}

impl Chat {
    pub(super) fn new(id: i64, kind: ChatKind, title: &str) -> Chat {
        Chat {
            id,
            kind,
            title: title.to_owned(),
            forum: false,
            topics: BTreeMap::new(),
            closed_topics: BTreeSet::new(),
            members: BTreeMap::new(),
            bot: Standing::Member,
            migrated_to: None,
            messages: BTreeMap::new(),
            last_id: 0,
        }
    }

    /// A new message identifier.
    pub(super) fn next_id(&mut self) -> i32 {
        self.last_id += 1;
        self.last_id
    }
}

/// A button press that waits for its answer.
#[derive(Debug)]
pub(super) struct Press {
    pub(super) answered: bool,
}

/// An update that was not confirmed.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) id: i64,
    pub(super) body: Value,
    /// Delivered once more on purpose: stays until it was given, whatever is confirmed.
    pub(super) again: bool,
}

/// Everything.
pub(super) struct State {
    pub(super) bot: Person,
    pub(super) privacy: bool,
    pub(super) people: HashMap<i64, Person>,
    pub(super) chats: BTreeMap<i64, Chat>,
    pub(super) pending: VecDeque<Pending>,
    /// Updates that were confirmed, for delivering them again.
    pub(super) confirmed: VecDeque<Pending>,
    pub(super) next_update: i64,
    /// Counts every time an update is queued.
    pub(super) queued: u64,
    pub(super) allowed: Option<Vec<String>>,
    pub(super) poll: u64,
    pub(super) webhook: Option<String>,
    pub(super) presses: HashMap<String, Press>,
    pub(super) press_order: VecDeque<String>,
    pub(super) files: Files,
    pub(super) menus: BTreeMap<(String, String), Vec<MenuEntry>>,
    pub(super) answers: VecDeque<Answer>,
    pub(super) events: VecDeque<Event>,
    pub(super) seq: u64,
    /// The number of the newest event that was dropped.
    pub(super) forgotten: u64,
    pub(super) calls: VecDeque<Call>,
    pub(super) records: Records,
    pub(super) meter: Meter,
    pub(super) faults: Faults,
    pub(super) keep: usize,
}

impl State {
    pub(super) fn new(
        bot: Person,
        rates: Rates,
        keep: usize,
        record: usize,
        privacy: bool,
    ) -> State {
        State {
            bot,
            privacy,
            people: HashMap::new(),
            chats: BTreeMap::new(),
            pending: VecDeque::new(),
            confirmed: VecDeque::new(),
            queued: 0,
            next_update: 100_000 + i64::from(rand::random::<u16>()),
            allowed: None,
            poll: 0,
            webhook: None,
            presses: HashMap::new(),
            press_order: VecDeque::new(),
            files: Files::default(),
            menus: BTreeMap::new(),
            answers: VecDeque::new(),
            events: VecDeque::new(),
            seq: 0,
            forgotten: 0,
            calls: VecDeque::new(),
            records: Records::new(record),
            meter: Meter::new(rates),
            faults: Faults::default(),
            keep: keep.max(1),
        }
    }

    /// Records that something happened.
    pub(super) fn happened(&mut self, what: What) {
        self.seq += 1;
        let event = Event {
            seq: self.seq,
            at: Instant::now(),
            what,
        };
        self.events.push_back(event);
        while self.events.len() > self.keep {
            self.forgotten = self
                .events
                .pop_front()
                .map_or(self.forgotten, |old| old.seq);
        }
    }

    /// Records a call.
    pub(super) fn called(&mut self, call: Call) {
        if let Some(description) = call.error.clone() {
            let Call {
                method, chat, code, ..
            } = call;
            self.happened(What::Refused {
                method,
                chat,
                code,
                description,
            });
        } else {
            self.seq += 1;
        }
        push_bounded(&mut self.calls, call, self.keep);
    }

    /// Queues an update of this kind, unless the bot asked not to get such.
    pub(super) fn queue(&mut self, kind: &str, body: Value) -> Option<i64> {
        let wanted = match &self.allowed {
            Some(kinds) if !kinds.is_empty() => kinds.iter().any(|name| name == kind),
            _ => !ON_REQUEST.contains(&kind),
        };
        wanted.then(|| self.queue_raw(json!({ kind: body })))
    }

    /// Queues an update as it is; the identifier is filled in if it is missing.
    pub(super) fn queue_raw(&mut self, mut body: Value) -> i64 {
        let id = match body.get("update_id").and_then(Value::as_i64) {
            Some(id) => id,
            None => {
                let id = self.next_update;
                body["update_id"] = json!(id);
                id
            }
        };
        self.next_update = self.next_update.max(id + 1);
        self.pending.push_back(Pending {
            id,
            body,
            again: false,
        });
        self.announce(id);
        id
    }

    fn announce(&mut self, id: i64) {
        self.queued += 1;
        self.happened(What::Queued { update_id: id });
    }

    /// Queues an update once more, before all others.
    pub(super) fn redeliver(&mut self, id: i64) -> bool {
        let known = self
            .pending
            .iter()
            .chain(&self.confirmed)
            .find(|update| update.id == id);
        let Some(body) = known.map(|update| update.body.clone()) else {
            return false;
        };
        self.pending.push_front(Pending {
            id,
            body,
            again: true,
        });
        self.announce(id);
        true
    }

    /// Forgets the updates below the offset, or all but the last ones for a negative offset.
    pub(super) fn confirm(&mut self, offset: i64) {
        let drop_first = match usize::try_from(offset.unsigned_abs()) {
            Ok(keep) if offset < 0 => self.pending.len().saturating_sub(keep),
            _ => 0,
        };
        let pending = std::mem::take(&mut self.pending);
        for (index, update) in pending.into_iter().enumerate() {
            let done = index < drop_first || (offset > 0 && update.id < offset && !update.again);
            if done {
                push_bounded(&mut self.confirmed, update, self.keep);
            } else {
                self.pending.push_back(update);
            }
        }
    }

    /// The person, made up if unknown.
    pub(super) fn person(&mut self, id: i64) -> &Person {
        self.people.entry(id).or_insert_with(|| Person {
            id,
            first_name: format!("Person {id}"),
            username: None,
            is_bot: id == ANONYMOUS_ADMIN,
            deactivated: false,
        })
    }

    /// The chat, made up if unknown: a private one for a person, otherwise a group or supergroup.
    pub(super) fn chat(&mut self, id: i64) -> &mut Chat {
        self.chats.entry(id).or_insert_with(|| {
            let kind = match id {
                1.. => ChatKind::Private,
                ..=-1_000_000_000_000 => ChatKind::Supergroup,
                _ => ChatKind::Group,
            };
            Chat::new(id, kind, &format!("Group {id}"))
        })
    }

    /// Puts a message in its chat and forgets the oldest beyond the bound.
    pub(super) fn store(&mut self, mut message: Message) {
        message.remember(Instant::now(), self.keep);
        let keep = self.keep;
        let chat = self.chat(message.chat);
        chat.last_id = chat.last_id.max(message.id);
        chat.messages.insert(message.id, message);
        while chat.messages.len() > keep {
            chat.messages.pop_first();
        }
    }

    /// A message that is still there.
    pub(super) fn message(&self, chat: i64, id: i32) -> Option<&Message> {
        self.chats.get(&chat)?.messages.get(&id)
    }

    /// The chat the bot means, if it may write there.
    ///
    /// # Errors
    /// 400 or 403 in Telegram's words.
    pub(super) fn writable(&self, id: i64) -> Result<&Chat, Refusal> {
        let chat = self.readable(id)?;
        let blocked = chat.kind == ChatKind::Private;
        if self
            .people
            .get(&id)
            .is_some_and(|person| person.deactivated)
        {
            return Err(Refusal::forbidden("user is deactivated"));
        }
        match chat.bot {
            Standing::Kicked if blocked => Err(Refusal::forbidden("bot was blocked by the user")),
            Standing::Kicked => {
                let kind = chat.kind.name();
                Err(Refusal::forbidden(format!(
                    "bot was kicked from the {kind} chat"
                )))
            }
            Standing::Left => {
                let kind = chat.kind.name();
                Err(Refusal::forbidden(format!(
                    "bot is not a member of the {kind} chat"
                )))
            }
            _ => Ok(chat),
        }
    }

    /// The chat the bot means, if it knows it.
    ///
    /// # Errors
    /// 400 or 403 in Telegram's words.
    pub(super) fn readable(&self, id: i64) -> Result<&Chat, Refusal> {
        match self.chats.get(&id) {
            Some(Chat {
                migrated_to: Some(to),
                ..
            }) => Err(Refusal::migrated(*to)),
            Some(chat) => Ok(chat),
            None => Err(match self.people.get(&id) {
                Some(person) if person.is_bot => {
                    Refusal::forbidden("bot can't send messages to bots")
                }
                Some(person) if person.deactivated => Refusal::forbidden("user is deactivated"),
                Some(_) => Refusal::forbidden("bot can't initiate conversation with a user"),
                None => Refusal::bad("chat not found"),
            }),
        }
    }
}

/// Appends and drops the oldest beyond the bound.
pub(super) fn push_bounded<T>(list: &mut VecDeque<T>, item: T, keep: usize) {
    list.push_back(item);
    while list.len() > keep {
        list.pop_front();
    }
}

/// Seconds since 1970.
pub(super) fn unix_now() -> i64 {
    let passed = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(passed.as_secs()).unwrap_or(i64::MAX)
}
