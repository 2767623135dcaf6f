//! The port that pushes come to: opened, moved and closed as the configuration in force says.

mod connection;
mod push;
mod rates;

use crate::config::Live;
use crate::monitors::pushes::Pushes;
use connection::{Caller, Gate};
use push::Desk;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How often it is looked whether the port is as it should be; one that was taken may be free again.
const LOOK: Duration = Duration::from_secs(5);
/// The time that connections get to end when the port is closed; after it they are left to their own limits.
const CLOSE: Duration = Duration::from_secs(2);

/// How much one caller may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at the same time; others wait to be taken.
    pub connections: usize,
    /// From the beginning of a connection until the head of its request is there.
    pub head: Duration,
    /// The most of a head, in bytes.
    pub head_size: usize,
    /// A whole connection, with its one request and the answer.
    pub whole: Duration,
    /// The body of a request.
    pub body: Duration,
    /// Until the database has taken a push.
    pub store: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 64,
            head: Duration::from_secs(5),
            head_size: 16 << 10,
            whole: Duration::from_secs(30),
            body: Duration::from_secs(10),
            store: Duration::from_secs(10),
        }
    }
}

/// The port. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Port {
    live: Live,
    pushes: Pushes,
    limits: Limits,
    desk: Arc<Desk>,
    open: Arc<Mutex<Option<Open>>>,
}

/// What is listened at.
struct Open {
    address: SocketAddr,
    stop: CancellationToken,
    serving: JoinHandle<()>,
}

impl Port {
    /// A port that is still closed.
    #[must_use]
    pub fn new(live: Live, pushes: Pushes, limits: Limits) -> Self {
        Self {
            desk: Arc::new(Desk::new(live.clone(), pushes.clone(), limits)),
            live,
            pushes,
            limits,
            open: Arc::default(),
        }
    }

    /// Sees to it that the port is open where the configuration in force says. As long as another one cannot be opened,
    /// the one before stays.
    ///
    /// # Errors
    /// Why it cannot be opened, and what to do, as a short sentence; [`Port::run`] tries again.
    pub async fn follow(&self) -> Result<(), String> {
        let mut open = self.open.lock().await;
        let wanted = self.live.current().http.listen;
        let is = open.as_ref().filter(|open| !open.serving.is_finished());
        let followed = match (is.map(|open| open.address), wanted) {
            (None, None) => Ok(()),
            (Some(is), Some(wanted)) if is == wanted => Ok(()),
            (Some(is), None) => {
                close(&mut open).await;
                tracing::info!(%is, "the port for pushes is closed");
                Ok(())
            }
            (is, Some(wanted)) => {
                if is.is_some_and(|is| is.port() == wanted.port()) {
                    // The one would stand in the way of the other.
                    close(&mut open).await;
                }
                self.open(&mut open, wanted).await
            }
        };
        let before = self.pushes.port_fault();
        if let Err(why) = &followed
            && before.as_ref() != Some(why)
        {
            tracing::error!("no push can come: {why}");
        }
        self.pushes.note_port(followed.clone().err());
        followed
    }

    async fn open(&self, open: &mut Option<Open>, address: SocketAddr) -> Result<(), String> {
        let bound = TcpListener::bind(address).await;
        let listener = bound.map_err(|error| why(address, &error))?;
        close(open).await;
        let stop = CancellationToken::new();
        let gate = Gate::new(listener, self.limits);
        let service = push::router(Arc::clone(&self.desk));
        let serving = axum::serve(
            gate,
            service.into_make_service_with_connect_info::<Caller>(),
        )
        .with_graceful_shutdown(stop.clone().cancelled_owned());
        let serving = tokio::spawn(async move {
            // It never fails.
            let _ = serving.await;
        });
        *open = Some(Open {
            address,
            stop,
            serving,
        });
        tracing::info!(%address, "the port for pushes is open");
        Ok(())
    }

    /// Keeps the port as the configuration says until `stop` fires, and closes it.
    pub async fn run(self, stop: CancellationToken) {
        loop {
            // What is wrong is in the log, and on the board.
            let _ = self.follow().await;
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                () = stop.cancelled() => break,
            }
        }
        close(&mut *self.open.lock().await).await;
    }
}

/// Takes no more connections; what is under way may end.
async fn close(open: &mut Option<Open>) {
    if let Some(open) = open.take() {
        open.stop.cancel();
        if tokio::time::timeout(CLOSE, open.serving).await.is_err() {
            tracing::debug!("a connection to the port for pushes outlasts it");
        }
    }
}

/// Why an address cannot be listened at, and what to do.
#[must_use]
pub fn why(address: SocketAddr, error: &std::io::Error) -> String {
    match error.kind() {
        ErrorKind::AddrInUse => format!(
            "another program listens at {address}; end it, or write another port under http.listen"
        ),
        ErrorKind::AddrNotAvailable => {
            format!("{address} is no address of this machine; write one that is under http.listen")
        }
        ErrorKind::PermissionDenied => format!(
            "this user may not listen at {address}; write a port above 1023 under http.listen"
        ),
        _ => format!("{address} cannot be listened at ({error}); see http.listen"),
    }
}
