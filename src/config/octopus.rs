//! The keys of an Octopus `config.yaml`, read as they are.

use std::time::Duration;

use super::fault::{At, Report};
use super::map::Map;
use super::read::{duration, integer, is_plain, text};
use super::schedule::Schedule;
use super::scripts::{Catalog, Script, program};
use super::tree::Node;
use super::{Paths, YEAR};
use crate::base::job::OutputMode;
use crate::base::role::Role;
use crate::base::when::When;

/// Reads the script lists into the catalog; returns when the periodic ones run.
pub(super) fn read(
    root: &mut Map<'_>,
    paths: &Paths<'_>,
    catalog: &mut Catalog,
    report: &mut Report,
) -> Vec<Schedule> {
    for (key, output) in [
        ("long_running_scripts", OutputMode::Stream),
        ("one_time_scripts", OutputMode::Card),
    ] {
        for (index, node) in root.list(key, report).iter().enumerate() {
            if let Some(mut entry) = Item::open(node, format!("{key}[{index}]"), report) {
                let script = entry.script(output, paths, catalog, report);
                entry.map.finish(report);
                script.into_iter().for_each(|script| catalog.add(script));
            }
        }
    }
    let mut periodic = Vec::new();
    for (index, node) in root.list("periodic_scripts", report).iter().enumerate() {
        let path = format!("periodic_scripts[{index}]");
        if let Some(mut entry) = Item::open(node, path, report) {
            let script = entry.script(OutputMode::Card, paths, catalog, report);
            let when = entry.when(report);
            entry.map.finish(report);
            if let (Some(script), Some(when)) = (script, when) {
                periodic.push(Schedule::new(script.name.to_string(), &script, when));
                catalog.add(script);
            }
        }
    }
    unsupported(root, paths, report);
    periodic
}

/// Names the settings that have no counterpart here, so that nobody relies on them.
fn unsupported(root: &mut Map<'_>, paths: &Paths<'_>, report: &mut Report) {
    if let Some(node) = root.get("broadcast_chunk_size") {
        integer(node, "broadcast_chunk_size", 1..=1_000_000, report);
        report.warn(&node.at, "`broadcast_chunk_size` is not used; messages are split at Telegram's limit by themselves");
    }
    if paths.env.get("ADMIN_USERS").is_some() {
        let message =
            "this variable gives no one any rights; list people under `access.users` with a role";
        report.warn(&At::Variable("ADMIN_USERS".to_owned()), message);
    }
}

/// One entry of a script list.
struct Item<'a> {
    map: Map<'a>,
}

impl<'a> Item<'a> {
    fn open(node: &'a Node, path: String, report: &mut Report) -> Option<Self> {
        let map = Map::open(node, path, report)?;
        Some(Self { map })
    }

    fn script(
        &mut self,
        output: OutputMode,
        paths: &Paths<'_>,
        catalog: &mut Catalog,
        report: &mut Report,
    ) -> Option<Script> {
        let name = self.map.own_name(report);
        let run = match self.map.get("path") {
            Some(node) => text(node, &self.map.name("path"), report)
                .and_then(|written| program(written, &node.at, paths, report)),
            None => {
                self.map.missing("path", report);
                None
            }
        };
        let admin_only = self.map.flag("admin_only", report).unwrap_or_default();
        let name = name?;
        let at = self.map.get("name").map_or(self.map.at, |node| &node.at);
        if !catalog.claim(&name, "script", at, report) {
            return None;
        }
        let mut script = Script::new(name, vec![run?]);
        script.output = output;
        if admin_only {
            script.role = Role::Admin;
        }
        Some(script)
    }

    fn when(&mut self, report: &mut Report) -> Option<When> {
        let interval = self.map.optional("interval");
        let time = self.map.optional("time");
        match (interval, time) {
            (Some(node), None) => every(node, &self.map.name("interval"), report),
            (None, Some(node)) => daily(node, &self.map.name("time"), report),
            (Some(_), Some(node)) => {
                report.fault(&node.at, "`interval` and `time` are both set; keep one");
                None
            }
            (None, None) => {
                let message = "neither `interval` nor `time` is set; add `interval: 3600` (seconds) or `time: \"06:30\"`";
                report.fault(self.map.at, message);
                None
            }
        }
    }
}

/// Seconds as a bare number, or a duration with a unit.
fn every(node: &Node, name: &str, report: &mut Report) -> Option<When> {
    let written = text(node, name, report)?;
    let bare = is_plain(node) && written.chars().all(|c| c.is_ascii_digit() || c == '-');
    if !bare {
        let read = duration(node, name, YEAR, report)?;
        let whole = read.subsec_nanos() == 0;
        if !whole {
            report.fault(
                &node.at,
                format!("`{name}` is `{written}`; write whole seconds"),
            );
        }
        return whole.then_some(When::Every(read));
    }
    let most = i64::try_from(YEAR.as_secs()).unwrap_or(i64::MAX);
    let seconds = integer(node, name, 1..=most, report)?;
    Some(When::Every(Duration::from_secs(seconds.unsigned_abs())))
}

fn daily(node: &Node, name: &str, report: &mut Report) -> Option<When> {
    let written = text(node, name, report)?;
    let read = Some(written).filter(|time| time.contains(':'));
    let read = read.and_then(|time| When::parse(time).ok());
    if read.is_none() {
        report.fault(
            &node.at,
            format!("`{name}` is `{written}`; write a time of day such as \"06:30\""),
        );
    }
    read
}
