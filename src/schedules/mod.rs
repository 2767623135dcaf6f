//! Scripts that run by themselves, at their times: what the configuration says, and what was made in the chat.
//!
//! Each is a row that says which times are dealt with. Running one writes the job and that its time is dealt with in one
//! transaction, and a job is made once for each schedule and time: a crash loses no run and makes none twice.

mod change;
mod ends;
mod fire;
mod freeze;
mod hub;
mod keep;
pub mod plan;
pub mod rhythm;
mod seen;

pub use change::New;
pub use ends::Ends;

use crate::access::Access;
use crate::base::error::Result;
use crate::base::ids::{ChatId, JobId, Place};
use crate::base::name::Name;
use crate::base::role::Role;
use crate::base::schedule::{Missed, Retries, Rule, Upcoming};
use crate::base::time::{Clock, Millis};
use crate::base::trouble::Troubles;
use crate::base::when::{When, Zone};
use crate::config::{Config, Env, Follows, Live, Schedule, Script};
use crate::delivery::{Buttons, Outbox};
use crate::jobs::{Jobs, NewJob};
use crate::store::schedules::Schedule as Row;
use crate::store::{self, Store};
use futures::future::BoxFuture;
use hub::Hubs;
use rhythm::Then;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

/// Owners that are told; a bot with more has given the role away.
const OWNERS: usize = 20;

/// Makes the job of a script, with arguments checked as for a person.
pub trait Maker: Send + Sync {
    /// The job; `retry_of` is the one that it repeats.
    fn make<'a>(
        &'a self,
        script: &'a Script,
        given: &'a [String],
        retry_of: Option<JobId>,
    ) -> BoxFuture<'a, Result<NewJob>>;
}

/// What is told of a schedule beside its runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// It was paused, because it cannot run any more.
    Paused {
        /// The schedule.
        schedule: String,
        /// Why, as a sentence.
        why: String,
    },
    /// It was paused, because a run was stopped after whose end the next one would have begun.
    Stopped {
        /// The schedule.
        schedule: String,
        /// By whom.
        by: String,
        /// The run.
        job: JobId,
    },
    /// A run failed that was to be tried again, and is not.
    GivenUp {
        /// The schedule.
        schedule: String,
        /// When the run was due, on the schedule's clock.
        time: String,
        /// The run.
        job: JobId,
        /// Why, as one or more sentences.
        why: String,
    },
    /// A run did not start.
    NotStarted {
        /// The schedule.
        schedule: String,
        /// When it was due, on the schedule's clock.
        time: String,
        /// Why, as one or more sentences.
        why: String,
    },
}

/// Puts notices into words.
pub trait Herald: Send + Sync {
    /// The text in HTML and the buttons under it.
    fn words(&self, notice: &Notice) -> (String, Buttons);
}

/// The schedules. Cheap to clone.
#[derive(Clone)]
pub struct Schedules {
    inner: Arc<Inner>,
}

struct Inner {
    live: Live,
    store: Store,
    access: Access,
    outbox: Outbox,
    jobs: Jobs,
    maker: Arc<dyn Maker>,
    herald: Arc<dyn Herald>,
    ends: Ends,
    hubs: Hubs,
}

/// What the schedules are made of.
pub struct Parts {
    /// The configuration in force.
    pub live: Live,
    /// The database.
    pub store: Store,
    /// Who may.
    pub access: Access,
    /// What leaves for the chat.
    pub outbox: Outbox,
    /// The engine.
    pub jobs: Jobs,
    /// Makes jobs of scripts.
    pub maker: Arc<dyn Maker>,
    /// Puts notices into words.
    pub herald: Arc<dyn Herald>,
    /// What the engine was given to decide what follows from the end of a run.
    pub ends: Ends,
    /// The bot's environment, which holds tokens of GitHub.
    pub env: Env,
    /// Where it is told how it goes with GitHub.
    pub troubles: Troubles,
    /// By it GitHub's limits are kept.
    pub clock: Clock,
}

/// A schedule: what it is, and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// What it is.
    pub schedule: Schedule,
    /// Where it stands.
    pub row: Row,
    /// When its next run begins; `None` when it is paused, switched off, or that is not known.
    pub next: Option<Millis>,
    /// The run after whose end its next one begins.
    pub after: Option<JobId>,
    /// Why what it follows cannot be looked at, as a sentence.
    pub trouble: Option<String>,
}

/// What is kept of a schedule that was made in the chat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Spec {
    when: String,
    zone: String,
    given: Vec<String>,
    rule: Rule,
    #[serde(default)]
    jitter: Duration,
    #[serde(default)]
    times: u32,
}

