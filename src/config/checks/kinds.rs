//! The kinds of checks, each with its own keys, thresholds and defaults.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use regex::Regex;
use url::Url;

use super::super::fault::{At, Report};
use super::super::map::Map;
use super::super::read::{absolute, integer, list, text, texts};
use super::super::scripts::program;
use super::super::tree::{Node, Value};
use super::limits::{self, Limits};
use super::probe::{CheckKind, DiskMeasure, FileMeasure, Flow, Own, Probe};
use super::{Around, YEAR, push, script_name};
use crate::base::alert::Unit;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: f64 = 3600.0;
/// Lines of a log that match count so long when the configuration does not say.
const WITHIN: Duration = Duration::from_secs(600);
/// GitHub is away for minutes now and then; when nothing is learned from it for so long, in seconds, people are told.
const GITHUB_SILENT: f64 = 3600.0;
/// The address that wants to hear from the bot once a minute was missed five times after so long, in seconds.
const UNREACHED: f64 = 300.0;
/// Where Docker's engine listens when the configuration does not say.
pub const DOCKER: &str = "/var/run/docker.sock";

/// What a check looks at, and the defaults of its kind.
pub(super) struct Found {
    pub(super) probe: Probe,
    pub(super) limits: Limits,
    pub(super) hold: Duration,
}

/// Reads `kind` and the keys that belong to it.
pub(super) fn read(map: &mut Map<'_>, around: &Around<'_>, report: &mut Report) -> Option<Found> {
    if map.get("kind").is_none() {
        map.missing("kind", report);
        return None;
    }
    let kind = map.word("kind", CheckKind::ALL, report)?;
    let found = |probe, limits, hold| {
        Some(Found {
            probe,
            limits,
            hold,
        })
    };
    let mut percent = |map: &mut Map<'_>, warn, crit| {
        limits::read(map, Unit::Percent, true, (Some(warn), Some(crit)), report)
    };
    match kind {
        CheckKind::Cpu => found(Probe::Cpu, percent(map, 90.0, 98.0), 10 * MINUTE),
        CheckKind::Memory => found(Probe::Memory, percent(map, 90.0, 97.0), 5 * MINUTE),
        CheckKind::Swap => found(Probe::Swap, percent(map, 80.0, 95.0), 10 * MINUTE),
        CheckKind::Load => {
            let per_core = map.flag("per_core", report).unwrap_or(true);
            let default = match per_core {
                true => (Some(4.0), Some(8.0)),
                false => (None, None),
            };
            let limits = limits::read(map, Unit::Number, true, default, report);
            if !limits.is_set() {
                map.missing("warn", report);
            }
            found(Probe::Load { per_core }, limits, 15 * MINUTE)
        }
        CheckKind::Disk => disk(map, around, report),
        CheckKind::Throughput => throughput(map, report),
        CheckKind::Temperature => {
            let sensor = map.text("sensor", report).map(str::to_owned);
            let default = (Some(80.0), Some(95.0));
            let limits = limits::read(map, Unit::Celsius, true, default, report);
            found(Probe::Temperature { sensor }, limits, 2 * MINUTE)
        }
        CheckKind::Process => process(map, report),
        CheckKind::Unit => {
            let units = names(map, "units", report);
            found(Probe::Unit { units }, Limits::none(Unit::Number), MINUTE)
        }
        CheckKind::File => file(map, around, report),
        CheckKind::Url => url(map, around, report),
        CheckKind::Tcp => tcp(map, report),
        CheckKind::Dns => dns(map, report),
        CheckKind::Docker => docker(map, report),
        CheckKind::Script => {
            let argv = argv(map, around, report)?;
            found(
                Probe::Script { argv },
                Limits::none(Unit::Number),
                Duration::ZERO,
            )
        }
        CheckKind::Heartbeat => {
            let limits = limits::required(map, Unit::Seconds, true, report);
            let probe = heartbeat(map, around, report)?;
            found(probe, limits, Duration::ZERO)
        }
        CheckKind::Reboot => found(Probe::Reboot, Limits::none(Unit::Number), Duration::ZERO),
        CheckKind::Clock => {
            let default = (Some(10.0), Some(60.0));
            let limits = limits::read(map, Unit::Seconds, true, default, report);
            let url = address(map, report)?;
            found(Probe::Clock { url }, limits, 2 * MINUTE)
        }
        CheckKind::Opsgram => own(map, report),
    }
}

