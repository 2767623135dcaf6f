//! Incidents in words: what a message says, and the buttons under it.

pub mod act;
pub mod check;
mod day;
pub mod matcher;
pub mod open;
pub mod press;
pub mod rehearsal;
pub mod standing;

use super::commands::jobs::clock;
use super::keyboards::{Press, in_pairs};
use crate::base::alert::{Severity, Unit};
use crate::base::text::{bytes, escape, shorten, utf16_len, visible_len};
use crate::base::time::{Millis, human};
use crate::config::{Config, Live};
use crate::delivery::Buttons;
use crate::monitors::charts::{Span, Subject};
use crate::monitors::incidents::{Day, Line, Shown, TRIES, Voice};
use crate::store::broadcasts::Counts;
use crate::store::incidents::{FixState, Incident, Kind};
use press::AlertPress;
use std::borrow::Cow;
use std::time::Duration;

/// Incidents that one message names.
const NAMED: usize = 20;
/// Buttons of incidents under one message.
const BUTTONS: usize = 12;
/// The most that a note takes, in UTF-16 units.
const NOTE: usize = 300;
/// The most that a note takes where it is one of many.
const SHORT_NOTE: usize = 80;
/// The most that a message says; what is beyond that is left to `/alerts`.
const UNITS: usize = 3800;

/// Puts incidents into words.
pub struct Words {
    live: Live,
}

impl Words {
    /// Words of incidents of this configuration's checks.
    #[must_use]
    pub fn new(live: Live) -> Self {
        Self { live }
    }
}

impl Voice for Words {
    fn incidents(&self, shown: &Shown) -> (String, Buttons) {
        let html = match (shown.kind, shown.lines.as_slice()) {
            (Kind::Alert, [only]) => alone(only, shown.now),
            (Kind::Alert | Kind::Summary | Kind::Missed, lines) => {
                let entries = lines.iter().map(|line| match shown.kind {
                    Kind::Missed => passed(&line.incident, shown.now),
                    Kind::Alert | Kind::Summary => short(line, shown.now),
                });
                listed(&heading(shown), entries)
            }
        };
        (html, buttons(shown, &self.live.current()))
    }

    fn no_fix(&self, incident: &Incident, script: &str, why: &str) -> String {
        format!(
            "The fix <b>{}</b> for {} could not be started: {}",
            escape(script),
            escape(&incident.check),
            escape(why)
        )
    }

    fn broadcast(&self, total: u64, counts: &Counts) -> String {
        let state = match counts.waiting {
            0 => "📣 Sent.",
            _ => "📣 On its way.",
        };
        let mut words = format!("{state} {} of {total} delivered", counts.delivered);
        if counts.waiting > 0 {
            words.push_str(&format!(", {} to go", counts.waiting));
        }
        if counts.failed > 0 {
            words.push_str(&format!(", {} failed", counts.failed));
        }
        if counts.removed > 0 {
            words.push_str(&format!(
                ". {} cannot be reached any more and got off the list until they write to me again",
                counts.removed
            ));
        }
        words.push('.');
        words
    }

    fn day(&self, day: &Day) -> String {
        day::day(day)
    }
}

/// The heading of a message about several.
fn heading(shown: &Shown) -> String {
    let count = |which: &dyn Fn(&Incident) -> bool| {
        let all = shown.lines.iter();
        all.filter(|line| which(&line.incident)).count()
    };
    let open = count(&|one| one.cleared.is_none());
    let unwatched = count(&|one| one.unwatched.is_some());
    let over = shown.lines.len() - open - unwatched;
    let parts: Vec<String> = [
        (open, "still wrong"),
        (over, "over"),
        (unwatched, "no longer watched"),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, words)| format!("{count} {words}"))
    .collect();
    let state = match (open, unwatched) {
        (0, 0) => "all of it is over".to_owned(),
        _ => parts.join(", "),
    };
    match shown.kind {
        Kind::Alert if open == 0 => {
            let mark = if unwatched > 0 { "⚪" } else { "✅" };
            format!(
                "{mark} <b>{} things were wrong</b>; {state}",
                shown.lines.len()
            )
        }
        Kind::Alert => {
            let mark = if shown.lines.iter().any(is_critical) {
                "🔴"
            } else {
                "🟠"
            };
            let wrong = match open {
                1 => "1 thing is wrong".to_owned(),
                _ => format!("{open} things are wrong"),
            };
            let rest: String = parts[1..].iter().map(|part| format!(", {part}")).collect();
            format!("{mark} <b>{wrong}</b>{rest}")
        }
        Kind::Summary => format!("🔕 <b>Not told until now</b>: {state}"),
        Kind::Missed => {
            "📡 <b>While Telegram could not be reached</b>, this began and ended:".to_owned()
        }
    }
}

