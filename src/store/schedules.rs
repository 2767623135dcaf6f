//! Schedules as rows: where each stands, and what those are that were made in the chat.

use super::{Connection, Result};
use crate::base::ids::{ChatId, JobId, Place, ThreadId, UserId};
use crate::base::job::JobState;
use crate::base::time::Millis;
use sqlx::Row;
use sqlx::any::AnyRow;

/// A schedule as it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    /// Its name.
    pub name: String,
    /// The script that it runs.
    pub script: String,
    /// What its times depend on, as text: another one is another timer.
    pub timer: String,
    /// What it is and who made it, if that was in the chat; `None` for those of the configuration.
    pub made: Option<Made>,
    /// What an interval counts from.
    pub anchor: Millis,
    /// Every time up to this one is dealt with.
    pub settled: Millis,
    /// That it is paused.
    pub paused: Option<Paused>,
    /// When its last run was due.
    pub last_due: Option<Millis>,
    /// When that was started.
    pub last_fired: Option<Millis>,
    /// The job that it was, or its last retry.
    pub last_job: Option<JobId>,
    /// Where that job stands, if it is still kept.
    pub last_state: Option<JobState>,
    /// When that job was over.
    pub last_over: Option<Millis>,
    /// How many times passed without a run.
    pub skipped: i64,
    /// Why, the last time.
    pub skip_why: Option<String>,
    /// Why the newest run could not start, as it was told; nothing once one starts.
    pub not_started: Option<String>,
    /// Of what the last good run printed, a hash.
    pub output_hash: Option<String>,
    /// The try that is to follow.
    pub retry: Option<Retry>,
    /// Of one that follows another place: what was seen there, as text.
    pub seen: Option<String>,
}

/// What was made in the chat.
#[derive(Clone, Debug, PartialEq)]
pub struct Made {
    /// What it is, as JSON.
    pub spec: String,
    /// By whom.
    pub by: UserId,
    /// Their name.
    pub name: String,
    /// Where; its runs are told there.
    pub place: Place,
    /// When.
    pub at: Millis,
}

/// That a schedule is paused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paused {
    /// Since when.
    pub at: Millis,
    /// By whom.
    pub by: String,
    /// Why, if the bot did it.
    pub why: Option<String>,
}

/// A try that is to follow a failed one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// When.
    pub at: Millis,
    /// The job that failed.
    pub of: JobId,
    /// Which try it is, from 2.
    pub number: u32,
}

const COLUMNS: &str = "SELECT s.name, s.script, s.timer, s.spec, s.made_by, s.made_name, s.chat_id, s.thread_id, s.made_at,
        s.anchor, s.settled, s.paused_at, s.paused_by, s.paused_why, s.last_due, s.last_fired, s.last_job,
        j.state AS last_state, j.finished_at AS last_over, s.skipped, s.skip_why, s.not_started, s.output_hash, s.retry_at, s.retry_of, s.retry_no, s.seen
     FROM schedules s LEFT JOIN jobs j ON j.id = s.last_job";

fn read(row: &AnyRow) -> Schedule {
    let time = |column: &str| row.get::<Option<i64>, _>(column).map(Millis);
    let job = |column: &str| row.get::<Option<i64>, _>(column).map(JobId);
    let text = |column: &str| row.get::<Option<String>, _>(column);
    let made = text("spec").map(|spec| Made {
        spec,
        by: UserId(row.get::<Option<i64>, _>("made_by").unwrap_or_default()),
        name: text("made_name").unwrap_or_default(),
        place: Place {
            chat: ChatId(row.get::<Option<i64>, _>("chat_id").unwrap_or_default()),
            thread: row
                .get::<Option<i64>, _>("thread_id")
                .and_then(|thread| i32::try_from(thread).ok())
                .map(ThreadId),
        },
        at: Millis(row.get("made_at")),
    });
    let paused = time("paused_at").map(|at| Paused {
        at,
        by: text("paused_by").unwrap_or_default(),
        why: text("paused_why"),
    });
    let retry = time("retry_at").zip(job("retry_of")).map(|(at, of)| Retry {
        at,
        of,
        number: row
            .get::<Option<i64>, _>("retry_no")
            .and_then(|number| u32::try_from(number).ok())
            .unwrap_or(2),
    });
    Schedule {
        name: row.get("name"),
        script: row.get("script"),
        timer: row.get("timer"),
        made,
        anchor: Millis(row.get("anchor")),
        settled: Millis(row.get("settled")),
        paused,
        last_due: time("last_due"),
        last_fired: time("last_fired"),
        last_job: job("last_job"),
        last_state: text("last_state").and_then(|state| JobState::parse(&state)),
        last_over: time("last_over"),
        skipped: row.get("skipped"),
        skip_why: text("skip_why"),
        not_started: text("not_started"),
        output_hash: text("output_hash"),
        retry,
        seen: text("seen"),
    }
}

