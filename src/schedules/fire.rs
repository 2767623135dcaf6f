//! The step of the schedules' loop: what is due is run, skipped or tried again.

use super::plan::{self, Again, Plan, Try};
use super::{Notice, Schedules, is_open, schedule_of, standing};
use crate::access::{Actor, Asked, Grant};
use crate::base::error::{Error, Result};
use crate::base::ids::{JobId, Place};
use crate::base::job::OutputMode;
use crate::base::schedule::Telling;
use crate::base::text::capital;
use crate::base::time::Millis;
use crate::config::{Config, Follows, Schedule, Script};
use crate::delivery::Outgoing;
use crate::jobs::{Beside, Origin, Submitted};
use crate::store;
use crate::store::schedules::{Paused, Schedule as Row};
use futures::future::FutureExt;
use std::time::Duration;

/// What is done about one schedule in a step; the rest has to wait for the next.
const AT_ONCE: usize = 16;
/// Pause before what the database refused is tried again.
const PAUSE: Duration = Duration::from_secs(2);
/// Pause before what begins anew when it ends is started again, after it could not be.
const NOT_STARTED: Duration = Duration::from_secs(60);
/// A day, by which the audit trail gets a line of what the clock does.
const DAY: i64 = 24 * 3600 * 1000;

/// A run that is due.
pub(super) struct Due<'a> {
    pub schedule: &'a Schedule,
    pub row: &'a Row,
    pub at: Millis,
    pub attempt: u32,
    pub retry_of: Option<JobId>,
    /// Of one that begins anew when it ends: how many runs before it failed at once.
    pub anew: Option<u32>,
    /// Of one that follows another place: what is seen there.
    pub seen: Option<There>,
}

/// What a run follows at another place.
#[derive(Clone)]
pub(super) struct There {
    /// What was noted as seen there before.
    pub before: Option<String>,
    /// What is to be noted with this run.
    pub after: String,
    /// The run that is followed, as HTML.
    pub run: String,
}

impl Schedules {
    /// Does what is due at this moment; returns when the next thing is, as far as that is known. Only for the instance that
    /// leads.
    ///
    /// # Errors
    /// When the database refuses; call again then.
    pub async fn step(&self, now: Millis) -> Result<Option<Millis>> {
        let config = self.inner.live.current();
        self.follow_file(&config, now).await?;
        let (rows, frozen) = self.rows().await?;
        let mut next = None;
        for row in rows {
            let name = row.name.clone();
            let due = match self.advance(&config, row, frozen, now).await {
                Ok(due) => due,
                Err(error) => {
                    tracing::error!(schedule = name, %error, "a schedule cannot go on; trying again");
                    Some(now.plus(PAUSE))
                }
            };
            next = earliest(next, due);
        }
        Ok(next)
    }

    /// Takes over what the configuration says now: what is new counts from now, what is unchanged goes on in its rhythm.
    async fn follow_file(&self, config: &Config, now: Millis) -> Result<()> {
        let rows = self.rows().await?.0;
        let of_file = |row: &&Row| row.made.is_none();
        let known = |name: &str| rows.iter().filter(of_file).find(|row| row.name == name);
        let listed = |name: &str| config.schedules.iter().any(|one| one.name == name);
        let gone: Vec<_> = rows
            .iter()
            .filter(|row| row.made.is_none() && !listed(&row.name))
            .collect();
        let other: Vec<_> = config
            .schedules
            .iter()
            .filter(|one| known(&one.name).is_none_or(|row| row.timer != one.timer()))
            .collect();
        if gone.is_empty() && other.is_empty() {
            return Ok(());
        }
        let mut tx = self.inner.store.begin_led().await?;
        let mut told = Vec::new();
        for row in gone {
            let why = "The schedule is no longer in the configuration.";
            told.extend(self.give_up(&mut tx, &row.name, why).await?);
            store::schedules::remove(&mut tx, &row.name).await?;
        }
        for schedule in other {
            let (name, timer) = (&schedule.name, schedule.timer());
            let script = schedule.script.as_str();
            if !store::schedules::add(&mut tx, name, script, &timer, None, now).await? {
                let why = match schedule.enabled {
                    true => "The times of the schedule were changed.",
                    false => "The schedule is switched off.",
                };
                told.extend(self.give_up(&mut tx, name, why).await?);
                store::schedules::restart(&mut tx, name, &timer, now).await?;
            }
        }
        self.inner.store.commit(tx).await?;
        self.kick(&told);
        Ok(())
    }

