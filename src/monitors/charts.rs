//! The charts of this machine's samples, as files of messages: drawn when they are sent, so that a restart loses none and
//! nothing lies on the disk.

mod subject;

use super::chart::{self, Chart, Dot, Limit, Line, Mark};
use super::levels::{self, Levels, Machine};
use crate::base::time::Millis;
use crate::config::{Config, Live};
use crate::delivery::{Attachment, Attachments, Content, NoFile};
use crate::drivers::host;
use crate::store::incidents::{self, Incident};
use crate::store::samples::{self, Point};
use crate::store::{self, Store};
use chrono::{Local, NaiveDateTime};
use futures::future::BoxFuture;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub use subject::Subject;

/// The time that a chart shows, up to the moment when it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// An hour.
    Hour,
    /// A day.
    Day,
    /// A week.
    Week,
}

impl Span {
    /// All there are.
    pub const ALL: [Span; 3] = [Span::Hour, Span::Day, Span::Week];

    /// As it travels in a button.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Span::Hour => "1h",
            Span::Day => "24h",
            Span::Week => "7d",
        }
    }

    /// As people read it.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Span::Hour => "1 h",
            Span::Day => "24 h",
            Span::Week => "7 d",
        }
    }

    /// Reads what [`Span::as_str`] wrote.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|span| span.as_str() == word)
    }

    /// How long it is.
    #[must_use]
    pub fn duration(self) -> Duration {
        Duration::from_secs(match self {
            Span::Hour => 3600,
            Span::Day => 24 * 3600,
            Span::Week => 7 * 24 * 3600,
        })
    }
}

/// A chart that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// What it shows.
    pub subject: Subject,
    /// How much time.
    pub span: Span,
    /// Where the time ends.
    pub until: Millis,
    /// The machine.
    pub host: String,
}

impl Wanted {
    /// What the message names the chart by: `chart:<subject>:<span>:<until>:<host>`.
    #[must_use]
    pub fn key(&self) -> String {
        let (subject, span) = (self.subject.as_str(), self.span.as_str());
        format!("chart:{subject}:{span}:{}:{}", self.until.0, self.host)
    }

    /// Reads a key; `None` for that of another kind of file.
    #[must_use]
    pub fn read(key: &str) -> Option<Self> {
        let mut parts = key.strip_prefix("chart:")?.splitn(4, ':');
        Some(Self {
            subject: Subject::parse(parts.next()?)?,
            span: Span::parse(parts.next()?)?,
            until: Millis(parts.next()?.parse().ok()?),
            host: parts.next()?.to_owned(),
        })
    }

    fn from(&self) -> Millis {
        self.until.minus(self.span.duration())
    }
}

/// Finds charts by the key of [`Wanted`], and everything else where it was found before.
pub struct Charts {
    store: Store,
    live: Live,
    others: Arc<dyn Attachments>,
}

impl Charts {
    /// Charts of what stands in this database, with the levels of this configuration.
    #[must_use]
    pub fn new(store: Store, live: Live, others: Arc<dyn Attachments>) -> Self {
        Self {
            store,
            live,
            others,
        }
    }

    async fn draw(&self, wanted: Wanted, name: &str) -> Result<Attachment, NoFile> {
        let chart = self.chart(&wanted).await.map_err(|error| {
            tracing::error!(%error, "the samples cannot be read");
            NoFile::Now(io::Error::other("the database refused"))
        })?;
        let drawing = tokio::task::spawn_blocking(move || chart::draw(&chart, clock));
        let drawn = drawing
            .await
            .unwrap_or_else(|error| Err(io::Error::other(error)));
        let png = drawn.map_err(|error| {
            tracing::error!(%error, "a chart cannot be drawn");
            NoFile::Ever("The chart could not be drawn; the log says why.".to_owned())
        })?;
        Ok(Attachment {
            picture: true,
            ..Attachment::new(Content::Bytes(png), name)
        })
    }

