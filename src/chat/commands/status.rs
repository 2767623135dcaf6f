//! `/status`: the server at a glance: load, memory, disks with marks, uptime, jobs.

use super::About;
use crate::access::Asked;
use crate::base::error::{Error, Result};
use crate::base::role::Role;
use crate::base::text::{bytes, escape};
use crate::base::time::{Millis, human};
use crate::chat::commands::jobs::clock;
use crate::chat::keyboards::Press;
use crate::chat::reply::Reply;
use crate::chat::request::Request;
use crate::config::Device;
use crate::delivery::Buttons;
use crate::drivers::host::{self, Disk, Host};
use crate::store;
use crate::store::history::Cursor;

/// What the help says.
pub const ABOUT: About = About {
    name: "status",
    form: "[cpu|mem|du|jobs]",
    does: "Show how the server is",
    example: ("/status du", "shows the monitored disks alone"),
    role: Some(Role::Viewer),
    acts: false,
};

/// From this share of the memory on, its line is marked.
const MEMORY_MARK: f64 = 90.0;
/// A disk so many points below its threshold is marked as close to it.
const CLOSE: u8 = 5;

/// Shows the state, or a part of it.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn handle(request: &Request, rest: &str) -> Result<Reply> {
    show(request, &rest.to_lowercase()).await
}

/// Shows the part of this name; all for an empty one.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn show(request: &Request, part: &str) -> Result<Reply> {
    let parts: &[Part] = match part {
        "" | "all" => &[
            Part::Cpu,
            Part::Memory,
            Part::Disks,
            Part::Uptime,
            Part::Jobs,
        ],
        "cpu" => &[Part::Cpu],
        "mem" => &[Part::Memory],
        "du" => &[Part::Disks],
        "jobs" => &[Part::Jobs],
        other => {
            let other: String = other.chars().take(40).collect();
            return Err(Error::refused(format!(
                "There is no status of “{other}”. Write /status for all, or /status cpu, mem, du or jobs for a part."
            )));
        }
    };
    request
        .allow(Asked::new("status.show", part, Role::Viewer))
        .await?;
    let config = request.services.live.current();
    let devices = &config.monitored_devices;
    let paths: Vec<_> = devices.iter().map(|device| device.path.clone()).collect();
    let (host, working) = tokio::join!(host::snapshot(&paths), jobs(request));
    let (host, working) = (host.map_err(anyhow::Error::new)?, working?);
    let mut lines = vec![format!("🖥 <b>{}</b>", escape(&host.hostname))];
    lines.extend(super::freeze::line(request).await?);
    for part in parts {
        match part {
            Part::Cpu => lines.push(load(&host)),
            Part::Memory => lines.extend(memory(&host)),
            Part::Disks => lines.extend(disks(devices, &host)),
            Part::Uptime => lines.push(format!("Up {}", human(host.uptime))),
            Part::Jobs => lines.push(working.clone()),
        }
    }
    Ok(Reply::html(lines.join("\n")).buttons(buttons(part)))
}

enum Part {
    Cpu,
    Memory,
    Disks,
    Uptime,
    Jobs,
}

fn load(host: &Host) -> String {
    let [one, five, fifteen] = host.load;
    let cores = match host.cores {
        1 => "one core".to_owned(),
        many => format!("{many} cores"),
    };
    let cores_count = u32::try_from(host.cores).unwrap_or(u32::MAX);
    let mark = mark(five > f64::from(cores_count));
    format!("{mark} Load {one:.2} · {five:.2} · {fifteen:.2} (1, 5, 15 min) on {cores}")
}

fn memory(host: &Host) -> Vec<String> {
    let share = percent(host.memory.used, host.memory.total);
    let mut lines = vec![format!(
        "{} Memory {share:.0} % · {} of {}",
        mark(share >= MEMORY_MARK),
        bytes(host.memory.used),
        bytes(host.memory.total)
    )];
    if host.swap.total > 0 {
        lines.push(format!(
            "🟢 Swap {:.0} % · {} of {}",
            percent(host.swap.used, host.swap.total),
            bytes(host.swap.used),
            bytes(host.swap.total)
        ));
    }
    lines
}

fn disks(devices: &[Device], host: &Host) -> Vec<String> {
    if devices.is_empty() {
        return vec![
            "No disks are watched. The configuration lists them under monitored_devices."
                .to_owned(),
        ];
    }
    let line = |(device, disk): (&Device, &std::result::Result<Disk, String>)| match disk {
        Ok(disk) => {
            let used = disk.percent;
            let mark = match used {
                _ if used >= device.alert_threshold => "🔴",
                _ if used + CLOSE >= device.alert_threshold => "🟡",
                _ => "🟢",
            };
            format!(
                "{mark} {} {used} % · {} free of {}",
                escape(&device.name),
                bytes(disk.available),
                bytes(disk.total)
            )
        }
        Err(why) => format!(
            "🔴 {} cannot be read: {}",
            escape(&device.name),
            escape(why)
        ),
    };
    devices.iter().zip(&host.disks).map(line).collect()
}

async fn jobs(request: &Request) -> Result<String> {
    let (queued, running) = {
        let mut db = request.services.store.read().await?;
        store::jobs::counts(&mut db).await?
    };
    let jobs = match (queued, running) {
        (0, 0) => "No jobs are running.".to_owned(),
        (0, running) => format!("Jobs: {running} running"),
        (queued, running) => format!("Jobs: {running} running, {queued} waiting"),
    };
    let (others, since) = request.services.store.presence().others();
    if others.is_empty() {
        return Ok(jobs);
    }
    let labels: Vec<_> = others.iter().map(|other| escape(&other.label())).collect();
    let leads = since.map_or_else(String::new, |since| {
        format!(", this one leads since {}", clock(since, Millis::now()))
    });
    Ok(format!(
        "{jobs}\n{} instances{leads}; beside it {}",
        others.len() + 1,
        labels.join(", ")
    ))
}

fn buttons(part: &str) -> Buttons {
    let part = if part.is_empty() { "all" } else { part };
    vec![vec![
        Press::Status(part.to_owned()).button("Refresh"),
        Press::Jobs("running".to_owned(), Cursor::Newest).button("Running jobs"),
    ]]
}

fn mark(bad: bool) -> &'static str {
    if bad { "🔴" } else { "🟢" }
}

fn percent(part: u64, whole: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "shown with two digits")]
    let share = part as f64 / whole.max(1) as f64;
    share * 100.0
}
