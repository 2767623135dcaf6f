//! The engine: submit, run, follow, cancel, recover. It knows jobs, not what kind of work they are.
//!
//! The row comes first, then the queue: a job exists from the moment its row is committed, and whatever the queue
//! forgets or delivers twice, a row is run only while it is `queued`.

pub mod action;
pub mod aftermath;
pub mod apalis;
mod attachments;
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
pub mod transport;
pub mod usual;

pub use attachments::Files;

use crate::access::Grant;
use crate::base::error::{Error, Result};
use crate::base::ids::{JobId, MessageId, UpdateId};
use crate::base::job::{AfterCrash, Ending, JobState, OnBusy, OutputMode, Undo};
use crate::base::role::Role;
use crate::base::schedule::Telling;
use crate::base::time::Millis;
use crate::delivery::card::{self, Seen};
use crate::delivery::{Outbox, Outgoing, report};
use crate::store::jobs::{Added, Job, NewRow};
use crate::store::{self, Store, Tx};
use action::Registry;
use aftermath::{Aftermath, Over, Verdict};
use futures::future::BoxFuture;
use live::{Active, StopReason};
use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use transport::Transport;

/// How often a job that is just being started is looked for when it is cancelled, and the pause between.
const STARTING_LOOKS: (u32, Duration) = (50, Duration::from_millis(20));
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
}

/// A job to be submitted.
#[derive(Clone, Debug)]
pub struct NewJob {
    /// The kind of work.
    pub kind: &'static str,
    /// Its arguments as JSON.
    pub payload: String,
    /// The name shown to people.
    pub title: String,
    /// The lowest role that may see what it prints.
    pub role: Role,
    /// Jobs of one lane share a limit.
    pub lane: String,
    /// How many of the lane may run at once.
    pub lane_limit: u32,
    /// What happens when that many run.
    pub on_busy: OnBusy,
    /// What happens when the bot dies while it runs.
    pub after_crash: AfterCrash,
    /// How output reaches the chat.
    pub output: OutputMode,
    /// The job that it repeats.
    pub retry_of: Option<JobId>,
    /// What is told of it, if it is a run of a schedule.
    pub telling: Option<Telling>,
    /// The named lock that it has while it runs.
    pub lock: Option<String>,
    /// How it may be taken back once it succeeded.
    pub undo: Option<Undo>,
    /// Whether it was promised before: it is taken also while everything is frozen, and however many wait.
    pub promised: bool,
}

/// What is written together with a job, in its transaction: `Err` takes the job back.
pub type Beside = Box<dyn for<'t> FnOnce(&'t mut Tx, JobId) -> BoxFuture<'t, Result<()>> + Send>;

/// Where a job comes from and where its card goes.
#[derive(Clone, Debug)]
pub struct Origin {
    /// What it is made from, such as `update:77`; the same source never makes a second job.
    pub source: String,
    /// The message that its card answers.
    pub reply_to: Option<MessageId>,
    /// An own message that becomes its card.
    pub card: Option<MessageId>,
    /// The update that is handled by submitting it.
    pub update: Option<UpdateId>,
}

/// What became of a submission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Submitted {
    /// Accepted: it will run, or be reported as lost.
    New(JobId),
    /// The same source had made this job before.
    Before(JobId),
}

