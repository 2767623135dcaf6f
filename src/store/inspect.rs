//! Looks at a database that change nothing in it: one that is not open is neither made nor migrated, and what is written is
//! taken back.

use super::instances::{self, Instance};
use super::intents::{self, Found, Intent};
use super::{BUSY_TIMEOUT, Error, Location, MIGRATIONS_TABLE, Result, Store, migrator, waiting};
use crate::base::ids::{ChatId, UserId};
use crate::base::time::Millis;
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
    /// Whether it can be written, and what is read is what was written; its size in bytes, once it holds our tables.
    pub writable: Result<Option<u64>>,
    /// What waits to be sent, and what failed lately; once it holds our tables.
    pub outbox: Option<waiting::Backlog>,
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
    let ours = known == applied;
    let found = Inspection {
        outbox: match ours {
            true => Some(waiting::backlog(&mut db, Millis::now()).await?),
            false => None,
        },
        pending: known.difference(&applied).count(),
        unknown: applied.difference(&known).count(),
        owners,
        occupied: occupied(&mut db, location).await?,
        writable: try_to_write(&mut db, location, ours).await,
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

impl Store {
    /// Writes a row, reads it, and takes it back; the size of the database in bytes.
    ///
    /// # Errors
    /// When the database refuses, or what is read is not what was written.
    pub async fn try_out(&self) -> Result<u64> {
        let mut tx = self.begin().await?;
        write_and_read(&mut tx).await?;
        let size = size(&mut tx, &self.location).await?;
        tx.rollback().await?;
        Ok(size)
    }
}

/// Takes the lock of every change and gives it back; where our tables are, writes into one of them in between.
async fn try_to_write(
    db: &mut AnyConnection,
    location: &Location,
    ours: bool,
) -> Result<Option<u64>> {
    let mut tx = db.begin_with(location.begin()).await?;
    let found = match ours {
        true => {
            write_and_read(&mut tx).await?;
            Some(size(&mut tx, location).await?)
        }
        false => None,
    };
    tx.rollback().await?;
    Ok(found)
}

async fn write_and_read(db: &mut AnyConnection) -> Result<()> {
    let intent = Intent {
        id: ulid::Ulid::generate().to_string(),
        payload: "written, read and taken back".to_owned(),
        chat: ChatId(0),
        asker: UserId(0),
        expires_at: Millis(0),
    };
    intents::add(db, &intent, Millis(0)).await?;
    match intents::find(db, &intent.id).await? {
        Some(Found::Open(read)) if read == intent => Ok(()),
        Some(Found::Open(_) | Found::Used(_)) | None => {
            let words = "a row that reads differently from how it was written";
            Err(Error::Corrupt(words.to_owned()))
        }
    }
}

async fn size(db: &mut AnyConnection, location: &Location) -> Result<u64> {
    let query = match location {
        Location::Sqlite(_) => {
            "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()"
        }
        Location::Postgres(_) => "SELECT pg_database_size(current_database())",
    };
    let row = sqlx::query(query).fetch_one(db).await?;
    Ok(row.get::<i64, _>(0).unsigned_abs())
}
