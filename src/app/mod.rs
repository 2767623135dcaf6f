//! Builds the bot from its configuration and runs it until it is told to stop.

mod check;
pub mod cli;
mod fixer;
mod health;
mod heartbeat;
mod init;
mod lock;
mod manual;
mod membership;
mod reload;
mod supervisor;
mod tasks;
mod terminal;
mod trial;
mod user;
mod watch;
mod wire;

pub use wire::Options;

use crate::chat::pulse::Pulse;
use crate::chat::{self, intake};
use crate::config::{Config, ContentHash, Env};
use crate::drivers::host;
use crate::http::Port;
use crate::jobs::Jobs;
use crate::monitors::probe::Prober;
use crate::monitors::sampler::Sampler;
use crate::monitors::watch::Watch;
use crate::services::Services;
use crate::store::Store;
use anyhow::{Context, Result};
use futures::FutureExt;
use futures::future::BoxFuture;
use health::Wellness;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use teloxide::dispatching::Dispatcher;
use teloxide::prelude::Bot;
use teloxide::update_listeners::Polling;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Telegram may hold a poll open this long; longer than most proxies is of no use.
const POLL: Duration = Duration::from_secs(30);
/// Pause after Telegram could not be reached at the start; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// The longest such pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Time for the last poll to end when the bot is stopped.
const INTAKE_STOP: Duration = Duration::from_secs(3);
/// Time for pending messages to leave when the bot is stopped; the rest leaves after the next start.
const FLUSH: Duration = Duration::from_secs(5);

/// Time for answers to leave before another instance leads.
const HAND_OVER: Duration = Duration::from_secs(2);

/// A bot that is built and not yet running.
pub struct App {
    services: Services,
    poller: Bot,
    bot: Bot,
    env: Env,
    reload: Option<reload::Reload>,
    sampler: Option<Sampler>,
    prober: Prober,
    port: Port,
    pulse: Pulse,
    wellness: Wellness,
    clock: bool,
    marker: String,
    // Held as long as the bot lives: a second one on the same file is refused.
    _lock: Option<lock::Lock>,
}

impl App {
    /// Opens everything that the configuration names. Nothing is asked of Telegram yet.
    ///
    /// # Errors
    /// What could not be opened, and why.
    pub async fn build(config: Config, env: Env, options: Options) -> Result<Self> {
        wire::build(config, env, options).await
    }

    /// The same, following the file of its configuration, which has this content.
    ///
    /// # Errors
    /// When SIGHUP cannot be caught.
    pub fn following(mut self, file: PathBuf, hash: ContentHash) -> Result<Self> {
        if let Some(questions) = self.services.reloads.serve(file.clone()) {
            let port = self.port.clone();
            self.reload = Some(reload::Reload::of(file, hash, questions, port)?);
        }
        Ok(self)
    }

    /// The handles, for whoever runs the bot inside their own process.
    #[must_use]
    pub fn services(&self) -> &Services {
        &self.services
    }

