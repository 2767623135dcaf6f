//! The card of a job: one message over its life, and what follows it at the end. Pure: values in, messages out.

use super::message::{Body, Button, Buttons, Outgoing};
use crate::base::ids::{JobId, MessageId, Place};
use crate::base::job::{Ending, OutputMode};
use crate::base::text;
use crate::base::time::human;
use std::time::Duration;

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

/// The one line that says where the job stands; `undoes` is the job that it takes back.
#[must_use]
pub fn header(title: &str, id: JobId, undoes: Option<JobId>, phase: &Phase<'_>) -> String {
    let mut name = format!("<b>{}</b> · #{id}", text::escape(title));
    let good = is_good(phase);
    match undoes {
        Some(undone) if good => name.push_str(&format!(" · took back #{undone}")),
        Some(undone) => name.push_str(&format!(" · taking back #{undone}")),
        None => {}
    }
    match phase {
        Phase::Queued { ahead, lock } => {
            let ahead = match ahead {
                0 => String::new(),
                ahead => format!(" ({ahead} ahead)"),
            };
            let lock = lock.map_or_else(String::new, |(lock, by)| {
                format!(" · {}", text::escape(&waits_for(lock, by)))
            });
            format!("⏳ {name} · queued{ahead}{lock}")
        }
        Phase::Running {
            since,
            stopping,
            doing,
        } => {
            let (mark, stopping) = match stopping {
                true => ("⏹", "stopping · "),
                false => ("▶️", ""),
            };
            let doing =
                doing.map_or_else(String::new, |doing| format!("{} · ", text::escape(doing)));
            format!("{mark} {name} · {stopping}{doing}{}", human(*since))
        }
        Phase::Ended { ending, took } => {
            let (mark, words) = outcome(ending, *took);
            let mark = if good && undoes.is_some() {
                "↩️"
            } else {
                mark
            };
            format!("{mark} {name} · {words}")
        }
    }
}

/// Whether it ended well.
fn is_good(phase: &Phase<'_>) -> bool {
    matches!(
        phase,
        Phase::Ended {
            ending: Ending::Exited(0),
            ..
        }
    )
}

/// That something waits for a lock which another has.
#[must_use]
pub fn waits_for(lock: &str, by: &str) -> String {
    format!("waits for the lock {lock}, held by {by}")
}

