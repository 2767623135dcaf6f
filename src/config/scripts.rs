//! The section `scripts`: what may be run, by whom, and how.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::access::{self, Access};
use super::args::{self, Arg, Matching};
use super::fault::{At, Report};
use super::jobs::MAX_GRACE;
use super::kind::{FileRule, Kind};
use super::map::Map;
use super::program::{check_program, find_in_path};
use super::read::{absolute, parse_name, text, texts};
use super::schedule::{self, Schedule};
use super::template::ArgTemplate;
use super::tree::{Node, Value};
use super::{Env, Paths, YEAR, token};
use crate::base::ids::UserId;
use crate::base::job::{AfterCrash, OnBusy, OutputMode, Undo};
use crate::base::name::{BadName, Name};
use crate::base::role::Role;
use crate::base::workflow::{Source, Template, Workflow};
use serde::{Deserialize, Serialize};

/// Of the bot's environment, what every program gets.
pub const PASSED: [&str; 4] = ["PATH", "HOME", "LANG", "TZ"];

/// For how long a finished run may be taken back, unless it says.
pub(super) const UNDO_FOR: Duration = Duration::from_secs(10 * 60);

/// A script that may be run from the chat.
#[derive(Clone, Debug)]
pub struct Script {
    /// Its name, unique in the configuration.
    pub name: Name,
    /// What it does, shown in help.
    pub description: Option<String>,
    /// The argv with its placeholders; the first element is the program, absolute and without placeholders.
    pub run: Vec<ArgTemplate>,
    /// The declared arguments, required ones first.
    pub args: Vec<Arg>,
    /// The lowest role that may run it.
    pub role: Role,
    /// Persons who may run it whatever their role.
    pub allow: Vec<UserId>,
    /// Whether the resolved argv is shown and confirmed first.
    pub confirm: bool,
    /// How long it may run; `None`: as `jobs.timeout` says.
    pub timeout: Option<Duration>,
    /// How long it may take to end after TERM; `None`: as `jobs.grace` says.
    pub grace: Option<Duration>,
    /// How often it may run at the same time.
    pub concurrency: u32,
    /// What happens to a start beyond that.
    pub on_busy: OnBusy,
    /// What happens when the bot died while it ran.
    pub on_crash: AfterCrash,
    /// How its output reaches the chat.
    pub output: OutputMode,
    /// Whether it gets a pseudo-terminal.
    pub tty: bool,
    /// Variables set for it.
    pub env: BTreeMap<String, String>,
    /// Variables passed on from the bot's environment.
    pub env_pass: Vec<String>,
    /// Variables passed on and masked wherever they would be shown or stored.
    pub secrets: Vec<String>,
    /// Its working directory, absolute; `None`: the base directory.
    pub cwd: Option<PathBuf>,
    /// The named lock that it has while it runs, shared with whatever names it.
    pub lock: Option<String>,
    /// The argv that takes it back, with the same placeholders; empty when nothing does.
    pub undo: Vec<ArgTemplate>,
    /// For how long it may be taken back, and whether that happens by itself.
    pub undo_rule: Option<Undo>,
    /// Of a workflow: its steps, which take the place of `run`.
    pub steps: Option<Arc<Workflow>>,
}

impl Script {
    /// The program, absolute.
    #[must_use]
    pub fn program(&self) -> &Path {
        let first = self.run.first().and_then(ArgTemplate::as_literal);
        Path::new(first.unwrap_or_default())
    }

    /// The environment of every program that runs for it; nothing else of the bot's is passed on.
    #[must_use]
    pub fn environment(&self, env: &Env) -> Vec<(String, String)> {
        let pass = |name: &str| Some((name.to_owned(), env.get(name)?.to_owned()));
        let passed = PASSED
            .into_iter()
            .chain(self.env_pass.iter().map(String::as_str));
        let passed = passed.chain(self.secrets.iter().map(String::as_str));
        let set = self
            .env
            .iter()
            .map(|(name, value)| (name.clone(), value.clone()));
        passed.filter_map(pass).chain(set).collect()
    }

    /// The arguments that are files, with their rules.
    pub fn files(&self) -> impl Iterator<Item = (&Name, &FileRule)> {
        self.args.iter().filter_map(|arg| match &arg.kind {
            Kind::File(rule) => Some((&arg.name, rule)),
            Kind::Text | Kind::Integer { .. } | Kind::Boolean => None,
        })
    }

