//! A rehearsal in words: which messages a check would have sent.

use super::{NOTE, amount, found, mark};
use crate::base::alert::{Severity, Unit};
use crate::base::text::{escape, shorten};
use crate::base::time::{Millis, human};
use crate::chat::commands::jobs::clock;
use crate::config::Check;
use crate::monitors::rehearsal::{Cannot, Event, KINDS, Played, Rehearsal, What};
use crate::store::samples::Step;
use std::time::Duration;

/// The most that a path, a device or a sensor takes, in UTF-16 units.
const NAME: usize = 100;

/// What a check would have told.
#[must_use]
pub fn told(check: &Check, rehearsal: &Rehearsal, now: Millis) -> String {
    let played = &rehearsal.played;
    let mut lines = vec![
        format!("🧪 <b>{}</b>: {}", escape(check.name.as_str()), rule(check)),
        format!(
            "Tried on {} of {}, as kept: {}",
            escape(&shorten(&rehearsal.series, NAME)),
            escape(&rehearsal.host),
            spans(&rehearsal.spans, now)
        ),
        String::new(),
        sum(played),
    ];
    let all: usize = played.counts.values().sum();
    let older = all - played.newest.len();
    if older > 0 {
        lines.push(format!("… {older} earlier ones"));
    }
    lines.extend(played.newest.iter().map(|event| line(event, now)));
    if let Some(lasting) = &played.lasting {
        lines.push(format!(
            "{} It would still last: for {}{}.",
            mark(lasting.incident.severity),
            human(lasting.until.since(lasting.incident.began)),
            at_worst(lasting.worst, check.limits.unit)
        ));
    }
    if all == 0 {
        lines.extend(closest(check, played, now));
    }
    if let Some(at) = played.given_up {
        lines.push(format!(
            "I stopped {}: that is too much to tell already.",
            moment(at, now)
        ));
    }
    lines.push(String::new());
    lines.push(left_out(&rehearsal.spans).to_owned());
    lines.join("\n")
}

fn left_out(spans: &[(Step, Millis)]) -> &'static str {
    match spans.iter().all(|(step, _)| *step == Step::Look) {
        true => "Silences, quiet hours, other incidents and who takes care of it are left out.",
        false => {
            "Silences, quiet hours, other incidents and who takes care of it are left out. Averages level short peaks."
        }
    }
}

/// When the check is bad: `warning from 90 %, critical from 97 %, for 5 m`.
fn rule(check: &Check) -> String {
    let limits = &check.limits;
    let side = if limits.rises { "from" } else { "up to" };
    let each = [Severity::Warning, Severity::Critical]
        .into_iter()
        .filter_map(|severity| {
            let limit = limits.of(severity)?;
            Some(format!("{severity} {side} {}", amount(limit, limits.unit)))
        });
    let mut parts: Vec<String> = each.collect();
    parts.push(match check.hold.is_zero() {
        true => "at once".to_owned(),
        false => format!("for {}", human(check.hold)),
    });
    parts.join(", ")
}

/// Which samples were used: `15 m averages from 3 May 12:00, 1 m averages from 14 Nov 10:00, every 10 s from 06:31`.
fn spans(spans: &[(Step, Millis)], now: Millis) -> String {
    let each = spans.iter().map(|(step, from)| {
        let width = human(step.width());
        let what = match step {
            Step::Look => format!("every {width}"),
            Step::Minute | Step::Quarter => format!("{width} averages"),
        };
        format!("{what} from {}", clock(*from, now))
    });
    each.collect::<Vec<_>>().join(", ")
}

/// How many messages there would have been.
fn sum(played: &Played) -> String {
    let of = |what: What| played.counts.get(&what).copied().unwrap_or(0);
    let named = [
        (What::Begins, "begins"),
        (What::Worsens, "becomes critical"),
        (What::GoesOn, "goes on"),
        (What::Eases, "is less bad"),
        (What::ComesBack, "is back"),
        (What::Recovers, "recovers"),
    ];
    let parts: Vec<String> = named
        .into_iter()
        .filter(|(what, _)| of(*what) > 0)
        .map(|(what, words)| format!("{} × {words}", of(what)))
        .collect();
    match parts.is_empty() {
        true => "It would have told nothing.".to_owned(),
        false => format!("It would have told: {}", parts.join(", ")),
    }
}

