//! Values that must not be seen, such as the address of a terminal: told in private, kept in memory alone, and removed when
//! the run is over. On their way to the chat they are sealed rows of the outbox, which whichever instance leads sends.

use super::Inner;
use crate::base::ids::{ChatId, JobId, Place, UserId};
use crate::base::role::Role;
use crate::base::secret::SecretString;
use crate::base::text::escape;
use crate::base::workflow::Step;
use crate::base::workflow::capture::Found;
use crate::delivery::Outgoing;
use crate::store::jobs::Job;
use crate::store::outbox::{Fate, Reach};
use crate::store::{self, Connection, Tx};

/// A secret on its way to one chat.
pub(super) struct Confided {
    /// The message that comes first, and is edited into the words.
    message: Outgoing,
    words: SecretString,
    /// The place in the run's card: which value of which step.
    name: String,
    /// How often it was promised.
    promised: u32,
    /// Where it stands.
    pub way: Way,
}

/// Where a secret stands on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// It is not promised yet.
    New,
    /// It is promised.
    Promised,
    /// The chat has it.
    There,
    /// The chat cannot be reached; it is promised again when that changes.
    Shut,
    /// It failed, or was dropped, although the chat could be reached; nobody but a person has it tried again.
    Lost,
}

/// What was found, for the asker; of a run that nobody asked for, for the owners. `attempt`: the try of the step.
pub(super) fn of(
    inner: &Inner,
    job: &Job,
    (seq, attempt): (usize, u32),
    step: &Step,
    found: &Found,
) -> Vec<Confided> {
    let head = format!(
        "🔑 <b>{}</b> · #{} · {}",
        escape(&job.new.title),
        job.id,
        escape(&step.name)
    );
    let name = escape(&found.name);
    let words = format!(
        "{head}\n{name}: {}\nThis message goes when the run is over. Do not pass it on.",
        escape(&found.value)
    );
    let first = format!("{head}\n{name} stands here in a moment, for you alone.");
    let confided = |place: Place| {
        let slot = format!(
            "{}{}:{}",
            of_value(job.id, seq, &found.name),
            attempt,
            place.chat
        );
        let message = Outgoing::text(place, first.clone(), Vec::new());
        Confided {
            message: message.slot(slot).of_job(job.id),
            words: SecretString::from(words.clone()),
            name: format!("{} of {}", found.name, step.name),
            promised: 0,
            way: Way::New,
        }
    };
    places(inner, job).into_iter().map(confided).collect()
}

impl Confided {
    /// The chat that it goes to.
    pub fn chat(&self) -> ChatId {
        self.message.place.chat
    }

    /// Promises it, and takes back what an earlier try of the step found.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn promise(&self, inner: &Inner, tx: &mut Tx) -> store::Result<()> {
        let slot = self.slot();
        if let (Some(job), Some((of_value, _))) = (self.message.job, split(slot)) {
            let same_chat = format!(":{}", self.chat());
            let is_earlier = |other: &str| {
                other != slot && other.starts_with(of_value) && other.ends_with(&same_chat)
            };
            remove(inner, tx, job, is_earlier).await?;
        }
        let source = self.source(self.promised + 1);
        let message = self.message.clone().source(source);
        inner
            .outbox
            .promise_sealed(tx, &message, &self.words)
            .await?;
        Ok(())
    }

    /// Notes that the promise is committed.
    pub fn is_promised(&mut self) {
        self.promised += 1;
        self.way = Way::Promised;
    }

    /// Looks what became of it: sent, or not to be sent, and whether that may have changed.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn look(&mut self, db: &mut Connection) -> store::Result<()> {
        if matches!(self.way, Way::New | Way::There) {
            return Ok(());
        }
        self.way = match store::outbox::fate(db, &self.source(self.promised)).await? {
            Fate::Pending => Way::Promised,
            Fate::Sent | Fate::Missed(Reach::There) => Way::There,
            Fate::Missed(Reach::Shut) => Way::Shut,
            Fate::Missed(Reach::Lost) => Way::Lost,
            Fate::Missed(Reach::Open) => Way::New,
        };
        Ok(())
    }

    fn slot(&self) -> &str {
        self.message.slot.as_deref().unwrap_or_default()
    }

    fn source(&self, promised: u32) -> String {
        format!("{}:{promised}", self.slot())
    }
}

