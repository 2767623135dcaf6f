//! What differs between the configuration in force and a newer one, and what of it has to wait for a restart.

use super::access::{Chat, User};
use super::checks::{Check, comes_along};
use super::workflows::own_lock;
use super::{Alerts, Config, Database, Fault, Repeat, Schedule, Script};
use crate::base::name::Name;
use crate::base::role::Role;
use crate::base::secret::{ExposeSecret, SecretString};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::time::Duration;

/// What a newer configuration changes. Names only, no values: some are secret.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Those of the names below that are workflows; the rest are scripts.
    pub workflows: BTreeSet<Name>,
    /// Scripts that are new.
    pub added: Vec<Name>,
    /// Scripts that do or ask for something else.
    pub changed: Vec<Name>,
    /// Scripts that are gone.
    pub removed: Vec<Name>,
    /// Schedules of scripts that are the same otherwise.
    pub schedules: Differing,
    /// Checks, without those that come and go by something else that is named here.
    pub checks: Differing,
    /// Persons and groups by name, with what they may now; `None` for those no longer listed.
    pub access: Vec<(String, Option<Role>)>,
    /// Keys that hold from now on.
    pub settings: Vec<&'static str>,
    /// Keys that differ from what the program was started with, and hold after its next start.
    pub restart: Vec<&'static str>,
    /// Why the port for pushes could not be opened, as a short sentence; the rest holds.
    pub closed: Option<String>,
    /// Of a file that was only looked at: what the person should know all the same.
    pub warnings: Vec<Fault>,
}

/// What differs among things of one kind, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Differing {
    /// Those that are new.
    pub added: Vec<String>,
    /// Those that are otherwise now.
    pub changed: Vec<String>,
    /// Those that are gone.
    pub removed: Vec<String>,
}

impl Differing {
    /// Whether nothing differs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Changes {
    /// Whether nothing changed that holds from now on.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let Self {
            workflows: _,
            added,
            changed,
            removed,
            schedules,
            checks,
            access,
            settings,
            restart: _,
            closed: _,
            warnings: _,
        } = self;
        added.is_empty()
            && changed.is_empty()
            && removed.is_empty()
            && schedules.is_empty()
            && checks.is_empty()
            && access.is_empty()
            && settings.is_empty()
    }
}

impl Config {
    /// What takes force of a newer configuration while this one runs, and how the two differ. What the program holds
    /// open since its start (connections, folders, workers) stays as it is.
    #[must_use]
    pub fn renewed(&self, newer: Config) -> (Config, Changes) {
        let changes = Changes {
            workflows: (self.workflows().chain(newer.workflows()))
                .map(|script| script.name.clone())
                .collect(),
            added: only_in(&newer, self),
            removed: only_in(self, &newer),
            changed: changed(self, &newer),
            schedules: schedules(self, &newer),
            checks: checks(self, &newer),
            access: access(self, &newer),
            settings: settings(self, &newer),
            restart: restart(self, &newer),
            closed: None,
            warnings: Vec::new(),
        };
        let mut config = newer;
        let stale_after = config.telegram.stale_after;
        config.telegram = self.telegram.clone();
        config.telegram.stale_after = stale_after;
        config.database = self.database.clone();
        config.data_dir.clone_from(&self.data_dir);
        config.jobs.workers = self.jobs.workers;
        (config, changes)
    }
}

fn only_in(one: &Config, other: &Config) -> Vec<Name> {
    let missing = |name: &&Name| !other.scripts.contains_key(*name);
    one.scripts.keys().filter(missing).cloned().collect()
}

fn changed(old: &Config, new: &Config) -> Vec<Name> {
    let differs = |name: &&Name| match (old.scripts.get(*name), new.scripts.get(*name)) {
        (Some(before), Some(now)) => !same(&written(before), &written(now)),
        (None, _) | (_, None) => false,
    };
    new.scripts.keys().filter(differs).cloned().collect()
}

/// A script without what it has only because a workflow names it.
fn written(script: &Script) -> Script {
    let mut script = script.clone();
    script.lock = script.lock.filter(|lock| *lock != own_lock(&script.name));
    script
}

/// Where the script itself is new, gone or changed, its schedule is not told besides.
fn schedules(old: &Config, new: &Config) -> Differing {
    let is_same = |name: &Name| match (old.scripts.get(name), new.scripts.get(name)) {
        (Some(before), Some(now)) => same(&written(before), &written(now)),
        (None, _) | (_, None) => false,
    };
    let all = |config: &Config| -> BTreeMap<String, Schedule> {
        let own = config.schedules.iter().filter(|one| is_same(&one.script));
        own.map(|one| (one.name.clone(), one.clone())).collect()
    };
    differing_by_name(&all(old), &all(new), Schedule::eq)
}

fn checks(old: &Config, new: &Config) -> Differing {
    let all = |one: &Config, other: &Config| -> BTreeMap<String, _> {
        let own = one.checks.values();
        let own = own.filter(|check| !comes_along(check, one, other));
        own.map(|check| {
            (
                check.name.to_string(),
                own_settings(check, &one.alerts.repeat),
            )
        })
        .collect()
    };
    differing_by_name(&all(old, new), &all(new, old), same)
}

