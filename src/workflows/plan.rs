//! What a run does next: functions of its definition, its steps as they stand, and the time.
//!
//! Steps are numbered: first those of the workflow, then those that always run. A step needs only such with smaller
//! numbers. The shell around this is `run.rs`.

mod crash;
mod secret;
mod times;

pub use crash::{answered, interrupted, is_net, is_prolonged, left, revert, reverted, withdraw};
pub use secret::{miss, missed};
pub use times::{bound, cap, deadline, least, left_to_answer, shift, took, was_late};

use super::undo;
use crate::base::job::Ending;
use crate::base::time::Millis;
use crate::base::workflow::{Lock, OnFailure, Step, StepRow, StepState, Work, Workflow};

/// Why nothing more of the workflow itself begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Halt {
    /// Somebody stopped the run.
    Stop,
    /// It has taken as long as it may.
    Late,
}

/// What a run comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All went well.
    Succeeded,
    /// A step failed that may.
    Warnings,
    /// This step failed.
    Failed(usize),
    /// Somebody stopped it.
    Stopped,
    /// Its time was up.
    Late,
}

/// What is to be done now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// These begin.
    pub start: Vec<usize>,
    /// These never run.
    pub block: Vec<usize>,
    /// These need not run: what they are a part of did not.
    pub skip: Vec<usize>,
    /// These are told to end: they run, and the run is halted; they only wait, and it failed; or they are services, and the
    /// rest is over.
    pub end: Vec<usize>,
    /// Nobody needs to answer these any more.
    pub withdraw: Vec<usize>,
    /// The next moment at which something is to be done, if nothing happens before.
    pub wake: Option<Millis>,
    /// All is over.
    pub over: Option<Verdict>,
}

/// What a GitHub step notes before it begins anything there: after that it is found and followed, not begun again.
pub const SENT: &str = "sent";

/// The step of this number.
#[must_use]
pub fn step(flow: &Workflow, seq: usize) -> Option<&Step> {
    let main = flow.steps.len();
    match seq < main {
        true => flow.steps.get(seq),
        false => flow.always.get(seq - main),
    }
}