/// All schedules, by name.
///
/// # Errors
/// When the database refuses.
pub async fn all(db: &mut Connection) -> Result<Vec<Schedule>> {
    let text = sqlx::AssertSqlSafe(format!("{COLUMNS} ORDER BY s.name"));
    let rows = sqlx::query(text).fetch_all(db).await?;
    Ok(rows.iter().map(read).collect())
}

/// The schedule of this name.
///
/// # Errors
/// When the database refuses.
pub async fn find(db: &mut Connection, name: &str) -> Result<Option<Schedule>> {
    let text = sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE s.name = $1"));
    let row = sqlx::query(text).bind(name).fetch_optional(db).await?;
    Ok(row.as_ref().map(read))
}

/// The next number for a schedule of this script that is made in the chat. None is given twice: an old button, or a run that
/// is still going on, never means a later schedule than its own. Whoever asks at the same moment waits for the commit.
///
/// # Errors
/// When the database refuses.
pub async fn number(db: &mut Connection, script: &str) -> Result<i64> {
    let row = sqlx::query(
        "INSERT INTO facts (name, value) VALUES ($1, '1')
         ON CONFLICT (name) DO UPDATE SET value = CAST(CAST(facts.value AS BIGINT) + 1 AS TEXT)
         RETURNING CAST(value AS BIGINT)",
    )
    .bind(format!("schedules:{script}"))
    .fetch_one(db)
    .await?;
    Ok(row.get(0))
}

/// Adds a schedule whose times begin to count at this moment; `false` when the name is taken.
///
/// # Errors
/// When the database refuses.
pub async fn add(
    db: &mut Connection,
    name: &str,
    script: &str,
    timer: &str,
    made: Option<&Made>,
    at: Millis,
) -> Result<bool> {
    let added = sqlx::query(
        "INSERT INTO schedules (name, script, timer, spec, made_by, made_name, chat_id, thread_id, made_at, anchor, settled)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9, $9) ON CONFLICT (name) DO NOTHING",
    )
    .bind(name)
    .bind(script)
    .bind(timer)
    .bind(made.map(|made| made.spec.as_str()))
    .bind(made.map(|made| made.by.0))
    .bind(made.map(|made| made.name.as_str()))
    .bind(made.map(|made| made.place.chat.0))
    .bind(made.and_then(|made| made.place.thread).map(|thread| i64::from(thread.0)))
    .bind(at.0)
    .execute(db)
    .await?;
    Ok(added.rows_affected() == 1)
}

/// Removes a schedule; `false` when there is none.
///
/// # Errors
/// When the database refuses.
pub async fn remove(db: &mut Connection, name: &str) -> Result<bool> {
    let gone = sqlx::query("DELETE FROM schedules WHERE name = $1")
        .bind(name)
        .execute(db)
        .await?;
    Ok(gone.rows_affected() == 1)
}

/// Begins to count anew, by this timer: what was to be tried again is dropped, and what was seen forgotten.
///
/// # Errors
/// When the database refuses.
pub async fn restart(db: &mut Connection, name: &str, timer: &str, at: Millis) -> Result<()> {
    sqlx::query(
        "UPDATE schedules SET timer = $2, anchor = $3, settled = $3, retry_at = NULL, retry_of = NULL, retry_no = NULL,
            seen = NULL, not_started = NULL
         WHERE name = $1",
    )
    .bind(name)
    .bind(timer)
    .bind(at.0)
    .execute(db)
    .await?;
    Ok(())
}

/// Notes that the times up to this one are dealt with without a run, counted if there is a reason to tell.
///
/// # Errors
/// When the database refuses.
pub async fn settle(
    db: &mut Connection,
    name: &str,
    settled: Millis,
    why: Option<&str>,
) -> Result<()> {
    sqlx::query(
        "UPDATE schedules SET settled = $2, skipped = skipped + $3, skip_why = COALESCE($4, skip_why) WHERE name = $1",
    )
    .bind(name)
    .bind(settled.0)
    .bind(i64::from(why.is_some()))
    .bind(why)
    .execute(db)
    .await?;
    Ok(())
}

/// Notes why the newest run could not start.
///
/// # Errors
/// When the database refuses.
pub async fn not_started(db: &mut Connection, name: &str, why: &str) -> Result<()> {
    sqlx::query("UPDATE schedules SET not_started = $2 WHERE name = $1")
        .bind(name)
        .bind(why)
        .execute(db)
        .await?;
    Ok(())
}

/// Notes what was seen by this timer, unless something else was noted since it was `before`; `false` then.
///
/// # Errors
/// When the database refuses.
pub async fn see(
    db: &mut Connection,
    (name, timer): (&str, &str),
    (before, after): (Option<&str>, &str),
) -> Result<bool> {
    let noted = sqlx::query(
        "UPDATE schedules SET seen = $4 WHERE name = $1 AND timer = $2 AND COALESCE(seen, '') = COALESCE($3, '')",
    )
    .bind(name)
    .bind(timer)
    .bind(before)
    .bind(after)
    .execute(db)
    .await?;
    Ok(noted.rows_affected() == 1)
}

