//! `/reload`: reads the configuration again.

use super::About;
use crate::access::Asked;
use crate::base::error::{Error, Result};
use crate::base::role::Role;
use crate::chat::changes;
use crate::chat::reply::Reply;
use crate::chat::request::Request;
use crate::config::{Outcome, Wanted};

/// What the help says.
pub const ABOUT: About = About {
    name: "reload",
    form: "",
    does: "Read the configuration again",
    example: (
        "/reload",
        "takes the configuration as it is now, if it has no fault, and says what changed",
    ),
    role: Some(Role::Admin),
    acts: true,
};

/// Reads the file and puts it in force.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn handle(request: &Request, rest: &str) -> Result<Reply> {
    if !rest.is_empty() {
        return Err(Error::refused(
            "/reload takes no arguments. /config check looks at the file and changes nothing.",
        ));
    }
    request
        .allow(Asked::new("config.reload", "", Role::Admin))
        .await?;
    Ok(match ask(request, Wanted::Reload).await? {
        Outcome::Good(found) => Reply::html(changes::taken(&found)),
        Outcome::Faulty(faults) => Reply::html(changes::refused(&faults)),
        Outcome::NotNow(why) => Reply::plain(&why),
    })
}

/// Asks the one that reads the file.
///
/// # Errors
/// Refused when the bot was started without a file, or is being stopped.
pub async fn ask(request: &Request, wanted: Wanted) -> Result<Outcome> {
    let asker = Some(request.actor.id);
    let outcome = request.services.reloads.ask(wanted, asker).await;
    outcome.ok_or_else(|| {
        Error::refused("I was started without a configuration file that could be read again.")
    })
}
