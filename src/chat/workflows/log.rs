//! What a run, or a step of it, printed.

use super::run_of;
use crate::base::error::{Error, Result};
use crate::base::ids::JobId;
use crate::base::suggest;
use crate::base::text::{self, escape, pre, utf16_len};
use crate::base::workflow::RunArgs;
use crate::chat::commands::output::{self, answers};
use crate::chat::reply::Reply;
use crate::chat::request::Request;
use crate::chat::search;
use crate::delivery::render::{Size, render};
use crate::delivery::{Body, Outgoing};
use crate::jobs::output::{LogReader, steps_folder};
use crate::store::jobs::Job;
use crate::workflows::look;
use std::io;

/// What fits a message: so many bytes as they were printed, and so many UTF-16 units as they are shown.
const IN_MESSAGE: (u64, usize) = (8192, 3000);

/// The log of a run, or of one of its steps: in the message when it is short, else as a file.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn typed(request: &Request, id: JobId, step: &str) -> Result<Reply> {
    if step.is_empty() {
        run_of(request, id, "workflow.log").await?;
        return output::file(request, id).await;
    }
    let (job, args) = run_of(request, id, "workflow.log").await?;
    let seq = look::find_step(&args.flow, step).ok_or_else(|| no_step(&args, id, step))?;
    of_step(request, &job, &args, seq).await
}

/// The same for the button of a step.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn pressed(request: &Request, id: JobId, seq: usize) -> Result<Reply> {
    let (job, args) = run_of(request, id, "workflow.log").await?;
    of_step(request, &job, &args, seq).await
}

async fn of_step(request: &Request, job: &Job, args: &RunArgs, seq: usize) -> Result<Reply> {
    let log = open(request, job, args, seq)?;
    let short = log.len() <= IN_MESSAGE.0 && log.dropped() == 0;
    if short {
        let read = search::blocking(request, move || log.tail(text::MESSAGE_UNITS * 2)).await?;
        let shown = render(&read, Size::Pipe);
        if utf16_len(&shown) <= IN_MESSAGE.1 {
            return Ok(Reply::html(format!(
                "{}\n{}",
                head(job, args, seq),
                pre(&shown)
            )));
        }
    }
    Ok(Reply::file(document(request, job, args, seq)))
}

fn open(request: &Request, job: &Job, args: &RunArgs, seq: usize) -> Result<LogReader> {
    let name = name(args, seq).ok_or_else(|| no_step(args, job.id, &(seq + 1).to_string()))?;
    let folder = steps_folder(&request.services.log_dir, job.id);
    let number = JobId(i64::try_from(seq).unwrap_or(i64::MAX));
    let nothing = || Error::refused(format!("{name} of #{} has printed nothing.", job.id));
    match LogReader::open(&folder, number) {
        Ok(log) if log.is_empty() && log.dropped() == 0 => Err(nothing()),
        Ok(log) => Ok(log),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(nothing()),
        Err(error) => Err(Error::Internal(anyhow::Error::new(error))),
    }
}

fn document(request: &Request, job: &Job, args: &RunArgs, seq: usize) -> Outgoing {
    let step = name(args, seq).unwrap_or_default();
    let title = args.flow.name.as_str();
    let name = format!("{title}-{}-{}.log", job.id, step.replace('/', "-"));
    let body = Body::Document {
        key: format!("step:{}:{seq}", job.id),
        name,
        html: head(job, args, seq),
        buttons: Vec::new(),
    };
    Outgoing::new(request.actor.place, body).reply_to(answers(request))
}

fn head(job: &Job, args: &RunArgs, seq: usize) -> String {
    let step = name(args, seq).unwrap_or_default();
    format!(
        "<b>{}</b> · #{} · {}",
        escape(&job.new.title),
        job.id,
        escape(step)
    )
}

fn name(args: &RunArgs, seq: usize) -> Option<&str> {
    look::names(&args.flow).nth(seq)
}

fn no_step(args: &RunArgs, id: JobId, typed: &str) -> Error {
    let near = suggest::nearest(typed, look::names(&args.flow)).join(" or ");
    let typed = text::shorten(typed, 60);
    let all: Vec<_> = look::names(&args.flow).collect();
    let all = text::shorten(&all.join(", "), 600).into_owned();
    Error::refused(match near.is_empty() {
        true => format!("#{id} has no step “{typed}”. Its steps: {all}."),
        false => format!("#{id} has no step “{typed}”. Did you mean {near}?"),
    })
}
