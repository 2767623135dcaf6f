//! Taking back what a run did: asked first, then a run of its own, once.

use super::press::FlowPress;
use super::retry::begin_with;
use super::{known, rows, run_of};
use crate::access::{Asked, Grant};
use crate::base::error::{Error, Result};
use crate::base::ids::JobId;
use crate::base::job::{AfterCrash, OnBusy, OutputMode};
use crate::base::text::escape;
use crate::base::workflow::{RUN, RunArgs, Source, StepRow};
use crate::chat::reply::Reply;
use crate::chat::request::Request;
use crate::chat::undo::what_runs;
use crate::jobs::{NewJob, Origin, Submitted};
use crate::store;
use crate::store::jobs::Job;
use crate::workflows::{look, undo};

/// Shows what would run, and asks.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn ask(request: &Request, id: JobId) -> Result<Reply> {
    let (job, args, rows, _) = offered(request, id, "workflow.undo.ask").await?;
    let mut values = look::given(&args);
    values.set(Source::Run("id".to_owned()), id.to_string());
    let lines = undo::words(&args, &rows, &values);
    let masked = request.services.flows.mask(&args.flow, &lines.join("\n"));
    let folders = match undo::needs_folder(&args.flow, &rows) {
        true => "\nThe files of the run are gone: what works in its folders finds them empty.",
        false => "",
    };
    Ok(Reply::html(format!(
        "Take back <b>{}</b> · #{id}? This runs, one after the other:\n{}{folders}",
        escape(&job.new.title),
        what_runs(&masked)
    ))
    .buttons(vec![vec![
        FlowPress::UndoNow(id).press().button("Take it back"),
    ]]))
}

/// Takes it back.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn undo(request: &Request, id: JobId) -> Result<Reply> {
    let (job, args, rows, grant) = offered(request, id, "workflow.undo").await?;
    let Some((args, begun)) = undo::of(&job, &args, &rows) else {
        return Err(nothing(id));
    };
    let new = NewJob {
        kind: RUN,
        payload: serde_json::to_string(&args).map_err(anyhow::Error::new)?,
        title: job.new.title.clone(),
        role: job.new.role,
        lane: job.new.lane.clone(),
        lane_limit: job.new.lane_limit,
        on_busy: OnBusy::Queue,
        after_crash: AfterCrash::Resume,
        output: OutputMode::Card,
        retry_of: None,
        telling: None,
        lock: None,
        undo: None,
        promised: false,
    };
    let origin = Origin {
        source: format!("{}{id}", undo::SOURCE),
        card: request.pressed(),
        ..request.origin()
    };
    let jobs = &request.services.jobs;
    let submitted = jobs
        .submit_with(&grant, new, origin, begin_with(begun))
        .await?;
    Ok(match submitted {
        Submitted::New(undoing) => Reply::follow(undoing),
        Submitted::Before(undoing) => {
            return Err(Error::refused(format!(
                "#{id} was taken back already, by #{undoing}."
            )));
        }
    })
}

/// The run, if it can be taken back yet and the caller may run its workflow.
async fn offered(
    request: &Request,
    id: JobId,
    action: &'static str,
) -> Result<(Job, RunArgs, Vec<StepRow>, Grant)> {
    let (job, args) = run_of(request, id, "workflow.status").await?;
    let config = request.services.live.current();
    let script = known(request, &config, &args.flow.name)?;
    let asked = Asked::new(action, format!("#{id}"), script.role);
    let grant = request.allow_script(asked, script.name.as_str()).await?;
    let rows = rows(request, id).await?;
    if !job.state.is_final() {
        return Err(Error::refused(format!(
            "#{id} has not ended yet. /workflow stop {id} stops it; after that it can be taken back."
        )));
    }
    if undo::takes_back(&args.flow) || !undo::is_there(&args.flow, &rows) {
        return Err(nothing(id));
    }
    refuse_continued(request, id).await?;
    let late =
        undo::until(&job, &args.flow).is_none_or(|until| until < request.services.clock.now());
    if late {
        return Err(Error::refused(format!(
            "The time to take back #{id} is over. What it did stays; /workflow plan {} shows how each step is taken back by hand.",
            script.name
        )));
    }
    if let Some((step, value)) = undo::lacking(&args.flow, &rows) {
        return Err(Error::refused(format!(
            "{step} cannot be taken back: that needs {value}, which is a secret, or was never found, and is kept nowhere. So nothing of #{id} is taken back from here; /workflow plan {} shows how each step is taken back by hand.",
            script.name
        )));
    }
    Ok((job, args, rows, grant))
}

/// A run that went on where this one failed counts its steps as its own: both taken back would do it twice.
async fn refuse_continued(request: &Request, id: JobId) -> Result<()> {
    let mut db = request.services.store.read().await?;
    match store::jobs::latest_retry(&mut db, id).await? {
        Some(later) => Err(Error::refused(format!(
            "#{0} went on with what #{id} did. Take that one back instead.",
            later.id
        ))),
        None => Ok(()),
    }
}

fn nothing(id: JobId) -> Error {
    Error::refused(format!("There is nothing of #{id} to take back."))
}
