//! What is told of a job that may be taken back: the offer, the question whether it holds, and what became of either. Pure:
//! values in, messages out.

use super::card;
use super::message::{Body, Button, Outgoing};
use crate::base::ids::{JobId, Place};
use crate::base::job::{Ending, JobState};
use crate::base::text::{self, escape, shorten};
use crate::base::time::{Millis, human};
use crate::base::when::Zone;
use std::time::Duration;

/// Of why something could not be taken back, so many UTF-16 units are told.
const HOW: usize = 120;
/// The most that a card grows by what became of the job, in UTF-16 units.
const GROWS: usize = HOW + 80;
/// Of a card that has no room for that, the last lines are kept, up to so many UTF-16 units.
const LAST_UNITS: usize = 1500;

/// What the question says from here on when taking back failed.
const FAILED: &str = "\nIt could not take back all of ";

/// What it says from there on when that is tried again.
const AGAIN: &str = "\nThat failed, so ";

/// What takes a job back.
#[derive(Clone, Copy, Debug)]
pub struct Back<'a> {
    /// Its number.
    pub by: JobId,
    /// How it ended; `None` as long as it has not.
    pub ending: Option<&'a Ending>,
}

impl Back<'_> {
    /// In a few words, as cards say it.
    fn words(&self) -> String {
        words(self.by, self.ending.map_or(JobState::Queued, Ending::state))
    }

    /// How it failed; `None` when it did not, or not yet.
    fn failure(&self) -> Option<String> {
        let words = match self.ending? {
            Ending::Exited(0) => return None,
            Ending::Exited(code) => format!("exit {code}"),
            Ending::Signaled(signal) => format!("ended by signal {signal}"),
            Ending::Broken(why) => why.trim_end_matches('.').to_owned(),
            Ending::TimedOut(limit) => format!("timed out after {}", human(*limit)),
            Ending::Cancelled(by) => format!("cancelled by {by}"),
            Ending::Stopped => "cut off, because the bot was shut down".to_owned(),
            Ending::Lost => "cut off, because the bot died".to_owned(),
        };
        Some(shorten(&words, HOW).into_owned())
    }
}

/// In a few words what became of a job that another one takes back, which stands so.
#[must_use]
pub fn words(by: JobId, state: JobState) -> String {
    match state {
        JobState::Succeeded => format!("↩️ taken back by #{by}"),
        JobState::Queued | JobState::Running => format!("↩️ {}", begun(by)),
        JobState::Failed | JobState::Cancelled | JobState::TimedOut | JobState::Lost => {
            format!("↩️ #{by} could not take all of it back")
        }
    }
}

/// What is said as long as it has not ended.
fn begun(by: JobId) -> String {
    format!("#{by} is to take it back")
}

/// Adds to what tells the end of a job that it can be taken back for so long: to its card, from which that can be taken away.
pub fn offer(messages: &mut [Outgoing], id: JobId, within: Duration) {
    let slot = card::slot(id);
    let is_card = |message: &&mut Outgoing| message.slot.as_ref() == Some(&slot);
    if let Some(card) = messages.iter_mut().find(is_card) {
        let (Body::Text { buttons, .. } | Body::Document { buttons, .. }) = &mut card.body;
        let label = format!("Undo ({})", human(within));
        buttons.push(vec![Button::new(label, format!("undo:{id}"))]);
    }
}

/// Takes from the card of a job what offers to take it back.
pub fn offer_no_more(card: &mut Outgoing, id: JobId) {
    take_away(card, &format!("undo:{id}"));
}

/// Takes away the buttons that say this to us, of a workflow or a script.
fn take_away(card: &mut Outgoing, what: &str) {
    let (Body::Text { buttons, .. } | Body::Document { buttons, .. }) = &mut card.body;
    for row in buttons.iter_mut() {
        row.retain(|button| button.data.strip_prefix("flow:").unwrap_or(&button.data) != what);
    }
    buttons.retain(|row| !row.is_empty());
}

/// The card of a job with what became of it, which is gone on with no more; `None` when it says so already.
#[must_use]
pub fn on_card(mut card: Outgoing, id: JobId, back: &Back<'_>) -> Option<Outgoing> {
    offer_no_more(&mut card, id);
    take_away(&mut card, &format!("retry:{id}"));
    let (Body::Text { html, .. } | Body::Document { html, .. }) = &mut card.body;
    let (begun, words) = (format!("↩️ {}", begun(back.by)), back.words());
    let words = match back.failure() {
        Some(how) => format!("{words}: {}", escape(&how)),
        None => words,
    };
    if html.contains(&words) {
        return None;
    }
    *html = match html.contains(&begun) {
        true => html.replacen(&begun, &words, 1),
        false => with_line(html, &words),
    };
    Some(card)
}

