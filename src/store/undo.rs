//! Jobs that succeeded and may be taken back: by somebody, for a time; or by themselves, unless somebody confirms them.

use super::jobs::{COLUMNS, Job, places, read};
use super::{Connection, Result};
use crate::base::ids::JobId;
use crate::base::job::{JobState, undo_source, undone};
use crate::base::time::Millis;
use sqlx::Row as _;
use sqlx::any::AnyRow;
use std::collections::HashMap;

/// The job that takes this one back, and where that stands, if somebody asked for it.
///
/// # Errors
/// When the database refuses.
pub async fn by(db: &mut Connection, id: JobId) -> Result<Option<(JobId, JobState)>> {
    Ok(by_all(db, &[id]).await?.remove(&id))
}

/// The same of several: by the job that is taken back. Of one that was tried again, how the last try stands.
///
/// # Errors
/// When the database refuses.
pub async fn by_all(
    db: &mut Connection,
    ids: &[JobId],
) -> Result<HashMap<JobId, (JobId, JobState)>> {
    let mut known = HashMap::new();
    let mut sources: Vec<String> = ids.iter().map(|id| undo_source(*id, None)).collect();
    while !sources.is_empty() {
        let found = of_sources(db, &sources).await?;
        let failed = found
            .iter()
            .filter(|(.., state)| state.is_final() && *state != JobState::Succeeded);
        sources = failed
            .map(|(id, by, _)| undo_source(*id, Some(*by)))
            .collect();
        known.extend(found.into_iter().map(|(id, by, state)| (id, (by, state))));
    }
    Ok(known)
}

/// The jobs of these sources: which they take back, their own number, and where they stand.
async fn of_sources(
    db: &mut Connection,
    sources: &[String],
) -> Result<Vec<(JobId, JobId, JobState)>> {
    let places = places(1, sources.len());
    let text = format!("SELECT id, state, source FROM jobs WHERE source IN ({places})");
    let query = sqlx::query(sqlx::AssertSqlSafe(text));
    let query = sources
        .iter()
        .fold(query, |query, source| query.bind(source));
    let rows = query.fetch_all(db).await?;
    let read = |row: &AnyRow| {
        let state = JobState::parse(row.get(1))?;
        Some((undone(row.get(2))?, JobId(row.get(0)), state))
    };
    Ok(rows.iter().filter_map(read).collect())
}

/// From here on until this moment, somebody has to confirm the job.
///
/// # Errors
/// When the database refuses.
pub async fn open(db: &mut Connection, id: JobId, until: Millis) -> Result<()> {
    sqlx::query("UPDATE jobs SET confirm_until = $2 WHERE id = $1")
        .bind(id.0)
        .bind(until.0)
        .execute(db)
        .await?;
    Ok(())
}

/// Until when somebody has to confirm the job; `None` when nobody has to, or not any more.
///
/// # Errors
/// When the database refuses.
pub async fn open_until(db: &mut Connection, id: JobId) -> Result<Option<Millis>> {
    let row = sqlx::query("SELECT confirm_until FROM jobs WHERE id = $1")
        .bind(id.0)
        .fetch_optional(db)
        .await?;
    Ok(row.and_then(|row| row.get::<Option<i64>, _>(0)).map(Millis))
}

/// Moves the moment until which somebody has to confirm the job. `false` when it is no longer this one.
///
/// # Errors
/// When the database refuses.
pub async fn prolong(db: &mut Connection, id: JobId, from: Millis, until: Millis) -> Result<bool> {
    let moved =
        sqlx::query("UPDATE jobs SET confirm_until = $3 WHERE id = $1 AND confirm_until = $2")
            .bind(id.0)
            .bind(from.0)
            .bind(until.0)
            .execute(db)
            .await?;
    Ok(moved.rows_affected() == 1)
}

/// Nobody needs to confirm the job any more. `false` when nobody had to, or its last moment is not past this one, if it is
/// to be `late`, or is, if not.
///
/// # Errors
/// When the database refuses.
pub async fn close(db: &mut Connection, id: JobId, late: bool, at: Millis) -> Result<bool> {
    let closed = sqlx::query(match late {
        true => "UPDATE jobs SET confirm_until = NULL WHERE id = $1 AND confirm_until <= $2",
        false => "UPDATE jobs SET confirm_until = NULL WHERE id = $1 AND confirm_until > $2",
    })
    .bind(id.0)
    .bind(at.0)
    .execute(db)
    .await?;
    Ok(closed.rows_affected() == 1)
}

/// The oldest hundred jobs after this one that nobody confirmed in time.
///
/// # Errors
/// When the database refuses.
pub async fn late(db: &mut Connection, now: Millis, after: JobId) -> Result<Vec<Job>> {
    let text = format!(
        "SELECT {COLUMNS} FROM jobs WHERE confirm_until <= $1 AND id > $2 ORDER BY id LIMIT 100"
    );
    let rows = sqlx::query(sqlx::AssertSqlSafe(text))
        .bind(now.0)
        .bind(after.0)
        .fetch_all(db)
        .await?;
    rows.iter().map(read).collect()
}

/// Notes until when the chat offers to take the job back.
///
/// # Errors
/// When the database refuses.
pub async fn offer(db: &mut Connection, id: JobId, until: Millis) -> Result<()> {
    sqlx::query("UPDATE jobs SET undo_until = $2 WHERE id = $1")
        .bind(id.0)
        .bind(until.0)
        .execute(db)
        .await?;
    Ok(())
}

/// The job is taken back: the chat offers it no more.
///
/// # Errors
/// When the database refuses.
pub async fn offer_no_more(db: &mut Connection, id: JobId) -> Result<()> {
    sqlx::query("UPDATE jobs SET undo_until = NULL WHERE id = $1")
        .bind(id.0)
        .execute(db)
        .await?;
    Ok(())
}

/// The jobs that the chat offers to take back and that cannot be any more, oldest first.
///
/// # Errors
/// When the database refuses.
pub async fn offered_until(db: &mut Connection, now: Millis) -> Result<Vec<JobId>> {
    let rows = sqlx::query("SELECT id FROM jobs WHERE undo_until < $1 ORDER BY id LIMIT 100")
        .bind(now.0)
        .fetch_all(db)
        .await?;
    Ok(rows.iter().map(|row| JobId(row.get(0))).collect())
}

/// Notes that the chat offers it no more. `false` when it does not, or its last moment is not past this one.
///
/// # Errors
/// When the database refuses.
pub async fn close_offer(db: &mut Connection, id: JobId, now: Millis) -> Result<bool> {
    let closed = sqlx::query("UPDATE jobs SET undo_until = NULL WHERE id = $1 AND undo_until < $2")
        .bind(id.0)
        .bind(now.0)
        .execute(db)
        .await?;
    Ok(closed.rows_affected() == 1)
}

/// What a message of the job says in its newest form, as JSON; `None` when it is not there to be changed.
///
/// # Errors
/// When the database refuses.
pub async fn shown(db: &mut Connection, id: JobId, slot: &str) -> Result<Option<String>> {
    let row = sqlx::query(
        "SELECT payload FROM outbox WHERE job_id = $1 AND slot = $2 AND state IN ('pending', 'sent')
         AND (state = 'pending' OR EXISTS (SELECT 1 FROM slots s WHERE s.slot = outbox.slot)) ORDER BY id DESC LIMIT 1",
    )
    .bind(id.0)
    .bind(slot)
    .fetch_optional(db)
    .await?;
    Ok(row.map(|row| row.get(0)))
}
