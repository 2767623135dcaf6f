//! Workflows in the chat: what there is, how it stands, what a run printed, and what people say to a run.

pub mod answer;
pub mod list;
pub mod log;
pub mod plan;
pub mod press;
pub mod retry;
pub mod status;
pub mod undo;

use super::commands::job::visible;
use super::commands::jobs::{self, clock};
use super::commands::retry::refuse_twice;
use super::reply::Reply;
use super::request::Request;
use crate::actions::script;
use crate::actions::undo::need;
use crate::base::error::{Error, Result};
use crate::base::ids::JobId;
use crate::base::job::JobState;
use crate::base::role::Role;
use crate::base::suggest;
use crate::base::text::{escape, head_units};
use crate::base::time::Millis;
use crate::base::workflow::{RUN, RunArgs, StepRow};
use crate::config::{Config, Schedule, Script};
use crate::delivery::undo::words as undo_words;
use crate::jobs::output::steps_printed;
use crate::schedules::Entry;
use crate::store;
use crate::store::jobs::Job;
use crate::store::workflows;
use crate::workflows::look;
use press::FlowPress;
use std::collections::BTreeSet;

/// Carries a press out. Rights are asked for at the moment of the press.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn handle(request: &Request, press: FlowPress) -> Result<Reply> {
    match press {
        FlowPress::List(page) => Ok(list::page(request, page).await?.in_place()),
        FlowPress::Status(name) => status::of_name(request, &name).await,
        FlowPress::Show(run) => Ok(status::show(request, run).await?.in_place()),
        FlowPress::Log(run, seq) => log::pressed(request, run, seq).await,
        FlowPress::Answer {
            said,
            run,
            seq,
            attempt,
        } => {
            let said = answer::Word { said, reason: None };
            let done = answer::answer(request, run, (seq, attempt), said).await?;
            Ok(Reply::toast(done))
        }
        FlowPress::Retry(run) => retry::retry(request, run).await,
        FlowPress::Undo(run) => undo::ask(request, run).await,
        FlowPress::UndoNow(run) => undo::undo(request, run).await,
        FlowPress::Leave(job) => leave(request, job).await,
    }
}

/// Takes away the question whether to take a job back, by whoever might.
async fn leave(request: &Request, id: JobId) -> Result<Reply> {
    let (job, _) = visible(request, id, "press.answer", Role::Viewer).await?;
    if !may_run(request, &job) {
        return Err(Error::refused(format!(
            "Only who may take #{id} back answers this."
        )));
    }
    Ok(Reply::plain(&format!("#{id} stays as it is. Nothing was run.")).in_place())
}

/// Whether the caller may run what this job ran; of what is no longer configured, whether they might have.
#[must_use]
pub fn may_run(request: &Request, job: &Job) -> bool {
    let config = request.services.live.current();
    request.may_run(&job.new.title, need(&config, job))
}

/// The steps of a run as they stand.
///
/// # Errors
/// When the database refuses.
pub async fn rows(request: &Request, run: JobId) -> Result<Vec<StepRow>> {
    let mut db = request.services.store.read().await?;
    Ok(workflows::steps(&mut db, run).await?)
}

/// The steps of a run that printed something.
#[must_use]
pub fn printed(request: &Request, run: JobId) -> BTreeSet<usize> {
    steps_printed(&request.services.log_dir, run)
}

/// A job in one line, and of a run what came of it: the same words wherever it is told.
///
/// # Errors
/// When the database refuses.
pub async fn line(request: &Request, job: &Job) -> Result<String> {
    let lines = lines(request, std::slice::from_ref(job)).await?;
    Ok(lines.concat())
}

/// The same of several jobs, in their order.
///
/// # Errors
/// When the database refuses.
pub async fn lines(request: &Request, jobs: &[Job]) -> Result<Vec<String>> {
    let ids = |which: fn(&&Job) -> bool| -> Vec<JobId> {
        jobs.iter().filter(which).map(|job| job.id).collect()
    };
    let (runs, over) = (
        ids(|job| job.new.kind == RUN),
        ids(|job| job.state.is_final()),
    );
    let (rows, back) = {
        let mut db = request.services.store.read().await?;
        let rows = workflows::steps_of(&mut db, &runs).await?;
        (rows, store::undo::by_all(&mut db, &over).await?)
    };
    let now = request.services.clock.now();
    let line = |job: &Job| {
        let rows = rows.get(&job.id).map_or(&[][..], Vec::as_slice);
        line_of(job, rows, back.get(&job.id), now)
    };
    Ok(jobs.iter().map(line).collect())
}

