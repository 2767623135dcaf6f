//! What is told of a run of a schedule: one title with its time, what it printed, one line for its end. Pure: values in,
//! messages out. And the words for what no card says: that everything is frozen, and that a job takes longer than usual.

use super::card::{self, Board, Printed, Seen, Subject};
use super::message::{Buttons, Outgoing};
use crate::base::job::{Ending, OutputMode};
use crate::base::schedule::Telling;
use crate::base::text::{self, escape};
use crate::base::time::{Millis, human};
use crate::base::when::Zone;
use crate::store::freeze::Freeze;
use std::time::Duration;

/// Pieces of output that are told as messages; more goes as a file.
const PIECES: usize = 3;
/// Room kept in a message beside the output for title and end, in UTF-16 units.
const MARGIN: usize = 400;
/// Of output that goes as a file, the last lines are told, up to so many UTF-16 units.
const LAST_UNITS: usize = 1500;

/// What came of trying.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tried {
    /// It was the only try.
    Once,
    /// It was this try, and none follows.
    Last(u32),
    /// It was this try, and the next one follows after this time.
    Again(u32, Duration),
    /// It failed at once, and the next run begins after this time.
    Anew(Duration),
}

/// A run of a schedule.
#[derive(Clone, Copy, Debug)]
pub struct Run<'a> {
    /// What it was.
    pub telling: &'a Telling,
    /// How it ended.
    pub ending: &'a Ending,
    /// How long it ran; `None` when it never started.
    pub took: Option<Duration>,
    /// What came of trying.
    pub tried: Tried,
}

/// Everything that tells the run, in order, in each of its places.
#[must_use]
pub fn messages(
    subject: &Subject<'_>,
    run: &Run<'_>,
    mode: OutputMode,
    printed: &Printed<'_>,
    seen: &Seen,
) -> Vec<Outgoing> {
    let streamed = mode == OutputMode::Stream && seen.pieces > 0;
    let in_place = |subject: &Subject<'_>| match streamed {
        true => after_stream(subject, run, printed, seen),
        false => in_place(subject, run, mode, printed),
    };
    let mut all = in_place(subject);
    // Of a stream, the card becomes the end; else what comes first.
    let card = match streamed {
        true => all.last_mut(),
        false => all.first_mut(),
    };
    if let Some(card) = card {
        card.slot = Some(card::slot(subject.id));
    }
    for place in &run.telling.also {
        let there = Subject {
            place: *place,
            reply_to: None,
            ..subject.clone()
        };
        all.extend(in_place(&there));
    }
    all
}

/// What is left to tell in a place that saw the output as it came.
fn after_stream(
    subject: &Subject<'_>,
    run: &Run<'_>,
    printed: &Printed<'_>,
    seen: &Seen,
) -> Vec<Outgoing> {
    let title = title(run.telling, subject);
    let say = |html: String, buttons: Buttons| Outgoing::text(subject.place, html, buttons);
    let rest = seen.rest.iter();
    let mut all: Vec<_> = rest.map(|html| say(html.clone(), Vec::new())).collect();
    if seen.skipped || seen.pieces + seen.rest.len() > PIECES {
        all.push(whole(subject, run.telling, &title, printed));
    }
    let buttons = card::ended_buttons(subject.id, printed.bytes > 0);
    all.push(say(format!("{title}\n{}", end(run, None)), buttons));
    all
}

/// The output as a file.
fn whole(subject: &Subject<'_>, telling: &Telling, title: &str, printed: &Printed<'_>) -> Outgoing {
    let contents = card::contents(printed);
    card::log_file(
        subject.place,
        None,
        &telling.schedule,
        subject.id,
        format!("{title}\n{contents}"),
    )
}

