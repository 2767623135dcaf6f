//! What a run shows: its card while it lasts, and what came of it.

use super::Run;
use crate::base::job::Ending;
use crate::base::time::human;
use crate::delivery::Outgoing;
use crate::delivery::card::Board;
use crate::jobs::live::StopReason;
use crate::workflows::plan::{self, Verdict, step};
use crate::workflows::{ask, board};
use std::sync::Arc;

impl Run {
    pub(super) fn show(&self) {
        let (flow, rows) = (Arc::clone(&self.args.flow), self.rows.clone());
        let (id, clock) = (self.cx.job.id, self.inner.clock.clone());
        let untold = self.words_of_confided();
        self.cx.output.show(Arc::new(move || {
            let mut board = board::live(&flow, &rows, id, clock.now());
            if !untold.is_empty() {
                board.html.push_str(&format!("\n{untold}"));
            }
            board
        }));
    }

    /// Who stopped the run, if somebody did.
    pub(super) fn stopped_by(&self) -> Option<String> {
        match self.cx.stop_reason() {
            Some(StopReason::Cancelled(by)) => Some(by),
            Some(StopReason::Shutdown) | None => self.cx.job.cancel_by.clone(),
        }
    }

    pub(super) fn last(&self, verdict: Verdict) -> Board {
        let now = self.inner.now();
        let (took, by) = (plan::took(&self.rows, now), self.stopped_by());
        let (flow, id) = (&self.args.flow, self.cx.job.id);
        board::last(flow, &self.rows, id, verdict, by.as_deref(), took, now)
    }

    pub(super) fn end_told(&self, verdict: Verdict) -> Outgoing {
        let (mark, words) = self.last(verdict).outcome.unwrap_or_default();
        ask::over(&self.cx.job, mark, &words)
    }

    /// Tells those beside the chat of the run.
    pub(super) fn tell_elsewhere(&mut self, message: &Outgoing) {
        let copies = ask::copies(message, &self.args.flow.notify.to);
        self.messages.extend(copies);
    }

    pub(super) fn ending(&self, verdict: Verdict) -> Ending {
        let (by, last) = (self.stopped_by(), self.last(verdict));
        self.cx.output.show(Arc::new(move || last.clone()));
        match verdict {
            Verdict::Succeeded | Verdict::Warnings => Ending::Exited(0),
            Verdict::Failed(seq) => {
                let name = step(&self.args.flow, seq).map_or("", |step| step.name.as_str());
                let how = self.rows[seq].ending.as_ref().map(board::words);
                Ending::Broken(format!("at {name}: {}", how.unwrap_or_default()))
            }
            Verdict::Stopped => Ending::Cancelled(by.unwrap_or_default()),
            Verdict::Late => {
                let limit = self.args.flow.max_duration.unwrap_or_default();
                tracing::warn!(limit = human(limit), "the run took as long as it may");
                Ending::TimedOut(limit)
            }
        }
    }
}
