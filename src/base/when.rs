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
mod tests {
    use super::*;
    use chrono::Utc;
    use proptest::prelude::*;

    const BERLIN: Zone = Zone::Named(Tz::Europe__Berlin);
    const NEW_YORK: Zone = Zone::Named(Tz::America__New_York);
    const SYDNEY: Zone = Zone::Named(Tz::Australia__Sydney);
    const LORD_HOWE: Zone = Zone::Named(Tz::Australia__Lord_Howe);
    const SANTIAGO: Zone = Zone::Named(Tz::America__Santiago);

    fn at(utc: &str) -> Millis {
        let read: DateTime<Utc> = format!("{utc}:00Z").parse().unwrap();
        Millis(read.timestamp_millis())
    }

    /// The next times in UTC, as `03-29 01:00`.
    fn coming(when: &str, zone: Zone, after: &str, many: usize) -> Vec<String> {
        let when = When::parse(when).unwrap();
        let mut from = at(after);
        let mut found = Vec::new();
        for _ in 0..many {
            from = when.next(zone, Millis(0), from).unwrap();
            found.push(from.utc().format("%m-%d %H:%M").to_string());
        }
        found
    }

    #[test]
    fn what_is_written_is_read_and_said_again() {
        for text in [
            "every 30s",
            "every 5h",
            "every 1d2h3m4s",
            "06:30",
            "00:00",
            "*/5 * * * *",
            "0 6 * * MON-FRI",
            "0 0 29 2 *",
            "0 0 L * *",
        ] {
            let when = When::parse(text).unwrap();
            assert_eq!(when.to_string(), text);
            assert_eq!(When::parse(&when.to_string()), Ok(when));
        }
        assert_eq!(When::parse("at 6:30"), When::parse("06:30"));
        assert_eq!(When::parse(" */5  * * * * "), When::parse("*/5 * * * *"));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, words) in [
            ("", "no time to run at"),
            ("every", "no time to run at"),
            ("every day", "not a duration"),
            ("every 0s", "whole seconds"),
            ("every 500ms", "whole seconds"),
            ("every 400d", "whole seconds"),
            ("24:00", "not a time of day"),
            ("6:60", "not a time of day"),
            ("at noon", "no time to run at"),
            ("* * * *", "no time to run at"),
            ("* * * * * *", "no time to run at"),
            (
                "60 * * * *",
                "not a cron expression: `60` is no minute; write 0 to 59,",
            ),
            ("* 24 * * *", "`24` is no hour; write 0 to 23,"),
            ("* * 32 * *", "`32` is no day of the month; write 1 to 31,"),
            (
                "* * * 13 *",
                "`13` is no month; write 1 to 12 or JAN to DEC,",
            ),
            (
                "* * * * 8",
                "`8` is no day of the week; write 0 to 7 or SUN to SAT,",
            ),
            ("x * * * *", "`x` is no minute;"),
            (
                "0 6 * * MON-FRY",
                "`MON-FRY` is no day of the week; did you mean `MON-FRI`?",
            ),
            (
                "0 6 * jna,fbe *",
                "`jna,fbe` is no month; did you mean `JAN,FEB`?",
            ),
            (
                "0 6 * * moonday",
                "`moonday` is no day of the week; write 0 to 7",
            ),
            ("0 0 30 2 *", "never comes"),
            ("@daily", "no time to run at"),
        ] {
            let wrong = When::parse(text).unwrap_err();
            assert!(wrong.contains(words), "{text}: {wrong}");
        }
        assert!(
            Zone::parse("Europe/Berlni")
                .unwrap_err()
                .contains("Europe/Berlin")
        );
        assert_eq!(Zone::parse("UTC"), Ok(Zone::UTC));
    }

    #[test]
    fn a_time_that_does_not_exist_comes_right_after_the_gap() {
        // Berlin, 29 March 2026: 02:00 becomes 03:00, at 01:00 UTC.
        for when in ["02:30", "30 2 * * *"] {
            assert_eq!(
                coming(when, BERLIN, "2026-03-27T12:00", 3),
                ["03-28 01:30", "03-29 01:00", "03-30 00:30"],
                "{when}"
            );
        }
        // New York, 8 March 2026, at 07:00 UTC; Sydney, 4 October 2026, at 16:00 UTC of the day before.
        assert_eq!(
            coming("02:30", NEW_YORK, "2026-03-07T12:00", 2),
            ["03-08 07:00", "03-09 06:30"]
        );
        assert_eq!(
            coming("02:30", SYDNEY, "2026-10-03T12:00", 2),
            ["10-03 16:00", "10-04 15:30"]
        );
        // Half an hour, and a gap at midnight: 6 September 2026 in Santiago begins at 01:00.
        assert_eq!(
            coming("02:15", LORD_HOWE, "2026-10-03T12:00", 2),
            ["10-03 15:30", "10-04 15:15"]
        );
        assert_eq!(
            coming("00:00", SANTIAGO, "2026-09-05T12:00", 2),
            ["09-06 04:00", "09-07 03:00"]
        );
    }

    #[test]
    fn a_time_that_is_there_twice_comes_once() {
        // Berlin, 25 October 2026: 03:00 becomes 02:00, at 01:00 UTC.
        assert_eq!(
            coming("02:30", BERLIN, "2026-10-24T12:00", 2),
            ["10-25 00:30", "10-26 01:30"]
        );
        assert_eq!(
            coming("02:30", BERLIN, "2026-10-25T01:10", 1),
            ["10-26 01:30"],
            "asked in the second of the two hours"
        );
        assert_eq!(
            coming("01:30", NEW_YORK, "2026-10-31T12:00", 2),
            ["11-01 05:30", "11-02 06:30"]
        );
        assert_eq!(
            coming("02:30", SYDNEY, "2026-04-04T12:00", 2),
            ["04-04 15:30", "04-05 16:30"]
        );
    }

    #[test]
    fn a_rhythm_by_cron_goes_on_through_the_change() {
        assert_eq!(
            coming("*/30 * * * *", BERLIN, "2026-03-29T00:15", 3),
            ["03-29 00:30", "03-29 01:00", "03-29 01:30"]
        );
        assert_eq!(
            coming("*/30 * * * *", BERLIN, "2026-10-25T00:15", 4),
            ["10-25 00:30", "10-25 01:00", "10-25 01:30", "10-25 02:00"]
        );
    }

    #[test]
    fn cron_knows_the_calendar() {
        assert_eq!(
            coming("0 0 29 2 *", Zone::UTC, "2026-01-01T00:00", 1),
            ["02-29 00:00"]
        );
        let leap = When::parse("0 0 29 2 *").unwrap();
        let next = leap.next(Zone::UTC, Millis(0), at("2026-01-01T00:00"));
        assert_eq!(next, Some(at("2028-02-29T00:00")));
        assert_eq!(
            coming("0 0 31 * *", Zone::UTC, "2026-01-31T00:00", 3),
            ["03-31 00:00", "05-31 00:00", "07-31 00:00"]
        );
        assert_eq!(
            coming("0 0 L * *", Zone::UTC, "2026-02-01T00:00", 2),
            ["02-28 00:00", "03-31 00:00"]
        );
        // The day of the month or the day of the week, as cron has it; Sunday is 0 and 7.
        assert_eq!(
            coming("0 0 13 * 5", Zone::UTC, "2026-03-12T12:00", 3),
            ["03-13 00:00", "03-20 00:00", "03-27 00:00"]
        );
        assert_eq!(
            coming("0 0 * * 7", Zone::UTC, "2026-03-12T12:00", 1),
            coming("0 0 * * 0", Zone::UTC, "2026-03-12T12:00", 1)
        );
    }

    #[test]
    fn an_interval_keeps_its_rhythm() {
        let when = When::parse("every 5h").unwrap();
        let hour = |n: i64| Millis(n * 3_600_000);
        assert_eq!(when.next(BERLIN, hour(2), hour(2)), Some(hour(7)));
        assert_eq!(when.next(BERLIN, hour(2), hour(9)), Some(hour(12)));
        assert_eq!(when.next(BERLIN, hour(2), hour(12)), Some(hour(17)));
        assert_eq!(
            when.latest(BERLIN, hour(2), hour(2), hour(40)),
            Some(hour(37))
        );
        assert_eq!(when.latest(BERLIN, hour(2), hour(37), hour(40)), None);
        assert_eq!(when.latest(BERLIN, hour(2), hour(0), hour(2)), None);
    }

    #[test]
    fn the_shortest_time_between_two_is_found() {
        let (minute, hour) = (60, 3600);
        for (text, seconds) in [
            ("every 30s", 30),
            ("* * * * *", minute),
            ("*/5 * * * *", 5 * minute),
            ("*/7 * * * *", 4 * minute),
            ("0,30 8-10 * * *", 30 * minute),
            ("0 6 * * MON-FRI", 24 * hour),
            ("50,0 0,23 1,2 1 *", 10 * minute),
            ("*/2 */2 1,8 * *", 2 * minute),
            ("0 0 1 * *", 28 * 24 * hour),
            ("0 0 29 2 *", 365 * 24 * hour),
        ] {
            let found = When::parse(text).unwrap().shortest();
            assert_eq!(found, Duration::from_secs(seconds), "{text}");
        }
    }

    #[test]
    fn a_clock_shows_what_is_not_plain() {
        let now = at("2026-07-01T10:00");
        assert_eq!(BERLIN.clock(at("2026-07-01T04:30"), now), "06:30");
        assert_eq!(
            BERLIN.clock(Millis(at("2026-07-01T04:30").0 + 5000), now),
            "06:30:05"
        );
        assert_eq!(BERLIN.clock(at("2026-07-02T04:30"), now), "2 Jul 06:30");
        assert_eq!(
            BERLIN.clock(at("2027-07-02T04:30"), now),
            "2 Jul 2027 06:30"
        );
    }

    fn any_when() -> impl Strategy<Value = When> {
        let cron = (0..60u8, 0..24u8, 1..29u8, 0..7u8, 0..6usize);
        let cron = cron.prop_map(|(minute, hour, day, week, form)| match form {
            0 => format!("{minute} * * * *"),
            1 => format!("*/{} * * * *", minute.max(1)),
            2 => format!("{minute} {hour} {day} * *"),
            3 => format!("{minute} {hour} * * {week}"),
            4 => format!("{minute} */{} * * *", hour.max(1)),
            _ => format!("{minute},{} {hour} * * *", (minute + 7) % 60),
        });
        prop_oneof![
            (1..400_000u64).prop_map(|seconds| When::Every(Duration::from_secs(seconds))),
            (0..24u8, 0..60u8).prop_map(|(hour, minute)| When::Daily { hour, minute }),
            cron.prop_map(|text| When::parse(&text).unwrap()),
        ]
    }

    fn any_zone() -> impl Strategy<Value = Zone> {
        prop::sample::select(vec![
            Zone::UTC,
            BERLIN,
            NEW_YORK,
            SYDNEY,
            LORD_HOWE,
            SANTIAGO,
        ])
    }

    proptest! {
        /// Times grow, are on the clock as written (or right after a gap), and none is passed by.
        #[test]
        fn times_grow_and_exist(when in any_when(), zone in any_zone(), start in 1_750_000_000i64..1_850_000_000) {
            let start = Millis(start * 1000);
            let mut at = start;
            for _ in 0..20 {
                let next = when.next(zone, start, at).unwrap();
                prop_assert!(next > at);
                if let When::Daily { hour, minute } = when {
                    let Zone::Named(tz) = zone else { unreachable!() };
                    let clock = next.utc().with_timezone(&tz);
                    let before = (next.utc() - chrono::Duration::seconds(1)).with_timezone(&tz);
                    let jumps = clock.naive_local() - before.naive_local() > chrono::Duration::minutes(1);
                    prop_assert!((clock.hour(), clock.minute()) == (hour.into(), minute.into()) || jumps);
                    prop_assert!(next.since(at) < Duration::from_secs(26 * 3600));
                }
                prop_assert_eq!(when.next(zone, start, Millis(next.0 - 1)), Some(next));
                at = next;
            }
        }

        /// Looking back finds the same times as going on.
        #[test]
        fn looking_back_and_going_on_agree(when in any_when(), zone in any_zone(), start in 1_750_000_000i64..1_850_000_000, span in 1i64..3_000_000) {
            let (start, until) = (Millis(start * 1000), Millis((start + span) * 1000));
            let mut last = None;
            let mut at = start;
            let steps = (0..5000).take_while(|_| match when.next(zone, start, at).filter(|next| *next <= until) {
                Some(next) => { at = next; last = Some(next); true }
                None => false,
            }).count();
            prop_assume!(steps < 5000);
            prop_assert_eq!(when.latest(zone, start, start, until), last);
        }

        #[test]
        fn whatever_is_written_never_panics(text in "[0-9a-z*/,: @#?LW-]{0,30}") {
            if let Ok(when) = When::parse(&text) {
                let _ = when.next(BERLIN, Millis(0), Millis(1_750_000_000_000));
            }
        }
    }
}
