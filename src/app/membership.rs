//! This instance among those that share a PostgreSQL database: joins, says every two seconds that it lives, leads while it
//! holds the lease, declares dead who is, and leaves.

use crate::drivers::host;
use crate::jobs::Jobs;
use crate::services::Services;
use crate::store::instances::{self, Instance, LEASE, Told};
use crate::store::presence::{self, Presence};
use crate::store::{self, Connection, Store};
use anyhow::{Context, Result, bail};
use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Between two heartbeats.
const BEAT: Duration = Duration::from_secs(2);
/// A heartbeat that takes longer is given up, and begun anew on another connection.
const BEAT_LIMIT: Duration = Duration::from_secs(2);
/// Pause after a heartbeat that failed.
const PAUSE: Duration = Duration::from_millis(500);
/// So long after the lease ran out it is tried for.
const AFTER_LEASE: Duration = Duration::from_millis(50);
/// Time in which the others notice a new one, so that what its jobs say is looked for from the first on.
pub(super) const NOTICED: Duration = Duration::from_millis(2500);
/// The file by which instances know that they share a folder.
const FOLDER_FILE: &str = "shared-by";
/// The fact in the database that it must agree with.
const FOLDER_FACT: &str = "data_dir";

/// Joins the instances of this database; nothing to do where there can be only one.
///
/// # Errors
/// When others work on the database and keep their logs in another folder, or when the database refuses.
pub(super) async fn join(store: &Store, data_dir: &Path, marker: &str) -> Result<()> {
    if !store.presence().is_shared() {
        return Ok(());
    }
    let at = presence::now();
    let mut tx = store.begin().await?;
    let all = instances::joining(&mut tx).await?;
    let others: Vec<_> = all
        .iter()
        .filter(|one| one.is_alive() && !is_gone(one))
        .collect();
    share_folder(&mut tx, data_dir, &others).await?;
    let own = myself(marker, others.is_empty())?;
    instances::add(&mut tx, &own).await?;
    store.commit(tx).await?;
    store.presence().join(own.id.clone(), own.alone, at);
    if !others.is_empty() {
        let labels: Vec<_> = others.iter().map(|other| other.label()).collect();
        tracing::info!(
            others = labels.join(", "),
            "works beside other instances on this database"
        );
    }
    Ok(())
}

/// Sees to it that all instances keep their logs in one folder.
async fn share_folder(tx: &mut store::Tx, data_dir: &Path, others: &[&Instance]) -> Result<()> {
    let file = data_dir.join(FOLDER_FILE);
    let here = match fs::read_to_string(&file) {
        Ok(text) => Some(text.trim().to_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error).with_context(|| format!("reading {}", file.display())),
    };
    let there = instances::fact(tx, FOLDER_FACT).await?;
    if there.is_some() && here == there {
        return Ok(());
    }
    if let Some(other) = others.first() {
        bail!(
            "another opsgram ({}) works on this database, and its data_dir is another folder than {}: the logs of jobs would \
             be in two places. Give both the same data_dir (on two machines, a network folder), or stop the other one first",
            other.label(),
            data_dir.display()
        );
    }
    if there.is_some() {
        tracing::warn!(
            folder = %data_dir.display(),
            "the database was used with another data_dir before; logs of earlier jobs stayed there"
        );
    }
    // A new id each time: the folder that was left must not pass for this one later.
    let id = ulid::Ulid::generate().to_string();
    instances::note(tx, FOLDER_FACT, &id).await?;
    store::make_private(&file)
        .and_then(|()| fs::write(&file, format!("{id}\n")))
        .with_context(|| format!("writing {}", file.display()))
}

fn myself(marker: &str, alone: bool) -> Result<Instance> {
    let pid = i32::try_from(std::process::id()).context("reading the process id")?;
    Ok(Instance {
        id: ulid::Ulid::generate().to_string(),
        host: host::name(),
        place: place(),
        pid,
        process_start: start_of(pid).unwrap_or(0),
        marker: marker.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        alone,
        ..Instance::default()
    })
}

/// Processes of the same place see each other.
fn place() -> String {
    let start = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let space = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    format!("{} {}", start.trim(), space.display())
}

/// When a process was started, as the kernel counts; `None` when there is none, or only what is left of it.
fn start_of(pid: i32) -> Option<i64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    let state = fields.next()?;
    (!matches!(state, "Z" | "X")).then(|| fields.nth(18)?.parse().ok())?
}

fn is_here(one: &Instance) -> bool {
    one.place == place()
}

