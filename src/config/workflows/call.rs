//! Steps that name a script or another workflow: what they give is checked, and a called workflow's steps take the place
//! of the call.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::super::args::Arg;
use super::super::fault::Report;
use super::super::read::one_of;
use super::super::scripts::Script;
use super::refs::Graph;
use super::step::Draft;
use super::work::{Given, Target};
use super::{Flow, Part};
use crate::base::name::Name;
use crate::base::suggest::closest;
use crate::base::workflow::{Source, Step, Template, Work, Workflow};

/// The most steps that a workflow may have, those of the called ones included.
const MOST_STEPS: usize = 2000;
/// How deep calls may go.
const MOST_DEPTH: usize = 16;

/// Looks at what the steps name and give.
pub(super) fn check(
    flow: &Flow,
    flows: &BTreeMap<Name, Flow>,
    scripts: &BTreeMap<Name, Script>,
    report: &mut Report,
) {
    let own_flow = flow;
    for draft in flow.drafts() {
        let Some(target) = &draft.target else {
            continue;
        };
        let own = draft.step.as_ref().and_then(|step| step.lock.as_ref());
        let named = Name::new(target.name.as_str()).ok();
        let flow = named.as_ref().and_then(|name| flows.get(name));
        let script = named.as_ref().and_then(|name| scripts.get(name));
        let script = match target.workflow {
            true => flow.map(|flow| &flow.script),
            false => script,
        };
        match script {
            Some(script) => {
                if let (Some(own), Some(its)) = (own, &script.lock)
                    && own != its
                {
                    let wrong = format!(
                        "`{}` has the lock {its} and its step the lock {own}, and a step has one; remove `lock` from the step",
                        target.name
                    );
                    report.fault(&target.at, wrong);
                }
                guarded(own_flow, draft, target, script, report);
                assign(target, &script.args, report);
            }
            None => {
                let other = match target.workflow {
                    true => named.is_some_and(|name| scripts.contains_key(&name)),
                    false => flow.is_some(),
                };
                let wrong = unknown(target, other, flows, scripts);
                report.fault(&target.at, wrong);
            }
        }
    }
}

/// What guards a script or workflow guards it as a step, too: who may run it, and what takes it back.
fn guarded(flow: &Flow, draft: &Draft, target: &Target, script: &Script, report: &mut Report) {
    let (name, may) = (&target.name, flow.script.role);
    if script.role > may {
        let wrong = format!(
            "`{name}` needs the role {}, and {} may be run from {may} on; write `role: {}` on {}, or lower that of `{name}`",
            script.role,
            flow.name(),
            script.role,
            flow.name()
        );
        report.fault(&target.at, wrong);
    }
    let (Some(step), Some(rule)) = (&draft.step, &script.undo_rule) else {
        return;
    };
    if rule.confirm.is_some() && step.confirm_within.is_none() {
        let wrong = format!(
            "`{name}` takes itself back unless somebody confirms it, which a step must say itself; write `undo` and \
             `confirm_within` on the step"
        );
        report.fault(&target.at, wrong);
    } else if step.undo.is_none() {
        let wrong = format!(
            "`{name}` can be taken back when it is run by itself, and not as this step; write `undo` on the step, too"
        );
        report.warn(&target.at, wrong);
    }
}

/// Whether anything that it runs is shown and confirmed first.
pub(super) fn confirms(
    flow: &Flow,
    flows: &BTreeMap<Name, Flow>,
    scripts: &BTreeMap<Name, Script>,
) -> bool {
    let targets = flow.drafts().filter_map(|draft| draft.target.as_ref());
    let mut called = targets.filter_map(|target| {
        let name = Name::new(target.name.as_str()).ok()?;
        match target.workflow {
            true => flows.get(&name).map(|flow| &flow.script),
            false => scripts.get(&name),
        }
    });
    called.any(|script| script.confirm)
}

/// Gives a lock to each script that steps run, that runs once at a time and names none: its jobs and the steps then wait for
/// each other as its jobs do. A name with a colon is nobody else's.
pub(super) fn take_turns(flows: &BTreeMap<Name, Flow>, scripts: &mut BTreeMap<Name, Script>) {
    let drafts = flows.values().flat_map(Flow::drafts);
    for target in drafts.filter_map(|draft| draft.target.as_ref()) {
        let named = Name::new(target.name.as_str()).ok();
        let script = named.and_then(|name| scripts.get_mut(&name));
        if let Some(script) = script.filter(|_| !target.workflow)
            && script.concurrency == 1
        {
            script.lock = script.lock.take().or_else(|| Some(own_lock(&script.name)));
        }
    }
}

/// The lock of a script that has none of its own and takes turns with steps.
pub(in crate::config) fn own_lock(script: &Name) -> String {
    format!("script:{script}")
}

