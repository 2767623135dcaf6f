//! Asks for the missing arguments of a script one by one, in one message that changes from step to step.
//!
//! A dialog is a row: its state is data. Each answer, the question that follows it and the mark of its update are
//! written in one transaction, so a crash neither loses nor doubles a step. Only its asker may answer it; rights and
//! the configuration are looked at anew with each answer.

mod show;
mod state;

use super::commands::run::{self, Wanted};
use super::keyboards::Tap;
use super::reply::Reply;
use super::request::{From, Request};
use crate::access::{Asked, Grant};
use crate::actions::{incoming, script};
use crate::base::error::{Error, Refusal, Result};
use crate::base::ids::{MessageId, UpdateId};
use crate::base::role::Role;
use crate::base::text::escape;
use crate::base::time::{Millis, human};
use crate::base::upload::{Upload, Uploads};
use crate::config::{Arg, Config, Script};
use crate::delivery::Outgoing;
use crate::jobs::Origin;
use crate::services::Services;
use crate::store::dialogs::{Dialog, Phase};
use crate::store::{self, Tx, dialogs};
use show::{Question, Stand};
use state::State;
use std::collections::BTreeMap;
use std::time::Duration;

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
            return Err(Error::refused(format!(
                "This is over. Send /run {} to begin again.",
                open.state.script
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
            let asked = script
                .args
                .iter()
                .find(|arg| arg.name.as_str() == open.state.asking);
            let Some(arg) = asked else {
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
            let arg = script
                .args
                .iter()
                .find(|arg| arg.name.as_str() == open.state.asking);
            if arg.is_none_or(|arg| arg.required()) {
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
/// `answers` is the message that it replies to.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn typed(
    request: &Request,
    words: &str,
    file: Option<&Upload>,
    answers: Option<MessageId>,
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
    let asks_for = script.file_rule(&open.state.asking);
    let checked = match (file, asks_for) {
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
        let open = Open::read(row)?;
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
    fn read(row: Dialog) -> Result<Self> {
        let state = serde_json::from_str(&row.payload).map_err(anyhow::Error::new)?;
        Ok(Self {
            row,
            state,
            new: false,
            note: String::new(),
            page: 0,
            fresh: false,
        })
    }

    fn slot(&self) -> String {
        slot_of(self.row.id)
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

/// The dialog of a pressed button, if it is the presser's and stands in this chat.
async fn own(request: &Request, id: i64) -> Result<Open> {
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
    Open::read(row)
}

async fn note(request: &Request, id: i64, why: &str) -> Result<()> {
    let asked = Asked::new("press.answer", slot_of(id), Role::Viewer);
    request
        .access()
        .note_refusal(&request.actor, &asked, why)
        .await
}

/// The dialog that a text of this person may belong to: the open one, or the one that this very text ended before a crash.
async fn of_author(request: &Request) -> Result<Option<Open>> {
    let mut db = request.services.store.read().await?;
    let (chat, asker) = (request.actor.place.chat, request.actor.id);
    let row = match dialogs::ended_by(&mut db, asker, request.update).await? {
        Some(ended) => Some(ended),
        None => dialogs::open_of(&mut db, chat, asker).await?,
    };
    drop(db);
    row.map(Open::read).transpose()
}

/// What a text means for an open dialog.
enum Meant {
    /// It answers its question.
    This,
    /// It answers a question that is answered.
    Old,
    /// It has nothing to do with it.
    Other,
}

/// In a private chat, any text but a reply to something else answers; in a group, only a reply to the question does.
async fn meant(request: &Request, open: &Open, answers: Option<MessageId>) -> Result<Meant> {
    let chat = request.actor.place.chat;
    let Some(answers) = answers else {
        return Ok(match chat.is_private() {
            true => Meant::This,
            false => Meant::Other,
        });
    };
    let mut db = request.services.store.read().await?;
    if store::outbox::slot(&mut db, &open.slot(), chat).await? == Some(answers) {
        return Ok(Meant::This);
    }
    for number in (0..open.state.prompts).rev() {
        let slot = prompt_slot(open.row.id, number);
        if store::outbox::slot(&mut db, &slot, chat).await? == Some(answers) {
            return Ok(match number >= open.state.old_prompts {
                true => Meant::This,
                false => Meant::Old,
            });
        }
    }
    Ok(Meant::Other)
}

/// Whether an open dialog can go on.
enum Ready<'c> {
    Go(&'c Script),
    /// It is over: how, in which words, and whether it can be begun again.
    Close(Phase, String, bool),
}

/// Asks whether the person still may and the script still is what was asked for.
async fn ready<'c>(request: &Request, config: &'c Config, open: &Open) -> Result<Ready<'c>> {
    if open.row.expires_at < Millis::now() {
        return Ok(Ready::Close(Phase::Expired, expired(), true));
    }
    let Some(script) = script::find(config, &open.state.script) else {
        let asked = Asked::new("script.ask", &open.state.script, Role::Viewer);
        request.allow(asked).await?;
        let words = "It is no longer in the configuration. Nothing was run.";
        return Ok(Ready::Close(Phase::Outdated, words.to_owned(), false));
    };
    let asked = Asked::new("script.ask", script.name.as_str(), script.role);
    request.allow(asked).await?;
    if state::form_of(script) != open.state.form {
        let words = "Its configuration has changed since you began. Nothing was run.";
        return Ok(Ready::Close(Phase::Outdated, words.to_owned(), true));
    }
    Ok(Ready::Go(script))
}

/// Checks a typed value for the open question and returns it as it is passed on.
async fn check(request: &Request, script: &Script, open: &Open, words: &str) -> Result<String> {
    let Some(arg) = script
        .args
        .iter()
        .find(|arg| arg.name.as_str() == open.state.asking)
    else {
        return Err(Error::refused("Nothing is asked for now."));
    };
    let scripts = &request.services.scripts;
    scripts.refuse_secrets(script, &[words.to_owned()])?;
    let value = arg.check(words)?;
    if let Some(from) = &arg.choices_from {
        let known = script.with_defaults(&open.state.values(script));
        let looking = scripts.check_choice(script, arg, from, &known, &value);
        shown_if_long(request, open, arg.name.as_str(), looking).await?;
    }
    Ok(value)
}

/// Tells that a typed value does not fit; the question stays.
async fn wrong(
    request: &Request,
    script: &Script,
    mut open: Open,
    refusal: Refusal,
) -> Result<Reply> {
    let asked = script
        .args
        .iter()
        .find(|arg| arg.name.as_str() == open.state.asking);
    let Some(arg) = asked.filter(|_| open.has_prompt()) else {
        // Buttons ask, and they stay as they are.
        return Err(Error::Refused(refusal));
    };
    let number = open.state.prompts;
    open.state.prompts += 1;
    let words = show::prompt(arg, Some(&refusal), None);
    let prompt = prompt_message(&open, number, words, arg.hint.as_deref(), request.message);
    let mut tx = request.services.store.begin().await?;
    let from = open.row.step;
    open.row.expires_at = Millis::now().plus(ANSWER_WITHIN);
    write(&mut open)?;
    if !dialogs::put(&mut tx, &open.row, from).await? {
        return Err(Error::refused("That question was answered already."));
    }
    request.services.outbox.promise(&mut tx, &prompt).await?;
    commit(request, tx).await
}

/// Asks the next question, or runs the script when there is none.
async fn go_on(request: &Request, script: &Script, mut open: Open) -> Result<Reply> {
    let before = open.state.asking.clone();
    let question = match next(request, script, &mut open).await? {
        Some(question) => question,
        None => return finish(request, script, open).await,
    };
    let asks_anew = question.arg.name.as_str() != before || !open.has_prompt();
    let old_prompt = (open.has_prompt() && question.arg.name.as_str() != before)
        .then(|| prompt_slot(open.row.id, open.state.prompts - 1));
    let from = open.row.step;
    if question.arg.name.as_str() != before {
        open.row.step += i64::from(!open.new);
        open.state.old_prompts = open.state.prompts;
        question
            .arg
            .name
            .as_str()
            .clone_into(&mut open.state.asking);
    }
    let replaced = match open.new {
        true => replaced(request).await?,
        false => None,
    };
    let name = (!request.actor.place.chat.is_private()).then_some(request.actor.name.as_str());
    let stand = Stand {
        dialog: open.row.id,
        step: open.row.step,
        name,
        admin: request.role() >= Some(Role::Admin),
    };
    let question = Question {
        note: match &replaced {
            Some(old) => format!(
                "Your unfinished {} was dropped.\n{}",
                escape(&old.state.script),
                question.note
            ),
            None => question.note,
        },
        ..question
    };
    let (html, buttons) = show::question(script, &open.state, &question, stand);
    let message = Outgoing::text(open.state.place, html, buttons)
        .reply_to(open.state.reply_to.filter(|_| name.is_some()))
        .slot(open.slot())
        .source(format!("{}:{}", open.slot(), request.update));
    let prompt = (question.wants_reply() && asks_anew).then(|| {
        let number = open.state.prompts;
        let to = match request.from {
            From::Message => request.message,
            From::Press { .. } => open.state.reply_to,
        };
        let mention = match to {
            Some(_) => None,
            None => name.map(|name| (request.actor.id.0, name)),
        };
        let words = show::prompt(question.arg, None, mention);
        let placeholder = question.arg.hint.as_deref();
        (number, words, placeholder.map(str::to_owned), to)
    });
    open.state.prompts += u32::from(prompt.is_some());
    open.row.expires_at = Millis::now().plus(ANSWER_WITHIN);
    write(&mut open)?;
    let services = &request.services;
    let mut tx = services.store.begin().await?;
    if let Some(old) = &replaced {
        let words = "You began another one. Nothing was run.";
        end(
            services,
            &mut tx,
            old,
            Phase::Replaced,
            words,
            false,
            "replaced",
        )
        .await?;
    }
    let written = match open.new {
        true => dialogs::add(&mut tx, &open.row, Millis::now())
            .await
            .map(|()| true)?,
        false => dialogs::put(&mut tx, &open.row, from).await?,
    };
    if !written {
        return Err(Error::refused("That question was answered already."));
    }
    services.outbox.promise(&mut tx, &message).await?;
    if let Some((number, words, placeholder, to)) = prompt {
        let prompt = prompt_message(&open, number, words, placeholder.as_deref(), to);
        services.outbox.promise(&mut tx, &prompt).await?;
    }
    let reply = commit(request, tx).await?;
    // A reply that was typed keeps the question that it answers.
    if let Some(slot) = old_prompt.filter(|_| request.from != From::Message) {
        services.outbox.clear_away(open.row.chat, slot);
    }
    if let Some(old) = &replaced {
        after(services, old);
    }
    Ok(reply)
}

/// The message that opens the asker's keyboard.
fn prompt_message(
    open: &Open,
    number: u32,
    words: String,
    hint: Option<&str>,
    to: Option<MessageId>,
) -> Outgoing {
    let slot = prompt_slot(open.row.id, number);
    Outgoing::text(open.state.place, words, Vec::new())
        .force_reply(hint.unwrap_or(&open.state.asking))
        .reply_to(to)
        .source(slot.clone())
        .slot(slot)
}

/// The open dialog of the asker in this chat, which gives way to a new one.
async fn replaced(request: &Request) -> Result<Option<Open>> {
    let mut db = request.services.store.read().await?;
    let (chat, asker) = (request.actor.place.chat, request.actor.id);
    let old = dialogs::open_of(&mut db, chat, asker).await?;
    drop(db);
    old.map(Open::read).transpose()
}

/// The next thing to ask for: the first argument without a value, or whose value is no longer one of its choices.
async fn next<'s>(
    request: &Request,
    script: &'s Script,
    open: &mut Open,
) -> Result<Option<Question<'s>>> {
    let scripts = &request.services.scripts;
    for arg in &script.args {
        let name = arg.name.as_str();
        match open.state.value(name).map(|value| value.map(str::to_owned)) {
            None => {}
            Some(None) => continue,
            Some(Some(value)) => {
                let Some(from) = &arg.choices_from else {
                    continue;
                };
                let known = script.with_defaults(&open.state.values(script));
                let looking = scripts.check_choice(script, arg, from, &known, &value);
                match shown_if_long(request, open, name, looking).await {
                    Ok(()) => continue,
                    Err(Error::Refused(refusal)) => {
                        open.state.forget(name);
                        open.note = show::refusal_html(&refusal);
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        return ask_for(request, script, arg, open).await.map(Some);
    }
    Ok(None)
}

/// The question for an argument, with the values to choose from.
async fn ask_for<'s>(
    request: &Request,
    script: &Script,
    arg: &'s Arg,
    open: &mut Open,
) -> Result<Question<'s>> {
    let list = match &arg.choices_from {
        None => None,
        Some(from) => {
            let known = script.with_defaults(&open.state.values(script));
            let fresh = open.fresh;
            let scripts = &request.services.scripts;
            let looking = scripts.choices(script, arg, from, &known, fresh);
            Some(shown_if_long(request, open, arg.name.as_str(), looking).await)
        }
    };
    Ok(Question {
        arg,
        list,
        note: std::mem::take(&mut open.note),
        page: open.page,
    })
}

/// Waits for a lookup; when it takes its time, the dialog's message says so.
async fn shown_if_long<T>(
    request: &Request,
    open: &Open,
    name: &str,
    looking: impl Future<Output = T>,
) -> T {
    tokio::pin!(looking);
    if let Ok(found) = tokio::time::timeout(LOOK_QUIETLY, &mut looking).await {
        return found;
    }
    let words = format!(
        "<b>{}</b>\nLooking up {} …",
        escape(&open.state.script),
        escape(name)
    );
    let message = Outgoing::text(open.state.place, words, Vec::new())
        .reply_to(open.state.reply_to.filter(|_| !open.row.chat.is_private()))
        .slot(open.slot())
        .source(format!("{}:{}:{name}", open.slot(), request.update));
    if let Err(error) = request.services.outbox.post(&message).await {
        tracing::warn!(%error, "a lookup cannot be shown");
    }
    looking.await
}

/// Ends the dialog with everything answered, and runs the script, which may have to be confirmed yet.
async fn finish(request: &Request, script: &Script, mut open: Open) -> Result<Reply> {
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
    let mut tx = services.store.begin().await?;
    if !dialogs::put(&mut tx, &open.row, from).await? {
        return Err(Error::refused("That question was answered already."));
    }
    if request.from == From::Message {
        // The answer to a text comes below it; the questions above become what was answered.
        let name = (!open.row.chat.is_private()).then_some(request.actor.name.as_str());
        let head = show::head(script, &open.state, name);
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

/// The last answer was written, and then the bot died: the script is started now, if it was not.
async fn finish_again(request: &Request, open: Open) -> Result<Reply> {
    let config = request.services.live.current();
    match ready(request, &config, &open).await? {
        Ready::Go(script) => launch(request, script, &open).await,
        Ready::Close(_, words, _) => Err(Error::refused(words)),
    }
}

async fn launch(request: &Request, script: &Script, open: &Open) -> Result<Reply> {
    let wanted = Wanted {
        script: open.state.script.clone(),
        given: script.by_name(&open.state.values(script)),
        output: open.state.output,
        retry_of: open.state.retry_of,
        files: open.state.files.clone(),
        attached: None,
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
async fn close(
    request: &Request,
    open: Open,
    phase: Phase,
    words: &str,
    again: bool,
) -> Result<Reply> {
    let services = &request.services;
    let mut tx = services.store.begin().await?;
    let source = request.update.to_string();
    if !end(services, &mut tx, &open, phase, words, again, &source).await? {
        return Err(Error::refused("This is over already."));
    }
    let reply = commit(request, tx).await?;
    after(services, &open);
    Ok(reply)
}

/// Writes the end of a dialog; `false` when it was over.
async fn end(
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

/// What follows the end of a dialog: its message changes, and the one that wants a reply goes.
fn after(services: &Services, open: &Open) {
    services.outbox.kick(open.row.chat);
    if open.has_prompt() {
        let slot = prompt_slot(open.row.id, open.state.prompts - 1);
        services.outbox.clear_away(open.row.chat, slot);
    }
}

fn write(open: &mut Open) -> Result<()> {
    open.row.payload = serde_json::to_string(&open.state).map_err(anyhow::Error::new)?;
    Ok(())
}

/// Commits a step together with the mark of its update: then nothing is left to be done for it.
async fn commit(request: &Request, tx: Tx) -> Result<Reply> {
    record(request, tx, Some(request.update)).await?;
    request.services.outbox.kick(request.actor.place.chat);
    Ok(Reply::settled())
}

/// Commits what was written, with what was allowed for it, and marks the update as handled if that is all it asks for.
async fn record(request: &Request, mut tx: Tx, handled: Option<UpdateId>) -> Result<()> {
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