    /// The rule of this argument, if it is a file.
    #[must_use]
    pub fn file_rule(&self, argument: &str) -> Option<&FileRule> {
        let mut files = self.files();
        files.find_map(|(name, rule)| (name.as_str() == argument).then_some(rule))
    }

    /// What counts when something that it did is taken back later.
    #[must_use]
    pub fn keep(&self) -> Kept {
        let size = |(name, rule): (&Name, &FileRule)| (name.to_string(), rule.max_size);
        Kept {
            role: self.role,
            timeout: self.timeout,
            grace: self.grace,
            tty: self.tty,
            env: self.env.clone(),
            env_pass: self.env_pass.clone(),
            secrets: self.secrets.clone(),
            cwd: self.cwd.clone(),
            files: self.files().map(size).collect(),
        }
    }

    /// A script with every setting at its default.
    pub(super) fn new(name: Name, run: Vec<ArgTemplate>) -> Self {
        Self {
            name,
            description: None,
            run,
            args: Vec::new(),
            role: Role::Operator,
            allow: Vec::new(),
            confirm: false,
            timeout: None,
            grace: None,
            concurrency: 1,
            on_busy: OnBusy::default(),
            on_crash: AfterCrash::default(),
            output: OutputMode::default(),
            tty: false,
            env: BTreeMap::new(),
            env_pass: Vec::new(),
            secrets: Vec::new(),
            cwd: None,
            lock: None,
            undo: Vec::new(),
            undo_rule: None,
            steps: None,
        }
    }
}

/// What of a script counts when something that it did is taken back, whatever the configuration says by then. Secrets are
/// kept by their names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// The lowest role that might run it.
    pub role: Role,
    timeout: Option<Duration>,
    grace: Option<Duration>,
    tty: bool,
    env: BTreeMap<String, String>,
    env_pass: Vec<String>,
    secrets: Vec<String>,
    cwd: Option<PathBuf>,
    /// The largest size of each file among its arguments, in bytes.
    files: BTreeMap<String, u64>,
}

impl Kept {
    /// The script as far as it was kept, which is no script to be run anew.
    ///
    /// # Errors
    /// When this is no name of a script.
    pub fn script(&self, name: &str) -> Result<Script, BadName> {
        Ok(Script {
            role: self.role,
            timeout: self.timeout,
            grace: self.grace,
            tty: self.tty,
            env: self.env.clone(),
            env_pass: self.env_pass.clone(),
            secrets: self.secrets.clone(),
            cwd: self.cwd.clone(),
            ..Script::new(Name::new(name)?, Vec::new())
        })
    }

    /// The rule of this argument, if it is a file: what it holds was checked when it was given.
    #[must_use]
    pub fn file_rule(&self, argument: &str) -> Option<FileRule> {
        Some(FileRule {
            max_size: *self.files.get(argument)?,
            accept: Vec::new(),
        })
    }
}

/// The scripts read so far, from whichever section, so that no two share a name.
#[derive(Default)]
pub(super) struct Catalog {
    pub(super) scripts: BTreeMap<Name, Script>,
    places: BTreeMap<Name, (&'static str, At)>,
}

impl Catalog {
    /// Takes a name for a script or a workflow, as `noun` says; `false`, and a fault, when it is taken.
    pub(super) fn claim(
        &mut self,
        name: &Name,
        noun: &'static str,
        at: &At,
        report: &mut Report,
    ) -> bool {
        match self.places.get(name) {
            None => {
                self.places.insert(name.clone(), (noun, at.clone()));
                true
            }
            Some((noun, first)) => {
                let place = report.place(first, at);
                report.fault(
                    at,
                    format!(
                        "a {noun} named `{name}` already stands {place}; give each its own name"
                    ),
                );
                false
            }
        }
    }

