//! One call to Telegram for one message: new, or in place of an older one.

use super::message::{Body, Buttons, Outgoing};
use super::retry::Topic;
use super::{Attachment, Attachments, Content, NoFile, Scratch};
use crate::base::ids::{ChatId, MessageId, ThreadId};
use crate::base::text;
use std::borrow::Cow;
use std::sync::Arc;
use teloxide::payloads::{
    EditMessageTextSetters, SendDocumentSetters, SendMessageSetters, SendPhotoSetters,
};
use teloxide::prelude::{Bot, Requester};
use teloxide::types::{
    ForceReply, InlineKeyboardButton, InlineKeyboardMarkup, InputFile, LinkPreviewOptions,
    ParseMode, ReplyParameters,
};
use teloxide::{ApiError, RequestError};

/// The longest text of an empty input field, in characters.
const PLACEHOLDER_CHARS: usize = 64;

/// How a message is to be sent, as it narrows down over failed attempts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Manner {
    /// Plain text, no buttons: the markup was refused.
    pub plain: bool,
    /// To the chat itself: the topic takes no message.
    pub leave_topic: Option<Topic>,
    /// A picture as a file: it was refused as a picture.
    pub as_file: bool,
    /// Only the text of a file: the file was refused.
    pub without_file: bool,
}

/// The two clients: calls with small bodies end soon, uploads may take minutes.
#[derive(Clone)]
pub struct Bots {
    /// For texts and edits.
    pub quick: Bot,
    /// For files.
    pub upload: Bot,
}

/// A message that is out.
pub(super) struct Sent {
    /// Which one it is.
    pub message: MessageId,
    /// Whether its words went without the file that belongs to them.
    pub without_file: bool,
}

/// Sends the message, or edits `target` into it, and returns which message it is now.
pub(super) async fn send(
    bots: &Bots,
    attachments: &dyn Attachments,
    chat: ChatId,
    message: &Outgoing,
    target: Option<MessageId>,
    manner: Manner,
) -> Result<Sent, RequestError> {
    let mut without_file = manner.without_file;
    let sent = match (&message.body, target) {
        (Body::Text { html, buttons }, Some(target)) => {
            edit(&bots.quick, chat, target, html, buttons, manner).await
        }
        (Body::Text { html, buttons }, None) => {
            send_text(&bots.quick, chat, message, html, buttons, manner).await
        }
        (
            Body::Document {
                name,
                html,
                buttons,
                ..
            },
            _,
        ) if manner.without_file => {
            let note = format!(
                "{html}\nThe file {} could not be sent. The server keeps it.",
                text::escape(name)
            );
            send_text(&bots.quick, chat, message, &note, buttons, manner).await
        }
        (
            Body::Document {
                key,
                name,
                html,
                buttons,
            },
            _,
        ) => match attachments.open(key, name).await {
            Ok(file) if file.picture && !manner.as_file => {
                send_picture(&bots.upload, chat, message, file, html, buttons, manner).await
            }
            Ok(file) => send_file(&bots.upload, chat, message, file, html, buttons, manner).await,
            Err(NoFile::Ever(why)) => {
                without_file = true;
                let note = format!("{html}\n{}", text::escape(&why));
                send_text(&bots.quick, chat, message, &note, buttons, manner).await
            }
            Err(NoFile::Now(error)) => Err(RequestError::Io(Arc::new(error))),
        },
    };
    sent.map(|message| Sent {
        message,
        without_file,
    })
}

/// Deletes an own message.
pub(super) async fn delete(
    bots: &Bots,
    chat: ChatId,
    message: MessageId,
) -> Result<(), RequestError> {
    let message = teloxide::types::MessageId(message.0);
    let chat = teloxide::types::ChatId(chat.0);
    bots.quick.delete_message(chat, message).await.map(drop)
}

async fn edit(
    bot: &Bot,
    chat: ChatId,
    target: MessageId,
    html: &str,
    buttons: &Buttons,
    manner: Manner,
) -> Result<MessageId, RequestError> {
    let (words, mode) = words(html, text::MESSAGE_UNITS, manner);
    let mut call = bot
        .edit_message_text(
            teloxide::types::ChatId(chat.0),
            teloxide::types::MessageId(target.0),
            words,
        )
        .link_preview_options(no_preview())
        .reply_markup(keyboard(buttons, manner));
    if let Some(mode) = mode {
        call = call.parse_mode(mode);
    }
    match call.await {
        Ok(message) => Ok(MessageId(message.id.0)),
        Err(RequestError::Api(ApiError::MessageNotModified)) => Ok(target),
        Err(error) => Err(error),
    }
}

/// How the words are parsed, where the message goes, and the buttons under it. Each kind of call has these setters from a trait of its own.
macro_rules! placed {
    ($call:ident, $message:ident, $chat:ident, $manner:ident, $mode:ident, $buttons:ident) => {{
        let mut call = $call;
        if let Some(mode) = $mode {
            call = call.parse_mode(mode);
        }
        if let Some(thread) = thread($message, $manner) {
            call = call.message_thread_id(thread);
        }
        if let Some(reply) = reply($message, $chat) {
            call = call.reply_parameters(reply);
        }
        if !$buttons.is_empty() && !$manner.plain {
            call = call.reply_markup(keyboard($buttons, $manner));
        }
        call
    }};
}

