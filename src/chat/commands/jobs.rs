//! `/jobs`: the newest jobs, filtered and paged.

use super::About;
use crate::access::Asked;
use crate::base::error::{Error, Result};
use crate::base::job::undone;
use crate::base::role::Role;
use crate::base::text::{CALLBACK_BYTES, capital, grouped};
use crate::base::time::Millis;
use crate::chat::filter;
use crate::chat::keyboards::{Press, in_pairs};
use crate::chat::offers::{self, LATE_WITHIN, Offer};
use crate::chat::reply::Reply;
use crate::chat::request::Request;
use crate::chat::workflows;
use crate::delivery::card;
use crate::store;
use crate::store::history::{Cursor, Filter, Standing};
use crate::store::jobs::Job;
use chrono::{DateTime, Local};

/// What the help says.
pub const ABOUT: About = About {
    name: "jobs",
    form: "[running|queued|failed|ok|cancelled|mine] [script] [by person] [today|since 2h]",
    does: "List the newest jobs",
    example: (
        "/jobs failed deploy since 3d",
        "lists the jobs of deploy in the last three days that did not end well",
    ),
    role: Some(Role::Viewer),
    acts: false,
};

/// Jobs on a page.
const PAGE: u32 = 10;
/// Jobs are counted up to here; that there are more is enough to know.
const COUNTED: u32 = 1000;

/// Lists jobs.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn handle(request: &Request, rest: &str) -> Result<Reply> {
    let filter = filter::read(request, rest).await?;
    list(request, &filter, Cursor::Newest, None).await
}

/// A page that a button asks for by the short form of its filter.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn page(request: &Request, short: &str, cursor: Cursor) -> Result<Reply> {
    let filter = filter::of_short(short, request.actor.id).ok_or_else(offers::stale)?;
    list(request, &filter, cursor, None).await
}

/// A page that a button asks for whose filter is kept here.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn kept_page(request: &Request, id: &str, cursor: Cursor) -> Result<Reply> {
    let Offer::Jobs { filter } = offers::shown(request, id).await? else {
        return Err(offers::stale());
    };
    let filter = filter::of_short(&filter, request.actor.id).ok_or_else(offers::stale)?;
    list(request, &filter, cursor, Some(id)).await
}

/// A page of jobs. `kept` is where the filter is kept if it is too long for a button.
async fn list(
    request: &Request,
    filter: &Filter,
    cursor: Cursor,
    kept: Option<&str>,
) -> Result<Reply> {
    let asked = Asked::new("job.list", filter::short(filter), Role::Viewer);
    let role = request.allow(asked).await?.role();
    let looked_for = with_own_rights(request, filter, role);
    let (page, count) = {
        let mut db = request.services.store.read().await?;
        let page = turn(&mut db, &looked_for, role, cursor).await?;
        let plain = *filter == Filter::default() && !page.newer && !page.older;
        let count = match plain || page.jobs.is_empty() {
            true => None,
            false => Some(store::history::count(&mut db, &looked_for, role, COUNTED + 1).await?),
        };
        (page, count)
    };
    let mut html = String::new();
    if let Some(count) = count {
        let count = match count {
            1 => "1 job".to_owned(),
            n if n > u64::from(COUNTED) => format!("more than {} jobs", grouped(COUNTED.into())),
            n => format!("{} jobs", grouped(n)),
        };
        html = match filter::said(request, filter) {
            said if said.is_empty() => format!("{count}\n"),
            said => format!("<b>{said}</b>: {count}\n"),
        };
    }
    match page.jobs.is_empty() {
        true => html.push_str(empty(request, filter, cursor, role)),
        false => {
            let mut lines = workflows::lines(request, &page.jobs).await?;
            for (line, job) in lines.iter_mut().zip(&page.jobs) {
                if let Some(instance) = elsewhere(request, job) {
                    line.push_str(&format!(" · at {}", crate::base::text::escape(&instance)));
                }
            }
            html.push_str(&lines.join("\n"));
        }
    }
    let turns = turns(request, filter, &page, kept).await?;
    Ok(Reply::html(html).buttons(buttons(request, filter, &page, turns)))
}

/// The filter, which finds the asker's own jobs also of scripts that only a right of their own opens to them.
pub(super) fn with_own_rights(request: &Request, filter: &Filter, role: Role) -> Filter {
    let mut filter = filter.clone();
    if filter.asker == Some(request.actor.id) {
        let config = request.services.live.current();
        let opened = config.scripts.values().filter(|script| {
            script.role > role && request.may_run(script.name.as_str(), script.role)
        });
        filter.also = opened.map(|script| script.name.clone()).collect();
    }
    filter
}

struct Page {
    /// Newest first.
    jobs: Vec<Job>,
    newer: bool,
    older: bool,
}

