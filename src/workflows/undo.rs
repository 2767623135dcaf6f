//! Taking back what a run did: a run of its own, whose steps are the undo programs in reverse. Pure.

use crate::base::time::Millis;
use crate::base::workflow::{
    Concurrency, OnFailure, RunArgs, Source, Step, StepRow, StepState, Template, Values, Work,
    Workflow, command_line,
};
use crate::store::jobs::Job;
use std::collections::BTreeMap;
use std::sync::Arc;

/// How the source of a job begins that takes a run back; its number follows.
pub use crate::base::job::UNDO_SOURCE as SOURCE;

/// What a run is known by to its undo programs: `run.id` and `run.by`.
const OF_RUN: [&str; 2] = ["id", "by"];

/// What a run was, by how templates name it. A step that another run takes over is found to have it, since its deeds bear that
/// name.
#[must_use]
pub fn was(job: &Job) -> BTreeMap<String, String> {
    let values = [job.id.to_string(), job.new.asker_name.clone()];
    let named = |(name, value): (&str, String)| (Source::Run(name.to_owned()).to_string(), value);
    OF_RUN.into_iter().zip(values).map(named).collect()
}

/// A step did here what an earlier run left behind: from now on it is taken back as this run's.
pub fn own(row: &mut StepRow) {
    if !row.left_over {
        return;
    }
    let is_of_run = |name: &String| {
        let mut names = OF_RUN.into_iter();
        names.any(|known| Source::Run(known.to_owned()).to_string() == *name)
    };
    row.found.retain(|name, _| !is_of_run(name));
    row.left_over = false;
}

/// Whether a run did something that can be taken back.
#[must_use]
pub fn is_there(flow: &Workflow, rows: &[StepRow]) -> bool {
    done(flow, rows).next().is_some()
}

/// Whether this is what takes another run back.
#[must_use]
pub fn takes_back(flow: &Workflow) -> bool {
    let mut steps = flow.steps.iter();
    steps.any(|step| step.on_failure == OnFailure::FailLater)
}

/// Until when a run that is over may be taken back, however it ended.
#[must_use]
pub fn until(job: &Job, flow: &Workflow) -> Option<Millis> {
    Some(job.finished_at?.plus(flow.undo_for))
}

/// What takes a run back: the arguments of the run that does it and its steps as they begin, or `None` when there is nothing
/// to be taken back. The first of them has found what the old run found, and what it was.
#[must_use]
pub fn of(job: &Job, args: &RunArgs, rows: &[StepRow]) -> Option<(RunArgs, Vec<StepRow>)> {
    let flow = &args.flow;
    let undone: Vec<(&Step, &StepRow)> = done(flow, rows).collect();
    let holder = undone.last()?.0.name.clone();
    let held = |source: &Source| Source::Step(holder.clone(), source.to_string());
    let moved = |(step, row): (&Step, &StepRow), template: &Template| {
        let moved = |source: &Source| match source {
            // Its folder is another one.
            Source::Run(name) if name == "dir" => None,
            // Of a step that an earlier run did, it is that run.
            Source::Run(_) if row.found.contains_key(&source.to_string()) => {
                Some(held(&Source::Step(step.name.clone(), source.to_string())))
            }
            Source::Step(..) | Source::Run(_) => Some(held(source)),
            Source::Param(_) | Source::Env(_) => None,
        };
        let mut template = template.clone();
        template.replace(moved);
        template
    };
    let step = |(at, (old, row)): (usize, &(&Step, &StepRow))| {
        let moved = |template: &Template| moved((old, row), template);
        let argv = old.undo.iter().flatten().map(moved).collect();
        Step {
            needs: at.checked_sub(1).into_iter().collect(),
            on_failure: OnFailure::FailLater,
            on_crash: old.on_crash,
            lock: old.lock.clone(),
            cwd: old.cwd.as_ref().map(moved),
            // What holds for the whole run may name it, so it is said of each step.
            env: set(flow.env.iter().chain(&old.env), moved),
            ..Step::new(&old.name, Work::Run { argv }, old.timeout)
        }
    };
    let steps: Vec<Step> = undone.iter().rev().enumerate().map(step).collect();
    let mut begun = vec![StepRow::new(); steps.len()];
    if let Some(first) = begun.first_mut() {
        first.found = known(job, flow, rows);
    }
    let flow = Workflow {
        concurrency: Concurrency::Queue,
        env_pass: flow.env_pass.clone(),
        secrets: flow.secrets.clone(),
        ..Workflow::new(&flow.name, steps)
    };
    let args = RunArgs {
        given: args.given.clone(),
        params: args.params.clone(),
        shown: args.shown.clone(),
        flow: Arc::new(flow),
        from: None,
    };
    Some((args, begun))
}

