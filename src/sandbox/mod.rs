//! A Bot API server inside the process, so that the bot runs unchanged without Telegram.
//!
//! It speaks real HTTP on the loopback interface and enforces what Telegram enforces: lengths,
//! markup, keyboards, rates, one poller at a time. Unknown methods and parameters fail loudly. Tests
//! and `opsgram sandbox` play the people: see [`Sandbox::say`], [`Sandbox::press`],
//! [`Sandbox::wait`], [`Sandbox::fault`].

mod connection;
mod decode;
mod faults;
mod files;
mod html;
mod methods;
mod model;
mod params;
mod people;
mod rates;
mod record;
mod refusal;
mod server;
mod shared;
mod spec;
mod speech;
mod state;
mod text;
mod view;
pub mod web;
mod wire;
mod world;

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use rand::distr::{Alphanumeric, SampleString};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub use faults::{Fault, FaultKind, Forbidden};
pub use model::{
    Answer, Button, Call, Document, Entity, EntityKind, Event, MenuEntry, Message, Sent, Version,
    What,
};

pub use rates::{Limits, Rates};
pub use speech::Speech;
pub use state::Standing;
pub use view::View;

use connection::{Cutter, Door};
use shared::Shared;
use state::{Person, State};

/// How a sandbox starts.
#[derive(Clone, Debug)]
pub struct Options {
    /// The port on 127.0.0.1; 0 takes any free one.
    pub port: u16,
    /// The rates it enforces.
    pub rates: Rates,
    /// The bot's token, as `digits:secret`; none makes one up.
    pub token: Option<String>,
    /// The bot's name without the `@`; none is `sandbox_bot`.
    pub bot_username: Option<String>,
    /// Whether the bot sees only what is meant for it in groups, as bots do at first.
    pub privacy: bool,
    /// How many messages of a chat, calls and events are kept; the oldest go first.
    pub keep: usize,
    /// How many calls are kept with their parameters and answers.
    pub record: usize,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            port: 0,
            rates: Rates::Off,
            token: None,
            bot_username: None,
            privacy: true,
            keep: 20_000,
            record: 0,
        }
    }
}

/// A running Bot API server. Clones are handles on the same one; it ends with the last handle.
#[derive(Clone)]
pub struct Sandbox {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    address: SocketAddr,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sandbox")
            .field("address", &self.inner.address)
            .finish_non_exhaustive()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.shared.close_all();
        if let Ok(Some(task)) = self.task.get_mut().map(Option::take) {
            task.abort();
        }
    }
}

impl Sandbox {
    /// Starts a server on 127.0.0.1.
    ///
    /// # Errors
    /// When the port is taken.
    pub async fn start(options: Options) -> io::Result<Sandbox> {
        let token = options.token.unwrap_or_else(make_token);
        let id = token
            .split(':')
            .next()
            .and_then(|id| id.parse().ok())
            .unwrap_or(1);
        let bot = Person {
            id,
            first_name: "Opsgram".to_owned(),
            username: Some(
                options
                    .bot_username
                    .unwrap_or_else(|| "sandbox_bot".to_owned()),
            ),
            is_bot: true,
            deactivated: false,
        };
        let state = State::new(
            bot,
            options.rates,
            options.keep,
            options.record,
            options.privacy,
        );
        let shared = Arc::new(Shared::new(token, state));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, options.port)).await?;
        let address = listener.local_addr()?;
        let door = Door::new(listener, Arc::clone(&shared));
        let service =
            server::router(Arc::clone(&shared)).into_make_service_with_connect_info::<Cutter>();
        let task = tokio::spawn(async move {
            // Serving ends only when this task is aborted.
            let _ = axum::serve(door, service).await;
        });
        let task = Mutex::new(Some(task));
        Ok(Sandbox {
            inner: Arc::new(Inner {
                shared,
                address,
                task,
            }),
        })
    }

    /// The address for `Bot::set_api_url`.
    pub fn api_url(&self) -> String {
        format!("http://{}", self.inner.address)
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.inner.address.port()
    }

    /// The bot's token.
    pub fn token(&self) -> &str {
        &self.inner.shared.token
    }

    /// The bot's identifier.
    pub fn bot_id(&self) -> i64 {
        self.shared().with(|state| state.bot.id)
    }

    /// The bot's name without the `@`.
    pub fn bot_username(&self) -> String {
        self.shared()
            .with(|state| state.bot.username.clone().unwrap_or_default())
    }

    /// Closes every connection and frees the port. What happened can still be read.
    pub async fn stop(&self) {
        let task = self
            .inner
            .task
            .lock()
            .expect("no holder of the task's lock panics")
            .take();
        if let Some(task) = task {
            task.abort();
            // A cancelled task is what was asked for.
            let _ = task.await;
        }
        self.inner.shared.close_all();
    }

    /// Adds a rule that makes calls fail.
    pub fn fault(&self, fault: Fault) {
        self.shared().with(|state| state.faults.add(fault));
    }

    /// Takes all rules away.
    pub fn clear_faults(&self) {
        self.shared().with(|state| state.faults.clear());
    }

    /// How many rules still wait for calls.
    pub fn faults_left(&self) -> usize {
        self.shared().with(|state| state.faults.left())
    }

    /// Makes the whole server unreachable: connections are accepted and dropped. Calls in hand are
    /// cut. False makes it reachable again.
    pub fn away(&self, away: bool) {
        self.shared().set_away(away);
    }

    /// Sets a webhook, as another program with the bot's token would; nothing is delivered to it.
    pub fn set_webhook(&self, url: &str) {
        self.shared()
            .with(|state| state.webhook = Some(url.to_owned()));
    }

    /// Changes the rates; what was counted is forgotten.
    pub fn set_rates(&self, rates: Rates) {
        self.shared().with(|state| state.meter.set(rates));
    }

    fn shared(&self) -> &Arc<Shared> {
        &self.inner.shared
    }
}

fn make_token() -> String {
    format!(
        "700000001:{}",
        Alphanumeric.sample_string(&mut rand::rng(), 35)
    )
}

#[cfg(test)]
mod tests;
