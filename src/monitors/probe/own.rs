//! Looks at the product itself, at its jobs and at pushes: what was lost, waits, could not be delivered, or stays away.

use super::{Around, Found, number};
use crate::base::name::Name;
use crate::base::time::{Millis, human};
use crate::base::trouble::{Came, Dealer};
use crate::config::{Follows, Own, Schedule};
use crate::monitors::pushes;
use crate::store;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::time::Duration;

/// What was lost is bad so long.
const WINDOW: Duration = Duration::from_secs(3600);
/// A look that comes so much later than it should was not missed.
const LATE: Duration = Duration::from_secs(60);

/// Since when a script is waited for.
#[derive(Serialize, Deserialize)]
struct Heartbeat {
    script: String,
    since: Millis,
}

/// Since when a push is waited for.
#[derive(Serialize, Deserialize)]
struct Waiting {
    since: Millis,
}

/// Since when somebody gets nowhere outside, and why.
#[derive(Serialize, Deserialize)]
struct Stuck {
    since: Millis,
    why: String,
    /// Nothing is even tried until somebody puts it right.
    barred: bool,
}

/// Who got nowhere at the last look, and when that was.
#[derive(Default, Serialize, Deserialize)]
struct Watched {
    at: Millis,
    stuck: BTreeMap<String, Stuck>,
}

