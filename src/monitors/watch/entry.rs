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

/// While a check fires, what gets worse is told at most so often,
const WORSE_EVERY: Duration = Duration::from_secs(60);
/// and what else changes in its reading at most so often.
const FOLLOW_EVERY: Duration = Duration::from_secs(300);
/// What differs by less than this share looks the same to people.
const ALIKE: f64 = 0.01;

/// What was told last of a check that fires.
#[derive(Clone, Debug)]
pub(super) struct Told {
    at: Millis,
    reading: Result<Reading, String>,
    worst: Option<f64>,
}

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
    /// The worst value since it began to be bad, and since the bot began.
    pub(super) worst: Option<f64>,
    /// What was told last; nothing after a start.
    pub(super) told: Option<Told>,
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
    let worst = state::worst(before.worst, &state, &rule, &look.seen);
    let by_value = look.seen.as_ref().is_ok_and(|seen| rule.decides(seen));
    let reading = look.seen.map(|seen| seen.reading);
    let turn = turn.or_else(|| {
        let told = before.told.as_ref();
        let is_calm = before.state.is_flapping() && !state.is_flapping();
        let is_worth = is_calm || is_worth_telling(told, &reading, worst, &rule, now);
        (state.firing().is_some() && is_worth).then_some(Turn::Reads)
    });
    let old = before
        .written
        .is_none_or(|at| at > now || now.since(at) >= WRITE_EVERY);
    let is_news = turn.is_some() || look.matters || old || state.differs(&before.state);
    let change = turn.map(|turn| {
        let basis = Basis {
            reading: reading.clone(),
            by_value,
            worst: worst.or(before.worst),
        };
        change(check, host, turn, basis, since_before, &state, now)
    });
    let told = match turn {
        Some(_) => Some(Told {
            at: now,
            reading: reading.clone(),
            worst,
        }),
        None => before.told.clone(),
    };
    let entry = Entry {
        state,
        memory: Kept::new(&check.probe, look.memory),
        reading: Some(reading),
        due: before.due,
        written: before.written.filter(|_| !is_news),
        locked: before.locked,
        worst,
        told,
    };
    (entry, change)
}

/// Whether what is read while a check fires is told by now.
fn is_worth_telling(
    told: Option<&Told>,
    reading: &Result<Reading, String>,
    worst: Option<f64>,
    rule: &Rule,
    now: Millis,
) -> bool {
    let Some(told) = told else { return true };
    let passed = now.since(told.at);
    let is_worse = match (told.worst, worst) {
        (Some(told), Some(worst)) => rule.limits.is_worse(worst, told) && !are_alike(worst, told),
        (None, Some(_)) => true,
        (_, None) => false,
    };
    let is_other = match (&told.reading, reading) {
        (Ok(told), Ok(read)) => {
            let same = match (told.value, read.value) {
                (Some(told), Some(read)) => are_alike(told, read),
                (told, read) => told == read,
            };
            !same || told.note != read.note
        }
        (Err(told), Err(read)) => told != read,
        (Ok(_), Err(_)) | (Err(_), Ok(_)) => true,
    };
    (is_worse && passed >= WORSE_EVERY) || (is_other && passed >= FOLLOW_EVERY)
}

fn are_alike(one: f64, other: f64) -> bool {
    (one - other).abs() < ALIKE * one.abs().max(other.abs())
}

/// What a change rests on.
pub(in crate::monitors) struct Basis {
    /// What was read, or why it could not be.
    pub(in crate::monitors) reading: Result<Reading, String>,
    /// Whether its value decides, and not what it says of itself.
    pub(in crate::monitors) by_value: bool,
    /// The worst value since it began to be bad.
    pub(in crate::monitors) worst: Option<f64>,
}

/// A turn as it is told. `since` is when what was wrong before it began.
pub(in crate::monitors) fn change(
    check: &Check,
    host: &str,
    turn: Turn,
    basis: Basis,
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
        reading: basis.reading,
        limit: match turn {
            _ if !basis.by_value => None,
            Turn::Raised(severity) | Turn::Became(severity) => check.limits.of(severity),
            Turn::Reads => state
                .firing()
                .and_then(|severity| check.limits.of(severity)),
            Turn::Cleared => None,
        },
        worst: basis.worst,
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
        worst: None,
        told: None,
    }
}
