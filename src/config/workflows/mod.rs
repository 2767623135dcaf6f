//! The section `workflows`, and the files of `workflows_dir`: steps that make up one run.
//!
//! Each workflow is read for itself first. What names another one, or a step, is looked at when all are known.

mod call;
mod folder;
mod params;
mod reader;
mod refs;
mod spellings;
mod step;
mod work;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::access::{self, Access};
use super::args::{self, Matching};
use super::at_github;
use super::fault::{At, Report};
use super::kind::Kind;
use super::map::Map;
use super::read::{meant, one_of, parse_name, texts};
use super::schedule::{self, Schedule};
use super::scripts::{Catalog, Script, passed, secrets};
use super::tree::{Node, Value};
use super::{Paths, YEAR};
use crate::base::job::OnBusy;
use crate::base::name::Name;
use crate::base::role::Role;
use crate::base::workflow::{Concurrency, Notify, Template, Workflow};
use reader::{Braced, Reader, Use};
use step::{Draft, Part};

pub(super) use call::own_lock;
pub(super) use folder::{Beside, Gathered, folder, gather, parse};
pub use params::check_params;

/// How many steps run at once when the workflow does not say.
const PARALLEL: usize = 4;

/// A workflow as far as it can be read without the others.
struct Flow {
    script: Script,
    at: At,
    /// It without its steps.
    workflow: Workflow,
    steps: Vec<Draft>,
    always: Vec<Draft>,
    /// Where its parameters are declared, in their order.
    params: Vec<At>,
    /// The values that are wanted before its steps.
    uses: Vec<Use>,
    /// What looks like a parameter, and is text.
    braced: Vec<Braced>,
    /// Its folder for programs, unless a step says otherwise.
    cwd: Option<Template>,
    /// The time from one run to the next, and where it says so.
    interval: Option<(Duration, At)>,
    /// Whether it says how long its undo is offered.
    undo_for: bool,
}

impl Flow {
    fn name(&self) -> &str {
        self.script.name.as_str()
    }

    /// All its steps, those of `always` last.
    fn drafts(&self) -> impl Iterator<Item = &Draft> {
        self.steps.iter().chain(&self.always)
    }
}

/// What the workflows need to know of the rest of the file.
pub(super) struct Around<'a> {
    pub(super) paths: &'a Paths<'a>,
    pub(super) access: &'a Access,
    /// How long a step may take that does not say.
    pub(super) timeout: Duration,
}

/// Reads the workflows into the catalog, which has the scripts already; returns when they run by themselves.
pub(super) fn read(
    root: &mut Map<'_>,
    beside: &[Beside],
    around: &Around<'_>,
    catalog: &mut Catalog,
    report: &mut Report,
) -> Vec<Schedule> {
    let mut flows = BTreeMap::new();
    let mut schedules = Vec::new();
    let mut take = |key: &str, at: &At, node: &Node, report: &mut Report| {
        let Some(name) = parse_name(key, at, report) else {
            return;
        };
        let free = catalog.claim(&name, "workflow", at, report);
        let read = flow(name.clone(), at, node, around, report);
        if let Some((flow, schedule)) = read.filter(|_| free) {
            flows.insert(name, flow);
            schedules.extend(schedule);
        }
    };
    if let Some(map) = root.section("workflows", report) {
        for entry in map.entries() {
            take(&entry.key, &entry.at, &entry.node, report);
        }
    }
    for file in beside {
        take(&file.name, &file.node.at, &file.node, report);
    }
    let graphs: BTreeMap<&Name, refs::Graph> = flows
        .iter()
        .filter_map(|(name, flow)| Some((name, refs::graph(flow, report)?)))
        .collect();
    for (name, flow) in &flows {
        refs::check(flow, graphs.get(name), &flows, report);
        call::check(flow, &flows, &catalog.scripts, report);
    }
    if !call::circular(&flows, report) {
        refs::check_times(&flows, &graphs, report);
    }
    call::take_turns(&flows, &mut catalog.scripts);
    let whole = match report.is_clean() {
        true => call::expand(&flows, &graphs, &catalog.scripts, report),
        // Nothing of it will be used.
        false => BTreeMap::new(),
    };
    for (name, flow) in &flows {
        let mut script = flow.script.clone();
        script.steps = whole.get(name).cloned();
        script.confirm |= call::confirms(flow, &flows, &catalog.scripts);
        catalog.add(script);
    }
    schedules
}

