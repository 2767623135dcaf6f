//! Looks at file systems, and how fast they fill.

use super::{Around, Found, number};
use crate::base::time::{Millis, human};
use crate::config::DiskMeasure;
use crate::drivers::host;
use crate::monitors::trend;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::Path;
use std::time::Duration;

/// Points are at least so far apart, and so many are kept: an hour.
const POINTS: (Duration, usize) = (Duration::from_secs(60), 60);
/// A slope needs at least so much time.
const SPAN: Duration = Duration::from_secs(600);
/// What fills later than this does not fill.
const FAR: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// What was free when, oldest first.
#[derive(Default, Serialize, Deserialize)]
pub(in crate::monitors) struct Points(Vec<(Millis, u64)>);

impl Points {
    fn add(&mut self, now: Millis, free: u64) {
        // A clock that was set back makes the newer ones worthless.
        self.0.retain(|(at, _)| *at < now);
        let due = self
            .0
            .last()
            .is_none_or(|(at, _)| now.since(*at) >= POINTS.0);
        if due {
            self.0.push((now, free));
        }
        let surplus = self.0.len().saturating_sub(POINTS.1);
        self.0.drain(..surplus);
    }

    /// How fast it fills, in bytes a second, by the line that fits best; `None` when too little is known.
    fn slope(&self) -> Option<f64> {
        let (first, last) = (self.0.first()?, self.0.last()?);
        if last.0.since(first.0) < SPAN {
            return None;
        }
        let points: Vec<(f64, f64)> = self
            .0
            .iter()
            .map(|(at, free)| (at.since(first.0).as_secs_f64(), number(*free)))
            .collect();
        trend::slope(&points).map(|slope| -slope)
    }

    /// Takes down what is free; then the seconds until nothing is, if it goes on like that. `None` when it does not fill.
    pub(in crate::monitors) fn left(&mut self, now: Millis, free: u64) -> Option<f64> {
        self.add(now, free);
        if free == 0 {
            return Some(0.0);
        }
        let slope = self.slope().filter(|slope| *slope > 0.0)?;
        let seconds = number(free) / slope;
        (seconds < FAR.as_secs_f64()).then_some(seconds)
    }
}

impl Around<'_> {
    pub(super) async fn disk(
        &self,
        path: &Path,
        measure: DiskMeasure,
        memory: &mut Value,
    ) -> Found {
        let disk = host::disk(path, self.check.timeout).await?;
        let shown = path.display();
        match measure {
            DiskMeasure::Percent => self.value(disk.share, Some(shown.to_string())),
            DiskMeasure::Free => self.value(number(disk.available), Some(shown.to_string())),
            DiskMeasure::Inodes => match disk.inodes {
                Some(inodes) => self.value(inodes.percent(), Some(format!("inodes of {shown}"))),
                None => self.well(format!("{shown} does not count inodes")),
            },
            DiskMeasure::FullIn => {
                let mut points: Points = serde_json::from_value(memory.take()).unwrap_or_default();
                let left = points.left(self.now, disk.available);
                *memory = serde_json::to_value(points).unwrap_or_default();
                match left {
                    Some(seconds) if disk.available == 0 => {
                        self.value(seconds, Some(format!("{shown} is full")))
                    }
                    Some(seconds) => {
                        let time = human(Duration::from_secs_f64(seconds));
                        self.value(
                            seconds,
                            Some(format!("{shown} is full in {time} if it goes on like that")),
                        )
                    }
                    None => self.well(format!("{shown} does not fill")),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_full_has_no_time_left() {
        let mut points = Points::default();
        assert_eq!(points.left(Millis(0), 0), Some(0.0));
        for minute in 1..100 {
            let left = points.left(Millis(minute * 60_000), 0);
            assert_eq!(left, Some(0.0), "it stays full: {minute}");
        }
    }

    #[test]
    fn the_slope_is_that_of_the_last_hour() {
        let minute = |n: i64| Millis(n * 60_000);
        let mut points = Points::default();
        for n in 0..10 {
            points.add(minute(n), 1_000_000);
        }
        assert_eq!(points.slope(), None, "too little is known");
        for n in 10..100 {
            points.add(minute(n), 1_000_000 - 6_000 * n.unsigned_abs());
            points.add(Millis(minute(n).0 + 1), 0);
        }
        assert_eq!(points.0.len(), 60);
        assert!((points.slope().unwrap() - 100.0).abs() < 1e-6);
        points.add(minute(50), 7);
        assert_eq!(
            points.0.last(),
            Some(&(minute(50), 7)),
            "the clock was set back"
        );
    }
}
