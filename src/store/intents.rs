//! What a button stands for, kept here so that only a short random id travels in the button.

use super::{Connection, Result};
use crate::base::ids::{ChatId, UserId};
use crate::base::time::Millis;
use sqlx::Row;

/// Something a person was asked to confirm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intent {
    /// Random, unguessable, fits a button.
    pub id: String,
    /// What to do, as JSON.
    pub payload: String,
    /// The chat it was asked in.
    pub chat: ChatId,
    /// The only person who may confirm it.
    pub asker: UserId,
    /// When it lapses.
    pub expires_at: Millis,
}

/// Where an intent stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// Not used yet.
    Open(Intent),
    /// Already confirmed or dropped.
    Used(Intent),
}

/// Keeps an intent.
///
/// # Errors
/// When the database refuses.
pub async fn add(db: &mut Connection, intent: &Intent, at: Millis) -> Result<()> {
    sqlx::query(
        "INSERT INTO intents (id, payload, chat_id, asker_id, created_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(&intent.id)
    .bind(&intent.payload)
    .bind(intent.chat.0)
    .bind(intent.asker.0)
    .bind(at.0)
    .bind(intent.expires_at.0)
    .execute(db)
    .await?;
    Ok(())
}

/// Looks an intent up.
///
/// # Errors
/// When the database refuses.
pub async fn find(db: &mut Connection, id: &str) -> Result<Option<Found>> {
    let row = sqlx::query(
        "SELECT id, payload, chat_id, asker_id, expires_at, COALESCE(used_at, 0) FROM intents WHERE id = $1",
    )
    .bind(id)
    .fetch_optional(db)
    .await?;
    Ok(row.map(|row| {
        let intent = Intent {
            id: row.get(0),
            payload: row.get(1),
            chat: ChatId(row.get(2)),
            asker: UserId(row.get(3)),
            expires_at: Millis(row.get(4)),
        };
        match row.get::<i64, _>(5) {
            0 => Found::Open(intent),
            _ => Found::Used(intent),
        }
    }))
}

/// What a person was asked in this chat and may answer yet, newest first.
///
/// # Errors
/// When the database refuses.
pub async fn open_of(
    db: &mut Connection,
    chat: ChatId,
    asker: UserId,
    now: Millis,
) -> Result<Vec<String>> {
    let rows = sqlx::query(
        "SELECT payload FROM intents WHERE chat_id = $1 AND asker_id = $2 AND used_at IS NULL AND expires_at > $3
         ORDER BY expires_at DESC",
    )
    .bind(chat.0)
    .bind(asker.0)
    .bind(now.0)
    .fetch_all(db)
    .await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// Uses an intent up. `false` when somebody did before: of two presses one wins.
///
/// # Errors
/// When the database refuses.
pub async fn take(db: &mut Connection, id: &str, at: Millis) -> Result<bool> {
    let taken = sqlx::query("UPDATE intents SET used_at = $2 WHERE id = $1 AND used_at IS NULL")
        .bind(id)
        .bind(at.0)
        .execute(db)
        .await?;
    Ok(taken.rows_affected() == 1)
}

/// Replaces what an intent says.
///
/// # Errors
/// When the database refuses.
pub async fn rewrite(db: &mut Connection, id: &str, payload: &str) -> Result<()> {
    sqlx::query("UPDATE intents SET payload = $2 WHERE id = $1")
        .bind(id)
        .bind(payload)
        .execute(db)
        .await?;
    Ok(())
}

/// Forgets intents that lapsed before the moment.
///
/// # Errors
/// When the database refuses.
pub async fn prune(db: &mut Connection, before: Millis) -> Result<u64> {
    let gone = sqlx::query("DELETE FROM intents WHERE expires_at < $1")
        .bind(before.0)
        .execute(db)
        .await?;
    Ok(gone.rows_affected())
}
