//! Where axes end, and what is written beside them.

use crate::base::alert::Unit;
use crate::base::text::bytes;
use crate::base::time::Millis;
use chrono::{NaiveDateTime, Timelike};

/// Where the axis of values ends, and the step between two of its labels.
pub(super) fn scale(unit: Unit, most: f64) -> (f64, f64) {
    if unit == Unit::Percent {
        return (100.0, 25.0);
    }
    let least = match unit {
        Unit::Bytes | Unit::BytesPerSecond => 1000.0,
        Unit::Number | Unit::Seconds | Unit::Celsius | Unit::Percent => 1.0,
    };
    let rough = most.max(least) / 4.0;
    let power = 10_f64.powf(rough.log10().floor());
    let every = [1.0, 2.0, 2.5, 5.0, 10.0]
        .map(|step| step * power)
        .into_iter()
        .find(|step| *step >= rough * 0.999)
        .unwrap_or(rough);
    ((most.max(least) / every * 0.999).ceil() * every, every)
}

/// A value as people read it.
pub(super) fn amount(unit: Unit, value: f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a negative amount of bytes is none"
    )]
    let whole = value.round() as u64;
    let rest = (value - value.round()).abs();
    let short = match value.abs() {
        0.0..1.0 if rest > 0.004 => format!("{value:.2}").trim_end_matches('0').to_owned(),
        0.0..10.0 if rest > 0.04 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    };
    match unit {
        Unit::Number => short,
        Unit::Percent if rest > 0.04 => format!("{value:.1} %"),
        Unit::Percent => format!("{value:.0} %"),
        Unit::Bytes => bytes(whole),
        Unit::BytesPerSecond => format!("{}/s", bytes(whole)),
        Unit::Seconds => format!("{short} s"),
        Unit::Celsius => format!("{value:.0} °C"),
    }
}

/// Moments at which clocks show a round time, five to eight of them, and how they are called.
pub(super) fn times(
    from: Millis,
    until: Millis,
    local: &dyn Fn(Millis) -> NaiveDateTime,
) -> Vec<(Millis, String)> {
    const QUARTER: i64 = 5 * 60 * 1000;
    let hours = until.since(from).as_secs() / 3600;
    let (minutes, form) = match hours {
        0..=2 => (10, "%H:%M"),
        3..=8 => (60, "%H:%M"),
        9..=36 => (240, "%H:%M"),
        _ => (24 * 60, "%a"),
    };
    let is_round =
        |clock: &NaiveDateTime| (clock.hour() * 60 + clock.minute()).is_multiple_of(minutes);
    let mut moments = Vec::new();
    let mut moment = from.0 - from.0.rem_euclid(QUARTER) + QUARTER;
    while moment < until.0 {
        let clock = local(Millis(moment));
        if is_round(&clock) {
            moments.push((Millis(moment), clock.format(form).to_string()));
        }
        moment += QUARTER;
    }
    // A label at the very edge would be cut off.
    let room = (until.0 - from.0) / 30;
    moments.retain(|(moment, _)| moment.0 - from.0 > room && until.0 - moment.0 > room);
    moments
}
