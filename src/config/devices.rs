//! The list `monitored_devices`: disks whose use is watched.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::fault::Report;
use super::map::Map;
use super::read::{absolute, is_plain, text};
use super::tree::Node;

/// A disk that is watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// What it is called in answers; unique.
    pub name: String,
    /// Any path on it, absolute.
    pub path: PathBuf,
    /// The use, in percent, from which it counts as too full; 0–100.
    pub alert_threshold: u8,
}

/// The use, in percent, from which a disk counts as too full where nothing is said.
pub const THRESHOLD: u8 = 80;

pub(super) fn read(root: &mut Map<'_>, base: &Path, report: &mut Report) -> Vec<Device> {
    let mut devices = Vec::new();
    let mut names = BTreeSet::new();
    for (index, node) in root.list("monitored_devices", report).iter().enumerate() {
        let path = format!("monitored_devices[{index}]");
        let Some(mut map) = Map::open(node, path, report) else {
            continue;
        };
        let name = map.required("name", report);
        let path = map.required("path", report);
        let threshold = match map.get("alert_threshold") {
            Some(node) => threshold(node, &map.name("alert_threshold"), report),
            None => Some(THRESHOLD),
        };
        if let (Some(name), Some(at)) = (name, map.get("name").map(|node| &node.at))
            && !names.insert(name)
        {
            report.fault(
                at,
                format!("the device `{name}` is already listed; give each its own name"),
            );
        }
        map.finish(report);
        if let (Some(name), Some(path), Some(alert_threshold)) = (name, path, threshold) {
            let path = absolute(base, path);
            let name = name.to_owned();
            devices.push(Device {
                name,
                path,
                alert_threshold,
            });
        }
    }
    devices
}

/// A percentage. A fraction is rounded down, so that the alert comes no later than asked.
fn threshold(node: &Node, name: &str, report: &mut Report) -> Option<u8> {
    let written = text(node, name, report)?;
    let whole = match written.split_once('.') {
        Some((whole, fraction)) if fraction.chars().all(|c| c.is_ascii_digit()) => {
            if fraction.contains(|c| c != '0') {
                report.warn(
                    &node.at,
                    format!("`{name}` is `{written}`; it is taken as {whole}"),
                );
                if whole == "100" {
                    report.fault(
                        &node.at,
                        format!("`{name}` is `{written}`; write a percentage from 0 to 100"),
                    );
                }
            }
            whole
        }
        _ => written,
    };
    let percent = whole.parse().ok().filter(|_| is_plain(node));
    let percent = percent.filter(|percent| *percent <= 100);
    if percent.is_none() {
        report.fault(&node.at, format!("`{name}` is `{written}`; write a percentage from 0 to 100, without a sign or quotes"));
    }
    percent
}
