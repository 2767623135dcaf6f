//! Puts the parts together. The only place that knows them all.

use super::fixer::Fixes;
use super::health::Wellness;
use super::{App, lock, membership};
use crate::access::{Access, Listed};
use crate::actions::script::Scripts;
use crate::actions::undo::Undoing;
use crate::base::error::Result as Answer;
use crate::base::ids::{ChatId, JobId, Place};
use crate::base::name::Name;
use crate::base::schedule::Upcoming;
use crate::base::secret::ExposeSecret;
use crate::base::time::{Clock, Millis};
use crate::base::trouble::Troubles;
use crate::base::upload::Uploads;
use crate::chat::alerts::Words;
use crate::chat::pulse::Pulse;
use crate::chat::{Notices, ScheduleNotices};
use crate::config::{Config, Database, Env, Live, Reloads, Script};
use crate::delivery::{Bots, Fetcher, Limits, Outbox, clients};
use crate::http::{self, Port};
use crate::jobs::action::Registry;
use crate::jobs::apalis::Queue;
use crate::jobs::export::Exports;
use crate::jobs::output::Searches;
use crate::jobs::{self, Files, Jobs, NewJob, Settings};
use crate::monitors::board::Board;
use crate::monitors::charts::Charts;
use crate::monitors::incidents::{Agenda, Fix, Incidents, Rule, Rules};
use crate::monitors::probe::Prober;
use crate::monitors::rehearsal::Rehearsals;
use crate::monitors::sampler::{Sampler, Samples};
use crate::schedules::{self, Ends, Schedules};
use crate::selftest::{self, SelfTest};
use crate::services::Services;
use crate::store::{self, Location, Store, presence};
use crate::workflows::{Flows, Steady};
use anyhow::{Context, Result};
use futures::future::{BoxFuture, FutureExt};
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// What a bot is built with beside its configuration.
#[derive(Clone)]
pub struct Options {
    /// Leave Telegram's rates out, for a server of one's own that has none.
    pub no_rates: bool,
    /// How long one press may search in what jobs printed.
    pub search_time: Duration,
    /// How checks are told, in place of what the configuration says.
    pub rules: Option<Rules>,
    /// Whether the loops of incidents run by the clock; else whoever built the bot steps them.
    pub clock: bool,
    /// The clock of jobs, workflows and schedules.
    pub now: Clock,
    /// The one that nobody can put, by which they notice that the other was.
    pub steady: Steady,
    /// Whether steps of workflows may take git repositories from folders of this machine.
    pub local_git: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            no_rates: false,
            search_time: Duration::from_secs(2),
            rules: None,
            clock: true,
            now: Clock::default(),
            steady: Arc::new(presence::now),
            local_git: false,
        }
    }
}

