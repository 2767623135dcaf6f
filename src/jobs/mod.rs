//! The engine: submit, run, follow, cancel, recover. It knows jobs, not what kind of work they are.
//!
//! The row comes first, then the queue: a job exists from the moment its row is committed, and whatever the queue
//! forgets or delivers twice, a row is run only while it is `queued`.

pub mod action;
pub mod aftermath;
pub mod apalis;
mod attachments;
mod cancel;
mod elsewhere;
pub mod export;
pub mod files;
mod follow;
pub mod live;
pub mod output;
mod recovery;
pub mod redact;
mod results;
pub mod retention;
mod runner;
mod scratch;
mod stream;
mod submit;
pub mod transport;
pub mod undoing;
pub mod usual;

pub use attachments::Files;
pub use cancel::Cancelled;
pub use submit::{Beside, NewJob, Origin, Submitted};

use crate::base::error::Result;
use crate::base::ids::JobId;
use crate::base::job::{Ending, JobState, OutputMode, undone};
use crate::base::time::{Clock, Millis};
use crate::delivery::card::{self, Seen};
use crate::delivery::{Outbox, Outgoing, report, undo};
use crate::store::jobs::{Job, NewRow};
use crate::store::{self, Store, Tx};
use action::Registry;
use aftermath::{Aftermath, Over, Verdict};
use live::{Active, StopReason};
use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use transport::Transport;

/// A job that the queue has not delivered after this time is handed over again.
const PUSH_AGAIN: Duration = Duration::from_secs(600);

/// What a configuration may change while the engine runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Jobs of one person that run at once.
    pub per_user: u32,
    /// Jobs that may wait, over all persons.
    pub max_queued: u64,
    /// Time that running jobs get to finish when the bot is stopped.
    pub grace: Duration,
    /// Bytes of a job's log that are kept.
    pub max_log: u64,
    /// Of the files that a job leaves, so many are sent.
    pub max_files: usize,
    /// And so many bytes of them together.
    pub max_files_size: u64,
}

/// What the engine is started with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Jobs that run at once.
    pub workers: usize,
    /// What may change later.
    pub limits: Limits,
    /// Where logs are.
    pub log_dir: PathBuf,
    /// Where the folders of jobs are.
    pub work_dir: PathBuf,
    /// Begins the marker of every process, so that this bot's processes are told from another's.
    pub marker: String,
    /// Says when a job was asked for, began and ended.
    pub clock: Clock,
}

/// The engine. Cheap to clone.
#[derive(Clone)]
pub struct Jobs {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    outbox: Outbox,
    transport: Arc<dyn Transport>,
    registry: Registry,
    aftermath: Arc<dyn Aftermath>,
    settings: Settings,
    limits: Mutex<Limits>,
    active: Mutex<HashMap<JobId, Arc<Active>>>,
    /// Jobs that the queue delivered before it was their turn.
    parked: Mutex<HashSet<JobId>>,
    /// Jobs that were handed to the queue and not delivered yet, so that the sweep does not heap them up.
    pushed: Mutex<HashMap<JobId, Instant>>,
    /// Told when the queue did not take a job.
    refused: Notify,
    closing: CancellationToken,
    followers: TaskTracker,
    /// Told when something ended that others may have waited for.
    freed: watch::Sender<()>,
    /// Runs that take no worker.
    beside: TaskTracker,
}

impl Jobs {
    /// An engine over these parts. Nothing runs before [`Jobs::recover`] and [`Jobs::run`].
    #[must_use]
    pub fn new(
        store: Store,
        outbox: Outbox,
        transport: Arc<dyn Transport>,
        registry: Registry,
        aftermath: Arc<dyn Aftermath>,
        settings: Settings,
    ) -> Self {
        Self {
            inner: Arc::new(Inner {
                store,
                outbox,
                transport,
                registry,
                aftermath,
                limits: Mutex::new(settings.limits),
                settings,
                active: Mutex::default(),
                parked: Mutex::default(),
                pushed: Mutex::default(),
                refused: Notify::new(),
                closing: CancellationToken::new(),
                followers: TaskTracker::new(),
                freed: watch::Sender::new(()),
                beside: TaskTracker::new(),
            }),
        }
    }

