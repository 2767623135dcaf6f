//! A look at the machine in words: short lines that a phone shows without wrapping, each with its mark.

mod elsewhere;

use crate::base::alert::Severity;
use crate::base::text::{bytes, escape, shorten};
use crate::base::time::human;
use crate::chat::alerts::mark;
use crate::config::{DISK_THRESHOLD, Device};
use crate::drivers::host::{Disk, Mount, Sample};
use crate::monitors::levels::Levels;
use std::cmp::Reverse;
use std::time::Duration;

pub use elsewhere::elsewhere;

/// Where no check looks, its line is marked from this share of the processor on.
const CPU_MARK: f64 = 90.0;
/// The same of the memory.
const MEMORY_MARK: f64 = 90.0;
/// From this share of the time that processors wait for disks, or are taken by the host, it is told.
const WAITING_MARK: f64 = 10.0;
/// From this share of the room for files on, it is told, and where no check looks, marked.
const INODES_MARK: f64 = 80.0;
/// From this share on, it is marked as full there.
const INODES_FULL: f64 = 90.0;
/// Where no check looks, a disk so many points below its threshold is marked as close to it.
const CLOSE: f64 = 5.0;
/// The most disks of the whole status; the others are counted.
const DISKS: usize = 5;
/// The most processors that are told one by one.
const CORES: usize = 16;
/// The longest name of a disk or a sensor, in UTF-16 units.
const NAME_UNITS: usize = 24;

/// How a line is marked: like the incident that its check would make, or, where no check looks, by what is usual.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Mark {
    Well,
    Close,
    Warning,
    Critical,
}

impl Mark {
    /// By the checks of this series, or, where there are none, whether it is bad.
    fn of(levels: &Levels, (series, value): (&str, f64), else_bad: bool) -> Self {
        match levels.has(series) {
            true => Self::judged(levels, series, value),
            false if else_bad => Mark::Critical,
            false => Mark::Well,
        }
    }

    /// By the checks of this series alone.
    fn judged(levels: &Levels, series: &str, value: f64) -> Self {
        match levels.judge(series, value) {
            Some(Severity::Critical) => Mark::Critical,
            Some(Severity::Warning) => Mark::Warning,
            None => Mark::Well,
        }
    }

    fn sign(self) -> &'static str {
        match self {
            Mark::Well => "🟢",
            Mark::Close => "🟡",
            Mark::Warning => mark(Severity::Warning),
            Mark::Critical => mark(Severity::Critical),
        }
    }

    /// Before a line that has a sign of its own: only when something is wrong.
    fn before(self, line: String) -> String {
        match self {
            Mark::Well | Mark::Close => line,
            Mark::Warning | Mark::Critical => format!("{} {line}", self.sign()),
        }
    }
}

/// The machine's name, and how long it is up.
pub fn title(sample: &Sample) -> String {
    heading(&sample.host, Some(sample.uptime))
}

fn heading(host: &str, uptime: Option<Duration>) -> String {
    let up = uptime.map_or_else(String::new, |uptime| format!(" · up {}", human(uptime)));
    format!("🖥 <b>{}</b>{up}", escape(host))
}

/// How busy the processor is, and what it waits for when that is much; nothing at a first look.
pub fn cpu(levels: &Levels, sample: &Sample) -> Vec<String> {
    let Some(cpu) = &sample.cpu else {
        return Vec::new();
    };
    let mut lines = vec![cpu_line(levels, cpu.total)];
    lines.extend(waits(cpu.iowait, cpu.steal));
    lines
}

fn cpu_line(levels: &Levels, share: f64) -> String {
    let mark = Mark::of(levels, ("cpu", share), share >= CPU_MARK).sign();
    format!("{mark} CPU {share:.0} %")
}

/// What the processors wait for, when that is much.
fn waits(iowait: f64, steal: f64) -> Vec<String> {
    let mut lines = Vec::new();
    if iowait >= WAITING_MARK {
        lines.push(format!("🟡 Waiting for disks {iowait:.0} %"));
    }
    if steal >= WAITING_MARK {
        lines.push(format!("🟡 Taken by the host {steal:.0} %"));
    }
    lines
}

/// The same with all there is, each processor included.
pub fn cpu_closely(levels: &Levels, sample: &Sample) -> Vec<String> {
    let Some(cpu) = &sample.cpu else {
        return vec!["How busy the CPU is shows in a few seconds.".to_owned()];
    };
    let mut lines = vec![
        cpu_line(levels, cpu.total),
        format!(
            "{} Waiting for disks {:.1} % · taken by the host {:.1} %",
            match cpu.iowait.max(cpu.steal) >= WAITING_MARK {
                true => "🟡",
                false => "🟢",
            },
            cpu.iowait,
            cpu.steal
        ),
    ];
    if cpu.cores.len() > 1 {
        let shown = cpu.cores.iter().take(CORES);
        let mut cores: Vec<_> = shown.map(|core| format!("{core:.0}")).collect();
        if cpu.cores.len() > CORES {
            cores.push("…".to_owned());
        }
        lines.push(format!("Each core, %: {}", cores.join(" · ")));
    }
    lines
}

