//! What is watched without being named: this machine, the disks of `monitored_devices`, and the product itself.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::super::fault::{At, Report};
use super::super::tree::{self, Entry, Node, Value};
use super::{Around, Check};
use crate::base::name::{MAX_LEN, Name};
use crate::config::{Config, DiskMeasure, Probe, asks_github};

/// Cautious: what they tell is worth being woken for.
const DEFAULTS: &str = "
disk: {kind: disk, path: /, warn: 90, crit: 97, for: 5m}
data-disk: {kind: disk, path: /, warn: 90, crit: 97, for: 5m}
memory: {kind: memory, warn: 92, crit: 98, for: 5m}
load: {kind: load, per_core: true, warn: 4, crit: 8, for: 15m}
reboot: {kind: reboot}
units: {kind: unit, for: 5m}
opsgram-lost-jobs: {kind: opsgram, measure: lost_jobs}
opsgram-backlog: {kind: opsgram, measure: backlog}
opsgram-undelivered: {kind: opsgram, measure: undelivered}
opsgram-reload: {kind: opsgram, measure: reload}
opsgram-lateness: {kind: opsgram, measure: lateness}
opsgram-port: {kind: opsgram, measure: port}
opsgram-github: {kind: opsgram, measure: github}
opsgram-heartbeat: {kind: opsgram, measure: heartbeat}
";
const DISK: &str = "disk";
const DATA_DISK: &str = "data-disk";
const UNITS: &str = "units";
const PORT: &str = "opsgram-port";
const GITHUB: &str = "opsgram-github";
const HEARTBEAT: &str = "opsgram-heartbeat";
/// A disk is told of so many points below its threshold, as a warning.
const BELOW: u8 = 5;
/// Where systemd shows that it runs.
const SYSTEMD: &str = "/run/systemd/system";

/// The checks that there are by themselves, by name, as if they were written; and those of them that this machine needs
/// only if somebody writes them.
pub(super) fn entries(around: &Around<'_>) -> (BTreeMap<String, Node>, BTreeSet<&'static str>) {
    let mut entries: BTreeMap<String, Node> = all().into_iter().collect();
    let mut unneeded = BTreeSet::new();
    if device(existing(around.data_dir)) == device(Path::new("/")) {
        unneeded.insert(DATA_DISK);
    }
    if let Some(node) = entries.get_mut(DATA_DISK) {
        set(node, "path", &around.data_dir.display().to_string());
    }
    if !Path::new(SYSTEMD).is_dir() {
        unneeded.insert(UNITS);
    }
    if !around.listens {
        unneeded.insert(PORT);
    }
    if !around.asks_github {
        unneeded.insert(GITHUB);
    }
    if !around.has_heartbeat {
        unneeded.insert(HEARTBEAT);
    }
    let mut devices = BTreeMap::new();
    for listed in around.devices {
        let crit = listed.alert_threshold;
        let mut node = Node::empty_map(At::File);
        set(&mut node, "kind", "disk");
        set(&mut node, "path", &listed.path.display().to_string());
        set(&mut node, "crit", &crit.to_string());
        if crit > BELOW {
            set(&mut node, "warn", &(crit - BELOW).to_string());
        }
        devices.insert(free_name(&listed.name, &entries, &devices), node);
        if listed.path == Path::new("/") {
            unneeded.insert(DISK);
        } else if listed.path == around.data_dir {
            unneeded.insert(DATA_DISK);
        }
    }
    entries.extend(devices);
    (entries, unneeded)
}

/// Takes away the default disks that a written check watches.
pub(super) fn drop_covered(defaults: &mut BTreeMap<String, Node>, checks: &BTreeMap<Name, Check>) {
    if watches(checks, Path::new("/")) {
        defaults.remove(DISK);
    }
}

/// Whether a check that is in `one` is not in `other`, or otherwise there, because of something else that differs: the disks,
/// the port, the heartbeat, what follows GitHub.
pub(in crate::config) fn comes_along(check: &Check, one: &Config, other: &Config) -> bool {
    let missing = !other.checks.contains_key(&check.name);
    match (check.name.as_str(), &check.probe) {
        (PORT, _) => missing && other.http.listen.is_none(),
        (GITHUB, _) => missing && !asks_github(&other.schedules, &other.scripts),
        (HEARTBEAT, _) => missing && other.alerts.heartbeat_url.is_none(),
        (DISK | DATA_DISK, Probe::Disk { path, .. }) if missing => watches(&other.checks, path),
        (_, Probe::Disk { path, .. }) => {
            let listed = |config: &Config| {
                let mut devices = config.monitored_devices.iter();
                devices.find(|device| device.path == *path).cloned()
            };
            listed(one) != listed(other)
        }
        _ => false,
    }
}

