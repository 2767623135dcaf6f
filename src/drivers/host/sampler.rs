//! Looks at this machine again and again, and keeps between two looks what rates are counted from.

use super::counters::{Counts, Ticks, disk_bytes, net_bytes, rates};
use super::disks::{Asked, MAX_DISKS, mounted};
use super::{Cpu, Io, Memory, Net, Sample, Swap, Temperature, Unreadable, cores, name, unreadable};
use crate::base::time::Millis;
use std::collections::HashSet;
use std::fs::read_to_string;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use sysinfo::{Components, System};

/// How long a file system may take to answer; a dead network disk never does.
const DISK_PATIENCE: Duration = Duration::from_secs(2);
/// How long the list of disks and sensors is taken for the same.
const LIST_ANEW: Duration = Duration::from_secs(60);
/// Less time than this between two looks says nothing of how busy the machine is.
const SHORTEST: Duration = sysinfo::MINIMUM_CPU_UPDATE_INTERVAL;

/// Looks at this machine. A look costs about a millisecond of processor time.
pub struct Sampler {
    system: System,
    sensors: Option<Components>,
    mounts: Vec<PathBuf>,
    listed: Option<Instant>,
    before: Option<Before>,
    rates: Rates,
}

/// What was counted between two looks.
type Rates = (Option<Cpu>, Option<Io>, Option<Net>);

/// What was counted at the last look.
struct Before {
    at: Instant,
    ticks: Option<Ticks>,
    disks: Counts,
    net: Counts,
}

impl Sampler {
    /// A sampler that has not looked yet.
    ///
    /// # Errors
    /// [`Unreadable`] when the system cannot be asked.
    pub fn new() -> Result<Self, Unreadable> {
        Ok(Self {
            system: System::new().map_err(unreadable("state"))?,
            sensors: None,
            mounts: Vec::new(),
            listed: None,
            before: None,
            rates: (None, None, None),
        })
    }

    /// Looks at this machine now, and at the file systems that hold these paths. It takes two seconds when one of them does
    /// not answer, and no longer. Rates are those since the last look; if that was
    /// less than a fifth of a second ago, they are told once more.
    ///
    /// # Errors
    /// [`Unreadable`] when the system itself cannot be asked; a disk's failure stands in its entry.
    pub async fn look(&mut self, at: Millis, paths: &[PathBuf]) -> Result<Sample, Unreadable> {
        let until = tokio::time::Instant::now() + DISK_PATIENCE;
        if self
            .listed
            .is_none_or(|listed| listed.elapsed() >= LIST_ANEW)
        {
            self.list();
        }
        let asked = Asked::all(self.paths(paths));
        self.system.refresh_memory();
        let load = System::load_average().map_err(unreadable("load"))?;
        let uptime = System::uptime().map_err(unreadable("uptime"))?;
        let (cpu, io, net) = self.rates();
        let (total, available) = (self.system.total_memory(), self.system.available_memory());
        let temperature = self.temperature();
        Ok(Sample {
            at,
            host: name(),
            boot: boot(),
            uptime: Duration::from_secs(uptime),
            cores: cores(),
            cpu,
            load: [load.one, load.five, load.fifteen],
            memory: Memory {
                total,
                used: total.saturating_sub(available),
                available,
            },
            swap: Swap {
                total: self.system.total_swap(),
                used: self.system.used_swap(),
            },
            disks: asked.answers(until).await,
            io,
            net,
            temperature,
        })
    }

    /// Finds disks and sensors.
    fn list(&mut self) {
        self.mounts = mounted(&read_to_string("/proc/self/mountinfo").unwrap_or_default());
        self.sensors = Components::new_with_refreshed_list().ok();
        self.listed = Some(Instant::now());
    }

    /// The paths asked for, then the disks that were found, each once.
    fn paths(&self, asked: &[PathBuf]) -> impl Iterator<Item = PathBuf> {
        let mut known = HashSet::new();
        let mut all: Vec<PathBuf> = asked.iter().chain(&self.mounts).cloned().collect();
        all.retain(|path| known.insert(path.clone()));
        all.truncate(MAX_DISKS.max(asked.len()));
        all.into_iter()
    }

    fn rates(&mut self) -> Rates {
        let passed = self.before.as_ref().map(|before| before.at.elapsed());
        if passed.is_some_and(|passed| passed < SHORTEST) {
            return self.rates.clone();
        }
        let now = Before {
            at: Instant::now(),
            ticks: read_to_string("/proc/stat")
                .ok()
                .and_then(|stat| Ticks::read(&stat)),
            disks: disk_bytes(
                &read_to_string("/proc/diskstats").unwrap_or_default(),
                is_whole,
            ),
            net: net_bytes(&read_to_string("/proc/net/dev").unwrap_or_default()),
        };
        self.system.refresh_cpu_usage();
        let rates = self.before.as_ref().map_or((None, None, None), |before| {
            let seconds = now.at.duration_since(before.at).as_secs_f64();
            let waiting = now.ticks.zip(before.ticks);
            let cpu = waiting.and_then(|(now, before)| now.since(before));
            let (read, written) = rates(&now.disks, &before.disks, seconds);
            let (received, sent) = rates(&now.net, &before.net, seconds);
            (
                cpu.map(|(iowait, steal)| self.cpu(iowait, steal)),
                Some(Io { read, written }),
                Some(Net { received, sent }),
            )
        });
        self.before = Some(now);
        self.rates.clone_from(&rates);
        rates
    }