/// The load averages.
pub fn load(levels: &Levels, sample: &Sample) -> String {
    load_line(levels, sample.load, Some(sample.cores))
}

fn load_line(levels: &Levels, [one, five, fifteen]: [f64; 3], cores: Option<usize>) -> String {
    let on = match cores {
        Some(1) => " on one core".to_owned(),
        Some(many) => format!(" on {many} cores"),
        None => String::new(),
    };
    let count = cores.and_then(|cores| u32::try_from(cores).ok());
    let is_much = count.is_some_and(|count| five > f64::from(count));
    let mark = Mark::of(levels, ("load5", five), is_much).sign();
    format!("{mark} Load {one:.2} · {five:.2} · {fifteen:.2}{on}")
}

/// Memory, and swap if it is in use.
pub fn memory(levels: &Levels, sample: &Sample) -> Vec<String> {
    let mut lines = vec![memory_line(levels, sample)];
    if sample.swap.used > 0 {
        lines.push(swap_line(levels, sample));
    }
    lines
}

/// Memory and swap with all there is.
pub fn memory_closely(levels: &Levels, sample: &Sample) -> Vec<String> {
    let swap = match sample.swap.total {
        0 => "There is no swap.".to_owned(),
        _ => swap_line(levels, sample),
    };
    let available = format!("Programs may still get {}.", bytes(sample.memory.available));
    vec![memory_line(levels, sample), available, swap]
}

fn memory_line(levels: &Levels, sample: &Sample) -> String {
    let memory = &sample.memory;
    let share = memory_share(levels, memory.percent());
    format!(
        "{share} · {} of {}",
        bytes(memory.used),
        bytes(memory.total)
    )
}

fn memory_share(levels: &Levels, share: f64) -> String {
    let mark = Mark::of(levels, ("memory", share), share >= MEMORY_MARK).sign();
    format!("{mark} Memory {share:.0} %")
}

fn swap_line(levels: &Levels, sample: &Sample) -> String {
    let swap = &sample.swap;
    let share = swap_share(levels, swap.percent());
    format!("{share} · {} of {}", bytes(swap.used), bytes(swap.total))
}

fn swap_share(levels: &Levels, share: f64) -> String {
    let mark = Mark::of(levels, ("swap", share), false).sign();
    format!("{mark} Swap {share:.0} %")
}

/// A disk, what it is called, and from which share on it is too full where no check says that.
struct Named<'a> {
    name: String,
    threshold: u8,
    mount: &'a Mount,
}

impl Named<'_> {
    /// How it is marked, and how far it is beyond its threshold; the greatest needs to be seen most.
    fn need(&self, levels: &Levels) -> (Mark, i16) {
        match &self.mount.disk {
            Ok(is) => (
                self.mark(levels, is),
                i16::from(is.percent) - i16::from(self.threshold),
            ),
            Err(_) => (Mark::Critical, i16::MAX),
        }
    }

    fn mark(&self, levels: &Levels, is: &Disk) -> Mark {
        let path = self.mount.path.display().to_string();
        #[expect(clippy::cast_precision_loss, reason = "exact up to 9 PB")]
        let free = is.available as f64;
        disk_mark(levels, &path, self.threshold, (is.share, Some(free)))
    }
}

/// By the checks of how full it is and of what is free; where there are none, by the threshold.
fn disk_mark(
    levels: &Levels,
    path: &str,
    threshold: u8,
    (share, free): (f64, Option<f64>),
) -> Mark {
    let (used, left) = (format!("disk:{path}"), format!("free:{path}"));
    if levels.has(&used) || levels.has(&left) {
        let free = free.map_or(Mark::Well, |free| Mark::judged(levels, &left, free));
        return Mark::judged(levels, &used, share).max(free);
    }
    // What is shown is rounded up, and the mark goes by what is shown.
    match share.ceil() {
        used if used >= f64::from(threshold) => Mark::Critical,
        used if used + CLOSE >= f64::from(threshold) => Mark::Close,
        _ => Mark::Well,
    }
}

/// The disks of the configuration in their order; without any, those that were found.
fn named<'a>(devices: &[Device], sample: &'a Sample) -> Vec<Named<'a>> {
    if devices.is_empty() {
        let found = |mount: &'a Mount| Named {
            name: mount.path.display().to_string(),
            threshold: DISK_THRESHOLD,
            mount,
        };
        return sample.disks.iter().map(found).collect();
    }
    let seen = |device: &Device| {
        let mount = sample
            .disks
            .iter()
            .find(|mount| mount.path == device.path)?;
        Some(Named {
            name: device.name.clone(),
            threshold: device.alert_threshold,
            mount,
        })
    };
    devices.iter().filter_map(seen).collect()
}

