//! `/config`: where the configuration is, and whether the file has faults.

use super::{About, reload};
use crate::access::Asked;
use crate::base::error::{Error, Result};
use crate::base::role::Role;
use crate::base::text::{escape, shorten};
use crate::chat::changes;
use crate::chat::reply::Reply;
use crate::chat::request::Request;
use crate::config::{Outcome, Wanted};

/// What the help says.
pub const ABOUT: About = About {
    name: "config",
    form: "[check]",
    does: "Look for faults in the configuration",
    example: (
        "/config check",
        "says what is wrong with the file, or what /reload would change",
    ),
    role: Some(Role::Admin),
    acts: false,
};

/// Explains, or checks.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn handle(request: &Request, rest: &str) -> Result<Reply> {
    match rest.to_lowercase().as_str() {
        "" => explain(request).await,
        "check" => check(request).await,
        other => Err(Error::refused(format!(
            "There is no “{}” of the configuration. Write /config check to look for faults, or /reload to take the file as it is now.",
            shorten(other, 40)
        ))),
    }
}

async fn explain(request: &Request) -> Result<Reply> {
    request
        .allow(Asked::new("config.show", "", Role::Admin))
        .await?;
    let Some(file) = request.services.reloads.file() else {
        return Ok(Reply::plain(
            "I was started without a configuration file that could be read again.",
        ));
    };
    Ok(Reply::html(format!(
        "The configuration is <code>{}</code> on the server. When it changes, I take it as soon as it has no fault; \
         scripts, persons, groups and limits hold at once, and I say what needs a restart.\n\
         /config check looks for faults and changes nothing.\n/reload reads it now.",
        escape(&file.display().to_string())
    )))
}

async fn check(request: &Request) -> Result<Reply> {
    request
        .allow(Asked::new("config.check", "", Role::Admin))
        .await?;
    let outcome = reload::ask(request, Wanted::Check).await?;
    let warnings = match &outcome {
        Outcome::Good(found) => changes::warnings(&found.warnings),
        Outcome::Faulty(_) | Outcome::NotNow(_) => String::new(),
    };
    Ok(match outcome {
        Outcome::Good(found) if found.is_empty() && found.restart.is_empty() => Reply::html(
            format!("The file has no fault, and it is what is in force.{warnings}"),
        ),
        Outcome::Good(found) if found.is_empty() => Reply::html(format!(
            "The file has no fault. Changed, and in force after a restart of the bot: {}.{warnings}",
            escape(&found.restart.join(", "))
        )),
        Outcome::Good(found) => Reply::html(format!(
            "The file has no fault. Not in force yet: {}.\n/reload takes it.{warnings}",
            escape(&changes::words(&found))
        )),
        Outcome::Faulty(faults) => Reply::html(changes::refused(&faults)),
        Outcome::NotNow(why) => Reply::plain(&why),
    })
}
