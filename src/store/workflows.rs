//! The steps of workflow runs.

use super::jobs::{COLUMNS as JOB, Job, places, read as read_job};
use super::{Connection, Error, Result, Tx};
use crate::base::ids::JobId;
use crate::base::job::{Ending, JobState};
use crate::base::time::Millis;
use crate::base::workflow::{Answer, Lock, RUN, StepRow, StepState};
use sqlx::Row as _;
use sqlx::any::AnyRow;
use std::collections::{BTreeMap, HashMap};

const COLUMNS: &str = "seq, state, attempt, starts, adrift, started_at, ended_at, until_at, ending, found, answer, lock_name,
    lock_by, asked, left_over";

/// The steps of a run, in their order; empty before its first start.
///
/// # Errors
/// When the database refuses.
pub async fn steps(db: &mut Connection, job: JobId) -> Result<Vec<StepRow>> {
    Ok(steps_of(db, &[job]).await?.remove(&job).unwrap_or_default())
}

/// The same of several runs; one before its first start is left out.
///
/// # Errors
/// When the database refuses.
pub async fn steps_of(db: &mut Connection, runs: &[JobId]) -> Result<HashMap<JobId, Vec<StepRow>>> {
    let mut steps: HashMap<JobId, Vec<StepRow>> = HashMap::new();
    if runs.is_empty() {
        return Ok(steps);
    }
    let places = places(1, runs.len());
    let text = format!(
        "SELECT job, {COLUMNS} FROM workflow_steps WHERE job IN ({places}) ORDER BY job, seq"
    );
    let query = sqlx::query(sqlx::AssertSqlSafe(text));
    let query = runs.iter().fold(query, |query, run| query.bind(run.0));
    let rows = query.fetch_all(db).await?;
    for row in &rows {
        steps
            .entry(JobId(row.try_get("job")?))
            .or_default()
            .push(read(row)?);
    }
    Ok(steps)
}

/// Writes a step as it stands.
///
/// # Errors
/// When the database refuses.
pub async fn put(db: &mut Connection, job: JobId, seq: usize, row: &StepRow) -> Result<()> {
    let json = |error: serde_json::Error| Error::Corrupt(error.to_string());
    let ending = row.ending.as_ref().map(serde_json::to_string);
    let asked = (!row.asked.is_empty()).then(|| serde_json::to_string(&row.asked));
    sqlx::query(
        "INSERT INTO workflow_steps (job, seq, state, attempt, started_at, ended_at, until_at, ending, found,
             lock_name, lock_by, starts, adrift, asked, left_over)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
         ON CONFLICT (job, seq) DO UPDATE SET state = $3, attempt = $4, started_at = $5, ended_at = $6, until_at = $7,
             ending = $8, found = $9, lock_name = $10, lock_by = $11, starts = $12, adrift = $13, asked = $14,
             left_over = $15",
    )
    .bind(job.0)
    .bind(number(seq))
    .bind(row.state.as_str())
    .bind(i64::from(row.attempt))
    .bind(row.started_at.map(|at| at.0))
    .bind(row.ended_at.map(|at| at.0))
    .bind(row.until.map(|at| at.0))
    .bind(ending.transpose().map_err(json)?)
    .bind(serde_json::to_string(&row.found).map_err(json)?)
    .bind(row.lock.as_ref().map(|lock| lock.name.as_str()))
    .bind(row.lock.as_ref().and_then(|lock| lock.by.as_deref()))
    .bind(i64::from(row.starts))
    .bind(i64::from(row.adrift))
    .bind(asked.transpose().map_err(json)?)
    .bind(i64::from(row.left_over))
    .execute(db)
    .await?;
    Ok(())
}

/// Whether this start of a run is still what counts: it runs, and nobody took it over. That stays so until the transaction
/// ends, so that nothing is written by whoever was taken for dead.
///
/// # Errors
/// When the database refuses.
pub async fn is_held(tx: &mut Tx, job: &Job, is_shared: bool) -> Result<bool> {
    // SQLite has one writer, which this transaction is.
    let lock = if is_shared { "FOR SHARE" } else { "" };
    let text = format!(
        "SELECT id FROM jobs WHERE id = $1 AND state = 'running' AND starts = $2
            AND (claimed_by = $3 OR (claimed_by IS NULL AND CAST($3 AS TEXT) IS NULL)) {lock}"
    );
    let row = sqlx::query(sqlx::AssertSqlSafe(text))
        .bind(job.id.0)
        .bind(i64::from(job.starts))
        .bind(job.claimed_by.as_deref())
        .fetch_optional(&mut **tx)
        .await?;
    Ok(row.is_some())
}

