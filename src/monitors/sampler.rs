//! Looks at this machine every 10 s: the newest look is kept in memory, all are written down.

use crate::base::time::Millis;
use crate::config::Live;
use crate::drivers::host::{self, MAX_DISKS, Sample, Unreadable};
use crate::store::samples::{self, Step};
use crate::store::{self, Store};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::timeout;

/// The time from one look to the next.
pub const EVERY: Duration = Duration::from_secs(10);
/// How long writing a look down may take; the next one waits for it.
const PATIENCE: Duration = Duration::from_secs(8);
/// Processors that are written down one by one; beyond them, only the busiest.
const MAX_CORES: usize = 32;

/// The newest look at this machine. Cheap to clone; all clones see the same.
#[derive(Clone)]
pub struct Samples(watch::Sender<Option<Arc<Sample>>>);

impl Default for Samples {
    fn default() -> Self {
        Self(watch::Sender::new(None))
    }
}

impl Samples {
    /// The newest look; `None` before the first.
    #[must_use]
    pub fn newest(&self) -> Option<Arc<Sample>> {
        self.0.borrow().clone()
    }

    /// To be told of each look.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<Option<Arc<Sample>>> {
        self.0.subscribe()
    }
}

/// Why a look was not taken or not written down.
#[derive(Debug, thiserror::Error)]
pub enum Missed {
    /// The system does not tell.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// It stands in memory, and the database refused it.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// It stands in memory, and the database did not answer in time.
    #[error("the database does not answer")]
    Late,
}

/// What looks at this machine.
pub struct Sampler {
    host: host::Sampler,
    store: Store,
    live: Live,
    samples: Samples,
    rolled: Option<Millis>,
    pruned: Option<Millis>,
}

impl Sampler {
    /// A sampler that has not looked yet. It tells `samples` of each look.
    ///
    /// # Errors
    /// [`Unreadable`] when the system cannot be asked.
    pub fn new(store: Store, live: Live, samples: Samples) -> Result<Self, Unreadable> {
        Ok(Self {
            host: host::Sampler::new()?,
            store,
            live,
            samples,
            rolled: None,
            pruned: None,
        })
    }

    /// Looks, keeps the look in memory, and writes it down with what it completes, in one commit.
    ///
    /// # Errors
    /// Why the look was not taken, or not written down; the next one makes up for what was not rolled up.
    pub async fn step(&mut self, now: Millis) -> Result<Arc<Sample>, Missed> {
        let paths: Vec<_> = {
            let config = self.live.current();
            let devices = config.monitored_devices.iter();
            devices.map(|device| device.path.clone()).collect()
        };
        let sample = Arc::new(self.host.look(now, &paths).await?);
        self.samples.0.send_replace(Some(Arc::clone(&sample)));
        match timeout(PATIENCE, self.write(&sample)).await {
            Ok(written) => written?,
            Err(_) => return Err(Missed::Late),
        }
        Ok(sample)
    }

    async fn write(&mut self, sample: &Sample) -> store::Result<()> {
        let now = sample.at;
        let (minute, quarter) = (
            Some(Step::Minute.start(now)),
            Some(Step::Quarter.start(now)),
        );
        let mut tx = self.store.begin().await?;
        samples::add(&mut tx, &sample.host, &sample.boot, now, &series(sample)).await?;
        if self.rolled != minute {
            samples::roll(&mut tx, &sample.host, now).await?;
        }
        if self.pruned != quarter {
            samples::prune(&mut tx, now).await?;
        }
        self.store.commit(tx).await?;
        (self.rolled, self.pruned) = (minute, quarter);
        Ok(())
    }
}

