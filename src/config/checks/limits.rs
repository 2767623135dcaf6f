//! Thresholds: from which value on something is bad, and where that ends.

use super::super::fault::Report;
use super::super::map::Map;
use super::super::read::text;
use super::super::size::parse_size;
use super::super::tree::Node;
use crate::base::alert::{Severity, Unit};
use crate::base::time::parse_duration;

/// The distance between a threshold and where it is over, when the configuration does not say: points of a percentage, or
/// half of a smaller threshold.
const POINTS: f64 = 3.0;
/// The same for other values, as a share of the threshold.
const SHARE: f64 = 0.1;

/// From which values on a measured value is bad, and where that ends. What is not set does not count.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// The unit of all of them.
    pub unit: Unit,
    /// Whether higher is worse; else lower is.
    pub rises: bool,
    /// A warning from this value on.
    pub warn: Option<f64>,
    /// Critical from this value on.
    pub crit: Option<f64>,
    /// A warning is over at this value, which is on the good side of `warn`.
    pub clear_warn: Option<f64>,
    /// What is critical is less so at this value, which is on the good side of `crit`.
    pub clear_crit: Option<f64>,
}

impl Limits {
    /// Thresholds that no value passes.
    #[must_use]
    pub fn none(unit: Unit) -> Self {
        Self::new(unit, true, None, None)
    }

    /// These thresholds, each over a little on the good side of itself.
    #[must_use]
    pub fn new(unit: Unit, rises: bool, warn: Option<f64>, crit: Option<f64>) -> Self {
        let before = |limit: f64| {
            let distance = match unit {
                Unit::Percent => POINTS.min(limit.abs() / 2.0),
                Unit::Number
                | Unit::Bytes
                | Unit::BytesPerSecond
                | Unit::Seconds
                | Unit::Celsius => limit.abs() * SHARE,
            };
            match rises {
                true => limit - distance,
                false => limit + distance,
            }
        };
        Self {
            unit,
            rises,
            warn,
            crit,
            clear_warn: warn.map(before),
            clear_crit: crit.map(before),
        }
    }

    /// Whether a value is worse than another one.
    #[must_use]
    pub fn is_worse(&self, value: f64, other: f64) -> bool {
        match self.rises {
            true => value > other,
            false => value < other,
        }
    }

    /// How bad a value is, when it was this bad before.
    #[must_use]
    pub fn judge(&self, value: f64, held: Option<Severity>) -> Option<Severity> {
        let bad = |limit: Option<f64>, clear: Option<f64>, held: bool| {
            let Some(limit) = limit else { return false };
            let clear = clear.unwrap_or(limit);
            match self.rises {
                true => value >= limit || held && value > clear,
                false => value <= limit || held && value < clear,
            }
        };
        if bad(self.crit, self.clear_crit, held == Some(Severity::Critical)) {
            Some(Severity::Critical)
        } else if bad(self.warn, self.clear_warn, held.is_some()) {
            Some(Severity::Warning)
        } else {
            None
        }
    }

    /// The threshold of a severity.
    #[must_use]
    pub fn of(&self, severity: Severity) -> Option<f64> {
        match severity {
            Severity::Warning => self.warn,
            Severity::Critical => self.crit,
        }
    }

    /// Whether there is a threshold at all.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.warn.is_some() || self.crit.is_some()
    }
}

/// Reads `warn` and `crit`. `default` counts when neither is written.
pub(super) fn pair(
    map: &mut Map<'_>,
    unit: Unit,
    rises: bool,
    default: (Option<f64>, Option<f64>),
    report: &mut Report,
) -> Limits {
    let written = map.get("warn").is_some() || map.get("crit").is_some();
    let limits = match written {
        true => {
            let warn = value(map, "warn", unit, report);
            let crit = value(map, "crit", unit, report);
            Limits::new(unit, rises, warn, crit)
        }
        false => Limits::new(unit, rises, default.0, default.1),
    };
    if let (Some(warn), Some(crit)) = (limits.warn, limits.crit)
        && !is_before(warn, crit, rises)
        && let Some(node) = map.get("crit").or_else(|| map.get("warn"))
    {
        let side = match rises {
            true => "above",
            false => "below",
        };
        let message = format!("`{}` must be {side} `warn`", map.name("crit"));
        report.fault(&node.at, message);
    }
    limits
}

