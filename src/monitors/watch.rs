//! The loop that looks: what is due is looked at, all at once; what comes of it is decided and told in one transaction.

mod entry;
mod follow;

use super::Ledger;
use super::board::{Board, Shown};
use super::probe::{Look, Prober, Scene};
use super::state::Rule;
use crate::base::name::Name;
use crate::base::time::Millis;
use crate::config::{Check, Live, Probe};
use crate::drivers::processes::lock_is_held;
use crate::store::checks::{self, Row};
use crate::store::{self, Store};
pub(super) use entry::{Basis, change};
use entry::{Entry, decide, row};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// How many looks go on at the same time.
const AT_ONCE: usize = 16;
/// How long a step waits for looks; those that take longer are taken up by a later one.
const PATIENCE: Duration = Duration::from_millis(500);
/// The longest pause between two steps: a reload is noticed, and looks that took longer are taken up.
const PACE: Duration = Duration::from_secs(1);
/// The pause after the database failed.
const AFTER_FAILURE: Duration = Duration::from_secs(2);
/// A little late is not late.
const ON_TIME: Duration = Duration::from_secs(2);

/// What a step did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stepped {
    /// Looks that were taken up.
    pub looks: usize,
    /// Changes that were told.
    pub changes: usize,
    /// States that were written down.
    pub written: usize,
    /// Looks that go on.
    pub under_way: usize,
}

/// Looks, for the machine that it runs on.
pub struct Watch {
    live: Live,
    store: Store,
    ledger: Arc<dyn Ledger>,
    prober: Prober,
    host: String,
    board: Board,
    /// What was read of the database; nothing before the first step.
    entries: Option<BTreeMap<Name, Entry>>,
    /// The configuration that the entries follow.
    followed: Option<Scene>,
    /// Rows of checks that are gone, and of machines that look no more.
    gone: Vec<Row>,
    looking: JoinSet<(Name, Look)>,
    /// The checks that are being looked at.
    under_way: BTreeMap<Name, Arc<Check>>,
    /// How many pushes of each check were looked at, or are about to be.
    pushed: BTreeMap<String, i64>,
    room: Arc<Semaphore>,
}

impl Watch {
    /// Watches what the configuration in force says, from the machine with this name; what changes is told to the ledger.
    #[must_use]
    pub fn new(
        live: Live,
        store: Store,
        ledger: Arc<dyn Ledger>,
        prober: Prober,
        host: String,
        board: Board,
    ) -> Self {
        // Whoever looked before may have heard of a push and not got to it.
        prober.pushes().again();
        Self {
            live,
            store,
            ledger,
            prober,
            host,
            board,
            entries: None,
            followed: None,
            gone: Vec::new(),
            looking: JoinSet::new(),
            under_way: BTreeMap::new(),
            pushed: BTreeMap::new(),
            room: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }

    /// Looks until `stop` fires, or until another instance leads.
    pub async fn run(mut self, stop: CancellationToken) {
        self.board.step();
        let work = async {
            loop {
                let pause = match self.step(Millis::now()).await {
                    Ok(_) => {
                        self.board.step();
                        self.until_due(Millis::now())
                    }
                    Err(store::Error::Deposed) => return,
                    Err(error) => {
                        tracing::error!(%error, "what checks found could not be written down");
                        AFTER_FAILURE
                    }
                };
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    () = self.prober.pushes().woken() => {}
                }
            }
        };
        tokio::select! {
            () = work => {}
            () = stop.cancelled() => {}
        }
    }

    /// Looks at what is due, and takes up what was found within half a second.
    ///
    /// # Errors
    /// When the database refuses: then nothing was told, and what was found is looked at anew when it is due again.
    pub async fn step(&mut self, now: Millis) -> store::Result<Stepped> {
        let scene = self.follow(now).await?;
        self.hurry(&scene, now).await?;
        self.begin(&scene, now);
        let mut looks = Vec::new();
        let collected = async {
            while let Some(done) = self.looking.join_next().await {
                if let Ok(look) = done {
                    looks.push(look);
                }
            }
        };
        // What is not done yet goes on.
        let _ = timeout(PATIENCE, collected).await;
        let taken = self.take_up(looks, now).await;
        if taken.is_err() {
            // What came by push is news until it was written down, however long it is until the next look.
            self.pushed.clear();
            self.prober.pushes().again();
        }
        let mut stepped = taken?;
        if self.looking.is_empty() {
            // A look that panicked is over too.
            self.under_way.clear();
        }
        stepped.under_way = self.under_way.len();
        Ok(stepped)
    }

    /// The time until the next step, at most a second.
    fn until_due(&self, now: Millis) -> Duration {
        let entries = self.entries.iter().flatten();
        let idle = entries.filter(|(name, _)| !self.under_way.contains_key(*name));
        let next = idle.map(|(_, entry)| entry.due).min();
        let pause = next.map_or(PACE, |due| due.since(now)).min(PACE);
        match self.under_way.is_empty() {
            true => pause,
            false => pause.min(PATIENCE / 5),
        }
    }

