//! A look at a database that changes nothing in it: it is neither made nor migrated.

use super::instances::{self, Instance};
use super::{BUSY_TIMEOUT, Error, Location, MIGRATIONS_TABLE, Result, migrator};
use sqlx::{AnyConnection, Connection as _, Row as _};
use std::collections::BTreeSet;
use std::time::Duration;

/// A server that takes longer is not there.
const CONNECT: Duration = Duration::from_secs(10);

/// What was found.
#[derive(Debug)]
pub struct Inspection {
    /// Changes of the schema that the next start makes.
    pub pending: usize,
    /// Changes of the schema that only a newer version knows.
    pub unknown: usize,
    /// Whether it can be written.
    pub writable: Result<()>,
    /// How many owners it holds.
    pub owners: u64,
    /// On PostgreSQL: whether a bot runs on it.
    pub occupied: bool,
}

/// Looks; `None` when there is no database file yet.
///
/// # Errors
/// When it is there and cannot be read, or the server cannot be reached.
pub async fn inspect(location: &Location) -> Result<Option<Inspection>> {
    sqlx::any::install_default_drivers();
    let url = match location {
        Location::Sqlite(path) if !path.exists() => return Ok(None),
        Location::Sqlite(path) => format!("sqlite://{}?mode=rw", path.display()),
        Location::Postgres(url) => url.clone(),
    };
    let connecting = tokio::time::timeout(CONNECT, AnyConnection::connect(&url));
    let mut db = connecting.await.map_err(|_| {
        let late = std::io::Error::new(std::io::ErrorKind::TimedOut, "no answer in 10 s");
        Error::Other(sqlx::Error::Io(late))
    })??;
    if let Location::Sqlite(_) = location {
        let wait = format!("PRAGMA busy_timeout = {}", BUSY_TIMEOUT.as_millis());
        sqlx::query(sqlx::AssertSqlSafe(wait))
            .execute(&mut db)
            .await?;
    }
    let applied = applied(&mut db).await?;
    let known: BTreeSet<i64> = migrator(location).iter().map(|m| m.version).collect();
    let owners = match applied.is_empty() {
        true => 0,
        false => owners(&mut db).await?,
    };
    let found = Inspection {
        pending: known.difference(&applied).count(),
        unknown: applied.difference(&known).count(),
        owners,
        occupied: occupied(&mut db, location).await?,
        writable: try_to_write(&mut db, location).await,
    };
    db.close().await?;
    Ok(Some(found))
}

async fn applied(db: &mut AnyConnection) -> Result<BTreeSet<i64>> {
    let query = format!("SELECT version FROM {MIGRATIONS_TABLE}");
    match sqlx::query(sqlx::AssertSqlSafe(query)).fetch_all(db).await {
        Ok(rows) => Ok(rows.iter().map(|row| row.get(0)).collect()),
        // Nothing of ours is in it yet.
        Err(sqlx::Error::Database(error))
            if error.code().as_deref() == Some("42P01")
                || error.message().contains("no such table") =>
        {
            Ok(BTreeSet::new())
        }
        Err(error) => Err(error.into()),
    }
}

async fn owners(db: &mut AnyConnection) -> Result<u64> {
    let row = sqlx::query("SELECT COUNT(*) FROM members WHERE role = 'owner'")
        .fetch_one(db)
        .await?;
    Ok(row.get::<i64, _>(0).unsigned_abs())
}

async fn occupied(db: &mut AnyConnection, location: &Location) -> Result<bool> {
    let Location::Postgres(_) = location else {
        return Ok(false);
    };
    let there = instances::exist(db).await?;
    Ok(there && instances::all(db).await?.iter().any(Instance::is_alive))
}

/// Takes the lock of every change, and gives it back.
async fn try_to_write(db: &mut AnyConnection, location: &Location) -> Result<()> {
    let way = match location {
        Location::Sqlite(_) => "BEGIN IMMEDIATE",
        Location::Postgres(_) => "BEGIN",
    };
    let tx = db.begin_with(way).await?;
    Ok(tx.rollback().await?)
}
