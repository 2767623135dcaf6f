//! The key `schedule` of a script: when it runs by itself, and what is told of that.

use std::time::Duration;

use super::Access;
use super::access::{Chat, User};
use super::at_github::AtGitHub;
use super::fault::Report;
use super::map::Map;
use super::read::{list, meant, one_of, text};
use super::retry;
use super::scripts::Script;
use super::tree::{Node, Value};
use crate::base::ids::{ChatId, Place, ThreadId};
use crate::base::job::OutputMode;
use crate::base::name::Name;
use crate::base::schedule::{Missed, Retries, Rule};
use crate::base::when::{When, Zone};

/// The most that runs may be spread by.
const MOST_JITTER: Duration = Duration::from_secs(3600);

/// What makes a workflow begin anew when it ends.
const AFTER_END: &str = "after_end";
/// How often it is looked whether such a workflow ended.
const LOOK: Duration = Duration::from_secs(1);

/// What a workflow follows instead of the clock.
#[derive(Clone, Debug, PartialEq)]
pub enum Follows {
    /// The end of its own run before.
    Itself,
    /// The end of a run at GitHub.
    GitHub(Box<AtGitHub>),
}

/// A script that runs by itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    /// Its name: that of its script, or, made in the chat, `script+1`.
    pub name: String,
    /// The script.
    pub script: Name,
    /// When it runs.
    pub when: When,
    /// What a workflow follows instead of the clock; `when` is how often that is looked for.
    pub follows: Option<Follows>,
    /// By which clock.
    pub zone: Zone,
    /// Up to so much later, always the same for one run.
    pub jitter: Duration,
    /// What becomes of runs whose time passed.
    pub missed: Missed,
    /// The arguments, as one would type them.
    pub given: Vec<String>,
    /// Which runs are told.
    pub rule: Rule,
    /// How a failed run is tried again.
    pub retries: Option<Retries>,
    /// Where runs are told; nowhere named: to the owners in private.
    pub to: Vec<Place>,
    /// Whether it runs at all.
    pub enabled: bool,
}

impl Schedule {
    /// A schedule with every setting at its default.
    #[must_use]
    pub fn new(name: String, script: &Script, when: When) -> Self {
        Self {
            name,
            script: script.name.clone(),
            when,
            follows: None,
            zone: Zone::default(),
            jitter: Duration::ZERO,
            missed: Missed::default(),
            given: Vec::new(),
            rule: match script.output {
                OutputMode::Silent => Rule::OnFailure,
                OutputMode::Card | OutputMode::Stream | OutputMode::File => Rule::default(),
            },
            retries: None,
            to: Vec::new(),
            enabled: true,
        }
    }

    /// When it runs, in words.
    #[must_use]
    pub fn rhythm(&self) -> String {
        match &self.follows {
            None => self.when.to_string(),
            Some(Follows::Itself) => "whenever a run has ended".to_owned(),
            Some(Follows::GitHub(there)) => there.to_string(),
        }
    }

    /// What its times depend on, as text: as long as it is the same, an interval goes on in its rhythm.
    #[must_use]
    pub fn timer(&self) -> String {
        let off = if self.enabled { "" } else { "off " };
        match &self.follows {
            None => format!("{off}{} | {}", self.when, self.zone),
            Some(Follows::Itself) => format!("{off}{AFTER_END}"),
            Some(Follows::GitHub(there)) => format!("{off}{}", there.timer()),
        }
    }

    /// Whether each of its runs begins when the one before has ended.
    #[must_use]
    pub fn after_end(&self) -> bool {
        self.follows == Some(Follows::Itself)
    }
}

/// Reads the value of `schedule`: when alone, or all there is to say.
pub(super) fn read(
    node: &Node,
    path: &str,
    script: &Script,
    access: &Access,
    report: &mut Report,
) -> Option<Schedule> {
    let name = script.name.to_string();
    let schedule = match &node.value {
        Value::Map(_) => whole(node, path, script, access, report)?,
        Value::Scalar { .. } | Value::Null | Value::Seq(_) => {
            Schedule::new(name, script, when(node, path, report)?)
        }
    };
    check_arguments(&schedule, node, path, script, report).then_some(schedule)
}

/// Reads the value of a workflow's `every`: a time, or `after_end`.
pub(super) fn every(
    node: &Node,
    path: &str,
    script: &Script,
    report: &mut Report,
) -> Option<Schedule> {
    let written = text(node, path, report)?;
    let after_end = written == AFTER_END;
    let when = match after_end {
        true => Ok(When::Every(LOOK)),
        false => When::parse(&format!("every {written}")),
    };
    let when = when
        .map_err(|wrong| report.fault(&node.at, format!("`{path}`: {wrong}; or write {AFTER_END}")))
        .ok()?;
    let mut schedule = Schedule::new(script.name.to_string(), script, when);
    schedule.follows = after_end.then_some(Follows::Itself);
    schedule.rule = Rule::Always;
    check_arguments(&schedule, node, path, script, report).then_some(schedule)
}

