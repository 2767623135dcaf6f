//! What follows from a pressed button. Rights are asked for anew, at the moment of the press.

use super::alerts;
use super::commands::{
    Command, audit, broadcast, cancel, chats, invite, job, jobs, outbox, output, read_line, retry,
    run, schedule, schedules, status, top, users,
};
use super::dialog;
use super::dialog::tap::Tap;
use super::files;
use super::keyboards::Press;
use super::members;
use super::offers::{self, LATE_WITHIN, Offer};
use super::reply::Reply;
use super::request::{From, Request};
use super::search;
use super::undo;
use super::workflows;
use crate::access::{Asked, Change};
use crate::base::error::{Error, Result};
use crate::base::ids::{MessageId, Place};
use crate::base::job::OutputMode;
use crate::base::role::Role;
use crate::base::text::{escape, shorten};
use crate::base::upload::Attached;
use crate::jobs::output::Rows;

/// Whether a press starts or stops something, so that a late one is asked about first.
#[must_use]
pub fn acts(press: &Press) -> bool {
    match press {
        Press::Cancel(_)
        | Press::Again(_)
        | Press::TakeBack(_)
        | Press::Run(_)
        | Press::Stream(_)
        | Press::GiveFile(..)
        | Press::Give(..)
        | Press::Revoke(_)
        | Press::GiveScript(..)
        | Press::RevokeScript(..)
        | Press::Ignore(_)
        | Press::Allow(..)
        | Press::Remove(_)
        | Press::Leave(_)
        | Press::Invite(..)
        | Press::Withdraw(_)
        | Press::Confirm(_)
        | Press::Ask {
            tap: Tap::Value(_) | Tap::Skip | Tap::SkipAll,
            ..
        } => true,
        Press::Outbox(press) => press.acts(),
        Press::Schedule(press) => press.acts(),
        Press::Alert(press) => press.acts(),
        Press::Flow(press) => press.acts(),
        Press::Log(_)
        | Press::Undo(_)
        | Press::Keep(_)
        | Press::Job(_)
        | Press::Jobs(..)
        | Press::KeptJobs(..)
        | Press::Found(..)
        | Press::FoundFile(_)
        | Press::FoundJob(..)
        | Press::Rows(..)
        | Press::Scripts(_)
        | Press::Streams(_)
        | Press::Status(_)
        | Press::Chart(..)
        | Press::Top(_)
        | Press::Users(_)
        | Press::Person(_)
        | Press::Lend(..)
        | Press::Rights(..)
        | Press::LendScript(..)
        | Press::Strangers(_)
        | Press::Groups(_)
        | Press::Group(_)
        | Press::InviteAs(_)
        | Press::Audit(_)
        | Press::Drop(_)
        | Press::Ask {
            tap: Tap::Back | Tap::Cancel | Tap::Page(_) | Tap::Again,
            ..
        } => false,
    }
}

/// What the presser reads at once, before the work: stopping may take a script's grace time.
#[must_use]
pub fn at_once(press: &Press) -> Option<&'static str> {
    matches!(press, Press::Cancel(_)).then_some("Asking it to stop …")
}

/// Whether a press will be refused whatever it meets, so that nothing is promised before it is.
///
/// # Errors
/// When the database refuses.
pub async fn is_in_vain(request: &Request, press: &Press) -> Result<bool> {
    let Press::Cancel(id) = press else {
        return Ok(false);
    };
    Ok(!cancel::may(request, *id).await?)
}