/// What is to be done now. `rows` has all steps.
#[must_use]
pub fn next(flow: &Workflow, rows: &[StepRow], halt: Option<Halt>, now: Millis) -> Plan {
    let mut plan = Plan::default();
    let count = flow.steps.len();
    let (main, always) = rows.split_at(count.min(rows.len()));
    let failed = |(step, row): (&Step, &StepRow)| {
        row.state == StepState::Failed && step.on_failure == OnFailure::Abort
    };
    let fails = flow.steps.iter().zip(main).any(failed);
    let halted = halt.is_some() || fails;
    let mut states: Vec<StepState> = main.iter().map(|row| row.state).collect();
    // They try once more with the room that the others leave.
    let mut wanting = Vec::new();
    let busy = |state: &StepState| matches!(state, StepState::Running | StepState::Reverting);
    let mut running = states.iter().filter(|state| busy(state)).count();
    for (seq, (step, row)) in flow.steps.iter().zip(main).enumerate() {
        match row.state {
            StepState::Waiting => {
                let mut needs = step.needs.iter().map(|need| match states[*need] {
                    StepState::Failed if flow.steps[*need].on_failure == OnFailure::FailLater => {
                        StepState::Ignored
                    }
                    state => state,
                });
                let never = |state: StepState| state.is_over() && !state.lets_on();
                if step
                    .part_of
                    .is_some_and(|call| states[call] == StepState::Skipped)
                {
                    plan.skip.push(seq);
                    states[seq] = StepState::Skipped;
                } else if halted || needs.clone().any(never) {
                    plan.block.push(seq);
                    states[seq] = StepState::Blocked;
                } else if needs.all(StepState::lets_on) {
                    let later = row.until.filter(|until| *until > now);
                    match later {
                        Some(until) => plan.wake_by(until),
                        None if row.wants_lock() => wanting.push(seq),
                        // What was up before took no place then, and takes none now.
                        None if step.is_service() && row.attempt > 0 => plan.start.push(seq),
                        None if running < flow.parallel.max(1) => {
                            running += 1;
                            plan.start.push(seq);
                        }
                        None => {}
                    }
                }
            }
            StepState::Running if halt.is_some() || (fails && only_lasts(step)) => {
                plan.end.push(seq);
            }
            StepState::Asked if halted && !is_net(row) => plan.withdraw.push(seq),
            StepState::Asked | StepState::Confirming | StepState::Stranded if halt.is_some() => {
                plan.withdraw.push(seq);
            }
            StepState::Asked | StepState::Confirming | StepState::Stranded => {
                if let Some(until) = row.until {
                    plan.wake_by(until);
                }
            }
            StepState::Running
            | StepState::Reverting
            | StepState::Up
            | StepState::Done
            | StepState::Ignored
            | StepState::Failed
            | StepState::Skipped
            | StepState::Blocked
            | StepState::Stopped => {}
        }
    }
    let room = flow.parallel.max(1).saturating_sub(running);
    plan.start.extend(wanting.into_iter().take(room));
    let is_up = |state: &StepState| *state == StepState::Up;
    let open = |state: &StepState| !state.is_over() && !is_up(state);
    // What never runs is judged before what comes of all.
    if !plan.block.is_empty() || !plan.skip.is_empty() || states.iter().any(open) {
        return plan;
    }
    if states.iter().any(is_up) {
        let up = |seq: &usize| is_up(&states[*seq]);
        plan.end.extend((0..states.len()).filter(up));
        return plan;
    }
    let open = always.iter().position(|row| !row.state.is_over());
    let unused = |at: usize| {
        let call = flow.always.get(at).and_then(|step| step.part_of);
        call.is_some_and(|call| states[call] == StepState::Skipped || !states[call].lets_on())
    };
    match open {
        Some(at) if always[at].state == StepState::Waiting && unused(at) => {
            plan.skip.push(count + at);
        }
        Some(at) if always[at].state == StepState::Waiting => match always[at].until {
            Some(until) if until > now => plan.wake_by(until),
            Some(_) | None => plan.start.push(count + at),
        },
        // Nobody has to answer for a run that was stopped, or that has taken as long as it may: it comes to its end.
        Some(at) if always[at].state.is_asked() => match deadline(flow, rows) {
            _ if halt.is_some() => plan.withdraw.push(count + at),
            Some(end) if end <= now => plan.withdraw.push(count + at),
            Some(end) => plan.wake_by(end),
            None => {}
        },
        Some(_) => {}
        None => plan.over = Some(verdict(rows, halt)),
    }
    plan
}

/// Whether a step does nothing that has to be brought to an end: once the run has failed, it is waited for in vain.
#[must_use]
pub fn only_lasts(step: &Step) -> bool {
    match step.work {
        Work::Hold { .. } | Work::WaitFor { .. } | Work::Github { keep: true, .. } => true,
        Work::Run { .. }
        | Work::Script { .. }
        | Work::Git { .. }
        | Work::Http { .. }
        | Work::Service { .. }
        | Work::Approve { .. }
        | Work::Call { .. }
        | Work::Notify { .. }
        | Work::Github { keep: false, .. } => false,
    }
}

impl Plan {
    fn wake_by(&mut self, at: Millis) {
        self.wake = Some(self.wake.map_or(at, |wake| wake.min(at)));
    }
}

fn verdict(rows: &[StepRow], halt: Option<Halt>) -> Verdict {
    let first = |state: StepState| rows.iter().position(|row| row.state == state);
    match (halt, first(StepState::Failed), first(StepState::Ignored)) {
        (Some(Halt::Stop), _, _) => Verdict::Stopped,
        (Some(Halt::Late), _, _) => Verdict::Late,
        (None, Some(seq), _) => Verdict::Failed(seq),
        (None, None, Some(_)) => Verdict::Warnings,
        (None, None, None) => Verdict::Succeeded,
    }
}