/// Whether its process can be seen not to be there any more: then nobody waits for its heartbeats.
fn is_gone(one: &Instance) -> bool {
    is_here(one) && start_of(one.pid) != Some(one.process_start)
}

/// The heartbeats.
pub(super) struct Membership {
    services: Services,
    marker: String,
    connection: Option<Connection>,
    wait: Duration,
    /// Those that were there at the last heartbeat.
    others: HashSet<String>,
    /// What a heartbeat found is seen to beside the heartbeats, one at a time: it may take long.
    care: Care,
    caring: Option<JoinHandle<()>>,
}

/// What is to be done for those that left or died.
#[derive(Clone)]
struct Care {
    services: Services,
    /// One left, and what the queue had handed to it was not pushed again yet.
    left: Arc<AtomicBool>,
    /// The next heartbeat is due at once.
    at_once: Arc<Notify>,
}

impl Membership {
    pub(super) fn new(services: Services, marker: String) -> Self {
        let care = Care {
            services: services.clone(),
            left: Arc::default(),
            at_once: Arc::default(),
        };
        Self {
            services,
            marker,
            connection: None,
            wait: Duration::ZERO,
            others: HashSet::new(),
            care,
            caring: None,
        }
    }

    fn presence(&self) -> &Presence {
        self.services.store.presence()
    }

    /// The first heartbeat: after it, it is known whether this instance leads.
    ///
    /// # Errors
    /// When the database refuses.
    pub(super) async fn begin(&mut self) -> Result<()> {
        let told = self.beat().await?;
        // The one that held the lease died here just now: there is nothing to wait for.
        if told.epoch.is_none() && bury(&self.services.store, &told).await? {
            self.beat().await?;
        }
        self.wait = Duration::ZERO;
        Ok(())
    }

    /// Beats until `stop` fires, then leaves.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let presence = self.presence().clone();
        let at_once = Arc::clone(&self.care.at_once);
        loop {
            tokio::select! {
                () = tokio::time::sleep(self.wait) => {}
                () = at_once.notified() => {}
                () = cut_off(&presence) => continue,
                () = stop.cancelled() => break,
            }
            let patience = async {
                match presence.patience() {
                    Some(left) => tokio::time::sleep(left).await,
                    None => std::future::pending().await,
                }
            };
            let beaten = tokio::select! {
                beaten = tokio::time::timeout(BEAT_LIMIT, self.beat()) => beaten,
                () = patience => {
                    self.connection = None;
                    continue;
                }
            };
            match beaten {
                Ok(Ok(told)) => self.look_after(told),
                Ok(Err(error)) => self.missed(&error.to_string()),
                Err(_) => self.missed("it took too long"),
            }
        }
        self.leave().await;
    }

    fn missed(&mut self, why: &str) {
        tracing::warn!(why, "the database does not take this instance's heartbeat");
        self.connection = None;
        self.wait = PAUSE;
    }

    async fn beat(&mut self) -> store::Result<Told> {
        let presence = self.presence().clone();
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => none.insert(self.services.store.connect().await?),
        };
        let (id, alone) = (presence.id().unwrap_or_default(), presence.seems_alone());
        let wants = !presence.has_resigned();
        let hears = self.services.flows.hears();
        let led = presence.epoch();
        let at = presence::now();
        let told =
            instances::beat(connection, &id, alone, presence.epoch(), (wants, hears)).await?;
        self.wait = match told.epoch {
            Some(_) => BEAT,
            None => BEAT.min(told.lease_left + AFTER_LEASE),
        };
        if told.counts {
            presence.restored();
            presence.beaten(told.clone(), alone, at, LEASE);
            if told.epoch.is_some() && told.epoch != led {
                tracing::info!(epoch = told.epoch, "leads now: polls, sends and settles");
            }
        } else {
            self.rejoin().await?;
        }
        Ok(told)
    }

    /// Another instance declared this one dead: what still runs here counts as ended. It begins anew under another id.
    async fn rejoin(&mut self) -> store::Result<()> {
        let presence = self.presence().clone();
        tracing::error!(
            "was taken for dead by another instance: what runs here is killed; begins anew"
        );
        presence.cut_off();
        let own = myself(&self.marker, false)
            .map_err(|error| store::Error::Corrupt(error.to_string()))?;
        let at = presence::now();
        let mut tx = self.services.store.begin().await?;
        instances::joining(&mut tx).await?;
        instances::add(&mut tx, &own).await?;
        self.services.store.commit(tx).await?;
        presence.join(own.id, false, at);
        self.wait = Duration::ZERO;
        Ok(())
    }

    /// Has it seen to what a heartbeat found. Never awaited here: a database that stalls meanwhile must not keep this
    /// instance from killing its own jobs in time.
    fn look_after(&mut self, told: Told) {
        let others: HashSet<_> = told.others.iter().map(|one| one.id.clone()).collect();
        if !self.others.is_subset(&others) {
            self.care.left.store(true, Ordering::SeqCst);
        }
        self.others = others;
        if self.caring.as_ref().is_some_and(|task| !task.is_finished()) {
            return;
        }
        let care = self.care.clone();
        self.caring = Some(tokio::spawn(async move {
            if let Err(error) = care.look_after(&told).await {
                tracing::error!(%error, "what a dead instance left cannot be settled yet");
            }
        }));
    }

    async fn leave(mut self) {
        if let Some(task) = self.caring.take() {
            // Whoever leads next sees to it.
            task.abort();
        }
        let id = self.presence().id().unwrap_or_default();
        let left = async {
            let connection = match &mut self.connection {
                Some(connection) => connection,
                none => none.insert(self.services.store.connect().await?),
            };
            instances::give_up(connection, &id).await?;
            instances::remove(connection, &id).await
        };
        match tokio::time::timeout(BEAT_LIMIT, left).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(%error, "the others are not told that this instance stopped")
            }
            Err(_) => tracing::warn!("the others are not told in time that this instance stopped"),
        }
    }
}

