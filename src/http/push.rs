//! `/push/<token>`: what a job elsewhere says of itself.

use super::Limits;
use super::connection::Caller;
use super::rates::{Rate, Rates};
use crate::base::name::Name;
use crate::base::secret::MASK;
use crate::base::text::shorten;
use crate::base::time::Millis;
use crate::config::{Live, PushToken};
use crate::monitors::pushes::Pushes;
use crate::store::pushes::Push;
use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Path, Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONNECTION, CONTENT_TYPE, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures::StreamExt as _;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::time::timeout;

/// What is read of a body, in bytes; the rest is taken and left out.
const BODY: usize = 10 << 10;
/// The most of a line that is kept, in UTF-16 units.
const LINE: usize = 300;
/// Wrong tokens that one address may try in a minute.
const WRONG: u32 = 20;
/// Pushes that one check takes in a minute: each is a commit.
const EACH: u32 = 60;
/// The window of both.
const WINDOW: Duration = Duration::from_secs(60);
/// Addresses that are remembered.
const ADDRESSES: usize = 4096;
/// Checks that are remembered; the configuration has no more.
const CHECKS: usize = 500;

/// Takes what comes.
pub(super) struct Desk {
    live: Live,
    pushes: Pushes,
    limits: Limits,
    wrong: Mutex<Rates<IpAddr>>,
    each: Mutex<Rates<Name>>,
}

impl Desk {
    pub(super) fn new(live: Live, pushes: Pushes, limits: Limits) -> Self {
        Self {
            live,
            pushes,
            limits,
            wrong: Mutex::new(Rates::new(WRONG, WINDOW, ADDRESSES)),
            each: Mutex::new(Rates::new(EACH, WINDOW, CHECKS)),
        }
    }

    /// The check whose token it is. All are compared, so that it takes the same time whichever it is.
    fn check(&self, token: &str) -> Option<Name> {
        let digest = PushToken::digest(token);
        let config = self.live.current();
        let checks = config.checks.values();
        checks.fold(None, |found, check| {
            let is = check.token().is_some_and(|token| token.is(&digest));
            found.or(is.then(|| check.name.clone()))
        })
    }

    async fn take(&self, caller: &Caller, token: &str, said: &str, body: Body) -> Answer {
        let Some((check, said)) = self.check(token).zip(Said::read(said)) else {
            return self.wrong(caller);
        };
        if self.is_too_often(&check) {
            return Answer::TooOften;
        }
        let Ok(Ok(body)) = timeout(self.limits.body, first(body)).await else {
            return Answer::Slow;
        };
        let push = said.with(&body, token);
        let taken = self.pushes.take(&check, &push, Millis::now());
        match timeout(self.limits.store, taken).await {
            Ok(Ok(())) => Answer::Taken,
            Ok(Err(error)) => {
                tracing::warn!(%check, %error, "a push could not be kept; its sender may try again");
                Answer::Away
            }
            Err(_) => {
                tracing::warn!(%check, "a push was not kept in time; its sender may try again");
                Answer::Away
            }
        }
    }

    /// Nobody is told whether it was the token or the rest. Good tokens are not held up by this: behind a reverse proxy
    /// everybody has one address.
    fn wrong(&self, caller: &Caller) -> Answer {
        let origin = caller.origin();
        let mut wrong = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        match wrong.count(&origin, Instant::now()) {
            Rate::Within => Answer::Unknown,
            Rate::Exceeded => {
                tracing::warn!(%origin, "many pushes with an unknown token; they are refused for a minute");
                Answer::TooOften
            }
            Rate::Over => Answer::TooOften,
        }
    }

    fn is_too_often(&self, check: &Name) -> bool {
        let mut each = self.each.lock().unwrap_or_else(PoisonError::into_inner);
        match each.count(check, Instant::now()) {
            Rate::Within => false,
            Rate::Exceeded => {
                tracing::warn!(%check, "more than {EACH} pushes within a minute; the rest is refused");
                true
            }
            Rate::Over => true,
        }
    }
}

/// Everything that the port answers to.
pub(super) fn router(desk: Arc<Desk>) -> Router {
    let bare = get(bare).post(bare);
    let more = get(more).post(more);
    Router::new()
        .route("/push/{token}", bare)
        .route("/push/{token}/{said}", more)
        .fallback(|| async { Answer::Unknown })
        .layer(from_fn(mark))
        .with_state(desk)
}

async fn bare(
    State(desk): State<Arc<Desk>>,
    ConnectInfo(caller): ConnectInfo<Caller>,
    Path(token): Path<String>,
    request: Request,
) -> Answer {
    desk.take(&caller, &token, "0", request.into_body()).await
}

