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
use super::commands::retry::refuse_twice;
use super::reply::Reply;
use super::request::Request;
use crate::actions::script;
use crate::base::error::{Error, Result};
use crate::base::ids::JobId;
use crate::base::role::Role;
use crate::base::suggest;
use crate::base::text::head_units;
use crate::base::workflow::{RUN, RunArgs, StepRow};
use crate::config::{Config, Script};
use crate::schedules::Entry;
use crate::store::jobs::Job;
use crate::store::workflows;
use crate::workflows::look;
use press::FlowPress;

/// Carries a press out. Rights are asked for at the moment of the press.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn handle(request: &Request, press: FlowPress) -> Result<Reply> {
    match press {
        FlowPress::List(page) => Ok(list::page(request, page).await?.in_place()),
        FlowPress::Status(name) => status::of_name(request, &name).await,
        FlowPress::Show(run) => Ok(status::show(request, run).await?.in_place()),
        FlowPress::Log(run, seq) => log::file(request, run, seq).await,
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
    }
}

/// The steps of a run as they stand.
///
/// # Errors
/// When the database refuses.
pub async fn rows(request: &Request, run: JobId) -> Result<Vec<StepRow>> {
    let mut db = request.services.store.read().await?;
    Ok(workflows::steps(&mut db, run).await?)
}

/// A run that the caller may see, and what it was started with.
async fn run_of(request: &Request, id: JobId, action: &'static str) -> Result<(Job, RunArgs)> {
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
    let all = request
        .services
        .schedules
        .list(request.services.clock.now())
        .await?;
    let on = |entry: &&Entry| {
        let schedule = &entry.schedule;
        let runs = schedule.enabled && entry.row.paused.is_none();
        schedule.after_end && runs && schedule.script.as_str() == job.new.title
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