fn whole(
    node: &Node,
    path: &str,
    script: &Script,
    access: &Access,
    report: &mut Report,
) -> Option<Schedule> {
    let mut map = Map::open(node, path, report)?;
    let read = match map.get("when") {
        Some(node) => when(node, &map.name("when"), report),
        None => {
            map.missing("when", report);
            None
        }
    };
    let zone = zone(&mut map, report);
    let jitter = map.duration("jitter", MOST_JITTER, report);
    let jitter_at = map.get("jitter").map(|node| &node.at);
    let missed = [
        ("skip", Missed::Skip),
        ("once", Missed::Once),
        ("all", Missed::All),
    ];
    let missed = map.word("missed", &missed, report);
    let given = given(&mut map, script, report);
    let rule = map.word("output", &Rule::ALL, report);
    let retry = retry::read(&mut map, report);
    let to = places(&mut map, access, report);
    let enabled = map.flag("enabled", report).unwrap_or(true);
    map.finish(report);
    let mut schedule = Schedule::new(script.name.to_string(), script, read?);
    if let (Some(jitter), Some(at)) = (jitter, jitter_at)
        && jitter >= schedule.when.shortest()
    {
        report.fault(
            at,
            format!(
                "`{path}.jitter` is not shorter than the time from one run to the next; write less"
            ),
        );
    }
    schedule.zone = zone;
    schedule.jitter = jitter.unwrap_or_default();
    schedule.missed = missed.unwrap_or_default();
    schedule.given = given;
    schedule.rule = rule.unwrap_or(schedule.rule);
    schedule.retries = retry;
    schedule.to = to;
    schedule.enabled = enabled;
    Some(schedule)
}

fn when(node: &Node, name: &str, report: &mut Report) -> Option<When> {
    let written = text(node, name, report)?;
    When::parse(written)
        .map_err(|wrong| report.fault(&node.at, format!("`{name}`: {wrong}")))
        .ok()
}

fn zone(map: &mut Map<'_>, report: &mut Report) -> Zone {
    let Some(node) = map.optional("zone") else {
        return Zone::default();
    };
    let name = map.name("zone");
    let read = text(node, &name, report).map(Zone::parse);
    read.and_then(|read| {
        read.map_err(|wrong| report.fault(&node.at, format!("`{name}`: {wrong}")))
            .ok()
    })
    .unwrap_or_default()
}

/// The arguments: by name, or in their order.
fn given(map: &mut Map<'_>, script: &Script, report: &mut Report) -> Vec<String> {
    let Some(node) = map.get("args") else {
        return Vec::new();
    };
    let name = map.name("args");
    match &node.value {
        Value::Map(entries) => entries
            .iter()
            .filter_map(|entry| {
                let known: Vec<&str> = script.args.iter().map(|arg| arg.name.as_str()).collect();
                if !known.contains(&entry.key.as_str()) {
                    let what = match known.is_empty() {
                        true => "; it has none".to_owned(),
                        false => format!("; write {}{}", one_of(&known), meant(&entry.key, &known)),
                    };
                    let wrong = format!(
                        "`{}` is not an argument of {}{what}",
                        entry.key, script.name
                    );
                    report.fault(&entry.at, wrong);
                    return None;
                }
                let value = text(&entry.node, &format!("{name}.{}", entry.key), report)?;
                Some(format!("{}={value}", entry.key))
            })
            .collect(),
        Value::Seq(_) | Value::Null | Value::Scalar { .. } => list(node, &name, report)
            .iter()
            .enumerate()
            .filter_map(|(at, item)| text(item, &format!("{name}[{at}]"), report))
            .map(str::to_owned)
            .collect(),
    }
}

/// Whether the script can be run with these arguments and nobody there to ask.
fn check_arguments(
    schedule: &Schedule,
    node: &Node,
    path: &str,
    script: &Script,
    report: &mut Report,
) -> bool {
    let wrong = match script.resolve(&schedule.given) {
        Ok(_) => return true,
        Err(wrong) => wrong,
    };
    report.fault(
        &node.at,
        format!(
            "`{path}` cannot run {}: {wrong}; write the arguments under `{path}.args`",
            script.name
        ),
    );
    false
}

/// Places by id, `-100123/42` for a topic, or by the name of a person or group under `access`.
pub(super) fn places(map: &mut Map<'_>, access: &Access, report: &mut Report) -> Vec<Place> {
    let Some(node) = map.get("to") else {
        return Vec::new();
    };
    let name = map.name("to");
    let nodes = match &node.value {
        Value::Seq(items) => items.as_slice(),
        Value::Map(_) | Value::Null | Value::Scalar { .. } => std::slice::from_ref(node),
    };
    let mut places: Vec<Place> = Vec::new();
    for node in nodes {
        let Some(written) = text(node, &name, report) else {
            continue;
        };
        match place(written, access) {
            Some(place) if places.contains(&place) => {}
            Some(place) => places.push(place),
            None => report.fault(
                &node.at,
                format!(
                    "`{name}` holds `{written}`; write the id of a chat, `-100123/42` for a topic of it, or a name under \
                     `access`"
                ),
            ),
        }
    }
    places
}

fn place(written: &str, access: &Access) -> Option<Place> {
    let (chat, thread) = match written.split_once('/') {
        Some((chat, thread)) => (chat, Some(thread.parse().ok().filter(|id: &i32| *id > 1)?)),
        None => (written, None),
    };
    let user = |user: &&User| user.name == chat;
    let group = |group: &&Chat| group.name == chat;
    let named = || {
        let person = access.users.iter().find(user).map(|user| user.id.0);
        person.or_else(|| access.chats.iter().find(group).map(|group| group.id.0))
    };
    let id = chat.parse().ok().or_else(named).filter(|id| *id != 0)?;
    Some(Place {
        chat: ChatId(id),
        thread: thread.map(ThreadId),
    })
}
