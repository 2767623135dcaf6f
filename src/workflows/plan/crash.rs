//! What becomes of a step that was cut off, of one whose deed is taken back, and of what people say to either.

use super::super::board::words;
use super::super::undo;
use super::{SENT, close, fail_for_good, succeed};
use crate::base::job::{Ending, MAX_STARTS};
use crate::base::time::Millis;
use crate::base::workflow::{OnCrash, Said, Step, StepRow, StepState, Work};

/// What becomes of an open step after the bot died, or was stopped, while it ran. `true` when somebody is to be asked.
///
/// Nothing is begun again that may still be at work elsewhere, whatever its rule says, and nothing more than
/// [`MAX_STARTS`] times without coming to an end of its own.
#[must_use]
pub fn interrupted(step: &Step, row: &mut StepRow, now: Millis) -> bool {
    match row.state {
        StepState::Running | StepState::Up => work_interrupted(step, row, now),
        // It waits for its lock: its program did not begin.
        StepState::Reverting if row.wants_lock() => {
            row.adrift = false;
            false
        }
        StepState::Reverting => undo_interrupted(step, row, now),
        StepState::Waiting
        | StepState::Asked
        | StepState::Confirming
        | StepState::Stranded
        | StepState::Done
        | StepState::Ignored
        | StepState::Failed
        | StepState::Skipped
        | StepState::Blocked
        | StepState::Stopped => false,
    }
}

fn work_interrupted(step: &Step, row: &mut StepRow, now: Millis) -> bool {
    let again = |row: &mut StepRow| {
        row.state = StepState::Waiting;
        row.until = None;
        row.adrift = false;
        false
    };
    match &step.work {
        // Timers, and what is followed elsewhere: they go on as if nothing had been.
        Work::Hold { .. } | Work::WaitFor { .. } | Work::Github { keep: true, .. } => {
            row.adrift = false;
            return false;
        }
        Work::Github { .. } if row.found.get(SENT).is_some_and(|sent| !sent.is_empty()) => {
            row.adrift = false;
            return false;
        }
        // What consists of writing alone was not done, since it is not written.
        Work::Approve { .. } | Work::Call { .. } | Work::Notify { .. } => return again(row),
        Work::Run { .. }
        | Work::Script { .. }
        | Work::Git { .. }
        | Work::Http { .. }
        | Work::Service { .. }
        | Work::Github { .. } => {}
    }
    match rule(step, row) {
        OnCrash::Retry if row.starts < MAX_STARTS => again(row),
        OnCrash::Retry => {
            let why = format!("the bot died under it {MAX_STARTS} times, so it is not begun again");
            row.ending = Some(Ending::Broken(why));
            fail_for_good(step, row, now);
            false
        }
        OnCrash::Fail => {
            row.ending = Some(Ending::Lost);
            fail_for_good(step, row, now);
            false
        }
        OnCrash::Ask => {
            row.state = StepState::Asked;
            // What is taken back unless it is confirmed is so, too, when nobody says what came of it.
            row.until = step.confirm_within.map(|within| now.plus(within));
            row.starts = row.until.map_or(row.starts, |_| 0);
            row.ending = Some(Ending::Lost);
            row.answer = None;
            true
        }
    }
}

fn undo_interrupted(step: &Step, row: &mut StepRow, now: Millis) -> bool {
    match rule(step, row) {
        OnCrash::Retry if row.starts < MAX_STARTS => {
            row.starts += 1;
            false
        }
        OnCrash::Retry | OnCrash::Fail => {
            reverted(step, row, &Ending::Lost, now);
            false
        }
        OnCrash::Ask => {
            row.state = StepState::Stranded;
            row.answer = None;
            true
        }
    }
}

/// Whether a step is taken back unless somebody answers.
#[must_use]
pub fn is_net(row: &StepRow) -> bool {
    let crashed = row.state == StepState::Asked && row.ending == Some(Ending::Lost);
    row.state == StepState::Confirming || (crashed && row.until.is_some())
}

/// Whether that was put off, since nobody could be heard, and nobody has answered yet.
#[must_use]
pub fn is_prolonged(row: &StepRow) -> bool {
    is_net(row) && row.starts > 0 && row.answer.is_none()
}

/// The rule of the step, unless it may still be at work: then it is not begun again by itself.
fn rule(step: &Step, row: &StepRow) -> OnCrash {
    match step.on_crash {
        OnCrash::Retry if row.adrift => OnCrash::Ask,
        rule => rule,
    }
}