/// How a job ended: its mark, and in words how and after how long; a reason follows in a line of its own.
#[must_use]
pub fn outcome(ending: &Ending, took: Option<Duration>) -> (&'static str, String) {
    let after = |words: &str| match took.map(human) {
        Some(took) => format!("{words} · {took}"),
        None => words.to_owned(),
    };
    match ending {
        Ending::Exited(0) => ("✅", after("exit 0")),
        Ending::Exited(code) => ("❌", after(&format!("exit {code}"))),
        Ending::Signaled(signal) => ("❌", after(&format!("ended by signal {signal}"))),
        Ending::Broken(why) => ("❌", format!("{}\n{}", after("failed"), text::escape(why))),
        Ending::TimedOut(limit) => ("⏱", format!("timed out after {}", human(*limit))),
        Ending::Cancelled(by) => ("🚫", after(&format!("cancelled by {}", text::escape(by)))),
        Ending::Stopped => ("🚫", after("stopped, because the bot was shut down")),
        Ending::Lost => ("💥", "lost: the bot was stopped while it ran".to_owned()),
    }
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

/// The same in words.
#[must_use]
pub fn given_up(starts: u32) -> String {
    format!(
        "It was started {starts} times, and each time the bot was stopped under it; so it is not started again by itself."
    )
}

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

fn buttons_of(subject: &Subject<'_>, phase: &Phase<'_>, printed: &Printed<'_>) -> Buttons {
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

/// Whether the job ended without having run, and so without having had a chance to print.
fn never_started(phase: &Phase<'_>) -> bool {
    matches!(phase, Phase::Ended { took: None, .. })
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

/// What the file of the output holds, in words.
#[must_use]
pub fn contents(printed: &Printed<'_>) -> String {
    let part = part(printed.bytes, printed.missing, printed.lines);
    match printed.missing {
        0 => format!("The whole output: {part}"),
        _ => format!("The output, its beginning and end: {part}"),
    }
}

/// How much of the output there is: all of it, or `4.1 MB of 68 MB in 1,945,476 lines`.
#[must_use]
pub fn part(bytes: u64, missing: u64, lines: u64) -> String {
    let all = amount(bytes, lines);
    match missing {
        0 => all,
        _ => format!("{} of {all}", text::bytes(bytes.saturating_sub(missing))),
    }
}

/// An amount of output in words: `1.6 MB in 20,000 lines`.
#[must_use]
pub fn amount(bytes: u64, lines: u64) -> String {
    let size = text::bytes(bytes);
    match lines {
        0 => size,
        1 => format!("{size} in one line"),
        _ => format!("{size} in {} lines", text::grouped(lines)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ids::ChatId;

    const SUBJECT: Subject<'static> = Subject {
        id: JobId(12),
        title: "deploy",
        place: Place {
            chat: ChatId(7),
            thread: None,
        },
        reply_to: Some(MessageId(3)),
        undoes: None,
    };

    fn plain(message: &Outgoing) -> String {
        match &message.body {
            Body::Text { html, .. } | Body::Document { html, .. } => text::plain_of_html(html),
        }
    }

    fn end(mode: OutputMode, ending: &Ending, output: &str, seen: &Seen) -> Vec<Outgoing> {
        let printed = Printed {
            tail: output,
            whole: true,
            bytes: output.len() as u64,
            missing: 0,
            lines: output.lines().count() as u64,
            board: None,
        };
        let took = Some(Duration::from_secs(41));
        ended(
            &SUBJECT,
            &Phase::Ended { ending, took },
            mode,
            &printed,
            seen,
        )
    }

    #[test]
    fn a_file_says_how_much_of_the_output_it_holds() {
        let mut printed = Printed {
            bytes: 68_000_000,
            lines: 1_945_476,
            ..Printed::default()
        };
        assert_eq!(
            contents(&printed),
            "The whole output: 68 MB in 1,945,476 lines"
        );
        printed.missing = 63_900_000;
        assert_eq!(
            contents(&printed),
            "The output, its beginning and end: 4.1 MB of 68 MB in 1,945,476 lines"
        );
    }

    #[test]
    fn each_ending_has_its_line() {
        let took = Some(Duration::from_secs(41));
        let cases = [
            (Ending::Exited(0), "✅ deploy · #12 · exit 0 · 41 s"),
            (Ending::Exited(3), "❌ deploy · #12 · exit 3 · 41 s"),
            (
                Ending::Signaled(11),
                "❌ deploy · #12 · ended by signal 11 · 41 s",
            ),
            (
                Ending::TimedOut(Duration::from_secs(900)),
                "⏱ deploy · #12 · timed out after 15 m",
            ),
            (
                Ending::Cancelled("ann".into()),
                "🚫 deploy · #12 · cancelled by ann · 41 s",
            ),
            (
                Ending::Stopped,
                "🚫 deploy · #12 · stopped, because the bot was shut down · 41 s",
            ),
            (
                Ending::Lost,
                "💥 deploy · #12 · lost: the bot was stopped while it ran",
            ),
            (
                Ending::Broken("gone <x>".into()),
                "❌ deploy · #12 · failed · 41 s\ngone <x>",
            ),
        ];
        for (ending, line) in cases {
            let phase = Phase::Ended {
                ending: &ending,
                took,
            };
            let html = header("deploy", JobId(12), None, &phase);
            assert_eq!(text::plain_of_html(&html), line);
        }
        let queued =
            |ahead, lock| header("deploy", JobId(12), None, &Phase::Queued { ahead, lock });
        let locked = queued(0, Some(("db", "#9 (a<b)")));
        assert_eq!(
            text::plain_of_html(&locked),
            "⏳ deploy · #12 · queued · waits for the lock db, held by #9 (a<b)"
        );
        let queued = queued(2, None);
        assert_eq!(
            text::plain_of_html(&queued),
            "⏳ deploy · #12 · queued (2 ahead)"
        );
        let since = Duration::from_secs(14);
        let running = header(
            "deploy",
            JobId(12),
            None,
            &Phase::Running {
                since,
                stopping: false,
                doing: None,
            },
        );
        assert_eq!(text::plain_of_html(&running), "▶️ deploy · #12 · 14 s");
    }

    #[test]
    fn only_exit_0_looks_like_success() {
        for ending in [
            Ending::Exited(1),
            Ending::Signaled(9),
            Ending::TimedOut(Duration::from_secs(9)),
            Ending::Lost,
        ] {
            let phase = Phase::Ended {
                ending: &ending,
                took: None,
            };
            assert!(!header("x", JobId(1), None, &phase).contains('✅'));
        }
    }

    #[test]
    fn short_output_is_one_message() {
        let messages = end(
            OutputMode::Card,
            &Ending::Exited(0),
            "hello <b>\n",
            &Seen::default(),
        );
        assert_eq!(messages.len(), 1);
        assert!(plain(&messages[0]).contains("hello <b>"));
    }

    #[test]
    fn every_message_fits_telegram() {
        for size in [0, 1, 3900, 4050, 4096, 5000, 12_000, 12_300, 60_000] {
            let output = "😀 line of output\n".repeat(size / 18 + 1);
            for mode in [OutputMode::Card, OutputMode::File, OutputMode::Silent] {
                for message in end(mode, &Ending::Exited(1), &output, &Seen::default()) {
                    let limit = match message.body {
                        Body::Text { .. } => text::MESSAGE_UNITS,
                        Body::Document { .. } => text::CAPTION_UNITS,
                    };
                    assert!(text::utf16_len(&plain(&message)) <= limit);
                }
            }
        }
    }

    #[test]
    fn long_output_is_pieces_then_a_file() {
        let pieces = end(
            OutputMode::Card,
            &Ending::Exited(0),
            &"a line\n".repeat(1200),
            &Seen::default(),
        );
        assert_eq!(pieces.len(), 4);
        let file = end(
            OutputMode::Card,
            &Ending::Exited(0),
            &"a line\n".repeat(5000),
            &Seen::default(),
        );
        assert_eq!(file.len(), 2);
        assert!(matches!(&file[1].body, Body::Document { name, .. } if name == "deploy-12.log"));
        assert!(
            plain(&file[1]).contains("35 kB in 5,000 lines"),
            "{}",
            plain(&file[1])
        );
    }

    #[test]
    fn a_silent_job_tells_only_a_failure() {
        assert!(
            end(
                OutputMode::Silent,
                &Ending::Exited(0),
                "x",
                &Seen::default()
            )
            .is_empty()
        );
        assert_eq!(
            end(
                OutputMode::Silent,
                &Ending::Exited(2),
                "x",
                &Seen::default()
            )
            .len(),
            1
        );
    }

    #[test]
    fn a_stream_ends_with_its_rest_and_the_card() {
        let seen = Seen {
            card: true,
            pieces: 9,
            skipped: true,
            rest: vec!["<pre>rest</pre>".into()],
        };
        let messages = end(OutputMode::Stream, &Ending::Exited(0), "…", &seen);
        assert_eq!(messages.len(), 3);
        assert!(matches!(messages[1].body, Body::Document { .. }));
        assert_eq!(messages[2].slot.as_deref(), Some("job:12"));
    }
}