fn in_place(
    subject: &Subject<'_>,
    run: &Run<'_>,
    mode: OutputMode,
    printed: &Printed<'_>,
) -> Vec<Outgoing> {
    let title = title(run.telling, subject);
    let end = end(run, printed.board);
    let mut buttons = match printed.board {
        Some(board) => card::board_buttons(subject.id, printed.bytes > 0, board),
        None => card::ended_buttons(subject.id, printed.bytes > 0),
    };
    let say = |html: String, buttons: Buttons| Outgoing::text(subject.place, html, buttons);
    if let Some(board) = printed.board {
        buttons.extend(board.buttons.clone());
        let (last, _) = text::tail_lines(printed.tail, LAST_UNITS);
        let last = match board.tail && !text::is_blank(last) {
            true => format!("{}\n", text::pre(last.trim_end_matches('\n'))),
            false => String::new(),
        };
        return vec![say(
            format!("{title}\n{}\n{last}{end}", board.html),
            buttons,
        )];
    }
    let blank = printed.bytes == 0 || (printed.whole && text::is_blank(printed.tail));
    if blank {
        let nothing = match run.took {
            Some(_) => "No output.\n",
            None => "",
        };
        return vec![say(format!("{title}\n{nothing}{end}"), buttons)];
    }
    let room = text::MESSAGE_UNITS - MARGIN;
    let mut pieces = match printed.whole && mode != OutputMode::File {
        true => text::split(printed.tail, room),
        false => Vec::new(),
    };
    pieces.retain(|piece| !text::is_blank(piece));
    if pieces.is_empty() || pieces.len() > PIECES {
        let (last, _) = text::tail_lines(printed.tail, LAST_UNITS);
        let last = match text::is_blank(last) || mode == OutputMode::File {
            true => String::new(),
            false => format!(
                "… the last lines:\n{}\n",
                text::pre(last.trim_end_matches('\n'))
            ),
        };
        let file = whole(subject, run.telling, &title, printed);
        return vec![say(format!("{title}\n{last}{end}"), buttons), file];
    }
    let (first, last) = (0, pieces.len() - 1);
    let message = |(at, piece): (usize, &&str)| {
        let mut html = text::pre(piece.trim_end_matches('\n'));
        if at == first {
            html = format!("{title}\n{html}");
        }
        match at == last {
            true => say(format!("{html}\n{end}"), buttons.clone()),
            false => say(html, Vec::new()),
        }
    };
    pieces.iter().enumerate().map(message).collect()
}

fn title(telling: &Telling, subject: &Subject<'_>) -> String {
    format!(
        "🗓 <b>{}</b> · {} · #{}",
        escape(&telling.schedule),
        escape(&telling.time),
        subject.id
    )
}

fn end(run: &Run<'_>, board: Option<&Board>) -> String {
    let own = board.and_then(|board| board.outcome.clone());
    let (mark, words) = own.unwrap_or_else(|| card::outcome(run.ending, run.took));
    let many = run.telling.attempts();
    let tried = match run.tried {
        Tried::Once => String::new(),
        Tried::Last(number) if *run.ending == Ending::Exited(0) => {
            format!("\nIt took {number} tries.")
        }
        Tried::Last(1) => "\nNot tried again.".to_owned(),
        Tried::Last(number) => format!("\nTried {number} times, of {many}; I leave it at that."),
        Tried::Again(number, pause) => {
            format!(
                "\nTry {number} of {many}; the next one in {}.",
                human(pause)
            )
        }
        Tried::Anew(pause) => format!(
            "\nThe next run begins in {}. Should that fail at once as well, I wait longer each time, and say no more until one lasts or goes well.",
            human(pause)
        ),
    };
    format!("{mark} {words}{tried}")
}

/// What whoever wants to run something is told while everything is frozen; plain text.
#[must_use]
pub fn frozen(freeze: &Freeze) -> String {
    let since = Zone::Machine.clock(freeze.since, Millis::now());
    let why = match &freeze.reason {
        Some(reason) => format!(": {reason}"),
        None => String::new(),
    };
    format!(
        "Frozen by {} since {since}{why}\nNothing new is started. What runs goes on. An admin or owner ends it with /unfreeze.",
        freeze.name
    )
}

