//! `/cancel`: stops a job, or takes it out of the queue.

use super::About;
use super::job::{visible, wanted};
use super::jobs;
use crate::access::Asked;
use crate::base::error::{Error, Result};
use crate::base::ids::JobId;
use crate::base::role::Role;
use crate::chat::reply::Reply;
use crate::chat::request::{From, Request};
use crate::jobs::Cancelled;
use crate::store::history::Standing;

/// What the help says.
pub const ABOUT: About = About {
    name: "cancel",
    form: "<number>",
    does: "Stop a job",
    example: (
        "/cancel 12",
        "stops job #12 and every process that it started",
    ),
    role: Some(Role::Operator),
    acts: true,
};

/// Stops a job; without a number it shows those that run.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn handle(request: &Request, rest: &str) -> Result<Reply> {
    match wanted(rest, "cancel")? {
        Some(id) => cancel(request, id).await,
        None => jobs::ask_which(request, Standing::Open, "cancel").await,
    }
}

/// Stops this job: the asker's own, or for an admin anybody's.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn cancel(request: &Request, id: JobId) -> Result<Reply> {
    // Who may start a script by a right of their own may stop what they started.
    let (job, own) = visible(request, id, "job.cancel", Role::Operator).await?;
    let grant = match job.new.asker == request.actor.id {
        true => own,
        false => {
            let asked = Asked::new("job.cancel.other", format!("#{id}"), Role::Admin);
            request.allow(asked).await?
        }
    };
    let by = &request.actor.name;
    let words = match request.services.jobs.cancel(&grant, id, by).await? {
        Cancelled::Dequeued => format!("#{id} is taken out of the queue."),
        Cancelled::Stopping => format!("Stopping #{id} …"),
        Cancelled::Already => format!(
            "#{id} was asked to stop already. If it does not obey, it is ended after its grace time."
        ),
        Cancelled::Over(_) => {
            return Err(Error::refused(format!(
                "#{id} has ended already. /job {id} shows how."
            )));
        }
        Cancelled::Passing => format!("#{id} is starting or ending just now. Try again."),
        Cancelled::Unknown => return Err(Error::refused(format!("There is no job #{id}."))),
    };
    Ok(match request.from {
        From::Message => Reply::plain(&words),
        // The card under which the button stood tells how it ends.
        From::Press { .. } => Reply::nothing(),
    })
}
