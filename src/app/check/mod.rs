//! `opsgram check`: a line for each part, what is wrong with it, and what to do.

mod modes;
mod online;

use super::cli::{Outcome, runtime};
use crate::base::ids::{ChatId, Place, ThreadId};
use crate::base::role::Role;
use crate::base::time::human;
use crate::config::{self, Config, Env, Loaded};
use crate::selftest::{Part, State, folder};
use anyhow::Result;
use std::path::PathBuf;

/// What is checked, and how it is told.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The configuration; without it OPSGRAM_CONFIG, config/opsgram.yaml, or that of the installed bot.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Look at the file alone.
    #[arg(long)]
    offline: bool,
    /// Print one JSON object instead of lines.
    #[arg(long)]
    json: bool,
    /// If a webhook is set, delete it: while there is one, Telegram refuses polling.
    #[arg(long, conflicts_with = "offline")]
    delete_webhook: bool,
    /// Send a message to this chat, change it and remove it: a number as /chats and /whoami show it; CHAT:TOPIC for a topic.
    #[arg(
        long,
        value_name = "CHAT",
        value_parser = place,
        allow_hyphen_values = true,
        conflicts_with = "offline"
    )]
    send_to: Option<Place>,
}

/// Checks; the exit code is 0 when nothing fails, 1 when something does, 2 for a fault in the configuration.
pub(super) fn run(args: Args, env: &Env) -> Result<Outcome> {
    let file = args
        .config
        .clone()
        .unwrap_or_else(|| config::default_path(env));
    match config::load(&file, env) {
        Ok(loaded) => checked(&args, &loaded, env),
        Err(faults) => {
            if args.json {
                let part = Part::fail("configuration", faults.to_string(), "mend the file");
                print_json(Outcome::Fault, &[part])?;
            } else {
                eprintln!("{faults}");
            }
            Ok(Outcome::Fault)
        }
    }
}

fn checked(args: &Args, loaded: &Loaded, env: &Env) -> Result<Outcome> {
    let config = &loaded.config;
    let workflows = config.workflows().count();
    let mut scripts = match config.scripts.len() - workflows {
        1 => "1 script, there and executable".to_owned(),
        many => format!("{many} scripts, all there and executable"),
    };
    match workflows {
        0 => {}
        1 => scripts.push_str(" · 1 workflow"),
        many => scripts.push_str(&format!(" · {many} workflows")),
    }
    let words = format!("{} · {scripts}", loaded.file.display());
    let mut parts = vec![Part::ok("configuration", words)];
    if args.json {
        parts.extend(
            loaded.warnings.iter().map(|warning| {
                Part::warn("configuration", warning.to_string(), "look at this line")
            }),
        );
    } else {
        for warning in &loaded.warnings {
            eprintln!("warning: {warning}");
        }
    }
    if args.offline {
        parts.push(owners(config, None));
    } else {
        parts.push(folder::look(&config.data_dir));
        parts.extend(modes::look(loaded));
        parts.extend(runtime()?.block_on(online::look(config, env, args)));
    }
    let outcome = match parts.iter().any(|part| part.state == State::Fail) {
        true => Outcome::Failed,
        false => Outcome::Done,
    };
    if args.json {
        print_json(outcome, &parts)?;
    } else {
        print_lines(&parts);
    }
    Ok(outcome)
}

/// Reads a chat, and the topic in it if one is named.
fn place(text: &str) -> Result<Place, String> {
    let (chat, topic) = match text.split_once(':') {
        Some((chat, topic)) => (chat, Some(topic)),
        None => (text, None),
    };
    let wrong =
        || format!("`{text}` is no chat; write its number, such as 111, -100123 or -100123:7");
    let thread = topic.map(|topic| topic.parse().map(ThreadId).map_err(|_| wrong()));
    Ok(Place {
        chat: ChatId(chat.parse().map_err(|_| wrong())?),
        thread: thread.transpose()?,
    })
}

/// Who owns the bot by the file and, where it was looked at, by the database.
fn owners(config: &Config, in_database: Option<u64>) -> Part {
    let users = &config.access.users;
    let listed = users.iter().filter(|user| user.role == Role::Owner);
    let (listed, stored) = (listed.count(), in_database.unwrap_or(0));
    match (listed, stored, users.is_empty()) {
        (0, 0, true) => Part::warn(
            "owners",
            "nobody owns the bot yet",
            "`opsgram init` sets an owner; or start the bot and send it the claim code that its log shows",
        ),
        (0, 0, false) => Part::warn(
            "owners",
            "there are users, but no owner among them",
            "give one of them the role owner under access.users",
        ),
        (listed, 0, _) => Part::ok("owners", format!("{listed} by the file")),
        (listed, stored, _) => Part::ok(
            "owners",
            format!("{listed} by the file, {stored} by the database"),
        ),
    }
}

fn print_lines(parts: &[Part]) {
    for part in parts {
        let state = match part.state {
            State::Ok => "ok  ",
            State::Warn => "warn",
            State::Fail => "FAIL",
        };
        let took = part.took.map(|took| format!(" · {}", human(took)));
        println!(
            "{state} {} · {}{}",
            part.part,
            part.words,
            took.unwrap_or_default()
        );
        if let Some(todo) = &part.todo {
            println!("     → {todo}");
        }
    }
}

fn print_json(outcome: Outcome, parts: &[Part]) -> Result<()> {
    let whole = serde_json::json!({"ok": outcome == Outcome::Done, "parts": parts});
    println!("{}", serde_json::to_string_pretty(&whole)?);
    Ok(())
}
