//! What happens, as one stream of events: first the whole world, then every change.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State as Extract;
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use futures::stream::{self, Stream, StreamExt};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::super::model::What;
use super::super::state::State;
use super::{Site, shape};

/// A silent stream says something this often, so that both sides know that the other lives.
const ALIVE: Duration = Duration::from_secs(15);

/// How far one reader has read.
struct Cursor {
    site: Arc<Site>,
    world: watch::Receiver<u64>,
    site_bell: watch::Receiver<u64>,
    /// None before the first look, and after more happened than is kept.
    seen: Option<u64>,
    calls: u64,
    lines: u64,
    status: Value,
    chats: Value,
}

/// `GET /api/feed`.
pub(super) async fn feed(
    Extract(site): Extract<Arc<Site>>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let cursor = Cursor {
        world: site.sandbox.shared().bell(),
        site_bell: site.bell.subscribe(),
        seen: None,
        calls: 0,
        lines: 0,
        status: Value::Null,
        chats: Value::Null,
        site,
    };
    let batches = stream::unfold(cursor, |mut cursor| async move {
        let batch = cursor.next().await;
        Some((stream::iter(batch), cursor))
    });
    Sse::new(batches.flatten().map(Ok)).keep_alive(KeepAlive::new().interval(ALIVE))
}

fn event(name: &str, data: &Value) -> Event {
    Event::default().event(name).data(data.to_string())
}

impl Cursor {
    /// Waits until something happened and gives it.
    async fn next(&mut self) -> Vec<Event> {
        loop {
            self.world.mark_unchanged();
            self.site_bell.mark_unchanged();
            let batch = self.look();
            if !batch.is_empty() {
                return batch;
            }
            tokio::select! {
                changed = self.world.changed() => if changed.is_err() { return Vec::new() },
                changed = self.site_bell.changed() => if changed.is_err() { return Vec::new() },
            }
        }
    }

    fn look(&mut self) -> Vec<Event> {
        let mut out = Vec::new();
        let site = Arc::clone(&self.site);
        let faults = site.sandbox.shared().with(|state| {
            match self.seen.filter(|seen| *seen >= state.forgotten) {
                Some(seen) => self.changes(state, seen, &mut out),
                None => {
                    (self.calls, self.lines, self.status) = (0, 0, Value::Null);
                    self.chats = shape::chats(state);
                    out.push(event("world", &shape::world(&site, state)));
                }
            }
            self.seen = Some(state.seq);
            let calls: Vec<Value> = state.records.since(self.calls).map(shape::call).collect();
            self.calls = state.records.last();
            if !calls.is_empty() {
                out.push(event("calls", &Value::Array(calls)));
            }
            shape::faults(state)
        });
        let (lines, last) = site.keeper.log_since(self.lines);
        self.lines = last;
        if !lines.is_empty() {
            out.push(event("log", &json!(lines)));
        }
        let status = json!({
            "bot": site.keeper.json(), "away": site.away.until(), "faults": faults,
        });
        if status != self.status {
            out.push(event("status", &status));
            self.status = status;
        }
        out
    }

    /// What happened in the world since; of a message only how it is now.
    fn changes(&mut self, state: &State, seen: u64, out: &mut Vec<Event>) {
        let events = &state.events;
        let new = events.range(events.partition_point(|event| event.seq <= seen)..);
        let mut touched: Vec<(i64, i32)> = Vec::new();
        let mut menus = false;
        for happened in new {
            match &happened.what {
                What::Said { chat, message_id }
                | What::Sent { chat, message_id }
                | What::Edited { chat, message_id }
                | What::Reacted {
                    chat, message_id, ..
                } => {
                    touched.retain(|place| *place != (*chat, *message_id));
                    touched.push((*chat, *message_id));
                }
                What::Deleted { chat, message_id } => {
                    touched.retain(|place| *place != (*chat, *message_id));
                    out.push(event("gone", &json!({"chat": chat, "id": message_id})));
                }
                What::Answered {
                    callback_id,
                    text,
                    alert,
                } => out.push(event(
                    "answered",
                    &json!({"press": callback_id, "text": text, "alert": alert}),
                )),
                What::Action {
                    chat,
                    thread,
                    action,
                } => out.push(event(
                    "doing",
                    &json!({"chat": chat, "thread": thread, "action": action}),
                )),
                What::CommandsSet { .. } => menus = true,
                What::Polling { .. }
                | What::Polled { .. }
                | What::Queued { .. }
                | What::Refused { .. } => {}
            }
        }
        let chats = shape::chats(state);
        if chats != self.chats {
            out.push(event("chats", &chats));
            self.chats = chats;
        }
        for (chat, id) in touched {
            if let Some(message) = state.message(chat, id) {
                out.push(event("message", &shape::message(state, message)));
            }
        }
        if menus {
            out.push(event("menus", &Value::Null));
        }
    }
}
