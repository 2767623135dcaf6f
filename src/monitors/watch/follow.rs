//! Whose states there are: those of the configuration in force. What fires of the others ends.

use super::Watch;
use super::entry::{Entry, entry, read_state, row};
use crate::base::alert::Change;
use crate::base::name::Name;
use crate::base::time::Millis;
use crate::config::Probe;
use crate::drivers::process;
use crate::monitors::probe::{Kept, Scene};
use crate::monitors::state::State;
use crate::store::{self, checks};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// The time that a program of an earlier bot gets between TERM and KILL.
const LEFTOVER_GRACE: Duration = Duration::from_millis(500);

impl Watch {
    /// Reads the states at the start, and sees to it that they are those of the configuration in force.
    pub(super) async fn follow(&mut self, now: Millis) -> store::Result<Scene> {
        let config = self.live.current();
        if self.entries.is_none() {
            self.load(now).await?;
            for check in config.checks.values() {
                if let Probe::Script { .. } = check.probe {
                    process::end_all(&self.prober.marker(check), LEFTOVER_GRACE).await;
                }
            }
        }
        let same = self
            .followed
            .as_ref()
            .is_some_and(|followed| Arc::ptr_eq(&followed.config, &config));
        if !same {
            let entries = self.entries.get_or_insert_default();
            let before = self.followed.as_ref().map(|scene| &scene.config);
            for (name, entry) in entries.iter_mut() {
                let Some(check) = config.checks.get(name) else {
                    continue;
                };
                entry.due = entry.due.min(now.plus(check.every));
            }
            let ended = entries.extract_if(.., |name, _| !config.checks.contains_key(name));
            let ended: Vec<(Name, Entry)> = ended.collect();
            for (name, entry) in ended {
                let topic = before.and_then(|before| before.checks.get(&name));
                let topic = topic.map_or_else(|| name.clone(), |check| check.topic.clone());
                self.gone.extend(row(&self.host, &name, &topic, &entry));
            }
            for name in config.checks.keys() {
                entries.entry(name.clone()).or_insert_with(|| Entry {
                    state: State::default(),
                    memory: Kept::default(),
                    reading: None,
                    due: now,
                    written: None,
                    locked: false,
                    worst: None,
                    told: None,
                });
            }
            self.followed = Some(self.prober.scene(&config));
        }
        if !self.gone.is_empty() {
            self.bury(now).await?;
        }
        Ok(self
            .followed
            .clone()
            .unwrap_or_else(|| self.prober.scene(&config)))
    }

    async fn load(&mut self, now: Millis) -> store::Result<()> {
        let config = self.live.current();
        let mut db = self.store.read().await?;
        let rows = checks::all(&mut db).await?;
        drop(db);
        let mut entries = BTreeMap::new();
        self.gone.clear();
        for row in rows {
            let name = Name::new(row.name.as_str()).ok();
            let name =
                name.filter(|name| row.host == self.host && config.checks.contains_key(name));
            match name {
                Some(name) => {
                    entries.insert(name, entry(&row, now));
                }
                None => self.gone.push(row),
            }
        }
        self.entries = Some(entries);
        Ok(())
    }

    /// Ends what fires of checks that are gone, and of machines that look no more.
    async fn bury(&mut self, now: Millis) -> store::Result<()> {
        let mut changes = Vec::new();
        for row in &self.gone {
            let state = read_state(row);
            let since = state.since();
            let (_, turn) = state.ended();
            let why = match row.host == self.host {
                true => "the check was removed".to_owned(),
                false => format!("checks run on {} now, not on {}", self.host, row.host),
            };
            if let Some(turn) = turn {
                changes.push(Change {
                    check: row.name.clone(),
                    host: row.host.clone(),
                    topic: row.topic.clone(),
                    turn,
                    reading: Err(why),
                    limit: None,
                    at: now,
                    since: since.unwrap_or(now),
                    flapping: false,
                    worst: None,
                });
            }
        }
        let mut tx = self.store.begin_led().await?;
        for row in &self.gone {
            checks::remove(&mut tx, &row.host, &row.name).await?;
        }
        if !changes.is_empty() {
            self.ledger.record(&mut tx, &changes).await?;
        }
        self.store.commit(tx).await?;
        self.gone.clear();
        if !changes.is_empty() {
            self.ledger.committed();
        }
        Ok(())
    }
}
