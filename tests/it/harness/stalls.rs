//! The time in which this machine ran. One that is itself paused, as virtual machines are, makes nothing slow that is measured here.

use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

const TICK: Duration = Duration::from_millis(50);
/// A tick that is later than this did not come, because nothing ran.
const LATE: Duration = Duration::from_millis(250);

/// What a thread that does nothing else saw.
#[derive(Default)]
struct Seen {
    ticked: Option<Instant>,
    stalls: Vec<(Instant, Instant)>,
}

fn seen() -> &'static Mutex<Seen> {
    static SEEN: OnceLock<Mutex<Seen>> = OnceLock::new();
    SEEN.get_or_init(|| {
        thread::spawn(|| {
            loop {
                tick();
                thread::sleep(TICK);
            }
        });
        Mutex::default()
    })
}

fn tick() {
    let mut seen = seen().lock().unwrap_or_else(PoisonError::into_inner);
    let now = Instant::now();
    if let Some(before) = seen.ticked.replace(now)
        && now - before > TICK + LATE
    {
        seen.stalls.push((before + TICK, now));
    }
}

/// Begins to look.
pub fn watch() {
    seen();
}

/// How long this machine ran between two moments of the past.
pub fn ran(begun: Instant, end: Instant) -> Duration {
    while seen().lock().unwrap().ticked.is_none_or(|at| at < end) {
        thread::sleep(TICK / 5);
    }
    let seen = seen().lock().unwrap();
    let within = |(from, to): &(Instant, Instant)| {
        let (from, to) = ((*from).max(begun), (*to).min(end));
        to.saturating_duration_since(from)
    };
    let stalled: Duration = seen.stalls.iter().map(within).sum();
    (end - begun).saturating_sub(stalled)
}

/// How long this machine ran since a moment.
pub fn ran_since(begun: Instant) -> Duration {
    ran(begun, Instant::now())
}