    fn cpu(&self, iowait: f64, steal: f64) -> Cpu {
        let percent = |value: f32| f64::from(value).clamp(0.0, 100.0);
        let cores = self.system.cpus();
        Cpu {
            total: percent(self.system.global_cpu_usage()),
            cores: cores.iter().map(|core| percent(core.usage())).collect(),
            iowait,
            steal,
        }
    }

    fn temperature(&mut self) -> Option<Temperature> {
        let sensors = self.sensors.as_mut()?;
        let read = sensors.iter_mut().filter_map(|sensor| {
            sensor.refresh();
            let celsius = f64::from(sensor.temperature()?);
            // A sensor that is not connected often reads as far below or above.
            let plausible = (-50.0..=150.0).contains(&celsius) && celsius != 0.0;
            plausible.then(|| Temperature {
                celsius,
                sensor: sensor.label().trim().to_owned(),
            })
        });
        read.max_by(|a, b| a.celsius.total_cmp(&b.celsius))
    }
}

/// Whether a block device is a disk and no partition of one.
fn is_whole(name: &str) -> bool {
    Path::new("/sys/block").join(name).exists()
}

fn boot() -> String {
    let id = read_to_string("/proc/sys/kernel/random/boot_id");
    id.unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Child, Command, Stdio};

    #[tokio::test]
    async fn a_look_says_what_the_system_says() {
        let mut sampler = Sampler::new().unwrap();
        let paths = [PathBuf::from("/dev"), PathBuf::from("/no/such/path")];
        let sample = sampler.look(Millis(7), &paths).await.unwrap();
        let memory = read_to_string("/proc/meminfo").unwrap();
        let total = memory
            .lines()
            .find_map(|line| line.strip_prefix("MemTotal:"));
        let kib: u64 = total
            .and_then(|line| line.trim().strip_suffix(" kB"))
            .unwrap()
            .parse()
            .unwrap();
        assert_eq!(sample.memory.total, kib * 1024);
        assert_eq!(
            sample.memory.used + sample.memory.available,
            sample.memory.total
        );
        assert!(sample.swap.used <= sample.swap.total);
        assert!(sample.cores >= 1 && sample.uptime > Duration::ZERO);
        assert!(sample.load.iter().all(|load| *load >= 0.0));
        assert_eq!((sample.at, sample.boot.len()), (Millis(7), 36));
        assert_eq!(sample.host, name());
        // Nothing to compare with yet.
        assert_eq!(
            (&sample.cpu, &sample.io, &sample.net),
            (&None, &None, &None)
        );
        let found: Vec<_> = sample
            .disks
            .iter()
            .map(|mount| mount.path.clone())
            .collect();
        assert_eq!(found[..2], paths);
        assert!(found[2..].contains(&PathBuf::from("/")), "{found:?}");
        assert!(sample.disks[1].disk.is_err());
    }

    /// A program that does nothing but count.
    struct Burner(Child);

    impl Burner {
        fn start() -> Self {
            let mut command = Command::new("sh");
            command
                .args(["-c", "while :; do :; done"])
                .stdin(Stdio::null());
            Self(command.spawn().unwrap())
        }
    }

    impl Drop for Burner {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    #[tokio::test]
    async fn a_program_that_burns_the_processor_is_seen() {
        let mut sampler = Sampler::new().unwrap();
        sampler.look(Millis(0), &[]).await.unwrap();
        let _burner = Burner::start();
        let begun = Instant::now();
        loop {
            // The pace of looking; what is waited for is that it shows.
            tokio::time::sleep(SHORTEST * 2).await;
            let sample = sampler.look(Millis(0), &[]).await.unwrap();
            let cpu = sample.cpu.unwrap();
            assert!((0.0..=100.0).contains(&cpu.total) && cpu.cores.len() == sample.cores);
            assert!(sample.io.is_some() && sample.net.is_some());
            let busiest = cpu.cores.iter().copied().fold(0.0, f64::max);
            if busiest > 80.0 && cpu.total * sample.cores as f64 > 80.0 {
                return;
            }
            assert!(begun.elapsed() < Duration::from_secs(40), "{cpu:?}");
        }
    }

    #[tokio::test]
    async fn a_look_soon_after_another_tells_the_same_rates() {
        let mut sampler = Sampler::new().unwrap();
        sampler.look(Millis(0), &[]).await.unwrap();
        let io = Io {
            read: 7.0,
            written: 8.0,
        };
        sampler.rates = (None, Some(io), None);
        sampler.before.as_mut().unwrap().at = Instant::now() + Duration::from_secs(60);
        let sample = sampler.look(Millis(0), &[]).await.unwrap();
        assert_eq!((sample.cpu, sample.io, sample.net), (None, Some(io), None));
    }
}