fn flow(
    name: Name,
    at: &At,
    node: &Node,
    around: &Around<'_>,
    report: &mut Report,
) -> Option<(Flow, Option<Schedule>)> {
    let path = format!("workflows.{name}");
    let mut map = Map::open(node, path.clone(), report)?;
    let mut script = Script::new(name, Vec::new());
    script.description = map.text("description", report).map(str::to_owned);
    let params = read_params(&mut script, &mut map, &path, around, report);
    let roles = Role::ALL.map(|role| (role.as_str(), role));
    script.role = map.word("role", &roles, report).unwrap_or(script.role);
    script.allow = access::persons(&mut map, "allow", &around.access.users, report);
    script.confirm = map.flag("confirm", report).unwrap_or_default();
    let concurrency = concurrency(&mut script, &mut map, report);
    script.env_pass = passed(&mut map, report);
    let set: Vec<String> = match map.get("env").map(|node| &node.value) {
        Some(Value::Map(entries)) => entries.iter().map(|entry| entry.key.clone()).collect(),
        _ => Vec::new(),
    };
    script.secrets = secrets(&mut map, &set, around.paths, report);
    let mut workflow = Workflow {
        name: script.name.to_string(),
        params: script.args.iter().filter_map(args::Arg::rule).collect(),
        concurrency,
        parallel: parallel(&mut map, report),
        max_duration: map
            .optional("max_duration")
            .and_then(|_| map.duration("max_duration", YEAR, report)),
        notify: notify(&mut map, around.access, report),
        steps: Vec::new(),
        always: Vec::new(),
        undo_for: map.duration_or("undo_for", super::scripts::UNDO_FOR, YEAR, report),
        env: BTreeMap::new(),
        env_pass: script.env_pass.clone(),
        secrets: script.secrets.clone(),
    };
    let undo_for = map.get("undo_for").is_some();
    // Its steps follow; that it is a workflow counts from here on.
    script.steps = Some(Arc::new(workflow.clone()));
    let (schedule, interval) = when(&script, &mut map, around, report);
    let declared = script.args.clone();
    let mut reader = Reader::new(around.paths, &declared, around.timeout, report);
    workflow.env = reader.env(&mut map);
    let cwd = reader.cwd(&mut map);
    let uses = reader.take_uses();
    let steps = drafts(&mut map, Part::Steps, &mut reader);
    let always = drafts(&mut map, Part::Always, &mut reader);
    let braced = reader.take_braced();
    if map.get("steps").is_none() {
        map.missing("steps", report);
    }
    map.finish(report);
    let flow = Flow {
        script,
        at: at.clone(),
        workflow,
        steps,
        always,
        params,
        uses,
        braced,
        cwd,
        interval,
        undo_for,
    };
    Some((flow, schedule))
}

/// Reads the parameters; returns where each is declared.
fn read_params(
    script: &mut Script,
    map: &mut Map<'_>,
    path: &str,
    around: &Around<'_>,
    report: &mut Report,
) -> Vec<At> {
    let nodes = map.list("params", report);
    script.args = args::read(
        nodes,
        &format!("{path}.params"),
        Matching::AsAnchored,
        around.paths,
        report,
    );
    let mut places = Vec::new();
    for arg in &script.args {
        let named = nodes.iter().find(|node| match &node.value {
            Value::Map(entries) => entries.iter().any(|entry| {
                entry.key == "name"
                    && matches!(&entry.node.value, Value::Scalar { text, .. } if text == arg.name.as_str())
            }),
            Value::Null | Value::Scalar { .. } | Value::Seq(_) => false,
        });
        let at = named.map_or(map.at, |node| &node.at);
        step::dotless(arg.name.as_str(), at, report);
        if matches!(arg.kind, Kind::File(_)) {
            let wrong = format!(
                "`{}` is a file, which no workflow takes; let a script take it",
                arg.name
            );
            report.fault(at, wrong);
        }
        places.push(at.clone());
    }
    places
}

/// What becomes of a start while it runs, also in the terms of scripts.
fn concurrency(script: &mut Script, map: &mut Map<'_>, report: &mut Report) -> Concurrency {
    let words = [
        ("single", Concurrency::Single),
        ("queue", Concurrency::Queue),
        ("replace", Concurrency::Replace),
        ("parallel", Concurrency::Parallel),
    ];
    let concurrency = map.word("concurrency", &words, report).unwrap_or_default();
    (script.concurrency, script.on_busy) = match concurrency {
        Concurrency::Single => (1, OnBusy::Refuse),
        Concurrency::Queue | Concurrency::Replace => (1, OnBusy::Queue),
        Concurrency::Parallel => (64, OnBusy::Queue),
    };
    concurrency
}