    /// Brings one schedule up to this moment; returns when it goes on.
    async fn advance(
        &self,
        config: &Config,
        mut row: Row,
        frozen: bool,
        now: Millis,
    ) -> Result<Option<Millis>> {
        for _ in 0..AT_ONCE {
            let Some(schedule) = schedule_of(config, &row) else {
                return Ok(None);
            };
            let still = match (&row.paused, schedule.enabled) {
                (None, true) => None,
                (Some(_), _) => Some("The schedule is paused."),
                (None, false) => Some("The schedule is switched off."),
            };
            if let Some(why) = still {
                self.drop_try(&row, why).await?;
                return Ok(None);
            }
            match schedule.follows {
                None => {}
                Some(Follows::Itself) => {
                    return self.keep(config, &schedule, (&row, frozen), now).await;
                }
                // Who looks there begins what follows.
                Some(Follows::GitHub(_)) => return Ok(None),
            }
            let mut wait = None;
            if let Some(retry) = row.retry.filter(|_| !is_open(&row)) {
                let next = Try {
                    at: retry.at,
                    failed: row.last_over,
                };
                match plan::again(&schedule, standing(&row, frozen), next, now) {
                    Again::Wait(at) => wait = Some(at),
                    Again::Run => {
                        let due = Due {
                            schedule: &schedule,
                            row: &row,
                            // A time that a wrong clock brought about is not dealt with: times count anew since.
                            at: row.last_due.map_or(row.settled, |due| due.min(row.settled)),
                            attempt: retry.number,
                            retry_of: Some(retry.of),
                            anew: None,
                            seen: None,
                        };
                        self.fire(config, due, now).await?;
                    }
                    Again::Drop(why) => {
                        let why = format!("{}.", capital(why.words()));
                        self.drop_try(&row, &why).await?;
                    }
                }
                if wait.is_none() {
                    row = match self.again(&row.name).await? {
                        Some(row) => row,
                        None => return Ok(None),
                    };
                    continue;
                }
            }
            match plan::plan(&schedule, standing(&row, frozen), now) {
                Plan::Wait(next) => return Ok(earliest(wait, next)),
                Plan::Hold => return Ok(wait),
                Plan::Fire(at) => {
                    let due = Due {
                        schedule: &schedule,
                        row: &row,
                        at,
                        attempt: 1,
                        retry_of: None,
                        anew: None,
                        seen: None,
                    };
                    self.fire(config, due, now).await?;
                }
                Plan::Skip(until, why) => {
                    self.settle(&row.name, until, Some(why.words())).await?;
                }
                Plan::Anew => {
                    let mut tx = self.inner.store.begin_led().await?;
                    store::schedules::restart(&mut tx, &row.name, &row.timer, now).await?;
                    self.inner.store.commit(tx).await?;
                }
            }
            row = match self.again(&row.name).await? {
                Some(row) => row,
                None => return Ok(None),
            };
        }
        Ok(Some(now))
    }

    /// Gives up the try that is to follow, if one is, and tells it.
    async fn drop_try(&self, row: &Row, why: &str) -> Result<()> {
        if row.retry.is_none() {
            return Ok(());
        }
        let mut tx = self.inner.store.begin_led().await?;
        let told = self.give_up(&mut tx, &row.name, why).await?;
        self.inner.store.commit(tx).await?;
        self.kick(&told);
        Ok(())
    }

    async fn again(&self, name: &str) -> Result<Option<Row>> {
        let mut db = self.inner.store.read().await?;
        Ok(store::schedules::find(&mut db, name).await?)
    }

    async fn settle(&self, name: &str, until: Millis, why: Option<&str>) -> Result<()> {
        let mut tx = self.inner.store.begin_led().await?;
        store::schedules::settle(&mut tx, name, until, why).await?;
        Ok(self.inner.store.commit(tx).await?)
    }

