//! Puts the parts together. The only place that knows them all.

use super::{App, clients, lock, membership};
use crate::access::{Access, Listed};
use crate::actions::script::Scripts;
use crate::base::secret::ExposeSecret;
use crate::config::{self, Config, Database, Env, Live, Reloads};
use crate::delivery::{Bots, Limits, Outbox};
use crate::jobs::action::Registry;
use crate::jobs::apalis::Queue;
use crate::jobs::{self, Jobs, Logs, Settings};
use crate::services::Services;
use crate::store::members::Member;
use crate::store::{Location, Store};
use anyhow::{Context, Result};
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::Arc;

/// What a bot is built with beside its configuration.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Leave Telegram's rates out, for a server of one's own that has none.
    pub no_rates: bool,
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
    let log_dir = log_dir(&config)?;
    let marker = log_dir.display().to_string();
    membership::join(&store, &config.data_dir, &marker).await?;
    let access = Access::open(store.clone(), listed(&config.access))
        .await
        .context("reading the members")?;
    let bots = Bots {
        quick: clients.quick.clone(),
        upload: clients.upload,
    };
    let limits = match options.no_rates {
        true => Limits::none(),
        false => Limits::default(),
    };
    let logs = Arc::new(Logs::new(log_dir.clone()));
    let outbox = Outbox::new(store.clone(), bots, logs, limits);
    let settings = settings(&config, marker.clone(), log_dir.clone());
    let live = Live::new(config);
    let scripts = Scripts::new(live.clone(), env.clone());
    let registry = Registry::default().with(scripts.clone());
    let jobs = Jobs::new(
        store.clone(),
        outbox.clone(),
        Arc::new(queue),
        registry,
        settings,
    );
    Ok(App {
        services: Services {
            live,
            reloads: Reloads::default(),
            store,
            access,
            outbox,
            jobs,
            scripts,
            log_dir: Arc::new(log_dir),
            roles_changed: Arc::default(),
        },
        poller: clients.poll,
        bot: clients.quick,
        env,
        reload: None,
        marker,
        _lock: lock,
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

fn log_dir(config: &Config) -> Result<PathBuf> {
    let folder = config.data_dir.join("logs");
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&folder)
        .with_context(|| format!("making the folder {}", folder.display()))?;
    Ok(folder)
}

/// The persons and groups of the file, as the access takes them.
pub(super) fn listed(access: &config::Access) -> Listed {
    let member = |user: &config::User| Member {
        id: user.id,
        name: user.name.clone(),
        role: user.role,
    };
    Listed {
        users: access.users.iter().map(member).collect(),
        chats: access
            .chats
            .iter()
            .map(|chat| (chat.id, chat.role))
            .collect(),
    }
}

fn settings(config: &Config, marker: String, log_dir: PathBuf) -> Settings {
    Settings {
        workers: config.jobs.workers,
        limits: limits(config),
        marker,
        log_dir,
    }
}

/// The limits of the jobs, as the engine takes them.
pub(super) fn limits(config: &Config) -> jobs::Limits {
    jobs::Limits {
        per_user: u32::try_from(config.jobs.per_user).unwrap_or(u32::MAX),
        max_queued: config.jobs.max_queued as u64,
        grace: config.jobs.grace,
        max_log: config.jobs.max_log,
    }
}
