//! The configuration: one YAML file plus the environment, checked whole before anything starts.

mod access;
mod alerts;
mod args;
mod at_github;
mod changes;
mod checks;
mod choices;
mod database;
mod devices;
mod env;
mod fault;
mod http;
mod jobs;
mod kind;
mod live;
mod map;
mod octopus;
mod program;
mod read;
mod resolve;
mod retry;
mod schedule;
pub mod schema;
mod scripts;
mod size;
mod telegram;
mod template;
#[cfg(test)]
mod tests;
mod token;
mod tree;
mod workflows;

use std::collections::BTreeMap;
use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::base::name::Name;
use crate::base::workflow::{Step, Work};
use fault::{At, Report};
use map::Map;
use read::{absolute, text};
use tree::{Node, Value};

pub use access::{Access, Chat, User};
pub use alerts::{Alerts, Digest, Repeat};
pub use args::Arg;
pub use at_github::{AtGitHub, Ended, Fact};
pub use changes::{Changes, Differing};
pub use checks::{
    Check, CheckKind, DOCKER_SOCKET, DiskMeasure, FileMeasure, Fix, Flow, Limits, Own, Probe,
    PushToken,
};
pub use choices::ChoicesFrom;
pub use database::Database;
pub use devices::{Device, THRESHOLD as DISK_THRESHOLD};
pub use env::Env;
pub use fault::{Fault, Faults};
pub use http::Http;
pub use jobs::Jobs;
pub use kind::{Accept, FileRule, Kind, MAX_FILE as MAX_INCOMING_FILE};
pub use live::{Live, Outcome, Question, Reloads, Wanted};
pub use program::check_program;
pub use resolve::{ArgError, ResolvedArgs};
pub use schedule::{Follows, Schedule};
pub use schema::{schema, schema_text};
pub use scripts::{Kept, PASSED, Script};
pub use telegram::Telegram;
pub use template::ArgTemplate;
pub use token::{TokenSource, is_token};
pub use workflows::check_params;

/// Everything the file and the environment say. Deliberately without `Debug`: it holds secrets.
#[derive(Clone)]
pub struct Config {
    /// How Telegram is reached.
    pub telegram: Telegram,
    /// Where the state is kept.
    pub database: Database,
    /// Logs, uploads and work directories; absolute, and not yet created.
    pub data_dir: PathBuf,
    /// What relative paths start from; absolute.
    pub base_dir: PathBuf,
    /// Who may.
    pub access: Access,
    /// The limits of the job engine.
    pub jobs: Jobs,
    /// How incidents are told.
    pub alerts: Alerts,
    /// What is open to others.
    pub http: Http,
    /// What may be run, by name; workflows, and those of Octopus lists, included.
    pub scripts: BTreeMap<Name, Script>,
    /// Where further workflows are, a file each; absolute.
    pub workflows_dir: Option<PathBuf>,
    /// The disks that are watched.
    pub monitored_devices: Vec<Device>,
    /// When scripts run by themselves, each under the name of its script.
    pub schedules: Vec<Schedule>,
    /// What is watched, by name; the disks above and the defaults included.
    pub checks: BTreeMap<Name, Check>,
}

impl Config {
    /// The workflows among the scripts.
    pub fn workflows(&self) -> impl Iterator<Item = &Script> {
        let scripts = self.scripts.values();
        scripts.filter(|script| script.steps.is_some())
    }
}

/// A configuration that was read without a fault.
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// What the person should know all the same.
    pub warnings: Vec<Fault>,
    /// The file, absolute.
    pub file: PathBuf,
    /// The keys at its top.
    pub keys: Vec<String>,
    /// The file's content, to see whether it changed.
    pub hash: ContentHash,
}

/// Tells one content of the file from another, within one run of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentHash(u64);

impl ContentHash {
    /// Of the file, and of those in the folder of workflows.
    fn of(bytes: &[u8], beside: &[workflows::Gathered]) -> Self {
        let mut hasher = DefaultHasher::new();
        bytes.hash(&mut hasher);
        for file in beside {
            file.path.hash(&mut hasher);
            file.content.hash(&mut hasher);
        }
        Self(hasher.finish())
    }
}

/// What the sections need to know of the outside.
struct Paths<'a> {
    base: &'a Path,
    env: &'a Env,
}

const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);
/// The largest file that is read, in bytes; more is surely the wrong file.
const MAX_FILE: u64 = 1 << 20;

