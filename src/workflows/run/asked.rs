//! Whom a run asks in private: each once, those who cannot be reached as soon as they can be, and the run's chat is told who
//! that is.

use super::Run;
use crate::base::ids::{ChatId, UserId};
use crate::base::time::Millis;
use crate::base::workflow::{Step, StepState, Work};
use crate::drivers::host;
use crate::jobs::action::Stopped;
use crate::store;
use crate::store::outbox::Reach;
use crate::workflows::plan::{self, step};
use crate::workflows::{Inner, ask, consent, whom};
use std::collections::BTreeMap;

/// How far a question came, by those who are asked.
pub(super) type Asked = BTreeMap<UserId, Way>;

/// How far a question came with somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Way {
    reach: Reach,
    /// Whether they may answer: a role may be taken from them meanwhile.
    may: bool,
}

impl Way {
    const ASKED: Self = Self {
        reach: Reach::There,
        may: true,
    };
}

/// How far the first question comes, as far as is known here.
pub(super) fn first(inner: &Inner, persons: &[UserId]) -> Asked {
    let way = |person: &UserId| match whom::is_out_of_reach(inner, *person) {
        true => Way {
            reach: Reach::Shut,
            ..Way::ASKED
        },
        false => Way::ASKED,
    };
    persons.iter().map(|one| (*one, way(one))).collect()
}

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
        let mask = |text: &str| self.secrets.mask(text);
        let left = |at: Millis| plan::left_to_answer(flow, &self.rows, row, at);
        let began = row.until.map(|until| until.minus(step.timeout));
        let names = |reach: Reach| {
            let is_so = |person: &UserId| self.way(seq, *person) == (Way { reach, may: true });
            let all = row.asked.iter().copied().filter(is_so);
            whom::names(&self.inner.access, &all.collect::<Vec<_>>())
        };
        let terms = ask::Terms {
            here,
            asked: names(Reach::There),
            missed: names(Reach::Shut),
            lost: names(Reach::Lost),
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
        let is_reached = |person: &UserId| self.way(seq, *person).reach == Reach::There;
        let all = self.rows[seq].asked.iter().copied();
        all.filter(is_reached).collect()
    }

    fn way(&self, seq: usize, person: UserId) -> Way {
        let known = self.asked.get(&seq).and_then(|asked| asked.get(&person));
        known.copied().unwrap_or(Way::ASKED)
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
            let Some(step) = step(&self.args.flow, seq).cloned() else {
                continue;
            };
            let (asked, back) = match self.look_at(&step, seq).await {
                Ok(found) => found,
                Err(error) => return self.refused(&error).await,
            };
            let is_other = |(person, way): (&UserId, &Way)| self.way(seq, *person) != *way;
            let is_news = !back.is_empty() || asked.iter().any(is_other);
            self.asked.insert(seq, asked);
            if is_news {
                let now = self.now();
                self.ask(&step, seq, false, back, now);
            }
        }
        Ok(())
    }

    /// How far the question came with each who is asked about a step, and who is to be asked, since they can be by now and still
    /// may answer.
    async fn look_at(&mut self, step: &Step, seq: usize) -> store::Result<(Asked, Vec<UserId>)> {
        let (run, persons) = (self.cx.job.id, &self.rows[seq].asked);
        let private = |person: &UserId| whom::private(*person).chat;
        let chats: Vec<ChatId> = persons.iter().map(private).collect();
        let mut db = self.inner.store.read().await?;
        let prefix = ask::slots_of_persons(run, seq);
        let reach = store::outbox::reach(&mut db, run, &prefix, &chats).await?;
        let able = whom::may(&self.inner.access, &self.cx.job, step);
        let (mut asked, mut back) = (Asked::new(), Vec::new());
        for person in persons {
            let may = able.iter().any(|one| one.id == *person);
            let mut reach = reach[&private(person)];
            if reach == Reach::Open && may {
                back.push(*person);
                reach = Reach::There;
            }
            asked.insert(*person, Way { reach, may });
        }
        Ok((asked, back))
    }
}
