//! Runs a configured script: its argv, never a shell; its declared environment, nothing else.

use super::choices::Lookups;
use super::incoming;
use crate::base::error::{Error, Result};
use crate::base::ids::JobId;
use crate::base::job::{AfterCrash, Ending, OnBusy, OutputMode};
use crate::base::name::Name;
use crate::base::role::Role;
use crate::base::secret::ExposeSecret;
use crate::base::text::shorten;
use crate::base::time::human;
use crate::base::upload::{Upload, Uploads};
use crate::base::workflow::{Concurrency, RUN, RunArgs, Workflow};
use crate::config::{self, Arg, Config, Env, Kept, Live, ResolvedArgs, Script, check_program};
use crate::delivery::Fetcher;
use crate::delivery::render::Size;
use crate::drivers::process::{self, End, Spec};
use crate::jobs::NewJob;
use crate::jobs::action::{Action, ActionCx, Reading, Stopped};
use crate::jobs::redact::{MIN_SECRET_BYTES, Redactor};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Time between TERM and KILL when the script does not say.
const GRACE: Duration = Duration::from_secs(5);
/// Of a value that a workflow is given, so many UTF-16 units are shown: a commit as a whole.
const SHOWN: usize = 40;

/// The stored arguments of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// The script's name.
    pub script: String,
    /// What the person gave, to run it again by.
    pub given: Vec<String>,
    /// What is executed, element by element.
    pub argv: Vec<String>,
    /// The files that it was given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<Given>,
    /// What takes it back, if anything does.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub undo: Vec<String>,
    /// How the script was set, if something takes it back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<Kept>,
}

impl Run {
    /// The files by argument, to run it again with.
    #[must_use]
    pub fn uploads(&self) -> Uploads {
        let pair = |given: &Given| (given.argument.clone(), given.upload.clone());
        self.files.iter().map(pair).collect()
    }

    /// How the script was set when what this takes back was asked for; `None` when it takes nothing back.
    fn as_asked(&self) -> Option<&Kept> {
        self.kept.as_ref().filter(|_| self.undo.is_empty())
    }
}

/// A file as the value of an argument.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Given {
    /// The argument.
    pub argument: String,
    /// The file.
    pub upload: Upload,
    /// Its name in the job's folder.
    pub stored: String,
}

/// The configured scripts as a kind of work. Cheap to clone.
#[derive(Clone)]
pub struct Scripts {
    live: Live,
    env: Env,
    pub(super) lookups: Lookups,
    fetcher: Fetcher,
}

impl Scripts {
    /// The scripts of the configuration in force, in this environment; what they are given is fetched by `fetcher`, and
    /// `marker` begins the names by which the processes of lookups are found again.
    #[must_use]
    pub fn new(live: Live, env: Env, fetcher: Fetcher, marker: &str) -> Self {
        Self {
            live,
            env,
            lookups: Lookups::new(marker),
            fetcher,
        }
    }

    /// Makes a job of a script, the arguments that a person gave, and the files that they sent.
    ///
    /// # Errors
    /// Refused with which argument is wrong and what would be right.
    pub fn job(
        &self,
        script: &Script,
        given: &[String],
        uploads: &Uploads,
        output: Option<OutputMode>,
        retry_of: Option<JobId>,
    ) -> Result<NewJob> {
        let files = give(script, uploads)?;
        let stored = |name: &Name| {
            let given = files.iter().find(|given| given.argument == name.as_str())?;
            Some(incoming::placeholder(&given.stored))
        };
        let resolved = script.resolve_with(given, stored)?;
        self.refuse_secrets(script, given)?;
        if let Some(flow) = &script.steps {
            let shown = self.shown(script, &resolved);
            return flow_job(script, flow, (given, shown), &resolved, retry_of);
        }
        let run = Run {
            script: script.name.to_string(),
            given: given.to_vec(),
            argv: resolved.argv,
            files,
            kept: (!resolved.undo.is_empty()).then(|| script.keep()),
            undo: resolved.undo,
        };
        let payload = serde_json::to_string(&run).map_err(anyhow::Error::new)?;
        Ok(NewJob {
            kind: Self::KIND,
            payload,
            title: script.name.to_string(),
            role: seen_by(script.role),
            lane: format!("script:{}", script.name),
            lane_limit: script.concurrency,
            on_busy: script.on_busy,
            after_crash: script.on_crash,
            output: output.unwrap_or(script.output),
            retry_of,
            telling: None,
            lock: script.lock.clone(),
            undo: script.undo_rule.clone(),
            promised: false,
        })
    }

    /// Refuses a secret that came in as an argument: it would stand in the database and the chat.
    ///
    /// # Errors
    /// Refused with the name of the variable whose value it is.
    pub fn refuse_secrets(&self, script: &Script, given: &[String]) -> Result<()> {
        for name in &script.secrets {
            let secret = self.env.get(name).unwrap_or_default();
            let told = |value: &String| secret.len() >= MIN_SECRET_BYTES && value.contains(secret);
            if given.iter().any(told) {
                return Err(Error::refused(format!(
                    "An argument holds the value of {name}. Leave it out: the script gets {name} from the environment."
                )));
            }
        }
        Ok(())
    }

