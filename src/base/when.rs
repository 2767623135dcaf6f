//! When something is to happen again and again: every so often, at a time of day, or by a cron expression.
//!
//! Days on which the clock is changed: a time of day that does not exist comes at the first moment after the gap, and one
//! that is there twice comes once, the first time. A cron expression with a list, range, step or `*` for its minutes or
//! hours goes by the clock: what falls into a gap does not come, and what is there twice comes twice.

use super::suggest::closest;
use super::time::{Millis, parse_duration};
use chrono::{DateTime, Datelike, Local, TimeZone, Timelike};
pub use chrono_tz::Tz;
use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use std::fmt;
use std::time::Duration;

/// The shortest pause from one time to the next.
const LEAST: Duration = Duration::from_secs(1);
/// The longest.
const MOST: Duration = Duration::from_secs(365 * 24 * 3600);
/// Fields of a cron expression: minute, hour, day of the month, month, day of the week.
const FIELDS: usize = 5;

/// Where a clock hangs by which times of day are meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Zone {
    /// The machine's own.
    #[default]
    Machine,
    /// A zone of the IANA database.
    Named(Tz),
}

impl Zone {
    /// Coordinated universal time.
    pub const UTC: Zone = Zone::Named(Tz::UTC);

    /// Reads a name such as `Europe/Berlin` or `UTC`, or `machine`.
    ///
    /// # Errors
    /// A sentence that names the text and what would be right.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text == "machine" {
            return Ok(Zone::Machine);
        }
        text.parse().map(Zone::Named).map_err(|_| {
            let known = chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name());
            match Self::of_city(text).or_else(|| closest(text, known)) {
                Some(near) => format!("`{text}` is not a time zone; did you mean `{near}`?"),
                None => {
                    format!("`{text}` is not a time zone; write one such as Europe/Berlin or UTC")
                }
            }
        })
    }

    /// The zone of a place that is written without its region: `Europe/Berlin` for `berlin`.
    #[must_use]
    pub fn of_city(city: &str) -> Option<&'static str> {
        let mut all = chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name());
        all.find(|name| {
            let place = name.rsplit_once('/').map(|(_, place)| place);
            place.is_some_and(|place| place.eq_ignore_ascii_case(city))
        })
    }

    /// The time on the clock there: `06:30`, with seconds where they are not zero, and with the day when it is another one
    /// than that of `now`.
    #[must_use]
    pub fn clock(self, at: Millis, now: Millis) -> String {
        match self {
            Zone::Machine => clock(&Local, at, now),
            Zone::Named(zone) => clock(&zone, at, now),
        }
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Zone::Machine => f.write_str("machine"),
            Zone::Named(zone) => f.write_str(zone.name()),
        }
    }
}

fn clock<Z: TimeZone>(zone: &Z, at: Millis, now: Millis) -> String
where
    Z::Offset: fmt::Display,
{
    let (at, now) = (there(zone, at), there(zone, now));
    let time = match at.second() {
        0 => "%H:%M",
        _ => "%H:%M:%S",
    };
    let day = match (at.date_naive() == now.date_naive(), at.year() == now.year()) {
        (true, _) => "",
        (false, true) => "%-d %b ",
        (false, false) => "%-d %b %Y ",
    };
    at.format(&format!("{day}{time}")).to_string()
}

fn there<Z: TimeZone>(zone: &Z, at: Millis) -> DateTime<Z> {
    at.utc().with_timezone(zone)
}

/// When something is to happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum When {
    /// Again and again after this time, counted from an anchor.
    Every(Duration),
    /// Once a day.
    Daily {
        /// 0–23.
        hour: u8,
        /// 0–59.
        minute: u8,
    },
    /// By a cron expression of five fields.
    Cron {
        /// As it was written, with single spaces.
        text: String,
        /// As it was read.
        cron: Box<Cron>,
    },
}

impl When {
    /// Reads `every 30s`, `06:30`, `at 06:30` or a cron expression of five fields.
    ///
    /// # Errors
    /// A sentence that names the text and what would be right.
    pub fn parse(text: &str) -> Result<Self, String> {
        let words: Vec<&str> = text.split_whitespace().collect();
        match words.as_slice() {
            ["every", time] => every(time),
            ["at", time] | [time] if time.contains(':') => daily(time),
            fields if fields.len() == FIELDS => cron(fields),
            _ => Err(format!(
                "`{text}` is no time to run at; write `every 30s`, a time of day such as `06:30`, or a cron expression of \
                 {FIELDS} fields such as `*/5 * * * *`"
            )),
        }
    }

