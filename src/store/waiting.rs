//! The outbox as people look at it: what waits, what failed lately, and the two things they can do about it.

use super::{Connection, Result};
use crate::base::ids::{ChatId, JobId};
use crate::base::time::Millis;
use sqlx::Row;
use sqlx::any::AnyRow;
use std::time::Duration;

/// Where a message stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// It waits.
    Pending,
    /// Telegram has it; `true` when it took the place of an earlier one.
    Sent(bool),
    /// It could not be sent.
    Failed,
    /// A newer one took its place before it was sent.
    Replaced,
    /// Somebody dropped it.
    Dropped,
}

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its number.
    pub id: i64,
    /// To which chat.
    pub chat: ChatId,
    /// What, as JSON.
    pub payload: String,
    /// Where it stands.
    pub delivery: Delivery,
    /// How often sending failed.
    pub attempts: u32,
    /// Why it waits, failed or was dropped.
    pub reason: Option<String>,
    /// When it was promised.
    pub created_at: Millis,
    /// When it was sent or closed.
    pub done_at: Option<Millis>,
    /// The job that it tells of.
    pub job: Option<JobId>,
}

/// What waits for one chat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queue {
    /// The chat.
    pub chat: ChatId,
    /// How many wait.
    pub count: u64,
    /// Since when the oldest does.
    pub since: Millis,
    /// The oldest, which the others wait behind.
    pub first: i64,
    /// The newest.
    pub last: i64,
}

/// What waits and what failed lately, in numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backlog {
    /// How many wait.
    pub waiting: u64,
    /// Since when the oldest of them does.
    pub since: Option<Millis>,
    /// How many failed within [`LATELY`].
    pub failed: u64,
}

/// Failures are news for so long.
pub const LATELY: Duration = Duration::from_secs(24 * 3600);

const COLUMNS: &str =
    "id, chat_id, payload, state, attempts, reason, created_at, done_at, job_id, edited";

/// What waits, chat by chat, the one that waits longest first.
///
/// # Errors
/// When the database refuses.
pub async fn queues(db: &mut Connection, limit: u32) -> Result<Vec<Queue>> {
    let rows = sqlx::query(
        "SELECT chat_id, COUNT(*), MIN(created_at), MIN(id), MAX(id) FROM outbox
         WHERE state = 'pending' GROUP BY chat_id ORDER BY 3, 1 LIMIT $1",
    )
    .bind(i64::from(limit))
    .fetch_all(db)
    .await?;
    let queue = |row: &AnyRow| Queue {
        chat: ChatId(row.get(0)),
        count: row.get::<i64, _>(1).unsigned_abs(),
        since: Millis(row.get(2)),
        first: row.get(3),
        last: row.get(4),
    };
    Ok(rows.iter().map(queue).collect())
}

/// How much waits by now, and how much failed lately.
///
/// # Errors
/// When the database refuses.
pub async fn backlog(db: &mut Connection, now: Millis) -> Result<Backlog> {
    let row = sqlx::query(
        "SELECT COUNT(CASE WHEN state = 'pending' THEN 1 END), MIN(CASE WHEN state = 'pending' THEN created_at END),
                COUNT(CASE WHEN state = 'failed' THEN 1 END)
         FROM outbox WHERE state = 'pending' OR (state = 'failed' AND done_at >= $1)",
    )
    .bind(now.minus(LATELY).0)
    .fetch_one(db)
    .await?;
    Ok(Backlog {
        waiting: row.get::<i64, _>(0).unsigned_abs(),
        since: row.get::<Option<i64>, _>(1).map(Millis),
        failed: row.get::<i64, _>(2).unsigned_abs(),
    })
}

/// What waits for a chat, oldest first, after this one.
///
/// # Errors
/// When the database refuses.
pub async fn of_chat(
    db: &mut Connection,
    chat: ChatId,
    after: i64,
    limit: u32,
) -> Result<Vec<Message>> {
    let text = sqlx::AssertSqlSafe(format!(
        "SELECT {COLUMNS} FROM outbox WHERE state = 'pending' AND chat_id = $1 AND id > $2 ORDER BY id LIMIT $3"
    ));
    let query = sqlx::query(text).bind(chat.0).bind(after);
    let rows = query.bind(i64::from(limit)).fetch_all(db).await?;
    Ok(rows.iter().filter_map(read).collect())
}

