//! The secrets of a run: taken in, promised, looked after, and at the end removed.

use super::Run;
use super::write::REFUSED;
use crate::base::workflow::Source;
use crate::base::workflow::capture::Found;
use crate::jobs::action::{ActionCx, Stopped};
use crate::store;
use crate::workflows::Inner;
use crate::workflows::confide::{self, Way};
use crate::workflows::plan::step;

impl Run {
    /// Takes in a value that must not be seen: it is told in private, and kept in memory alone.
    pub(super) fn confide(&mut self, seq: usize, found: &Found) {
        let Some(step) = step(&self.args.flow, seq) else {
            return;
        };
        let source = Source::Step(step.name.clone(), found.name.clone());
        self.values.set(source, &found.value);
        self.secrets.learn(&found.value);
        let attempt = self.rows[seq].attempt;
        let told = confide::of(&self.inner, &self.cx.job, (seq, attempt), step, found);
        self.confided.extend(told);
    }

    /// Takes in what a step found. A secret in it is nobody's to read: then later steps have it, and it is kept in memory
    /// alone.
    pub(super) fn keep(&mut self, seq: usize, name: String, value: String) {
        let Some(step) = step(&self.args.flow, seq) else {
            return;
        };
        let veiled = self.secrets.mask(&value);
        if veiled == value {
            self.rows[seq].found.insert(name, value);
            return;
        }
        let source = Source::Step(step.name.clone(), name);
        self.values.set_veiled(source, value, veiled);
    }

    /// Whether it is to be looked what became of something that was told.
    pub(super) fn is_confiding(&self) -> bool {
        self.confided.iter().any(|one| one.way != Way::There)
    }

    /// Looks what became of it. What could not be told is told anew when its chat can be reached.
    pub(super) async fn look_confided(&mut self) -> Result<(), Stopped> {
        let store = self.inner.store.clone();
        let looked = async {
            let mut db = store.read().await?;
            for one in &mut self.confided {
                one.look(&mut db).await?;
            }
            Ok(())
        };
        match looked.await {
            Ok(()) => Ok(()),
            Err(error) => self.refused(&error).await,
        }
    }

    /// What the card says of it.
    pub(super) fn words_of_confided(&self) -> String {
        confide::words(&self.cx.job, &self.confided)
    }
}

/// Promises that all is removed that this run told in private, except of the steps `but`; tries until the database takes it.
pub(super) async fn take_back(inner: &Inner, cx: &ActionCx, but: &[usize]) -> Result<(), Stopped> {
    loop {
        let promised = async {
            let mut tx = inner.store.begin().await?;
            let chats = confide::take_back(inner, &mut tx, cx.job.id, but).await?;
            inner.store.commit(tx).await?;
            Ok::<_, store::Error>(chats)
        };
        match promised.await {
            Ok(chats) => {
                for chat in chats {
                    inner.outbox.kick(chat);
                }
                return Ok(());
            }
            Err(error) => {
                tracing::error!(%error, "what a run told in private cannot be removed yet; trying again");
            }
        }
        tokio::select! {
            () = tokio::time::sleep(REFUSED) => {}
            () = cx.leave.cancelled() => return Err(Stopped),
        }
    }
}
