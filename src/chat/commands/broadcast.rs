//! `/broadcast`: one message to everybody.

use super::About;
use crate::access::Asked;
use crate::base::error::{Error, Result};
use crate::base::role::Role;
use crate::base::text::{escape, shorten, utf16_len};
use crate::base::time::Millis;
use crate::chat::keyboards::Press;
use crate::chat::offers::{self, CONFIRM_WITHIN, Offer};
use crate::chat::reply::Reply;
use crate::chat::request::Request;

/// What the help says.
pub const ABOUT: About = About {
    name: "broadcast",
    form: "<message>",
    does: "Send a message to everybody",
    example: (
        "/broadcast The servers restart at 22:00",
        "asks first, then tells everybody with a role, and every group that subscribed, and counts who has it",
    ),
    role: Some(Role::Admin),
    acts: true,
};

/// The longest message, in UTF-16 units; the sender's name comes on top.
const LONGEST: usize = 3800;

/// Asks whether to send it.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn handle(request: &Request, rest: &str) -> Result<Reply> {
    let asked = Asked::new("broadcast.ask", "", Role::Admin);
    request.allow(asked).await?;
    if rest.is_empty() {
        return Err(Error::refused(
            "What is to be said? Write it behind the command: /broadcast The servers restart at 22:00",
        ));
    }
    if utf16_len(rest) > LONGEST {
        return Err(Error::refused(format!(
            "A broadcast has {LONGEST} letters at the most; this has {}.",
            utf16_len(rest)
        )));
    }
    let to = request.services.incidents.recipients().await?.len();
    let offer = Offer::Broadcast {
        text: rest.to_owned(),
    };
    let intent = offers::keep(request, &offer, CONFIRM_WITHIN).await?;
    let chats = if to == 1 { "chat" } else { "chats" };
    Ok(
        Reply::html(format!("Send this to {to} {chats}?\n\n{}", escape(rest))).buttons(vec![vec![
            Press::Confirm(intent.clone()).button("Send"),
            Press::Drop(intent).button("Drop"),
        ]]),
    )
}

/// Sends what was confirmed, by the rights of this moment. The question becomes the count.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn confirmed(request: &Request, text: &str) -> Result<Reply> {
    let incidents = &request.services.incidents;
    let to = incidents.recipients().await?;
    let asked = Asked {
        arguments: shorten(text, 200).into_owned(),
        ..Asked::new("broadcast.send", format!("{} chats", to.len()), Role::Admin)
    };
    let grant = request.allow(asked).await?;
    let html = format!("📣 {}\n— {}", escape(text), escape(&request.actor.name));
    let card = request.pressed();
    let source = &request.source;
    incidents
        .broadcast(&grant, (source, card), &html, &to, Millis::now())
        .await?;
    Ok(Reply::nothing())
}
