//! Where a check stands: what a look makes of it, and how it is written down.

use crate::base::alert::{Change, Reading, Turn};
use crate::base::name::Name;
use crate::base::time::Millis;
use crate::config::Check;
use crate::monitors::probe::{Kept, Look};
use crate::monitors::state::{self, Rule, State, VERSION};
use crate::store::checks::Row;
use std::time::Duration;

/// What changes nothing of what is told is written down at most so often.
const WRITE_EVERY: Duration = Duration::from_secs(300);

/// Where a check stands, and what belongs to that.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) state: State,
    pub(super) memory: Kept,
    pub(super) reading: Option<Result<Reading, String>>,
    pub(super) due: Millis,
    /// When it was written down last.
    pub(super) written: Option<Millis>,
    pub(super) locked: bool,
}

/// What a look makes of a check. The entry is to be written down when it does not say when it was.
pub(super) fn decide(
    before: &Entry,
    check: &Check,
    look: Look,
    host: &str,
    now: Millis,
) -> (Entry, Option<Change>) {
    let rule = Rule::of(check);
    let since_before = before.state.since();
    let (state, turn) = state::step(before.state.clone(), &rule, &look.seen, now);
    let reading = look.seen.map(|seen| seen.reading);
    let old = before
        .written
        .is_none_or(|at| at > now || now.since(at) >= WRITE_EVERY);
    let is_news = turn.is_some() || look.matters || old || state.differs(&before.state);
    let change = turn.map(|turn| {
        let reading = reading.clone();
        change(check, host, turn, reading, since_before, &state, now)
    });
    let entry = Entry {
        state,
        memory: Kept::new(&check.probe, look.memory),
        reading: Some(reading),
        due: before.due,
        written: before.written.filter(|_| !is_news),
        locked: before.locked,
    };
    (entry, change)
}

/// A turn as it is told. `since` is when what was wrong before it began.
pub(in crate::monitors) fn change(
    check: &Check,
    host: &str,
    turn: Turn,
    reading: Result<Reading, String>,
    since: Option<Millis>,
    state: &State,
    now: Millis,
) -> Change {
    let lasting = state.since().filter(|_| turn != Turn::Cleared);
    Change {
        check: check.name.to_string(),
        host: host.to_owned(),
        topic: check.topic.to_string(),
        turn,
        reading,
        limit: match turn {
            Turn::Raised(severity) | Turn::Became(severity) => check.limits.of(severity),
            Turn::Cleared => None,
        },
        at: now,
        since: lasting.or(since).unwrap_or(now),
        flapping: state.is_flapping(),
    }
}

/// The row of an entry; `None` for one that says nothing yet.
pub(super) fn row(host: &str, name: &Name, topic: &Name, entry: &Entry) -> Option<Row> {
    Some(Row {
        host: host.to_owned(),
        name: name.to_string(),
        topic: topic.to_string(),
        version: VERSION,
        state: serde_json::to_string(&entry.state).ok()?,
        memory: entry.memory.written()?,
        reading: serde_json::to_string(&entry.reading).ok()?,
        since: entry.state.since(),
        due: entry.due,
    })
}

/// One that cannot be read counts as new: better told again than not at all.
pub(super) fn read_state(row: &Row) -> State {
    let read = match row.version {
        VERSION => serde_json::from_str(&row.state).ok(),
        _ => None,
    };
    read.unwrap_or_else(|| {
        tracing::error!(
            check = row.name,
            version = row.version,
            "the stored state of a check cannot be read"
        );
        State::default()
    })
}

pub(super) fn entry(row: &Row, now: Millis) -> Entry {
    Entry {
        state: read_state(row),
        memory: Kept::read(&row.memory),
        reading: serde_json::from_str(&row.reading).unwrap_or_default(),
        due: row.due.max(now),
        written: Some(now),
        locked: false,
    }
}
