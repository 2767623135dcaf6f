//! Taking back what a run did: asked first, then a run of its own, once.

use super::press::FlowPress;
use super::retry::{begin_with, went_on};
use super::{known, may_run, rows, taken_back, visible};
use crate::access::Grant;
use crate::base::error::{Error, Refusal, Result};
use crate::base::ids::JobId;
use crate::base::job::{AfterCrash, JobState, OnBusy, OutputMode};
use crate::base::role::Role;
use crate::base::text::{escape, shorten};
use crate::base::workflow::{RUN, RunArgs, Source, StepRow};
use crate::chat::commands::freeze;
use crate::chat::reply::Reply;
use crate::chat::request::Request;
use crate::chat::undo::{taken_back as taken_back_by, what_runs};
use crate::delivery::Buttons;
use crate::jobs::{Beside, NewJob, Origin, Submitted, undoing};
use crate::store;
use crate::store::jobs::Job;
use crate::workflows::{look, undo};

/// Of what would have to be run by hand, the most that is shown, in UTF-16 units.
const SHOWN: usize = 3000;

/// Shows what would run, and asks.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn ask(request: &Request, id: JobId) -> Result<Reply> {
    let found = found(request, id, "workflow.undo.ask").await?;
    found.check(request).await?;
    freeze::refuse(request).await?;
    let folders = match undo::needs_folder(&found.args.flow, &found.rows) {
        true => "\nThe files of the run are gone: what works in its folders finds them empty.",
        false => "",
    };
    Ok(Reply::html(format!(
        "Take back <b>{}</b> · #{id}? This runs, one after the other:\n{}{folders}",
        escape(&found.job.new.title),
        what_runs(&found.lines(request))
    ))
    .buttons(vec![vec![
        FlowPress::UndoNow(id).press().button("Take it back"),
        FlowPress::Leave(id).press().button("Leave it"),
    ]]))
}

/// Takes it back. What can no longer be taken back is told in place of the question.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn undo(request: &Request, id: JobId) -> Result<Reply> {
    let found = found(request, id, "workflow.undo").await?;
    match found.check(request).await {
        // The question is not the card of what takes the run back: it has nothing left to ask.
        Err(Error::Refused(why)) if !is_card(request).await? => {
            found.grant.refuse(why.words());
            return Ok(Reply::plain(why.words()).in_place());
        }
        checked => checked?,
    }
    let (job, grant) = (&found.job, &found.grant);
    let Some((args, begun)) = undo::of(job, &found.args, &found.rows) else {
        return Err(nothing(id));
    };
    let new = NewJob {
        kind: RUN,
        payload: serde_json::to_string(&args).map_err(anyhow::Error::new)?,
        title: job.new.title.clone(),
        role: job.new.role,
        lane: match job.new.lane_limit {
            1 => store::locks::undo_lane(&job.new.lane),
            _ => job.new.lane.clone(),
        },
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
    let (outbox, begin) = (request.services.outbox.clone(), begin_with(begun));
    let beside: Beside = Box::new(move |tx, by| {
        Box::pin(async move {
            begin(tx, by).await?;
            undoing::tell(&outbox, tx, by).await?;
            Ok(())
        })
    });
    let submitted = jobs.submit_with(grant, new, origin, beside).await?;
    request.services.outbox.kick(job.new.place.chat);
    match submitted {
        Submitted::New(undoing) => Ok(Reply::follow(undoing)),
        Submitted::Before(undoing) => Err(taken_back_by(id, undoing, JobState::Queued)),
    }
}

/// Whether the pressed message is the card of a job by now.
async fn is_card(request: &Request) -> Result<bool> {
    let Some(pressed) = request.pressed() else {
        return Ok(true);
    };
    let chat = request.actor.place.chat;
    let mut db = request.services.store.read().await?;
    let slots = store::outbox::slots_of(&mut db, chat, pressed).await?;
    Ok(!slots.is_empty())
}

/// Whether a run may be taken back at this moment.
///
/// # Errors
/// When the database refuses.
pub async fn is_offered(request: &Request, job: &Job, args: &RunArgs) -> Result<bool> {
    let late =
        undo::until(job, &args.flow).is_none_or(|until| until < request.services.clock.now());
    let back = taken_back(request, job).await?.is_some();
    Ok(job.state.is_final() && !late && !back)
}

