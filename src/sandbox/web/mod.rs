//! The chat page: what people see and do in a browser, served on the loopback interface.
//!
//! The page is plain files inside the program. What happens reaches it as one stream of events
//! (`feed`), what a person does comes as requests (`actions`, `panel`). The bot runs as a
//! process of its own (`keeper`), so that it can be killed as hard as a machine can fail.

mod actions;
mod assets;
mod away;
mod feed;
mod guard;
mod keeper;
mod panel;
mod shape;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use axum::{Router, middleware};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use keeper::Program;

use super::Sandbox;
use super::files::MAX_UPLOAD;
use super::model::What;
use away::Away;
use keeper::Keeper;

/// The largest request: a file and the words around it, in bytes.
const MAX_REQUEST: usize = MAX_UPLOAD + 64 * 1024;

/// Time for a bot that is started only to end what a killed one left.
const CLEANS_WITHIN: Duration = Duration::from_secs(10);

/// A person whom the page can be.
#[derive(Clone, Debug)]
pub struct Player {
    /// The Telegram user.
    pub id: i64,
    /// What to call them by: `owner`, `stranger`.
    pub role: String,
}

/// How the page starts.
#[derive(Clone, Debug)]
pub struct PageOptions {
    /// The port on 127.0.0.1; 0 takes any free one.
    pub port: u16,
    /// Whom the page can be, the first one at first.
    pub players: Vec<Player>,
    /// What a browser must bring to be let in; nothing for everybody on this machine.
    pub key: Option<String>,
    /// The bot; it is started at once.
    pub program: Program,
}

/// What every request works with.
struct Site {
    sandbox: Sandbox,
    players: Vec<Player>,
    keeper: Keeper,
    away: Away,
    /// Rings when the bot or an absence changes.
    bell: watch::Sender<u64>,
}

/// A running page with its bot.
pub struct Page {
    site: Arc<Site>,
    address: SocketAddr,
    key: Arc<Option<String>>,
    serving: JoinHandle<()>,
}

impl Page {
    /// Opens the page and starts the bot.
    ///
    /// # Errors
    /// When the port is taken.
    pub async fn start(sandbox: Sandbox, options: PageOptions) -> io::Result<Page> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, options.port)).await?;
        let address = listener.local_addr()?;
        let bell = watch::Sender::new(0);
        let site = Arc::new(Site {
            keeper: Keeper::start(options.program, bell.clone()),
            away: Away::new(sandbox.clone(), bell.clone()),
            sandbox,
            players: options.players,
            bell,
        });
        let key = Arc::new(options.key);
        let router = router(Arc::clone(&site), Arc::clone(&key));
        let serving = tokio::spawn(async move {
            // Serving ends only when this task is aborted.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Page {
            site,
            address,
            key,
            serving,
        })
    }

    /// Where the page is, with its key.
    pub fn url(&self) -> String {
        match self.key.as_deref() {
            Some(key) => format!("http://{}/?key={key}", self.address),
            None => format!("http://{}/", self.address),
        }
    }

    /// Closes the page and stops the bot in good order.
    pub async fn stop(self) {
        self.serving.abort();
        self.site.away.end();
        let Site {
            sandbox, keeper, ..
        } = &*self.site;
        if keeper.was_killed() {
            // What it was running has outlived it. Only the bot knows what that is: the next one
            // ends it before it asks for updates.
            sandbox.clear_faults();
            let before = sandbox.seq();
            keeper.order(keeper::Order::Start).await;
            let polls = |view: &super::View<'_>| {
                let mut new = view.events_since(before);
                new.find(|event| matches!(event.what, What::Polling { .. }))
                    .map(|_| ())
            };
            // If it does not come up, there is nothing more to be done.
            let _ = sandbox.wait(CLEANS_WITHIN, "the bot", polls).await;
        }
        keeper.stop().await;
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn router(site: Arc<Site>, key: Arc<Option<String>>) -> Router {
    Router::new()
        .route("/api/feed", get(feed::feed))
        .route("/api/messages", get(actions::messages))
        .route("/api/menu", get(actions::menu))
        .route("/api/file", get(actions::file))
        .route("/api/say", post(actions::say))
        .route("/api/press", post(actions::press))
        .route("/api/upload", post(actions::upload))
        .route("/api/call", get(panel::call))
        .route("/api/calls/clear", post(panel::clear_calls))
        .route("/api/fault", post(panel::fault))
        .route("/api/faults/clear", post(panel::clear_faults))
        .route("/api/away", post(panel::away))
        .route("/api/bot", post(panel::bot))
        .fallback(assets::serve)
        .layer(DefaultBodyLimit::max(MAX_REQUEST))
        .layer(middleware::from_fn_with_state(key, guard::guard))
        .with_state(site)
}

#[cfg(test)]
mod tests;
