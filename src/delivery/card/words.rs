//! What a card says in words of how its job stands, and of what it printed.

use super::{Phase, Printed};
use crate::base::ids::JobId;
use crate::base::job::Ending;
use crate::base::text;
use crate::base::time::human;
use std::time::Duration;

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
pub(super) fn is_good(phase: &Phase<'_>) -> bool {
    matches!(
        phase,
        Phase::Ended {
            ending: Ending::Exited(0),
            ..
        }
    )
}

/// Whether the job ended without having run, and so without having had a chance to print.
pub(super) fn never_started(phase: &Phase<'_>) -> bool {
    matches!(phase, Phase::Ended { took: None, .. })
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

/// The same in words.
#[must_use]
pub fn given_up(starts: u32) -> String {
    format!(
        "It was started {starts} times, and each time the bot was stopped under it; so it is not started again by itself."
    )
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
