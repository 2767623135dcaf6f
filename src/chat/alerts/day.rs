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
/// What it names of jobs, disks and runs each.
const NAMED: usize = 5;
/// What it names of anything else that ends.
const ENDS: usize = 3;
/// The longest name, in UTF-16 units.
const NAME: usize = 40;
const DAY: u64 = 24 * 3600;
/// From so much on it is told late, and says so.
const LATE: Duration = Duration::from_secs(3600);
/// Fewer bytes more or less are no change.
const CHANGE: f64 = 1e6;

/// A day, and what the next one brings.
pub(super) fn day(day: &Day) -> String {
    let late = match day.now.since(day.to) > LATE {
        true => format!(", told late: {}", clock(day, day.now)),
        false => String::new(),
    };
    let date = escape(&day.date);
    let mut lines = vec![format!("📅 <b>The day until {date}</b>{late}")];
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
    match (time.as_secs() + DAY / 2) / DAY {
        0 => "within a day".to_owned(),
        1 => "in about 1 day".to_owned(),
        days => format!("in about {days} days"),
    }
}

fn ahead(all: &Ahead, day: &Day) -> Vec<String> {
    let mut lines = match &all.runs {
        Some(runs) => first(runs, NAMED, ": /schedules", |run| runs_at(run, day)),
        None => vec!["🧊 Everything is frozen, so nothing runs by itself: /unfreeze".to_owned()],
    };
    lines.extend(first(
        &all.certificates,
        ENDS,
        ": /alerts",
        |(check, ends)| {
            let state = match ends.since(day.now) {
                over if over.is_zero() => "has ended".to_owned(),
                left => format!("ends {}", within(left)),
            };
            format!("🔒 The certificate of {} {state}", name(check))
        },
    ));
    lines.extend(first(&all.silences, ENDS, ": /silence", |one| {
        let about = name(&typed(one));
        format!("🔕 {about} is silent until {}", clock(day, one.until))
    }));
    lines.extend(first(&all.lent, ENDS, ": /users", |one| lent(one, day)));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ids::UserId;
    use crate::base::role::Role;
    use crate::base::text::visible_len;
    use crate::base::when::Zone;
    use crate::store::silences::{About, Silence};

    const HOUR: i64 = 3_600_000;
    /// 2026-11-22, 07:00 UTC.
    const NOW: i64 = 1_795_330_800_000;

    fn calm() -> Day {
        Day {
            date: "2026-11-22".to_owned(),
            zone: Zone::parse("Europe/Berlin").unwrap(),
            now: Millis(NOW),
            from: Millis(NOW - 24 * HOUR),
            to: Millis(NOW),
            jobs: Vec::new(),
            failed: Vec::new(),
            incidents: Vec::new(),
            disks: Vec::new(),
            ahead: Ahead {
                runs: Some(Vec::new()),
                ..Ahead::default()
            },
        }
    }

    fn disk(name: &str, more: Option<f64>, full_in_days: Option<u64>) -> Disk {
        Disk {
            host: None,
            name: name.to_owned(),
            percent: 82.4,
            more,
            full_in: full_in_days.map(|days| Duration::from_secs(days * DAY + 3600)),
        }
    }

    fn run(schedule: &str, hours: i64, times: usize) -> Upcoming {
        Upcoming {
            schedule: schedule.to_owned(),
            next: Millis(NOW + hours * HOUR),
            times,
            need: Role::Viewer,
        }
    }

    fn silence(about: About, host: Option<&str>, hours: i64) -> Silence {
        Silence {
            id: 1,
            about,
            host: host.map(str::to_owned),
            until: Millis(NOW + hours * HOUR + 59_999),
            reason: None,
            by: (UserId(1), "ann".to_owned()),
        }
    }

    fn lent(what: Lent, hours: i64) -> Ending {
        Ending {
            name: "ben".to_owned(),
            what,
            at: Millis(NOW + hours * HOUR),
        }
    }

    #[test]
    fn a_calm_day_is_short() {
        assert_eq!(
            day(&calm()),
            "📅 <b>The day until 2026-11-22</b>\nJobs: none\nIncidents: none"
        );
    }

    #[test]
    fn where_disks_go_and_what_is_due_is_told_by_the_readers_clock() {
        let told = day(&Day {
            disks: vec![
                disk("root", Some(1.2e9), Some(21)),
                Disk {
                    host: Some("web-2".to_owned()),
                    ..disk("/srv", Some(-3e9), None)
                },
                disk("/a", Some(5.0), Some(1)),
                disk("/b", None, Some(0)),
            ],
            ahead: Ahead {
                runs: Some(vec![
                    run("backup", 1, 1),
                    run("sync", 2, 24),
                    run("ping", 23, Upcoming::MOST),
                ]),
                certificates: vec![
                    ("old".to_owned(), Millis(NOW - HOUR)),
                    ("shop".to_owned(), Millis(NOW + 12 * 24 * HOUR + HOUR)),
                ],
                silences: vec![
                    silence(About::Check("disk-*".to_owned()), None, 5),
                    silence(About::All, Some("web-1"), 6),
                ],
                lent: vec![
                    lent(Lent::Role(Role::Operator, Some(Role::Viewer)), 3),
                    lent(Lent::Role(Role::Admin, None), 4),
                    lent(Lent::Script("deploy".to_owned()), 23),
                ],
            },
            ..calm()
        });
        assert_eq!(
            told,
            "📅 <b>The day until 2026-11-22</b>\n\
             Jobs: none\n\
             Incidents: none\n\
             \n\
             <b>Disks</b>\n\
             💽 root · 82 % · 1.2 GB more in a day · full in about 21 days\n\
             💽 /srv on web-2 · 82 % · 3 GB less in a day\n\
             💽 /a · 82 % · as a day ago · full in about 1 day\n\
             💽 /b · 82 % · full within a day\n\
             \n\
             <b>The next 24 hours</b>\n\
             ⏰ 09:00 backup\n\
             ⏰ 10:00 sync × 24\n\
             ⏰ 23 Nov 07:00 ping × 100 or more\n\
             🔒 The certificate of old has ended\n\
             🔒 The certificate of shop ends in about 12 days\n\
             🔕 disk-* is silent until 13:00\n\
             🔕 host:web-1 is silent until 14:00\n\
             👤 ben is operator until 11:00, then viewer\n\
             👤 ben is admin until 12:00\n\
             👤 ben may run deploy until 23 Nov 07:00"
        );
    }

    #[test]
    fn frozen_is_said_and_lists_are_cut() {
        let frozen = day(&Day {
            ahead: Ahead::default(),
            disks: vec![disk("<a>", None, None); 7],
            ..calm()
        });
        assert!(
            frozen.contains("💽 &lt;a&gt; · 82 %\n… and 2 more: /status\n"),
            "{frozen}"
        );
        assert!(frozen.ends_with("🧊 Everything is frozen, so nothing runs by itself: /unfreeze"));
    }

    #[test]
    fn the_worst_day_fits_a_message() {
        let long = "&".repeat(300);
        let many = Ahead {
            runs: Some(vec![run(&long, 23, 100); 40]),
            certificates: vec![(long.clone(), Millis(NOW + 20 * 24 * HOUR)); 40],
            silences: vec![silence(About::Check(long.clone()), Some(&long), 23); 40],
            lent: vec![lent(Lent::Script(long.clone()), 23); 40],
        };
        let told = day(&Day {
            failed: vec![(long.clone(), 1_000_000); 40],
            jobs: vec![("failed".to_owned(), 40_000_000)],
            disks: vec![
                Disk {
                    host: Some(long.clone()),
                    ..disk(&long, Some(1e15), Some(59))
                };
                40
            ],
            ahead: many,
            ..calm()
        });
        // Eight incidents of a hundred units each have room beside that.
        assert!(visible_len(&told) < 3000, "{}", visible_len(&told));
        assert!(told.lines().count() < 40, "{}", told.lines().count());
    }
}
