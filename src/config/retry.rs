//! The key `retry`, of schedules and of steps: how what failed is tried again.

use std::time::Duration;

use super::fault::Report;
use super::map::Map;
use super::read::integer;
use crate::base::schedule::Retries;

/// The longest pause between two tries.
const MOST_BACKOFF: Duration = Duration::from_secs(24 * 3600);
/// The most that pauses may be spread by.
const MOST_JITTER: Duration = Duration::from_secs(3600);
/// Tries after the first, when the configuration does not say.
const TIMES: u32 = 2;

/// Reads what stands under `retry`; `None` when nothing does.
pub(super) fn read(map: &mut Map<'_>, report: &mut Report) -> Option<Retries> {
    map.optional("retry")?;
    let mut map = map.section("retry", report)?;
    let times = map.integer("times", 1..=i64::from(Retries::MOST), report);
    let times = times.and_then(|n| u32::try_from(n).ok()).unwrap_or(TIMES);
    let usual = Retries::again(times);
    let backoff = map.duration_or("backoff", usual.backoff, MOST_BACKOFF, report);
    let factor = map.integer("factor", 1..=10, report);
    let factor = factor.and_then(|n| u8::try_from(n).ok());
    let max = map.duration_or("max", usual.max, MOST_BACKOFF, report);
    let jitter = map.duration("jitter", MOST_JITTER, report);
    let not_on = hopeless(&mut map, report);
    map.finish(report);
    Some(Retries {
        backoff,
        factor: factor.map_or(usual.factor, f64::from),
        max,
        jitter: jitter.unwrap_or_default(),
        not_on,
        ..usual
    })
}

/// The exit codes that another try would not change, under `not_on`.
fn hopeless(map: &mut Map<'_>, report: &mut Report) -> Vec<i32> {
    let name = map.name("not_on");
    let codes = map.list("not_on", report);
    codes
        .iter()
        .filter_map(|code| integer(code, &name, 1..=255, report))
        .filter_map(|code| i32::try_from(code).ok())
        .collect()
}
