//! Which incident hides what follows from it: a table.

use crate::base::time::Millis;
use crate::store::incidents::Incident;
use std::time::Duration;

/// A message that waits so long shows that Telegram was away, not that it is on its way.
pub const AWAY: Duration = Duration::from_secs(60);
/// When a cause is over, what followed from it gets this long to be found well again.
pub const AFTER: Duration = Duration::from_secs(120);
/// What a machine's new start brings about shows within this time.
const AFTER_REBOOT: Duration = Duration::from_secs(300);

/// What an incident of a topic hides.
struct Row {
    /// The topic of the cause.
    cause: &'static str,
    /// The topics that follow from it; none for all of the same machine.
    hides: &'static [&'static str],
    /// Only what begins so soon after it.
    within: Option<Duration>,
}

/// The table.
const TABLE: [Row; 4] = [
    Row {
        cause: "host",
        hides: &[],
        within: None,
    },
    Row {
        cause: "network",
        hides: &[
            "web",
            "url",
            "tcp",
            "dns",
            "tls",
            "heartbeat",
            "telegram",
            "net",
        ],
        within: None,
    },
    Row {
        cause: "telegram",
        hides: &["outbox"],
        within: None,
    },
    Row {
        cause: "reboot",
        hides: &[
            "load", "cpu", "process", "unit", "docker", "web", "url", "tcp",
        ],
        within: Some(AFTER_REBOOT),
    },
];

/// Whether the one follows from the other, which lasts.
#[must_use]
pub fn hides(cause: &Incident, other: &Incident) -> bool {
    if cause.id == other.id || cause.host != other.host || cause.cleared.is_some() {
        return false;
    }
    TABLE.iter().any(|row| {
        let follows = row.hides.is_empty() && other.topic != row.cause
            || row.hides.contains(&other.topic.as_str());
        let soon = |within: Duration| Millis(other.began.0) <= cause.began.plus(within);
        cause.topic == row.cause && follows && row.within.is_none_or(soon)
    })
}
