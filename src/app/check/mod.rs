//! `opsgram check`: a line for each part, what is wrong with it, and what to do.

mod online;
mod places;

pub(super) use online::why;
pub(super) use places::existing;

use super::cli::{Outcome, runtime};
use crate::base::role::Role;
use crate::config::{self, Config, Env, Loaded};
use anyhow::Result;
use serde::Serialize;
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
}

/// How a part is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Ok,
    Warn,
    Fail,
}

/// A line of the check.
#[derive(Debug, Serialize)]
struct Part {
    part: &'static str,
    state: State,
    words: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    todo: Option<String>,
}

impl Part {
    fn ok(part: &'static str, words: impl Into<String>) -> Self {
        Self {
            part,
            state: State::Ok,
            words: words.into(),
            todo: None,
        }
    }

    fn warn(part: &'static str, words: impl Into<String>, todo: impl Into<String>) -> Self {
        Self {
            state: State::Warn,
            todo: Some(todo.into()),
            ..Self::ok(part, words)
        }
    }

    fn fail(part: &'static str, words: impl Into<String>, todo: impl Into<String>) -> Self {
        Self {
            state: State::Fail,
            ..Self::warn(part, words, todo)
        }
    }
}

/// Checks; the exit code is 0 when nothing fails, 1 when something does, 2 for a fault in the configuration.
pub(super) fn run(args: Args, env: &Env) -> Result<Outcome> {
    let file = args
        .config
        .clone()
        .unwrap_or_else(|| config::default_path(env));
    match config::load(&file, env) {
        Ok(loaded) => checked(&args, &loaded),
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

fn checked(args: &Args, loaded: &Loaded) -> Result<Outcome> {
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
        parts.extend(places::look(loaded));
        parts.extend(runtime()?.block_on(online::look(config, args.delete_webhook)));
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
        println!("{state} {} · {}", part.part, part.words);
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
