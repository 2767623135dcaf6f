//! What this machine does now, for checks: processors, memory, what flows, temperatures, and since when it runs.

use super::patience;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use sysinfo::{Components, DiskRefreshKind, Disks, MINIMUM_CPU_UPDATE_INTERVAL, Networks, System};

/// Values younger than this are not read again: many checks look at the same time.
const FRESH: Duration = Duration::from_millis(900);
/// How long reading may take.
const LIMIT: Duration = Duration::from_secs(5);

/// Processors, load and memory.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Vitals {
    /// The use of all processors since the last look, in percent.
    pub cpu: f64,
    /// Processors, at least 1.
    pub cores: usize,
    /// The load over 1, 5 and 15 minutes.
    pub load: [f64; 3],
    /// What is not available to programs, in percent.
    pub memory: f64,
    /// The used swap space in percent; 0 when there is none.
    pub swap: f64,
}

/// What flowed through a device since the last look, in bytes a second.
#[derive(Clone, Debug, PartialEq)]
pub struct Flow {
    /// The disk or network interface.
    pub device: String,
    /// Read or received.
    pub inward: f64,
    /// Written or sent.
    pub outward: f64,
}

/// Disks and network interfaces.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Flows {
    /// Each disk once, however often it is mounted.
    pub disks: Vec<Flow>,
    /// Each interface except the loopback.
    pub nets: Vec<Flow>,
}

/// Remembers the counters from look to look. Cheap to clone; all clones share them.
#[derive(Clone, Default)]
pub struct Gauge(Arc<Counters>);

#[derive(Default)]
struct Counters {
    vitals: Mutex<Option<(System, Instant, Vitals)>>,
    flows: Mutex<Option<Stream>>,
}

struct Stream {
    disks: Disks,
    nets: Networks,
    at: Instant,
    last: Flows,
}

impl Gauge {
    /// Processors, load and memory; the first look takes a fifth of a second.
    ///
    /// # Errors
    /// A sentence that says why they cannot be read.
    pub async fn vitals(&self) -> Result<Vitals, String> {
        let counters = Arc::clone(&self.0);
        let read = patience::ask("the processors", LIMIT, move || {
            let mut held = counters
                .vitals
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            if let Some((_, at, vitals)) = &*held
                && at.elapsed() < FRESH
            {
                return Ok(*vitals);
            }
            let mut system = match held.take() {
                Some((system, _, _)) => system,
                None => {
                    let mut system = System::new()?;
                    system.refresh_cpu_usage();
                    std::thread::sleep(MINIMUM_CPU_UPDATE_INTERVAL);
                    system
                }
            };
            system.refresh_cpu_usage();
            system.refresh_memory();
            let load = System::load_average()?;
            let available = system.available_memory();
            let vitals = Vitals {
                cpu: f64::from(system.global_cpu_usage()),
                cores: system.cpus().len().max(1),
                load: [load.one, load.five, load.fifteen],
                memory: share(
                    system.total_memory().saturating_sub(available),
                    system.total_memory(),
                ),
                swap: share(system.used_swap(), system.total_swap()),
            };
            *held = Some((system, Instant::now(), vitals));
            Ok(vitals)
        });
        unwrap(read.await, "its processors and memory")
    }

    /// What flows through disks and network interfaces; the first look takes a fifth of a second.
    ///
    /// # Errors
    /// A sentence that says why it cannot be read.
    pub async fn flows(&self) -> Result<Flows, String> {
        let counters = Arc::clone(&self.0);
        let read = patience::ask("what flows", LIMIT, move || {
            let mut held = counters
                .flows
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            if let Some(stream) = &*held
                && stream.at.elapsed() < FRESH
            {
                return Ok(stream.last.clone());
            }
            let io = DiskRefreshKind::nothing().with_io_usage();
            let mut stream = match held.take() {
                Some(stream) => stream,
                None => {
                    let stream = Stream {
                        disks: Disks::new_with_refreshed_list_specifics(io)?,
                        nets: Networks::new_with_refreshed_list()?,
                        at: Instant::now(),
                        last: Flows::default(),
                    };
                    std::thread::sleep(MINIMUM_CPU_UPDATE_INTERVAL);
                    stream
                }
            };
            stream.disks.refresh_specifics(true, io);
            stream.nets.refresh(true);
            let seconds = stream.at.elapsed().as_secs_f64();
            stream.at = Instant::now();
            stream.last = stream.flows(seconds);
            let flows = stream.last.clone();
            *held = Some(stream);
            Ok(flows)
        });
        unwrap(read.await, "what its disks and networks do")
    }
}

impl Stream {
    #[expect(clippy::cast_precision_loss, reason = "a rate needs no more")]
    fn flows(&self, seconds: f64) -> Flows {
        let rate = |bytes: u64| bytes as f64 / seconds.max(0.001);
        let mut disks: Vec<Flow> = Vec::new();
        for disk in &self.disks {
            let path = disk.name().to_string_lossy();
            let device = path.trim_start_matches("/dev/").to_owned();
            if disks.iter().all(|known| known.device != device) {
                let usage = disk.usage();
                disks.push(Flow {
                    device,
                    inward: rate(usage.read_bytes),
                    outward: rate(usage.written_bytes),
                });
            }
        }
        let nets = self.nets.iter().filter(|(name, _)| *name != "lo");
        let nets = nets.map(|(name, data)| Flow {
            device: name.to_string_lossy().into_owned(),
            inward: rate(data.received()),
            outward: rate(data.transmitted()),
        });
        Flows {
            disks,
            nets: nets.collect(),
        }
    }
}

/// The label and degrees Celsius of each sensor.
///
/// # Errors
/// A sentence that says why they cannot be read.
pub async fn temperatures() -> Result<Vec<(String, f64)>, String> {
    let read = patience::ask("the sensors", LIMIT, || {
        let components = Components::new_with_refreshed_list()?;
        let found = components.iter().filter_map(|sensor| {
            let degrees = sensor.temperature().filter(|degrees| degrees.is_finite())?;
            Some((sensor.label().to_owned(), f64::from(degrees)))
        });
        Ok(found.collect())
    });
    unwrap(read.await, "its sensors")
}

/// A text that differs from start to start of this machine.
///
/// # Errors
/// A sentence that says why it cannot be read.
pub fn boot_id() -> Result<String, String> {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map(|id| id.trim().to_owned())
        .map_err(|error| format!("the system does not tell when it was started: {error}"))
}

fn unwrap<T>(read: Option<Result<T, sysinfo::Error>>, what: &str) -> Result<T, String> {
    match read {
        Some(Ok(value)) => Ok(value),
        Some(Err(error)) => Err(format!("the system does not tell {what}: {error}")),
        None => Err(format!("the system does not tell {what} in time")),
    }
}

#[expect(clippy::cast_precision_loss, reason = "a percentage needs no more")]
fn share(part: u64, all: u64) -> f64 {
    match all {
        0 => 0.0,
        all => part as f64 * 100.0 / all as f64,
    }
}