/// A step whose try begins.
pub fn begin(step: &Step, row: &mut StepRow, now: Millis) {
    row.state = StepState::Running;
    row.attempt += 1;
    row.starts += 1;
    row.adrift = false;
    row.started_at.get_or_insert(now);
    row.until = match step.work {
        Work::Hold { length } => Some(now.plus(length)),
        Work::WaitFor { .. } | Work::Github { keep: false, .. } => Some(now.plus(step.timeout)),
        Work::Run { .. }
        | Work::Script { .. }
        | Work::Git { .. }
        | Work::Http { .. }
        | Work::Service { .. }
        | Work::Approve { .. }
        | Work::Call { .. }
        | Work::Notify { .. }
        | Work::Github { keep: true, .. } => None,
    };
}

/// A step that is to be at work and needs this lock: it has it, or, where another has it, its try did not begin.
pub fn lock(row: &mut StepRow, name: &str, by: Option<String>) {
    if by.is_some() && row.state == StepState::Running {
        row.state = StepState::Waiting;
        row.attempt = row.attempt.saturating_sub(1);
        row.starts = row.starts.saturating_sub(1);
        row.until = None;
        if row.attempt == 0 {
            row.started_at = None;
        }
    }
    row.lock = Some(Lock {
        name: name.to_owned(),
        by,
    });
}

/// Takes from a step what its state does not go with: the lock that it has, or that it waits for one.
pub fn unlock(row: &mut StepRow) {
    let goes_with = match row.state {
        StepState::Running | StepState::Reverting => true,
        StepState::Up => row.is_holder(),
        StepState::Waiting => row.wants_lock(),
        StepState::Asked
        | StepState::Confirming
        | StepState::Stranded
        | StepState::Done
        | StepState::Ignored
        | StepState::Failed
        | StepState::Skipped
        | StepState::Blocked
        | StepState::Stopped => false,
    };
    if !goes_with {
        row.lock = None;
    }
}

/// A step that waits for somebody to agree.
pub fn ask(step: &Step, row: &mut StepRow, now: Millis) {
    row.state = StepState::Asked;
    row.until = Some(now.plus(step.timeout));
    row.answer = None;
}

/// A step that succeeded.
pub fn succeed(step: &Step, row: &mut StepRow, now: Millis) {
    undo::own(row);
    row.starts = 0;
    row.ending = Some(Ending::Exited(0));
    match step.confirm_within {
        Some(within) => {
            row.state = StepState::Confirming;
            row.until = Some(now.plus(within));
            row.answer = None;
        }
        None => close(row, StepState::Done, now),
    }
}

/// A step whose try failed: it waits for the next one, or it is over. `seed` decides the jitter of the pause.
pub fn fail(step: &Step, row: &mut StepRow, ending: Ending, seed: &str, now: Millis) {
    let retry = step.retry.as_ref();
    let pause = retry.and_then(|retry| retry.pause(row.attempt, &ending, seed));
    row.starts = 0;
    row.ending = Some(ending);
    match pause {
        Some(pause) => {
            row.state = StepState::Waiting;
            row.until = Some(now.plus(pause));
        }
        None => fail_for_good(step, row, now),
    }
}

/// A step that is over and did not succeed.
pub fn close(row: &mut StepRow, state: StepState, now: Millis) {
    row.state = state;
    row.ended_at = Some(now);
    row.until = None;
    row.adrift = false;
}

/// A step that never runs, or whose next try never comes.
pub fn block(step: &Step, row: &mut StepRow, now: Millis) {
    match (row.attempt, &row.ending) {
        (0, _) => row.state = StepState::Blocked,
        // It did not fail: the bot died while it ran.
        (_, None | Some(Ending::Lost)) => close(row, StepState::Stopped, now),
        (_, Some(_)) => fail_for_good(step, row, now),
    }
}

fn fail_for_good(step: &Step, row: &mut StepRow, now: Millis) {
    let state = match step.on_failure {
        OnFailure::Continue => StepState::Ignored,
        OnFailure::Abort | OnFailure::SkipRest | OnFailure::FailLater => StepState::Failed,
    };
    close(row, state, now);
}

#[cfg(test)]
mod tests;
