//! The health file, and `opsgram health`, which reads it: no port is opened for that.

use super::cli::Outcome;
use crate::base::time::{Millis, human};
use crate::config::{self, Env};
use crate::drivers::file::{self, Worth};
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A running bot that did not write for so long, beside three of its pauses, hangs.
const LATE: Duration = Duration::from_secs(15);

/// How a running bot was when it last looked.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Health {
    /// When, in milliseconds since 1970.
    pub(super) at: i64,
    /// Milliseconds between two looks.
    pub(super) every: u64,
    /// Whether commands are served.
    pub(super) well: bool,
    /// The same for people.
    pub(super) words: String,
    /// The process.
    pub(super) process: u32,
}

impl Health {
    /// Where a bot with this data folder keeps it.
    pub(super) fn path(data_dir: &Path) -> PathBuf {
        data_dir.join("health.json")
    }

    /// Puts it in the place of the last one.
    pub(super) fn write(&self, path: &Path) -> std::io::Result<()> {
        let text = serde_json::to_vec(self)?;
        file::replace(path, &text, 0o600, Worth::Passing)
    }

    /// What it means at this moment: `Err` when the bot is not well.
    fn verdict(&self, now: Millis) -> std::result::Result<String, String> {
        let age = now.since(Millis(self.at));
        if age > Duration::from_millis(self.every.saturating_mul(3)) + LATE {
            let age = human(age);
            return Err(format!(
                "the bot gave no sign of life for {age}; it hangs, was killed, or its disk is full"
            ));
        }
        match self.well {
            true => Ok(self.words.clone()),
            false => Err(self.words.clone()),
        }
    }
}

/// Where to look for the bot.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The configuration of the bot; without it OPSGRAM_CONFIG, or the one that `serve` would take.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The bot's data folder, instead of looking it up in the configuration.
    #[arg(long, value_name = "DIR", conflicts_with = "config")]
    data_dir: Option<PathBuf>,
}

/// Says how the running bot is.
pub(super) fn run(args: Args, env: &Env) -> Result<Outcome> {
    let folder = match folder(args, env) {
        Ok(folder) => folder,
        Err(faults) => {
            eprintln!("{faults}");
            return Ok(Outcome::Fault);
        }
    };
    let path = Health::path(&folder);
    let text = match std::fs::read(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            println!("no bot runs with the data folder {}", folder.display());
            return Ok(Outcome::Failed);
        }
        read => read.with_context(|| format!("reading {}", path.display()))?,
    };
    let health: Health =
        serde_json::from_slice(&text).with_context(|| format!("reading {}", path.display()))?;
    Ok(match health.verdict(Millis::now()) {
        Ok(words) => {
            println!("well: {words}");
            Outcome::Done
        }
        Err(words) => {
            println!("not well: {words}");
            Outcome::Failed
        }
    })
}

/// An absolute folder of the environment is enough: a container must not turn unhealthy because its file is edited.
fn folder(args: Args, env: &Env) -> std::result::Result<PathBuf, config::Faults> {
    let of_env = || env.get("OPSGRAM_DATA_DIR").map(PathBuf::from);
    let named = args.data_dir.or_else(|| match args.config {
        Some(_) => None,
        None => of_env().filter(|folder| folder.is_absolute()),
    });
    if let Some(folder) = named {
        return Ok(folder);
    }
    let file = args.config.unwrap_or_else(|| config::default_path(env));
    Ok(config::load(&file, env)?.config.data_dir)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn health(well: bool) -> Health {
        Health {
            at: 1_000_000,
            every: 10_000,
            well,
            words: "polling".to_owned(),
            process: 7,
        }
    }

    #[test]
    fn a_fresh_word_counts_and_an_old_one_does_not() {
        let at = |seconds: i64| Millis(1_000_000 + seconds * 1000);
        assert_eq!(health(true).verdict(at(1)), Ok("polling".to_owned()));
        assert_eq!(health(true).verdict(at(45)), Ok("polling".to_owned()));
        assert_eq!(health(false).verdict(at(1)), Err("polling".to_owned()));
        let old = health(true).verdict(at(46)).unwrap_err();
        assert!(old.contains("no sign of life for 46 s"), "{old}");
        let ahead = health(true).verdict(Millis(0));
        assert!(ahead.is_ok(), "a clock that was set back is no illness");
    }

    #[test]
    fn it_is_read_back_as_it_was_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = Health::path(dir.path());
        health(true).write(&path).unwrap();
        let read: Health = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        assert!(read.well && read.at == 1_000_000 && read.process == 7);
    }
}
