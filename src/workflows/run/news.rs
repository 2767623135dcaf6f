//! What comes to a run while it lasts: ends of steps, what they say, answers, and that it is to stop.

use super::Run;
use crate::base::job::Ending;
use crate::base::time::Millis;
use crate::base::workflow::{StepRow, StepState, Work};
use crate::jobs::action::Stopped;
use crate::jobs::live::StopReason;
use crate::workflows::ask;
use crate::workflows::plan::{self, Halt, step};
use crate::workflows::secrets::Secrets;
use crate::workflows::steps::{End, Event};
use futures::StreamExt;
use std::time::Duration;
use tokio::sync::Notify;

/// How often answers are looked for that another instance may have taken, and whether it heard people.
const LOOK: Duration = Duration::from_secs(1);
/// The longest sleep: the clock may be set meanwhile.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);

impl Run {
    /// Waits for whatever comes next, and takes it in.
    pub(super) async fn wait(
        &mut self,
        wake: Option<Millis>,
        woken: &Notify,
    ) -> Result<(), Stopped> {
        let now = self.now();
        let deadline = match self.halt {
            None => plan::deadline(&self.args.flow, &self.rows).filter(|end| *end > now),
            Some(_) => None,
        };
        let due = wake.into_iter().chain(deadline).min();
        let asked = self.rows.iter().any(|row| row.state.is_asked());
        let mut pause = due.map_or(LONGEST_SLEEP, |due| due.since(now));
        let wants = self.rows.iter().any(StepRow::wants_lock);
        let private = self.is_asking_in_private();
        if (asked || wants) && self.inner.store.presence().is_shared() {
            pause = pause.min(LOOK);
        }
        if self.is_confiding() {
            pause = pause.min(LOOK);
        }
        if !self.unheard.is_empty() {
            pause = LOOK;
        }
        let (stop, leave) = (self.cx.stop.clone(), self.cx.leave.clone());
        tokio::select! {
            biased;
            Some((seq, end)) = self.hands.next() => self.ended(seq, end),
            Some(event) = self.events.1.recv() => self.happened(event),
            () = leave.cancelled() => return Err(self.leave().await),
            () = stop.cancelled(), if self.halt != Some(Halt::Stop) => {
                // Why, shows in the same moment.
                if let Some(StopReason::Cancelled(_)) = self.cx.stop_reason() {
                    self.halt = Some(Halt::Stop);
                }
            }
            () = woken.notified() => {}
            Ok(()) = self.cx.freed.changed(), if wants => {}
            Ok(()) = self.reach.changed(), if private => {}
            () = tokio::time::sleep(pause.min(LONGEST_SLEEP)) => {}
        }
        if asked {
            self.take_answers().await?;
        }
        if private {
            self.look_asked().await?;
        }
        if self.is_confiding() {
            self.look_confided().await?;
        }
        Ok(())
    }

    /// The bot stops: what runs is ended, and judged after the next start. What came to its end by itself meanwhile is over.
    pub(super) async fn leave(&mut self) -> Stopped {
        for stop in self.stops.values() {
            stop.cancel();
        }
        while let Some((seq, end)) = self.hands.next().await {
            match end {
                End::Over(..) | End::Skip => self.ended(seq, end),
                End::Stopped => {
                    plan::left(&mut self.rows[seq]);
                    self.dirty.insert(seq);
                }
            }
        }
        if let Err(error) = self.try_write().await {
            tracing::error!(%error, "the last steps of a run cannot be written before the bot stops");
        }
        Stopped
    }

    /// Takes in that a step's work is over.
    pub(super) fn ended(&mut self, seq: usize, end: End) {
        // What it said before comes first.
        while let Ok(event) = self.events.1.try_recv() {
            self.happened(event);
        }
        self.stops.remove(&seq);
        let Some(step) = step(&self.args.flow, seq).cloned() else {
            return;
        };
        let now = self.now();
        let stopped = self.halt.is_some() || self.cx.stop.is_cancelled();
        let row = &mut self.rows[seq];
        self.dirty.insert(seq);
        if let StepState::Reverting = row.state {
            let went = match end {
                End::Over(ending, _) => masked(ending, &self.secrets),
                End::Skip => Ending::Exited(0),
                End::Stopped => Ending::Stopped,
            };
            plan::reverted(&step, row, &went, now);
            return self.tell_reverted(seq);
        }
        let was_up = row.state == StepState::Up;
        let written = matches!(
            step.work,
            Work::Approve { .. } | Work::Notify { .. } | Work::Call { .. }
        );
        match end {
            End::Skip => plan::close(row, StepState::Skipped, now),
            End::Stopped if was_up => plan::close(row, StepState::Done, now),
            End::Stopped if stopped || plan::only_lasts(&step) => {
                plan::close(row, StepState::Stopped, now);
            }
            End::Stopped => plan::fail(&step, row, Ending::Stopped, "", now),
            End::Over(Ending::Exited(0), _) if written => {
                self.write_down(&step, seq, now);
            }
            End::Over(Ending::Exited(0), found) => {
                for (name, value) in found {
                    self.keep(seq, name, value);
                }
                let row = &mut self.rows[seq];
                plan::succeed(&step, row, now);
                if row.state == StepState::Confirming {
                    self.ask_what_now(&step, seq, now);
                }
            }
            End::Over(ending, _) => {
                let ending = masked(ending, &self.secrets);
                let seed = format!("{}:{seq}:{}", self.cx.job.id, row.attempt);
                plan::fail(&step, row, ending, &seed, now);
            }
        }
        self.adopt(seq);
    }

    /// Tells where it was asked whether a step holds what became of taking it back.
    pub(super) fn tell_reverted(&mut self, seq: usize) {
        if let Some(step) = step(&self.args.flow, seq) {
            let (job, row) = (&self.cx.job, &self.rows[seq]);
            self.messages
                .push(ask::reverted(job, step, seq, row, &self.args.flow));
        }
    }

    pub(super) fn happened(&mut self, event: Event) {
        match event {
            Event::Up(seq) => {
                let row = &mut self.rows[seq];
                if row.state == StepState::Running {
                    row.state = StepState::Up;
                    self.dirty.insert(seq);
                }
            }
            Event::Found { seq, found } if found.secret => self.confide(seq, &found),
            Event::Found { seq, found } => {
                self.keep(seq, found.name, found.value);
                self.dirty.insert(seq);
                self.adopt(seq);
            }
            Event::Noted {
                seq,
                notes,
                written,
            } => {
                self.rows[seq].found.extend(notes);
                self.dirty.insert(seq);
                self.written.push(written);
            }
        }
    }
}

/// What went wrong may be told with a value that must not be seen.
fn masked(ending: Ending, secrets: &Secrets) -> Ending {
    match ending {
        Ending::Broken(why) => Ending::Broken(secrets.mask(&why)),
        other => other,
    }
}
