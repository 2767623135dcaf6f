//! When GitHub may be asked again.

use crate::base::time::Millis;
use crate::drivers::web::Reply;
use std::time::Duration;

/// How long to wait when GitHub limits without saying for how long, as it asks for.
const UNTOLD: Duration = Duration::from_secs(60);
/// Its limits count hours, so it asks for no longer; a clock that is wrong does.
const LONGEST: Duration = Duration::from_secs(3600);
/// The pause after the first failure, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(900));

/// Why something is not known, and before when it is useless to ask again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Unknown {
    /// A sentence for people, without the token.
    pub why: String,
    /// By our clock; until then, nothing is asked.
    pub until: Option<Millis>,
}

/// The pause after so many failures in a row: twice as long each time.
#[must_use]
pub fn backoff(failures: u32) -> Duration {
    let doubled = failures.saturating_sub(1).min(16);
    (PAUSES.0 * (1 << doubled)).min(PAUSES.1)
}

/// What GitHub last said about its limits.
#[derive(Debug, Default)]
pub(super) struct Limits {
    closed: Option<Millis>,
}

impl Limits {
    pub(super) fn until(&self) -> Option<Millis> {
        self.closed
    }

    /// Whether it may be asked now.
    pub(super) fn check(&mut self, now: Millis) -> Result<(), Unknown> {
        // A clock that was set back must not close it for longer than GitHub would.
        match self.closed {
            Some(until) if now < until && until <= now.plus(LONGEST) => Err(Unknown {
                why: "GitHub wants to be asked later, since too much was asked.".to_owned(),
                until: Some(until),
            }),
            _ => {
                self.closed = None;
                Ok(())
            }
        }
    }

    /// Reads what an answer says about them.
    pub(super) fn heed(&mut self, reply: &Reply, now: Millis) {
        let number = |name: &str| reply.header(name)?.trim().parse::<i64>().ok();
        let used_up = number("x-ratelimit-remaining") == Some(0);
        let limited = reply.status == 429 || reply.status == 503;
        let asked = reply
            .retry_after()
            .filter(|_| limited || reply.status == 403);
        // By GitHub's clock, which may not be ours.
        let reset = number("x-ratelimit-reset")
            .filter(|_| used_up)
            .map(|seconds| {
                let there = reply.date().unwrap_or(now);
                Millis(seconds.saturating_mul(1000)).since(there)
            });
        let secondary =
            reply.status == 429 || (reply.status == 403 && reply.body.contains("rate limit"));
        let wait = match (asked, reset) {
            (None, None) if secondary || used_up => Some(UNTOLD),
            (asked, reset) => asked.max(reset),
        };
        if let Some(wait) = wait {
            let until = now.plus(wait.min(LONGEST));
            self.closed = self.closed.max(Some(until));
        }
    }
}
