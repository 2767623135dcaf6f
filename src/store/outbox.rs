//! What must reach a chat: rows that stay pending until Telegram has them.

use super::{Connection, Result};
use crate::base::ids::{ChatId, JobId, MessageId};
use crate::base::time::Millis;
use sqlx::Row;
use std::collections::BTreeMap;

/// A message to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRow {
    /// To which chat.
    pub chat: ChatId,
    /// What, as JSON.
    pub payload: String,
    /// The message that this one becomes or edits; a newer row of the same slot replaces a pending older one.
    pub slot: Option<String>,
    /// What it was made from; a second row from the same source is never made.
    pub source: Option<String>,
    /// The job that it tells of.
    pub job: Option<JobId>,
    /// The part of it that nobody may read here; forgotten as soon as the message waits no longer.
    pub sealed: Option<String>,
}

/// A pending message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// Its number; a chat's messages go in this order.
    pub id: i64,
    /// What, as JSON.
    pub payload: String,
    /// The message that it becomes or edits.
    pub slot: Option<String>,
    /// The message that the slot is already, if it has one in this chat.
    pub target: Option<MessageId>,
    /// How often sending failed.
    pub attempts: u32,
    /// The part of it that nobody may read here.
    pub sealed: Option<String>,
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is still to be sent.
    Pending,
    /// Telegram has it.
    Sent,
    /// It could not be sent, or was dropped; and whether it could be by now.
    Missed(Reach),
}

/// How far a message came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// The chat has it, or it is on its way.
    There,
    /// The chat cannot be reached.
    Shut,
    /// It failed, or was dropped, although the chat could be reached: nobody but a person has it tried again.
    Lost,
    /// The chat has it not, and could have it.
    Open,
}

/// Adds a message and replaces a pending one of the same slot; `false` when the source made one before.
///
/// # Errors
/// When the database refuses.
pub async fn add(db: &mut Connection, new: &NewRow, at: Millis) -> Result<bool> {
    let added = sqlx::query(
        "INSERT INTO outbox (chat_id, payload, slot, state, source, created_at, job_id, sealed)
         VALUES ($1, $2, $3, 'pending', $4, $5, $6, $7) ON CONFLICT (source) DO NOTHING RETURNING id",
    )
    .bind(new.chat.0)
    .bind(&new.payload)
    .bind(&new.slot)
    .bind(&new.source)
    .bind(at.0)
    .bind(new.job.map(|job| job.0))
    .bind(&new.sealed)
    .fetch_optional(&mut *db)
    .await?;
    let Some(row) = added else { return Ok(false) };
    if new.slot.is_some() {
        sqlx::query(
            "UPDATE outbox SET state = 'replaced', sealed = NULL, done_at = $4
             WHERE chat_id = $1 AND state = 'pending' AND slot = $2 AND id < $3",
        )
        .bind(new.chat.0)
        .bind(&new.slot)
        .bind(row.get::<i64, _>(0))
        .bind(at.0)
        .execute(db)
        .await?;
    }
    Ok(true)
}

/// The oldest pending message of a chat.
///
/// # Errors
/// When the database refuses.
pub async fn next(db: &mut Connection, chat: ChatId) -> Result<Option<Pending>> {
    let row = sqlx::query(
        "SELECT o.id, o.payload, o.slot, o.attempts, s.message_id, o.sealed
         FROM outbox o LEFT JOIN slots s ON s.slot = o.slot AND s.chat_id = o.chat_id
         WHERE o.chat_id = $1 AND o.state = 'pending' ORDER BY o.id LIMIT 1",
    )
    .bind(chat.0)
    .fetch_optional(db)
    .await?;
    Ok(row.map(|row| Pending {
        id: row.get(0),
        payload: row.get(1),
        slot: row.get(2),
        target: message(row.get(4)),
        attempts: u32::try_from(row.get::<i64, _>(3)).unwrap_or(u32::MAX),
        sealed: row.get(5),
    }))
}

