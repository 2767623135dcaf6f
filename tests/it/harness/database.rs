//! A database of its own for each test.

use sqlx::{Connection, Executor, PgConnection};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

static NEXT: AtomicU32 = AtomicU32::new(0);

/// Where a test keeps its state.
pub enum Database {
    /// A file in the test's folder.
    Sqlite,
    /// A database on the server that `scripts/test.sh` started.
    Postgres { name: String },
}

impl Database {
    pub fn sqlite() -> Self {
        Self::Sqlite
    }

    pub async fn postgres() -> Self {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("it_{}_{number}", std::process::id());
        let mut server = PgConnection::connect(&server()).await.unwrap();
        let make = format!("CREATE DATABASE {name}");
        server.execute(sqlx::AssertSqlSafe(make)).await.unwrap();
        Self::Postgres { name }
    }

    /// The address, for the configuration.
    pub fn url(&self, folder: &Path) -> String {
        match self {
            Self::Sqlite => format!("sqlite://{}", folder.join("data/opsgram.db").display()),
            Self::Postgres { name } => {
                let server = server();
                let (before, _) = server.rsplit_once('/').unwrap();
                format!("{before}/{name}")
            }
        }
    }

    /// Removes it; a file goes with its folder.
    pub async fn drop(&self) {
        if let Self::Postgres { name } = self {
            let mut server = PgConnection::connect(&server()).await.unwrap();
            let end = format!("DROP DATABASE {name} WITH (FORCE)");
            server.execute(sqlx::AssertSqlSafe(end)).await.unwrap();
        }
    }
}

fn server() -> String {
    std::env::var("OPSGRAM_TEST_POSTGRES").expect(
        "the tests need PostgreSQL: run them by scripts/test.sh, or set OPSGRAM_TEST_POSTGRES \
         to postgres://user@host:port/postgres",
    )
}