/// Notes that what a run was doing may go on where it cannot be seen, or ended.
///
/// # Errors
/// When the database refuses.
pub async fn cast_adrift(db: &mut Connection, job: JobId) -> Result<()> {
    sqlx::query(
        "UPDATE workflow_steps SET adrift = 1 WHERE job = $1 AND state IN ('running', 'up', 'reverting')",
    )
    .bind(job.0)
    .execute(db)
    .await?;
    Ok(())
}

/// Writes what a person said about a try of a step that waits for it. `false` when somebody else was first, or the step
/// waits no longer.
///
/// # Errors
/// When the database refuses.
pub async fn answer(
    db: &mut Connection,
    job: JobId,
    seq: usize,
    attempt: u32,
    answer: &Answer,
) -> Result<bool> {
    let text = serde_json::to_string(answer).map_err(|error| Error::Corrupt(error.to_string()))?;
    let written = sqlx::query(
        "UPDATE workflow_steps SET answer = $4 WHERE job = $1 AND seq = $2 AND attempt = $3
            AND state IN ('asked', 'confirming', 'stranded') AND answer IS NULL AND (until_at IS NULL OR until_at > $5)",
    )
    .bind(job.0)
    .bind(number(seq))
    .bind(i64::from(attempt))
    .bind(text)
    .bind(answer.at.0)
    .execute(db)
    .await?;
    Ok(written.rows_affected() == 1)
}

/// What is taken back unless somebody answers, and is late at this moment, may be answered until `last`; once, and not what is
/// closed.
///
/// # Errors
/// When the database refuses.
pub async fn hear_out(db: &mut Connection, now: Millis, last: Millis) -> Result<()> {
    let lost = serde_json::to_string(&Ending::Lost);
    sqlx::query(
        "UPDATE workflow_steps SET until_at = $2, starts = 1 WHERE starts = 0 AND answer IS NULL AND until_at > 0 AND until_at <= $1
            AND (state = 'confirming' OR (state = 'asked' AND ending = $3))
            AND job IN (SELECT id FROM jobs WHERE state IN ('queued', 'running'))",
    )
    .bind(now.0)
    .bind(last.0)
    .bind(lost.map_err(|error| Error::Corrupt(error.to_string()))?)
    .execute(db)
    .await?;
    Ok(())
}

/// Why nobody may answer any more what is asked about a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closing {
    /// Its time is over, unless it was given a while longer since it was read.
    Late,
    /// The run withdraws it, however long it would have had.
    Withdrawn,
}

/// From here on nobody may answer this try of a step, unless somebody has: it is as late as can be. `row` is how it was read.
///
/// # Errors
/// When the database refuses.
pub async fn close_question(
    db: &mut Connection,
    job: JobId,
    seq: usize,
    row: &StepRow,
    closing: Closing,
) -> Result<()> {
    let starts = match closing {
        Closing::Late => i64::from(row.starts),
        Closing::Withdrawn => i64::MAX,
    };
    sqlx::query(
        "UPDATE workflow_steps SET until_at = 0 WHERE job = $1 AND seq = $2 AND attempt = $3
            AND starts <= $4 AND state IN ('asked', 'confirming', 'stranded') AND answer IS NULL",
    )
    .bind(job.0)
    .bind(number(seq))
    .bind(i64::from(row.attempt))
    .bind(starts)
    .execute(db)
    .await?;
    Ok(())
}

/// Forgets what was said, before something else is asked of the same step: `row` is how it is about to be written. What was
/// said to the very question that stands is kept.
///
/// # Errors
/// When the database refuses.
pub async fn ask_anew(db: &mut Connection, job: JobId, seq: usize, row: &StepRow) -> Result<()> {
    sqlx::query(
        "UPDATE workflow_steps SET answer = NULL WHERE job = $1 AND seq = $2 AND (state <> $3 OR attempt <> $4)",
    )
    .bind(job.0)
    .bind(number(seq))
    .bind(row.state.as_str())
    .bind(i64::from(row.attempt))
    .execute(db)
    .await?;
    Ok(())
}

/// Under this name a step that keeps a run going at GitHub finds why nothing is learned from there; nothing when something
/// is. No value of a workflow can have a name with a space.
pub const UNANSWERED: &str = "no answer";

