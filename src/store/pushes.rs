//! What came by push: of each check that waits for some, one row.

use super::{Connection, Error, Result};
use crate::base::time::Millis;
use sqlx::Row as _;
use std::collections::BTreeSet;
use std::time::Duration;

/// What a push says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Push {
    /// The job began.
    Began,
    /// It succeeded.
    Succeeded,
    /// It failed; why, in a line of plain text, which may be empty.
    Failed(String),
}

/// What came for a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// When it succeeded last.
    pub succeeded: Option<Millis>,
    /// That it failed, when it did so after it succeeded last: when, and why.
    pub failed: Option<(Millis, String)>,
    /// When it began, while it goes on.
    pub began: Option<Millis>,
    /// How long it took last, when its beginning was told.
    pub took: Option<Duration>,
}

/// Writes down what came for the check of this name.
///
/// Success and failure take each other's place by the order in which they are written, whatever the clocks say.
///
/// # Errors
/// When the database refuses.
pub async fn put(db: &mut Connection, name: &str, push: &Push, at: Millis) -> Result<()> {
    const ENDED: &str =
        "began_at = NULL, took = CASE WHEN pushes.began_at <= $2 THEN $2 - pushes.began_at END";
    let (columns, values, change) = match push {
        Push::Began => ("began_at", "$2", "began_at = $2".to_owned()),
        Push::Succeeded => (
            "succeeded_at",
            "$2",
            format!("succeeded_at = $2, failed_at = NULL, failure = NULL, {ENDED}"),
        ),
        Push::Failed(_) => (
            "failed_at, failure",
            "$2, $3",
            format!("failed_at = $2, failure = $3, {ENDED}"),
        ),
    };
    let text = format!(
        "INSERT INTO pushes (name, number, pushed_at, {columns}) VALUES ($1, 1, $2, {values})
         ON CONFLICT (name) DO UPDATE SET number = pushes.number + 1, pushed_at = $2, {change}"
    );
    let query = sqlx::query(sqlx::AssertSqlSafe(text)).bind(name).bind(at.0);
    let query = match push {
        Push::Began | Push::Succeeded => query,
        Push::Failed(why) => query.bind(why),
    };
    query.execute(db).await?;
    Ok(())
}

/// What came for the check of this name; `None` when nothing did.
///
/// # Errors
/// When the database refuses.
pub async fn of(db: &mut Connection, name: &str) -> Result<Option<Row>> {
    let row = sqlx::query(
        "SELECT succeeded_at, failed_at, failure, began_at, took FROM pushes WHERE name = $1",
    )
    .bind(name)
    .fetch_optional(db)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let moment = |column: usize| row.try_get::<Option<i64>, _>(column);
    let why = row.try_get::<Option<String>, _>(2)?.unwrap_or_default();
    let took = moment(4)?.map(|took| Duration::from_millis(took.unsigned_abs()));
    Ok(Some(Row {
        succeeded: moment(0)?.map(Millis),
        failed: moment(1)?.map(|at| (Millis(at), why)),
        began: moment(3)?.map(Millis),
        took,
    }))
}

/// How many pushes came for each check, by its name.
///
/// # Errors
/// When the database refuses.
pub async fn numbers(db: &mut Connection) -> Result<Vec<(String, i64)>> {
    let rows = sqlx::query("SELECT name, number FROM pushes ORDER BY name")
        .fetch_all(db)
        .await?;
    rows.iter()
        .map(|row| Ok((row.try_get(0)?, row.try_get(1)?)))
        .collect::<std::result::Result<_, sqlx::Error>>()
        .map_err(Error::from)
}

/// Forgets what came for other checks than these, unless something came since `before`: another instance may have read a
/// newer configuration. Returns how many checks were forgotten.
///
/// # Errors
/// When the database refuses.
pub async fn prune(db: &mut Connection, kept: &BTreeSet<&str>, before: Millis) -> Result<u64> {
    let mut forgotten = 0;
    for (name, _) in numbers(db).await? {
        if kept.contains(name.as_str()) {
            continue;
        }
        let gone = sqlx::query("DELETE FROM pushes WHERE name = $1 AND pushed_at < $2")
            .bind(name)
            .bind(before.0)
            .execute(&mut *db)
            .await?;
        forgotten += gone.rows_affected();
    }
    Ok(forgotten)
}
