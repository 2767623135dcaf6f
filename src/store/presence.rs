//! What this instance may do at this moment: lead (poll and send), take jobs. Alone on SQLite it always may.
//!
//! It is the memory of the last heartbeats, kept by deadlines of this machine's clock that pass earlier than those in the
//! database: whoever was paused or cut off stops before another may begin.

use super::instances::{Instance, Told};
use crate::base::time::Millis;
use nix::time::{ClockId, clock_gettime};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Without a heartbeat for so long, an instance takes no jobs and kills those that it runs.
pub const CUT_OFF: Duration = Duration::from_secs(9);
/// So much earlier than in the database the lease ends here.
const MARGIN: Duration = Duration::from_secs(2);

/// This instance among others. Cheap to clone; all clones are the same one.
#[derive(Clone)]
pub struct Presence(Option<Arc<Shared>>);

struct Shared {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    id: String,
    /// By [`now`].
    beat: Option<Duration>,
    /// The lease's number, and until when it holds here.
    lease: Option<(i64, Duration)>,
    since: Option<Millis>,
    /// Nobody else was there at the last heartbeat.
    alone: bool,
    /// The database knows that we act as if alone.
    told_alone: bool,
    others: Vec<Instance>,
    cut_off: CancellationToken,
    resigned: bool,
    /// It led, and did not for a moment at least: that is over for all who do the leader's work, even if the lease comes
    /// back, until they begin anew.
    lapsed: bool,
}

impl State {
    /// Nobody else is there, and the database knows that we act accordingly.
    fn is_alone(&self) -> bool {
        self.alone && self.told_alone
    }

    fn lease_left(&self) -> Duration {
        let until = self.lease.map_or(Duration::ZERO, |(_, until)| until);
        until.saturating_sub(now())
    }

    /// How long the lead lasts if nothing comes between; `None` for ever.
    fn lead_left(&self) -> Option<Duration> {
        let unrivalled = self.lease.is_some() && self.is_alone();
        (!unrivalled).then(|| self.lease_left())
    }

    fn loses_lease(&mut self) {
        self.lapsed |= self.lease.take().is_some();
    }
}

impl Presence {
    /// The only one there can be.
    #[must_use]
    pub fn sole() -> Self {
        Self(None)
    }

    /// One of several, which may do nothing before it was counted.
    #[must_use]
    pub fn shared() -> Self {
        Self(Some(Arc::new(Shared {
            state: Mutex::default(),
            changed: Notify::new(),
        })))
    }

    fn state(&self) -> Option<MutexGuard<'_, State>> {
        let shared = self.0.as_ref()?;
        Some(shared.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn tell(&self) {
        if let Some(shared) = &self.0 {
            shared.changed.notify_waiters();
        }
    }

    /// Whether the database may be shared at all.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.0.is_some()
    }

    /// The id by which jobs are claimed; `None` when there can be no other instance.
    #[must_use]
    pub fn id(&self) -> Option<String> {
        self.state().map(|state| state.id.clone())
    }

    /// Begins under a new id, counted since `at` by [`now`].
    pub fn join(&self, id: String, alone: bool, at: Duration) {
        if let Some(mut state) = self.state() {
            state.loses_lease();
            *state = State {
                id,
                beat: Some(at),
                alone,
                told_alone: alone,
                resigned: state.resigned,
                lapsed: state.lapsed,
                ..State::default()
            };
        }
        self.tell();
    }

    /// Takes what a heartbeat, begun at `at` by [`now`], found.
    pub fn beaten(&self, told: Told, said_alone: bool, at: Duration, ttl: Duration) {
        if let Some(mut state) = self.state() {
            state.beat = Some(at);
            state.alone = told.others.is_empty();
            state.told_alone = said_alone;
            state.others = told.others;
            // The number grows when another led in between.
            let same = state.lease.map(|(epoch, _)| epoch) == told.epoch;
            if !same {
                state.loses_lease();
            }
            state.lease = told.epoch.map(|epoch| (epoch, at + ttl - MARGIN));
            state.since = told.since;
        }
        self.tell();
    }

