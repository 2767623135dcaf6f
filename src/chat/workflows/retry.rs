//! A run that goes on where an earlier one failed.

use super::{known, refuse_twice, rows, run_of};
use crate::base::error::{Error, Result};
use crate::base::ids::JobId;
use crate::base::job::JobState;
use crate::base::text::{escape, shorten};
use crate::base::workflow::{RunArgs, StepRow, StepState, Workflow};
use crate::chat::commands::run;
use crate::chat::reply::Reply;
use crate::chat::request::Request;
use crate::jobs::{Beside, NewJob, Origin};
use crate::store;
use crate::store::jobs::Job;
use crate::workflows::{look, plan, undo};

/// Of the names of steps, the most that is shown, in UTF-16 units.
const NAMES: usize = 300;
/// So many runs that went on with each other are named.
const CHAIN: usize = 8;

/// Starts the workflow anew; what was done in that run counts as done.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn retry(request: &Request, id: JobId) -> Result<Reply> {
    let (job, args) = run_of(request, id, "workflow.retry").await?;
    let name = args.flow.name.as_str();
    if job.new.source.starts_with(undo::SOURCE) {
        return Err(Error::refused(format!(
            "#{id} took another run back, which is done once. What it could not take back is left to you; /workflow log {id} shows why."
        )));
    }
    if !job.state.is_final() {
        return Err(Error::refused(format!(
            "#{id} has not ended yet. /workflow status {id} shows how it stands."
        )));
    }
    if job.state == JobState::Succeeded {
        return Err(Error::refused(format!(
            "#{id} did not fail. /workflow run {name} starts it anew."
        )));
    }
    refuse_twice(request, id).await?;
    refuse_undone(request, &job, name).await?;
    let config = request.services.live.current();
    let script = known(request, &config, name)?;
    let now = script.steps.as_deref().unwrap_or(&args.flow);
    let carried = taken_over(&job, &args.flow, now, &rows(request, id).await?)?;
    let note = note(request, &job, now, &carried).await?;
    let note = match *now != *args.flow {
        true => format!("{note} {name} was changed since: the rest goes as it is written now."),
        false => note,
    };
    let wanted = run::Wanted {
        given: args.given,
        retry_of: Some(id),
        from: Some(id),
        ..run::Wanted::new(script.name.to_string())
    };
    let origin = Origin {
        reply_to: request.message,
        ..request.origin()
    };
    let reply = run::launch(request, wanted, origin).await?;
    Ok(match reply.html.is_empty() {
        true => Reply {
            html: escape(&note),
            ..reply
        },
        // It asks first.
        false => Reply {
            html: format!("{}\n{}", reply.html, escape(&note)),
            ..reply
        },
    })
}

/// What is done already, where that was, and what of it is gone.
async fn note(
    request: &Request,
    job: &Job,
    flow: &Workflow,
    carried: &[StepRow],
) -> Result<String> {
    let all = look::names(flow).zip(carried);
    let (left, done): (Vec<_>, Vec<_>) = all
        .filter(|(_, row)| row.left_over || row.state != StepState::Waiting)
        .partition(|(_, row)| row.state == StepState::Waiting);
    let names = |some: &[(&str, &StepRow)]| {
        let names: Vec<_> = some.iter().map(|(name, _)| *name).collect();
        shorten(&names.join(", "), NAMES).into_owned()
    };
    let left = match left.is_empty() {
        true => String::new(),
        false => format!(
            " Done there and not taken back, so it may be done twice: {}.",
            names(&left)
        ),
    };
    if done.is_empty() {
        return Ok(match left.is_empty() {
            true => format!(
                "Nothing of #{} was done, so it begins at the beginning.",
                job.id
            ),
            false => format!("It begins at the beginning.{left}"),
        });
    }
    let runs = chain(request, job).await?;
    let runs: Vec<_> = runs.iter().map(|id| format!("#{id}")).collect();
    let again = flow
        .steps
        .iter()
        .filter(|step| step.is_service())
        .map(|step| step.name.as_str());
    let again: Vec<_> = again.collect();
    let again = match again.is_empty() {
        true => String::new(),
        false => format!(" Started anew: {}.", shorten(&again.join(", "), NAMES)),
    };
    Ok(format!(
        "Done in {} and not done again: {}.{again}{left}",
        runs.join(" and "),
        names(&done)
    ))
}

