//! Scripts that are taken back: by hand for a time, or by themselves when nobody confirmed them.

use super::script::{self, Run, Scripts};
use crate::access::{Access, Asked};
use crate::base::error::{Error, Result};
use crate::base::ids::JobId;
use crate::base::job::{JobState, LAST_WORDS, OnBusy, OutputMode, undo_source};
use crate::base::role::Role;
use crate::base::time::Millis;
use crate::config::Config;
use crate::delivery::undo::{self, Back};
use crate::delivery::{Outbox, Outgoing, card};
use crate::jobs::action::Action;
use crate::jobs::{Beside, Jobs, NewJob, Origin, undoing};
use crate::store::jobs::Job;
use crate::store::{self, Store};
use std::time::Duration;

/// Under this name what nobody confirmed is taken back.
const NAME: &str = "the configuration";

/// Said of what is taken back while everything is frozen: that was promised before.
const THOUGH_FROZEN: &str = ", although everything is frozen";

/// The script's run that a job was, if it has something that takes it back.
#[must_use]
pub fn run(job: &Job) -> Option<Run> {
    job.new.undo.as_ref()?;
    let run: Run = serde_json::from_str(&job.new.payload).ok()?;
    (!run.undo.is_empty()).then_some(run)
}

/// The lowest role that may run what a job ran; of what is no longer configured, that might have when it was asked for, as
/// far as that is kept.
#[must_use]
pub fn need(config: &Config, job: &Job) -> Role {
    if let Some(script) = script::find(config, &job.new.title) {
        return script.role;
    }
    let run = serde_json::from_str::<Run>(&job.new.payload).ok();
    let kept = run.and_then(|run| run.kept);
    kept.map_or(job.new.role.max(Role::Operator), |kept| kept.role)
}

/// Whether a job may be taken back, whatever was said when it was asked whether it holds.
#[must_use]
pub fn is_in_time(job: &Job, now: Millis) -> bool {
    lasts(job, job.new.undo.as_ref().map(|rule| rule.within), now)
}

/// Whether it is asked whether a job holds, unless somebody said so.
#[must_use]
pub fn is_asked(job: &Job, now: Millis) -> bool {
    lasts(
        job,
        job.new.undo.as_ref().and_then(|rule| rule.confirm),
        now,
    )
}

fn lasts(job: &Job, time: Option<Duration>, now: Millis) -> bool {
    let until = time.and_then(|time| Some(job.finished_at?.plus(time)));
    job.state == JobState::Succeeded && until.is_some_and(|until| now <= until)
}

/// What has to be so that a job is taken back, at the moment when that is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Nothing.
    Nothing,
    /// Nobody confirmed it yet.
    Open,
    /// Nobody confirmed it, and its time was up at this moment.
    Late(Millis),
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
/// asked for it, why; on the card of the other one, that it is taken back. Confirming and this take the same row's word in one
/// statement each, so that one of them wins.
#[must_use]
pub fn beside(outbox: &Outbox, undone: &Job, why: &str, need: Need, frozen: bool) -> Beside {
    let outbox = outbox.clone();
    let (id, title, place) = (undone.id, undone.new.title.clone(), undone.new.place);
    let (why, freeze) = (why.to_owned(), if frozen { THOUGH_FROZEN } else { "" });
    Box::new(move |tx, by| {
        Box::pin(async move {
            let was_open = match need {
                Need::Nothing | Need::Open => {
                    store::undo::close(tx, id, false, Millis::default()).await?
                }
                Need::Late(at) => store::undo::close(tx, id, true, at).await?,
            };
            if was_open {
                let back = Back { by, ending: None };
                let settled = undo::not_kept(id, &title, place, &back, (&why, freeze));
                outbox.promise(tx, &settled.of_job(id)).await?;
            } else if need != Need::Nothing {
                return Err(Error::refused(format!(
                    "Somebody was first: #{id} is confirmed, or taken back already."
                )));
            }
            undoing::tell(&outbox, tx, by).await?;
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
    /// What nobody confirmed while nobody could be heard may be confirmed a while longer, once.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn hear_out(&self, now: Millis) -> store::Result<()> {
        let mut after = JobId(0);
        while let Some(last) = self.hear_out_after(after, now).await? {
            after = last;
        }
        Ok(())
    }

    /// A part of them, after this job; the last one.
    async fn hear_out_after(&self, after: JobId, now: Millis) -> store::Result<Option<JobId>> {
        let mut tx = self.store.begin_led().await?;
        let late = store::undo::late(&mut tx, now, after).await?;
        let mut asked_in = Vec::new();
        for job in &late {
            let within = job.new.undo.as_ref().and_then(|rule| rule.confirm);
            // Where it differs, it was prolonged before.
            if let (Some(within), Some(ended)) = (within, job.finished_at) {
                let (first, last) = (ended.plus(within), now.plus(LAST_WORDS));
                if store::undo::prolong(&mut tx, job.id, first, last).await? {
                    let (title, place) = (&job.new.title, job.new.place);
                    let asked = undo::question_until(job.id, title, place, (last, now));
                    self.outbox.promise(&mut tx, &asked.of_job(job.id)).await?;
                    asked_in.push(place.chat);
                }
            }
        }
        self.store.commit(tx).await?;
        for chat in asked_in {
            self.outbox.kick(chat);
        }
        Ok(late.last().map(|job| job.id))
    }

    /// Takes back what nobody confirmed by this moment; once, whatever is killed when.
    ///
    /// # Errors
    /// When the database refuses; the rest follows with the next step.
    pub async fn step(&self, now: Millis) -> Result<()> {
        let (late, frozen) = {
            let mut db = self.store.read().await?;
            let late = store::undo::late(&mut db, now, JobId(0)).await?;
            (late, store::freeze::is_frozen(&mut db).await?)
        };
        for undone in late {
            let asked = Asked {
                arguments: "nobody confirmed it in time".to_owned(),
                ..Asked::new("script.undo", format!("#{}", undone.id), undone.new.role)
            };
            let grant = self.access.by_itself(NAME, undone.new.place, asked);
            let origin = Origin {
                source: undo_source(undone.id, None),
                reply_to: None,
                card: None,
                update: None,
            };
            let why = "Nobody confirmed it in time";
            let beside = beside(&self.outbox, &undone, why, Need::Late(now), frozen);
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
        self.withdraw_offers(now).await
    }

    /// Takes the button away from cards that offer to take back what can be taken back no more. A card that is left as it is
    /// does no harm: whoever presses is told.
    async fn withdraw_offers(&self, now: Millis) -> Result<()> {
        let over = {
            let mut db = self.store.read().await?;
            store::undo::offered_until(&mut db, now).await?
        };
        for id in over {
            let mut tx = self.store.begin().await?;
            let is_over = store::undo::close_offer(&mut tx, id, now).await?;
            let slot = card::slot(id);
            let shown = store::undo::shown(&mut tx, id, &slot).await?;
            self.store.commit(tx).await?;
            let shown = shown.and_then(|payload| serde_json::from_str::<Outgoing>(&payload).ok());
            if let (true, Some(mut card)) = (is_over, shown) {
                undo::offer_no_more(&mut card, id);
                self.outbox.offer(card.slot(slot));
            }
        }
        Ok(())
    }
}