    /// The first time after this moment; `None` when there is none. An interval counts from `anchor`, which is no such time
    /// itself.
    #[must_use]
    pub fn next(&self, zone: Zone, anchor: Millis, after: Millis) -> Option<Millis> {
        let (cron, owned);
        match self {
            When::Every(time) => return Some(beat(*time, anchor, after, 1)),
            When::Daily { hour, minute } => {
                owned = at_daily(*hour, *minute);
                cron = owned.as_ref()?;
            }
            When::Cron { cron: read, .. } => cron = read,
        }
        match zone {
            Zone::Machine => next_by(cron, &Local, after),
            Zone::Named(zone) => next_by(cron, &zone, after),
        }
    }

    /// The last time after `after` and not after `until`; `None` when there is none.
    #[must_use]
    pub fn latest(
        &self,
        zone: Zone,
        anchor: Millis,
        after: Millis,
        until: Millis,
    ) -> Option<Millis> {
        if let When::Every(time) = self {
            let last = beat(*time, anchor, until, 0);
            return Some(last).filter(|last| *last > after && *last > anchor);
        }
        // Looked for in ever longer stretches before the end, so that a long absence is no long search.
        let mut stretch = FIRST_STRETCH;
        loop {
            let from = until.minus(stretch).max(after);
            let mut last = None;
            let mut at = from;
            while let Some(next) = self.next(zone, anchor, at).filter(|next| *next <= until) {
                last = Some(next);
                at = next;
            }
            if last.is_some() || from == after {
                return last;
            }
            stretch *= 8;
        }
    }

    /// The shortest time from one to the next: of an interval itself; of a cron expression what a year of its times comes
    /// to, by a clock that nobody changes.
    #[must_use]
    pub fn shortest(&self) -> Duration {
        match self {
            When::Every(time) => *time,
            When::Daily { .. } => Duration::from_secs(23 * 3600),
            When::Cron { cron, .. } => shortest_by(cron),
        }
    }
}

/// A cron expression comes at most every minute.
const LEAST_BY_CRON: Duration = Duration::from_secs(60);
/// So many times of a cron expression are looked at. One that has more of them in a year has them on several days a week,
/// and shows what lies between two days long before.
const LOOKED_AT: usize = 1500;

fn shortest_by(cron: &Cron) -> Duration {
    let next = |after: &Millis| next_by(cron, &Tz::UTC, *after);
    let mut shortest = MOST;
    let Some(mut last) = next(&Millis(0)) else {
        return shortest;
    };
    let end = last.plus(MOST);
    for at in std::iter::successors(next(&last), next).take(LOOKED_AT) {
        shortest = shortest.min(at.since(last));
        if at > end || shortest <= LEAST_BY_CRON {
            break;
        }
        last = at;
    }
    shortest
}

/// As often as a cron expression can come, this holds few times.
const FIRST_STRETCH: Duration = Duration::from_secs(3600);

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            When::Every(time) => write!(f, "every {}", exact(*time)),
            When::Daily { hour, minute } => write!(f, "{hour:02}:{minute:02}"),
            When::Cron { text, .. } => f.write_str(text),
        }
    }
}

/// The duration with all of its units, as it is read again: `1h30m`.
#[must_use]
pub fn exact(time: Duration) -> String {
    let mut rest = time.as_secs();
    let mut text = String::new();
    for (unit, seconds) in [("d", 86400), ("h", 3600), ("m", 60), ("s", 1)] {
        if rest >= seconds {
            text.push_str(&format!("{}{unit}", rest / seconds));
            rest %= seconds;
        }
    }
    text
}

/// The time `anchor + n × time` that is the last one not after `at`, and so many further.
fn beat(time: Duration, anchor: Millis, at: Millis, further: i64) -> Millis {
    let time = i64::try_from(time.as_millis()).unwrap_or(i64::MAX).max(1);
    let done = (at.0.saturating_sub(anchor.0)).div_euclid(time).max(0);
    Millis(anchor.0.saturating_add(time.saturating_mul(done + further)))
}