    /// Runs until `stop` fires, then stops in order: intake, jobs, outbox, database. Of several instances on one database
    /// all run jobs, and the one that leads polls, answers and sends.
    ///
    /// # Errors
    /// When the state of an earlier run cannot be read.
    pub async fn run_until(mut self, stop: CancellationToken) -> Result<()> {
        let Services {
            outbox,
            jobs,
            store,
            ..
        } = self.services.clone();
        let presence = store.presence().clone();
        let working = CancellationToken::new();
        let counted = CancellationToken::new();
        let tasks = TaskTracker::new();
        let members = TaskTracker::new();
        if presence.is_shared() {
            let marker = self.marker.clone();
            let mut membership = membership::Membership::new(self.services.clone(), marker);
            membership
                .begin()
                .await
                .context("joining the instances of this database")?;
            members.spawn(membership.run(counted.clone()));
            tasks.spawn(tasks::relay(self.services.clone(), working.clone()));
        }
        let supervisor = supervisor::start(
            self.services.clone(),
            self.pulse.clone(),
            self.wellness.clone(),
        );
        if presence.leads() {
            self.take_the_lead().await?;
        } else {
            tracing::info!(
                "another instance leads; this one runs jobs, and takes over when that one is gone"
            );
        }
        let begin = match presence.has_company() {
            true => membership::NOTICED,
            false => Duration::ZERO,
        };
        tasks.spawn(tasks::feed(jobs.clone(), begin, working.clone()));
        tasks.spawn(self.port.clone().run(working.clone()));
        if let Some(reload) = self.reload.take() {
            let env = std::mem::take(&mut self.env);
            tasks.spawn(reload.run(self.services.clone(), env, working.clone()));
        }
        if let Some(sampler) = self.sampler.take() {
            tasks.spawn(tasks::sample(sampler, working.clone()));
        }
        let mut ready = presence.leads();
        let mut term = chat::Term::default();
        while !stop.is_cancelled() {
            if ready {
                term = chat::Term::default();
                self.lead(&stop, &term).await;
                ready = false;
                continue;
            }
            tokio::select! {
                () = presence.elected() => {}
                () = stop.cancelled() => break,
            }
            let taken = tokio::select! {
                taken = self.take_the_lead() => taken,
                () = presence.deposed() => continue,
            };
            match taken {
                Ok(()) => ready = true,
                Err(error) => {
                    tracing::error!(error = format!("{error:#}"), "cannot lead yet");
                    tokio::time::sleep(FIRST_PAUSE).await;
                }
            }
        }
        supervisor.stopping();
        tracing::info!("stopping");
        if presence.has_company() {
            // What only the leader can say is said first; then another one leads while jobs here end.
            outbox.flush(HAND_OVER).await;
            term.end();
            membership::resign(&store).await;
            outbox.suspend();
        }
        shut_down(&jobs, &working).await;
        outbox.stop(FLUSH).await;
        tasks.close();
        tasks.wait().await;
        counted.cancel();
        members.close();
        members.wait().await;
        supervisor.end().await;
        close(store).await;
        tracing::info!("stopped");
        Ok(())
    }

    /// Reads what another may have changed since, and settles what is left open.
    async fn take_the_lead(&self) -> Result<()> {
        let Services {
            access,
            outbox,
            jobs,
            store,
            scripts,
            flows,
            undoing,
            clock,
            ..
        } = &self.services;
        flows.set_hears(false);
        if store.presence().is_shared() {
            access.refresh().await.context("reading the members")?;
        }
        if let Some(code) = access.open_claim() {
            tracing::warn!(
                "nobody may use this bot yet; to become its owner, send it: /start {code}"
            );
        }
        outbox.start().await.context("reading what is to be sent")?;
        // Before updates are taken, and before what waits for somebody's word goes on.
        let heard = async {
            let now = clock.now();
            undoing.hear_out(now).await?;
            flows.hear_out(now).await
        };
        heard
            .await
            .context("looking for what nobody could confirm")?;
        let recovered = jobs
            .recover()
            .await
            .context("settling what an earlier run left open")?;
        scripts.end_left_lookups().await;
        tracing::info!(
            lost = recovered.lost,
            again = recovered.again,
            queued = recovered.queued,
            "ready"
        );
        Ok(())
    }