fn unknown(
    target: &Target,
    other: bool,
    flows: &BTreeMap<Name, Flow>,
    scripts: &BTreeMap<Name, Script>,
) -> String {
    let (what, kind, key) = match target.workflow {
        true => ("workflow", "script", "script"),
        false => ("script", "workflow", "workflow"),
    };
    let name = &target.name;
    if other {
        return format!("`{name}` is a {kind}; write `{key}: {name}`");
    }
    let known: Vec<&str> = match target.workflow {
        true => flows.keys().map(Name::as_str).collect(),
        false => scripts.keys().map(Name::as_str).collect(),
    };
    match closest(name, known.iter().copied()) {
        Some(near) => format!("there is no {what} `{name}`; did you mean `{near}`?"),
        None => format!("there is no {what} `{name}`; there is {}", one_of(&known)),
    }
}

/// The values that are given by the names of what takes them; what is wrong with them is told.
fn assign<'t>(
    target: &'t Target,
    args: &[Arg],
    report: &mut Report,
) -> Vec<(String, &'t Template)> {
    let mut found: Vec<(String, &Template)> = Vec::new();
    let mut places = args.iter();
    for given in &target.given {
        let arg = match &given.name {
            Some(name) => args.iter().find(|arg| arg.name.as_str() == name),
            None => places.next(),
        };
        let Some(arg) = arg else {
            report.fault(&given.at, surplus(given, target, args));
            continue;
        };
        if let Err(wrong) = check_value(given, arg, target.workflow) {
            report.fault(&given.at, wrong);
        }
        found.push((arg.name.to_string(), &given.value));
    }
    let lacks = args
        .iter()
        .filter(|arg| arg.required() && !found.iter().any(|(name, _)| name == arg.name.as_str()));
    for arg in lacks {
        let key = if target.workflow { "params" } else { "args" };
        let wrong = match arg.is_file() {
            true => format!(
                "`{}` takes a file as {}, which no step can give; name another script",
                target.name, arg.name
            ),
            false => format!(
                "`{0}` needs {1}; write {{name: {0}, {key}: {{{1}: …}}}}",
                target.name, arg.name
            ),
        };
        report.fault(&target.at, wrong);
    }
    found
}

fn surplus(given: &Given, target: &Target, args: &[Arg]) -> String {
    let known: Vec<&str> = args.iter().map(|arg| arg.name.as_str()).collect();
    match &given.name {
        Some(name) => {
            let right = match closest(name, known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None if known.is_empty() => "it takes none".to_owned(),
                None => format!("write {}", one_of(&known)),
            };
            format!("`{name}` is nothing that {} takes; {right}", target.name)
        }
        None => format!("{} takes {} values at the most", target.name, known.len()),
    }
}

/// A value that is known now is checked now. One of a list that a program prints cannot be, nor later, when nobody is
/// there to press a button; so it has to be written down.
fn check_value(given: &Given, arg: &Arg, workflow: bool) -> Result<(), String> {
    match given.value.as_literal() {
        Some(value) => arg
            .check(value)
            .map(drop)
            .map_err(|wrong| wrong.to_string()),
        None if workflow && arg.choices_from.is_some() => Err(format!(
            "{} takes what a program lists; write the value itself here",
            arg.name
        )),
        None => Ok(()),
    }
}

/// Tells of workflows that call themselves, by whatever way, and of calls within calls without end; whether there are any.
pub(super) fn circular(flows: &BTreeMap<Name, Flow>, report: &mut Report) -> bool {
    let mut walk = Walk {
        flows,
        path: Vec::new(),
        depths: BTreeMap::new(),
        found: false,
        report,
    };
    for flow in flows.values() {
        walk.depth(flow);
    }
    walk.found
}

/// A way along the calls.
struct Walk<'f, 'r> {
    flows: &'f BTreeMap<Name, Flow>,
    /// The workflows on it, each called by the one before.
    path: Vec<&'f str>,
    /// How many calls deep those go that were looked at.
    depths: BTreeMap<&'f str, usize>,
    found: bool,
    report: &'r mut Report,
}

impl<'f> Walk<'f, '_> {
    fn depth(&mut self, flow: &'f Flow) -> usize {
        if let Some(known) = self.depths.get(flow.name()) {
            return *known;
        }
        self.path.push(flow.name());
        let mut deepest = 0;
        let calls = flow.drafts().filter_map(|draft| draft.target.as_ref());
        for target in calls.filter(|target| target.workflow) {
            let name = Name::new(target.name.as_str()).ok();
            let Some(called) = name.and_then(|name| self.flows.get(&name)) else {
                continue;
            };
            let start = self.path.iter().position(|one| *one == called.name());
            let wrong = if let Some(start) = start {
                let circle = [&self.path[start..], &[called.name()]].concat();
                format!(
                    "a workflow cannot call itself: {}; take one of the calls out",
                    circle.join(" → ")
                )
            } else {
                // What is too deep is not followed further.
                let too_deep = self.path.len() >= MOST_DEPTH || {
                    let depth = self.depth(called) + 1;
                    deepest = deepest.max(depth);
                    depth >= MOST_DEPTH
                };
                if !too_deep {
                    continue;
                }
                format!("calls within calls go deeper than {MOST_DEPTH} here; put steps together")
            };
            self.report.fault(&target.at, wrong);
            self.found = true;
        }
        self.path.pop();
        self.depths.insert(flow.name(), deepest);
        deepest
    }
}