    /// Adds a script whose name was claimed.
    pub(super) fn add(&mut self, script: Script) {
        self.scripts.insert(script.name.clone(), script);
    }
}

pub(super) fn read(
    root: &mut Map<'_>,
    paths: &Paths<'_>,
    access: &Access,
    catalog: &mut Catalog,
    report: &mut Report,
) -> Vec<Schedule> {
    let mut schedules = Vec::new();
    let Some(map) = root.section("scripts", report) else {
        return schedules;
    };
    for entry in map.entries() {
        let Some(name) = parse_name(&entry.key, &entry.at, report) else {
            continue;
        };
        let free = catalog.claim(&name, "script", &entry.at, report);
        let read = script(name, &entry.node, paths, access, report);
        if let Some((script, schedule)) = read.filter(|_| free) {
            catalog.add(script);
            schedules.extend(schedule);
        }
    }
    schedules
}

fn script(
    name: Name,
    node: &Node,
    paths: &Paths<'_>,
    access: &Access,
    report: &mut Report,
) -> Option<(Script, Option<Schedule>)> {
    let path = format!("scripts.{name}");
    let mut map = Map::open(node, path.clone(), report)?;
    let mut script = Script::new(name, Vec::new());
    script.description = map.text("description", report).map(str::to_owned);
    script.args = args::read(
        map.list("args", report),
        &format!("{path}.args"),
        Matching::Whole,
        paths,
        report,
    );
    match map.get("run") {
        Some(node) => script.run = run(node, &map.name("run"), &script.args, paths, report),
        None => map.missing("run", report),
    }
    read_rules(&mut script, &mut map, report);
    script.lock = lock(&mut map, report);
    read_undo(&mut script, &mut map, paths, report);
    script.allow = access::persons(&mut map, "allow", &access.users, report);
    read_process(&mut script, &mut map, paths, report);
    let schedule = map.optional("schedule").and_then(|node| {
        // Of a script that has faults itself, its arguments say nothing.
        let whole = !script.run.is_empty();
        whole.then(|| schedule::read(node, &map.name("schedule"), &script, access, report))?
    });
    map.finish(report);
    Some((script, schedule))
}

/// Who may run it, how often, how long, and what is told.
fn read_rules(script: &mut Script, map: &mut Map<'_>, report: &mut Report) {
    let roles = Role::ALL.map(|role| (role.as_str(), role));
    script.role = map.word("role", &roles, report).unwrap_or(script.role);
    script.confirm = map.flag("confirm", report).unwrap_or_default();
    script.timeout = optional_duration(map, "timeout", YEAR, report);
    script.grace = optional_duration(map, "grace", MAX_GRACE, report);
    let concurrency = map.integer("concurrency", 1..=64, report);
    script.concurrency = concurrency
        .and_then(|number| u32::try_from(number).ok())
        .unwrap_or(1);
    let busy = [("queue", OnBusy::Queue), ("refuse", OnBusy::Refuse)];
    script.on_busy = map.word("on_busy", &busy, report).unwrap_or_default();
    let crash = [("report", AfterCrash::Report), ("retry", AfterCrash::Retry)];
    script.on_crash = map.word("on_crash", &crash, report).unwrap_or_default();
    let output = [
        ("card", OutputMode::Card),
        ("stream", OutputMode::Stream),
        ("file", OutputMode::File),
        ("silent", OutputMode::Silent),
    ];
    script.output = map.word("output", &output, report).unwrap_or_default();
    script.tty = map.flag("tty", report).unwrap_or_default();
}

/// The name of a lock.
pub(super) fn lock(map: &mut Map<'_>, report: &mut Report) -> Option<String> {
    let node = map.optional("lock")?;
    let name = text(node, &map.name("lock"), report)?;
    if let Err(wrong) = Name::new(name) {
        report.fault(&node.at, wrong.to_string());
    }
    Some(name.to_owned())
}

/// What takes it back, for how long, and whether somebody has to confirm it.
fn read_undo(script: &mut Script, map: &mut Map<'_>, paths: &Paths<'_>, report: &mut Report) {
    let undo = map.optional("undo");
    if let Some(node) = undo {
        script.undo = argv(node, &map.name("undo"), &script.args, paths, report);
        for (index, at) in as_in_steps(node, &script.args) {
            report.warn(at, told_in_steps(&script.args[index]));
        }
    }
    let within = optional_duration(map, "undo_for", YEAR, report);
    let confirm = optional_duration(map, "confirm_within", YEAR, report);
    if undo.is_some() {
        let within = within.unwrap_or(UNDO_FOR);
        script.undo_rule = Some(Undo { within, confirm });
        return;
    }
    for key in ["undo_for", "confirm_within"] {
        if let Some(node) = map.optional(key) {
            let wrong = format!(
                "`{}` has nothing to undo; add `undo: [program]`",
                map.name(key)
            );
            report.fault(&node.at, wrong);
        }
    }
}

fn optional_duration(
    map: &mut Map<'_>,
    key: &'static str,
    most: Duration,
    report: &mut Report,
) -> Option<Duration> {
    map.optional(key)?;
    map.duration(key, most, report)
}

/// Its environment and working directory.
fn read_process(script: &mut Script, map: &mut Map<'_>, paths: &Paths<'_>, report: &mut Report) {
    if let Some(env) = map.section("env", report) {
        for entry in env.entries() {
            let value = text(&entry.node, &env.name(&entry.key), report);
            if variable_name(&entry.key, &entry.at, report)
                && let Some(value) = value
            {
                script.env.insert(entry.key.clone(), value.to_owned());
            }
        }
    }
    script.env_pass = passed(map, report);
    let set: Vec<String> = script.env.keys().cloned().collect();
    script.secrets = secrets(map, &set, paths, report);
    if let Some(node) = map.optional("cwd")
        && let Some(written) = text(node, &map.name("cwd"), report)
    {
        let cwd = absolute(paths.base, written);
        if !cwd.is_dir() {
            report.fault(
                &node.at,
                format!(
                    "the working directory {} does not exist; create it, or name another",
                    cwd.display()
                ),
            );
        }
        script.cwd = Some(cwd);
    }
}

/// The variables that are passed on.
pub(super) fn passed(map: &mut Map<'_>, report: &mut Report) -> Vec<String> {
    let names = variables(map, "env_pass", report).into_iter();
    names.map(|(name, _)| name.to_owned()).collect()
}

/// The variables that are passed on and masked; none of them may be among those that are set.
pub(super) fn secrets(
    map: &mut Map<'_>,
    set: &[String],
    paths: &Paths<'_>,
    report: &mut Report,
) -> Vec<String> {
    let mut secrets = Vec::new();
    for (name, at) in variables(map, "secrets", report) {
        if set.iter().any(|known| known == name) {
            report.fault(at, format!("`{name}` is set under `env` and listed under `secrets`; keep it under `secrets` only"));
        }
        match paths.env.get(name) {
            None => report.warn(
                at,
                format!(
                    "the secret {name} is not in the bot's environment; the script will not get it"
                ),
            ),
            Some(value) if value.chars().count() < 4 => {
                report.warn(
                    at,
                    format!("the secret {name} is shorter than 4 characters; it cannot be masked"),
                );
            }
            Some(_) => {}
        }
        secrets.push(name.to_owned());
    }
    secrets
}

/// A list of names of environment variables.
fn variables<'a>(
    map: &mut Map<'a>,
    key: &'static str,
    report: &mut Report,
) -> Vec<(&'a str, &'a At)> {
    let Some(node) = map.get(key) else {
        return Vec::new();
    };
    let mut names = texts(node, &map.name(key), report);
    names.retain(|(name, at)| variable_name(name, at, report));
    names
}

