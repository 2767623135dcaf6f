//! `/runnow`: runs what a schedule runs, at once, by the right of whoever asks and with the answer to them.

use super::{About, run, schedules};
use crate::base::error::Result;
use crate::base::role::Role;
use crate::chat::reply::Reply;
use crate::chat::request::Request;

/// What the help says.
pub const ABOUT: About = About {
    name: "runnow",
    form: "<schedule>",
    does: "Run at once what a schedule runs",
    example: (
        "/runnow backup",
        "runs the script of backup with its arguments, and shows it here; its times stay as they are",
    ),
    role: Some(Role::Viewer),
    acts: true,
};

/// Runs it.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn handle(request: &Request, rest: &str) -> Result<Reply> {
    match schedules::named(rest, ABOUT.name)? {
        Some(name) => start(request, name).await,
        None => schedules::handle(request, "").await,
    }
}

/// The same, by its name.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub(super) async fn start(request: &Request, name: &str) -> Result<Reply> {
    let entry = schedules::find(request, name, request.services.clock.now()).await?;
    let wanted = run::Wanted {
        given: entry.schedule.given,
        ..run::Wanted::new(entry.schedule.script.to_string())
    };
    run::begin(request, wanted, request.origin()).await
}
