//! The JSON Schema of the file, for editors: each key with its meaning, form and default.

mod checks;
mod workflows;

use std::collections::BTreeMap;

use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, Transform};
use schemars::{JsonSchema, Schema};
use serde_json::{Value, json};

use crate::base::job::{AfterCrash, OnBusy, OutputMode};
use crate::base::name::Name;
use crate::base::role::Role;
use crate::base::schedule::{Missed, Rule};
pub use checks::{CheckEntry, Device};
pub use workflows::Workflow;

/// The schema as JSON.
#[must_use]
pub fn schema() -> Value {
    let settings =
        SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let mut schema = settings.into_generator().into_root_schema_for::<File>();
    RecursiveTransform(only_named_nulls).transform(&mut schema);
    schema.to_value()
}

/// The schema as text, as it is checked in.
#[must_use]
pub fn schema_text() -> String {
    format!("{:#}\n", schema())
}

/// Most keys may be left out, but not set to null: null stays where it is the default.
fn only_named_nulls(schema: &mut Schema) {
    let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) else {
        return;
    };
    for property in properties.values_mut().filter_map(Value::as_object_mut) {
        if property.get("default") == Some(&Value::Null) {
            continue;
        }
        if let Some(Value::Array(types)) = property.get_mut("type") {
            types.retain(|kind| kind != "null");
            if let [only] = types.as_slice() {
                let only = only.clone();
                property.insert("type".to_owned(), only);
            }
        }
        if let Some(Value::Array(mut kinds)) = property.remove("anyOf") {
            kinds.retain(|kind| kind != &json!({"type": "null"}));
            if let (1, Some(Value::Object(only))) = (kinds.len(), kinds.first()) {
                for (key, value) in only.clone() {
                    property.entry(key).or_insert(value);
                }
            } else {
                property.insert("anyOf".to_owned(), Value::Array(kinds));
            }
        }
    }
}

/// A duration: numbers with units ms, s, m, h, d, such as 30s or 1h30m.
#[derive(JsonSchema)]
#[schemars(transparent)]
pub struct Time(#[schemars(regex(pattern = r"^([0-9]+(ms|s|m|h|d))+$"))] pub String);

/// A size: bytes, or a number with a unit such as 64MiB or 10MB.
#[derive(JsonSchema)]
#[schemars(transparent)]
pub struct Size(#[schemars(extend("type" = ["string", "integer"]))] pub String);

/// A single value; numbers and flags are taken as they are written.
#[derive(JsonSchema)]
#[schemars(transparent)]
pub struct Scalar(#[schemars(extend("type" = ["string", "number", "boolean"]))] pub String);

/// A path of a program, or an argv list with {placeholders}.
#[derive(JsonSchema)]
#[schemars(untagged)]
pub enum Run {
    /// A path; the declared arguments follow in their order.
    Path(String),
    /// The program, then one element each.
    Argv(Vec<Scalar>),
}

/// The configuration of Opsgram.
#[derive(JsonSchema)]
#[schemars(title = "Opsgram configuration", deny_unknown_fields)]
pub struct File {
    /// How Telegram is reached.
    pub telegram: Option<Telegram>,
    /// sqlite://FILE or postgres://USER@HOST/DB.
    #[schemars(extend("default" = "sqlite://data/opsgram.db"))]
    pub database: Option<String>,
    /// Logs, uploads and work directories.
    #[schemars(extend("default" = "data"))]
    pub data_dir: Option<String>,
    /// What relative paths start from; null: the file's folder, or its parent when that is called config.
    #[schemars(extend("default" = null))]
    pub base_dir: Option<String>,
    /// Who may use the bot; nobody else gets anything.
    pub access: Option<Access>,
    /// The limits of the job engine.
    pub jobs: Option<Jobs>,
    /// How incidents are told.
    pub alerts: Option<Alerts>,
    /// What is open to others; without it the bot listens nowhere.
    pub http: Option<Http>,
    /// What may be run from the chat, by name.
    pub scripts: Option<BTreeMap<Name, Script>>,
    /// Steps that make up one run, by name.
    pub workflows: Option<BTreeMap<Name, Workflow>>,
    /// A folder of further workflows, each in a file NAME.yaml of its own.
    #[schemars(extend("default" = null))]
    pub workflows_dir: Option<String>,
    /// Disks that are watched.
    pub monitored_devices: Option<Vec<Device>>,
    /// What is watched, by name; those that there are by themselves are changed or turned off (false) by their names.
    pub checks: Option<BTreeMap<Name, CheckEntry>>,
    /// Octopus: scripts whose output is streamed.
    pub long_running_scripts: Option<Vec<OctopusScript>>,
    /// Octopus: scripts whose output is one answer.
    pub one_time_scripts: Option<Vec<OctopusScript>>,
    /// Octopus: scripts that run by themselves.
    pub periodic_scripts: Option<Vec<OctopusPeriodic>>,
    /// Octopus: read, but not used; messages are split at Telegram's limit.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub broadcast_chunk_size: Option<i64>,
}

/// How Telegram is reached.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Telegram {
    /// The Bot API server, http:// or https://.
    #[schemars(extend("default" = "https://api.telegram.org"))]
    pub api_url: Option<String>,
    /// A file that holds the token, used when no variable does.
    #[schemars(extend("default" = null))]
    pub token_file: Option<String>,
    /// The proxy for every call: http://, https://, socks5:// or socks5h://.
    #[schemars(extend("default" = null))]
    pub proxy: Option<String>,
    /// Commands older than this are offered, not run.
    #[schemars(extend("default" = "5m"))]
    pub stale_after: Option<Time>,
}

/// Who may use the bot.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Access {
    /// The people.
    pub users: Option<Vec<User>>,
    /// The groups, each with the most that anyone may do there.
    pub chats: Option<Vec<Chat>>,
}

/// A person.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct User {
    /// The Telegram user id, which /whoami shows.
    #[schemars(range(min = 1))]
    pub id: i64,
    /// What the person is called in answers.
    #[schemars(length(min = 1, max = 64))]
    pub name: Option<String>,
    /// What the person may do.
    pub role: Role,
}

