//! `/output`: what a job printed, as a file or in part. Searching is the business of `chat::search`.

use super::About;
use super::job::visible;
use super::{job_id, jobs};
use crate::base::error::{Error, Result};
use crate::base::ids::JobId;
use crate::base::role::Role;
use crate::base::suggest::closest;
use crate::base::text::{self, grouped};
use crate::chat::keyboards::Press;
use crate::chat::reply::Reply;
use crate::chat::request::{From, Request};
use crate::chat::search;
use crate::chat::workflows;
use crate::delivery::card;
use crate::jobs::output::{FoundLine, LogReader, Rows};
use crate::store::history::Standing;
use crate::store::jobs::Job;
use std::io;

/// What the help says.
pub const ABOUT: About = About {
    name: "output",
    form: "<number> [grep text ±2|head 20|tail 20|lines 100-150], or grep text [filter]",
    does: "Get what a job printed, or search in it",
    example: (
        "/output 12 grep error ±2",
        "shows the lines of job #12 that hold “error”, with two lines around each. /output 12 gives the whole as a file. \
         /output grep error failed since 3d searches past jobs, by the filters of /jobs. \
         Capitals count if you write some; quotes hold words together; /…/ is a regular expression",
    ),
    role: Some(Role::Viewer),
    acts: false,
};

/// What may follow the number.
const PARTS: [&str; 4] = ["grep", "head", "tail", "lines"];
/// Lines shown when no number is said.
const LINES: u64 = 20;
/// Room for the lines in a message, in UTF-16 units.
const LINES_UNITS: usize = 3600;

/// Gives the output.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn handle(request: &Request, rest: &str) -> Result<Reply> {
    let (first, how) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    if first.is_empty() {
        return jobs::ask_which(request, Standing::Any, "output").await;
    }
    if first.eq_ignore_ascii_case("grep") {
        return search::past_jobs(request, how.trim()).await;
    }
    let id = job_id(first).ok_or_else(|| {
        Error::refused(format!(
            "“{}” is not the number of a job. Write it as in /output 12, or /output grep error for all jobs.",
            text::shorten(first, 40)
        ))
    })?;
    let how = how.trim();
    if how.is_empty() {
        return file(request, id).await;
    }
    let (word, rest) = how.split_once(char::is_whitespace).unwrap_or((how, ""));
    let rest = rest.trim();
    match word.to_lowercase().as_str() {
        "grep" if !rest.is_empty() => search::one_job(request, id, rest).await,
        "head" => rows(request, id, Rows::Between(1, count(rest)?)).await,
        "tail" => {
            let count = usize::try_from(count(rest)?).unwrap_or(usize::MAX);
            rows(request, id, Rows::Last(count)).await
        }
        "lines" | "line" => {
            let (from, to) = range(rest)?;
            rows(request, id, Rows::Between(from, to)).await
        }
        "grep" => Err(Error::refused(format!(
            "Write what to look for, as in /output {id} grep error."
        ))),
        other => Err(Error::refused(match closest(other, PARTS) {
            Some(near) => format!(
                "“{}” is not known here. Did you mean {near}?",
                text::shorten(word, 40)
            ),
            None => format!(
                "“{}” is not known here. Write /output {id}, or add grep error, head 20, tail 20 or lines 100-150.",
                text::shorten(word, 40)
            ),
        })),
    }
}

/// The output as a file: all of it that is kept.
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
    let part = match log.dropped() {
        0 => "",
        _ => ", its beginning and end",
    };
    let html = format!(
        "{}\nThe output{so_far}{part}: {}",
        workflows::line(request, &job).await?,
        card::part(log.len() + log.dropped(), log.dropped(), 0)
    );
    let place = request.actor.place;
    let file = card::log_file(place, answers(request), &job.new.title, id, html);
    Ok(Reply::file(file))
}

/// The message that a file answers: the command, or the message whose button was pressed.
pub fn answers(request: &Request) -> Option<crate::base::ids::MessageId> {
    match request.from {
        From::Message => request.message,
        From::Press { .. } => request.pressed(),
    }
}

