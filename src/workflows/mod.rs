//! Workflows: runs of several steps that outlive the bot.
//!
//! A run is a job of the kind `workflow.run`, and its number is the run's. Its steps are rows; what follows is decided by
//! [`plan`] from these rows alone, so a run that was killed goes on where it was. `run.rs` is the shell around that.

mod ask;
mod board;
mod confide;
mod consent;
mod lacks;
pub mod look;
pub mod plan;
mod run;
mod secrets;
mod steps;
pub mod undo;
mod whom;

pub use ask::Asked;

use crate::access::Access;
use crate::base::ids::JobId;
use crate::base::job::{Ending, LAST_WORDS};
use crate::base::secret::ExposeSecret;
use crate::base::time::{Clock, Millis};
use crate::base::workflow::{RUN, RunArgs, Workflow};
use crate::config::{Env, Live};
use crate::delivery::Outbox;
use crate::delivery::render::Size;
use crate::drivers::web::Web;
use crate::jobs::action::{Action, ActionCx, Reading, Stopped};
use crate::store::{self, Store};
use secrets::Secrets;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// Tells the time since some moment, always forward: nobody can put it.
pub type Steady = Arc<dyn Fn() -> Duration + Send + Sync>;

/// What workflows are run over.
pub type Parts = (Store, Outbox, Access, Live, Env);

/// What runs workflows. Cheap to clone.
#[derive(Clone)]
pub struct Flows {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    outbox: Outbox,
    access: Access,
    live: Live,
    env: Env,
    web: Web,
    /// Whether git may go to folders of this machine.
    local: bool,
    clock: Clock,
    steady: Steady,
    /// The runs that go on here, to be told that something was answered.
    woken: Mutex<HashMap<JobId, Arc<Notify>>>,
    /// Whether what people say is taken in here.
    hears: AtomicBool,
}

impl Flows {
    /// Runs workflows over these parts, by these clocks. `local`: whether git may go to folders of this machine.
    #[must_use]
    pub fn new(parts: Parts, (clock, steady): (Clock, Steady), local: bool) -> Self {
        let (store, outbox, access, live, env) = parts;
        Self {
            inner: Arc::new(Inner {
                store,
                outbox,
                access,
                live,
                env,
                web: Web::default(),
                local,
                clock,
                steady,
                woken: Mutex::default(),
                hears: AtomicBool::default(),
            }),
        }
    }

    /// Masks the secrets of a workflow in a text for people.
    #[must_use]
    pub fn mask(&self, flow: &Workflow, text: &str) -> String {
        Secrets::new(self.inner.secrets(flow)).mask(text)
    }

    /// What is taken back since nobody answered, while nobody could be heard, may be answered a while longer, once.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn hear_out(&self, now: Millis) -> store::Result<()> {
        let mut tx = self.inner.store.begin_led().await?;
        store::workflows::hear_out(&mut tx, now, now.plus(LAST_WORDS)).await?;
        self.inner.store.commit(tx).await
    }

    /// From here on, what people say is taken in here, or it is not.
    pub fn set_hears(&self, hears: bool) {
        self.inner.hears.store(hears, Ordering::SeqCst);
    }

    /// Whether this instance leads, and takes in what people say.
    #[must_use]
    pub fn hears(&self) -> bool {
        self.inner.hears()
    }

    /// Tells a run, if it goes on here, to look again what was answered and what time it is.
    pub fn wake(&self, job: JobId) {
        if let Some(run) = locked(&self.inner.woken).get(&job) {
            run.notify_one();
        }
    }
}

impl Inner {
    fn now(&self) -> Millis {
        self.clock.now()
    }

    fn hears(&self) -> bool {
        self.hears.load(Ordering::SeqCst) && self.store.presence().leads()
    }

    /// When whoever leads elsewhere last heard people, and what time it is, by one clock.
    async fn heard(&self) -> store::Result<(Millis, Millis)> {
        if !self.store.presence().is_shared() {
            return Ok((Millis::default(), self.now()));
        }
        let mut db = self.store.read().await?;
        store::instances::heard(&mut db).await
    }

    fn steady(&self) -> Duration {
        (self.steady)()
    }

    /// What must not be seen in what a run prints.
    fn secrets(&self, flow: &Workflow) -> Vec<String> {
        let of_flow = flow.secrets.iter().filter_map(|name| self.env.get(name));
        let mut secrets: Vec<String> = of_flow.map(str::to_owned).collect();
        // A program cannot read the bot's token from its environment, but it may find the file that holds it.
        if let Some(token) = &self.live.current().telegram.token {
            secrets.push(token.expose_secret().to_owned());
        }
        secrets
    }
}

impl Action for Flows {
    type Args = RunArgs;
    const KIND: &'static str = RUN;
    const TAKES_WORKER: bool = false;

    fn reading(&self, args: &RunArgs) -> Reading {
        Reading {
            secrets: self.inner.secrets(&args.flow),
            size: Size::Pipe,
        }
    }

    async fn run(&self, args: RunArgs, cx: ActionCx) -> Result<Ending, Stopped> {
        let woken = Arc::new(Notify::new());
        locked(&self.inner.woken).insert(cx.job.id, Arc::clone(&woken));
        let id = cx.job.id;
        let ended = run::run(Arc::clone(&self.inner), args, cx, &woken).await;
        locked(&self.inner.woken).remove(&id);
        ended
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
