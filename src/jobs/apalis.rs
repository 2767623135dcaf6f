//! The transport over apalis: its SQLite file beside ours, or its schema in our PostgreSQL.
//!
//! apalis carries ids only. On SQLite its tables live in a file of their own, so that its polling never waits for
//! our writes, at `synchronous=NORMAL`: what a power cut takes from it, the sweep pushes again. There, where no other
//! instance could take it, an id for which a worker is free goes to that worker at once, and is not carried at all.

use super::transport::{Transport, Worker};
use crate::base::ids::JobId;
use crate::store::{self, Location};
use apalis::prelude::{
    BackendExt, Data, Monitor, ParallelizeExt, Strategy, TaskBuilder, WorkerBuilder,
    WorkerBuilderExt,
};
use futures::future::BoxFuture;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;

/// Our queue's name in apalis.
const QUEUE: &str = "jobs";
/// How often the queue is looked at without a wake-up: pushes of other instances and forgotten ones.
const POLL: Duration = Duration::from_millis(500);
/// How often it is looked whether what a free worker should have taken still lies there, and how old that is then.
const WATCH: (Duration, f64) = (Duration::from_secs(5), 5.0);
/// Tasks that ended are kept this long, in seconds.
const KEEP_SECONDS: i64 = 3600;

/// The queue, opened and migrated.
pub struct Queue {
    engine: Engine,
    wake: Arc<Notify>,
    /// While ids are worked on.
    slots: Mutex<Option<Arc<Slots>>>,
}

/// A worker that works on so many ids at a time, whichever way they come.
struct Slots {
    worker: Arc<dyn Worker>,
    free: Arc<Semaphore>,
}

impl Worker for Slots {
    fn work(&self, id: JobId) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            // The semaphore is never closed.
            let _slot = self.free.acquire().await;
            self.worker.work(id).await;
        })
    }
}

enum Engine {
    Sqlite(apalis_sqlite::SqlitePool),
    Postgres(apalis_postgres::PgPool),
}

impl Queue {
    /// Opens the queue that belongs to a database.
    ///
    /// # Errors
    /// When it cannot be opened or migrated.
    pub async fn open(location: &Location) -> anyhow::Result<Self> {
        let engine = match location {
            Location::Sqlite(path) => Engine::Sqlite(open_sqlite(path).await?),
            Location::Postgres(url) => {
                let pool = sqlx::postgres::PgPoolOptions::new()
                    .max_connections(4)
                    .connect(url)
                    .await?;
                apalis_postgres::PostgresStorage::setup(&pool).await?;
                Engine::Postgres(pool)
            }
        };
        Ok(Self {
            engine,
            wake: Arc::default(),
            slots: Mutex::default(),
        })
    }

    /// Gives the id to a free worker of this process; `false` when there is none.
    fn hand_over(&self, id: JobId) -> bool {
        let slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(slots) = slots.as_ref().map(Arc::clone) else {
            return false;
        };
        let Ok(slot) = Arc::clone(&slots.free).try_acquire_owned() else {
            return false;
        };
        tokio::spawn(async move {
            slots.worker.work(id).await;
            drop(slot);
        });
        true
    }

    fn put_to_work(&self, slots: Option<Arc<Slots>>) {
        *self.slots.lock().unwrap_or_else(PoisonError::into_inner) = slots;
    }

    async fn add(&self, id: JobId) -> anyhow::Result<()> {
        let task = TaskBuilder::new(serde_json::to_vec(&id.0)?)
            .max_attempts(1)
            .build();
        match &self.engine {
            Engine::Sqlite(_) if self.hand_over(id) => return Ok(()),
            Engine::Sqlite(pool) => {
                let mut db = pool.acquire().await?;
                apalis_sqlite::queries::push_tasks(&mut *db, QUEUE, &[task]).await?;
            }
            Engine::Postgres(pool) => {
                use apalis::prelude::TaskSink;
                let config = apalis_postgres::Config::default().queue(QUEUE);
                let mut storage =
                    apalis_postgres::PostgresStorage::<i64>::new(pool).with_config(config);
                let task = TaskBuilder::new(id.0).max_attempts(1).build();
                storage.push_task(task).await?;
            }
        }
        self.wake.notify_one();
        Ok(())
    }
}

/// Builds the worker over a storage and drives it until `stop` fires; `parallelize` lets tasks run beside each other.
macro_rules! drive {
    ($storage:expr, $wake:expr, $worker:expr, $workers:expr, $stop:expr) => {{
        let (storage, wake, worker) = ($storage, Arc::clone($wake), $worker);
        Monitor::new()
            .register(move |_| {
                let strategy = Strategy::new()
                    .stream(wake_ups(Arc::clone(&wake)))
                    .interval(POLL);
                // The name is new at every start: apalis refuses one that it saw alive within the last 30 seconds.
                let name = format!("opsgram-{}", ulid::Ulid::generate());
                WorkerBuilder::new(name)
                    .backend(storage.clone().poll_with_strategy(strategy))
                    .data(Arc::clone(&worker))
                    .concurrency($workers)
                    .parallelize(tokio::spawn)
                    .build(work)
            })
            .run_with_signal(async move {
                $stop.cancelled().await;
                Ok(())
            })
            .await
            .map_err(|error| anyhow::anyhow!("the queue's worker ended: {error}"))
    }};
}