fn disk(map: &mut Map<'_>, around: &Around<'_>, report: &mut Report) -> Option<Found> {
    let measures = [
        ("percent", DiskMeasure::Percent),
        ("free", DiskMeasure::Free),
        ("inodes", DiskMeasure::Inodes),
        ("full_in", DiskMeasure::FullIn),
    ];
    let measure = match map.get("measure") {
        Some(_) => map.word("measure", &measures, report)?,
        None => DiskMeasure::Percent,
    };
    let (limits, hold) = match measure {
        DiskMeasure::Percent | DiskMeasure::Inodes => {
            let default = (Some(90.0), Some(97.0));
            (
                limits::read(map, Unit::Percent, true, default, report),
                MINUTE,
            )
        }
        DiskMeasure::Free => (limits::required(map, Unit::Bytes, false, report), MINUTE),
        DiskMeasure::FullIn => {
            let default = (Some(24.0 * HOUR), Some(6.0 * HOUR));
            let limits = limits::read(map, Unit::Seconds, false, default, report);
            (limits, 10 * MINUTE)
        }
    };
    let path = absolute(around.paths.base, map.required("path", report)?);
    Some(Found {
        probe: Probe::Disk { path, measure },
        limits,
        hold,
    })
}

fn throughput(map: &mut Map<'_>, report: &mut Report) -> Option<Found> {
    let flows = [
        ("disk_read", Flow::DiskRead),
        ("disk_write", Flow::DiskWrite),
        ("net_in", Flow::NetIn),
        ("net_out", Flow::NetOut),
    ];
    let limits = limits::required(map, Unit::BytesPerSecond, true, report);
    let device = map.text("device", report).map(str::to_owned);
    if map.get("measure").is_none() {
        map.missing("measure", report);
    }
    let flow = map.word("measure", &flows, report)?;
    Some(Found {
        probe: Probe::Throughput { flow, device },
        limits,
        hold: 5 * MINUTE,
    })
}

fn process(map: &mut Map<'_>, report: &mut Report) -> Option<Found> {
    let limits = limits::read(map, Unit::Bytes, true, (None, None), report);
    let name = map.text("name", report).map(str::to_owned);
    let pattern = expression(map, "pattern", report);
    let most = 1_000_000;
    let min = map.integer("min", 0..=most, report);
    let max = map.integer("max", 0..=most, report);
    if map.get("name").is_none() && map.get("pattern").is_none() {
        map.missing("name", report);
    }
    let min = min.map_or(1, i64::unsigned_abs);
    let max = max.map(i64::unsigned_abs);
    if let (Some(max), Some(node)) = (max, map.get("max"))
        && max < min
    {
        let message = format!("`{}` is below `min`, which is {min}", map.name("max"));
        report.fault(&node.at, message);
    }
    Some(Found {
        probe: Probe::Process {
            name,
            pattern,
            min,
            max,
        },
        limits,
        hold: MINUTE,
    })
}

fn file(map: &mut Map<'_>, around: &Around<'_>, report: &mut Report) -> Option<Found> {
    #[derive(Clone, Copy)]
    enum What {
        Age,
        Size,
        Lines,
    }
    let measures = [
        ("age", What::Age),
        ("size", What::Size),
        ("lines", What::Lines),
    ];
    let path = map.required("path", report);
    if map.get("measure").is_none() {
        map.missing("measure", report);
    }
    let (measure, limits) = match map.word("measure", &measures, report)? {
        What::Age => (
            FileMeasure::Age,
            limits::required(map, Unit::Seconds, true, report),
        ),
        What::Size => (
            FileMeasure::Size,
            limits::required(map, Unit::Bytes, true, report),
        ),
        What::Lines => {
            let default = (Some(1.0), None);
            let limits = limits::read(map, Unit::Number, true, default, report);
            let within = map.duration_or("within", WITHIN, YEAR, report);
            if map.get("pattern").is_none() {
                map.missing("pattern", report);
            }
            let pattern = expression(map, "pattern", report)?;
            (FileMeasure::Lines { pattern, within }, limits)
        }
    };
    let path = absolute(around.paths.base, path?);
    Some(Found {
        probe: Probe::File { path, measure },
        limits,
        hold: Duration::ZERO,
    })
}