    /// Takes other limits. What was submitted keeps those of its submission; what runs is not touched.
    pub fn limit(&self, limits: Limits) {
        *locked(&self.inner.limits) = limits;
    }

    fn now(&self) -> Millis {
        self.inner.settings.clock.now()
    }

    fn limits(&self) -> Limits {
        *locked(&self.inner.limits)
    }

    /// Resolves when the ending of a job that was submitted here is written; at once when it is not open here.
    pub async fn ended(&self, id: JobId) {
        if let Some(active) = self.find(id) {
            let mut phase = active.phase.subscribe();
            // It can only end; nobody is left to tell that when the engine is gone.
            let _ = phase.wait_for(|phase| *phase == live::Phase::Ended).await;
        }
    }

    /// What an open job of this process has printed so far.
    pub async fn printed(&self, id: JobId) -> Option<live::End> {
        Some(self.find(id)?.output()?.end().await)
    }

    /// Feeds the workers until `stop` fires.
    ///
    /// # Errors
    /// When the queue's engine fails; it may be run again.
    pub async fn run(&self, stop: CancellationToken) -> anyhow::Result<()> {
        let worker = Arc::new(runner::Runner { jobs: self.clone() });
        let workers = self.inner.settings.workers;
        self.inner.transport.run(worker, workers, stop).await
    }

    /// Stops in good order: nothing new starts, what runs gets the grace time, then the signal, then ends as stopped.
    pub async fn shut_down(&self) {
        self.inner.closing.cancel();
        let ended = tokio::time::timeout(self.limits().grace, self.all_ended());
        if ended.await.is_err() {
            for active in self.all() {
                active.stop(StopReason::Shutdown);
            }
            self.all_ended().await;
        }
        // What is left waits for the next start; until then there is nothing to follow.
        for active in self.all() {
            active.shown.lock().await.closed = true;
            active.phase.send_replace(live::Phase::Ended);
        }
        self.inner.followers.close();
        self.inner.followers.wait().await;
    }

    /// Pushes every queued job again: those that the queue forgot, and those that no wake-up reached.
    ///
    /// # Errors
    /// When the database or the queue refuses.
    pub async fn sweep(&self) -> Result<()> {
        let queued = {
            let mut db = self.inner.store.read().await?;
            store::jobs::open(&mut db, JobState::Queued).await?
        };
        for job in queued {
            self.push(job.id).await;
        }
        Ok(())
    }

    /// Resolves when the queue has not taken a job, or the database one that was asked for or begun: a sweep is due.
    pub async fn refused(&self) {
        self.inner.refused.notified().await;
    }

    /// Hands a job to the queue, unless it is on its way already.
    async fn push(&self, id: JobId) {
        let now = Instant::now();
        {
            let mut pushed = locked(&self.inner.pushed);
            pushed.retain(|_, at| now.duration_since(*at) < PUSH_AGAIN);
            if pushed.insert(id, now).is_some() {
                return;
            }
        }
        if let Err(error) = self.inner.transport.push(id).await {
            locked(&self.inner.pushed).remove(&id);
            tracing::error!(job = %id, %error, "the queue did not take a job; it is pushed again soon");
            self.inner.refused.notify_one();
        }
    }

