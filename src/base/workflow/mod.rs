//! A workflow as values: its steps, what each does, and what becomes of the rest when one fails.
//!
//! A run keeps the definition that it began with, so all of it can be stored.

pub mod capture;
mod param;
mod step;
mod template;
mod words;

pub use param::{Form, Param};
pub use step::{Answer, Lock, Said, StepRow, StepState, TURN};
pub use template::{Source, Template, Values};
pub use words::line as command_line;

use super::ids::{JobId, Place};
use super::role::Role;
use super::schedule::Retries;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// The kind of job that a run is.
pub const RUN: &str = "workflow.run";

/// The stored arguments of a run. It keeps the definition that it began with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunArgs {
    /// What a person gave, to run it again by.
    pub given: Vec<String>,
    /// The parameters by name, checked.
    pub params: BTreeMap<String, String>,
    /// Those that are not at their default, as `name=value` for people, masked.
    #[serde(default)]
    pub shown: Vec<String>,
    /// The definition.
    pub flow: Arc<Workflow>,
    /// The run that it goes on with: what was done there counts as done here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<JobId>,
}

/// A workflow with its defaults resolved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Workflow {
    /// Its name, unique among scripts and workflows.
    pub name: String,
    /// Its parameters, in their order.
    pub params: Vec<Param>,
    /// What becomes of a start while it runs.
    pub concurrency: Concurrency,
    /// How many steps run at once, where none needs the other.
    pub parallel: usize,
    /// The longest a run may take, the steps of `always` left out.
    pub max_duration: Option<Duration>,
    /// What is told beside the card.
    pub notify: Notify,
    /// The steps, each after all that it needs; in place of a call, those of the called workflow follow it.
    pub steps: Vec<Step>,
    /// Run one after the other at the end, however the rest went.
    pub always: Vec<Step>,
    /// How long a finished run offers to undo its steps.
    pub undo_for: Duration,
    /// Variables set for every program.
    pub env: BTreeMap<String, Template>,
    /// Variables passed on from the bot's environment.
    pub env_pass: Vec<String>,
    /// Variables passed on and masked wherever they would be shown or stored.
    pub secrets: Vec<String>,
}

/// What becomes of a start while the workflow runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Concurrency {
    /// It is refused with the running id.
    #[default]
    Single,
    /// It waits.
    Queue,
    /// The one that runs is stopped, and it follows.
    Replace,
    /// Both run.
    Parallel,
}

/// What is told of a run in messages of its own, beside its card.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notify {
    /// That it begins.
    pub start: bool,
    /// The end of each step.
    pub steps: bool,
    /// Its end, with a sound.
    pub end: bool,
    /// Where it is told beside the chat of the run.
    #[serde(default)]
    pub to: Vec<Place>,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Its name, unique in the workflow; of a step that another workflow brought, `call/step`.
    pub name: String,
    /// What it does.
    pub work: Work,
    /// The indexes of the steps that must be over before it begins; all are smaller than its own.
    pub needs: Vec<usize>,
    /// The index among `steps` of the call that brought it: it runs only if that succeeded, and is skipped if that was.
    pub part_of: Option<usize>,
    /// It runs only if this holds.
    pub when: Option<Condition>,
    /// It is skipped if this program exits with 0.
    pub skip_if: Option<Vec<Template>>,
    /// How long one try may take.
    pub timeout: Duration,
    /// How it is tried again.
    pub retry: Option<Retries>,
    /// What becomes of the rest when it fails.
    pub on_failure: OnFailure,
    /// What becomes of it when the bot died while it ran.
    pub on_crash: OnCrash,
    /// The program that takes back what it did.
    pub undo: Option<Vec<Template>>,
    /// After its success somebody has to say that it holds within this time, else it is undone.
    pub confirm_within: Option<Duration>,
    /// The lock that it holds while it runs, shared with whatever names it.
    pub lock: Option<String>,
    /// Where its programs run, below the run's folder if it is relative.
    pub cwd: Option<Template>,
    /// Variables set for its programs, beside those of the workflow.
    pub env: BTreeMap<String, Template>,
    /// What is read from what it prints, by name.
    pub capture: BTreeMap<String, Capture>,
}

