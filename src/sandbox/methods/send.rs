//! `sendMessage`, and what all sending methods have in common.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::markup::{self, Markup};
use super::{Reply, chat_id, is_admin, pace, small, topic};
use crate::sandbox::model::{Document, Message, What};
use crate::sandbox::params::Params;
use crate::sandbox::refusal::Refusal;
use crate::sandbox::state::{Chat, ChatKind, State, unix_now};
use crate::sandbox::text::{self, Content, MAX_TEXT};

/// Parameters that would change where a message goes, and that nothing here follows.
const NOT_MODELLED: [&str; 3] = [
    "business_connection_id",
    "direct_messages_topic_id",
    "suggested_post_parameters",
];

/// Where a message goes and what stands around it.
pub(super) struct Envelope {
    pub(super) chat: i64,
    thread: Option<i32>,
    reply_to: Option<i32>,
    silent: bool,
    markup: Markup,
}

/// `sendMessage`.
pub(super) fn message(state: &mut State, params: &Params) -> Reply {
    let envelope = envelope(state, params)?;
    let source = params.text("text").unwrap_or_default();
    let content = text::read(source, params.text("parse_mode"), params.json("entities"))?;
    if content.text.is_empty() {
        return Err(Refusal::bad("message text is empty"));
    }
    if content.units() > MAX_TEXT {
        return Err(Refusal::bad("message is too long"));
    }
    pace(state, envelope.chat, 1)?;
    let id = deliver(state, &envelope, content, None, Map::new());
    Ok(state.message_json(envelope.chat, id))
}

/// Reads and checks everything around the content.
///
/// # Errors
/// What Telegram says of a wrong chat, topic, reply or keyboard.
pub(super) fn envelope(state: &State, params: &Params) -> Result<Envelope, Refusal> {
    if let Some(name) = NOT_MODELLED.iter().find(|name| params.json(name).is_some()) {
        return Err(Refusal::bad(format!("the sandbox does not model {name}")));
    }
    let id = chat_id(params)?;
    let chat = state.writable(id)?;
    if chat.kind == ChatKind::Channel && !is_admin(chat) {
        return Err(Refusal::bad(
            "need administrator rights in the channel chat",
        ));
    }
    let reply_to = reply(chat, params)?;
    let given = topic(chat, params)?;
    let replied = reply_to.and_then(|id| chat.messages.get(&id)?.thread);
    let markup = markup::read(params)?;
    Ok(Envelope {
        chat: id,
        thread: given.or(replied),
        reply_to,
        silent: params.flag("disable_notification"),
        markup,
    })
}

/// The message that is answered.
fn reply(chat: &Chat, params: &Params) -> Result<Option<i32>, Refusal> {
    let Some(reply) = params.json("reply_parameters") else {
        return Ok(None);
    };
    if reply.get("chat_id").is_some_and(|other| *other != chat.id) {
        return Err(Refusal::bad(
            "the sandbox does not model replies to other chats",
        ));
    }
    let id = small(
        reply
            .get("message_id")
            .and_then(Value::as_i64)
            .unwrap_or_default(),
    );
    let lenient = reply
        .get("allow_sending_without_reply")
        .and_then(Value::as_bool);
    match chat.messages.contains_key(&id) {
        true => Ok(Some(id)),
        false if lenient.unwrap_or_default() => Ok(None),
        false => Err(Refusal::bad("message to be replied not found")),
    }
}

/// Puts the bot's message into the chat.
pub(super) fn deliver(
    state: &mut State,
    envelope: &Envelope,
    content: Content,
    document: Option<Arc<Document>>,
    extra: Map<String, Value>,
) -> i32 {
    let author = state.bot.id;
    let chat = state.chat(envelope.chat);
    let id = chat.next_id();
    let from = (chat.kind != ChatKind::Channel).then_some(author);
    state.store(Message {
        id,
        chat: envelope.chat,
        thread: envelope.thread,
        from,
        from_bot: true,
        text: content.text,
        entities: content.entities,
        source: content.source,
        buttons: envelope.markup.buttons.clone(),
        force_reply: envelope.markup.force_reply,
        silent: envelope.silent,
        placeholder: envelope.markup.placeholder.clone(),
        document,
        reply_to: envelope.reply_to,
        date: unix_now(),
        edited: None,
        history: Vec::new(),
        reactions: Vec::new(),
        extra,
    });
    state.happened(What::Sent {
        chat: envelope.chat,
        message_id: id,
    });
    id
}
