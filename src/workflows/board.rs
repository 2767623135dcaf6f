//! The card of a run: its steps, how each stands, and at the end what came of it. Pure.

mod buttons;
mod called;

use super::ask;
use super::plan::{self, Verdict, step};
use crate::base::ids::JobId;
use crate::base::job::Ending;
use crate::base::text::{escape, shorten, visible_len};
use crate::base::time::{Millis, human};
use crate::base::workflow::{Lock, Step, StepRow, StepState, TURN, Work, Workflow};
use crate::delivery::card::{Board, waits_for};
use std::collections::BTreeSet;
use std::time::Duration;

/// Of a run with more steps than a phone shows, so many are named.
const SHOWN: usize = 12;
/// Once it is over, beside what needs a look, so many.
const SHOWN_AT_LAST: usize = 4;
/// Of why a step failed, so many UTF-16 units stand in its line, or fewer where the lines would not fit.
const WHY: [usize; 3] = [240, 80, 20];
/// The lines of the steps take no more than so many UTF-16 units, so that the rest of the card has room.
const LINES: usize = 2400;

/// A run to be shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct View<'a> {
    /// What it does.
    pub flow: &'a Workflow,
    /// How its steps stand.
    pub rows: &'a [StepRow],
    /// Its number.
    pub run: JobId,
    /// The run that it takes back, if it does that.
    pub undoes: Option<JobId>,
    /// What began it and what it was given, as lines of HTML.
    pub begun: &'a [String],
    /// The steps that printed something.
    pub printed: &'a BTreeSet<usize>,
    /// The moment.
    pub now: Millis,
}

/// The card while the run goes on.
pub(super) fn live(view: &View<'_>) -> Board {
    Board {
        html: lines(view, None).join("\n"),
        outcome: None,
        tail: true,
        said: None,
        took: Some(passed(view, plan::took(view.rows, view.now))),
        once: view.undoes.is_some(),
        buttons: buttons::logs(view),
        undo: None,
    }
}

/// The card at the end: how long it took is over all starts of the bot.
pub(super) fn last(view: &View<'_>, verdict: Verdict, by: Option<&str>) -> Board {
    let (mark, words) = outcome(view, verdict, by);
    let took = plan::took(view.rows, view.now);
    let named = match verdict {
        Verdict::Failed(seq) => Some(seq),
        Verdict::Succeeded | Verdict::Warnings | Verdict::Stopped | Verdict::Late => None,
    };
    Board {
        html: lines(view, named).join("\n"),
        outcome: Some((mark, format!("{words} · {}", human(took)))),
        tail: matches!(verdict, Verdict::Failed(_) | Verdict::Late),
        said: None,
        took: Some(took),
        once: view.undoes.is_some(),
        buttons: buttons::logs(view)
            .into_iter()
            .chain(buttons::after(view, verdict))
            .collect(),
        undo: buttons::offers_undo(view).then_some(view.flow.undo_for),
    }
}

/// What came of a run: its mark, and a few words as HTML.
fn outcome(view: &View<'_>, verdict: Verdict, by: Option<&str>) -> (&'static str, String) {
    let back = |undone: JobId| format!("taking back #{undone} ");
    let back = view.undoes.map(back).unwrap_or_default();
    match verdict {
        Verdict::Succeeded | Verdict::Warnings if view.undoes.is_some() => {
            let undone = view.undoes.unwrap_or(view.run);
            ("↩️", format!("took back #{undone}"))
        }
        Verdict::Succeeded => ("✅", "succeeded".to_owned()),
        Verdict::Warnings => ("⚠️", "completed with warnings".to_owned()),
        Verdict::Failed(seq) => {
            let name = step(view.flow, seq).map_or("", |step| step.name.as_str());
            let how = view.rows[seq]
                .ending
                .as_ref()
                .map(|ending| self::words(ending, step(view.flow, seq)))
                .unwrap_or_default();
            let (at, how) = (escape(name), escape(&shorten(&how, WHY[0])));
            ("❌", format!("{back}failed at <b>{at}</b>: {how}"))
        }
        Verdict::Stopped => (
            "🚫",
            format!("{back}stopped by {}", escape(by.unwrap_or_default())),
        ),
        Verdict::Late => {
            let limit = human(view.flow.max_duration.unwrap_or_default());
            ("⏱", format!("timed out after {limit}"))
        }
    }
}

