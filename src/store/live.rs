//! Live forms of cards whose jobs run at an instance that does not send: newest only, worth nothing once the job ended.

use super::{Connection, Result};
use crate::base::ids::ChatId;
use crate::base::time::Millis;
use sqlx::Row;

/// Only what the instance writes that runs the job counts, and only while it runs.
const RUNS: &str = "EXISTS (SELECT 1 FROM jobs WHERE l.slot = 'job:' || CAST(jobs.id AS TEXT)
     AND jobs.state = 'running' AND jobs.claimed_by = l.instance)";

/// Puts the newest form of a card.
///
/// # Errors
/// When the database refuses.
pub async fn put(
    db: &mut Connection,
    slot: &str,
    instance: &str,
    chat: ChatId,
    payload: &str,
    at: Millis,
) -> Result<()> {
    sqlx::query(
        "INSERT INTO live (slot, instance, chat_id, payload, updated_at) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (slot) DO UPDATE SET instance = $2, chat_id = $3, payload = $4, updated_at = $5",
    )
    .bind(slot)
    .bind(instance)
    .bind(chat.0)
    .bind(payload)
    .bind(at.0)
    .execute(db)
    .await?;
    Ok(())
}

/// The cards that another instance than this one shows, with the moment of their newest form by that one's clock.
///
/// # Errors
/// When the database refuses.
pub async fn of_others(db: &mut Connection, own: &str) -> Result<Vec<(String, ChatId, Millis)>> {
    let text =
        format!("SELECT slot, chat_id, updated_at FROM live l WHERE instance <> $1 AND {RUNS}");
    let rows = sqlx::query(sqlx::AssertSqlSafe(text))
        .bind(own)
        .fetch_all(db)
        .await?;
    Ok(rows
        .iter()
        .map(|row| (row.get(0), ChatId(row.get(1)), Millis(row.get(2))))
        .collect())
}

/// The newest form of a card, as JSON; `None` when its job runs no more.
///
/// # Errors
/// When the database refuses.
pub async fn newest(db: &mut Connection, slot: &str) -> Result<Option<String>> {
    let text = format!("SELECT payload FROM live l WHERE slot = $1 AND {RUNS}");
    let row = sqlx::query(sqlx::AssertSqlSafe(text))
        .bind(slot)
        .fetch_optional(db)
        .await?;
    Ok(row.map(|row| row.get(0)))
}

/// Forgets the forms of cards whose jobs run no more.
///
/// # Errors
/// When the database refuses.
pub async fn prune(db: &mut Connection) -> Result<()> {
    let text = format!("DELETE FROM live AS l WHERE NOT {RUNS}");
    sqlx::query(sqlx::AssertSqlSafe(text)).execute(db).await?;
    Ok(())
}
