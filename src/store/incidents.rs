//! Incidents: what went wrong, from its beginning to its end.

mod told;

pub use told::{
    Hold, Kind, Message, Telling, Told, is_out, message, messages_unsettled, put_message,
    put_telling, tellings, tellings_unsettled, undelivered, withdrawn_and_out,
};

use super::{Connection, Error, Result};
use crate::base::alert::{Severity, Unit};
use crate::base::ids::{ChatId, Place, ThreadId};
use crate::base::time::Millis;
use sqlx::Row;
use sqlx::any::AnyRow;

/// Something that went wrong, from its beginning to its end.
#[derive(Clone, Debug, PartialEq)]
pub struct Incident {
    /// Its number.
    pub id: i64,
    /// The check that found it.
    pub check: String,
    /// The machine.
    pub host: String,
    /// What subscribers choose by.
    pub topic: String,
    /// How bad it is, or was when it ended.
    pub severity: Severity,
    /// How bad it was at its worst.
    pub worst: Severity,
    /// What was read last.
    pub value: Option<f64>,
    /// What was read at its worst.
    pub worst_value: Option<f64>,
    /// The unit of both.
    pub unit: Unit,
    /// What was read, in words, or why it could not be read.
    pub note: Option<String>,
    /// The threshold that decided.
    pub limit: Option<f64>,
    /// Whether the check could not be read.
    pub unread: bool,
    /// Whether what it is about could not be reached at all.
    pub unreached: bool,
    /// Whether it comes and goes so often that single changes are no news.
    pub flapping: bool,
    /// The first bad look.
    pub began: Millis,
    /// When it had lasted long enough.
    pub raised: Millis,
    /// When it was over.
    pub cleared: Option<Millis>,
    /// Who takes care of it, and since when.
    pub acked: Option<(String, Millis)>,
    /// Until when it is not told again, and by whom.
    pub snoozed: Option<(String, Millis)>,
    /// Why it is watched no more, if that ended it: nobody knows whether it recovered.
    pub unwatched: Option<String>,
    /// The fix that was started by itself last.
    pub fixed: Option<Fixed>,
    /// When a fix was due and had run by itself as often as it may.
    pub fix_limited: Option<Millis>,
    /// Whether it is over and told wherever it had to be.
    pub settled: bool,
}

/// A fix that was started by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fixed {
    /// When.
    pub at: Millis,
    /// Which try it is for this incident, from 1.
    pub tries: i64,
    /// How bad it was then.
    pub severity: Severity,
    /// How it went.
    pub state: FixState,
}

/// How a fix went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FixState {
    /// Its job waits or runs.
    Running,
    /// Its job succeeded.
    Done,
    /// Its job did not, or there was none.
    Failed,
    /// Somebody stopped its job, or it was cut off: what it did is not known.
    Stopped,
}

/// What a stored word stands for; the same table writes and reads.
macro_rules! stored {
    ($write:ident, $read:ident, $type:ty, $what:literal, $($value:path => $word:literal),+ $(,)?) => {
        fn $write(value: $type) -> &'static str {
            match value { $($value => $word),+ }
        }
        fn $read(word: &str) -> Result<$type> {
            match word {
                $($word => Ok($value),)+
                other => Err(Error::Corrupt(format!(concat!("the ", $what, " “{}”"), other))),
            }
        }
    };
}

use stored;

stored!(write_unit, read_unit, Unit, "unit",
    Unit::Number => "number", Unit::Percent => "percent", Unit::Bytes => "bytes",
    Unit::BytesPerSecond => "bytes_per_second", Unit::Seconds => "seconds", Unit::Celsius => "celsius");
stored!(write_fix, read_fix, FixState, "state of a fix",
    FixState::Running => "running", FixState::Done => "done", FixState::Failed => "failed",
    FixState::Stopped => "stopped");
