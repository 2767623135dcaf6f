//! Whose dialog it is, whether a text is meant for it, and whether it can go on.

use super::show;
use super::state;
use super::{Open, expired, slot_of};
use crate::access::Asked;
use crate::actions::script;
use crate::base::error::{Error, Result};
use crate::base::role::Role;
use crate::base::time::Millis;
use crate::chat::message::Replied;
use crate::chat::request::Request;
use crate::config::{Config, Script};
use crate::store;
use crate::store::dialogs::{self, Phase};

/// The dialog of a pressed button, if it is the presser's and stands in this chat.
pub(super) async fn own(request: &Request, id: i64) -> Result<Open> {
    let found = {
        let mut db = request.services.store.read().await?;
        dialogs::find(&mut db, id).await?
    };
    let here = request.actor.place.chat;
    let Some(row) = found.filter(|row| request.services.outbox.current_id(row.chat) == here) else {
        note(request, id, "no such question here").await?;
        return Err(Error::refused("This button no longer stands for anything."));
    };
    if row.asker != request.actor.id {
        note(request, id, "asked of another person").await?;
        let name = request.access().name_of(row.asker);
        return Err(Error::refused(match name {
            Some(name) => format!("{name} is asked here. Only {name} can answer."),
            None => "Somebody else is asked here.".to_owned(),
        }));
    }
    let open = Open::read(&request.services, row).await?;
    open.ok_or_else(|| Error::refused("This button no longer stands for anything."))
}

pub(super) async fn note(request: &Request, id: i64, why: &str) -> Result<()> {
    let asked = Asked::new("press.answer", slot_of(id), Role::Viewer);
    request
        .access()
        .note_refusal(&request.actor, &asked, why)
        .await
}

/// The dialog that a text of this person may belong to: the open one, or the one that this very text ended before a crash.
pub(super) async fn of_author(request: &Request) -> Result<Option<Open>> {
    let mut db = request.services.store.read().await?;
    let (chat, asker) = (request.actor.place.chat, request.actor.id);
    let row = match dialogs::ended_by(&mut db, asker, request.update).await? {
        Some(ended) => Some(ended),
        None => dialogs::open_of(&mut db, chat, asker).await?,
    };
    drop(db);
    match row {
        Some(row) => Open::read(&request.services, row).await,
        None => Ok(None),
    }
}

/// What a text means for an open dialog.
pub(super) enum Meant {
    /// It answers its question.
    This,
    /// It answers a question that is answered.
    Old,
    /// It has nothing to do with it.
    Other,
}

/// In a private chat, any text but a reply to something else answers; in a group, only a reply to the question does.
pub(super) async fn meant(
    request: &Request,
    open: &Open,
    answers: Option<&Replied>,
) -> Result<Meant> {
    let chat = request.actor.place.chat;
    let Some(answers) = answers else {
        return Ok(match chat.is_private() {
            true => Meant::This,
            false => Meant::Other,
        });
    };
    let mut db = request.services.store.read().await?;
    let slots = store::outbox::slots_of(&mut db, chat, answers.message).await?;
    drop(db);
    if let Some(number) = slots.iter().find_map(|slot| open.number_of(slot)) {
        return Ok(
            match number.is_none_or(|number| number >= open.state.old_prompts) {
                true => Meant::This,
                false => Meant::Old,
            },
        );
    }
    // A prompt that was sent right before a crash is sent once more, and only the second one is known.
    let again = |is_file| {
        let line = show::prompt_line(name_in_group(request), &open.state.asking, is_file);
        answers.text.lines().last() == Some(line.as_str())
    };
    Ok(match again(false) || again(true) {
        true => Meant::This,
        false => Meant::Other,
    })
}

/// Whom a question is for, where others see it as well.
pub(super) fn name_in_group(request: &Request) -> Option<&str> {
    (!request.actor.place.chat.is_private()).then_some(request.actor.name.as_str())
}

/// Whether an open dialog can go on.
pub(super) enum Ready<'c> {
    Go(&'c Script),
    /// It is over: how, in which words, and whether it can be begun again.
    Close(Phase, String, bool),
}

/// Asks whether somebody still waits for the answer, and all that [`fits`] asks.
pub(super) async fn ready<'c>(
    request: &Request,
    config: &'c Config,
    open: &Open,
) -> Result<Ready<'c>> {
    if open.row.expires_at < Millis::now() {
        return Ok(Ready::Close(Phase::Expired, expired(), true));
    }
    fits(request, config, open).await
}

/// Asks whether the person still may and the script still is what was asked for.
pub(super) async fn fits<'c>(
    request: &Request,
    config: &'c Config,
    open: &Open,
) -> Result<Ready<'c>> {
    let Some(script) = script::find(config, &open.state.script) else {
        let asked = Asked::new("script.ask", &open.state.script, Role::Viewer);
        request.allow(asked).await?;
        let words = "It is no longer in the configuration. Nothing was run.";
        return Ok(Ready::Close(Phase::Outdated, words.to_owned(), false));
    };
    let asked = Asked::new("script.ask", script.name.as_str(), script.role);
    request.allow_script(asked, script.name.as_str()).await?;
    if state::form_of(script) != open.state.form {
        let words = "Its configuration has changed since you began. Nothing was run.";
        return Ok(Ready::Close(Phase::Outdated, words.to_owned(), true));
    }
    Ok(Ready::Go(script))
}
