//! Looks over the network: pages, ports, names, and the clock of somebody else.

use super::{Around, Found, Kept};
use crate::base::alert::Severity;
use crate::base::time::{Millis, human};
use crate::config::Probe;
use crate::drivers::missed::Missed;
use crate::drivers::sockets;
use crate::drivers::web::Answer;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::net::IpAddr;
use std::time::Duration;
use url::Url;

/// What a look at a page remembers.
#[derive(Default, Serialize, Deserialize)]
struct Memory {
    /// When the certificate of the last answer ends.
    certificate_ends: Option<Millis>,
}

fn remember(certificate_ends: Option<Millis>) -> Value {
    serde_json::to_value(Memory { certificate_ends }).unwrap_or_default()
}

/// When a page's certificate ends, by what its check remembers; `None` of what has no certificate.
#[must_use]
pub fn certificate_ends(memory: &str) -> Option<Millis> {
    let memory: Memory = serde_json::from_value(Kept::read(memory).memory()).ok()?;
    memory.certificate_ends
}

/// The clock in an answer counts whole seconds.
const WHOLE: f64 = 1.0;

impl Around<'_> {
    /// A page that does not come, or not as it should, is what is wrong; it was read.
    pub(super) async fn url(&self, memory: &mut Value) -> Found {
        let Probe::Url {
            url,
            status,
            contains,
            matches,
            tls,
            ca,
        } = &self.check.probe
        else {
            return Err("this is no check of a page".to_owned());
        };
        let host = url.host_str().unwrap_or_default();
        let answer = match self
            .prober
            .web
            .get(url, ca.as_deref(), self.check.timeout)
            .await
        {
            Ok(answer) => answer,
            Err(missed) => {
                let words = format!("{host}: {}", missed.words);
                return self.missed(Missed { words, ..missed });
            }
        };
        *memory = remember(answer.certificate_ends);
        let is_right = match status.as_slice() {
            [] => (200..400).contains(&answer.status),
            codes => codes.contains(&answer.status),
        };
        let mut wrong: Vec<(Severity, String)> = Vec::new();
        let mut add = |note: String| wrong.push((self.check.severity, note));
        if !is_right {
            add(format!("{host} answers with {}", answer.status));
        }
        if contains
            .as_ref()
            .is_some_and(|text| !answer.body.contains(text))
        {
            add(format!("{host} does not answer with the expected text"));
        }
        if matches
            .as_ref()
            .is_some_and(|pattern| !pattern.is_match(&answer.body))
        {
            add(format!(
                "{host} does not answer with what the expression expects"
            ));
        }
        if let Some(left) = self.certificate(&answer)
            && let Some(severity) = tls.judge(left, None)
        {
            let left = human(Duration::from_secs_f64(left));
            wrong.push((
                severity,
                format!("the certificate of {host} ends in {left}"),
            ));
        }
        let stated = wrong.iter().map(|(severity, _)| *severity).max();
        let notes: Vec<String> = wrong.into_iter().map(|(_, note)| note).collect();
        let note = match notes.is_empty() {
            true => format!("{host} answers with {}", answer.status),
            false => notes.join("; "),
        };
        self.found(Some(answer.took.as_secs_f64()), Some(note), stated)
    }

    /// How long the certificate still counts, in seconds; 0 when it has ended.
    fn certificate(&self, answer: &Answer) -> Option<f64> {
        let ends = answer.certificate_ends?;
        Some(ends.since(self.now).as_secs_f64())
    }

    pub(super) async fn tcp(&self, host: &str, port: u16) -> Found {
        match sockets::connect(host, port, self.check.timeout).await {
            Ok(took) => self.value(
                took.as_secs_f64(),
                Some(format!("{host}:{port} takes connections")),
            ),
            Err(missed) => self.missed(missed),
        }
    }

    pub(super) async fn dns(&self, name: &str, expect: &[IpAddr]) -> Found {
        let (found, took) = match sockets::resolve(name, self.check.timeout).await {
            Ok(found) => found,
            Err(missed) => return self.missed(missed),
        };
        let list = |addresses: &[IpAddr]| {
            let words: Vec<String> = addresses.iter().map(IpAddr::to_string).collect();
            words.join(", ")
        };
        let missing: Vec<IpAddr> = expect
            .iter()
            .filter(|address| !found.contains(address))
            .copied()
            .collect();
        match missing.is_empty() {
            true => self.value(
                took.as_secs_f64(),
                Some(format!("{name} is {}", list(&found))),
            ),
            false => self.wrong(format!(
                "{name} is {}, not {}",
                list(&found),
                list(&missing)
            )),
        }
    }

    pub(super) async fn clock(&self, url: &Url) -> Found {
        let host = url.host_str().unwrap_or_default();
        let answer = self.prober.web.get(url, None, self.check.timeout).await;
        let answer = answer.map_err(|missed| format!("{host}: {}", missed.words))?;
        let Some(theirs) = answer.date else {
            return Err(format!("{host} does not tell its time"));
        };
        let skew = skew(Millis::now(), theirs, answer.took);
        let note = match skew > 0.0 {
            true => format!(
                "the clock here is {} s ahead of that of {host}",
                skew.round()
            ),
            false => format!(
                "the clock here is {} s behind that of {host}",
                skew.abs().round()
            ),
        };
        self.value(skew.abs(), Some(note))
    }
}

/// How far a clock is ahead of another one, in seconds, as far as that is certain.
#[expect(
    clippy::cast_precision_loss,
    reason = "a distance of years needs no milliseconds"
)]
fn skew(ours: Millis, theirs: Millis, took: Duration) -> f64 {
    let ahead = (ours.0 - theirs.0) as f64 / 1000.0;
    // Theirs was written at some time while it was asked, and its seconds are whole.
    let doubt = took.as_secs_f64() + WHOLE;
    match ahead {
        ahead if ahead > doubt => ahead - doubt,
        ahead if ahead < 0.0 => ahead,
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_wrong_as_far_as_that_is_certain() {
        let took = Duration::from_millis(500);
        for (ours, theirs, wanted) in [
            (10_900, 10_000, 0.0),
            (11_500, 10_000, 0.0),
            (71_500, 10_000, 60.0),
            (10_000, 70_000, -60.0),
        ] {
            let found = skew(Millis(ours), Millis(theirs), took);
            assert!((found - wanted).abs() < 1e-9, "{ours} {theirs}: {found}");
        }
    }
}
