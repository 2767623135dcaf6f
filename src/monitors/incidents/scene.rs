//! What decides who is told and when: subscriptions, quiet hours, silences, rules. Values of one moment.

use super::book::Book;
use super::causes;
use crate::base::alert::Severity;
use crate::base::ids::{ChatId, Place};
use crate::base::time::Millis;
use crate::base::when::Tz;
use crate::store::incidents::{Hold, Incident};
use crate::store::silences::{About, Silence};
use crate::store::subscriptions::{QuietHours, Subscription};
use chrono::{Local, Timelike};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// What a check says of how it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// How long a warning goes on before it is told again; `None` for never.
    pub repeat_warning: Option<Duration>,
    /// The same for what is critical.
    pub repeat_critical: Option<Duration>,
    /// Who is told of it beside those who subscribed; with any, owners without a subscription are not.
    pub notify: Vec<Place>,
    /// What may put it right.
    pub fix: Option<Fix>,
}

impl Default for Rule {
    fn default() -> Self {
        Self {
            repeat_warning: Some(Duration::from_secs(24 * 3600)),
            repeat_critical: Some(Duration::from_secs(4 * 3600)),
            notify: Vec::new(),
            fix: None,
        }
    }
}

/// A script that may put something right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fix {
    /// Its name.
    pub script: String,
    /// Whether it runs by itself.
    pub auto: bool,
    /// How often it may do so in an hour.
    pub per_hour: u32,
}

/// The rule of a check, by the check's name.
pub type Rules = Arc<dyn Fn(&str) -> Rule + Send + Sync>;

/// One moment, as far as telling depends on it.
#[derive(Clone)]
pub struct Scene {
    /// The moment.
    pub now: Millis,
    /// Incidents that begin within this time make one message.
    pub group_wait: Duration,
    /// Who subscribed to what.
    pub subscriptions: Vec<Subscription>,
    /// Hours in which only what is critical is told.
    pub quiet: Vec<QuietHours>,
    /// What is silenced now.
    pub silences: Vec<Silence>,
    /// Where owners are told.
    pub owners: Vec<Place>,
    /// What the checks say.
    pub rules: Rules,
    /// Whether a place may see alerts at all.
    pub may: Arc<dyn Fn(Place) -> bool + Send + Sync>,
    /// Whether nobody in the chat can be reached.
    pub gone: Arc<dyn Fn(ChatId) -> bool + Send + Sync>,
    /// Messages that Telegram does not have yet, and since when they wait.
    pub undelivered: BTreeMap<i64, Millis>,
    /// Messages to chats that cannot be reached, which never arrived.
    pub lost: BTreeSet<i64>,
    /// Messages that were taken back and went all the same.
    pub went: BTreeSet<i64>,
}

impl Scene {
    /// The places that are told of the incident, without those that may not be.
    #[must_use]
    pub fn audience(&self, incident: &Incident) -> BTreeSet<Place> {
        let notify = (self.rules)(&incident.check).notify;
        let mut places: BTreeSet<Place> = self
            .subscriptions
            .iter()
            .filter(|one| {
                one.topic
                    .as_deref()
                    .is_none_or(|topic| topic == incident.topic)
            })
            .filter(|one| one.least.is_some_and(|least| incident.worst >= least))
            .map(|one| one.place)
            .collect();
        if notify.is_empty() {
            let chose = |place: &Place| self.subscriptions.iter().any(|one| one.place == *place);
            places.extend(self.owners.iter().filter(|owner| !chose(owner)));
        }
        places.extend(notify);
        places.retain(|place| (self.may)(*place));
        places
    }

    /// Why the place is not told of the incident now, if anything is in the way.
    #[must_use]
    pub fn hold(&self, book: &Book, incident: &Incident, place: Place) -> Option<Hold> {
        if (self.gone)(place.chat) {
            return Some(Hold::Gone);
        }
        if self.is_silenced(incident) {
            return Some(Hold::Silence);
        }
        let mut causes = book.causes_of(incident);
        // Where the cause itself is not told, what follows from it is.
        let told = |cause: &Incident| book.tells(cause.id, place) && !self.is_silenced(cause);
        if incident.cleared.is_none() && causes.any(told) {
            return Some(Hold::Cause);
        }
        let passes = incident.severity == Severity::Critical && incident.cleared.is_none();
        (!passes && self.is_quiet(place)).then_some(Hold::Quiet)
    }