    /// Runs what is due, or notes why it cannot be run.
    pub(super) async fn fire(&self, config: &Config, due: Due<'_>, now: Millis) -> Result<()> {
        let Some(script) = config.scripts.get(&due.schedule.script) else {
            let why = format!(
                "The script {} is no longer in the configuration.",
                due.schedule.script
            );
            return self.pause_for(&due, &why, now).await;
        };
        let places = self.places(due.schedule);
        let Some((first, also)) = places.split_first() else {
            return self
                .not_started(&due, "Nobody owns this bot yet.", now)
                .await;
        };
        let grant = match self.grant(script, &due, *first, now).await {
            Ok(grant) => grant,
            Err(Error::Refused(why)) => {
                let who = due.row.made.as_ref().map_or("", |made| &made.name);
                let why = format!("{who} made it and may no longer run {}: {why}", script.name);
                return self.pause_for(&due, &why, now).await;
            }
            Err(error) => return Err(error),
        };
        let made = self
            .inner
            .maker
            .make(script, &due.schedule.given, due.retry_of)
            .await;
        let mut job = match made {
            Ok(job) => job,
            Err(Error::Refused(why)) => {
                return self.not_started(&due, &why.to_string(), now).await;
            }
            Err(error) => return Err(error),
        };
        let telling = telling(&due, also, now);
        job.output = match job.output {
            OutputMode::File => OutputMode::File,
            // By the other rules it shows at the end alone whether anything is told.
            OutputMode::Stream if telling.is_live() => OutputMode::Stream,
            OutputMode::Card | OutputMode::Stream | OutputMode::Silent => OutputMode::Card,
        };
        job.telling = Some(telling);
        let origin = Origin {
            source: source(&due),
            reply_to: None,
            card: None,
            update: None,
        };
        match self
            .inner
            .jobs
            .submit_with(&grant, job, origin, noted(&due, now))
            .await
        {
            Ok(Submitted::New(id)) => {
                tracing::info!(schedule = due.schedule.name, job = %id, attempt = due.attempt, "run by schedule");
                Ok(())
            }
            Ok(Submitted::Before(id)) => {
                tracing::warn!(schedule = due.schedule.name, job = %id, "it ran before for this time");
                self.drop_try(due.row, "That try was made before.").await?;
                self.settle(&due.row.name, due.at, None).await
            }
            Err(Error::Refused(why)) => self.not_started(&due, &why.to_string(), now).await,
            Err(error) => Err(error),
        }
    }

    /// By whose right it runs: the configuration's, or today's of the person who made it.
    async fn grant(
        &self,
        script: &Script,
        due: &Due<'_>,
        place: Place,
        now: Millis,
    ) -> Result<Grant> {
        let asked = Asked {
            action: "schedule.run",
            target: due.schedule.name.clone(),
            arguments: due.schedule.given.join(" "),
            need: script.role,
        };
        let access = &self.inner.access;
        let grant = match &due.row.made {
            None => access.by_itself(&due.schedule.name, place, asked),
            Some(made) => {
                let actor = Actor {
                    id: made.by,
                    name: access.name_of(made.by).unwrap_or_else(|| made.name.clone()),
                    place,
                    request_id: ulid::Ulid::generate().to_string(),
                };
                access
                    .allow_script(&actor, asked, script.name.as_str())
                    .await?
            }
        };
        // One line a day: each run is a job besides, and a short interval would bury all else.
        let day = |at: Millis| at.0.div_euclid(DAY);
        let today = due.row.last_fired.is_some_and(|last| day(last) == day(now));
        Ok(match today {
            true => grant.without_line(),
            false => grant,
        })
    }

    /// Pauses what cannot run any more, and tells the owners.
    async fn pause_for(&self, due: &Due<'_>, why: &str, now: Millis) -> Result<()> {
        let paused = Paused {
            at: now,
            by: "the bot".to_owned(),
            why: Some(why.to_owned()),
        };
        let notice = Notice::Paused {
            schedule: due.schedule.name.clone(),
            why: why.to_owned(),
        };
        let mut tx = self.inner.store.begin_led().await?;
        store::schedules::pause(&mut tx, &due.schedule.name, &paused).await?;
        let why = "The schedule is paused.";
        let mut told = self.give_up(&mut tx, &due.schedule.name, why).await?;
        let owners = self.owners();
        self.tell(&mut tx, &owners, &notice).await?;
        self.inner.store.commit(tx).await?;
        told.extend(owners);
        self.kick(&told);
        Ok(())
    }

