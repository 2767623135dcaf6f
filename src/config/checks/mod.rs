//! The section `checks`: what is watched, when it counts as bad, and what is done then.

mod defaults;
mod kinds;
mod limits;
mod probe;
mod push;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::access::Access;
use super::alerts::Repeat;
use super::devices::Device;
use super::fault::Report;
use super::map::Map;
use super::read::{absolute, parse_name, quoted, texts};
use super::scripts::Catalog;
use super::tree::{Node, Value};
use super::{Paths, YEAR};
use crate::base::alert::Severity;
use crate::base::ids::ChatId;
use crate::base::name::Name;

pub(super) use defaults::comes_along;
pub use kinds::DOCKER as DOCKER_SOCKET;
pub use limits::Limits;
pub use probe::{CheckKind, DiskMeasure, FileMeasure, Flow, Own, Probe};
pub use push::PushToken;

/// The time from one look to the next when the configuration does not say.
const EVERY: Duration = Duration::from_secs(60);
/// The same for values of this machine, which cost next to nothing.
const EVERY_HOST: Duration = Duration::from_secs(10);
/// How long one look may take when the configuration does not say.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The most that one look may be given.
const MAX_TIMEOUT: Duration = Duration::from_secs(120);
/// The most checks of one configuration.
const MAX_CHECKS: usize = 500;

/// Something that is watched.
#[derive(Clone, Debug)]
pub struct Check {
    /// Its name, unique in the configuration.
    pub name: Name,
    /// What is looked at.
    pub probe: Probe,
    /// From which values on it is bad, and where that ends.
    pub limits: Limits,
    /// How bad it is when what was found is wrong in itself, such as a port that is closed.
    pub severity: Severity,
    /// The time from one look to the next.
    pub every: Duration,
    /// How long it has to be bad before that is told; zero: at the first look.
    pub hold: Duration,
    /// How long one look may take.
    pub timeout: Duration,
    /// When what is still bad is told again.
    pub repeat: Repeat,
    /// What subscribers choose by.
    pub topic: Name,
    /// Persons and groups that are told, whatever they subscribed to, in place of the owners who chose nothing.
    pub notify: Vec<ChatId>,
    /// What mends it.
    pub fix: Option<Fix>,
    /// A file with the number of a process: while that lives, nobody looks.
    pub lock: Option<PathBuf>,
}

impl Check {
    /// The token of the pushes that it waits for.
    #[must_use]
    pub fn token(&self) -> Option<&PushToken> {
        let Probe::Push { token } = &self.probe else {
            return None;
        };
        token.as_ref()
    }
}

/// A script that mends what is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fix {
    /// The script; it is one of the configuration and needs no argument.
    pub script: Name,
    /// How often an hour it may start by itself; `None`: only when somebody presses the button.
    pub per_hour: Option<u32>,
}

/// What the section has to know of the others.
pub(super) struct Around<'a> {
    pub(super) paths: &'a Paths<'a>,
    pub(super) data_dir: &'a Path,
    pub(super) access: &'a Access,
    pub(super) repeat: Repeat,
    /// Whether there is a port that pushes come to.
    pub(super) listens: bool,
    /// Whether something follows runs at GitHub, or keeps one going.
    pub(super) asks_github: bool,
    /// Whether an address wants to hear from the bot.
    pub(super) has_heartbeat: bool,
    pub(super) catalog: &'a Catalog,
    pub(super) devices: &'a [Device],
}

/// Reads the section, and adds what is watched without being named: the disks of `monitored_devices`, and the defaults.
pub(super) fn read(
    root: &mut Map<'_>,
    around: &Around<'_>,
    report: &mut Report,
) -> BTreeMap<Name, Check> {
    let mut checks = BTreeMap::new();
    let (mut defaults, unneeded) = defaults::entries(around);
    if let Some(map) = root.section("checks", report) {
        if map.entries().len() > MAX_CHECKS {
            let message = format!("there are more than {MAX_CHECKS} checks; keep to that many");
            report.fault(map.at, message);
        }
        for entry in map.entries() {
            let Some(name) = parse_name(&entry.key, &entry.at, report) else {
                continue;
            };
            let default = defaults.remove(name.as_str());
            if is_off(&entry.node) {
                if default.is_none() {
                    let message =
                        format!("there is no default check `{name}` to turn off; remove the line");
                    report.fault(&entry.at, message);
                }
                continue;
            }
            let node = match default {
                Some(default) => defaults::merged(&entry.node, default, &entry.at),
                None => entry.node.clone(),
            };
            if let Some(check) = check(name.clone(), &node, around, report) {
                if let Some(other) = checks.values().find(|other| shares_token(&check, other)) {
                    push::same(name.as_str(), other.name.as_str(), &entry.at, report);
                }
                checks.insert(name, check);
            }
        }
    }
    defaults.retain(|name, _| !unneeded.contains(name.as_str()));
    defaults::drop_covered(&mut defaults, &checks);
    for (name, node) in defaults {
        let name = parse_name(&name, &node.at, report);
        if let Some(check) = name.and_then(|name| check(name, &node, around, report)) {
            checks.insert(check.name.clone(), check);
        }
    }
    checks
}

fn shares_token(one: &Check, other: &Check) -> bool {
    match (one.token(), other.token()) {
        (Some(one), Some(other)) => one.is(&PushToken::digest(other.expose())),
        (None, _) | (_, None) => false,
    }
}

