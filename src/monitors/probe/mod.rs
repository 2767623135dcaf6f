//! Looks: what a check finds now. They change nothing of what they look at.

mod disk;
mod files;
mod kept;
mod machine;
mod net;
mod own;
mod services;

pub(super) use disk::Points;
pub use kept::Kept;
pub use net::certificate_ends;

use super::pushes::Pushes;
use super::state::Seen;
use crate::base::alert::{Reading, Severity, Unit};
use crate::base::secret::ExposeSecret;
use crate::base::text::shorten;
use crate::base::time::Millis;
use crate::base::trouble::Troubles;
use crate::config::{Check, Config, Env, Probe, PushToken, Reloads};
use crate::drivers::host::Gauge;
use crate::drivers::missed::Missed;
use crate::drivers::web::Web;
use crate::jobs::redact::Redactor;
use crate::store::Store;
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::timeout;

/// The longest note, in characters.
const MAX_NOTE: usize = 300;
/// What a look may take beyond its time, to say why it took so long.
const SLACK: Duration = Duration::from_secs(2);
/// Of the bot's environment, what the program of a check gets.
const PASSED: [&str; 4] = ["PATH", "HOME", "LANG", "TZ"];

/// What a look found, and what the next one has to know.
#[derive(Clone, Debug, PartialEq)]
pub struct Look {
    /// What was found, or why it could not be read.
    pub seen: Result<Seen, String>,
    /// What the probe remembers.
    pub memory: Value,
    /// Whether what it remembers must be written down now, not at some time.
    pub matters: bool,
}

/// Looks at things. Cheap to clone.
#[derive(Clone)]
pub struct Prober {
    store: Store,
    env: Env,
    reloads: Reloads,
    web: Web,
    gauge: Gauge,
    pushes: Pushes,
    troubles: Troubles,
    marker: Arc<str>,
    lateness: Arc<AtomicU64>,
}

/// The configuration that looks go by, and what masks its secrets. Cheap to clone.
#[derive(Clone)]
pub(super) struct Scene {
    pub(super) config: Arc<Config>,
    redactor: Arc<Redactor>,
}

/// What a look has at hand.
struct Around<'a> {
    prober: &'a Prober,
    config: &'a Config,
    redactor: &'a Redactor,
    check: &'a Check,
    now: Millis,
}

/// What a probe found before it is bounded and masked.
type Found = Result<Seen, String>;

impl Prober {
    /// Looks from this machine. `marker` begins the names by which programs of checks are found again.
    #[must_use]
    pub fn new(
        store: Store,
        env: Env,
        (reloads, troubles): (Reloads, Troubles),
        marker: &str,
    ) -> Self {
        Self {
            pushes: Pushes::new(store.clone()),
            store,
            env,
            reloads,
            troubles,
            web: Web::default(),
            gauge: Gauge::default(),
            marker: marker.into(),
            lateness: Arc::default(),
        }
    }

    /// What takes the pushes that these looks are about.
    #[must_use]
    pub fn pushes(&self) -> &Pushes {
        &self.pushes
    }

    /// Notes how late the looks are; the worst since it was last asked for counts.
    pub(super) fn is_late(&self, by: Duration) {
        let by = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        self.lateness.fetch_max(by, Ordering::Relaxed);
    }

    /// The marker of the program that a check runs.
    pub(super) fn marker(&self, check: &Check) -> String {
        format!("{}:check:{}", self.marker, check.name)
    }

    /// Looks once, within the check's time.
    pub(super) async fn look(
        &self,
        scene: &Scene,
        check: &Check,
        memory: Value,
        now: Millis,
    ) -> Look {
        let redactor = &scene.redactor;
        let around = Around {
            prober: self,
            config: &scene.config,
            redactor,
            check,
            now,
        };
        let mut kept = memory;
        let mut matters = false;
        let looked = around.look(&mut kept, &mut matters);
        let found = match timeout(check.timeout + SLACK, looked).await {
            Ok(found) => found,
            Err(_) => Err("it could not be read in time".to_owned()),
        };
        let clean = |text: &str| {
            let plain: String = redactor
                .mask(text)
                .chars()
                .map(|c| if c.is_control() { ' ' } else { c })
                .collect();
            shorten(plain.trim(), MAX_NOTE).into_owned()
        };
        let seen = match found {
            Ok(mut seen) => {
                seen.reading.note = seen.reading.note.map(|note| clean(&note));
                // What is no number cannot be stored as one.
                seen.reading.value = seen.reading.value.filter(|value| value.is_finite());
                Ok(seen)
            }
            Err(why) => Err(clean(&why)),
        };
        Look {
            seen,
            memory: kept,
            matters,
        }
    }