/// A check and what it says itself of being told again; the rest is that of all checks.
fn own_settings(check: &Check, all: &Repeat) -> (Check, [Option<Option<Duration>>; 2]) {
    let own = |own: Option<Duration>, all| (own != all).then_some(own);
    let repeat = check.repeat;
    let said = [
        own(repeat.warning, all.warning),
        own(repeat.critical, all.critical),
    ];
    let repeat = Alerts::default().repeat;
    (
        Check {
            repeat,
            ..check.clone()
        },
        said,
    )
}

fn differing_by_name<T>(
    old: &BTreeMap<String, T>,
    new: &BTreeMap<String, T>,
    same: impl Fn(&T, &T) -> bool,
) -> Differing {
    let only_in = |one: &BTreeMap<String, T>, other: &BTreeMap<String, T>| {
        let missing = |name: &&String| !other.contains_key(*name);
        one.keys().filter(missing).cloned().collect()
    };
    let differs = |(name, now): &(&String, &T)| old.get(*name).is_some_and(|was| !same(was, now));
    Differing {
        added: only_in(new, old),
        removed: only_in(old, new),
        changed: (new.iter().filter(differs))
            .map(|(name, _)| name.clone())
            .collect(),
    }
}

/// Compares by what would be shown: compiled patterns cannot be compared, and a setting that is added to a script later
/// must not be forgotten here.
fn same<T: Debug>(one: &T, other: &T) -> bool {
    format!("{one:?}") == format!("{other:?}")
}

fn access(old: &Config, new: &Config) -> Vec<(String, Option<Role>)> {
    let users = |config: &Config| -> BTreeMap<i64, (String, Role)> {
        let entry = |user: &User| (user.id.0, (user.name.clone(), user.role));
        config.access.users.iter().map(entry).collect()
    };
    let chats = |config: &Config| -> BTreeMap<i64, (String, Role)> {
        let entry = |chat: &Chat| (chat.id.0, (chat.name.clone(), chat.role));
        config.access.chats.iter().map(entry).collect()
    };
    let mut found = differing(&users(old), &users(new));
    found.extend(differing(&chats(old), &chats(new)));
    found
}

fn differing(
    old: &BTreeMap<i64, (String, Role)>,
    new: &BTreeMap<i64, (String, Role)>,
) -> Vec<(String, Option<Role>)> {
    let ids: BTreeSet<_> = old.keys().chain(new.keys()).collect();
    ids.into_iter()
        .filter(|id| old.get(id) != new.get(id))
        .filter_map(|id| match (old.get(id), new.get(id)) {
            (_, Some((name, role))) => Some((name.clone(), Some(*role))),
            (Some((name, _)), None) => Some((name.clone(), None)),
            (None, None) => None,
        })
        .collect()
}

/// The keys for which this holds.
fn keys(named: &[(&'static str, bool)]) -> Vec<&'static str> {
    let held = named.iter().filter(|(_, holds)| *holds);
    held.map(|(key, _)| *key).collect()
}

fn settings(old: &Config, new: &Config) -> Vec<&'static str> {
    let (was, now) = (&old.jobs, &new.jobs);
    keys(&[
        ("base_dir", old.base_dir != new.base_dir),
        (
            "monitored_devices",
            old.monitored_devices != new.monitored_devices,
        ),
        (
            "telegram.stale_after",
            old.telegram.stale_after != new.telegram.stale_after,
        ),
        ("jobs.timeout", was.timeout != now.timeout),
        ("jobs.grace", was.grace != now.grace),
        ("jobs.keep", was.keep != now.keep),
        ("jobs.max_log", was.max_log != now.max_log),
        ("jobs.per_user", was.per_user != now.per_user),
        ("jobs.max_queued", was.max_queued != now.max_queued),
        ("alerts", alerts(old) != alerts(new)),
        ("http.listen", old.http != new.http),
    ])
}

/// The section in a form that can be compared.
fn alerts(config: &Config) -> (String, Option<String>) {
    let url = config.alerts.heartbeat_url.as_ref();
    (
        format!("{:?}", config.alerts),
        url.map(|url| url.expose_secret().to_owned()),
    )
}

fn restart(old: &Config, new: &Config) -> Vec<&'static str> {
    let (was, now) = (&old.telegram, &new.telegram);
    let token = |token: &Option<SecretString>| -> Option<String> {
        token.as_ref().map(|token| token.expose_secret().to_owned())
    };
    keys(&[
        ("the token", token(&was.token) != token(&now.token)),
        ("telegram.api_url", was.api_url != now.api_url),
        ("telegram.proxy", was.proxy != now.proxy),
        ("database", address(&old.database) != address(&new.database)),
        ("data_dir", old.data_dir != new.data_dir),
        ("jobs.workers", old.jobs.workers != new.jobs.workers),
    ])
}

fn address(database: &Database) -> String {
    match database {
        Database::Sqlite { path } => path.display().to_string(),
        Database::Postgres { url } => url.expose_secret().to_owned(),
    }
}
