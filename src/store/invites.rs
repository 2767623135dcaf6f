//! Invitations: one-time links of which only the hash of the code is kept.

use super::members::{Given, role};
use super::{Connection, Result};
use crate::base::ids::UserId;
use crate::base::role::Role;
use crate::base::time::Millis;
use sqlx::Row;
use sqlx::any::AnyRow;

/// An invitation that can still be used, unless its time is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invite {
    /// Its number.
    pub id: i64,
    /// What it makes of whoever uses it.
    pub role: Role,
    /// Who made it.
    pub given: Given,
    /// When it lapses.
    pub expires_at: Millis,
}

const COLUMNS: &str = "SELECT id, role, added_by, added_by_name, added_at, expires_at FROM invites WHERE closed_at IS NULL";

fn read(row: &AnyRow) -> Result<Invite> {
    Ok(Invite {
        id: row.get(0),
        role: role(row.get(1))?,
        given: Given::of(row, 2, 3, 4),
        expires_at: Millis(row.get(5)),
    })
}

/// Keeps an invitation by the hash of its code, and returns its number.
///
/// # Errors
/// When the database refuses.
pub async fn add(
    db: &mut Connection,
    hash: &str,
    role: Role,
    given: &Given,
    expires_at: Millis,
) -> Result<i64> {
    let row = sqlx::query(
        "INSERT INTO invites (hash, role, added_by, added_by_name, added_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6) RETURNING id",
    )
    .bind(hash)
    .bind(role.as_str())
    .bind(given.by.0)
    .bind(&given.by_name)
    .bind(given.at.0)
    .bind(expires_at.0)
    .fetch_one(db)
    .await?;
    Ok(row.get(0))
}

/// The open invitation of this hash.
///
/// # Errors
/// When the database refuses.
pub async fn find(db: &mut Connection, hash: &str) -> Result<Option<Invite>> {
    let row = sqlx::query(sqlx::AssertSqlSafe(format!("{COLUMNS} AND hash = $1")))
        .bind(hash)
        .fetch_optional(db)
        .await?;
    row.as_ref().map(read).transpose()
}

/// The open invitations, newest first.
///
/// # Errors
/// When the database refuses.
pub async fn open(db: &mut Connection, now: Millis) -> Result<Vec<Invite>> {
    let rows = sqlx::query(sqlx::AssertSqlSafe(format!(
        "{COLUMNS} AND expires_at > $1 ORDER BY id DESC"
    )))
    .bind(now.0)
    .fetch_all(db)
    .await?;
    rows.iter().map(read).collect()
}

/// Closes an invitation: used by somebody, or withdrawn. `false` when it was closed before: of two at once, one wins.
///
/// # Errors
/// When the database refuses.
pub async fn close(
    db: &mut Connection,
    id: i64,
    used_by: Option<UserId>,
    at: Millis,
) -> Result<bool> {
    let closed = sqlx::query(
        "UPDATE invites SET closed_at = $3, used_by = $2 WHERE id = $1 AND closed_at IS NULL",
    )
    .bind(id)
    .bind(used_by.map(|user| user.0))
    .bind(at.0)
    .execute(db)
    .await?;
    Ok(closed.rows_affected() == 1)
}

/// Forgets invitations that lapsed before the moment.
///
/// # Errors
/// When the database refuses.
pub async fn prune(db: &mut Connection, before: Millis) -> Result<u64> {
    let gone = sqlx::query("DELETE FROM invites WHERE expires_at < $1")
        .bind(before.0)
        .execute(db)
        .await?;
    Ok(gone.rows_affected())
}
