//! Shows an open job in its chat while it lasts: the first card, live edits, pieces of a stream.

use super::live::{Active, Phase, Shown};
use super::{Jobs, subject};
use crate::base::job::OutputMode;
use crate::delivery::{Outgoing, card};
use crate::store;
use std::iter;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::MutexGuard;

/// A job that ends within this time makes exactly one message.
const FIRST_CARD: Duration = Duration::from_millis(300);
/// Where the runs before failed at once, and this one may as well without being told: longer than that takes.
const DOUBTFUL_CARD: Duration = Duration::from_secs(65);
/// The card is composed at most this often, and less often the longer the job runs.
const REFRESH: Duration = Duration::from_secs(1);
/// A card whose job prints nothing still shows that time passes.
const QUIET_REFRESH: Duration = Duration::from_secs(5);
/// The longest pause between two forms of a card.
const SLOWEST: Duration = Duration::from_secs(30);

/// Follows a job until its ending is written.
pub(super) async fn follow(jobs: Jobs, active: Arc<Active>) {
    let mut phase = active.phase.subscribe();
    let ended = phase.wait_for(|phase| *phase == Phase::Ended);
    let failing = active.new.telling.as_ref().and_then(|telling| telling.anew);
    let patience = match failing.unwrap_or(0) {
        0 => FIRST_CARD,
        _ => DOUBTFUL_CARD,
    };
    let early = tokio::select! {
        ended = tokio::time::timeout(patience, ended) => ended.is_ok(),
        () = card_wanted(&active) => false,
    };
    let quiet = match &active.new.telling {
        Some(telling) => !telling.is_live(),
        None => active.new.output == OutputMode::Silent,
    };
    if !early && !quiet {
        show_card(&jobs, &active, true).await;
    }
    if let Some(output) = active.output() {
        output.card_is_out();
    }
    if early || quiet {
        return;
    }
    let mut told_stop = false;
    loop {
        let now = *phase.borrow_and_update();
        let pause = match now {
            Phase::Ended => return,
            Phase::Queued => QUIET_REFRESH,
            Phase::Running(since) => pause_after(since.elapsed()),
        };
        tokio::select! {
            changed = phase.changed() => {
                if changed.is_err() {
                    return;
                }
            }
            () = active.stop.cancelled(), if !told_stop => told_stop = true,
            () = next_news(&jobs, &active, pause) => {
                show_pieces(&jobs, &active).await;
            }
        }
        show_card(&jobs, &active, false).await;
    }
}

/// Resolves when the work wants its card shown before something that follows it.
async fn card_wanted(active: &Active) {
    let mut phase = active.phase.subscribe();
    let running = phase.wait_for(|phase| matches!(phase, Phase::Running(_)));
    let runs = running.await.is_ok();
    if let Some(output) = active.output().filter(|_| runs) {
        return output.card_wanted().await;
    }
    std::future::pending().await
}

/// Live edits slow down with the age of a job, so that an hour is not thousands of edits.
fn pause_after(age: Duration) -> Duration {
    (age / 60).clamp(REFRESH, SLOWEST)
}

/// Resolves when the chat should hear of the job again.
async fn next_news(jobs: &Jobs, active: &Active, pause: Duration) {
    let quiet = QUIET_REFRESH.max(pause);
    let Some(output) = active.output() else {
        return tokio::time::sleep(quiet).await;
    };
    if active.new.output == OutputMode::Stream {
        let due = output.with_stream(|stream| stream.due()).flatten();
        return match due {
            Some(due) => {
                tokio::time::sleep_until(due.into()).await;
                jobs.inner.outbox.clear(active.new.place.chat).await;
            }
            None => {
                tokio::select! {
                    () = output.changed() => {}
                    () = tokio::time::sleep(SLOWEST) => {}
                }
            }
        };
    }
    tokio::time::sleep(pause).await;
    tokio::select! {
        () = output.changed() => {}
        () = tokio::time::sleep(quiet.saturating_sub(pause)) => {}
    }
}

