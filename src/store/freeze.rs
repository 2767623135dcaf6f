//! Whether everything is frozen: one row, by whom, since when and why.

use super::{Connection, Result};
use crate::base::ids::UserId;
use crate::base::time::Millis;
use sqlx::Row;

/// That nothing new may run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Freeze {
    /// Since when.
    pub since: Millis,
    /// By whom.
    pub by: UserId,
    /// Their name.
    pub name: String,
    /// Why, as they wrote it.
    pub reason: Option<String>,
}

/// The freeze in force, if there is one.
///
/// # Errors
/// When the database refuses.
pub async fn current(db: &mut Connection) -> Result<Option<Freeze>> {
    let row = sqlx::query("SELECT since, by_id, by_name, reason FROM frozen")
        .fetch_optional(db)
        .await?;
    Ok(row.map(|row| Freeze {
        since: Millis(row.get(0)),
        by: UserId(row.get(1)),
        name: row.get(2),
        reason: row.get(3),
    }))
}

/// Whether everything is frozen.
///
/// # Errors
/// When the database refuses.
pub async fn is_frozen(db: &mut Connection) -> Result<bool> {
    Ok(current(db).await?.is_some())
}

/// Freezes everything; `false` when it was frozen before, and then nothing changes.
///
/// # Errors
/// When the database refuses.
pub async fn begin(db: &mut Connection, freeze: &Freeze) -> Result<bool> {
    let added = sqlx::query(
        "INSERT INTO frozen (id, since, by_id, by_name, reason) VALUES (1, $1, $2, $3, $4)
         ON CONFLICT (id) DO NOTHING",
    )
    .bind(freeze.since.0)
    .bind(freeze.by.0)
    .bind(&freeze.name)
    .bind(&freeze.reason)
    .execute(db)
    .await?;
    Ok(added.rows_affected() == 1)
}

/// Ends the freeze; `false` when there was none.
///
/// # Errors
/// When the database refuses.
pub async fn end(db: &mut Connection) -> Result<bool> {
    let gone = sqlx::query("DELETE FROM frozen").execute(db).await?;
    Ok(gone.rows_affected() > 0)
}
