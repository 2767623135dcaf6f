//! `/job`: one job with its times, its output's end, and what can be done with it.

use super::{About, cancel, job_id, jobs, outbox};
use crate::access::{Asked, Grant};
use crate::base::error::{Error, Result};
use crate::base::ids::JobId;
use crate::base::job::{JobState, UNDO_SOURCE};
use crate::base::role::Role;
use crate::base::text::{self, escape};
use crate::base::workflow::RUN;
use crate::chat::keyboards::Press;
use crate::chat::reply::Reply;
use crate::chat::request::Request;
use crate::chat::{undo, workflows};
use crate::delivery::card;
use crate::store;
use crate::store::history::Standing;
use crate::store::jobs::Job;
use crate::workflows::look;

/// What the help says.
pub const ABOUT: About = About {
    name: "job",
    form: "<number>",
    does: "Show one job",
    example: ("/job 12", "shows job #12 and the end of what it printed"),
    role: Some(Role::Viewer),
    acts: false,
};

/// Of a job's page, the most that its output may take, in UTF-16 units.
const TAIL_UNITS: usize = 1500;

/// Shows a job.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn handle(request: &Request, rest: &str) -> Result<Reply> {
    match wanted(rest, "job")? {
        Some(id) => show(request, id).await,
        None => jobs::ask_which(request, Standing::Any, "job").await,
    }
}

/// Shows this job.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn show(request: &Request, id: JobId) -> Result<Reply> {
    let (job, _) = visible(request, id, "job.show", Role::Viewer).await?;
    let mut html = workflows::line(request, &job).await?;
    let now = request.services.clock.now();
    html.push_str(&format!(
        "\nAsked by {} at {}",
        escape(&job.new.asker_name),
        jobs::clock(job.new.created_at, now)
    ));
    if let Some(of) = job.new.retry_of {
        html.push_str(&format!(", repeating #{of}"));
    }
    if let Some(instance) = jobs::elsewhere(request, &job) {
        html.push_str(&format!("\nRuns at {}", escape(&instance)));
    }
    if let (JobState::Failed, Some(reason)) = (job.state, &job.reason) {
        html.push_str(&format!("\n{}", escape(reason)));
    }
    if job.state == JobState::Lost && job.is_worn_out() {
        html.push_str(&format!("\n{}", card::given_up(job.starts)));
    }
    if let Some(args) = look::args(&job) {
        let rows = workflows::rows(request, id).await?;
        html.push_str(&format!(
            "\n{}",
            look::board(&job, &args, &rows, &workflows::printed(request, id), now).html
        ));
    }
    let (asks, takes_back) = undo::on_page(request, &job, now).await?;
    html.push_str(&asks);
    if let Some(told) = outbox::told(request, id).await? {
        html.push_str(&format!("\n{told}"));
    }
    let end = match request.services.jobs.printed(id).await {
        Some(end) => end,
        None => request.services.jobs.end_of_log(id).await,
    };
    let (tail, _) = text::tail_lines(&end.text, TAIL_UNITS);
    if !tail.trim().is_empty() {
        let note = if tail.len() < end.text.len() || !end.whole {
            "\n… the last lines:"
        } else {
            ""
        };
        html.push_str(&format!("{note}\n{}", text::pre(tail)));
    }
    let once = job.new.source.starts_with(UNDO_SOURCE);
    let mut buttons = match job.state.is_final() {
        true if once && job.new.kind != RUN && job.state != JobState::Succeeded => {
            card::failed_undo_buttons(id, end.bytes > 0)
        }
        true if once => card::once_buttons(id, end.bytes > 0),
        true => card::ended_buttons(id, end.bytes > 0),
        false => {
            let cancel = !job.is_stopping() && cancel::may(request, id).await?;
            let cancel = cancel.then(|| Press::Cancel(id).button("Cancel"));
            let log = (end.bytes > 0).then(|| Press::Log(id).button("Log so far"));
            let row: Vec<_> = cancel.into_iter().chain(log).collect();
            Vec::from_iter((!row.is_empty()).then_some(row))
        }
    };
    buttons.extend(takes_back);
    Ok(Reply::html(html).buttons(buttons))
}

/// The job, if the caller's role may see it, or it is their own by a right to its script. What a role may not see is not told from what does not exist.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn visible(
    request: &Request,
    id: JobId,
    action: &'static str,
    need: Role,
) -> Result<(Job, Grant)> {
    let missing = || {
        Error::refused(format!(
            "There is no job #{id} that you may see. /jobs lists the newest."
        ))
    };
    let asked = Asked::new(action, format!("#{id}"), need);
    let job = {
        let mut db = request.services.store.read().await?;
        store::jobs::find(&mut db, id).await?
    };
    let own = job.as_ref().filter(|job| {
        job.new.asker == request.actor.id && request.may_run(&job.new.title, job.new.role)
    });
    let role = request.role().filter(|role| *role >= need);
    if let (Some(job), Some(role), None) = (&job, role, own)
        && job.new.role > role
    {
        let why = format!("the job is kept for the role {}", job.new.role);
        let access = request.access();
        access.note_refusal(&request.actor, &asked, &why).await?;
        return Err(missing());
    }
    let grant = match own {
        Some(own) => request.allow_script(asked, &own.new.title).await?,
        None => request.allow(asked).await?,
    };
    match job {
        Some(job) => Ok((job, grant)),
        None => Err(jobs::removed(request, id).await?.unwrap_or_else(missing)),
    }
}

/// The job that the words after a command name; `None` when there are no words.
///
/// # Errors
/// Refused when they are no number.
pub fn wanted(rest: &str, command: &str) -> Result<Option<JobId>> {
    if rest.is_empty() {
        return Ok(None);
    }
    job_id(rest).map(Some).ok_or_else(|| {
        let shown = text::head_units(rest, 40);
        Error::refused(format!(
            "“{shown}” is not the number of a job. Write /{command} and a number, such as /{command} 12."
        ))
    })
}
