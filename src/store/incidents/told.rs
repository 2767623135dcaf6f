//! The messages that tell incidents, and what of them each place was told.

use super::{columns, place, read_severity, stored};
use crate::base::alert::Severity;
use crate::base::ids::Place;
use crate::base::time::Millis;
use crate::store::{Connection, Error, Result};
use sqlx::Row;
use sqlx::any::AnyRow;

/// Why something is not told for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// A silence.
    Silence,
    /// The quiet hours of the place.
    Quiet,
    /// Nobody there can be reached.
    Gone,
    /// It follows from another incident.
    Cause,
}

/// How far a place was told of an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// To be told at this moment.
    Waiting(Millis),
    /// To be told when this is over.
    Held(Hold),
    /// Told, or no news any more.
    Done,
}

/// What one place was told of one incident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Telling {
    /// The incident.
    pub incident: i64,
    /// The place.
    pub place: Place,
    /// How far.
    pub told: Told,
    /// The message that tells it there now.
    pub message: Option<i64>,
    /// When it was told with sound last.
    pub at: Option<Millis>,
    /// How bad it was told to be then.
    pub severity: Option<Severity>,
    /// How often it was told with a message of its own.
    pub times: i64,
}

/// What kind of message tells incidents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// They begin, become critical, or go on.
    Alert,
    /// They were held back.
    Summary,
    /// They began and ended while Telegram was away.
    Missed,
}

/// A message that tells incidents in one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its number; its slot is `alert:<number>`.
    pub id: i64,
    /// Where.
    pub place: Place,
    /// Of what kind.
    pub kind: Kind,
    /// The incidents, in their order.
    pub members: Vec<i64>,
    /// How often it was promised.
    pub revision: i64,
    /// Whether it was taken back before it was out; if it went all the same, it is to be put right.
    pub withdrawn: bool,
    /// When.
    pub made: Millis,
}

impl Message {
    /// The slot of the outbox.
    #[must_use]
    pub fn slot(&self) -> String {
        format!("alert:{}", self.id)
    }
}

stored!(write_hold, read_hold, Hold, "hold",
    Hold::Silence => "silence", Hold::Quiet => "quiet", Hold::Gone => "gone", Hold::Cause => "cause");
stored!(write_kind, read_kind, Kind, "kind of message",
    Kind::Alert => "alert", Kind::Summary => "summary", Kind::Missed => "missed");

const TELLINGS: &str = "SELECT t.incident, t.chat_id, t.thread_id, t.state, t.due_at, t.held, t.message, t.told_at, \
     t.told_as, t.times FROM incident_tellings t";

/// What places were told of an incident.
///
/// # Errors
/// When the database refuses.
pub async fn tellings(db: &mut Connection, incident: i64) -> Result<Vec<Telling>> {
    let text = format!("{TELLINGS} WHERE t.incident = $1");
    let rows = sqlx::query(sqlx::AssertSqlSafe(text))
        .bind(incident)
        .fetch_all(db)
        .await?;
    rows.iter().map(read_telling).collect()
}

/// What places were told of the incidents that are not settled.
///
/// # Errors
/// When the database refuses.
pub async fn tellings_unsettled(db: &mut Connection) -> Result<Vec<Telling>> {
    let text = format!("{TELLINGS} JOIN incidents i ON i.id = t.incident WHERE i.settled = 0");
    let rows = sqlx::query(sqlx::AssertSqlSafe(text)).fetch_all(db).await?;
    rows.iter().map(read_telling).collect()
}

fn read_telling(row: &AnyRow) -> Result<Telling> {
    let state: String = row.get(3);
    let held: Option<String> = row.get(5);
    let told_as: Option<String> = row.get(8);
    let told = match (state.as_str(), held.as_deref()) {
        ("waiting", _) => Told::Waiting(Millis(row.get(4))),
        ("held", Some(why)) => Told::Held(read_hold(why)?),
        ("done", _) => Told::Done,
        (other, _) => return Err(Error::Corrupt(format!("a telling that is “{other}”"))),
    };
    Ok(Telling {
        incident: row.get(0),
        place: place(row.get(1), row.get(2)),
        told,
        message: row.get(6),
        at: row.get::<Option<i64>, _>(7).map(Millis),
        severity: told_as.as_deref().map(read_severity).transpose()?,
        times: row.get(9),
    })
}

