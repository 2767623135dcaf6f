//! `/retry`: runs a job once more, with the same arguments and today's rights.

use super::About;
use super::job::{visible, wanted};
use super::{jobs, run};
use crate::actions::script;
use crate::base::error::{Error, Result};
use crate::base::ids::JobId;
use crate::base::job::undone;
use crate::base::role::Role;
use crate::base::time::Millis;
use crate::base::upload::Uploads;
use crate::chat::reply::Reply;
use crate::chat::request::Request;
use crate::chat::{undo, workflows};
use crate::jobs::Origin;
use crate::store;
use crate::store::history::Standing;
use crate::store::jobs::Job;
use crate::workflows::look;
use std::time::Duration;

/// What the help says.
pub const ABOUT: About = About {
    name: "retry",
    form: "<number>",
    does: "Run a job once more",
    example: (
        "/retry 12",
        "runs what job #12 ran, with the same arguments",
    ),
    role: Some(Role::Viewer),
    acts: true,
};

/// Two presses of *Run again* within this time are one person's double tap.
const DOUBLE_TAP: Duration = Duration::from_secs(3);

/// Runs a job again; without a number it shows those that failed.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn handle(request: &Request, rest: &str) -> Result<Reply> {
    match wanted(rest, "retry")? {
        Some(id) => again(request, id).await,
        None => jobs::ask_which(request, Standing::Failed, "retry").await,
    }
}

/// Runs this job again, unless a repetition of it runs already.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn again(request: &Request, id: JobId) -> Result<Reply> {
    let (job, _) = visible(request, id, "job.retry", Role::Viewer).await?;
    if !job.state.is_final() {
        return Err(Error::refused(format!("#{id} has not ended yet.")));
    }
    if let Some(of) = undone(&job.new.source) {
        return undo::again(request, &job, of).await;
    }
    // Who may not run it is told that, and not what others did.
    if workflows::may_run(request, &job) {
        refuse_twice(request, id).await?;
    }
    let (script, given, files) = what(&job)?;
    let wanted = run::Wanted {
        files,
        given,
        output: Some(job.new.output),
        retry_of: Some(id),
        ..run::Wanted::new(script)
    };
    let origin = Origin {
        reply_to: request.message,
        ..request.origin()
    };
    run::begin(request, wanted, origin).await
}

/// What a job ran: the script or workflow, what was given, and the files.
fn what(job: &Job) -> Result<(String, Vec<String>, Uploads)> {
    if let Some(run) = look::args(job) {
        return Ok((run.flow.name.clone(), run.given, Uploads::new()));
    }
    let run: script::Run = serde_json::from_str(&job.new.payload).map_err(anyhow::Error::new)?;
    let files = run.uploads();
    Ok((run.script, run.given, files))
}

/// Refuses what runs again already, or was just pressed by somebody else.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn refuse_twice(request: &Request, id: JobId) -> Result<()> {
    let latest = {
        let mut db = request.services.store.read().await?;
        store::jobs::latest_retry(&mut db, id).await?
    };
    if let Some(latest) = latest {
        let just_now = Millis::now().since(latest.new.created_at) < DOUBLE_TAP;
        let own = latest.new.source == request.origin().source;
        if (!latest.state.is_final() || just_now) && !own {
            return Err(Error::refused(match latest.state.is_final() {
                false => format!("It runs again already, as #{}.", latest.id),
                true => format!(
                    "It was run again a moment ago, as #{}, which is over. Press once more to run it another time.",
                    latest.id
                ),
            }));
        }
    }
    Ok(())
}
