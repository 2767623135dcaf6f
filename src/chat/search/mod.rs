//! Searching what jobs printed: in one of them, or in all that the asker may see, page by page.

mod sweep;
mod words;

use super::commands::job::visible;
use super::commands::{jobs, output};
use crate::access::Asked;
use crate::base::error::{Error, Result};
use crate::base::ids::JobId;
use crate::base::role::Role;
use crate::base::text::{self, grouped};
use crate::base::time::Millis;
use crate::chat::filter;
use crate::chat::keyboards::Press;
use crate::chat::offers::{self, At, LATE_WITHIN, Offer, SearchOffer};
use crate::chat::reply::Reply;
use crate::chat::request::Request;
use crate::delivery::{Body, Buttons, Outgoing};
use crate::jobs::output::{Found, Point, Searched, Sought, Wanted};
use std::io;
use std::time::Instant;
use sweep::sweep;
use words::{MARKS, expression, listing, quoted, split_context, unquoted};

/// Lines shown around each that matches, in one job, when nothing else is said; in many jobs, none.
const CONTEXT: usize = 1;
/// Matching lines on a page.
const MATCHES: usize = 40;
/// Room for the lines on a page, in UTF-16 units.
const LINES_UNITS: usize = 3600;
/// Pages that can be turned back to; a search that long is better narrowed.
const PAGES: usize = 500;

/// Searches in one job: `error`, `"disk full" ±2`, `/^E[0-9]+/ context 3`.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn one_job(request: &Request, id: JobId, typed: &str) -> Result<Reply> {
    let (typed, context) = split_context(typed)?;
    let sought = Sought::read(unquoted(typed));
    start(request, id, sought, context.unwrap_or(CONTEXT)).await
}

/// Searches in this job for what a search in all jobs found.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn found_job(request: &Request, intent: &str, id: JobId) -> Result<Reply> {
    let Offer::Search(search) = offers::shown(request, intent).await? else {
        return Err(offers::stale());
    };
    start(request, id, search.sought, search.context.max(CONTEXT)).await
}

async fn start(request: &Request, id: JobId, sought: Sought, context: usize) -> Result<Reply> {
    let mut search = SearchOffer {
        job: Some(id),
        sought,
        context,
        filter: String::new(),
        pages: vec![At::default()],
        matches: None,
    };
    let (found, reply) = in_job(request, &mut search, 0).await?;
    if found == 0 {
        return Ok(reply);
    }
    let intent = offers::keep(request, &Offer::Search(search.clone()), LATE_WITHIN).await?;
    Ok(reply.buttons(buttons(&search, &intent, 0, &[])))
}

/// Searches in every job that the asker may see and that fits the filter.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn past_jobs(request: &Request, typed: &str) -> Result<Reply> {
    let (typed, context) = split_context(typed)?;
    let (own, rest) = expression(typed).map_or((None, typed), |(own, rest)| (Some(own), rest));
    let cut = crate::base::words::words(rest).map_err(|error| Error::refused(error.to_string()))?;
    let mut words = cut.as_slice();
    let typed = match (own, words.split_first()) {
        (Some(own), _) => own,
        (None, Some((first, rest))) => {
            words = rest;
            first
        }
        (None, None) => {
            return Err(Error::refused(
                "Write what to look for: /output grep error. Filters may follow, such as failed or since 3d.",
            ));
        }
    };
    let sought = Sought::read(typed);
    let filter = filter::read_words(request, words)
        .await
        .map_err(|error| match error {
            Error::Refused(refusal) => Error::refused(format!(
                "{} To look for several words, put them into quotes: /output grep \"disk full\".",
                refusal.words()
            )),
            internal @ Error::Internal(_) => internal,
        })?;
    let mut search = SearchOffer {
        job: None,
        sought,
        context: context.unwrap_or(0),
        filter: filter::short(&filter),
        pages: vec![At::default()],
        matches: None,
    };
    let (hits, reply) = in_all(request, &mut search, 0).await?;
    if hits.is_empty() && search.pages.len() == 1 {
        return Ok(reply);
    }
    let intent = offers::keep(request, &Offer::Search(search.clone()), LATE_WITHIN).await?;
    Ok(reply.buttons(buttons(&search, &intent, 0, &hits)))
}