/// A look as series by name: `cpu`, `cpu.iowait`, `cpu.steal`, `cpu.core.0` …, `cpu.busiest`, `memory`, `swap` in percent;
/// `load1`, `load5`, `load15`; `io.read`, `io.write`, `net.rx`, `net.tx` in bytes a second; `temperature` in degrees Celsius;
/// `uptime` in seconds; `disk:/path` and `inodes:/path` in percent, `free:/path` in bytes.
#[must_use]
pub fn series(sample: &Sample) -> Vec<(String, f64)> {
    let mut all = Vec::new();
    let mut add = |name: &str, value: f64| all.push((name.to_owned(), value));
    if let Some(cpu) = &sample.cpu {
        add("cpu", cpu.total);
        add("cpu.iowait", cpu.iowait);
        add("cpu.steal", cpu.steal);
        add("cpu.busiest", cpu.cores.iter().copied().fold(0.0, f64::max));
    }
    let [one, five, fifteen] = sample.load;
    add("load1", one);
    add("load5", five);
    add("load15", fifteen);
    add("memory", sample.memory.percent());
    add("swap", sample.swap.percent());
    if let Some(io) = sample.io {
        add("io.read", io.read);
        add("io.write", io.written);
    }
    if let Some(net) = sample.net {
        add("net.rx", net.received);
        add("net.tx", net.sent);
    }
    if let Some(temperature) = &sample.temperature {
        add("temperature", temperature.celsius);
    }
    add("uptime", sample.uptime.as_secs_f64());
    for mount in sample.disks.iter().take(MAX_DISKS) {
        let path = mount.path.display();
        // A disk that does not answer keeps its place, so that the list of series stays the same.
        let disk = mount.disk.as_ref().ok();
        let of = |value: Option<f64>| value.unwrap_or(f64::NAN);
        add(&format!("disk:{path}"), of(disk.map(|disk| disk.share)));
        let inodes = disk.and_then(|disk| disk.inodes);
        add(
            &format!("inodes:{path}"),
            of(inodes.map(|inodes| inodes.percent())),
        );
        #[expect(clippy::cast_precision_loss, reason = "exact up to 9 PB")]
        let free = disk.map(|disk| disk.available as f64);
        add(&format!("free:{path}"), of(free));
    }
    let cores = sample.cpu.iter().flat_map(|cpu| &cpu.cores);
    for (number, core) in cores.enumerate().take(MAX_CORES) {
        add(&format!("cpu.core.{number}"), *core);
    }
    all
}

/// The time until the next look is due: at full ten seconds, so that each has its own.
#[must_use]
pub fn until_next(now: Millis) -> Duration {
    let every = i64::try_from(EVERY.as_millis()).unwrap_or(i64::MAX);
    let passed = u64::try_from(now.0.rem_euclid(every)).unwrap_or(0);
    EVERY - Duration::from_millis(passed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drivers::host::{Cpu, Disk, Mount};
    use std::collections::HashSet;
    use std::path::PathBuf;

    #[test]
    fn the_next_look_is_due_at_full_ten_seconds() {
        for (now, wait) in [
            (0, 10_000),
            (1, 9_999),
            (9_999, 1),
            (10_000, 10_000),
            (-1, 1),
        ] {
            assert_eq!(
                until_next(Millis(now)),
                Duration::from_millis(wait),
                "{now}"
            );
        }
    }

    #[tokio::test]
    async fn each_series_has_a_name_of_its_own_and_there_are_not_too_many() {
        let mut host = host::Sampler::new().unwrap();
        let mut sample = host.look(Millis(0), &[]).await.unwrap();
        sample.cpu = Some(Cpu {
            total: 50.0,
            cores: (0..64).map(f64::from).collect(),
            iowait: 1.0,
            steal: 2.0,
        });
        sample.disks = (0..20)
            .map(|n| Mount {
                path: PathBuf::from(format!("/disk{n}")),
                disk: match n {
                    0 => Err("gone".to_owned()),
                    _ => Ok(Disk {
                        total: 10,
                        used: 4,
                        available: 6,
                        percent: 40,
                        share: 40.0,
                        inodes: None,
                    }),
                },
            })
            .collect();
        let series = series(&sample);
        let names: HashSet<_> = series.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names.len(), series.len());
        let of = |name: &str| {
            series
                .iter()
                .find(|(known, _)| known == name)
                .map(|(_, v)| *v)
        };
        assert_eq!(of("cpu.busiest"), Some(63.0));
        assert_eq!((of("cpu.core.31"), of("cpu.core.32")), (Some(31.0), None));
        assert_eq!(
            (of("disk:/disk1"), of("free:/disk1")),
            (Some(40.0), Some(6.0))
        );
        assert!(of("disk:/disk0").unwrap().is_nan() && of("inodes:/disk1").unwrap().is_nan());
        assert_eq!(of(&format!("disk:/disk{MAX_DISKS}")), None);
    }
}