fn wake_ups(wake: Arc<Notify>) -> impl futures::Stream<Item = ()> + Send + Unpin {
    Box::pin(futures::stream::unfold(wake, |wake| async move {
        wake.notified().await;
        Some(((), wake))
    }))
}

async fn work(id: i64, worker: Data<Arc<dyn Worker>>) {
    worker.work(JobId(id)).await;
}

impl Transport for Queue {
    fn push(&self, id: JobId) -> BoxFuture<'_, anyhow::Result<()>> {
        Box::pin(self.add(id))
    }

    fn run(
        &self,
        worker: Arc<dyn Worker>,
        workers: usize,
        stop: CancellationToken,
    ) -> BoxFuture<'_, anyhow::Result<()>> {
        Box::pin(async move {
            let slots = Arc::new(Slots {
                worker,
                free: Arc::new(Semaphore::new(workers)),
            });
            self.put_to_work(Some(Arc::clone(&slots)));
            let free = Arc::clone(&slots.free);
            let worker: Arc<dyn Worker> = slots;
            let ended = match &self.engine {
                Engine::Sqlite(pool) => {
                    let config = apalis_sqlite::Config::default()
                        .queue(QUEUE)
                        .batch_size(1)
                        .lock_tasks(false)
                        .persist_results(false);
                    let storage =
                        apalis_sqlite::SqliteStorage::<i64>::new(pool).with_config(config);
                    drive!(storage, &self.wake, worker, workers, stop)
                }
                Engine::Postgres(pool) => {
                    let config = apalis_postgres::Config::default()
                        .queue(QUEUE)
                        .batch_size(1)
                        .lock_tasks(false)
                        .persist_results(false);
                    let storage =
                        apalis_postgres::PostgresStorage::<i64>::new(pool).with_config(config);
                    let driven = async { drive!(storage, &self.wake, worker, workers, stop) };
                    tokio::select! {
                        ended = driven => ended,
                        () = stalled(pool, &free) => Err(anyhow::anyhow!("the queue's worker takes nothing any more")),
                    }
                }
            };
            self.put_to_work(None);
            ended
        })
    }

    fn prune(&self) -> BoxFuture<'_, anyhow::Result<()>> {
        Box::pin(async move {
            match &self.engine {
                Engine::Sqlite(pool) => {
                    sqlx::query(
                        "DELETE FROM Jobs WHERE status IN ('Done', 'Failed', 'Killed')
                         AND done_at < strftime('%s', 'now') - ?1",
                    )
                    .bind(KEEP_SECONDS)
                    .execute(pool)
                    .await?;
                }
                Engine::Postgres(pool) => {
                    sqlx::query(
                        "DELETE FROM apalis.jobs WHERE job_type = $2 AND status IN ('Done', 'Failed', 'Killed')
                         AND done_at < now() - make_interval(secs => $1)",
                    )
                    .bind(f64::from(i32::try_from(KEEP_SECONDS).unwrap_or(i32::MAX)))
                    .bind(QUEUE)
                    .execute(pool)
                    .await?;
                }
            }
            Ok(())
        })
    }
}

/// Resolves when the engine has stopped to look for tasks, as it may without a word when the database was away: one lies there
/// although a worker is free. What is being worked on goes on all the same.
async fn stalled(pool: &apalis_postgres::PgPool, free: &Semaphore) {
    let (every, age) = WATCH;
    loop {
        tokio::time::sleep(every).await;
        if free.available_permits() == 0 {
            continue;
        }
        let waits: Result<bool, _> = sqlx::query_scalar(
            "SELECT EXISTS (SELECT 1 FROM apalis.jobs WHERE job_type = $1 AND status = 'Pending'
             AND run_at < now() - make_interval(secs => $2))",
        )
        .bind(QUEUE)
        .bind(age)
        .fetch_one(pool)
        .await;
        // While the database is away, it is not known.
        if waits.is_ok_and(|waits| waits) {
            return;
        }
    }
}

async fn open_sqlite(path: &Path) -> anyhow::Result<apalis_sqlite::SqlitePool> {
    let mut file = path.as_os_str().to_owned();
    file.push(".queue");
    store::make_private(Path::new(&file))?;
    let options = SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Normal)
        .busy_timeout(Duration::from_secs(5));
    let pool = SqlitePoolOptions::new()
        .max_connections(1)
        .test_before_acquire(false)
        .connect_with(options)
        .await?;
    apalis_sqlite::SqliteStorage::<()>::migrations()
        .run(&pool)
        .await?;
    Ok(pool)
}
