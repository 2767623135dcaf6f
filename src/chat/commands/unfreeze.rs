//! `/unfreeze`: what was frozen may run again.

use super::About;
use crate::access::Asked;
use crate::base::error::Result;
use crate::base::role::Role;
use crate::base::text::escape;
use crate::chat::reply::Reply;
use crate::chat::request::Request;

/// What the help says.
pub const ABOUT: About = About {
    name: "unfreeze",
    form: "",
    does: "End a freeze",
    example: (
        "/unfreeze",
        "scripts and schedules run again, and everybody is told",
    ),
    role: Some(Role::Admin),
    acts: true,
};

/// Ends the freeze.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn handle(request: &Request, _rest: &str) -> Result<Reply> {
    let asked = Asked::new("unfreeze", "everything", Role::Admin);
    let grant = request.allow(asked).await?;
    let html = format!(
        "<b>{} ended the freeze.</b> Scripts and schedules run again; what was due meanwhile is not made up for.",
        escape(&request.actor.name)
    );
    match request.services.schedules.unfreeze(&grant, &html).await? {
        true => Ok(Reply::html(html)),
        false => Ok(Reply::plain("Nothing is frozen.")),
    }
}