/// A step that was ended because the bot stops in good order: it did not take the bot down.
pub fn left(row: &mut StepRow) {
    row.starts = row.starts.saturating_sub(1);
}

/// What follows from an answer, or from its last moment. `true` when something changed.
#[must_use]
pub fn answered(step: &Step, row: &mut StepRow, now: Millis) -> bool {
    let late = row.until.is_some_and(|until| until <= now);
    let said = row.answer.as_ref().map(|answer| answer.said);
    let crashed = row.ending == Some(Ending::Lost);
    match (row.state, said) {
        (StepState::Asked, Some(Said::Yes)) if crashed => {
            row.state = StepState::Waiting;
            row.until = None;
            row.ended_at = None;
            row.starts = 0;
            row.adrift = false;
        }
        (StepState::Asked, Some(Said::Skip)) => close(row, StepState::Skipped, now),
        (StepState::Asked, Some(Said::No)) if crashed => fail_for_good(step, row, now),
        (StepState::Asked, Some(Said::Yes)) => succeed(step, row, now),
        (StepState::Asked, Some(Said::No)) => {
            row.ending = Some(Ending::Broken(format!("refused by {}", by_whom(row))));
            fail_for_good(step, row, now);
        }
        (StepState::Asked, None) if late && crashed => {
            revert(row, "nobody said in time what came of it");
        }
        (StepState::Asked, None) if late => {
            row.ending = Some(Ending::Broken("nobody approved it in time".to_owned()));
            fail_for_good(step, row, now);
        }
        (StepState::Confirming, Some(Said::Yes)) => close(row, StepState::Done, now),
        (StepState::Confirming, Some(Said::No | Said::Skip)) => {
            let why = format!("not kept by {}", by_whom(row));
            revert(row, &why);
        }
        (StepState::Confirming, None) if late => revert(row, "nobody confirmed it in time"),
        (StepState::Stranded, Some(Said::Yes)) => {
            row.state = StepState::Reverting;
            row.starts = 1;
            row.adrift = false;
        }
        (StepState::Stranded, Some(Said::No | Said::Skip)) => {
            reverted(step, row, &Ending::Lost, now);
        }
        _ => return false,
    }
    true
}

/// Who answered, and why, if they said so.
fn by_whom(row: &StepRow) -> String {
    let Some(answer) = &row.answer else {
        return String::new();
    };
    match &answer.reason {
        Some(why) => format!("{} ({why})", answer.by),
        None => answer.by.clone(),
    }
}

/// A step about which nobody needs to answer any more; `last`: it is one of those that always run.
pub fn withdraw(step: &Step, row: &mut StepRow, last: bool, halted: bool, now: Millis) {
    match row.state {
        StepState::Confirming => revert(row, "the run was ended before anybody confirmed it"),
        StepState::Stranded => reverted(step, row, &Ending::Lost, now),
        StepState::Asked if is_net(row) => {
            revert(row, "the run was ended before anybody said what came of it");
        }
        // Its run goes by what happened, and that it was done is not known.
        StepState::Asked if last && !halted => fail_for_good(step, row, now),
        StepState::Asked
        | StepState::Waiting
        | StepState::Running
        | StepState::Up
        | StepState::Reverting
        | StepState::Done
        | StepState::Ignored
        | StepState::Failed
        | StepState::Skipped
        | StepState::Blocked
        | StepState::Stopped => close(row, StepState::Stopped, now),
    }
}

/// A step whose deed is to be taken back, and why.
pub fn revert(row: &mut StepRow, why: &str) {
    undo::own(row);
    row.state = StepState::Reverting;
    row.until = None;
    row.starts = 1;
    row.ending = Some(Ending::Broken(why.to_owned()));
}

/// A step that was taken back, or could not be: then what it did may still be there.
pub fn reverted(step: &Step, row: &mut StepRow, went: &Ending, now: Millis) {
    if let Some(Ending::Broken(cause)) = &row.ending {
        let why = match went {
            Ending::Exited(0) => format!("{cause}, so it was taken back"),
            Ending::Lost => format!(
                "{cause}; the bot died while it was being taken back, look after it yourself"
            ),
            Ending::Exited(_)
            | Ending::Signaled(_)
            | Ending::Broken(_)
            | Ending::Cancelled(_)
            | Ending::TimedOut(_)
            | Ending::Stopped => {
                let how = words(went, None);
                format!("{cause}; taking it back failed ({how}), look after it yourself")
            }
        };
        row.ending = Some(Ending::Broken(why));
    }
    row.left_over = *went != Ending::Exited(0);
    fail_for_good(step, row, now);
}
