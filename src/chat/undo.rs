//! Taking back what a script did, and confirming that it holds.

use super::commands::freeze;
use super::commands::job::visible;
use super::commands::jobs::clock;
use super::keyboards::Press;
use super::reply::Reply;
use super::request::Request;
use super::workflows::press::FlowPress;
use crate::access::{Asked, Grant};
use crate::actions::script::Run;
use crate::actions::undo;
use crate::base::error::{Error, Result};
use crate::base::ids::JobId;
use crate::base::job::{JobState, undo_source};
use crate::base::role::Role;
use crate::base::text::{escape, grouped, head_units, pre, utf16_len};
use crate::base::time::{Millis, human};
use crate::base::workflow::RUN;
use crate::delivery::{Buttons, undo as words};
use crate::jobs::{Beside, NewJob, Origin, Submitted};
use crate::store;
use crate::store::jobs::Job;
use std::time::Duration;

/// Of what will run, the most that is shown, in UTF-16 units.
const SHOWN: usize = 3000;

/// What will run, as HTML; of what is too long for a message, its beginning, and how much is left out.
pub fn what_runs(masked: &str) -> String {
    let all = utf16_len(masked);
    if all <= SHOWN {
        return pre(masked);
    }
    let head = head_units(masked, SHOWN);
    let left = all - utf16_len(head);
    format!(
        "{}\n✂️ {} more characters are not shown here.",
        pre(head),
        grouped(left as u64)
    )
}

/// Shows what would run, and asks.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn ask(request: &Request, id: JobId) -> Result<Reply> {
    let (job, run, _) = offered(request, id, "script.undo.ask").await?;
    refuse_frozen(request, &job).await?;
    let masked = request.services.scripts.undo_shown(&run);
    Ok(Reply::html(format!(
        "Take back <b>{}</b> · #{id}? This runs, an argument a line:\n{}",
        escape(&job.new.title),
        what_runs(&masked)
    ))
    .buttons(vec![vec![
        Press::TakeBack(id).button("Take it back"),
        FlowPress::Leave(id).press().button("Leave it"),
    ]]))
}

/// Takes it back.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn take_back(request: &Request, id: JobId) -> Result<Reply> {
    let (job, _, grant) = offered(request, id, "script.undo").await?;
    let services = &request.services;
    let before = {
        let mut db = services.store.read().await?;
        store::undo::by(&mut db, id).await?
    };
    if let Some((undoing, state)) = before {
        return Err(tried(id, undoing, state));
    }
    let now = services.clock.now();
    let frozen = services.schedules.frozen().await?.is_some();
    // Unless somebody confirms, it is taken back though frozen; so it is when somebody says so now.
    let is_promised = frozen && is_asked(request, &job, now).await?;
    let need = match is_promised || !undo::is_in_time(&job, now) {
        true => undo::Need::Open,
        false => undo::Need::Nothing,
    };
    let origin = Origin {
        source: undo_source(id, None),
        reply_to: None,
        ..request.origin()
    };
    let why = format!("Not kept by {}", request.actor.name);
    let beside = undo::beside(&services.outbox, &job, &why, need, frozen);
    let new = undo::job(&job, is_promised)?;
    submit(request, &grant, &job, new, origin, beside).await
}

/// Submits what takes a job back, and sends what the job's chat is told of it.
async fn submit(
    request: &Request,
    grant: &Grant,
    job: &Job,
    new: NewJob,
    origin: Origin,
    beside: Beside,
) -> Result<Reply> {
    let services = &request.services;
    let submitted = services
        .jobs
        .submit_with(grant, new, origin, beside)
        .await?;
    services.outbox.kick(job.new.place.chat);
    match submitted {
        Submitted::New(undoing) => Ok(Reply::follow(undoing)),
        Submitted::Before(undoing) => Err(taken_back(job.id, undoing, JobState::Queued)),
    }
}

/// Tries once more to take a job back, after this other one was to and could not.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn again(request: &Request, failed: &Job, id: JobId) -> Result<Reply> {
    let by = failed.id;
    if failed.state == JobState::Succeeded {
        return Err(Error::refused(format!(
            "#{by} took back #{id}. That is done once."
        )));
    }
    if failed.new.kind == RUN {
        return Err(Error::refused(format!(
            "#{by} was to take #{id} back and could not take back all of it. That is tried once: /workflow undo {id} shows how the rest is taken back by hand."
        )));
    }
    let (job, _, grant) = known(request, id, "script.undo").await?;
    let services = &request.services;
    let newest = {
        let mut db = services.store.read().await?;
        store::undo::by(&mut db, id).await?
    };
    if let Some((newest, state)) = newest.filter(|(newest, _)| *newest != by) {
        return Err(tried(id, newest, state));
    }
    let origin = Origin {
        source: undo_source(id, Some(by)),
        reply_to: request.message,
        ..request.origin()
    };
    let new = NewJob {
        retry_of: Some(by),
        ..undo::job(&job, false)?
    };
    let beside = undo::beside(&services.outbox, &job, "", undo::Need::Nothing, false);
    submit(request, &grant, &job, new, origin, beside).await
}

