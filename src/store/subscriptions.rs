//! Who is told what, and the hours in which only what is critical is.

use super::incidents::{columns, place, read_severity};
use super::{Connection, Result};
use crate::base::alert::Severity;
use crate::base::ids::{ChatId, Place, UserId};
use crate::base::time::Millis;
use sqlx::Row;

/// What a place wants to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// Where.
    pub place: Place,
    /// Of this topic; of all when there is none.
    pub topic: Option<String>,
    /// From this severity on; `None` for nothing at all.
    pub least: Option<Severity>,
}

/// Hours of a day, in minutes since midnight, in a zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuietHours {
    /// Where.
    pub place: Place,
    /// From, in minutes.
    pub from: u16,
    /// To, in minutes; before `from` when they go over midnight.
    pub to: u16,
    /// The zone's name, such as `Europe/Berlin`; empty for the server's own.
    pub zone: String,
}

/// Every subscription, by place.
///
/// # Errors
/// When the database refuses.
pub async fn all(db: &mut Connection) -> Result<Vec<Subscription>> {
    let rows = sqlx::query(
        "SELECT chat_id, thread_id, topic, severity FROM subscriptions ORDER BY chat_id, thread_id, topic",
    )
    .fetch_all(db)
    .await?;
    rows.iter()
        .map(|row| {
            let topic: String = row.get(2);
            let severity: String = row.get(3);
            Ok(Subscription {
                place: place(row.get(0), row.get(1)),
                topic: Some(topic).filter(|topic| !topic.is_empty()),
                least: match severity.as_str() {
                    "none" => None,
                    word => Some(read_severity(word)?),
                },
            })
        })
        .collect()
}

