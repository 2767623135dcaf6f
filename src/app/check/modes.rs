//! Files that others can read or write and should not.

use super::Part;
use crate::config::{Database, Loaded, TokenSource};
use std::fs;
use std::os::unix::fs::PermissionsExt;

/// Those that are open to others, or a word that none is.
pub(super) fn look(loaded: &Loaded) -> Vec<Part> {
    const PART: &str = "file modes";
    let config = &loaded.config;
    let token = match &config.telegram.token_source {
        Some(TokenSource::File(path)) => Some(path.as_path()),
        Some(TokenSource::Variable(_) | TokenSource::Credential(_)) | None => None,
    };
    let database = match &config.database {
        Database::Sqlite { path } => Some(path.as_path()),
        Database::Postgres { .. } => None,
    };
    let data = Some(config.data_dir.as_path());
    let mut wrong = Vec::new();
    for (path, forbidden, mode) in [
        (Some(loaded.file.as_path()), 0o022, "go-w"),
        (token, 0o077, "600"),
        (database, 0o007, "600"),
        (data, 0o007, "700"),
    ] {
        let Some(path) = path else { continue };
        let Ok(meta) = fs::metadata(path) else {
            continue;
        };
        if meta.permissions().mode() & forbidden != 0 {
            let shown = path.display();
            wrong.push(match forbidden {
                0o022 => Part::fail(
                    PART,
                    format!("others can write {shown}, and with it decide what the bot runs"),
                    format!("run `chmod {mode} {shown}`"),
                ),
                _ => Part::warn(
                    PART,
                    format!("others can read {shown}"),
                    format!("run `chmod {mode} {shown}`"),
                ),
            });
        }
    }
    if wrong.is_empty() {
        wrong.push(Part::ok(PART, "nothing is open to others"));
    }
    wrong
}
