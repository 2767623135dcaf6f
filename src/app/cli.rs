//! The command line.

use super::{App, Options, clients, trial, wire};
use crate::base::secret::ExposeSecret;
use crate::config::{self, Config, Env, Loaded};
use crate::store::Store;
use crate::telemetry;
use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;
use teloxide::prelude::Requester;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Exit code for a failure.
const FAILED: u8 = 1;
/// Exit code for a fault in the configuration or on the command line.
const FAULT: u8 = 2;

/// Runs your scripts from Telegram; no command is lost, none runs twice.
#[derive(Debug, Parser)]
#[command(
    version,
    about,
    after_help = "\
Examples:
  opsgram sandbox --say \"/run hello\"       try it: no token, no internet
  opsgram check --offline                  look for faults in config/opsgram.yaml
  OPSGRAM_TELEGRAM_TOKEN=… opsgram serve   run the bot"
)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the bot.
    #[command(after_help = "\
Examples:
  OPSGRAM_TELEGRAM_TOKEN=… opsgram serve
  opsgram serve --config /etc/opsgram/opsgram.yaml

It stops on SIGTERM or Ctrl-C: running jobs get jobs.grace to finish.")]
    Serve {
        /// The configuration; without it OPSGRAM_CONFIG, or config/opsgram.yaml.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Try the bot against a Telegram inside this process: no token, no internet.
    #[command(after_help = "\
Examples:
  opsgram sandbox                                     a chat in this terminal
  opsgram sandbox --say \"/run hello\"                  send a command, see the answer, end
  opsgram sandbox --say \"/run deploy api\" --say \"[Run]\"   press a button by its words")]
    Sandbox(trial::Args),
    /// Look for faults in the configuration, then try the database and the token.
    #[command(after_help = "\
Examples:
  opsgram check --offline                  the file alone; exit code 2 on a fault
  opsgram check --config /etc/opsgram/opsgram.yaml")]
    Check {
        /// The configuration; without it OPSGRAM_CONFIG, or config/opsgram.yaml.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// Look at the file alone.
        #[arg(long)]
        offline: bool,
    },
    /// Print the JSON Schema of the configuration.
    #[command(after_help = "\
Example:
  opsgram schema > config/opsgram.schema.json")]
    Schema,
}

impl Cli {
    /// Does what was asked: exit code 0 for success, 1 for a failure, 2 for a fault in the configuration.
    #[must_use]
    pub fn run(self) -> ExitCode {
        let env = Env::capture();
        let done = match self.command {
            Command::Serve { config } => match load(config, &env) {
                Ok(loaded) => serve(loaded, env),
                Err(code) => return code,
            },
            Command::Sandbox(args) => trial::run(args, &env),
            Command::Check { config, offline } => match load(config, &env) {
                Ok(loaded) => check(loaded, offline),
                Err(code) => return code,
            },
            Command::Schema => {
                print!("{}", config::schema_text());
                Ok(())
            }
        };
        match done {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("opsgram: {error:#}");
                ExitCode::from(FAILED)
            }
        }
    }
}

fn load(file: Option<PathBuf>, env: &Env) -> std::result::Result<Loaded, ExitCode> {
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
            Err(ExitCode::from(FAULT))
        }
    }
}

fn serve(loaded: Loaded, env: Env) -> Result<()> {
    start_logging(&loaded.config, &env)?;
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        config = %loaded.file.display(),
        scripts = loaded.config.scripts.len(),
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

fn check(loaded: Loaded, offline: bool) -> Result<()> {
    let config = loaded.config;
    let scripts = match config.scripts.len() {
        1 => "1 script".to_owned(),
        many => format!("{many} scripts"),
    };
    println!("ok   {} · {scripts}", loaded.file.display());
    if config.access.users.is_empty() {
        println!(
            "note nobody is listed under access.users; while nobody owns the bot, its log shows a claim code"
        );
    }
    if offline {
        return Ok(());
    }
    runtime()?.block_on(async {
        let database = Store::open(wire::location(&config.database)).await;
        let mut failed = report("database", database.map(|_| "opens".to_owned()));
        let me = async {
            let me = clients::make(&config.telegram)?.quick.get_me().await?;
            anyhow::Ok(format!("the token is @{}'s", me.username()))
        };
        failed |= report("telegram", me.await);
        match failed {
            true => Err(anyhow::anyhow!(
                "not everything works; the lines above say what"
            )),
            false => Ok(()),
        }
    })
}

/// Prints a line of a check; `true` when it failed.
fn report<E: Into<anyhow::Error>>(part: &str, result: std::result::Result<String, E>) -> bool {
    match result {
        Ok(words) => {
            println!("ok   {part} · {words}");
            false
        }
        Err(error) => {
            println!("FAIL {part} · {:#}", error.into());
            true
        }
    }
}
