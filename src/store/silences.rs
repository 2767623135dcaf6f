//! Silences: what is not told for a time, and why.

use super::{Connection, Error, Result};
use crate::base::ids::UserId;
use crate::base::time::Millis;
use sqlx::Row;
use sqlx::any::AnyRow;

/// What a silence is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum About {
    /// Everything.
    All,
    /// Checks whose name is like this; `*` stands for anything.
    Check(String),
    /// A topic.
    Topic(String),
}

/// A silence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Silence {
    /// Its number.
    pub id: i64,
    /// What it is about.
    pub about: About,
    /// On this machine only.
    pub host: Option<String>,
    /// When it ends.
    pub until: Millis,
    /// Why.
    pub reason: Option<String>,
    /// Who made it.
    pub by: (UserId, String),
}

fn read(row: &AnyRow) -> Result<Silence> {
    let kind: String = row.get(1);
    let pattern: String = row.get(2);
    Ok(Silence {
        id: row.get(0),
        about: match kind.as_str() {
            "all" => About::All,
            "check" => About::Check(pattern),
            "topic" => About::Topic(pattern),
            other => return Err(Error::Corrupt(format!("a silence about “{other}”"))),
        },
        host: row.get(3),
        until: Millis(row.get(4)),
        reason: row.get(5),
        by: (UserId(row.get(6)), row.get(7)),
    })
}

/// Keeps a silence, new or changed.
///
/// # Errors
/// When the database refuses.
pub async fn put(db: &mut Connection, one: &Silence, at: Millis) -> Result<()> {
    let (kind, pattern) = match &one.about {
        About::All => ("all", ""),
        About::Check(name) => ("check", name.as_str()),
        About::Topic(name) => ("topic", name.as_str()),
    };
    sqlx::query(
        "INSERT INTO silences (id, kind, pattern, host, until_at, reason, by_id, by_name, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         ON CONFLICT (id) DO UPDATE SET until_at = $5, reason = $6, by_id = $7, by_name = $8",
    )
    .bind(one.id)
    .bind(kind)
    .bind(pattern)
    .bind(&one.host)
    .bind(one.until.0)
    .bind(&one.reason)
    .bind(one.by.0.0)
    .bind(&one.by.1)
    .bind(at.0)
    .execute(db)
    .await?;
    Ok(())
}

/// The silences that last beyond the moment, the next to end first.
///
/// # Errors
/// When the database refuses.
pub async fn lasting(db: &mut Connection, now: Millis) -> Result<Vec<Silence>> {
    let rows = sqlx::query(
        "SELECT id, kind, pattern, host, until_at, reason, by_id, by_name FROM silences
         WHERE until_at > $1 ORDER BY until_at, id",
    )
    .bind(now.0)
    .fetch_all(db)
    .await?;
    rows.iter().map(read).collect()
}

/// Ends a silence now. `false` when it had ended.
///
/// # Errors
/// When the database refuses.
pub async fn end(db: &mut Connection, id: i64, now: Millis) -> Result<bool> {
    let ended = sqlx::query("UPDATE silences SET until_at = $2 WHERE id = $1 AND until_at > $2")
        .bind(id)
        .bind(now.0)
        .execute(db)
        .await?;
    Ok(ended.rows_affected() == 1)
}

/// Forgets silences that ended before the moment.
///
/// # Errors
/// When the database refuses.
pub async fn prune(db: &mut Connection, before: Millis) -> Result<u64> {
    let gone = sqlx::query("DELETE FROM silences WHERE until_at < $1")
        .bind(before.0)
        .execute(db)
        .await?;
    Ok(gone.rows_affected())
}
