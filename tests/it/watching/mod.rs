//! Checks: real causes, what is told of them, and that nothing is told twice or lost, whatever is killed when.

mod causes;
mod pages;
mod pushes;
mod states;

use crate::harness::{UNWATCHED, World};
use futures::FutureExt;
use futures::future::BoxFuture;
use opsgram::base::alert::{Change, Severity, Turn};
use opsgram::base::ids::ChatId;
use opsgram::base::time::Millis;
use opsgram::base::trouble::Troubles;
use opsgram::config::{self, Env, Live, Reloads};
use opsgram::monitors::Ledger;
use opsgram::monitors::board::Board;
use opsgram::monitors::probe::Prober;
use opsgram::monitors::watch::{Stepped, Watch};
use opsgram::store::outbox::{self, NewRow};
use opsgram::store::{self, Store, Tx};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

pub const WARNING: Turn = Turn::Raised(Severity::Warning);
pub const CRITICAL: Turn = Turn::Raised(Severity::Critical);

/// Keeps changes as messages, in the transaction that it is given.
#[derive(Default)]
struct Kept {
    /// Whether it stops in the middle, as if the program were killed there.
    stuck: AtomicBool,
    reached: tokio::sync::Notify,
    commits: AtomicUsize,
}

impl Ledger for Kept {
    fn record<'a>(
        &'a self,
        tx: &'a mut Tx,
        changes: &'a [Change],
    ) -> BoxFuture<'a, store::Result<()>> {
        async move {
            for change in changes {
                let row = NewRow {
                    chat: ChatId(1),
                    payload: serde_json::to_string(change).unwrap(),
                    slot: None,
                    source: None,
                    job: None,
                    sealed: None,
                };
                outbox::add(tx, &row, change.at).await?;
            }
            if self.stuck.load(Ordering::Relaxed) {
                self.reached.notify_one();
                std::future::pending::<()>().await;
            }
            Ok(())
        }
        .boxed()
    }

    fn committed(&self) {
        self.commits.fetch_add(1, Ordering::Relaxed);
    }
}

/// What watches in a world, by a clock of its own.
pub struct Bench {
    store: Store,
    live: Live,
    ledger: Arc<Kept>,
    env: Env,
    prober: Prober,
    /// What is told of places outside; forgotten with a restart.
    pub troubles: Troubles,
    watch: Watch,
    board: Board,
    pub now: Millis,
    host: &'static str,
    /// How many rounds of looks brought changes.
    pub turning: usize,
    /// One of its own, so that worlds do not end each other's programs.
    marker: String,
}

impl Bench {
    /// Watches these checks (YAML below `checks:`) and no others.
    pub async fn new(world: &mut World, checks: &str) -> Self {
        let (config, env) = read(world, checks);
        let live = Live::new(config);
        let ledger = Arc::new(Kept::default());
        let store = world.database().await;
        let board = Board::default();
        let marker = world.path().display().to_string();
        let troubles = Troubles::default();
        let prober = prober(&store, &env, &troubles, &marker);
        let watch = watch(&live, &store, &ledger, prober.clone(), &board, "here");
        Self {
            store,
            live,
            ledger,
            env,
            prober,
            troubles,
            watch,
            board,
            now: Millis::now(),
            host: "here",
            turning: 0,
            marker,
        }
    }

    /// Puts other checks in force, as a reload does.
    pub fn reload(&self, world: &mut World, checks: &str) {
        let (config, _) = read(world, checks);
        self.live.replace(config);
    }

    /// Starts anew, as after a kill; what is not in the database is gone.
    pub fn restart(&mut self) {
        self.troubles = Troubles::default();
        self.prober = prober(&self.store, &self.env, &self.troubles, &self.marker);
        self.lead_anew();
    }

    /// Begins to look anew, as one does that leads again after another did.
    pub fn lead_anew(&mut self) {
        self.watch = watch(
            &self.live,
            &self.store,
            &self.ledger,
            self.prober.clone(),
            &self.board,
            self.host,
        );
    }

    /// Looks at what is due, and waits until all looks are taken up.
    pub async fn step(&mut self) -> Stepped {
        let mut all = Stepped::default();
        loop {
            let stepped = self.watch.step(self.now).await.unwrap();
            all.looks += stepped.looks;
            all.changes += stepped.changes;
            self.turning += usize::from(stepped.changes > 0);
            all.written += stepped.written;
            if stepped.under_way == 0 {
                return all;
            }
        }
    }

    /// Lets the clock go on, and looks.
    pub async fn after(&mut self, time: Duration) -> Stepped {
        self.now = self.now.plus(time);
        self.step().await
    }

    /// Looks once more, a minute later, and returns what was told of that.
    pub async fn news(&mut self) -> Vec<Change> {
        let before = self.told().await.len();
        self.after(Duration::from_secs(60)).await;
        self.told().await.split_off(before)
    }

    /// Looks a minute later, and expects one change of one check; returns its words.
    pub async fn turns(&mut self, turn: Turn) -> String {
        let news = self.news().await;
        let [change] = news.as_slice() else {
            panic!("{turn:?} was expected, not {news:?}");
        };
        assert_eq!(change.turn, turn, "{change:?}");
        match &change.reading {
            Ok(reading) => reading.note.clone().unwrap_or_default(),
            Err(why) => why.clone(),
        }
    }

    /// Looks a minute later, and expects no news.
    pub async fn is_quiet(&mut self) {
        assert_eq!(self.news().await, []);
    }

    /// Looks once a minute, so many times, and expects no news of that.
    pub async fn quiet_for(&mut self, minutes: usize) {
        let before = self.told().await;
        for _ in 0..minutes {
            self.after(Duration::from_secs(60)).await;
        }
        assert_eq!(self.told().await, before);
    }

    /// All that was told and committed.
    pub async fn told(&self) -> Vec<Change> {
        let mut all = self.told_and_read().await;
        all.retain(|change| change.turn != Turn::Reads);
        all
    }

    /// The same with what was read of checks while they fired.
    pub async fn told_and_read(&self) -> Vec<Change> {
        let mut db = self.store.read().await.unwrap();
        let rows = sqlx::query_scalar::<_, String>("SELECT payload FROM outbox ORDER BY id");
        let rows = rows.fetch_all(&mut *db).await.unwrap();
        rows.iter()
            .map(|row| serde_json::from_str(row).unwrap())
            .collect()
    }
}

fn read(world: &mut World, checks: &str) -> (config::Config, Env) {
    world.settings = format!("checks:\n{UNWATCHED}{checks}\n");
    let env: Env = world.environment().into_iter().collect();
    let loaded = config::load(&world.config_file(), &env);
    (
        loaded.unwrap_or_else(|faults| panic!("{faults}")).config,
        env,
    )
}

fn prober(store: &Store, env: &Env, troubles: &Troubles, marker: &str) -> Prober {
    let told = (Reloads::default(), troubles.clone());
    Prober::new(store.clone(), env.clone(), told, marker)
}

fn watch(
    live: &Live,
    store: &Store,
    ledger: &Arc<Kept>,
    prober: Prober,
    board: &Board,
    host: &str,
) -> Watch {
    Watch::new(
        live.clone(),
        store.clone(),
        ledger.clone(),
        prober,
        host.to_owned(),
        board.clone(),
    )
}

/// A world on SQLite.
pub async fn world() -> World {
    World::new(crate::harness::Database::sqlite()).await
}
