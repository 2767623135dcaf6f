//! What people said to a run. A question is closed before it counts as unanswered, so that an answer that was taken holds,
//! and one that comes a moment later is refused. What would be taken back then is closed only when whoever talks with Telegram
//! heard people after its last moment; else it is given a while longer (`LAST_WORDS`), once, by whoever leads next.

use super::Run;
use crate::base::job::{Ending, LAST_WORDS};
use crate::base::time::Millis;
use crate::base::workflow::{StepRow, StepState};
use crate::jobs::action::Stopped;
use crate::store;
use crate::store::workflows::Closing;
use crate::workflows::ask;
use crate::workflows::plan::{self, Plan, step};

impl Run {
    /// Takes what was said, and what follows from it that nobody said anything in time.
    pub(super) async fn take_answers(&mut self) -> Result<(), Stopped> {
        let now = self.now();
        let late = |row: &StepRow| row.until.is_some_and(|until| until <= now);
        let open = (0..self.rows.len()).filter(|seq| self.rows[*seq].state.is_asked());
        let late: Vec<usize> = open.filter(|seq| late(&self.rows[*seq])).collect();
        self.wait_for_ears(&late).await?;
        let sure = |seq: &usize| !self.unheard.contains_key(seq);
        let late: Vec<usize> = late.into_iter().filter(sure).collect();
        self.hear(&late, Closing::Late, now).await
    }

    /// Looks for which of these it is not certain yet that nobody answered them. Nobody waits longer than a while: what cuts
    /// the bot off must be taken back.
    async fn wait_for_ears(&mut self, late: &[usize]) -> Result<(), Stopped> {
        let may_wait = |row: &StepRow| plan::is_net(row) && row.starts == 0;
        let waiting = late.iter().filter(|seq| may_wait(&self.rows[**seq]));
        let waiting: Vec<usize> = waiting.copied().collect();
        self.unheard.retain(|seq, _| waiting.contains(seq));
        if waiting.is_empty() {
            return Ok(());
        }
        if self.inner.hears() {
            self.unheard.clear();
            return Ok(());
        }
        let (heard, at) = loop {
            match self.inner.heard().await {
                Ok(read) => break read,
                Err(error) => self.refused(&error).await?,
            }
        };
        for seq in waiting {
            let since = *self.unheard.entry(seq).or_insert(at);
            if heard > since || at > since.plus(LAST_WORDS) {
                self.unheard.remove(&seq);
            }
        }
        Ok(())
    }

    /// Closes what nobody needs to answer any more; `true` when somebody did in time after all.
    pub(super) async fn hear_last_words(&mut self, plan: &Plan) -> Result<bool, Stopped> {
        if plan.withdraw.is_empty() {
            return Ok(false);
        }
        let now = self.now();
        self.hear(&plan.withdraw, Closing::Withdrawn, now).await?;
        Ok(plan
            .withdraw
            .iter()
            .any(|seq| !self.rows[*seq].state.is_asked()))
    }

    /// Closes these questions and takes what was said to any.
    async fn hear(
        &mut self,
        closed: &[usize],
        closing: Closing,
        now: Millis,
    ) -> Result<(), Stopped> {
        let (rows, frozen) = loop {
            match self.close_and_read(closed, closing).await {
                Ok(read) => break read,
                Err(error) => self.refused(&error).await?,
            }
        };
        for (seq, read) in rows.into_iter().enumerate() {
            let Some(step) = step(&self.args.flow, seq).cloned() else {
                continue;
            };
            let row = &mut self.rows[seq];
            if !row.state.is_asked() || read.state != row.state || read.attempt != row.attempt {
                continue;
            }
            row.answer = read.answer;
            let is_closed = read.until == Some(Millis::default());
            if plan::is_net(row) && read.starts > row.starts && !is_closed {
                (row.starts, row.until) = (read.starts, read.until);
                self.unheard.remove(&seq);
                if row.answer.is_none() {
                    let (job, values) = (&self.cx.job, &self.values);
                    let asked = ask::message(job, &step, seq, row, values, now);
                    self.messages.push(asked);
                }
            }
            if row.answer.is_none() && self.unheard.contains_key(&seq) {
                continue;
            }
            let before = row.clone();
            if !plan::answered(&step, row, now) {
                continue;
            }
            if let (true, StepState::Reverting, Some(Ending::Broken(why))) =
                (frozen, row.state, &mut row.ending)
            {
                why.push_str(" (a freeze does not stop this)");
            }
            let (job, values) = (&self.cx.job, &self.values);
            let settled = ask::settled(job, &step, seq, &before, row, values);
            let copies = ask::for_asked(&settled, &self.reached(seq));
            self.messages.extend(copies);
            self.messages.push(settled);
            self.dirty.insert(seq);
        }
        Ok(())
    }

    /// The steps as they are written, with these questions closed, and whether everything is frozen.
    async fn close_and_read(
        &mut self,
        closed: &[usize],
        closing: Closing,
    ) -> store::Result<(Vec<StepRow>, bool)> {
        let id = self.cx.job.id;
        if !closed.is_empty() {
            let mut tx = self.inner.store.begin().await?;
            for seq in closed {
                let row = &self.rows[*seq];
                store::workflows::close_question(&mut tx, id, *seq, row, closing).await?;
            }
            self.inner.store.commit(tx).await?;
        }
        let mut db = self.inner.store.read().await?;
        let rows = store::workflows::steps(&mut db, id).await?;
        Ok((rows, store::freeze::is_frozen(&mut db).await?))
    }
}
