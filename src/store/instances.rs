//! The instances that share a PostgreSQL database, and the lease by which one of them leads. By the database's clock.

use super::{Connection, Result, Tx};
use crate::base::time::Millis;
use sqlx::{AssertSqlSafe, Row};
use std::time::Duration;

/// How long the lease holds without being renewed.
pub const LEASE: Duration = Duration::from_secs(10);
/// Without a heartbeat for so long, an instance counts as dead.
pub const DEAD: Duration = Duration::from_secs(12);
/// The database's clock, in milliseconds since 1970.
const NOW: &str = "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)";
/// Arbitrary key of the advisory lock under which instances join.
const JOIN_LOCK: i64 = 0x6f70_7369;

/// An instance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Instance {
    /// Its id, new at each start.
    pub id: String,
    /// The machine's name.
    pub host: String,
    /// What its processes share with others that can see them: the machine's start and the space of process ids.
    pub place: String,
    /// Its process there.
    pub pid: i32,
    /// When that process was started, as the kernel counts.
    pub process_start: i64,
    /// What begins the marker of its jobs' processes.
    pub marker: String,
    /// The program's version.
    pub version: String,
    /// When it joined.
    pub started_at: Millis,
    /// Its last heartbeat.
    pub heartbeat_at: Millis,
    /// How long ago that was.
    pub age: Duration,
    /// At its last heartbeat it acted as if alone: cut off, it lets its jobs run on.
    pub alone: bool,
    /// It was declared dead, and its jobs are being settled.
    pub dead: bool,
}

impl Instance {
    /// Whether it was heard of lately enough.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        !self.dead && self.age < DEAD
    }

    /// What people call it.
    #[must_use]
    pub fn label(&self) -> String {
        format!("{}/{}", self.host, self.pid)
    }
}

/// What a heartbeat was told.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// Whether this instance still counts; another may have declared it dead.
    pub counts: bool,
    /// The lease's number, if it is ours.
    pub epoch: Option<i64>,
    /// Since when it is.
    pub since: Option<Millis>,
    /// How long whoever has it may keep it yet.
    pub lease_left: Duration,
    /// The other ones that are alive.
    pub others: Vec<Instance>,
    /// Those that are not.
    pub dead: Vec<Instance>,
}

/// Holds back others that join until the transaction ends, and gives the instances there are.
///
/// # Errors
/// When the database refuses.
pub async fn joining(tx: &mut Tx) -> Result<Vec<Instance>> {
    sqlx::query("SELECT pg_advisory_xact_lock($1)")
        .bind(JOIN_LOCK)
        .execute(&mut **tx)
        .await?;
    all(tx).await
}

/// Adds an instance; its times are the database's.
///
/// # Errors
/// When the database refuses.
pub async fn add(db: &mut Connection, new: &Instance) -> Result<()> {
    let text = format!(
        "INSERT INTO instances (id, host, place, pid, process_start, marker, version, started_at, heartbeat_at, alone)
         VALUES ($1, $2, $3, $4, $5, $6, $7, {NOW}, {NOW}, $8)"
    );
    sqlx::query(AssertSqlSafe(text))
        .bind(&new.id)
        .bind(&new.host)
        .bind(&new.place)
        .bind(i64::from(new.pid))
        .bind(new.process_start)
        .bind(&new.marker)
        .bind(&new.version)
        .bind(i64::from(new.alone))
        .execute(db)
        .await?;
    Ok(())
}

/// Every instance.
///
/// # Errors
/// When the database refuses.
pub async fn all(db: &mut Connection) -> Result<Vec<Instance>> {
    let text = format!(
        "SELECT id, host, place, pid, process_start, marker, version, started_at, heartbeat_at, alone, dead,
            {NOW} - heartbeat_at FROM instances ORDER BY started_at, id"
    );
    let rows = sqlx::query(AssertSqlSafe(text)).fetch_all(db).await?;
    let read = |row: &sqlx::any::AnyRow| Instance {
        id: row.get(0),
        host: row.get(1),
        place: row.get(2),
        pid: i32::try_from(row.get::<i64, _>(3)).unwrap_or(0),
        process_start: row.get(4),
        marker: row.get(5),
        version: row.get(6),
        started_at: Millis(row.get(7)),
        heartbeat_at: Millis(row.get(8)),
        alone: row.get::<i64, _>(9) == 1,
        dead: row.get::<i64, _>(10) == 1,
        age: Duration::from_millis(u64::try_from(row.get::<i64, _>(11)).unwrap_or(0)),
    };
    Ok(rows.iter().map(read).collect())
}

/// Whether the database knows of instances at all; an older one does not.
///
/// # Errors
/// When the database refuses.
pub async fn exist(db: &mut Connection) -> Result<bool> {
    let row = sqlx::query("SELECT COUNT(*) FROM pg_tables WHERE tablename = 'instances'")
        .fetch_one(db)
        .await?;
    Ok(row.get::<i64, _>(0) > 0)
}

