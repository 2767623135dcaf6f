//! The command line.

use super::{App, Options, check, health, init, manual, trial, user};
use crate::base::secret::ExposeSecret;
use crate::config::{self, Check, Config, Env, Loaded};
use crate::delivery::clients;
use crate::telemetry;
use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use clap_complete::Shell;
use std::path::PathBuf;
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// How a command ended, as the exit code tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// 0: it is done, or all is well.
    Done,
    /// 1: it failed, or something is not well.
    Failed,
    /// 2: a fault in the configuration or on the command line.
    Fault,
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Done => ExitCode::SUCCESS,
            Outcome::Failed => ExitCode::from(1),
            Outcome::Fault => ExitCode::from(2),
        }
    }
}

/// Runs your scripts from Telegram; no command is lost, none runs twice.
#[derive(Debug, Parser)]
#[command(
    version,
    about,
    after_help = "\
Examples:
  opsgram sandbox --say \"/run hello\"   try it: no token, no internet
  opsgram init                         set it up: the token, the owner, the file
  opsgram check                        see whether everything works
  opsgram serve                        run the bot"
)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Set the bot up: ask for the token, learn who the owner is, write the configuration.
    #[command(after_help = "\
Examples:
  opsgram init                             asks, and writes config/opsgram.yaml
  sudo opsgram init                        for the installed service, in /etc/opsgram
  opsgram init --token-file token.txt --owner 111 --name ann
                                           asks nothing

The token comes from --token-file, OPSGRAM_TELEGRAM_TOKEN or OPSGRAM_TELEGRAM_TOKEN_FILE; otherwise it is asked for and
not shown. Files are written with mode 0600, whole or not at all.")]
    Init(init::Args),
    /// Run the bot.
    #[command(after_help = "\
Examples:
  OPSGRAM_TELEGRAM_TOKEN=… opsgram serve
  opsgram serve --config /etc/opsgram/opsgram.yaml

It stops on SIGTERM or Ctrl-C: running jobs get jobs.grace to finish.")]
    Serve {
        /// The configuration; without it OPSGRAM_CONFIG, config/opsgram.yaml, or that of the installed bot.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Try the bot against a Telegram of its own, in the browser or here: no token, no internet.
    #[command(after_help = format!("\
Examples:
  opsgram sandbox                                     a chat page at http://127.0.0.1:8090/
  opsgram sandbox --terminal                          a chat in this terminal
  opsgram sandbox --say \"/run hello\"                  send a command, see the answer, end
  opsgram sandbox --say \"/run deploy api\" --say \"[Run]\"   press a button by its words

In the chat in the terminal, and in --say:
{}", trial::FORMS))]
    Sandbox(trial::Args),
    /// See whether everything works: configuration, files, database, token, webhook, clock, Docker, ssh, GitHub.
    #[command(after_help = "\
Examples:
  opsgram check                            a line for each part, and what to do
  opsgram check --send-to 111              also a test message, which is changed and removed
  opsgram check --offline                  the file alone
  opsgram check --json | jq .ok            for programs

Exit code: 0 when nothing fails, 1 when something does, 2 for a fault in the configuration. Nothing is made or
changed; /selftest in the chat also tries the queue of the running bot.")]
    Check(check::Args),
    /// Say how the running bot is, from the file that it keeps about it.
    #[command(after_help = "\
Examples:
  opsgram health                           exit code 0 when it serves commands, 1 when not
  opsgram health --data-dir /var/lib/opsgram")]
    Health(health::Args),
    /// Say who may use the bot; works while it runs.
    #[command(after_help = "\
Examples:
  opsgram user list
  opsgram user add 111 --role owner --name ann
  opsgram user remove ann

Persons whom the configuration names are changed there.")]
    User(user::Args),
    /// Print the JSON Schema of the configuration.
    #[command(after_help = "\
Example:
  opsgram schema > config/opsgram.schema.json")]
    Schema,
    /// Print the completions of a shell.
    #[command(after_help = "\
Examples:
  opsgram completions bash > /etc/bash_completion.d/opsgram
  opsgram completions fish > ~/.config/fish/completions/opsgram.fish")]
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Print the man page, or write a page for each command into a folder.
    #[command(after_help = "\
Examples:
  opsgram man | man -l -                   read it
  opsgram man /usr/local/share/man/man1    install them")]
    Man {
        /// Where the pages go; without it the main one is printed.
        #[arg(value_name = "DIR")]
        folder: Option<PathBuf>,
    },
}

