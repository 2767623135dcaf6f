//! `/freeze`: nothing new is started, by nobody, until `/unfreeze`. And what it means for everything else.

use super::About;
use crate::access::Asked;
use crate::base::error::{Error, Result};
use crate::base::role::Role;
use crate::base::text::{escape, shorten};
use crate::base::time::Millis;
use crate::chat::reply::Reply;
use crate::chat::request::Request;
use crate::delivery::report;

/// What the help says.
pub const ABOUT: About = About {
    name: "freeze",
    form: "[reason]",
    does: "Stop everything new: schedules, automatic fixes and runs",
    example: (
        "/freeze moving the database",
        "nothing new is started until /unfreeze, and everybody is told why; what runs goes on",
    ),
    role: Some(Role::Admin),
    acts: true,
};

/// The longest reason, in UTF-16 units.
const REASON: usize = 300;

/// Freezes everything.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn handle(request: &Request, rest: &str) -> Result<Reply> {
    let reason = Some(rest.trim()).filter(|reason| !reason.is_empty());
    let reason = reason.map(|reason| shorten(reason, REASON).into_owned());
    let asked = Asked {
        arguments: reason.clone().unwrap_or_default(),
        ..Asked::new("freeze", "everything", Role::Admin)
    };
    let grant = request.allow(asked).await?;
    let why = match &reason {
        Some(reason) => format!(": {}", escape(reason)),
        None => String::new(),
    };
    let html = format!(
        "🧊 <b>{} froze everything</b>{why}\nSchedules, automatic fixes and new runs stand still until an admin or owner \
         sends /unfreeze. What runs goes on.",
        escape(&request.actor.name)
    );
    let schedules = &request.services.schedules;
    match schedules
        .freeze(&grant, reason, &html, Millis::now())
        .await?
    {
        true => Ok(Reply::html(html)),
        false => Ok(Reply::html(line(request).await?.unwrap_or_default())),
    }
}

/// That everything is frozen, in HTML; `None` when it is not.
///
/// # Errors
/// A failure of ours.
pub(super) async fn line(request: &Request) -> Result<Option<String>> {
    let frozen = request.services.schedules.frozen().await?;
    Ok(frozen.map(|freeze| format!("🧊 {}", escape(&report::frozen(&freeze)))))
}

/// Refuses what would only be refused later, after questions.
///
/// # Errors
/// Refused while everything is frozen.
pub async fn refuse(request: &Request) -> Result<()> {
    match request.services.schedules.frozen().await? {
        Some(freeze) => Err(Error::refused(report::frozen(&freeze))),
        None => Ok(()),
    }
}
