//! Workflows that follow runs at GitHub: it is asked which ended, and what is new there starts a run here.
//!
//! What was seen is a part of the schedule's row and is written with the run that it starts, so that no end is followed
//! twice. What cannot be learned starts nothing. After a pause or a freeze the next look is a first one, in which nothing is
//! new.

use super::Schedules;
use super::fire::{Due, There};
use super::seen::Seen;
use crate::base::error::Result;
use crate::base::job::OnBusy;
use crate::base::secret::SecretString;
use crate::base::text::{escape, head_units, shorten};
use crate::base::time::{Clock, Millis, human};
use crate::base::trouble::{Came, Dealer, Troubles};
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

/// A run that ended so long before the first look is not new, however late it is listed; GitHub's clock may differ by so much.
const SLACK: Duration = Duration::from_secs(600);
/// Of a branch's name, so many UTF-16 units are shown, and so many letters of a commit.
const BRANCH: usize = 60;
const COMMIT: usize = 7;
/// Put back by more than this, the clock was wrong before.
const BACK: Duration = Duration::from_secs(3600);
/// Pause before it is looked again whether GitHub may be asked, or after the database refused something.
const PAUSE: Duration = Duration::from_secs(5);

/// Whom to ask, and what came of it last.
pub(super) struct Hubs {
    env: Env,
    clock: Clock,
    web: Web,
    troubles: Troubles,
    /// One look at a time: whoever comes second sees what the first one wrote.
    turn: tokio::sync::Mutex<()>,
    known: Mutex<HashMap<String, Known>>,
}

struct Known {
    /// Of which schedule, as it was then.
    timer: String,
    every: Duration,
    hub: Option<(GitHub, Target)>,
    /// When it was looked at last, and when it is next.
    last: Millis,
    next: Millis,
    failures: u32,
    trouble: Option<String>,
}

impl Hubs {
    pub fn new(env: Env, clock: Clock, troubles: Troubles) -> Self {
        Self {
            env,
            clock,
            web: Web::default(),
            troubles,
            turn: tokio::sync::Mutex::default(),
            known: Mutex::default(),
        }
    }

    pub fn now(&self) -> Millis {
        self.clock.now()
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

    /// What may be followed again is looked at soon.
    pub fn look_soon(&self) {
        let mut known = self.known();
        let well = known.values_mut().filter(|known| known.failures == 0);
        well.for_each(|known| known.next = Millis::default());
    }

    fn known(&self) -> MutexGuard<'_, HashMap<String, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whom to ask for this schedule, if it is time to.
    fn due(&self, schedule: &Schedule, there: &AtGitHub, now: Millis) -> Option<(GitHub, Target)> {
        let mut all = self.known();
        let (timer, every) = (schedule.timer(), schedule.when.shortest());
        let is_same = |known: &Known| known.timer == timer && known.every == every;
        if !all.get(&schedule.name).is_some_and(is_same) {
            let (hub, trouble) = match self.hub(there) {
                Ok(hub) => (Some(hub), None),
                Err(why) => {
                    tracing::warn!(schedule = schedule.name, why, "GitHub cannot be asked");
                    (None, Some(why))
                }
            };
            if let Some(why) = &trouble {
                let dealer = Dealer::Schedule(schedule.name.clone());
                self.troubles.note(dealer, Came::Barred(why.clone()));
            }
            let known = Known {
                timer,
                every,
                hub,
                last: now,
                next: now,
                failures: 0,
                trouble,
            };
            all.insert(schedule.name.clone(), known);
        }
        let known = all.get_mut(&schedule.name)?;
        // A clock that was put back makes no pause longer.
        if known.last <= now && now < known.next {
            return None;
        }
        (known.last, known.next) = (now, now.plus(every));
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

    /// It could not be looked at; soon it can.
    fn later(&self, schedule: &Schedule, now: Millis) {
        if let Some(known) = self.known().get_mut(&schedule.name) {
            known.next = now.plus(PAUSE);
        }
    }

    /// Notes what came of a look; what is not known is asked later each time.
    fn note(&self, schedule: &Schedule, heard: std::result::Result<(), &Unknown>, now: Millis) {
        let mut all = self.known();
        let Some(known) = all.get_mut(&schedule.name) else {
            return;
        };
        let failed = |unknown: &Unknown| Came::Failed(unknown.why.clone());
        let came = heard.map_or_else(failed, |()| Came::Well);
        let dealer = Dealer::Schedule(schedule.name.clone());
        self.troubles.note(dealer, came);
        match heard {
            Ok(()) => (known.failures, known.trouble) = (0, None),
            Err(unknown) => {
                known.failures += 1;
                let asked = unknown
                    .until
                    .map_or(Duration::ZERO, |until| until.since(now));
                let pause = asked.max(backoff(known.failures)).max(known.every);
                known.next = now.plus(pause);
                let why = unknown.why.trim_end_matches('.');
                let why = format!("{why}. It is asked again after {}.", human(pause));
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
                due.push((schedule, there.as_ref(), hub));
            }
        }
        if due.is_empty() {
            return Ok(());
        }
        let looks = due.into_iter().map(|(schedule, there, hub)| {
            let config = &config;
            async move {
                let looked = self.look_at(config, (schedule, there), hub, now).await;
                if let Err(error) = looked {
                    tracing::error!(schedule = schedule.name, %error, "what follows GitHub cannot go on; trying again");
                    self.inner.hubs.later(schedule, now);
                }
            }
        });
        join_all(looks).await;
        Ok(())
    }

    async fn look_at(
        &self,
        config: &Config,
        (schedule, there): (&Schedule, &AtGitHub),
        (hub, target): (GitHub, Target),
        now: Millis,
    ) -> Result<()> {
        let Some(row) = self.to_follow(config, schedule).await? else {
            let dealer = Dealer::Schedule(schedule.name.clone());
            self.inner.hubs.troubles.forget(&dealer);
            self.inner.hubs.later(schedule, now);
            return Ok(());
        };
        let asked = hub.ended(&target, there.branch.as_deref()).await;
        let now = self.inner.hubs.now();
        let heard = asked.as_ref().map(|_| ());
        self.inner.hubs.note(schedule, heard, now);
        let Ok((runs, all)) = asked else {
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
        if before == Some(after.as_str()) {
            return Ok(());
        }
        if let Some(run) = newest(there, &new, row.anchor, now) {
            tracing::info!(
                schedule = schedule.name,
                run = run.id,
                "follows a run at GitHub"
            );
            let schedule = Schedule {
                given: given(there, run),
                ..schedule.clone()
            };
            let due = Due {
                schedule: &schedule,
                row: &row,
                at: now,
                attempt: 1,
                retry_of: None,
                anew: None,
                seen: Some(There {
                    before: row.seen.clone(),
                    after,
                    run: followed(there, run),
                }),
            };
            return self.fire(config, due, now).await;
        }
        let its = (row.name.as_str(), row.timer.as_str());
        let mut tx = self.inner.store.begin_led().await?;
        store::schedules::see(&mut tx, its, (before, &after)).await?;
        Ok(self.inner.store.commit(tx).await?)
    }

    /// The schedule's row, if something may be followed now: nothing while it is paused or all is frozen; and where a start
    /// would be refused while a run goes on, the newest of what ends meanwhile is followed after that.
    async fn to_follow(&self, config: &Config, schedule: &Schedule) -> Result<Option<Row>> {
        let mut db = self.inner.store.read().await?;
        if store::freeze::is_frozen(&mut db).await? {
            return Ok(None);
        }
        let script = config.scripts.get(&schedule.script);
        if script.is_some_and(|script| script.on_busy == OnBusy::Refuse) {
            let title = schedule.script.as_str();
            let open = store::workflows::newest_open(&mut db, title, None).await?;
            if open.is_some() {
                return Ok(None);
            }
        }
        // One that was just added, or changed, has its row in a moment.
        let is_its = |row: &Row| row.timer == schedule.timer() && row.paused.is_none();
        let row = store::schedules::find(&mut db, &schedule.name).await?;
        Ok(row.filter(is_its))
    }
}

/// Of what ended, the newest that is waited for. What is listed at last and ended before the first look is not, by a clock
/// that is GitHub's.
fn newest<'a>(there: &AtGitHub, ended: &[&'a Run], anchor: Millis, now: Millis) -> Option<&'a Run> {
    let since = match anchor > now.plus(BACK) {
        true => Millis::default(),
        false => anchor.minus(SLACK),
    };
    let is_met = |run: &&&Run| {
        let conclusion = run.conclusion.as_deref().unwrap_or_default();
        run.updated >= since && there.ended.is_met(conclusion)
    };
    let met = ended.iter().filter(is_met);
    met.max_by_key(|run| (run.updated, run.id)).copied()
}

