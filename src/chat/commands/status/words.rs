//! A look at the machine in words: short lines that a phone shows without wrapping, each with its mark.

use crate::base::text::{bytes, escape, shorten};
use crate::base::time::human;
use crate::config::{DISK_THRESHOLD, Device};
use crate::drivers::host::{Disk, Mount, Sample};
use std::cmp::Reverse;

/// From this share of the processor on, its line is marked.
const CPU_MARK: f64 = 90.0;
/// From this share of the time that processors wait for disks, or are taken by the host, it is told.
const WAITING_MARK: f64 = 10.0;
/// From this share of the memory on, its line is marked.
const MEMORY_MARK: f64 = 90.0;
/// From this share of the room for files on, it is told.
const INODES_MARK: f64 = 80.0;
/// A disk so many points below its threshold is marked as close to it.
const CLOSE: u8 = 5;
/// The most disks of the whole status; the others are counted.
const DISKS: usize = 5;
/// The most processors that are told one by one.
const CORES: usize = 16;
/// The longest name of a disk or a sensor, in UTF-16 units.
const NAME_UNITS: usize = 24;

/// The machine's name, and how long it is up.
pub fn title(sample: &Sample) -> String {
    format!(
        "🖥 <b>{}</b> · up {}",
        escape(&sample.host),
        human(sample.uptime)
    )
}

/// How busy the processor is, and what it waits for when that is much; nothing at a first look.
pub fn cpu(sample: &Sample) -> Vec<String> {
    let Some(cpu) = &sample.cpu else {
        return Vec::new();
    };
    let mut lines = vec![format!(
        "{} CPU {:.0} %",
        mark(cpu.total >= CPU_MARK),
        cpu.total
    )];
    if cpu.iowait >= WAITING_MARK {
        lines.push(format!("🟡 Waiting for disks {:.0} %", cpu.iowait));
    }
    if cpu.steal >= WAITING_MARK {
        lines.push(format!("🟡 Taken by the host {:.0} %", cpu.steal));
    }
    lines
}

/// The same with all there is, each processor included.
pub fn cpu_closely(sample: &Sample) -> Vec<String> {
    let Some(cpu) = &sample.cpu else {
        return vec!["How busy the CPU is shows in a few seconds.".to_owned()];
    };
    let mut lines = vec![
        format!("{} CPU {:.0} %", mark(cpu.total >= CPU_MARK), cpu.total),
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
pub fn load(sample: &Sample) -> String {
    let [one, five, fifteen] = sample.load;
    let cores = match sample.cores {
        1 => "one core".to_owned(),
        many => format!("{many} cores"),
    };
    let count = u32::try_from(sample.cores).unwrap_or(u32::MAX);
    let mark = mark(five > f64::from(count));
    format!("{mark} Load {one:.2} · {five:.2} · {fifteen:.2} on {cores}")
}

/// Memory, and swap if it is in use.
pub fn memory(sample: &Sample) -> Vec<String> {
    let mut lines = vec![memory_line(sample)];
    if sample.swap.used > 0 {
        lines.push(swap_line(sample));
    }
    lines
}

/// Memory and swap with all there is.
pub fn memory_closely(sample: &Sample) -> Vec<String> {
    let swap = match sample.swap.total {
        0 => "There is no swap.".to_owned(),
        _ => swap_line(sample),
    };
    let available = format!("Programs may still get {}.", bytes(sample.memory.available));
    vec![memory_line(sample), available, swap]
}

fn memory_line(sample: &Sample) -> String {
    let share = sample.memory.percent();
    format!(
        "{} Memory {share:.0} % · {} of {}",
        mark(share >= MEMORY_MARK),
        bytes(sample.memory.used),
        bytes(sample.memory.total)
    )
}

fn swap_line(sample: &Sample) -> String {
    format!(
        "🟢 Swap {:.0} % · {} of {}",
        sample.swap.percent(),
        bytes(sample.swap.used),
        bytes(sample.swap.total)
    )
}

/// A disk, what it is called, and from which share on it is too full.
struct Named<'a> {
    name: String,
    threshold: u8,
    mount: &'a Mount,
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
pub fn disks(devices: &[Device], sample: &Sample) -> Vec<String> {
    let mut disks = named(devices, sample);
    let left_out = disks.len().saturating_sub(DISKS);
    if left_out > 0 {
        let room = |disk: &Named<'_>| match &disk.mount.disk {
            Ok(is) => i16::from(is.percent) - i16::from(disk.threshold),
            Err(_) => i16::MAX,
        };
        disks.sort_by_key(|disk| Reverse(room(disk)));
        disks.truncate(DISKS);
    }
    let mut lines: Vec<_> = disks.iter().flat_map(disk_lines).collect();
    if left_out > 0 {
        lines.push(format!("… and {left_out} more: /status du"));
    }
    lines
}

/// All disks, their room for files included, and what they read and write.
pub fn disks_closely(devices: &[Device], sample: &Sample) -> Vec<String> {
    let mut lines: Vec<_> = named(devices, sample).iter().flat_map(disk_lines).collect();
    if let Some(io) = sample.io {
        lines.push(format!(
            "All disks: {} read, {} written",
            rate(io.read),
            rate(io.written)
        ));
    }
    lines
}

fn disk_lines(disk: &Named<'_>) -> Vec<String> {
    let name = escape(&shorten(&disk.name, NAME_UNITS));
    match &disk.mount.disk {
        Ok(is) => {
            let mut lines = vec![format!(
                "{} {name} {} % · {} free of {}",
                disk_mark(is.percent, disk.threshold),
                is.percent,
                bytes(is.available),
                bytes(is.total)
            )];
            lines.extend(inodes_line(&name, is));
            lines
        }
        Err(why) => vec![format!("🔴 {name} cannot be read: {}", escape(why))],
    }
}

/// The room for files, when there is little left.
fn inodes_line(name: &str, disk: &Disk) -> Option<String> {
    let share = disk.inodes?.percent();
    let mark = match share {
        _ if share < INODES_MARK => return None,
        90.0.. => "🔴",
        _ => "🟡",
    };
    Some(format!(
        "{mark} {name} holds {share:.0} % of the files it can"
    ))
}

fn disk_mark(used: u8, threshold: u8) -> &'static str {
    match used {
        _ if used >= threshold => "🔴",
        _ if used + CLOSE >= threshold => "🟡",
        _ => "🟢",
    }
}

/// What was received and sent; nothing at a first look.
pub fn network(sample: &Sample) -> Option<String> {
    let net = sample.net?;
    Some(format!(
        "🌐 ↓ {} · ↑ {}",
        rate(net.received),
        rate(net.sent)
    ))
}

/// The same in words.
pub fn network_closely(sample: &Sample) -> String {
    match sample.net {
        Some(net) => format!(
            "🌐 {} received, {} sent",
            rate(net.received),
            rate(net.sent)
        ),
        None => "What the network carries shows in a few seconds.".to_owned(),
    }
}

/// The hottest sensor, where there is one.
pub fn temperature(sample: &Sample) -> Option<String> {
    let hottest = sample.temperature.as_ref()?;
    Some(format!(
        "🌡 {:.0} °C · {}",
        hottest.celsius,
        escape(&shorten(&hottest.sensor, NAME_UNITS))
    ))
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

fn mark(bad: bool) -> &'static str {
    if bad { "🔴" } else { "🟢" }
}

#[cfg(test)]
mod tests;
