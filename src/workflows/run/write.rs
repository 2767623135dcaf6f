//! What a run writes, with the locks that its steps take and give back, in one transaction each.

use super::Run;
use crate::base::workflow::{StepRow, StepState, TURN};
use crate::jobs::action::Stopped;
use crate::store;
use crate::workflows::confide::Way;
use crate::workflows::plan::{self, step};
use crate::workflows::{ask, board};
use std::time::Duration;

/// The pause after the database refused.
pub(super) const REFUSED: Duration = Duration::from_secs(1);

impl Run {
    /// The lock of a step, if it names one.
    pub(super) fn lock(&self, seq: usize) -> Option<&str> {
        step(&self.args.flow, seq)?.lock.as_deref()
    }

    /// Whether a step is at work, or would be, had it its lock.
    pub(super) fn lacks_lock(&self, seq: usize) -> bool {
        let row = &self.rows[seq];
        let works = matches!(row.state, StepState::Running | StepState::Reverting);
        works && !row.is_holder() && (self.lock(seq).is_some() || row.wants_lock())
    }

    /// Whether a step is about to be put to work. What goes on after a start of the bot was so before.
    fn is_to_begin(&self, seq: usize) -> bool {
        let works = matches!(
            self.rows[seq].state,
            StepState::Running | StepState::Reverting
        );
        works && self.is_loaded && !self.rows[seq].is_holder() && !self.stops.contains_key(&seq)
    }

    /// What could not be taken back yet for want of its lock tries again.
    pub(super) fn want_locks(&mut self) {
        let lacking = (0..self.rows.len()).filter(|seq| self.lacks_lock(*seq));
        self.dirty.extend(lacking.collect::<Vec<_>>());
    }

    /// Whoever is not at work has no lock, and whoever does not want to be waits for none; `true` when one was given back.
    pub(super) fn give_back_locks(&mut self) -> bool {
        let mut freed = false;
        for seq in &self.dirty {
            let row = &mut self.rows[*seq];
            let had = row.is_holder();
            plan::unlock(row);
            freed |= had && !row.is_holder();
        }
        freed
    }

    /// Writes what changed and promises what tells it, in one transaction; tries until the database takes it.
    pub(super) async fn write(&mut self) -> Result<(), Stopped> {
        let confides = self.confided.iter().any(|one| one.way == Way::New);
        if self.dirty.is_empty() && self.messages.is_empty() && !confides {
            return Ok(());
        }
        if self.args.flow.notify.steps && !self.is_doubtful() {
            let lines = self.viewed(|view| {
                let line = |seq: &usize| Some((*seq, board::line_over(view, *seq)?));
                self.dirty.iter().filter_map(line).collect::<Vec<_>>()
            });
            for (seq, line) in lines {
                let told = ask::step_over(&self.cx.job, seq, &line);
                let to = &self.args.flow.notify.to;
                self.messages.extend(ask::copies(&told, to));
                self.messages.push(told);
            }
        }
        // What takes a run back waits for no run that waits for somebody.
        let waits = self
            .dirty
            .iter()
            .any(|seq| self.rows[*seq].state.is_asked());
        let freed = self.give_back_locks() || waits;
        let taken = loop {
            match self.try_write().await {
                Ok(Some(taken)) => break taken,
                Ok(None) => return Err(Stopped),
                Err(error) => self.refused(&error).await?,
            }
        };
        for (seq, row) in taken {
            self.gave_way |= row.wants_lock() && !self.rows[seq].wants_lock();
            self.rows[seq] = row;
        }
        self.dirty.clear();
        for written in self.written.drain(..) {
            // Whoever waited may be gone.
            let _ = written.send(());
        }
        let messages = std::mem::take(&mut self.messages);
        for message in messages {
            self.inner.outbox.kick(message.place.chat);
        }
        for one in self.confided.iter_mut().filter(|one| one.way == Way::New) {
            one.is_promised();
            self.inner.outbox.kick(one.chat());
        }
        if freed {
            self.cx.give_way().await;
        }
        Ok(())
    }

    /// The rows that took their lock, or wait for it, as they were written; `None`, and nothing is written, when the run is no
    /// longer this one's: another instance took this one for dead and goes on with it.
    pub(super) async fn try_write(&mut self) -> store::Result<Option<Vec<(usize, StepRow)>>> {
        let id = self.cx.job.id;
        let mut taken = Vec::new();
        let mut tx = self.inner.store.begin().await?;
        let begins =
            self.cx.job.new.lane_limit == 1 && self.dirty.iter().any(|seq| self.is_to_begin(*seq));
        if begins || self.dirty.iter().any(|seq| self.lacks_lock(*seq)) {
            self.inner.store.lock_claims(&mut tx).await?;
        }
        let is_shared = self.inner.store.presence().is_shared();
        if !store::workflows::is_held(&mut tx, &self.cx.job, is_shared).await? {
            tracing::warn!(
                "this run was taken over; what it does here ends, and nothing of it is written"
            );
            return Ok(None);
        }
        let ahead = match begins {
            true => store::locks::ahead_of(&mut tx, &self.cx.job).await?,
            false => None,
        };
        for seq in &self.dirty {
            let mut row = self.rows[*seq].clone();
            let begins = self.is_to_begin(*seq);
            if begins && ahead.is_some() {
                let turn = format!("{TURN}{}", self.cx.job.new.lane);
                plan::lock(&mut row, &turn, ahead.clone());
                taken.push((*seq, row.clone()));
            } else if self.lacks_lock(*seq)
                && let Some(name) = self.lock(*seq)
            {
                let by = store::locks::holder(&mut tx, name).await?;
                plan::lock(&mut row, name, by);
                taken.push((*seq, row.clone()));
            } else if begins && row.wants_lock() {
                // Its turn came, and it needs no lock.
                row.lock = None;
                taken.push((*seq, row.clone()));
            }
            if row.state.is_asked() {
                store::workflows::ask_anew(&mut tx, id, *seq, &row).await?;
            }
            store::workflows::put(&mut tx, id, *seq, &row).await?;
        }
        for message in &self.messages {
            self.inner.outbox.promise(&mut tx, message).await?;
        }
        for one in self.confided.iter().filter(|one| one.way == Way::New) {
            one.promise(&self.inner, &mut tx).await?;
        }
        self.inner.store.commit(tx).await?;
        Ok(Some(taken))
    }

    /// Waits before what the database refused is tried again.
    pub(super) async fn refused(&mut self, error: &store::Error) -> Result<(), Stopped> {
        tracing::error!(%error, "a run cannot be written; trying again");
        let leave = self.cx.leave.clone();
        tokio::select! {
            () = tokio::time::sleep(REFUSED) => Ok(()),
            () = leave.cancelled() => Err(self.leave().await),
        }
    }
}