impl Around<'_> {
    pub(super) async fn heartbeat(
        &self,
        script: &Name,
        memory: &mut Value,
        matters: &mut bool,
    ) -> Found {
        let mut db = self.prober.store.read().await.map_err(away)?;
        let last = store::checks::last_success(&mut db, script.as_str())
            .await
            .map_err(away)?;
        drop(db);
        let before: Option<Heartbeat> = serde_json::from_value(memory.take()).ok();
        let before = before.filter(|beat| beat.script == script.as_str());
        *matters = before.is_none();
        // One that is not kept any more was a success all the same; one that never came is waited for from the first look on.
        let known = before.map_or(self.now, |beat| beat.since);
        let since = last.unwrap_or(known).min(self.now);
        *memory = serde_json::to_value(Heartbeat {
            script: script.to_string(),
            since,
        })
        .unwrap_or_default();
        let ago = self.now.since(since);
        let note = match last {
            Some(_) => format!("{script} last succeeded {} ago", human(ago)),
            None => format!("{script} has not succeeded for {}", human(ago)),
        };
        self.value(ago.as_secs_f64(), Some(note))
    }

    /// Whether a push came in time, and what it said. Without a success it is waited for from the first look on.
    pub(super) async fn push(&self, memory: &mut Value, matters: &mut bool) -> Found {
        if self.check.token().is_none() {
            return Err("nothing can come: its token is not in the bot's environment".to_owned());
        }
        let name = self.check.name.as_str();
        let mut db = self.prober.store.read().await.map_err(away)?;
        let row = store::pushes::of(&mut db, name).await.map_err(away)?;
        drop(db);
        let before: Option<Waiting> = serde_json::from_value(memory.take()).ok();
        *matters = before.is_none();
        let since = before.map_or(self.now, |waiting| waiting.since);
        *memory = serde_json::to_value(Waiting { since }).unwrap_or_default();
        let closed = self.prober.pushes.port_fault();
        let limits = &self.check.limits;
        let judged = pushes::judge(row.as_ref(), since, limits, closed.as_deref(), self.now);
        let age = judged.age.as_secs_f64();
        match judged.failed {
            // That it failed is no matter of a threshold; but what stays away long enough is as bad as that says.
            true => {
                let stated = limits.judge(age, None).max(Some(self.check.severity));
                self.found(None, Some(judged.note), stated)
            }
            false => self.value(age, Some(judged.note)),
        }
    }

    pub(super) async fn own(&self, measure: Own, memory: &mut Value, matters: &mut bool) -> Found {
        match measure {
            Own::Reload => match self.prober.reloads.fault() {
                Some(fault) => self.wrong(format!(
                    "the configuration on the disk is not in force: {fault}"
                )),
                None => self.well("the configuration is in force".to_owned()),
            },
            Own::Port => match self.prober.pushes.port_fault() {
                Some(closed) => self.wrong(format!("no push can come: {closed}")),
                None if self.config.http.listen.is_none() => {
                    self.well("there is no port for pushes; http.listen would open one".to_owned())
                }
                None => self.well("the port for pushes is open".to_owned()),
            },
            Own::Lateness => {
                let late = self.prober.lateness.swap(0, Ordering::Relaxed);
                let late = Duration::from_millis(late).as_secs_f64();
                self.value(late, Some("how late the checks are".to_owned()))
            }
            Own::LostJobs => {
                let mut db = self.prober.store.read().await.map_err(away)?;
                let since = self.now.minus(WINDOW);
                let lost = store::checks::lost_since(&mut db, since)
                    .await
                    .map_err(away)?;
                self.value(
                    number(lost),
                    Some("jobs lost within the hour; see /jobs failed".to_owned()),
                )
            }
            Own::Backlog => {
                let mut db = self.prober.store.read().await.map_err(away)?;
                let (queued, _) = store::jobs::counts(&mut db).await.map_err(away)?;
                let most = self.config.jobs.max_queued as u64;
                let share = number(queued) * 100.0 / number(most.max(1));
                self.value(
                    share.min(100.0),
                    Some(format!("{queued} of {most} jobs wait")),
                )
            }
            Own::Undelivered => {
                let mut db = self.prober.store.read().await.map_err(away)?;
                let since = self.now.minus(WINDOW);
                let found = store::checks::undelivered_since(&mut db, since).await;
                let (messages, chats) = found.map_err(away)?;
                let note = format!(
                    "messages not delivered within the hour, to chats: {chats}; see /outbox"
                );
                self.value(number(messages), Some(note))
            }
            Own::GitHub => {
                let all = self.at_github().await?;
                let Some((who, stuck, others)) = self.stuck(all, memory, matters) else {
                    return self.value(0.0, Some("no trouble with GitHub".to_owned()));
                };
                let ago = self.now.since(stuck.since);
                let more = match others {
                    0 => String::new(),
                    others => format!(" (and {others} more)"),
                };
                let next = match stuck.barred {
                    true => "Nothing is asked until you put that right and restart the bot",
                    false => "It asks again by itself; look at its token and at githubstatus.com",
                };
                let note = format!(
                    "{who}{more} has learned nothing from GitHub for {}: {}. {next}",
                    human(ago),
                    stuck.why.trim_end_matches('.')
                );
                self.value(ago.as_secs_f64(), Some(note))
            }
            Own::Heartbeat => {
                let came = self.prober.troubles.of(&Dealer::Heartbeat);
                let url = self.config.alerts.heartbeat_url.as_ref();
                let all = url.map(|_| ("alerts.heartbeat_url".to_owned(), came));
                let Some((who, stuck, _)) = self.stuck(all.into_iter().collect(), memory, matters)
                else {
                    return self
                        .value(0.0, Some("no trouble with alerts.heartbeat_url".to_owned()));
                };
                let ago = self.now.since(stuck.since);
                let note = format!(
                    "{who} has not been reached for {}: {}. Whoever watches there takes the bot for dead; see whether the \
                     address is right and answers",
                    human(ago),
                    stuck.why
                );
                self.value(ago.as_secs_f64(), Some(note))
            }
        }
    }

    /// Who waits for GitHub, and what came of the last try of each. Nobody waits while it is paused, or all is frozen.
    async fn at_github(&self) -> Result<Vec<(String, Option<Came>)>, String> {
        let mut db = self.prober.store.read().await.map_err(away)?;
        let rows = store::schedules::all(&mut db).await.map_err(away)?;
        let frozen = store::freeze::is_frozen(&mut db).await.map_err(away)?;
        let kept = store::workflows::unanswered(&mut db).await.map_err(away)?;
        drop(db);
        let paused = rows.iter().filter(|row| row.paused.is_some());
        let paused: BTreeSet<&str> = paused.map(|row| row.name.as_str()).collect();
        let waits = |one: &&Schedule| {
            let follows = matches!(one.follows, Some(Follows::GitHub(_)));
            follows && one.enabled && !frozen && !paused.contains(one.name.as_str())
        };
        let follow = self.config.schedules.iter().filter(waits).map(|one| {
            let dealer = Dealer::Schedule(one.name.clone());
            (one.name.clone(), self.prober.troubles.of(&dealer))
        });
        let kept = kept.into_iter().map(|step| {
            let who = format!("{} · #{} · step {}", step.title, step.job, step.seq + 1);
            (who, Some(Came::Failed(step.why)))
        });
        Ok(follow.chain(kept).collect())
    }

    /// Whoever gets nowhere for the longest time, and how many others do.
    fn stuck(
        &self,
        all: Vec<(String, Option<Came>)>,
        memory: &mut Value,
        matters: &mut bool,
    ) -> Option<(String, Stuck, usize)> {
        let before: Watched = serde_json::from_value(memory.take()).unwrap_or_default();
        let known = !before.stuck.is_empty();
        let now = before.then(all, self.now, self.check.every + LATE);
        // Each look is written as long as somebody is stuck, so that a restart knows how long nobody looked.
        *matters = known || !now.stuck.is_empty();
        *memory = serde_json::to_value(&now).unwrap_or_default();
        let others = now.stuck.len().saturating_sub(1);
        let longest = now.stuck.into_iter().min_by_key(|(_, stuck)| stuck.since);
        longest.map(|(who, stuck)| (who, stuck, others))
    }
}

