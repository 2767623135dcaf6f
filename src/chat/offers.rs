//! What a person was asked to confirm, kept under a random id; the button carries the id alone.

use super::request::Request;
use crate::access::{Asked, Change};
use crate::base::error::{Error, Result};
use crate::base::ids::{JobId, MessageId};
use crate::base::job::OutputMode;
use crate::base::role::Role;
use crate::base::time::Millis;
use crate::base::upload::{Attached, Upload, Uploads};
use crate::jobs::output::{Point, Sought};
use crate::store::intents::{self, Found, Intent};
use rand::RngExt;
use rand::distr::Alphanumeric;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How long a question stands.
pub const CONFIRM_WITHIN: Duration = Duration::from_secs(10 * 60);
/// How long an offer to run a late command stands.
pub const LATE_WITHIN: Duration = Duration::from_secs(24 * 3600);
/// Letters of an id; 62^20 is more than anybody can try.
const ID_LETTERS: usize = 20;

/// Something to confirm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Offer {
    /// Run this script.
    Run(RunOffer),
    /// Make this change of rights.
    Change(Change),
    /// Make this schedule.
    Schedule(ScheduleOffer),
    /// Run this command, which came while the bot was away.
    Late {
        /// The command as typed.
        text: String,
        /// The message it stood in.
        message: Option<MessageId>,
        /// The file that came with it.
        #[serde(default)]
        file: Option<Attached>,
    },
    /// Give this file to a script.
    File {
        /// The file.
        upload: Upload,
        /// The message it stood in.
        message: Option<MessageId>,
    },
    /// Do what this button says, which was pressed while the bot was away.
    LatePress {
        /// The button's data.
        data: String,
    },
    /// Send this to everybody.
    Broadcast {
        /// The message.
        text: String,
    },
    /// A list of jobs whose filter is too long for a button.
    Jobs {
        /// The filter's short form.
        filter: String,
    },
    /// A search, whose pages are turned by buttons.
    Search(SearchOffer),
}

/// A search in what jobs printed, as far as it was gone through.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SearchOffer {
    /// In this job; in all of the filter when there is none.
    pub job: Option<JobId>,
    /// For what.
    pub sought: Sought,
    /// Lines shown around each that matches.
    pub context: usize,
    /// The filter's short form.
    pub filter: String,
    /// Where each page begins.
    pub pages: Vec<At>,
    /// How many lines match, if all were counted.
    pub matches: Option<u64>,
}

/// Where a page of a search begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct At {
    /// With the first job before this number; 0 for the newest.
    pub before: i64,
    /// At this place of its log.
    pub point: Point,
}

/// A schedule to be made, as it was shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduleOffer {
    /// The script.
    pub script: String,
    /// Its arguments as typed.
    pub given: Vec<String>,
    /// What was shown.
    pub argv: Vec<String>,
    /// When it is to run.
    pub when: String,
    /// By which clock.
    pub zone: String,
    /// Up to so much later than due.
    #[serde(default)]
    pub jitter: Duration,
    /// How often a failed run is tried again.
    #[serde(default)]
    pub times: u32,
}

/// A script to be run, as it was shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunOffer {
    /// Its name.
    pub script: String,
    /// Its arguments as typed.
    pub given: Vec<String>,
    /// What was shown.
    pub argv: Vec<String>,
    /// The files, by argument.
    #[serde(default)]
    pub files: Uploads,
    /// Another output mode than the script's own.
    pub output: Option<OutputMode>,
    /// The job that it repeats.
    pub retry_of: Option<JobId>,
    /// Of a workflow, the failed run that it goes on with.
    #[serde(default)]
    pub from: Option<JobId>,
    /// The message that the card answers.
    pub reply_to: Option<MessageId>,
}

/// Keeps an offer and returns its id.
///
/// # Errors
/// When the database refuses.
pub async fn keep(request: &Request, offer: &Offer, within: Duration) -> Result<String> {
    let id: String = rand::rng()
        .sample_iter(Alphanumeric)
        .take(ID_LETTERS)
        .map(char::from)
        .collect();
    let now = Millis::now();
    let intent = Intent {
        id: id.clone(),
        payload: serde_json::to_string(offer).map_err(anyhow::Error::new)?,
        chat: request.actor.place.chat,
        asker: request.actor.id,
        expires_at: now.plus(within),
    };
    let store = &request.services.store;
    let mut tx = store.begin_led().await?;
    intents::add(&mut tx, &intent, now).await?;
    store.commit(tx).await?;
    Ok(id)
}

