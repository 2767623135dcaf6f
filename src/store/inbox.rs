//! Updates as Telegram sent them: stored before they are confirmed, marked once handled.

use super::{Connection, Result};
use crate::base::ids::UpdateId;
use crate::base::time::Millis;
use sqlx::Row;

/// Stores an update. `false` when this id was already taken in: then nothing changes.
///
/// # Errors
/// When the database refuses; the update must not be confirmed then.
pub async fn add(
    db: &mut Connection,
    id: UpdateId,
    payload: &str,
    received_at: Millis,
) -> Result<bool> {
    let added = sqlx::query(
        "INSERT INTO inbox (update_id, payload, received_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
    )
    .bind(id.0)
    .bind(payload)
    .bind(received_at.0)
    .execute(db)
    .await?;
    Ok(added.rows_affected() == 1)
}

/// Marks an update as handled: it is not taken up again after a restart.
///
/// # Errors
/// When the database refuses.
pub async fn mark_handled(db: &mut Connection, id: UpdateId, at: Millis) -> Result<()> {
    sqlx::query("UPDATE inbox SET handled_at = $2 WHERE update_id = $1 AND handled_at IS NULL")
        .bind(id.0)
        .bind(at.0)
        .execute(db)
        .await?;
    Ok(())
}

/// Whether an update is handled. A transaction whose connection was lost, and that may still be committed, is waited for.
///
/// # Errors
/// When the database refuses.
pub async fn is_handled(db: &mut Connection, id: UpdateId) -> Result<bool> {
    // It changes nothing, but takes the row's lock, which a mere look would not wait for.
    let row = sqlx::query(
        "UPDATE inbox SET handled_at = handled_at WHERE update_id = $1 RETURNING handled_at",
    )
    .bind(id.0)
    .fetch_optional(db)
    .await?;
    Ok(row.is_some_and(|row| row.get::<Option<i64>, _>(0).is_some()))
}

/// The updates that were stored and not handled, oldest first, with their JSON.
///
/// # Errors
/// When the database refuses.
pub async fn unhandled(db: &mut Connection) -> Result<Vec<(UpdateId, String)>> {
    let rows = sqlx::query(
        "SELECT update_id, payload FROM inbox WHERE handled_at IS NULL ORDER BY received_at, update_id",
    )
    .fetch_all(db)
    .await?;
    Ok(rows
        .iter()
        .map(|row| (UpdateId(row.get(0)), row.get(1)))
        .collect())
}

/// Forgets handled updates older than `before`; Telegram itself keeps none longer than 24 hours.
///
/// # Errors
/// When the database refuses.
pub async fn prune(db: &mut Connection, before: Millis) -> Result<u64> {
    let gone = sqlx::query("DELETE FROM inbox WHERE handled_at < $1")
        .bind(before.0)
        .execute(db)
        .await?;
    Ok(gone.rows_affected())
}
