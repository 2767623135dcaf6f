//! What follows when, as tables and over made-up runs.

mod cut;

use super::*;
use crate::base::job::MAX_STARTS;
use crate::base::schedule::Retries;
use crate::base::workflow::{Answer, Capture, OnCrash, Said, StepRow, Template};
use proptest::prelude::*;
use std::time::Duration;

pub(super) fn step(name: &str, work: Work, needs: Vec<usize>) -> Step {
    Step {
        needs,
        ..Step::new(name, work, Duration::from_secs(60))
    }
}

fn runs() -> Work {
    Work::Run {
        argv: vec![Template::literal("/bin/true")],
    }
}

fn flow(steps: Vec<Step>, always: Vec<Step>) -> Workflow {
    Workflow {
        parallel: 2,
        always,
        ..Workflow::new("w", steps)
    }
}

fn rows(states: &[StepState]) -> Vec<StepRow> {
    let row = |state: &StepState| StepRow {
        state: *state,
        attempt: u32::from(*state != StepState::Waiting),
        ..StepRow::new()
    };
    states.iter().map(row).collect()
}

#[test]
fn what_follows_is_exactly_this_table() {
    use StepState::{Blocked, Done, Failed, Ignored, Running, Skipped, Up, Waiting};
    let chain = || {
        let mut steps: Vec<Step> = (0..3).map(|n| step("s", runs(), vec![n])).collect();
        for (n, step) in steps.iter_mut().enumerate() {
            step.needs = n.checked_sub(1).into_iter().collect();
        }
        flow(steps, vec![step("clean", runs(), Vec::new())])
    };
    type Row<'a> = (
        [StepState; 4],
        Option<Halt>,
        &'a [usize],
        &'a [usize],
        &'a [usize],
        Option<Verdict>,
    );
    let table: [Row<'_>; 12] = [
        (
            [Waiting, Waiting, Waiting, Waiting],
            None,
            &[0],
            &[],
            &[],
            None,
        ),
        (
            [Running, Waiting, Waiting, Waiting],
            None,
            &[],
            &[],
            &[],
            None,
        ),
        (
            [Done, Waiting, Waiting, Waiting],
            None,
            &[1],
            &[],
            &[],
            None,
        ),
        (
            [Skipped, Waiting, Waiting, Waiting],
            None,
            &[1],
            &[],
            &[],
            None,
        ),
        ([Ignored, Up, Waiting, Waiting], None, &[2], &[], &[], None),
        // A failure ends the rest, and what always runs begins.
        (
            [Failed, Waiting, Waiting, Waiting],
            None,
            &[],
            &[1, 2],
            &[],
            None,
        ),
        (
            [Failed, Blocked, Blocked, Waiting],
            None,
            &[3],
            &[],
            &[],
            None,
        ),
        // A service ends before what always runs.
        ([Done, Up, Done, Waiting], None, &[], &[], &[1], None),
        (
            [Done, Running, Waiting, Waiting],
            Some(Halt::Stop),
            &[],
            &[2],
            &[1],
            None,
        ),
        (
            [Done, Done, Done, Done],
            None,
            &[],
            &[],
            &[],
            Some(Verdict::Succeeded),
        ),
        (
            [Done, Ignored, Done, Done],
            None,
            &[],
            &[],
            &[],
            Some(Verdict::Warnings),
        ),
        (
            [Done, Failed, Blocked, Failed],
            None,
            &[],
            &[],
            &[],
            Some(Verdict::Failed(1)),
        ),
    ];
    for (states, halt, start, block, end, over) in table {
        let plan = next(&chain(), &rows(&states), halt, Millis(0));
        let found = (&plan.start[..], &plan.block[..], &plan.end[..], plan.over);
        assert_eq!(found, (start, block, end, over), "{states:?} {halt:?}");
    }
}