/// Whether the person is asked here already whether to run this script, without any arguments.
///
/// # Errors
/// When the database refuses.
pub async fn is_asked(request: &Request, script: &str) -> Result<bool> {
    let (chat, asker) = (request.actor.place.chat, request.actor.id);
    let open = {
        let mut db = request.services.store.read().await?;
        intents::open_of(&mut db, chat, asker, Millis::now()).await?
    };
    let is_it = |payload: &String| {
        let offer = serde_json::from_str(payload);
        matches!(offer, Ok(Offer::Run(run)) if run.script == script && run.given.is_empty())
    };
    Ok(open.iter().any(is_it))
}

/// Looks up an offer that the presser may answer.
///
/// # Errors
/// Refused when it is unknown, not theirs, answered, or too old.
pub async fn open(request: &Request, id: &str) -> Result<Offer> {
    let found = {
        let mut db = request.services.store.read().await?;
        intents::find(&mut db, id).await?
    };
    let (intent, used) = match found {
        None => return Err(never_asked(request, id, "no such question").await?),
        Some(Found::Open(intent)) => (intent, false),
        Some(Found::Used(intent)) => (intent, true),
    };
    let here = request.actor.place.chat;
    if request.services.outbox.current_id(intent.chat) != here {
        return Err(never_asked(request, id, "asked in another chat").await?);
    }
    if intent.asker != request.actor.id {
        note(request, id, "asked by another person").await?;
        let name = request
            .access()
            .name_of(intent.asker)
            .unwrap_or_else(|| "the one who asked".to_owned());
        return Err(Error::refused(format!("Only {name} can answer this.")));
    }
    if used {
        return Err(Error::refused("This was answered already."));
    }
    if intent.expires_at < Millis::now() {
        return Err(Error::refused("This is too old. Send the command again."));
    }
    Ok(serde_json::from_str(&intent.payload).map_err(anyhow::Error::new)?)
}

/// Looks up what anybody in its chat may look at: what it stands for is asked for anew, by the presser's own rights.
///
/// # Errors
/// Refused when it is unknown or too old.
pub async fn shown(request: &Request, id: &str) -> Result<Offer> {
    let found = {
        let mut db = request.services.store.read().await?;
        intents::find(&mut db, id).await?
    };
    let intent = match found {
        Some(Found::Open(intent) | Found::Used(intent)) => intent,
        None => return Err(never_asked(request, id, "no such list").await?),
    };
    if request.services.outbox.current_id(intent.chat) != request.actor.place.chat {
        return Err(never_asked(request, id, "shown in another chat").await?);
    }
    if intent.expires_at < Millis::now() {
        return Err(Error::refused("This is too old. Send the command again."));
    }
    Ok(serde_json::from_str(&intent.payload).map_err(anyhow::Error::new)?)
}

/// Keeps what became of an offer under the same id.
///
/// # Errors
/// When the database refuses.
pub async fn rewrite(request: &Request, id: &str, offer: &Offer) -> Result<()> {
    let payload = serde_json::to_string(offer).map_err(anyhow::Error::new)?;
    let store = &request.services.store;
    let mut tx = store.begin_led().await?;
    intents::rewrite(&mut tx, id, &payload).await?;
    store.commit(tx).await?;
    Ok(())
}

/// The refusal of a press that stands for nothing.
#[must_use]
pub fn stale() -> Error {
    Error::refused("This button no longer stands for anything.")
}

/// The refusal of a press whose question was never asked here, audited.
async fn never_asked(request: &Request, id: &str, why: &str) -> Result<Error> {
    note(request, id, why).await?;
    Ok(stale())
}

async fn note(request: &Request, id: &str, why: &str) -> Result<()> {
    let asked = Asked::new("press.answer", id, Role::Viewer);
    let access = request.access();
    access.note_refusal(&request.actor, &asked, why).await
}

/// Marks an offer as answered. `false` when it was before.
///
/// # Errors
/// When the database refuses.
pub async fn take(request: &Request, id: &str) -> Result<bool> {
    let store = &request.services.store;
    let mut tx = store.begin_led().await?;
    let taken = intents::take(&mut tx, id, Millis::now()).await?;
    store.commit(tx).await?;
    Ok(taken)
}
