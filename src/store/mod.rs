//! The database behind one door: opening, migrating, transactions. Every query is a function in the file of its table.
//!
//! One query text serves SQLite and PostgreSQL (`sqlx::Any`), so columns are BIGINT, TEXT or DOUBLE PRECISION only.
//! On SQLite all writes share one connection, queued in order, so that they never meet each other's lock.

pub mod audit;
pub mod broadcasts;
pub mod ceilings;
pub mod chats;
pub mod checks;
pub mod dialogs;
pub mod freeze;
pub mod history;
pub mod inbox;
pub mod incidents;
mod inspect;
pub mod instances;
pub mod intents;
pub mod invites;
pub mod jobs;
pub mod kept;
pub mod live;
pub mod locks;
pub mod members;
pub mod outbox;
pub mod people;
pub mod presence;
pub mod pushes;
pub mod retention;
pub mod samples;
pub mod schedules;
pub mod silences;
pub mod subscriptions;
pub mod undo;
pub mod waiting;
pub mod workflows;

pub use inspect::{Inspection, inspect};

use presence::Presence;
use sqlx::any::AnyPoolOptions;
use sqlx::migrate::MigrateError;
use sqlx::{AnyConnection, AnyPool, Connection as _};
use std::fs::{DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A transaction; rolled back when dropped without [`Store::commit`].
pub type Tx = sqlx::Transaction<'static, sqlx::Any>;
/// A connection that the query functions of the table files take; a [`Tx`] dereferences to one.
pub type Connection = AnyConnection;
/// The result of a query.
pub type Result<T> = std::result::Result<T, Error>;

/// Table in which our migrations are recorded; apalis keeps its own in the default one.
const MIGRATIONS_TABLE: &str = "opsgram_migrations";
/// How long a writer waits for another process that holds SQLite's lock.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a caller waits for a free connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);
/// Whoever leaves a transaction on PostgreSQL alone for so long is stopped or cut off: the database gives it up.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);
/// Arbitrary key of the PostgreSQL advisory lock under which jobs are claimed.
const CLAIM_LOCK: i64 = 0x6f70_7367;

/// A failed query, told apart by what a person can do about it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No room on the disk of the database.
    #[error("the disk of the database is full")]
    Full(#[source] sqlx::Error),
    /// Another process holds the database's lock.
    #[error("the database is locked by another process")]
    Locked(#[source] sqlx::Error),
    /// The connection was lost in the middle, or the database gave it up, as it does with a transaction that stood still for
    /// long. Nothing of the transaction holds; when it was being committed, nobody can tell.
    #[error("the connection to the database was lost")]
    Cut(#[source] sqlx::Error),
    /// No connection could be had in time; nothing was done.
    #[error("no connection to the database was free in time")]
    Busy(#[source] sqlx::Error),
    /// Anything else.
    #[error(transparent)]
    Other(sqlx::Error),
    /// Another instance leads by now; what only the leader may write was not written.
    #[error("another instance leads by now")]
    Deposed,
    /// The schema could not be brought up to date.
    #[error("migrating the database")]
    Migrate(#[source] MigrateError),
    /// A stored value that this version cannot read.
    #[error("the database holds {0}")]
    Corrupt(String),
}

impl Error {
    /// Whether what failed is worth doing once more at once: when the whole machine was paused, connections were given up
    /// and time ran out meanwhile.
    #[must_use]
    pub fn passes(&self) -> bool {
        matches!(self, Self::Cut(_) | Self::Busy(_))
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        if is_cut(&error) {
            return Self::Cut(error);
        }
        let (code, message) = match &error {
            sqlx::Error::Database(db) => (
                db.code().unwrap_or_default().into_owned(),
                db.message().to_owned(),
            ),
            sqlx::Error::PoolTimedOut => return Self::Busy(error),
            _ => return Self::Other(error),
        };
        // SQLite's primary result codes are the low byte of the extended ones: 5 BUSY, 6 LOCKED, 13 FULL, 10 IOERR.
        // PostgreSQL's 53100 is disk_full, 55P03 lock_not_available.
        let primary = code.parse::<i64>().map(|code| code & 0xff);
        if primary == Ok(13) || code == "53100" || message.contains("disk is full") {
            Self::Full(error)
        } else if matches!(primary, Ok(5 | 6)) && code.len() < 5 || code == "55P03" {
            Self::Locked(error)
        } else {
            Self::Other(error)
        }
    }
}

impl From<MigrateError> for Error {
    fn from(error: MigrateError) -> Self {
        match error {
            MigrateError::Execute(cause) | MigrateError::ExecuteMigration(cause, _)
                if is_cut(&cause) =>
            {
                Self::Cut(cause)
            }
            error => Self::Migrate(error),
        }
    }
}

/// Whether a connection that was there is not any more.
fn is_cut(error: &sqlx::Error) -> bool {
    match error {
        // PostgreSQL's idle_in_transaction_session_timeout, admin_shutdown and crash_shutdown.
        sqlx::Error::Database(db) => {
            matches!(db.code().as_deref(), Some("25P03" | "57P01" | "57P02"))
        }
        sqlx::Error::Io(io) => matches!(
            io.kind(),
            io::ErrorKind::UnexpectedEof
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionAborted
                | io::ErrorKind::BrokenPipe
        ),
        _ => false,
    }
}

impl From<Error> for crate::base::error::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Full(_) => Self::refused(
                "My disk is full, so I could not write this down and have not done it. \
                 Free some space on the server and send it again.",
            ),
            Error::Locked(_) => Self::refused(
                "My database is locked by another program, so I have not done this. \
                 Try again in a moment.",
            ),
            Error::Cut(_)
            | Error::Busy(_)
            | Error::Other(_)
            | Error::Deposed
            | Error::Migrate(_)
            | Error::Corrupt(_) => Self::Internal(anyhow::Error::new(error)),
        }
    }
}

/// Where the database is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// A file; its folder is made when missing.
    Sqlite(PathBuf),
    /// A PostgreSQL URL, `postgres://user@host/db`.
    Postgres(String),
}

impl Location {
    /// How a transaction for writing begins.
    fn begin(&self) -> &'static str {
        match self {
            // IMMEDIATE takes the write lock now, so that a later statement cannot fail half-way for want of it.
            Location::Sqlite(_) => "BEGIN IMMEDIATE",
            Location::Postgres(_) => "BEGIN",
        }
    }
}

