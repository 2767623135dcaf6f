//! Asks for the missing arguments of a script one by one, in one message that changes from step to step.
//!
//! A dialog is a row: its state is data. Each answer, the question that follows it and the mark of its update are
//! written in one transaction, so a crash neither loses nor doubles a step. Only its asker may answer it; rights and
//! the configuration are looked at anew with each answer.

mod end;
mod show;
mod state;
mod step;
pub mod tap;
mod who;

use super::commands::run::Wanted;
use super::message::Replied;
use super::reply::Reply;
use super::request::Request;
use crate::actions::incoming;
use crate::base::error::{Error, Result};
use crate::base::time::{Millis, human};
use crate::base::upload::{Upload, Uploads};
use crate::config::{Arg, Script};
use crate::jobs::Origin;
use crate::services::Services;
use crate::store::dialogs::{self, Dialog, Phase};
use end::{after, close, end, finish_again};
use state::State;
use std::collections::BTreeMap;
use std::time::Duration;
use step::{ask_for, check, go_on, wrong};
use tap::Tap;
use who::{Meant, Ready, meant, of_author, own, ready};

/// How long a question stands.
const ANSWER_WITHIN: Duration = Duration::from_secs(10 * 60);
/// A lookup that takes longer is shown.
const LOOK_QUIETLY: Duration = Duration::from_millis(300);

/// A dialog and its state, as one request works on it.
struct Open {
    row: Dialog,
    state: State,
    /// Whether it is not in the database yet.
    new: bool,
    /// Why it is asked again, in HTML.
    note: String,
    /// Which page of values is shown.
    page: usize,
    /// Whether the values are to be looked up anew.
    fresh: bool,
}

/// Whether something has to be asked before the script can run.
///
/// # Errors
/// Refused when what was given is wrong.
pub fn is_needed(script: &Script, given: &[String], files: &Uploads) -> Result<bool> {
    let values = script.given(given)?;
    let mut all = script.args.iter().zip(&values);
    Ok(all.any(|(arg, value)| {
        arg.required() && value.is_none() && !files.contains_key(arg.name.as_str())
    }))
}

/// Begins to ask for what is missing. An open dialog of the same person in the chat gives way.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn begin(
    request: &Request,
    script: &Script,
    wanted: Wanted,
    origin: &Origin,
) -> Result<Reply> {
    request
        .services
        .scripts
        .refuse_secrets(script, &wanted.given)?;
    let values = script.given(&wanted.given)?;
    let given: BTreeMap<_, _> = script
        .args
        .iter()
        .zip(values)
        .filter_map(|(arg, value)| Some((arg.name.to_string(), value?)))
        .collect();
    let state = State {
        script: script.name.to_string(),
        form: state::form_of(script),
        given,
        answers: Vec::new(),
        asking: String::new(),
        output: wanted.output,
        retry_of: wanted.retry_of,
        files: wanted.files,
        reply_to: origin.reply_to,
        place: request.actor.place,
        prompts: 0,
        old_prompts: 0,
    };
    let row = Dialog {
        id: request.update.0,
        chat: request.actor.place.chat,
        asker: request.actor.id,
        step: 1,
        phase: Phase::Open,
        payload: String::new(),
        expires_at: Millis::now().plus(ANSWER_WITHIN),
        ended_by: None,
    };
    let open = Open {
        row,
        state,
        new: true,
        note: String::new(),
        page: 0,
        fresh: false,
    };
    go_on(request, script, open).await
}

/// Takes a press under a question.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn pressed(request: &Request, id: i64, step: i64, tap: Tap) -> Result<Reply> {
    let mut open = own(request, id).await?;
    match open.row.phase {
        Phase::Open => {}
        Phase::Done if open.row.ended_by == Some(request.update) => {
            return finish_again(request, open).await;
        }
        Phase::Done => return Err(Error::refused("This was answered already.")),
        Phase::Cancelled | Phase::Replaced | Phase::Expired | Phase::Outdated => {
            let config = request.services.live.current();
            let name = &open.state.script;
            let command = match config.workflows().any(|one| one.name.as_str() == name) {
                true => "/workflow run",
                false => "/run",
            };
            return Err(Error::refused(format!(
                "This is over. Send {command} {name} to begin again."
            )));
        }
    }
    if tap == Tap::Cancel {
        return close(
            request,
            open,
            Phase::Cancelled,
            "Cancelled. Nothing was run.",
            false,
        )
        .await;
    }
    if open.row.step != step {
        return Err(Error::refused("That question was answered already."));
    }
    let config = request.services.live.current();
    let script = match ready(request, &config, &open).await? {
        Ready::Go(script) => script,
        Ready::Close(phase, words, again) => {
            return close(request, open, phase, &words, again).await;
        }
    };
    match tap {
        Tap::Value(print) => {
            let Some(arg) = open.arg(script) else {
                return Err(Error::refused("Nothing is asked for now."));
            };
            let question = ask_for(request, script, arg, &mut open).await?;
            let value = question
                .values()
                .into_iter()
                .find(|value| state::print_of(value) == print);
            match value {
                Some(value) => open.state.answer(Some(value)),
                None => open.note = "That value is no longer among them. Choose again.".to_owned(),
            }
        }
        Tap::Skip => {
            if open.arg(script).is_none_or(|arg| arg.required()) {
                return Err(Error::refused("This cannot be left out."));
            }
            open.state.answer(None);
        }
        Tap::SkipAll => open.state.skip_all(script),
        Tap::Back => {
            if !open.state.back() {
                return Err(Error::refused("This is the first question."));
            }
        }
        Tap::Page(page) => open.page = page,
        Tap::Again => open.fresh = true,
        Tap::Cancel => {}
    }
    go_on(request, script, open).await
}