fn parallel(map: &mut Map<'_>, report: &mut Report) -> usize {
    let number = map.integer("parallel", 1..=64, report);
    number
        .and_then(|number| usize::try_from(number).ok())
        .unwrap_or(PARALLEL)
}

/// Which moments are told, and where beside the chat of the run; its end, when it does not say.
fn notify(map: &mut Map<'_>, access: &Access, report: &mut Report) -> Notify {
    let end = Notify {
        end: true,
        ..Notify::default()
    };
    let name = map.name("notify");
    let Some(node) = map.get("notify") else {
        return end;
    };
    if !matches!(node.value, Value::Map(_)) {
        return moments(node, &name, report);
    }
    let Some(mut inner) = Map::open(node, name, report) else {
        return end;
    };
    let at = inner.name("at");
    let mut told = match inner.get("at") {
        Some(node) => moments(node, &at, report),
        None => end,
    };
    told.to = schedule::places(&mut inner, access, report);
    inner.finish(report);
    told
}

fn moments(node: &Node, name: &str, report: &mut Report) -> Notify {
    let mut told = Notify::default();
    for (word, at) in texts(node, name, report) {
        match word {
            "start" => told.start = true,
            "steps" => told.steps = true,
            "end" => told.end = true,
            _ => {
                let all = ["start", "steps", "end"];
                let wrong = format!(
                    "`{name}` holds `{word}`; write {}{}",
                    one_of(&all),
                    meant(word, &all)
                );
                report.fault(at, wrong);
            }
        }
    }
    told
}

/// When it runs by itself: `every: after_end`, `every: 1h`, a schedule as scripts have it, or after runs at GitHub.
fn when(
    script: &Script,
    map: &mut Map<'_>,
    around: &Around<'_>,
    report: &mut Report,
) -> (Option<Schedule>, Option<(Duration, At)>) {
    let every = map.optional("every");
    let schedule = map.optional("schedule");
    let there = map.optional("after_github");
    let set: Vec<(&str, &Node)> = [
        ("every", every),
        ("schedule", schedule),
        ("after_github", there),
    ]
    .into_iter()
    .filter_map(|(key, node)| Some((key, node?)))
    .collect();
    if let [first @ .., (last, node)] = set.as_slice()
        && !first.is_empty()
    {
        let first: Vec<_> = first.iter().map(|(key, _)| format!("`{key}`")).collect();
        let many = if first.len() == 1 { "both" } else { "all" };
        let wrong = format!("{} and `{last}` are {many} set; keep one", first.join(", "));
        report.fault(&node.at, wrong);
    }
    let read = if let Some(node) = there {
        at_github::read(node, &map.name("after_github"), script, around, report)
    } else if let Some(node) = every {
        schedule::every(node, &map.name("every"), script, report)
    } else {
        schedule.and_then(|node| {
            let path = map.name("schedule");
            let mut read = schedule::read(node, &path, script, around.access, report)?;
            // Its steps are what there is to see, whether or not a program prints something.
            if !says_output(node) {
                read.rule = crate::base::schedule::Rule::Always;
            }
            Some(read)
        })
    };
    let interval = read
        .as_ref()
        .zip(every.or(schedule))
        .filter(|(read, _)| read.follows.is_none())
        .map(|(read, node)| (read.when.shortest(), node.at.clone()));
    (read, interval)
}

fn says_output(node: &Node) -> bool {
    match &node.value {
        Value::Map(entries) => entries.iter().any(|entry| entry.key == "output"),
        Value::Scalar { .. } | Value::Null | Value::Seq(_) => false,
    }
}

fn drafts(map: &mut Map<'_>, part: Part, reader: &mut Reader<'_>) -> Vec<Draft> {
    let key = match part {
        Part::Steps => "steps",
        Part::Always => "always",
    };
    let nodes = map.list(key, reader.report);
    if nodes.is_empty()
        && let Some(node) = map.get(key).filter(|_| part == Part::Steps)
        && matches!(node.value, Value::Seq(_))
    {
        let wrong = format!(
            "`{}` is empty; write the steps, one after the other",
            map.name(key)
        );
        reader.report.fault(&node.at, wrong);
    }
    let path = map.name(key);
    nodes
        .iter()
        .enumerate()
        .filter_map(|(index, node)| step::read(node, &format!("{path}[{index}]"), part, reader))
        .collect()
}