    /// What the next heartbeat says of being alone.
    #[must_use]
    pub fn seems_alone(&self) -> bool {
        self.state().is_none_or(|state| state.alone)
    }

    /// The number of the lease that is held, or was last.
    #[must_use]
    pub fn epoch(&self) -> Option<i64> {
        let state = self.state()?;
        Some(state.lease?.0)
    }

    /// The number of the lease under which what goes on here began; `None` when it is over, even if this instance has one
    /// again.
    #[must_use]
    pub fn led(&self) -> Option<i64> {
        let state = self.state().filter(|state| !state.lapsed)?;
        Some(state.lease?.0)
    }

    /// Whether this is one of the instances; the command line is none.
    #[must_use]
    pub fn has_joined(&self) -> bool {
        self.state().is_some_and(|state| !state.id.is_empty())
    }

    /// Whether the lease should not be taken again, because the bot is being stopped.
    #[must_use]
    pub fn has_resigned(&self) -> bool {
        self.state().is_some_and(|state| state.resigned)
    }

    /// Leads no more, from now on.
    pub fn resign(&self) {
        if let Some(mut state) = self.state() {
            state.resigned = true;
            state.loses_lease();
        }
        self.tell();
    }

    /// Whether this instance polls and answers, at this very moment. One that is alone in the eyes of all goes on while the
    /// database is away: it can store nothing meanwhile, but it can say so.
    #[must_use]
    pub fn leads(&self) -> bool {
        self.lead_left().is_none_or(|left| !left.is_zero())
    }

    /// Whether nobody else can lead at this very moment: what stands in the database may be sent.
    #[must_use]
    pub fn leads_for_certain(&self) -> bool {
        self.state()
            .is_none_or(|state| !state.lease_left().is_zero())
    }

    /// How long this instance leads if nothing comes between; `None` for ever.
    fn lead_left(&self) -> Option<Duration> {
        let mut state = self.state()?;
        let left = state.lead_left();
        if left.is_some_and(|left| left.is_zero()) {
            state.lapsed |= state.lease.is_some();
        }
        match state.lapsed {
            true => Some(Duration::ZERO),
            false => left,
        }
    }

    /// Resolves when this instance leads, and lets those begin anew who do the leader's work.
    pub async fn elected(&self) {
        let Some(shared) = &self.0 else { return };
        loop {
            let changed = shared.changed.notified();
            if let Some(mut state) = self.state()
                && state.lead_left().is_none_or(|left| !left.is_zero())
            {
                state.lapsed = false;
                return;
            }
            changed.await;
        }
    }

    /// Resolves when this instance leads no more.
    pub async fn deposed(&self) {
        let Some(shared) = &self.0 else {
            return std::future::pending().await;
        };
        loop {
            let changed = shared.changed.notified();
            let Some(left) = self.lead_left() else {
                changed.await;
                continue;
            };
            if left.is_zero() {
                return;
            }
            tokio::select! {
                () = changed => {}
                () = tokio::time::sleep(left) => {}
            }
        }
    }

    /// Whether others work on this database.
    #[must_use]
    pub fn has_company(&self) -> bool {
        self.state().is_some_and(|state| !state.others.is_empty())
    }

    /// The others, and since when this one leads if it does.
    #[must_use]
    pub fn others(&self) -> (Vec<Instance>, Option<Millis>) {
        let found = self.state().map(|s| (s.others.clone(), s.since));
        found.unwrap_or_default()
    }

    /// Until when jobs may run on without a heartbeat; `None` for ever. Whoever is alone in the eyes of all runs on: a
    /// database that is away is no reason to kill what runs, and nobody else may run it again.
    #[must_use]
    pub fn patience(&self) -> Option<Duration> {
        let state = self.state()?;
        if state.is_alone() || state.cut_off.is_cancelled() {
            return None;
        }
        let beat = state.beat.unwrap_or_default();
        Some((beat + CUT_OFF).saturating_sub(now()))
    }

