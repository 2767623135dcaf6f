//! `/outbox`: what waits to be sent, since when and why, what failed lately; with trying again and dropping.

pub mod press;
mod words;

use super::{About, jobs};
use crate::access::{Asked, Grant};
use crate::base::error::{Error, Result};
use crate::base::ids::{ChatId, JobId};
use crate::base::role::Role;
use crate::base::text::{escape, grouped};
use crate::base::time::{Millis, human};
use crate::chat::keyboards::{Press, in_pairs};
use crate::chat::reply::Reply;
use crate::chat::request::Request;
use crate::store;
use crate::store::waiting::{self, Delivery, LATELY, Message, Queue};
use press::OutboxPress;
use std::time::Duration;
use words::{name, reason, state, what};

/// What the help says.
pub const ABOUT: About = About {
    name: "outbox",
    form: "[number|retry all]",
    does: "Show what waits to be sent, and what failed",
    example: (
        "/outbox",
        "shows the chats that messages wait for and why, with buttons to try again or to drop",
    ),
    role: Some(Role::Admin),
    acts: false,
};

/// Chats on the page, and failures.
const CHATS: u32 = 10;
const FAILURES: u32 = 8;
/// Messages on a chat's page.
const PAGE: u32 = 8;
/// The most chats and failures that are tried again at once.
const AT_ONCE: u32 = 500;
/// Of a job's messages, how many are looked at for `/job`.
const OF_JOB: u32 = 50;

/// Shows the outbox, or tries all again.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn handle(request: &Request, rest: &str) -> Result<Reply> {
    let words: Vec<_> = rest.split_whitespace().map(str::to_lowercase).collect();
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        [] => show(request, "").await,
        ["retry", "all"] => retry_all(request).await,
        [number] => match number.parse().ok().filter(|id| *id > 0) {
            Some(id) => message(request, id, "").await,
            None => Err(usage()),
        },
        _ => Err(usage()),
    }
}

/// Carries out a pressed button.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn pressed(request: &Request, press: OutboxPress) -> Result<Reply> {
    let reply = match press {
        OutboxPress::All => show(request, "").await?,
        OutboxPress::Message(id) => message(request, id, "").await?,
        OutboxPress::Chat(chat, after) => of_chat(request, chat, after).await?,
        OutboxPress::Retry(id) => retry(request, id).await?,
        OutboxPress::RetryChat(chat) => retry_chat(request, chat).await?,
        OutboxPress::RetryAll => retry_all(request).await?,
        OutboxPress::Ask(id) => ask(request, id).await?,
        OutboxPress::AskChat(chat, last) => ask_chat(request, chat, last).await?,
        OutboxPress::Drop(id) => drop_one(request, id).await?,
        OutboxPress::DropChat(chat, last) => drop_chat(request, chat, last).await?,
    };
    Ok(reply.in_place())
}

/// How a job's result reached its chat, in a line or two for `/job`; `None` when nothing was to be told yet.
///
/// # Errors
/// A failure of ours.
pub async fn told(request: &Request, id: JobId) -> Result<Option<String>> {
    let messages = {
        let mut db = request.services.store.read().await?;
        waiting::of_job(&mut db, id, OF_JOB).await?
    };
    let now = Millis::now();
    let mut parts = Vec::new();
    let count = |delivery: Delivery| messages.iter().filter(|m| m.delivery == delivery).count();
    for (delivery, word) in [
        (Delivery::Sent(false), "sent"),
        (Delivery::Sent(true), "brought up to date"),
        (Delivery::Pending, "queued"),
        (Delivery::Failed, "failed"),
        (Delivery::Dropped, "dropped"),
    ] {
        let newest = messages.iter().find(|m| m.delivery == delivery);
        let Some(newest) = newest else { continue };
        let times = match count(delivery) {
            1 => String::new(),
            many => format!(" {many} times"),
        };
        let why = match delivery {
            Delivery::Sent(_) | Delivery::Replaced => String::new(),
            Delivery::Pending => match state(request, newest) {
                words if words.is_empty() => String::new(),
                words => format!(" since {} ({words})", jobs::clock(newest.created_at, now)),
            },
            Delivery::Failed => format!(" ({})", reason(newest)),
            Delivery::Dropped => format!(" by {}", reason(newest)),
        };
        parts.push(format!("{word}{times}{why}"));
    }
    Ok((!parts.is_empty()).then(|| format!("In the chat: {}", escape(&parts.join(", ")))))
}

async fn allow(request: &Request, action: &'static str, target: String) -> Result<Grant> {
    request.allow(Asked::new(action, target, Role::Admin)).await
}

