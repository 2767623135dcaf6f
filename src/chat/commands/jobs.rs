//! `/jobs`: the newest jobs, filtered and paged.

use super::About;
use crate::access::Asked;
use crate::base::error::{Error, Result};
use crate::base::role::Role;
use crate::base::text;
use crate::base::time::Millis;
use crate::chat::keyboards::{Press, in_pairs};
use crate::chat::reply::Reply;
use crate::chat::request::Request;
use crate::delivery::card;
use crate::store;
use crate::store::jobs::{Filter, Job};
use chrono::{DateTime, Local};

/// What the help says.
pub const ABOUT: About = About {
    name: "jobs",
    form: "[running|failed|mine]",
    does: "List the newest jobs",
    example: (
        "/jobs failed",
        "lists the newest jobs that did not end well",
    ),
    role: Some(Role::Viewer),
    acts: false,
};

/// Jobs on a page.
const PAGE: u32 = 10;

/// Lists jobs.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn handle(request: &Request, rest: &str) -> Result<Reply> {
    list(request, &rest.to_lowercase(), 0).await
}

/// A page of jobs by the filter's word, after so many.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn list(request: &Request, which: &str, skip: u32) -> Result<Reply> {
    let filter = match which {
        "" | "all" => Filter::All,
        "running" => Filter::Open,
        "failed" => Filter::Failed,
        "mine" => Filter::Of(request.actor.id),
        other => {
            let other = text::shorten(other, 40);
            return Err(Error::refused(format!(
                "There is no list of “{other}” jobs. Write /jobs, /jobs running, /jobs failed or /jobs mine."
            )));
        }
    };
    let asked = Asked::new("job.list", which, Role::Viewer);
    let role = request.allow(asked).await?.role();
    let mut jobs = {
        let mut db = request.services.store.read().await?;
        store::jobs::list(&mut db, filter, role, PAGE + 1, skip).await?
    };
    let more = jobs.len() > PAGE as usize;
    jobs.truncate(PAGE as usize);
    let html = match jobs.is_empty() {
        true => empty(filter, skip, role).to_owned(),
        false => {
            let lines = jobs.iter().map(|job| match elsewhere(request, job) {
                Some(instance) => format!("{} · at {}", line(job), text::escape(&instance)),
                None => line(job),
            });
            lines.collect::<Vec<_>>().join("\n")
        }
    };
    Ok(Reply::html(html).buttons(buttons(&jobs, which, skip, more)))
}

/// The jobs that a command may be meant for, with the question which.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn ask_which(request: &Request, which: &str, command: &str) -> Result<Reply> {
    let mut reply = list(request, which, 0).await?;
    if reply.html.contains('#') {
        reply.html = format!(
            "Which one? Press it, or write /{command} and its number.\n\n{}",
            reply.html
        );
    }
    Ok(reply)
}

/// One job in one line.
#[must_use]
pub fn line(job: &Job) -> String {
    let now = Millis::now();
    let ending = job.ending();
    let phase = match (&ending, job.started_at) {
        (Some(ending), _) => card::Phase::Ended {
            ending,
            took: job.took(),
        },
        (None, Some(started)) if job.state == crate::base::job::JobState::Running => {
            card::Phase::Running {
                since: std::time::Duration::from_secs(now.since(started).as_secs()),
                stopping: false,
            }
        }
        (None, _) => card::Phase::Queued { ahead: 0 },
    };
    let header = card::header(&job.new.title, job.id, &phase);
    let first = header.lines().next().unwrap_or_default();
    format!("{first} · {}", clock(job.new.created_at, now))
}

/// The other instance at which a job runs; `None` when it does not run, or runs here.
#[must_use]
pub fn elsewhere(request: &Request, job: &Job) -> Option<String> {
    let runs = job.state == crate::base::job::JobState::Running;
    let by = job.claimed_by.as_ref().filter(|_| runs)?;
    let (others, _) = request.services.store.presence().others();
    let other = others.iter().find(|other| other.id == *by)?;
    Some(other.label())
}

/// A moment as people here read it: the time today, else the day as well.
#[must_use]
pub fn clock(at: Millis, now: Millis) -> String {
    let local = |moment: Millis| -> DateTime<Local> { moment.utc().with_timezone(&Local) };
    let (at, now) = (local(at), local(now));
    let form = match at.date_naive() == now.date_naive() {
        true => "%H:%M",
        false => "%-d %b %H:%M",
    };
    at.format(form).to_string()
}

fn empty(filter: Filter, skip: u32, role: Role) -> &'static str {
    match (filter, skip) {
        (Filter::All | Filter::Of(_), 0) if role == Role::Viewer => "No job has run yet.",
        (_, 1..) => "There are no older jobs.",
        (Filter::All, _) => "No job has run yet. /run starts one.",
        (Filter::Open, _) => "No job is running or waiting.",
        (Filter::Failed, _) => "No job has failed.",
        (Filter::Of(_), _) => "You have not run a job yet. /run starts one.",
    }
}

fn buttons(jobs: &[Job], which: &str, skip: u32, more: bool) -> crate::delivery::Buttons {
    let job = |job: &Job| Press::Job(job.id).button(format!("#{} {}", job.id, job.new.title));
    let mut rows = in_pairs(jobs.iter().map(job).collect());
    let which = if which.is_empty() { "all" } else { which };
    let others = ["all", "running", "failed", "mine"];
    let other = |word: &&str| Press::Jobs((*word).to_owned(), 0).button(capital(word));
    rows.push(others.iter().filter(|w| **w != which).map(other).collect());
    let mut turn = Vec::new();
    if skip > 0 {
        let back = skip.saturating_sub(PAGE);
        turn.push(Press::Jobs(which.to_owned(), back).button("‹ Newer"));
    }
    if more {
        turn.push(Press::Jobs(which.to_owned(), skip + PAGE).button("Older ›"));
    }
    if !turn.is_empty() {
        rows.push(turn);
    }
    rows
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => String::new(),
    }
}
