//! Where checks stand, by the machine that looks; and what the product's own checks read.

use super::{Connection, Error, Result};
use crate::base::time::Millis;
use sqlx::Row as _;

/// A check as it stood when it was written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The machine that looks.
    pub host: String,
    /// The check.
    pub name: String,
    /// What subscribers choose by.
    pub topic: String,
    /// The form of the state.
    pub version: i64,
    /// The state, as JSON.
    pub state: String,
    /// What its probe remembers from look to look, as JSON.
    pub memory: String,
    /// What was read last, or why it could not be read, as JSON.
    pub reading: String,
    /// When what is wrong began; `None` when all is well.
    pub since: Option<Millis>,
    /// When the next look is due.
    pub due: Millis,
}

const COLUMNS: &str = "host, name, topic, version, state, memory, reading, since_at, due_at";

/// All checks, those of other machines included, by machine and name.
///
/// # Errors
/// When the database refuses.
pub async fn all(db: &mut Connection) -> Result<Vec<Row>> {
    let text = format!("SELECT {COLUMNS} FROM checks ORDER BY host, name");
    let rows = sqlx::query(sqlx::AssertSqlSafe(text)).fetch_all(db).await?;
    rows.iter()
        .map(|row| {
            Ok(Row {
                host: row.try_get(0)?,
                name: row.try_get(1)?,
                topic: row.try_get(2)?,
                version: row.try_get(3)?,
                state: row.try_get(4)?,
                memory: row.try_get(5)?,
                reading: row.try_get(6)?,
                since: row.try_get::<Option<i64>, _>(7)?.map(Millis),
                due: Millis(row.try_get(8)?),
            })
        })
        .collect::<std::result::Result<_, sqlx::Error>>()
        .map_err(Error::from)
}

/// Writes down where a check stands.
///
/// # Errors
/// When the database refuses.
pub async fn put(db: &mut Connection, row: &Row, at: Millis) -> Result<()> {
    sqlx::query(
        "INSERT INTO checks (host, name, topic, version, state, memory, reading, since_at, due_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
         ON CONFLICT (host, name) DO UPDATE SET topic = $3, version = $4, state = $5, memory = $6, reading = $7,
             since_at = $8, due_at = $9, updated_at = $10",
    )
    .bind(&row.host)
    .bind(&row.name)
    .bind(&row.topic)
    .bind(row.version)
    .bind(&row.state)
    .bind(&row.memory)
    .bind(&row.reading)
    .bind(row.since.map(|at| at.0))
    .bind(row.due.0)
    .bind(at.0)
    .execute(db)
    .await?;
    Ok(())
}

/// Forgets a check.
///
/// # Errors
/// When the database refuses.
pub async fn remove(db: &mut Connection, host: &str, name: &str) -> Result<()> {
    sqlx::query("DELETE FROM checks WHERE host = $1 AND name = $2")
        .bind(host)
        .bind(name)
        .execute(db)
        .await?;
    Ok(())
}

/// When a job of this title last succeeded; `None` when none is kept that did.
///
/// # Errors
/// When the database refuses.
pub async fn last_success(db: &mut Connection, title: &str) -> Result<Option<Millis>> {
    let row =
        sqlx::query("SELECT MAX(finished_at) FROM jobs WHERE title = $1 AND state = 'succeeded' AND source NOT LIKE 'undo:%'")
            .bind(title)
            .fetch_one(db)
            .await?;
    Ok(row.get::<Option<i64>, _>(0).map(Millis))
}

/// How many jobs were lost since this moment.
///
/// # Errors
/// When the database refuses.
pub async fn lost_since(db: &mut Connection, since: Millis) -> Result<u64> {
    let row = sqlx::query("SELECT COUNT(*) FROM jobs WHERE state = 'lost' AND finished_at >= $1")
        .bind(since.0)
        .fetch_one(db)
        .await?;
    Ok(row.get::<i64, _>(0).unsigned_abs())
}

/// How many messages could not be delivered since this moment, and to how many chats; those that can be reached again since
/// do not count.
///
/// # Errors
/// When the database refuses.
pub async fn undelivered_since(db: &mut Connection, since: Millis) -> Result<(u64, u64)> {
    let row = sqlx::query(
        "SELECT COUNT(*), COUNT(DISTINCT chat_id) FROM outbox WHERE state = 'failed' AND done_at >= $1
            AND NOT EXISTS (SELECT 1 FROM chats WHERE chats.chat_id = outbox.chat_id AND chats.state = 'live'
                AND chats.updated_at >= outbox.done_at)",
    )
    .bind(since.0)
    .fetch_one(db)
    .await?;
    Ok((
        row.get::<i64, _>(0).unsigned_abs(),
        row.get::<i64, _>(1).unsigned_abs(),
    ))
}