/// The whole outbox; `first` is a line above it.
async fn show(request: &Request, first: &str) -> Result<Reply> {
    let grant = allow(request, "outbox.show", String::new()).await?;
    let now = Millis::now();
    let (pending, queues, failed) = {
        let mut db = request.services.store.read().await?;
        (
            store::outbox::pending(&mut db).await?,
            waiting::queues(&mut db, CHATS).await?,
            waiting::failed(&mut db, now.minus(LATELY), FAILURES).await?,
        )
    };
    let mut lines: Vec<String> = (!first.is_empty())
        .then(|| first.to_owned())
        .into_iter()
        .collect();
    let mut buttons = Vec::new();
    match pending {
        0 => lines.push("Nothing waits to be sent.".to_owned()),
        1 => lines.push("One message waits to be sent.".to_owned()),
        many => lines.push(format!("{} messages wait to be sent.", grouped(many))),
    }
    for queue in &queues {
        lines.push(queue_line(request, queue, now).await?);
        let label = format!("{} ({})", name(request, queue.chat), queue.count);
        buttons.push(Press::Outbox(OutboxPress::Chat(queue.chat, 0)).button(label));
    }
    let rest = pending.saturating_sub(queues.iter().map(|queue| queue.count).sum());
    if rest > 0 {
        lines.push(format!("… and {} for other chats", grouped(rest)));
    }
    match failed.is_empty() {
        true => lines.push("Nothing failed in the last 24 hours.".to_owned()),
        false => lines.push("Failed in the last 24 hours, newest first:".to_owned()),
    }
    for message in &failed {
        lines.push(format!(
            "{} to {} at {} · {}: {}",
            message.id,
            escape(&name(request, message.chat)),
            jobs::clock(message.done_at.unwrap_or(message.created_at), now),
            what(request, message, grant.role()).await?,
            escape(&reason(message))
        ));
        let label = format!("Failed: {}", message.id);
        buttons.push(Press::Outbox(OutboxPress::Message(message.id)).button(label));
    }
    let mut rows = in_pairs(buttons);
    let mut last = vec![Press::Outbox(OutboxPress::All).button("Refresh")];
    if pending > 0 || !failed.is_empty() {
        last.insert(0, Press::Outbox(OutboxPress::RetryAll).button("Retry all"));
    }
    rows.push(last);
    Ok(Reply::html(lines.join("\n")).buttons(rows))
}

async fn queue_line(request: &Request, queue: &Queue, now: Millis) -> Result<String> {
    let oldest = {
        let mut db = request.services.store.read().await?;
        waiting::find(&mut db, queue.first).await?
    };
    let why = oldest.map_or_else(String::new, |oldest| state(request, &oldest));
    let why = if why.is_empty() {
        why
    } else {
        format!(" · {why}")
    };
    Ok(format!(
        "{}: {} since {} ({}){}",
        escape(&name(request, queue.chat)),
        grouped(queue.count),
        jobs::clock(queue.since, now),
        human(Duration::from_secs(now.since(queue.since).as_secs())),
        escape(&why)
    ))
}

/// What waits for one chat.
async fn of_chat(request: &Request, chat: ChatId, after: i64) -> Result<Reply> {
    let grant = allow(request, "outbox.show", chat.to_string()).await?;
    let (mut messages, queue) = {
        let mut db = request.services.store.read().await?;
        let messages = waiting::of_chat(&mut db, chat, after, PAGE + 1).await?;
        let queues = waiting::queues(&mut db, AT_ONCE).await?;
        (
            messages,
            queues.into_iter().find(|queue| queue.chat == chat),
        )
    };
    let Some(queue) = queue else {
        let gone = format!(
            "Nothing waits for {} any more.",
            escape(&name(request, chat))
        );
        return show(request, &gone).await;
    };
    let now = Millis::now();
    let more = messages.len() > PAGE as usize;
    messages.truncate(PAGE as usize);
    let mut lines = vec![queue_line(request, &queue, now).await?];
    let mut buttons = Vec::new();
    for message in &messages {
        lines.push(format!(
            "{} · {} · {}",
            message.id,
            jobs::clock(message.created_at, now),
            what(request, message, grant.role()).await?
        ));
        let label = message.id.to_string();
        buttons.push(Press::Outbox(OutboxPress::Message(message.id)).button(label));
    }
    let mut rows: Vec<_> = buttons.chunks(4).map(<[_]>::to_vec).collect();
    rows.push(vec![
        Press::Outbox(OutboxPress::RetryChat(chat)).button("Retry"),
        Press::Outbox(OutboxPress::AskChat(chat, queue.last)).button("Drop all"),
    ]);
    let mut turn = vec![Press::Outbox(OutboxPress::All).button("‹ Outbox")];
    if let Some(last) = messages.last().filter(|_| more) {
        turn.push(Press::Outbox(OutboxPress::Chat(chat, last.id)).button("More ›"));
    }
    rows.push(turn);
    Ok(Reply::html(lines.join("\n")).buttons(rows))
}

