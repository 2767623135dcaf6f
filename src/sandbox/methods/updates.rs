//! Getting updates: confirming, waiting, one poller at a time.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::Reply;
use crate::sandbox::model::What;
use crate::sandbox::params::Params;
use crate::sandbox::refusal::Refusal;
use crate::sandbox::shared::Shared;
use crate::sandbox::state::State;

/// The longest a poll waits, whatever it asks for.
const MAX_WAIT: Duration = Duration::from_secs(50);

/// Words for the poll that another one ended.
const CONFLICT: &str = "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running";

/// Words for a poll while a webhook is set.
const WEBHOOK: &str = "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first";

/// The kinds of updates there are.
const KINDS: [&str; 24] = [
    "message",
    "edited_message",
    "channel_post",
    "edited_channel_post",
    "business_connection",
    "business_message",
    "edited_business_message",
    "deleted_business_messages",
    "message_reaction",
    "message_reaction_count",
    "inline_query",
    "chosen_inline_result",
    "callback_query",
    "shipping_query",
    "pre_checkout_query",
    "purchased_paid_media",
    "poll",
    "poll_answer",
    "my_chat_member",
    "chat_member",
    "chat_join_request",
    "chat_boost",
    "removed_chat_boost",
    "managed_bot",
];

/// `getUpdates`: answers at once when there is something, otherwise waits as asked.
pub(in crate::sandbox) async fn get_updates(shared: &Arc<Shared>, params: &Params) -> Reply {
    let wait = Duration::from_secs(
        u64::try_from(params.int("timeout").unwrap_or_default()).unwrap_or_default(),
    );
    let deadline = Instant::now() + wait.min(MAX_WAIT);
    let turn = shared.with(|state| begin(state, params))?;
    shared.updates.notify_waiters();
    loop {
        let news = shared.updates.notified();
        tokio::pin!(news);
        news.as_mut().enable();
        let last = Instant::now() >= deadline || shared.is_away();
        if let Some(reply) = shared.with(|state| attempt(state, params, turn, last)) {
            return reply;
        }
        let _ = tokio::time::timeout_at(deadline, news).await;
    }
}

/// Takes the turn from any other poller, confirms, and keeps the wanted kinds.
fn begin(state: &mut State, params: &Params) -> Result<u64, Refusal> {
    if state.webhook.is_some() {
        return Err(Refusal::new(409, WEBHOOK));
    }
    if let Some(kinds) = params.json("allowed_updates").and_then(Value::as_array) {
        let names: Vec<String> = kinds
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect();
        if let Some(name) = names.iter().find(|name| !KINDS.contains(&name.as_str())) {
            return Err(Refusal::bad(format!(
                "unknown kind {name:?} in allowed_updates"
            )));
        }
        state.allowed = Some(names);
    }
    state.poll += 1;
    let offset = params.int("offset").unwrap_or_default();
    state.confirm(offset);
    state.happened(What::Polling { offset });
    Ok(state.poll)
}

/// One look at the queue: an answer, or nothing yet.
fn attempt(state: &mut State, params: &Params, turn: u64, last: bool) -> Option<Reply> {
    if state.poll != turn {
        return Some(Err(Refusal::new(409, CONFLICT)));
    }
    if state.pending.is_empty() && !last {
        return None;
    }
    let limit = params
        .int("limit")
        .filter(|n| (1..=100).contains(n))
        .unwrap_or(100);
    let limit = usize::try_from(limit).unwrap_or(100);
    let mut given: Vec<Value> = Vec::new();
    for update in state.pending.iter_mut().take(limit) {
        update.again = false;
        given.push(update.body.clone());
    }
    let offset = params.int("offset").unwrap_or_default();
    state.happened(What::Polled {
        offset,
        given: given.len(),
    });
    Some(Ok(Value::Array(given)))
}

/// `deleteWebhook`.
pub(super) fn delete_webhook(state: &mut State, params: &Params) -> Value {
    if params.flag("drop_pending_updates") {
        state.pending.clear();
    }
    state.webhook = None;
    json!(true)
}

/// `getWebhookInfo`.
pub(super) fn webhook_info(state: &State) -> Value {
    let mut info = json!({"url": state.webhook.as_deref().unwrap_or_default(), "has_custom_certificate": false, "pending_update_count": state.pending.len()});
    if let Some(kinds) = &state.allowed {
        info["allowed_updates"] = json!(kinds);
    }
    info
}
