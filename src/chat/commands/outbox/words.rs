//! Messages of the outbox in words: what they are, where they go, and why they wait.

use crate::base::error::Result;
use crate::base::ids::ChatId;
use crate::base::role::Role;
use crate::base::text::{self, escape};
use crate::base::time::human;
use crate::chat::request::Request;
use crate::delivery::{Body, Outgoing};
use crate::store;
use crate::store::waiting::Message;
use std::time::Duration;

/// What a message is, as far as this role may know.
pub(super) async fn what(request: &Request, message: &Message, role: Role) -> Result<String> {
    let outgoing: Option<Outgoing> = serde_json::from_str(&message.payload).ok();
    let (kind, words) = match outgoing.map(|outgoing| outgoing.body) {
        Some(Body::Text { html, .. }) => ("a text", html),
        Some(Body::Document { html, .. }) => ("a file", html),
        None => ("a message of another version", String::new()),
    };
    let job = match message.job {
        Some(id) => {
            let mut db = request.services.store.read().await?;
            store::jobs::find(&mut db, id).await?
        }
        None => None,
    };
    Ok(match job {
        Some(job) if job.new.role <= role => {
            format!("{kind} of #{} {}", job.id, escape(&job.new.title))
        }
        Some(_) => format!("{kind} of a job that you may not see"),
        // What somebody else was answered is shown to owners alone.
        None if role < Role::Owner => kind.to_owned(),
        None => {
            let plain = text::plain_of_html(&words);
            let first = plain.lines().next().unwrap_or_default();
            format!("{kind}: {}", escape(&text::shorten(first, 60)))
        }
    })
}

/// Why a message waits; empty when it is on its way.
pub(super) fn state(request: &Request, message: &Message) -> String {
    let pause = request.services.outbox.closed_for(message.chat);
    let next = match pause.is_zero() {
        true => String::new(),
        false => format!(
            "next try in {}",
            human(Duration::from_secs(pause.as_secs() + 1))
        ),
    };
    match (message.reason.is_some(), next.is_empty()) {
        (false, true) => String::new(),
        (false, false) => next,
        (true, true) => reason(message),
        (true, false) => format!("{}, {next}", reason(message)),
    }
}

/// Why it did not go, or who dropped it, in words for people.
pub(super) fn reason(message: &Message) -> String {
    let reason = message.reason.as_deref().unwrap_or("no reason is known");
    let lower = reason.to_lowercase();
    if lower.contains("network error") || lower.contains("error sending request") {
        "Telegram does not answer".to_owned()
    } else if lower.contains("retry after") {
        "Telegram asked to wait".to_owned()
    } else if lower.contains("parsing json") {
        "something else answers in Telegram’s place".to_owned()
    } else {
        text::shorten(reason, 100).into_owned()
    }
}

/// A chat as people know it.
pub(super) fn name(request: &Request, chat: ChatId) -> String {
    let person = crate::base::ids::UserId(chat.0);
    let known = match chat.is_private() {
        true => request.access().name_of(person),
        false => {
            let config = request.services.live.current();
            let before = request.services.outbox.former_id(chat);
            let listed =
                |listed: &&crate::config::Chat| listed.id == chat || Some(listed.id) == before;
            let listed = config.access.chats.iter().find(listed);
            listed.map(|listed| listed.name.clone())
        }
    };
    known.unwrap_or_else(|| format!("chat {chat}"))
}