/// One heartbeat: counts this instance, renews its lease or takes one that ran out, and looks who else is there. `hears`: it
/// leads, and takes in what people say.
///
/// # Errors
/// When the database refuses.
pub async fn beat(
    db: &mut Connection,
    id: &str,
    alone: bool,
    epoch: Option<i64>,
    (wants_lease, hears): (bool, bool),
) -> Result<Told> {
    let text =
        format!("UPDATE instances SET heartbeat_at = {NOW}, alone = $2 WHERE id = $1 AND dead = 0");
    let counted = sqlx::query(AssertSqlSafe(text))
        .bind(id)
        .bind(i64::from(alone))
        .execute(&mut *db)
        .await?;
    let mut told = Told {
        counts: counted.rows_affected() == 1,
        ..Told::default()
    };
    if !told.counts {
        return Ok(told);
    }
    if wants_lease {
        // A lease that ran out is still ours as long as nobody took it.
        let text = format!(
            "UPDATE lease SET holder = $1, until_at = {NOW} + $3,
                epoch = CASE WHEN holder = $1 AND epoch = $2 THEN epoch ELSE epoch + 1 END,
                since_at = CASE WHEN holder = $1 AND epoch = $2 THEN since_at ELSE {NOW} END,
                heard_at = CASE WHEN holder = $1 AND epoch = $2 AND $4 = 1 THEN {NOW} ELSE heard_at END
             WHERE name = 'leader' AND ((holder = $1 AND epoch = $2) OR until_at <= {NOW})
             RETURNING epoch, since_at"
        );
        let held = sqlx::query(AssertSqlSafe(text))
            .bind(id)
            .bind(epoch.unwrap_or(-1))
            .bind(i64::try_from(LEASE.as_millis()).unwrap_or(i64::MAX))
            .bind(i64::from(hears))
            .fetch_optional(&mut *db)
            .await?;
        told.epoch = held.as_ref().map(|row| row.get(0));
        told.since = held.as_ref().map(|row| Millis(row.get(1)));
    }
    let text = format!("SELECT until_at - {NOW} FROM lease WHERE name = 'leader'");
    let left = sqlx::query(AssertSqlSafe(text)).fetch_one(&mut *db).await?;
    told.lease_left = Duration::from_millis(u64::try_from(left.get::<i64, _>(0)).unwrap_or(0));
    let others = all(db).await?.into_iter().filter(|other| other.id != id);
    (told.others, told.dead) = others.partition(Instance::is_alive);
    Ok(told)
}

/// When whoever leads last heard people, and what time it is.
///
/// # Errors
/// When the database refuses.
pub async fn heard(db: &mut Connection) -> Result<(Millis, Millis)> {
    let text = format!("SELECT heard_at, {NOW} FROM lease WHERE name = 'leader'");
    let row = sqlx::query(AssertSqlSafe(text)).fetch_one(db).await?;
    Ok((Millis(row.get(0)), Millis(row.get(1))))
}

/// Gives up the lease, if it is held by this instance.
///
/// # Errors
/// When the database refuses.
pub async fn give_up(db: &mut Connection, id: &str) -> Result<()> {
    sqlx::query("UPDATE lease SET until_at = 0 WHERE name = 'leader' AND holder = $1")
        .bind(id)
        .execute(db)
        .await?;
    Ok(())
}

/// Declares an instance dead that was last heard of at `heartbeat`: it may take no job and renew nothing any more.
/// `false` when it was heard of since. Call under [`super::Store::lock_claims`].
///
/// # Errors
/// When the database refuses.
pub async fn bury(db: &mut Connection, id: &str, heartbeat: Millis) -> Result<bool> {
    let buried = sqlx::query("UPDATE instances SET dead = 1 WHERE id = $1 AND heartbeat_at = $2")
        .bind(id)
        .bind(heartbeat.0)
        .execute(&mut *db)
        .await?;
    let buried = buried.rows_affected() == 1;
    if buried {
        give_up(db, id).await?;
    }
    Ok(buried)
}

/// Forgets an instance: it stopped in good order, or its jobs are settled.
///
/// # Errors
/// When the database refuses.
pub async fn remove(db: &mut Connection, id: &str) -> Result<()> {
    for text in [
        "DELETE FROM live WHERE instance = $1",
        "DELETE FROM instances WHERE id = $1",
    ] {
        sqlx::query(text).bind(id).execute(&mut *db).await?;
    }
    Ok(())
}

/// Whether the lease has this number still; it keeps it until the transaction ends.
///
/// # Errors
/// When the database refuses.
pub async fn holds(tx: &mut Tx, epoch: i64) -> Result<bool> {
    let row = sqlx::query("SELECT epoch FROM lease WHERE name = 'leader' AND epoch = $1 FOR SHARE")
        .bind(epoch)
        .fetch_optional(&mut **tx)
        .await?;
    Ok(row.is_some())
}

/// A fact about the database itself.
///
/// # Errors
/// When the database refuses.
pub async fn fact(db: &mut Connection, name: &str) -> Result<Option<String>> {
    let row = sqlx::query("SELECT value FROM facts WHERE name = $1")
        .bind(name)
        .fetch_optional(db)
        .await?;
    Ok(row.map(|row| row.get(0)))
}

/// Notes a fact about the database itself.
///
/// # Errors
/// When the database refuses.
pub async fn note(db: &mut Connection, name: &str, value: &str) -> Result<()> {
    sqlx::query(
        "INSERT INTO facts (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = $2",
    )
    .bind(name)
    .bind(value)
    .execute(db)
    .await?;
    Ok(())
}