impl Cli {
    /// Does what was asked: exit code 0 for success, 1 for a failure, 2 for a fault in the configuration.
    #[must_use]
    pub fn run(self) -> ExitCode {
        let env = Env::capture();
        match self.command.run(env) {
            Ok(outcome) => outcome.into(),
            Err(error) => {
                eprintln!("opsgram: {error:#}");
                Outcome::Failed.into()
            }
        }
    }
}

impl Command {
    fn run(self, env: Env) -> Result<Outcome> {
        match self {
            Command::Init(args) => init::run(args, &env),
            Command::Serve { config } => match load(config, &env) {
                // Only a person can give it, so no new start is worth a try.
                Ok(loaded) if loaded.config.telegram.token.is_none() => {
                    eprintln!("opsgram: {}", clients::NO_TOKEN);
                    Ok(Outcome::Fault)
                }
                Ok(loaded) => serve(loaded, env).map(|()| Outcome::Done),
                Err(outcome) => Ok(outcome),
            },
            Command::Sandbox(args) => trial::run(args, &env).map(|()| Outcome::Done),
            Command::Check(args) => check::run(args, &env),
            Command::Health(args) => health::run(args, &env),
            Command::User(args) => user::run(args, &env),
            Command::Schema => {
                print!("{}", config::schema_text());
                Ok(Outcome::Done)
            }
            Command::Completions { shell } => Ok(manual::completions(shell)),
            Command::Man { folder } => manual::pages(folder.as_deref()),
        }
    }
}

fn load(file: Option<PathBuf>, env: &Env) -> std::result::Result<Loaded, Outcome> {
    let file = file.unwrap_or_else(|| config::default_path(env));
    match config::load(&file, env) {
        Ok(loaded) => {
            for warning in &loaded.warnings {
                eprintln!("warning: {warning}");
            }
            Ok(loaded)
        }
        Err(faults) => {
            eprintln!("{faults}");
            Err(Outcome::Fault)
        }
    }
}

fn serve(loaded: Loaded, env: Env) -> Result<()> {
    start_logging(&loaded.config, &env)?;
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        config = %loaded.file.display(),
        scripts = loaded.config.scripts.len() - loaded.config.workflows().count(),
        workflows = loaded.config.workflows().count(),
        "starting"
    );
    runtime()?.block_on(async {
        let app = App::build(loaded.config, env, Options::default()).await?;
        let app = app.following(loaded.file, loaded.hash)?;
        let stop = CancellationToken::new();
        tokio::spawn(stop_on_signal(stop.clone()));
        app.run_until(stop).await
    })
}

/// Begins to log, with the secrets of this configuration masked.
pub(super) fn start_logging(config: &Config, env: &Env) -> Result<()> {
    let format = match env.get("OPSGRAM_LOG_FORMAT") {
        Some("json") => telemetry::Format::Json,
        Some(_) | None if telemetry::is_journal(env.get("JOURNAL_STREAM")) => {
            telemetry::Format::Journal
        }
        Some(_) | None => telemetry::Format::Text,
    };
    telemetry::init(env.get("OPSGRAM_LOG"), format, secrets_of(config, env))
        .map_err(|error| anyhow::anyhow!("logging cannot be started: {error}"))
}

/// What must never be logged under this configuration.
pub(super) fn secrets_of(config: &Config, env: &Env) -> Vec<String> {
    let mut secrets: Vec<String> = config
        .scripts
        .values()
        .flat_map(|script| &script.secrets)
        .filter_map(|name| env.get(name))
        .map(str::to_owned)
        .collect();
    let tokens = config.checks.values().filter_map(Check::token);
    secrets.extend(tokens.map(|token| token.expose().to_owned()));
    secrets.extend(
        config
            .telegram
            .token
            .iter()
            .map(|t| t.expose_secret().to_owned()),
    );
    secrets
}

/// The runtime of the program: blocking threads are few, since each costs memory and none waits long.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(16)
        .enable_all()
        .build()
        .context("starting the runtime")
}

/// Fires the token on SIGTERM or Ctrl-C.
pub(super) async fn stop_on_signal(stop: CancellationToken) {
    let (Ok(mut term), Ok(mut interrupt)) = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) else {
        tracing::error!("signals cannot be caught; the bot can only be killed");
        return;
    };
    tokio::select! {
        _ = term.recv() => {}
        _ = interrupt.recv() => {}
    }
    stop.cancel();
}