pub(super) fn read_severity(word: &str) -> Result<Severity> {
    match word {
        "warning" => Ok(Severity::Warning),
        "critical" => Ok(Severity::Critical),
        other => Err(Error::Corrupt(format!("the severity “{other}”"))),
    }
}

/// A place as two columns; 0 for no topic.
pub(super) fn columns(place: Place) -> (i64, i64) {
    (
        place.chat.0,
        place.thread.map_or(0, |thread| i64::from(thread.0)),
    )
}

/// The place of two columns.
pub(super) fn place(chat: i64, thread: i64) -> Place {
    let thread = i32::try_from(thread).ok().filter(|id| *id != 0);
    Place {
        chat: ChatId(chat),
        thread: thread.map(ThreadId),
    }
}

const COLUMNS: &str = "SELECT id, check_name, host, topic, severity, worst, value, worst_value, unit, note, limit_value, \
     unread, flapping, began_at, raised_at, cleared_at, acked_by, acked_at, snoozed_until, snoozed_by, fixed_at, settled, \
     unwatched, fix_tries, fix_severity, fix_state, fix_limited_at, unreached FROM incidents";

fn read(row: &AnyRow) -> Result<Incident> {
    let both = |name: usize, at: usize| -> Option<(String, Millis)> {
        let name: Option<String> = row.get(name);
        let at: Option<i64> = row.get(at);
        Some((name?, Millis(at?)))
    };
    let severity: String = row.get(4);
    let worst: String = row.get(5);
    let unit: String = row.get(8);
    Ok(Incident {
        id: row.get(0),
        check: row.get(1),
        host: row.get(2),
        topic: row.get(3),
        severity: read_severity(&severity)?,
        worst: read_severity(&worst)?,
        value: row.get(6),
        worst_value: row.get(7),
        unit: read_unit(&unit)?,
        note: row.get(9),
        limit: row.get(10),
        unread: row.get::<i64, _>(11) == 1,
        flapping: row.get::<i64, _>(12) == 1,
        began: Millis(row.get(13)),
        raised: Millis(row.get(14)),
        cleared: row.get::<Option<i64>, _>(15).map(Millis),
        acked: both(16, 17),
        snoozed: both(19, 18),
        settled: row.get::<i64, _>(21) == 1,
        unwatched: row.get(22),
        fixed: read_fixed(row)?,
        fix_limited: row.get::<Option<i64>, _>(26).map(Millis),
        unreached: row.get::<i64, _>(27) == 1,
    })
}

fn read_fixed(row: &AnyRow) -> Result<Option<Fixed>> {
    let at: Option<i64> = row.get(20);
    let severity: Option<String> = row.get(24);
    let state: Option<String> = row.get(25);
    let (Some(at), Some(severity), Some(state)) = (at, severity, state) else {
        return Ok(None);
    };
    Ok(Some(Fixed {
        at: Millis(at),
        tries: row.get(23),
        severity: read_severity(&severity)?,
        state: read_fix(&state)?,
    }))
}

/// Holds back every other writer of incidents until the transaction ends, and draws `count` numbers; the first of them.
/// Numbers are never given twice, whatever is forgotten.
///
/// # Errors
/// When the database refuses.
pub async fn hold(db: &mut Connection, count: i64) -> Result<i64> {
    let row = sqlx::query(
        "UPDATE incident_facts SET value = value + $1 WHERE name = 'number' RETURNING value",
    )
    .bind(count)
    .fetch_one(db)
    .await?;
    Ok(row.get::<i64, _>(0) - count + 1)
}

/// A moment that is kept under this name.
///
/// # Errors
/// When the database refuses.
pub async fn fact(db: &mut Connection, name: &str) -> Result<Option<Millis>> {
    let row = sqlx::query("SELECT value FROM incident_facts WHERE name = $1")
        .bind(name)
        .fetch_optional(db)
        .await?;
    Ok(row.map(|row| Millis(row.get(0))))
}

