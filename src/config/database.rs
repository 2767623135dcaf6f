//! The key `database`: a SQLite file, or a PostgreSQL server.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use url::Url;

use super::Paths;
use super::fault::{At, Report};
use super::map::Map;
use super::read::{absolute, text};
use crate::base::secret::{ExposeSecret, SecretString};

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

/// A file with the password of the server, so that one secret serves both the server and the bot.
const PASSWORD: &str = "OPSGRAM_DATABASE_PASSWORD_FILE";
/// More than any password; a larger file is not one.
const MAX_PASSWORD: u64 = 4096;

pub(super) fn read(root: &mut Map<'_>, paths: &Paths<'_>, report: &mut Report) -> Database {
    let base = paths.base;
    let node = root.get("database");
    let written = node.and_then(|node| text(node, "database", report));
    let found = parse(written.unwrap_or(DEFAULT), base);
    if let (None, Some(node), Some(_)) = (&found, node, written) {
        report.fault(
            &node.at,
            "`database` is not an address; write sqlite://data/opsgram.db (a file), or postgres://user@host/db",
        );
    }
    let found = found.unwrap_or_else(|| Database::Sqlite {
        path: absolute(base, "data/opsgram.db"),
    });
    match paths.env.get(PASSWORD).filter(|file| !file.is_empty()) {
        Some(file) => with_password(found, &absolute(base, file), report),
        None => found,
    }
}

fn with_password(found: Database, file: &Path, report: &mut Report) -> Database {
    let at = At::Variable(PASSWORD.to_owned());
    let Database::Postgres { url } = &found else {
        report.warn(
            &at,
            "this password is not used; `database` is a file, not a server",
        );
        return found;
    };
    let mut password = String::new();
    let read = File::open(file).and_then(|f| f.take(MAX_PASSWORD).read_to_string(&mut password));
    let url = Url::parse(url.expose_secret());
    let password = password.trim_end_matches(['\r', '\n']);
    let wrong = match (read, url) {
        (Err(error), _) => {
            let file = file.display();
            format!("the password cannot be read from {file} ({error})")
        }
        (Ok(_), _) if password.is_empty() => {
            format!("{} is empty; put the password there", file.display())
        }
        (Ok(_), Ok(mut url)) => match url.set_password(Some(password)) {
            Ok(()) => {
                let url = SecretString::from(url.to_string());
                return Database::Postgres { url };
            }
            Err(()) => {
                "a password needs a host in `database`; write postgres://user@host/db".to_owned()
            }
        },
        (Ok(_), Err(error)) => format!("`database` is not an address ({error})"),
    };
    report.fault(&at, wrong);
    found
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