fn is_critical(line: &Line) -> bool {
    line.incident.cleared.is_none() && line.incident.severity == Severity::Critical
}

/// Lines under a heading, as many as fit.
fn listed(heading: &str, lines: impl ExactSizeIterator<Item = String>) -> String {
    let all = lines.len();
    let mut html = heading.to_owned();
    let mut units = visible_len(heading);
    let mut named = 0;
    for line in lines.take(NAMED) {
        let more = visible_len(&line) + 1;
        if units + more > UNITS {
            break;
        }
        html.push('\n');
        html.push_str(&line);
        units += more;
        named += 1;
    }
    if named < all {
        html.push_str(&format!("\n… and {} more: /alerts", all - named));
    }
    html
}

/// The only incident of a message.
fn alone(line: &Line, now: Millis) -> String {
    let incident = &line.incident;
    let mut html = first_line(incident, now, NOTE);
    let mut more = remarks(incident, now);
    if !line.follow.is_empty() {
        more.push(follow(line));
    }
    match (incident.cleared, line.live) {
        (None, false) => more.push("Told again below.".to_owned()),
        (None, true) if line.times > 1 => more.push(format!("Told {} times.", line.times)),
        (None, true) | (Some(_), _) => {}
    }
    for remark in more {
        html.push('\n');
        html.push_str(&remark);
    }
    html
}

/// What an incident hides, by name.
fn follow(line: &Line) -> String {
    let names = escape(&shorten(&line.follow.join(", "), NOTE));
    let count = line.follow.len();
    match line.incident.unreached {
        true => format!(
            "{count} more cannot be reached from {} either: {names}. It may be its network, or its name servers.",
            escape(&line.incident.host)
        ),
        false => format!("{count} more follow from it and are not told: {names}."),
    }
}

/// One of several incidents.
fn short(line: &Line, now: Millis) -> String {
    let mut html = first_line(&line.incident, now, SHORT_NOTE);
    if line.incident.cleared.is_none() {
        if let Some((by, _)) = &line.incident.acked {
            html.push_str(&format!(" · 👤 {}", escape(by)));
        }
        if !line.live {
            html.push_str(" · told again below");
        }
        match line.follow.len() {
            0 => {}
            more if line.incident.unreached => {
                html.push_str(&format!(" · {more} more cannot be reached"));
            }
            more => html.push_str(&format!(" · {more} follow from it")),
        }
    }
    html
}

/// What an incident is, in one line: `🔴 disk-root · 97 % (critical from 95 %) · since 14:02`.
#[must_use]
pub fn first_line(incident: &Incident, now: Millis, note: usize) -> String {
    let name = escape(&incident.check);
    if let Some(why) = &incident.unwatched {
        return unwatched(incident, why, note);
    }
    if let Some(cleared) = incident.cleared {
        let worst = match incident.worst_value {
            Some(worst) => format!(", worst {}", amount(worst, incident.unit)),
            None => String::new(),
        };
        let lasted = human(cleared.since(incident.began));
        return format!("✅ <b>{name}</b> recovered after {lasted}{worst}");
    }
    let mark = mark(incident.severity);
    format!(
        "{mark} <b>{name}</b>{} · since {}",
        found(incident, note),
        clock(incident.began, now)
    )
}

