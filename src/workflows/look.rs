//! Runs as others look at them: what a job says of its run, its card as it stands, and what another run takes over. Pure.

use super::board::{self, View};
use super::plan::{SENT, Verdict};
use crate::base::ids::JobId;
use crate::base::job::{Ending, undone};
use crate::base::text::{escape, shorten};
use crate::base::time::Millis;
use crate::base::workflow::{
    RUN, RunArgs, Source, Step, StepRow, StepState, Values, Work, Workflow,
};
use crate::delivery::card::Board;
use crate::store::jobs::Job;
use std::collections::{BTreeMap, BTreeSet};

/// Of what a run was given, so many UTF-16 units stand on its card.
const GIVEN: usize = 200;

/// What a run was started with; `None` of a job that is no run.
#[must_use]
pub fn args(job: &Job) -> Option<RunArgs> {
    match job.new.kind == RUN {
        true => serde_json::from_str(&job.new.payload).ok(),
        false => None,
    }
}

/// The values that are known before anything ran.
#[must_use]
pub fn given(args: &RunArgs) -> Values {
    let mut values = Values::default();
    for (name, value) in &args.params {
        values.set(Source::Param(name.clone()), value);
    }
    values
}

/// What began a run at another place, and what it was given, as lines of HTML for its card.
#[must_use]
pub fn begun(job: &Job, args: &RunArgs) -> Vec<String> {
    let telling = job.new.telling.as_ref();
    let follows = telling.and_then(|telling| telling.follows.as_ref());
    let follows = follows.map(|run| format!("Follows {run}"));
    let shown = args.shown.join(" · ");
    let shown = (!shown.is_empty()).then(|| escape(&shorten(&shown, GIVEN)));
    follows.into_iter().chain(shown).collect()
}

/// The run that this one takes back, if it does that.
#[must_use]
pub fn undoes(job: &Job) -> Option<JobId> {
    undone(&job.new.source)
}

/// The card of a run as its rows say it; of one that never began, `rows` is empty. `printed`: the steps that printed
/// something.
#[must_use]
pub fn board(
    job: &Job,
    args: &RunArgs,
    rows: &[StepRow],
    printed: &BTreeSet<usize>,
    now: Millis,
) -> Board {
    let flow = &args.flow;
    let unbegun;
    let rows = match rows.len() == flow.steps.len() + flow.always.len() {
        true => rows,
        false => {
            unbegun = vec![StepRow::new(); flow.steps.len() + flow.always.len()];
            &unbegun[..]
        }
    };
    let view = View {
        flow,
        rows,
        run: job.id,
        undoes: undoes(job),
        begun: &begun(job, args),
        printed,
        now: job.finished_at.unwrap_or(now),
    };
    match verdict(job, rows) {
        Some(verdict) => board::last(&view, verdict, job.ended_by.as_deref()),
        None => board::live(&view),
    }
}

/// What a run came to; `None` while it is open, and when it failed before its first step.
#[must_use]
pub fn verdict(job: &Job, rows: &[StepRow]) -> Option<Verdict> {
    let first = |state: StepState| rows.iter().position(|row| row.state == state);
    match job.ending()? {
        Ending::Exited(0) if first(StepState::Ignored).is_some() => Some(Verdict::Warnings),
        Ending::Exited(0) => Some(Verdict::Succeeded),
        Ending::Cancelled(_) => Some(Verdict::Stopped),
        Ending::TimedOut(_) => Some(Verdict::Late),
        Ending::Exited(_)
        | Ending::Signaled(_)
        | Ending::Broken(_)
        | Ending::Stopped
        | Ending::Lost => first(StepState::Failed).map(Verdict::Failed),
    }
}

/// The step that is meant: its name, whatever its letter case, or its place from 1 on.
#[must_use]
pub fn find_step(flow: &Workflow, typed: &str) -> Option<usize> {
    let mut names = names(flow);
    let exact = names.clone().position(|name| name == typed);
    let close = || names.position(|name| name.eq_ignore_ascii_case(typed));
    let place = || {
        let place: usize = typed.parse().ok()?;
        let count = flow.steps.len() + flow.always.len();
        (1..=count).contains(&place).then(|| place - 1)
    };
    exact.or_else(close).or_else(place)
}

/// The names of all steps, in their order.
pub fn names(flow: &Workflow) -> impl Iterator<Item = &str> + Clone {
    let all = flow.steps.iter().chain(&flow.always);
    all.map(|step| step.name.as_str())
}

