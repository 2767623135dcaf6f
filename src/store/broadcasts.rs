//! Broadcasts, and how far each has come.

use super::incidents::{columns, place};
use super::{Connection, Result};
use crate::base::ids::{ChatId, Place};
use crate::base::time::Millis;
use sqlx::Row;

/// A broadcast that is on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broadcast {
    /// Its number.
    pub id: i64,
    /// Where its sender is told.
    pub place: Place,
    /// How many it goes to.
    pub total: u64,
    /// The counts that were told last.
    pub told: String,
}

/// How far a broadcast has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Telegram has it.
    pub delivered: u64,
    /// It is on its way.
    pub waiting: u64,
    /// It cannot be delivered.
    pub failed: u64,
    /// Of those that failed, the chats that cannot be reached any more.
    pub removed: u64,
}

/// Keeps a broadcast; `false` when the same source made one before.
///
/// # Errors
/// When the database refuses.
pub async fn add(db: &mut Connection, one: &Broadcast, source: &str, at: Millis) -> Result<bool> {
    let (chat, thread) = columns(one.place);
    let done = sqlx::query(
        "INSERT INTO broadcasts (id, source, chat_id, thread_id, total, told, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (source) DO NOTHING",
    )
    .bind(one.id)
    .bind(source)
    .bind(chat)
    .bind(thread)
    .bind(i64::try_from(one.total).unwrap_or(i64::MAX))
    .bind(&one.told)
    .bind(at.0)
    .execute(db)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// The broadcasts that are on their way.
///
/// # Errors
/// When the database refuses.
pub async fn under_way(db: &mut Connection) -> Result<Vec<Broadcast>> {
    let rows = sqlx::query(
        "SELECT id, chat_id, thread_id, total, told FROM broadcasts WHERE ended_at IS NULL ORDER BY id",
    )
    .fetch_all(db)
    .await?;
    Ok(rows
        .iter()
        .map(|row| Broadcast {
            id: row.get(0),
            place: place(row.get(1), row.get(2)),
            total: row.get::<i64, _>(3).unsigned_abs(),
            told: row.get(4),
        })
        .collect())
}

/// The name of a recipient's message.
#[must_use]
pub fn source(id: i64, chat: ChatId, thread: i64) -> String {
    format!("broadcast:{id}:{chat}:{thread}")
}

/// How far the broadcast has come.
///
/// # Errors
/// When the database refuses.
pub async fn counts(db: &mut Connection, id: i64) -> Result<Counts> {
    let rows = sqlx::query(
        "SELECT o.state, CASE WHEN c.state = 'gone' THEN 1 ELSE 0 END, COUNT(*)
         FROM outbox o LEFT JOIN chats c ON c.chat_id = o.chat_id
         WHERE o.source LIKE $1 GROUP BY 1, 2",
    )
    .bind(format!("broadcast:{id}:%"))
    .fetch_all(db)
    .await?;
    let mut counts = Counts::default();
    for row in &rows {
        let state: String = row.get(0);
        let gone: i64 = row.get(1);
        let many = row.get::<i64, _>(2).unsigned_abs();
        match state.as_str() {
            "sent" => counts.delivered += many,
            "pending" => counts.waiting += many,
            _ if gone == 1 => {
                counts.failed += many;
                counts.removed += many;
            }
            _ => counts.failed += many,
        }
    }
    Ok(counts)
}

/// Notes what was told of it, and whether it is over.
///
/// # Errors
/// When the database refuses.
pub async fn note(db: &mut Connection, id: i64, told: &str, ended: Option<Millis>) -> Result<()> {
    sqlx::query("UPDATE broadcasts SET told = $2, ended_at = $3 WHERE id = $1")
        .bind(id)
        .bind(told)
        .bind(ended.map(|at| at.0))
        .execute(db)
        .await?;
    Ok(())
}

/// Forgets broadcasts that were over before the moment.
///
/// # Errors
/// When the database refuses.
pub async fn prune(db: &mut Connection, before: Millis) -> Result<u64> {
    let gone = sqlx::query("DELETE FROM broadcasts WHERE ended_at < $1")
        .bind(before.0)
        .execute(db)
        .await?;
    Ok(gone.rows_affected())
}
