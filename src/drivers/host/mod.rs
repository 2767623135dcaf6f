//! The state of this machine: processor, load, memory, disks, network, temperature, uptime, and its processes.

mod counters;
mod disks;
mod gauge;
mod processes;
mod sampler;

pub use disks::{Disk, Inodes, MAX_DISKS, Mount, disk, holding};
pub use gauge::{Flow, Gauge, Vitals, kernel_name};
pub use processes::{Process, processes};
pub use sampler::Sampler;

use crate::base::time::Millis;
use nix::unistd::{SysconfVar, gethostname, sysconf};
use std::time::Duration;

/// What this machine is doing. What is a rate is `None` at the first look, since it needs an earlier one.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// When it was looked at.
    pub at: Millis,
    /// The machine's name; `unknown` when the system has none.
    pub host: String,
    /// The id of this start of the machine, another one after each; empty when the system tells none.
    pub boot: String,
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
    /// The paths asked for, in that order, then the disks that were found, [`MAX_DISKS`] at the most.
    pub disks: Vec<Mount>,
    /// What all disks together read and wrote since the last look.
    pub io: Option<Io>,
    /// What all network interfaces together received and sent since the last look; loopback is left out.
    pub net: Option<Net>,
    /// The hottest sensor, where there is one.
    pub temperature: Option<Temperature>,
}

/// How busy the processors were, in percent of their time.
#[derive(Clone, Debug, PartialEq)]
pub struct Cpu {
    /// All together, 0–100; waiting for disks does not count as busy.
    pub total: f64,
    /// Each by itself, 0–100.
    pub cores: Vec<f64>,
    /// Idle, with something waiting for a disk.
    pub iowait: f64,
    /// Taken by the machine's own host, where this one is virtual.
    pub steal: f64,
}

/// Main memory, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// All there is.
    pub total: u64,
    /// What programs and the system hold.
    pub used: u64,
    /// What programs may still get, caches included.
    pub available: u64,
}

/// Swap space, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Swap {
    /// All there is.
    pub total: u64,
    /// What is in use.
    pub used: u64,
}

/// Disk throughput, in bytes a second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Io {
    /// Read.
    pub read: f64,
    /// Written.
    pub written: f64,
}

/// Network throughput, in bytes a second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Net {
    /// Received.
    pub received: f64,
    /// Sent.
    pub sent: f64,
}

/// A temperature.
#[derive(Clone, Debug, PartialEq)]
pub struct Temperature {
    /// Degrees Celsius.
    pub celsius: f64,
    /// What the system calls the sensor.
    pub sensor: String,
}

impl Memory {
    /// What is used, in percent.
    #[must_use]
    pub fn percent(&self) -> f64 {
        share(self.used, self.total)
    }
}

impl Swap {
    /// What is used, in percent; 0 without swap space.
    #[must_use]
    pub fn percent(&self) -> f64 {
        share(self.used, self.total)
    }
}

/// Why the state of this machine cannot be told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("The system does not tell its {what}: {cause}.")]
pub struct Unreadable {
    what: &'static str,
    cause: String,
}

/// This machine's name, as files and other instances know it.
#[must_use]
pub fn name() -> String {
    let name = gethostname().ok().and_then(|name| name.into_string().ok());
    name.unwrap_or_else(|| "unknown".to_owned())
}

/// The id of this start of the machine, another one after each.
///
/// # Errors
/// A sentence that says why it cannot be told.
pub fn boot() -> Result<String, String> {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map(|id| id.trim().to_owned())
        .map_err(|error| format!("the system does not tell when it was started: {error}"))
}

fn unreadable<E: std::fmt::Display>(what: &'static str) -> impl FnOnce(E) -> Unreadable {
    move |error| Unreadable {
        what,
        cause: error.to_string(),
    }
}

/// Processors online, at least 1.
#[must_use]
pub fn cores() -> usize {
    let online = sysconf(SysconfVar::_NPROCESSORS_ONLN).ok().flatten();
    online
        .and_then(|count| usize::try_from(count).ok())
        .unwrap_or(1)
        .max(1)
}

/// `part` of `whole` in percent; 0 when there is nothing.
fn share(part: u64, whole: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "of no matter in a percentage")]
    let share = part as f64 / whole.max(1) as f64;
    share * 100.0
}