    /// The values that are not what they would be anyway, for a card.
    fn shown(&self, script: &Script, resolved: &ResolvedArgs) -> Vec<String> {
        let usual = |name: &Name| {
            let arg = script.args.iter().find(|arg| arg.name == *name);
            arg.and_then(|arg| arg.default.as_deref())
        };
        let values = resolved.values.iter();
        let given = values.filter(|(name, value)| usual(name) != Some(value));
        let shown = |(name, value): &(Name, String)| {
            let value = self.mask(script, value);
            format!("{name}={}", shorten(&value, SHOWN))
        };
        given.map(shown).collect()
    }

    fn secrets(&self, config: &Config, script: &Script) -> Vec<String> {
        let mut secrets: Vec<String> = script
            .secrets
            .iter()
            .filter_map(|name| self.env.get(name))
            .map(str::to_owned)
            .collect();
        // A script cannot read the bot's token from its environment, but it may find the file that holds it.
        if let Some(token) = &config.telegram.token {
            secrets.push(token.expose_secret().to_owned());
        }
        secrets
    }

    /// What is secret in a run: as the script was set when it was asked for, and as it is set now.
    fn secrets_of(&self, run: &Run) -> Vec<String> {
        let config = self.live.current();
        let kept = run
            .kept
            .as_ref()
            .and_then(|kept| kept.script(&run.script).ok());
        let both = kept.as_ref().into_iter().chain(find(&config, &run.script));
        both.flat_map(|script| self.secrets(&config, script))
            .collect()
    }

    /// What takes a run back, masked for people, an argument a line.
    #[must_use]
    pub fn undo_shown(&self, run: &Run) -> String {
        let secrets = self.secrets_of(run);
        Redactor::new(secrets.iter().map(String::as_str)).mask(&run.undo.join("\n"))
    }

    /// Masks the script's secrets in a text for people.
    #[must_use]
    pub fn mask(&self, script: &Script, text: &str) -> String {
        self.redactor(script).mask(text)
    }

    pub(super) fn redactor(&self, script: &Script) -> Redactor {
        let secrets = self.secrets(&self.live.current(), script);
        Redactor::new(secrets.iter().map(String::as_str))
    }

    fn spec(&self, config: &Config, script: &Script, argv: Vec<String>, cx: &ActionCx) -> Spec {
        Spec {
            argv,
            cwd: self.folder(script),
            env: {
                let mut env = self.environment(script);
                env.push(("OPSGRAM_JOB".to_owned(), cx.job.id.to_string()));
                env.push(("OPSGRAM_REQUEST".to_owned(), cx.job.new.request_id.clone()));
                let out = cx.files.out().display().to_string();
                env.push(("OPSGRAM_OUT".to_owned(), out));
                env
            },
            tty: script.tty,
            marker: cx.marker.clone(),
            timeout: script.timeout.unwrap_or(config.jobs.timeout),
            grace: script.grace.unwrap_or(GRACE),
        }
    }

    /// What every program gets that runs for the script.
    pub(super) fn environment(&self, script: &Script) -> Vec<(String, String)> {
        script.environment(&self.env)
    }

    /// Where programs of the script run.
    pub(super) fn folder(&self, script: &Script) -> PathBuf {
        let base = || self.live.current().base_dir.clone();
        script.cwd.clone().unwrap_or_else(base)
    }
}

impl Action for Scripts {
    type Args = Run;
    const KIND: &'static str = "script.run";

    fn reading(&self, run: &Run) -> Reading {
        Reading {
            secrets: self.secrets_of(run),
            size: match of(&self.live.current(), run) {
                Some(script) if script.tty => {
                    let (cols, rows) = process::TERMINAL_SIZE;
                    Size::Terminal { cols, rows }
                }
                _ => Size::Pipe,
            },
        }
    }

    async fn run(&self, run: Run, cx: ActionCx) -> Result<Ending, Stopped> {
        let config = self.live.current();
        let Some(script) = of(&config, &run) else {
            return Ok(Ending::Broken(
                "The script is no longer in the configuration.".to_owned(),
            ));
        };
        let program = run.argv.first().map_or("", String::as_str);
        if let Err(why) = check_program(Path::new(program)) {
            return Ok(Ending::Broken(format!("Not started: {why}.")));
        }
        let rule = |argument: &str| match run.as_asked() {
            Some(kept) => kept.file_rule(argument),
            None => script.file_rule(argument).cloned(),
        };
        if let Err(why) = incoming::fetch_all(&self.fetcher, rule, &run, &cx).await? {
            return Ok(Ending::Broken(format!("Not started: {why}")));
        }
        let folder = cx.files.incoming();
        let argv = match run.files.is_empty() {
            true => run.argv,
            false => {
                let put = |argument: &String| incoming::in_folder(argument, &folder);
                run.argv.iter().map(put).collect()
            }
        };
        let mut spec = self.spec(&config, &script, argv, &cx);
        if !run.files.is_empty() {
            let folder = folder.display().to_string();
            spec.env.push(("OPSGRAM_IN".to_owned(), folder));
        }
        let limit = spec.timeout;
        let output = &cx.output;
        let mut sink = |bytes: &[u8]| output.write(bytes);
        match process::run(&spec, &cx.stop, &mut sink).await {
            Ok(finished) => match finished.end {
                End::Exited(code) => Ok(Ending::Exited(code)),
                End::Signaled(signal) => Ok(Ending::Signaled(signal)),
                End::TimedOut => {
                    tracing::warn!(limit = human(limit), "stopped, because its time was up");
                    Ok(Ending::TimedOut(limit))
                }
                End::Cancelled => Err(Stopped),
            },
            Err(error) => Ok(Ending::Broken(format!("Not started: {error}"))),
        }
    }
}