/// A step at work that learns nothing from GitHub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unanswered {
    /// The run.
    pub job: JobId,
    /// Of which workflow.
    pub title: String,
    /// Which of its steps this is, from 0.
    pub seq: usize,
    /// Why.
    pub why: String,
}

/// The steps at work that learn nothing from GitHub.
///
/// # Errors
/// When the database refuses.
pub async fn unanswered(db: &mut Connection) -> Result<Vec<Unanswered>> {
    let rows = sqlx::query(
        "SELECT jobs.id, jobs.title, seq, found FROM workflow_steps JOIN jobs ON jobs.id = workflow_steps.job
         WHERE jobs.state IN ('queued', 'running') AND workflow_steps.state = 'running' AND found LIKE $1
         ORDER BY jobs.id, seq",
    )
    .bind(format!("%\"{UNANSWERED}\":%"))
    .fetch_all(db)
    .await?;
    let read = |row: &sqlx::any::AnyRow| {
        let found: BTreeMap<String, String> = serde_json::from_str(row.get(3)).ok()?;
        let why = found.get(UNANSWERED).filter(|why| !why.is_empty())?;
        Some(Unanswered {
            job: JobId(row.get(0)),
            title: row.get(1),
            seq: usize::try_from(row.get::<i64, _>(2)).ok()?,
            why: why.clone(),
        })
    };
    Ok(rows.iter().filter_map(read).collect())
}

/// How the runs of a workflow went, over all that are kept; those that took others back are left out.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Ended well.
    pub ok: u64,
    /// Failed, took too long, or were lost.
    pub failed: u64,
    /// Stopped by somebody.
    pub stopped: u64,
    /// The newest that is over.
    pub last: Option<JobId>,
    /// Those that wait or run, oldest first.
    pub open: Vec<JobId>,
}

/// How the runs of this workflow went.
///
/// # Errors
/// When the database refuses.
pub async fn tally(db: &mut Connection, title: &str) -> Result<Tally> {
    Ok(tallies(db, &[title])
        .await?
        .remove(title)
        .unwrap_or_default())
}

/// The same of several workflows, by their names; one that never ran is left out.
///
/// # Errors
/// When the database refuses.
pub async fn tallies(db: &mut Connection, titles: &[&str]) -> Result<HashMap<String, Tally>> {
    let mut tallies: HashMap<String, Tally> = HashMap::new();
    if titles.is_empty() {
        return Ok(tallies);
    }
    let places = places(2, titles.len());
    let counted = format!(
        "SELECT title, state, COUNT(*), MAX(id) FROM jobs
         WHERE kind = $1 AND title IN ({places}) AND source NOT LIKE 'undo:%' GROUP BY title, state"
    );
    for row in &of_titles(db, counted, titles).await? {
        let tally = tallies.entry(row.get(0)).or_default();
        let count = row.get::<i64, _>(2).unsigned_abs();
        match JobState::parse(row.get(1)) {
            Some(JobState::Succeeded) => tally.ok += count,
            Some(JobState::Failed | JobState::TimedOut | JobState::Lost) => tally.failed += count,
            Some(JobState::Cancelled) => tally.stopped += count,
            Some(JobState::Queued | JobState::Running) | None => continue,
        }
        tally.last = tally.last.max(Some(JobId(row.get(3))));
    }
    let open = format!(
        "SELECT title, id FROM jobs
         WHERE kind = $1 AND title IN ({places}) AND state IN ('queued', 'running') ORDER BY id"
    );
    for row in &of_titles(db, open, titles).await? {
        let tally = tallies.entry(row.get(0)).or_default();
        tally.open.push(JobId(row.get(1)));
    }
    Ok(tallies)
}

/// The rows of a query about runs of these workflows.
async fn of_titles(db: &mut Connection, text: String, titles: &[&str]) -> Result<Vec<AnyRow>> {
    let query = sqlx::query(sqlx::AssertSqlSafe(text)).bind(RUN);
    let query = titles.iter().fold(query, |query, title| query.bind(*title));
    Ok(query.fetch_all(db).await?)
}

/// A run that is over, as far as the next one depends on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Past {
    /// Its number.
    pub id: JobId,
    /// When it was asked for.
    pub began: Millis,
    /// When it ended.
    pub at: Millis,
    /// Whether it ended well.
    pub good: bool,
    /// Who stopped it.
    pub by: Option<String>,
    /// Whether a schedule started it.
    pub by_itself: bool,
}