/// Another page of a search.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn page(request: &Request, intent: &str, page: usize) -> Result<Reply> {
    let Offer::Search(mut search) = offers::shown(request, intent).await? else {
        return Err(offers::stale());
    };
    let known = search.pages.len();
    if page >= known {
        return Err(offers::stale());
    }
    let (hits, reply) = match search.job {
        Some(_) => (Vec::new(), in_job(request, &mut search, page).await?.1),
        None => in_all(request, &mut search, page).await?,
    };
    if search.pages.len() > known {
        offers::rewrite(request, intent, &Offer::Search(search.clone())).await?;
    }
    Ok(reply
        .buttons(buttons(&search, intent, page, &hits))
        .in_place())
}

/// Every match of a search in one job as a file.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn file(request: &Request, intent: &str) -> Result<Reply> {
    let Offer::Search(search) = offers::shown(request, intent).await? else {
        return Err(offers::stale());
    };
    let id = search.job.ok_or_else(offers::stale)?;
    let (job, _) = visible(request, id, "job.output", Role::Viewer).await?;
    let found = Found {
        job: id,
        sought: search.sought.clone(),
        context: search.context,
    };
    let file = Outgoing::new(
        request.actor.place,
        Body::Document {
            key: found.key().map_err(anyhow::Error::new)?,
            name: format!("{}-{id}-found.txt", job.new.title),
            html: format!("The lines of #{id} with {}", quoted(&search.sought)),
            buttons: Vec::new(),
        },
    );
    Ok(Reply::file(file.reply_to(output::answers(request))))
}

/// A page of one job's matches, and how many lines it shows; adds where the next page begins.
async fn in_job(
    request: &Request,
    search: &mut SearchOffer,
    page: usize,
) -> Result<(usize, Reply)> {
    let id = search.job.ok_or_else(offers::stale)?;
    let (job, _) = visible(request, id, "job.output", Role::Viewer).await?;
    let log = output::open(request, &job)?;
    let pattern = search.sought.compile().map_err(Error::refused)?;
    let (from, context, count) = (search.pages[page].point, search.context, page == 0);
    let until = request.services.searches.until();
    let found = blocking(request, move || {
        let wanted = wanted(from, context, until);
        log.search(&pattern, Wanted { count, ..wanted })
    })
    .await?;
    remember(
        search,
        page,
        found.next.map(|point| At { before: 0, point }),
    );
    let shown = quoted(&search.sought);
    if found.matches == 0 && page == 0 && found.next.is_none() {
        let hint = match search.sought.exact_case() {
            true => " Written without capitals, it is found in any case.",
            false => "",
        };
        let html = format!("Nothing in the output of #{id} holds {shown}.{hint}");
        return Ok((0, Reply::html(html)));
    }
    if page == 0 {
        search.matches = found.whole.then_some(found.matches);
    }
    let count = match search.matches {
        Some(1) => "One line".to_owned(),
        Some(many) => format!("{} lines", grouped(many)),
        None => "Lines".to_owned(),
    };
    let part = match (page, &found.next) {
        (0, None) => String::new(),
        (0, Some(_)) => ", the first of them".to_owned(),
        (page, _) => format!(", page {}", page + 1),
    };
    let lines = match found.lines.is_empty() {
        true => format!(
            "None up to line {}. This log takes long to search.",
            up_to(&found)
        ),
        false => listing(&found.lines, &mut MARKS.clone()),
    };
    let html = format!("{count} of #{id} with {shown}{part}:\n{lines}");
    // Something is shown, or something is to be gone on with: either is worth buttons.
    Ok((1, Reply::html(html)))
}

fn up_to(found: &Searched) -> String {
    grouped(found.next.map_or(0, |next| next.line))
}

