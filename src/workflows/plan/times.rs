//! The times of a run: when it is late, how long it took, and what becomes of them when the clock is put.

use super::crash::is_net;
use crate::base::job::LAST_WORDS;
use crate::base::time::Millis;
use crate::base::workflow::{Step, StepRow, StepState, Work, Workflow};
use std::time::Duration;

/// When a run is late, if it may be.
#[must_use]
pub fn deadline(flow: &Workflow, rows: &[StepRow]) -> Option<Millis> {
    let began = rows.iter().filter_map(|row| row.started_at).min()?;
    Some(began.plus(flow.max_duration?))
}

/// How long there is to answer what a step asks: its own time, or what the run has left.
#[must_use]
pub fn left_to_answer(
    flow: &Workflow,
    rows: &[StepRow],
    row: &StepRow,
    now: Millis,
) -> Option<Duration> {
    let ends = [row.until, deadline(flow, rows)];
    ends.into_iter().flatten().min().map(|end| end.since(now))
}

/// Whether a run whose steps are over was ended because it was late: that outlives the bot only in them.
#[must_use]
pub fn was_late(flow: &Workflow, rows: &[StepRow]) -> bool {
    let main = &rows[..flow.steps.len().min(rows.len())];
    let cut = |row: &StepRow| {
        matches!(
            row.state,
            StepState::Stopped | StepState::Blocked | StepState::Failed
        )
    };
    deadline(flow, rows).is_some_and(|end| {
        let after = |row: &StepRow| row.ended_at.is_some_and(|at| at >= end);
        main.iter().any(after) && main.iter().any(cut)
    })
}

/// How long a run has taken so far, over all of its starts; once its steps are over, up to the end of the last one.
#[must_use]
pub fn took(rows: &[StepRow], now: Millis) -> Duration {
    let over = rows.iter().all(|row| row.state.is_over());
    let ended = rows.iter().filter_map(|row| row.ended_at).max();
    let end = ended.filter(|_| over).unwrap_or(now);
    let began = rows.iter().filter_map(|row| row.started_at).min();
    began.map_or(Duration::ZERO, |began| end.since(began))
}

/// The sum of all holds: a run lasts at least that long.
#[must_use]
pub fn least(flow: &Workflow) -> Duration {
    let hold = |step: &Step| match step.work {
        Work::Hold { length } => length,
        _ => Duration::ZERO,
    };
    flow.steps.iter().map(hold).sum()
}

/// Moves all times of a run by what the clock was put forward, in milliseconds; back, if that is negative. What is left of a
/// hold, a wait or a run stays what it was.
pub fn shift(rows: &mut [StepRow], by: i64) {
    for row in rows {
        let times = [&mut row.started_at, &mut row.ended_at, &mut row.until];
        for time in times.into_iter().flatten() {
            time.0 = time.0.saturating_add(by);
        }
    }
}

/// What is taken back unless somebody answers has no longer than its run may last, unless it was given a while longer. `true`
/// when something changed.
pub fn cap(row: &mut StepRow, ends: Millis) -> bool {
    let over = is_net(row) && row.starts == 0 && row.until.is_some_and(|until| until > ends);
    if over {
        row.until = Some(ends);
    }
    over
}

/// Holds what is written of a step against the clock after a start of the bot: nothing began later than now, and nothing
/// lasts longer from now on than it would from its beginning.
pub fn bound(step: &Step, row: &mut StepRow, now: Millis) {
    for past in [&mut row.started_at, &mut row.ended_at]
        .into_iter()
        .flatten()
    {
        *past = (*past).min(now);
    }
    let longest = match (row.state, &step.work) {
        (StepState::Running, Work::Hold { length }) => Some(*length),
        (StepState::Waiting, _) => step.retry.as_ref().map(|retry| retry.max + retry.jitter),
        _ if is_net(row) => step.confirm_within.map(|within| within.max(LAST_WORDS)),
        _ => Some(step.timeout),
    };
    if let (Some(until), Some(longest)) = (&mut row.until, longest) {
        *until = (*until).min(now.plus(longest));
    }
}