/// One message; `first` is a line above it.
async fn message(request: &Request, id: i64, first: &str) -> Result<Reply> {
    let grant = allow(request, "outbox.show", id.to_string()).await?;
    let message = find(request, id).await?;
    let now = Millis::now();
    let done = jobs::clock(message.done_at.unwrap_or(message.created_at), now);
    let (stands, can_retry, can_drop) = match message.delivery {
        Delivery::Pending => {
            let tries = match message.attempts {
                0 => String::new(),
                1 => ", tried once".to_owned(),
                many => format!(", tried {many} times"),
            };
            let why = state(request, &message);
            let why = if why.is_empty() {
                why
            } else {
                format!(": {why}")
            };
            (format!("It waits{tries}{why}."), true, true)
        }
        Delivery::Sent(false) => (format!("It was sent at {done}."), false, false),
        Delivery::Sent(true) => (format!("It was sent at {done}, as an edit."), false, false),
        Delivery::Failed => (
            format!("It failed at {done}: {}", reason(&message)),
            true,
            true,
        ),
        Delivery::Replaced => (
            format!("A newer one took its place at {done}."),
            false,
            false,
        ),
        Delivery::Dropped => {
            let by = reason(&message);
            (format!("It was dropped by {by} at {done}."), true, false)
        }
    };
    let first = if first.is_empty() {
        String::new()
    } else {
        format!("{first}\n")
    };
    let html = format!(
        "{first}Message {id} to {}, promised at {}\n{}\n{}",
        escape(&name(request, message.chat)),
        jobs::clock(message.created_at, now),
        what(request, &message, grant.role()).await?,
        escape(&stands)
    );
    let mut row = Vec::new();
    if can_retry {
        row.push(Press::Outbox(OutboxPress::Retry(id)).button("Retry"));
    }
    if can_drop {
        row.push(Press::Outbox(OutboxPress::Ask(id)).button("Drop"));
    }
    let back = vec![Press::Outbox(OutboxPress::All).button("‹ Outbox")];
    let rows = match row.is_empty() {
        true => vec![back],
        false => vec![row, back],
    };
    Ok(Reply::html(html).buttons(rows))
}

async fn retry(request: &Request, id: i64) -> Result<Reply> {
    let grant = allow(request, "outbox.retry", id.to_string()).await?;
    let before = find(request, id).await?;
    let waits = before.delivery == Delivery::Pending;
    let outbox = &request.services.outbox;
    if !waits && outbox.is_gone(before.chat) {
        outbox.chat_back(outbox.current_id(before.chat)).await?;
    }
    let again = write(request, &grant, Deed::Retry(&[id])).await?;
    if again == 0 && !waits {
        return Err(Error::refused(match before.delivery {
            Delivery::Sent(_) => "It was sent already.",
            Delivery::Pending | Delivery::Failed | Delivery::Replaced | Delivery::Dropped => {
                "A newer message took its place, so there is nothing to send."
            }
        }));
    }
    outbox.hurry(before.chat);
    message(request, id, "Trying again.").await
}

async fn retry_chat(request: &Request, chat: ChatId) -> Result<Reply> {
    let grant = allow(request, "outbox.retry", format!("chat {chat}")).await?;
    write(request, &grant, Deed::Retry(&[])).await?;
    request.services.outbox.hurry(chat);
    show(request, "Trying again.").await
}

async fn retry_all(request: &Request) -> Result<Reply> {
    let grant = allow(request, "outbox.retry", "all".to_owned()).await?;
    let (failed, queues) = {
        let mut db = request.services.store.read().await?;
        let since = Millis::now().minus(LATELY);
        (
            waiting::failed(&mut db, since, AT_ONCE).await?,
            waiting::queues(&mut db, AT_ONCE).await?,
        )
    };
    let outbox = &request.services.outbox;
    for message in &failed {
        outbox.chat_back(outbox.current_id(message.chat)).await?;
    }
    let ids: Vec<_> = failed.iter().map(|message| message.id).collect();
    let again = write(request, &grant, Deed::Retry(&ids)).await?;
    let waiting = queues.iter().map(|queue| queue.count).sum::<u64>() + again;
    for chat in queues
        .iter()
        .map(|q| q.chat)
        .chain(failed.iter().map(|m| m.chat))
    {
        outbox.hurry(chat);
    }
    let first = match waiting {
        0 => "There is nothing to try again.".to_owned(),
        1 => "One message is tried again.".to_owned(),
        many => format!("{} messages are tried again.", grouped(many)),
    };
    show(request, &first).await
}

