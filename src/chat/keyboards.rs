//! What our buttons say to us: each press in at most 64 bytes, read back or refused.

use crate::base::ids::JobId;
use crate::delivery::{Button, Buttons};

/// Entries on a page of buttons.
pub const PAGE: usize = 8;

/// A pressed button.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Press {
    /// Stop this job.
    Cancel(JobId),
    /// Run this job once more.
    Again(JobId),
    /// Send this job's log.
    Log(JobId),
    /// Show this job.
    Job(JobId),
    /// Show jobs: which, and how many to skip.
    Jobs(String, u32),
    /// Start this script.
    Run(String),
    /// Start this script and stream what it prints.
    Stream(String),
    /// Give the file of this offer to this script.
    Give(String, String),
    /// Show this page of scripts to run.
    Scripts(usize),
    /// Show this page of scripts to stream.
    Streams(usize),
    /// Show this part of the status.
    Status(String),
    /// Do what was asked.
    Confirm(String),
    /// Do not do what was asked.
    Drop(String),
}

impl Press {
    /// As it travels in a button.
    #[must_use]
    pub fn data(&self) -> String {
        match self {
            Press::Cancel(id) => format!("cancel:{id}"),
            Press::Again(id) => format!("again:{id}"),
            Press::Log(id) => format!("log:{id}"),
            Press::Job(id) => format!("job:{id}"),
            Press::Jobs(which, skip) => format!("jobs:{which}:{skip}"),
            Press::Run(script) => format!("run:{script}"),
            Press::Stream(script) => format!("stream:{script}"),
            Press::Give(intent, script) => format!("f:{intent}:{script}"),
            Press::Scripts(page) => format!("scripts:{page}"),
            Press::Streams(page) => format!("streams:{page}"),
            Press::Status(part) => format!("status:{part}"),
            Press::Confirm(intent) => format!("yes:{intent}"),
            Press::Drop(intent) => format!("no:{intent}"),
        }
    }

    /// Reads a press; `None` for anything that no button of ours says.
    #[must_use]
    pub fn read(data: &str) -> Option<Self> {
        if data.chars().any(char::is_control) {
            return None;
        }
        let (word, rest) = data.split_once(':')?;
        let id = || rest.parse().ok().filter(|id| *id > 0).map(JobId);
        Some(match word {
            "cancel" => Press::Cancel(id()?),
            "again" => Press::Again(id()?),
            "log" => Press::Log(id()?),
            "job" => Press::Job(id()?),
            "jobs" => {
                let (which, skip) = rest.split_once(':')?;
                Press::Jobs(which.to_owned(), skip.parse().ok()?)
            }
            "run" => Press::Run(rest.to_owned()),
            "stream" => Press::Stream(rest.to_owned()),
            "f" => {
                let (intent, script) = rest.split_once(':')?;
                Press::Give(intent.to_owned(), script.to_owned())
            }
            "scripts" => Press::Scripts(rest.parse().ok()?),
            "streams" => Press::Streams(rest.parse().ok()?),
            "status" => Press::Status(rest.to_owned()),
            "yes" => Press::Confirm(rest.to_owned()),
            "no" => Press::Drop(rest.to_owned()),
            _ => return None,
        })
    }

    /// A button that says it.
    #[must_use]
    pub fn button(&self, label: impl Into<String>) -> Button {
        Button::new(label, self.data())
    }
}

/// Buttons two in a row.
#[must_use]
pub fn in_pairs(buttons: Vec<Button>) -> Buttons {
    let mut rows: Buttons = Vec::new();
    for button in buttons {
        match rows.last_mut() {
            Some(row) if row.len() < 2 => row.push(button),
            _ => rows.push(vec![button]),
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::name::MAX_LEN;
    use crate::base::text::CALLBACK_BYTES;
    use proptest::prelude::*;

    #[test]
    fn every_press_fits_a_button_and_reads_back() {
        let longest = "x".repeat(MAX_LEN);
        let all = [
            Press::Cancel(JobId(i64::MAX)),
            Press::Again(JobId(1)),
            Press::Log(JobId(1)),
            Press::Job(JobId(1)),
            Press::Jobs("running".into(), u32::MAX),
            Press::Run(longest.clone()),
            Press::Stream(longest.clone()),
            Press::Give("x".repeat(20), longest.clone()),
            Press::Scripts(usize::MAX),
            Press::Streams(usize::MAX),
            Press::Status("jobs".into()),
            Press::Confirm(longest.clone()),
            Press::Drop(longest),
        ];
        for press in all {
            assert!(press.data().len() <= CALLBACK_BYTES, "{press:?}");
            assert_eq!(Press::read(&press.data()), Some(press));
        }
    }

    proptest! {
        #[test]
        fn forged_data_never_panics(data in ".{0,80}") {
            let _ = Press::read(&data);
        }
    }
}
