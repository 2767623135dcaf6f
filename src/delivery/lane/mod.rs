//! One chat's lane: what waits for it, and the step that sends the next thing.

mod answers;
mod live;
mod removal;
mod rows;
mod sealed;

use super::limits::Urgency;
use super::message::{Body, Outgoing};
use super::retry::Decision;
use super::send::{self, Manner, Sent};
use super::{Answer, Outbox, locked};
use crate::base::ids::{ChatId, MessageId};
use crate::store;
use answers::send_answer;
use live::{LIVE_GROUP, send_live};
use rows::send_row;
use std::collections::{HashMap, VecDeque};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// A call that is under way when the bot is stopped gets this long to end.
const LAST_CALL: Duration = Duration::from_secs(1);
/// Pause after the database refused.
const STORE_PAUSE: Duration = Duration::from_secs(1);

/// What a step did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Something was sent or closed.
    Sent,
    /// Nothing may go before this time is over.
    Wait(Duration),
    /// Nothing waits.
    Idle,
}

pub(super) struct Lane {
    chat: ChatId,
    state: Mutex<State>,
    rows: AtomicBool,
    /// The database is being asked whether rows wait.
    looking: AtomicBool,
    looping: AtomicBool,
    woken: Notify,
    idle: Notify,
}

/// A live edit.
pub(super) enum Offer {
    /// What a job here looks like.
    Here(Box<Outgoing>),
    /// What a job of another instance looks like stands in the database when it goes.
    Elsewhere,
}

#[derive(Default)]
struct State {
    answers: VecDeque<Answer>,
    /// How often the secret at the head of the answers failed, and whether its place is lost.
    secret: Secret,
    live: HashMap<String, Offer>,
    /// When each slot's message was last touched, to pace its edits, and what it says, to make none that changes nothing.
    touched: HashMap<String, (Instant, Body)>,
    /// The row at the head, once it failed.
    head: Option<Head>,
    /// What is out and could not be marked as sent: a database in trouble must not make us say it again and again.
    unmarked: Option<Unmarked>,
}

/// What was learnt of a row that failed.
#[derive(Clone, Copy, Default)]
struct Head {
    row: i64,
    /// In which manner it goes now.
    manner: Manner,
    /// How often the server itself failed at it.
    choked: u32,
}

/// What was learnt of an answer that never becomes a row.
#[derive(Clone, Copy, Default)]
struct Secret {
    attempts: u32,
    /// The message that it was to replace is gone.
    anew: bool,
}

/// A row that Telegram has and that the database holds for pending.
#[derive(Clone)]
struct Unmarked {
    row: i64,
    slot: Option<String>,
    message: MessageId,
    without_file: bool,
    /// Telegram has only what comes before its sealed words.
    is_begun: bool,
}

impl Unmarked {
    fn of_slot(&self, slot: &str) -> Option<MessageId> {
        (self.slot.as_deref() == Some(slot)).then_some(self.message)
    }
}

impl Lane {
    pub(super) fn new(chat: ChatId) -> Self {
        Self {
            chat,
            state: Mutex::default(),
            rows: AtomicBool::new(false),
            looking: AtomicBool::new(false),
            looping: AtomicBool::new(false),
            woken: Notify::new(),
            idle: Notify::new(),
        }
    }

    pub(super) fn push_answer(&self, answer: Answer) {
        locked(&self.state).answers.push_back(answer);
    }

    pub(super) fn offer(&self, slot: String, offer: Offer) {
        locked(&self.state).live.insert(slot, offer);
    }

    /// Drops what is in hand, and what is known of rows: another instance sends from now on.
    pub(super) fn forget(&self) {
        *locked(&self.state) = State::default();
        self.no_rows_wait();
        self.idle.notify_waiters();
    }

    pub(super) fn withdraw(&self, slot: &str) {
        let mut state = locked(&self.state);
        state.live.remove(slot);
        state.touched.remove(slot);
    }

    pub(super) fn rows_waiting(&self) {
        self.rows.store(true, Ordering::SeqCst);
    }

    /// Takes it that no rows wait, until somebody says so again.
    pub(super) fn no_rows_wait(&self) {
        self.rows.store(false, Ordering::SeqCst);
    }

    pub(super) fn wake(&self) {
        self.woken.notify_one();
    }

    pub(super) fn claim_loop(&self) -> bool {
        !self.looping.swap(true, Ordering::SeqCst)
    }

    fn has_answers(&self) -> bool {
        !locked(&self.state).answers.is_empty()
    }

    /// Whether anything but live edits waits or is on its way.
    pub(super) fn is_busy(&self) -> bool {
        self.looking.load(Ordering::SeqCst)
            || self.rows.load(Ordering::SeqCst)
            || !locked(&self.state).answers.is_empty()
    }

    /// Whether the lane holds nothing that a new one would not: no loop, no message, no pace to keep.
    pub(super) fn is_resting(&self, now: Instant) -> bool {
        let state = locked(&self.state);
        let paced = |(at, _): &(Instant, Body)| now.duration_since(*at) < 2 * LIVE_GROUP;
        !self.looping.load(Ordering::SeqCst)
            && !self.rows.load(Ordering::SeqCst)
            && state.answers.is_empty()
            && state.live.is_empty()
            && !state.touched.values().any(paced)
    }

    /// Resolves when nothing but live edits waits.
    pub(super) async fn drained(&self) {
        loop {
            let idle = self.idle.notified();
            if !self.is_busy() {
                return;
            }
            idle.await;
        }
    }
}