/// How a step ended, in a few words.
pub(super) fn words(ending: &Ending, step: Option<&Step>) -> String {
    match ending {
        Ending::Exited(code) => format!("exit {code}"),
        Ending::Signaled(signal) => format!("ended by signal {signal}"),
        Ending::Broken(why) => why.clone(),
        Ending::TimedOut(limit) => {
            let reads = step
                .is_some_and(|step| matches!(step.work, Work::Run { .. } | Work::Script { .. }));
            let hint = match reads {
                true => "; it gets no input, should it have asked for some",
                false => "",
            };
            format!("timed out after {}{hint}", human(*limit))
        }
        Ending::Cancelled(by) => format!("stopped by {by}"),
        Ending::Stopped => "stopped".to_owned(),
        Ending::Lost => "the bot was stopped while it ran".to_owned(),
    }
}

/// The line of a step that is over and had its turn.
pub(super) fn line_over(view: &View<'_>, seq: usize) -> Option<String> {
    let row = &view.rows[seq];
    let shown = row.state.is_over() && row.state != StepState::Blocked;
    shown.then(|| line_of(view, seq, WHY[0]))
}

fn line_of(view: &View<'_>, seq: usize, why: usize) -> String {
    let row = &view.rows[seq];
    let name = step(view.flow, seq).map_or("", |step| step.name.as_str());
    let part = called::part(view.flow, view.rows, seq);
    let (mark, note) = match part {
        Some(part) => (part.mark, String::new()),
        None => state(view, seq),
    };
    let (took, over) = match (part, row.state) {
        (Some(part), _) => (part.took(row, view.now), part.ended.is_some()),
        (None, StepState::Waiting | StepState::Skipped | StepState::Blocked) => (None, true),
        (None, state) => (row.took(view.now), state.is_over()),
    };
    let took = took.map(|took| match over {
        true => took,
        false => passed(view, took),
    });
    let took = took.map_or_else(String::new, |took| format!(" {}", human(took)));
    let note = match note.is_empty() || why == 0 {
        true => String::new(),
        false => format!(" · {}", escape(&shorten(&note, why))),
    };
    format!("{mark} {}{took}{note}", escape(name))
}

/// The lines of the steps; why `named` failed stands in the first line of the card already.
fn lines(view: &View<'_>, named: Option<usize>) -> Vec<String> {
    let units = |line: &String| visible_len(line) + 1;
    let fits = |lines: &Vec<String>| lines.iter().map(units).sum::<usize>() <= LINES;
    let all = WHY.map(|why| [view.begun, &lines_with(view, named, why)].concat());
    let [.., shortest] = &all;
    all.iter()
        .find(|lines| fits(lines))
        .unwrap_or(shortest)
        .clone()
}

fn lines_with(view: &View<'_>, named: Option<usize>, why: usize) -> Vec<String> {
    let line = |seq: usize| {
        let why = if named == Some(seq) { 0 } else { why };
        line_of(view, seq, why)
    };
    let count = view.rows.len();
    if count <= SHOWN {
        return (0..count).map(line).collect();
    }
    let mut all = vec![counts(view.rows)];
    all.extend(worth_naming(view.rows).into_iter().map(line));
    all
}

/// How many steps stand how: `27 ok · 1 failed · 2 skipped`; while it lasts, of how many.
fn counts(rows: &[StepRow]) -> String {
    let of = |states: &[StepState]| {
        rows.iter()
            .filter(|row| states.contains(&row.state))
            .count()
    };
    let parts = [
        (of(&[StepState::Done]), "ok"),
        (of(&[StepState::Failed]), "failed"),
        (of(&[StepState::Ignored]), "failed (ignored)"),
        (of(&[StepState::Skipped]), "skipped"),
        (of(&[StepState::Stopped]), "stopped"),
        (of(&[StepState::Blocked]), "not run"),
    ];
    let over = rows.iter().filter(|row| row.state.is_over()).count();
    let parts = parts.iter().filter(|(count, _)| *count > 0);
    let parts: Vec<_> = parts.map(|(n, word)| format!("{n} {word}")).collect();
    let parts = parts.join(" · ");
    match (over == rows.len(), parts.is_empty()) {
        (true, _) => parts,
        (false, true) => format!("0 of {} steps", rows.len()),
        (false, false) => format!("{over} of {} steps: {parts}", rows.len()),
    }
}

/// Of many steps those that are named, in their order: what went wrong and what goes on first, then what is next to it.
fn worth_naming(rows: &[StepRow]) -> BTreeSet<usize> {
    let worth = |seq: &usize| match rows[*seq].state {
        StepState::Failed
        | StepState::Ignored
        | StepState::Stopped
        | StepState::Running
        | StepState::Up
        | StepState::Asked
        | StepState::Confirming
        | StepState::Reverting
        | StepState::Stranded => true,
        StepState::Waiting => rows[*seq].attempt > 0 || rows[*seq].wants_lock(),
        StepState::Done | StepState::Skipped | StepState::Blocked => false,
    };
    let mut named: BTreeSet<usize> = (0..rows.len()).filter(worth).take(SHOWN).collect();
    let open = rows.iter().position(|row| !row.state.is_over());
    let (middle, room) = match open {
        Some(open) => (open, SHOWN),
        None => (rows.len() - 1, named.len() + SHOWN_AT_LAST),
    };
    // From the middle outwards, those that follow first.
    for away in 0..rows.len() {
        for seq in [middle + away, middle.wrapping_sub(away)] {
            if seq < rows.len() && named.len() < room.min(SHOWN) {
                named.insert(seq);
            }
        }
    }
    named
}

