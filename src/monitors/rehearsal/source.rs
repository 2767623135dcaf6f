//! Which series has what a check looks at, and what the check reads of it.

use super::Cannot;
use crate::base::alert::Reading;
use crate::base::time::Millis;
use crate::config::{Check, CheckKind, DiskMeasure, Limits, Probe};
use crate::drivers::host;
use crate::monitors::levels;
use crate::monitors::probe::Points;
use crate::monitors::state::Seen;
use crate::store::samples::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The kinds of checks that can be rehearsed.
pub const KINDS: [CheckKind; 7] = [
    CheckKind::Cpu,
    CheckKind::Load,
    CheckKind::Memory,
    CheckKind::Swap,
    CheckKind::Disk,
    CheckKind::Throughput,
    CheckKind::Temperature,
];

/// A series, and how a check reads it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Source {
    pub(super) series: String,
    pub(super) reads: Reads,
}

/// What of a series counts.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Reads {
    /// The values, divided by this.
    Share(f64),
    /// How long it takes until nothing is left.
    Left,
    /// The values; where there are none, nothing is wrong with that.
    IfAny,
}

/// Where a check's values are kept.
pub(super) async fn of(check: &Check, known: &BTreeSet<String>) -> Result<Source, Cannot> {
    let (series, reads) = match &check.probe {
        Probe::Throughput {
            device: Some(device),
            ..
        } => return Err(Cannot::Device(device.clone())),
        Probe::Temperature {
            sensor: Some(sensor),
        } => return Err(Cannot::Sensor(sensor.clone())),
        Probe::Disk { path, measure } => {
            let (what, reads) = match measure {
                DiskMeasure::Percent => ("disk", Reads::Share(1.0)),
                DiskMeasure::Free => ("free", Reads::Share(1.0)),
                DiskMeasure::Inodes => ("inodes", Reads::IfAny),
                DiskMeasure::FullIn => ("free", Reads::Left),
            };
            let disk = disk(path, known).await;
            let disk = disk.ok_or_else(|| Cannot::Disk(path.clone()))?;
            (format!("{what}:{}", disk.display()), reads)
        }
        other => {
            let series = levels::series(other).ok_or_else(|| Cannot::Kind(other.kind()))?;
            let cores = u32::try_from(host::cores()).map_or(1.0, f64::from);
            let divisor = match other {
                Probe::Load { per_core: true } => cores,
                _ => 1.0,
            };
            (series.to_owned(), Reads::Share(divisor))
        }
    };
    match known.contains(&series) {
        true => Ok(Source { series, reads }),
        false => Err(Cannot::Nothing),
    }
}

/// The path by which the disk that holds this one is sampled.
async fn disk(path: &Path, known: &BTreeSet<String>) -> Option<PathBuf> {
    let sampled: Vec<PathBuf> = known
        .iter()
        .filter_map(|name| name.strip_prefix("disk:").map(PathBuf::from))
        .collect();
    levels::disk(path, &sampled).await
}

/// What the check finds in a stretch of time: on the average, and at its worst.
pub(super) struct Found {
    pub(super) seen: Result<Seen, String>,
    pub(super) worst: Option<f64>,
}

impl Source {
    /// What a look at this moment finds; `before` is what earlier ones saw.
    pub(super) fn look(
        &self,
        value: Option<Value>,
        limits: &Limits,
        before: &mut Points,
        now: Millis,
    ) -> Found {
        let (value, worst) = match (&self.reads, value) {
            (Reads::IfAny, None) => (None, None),
            (Reads::Share(_) | Reads::Left, None) => {
                return Found {
                    seen: Err("it could not be read".to_owned()),
                    worst: None,
                };
            }
            (Reads::Left, Some(free)) => {
                let left = before.left(now, whole(free.avg));
                (left, left)
            }
            (Reads::Share(divisor), Some(found)) => (
                Some(found.avg / divisor),
                Some(worst(found, limits) / divisor),
            ),
            (Reads::IfAny, Some(found)) => (Some(found.avg), Some(worst(found, limits))),
        };
        let reading = Reading {
            value,
            unit: limits.unit,
            note: None,
            unreached: false,
        };
        Found {
            seen: Ok(Seen {
                reading,
                stated: None,
            }),
            worst,
        }
    }
}

fn worst(value: Value, limits: &Limits) -> f64 {
    match limits.rises {
        true => value.max,
        false => value.min,
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "bytes are no fractions and not negative"
)]
fn whole(bytes: f64) -> u64 {
    bytes as u64
}
