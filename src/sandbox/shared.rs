//! What the server and the handle share: the world behind a lock, and the bells that ring on change.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, Weak};

use tokio::sync::{Notify, watch};

use super::connection::Kill;
use super::state::State;

/// The world and its bells.
pub(super) struct Shared {
    pub(super) token: String,
    state: Mutex<State>,
    changed: watch::Sender<u64>,
    /// Rings when a waiting poll should look again.
    pub(super) updates: Notify,
    away: AtomicBool,
    connections: Mutex<Vec<Weak<Kill>>>,
}

impl Shared {
    pub(super) fn new(token: String, state: State) -> Shared {
        Shared {
            token,
            changed: watch::Sender::new(state.seq),
            state: Mutex::new(state),
            updates: Notify::new(),
            away: AtomicBool::new(false),
            connections: Mutex::new(Vec::new()),
        }
    }

    /// Works on the world and rings the bells if something happened.
    pub(super) fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self
            .state
            .lock()
            .expect("no holder of the world's lock panics");
        let (before, queued) = (state.seq, state.queued);
        let result = work(&mut state);
        let (after, queued_now) = (state.seq, state.queued);
        drop(state);
        if before != after {
            self.changed.send_replace(after);
        }
        if queued != queued_now {
            self.updates.notify_waiters();
        }
        result
    }

    /// A bell that rings on each change.
    pub(super) fn bell(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Whether the whole server is unreachable.
    pub(super) fn is_away(&self) -> bool {
        self.away.load(Ordering::SeqCst)
    }

    /// Makes the whole server unreachable, or reachable again.
    pub(super) fn set_away(&self, away: bool) {
        self.away.store(away, Ordering::SeqCst);
        if away {
            self.close_all();
        }
        self.updates.notify_waiters();
    }

    /// Remembers a connection so that it can be closed.
    pub(super) fn remember(&self, kill: Weak<Kill>) {
        let mut list = self
            .connections
            .lock()
            .expect("no holder of the list's lock panics");
        list.retain(|old| old.strong_count() > 0);
        list.push(kill);
    }

    /// Closes every connection.
    pub(super) fn close_all(&self) {
        let list = self
            .connections
            .lock()
            .expect("no holder of the list's lock panics");
        list.iter()
            .filter_map(Weak::upgrade)
            .for_each(|kill| kill.now());
    }
}