impl Schedules {
    /// The schedules of these parts. Nothing runs before [`Schedules::step`].
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let Parts {
            live,
            store,
            access,
            outbox,
            jobs,
            maker,
            herald,
            ends,
            env,
            troubles,
            clock,
        } = parts;
        Self {
            inner: Arc::new(Inner {
                live,
                store,
                access,
                outbox,
                jobs,
                maker,
                herald,
                ends,
                hubs: Hubs::new(env, clock, troubles),
            }),
        }
    }

    /// Looks again soon: the configuration, a schedule or a run changed.
    pub fn wake(&self) {
        self.inner.ends.wake.notify_one();
    }

    /// Resolves when there is something to look at.
    pub async fn woken(&self) {
        self.inner.ends.wake.notified().await;
    }

    /// All schedules, by name.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn list(&self, now: Millis) -> Result<Vec<Entry>> {
        Ok(self.entries(now).await?.0)
    }

    /// What runs from now on until then, the next first; `None` while everything is frozen.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn ahead(&self, now: Millis, until: Millis) -> store::Result<Option<Vec<Upcoming>>> {
        let (entries, frozen) = self.entries(now).await?;
        if frozen {
            return Ok(None);
        }
        let config = self.inner.live.current();
        let mut all: Vec<Upcoming> = entries
            .into_iter()
            .filter_map(|entry| {
                let next = entry.next.filter(|next| *next <= until)?;
                let span = (next.max(now), until);
                let more = match entry.schedule.follows {
                    // When it ends, and the one after it begins, nobody knows.
                    Some(Follows::Itself | Follows::GitHub(_)) => 0,
                    None => plan::count(
                        &entry.schedule,
                        standing(&entry.row, frozen),
                        span,
                        Upcoming::MOST - 1,
                    ),
                };
                Some(Upcoming {
                    need: config.scripts.get(&entry.schedule.script)?.role,
                    schedule: entry.schedule.name,
                    next,
                    times: 1 + more,
                })
            })
            .collect();
        all.sort_by(|a, b| (a.next, &a.schedule).cmp(&(b.next, &b.schedule)));
        Ok(Some(all))
    }

    /// All schedules, by name, and whether everything is frozen.
    async fn entries(&self, now: Millis) -> store::Result<(Vec<Entry>, bool)> {
        let (rows, frozen) = self.rows().await?;
        let config = self.inner.live.current();
        let mut entries = Vec::new();
        for row in rows {
            let Some(schedule) = schedule_of(&config, &row) else {
                continue;
            };
            let (next, after) = match row.paused.is_none() && schedule.enabled {
                true => self.soon(&schedule, (&row, frozen), now).await?,
                false => (None, None),
            };
            let trouble = self.inner.hubs.trouble(&schedule);
            entries.push(Entry {
                schedule,
                row,
                next,
                after,
                trouble,
            });
        }
        Ok((entries, frozen))
    }

    /// When the next run begins, or after the end of which one.
    async fn soon(
        &self,
        schedule: &Schedule,
        (row, frozen): (&Row, bool),
        now: Millis,
    ) -> store::Result<(Option<Millis>, Option<JobId>)> {
        match schedule.follows {
            None => {}
            Some(Follows::GitHub(_)) => return Ok((None, None)),
            Some(Follows::Itself) => {
                return Ok(match self.then(schedule, (row, frozen), now).await? {
                    Then::Hold(open) => (None, Some(open)),
                    Then::Wait(at) => (Some(at), None),
                    Then::Fire(_) | Then::Anew => (Some(now), None),
                    Then::Rest | Then::Pause(..) => (None, None),
                });
            }
        }
        Ok(match plan::plan(schedule, standing(row, frozen), now) {
            plan::Plan::Wait(next) => (next, None),
            plan::Plan::Hold => (None, row.last_job.filter(|_| is_open(row))),
            plan::Plan::Fire(_) | plan::Plan::Skip(..) | plan::Plan::Anew => (Some(now), None),
        })
    }

    /// The schedule of this name.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn find(&self, name: &str, now: Millis) -> Result<Option<Entry>> {
        let all = self.list(now).await?;
        let exact = all.iter().position(|entry| entry.schedule.name == name);
        let close = || {
            let same = |entry: &Entry| entry.schedule.name.eq_ignore_ascii_case(name);
            all.iter().position(same)
        };
        Ok(exact.or_else(close).map(|at| all[at].clone()))
    }

    async fn rows(&self) -> store::Result<(Vec<Row>, bool)> {
        let mut db = self.inner.store.read().await?;
        let rows = store::schedules::all(&mut db).await?;
        let frozen = store::freeze::is_frozen(&mut db).await?;
        Ok((rows, frozen))
    }

    /// Where runs are told: its own places, or the owners in private.
    fn places(&self, schedule: &Schedule) -> Vec<Place> {
        match schedule.to.is_empty() {
            true => self.owners(),
            false => schedule.to.clone(),
        }
    }

    fn owners(&self) -> Vec<Place> {
        let persons = self.inner.access.persons();
        let owners = persons.iter().filter(|person| person.role == Role::Owner);
        let place = |owner: &store::members::Member| Place {
            chat: ChatId(owner.id.0),
            thread: None,
        };
        owners.map(place).take(OWNERS).collect()
    }
}

/// What a row is a schedule of; `None` for one of the configuration that is no longer there.
fn schedule_of(config: &Config, row: &Row) -> Option<Schedule> {
    let Some(made) = &row.made else {
        let mut all = config.schedules.iter();
        return all.find(|schedule| schedule.name == row.name).cloned();
    };
    let spec: Spec = serde_json::from_str(&made.spec).ok()?;
    Some(Schedule {
        name: row.name.clone(),
        script: Name::new(row.script.clone()).ok()?,
        when: When::parse(&spec.when).ok()?,
        follows: None,
        zone: Zone::parse(&spec.zone).ok()?,
        jitter: spec.jitter,
        missed: Missed::default(),
        given: spec.given,
        rule: spec.rule,
        retries: (spec.times > 0).then(|| Retries::again(spec.times)),
        to: vec![made.place],
        enabled: true,
    })
}

fn standing(row: &Row, frozen: bool) -> plan::Standing {
    plan::Standing {
        anchor: row.anchor,
        settled: row.settled,
        busy: is_open(row) || row.retry.is_some(),
        frozen,
    }
}

fn is_open(row: &Row) -> bool {
    row.last_state.is_some_and(|state| !state.is_final())
}
