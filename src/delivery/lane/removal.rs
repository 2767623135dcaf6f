//! Rows that take a message away. Telegram deletes none that is older than 48 hours; its words are taken out then.

use super::rows::{follow, mark_sent};
use super::{Head, Lane, Step, call};
use crate::base::ids::MessageId;
use crate::delivery::Outbox;
use crate::delivery::message::Outgoing;
use crate::delivery::retry::{self, Decision, Tried};
use crate::delivery::send::{self, Manner};
use crate::store;

/// Deletes the message of the row's slot, or, where that is refused, takes its words out.
pub(super) async fn send(
    outbox: &Outbox,
    lane: &Lane,
    row: &store::outbox::Pending,
    message: &Outgoing,
    target: Option<MessageId>,
) -> store::Result<Step> {
    let Some(target) = target else {
        return done(outbox, lane, row).await;
    };
    let mut tried = send::delete(&outbox.inner.bots, lane.chat, target).await;
    if tried.as_ref().is_err_and(retry::is_too_old) {
        let edited = call(outbox, lane, message, Some(target), Manner::default()).await;
        tried = edited.map(drop);
    }
    let Err(error) = tried else {
        return done(outbox, lane, row).await;
    };
    let known = Tried {
        attempts: row.attempts,
        plain: true,
        left_topic: true,
        ..Tried::default()
    };
    let decision = retry::decide(&error, known);
    if retry::is_no_message(&error) || decision == Decision::SendNew {
        return done(outbox, lane, row).await;
    }
    tracing::warn!(chat = %lane.chat, row = row.id, %error, ?decision, "a message was not removed");
    if let Decision::GiveUp(_) = &decision {
        ask_for_help(outbox, message, row).await?;
    }
    let head = Head {
        row: row.id,
        ..Head::default()
    };
    let words = error.to_string();
    follow(outbox, lane, row, Some(target), head, decision, &words).await
}

/// Says that the message has to be deleted by hand.
async fn ask_for_help(
    outbox: &Outbox,
    message: &Outgoing,
    row: &store::outbox::Pending,
) -> store::Result<()> {
    let html = "🔑 A message above holds what is no longer to be seen, and Telegram does not let the bot remove it. Please delete it yourself.";
    let source = format!("stays:{}", row.id);
    let told = Outgoing::text(message.place, html, Vec::new()).source(source);
    outbox.post(&told).await
}

/// The slot keeps its message: nobody edits what is gone.
async fn done(outbox: &Outbox, lane: &Lane, row: &store::outbox::Pending) -> store::Result<Step> {
    let none = store::outbox::Pending {
        slot: None,
        ..row.clone()
    };
    mark_sent(outbox, lane, &none, MessageId(0), true).await
}
