//! Another machine, by the newest look that it wrote down: how much there is of something is not written down, how much of it
//! is used is.

use super::{
    DISKS, Mark, NAME_UNITS, cpu_line, disk_mark, heading, inodes_line, load_line, memory_share,
    network_line, swap_share, temperature_line, waits,
};
use crate::base::text::{bytes, escape, shorten};
use crate::base::time::{Millis, human};
use crate::config::{DISK_THRESHOLD, Device};
use crate::monitors::levels::Levels;
use crate::store::samples::Newest;
use std::path::Path;
use std::time::Duration;

/// A look that is older than this says how old it is.
const NEW: Duration = Duration::from_secs(60);

/// A disk as it was written down.
struct Disk {
    mark: Mark,
    percent: f64,
    lines: Vec<String>,
}

/// The machine in the order of the whole status, as far as it was written down.
#[must_use]
pub fn elsewhere(
    (host, cores): (&str, Option<usize>),
    newest: &Newest,
    (levels, devices): (&Levels, &[Device]),
    now: Millis,
) -> Vec<String> {
    let of = |name: &str| {
        let mut values = newest.values.iter();
        values.find(|(known, _)| known == name).map(|(_, is)| *is)
    };
    let uptime = of("uptime").and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let mut lines = vec![heading(host, uptime)];
    let age = now.since(newest.at);
    if age > NEW {
        lines.push(format!("🕓 As it was {} ago", human(age)));
    }
    lines.extend(of("cpu").map(|share| cpu_line(levels, share)));
    if let (Some(iowait), Some(steal)) = (of("cpu.iowait"), of("cpu.steal")) {
        lines.extend(waits(iowait, steal));
    }
    if let (Some(one), Some(five), Some(fifteen)) = (of("load1"), of("load5"), of("load15")) {
        lines.push(load_line(levels, [one, five, fifteen], cores));
    }
    lines.extend(of("memory").map(|share| memory_share(levels, share)));
    let swap = of("swap").filter(|share| *share > 0.0);
    lines.extend(swap.map(|share| swap_share(levels, share)));
    lines.extend(disks(newest, levels, devices));
    if let (Some(received), Some(sent)) = (of("net.rx"), of("net.tx")) {
        lines.push(network_line(levels, (received, sent)));
    }
    lines.extend(of("temperature").map(|celsius| temperature_line(levels, celsius)));
    lines
}

/// The disks; when they are many, those that need to be seen most.
fn disks(newest: &Newest, levels: &Levels, devices: &[Device]) -> Vec<String> {
    let of = |name: String| {
        let mut values = newest.values.iter();
        values.find(|(known, _)| *known == name).map(|(_, is)| *is)
    };
    let written = newest.values.iter();
    let mut disks: Vec<Disk> = written
        .filter_map(|(name, percent)| {
            let path = name.strip_prefix("disk:")?;
            let device = devices.iter().find(|device| device.path == Path::new(path));
            let name = device.map_or(path, |device| device.name.as_str());
            let name = escape(&shorten(name, NAME_UNITS));
            let threshold = device.map_or(DISK_THRESHOLD, |device| device.alert_threshold);
            let free = of(format!("free:{path}"));
            let mark = disk_mark(levels, path, threshold, (*percent, free));
            let room = free.map_or_else(String::new, |free| format!(" · {} free", whole(free)));
            let sign = mark.sign();
            let mut lines = vec![format!("{sign} {name} {:.0} %{room}", percent.ceil())];
            let inodes = of(format!("inodes:{path}"));
            lines.extend(inodes.and_then(|share| inodes_line(levels, (&name, path), share)));
            Some(Disk {
                mark,
                percent: *percent,
                lines,
            })
        })
        .collect();
    let left_out = disks.len().saturating_sub(DISKS);
    if left_out > 0 {
        disks.sort_by(|one, other| {
            let fuller = other.percent.total_cmp(&one.percent);
            other.mark.cmp(&one.mark).then(fuller)
        });
        disks.truncate(DISKS);
    }
    let mut lines: Vec<_> = disks.into_iter().flat_map(|disk| disk.lines).collect();
    if left_out > 0 {
        lines.push(format!("… and {left_out} more disks"));
    }
    lines
}

fn whole(amount: f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "bytes are no fractions and not negative"
    )]
    let whole = amount as u64;
    bytes(whole)
}