/// Whether a text is the name of a variable that a program may have.
pub(super) fn variable_name(name: &str, at: &At, report: &mut Report) -> bool {
    let shape = !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !shape {
        report.fault(
            at,
            format!(
                "`{name}` is not the name of an environment variable; use letters, digits and `_`"
            ),
        );
    } else if token::VARIABLES.contains(&name) {
        report.fault(
            at,
            format!("{name} holds the bot's own token, which no script gets; remove it"),
        );
        return false;
    }
    shape
}

/// The argv of the script itself, which uses all that is declared.
fn run(
    node: &Node,
    name: &str,
    args: &[Arg],
    paths: &Paths<'_>,
    report: &mut Report,
) -> Vec<ArgTemplate> {
    let argv = argv(node, name, args, paths, report);
    let used: Vec<usize> = argv.iter().flat_map(ArgTemplate::arguments).collect();
    let in_steps = as_in_steps(node, args);
    for (index, at) in &in_steps {
        let wrong = told_in_steps(&args[*index]);
        // Beside a right use it may be meant.
        match used.contains(index) {
            true => report.warn(at, wrong),
            false => report.fault(at, wrong),
        }
    }
    for (index, arg) in args.iter().enumerate() {
        let told = in_steps.iter().any(|(other, _)| *other == index);
        if !argv.is_empty() && !used.contains(&index) && !told {
            report.fault(&node.at, format!("the argument `{0}` is declared but not used in `run`; add \"{{{0}}}\" to the list", arg.name));
        }
    }
    argv
}

