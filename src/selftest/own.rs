//! The parts that are the bot's own: its database, what waits to be sent, and its configuration.

use super::Part;
use super::folder::{self, me};
use crate::base::ids::UserId;
use crate::base::text::{bytes, shorten};
use crate::base::time::{Millis, human};
use crate::config::{Config, Database, Fault, Outcome, Reloads, Wanted};
use crate::drivers::patience;
use crate::store::waiting::{self, Backlog};
use crate::store::{self, Store};
use std::net::SocketAddr;
use std::time::Duration;

/// What to do about a database that does not answer.
pub(super) const LATE: &str = "see to the database";
/// What waits so long does not wait for its turn.
const LONG: Duration = Duration::from_secs(60);
/// The most that is shown of a fault, in UTF-16 units.
const SHOWN: usize = 200;

pub(super) async fn database(store: &Store, config: &Config) -> Part {
    const PART: &str = "database";
    match store.try_out().await {
        Err(error) => away(&config.database, error),
        Ok(size) => {
            let room = room(&config.database).await;
            let kind = kind(&config.database);
            let size = bytes(size);
            Part::ok(
                PART,
                format!("{kind} · written and read back · {size}{room}"),
            )
        }
    }
}

/// A database that cannot be used.
#[must_use]
pub fn away(database: &Database, error: store::Error) -> Part {
    const PART: &str = "database";
    let (place, todo) = match database {
        Database::Sqlite { path } => (
            path.display().to_string(),
            format!("see that {} may read and write {}", me(), path.display()),
        ),
        Database::Postgres { .. } => (
            "PostgreSQL".to_owned(),
            "see that the server runs, and that user, password and database are right".to_owned(),
        ),
    };
    let error = anyhow::Error::new(error);
    Part::fail(PART, format!("{place} · {error:#}"), todo)
}

fn kind(database: &Database) -> &'static str {
    match database {
        Database::Sqlite { .. } => "SQLite",
        Database::Postgres { .. } => "PostgreSQL",
    }
}

/// The room on the disk of the database, where that is one of this machine.
async fn room(database: &Database) -> String {
    let Database::Sqlite { path } = database else {
        return String::new();
    };
    let asked = path.clone();
    let free = patience::ask("the database's disk", super::OWN_LIMIT, move || {
        folder::free(folder::existing(&asked))
    });
    match free.await {
        Some(Ok(free)) => format!(" · {} free", bytes(free)),
        Some(Err(_)) | None => String::new(),
    }
}

pub(super) async fn outbox(store: &Store) -> Part {
    let now = Millis::now();
    let found = async {
        let mut db = store.read().await?;
        waiting::backlog(&mut db, now).await
    };
    match found.await {
        Ok(found) => backlog(found, now),
        Err(error) => Part::fail(
            "outbox",
            format!("it cannot be read: {:#}", anyhow::Error::new(error)),
            LATE,
        ),
    }
}

/// What waits to be sent, and what failed.
#[must_use]
pub fn backlog(found: Backlog, now: Millis) -> Part {
    const PART: &str = "outbox";
    let mut words = match (found.waiting, found.since) {
        (0, _) | (_, None) => "nothing waits to be sent".to_owned(),
        (1, Some(since)) => format!("1 message waits, for {}", human(now.since(since))),
        (many, Some(since)) => format!(
            "{many} messages wait, the oldest for {}",
            human(now.since(since))
        ),
    };
    match found.failed {
        0 => words.push_str(", none failed within a day"),
        failed => words.push_str(&format!(", {failed} failed within a day")),
    }
    let is_late = found.since.is_some_and(|since| now.since(since) > LONG);
    match is_late || found.failed > 0 {
        true => Part::warn(PART, words, "/outbox shows why, and tries again"),
        false => Part::ok(PART, words),
    }
}

/// The port for pushes, where there is to be one.
pub(super) fn port(listen: Option<SocketAddr>, closed: Option<String>) -> Option<Part> {
    const PART: &str = "pushes";
    let address = listen?;
    Some(match closed {
        None => Part::ok(PART, format!("they can come, at {address}")),
        Some(why) => Part::fail(
            PART,
            format!("none can come: {why}"),
            "see http.listen in the configuration",
        ),
    })
}

pub(super) async fn configuration(reloads: &Reloads, asker: UserId) -> Part {
    const PART: &str = "configuration";
    let Some(file) = reloads.file() else {
        return Part::ok(PART, "no file: the bot was started without one");
    };
    let file = file.display();
    match reloads.ask(Wanted::Check, Some(asker)).await {
        None => Part::fail(
            PART,
            "nobody reads the file any more",
            "start the bot again",
        ),
        Some(Outcome::NotNow(why)) => Part::warn(PART, why, "/config check looks again"),
        Some(Outcome::Faulty(faults)) => {
            let first = faults
                .iter()
                .next()
                .map_or_else(String::new, Fault::in_short);
            let count = match faults.iter().count() {
                1 => "1 fault".to_owned(),
                many => format!("{many} faults"),
            };
            Part::fail(
                PART,
                format!(
                    "{file} is not in force, it has {count}: {}",
                    shorten(&first, SHOWN)
                ),
                "/config check shows where",
            )
        }
        Some(Outcome::Good(found)) if !found.is_empty() => Part::warn(
            PART,
            format!("{file} has changes that are not in force"),
            "/reload takes them",
        ),
        Some(Outcome::Good(found)) if !found.restart.is_empty() => Part::warn(
            PART,
            format!(
                "{file} has changes that need a restart: {}",
                found.restart.join(", ")
            ),
            "start the bot again when it suits",
        ),
        Some(Outcome::Good(_)) => Part::ok(PART, format!("{file} is in force, and has no fault")),
    }
}
