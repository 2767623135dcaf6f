//! Follows the configuration file: what changed in it takes force while the bot runs, and a fault is told once.

use super::watch::Watch;
use super::{cli, wire};
use crate::access::Listed;
use crate::base::ids::{ChatId, Place, UserId};
use crate::base::role::Role;
use crate::chat::changes;
use crate::config::{
    self, Changes, Config, ContentHash, Env, Faults, Loaded, Outcome, Question, Wanted,
};
use crate::delivery::Outgoing;
use crate::http::Port;
use crate::services::Services;
use crate::telemetry;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// How often the file is looked at; events of the file system are lost on some mounts.
const LOOK: Duration = Duration::from_secs(3);
/// A file that did not change for so long was written whole.
const QUIET: Duration = Duration::from_millis(300);
/// For how long a file is waited for that changes and changes.
const LONGEST: Duration = Duration::from_secs(6);
/// Sets of faults that are remembered as told; a person who mends a file by trial makes few.
const TOLD: usize = 32;
/// Owners that are told; more would hold up other messages.
const OWNERS: usize = 20;

/// Reads the file anew when it changed, when it is asked to, and on SIGHUP.
pub(super) struct Reload {
    file: PathBuf,
    questions: mpsc::Receiver<Question>,
    hangup: Signal,
    /// The content that was read last, with or without success.
    read: Result<ContentHash, String>,
    /// The sets of faults that were told since it was in order.
    told: Vec<Faults>,
    /// What was said to need a restart.
    restart: Vec<&'static str>,
    port: Port,
}

/// Why the file is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cause {
    /// It changed, or SIGHUP: owners are told.
    Itself,
    /// This person asked, and gets an answer.
    Asked(UserId),
}

impl Reload {
    /// Follows this file, of which that content is in force, and leads the port after it.
    ///
    /// # Errors
    /// When SIGHUP cannot be caught.
    pub(super) fn of(
        file: PathBuf,
        hash: ContentHash,
        questions: mpsc::Receiver<Question>,
        port: Port,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            file,
            questions,
            hangup: signal(SignalKind::hangup())?,
            read: Ok(hash),
            told: Vec::new(),
            restart: Vec::new(),
            port,
        })
    }

    /// Follows until `stop` fires.
    pub(super) async fn run(mut self, services: Services, env: Env, stop: CancellationToken) {
        let config = services.live.current();
        let watch = Watch::over(&self.file, config.workflows_dir.as_deref());
        drop(config);
        let work = async {
            loop {
                tokio::select! {
                    question = self.questions.recv() => match question {
                        Some(question) => self.answer(question, &services, &env).await,
                        None => return,
                    },
                    _ = self.hangup.recv() => {
                        self.take(Cause::Itself, None, &services, &env).await;
                    }
                    () = watch.changed() => self.look(&watch, &services, &env).await,
                    () = tokio::time::sleep(LOOK) => self.look(&watch, &services, &env).await,
                }
            }
        };
        tokio::select! {
            () = work => {}
            () = stop.cancelled() => {}
        }
    }

    async fn answer(&mut self, question: Question, services: &Services, env: &Env) {
        let outcome = match (question.wanted, question.asker) {
            (Wanted::Check, _) => self.check(services, env).await,
            (Wanted::Reload, Some(asker)) => {
                self.take(Cause::Asked(asker), None, services, env).await
            }
            (Wanted::Reload, None) => self.take(Cause::Itself, None, services, env).await,
        };
        // Nobody waits any more when the bot is being stopped.
        let _ = question.answer.send(outcome);
    }

    /// Reads the file if it changed and is written whole, or if it had a fault: a fault may be mended outside the file.
    async fn look(&mut self, watch: &Watch, services: &Services, env: &Env) {
        let mut now = content(&self.file, env).await;
        if now == self.read && self.told.is_empty() {
            return;
        }
        if now != self.read {
            now = self.settled(now, watch, env).await;
        }
        if now != self.read || !self.told.is_empty() {
            self.take(Cause::Itself, Some(now), services, env).await;
        }
    }

    /// What is read once it stays the same for a while and nobody touches the file meanwhile: one that is emptied again and
    /// again reads the same each time. What changes and changes is taken as it is then.
    async fn settled(
        &self,
        mut now: Result<ContentHash, String>,
        watch: &Watch,
        env: &Env,
    ) -> Result<ContentHash, String> {
        let begun = Instant::now();
        loop {
            let untouched = timeout(QUIET, watch.changed()).await.is_err();
            let before = std::mem::replace(&mut now, content(&self.file, env).await);
            if (untouched && before == now) || begun.elapsed() >= LONGEST {
                return now;
            }
        }
    }

    async fn check(&self, services: &Services, env: &Env) -> Outcome {
        match self.load(services, env).await {
            Ok(loaded) => {
                let (_, mut changes) = services.live.current().renewed(loaded.config);
                changes.warnings = loaded.warnings;
                Outcome::Good(Box::new(changes))
            }
            Err(Refused::Faults(faults)) => Outcome::Faulty(faults),
            Err(Refused::NotNow(why)) => Outcome::NotNow(why),
        }
    }

    /// Reads the file and puts it in force, or says why not; nothing if its content is not the one that was expected.
    async fn take(
        &mut self,
        cause: Cause,
        expected: Option<Result<ContentHash, String>>,
        services: &Services,
        env: &Env,
    ) -> Outcome {
        let loaded = self.load(services, env).await;
        if let Some(expected) = expected
            && content(&self.file, env).await != expected
        {
            // Written again in this very moment; the next look takes it.
            return Outcome::NotNow("The file is being written.".to_owned());
        }
        let loaded = match loaded {
            Ok(loaded) => loaded,
            Err(Refused::Faults(faults)) => {
                self.read = content(&self.file, env).await;
                services
                    .reloads
                    .note(faults.iter().next().map(config::Fault::in_short));
                self.tell_faults(cause, services, &faults).await;
                return Outcome::Faulty(faults);
            }
            Err(Refused::NotNow(why)) => {
                tracing::warn!(why, "the configuration was not read again");
                return Outcome::NotNow(why);
            }
        };
        self.read = Ok(loaded.hash);
        services.reloads.note(None);
        for warning in &loaded.warnings {
            tracing::warn!("{}", warning.in_short());
        }
        let (config, mut changes) = services.live.current().renewed(loaded.config);
        put_in_force(config, services, env);
        changes.closed = self.port.follow().await.err();
        let mended = !std::mem::take(&mut self.told).is_empty();
        let fresh = changes
            .restart
            .iter()
            .any(|key| !self.restart.contains(key));
        self.restart.clone_from(&changes.restart);
        if mended || fresh || !changes.is_empty() {
            tell_taken(cause, services, &changes, mended).await;
        }
        Outcome::Good(Box::new(changes))
    }

    async fn load(&self, services: &Services, env: &Env) -> Result<Loaded, Refused> {
        let (file, env) = (self.file.clone(), env.clone());
        let read = tokio::task::spawn_blocking(move || config::load(&file, &env)).await;
        let loaded = match read {
            Ok(Ok(loaded)) => loaded,
            Ok(Err(faults)) => return Err(Refused::Faults(faults)),
            Err(_) => {
                return Err(Refused::NotNow(
                    "The file could not be read just now.".to_owned(),
                ));
            }
        };
        match services
            .access
            .stays_owned(Listed::from(&loaded.config))
            .await
        {
            Ok(true) => Ok(loaded),
            Ok(false) => Err(Refused::Faults(Faults::of_file(
                &self.file,
                "nobody would own the bot for good any more; leave somebody with the role owner under access.users",
            ))),
            Err(error) => {
                tracing::error!(%error, "the owners cannot be looked up");
                let why = "My database does not answer, so I keep what is in force. Try again in a moment.";
                Err(Refused::NotNow(why.to_owned()))
            }
        }
    }

    async fn tell_faults(&mut self, cause: Cause, services: &Services, faults: &Faults) {
        if self.told.contains(faults) {
            return;
        }
        if self.told.len() >= TOLD {
            self.told.remove(0);
        }
        self.told.push(faults.clone());
        for fault in faults.iter() {
            tracing::error!(
                "the configuration: {}; what was in force stays",
                fault.in_short()
            );
        }
        tell_owners(cause, services, changes::refused(faults)).await;
    }
}

