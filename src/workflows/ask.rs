//! What a run asks in messages of their own, and what became of that. Pure: values in, messages out.

use super::board::words;
use super::plan::is_prolonged;
use super::whom;
use crate::base::ids::{JobId, Place, UserId};
use crate::base::job::undone;
use crate::base::role::Role;
use crate::base::text::{capital, escape, shorten};
use crate::base::time::{Millis, human};
use crate::base::when::Zone;
use crate::base::workflow::{Said, Step, StepRow, StepState, Values, Work, Workflow};
use crate::delivery::{Button, Outgoing};
use crate::store::jobs::Job;
use std::time::Duration;

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

    /// The answers that there are, with their words.
    #[must_use]
    pub fn buttons(self) -> &'static [(&'static str, Said)] {
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
            (Asked::Confirmation, Said::No | Said::Skip) => "Being taken back",
        }
    }

    /// The sign before that.
    fn mark(self, said: Said) -> &'static str {
        match (self, said) {
            (Asked::Undo, Said::Yes) | (Asked::Confirmation, Said::No | Said::Skip) => "↩️",
            (_, Said::Yes) => "✅",
            (_, Said::No | Said::Skip) => "🚫",
        }
    }
}

/// How the names of the messages begin that ask about a step.
const SLOT: &str = "ask:";

/// The name of the message that asks about a step.
fn slot(run: JobId, seq: usize) -> String {
    format!("{SLOT}{run}:{seq}")
}

/// Whether a message asks about a step, or tells what became of that.
pub(super) fn is_question(message: &Outgoing) -> bool {
    let slot = message.slot.as_deref();
    slot.is_some_and(|slot| slot.starts_with(SLOT))
}

/// On which terms somebody is asked.
#[derive(Clone, Debug, Default)]
pub(super) struct Terms {
    /// Whether somebody in the run's own chat may answer; then nobody else is asked.
    pub here: bool,
    /// The names of those who are asked in private.
    pub asked: Vec<String>,
    /// The names of those who would be, had they written to the bot.
    pub missed: Vec<String>,
    /// The names of those to whom the question was not sent, although they can be written to.
    pub lost: Vec<String>,
    /// Those who are asked now.
    pub now: Vec<UserId>,
    /// How long there was to answer when it was asked first.
    pub within: Option<Duration>,
    /// How long there is now.
    pub left: Option<Duration>,
    /// As HTML, what an approval lets happen.
    pub after: String,
}

/// The messages that ask for an approval: in the run's chat, and to each who is asked in private.
pub(super) fn approval(
    job: &Job,
    step: &Step,
    seq: usize,
    row: &StepRow,
    values: &Values,
    terms: &Terms,
) -> Vec<Outgoing> {
    let after = match terms.after.as_str() {
        "" => String::new(),
        after => format!("\n\n{after}\n"),
    };
    let asks = format!("✋ {}\n{}{after}", head(job, step), question(step, values));
    let answers = || buttons(Asked::Approval, job, seq, row);
    let who = format!("{}{}", by_whom(step), within(terms.within));
    if terms.here {
        let html = format!("{asks}\n{who}");
        return vec![place(job, seq, html, answers())];
    }
    let told = asked_elsewhere(job, terms);
    let html = format!("{asks}\n{who}\n{told}");
    let by = escape(&job.new.asker_name);
    let to_them = format!("{asks}\nStarted by {by}{}", within(terms.left));
    let there = place(job, seq, to_them, answers());
    let mut all = vec![place(job, seq, html, Vec::new())];
    all.extend(for_asked(&there, &terms.now));
    all
}

/// A message about a step as it goes to those who were asked in private.
pub(super) fn for_asked(message: &Outgoing, asked: &[UserId]) -> Vec<Outgoing> {
    let copy = |person: &UserId| {
        let slot = message.slot.as_deref().unwrap_or_default();
        let copy = Outgoing {
            place: whom::private(*person),
            ..message.clone()
        };
        copy.slot(of_person(slot, *person))
    };
    asked.iter().map(copy).collect()
}

/// How the names of the messages begin that ask about a step in private; whom follows.
pub(super) fn slots_of_persons(run: JobId, seq: usize) -> String {
    format!("{}:", slot(run, seq))
}

fn of_person(slot: &str, person: UserId) -> String {
    format!("{slot}:{person}")
}

/// Whom the asker may turn to.
fn asked_elsewhere(job: &Job, terms: &Terms) -> String {
    let command = format!("/workflow approve {}", job.id);
    let listed = |names: &[String]| escape(&names.join(", "));
    let (asked, missed, lost) = (
        listed(&terms.asked),
        listed(&terms.missed),
        listed(&terms.lost),
    );
    let comes = "They are asked as soon as they open our private chat and press Start.";
    let mut lines = Vec::new();
    if !asked.is_empty() {
        lines.push(format!(
            "I ask in private: {asked}. They may also say {command} there."
        ));
    }
    if !missed.is_empty() {
        lines.push(match asked.is_empty() && lost.is_empty() {
            true => format!("⚠️ Nobody is asked yet: I cannot write to {missed}. {comes}"),
            false => format!("⚠️ I cannot write to {missed} yet. {comes}"),
        });
    }
    if !lost.is_empty() {
        lines.push(format!(
            "⚠️ My question to {lost} was not sent; admins see more with /outbox. Who may approve says {command} in our private chat."
        ));
    }
    if lines.is_empty() {
        lines.push(format!(
            "⚠️ Nobody is asked: I know nobody who may. Who is given the role says {command} in our private chat."
        ));
    }
    lines.join("\n")
}

