//! `/status`: the server at a glance, and charts of it.

mod elsewhere;
mod words;

use super::About;
use crate::access::Asked;
use crate::base::error::Result;
use crate::base::role::Role;
use crate::base::text::escape;
use crate::base::time::Millis;
use crate::chat::alerts::open::Open;
use crate::chat::alerts::standing;
use crate::chat::commands::jobs::clock;
use crate::chat::keyboards::Press;
use crate::chat::reply::Reply;
use crate::chat::request::Request;
use crate::config::{Config, Device};
use crate::delivery::{Body, Button, Buttons, Outgoing};
use crate::drivers::host::{self, Sample, Sampler};
use crate::monitors::charts::{Span, Subject, Wanted};
use crate::monitors::levels::{Levels, Machine};
use crate::store;
use crate::store::history::Cursor;
use std::sync::Arc;
use std::time::Duration;

/// What the help says.
pub const ABOUT: About = About {
    name: "status",
    form: "[cpu|mem|du|net|jobs|machine]",
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
    request
        .allow(Asked::new("status.show", word, Role::Viewer))
        .await?;
    let part = match Part::parse(word) {
        Some(part) => part,
        None => match elsewhere::named(request, word).await? {
            machine if machine == host::name() => Part::All,
            machine => return elsewhere::show(request, &machine).await,
        },
    };
    let config = request.services.live.current();
    let devices = &config.monitored_devices;
    let sample = newest(request, devices).await?;
    let levels = &levels(request, &config, &sample).await;
    let mut lines = vec![words::title(&sample)];
    lines.extend(super::freeze::line(request).await?);
    match part {
        Part::All => {
            lines.extend(wrong(request).await?);
            lines.extend(words::cpu(levels, &sample));
            lines.push(words::load(levels, &sample));
            lines.extend(words::memory(levels, &sample));
            lines.extend(words::disks(levels, devices, &sample));
            lines.extend(words::network(levels, &sample));
            lines.extend(words::temperature(levels, &sample));
            lines.extend(jobs(request).await?);
        }
        Part::Cpu => {
            lines.extend(words::cpu_closely(levels, &sample));
            lines.push(words::load(levels, &sample));
            lines.extend(words::temperature(levels, &sample));
        }
        Part::Memory => lines.extend(words::memory_closely(levels, &sample)),
        Part::Disks => lines.extend(words::disks_closely(levels, devices, &sample)),
        Part::Network => lines.push(words::network_closely(levels, &sample)),
        Part::Jobs => lines.extend(jobs(request).await?),
    }
    Ok(Reply::html(lines.join("\n")).buttons(buttons(part, &sample.host)))
}

/// From where on values are bad, by the checks; what was told to be bad stays so as long as its incident does.
async fn levels(request: &Request, config: &Config, sample: &Sample) -> Levels {
    let disks = sample.disks.iter();
    let disks: Vec<_> = disks.map(|mount| mount.path.clone()).collect();
    let machine = Machine {
        cores: Some(sample.cores),
        disks: &disks,
        is_here: true,
    };
    let levels = Levels::of(config, machine).await;
    levels.while_told(request.services.board.told())
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

/// Sends a chart of a machine, or of this one.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn chart(
    request: &Request,
    (subject, span): (Subject, Span),
    machine: Option<String>,
) -> Result<Reply> {
    let asked = format!("{} {}", subject.as_str(), span.as_str());
    request
        .allow(Asked::new("status.chart", asked, Role::Viewer))
        .await?;
    let machine = match machine {
        Some(machine) => elsewhere::known(request, machine).await?,
        None => host::name(),
    };
    let wanted = Wanted {
        subject,
        span,
        until: Millis::now(),
        host: machine,
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

fn buttons(part: Part, machine: &str) -> Buttons {
    let subject = part.subject();
    let charts = subject.map_or_else(Vec::new, |subject| charts(subject, machine));
    let others = vec![
        Press::Status(part.as_str().to_owned()).button("Refresh"),
        Press::Jobs("running".to_owned(), Cursor::Newest).button("Running jobs"),
    ];
    let mut rows = vec![charts, others];
    rows.retain(|row| !row.is_empty());
    rows
}

/// The buttons that send charts of a machine.
fn charts(subject: Subject, machine: &str) -> Vec<Button> {
    let span = |span: Span| {
        let press = Press::chart(subject, span, machine)?;
        Some(press.button(span.label()))
    };
    Span::ALL.into_iter().filter_map(span).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_is_read_and_offers_charts() {
        for word in ["all", "cpu", "mem", "du", "net", "jobs"] {
            let part = Part::parse(word).unwrap();
            assert_eq!(part.as_str(), word);
            let rows = buttons(part, "web").len();
            assert_eq!(rows, if part == Part::Jobs { 1 } else { 2 }, "{word}");
        }
        assert_eq!(Part::parse(""), Some(Part::All));
        assert_eq!(Part::parse("moon"), None);
    }
}