/// Shows the card as it is now: the first time as a promise, later as an offer.
async fn show_card(jobs: &Jobs, active: &Active, first: bool) {
    let mut shown = active.shown.lock().await;
    if shown.closed {
        return;
    }
    let card = match compose(jobs, active).await {
        Ok(card) => card,
        Err(error) => {
            tracing::warn!(job = %active.id, %error, "the card cannot be composed");
            return;
        }
    };
    if shown.card.as_ref() == Some(&card) {
        return;
    }
    shown.card = Some(card.clone());
    if !first {
        jobs.inner.outbox.offer(card);
        return;
    }
    let card = card.of_job(active.id);
    match jobs.show(active, &card).await {
        Ok(true) => shown.seen.card = true,
        // Another instance runs it by now, and shows it.
        Ok(false) => shown.closed = true,
        Err(error) => tracing::warn!(job = %active.id, %error, "the card cannot be sent yet"),
    }
}

async fn compose(jobs: &Jobs, active: &Active) -> store::Result<Outgoing> {
    let subject = subject(active.id, &active.new);
    let doing = active.output().and_then(|output| output.done_first());
    let phase = match *active.phase.borrow() {
        Phase::Running(since) => card::Phase::Running {
            since: whole_seconds(since),
            stopping: active.stop.is_cancelled(),
            doing: doing.as_deref(),
        },
        Phase::Queued | Phase::Ended => card::Phase::Queued {
            ahead: 0,
            lock: None,
        },
    };
    if let card::Phase::Running { .. } = phase {
        let tail = match (active.output(), active.new.output) {
            (Some(output), OutputMode::Card | OutputMode::Silent) => output.end().await.text,
            (Some(_) | None, _) => String::new(),
        };
        let board = active.output().and_then(|output| output.board());
        return Ok(card::open(&subject, &phase, &tail, board.as_ref()));
    }
    let mut db = jobs.inner.store.read().await?;
    let ahead = store::jobs::ahead(&mut db, active.id, &active.new.lane).await?;
    let lock = match &active.new.lock {
        Some(name) => store::locks::holder(&mut db, name)
            .await?
            .map(|by| (name.as_str(), by)),
        None => None,
    };
    let lock = lock.as_ref().map(|(name, by)| (*name, by.as_str()));
    let phase = card::Phase::Queued { ahead, lock };
    Ok(card::open(&subject, &phase, "", None))
}

/// A running card counts whole seconds: tenths would be stale before they are read.
fn whole_seconds(since: Instant) -> Duration {
    Duration::from_secs(since.elapsed().as_secs())
}

/// Promises the pieces of a stream that are due.
async fn show_pieces(jobs: &Jobs, active: &Active) {
    let shown = active.shown.lock().await;
    if shown.closed {
        return;
    }
    let due = active.output().and_then(|output| {
        output.with_stream(|stream| {
            let due = stream.due().is_some_and(|due| due <= Instant::now());
            due.then(|| stream.take(false))
        })?
    });
    if let Some(pieces) = due {
        post_pieces(jobs, active, shown, pieces.html, pieces.skipped).await;
    }
}

async fn post_pieces(
    jobs: &Jobs,
    active: &Active,
    mut shown: MutexGuard<'_, Shown>,
    pieces: Vec<String>,
    skipped: bool,
) {
    shown.seen.skipped |= skipped;
    let also = active.new.telling.iter().flat_map(|one| &one.also);
    let places: Vec<_> = iter::once(&active.new.place).chain(also).collect();
    for html in pieces {
        shown.seen.pieces += 1;
        for place in &places {
            let piece = Outgoing::text(**place, html.clone(), Vec::new()).of_job(active.id);
            match jobs.show(active, &piece).await {
                Ok(true) => {}
                Ok(false) => shown.closed = true,
                Err(error) => {
                    // What the chat misses, the file at the end has.
                    shown.seen.skipped = true;
                    tracing::warn!(job = %active.id, %error, "a piece of output cannot be sent");
                }
            }
        }
    }
}
