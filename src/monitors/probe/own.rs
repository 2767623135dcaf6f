//! Looks at the product itself, at its jobs and at pushes: what was lost, waits, could not be delivered, or stays away.

use super::{Around, Found, number};
use crate::base::name::Name;
use crate::base::time::{Millis, human};
use crate::base::trouble::Dealer;
use crate::config::{Follows, Own};
use crate::monitors::pushes;
use crate::store;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// What was lost is bad so long.
const WINDOW: Duration = Duration::from_secs(3600);

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
}

/// What is remembered of each.
type AllStuck = BTreeMap<String, Stuck>;

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
                let note = format!(
                    "{who}{more} has learned nothing from GitHub for {}: {}. It keeps asking; look at its token and at \
                     githubstatus.com",
                    human(ago),
                    stuck.why.trim_end_matches('.')
                );
                self.value(ago.as_secs_f64(), Some(note))
            }
            Own::Heartbeat => {
                let came = self.prober.troubles.of(&Dealer::Heartbeat);
                let url = self.config.alerts.heartbeat_url.as_ref();
                let all = url.map(|_| ("alerts.heartbeat_url".to_owned(), came));
                let Some((who, stuck, _)) = self.stuck(all.into_iter(), memory, matters) else {
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

    /// Who waits for GitHub, and why the last try of each failed, if it did; nothing is said of one that did not try yet.
    async fn at_github(
        &self,
    ) -> Result<impl Iterator<Item = (String, Option<Option<String>>)>, String> {
        let schedules = self.config.schedules.iter().filter(|one| one.enabled);
        let follow = schedules.filter(|one| matches!(one.follows, Some(Follows::GitHub(_))));
        let of = |name: &String| {
            let dealer = Dealer::Schedule(name.clone());
            self.prober.troubles.of(&dealer)
        };
        let follow = follow.map(move |one| (one.name.clone(), of(&one.name)));
        let mut db = self.prober.store.read().await.map_err(away)?;
        let kept = store::workflows::unanswered(&mut db).await.map_err(away)?;
        let kept = kept
            .into_iter()
            .map(|(job, title, why)| (format!("{title} · #{job}"), Some(Some(why))));
        Ok(follow.chain(kept))
    }

    /// Whoever gets nowhere for the longest time, and how many others do. What nobody tried since the start is as it was.
    fn stuck(
        &self,
        all: impl Iterator<Item = (String, Option<Option<String>>)>,
        memory: &mut Value,
        matters: &mut bool,
    ) -> Option<(String, Stuck, usize)> {
        let mut before: AllStuck = serde_json::from_value(memory.take()).unwrap_or_default();
        let known = before.len();
        let mut now = AllStuck::new();
        for (who, came) in all {
            let was = before.remove(&who);
            let stuck = match came {
                None => was,
                Some(None) => None,
                Some(Some(why)) => {
                    *matters |= was.is_none();
                    let since = was.map_or(self.now, |was| was.since.min(self.now));
                    Some(Stuck { since, why })
                }
            };
            now.extend(stuck.map(|stuck| (who, stuck)));
        }
        *matters |= now.len() != known;
        *memory = serde_json::to_value(&now).unwrap_or_default();
        let others = now.len().saturating_sub(1);
        let longest = now.into_iter().min_by_key(|(_, stuck)| stuck.since);
        longest.map(|(who, stuck)| (who, stuck, others))
    }
}

fn away(error: store::Error) -> String {
    format!("the database does not answer: {error}")
}