/// Whether the value that this step finds is secret; of a call, its parameters count, and its steps as `call/step`.
///
/// # Errors
/// That there is no such value, and which there are.
pub(super) fn finds(
    step: &str,
    value: &str,
    flow: &Flow,
    flows: &BTreeMap<Name, Flow>,
) -> Result<bool, String> {
    let (first, rest) = match step.split_once('/') {
        Some((first, rest)) => (first, Some(rest)),
        None => (step, None),
    };
    let Some(draft) = flow.drafts().find(|draft| draft.name == first) else {
        return Err(format!("there is no step `{step}`"));
    };
    if draft.misspelt {
        return Ok(false);
    }
    let called = match &draft.target {
        Some(target) if target.workflow => {
            // What is called does not exist: that is told where it is called.
            let named = flows.values().find(|flow| flow.name() == target.name);
            let Some(called) = named else {
                return Ok(false);
            };
            Some(called)
        }
        Some(_) | None => None,
    };
    let known: Vec<&str> = match (called, rest) {
        (Some(called), Some(rest)) => return finds(rest, value, called, flows),
        (None, Some(_)) => {
            return Err(format!(
                "`{first}` calls no workflow, so there is no step `{step}`"
            ));
        }
        (Some(called), None) => called
            .script
            .args
            .iter()
            .map(|arg| arg.name.as_str())
            .collect(),
        (None, None) => draft.finds.keys().map(String::as_str).collect(),
    };
    if known.contains(&value) {
        return Ok(draft.finds.get(value).copied().unwrap_or_default());
    }
    Err(match closest(value, known.iter().copied()) {
        Some(near) => format!("`{step}` finds no `{value}`; did you mean `steps.{step}.{near}`?"),
        None if known.is_empty() => {
            format!("`{step}` finds no values; name them under its `capture`")
        }
        None => format!("`{step}` finds no `{value}`; it finds {}", one_of(&known)),
    })
}

/// Puts the workflows together. Everything in them was found to be right.
pub(super) fn expand(
    flows: &BTreeMap<Name, Flow>,
    graphs: &BTreeMap<&Name, Graph>,
    scripts: &BTreeMap<Name, Script>,
    report: &mut Report,
) -> BTreeMap<Name, Arc<Workflow>> {
    let mut whole = BTreeMap::new();
    for name in flows.keys() {
        one(name, flows, graphs, scripts, &mut whole, report);
    }
    whole
}

fn one(
    name: &Name,
    flows: &BTreeMap<Name, Flow>,
    graphs: &BTreeMap<&Name, Graph>,
    scripts: &BTreeMap<Name, Script>,
    whole: &mut BTreeMap<Name, Arc<Workflow>>,
    report: &mut Report,
) -> Option<Arc<Workflow>> {
    if let Some(done) = whole.get(name) {
        return Some(Arc::clone(done));
    }
    let (flow, graph) = (flows.get(name)?, graphs.get(name)?);
    let mut making = Making {
        flow,
        workflow: flow.workflow.clone(),
        ends: vec![Vec::new(); flow.steps.len()],
    };
    for &index in &graph.order {
        let draft = &flow.steps[index];
        let needs = graph.needs[index]
            .iter()
            .flat_map(|need| &making.ends[*need]);
        let mut needs: Vec<usize> = needs.copied().collect();
        needs.sort_unstable();
        let mut step = making.step(draft, flows, scripts)?;
        step.needs = needs;
        making.workflow.steps.push(step);
        making.ends[index] = vec![making.workflow.steps.len() - 1];
        let Some(target) = draft.target.as_ref().filter(|target| target.workflow) else {
            continue;
        };
        let called = Name::new(target.name.as_str()).ok()?;
        let called = one(&called, flows, graphs, scripts, whole, report)?;
        if making.workflow.steps.len() + called.steps.len() > MOST_STEPS {
            let wrong = format!(
                "{name} has more than {MOST_STEPS} steps with those of the workflows that it calls; call fewer"
            );
            report.fault(&flow.at, wrong);
            return None;
        }
        making.ends[index] = making.take_in(&draft.name, &called);
    }
    for draft in &flow.always {
        let step = making.step(draft, flows, scripts)?;
        making.workflow.always.push(step);
    }
    let mut workflow = making.workflow;
    if !flow.undo_for && workflow.steps.iter().all(|step| step.undo.is_none()) {
        workflow.undo_for = Duration::ZERO;
    }
    if let Some((service, other)) = blocked_by_service(&workflow) {
        let wrong = format!(
            "the service {service} has its lock until the run ends, so {other}, which names it as well, would wait for ever; give them different locks"
        );
        report.fault(&flow.at, wrong);
    }
    let made = Arc::new(workflow);
    whole.insert(name.clone(), Arc::clone(&made));
    Some(made)
}

