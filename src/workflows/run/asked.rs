//! Whom a run asks in private: each once, those who cannot be reached as soon as they can be, and the run's chat is told who
//! that is.

use super::Run;
use crate::base::ids::UserId;
use crate::base::time::Millis;
use crate::base::workflow::{Step, StepState, Work};
use crate::drivers::host;
use crate::jobs::action::Stopped;
use crate::jobs::redact::Redactor;
use crate::store;
use crate::store::outbox::Reach;
use crate::workflows::plan::{self, step};
use crate::workflows::{ask, consent, whom};
use std::collections::BTreeSet;

impl Run {
    /// Tells in the run's chat what is to be approved and who is asked, and asks those who are asked `now` in private.
    pub(super) fn ask(
        &mut self,
        step: &Step,
        seq: usize,
        here: bool,
        to: Vec<UserId>,
        now: Millis,
    ) {
        let (flow, row) = (&self.args.flow, &self.rows[seq]);
        let redactor = Redactor::new(self.secrets.iter().map(String::as_str));
        let mask = |text: &str| redactor.mask(text);
        let left = |at: Millis| plan::left_to_answer(flow, &self.rows, row, at);
        let began = row.until.map(|until| until.minus(step.timeout));
        let (reached, missed) = (self.reached(seq), self.missed(seq));
        let names = |persons: &[UserId]| whom::names(&self.inner.access, persons);
        let terms = ask::Terms {
            here,
            asked: names(&reached),
            missed: names(&missed),
            now: to,
            within: left(began.unwrap_or(now)),
            left: left(now),
            after: consent::words(flow, seq, &self.values, &host::name(), mask),
        };
        let asks = ask::approval(&self.cx.job, step, seq, row, &self.values, &terms);
        self.messages.extend(asks);
    }

    /// Who was asked about a step in private, as far as they can be reached.
    pub(super) fn reached(&self, seq: usize) -> Vec<UserId> {
        let missed = self.missed.get(&seq);
        let is_missed = |person: &UserId| missed.is_some_and(|missed| missed.contains(person));
        let all = self.rows[seq].asked.iter().copied();
        all.filter(|person| !is_missed(person)).collect()
    }

    fn missed(&self, seq: usize) -> Vec<UserId> {
        self.missed
            .get(&seq)
            .into_iter()
            .flatten()
            .copied()
            .collect()
    }

    /// The approvals that wait for somebody who is asked in private.
    fn asks_in_private(&self) -> impl Iterator<Item = usize> {
        let waits = |seq: &usize| {
            let row = &self.rows[*seq];
            let work = step(&self.args.flow, *seq).map(|step| &step.work);
            row.state == StepState::Asked
                && !row.asked.is_empty()
                && matches!(work, Some(Work::Approve { .. }))
        };
        (0..self.rows.len()).filter(waits)
    }

    /// Whether somebody is asked in private.
    pub(super) fn is_asking_in_private(&self) -> bool {
        self.asks_in_private().next().is_some()
    }

    /// Looks who could be reached: who can be by now is asked, and where it is told who is asked, it is told anew.
    pub(super) async fn look_asked(&mut self) -> Result<(), Stopped> {
        let asking: Vec<usize> = self.asks_in_private().collect();
        for seq in asking {
            let (missed, back) = match self.reach_of(seq).await {
                Ok(found) => found,
                Err(error) => return self.refused(&error).await,
            };
            let known = self.missed.get(&seq);
            let is_news = !back.is_empty() || known.unwrap_or(&BTreeSet::new()) != &missed;
            self.missed.insert(seq, missed);
            if let (true, Some(step)) = (is_news, step(&self.args.flow, seq).cloned()) {
                let now = self.now();
                self.ask(&step, seq, false, back, now);
            }
        }
        Ok(())
    }

    /// Of those who are asked about a step: who cannot be reached, and who is to be asked, since they can be by now.
    async fn reach_of(&mut self, seq: usize) -> store::Result<(BTreeSet<UserId>, Vec<UserId>)> {
        let (mut missed, mut back) = (BTreeSet::new(), Vec::new());
        let run = self.cx.job.id;
        let mut db = self.inner.store.read().await?;
        for person in &self.rows[seq].asked {
            let slot = ask::slot_of(run, seq, *person);
            let chat = whom::private(*person).chat;
            match store::outbox::reach(&mut db, run, &slot, chat).await? {
                Reach::There => {}
                Reach::Shut => {
                    missed.insert(*person);
                }
                Reach::Open => back.push(*person),
            }
        }
        Ok((missed, back))
    }
}
