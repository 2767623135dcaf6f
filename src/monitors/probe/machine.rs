//! Looks at this machine: processors, memory, what flows, temperatures, and whether it was started anew.

use super::{Around, Found};
use crate::base::time::{Millis, human};
use crate::config::{Flow, Probe};
use crate::drivers::vitals;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::time::Duration;

/// So long a new start is news.
const NEWS: Duration = Duration::from_secs(600);

/// Which start of the machine was seen last, and when.
#[derive(Serialize, Deserialize)]
struct Boot {
    id: String,
    seen_at: Option<Millis>,
}

impl Around<'_> {
    pub(super) async fn vitals(&self) -> Found {
        let vitals = self.prober.gauge.vitals().await?;
        let [one, five, fifteen] = vitals.load;
        let cores = vitals.cores;
        match &self.check.probe {
            Probe::Load { per_core } => {
                let divisor = match per_core {
                    true => u32::try_from(cores).map_or(1.0, f64::from),
                    false => 1.0,
                };
                let note = format!("load {one:.2} {five:.2} {fifteen:.2}, processors: {cores}");
                self.value(five / divisor, Some(note))
            }
            Probe::Memory => self.value(vitals.memory, None),
            Probe::Swap => self.value(vitals.swap, None),
            _ => self.value(vitals.cpu, Some(format!("load {one:.2}"))),
        }
    }

    pub(super) async fn flow(&self, flow: Flow, device: Option<&str>) -> Found {
        let flows = self.prober.gauge.flows().await?;
        let devices = match flow {
            Flow::DiskRead | Flow::DiskWrite => flows.disks,
            Flow::NetIn | Flow::NetOut => flows.nets,
        };
        let wanted = |name: &str| device.is_none_or(|device| device == name);
        let found: Vec<_> = devices.iter().filter(|one| wanted(&one.device)).collect();
        if let (Some(device), true) = (device, found.is_empty()) {
            let known: Vec<&str> = devices.iter().map(|one| one.device.as_str()).collect();
            return Err(format!(
                "there is no device {device}; there are: {}",
                known.join(", ")
            ));
        }
        let rates = found.iter().map(|one| match flow {
            Flow::DiskRead | Flow::NetIn => one.inward,
            Flow::DiskWrite | Flow::NetOut => one.outward,
        });
        self.value(rates.sum(), device.map(str::to_owned))
    }

    pub(super) async fn temperature(&self, sensor: Option<&str>) -> Found {
        let sensors = vitals::temperatures().await?;
        let wanted = |label: &str| sensor.is_none_or(|sensor| label.contains(sensor));
        let found = sensors.into_iter().filter(|(label, _)| wanted(label));
        match found.max_by(|one, other| one.1.total_cmp(&other.1)) {
            Some((label, degrees)) => self.value(degrees, Some(label)),
            None => {
                Err("this machine has no such sensor; remove the check, or name another".to_owned())
            }
        }
    }

    pub(super) fn reboot(&self, memory: &mut Value, matters: &mut bool) -> Found {
        let id = vitals::boot_id()?;
        let is_first = memory.is_null();
        let before: Option<Boot> = serde_json::from_value(memory.take()).ok();
        let seen_at = match before {
            None => None,
            Some(before) if before.id == id => before.seen_at.map(|at| at.min(self.now)),
            Some(_) => Some(self.now),
        };
        *matters = is_first || seen_at == Some(self.now);
        *memory = serde_json::to_value(Boot { id, seen_at }).unwrap_or_default();
        match seen_at {
            Some(at) if self.now.since(at) < NEWS => {
                let ago = human(self.now.since(at));
                self.wrong(match self.now == at {
                    true => "the machine was started anew".to_owned(),
                    false => format!("the machine was started anew; seen {ago} ago"),
                })
            }
            Some(_) | None => self.well("it runs on".to_owned()),
        }
    }
}
