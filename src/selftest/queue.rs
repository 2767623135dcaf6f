//! Tries the queue: a job that does nothing is submitted, taken by a worker, and run to its end.

use super::{LIMIT, Nothing, Part};
use crate::access::Grant;
use crate::base::error::Error;
use crate::base::ids::JobId;
use crate::base::job::{AfterCrash, Ending, OnBusy, OutputMode};
use crate::base::role::Role;
use crate::jobs::action::Action;
use crate::jobs::{Jobs, NewJob, Origin, Submitted};
use crate::store::{self, Store};
use std::time::Duration;
use tokio::time::{sleep, timeout};

const PART: &str = "queue";
/// What is left after it is enough to say why.
const PATIENCE: Duration = LIMIT.saturating_sub(Duration::from_secs(1));

/// How often a job that another instance took is looked at.
const LOOK: Duration = Duration::from_millis(50);

pub(super) async fn look(jobs: &Jobs, store: &Store, grant: &Grant) -> Part {
    let origin = Origin {
        // Anew in each test, also in one that is made again after a crash: what the crash left is not yet settled.
        source: format!("selftest:{}", ulid::Ulid::generate()),
        reply_to: None,
        card: None,
        update: None,
    };
    let id = match jobs.submit(grant, job(), origin).await {
        Ok(Submitted::New(id) | Submitted::Before(id)) => id,
        Err(error) => return refused(error),
    };
    let Ok(ended) = timeout(PATIENCE, ending(jobs, store, id)).await else {
        return waits(store).await;
    };
    match ended {
        Ok(Some(Ending::Exited(0))) => {
            Part::ok(PART, format!("a job that does nothing ran as #{id}"))
        }
        Ok(Some(_) | None) => Part::fail(
            PART,
            format!("#{id}, which does nothing, did not come to its end"),
            format!("look at it with /job {id}"),
        ),
        Err(error) => refused(error.into()),
    }
}

/// How a job ended, once it did; `None` when there is no such job any more.
async fn ending(jobs: &Jobs, store: &Store, id: JobId) -> store::Result<Option<Ending>> {
    loop {
        jobs.ended(id).await;
        let job = {
            let mut db = store.read().await?;
            store::jobs::find(&mut db, id).await?
        };
        let Some(job) = job else { return Ok(None) };
        if let Some(ending) = job.ending() {
            return Ok(Some(ending));
        }
        // It is open elsewhere: another instance was faster.
        sleep(LOOK).await;
    }
}

fn job() -> NewJob {
    NewJob {
        kind: Nothing::KIND,
        payload: "{}".to_owned(),
        title: "selftest".to_owned(),
        role: Role::Admin,
        lane: "selftest".to_owned(),
        lane_limit: u32::MAX,
        on_busy: OnBusy::Queue,
        after_crash: AfterCrash::Retry,
        output: OutputMode::Silent,
        retry_of: None,
        telling: None,
        lock: None,
        undo: None,
        // A freeze and a long queue hold back what changes something.
        promised: true,
    }
}

/// Nobody took the job in time: because others are before it, or because nobody takes any. It is left where it is: it has its
/// turn some time and does nothing, while taking it back would be told in the chat.
async fn waits(store: &Store) -> Part {
    let counts = async {
        let mut db = store.read().await?;
        store::jobs::counts(&mut db).await
    };
    let time = PATIENCE.as_secs_f64();
    match counts.await {
        Ok((waiting, running)) if running > 0 => Part::warn(
            PART,
            format!(
                "a job had no turn within {time} s: {running} run, {} wait",
                waiting.saturating_sub(1)
            ),
            "/jobs running shows what takes so long; jobs.workers allows more at once",
        ),
        Ok(_) => Part::fail(
            PART,
            format!("nobody took a job within {time} s, though none runs"),
            "start the bot again; what waits is kept",
        ),
        Err(error) => refused(error.into()),
    }
}

fn refused(error: Error) -> Part {
    let why = match &error {
        Error::Refused(refusal) => refusal.words().to_owned(),
        Error::Internal(error) => format!("{error:#}"),
    };
    Part::fail(
        PART,
        format!("it takes no job: {why}"),
        "see to the database",
    )
}
