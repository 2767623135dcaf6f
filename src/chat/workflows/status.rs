//! How a run stands: its card as it is now.

use super::press::FlowPress;
use super::{answer, known, line, lines, rows, run_of, taken_back, undo};
use crate::access::Asked;
use crate::actions::script;
use crate::base::error::{Error, Result};
use crate::base::ids::JobId;
use crate::base::role::Role;
use crate::base::text::{pre, tail_lines};
use crate::chat::commands::cancel;
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
            let mut lines = lines(request, several).await?;
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

/// The run of this workflow that goes on, or else the last one. Looking takes the right to see the run, not to start one;
/// and a run is there though its workflow may be gone from the configuration.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn of_name(request: &Request, name: &str) -> Result<Reply> {
    let asked = Asked::new("workflow.status", name, Role::Viewer);
    request.allow_first(asked).await?;
    let config = request.services.live.current();
    let found = script::find(&config, name).filter(|script| script.steps.is_some());
    let title = found.map_or(name, |script| script.name.as_str());
    let mut shown = {
        let mut db = request.services.store.read().await?;
        let tally = workflows::tally(&mut db, title).await?;
        let ids: Vec<JobId> = tally.open.into_iter().take(1).chain(tally.last).collect();
        let mut jobs = crate::store::jobs::find_all(&mut db, &ids).await?;
        ids.into_iter().filter_map(move |id| jobs.remove(&id))
    };
    if let Some(job) = shown.find(|job| sees(request, job)) {
        return show(request, job.id).await;
    }
    let name = known(request, &config, name)?.name.as_str();
    Err(Error::refused(format!(
        "{name} was not run yet. Write /workflow run {name}."
    )))
}

/// A run as it stands.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn show(request: &Request, id: JobId) -> Result<Reply> {
    let (job, args) = run_of(request, id, "workflow.status").await?;
    let now = request.services.clock.now();
    let printed = request.services.jobs.printed(id).await;
    let rows = rows(request, id).await?;
    let live = printed.as_ref().and_then(|end| end.board.clone());
    let board = match live {
        Some(board) => board,
        None => look::board(&job, &args, &rows, &super::printed(request, id), now),
    };
    let mut html = format!("{}\n{}", line(request, &job).await?, board.html);
    if let Some(end) = &printed {
        let said = board.said.as_deref().unwrap_or(&end.text);
        let (tail, _) = tail_lines(said, TAIL);
        if !tail.trim().is_empty() {
            html.push_str(&format!("\n{}", pre(tail)));
        }
    }
    // Nobody has to answer for a run that is being stopped.
    let mut buttons = match job.is_stopping() {
        true => Vec::new(),
        false => answer::buttons(request, &job, &args, &rows),
    };
    buttons.extend(match job.state.is_final() {
        true => card::board_buttons(id, job.log_bytes > 0, &board),
        false => {
            let stop = !job.is_stopping() && cancel::may(request, id).await?;
            let stop = stop.then(|| Press::Cancel(id).button("Stop"));
            let refresh = FlowPress::Show(id).press().button("Refresh");
            vec![stop.into_iter().chain([refresh]).collect()]
        }
    });
    buttons.extend(board.buttons);
    if !undo::is_offered(request, &job, &args).await? {
        undo::without(&mut buttons, &FlowPress::Undo(id));
    }
    // What was taken back is not gone on with.
    if taken_back(request, &job).await?.is_some() {
        undo::without(&mut buttons, &FlowPress::Retry(id));
    }
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
    if job.is_none() {
        run_of(request, id, "workflow.stop").await?;
    }
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
    let found = script::find(&config, name).filter(|script| script.steps.is_some());
    let title = found.map_or(name, |script| script.name.as_str());
    let all = {
        let mut db = request.services.store.read().await?;
        workflows::open(&mut db).await?
    };
    let mine = all.iter().filter(|job| job.new.title == title);
    let open: Vec<_> = mine
        .filter(|job| sees(request, job))
        .map(|job| job.id)
        .collect();
    let name = match open.is_empty() {
        true => known(request, &config, name)?.name.as_str(),
        false => title,
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