    /// Whether a silence is about the incident.
    #[must_use]
    pub fn is_silenced(&self, incident: &Incident) -> bool {
        self.silences
            .iter()
            .any(|silence| covers(silence, incident))
    }

    /// Whether it is quiet at the place.
    #[must_use]
    pub fn is_quiet(&self, place: Place) -> bool {
        self.quiet
            .iter()
            .any(|hours| hours.place == place && is_within(hours, self.now))
    }

    /// Whether the message waits so long that Telegram must have been away.
    #[must_use]
    pub fn is_stuck(&self, message: i64) -> bool {
        let since = self.undelivered.get(&message);
        since.is_some_and(|since| self.now.since(*since) >= causes::AWAY)
    }
}

/// Whether a silence is about the incident.
#[must_use]
pub fn covers(silence: &Silence, incident: &Incident) -> bool {
    let host = silence.host.as_deref();
    is_about(
        (&silence.about, host),
        (&incident.host, &incident.check, &incident.topic),
    )
}

/// Whether what is silenced, on one machine or on all, is about this machine's check of this topic.
#[must_use]
pub fn is_about(
    (about, only): (&About, Option<&str>),
    (host, check, topic): (&str, &str, &str),
) -> bool {
    only.is_none_or(|only| only == host)
        && match about {
            About::All => true,
            About::Check(pattern) => is_like(pattern, check),
            About::Topic(wanted) => wanted == topic,
        }
}

/// Whether a name is like the pattern, in which `*` stands for any letters.
#[must_use]
pub fn is_like(pattern: &str, name: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else {
        return pattern == name;
    };
    let Some(mut left) = name.strip_prefix(head) else {
        return false;
    };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let tail = parts.pop().unwrap_or_default();
    for part in parts {
        match left.find(part) {
            Some(at) => left = &left[at + part.len()..],
            None => return false,
        }
    }
    left.ends_with(tail)
}

/// Whether the hours hold at this moment, by the clock of their zone.
#[must_use]
pub fn is_within(hours: &QuietHours, now: Millis) -> bool {
    let minute = |hour: u32, minute: u32| u16::try_from(hour * 60 + minute).unwrap_or_default();
    let minute = match hours.zone.parse::<Tz>() {
        Ok(zone) => {
            let there = now.utc().with_timezone(&zone);
            minute(there.hour(), there.minute())
        }
        Err(_) => {
            let here = now.utc().with_timezone(&Local);
            minute(here.hour(), here.minute())
        }
    };
    match hours.from <= hours.to {
        true => (hours.from..hours.to).contains(&minute),
        false => minute >= hours.from || minute < hours.to,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_like_names() {
        for (pattern, name, like) in [
            ("disk-root", "disk-root", true),
            ("disk-root", "disk-root2", false),
            ("disk-*", "disk-root", true),
            ("*", "anything", true),
            ("*-root", "disk-root", true),
            ("d*k-*t", "disk-root", true),
            ("d*k-*t", "disk-rood", false),
            ("a*a", "a", false),
            ("a*b*b", "ab", false),
        ] {
            assert_eq!(is_like(pattern, name), like, "{pattern} {name}");
        }
    }

    #[test]
    fn hours_go_over_midnight_and_follow_their_zone() {
        let hours = |from: u16, to: u16, zone: &str| QuietHours {
            place: Place {
                chat: ChatId(1),
                thread: None,
            },
            from: from * 60,
            to: to * 60,
            zone: zone.to_owned(),
        };
        let at = |text: &str| {
            Millis(
                text.parse::<chrono::DateTime<chrono::Utc>>()
                    .unwrap()
                    .timestamp_millis(),
            )
        };
        let night = hours(22, 7, "Europe/Berlin");
        // Summer: Berlin is two hours ahead; in winter one.
        assert!(is_within(&night, at("2026-07-01T20:00:00Z")));
        assert!(!is_within(&night, at("2026-07-01T19:59:00Z")));
        assert!(is_within(&night, at("2026-07-02T04:59:00Z")));
        assert!(!is_within(&night, at("2026-07-02T05:00:00Z")));
        assert!(!is_within(&night, at("2026-12-01T20:00:00Z")));
        assert!(is_within(&night, at("2026-12-01T21:00:00Z")));
        assert!(is_within(&hours(12, 14, "UTC"), at("2026-12-01T13:59:00Z")));
        assert!(!is_within(
            &hours(12, 14, "UTC"),
            at("2026-12-01T14:00:00Z")
        ));
    }
}
