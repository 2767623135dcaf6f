//! What a run asks in messages of their own, and what became of that. Pure: values in, messages out.

use super::board::words;
use crate::base::ids::{JobId, Place};
use crate::base::text::{escape, shorten};
use crate::base::time::human;
use crate::base::workflow::{Said, Step, StepRow, StepState, Values, Work};
use crate::delivery::{Button, Outgoing};
use crate::store::jobs::Job;

/// The most that is shown of a question, in UTF-16 units.
const QUESTION: usize = 1000;
/// Of a text that the workflow itself writes, so many UTF-16 units are shown: the rest of the message has room beside them.
const LONGEST: usize = 3000;

/// Why somebody is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// The workflow wants it approved.
    Approval,
    /// The bot died while the step ran.
    Crash,
    /// It succeeded, and is taken back unless it is confirmed.
    Confirmation,
    /// The bot died while it was being taken back.
    Undo,
}

impl Asked {
    /// What is asked about a step; `None` when nothing is.
    #[must_use]
    pub fn of(row: &StepRow, step: &Step) -> Option<Self> {
        match (row.state, &step.work) {
            (StepState::Asked, Work::Approve { .. }) => Some(Asked::Approval),
            (StepState::Asked, _) => Some(Asked::Crash),
            (StepState::Confirming, _) => Some(Asked::Confirmation),
            (StepState::Stranded, _) => Some(Asked::Undo),
            _ => None,
        }
    }

    fn buttons(self) -> &'static [(&'static str, Said)] {
        match self {
            Asked::Approval => &[("Approve", Said::Yes), ("Refuse", Said::No)],
            Asked::Crash => &[
                ("Run again", Said::Yes),
                ("Go on without", Said::Skip),
                ("Count as failed", Said::No),
            ],
            Asked::Undo => &[("Take it back again", Said::Yes), ("Leave it", Said::No)],
            Asked::Confirmation => &[("It works, keep it", Said::Yes), ("Take it back", Said::No)],
        }
    }
}

impl Asked {
    /// What was done with an answer, before `by` and whose it was.
    fn done(self, said: Said) -> &'static str {
        match (self, said) {
            (Asked::Approval, Said::Yes) => "Approved",
            (Asked::Approval, Said::No | Said::Skip) => "Refused",
            (Asked::Crash, Said::Yes) => "Run again",
            (Asked::Crash, Said::Skip) => "Left out",
            (Asked::Crash, Said::No) => "Counted as failed",
            (Asked::Undo, Said::Yes) => "Being taken back again",
            (Asked::Undo, Said::No | Said::Skip) => "Left as it is",
            (Asked::Confirmation, Said::Yes) => "Kept",
            (Asked::Confirmation, Said::No | Said::Skip) => "Taken back",
        }
    }
}

/// The name of the message that asks about a step.
fn slot(run: JobId, seq: usize) -> String {
    format!("ask:{run}:{seq}")
}

/// The message that asks for an approval; `after` says as HTML what it lets happen.
pub(super) fn approval(
    job: &Job,
    step: &Step,
    seq: usize,
    row: &StepRow,
    values: &Values,
    after: &str,
) -> Outgoing {
    let after = match after {
        "" => String::new(),
        after => format!("\n\n{after}\n"),
    };
    let html = format!(
        "✋ {}\n{}{after}\n{}",
        head(job, step),
        question(step, values),
        by_whom(step, row)
    );
    place(job, seq, html, buttons(Asked::Approval, job, seq, row))
}

/// The message that asks.
pub(super) fn message(
    job: &Job,
    step: &Step,
    seq: usize,
    row: &StepRow,
    values: &Values,
) -> Outgoing {
    let Some(asked) = Asked::of(row, step) else {
        return withdrawn(job, step, seq, "Nobody needs to answer any more.");
    };
    let html = match asked {
        Asked::Approval => return approval(job, step, seq, row, values, ""),
        Asked::Crash if row.ended_at.is_some() => format!(
            "💥 {}\nThe bot was started anew since this step was done. What it found is a secret, which is kept nowhere, and a later step needs it. What now?",
            head(job, step)
        ),
        Asked::Crash if row.adrift => format!(
            "💥 {}\nThis step ran on another machine, which is lost. It may still run there. What now?",
            head(job, step)
        ),
        Asked::Undo if row.adrift => format!(
            "💥 {}\nIt was being taken back on another machine, which is lost. That may still go on there. What now?",
            head(job, step)
        ),
        Asked::Undo => format!(
            "💥 {}\nThe bot was stopped while it was being taken back. How far that came is not known. What now?",
            head(job, step)
        ),
        Asked::Crash => format!(
            "💥 {}\nThe bot was stopped while this step ran. How far it came is not known. What now?",
            head(job, step)
        ),
        Asked::Confirmation => {
            let within = step.confirm_within.map(human).unwrap_or_default();
            format!(
                "✋ {}\nIt succeeded. Unless somebody confirms within {within} that all is well, it is taken back.",
                head(job, step)
            )
        }
    };
    place(job, seq, html, buttons(asked, job, seq, row))
}