/// Carries a press out.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn handle(request: &Request, press: Press) -> Result<Reply> {
    match press {
        Press::Cancel(id) => cancel::cancel(request, id).await,
        Press::Again(id) => retry::again(request, id).await,
        Press::Undo(id) => undo::ask(request, id).await,
        Press::TakeBack(id) => undo::take_back(request, id).await,
        Press::Keep(id) => undo::keep(request, id).await,
        Press::Log(id) => output::file(request, id).await,
        Press::Job(id) => job::show(request, id).await,
        Press::Jobs(filter, at) => Ok(jobs::page(request, &filter, at).await?.in_place()),
        Press::KeptJobs(id, at) => Ok(jobs::kept_page(request, &id, at).await?.in_place()),
        Press::Found(id, page) => search::page(request, &id, page).await,
        Press::FoundFile(id) => search::file(request, &id).await,
        Press::FoundJob(id, job) => search::found_job(request, &id, job).await,
        Press::Rows(id, from, to) => {
            let rows = output::rows(request, id, Rows::Between(from, to)).await?;
            Ok(rows.in_place())
        }
        Press::Outbox(press) => outbox::pressed(request, press).await,
        Press::Schedule(press) => schedules::pressed(request, press).await,
        Press::Alert(press) => alerts::act::handle(request, press).await,
        Press::Flow(press) => workflows::handle(request, press).await,
        Press::Scripts(page) => Ok(run::list(request, page, None).await?.in_place()),
        Press::Streams(page) => {
            let stream = Some(OutputMode::Stream);
            Ok(run::list(request, page, stream).await?.in_place())
        }
        Press::Status(part) => Ok(status::show(request, &part).await?.in_place()),
        Press::Chart(subject, span, host) => status::chart(request, (subject, span), host).await,
        Press::Top(order) => Ok(top::show(request, order).await?.in_place()),
        Press::Run(script) => run::pressed(request, script, None).await,
        Press::Stream(script) => run::pressed(request, script, Some(OutputMode::Stream)).await,
        Press::GiveFile(intent, script) => files::give(request, &intent, script).await,
        Press::Users(page) => Ok(users::list(request, page, None).await?.in_place()),
        Press::Strangers(page) => Ok(users::strangers(request, page).await?.in_place()),
        Press::Person(user) => Ok(members::show(request, user).await?.in_place()),
        Press::Lend(user, role) => Ok(members::lend(request, user, role).await?.in_place()),
        Press::Give(user, role, hours) => {
            Ok(members::give(request, user, role, hours).await?.in_place())
        }
        Press::Revoke(user) => {
            let change = Change::NoRole { user };
            Ok(members::change(request, change).await?.in_place())
        }
        Press::Rights(user, page) => Ok(members::rights(request, user, page).await?.in_place()),
        Press::LendScript(user, script) => Ok(members::lend_script(request, user, &script)
            .await?
            .in_place()),
        Press::GiveScript(user, script, hours) => {
            let given = members::give_script(request, user, &script, hours).await?;
            Ok(given.in_place())
        }
        Press::RevokeScript(user, script) => {
            let change = Change::NoScript { user, script };
            Ok(members::change(request, change).await?.in_place())
        }
        Press::Ignore(user) => Ok(members::ignore(request, user).await?.in_place()),
        Press::Allow(chat, role) => {
            let place = Place { chat, thread: None };
            let change = Change::Chat { place, role };
            Ok(members::change(request, change).await?.in_place())
        }
        Press::Remove(chat) => {
            let place = Place { chat, thread: None };
            let change = Change::NoChat { place };
            Ok(members::change(request, change).await?.in_place())
        }
        Press::Groups(page) => Ok(chats::list(request, page).await?.in_place()),
        Press::Group(chat) => Ok(chats::show(request, chat).await?.in_place()),
        Press::Leave(chat) => Ok(chats::leave(request, chat).await?.in_place()),
        Press::InviteAs(role) => Ok(invite::times(request, role).await?.in_place()),
        Press::Invite(role, hours) => Ok(invite::pressed(request, role, hours).await?.in_place()),
        Press::Withdraw(id) => Ok(invite::withdraw(request, id).await?.in_place()),
        Press::Audit(part) => Ok(audit::pressed(request, &part).await?.in_place()),
        Press::Confirm(intent) => confirm(request, &intent).await,
        Press::Drop(intent) => {
            offers::open(request, &intent).await?;
            offers::take(request, &intent).await?;
            Ok(Reply::html("Dropped. Nothing was run.").in_place())
        }
        Press::Ask { dialog, step, tap } => dialog::pressed(request, dialog, step, tap).await,
    }
}

