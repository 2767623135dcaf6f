//! What a check looks at.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use regex::Regex;
use schemars::JsonSchema;
use url::Url;

use super::limits::Limits;
use super::push::PushToken;
use crate::base::alert::Severity;
use crate::base::name::Name;

/// One table for the kinds, the words that name them, and what the schema says of them.
macro_rules! kinds {
    ($($(#[$doc:meta])+ $kind:ident = $word:literal,)+) => {
        /// What a check looks at.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
        pub enum CheckKind {
            $($(#[$doc])+ #[schemars(rename = $word)] $kind,)+
        }

        impl CheckKind {
            /// All kinds by their words.
            pub const ALL: &[(&str, CheckKind)] = &[$(($word, CheckKind::$kind)),+];

            /// As it stands in the configuration.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(CheckKind::$kind => $word,)+
                }
            }
        }
    };
}

kinds! {
    /// The use of the processors, in percent.
    Cpu = "cpu",
    /// The load over five minutes.
    Load = "load",
    /// The use of the memory, in percent.
    Memory = "memory",
    /// The use of the swap space, in percent.
    Swap = "swap",
    /// A file system.
    Disk = "disk",
    /// What flows through disks or network interfaces, in bytes a second.
    Throughput = "throughput",
    /// The highest temperature, in degrees Celsius.
    Temperature = "temperature",
    /// Processes.
    Process = "process",
    /// Units of systemd.
    Unit = "unit",
    /// A file: its age, its size, or its new lines.
    File = "file",
    /// What a web server answers.
    Url = "url",
    /// Whether a port takes connections.
    Tcp = "tcp",
    /// Whether a name has addresses.
    Dns = "dns",
    /// A container of Docker.
    Docker = "docker",
    /// A program in the manner of Nagios.
    Script = "script",
    /// The time since a script last succeeded, or a push came.
    Heartbeat = "heartbeat",
    /// Whether the machine was started anew.
    Reboot = "reboot",
    /// The distance to the clock of a web server.
    Clock = "clock",
    /// How Opsgram itself is doing.
    Opsgram = "opsgram",
}

/// What a check looks at.
#[derive(Clone, Debug)]
pub enum Probe {
    /// The use of the processors, in percent.
    Cpu,
    /// The load over five minutes.
    Load {
        /// Divided by the number of processors.
        per_core: bool,
    },
    /// The use of the memory, in percent.
    Memory,
    /// The use of the swap space, in percent.
    Swap,
    /// A file system.
    Disk {
        /// Any path on it, absolute.
        path: PathBuf,
        /// What of it.
        measure: DiskMeasure,
    },
    /// How much is read, written, received or sent, in bytes a second.
    Throughput {
        /// What of it.
        flow: Flow,
        /// One disk or network interface; `None`: all together.
        device: Option<String>,
    },
    /// The highest temperature, in degrees Celsius.
    Temperature {
        /// Only of sensors whose label holds this text.
        sensor: Option<String>,
    },
    /// Processes, by name or command line.
    Process {
        /// The name of the program.
        name: Option<String>,
        /// An expression that its command line matches.
        pattern: Option<Regex>,
        /// The fewest that must run.
        min: u64,
        /// The most that may run.
        max: Option<u64>,
    },
    /// Units of systemd.
    Unit {
        /// These must run; empty: none may have failed.
        units: Vec<String>,
    },
    /// A file.
    File {
        /// Its path, absolute.
        path: PathBuf,
        /// What of it.
        measure: FileMeasure,
    },
    /// What a web server answers; the measured value is how long it takes, in seconds.
    Url {
        /// The address, http or https.
        url: Url,
        /// The codes that are right; empty: 200 to 399.
        status: Vec<u16>,
        /// A text that the answer must hold.
        contains: Option<String>,
        /// An expression that the answer must match.
        matches: Option<Regex>,
        /// How much time the certificate must still have, in seconds.
        tls: Limits,
        /// A file with the certificate of an authority of one's own, in PEM form.
        ca: Option<PathBuf>,
    },
    /// Whether a port takes connections; the measured value is how long that takes, in seconds.
    Tcp {
        /// The host, by name or address.
        host: String,
        /// The port.
        port: u16,
    },
    /// Whether a name has addresses; the measured value is how long that takes, in seconds.
    Dns {
        /// The name.
        name: String,
        /// Addresses that it must have.
        expect: Vec<IpAddr>,
    },
    /// A container of Docker; the measured value is how often it was started again in the last hour.
    Docker {
        /// Its name or id.
        container: String,
        /// The engine's socket.
        socket: PathBuf,
    },
    /// A program in the manner of Nagios: exit code 0 well, 1 warning, 2 critical, else not to be read.
    Script {
        /// The program, absolute, and its arguments.
        argv: Vec<String>,
    },
    /// The time since a script last succeeded as a job, in seconds.
    Heartbeat {
        /// The script.
        script: Name,
    },
    /// The time since a push came, in seconds.
    Push {
        /// What it is known by; `None` when the variable that holds it is not set, so that none can come.
        token: Option<PushToken>,
    },
    /// Whether the machine was started anew.
    Reboot,
    /// The distance between the clock here and that of a web server, in seconds.
    Clock {
        /// The address, http or https.
        url: Url,
    },
    /// How the product itself is doing.
    Opsgram {
        /// What of it.
        measure: Own,
    },
}

/// What of a file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskMeasure {
    /// The used part, in percent.
    Percent,
    /// What is free for ordinary users, in bytes.
    Free,
    /// The used part of the inodes, in percent.
    Inodes,
    /// The time until it is full if it goes on like that, in seconds.
    FullIn,
}

/// What flows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Read from disks.
    DiskRead,
    /// Written to disks.
    DiskWrite,
    /// Received from the network.
    NetIn,
    /// Sent to the network.
    NetOut,
}

