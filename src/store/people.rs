//! Persons whom the bot has seen, and how often strangers wrote.

use super::{Connection, Result};
use crate::base::ids::{ChatId, UserId};
use crate::base::time::Millis;
use sqlx::Row;
use sqlx::any::AnyRow;

/// A person who was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Who.
    pub id: UserId,
    /// Their first name, as they write it themselves.
    pub name: String,
    /// Their username in lower case, without `@`.
    pub username: Option<String>,
    /// Whether they wrote to the bot in private, so that it may write to them.
    pub private: bool,
    /// When they wrote or pressed last.
    pub at: Millis,
}

/// A stranger's messages within an hour, beyond the first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Knocks {
    /// Who.
    pub id: UserId,
    /// Their name.
    pub name: String,
    /// Where they wrote last.
    pub chat: ChatId,
    /// The hour, counted since 1970.
    pub hour: i64,
    /// How many.
    pub count: i64,
}

const COLUMNS: &str = "SELECT user_id, name, username, private, seen_at FROM people";

fn read(row: &AnyRow) -> Seen {
    Seen {
        id: UserId(row.get(0)),
        name: row.get(1),
        username: row.get(2),
        private: row.get::<i64, _>(3) == 1,
        at: Millis(row.get(4)),
    }
}

/// Notes that a person was seen. A username belongs to whoever had it last.
///
/// # Errors
/// When the database refuses.
pub async fn note(db: &mut Connection, seen: &Seen) -> Result<()> {
    if let Some(username) = &seen.username {
        sqlx::query("UPDATE people SET username = NULL WHERE username = $1 AND user_id <> $2")
            .bind(username)
            .bind(seen.id.0)
            .execute(&mut *db)
            .await?;
    }
    sqlx::query(
        "INSERT INTO people (user_id, name, username, private, seen_at) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (user_id) DO UPDATE SET name = $2, username = $3,
             private = CASE WHEN $4 = 1 THEN 1 ELSE people.private END, seen_at = $5",
    )
    .bind(seen.id.0)
    .bind(&seen.name)
    .bind(&seen.username)
    .bind(i64::from(seen.private))
    .bind(seen.at.0)
    .execute(db)
    .await?;
    Ok(())
}

/// The person of this id.
///
/// # Errors
/// When the database refuses.
pub async fn find(db: &mut Connection, id: UserId) -> Result<Option<Seen>> {
    let row = sqlx::query(sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE user_id = $1")))
        .bind(id.0)
        .fetch_optional(db)
        .await?;
    Ok(row.as_ref().map(read))
}

/// The person of this username, given in lower case and without `@`.
///
/// # Errors
/// When the database refuses.
pub async fn named(db: &mut Connection, username: &str) -> Result<Option<Seen>> {
    let row = sqlx::query(sqlx::AssertSqlSafe(format!(
        "{COLUMNS} WHERE username = $1"
    )))
    .bind(username)
    .fetch_optional(db)
    .await?;
    Ok(row.as_ref().map(read))
}

/// The persons seen, those seen last first.
///
/// # Errors
/// When the database refuses.
pub async fn latest(db: &mut Connection, limit: u32) -> Result<Vec<Seen>> {
    let rows = sqlx::query(sqlx::AssertSqlSafe(format!(
        "{COLUMNS} ORDER BY seen_at DESC, user_id LIMIT $1"
    )))
    .bind(i64::from(limit))
    .fetch_all(db)
    .await?;
    Ok(rows.iter().map(read).collect())
}

/// No notices are wanted of this person any more, or they are again.
///
/// # Errors
/// When the database refuses.
pub async fn ignore(db: &mut Connection, id: UserId, ignored: bool) -> Result<()> {
    sqlx::query("UPDATE people SET ignored = $2 WHERE user_id = $1")
        .bind(id.0)
        .bind(i64::from(ignored))
        .execute(db)
        .await?;
    Ok(())
}

/// Whether no notices are wanted of this person.
///
/// # Errors
/// When the database refuses.
pub async fn is_ignored(db: &mut Connection, id: UserId) -> Result<bool> {
    let row = sqlx::query("SELECT ignored FROM people WHERE user_id = $1")
        .bind(id.0)
        .fetch_optional(db)
        .await?;
    Ok(row.is_some_and(|row| row.get::<i64, _>(0) == 1))
}

/// Forgets persons without a role who were not seen since the moment, and all of those but the newest so many.
///
/// # Errors
/// When the database refuses.
pub async fn prune(db: &mut Connection, before: Millis, keep: u32) -> Result<u64> {
    let gone = sqlx::query(
        "DELETE FROM people WHERE user_id NOT IN (SELECT user_id FROM members) AND (seen_at < $1
         OR seen_at < COALESCE((SELECT seen_at FROM people ORDER BY seen_at DESC LIMIT 1 OFFSET $2), 0))",
    )
    .bind(before.0)
    .bind(i64::from(keep))
    .execute(db)
    .await?;
    Ok(gone.rows_affected())
}

/// Adds to a stranger's count of the hour.
///
/// # Errors
/// When the database refuses.
pub async fn add_knocks(db: &mut Connection, knocks: &Knocks) -> Result<()> {
    sqlx::query(
        "INSERT INTO knocks (user_id, hour, name, chat_id, knocks) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (user_id, hour) DO UPDATE SET name = $3, chat_id = $4, knocks = knocks.knocks + $5",
    )
    .bind(knocks.id.0)
    .bind(knocks.hour)
    .bind(&knocks.name)
    .bind(knocks.chat.0)
    .bind(knocks.count)
    .execute(db)
    .await?;
    Ok(())
}

/// Takes out the counts of hours before this one.
///
/// # Errors
/// When the database refuses.
pub async fn take_knocks(db: &mut Connection, before: i64) -> Result<Vec<Knocks>> {
    let rows = sqlx::query(
        "DELETE FROM knocks WHERE hour < $1 RETURNING user_id, hour, name, chat_id, knocks",
    )
    .bind(before)
    .fetch_all(db)
    .await?;
    Ok(rows
        .iter()
        .map(|row| Knocks {
            id: UserId(row.get(0)),
            hour: row.get(1),
            name: row.get(2),
            chat: ChatId(row.get(3)),
            count: row.get(4),
        })
        .collect())
}