/// The open database. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    read: AnyPool,
    write: AnyPool,
    location: Location,
    presence: Presence,
}

impl Store {
    /// Opens the database, creates it when missing (SQLite), and brings its schema up to date.
    ///
    /// # Errors
    /// When it cannot be opened or migrated; nothing is left half-migrated.
    pub async fn open(location: Location) -> Result<Self> {
        match Self::try_to_open(location.clone()).await {
            // What was migrated stays; it goes on with the step that was cut off.
            Err(error) if error.passes() => {
                tracing::warn!(%error, "the database is opened once more");
                Self::try_to_open(location).await
            }
            opened => opened,
        }
    }

    async fn try_to_open(location: Location) -> Result<Self> {
        sqlx::any::install_default_drivers();
        let (read, write) = match &location {
            Location::Sqlite(path) => open_sqlite(path).await?,
            Location::Postgres(url) => {
                let pool = open_postgres(url).await?;
                (pool.clone(), pool)
            }
        };
        let presence = match &location {
            Location::Sqlite(_) => Presence::sole(),
            Location::Postgres(_) => Presence::shared(),
        };
        let store = Self {
            read,
            write,
            location,
            presence,
        };
        store.migrate().await?;
        Ok(store)
    }

    /// What this instance may do, among others on this database.
    #[must_use]
    pub fn presence(&self) -> &Presence {
        &self.presence
    }