/// Keeps a moment under this name.
///
/// # Errors
/// When the database refuses.
pub async fn put_fact(db: &mut Connection, name: &str, at: Millis) -> Result<()> {
    sqlx::query(
        "INSERT INTO incident_facts (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = $2",
    )
    .bind(name)
    .bind(at.0)
    .execute(db)
    .await?;
    Ok(())
}

/// The incidents that are not settled, in their order.
///
/// # Errors
/// When the database refuses.
pub async fn unsettled(db: &mut Connection) -> Result<Vec<Incident>> {
    let text = format!("{COLUMNS} WHERE settled = 0 ORDER BY id");
    let rows = sqlx::query(sqlx::AssertSqlSafe(text)).fetch_all(db).await?;
    rows.iter().map(read).collect()
}

/// The incident of this number.
///
/// # Errors
/// When the database refuses.
pub async fn find(db: &mut Connection, id: i64) -> Result<Option<Incident>> {
    let text = format!("{COLUMNS} WHERE id = $1");
    let row = sqlx::query(sqlx::AssertSqlSafe(text))
        .bind(id)
        .fetch_optional(db)
        .await?;
    row.as_ref().map(read).transpose()
}

/// The newest incident of a check.
///
/// # Errors
/// When the database refuses.
pub async fn last_of(db: &mut Connection, check: &str) -> Result<Option<i64>> {
    let row =
        sqlx::query("SELECT id FROM incidents WHERE check_name = $1 ORDER BY id DESC LIMIT 1")
            .bind(check)
            .fetch_optional(db)
            .await?;
    Ok(row.map(|row| row.get(0)))
}

/// What is wrong now, worst and oldest first.
///
/// # Errors
/// When the database refuses.
pub async fn open(db: &mut Connection) -> Result<Vec<Incident>> {
    let text = format!("{COLUMNS} WHERE settled = 0 AND cleared_at IS NULL ORDER BY severity, id");
    let rows = sqlx::query(sqlx::AssertSqlSafe(text)).fetch_all(db).await?;
    rows.iter().map(read).collect()
}

/// Incidents before this number, newest first; `i64::MAX` begins.
///
/// # Errors
/// When the database refuses.
pub async fn older(db: &mut Connection, before: i64, limit: u32) -> Result<Vec<Incident>> {
    let text = format!("{COLUMNS} WHERE id < $1 ORDER BY id DESC LIMIT $2");
    let rows = sqlx::query(sqlx::AssertSqlSafe(text))
        .bind(before)
        .bind(i64::from(limit))
        .fetch_all(db)
        .await?;
    rows.iter().map(read).collect()
}

/// The incidents that lasted at some moment between these two, oldest first.
///
/// # Errors
/// When the database refuses.
pub async fn between(db: &mut Connection, from: Millis, to: Millis) -> Result<Vec<Incident>> {
    let text = format!(
        "{COLUMNS} WHERE raised_at < $2 AND (cleared_at >= $1 OR (settled = 0 AND cleared_at IS NULL)) ORDER BY id"
    );
    let rows = sqlx::query(sqlx::AssertSqlSafe(text))
        .bind(from.0)
        .bind(to.0)
        .fetch_all(db)
        .await?;
    rows.iter().map(read).collect()
}

/// How many fixes of this check were started by themselves since the moment.
///
/// # Errors
/// When the database refuses.
pub async fn fixes_since(db: &mut Connection, check: &str, since: Millis) -> Result<u64> {
    let row = sqlx::query(
        "SELECT COUNT(*) FROM incident_fixes WHERE check_name = $1 AND started_at >= $2",
    )
    .bind(check)
    .bind(since.0)
    .fetch_one(db)
    .await?;
    Ok(row.get::<i64, _>(0).unsigned_abs())
}

