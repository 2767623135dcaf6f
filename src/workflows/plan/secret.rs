//! What a start of the bot takes from a run: secrets, which are kept nowhere.

use super::fail_for_good;
use crate::base::job::Ending;
use crate::base::time::Millis;
use crate::base::workflow::{OnCrash, OnFailure, Source, Step, StepRow, StepState, Workflow};

/// The steps that are done and found a secret, which outlives no life of the bot, that an open step needs: with the name of
/// that one. None when the run has failed, since nothing more begins then.
#[must_use]
pub fn missed(flow: &Workflow, rows: &[StepRow]) -> Vec<(usize, String)> {
    let both = || flow.steps.iter().zip(rows);
    let fails = |(step, row): (&Step, &StepRow)| {
        row.state == StepState::Failed && step.on_failure == OnFailure::Abort
    };
    if both().any(fails) {
        return Vec::new();
    }
    let needs = |later: &Step, finder: &Step| {
        later.sources().iter().any(|source| match source {
            Source::Step(step, name) => {
                *step == finder.name && finder.capture.get(name).is_some_and(|one| one.secret)
            }
            Source::Param(_) | Source::Env(_) | Source::Run(_) => false,
        })
    };
    let found = both()
        .enumerate()
        .filter(|(_, (_, row))| row.state == StepState::Done);
    found
        .filter_map(|(seq, (finder, _))| {
            // What takes a step back knows what the step knew.
            let waits = |step: &Step, state| match state {
                StepState::Waiting | StepState::Asked => true,
                StepState::Confirming | StepState::Stranded => step.undo.is_some(),
                StepState::Running
                | StepState::Up
                | StepState::Reverting
                | StepState::Done
                | StepState::Ignored
                | StepState::Failed
                | StepState::Skipped
                | StepState::Blocked
                | StepState::Stopped => false,
            };
            let mut open = both().filter(|(step, row)| waits(step, row.state));
            let (by, _) = open.find(|(later, _)| needs(later, finder))?;
            Some((seq, by.name.clone()))
        })
        .collect()
}

/// A step that is done and whose secret is missed by another: by the rule for crashes. `true` when somebody is to be asked.
#[must_use]
pub fn miss(step: &Step, row: &mut StepRow, by: &str, now: Millis) -> bool {
    match step.on_crash {
        OnCrash::Retry => {
            row.state = StepState::Waiting;
            row.ended_at = None;
            false
        }
        OnCrash::Fail => {
            let why =
                format!("{by} needs what it found, a secret that went with the bot's last start");
            row.ending = Some(Ending::Broken(why));
            fail_for_good(step, row, now);
            false
        }
        OnCrash::Ask => {
            row.state = StepState::Asked;
            row.ending = Some(Ending::Lost);
            row.answer = None;
            true
        }
    }
}