/// What the card says of secrets that nobody could be told, as HTML; empty when all went well. Of owners one is enough.
pub(super) fn words(job: &Job, all: &[Confided]) -> String {
    let is_missed = |one: &Confided| matches!(one.way, Way::Shut | Way::Lost);
    let is_told = |name: &str| {
        let mut same = all.iter().filter(|one| one.name == name);
        same.any(|one| !is_missed(one))
    };
    let mut missed = all
        .iter()
        .filter(|one| is_missed(one) && !is_told(&one.name));
    let Some(first) = missed.next() else {
        return String::new();
    };
    let (whom, who) = match job.new.telling {
        None => (job.new.asker_name.as_str(), job.new.asker_name.as_str()),
        Some(_) => ("the owners", "an owner"),
    };
    let (name, whom, who) = (escape(&first.name), escape(whom), escape(who));
    if all
        .iter()
        .any(|one| one.name == first.name && one.way == Way::Shut)
    {
        return format!(
            "🔑 {name} is for {whom} alone, whom the bot cannot write to. It comes as soon as {who} opens the private chat with the bot and presses Start."
        );
    }
    format!(
        "🔑 {name} is for {whom} alone, and was not sent; admins see more with /outbox. /workflow stop {} and a new start find it anew.",
        job.id
    )
}

/// Promises that all is removed that this run told, whoever it told it, except of the steps `but`; the chats where something
/// is.
///
/// # Errors
/// When the database refuses.
pub(super) async fn take_back(
    inner: &Inner,
    tx: &mut Tx,
    job: JobId,
    but: &[usize],
) -> store::Result<Vec<ChatId>> {
    let kept: Vec<String> = but.iter().map(|seq| of_step(job, *seq)).collect();
    let wanted = |slot: &str| !kept.iter().any(|kept| slot.starts_with(kept));
    remove(inner, tx, job, wanted).await
}

async fn remove(
    inner: &Inner,
    tx: &mut Tx,
    job: JobId,
    wanted: impl Fn(&str) -> bool,
) -> store::Result<Vec<ChatId>> {
    let mut chats = Vec::new();
    for (slot, chat) in store::outbox::slots_from(tx, job, &of_run(job)).await? {
        if !wanted(&slot) {
            continue;
        }
        let place = Place { chat, thread: None };
        let html = format!(
            "🔑 What stood here was a secret of #{job} and is worth nothing any more. Telegram lets no message be deleted that is older than 48 hours, so its words were taken out."
        );
        let removal = Outgoing::removal(place, &slot, html).of_job(job);
        if inner.outbox.promise(tx, &removal).await? {
            chats.push(chat);
        }
    }
    Ok(chats)
}

fn places(inner: &Inner, job: &Job) -> Vec<Place> {
    let private = |user: UserId| Place {
        chat: ChatId(user.0),
        thread: None,
    };
    if job.new.telling.is_none() {
        return vec![private(job.new.asker)];
    }
    let persons = inner.access.persons();
    let owners = persons.iter().filter(|person| person.role == Role::Owner);
    owners.map(|person| private(person.id)).collect()
}

/// How the slots of a run's secrets begin.
fn of_run(run: JobId) -> String {
    format!("secret:{run}:")
}

/// How the slots of a step's secrets begin.
fn of_step(run: JobId, seq: usize) -> String {
    format!("{}{seq}:", of_run(run))
}

/// How the slots of one value begin; the try of its step and the chat follow.
fn of_value(run: JobId, seq: usize, name: &str) -> String {
    format!("{}{name}:", of_step(run, seq))
}

/// A slot as that of its value, and the rest.
fn split(slot: &str) -> Option<(&str, &str)> {
    let (before, _) = slot.rsplit_once(':')?;
    let (before, _) = before.rsplit_once(':')?;
    slot.split_at_checked(before.len() + 1)
}
