//! The parts of a check that are asked of others: the database, Telegram, the clock.

use super::places::{existing, me};
use super::{Part, owners};
use crate::app::{clients, lock, wire};
use crate::base::secret::ExposeSecret;
use crate::base::time::human;
use crate::config::{Config, Database, Telegram};
use crate::http;
use crate::store::{self, Inspection};
use chrono::{TimeDelta, Utc};
use nix::unistd::{AccessFlags, access};
use std::io::ErrorKind;
use teloxide::prelude::{Bot, Requester};
use teloxide::{ApiError, RequestError};

/// A clock that is further off than this makes commands look old, or certificates invalid.
const CLOCK: TimeDelta = TimeDelta::seconds(30);

pub(super) async fn look(config: &Config, delete_webhook: bool) -> Vec<Part> {
    let ((database, runs), telegram, clock) = tokio::join!(
        database(config),
        telegram(config, delete_webhook),
        clock(config)
    );
    let port = port(config, runs).await.into_iter().collect();
    let parts = [database, port, telegram, clock];
    parts.into_iter().flatten().collect()
}

/// The parts, and whether a bot runs on it.
async fn database(config: &Config) -> (Vec<Part>, bool) {
    const PART: &str = "database";
    let location = wire::location(&config.database);
    let place = match &config.database {
        Database::Sqlite { path } => path.display().to_string(),
        Database::Postgres { .. } => "PostgreSQL".to_owned(),
    };
    match store::inspect(&location).await {
        Ok(None) => {
            let parts = vec![not_there_yet(config, &place), owners(config, None)];
            (parts, false)
        }
        Ok(Some(found)) => {
            let runs = match &config.database {
                Database::Sqlite { path } => lock::is_taken(path),
                Database::Postgres { .. } => found.occupied,
            };
            let words = match runs {
                true => "a bot runs on this database",
                false => "no bot runs on this database",
            };
            let parts = vec![
                there(PART, &place, &found),
                Part::ok("bot", words),
                owners(config, Some(found.owners)),
            ];
            (parts, runs)
        }
        Err(error) => {
            let todo = match &config.database {
                Database::Sqlite { path } => {
                    format!("see that {} may read and write {}", me(), path.display())
                }
                Database::Postgres { .. } => {
                    "see that the server runs, and that user, password and database are right"
                        .to_owned()
                }
            };
            let error = anyhow::Error::new(error);
            let part = Part::fail(PART, format!("{place} · {error:#}"), todo);
            (vec![part], false)
        }
    }
}

/// The port for pushes; nothing when there is to be none.
async fn port(config: &Config, runs: bool) -> Option<Part> {
    const PART: &str = "port";
    let address = config.http.listen?;
    let bound = tokio::net::TcpListener::bind(address).await;
    Some(match bound {
        Ok(_) => Part::ok(PART, format!("{address} · free, for pushes")),
        Err(error) if error.kind() == ErrorKind::AddrInUse && runs => {
            Part::ok(PART, format!("{address} · taken, by the bot that runs"))
        }
        Err(error) => Part::fail(
            PART,
            format!("{address} cannot be listened at"),
            http::why(address, &error),
        ),
    })
}

fn not_there_yet(config: &Config, place: &str) -> Part {
    const PART: &str = "database";
    let Database::Sqlite { path } = &config.database else {
        return Part::ok(PART, place);
    };
    let folder = existing(path);
    match access(folder, AccessFlags::W_OK | AccessFlags::X_OK) {
        Ok(()) => Part::ok(PART, format!("{place} · will be made")),
        Err(_) => Part::fail(
            PART,
            format!("{place} cannot be made"),
            format!("let {} write {}", me(), folder.display()),
        ),
    }
}

fn there(part: &'static str, place: &str, found: &Inspection) -> Part {
    if found.unknown > 0 {
        return Part::fail(
            part,
            format!("{place} was changed by a newer opsgram"),
            "use that version, or the backup from before it",
        );
    }
    if let Err(error) = &found.writable {
        return Part::fail(
            part,
            format!("{place} cannot be written: {error}"),
            "see to its permissions, its disk, and who else uses it",
        );
    }
    match found.pending {
        0 => Part::ok(part, format!("{place} · opens, and can be written")),
        many => Part::ok(
            part,
            format!(
                "{place} · opens, and can be written; the next start brings it up to date ({many} steps)"
            ),
        ),
    }
}

async fn telegram(config: &Config, delete_webhook: bool) -> Vec<Part> {
    const PART: &str = "telegram";
    let bot = match clients::make(&config.telegram) {
        Ok(clients) => clients.quick,
        Err(error) => {
            return vec![Part::fail(
                PART,
                format!("{error:#}"),
                "`opsgram init` helps",
            )];
        }
    };
    let from = config.telegram.token_source.as_ref();
    let from = from.map_or_else(String::new, |source| format!(" (from {source})"));
    match bot.get_me().await {
        Ok(me) => vec![
            Part::ok(PART, format!("the token is @{}'s{from}", me.username())),
            webhook(&bot, delete_webhook).await,
        ],
        Err(RequestError::Api(ApiError::InvalidToken)) => vec![Part::fail(
            PART,
            format!("Telegram does not know this token{from}"),
            "ask @BotFather for it with /token",
        )],
        Err(error) => vec![Part::fail(
            PART,
            format!(
                "Telegram cannot be reached: {}",
                why(&error, &config.telegram)
            ),
            "see to the network, telegram.api_url and telegram.proxy",
        )],
    }
}

/// Why a call failed, in the words of what lies deepest: those above it repeat each other. Never with the token.
pub(in crate::app) fn why(error: &RequestError, telegram: &Telegram) -> String {
    let mut deepest: &dyn std::error::Error = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    let words = deepest.to_string();
    match &telegram.token {
        Some(token) => words.replace(token.expose_secret(), "•••"),
        None => words,
    }
}

async fn webhook(bot: &Bot, delete: bool) -> Part {
    const PART: &str = "webhook";
    let url = match bot.get_webhook_info().await {
        Ok(info) => info.url,
        Err(error) => {
            return Part::warn(PART, format!("cannot be asked for: {error}"), "try again");
        }
    };
    let Some(url) = url else {
        return Part::ok(PART, "none is set, so polling works");
    };
    let host = url.host_str().unwrap_or("somewhere").to_owned();
    if !delete {
        return Part::fail(
            PART,
            format!("one is set, to {host}, so polling is refused"),
            "if nothing else needs it, run `opsgram check --delete-webhook`",
        );
    }
    match bot.delete_webhook().await {
        Ok(_) => Part::ok(PART, format!("the one to {host} is deleted")),
        Err(error) => Part::fail(PART, format!("it cannot be deleted: {error}"), "try again"),
    }
}

/// Nothing, when Telegram cannot be reached or does not say: its own part tells that.
async fn clock(config: &Config) -> Vec<Part> {
    const PART: &str = "clock";
    let Ok(Some(theirs)) = clients::server_time(&config.telegram).await else {
        return Vec::new();
    };
    let off = (Utc::now() - theirs).abs();
    let shown = human(off.to_std().unwrap_or_default());
    vec![match off > CLOCK {
        true => Part::warn(
            PART,
            format!("{shown} away from Telegram's"),
            "set it, for example by `sudo timedatectl set-ntp true`",
        ),
        false => Part::ok(PART, "agrees with Telegram's"),
    }]
}