/// A page of matches in many jobs, and the jobs on it; adds where the next page begins.
async fn in_all(
    request: &Request,
    search: &mut SearchOffer,
    page: usize,
) -> Result<(Vec<JobId>, Reply)> {
    let filter = filter::of_short(&search.filter, request.actor.id).ok_or_else(offers::stale)?;
    let target = format!("{} in {}", search.sought, search.filter);
    let asked = Asked::new("job.search", text::shorten(&target, 200), Role::Viewer);
    let role = request.allow(asked).await?.role();
    let pattern = search.sought.compile().map_err(Error::refused)?;
    let swept = sweep(
        request,
        &filter,
        role,
        &pattern,
        search.pages[page],
        search.context,
    )
    .await?;
    remember(search, page, swept.next);
    let shown = quoted(&search.sought);
    let back = swept.oldest.map_or_else(String::new, |at| {
        format!(", back to {}", jobs::clock(at, Millis::now()))
    });
    let searched = match swept.searched {
        1 => format!("One log was searched{back}."),
        many => format!("{} logs were searched{back}.", grouped(many as u64)),
    };
    if swept.hits.is_empty() {
        let html = match (swept.next, swept.searched) {
            (Some(_), _) => format!("Nothing holds {shown} yet. {searched}"),
            (None, 0) => "There is no output to search in.".to_owned(),
            (None, _) => format!("Nothing holds {shown}. {searched}"),
        };
        return Ok((Vec::new(), Reply::html(html)));
    }
    let mut marks = MARKS;
    let mut html = format!("{shown} was found. {searched}");
    for hit in &swept.hits {
        let more = if hit.found.next.is_some() {
            "\n⋯"
        } else {
            ""
        };
        html.push_str(&format!(
            "\n{}\n{}{more}",
            jobs::line(&hit.job),
            listing(&hit.found.lines, &mut marks)
        ));
    }
    Ok((
        swept.hits.iter().map(|hit| hit.job.id).collect(),
        Reply::html(html),
    ))
}

fn wanted(from: Point, context: usize, until: Instant) -> Wanted {
    Wanted {
        from,
        context,
        matches: MATCHES,
        room: LINES_UNITS,
        count: false,
        until,
    }
}

/// Notes where the page after this one begins, once.
fn remember(search: &mut SearchOffer, page: usize, next: Option<At>) {
    if let Some(next) = next
        && search.pages.len() == page + 1
        && search.pages.len() < PAGES
    {
        search.pages.push(next);
    }
}

/// Reads logs beside the conversation, few at a time.
pub(super) async fn blocking<T: Send + 'static>(
    request: &Request,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T> {
    let Some(_turn) = request.services.searches.turn().await else {
        return Err(Error::refused(
            "Others are searching just now. Try again in a moment.",
        ));
    };
    let done = tokio::task::spawn_blocking(work).await;
    Ok(done
        .map_err(anyhow::Error::new)?
        .map_err(anyhow::Error::new)?)
}

fn buttons(search: &SearchOffer, intent: &str, page: usize, hits: &[JobId]) -> Buttons {
    let mut rows: Buttons = hits
        .chunks(4)
        .map(|ids| {
            ids.iter()
                .map(|id| Press::FoundJob(intent.to_owned(), *id).button(format!("#{id}")))
                .collect()
        })
        .collect();
    let mut turn = Vec::new();
    if let Some(before) = page.checked_sub(1) {
        turn.push(Press::Found(intent.to_owned(), before).button("‹ Back"));
    }
    if page + 1 < search.pages.len() {
        let label = match search.job {
            Some(_) => "More ›",
            None => "Search on ›",
        };
        turn.push(Press::Found(intent.to_owned(), page + 1).button(label));
    }
    if !turn.is_empty() {
        rows.push(turn);
    }
    if let Some(job) = search.job {
        rows.push(vec![
            Press::FoundFile(intent.to_owned()).button("As file"),
            Press::Log(job).button("Full log"),
        ]);
    }
    rows
}
