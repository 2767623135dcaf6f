//! How a run stands: its card as it is now.

use super::press::FlowPress;
use super::{known, rows, run_of};
use crate::access::Asked;
use crate::base::error::{Error, Result};
use crate::base::ids::JobId;
use crate::base::role::Role;
use crate::base::text::{escape, pre, tail_lines};
use crate::chat::commands::{cancel, jobs};
use crate::chat::keyboards::{Press, in_pairs};
use crate::chat::reply::Reply;
use crate::chat::request::Request;
use crate::delivery::card;
use crate::store::jobs::Job;
use crate::store::workflows;
use crate::workflows::look;

/// Of a page, the most that the end of the output may take, in UTF-16 units.
const TAIL: usize = 1000;
/// Runs that are offered at the most.
const OFFERED: usize = 12;

/// What runs now; the only one is shown at once.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn now(request: &Request) -> Result<Reply> {
    let asked = Asked::new("workflow.status", "", Role::Viewer);
    request.allow(asked).await?;
    let open = {
        let mut db = request.services.store.read().await?;
        workflows::open(&mut db).await?
    };
    let mine: Vec<Job> = open.into_iter().filter(|job| sees(request, job)).collect();
    match mine.as_slice() {
        [] => Ok(Reply::plain(
            "No workflow runs now. /workflow shows them and how they went last.",
        )),
        [only] => show(request, only.id).await,
        several => {
            let (several, rest) = several.split_at(several.len().min(OFFERED));
            let mut lines: Vec<_> = several.iter().map(jobs::line).collect();
            if !rest.is_empty() {
                lines.push(format!("… and {} more: /jobs running", rest.len()));
            }
            let button = |job: &Job| {
                let label = format!("{} #{}", job.new.title, job.id);
                FlowPress::Show(job.id).press().button(label)
            };
            let buttons = in_pairs(several.iter().map(button).collect());
            Ok(Reply::html(lines.join("\n")).buttons(buttons))
        }
    }
}

/// Whether the caller may see a run: by their role, or because it is their own by a right to its workflow.
pub fn sees(request: &Request, job: &Job) -> bool {
    let own = job.new.asker == request.actor.id && request.may_run(&job.new.title, job.new.role);
    own || request.role().is_some_and(|role| role >= job.new.role)
}

/// The run of this workflow that goes on, or else the last one.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn of_name(request: &Request, name: &str) -> Result<Reply> {
    let asked = Asked::new("workflow.status", name, Role::Viewer);
    request.allow_first(asked).await?;
    let config = request.services.live.current();
    let name = known(request, &config, name)?.name.as_str();
    let tally = {
        let mut db = request.services.store.read().await?;
        workflows::tally(&mut db, name).await?
    };
    match (tally.open.first(), tally.last) {
        (Some(run), _) => show(request, *run).await,
        (None, Some(last)) => show(request, last.id).await,
        (None, None) => Err(Error::refused(format!(
            "{name} was not run yet. Write /workflow run {name}."
        ))),
    }
}

/// A run as it stands.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn show(request: &Request, id: JobId) -> Result<Reply> {
    let (job, args) = run_of(request, id, "workflow.status").await?;
    let now = request.services.clock.now();
    let printed = request.services.jobs.printed(id).await;
    let live = printed.as_ref().and_then(|end| end.board.clone());
    let board = match live {
        Some(board) => board,
        None => look::board(&job, &args, &rows(request, id).await?, now),
    };
    let mut html = match &board.outcome {
        Some((mark, words)) => format!(
            "{mark} <b>{}</b> · #{id} · {words} · {}",
            escape(&job.new.title),
            jobs::clock(job.new.created_at, now)
        ),
        None => jobs::line(&job),
    };
    html.push_str(&format!("\n{}", board.html));
    if let Some(end) = &printed {
        let (tail, _) = tail_lines(&end.text, TAIL);
        if !tail.trim().is_empty() {
            html.push_str(&format!("\n{}", pre(tail)));
        }
    }
    let mut buttons = match job.state.is_final() {
        true => card::ended_buttons(id, job.log_bytes > 0),
        false => vec![vec![
            Press::Cancel(id).button("Stop"),
            FlowPress::Show(id).press().button("Refresh"),
        ]],
    };
    buttons.extend(board.buttons);
    Ok(Reply::html(html).buttons(buttons))
}

/// Stops a run: by its number, or the only one that goes on of a workflow.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn stop(request: &Request, id: JobId) -> Result<Reply> {
    let job = {
        let mut db = request.services.store.read().await?;
        crate::store::jobs::find(&mut db, id).await?
    };
    if let Some(job) = job.filter(|job| look::args(job).is_none() && sees(request, job)) {
        return Err(Error::refused(format!(
            "#{id} is {}, not a run of a workflow. /cancel {id} stops it.",
            job.new.title
        )));
    }
    cancel::cancel(request, id).await
}

/// The same by the name of a workflow.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn stop_named(request: &Request, name: &str) -> Result<Reply> {
    let asked = Asked::new("workflow.stop", name, Role::Viewer);
    request.allow_first(asked).await?;
    let config = request.services.live.current();
    let name = known(request, &config, name)?.name.as_str();
    let open = {
        let mut db = request.services.store.read().await?;
        workflows::tally(&mut db, name).await?.open
    };
    match open.as_slice() {
        [] => Err(Error::refused(format!("{name} does not run now."))),
        [only] => cancel::cancel(request, *only).await,
        several => {
            let runs: Vec<_> = several.iter().map(|id| format!("#{id}")).collect();
            let first = several.first().map_or(0, |id| id.0);
            Err(Error::refused(format!(
                "{name} runs more than once: {}. Write which, as in /workflow stop {first}.",
                runs.join(", ")
            )))
        }
    }
}
