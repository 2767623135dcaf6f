//! Rows: messages that must arrive. What was sent is marked, what failed is decided on.

use super::{
    Head, Lane, STORE_PAUSE, Step, Unmarked, call, hold, removal, sealed, take_turn, touch,
};
use crate::base::ids::{ChatId, MessageId, Place, ThreadId};
use crate::base::time::Millis;
use crate::delivery::limits::Urgency;
use crate::delivery::message::{Body, Outgoing};
use crate::delivery::retry::{self, Decision, Topic, Tried};
use crate::delivery::send::Manner;
use crate::delivery::{Outbox, locked};
use crate::store;

/// Sends the first row of the lane.
pub(super) async fn send_row(
    outbox: &Outbox,
    lane: &Lane,
    row: store::outbox::Pending,
) -> store::Result<Step> {
    let now = outbox.current_id(lane.chat);
    if now != lane.chat {
        // It was written while the move was noted; noting the move again takes it along.
        outbox.chat_moved(lane.chat, now).await?;
        return Ok(Step::Sent);
    }
    if locked(&outbox.inner.gone).contains(&lane.chat) {
        let mut tx = outbox.inner.store.begin().await?;
        store::outbox::mark_failed(&mut tx, row.id, "the chat cannot be reached", Millis::now())
            .await?;
        outbox.inner.store.commit(tx).await?;
        return Ok(Step::Sent);
    }
    let message: Outgoing = match serde_json::from_str(&row.payload) {
        Ok(message) => message,
        Err(error) => return close_row(outbox, row.id, &error.to_string()).await,
    };
    let own = message.edits.filter(|_| message.place.chat == lane.chat);
    let unmarked = locked(&lane.state).unmarked.clone();
    let target = row
        .target
        .or_else(|| unmarked.as_ref()?.of_slot(row.slot.as_deref()?))
        .or(own);
    if let Some(unmarked) = unmarked.filter(|unmarked| unmarked.row == row.id) {
        if unmarked.is_begun {
            return sealed::note_begun(outbox, lane, &row, unmarked.message).await;
        }
        let edited = target == Some(unmarked.message);
        let step = mark_sent(outbox, lane, &row, unmarked.message, edited).await?;
        settle_file(outbox, &message, unmarked.without_file);
        return Ok(step);
    }
    let mut head = match locked(&lane.state).head {
        Some(head) if head.row == row.id => head,
        _ => Head {
            row: row.id,
            ..Head::default()
        },
    };
    if !outbox.inner.store.presence().leads_for_certain() {
        return Ok(Step::Wait(STORE_PAUSE));
    }
    if let Some(wait) = take_turn(outbox, lane, Urgency::Result) {
        return Ok(Step::Wait(wait));
    }
    if message.removes {
        return removal::send(outbox, lane, &row, &message, target).await;
    }
    let (said, is_begun) = sealed::next_form(outbox, &row, &message, target);
    match call(outbox, lane, &said, target, head.manner).await {
        Ok(sent) => {
            touch(lane, row.slot.as_deref(), &message.body);
            locked(&lane.state).unmarked = Some(Unmarked {
                row: row.id,
                slot: row.slot.clone(),
                message: sent.message,
                without_file: sent.without_file,
                is_begun,
            });
            if is_begun {
                return sealed::note_begun(outbox, lane, &row, sent.message).await;
            }
            let edited = target == Some(sent.message);
            let step = mark_sent(outbox, lane, &row, sent.message, edited).await?;
            settle_file(outbox, &message, sent.without_file);
            Ok(step)
        }
        Err(error) => {
            let is_file = matches!(message.body, Body::Document { .. });
            head.choked += u32::from(retry::is_choke(&error, is_file));
            locked(&lane.state).head = Some(head);
            let tried = Tried {
                attempts: row.attempts,
                choked: head.choked,
                plain: head.manner.plain,
                as_file: head.manner.as_file,
                left_topic: head.manner.leave_topic.is_some() || message.place.thread.is_none(),
                is_file,
            };
            let mut decision = retry::decide(&error, tried);
            let file = matches!(message.body, Body::Document { .. }) && !head.manner.without_file;
            if file && matches!(decision, Decision::GiveUp(_)) {
                // The text under a file may be all that tells an ending: it goes without the file.
                head.manner = Manner {
                    plain: false,
                    without_file: true,
                    ..head.manner
                };
                decision = Decision::LeaveFile;
            }
            tracing::warn!(chat = %lane.chat, row = row.id, %error, ?decision, "a message did not go");
            // Before the database is asked: its trouble must not make us forget Telegram's word.
            hold(outbox, lane, &decision);
            let words = error.to_string();
            follow(outbox, lane, &row, target, head, decision, &words).await
        }
    }
}

