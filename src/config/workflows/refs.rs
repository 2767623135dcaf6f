//! What the steps say of each other: what they need, in which order they can run, and which values they want.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::super::fault::Report;
use super::reader::{Reach, Use};
use super::step::Draft;
use super::{Flow, call};
use crate::base::name::Name;
use crate::base::suggest::closest;
use crate::base::time::human;
use crate::base::workflow::{Concurrency, Source, Work};

/// Which step comes after which.
pub(super) struct Graph {
    /// The steps, each after all that it needs; else as they are written.
    pub(super) order: Vec<usize>,
    /// What each step needs, by its place in the file.
    pub(super) needs: Vec<Vec<usize>>,
}

/// Looks at the names and needs of the steps; `None`, and a fault, when there is no order.
pub(super) fn graph(flow: &Flow, report: &mut Report) -> Option<Graph> {
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for draft in flow.drafts() {
        if !seen.insert(draft.name.as_str()) {
            let wrong = format!(
                "a step named `{}` is already there; give each its own name",
                draft.name
            );
            report.fault(&draft.at, wrong);
        }
    }
    for (index, draft) in flow.steps.iter().enumerate() {
        places.entry(&draft.name).or_insert(index);
    }
    let named = flow.steps.iter().any(|draft| draft.needs.is_some());
    let mut needs = Vec::new();
    for (index, draft) in flow.steps.iter().enumerate() {
        let mut own = Vec::new();
        if !named {
            own.extend(index.checked_sub(1));
        }
        for (name, at) in draft.needs.iter().flatten() {
            match places.get(name.as_str()) {
                Some(other) if own.contains(other) => {}
                Some(other) => own.push(*other),
                None => report.fault(at, unknown_step(name, flow)),
            }
        }
        own.sort_unstable();
        needs.push(own);
    }
    let mut order: Vec<usize> = Vec::new();
    let mut done = vec![false; needs.len()];
    while order.len() < needs.len() {
        let free = |step: &usize| !done[*step] && needs[*step].iter().all(|need| done[*need]);
        let Some(step) = (0..needs.len()).find(free) else {
            tell_cycle(flow, &needs, &done, report);
            return None;
        };
        done[step] = true;
        order.push(step);
    }
    Some(Graph { order, needs })
}

fn unknown_step(name: &str, flow: &Flow) -> String {
    let known: Vec<&str> = flow.steps.iter().map(|draft| draft.name.as_str()).collect();
    match closest(name, known.iter().copied()) {
        Some(near) => format!("there is no step `{name}`; did you mean `{near}`?"),
        None if flow.always.iter().any(|draft| draft.name == name) => {
            format!(
                "`{name}` stands under `always`, which comes last; write the name of a step under `steps`"
            )
        }
        None => format!("there is no step `{name}`; there are {}", known.join(", ")),
    }
}

/// Follows needs that were not met until a step comes again: the steps from there on wait for each other.
fn tell_cycle(flow: &Flow, needs: &[Vec<usize>], done: &[bool], report: &mut Report) {
    let open = |step: &usize| !done[*step];
    let Some(mut step) = (0..needs.len()).find(open) else {
        return;
    };
    let mut path = Vec::new();
    while !path.contains(&step) {
        path.push(step);
        match needs[step].iter().copied().find(open) {
            Some(next) => step = next,
            None => return,
        }
    }
    let start = path.iter().position(|one| *one == step).unwrap_or_default();
    let cycle = &path[start..];
    let names = cycle.iter().chain([&step]);
    let names: Vec<&str> = names.map(|one| flow.steps[*one].name.as_str()).collect();
    let wrong = format!(
        "these steps wait for each other: {}; take one of their `needs` out",
        names.join(" → ")
    );
    report.fault(&flow.steps[step].at, wrong);
}

impl Graph {
    /// All steps that are over before this one begins.
    fn before(&self, step: usize) -> BTreeSet<usize> {
        let mut found = BTreeSet::new();
        let mut open = self.needs[step].clone();
        while let Some(next) = open.pop() {
            if found.insert(next) {
                open.extend(&self.needs[next]);
            }
        }
        found
    }
}

/// Where a value is wanted.
enum Place<'a> {
    /// Before any step.
    Start,
    /// In this step, before which those are over.
    Step(&'a Draft, Option<BTreeSet<usize>>),
    /// In the step of `always` at this place.
    Always(usize),
}