/// The refusal to take a script back once more; one that could not may be tried again.
fn tried(id: JobId, by: JobId, state: JobState) -> Error {
    match state {
        JobState::Succeeded | JobState::Queued | JobState::Running => taken_back(id, by, state),
        JobState::Failed | JobState::Cancelled | JobState::TimedOut | JobState::Lost => {
            Error::refused(format!(
                "#{by} was to take #{id} back and could not take back all of it. /job {by} shows why; /retry {by} tries it again."
            ))
        }
    }
}

/// The refusal to take back once more what another job took back, or tried to.
pub fn taken_back(id: JobId, by: JobId, state: JobState) -> Error {
    Error::refused(match state {
        JobState::Succeeded => format!("#{id} was taken back already, by #{by}."),
        JobState::Queued | JobState::Running => format!("#{by} takes #{id} back already."),
        JobState::Failed | JobState::Cancelled | JobState::TimedOut | JobState::Lost => format!(
            "#{by} was to take #{id} back and could not take back all of it. /job {by} shows why; the rest is to be done by hand."
        ),
    })
}

/// Notes that it holds, so that it is not taken back by itself.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn keep(request: &Request, id: JobId) -> Result<Reply> {
    let (job, _, grant) = known(request, id, "script.keep").await?;
    let services = &request.services;
    let mut tx = services.store.begin_led().await?;
    if !store::undo::close(&mut tx, id, false, request.services.clock.now()).await? {
        return Err(Error::refused(format!(
            "Nobody needs to confirm #{id} any more."
        )));
    }
    grant.record(&mut tx).await?;
    let kept = words::kept(id, &job.new.title, job.new.place, &request.actor.name);
    services.outbox.promise(&mut tx, &kept.of_job(id)).await?;
    let committed = services.store.commit(tx).await;
    grant.settle(&committed);
    committed?;
    services.outbox.kick(job.new.place.chat);
    Ok(Reply::toast(format!("#{id} is kept.")))
}

/// Whether it is asked whether the job holds, unless somebody said so; also a while longer, where nobody could be heard.
async fn is_asked(request: &Request, job: &Job, now: Millis) -> Result<bool> {
    Ok(undo::is_asked(job, now) || asked_until(request, job.id, now).await?.is_some())
}

/// Until when it is asked whether the job holds; `None` when it is not, or not any more.
async fn asked_until(request: &Request, id: JobId, now: Millis) -> Result<Option<Millis>> {
    let mut db = request.services.store.read().await?;
    let until = store::undo::open_until(&mut db, id).await?;
    Ok(until.filter(|until| *until > now))
}

/// What the page of a job says of taking it back, as a line of HTML, and the buttons for that.
///
/// # Errors
/// When the database refuses.
pub async fn on_page(request: &Request, job: &Job, now: Millis) -> Result<(String, Buttons)> {
    if let Some(until) = asked_until(request, job.id, now).await? {
        // In whole minutes, as long as there are some.
        let left = match until.since(now).as_secs() {
            seconds @ 0..60 => seconds.max(1),
            seconds => seconds.next_multiple_of(60),
        };
        let line = format!(
            "\n✋ Unless somebody who may run {} confirms by {} ({} left), it is taken back.",
            escape(&job.new.title),
            clock(until, now),
            human(Duration::from_secs(left))
        );
        let answers = words::answers(job.id).map(|button| vec![button]);
        return Ok((line, answers.to_vec()));
    }
    let is_offered = undo::is_in_time(job, now) && {
        let mut db = request.services.store.read().await?;
        store::undo::by(&mut db, job.id).await?.is_none()
    };
    let offer = is_offered.then(|| vec![Press::Undo(job.id).button("Undo")]);
    Ok((String::new(), offer.into_iter().collect()))
}

/// The job and its run, if it can be taken back yet and the caller may run its script.
async fn offered(request: &Request, id: JobId, action: &'static str) -> Result<(Job, Run, Grant)> {
    let found = known(request, id, action).await?;
    let now = request.services.clock.now();
    if !undo::is_in_time(&found.0, now) && !is_asked(request, &found.0, now).await? {
        return Err(Error::refused(format!(
            "The time to take back #{id} is over. What it did stays."
        )));
    }
    Ok(found)
}

/// The job and its run, if it has something that takes it back and the caller may run its script, or might have before that
/// left the configuration.
async fn known(request: &Request, id: JobId, action: &'static str) -> Result<(Job, Run, Grant)> {
    let (job, _) = visible(request, id, "job.show", Role::Viewer).await?;
    let nothing = || Error::refused(format!("There is nothing of #{id} to take back."));
    let run = undo::run(&job).ok_or_else(nothing)?;
    let need = undo::need(&request.services.live.current(), &job);
    let asked = Asked::new(action, format!("#{id}"), need);
    let grant = request.allow_script(asked, &job.new.title).await?;
    Ok((job, run, grant))
}

/// Refuses while everything is frozen, unless it was promised before that this is taken back.
async fn refuse_frozen(request: &Request, job: &Job) -> Result<()> {
    match asked_until(request, job.id, request.services.clock.now()).await? {
        Some(_) => Ok(()),
        None => freeze::refuse(request).await,
    }
}