/// Where the file is in a folder of the source, or of one's own.
const HERE: &str = "config/opsgram.yaml";
/// Where it is on a machine on which the bot is installed.
const INSTALLED: &str = "/etc/opsgram/opsgram.yaml";

/// The configuration file when none is named: `OPSGRAM_CONFIG`, else `config/opsgram.yaml` in this folder, else that of
/// the installed bot.
#[must_use]
pub fn default_path(env: &Env) -> PathBuf {
    let named = env.get("OPSGRAM_CONFIG").filter(|path| !path.is_empty());
    let here = || match !Path::new(HERE).exists() && Path::new(INSTALLED).exists() {
        true => INSTALLED,
        false => HERE,
    };
    PathBuf::from(named.unwrap_or_else(here))
}

/// Reads and checks the file and the variables that override it.
///
/// Nothing is created or changed. An empty file is a valid one, with every key at its default.
///
/// # Errors
/// All [`Faults`] at once; then there is no configuration, not even a partial one.
pub fn load(path: &Path, env: &Env) -> Result<Loaded, Faults> {
    let mut report = Report::default();
    let mut content = String::new();
    let mut config = None;
    match read_file(path) {
        Ok(bytes) => {
            content = decode(bytes.clone(), &mut report);
            let file = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
            config = tree::parse(&content, &mut report).and_then(|mut tree| {
                let keys = keys(&tree);
                env::apply(env, &mut tree, &mut report);
                let beside = beside(&tree, &file, &mut report);
                let hash = ContentHash::of(&bytes, &beside);
                let config = build(&tree, &file, env, beside, &mut report)?;
                Some((config, file, hash, keys))
            });
        }
        Err(wrong) => report.fault(&At::File, wrong),
    }
    let (faults, warnings) = report.finish(path, &content);
    match config {
        Some((config, file, hash, keys)) if faults.is_empty() => Ok(Loaded {
            config,
            warnings,
            file,
            keys,
            hash,
        }),
        Some(_) | None => Err(Faults(faults)),
    }
}

/// The hash of the file, and of the files in the folder of workflows that it names, as they are now; to compare with
/// [`Loaded::hash`].
///
/// # Errors
/// Why the file cannot be read.
pub fn content_hash(path: &Path, env: &Env) -> Result<ContentHash, String> {
    let bytes = read_file(path)?;
    // What is wrong is told when it is loaded.
    let mut report = Report::default();
    let content = decode(bytes.clone(), &mut report);
    let file = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let beside = match tree::parse(&content, &mut report) {
        Some(mut tree) => {
            env::apply(env, &mut tree, &mut report);
            beside(&tree, &file, &mut report)
        }
        None => Vec::new(),
    };
    Ok(ContentHash::of(&bytes, &beside))
}

/// The keys at the top of the file.
fn keys(tree: &Node) -> Vec<String> {
    let entries = match &tree.value {
        Value::Map(entries) => entries.as_slice(),
        Value::Null | Value::Scalar { .. } | Value::Seq(_) => &[],
    };
    entries.iter().map(|entry| entry.key.clone()).collect()
}

/// The files in the folder of workflows, if one is named.
fn beside(tree: &Node, file: &Path, report: &mut Report) -> Vec<workflows::Gathered> {
    // What is wrong with the file as a whole is told when its sections are read.
    let mut quiet = Report::default();
    let Some(mut root) = Map::open(tree, "", &mut quiet) else {
        return Vec::new();
    };
    let base_dir = base_dir(&mut root, file, &mut quiet);
    let Some((folder, at)) = workflows::folder(&mut root, &base_dir, report) else {
        return Vec::new();
    };
    workflows::gather(&folder).unwrap_or_else(|wrong| {
        report.fault(&at, wrong);
        Vec::new()
    })
}

fn read_file(path: &Path) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut bytes))
        .map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => missing(path).to_owned(),
            _ => format!("the file cannot be read ({error}); name another with --config"),
        })?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(
            "the file is larger than 1 MiB; name the configuration with --config".to_owned(),
        );
    }
    Ok(bytes)
}

/// What to do about a file that is not there: whoever named it may have mistyped it.
fn missing(path: &Path) -> &'static str {
    match path == Path::new(HERE) || path == Path::new(INSTALLED) {
        true => {
            "there is no such file; run `opsgram init` first, or name a configuration with --config"
        }
        false => "there is no such file; see whether the name is right; `opsgram init` makes one",
    }
}

