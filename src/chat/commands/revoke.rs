//! `/revoke`: takes a person's role, or the right to one script.

use super::{About, grant, users};
use crate::access::{Asked, Change};
use crate::base::error::{Error, Result};
use crate::base::role::Role;
use crate::base::text::shorten;
use crate::base::words;
use crate::chat::members;
use crate::chat::reply::Reply;
use crate::chat::request::Request;

/// What the help says.
pub const ABOUT: About = About {
    name: "revoke",
    form: "<person> [script]",
    does: "Take a role, or one script",
    example: (
        "/revoke ben",
        "takes ben's role: I do nothing for him any more. /revoke ben deploy takes only his right to that script",
    ),
    role: Some(Role::Admin),
    acts: true,
};

/// Takes, or shows from whom.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn handle(request: &Request, rest: &str) -> Result<Reply> {
    let mut typed = words::words(rest).map_err(|error| Error::refused(error.to_string()))?;
    if typed.is_empty() && request.answers.is_none() {
        return users::list(request, 0, Some("From whom? Press the person.")).await;
    }
    request
        .allow(Asked::new("member.find", "", Role::Admin))
        .await?;
    let config = request.services.live.current();
    let user = grant::person(request, &config, &mut typed).await?.id;
    let mut typed = typed.into_iter();
    match (typed.next(), typed.next()) {
        (None, _) => members::change(request, Change::NoRole { user }).await,
        // By the name alone: the script may have left the configuration since.
        (Some(script), None) => members::change(request, Change::NoScript { user, script }).await,
        (Some(_), Some(more)) => {
            let more = shorten(&more, 40);
            Err(Error::refused(format!(
                "“{more}” is one word too many. Write /revoke and a person, and a script if only that is meant."
            )))
        }
    }
}
