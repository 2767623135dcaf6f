//! Groups and topics: the most that anyone may do in them, and those that the bot is in or was asked in.

use super::members::{Given, role};
use super::{Connection, Result};
use crate::base::ids::{ChatId, Place, ThreadId};
use crate::base::role::Role;
use crate::base::time::Millis;
use sqlx::Row;

/// The most that anyone may do in a group, or in a topic of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ceiling {
    /// The group, or the topic.
    pub place: Place,
    /// The role.
    pub role: Role,
    /// Who set it.
    pub given: Given,
}

/// A group or topic that was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Which.
    pub place: Place,
    /// Its title; empty when it is not known.
    pub title: String,
    /// Whether the bot is in it.
    pub present: bool,
    /// When something came from there last.
    pub at: Millis,
}

fn place(chat: i64, thread: i64) -> Place {
    Place {
        chat: ChatId(chat),
        thread: i32::try_from(thread)
            .ok()
            .filter(|id| *id != 0)
            .map(ThreadId),
    }
}

fn thread(place: Place) -> i64 {
    place.thread.map_or(0, |thread| i64::from(thread.0))
}

/// All ceilings.
///
/// # Errors
/// When the database refuses or holds an unknown role.
pub async fn all(db: &mut Connection) -> Result<Vec<Ceiling>> {
    let rows = sqlx::query(
        "SELECT chat_id, thread_id, role, added_by, added_by_name, added_at FROM ceilings
         ORDER BY chat_id, thread_id",
    )
    .fetch_all(db)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(Ceiling {
                place: place(row.get(0), row.get(1)),
                role: role(row.get(2))?,
                given: Given::of(row, 3, 4, 5),
            })
        })
        .collect()
}

/// Sets a ceiling.
///
/// # Errors
/// When the database refuses.
pub async fn put(db: &mut Connection, new: &Ceiling) -> Result<()> {
    sqlx::query(
        "INSERT INTO ceilings (chat_id, thread_id, role, added_by, added_by_name, added_at)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (chat_id, thread_id) DO UPDATE SET role = $3, added_by = $4, added_by_name = $5, added_at = $6",
    )
    .bind(new.place.chat.0)
    .bind(thread(new.place))
    .bind(new.role.as_str())
    .bind(new.given.by.0)
    .bind(&new.given.by_name)
    .bind(new.given.at.0)
    .execute(db)
    .await?;
    Ok(())
}

/// Removes the ceiling of a topic, or of a group with all its topics.
///
/// # Errors
/// When the database refuses.
pub async fn remove(db: &mut Connection, place: Place) -> Result<()> {
    sqlx::query("DELETE FROM ceilings WHERE chat_id = $1 AND ($2 = 0 OR thread_id = $2)")
        .bind(place.chat.0)
        .bind(thread(place))
        .execute(db)
        .await?;
    Ok(())
}

/// Notes that a group or topic was seen; an empty title leaves the known one.
///
/// # Errors
/// When the database refuses.
pub async fn note(db: &mut Connection, seen: &Seen) -> Result<()> {
    sqlx::query(
        "INSERT INTO places (chat_id, thread_id, title, present, seen_at) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (chat_id, thread_id) DO UPDATE
         SET title = CASE WHEN $3 = '' THEN places.title ELSE $3 END, present = $4, seen_at = $5",
    )
    .bind(seen.place.chat.0)
    .bind(thread(seen.place))
    .bind(&seen.title)
    .bind(i64::from(seen.present))
    .bind(seen.at.0)
    .execute(db)
    .await?;
    Ok(())
}

/// The groups and topics seen, those seen last first.
///
/// # Errors
/// When the database refuses.
pub async fn seen(db: &mut Connection, limit: u32) -> Result<Vec<Seen>> {
    let rows = sqlx::query(
        "SELECT chat_id, thread_id, title, present, seen_at FROM places
         ORDER BY seen_at DESC, chat_id, thread_id LIMIT $1",
    )
    .bind(i64::from(limit))
    .fetch_all(db)
    .await?;
    Ok(rows
        .iter()
        .map(|row| Seen {
            place: place(row.get(0), row.get(1)),
            title: row.get(2),
            present: row.get::<i64, _>(3) == 1,
            at: Millis(row.get(4)),
        })
        .collect())
}

/// Forgets places not seen since the moment, and all but the newest so many.
///
/// # Errors
/// When the database refuses.
pub async fn prune(db: &mut Connection, before: Millis, keep: u32) -> Result<u64> {
    let gone = sqlx::query(
        "DELETE FROM places WHERE seen_at < $1
         OR seen_at < COALESCE((SELECT seen_at FROM places ORDER BY seen_at DESC LIMIT 1 OFFSET $2), 0)",
    )
    .bind(before.0)
    .bind(i64::from(keep))
    .execute(db)
    .await?;
    Ok(gone.rows_affected())
}
