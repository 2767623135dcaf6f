//! The key `database`: a SQLite file, or a PostgreSQL server.

use std::path::{Path, PathBuf};

use url::Url;

use super::fault::Report;
use super::map::Map;
use super::read::{absolute, text};
use crate::base::secret::SecretString;

/// Where the state is kept.
#[derive(Clone)]
pub enum Database {
    /// A file on this machine.
    Sqlite {
        /// The file, absolute; it need not exist yet.
        path: PathBuf,
    },
    /// A PostgreSQL server.
    Postgres {
        /// The address, which may hold a password.
        url: SecretString,
    },
}

const DEFAULT: &str = "sqlite://data/opsgram.db";

pub(super) fn read(root: &mut Map<'_>, base: &Path, report: &mut Report) -> Database {
    let node = root.get("database");
    let written = node.and_then(|node| text(node, "database", report));
    let found = parse(written.unwrap_or(DEFAULT), base);
    if let (None, Some(node), Some(_)) = (&found, node, written) {
        report.fault(
            &node.at,
            "`database` is not an address; write sqlite://data/opsgram.db (a file), or postgres://user@host/db",
        );
    }
    found.unwrap_or_else(|| Database::Sqlite {
        path: absolute(base, "data/opsgram.db"),
    })
}

fn parse(written: &str, base: &Path) -> Option<Database> {
    if written.starts_with("postgres://") || written.starts_with("postgresql://") {
        Url::parse(written).ok()?;
        let url = SecretString::from(written);
        return Some(Database::Postgres { url });
    }
    let path = written.strip_prefix("sqlite:")?;
    let path = path.strip_prefix("//").unwrap_or(path);
    let bad = path.is_empty() || path.ends_with('/') || path.contains(['?', '#', ':']);
    (!bad).then(|| Database::Sqlite {
        path: absolute(base, path),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_or_refused() {
        let file = |written| match parse(written, Path::new("/base")) {
            Some(Database::Sqlite { path }) => path.display().to_string(),
            Some(Database::Postgres { .. }) => "postgres".to_owned(),
            None => "none".to_owned(),
        };
        assert_eq!(file("sqlite://data/opsgram.db"), "/base/data/opsgram.db");
        assert_eq!(file("sqlite:/var/o.db"), "/var/o.db");
        assert_eq!(file("sqlite:///var/o.db"), "/var/o.db");
        assert_eq!(file("postgres://u:p@host/db"), "postgres");
        assert_eq!(file("postgresql:///db?host=/run/postgresql"), "postgres");
        for bad in [
            "",
            "opsgram.db",
            "mysql://h/d",
            "sqlite:",
            "sqlite::memory:",
            "sqlite://a.db?mode=rwc",
            "postgres://[bad",
        ] {
            assert_eq!(file(bad), "none", "{bad}");
        }
    }
}
