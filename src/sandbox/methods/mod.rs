//! The methods of the Bot API that are modelled, one file for each group.

mod callbacks;
mod chats;
mod commands;
mod delete;
mod edit;
mod file;
mod markup;
mod media;
mod send;
pub(super) mod updates;

use serde_json::Value;

use super::params::Params;
use super::refusal::Refusal;
use super::state::{Chat, Standing, State};

pub(super) use updates::get_updates;

/// What a method gives back.
type Reply = Result<Value, Refusal>;

/// Whether calls of this method count against the rates.
pub(super) fn is_paced(method: &str) -> bool {
    (method.starts_with("send") && method != "sendChatAction") || method.starts_with("editMessage")
}

/// Runs any method but `getUpdates`, which waits.
///
/// # Errors
/// What Telegram would answer; 501 for methods that are not modelled.
pub(super) fn run(state: &mut State, method: &str, params: &Params) -> Reply {
    match method {
        "getMe" => Ok(chats::get_me(state)),
        "deleteWebhook" => Ok(updates::delete_webhook(state, params)),
        "getWebhookInfo" => Ok(updates::webhook_info(state)),
        "setMyCommands" => commands::set(state, params),
        "getMyCommands" => commands::get(state, params),
        "deleteMyCommands" => commands::delete(state, params),
        "sendMessage" => send::message(state, params),
        "sendDocument" => media::document(state, params),
        "sendPhoto" => media::photo(state, params),
        "sendMediaGroup" => media::group(state, params),
        "sendChatAction" => chats::action(state, params),
        "editMessageText" => edit::text(state, params),
        "editMessageCaption" => edit::caption(state, params),
        "editMessageReplyMarkup" => edit::markup(state, params),
        "deleteMessage" => delete::one(state, params),
        "deleteMessages" => delete::many(state, params),
        "getFile" => file::get(state, params),
        "answerCallbackQuery" => callbacks::answer(state, params),
        "setMessageReaction" => chats::react(state, params),
        "getChat" => chats::get(state, params),
        "leaveChat" => chats::leave(state, params),
        "getChatMember" => chats::member(state, params),
        "getChatAdministrators" => chats::administrators(state, params),
        other => Err(Refusal::new(
            501,
            format!("Not Implemented: the sandbox does not model {other}"),
        )),
    }
}

/// The chat a call is for.
///
/// # Errors
/// 400 when it is missing, and for names, which the sandbox does not model.
fn chat_id(params: &Params) -> Result<i64, Refusal> {
    match params.json("chat_id") {
        Some(Value::Number(number)) => Ok(number.as_i64().unwrap_or_default()),
        Some(_) => Err(Refusal::bad("chat not found")),
        None => Err(Refusal::bad("chat_id is empty")),
    }
}

/// Counts messages against the rates, once a call is known to be good.
///
/// # Errors
/// 429.
fn pace(state: &mut State, chat: i64, messages: usize) -> Result<(), Refusal> {
    state
        .meter
        .take(chat, messages, std::time::Instant::now())
        .map_err(Refusal::too_many)
}

fn is_admin(chat: &Chat) -> bool {
    matches!(chat.bot, Standing::Administrator | Standing::Creator)
}

/// A message identifier as the world keeps it.
fn small(id: i64) -> i32 {
    i32::try_from(id).unwrap_or_default()
}

/// The topic a call names, checked.
///
/// # Errors
/// 400 when there is no such topic or it is closed; General has no number of its own.
fn topic(chat: &Chat, params: &Params) -> Result<Option<i32>, Refusal> {
    match params.int("message_thread_id").map(small) {
        None | Some(0) => Ok(None),
        Some(id) if chat.closed_topics.contains(&id) && !is_admin(chat) => {
            Err(Refusal::bad("TOPIC_CLOSED"))
        }
        Some(id) if chat.topics.contains_key(&id) => Ok(Some(id)),
        Some(_) => Err(Refusal::bad("message thread not found")),
    }
}
