//! `deleteMessage` and `deleteMessages`.

use serde_json::{Value, json};

use super::{Reply, chat_id, small};
use crate::sandbox::model::What;
use crate::sandbox::params::Params;
use crate::sandbox::refusal::Refusal;
use crate::sandbox::state::{ChatKind, Standing, State, unix_now};

/// After this many seconds a message can no longer be deleted.
const TOO_OLD: i64 = 48 * 3600;

/// `deleteMessage`.
pub(super) fn one(state: &mut State, params: &Params) -> Reply {
    let chat = chat_id(params)?;
    let id = small(params.int("message_id").unwrap_or_default());
    state.writable(chat)?;
    if state.message(chat, id).is_none() {
        return Err(Refusal::bad("message to delete not found"));
    }
    if !may(state, chat, id) {
        return Err(Refusal::bad("message can't be deleted for everyone"));
    }
    remove(state, chat, id);
    Ok(json!(true))
}

/// `deleteMessages`: what cannot be deleted is passed over.
pub(super) fn many(state: &mut State, params: &Params) -> Reply {
    let chat = chat_id(params)?;
    state.writable(chat)?;
    let ids = params
        .json("message_ids")
        .and_then(Value::as_array)
        .map(Vec::as_slice);
    let ids: Vec<i32> = ids
        .unwrap_or_default()
        .iter()
        .filter_map(Value::as_i64)
        .map(small)
        .collect();
    match ids.len() {
        0 => return Err(Refusal::bad("message identifiers are not specified")),
        1..=100 => {}
        _ => return Err(Refusal::bad("too many message identifiers specified")),
    }
    for id in ids {
        if may(state, chat, id) {
            remove(state, chat, id);
        }
    }
    Ok(json!(true))
}

fn may(state: &State, chat: i64, id: i32) -> bool {
    let Some(chat) = state.chats.get(&chat) else {
        return false;
    };
    let Some(message) = chat.messages.get(&id) else {
        return false;
    };
    let others = chat.kind == ChatKind::Private
        || matches!(chat.bot, Standing::Administrator | Standing::Creator);
    (message.from_bot || others) && unix_now() - message.date < TOO_OLD
}

fn remove(state: &mut State, chat: i64, id: i32) {
    if state.chat(chat).messages.remove(&id).is_some() {
        state.happened(What::Deleted {
            chat,
            message_id: id,
        });
    }
}
