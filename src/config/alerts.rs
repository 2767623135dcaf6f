//! The section `alerts`: how incidents are told, the daily digest, and the ping that says that the bot lives.

use std::time::Duration;

use crate::base::when::Tz;
use chrono::NaiveTime;
use url::Url;

use super::YEAR;
use super::fault::Report;
use super::map::Map;
use super::read::text;
use crate::base::secret::SecretString;

/// How incidents are told.
#[derive(Clone, Debug)]
pub struct Alerts {
    /// Incidents that begin within this time make one message.
    pub group_wait: Duration,
    /// When what goes on is told again, unless its check says otherwise.
    pub repeat: Repeat,
    /// When a day is told.
    pub digest: Option<Digest>,
    /// Asked once a minute, so that whoever is behind it notices when that stops. The address is the key to it.
    pub heartbeat_url: Option<SecretString>,
}

/// After which time what goes on is told again, by how bad it is; `None` for never.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repeat {
    /// A warning.
    pub warning: Option<Duration>,
    /// Something critical.
    pub critical: Option<Duration>,
}

impl Repeat {
    /// The key `repeat` of a section; what it leaves out is as by default.
    pub(super) fn read(map: &mut Map<'_>, default: Repeat, report: &mut Report) -> Repeat {
        let mut repeat = default;
        if let Some(mut section) = map.section("repeat", report) {
            repeated(&mut section, "warning", &mut repeat.warning, report);
            repeated(&mut section, "critical", &mut repeat.critical, report);
            section.finish(report);
        }
        repeat
    }
}

/// When a day is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest {
    /// At this time of day.
    pub at: NaiveTime,
    /// By the clocks there.
    pub zone: Tz,
}

impl Default for Alerts {
    fn default() -> Self {
        Self {
            group_wait: Duration::from_secs(10),
            repeat: Repeat {
                warning: Some(Duration::from_secs(24 * 3600)),
                critical: Some(Duration::from_secs(4 * 3600)),
            },
            digest: None,
            heartbeat_url: None,
        }
    }
}

/// The longest wait for others; a person is to hear of it soon.
const MAX_WAIT: Duration = Duration::from_secs(600);

pub(super) fn read(root: &mut Map<'_>, report: &mut Report) -> Alerts {
    let mut alerts = Alerts::default();
    let Some(mut map) = root.section("alerts", report) else {
        return alerts;
    };
    if let Some(node) = map.optional("group_wait")
        && let Some(written) = text(node, "alerts.group_wait", report)
    {
        match written {
            "0" | "0s" => alerts.group_wait = Duration::ZERO,
            _ => {
                let wait = super::read::duration(node, "alerts.group_wait", MAX_WAIT, report);
                alerts.group_wait = wait.unwrap_or(alerts.group_wait);
            }
        }
    }
    alerts.repeat = Repeat::read(&mut map, alerts.repeat, report);
    if let Some(mut digest) = map.section("digest", report) {
        let at = digest.required("at", report);
        let at = at.and_then(|written| time(written, &digest.name("at"), &mut digest, report));
        let zone = digest.text("zone", report).unwrap_or("UTC");
        let known = zone.parse::<Tz>().ok();
        if known.is_none()
            && let Some(node) = digest.get("zone")
        {
            report.fault(
                &node.at,
                format!("`alerts.digest.zone` is `{zone}`; write the name of a time zone, such as Europe/Berlin"),
            );
        }
        alerts.digest = at.zip(known).map(|(at, zone)| Digest { at, zone });
        digest.finish(report);
    }
    if let Some(node) = map.optional("heartbeat_url")
        && let Some(written) = text(node, "alerts.heartbeat_url", report)
    {
        match Url::parse(written) {
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => {
                alerts.heartbeat_url = Some(SecretString::from(written.to_owned()));
            }
            Ok(_) | Err(_) => report.fault(
                &node.at,
                "`alerts.heartbeat_url` is no address; write one that begins with https:// or http://",
            ),
        }
    }
    map.finish(report);
    alerts
}

/// A period after which something is told again; `never` for not at all.
fn repeated(
    map: &mut Map<'_>,
    key: &'static str,
    into: &mut Option<Duration>,
    report: &mut Report,
) {
    let name = map.name(key);
    let Some(node) = map.optional(key) else {
        return;
    };
    match text(node, &name, report) {
        Some("never") => *into = None,
        Some(_) => {
            if let Some(period) = super::read::duration(node, &name, YEAR, report) {
                *into = Some(period);
            }
        }
        None => {}
    }
}

fn time(written: &str, name: &str, map: &mut Map<'_>, report: &mut Report) -> Option<NaiveTime> {
    let parsed = NaiveTime::parse_from_str(written, "%H:%M").ok();
    if parsed.is_none()
        && let Some(node) = map.get("at")
    {
        report.fault(
            &node.at,
            format!("`{name}` is `{written}`; write a time of day in quotes, such as \"08:00\""),
        );
    }
    parsed
}