#[test]
fn a_lock_is_held_only_at_work_and_waiting_leaves_room() {
    use StepState::{Confirming, Done, Reverting, Running, Up, Waiting};
    let by = || Some("#9 (other)".to_owned());
    for (state, by, after) in [
        (Running, None, (Running, 1, Some(true))),
        (Running, by(), (Waiting, 0, Some(false))),
        (Reverting, None, (Reverting, 1, Some(true))),
        (Reverting, by(), (Reverting, 1, Some(false))),
    ] {
        let mut row = rows(&[state]).remove(0);
        row.started_at = Some(Millis(3));
        lock(&mut row, "db", by);
        unlock(&mut row);
        let holds = row.lock.as_ref().map(|_| row.is_holder());
        assert_eq!((row.state, row.attempt, holds), after, "{state:?}");
        assert_eq!(row.started_at.is_some(), row.attempt > 0);
    }
    for (state, kept) in [
        (Up, true),
        (Confirming, false),
        (Done, false),
        (Waiting, false),
    ] {
        let mut row = rows(&[Running]).remove(0);
        lock(&mut row, "db", None);
        row.state = state;
        unlock(&mut row);
        assert_eq!(row.lock.is_some(), kept, "{state:?}");
    }
    let steps = (0..3).map(|_| step("s", runs(), Vec::new())).collect();
    let mut both = flow(steps, Vec::new());
    for (parallel, start) in [(1, vec![1]), (2, vec![1, 2]), (3, vec![1, 2, 0])] {
        both.parallel = parallel;
        let mut rows = rows(&[Waiting, Waiting, Waiting]);
        lock(&mut rows[0], "db", by());
        assert_eq!(next(&both, &rows, None, Millis(9)).start, start);
    }
}

#[test]
fn a_crash_is_judged_by_kind_and_rule() {
    let judge = |work: Work, rule: OnCrash, state: StepState| {
        let mut step = step("s", work, Vec::new());
        step.on_crash = rule;
        let mut row = rows(&[state]).remove(0);
        let asks = interrupted(&step, &mut row, Millis(5));
        (row.state, asks)
    };
    let hold = Work::Hold {
        length: Duration::from_secs(9),
    };
    let serve = Work::Service { argv: Vec::new() };
    use StepState::{Asked, Done, Failed, Reverting, Running, Stranded, Up, Waiting};
    for (work, rule, state, wanted) in [
        (runs(), OnCrash::Ask, Running, (Asked, true)),
        (runs(), OnCrash::Retry, Running, (Waiting, false)),
        (runs(), OnCrash::Fail, Running, (Failed, false)),
        (runs(), OnCrash::Ask, Done, (Done, false)),
        (runs(), OnCrash::Ask, Waiting, (Waiting, false)),
        (hold, OnCrash::Ask, Running, (Running, false)),
        (serve.clone(), OnCrash::Retry, Up, (Waiting, false)),
        (serve.clone(), OnCrash::Fail, Up, (Failed, false)),
        (serve, OnCrash::Ask, Up, (Asked, true)),
        (runs(), OnCrash::Ask, Reverting, (Stranded, true)),
        (runs(), OnCrash::Retry, Reverting, (Reverting, false)),
        (runs(), OnCrash::Fail, Reverting, (Failed, false)),
    ] {
        assert_eq!(
            judge(work.clone(), rule, state),
            wanted,
            "{work:?} {rule:?} {state:?}"
        );
    }
}

