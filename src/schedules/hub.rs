//! Workflows that follow runs at GitHub: it is asked which ended, and what is new there starts a run here.
//!
//! What was seen is a part of the schedule's row and is written with the run that it starts, so that no end is followed
//! twice. What cannot be learned starts nothing.

use super::Schedules;
use super::fire::Due;
use super::plan::Why;
use super::seen::Seen;
use crate::base::error::Result;
use crate::base::secret::SecretString;
use crate::base::time::{Clock, Millis, human};
use crate::config::{AtGitHub, Config, Env, Fact, Follows, Schedule};
use crate::drivers::github::{GitHub, Run, Target, Unknown, backoff};
use crate::drivers::web::Web;
use crate::store;
use crate::store::schedules::Schedule as Row;
use futures::future::join_all;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use url::Url;

/// GitHub's clock, and the order in which its parts learn of an end, may differ by this much.
const SLACK: Duration = Duration::from_secs(60);
/// No pause is longer; a clock that was put back must not make one.
const LONGEST: Duration = Duration::from_secs(3600);

/// Whom to ask, and what came of it last.
pub(super) struct Hubs {
    env: Env,
    clock: Clock,
    web: Web,
    /// One look at a time: whoever comes second sees what the first one wrote.
    turn: tokio::sync::Mutex<()>,
    known: Mutex<HashMap<String, Known>>,
}

struct Known {
    /// Of which schedule, as it was then.
    timer: String,
    hub: Option<(GitHub, Target)>,
    next: Millis,
    failures: u32,
    trouble: Option<String>,
}

impl Hubs {
    pub fn new(env: Env, clock: Clock) -> Self {
        Self {
            env,
            clock,
            web: Web::default(),
            turn: tokio::sync::Mutex::default(),
            known: Mutex::default(),
        }
    }

    /// Why it could not be looked at the last time, as a sentence.
    pub fn trouble(&self, schedule: &Schedule) -> Option<String> {
        let known = self.known();
        let known = known.get(&schedule.name)?;
        known
            .trouble
            .clone()
            .filter(|_| known.timer == schedule.timer())
    }

    fn known(&self) -> MutexGuard<'_, HashMap<String, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whom to ask for this schedule, if it is time to.
    fn due(&self, schedule: &Schedule, there: &AtGitHub, now: Millis) -> Option<(GitHub, Target)> {
        let mut all = self.known();
        let timer = schedule.timer();
        let is_same = all
            .get(&schedule.name)
            .is_some_and(|known| known.timer == timer);
        if !is_same {
            let (hub, trouble) = match self.hub(there) {
                Ok(hub) => (Some(hub), None),
                Err(why) => {
                    tracing::warn!(schedule = schedule.name, why, "GitHub cannot be asked");
                    (None, Some(why))
                }
            };
            let known = Known {
                timer,
                hub,
                next: now,
                failures: 0,
                trouble,
            };
            all.insert(schedule.name.clone(), known);
        }
        let known = all.get_mut(&schedule.name)?;
        if known.next > now && known.next <= now.plus(LONGEST.max(schedule.when.shortest())) {
            return None;
        }
        known.next = now.plus(schedule.when.shortest());
        known.hub.clone()
    }

    fn hub(&self, there: &AtGitHub) -> std::result::Result<(GitHub, Target), String> {
        let token = self.env.get(&there.token);
        let token = token.ok_or_else(|| {
            format!(
                "GitHub cannot be asked: {} is not in the bot's environment.",
                there.token
            )
        })?;
        let api = Url::parse(&there.api)
            .map_err(|error| format!("`{}` is no address: {error}.", there.api))?;
        let target = Target::new(&there.repo, &there.workflow)?;
        let token = SecretString::from(token.to_owned());
        let hub = GitHub::new(self.web.clone(), api, token, self.clock.clone());
        Ok((hub, target))
    }

    /// Notes what came of a look; what is not known is asked later each time.
    fn note(&self, schedule: &Schedule, heard: std::result::Result<(), &Unknown>, now: Millis) {
        let mut all = self.known();
        let Some(known) = all.get_mut(&schedule.name) else {
            return;
        };
        match heard {
            Ok(()) => (known.failures, known.trouble) = (0, None),
            Err(unknown) => {
                known.failures += 1;
                let asked = unknown
                    .until
                    .map_or(Duration::ZERO, |until| until.since(now));
                let pause = asked
                    .max(backoff(known.failures))
                    .max(schedule.when.shortest());
                known.next = now.plus(pause);
                let why = format!("{} Asked again after {}.", unknown.why, human(pause));
                if known.failures == 1 {
                    tracing::warn!(
                        schedule = schedule.name,
                        why,
                        "GitHub did not say what ended"
                    );
                }
                known.trouble = Some(why);
            }
        }
    }
}