fn line_of(job: &Job, rows: &[StepRow], back: Option<&(JobId, JobState)>, now: Millis) -> String {
    let name = escape(&job.new.title);
    let at = clock(job.new.created_at, now);
    let back = back.map_or_else(String::new, |back| {
        format!(" · {}", undo_words(back.0, back.1))
    });
    let mut since_first = job.clone();
    if let Some(args) = look::args(job) {
        let began = rows.iter().filter_map(|row| row.started_at).min();
        since_first.started_at = began.or(job.started_at);
        let board = look::board(job, &args, rows, &BTreeSet::new(), now);
        if let Some((mark, words)) = board.outcome {
            return format!("{mark} <b>{name}</b> · #{}{back} · {words} · {at}", job.id);
        }
    }
    format!("{}{back}", jobs::line(&since_first))
}

/// That a job was taken back, or is being so, and by which other one.
///
/// # Errors
/// When the database refuses.
pub async fn taken_back(request: &Request, job: &Job) -> Result<Option<String>> {
    if !job.state.is_final() {
        return Ok(None);
    }
    let by = {
        let mut db = request.services.store.read().await?;
        store::undo::by(&mut db, job.id).await?
    };
    Ok(by.map(|(by, state)| undo_words(by, state)))
}

/// A run that the caller may see, and what it was started with.
async fn run_of(request: &Request, id: JobId, action: &'static str) -> Result<(Job, RunArgs)> {
    let found = {
        let mut db = request.services.store.read().await?;
        store::jobs::find(&mut db, id).await?
    };
    if found.is_none() {
        let asked = crate::access::Asked::new(action, format!("#{id}"), Role::Viewer);
        request.allow(asked).await?;
        let gone = jobs::removed(request, id).await?;
        return Err(gone.unwrap_or_else(|| answer::unknown(id)));
    }
    let (job, _) = visible(request, id, action, Role::Viewer).await?;
    match look::args(&job) {
        Some(args) => Ok((job, args)),
        None => Err(Error::refused(format!(
            "#{id} is not a run of a workflow. /job {id} shows it."
        ))),
    }
}

/// The workflows that the caller may run here.
fn mine<'a>(request: &Request, config: &'a Config) -> impl Iterator<Item = &'a Script> {
    let may = |script: &&Script| {
        script.steps.is_some() && request.may_run(script.name.as_str(), script.role)
    };
    config.scripts.values().filter(may)
}

/// What follows from stopping this run, if it is one after whose end the next would begin by itself.
///
/// # Errors
/// When the database refuses.
pub async fn follows_stop(request: &Request, job: &Job) -> Result<Option<String>> {
    if job.new.kind != RUN {
        return Ok(None);
    }
    let now = request.services.clock.now();
    let all = request.services.schedules.list(now).await?;
    // Where schedules are told of, a message of its own says so in a moment.
    let place = request.actor.place;
    let told_here = |schedule: &Schedule| match schedule.to.is_empty() {
        true => place.chat.is_private() && request.role() == Some(Role::Owner),
        false => schedule.to.contains(&place),
    };
    let on = |entry: &&Entry| {
        let schedule = &entry.schedule;
        if told_here(schedule) {
            return false;
        }
        let runs = schedule.enabled && entry.row.paused.is_none();
        schedule.after_end() && runs && schedule.script.as_str() == job.new.title
    };
    Ok(all.iter().find(on).map(|entry| {
        let name = &entry.schedule.name;
        format!("{name} is paused with it: no new run begins by itself before /resume {name}.")
    }))
}

/// The workflow of this name, if the caller may run it: of others, not even the name is told.
///
/// # Errors
/// Refused with the nearest names.
pub fn known<'a>(request: &Request, config: &'a Config, name: &str) -> Result<&'a Script> {
    let found = script::find(config, name).filter(|script| script.steps.is_some());
    let found = found.filter(|script| request.may_run(script.name.as_str(), script.role));
    found.ok_or_else(|| {
        let names = mine(request, config).map(|script| script.name.as_str());
        let near = suggest::nearest(name, names).join(" or ");
        let name = head_units(name, 60);
        Error::refused(match near.is_empty() {
            true => {
                format!("There is no workflow “{name}” that you may run. /workflow shows them.")
            }
            false => {
                format!("There is no workflow “{name}” that you may run. Did you mean {near}?")
            }
        })
    })
}
