//! From an answer to the next question: what is checked, looked up, written and shown.

use super::end::{after, commit, end, finish, write};
use super::show::{self, Question, Stand};
use super::who::name_in_group;
use super::{ANSWER_WITHIN, LOOK_QUIETLY, Open, prompt_slot};
use crate::base::error::{Error, Refusal, Result};
use crate::base::ids::MessageId;
use crate::base::role::Role;
use crate::base::text::escape;
use crate::base::time::Millis;
use crate::chat::reply::Reply;
use crate::chat::request::{From, Request};
use crate::config::{Arg, Script};
use crate::delivery::Outgoing;
use crate::store::dialogs::{self, Phase};

/// Checks a typed value for the open question and returns it as it is passed on.
pub(super) async fn check(
    request: &Request,
    script: &Script,
    open: &Open,
    words: &str,
) -> Result<String> {
    let Some(arg) = open.arg(script) else {
        return Err(Error::refused("Nothing is asked for now."));
    };
    let scripts = &request.services.scripts;
    scripts.refuse_secrets(script, &[words.to_owned()])?;
    let value = arg.check(words)?;
    if let Some(from) = &arg.choices_from {
        let known = script.with_defaults(&open.state.values(script));
        let _look = scripts.begin_look(request.actor.id)?;
        let looking = scripts.check_choice(script, arg, from, &known, &value);
        shown_if_long(request, open, arg.name.as_str(), looking).await?;
    }
    Ok(value)
}

/// Tells that a typed value does not fit; the question stays.
pub(super) async fn wrong(
    request: &Request,
    script: &Script,
    mut open: Open,
    refusal: Refusal,
) -> Result<Reply> {
    let Some(arg) = open.arg(script).filter(|_| open.has_prompt()) else {
        // Buttons ask, and they stay as they are.
        return Err(Error::Refused(refusal));
    };
    let number = open.state.prompts;
    open.state.prompts += 1;
    let words = show::prompt(arg, Some(&refusal), mention(request));
    let prompt = prompt_message(&open, number, words, arg.hint.as_deref(), request.message);
    let mut tx = request.services.store.begin_led().await?;
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
pub(super) async fn go_on(request: &Request, script: &Script, mut open: Open) -> Result<Reply> {
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
    let services = &request.services;
    let name = name_in_group(request);
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
    let html = services.scripts.mask(script, &html);
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
        let words = show::prompt(question.arg, None, mention(request));
        let placeholder = question.arg.hint.as_deref();
        (number, words, placeholder.map(str::to_owned), to)
    });
    open.state.prompts += u32::from(prompt.is_some());
    open.row.expires_at = Millis::now().plus(ANSWER_WITHIN);
    write(&mut open)?;
    let mut tx = services.store.begin_led().await?;
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

/// Whom a prompt is for: in a group, only the keyboards of those open who are named or replied to.
pub(super) fn mention(request: &Request) -> Option<(i64, &str)> {
    name_in_group(request).map(|name| (request.actor.id.0, name))
}

/// The message that opens the asker's keyboard.
pub(super) fn prompt_message(
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
pub(super) async fn replaced(request: &Request) -> Result<Option<Open>> {
    let mut db = request.services.store.read().await?;
    let (chat, asker) = (request.actor.place.chat, request.actor.id);
    let old = dialogs::open_of(&mut db, chat, asker).await?;
    drop(db);
    match old {
        Some(row) => Open::read(&request.services, row).await,
        None => Ok(None),
    }
}

/// The next thing to ask for: the first argument without a value, or whose value is no longer one of its choices.
pub(super) async fn next<'s>(
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
                let _look = scripts.begin_look(request.actor.id)?;
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
pub(super) async fn ask_for<'s>(
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
pub(super) async fn shown_if_long<T>(
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