impl Care {
    /// Declares dead who is, and, as the leader, settles what they ran.
    async fn look_after(&self, told: &Told) -> Result<()> {
        let Services { store, jobs, .. } = &self.services;
        if bury(store, told).await? {
            // To take its lease, or to settle what it ran.
            self.at_once.notify_one();
        }
        if !store.presence().leads() {
            return Ok(());
        }
        if self.left.swap(false, Ordering::SeqCst)
            && let Err(error) = jobs.push_again().await
        {
            self.left.store(true, Ordering::SeqCst);
            return Err(error.into());
        }
        for dead in told.dead.iter().filter(|one| one.dead) {
            settle(jobs, dead).await?;
            let mut tx = store.begin().await?;
            instances::remove(&mut tx, &dead.id).await?;
            store::live::prune(&mut tx).await?;
            store.commit(tx).await?;
        }
        Ok(())
    }
}

/// Resolves, once, after the jobs were killed because no heartbeat went through for too long.
async fn cut_off(presence: &Presence) {
    match presence.patience() {
        Some(left) => tokio::time::sleep(left).await,
        None => std::future::pending().await,
    }
    tracing::error!(
        "cut off from the database: what runs here is killed, since others may take it for dead"
    );
    presence.cut_off();
}

/// The crash rule for what a dead instance ran.
async fn settle(jobs: &Jobs, dead: &Instance) -> Result<()> {
    // A machine that was started anew ran nothing on, and so did one that was not alone: it killed its jobs when it was
    // cut off. One that believed itself alone lets them run on, wherever it is.
    let rebooted = dead.host == host::name() && !is_here(dead);
    let settled = jobs
        .settle(dead, is_here(dead), rebooted || !dead.alone)
        .await?;
    tracing::warn!(
        instance = dead.label(),
        ?settled,
        "settled what a dead instance ran"
    );
    Ok(())
}

/// Declares dead who was not heard of for too long, and whose process is gone; `true` when there was one.
async fn bury(store: &Store, told: &Told) -> Result<bool> {
    let silent = told.dead.iter().filter(|one| !one.dead);
    let gone = told.others.iter().filter(|one| is_gone(one));
    let mut any = false;
    for one in silent.chain(gone) {
        let mut tx = store.begin().await?;
        store.lock_claims(&mut tx).await?;
        if instances::bury(&mut tx, &one.id, one.heartbeat_at).await? {
            tracing::warn!(instance = one.label(), age = ?one.age, "another instance is dead");
            any = true;
        }
        store.commit(tx).await?;
    }
    Ok(any)
}

/// Gives the lease up at once, so that another instance takes over while this one still stops.
pub(super) async fn resign(store: &Store) {
    let id = store.presence().id().unwrap_or_default();
    store.presence().resign();
    let given = async {
        let mut tx = store.begin().await?;
        instances::give_up(&mut tx, &id).await?;
        store.commit(tx).await
    };
    match tokio::time::timeout(BEAT_LIMIT, given).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            tracing::warn!(%error, "the lease is not given up; it runs out by itself")
        }
        Err(_) => tracing::warn!("the lease is not given up in time; it runs out by itself"),
    }
}
