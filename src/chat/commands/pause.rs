//! `/pause`: a schedule runs no more until it is resumed.

use super::{About, schedules};
use crate::base::error::Result;
use crate::base::role::Role;
use crate::chat::commands::schedules::press::SchedulePress;
use crate::chat::keyboards::Press;
use crate::chat::reply::Reply;
use crate::chat::request::Request;

/// What the help says.
pub const ABOUT: About = About {
    name: "pause",
    form: "<schedule>",
    does: "Pause a schedule",
    example: (
        "/pause backup",
        "backup does not run by itself until /resume backup; what runs goes on",
    ),
    role: Some(Role::Operator),
    acts: true,
};

/// Pauses a schedule.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn handle(request: &Request, rest: &str) -> Result<Reply> {
    let Some(name) = schedules::named(rest, ABOUT.name)? else {
        return schedules::handle(request, "").await;
    };
    let (name, done) = pause(request, name).await?;
    let words = match done {
        true => format!("⏸ {name} is paused. What runs goes on."),
        false => format!("{name} is paused already."),
    };
    let resume = Press::Schedule(SchedulePress::Resume(name)).button("Resume");
    Ok(Reply::plain(&words).buttons(vec![vec![resume]]))
}

/// The same; returns its name, and whether it was not paused before.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub(super) async fn pause(request: &Request, name: &str) -> Result<(String, bool)> {
    let now = request.services.clock.now();
    let entry = schedules::find(request, name, now).await?;
    let grant = schedules::permit(request, &entry, "schedule.pause").await?;
    let name = entry.schedule.name;
    let done = request.services.schedules.pause(&grant, &name, now).await?;
    Ok((name, done))
}