    /// A connection of its own, which waits for no pool; for the heartbeats.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn connect(&self) -> Result<Connection> {
        let url = match &self.location {
            Location::Sqlite(path) => format!("sqlite://{}", path.display()),
            Location::Postgres(url) => url.clone(),
        };
        Ok(AnyConnection::connect(&url).await?)
    }

    /// Sees to it that this instance leads until the transaction ends: what only the leader may write is written by it
    /// before another leads, or not at all. Where there can be no other, nothing is asked.
    ///
    /// # Errors
    /// [`Error::Deposed`] when another leads by now.
    pub async fn fence(&self, tx: &mut Tx) -> Result<()> {
        if !self.presence.is_shared() {
            return Ok(());
        }
        let epoch = self.presence.led().ok_or(Error::Deposed)?;
        match instances::holds(tx, epoch).await? {
            true => Ok(()),
            false => Err(Error::Deposed),
        }
    }

    /// Where this database is.
    #[must_use]
    pub fn location(&self) -> &Location {
        &self.location
    }

    /// A connection for reading.
    ///
    /// # Errors
    /// When none is free in time or the database is away.
    pub async fn read(&self) -> Result<sqlx::pool::PoolConnection<sqlx::Any>> {
        Ok(self.read.acquire().await?)
    }

    /// A transaction for writing, durable once committed (`synchronous=FULL` on SQLite).
    ///
    /// # Errors
    /// When none can be had in time or the database is away.
    pub async fn begin(&self) -> Result<Tx> {
        Ok(self.write.begin_with(self.location.begin()).await?)
    }

    /// The same for what only the leader does, such as what a person asked for: it is written before another leads, or not
    /// at all. Outside the instances, as on the command line, it is [`Store::begin`].
    ///
    /// # Errors
    /// [`Error::Deposed`] when another leads by now; else as [`Store::begin`].
    pub async fn begin_led(&self) -> Result<Tx> {
        let mut tx = self.begin().await?;
        if self.presence.has_joined() {
            self.fence(&mut tx).await?;
        }
        Ok(tx)
    }

    /// Makes the transaction's changes durable.
    ///
    /// # Errors
    /// When the database refuses; then nothing of the transaction holds.
    pub async fn commit(&self, tx: Tx) -> Result<()> {
        Ok(tx.commit().await?)
    }

    /// Holds back other claims of jobs until the transaction ends, so that counting and claiming are one step.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn lock_claims(&self, tx: &mut Tx) -> Result<()> {
        if let Location::Postgres(_) = self.location {
            sqlx::query("SELECT pg_advisory_xact_lock($1)")
                .bind(CLAIM_LOCK)
                .execute(&mut **tx)
                .await?;
        }
        Ok(())
    }

    /// Closes all connections; on SQLite the write-ahead log is folded into the file.
    pub async fn close(&self) {
        self.read.close().await;
        self.write.close().await;
    }

    async fn migrate(&self) -> Result<()> {
        Ok(migrator(&self.location).run(&self.write).await?)
    }
}

fn migrator(location: &Location) -> sqlx::migrate::Migrator {
    let mut migrator = match location {
        Location::Sqlite(_) => sqlx::migrate!("migrations/sqlite"),
        Location::Postgres(_) => sqlx::migrate!("migrations/postgres"),
    };
    migrator.dangerous_set_table_name(MIGRATIONS_TABLE);
    migrator
}

fn options(connections: u32) -> AnyPoolOptions {
    AnyPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        // SQLite itself rolls back when the disk is full; the driver's own rollback then fails, and it takes the
        // connection for still inside the transaction, for ever. Such a connection is replaced.
        .before_acquire(|connection, _| {
            Box::pin(async move { Ok(!connection.is_in_transaction()) })
        })
}

/// Makes an empty file that nobody else can read, and its folder, unless they are there. SQLite gives the same rights
/// to the files beside it.
///
/// # Errors
/// The disk's.
pub fn make_private(file: &Path) -> io::Result<()> {
    if let Some(folder) = file.parent() {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
    }
    let made = OpenOptions::new()
        .create_new(true)
        .write(true)
        .mode(0o600)
        .open(file);
    match made {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        Ok(_) | Err(_) => Ok(()),
    }
}

async fn open_postgres(url: &str) -> Result<AnyPool> {
    let options = options(8).after_connect(|connection, _| {
        Box::pin(async move {
            // A paused process must not hold what others wait for, such as the lease.
            let limit = format!(
                "SET idle_in_transaction_session_timeout = {}",
                IDLE_TIMEOUT.as_millis()
            );
            sqlx::query(sqlx::AssertSqlSafe(limit))
                .execute(connection)
                .await?;
            Ok(())
        })
    });
    Ok(options.connect(url).await?)
}

async fn open_sqlite(path: &Path) -> Result<(AnyPool, AnyPool)> {
    make_private(path).map_err(|error| Error::Other(sqlx::Error::Io(error)))?;
    let url = format!("sqlite://{}?mode=rwc", path.display());
    let sqlite = |connections: u32| {
        // A connection to a file does not go stale; asking it each time whether it lives costs as much as a query.
        let options = options(connections).test_before_acquire(false);
        options.after_connect(|connection, _| {
            Box::pin(async move {
                for pragma in [
                    "PRAGMA journal_mode = WAL",
                    "PRAGMA synchronous = FULL",
                    "PRAGMA foreign_keys = ON",
                    // In KiB: what is read again soon is in the system's own cache.
                    "PRAGMA cache_size = -1024",
                ] {
                    sqlx::query(pragma).execute(&mut *connection).await?;
                }
                let wait = format!("PRAGMA busy_timeout = {}", BUSY_TIMEOUT.as_millis());
                sqlx::query(sqlx::AssertSqlSafe(wait))
                    .execute(&mut *connection)
                    .await?;
                Ok(())
            })
        })
    };
    let write = sqlite(1).connect(&url).await?;
    let read = sqlite(3).connect(&url).await?;
    Ok((read, write))
}
