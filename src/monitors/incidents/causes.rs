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

/// What is not reached so soon before or after something else is not reached has the same cause: the way there.
const AT_ONCE: Duration = Duration::from_secs(300);

/// What an incident of a topic hides.
struct Row {
    /// The topic of the cause.
    cause: &'static str,
    /// The topics that follow from it; none for all of the same machine.
    hides: &'static [&'static str],
    /// Only what begins so soon after it.
    within: Option<Duration>,
}

/// The table. `host` and `network` are topics that somebody gave to a check; the others are kinds of checks.
const TABLE: [Row; 3] = [
    Row {
        cause: "host",
        hides: &[],
        within: None,
    },
    Row {
        cause: "network",
        hides: &["url", "tcp", "dns", "heartbeat", "net"],
        within: None,
    },
    Row {
        cause: "reboot",
        hides: &["load", "cpu", "process", "unit", "docker", "url", "tcp"],
        within: Some(AFTER_REBOOT),
    },
];

/// Whether the one follows from the other, which lasts.
#[must_use]
pub fn hides(cause: &Incident, other: &Incident) -> bool {
    if cause.id == other.id || cause.host != other.host || cause.cleared.is_some() {
        return false;
    }
    let by_topic = TABLE.iter().any(|row| {
        let follows = row.hides.is_empty() && other.topic != row.cause
            || row.hides.contains(&other.topic.as_str())
            || row.cause == "network" && other.unreached;
        let soon = |within: Duration| Millis(other.began.0) <= cause.began.plus(within);
        cause.topic == row.cause && follows && row.within.is_none_or(soon)
    });
    by_topic || is_on_the_same_way(cause, other)
}

/// Whether neither is reached since about the same time. The first is the one that is told, whatever topics they have;
/// what is worse than that is told besides.
fn is_on_the_same_way(cause: &Incident, other: &Incident) -> bool {
    let apart = cause
        .began
        .since(other.began)
        .max(other.began.since(cause.began));
    cause.unreached
        && other.unreached
        && cause.id < other.id
        && other.severity <= cause.severity
        && apart <= AT_ONCE
}
