//! What charts show, and which one shows what a check looks at.

use crate::base::alert::Unit;
use crate::config::{Config, DiskMeasure, Flow, Probe};
use crate::store::incidents::Incident;

/// One table for the subjects: the word that is typed and travels in buttons, what it is called above a chart, and its unit.
macro_rules! subjects {
    ($($(#[$doc:meta])+ $subject:ident = $word:literal, $title:literal, $unit:ident;)+) => {
        /// What a chart shows.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Subject {
            $($(#[$doc])+ $subject,)+
        }

        impl Subject {
            /// All there are.
            pub const ALL: &[Subject] = &[$(Subject::$subject),+];

            /// As typed and as it travels in a button.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Subject::$subject => $word,)+
                }
            }

            /// What it is called above a chart.
            #[must_use]
            pub fn title(self) -> &'static str {
                match self {
                    $(Subject::$subject => $title,)+
                }
            }

            /// The unit of its values.
            #[must_use]
            pub fn unit(self) -> Unit {
                match self {
                    $(Subject::$subject => Unit::$unit,)+
                }
            }
        }
    };
}

subjects! {
    /// Processor and memory.
    All = "all", "CPU and memory", Percent;
    /// The processor: busy, waiting, taken.
    Cpu = "cpu", "CPU", Percent;
    /// The load over five minutes.
    Load = "load", "Load", Number;
    /// Memory and swap.
    Memory = "mem", "Memory", Percent;
    /// How full the disks are.
    Disks = "du", "Disks", Percent;
    /// How much of their room for files is taken.
    Inodes = "inodes", "Inodes", Percent;
    /// What was read from disks and written to them.
    Flow = "io", "Disk throughput", BytesPerSecond;
    /// What was received and sent.
    Network = "net", "Network", BytesPerSecond;
    /// The highest temperature.
    Temperature = "temp", "Temperature", Celsius;
}

impl Subject {
    /// Reads what [`Subject::as_str`] wrote.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        let mut all = Self::ALL.iter().copied();
        all.find(|subject| subject.as_str() == word)
    }

    /// What shows best of what the incident is about: by what its check looks at, and when that is gone, by its topic.
    #[must_use]
    pub fn of_incident(incident: &Incident, config: &Config) -> Option<Self> {
        Self::of(&incident.check, &incident.topic, config)
    }

    fn of(check: &str, topic: &str, config: &Config) -> Option<Self> {
        let mut checks = config.checks.values();
        match checks.find(|one| one.name.as_str() == check) {
            Some(check) => Self::of_probe(&check.probe),
            None => Self::of_topic(topic),
        }
    }

    fn of_probe(probe: &Probe) -> Option<Self> {
        Some(match probe {
            Probe::Cpu => Subject::Cpu,
            Probe::Load { .. } => Subject::Load,
            Probe::Memory | Probe::Swap => Subject::Memory,
            Probe::Disk { measure, .. } => match measure {
                DiskMeasure::Percent | DiskMeasure::Free | DiskMeasure::FullIn => Subject::Disks,
                DiskMeasure::Inodes => Subject::Inodes,
            },
            Probe::Throughput { flow, .. } => match flow {
                Flow::DiskRead | Flow::DiskWrite => Subject::Flow,
                Flow::NetIn | Flow::NetOut => Subject::Network,
            },
            Probe::Temperature { .. } => Subject::Temperature,
            _ => return None,
        })
    }

    /// By the topic that checks have unless they say otherwise.
    fn of_topic(topic: &str) -> Option<Self> {
        match topic {
            "cpu" => Some(Subject::Cpu),
            "load" => Some(Subject::Load),
            "memory" => Some(Subject::Memory),
            "disk" => Some(Subject::Disks),
            "net" => Some(Subject::Network),
            "temperature" => Some(Subject::Temperature),
            _ => None,
        }
    }

    /// Whether its chart tells when something was wrong that this one shows best.
    #[must_use]
    pub(super) fn tells_of(self, shown: Self) -> bool {
        match self {
            Subject::All => matches!(shown, Subject::Cpu | Subject::Load | Subject::Memory),
            Subject::Cpu => matches!(shown, Subject::Cpu | Subject::Load),
            _ => self == shown,
        }
    }

    /// The lines of its chart, as far as they are the same on every machine: what they are called, and their series.
    #[must_use]
    pub(super) fn lines(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Subject::All => &[("CPU", "cpu"), ("Memory", "memory")],
            Subject::Cpu => &[
                ("Busy", "cpu"),
                ("Waiting for disks", "cpu.iowait"),
                ("Taken by the host", "cpu.steal"),
            ],
            Subject::Load => &[("Over 5 min", "load5")],
            Subject::Memory => &[("Memory", "memory"), ("Swap", "swap")],
            Subject::Disks | Subject::Inodes => &[],
            Subject::Flow => &[("Read", "io.read"), ("Written", "io.write")],
            Subject::Network => &[("Received", "net.rx"), ("Sent", "net.tx")],
            Subject::Temperature => &[("Hottest sensor", "temperature")],
        }
    }

    /// What the series of each disk begins with, if it is about disks.
    #[must_use]
    pub(super) fn of_each_disk(self) -> Option<&'static str> {
        match self {
            Subject::Disks => Some("disk:"),
            Subject::Inodes => Some("inodes:"),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Env, load};

    #[test]
    fn what_a_check_looks_at_chooses_its_chart_and_not_its_topic() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("opsgram.yaml");
        let yaml = "
checks:
  a: {kind: disk, path: /, topic: storage}
  b: {kind: disk, path: /, measure: inodes}
  c: {kind: disk, path: /, measure: full_in}
  d: {kind: load, topic: cpu}
  e: {kind: swap}
  f: {kind: throughput, measure: disk_write, warn: 5MB}
  g: {kind: throughput, measure: net_out, warn: 5MB, topic: disk}
  h: {kind: temperature}
  i: {kind: tcp, address: 'localhost:1', topic: disk}
";
        std::fs::write(&file, yaml).unwrap();
        let config = load(&file, &Env::default()).unwrap().config;
        for (name, subject) in [
            ("a", Some(Subject::Disks)),
            ("b", Some(Subject::Inodes)),
            ("c", Some(Subject::Disks)),
            ("d", Some(Subject::Load)),
            ("e", Some(Subject::Memory)),
            ("f", Some(Subject::Flow)),
            ("g", Some(Subject::Network)),
            ("h", Some(Subject::Temperature)),
            ("i", None),
        ] {
            assert_eq!(Subject::of(name, "memory", &config), subject, "{name}");
        }
        assert_eq!(Subject::of("gone", "load", &config), Some(Subject::Load));
        assert_eq!(Subject::of("gone", "storage", &config), None);
    }
}
