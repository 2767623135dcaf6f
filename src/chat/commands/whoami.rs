//! `/whoami`: ids and role, to strangers too, and nothing else.

use super::About;
use crate::access::Standing;
use crate::base::text::escape;
use crate::chat::reply::Reply;
use crate::chat::request::Request;

/// What the help says.
pub const ABOUT: About = About {
    name: "whoami",
    form: "",
    does: "Show your id and role here",
    example: ("/whoami", "shows your id, this chat's id and your role"),
    role: None,
    acts: false,
};

/// Says who the caller is.
#[must_use]
pub fn handle(request: &Request) -> Reply {
    let actor = &request.actor;
    let role = match request.access().standing(actor.id, actor.place) {
        Standing::Known(role) => role.to_string(),
        Standing::UnlistedChat => "none, this group is not on my list".to_owned(),
        Standing::Unknown => "none".to_owned(),
    };
    let mut lines = vec![
        format!("You: {} <code>{}</code>", escape(&actor.name), actor.id),
        format!("Chat: <code>{}</code>", actor.place.chat),
    ];
    lines.extend(
        actor
            .place
            .thread
            .map(|topic| format!("Topic: <code>{topic}</code>")),
    );
    lines.push(format!("Role here: <b>{role}</b>"));
    Reply::html(lines.join("\n"))
}