    /// Notes that a run did not start, and tells it, unless the same was told of the run before.
    async fn not_started(&self, due: &Due<'_>, why: &str, now: Millis) -> Result<()> {
        let (name, row) = (&due.schedule.name, due.row);
        let mut tx = self.inner.store.begin_led().await?;
        let title = due.schedule.script.as_str();
        if due.anew.is_some()
            && store::workflows::newest_open(&mut tx, title, None)
                .await?
                .is_some()
        {
            // Somebody started it in this very moment: the next one follows that.
            return Ok(());
        }
        if let Some(there) = &due.seen {
            let its = (name.as_str(), row.timer.as_str());
            let seen = (there.before.as_deref(), there.after.as_str());
            if !store::schedules::see(&mut tx, its, seen).await? {
                // It counts anew since: what ended before is not followed.
                return Ok(());
            }
        }
        let until = match due.anew {
            Some(_) => now.plus(NOT_STARTED),
            None => due.at.max(row.settled),
        };
        store::schedules::settle(&mut tx, name, until, Some(why)).await?;
        let told = match due.retry_of {
            Some(_) => self.give_up(&mut tx, name, why).await?,
            None if row.not_started.as_deref() == Some(why) => Vec::new(),
            None => {
                store::schedules::not_started(&mut tx, name, why).await?;
                let told = self.places(due.schedule);
                let notice = Notice::NotStarted {
                    schedule: name.clone(),
                    time: due.schedule.zone.clock(due.at, now),
                    why: why.to_owned(),
                };
                self.tell(&mut tx, &told, &notice).await?;
                told
            }
        };
        self.inner.store.commit(tx).await?;
        self.kick(&told);
        Ok(())
    }

    pub(super) async fn tell(
        &self,
        tx: &mut store::Tx,
        to: &[Place],
        notice: &Notice,
    ) -> Result<()> {
        let (html, buttons) = self.inner.herald.words(notice);
        for place in to {
            let message = Outgoing::text(*place, html.clone(), buttons.clone());
            self.inner.outbox.promise(tx, &message).await?;
        }
        Ok(())
    }

    pub(super) fn kick(&self, told: &[Place]) {
        for place in told {
            self.inner.outbox.kick(place.chat);
        }
    }
}

/// The same run is never made twice: its job is known by this. Times that count anew, after the clock was wrong, are others.
fn source(due: &Due<'_>) -> String {
    let since = due.row.anchor.0;
    let first = format!("schedule:{}:{since}:{}", due.schedule.name, due.at.0);
    match due.attempt {
        1 => first,
        number => format!("{first}:{number}"),
    }
}

fn telling(due: &Due<'_>, also: &[Place], now: Millis) -> Telling {
    let schedule = due.schedule;
    Telling {
        schedule: schedule.name.clone(),
        due: due.at,
        time: schedule.zone.clock(due.at, now),
        rule: schedule.rule,
        also: also.to_vec(),
        attempt: due.attempt,
        retries: schedule.retries.clone(),
        anew: due.anew,
        follows: due.seen.as_ref().map(|there| there.run.clone()),
    }
}

/// Notes the run in the transaction of its job.
fn noted(due: &Due<'_>, now: Millis) -> Beside {
    let (name, at) = (due.schedule.name.clone(), due.at);
    let alone = due.anew.map(|_| due.schedule.script.clone());
    let (seen, timer) = (due.seen.clone(), due.row.timer.clone());
    Box::new(move |tx, id| {
        async move {
            if let Some(title) = alone
                && let Some(other) =
                    store::workflows::newest_open(tx, title.as_str(), Some(id)).await?
            {
                return Err(Error::refused(format!("#{other} runs already.")));
            }
            if let Some(there) = seen {
                let seen = (there.before.as_deref(), there.after.as_str());
                if !store::schedules::see(tx, (&name, &timer), seen).await? {
                    return Err(Error::refused("It counts anew since this very moment."));
                }
            }
            match store::schedules::fired(tx, &name, at, id, now).await? {
                true => Ok(()),
                false => Err(Error::refused("It was paused in this very moment.")),
            }
        }
        .boxed()
    })
}

fn earliest(one: Option<Millis>, other: Option<Millis>) -> Option<Millis> {
    one.into_iter().chain(other).min()
}