enum Refused {
    Faults(Faults),
    NotNow(String),
}

async fn content(file: &std::path::Path, env: &Env) -> Result<ContentHash, String> {
    let (file, env) = (file.to_owned(), env.clone());
    let read = tokio::task::spawn_blocking(move || config::content_hash(&file, &env));
    read.await.unwrap_or_else(|error| Err(error.to_string()))
}

/// Running jobs and timers are not touched: they hold what they were started with.
fn put_in_force(config: Config, services: &Services, env: &Env) {
    telemetry::mask_also(cli::secrets_of(&config, env));
    services.access.relist(Listed::from(&config));
    services.jobs.limit(wire::limits(&config));
    services.live.replace(config);
    services.schedules.wake();
    services.roles_changed.notify_one();
}

fn owners(services: &Services) -> Vec<UserId> {
    let persons = services.access.persons();
    let owners = persons.iter().filter(|person| person.role == Role::Owner);
    owners.map(|owner| owner.id).take(OWNERS).collect()
}

async fn tell_taken(cause: Cause, services: &Services, changes: &Changes, mended: bool) {
    tracing::info!(
        mended,
        "the configuration was read again: {}",
        changes::words(changes)
    );
    let words = changes::taken(changes);
    let words = match mended {
        true => format!("✅ The configuration has no fault any more.\n{words}"),
        false => words,
    };
    tell_owners(cause, services, words).await;
}

/// Promises the words to every owner but the one who gets them as an answer.
async fn tell_owners(cause: Cause, services: &Services, html: String) {
    if !services.store.presence().leads() {
        // Of several instances with the same file, one tells.
        return;
    }
    for owner in owners(services) {
        if cause == Cause::Asked(owner) {
            continue;
        }
        let place = Place {
            chat: ChatId(owner.0),
            thread: None,
        };
        let notice = Outgoing::text(place, html.clone(), Vec::new());
        if let Err(error) = services.outbox.post(&notice).await {
            tracing::error!(%owner, %error, "an owner cannot be told of the configuration");
        }
    }
}