async fn more(
    State(desk): State<Arc<Desk>>,
    ConnectInfo(caller): ConnectInfo<Caller>,
    Path((token, said)): Path<(String, String)>,
    request: Request,
) -> Answer {
    desk.take(&caller, &token, &said, request.into_body()).await
}

/// One request a connection, and nothing of it is stored on the way.
async fn mark(ConnectInfo(caller): ConnectInfo<Caller>, request: Request, next: Next) -> Response {
    caller.has_asked();
    let mut response = next.run(request).await;
    let fixed: [(HeaderName, &str); 4] = [
        (CACHE_CONTROL, "no-store"),
        (CONNECTION, "close"),
        (CONTENT_TYPE, "text/plain; charset=utf-8"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    for (name, value) in fixed {
        let headers = response.headers_mut();
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// What the end of an address says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    Began,
    Failed,
    /// With this exit code.
    Ended(u8),
}

impl Said {
    fn read(text: &str) -> Option<Self> {
        match text {
            "start" => Some(Said::Began),
            "fail" => Some(Said::Failed),
            code if code.bytes().all(|c| c.is_ascii_digit()) => code.parse().ok().map(Said::Ended),
            _ => None,
        }
    }

    /// What is kept of it; the token, which a job may well print, is not.
    fn with(self, body: &[u8], token: &str) -> Push {
        match self {
            Said::Began => Push::Began,
            Said::Ended(0) => Push::Succeeded,
            Said::Failed => Push::Failed(line(body, token)),
            Said::Ended(code) => Push::Failed(match line(body, token) {
                line if line.is_empty() => format!("exit {code}"),
                line => format!("exit {code}: {line}"),
            }),
        }
    }
}

/// The first line that says something, as plain text.
fn line(body: &[u8], token: &str) -> String {
    let text = String::from_utf8_lossy(body).replace(token, MASK);
    let plain = |line: &str| -> String {
        let plain = line.chars().map(|c| if c.is_control() { ' ' } else { c });
        plain.collect::<String>().trim().to_owned()
    };
    let line = text.lines().map(plain).find(|line| !line.is_empty());
    shorten(&line.unwrap_or_default(), LINE).into_owned()
}

/// The beginning of a body. The rest is read too, so that the sender is not cut off before the answer; how much that may
/// be, the time limits.
async fn first(body: Body) -> Result<Vec<u8>, axum::Error> {
    let (mut kept, mut pieces) = (Vec::new(), body.into_data_stream());
    while let Some(piece) = pieces.next().await {
        let piece = piece?;
        let room = BODY - kept.len();
        kept.extend_from_slice(&piece[..piece.len().min(room)]);
    }
    Ok(kept)
}

/// What the sender is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Taken,
    Unknown,
    TooOften,
    Slow,
    Away,
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let later = |seconds| [(RETRY_AFTER, HeaderValue::from_static(seconds))];
        match self {
            Answer::Taken => (StatusCode::OK, "OK\n").into_response(),
            Answer::Unknown => (StatusCode::NOT_FOUND, "Not found\n").into_response(),
            Answer::TooOften => {
                let words = "Too often; try again in a minute\n";
                (StatusCode::TOO_MANY_REQUESTS, later("60"), words).into_response()
            }
            Answer::Slow => (
                StatusCode::REQUEST_TIMEOUT,
                "The body did not come in time\n",
            )
                .into_response(),
            Answer::Away => {
                let words = "Not kept; try again in a moment\n";
                (StatusCode::SERVICE_UNAVAILABLE, later("5"), words).into_response()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_an_address_says_what_became_of_the_job() {
        let failed = |words: &str| Some(Push::Failed(words.to_owned()));
        for (said, body, push) in [
            ("start", "x", Some(Push::Began)),
            ("0", "x", Some(Push::Succeeded)),
            ("fail", "", failed("")),
            ("fail", "\n \r\n disk\tfull \nmore", failed("disk full")),
            ("fail", "GET /push/secret", failed("GET /push/•••")),
            ("3", "", failed("exit 3")),
            ("255", "no\u{7}pe", failed("exit 255: no pe")),
            ("256", "", None),
            ("+1", "", None),
            ("-1", "", None),
            ("", "", None),
            ("failed", "", None),
        ] {
            let found = Said::read(said).map(|said| said.with(body.as_bytes(), "secret"));
            assert_eq!(found, push, "{said}");
        }
    }

    #[test]
    fn a_line_is_bounded_whatever_it_holds() {
        assert!(line(&[0xff; BODY], "x").chars().count() <= LINE);
        assert!(
            line("🦀".repeat(4000).as_bytes(), "x")
                .encode_utf16()
                .count()
                <= LINE
        );
    }
}
