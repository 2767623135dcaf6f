//! How the steps stand that a call brought: the call itself is over as soon as they may begin.

use crate::base::time::Millis;
use crate::base::workflow::{StepRow, StepState, Work, Workflow};
use std::time::Duration;

/// How the called part stands as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// What its line begins with.
    pub mark: &'static str,
    /// When the last of it was over, if all of it is.
    pub ended: Option<Millis>,
}

impl Part {
    /// How long it has taken since the call.
    pub(super) fn took(self, call: &StepRow, now: Millis) -> Option<Duration> {
        let end = self.ended.unwrap_or(now);
        call.started_at.map(|started| end.since(started))
    }
}

/// How the part stands that the call at `seq` brought; `None` when that is no call, or brought nothing.
pub(super) fn part(flow: &Workflow, rows: &[StepRow], seq: usize) -> Option<Part> {
    let call = flow.steps.get(seq)?;
    if !matches!(call.work, Work::Call { .. }) || rows[seq].state != StepState::Done {
        return None;
    }
    let mut within = vec![false; flow.steps.len()];
    within[seq] = true;
    let mut all = Vec::new();
    for (at, (step, row)) in flow.steps.iter().chain(&flow.always).zip(rows).enumerate() {
        if step.part_of.is_some_and(|call| within[call]) {
            // What always runs has its turn after everything else.
            if at < within.len() {
                within[at] = true;
            } else if row.state == StepState::Waiting {
                continue;
            }
            all.push(row);
        }
    }
    let any = |state: StepState| all.iter().any(|row| row.state == state);
    let is_over = all.iter().all(|row| row.state.is_over());
    let mark = if all.is_empty() {
        return None;
    } else if any(StepState::Failed) {
        "❌"
    } else if !is_over {
        "▶️"
    } else if any(StepState::Stopped) {
        "🚫"
    } else if any(StepState::Ignored) {
        "⚠️"
    } else if any(StepState::Blocked) {
        "▫️"
    } else {
        "✅"
    };
    let last = all.iter().filter_map(|row| row.ended_at).max();
    let ended = last.or(rows[seq].ended_at).filter(|_| is_over);
    Some(Part { mark, ended })
}
