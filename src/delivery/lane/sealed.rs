//! Rows with sealed words: a message without them goes first, and is edited into them when it is written which one it is.

use super::{Lane, Step};
use crate::base::ids::MessageId;
use crate::base::time::Millis;
use crate::delivery::message::{Body, Outgoing};
use crate::delivery::seal::Seal;
use crate::delivery::{Outbox, locked};
use crate::store;
use std::borrow::Cow;

/// What of this row goes next, and whether its sealed words are still to follow.
pub(super) fn next_form<'a>(
    outbox: &Outbox,
    row: &store::outbox::Pending,
    message: &'a Outgoing,
    target: Option<MessageId>,
) -> (Cow<'a, Outgoing>, bool) {
    let Some(sealed) = &row.sealed else {
        return (Cow::Borrowed(message), false);
    };
    if target.is_none() {
        return (Cow::Borrowed(message), true);
    }
    let seal = Seal::of(outbox.inner.bots.quick.token());
    let words = seal.and_then(|seal| seal.open(row.slot.as_deref().unwrap_or_default(), sealed));
    let html = words.unwrap_or_else(|| {
        tracing::warn!(row = row.id, "what was sealed cannot be opened: the bot's token is another one");
        "🔑 What stood here cannot be shown: the bot has a new token since. Start it again to get another.".to_owned()
    });
    let opened = Outgoing {
        body: Body::Text {
            html,
            buttons: Vec::new(),
        },
        ..message.clone()
    };
    (Cow::Owned(opened), false)
}

/// Writes which message it is; until that holds, the lane itself remembers. The sealed words follow.
pub(super) async fn note_begun(
    outbox: &Outbox,
    lane: &Lane,
    row: &store::outbox::Pending,
    message: MessageId,
) -> store::Result<Step> {
    let slot = row.slot.as_deref().unwrap_or_default();
    let mut tx = outbox.inner.store.begin().await?;
    store::outbox::put_slot(&mut tx, slot, lane.chat, message, Millis::now()).await?;
    outbox.inner.store.commit(tx).await?;
    locked(&lane.state).unmarked = None;
    Ok(Step::Sent)
}
