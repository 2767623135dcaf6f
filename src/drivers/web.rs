//! What a web server answers: its code, the beginning of the text, its clock, and how long its certificate counts.

mod ask;

pub use ask::{Question, Reply, check_pointer};

use super::missed::{Missed, is_on_the_way};
use crate::base::time::Millis;
use chrono::DateTime;
use reqwest::header::{HeaderMap, LOCATION};
use reqwest::redirect::Policy;
use reqwest::tls::TlsInfo;
use reqwest::{Certificate, Client, ClientBuilder, RequestBuilder, Response};
use std::error::Error;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use url::Url;
use x509_parser::parse_x509_certificate;

/// The most that is read of an answer, in bytes, unless whoever asks says.
const MAX_BODY: usize = 1 << 20;
/// The most redirects that are followed.
const MAX_REDIRECTS: usize = 5;

/// What a web server answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The code.
    pub status: u16,
    /// The text, or its beginning.
    pub body: String,
    /// From the question to the end of the text.
    pub took: Duration,
    /// The server's clock, in whole seconds.
    pub date: Option<Millis>,
    /// When its certificate ends.
    pub certificate_ends: Option<Millis>,
}

/// Asks web servers. Each question has a connection of its own, so that the certificate of now is seen. Cheap to clone.
///
/// The client is made with the first question: its authorities take a megabyte, which a bot without such checks spares.
#[derive(Clone, Default)]
pub struct Web(Arc<OnceLock<Client>>);

impl Web {
    /// Asks for a page. `ca` names a file with the certificate of an authority of one's own, in PEM form.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn get(
        &self,
        url: &Url,
        ca: Option<&Path>,
        limit: Duration,
    ) -> Result<Answer, Missed> {
        let client = match ca {
            Some(ca) => {
                let pem = tokio::fs::read(ca).await;
                let pem = pem.map_err(|error| {
                    Missed::there(format!("{} cannot be read: {error}", ca.display()))
                })?;
                let ours = Certificate::from_pem(&pem).map_err(missed)?;
                client()
                    .add_root_certificate(ours)
                    .build()
                    .map_err(missed)?
            }
            None => self.client().map_err(Missed::there)?,
        };
        let begun = Instant::now();
        let send = |url: &Url, _| client.get(url.clone()).timeout(left(begun, limit));
        let mut response = follow(url, send).await.map_err(missed)?;
        let date = date(response.headers());
        let certificate_ends = response
            .extensions()
            .get::<TlsInfo>()
            .and_then(TlsInfo::peer_certificate)
            .and_then(ends);
        let (body, _) = body(&mut response, MAX_BODY).await.map_err(missed)?;
        Ok(Answer {
            status: response.status().as_u16(),
            body,
            took: begun.elapsed(),
            date,
            certificate_ends,
        })
    }

    fn client(&self) -> Result<Client, String> {
        if let Some(client) = self.0.get() {
            return Ok(client.clone());
        }
        let made = client().build().map_err(words)?;
        Ok(self.0.get_or_init(|| made).clone())
    }
}

fn client() -> ClientBuilder {
    Client::builder()
        .no_proxy()
        .tls_info(true)
        .pool_max_idle_per_host(0)
        .redirect(Policy::none())
        .user_agent(concat!("opsgram/", env!("CARGO_PKG_VERSION")))
}

/// What is left of the time, and never nothing.
fn left(begun: Instant, limit: Duration) -> Duration {
    let left = limit.saturating_sub(begun.elapsed());
    left.max(Duration::from_millis(1))
}

/// Sends what `request` makes for an address and goes where the answers point to. `request` is told whether the address
/// is still of the server that was meant: another one must not get what that one gets. After too many redirects, the
/// last answer is what was answered.
async fn follow(
    url: &Url,
    request: impl Fn(&Url, bool) -> RequestBuilder,
) -> reqwest::Result<Response> {
    let mut at = url.clone();
    let mut answer = request(&at, true).send().await?;
    for _ in 0..MAX_REDIRECTS {
        let Some(next) = points_to(&at, &answer) else {
            break;
        };
        at = next;
        answer = request(&at, at.origin() == url.origin()).send().await?;
    }
    Ok(answer)
}

/// Where an answer points to; name and password go along as long as the server is the same.
fn points_to(from: &Url, answer: &Response) -> Option<Url> {
    if !matches!(answer.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let place = answer.headers().get(LOCATION)?.to_str().ok()?;
    let mut next = from.join(place).ok()?;
    if !matches!(next.scheme(), "http" | "https") {
        return None;
    }
    if next.origin() == from.origin() && next.username().is_empty() {
        next.set_username(from.username()).ok()?;
        next.set_password(from.password()).ok()?;
    }
    Some(next)
}

/// The text of an answer, and whether it goes on after what was read.
async fn body(response: &mut Response, most: usize) -> reqwest::Result<(String, bool)> {
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await? {
        body.extend_from_slice(&piece);
        if body.len() > most {
            break;
        }
    }
    let cut = body.len() > most;
    body.truncate(most);
    Ok((String::from_utf8_lossy(&body).into_owned(), cut))
}

fn date(headers: &HeaderMap) -> Option<Millis> {
    let value = headers.get("date")?.to_str().ok()?;
    let date = DateTime::parse_from_rfc2822(value).ok()?;
    Some(Millis(date.timestamp_millis()))
}

fn ends(der: &[u8]) -> Option<Millis> {
    let (_, certificate) = parse_x509_certificate(der).ok()?;
    let seconds = certificate.validity().not_after.timestamp();
    Some(Millis(seconds.saturating_mul(1000)))
}

/// A page that is slow and one that is not reached cannot be told apart: both do not answer in time.
fn missed(error: reqwest::Error) -> Missed {
    let unreached = error.is_timeout() || error.is_connect() && is_on_the_way(&error);
    Missed {
        words: words(error),
        unreached,
    }
}

/// The innermost cause, without the address: that may hold a password.
fn words(error: reqwest::Error) -> String {
    if error.is_timeout() {
        return "there is no answer in time".to_owned();
    }
    let error = error.without_url();
    let mut cause: &dyn Error = &error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    format!("there is no answer: {cause}")
}
