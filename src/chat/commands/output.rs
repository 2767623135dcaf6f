//! `/output`: what a job printed, as a file, or the lines of it that hold a text.

use super::About;
use super::job::visible;
use super::{job_id, jobs};
use crate::base::error::{Error, Result};
use crate::base::ids::JobId;
use crate::base::role::Role;
use crate::base::text::{self, escape, grouped};
use crate::chat::reply::Reply;
use crate::chat::request::{From, Request};
use crate::delivery::card;
use crate::jobs::output::{LogReader, Search};
use crate::store::jobs::Job;
use std::io;

/// What the help says.
pub const ABOUT: About = About {
    name: "output",
    form: "<number> [grep text]",
    does: "Get what a job printed",
    example: (
        "/output 12 grep error",
        "shows the lines of job #12 that hold “error”; without grep you get the whole as a file",
    ),
    role: Some(Role::Viewer),
    acts: false,
};

/// Lines shown before and after each that matches.
const CONTEXT: usize = 1;
/// Matching lines shown at the most.
const MATCHES: usize = 40;
/// Room for the lines in a message, in UTF-16 units.
const LINES_UNITS: usize = 3600;

/// Gives the output.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn handle(request: &Request, rest: &str) -> Result<Reply> {
    let (number, how) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    if number.is_empty() {
        return jobs::ask_which(request, "", "output").await;
    }
    let id = job_id(number).ok_or_else(usage)?;
    let how = how.trim();
    if how.is_empty() {
        return file(request, id).await;
    }
    match how.split_once(char::is_whitespace) {
        Some((word, text)) if word.eq_ignore_ascii_case("grep") => {
            grep(request, id, unquoted(text.trim())).await
        }
        Some(_) | None => Err(usage()),
    }
}

/// The whole output as a file.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn file(request: &Request, id: JobId) -> Result<Reply> {
    let (job, _) = visible(request, id, "job.output", Role::Viewer).await?;
    let log = open(request, &job)?;
    if log.is_empty() && log.dropped() == 0 {
        return Err(Error::refused(format!("#{id} has printed nothing.")));
    }
    let so_far = if job.state.is_final() { "" } else { " so far" };
    let html = format!(
        "{}\nThe output{so_far}: {}",
        jobs::line(&job),
        card::amount(log.len() + log.dropped(), 0)
    );
    let reply_to = match request.from {
        From::Message => request.message,
        From::Press { .. } => request.pressed(),
    };
    let place = request.actor.place;
    let file = card::log_file(place, reply_to, &job.new.title, id, html);
    Ok(Reply::file(file))
}

async fn grep(request: &Request, id: JobId, text: &str) -> Result<Reply> {
    let (job, _) = visible(request, id, "job.output", Role::Viewer).await?;
    let log = open(request, &job)?;
    let wanted = text.to_owned();
    let found = tokio::task::spawn_blocking(move || log.grep(&wanted, CONTEXT, MATCHES))
        .await
        .map_err(anyhow::Error::new)?
        .map_err(anyhow::Error::new)?;
    let shown = escape(text::head_units(text, 100));
    if found.matches == 0 {
        return Ok(Reply::html(format!(
            "Nothing in the output of #{id} holds “{shown}”."
        )));
    }
    Ok(Reply::html(listing(id, &shown, &found)))
}

fn listing(id: JobId, shown: &str, found: &Search) -> String {
    let mut lines = String::new();
    let mut complete = found.matches <= MATCHES as u64;
    let mut before = 0;
    for line in &found.lines {
        let gap = if before > 0 && line.number > before + 1 {
            "⋯\n"
        } else {
            ""
        };
        before = line.number;
        let mark = if line.matches { ':' } else { '-' };
        let row = format!("{gap}{}{mark} {}\n", line.number, line.text);
        if text::utf16_len(&lines) + text::utf16_len(&row) > LINES_UNITS {
            complete = false;
            break;
        }
        lines.push_str(&row);
    }
    if lines.is_empty() {
        lines = found.lines.first().map_or_else(String::new, |line| {
            text::head_units(&line.text, LINES_UNITS).to_owned()
        });
    }
    let count = match found.matches {
        1 => "One line".to_owned(),
        many => format!("{} lines", grouped(many)),
    };
    let rest = if complete { "" } else { ", the first of them" };
    format!(
        "{count} of #{id} with “{shown}”{rest}:\n{}",
        text::pre(lines.trim_end_matches('\n'))
    )
}

fn open(request: &Request, job: &Job) -> Result<LogReader> {
    let opened = LogReader::open(&request.services.log_dir, job.id);
    opened.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => {
            Error::refused(format!("#{} has printed nothing that is kept.", job.id))
        }
        _ => Error::Internal(anyhow::Error::new(error)),
    })
}

fn unquoted(text: &str) -> &str {
    for (open, close) in [('"', '"'), ('\'', '\''), ('“', '”'), ('«', '»')] {
        let inner = text.strip_prefix(open).and_then(|t| t.strip_suffix(close));
        if let Some(inner) = inner.filter(|inner| !inner.is_empty()) {
            return inner;
        }
    }
    text
}

fn usage() -> Error {
    Error::refused(
        "Write /output and the number of a job, such as /output 12. \
         To search in it, add grep and a text: /output 12 grep error.",
    )
}
