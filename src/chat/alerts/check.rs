//! How one check stands now, in words.

use super::{amount, mark};
use crate::base::text::escape;
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
    if let Some(at) = shown.state.looked_at() {
        lines.push(format!("Looked at {} ago.", human(now.since(at))));
    }
    if shown.locked {
        lines.push("Its lock is held, so nobody looks.".to_owned());
    }
    lines.join("\n")
}

/// Words where there are some; else the value.
fn found(shown: &Shown) -> Option<String> {
    match shown.reading.as_ref()? {
        Ok(reading) => match (&reading.note, reading.value) {
            (Some(note), _) => Some(escape(note)),
            (None, Some(value)) => Some(amount(value, reading.unit)),
            (None, None) => None,
        },
        Err(why) => Some(escape(why)),
    }
}