#[test]
fn a_secret_is_missed_by_whoever_still_needs_it() {
    let mut finder = step("login", runs(), Vec::new());
    let secret = Capture {
        pattern: "x".to_owned(),
        within: None,
        secret: true,
    };
    finder.capture.insert("token".to_owned(), secret);
    let mut user = step("use", runs(), vec![0]);
    let token = Template::parse("{{ steps.login.token }}").unwrap();
    user.env.insert("TOKEN".to_owned(), token);
    let flow = flow(
        vec![finder, step("other", runs(), vec![0]), user],
        Vec::new(),
    );
    use StepState::{Asked, Confirming, Done, Failed, Running, Stranded, Waiting};
    let mut undone = flow.clone();
    undone.steps[2].undo = Some(vec![Template::literal("back")]);
    for state in [Confirming, Stranded] {
        let rows = rows(&[Done, Waiting, state]);
        assert_eq!(missed(&flow, &rows), vec![], "nothing takes it back");
        assert_eq!(missed(&undone, &rows), vec![(0, "use".to_owned())]);
    }
    for (states, wanted) in [
        ([Done, Waiting, Waiting], vec![(0, "use".to_owned())]),
        ([Done, Done, Asked], vec![(0, "use".to_owned())]),
        ([Done, Waiting, Done], vec![]),
        ([Waiting, Waiting, Waiting], vec![]),
        ([Done, Running, Running], vec![]),
        ([Done, Failed, Waiting], vec![]),
    ] {
        assert_eq!(missed(&flow, &rows(&states)), wanted, "{states:?}");
    }
    for (rule, wanted) in [
        (OnCrash::Ask, (Asked, true)),
        (OnCrash::Retry, (Waiting, false)),
        (OnCrash::Fail, (Failed, false)),
    ] {
        let mut step = step("login", runs(), Vec::new());
        step.on_crash = rule;
        let mut row = rows(&[Done]).remove(0);
        let asks = miss(&step, &mut row, "use", Millis(5));
        assert_eq!((row.state, asks), wanted, "{rule:?}");
    }
}

#[test]
fn what_nobody_confirms_is_taken_back() {
    let mut step = step("s", runs(), Vec::new());
    step.confirm_within = Some(Duration::from_secs(300));
    let said = |said| Answer {
        said,
        by: "ann".into(),
        by_id: 1,
        at: Millis(1),
        reason: None,
    };
    for (answer, at, wanted) in [
        (None, 299_999, StepState::Confirming),
        (None, 300_000, StepState::Reverting),
        (Some(said(Said::Yes)), 10, StepState::Done),
        (Some(said(Said::No)), 10, StepState::Reverting),
    ] {
        let mut row = rows(&[StepState::Running]).remove(0);
        succeed(&step, &mut row, Millis(0));
        row.answer = answer;
        let _ = answered(&step, &mut row, Millis(at));
        assert_eq!(row.state, wanted);
        if wanted == StepState::Reverting {
            reverted(&step, &mut row, &Ending::Exited(0), Millis(at));
            assert_eq!(row.state, StepState::Failed);
        }
    }
}

/// A run in a world of its own: every step ends as `fates` says, and the bot dies when `deaths` says.
struct World {
    flow: Workflow,
    rows: Vec<StepRow>,
    begun: Vec<Vec<StepState>>,
    now: i64,
}

impl World {
    /// What the shell does of a plan.
    fn apply(&mut self, plan: &Plan, halted: bool) {
        let now = Millis(self.now);
        for seq in &plan.block {
            block(
                super::step(&self.flow, *seq).unwrap(),
                &mut self.rows[*seq],
                now,
            );
        }
        for seq in &plan.skip {
            close(&mut self.rows[*seq], StepState::Skipped, now);
        }
        for seq in &plan.end {
            let row = &mut self.rows[*seq];
            let to = if row.state == StepState::Up {
                StepState::Done
            } else {
                StepState::Stopped
            };
            close(row, to, now);
        }
        for seq in &plan.withdraw {
            let step = super::step(&self.flow, *seq).unwrap();
            let last = *seq >= self.flow.steps.len();
            withdraw(step, &mut self.rows[*seq], last, halted, now);
        }
        for seq in &plan.start {
            let step = super::step(&self.flow, *seq).unwrap();
            for need in &step.needs {
                let state = self.rows[*need].state;
                let later = self.flow.steps[*need].on_failure == OnFailure::FailLater;
                assert!(
                    state.lets_on() || (later && state == StepState::Failed),
                    "{seq} began before {need}"
                );
            }
            self.begun[*seq].push(self.rows[*seq].state);
            begin(step, &mut self.rows[*seq], now);
            match step.work {
                Work::Approve { .. } => ask(step, &mut self.rows[*seq], now),
                Work::Service { .. } => self.rows[*seq].state = StepState::Up,
                _ => {}
            }
        }
        let main = &self.rows[..self.flow.steps.len()];
        let busy = main.iter().filter(|row| row.state == StepState::Running);
        assert!(busy.count() <= self.flow.parallel);
    }
}