/// Whether one of the checks watches how much room this disk has. How fast it fills, or its inodes, is another matter.
fn watches(checks: &BTreeMap<Name, Check>, wanted: &Path) -> bool {
    checks.values().any(|check| match &check.probe {
        Probe::Disk { path, measure } => {
            path == wanted && matches!(measure, DiskMeasure::Percent | DiskMeasure::Free)
        }
        _ => false,
    })
}

/// What is written, and the rest of the default; only the former when it names a kind of its own.
pub(super) fn merged(written: &Node, default: Node, at: &At) -> Node {
    let (Value::Map(own), Value::Map(rest)) = (&written.value, default.value) else {
        return written.clone();
    };
    let has = |key: &str| own.iter().any(|entry| entry.key == key);
    if has("kind") {
        return written.clone();
    }
    let limits = ["warn", "crit"];
    let own_limits = limits.iter().any(|key| has(key));
    let rest = rest.into_iter().filter(|entry| {
        let replaced = has(&entry.key);
        // One threshold of one's own may stand beside the other only if that makes sense; both of them are replaced.
        let limit = own_limits && limits.contains(&entry.key.as_str()) && !fits(own, entry);
        !replaced && !limit
    });
    let mut entries = own.clone();
    entries.extend(rest.map(|entry| moved(entry, at)));
    Node {
        at: written.at.clone(),
        value: Value::Map(entries),
    }
}

/// Whether the default's threshold stands on the right side of the written one.
fn fits(own: &[Entry], entry: &Entry) -> bool {
    let number = |node: &Node| match &node.value {
        Value::Scalar { text, .. } => text.trim_end_matches('%').parse::<f64>().ok(),
        Value::Null | Value::Seq(_) | Value::Map(_) => None,
    };
    let other = match entry.key.as_str() {
        "warn" => "crit",
        _ => "warn",
    };
    let written = own.iter().find(|entry| entry.key == other);
    match (
        number(&entry.node),
        written.and_then(|entry| number(&entry.node)),
    ) {
        (Some(default), Some(written)) if other == "crit" => default < written,
        (Some(default), Some(written)) => default > written,
        (None, _) | (_, None) => true,
    }
}

/// All defaults as they stand above.
fn all() -> Vec<(String, Node)> {
    let mut report = Report::default();
    let tree = tree::parse(DEFAULTS, &mut report);
    match tree.map(|tree| tree.value) {
        Some(Value::Map(entries)) => entries
            .into_iter()
            .map(|entry| {
                let entry = moved(entry, &At::File);
                (entry.key, entry.node)
            })
            .collect(),
        Some(Value::Null | Value::Scalar { .. } | Value::Seq(_)) | None => Vec::new(),
    }
}

/// A key with its plain value, as if it stood elsewhere.
fn moved(entry: Entry, at: &At) -> Entry {
    fn node(node: Node, at: &At) -> Node {
        let value = match node.value {
            Value::Map(entries) => {
                Value::Map(entries.into_iter().map(|entry| moved(entry, at)).collect())
            }
            value @ (Value::Null | Value::Scalar { .. } | Value::Seq(_)) => value,
        };
        Node {
            at: at.clone(),
            value,
        }
    }
    Entry {
        key: entry.key,
        at: at.clone(),
        node: node(entry.node, at),
    }
}

fn set(node: &mut Node, key: &str, value: &str) {
    let Value::Map(entries) = &mut node.value else {
        return;
    };
    entries.retain(|entry| entry.key != key);
    entries.push(Entry {
        key: key.to_owned(),
        at: At::File,
        node: Node {
            at: At::File,
            value: Value::Scalar {
                text: value.to_owned(),
                plain: true,
            },
        },
    });
}

/// `disk-` and what the device is called, as far as a name can hold it.
fn free_name(
    device: &str,
    entries: &BTreeMap<String, Node>,
    devices: &BTreeMap<String, Node>,
) -> String {
    let plain = |c: char| match c {
        c if c.is_ascii_alphanumeric() || "._-".contains(c) => c,
        _ => '-',
    };
    let name: String = format!("disk-{device}").chars().map(plain).collect();
    let name: String = name.chars().take(MAX_LEN - 3).collect();
    let is_taken = |name: &String| entries.contains_key(name) || devices.contains_key(name);
    let numbered = (2..).map(|number| format!("{name}-{number}"));
    std::iter::once(name.clone())
        .chain(numbered)
        .find(|name| !is_taken(name))
        .unwrap_or(name)
}

/// The nearest folder above that exists.
fn existing(path: &Path) -> &Path {
    let mut folders = path.ancestors();
    folders.find(|path| path.exists()).unwrap_or(path)
}

fn device(path: &Path) -> Option<u64> {
    path.metadata().ok().map(|meta| meta.dev())
}