const MINUTE: u64 = 60;

/// What has passed, while it lasts: in whole seconds, since tenths would be stale before they are read; while nothing is at
/// work, in whole minutes, so that a card on which nothing happens is not edited every few seconds.
fn passed(view: &View<'_>, time: Duration) -> Duration {
    let whole = time.as_secs();
    Duration::from_secs(match whole >= MINUTE && is_calm(view) {
        true => whole - whole % MINUTE,
        false => whole,
    })
}

/// The same for what is left, of which the last minute is begun.
fn ahead(view: &View<'_>, time: Duration) -> Duration {
    let whole = time.as_secs();
    Duration::from_secs(match whole >= MINUTE && is_calm(view) {
        true => whole.next_multiple_of(MINUTE),
        false => whole,
    })
}

/// Whether all that goes on waits: for a person, for a time, or for something elsewhere.
fn is_calm(view: &View<'_>) -> bool {
    let works = |(seq, row): (usize, &StepRow)| match row.state {
        StepState::Running => !step(view.flow, seq).is_some_and(plan::only_lasts),
        StepState::Reverting => true,
        StepState::Waiting
        | StepState::Up
        | StepState::Asked
        | StepState::Confirming
        | StepState::Stranded
        | StepState::Done
        | StepState::Ignored
        | StepState::Failed
        | StepState::Skipped
        | StepState::Blocked
        | StepState::Stopped => false,
    };
    !view.rows.iter().enumerate().any(works)
}

fn state(view: &View<'_>, seq: usize) -> (&'static str, String) {
    let row = &view.rows[seq];
    let known = step(view.flow, seq);
    let how = || {
        let ending = row.ending.as_ref();
        ending.map(|how| words(how, known)).unwrap_or_default()
    };
    let whole = |left: Duration| human(ahead(view, left));
    let left = || row.until.map(|until| whole(until.since(view.now)));
    let holds = known.is_some_and(|step| matches!(step.work, Work::Hold { .. }));
    let try_number = match row.attempt {
        0 | 1 => String::new(),
        number => format!("try {number}"),
    };
    if let Some(Lock { name, by: Some(by) }) = &row.lock {
        return match name.starts_with(TURN) {
            true => ("🔒", format!("waits for {by}, which is at work")),
            false => ("🔒", waits_for(name, by)),
        };
    }
    match row.state {
        StepState::Waiting => match (row.attempt, left()) {
            (0, _) => ("▫️", String::new()),
            (_, Some(left)) => ("🔁", format!("{}, again in {left}", how())),
            (_, None) => ("🔁", how()),
        },
        StepState::Running if holds => (
            "⏳",
            left().map_or_else(String::new, |left| format!("{left} left")),
        ),
        StepState::Running => ("▶️", try_number),
        StepState::Up => ("🟢", "runs".to_owned()),
        StepState::Asked | StepState::Stranded => {
            let who = match known.map(|step| &step.work) {
                Some(Work::Approve { role, .. }) if row.state == StepState::Asked => {
                    format!("waits for approval by {}", ask::or_above(*role))
                }
                _ => "waits for an answer".to_owned(),
            };
            let left = plan::left_to_answer(view.flow, view.rows, row, view.now);
            let left = left.filter(|_| row.until.is_some()).map(whole);
            let left = left.map_or_else(String::new, |left| format!(", {left} left"));
            ("✋", format!("{who}{left}"))
        }
        StepState::Confirming => (
            "✋",
            left().map_or_else(String::new, |left| {
                format!("taken back in {left} unless confirmed")
            }),
        ),
        StepState::Reverting => ("↩️", "is being taken back".to_owned()),
        StepState::Done => ("✅", try_number),
        StepState::Ignored => ("⚠️", format!("failed (ignored): {}", how())),
        StepState::Failed => ("❌", how()),
        StepState::Skipped => ("⏭", "skipped".to_owned()),
        StepState::Blocked => ("▫️", "not run".to_owned()),
        StepState::Stopped => ("🚫", "stopped".to_owned()),
    }
}

#[cfg(test)]
mod tests;