fn url(map: &mut Map<'_>, around: &Around<'_>, report: &mut Report) -> Option<Found> {
    let limits = limits::read(map, Unit::Seconds, true, (None, None), report);
    let status = match map.get("status") {
        Some(node) => codes(node, &map.name("status"), report),
        None => Vec::new(),
    };
    let contains = map.text("contains", report).map(str::to_owned);
    let matches = expression(map, "matches", report);
    let day = 24.0 * HOUR;
    let default = (Some(14.0 * day), Some(3.0 * day));
    let tls = match map.section("tls", report) {
        Some(mut section) => {
            let tls = limits::pair(&mut section, Unit::Seconds, false, default, report);
            section.finish(report);
            tls
        }
        None => Limits::new(Unit::Seconds, false, default.0, default.1),
    };
    let ca = map.text("ca", report);
    let ca = ca.map(|written| absolute(around.paths.base, written));
    let url = address(map, report)?;
    Some(Found {
        probe: Probe::Url {
            url,
            status,
            contains,
            matches,
            tls,
            ca,
        },
        limits,
        hold: MINUTE,
    })
}

/// One code, or a list of them.
fn codes(node: &Node, name: &str, report: &mut Report) -> Vec<u16> {
    let code = |node: &Node, report: &mut Report| {
        let code = integer(node, name, 100..=599, report)?;
        u16::try_from(code).ok()
    };
    match &node.value {
        Value::Seq(_) => {
            let nodes = list(node, name, report);
            nodes.iter().filter_map(|node| code(node, report)).collect()
        }
        Value::Null | Value::Scalar { .. } | Value::Map(_) => {
            code(node, report).into_iter().collect()
        }
    }
}

fn tcp(map: &mut Map<'_>, report: &mut Report) -> Option<Found> {
    let limits = limits::read(map, Unit::Seconds, true, (None, None), report);
    let written = map.required("address", report)?;
    let parts = written.rsplit_once(':').and_then(|(host, port)| {
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let port = port.parse::<u16>().ok().filter(|port| *port > 0)?;
        (!host.is_empty()).then(|| (host.to_owned(), port))
    });
    let Some((host, port)) = parts else {
        if let Some(node) = map.get("address") {
            let name = map.name("address");
            let message = format!(
                "`{name}` is `{written}`; write a host and a port, such as db.example.org:5432"
            );
            report.fault(&node.at, message);
        }
        return None;
    };
    Some(Found {
        probe: Probe::Tcp { host, port },
        limits,
        hold: MINUTE,
    })
}

fn dns(map: &mut Map<'_>, report: &mut Report) -> Option<Found> {
    let limits = limits::read(map, Unit::Seconds, true, (None, None), report);
    let mut expect = Vec::new();
    if let Some(node) = map.get("expect") {
        let key = map.name("expect");
        for (written, at) in items(node, &key, report) {
            match written.parse::<IpAddr>() {
                Ok(address) => expect.push(address),
                Err(_) => report.fault(
                    at,
                    format!("`{written}` in `{key}` is no address; write one such as 192.0.2.1"),
                ),
            }
        }
    }
    let name = map.required("name", report)?.to_owned();
    Some(Found {
        probe: Probe::Dns { name, expect },
        limits,
        hold: MINUTE,
    })
}

fn docker(map: &mut Map<'_>, report: &mut Report) -> Option<Found> {
    let limits = limits::read(map, Unit::Number, true, (Some(3.0), None), report);
    let socket = map.text("socket", report).unwrap_or(DOCKER);
    let socket = PathBuf::from(socket);
    let container = map.required("container", report)?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    if container.is_empty() || !container.chars().all(plain) {
        if let Some(node) = map.get("container") {
            let message = format!(
                "`{container}` is not the name of a container; write it as `docker ps` shows it"
            );
            report.fault(&node.at, message);
        }
        return None;
    }
    Some(Found {
        probe: Probe::Docker {
            container: container.to_owned(),
            socket,
        },
        limits,
        hold: MINUTE,
    })
}