/// That nobody looks any more, and how it was: that it is well is not known.
fn unwatched(incident: &Incident, why: &str, note: usize) -> String {
    let html = format!(
        "⚪ <b>{}</b>: no longer watched, since {}.",
        escape(&incident.check),
        escape(&shorten(why, note))
    );
    let words = incident.note.as_deref();
    let words = words.map(|words| escape(&shorten(words, note)));
    let was = match (incident.unread, incident.value, words) {
        (true, _, _) => "It could not be read.".to_owned(),
        (false, None, None) => return html,
        (false, Some(value), _) if incident.limit.is_some() => {
            format!("It was at {}.", amount(value, incident.unit))
        }
        (false, _, Some(words)) => format!("Last seen: {words}"),
        (false, Some(value), None) => format!("It was at {}.", amount(value, incident.unit)),
    };
    format!("{html} {was}")
}

/// The mark of a severity.
#[must_use]
pub fn mark(severity: Severity) -> &'static str {
    match severity {
        Severity::Warning => "🟠",
        Severity::Critical => "🔴",
    }
}

/// What was found: value, threshold, note; begins with a separator unless it is empty.
fn found(incident: &Incident, note: usize) -> String {
    let words = incident
        .note
        .as_deref()
        .map(|words| escape(&noted(words, note)));
    if incident.unread {
        let why = words.map_or_else(String::new, |words| format!(": {words}"));
        return format!(" · cannot be read{why}");
    }
    let mut html = String::new();
    // What is wrong in itself is said in words; the value alone would say nothing.
    let by_words = words.is_some() && incident.limit.is_none();
    if let Some(value) = incident.value.filter(|_| !by_words) {
        html.push_str(&format!(" · {}", amount(value, incident.unit)));
        if let Some(limit) = incident.limit {
            // On its way back it may be on the good side of the threshold; its worst is not.
            let worst = incident.worst_value.unwrap_or(value);
            let side = if worst >= limit { "from" } else { "below" };
            html.push_str(&format!(
                " ({} {side} {})",
                incident.severity,
                amount(limit, incident.unit)
            ));
        }
    }
    if let Some(words) = words {
        html.push_str(&format!(" · {words}"));
    }
    html
}

/// A note with at most so many UTF-16 units. It is cut between words, and not in the command at its end: `…; see /outbox` is
/// what to do next, and is pressed.
fn noted(words: &str, units: usize) -> Cow<'_, str> {
    if utf16_len(words) <= units {
        return Cow::Borrowed(words);
    }
    let (head, next) = match words.rfind("; ") {
        Some(at) if words[at..].contains(" /") && utf16_len(&words[at..]) < units / 2 => {
            words.split_at(at)
        }
        _ => (words, ""),
    };
    let room = units - utf16_len(next);
    let head = shorten(head, room);
    let kept = head.trim_end_matches('…');
    let between = words[kept.len()..].starts_with(' ');
    let whole = match kept.rfind(' ') {
        Some(space) if !between && head.len() != kept.len() && space >= kept.len() / 2 => {
            &kept[..space]
        }
        _ => kept,
    };
    Cow::Owned(format!("{}…{next}", whole.trim_end()))
}

