//! From where on what is measured of a machine counts as bad: the levels of the checks, by the series that they look at.

use crate::base::alert::Severity;
use crate::base::name::Name;
use crate::config::{Config, DiskMeasure, Flow, Limits, Probe};
use crate::drivers::host;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// A check that looks at a series, as far as it decides how bad a value is.
struct Level {
    check: Name,
    series: String,
    /// In the unit of the series.
    limits: Limits,
}

/// The levels of all checks that look at what is measured of a machine.
#[derive(Default)]
pub struct Levels {
    all: Vec<Level>,
    told: HashMap<Name, Severity>,
}

/// A machine, as far as levels depend on it.
#[derive(Clone, Copy, Debug)]
pub struct Machine<'a> {
    /// How many processors it has, if that is known: a load may be meant for each.
    pub cores: Option<usize>,
    /// The paths by which its disks are measured.
    pub disks: &'a [PathBuf],
    /// Whether it is this one, so that its file systems can be asked what they hold.
    pub is_here: bool,
}

impl Levels {
    /// The levels that this configuration sets for a machine. What looks at one device or sensor alone has none, since only
    /// all of them together are kept.
    pub async fn of(config: &Config, machine: Machine<'_>) -> Self {
        let mut all = Vec::new();
        for check in config.checks.values().filter(|check| check.limits.is_set()) {
            let (series, factor) = match &check.probe {
                Probe::Disk { path, measure } => {
                    let Some(what) = of_disk(*measure) else {
                        continue;
                    };
                    let Some(disk) = machine.disk(path).await else {
                        continue;
                    };
                    (format!("{what}:{}", disk.display()), 1.0)
                }
                Probe::Load { per_core: true } => {
                    let cores = machine.cores.and_then(|cores| u32::try_from(cores).ok());
                    let Some(cores) = cores else { continue };
                    ("load5".to_owned(), f64::from(cores))
                }
                other => match series(other) {
                    Some(series) => (series.to_owned(), 1.0),
                    None => continue,
                },
            };
            all.push(Level {
                check: check.name.clone(),
                series,
                limits: times(check.limits, factor),
            });
        }
        Self {
            all,
            told: HashMap::new(),
        }
    }

    /// The same where these checks are bad already: each stays so until its value is better than where that is over.
    #[must_use]
    pub fn while_told(self, told: HashMap<Name, Severity>) -> Self {
        Self { told, ..self }
    }

    /// Whether a check looks at the series.
    #[must_use]
    pub fn has(&self, series: &str) -> bool {
        self.on(series).next().is_some()
    }

    /// How bad the checks of the series find this value.
    #[must_use]
    pub fn judge(&self, series: &str, value: f64) -> Option<Severity> {
        let judged = self.on(series).map(|level| {
            let held = self.told.get(&level.check).copied();
            level.limits.judge(value, held)
        });
        judged.max().flatten()
    }

    /// The levels of these series, from the least to the greatest, each once; as the worse one where two are the same.
    #[must_use]
    pub fn values(&self, series: &[&str]) -> Vec<(f64, Severity)> {
        let shown = self
            .all
            .iter()
            .filter(|level| series.contains(&level.series.as_str()));
        let mut values: Vec<_> = shown
            .flat_map(|level| {
                [Severity::Critical, Severity::Warning].map(|one| (level.limits.of(one), one))
            })
            .filter_map(|(value, severity)| Some((value?, severity)))
            .collect();
        values.sort_by(|(one, bad), (other, worse)| one.total_cmp(other).then(worse.cmp(bad)));
        values.dedup_by_key(|(value, _)| value.to_bits());
        values
    }

    fn on<'a>(&'a self, series: &'a str) -> impl Iterator<Item = &'a Level> {
        self.all.iter().filter(move |level| level.series == series)
    }
}

/// The series that holds what is looked at, where that is the same on every machine; none for one device or sensor alone.
#[must_use]
pub(super) fn series(probe: &Probe) -> Option<&'static str> {
    Some(match probe {
        Probe::Cpu => "cpu",
        Probe::Load { .. } => "load5",
        Probe::Memory => "memory",
        Probe::Swap => "swap",
        Probe::Throughput { flow, device: None } => match flow {
            Flow::DiskRead => "io.read",
            Flow::DiskWrite => "io.write",
            Flow::NetIn => "net.rx",
            Flow::NetOut => "net.tx",
        },
        Probe::Temperature { sensor: None } => "temperature",
        _ => return None,
    })
}

/// What the series of a disk's measure begins with; none for how long it lasts, which is no series.
fn of_disk(measure: DiskMeasure) -> Option<&'static str> {
    match measure {
        DiskMeasure::Percent => Some("disk"),
        DiskMeasure::Free => Some("free"),
        DiskMeasure::Inodes => Some("inodes"),
        DiskMeasure::FullIn => None,
    }
}