/// Looks whether every value that is wanted will be there.
pub(super) fn check(
    flow: &Flow,
    graph: Option<&Graph>,
    flows: &BTreeMap<Name, Flow>,
    report: &mut Report,
) {
    for one in &flow.uses {
        check_use(one, &Place::Start, flow, flows, report);
    }
    for (index, draft) in flow.steps.iter().enumerate() {
        let reads = |one: &Use| matches!(one.source, Source::Step(..));
        let before = match draft.uses.iter().any(reads) {
            true => graph.map(|graph| graph.before(index)),
            false => None,
        };
        let place = Place::Step(draft, before);
        for one in &draft.uses {
            check_use(one, &place, flow, flows, report);
        }
    }
    for (index, draft) in flow.always.iter().enumerate() {
        for one in &draft.uses {
            check_use(one, &Place::Always(index), flow, flows, report);
        }
    }
    check_params(flow, report);
}

/// Looks whether every parameter is used, and what only looks as if it used one.
fn check_params(flow: &Flow, report: &mut Report) {
    let wanted: BTreeSet<&str> = flow
        .drafts()
        .flat_map(|draft| &draft.uses)
        .chain(&flow.uses)
        .filter_map(|one| match &one.source {
            Source::Param(name) => Some(name.as_str()),
            Source::Step(..) | Source::Env(_) | Source::Run(_) => None,
        })
        .collect();
    for (arg, at) in flow.script.args.iter().zip(&flow.params) {
        let name = arg.name.as_str();
        let used = wanted.contains(name);
        let braced = || flow.braced.iter().filter(|one| one.name == name);
        for one in braced().filter(|one| !one.told) {
            let wrong = format!(
                "`{}` is plain text in a workflow; write {{{{ params.{name} }}}} for the parameter",
                one.written
            );
            // Beside a right use it may be meant.
            match used {
                true => report.doubt(&one.at, wrong),
                false => report.fault(&one.at, wrong),
            }
        }
        let misread = flow.drafts().any(|draft| draft.misspelt) || braced().next().is_some();
        if !used && !misread {
            let wrong = format!(
                "the parameter `{name}` of {} is declared but no step uses it; \
                 write {{{{ params.{name} }}}} where it belongs",
                flow.name()
            );
            report.fault(at, wrong);
        }
    }
}

fn check_use(
    one: &Use,
    place: &Place<'_>,
    flow: &Flow,
    flows: &BTreeMap<Name, Flow>,
    report: &mut Report,
) {
    let wrong = match &one.source {
        Source::Run(_) => None,
        Source::Param(name) => unknown_param(name, flow),
        Source::Env(name) => hidden_variable(name, one.reach, flow),
        Source::Step(step, value) => no_value(step, value, one, place, flow, flows),
    };
    if let Some(wrong) = wrong {
        report.fault(&one.at, wrong);
    }
}

fn unknown_param(name: &str, flow: &Flow) -> Option<String> {
    let known: Vec<&str> = flow
        .script
        .args
        .iter()
        .map(|arg| arg.name.as_str())
        .collect();
    if known.contains(&name) {
        return None;
    }
    let right = match closest(name, known.iter().copied()) {
        Some(near) => format!("did you mean `params.{near}`?"),
        None => "declare it under `params`".to_owned(),
    };
    Some(format!(
        "`params.{name}` is not a parameter of {}; {right}",
        flow.name()
    ))
}

fn hidden_variable(name: &str, reach: Reach, flow: &Flow) -> Option<String> {
    let listed = |names: &[String]| names.iter().any(|known| known == name);
    if listed(&flow.script.secrets) {
        return (reach == Reach::Seen).then(|| {
            format!(
                "`env.{name}` is a secret, which must not stand where it can be seen; programs find it in the variable {name}"
            )
        });
    }
    (!listed(&flow.script.env_pass)).then(|| {
        format!(
            "`env.{name}` is not passed on; add {name} to `env_pass` of {}",
            flow.name()
        )
    })
}