/// The newest runs of this workflow that are over, newest first, up to so many. Those that took others back are left out, and
/// what somebody else asked for and took out of the queue before it began.
///
/// # Errors
/// When the database refuses.
pub async fn past(db: &mut Connection, title: &str, most: u32) -> Result<Vec<Past>> {
    let rows = sqlx::query(
        "SELECT id, state, created_at, finished_at, ended_by, telling
         FROM jobs WHERE title = $1 AND kind = $2 AND state NOT IN ('queued', 'running')
            AND source NOT LIKE 'undo:%' AND (starts > 0 OR telling IS NOT NULL) ORDER BY id DESC LIMIT $3",
    )
    .bind(title)
    .bind(RUN)
    .bind(i64::from(most))
    .fetch_all(db)
    .await?;
    let past = |row: &AnyRow| {
        let began = Millis(row.get("created_at"));
        Past {
            id: JobId(row.get("id")),
            began,
            at: row
                .get::<Option<i64>, _>("finished_at")
                .map_or(began, Millis),
            good: row.get::<&str, _>("state") == JobState::Succeeded.as_str(),
            by: row.get("ended_by"),
            by_itself: row.get::<Option<&str>, _>("telling").is_some(),
        }
    };
    Ok(rows.iter().map(past).collect())
}

/// The newest run of this workflow that waits or runs, another one than `but`.
///
/// # Errors
/// When the database refuses.
pub async fn newest_open(
    db: &mut Connection,
    title: &str,
    but: Option<JobId>,
) -> Result<Option<JobId>> {
    let row = sqlx::query(
        "SELECT id FROM jobs WHERE title = $1 AND kind = $2 AND state IN ('queued', 'running') AND id <> $3
         ORDER BY id DESC LIMIT 1",
    )
    .bind(title)
    .bind(RUN)
    .bind(but.map_or(0, |id| id.0))
    .fetch_optional(db)
    .await?;
    Ok(row.map(|row| JobId(row.get(0))))
}

/// The runs that wait or run, oldest first.
///
/// # Errors
/// When the database refuses.
pub async fn open(db: &mut Connection) -> Result<Vec<Job>> {
    let text = format!(
        "SELECT {JOB} FROM jobs WHERE kind = $1 AND state IN ('queued', 'running') ORDER BY id"
    );
    let rows = sqlx::query(sqlx::AssertSqlSafe(text))
        .bind(RUN)
        .fetch_all(db)
        .await?;
    rows.iter().map(read_job).collect()
}

fn number(seq: usize) -> i64 {
    i64::try_from(seq).unwrap_or(i64::MAX)
}

fn read(row: &AnyRow) -> Result<StepRow> {
    let corrupt = |what: &str| Error::Corrupt(format!("a step with the {what}"));
    let word: String = row.try_get("state")?;
    let json = |name: &str| -> Result<Option<String>> { Ok(row.try_get(name)?) };
    let time = |name: &str| -> Result<Option<Millis>> {
        Ok(row.try_get::<Option<i64>, _>(name)?.map(Millis))
    };
    let ending = json("ending")?.map(|text| serde_json::from_str(&text));
    let answer = json("answer")?.map(|text| serde_json::from_str(&text));
    let asked = json("asked")?.map(|text| serde_json::from_str(&text));
    let found: String = row.try_get("found")?;
    Ok(StepRow {
        state: StepState::parse(&word).ok_or_else(|| corrupt(&format!("state {word}")))?,
        attempt: u32::try_from(row.try_get::<i64, _>("attempt")?).unwrap_or(u32::MAX),
        starts: u32::try_from(row.try_get::<i64, _>("starts")?).unwrap_or(u32::MAX),
        adrift: row.try_get::<i64, _>("adrift")? != 0,
        started_at: time("started_at")?,
        ended_at: time("ended_at")?,
        until: time("until_at")?,
        ending: ending.transpose().map_err(|_| corrupt("ending"))?,
        found: serde_json::from_str(&found).map_err(|_| corrupt("values"))?,
        answer: answer.transpose().map_err(|_| corrupt("answer"))?,
        lock: json("lock_name")?
            .map(|name| {
                Ok::<_, Error>(Lock {
                    name,
                    by: json("lock_by")?,
                })
            })
            .transpose()?,
        asked: asked
            .transpose()
            .map_err(|_| corrupt("persons asked"))?
            .unwrap_or_default(),
        left_over: row.try_get::<i64, _>("left_over")? != 0,
    })
}