fn own(map: &mut Map<'_>, report: &mut Report) -> Option<Found> {
    let measures = [
        ("lost_jobs", Own::LostJobs),
        ("backlog", Own::Backlog),
        ("undelivered", Own::Undelivered),
        ("reload", Own::Reload),
        ("lateness", Own::Lateness),
        ("port", Own::Port),
        ("github", Own::GitHub),
        ("heartbeat", Own::Heartbeat),
    ];
    if map.get("measure").is_none() {
        map.missing("measure", report);
    }
    let measure = map.word("measure", &measures, report)?;
    let (unit, default, hold) = match measure {
        Own::LostJobs | Own::Undelivered => (Unit::Number, (Some(1.0), None), Duration::ZERO),
        Own::Backlog => (Unit::Percent, (Some(50.0), Some(90.0)), 5 * MINUTE),
        Own::Reload | Own::Port => (Unit::Number, (None, None), MINUTE),
        Own::Lateness => (Unit::Seconds, (Some(30.0), Some(300.0)), MINUTE),
        Own::GitHub => (Unit::Seconds, (Some(GITHUB_SILENT), None), Duration::ZERO),
        Own::Heartbeat => (Unit::Seconds, (Some(UNREACHED), None), Duration::ZERO),
    };
    Some(Found {
        probe: Probe::Opsgram { measure },
        limits: limits::read(map, unit, true, default, report),
        hold,
    })
}

/// A job of the bot, or a push from elsewhere.
fn heartbeat(map: &mut Map<'_>, around: &Around<'_>, report: &mut Report) -> Option<Probe> {
    match (map.get("script"), map.get("push")) {
        (Some(node), None) => {
            let script = script_name(node, &map.name("script"), around.catalog, report)?;
            Some(Probe::Heartbeat { script })
        }
        (None, Some(_)) => {
            let token = push::read(map, around, report);
            Some(Probe::Push { token })
        }
        (Some(_), Some(_)) => {
            let message = format!(
                "`{}` and `{}` stand together; keep the one that the check waits for",
                map.name("script"),
                map.name("push")
            );
            report.fault(map.at, message);
            None
        }
        (None, None) => {
            let message = format!(
                "`{}` or `{}` is missing; name a script of the bot, or the token of a push from elsewhere",
                map.name("script"),
                map.name("push")
            );
            report.fault(map.at, message);
            None
        }
    }
}

/// The program of a script check and its arguments.
fn argv(map: &mut Map<'_>, around: &Around<'_>, report: &mut Report) -> Option<Vec<String>> {
    let Some(node) = map.get("run") else {
        map.missing("run", report);
        return None;
    };
    let elements = items(node, &map.name("run"), report);
    let Some(((first, at), rest)) = elements.split_first() else {
        let message = format!(
            "`{}` is empty; write a path, or a list that starts with one",
            map.name("run")
        );
        report.fault(&node.at, message);
        return None;
    };
    let program = program(first, at, around.paths, report)?;
    let program = program.as_literal()?.to_owned();
    let rest = rest.iter().map(|(element, _)| (*element).to_owned());
    Some(std::iter::once(program).chain(rest).collect())
}

/// The address under `url`.
fn address(map: &mut Map<'_>, report: &mut Report) -> Option<Url> {
    let written = map.required("url", report)?;
    let url = Url::parse(written).ok();
    let url = url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    if let (None, Some(node)) = (&url, map.get("url")) {
        let message = format!(
            "`{}` is no address of a web server; write one such as https://example.org/health",
            map.name("url")
        );
        report.fault(&node.at, message);
    }
    url
}

fn expression(map: &mut Map<'_>, key: &'static str, report: &mut Report) -> Option<Regex> {
    let node = map.get(key)?;
    let name = map.name(key);
    let written = text(node, &name, report)?;
    Regex::new(written)
        .map_err(|error| {
            let reason = error.to_string();
            let reason = reason.lines().last().unwrap_or_default();
            let reason = reason.trim_start_matches("error: ");
            let message = format!(
                "`{name}` is not a regular expression ({reason}); mend it, and write it in 'single quotes'"
            );
            report.fault(&node.at, message);
        })
        .ok()
}

fn names(map: &mut Map<'_>, key: &'static str, report: &mut Report) -> Vec<String> {
    let Some(node) = map.get(key) else {
        return Vec::new();
    };
    let found = items(node, &map.name(key), report);
    found.into_iter().map(|(name, _)| name.to_owned()).collect()
}

/// A list of texts, or one text.
fn items<'a>(node: &'a Node, name: &str, report: &mut Report) -> Vec<(&'a str, &'a At)> {
    match &node.value {
        Value::Seq(_) => texts(node, name, report),
        Value::Null | Value::Scalar { .. } | Value::Map(_) => text(node, name, report)
            .map(|text| (text, &node.at))
            .into_iter()
            .collect(),
    }
}
