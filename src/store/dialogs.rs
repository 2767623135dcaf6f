//! Scripts that are being asked for their arguments: one row a dialog, its state as data.

use super::{Connection, Result};
use crate::base::ids::{ChatId, UpdateId, UserId};
use crate::base::time::Millis;
use sqlx::Row;
use sqlx::any::AnyRow;

/// Where a dialog stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// A question waits for its answer.
    Open,
    /// Everything was answered.
    Done,
    /// The asker gave it up.
    Cancelled,
    /// The asker began another one.
    Replaced,
    /// Nobody answered in time.
    Expired,
    /// The configuration changed under it.
    Outdated,
}

impl Phase {
    const ALL: [Phase; 6] = [
        Phase::Open,
        Phase::Done,
        Phase::Cancelled,
        Phase::Replaced,
        Phase::Expired,
        Phase::Outdated,
    ];

    fn as_str(self) -> &'static str {
        match self {
            Phase::Open => "open",
            Phase::Done => "done",
            Phase::Cancelled => "cancelled",
            Phase::Replaced => "replaced",
            Phase::Expired => "expired",
            Phase::Outdated => "outdated",
        }
    }
}

/// A dialog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dialog {
    /// The update that began it.
    pub id: i64,
    /// The chat that it is in.
    pub chat: ChatId,
    /// The only person who may answer.
    pub asker: UserId,
    /// Which question is open; grows with each answer, so that an old button is known.
    pub step: i64,
    /// Where it stands.
    pub phase: Phase,
    /// What was given so far, as JSON.
    pub payload: String,
    /// When it lapses.
    pub expires_at: Millis,
    /// The update with the last answer.
    pub ended_by: Option<UpdateId>,
}

const COLUMNS: &str = "id, chat_id, asker_id, step, phase, payload, expires_at, ended_by";

/// Keeps a new dialog.
///
/// # Errors
/// When the database refuses; also when the person has an open one in the chat.
pub async fn add(db: &mut Connection, dialog: &Dialog, at: Millis) -> Result<()> {
    sqlx::query(
        "INSERT INTO dialogs (id, chat_id, asker_id, step, phase, payload, created_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(dialog.id)
    .bind(dialog.chat.0)
    .bind(dialog.asker.0)
    .bind(dialog.step)
    .bind(dialog.phase.as_str())
    .bind(&dialog.payload)
    .bind(at.0)
    .bind(dialog.expires_at.0)
    .execute(db)
    .await?;
    Ok(())
}

/// Writes the new state of an open dialog that is at the step `from`; `false` when it is not: of two answers one wins.
///
/// # Errors
/// When the database refuses.
pub async fn put(db: &mut Connection, dialog: &Dialog, from: i64) -> Result<bool> {
    let put = sqlx::query(
        "UPDATE dialogs SET step = $2, phase = $3, payload = $4, expires_at = $5, ended_by = $7
         WHERE id = $1 AND step = $6 AND phase = 'open'",
    )
    .bind(dialog.id)
    .bind(dialog.step)
    .bind(dialog.phase.as_str())
    .bind(&dialog.payload)
    .bind(dialog.expires_at.0)
    .bind(from)
    .bind(dialog.ended_by.map(|update| update.0))
    .execute(db)
    .await?;
    Ok(put.rows_affected() == 1)
}

/// Looks a dialog up.
///
/// # Errors
/// When the database refuses.
pub async fn find(db: &mut Connection, id: i64) -> Result<Option<Dialog>> {
    let row = sqlx::query(sqlx::AssertSqlSafe(format!(
        "SELECT {COLUMNS} FROM dialogs WHERE id = $1"
    )))
    .bind(id)
    .fetch_optional(db)
    .await?;
    Ok(row.map(|row| read(&row)))
}

/// The open dialog of a person in a chat.
///
/// # Errors
/// When the database refuses.
pub async fn open_of(db: &mut Connection, chat: ChatId, asker: UserId) -> Result<Option<Dialog>> {
    let row = sqlx::query(sqlx::AssertSqlSafe(format!(
        "SELECT {COLUMNS} FROM dialogs WHERE chat_id = $1 AND asker_id = $2 AND phase = 'open'"
    )))
    .bind(chat.0)
    .bind(asker.0)
    .fetch_optional(db)
    .await?;
    Ok(row.map(|row| read(&row)))
}

/// The dialog that this update of this person ended.
///
/// # Errors
/// When the database refuses.
pub async fn ended_by(
    db: &mut Connection,
    asker: UserId,
    update: UpdateId,
) -> Result<Option<Dialog>> {
    let row = sqlx::query(sqlx::AssertSqlSafe(format!(
        "SELECT {COLUMNS} FROM dialogs WHERE asker_id = $1 AND ended_by = $2"
    )))
    .bind(asker.0)
    .bind(update.0)
    .fetch_optional(db)
    .await?;
    Ok(row.map(|row| read(&row)))
}

/// Open dialogs that lapsed before the moment, oldest first, at most 100.
///
/// # Errors
/// When the database refuses.
pub async fn lapsed(db: &mut Connection, before: Millis) -> Result<Vec<Dialog>> {
    let rows = sqlx::query(sqlx::AssertSqlSafe(format!(
        "SELECT {COLUMNS} FROM dialogs WHERE phase = 'open' AND expires_at < $1 ORDER BY expires_at LIMIT 100"
    )))
    .bind(before.0)
    .fetch_all(db)
    .await?;
    Ok(rows.iter().map(read).collect())
}

/// Forgets dialogs that are over and lapsed before the moment.
///
/// # Errors
/// When the database refuses.
pub async fn prune(db: &mut Connection, before: Millis) -> Result<u64> {
    let gone = sqlx::query("DELETE FROM dialogs WHERE phase <> 'open' AND expires_at < $1")
        .bind(before.0)
        .execute(db)
        .await?;
    Ok(gone.rows_affected())
}

fn read(row: &AnyRow) -> Dialog {
    let phase: String = row.get(4);
    let known = Phase::ALL.into_iter().find(|known| known.as_str() == phase);
    Dialog {
        id: row.get(0),
        chat: ChatId(row.get(1)),
        asker: UserId(row.get(2)),
        step: row.get(3),
        // A phase of a newer version: nothing that can be answered here.
        phase: known.unwrap_or(Phase::Outdated),
        payload: row.get(5),
        expires_at: Millis(row.get(6)),
        ended_by: row.get::<Option<i64>, _>(7).map(UpdateId),
    }
}