/// A page by its neighbour, so that new jobs do not move it.
async fn turn(
    db: &mut store::Connection,
    filter: &Filter,
    role: Role,
    cursor: Cursor,
) -> Result<Page> {
    let full = PAGE as usize;
    if let Cursor::NewerThan(_) = cursor {
        let mut jobs = store::history::list(db, filter, role, cursor, PAGE + 1).await?;
        // Towards the beginning the first page is shown whole, with what came meanwhile.
        if jobs.len() > full {
            jobs.truncate(full);
            jobs.reverse();
            return Ok(Page {
                jobs,
                newer: true,
                older: true,
            });
        }
    }
    let newer = matches!(cursor, Cursor::OlderThan(_));
    let from = match newer {
        true => cursor,
        false => Cursor::Newest,
    };
    let mut jobs = store::history::list(db, filter, role, from, PAGE + 1).await?;
    let older = jobs.len() > full;
    jobs.truncate(full);
    Ok(Page { jobs, newer, older })
}

/// The jobs that a command may be meant for, with the question which.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn ask_which(request: &Request, standing: Standing, command: &str) -> Result<Reply> {
    let filter = Filter {
        standing,
        ..Filter::default()
    };
    let mut reply = list(request, &filter, Cursor::Newest, None).await?;
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
                stopping: job.is_stopping(),
                doing: None,
            }
        }
        (None, _) => card::Phase::Queued {
            ahead: 0,
            lock: None,
        },
    };
    let header = card::header(&job.new.title, job.id, undone(&job.new.source), &phase);
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

fn empty(request: &Request, filter: &Filter, cursor: Cursor, role: Role) -> &'static str {
    let mine = Filter {
        asker: Some(request.actor.id),
        ..Filter::default()
    };
    let only = |standing: Standing| Filter {
        standing,
        ..Filter::default()
    };
    if cursor != Cursor::Newest {
        "There are no older jobs."
    } else if *filter == Filter::default() || *filter == mine {
        match (role, filter.asker) {
            (Role::Viewer, None) => "No job has run yet.",
            (_, None) => "No job has run yet. /run starts one.",
            (Role::Viewer, Some(_)) => "You have not run a job yet.",
            (_, Some(_)) => "You have not run a job yet. /run starts one.",
        }
    } else if *filter == only(Standing::Open) {
        "No job is running or waiting."
    } else if *filter == only(Standing::Queued) {
        "No job is waiting."
    } else if *filter == only(Standing::Failed) {
        "No job has failed."
    } else {
        "No job fits that. /jobs shows the newest."
    }
}

/// The buttons that turn the page, with the filter in them or kept here.
async fn turns(
    request: &Request,
    filter: &Filter,
    page: &Page,
    kept: Option<&str>,
) -> Result<Vec<crate::delivery::Button>> {
    let (Some(first), Some(last)) = (page.jobs.first(), page.jobs.last()) else {
        return Ok(Vec::new());
    };
    let mut sides = Vec::new();
    if page.newer {
        sides.push((Cursor::NewerThan(first.id), "‹ Newer"));
    }
    if page.older {
        sides.push((Cursor::OlderThan(last.id), "Older ›"));
    }
    let short = filter::short(filter);
    let longest = Press::Jobs(
        short.clone(),
        Cursor::OlderThan(crate::base::ids::JobId(i64::MAX)),
    );
    let fits = longest.data().len() <= CALLBACK_BYTES;
    let kept = match (kept, fits || sides.is_empty()) {
        (Some(id), _) => Some(id.to_owned()),
        (None, true) => None,
        (None, false) => {
            let filter = short.clone();
            Some(offers::keep(request, &Offer::Jobs { filter }, LATE_WITHIN).await?)
        }
    };
    let button = |(cursor, label): (Cursor, &str)| match &kept {
        Some(id) => Press::KeptJobs(id.clone(), cursor).button(label),
        None => Press::Jobs(short.clone(), cursor).button(label),
    };
    Ok(sides.into_iter().map(button).collect())
}

fn buttons(
    request: &Request,
    filter: &Filter,
    page: &Page,
    turns: Vec<crate::delivery::Button>,
) -> crate::delivery::Buttons {
    let job = |job: &Job| Press::Job(job.id).button(format!("#{} {}", job.id, job.new.title));
    let mut rows = in_pairs(page.jobs.iter().map(job).collect());
    let others = ["all", "running", "failed", "mine"];
    let here = |word: &str| filter::of_short(word, request.actor.id).as_ref() == Some(filter);
    let other = |word: &&str| Press::Jobs((*word).to_owned(), Cursor::Newest).button(capital(word));
    rows.push(others.iter().filter(|w| !here(w)).map(other).collect());
    if !turns.is_empty() {
        rows.push(turns);
    }
    rows
}

/// What became of a job that is not there, if it was removed.
///
/// # Errors
/// A failure of ours.
pub async fn removed(request: &Request, id: crate::base::ids::JobId) -> Result<Option<Error>> {
    let mut db = request.services.store.read().await?;
    let gone = store::retention::forgotten(&mut db, id).await?;
    Ok(gone.map(|gone| {
        let why = match gone.why {
            store::retention::Why::Age => "it was older than jobs are kept (jobs.keep)",
            store::retention::Why::Count => "more jobs had ended than are kept (jobs.keep_count)",
            store::retention::Why::Size => "the logs were larger than is kept (jobs.keep_size)",
        };
        Error::refused(format!(
            "#{id} and its log are no longer kept. They were removed at {}: {why}.",
            clock(gone.at, Millis::now())
        ))
    }))
}