/// Takes a text or a file that answers the open question of its author, if it does; `None` when it is something else.
/// `answers` is the message of ours, or of anybody, that it replies to.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn typed(
    request: &Request,
    words: &str,
    file: Option<&Upload>,
    answers: Option<&Replied>,
    is_late: bool,
) -> Result<Option<Reply>> {
    let Some(mut open) = of_author(request).await? else {
        return Ok(None);
    };
    if open.row.phase == Phase::Done {
        return finish_again(request, open).await.map(Some);
    }
    match meant(request, &open, answers).await? {
        Meant::Other => return Ok(None),
        Meant::Old => {
            return Err(Error::refused(format!(
                "That question was answered already. Asked for now: {}.",
                open.state.asking
            )));
        }
        Meant::This => {}
    }
    let config = request.services.live.current();
    let script = match ready(request, &config, &open).await? {
        Ready::Go(script) => script,
        Ready::Close(phase, words, again) => {
            return close(request, open, phase, &words, again).await.map(Some);
        }
    };
    if is_late {
        return Err(Error::refused(
            "You wrote that while I was away. Write it again if it still holds.",
        ));
    }
    let checked = match (file, script.file_rule(&open.state.asking)) {
        // It may be meant for another script: what it can be used for is asked.
        (Some(_), None) => return Ok(None),
        (Some(file), Some(rule)) => match incoming::check(rule, file) {
            Ok(()) => {
                open.state.answer_file(file.clone());
                return go_on(request, script, open).await.map(Some);
            }
            Err(why) => Err(Error::refused(why)),
        },
        (None, Some(_)) => Err(Error::refused(format!(
            "{} is a file: send the file itself.",
            open.state.asking
        ))),
        (None, None) => check(request, script, &open, words.trim()).await,
    };
    match checked {
        Ok(value) => {
            open.state.answer(Some(value));
            go_on(request, script, open).await.map(Some)
        }
        Err(Error::Refused(refusal)) => wrong(request, script, open, refusal).await.map(Some),
        Err(error) => Err(error),
    }
}

/// Ends what this person is being asked here; `None` when nothing is.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn give_up(request: &Request) -> Result<Option<Reply>> {
    let open = of_author(request).await?;
    let Some(open) = open.filter(|open| open.row.phase == Phase::Open) else {
        return Ok(None);
    };
    let words = "Cancelled. Nothing was run.";
    close(request, open, Phase::Cancelled, words, false)
        .await
        .map(Some)
}

/// Whether a text of this person may answer a question here, so that it is worth looking at.
///
/// # Errors
/// When the database refuses.
pub async fn awaits(request: &Request) -> Result<bool> {
    Ok(of_author(request).await?.is_some())
}

/// Closes the dialogs that nobody answered before `now`; how many there were.
///
/// # Errors
/// When the database refuses.
pub async fn expire(services: &Services, now: Millis) -> Result<usize> {
    let lapsed = {
        let mut db = services.store.read().await?;
        dialogs::lapsed(&mut db, now).await?
    };
    let mut closed = 0;
    for row in lapsed {
        let Some(open) = Open::read(services, row).await? else {
            closed += 1;
            continue;
        };
        let mut tx = services.store.begin().await?;
        if end(
            services,
            &mut tx,
            &open,
            Phase::Expired,
            &expired(),
            true,
            "expired",
        )
        .await?
        {
            services.store.commit(tx).await?;
            after(services, &open);
            closed += 1;
        }
    }
    Ok(closed)
}

fn expired() -> String {
    format!(
        "Nobody answered within {}. Nothing was run.",
        human(ANSWER_WITHIN)
    )
}

impl Open {
    /// Reads a dialog. One that cannot be read, written by another version or damaged, is closed, so that it stands in
    /// nobody's way; `None` then.
    async fn read(services: &Services, row: Dialog) -> Result<Option<Self>> {
        match serde_json::from_str(&row.payload) {
            Ok(state) => Ok(Some(Self {
                row,
                state,
                new: false,
                note: String::new(),
                page: 0,
                fresh: false,
            })),
            Err(error) => {
                tracing::error!(dialog = row.id, %error, "a dialog cannot be read; it is closed");
                end::close_unread(services, &row).await?;
                Ok(None)
            }
        }
    }

    /// What is asked for now.
    fn arg<'s>(&self, script: &'s Script) -> Option<&'s Arg> {
        let mut args = script.args.iter();
        args.find(|arg| arg.name.as_str() == self.state.asking)
    }

    fn slot(&self) -> String {
        slot_of(self.row.id)
    }

    /// What a slot is of this dialog: its question, or the prompt of this number.
    fn number_of(&self, slot: &str) -> Option<Option<u32>> {
        match slot.strip_prefix(&self.slot())? {
            "" => Some(None),
            rest => Some(Some(rest.strip_prefix(':')?.parse().ok()?)),
        }
    }

    fn has_prompt(&self) -> bool {
        self.state.prompts > self.state.old_prompts
    }
}

fn slot_of(id: i64) -> String {
    format!("ask:{id}")
}

fn prompt_slot(id: i64, number: u32) -> String {
    format!("ask:{id}:{number}")
}