/// Kind, rule of failure, rule of crash, tries, needs, and whether it is to be confirmed.
type Part = (u8, u8, u8, u8, Vec<bool>, bool);

fn a_step() -> impl Strategy<Value = Part> {
    (
        0..4u8,
        0..3u8,
        0..3u8,
        0..3u8,
        prop::collection::vec(any::<bool>(), 8),
        any::<bool>(),
    )
}

fn made(parts: &[Part], always: usize) -> Workflow {
    let steps =
        parts
            .iter()
            .enumerate()
            .map(|(at, (kind, failure, crash, tries, needs, confirm))| {
                let work = match kind {
                    0 | 1 => runs(),
                    2 => Work::Service { argv: Vec::new() },
                    _ => Work::Approve {
                        question: None,
                        role: crate::base::role::Role::Admin,
                        by_asker: false,
                    },
                };
                let mut step = step("s", work, (0..at).filter(|need| needs[*need]).collect());
                step.on_failure = [
                    OnFailure::Abort,
                    OnFailure::Continue,
                    OnFailure::SkipRest,
                    OnFailure::FailLater,
                ][usize::from(*failure)];
                step.on_crash = [OnCrash::Ask, OnCrash::Retry, OnCrash::Fail][usize::from(*crash)];
                step.confirm_within = (*confirm && *kind < 2).then_some(Duration::from_millis(5));
                step.retry = (*tries > 0).then(|| Retries {
                    attempts: u32::from(*tries) + 1,
                    backoff: Duration::from_millis(3),
                    factor: 1.0,
                    max: Duration::from_millis(3),
                    jitter: Duration::ZERO,
                    not_on: Vec::new(),
                });
                step
            });
    let clean = (0..always).map(|_| step("clean", runs(), Vec::new()));
    flow(steps.collect(), clean.collect())
}

