//! Goes through the logs of many jobs, newest first, until a page is full or the time is over.

use super::{LINES_UNITS, blocking, wanted};
use crate::base::error::Result;
use crate::base::ids::JobId;
use crate::base::role::Role;
use crate::base::text;
use crate::base::time::Millis;
use crate::chat::offers::At;
use crate::chat::request::Request;
use crate::jobs::output::{FoundLine, LogReader, Pattern, Point, Searched, Wanted};
use crate::store;
use crate::store::history::{Cursor, Filter};
use crate::store::jobs::Job;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

/// Jobs found on a page.
const HITS: usize = 8;
/// Lines shown of each.
const HIT_LINES: usize = 3;
/// Jobs that are looked up at a time.
const BATCH: u32 = 250;
/// However long a search had to wait for its turn, it gets so long.
const LEAST: Duration = Duration::from_millis(300);

/// What was found in one of many jobs.
pub(super) struct Hit {
    pub job: Job,
    pub found: Searched,
}

/// What a search in many jobs came to.
#[derive(Default)]
pub(super) struct Swept {
    pub hits: Vec<Hit>,
    pub searched: usize,
    /// When the job that was looked at last was asked for.
    pub oldest: Option<Millis>,
    pub next: Option<At>,
}

/// Goes through the jobs from newest to oldest until the page is full or the time is over.
pub(super) async fn sweep(
    request: &Request,
    filter: &Filter,
    role: Role,
    pattern: &Pattern,
    from: At,
    context: usize,
) -> Result<Swept> {
    let until = request.services.searches.until();
    let filter = Filter {
        printed: true,
        ..filter.clone()
    };
    let mut swept = Swept::default();
    let mut at = from;
    loop {
        let cursor = match at.before {
            0 => Cursor::Newest,
            before => Cursor::OlderThan(JobId(before)),
        };
        let batch = {
            let mut db = request.services.store.read().await?;
            store::history::list(&mut db, &filter, role, cursor, BATCH).await?
        };
        let Some(last) = batch.last().map(|job| job.id.0) else {
            return Ok(swept);
        };
        let (folder, pattern) = (request.services.log_dir.clone(), pattern.clone());
        let begun = at;
        swept = blocking(request, move || {
            sweep_batch(swept, batch, &folder, &pattern, begun, context, until)
        })
        .await?;
        if swept.next.is_some() {
            return Ok(swept);
        }
        at = At {
            before: last,
            point: Point::default(),
        };
        if Instant::now() >= until {
            swept.next = Some(at);
            return Ok(swept);
        }
    }
}

/// Searches the logs of these jobs; sets `next` when it stops before the last of them.
fn sweep_batch(
    mut swept: Swept,
    batch: Vec<Job>,
    folder: &Path,
    pattern: &Pattern,
    begun: At,
    context: usize,
    until: Instant,
) -> io::Result<Swept> {
    let used = |hit: &Hit| {
        let units = |line: &FoundLine| text::utf16_len(&line.text) + 24;
        160 + hit.found.lines.iter().map(units).sum::<usize>()
    };
    let until = until.max(Instant::now() + LEAST);
    let mut room = LINES_UNITS.saturating_sub(swept.hits.iter().map(used).sum());
    let mut point = begun.point;
    for job in batch {
        // The next page begins with this job, wherever in its log.
        let this = job.id.0.saturating_add(1);
        let here = |point: Point| At {
            before: this,
            point,
        };
        if swept.hits.len() >= HITS || room < 600 {
            swept.next = Some(here(point));
            return Ok(swept);
        }
        let after = At {
            before: job.id.0,
            point: Point::default(),
        };
        let from = std::mem::take(&mut point);
        swept.oldest = Some(job.new.created_at);
        swept.searched += 1;
        let log = match LogReader::open(folder, job.id) {
            Ok(log) => log,
            // It went this moment, or its job never started.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        let wanted = Wanted {
            matches: HIT_LINES,
            room: (room - 300).min(1200),
            ..wanted(from, context, until)
        };
        let found = log.search(pattern, wanted)?;
        let late = Instant::now() >= until;
        let unfinished = found.next.filter(|_| late && found.lines.is_empty());
        let next = unfinished.map(here);
        if !found.lines.is_empty() {
            let hit = Hit { job, found };
            room = room.saturating_sub(used(&hit));
            swept.hits.push(hit);
        }
        if next.is_some() {
            swept.next = next;
            return Ok(swept);
        }
        if late {
            swept.next = Some(after);
            return Ok(swept);
        }
    }
    Ok(swept)
}