    /// Whatever a push came for is due at once.
    async fn hurry(&mut self, scene: &Scene, now: Millis) -> store::Result<()> {
        let waits = |check: &Check| matches!(check.probe, Probe::Push { .. });
        if !scene.config.checks.values().any(waits) {
            return Ok(());
        }
        let news = self.prober.pushes().news(&mut self.pushed).await?;
        for (name, entry) in self.entries.iter_mut().flatten() {
            let check = scene.config.checks.get(name);
            if check.is_some_and(waits) && news.iter().any(|new| new == name.as_str()) {
                entry.due = now;
            }
        }
        Ok(())
    }

    /// Begins the looks that are due.
    fn begin(&mut self, scene: &Scene, now: Millis) {
        let mut late = Duration::ZERO;
        for (name, entry) in self.entries.iter_mut().flatten() {
            let Some(check) = scene.config.checks.get(name) else {
                continue;
            };
            // A clock that was set back must not keep anybody from looking.
            entry.due = entry.due.min(now.plus(check.every));
            if entry.due > now || self.under_way.contains_key(name) {
                continue;
            }
            late = late.max(now.since(entry.due));
            let next = entry.due.plus(check.every);
            entry.due = if next > now {
                next
            } else {
                now.plus(check.every)
            };
            entry.locked = check.lock.as_deref().is_some_and(lock_is_held);
            if entry.locked {
                continue;
            }
            let (prober, scene, check) =
                (self.prober.clone(), scene.clone(), Arc::new(check.clone()));
            self.under_way.insert(name.clone(), Arc::clone(&check));
            let (memory, room) = (entry.memory.for_probe(&check.probe), Arc::clone(&self.room));
            self.looking.spawn(async move {
                // It is never closed.
                let _place = room.acquire_owned().await.ok();
                let look = prober.look(&scene, &check, memory, now).await;
                (check.name.clone(), look)
            });
        }
        if late > ON_TIME {
            self.prober.is_late(late);
        }
    }

    /// Decides, writes down, and tells.
    async fn take_up(&mut self, looks: Vec<(Name, Look)>, now: Millis) -> store::Result<Stepped> {
        let mut stepped = Stepped {
            looks: looks.len(),
            ..Stepped::default()
        };
        let mut decided = Vec::new();
        let mut changes = Vec::new();
        for (name, look) in looks {
            let Some(check) = self.under_way.remove(&name) else {
                continue;
            };
            let Some(before) = self.entries.as_ref().and_then(|entries| entries.get(&name)) else {
                continue;
            };
            if check.token().is_some() && look.seen.is_err() {
                // What came is news until it was read.
                self.pushed.remove(name.as_str());
                self.prober.pushes().again();
            }
            let (entry, change) = decide(before, &check, look, &self.host, now);
            if self.is_of_another(&name, &entry) {
                self.look_anew(&name, now);
                continue;
            }
            let is_due = entry.written.is_none();
            changes.extend(change);
            if is_due {
                decided.push((
                    name,
                    check.topic.clone(),
                    Entry {
                        written: Some(now),
                        ..entry
                    },
                ));
            } else {
                self.adopt(name, entry);
            }
        }
        if !decided.is_empty() {
            let mut tx = self.store.begin_led().await?;
            for (name, topic, entry) in &decided {
                if let Some(row) = row(&self.host, name, topic, entry) {
                    checks::put(&mut tx, &row, now).await?;
                }
            }
            if !changes.is_empty() {
                self.ledger.record(&mut tx, &changes).await?;
            }
            self.store.commit(tx).await?;
            if !changes.is_empty() {
                self.ledger.committed();
            }
        }
        (stepped.changes, stepped.written) = (changes.len(), decided.len());
        for (name, _, entry) in decided {
            self.adopt(name, entry);
        }
        self.show();
        Ok(stepped)
    }

    /// Whether a reload came while it was looked: what was found is of what nobody looks at any more.
    fn is_of_another(&self, name: &Name, found: &Entry) -> bool {
        let scene = self.followed.as_ref();
        let check = scene.and_then(|scene| scene.config.checks.get(name));
        check.is_some_and(|check| !found.memory.is_of(&check.probe))
    }

    fn look_anew(&mut self, name: &Name, now: Millis) {
        if let Some(entry) = self.entries.as_mut().and_then(|all| all.get_mut(name)) {
            entry.due = now;
        }
    }

    fn adopt(&mut self, name: Name, entry: Entry) {
        if let Some(held) = self
            .entries
            .as_mut()
            .and_then(|entries| entries.get_mut(&name))
        {
            *held = entry;
        }
    }

    fn show(&self) {
        let Some(Scene { config, .. }) = &self.followed else {
            return;
        };
        let all = self.entries.iter().flatten().filter_map(|(name, entry)| {
            let check = config.checks.get(name)?;
            Some(Shown {
                check: name.clone(),
                topic: check.topic.clone(),
                state: entry.state.clone(),
                rule: Rule::of(check),
                reading: entry.reading.clone(),
                locked: entry.locked,
            })
        });
        self.board.replace(all.collect());
    }
}

impl Drop for Watch {
    /// Whoever looks no more shows nothing.
    fn drop(&mut self) {
        self.board.clear();
    }
}
