//! The buttons of a run's card: the logs of its steps, and what can be done about it when it is over. Pure.

use super::super::plan::{Verdict, step};
use super::super::undo;
use super::View;
use crate::base::time::human;
use crate::base::workflow::{StepRow, StepState, Workflow};
use crate::delivery::{Button, Buttons};

/// Buttons in a row.
const IN_A_ROW: usize = 3;
/// Buttons for logs at the most.
const LOGS: usize = 6;

/// Buttons for the logs that somebody may want now: of what failed first, then of the latest that printed something.
pub(super) fn logs(view: &View<'_>) -> Buttons {
    let bad = |seq: &usize| {
        let state = view.rows.get(*seq).map(|row| row.state);
        matches!(state, Some(StepState::Failed | StepState::Ignored))
    };
    let (failed, rest): (Vec<usize>, Vec<usize>) = view.printed.iter().copied().partition(bad);
    let mut shown = failed;
    shown.truncate(LOGS);
    let room = LOGS - shown.len();
    shown.extend(&rest[rest.len().saturating_sub(room)..]);
    let button = |seq: &usize| {
        let name = step(view.flow, *seq).map_or("", |step| step.name.as_str());
        Button::new(
            format!("Log: {name}"),
            format!("steplog:{}:{seq}", view.run),
        )
    };
    let buttons: Vec<Button> = shown.iter().map(button).collect();
    buttons.chunks(IN_A_ROW).map(<[Button]>::to_vec).collect()
}

/// What can be done about a run that is over: gone on with, or taken back.
pub(super) fn after(view: &View<'_>, verdict: Verdict) -> Option<Vec<Button>> {
    let retry = match verdict {
        Verdict::Failed(_) | Verdict::Stopped | Verdict::Late if takes_back(view) => None,
        Verdict::Failed(seq) => Some(seq),
        Verdict::Stopped | Verdict::Late => goes_on_at(view.flow, view.rows),
        Verdict::Succeeded | Verdict::Warnings => None,
    };
    let retry = retry.and_then(|seq| step(view.flow, seq)).map(|step| {
        let label = format!("Retry from {}", step.name);
        Button::new(label, format!("flow:retry:{}", view.run))
    });
    let undo = offers_undo(view).then(|| {
        let label = format!("Undo … ({})", human(view.flow.undo_for));
        Button::new(label, format!("flow:undo:{}", view.run))
    });
    let buttons: Vec<_> = retry.into_iter().chain(undo).collect();
    (!buttons.is_empty()).then_some(buttons)
}

/// Whether a run that is over may be taken back.
pub(super) fn offers_undo(view: &View<'_>) -> bool {
    let (flow, rows) = (view.flow, view.rows);
    let is_there = undo::is_there(flow, rows) && undo::lacking(flow, rows).is_none();
    is_there && !takes_back(view) && !flow.undo_for.is_zero()
}

/// Whether it takes another run back itself, which is done once.
fn takes_back(view: &View<'_>) -> bool {
    view.undoes.is_some() || undo::takes_back(view.flow)
}

/// The first step that a retry would do.
fn goes_on_at(flow: &Workflow, rows: &[StepRow]) -> Option<usize> {
    let main = rows.iter().take(flow.steps.len());
    main.map(|row| row.state).position(|state| match state {
        StepState::Done | StepState::Ignored | StepState::Skipped => false,
        StepState::Waiting
        | StepState::Running
        | StepState::Up
        | StepState::Asked
        | StepState::Confirming
        | StepState::Reverting
        | StepState::Stranded
        | StepState::Failed
        | StepState::Blocked
        | StepState::Stopped => true,
    })
}