/// Reads `warn`, `crit` and where they are over. `default` counts when neither is written.
pub(super) fn read(
    map: &mut Map<'_>,
    unit: Unit,
    rises: bool,
    default: (Option<f64>, Option<f64>),
    report: &mut Report,
) -> Limits {
    let mut limits = pair(map, unit, rises, default, report);
    if let Some(clear) = value(map, "clear", unit, report) {
        limits.clear_warn = limits.warn.map(|_| clear);
        limits.clear_crit = limits.crit.map(|_| clear);
        for key in ["clear_warn", "clear_crit"] {
            if let Some(node) = map.get(key) {
                let message = format!("`{}` stands beside `clear`; keep one", map.name(key));
                report.fault(&node.at, message);
            }
        }
    }
    limits.clear_warn = value(map, "clear_warn", unit, report).or(limits.clear_warn);
    limits.clear_crit = value(map, "clear_crit", unit, report).or(limits.clear_crit);
    check_clear(
        map,
        ("clear_warn", "warn"),
        (limits.clear_warn, limits.warn),
        rises,
        report,
    );
    check_clear(
        map,
        ("clear_crit", "crit"),
        (limits.clear_crit, limits.crit),
        rises,
        report,
    );
    limits
}

/// The same where a threshold must be written.
pub(super) fn required(map: &mut Map<'_>, unit: Unit, rises: bool, report: &mut Report) -> Limits {
    let limits = read(map, unit, rises, (None, None), report);
    if map.get("warn").is_none() && map.get("crit").is_none() {
        map.missing("warn", report);
    }
    limits
}

fn is_before(one: f64, other: f64, rises: bool) -> bool {
    match rises {
        true => one < other,
        false => one > other,
    }
}

fn check_clear(
    map: &mut Map<'_>,
    (key, limit_key): (&'static str, &'static str),
    (clear, limit): (Option<f64>, Option<f64>),
    rises: bool,
    report: &mut Report,
) {
    let Some(node) = map.get(key).or_else(|| map.get("clear")) else {
        return;
    };
    match (clear, limit) {
        (Some(clear), Some(limit)) if is_before(limit, clear, rises) => {
            let message = format!(
                "`{}` is beyond `{limit_key}`, so it would never be over; write a better value",
                map.name(key)
            );
            report.fault(&node.at, message);
        }
        (Some(_), None) if map.get(key).is_some() => {
            let message = format!("`{}` stands without `{limit_key}`; add that", map.name(key));
            report.fault(&node.at, message);
        }
        _ => {}
    }
}

fn value(map: &mut Map<'_>, key: &'static str, unit: Unit, report: &mut Report) -> Option<f64> {
    let node = map.get(key)?;
    parse(node, &map.name(key), unit, report)
}

fn parse(node: &Node, name: &str, unit: Unit, report: &mut Report) -> Option<f64> {
    let written = text(node, name, report)?;
    let number = |text: &str| text.parse().ok().filter(|number: &f64| number.is_finite());
    let read = match unit {
        Unit::Percent => number(written.trim_end_matches('%').trim_end())
            .filter(|number| (0.0..=100.0).contains(number))
            .ok_or("a percentage from 0 to 100"),
        Unit::Bytes => parse_size(written)
            .map(whole)
            .map_err(|_| "a size such as 5GiB"),
        Unit::BytesPerSecond => parse_size(written.trim_end_matches("/s"))
            .map(whole)
            .map_err(|_| "a size for each second, such as 50MB"),
        Unit::Seconds => parse_duration(written)
            .map(|time| time.as_secs_f64())
            .map_err(|_| "a time such as 30s, 6h or 14d"),
        Unit::Celsius => number(written).ok_or("degrees Celsius as a number"),
        Unit::Number => number(written)
            .filter(|number| *number >= 0.0)
            .ok_or("a number, 0 or more"),
    };
    read.map_err(|right| {
        report.fault(&node.at, format!("`{name}` is `{written}`; write {right}"));
    })
    .ok()
}

/// A number of bytes as a measured value.
#[expect(
    clippy::cast_precision_loss,
    reason = "nobody sets a threshold of petabytes to the byte"
)]
fn whole(bytes: u64) -> f64 {
    bytes as f64
}