fn next_by<Z: TimeZone>(cron: &Cron, zone: &Z, after: Millis) -> Option<Millis> {
    let from = there(zone, Millis(after.0.div_euclid(1000) * 1000));
    let next = cron.find_next_occurrence(&from, false).ok()?;
    Some(Millis(next.timestamp_millis()))
}

fn every(time: &str) -> Result<When, String> {
    let read = parse_duration(time)?;
    match (LEAST..=MOST).contains(&read) && read.subsec_nanos() == 0 {
        true => Ok(When::Every(read)),
        false => Err(format!(
            "`every {time}` is no pause to keep; write whole seconds, from 1s to 365d"
        )),
    }
}

fn daily(time: &str) -> Result<When, String> {
    let part = |text: &str, most: u8| {
        let short = (1..=2).contains(&text.len()) && text.chars().all(|c| c.is_ascii_digit());
        text.parse().ok().filter(|number| short && *number <= most)
    };
    let parts = time.split_once(':');
    let read = parts.and_then(|(hour, minute)| Some((part(hour, 23)?, part(minute, 59)?)));
    let (hour, minute) = read.ok_or_else(|| {
        format!("`{time}` is not a time of day; write one from 00:00 to 23:59, such as 06:30")
    })?;
    Ok(When::Daily { hour, minute })
}

fn cron(fields: &[&str]) -> Result<When, String> {
    let text = fields.join(" ");
    let wrong = |why: String| format!("`{text}` is not a cron expression: {why}");
    let read = parser().parse(&text).map_err(|_| wrong(amiss(fields)))?;
    // A day that no month has: found here, not when it is waited for.
    let comes = next_by(&read, &Tz::UTC, Millis(0));
    if comes.is_none() {
        return Err(wrong("such a day never comes".to_owned()));
    }
    Ok(When::Cron {
        text,
        cron: Box::new(read),
    })
}

/// What the fields of a cron expression are, the numbers that may stand there, and the names for these.
const KINDS: [(&str, &str, &[&str]); FIELDS] = [
    ("minute", "0 to 59", &[]),
    ("hour", "0 to 23", &[]),
    ("day of the month", "1 to 31", &[]),
    ("month", "1 to 12 or JAN to DEC", &MONTHS),
    ("day of the week", "0 to 7 or SUN to SAT", &DAYS),
];
const MONTHS: [&str; 12] = [
    "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
];
const DAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/// What is wrong with the first field that cannot be read by itself, and what would be right.
fn amiss(fields: &[&str]) -> String {
    let reads = |at: usize, field: &str| {
        let mut alone = ["*"; FIELDS];
        alone[at] = field;
        parser().parse(&alone.join(" ")).is_ok()
    };
    let wrong = fields.iter().zip(KINDS).enumerate();
    let mut wrong = wrong.filter(|(at, (field, _))| !reads(*at, field));
    let Some((at, (field, (kind, numbers, names)))) = wrong.next() else {
        return "write minute, hour, day of the month, month and day of the week, such as `0 6 * * MON-FRI`".to_owned();
    };
    let slips = field.split(|c: char| !c.is_ascii_alphabetic());
    let mended = slips
        .filter_map(|slip| Some((slip, closest(slip, names.iter().copied())?)))
        .fold((*field).to_owned(), |mended, (slip, near)| {
            mended.replace(slip, near)
        });
    match reads(at, &mended) {
        true => format!("`{field}` is no {kind}; did you mean `{mended}`?"),
        false => format!(
            "`{field}` is no {kind}; write {numbers}, a list such as 1,3, a range such as 1-5, or * for each"
        ),
    }
}

fn at_daily(hour: u8, minute: u8) -> Option<Cron> {
    parser().parse(&format!("{minute} {hour} * * *")).ok()
}

fn parser() -> CronParser {
    CronParser::builder()
        .seconds(Seconds::Disallowed)
        .year(Year::Disallowed)
        .build()
}

/// The full name of a time zone, if there is one of this name, in whatever letter case.
#[must_use]
pub fn zone_named(name: &str) -> Option<String> {
    let mut all = chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name());
    all.find(|known| known.eq_ignore_ascii_case(name))
        .map(str::to_owned)
}

#[cfg(test)]
mod tests;
