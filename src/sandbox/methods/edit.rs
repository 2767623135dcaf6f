//! Editing: text, caption and keyboard of the bot's own messages.

use std::time::Instant;

use super::{Reply, chat_id, markup, pace, small};
use crate::sandbox::model::{Button, Message, What};
use crate::sandbox::params::Params;
use crate::sandbox::refusal::Refusal;
use crate::sandbox::state::{State, unix_now};
use crate::sandbox::text::{self, Content, MAX_TEXT};

/// Telegram's words when an edit would change nothing.
const NOT_MODIFIED: &str = "message is not modified: specified new message content and reply markup are exactly the same as a current content and reply markup of the message";

/// `editMessageText`.
pub(super) fn text(state: &mut State, params: &Params) -> Reply {
    if params.json("rich_message").is_some() {
        return Err(Refusal::bad("the sandbox does not model rich messages"));
    }
    let source = params.text("text").unwrap_or_default();
    let content = text::read(source, params.text("parse_mode"), params.json("entities"))?;
    let old = target(state, params)?;
    if old.document.is_some() {
        return Err(Refusal::bad("there is no text in the message to edit"));
    }
    if content.text.is_empty() {
        return Err(Refusal::bad("message text is empty"));
    }
    if content.units() > MAX_TEXT {
        return Err(Refusal::bad("MESSAGE_TOO_LONG"));
    }
    change(state, params, Some(content))
}

/// `editMessageCaption`.
pub(super) fn caption(state: &mut State, params: &Params) -> Reply {
    let content = text::caption(params)?;
    if target(state, params)?.document.is_none() {
        return Err(Refusal::bad("there is no caption in the message to edit"));
    }
    change(state, params, Some(content))
}

/// `editMessageReplyMarkup`.
pub(super) fn markup(state: &mut State, params: &Params) -> Reply {
    change(state, params, None)
}

/// The message to edit, if the bot may.
fn target<'a>(state: &'a State, params: &Params) -> Result<&'a Message, Refusal> {
    if params.text("inline_message_id").is_some() {
        return Err(Refusal::bad("the sandbox does not model inline messages"));
    }
    let chat = state.writable(chat_id(params)?)?;
    let id = params.int("message_id").filter(|id| *id != 0);
    let id = small(id.ok_or_else(|| Refusal::bad("message identifier is not specified"))?);
    match chat.messages.get(&id) {
        None => Err(Refusal::bad("message to edit not found")),
        // Of reply markups, only inline keyboards may be under a message that is edited.
        Some(message) if !message.from_bot || message.force_reply => {
            Err(Refusal::bad("message can't be edited"))
        }
        Some(message) => Ok(message),
    }
}

/// Applies new content, if given, and the new keyboard; no keyboard takes the old one away.
fn change(state: &mut State, params: &Params, content: Option<Content>) -> Reply {
    let buttons = markup::read_inline(params)?;
    let old = target(state, params)?;
    let (chat, id) = (old.chat, old.id);
    let same = is_same(old, content.as_ref(), &buttons);
    pace(state, chat, 1)?;
    if same {
        return Err(Refusal::bad(NOT_MODIFIED));
    }
    let keep = state.keep;
    if let Some(message) = state.chat(chat).messages.get_mut(&id) {
        if let Some(content) = content {
            message.text = content.text;
            message.entities = content.entities;
            message.source = content.source;
        }
        message.buttons = buttons;
        message.edited = Some(unix_now());
        message.remember(Instant::now(), keep);
    }
    state.happened(What::Edited {
        chat,
        message_id: id,
    });
    Ok(state.message_json(chat, id))
}

fn is_same(old: &Message, content: Option<&Content>, buttons: &[Vec<Button>]) -> bool {
    let text = content.is_none_or(|new| new.text == old.text && new.entities == old.entities);
    text && old.buttons == buttons
}
