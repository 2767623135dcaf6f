//! Where the disks of a day stand and go, by the samples.

use super::voice::Disk;
use crate::base::time::Millis;
use crate::config::Config;
use crate::monitors::trend;
use crate::store::samples::{self, Newest, Point};
use crate::store::{self, Connection};
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
/// A machine whose newest look is older than this is not told.
const FRESH: Duration = HOUR;
/// By so much of the past a disk's future is told.
const PAST: Duration = Duration::from_secs(7 * 24 * 3600);
/// Less of it says nothing: a night or a day off is no trend.
const LEAST: Duration = Duration::from_secs(2 * 24 * 3600);
/// What fills later than this is no news.
const FAR: Duration = Duration::from_secs(60 * 24 * 3600);
/// From here on a disk is told in any case, in percent.
const HIGH: f64 = 80.0;
/// A change of a day is told from here on, in percent of the disk.
const MUCH: f64 = 1.0;

/// The disks of all machines that are worth telling: the first to be full first, then the fullest.
pub(super) async fn worth_telling(
    db: &mut Connection,
    config: &Config,
    now: Millis,
) -> store::Result<Vec<Disk>> {
    let mut machines = Vec::new();
    for host in samples::hosts(db).await? {
        let newest = samples::newest(db, &host, now).await?;
        if let Some(newest) = newest.filter(|newest| now.since(newest.at) <= FRESH) {
            machines.push((host, newest));
        }
    }
    let several = machines.len() > 1;
    let mut all = Vec::new();
    for (host, newest) in machines {
        let paths: Vec<&str> = newest
            .values
            .iter()
            .filter_map(|(name, _)| name.strip_prefix("disk:"))
            .collect();
        let series: Vec<String> = paths
            .iter()
            .flat_map(|path| [format!("disk:{path}"), format!("free:{path}")])
            .collect();
        let series: Vec<&str> = series.iter().map(String::as_str).collect();
        let points = samples::window(db, &host, &series, now.minus(PAST), now).await?;
        for (place, path) in paths.iter().enumerate() {
            let Some(is) = standing(&newest, path) else {
                continue;
            };
            let past: Vec<Past> = points.iter().filter_map(|at| past(at, place)).collect();
            let named = config.monitored_devices.iter();
            let named = named.filter(|one| one.path.to_str() == Some(path));
            let name = named.map(|one| one.name.as_str()).next().unwrap_or(path);
            let host = several.then(|| host.clone());
            all.extend(judge((host, name), is, &past, now));
        }
    }
    all.sort_by(|a, b| {
        let far = |disk: &Disk| disk.full_in.unwrap_or(Duration::MAX);
        far(a)
            .cmp(&far(b))
            .then_with(|| b.percent.total_cmp(&a.percent))
    });
    Ok(all)
}

/// A disk at some time: how full in percent, and how many bytes are free.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Past {
    at: Millis,
    percent: f64,
    free: f64,
}

fn standing(newest: &Newest, path: &str) -> Option<Past> {
    let of = |name: String| {
        let found = newest.values.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| *value)
    };
    Some(Past {
        at: newest.at,
        percent: of(format!("disk:{path}"))?,
        free: of(format!("free:{path}"))?,
    })
}

fn past(point: &Point, place: usize) -> Option<Past> {
    let of = |place: usize| Some(point.values.get(place).copied().flatten()?.avg);
    Some(Past {
        at: point.at,
        percent: of(2 * place)?,
        free: of(2 * place + 1)?,
    })
}

