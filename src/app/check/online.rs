//! The parts of a check that are asked of others: the database, Telegram, and what is beside the bot.

use super::{Args, Part, owners};
use crate::app::{lock, wire};
use crate::base::ids::Place;
use crate::base::text::bytes;
use crate::base::time::Millis;
use crate::config::{Config, Database, Env, Telegram};
use crate::delivery::clients;
use crate::delivery::reach::{self, Identity};
use crate::drivers::web::Web;
use crate::http;
use crate::selftest::folder::{existing, me};
use crate::selftest::{outside, own, part, telegram};
use crate::store::{self, Inspection};
use futures::future::join_all;
use nix::unistd::{AccessFlags, access};
use std::io::ErrorKind;
use teloxide::prelude::{Bot, Requester};

pub(super) async fn look(config: &Config, env: &Env, args: &Args) -> Vec<Part> {
    let web = Web::default();
    let outside = outside::all(config, env, &web);
    let ((database, runs), telegram, outside) = tokio::join!(
        database(config),
        telegram_parts(&config.telegram, args),
        join_all(outside)
    );
    let port = port(config, runs).await.into_iter().collect();
    [database, port, telegram, outside]
        .into_iter()
        .flatten()
        .collect()
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
            let mut parts = vec![there(PART, &place, &found)];
            parts.extend(found.outbox.map(|found| own::backlog(found, Millis::now())));
            parts.push(Part::ok("bot", words));
            parts.push(owners(config, Some(found.owners)));
            (parts, runs)
        }
        Err(error) => (vec![own::away(&config.database, error)], false),
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
    let size = match &found.writable {
        Ok(size) => size.map_or_else(String::new, |size| format!(" · {}", bytes(size))),
        Err(error) => {
            return Part::fail(
                part,
                format!("{place} cannot be written: {error}"),
                "see to its permissions, its disk, and who else uses it",
            );
        }
    };
    match found.pending {
        0 => Part::ok(part, format!("{place} · opens, and can be written{size}")),
        many => Part::ok(
            part,
            format!(
                "{place} · opens, and can be written; the next start brings it up to date ({many} steps)"
            ),
        ),
    }
}

/// What Telegram is asked; the clock is compared, and the chat tried, when it knows us.
async fn telegram_parts(config: &Telegram, args: &Args) -> Vec<Part> {
    let bot = match clients::make(config) {
        Ok(clients) => clients.quick,
        Err(error) => {
            let words = format!("{error:#}");
            return vec![Part::fail("telegram", words, "`opsgram init` helps")];
        }
    };
    let mut known = false;
    let token = part("telegram", telegram::LATE, async {
        let identity = reach::identity(&bot, config).await;
        known = matches!(identity, Identity::Bot(_));
        telegram::token(identity, config)
    });
    let mut parts = vec![token.await];
    if !known {
        return parts;
    }
    let mut looks = vec![
        part(
            "webhook",
            telegram::LATE,
            webhook(&bot, args.delete_webhook),
        ),
        part("clock", telegram::LATE, telegram::clock(config)),
    ];
    if let Some(place) = args.send_to {
        looks.push(part("chat", telegram::SLOW, chat(&bot, config, place)));
    }
    parts.extend(join_all(looks).await);
    parts
}

async fn chat(bot: &Bot, config: &Telegram, place: Place) -> Part {
    let tried = reach::rehearse(bot, config, place, || std::future::ready(())).await;
    telegram::chat(place, tried)
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