impl Schedules {
    /// Asks GitHub where it is time to, and starts what follows. Only for the instance that leads.
    ///
    /// # Errors
    /// When the database refuses; call again then.
    pub async fn look_at_hubs(&self, now: Millis) -> Result<()> {
        let _turn = self.inner.hubs.turn.lock().await;
        let config = self.inner.live.current();
        let mut due = Vec::new();
        for schedule in config.schedules.iter().filter(|one| one.enabled) {
            if let Some(Follows::GitHub(there)) = &schedule.follows
                && let Some(hub) = self.inner.hubs.due(schedule, there, now)
            {
                due.push((schedule, there, hub));
            }
        }
        if due.is_empty() {
            return Ok(());
        }
        let looks = due.into_iter().map(|(schedule, there, hub)| {
            let config = &config;
            async move {
                if let Err(error) = self.look_at(config, schedule, there, hub).await {
                    tracing::error!(schedule = schedule.name, %error, "what follows GitHub cannot go on; trying again");
                }
            }
        });
        join_all(looks).await;
        Ok(())
    }

    async fn look_at(
        &self,
        config: &Config,
        schedule: &Schedule,
        there: &AtGitHub,
        (hub, target): (GitHub, Target),
    ) -> Result<()> {
        let asked = hub.ended(&target, there.branch.as_deref()).await;
        let now = self.inner.hubs.clock.now();
        let heard = asked.as_ref().map(|_| ());
        self.inner.hubs.note(schedule, heard, now);
        let Ok((runs, all)) = asked else {
            return Ok(());
        };
        let (row, frozen) = {
            let mut db = self.inner.store.read().await?;
            let row = store::schedules::find(&mut db, &schedule.name).await?;
            (row, store::freeze::is_frozen(&mut db).await?)
        };
        // One that was just added, or changed, has its row in a moment.
        let is_its = |row: &Row| row.timer == schedule.timer() && row.paused.is_none();
        let Some(row) = row.filter(is_its) else {
            return Ok(());
        };
        let before = row.seen.as_deref();
        let known: Option<Seen> = before.and_then(|seen| serde_json::from_str(seen).ok());
        let (seen, new) = match known {
            None => (Seen::first(&runs, all), Vec::new()),
            Some(mut seen) => {
                let new = seen.take(&runs);
                (seen, new)
            }
        };
        let after = serde_json::to_string(&seen).map_err(anyhow::Error::new)?;
        let seen = (row.seen.clone(), after);
        match newest(there, &new, row.settled) {
            Some(run) if !frozen => {
                tracing::info!(
                    schedule = schedule.name,
                    run = run.id,
                    "follows a run at GitHub"
                );
                self.follow(config, schedule, there, (&row, run, seen), now)
                    .await
            }
            passed => self.pass(&row, seen, passed.is_some(), now).await,
        }
    }

    /// Starts the run that follows this one.
    async fn follow(
        &self,
        config: &Config,
        schedule: &Schedule,
        there: &AtGitHub,
        (row, run, seen): (&Row, &Run, (Option<String>, String)),
        now: Millis,
    ) -> Result<()> {
        let schedule = Schedule {
            given: given(there, run),
            ..schedule.clone()
        };
        let due = Due {
            schedule: &schedule,
            row,
            at: now,
            attempt: 1,
            retry_of: None,
            anew: None,
            seen: Some(seen),
        };
        self.fire(config, due, now).await
    }

    /// Notes what was seen, of which nothing is followed: because all is frozen, or because it is not what is waited for.
    async fn pass(
        &self,
        row: &Row,
        (before, after): (Option<String>, String),
        is_frozen: bool,
        now: Millis,
    ) -> Result<()> {
        if before.as_deref() == Some(after.as_str()) {
            return Ok(());
        }
        let mut tx = self.inner.store.begin_led().await?;
        store::schedules::see(&mut tx, &row.name, (before.as_deref(), &after)).await?;
        if is_frozen {
            let why = Some(Why::Frozen.words());
            store::schedules::settle(&mut tx, &row.name, now, why).await?;
        }
        Ok(self.inner.store.commit(tx).await?)
    }
}

/// Of what ended, the newest that is waited for; what ended while nothing was followed is not.
fn newest<'a>(there: &AtGitHub, ended: &[&'a Run], settled: Millis) -> Option<&'a Run> {
    let since = settled.minus(SLACK);
    let is_met = |run: &&&Run| {
        let conclusion = run.conclusion.as_deref().unwrap_or_default();
        run.updated >= since && there.ended.is_met(conclusion)
    };
    let met = ended.iter().filter(is_met);
    met.max_by_key(|run| (run.updated, run.id)).copied()
}

/// The arguments of the run that follows this one.
fn given(there: &AtGitHub, run: &Run) -> Vec<String> {
    let fact = |fact: Fact| match fact {
        Fact::Run => Some(run.id.to_string()),
        Fact::Link => run.link.clone(),
        Fact::Commit => run.commit.clone(),
        Fact::Branch => run.branch.clone(),
        Fact::Conclusion => run.conclusion.clone(),
    };
    let params = there.params.iter();
    let known = params.filter_map(|(name, what)| Some(format!("{name}={}", fact(*what)?)));
    known.collect()
}