/// What a step does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// Runs a program.
    Run {
        /// The program and its arguments. The program is an absolute path, begins with `{{ run.dir }}/`, or is a bare name
        /// that is looked up in `PATH` when it starts, since an earlier step may install it. So it is wherever a program
        /// is named.
        argv: Vec<Template>,
    },
    /// Runs a configured script.
    Script {
        /// Its name.
        script: String,
        /// Its arguments, as one would type them.
        given: Vec<Template>,
    },
    /// Brings a folder of the run to the state of a git repository.
    Git {
        /// The repository: an address that [`git_address`] takes.
        url: Template,
        /// The branch or tag; the default branch when there is none.
        branch: Option<Template>,
        /// How many commits are fetched; all when there is none.
        depth: Option<u32>,
        /// The folder, below the run's.
        dir: Template,
        /// The variable of the bot's environment that holds the token for it.
        token: Option<String>,
    },
    /// Asks a web server.
    Http {
        /// The method, in capitals.
        method: String,
        /// The address.
        url: Template,
        /// Headers by name.
        headers: BTreeMap<String, Template>,
        /// What is sent along.
        body: Option<Template>,
        /// The statuses that are good; 200–299 when empty.
        expect: Vec<u16>,
        /// Values of the JSON answer, by name: JSON pointers (RFC 6901).
        json: BTreeMap<String, String>,
    },
    /// Starts a program that goes on until the run ends.
    Service {
        /// The program and its arguments.
        argv: Vec<Template>,
    },
    /// Waits for a time.
    Hold {
        /// How long.
        length: Duration,
    },
    /// Waits until something is so.
    WaitFor {
        /// What.
        until: Until,
        /// The pause between two looks.
        every: Duration,
    },
    /// Waits until a person agrees.
    Approve {
        /// What is asked.
        question: Option<Template>,
        /// The lowest role that may agree.
        role: Role,
        /// Whether whoever started the run may agree, too.
        by_asker: bool,
    },
    /// Checks and names the parameters of a workflow whose steps follow.
    Call {
        /// The workflow.
        workflow: String,
        /// What it may be given, as it was when the run began.
        params: Vec<Param>,
        /// What it is given.
        given: BTreeMap<String, Template>,
    },
    /// Writes a message.
    Notify {
        /// The text.
        text: Template,
    },
    /// Starts a workflow of a GitHub repository and waits for its end.
    Github {
        /// `owner/name`.
        repo: Template,
        /// The workflow's file name.
        workflow: Template,
        /// The branch or tag.
        branch: Template,
        /// Its inputs.
        inputs: BTreeMap<String, Template>,
        /// The variable of the bot's environment that holds the token.
        token: String,
        /// Whether the step lasts as long as the run it started.
        wait: bool,
        /// Whether it goes on and starts a run whenever none is going.
        keep: bool,
        /// Where GitHub's interface is.
        api: String,
    },
}

/// What a step waits for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Until {
    /// A web server answers with this status; with any of 200–399 when there is none.
    Url(Template, Option<u16>),
    /// A port takes connections: `host:port`.
    Tcp(Template),
    /// A file is there.
    File(Template),
    /// A program exits with 0.
    Command(Vec<Template>),
}

/// A comparison that decides whether a step runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Condition {
    /// What is compared.
    pub left: Template,
    /// With what.
    pub right: Template,
    /// Whether the two must be the same, or must differ.
    pub same: bool,
}

impl Condition {
    /// Whether it is met.
    ///
    /// # Errors
    /// That a value is not there, and why.
    pub fn holds(&self, values: &Values) -> Result<bool, String> {
        let (left, right) = (self.left.fill(values)?, self.right.fill(values)?);
        Ok((left == right) == self.same)
    }
}

/// A value that is read from what a step prints.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Capture {
    /// The regular expression, looked for in each line; its first group is the value, or the whole match.
    pub pattern: String,
    /// The step fails if it was not found after this time; of a step that ends, at its end.
    pub within: Option<Duration>,
    /// Whether it must not be seen: it is masked everywhere, and told to the asker in private alone.
    pub secret: bool,
}

/// What becomes of the rest when a step fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// The run fails, and nothing more begins.
    #[default]
    Abort,
    /// It is shown, and the rest goes on as if it had succeeded.
    Continue,
    /// What needs it is skipped, and the rest goes on; the run fails.
    SkipRest,
    /// All the rest goes on as if it had succeeded; the run fails. So an undo tries to take back what it can.
    FailLater,
}