/// What people did about it, a line each.
fn remarks(incident: &Incident, now: Millis) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some((by, at)) = &incident.acked {
        lines.push(format!(
            "👤 {} takes care of it, {}",
            escape(by),
            clock(*at, now)
        ));
    }
    if let Some((by, until)) = &incident.snoozed
        && *until > now
    {
        lines.push(format!(
            "😴 Not told again until {} ({})",
            clock(*until, now),
            escape(by)
        ));
    }
    if let Some(fixed) = &incident.fixed {
        let at = clock(fixed.at, now);
        lines.push(match fixed.state {
            FixState::Running => format!("🔧 Its fix was started by itself, {at}"),
            FixState::Done => format!("🔧 Its fix ran by itself, {at}"),
            FixState::Failed if fixed.tries >= TRIES => format!(
                "🔧 Its fix failed, {at}; after {} tries it is not started by itself again",
                fixed.tries
            ),
            FixState::Failed => format!("🔧 Its fix failed, {at}"),
            FixState::Stopped => {
                format!("🔧 Its fix was stopped, {at}; for this it is not started by itself again")
            }
        });
    }
    let last = incident.fixed.map(|fixed| fixed.at);
    if incident.fix_limited.is_some_and(|at| last < Some(at)) && incident.cleared.is_none() {
        lines.push("🔧 Its fix ran as often within the hour as it may by itself.".to_owned());
    }
    if incident.flapping {
        lines.push(match incident.severity {
            Severity::Warning => {
                "It comes and goes. Until it stays or becomes critical, only this message changes."
            }
            Severity::Critical => "It comes and goes. Until it stays, only this message changes.",
        }.to_owned());
    }
    lines
}

/// What began and ended: `✅ disk-root · 97 % · 14:02–14:16 (14 m)`.
#[must_use]
pub fn passed(incident: &Incident, now: Millis) -> String {
    passed_by(incident, now, |at| clock(at, now))
}

/// The same by another clock.
fn passed_by(incident: &Incident, now: Millis, clock: impl Fn(Millis) -> String) -> String {
    let worst = match incident.worst_value {
        Some(worst) => format!(" · {}", amount(worst, incident.unit)),
        None => String::new(),
    };
    let (mark, end, lasted) = match incident.cleared {
        Some(end) => {
            let mark = if incident.unwatched.is_some() {
                "⚪"
            } else {
                "✅"
            };
            (mark, clock(end), end.since(incident.began))
        }
        None => (
            mark(incident.severity),
            "now".to_owned(),
            now.since(incident.began),
        ),
    };
    format!(
        "{mark} <b>{}</b>{worst} · {}–{end} ({}){}",
        escape(&incident.check),
        clock(incident.began),
        human(lasted),
        match incident.unwatched {
            Some(_) => ", then no longer watched",
            None => "",
        }
    )
}

/// A measured value with its unit.
#[must_use]
pub fn amount(value: f64, unit: Unit) -> String {
    let plain = |value: f64| {
        let digits = match value.abs() {
            small if small < 10.0 => format!("{value:.2}"),
            middle if middle < 100.0 => format!("{value:.1}"),
            _ => format!("{value:.0}"),
        };
        match digits.contains('.') {
            true => digits
                .trim_end_matches('0')
                .trim_end_matches('.')
                .to_owned(),
            false => digits,
        }
    };
    match unit {
        Unit::Number => plain(value),
        Unit::Percent => format!("{} %", plain(value)),
        Unit::Bytes => whole_bytes(value),
        Unit::BytesPerSecond => format!("{}/s", whole_bytes(value)),
        Unit::Seconds => match Duration::try_from_secs_f64(value) {
            Ok(time) => human(time),
            Err(_) => format!("{} s", plain(value)),
        },
        Unit::Celsius => format!("{} °C", plain(value)),
    }
}

fn whole_bytes(value: f64) -> String {
    // A sum of bytes beyond 2^53 is no more exact than this; a negative one means a rate that falls.
    let digits = format!("{:.0}", value.abs());
    let sign = if value < 0.0 { "−" } else { "" };
    match digits.parse() {
        Ok(count) => format!("{sign}{}", bytes(count)),
        Err(_) => format!("{value} B"),
    }
}

