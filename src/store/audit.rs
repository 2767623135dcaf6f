//! The audit trail: every decision and every change. Rows are added and, by age, removed; never edited.

use super::{Connection, Result};
use crate::base::ids::{ChatId, UserId};
use crate::base::time::Millis;
use serde::Serialize;
use sqlx::Row;
use sqlx::any::AnyRow;

/// One line of the trail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
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

/// Which lines are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// By this person.
    pub actor: Option<UserId>,
    /// Of this action, or of an area such as `script`.
    pub action: Option<String>,
    /// Refused only.
    pub refused: bool,
}

/// Where a page begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// At the newest line.
    Newest,
    /// At the next older line than the one of this number.
    Before(i64),
    /// At the next newer line than the one of this number, towards the newest.
    After(i64),
}

const COLUMNS: &str = "SELECT id, at, actor_id, actor_name, chat_id, channel, action, target, arguments, result, reason, request_id FROM audit";

fn read(row: &AnyRow) -> (i64, Entry) {
    let entry = Entry {
        at: Millis(row.get(1)),
        actor: UserId(row.get(2)),
        actor_name: row.get(3),
        chat: ChatId(row.get(4)),
        channel: row.get(5),
        action: row.get(6),
        target: row.get(7),
        arguments: row.get(8),
        result: row.get(9),
        reason: row.get(10),
        request_id: row.get(11),
    };
    (row.get(0), entry)
}

/// The newest lines, newest first.
///
/// # Errors
/// When the database refuses.
pub async fn latest(db: &mut Connection, limit: u32) -> Result<Vec<Entry>> {
    let page = page(db, &Filter::default(), From::Newest, limit).await?;
    Ok(page.into_iter().map(|(_, entry)| entry).collect())
}

/// A page of the lines wanted, with their numbers, newest first.
///
/// # Errors
/// When the database refuses.
pub async fn page(
    db: &mut Connection,
    filter: &Filter,
    from: From,
    limit: u32,
) -> Result<Vec<(i64, Entry)>> {
    let (low, high, order) = match from {
        From::Newest => (0, i64::MAX, "DESC"),
        From::Before(id) => (0, id, "DESC"),
        From::After(id) => (id, i64::MAX, "ASC"),
    };
    // Only what is asked for stands in the query, so that each filter has its index.
    let mut query = format!("{COLUMNS} WHERE id > $1 AND id < $2");
    if filter.actor.is_some() {
        query.push_str(" AND actor_id = $4");
    }
    if filter.action.is_some() {
        query.push_str(" AND (action = $5 OR action LIKE $6)");
    }
    if filter.refused {
        query.push_str(" AND result = 'refused'");
    }
    // PostgreSQL must be told the type of a parameter that the query does not use otherwise.
    query.push_str(" AND (CAST($4 AS BIGINT) IS NULL OR 1 = 1) AND (CAST($5 AS TEXT) IS NULL OR 1 = 1) AND (CAST($6 AS TEXT) IS NULL OR 1 = 1)");
    query.push_str(&format!(" ORDER BY id {order} LIMIT $3"));
    let area = filter.action.as_ref().map(|action| format!("{action}.%"));
    let rows = sqlx::query(sqlx::AssertSqlSafe(query))
        .bind(low)
        .bind(high)
        .bind(i64::from(limit))
        .bind(filter.actor.map(|actor| actor.0))
        .bind(&filter.action)
        .bind(area)
        .fetch_all(db)
        .await?;
    let mut lines: Vec<_> = rows.iter().map(read).collect();
    if let From::After(_) = from {
        lines.reverse();
    }
    Ok(lines)
}

/// Lines between two moments after the line of a number, oldest first: for going through many of them bit by bit.
///
/// # Errors
/// When the database refuses.
pub async fn between(
    db: &mut Connection,
    (since, until): (Millis, Millis),
    after: i64,
    limit: u32,
) -> Result<Vec<(i64, Entry)>> {
    let rows = sqlx::query(sqlx::AssertSqlSafe(format!(
        "{COLUMNS} WHERE id > $1 AND at >= $2 AND at < $3 ORDER BY id LIMIT $4"
    )))
    .bind(after)
    .bind(since.0)
    .bind(until.0)
    .bind(i64::from(limit))
    .fetch_all(db)
    .await?;
    Ok(rows.iter().map(read).collect())
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