/// A group.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Chat {
    /// The group's id, a negative number.
    #[schemars(range(max = -1))]
    pub id: i64,
    /// What the group is called in answers.
    #[schemars(length(min = 1, max = 64))]
    pub name: Option<String>,
    /// The most that anyone may do there.
    pub role: Role,
    /// Topics that differ from the group.
    pub topics: Option<Vec<Topic>>,
}

/// A topic of a group.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Topic {
    /// The topic's number, which /whoami shows there.
    #[schemars(range(min = 2))]
    pub id: i64,
    /// The most that anyone may do in it.
    pub role: Role,
}

/// The limits of the job engine.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Jobs {
    /// How many jobs run at a time.
    #[schemars(range(min = 1, max = 64), extend("default" = 4))]
    pub workers: Option<i64>,
    /// How long a job may run, unless its script says otherwise.
    #[schemars(extend("default" = "10m"))]
    pub timeout: Option<Time>,
    /// How long a job may take to end after TERM, before KILL.
    #[schemars(extend("default" = "20s"))]
    pub grace: Option<Time>,
    /// How long finished jobs and their logs are kept.
    #[schemars(extend("default" = "30d"))]
    pub keep: Option<Time>,
    /// How many finished jobs are kept; the oldest go first.
    #[schemars(range(min = 1, max = 10_000_000), extend("default" = 100_000))]
    pub keep_count: Option<i64>,
    /// How much all logs, and files left on the server, together may hold; beyond that the oldest finished jobs go.
    #[schemars(extend("default" = "2GiB"))]
    pub keep_size: Option<Size>,
    /// The most that is kept of one log.
    #[schemars(extend("default" = "64MiB"))]
    pub max_log: Option<Size>,
    /// How many files that a script leaves in $OPSGRAM_OUT are sent, at the most.
    #[schemars(range(min = 0, max = 100), extend("default" = 10))]
    pub max_files: Option<i64>,
    /// The most that these files may have together.
    #[schemars(extend("default" = "100MB"))]
    pub max_files_size: Option<Size>,
    /// How many of one person's jobs run at once; the others wait.
    #[schemars(range(min = 1, max = 1000), extend("default" = 4))]
    pub per_user: Option<i64>,
    /// How many jobs may wait in all.
    #[schemars(range(min = 1, max = 100_000), extend("default" = 200))]
    pub max_queued: Option<i64>,
}

/// How incidents are told.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Alerts {
    /// Incidents that begin within this time make one message; 0s for one each.
    #[schemars(extend("default" = "10s"))]
    pub group_wait: Option<Time>,
    /// When what goes on is told again, unless its check says otherwise.
    pub repeat: Option<Repeat>,
    /// When a day is told; leave it out for never.
    pub digest: Option<Digest>,
    /// An address that is asked once a minute, so that whoever is behind it notices when that stops.
    #[schemars(extend("default" = null))]
    pub heartbeat_url: Option<String>,
}

