//! What is removed of old jobs: a batch at a time, oldest first, and a note of what went and why.

use super::{Connection, Result};
use crate::base::ids::JobId;
use crate::base::time::Millis;
use sqlx::Row;

/// Why jobs were removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// They were older than jobs are kept.
    Age,
    /// There were more than are kept.
    Count,
    /// The logs together were larger than is kept.
    Size,
}

impl Why {
    /// As it is stored.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Why::Age => "age",
            Why::Count => "count",
            Why::Size => "size",
        }
    }

    /// Reads what is stored.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Why::Age, Why::Count, Why::Size]
            .into_iter()
            .find(|why| why.as_str() == word)
    }
}

/// That a job was removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forgotten {
    /// Why.
    pub why: Why,
    /// When.
    pub at: Millis,
}

/// Of an ended job: nobody has to confirm it, and no message of it is still to be sent.
const MAY_GO: &str = "confirm_until IS NULL
    AND NOT EXISTS (SELECT 1 FROM outbox o WHERE o.job_id = jobs.id AND o.state = 'pending')";

/// The ended jobs that may go, oldest first. `with_files` leaves out those that
/// take nothing of the disk: they printed nothing, and are not among these, which left files.
///
/// # Errors
/// When the database refuses.
pub async fn oldest(
    db: &mut Connection,
    before: Millis,
    with_files: Option<&[JobId]>,
    limit: u32,
) -> Result<Vec<JobId>> {
    let takes = match with_files {
        None => "1 = 1".to_owned(),
        Some([]) => "log_bytes > 0".to_owned(),
        Some(files) => format!("(log_bytes > 0 OR id IN ({}))", numbers(files)),
    };
    let text = sqlx::AssertSqlSafe(format!(
        "SELECT id FROM jobs WHERE finished_at < $1 AND {takes}
         AND {MAY_GO} ORDER BY finished_at, id LIMIT $2"
    ));
    let query = sqlx::query(text).bind(before.0).bind(i64::from(limit));
    let rows = query.fetch_all(db).await?;
    Ok(rows.iter().map(|row| JobId(row.get(0))).collect())
}

/// Of these jobs, those that may go, oldest first.
///
/// # Errors
/// When the database refuses.
pub async fn may_go(db: &mut Connection, jobs: &[JobId]) -> Result<Vec<JobId>> {
    if jobs.is_empty() {
        return Ok(Vec::new());
    }
    let text = sqlx::AssertSqlSafe(format!(
        "SELECT id FROM jobs WHERE id IN ({}) AND finished_at > 0 AND {MAY_GO} ORDER BY finished_at, id",
        numbers(jobs)
    ));
    let rows = sqlx::query(text).fetch_all(db).await?;
    Ok(rows.iter().map(|row| JobId(row.get(0))).collect())
}

/// How many jobs have ended.
///
/// # Errors
/// When the database refuses.
pub async fn ended(db: &mut Connection) -> Result<u64> {
    let row = sqlx::query("SELECT COUNT(finished_at) FROM jobs WHERE finished_at > 0")
        .fetch_one(db)
        .await?;
    Ok(row.get::<i64, _>(0).unsigned_abs())
}