/// Counts a fix of this check that is started by itself.
///
/// # Errors
/// When the database refuses.
pub async fn count_fix(db: &mut Connection, check: &str, at: Millis) -> Result<()> {
    sqlx::query("INSERT INTO incident_fixes (check_name, started_at) VALUES ($1, $2)")
        .bind(check)
        .bind(at.0)
        .execute(db)
        .await?;
    Ok(())
}

/// Writes an incident, new or changed.
///
/// # Errors
/// When the database refuses.
pub async fn put(db: &mut Connection, one: &Incident) -> Result<()> {
    sqlx::query(
        "INSERT INTO incidents (id, check_name, host, topic, severity, worst, value, worst_value, unit, note, limit_value,
             unread, flapping, began_at, raised_at, cleared_at, acked_by, acked_at, snoozed_until, snoozed_by, fixed_at,
             settled, unwatched, fix_tries, fix_severity, fix_state, fix_limited_at, unreached)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22,
             $23, $24, $25, $26, $27, $28)
         ON CONFLICT (id) DO UPDATE SET severity = $5, worst = $6, value = $7, worst_value = $8, unit = $9, note = $10,
             limit_value = $11, unread = $12, flapping = $13, cleared_at = $16, acked_by = $17, acked_at = $18,
             snoozed_until = $19, snoozed_by = $20, fixed_at = $21, settled = $22,
             unwatched = $23, fix_tries = $24, fix_severity = $25, fix_state = $26, fix_limited_at = $27,
             unreached = $28",
    )
    .bind(one.id)
    .bind(&one.check)
    .bind(&one.host)
    .bind(&one.topic)
    .bind(one.severity.as_str())
    .bind(one.worst.as_str())
    .bind(one.value)
    .bind(one.worst_value)
    .bind(write_unit(one.unit))
    .bind(&one.note)
    .bind(one.limit)
    .bind(i64::from(one.unread))
    .bind(i64::from(one.flapping))
    .bind(one.began.0)
    .bind(one.raised.0)
    .bind(one.cleared.map(|at| at.0))
    .bind(one.acked.as_ref().map(|(name, _)| name))
    .bind(one.acked.as_ref().map(|(_, at)| at.0))
    .bind(one.snoozed.as_ref().map(|(_, at)| at.0))
    .bind(one.snoozed.as_ref().map(|(name, _)| name))
    .bind(one.fixed.map(|fixed| fixed.at.0))
    .bind(i64::from(one.settled))
    .bind(&one.unwatched)
    .bind(one.fixed.map_or(0, |fixed| fixed.tries))
    .bind(one.fixed.map(|fixed| fixed.severity.as_str()))
    .bind(one.fixed.map(|fixed| write_fix(fixed.state)))
    .bind(one.fix_limited.map(|at| at.0))
    .bind(i64::from(one.unreached))
    .execute(db)
    .await?;
    Ok(())
}

/// Forgets incidents that were over before the moment, with what was told of them.
///
/// # Errors
/// When the database refuses.
pub async fn prune(db: &mut Connection, before: Millis) -> Result<u64> {
    sqlx::query(
        "DELETE FROM incident_tellings WHERE incident IN
             (SELECT id FROM incidents WHERE cleared_at < $1 AND settled = 1)",
    )
    .bind(before.0)
    .execute(&mut *db)
    .await?;
    let gone = sqlx::query("DELETE FROM incidents WHERE cleared_at < $1 AND settled = 1")
        .bind(before.0)
        .execute(&mut *db)
        .await?;
    sqlx::query("DELETE FROM incident_fixes WHERE started_at < $1")
        .bind(before.0)
        .execute(&mut *db)
        .await?;
    sqlx::query(
        "DELETE FROM incident_messages WHERE made_at < $1 AND NOT EXISTS
             (SELECT 1 FROM incident_tellings t WHERE t.message = incident_messages.id)",
    )
    .bind(before.0)
    .execute(db)
    .await?;
    Ok(gone.rows_affected())
}
