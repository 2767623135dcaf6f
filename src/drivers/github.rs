//! The workflows of a GitHub repository: which runs of one are not over, starting one, and how a run stands.
//!
//! What cannot be learned is [`Unknown`], and never "none runs".

mod limits;
mod monitor;
mod runs;

pub use limits::{Unknown, backoff};
pub use monitor::{Known, News, Own, Step, VISIBLE_AFTER};
pub use runs::Run;

use crate::base::secret::{ExposeSecret, MASK, SecretString};
use crate::base::text;
use crate::base::time::{Clock, Millis};
use crate::drivers::web::{Question, Reply, Web};
use limits::Limits;
use runs::{Listed, read_list, read_run};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use url::Url;

/// How long a call may take.
const LIMIT: Duration = Duration::from_secs(10);
/// The version of the interface that this is written for.
const VERSION: &str = "2022-11-28";
/// The most that a page of runs holds.
const PAGE: usize = 100;
/// The most that is read of an answer, in bytes: a run on such a page takes more than 10 KiB.
const ANSWER: usize = 8 << 20;
/// GitHub lists a thousand runs of a status at the most.
const PAGES: usize = 10;
/// What a run is that is not over, in the order of its life: one that moves on while they are asked for is met later.
const STATUSES: [&str; 5] = ["requested", "pending", "queued", "waiting", "in_progress"];
/// The most that is repeated of what GitHub says, in UTF-16 units.
const SAID: usize = 300;

/// A workflow of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    owner: String,
    repo: String,
    file: String,
}

impl Target {
    /// `repo` is `owner/name`; `workflow` the file's name, or its path `.github/workflows/name.yml`.
    ///
    /// # Errors
    /// A sentence that says what would be right.
    pub fn new(repo: &str, workflow: &str) -> Result<Self, String> {
        let is_word = |text: &&str| {
            let is_letter = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
            !matches!(*text, "" | "." | "..") && text.chars().all(is_letter)
        };
        let parts = repo.split_once('/');
        let (owner, name) = parts
            .filter(|(owner, name)| is_word(owner) && is_word(name))
            .ok_or_else(|| format!("`{repo}` is no repository; write owner/name."))?;
        let file = workflow
            .strip_prefix(".github/workflows/")
            .unwrap_or(workflow);
        let is_yaml = file.ends_with(".yml") || file.ends_with(".yaml");
        if !is_yaml || !is_word(&file) {
            return Err(format!(
                "`{workflow}` is no file of a workflow; write its name, such as ci.yml, or .github/workflows/ci.yml."
            ));
        }
        Ok(Self {
            owner: owner.to_owned(),
            repo: name.to_owned(),
            file: file.to_owned(),
        })
    }

    /// Whether GitHub says of a run that it is of this workflow, or does not say. Its path may be followed by `@branch`.
    fn has(&self, run: &Run) -> bool {
        let path = run.path.as_deref().map(|path| {
            let path = path.split_once('@').map_or(path, |(path, _)| path);
            path.rsplit_once('/').map_or(path, |(_, file)| file)
        });
        path.is_none_or(|file| file == self.file)
    }
}

/// As GitHub takes it: names of owners and repositories are the same in capitals.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let repo = format!("{}/{}", self.owner, self.repo).to_lowercase();
        write!(f, "{repo} {}", self.file)
    }
}

/// The runs that are not over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Active {
    /// They themselves, the newest first.
    pub runs: Vec<Run>,
    /// Whether these are all. While some run, it is not always asked for all of them.
    pub complete: bool,
    /// By how many milliseconds GitHub's clock is ahead of ours, as far as it said.
    pub ahead: i64,
}

/// What became of a dispatch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dispatched {
    /// GitHub took it. The run's id, if it told it; else it has to be found.
    Taken(Option<u64>),
    /// It was refused: no run began.
    Refused(Unknown),
    /// There is no answer that says so: a run may have begun.
    Unsure(Unknown),
}

/// Which run a dispatch began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Begun {
    /// This one.
    Run(Box<Run>),
    /// It is not listed yet.
    NotYet,
    /// One of these; somebody else began another at the same time.
    OneOf(Vec<Run>),
}

/// Asks GitHub by one token. Cheap to clone; clones know of the same limits.
#[derive(Clone)]
pub struct GitHub {
    web: Web,
    api: Url,
    token: SecretString,
    clock: Clock,
    limits: Arc<Mutex<Limits>>,
}

impl GitHub {
    /// `api` is where the interface is: `https://api.github.com`, or that of a server of one's own.
    #[must_use]
    pub fn new(web: Web, api: Url, token: SecretString, clock: Clock) -> Self {
        Self {
            web,
            api,
            token,
            clock,
            limits: Arc::default(),
        }
    }

    /// Whether GitHub is there and knows the token. It is asked for its limits, which counts against none.
    ///
    /// # Errors
    /// Why it is not known.
    pub async fn greet(&self) -> Result<(), Unknown> {
        let mut place = self.api.clone();
        if let Ok(mut path) = place.path_segments_mut() {
            path.pop_if_empty().push("rate_limit");
        }
        let reply = self.ask(place).await?;
        // A server of one's own that has no limits says that it knows no such page.
        match reply.status {
            200 | 404 => Ok(()),
            _ => Err(self.refused(&reply)),
        }
    }