/// What is open to others.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Http {
    /// Where pushes come to, such as 127.0.0.1:8790; null: nowhere.
    #[schemars(extend("default" = null))]
    pub listen: Option<String>,
}

/// A duration, or never.
#[derive(JsonSchema)]
#[schemars(transparent)]
pub struct Period(#[schemars(regex(pattern = r"^(never|([0-9]+(ms|s|m|h|d))+)$"))] pub String);

/// When what goes on is told again; what is left out is as in the section `alerts`, and there 24h and 4h.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Repeat {
    /// A warning.
    pub warning: Option<Period>,
    /// What is critical.
    pub critical: Option<Period>,
}

/// When a day is told.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Digest {
    /// The time of day, HH:MM.
    pub at: String,
    /// The time zone, such as Europe/Berlin.
    #[schemars(extend("default" = "UTC"))]
    pub zone: Option<String>,
}

/// What may be run from the chat.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Script {
    /// What it does.
    pub description: Option<String>,
    /// The program: a path, or an argv list with {placeholders}.
    pub run: Run,
    /// The declared arguments, required ones first.
    pub args: Option<Vec<Arg>>,
    /// The lowest role that may run it.
    #[schemars(extend("default" = "operator"))]
    pub role: Option<Role>,
    /// Persons who may run it whatever their role: ids, or names under access.users.
    pub allow: Option<Vec<Scalar>>,
    /// Whether the whole command is shown and confirmed first.
    #[schemars(extend("default" = false))]
    pub confirm: Option<bool>,
    /// How long it may run; null: as jobs.timeout says.
    #[schemars(extend("default" = null))]
    pub timeout: Option<Time>,
    /// How long it may take to end after TERM; null: as jobs.grace says.
    #[schemars(extend("default" = null))]
    pub grace: Option<Time>,
    /// How many may run at a time.
    #[schemars(range(min = 1, max = 64), extend("default" = 1))]
    pub concurrency: Option<i64>,
    /// What happens to a start beyond that.
    #[schemars(extend("default" = "queue"))]
    pub on_busy: Option<OnBusy>,
    /// What happens when the bot died while it ran.
    #[schemars(extend("default" = "report"))]
    pub on_crash: Option<AfterCrash>,
    /// How its output reaches the chat.
    #[schemars(extend("default" = "card"))]
    pub output: Option<OutputMode>,
    /// Whether it gets a pseudo-terminal.
    #[schemars(extend("default" = false))]
    pub tty: Option<bool>,
    /// Variables set for it.
    pub env: Option<BTreeMap<String, Scalar>>,
    /// Variables passed on from the bot's environment.
    pub env_pass: Option<Vec<String>>,
    /// Variables passed on and masked wherever they would be shown or stored.
    pub secrets: Option<Vec<String>>,
    /// Its working directory; null: base_dir.
    #[schemars(extend("default" = null))]
    pub cwd: Option<String>,
    /// The named lock that it has while it runs, shared with other scripts and with steps of workflows.
    #[schemars(extend("default" = null))]
    pub lock: Option<Name>,
    /// The program that takes back what it did, with the same placeholders.
    pub undo: Option<Run>,
    /// For how long after its success it may be taken back.
    #[schemars(extend("default" = "10m"))]
    pub undo_for: Option<Time>,
    /// After its success somebody has to confirm it within this time, else it is taken back by itself; null: nobody has to.
    #[schemars(extend("default" = null))]
    pub confirm_within: Option<Time>,
    /// When it runs by itself; null: only when somebody starts it.
    #[schemars(extend("default" = null))]
    pub schedule: Option<Schedule>,
}

/// When a script runs by itself.
#[derive(JsonSchema)]
#[schemars(untagged)]
pub enum Schedule {
    /// every 30s, 06:30, or a cron expression of five fields.
    When(String),
    /// All there is to say.
    Whole(Box<WholeSchedule>),
}

/// When a script runs by itself, and what is told of that.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct WholeSchedule {
    /// every 30s, 06:30, or a cron expression of five fields.
    pub when: String,
    /// The clock of a time of day: a name such as Europe/Berlin, or machine.
    #[schemars(extend("default" = "machine"))]
    pub zone: Option<String>,
    /// Up to so much later, always the same for one run.
    pub jitter: Option<Time>,
    /// What becomes of runs whose time passed while the bot was away.
    #[schemars(extend("default" = "once"))]
    pub missed: Option<Missed>,
    /// The arguments, by name or in their order.
    pub args: Option<Given>,
    /// Which runs are told; on_failure for a script with output: silent.
    #[schemars(extend("default" = "on_output"))]
    pub output: Option<Rule>,
    /// How a failed run is tried again.
    pub retry: Option<Retry>,
    /// Where runs are told: ids of chats, CHAT/TOPIC, or names under access; when left out, to the owners in private.
    pub to: Option<Places>,
    /// Whether it runs.
    #[schemars(extend("default" = true))]
    pub enabled: Option<bool>,
}