proptest! {
    /// Over any graph, any ends of steps, any answers and any deaths of the bot: the run comes to its end, nothing that
    /// is over begins again, what always runs ran, and the verdict is what happened.
    #[test]
    fn every_run_ends_as_it_went(
        parts in prop::collection::vec(a_step(), 1..8),
        always in 0..3usize,
        fates in prop::collection::vec((0..10u8, any::<prop::sample::Index>()), 400),
        halt_at in prop::option::of(0..30usize),
    ) {
        let flow = made(&parts, always);
        let count = flow.steps.len() + flow.always.len();
        let mut world = World { rows: vec![StepRow::new(); count], begun: vec![Vec::new(); count], flow, now: 0 };
        let mut over = None;
        for (round, (fate, pick)) in fates.iter().enumerate() {
            let halt = halt_at.filter(|at| round >= *at).map(|_| Halt::Stop);
            let plan = next(&world.flow, &world.rows, halt, Millis(world.now));
            world.apply(&plan, halt.is_some());
            if plan.over.is_some() {
                over = plan.over;
                break;
            }
            world.now += 1;
            let now = Millis(world.now);
            if *fate == 0 {
                for seq in 0..count {
                    let step = super::step(&world.flow, seq).unwrap();
                    let _ = interrupted(step, &mut world.rows[seq], now);
                }
                continue;
            }
            let open: Vec<usize> = (0..count).filter(|seq| !matches!(world.rows[*seq].state, StepState::Waiting | StepState::Up) && !world.rows[*seq].state.is_over()).collect();
            if open.is_empty() {
                continue;
            }
            let seq = open[pick.index(open.len())];
            let step = super::step(&world.flow, seq).unwrap();
            let row = &mut world.rows[seq];
            match row.state {
                StepState::Running if *fate < 7 => succeed(step, row, now),
                StepState::Running => fail(step, row, Ending::Exited(3), "", now),
                StepState::Reverting => reverted(step, row, &Ending::Exited(i32::from(*fate > 7)), now),
                StepState::Asked | StepState::Confirming | StepState::Stranded => {
                    let said = match fate % 3 { 0 => Said::Yes, 1 => Said::No, _ => Said::Yes };
                    row.answer = Some(Answer { said, by: "ann".into(), by_id: 1, at: now, reason: None });
                    prop_assert!(answered(step, row, now));
                }
                _ => {}
            }
        }
        // Steps, tries and answers are few: 400 rounds are enough, unless the bot does little but die.
        prop_assume!(over.is_some());
        let (main, last) = world.rows.split_at(world.flow.steps.len());
        for row in &world.rows {
            prop_assert!(row.state.is_over());
        }
        for row in last {
            prop_assert!(row.attempt > 0, "what always runs did not: {row:?}");
        }
        for begun in &world.begun {
            prop_assert!(begun.iter().all(|state| *state == StepState::Waiting));
        }
        let bad = world.rows.iter().position(|row| row.state == StepState::Failed);
        let halted = halt_at.is_some() && matches!(over, Some(Verdict::Stopped));
        match over.unwrap() {
            Verdict::Stopped => prop_assert!(halt_at.is_some()),
            Verdict::Failed(seq) => prop_assert_eq!(Some(seq), bad),
            Verdict::Warnings => prop_assert!(bad.is_none() && world.rows.iter().any(|row| row.state == StepState::Ignored)),
            Verdict::Succeeded => prop_assert!(world.rows.iter().all(|row| row.state.lets_on())),
            Verdict::Late => prop_assert!(false),
        }
        if !halted && bad.is_none() {
            prop_assert!(main.iter().all(|row| row.state.lets_on()));
        }
    }
}

#[test]
fn a_failed_run_waits_for_nothing_that_only_lasts() {
    use StepState::{Asked, Failed, Running};
    let hold = Work::Hold {
        length: Duration::from_secs(3600),
    };
    let steps = vec![
        step("bad", runs(), vec![]),
        step("hold", hold, vec![]),
        step("work", runs(), vec![]),
        step("ask", runs(), vec![]),
    ];
    let plan = next(
        &flow(steps, vec![]),
        &rows(&[Failed, Running, Running, Asked]),
        None,
        Millis(5),
    );
    assert_eq!((plan.end, plan.withdraw), (vec![1], vec![3]));
    assert_eq!(plan.over, None);
}

#[test]
fn a_service_that_was_up_takes_no_place() {
    use StepState::{Running, Waiting};
    let serve = Work::Service { argv: Vec::new() };
    let mut flow = flow(
        vec![step("serve", serve, vec![]), step("work", runs(), vec![])],
        vec![],
    );
    flow.parallel = 1;
    let mut rows = rows(&[Waiting, Running]);
    rows.swap(0, 1);
    flow.steps.swap(0, 1);
    assert!(next(&flow, &rows, None, Millis(5)).start.is_empty());
    rows[1].attempt = 1;
    assert_eq!(next(&flow, &rows, None, Millis(5)).start, [1]);
}

#[test]
fn that_a_run_was_late_is_seen_in_its_steps() {
    use StepState::{Blocked, Done, Stopped};
    let mut flow = flow(
        vec![step("a", runs(), vec![]), step("b", runs(), vec![0])],
        vec![],
    );
    flow.max_duration = Some(Duration::from_millis(100));
    let row = |states: [StepState; 2], end: i64| {
        let mut rows = rows(&states);
        rows[0].started_at = Some(Millis(1000));
        rows[0].ended_at = Some(Millis(end));
        rows
    };
    assert!(was_late(&flow, &row([Stopped, Blocked], 1100)));
    assert!(!was_late(&flow, &row([Stopped, Blocked], 1099)));
    assert!(!was_late(&flow, &row([Done, Done], 1100)));
}
