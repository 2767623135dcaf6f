//! `/resume`: a paused schedule goes on.

use super::{About, schedules};
use crate::base::error::Result;
use crate::base::role::Role;
use crate::chat::reply::Reply;
use crate::chat::request::Request;

/// What the help says.
pub const ABOUT: About = About {
    name: "resume",
    form: "<schedule>",
    does: "Let a paused schedule go on",
    example: (
        "/resume backup",
        "backup runs by itself again; what it missed meanwhile is not made up for",
    ),
    role: Some(Role::Operator),
    acts: true,
};

/// Lets a schedule go on.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn handle(request: &Request, rest: &str) -> Result<Reply> {
    let Some(name) = schedules::named(rest, ABOUT.name)? else {
        return schedules::handle(request, "").await;
    };
    let (name, done) = resume(request, name).await?;
    let now = request.services.clock.now();
    let entry = schedules::find(request, &name, now).await?;
    let next = match schedules::soon(&entry, now) {
        Some(next) => format!(" Next: {next}"),
        None => String::new(),
    };
    Ok(Reply::plain(&match done {
        true => format!("{name} goes on.{next}"),
        false => format!("{name} is not paused.{next}"),
    }))
}

/// The same; returns its name, and whether it was paused.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub(super) async fn resume(request: &Request, name: &str) -> Result<(String, bool)> {
    let now = request.services.clock.now();
    let entry = schedules::find(request, name, now).await?;
    let grant = schedules::permit(request, &entry, "schedule.resume").await?;
    let name = entry.schedule.name;
    let done = request
        .services
        .schedules
        .resume(&grant, &name, now)
        .await?;
    Ok((name, done))
}
