//! Scripts that are taken back: by hand for a time, or by themselves when nobody confirmed them.

use super::script::{Run, Scripts};
use crate::access::{Access, Asked};
use crate::base::error::{Error, Result};
use crate::base::job::{JobState, OnBusy, OutputMode, UNDO_SOURCE};
use crate::base::time::Millis;
use crate::delivery::{Outbox, card};
use crate::jobs::action::Action;
use crate::jobs::{Beside, Jobs, NewJob, Origin};
use crate::store::jobs::Job;
use crate::store::{self, Store};

/// Under this name what nobody confirmed is taken back.
const NAME: &str = "the configuration";

/// The script's run that a job was, if it has something that takes it back.
#[must_use]
pub fn run(job: &Job) -> Option<Run> {
    job.new.undo.as_ref()?;
    let run: Run = serde_json::from_str(&job.new.payload).ok()?;
    (!run.undo.is_empty()).then_some(run)
}

/// Whether a job may be taken back by hand at this moment.
#[must_use]
pub fn is_offered(job: &Job, now: Millis) -> bool {
    let rule = job.new.undo.as_ref();
    let until = rule.and_then(|rule| {
        let longest = rule.within.max(rule.confirm.unwrap_or_default());
        Some(job.finished_at?.plus(longest))
    });
    job.state == JobState::Succeeded && until.is_some_and(|until| now <= until)
}

/// What takes a job back: a job like it that runs the undo in place of the script. `promised`: whatever is frozen.
///
/// # Errors
/// Refused when it has nothing that takes it back.
pub fn job(job: &Job, promised: bool) -> Result<NewJob> {
    let Some(run) = run(job) else {
        let id = job.id;
        return Err(Error::refused(format!(
            "There is nothing of #{id} to take back."
        )));
    };
    let run = Run {
        argv: run.undo,
        undo: Vec::new(),
        ..run
    };
    Ok(NewJob {
        kind: Scripts::KIND,
        payload: serde_json::to_string(&run).map_err(anyhow::Error::new)?,
        title: job.new.title.clone(),
        role: job.new.role,
        lane: job.new.lane.clone(),
        lane_limit: job.new.lane_limit,
        on_busy: OnBusy::Queue,
        after_crash: job.new.after_crash,
        output: OutputMode::Card,
        retry_of: None,
        telling: None,
        lock: job.new.lock.clone(),
        undo: None,
        promised,
    })
}

/// What is written together with such a job: that nobody needs to confirm the other one any more, and, in the message that
/// asked for it, why. `late`: only if its time was up at this moment.
#[must_use]
pub fn beside(outbox: &Outbox, undone: &Job, why: &str, late: Option<Millis>) -> Beside {
    let outbox = outbox.clone();
    let settled = card::confirmed(undone.id, &undone.new.title, undone.new.place, "↩️", why);
    let id = undone.id;
    Box::new(move |tx, _| {
        Box::pin(async move {
            let at = late.unwrap_or_default();
            let was_open = store::undo::close(tx, id, late.is_some(), at).await?;
            if was_open {
                outbox.promise(tx, &settled.of_job(id)).await?;
            } else if late.is_some() {
                return Err(Error::refused("Somebody confirmed it."));
            }
            Ok(())
        })
    })
}

/// Takes back what nobody confirmed. Cheap to clone.
#[derive(Clone)]
pub struct Undoing {
    /// The database.
    pub store: Store,
    /// Who may.
    pub access: Access,
    /// The engine.
    pub jobs: Jobs,
    /// What leaves for the chat.
    pub outbox: Outbox,
}

impl Undoing {
    /// Takes back what nobody confirmed by this moment; once, whatever is killed when.
    ///
    /// # Errors
    /// When the database refuses; the rest follows with the next step.
    pub async fn step(&self, now: Millis) -> Result<()> {
        let late = {
            let mut db = self.store.read().await?;
            store::undo::late(&mut db, now).await?
        };
        for undone in late {
            let asked = Asked {
                arguments: "nobody confirmed it in time".to_owned(),
                ..Asked::new("script.undo", format!("#{}", undone.id), undone.new.role)
            };
            let grant = self.access.by_itself(NAME, undone.new.place, asked);
            let origin = Origin {
                source: format!("{UNDO_SOURCE}{}", undone.id),
                reply_to: None,
                card: None,
                update: None,
            };
            let why = "nobody confirmed it in time, so it is taken back";
            let beside = beside(&self.outbox, &undone, why, Some(now));
            let submitted = async {
                let new = job(&undone, true)?;
                self.jobs.submit_with(&grant, new, origin, beside).await
            };
            match submitted.await {
                Ok(_) => self.outbox.kick(undone.new.place.chat),
                // Confirmed in this very moment.
                Err(Error::Refused(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
