//! The audit trail: every decision and every change. Rows are added and, by age, removed; never edited.

use super::{Connection, Result};
use crate::base::ids::{ChatId, UserId};
use crate::base::time::Millis;
use sqlx::Row;

/// One line of the trail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When.
    pub at: Millis,
    /// Who.
    pub actor: UserId,
    /// Their name at that time.
    pub actor_name: String,
    /// Where; the private chat's id equals the person's.
    pub chat: ChatId,
    /// By which way in, such as `telegram`.
    pub channel: String,
    /// What was asked, such as `script.run`.
    pub action: String,
    /// What it was about, such as a script's name or `#12`.
    pub target: String,
    /// The arguments, masked.
    pub arguments: String,
    /// `allowed`, `refused` or `done`.
    pub result: String,
    /// Why it was refused, or more about the result.
    pub reason: Option<String>,
    /// The request it belongs to, as in the logs.
    pub request_id: String,
}

impl Entry {
    /// The line of something that was refused, and why.
    pub fn refuse(&mut self, why: &str) {
        "refused".clone_into(&mut self.result);
        self.reason = Some(why.to_owned());
    }
}

/// Adds a line.
///
/// # Errors
/// When the database refuses; what the line is about must not happen then.
pub async fn add(db: &mut Connection, entry: &Entry) -> Result<()> {
    sqlx::query(
        "INSERT INTO audit (at, actor_id, actor_name, chat_id, channel, action, target, arguments, result, reason, request_id)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
    )
    .bind(entry.at.0)
    .bind(entry.actor.0)
    .bind(&entry.actor_name)
    .bind(entry.chat.0)
    .bind(&entry.channel)
    .bind(&entry.action)
    .bind(&entry.target)
    .bind(&entry.arguments)
    .bind(&entry.result)
    .bind(&entry.reason)
    .bind(&entry.request_id)
    .execute(db)
    .await?;
    Ok(())
}

/// The newest lines, newest first.
///
/// # Errors
/// When the database refuses.
pub async fn latest(db: &mut Connection, limit: u32) -> Result<Vec<Entry>> {
    let rows = sqlx::query(
        "SELECT at, actor_id, actor_name, chat_id, channel, action, target, arguments, result, reason, request_id
         FROM audit ORDER BY id DESC LIMIT $1",
    )
    .bind(i64::from(limit))
    .fetch_all(db)
    .await?;
    Ok(rows
        .iter()
        .map(|row| Entry {
            at: Millis(row.get(0)),
            actor: UserId(row.get(1)),
            actor_name: row.get(2),
            chat: ChatId(row.get(3)),
            channel: row.get(4),
            action: row.get(5),
            target: row.get(6),
            arguments: row.get(7),
            result: row.get(8),
            reason: row.get(9),
            request_id: row.get(10),
        })
        .collect())
}

/// Removes lines older than the moment.
///
/// # Errors
/// When the database refuses.
pub async fn prune(db: &mut Connection, before: Millis) -> Result<u64> {
    let gone = sqlx::query("DELETE FROM audit WHERE at < $1")
        .bind(before.0)
        .execute(db)
        .await?;
    Ok(gone.rows_affected())
}