/// What becomes of a step that ran when the bot died.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnCrash {
    /// Somebody is asked.
    #[default]
    Ask,
    /// It runs again.
    Retry,
    /// It counts as failed.
    Fail,
}

impl Workflow {
    /// A workflow of these steps, with nothing else set: one run at a time, step by step.
    #[must_use]
    pub fn new(name: impl Into<String>, steps: Vec<Step>) -> Self {
        Self {
            name: name.into(),
            params: Vec::new(),
            concurrency: Concurrency::default(),
            parallel: 1,
            max_duration: None,
            notify: Notify::default(),
            steps,
            always: Vec::new(),
            undo_for: Duration::ZERO,
            env: BTreeMap::new(),
            env_pass: Vec::new(),
            secrets: Vec::new(),
        }
    }
}

impl Step {
    /// A step that may take so long, with nothing else set.
    #[must_use]
    pub fn new(name: impl Into<String>, work: Work, timeout: Duration) -> Self {
        Self {
            name: name.into(),
            work,
            needs: Vec::new(),
            part_of: None,
            when: None,
            skip_if: None,
            timeout,
            retry: None,
            on_failure: OnFailure::default(),
            on_crash: OnCrash::default(),
            undo: None,
            confirm_within: None,
            lock: None,
            cwd: None,
            env: BTreeMap::new(),
            capture: BTreeMap::new(),
        }
    }

    /// Whether it goes on while later steps run.
    #[must_use]
    pub fn is_service(&self) -> bool {
        matches!(self.work, Work::Service { .. })
    }

    /// The folder of its programs, below `run`.
    ///
    /// # Errors
    /// Which value its name lacks, or that it leads elsewhere.
    pub fn folder(&self, run: &std::path::Path, values: &Values) -> Result<PathBuf, String> {
        match &self.cwd {
            Some(cwd) => Ok(run.join(cwd.fill_path(values)?)),
            None => Ok(run.to_path_buf()),
        }
    }
}

/// Whether git may be given this address: `https://`, `ssh://`, `git://`, or `person@host:path`.
///
/// # Errors
/// What is wrong with it, and what would be right.
pub fn git_address(address: &str) -> Result<(), String> {
    let wrong = || {
        format!(
            "`{address}` is no address for git; write one that begins with https://, ssh:// or git://, or git@host:path"
        )
    };
    let plain = !address.chars().any(|c| c.is_control() || c.is_whitespace());
    let host = |rest: &str| {
        let host = rest.split(['/', ':']).next().unwrap_or_default();
        let host = host.rsplit('@').next().unwrap_or_default();
        !host.is_empty() && !rest.starts_with('-') && !host.starts_with('-')
    };
    let known = ["https://", "ssh://", "git://"];
    let by_scheme = known
        .iter()
        .find_map(|scheme| address.strip_prefix(scheme))
        .is_some_and(host);
    let by_person = || {
        let (person, rest) = address.split_once('@')?;
        let word = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let (at, path) = rest.split_once(':')?;
        let good = !person.is_empty()
            && !person.starts_with('-')
            && person.chars().all(word)
            && !at.is_empty()
            && !at.starts_with('-')
            && at.chars().all(word)
            && !path.is_empty()
            && !path.starts_with(':');
        good.then_some(())
    };
    match plain && (by_scheme || by_person().is_some()) {
        true => Ok(()),
        false => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::git_address;

    #[test]
    fn git_is_given_addresses_of_servers_alone() {
        for good in [
            "https://example.com/x.git",
            "https://person@example.com:8443/x.git",
            "ssh://git@example.com/x.git",
            "git://127.0.0.1:9418/x",
            "git@example.com:some/x.git",
        ] {
            assert_eq!(git_address(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "x",
            "/srv/x.git",
            "file:///srv/x.git",
            "http://example.com/x.git",
            "ext::sh -c id",
            "https://",
            "https:///x",
            "ssh://-oProxyCommand=id/x",
            "-u@host:x",
            "git@-oProxyCommand=id:x",
            "git@host:",
            "a@ext::sh",
            "https://example.com/a b",
        ] {
            assert!(git_address(bad).is_err(), "{bad}");
        }
    }
}