/// The chats that have pending messages.
///
/// # Errors
/// When the database refuses.
pub async fn chats_waiting(db: &mut Connection) -> Result<Vec<ChatId>> {
    let rows = sqlx::query("SELECT DISTINCT chat_id FROM outbox WHERE state = 'pending'")
        .fetch_all(db)
        .await?;
    Ok(rows.iter().map(|row| ChatId(row.get(0))).collect())
}

/// Marks a message as sent and remembers which message its slot is. `edited` is whether it took the place of one that the
/// chat had. One that was dropped while it was on its way was sent all the same. Where an instance that was paused and its
/// successor both sent it, the first to say so holds: the slot is then the message that later edits are meant for.
///
/// # Errors
/// When the database refuses; the message may then be sent a second time.
pub async fn mark_sent(
    db: &mut Connection,
    id: i64,
    chat: ChatId,
    slot: Option<&str>,
    message: MessageId,
    edited: bool,
    at: Millis,
) -> Result<()> {
    let marked = sqlx::query(
        "UPDATE outbox SET state = 'sent', sealed = NULL, message_id = $2, done_at = $3, edited = $4
         WHERE id = $1 AND state <> 'sent'",
    )
    .bind(id)
    .bind(i64::from(message.0))
    .bind(at.0)
    .bind(i64::from(edited))
    .execute(&mut *db)
    .await?;
    if let Some(slot) = slot.filter(|_| marked.rows_affected() == 1) {
        put_slot(db, slot, chat, message, at).await?;
    }
    Ok(())
}

/// Takes back what waits for a slot: it is no news any more. What is on its way in this moment arrives all the same.
///
/// # Errors
/// When the database refuses.
pub async fn take_back(db: &mut Connection, chat: ChatId, slot: &str, at: Millis) -> Result<()> {
    sqlx::query(
        "UPDATE outbox SET state = 'replaced', sealed = NULL, done_at = $3 WHERE chat_id = $1 AND state = 'pending' AND slot = $2",
    )
    .bind(chat.0)
    .bind(slot)
    .bind(at.0)
    .execute(db)
    .await?;
    Ok(())
}

/// Closes a message that cannot be sent, and says why.
///
/// # Errors
/// When the database refuses.
pub async fn mark_failed(db: &mut Connection, id: i64, reason: &str, at: Millis) -> Result<()> {
    sqlx::query(
        "UPDATE outbox SET state = 'failed', sealed = NULL, reason = $2, done_at = $3 WHERE id = $1 AND state = 'pending'",
    )
    .bind(id)
    .bind(reason)
    .bind(at.0)
    .execute(db)
    .await?;
    Ok(())
}

/// Notes a failed attempt; the message stays pending.
///
/// # Errors
/// When the database refuses.
pub async fn mark_attempt(db: &mut Connection, id: i64, reason: &str) -> Result<()> {
    sqlx::query("UPDATE outbox SET attempts = attempts + 1, reason = $2 WHERE id = $1 AND state = 'pending'")
        .bind(id)
        .bind(reason)
        .execute(db)
        .await?;
    Ok(())
}

/// Remembers which message a slot is.
///
/// # Errors
/// When the database refuses.
pub async fn put_slot(
    db: &mut Connection,
    slot: &str,
    chat: ChatId,
    message: MessageId,
    at: Millis,
) -> Result<()> {
    sqlx::query(
        "INSERT INTO slots (slot, chat_id, message_id, updated_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (slot) DO UPDATE SET chat_id = $2, message_id = $3, updated_at = $4",
    )
    .bind(slot)
    .bind(chat.0)
    .bind(i64::from(message.0))
    .bind(at.0)
    .execute(db)
    .await?;
    Ok(())
}

/// The message that a slot is, if it has one in this chat.
///
/// # Errors
/// When the database refuses.
pub async fn slot(db: &mut Connection, slot: &str, chat: ChatId) -> Result<Option<MessageId>> {
    let row = sqlx::query("SELECT message_id FROM slots WHERE slot = $1 AND chat_id = $2")
        .bind(slot)
        .bind(chat.0)
        .fetch_optional(db)
        .await?;
    Ok(row.and_then(|row| message(row.get(0))))
}