    /// Does what only one does, until `stop` fires or another leads; then `term` has ended.
    async fn lead(&self, stop: &CancellationToken, term: &chat::Term) {
        let leading = CancellationToken::new();
        let tasks = TaskTracker::new();
        // Dropped at once when another leads: whoever is cut off waits for a database that does not answer.
        let until_deposed = |task: BoxFuture<'static, ()>| {
            let leading = leading.clone();
            tasks.spawn(async move { leading.run_until_cancelled(task).await });
        };
        let Services { jobs, .. } = &self.services;
        until_deposed(tasks::sweep(jobs.clone(), leading.clone()).boxed());
        until_deposed(tasks::tidy(self.services.clone(), leading.clone()).boxed());
        until_deposed(tasks::expire(self.services.clone(), leading.clone()).boxed());
        until_deposed(tasks::schedules(self.services.clone(), leading.clone()).boxed());
        until_deposed(tasks::hubs(self.services.clone(), leading.clone()).boxed());
        let pulse = self.pulse.clone();
        until_deposed(tasks::undo(self.services.clone(), pulse, leading.clone()).boxed());
        if self.clock {
            until_deposed(tasks::incidents(self.services.clone(), leading.clone()).boxed());
            let watch = Watch::new(
                self.services.live.clone(),
                self.services.store.clone(),
                Arc::new(self.services.incidents.clone()),
                self.prober.clone(),
                host::name(),
                self.services.board.clone(),
            );
            until_deposed(watch.run(leading.clone()).boxed());
        }
        let (services, wellness) = (self.services.clone(), self.wellness.clone());
        until_deposed(heartbeat::run(services, wellness, leading.clone()).boxed());
        let menus = tasks::menus(self.bot.clone(), self.services.clone(), leading.clone());
        until_deposed(menus.boxed());
        tasks.spawn(tasks::rights(self.services.clone(), leading.clone()));
        let deposed = tokio::select! {
            () = self.take_updates(stop, term) => false,
            () = self.services.store.presence().deposed() => true,
        };
        leading.cancel();
        tasks.close();
        if deposed {
            term.end();
            tracing::warn!("leads no more: the lease was not renewed in time");
            self.services.outbox.suspend();
        }
        if tokio::time::timeout(FLUSH, tasks.wait()).await.is_err() {
            tracing::warn!("the database does not take what was seen of people");
        }
        self.services.flows.set_hears(false);
    }

    /// Takes updates until `stop` fires, through outages of Telegram.
    async fn take_updates(&self, stop: &CancellationToken, term: &chat::Term) {
        let mut pause = FIRST_PAUSE;
        while !stop.is_cancelled() {
            let mut dispatcher = self.dispatcher(term.clone());
            let token = dispatcher.shutdown_token();
            let polling = Polling::builder(self.poller.clone())
                .timeout(POLL)
                .allowed_updates(intake::wanted())
                .build();
            let intake = intake::Intake::new(
                polling,
                self.services.store.clone(),
                self.services.outbox.clone(),
                self.services.access.clone(),
                self.pulse.clone(),
            );
            let errors = Arc::new(tasks::PollErrors::default());
            let run = dispatcher.try_dispatch_with_listener(intake, errors);
            tokio::pin!(run);
            let ended = tokio::select! {
                ended = &mut run => ended,
                () = stop.cancelled() => {
                    // Not running yet means that there is nothing to shut down.
                    if token.shutdown().is_ok() {
                        let _ = tokio::time::timeout(INTAKE_STOP, run).await;
                    }
                    return;
                }
            };
            if let Err(error) = ended {
                self.pulse.failed();
                tracing::warn!(%error, ?pause, "Telegram cannot be reached; trying again");
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = stop.cancelled() => {}
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    fn dispatcher(
        &self,
        term: chat::Term,
    ) -> Dispatcher<Bot, std::convert::Infallible, teloxide::dispatching::DefaultKey> {
        let services = self.services.clone();
        Dispatcher::builder(self.poller.clone(), chat::schema())
            .dependencies(teloxide::dptree::deps![
                self.services.clone(),
                self.bot.clone(),
                term
            ])
            .default_handler(move |update| chat::on_other(services.clone(), update))
            .build()
    }
}

async fn shut_down(jobs: &Jobs, working: &CancellationToken) {
    jobs.shut_down().await;
    working.cancel();
}

async fn close(store: Store) {
    if tokio::time::timeout(FLUSH, store.close()).await.is_err() {
        tracing::warn!("the database did not close in time");
    }
}
