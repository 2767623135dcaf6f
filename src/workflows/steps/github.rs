//! Starts a workflow of a GitHub repository, and follows its run.
//!
//! What was sent is written before it is sent, so that a crash starts no second run.

mod keep;

use super::output::Printer;
use super::{End, Event, Hand, Inner, broken, wait};
use crate::base::job::Ending;
use crate::base::secret::SecretString;
use crate::base::time::{Millis, human};
use crate::base::workflow::{Template, Work};
use crate::drivers::github::{Begun, Dispatched, GitHub, Run, Target, VISIBLE_AFTER, backoff};
use crate::workflows::plan::SENT;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::sync::oneshot;
use url::Url;

/// The pause between two looks at a run.
const LOOK: Duration = Duration::from_secs(10);
/// The shortest pause, whatever a wrong clock says.
const SHORTEST: Duration = Duration::from_millis(100);
/// The names of what is remembered over a crash, beside [`SENT`].
const BEFORE: &str = "before";
const RUN: &str = "run";

struct Job<'a> {
    inner: &'a Inner,
    hand: &'a Hand,
    hub: GitHub,
    target: Target,
    /// The name of the workflow among all that are kept running.
    kept: String,
    branch: String,
    inputs: BTreeMap<String, String>,
    printer: Printer,
}

/// Why the step goes no further.
enum Halt {
    /// It was told to end.
    Stopped,
    /// This went wrong.
    Failed(String),
}

pub(super) async fn start(inner: &Inner, hand: &Hand) -> End {
    let Work::Github { wait, keep, .. } = &hand.step.work else {
        return broken("no repository is named");
    };
    let mut job = match Job::new(inner, hand) {
        Ok(job) => job,
        Err(why) => return broken(why.trim_end_matches('.')),
    };
    let ended = match (keep, hand.until) {
        (true, _) => Ok(job.keep().await),
        (false, None) => Ok(job.once(*wait).await),
        // What was noted stays: whoever tries again goes on with the run that was started.
        (false, Some(until)) => tokio::select! {
            ended = job.once(*wait) => Ok(ended),
            true = wait::sleep_until(inner, hand, until) => Err(Ending::TimedOut(hand.step.timeout)),
        },
    };
    job.printer.finish();
    let ended = match ended {
        Ok(ended) => ended,
        Err(late) => return End::Over(late, BTreeMap::new()),
    };
    match ended {
        Ok(found) => End::Over(Ending::Exited(0), found),
        Err(Halt::Stopped) => End::Stopped,
        Err(Halt::Failed(why)) => broken(why.trim_end_matches('.')),
    }
}

impl<'a> Job<'a> {
    fn new(inner: &'a Inner, hand: &'a Hand) -> Result<Self, String> {
        let Work::Github {
            repo,
            workflow,
            branch,
            inputs,
            token,
            api,
            ..
        } = &hand.step.work
        else {
            return Err("no repository is named".to_owned());
        };
        let fill = |template: &Template| template.fill(&hand.values);
        let value = inner.env.get(token);
        let value = value.ok_or_else(|| format!("{token} is not in the bot's environment"))?;
        let api = Url::parse(api).map_err(|error| format!("`{api}` is no address: {error}"))?;
        let target = Target::new(&fill(repo)?, &fill(workflow)?)?;
        let inputs = inputs
            .iter()
            .map(|(name, value)| Ok((name.clone(), fill(value)?)));
        Ok(Self {
            inner,
            hand,
            kept: format!("{api} {target}"),
            hub: GitHub::new(
                inner.web.clone(),
                api,
                SecretString::from(value.to_owned()),
                inner.clock.clone(),
            ),
            target,
            branch: fill(branch)?,
            inputs: inputs.collect::<Result<_, String>>()?,
            printer: Printer::new(hand, &[value])?,
        })
    }

    /// Starts a run, or finds the one that an earlier life started.
    async fn once(&mut self, wait: bool) -> Result<BTreeMap<String, String>, Halt> {
        let number = |name: &str| self.hand.found.get(name)?.parse::<i64>().ok();
        let (sent, id) = match (number(SENT), number(RUN)) {
            (Some(sent), Some(id)) => (Millis(sent), id.unsigned_abs()),
            (Some(sent), None) => {
                let before = self.hand.found.get(BEFORE).map_or("", String::as_str);
                let before = before.split(',').filter_map(|id| id.parse().ok()).collect();
                (Millis(sent), self.find(Millis(sent), &before).await?.id)
            }
            (None, _) => self.dispatch().await?,
        };
        self.note(&[(RUN, &id.to_string())]).await?;
        let mut found = BTreeMap::from([(RUN.to_owned(), id.to_string())]);
        let mut failures = 0;
        loop {
            match self.hub.run(&self.target, id).await {
                Ok(Some(run)) => {
                    failures = 0;
                    if let Some(link) = &run.link
                        && found.insert("link".to_owned(), link.clone()).is_none()
                    {
                        self.printer.say(&format!("run {id}: {link}"));
                    }
                    if run.is_over() {
                        return self.over(&run).await.map(|()| found);
                    }
                    if !wait {
                        return Ok(found);
                    }
                    self.sleep(LOOK).await?;
                }
                // One that was just begun is not shown everywhere at once.
                Ok(None) if self.inner.now() <= sent.plus(VISIBLE_AFTER) => {
                    self.sleep(LOOK / 5).await?;
                }
                Ok(None) => {
                    self.settled().await?;
                    return Err(Halt::Failed(format!("the run {id} is gone")));
                }
                Err(unknown) => {
                    failures += 1;
                    self.later(&unknown.why, unknown.until, failures).await?;
                }
            }
        }
    }

