//! What became of chats: those that cannot be reached, and groups that moved to a new id.

use super::{Connection, Result};
use crate::base::ids::ChatId;
use crate::base::time::Millis;
use sqlx::Row;

/// Notes that the chat cannot be reached, and why; its pending messages are closed as failed.
///
/// # Errors
/// When the database refuses.
pub async fn mark_gone(db: &mut Connection, chat: ChatId, reason: &str, at: Millis) -> Result<()> {
    sqlx::query(
        "INSERT INTO chats (chat_id, state, reason, updated_at) VALUES ($1, 'gone', $2, $3)
         ON CONFLICT (chat_id) DO UPDATE SET state = 'gone', reason = $2, updated_at = $3",
    )
    .bind(chat.0)
    .bind(reason)
    .bind(at.0)
    .execute(&mut *db)
    .await?;
    sqlx::query(
        "UPDATE outbox SET state = 'failed', sealed = NULL, reason = $2, done_at = $3 WHERE chat_id = $1 AND state = 'pending'",
    )
    .bind(chat.0)
    .bind(reason)
    .bind(at.0)
    .execute(db)
    .await?;
    Ok(())
}

/// Notes that the chat can be reached again. `true` when it could not before.
///
/// # Errors
/// When the database refuses.
pub async fn mark_back(db: &mut Connection, chat: ChatId, at: Millis) -> Result<bool> {
    let changed = sqlx::query(
        "UPDATE chats SET state = 'live', reason = NULL, updated_at = $2 WHERE chat_id = $1 AND state = 'gone'",
    )
    .bind(chat.0)
    .bind(at.0)
    .execute(db)
    .await?;
    Ok(changed.rows_affected() == 1)
}

/// The chats that cannot be reached.
///
/// # Errors
/// When the database refuses.
pub async fn gone(db: &mut Connection) -> Result<Vec<ChatId>> {
    let rows = sqlx::query("SELECT chat_id FROM chats WHERE state = 'gone'")
        .fetch_all(db)
        .await?;
    Ok(rows.iter().map(|row| ChatId(row.get(0))).collect())
}

/// Rewrites a migrated group's id wherever one is stored.
///
/// # Errors
/// When the database refuses.
pub async fn migrate(db: &mut Connection, from: ChatId, to: ChatId, at: Millis) -> Result<()> {
    sqlx::query(
        "INSERT INTO chats (chat_id, state, moved_to, updated_at) VALUES ($1, 'moved', $2, $3)
         ON CONFLICT (chat_id) DO UPDATE SET state = 'moved', moved_to = $2, updated_at = $3",
    )
    .bind(from.0)
    .bind(to.0)
    .bind(at.0)
    .execute(&mut *db)
    .await?;
    for rewrite in [
        "UPDATE outbox SET chat_id = $2 WHERE chat_id = $1 AND state = 'pending'",
        // What a job answers stays behind: its number is another message in the new chat.
        "UPDATE jobs SET chat_id = $2, reply_to = NULL WHERE chat_id = $1",
        "UPDATE intents SET chat_id = $2 WHERE chat_id = $1",
        // Their questions stay behind, and somebody may have begun another one in the new chat.
        "UPDATE dialogs SET chat_id = $2, phase = CASE phase WHEN 'open' THEN 'outdated' ELSE phase END
         WHERE chat_id = $1",
    ] {
        sqlx::query(rewrite)
            .bind(from.0)
            .bind(to.0)
            .execute(&mut *db)
            .await?;
    }
    super::subscriptions::migrate(db, from, to).await?;
    // Messages of the old group cannot be edited from the new one: their slots start afresh.
    sqlx::query("DELETE FROM slots WHERE chat_id = $1")
        .bind(from.0)
        .execute(db)
        .await?;
    Ok(())
}

/// Every known move of a group, old id first.
///
/// # Errors
/// When the database refuses.
pub async fn moves(db: &mut Connection) -> Result<Vec<(ChatId, ChatId)>> {
    let rows = sqlx::query("SELECT chat_id, moved_to FROM chats WHERE moved_to IS NOT NULL")
        .fetch_all(db)
        .await?;
    Ok(rows
        .iter()
        .map(|row| (ChatId(row.get(0)), ChatId(row.get(1))))
        .collect())
}
