//! Looks at this machine again and again.

use super::disks::{MAX_DISKS, disks, mounted};
use super::gauge::Meter;
use super::{Flow, Io, Net, Sample, Unreadable, boot, name};
use crate::base::time::Millis;
use std::collections::HashSet;
use std::fs::read_to_string;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How long a file system may take to answer; a dead network disk never does.
const DISK_PATIENCE: Duration = Duration::from_secs(2);
/// How long the list of disks is taken for the same.
const LIST_ANEW: Duration = Duration::from_secs(60);

/// Looks at this machine. A look costs about a millisecond of processor time.
pub struct Sampler {
    meter: Meter,
    mounts: Vec<PathBuf>,
    listed: Option<Instant>,
}

impl Sampler {
    /// A sampler that has not looked yet.
    ///
    /// # Errors
    /// [`Unreadable`] when the system cannot be asked.
    pub fn new() -> Result<Self, Unreadable> {
        Ok(Self {
            meter: Meter::new()?,
            mounts: Vec::new(),
            listed: None,
        })
    }

    /// Looks at this machine now, and at the file systems that hold these paths. It takes two seconds when one of them does
    /// not answer, and no longer. Rates are those since the last look; if that was
    /// less than a fifth of a second ago, they are told once more.
    ///
    /// # Errors
    /// [`Unreadable`] when the system itself cannot be asked; a disk's failure stands in its entry.
    pub async fn look(&mut self, at: Millis, paths: &[PathBuf]) -> Result<Sample, Unreadable> {
        if self
            .listed
            .is_none_or(|listed| listed.elapsed() >= LIST_ANEW)
        {
            self.mounts = mounted(&read_to_string("/proc/self/mountinfo").unwrap_or_default());
            self.listed = Some(Instant::now());
        }
        let vitals = self.meter.read()?;
        let all = |flows: Vec<Flow>| {
            let counted = flows.iter().filter(|flow| flow.counts);
            counted.fold((0.0, 0.0), |(inward, outward), flow| {
                (inward + flow.inward, outward + flow.outward)
            })
        };
        let sensors = vitals.sensors.into_iter();
        Ok(Sample {
            at,
            host: name(),
            boot: boot().unwrap_or_default(),
            uptime: vitals.uptime,
            cores: vitals.cores,
            cpu: vitals.cpu,
            load: vitals.load,
            memory: vitals.memory,
            swap: vitals.swap,
            disks: disks(self.paths(paths), DISK_PATIENCE).await,
            io: vitals
                .disks
                .map(all)
                .map(|(read, written)| Io { read, written }),
            net: vitals
                .nets
                .map(all)
                .map(|(received, sent)| Net { received, sent }),
            temperature: sensors.max_by(|a, b| a.celsius.total_cmp(&b.celsius)),
        })
    }

    /// The paths asked for, then the disks that were found, each once.
    fn paths(&self, asked: &[PathBuf]) -> impl Iterator<Item = PathBuf> {
        let mut known = HashSet::new();
        let mut all: Vec<PathBuf> = asked.iter().chain(&self.mounts).cloned().collect();
        all.retain(|path| known.insert(path.clone()));
        all.truncate(MAX_DISKS.max(asked.len()));
        all.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::super::gauge::SHORTEST;
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
}
