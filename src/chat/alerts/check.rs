//! How one check stands now, in words.

use super::{amount, mark};
use crate::base::text::{capital, escape};
use crate::base::time::{Millis, human};
use crate::monitors::board::Shown;
use crate::monitors::state::Standing;

/// The check, how it stands, what was read last and when; `awaited` when it waits for its first push.
#[must_use]
pub fn told(shown: &Shown, awaited: bool, now: Millis) -> String {
    let name = escape(shown.check.as_str());
    let head = match shown.standing(now) {
        Standing::New => format!("▫️ <b>{name}</b> · not looked at yet"),
        Standing::Good if awaited => format!("▫️ <b>{name}</b> · waits for the first push"),
        Standing::Good => format!("✅ <b>{name}</b> · well"),
        Standing::Pending(severity) => {
            format!("▫️ <b>{name}</b> · {severity}, not for long enough to be told")
        }
        Standing::Firing(severity) => format!("{} <b>{name}</b> · {severity}", mark(severity)),
        Standing::Unreadable => format!("▫️ <b>{name}</b> · cannot be read"),
        Standing::Stale => format!("▫️ <b>{name}</b> · not looked at for long"),
    };
    let mut lines = vec![head];
    lines.extend(found(shown));
    lines.extend(levels(shown));
    if shown.state.is_flapping() {
        lines.push("It comes and goes, and counts as this bad until it stays well.".to_owned());
    }
    if let Some(at) = shown.state.looked_at() {
        lines.push(format!("Looked at {} ago.", human(now.since(at))));
    }
    if shown.locked {
        lines.push("Its lock is held, so nobody looks.".to_owned());
    }
    lines.join("\n")
}

/// The value, where that decides, and words where there are some.
fn found(shown: &Shown) -> Option<String> {
    match shown.reading.as_ref()? {
        Ok(reading) => {
            let decides = shown.rule.limits.is_set() || reading.note.is_none();
            let value = reading.value.filter(|_| decides);
            let value = value.map(|value| amount(value, reading.unit));
            let parts: Vec<String> = value
                .into_iter()
                .chain(reading.note.as_deref().map(escape))
                .collect();
            (!parts.is_empty()).then(|| parts.join(" · "))
        }
        Err(why) => Some(escape(why)),
    }
}

/// From which values on it is bad: `Warning from 90 %, critical from 97 %.`
fn levels(shown: &Shown) -> Option<String> {
    let limits = &shown.rule.limits;
    let side = if limits.rises { "from" } else { "below" };
    let level = |(name, limit): (&str, Option<f64>)| {
        let limit = amount(limit?, limits.unit);
        Some(format!("{name} {side} {limit}"))
    };
    let both = [("warning", limits.warn), ("critical", limits.crit)];
    let both: Vec<String> = both.into_iter().filter_map(level).collect();
    (!both.is_empty()).then(|| format!("{}.", capital(&both.join(", "))))
}