/// Removes this button.
pub fn without(buttons: &mut Buttons, press: &FlowPress) {
    let data = press.data();
    for row in buttons.iter_mut() {
        row.retain(|button| button.data != data);
    }
    buttons.retain(|row| !row.is_empty());
}

/// A run, as far as it can be taken back.
struct Run {
    job: Job,
    args: RunArgs,
    rows: Vec<StepRow>,
    grant: Grant,
}

/// The run, if the caller may run its workflow.
async fn found(request: &Request, id: JobId, action: &'static str) -> Result<Run> {
    let (job, grant) = visible(request, id, action, Role::Viewer).await?;
    let args = look::args(&job).ok_or_else(|| nothing(id))?;
    // It is taken back as it was, also when its workflow is another one by now, or gone.
    if !may_run(request, &job) {
        let config = request.services.live.current();
        known(request, &config, &args.flow.name)?;
    }
    let rows = rows(request, id).await?;
    Ok(Run {
        job,
        args,
        rows,
        grant,
    })
}

impl Run {
    /// What takes it back, a line for each step, masked.
    fn lines(&self, request: &Request) -> String {
        let mut values = look::given(&self.args);
        values.set(Source::Run("id".to_owned()), self.job.id.to_string());
        let by = self.job.new.asker_name.clone();
        values.set(Source::Run("by".to_owned()), by);
        let lines = undo::words(&self.args, &self.rows, &values);
        let flows = &request.services.flows;
        flows.mask(&self.args.flow, &lines.join("\n"))
    }

    /// Refuses what cannot be taken back, or not any more.
    async fn check(&self, request: &Request) -> Result<()> {
        let (id, flow) = (self.job.id, &self.args.flow);
        if !self.job.state.is_final() {
            return Err(Error::refused(format!(
                "#{id} has not ended yet. /workflow stop {id} stops it; after that it can be taken back."
            )));
        }
        if undo::takes_back(flow) || !undo::is_there(flow, &self.rows) {
            return Err(nothing(id));
        }
        let by = {
            let mut db = request.services.store.read().await?;
            store::undo::by(&mut db, id).await?
        };
        if let Some((by, state)) = by {
            return Err(match state {
                JobState::Queued | JobState::Running | JobState::Succeeded => {
                    taken_back_by(id, by, state)
                }
                JobState::Failed | JobState::Cancelled | JobState::TimedOut | JobState::Lost => {
                    Error::Refused(Refusal::with_code(
                        &format!(
                            "#{by} was to take #{id} back and could not take back all of it; /job {by} shows what it did. By hand, this takes it back, one after the other:\n"
                        ),
                        &shorten(&self.lines(request), SHOWN),
                    ))
                }
            });
        }
        refuse_continued(request, id).await?;
        let now = request.services.clock.now();
        let late = undo::until(&self.job, flow).is_none_or(|until| until < now);
        if late {
            return Err(Error::Refused(Refusal::with_code(
                &format!(
                    "The time to take back #{id} is over, and what it did stays. By hand, this takes it back, one after the other:\n"
                ),
                &shorten(&self.lines(request), SHOWN),
            )));
        }
        if let Some((step, value)) = undo::lacking(flow, &self.rows) {
            let mut steps = flow.steps.iter();
            let is_secret = steps.any(|one| one.name == step && undo::needs_secret(flow, one));
            let why = match is_secret {
                true => "is a secret: it went with the run, and is kept nowhere",
                false => "was never found",
            };
            return Err(Error::refused(format!(
                "{step} cannot be taken back: that needs {value}, which {why}. So nothing of #{id} is taken back from here; /workflow plan {} shows how each step is taken back by hand.",
                flow.name
            )));
        }
        Ok(())
    }
}

/// A run that went on where this one failed counts its steps as its own: both taken back would do it twice.
async fn refuse_continued(request: &Request, id: JobId) -> Result<()> {
    let mut db = request.services.store.read().await?;
    match went_on(&mut db, id).await? {
        Some(later) => Err(Error::refused(format!(
            "#{later} went on with what #{id} did. Take that one back instead."
        ))),
        None => Ok(()),
    }
}

fn nothing(id: JobId) -> Error {
    Error::refused(format!("There is nothing of #{id} to take back."))
}