/// The text with this line under its first one; what then is too long is cut to its last lines.
fn with_line(html: &str, line: &str) -> String {
    let (first, rest) = html.split_once('\n').unwrap_or((html, ""));
    let joined = |rest: &str| match rest {
        "" => format!("{first}\n{line}"),
        rest => format!("{first}\n{line}\n{rest}"),
    };
    if text::visible_len(html) + GROWS <= text::MESSAGE_UNITS {
        return joined(rest);
    }
    let plain = text::plain_of_html(rest);
    let (last, _) = text::tail_lines(&plain, LAST_UNITS);
    joined(&format!("… the last lines:\n{}", text::pre(last)))
}

/// How the message is called that asks whether what a job did holds.
#[must_use]
pub fn slot(id: JobId) -> String {
    format!("confirm:{id}")
}

/// The message that asks whether what a job did holds.
#[must_use]
pub fn question(id: JobId, title: &str, place: Place, within: Duration) -> Outgoing {
    asked(id, title, place, &format!("within {}", human(within)))
}

/// The same message when that was prolonged, since nobody could be heard meanwhile: until this moment.
#[must_use]
pub fn question_until(
    id: JobId,
    title: &str,
    place: Place,
    (until, now): (Millis, Millis),
) -> Outgoing {
    let by = Zone::Machine.clock(until, now);
    let mut message = asked(id, title, place, &format!("by {by}"));
    if let Body::Text { html, .. } = &mut message.body {
        html.push_str("\nThe bot was away, so there is a little more time, once.");
    }
    message
}

fn asked(id: JobId, title: &str, place: Place, when: &str) -> Outgoing {
    let words = format!(
        "It worked. Unless somebody who may run {title} confirms {when}, it is taken back."
    );
    let mut message = settled(id, title, place, "✋", &words);
    if let Body::Text { buttons, .. } = &mut message.body {
        *buttons = answers(id).map(|button| vec![button]).to_vec();
    }
    message
}

/// The answers to it.
#[must_use]
pub fn answers(id: JobId) -> [Button; 2] {
    [
        Button::new("It works, keep it", format!("keep:{id}")),
        Button::new("Take it back", format!("undone:{id}")),
    ]
}

/// The same message when somebody said that it holds.
#[must_use]
pub fn kept(id: JobId, title: &str, place: Place, by: &str) -> Outgoing {
    settled(id, title, place, "✅", &format!("Kept by {by}."))
}

/// The same message when it is to be taken back, and why; `beside` is said besides.
#[must_use]
pub fn not_kept(
    id: JobId,
    title: &str,
    place: Place,
    back: &Back<'_>,
    (why, beside): (&str, &str),
) -> Outgoing {
    let words = format!("{why}, so {}{beside}.", begun(back.by));
    settled(id, title, place, "↩️", &words)
}

/// The same message with what became of that; `None` when there is nothing to be said.
#[must_use]
pub fn on_question(mut message: Outgoing, id: JobId, back: &Back<'_>) -> Option<Outgoing> {
    let (Body::Text { html, .. } | Body::Document { html, .. }) = &mut message.body;
    let (by, begun) = (back.by, begun(back.by));
    if back.ending.is_none() {
        // Another one was to, and could not.
        let first = &html[..html.find(FAILED)?];
        let first = first.split(AGAIN).next().unwrap_or_default();
        *html = format!("{first}{AGAIN}{begun}.").replacen('❌', "↩️", 1);
        return Some(message);
    }
    if !html.contains(&begun) {
        return None;
    }
    *html = match back.failure() {
        None => html.replacen(&begun, &format!("#{by} took it back"), 1),
        Some(how) => format!(
            "{}{FAILED}#{id}: {}. /job {by} shows why; /retry {by} tries it again.",
            html.replacen(&begun, &format!("#{by} was to take it back"), 1)
                .replacen("↩️", "❌", 1),
            escape(&how)
        ),
    };
    Some(message)
}

