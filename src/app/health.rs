//! The health file, and `opsgram health`, which reads it: no port is opened for that.

use super::cli::Outcome;
use crate::base::time::{Millis, human};
use crate::config::{self, Env};
use crate::drivers::file::{self, Worth};
use crate::drivers::host;
use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A running bot that did not write for so long, beside three of its pauses, hangs.
const LATE: Duration = Duration::from_secs(15);
/// A file of another machine that was not written for so long is nobody's.
const FORGOTTEN: Duration = Duration::from_secs(24 * 3600);
/// How the names of the files end.
const ENDING: &str = ".json";

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
    /// Where this process keeps it. Each has its own, since instances may share the data folder.
    pub(super) fn path(data_dir: &Path) -> PathBuf {
        let process = std::process::id();
        data_dir.join(format!("{}{process}{ENDING}", beginning()))
    }

    /// Removes what processes of this machine that are gone left behind, and what containers that are gone did.
    pub(super) fn clean_up(data_dir: &Path) {
        for path in files(data_dir, "health.") {
            let gone = match files_process(&path, &beginning()) {
                Some(process) => !lives(process),
                None => is_older(&path, FORGOTTEN),
            };
            if gone && let Err(error) = std::fs::remove_file(&path) {
                tracing::debug!(path = %path.display(), %error, "an old health file stays");
            }
        }
    }

    /// Puts it in the place of the last one.
    pub(super) fn write(&self, path: &Path) -> std::io::Result<()> {
        let text = serde_json::to_vec(self)?;
        file::replace(path, &text, 0o600, Worth::Passing)
    }

    /// What it means at this moment: `Err` when the bot is not well.
    fn verdict(&self, now: Millis) -> std::result::Result<String, String> {
        let age = now.since(Millis(self.at));
        if age > counts(Duration::from_millis(self.every)) {
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

/// How the bot was when it was looked at last, for those within it. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Wellness(Arc<Mutex<Option<Look>>>);

/// A look, and until when it counts.
struct Look {
    well: std::result::Result<(), String>,
    until: Instant,
}

impl Wellness {
    /// Takes down how it is; that counts for this time.
    pub(super) fn set(&self, well: std::result::Result<(), String>, counts: Duration) {
        let until = Instant::now() + counts;
        let mut look = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *look = Some(Look { well, until });
    }

    /// Whether it is well now; why not, else. Whoever was not looked at in time is not.
    pub(super) fn now(&self) -> std::result::Result<(), String> {
        let look = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &*look {
            None => Err("nobody looked yet".to_owned()),
            Some(look) if Instant::now() >= look.until => {
                Err("the watch over the bot hangs".to_owned())
            }
            Some(look) => look.well.clone(),
        }
    }
}

/// How long a look counts, which is repeated so often.
pub(super) fn counts(every: Duration) -> Duration {
    every.saturating_mul(3) + LATE
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
    let mut verdicts = Vec::new();
    for path in files(&folder, &beginning()) {
        let text = match std::fs::read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            read => read.with_context(|| format!("reading {}", path.display()))?,
        };
        let health: Health =
            serde_json::from_slice(&text).with_context(|| format!("reading {}", path.display()))?;
        verdicts.push((
            health.process,
            lives(health.process),
            health.verdict(Millis::now()),
        ));
    }
    // What was left behind by a bot that was killed tells only as long as no other runs.
    if verdicts.iter().any(|(_, lives, _)| *lives) {
        verdicts.retain(|(_, lives, _)| *lives);
    }
    if verdicts.is_empty() {
        println!("no bot runs here with the data folder {}", folder.display());
        return Ok(Outcome::Failed);
    }
    let mut outcome = Outcome::Done;
    for (process, lives, verdict) in verdicts {
        match verdict {
            Ok(words) if lives => println!("well: {words}"),
            Ok(_) => {
                println!("not well: the bot with the process number {process} was killed");
                outcome = Outcome::Failed;
            }
            Err(words) => {
                println!("not well: {words}");
                outcome = Outcome::Failed;
            }
        }
    }
    Ok(outcome)
}

/// How the names of this machine's files begin.
fn beginning() -> String {
    format!("health.{}.", host::name().replace('/', "-"))
}

/// The health files whose names begin so.
fn files(data_dir: &Path, beginning: &str) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(data_dir) else {
        return Vec::new();
    };
    let paths = entries.flatten().map(|entry| entry.path());
    let mut found: Vec<_> = paths
        .filter(|path| {
            let name = path.file_name().and_then(|name| name.to_str());
            name.is_some_and(|name| name.starts_with(beginning) && name.ends_with(ENDING))
        })
        .collect();
    found.sort();
    found
}

/// The process whose file this is, by its name.
fn files_process(path: &Path, beginning: &str) -> Option<u32> {
    let name = path.file_name()?.to_str()?;
    let number = name.strip_prefix(beginning)?.strip_suffix(ENDING)?;
    number.parse().ok()
}

/// Whether a process of this machine lives.
fn lives(process: u32) -> bool {
    let Ok(process) = i32::try_from(process) else {
        return false;
    };
    // Another user's process may not be signalled, but it is there.
    !matches!(kill(Pid::from_raw(process), None), Err(Errno::ESRCH))
}

fn is_older(path: &Path, age: Duration) -> bool {
    let written = std::fs::metadata(path).and_then(|data| data.modified());
    written.is_ok_and(|at| at.elapsed().is_ok_and(|since| since > age))
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

    #[test]
    fn only_files_of_what_lives_stay() {
        let dir = tempfile::tempdir().unwrap();
        let own = Health::path(dir.path());
        // No process has this number: the kernel gives none above 2^22.
        let gone = dir
            .path()
            .join(format!("{}{}{ENDING}", beginning(), 1 << 23));
        let elsewhere = dir.path().join("health.another-machine.1.json");
        for path in [&own, &gone, &elsewhere] {
            health(true).write(path).unwrap();
        }
        Health::clean_up(dir.path());
        assert!(own.exists() && elsewhere.exists() && !gone.exists());
    }
}