    /// The runs that are not over. One call while some of the newest hundred run or there are no more than that; six
    /// otherwise.
    ///
    /// # Errors
    /// Why it is not known.
    pub async fn active(&self, target: &Target) -> Result<Active, Unknown> {
        let newest = self.list(target, &[], 1).await?;
        let (complete, mut runs, ahead) = (newest.is_last(), newest.active(), newest.ahead());
        if complete || !runs.is_empty() {
            return Ok(Active {
                runs,
                complete,
                ahead,
            });
        }
        let mut seen = BTreeSet::new();
        for status in STATUSES {
            for page in 1..=PAGES {
                let listed = self.list(target, &[("status", status)], page).await?;
                let active = listed.active().into_iter();
                runs.extend(active.filter(|run| seen.insert(run.id)));
                if listed.is_last() {
                    break;
                }
            }
        }
        Ok(Active {
            runs,
            complete: true,
            ahead,
        })
    }

    /// The newest runs that are over, of one branch or of all, and whether these are all: those of the repository's own commits
    /// of which it is known how and when they ended.
    ///
    /// # Errors
    /// Why they are not known.
    pub async fn ended(
        &self,
        target: &Target,
        branch: Option<&str>,
    ) -> Result<(Vec<Run>, bool), Unknown> {
        let mut query = vec![("status", "completed")];
        query.extend(branch.map(|branch| ("branch", branch)));
        let listed = self.list(target, &query, 1).await?;
        let of_branch = |run: &&Run| branch.is_none() || run.branch.as_deref() == branch;
        let is_known = |run: &&Run| run.conclusion.is_some() && run.updated > Millis::default();
        let own = listed.runs().iter().filter(|run| run.is_own);
        let over = own.filter(of_branch).filter(is_known);
        Ok((over.cloned().collect(), listed.is_last()))
    }

    /// The ids of the runs that a dispatch could be taken for; asked for before it, for [`GitHub::begun`].
    ///
    /// # Errors
    /// Why they are not known.
    pub async fn dispatched(
        &self,
        target: &Target,
        branch: &str,
    ) -> Result<BTreeSet<u64>, Unknown> {
        let listed = self.list(target, &of_dispatch(branch), 1).await?;
        Ok(listed.runs().iter().map(|run| run.id).collect())
    }

    /// Starts the workflow on a branch or tag.
    pub async fn dispatch(
        &self,
        target: &Target,
        branch: &str,
        inputs: &BTreeMap<String, String>,
    ) -> Dispatched {
        let body = json!({ "ref": branch, "inputs": inputs, "return_run_details": true });
        let first = self.send_dispatch(target, body).await;
        // A server of one's own may be older than that question; it says so and starts nothing.
        match &first {
            Dispatched::Refused(unknown) if unknown.why.contains("return_run_details") => {
                let body = json!({ "ref": branch, "inputs": inputs });
                self.send_dispatch(target, body).await
            }
            _ => first,
        }
    }

    async fn send_dispatch(&self, target: &Target, body: Value) -> Dispatched {
        let place = ["actions", "workflows", &target.file, "dispatches"];
        let mut question = self.question("POST", self.place(target, &place));
        question
            .headers
            .push(("Content-Type".to_owned(), "application/json".to_owned()));
        question.body = Some(body.to_string());
        if let Err(unknown) = self.is_open() {
            return Dispatched::Refused(unknown);
        }
        let reply = match self.web.ask(&question).await {
            Ok(reply) => reply,
            Err(why) => return Dispatched::Unsure(self.unknown(&why)),
        };
        self.heed(&reply);
        match reply.status {
            200..300 => {
                let told: Option<Value> = serde_json::from_str(&reply.body).ok();
                Dispatched::Taken(told.and_then(|told| told.get("workflow_run_id")?.as_u64()))
            }
            300..500 => Dispatched::Refused(self.refused(&reply)),
            _ => Dispatched::Unsure(self.refused(&reply)),
        }
    }

    /// Finds the run that a dispatch began. `before` is what was there before it, which no clock can get wrong. `mark` is a
    /// text that was among its inputs and that the workflow puts into the names of its runs (`run-name`), if it does.
    ///
    /// # Errors
    /// Why it is not known.
    pub async fn begun(
        &self,
        target: &Target,
        branch: &str,
        before: &BTreeSet<u64>,
        mark: Option<&str>,
    ) -> Result<Begun, Unknown> {
        let listed = self.list(target, &of_dispatch(branch), 1).await?;
        // When some are deleted, older ones come into sight.
        let is_older = |run: &Run| before.first().is_some_and(|oldest| run.id < *oldest);
        let mut new: Vec<Run> = listed.runs().to_vec();
        new.retain(|run| {
            let of_branch = run.branch.as_deref().is_none_or(|name| name == branch);
            let of_dispatch = run.event == "workflow_dispatch";
            of_dispatch && of_branch && !is_older(run) && !before.contains(&run.id)
        });
        let marked = |run: &&Run| mark.is_some_and(|mark| run.title.contains(mark));
        if let Some(run) = new.iter().find(marked) {
            return Ok(Begun::Run(Box::new(run.clone())));
        }
        Ok(match new.len() {
            0 => Begun::NotYet,
            1 => Begun::Run(Box::new(new.remove(0))),
            _ => Begun::OneOf(new),
        })
    }

