//! What a run shows: its card while it lasts, and what came of it.

use super::Run;
use crate::base::ids::JobId;
use crate::base::job::Ending;
use crate::base::time::{Millis, human};
use crate::base::workflow::{StepRow, StepState, Workflow};
use crate::delivery::Outgoing;
use crate::delivery::card::Board;
use crate::jobs::live::StopReason;
use crate::workflows::board::View;
use crate::workflows::plan::{Verdict, step};
use crate::workflows::steps::Speaker;
use crate::workflows::{ask, board, locked, look};
use std::collections::BTreeSet;
use std::sync::Arc;

impl Run {
    pub(super) fn show(&self) {
        let (flow, rows) = (Arc::clone(&self.args.flow), self.rows.clone());
        let (id, clock) = (self.cx.job.id, self.inner.clock.clone());
        let (undoes, speaker) = (look::undoes(&self.cx.job), Arc::clone(&self.speaker));
        let begun = self.begun.clone();
        let untold = self.words_of_confided();
        self.cx.output.show(Arc::new(move || {
            let mut board = live((&flow, &rows), (id, undoes, &begun), &speaker, clock.now());
            if !untold.is_empty() {
                board.html.push_str(&format!("\n{untold}"));
            }
            board
        }));
    }

    /// Has the card of the run come before the first question about it.
    pub(super) async fn card_before_questions(&mut self) {
        if self.messages.iter().any(ask::is_question) {
            self.show();
            self.cx.output.card_first().await;
        }
    }

    /// Shows the steps at this moment.
    pub(super) fn viewed<T>(&self, show: impl FnOnce(&View<'_>) -> T) -> T {
        let printed = locked(&self.speaker).printed.clone();
        show(&self.view(&printed))
    }

    fn view<'a>(&'a self, printed: &'a BTreeSet<usize>) -> View<'a> {
        View {
            flow: &self.args.flow,
            rows: &self.rows,
            run: self.cx.job.id,
            undoes: look::undoes(&self.cx.job),
            begun: &self.begun,
            printed,
            now: self.inner.now(),
        }
    }

    /// Who stopped the run, if somebody did.
    pub(super) fn stopped_by(&self) -> Option<String> {
        match self.cx.stop_reason() {
            Some(StopReason::Cancelled(by)) => Some(by),
            Some(StopReason::Shutdown) | None => self.cx.job.cancel_by.clone(),
        }
    }

    pub(super) fn last(&self, verdict: Verdict) -> Board {
        let by = self.stopped_by();
        self.viewed(|view| board::last(view, verdict, by.as_deref()))
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
                let step = step(&self.args.flow, seq);
                let name = step.map_or("", |step| step.name.as_str());
                let how = self.rows[seq].ending.as_ref();
                let how = how.map(|how| board::words(how, step));
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

/// The card while the run lasts; what steps print at the same time stands under their names.
fn live(
    (flow, rows): (&Workflow, &[StepRow]),
    (run, undoes, begun): (JobId, Option<JobId>, &[String]),
    speaker: &Speaker,
    now: Millis,
) -> Board {
    let voices = locked(speaker);
    let at_work = |(seq, row): (usize, &StepRow)| {
        let works = matches!(
            row.state,
            StepState::Running | StepState::Up | StepState::Reverting
        );
        works.then(|| Some((seq, step(flow, seq)?.name.as_str())))?
    };
    let at_work: Vec<_> = rows.iter().enumerate().filter_map(at_work).collect();
    let view = View {
        flow,
        rows,
        run,
        undoes,
        begun,
        printed: &voices.printed,
        now,
    };
    Board {
        said: voices.together(&at_work),
        ..board::live(&view)
    }
}