/// Removes jobs with what the outbox keeps of them, and notes why; returns those that were removed. One that may not go by
/// now stays.
///
/// # Errors
/// When the database refuses.
pub async fn forget(
    db: &mut Connection,
    jobs: &[JobId],
    why: Why,
    at: Millis,
) -> Result<Vec<JobId>> {
    if jobs.is_empty() {
        return Ok(Vec::new());
    }
    let text = sqlx::AssertSqlSafe(format!(
        "DELETE FROM jobs WHERE id IN ({}) AND finished_at > 0 AND {MAY_GO} RETURNING id",
        numbers(jobs)
    ));
    let rows = sqlx::query(text).fetch_all(&mut *db).await?;
    let mut gone: Vec<_> = rows.iter().map(|row| JobId(row.get(0))).collect();
    gone.sort_unstable();
    let (Some(first), Some(last)) = (gone.first(), gone.last()) else {
        return Ok(gone);
    };
    let slots = gone.iter().map(|id| format!("'job:{id}'"));
    let slots = slots.collect::<Vec<_>>().join(", ");
    for text in [
        format!("DELETE FROM outbox WHERE job_id IN ({})", numbers(&gone)),
        format!("DELETE FROM slots WHERE slot IN ({slots})"),
        format!(
            "DELETE FROM workflow_steps WHERE job IN ({})",
            numbers(&gone)
        ),
    ] {
        sqlx::query(sqlx::AssertSqlSafe(text))
            .execute(&mut *db)
            .await?;
    }
    // What goes on from the last batch widens its note, so that there are few.
    let widened = sqlx::query(
        "UPDATE forgotten SET last_id = $2, jobs = jobs + $3
         WHERE reason = $4 AND last_id < $1 AND removed_at > $5 - 86400000
         AND removed_at = (SELECT MAX(removed_at) FROM forgotten WHERE reason = $4)",
    )
    .bind(first.0)
    .bind(last.0)
    .bind(i64::try_from(gone.len()).unwrap_or(i64::MAX))
    .bind(why.as_str())
    .bind(at.0)
    .execute(&mut *db)
    .await?;
    if widened.rows_affected() == 0 {
        sqlx::query(
            "INSERT INTO forgotten (first_id, last_id, reason, jobs, removed_at) VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(first.0)
        .bind(last.0)
        .bind(why.as_str())
        .bind(i64::try_from(gone.len()).unwrap_or(i64::MAX))
        .bind(at.0)
        .execute(db)
        .await?;
    }
    Ok(gone)
}

/// What became of a job that is not there.
///
/// # Errors
/// When the database refuses.
pub async fn forgotten(db: &mut Connection, id: JobId) -> Result<Option<Forgotten>> {
    let row = sqlx::query(
        "SELECT reason, removed_at FROM forgotten WHERE first_id <= $1 AND last_id >= $1
         ORDER BY removed_at DESC LIMIT 1",
    )
    .bind(id.0)
    .fetch_optional(db)
    .await?;
    Ok(row.and_then(|row| {
        Some(Forgotten {
            why: Why::parse(row.get::<&str, _>(0))?,
            at: Millis(row.get(1)),
        })
    }))
}

/// Removes notes older than the moment.
///
/// # Errors
/// When the database refuses.
pub async fn prune_notes(db: &mut Connection, before: Millis) -> Result<()> {
    sqlx::query("DELETE FROM forgotten WHERE removed_at < $1")
        .bind(before.0)
        .execute(db)
        .await?;
    Ok(())
}

/// Of these numbers, those that no job has although later ones were given: logs under them are nobody's.
///
/// # Errors
/// When the database refuses.
pub async fn unknown(db: &mut Connection, jobs: &[JobId]) -> Result<Vec<JobId>> {
    if jobs.is_empty() {
        return Ok(Vec::new());
    }
    let text = sqlx::AssertSqlSafe(format!(
        "SELECT id FROM jobs WHERE id IN ({})",
        numbers(jobs)
    ));
    let known = sqlx::query(text).fetch_all(&mut *db).await?;
    let known: std::collections::HashSet<i64> = known.iter().map(|row| row.get(0)).collect();
    let newest: i64 = sqlx::query(
        "SELECT COALESCE(MAX(n), 0) FROM
            (SELECT MAX(id) AS n FROM jobs UNION ALL SELECT MAX(last_id) AS n FROM forgotten) AS numbers",
    )
    .fetch_one(db)
    .await?
    .get(0);
    let unknown = |id: &&JobId| !known.contains(&id.0) && id.0 <= newest;
    Ok(jobs.iter().filter(unknown).copied().collect())
}

fn numbers(jobs: &[JobId]) -> String {
    let numbers: Vec<_> = jobs.iter().map(|id| id.0.to_string()).collect();
    numbers.join(", ")
}
