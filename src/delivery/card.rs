//! The card of a job: one message over its life, and what follows it at the end. Pure: values in, messages out.

mod buttons;
mod words;

pub use buttons::{board_buttons, ended_buttons, failed_undo_buttons, once_buttons};
pub use words::{amount, contents, given_up, header, outcome, part, waits_for};

use super::message::{Body, Button, Buttons, Outgoing};
use crate::base::ids::{JobId, MessageId, Place};
use crate::base::job::{Ending, OutputMode};
use crate::base::text;
use buttons::buttons_of;
use std::time::Duration;
use words::{is_good, never_started};

/// Of a live card, the most that its tail may take, in UTF-16 units: a phone's screen, not a wall.
const LIVE_UNITS: usize = 1500;
/// Pieces of output that may follow a card as messages; more goes as a file.
const PIECES: usize = 3;
/// Room kept beside the output in a message for its header and notes, in UTF-16 units.
const MARGIN: usize = 16;

/// Where a job stands, as its card says it.
#[derive(Clone, Debug)]
pub enum Phase<'a> {
    /// It waits; so many stand before it.
    Queued {
        /// Jobs before it.
        ahead: u64,
        /// The lock that it waits for, and who has it.
        lock: Option<(&'a str, &'a str)>,
    },
    /// It runs since this long.
    Running {
        /// Time since its start.
        since: Duration,
        /// It was asked to stop.
        stopping: bool,
        /// What is done before the work itself.
        doing: Option<&'a str>,
    },
    /// It ended.
    Ended {
        /// How.
        ending: &'a Ending,
        /// How long it ran; `None` when it never started.
        took: Option<Duration>,
    },
}

/// Whose card it is and where it hangs.
#[derive(Clone, Debug)]
pub struct Subject<'a> {
    /// The job.
    pub id: JobId,
    /// Its name.
    pub title: &'a str,
    /// The chat.
    pub place: Place,
    /// The command it answers.
    pub reply_to: Option<MessageId>,
    /// The job that it takes back, which is done once.
    pub undoes: Option<JobId>,
}

/// What a job printed, as far as it matters for the chat.
#[derive(Clone, Debug, Default)]
pub struct Printed<'a> {
    /// The end of the output, as a terminal shows it.
    pub tail: &'a str,
    /// Whether `tail` is the whole output.
    pub whole: bool,
    /// Bytes printed.
    pub bytes: u64,
    /// Of these bytes, those that its log does not have.
    pub missing: u64,
    /// Lines printed.
    pub lines: u64,
    /// What the card shows beside it.
    pub board: Option<&'a Board>,
}

/// What the work itself says on its card, such as the steps of a workflow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Board {
    /// Lines under the first one, as HTML.
    pub html: String,
    /// How it ended, where there is more to say than an exit code: a mark, and a few words as HTML.
    pub outcome: Option<(&'static str, String)>,
    /// Whether the end of the output is shown with the end of the work.
    pub tail: bool,
    /// What is shown in place of the end of the output.
    pub said: Option<String>,
    /// How long it has taken, over all starts of the bot.
    pub took: Option<Duration>,
    /// Whether it is done once, and never again by a button.
    pub once: bool,
    /// Buttons of its own.
    pub buttons: Buttons,
    /// For how long after the end one of them offers to take the work back.
    pub undo: Option<Duration>,
}

/// What the chat has seen of a job before its end.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Its card was sent.
    pub card: bool,
    /// So many pieces of a stream were sent.
    pub pieces: usize,
    /// Something of the stream was left out.
    pub skipped: bool,
    /// The rest of the stream, not yet sent, as HTML messages.
    pub rest: Vec<String>,
}

/// The name of a job's card among the outbox's slots.
#[must_use]
pub fn slot(id: JobId) -> String {
    format!("job:{id}")
}