/// Lets go of the file of a row that is marked as sent.
fn settle_file(outbox: &Outbox, message: &Outgoing, without_file: bool) {
    if let Body::Document { key, name, .. } = &message.body {
        match without_file {
            true => outbox.inner.attachments.refused(key, name),
            false => outbox.inner.attachments.sent(key),
        }
    }
}

/// Marks a row as sent; until that holds, the lane itself remembers that it was.
pub(super) async fn mark_sent(
    outbox: &Outbox,
    lane: &Lane,
    row: &store::outbox::Pending,
    sent: MessageId,
    edited: bool,
) -> store::Result<Step> {
    let mut tx = outbox.inner.store.begin().await?;
    let slot = row.slot.as_deref();
    let now = Millis::now();
    store::outbox::mark_sent(&mut tx, row.id, lane.chat, slot, sent, edited, now).await?;
    outbox.inner.store.commit(tx).await?;
    locked(&lane.state).unmarked = None;
    Ok(Step::Sent)
}

/// Carries out what was decided about a row that did not go.
pub(super) async fn follow(
    outbox: &Outbox,
    lane: &Lane,
    row: &store::outbox::Pending,
    target: Option<MessageId>,
    head: Head,
    decision: Decision,
    error: &str,
) -> store::Result<Step> {
    // First of all: it holds even if the database refuses what follows.
    hold(outbox, lane, &decision);
    let mut tx = outbox.inner.store.begin().await?;
    let step = match decision {
        Decision::Done => {
            let message = target.unwrap_or(MessageId(0));
            let slot = row.slot.as_deref().filter(|_| target.is_some());
            let (edited, now) = (target.is_some(), Millis::now());
            store::outbox::mark_sent(&mut tx, row.id, lane.chat, slot, message, edited, now)
                .await?;
            Step::Sent
        }
        Decision::Pause(pause) | Decision::Again(pause) => {
            store::outbox::mark_attempt(&mut tx, row.id, error).await?;
            Step::Wait(pause)
        }
        Decision::Moved(to) => {
            drop(tx);
            outbox.chat_moved(lane.chat, to).await?;
            return Ok(Step::Sent);
        }
        Decision::Gone(reason) => {
            drop(tx);
            outbox.chat_gone(lane.chat, &reason).await?;
            return Ok(Step::Sent);
        }
        Decision::SendNew => {
            locked(&lane.state).unmarked = None;
            return send_anew(outbox, lane, row, tx).await;
        }
        Decision::LeaveTopic(_) | Decision::Plain | Decision::AsFile | Decision::LeaveFile => {
            let mut manner = Manner {
                plain: head.manner.plain || decision == Decision::Plain,
                as_file: head.manner.as_file || decision == Decision::AsFile,
                ..head.manner
            };
            if let Decision::LeaveTopic(topic) = decision {
                manner.leave_topic = Some(topic);
                if topic == Topic::Gone {
                    topic_gone(outbox, &mut tx, lane.chat, row).await?;
                }
            }
            locked(&lane.state).head = Some(Head { manner, ..head });
            store::outbox::mark_attempt(&mut tx, row.id, error).await?;
            Step::Sent
        }
        Decision::GiveUp(reason) => {
            match without_file(outbox, row, &reason)? {
                // What the file was to say is said all the same.
                Some(text) => store::outbox::rewrite(&mut tx, row.id, &text).await?,
                None => {
                    store::outbox::mark_failed(&mut tx, row.id, &reason, Millis::now()).await?;
                }
            }
            Step::Sent
        }
    };
    outbox.inner.store.commit(tx).await?;
    Ok(step)
}