/// The run, and before it those that it went on with, oldest first, as far as any of their steps were done there.
async fn chain(request: &Request, job: &Job) -> Result<Vec<JobId>> {
    let mut chain = Vec::new();
    let mut next = Some(job.clone());
    while let Some(job) = next.filter(|_| chain.len() < CHAIN) {
        let rows = rows(request, job.id).await?;
        // What was carried into a run has no beginning there.
        let own = rows.iter().any(|row| {
            row.started_at.is_some()
                && matches!(
                    row.state,
                    StepState::Done | StepState::Ignored | StepState::Skipped
                )
        });
        if own {
            chain.push(job.id);
        }
        let carried = rows
            .iter()
            .any(|row| row.started_at.is_none() && row.state == StepState::Done);
        next = match job.new.retry_of.filter(|_| carried) {
            Some(before) => {
                let mut db = request.services.store.read().await?;
                store::jobs::find(&mut db, before).await?
            }
            None => None,
        };
    }
    chain.reverse();
    Ok(chain)
}

/// What is written together with such a run: the steps that count as done.
///
/// # Errors
/// A failure of ours.
pub async fn beside(request: &Request, job: &NewJob, earlier: JobId) -> Result<Beside> {
    let args: RunArgs = serde_json::from_str(&job.payload).map_err(anyhow::Error::new)?;
    let before = {
        let mut db = request.services.store.read().await?;
        store::jobs::find(&mut db, earlier).await?
    };
    let gone = || Error::refused(format!("#{earlier} is not kept any more. Start it anew."));
    let before = before.ok_or_else(gone)?;
    let flow = look::args(&before).ok_or_else(gone)?.flow;
    let rows = rows(request, earlier).await?;
    let begun = taken_over(&before, &flow, &args.flow, &rows)?;
    Ok(begin_with(begun))
}

/// The steps of a run that goes on where an earlier one of another definition failed. What is still to be done goes by the
/// definition of now, which may be why it is tried again. What counts as done must be what it is now.
fn taken_over(
    job: &Job,
    before: &Workflow,
    now: &Workflow,
    rows: &[StepRow],
) -> Result<Vec<StepRow>> {
    let (id, name) = (job.id, now.name.as_str());
    let refuse = |what: &str| {
        Error::refused(format!(
            "{what} is not as it was in #{id} any more. /workflow run {name} starts it anew."
        ))
    };
    if !look::names(now).eq(look::names(before)) {
        return Err(refuse(&format!("The list of steps of {name}")));
    }
    let carried = look::carried(before, &undo::was(job), rows);
    let done = |seq: &usize| carried[*seq].state != StepState::Waiting;
    let other = |seq: &usize| plan::step(before, *seq) != plan::step(now, *seq);
    if let Some(seq) = (0..carried.len()).filter(done).find(other) {
        let step = look::names(now).nth(seq).unwrap_or_default();
        return Err(refuse(&format!("What {step} does, which counts as done,")));
    }
    Ok(carried)
}

/// The run as one that goes on with an earlier one, and not only does the same anew.
///
/// # Errors
/// A failure of ours.
pub fn going_on(job: NewJob, earlier: JobId) -> Result<NewJob> {
    let mut args: RunArgs = serde_json::from_str(&job.payload).map_err(anyhow::Error::new)?;
    args.from = Some(earlier);
    let payload = serde_json::to_string(&args).map_err(anyhow::Error::new)?;
    Ok(NewJob { payload, ..job })
}

/// The newest run that went on with what this one did.
///
/// # Errors
/// When the database refuses.
pub async fn went_on(db: &mut store::Connection, id: JobId) -> Result<Option<JobId>> {
    let later = store::jobs::retries(db, id).await?;
    let goes_on = |job: &&Job| look::args(job).is_some_and(|args| args.from == Some(id));
    Ok(later.iter().find(goes_on).map(|job| job.id))
}

/// What was taken back counts as done no more, whether from this run or from one that went on with it.
async fn refuse_undone(request: &Request, job: &Job, name: &str) -> Result<()> {
    let mut db = request.services.store.read().await?;
    let mut next = Some(job.id);
    while let Some(run) = next {
        if let Some((by, state)) = store::undo::by(&mut db, run).await? {
            return Err(match state {
                JobState::Succeeded => Error::refused(format!(
                    "What #{} did was taken back by #{by}. /workflow run {name} starts it anew.",
                    job.id
                )),
                other => crate::chat::undo::taken_back(run, by, other),
            });
        }
        next = went_on(&mut db, run).await?;
    }
    Ok(())
}

/// Writes the steps as a run begins with them, unless it has some: the same start came twice then.
pub fn begin_with(begun: Vec<StepRow>) -> Beside {
    Box::new(move |tx, id| {
        Box::pin(async move {
            if !store::workflows::steps(tx, id).await?.is_empty() {
                return Ok(());
            }
            for (seq, row) in begun.iter().enumerate() {
                store::workflows::put(tx, id, seq, row).await?;
            }
            Ok(())
        })
    })
}