/// The card of a job that has not ended, with the last lines of what it printed.
#[must_use]
pub fn open(
    subject: &Subject<'_>,
    phase: &Phase<'_>,
    tail: &str,
    board: Option<&Board>,
) -> Outgoing {
    let phase = &match (phase, board.and_then(|board| board.took)) {
        (
            Phase::Running {
                stopping, doing, ..
            },
            Some(since),
        ) => Phase::Running {
            since,
            stopping: *stopping,
            doing: *doing,
        },
        (phase, _) => phase.clone(),
    };
    let mut html = header(subject.title, subject.id, subject.undoes, phase);
    if let Some(board) = board {
        html.push_str(&format!("\n{}", board.html));
    }
    let said = board.and_then(|board| board.said.as_deref());
    let (last, skipped) = text::tail_lines(said.unwrap_or(tail), LIVE_UNITS);
    if !text::is_blank(last) {
        if skipped > 0 {
            html.push_str("\n…");
        }
        html.push_str(&format!("\n{}", text::pre(last)));
    }
    let word = if board.is_some() { "Stop" } else { "Cancel" };
    let mut buttons = match phase {
        Phase::Running { stopping: true, .. } => Vec::new(),
        Phase::Queued { .. } | Phase::Running { .. } | Phase::Ended { .. } => {
            vec![vec![Button::new(word, format!("cancel:{}", subject.id))]]
        }
    };
    buttons.extend(board.iter().flat_map(|board| board.buttons.clone()));
    message(subject, html, buttons)
}

/// Everything that tells the end of a job, in order.
#[must_use]
pub fn ended(
    subject: &Subject<'_>,
    phase: &Phase<'_>,
    mode: OutputMode,
    printed: &Printed<'_>,
    seen: &Seen,
) -> Vec<Outgoing> {
    let good = is_good(phase);
    if let Some(board) = printed.board {
        return vec![with_board(subject, phase, printed, board)];
    }
    match mode {
        OutputMode::Silent if good && !seen.card => Vec::new(),
        OutputMode::Silent | OutputMode::Card => card(subject, phase, printed),
        OutputMode::Stream if seen.pieces == 0 && seen.rest.len() <= 1 && !seen.skipped => {
            card(subject, phase, printed)
        }
        OutputMode::Stream => stream(subject, phase, printed, seen),
        OutputMode::File => file(subject, phase, printed, seen),
    }
}

/// Says of a job that was cut off as often as it may be begun again that it is not any more.
pub fn gave_up(messages: &mut [Outgoing], starts: u32) {
    let Some(Body::Text { html, .. } | Body::Document { html, .. }) =
        messages.first_mut().map(|message| &mut message.body)
    else {
        return;
    };
    let (first, rest) = html.split_once('\n').unwrap_or((html, ""));
    let line = given_up(starts);
    *html = match rest {
        "" => format!("{first}\n{line}"),
        rest => format!("{first}\n{line}\n{rest}"),
    };
}

/// The file of a job's output.
#[must_use]
pub fn log_file(
    place: Place,
    reply_to: Option<MessageId>,
    title: &str,
    id: JobId,
    html: String,
) -> Outgoing {
    Outgoing::new(
        place,
        Body::Document {
            key: format!("log:{id}"),
            name: format!("{title}-{id}.log"),
            html,
            buttons: Vec::new(),
        },
    )
    .reply_to(reply_to)
}

/// One message: what the work says of itself, and the last lines if it wants them shown.
fn with_board(
    subject: &Subject<'_>,
    phase: &Phase<'_>,
    printed: &Printed<'_>,
    board: &Board,
) -> Outgoing {
    let mut html = match (phase, &board.outcome) {
        (Phase::Ended { .. }, Some((mark, words))) => {
            let name = format!("<b>{}</b> · #{}", text::escape(subject.title), subject.id);
            format!("{mark} {name} · {words}")
        }
        _ => header(subject.title, subject.id, subject.undoes, phase),
    };
    html.push_str(&format!("\n{}", board.html));
    let (last, _) = text::tail_lines(printed.tail, LIVE_UNITS);
    if board.tail && !text::is_blank(last) {
        html.push_str(&format!("\n{}", text::pre(last)));
    }
    let mut buttons = board_buttons(subject.id, printed.bytes > 0, board);
    buttons.extend(board.buttons.clone());
    message(subject, html, buttons)
}