/// The text of the file; a byte that is not UTF-8 is a fault.
fn decode(bytes: Vec<u8>, report: &mut Report) -> String {
    let text = String::from_utf8(bytes).unwrap_or_else(|error| {
        let good = String::from_utf8_lossy(&error.as_bytes()[..error.utf8_error().valid_up_to()]);
        let line = good.matches('\n').count() + 1;
        let column = good.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        report.fault(
            &At::Line(line, column),
            "this byte is not UTF-8; save the file as UTF-8",
        );
        String::from_utf8_lossy(error.as_bytes()).into_owned()
    });
    match text.strip_prefix('\u{feff}') {
        Some(rest) => rest.to_owned(),
        None => text,
    }
}

fn build(
    tree: &Node,
    file: &Path,
    env: &Env,
    beside: Vec<workflows::Gathered>,
    report: &mut Report,
) -> Option<Config> {
    let mut root = Map::open(tree, "", report)?;
    let base_dir = base_dir(&mut root, file, report);
    let paths = Paths {
        base: &base_dir,
        env,
    };
    let telegram = telegram::read(&mut root, &paths, report);
    let database = database::read(&mut root, &paths, report);
    let data_dir = root.text("data_dir", report).unwrap_or("data");
    let data_dir = absolute(&base_dir, data_dir);
    let access = access::read(&mut root, report);
    let jobs = jobs::read(&mut root, report);
    let alerts = alerts::read(&mut root, report);
    let http = http::read(&mut root, report);
    let mut catalog = scripts::Catalog::default();
    let mut schedules = scripts::read(&mut root, &paths, &access, &mut catalog, report);
    schedules.extend(octopus::read(&mut root, &paths, &mut catalog, report));
    // What the folder holds was read with the file, and what is wrong with it was told.
    let folder = workflows::folder(&mut root, &base_dir, &mut Report::default());
    let workflows_dir = folder.map(|(folder, _)| folder);
    let beside = workflows::parse(beside, report);
    let around = workflows::Around {
        paths: &paths,
        access: &access,
        timeout: jobs.timeout,
    };
    let flows = workflows::read(&mut root, &beside, &around, &mut catalog, report);
    schedules.extend(flows);
    let monitored_devices = devices::read(&mut root, &base_dir, report);
    let around = checks::Around {
        paths: &paths,
        data_dir: &data_dir,
        access: &access,
        repeat: alerts.repeat,
        listens: http.listen.is_some(),
        asks_github: asks_github(&schedules, &catalog.scripts),
        has_heartbeat: alerts.heartbeat_url.is_some(),
        catalog: &catalog,
        devices: &monitored_devices,
    };
    let checks = checks::read(&mut root, &around, report);
    root.finish(report);
    Some(Config {
        telegram,
        database,
        data_dir,
        base_dir,
        access,
        jobs,
        alerts,
        http,
        scripts: catalog.scripts,
        workflows_dir,
        monitored_devices,
        schedules,
        checks,
    })
}

/// Whether something follows runs at GitHub, or keeps one going.
fn asks_github(schedules: &[Schedule], scripts: &BTreeMap<Name, Script>) -> bool {
    let follows = |one: &Schedule| matches!(one.follows, Some(Follows::GitHub(_)));
    let keeps = |step: &Step| matches!(step.work, Work::Github { keep: true, .. });
    let mut flows = (scripts.values()).filter_map(|script| script.steps.as_deref());
    schedules.iter().any(follows)
        || flows.any(|flow| flow.steps.iter().chain(&flow.always).any(keeps))
}

/// The named folder, which starts from the file's own; else the file's folder, or its parent when that is called `config`.
fn base_dir(root: &mut Map<'_>, file: &Path, report: &mut Report) -> PathBuf {
    let folder = file.parent().unwrap_or(Path::new("/"));
    if let Some(node) = root.optional("base_dir")
        && let Some(written) = text(node, "base_dir", report)
    {
        let base = absolute(folder, written);
        if !base.is_dir() {
            report.fault(
                &node.at,
                format!(
                    "the folder {} does not exist; create it, or name another",
                    base.display()
                ),
            );
        }
        return base;
    }
    let named_config = folder.file_name().is_some_and(|name| name == "config");
    match folder.parent() {
        Some(parent) if named_config => parent.to_owned(),
        Some(_) | None => folder.to_owned(),
    }
}
