//! The daily digest in words, of a length that a phone shows.

use super::matcher::typed;
use super::passed_by;
use crate::access::{Ending, Lent};
use crate::base::schedule::Upcoming;
use crate::base::text::{bytes, escape, shorten};
use crate::base::time::{Millis, human};
use crate::monitors::incidents::{Ahead, Day, Disk};
use std::time::Duration;

/// Incidents that a day names.
const INCIDENTS: usize = 8;
/// What it names of anything else.
const NAMED: usize = 5;
/// The longest name, in UTF-16 units.
const NAME: usize = 40;
const DAY: u64 = 24 * 3600;
/// Fewer bytes more or less are no change.
const CHANGE: f64 = 1e6;

/// A day, and what the next one brings.
pub(super) fn day(day: &Day) -> String {
    let mut lines = vec![format!("📅 <b>The day until {}</b>", escape(&day.date))];
    lines.extend(jobs(day));
    lines.extend(incidents(day));
    part(&mut lines, "Disks", disks(&day.disks));
    part(&mut lines, "The next 24 hours", ahead(&day.ahead, day));
    lines.join("\n")
}

fn part(lines: &mut Vec<String>, heading: &str, more: Vec<String>) {
    if !more.is_empty() {
        lines.push(format!("\n<b>{heading}</b>"));
        lines.extend(more);
    }
}

/// The first of them, and how many more there are and where.
fn first<T>(all: &[T], most: usize, more: &str, line: impl Fn(&T) -> String) -> Vec<String> {
    let mut lines: Vec<String> = all.iter().take(most).map(line).collect();
    if all.len() > most {
        lines.push(format!("… and {} more{more}", all.len() - most));
    }
    lines
}

fn name(text: &str) -> String {
    escape(&shorten(text, NAME))
}

fn jobs(day: &Day) -> Vec<String> {
    let total: u64 = day.jobs.iter().map(|(_, count)| count).sum();
    let failed: u64 = day.failed.iter().map(|(_, count)| count).sum();
    let mut lines = vec![match (total, failed) {
        (0, _) => "Jobs: none".to_owned(),
        (total, 0) => format!("Jobs: {total}, none failed"),
        (total, failed) => format!("Jobs: {total}, {failed} failed"),
    }];
    let more = ": /jobs failed";
    lines.extend(first(&day.failed, NAMED, more, |(title, count)| {
        format!("❌ {} × {count}", name(title))
    }));
    lines
}

fn incidents(day: &Day) -> Vec<String> {
    if day.incidents.is_empty() {
        return vec!["Incidents: none".to_owned()];
    }
    let lasted: Duration = day
        .incidents
        .iter()
        .map(|one| {
            let end = one.cleared.unwrap_or(day.to).min(day.to);
            end.since(one.began.max(day.from))
        })
        .sum();
    let open = day.incidents.iter().filter(|one| one.cleared.is_none());
    let open = match open.count() {
        0 => String::new(),
        open => format!(", {open} still open"),
    };
    let mut lines = vec![format!(
        "Incidents: {}, {} in all{open}",
        day.incidents.len(),
        human(lasted)
    )];
    let mut named: Vec<_> = day.incidents.iter().collect();
    named.sort_by_key(|one| (one.cleared.is_some(), std::cmp::Reverse(one.worst), one.id));
    lines.extend(first(&named, INCIDENTS, ": /alerts history", |one| {
        passed_by(one, day.to, |at| clock(day, at))
    }));
    lines
}

fn disks(all: &[Disk]) -> Vec<String> {
    first(all, NAMED, ": /status", |disk| {
        let mut line = match &disk.host {
            Some(host) => format!("💽 {} on {}", name(&disk.name), name(host)),
            None => format!("💽 {}", name(&disk.name)),
        };
        line.push_str(&format!(" · {:.0} %", disk.percent));
        if let Some(more) = disk.more {
            line.push_str(&match more {
                more if more.abs() < CHANGE => " · as a day ago".to_owned(),
                more if more > 0.0 => format!(" · {} more in a day", size(more)),
                less => format!(" · {} less in a day", size(-less)),
            });
        }
        if let Some(left) = disk.full_in {
            line.push_str(&format!(" · full {}", within(left)));
        }
        line
    })
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "bytes of a disk, not below zero"
)]
fn size(count: f64) -> String {
    bytes(count as u64)
}

/// In whole days: an estimate knows no hours.
fn within(time: Duration) -> String {
    match time.as_secs() / DAY {
        0 => "within a day".to_owned(),
        1 => "in about 1 day".to_owned(),
        days => format!("in about {days} days"),
    }
}

fn ahead(all: &Ahead, day: &Day) -> Vec<String> {
    let mut lines = match &all.runs {
        Some(runs) => first(runs, NAMED, ": /schedules", |run| runs_at(run, day)),
        None => vec!["❄️ Everything is frozen, so nothing runs by itself: /unfreeze".to_owned()],
    };
    lines.extend(first(
        &all.certificates,
        NAMED,
        ": /alerts",
        |(check, ends)| {
            let state = match ends.since(day.now) {
                over if over.is_zero() => "has ended".to_owned(),
                left => format!("ends {}", within(left)),
            };
            format!("🔒 The certificate of {} {state}", name(check))
        },
    ));
    lines.extend(first(&all.silences, NAMED, ": /silence", |one| {
        let about = name(&typed(one));
        format!("🔕 {about} is silent until {}", clock(day, one.until))
    }));
    lines.extend(first(&all.lent, NAMED, ": /users", |one| lent(one, day)));
    lines
}

fn runs_at(run: &Upcoming, day: &Day) -> String {
    let times = match run.times {
        1 => String::new(),
        Upcoming::MOST => format!(" × {} or more", Upcoming::MOST),
        times => format!(" × {times}"),
    };
    format!("⏰ {} {}{times}", clock(day, run.next), name(&run.schedule))
}

fn lent(one: &Ending, day: &Day) -> String {
    let who = name(&one.name);
    let until = clock(day, one.at);
    match &one.what {
        Lent::Role(role, Some(next)) => format!("👤 {who} is {role} until {until}, then {next}"),
        Lent::Role(role, None) => format!("👤 {who} is {role} until {until}"),
        Lent::Script(script) => format!("👤 {who} may run {} until {until}", name(script)),
    }
}

/// The minute on the reader's clock, with the day unless it is today.
fn clock(day: &Day, at: Millis) -> String {
    day.zone
        .clock(Millis(at.0 - at.0.rem_euclid(60_000)), day.now)
}