/// What is to be told of a disk; `None` when that is nothing.
fn judge(
    (host, name): (Option<String>, &str),
    is: Past,
    past: &[Past],
    now: Millis,
) -> Option<Disk> {
    let yesterday = now.minus(DAY);
    let before = past
        .iter()
        .rev()
        .find(|one| one.at <= yesterday)
        .filter(|one| yesterday.since(one.at) <= HOUR);
    let more = before.map_or(0.0, |before| is.percent - before.percent);
    // Whoever has just made room knows; the week before says nothing of the weeks to come.
    let full_in = full_in(is, past).filter(|_| more > -MUCH);
    let tell = is.percent >= HIGH || more.abs() >= MUCH || full_in.is_some();
    tell.then(|| Disk {
        host,
        name: name.to_owned(),
        percent: is.percent,
        more: before.map(|before| before.free - is.free),
        full_in,
    })
}

/// When it is full if it goes on as in the past, within [`FAR`].
fn full_in(is: Past, past: &[Past]) -> Option<Duration> {
    let first = past.first()?.at;
    if is.at.since(first) < LEAST || is.free <= 0.0 {
        return None;
    }
    let points: Vec<(f64, f64)> = past
        .iter()
        .map(|one| (one.at.since(first).as_secs_f64(), one.free))
        .collect();
    let fills = -trend::slope(&points)?;
    let left = Duration::try_from_secs_f64(is.free / fills).ok()?;
    (fills > 0.0 && left <= FAR).then_some(left)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GB: f64 = 1e9;

    fn hour(n: u64) -> Millis {
        Millis(0).plus(HOUR * u32::try_from(n).unwrap())
    }

    /// A disk of 100 GB, told each hour by how many GB were used then.
    fn told(hours: u64, used: impl Fn(u64) -> f64) -> Option<Disk> {
        let at = |n: u64| Past {
            at: hour(n),
            percent: used(n),
            free: (100.0 - used(n)) * GB,
        };
        let past: Vec<Past> = (0..hours).map(at).collect();
        judge((None, "/"), at(hours), &past, hour(hours))
    }

    #[expect(clippy::cast_precision_loss, reason = "a few hours")]
    fn days(n: u64) -> f64 {
        n as f64 / 24.0
    }

    #[test]
    fn a_disk_is_told_when_it_fills_is_full_or_changed() {
        assert_eq!(told(168, |_| 50.0), None, "nothing happens");
        assert_eq!(told(168, |n| 50.0 + 0.5 * days(n)), None, "in 93 days");
        let fills = told(168, |n| 50.0 + 0.9 * days(n)).unwrap();
        assert_eq!((fills.percent * 10.0).round(), 563.0);
        assert_eq!((fills.more.unwrap() / GB * 10.0).round(), 9.0);
        assert_eq!(fills.full_in.unwrap().as_secs() / 86400, 48);
        let high = told(168, |_| 85.0).unwrap();
        assert_eq!((high.more, high.full_in), (Some(0.0), None));
        let jumped = told(168, |n| if n > 150 { 60.0 } else { 20.0 }).unwrap();
        assert_eq!((jumped.more.unwrap() / GB).round(), 40.0);
    }

    #[test]
    fn what_is_not_known_is_not_told() {
        let new = told(30, |n| 50.0 + 2.0 * days(n)).unwrap();
        assert_eq!(new.full_in, None, "a day says nothing of the weeks to come");
        assert!(new.more.is_some());
        let newer = told(5, |_| 90.0).unwrap();
        assert_eq!((newer.more, newer.full_in), (None, None));
        assert_eq!(judge((None, "/"), at_zero(), &[], Millis(0)), None);
    }

    fn at_zero() -> Past {
        Past {
            at: Millis(0),
            percent: 10.0,
            free: 90.0 * GB,
        }
    }

    #[test]
    fn who_made_room_or_has_none_left_is_not_told_when_it_is_full() {
        let freed = told(168, |n| {
            20.0 + 9.0 * days(n) - if n > 160 { 40.0 } else { 0.0 }
        })
        .unwrap();
        assert!(freed.more.unwrap() < 0.0);
        assert_eq!(freed.full_in, None);
        let full = told(168, |n| (30.0 + 12.0 * days(n)).min(100.0)).unwrap();
        assert_eq!((full.percent, full.full_in), (100.0, None));
    }
}
