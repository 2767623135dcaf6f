//! Looks at this machine: processors, memory, what flows, temperatures, and whether it was started anew.

use super::{Around, Found};
use crate::base::time::{Millis, human};
use crate::config::{Flow, Probe};
use crate::drivers::host;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::time::Duration;

/// So long a new start is news. It also hides what begins with it; what is wrong after that is wrong in itself.
const NEWS: Duration = Duration::from_secs(180);

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
            Probe::Memory => self.value(vitals.memory.percent(), None),
            Probe::Swap => self.value(vitals.swap.percent(), None),
            _ => {
                let cpu = vitals
                    .cpu
                    .ok_or("the system does not tell how busy its processors are")?;
                self.value(cpu.total, Some(format!("load {one:.2}")))
            }
        }
    }

    pub(super) async fn flow(&self, flow: Flow, device: Option<&str>) -> Found {
        let vitals = self.prober.gauge.vitals().await?;
        let (devices, wanted) = match flow {
            Flow::DiskRead | Flow::DiskWrite => (vitals.disks, device.map(host::kernel_name)),
            Flow::NetIn | Flow::NetOut => (vitals.nets, device.map(str::to_owned)),
        };
        let devices = devices.ok_or("the system does not tell what flows")?;
        let is_wanted = |one: &&host::Flow| match &wanted {
            Some(wanted) => one.device == *wanted,
            None => one.counts,
        };
        let found: Vec<_> = devices.iter().filter(is_wanted).collect();
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
        let sensors = self.prober.gauge.vitals().await?.sensors;
        let wanted = |label: &str| sensor.is_none_or(|sensor| label.contains(sensor));
        let found = sensors.into_iter().filter(|one| wanted(&one.sensor));
        match found.max_by(|one, other| one.celsius.total_cmp(&other.celsius)) {
            Some(found) => self.value(found.celsius, Some(found.sensor)),
            None => {
                Err("this machine has no such sensor; remove the check, or name another".to_owned())
            }
        }
    }

    pub(super) fn reboot(&self, memory: &mut Value, matters: &mut bool) -> Found {
        let id = host::boot()?;
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