/// The disks; when they are many, those that are nearest to being too full.
pub fn disks(levels: &Levels, devices: &[Device], sample: &Sample) -> Vec<String> {
    let mut disks = named(devices, sample);
    let left_out = disks.len().saturating_sub(DISKS);
    if left_out > 0 {
        disks.sort_by_key(|disk| Reverse(disk.need(levels)));
        disks.truncate(DISKS);
    }
    let mut lines: Vec<_> = disks
        .iter()
        .flat_map(|disk| disk_lines(levels, disk))
        .collect();
    if left_out > 0 {
        lines.push(format!("… and {left_out} more: /status du"));
    }
    lines
}

/// All disks, their room for files included, and what they read and write.
pub fn disks_closely(levels: &Levels, devices: &[Device], sample: &Sample) -> Vec<String> {
    let disks = named(devices, sample);
    let mut lines: Vec<_> = disks
        .iter()
        .flat_map(|disk| disk_lines(levels, disk))
        .collect();
    if let Some(io) = sample.io {
        let (read, written) = (
            Mark::judged(levels, "io.read", io.read),
            Mark::judged(levels, "io.write", io.written),
        );
        lines.push(read.max(written).before(format!(
            "All disks: {} read, {} written",
            rate(io.read),
            rate(io.written)
        )));
    }
    lines
}

fn disk_lines(levels: &Levels, disk: &Named<'_>) -> Vec<String> {
    let name = escape(&shorten(&disk.name, NAME_UNITS));
    match &disk.mount.disk {
        Ok(is) => {
            let mut lines = vec![format!(
                "{} {name} {} % · {} free of {}",
                disk.mark(levels, is).sign(),
                is.percent,
                bytes(is.available),
                bytes(is.total)
            )];
            let path = disk.mount.path.display().to_string();
            let inodes = is.inodes.map(|inodes| inodes.percent());
            lines.extend(inodes.and_then(|share| inodes_line(levels, (&name, &path), share)));
            lines
        }
        Err(why) => vec![format!("🔴 {name} cannot be read: {}", escape(why))],
    }
}

/// The room for files, when there is little left, or a check finds so.
fn inodes_line(levels: &Levels, (name, path): (&str, &str), share: f64) -> Option<String> {
    let series = format!("inodes:{path}");
    let mark = match levels.has(&series) {
        true => Mark::judged(levels, &series, share),
        false if share >= INODES_FULL => Mark::Critical,
        false if share >= INODES_MARK => Mark::Close,
        false => Mark::Well,
    };
    let is_told = mark > Mark::Well || share >= INODES_MARK;
    is_told.then(|| {
        let sign = mark.sign();
        format!("{sign} {name} holds {share:.0} % of the files it can")
    })
}

/// What was received and sent; nothing at a first look.
pub fn network(levels: &Levels, sample: &Sample) -> Option<String> {
    let net = sample.net?;
    Some(network_line(levels, (net.received, net.sent)))
}

fn network_line(levels: &Levels, (received, sent): (f64, f64)) -> String {
    let line = format!("🌐 ↓ {} · ↑ {}", rate(received), rate(sent));
    network_mark(levels, (received, sent)).before(line)
}

fn network_mark(levels: &Levels, (received, sent): (f64, f64)) -> Mark {
    Mark::judged(levels, "net.rx", received).max(Mark::judged(levels, "net.tx", sent))
}

/// The same in words.
pub fn network_closely(levels: &Levels, sample: &Sample) -> String {
    match sample.net {
        Some(net) => network_mark(levels, (net.received, net.sent)).before(format!(
            "🌐 {} received, {} sent",
            rate(net.received),
            rate(net.sent)
        )),
        None => "What the network carries shows in a few seconds.".to_owned(),
    }
}

/// The hottest sensor, where there is one.
pub fn temperature(levels: &Levels, sample: &Sample) -> Option<String> {
    let hottest = sample.temperature.as_ref()?;
    let line = temperature_line(levels, hottest.celsius);
    let sensor = escape(&shorten(&hottest.sensor, NAME_UNITS));
    Some(format!("{line} · {sensor}"))
}

fn temperature_line(levels: &Levels, celsius: f64) -> String {
    Mark::judged(levels, "temperature", celsius).before(format!("🌡 {celsius:.0} °C"))
}

fn rate(bytes_a_second: f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rate is never negative, and shown with two digits"
    )]
    let whole = bytes_a_second.round() as u64;
    format!("{}/s", bytes(whole))
}

#[cfg(test)]
mod tests;
