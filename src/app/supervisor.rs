//! Watches the running bot, and tells systemd and the health file how it is.
//!
//! Alive means that a new start would not help: the intake moves, and the database answers, be it with an error.
//! Only a bot that is not alive loses systemd's patience, because a new start stops the running jobs. Well means that
//! commands are served and checks looked at; the dead-man switch hears from nobody else.

use super::health::{Health, Wellness, counts};
use crate::base::time::{Millis, human};
use crate::chat::pulse::{Pulse, Sign};
use crate::services::Services;
use crate::store::{self, Location, Store};
use sd_notify::NotifyState;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How often the bot is looked at.
const EVERY: Duration = Duration::from_secs(10);
/// A database that answers at all does so within this time: longer than it waits for a free connection to read, one to
/// write, and a lock.
const PATIENCE: Duration = Duration::from_secs(40);
/// The loop of checks takes a step each second; one that took none for so long hangs.
const CHECKS_HANG: Duration = Duration::from_secs(120);
/// systemd is told that the bot runs when it polls or found Telegram away, but no later than this.
const READY_AT_LATEST: Duration = Duration::from_secs(15);

/// The watch over a running bot.
pub(super) struct Supervisor {
    stop: CancellationToken,
    watch: JoinHandle<()>,
    health: PathBuf,
}

/// Begins to watch, and tells systemd as soon as the bot is up.
pub(super) fn start(services: Services, pulse: Pulse, wellness: Wellness) -> Supervisor {
    let data_dir = services.live.current().data_dir.clone();
    Health::clean_up(&data_dir);
    let health = Health::path(&data_dir);
    let stop = CancellationToken::new();
    let eye = Eye {
        services,
        pulse,
        wellness,
    };
    let watch = tokio::spawn(watch(eye, health.clone(), stop.clone()));
    Supervisor {
        stop,
        watch,
        health,
    }
}

impl Supervisor {
    /// Says that the bot is stopping; it is watched until its end.
    pub(super) fn stopping(&self) {
        tell(&[
            NotifyState::Stopping,
            NotifyState::Status("Stopping: running jobs get their grace"),
        ]);
    }

    /// Ends the watch. What is not running has no health.
    pub(super) async fn end(self) {
        self.stop.cancel();
        if self.watch.await.is_err() {
            tracing::error!("the watch over the bot broke down");
        }
        if let Err(error) = tokio::fs::remove_file(&self.health).await
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(%error, "the health file could not be removed");
        }
    }
}

/// What the watch looks at, and where it says what it saw.
struct Eye {
    services: Services,
    pulse: Pulse,
    wellness: Wellness,
}

async fn watch(eye: Eye, file: PathBuf, stop: CancellationToken) {
    let watchdog = sd_notify::watchdog_enabled();
    // Twice within systemd's patience, as its manual asks for.
    let every = watchdog.map_or(EVERY, |patience| EVERY.min(patience / 2));
    // A pause and a look together are shorter than systemd's patience, so that one slow look costs no running job.
    let patience = watchdog.map_or(PATIENCE, |limit| PATIENCE.min(limit / 4));
    let up = async { tokio::time::timeout(READY_AT_LATEST, eye.pulse.asked()).await };
    tokio::select! {
        // Either way everything of our own is up; Telegram may be away.
        _ = up => {}
        () = stop.cancelled() => return,
    }
    let mut ready = false;
    let mut before = None;
    loop {
        let found = tokio::select! {
            found = look(&eye, patience) => found,
            () = stop.cancelled() => return,
        };
        let news = match before.replace(found.well) {
            Some(before) => before != found.well,
            None => !found.well,
        };
        if news {
            match found.well {
                true => tracing::info!("well again: {}", found.words),
                false => tracing::error!("not well: {}", found.words),
            }
        }
        if !ready {
            ready = true;
            tell(&[NotifyState::Ready]);
        }
        tell(&[NotifyState::Status(&found.words)]);
        if found.alive {
            tell(&[NotifyState::Watchdog]);
        }
        let well = match found.well {
            true => Ok(()),
            false => Err(found.words.clone()),
        };
        eye.wellness.set(well, counts(every) + patience);
        note(&file, &found, every).await;
        tokio::select! {
            () = tokio::time::sleep(every) => {}
            () = stop.cancelled() => return,
        }
    }
}

/// What a look found.
struct Found {
    /// Whether a new start would not help.
    alive: bool,
    /// Whether commands are served, and checks looked at.
    well: bool,
    words: String,
}

async fn look(eye: &Eye, patience: Duration) -> Found {
    let store = &eye.services.store;
    let answer = tokio::time::timeout(patience, work(store)).await;
    let (database_alive, database) = match answer {
        Ok(Ok(words)) => (true, Ok(words)),
        Ok(Err(Trouble::Reading(error))) => {
            // A file of this machine can be read whoever writes it; if not, the fault is in here.
            let elsewhere = matches!(store.location(), Location::Postgres(_));
            (
                elsewhere,
                Err(format!("the database cannot be read: {error}")),
            )
        }
        Ok(Err(Trouble::Writing(error))) => (
            true,
            Err(format!("the database cannot be written: {error}")),
        ),
        Err(_) => (false, Err("the database does not answer".to_owned())),
    };
    let (intake_alive, intake) = match eye.pulse.sign() {
        Sign::Still => (true, "not polling".to_owned()),
        Sign::Polling => (true, "polling".to_owned()),
        Sign::Failing(ago) => {
            let ago = human(ago);
            (true, format!("Telegram failed to answer {ago} ago"))
        }
        Sign::Stuck => (false, "updates are not taken any more".to_owned()),
    };
    let checks = eye.services.board.still_for();
    let checks = checks.filter(|still| *still > CHECKS_HANG);
    let well = database.is_ok() && intake_alive && checks.is_none();
    let mut words = match database {
        Ok(words) => format!("{intake} · {words}"),
        Err(words) => format!("{words} · {intake}"),
    };
    if let Some(still) = checks {
        words = format!("no check was looked at for {} · {words}", human(still));
    }
    Found {
        alive: database_alive && intake_alive,
        well,
        words,
    }
}

enum Trouble {
    Reading(store::Error),
    Writing(store::Error),
}

/// Reads what there is to do, and takes the way of every change, without changing anything.
async fn work(store: &Store) -> Result<String, Trouble> {
    let read = async {
        let mut db = store.read().await?;
        let (queued, running) = store::jobs::counts(&mut db).await?;
        let pending = store::outbox::pending(&mut db).await?;
        Ok(format!(
            "{running} running, {queued} queued, {pending} to send"
        ))
    };
    let words = read.await.map_err(Trouble::Reading)?;
    let way = store.begin().await.map_err(Trouble::Writing)?;
    drop(way);
    Ok(words)
}

/// Writes the health file. On a full disk it grows old, which whoever reads it takes for what it is.
async fn note(file: &Path, found: &Found, every: Duration) {
    let health = Health {
        at: Millis::now().0,
        every: u64::try_from(every.as_millis()).unwrap_or(u64::MAX),
        well: found.well,
        words: found.words.clone(),
        process: std::process::id(),
    };
    let file = file.to_owned();
    let written = tokio::task::spawn_blocking(move || health.write(&file)).await;
    if let Ok(Err(error)) = written {
        tracing::debug!(%error, "the health file could not be written");
    }
}

/// Without systemd, nobody is told.
fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "systemd could not be told");
    }
}