/// What became of a request to cancel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cancelled {
    /// It had not started and never will.
    Dequeued,
    /// It is being stopped.
    Stopping,
    /// It was asked to stop before, and has yet to end.
    Already,
    /// It had ended before.
    Over(JobState),
    /// It is starting or ending in this very moment; asking again helps.
    Passing,
    /// There is no such job.
    Unknown,
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

    fn limits(&self) -> Limits {
        *locked(&self.inner.limits)
    }

    /// Accepts a job: from here on it is durable.
    ///
    /// # Errors
    /// Refused when everything is frozen, when too many wait, or when it is busy and may not wait; nothing is kept then.
    pub async fn submit(&self, grant: &Grant, job: NewJob, origin: Origin) -> Result<Submitted> {
        let nothing: Beside = Box::new(|_, _| Box::pin(async { Ok(()) }));
        self.submit_with(grant, job, origin, nothing).await
    }

    /// The same, with something that is written together with the job.
    ///
    /// # Errors
    /// As [`Jobs::submit`], and what `beside` says.
    pub async fn submit_with(
        &self,
        grant: &Grant,
        job: NewJob,
        origin: Origin,
        beside: Beside,
    ) -> Result<Submitted> {
        let row = self.row(grant, &job, &origin);
        let added = self.accept(grant, &job, &origin, &row, beside).await;
        grant.settle(&added);
        let id = match added? {
            Added::Before(id) => return Ok(Submitted::Before(id)),
            Added::New(id) => id,
        };
        tracing::info!(job = %id, title = row.title, asker = %row.asker, "submitted");
        if job.on_busy == OnBusy::Replace {
            self.make_way(grant, id, &row).await;
        }
        let active = Arc::new(Active::new(id, row));
        active.shown.lock().await.seen.card = origin.card.is_some();
        self.open(&active);
        self.push(id).await;
        Ok(Submitted::New(id))
    }

    /// Stops what runs or waits in the lane before a job that replaces it.
    async fn make_way(&self, grant: &Grant, id: JobId, row: &NewRow) {
        let before = async {
            let mut db = self.inner.store.read().await?;
            store::jobs::before_in_lane(&mut db, &row.lane, id).await
        };
        let by = format!("{} (replaced by #{id})", row.asker_name);
        match before.await {
            Ok(before) => {
                for other in before {
                    if let Err(error) = self.try_cancel(grant, other, &by).await {
                        tracing::error!(job = %other, %error, "a job that is replaced cannot be stopped; the other waits for it");
                    }
                }
            }
            Err(error) => {
                tracing::error!(job = %id, %error, "what a job replaces cannot be looked up; it waits for it");
            }
        }
    }

    /// Writes what a submission is: the job, the decision that allowed it, the update as handled, the card's message.
    async fn accept(
        &self,
        grant: &Grant,
        job: &NewJob,
        origin: &Origin,
        row: &NewRow,
        beside: Beside,
    ) -> Result<Added> {
        let mut tx = self.inner.store.begin().await?;
        // In the order in which an instance is declared dead: claims, then the lease.
        self.inner.store.lock_claims(&mut tx).await?;
        self.inner.store.fence(&mut tx).await?;
        self.check_room(&mut tx, job).await?;
        let added = store::jobs::add(&mut tx, row).await?;
        let (Added::New(id) | Added::Before(id)) = added;
        beside(&mut tx, id).await?;
        grant.record(&mut tx).await?;
        if let Some(update) = origin.update {
            store::inbox::mark_handled(&mut tx, update, row.created_at).await?;
        }
        if let (Added::New(id), Some(message)) = (added, origin.card) {
            let (slot, chat) = (card::slot(id), row.place.chat);
            store::outbox::put_slot(&mut tx, &slot, chat, message, row.created_at).await?;
        }
        self.inner.store.commit(tx).await?;
        Ok(added)
    }

    /// Stops a job, or takes it out of the queue. `by` is the name that its card shows.
    ///
    /// # Errors
    /// When the database refuses; the job goes on then.
    pub async fn cancel(&self, grant: &Grant, id: JobId, by: &str) -> Result<Cancelled> {
        let cancelled = self.try_cancel(grant, id, by).await;
        grant.settle(&cancelled);
        cancelled
    }

    async fn try_cancel(&self, grant: &Grant, id: JobId, by: &str) -> Result<Cancelled> {
        // Whoever shows a job holds this while it writes; taken after the transaction, the two would wait for each other.
        let active = self.find(id);
        let mut shown = match &active {
            Some(active) => Some(active.shown.lock().await),
            None => None,
        };
        let mut tx = self.inner.store.begin().await?;
        grant.record(&mut tx).await?;
        let Some(job) = store::jobs::find(&mut tx, id).await? else {
            self.inner.store.commit(tx).await?;
            return Ok(Cancelled::Unknown);
        };
        let dequeued = store::jobs::cancel_queued(&mut tx, id, by, Millis::now()).await?;
        // Asked again: another instance may have taken it in between.
        let job = match dequeued {
            true => job,
            false => store::jobs::find(&mut tx, id).await?.unwrap_or(job),
        };
        let presence = self.inner.store.presence();
        let resumes =
            !job.state.is_final() && !dequeued && job.new.after_crash == AfterCrash::Resume;
        if resumes {
            // It has an end of its own to come to, over a crash too: the wish must outlive this process.
            store::jobs::wish_cancel(&mut tx, id, by).await?;
            if job.state == JobState::Queued {
                self.inner.store.commit(tx).await?;
                return Ok(Cancelled::Stopping);
            }
        }
        if job.state == JobState::Running && presence.is_elsewhere(job.claimed_by.as_deref()) {
            let noted = resumes || store::jobs::wish_cancel(&mut tx, id, by).await?;
            let now = store::jobs::find(&mut tx, id).await?.unwrap_or(job);
            self.inner.store.commit(tx).await?;
            return Ok(match noted {
                true => Cancelled::Stopping,
                false if now.state.is_final() => Cancelled::Over(now.state),
                false if now.cancel_by.is_some() => Cancelled::Already,
                // Put back into the queue in between.
                false => Cancelled::Passing,
            });
        }
        if dequeued {
            let seen = Seen {
                card: true,
                ..Seen::default()
            };
            let ending = Ending::Cancelled(by.to_owned());
            let end = live::End::default();
            let last = Last {
                ending: &ending,
                at: Millis::now(),
                took: None,
                end: &end,
                seen: &seen,
            };
            self.tell_end(&mut tx, &job, last, &[]).await?;
        }
        self.inner.store.commit(tx).await?;
        if dequeued {
            if let Some(shown) = &mut shown {
                shown.closed = true;
            }
            drop(shown);
            self.close(&job);
            self.wake_waiting().await;
            return Ok(Cancelled::Dequeued);
        }
        if job.state.is_final() {
            return Ok(Cancelled::Over(job.state));
        }
        // Looked up again: one that waited over a restart is opened only when it starts.
        match self.find(id) {
            Some(active) if active.stop_reason().is_some() => Ok(Cancelled::Already),
            Some(active) => {
                active.stop(StopReason::Cancelled(by.to_owned()));
                Ok(Cancelled::Stopping)
            }
            None => self.cancel_starting(id, by).await,
        }
    }

    /// Stops a job that runs by the database and is not known here: it ended in this very moment, or it waited over a
    /// restart and is just being started.
    async fn cancel_starting(&self, id: JobId, by: &str) -> Result<Cancelled> {
        let (looks, pause) = STARTING_LOOKS;
        for _ in 0..looks {
            if let Some(active) = self.find(id) {
                active.stop(StopReason::Cancelled(by.to_owned()));
                return Ok(Cancelled::Stopping);
            }
            tokio::time::sleep(pause).await;
            let mut db = self.inner.store.read().await?;
            match store::jobs::find(&mut db, id).await? {
                Some(job) if job.state.is_final() => return Ok(Cancelled::Over(job.state)),
                Some(_) => {}
                None => return Ok(Cancelled::Unknown),
            }
        }
        Ok(Cancelled::Passing)
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

    fn row(&self, grant: &Grant, job: &NewJob, origin: &Origin) -> NewRow {
        let actor = grant.actor();
        NewRow {
            kind: job.kind.to_owned(),
            payload: job.payload.clone(),
            title: job.title.clone(),
            role: job.role,
            asker: actor.id,
            asker_name: actor.name.clone(),
            place: actor.place,
            reply_to: origin.reply_to,
            source: origin.source.clone(),
            retry_of: job.retry_of,
            request_id: actor.request_id.clone(),
            lane: job.lane.clone(),
            lane_limit: job.lane_limit,
            // Nobody's share: schedules of the configuration, and what takes no worker and mostly waits.
            user_limit: match actor.is_bot() || !self.inner.registry.takes_worker(job.kind) {
                true => u32::MAX,
                false => self.limits().per_user,
            },
            after_crash: job.after_crash,
            output: job.output,
            created_at: Millis::now(),
            telling: job.telling.clone(),
            lock: job.lock.clone(),
            undo: job.undo.clone(),
        }
    }

    async fn check_room(&self, tx: &mut Tx, job: &NewJob) -> Result<()> {
        if job.promised {
            return Ok(());
        }
        if let Some(freeze) = store::freeze::current(tx).await? {
            return Err(Error::refused(report::frozen(&freeze)));
        }
        let (queued, _) = store::jobs::counts(tx).await?;
        if queued >= self.limits().max_queued {
            return Err(Error::refused(format!(
                "{queued} jobs are waiting already, which is the limit (jobs.max_queued). \
                 Try again when some are done: /jobs running",
            )));
        }
        if job.on_busy == OnBusy::Refuse
            && let Some(id) = store::jobs::busy_with(tx, &job.lane, job.lane_limit).await?
        {
            return Err(Error::refused(format!(
                "{} is running already as #{id}, and it is set not to wait. Stop it with /cancel {id}, or wait for its end.",
                job.title
            )));
        }
        Ok(())
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
            tracing::error!(job = %id, %error, "the queue did not take a job; the sweep will push it again");
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
        let mut words = match &job.new.telling {
            None => {
                let phase = card::Phase::Ended { ending, took };
                card::ended(&subject, &phase, job.new.output, &printed, last.seen)
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
                report::messages(&subject, &run, job.new.output, &printed)
            }
        };
        let within = match (ending, &job.new.undo) {
            (Ending::Exited(0), Some(undo)) => {
                card::offer_undo(&mut words, job.id, undo.within);
                Some(undo.within)
            }
            _ => printed.board.and_then(|board| board.undo),
        };
        if let Some(within) = within {
            store::undo::offer(tx, job.id, last.at.plus(within)).await?;
        }
        words.extend(results.iter().cloned());
        for message in words {
            self.inner
                .outbox
                .promise(tx, &message.of_job(job.id))
                .await?;
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
    fn close(&self, job: &Job) {
        if let Some(active) = locked(&self.inner.active).remove(&job.id) {
            active.phase.send_replace(live::Phase::Ended);
        }
        let chat = job.new.place.chat;
        self.inner.outbox.withdraw(chat, &card::slot(job.id));
        self.sent_off(job);
    }

    /// Begins to send what the end of a job promised, and what follows from it.
    fn sent_off(&self, job: &Job) {
        self.inner.outbox.kick(job.new.place.chat);
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
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
