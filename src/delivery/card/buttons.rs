//! What stands under the card of a job that has ended.

use super::words::is_good;
use super::{Board, Phase, Printed, Subject};
use crate::base::ids::JobId;
use crate::delivery::message::{Button, Buttons};

/// Buttons under an ended job.
#[must_use]
pub fn ended_buttons(id: JobId, has_log: bool) -> Buttons {
    let mut row = vec![Button::new("Run again", again(id))];
    if has_log {
        row.push(Button::new("Full log", format!("log:{id}")));
    }
    vec![row]
}

/// The same for work that says something of itself.
#[must_use]
pub fn board_buttons(id: JobId, has_log: bool, board: &Board) -> Buttons {
    match board.once {
        true => once_buttons(id, has_log),
        false => ended_buttons(id, has_log),
    }
}

pub(super) fn buttons_of(
    subject: &Subject<'_>,
    phase: &Phase<'_>,
    printed: &Printed<'_>,
) -> Buttons {
    let has_log = printed.bytes > 0;
    match subject.undoes {
        Some(_) if is_good(phase) => once_buttons(subject.id, has_log),
        Some(_) => failed_undo_buttons(subject.id, has_log),
        None => ended_buttons(subject.id, has_log),
    }
}

/// The same for what is done once.
#[must_use]
pub fn once_buttons(id: JobId, has_log: bool) -> Buttons {
    let mut rows = ended_buttons(id, has_log);
    for row in &mut rows {
        row.retain(|button| button.data != again(id));
    }
    rows.retain(|row| !row.is_empty());
    rows
}

/// Buttons under a job that was to take another one back, and could not.
#[must_use]
pub fn failed_undo_buttons(id: JobId, has_log: bool) -> Buttons {
    let mut rows = once_buttons(id, has_log);
    rows.insert(0, vec![Button::new("Take it back again", again(id))]);
    rows
}

/// What the button says that runs a job again.
fn again(id: JobId) -> String {
    format!("again:{id}")
}