    /// Whether jobs may be taken.
    #[must_use]
    pub fn may_claim(&self) -> bool {
        let cut = self.state().is_some_and(|s| s.cut_off.is_cancelled());
        !cut && self.patience().is_none_or(|left| !left.is_zero())
    }

    /// Kills what runs here: others may take it for ended from now on.
    pub fn cut_off(&self) {
        if let Some(mut state) = self.state() {
            state.loses_lease();
            state.cut_off.cancel();
        }
        self.tell();
    }

    /// May take jobs again, after it was cut off and counted again.
    pub fn restored(&self) {
        if let Some(mut state) = self.state()
            && state.cut_off.is_cancelled()
        {
            state.cut_off = CancellationToken::new();
        }
    }

    /// Fires when what is started now must be killed.
    #[must_use]
    pub fn cut(&self) -> CancellationToken {
        self.state()
            .map_or_else(CancellationToken::new, |s| s.cut_off.clone())
    }

    /// Whether this claim is another instance's.
    #[must_use]
    pub fn is_elsewhere(&self, claimed_by: Option<&str>) -> bool {
        let own = self.id();
        own.is_some() && claimed_by.is_some() && claimed_by != own.as_deref()
    }
}

/// The time since the machine started, its sleep included: a paused process must not take its lease for fresh.
#[must_use]
pub fn now() -> Duration {
    clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(Duration::ZERO, Duration::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    fn told(epoch: Option<i64>, others: usize) -> Told {
        let other = Instance::default();
        Told {
            epoch,
            others: vec![other; others],
            ..Told::default()
        }
    }

    const TTL: Duration = Duration::from_secs(10);

    #[test]
    fn the_only_one_may_everything() {
        let sole = Presence::sole();
        assert!(sole.leads() && sole.may_claim() && !sole.has_company());
        assert_eq!(sole.patience(), None);
    }

    #[test]
    fn the_lease_ends_here_before_it_ends_in_the_database() {
        let one = Presence::shared();
        assert!(!one.leads());
        let at = now().saturating_sub(Duration::from_secs(7));
        one.beaten(told(Some(3), 1), false, at, TTL);
        assert!(one.leads());
        let at = now().saturating_sub(Duration::from_millis(8100));
        one.beaten(told(Some(3), 1), false, at, TTL);
        assert!(!one.leads() && !one.leads_for_certain());
        one.beaten(told(Some(3), 1), false, now(), TTL);
        assert!(
            !one.leads(),
            "what was given up is begun anew, not gone on with"
        );
        one.elected().now_or_never().unwrap();
        assert!(one.leads());
        one.beaten(told(Some(3), 0), true, at, TTL);
        assert!(
            one.leads(),
            "alone, it can at least say that its database is away"
        );
        assert!(
            !one.leads_for_certain(),
            "but a new one may have come since"
        );
    }

    #[test]
    fn without_heartbeats_jobs_are_killed_unless_nobody_else_could_run_them() {
        let one = Presence::shared();
        let old = now().saturating_sub(CUT_OFF + Duration::from_secs(1));
        one.join("a".to_owned(), true, old);
        assert_eq!(one.patience(), None, "alone, and known to be");
        one.beaten(told(None, 1), true, old, TTL);
        assert_eq!(one.patience(), Some(Duration::ZERO), "company");
        one.beaten(told(None, 0), false, old, TTL);
        assert_eq!(
            one.patience(),
            Some(Duration::ZERO),
            "alone, but the database says otherwise"
        );
        assert!(!one.may_claim());
        let cut = one.cut();
        one.cut_off();
        assert!(cut.is_cancelled() && !one.may_claim());
        one.beaten(told(None, 0), true, now(), TTL);
        one.restored();
        assert!(one.may_claim() && !one.cut().is_cancelled());
    }
}
