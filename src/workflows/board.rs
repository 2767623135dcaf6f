//! The card of a run: its steps, how each stands, and at the end what came of it. Pure.

use super::plan::{Verdict, step};
use super::undo;
use crate::base::ids::JobId;
use crate::base::job::Ending;
use crate::base::text::{escape, shorten, visible_len};
use crate::base::time::{Millis, human};
use crate::base::workflow::{Lock, StepRow, StepState, Work, Workflow};
use crate::delivery::Button;
use crate::delivery::card::{Board, waits_for};
use std::time::Duration;

/// Of a run with more steps than a phone shows, so many are named.
const SHOWN: usize = 12;
/// Of why a step failed, so many UTF-16 units stand in its line, or fewer where the lines would not fit.
const WHY: [usize; 3] = [240, 80, 20];
/// The lines of the steps take no more than so many UTF-16 units, so that the rest of the card has room.
const LINES: usize = 2400;
/// Buttons in a row.
const IN_A_ROW: usize = 3;
/// Buttons for logs at the most.
const LOGS: usize = 6;

/// The card while the run goes on.
pub(super) fn live(flow: &Workflow, rows: &[StepRow], run: JobId, now: Millis) -> Board {
    Board {
        html: lines(flow, rows, now).join("\n"),
        outcome: None,
        tail: true,
        buttons: logs(flow, rows, run),
        undo: None,
    }
}

/// The card at the end. `took` is over all starts of the bot.
pub(super) fn last(
    flow: &Workflow,
    rows: &[StepRow],
    run: JobId,
    verdict: Verdict,
    by: Option<&str>,
    took: Duration,
    now: Millis,
) -> Board {
    let name = |seq: usize| step(flow, seq).map_or("", |step| step.name.as_str());
    let (mark, words) = match verdict {
        Verdict::Succeeded => ("✅", "succeeded".to_owned()),
        Verdict::Warnings => ("⚠️", "completed with warnings".to_owned()),
        Verdict::Failed(seq) => {
            let how = rows[seq]
                .ending
                .as_ref()
                .map(self::words)
                .unwrap_or_default();
            let (at, how) = (escape(name(seq)), shorten(&how, WHY[0]));
            ("❌", format!("failed at <b>{at}</b>: {}", escape(&how)))
        }
        Verdict::Stopped => (
            "🚫",
            format!("stopped by {}", escape(by.unwrap_or_default())),
        ),
        Verdict::Late => {
            let limit = human(flow.max_duration.unwrap_or_default());
            ("⏱", format!("timed out after {limit}"))
        }
    };
    Board {
        html: lines(flow, rows, now).join("\n"),
        outcome: Some((mark, format!("{words} · {}", human(took)))),
        tail: matches!(verdict, Verdict::Failed(_) | Verdict::Late),
        buttons: logs(flow, rows, run)
            .into_iter()
            .chain(after(flow, rows, run, verdict))
            .collect(),
        undo: offers_undo(flow, rows).then_some(flow.undo_for),
    }
}

/// Whether a run that is over may be taken back.
fn offers_undo(flow: &Workflow, rows: &[StepRow]) -> bool {
    !undo::takes_back(flow) && !flow.undo_for.is_zero() && undo::is_there(flow, rows)
}

/// What can be done about a run that is over: gone on with, or taken back.
fn after(flow: &Workflow, rows: &[StepRow], run: JobId, verdict: Verdict) -> Option<Vec<Button>> {
    let retry = match verdict {
        Verdict::Failed(_) if undo::takes_back(flow) => None,
        Verdict::Failed(seq) => {
            let name = step(flow, seq).map_or("", |step| step.name.as_str());
            let label = format!("Retry from {name}");
            Some(Button::new(label, format!("flow:retry:{run}")))
        }
        Verdict::Succeeded | Verdict::Warnings | Verdict::Stopped | Verdict::Late => None,
    };
    let undo = offers_undo(flow, rows).then(|| Button::new("Undo …", format!("flow:undo:{run}")));
    let buttons: Vec<_> = retry.into_iter().chain(undo).collect();
    (!buttons.is_empty()).then_some(buttons)
}

/// How a step ended, in a few words.
pub(super) fn words(ending: &Ending) -> String {
    match ending {
        Ending::Exited(code) => format!("exit {code}"),
        Ending::Signaled(signal) => format!("ended by signal {signal}"),
        Ending::Broken(why) => why.clone(),
        Ending::TimedOut(limit) => {
            format!(
                "timed out after {}; it gets no input, should it have asked for some",
                human(*limit)
            )
        }
        Ending::Cancelled(by) => format!("stopped by {by}"),
        Ending::Stopped => "stopped".to_owned(),
        Ending::Lost => "the bot was stopped while it ran".to_owned(),
    }
}

/// The line of a step that is over and had its turn.
pub(super) fn line_over(flow: &Workflow, seq: usize, row: &StepRow, now: Millis) -> Option<String> {
    let shown = row.state.is_over() && row.state != StepState::Blocked;
    shown.then(|| line_of(flow, seq, row, WHY[0], now))
}

