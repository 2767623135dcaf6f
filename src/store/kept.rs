//! What is known of workflows at GitHub that are kept running: one row for each, whoever keeps it.

use super::{Connection, Result};
use crate::base::time::Millis;

/// What is known of this one, as it was written.
///
/// # Errors
/// When the database refuses.
pub async fn find(db: &mut Connection, target: &str) -> Result<Option<String>> {
    let known = sqlx::query_scalar("SELECT known FROM github_kept WHERE target = $1")
        .bind(target)
        .fetch_optional(db)
        .await?;
    Ok(known)
}

/// Writes what is known, unless somebody else wrote since it was `before`; `false` then.
///
/// # Errors
/// When the database refuses.
pub async fn swap(
    db: &mut Connection,
    target: &str,
    (before, after): (Option<&str>, &str),
    at: Millis,
) -> Result<bool> {
    let text = match before {
        None => {
            "INSERT INTO github_kept (target, known, at) VALUES ($1, $2, $3) ON CONFLICT (target) DO NOTHING"
        }
        Some(_) => "UPDATE github_kept SET known = $2, at = $3 WHERE target = $1 AND known = $4",
    };
    let mut query = sqlx::query(text).bind(target).bind(after).bind(at.0);
    if let Some(before) = before {
        query = query.bind(before);
    }
    Ok(query.execute(db).await?.rows_affected() == 1)
}

/// Forgets what nobody wrote since then.
///
/// # Errors
/// When the database refuses.
pub async fn prune(db: &mut Connection, before: Millis) -> Result<u64> {
    let gone = sqlx::query("DELETE FROM github_kept WHERE at < $1")
        .bind(before.0)
        .execute(db)
        .await?;
    Ok(gone.rows_affected())
}
