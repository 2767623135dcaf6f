//! One chat's lane: what waits for it, and the step that sends the next thing.

use super::limits::Urgency;
use super::message::{Body, Outgoing};
use super::retry::{self, Decision, Tried};
use super::send::{self, Manner};
use super::{Answer, Outbox, locked};
use crate::base::ids::{ChatId, MessageId};
use crate::base::time::Millis;
use crate::store;
use std::collections::{HashMap, VecDeque};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// Pause between two live edits of one message in a private chat.
const LIVE_PRIVATE: Duration = Duration::from_millis(1500);
/// The same in a group, whose budget is shared by its members.
const LIVE_GROUP: Duration = Duration::from_millis(3000);
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
    Here(Outgoing),
    /// What a job of another instance looks like stands in the database when it goes.
    Elsewhere,
}

#[derive(Default)]
struct State {
    answers: VecDeque<Answer>,
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

/// A row that Telegram has and that the database holds for pending.
#[derive(Clone)]
struct Unmarked {
    row: i64,
    slot: Option<String>,
    message: MessageId,
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

async fn send_row(
    outbox: &Outbox,
    lane: &Lane,
    row: store::outbox::Pending,
) -> store::Result<Step> {
    let now = outbox.current_id(lane.chat);
    if now != lane.chat {
        // It was written while the move was noted; noting the move again takes it along.
        outbox.chat_moved(lane.chat, now).await?;
        return Ok(Step::Sent);
    }
    if locked(&outbox.inner.gone).contains(&lane.chat) {
        let mut tx = outbox.inner.store.begin().await?;
        store::outbox::mark_failed(&mut tx, row.id, "the chat cannot be reached", Millis::now())
            .await?;
        outbox.inner.store.commit(tx).await?;
        return Ok(Step::Sent);
    }
    let message: Outgoing = match serde_json::from_str(&row.payload) {
        Ok(message) => message,
        Err(error) => return close_row(outbox, row.id, &error.to_string()).await,
    };
    let own = message.edits.filter(|_| message.place.chat == lane.chat);
    let unmarked = locked(&lane.state).unmarked.clone();
    let target = row
        .target
        .or_else(|| unmarked.as_ref()?.of_slot(row.slot.as_deref()?))
        .or(own);
    if let Some(unmarked) = unmarked.filter(|unmarked| unmarked.row == row.id) {
        let edited = target == Some(unmarked.message);
        let step = mark_sent(outbox, lane, &row, unmarked.message, edited).await?;
        settle_file(outbox, &message, Manner::default());
        return Ok(step);
    }
    let mut head = match locked(&lane.state).head {
        Some(head) if head.row == row.id => head,
        _ => Head {
            row: row.id,
            ..Head::default()
        },
    };
    if !outbox.inner.store.presence().leads_for_certain() {
        return Ok(Step::Wait(STORE_PAUSE));
    }
    if let Some(wait) = take_turn(outbox, lane, Urgency::Result) {
        return Ok(Step::Wait(wait));
    }
    match call(outbox, lane, &message, target, head.manner).await {
        Ok(sent) => {
            touch(lane, row.slot.as_deref(), &message.body);
            locked(&lane.state).unmarked = Some(Unmarked {
                row: row.id,
                slot: row.slot.clone(),
                message: sent,
            });
            let step = mark_sent(outbox, lane, &row, sent, target == Some(sent)).await?;
            settle_file(outbox, &message, head.manner);
            Ok(step)
        }
        Err(error) => {
            let is_file = matches!(message.body, Body::Document { .. });
            head.choked += u32::from(retry::is_choke(&error, is_file));
            locked(&lane.state).head = Some(head);
            let tried = Tried {
                attempts: row.attempts,
                choked: head.choked,
                plain: head.manner.plain,
                as_file: head.manner.as_file,
                left_topic: head.manner.leave_topic || message.place.thread.is_none(),
                is_file,
            };
            let mut decision = retry::decide(&error, tried);
            let file = matches!(message.body, Body::Document { .. }) && !head.manner.without_file;
            if file && matches!(decision, Decision::GiveUp(_)) {
                // The text under a file may be all that tells an ending: it goes without the file.
                head.manner = Manner {
                    plain: false,
                    without_file: true,
                    ..head.manner
                };
                decision = Decision::LeaveFile;
            }
            tracing::warn!(chat = %lane.chat, row = row.id, %error, ?decision, "a message did not go");
            // Before the database is asked: its trouble must not make us forget Telegram's word.
            hold(outbox, lane, &decision);
            let words = error.to_string();
            follow(outbox, lane, &row, target, head, decision, &words).await
        }
    }
}

/// Lets go of the file of a row that is marked as sent.
fn settle_file(outbox: &Outbox, message: &Outgoing, manner: Manner) {
    if let Body::Document { key, name, .. } = &message.body {
        match manner.without_file {
            true => outbox.inner.attachments.refused(key, name),
            false => outbox.inner.attachments.sent(key),
        }
    }
}

/// Marks a row as sent; until that holds, the lane itself remembers that it was.
async fn mark_sent(
    outbox: &Outbox,
    lane: &Lane,
    row: &store::outbox::Pending,
    sent: MessageId,
    edited: bool,
) -> store::Result<Step> {
    let mut tx = outbox.inner.store.begin().await?;
    let slot = row.slot.as_deref();
    let now = Millis::now();
    store::outbox::mark_sent(&mut tx, row.id, lane.chat, slot, sent, edited, now).await?;
    outbox.inner.store.commit(tx).await?;
    locked(&lane.state).unmarked = None;
    Ok(Step::Sent)
}

/// Carries out what was decided about a row that did not go.
async fn follow(
    outbox: &Outbox,
    lane: &Lane,
    row: &store::outbox::Pending,
    target: Option<MessageId>,
    head: Head,
    decision: Decision,
    error: &str,
) -> store::Result<Step> {
    // First of all: it holds even if the database refuses what follows.
    hold(outbox, lane, &decision);
    let mut tx = outbox.inner.store.begin().await?;
    let step = match decision {
        Decision::Done => {
            let message = target.unwrap_or(MessageId(0));
            let slot = row.slot.as_deref().filter(|_| target.is_some());
            let (edited, now) = (target.is_some(), Millis::now());
            store::outbox::mark_sent(&mut tx, row.id, lane.chat, slot, message, edited, now)
                .await?;
            Step::Sent
        }
        Decision::Pause(pause) | Decision::Again(pause) => {
            store::outbox::mark_attempt(&mut tx, row.id, error).await?;
            Step::Wait(pause)
        }
        Decision::Moved(to) => {
            drop(tx);
            outbox.chat_moved(lane.chat, to).await?;
            return Ok(Step::Sent);
        }
        Decision::Gone(reason) => {
            drop(tx);
            outbox.chat_gone(lane.chat, &reason).await?;
            return Ok(Step::Sent);
        }
        Decision::SendNew => {
            locked(&lane.state).unmarked = None;
            return send_anew(outbox, lane, row, tx).await;
        }
        Decision::LeaveTopic | Decision::Plain | Decision::AsFile | Decision::LeaveFile => {
            let manner = Manner {
                plain: head.manner.plain || decision == Decision::Plain,
                leave_topic: head.manner.leave_topic || decision == Decision::LeaveTopic,
                as_file: head.manner.as_file || decision == Decision::AsFile,
                without_file: head.manner.without_file,
            };
            locked(&lane.state).head = Some(Head { manner, ..head });
            store::outbox::mark_attempt(&mut tx, row.id, error).await?;
            Step::Sent
        }
        Decision::GiveUp(reason) => {
            match without_file(outbox, row, &reason)? {
                // What the file was to say is said all the same.
                Some(text) => store::outbox::rewrite(&mut tx, row.id, &text).await?,
                None => {
                    store::outbox::mark_failed(&mut tx, row.id, &reason, Millis::now()).await?;
                }
            }
            Step::Sent
        }
    };
    outbox.inner.store.commit(tx).await?;
    Ok(step)
}

/// The row of a file that cannot be sent, as a text that says so; `None` for a row that is a text already.
fn without_file(
    outbox: &Outbox,
    row: &store::outbox::Pending,
    reason: &str,
) -> store::Result<Option<String>> {
    let corrupt = |error: serde_json::Error| store::Error::Corrupt(error.to_string());
    let mut message: Outgoing = serde_json::from_str(&row.payload).map_err(corrupt)?;
    let Body::Document {
        key,
        name,
        html,
        buttons,
    } = message.body
    else {
        return Ok(None);
    };
    tracing::error!(
        row = row.id,
        reason,
        "a file cannot be sent; its words go without it"
    );
    outbox.inner.attachments.refused(&key, &name);
    message.body = Body::Text {
        html: format!("{html}\nThe file could not be sent. The server keeps it."),
        buttons,
    };
    serde_json::to_string(&message).map(Some).map_err(corrupt)
}

/// The message to edit is gone: forget it, so that the next try sends a new one.
async fn send_anew(
    outbox: &Outbox,
    lane: &Lane,
    row: &store::outbox::Pending,
    mut tx: store::Tx,
) -> store::Result<Step> {
    if let Some(slot) = &row.slot {
        store::outbox::forget_slot(&mut tx, slot).await?;
    }
    if let Ok(mut message) = serde_json::from_str::<Outgoing>(&row.payload) {
        message.edits = None;
        let payload = serde_json::to_string(&message)
            .map_err(|error| store::Error::Corrupt(error.to_string()))?;
        store::outbox::rewrite(&mut tx, row.id, &payload).await?;
    }
    outbox.inner.store.commit(tx).await?;
    tracing::debug!(chat = %lane.chat, row = row.id, "the message to edit is gone; a new one follows");
    Ok(Step::Sent)
}

async fn send_answer(outbox: &Outbox, lane: &Lane) -> store::Result<Step> {
    if let Some(wait) = take_turn(outbox, lane, Urgency::Result) {
        return Ok(Step::Wait(wait));
    }
    let Some(answer) = locked(&lane.state).answers.pop_front() else {
        return Ok(Step::Sent);
    };
    let message = &answer.message;
    match call(outbox, lane, message, message.edits, Manner::default()).await {
        Ok(_) => {}
        Err(error) => match retry::decide(&error, Tried::default()) {
            Decision::Done => {}
            Decision::Gone(reason) => outbox.chat_gone(lane.chat, &reason).await?,
            // Whatever else went wrong is the business of rows: they retry, in order, over restarts.
            decision @ (Decision::Pause(_)
            | Decision::Again(_)
            | Decision::Moved(_)
            | Decision::SendNew
            | Decision::LeaveTopic
            | Decision::AsFile
            | Decision::LeaveFile
            | Decision::Plain
            | Decision::GiveUp(_)) => {
                tracing::warn!(chat = %lane.chat, %error, ?decision, "an answer did not go at once");
                if let Decision::Pause(_) = decision {
                    hold(outbox, lane, &decision);
                }
                if let Err(error) = outbox.post(message).await {
                    locked(&lane.state).answers.push_front(answer);
                    return Err(error);
                }
            }
        },
    }
    (answer.afterwards)().await;
    Ok(Step::Sent)
}

async fn send_live(outbox: &Outbox, lane: &Lane) -> store::Result<Step> {
    if locked(&outbox.inner.gone).contains(&lane.chat) {
        locked(&lane.state).live.clear();
        return Ok(Step::Idle);
    }
    let now = Instant::now();
    let strained = locked(&outbox.inner.limits).is_strained(lane.chat, now);
    let pace = match lane.chat.is_private() {
        true => LIVE_PRIVATE,
        false => LIVE_GROUP,
    } * if strained { 2 } else { 1 };
    let due = {
        let state = locked(&lane.state);
        state
            .live
            .keys()
            .map(|slot| {
                let ready = state.touched.get(slot).map_or(now, |(at, _)| *at + pace);
                (ready, slot.clone())
            })
            .min()
    };
    let Some((ready, slot)) = due else {
        return Ok(Step::Idle);
    };
    let wait = wait(outbox, lane, Urgency::Live).max(ready.saturating_duration_since(now));
    if !wait.is_zero() {
        return Ok(Step::Wait(wait));
    }
    let is_elsewhere = matches!(locked(&lane.state).live.get(&slot), Some(Offer::Elsewhere));
    let (target, elsewhere) = {
        let mut db = outbox.inner.store.read().await?;
        let known = store::outbox::slot(&mut db, &slot, lane.chat).await?;
        let elsewhere = match is_elsewhere {
            true => store::live::newest(&mut db, &slot).await?,
            false => None,
        };
        let target = known.or_else(|| locked(&lane.state).unmarked.as_ref()?.of_slot(&slot));
        (target, elsewhere)
    };
    let offered = {
        let mut state = locked(&lane.state);
        let offered: Option<Outgoing> = match state.live.remove(&slot) {
            Some(Offer::Here(message)) => Some(message),
            Some(Offer::Elsewhere) => elsewhere.and_then(|json| serde_json::from_str(&json).ok()),
            None => None,
        };
        // One that waited may say by now what is shown already.
        offered.filter(|new| {
            let shown = state.touched.get(&slot);
            shown.is_none_or(|(_, body)| target.is_none() || *body != new.body)
        })
    };
    let Some(message) = offered else {
        return Ok(Step::Sent);
    };
    if let Some(wait) = take_turn(outbox, lane, Urgency::Live) {
        let offer = match is_elsewhere {
            true => Offer::Elsewhere,
            false => Offer::Here(message),
        };
        locked(&lane.state).live.entry(slot).or_insert(offer);
        return Ok(Step::Wait(wait));
    }
    // Without a message to edit there is nothing live to show: its first form is a promise, not an offer. Only a group
    // that moved left its message behind, and gets a new one.
    if target.is_none() && outbox.former_id(lane.chat).is_none() {
        return Ok(Step::Sent);
    }
    touch(lane, Some(&slot), &message.body);
    match call(outbox, lane, &message, target, Manner::default()).await {
        Ok(sent) if target.is_none() => {
            let mut tx = outbox.inner.store.begin().await?;
            store::outbox::put_slot(&mut tx, &slot, lane.chat, sent, Millis::now()).await?;
            outbox.inner.store.commit(tx).await?;
        }
        Ok(_) => {}
        Err(error) => {
            let tried = Tried {
                plain: true,
                ..Tried::default()
            };
            let decision = retry::decide(&error, tried);
            tracing::debug!(chat = %lane.chat, %error, ?decision, "a live edit was skipped");
            match decision {
                Decision::Pause(_) | Decision::Again(_) => hold(outbox, lane, &decision),
                Decision::Moved(to) => outbox.chat_moved(lane.chat, to).await?,
                Decision::Gone(reason) => outbox.chat_gone(lane.chat, &reason).await?,
                Decision::Done
                | Decision::SendNew
                | Decision::LeaveTopic
                | Decision::AsFile
                | Decision::LeaveFile
                | Decision::Plain
                | Decision::GiveUp(_) => {}
            }
        }
    }
    Ok(Step::Sent)
}

async fn call(
    outbox: &Outbox,
    lane: &Lane,
    message: &Outgoing,
    target: Option<MessageId>,
    manner: Manner,
) -> Result<MessageId, teloxide::RequestError> {
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

async fn close_row(outbox: &Outbox, id: i64, reason: &str) -> store::Result<Step> {
    let mut tx = outbox.inner.store.begin().await?;
    store::outbox::mark_failed(&mut tx, id, reason, Millis::now()).await?;
    outbox.inner.store.commit(tx).await?;
    Ok(Step::Sent)
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
        | Decision::LeaveTopic
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