/// The first step that cannot be taken back for want of a value that a step found and that is kept nowhere, and that value.
#[must_use]
pub fn lacking(flow: &Workflow, rows: &[StepRow]) -> Option<(String, Source)> {
    let found = |step: &str, name: &str| {
        let mut both = flow.steps.iter().zip(rows);
        both.any(|(known, row)| known.name == step && row.found.contains_key(name))
    };
    let lacks = |step: &Step| {
        let mut sources = templates(step).flat_map(Template::sources);
        let gone = sources.find(|source| match source {
            Source::Step(step, name) => !found(step, name),
            Source::Param(_) | Source::Env(_) | Source::Run(_) => false,
        });
        Some((step.name.clone(), gone?.clone()))
    };
    done(flow, rows).find_map(|(step, _)| lacks(step))
}

/// Whether what takes this step back needs a secret that a step finds, which is gone when the run is over.
#[must_use]
pub fn needs_secret(flow: &Workflow, step: &Step) -> bool {
    let is_secret = |source: &Source| match source {
        Source::Step(finder, name) => {
            let mut finders = flow.steps.iter().filter(|one| one.name == *finder);
            finders.any(|one| one.capture.get(name).is_some_and(|one| one.secret))
        }
        Source::Param(_) | Source::Env(_) | Source::Run(_) => false,
    };
    step.undo.is_some() && templates(step).flat_map(Template::sources).any(is_secret)
}

/// What the program that takes a step back is given.
fn templates(step: &Step) -> impl Iterator<Item = &Template> {
    let argv = step.undo.iter().flatten();
    argv.chain(&step.cwd).chain(step.env.values())
}

/// Whether something that takes a run back works in a folder of the run, which is empty then.
#[must_use]
pub fn needs_folder(flow: &Workflow, rows: &[StepRow]) -> bool {
    let below = |cwd: &Template| !cwd.beginning().starts_with('/');
    done(flow, rows).any(|(step, _)| step.cwd.as_ref().is_some_and(below))
}

/// What will run, a line each, in that order; what must not be seen stays as it was written.
#[must_use]
pub fn words(args: &RunArgs, rows: &[StepRow], values: &Values) -> Vec<String> {
    let mut values = values.clone();
    for (step, row) in args.flow.steps.iter().zip(rows) {
        for (name, value) in &row.found {
            values.set(Source::Step(step.name.clone(), name.clone()), value);
        }
    }
    let line = |(step, row): (&Step, &StepRow)| {
        let mut values = values.clone();
        for name in OF_RUN {
            let source = Source::Run(name.to_owned());
            if let Some(value) = row.found.get(&source.to_string()) {
                values.set(source, value);
            }
        }
        let argv = step.undo.as_deref().unwrap_or_default();
        format!("{}: {}", step.name, command_line(argv, &values))
    };
    let mut lines: Vec<_> = done(&args.flow, rows).map(line).collect();
    lines.reverse();
    lines
}

/// The steps that are done and can be taken back, in their order; also those that could not be taken back at once.
fn done<'a>(
    flow: &'a Workflow,
    rows: &'a [StepRow],
) -> impl Iterator<Item = (&'a Step, &'a StepRow)> {
    let both = flow.steps.iter().zip(rows);
    let takes_back = |(step, row): &(&Step, &StepRow)| {
        (row.state == StepState::Done || row.left_over) && step.undo.is_some()
    };
    both.filter(takes_back)
}

fn set<'a>(
    pairs: impl Iterator<Item = (&'a String, &'a Template)>,
    moved: impl Fn(&Template) -> Template,
) -> BTreeMap<String, Template> {
    pairs
        .map(|(name, value)| (name.clone(), moved(value)))
        .collect()
}

/// What was known in a run, by how its templates name it.
fn known(job: &Job, flow: &Workflow, rows: &[StepRow]) -> BTreeMap<String, String> {
    let mut known = BTreeMap::new();
    for (step, row) in flow.steps.iter().zip(rows) {
        for (name, value) in &row.found {
            let source = Source::Step(step.name.clone(), name.clone());
            known.insert(source.to_string(), value.clone());
        }
    }
    known.extend(was(job));
    known
}