/// The message that asks.
pub(super) fn message(
    job: &Job,
    step: &Step,
    seq: usize,
    row: &StepRow,
    values: &Values,
    now: Millis,
) -> Outgoing {
    let left = row.until.map(|until| match is_prolonged(row) {
        true => format!("by {}", Zone::Machine.clock(until, now)),
        false => in_time(until.since(now)),
    });
    let Some(asked) = Asked::of(row, step) else {
        return withdrawn(job, step, seq, values, "Nobody needs to answer any more.");
    };
    let html = match asked {
        Asked::Approval => format!(
            "✋ {}\n{}\n{}",
            head(job, step),
            question(step, values),
            by_whom(step)
        ),
        Asked::Crash if row.ended_at.is_some() => format!(
            "💥 {}\nThe bot was started anew since this step was done. What it found is a secret, which is kept nowhere, and a later step needs it. What now?",
            head(job, step)
        ),
        Asked::Crash if row.adrift => format!(
            "💥 {}\nThis step {} on another machine, which is lost. It may still run there.{} What now?",
            head(job, step),
            worked(job),
            unless_said(left.as_deref())
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
            "💥 {}\nThe bot was stopped while this step {}. How far it came is not known.{} What now?",
            head(job, step),
            worked(job),
            unless_said(left.as_deref())
        ),
        Asked::Confirmation => {
            let within = left.unwrap_or_default();
            let who = match job.new.telling {
                None => format!("{} or an admin", escape(&job.new.asker_name)),
                Some(_) => "an admin".to_owned(),
            };
            format!(
                "✋ {}\nIt succeeded. Unless {who} confirms {within} that all is well, it is taken back. \
                 /workflow approve {} keeps it as well.",
                head(job, step),
                job.id
            )
        }
    };
    place(job, seq, html, buttons(asked, job, seq, row))
}

/// What a step did when it was cut off: one of a run that takes another back does that.
fn worked(job: &Job) -> String {
    match undone(&job.new.source) {
        Some(of) => format!("of #{of} was being taken back"),
        None => "ran".to_owned(),
    }
}

/// What comes of it when nobody answers what a step came to.
fn unless_said(left: Option<&str>) -> String {
    left.map_or_else(String::new, |within| {
        format!(" Unless somebody answers {within}, it is taken back.")
    })
}

/// How long there is, of which a run that is late leaves nothing.
fn in_time(left: Duration) -> String {
    match left.as_secs() {
        0 => "at once".to_owned(),
        seconds => format!("within {}", human(Duration::from_secs(seconds))),
    }
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

/// Who may approve.
fn by_whom(step: &Step) -> String {
    let Work::Approve { role, by_asker, .. } = &step.work else {
        return String::new();
    };
    let whose = match by_asker {
        true => "",
        false => ", but not whoever started it",
    };
    format!("To be approved by {}{whose}", or_above(*role))
}

/// A role and those above it.
pub(super) fn or_above(role: Role) -> String {
    match role {
        Role::Owner => "an owner".to_owned(),
        lower => format!("{lower} or above"),
    }
}

fn within(left: Option<Duration>) -> String {
    left.map_or_else(String::new, |left| {
        format!(" · within {}", human(Duration::from_secs(left.as_secs())))
    })
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
            let mark = asked.mark(answer.said);
            let what = asked_what(step, values);
            format!(
                "{mark} {}{what}\n{label} by {}{}",
                head(job, step),
                escape(&answer.by),
                reason.unwrap_or_default()
            )
        }
        _ => {
            let (what, how) = (asked_what(step, values), how_ended(step, row));
            format!("⏱ {}{what}\n{how}.", head(job, step))
        }
    };
    place(job, seq, html, Vec::new())
}

/// The message that asked about a step, when the run ended that and what the step did is being taken back.
pub(super) fn reverting(job: &Job, step: &Step, seq: usize, row: &StepRow) -> Outgoing {
    let html = format!("↩️ {}\n{}.", head(job, step), how_ended(step, row));
    place(job, seq, html, Vec::new())
}

/// The same when it was taken back, or could not be; then it says how that is tried again.
pub(super) fn reverted(
    job: &Job,
    step: &Step,
    seq: usize,
    row: &StepRow,
    flow: &Workflow,
) -> Outgoing {
    let (head, how) = (head(job, step), how_ended(step, row));
    if !row.left_over {
        return place(job, seq, format!("↩️ {head}\n{how}."), Vec::new());
    }
    let id = job.id;
    let again = match flow.undo_for.is_zero() {
        true => format!("/workflow undo {id} shows how it is taken back by hand."),
        false => format!(
            "For {} after the end of the run, /workflow undo {id} tries it once more; then it shows how it is taken back \
             by hand.",
            human(flow.undo_for)
        ),
    };
    place(job, seq, format!("❌ {head}\n{how}.\n{again}"), Vec::new())
}

/// How a step ended, or why it does, as a sentence in HTML without its full stop.
fn how_ended(step: &Step, row: &StepRow) -> String {
    let how = row.ending.as_ref().map(|how| words(how, Some(step)));
    let so = match row.state {
        StepState::Reverting => ", so it is being taken back",
        _ => "",
    };
    escape(&capital(&format!("{}{so}", how.unwrap_or_default())))
}

/// The message that asked, when nobody needs to answer any more, and why.
pub(super) fn withdrawn(
    job: &Job,
    step: &Step,
    seq: usize,
    values: &Values,
    why: &str,
) -> Outgoing {
    let what = asked_what(step, values);
    let html = format!("🚫 {}{what}\n{why}", head(job, step));
    place(job, seq, html, Vec::new())
}

/// The question of an approval, in a line of its own: what was asked stays to be read.
fn asked_what(step: &Step, values: &Values) -> String {
    match step.work {
        Work::Approve { .. } => format!("\n{}", question(step, values)),
        _ => String::new(),
    }
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

#[cfg(test)]
mod tests;