/// The steps of a run that goes on where an earlier one of the same steps failed: what let others on there is done here. What
/// went with that run is done again, as is what found a secret, which is nowhere written; and whoever agreed to that run did
/// not agree to this one. `was` is that run ([`super::undo::was`]): a step that it took over itself stays the first one's. What
/// could not be taken back there may still be, until the step is done here: what its undo needs to know goes along.
#[must_use]
pub fn carried(
    flow: &Workflow,
    was: &BTreeMap<String, String>,
    earlier: &[StepRow],
) -> Vec<StepRow> {
    let again = |step: &Step| {
        let secret = step.capture.values().any(|capture| capture.secret);
        secret || matches!(step.work, Work::Service { .. } | Work::Approve { .. })
    };
    let done = |state: StepState| {
        matches!(
            state,
            StepState::Done | StepState::Ignored | StepState::Skipped
        )
    };
    let main = flow.steps.iter().zip(earlier);
    let mut rows: Vec<StepRow> = main
        .map(|(step, row)| {
            let is_done = done(row.state) && !again(step);
            let mut carried = StepRow::new();
            if is_done {
                carried.state = row.state;
                carried.ending.clone_from(&row.ending);
            }
            if is_done || row.left_over {
                carried.found = was.clone().into_iter().chain(row.found.clone()).collect();
                carried.left_over = row.left_over;
            }
            if !is_done {
                // Else what was begun at GitHub then would be followed, and nothing begun now.
                carried.found.remove(SENT);
            }
            carried
        })
        .collect();
    rows.resize_with(flow.steps.len() + flow.always.len(), StepRow::new);
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::role::Role;
    use crate::base::workflow::Template;
    use crate::workflows::{plan, undo};
    use std::time::Duration;

    fn step(name: &str, work: Work, needs: Vec<usize>) -> Step {
        Step {
            needs,
            ..Step::new(name, work, Duration::from_secs(60))
        }
    }

    fn runs() -> Work {
        Work::Run { argv: Vec::new() }
    }

    fn flow(steps: Vec<Step>, always: Vec<Step>) -> Workflow {
        Workflow {
            parallel: 2,
            always,
            ..Workflow::new("w", steps)
        }
    }

    fn row(state: StepState) -> StepRow {
        StepRow {
            state,
            attempt: 1,
            ..StepRow::new()
        }
    }

    #[test]
    fn what_was_done_is_carried_over_and_no_consent() {
        let approve = Work::Approve {
            question: None,
            role: Role::Admin,
            by_asker: false,
        };
        let serve = Work::Service { argv: Vec::new() };
        let steps = vec![
            step("a", runs(), vec![]),
            step("b", approve, vec![0]),
            step("c", serve, vec![1]),
            step("d", runs(), vec![2]),
            step("e", runs(), vec![3]),
        ];
        let flow = flow(steps, vec![step("clean", runs(), vec![])]);
        use StepState::{Done, Failed, Ignored, Waiting};
        let earlier = [Done, Done, Done, Ignored, Failed, Done].map(row);
        let was = BTreeMap::from([("run.id".to_owned(), "7".to_owned())]);
        let states: Vec<_> = carried(&flow, &was, &earlier)
            .iter()
            .map(|row| row.state)
            .collect();
        assert_eq!(states, [Done, Waiting, Waiting, Ignored, Waiting, Waiting]);
        assert_eq!(carried(&flow, &was, &[]).len(), 6);
    }

    #[test]
    fn what_could_not_be_taken_back_goes_along_until_it_is_done_anew() {
        use StepState::{Blocked, Done, Failed, Ignored, Waiting};
        let put = Step {
            undo: Some(vec![Template::literal("back")]),
            ..step("put", runs(), vec![])
        };
        let flow = flow(vec![put.clone()], Vec::new());
        let was = BTreeMap::from([("run.id".to_owned(), "5".to_owned())]);
        let names = |row: &StepRow| row.found.keys().cloned().collect::<Vec<_>>();
        for (state, wanted, keeps) in [
            (Ignored, Ignored, &["at", "run.id", SENT][..]),
            (Failed, Waiting, &["at", "run.id"]),
        ] {
            let found = ["at", SENT].map(|name| (name.to_owned(), "x".to_owned()));
            let earlier = StepRow {
                left_over: true,
                found: found.into(),
                ..row(state)
            };
            let mut rows = carried(&flow, &was, &[earlier]);
            assert_eq!((rows[0].state, rows[0].left_over), (wanted, true));
            assert_eq!(names(&rows[0]), keeps);
            assert!(undo::is_there(&flow, &rows));
            let mut never = rows[0].clone();
            plan::block(&put, &mut never, Millis(1));
            assert_eq!(never.state, Blocked);
            assert!(undo::is_there(&flow, &[never]));
            let mut again = rows[0].clone();
            plan::begin(&put, &mut again, Millis(1));
            plan::fail(&put, &mut again, Ending::Exited(1), "", Millis(2));
            assert!(again.left_over && names(&again) == keeps);
            // Done anew, or begun anew and taken back for that, it is this run's.
            plan::succeed(&put, &mut rows[0], Millis(2));
            assert_eq!((rows[0].state, rows[0].left_over), (Done, false));
            plan::revert(&mut again, "nobody said what came of it");
            for row in [&rows[0], &again] {
                assert!(!row.found.contains_key("run.id") && row.found.contains_key("at"));
            }
        }
    }

    #[test]
    fn a_step_is_found_by_name_or_place() {
        let flow = flow(
            vec![step("Build", runs(), vec![]), step("1", runs(), vec![0])],
            vec![step("clean", runs(), vec![])],
        );
        let table = [
            ("build", Some(0)),
            ("1", Some(1)),
            ("3", Some(2)),
            ("4", None),
            ("0", None),
            ("", None),
        ];
        for (typed, found) in table {
            assert_eq!(find_step(&flow, typed), found, "{typed}");
        }
    }
}