fn settled(id: JobId, title: &str, place: Place, mark: &str, words: &str) -> Outgoing {
    let html = format!("{mark} <b>{}</b> · #{id}\n{}", escape(title), escape(words));
    Outgoing::text(place, html, Vec::new()).slot(slot(id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ids::ChatId;

    const PLACE: Place = Place {
        chat: ChatId(7),
        thread: None,
    };

    fn back(ending: Option<&Ending>) -> Back<'_> {
        Back {
            by: JobId(13),
            ending,
        }
    }

    fn html(message: &Outgoing) -> &str {
        match &message.body {
            Body::Text { html, .. } | Body::Document { html, .. } => html,
        }
    }

    fn card(html: &str) -> Outgoing {
        let buttons = ["again:12", "undo:12", "flow:undo:12", "flow:retry:12"];
        let row = |data: &&str| vec![Button::new("x", *data)];
        Outgoing::text(PLACE, html, buttons.iter().map(row).collect()).slot(card::slot(JobId(12)))
    }

    const ENDINGS: [(Ending, &str); 3] = [
        (Ending::Exited(3), "exit 3"),
        (Ending::Lost, "cut off, because the bot died"),
        (Ending::Stopped, "cut off, because the bot was shut down"),
    ];

    #[test]
    fn a_card_says_what_became_of_it_and_offers_it_no_more() {
        let begun = on_card(card("✅ put · #12\n<pre>x</pre>"), JobId(12), &back(None)).unwrap();
        assert_eq!(
            html(&begun),
            "✅ put · #12\n↩️ #13 is to take it back\n<pre>x</pre>"
        );
        let Body::Text { buttons, .. } = &begun.body else {
            panic!("no text");
        };
        assert_eq!(buttons.concat(), [Button::new("x", "again:12")]);
        assert_eq!(on_card(begun.clone(), JobId(12), &back(None)), None);
        let done = back(Some(&Ending::Exited(0)));
        let taken = "✅ put · #12\n↩️ taken back by #13\n<pre>x</pre>";
        assert_eq!(
            html(&on_card(begun.clone(), JobId(12), &done).unwrap()),
            taken
        );
        let never_told = card("✅ put · #12\n<pre>x</pre>");
        assert_eq!(html(&on_card(never_told, JobId(12), &done).unwrap()), taken);
        for (ending, how) in &ENDINGS {
            let told = on_card(begun.clone(), JobId(12), &back(Some(ending))).unwrap();
            let line = format!("\n↩️ #13 could not take all of it back: {how}\n");
            assert!(html(&told).contains(&line), "{told:?}");
        }
    }

    #[test]
    fn a_full_card_has_room_for_what_became_of_it() {
        let why = Ending::Broken("<why> ".repeat(90));
        for lines in [0, 1, 400, 430, 450, 453] {
            let full = format!("✅ put · #12\n{}", text::pre(&"<a line>\n".repeat(lines)));
            assert!(text::visible_len(&full) <= text::MESSAGE_UNITS);
            let begun = on_card(card(&full), JobId(12), &back(None)).unwrap();
            let told = on_card(begun, JobId(12), &back(Some(&why))).unwrap();
            assert!(text::visible_len(html(&told)) <= text::MESSAGE_UNITS);
            assert!(html(&told).contains("could not take all of it back: &lt;why&gt;"));
            assert_eq!(html(&told).contains("a line"), lines > 0);
        }
    }

    #[test]
    fn the_question_says_how_taking_back_went() {
        let asked = |back: &Back<'_>| {
            let why = ("Not kept by <ann>", ", although everything is frozen");
            not_kept(JobId(12), "put", PLACE, back, why)
        };
        let begun = asked(&back(None));
        assert_eq!(
            html(&begun),
            "↩️ <b>put</b> · #12\nNot kept by &lt;ann&gt;, so #13 is to take it back, although everything is frozen."
        );
        assert_eq!(on_question(begun.clone(), JobId(12), &back(None)), None);
        let done = on_question(begun.clone(), JobId(12), &back(Some(&Ending::Exited(0)))).unwrap();
        assert_eq!(
            html(&done),
            "↩️ <b>put</b> · #12\nNot kept by &lt;ann&gt;, so #13 took it back, although everything is frozen."
        );
        for (ending, how) in &ENDINGS {
            let told = on_question(begun.clone(), JobId(12), &back(Some(ending))).unwrap();
            let words = format!(
                "❌ <b>put</b> · #12\nNot kept by &lt;ann&gt;, so #13 was to take it back, although everything is frozen.\n\
                 It could not take back all of #12: {how}. /job 13 shows why; /retry 13 tries it again."
            );
            assert_eq!(html(&told), words);
            // Tried again, it says so in place of that.
            let next = |ending| Back {
                by: JobId(14),
                ending,
            };
            let begun = on_question(told, JobId(12), &next(None)).unwrap();
            let head = "<b>put</b> · #12\nNot kept by &lt;ann&gt;, so #13 was to take it back, although everything is frozen.";
            assert_eq!(
                html(&begun),
                format!("↩️ {head}\nThat failed, so #14 is to take it back.")
            );
            let done =
                on_question(begun.clone(), JobId(12), &next(Some(&Ending::Exited(0)))).unwrap();
            assert_eq!(
                html(&done),
                format!("↩️ {head}\nThat failed, so #14 took it back.")
            );
            let failed = on_question(begun, JobId(12), &next(Some(&Ending::Exited(3)))).unwrap();
            let again = on_question(
                failed,
                JobId(12),
                &Back {
                    by: JobId(15),
                    ending: None,
                },
            )
            .unwrap();
            assert_eq!(
                html(&again),
                format!("↩️ {head}\nThat failed, so #15 is to take it back.")
            );
        }
        let kept = kept(JobId(12), "put", PLACE, "ann");
        assert_eq!(html(&kept), "✅ <b>put</b> · #12\nKept by ann.");
        let taken = back(Some(&Ending::Exited(0)));
        assert_eq!(on_question(kept, JobId(12), &taken), None);
    }
}
