//! What is told of a job that another one takes back, where it is shown and where it was asked whether it holds: in the
//! transaction that makes it so.

use super::Jobs;
use crate::base::ids::JobId;
use crate::base::job::undone;
use crate::delivery::undo::{self, Back};
use crate::delivery::{Outbox, Outgoing, card};
use crate::store::jobs::Job;
use crate::store::{self, Tx};

type Tells = fn(Outgoing, JobId, &Back<'_>) -> Option<Outgoing>;

/// Promises what is to be said of the job that this one takes back, as far as that is not said yet.
///
/// # Errors
/// When the database refuses.
pub async fn tell(outbox: &Outbox, tx: &mut Tx, by: JobId) -> store::Result<()> {
    let Some(job) = store::jobs::find(tx, by).await? else {
        return Ok(());
    };
    let Some(id) = undone(&job.new.source) else {
        return Ok(());
    };
    let ending = job.ending();
    let back = Back {
        by,
        ending: ending.as_ref(),
    };
    let places: [(String, Tells); 2] = [
        (card::slot(id), undo::on_card),
        (undo::slot(id), undo::on_question),
    ];
    for (slot, tells) in places {
        let Some(payload) = store::undo::shown(tx, id, &slot).await? else {
            continue;
        };
        // A message that cannot be read must not keep a job from its end.
        let Ok(shown) = serde_json::from_str(&payload) else {
            continue;
        };
        if let Some(told) = tells(shown, id, &back) {
            // It would come after this, and say less.
            outbox.withdraw(told.place.chat, &slot);
            outbox.promise(tx, &told.slot(slot).of_job(id)).await?;
        }
    }
    store::undo::offer_no_more(tx, id).await
}

impl Jobs {
    /// Begins to send what the end of a job promised where the one is shown that it took back.
    pub(super) async fn kick_undone(&self, job: &Job) {
        let Some(id) = undone(&job.new.source) else {
            return;
        };
        let found = async {
            let mut db = self.inner.store.read().await?;
            store::jobs::find(&mut db, id).await
        };
        match found.await {
            Ok(Some(undone)) => self.inner.outbox.kick(undone.new.place.chat),
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(job = %id, %error, "that it was taken back is told with the next message there");
            }
        }
    }
}
