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