/// `🟠 14:02 begins · 92 % (warning from 90 %)`.
fn line(event: &Event, now: Millis) -> String {
    let incident = &event.incident;
    let at = clock(event.at, now);
    let sign = mark(incident.severity);
    let mut words = match event.what {
        What::Begins => format!("{sign} {at} begins{}", found(incident, NOTE)),
        What::Worsens => format!("{sign} {at} becomes critical{}", found(incident, NOTE)),
        What::GoesOn => format!(
            "{sign} {at} goes on, told again after {}",
            human(event.at.since(incident.began))
        ),
        What::Eases => format!("{sign} {at} is a {} only", incident.severity),
        What::ComesBack => format!("{sign} {at} is back{}", found(incident, NOTE)),
        What::Recovers => {
            let lasted = match incident.cleared {
                Some(cleared) => cleared.since(incident.began),
                None => Duration::ZERO,
            };
            format!(
                "✅ {at} recovers after {}{}",
                human(lasted),
                at_worst(event.worst, incident.unit)
            )
        }
    };
    if incident.flapping && event.what == What::Begins {
        words.push_str(" · it comes and goes, so that from then on only this message changes");
    }
    if !event.rings && event.what == What::Worsens {
        words.push_str(" · without a sound, since it comes and goes");
    }
    words
}

fn at_worst(worst: Option<f64>, unit: Unit) -> String {
    worst.map_or_else(String::new, |worst| {
        format!(", worst {}", amount(worst, unit))
    })
}

/// How close it came when nothing was told.
fn closest(check: &Check, played: &Played, now: Millis) -> Option<String> {
    let (at, value) = played.worst?;
    let limits = &check.limits;
    let short = match limits.judge(value, None) {
        Some(severity) => format!(" That is {severity}, but did not last long enough."),
        None => String::new(),
    };
    Some(format!(
        "It came closest {}, with {}.{short}",
        moment(at, now),
        amount(value, limits.unit)
    ))
}

/// A moment in a sentence: `at 14:02`, or `on 3 May 14:02`.
fn moment(at: Millis, now: Millis) -> String {
    let clock = clock(at, now);
    let word = if clock.contains(' ') { "on" } else { "at" };
    format!("{word} {clock}")
}

/// Why a check cannot be rehearsed, and what can.
#[must_use]
pub fn refusal(name: &str, cannot: &Cannot) -> String {
    let kinds: Vec<&str> = KINDS.iter().map(|kind| kind.as_str()).collect();
    let kinds = kinds.join(", ");
    match cannot {
        Cannot::Kind(kind) => format!(
            "{name} cannot be rehearsed: it is of kind {}, of which nothing is kept. These kinds can: {kinds}.",
            kind.as_str()
        ),
        Cannot::Device(device) => format!(
            "{name} cannot be rehearsed: of {} alone nothing is kept, only of all devices together. A check of all devices can.",
            shorten(device, NAME)
        ),
        Cannot::Sensor(sensor) => format!(
            "{name} cannot be rehearsed: of {} alone nothing is kept, only of the hottest sensor. A check of all sensors can.",
            shorten(sensor, NAME)
        ),
        Cannot::Disk(path) => format!(
            "{name} cannot be rehearsed: of the disk at {} nothing is kept. Name it under monitored_devices, and I look at it from then on.",
            shorten(&path.display().to_string(), NAME)
        ),
        Cannot::Nothing => format!(
            "{name} cannot be rehearsed yet: this machine tells no such value, or I have not looked for long enough. I look every 10 s."
        ),
        Cannot::Late => "That takes too long just now. Ask again in a minute.".to_owned(),
        Cannot::Store(error) => error.to_string(),
    }
}
