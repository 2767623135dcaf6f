//! The end of a dialog: the script is run, or it is said why not; and how a step is committed.

use super::who::{Ready, fits, name_in_group};
use super::{Open, prompt_slot, show, slot_of};
use crate::access::Grant;
use crate::base::error::{Error, Result};
use crate::base::ids::{Place, UpdateId};
use crate::base::time::Millis;
use crate::chat::commands::run::{self, Wanted};
use crate::chat::reply::Reply;
use crate::chat::request::{From, Request};
use crate::config::Script;
use crate::delivery::Outgoing;
use crate::jobs::Origin;
use crate::services::Services;
use crate::store::dialogs::{self, Dialog, Phase};
use crate::store::{self, Tx};

/// Ends the dialog with everything answered, and runs the script, which may have to be confirmed yet.
pub(super) async fn finish(request: &Request, script: &Script, mut open: Open) -> Result<Reply> {
    let from = open.row.step;
    let prompt = open
        .has_prompt()
        .then(|| prompt_slot(open.row.id, open.state.prompts - 1));
    open.row.step += 1;
    open.row.phase = Phase::Done;
    open.row.ended_by = Some(request.update);
    open.state.asking.clear();
    open.state.old_prompts = open.state.prompts;
    write(&mut open)?;
    let services = &request.services;
    let mut tx = services.store.begin_led().await?;
    if !dialogs::put(&mut tx, &open.row, from).await? {
        return Err(Error::refused("That question was answered already."));
    }
    if request.from == From::Message {
        // The answer to a text comes below it; the questions above become what was answered.
        let name = name_in_group(request);
        let head = services
            .scripts
            .mask(script, &show::head(script, &open.state, name));
        let message = Outgoing::text(open.state.place, head, Vec::new())
            .slot(open.slot())
            .source(format!("{}:{}", open.slot(), request.update));
        services.outbox.promise(&mut tx, &message).await?;
    }
    record(request, tx, None).await?;
    services.outbox.kick(open.row.chat);
    if let Some(slot) = prompt.filter(|_| request.from != From::Message) {
        services.outbox.clear_away(open.row.chat, slot);
    }
    launch(request, script, &open).await
}

/// The last answer was written, and then the bot died: the script is started now, if it was not, however long that was.
pub(super) async fn finish_again(request: &Request, open: Open) -> Result<Reply> {
    let config = request.services.live.current();
    match fits(request, &config, &open).await? {
        Ready::Go(script) => launch(request, script, &open).await,
        Ready::Close(_, words, _) => Err(Error::refused(words)),
    }
}

pub(super) async fn launch(request: &Request, script: &Script, open: &Open) -> Result<Reply> {
    let wanted = Wanted {
        script: open.state.script.clone(),
        given: script.by_name(&open.state.values(script)),
        output: open.state.output,
        retry_of: open.state.retry_of,
        files: open.state.files.clone(),
        attached: None,
        from: None,
    };
    let origin = Origin {
        // Whatever is pressed how often: one dialog makes one job.
        source: open.slot(),
        reply_to: open.state.reply_to,
        card: request.pressed(),
        update: Some(request.update),
    };
    let reply = match Box::pin(run::launch(request, wanted, origin)).await {
        Ok(reply) => reply,
        Err(Error::Refused(refusal)) => Reply::html(show::refusal_html(&refusal))
            .buttons(vec![vec![show::begin_again(&open.state)]]),
        Err(error) => return Err(error),
    };
    Ok(match request.pressed() {
        Some(_) => reply.in_place(),
        None => reply,
    })
}

/// Ends a dialog without a result, and says so in its message.
pub(super) async fn close(
    request: &Request,
    open: Open,
    phase: Phase,
    words: &str,
    again: bool,
) -> Result<Reply> {
    let services = &request.services;
    let mut tx = services.store.begin_led().await?;
    let source = request.update.to_string();
    if !end(services, &mut tx, &open, phase, words, again, &source).await? {
        return Err(Error::refused("This is over already."));
    }
    let reply = commit(request, tx).await?;
    after(services, &open);
    Ok(reply)
}

/// Writes the end of a dialog; `false` when it was over.
pub(super) async fn end(
    services: &Services,
    tx: &mut Tx,
    open: &Open,
    phase: Phase,
    words: &str,
    again: bool,
    source: &str,
) -> Result<bool> {
    let row = Dialog {
        phase,
        ..open.row.clone()
    };
    if !dialogs::put(tx, &row, open.row.step).await? {
        return Ok(false);
    }
    let (html, buttons) = show::over(&open.state, words, again);
    let message = Outgoing::text(open.state.place, html, buttons)
        .slot(open.slot())
        .source(format!("{}:{source}", open.slot()));
    services.outbox.promise(tx, &message).await?;
    Ok(true)
}

/// Closes a dialog whose state cannot be read, and says so where its question stands.
pub(super) async fn close_unread(services: &Services, row: &Dialog) -> Result<()> {
    let closed = Dialog {
        phase: Phase::Outdated,
        ..row.clone()
    };
    let mut tx = services.store.begin().await?;
    if !dialogs::put(&mut tx, &closed, row.step).await? {
        return Ok(());
    }
    let place = Place {
        chat: row.chat,
        thread: None,
    };
    let words = "This question is no longer understood. Nothing was run. Send the command again.";
    let slot = slot_of(row.id);
    let message = Outgoing::text(place, words.to_owned(), Vec::new())
        .source(format!("{slot}:unread"))
        .slot(slot);
    services.outbox.promise(&mut tx, &message).await?;
    services.store.commit(tx).await?;
    services.outbox.kick(row.chat);
    Ok(())
}

/// What follows the end of a dialog: its message changes, and the one that wants a reply goes.
pub(super) fn after(services: &Services, open: &Open) {
    services.outbox.kick(open.row.chat);
    if open.has_prompt() {
        let slot = prompt_slot(open.row.id, open.state.prompts - 1);
        services.outbox.clear_away(open.row.chat, slot);
    }
}

pub(super) fn write(open: &mut Open) -> Result<()> {
    open.row.payload = serde_json::to_string(&open.state).map_err(anyhow::Error::new)?;
    Ok(())
}

/// Commits a step together with the mark of its update: then nothing is left to be done for it.
pub(super) async fn commit(request: &Request, tx: Tx) -> Result<Reply> {
    record(request, tx, Some(request.update)).await?;
    request.services.outbox.kick(request.actor.place.chat);
    Ok(Reply::settled())
}

/// Commits what was written, with what was allowed for it, and marks the update as handled if that is all it asks for.
pub(super) async fn record(request: &Request, mut tx: Tx, handled: Option<UpdateId>) -> Result<()> {
    let written = async {
        for grant in request.grants() {
            grant.record(&mut tx).await?;
        }
        if let Some(update) = handled {
            store::inbox::mark_handled(&mut tx, update, Millis::now()).await?;
        }
        request.services.store.commit(tx).await
    };
    let written = written.await;
    for grant in request.grants() {
        Grant::settle(&grant, &written);
    }
    Ok(written?)
}