/// The slots that a message of a chat is the latest form of.
///
/// # Errors
/// When the database refuses.
pub async fn slots_of(
    db: &mut Connection,
    chat: ChatId,
    message: MessageId,
) -> Result<Vec<String>> {
    let rows = sqlx::query("SELECT slot FROM slots WHERE chat_id = $1 AND message_id = $2")
        .bind(chat.0)
        .bind(i64::from(message.0))
        .fetch_all(db)
        .await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// What became of the message of this source; [`Reach::Lost`] when there is none.
///
/// # Errors
/// When the database refuses.
pub async fn fate(db: &mut Connection, source: &str) -> Result<Fate> {
    let row = sqlx::query(
        "SELECT o.state AS sent, o.done_at, c.state AS chat, c.updated_at FROM outbox o
         LEFT JOIN chats c ON c.chat_id = o.chat_id WHERE o.source = $1",
    )
    .bind(source)
    .fetch_optional(db)
    .await?;
    Ok(match row {
        None => Fate::Missed(Reach::Lost),
        Some(row) => match row.get::<&str, _>("sent") {
            "pending" => Fate::Pending,
            "sent" => Fate::Sent,
            _ => Fate::Missed(missed(
                row.get("chat"),
                row.get("updated_at"),
                row.get("done_at"),
            )),
        },
    })
}

/// How far a message came that failed then, in a chat that stands so since.
fn missed(chat: Option<&str>, since: Option<i64>, failed_at: Option<i64>) -> Reach {
    match chat {
        Some("gone") => Reach::Shut,
        _ if since >= failed_at => Reach::Open,
        _ => Reach::Lost,
    }
}

/// How far the newest message of a job came in each of these private chats, whose slot begins with this, which holds no `%`
/// and no `_`, and is one for each chat.
///
/// # Errors
/// When the database refuses.
pub async fn reach(
    db: &mut Connection,
    job: JobId,
    prefix: &str,
    chats: &[ChatId],
) -> Result<BTreeMap<ChatId, Reach>> {
    let rows = sqlx::query(
        "SELECT o.chat_id, o.state AS sent, o.done_at, c.state AS chat, c.updated_at FROM outbox o
         LEFT JOIN chats c ON c.chat_id = o.chat_id
         WHERE o.id IN (SELECT MAX(id) FROM outbox
             WHERE job_id = $1 AND slot LIKE $2 AND state <> 'replaced' GROUP BY chat_id)
         UNION ALL SELECT chat_id, NULL, NULL, state, updated_at FROM chats WHERE state = 'gone'",
    )
    .bind(job.0)
    .bind(format!("{prefix}%"))
    .fetch_all(db)
    .await?;
    let mut all: BTreeMap<ChatId, Reach> = chats.iter().map(|one| (*one, Reach::Open)).collect();
    for row in rows {
        let Some(known) = all.get_mut(&ChatId(row.get("chat_id"))) else {
            continue;
        };
        let (sent, failed_at): (Option<&str>, Option<i64>) = (row.get("sent"), row.get("done_at"));
        let (state, since): (Option<&str>, Option<i64>) = (row.get("chat"), row.get("updated_at"));
        *known = match (sent, state) {
            (Some("pending" | "sent"), _) => Reach::There,
            // A chat that is gone is read once more, without its message.
            (None, _) if *known == Reach::There => Reach::There,
            (None, Some("gone")) => Reach::Shut,
            (None, _) => *known,
            (Some(_), _) => missed(state, since, failed_at),
        };
    }
    Ok(all)
}

/// The slots of a job's messages that begin with this, which holds no `%` and no `_`, with their chats: of those that wait
/// or may be there to be seen.
///
/// # Errors
/// When the database refuses.
pub async fn slots_from(
    db: &mut Connection,
    job: JobId,
    prefix: &str,
) -> Result<Vec<(String, ChatId)>> {
    let rows = sqlx::query(
        "SELECT DISTINCT slot, chat_id FROM outbox WHERE job_id = $1 AND slot LIKE $2
         AND (state = 'pending' OR EXISTS (SELECT 1 FROM slots s WHERE s.slot = outbox.slot)) ORDER BY slot",
    )
    .bind(job.0)
    .bind(format!("{prefix}%"))
    .fetch_all(db)
    .await?;
    Ok(rows
        .iter()
        .map(|row| (row.get(0), ChatId(row.get(1))))
        .collect())
}

/// How many messages are pending.
///
/// # Errors
/// When the database refuses.
pub async fn pending(db: &mut Connection) -> Result<u64> {
    let row = sqlx::query("SELECT COUNT(*) FROM outbox WHERE state = 'pending'")
        .fetch_one(db)
        .await?;
    Ok(row.get::<i64, _>(0).unsigned_abs())
}

/// How many messages whose source begins with this, which holds no `%` and no `_`, are still to be sent or may be tried
/// again: they are pending, failed or dropped.
///
/// # Errors
/// When the database refuses.
pub async fn unsent_from(db: &mut Connection, source: &str) -> Result<u64> {
    let row = sqlx::query(
        "SELECT COUNT(*) FROM outbox WHERE state IN ('pending', 'failed', 'dropped') AND source LIKE $1",
    )
    .bind(format!("{source}%"))
    .fetch_one(db)
    .await?;
    Ok(row.get::<i64, _>(0).unsigned_abs())
}

/// The jobs that are not over: they wait, run, have to be confirmed, or are offered to be taken back.
const OPEN_JOBS: &str = "SELECT id FROM jobs WHERE state IN ('queued', 'running')
    UNION ALL SELECT id FROM jobs WHERE confirm_until IS NOT NULL
    UNION ALL SELECT id FROM jobs WHERE undo_until IS NOT NULL";

/// Forgets up to `limit` messages that were done, and as many slots that were not touched, since the moment; returns how
/// many went. What tells of a job that is not over is kept: by it, nobody is asked twice, and what was asked is changed.
///
/// # Errors
/// When the database refuses.
pub async fn prune(db: &mut Connection, before: Millis, limit: u32) -> Result<u64> {
    let mut gone = 0;
    for text in [
        format!(
            "DELETE FROM outbox WHERE id IN (SELECT id FROM outbox WHERE done_at < $1
                AND (job_id IS NULL OR job_id NOT IN ({OPEN_JOBS})) ORDER BY done_at LIMIT $2)"
        ),
        format!(
            "DELETE FROM slots WHERE slot IN (SELECT slot FROM slots WHERE updated_at < $1 AND slot NOT IN
                (SELECT slot FROM outbox WHERE slot IS NOT NULL AND job_id IN ({OPEN_JOBS})) ORDER BY updated_at LIMIT $2)"
        ),
    ] {
        let done = sqlx::query(sqlx::AssertSqlSafe(text))
            .bind(before.0)
            .bind(i64::from(limit))
            .execute(&mut *db)
            .await?;
        gone += done.rows_affected();
    }
    Ok(gone)
}

/// Forgets which message a slot is, because that message is gone.
///
/// # Errors
/// When the database refuses.
pub async fn forget_slot(db: &mut Connection, slot: &str) -> Result<()> {
    sqlx::query("DELETE FROM slots WHERE slot = $1")
        .bind(slot)
        .execute(db)
        .await?;
    Ok(())
}

/// Replaces what a pending message says.
///
/// # Errors
/// When the database refuses.
pub async fn rewrite(db: &mut Connection, id: i64, payload: &str) -> Result<()> {
    sqlx::query("UPDATE outbox SET payload = $2, attempts = attempts + 1 WHERE id = $1")
        .bind(id)
        .bind(payload)
        .execute(db)
        .await?;
    Ok(())
}

fn message(id: Option<i64>) -> Option<MessageId> {
    i32::try_from(id?).ok().map(MessageId)
}