/// Arguments of a run.
#[derive(JsonSchema)]
#[schemars(untagged)]
pub enum Given {
    /// By name.
    Named(BTreeMap<Name, Scalar>),
    /// In their order.
    Listed(Vec<Scalar>),
}

/// One place or several.
#[derive(JsonSchema)]
#[schemars(untagged)]
pub enum Places {
    /// One.
    One(Scalar),
    /// Several.
    Several(Vec<Scalar>),
}

/// How what failed is tried again.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Retry {
    /// How often, the first time left out.
    #[schemars(range(min = 1, max = 19), extend("default" = 2))]
    pub times: Option<i64>,
    /// The pause before the second try.
    #[schemars(extend("default" = "10s"))]
    pub backoff: Option<Time>,
    /// Each further pause is so many times as long.
    #[schemars(range(min = 1, max = 10), extend("default" = 2))]
    pub factor: Option<i64>,
    /// The longest pause.
    #[schemars(extend("default" = "1h"))]
    pub max: Option<Time>,
    /// Up to so much longer.
    pub jitter: Option<Time>,
    /// Exit codes that another try would not change.
    pub not_on: Option<Vec<i64>>,
}

/// What kind of value an argument takes.
#[derive(JsonSchema)]
#[schemars(rename_all = "snake_case")]
pub enum Type {
    /// Any text that its other rules allow.
    Text,
    /// A whole number.
    Integer,
    /// Yes or no; passed on as true or false.
    Boolean,
    /// A file that is sent to the bot; passed on as the path where it was put.
    File,
}

/// A declared argument.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Arg {
    /// Its name, for {placeholders} and name=value.
    pub name: Name,
    /// What it is for; shown when it is asked for.
    pub description: Option<String>,
    /// What kind of value it takes.
    #[schemars(rename = "type", extend("default" = "text"))]
    pub kind: Option<Type>,
    /// Of an integer: the least.
    pub min: Option<i64>,
    /// Of an integer: the most.
    pub max: Option<i64>,
    /// Of a file: the largest; Telegram gives bots none beyond 20MiB.
    #[schemars(extend("default" = "20MiB"))]
    pub max_size: Option<Size>,
    /// Of a file: endings such as .sql or types such as image/*.
    #[schemars(length(min = 1))]
    pub accept: Option<Vec<String>>,
    /// The only values allowed.
    #[schemars(length(min = 1))]
    pub choices: Option<Vec<Scalar>>,
    /// A program that prints the only values allowed, one a line; {placeholders} stand for arguments declared before.
    pub choices_from: Option<Run>,
    /// How long its answer counts.
    #[schemars(extend("default" = "1m"))]
    pub choices_ttl: Option<Time>,
    /// How long it may take, at most 30s.
    #[schemars(extend("default" = "5s"))]
    pub choices_timeout: Option<Time>,
    /// A regular expression that the whole value must match.
    pub pattern: Option<String>,
    /// What to write, in words, told in place of the pattern.
    pub hint: Option<String>,
    /// The value when none is given.
    #[schemars(extend("default" = null))]
    pub default: Option<Scalar>,
    /// Whether it may be left out although it has no default.
    #[schemars(extend("default" = false))]
    pub optional: Option<bool>,
    /// Whether a value may start with a dash.
    #[schemars(extend("default" = false))]
    pub allow_dash: Option<bool>,
    /// The longest value, in characters.
    #[schemars(range(min = 1, max = 4096), extend("default" = 256))]
    pub max_len: Option<i64>,
}

/// A script in an Octopus list.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct OctopusScript {
    /// Its name.
    pub name: Name,
    /// The program.
    pub path: String,
    /// Whether only admins may run it.
    #[schemars(extend("default" = false))]
    pub admin_only: Option<bool>,
}

/// A script that is to run by itself.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct OctopusPeriodic {
    /// Its name.
    pub name: Name,
    /// The program.
    pub path: String,
    /// Whether only admins may start it by hand.
    #[schemars(extend("default" = false))]
    pub admin_only: Option<bool>,
    /// Seconds from one run to the next.
    #[schemars(extend("default" = null))]
    pub interval: Option<i64>,
    /// The time of day of one run a day, HH:MM.
    #[schemars(extend("default" = null))]
    pub time: Option<String>,
}