fn buttons(asked: Asked, job: &Job, seq: usize, row: &StepRow) -> Vec<Vec<Button>> {
    let button = |(label, said): &(&str, Said)| {
        let data = format!("step:{}:{}:{seq}:{}", said.as_str(), job.id, row.attempt);
        vec![Button::new(*label, data)]
    };
    asked.buttons().iter().map(button).collect()
}

fn question(step: &Step, values: &Values) -> String {
    let text = match &step.work {
        Work::Approve {
            question: Some(text),
            ..
        } => text.show(values),
        _ => "May it go on?".to_owned(),
    };
    escape(&shorten(&text, QUESTION))
}

/// Who may approve, and how long.
fn by_whom(step: &Step, row: &StepRow) -> String {
    let Work::Approve { role, by_asker, .. } = &step.work else {
        return String::new();
    };
    let whose = match by_asker {
        true => "",
        false => ", but not whoever started it",
    };
    let time = row
        .until
        .map(|_| format!(" · within {}", human(step.timeout)));
    format!(
        "To be approved by {role} or above{whose}{}",
        time.unwrap_or_default()
    )
}

/// The message that asked, after it was answered or its time was up. `before` is the step as it was then.
pub(super) fn settled(
    job: &Job,
    step: &Step,
    seq: usize,
    before: &StepRow,
    row: &StepRow,
    values: &Values,
) -> Outgoing {
    let asked = Asked::of(before, step);
    let html = match (&before.answer, asked) {
        (Some(answer), Some(asked)) => {
            let label = asked.done(answer.said);
            let reason = answer
                .reason
                .as_deref()
                .map(|why| format!(": {}", escape(why)));
            let mark = if answer.said == Said::Yes {
                "✅"
            } else {
                "🚫"
            };
            let what = match asked {
                Asked::Approval => format!("\n{}", question(step, values)),
                Asked::Crash | Asked::Confirmation | Asked::Undo => String::new(),
            };
            format!(
                "{mark} {}{what}\n{label} by {}{}",
                head(job, step),
                escape(&answer.by),
                reason.unwrap_or_default()
            )
        }
        _ => {
            let how = row.ending.as_ref().map(words).unwrap_or_default();
            format!("⏱ {}\n{}", head(job, step), escape(&how))
        }
    };
    place(job, seq, html, Vec::new())
}

/// The message that asked, when nobody needs to answer any more, and why.
pub(super) fn withdrawn(job: &Job, step: &Step, seq: usize, why: &str) -> Outgoing {
    let html = format!("🚫 {}\n{why}", head(job, step));
    place(job, seq, html, Vec::new())
}

/// A message that the workflow itself writes, once.
pub(super) fn notice(job: &Job, seq: usize, text: &str) -> Outgoing {
    Outgoing::text(job.new.place, escape(&shorten(text, LONGEST)), Vec::new())
        .source(format!("flow:{}:{seq}", job.id))
        .of_job(job.id)
}

/// The message that a run begins.
pub(super) fn begun(job: &Job) -> Outgoing {
    let html = format!("▶️ <b>{}</b> · #{} begins", escape(&job.new.title), job.id);
    told(job, "begun", html).silent(true)
}

/// The message that a step is over; `line` is that of the card.
pub(super) fn step_over(job: &Job, seq: usize, line: &str) -> Outgoing {
    let html = format!("{line}\n<b>{}</b> · #{}", escape(&job.new.title), job.id);
    told(job, &format!("over:{seq}"), html).silent(true)
}

/// The message that a run is over.
pub(super) fn over(job: &Job, mark: &str, words: &str) -> Outgoing {
    let html = format!(
        "{mark} <b>{}</b> · #{} · {words}",
        escape(&job.new.title),
        job.id
    );
    told(job, "over", html)
}

/// The same message for everybody who is told beside the chat of the run.
pub(super) fn copies(message: &Outgoing, to: &[Place]) -> Vec<Outgoing> {
    let elsewhere = to.iter().filter(|place| **place != message.place);
    let copy = |place: &Place| {
        let source = message.source.as_deref().unwrap_or_default();
        let thread = place.thread.map_or(0, |thread| thread.0);
        let copy = Outgoing {
            place: *place,
            ..message.clone()
        };
        copy.source(format!("{source}:{}/{thread}", place.chat.0))
    };
    elsewhere.map(copy).collect()
}

/// A message that is made once.
fn told(job: &Job, what: &str, html: String) -> Outgoing {
    Outgoing::text(job.new.place, html, Vec::new())
        .source(format!("flow:{}:{what}", job.id))
        .of_job(job.id)
}

fn place(job: &Job, seq: usize, html: String, buttons: Vec<Vec<Button>>) -> Outgoing {
    Outgoing::text(job.new.place, html, buttons)
        .slot(slot(job.id, seq))
        .of_job(job.id)
}

fn head(job: &Job, step: &Step) -> String {
    format!(
        "<b>{}</b> · #{} · {}",
        escape(&job.new.title),
        job.id,
        escape(&step.name)
    )
}