/// Lines by their numbers, with buttons to those before and after.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn rows(request: &Request, id: JobId, rows: Rows) -> Result<Reply> {
    let (job, _) = visible(request, id, "job.output", Role::Viewer).await?;
    let log = open(request, &job)?;
    let (lines, total) = search::blocking(request, move || log.rows(rows)).await?;
    if total == 0 {
        return Err(Error::refused(format!("#{id} has printed nothing.")));
    }
    let wanted = lines.len();
    let lines = fitting(lines, matches!(rows, Rows::Last(_)));
    let cut = match lines.len() < wanted {
        true => " More do not fit a message.",
        false => "",
    };
    let (Some(first), Some(last)) = (lines.first(), lines.last()) else {
        return Err(Error::refused(format!(
            "#{id} has {}{}. Write a number up to there.",
            amount(total),
            if job.state.is_final() { "" } else { " so far" }
        )));
    };
    let listed: Vec<_> = lines
        .iter()
        .map(|line| format!("{}: {}", line.number, line.text))
        .collect();
    let html = format!(
        "Lines {}–{} of {} of #{id}:{cut}\n{}",
        first.number,
        last.number,
        grouped(total),
        text::pre(&listed.join("\n"))
    );
    let mut turn = Vec::new();
    if first.number > 1 {
        let from = first.number.saturating_sub(LINES).max(1);
        turn.push(Press::Rows(id, from, first.number - 1).button("‹ Before"));
    }
    if last.number < total {
        let to = last.number.saturating_add(LINES);
        turn.push(Press::Rows(id, last.number + 1, to).button("After ›"));
    }
    let mut buttons = vec![vec![Press::Log(id).button("Full log")]];
    if !turn.is_empty() {
        buttons.insert(0, turn);
    }
    Ok(Reply::html(html).buttons(buttons))
}

/// As many lines as fit a message: the first ones, or the last.
fn fitting(mut lines: Vec<FoundLine>, last: bool) -> Vec<FoundLine> {
    let units = |line: &FoundLine| text::utf16_len(&line.text) + 24;
    let mut room = LINES_UNITS;
    let mut fits = |line: &&FoundLine| {
        let left = room.checked_sub(units(line));
        room = left.unwrap_or(0);
        left.is_some()
    };
    let count = match last {
        true => lines.iter().rev().take_while(&mut fits).count(),
        false => lines.iter().take_while(&mut fits).count(),
    };
    match last {
        true => lines.split_off(lines.len() - count),
        false => {
            lines.truncate(count);
            lines
        }
    }
}

/// Opens the log of a job.
///
/// # Errors
/// Refused when there is none, else the disk's.
pub fn open(request: &Request, job: &Job) -> Result<LogReader> {
    let opened = LogReader::open(&request.services.log_dir, job.id);
    opened.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => {
            Error::refused(format!("#{} has printed nothing that is kept.", job.id))
        }
        _ => Error::Internal(anyhow::Error::new(error)),
    })
}

fn count(typed: &str) -> Result<u64> {
    if typed.is_empty() {
        return Ok(LINES);
    }
    let digits = typed.strip_prefix('-').unwrap_or(typed);
    let count = digits.parse().ok().filter(|count| *count > 0);
    count.ok_or_else(|| {
        let shown = text::shorten(typed, 40);
        Error::refused(format!(
            "“{shown}” is not a number of lines. Write it as in /output 12 tail 50."
        ))
    })
}

fn range(typed: &str) -> Result<(u64, u64)> {
    if typed.is_empty() {
        return Err(Error::refused(
            "Write which lines, as in /output 12 lines 100-150.",
        ));
    }
    let wrong = || {
        let shown = text::shorten(typed, 40);
        Error::refused(format!(
            "“{shown}” does not say which lines. Write the first and the last, as in /output 12 lines 100-150."
        ))
    };
    let (from, to) = match typed.split_once(['-', '–', '—']) {
        Some((from, to)) => (from.trim(), to.trim()),
        None => (typed, ""),
    };
    let from: u64 = from.parse().map_err(|_| wrong())?;
    let to = match to {
        "" => from.saturating_add(LINES - 1),
        to => to.parse().map_err(|_| wrong())?,
    };
    match (1..=to).contains(&from) {
        true => Ok((from, to)),
        false => Err(wrong()),
    }
}

fn amount(lines: u64) -> String {
    match lines {
        1 => "one line".to_owned(),
        many => format!("{} lines", grouped(many)),
    }
}