/// Keeps a subscription. `false` when it was the same before.
///
/// # Errors
/// When the database refuses.
pub async fn put(db: &mut Connection, one: &Subscription, by: UserId, at: Millis) -> Result<bool> {
    let (chat, thread) = columns(one.place);
    let done = sqlx::query(
        "INSERT INTO subscriptions (chat_id, thread_id, topic, severity, by_id, created_at) VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (chat_id, thread_id, topic) DO UPDATE SET severity = $4, by_id = $5
         WHERE subscriptions.severity <> $4",
    )
    .bind(chat)
    .bind(thread)
    .bind(one.topic.as_deref().unwrap_or_default())
    .bind(one.least.map_or("none", Severity::as_str))
    .bind(by.0)
    .bind(at.0)
    .execute(db)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Forgets a place's subscription to a topic, or all of them. `false` when there was none.
///
/// # Errors
/// When the database refuses.
pub async fn remove(db: &mut Connection, at: Place, topic: Option<&str>) -> Result<bool> {
    let (chat, thread) = columns(at);
    let gone = sqlx::query(
        "DELETE FROM subscriptions WHERE chat_id = $1 AND thread_id = $2 AND (topic = $3 OR $4 = 1)",
    )
    .bind(chat)
    .bind(thread)
    .bind(topic.unwrap_or_default())
    .bind(i64::from(topic.is_none()))
    .execute(db)
    .await?;
    Ok(gone.rows_affected() > 0)
}

/// Every place's quiet hours.
///
/// # Errors
/// When the database refuses.
pub async fn quiet(db: &mut Connection) -> Result<Vec<QuietHours>> {
    let rows = sqlx::query("SELECT chat_id, thread_id, from_min, to_min, zone FROM quiet_hours")
        .fetch_all(db)
        .await?;
    let minutes = |value: i64| u16::try_from(value).unwrap_or_default();
    Ok(rows
        .iter()
        .map(|row| QuietHours {
            place: place(row.get(0), row.get(1)),
            from: minutes(row.get(2)),
            to: minutes(row.get(3)),
            zone: row.get(4),
        })
        .collect())
}

/// Keeps a place's quiet hours.
///
/// # Errors
/// When the database refuses.
pub async fn put_quiet(db: &mut Connection, one: &QuietHours) -> Result<()> {
    let (chat, thread) = columns(one.place);
    sqlx::query(
        "INSERT INTO quiet_hours (chat_id, thread_id, from_min, to_min, zone) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (chat_id, thread_id) DO UPDATE SET from_min = $3, to_min = $4, zone = $5",
    )
    .bind(chat)
    .bind(thread)
    .bind(i64::from(one.from))
    .bind(i64::from(one.to))
    .bind(&one.zone)
    .execute(db)
    .await?;
    Ok(())
}

/// Ends a place's quiet hours. `false` when it had none.
///
/// # Errors
/// When the database refuses.
pub async fn remove_quiet(db: &mut Connection, at: Place) -> Result<bool> {
    let (chat, thread) = columns(at);
    let gone = sqlx::query("DELETE FROM quiet_hours WHERE chat_id = $1 AND thread_id = $2")
        .bind(chat)
        .bind(thread)
        .execute(db)
        .await?;
    Ok(gone.rows_affected() > 0)
}

/// Gives what a topic was told to its group, since there is no such topic any more; where the group chose for itself, that
/// holds. `false` when the topic was told nothing by its own choice.
///
/// # Errors
/// When the database refuses.
pub async fn leave_topic(db: &mut Connection, topic: Place) -> Result<bool> {
    let (chat, thread) = columns(topic);
    // Steps of incidents read places and write them: none of them may be under way.
    super::incidents::hold(db, 0).await?;
    let mut moved = 0;
    for text in [
        "UPDATE subscriptions SET thread_id = 0 WHERE chat_id = $1 AND thread_id = $2 AND NOT EXISTS
             (SELECT 1 FROM subscriptions s WHERE s.chat_id = $1 AND s.thread_id = 0 AND s.topic = subscriptions.topic)",
        "DELETE FROM subscriptions WHERE chat_id = $1 AND thread_id = $2",
    ] {
        let done = sqlx::query(text).bind(chat).bind(thread);
        moved += done.execute(&mut *db).await?.rows_affected();
    }
    for text in [
        "UPDATE quiet_hours SET thread_id = 0 WHERE chat_id = $1 AND thread_id = $2 AND NOT EXISTS
             (SELECT 1 FROM quiet_hours q WHERE q.chat_id = $1 AND q.thread_id = 0)",
        "DELETE FROM quiet_hours WHERE chat_id = $1 AND thread_id = $2",
        "UPDATE incident_messages SET thread_id = 0 WHERE chat_id = $1 AND thread_id = $2 AND NOT EXISTS
             (SELECT 1 FROM incident_tellings t JOIN incident_tellings g ON g.incident = t.incident
              WHERE t.message = incident_messages.id AND g.chat_id = $1 AND g.thread_id = 0)",
        "UPDATE incident_tellings SET thread_id = 0 WHERE chat_id = $1 AND thread_id = $2 AND NOT EXISTS
             (SELECT 1 FROM incident_tellings t WHERE t.chat_id = $1 AND t.thread_id = 0
                 AND t.incident = incident_tellings.incident)",
    ] {
        let done = sqlx::query(text).bind(chat).bind(thread);
        done.execute(&mut *db).await?;
    }
    Ok(moved > 0)
}

/// Rewrites a migrated group's id.
///
/// # Errors
/// When the database refuses.
pub(super) async fn migrate(db: &mut Connection, from: ChatId, to: ChatId) -> Result<()> {
    for text in [
        "UPDATE subscriptions SET chat_id = $2 WHERE chat_id = $1 AND NOT EXISTS
             (SELECT 1 FROM subscriptions s WHERE s.chat_id = $2 AND s.thread_id = subscriptions.thread_id
                 AND s.topic = subscriptions.topic)",
        "UPDATE quiet_hours SET chat_id = $2 WHERE chat_id = $1 AND NOT EXISTS
             (SELECT 1 FROM quiet_hours q WHERE q.chat_id = $2 AND q.thread_id = quiet_hours.thread_id)",
        "UPDATE incident_tellings SET chat_id = $2 WHERE chat_id = $1 AND NOT EXISTS
             (SELECT 1 FROM incident_tellings t WHERE t.chat_id = $2 AND t.thread_id = incident_tellings.thread_id
                 AND t.incident = incident_tellings.incident)",
        "UPDATE incident_messages SET chat_id = $2 WHERE chat_id = $1",
        "UPDATE broadcasts SET chat_id = $2 WHERE chat_id = $1",
    ] {
        sqlx::query(text)
            .bind(from.0)
            .bind(to.0)
            .execute(&mut *db)
            .await?;
    }
    Ok(())
}