    async fn over(&mut self, run: &Run) -> Result<(), Halt> {
        let how = run.conclusion.as_deref().unwrap_or("unknown");
        self.printer.say(&format!("run {} ended: {how}", run.id));
        if run.is_good() {
            return Ok(());
        }
        self.settled().await?;
        Err(Halt::Failed(format!("the run {} ended as {how}", run.id)))
    }

    /// What was sent is known to be over: another try sends anew.
    async fn settled(&self) -> Result<(), Halt> {
        self.note(&[(SENT, "")]).await
    }

    /// Sends the dispatch, and returns when, and the id of its run.
    async fn dispatch(&mut self) -> Result<(Millis, u64), Halt> {
        let mut failures = 0;
        let before = loop {
            match self.hub.dispatched(&self.target, &self.branch).await {
                Ok(before) => break before,
                Err(unknown) => {
                    failures += 1;
                    self.later(&unknown.why, unknown.until, failures).await?;
                }
            }
        };
        let sent = self.inner.now();
        let ids: Vec<String> = before.iter().map(u64::to_string).collect();
        let notes = [
            (SENT, sent.0.to_string()),
            (BEFORE, ids.join(",")),
            (RUN, String::new()),
        ];
        let notes = notes.each_ref().map(|(name, note)| (*name, note.as_str()));
        self.note(&notes).await?;
        let id = match self
            .hub
            .dispatch(&self.target, &self.branch, &self.inputs)
            .await
        {
            Dispatched::Taken(Some(id)) => id,
            Dispatched::Taken(None) => self.find(sent, &before).await?.id,
            Dispatched::Refused(unknown) => {
                self.settled().await?;
                return Err(Halt::Failed(unknown.why));
            }
            Dispatched::Unsure(unknown) => {
                self.printer.say(&unknown.why);
                self.find(sent, &before).await?.id
            }
        };
        Ok((sent, id))
    }

    /// Looks for the run that was begun then.
    async fn find(&mut self, sent: Millis, before: &BTreeSet<u64>) -> Result<Run, Halt> {
        let mut failures = 0;
        loop {
            let begun = self
                .hub
                .begun(&self.target, &self.branch, before, None)
                .await;
            match begun {
                Ok(Begun::Run(run)) => return Ok(*run),
                Ok(Begun::OneOf(mut runs)) => {
                    self.printer
                        .say("somebody else started a run at the same time; the oldest is taken");
                    runs.sort_by_key(|run| run.created);
                    return Ok(runs.remove(0));
                }
                Ok(Begun::NotYet) if self.inner.now() > sent.plus(VISIBLE_AFTER) => {
                    return Err(Halt::Failed(
                        "it is not known whether a run began: GitHub shows none".to_owned(),
                    ));
                }
                Ok(Begun::NotYet) => self.sleep(LOOK / 5).await?,
                Err(unknown) => {
                    failures += 1;
                    self.later(&unknown.why, unknown.until, failures).await?;
                }
            }
        }
    }

    /// Writes something down before what follows from it is done.
    async fn note(&self, notes: &[(&str, &str)]) -> Result<(), Halt> {
        let (written, told) = oneshot::channel();
        let notes = notes
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let note = Event::Noted {
            seq: self.hand.seq,
            notes: notes.collect(),
            written,
        };
        if self.hand.events.send(note).is_err() {
            return Err(Halt::Stopped);
        }
        tokio::select! {
            told = told => told.map_err(|_| Halt::Stopped),
            () = self.hand.stop.cancelled() => Err(Halt::Stopped),
        }
    }

    /// Says what went wrong, and waits before the next try.
    async fn later(&mut self, why: &str, until: Option<Millis>, failures: u32) -> Result<(), Halt> {
        let asked = until.map_or(Duration::ZERO, |until| until.since(self.inner.now()));
        let pause = asked.max(backoff(failures));
        self.printer
            .say(&format!("{why} Again in {}.", human(pause)));
        self.sleep(pause).await
    }

    async fn sleep(&self, pause: Duration) -> Result<(), Halt> {
        let end = self.inner.now().plus(pause.max(SHORTEST));
        match wait::sleep_until(self.inner, self.hand, end).await {
            true => Ok(()),
            false => Err(Halt::Stopped),
        }
    }
}
