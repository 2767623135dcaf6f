//! Live edits: what a job looks like while it runs. The newest counts, and any may be left out.

use super::{Lane, Offer, Step, call, hold, take_turn, touch, wait};
use crate::base::time::Millis;
use crate::delivery::limits::Urgency;
use crate::delivery::message::Outgoing;
use crate::delivery::retry::{self, Decision, Tried};
use crate::delivery::send::Manner;
use crate::delivery::{Outbox, locked};
use crate::store;
use std::time::{Duration, Instant};

/// Pause between two live edits of one message in a private chat.
const LIVE_PRIVATE: Duration = Duration::from_millis(1500);
/// The same in a group, whose budget is shared by its members.
pub(super) const LIVE_GROUP: Duration = Duration::from_millis(3000);

/// Sends the live edit that is due first.
pub(super) async fn send_live(outbox: &Outbox, lane: &Lane) -> store::Result<Step> {
    if locked(&outbox.inner.gone).contains(&lane.chat) {
        locked(&lane.state).live.clear();
        return Ok(Step::Idle);
    }
    let now = Instant::now();
    let strained = locked(&outbox.inner.limits).is_strained(lane.chat, now);
    let pace = match lane.chat.is_private() {
        true => LIVE_PRIVATE,
        false => LIVE_GROUP,
    } * if strained { 2 } else { 1 };
    let due = {
        let state = locked(&lane.state);
        state
            .live
            .keys()
            .map(|slot| {
                let ready = state.touched.get(slot).map_or(now, |(at, _)| *at + pace);
                (ready, slot.clone())
            })
            .min()
    };
    let Some((ready, slot)) = due else {
        return Ok(Step::Idle);
    };
    let wait = wait(outbox, lane, Urgency::Live).max(ready.saturating_duration_since(now));
    if !wait.is_zero() {
        return Ok(Step::Wait(wait));
    }
    let is_elsewhere = matches!(locked(&lane.state).live.get(&slot), Some(Offer::Elsewhere));
    let (target, elsewhere) = {
        let mut db = outbox.inner.store.read().await?;
        let known = store::outbox::slot(&mut db, &slot, lane.chat).await?;
        let elsewhere = match is_elsewhere {
            true => store::live::newest(&mut db, &slot).await?,
            false => None,
        };
        let target = known.or_else(|| locked(&lane.state).unmarked.as_ref()?.of_slot(&slot));
        (target, elsewhere)
    };
    let offered = {
        let mut state = locked(&lane.state);
        let offered: Option<Outgoing> = match state.live.remove(&slot) {
            Some(Offer::Here(message)) => Some(*message),
            Some(Offer::Elsewhere) => elsewhere.and_then(|json| serde_json::from_str(&json).ok()),
            None => None,
        };
        // One that waited may say by now what is shown already.
        offered.filter(|new| {
            let shown = state.touched.get(&slot);
            shown.is_none_or(|(_, body)| target.is_none() || *body != new.body)
        })
    };
    let Some(message) = offered else {
        return Ok(Step::Sent);
    };
    if let Some(wait) = take_turn(outbox, lane, Urgency::Live) {
        let offer = match is_elsewhere {
            true => Offer::Elsewhere,
            false => Offer::Here(Box::new(message)),
        };
        locked(&lane.state).live.entry(slot).or_insert(offer);
        return Ok(Step::Wait(wait));
    }
    // Without a message to edit there is nothing live to show: its first form is a promise, not an offer. Only a group
    // that moved left its message behind, and gets a new one.
    if target.is_none() && outbox.former_id(lane.chat).is_none() {
        return Ok(Step::Sent);
    }
    touch(lane, Some(&slot), &message.body);
    match call(outbox, lane, &message, target, Manner::default()).await {
        Ok(sent) if target.is_none() => {
            let mut tx = outbox.inner.store.begin().await?;
            store::outbox::put_slot(&mut tx, &slot, lane.chat, sent.message, Millis::now()).await?;
            outbox.inner.store.commit(tx).await?;
        }
        Ok(_) => {}
        Err(error) => {
            let tried = Tried {
                plain: true,
                ..Tried::default()
            };
            let decision = retry::decide(&error, tried);
            tracing::debug!(chat = %lane.chat, %error, ?decision, "a live edit was skipped");
            match decision {
                Decision::Pause(_) | Decision::Again(_) => hold(outbox, lane, &decision),
                Decision::Moved(to) => outbox.chat_moved(lane.chat, to).await?,
                Decision::Gone(reason) => outbox.chat_gone(lane.chat, &reason).await?,
                Decision::Done
                | Decision::SendNew
                | Decision::LeaveTopic(_)
                | Decision::AsFile
                | Decision::LeaveFile
                | Decision::Plain
                | Decision::GiveUp(_) => {}
            }
        }
    }
    Ok(Step::Sent)
}