/// Writes what a place was told, new or changed.
///
/// # Errors
/// When the database refuses.
pub async fn put_telling(db: &mut Connection, one: &Telling) -> Result<()> {
    let (chat, thread) = columns(one.place);
    let (state, due, held) = match one.told {
        Told::Waiting(due) => ("waiting", due.0, None),
        Told::Held(why) => ("held", 0, Some(write_hold(why))),
        Told::Done => ("done", 0, None),
    };
    sqlx::query(
        "INSERT INTO incident_tellings (incident, chat_id, thread_id, state, due_at, held, message, told_at, told_as, times)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
         ON CONFLICT (incident, chat_id, thread_id) DO UPDATE SET state = $4, due_at = $5, held = $6, message = $7,
             told_at = $8, told_as = $9, times = $10",
    )
    .bind(one.incident)
    .bind(chat)
    .bind(thread)
    .bind(state)
    .bind(due)
    .bind(held)
    .bind(one.message)
    .bind(one.at.map(|at| at.0))
    .bind(one.severity.map(Severity::as_str))
    .bind(one.times)
    .execute(db)
    .await?;
    Ok(())
}

const MESSAGES: &str = "SELECT id, chat_id, thread_id, kind, members, revision, withdrawn, made_at FROM incident_messages";

fn read_message(row: &AnyRow) -> Result<Message> {
    let kind: String = row.get(3);
    let members: String = row.get(4);
    Ok(Message {
        id: row.get(0),
        place: place(row.get(1), row.get(2)),
        kind: read_kind(&kind)?,
        members: serde_json::from_str(&members)
            .map_err(|error| Error::Corrupt(error.to_string()))?,
        revision: row.get(5),
        withdrawn: row.get::<i64, _>(6) == 1,
        made: Millis(row.get(7)),
    })
}

/// The message of this number.
///
/// # Errors
/// When the database refuses.
pub async fn message(db: &mut Connection, id: i64) -> Result<Option<Message>> {
    let text = format!("{MESSAGES} WHERE id = $1");
    let row = sqlx::query(sqlx::AssertSqlSafe(text))
        .bind(id)
        .fetch_optional(db)
        .await?;
    row.as_ref().map(read_message).transpose()
}

/// The messages that tell incidents which are not settled.
///
/// # Errors
/// When the database refuses.
pub async fn messages_unsettled(db: &mut Connection) -> Result<Vec<Message>> {
    let text = format!(
        "{MESSAGES} WHERE id IN (SELECT t.message FROM incident_tellings t JOIN incidents i ON i.id = t.incident
             WHERE i.settled = 0)"
    );
    let rows = sqlx::query(sqlx::AssertSqlSafe(text)).fetch_all(db).await?;
    rows.iter().map(read_message).collect()
}

/// Writes a message, new or changed.
///
/// # Errors
/// When the database refuses.
pub async fn put_message(db: &mut Connection, one: &Message) -> Result<()> {
    let (chat, thread) = columns(one.place);
    let members =
        serde_json::to_string(&one.members).map_err(|error| Error::Corrupt(error.to_string()))?;
    sqlx::query(
        "INSERT INTO incident_messages (id, chat_id, thread_id, kind, members, revision, withdrawn, made_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         ON CONFLICT (id) DO UPDATE SET kind = $4, members = $5, revision = $6, withdrawn = $7",
    )
    .bind(one.id)
    .bind(chat)
    .bind(thread)
    .bind(write_kind(one.kind))
    .bind(members)
    .bind(one.revision)
    .bind(i64::from(one.withdrawn))
    .bind(one.made.0)
    .execute(db)
    .await?;
    Ok(())
}

/// Messages that were taken back and went all the same.
///
/// # Errors
/// When the database refuses.
pub async fn withdrawn_and_out(db: &mut Connection) -> Result<Vec<i64>> {
    let rows = sqlx::query(
        "SELECT m.id FROM incident_messages m JOIN slots s ON s.slot = 'alert:' || m.id WHERE m.withdrawn = 1",
    )
    .fetch_all(db)
    .await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// The messages that Telegram does not have yet, and since when they wait.
///
/// # Errors
/// When the database refuses.
pub async fn undelivered(db: &mut Connection) -> Result<Vec<(i64, Millis)>> {
    let rows = sqlx::query(
        "SELECT m.id, m.made_at FROM outbox o JOIN incident_messages m ON o.slot = 'alert:' || m.id
         WHERE o.state = 'pending' AND o.slot LIKE 'alert:%' AND NOT EXISTS (SELECT 1 FROM slots s WHERE s.slot = o.slot)",
    )
    .fetch_all(db)
    .await?;
    Ok(rows
        .iter()
        .map(|row| (row.get(0), Millis(row.get(1))))
        .collect())
}

/// Whether Telegram has the message.
///
/// # Errors
/// When the database refuses.
pub async fn is_out(db: &mut Connection, message: &Message) -> Result<bool> {
    let row = sqlx::query("SELECT 1 FROM slots WHERE slot = $1")
        .bind(message.slot())
        .fetch_optional(db)
        .await?;
    Ok(row.is_some())
}