async fn ask(request: &Request, id: i64) -> Result<Reply> {
    let grant = allow(request, "outbox.show", id.to_string()).await?;
    let message = find(request, id).await?;
    if !matches!(message.delivery, Delivery::Pending | Delivery::Failed) {
        return Err(no_longer());
    }
    let html = format!(
        "Drop message {id} to {}? {} It will not be sent.",
        escape(&name(request, message.chat)),
        what(request, &message, grant.role()).await?
    );
    Ok(Reply::html(html).buttons(vec![vec![
        Press::Outbox(OutboxPress::Drop(id)).button("Drop it"),
        Press::Outbox(OutboxPress::Message(id)).button("Keep it"),
    ]]))
}

async fn ask_chat(request: &Request, chat: ChatId, last: i64) -> Result<Reply> {
    allow(request, "outbox.show", chat.to_string()).await?;
    let html = format!(
        "Drop everything that waits for {}? None of it will be sent. What comes after message {last} is not touched.",
        escape(&name(request, chat))
    );
    Ok(Reply::html(html).buttons(vec![vec![
        Press::Outbox(OutboxPress::DropChat(chat, last)).button("Drop all of it"),
        Press::Outbox(OutboxPress::Chat(chat, 0)).button("Keep it"),
    ]]))
}

async fn drop_one(request: &Request, id: i64) -> Result<Reply> {
    let grant = allow(request, "outbox.drop", id.to_string()).await?;
    let message = find(request, id).await?;
    if write(request, &grant, Deed::Drop(id)).await? == 0 {
        return Err(no_longer());
    }
    request.services.outbox.kick(message.chat);
    let first = format!(
        "Message {id} was dropped. If it was on its way, Telegram may have it all the same."
    );
    show(request, &first).await
}

async fn drop_chat(request: &Request, chat: ChatId, last: i64) -> Result<Reply> {
    let grant = allow(request, "outbox.drop", format!("chat {chat} up to {last}")).await?;
    let dropped = write(request, &grant, Deed::DropChat(chat, last)).await?;
    if dropped == 0 {
        return Err(no_longer());
    }
    request.services.outbox.kick(chat);
    let first = match dropped {
        1 => "One message was dropped.".to_owned(),
        many => format!("{} messages were dropped.", grouped(many)),
    };
    show(request, &first).await
}

/// What is done to messages.
enum Deed<'a> {
    /// These that failed or were dropped wait again.
    Retry(&'a [i64]),
    /// This one is closed.
    Drop(i64),
    /// Those of this chat are, up to this one.
    DropChat(ChatId, i64),
}

/// Does it, with the decision that allowed it in the same transaction; returns how many messages it changed.
async fn write(request: &Request, grant: &Grant, deed: Deed<'_>) -> Result<u64> {
    let (by, now) = (request.actor.name.replace('\0', "\u{fffd}"), Millis::now());
    let mut tx = grant.begin(&request.services.store).await?;
    let changed = match deed {
        Deed::Retry(ids) => {
            let mut again = 0;
            for id in ids {
                again += u64::from(waiting::retry(&mut tx, *id).await?);
            }
            again
        }
        Deed::Drop(id) => u64::from(waiting::drop_one(&mut tx, id, &by, now).await?),
        Deed::DropChat(chat, last) => waiting::drop_all(&mut tx, chat, last, &by, now).await?,
    };
    tx.commit().await?;
    Ok(changed)
}

async fn find(request: &Request, id: i64) -> Result<Message> {
    let mut db = request.services.store.read().await?;
    let found = waiting::find(&mut db, id).await?;
    found.ok_or_else(|| {
        Error::refused(format!(
            "There is no message {id} in the outbox. /outbox lists what waits."
        ))
    })
}

fn no_longer() -> Error {
    Error::refused("That does not wait any more. /outbox shows what does.")
}

fn usage() -> Error {
    Error::refused(
        "Write /outbox to see what waits, /outbox and a number for one message, or /outbox retry all.",
    )
}
