//! Signs of life of the intake, for whoever watches the bot.

use futures::Stream;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// The longest time in which a polling intake gives no sign: a pause after failures (64 s at the most) and a poll that
/// runs into its limit (45 s), with room to spare.
const STILL: Duration = Duration::from_secs(180);
/// Failures at the longest pause come at least this often.
const RECENT: Duration = Duration::from_secs(120);

/// What Telegram kept comes as soon as it is asked, and whoever cannot reach it knows within five seconds: a poll that goes
/// on for longer brings nothing old.
const SETTLED: Duration = Duration::from_secs(6);

/// What the intake last showed. Clones are handles on the same one.
#[derive(Clone, Default)]
pub struct Pulse {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    seen: Mutex<Seen>,
    asked: Notify,
    heard: Notify,
}

#[derive(Clone, Copy, Default)]
struct Seen {
    /// When the stream was last looked at; `None` while nobody polls.
    moved: Option<Instant>,
    /// When this polling began; `None` while nobody polls.
    begun: Option<Instant>,
    /// Whether it brought something.
    heard: bool,
    /// When Telegram last failed to answer.
    failed: Option<Instant>,
    /// Whether Telegram was ever asked for updates, or found unreachable.
    asked: bool,
}

/// What the intake is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// Nobody polls: not yet, not now, or not here.
    Still,
    /// It polls, and Telegram answers.
    Polling,
    /// It tries, and Telegram failed to answer this long ago.
    Failing(Duration),
    /// It polls and has not moved for longer than it ever should.
    Stuck,
}

impl Pulse {
    /// The stream, with every look at it noted.
    pub fn watch<S: Stream + Unpin>(&self, stream: S) -> Watched<S> {
        Watched {
            stream,
            pulse: self.clone(),
        }
    }

    /// Notes that Telegram could not be reached.
    pub fn failed(&self) {
        let mut seen = self.seen();
        seen.failed = Some(Instant::now());
        self.tell_asked(&mut seen);
    }

    /// What the intake is doing now.
    #[must_use]
    pub fn sign(&self) -> Sign {
        self.sign_at(Instant::now())
    }

    fn sign_at(&self, now: Instant) -> Sign {
        let seen = *self.seen();
        let ago = |moment: Instant| now.saturating_duration_since(moment);
        match (seen.moved.map(ago), seen.failed.map(ago)) {
            (Some(moved), _) if moved > STILL => Sign::Stuck,
            (_, Some(failed)) if failed < RECENT => Sign::Failing(failed),
            (Some(_), _) => Sign::Polling,
            (None, _) => Sign::Still,
        }
    }

    /// Notes that Telegram gave an update.
    pub(super) fn heard(&self) {
        if !std::mem::replace(&mut self.seen().heard, true) {
            self.inner.heard.notify_one();
        }
    }

    /// Waits until a polling brings its first update.
    pub async fn begins_to_hear(&self) {
        self.inner.heard.notified().await;
    }

    /// Whether what people say arrives here, and what they said before did.
    #[must_use]
    pub fn hears(&self) -> bool {
        self.hears_at(Instant::now())
    }

    fn hears_at(&self, now: Instant) -> bool {
        let Seen { begun, heard, .. } = *self.seen();
        let has_settled = begun.is_some_and(|begun| now.saturating_duration_since(begun) > SETTLED);
        self.sign_at(now) == Sign::Polling && (heard || has_settled)
    }

    /// Waits until Telegram was asked for updates, or was found unreachable.
    pub async fn asked(&self) {
        let told = self.inner.asked.notified();
        tokio::pin!(told);
        told.as_mut().enable();
        let before = self.seen().asked;
        if !before {
            told.await;
        }
    }

    fn moved(&self) {
        let (mut seen, now) = (self.seen(), Instant::now());
        seen.moved = Some(now);
        seen.begun.get_or_insert(now);
        self.tell_asked(&mut seen);
    }