/// The run that is followed, as HTML: `run 7 of ci.yml of ann/site · 1a2b3c4 on main`.
fn followed(there: &AtGitHub, run: &Run) -> String {
    let page = match &run.link {
        Some(link) => format!("<a href=\"{}\">run {}</a>", escape(link), run.id),
        None => format!("run {}", run.id),
    };
    let of = escape(&format!("{} of {}", there.workflow, there.repo));
    let commit = run.commit.iter();
    let commit = commit.map(|commit| format!(" · {}", escape(head_units(commit, COMMIT))));
    let branch = run.branch.iter();
    let branch = branch.map(|branch| format!(" on {}", escape(&shorten(branch, BRANCH))));
    let rest: String = commit.chain(branch).collect();
    format!("{page} of {of}{rest}")
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::name::Name;
    use crate::base::schedule::{Missed, Rule};
    use crate::base::when::{When, Zone};
    use crate::config::Ended;

    /// Whom to ask tells nothing of the answer; that nobody can be asked does.
    #[test]
    fn one_that_was_not_asked_yet_is_not_well() {
        let schedule = Schedule {
            name: "deploy".to_owned(),
            script: Name::new("deploy").unwrap(),
            when: When::parse("every 1m").unwrap(),
            follows: None,
            zone: Zone::UTC,
            jitter: Duration::ZERO,
            missed: Missed::Skip,
            given: Vec::new(),
            rule: Rule::default(),
            retries: None,
            to: Vec::new(),
            enabled: true,
        };
        let there = AtGitHub {
            repo: "ann/site".to_owned(),
            workflow: "ci.yml".to_owned(),
            branch: None,
            ended: Ended::Success,
            params: std::collections::BTreeMap::new(),
            token: "GITHUB_TOKEN".to_owned(),
            api: "https://api.github.com".to_owned(),
        };
        let dealer = Dealer::Schedule("deploy".to_owned());
        let before = Came::Failed("away".to_owned());
        let barred = "GitHub cannot be asked: GITHUB_TOKEN is not in the bot's environment.";
        let env: Env = [("GITHUB_TOKEN", "hunter22")].into_iter().collect();
        for (env, wanted) in [
            (env, before.clone()),
            (Env::default(), Came::Barred(barred.to_owned())),
        ] {
            let hubs = Hubs::new(env, Clock::default(), Troubles::default());
            hubs.troubles.note(dealer.clone(), before.clone());
            let due = hubs.due(&schedule, &there, Millis(0));
            assert_eq!(due.is_some(), wanted == before);
            assert_eq!(hubs.troubles.of(&dealer), Some(wanted));
        }
    }
}