/// Notes a run that was due then as this job, and the times up to then as dealt with. `false` when the schedule was paused
/// or removed meanwhile.
///
/// # Errors
/// When the database refuses.
pub async fn fired(
    db: &mut Connection,
    name: &str,
    due: Millis,
    job: JobId,
    at: Millis,
) -> Result<bool> {
    let noted = sqlx::query(
        "UPDATE schedules SET settled = CASE WHEN settled > $2 THEN settled ELSE $2 END, last_due = $2, last_job = $3,
            last_fired = $4, retry_at = NULL, retry_of = NULL, retry_no = NULL, not_started = NULL
         WHERE name = $1 AND paused_at IS NULL",
    )
    .bind(name)
    .bind(due.0)
    .bind(job.0)
    .bind(at.0)
    .execute(db)
    .await?;
    Ok(noted.rows_affected() == 1)
}

/// Notes that the job is to be tried again, if it is the last one of its schedule and that is not paused.
///
/// # Errors
/// When the database refuses.
pub async fn try_again(db: &mut Connection, name: &str, retry: Retry) -> Result<bool> {
    let noted = sqlx::query(
        "UPDATE schedules SET retry_at = $3, retry_of = $2, retry_no = $4
         WHERE name = $1 AND last_job = $2 AND paused_at IS NULL",
    )
    .bind(name)
    .bind(retry.of.0)
    .bind(retry.at.0)
    .bind(i64::from(retry.number))
    .execute(db)
    .await?;
    Ok(noted.rows_affected() == 1)
}

/// Gives up what was to be tried again; returns the job that failed, if something was.
///
/// # Errors
/// When the database refuses.
pub async fn give_up(db: &mut Connection, name: &str) -> Result<Option<JobId>> {
    // `retry_of` stays, to be returned; without a time it says nothing.
    let row = sqlx::query(
        "UPDATE schedules SET retry_at = NULL, retry_no = NULL WHERE name = $1 AND retry_at IS NOT NULL
         RETURNING retry_of",
    )
    .bind(name)
    .fetch_optional(db)
    .await?;
    Ok(row.and_then(|row| row.get::<Option<i64>, _>(0)).map(JobId))
}

/// Takes the hash of what a good run printed; `true` when it differs from the one before. A first run that printed nothing
/// differs from nothing.
///
/// # Errors
/// When the database refuses.
pub async fn swap_hash(db: &mut Connection, name: &str, hash: &str, printed: bool) -> Result<bool> {
    let before = find(&mut *db, name).await?.and_then(|one| one.output_hash);
    if before.as_deref() == Some(hash) {
        return Ok(false);
    }
    sqlx::query("UPDATE schedules SET output_hash = $2 WHERE name = $1")
        .bind(name)
        .bind(hash)
        .execute(db)
        .await?;
    Ok(before.is_some() || printed)
}

/// Pauses a schedule; `false` when it was paused before.
///
/// # Errors
/// When the database refuses.
pub async fn pause(db: &mut Connection, name: &str, paused: &Paused) -> Result<bool> {
    let done = sqlx::query(
        "UPDATE schedules SET paused_at = $2, paused_by = $3, paused_why = $4 WHERE name = $1 AND paused_at IS NULL",
    )
    .bind(name)
    .bind(paused.at.0)
    .bind(&paused.by)
    .bind(&paused.why)
    .execute(db)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// What ended elsewhere up to this moment is not followed by this schedule, or by any: the next look there is a first one.
///
/// # Errors
/// When the database refuses.
pub async fn forget_seen(db: &mut Connection, name: Option<&str>, at: Millis) -> Result<()> {
    sqlx::query(
        "UPDATE schedules SET seen = NULL, anchor = $2 WHERE seen IS NOT NULL AND name = COALESCE($1, name)",
    )
    .bind(name)
    .bind(at.0)
    .execute(db)
    .await?;
    Ok(())
}

/// Lets a paused schedule go on from this moment, in its old rhythm; `false` when it was not paused.
///
/// # Errors
/// When the database refuses.
pub async fn resume(db: &mut Connection, name: &str, at: Millis) -> Result<bool> {
    let done = sqlx::query(
        "UPDATE schedules SET paused_at = NULL, paused_by = NULL, paused_why = NULL,
            settled = CASE WHEN settled > $2 THEN settled ELSE $2 END
         WHERE name = $1 AND paused_at IS NOT NULL",
    )
    .bind(name)
    .bind(at.0)
    .execute(db)
    .await?;
    Ok(done.rows_affected() == 1)
}