/// The arguments that a list names as the steps of a workflow name parameters, and where.
fn as_in_steps<'n>(node: &'n Node, args: &[Arg]) -> Vec<(usize, &'n At)> {
    let Value::Seq(items) = &node.value else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for item in items {
        let Value::Scalar { text, .. } = &item.value else {
            continue;
        };
        let Ok(template) = Template::parse(text) else {
            continue;
        };
        for source in template.sources() {
            if let Source::Param(name) = source
                && let Some(index) = args.iter().position(|arg| arg.name.as_str() == name)
            {
                found.push((index, &item.at));
            }
        }
    }
    found
}

fn told_in_steps(arg: &Arg) -> String {
    format!(
        "`{{{{ params.{0} }}}}` is for the steps of a workflow and plain text here; write {{{0}}} for the argument",
        arg.name
    )
}

/// An argv: a path followed by all arguments, or a list with placeholders.
fn argv(
    node: &Node,
    name: &str,
    args: &[Arg],
    paths: &Paths<'_>,
    report: &mut Report,
) -> Vec<ArgTemplate> {
    if !matches!(node.value, Value::Seq(_)) {
        let Some(written) = text(node, name, report) else {
            return Vec::new();
        };
        let program = program(written, &node.at, paths, report);
        let rest = (0..args.len()).map(ArgTemplate::argument);
        return program.into_iter().chain(rest).collect();
    }
    let elements = texts(node, name, report);
    let Some(((first, first_at), rest)) = elements.split_first() else {
        report.fault(
            &node.at,
            format!("`{name}` is empty; write a path, or a list that starts with one"),
        );
        return Vec::new();
    };
    let mut argv = Vec::new();
    match ArgTemplate::parse(first, &[]) {
        Ok(template) => argv.extend(
            template
                .as_literal()
                .and_then(|first| program(first, first_at, paths, report)),
        ),
        Err(_) => report.fault(
            first_at,
            "the program itself cannot hold placeholders; write its path",
        ),
    }
    let names: Vec<&str> = args.iter().map(|arg| arg.name.as_str()).collect();
    for (element, at) in rest {
        match ArgTemplate::parse(element, &names) {
            Ok(template) => argv.push(template),
            Err(wrong) => report.fault(at, wrong),
        }
    }
    argv
}

/// The program as an absolute path, checked; a bare name is looked up in `PATH`.
pub(super) fn program(
    written: &str,
    at: &At,
    paths: &Paths<'_>,
    report: &mut Report,
) -> Option<ArgTemplate> {
    let path = if written.contains('/') {
        absolute(paths.base, written)
    } else {
        let found = find_in_path(written, paths.env.get("PATH").unwrap_or_default());
        let Some(path) = found else {
            report.fault(
                at,
                format!(
                    "`{written}` is not found in PATH; {}",
                    path_hint(written, paths.base)
                ),
            );
            return None;
        };
        path
    };
    if let Err(wrong) = check_program(&path) {
        let hint = if !path.exists() && written.contains(' ') {
            "; a text is one path, so write options as a list: [./script.sh, --option]"
        } else {
            ""
        };
        report.fault(at, format!("{wrong}{hint}"));
        return None;
    }
    let Some(text) = path.to_str() else {
        report.fault(at, "the path is not UTF-8; rename the folder");
        return None;
    };
    Some(ArgTemplate::literal(text))
}

fn path_hint(written: &str, base: &Path) -> String {
    if base.join(written).is_file() {
        format!("for the file in {}, write ./{written}", base.display())
    } else if written.contains(' ') {
        "a text is one program, so write options as a list: [program, --option]".to_owned()
    } else {
        "install it, or write a path such as ./script.sh".to_owned()
    }
}