/// The buttons of a message: of its only incident all, of several one each.
fn buttons(shown: &Shown, config: &Config) -> Buttons {
    let live: Vec<&Line> = shown.lines.iter().filter(|line| line.live).collect();
    match (shown.lines.as_slice(), live.as_slice()) {
        (_, []) => Vec::new(),
        ([_], [line]) => of_one(&line.incident, config, (shown.acts, line.fix.is_some())),
        (_, several) => {
            let each = several.iter().take(BUTTONS).map(|line| {
                let name = shorten(&line.incident.check, 30);
                let label = format!("{} {name}", mark(line.incident.severity));
                AlertPress::Show(line.incident.id).press().button(label)
            });
            let mut rows = in_pairs(each.collect());
            if several.len() > BUTTONS {
                rows.push(vec![AlertPress::Now.press().button("All …")]);
            }
            rows
        }
    }
}

/// The buttons of one incident that lasts: for whoever may do something about it, and may run its fix.
#[must_use]
pub fn of_one(incident: &Incident, config: &Config, (acts, fix): (bool, bool)) -> Buttons {
    let id = incident.id;
    let mut first = Vec::new();
    let mut second = Vec::new();
    if acts {
        if incident.acked.is_none() {
            first.push(AlertPress::Ack(id).press().button("Ack"));
        }
        first.push(AlertPress::Snooze(id).press().button("Snooze 1 h"));
        second.push(AlertPress::Silence(id).press().button("Silence…"));
    }
    let chart = Subject::of_incident(incident, config)
        .and_then(|subject| Press::chart(subject, Span::Hour, &incident.host));
    second.extend(chart.map(|chart| chart.button("Chart")));
    if fix {
        second.push(AlertPress::Fix(id).press().button("Fix"));
    }
    let mut rows = vec![first, second];
    rows.retain(|row| !row.is_empty());
    rows
}

/// Everything about an incident, and last the remark on its silence, if there is one.
#[must_use]
pub fn details(incident: &Incident, silenced: Option<String>, now: Millis) -> String {
    let mut html = first_line(incident, now, NOTE);
    let mut lines = vec![format!(
        "{} · {} · {}",
        escape(&incident.host),
        escape(&incident.topic),
        incident.worst
    )];
    lines.push(format!(
        "Began {}, told from {}",
        clock(incident.began, now),
        clock(incident.raised, now)
    ));
    if let Some(cleared) = incident.cleared {
        let end = match incident.unwatched {
            Some(_) => "Watched until",
            None => "Over",
        };
        lines.push(format!("{end} {}", clock(cleared, now)));
        lines.extend(
            incident
                .note
                .as_deref()
                .map(|note| escape(&shorten(note, NOTE))),
        );
    } else if let Some(worst) = incident.worst_value {
        lines.push(format!("Worst {}", amount(worst, incident.unit)));
    }
    lines.extend(remarks(incident, now));
    lines.extend(silenced);
    for line in lines {
        html.push('\n');
        html.push_str(&line);
    }
    html
}

impl AlertPress {
    /// As a press of a button.
    #[must_use]
    pub fn press(self) -> Press {
        Press::Alert(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_cut_between_words_and_keeps_its_command() {
        let note = "messages not delivered within the hour, to chats: 12; see /outbox";
        assert_eq!(noted(note, 65), note);
        assert_eq!(
            noted(note, 60),
            "messages not delivered within the hour, to…; see /outbox"
        );
        assert_eq!(
            noted("the engine may not be asked; see above", 30),
            "the engine may not be asked;…"
        );
        let one = "x".repeat(50);
        assert_eq!(noted(&one, 10), "xxxxxxxxx…");
    }

    #[test]
    fn amounts_read_as_people_say_them() {
        for (value, unit, words) in [
            (97.0, Unit::Percent, "97 %"),
            (4.256, Unit::Percent, "4.26 %"),
            (0.5, Unit::Number, "0.5"),
            (1_600_000.0, Unit::Bytes, "1.6 MB"),
            (812.0, Unit::BytesPerSecond, "812 B/s"),
            (75.0, Unit::Seconds, "1 m 15 s"),
            (-5.0, Unit::Seconds, "-5 s"),
            (71.25, Unit::Celsius, "71.2 °C"),
            (f64::NAN, Unit::Bytes, "NaN B"),
        ] {
            assert_eq!(amount(value, unit), words);
        }
    }
}