    /// The chart as data.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn chart(&self, wanted: &Wanted) -> store::Result<Chart> {
        let config = self.live.current();
        let sampled = {
            let mut db = self.store.read().await?;
            disks(&mut db, wanted).await?
        };
        let machine = Machine {
            is_here: wanted.host == host::name(),
            cores: (wanted.host == host::name()).then(host::cores),
            disks: &sampled,
        };
        let series = match wanted.subject.of_each_disk() {
            Some(begin) => shown(&config, machine, begin).await,
            None => named(wanted.subject.lines()),
        };
        let keys: Vec<&str> = series.iter().map(|(_, key)| key.as_str()).collect();
        let limits = Levels::of(&config, machine).await.values(&keys);
        let mut db = self.store.read().await?;
        let points =
            samples::window(&mut db, &wanted.host, &keys, wanted.from(), wanted.until).await?;
        let marks = marks(&mut db, wanted, &config).await?;
        drop(db);
        let lines = series
            .iter()
            .enumerate()
            .map(|(place, (name, _))| Line {
                name: name.clone(),
                dots: points
                    .iter()
                    .filter_map(|point| dot(point, place))
                    .collect(),
            })
            .collect();
        let limit = |(value, severity)| Limit { value, severity };
        Ok(Chart {
            title: format!("{} · {}", wanted.subject.title(), wanted.host),
            from: wanted.from(),
            until: wanted.until,
            unit: wanted.subject.unit(),
            lines,
            limits: limits.into_iter().map(limit).collect(),
            marks,
        })
    }
}

/// The paths by which the disks of the machine were measured at the newest look.
async fn disks(db: &mut store::Connection, wanted: &Wanted) -> store::Result<Vec<PathBuf>> {
    if wanted.subject.of_each_disk().is_none() {
        return Ok(Vec::new());
    }
    let newest = samples::newest(db, &wanted.host, wanted.until).await?;
    let names = newest.into_iter().flat_map(|newest| newest.values);
    let path = |(key, _): (String, f64)| key.strip_prefix("disk:").map(PathBuf::from);
    Ok(names.filter_map(path).collect())
}

/// The disks of the configuration and those that its checks look at, or, where it names none, those that are measured: what
/// they are called, and their series.
async fn shown(config: &Config, machine: Machine<'_>, begin: &str) -> Vec<(String, String)> {
    let devices = config.monitored_devices.iter();
    let mut paths: Vec<_> = devices
        .map(|device| (device.name.clone(), device.path.clone()))
        .collect();
    let mut others = machine.disks.to_vec();
    if !paths.is_empty() {
        others = levels::disks(config, machine).await;
    }
    for path in others {
        if paths.iter().all(|(_, known)| *known != path) {
            paths.push((path.display().to_string(), path));
        }
    }
    let series = |(name, path): (String, PathBuf)| (name, format!("{begin}{}", path.display()));
    paths.into_iter().map(series).collect()
}

fn named(lines: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(name, key): &(&str, &str)| ((*name).to_owned(), (*key).to_owned());
    lines.iter().map(owned).collect()
}

fn dot(point: &Point, place: usize) -> Option<Dot> {
    Some(Dot {
        at: point.at,
        width: point.step.width(),
        value: point.values.get(place).copied().flatten()?,
    })
}

/// What the clocks of this machine show.
fn clock(at: Millis) -> NaiveDateTime {
    at.utc().with_timezone(&Local).naive_local()
}

impl Attachments for Charts {
    fn open<'a>(
        &'a self,
        key: &'a str,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Attachment, NoFile>> {
        match Wanted::read(key) {
            Some(wanted) => Box::pin(self.draw(wanted, name)),
            None => self.others.open(key, name),
        }
    }

    fn sent(&self, key: &str) {
        self.others.sent(key);
    }

    fn refused(&self, key: &str, name: &str) {
        self.others.refused(key, name);
    }
}

/// The incidents that the chart's lines may tell of.
async fn marks(
    db: &mut store::Connection,
    wanted: &Wanted,
    config: &Config,
) -> store::Result<Vec<Mark>> {
    let lasted = incidents::between(db, wanted.from(), wanted.until).await?;
    let concerns = |incident: &Incident| {
        let shown = Subject::of_incident(incident, config);
        shown.is_some_and(|shown| wanted.subject.tells_of(shown))
    };
    Ok(lasted
        .into_iter()
        .filter(|one| one.host == wanted.host && concerns(one))
        .map(|one| Mark {
            begin: one.began,
            end: one.cleared,
            severity: one.worst,
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_says_which_chart() {
        for subject in Subject::ALL.iter().copied() {
            for span in Span::ALL {
                let wanted = Wanted {
                    subject,
                    span,
                    until: Millis(1_700_000_000_123),
                    host: "web:1".to_owned(),
                };
                assert_eq!(Wanted::read(&wanted.key()), Some(wanted));
            }
        }
        for other in [
            "chart:",
            "chart:all:1h:x:web",
            "chart:moon:1h:1:web",
            "out:1:2",
            "chart:all:1h:1",
        ] {
            assert_eq!(Wanted::read(other), None, "{other}");
        }
    }
}
