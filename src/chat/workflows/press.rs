//! What the buttons about workflows say to us.

use crate::base::ids::JobId;
use crate::base::workflow::Said;
use crate::chat::keyboards::Press;

/// A pressed button about workflows or one of their runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FlowPress {
    /// Show this page of them.
    List(usize),
    /// Show how this one stands.
    Status(String),
    /// Show this run.
    Show(JobId),
    /// Send the log of a step of a run.
    Log(JobId, usize),
    /// Answer what is asked about a try of a step.
    Answer {
        /// What is said.
        said: Said,
        /// The run.
        run: JobId,
        /// The step.
        seq: usize,
        /// Which try.
        attempt: u32,
    },
    /// Go on where this run failed.
    Retry(JobId),
    /// Ask whether to take this run back.
    Undo(JobId),
    /// Take it back.
    UndoNow(JobId),
    /// Leave what this job did.
    Leave(JobId),
}

impl FlowPress {
    /// Whether a late press of it is asked about first. What people answer holds late, too, as long as it is asked.
    #[must_use]
    pub fn acts(&self) -> bool {
        match self {
            FlowPress::Retry(_) | FlowPress::UndoNow(_) => true,
            FlowPress::List(_)
            | FlowPress::Status(_)
            | FlowPress::Show(_)
            | FlowPress::Log(..)
            | FlowPress::Answer { .. }
            | FlowPress::Undo(_)
            | FlowPress::Leave(_) => false,
        }
    }

    /// As it travels in a button.
    #[must_use]
    pub fn data(&self) -> String {
        match self {
            FlowPress::List(page) => format!("flow:all:{page}"),
            FlowPress::Status(name) => format!("flow:of:{name}"),
            FlowPress::Show(run) => format!("flow:show:{run}"),
            FlowPress::Log(run, seq) => format!("steplog:{run}:{seq}"),
            FlowPress::Answer {
                said,
                run,
                seq,
                attempt,
            } => format!("step:{}:{run}:{seq}:{attempt}", said.as_str()),
            FlowPress::Retry(run) => format!("flow:retry:{run}"),
            FlowPress::Undo(run) => format!("flow:undo:{run}"),
            FlowPress::UndoNow(run) => format!("flow:undone:{run}"),
            FlowPress::Leave(job) => format!("flow:leave:{job}"),
        }
    }

    /// Reads it; `None` for anything that no button of ours says.
    #[must_use]
    pub fn read(data: &str) -> Option<Self> {
        let mut parts = data.split(':');
        let job = |text: &str| text.parse().ok().filter(|id| *id > 0).map(JobId);
        let press = match (parts.next()?, parts.next()?, parts.next()?) {
            ("flow", "all", page) => FlowPress::List(page.parse().ok()?),
            ("flow", "of", name) => FlowPress::Status(name.to_owned()),
            ("flow", "show", run) => FlowPress::Show(job(run)?),
            ("flow", "retry", run) => FlowPress::Retry(job(run)?),
            ("flow", "undo", run) => FlowPress::Undo(job(run)?),
            ("flow", "undone", run) => FlowPress::UndoNow(job(run)?),
            ("flow", "leave", left) => FlowPress::Leave(job(left)?),
            ("steplog", run, seq) => FlowPress::Log(job(run)?, seq.parse().ok()?),
            ("step", said, run) => FlowPress::Answer {
                said: Said::parse(said)?,
                run: job(run)?,
                seq: parts.next()?.parse().ok()?,
                attempt: parts.next()?.parse().ok()?,
            },
            _ => return None,
        };
        parts.next().is_none().then_some(press)
    }

    /// As a press of a button.
    #[must_use]
    pub fn press(self) -> Press {
        Press::Flow(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::name::MAX_LEN;
    use crate::base::text::CALLBACK_BYTES;

    #[test]
    fn every_press_fits_a_button_and_reads_back() {
        let last = JobId(i64::MAX);
        let answers = Said::ALL.map(|(_, said)| FlowPress::Answer {
            said,
            run: last,
            seq: 99_999,
            attempt: 99,
        });
        let all = [
            FlowPress::List(usize::MAX),
            FlowPress::Status("x".repeat(MAX_LEN)),
            FlowPress::Show(last),
            FlowPress::Log(last, 99_999),
            FlowPress::Retry(last),
            FlowPress::Undo(last),
            FlowPress::UndoNow(last),
            FlowPress::Leave(last),
        ];
        for press in all.into_iter().chain(answers) {
            let data = press.data();
            assert!(data.len() <= CALLBACK_BYTES, "{data}");
            assert_eq!(Press::read(&data), Some(press.press()));
        }
        for bad in [
            "flow:show:0",
            "flow:show:1:2",
            "step:yes:1:2",
            "step:maybe:1:2:3",
            "step:yes:1:2:3:4",
            "steplog:1:-1",
        ] {
            assert_eq!(Press::read(bad), None, "{bad}");
        }
    }
}