    /// What looks by this configuration need. No note may show the secrets of a script, the token of a push, or the bot's.
    pub(super) fn scene(&self, config: &Arc<Config>) -> Scene {
        let scripts = config.scripts.values().flat_map(|script| &script.secrets);
        let secrets = scripts.filter_map(|name| self.env.get(name));
        let tokens = config.checks.values().filter_map(Check::token);
        let secrets = secrets.chain(tokens.map(PushToken::expose));
        let token = config
            .telegram
            .token
            .as_ref()
            .map(|token| token.expose_secret());
        Scene {
            config: Arc::clone(config),
            redactor: Arc::new(Redactor::new(secrets.chain(token))),
        }
    }

    /// What the program of a check gets of the environment.
    fn environment(&self) -> Vec<(String, String)> {
        let pass = |name: &str| Some((name.to_owned(), self.env.get(name)?.to_owned()));
        PASSED.into_iter().filter_map(pass).collect()
    }
}

impl Around<'_> {
    async fn look(&self, memory: &mut Value, matters: &mut bool) -> Found {
        match &self.check.probe {
            Probe::Cpu | Probe::Load { .. } | Probe::Memory | Probe::Swap => self.vitals().await,
            Probe::Throughput { flow, device } => self.flow(*flow, device.as_deref()).await,
            Probe::Temperature { sensor } => self.temperature(sensor.as_deref()).await,
            Probe::Reboot => self.reboot(memory, matters),
            Probe::Disk { path, measure } => self.disk(path, *measure, memory).await,
            Probe::Process {
                name,
                pattern,
                min,
                max,
            } => {
                let name = name.as_deref();
                self.processes(name, pattern.as_ref(), *min, *max).await
            }
            Probe::Unit { units } => self.units(units).await,
            Probe::File { path, measure } => self.file(path, measure, memory, matters).await,
            Probe::Url { .. } => self.url(memory).await,
            Probe::Tcp { host, port } => self.tcp(host, *port).await,
            Probe::Dns { name, expect } => self.dns(name, expect).await,
            Probe::Clock { url } => self.clock(url).await,
            Probe::Docker { container, socket } => self.docker(container, socket, memory).await,
            Probe::Script { argv } => self.script(argv).await,
            Probe::Heartbeat { script } => self.heartbeat(script, memory, matters).await,
            Probe::Push { .. } => self.push(memory, matters).await,
            Probe::Opsgram { measure } => self.own(*measure, memory, matters).await,
        }
    }

    /// A measured value, with words beside it.
    fn value(&self, value: f64, note: Option<String>) -> Found {
        self.found(Some(value), note, None)
    }

    /// What is wrong in itself.
    fn wrong(&self, note: String) -> Found {
        self.found(None, Some(note), Some(self.check.severity))
    }

    /// What did not answer; that is what is wrong, and it was read.
    fn missed(&self, missed: Missed) -> Found {
        let mut seen = self.wrong(missed.words)?;
        seen.reading.unreached = missed.unreached;
        Ok(seen)
    }

    /// What is well, without a value.
    fn well(&self, note: String) -> Found {
        self.found(None, Some(note), None)
    }

    fn found(&self, value: Option<f64>, note: Option<String>, stated: Option<Severity>) -> Found {
        Ok(Seen {
            reading: Reading {
                value,
                unit: self.check.limits.unit,
                note,
                unreached: false,
            },
            stated,
        })
    }
}

/// A count as a value.
#[expect(
    clippy::cast_precision_loss,
    reason = "shown and compared, not counted with"
)]
fn number(count: u64) -> f64 {
    count as f64
}

/// A reading of another unit than that of the thresholds.
fn plain(value: f64, unit: Unit, note: Option<String>, stated: Option<Severity>) -> Found {
    Ok(Seen {
        reading: Reading {
            value: Some(value),
            unit,
            note,
            unreached: false,
        },
        stated,
    })
}