/// A press that came too late to be carried out unasked.
///
/// # Errors
/// A failure of ours.
pub async fn offer_late(request: &Request, data: &str) -> Result<Reply> {
    let asked = Asked::new("press.late", data, Role::Viewer);
    request.allow(asked).await?;
    let offer = Offer::LatePress {
        data: data.to_owned(),
    };
    let intent = offers::keep(request, &offer, LATE_WITHIN).await?;
    Ok(Reply::html(format!(
        "{} pressed a button while I was away. Do it now?",
        escape(&request.actor.name)
    ))
    .buttons(now_or_never(&intent)))
}

/// *Run now* and *Drop*.
#[must_use]
pub fn now_or_never(intent: &str) -> crate::delivery::Buttons {
    vec![vec![
        Press::Confirm(intent.to_owned()).button("Run now"),
        Press::Drop(intent.to_owned()).button("Drop"),
    ]]
}

/// Does what was offered. The intent is the source of what it makes and is marked afterwards: a crash in between loses
/// nothing, and a second press makes nothing.
async fn confirm(request: &Request, intent: &str) -> Result<Reply> {
    let offer = offers::open(request, intent).await?;
    let mut request = request.clone();
    request.source = format!("intent:{intent}");
    let reply = match offer {
        Offer::Run(offer) => run::confirmed(&request, offer).await?,
        Offer::Schedule(offer) => {
            let made = schedule::confirmed(&request, offer, intent).await?;
            return Ok(made.in_place());
        }
        Offer::Broadcast { text } => broadcast::confirmed(&request, &text).await?,
        Offer::Change(change) => {
            let done = members::carry_out(&request, change, Some(intent)).await?;
            return Ok(done.in_place());
        }
        Offer::Late {
            text,
            message,
            file,
        } => late_command(&request, &text, message, file).await?,
        Offer::File { .. } => {
            return Err(Error::refused("This button no longer stands for anything."));
        }
        Offer::Jobs { .. } | Offer::Search(_) => return Err(offers::stale()),
        Offer::LatePress { data } => {
            let press = Press::read(&data).filter(|press| !matches!(press, Press::Confirm(_)));
            let press = press.ok_or_else(|| {
                Error::refused("That button no longer stands for anything. Send the command again.")
            })?;
            let reply = Box::pin(handle(&request, press)).await?;
            instead_of_offer(reply, "Done, as you asked.")
        }
    };
    if let Err(error) = offers::take(&request, intent).await {
        // It was done, and that is what is said; a second press finds by its source that it was.
        tracing::error!(?error, "an offer could not be marked as answered");
    }
    Ok(reply)
}

async fn late_command(
    request: &Request,
    text: &str,
    message: Option<MessageId>,
    file: Option<Attached>,
) -> Result<Reply> {
    let line = read_line(text);
    let command = line.as_ref().and_then(|line| Command::named(&line.name));
    let (Some(line), Some(command)) = (&line, command) else {
        return Err(Error::refused("That command no longer exists."));
    };
    let mut as_typed = request.clone();
    as_typed.message = message;
    as_typed.attached = file;
    as_typed.from = From::Message;
    let reply = Box::pin(command.handle(&as_typed, line.rest)).await?;
    let done = format!("Running <code>{}</code> now.", escape(&shorten(text, 200)));
    Ok(instead_of_offer(reply, &done))
}

/// The answer in place of the offer, whose buttons have done their work; `done` where a card answers.
fn instead_of_offer(reply: Reply, done: &str) -> Reply {
    match (&reply.file, reply.html.is_empty()) {
        (Some(_), _) => reply,
        (None, false) => reply.in_place(),
        (None, true) => Reply {
            html: done.to_owned(),
            ..reply.in_place()
        },
    }
}
