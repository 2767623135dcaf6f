//! Texts that are no commands: answers to an open question, or talk that is none of our business.

use super::commands::read_line;
use super::dialog;
use super::message::Incoming;
use super::reply::Reply;
use super::request::Request;
use crate::base::error::Result;

/// Whether a group talks under a message of ours without meaning us: only answers to an open question are ours.
pub async fn is_chatter(request: &Request, incoming: &Incoming) -> bool {
    let talk = !incoming.place.chat.is_private() && read_line(&incoming.text).is_none();
    // When the database does not answer, what follows says so.
    talk && !dialog::awaits(request).await.unwrap_or(true)
}

/// Takes a text as the answer to the open question of its author. One that begins like a command is only taken as a reply
/// to the question.
pub async fn answer(
    request: &Request,
    incoming: &Incoming,
    like_command: bool,
) -> Result<Option<Reply>> {
    let replied = incoming.reply_to.as_ref();
    if like_command && replied.is_none() {
        return Ok(None);
    }
    let late = request.is_late(incoming.date);
    let reply = dialog::typed(
        request,
        &incoming.text,
        incoming.file.as_ref(),
        replied,
        late,
    )
    .await?;
    // In a group, other talk is none of our business.
    let talk = !incoming.place.chat.is_private() && !like_command;
    Ok(reply.or_else(|| talk.then(Reply::nothing)))
}