    fn tell_asked(&self, seen: &mut Seen) {
        if !std::mem::replace(&mut seen.asked, true) {
            self.inner.asked.notify_waiters();
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.inner
            .seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// A stream that is watched; when it is dropped, nobody polls any more.
pub struct Watched<S> {
    stream: S,
    pulse: Pulse,
}

impl<S: Stream<Item = Result<T, E>> + Unpin, T, E> Stream for Watched<S> {
    type Item = Result<T, E>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.pulse.moved();
        let polled = Pin::new(&mut self.stream).poll_next(cx);
        match &polled {
            Poll::Ready(Some(Err(_))) => self.pulse.failed(),
            Poll::Ready(Some(Ok(_))) => self.pulse.seen().failed = None,
            Poll::Ready(None) | Poll::Pending => {}
        }
        polled
    }
}

impl<S> Drop for Watched<S> {
    fn drop(&mut self) {
        let mut seen = self.pulse.seen();
        (seen.moved, seen.begun, seen.heard) = (None, None, false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::{FutureExt, StreamExt, stream};

    #[tokio::test]
    async fn a_pulse_tells_polling_from_failing_and_standing_still() {
        let pulse = Pulse::default();
        assert_eq!(pulse.sign(), Sign::Still);
        assert!(pulse.asked().now_or_never().is_none(), "nothing was asked");
        let items = stream::iter([Ok(1), Err("away"), Ok(2)]).chain(stream::pending());
        let mut watched = pulse.watch(items);
        assert_eq!(watched.next().await, Some(Ok(1)));
        pulse.asked().await;
        assert_eq!(pulse.sign(), Sign::Polling);
        assert_eq!(watched.next().await, Some(Err("away")));
        assert!(matches!(pulse.sign(), Sign::Failing(_)));
        assert_eq!(watched.next().await, Some(Ok(2)));
        assert_eq!(pulse.sign(), Sign::Polling, "an answer ends the failure");
        let later = Instant::now() + STILL + Duration::from_secs(1);
        assert_eq!(pulse.sign_at(later), Sign::Stuck);
        assert!(watched.next().now_or_never().is_none());
        drop(watched);
        assert_eq!(
            pulse.sign_at(later),
            Sign::Still,
            "who does not poll is not stuck"
        );
    }

    #[tokio::test]
    async fn people_are_heard_once_what_waited_has_come() {
        let pulse = Pulse::default();
        let settled = || Instant::now() + SETTLED + Duration::from_secs(1);
        assert!(!pulse.hears_at(settled()), "nobody polls");
        let items = stream::iter([Ok(1), Err("away"), Ok(2)]).chain(stream::pending());
        let mut watched = pulse.watch(items);
        assert_eq!(watched.next().await, Some(Ok(1)));
        assert!(!pulse.hears(), "it may be one that was stored before");
        assert!(pulse.hears_at(settled()));
        pulse.heard();
        assert!(pulse.hears());
        assert_eq!(watched.next().await, Some(Err("away")));
        assert!(!pulse.hears_at(settled()), "Telegram is away");
        assert_eq!(watched.next().await, Some(Ok(2)));
        assert!(pulse.hears());
        drop(watched);
        assert!(!pulse.hears());
        let mut anew = pulse.watch(stream::pending::<Result<(), ()>>());
        assert!(anew.next().now_or_never().is_none());
        assert!(!pulse.hears(), "what waits may not be here yet");
        assert!(pulse.hears_at(settled()));
    }

    #[tokio::test]
    async fn a_failure_before_the_first_poll_counts_as_asked_and_fades() {
        let pulse = Pulse::default();
        pulse.failed();
        pulse.asked().await;
        assert!(matches!(pulse.sign(), Sign::Failing(_)));
        let later = Instant::now() + RECENT + Duration::from_secs(1);
        assert_eq!(pulse.sign_at(later), Sign::Still);
    }
}