fn line_of(flow: &Workflow, seq: usize, row: &StepRow, why: usize, now: Millis) -> String {
    let name = step(flow, seq).map_or("", |step| step.name.as_str());
    let (mark, note) = state(flow, seq, row, now);
    let took = match row.state {
        StepState::Waiting | StepState::Skipped | StepState::Blocked => None,
        _ => row.took(now),
    };
    let took = took.map_or_else(String::new, |took| format!(" {}", human(whole(took, row))));
    let note = match note.is_empty() {
        true => String::new(),
        false => format!(" · {}", escape(&shorten(&note, why))),
    };
    format!("{mark} {}{took}{note}", escape(name))
}

fn lines(flow: &Workflow, rows: &[StepRow], now: Millis) -> Vec<String> {
    let fits = |lines: &Vec<String>| {
        lines
            .iter()
            .map(|line| visible_len(line) + 1)
            .sum::<usize>()
            <= LINES
    };
    let all = WHY.map(|why| lines_with(flow, rows, why, now));
    let [.., shortest] = &all;
    all.iter()
        .find(|lines| fits(lines))
        .unwrap_or(shortest)
        .clone()
}

fn lines_with(flow: &Workflow, rows: &[StepRow], why: usize, now: Millis) -> Vec<String> {
    let line = |seq: usize| line_of(flow, seq, &rows[seq], why, now);
    if rows.len() <= SHOWN {
        return (0..rows.len()).map(line).collect();
    }
    // The first that is open stands in the middle; what failed is always named.
    let open = rows.iter().position(|row| !row.state.is_over());
    let middle = open.unwrap_or(rows.len().saturating_sub(1));
    let from = middle.saturating_sub(SHOWN / 2).min(rows.len() - SHOWN);
    let window = from..from + SHOWN;
    let bad = |seq: &usize| matches!(rows[*seq].state, StepState::Failed | StepState::Ignored);
    let named = (0..from).filter(bad).take(SHOWN / 2);
    let before = rows[..from]
        .iter()
        .filter(|row| row.state.is_over())
        .count();
    let mut all = vec![format!("{before} of {} steps before", rows.len())];
    all.extend(named.map(line));
    all.extend(window.clone().map(line));
    if window.end < rows.len() {
        all.push(format!("{} more follow", rows.len() - window.end));
    }
    all
}

/// While it lasts, whole seconds: tenths would be stale before they are read.
fn whole(took: Duration, row: &StepRow) -> Duration {
    match row.state.is_over() {
        true => took,
        false => Duration::from_secs(took.as_secs()),
    }
}

fn state(flow: &Workflow, seq: usize, row: &StepRow, now: Millis) -> (&'static str, String) {
    let how = || row.ending.as_ref().map(words).unwrap_or_default();
    let left = || {
        row.until
            .map(|until| human(Duration::from_secs(until.since(now).as_secs())))
    };
    let holds = step(flow, seq).is_some_and(|step| matches!(step.work, Work::Hold { .. }));
    let try_number = match row.attempt {
        0 | 1 => String::new(),
        number => format!("try {number}"),
    };
    if let Some(Lock { name, by: Some(by) }) = &row.lock {
        return ("🔒", waits_for(name, by));
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
        StepState::Asked | StepState::Stranded => ("✋", "waits for an answer".to_owned()),
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

/// Buttons for the logs that somebody may want now: of what failed, and of the latest.
fn logs(flow: &Workflow, rows: &[StepRow], run: JobId) -> Vec<Vec<Button>> {
    let prints = |seq: &usize| {
        let known = step(flow, *seq).map(|step| &step.work);
        let prints = matches!(
            known,
            Some(
                Work::Run { .. }
                    | Work::Script { .. }
                    | Work::Service { .. }
                    | Work::Git { .. }
                    | Work::Http { .. }
                    | Work::Github { .. }
            )
        );
        prints && rows[*seq].attempt > 0
    };
    let bad = |seq: &usize| matches!(rows[*seq].state, StepState::Failed | StepState::Ignored);
    let all: Vec<usize> = (0..rows.len()).filter(prints).collect();
    let mut shown: Vec<usize> = all.iter().copied().filter(|seq| bad(seq)).collect();
    shown.truncate(LOGS);
    for seq in all.iter().rev() {
        if shown.len() < LOGS && !shown.contains(seq) {
            shown.push(*seq);
        }
    }
    shown.sort_unstable();
    let button = |seq: &usize| {
        let name = step(flow, *seq).map_or("", |step| step.name.as_str());
        Button::new(format!("Log: {name}"), format!("steplog:{run}:{seq}"))
    };
    let buttons: Vec<Button> = shown.iter().map(button).collect();
    buttons.chunks(IN_A_ROW).map(<[Button]>::to_vec).collect()
}