/// The script of a run: what takes something back goes by how the script was set when that was asked for.
fn of<'a>(config: &'a Config, run: &Run) -> Option<Cow<'a, Script>> {
    match run.as_asked() {
        Some(kept) => kept.script(&run.script).ok().map(Cow::Owned),
        None => find(config, &run.script).map(Cow::Borrowed),
    }
}

/// A run of a workflow as a job.
fn flow_job(
    script: &Script,
    flow: &Arc<Workflow>,
    (given, shown): (&[String], Vec<String>),
    resolved: &ResolvedArgs,
    retry_of: Option<JobId>,
) -> Result<NewJob> {
    let value = |arg: &Arg| {
        let mut values = resolved.values.iter();
        let value = values.find(|(name, _)| *name == arg.name);
        let value = value.map(|(_, value)| value.clone());
        (arg.name.to_string(), value.unwrap_or_default())
    };
    let args = RunArgs {
        given: given.to_vec(),
        params: script.args.iter().map(value).collect(),
        shown,
        flow: Arc::clone(flow),
        from: None,
    };
    let (on_busy, lane_limit) = match flow.concurrency {
        Concurrency::Single => (OnBusy::Refuse, 1),
        Concurrency::Queue => (OnBusy::Queue, 1),
        Concurrency::Replace => (OnBusy::Replace, 1),
        Concurrency::Parallel => (OnBusy::Queue, u32::MAX),
    };
    Ok(NewJob {
        kind: RUN,
        payload: serde_json::to_string(&args).map_err(anyhow::Error::new)?,
        title: script.name.to_string(),
        role: seen_by(script.role),
        lane: format!("script:{}", script.name),
        lane_limit,
        on_busy,
        after_crash: AfterCrash::Resume,
        output: OutputMode::Card,
        retry_of,
        telling: None,
        lock: None,
        undo: None,
        promised: false,
    })
}

/// The files as the values of their arguments, checked by what Telegram says of them; each has a name of its own.
fn give(script: &Script, uploads: &Uploads) -> Result<Vec<Given>> {
    let mut files: Vec<Given> = Vec::new();
    for (name, rule) in script.files() {
        let Some(upload) = uploads.get(name.as_str()) else {
            continue;
        };
        incoming::check(rule, upload)
            .map_err(|why| Error::refused(format!("{}: {why}", script.name)))?;
        let taken = |stored: &str| files.iter().any(|given| given.stored == stored);
        let stored = free_name(&upload.name, name.as_str(), taken);
        files.push(Given {
            argument: name.to_string(),
            upload: upload.clone(),
            stored,
        });
    }
    Ok(files)
}

/// The name itself, or with what it is for before it, and a number too if that has to be.
fn free_name(name: &str, what: &str, taken: impl Fn(&str) -> bool) -> String {
    let mut free = name.to_owned();
    for number in 1.. {
        if !taken(&free) {
            break;
        }
        free = match number {
            1 => format!("{what}-{name}"),
            _ => format!("{what}-{number}-{name}"),
        };
    }
    free
}

/// The lowest role that may see what a script prints: everybody known, unless only admins may run it.
fn seen_by(runs: Role) -> Role {
    match runs {
        Role::Viewer | Role::Operator => Role::Viewer,
        Role::Admin | Role::Owner => runs,
    }
}

/// The script of this name, or the only one whose name differs by letter case alone: phones begin words with a capital.
#[must_use]
pub fn find<'a>(config: &'a config::Config, name: &str) -> Option<&'a Script> {
    let scripts = || config.scripts.values();
    if let Some(exact) = scripts().find(|script| script.name.as_str() == name) {
        return Some(exact);
    }
    let mut close = scripts().filter(|script| script.name.as_str().eq_ignore_ascii_case(name));
    close.next().filter(|_| close.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_file_is_stored_over_another() {
        let mut stored: Vec<String> = Vec::new();
        for (argument, name) in [("a", "b-x"), ("c", "x"), ("b", "x"), ("b", "x")] {
            let free = free_name(name, argument, |name| stored.iter().any(|had| had == name));
            stored.push(free);
        }
        assert_eq!(stored, ["b-x", "x", "b-2-x", "b-3-x"]);
    }
}