    /// Promises the messages that tell the end of a job, and those that bring what it left; of a run of a schedule, what
    /// is to be told of it.
    async fn tell_end(
        &self,
        tx: &mut Tx,
        job: &Job,
        last: Last<'_>,
        results: &[Outgoing],
    ) -> store::Result<()> {
        let subject = subject(job.id, &job.new);
        let Last { ending, took, .. } = last;
        let printed = last.end.printed();
        let offered = match ending {
            Ending::Exited(0) => job.new.undo.as_ref().map(|undo| undo.within),
            _ => None,
        };
        let seen = Seen {
            // From a file, the offer could not be taken away.
            card: last.seen.card || (offered.is_some() && job.new.output == OutputMode::File),
            ..last.seen.clone()
        };
        let mut words = match &job.new.telling {
            None => {
                let phase = card::Phase::Ended { ending, took };
                card::ended(&subject, &phase, job.new.output, &printed, &seen)
            }
            Some(telling) => {
                let over = Over {
                    job,
                    telling,
                    ending,
                    at: last.at,
                    printed: !results.is_empty() || !last.end.is_blank(),
                    hash: last.end.hash.as_deref(),
                };
                let Verdict::Told(tried) = self.inner.aftermath.over(tx, over).await? else {
                    return Ok(());
                };
                let run = report::Run {
                    telling,
                    ending,
                    took,
                    tried,
                };
                report::messages(&subject, &run, job.new.output, &printed, &seen)
            }
        };
        if *ending == Ending::Lost && job.is_worn_out() {
            card::gave_up(&mut words, job.starts);
        }
        if let Some(within) = offered {
            undo::offer(&mut words, job.id, within);
        }
        if let Some(within) = offered.or_else(|| printed.board?.undo) {
            store::undo::offer(tx, job.id, last.at.plus(within)).await?;
        }
        words.extend(results.iter().cloned());
        for message in words {
            self.inner
                .outbox
                .promise(tx, &message.of_job(job.id))
                .await?;
        }
        if undone(&job.new.source).is_some() {
            undoing::tell(&self.inner.outbox, tx, job.id).await?;
        }
        Ok(())
    }

    fn find(&self, id: JobId) -> Option<Arc<Active>> {
        locked(&self.inner.active).get(&id).cloned()
    }

    fn all(&self) -> Vec<Arc<Active>> {
        locked(&self.inner.active).values().cloned().collect()
    }

    /// Makes a job known as open, and follows it.
    fn open(&self, active: &Arc<Active>) {
        locked(&self.inner.active).insert(active.id, Arc::clone(active));
        let follow = follow::follow(self.clone(), Arc::clone(active));
        self.inner.followers.spawn(follow);
    }

    /// Ends what is known of an open job, and sends what its end promised.
    async fn close(&self, job: &Job) {
        if let Some(active) = locked(&self.inner.active).remove(&job.id) {
            active.phase.send_replace(live::Phase::Ended);
        }
        let chat = job.new.place.chat;
        self.inner.outbox.withdraw(chat, &card::slot(job.id));
        self.sent_off(job).await;
    }

    /// Begins to send what the end of a job promised, and what follows from it.
    async fn sent_off(&self, job: &Job) {
        self.inner.outbox.kick(job.new.place.chat);
        self.kick_undone(job).await;
        if let Some(telling) = &job.new.telling {
            for place in &telling.also {
                self.inner.outbox.kick(place.chat);
            }
            self.inner.aftermath.committed();
        }
    }

    /// Resolves when no job runs here.
    async fn all_ended(&self) {
        loop {
            let running =
                |active: &Arc<Active>| matches!(*active.phase.borrow(), live::Phase::Running(_));
            let Some(active) = self.all().into_iter().find(running) else {
                return;
            };
            let mut phase = active.phase.subscribe();
            let ended = |phase: &live::Phase| !matches!(phase, live::Phase::Running(_));
            if phase.wait_for(ended).await.is_err() {
                return;
            }
        }
    }
}

/// The end of a job, as far as it is told.
#[derive(Clone, Copy)]
struct Last<'a> {
    ending: &'a Ending,
    at: Millis,
    took: Option<Duration>,
    end: &'a live::End,
    seen: &'a Seen,
}

fn subject(id: JobId, new: &NewRow) -> card::Subject<'_> {
    card::Subject {
        id,
        title: &new.title,
        place: new.place,
        reply_to: new.reply_to,
        undoes: undone(&new.source),
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