/// A service, and another step that could never have its lock.
fn blocked_by_service(workflow: &Workflow) -> Option<(&str, &str)> {
    let services = workflow.steps.iter().filter(|step| step.is_service());
    let mut locked = services.filter(|service| service.lock.is_some());
    locked.find_map(|service| {
        let same = |step: &&Step| step.lock == service.lock && step.name != service.name;
        let other = workflow.steps.iter().find(same)?;
        Some((service.name.as_str(), other.name.as_str()))
    })
}

/// A workflow that is being put together.
struct Making<'f> {
    flow: &'f Flow,
    workflow: Workflow,
    /// For each step of the file, the steps whose end is its own.
    ends: Vec<Vec<usize>>,
}

impl Making<'_> {
    /// The step, with what it gives under the right names and its workflow's folder.
    fn step(
        &self,
        draft: &Draft,
        flows: &BTreeMap<Name, Flow>,
        scripts: &BTreeMap<Name, Script>,
    ) -> Option<Step> {
        let mut step = draft.step.clone()?;
        if step.cwd.is_none() {
            step.cwd.clone_from(&self.flow.cwd);
        }
        let Some(target) = &draft.target else {
            return Some(step);
        };
        let named = Name::new(target.name.as_str()).ok()?;
        let args = match target.workflow {
            true => &flows.get(&named)?.script.args,
            false => &scripts.get(&named)?.args,
        };
        let values = assign(target, args, &mut Report::default());
        match &mut step.work {
            Work::Script { given, .. } => {
                let script = scripts.get(&named)?;
                step.lock = step.lock.or_else(|| script.lock.clone());
                if let Some(own) = script.timeout.filter(|_| !draft.timed) {
                    step.timeout = own;
                }
                let named =
                    |(name, value): (String, &Template)| value.prefixed(&format!("{name}="));
                *given = values.into_iter().map(named).collect();
            }
            Work::Call { given, params, .. } => {
                params.extend(args.iter().filter_map(Arg::rule));
                let own = |(name, value): (String, &Template)| (name, value.clone());
                given.extend(values.into_iter().map(own));
            }
            _ => {}
        }
        Some(step)
    }

    /// Adds the steps of a called workflow after its call, which is the last; returns those whose end is its end.
    fn take_in(&mut self, call: &str, called: &Workflow) -> Vec<usize> {
        let first = self.workflow.steps.len();
        let at = first - 1;
        let bring = |step: &Step, part: Part| {
            let mut step = step.clone();
            step.name = format!("{call}/{}", step.name);
            for (name, value) in &called.env {
                let own = step.env.entry(name.clone());
                own.or_insert_with(|| value.clone());
            }
            for template in step.templates_mut() {
                template.replace(|source| match source {
                    Source::Param(name) => Some(Source::Step(call.to_owned(), name.clone())),
                    Source::Step(step, value) => {
                        Some(Source::Step(format!("{call}/{step}"), value.clone()))
                    }
                    Source::Env(_) | Source::Run(_) => None,
                });
            }
            step.part_of = Some(step.part_of.map_or(at, |inner| inner + first));
            if part == Part::Steps {
                for need in &mut step.needs {
                    *need += first;
                }
                if step.needs.is_empty() {
                    step.needs.push(at);
                }
            }
            step
        };
        let steps: Vec<Step> = called
            .steps
            .iter()
            .map(|step| bring(step, Part::Steps))
            .collect();
        let always = called.always.iter().map(|step| bring(step, Part::Always));
        self.workflow.always.extend(always);
        let needed: Vec<usize> = steps.iter().flat_map(|step| step.needs.clone()).collect();
        let ends: Vec<usize> = (first..first + steps.len())
            .filter(|step| !needed.contains(step))
            .collect();
        self.workflow.steps.extend(steps);
        for name in &called.env_pass {
            if !self.workflow.env_pass.contains(name) {
                self.workflow.env_pass.push(name.clone());
            }
        }
        for name in &called.secrets {
            if !self.workflow.secrets.contains(name) {
                self.workflow.secrets.push(name.clone());
            }
        }
        ends
    }
}
