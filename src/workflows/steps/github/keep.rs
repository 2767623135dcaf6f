//! Keeps one run of a workflow at GitHub going until it is told to end. What is not known starts nothing.
//!
//! What is known stands in one row for each such workflow, and whoever starts a run changes it first, from what they read. So
//! of several that keep the same one, in this run or another, here or on another instance, one starts a run at the most; and
//! whoever begins goes on with what the last one knew.

use super::{Halt, Job, LOOK};
use crate::base::text::escape;
use crate::delivery::Outgoing;
use crate::drivers::github::{Dispatched, Known, News, Own, Run, Step};
use crate::store;
use crate::store::workflows::UNANSWERED;
use std::collections::BTreeMap;
use std::time::Duration;

/// The pause after the database refused.
const REFUSED: Duration = Duration::from_secs(2);

/// What stands in the row, as it was read.
#[derive(Default)]
struct Noted {
    text: Option<String>,
    known: Known,
}

impl Job<'_> {
    /// Looks again and again.
    pub(super) async fn keep(&mut self) -> Result<BTreeMap<String, String>, Halt> {
        let said_before = self.hand.found.get(UNANSWERED).cloned();
        let mut said = said_before.filter(|why| !why.is_empty());
        loop {
            let noted = match self.read().await {
                Ok(noted) => noted,
                Err(error) => {
                    tracing::error!(%error, "what is known of a workflow at GitHub cannot be read; trying again");
                    self.sleep(REFUSED).await?;
                    continue;
                }
            };
            let before = said.clone();
            let pause = match self.look(noted, &mut said).await {
                Ok(pause) => pause,
                Err(error) => {
                    tracing::error!(%error, "what is known of a workflow at GitHub cannot be written; trying again");
                    REFUSED
                }
            };
            if said != before {
                let why = said.as_deref().unwrap_or_default();
                self.note(&[(UNANSWERED, why)]).await?;
            }
            self.sleep(pause).await?;
        }
    }

    /// One look, and what follows from it. Returns how long to wait.
    async fn look(&mut self, noted: Noted, said: &mut Option<String>) -> store::Result<Duration> {
        let active = self.hub.active(&self.target).await;
        let mut known = noted.known.clone();
        let missing = match known.missing(&active) {
            Some(id) => Some(self.hub.run(&self.target, id).await),
            None => None,
        };
        let now = self.inner.now();
        let (news, step) = known.takes(&active, missing.as_ref(), now);
        // Said once as long as it lasts: a monitor goes on for months.
        let why = active.err().map(|unknown| unknown.why);
        if let Some(why) = &why
            && said.as_ref() != Some(why)
        {
            self.printer.say(&format!("{why} Nothing is started."));
        }
        *said = why;
        if step == Step::Dispatch {
            known.own = Own::Sent(now);
        }
        let found = news.iter().find_map(|news| match news {
            News::Found(run) => Some(run),
            News::Goes(_) | News::Over(..) => None,
        });
        let Some(noted) = self.swap(noted, known, found).await? else {
            // Somebody else was first.
            return Ok(Duration::ZERO);
        };
        for news in &news {
            self.printer.say(&words(news));
        }
        match step {
            Step::Nothing => Ok(LOOK),
            Step::Wait(until) => Ok(until.since(now)),
            Step::Dispatch => self.send(noted).await.map(|()| Duration::ZERO),
        }
    }

    /// Starts a run; that it is sent is noted already.
    async fn send(&mut self, noted: Noted) -> store::Result<()> {
        let mut known = noted.known.clone();
        let now = self.inner.now();
        let sent = self
            .hub
            .dispatch(&self.target, &self.branch, &self.inputs)
            .await;
        match sent {
            Dispatched::Taken(id) => {
                self.printer.say("none was running, so one was started");
                if let Some(id) = id {
                    known.own = Own::Runs {
                        id,
                        since: now,
                        sure: true,
                        seen: false,
                    };
                }
            }
            Dispatched::Refused(unknown) => {
                known.own = Own::None;
                known.fails(now);
                self.printer.say(&unknown.why);
            }
            Dispatched::Unsure(unknown) => {
                known.fails(now);
                self.printer.say(&unknown.why);
            }
        }
        self.swap(noted, known, None).await.map(drop)
    }

    async fn read(&self) -> store::Result<Noted> {
        let mut db = self.inner.store.read().await?;
        let text = store::kept::find(&mut db, &self.kept).await?;
        let known = text.as_deref().map(serde_json::from_str);
        let known = known
            .transpose()
            .map_err(|error| store::Error::Corrupt(error.to_string()))?;
        Ok(Noted {
            known: known.unwrap_or_default(),
            text,
        })
    }

    /// Writes what is known now, together with the message that tells the run which was started; `None` when somebody else
    /// wrote meanwhile.
    async fn swap(
        &self,
        noted: Noted,
        known: Known,
        begun: Option<&Run>,
    ) -> store::Result<Option<Noted>> {
        if noted.known == known && noted.text.is_some() {
            return Ok(Some(noted));
        }
        let after = serde_json::to_string(&known)
            .map_err(|error| store::Error::Corrupt(error.to_string()))?;
        let change = (noted.text.as_deref(), after.as_str());
        let mut tx = self.inner.store.begin().await?;
        if !store::kept::swap(&mut tx, &self.kept, change, self.inner.now()).await? {
            return Ok(None);
        }
        if let Some(run) = begun {
            self.inner.outbox.promise(&mut tx, &self.told(run)).await?;
        }
        self.inner.store.commit(tx).await?;
        if begun.is_some() {
            self.inner.outbox.kick(self.hand.cx.job.new.place.chat);
        }
        Ok(Some(Noted {
            text: Some(after),
            known,
        }))
    }

    /// The message with the run's page, once for each run.
    fn told(&self, run: &Run) -> Outgoing {
        let job = &self.hand.cx.job;
        let page = match &run.link {
            Some(link) => format!("<a href=\"{}\">run {}</a>", escape(link), run.id),
            None => format!("run {}", run.id),
        };
        let html = format!(
            "🚀 <b>{}</b> · #{} · {}\nNone was running at GitHub, so {page} was started.",
            escape(&job.new.title),
            job.id,
            escape(&self.hand.step.name)
        );
        Outgoing::text(job.new.place, html, Vec::new())
            .silent(true)
            .source(format!("github:{}:{}", self.kept, run.id))
            .of_job(job.id)
    }
}

fn words(news: &News) -> String {
    let page = |run: &Run| run.link.clone().unwrap_or_default();
    match news {
        News::Goes(run) => format!("run {} goes: {}", run.id, page(run)),
        News::Found(run) => format!("run {}: {}", run.id, page(run)),
        News::Over(id, how) => {
            let how = how.as_deref().unwrap_or("it is gone");
            format!("run {id} is over: {how}")
        }
    }
}