/// Opens everything that the configuration names.
///
/// # Errors
/// What could not be opened, and why.
pub async fn build(config: Config, env: Env, options: Options) -> Result<App> {
    let clients = clients::make(&config.telegram)?;
    let location = location(&config.database);
    let lock = match &location {
        Location::Sqlite(path) => Some(lock::take(path)?),
        Location::Postgres(_) => None,
    };
    let store = Store::open(location.clone())
        .await
        .context("opening the database")?;
    let queue = Queue::open(&location).await.context("opening the queue")?;
    let log_dir = data_folder(&config, "logs")?;
    let work_dir = data_folder(&config, "work")?;
    let marker = log_dir.display().to_string();
    membership::join(&store, &config.data_dir, &marker).await?;
    let bots = Bots {
        quick: clients.quick.clone(),
        upload: clients.upload,
    };
    let fetcher = Fetcher::new(bots.clone());
    let limits = match options.no_rates {
        true => Limits::none(),
        false => Limits::default(),
    };
    let files = Arc::new(Files::new(log_dir.clone(), work_dir.clone()));
    let files = Arc::new(Exports::new(store.clone(), log_dir.clone(), files));
    let listed = Listed::from(&config);
    let settings = Settings {
        workers: config.jobs.workers,
        limits: self::limits(&config),
        marker: marker.clone(),
        log_dir: log_dir.clone(),
        work_dir,
        clock: options.now.clone(),
    };
    let live = Live::new(config);
    let files = Arc::new(Charts::new(store.clone(), live.clone(), files));
    let outbox = Outbox::new(store.clone(), bots, files, limits);
    let access = Access::open(
        store.clone(),
        listed,
        Arc::new(Notices::new(outbox.clone())),
    )
    .await
    .context("reading the members")?;
    let marker = log_dir.display().to_string();
    let scripts = Scripts::new(live.clone(), env.clone(), fetcher, &marker);
    let parts = (
        store.clone(),
        outbox.clone(),
        access.clone(),
        live.clone(),
        env.clone(),
    );
    let clocks = (options.now.clone(), options.steady);
    let flows = Flows::new(parts, clocks, options.local_git);
    let registry = Registry::default()
        .with(scripts.clone())
        .with(flows.clone())
        .with(selftest::Nothing);
    let ends = Ends::new(live.clone());
    let troubles = Troubles::default();
    let samples = Samples::default();
    let sampler = Sampler::new(store.clone(), live.clone(), samples.clone())?;
    let jobs = Jobs::new(
        store.clone(),
        outbox.clone(),
        Arc::new(queue),
        registry,
        Arc::new(ends.clone()),
        settings,
    );
    let schedules = Schedules::new(schedules::Parts {
        live: live.clone(),
        store: store.clone(),
        access: access.clone(),
        outbox: outbox.clone(),
        jobs: jobs.clone(),
        maker: Arc::new(ByClock(scripts.clone())),
        herald: Arc::new(ScheduleNotices),
        ends,
        env: env.clone(),
        troubles: troubles.clone(),
        clock: options.now.clone(),
    });
    let fixes = Fixes {
        live: live.clone(),
        access: access.clone(),
        scripts: scripts.clone(),
        jobs: jobs.clone(),
    };
    let rules = options.rules.unwrap_or_else(|| rules(live.clone()));
    let incidents = Incidents::new(
        (store.clone(), access.clone(), outbox.clone(), live.clone()),
        rules,
        Arc::new(Words::new(live.clone())),
        Arc::new(fixes),
        Arc::new(schedules.clone()),
    );
    let reloads = Reloads::default();
    let told = (reloads.clone(), troubles.clone());
    let prober = Prober::new(store.clone(), env.clone(), told, &marker);
    let pushes = prober.pushes().clone();
    let selftest = SelfTest::new(selftest::Parts {
        store: store.clone(),
        jobs: jobs.clone(),
        outbox: outbox.clone(),
        live: live.clone(),
        reloads: reloads.clone(),
        env: env.clone(),
        port: {
            let pushes = pushes.clone();
            Arc::new(move || pushes.port_fault())
        },
    });
    let board = Board::default();
    let rehearsals = Rehearsals::new(store.clone());
    let port = Port::new(live.clone(), pushes.clone(), http::Limits::default());
    Ok(App {
        services: Services {
            undoing: Undoing {
                store: store.clone(),
                access: access.clone(),
                jobs: jobs.clone(),
                outbox: outbox.clone(),
            },
            live,
            reloads,
            pushes,
            board,
            store,
            access,
            outbox,
            jobs,
            incidents,
            scripts,
            flows,
            schedules,
            selftest,
            searches: Arc::new(Searches::new(options.search_time)),
            samples,
            rehearsals,
            troubles,
            log_dir: Arc::new(log_dir),
            clock: options.now,
            bot_name: Arc::default(),
            roles_changed: Arc::default(),
        },
        poller: clients.poll,
        bot: clients.quick,
        env,
        reload: None,
        sampler: Some(sampler),
        port,
        prober,
        clock: options.clock,
        marker,
        pulse: Pulse::default(),
        wellness: Wellness::default(),
        _lock: lock,
    })
}

/// Makes jobs of scripts for those that nobody starts by hand.
struct ByClock(Scripts);

impl schedules::Maker for ByClock {
    fn make<'a>(
        &'a self,
        script: &'a Script,
        given: &'a [String],
        retry_of: Option<JobId>,
    ) -> BoxFuture<'a, Answer<NewJob>> {
        async move {
            self.0.check_choices(script, given).await?;
            self.0.job(script, given, &Uploads::new(), None, retry_of)
        }
        .boxed()
    }
}

impl Agenda for Schedules {
    fn ahead(
        &self,
        now: Millis,
        until: Millis,
    ) -> BoxFuture<'_, store::Result<Option<Vec<Upcoming>>>> {
        Schedules::ahead(self, now, until).boxed()
    }
}

/// What the configuration says of how each check is told.
fn rules(live: Live) -> Rules {
    Arc::new(move |name| {
        let config = live.current();
        let check = Name::new(name).ok();
        let check = check.and_then(|name| config.checks.get(&name));
        let repeat = check.map_or(config.alerts.repeat, |check| check.repeat);
        let place = |chat: &ChatId| Place {
            chat: *chat,
            thread: None,
        };
        Rule {
            repeat_warning: repeat.warning,
            repeat_critical: repeat.critical,
            notify: check.map_or_else(Vec::new, |check| check.notify.iter().map(place).collect()),
            fix: check.and_then(|check| check.fix.as_ref()).map(|fix| Fix {
                script: fix.script.to_string(),
                auto: fix.per_hour.is_some(),
                per_hour: fix.per_hour.unwrap_or(0),
            }),
        }
    })
}

/// The database of the configuration, as the store takes it.
#[must_use]
pub fn location(database: &Database) -> Location {
    match database {
        Database::Sqlite { path } => Location::Sqlite(path.clone()),
        Database::Postgres { url } => Location::Postgres(url.expose_secret().to_owned()),
    }
}

/// A folder of ours, with an absolute path: scripts run elsewhere.
fn data_folder(config: &Config, name: &str) -> Result<PathBuf> {
    let folder = std::path::absolute(config.data_dir.join(name))?;
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&folder)
        .with_context(|| format!("making the folder {}", folder.display()))?;
    Ok(folder)
}

/// The limits of the jobs, as the engine takes them.
pub(super) fn limits(config: &Config) -> jobs::Limits {
    jobs::Limits {
        per_user: u32::try_from(config.jobs.per_user).unwrap_or(u32::MAX),
        max_queued: config.jobs.max_queued as u64,
        grace: config.jobs.grace,
        max_log: config.jobs.max_log,
        max_files: config.jobs.max_files,
        max_files_size: config.jobs.max_files_size,
    }
}
