//! What this machine does, apart from the room on its disks: processors, load, memory, what flows, temperatures.

use super::counters::{Counts, Ticks, disk_bytes, flows, is_disk, is_net, net_bytes};
use super::{Cpu, Memory, Swap, Temperature, Unreadable, cores, unreadable};
use crate::drivers::patience;
use std::fs::read_to_string;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use sysinfo::{Components, System};

/// Less time than this between two looks says nothing of how busy the machine is.
pub(super) const SHORTEST: Duration = sysinfo::MINIMUM_CPU_UPDATE_INTERVAL;
/// How long the list of sensors is taken for the same.
const LIST_ANEW: Duration = Duration::from_secs(60);
/// What a [`Gauge`] read so recently is not read again: many checks look at the same time.
const FRESH: Duration = Duration::from_millis(900);
/// How long a [`Gauge`] may take to read.
const LIMIT: Duration = Duration::from_secs(5);

/// What this machine does. What is a rate is `None` at the first look, since it needs an earlier one.
#[derive(Clone, Debug, PartialEq)]
pub struct Vitals {
    /// Since the machine started.
    pub uptime: Duration,
    /// Processors online, at least 1.
    pub cores: usize,
    /// How busy the processors were since the last look.
    pub cpu: Option<Cpu>,
    /// Load averages over 1, 5 and 15 minutes.
    pub load: [f64; 3],
    /// Memory; "used" is what is not available to programs.
    pub memory: Memory,
    /// Swap space; all zero when there is none.
    pub swap: Swap,
    /// What was read and written since the last look, by block device.
    pub disks: Option<Vec<Flow>>,
    /// What was received and sent since the last look, by network interface; loopback is left out.
    pub nets: Option<Vec<Flow>>,
    /// The temperature at each sensor.
    pub sensors: Vec<Temperature>,
}

/// What flowed through a device since the last look, in bytes a second.
#[derive(Clone, Debug, PartialEq)]
pub struct Flow {
    /// The block device or network interface, as the kernel calls it.
    pub device: String,
    /// Read or received.
    pub inward: f64,
    /// Written or sent.
    pub outward: f64,
    /// Whether it counts when all are added up; partitions and bridges do not, since others show the same bytes.
    pub counts: bool,
}

/// Reads, and keeps between two looks what rates are counted from.
pub(super) struct Meter {
    system: System,
    sensors: Option<Components>,
    listed: Option<Instant>,
    before: Option<Before>,
    rates: Rates,
}

/// What was counted between two looks.
type Rates = (Option<Cpu>, Option<Vec<Flow>>, Option<Vec<Flow>>);

/// What was counted at the last look.
struct Before {
    at: Instant,
    ticks: Option<Ticks>,
    disks: Counts,
    net: Counts,
}

impl Meter {
    /// One that has not looked yet.
    pub fn new() -> Result<Self, Unreadable> {
        Ok(Self {
            system: System::new().map_err(unreadable("state"))?,
            sensors: None,
            listed: None,
            before: None,
            rates: (None, None, None),
        })
    }

    /// Reads everything. Rates are those since the last look; if that was less than [`SHORTEST`] ago, they are told once more.
    pub fn read(&mut self) -> Result<Vitals, Unreadable> {
        self.system.refresh_memory();
        let load = System::load_average().map_err(unreadable("load"))?;
        let uptime = System::uptime().map_err(unreadable("uptime"))?;
        let (cpu, disks, nets) = self.rates();
        let (total, available) = (self.system.total_memory(), self.system.available_memory());
        Ok(Vitals {
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
            disks,
            nets,
            sensors: self.temperatures(),
        })
    }