/// The lane's loop: steps until nothing waits. A wake-up that comes in between starts it anew.
pub(super) async fn run(outbox: &Outbox, lane: &Lane) {
    loop {
        let step = tokio::select! {
            step = step(outbox, lane) => step,
            () = last_call(outbox) => return,
            // A call that is under way is given up as well: its message stays pending, for the one that leads now.
            () = outbox.inner.store.presence().deposed() => {
                lane.looping.store(false, Ordering::SeqCst);
                // This instance may lead again already, and find the loop running still.
                if outbox.may_send() && lane.is_busy() && lane.claim_loop() {
                    continue;
                }
                return;
            }
        };
        let pause = match step {
            Ok(Step::Sent) => continue,
            Ok(Step::Wait(pause)) => pause,
            Ok(Step::Idle) => {
                lane.idle.notify_waiters();
                lane.looping.store(false, Ordering::SeqCst);
                let more = lane.is_busy() || !locked(&lane.state).live.is_empty();
                if more && lane.claim_loop() {
                    continue;
                }
                return;
            }
            Err(error) => {
                tracing::error!(%error, chat = %lane.chat, "the outbox cannot reach its database");
                STORE_PAUSE
            }
        };
        if !lane.is_busy() {
            // Only a live edit waits for its time.
            lane.idle.notify_waiters();
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = lane.woken.notified() => {}
            () = outbox.inner.stop.cancelled() => return,
            () = outbox.inner.store.presence().deposed() => {}
        }
        if outbox.inner.stop.is_cancelled() {
            return;
        }
    }
}

/// Resolves when a call that still hangs is given up because the bot is stopped. Its message stays pending.
async fn last_call(outbox: &Outbox) {
    outbox.inner.stop.cancelled().await;
    tokio::time::sleep(LAST_CALL).await;
}

/// Sends the next thing of the lane: rows first, then answers, then live edits.
pub(super) async fn step(outbox: &Outbox, lane: &Lane) -> store::Result<Step> {
    let mut stuck = None;
    if lane.rows.load(Ordering::SeqCst) {
        // Cleared before the look, so that a row added after it sets the flag again.
        lane.looking.store(true, Ordering::SeqCst);
        lane.no_rows_wait();
        let next = async {
            let mut db = outbox.inner.store.read().await?;
            store::outbox::next(&mut db, lane.chat).await
        };
        let next = next.await;
        if !matches!(next, Ok(None)) {
            lane.rows.store(true, Ordering::SeqCst);
        }
        lane.looking.store(false, Ordering::SeqCst);
        let done = match next {
            Ok(None) => Ok(None),
            Ok(Some(row)) => send_row(outbox, lane, row).await.map(Some),
            Err(error) => Err(error),
        };
        match done {
            Ok(None) => {}
            Ok(Some(step)) => return Ok(step),
            // What needs no row goes all the same; it may be the very words that the database is in trouble.
            Err(error) => stuck = Some(error),
        }
    }
    if lane.has_answers() {
        return send_answer(outbox, lane).await;
    }
    match (send_live(outbox, lane).await, stuck) {
        (Ok(Step::Idle), Some(error)) => Err(error),
        (step, _) => step,
    }
}

async fn call(
    outbox: &Outbox,
    lane: &Lane,
    message: &Outgoing,
    target: Option<MessageId>,
    manner: Manner,
) -> Result<Sent, teloxide::RequestError> {
    let attachments = &*outbox.inner.attachments;
    send::send(
        &outbox.inner.bots,
        attachments,
        lane.chat,
        message,
        target,
        manner,
    )
    .await
}

/// Keeps the pause that an error asks for.
fn hold(outbox: &Outbox, lane: &Lane, decision: &Decision) {
    let mut limits = locked(&outbox.inner.limits);
    match decision {
        Decision::Pause(pause) => limits.close(lane.chat, *pause, Instant::now()),
        Decision::Again(pause) => limits.rest(lane.chat, *pause, Instant::now()),
        Decision::Done
        | Decision::Moved(_)
        | Decision::Gone(_)
        | Decision::SendNew
        | Decision::LeaveTopic(_)
        | Decision::LeaveFile
        | Decision::AsFile
        | Decision::Plain
        | Decision::GiveUp(_) => {}
    }
}

fn wait(outbox: &Outbox, lane: &Lane, urgency: Urgency) -> Duration {
    locked(&outbox.inner.limits).wait(lane.chat, urgency, Instant::now())
}

/// Counts a message that goes now, or says how long it has to wait: one step, so that chats together keep the overall rate.
fn take_turn(outbox: &Outbox, lane: &Lane, urgency: Urgency) -> Option<Duration> {
    if !outbox.inner.store.presence().leads() {
        // Whoever was paused finds out here, before the call; the loop ends then.
        return Some(STORE_PAUSE);
    }
    let mut limits = locked(&outbox.inner.limits);
    let now = Instant::now();
    let wait = limits.wait(lane.chat, urgency, now);
    if wait.is_zero() {
        limits.take(lane.chat, now);
        return None;
    }
    Some(wait)
}

fn touch(lane: &Lane, slot: Option<&str>, body: &Body) {
    if let Some(slot) = slot {
        let mut state = locked(&lane.state);
        let now = Instant::now();
        state
            .touched
            .retain(|_, (at, _)| now.duration_since(*at) < Duration::from_secs(60));
        state.touched.insert(slot.to_owned(), (now, body.clone()));
    }
}
