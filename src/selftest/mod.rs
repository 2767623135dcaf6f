//! The self-test: a line for each part of the bot that says how it is, how long the look took, and what to do.
//!
//! All parts are looked at together, each within [`LIMIT`], and none needs another: what is broken is told by what works.

pub mod folder;
mod nothing;
pub mod outside;
pub mod own;
mod queue;
pub mod telegram;

pub use nothing::Nothing;

use crate::access::Grant;
use crate::base::ids::Place;
use crate::config::{Env, Live, Reloads};
use crate::delivery::Outbox;
use crate::delivery::reach::Act;
use crate::drivers::web::Web;
use crate::jobs::Jobs;
use crate::store::Store;
use futures::future::{BoxFuture, FutureExt, join_all};
use serde::{Serialize, Serializer};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};

/// A part is looked at no longer than this.
pub const LIMIT: Duration = Duration::from_secs(5);
/// What can say itself that it was too slow has less, so that it comes to say so.
const OWN_LIMIT: Duration = Duration::from_millis(4500);

/// How a part is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It works.
    Ok,
    /// It works, and something should be looked at.
    Warn,
    /// It does not work.
    Fail,
}

/// A line of the test.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Part {
    /// What was looked at.
    pub part: &'static str,
    /// How it is.
    pub state: State,
    /// The same for people.
    pub words: String,
    /// What to do, unless all is well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub todo: Option<String>,
    /// How long the look took; in JSON as `ms`.
    #[serde(
        rename = "ms",
        skip_serializing_if = "Option::is_none",
        serialize_with = "as_millis"
    )]
    pub took: Option<Duration>,
}

impl Part {
    /// It works.
    pub fn ok(part: &'static str, words: impl Into<String>) -> Self {
        Self {
            part,
            state: State::Ok,
            words: words.into(),
            todo: None,
            took: None,
        }
    }

    /// It works, and something should be done.
    pub fn warn(part: &'static str, words: impl Into<String>, todo: impl Into<String>) -> Self {
        Self {
            state: State::Warn,
            todo: Some(todo.into()),
            ..Self::ok(part, words)
        }
    }

    /// It does not work.
    pub fn fail(part: &'static str, words: impl Into<String>, todo: impl Into<String>) -> Self {
        Self {
            state: State::Fail,
            ..Self::warn(part, words, todo)
        }
    }
}

fn as_millis<S: Serializer>(took: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
    let millis = took.map(|took| u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
    millis.serialize(to)
}

/// A look at one part, bounded and measured. `late` is what to do when it does not end in time.
pub fn part<'a>(
    name: &'static str,
    late: &'a str,
    look: impl Future<Output = Part> + Send + 'a,
) -> BoxFuture<'a, Part> {
    async move {
        let begun = Instant::now();
        let found = timeout(LIMIT, look).await;
        let found = found.unwrap_or_else(|_| {
            let words = format!("no answer within {} s", LIMIT.as_secs());
            Part::fail(name, words, late)
        });
        Part {
            took: Some(begun.elapsed()),
            ..found
        }
    }
    .boxed()
}

/// Says why the port for pushes is not open though it should be, as a short sentence; `None` when it is.
pub type PortFault = Arc<dyn Fn() -> Option<String> + Send + Sync>;

/// What the test of a running bot looks at.
#[derive(Clone)]
pub struct Parts {
    /// The database.
    pub store: Store,
    /// The engine.
    pub jobs: Jobs,
    /// What leaves for the chat.
    pub outbox: Outbox,
    /// The configuration in force.
    pub live: Live,
    /// To ask for its file.
    pub reloads: Reloads,
    /// The bot's environment.
    pub env: Env,
    /// Why the port for pushes is not open though it should be.
    pub port: PortFault,
}

/// The test of a running bot. Cheap to clone.
#[derive(Clone)]
pub struct SelfTest {
    parts: Arc<Parts>,
    web: Web,
    turn: Arc<Semaphore>,
}

/// Shows that this test is the only one under way.
pub struct Turn(#[expect(dead_code, reason = "held, not read")] OwnedSemaphorePermit);

/// What a test found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Its lines.
    pub parts: Vec<Part>,
    /// Whether the chat takes messages of ours.
    pub heard: bool,
}

impl SelfTest {
    /// A test of these parts.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        Self {
            parts: Arc::new(parts),
            web: Web::default(),
            turn: Arc::new(Semaphore::new(1)),
        }
    }

    /// Begins a test; `None` while another is under way.
    #[must_use]
    pub fn begin(&self) -> Option<Turn> {
        let turn = Arc::clone(&self.turn).try_acquire_owned();
        turn.ok().map(Turn)
    }

    /// Looks at everything, for whoever asked by this grant, and tries the chat that they asked in.
    pub async fn run(&self, _turn: Turn, grant: &Grant) -> Report {
        let Parts {
            store,
            jobs,
            outbox,
            live,
            reloads,
            env,
            port,
        } = self.parts.as_ref();
        let config = live.current();
        let place = grant.actor().place;
        let chat = self.chat(place);
        let rest = vec![
            part("telegram", telegram::LATE, async {
                telegram::token(outbox.identity(&config.telegram).await, &config.telegram)
            }),
            part("database", own::LATE, own::database(store, &config)),
            part("queue", own::LATE, queue::look(jobs, store, grant)),
            part("outbox", own::LATE, own::outbox(store)),
            part(
                folder::PART,
                "look at the disk",
                folder::try_out(&config.data_dir),
            ),
            part(
                "configuration",
                "/config check looks at the file",
                own::configuration(reloads, grant.actor().id),
            ),
            part("clock", telegram::LATE, telegram::clock(&config.telegram)),
        ];
        let outside = outside::all(&config, env, &self.web);
        let ((chat, heard), rest, outside) = tokio::join!(chat, join_all(rest), join_all(outside));
        let mut parts: Vec<Part> = rest;
        parts.insert(1, chat);
        parts.extend(own::port(config.http.listen, port()));
        parts.extend(outside);
        Report { parts, heard }
    }

    /// Writes to the chat, and whether it can be written to.
    async fn chat(&self, place: Place) -> (Part, bool) {
        let heard = AtomicBool::new(true);
        let (outbox, live) = (self.parts.outbox.clone(), self.parts.live.clone());
        // Beside the test: however late Telegram answers, what was written is removed.
        let trial = tokio::spawn(async move {
            let telegram = &live.current().telegram;
            outbox.rehearse(telegram, place).await
        });
        let look = part("chat", telegram::SLOW, async {
            let tried = match trial.await {
                Ok(tried) => tried,
                Err(error) => {
                    let words = format!("the trial broke down: {error}");
                    return Part::fail("chat", words, "the log of the bot says more");
                }
            };
            let mute = matches!(&tried, Err(denied) if denied.act == Act::Write);
            heard.store(!mute, Ordering::SeqCst);
            telegram::chat(place, tried)
        });
        let found = look.await;
        (found, heard.load(Ordering::SeqCst))
    }
}