fn no_value(
    step: &str,
    value: &str,
    one: &Use,
    place: &Place<'_>,
    flow: &Flow,
    flows: &BTreeMap<Name, Flow>,
) -> Option<String> {
    // `call/step` is a step of the workflow that `call` calls; it is over when the call is.
    let first = step.split('/').next().unwrap_or_default();
    let in_steps = flow.steps.iter().position(|draft| draft.name == first);
    let in_always = flow.always.iter().position(|draft| draft.name == first);
    let there = match place {
        Place::Start => {
            return Some(format!(
                "`{}` is not there before the first step; write it in the step itself",
                one.source
            ));
        }
        Place::Step(own, before) => {
            let itself = own.name == first && one.after;
            let earlier = match (before, in_steps) {
                (Some(before), Some(index)) => before.contains(&index),
                // Of steps without an order, the cycle is what is wrong.
                (None, Some(_)) => true,
                (_, None) => false,
            };
            itself || earlier
        }
        Place::Always(own) => in_steps.is_some() || in_always.is_some_and(|index| index < *own),
    };
    if in_steps.is_none() && in_always.is_none() {
        return Some(unknown_step(step, flow));
    }
    if !there {
        let itself = matches!(place, Place::Step(own, _) if own.name == first);
        return Some(match itself {
            true => format!("`{}` is not there before the step itself ran", one.source),
            false => format!(
                "`{}` may not be there yet, since `{first}` need not be over by then; add it to `needs`, or put it earlier",
                one.source
            ),
        });
    }
    match call::finds(step, value, flow, flows) {
        Ok(secret) => (secret && one.reach == Reach::Seen).then(|| {
            format!(
                "`{}` is secret, so it must not stand where it can be seen; give it to a program under `env`",
                one.source
            )
        }),
        Err(wrong) => Some(wrong),
    }
}

/// Looks whether the holds fit into the time that a run has.
pub(super) fn check_times(
    flows: &BTreeMap<Name, Flow>,
    graphs: &BTreeMap<&Name, Graph>,
    report: &mut Report,
) {
    let mut known = BTreeMap::new();
    for (name, flow) in flows {
        let least = holds(name, flows, graphs, &mut known);
        if let Some(most) = flow.workflow.max_duration.filter(|most| *most < least) {
            let wrong = format!(
                "`max_duration` of {name} is {}, but its steps hold for {} at the least; write more",
                human(most),
                human(least)
            );
            report.fault(&flow.at, wrong);
        }
        check_answers(flow, report);
        let overlaps = flow.workflow.concurrency == Concurrency::Parallel;
        if let Some((gap, at)) = &flow.interval
            && *gap < least
            && !overlaps
        {
            let wrong = format!(
                "{name} would begin again after {}, but its steps hold for {} at the least; write a longer time, or `every: after_end`",
                human(*gap),
                human(least)
            );
            report.fault(at, wrong);
        }
    }
}

/// Nobody can answer for longer than the run may take.
fn check_answers(flow: &Flow, report: &mut Report) {
    let Some(most) = flow.workflow.max_duration else {
        return;
    };
    for draft in flow.steps.iter().filter(|draft| draft.timed) {
        let step = draft.step.as_ref();
        let asks = step.filter(|step| matches!(step.work, Work::Approve { .. }));
        if let Some(step) = asks.filter(|step| step.timeout > most) {
            let wrong = format!(
                "`{}` waits up to {} for an answer, but `max_duration` of {} is {}; write less, or a longer `max_duration`",
                step.name,
                human(step.timeout),
                flow.name(),
                human(most)
            );
            report.fault(&draft.at, wrong);
        }
    }
}

/// The time for which the steps hold on the longest way through them; calls do not go round in circles.
fn holds<'f>(
    name: &'f Name,
    flows: &'f BTreeMap<Name, Flow>,
    graphs: &BTreeMap<&Name, Graph>,
    known: &mut BTreeMap<&'f Name, Duration>,
) -> Duration {
    if let Some(known) = known.get(name) {
        return *known;
    }
    let (Some(flow), Some(graph)) = (flows.get(name), graphs.get(name)) else {
        return Duration::ZERO;
    };
    let mut ends = vec![Duration::ZERO; flow.steps.len()];
    for &index in &graph.order {
        let own = match flow.steps[index].step.as_ref().map(|step| &step.work) {
            Some(Work::Hold { length }) => *length,
            Some(Work::Call { workflow, .. }) => {
                let called = Name::new(workflow.as_str()).ok();
                let called = called.and_then(|called| flows.get_key_value(&called));
                called.map_or(Duration::ZERO, |(called, _)| {
                    holds(called, flows, graphs, known)
                })
            }
            Some(_) | None => Duration::ZERO,
        };
        let begins = graph.needs[index].iter().map(|need| ends[*need]).max();
        ends[index] = begins.unwrap_or_default().saturating_add(own);
    }
    let all = ends.into_iter().max().unwrap_or_default();
    known.insert(name, all);
    all
}