fn is_off(node: &Node) -> bool {
    matches!(&node.value, Value::Scalar { text, plain: true } if text == "false")
}

fn check(name: Name, node: &Node, around: &Around<'_>, report: &mut Report) -> Option<Check> {
    let path = format!("checks.{name}");
    let mut map = Map::open(node, path, report)?;
    let found = kinds::read(&mut map, around, report);
    let severities = [Severity::Warning, Severity::Critical].map(|one| (one.as_str(), one));
    let severity = map.word("severity", &severities, report);
    let (every, hold) = match &found {
        Some(found) if found.probe.is_of_host() => (EVERY_HOST, found.hold),
        Some(found) => (EVERY, found.hold),
        None => (EVERY, Duration::ZERO),
    };
    let every = map.duration_or("every", every, YEAR, report);
    if every < Duration::from_secs(1)
        && let Some(node) = map.get("every")
    {
        let message = format!(
            "`{}` is shorter than 1s; write 1s or more",
            map.name("every")
        );
        report.fault(&node.at, message);
    }
    let hold = hold_of(&mut map, hold, report);
    let timeout = map.duration_or("timeout", TIMEOUT, MAX_TIMEOUT, report);
    let repeat = Repeat::read(&mut map, around.repeat, report);
    let topic = match map.get("topic") {
        Some(node) => super::read::text(node, &map.name("topic"), report)
            .and_then(|written| parse_name(written, &node.at, report)),
        None => found
            .as_ref()
            .and_then(|found| Name::new(found.probe.topic()).ok()),
    };
    let notify = notify(&mut map, around.access, report);
    let fix = fix(&mut map, around.catalog, report);
    let lock = map.text("lock", report);
    let lock = lock.map(|written| absolute(around.paths.base, written));
    // Without its kind nobody knows which keys it may have.
    let found = found?;
    map.finish(report);
    Some(Check {
        name,
        severity: severity.unwrap_or(found.probe.severity()),
        probe: found.probe,
        limits: found.limits,
        every,
        hold,
        timeout,
        repeat,
        topic: topic?,
        notify,
        fix,
        lock,
    })
}

/// `for`, which may be `0s`.
fn hold_of(map: &mut Map<'_>, default: Duration, report: &mut Report) -> Duration {
    let Some(node) = map.get("for") else {
        return default;
    };
    match &node.value {
        Value::Scalar { text, .. } if text == "0" || text == "0s" => Duration::ZERO,
        _ => map.duration_or("for", default, YEAR, report),
    }
}

/// Ids of persons and groups, or their names under `access`.
fn notify(map: &mut Map<'_>, access: &Access, report: &mut Report) -> Vec<ChatId> {
    let Some(node) = map.get("notify") else {
        return Vec::new();
    };
    let name = map.name("notify");
    let mut found = Vec::new();
    for (written, at) in texts(node, &name, report) {
        let user = access.users.iter().find(|user| user.name == written);
        let chat = access.chats.iter().find(|chat| chat.name == written);
        let id = user
            .map(|user| user.id.0)
            .or(chat.map(|chat| chat.id.0))
            .or_else(|| written.parse().ok().filter(|id| *id != 0));
        match id {
            Some(id) => found.push(ChatId(id)),
            None => report.fault(
                at,
                format!(
                    "`{written}` in `{name}` is nobody; write an id, which /whoami shows, or a name under `access`"
                ),
            ),
        }
    }
    found
}

fn fix(map: &mut Map<'_>, catalog: &Catalog, report: &mut Report) -> Option<Fix> {
    let node = map.get("fix");
    let auto = map.get("fix_auto");
    let mut per_hour = None;
    if let Some(auto) = auto
        && let Some(mut section) = Map::open(auto, map.name("fix_auto"), report)
    {
        if node.is_none() {
            let message = format!(
                "{} stands without `fix`; name the script that mends it",
                quoted(&map.name("fix_auto"))
            );
            report.fault(&auto.at, message);
        }
        match section.get("per_hour") {
            Some(_) => {
                per_hour = section
                    .integer("per_hour", 1..=60, report)
                    .and_then(|number| u32::try_from(number).ok());
            }
            None => section.missing("per_hour", report),
        }
        section.finish(report);
    }
    let node = node?;
    let script = script_name(node, &map.name("fix"), catalog, report)?;
    if let Some(arg) = catalog.scripts.get(&script).and_then(|script| {
        let mut args = script.args.iter();
        args.find(|arg| arg.required())
    }) {
        let message = format!(
            "the script `{script}` asks for `{}`, so it cannot run by itself; give that a default",
            arg.name
        );
        report.fault(&node.at, message);
    }
    Some(Fix { script, per_hour })
}

/// The name of a configured script.
fn script_name(node: &Node, key: &str, catalog: &Catalog, report: &mut Report) -> Option<Name> {
    let written = super::read::text(node, key, report)?;
    let name = parse_name(written, &node.at, report)?;
    if catalog.scripts.contains_key(&name) {
        return Some(name);
    }
    let names: Vec<&str> = catalog.scripts.keys().map(Name::as_str).collect();
    report.fault(
        &node.at,
        format!(
            "there is no script `{name}`{}; write a name that stands under `scripts`",
            super::read::meant(written, &names)
        ),
    );
    None
}
