//! What is watched, as the schema has it.

use super::{Repeat, Run, Scalar, Time};
use crate::base::name::Name;
use crate::config::checks::CheckKind;
use schemars::JsonSchema;

/// A disk that is watched.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Device {
    /// What it is called in answers.
    pub name: Scalar,
    /// Any path on it.
    pub path: String,
    /// The use, in percent, from which it counts as too full.
    #[schemars(range(min = 0, max = 100), extend("default" = 80))]
    pub alert_threshold: Option<f64>,
}

/// A check, or false to turn one off that there is by itself.
#[derive(JsonSchema)]
#[schemars(untagged)]
pub enum CheckEntry {
    /// Turned off.
    Off(#[schemars(extend("const" = false))] bool),
    /// A check.
    On(Box<Check>),
}

/// What of it is measured.
#[derive(JsonSchema)]
#[schemars(rename_all = "snake_case")]
pub enum Measure {
    /// Of a disk: the used part.
    Percent,
    /// Of a disk: what is free.
    Free,
    /// Of a disk: the used part of the inodes.
    Inodes,
    /// Of a disk: the time until it is full.
    FullIn,
    /// Of throughput: what is read from disks.
    DiskRead,
    /// Of throughput: what is written to disks.
    DiskWrite,
    /// Of throughput: what is received.
    NetIn,
    /// Of throughput: what is sent.
    NetOut,
    /// Of a file: the time since it was changed.
    Age,
    /// Of a file: its size.
    Size,
    /// Of a file: new lines that match.
    Lines,
    /// Of Opsgram: jobs that were lost within the hour.
    LostJobs,
    /// Of Opsgram: how many jobs wait, in percent of how many may.
    Backlog,
    /// Of Opsgram: messages that could not be delivered within the hour.
    Undelivered,
    /// Of Opsgram: whether the configuration on the disk has a fault.
    Reload,
    /// Of Opsgram: how late its looks are.
    Lateness,
    /// Of Opsgram: whether the port that pushes come to is open.
    Port,
    /// Of Opsgram: how long nothing was learned from GitHub.
    Github,
    /// Of Opsgram: how long the address of `alerts.heartbeat_url` was not reached.
    Heartbeat,
}

/// How bad something is.
#[derive(JsonSchema)]
#[schemars(rename_all = "snake_case")]
pub enum HowBad {
    /// To be looked at.
    Warning,
    /// To be looked at now.
    Critical,
}

/// One value, or a list of them.
#[derive(JsonSchema)]
#[schemars(untagged)]
pub enum OneOrMore {
    /// One.
    One(Scalar),
    /// More.
    More(Vec<Scalar>),
}

/// Something that is watched. Which keys it has depends on its kind.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Check {
    /// What it looks at; may be left out where a check is changed that there is by itself.
    pub kind: Option<CheckKind>,
    /// The time from one look to the next; 10s for values of this machine, else 1m.
    pub every: Option<Time>,
    /// How long it has to be bad before that is told; 0s: at the first look.
    #[schemars(rename = "for")]
    pub hold: Option<Time>,
    /// How long one look may take.
    #[schemars(extend("default" = "10s"))]
    pub timeout: Option<Time>,
    /// A warning from this value on: a percentage, size, time or number.
    pub warn: Option<Scalar>,
    /// Critical from this value on.
    pub crit: Option<Scalar>,
    /// Both are over at this value.
    pub clear: Option<Scalar>,
    /// A warning is over at this value; a little better than warn when left out.
    pub clear_warn: Option<Scalar>,
    /// What is critical is less so at this value; a little better than crit when left out.
    pub clear_crit: Option<Scalar>,
    /// How bad it is when what was found is wrong in itself, such as a port that is closed.
    pub severity: Option<HowBad>,
    /// When what is still bad is told again.
    pub repeat: Option<Repeat>,
    /// What subscribers choose by.
    pub topic: Option<Name>,
    /// Who is told, whatever they subscribed to: ids, or names under access. Owners who chose nothing are then told only if they
    /// are named.
    pub notify: Option<Vec<Scalar>>,
    /// The script that mends it.
    pub fix: Option<Name>,
    /// Lets the script start by itself.
    pub fix_auto: Option<FixAuto>,
    /// A file with the number of a process: while that lives, nobody looks.
    pub lock: Option<String>,
    /// Of load: divided by the number of processors.
    #[schemars(extend("default" = true))]
    pub per_core: Option<bool>,
    /// Of a disk or file: its path.
    pub path: Option<String>,
    /// Of a disk, throughput, a file or opsgram: what of it.
    pub measure: Option<Measure>,
    /// Of throughput: one disk or network interface.
    pub device: Option<String>,
    /// Of temperature: sensors whose label holds this.
    pub sensor: Option<String>,
    /// Of a process or dns: its name.
    pub name: Option<Scalar>,
    /// Of a process or the lines of a file: a regular expression.
    pub pattern: Option<String>,
    /// Of a process: the fewest that must run.
    #[schemars(range(min = 0, max = 1_000_000), extend("default" = 1))]
    pub min: Option<i64>,
    /// Of a process: the most that may run.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub max: Option<i64>,
    /// Of a unit: those that must run; when left out, none may have failed.
    pub units: Option<OneOrMore>,
    /// Of the lines of a file: how long they count.
    #[schemars(extend("default" = "10m"))]
    pub within: Option<Time>,
    /// Of url and clock: the address.
    pub url: Option<String>,
    /// Of url: the codes that are right; when left out, 200 to 399.
    pub status: Option<OneOrMore>,
    /// Of url: a text that the answer must hold.
    pub contains: Option<Scalar>,
    /// Of url: a regular expression that the answer must match.
    pub matches: Option<String>,
    /// Of url: how much time its certificate must still have.
    pub tls: Option<Tls>,
    /// Of url: a file with the certificate of an authority of one's own, PEM.
    pub ca: Option<String>,
    /// Of tcp: host:port.
    pub address: Option<String>,
    /// Of dns: addresses that the name must have.
    pub expect: Option<OneOrMore>,
    /// Of docker: the container's name.
    pub container: Option<String>,
    /// Of docker: the engine's socket.
    #[schemars(extend("default" = "/var/run/docker.sock"))]
    pub socket: Option<String>,
    /// Of script: the program, or a list of it and its arguments.
    pub run: Option<Run>,
    /// Of heartbeat: the script.
    pub script: Option<Name>,
    /// Of heartbeat: the secret token of a push, or ${NAME} for the variable that holds it.
    pub push: Option<String>,
}

/// Lets a script start by itself.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct FixAuto {
    /// How often an hour, at the most.
    #[schemars(range(min = 1, max = 60))]
    pub per_hour: i64,
}

/// How much time a certificate must still have.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Tls {
    /// A warning below this.
    #[schemars(extend("default" = "14d"))]
    pub warn: Option<Time>,
    /// Critical below this.
    #[schemars(extend("default" = "3d"))]
    pub crit: Option<Time>,
}