/// The paths by which the disks that checks look at are measured.
pub(super) async fn disks(config: &Config, machine: Machine<'_>) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for check in config.checks.values() {
        if let Probe::Disk { path, .. } = &check.probe {
            found.extend(machine.disk(path).await);
        }
    }
    found
}

impl Machine<'_> {
    async fn disk(&self, path: &Path) -> Option<PathBuf> {
        match self.is_here {
            true => disk(path, self.disks).await,
            false => self.disks.iter().find(|disk| *disk == path).cloned(),
        }
    }
}

/// The path by which the disk that holds this one is measured here.
pub(super) async fn disk(path: &Path, measured: &[PathBuf]) -> Option<PathBuf> {
    match measured.iter().find(|measured| *measured == path) {
        Some(same) => Some(same.clone()),
        None if measured.is_empty() => None,
        None => host::holding(path, measured.to_vec()).await,
    }
}

fn times(limits: Limits, factor: f64) -> Limits {
    let times = |value: Option<f64>| value.map(|value| value * factor);
    Limits {
        warn: times(limits.warn),
        crit: times(limits.crit),
        clear_warn: times(limits.clear_warn),
        clear_crit: times(limits.clear_crit),
        ..limits
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Env, load};

    async fn levels(yaml: &str) -> Levels {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("opsgram.yaml");
        std::fs::write(&file, yaml).unwrap();
        let config = load(&file, &Env::default()).unwrap().config;
        let disks = ["/", "/data"].map(PathBuf::from);
        let machine = Machine {
            cores: Some(4),
            disks: &disks,
            is_here: false,
        };
        Levels::of(&config, machine).await
    }

    const WARNING: Severity = Severity::Warning;
    const CRITICAL: Severity = Severity::Critical;

    #[tokio::test]
    async fn an_empty_file_has_the_levels_of_the_default_checks() {
        let levels = levels("").await;
        assert_eq!(
            levels.values(&["memory"]),
            [(92.0, WARNING), (98.0, CRITICAL)]
        );
        assert_eq!(
            levels.values(&["disk:/"]),
            [(90.0, WARNING), (97.0, CRITICAL)]
        );
        // Four processors, and the default is meant for each.
        assert_eq!(
            levels.values(&["load5"]),
            [(16.0, WARNING), (32.0, CRITICAL)]
        );
        assert_eq!(levels.values(&["cpu", "disk:/data"]), []);
        assert!(levels.has("memory") && !levels.has("cpu"));
        assert_eq!(levels.judge("disk:/", 85.0), None);
        assert_eq!(levels.judge("disk:/", 90.0), Some(WARNING));
        assert_eq!(levels.judge("memory", 99.0), Some(CRITICAL));
        assert_eq!(levels.judge("load5", 15.9), None);
    }

    #[tokio::test]
    async fn each_level_is_there_once_and_belongs_to_what_its_check_looks_at() {
        let levels = levels(
            "monitored_devices: [{name: d, path: /data, alert_threshold: 70}]
checks:
  memory: false
  load: {per_core: false, warn: 3}
  one: {kind: disk, path: /data, warn: 70, crit: 90}
  free: {kind: disk, path: /data, measure: free, warn: 5GB}
  inodes: {kind: disk, path: /data, measure: inodes, crit: 50}
  elsewhere: {kind: disk, path: /moon, warn: 10}
  all-in: {kind: throughput, measure: net_in, warn: 50MB}
  one-in: {kind: throughput, measure: net_in, device: eth0, warn: 40MB}
  hot: {kind: temperature, sensor: core, warn: 60}
",
        )
        .await;
        // The device's own check is critical from 70 on, the written one only a warning.
        let data = [(65.0, WARNING), (70.0, CRITICAL), (90.0, CRITICAL)];
        assert_eq!(levels.values(&["disk:/data"]), data);
        assert_eq!(levels.judge("free:/data", 4e9), Some(WARNING));
        assert_eq!(levels.judge("free:/data", 6e9), None);
        assert_eq!(levels.values(&["inodes:/data"]), [(50.0, CRITICAL)]);
        assert_eq!(levels.values(&["load5"]), [(3.0, WARNING), (8.0, CRITICAL)]);
        assert_eq!(levels.values(&["net.rx", "net.tx"]), [(50e6, WARNING)]);
        let none: [(f64, Severity); 0] = [];
        assert_eq!(
            levels.values(&["memory", "temperature", "disk:/moon"]),
            none
        );
    }

    #[tokio::test]
    async fn what_was_told_is_bad_until_its_check_says_that_it_is_over() {
        let levels = levels("checks: {disk: {warn: 70}}").await;
        assert_eq!(levels.judge("disk:/", 68.0), None);
        let name = Name::new("disk").unwrap();
        let levels = levels.while_told(HashMap::from([(name, WARNING)]));
        assert_eq!(levels.judge("disk:/", 68.0), Some(WARNING));
        assert_eq!(levels.judge("disk:/", 67.0), None);
    }
}