/// The notice that a job takes longer than it usually does.
#[must_use]
pub fn slow(subject: &Subject<'_>, runs: Duration, usual: Duration) -> Outgoing {
    let html = format!(
        "🐢 <b>{}</b> · #{} takes longer than usual: {} by now, mostly {}.",
        escape(subject.title),
        subject.id,
        human(runs),
        human(usual)
    );
    let stop = super::Button::new("Cancel", format!("cancel:{}", subject.id));
    Outgoing::text(subject.place, html, vec![vec![stop]])
        .reply_to(subject.reply_to)
        .source(format!("slow:{}", subject.id))
        .of_job(subject.id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ids::{ChatId, JobId, Place};
    use crate::base::schedule::{Retries, Rule};
    use crate::delivery::Body;

    fn telling() -> Telling {
        Telling {
            schedule: "backup".to_owned(),
            due: Millis(0),
            time: "06:30".to_owned(),
            rule: Rule::OnOutput,
            also: Vec::new(),
            attempt: 1,
            retries: Some(Retries {
                attempts: 3,
                backoff: Duration::from_secs(1),
                factor: 2.0,
                max: Duration::from_secs(9),
                jitter: Duration::ZERO,
                not_on: Vec::new(),
            }),
            anew: None,
            follows: None,
        }
    }

    fn told(telling: &Telling, ending: &Ending, tried: Tried, output: &str) -> Vec<Outgoing> {
        let place = |chat| Place {
            chat: ChatId(chat),
            thread: None,
        };
        let subject = Subject {
            id: JobId(12),
            title: "backup",
            place: place(7),
            reply_to: None,
            undoes: None,
        };
        let printed = Printed {
            tail: output,
            whole: true,
            bytes: output.len() as u64,
            missing: 0,
            lines: output.lines().count() as u64,
            board: None,
        };
        let run = Run {
            telling,
            ending,
            took: Some(Duration::from_secs(41)),
            tried,
        };
        messages(&subject, &run, OutputMode::Card, &printed, &Seen::default())
    }

    fn words(message: &Outgoing) -> String {
        match &message.body {
            Body::Text { html, .. } | Body::Document { html, .. } => text::plain_of_html(html),
        }
    }

    #[test]
    fn a_short_run_is_one_message_with_title_output_and_end() {
        let all = told(&telling(), &Ending::Exited(0), Tried::Once, "done <b>\n");
        assert_eq!(all.len(), 1);
        assert_eq!(
            words(&all[0]),
            "🗓 backup · 06:30 · #12\ndone <b>\n✅ exit 0 · 41 s"
        );
        let failed = told(&telling(), &Ending::Exited(3), Tried::Last(3), "");
        assert_eq!(
            words(&failed[0]),
            "🗓 backup · 06:30 · #12\nNo output.\n❌ exit 3 · 41 s\nTried 3 times, of 3; I leave it at that."
        );
    }

    #[test]
    fn long_output_has_one_title_and_one_end() {
        let all = told(
            &telling(),
            &Ending::Exited(0),
            Tried::Once,
            &"a line\n".repeat(1200),
        );
        assert_eq!(all.len(), 3);
        let titles = all.iter().filter(|m| words(m).contains("🗓")).count();
        let ends = all.iter().filter(|m| words(m).contains("✅")).count();
        assert_eq!((titles, ends), (1, 1));
        assert!(words(&all[0]).starts_with("🗓") && words(&all[2]).ends_with("✅ exit 0 · 41 s"));
        let huge = told(
            &telling(),
            &Ending::Exited(0),
            Tried::Once,
            &"a line\n".repeat(9000),
        );
        assert_eq!(huge.len(), 2);
        assert!(matches!(&huge[1].body, Body::Document { name, .. } if name == "backup-12.log"));
        for message in all.iter().chain(&huge) {
            let limit = match message.body {
                Body::Text { .. } => text::MESSAGE_UNITS,
                Body::Document { .. } => text::CAPTION_UNITS,
            };
            assert!(text::utf16_len(&words(message)) <= limit);
        }
    }

    #[test]
    fn each_place_gets_all_of_it_and_one_of_them_is_the_card() {
        let mut telling = telling();
        telling.also = vec![Place {
            chat: ChatId(8),
            thread: None,
        }];
        let all = told(&telling, &Ending::Exited(0), Tried::Once, "x\n");
        let places: Vec<_> = all
            .iter()
            .map(|m| (m.place.chat.0, m.slot.is_some()))
            .collect();
        assert_eq!(places, [(7, true), (8, false)]);
        assert_eq!(words(&all[0]), words(&all[1]));
    }
}