/// What of a file.
#[derive(Clone, Debug)]
pub enum FileMeasure {
    /// The time since it was changed, in seconds.
    Age,
    /// Its size, in bytes.
    Size,
    /// How many of the lines that were added match.
    Lines {
        /// The expression.
        pattern: Regex,
        /// Lines are counted so long.
        within: Duration,
    },
}

/// What of the product itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Own {
    /// Jobs that were lost in the last hour.
    LostJobs,
    /// The jobs that wait, in percent of how many may.
    Backlog,
    /// Messages that could not be delivered in the last hour.
    Undelivered,
    /// Whether the configuration on the disk has a fault.
    Reload,
    /// How late the looks are, in seconds.
    Lateness,
    /// Whether the port that pushes come to is open.
    Port,
    /// How long nothing was learned from GitHub, in seconds.
    GitHub,
    /// How long the address that wants to hear from the bot was not reached, in seconds.
    Heartbeat,
}

impl Probe {
    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> CheckKind {
        match self {
            Probe::Cpu => CheckKind::Cpu,
            Probe::Load { .. } => CheckKind::Load,
            Probe::Memory => CheckKind::Memory,
            Probe::Swap => CheckKind::Swap,
            Probe::Disk { .. } => CheckKind::Disk,
            Probe::Throughput { .. } => CheckKind::Throughput,
            Probe::Temperature { .. } => CheckKind::Temperature,
            Probe::Process { .. } => CheckKind::Process,
            Probe::Unit { .. } => CheckKind::Unit,
            Probe::File { .. } => CheckKind::File,
            Probe::Url { .. } => CheckKind::Url,
            Probe::Tcp { .. } => CheckKind::Tcp,
            Probe::Dns { .. } => CheckKind::Dns,
            Probe::Docker { .. } => CheckKind::Docker,
            Probe::Script { .. } => CheckKind::Script,
            Probe::Heartbeat { .. } | Probe::Push { .. } => CheckKind::Heartbeat,
            Probe::Reboot => CheckKind::Reboot,
            Probe::Clock { .. } => CheckKind::Clock,
            Probe::Opsgram { .. } => CheckKind::Opsgram,
        }
    }

    /// Whether it is a value of this machine that costs next to nothing.
    #[must_use]
    pub fn is_of_host(&self) -> bool {
        matches!(
            self,
            Probe::Cpu
                | Probe::Load { .. }
                | Probe::Memory
                | Probe::Swap
                | Probe::Throughput { .. }
                | Probe::Temperature { .. }
        ) || matches!(
            self,
            Probe::Disk {
                measure: DiskMeasure::Percent | DiskMeasure::Free | DiskMeasure::Inodes,
                ..
            }
        )
    }

    /// What subscribers choose by, unless the check says otherwise.
    #[must_use]
    pub fn topic(&self) -> &'static str {
        match self.kind() {
            CheckKind::Swap => CheckKind::Memory.as_str(),
            CheckKind::Throughput => "net",
            kind => kind.as_str(),
        }
    }

    /// How bad it is when what was found is wrong in itself, unless the check says otherwise.
    pub(super) fn severity(&self) -> Severity {
        match self {
            Probe::Reboot | Probe::Opsgram { .. } | Probe::Unit { .. } => Severity::Warning,
            _ => Severity::Critical,
        }
    }
}