impl Watched {
    /// What is known after a look. Only time counts in which somebody tried and it was looked at: not that in which the
    /// bot was off (more than `most` since the last look), nor that in which nothing is tried.
    fn then(self, all: Vec<(String, Option<Came>)>, now: Millis, most: Duration) -> Self {
        let pause = now.since(self.at);
        let missed = match pause > most {
            true => pause,
            false => Duration::ZERO,
        };
        let mut before = self.stuck;
        let mut stuck = BTreeMap::new();
        for (who, came) in all {
            let was = before.remove(&who);
            let since = |lost| {
                was.as_ref()
                    .map_or(now, |was| was.since.plus(lost).min(now))
            };
            let (since, why, barred) = match (came, &was) {
                (Some(Came::Well), _) | (None, None) => continue,
                (Some(Came::Failed(why)), _) => (since(missed), why, false),
                (Some(Came::Barred(why)), _) => (since(missed), why, true),
                (None, Some(was)) => (since(pause), was.why.clone(), was.barred),
            };
            stuck.insert(who, Stuck { since, why, barred });
        }
        Self { at: now, stuck }
    }
}

fn away(error: store::Error) -> String {
    format!("the database does not answer: {error}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    /// Looks after a pause of so many minutes; tells for how many it is stuck.
    fn looks(known: Watched, minutes: u32, came: Option<Came>) -> (Watched, Option<u64>) {
        let now = known.at.plus(MINUTE * minutes);
        let known = known.then(vec![("deploy".to_owned(), came)], now, MINUTE * 2);
        let stuck = known.stuck.get("deploy");
        let minutes = stuck.map(|stuck| now.since(stuck.since).as_secs() / 60);
        (known, minutes)
    }

    #[test]
    fn only_time_in_which_it_was_tried_and_looked_at_counts() {
        let failed = || Some(Came::Failed("away".to_owned()));
        let mut known = Watched::default();
        let mut stuck;
        for (pause, came, wanted) in [
            (1, None, None),
            (1, failed(), Some(0)),
            (1, failed(), Some(1)),
            // Off for eight hours: before anything was tried, and after the first try.
            (480, None, Some(1)),
            (1, None, Some(1)),
            (1, failed(), Some(2)),
            (480, failed(), Some(2)),
            (2, failed(), Some(4)),
            // It rests, and so does the time.
            (1, None, Some(4)),
            (1, Some(Came::Barred("no token".to_owned())), Some(5)),
            (1, Some(Came::Well), None),
            (1, None, None),
        ] {
            (known, stuck) = looks(known, pause, came);
            assert_eq!(stuck, wanted, "{pause}");
        }
    }

    #[test]
    fn a_clock_that_was_put_back_makes_nothing_longer() {
        let failed = || vec![("deploy".to_owned(), Some(Came::Failed("away".to_owned())))];
        let known = Watched::default().then(failed(), Millis(900_000), MINUTE);
        let known = known.then(failed(), Millis(300_000), MINUTE);
        assert_eq!(known.stuck["deploy"].since, Millis(300_000));
    }
}