async fn send_text(
    bot: &Bot,
    chat: ChatId,
    message: &Outgoing,
    html: &str,
    buttons: &Buttons,
    manner: Manner,
) -> Result<MessageId, RequestError> {
    let html = &away_from_topic(html, manner);
    let (words, mode) = words(html, text::MESSAGE_UNITS, manner);
    let call = bot
        .send_message(teloxide::types::ChatId(chat.0), words)
        .link_preview_options(no_preview());
    let mut call = placed!(call, message, chat, manner, mode, buttons);
    if message.silent {
        call = call.disable_notification(true);
    }
    // Such a message has no buttons.
    if let Some(placeholder) = message.force_reply.as_deref().filter(|_| !manner.plain) {
        call = call.reply_markup(force_reply(placeholder));
    }
    Ok(MessageId(call.await?.id.0))
}

/// The text, with a line that says why it does not stand in its topic, if there is room for it.
fn away_from_topic<'a>(html: &'a str, manner: Manner) -> Cow<'a, str> {
    let why = match manner.leave_topic {
        None => return Cow::Borrowed(html),
        Some(Topic::Closed) => "\n<i>Its topic is closed, so it stands here.</i>",
        Some(Topic::Gone) => "\n<i>Its topic is gone, so it stands here.</i>",
    };
    match text::visible_len(html) + text::visible_len(why) <= text::MESSAGE_UNITS {
        true => Cow::Owned(format!("{html}{why}")),
        false => Cow::Borrowed(html),
    }
}

fn force_reply(placeholder: &str) -> ForceReply {
    let force = ForceReply::new().selective();
    match text::shorten(placeholder, PLACEHOLDER_CHARS) {
        empty if empty.trim().is_empty() => force,
        words => force.input_field_placeholder(words.into_owned()),
    }
}

async fn send_file(
    bot: &Bot,
    chat: ChatId,
    message: &Outgoing,
    file: Attachment,
    html: &str,
    buttons: &Buttons,
    manner: Manner,
) -> Result<MessageId, RequestError> {
    let (words, mode) = words(&caption(&file, html), text::CAPTION_UNITS, manner);
    // Held until the call is over: a scratch file is removed with it.
    let Attachment { content, name, .. } = file;
    let (document, _held) = input(content, name);
    let call = bot
        .send_document(teloxide::types::ChatId(chat.0), document)
        .caption(words);
    let call = placed!(call, message, chat, manner, mode, buttons);
    Ok(MessageId(call.await?.id.0))
}

async fn send_picture(
    bot: &Bot,
    chat: ChatId,
    message: &Outgoing,
    file: Attachment,
    html: &str,
    buttons: &Buttons,
    manner: Manner,
) -> Result<MessageId, RequestError> {
    let (words, mode) = words(&caption(&file, html), text::CAPTION_UNITS, manner);
    let Attachment { content, name, .. } = file;
    let (photo, _held) = input(content, name);
    let call = bot
        .send_photo(teloxide::types::ChatId(chat.0), photo)
        .caption(words);
    let call = placed!(call, message, chat, manner, mode, buttons);
    Ok(MessageId(call.await?.id.0))
}

/// The words under a file, its remark included.
fn caption(file: &Attachment, html: &str) -> String {
    match &file.note {
        Some(note) => format!("{html}\n{}", text::escape(note)),
        None => html.to_owned(),
    }
}

/// A file as the client takes it, and what must be held while it is read.
fn input(content: Content, name: String) -> (InputFile, Option<Scratch>) {
    match content {
        Content::Scratch(scratch) => {
            let file = InputFile::file(scratch.path()).file_name(name);
            (file, Some(scratch))
        }
        Content::Open(file) => {
            let file = tokio::fs::File::from_std(file);
            (InputFile::read(file).file_name(name), None)
        }
        Content::Bytes(bytes) => (InputFile::memory(bytes).file_name(name), None),
    }
}

/// The text as it goes over the wire, and how it is to be parsed.
fn words(html: &str, units: usize, manner: Manner) -> (String, Option<ParseMode>) {
    if manner.plain {
        let plain = text::plain_of_html(html);
        (text::head_units(&plain, units).to_owned(), None)
    } else {
        (html.to_owned(), Some(ParseMode::Html))
    }
}

fn thread(message: &Outgoing, manner: Manner) -> Option<teloxide::types::ThreadId> {
    let ThreadId(id) = message
        .place
        .thread
        .filter(|_| manner.leave_topic.is_none())?;
    Some(teloxide::types::ThreadId(teloxide::types::MessageId(id)))
}

/// A group that moved left its messages behind; the same number is another message in the new chat.
fn reply(message: &Outgoing, chat: ChatId) -> Option<ReplyParameters> {
    let MessageId(id) = message.reply_to.filter(|_| message.place.chat == chat)?;
    Some(ReplyParameters::new(teloxide::types::MessageId(id)).allow_sending_without_reply())
}

fn keyboard(buttons: &Buttons, manner: Manner) -> InlineKeyboardMarkup {
    let rows = if manner.plain { &[] } else { &buttons[..] };
    InlineKeyboardMarkup::new(rows.iter().map(|row| {
        row.iter()
            .map(|button| InlineKeyboardButton::callback(&button.label, &button.data))
            .collect::<Vec<_>>()
    }))
}

fn no_preview() -> LinkPreviewOptions {
    LinkPreviewOptions {
        is_disabled: true,
        url: None,
        prefer_small_media: false,
        prefer_large_media: false,
        show_above_text: false,
    }
}