/// What the topic was told goes to its group from now on, where it can be seen and ended; the group is told so, once.
async fn topic_gone(
    outbox: &Outbox,
    tx: &mut store::Tx,
    chat: ChatId,
    row: &store::outbox::Pending,
) -> store::Result<()> {
    let message: Outgoing = serde_json::from_str(&row.payload)
        .map_err(|error| store::Error::Corrupt(error.to_string()))?;
    let place = Place {
        chat,
        ..message.place
    };
    let Some(ThreadId(thread)) = place.thread else {
        return Ok(());
    };
    if !store::subscriptions::leave_topic(tx, place).await? {
        return Ok(());
    }
    tracing::info!(%chat, thread, "a topic is gone; its group is told of incidents in its place");
    let words = "🔕 A topic that was told of incidents is gone. From now on this group is told of them; \
                 /subscriptions shows of which, and ends it.";
    let group = Place { chat, thread: None };
    let notice = Outgoing::text(group, words.to_owned(), Vec::new())
        .source(format!("topic-gone:{chat}:{thread}"))
        .silent(true);
    outbox.promise(tx, &notice).await?;
    Ok(())
}

/// The row of a file that cannot be sent, as a text that says so; `None` for a row that is a text already.
fn without_file(
    outbox: &Outbox,
    row: &store::outbox::Pending,
    reason: &str,
) -> store::Result<Option<String>> {
    let corrupt = |error: serde_json::Error| store::Error::Corrupt(error.to_string());
    let mut message: Outgoing = serde_json::from_str(&row.payload).map_err(corrupt)?;
    let Body::Document {
        key,
        name,
        html,
        buttons,
    } = message.body
    else {
        return Ok(None);
    };
    tracing::error!(
        row = row.id,
        reason,
        "a file cannot be sent; its words go without it"
    );
    outbox.inner.attachments.refused(&key, &name);
    message.body = Body::Text {
        html: format!("{html}\nThe file could not be sent. The server keeps it."),
        buttons,
    };
    serde_json::to_string(&message).map(Some).map_err(corrupt)
}

/// The message to edit is gone: forget it, so that the next try sends a new one.
async fn send_anew(
    outbox: &Outbox,
    lane: &Lane,
    row: &store::outbox::Pending,
    mut tx: store::Tx,
) -> store::Result<Step> {
    if let Some(slot) = &row.slot {
        store::outbox::forget_slot(&mut tx, slot).await?;
    }
    if let Ok(mut message) = serde_json::from_str::<Outgoing>(&row.payload) {
        message.edits = None;
        let payload = serde_json::to_string(&message)
            .map_err(|error| store::Error::Corrupt(error.to_string()))?;
        store::outbox::rewrite(&mut tx, row.id, &payload).await?;
    }
    outbox.inner.store.commit(tx).await?;
    tracing::debug!(chat = %lane.chat, row = row.id, "the message to edit is gone; a new one follows");
    Ok(Step::Sent)
}

async fn close_row(outbox: &Outbox, id: i64, reason: &str) -> store::Result<Step> {
    let mut tx = outbox.inner.store.begin().await?;
    store::outbox::mark_failed(&mut tx, id, reason, Millis::now()).await?;
    outbox.inner.store.commit(tx).await?;
    Ok(Step::Sent)
}
