//! Answers: sent without a row; what does not go at once becomes one, unless it must never be written down.

use super::super::limits::Urgency;
use super::super::message::Outgoing;
use super::super::retry::{self, Decision, Tried};
use super::super::send::Manner;
use super::super::{Answer, Outbox, locked};
use super::{Lane, STORE_PAUSE, Secret, Step, call, hold, take_turn};
use crate::base::ids::MessageId;
use crate::base::time::Millis;
use crate::store;
use teloxide::RequestError;

/// Sends the answer at the head of the lane.
pub(super) async fn send_answer(outbox: &Outbox, lane: &Lane) -> store::Result<Step> {
    if let Some(wait) = take_turn(outbox, lane, Urgency::Result) {
        return Ok(Step::Wait(wait));
    }
    let (answer, known) = {
        let mut state = locked(&lane.state);
        let known = std::mem::take(&mut state.secret);
        (state.answers.pop_front(), known)
    };
    let Some(answer) = answer else {
        return Ok(Step::Sent);
    };
    let message = &answer.message;
    let target = message.edits.filter(|_| !known.anew);
    let sent = call(outbox, lane, message, target, Manner::default()).await;
    if let (Ok(sent), Some(slot)) = (&sent, &message.slot) {
        note_slot(outbox, lane, slot, sent.message).await;
    }
    if let Err(error) = sent {
        match answer.instead.is_some() {
            true => return wait_or_give_up(outbox, lane, answer, known, &error).await,
            false => {
                let decision = retry::decide(&error, Tried::default());
                if let Err(error) = make_row(outbox, lane, message, decision, &error).await {
                    locked(&lane.state).answers.push_front(answer);
                    return Err(error);
                }
            }
        }
    }
    (answer.afterwards)().await;
    Ok(Step::Sent)
}

/// Writes which message the slot is, so that it can be changed or removed later. What cannot be written is left as it is.
async fn note_slot(outbox: &Outbox, lane: &Lane, slot: &str, message: MessageId) {
    let noted = async {
        let mut tx = outbox.inner.store.begin().await?;
        store::outbox::put_slot(&mut tx, slot, lane.chat, message, Millis::now()).await?;
        outbox.inner.store.commit(tx).await
    };
    if let Err(error) = noted.await {
        tracing::warn!(slot, %error, "it cannot be written which message this is");
    }
}

/// Whatever went wrong is the business of rows: they retry, in order, over restarts.
async fn make_row(
    outbox: &Outbox,
    lane: &Lane,
    message: &Outgoing,
    decision: Decision,
    error: &RequestError,
) -> store::Result<()> {
    match decision {
        Decision::Done => return Ok(()),
        Decision::Gone(reason) => return outbox.chat_gone(lane.chat, &reason).await,
        Decision::Pause(_) => hold(outbox, lane, &decision),
        Decision::Again(_)
        | Decision::Moved(_)
        | Decision::SendNew
        | Decision::LeaveTopic(_)
        | Decision::AsFile
        | Decision::LeaveFile
        | Decision::Plain
        | Decision::GiveUp(_) => {}
    }
    tracing::warn!(chat = %lane.chat, %error, "an answer did not go at once");
    outbox.post(message).await
}

/// A secret stays at the head of the lane while that may help; its update stays open, so that a restart makes it anew.
async fn wait_or_give_up(
    outbox: &Outbox,
    lane: &Lane,
    answer: Answer,
    known: Secret,
    error: &RequestError,
) -> store::Result<Step> {
    let tried = Tried {
        attempts: known.attempts,
        ..Tried::default()
    };
    let decision = retry::decide(error, tried);
    let again = Secret {
        attempts: known.attempts + 1,
        anew: known.anew || decision == Decision::SendNew,
    };
    match &decision {
        Decision::Done => {}
        Decision::Gone(reason) => {
            if let Err(error) = outbox.chat_gone(lane.chat, reason).await {
                locked(&lane.state).answers.push_front(answer);
                return Err(error);
            }
        }
        Decision::Pause(pause) | Decision::Again(pause) => {
            hold(outbox, lane, &decision);
            let mut state = locked(&lane.state);
            state.answers.push_front(answer);
            state.secret = again;
            return Ok(Step::Wait(*pause));
        }
        Decision::SendNew if !known.anew => {
            let mut state = locked(&lane.state);
            state.answers.push_front(answer);
            state.secret = again;
            return Ok(Step::Sent);
        }
        Decision::Moved(_)
        | Decision::SendNew
        | Decision::LeaveTopic(_)
        | Decision::AsFile
        | Decision::LeaveFile
        | Decision::Plain
        | Decision::GiveUp(_) => {
            tracing::warn!(chat = %lane.chat, %error, ?decision, "an answer could not be sent and is not written down");
            let words = answer.instead.clone().unwrap_or_default();
            let message = Outgoing::text(answer.message.place, words, Vec::new());
            let message = match answer.message.source.clone() {
                Some(source) => message.source(source),
                None => message,
            };
            if let Err(error) = outbox.post(&message).await {
                let mut state = locked(&lane.state);
                state.answers.push_front(answer);
                state.secret = known;
                tracing::error!(%error, "an answer waits for the database");
                return Ok(Step::Wait(STORE_PAUSE));
            }
        }
    }
    (answer.afterwards)().await;
    Ok(Step::Sent)
}
