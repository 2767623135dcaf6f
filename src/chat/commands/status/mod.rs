//! `/status`: the server at a glance, and charts of it.

mod words;

use super::About;
use crate::access::Asked;
use crate::base::error::{Error, Result};
use crate::base::role::Role;
use crate::base::text::escape;
use crate::base::time::Millis;
use crate::chat::alerts::open::Open;
use crate::chat::alerts::standing;
use crate::chat::commands::jobs::clock;
use crate::chat::keyboards::Press;
use crate::chat::reply::Reply;
use crate::chat::request::Request;
use crate::config::Device;
use crate::delivery::{Body, Buttons, Outgoing};
use crate::drivers::host::{self, Sample, Sampler};
use crate::monitors::charts::{Span, Subject, Wanted};
use crate::store;
use crate::store::history::Cursor;
use std::sync::Arc;
use std::time::Duration;

/// What the help says.
pub const ABOUT: About = About {
    name: "status",
    form: "[cpu|mem|du|net|jobs]",
    does: "Show how the server is",
    example: ("/status du", "shows the disks alone"),
    role: Some(Role::Viewer),
    acts: false,
};

/// An older look is not shown: a new one is taken, without rates.
const FRESH: Duration = Duration::from_secs(15);

/// Incidents that are named, and the most that a note of one takes, in UTF-16 units.
const WRONG: usize = 3;
const NOTE: usize = 60;

/// What is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    All,
    Cpu,
    Memory,
    Disks,
    Network,
    Jobs,
}

impl Part {
    fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "" | "all" => Part::All,
            "cpu" => Part::Cpu,
            "mem" => Part::Memory,
            "du" => Part::Disks,
            "net" => Part::Network,
            "jobs" => Part::Jobs,
            _ => return None,
        })
    }

    fn as_str(self) -> &'static str {
        self.subject().map_or("jobs", Subject::as_str)
    }

    /// What a chart of it shows; of jobs there is none.
    fn subject(self) -> Option<Subject> {
        match self {
            Part::All => Some(Subject::All),
            Part::Cpu => Some(Subject::Cpu),
            Part::Memory => Some(Subject::Memory),
            Part::Disks => Some(Subject::Disks),
            Part::Network => Some(Subject::Network),
            Part::Jobs => None,
        }
    }
}

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
pub async fn show(request: &Request, word: &str) -> Result<Reply> {
    let part = Part::parse(word).ok_or_else(|| {
        let other: String = word.chars().take(40).collect();
        Error::refused(format!(
            "There is no status of “{other}”. Write /status for all, or /status cpu, mem, du, net or jobs for a part."
        ))
    })?;
    request
        .allow(Asked::new("status.show", word, Role::Viewer))
        .await?;
    let config = request.services.live.current();
    let devices = &config.monitored_devices;
    let sample = newest(request, devices).await?;
    let mut lines = vec![words::title(&sample)];
    lines.extend(super::freeze::line(request).await?);
    match part {
        Part::All => {
            lines.extend(wrong(request).await?);
            lines.extend(words::cpu(&sample));
            lines.push(words::load(&sample));
            lines.extend(words::memory(&sample));
            lines.extend(words::disks(devices, &sample));
            lines.extend(words::network(&sample));
            lines.extend(words::temperature(&sample));
            lines.extend(jobs(request).await?);
        }
        Part::Cpu => {
            lines.extend(words::cpu_closely(&sample));
            lines.push(words::load(&sample));
            lines.extend(words::temperature(&sample));
        }
        Part::Memory => lines.extend(words::memory_closely(&sample)),
        Part::Disks => lines.extend(words::disks_closely(devices, &sample)),
        Part::Network => lines.push(words::network_closely(&sample)),
        Part::Jobs => lines.extend(jobs(request).await?),
    }
    Ok(Reply::html(lines.join("\n")).buttons(buttons(part)))
}

/// What is wrong now, the worst first.
async fn wrong(request: &Request) -> Result<Vec<String>> {
    let open = Open::read(request).await?;
    let mut lines = open.lines(WRONG, NOTE, ": /alerts");
    let board = request.services.board.all();
    let watched = request.services.live.current().checks.len();
    lines.extend(standing::summary(&board, &open.all, watched, open.now));
    Ok(lines)
}

/// The newest look if it is fresh and saw all disks of the configuration, else a new one.
async fn newest(request: &Request, devices: &[Device]) -> Result<Arc<Sample>> {
    let now = Millis::now();
    let has_all = |sample: &Arc<Sample>| {
        let seen = |device: &Device| sample.disks.iter().any(|mount| mount.path == device.path);
        now.since(sample.at) < FRESH && devices.iter().all(seen)
    };
    if let Some(sample) = request.services.samples.newest().filter(has_all) {
        return Ok(sample);
    }
    let paths: Vec<_> = devices.iter().map(|device| device.path.clone()).collect();
    let mut sampler = Sampler::new().map_err(anyhow::Error::new)?;
    let sample = sampler.look(now, &paths).await;
    Ok(Arc::new(sample.map_err(anyhow::Error::new)?))
}

/// Sends a chart.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn chart(request: &Request, subject: Subject, span: Span) -> Result<Reply> {
    let asked = format!("{} {}", subject.as_str(), span.as_str());
    request
        .allow(Asked::new("status.chart", asked, Role::Viewer))
        .await?;
    let wanted = Wanted {
        subject,
        span,
        until: Millis::now(),
        host: host::name(),
    };
    let body = Body::Document {
        key: wanted.key(),
        name: format!("{}-{}.png", subject.as_str(), span.as_str()),
        html: format!(
            "{} of {}, last {}",
            subject.title(),
            escape(&wanted.host),
            span.label()
        ),
        buttons: Vec::new(),
    };
    Ok(Reply::file(Outgoing::new(request.actor.place, body)))
}

async fn jobs(request: &Request) -> Result<Vec<String>> {
    let (queued, running) = {
        let mut db = request.services.store.read().await?;
        store::jobs::counts(&mut db).await?
    };
    let mut lines = vec![match (queued, running) {
        (0, 0) => "No jobs are running.".to_owned(),
        (0, running) => format!("Jobs: {running} running"),
        (queued, running) => format!("Jobs: {running} running, {queued} waiting"),
    }];
    let (others, since) = request.services.store.presence().others();
    if !others.is_empty() {
        let labels: Vec<_> = others.iter().map(|other| escape(&other.label())).collect();
        let leads = since.map_or_else(String::new, |since| {
            format!(", this one leads since {}", clock(since, Millis::now()))
        });
        lines.push(format!(
            "{} instances{leads}, and its machine alone is checked; beside it {}",
            others.len() + 1,
            labels.join(", ")
        ));
    }
    Ok(lines)
}

fn buttons(part: Part) -> Buttons {
    let charts = part.subject().map(|subject| {
        let span = |span: Span| Press::Chart(subject, span).button(span.label());
        Span::ALL.map(span).to_vec()
    });
    let others = vec![
        Press::Status(part.as_str().to_owned()).button("Refresh"),
        Press::Jobs("running".to_owned(), Cursor::Newest).button("Running jobs"),
    ];
    charts.into_iter().chain([others]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_is_read_and_offers_charts() {
        for word in ["all", "cpu", "mem", "du", "net", "jobs"] {
            let part = Part::parse(word).unwrap();
            assert_eq!(part.as_str(), word);
            let rows = buttons(part).len();
            assert_eq!(rows, if part == Part::Jobs { 1 } else { 2 }, "{word}");
        }
        assert_eq!(Part::parse(""), Some(Part::All));
        assert_eq!(Part::parse("moon"), None);
    }
}