/// What failed since the moment, newest first.
///
/// # Errors
/// When the database refuses.
pub async fn failed(db: &mut Connection, since: Millis, limit: u32) -> Result<Vec<Message>> {
    let text = sqlx::AssertSqlSafe(format!(
        "SELECT {COLUMNS} FROM outbox WHERE state = 'failed' AND done_at >= $1 ORDER BY done_at DESC, id DESC LIMIT $2"
    ));
    let query = sqlx::query(text).bind(since.0).bind(i64::from(limit));
    let rows = query.fetch_all(db).await?;
    Ok(rows.iter().filter_map(read).collect())
}

/// One message.
///
/// # Errors
/// When the database refuses.
pub async fn find(db: &mut Connection, id: i64) -> Result<Option<Message>> {
    let text = sqlx::AssertSqlSafe(format!("SELECT {COLUMNS} FROM outbox WHERE id = $1"));
    let row = sqlx::query(text).bind(id).fetch_optional(db).await?;
    Ok(row.as_ref().and_then(read))
}

/// The newest messages of a job, newest first; those that a newer one replaced are left out.
///
/// # Errors
/// When the database refuses.
pub async fn of_job(db: &mut Connection, job: JobId, limit: u32) -> Result<Vec<Message>> {
    let text = sqlx::AssertSqlSafe(format!(
        "SELECT {COLUMNS} FROM outbox WHERE job_id = $1 AND state <> 'replaced' ORDER BY id DESC LIMIT $2"
    ));
    let query = sqlx::query(text).bind(job.0).bind(i64::from(limit));
    let rows = query.fetch_all(db).await?;
    Ok(rows.iter().filter_map(read).collect())
}

/// Makes a message that failed or was dropped wait again. `false` when it did neither, or when a newer form of it is out.
///
/// # Errors
/// When the database refuses.
pub async fn retry(db: &mut Connection, id: i64) -> Result<bool> {
    let again = sqlx::query(
        "UPDATE outbox SET state = 'pending', attempts = 0, reason = NULL, done_at = NULL
         WHERE id = $1 AND state IN ('failed', 'dropped') AND NOT EXISTS (SELECT 1 FROM outbox n
            WHERE n.slot = outbox.slot AND n.chat_id = outbox.chat_id AND n.id > outbox.id
            AND n.state IN ('pending', 'sent'))",
    )
    .bind(id)
    .execute(db)
    .await?;
    Ok(again.rows_affected() == 1)
}

/// Closes a message that waits or failed: it is not sent. `false` when it does neither.
///
/// # Errors
/// When the database refuses.
pub async fn drop_one(db: &mut Connection, id: i64, by: &str, at: Millis) -> Result<bool> {
    let dropped = sqlx::query(
        "UPDATE outbox SET state = 'dropped', sealed = NULL, reason = $2, done_at = $3
         WHERE id = $1 AND state IN ('pending', 'failed')",
    )
    .bind(id)
    .bind(by)
    .bind(at.0)
    .execute(db)
    .await?;
    Ok(dropped.rows_affected() == 1)
}

/// Closes what waits for a chat, up to this message; returns how many.
///
/// # Errors
/// When the database refuses.
pub async fn drop_all(
    db: &mut Connection,
    chat: ChatId,
    last: i64,
    by: &str,
    at: Millis,
) -> Result<u64> {
    let dropped = sqlx::query(
        "UPDATE outbox SET state = 'dropped', sealed = NULL, reason = $3, done_at = $4
         WHERE chat_id = $1 AND state = 'pending' AND id <= $2",
    )
    .bind(chat.0)
    .bind(last)
    .bind(by)
    .bind(at.0)
    .execute(db)
    .await?;
    Ok(dropped.rows_affected())
}

/// `None` for a state that a newer version wrote.
fn read(row: &AnyRow) -> Option<Message> {
    let delivery = match row.get::<&str, _>("state") {
        "pending" => Delivery::Pending,
        "sent" => Delivery::Sent(row.get::<i64, _>("edited") != 0),
        "failed" => Delivery::Failed,
        "replaced" => Delivery::Replaced,
        "dropped" => Delivery::Dropped,
        _ => return None,
    };
    Some(Message {
        id: row.get("id"),
        chat: ChatId(row.get("chat_id")),
        payload: row.get("payload"),
        delivery,
        attempts: u32::try_from(row.get::<i64, _>("attempts")).unwrap_or(u32::MAX),
        reason: row.get("reason"),
        created_at: Millis(row.get("created_at")),
        done_at: row.get::<Option<i64>, _>("done_at").map(Millis),
        job: row.get::<Option<i64>, _>("job_id").map(JobId),
    })
}