fn card(subject: &Subject<'_>, phase: &Phase<'_>, printed: &Printed<'_>) -> Vec<Outgoing> {
    let head = header(subject.title, subject.id, subject.undoes, phase);
    let buttons = buttons_of(subject, phase, printed);
    if printed.bytes == 0 {
        let note = if never_started(phase) {
            ""
        } else {
            "\nNo output."
        };
        return vec![message(subject, format!("{head}{note}"), buttons)];
    }
    if text::is_blank(printed.tail) && printed.whole {
        return vec![message(subject, head, buttons)];
    }
    let room = text::MESSAGE_UNITS - text::visible_len(&head) - MARGIN;
    if printed.whole && text::utf16_len(printed.tail) <= room {
        let html = format!("{head}\n{}", text::pre(printed.tail));
        return vec![message(subject, html, buttons)];
    }
    let (last, _) = text::tail_lines(printed.tail, LIVE_UNITS);
    let card = match text::is_blank(last) {
        true => head,
        false => format!("{head}\n… the last lines:\n{}", text::pre(last)),
    };
    let mut messages = vec![message(subject, card, buttons)];
    let pieces = match printed.whole {
        true => text::split(printed.tail, text::MESSAGE_UNITS),
        false => Vec::new(),
    };
    if (1..=PIECES).contains(&pieces.len()) {
        let follow = |piece: &&str| Outgoing::text(subject.place, text::pre(piece), Vec::new());
        messages.extend(pieces.iter().map(follow));
    } else {
        messages.push(attached(subject, phase, printed));
    }
    messages
}

fn stream(
    subject: &Subject<'_>,
    phase: &Phase<'_>,
    printed: &Printed<'_>,
    seen: &Seen,
) -> Vec<Outgoing> {
    let head = header(subject.title, subject.id, subject.undoes, phase);
    let buttons = buttons_of(subject, phase, printed);
    let mut messages: Vec<_> = seen
        .rest
        .iter()
        .map(|html| Outgoing::text(subject.place, html, Vec::new()))
        .collect();
    if seen.skipped || seen.pieces + seen.rest.len() > PIECES {
        messages.push(attached(subject, phase, printed));
    }
    messages.push(message(subject, head, buttons));
    messages
}

fn file(
    subject: &Subject<'_>,
    phase: &Phase<'_>,
    printed: &Printed<'_>,
    seen: &Seen,
) -> Vec<Outgoing> {
    let head = header(subject.title, subject.id, subject.undoes, phase);
    if printed.bytes == 0 {
        return card(subject, phase, printed);
    }
    let again = match subject.undoes {
        Some(_) => Vec::new(),
        None => ended_buttons(subject.id, false),
    };
    if seen.card {
        return vec![
            message(subject, head, again),
            attached(subject, phase, printed),
        ];
    }
    let mut only = attached(subject, phase, printed);
    if let Body::Document { buttons, .. } = &mut only.body {
        *buttons = again;
    }
    vec![only]
}

/// The output as a file that answers the command.
fn attached(subject: &Subject<'_>, phase: &Phase<'_>, printed: &Printed<'_>) -> Outgoing {
    let head = header(subject.title, subject.id, subject.undoes, phase);
    let first_line = head.lines().next().unwrap_or_default();
    let html = format!("{first_line}\n{}", contents(printed));
    log_file(
        subject.place,
        subject.reply_to,
        subject.title,
        subject.id,
        html,
    )
}

fn message(subject: &Subject<'_>, html: String, buttons: Buttons) -> Outgoing {
    Outgoing::text(subject.place, html, buttons)
        .reply_to(subject.reply_to)
        .slot(slot(subject.id))
}

#[cfg(test)]
mod tests;