    /// How a run stands; `None` if it is gone.
    ///
    /// # Errors
    /// Why it is not known.
    pub async fn run(&self, target: &Target, id: u64) -> Result<Option<Run>, Unknown> {
        let place = self.place(target, &["actions", "runs", &id.to_string()]);
        let reply = self.ask(place).await?;
        if reply.status == 404 {
            return Ok(None);
        }
        let json = self.json(&reply)?;
        let run = read_run(&json).filter(|run| run.id == id && target.has(run));
        run.map(Some)
            .ok_or_else(|| self.unknown("GitHub's answer is not about this run."))
    }

    async fn list(
        &self,
        target: &Target,
        query: &[(&str, &str)],
        page: usize,
    ) -> Result<Listed, Unknown> {
        let mut place = self.place(target, &["actions", "workflows", &target.file, "runs"]);
        {
            let mut pairs = place.query_pairs_mut();
            pairs.extend_pairs(query);
            pairs.append_pair("per_page", &PAGE.to_string());
            if page > 1 {
                pairs.append_pair("page", &page.to_string());
            }
        }
        let reply = self.ask(place).await?;
        let json = self.json(&reply)?;
        let there = reply.date();
        let ahead = there.map_or(0, |there| there.0.saturating_sub(self.clock.now().0));
        let listed = read_list(&json, (page - 1) * PAGE, PAGE, ahead);
        let listed = listed.map_err(|why| self.unknown(&why))?;
        match listed.runs().iter().all(|run| target.has(run)) {
            true => Ok(listed),
            false => Err(self.unknown("GitHub lists runs of another workflow.")),
        }
    }

    fn place(&self, target: &Target, below: &[&str]) -> Url {
        let mut place = self.api.clone();
        if let Ok(mut parts) = place.path_segments_mut() {
            parts
                .pop_if_empty()
                .extend(["repos", &target.owner, &target.repo])
                .extend(below);
        }
        place
    }

    fn question(&self, method: &str, place: Url) -> Question {
        let mut question = Question::new(method, place, LIMIT);
        let token = self.token.expose_secret();
        question.most = ANSWER;
        question.headers = [
            ("Accept", "application/vnd.github+json".to_owned()),
            ("X-GitHub-Api-Version", VERSION.to_owned()),
            ("Authorization", format!("Bearer {token}")),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec();
        question
    }

    async fn ask(&self, place: Url) -> Result<Reply, Unknown> {
        self.is_open()?;
        let asked = self.web.ask(&self.question("GET", place)).await;
        let reply = asked.map_err(|why| self.unknown(&why))?;
        self.heed(&reply);
        Ok(reply)
    }

    /// Whether GitHub wants to be asked now.
    fn is_open(&self) -> Result<(), Unknown> {
        self.limits().check(self.clock.now())
    }

    fn heed(&self, reply: &Reply) {
        self.limits().heed(reply, self.clock.now());
    }

    fn limits(&self) -> std::sync::MutexGuard<'_, Limits> {
        self.limits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn json(&self, reply: &Reply) -> Result<Value, Unknown> {
        if reply.status != 200 {
            return Err(self.refused(reply));
        }
        if reply.cut {
            return Err(self.unknown("GitHub's answer is too long to be read."));
        }
        let json = serde_json::from_str(&reply.body);
        json.map_err(|_| {
            self.unknown("GitHub did not answer with JSON; something may stand between.")
        })
    }

    /// What an answer says that is none.
    fn refused(&self, reply: &Reply) -> Unknown {
        let json: Option<Value> = serde_json::from_str(&reply.body).ok();
        let message = json.as_ref().and_then(|json| json.get("message")?.as_str());
        let status = reply.status;
        let why = match (status, message) {
            (300..=399, _) => {
                format!("The repository has another name now ({status}); write that.")
            }
            (401, _) => "GitHub does not know the token (401); make a new one.".to_owned(),
            (404, _) => {
                "GitHub knows no such workflow or repository, or the token may not see it (404)."
                    .to_owned()
            }
            (_, Some(message)) => format!("GitHub answered with {status}: {message}"),
            (_, None) => format!("GitHub answered with {status}."),
        };
        self.unknown(&why)
    }

    fn unknown(&self, why: &str) -> Unknown {
        let why = why.replace(self.token.expose_secret(), MASK);
        Unknown {
            why: text::shorten(&why, SAID).into_owned(),
            until: self.limits().until(),
        }
    }
}

fn of_dispatch(branch: &str) -> [(&str, &str); 2] {
    [("event", "workflow_dispatch"), ("branch", branch)]
}

#[cfg(test)]
mod tests;