    fn rates(&mut self) -> Rates {
        let passed = self.before.as_ref().map(|before| before.at.elapsed());
        if passed.is_some_and(|passed| passed < SHORTEST) {
            return self.rates.clone();
        }
        let text = |path: &str| read_to_string(path).unwrap_or_default();
        let now = Before {
            at: Instant::now(),
            ticks: Ticks::read(&text("/proc/stat")),
            disks: disk_bytes(&text("/proc/diskstats")),
            net: net_bytes(&text("/proc/net/dev")),
        };
        self.system.refresh_cpu_usage();
        let rates = self.before.as_ref().map_or((None, None, None), |before| {
            let seconds = now.at.duration_since(before.at).as_secs_f64();
            let waiting = now.ticks.zip(before.ticks);
            let cpu = waiting.and_then(|(now, before)| now.since(before));
            let is_disk = |name: &str| is_disk(name, is_whole);
            (
                cpu.map(|(iowait, steal)| self.cpu(iowait, steal)),
                Some(flows(&now.disks, &before.disks, seconds, is_disk)),
                Some(flows(&now.net, &before.net, seconds, is_net)),
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

    fn temperatures(&mut self) -> Vec<Temperature> {
        if self
            .listed
            .is_none_or(|listed| listed.elapsed() >= LIST_ANEW)
        {
            self.sensors = Components::new_with_refreshed_list().ok();
            self.listed = Some(Instant::now());
        }
        let sensors = self.sensors.iter_mut().flat_map(|list| list.iter_mut());
        let read = sensors.filter_map(|sensor| {
            sensor.refresh();
            let celsius = f64::from(sensor.temperature()?);
            // A sensor that is not connected often reads as far below or above.
            let plausible = (-50.0..=150.0).contains(&celsius) && celsius != 0.0;
            plausible.then(|| Temperature {
                celsius,
                sensor: sensor.label().trim().to_owned(),
            })
        });
        read.collect()
    }
}

/// Whether a block device is a disk and no partition of one.
fn is_whole(name: &str) -> bool {
    Path::new("/sys/block").join(name).exists()
}

/// What the kernel calls a block device that has other names under `/dev`, too, such as `mapper/root`.
#[must_use]
pub fn kernel_name(device: &str) -> String {
    let real = Path::new("/dev").join(device).canonicalize().ok();
    let name = real.as_deref().and_then(Path::file_name);
    name.map_or_else(
        || device.to_owned(),
        |name| name.to_string_lossy().into_owned(),
    )
}

/// Reads for many who ask when they like. Its rates are those since it was last asked. Cheap to clone; all clones are one.
#[derive(Clone, Default)]
pub struct Gauge(Arc<Mutex<Option<Read>>>);

struct Read {
    meter: Meter,
    at: Instant,
    vitals: Vitals,
}

impl Gauge {
    /// What this machine does, not older than a second; the first look takes a fifth of a second.
    ///
    /// # Errors
    /// A sentence that says why it cannot be read.
    pub async fn vitals(&self) -> Result<Vitals, String> {
        let held = Arc::clone(&self.0);
        let read = patience::ask("this machine", LIMIT, move || {
            let mut held = held.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(read) = &*held
                && read.at.elapsed() < FRESH
            {
                return Ok(read.vitals.clone());
            }
            let mut meter = match held.take() {
                Some(read) => read.meter,
                None => {
                    let mut meter = Meter::new()?;
                    meter.read()?;
                    std::thread::sleep(SHORTEST);
                    meter
                }
            };
            let vitals = meter.read()?;
            *held = Some(Read {
                meter,
                at: Instant::now(),
                vitals: vitals.clone(),
            });
            Ok(vitals)
        });
        match read.await {
            Some(read) => read.map_err(|error: Unreadable| error.to_string()),
            None => Err("the system does not tell in time what it does".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_soon_after_another_tells_the_same_rates() {
        let mut meter = Meter::new().unwrap();
        meter.read().unwrap();
        let flow = Flow {
            device: "vda".to_owned(),
            inward: 7.0,
            outward: 8.0,
            counts: true,
        };
        meter.rates = (None, Some(vec![flow.clone()]), None);
        meter.before.as_mut().unwrap().at = Instant::now() + LIST_ANEW;
        let vitals = meter.read().unwrap();
        assert_eq!(
            (vitals.cpu, vitals.disks, vitals.nets),
            (None, Some(vec![flow]), None)
        );
    }

    #[tokio::test]
    async fn whoever_asks_first_gets_rates_and_the_next_the_same() {
        let gauge = Gauge::default();
        let first = gauge.vitals().await.unwrap();
        assert!(first.cpu.is_some() && first.nets.is_some());
        // A slow machine may let a second pass; then it is read again.
        let again = gauge.clone().vitals().await.unwrap();
        let age = gauge.0.lock().unwrap().as_ref().unwrap().at.elapsed();
        assert!(again == first || age < FRESH);
        let dev = read_to_string("/proc/net/dev").unwrap();
        for flow in first.nets.unwrap() {
            assert!(dev.contains(&format!("{}:", flow.device)) && flow.device != "lo");
        }
    }

    #[test]
    fn a_device_is_known_by_its_links() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("dm-0"), "").unwrap();
        let link = dir.path().join("root");
        std::os::unix::fs::symlink("dm-0", &link).unwrap();
        assert_eq!(kernel_name(link.to_str().unwrap()), "dm-0");
        assert_eq!(kernel_name("no-such-device"), "no-such-device");
    }
}
