//! A question to a web server with everything that belongs to it, and what is read from the reply.

use super::{MAX_BODY, Web, body, date, follow, left};
use crate::base::text::shorten;
use crate::base::time::{Millis, human};
use chrono::DateTime;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Method, RequestBuilder};
use serde_json::Value;
use std::collections::BTreeMap;
use std::error::Error;
use std::io::{self, ErrorKind};
use std::time::{Duration, Instant};
use url::Url;

/// What a question says by itself.
const OURS: [&str; 3] = ["content-length", "transfer-encoding", "connection"];
/// Of an answer that is no JSON, what is shown, in UTF-16 units.
const BEGINNING: usize = 60;

/// A question to a web server.
#[derive(Clone, Debug)]
pub struct Question {
    /// The method, in capitals.
    pub method: String,
    /// The address, http or https.
    pub url: Url,
    /// Headers: names and values.
    pub headers: Vec<(String, String)>,
    /// What is sent along.
    pub body: Option<String>,
    /// Whether redirects of a GET or HEAD are followed; those of other methods never are.
    pub follow: bool,
    /// How long the whole may take.
    pub limit: Duration,
    /// The most that is read of the reply's text, in bytes.
    pub most: usize,
}

/// The reply to a question.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The code.
    pub status: u16,
    /// The text, up to what was asked for.
    pub body: String,
    /// Whether the text goes on after that.
    pub cut: bool,
    /// From the question to the end of the text.
    pub took: Duration,
    host: String,
    headers: HeaderMap,
}

impl Question {
    /// A question without headers and text, which follows redirects.
    #[must_use]
    pub fn new(method: &str, url: Url, limit: Duration) -> Self {
        Self {
            method: method.to_owned(),
            url,
            headers: Vec::new(),
            body: None,
            follow: true,
            limit,
            most: MAX_BODY,
        }
    }
}

impl Web {
    /// Asks. Where a redirect is followed to another server, that gets none of the headers.
    ///
    /// # Errors
    /// A sentence for people: what is wrong with the question, or why there is no reply. It holds no header, no text and
    /// of the address the server alone.
    pub async fn ask(&self, question: &Question) -> Result<Reply, String> {
        let (method, headers) = checked(question)?;
        let client = self.client()?;
        let begun = Instant::now();
        let host = server(&question.url);
        let wrong = |error| sentence(&host, question.limit, &error);
        let make = |url: &Url, same_server: bool| {
            let headers = if same_server {
                headers.clone()
            } else {
                HeaderMap::new()
            };
            let request = request(&client, &method, url, headers, question.body.clone());
            request.timeout(left(begun, question.limit))
        };
        let sent = if question.follow && matches!(method, Method::GET | Method::HEAD) {
            follow(&question.url, make).await
        } else {
            make(&question.url, true).send().await
        };
        let mut response = sent.map_err(wrong)?;
        let (body, cut) = body(&mut response, question.most).await.map_err(wrong)?;
        let status = response.status().as_u16();
        let headers = std::mem::take(response.headers_mut());
        Ok(Reply {
            status,
            body,
            cut,
            took: begun.elapsed(),
            host,
            headers,
        })
    }
}

fn request(
    client: &Client,
    method: &Method,
    url: &Url,
    headers: HeaderMap,
    body: Option<String>,
) -> RequestBuilder {
    let request = client.request(method.clone(), url.clone()).headers(headers);
    match body {
        Some(body) => request.body(body),
        None => request,
    }
}

fn checked(question: &Question) -> Result<(Method, HeaderMap), String> {
    if !matches!(question.url.scheme(), "http" | "https") {
        let scheme = question.url.scheme();
        return Err(format!(
            "`{scheme}:` is no address of a web server; write http:// or https://."
        ));
    }
    let method = Method::from_bytes(question.method.as_bytes()).ok();
    let method = method
        .filter(|method| *method != Method::CONNECT)
        .ok_or_else(|| {
            format!(
                "`{}` is no method; write GET, POST, PUT, PATCH, DELETE or HEAD.",
                question.method
            )
        })?;
    let mut headers = HeaderMap::new();
    for (name, value) in &question.headers {
        let known = HeaderName::from_bytes(name.as_bytes());
        let known = known.map_err(|_| format!("`{name}` is no name of a header."))?;
        if OURS.contains(&known.as_str()) {
            return Err(format!(
                "The header `{name}` is set by itself; leave it out."
            ));
        }
        let mut value = HeaderValue::from_str(value).map_err(|_| {
            format!("The value of the header `{name}` holds a line break or a character that no header may hold.")
        })?;
        value.set_sensitive(true);
        headers.append(known, value);
    }
    Ok((method, headers))
}

/// The server of an address, as people write it.
fn server(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

/// Why there is no reply.
fn sentence(host: &str, limit: Duration, error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return format!("{host} gave no answer within {}.", human(limit));
    }
    let mut causes = Vec::new();
    let mut next: Option<&(dyn Error + 'static)> = error.source();
    while let Some(cause) = next {
        causes.push(cause);
        next = cause.source();
    }
    let kinds = causes
        .iter()
        .filter_map(|cause| cause.downcast_ref::<io::Error>());
    let kinds: Vec<ErrorKind> = kinds.map(io::Error::kind).collect();
    let told: Vec<String> = causes.iter().map(ToString::to_string).collect();
    let innermost = told.last().cloned().unwrap_or_default();
    let says = |word: &str| told.iter().any(|cause| cause.contains(word));
    if kinds.contains(&ErrorKind::ConnectionRefused) {
        format!("{host} refuses the connection: nothing listens there.")
    } else if says("dns error") {
        format!("{host} has no address: {innermost}.")
    } else if says("certificate") || says("tls") || says("TLS") || says("corrupt message") {
        format!("{host} gives no safe connection: {innermost}.")
    } else if error.is_connect() {
        format!("{host} cannot be reached: {innermost}.")
    } else if kinds.iter().any(|kind| {
        matches!(
            kind,
            ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::UnexpectedEof
        )
    }) || says("connection closed")
        || says("end of file")
    {
        format!("{host} broke the connection off before its answer was complete.")
    } else {
        format!("{host} gave no answer that can be read: {innermost}.")
    }
}

/// Whether a text is a JSON pointer (RFC 6901).
///
/// # Errors
/// What would be right.
pub fn check_pointer(pointer: &str) -> Result<(), String> {
    let mut rest = pointer.split('~').skip(1);
    if !(pointer.is_empty() || pointer.starts_with('/')) {
        return Err(format!(
            "`{pointer}` is no JSON pointer; write /{}",
            pointer.replace('.', "/")
        ));
    }
    match rest.all(|part| part.starts_with(['0', '1'])) {
        true => Ok(()),
        false => Err(format!(
            "`{pointer}` is no JSON pointer: write ~0 for ~ and ~1 for / inside of a name"
        )),
    }
}

impl Reply {
    /// A header, if it is there and a text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// How long one is asked to wait before the next question (`Retry-After`: seconds, or a date by the server's clock);
    /// mostly with a 429 or 503.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        let value = self.header("retry-after")?.trim();
        if let Ok(seconds) = value.parse() {
            return Some(Duration::from_secs(seconds));
        }
        let until = DateTime::parse_from_rfc2822(value).ok()?;
        let now = self.date().unwrap_or_else(Millis::now);
        Some(Millis(until.timestamp_millis()).since(now))
    }

    /// The server's clock.
    #[must_use]
    pub fn date(&self) -> Option<Millis> {
        date(&self.headers)
    }

    /// Whether the code is one of these; without any, whether it is one of 200–299.
    ///
    /// # Errors
    /// A sentence that says what was answered instead, and how long one is asked to wait.
    pub fn expect(&self, statuses: &[u16]) -> Result<(), String> {
        let (good, wanted) = match statuses {
            [] => ((200..300).contains(&self.status), "200–299".to_owned()),
            some => {
                let wanted: Vec<String> = some.iter().map(u16::to_string).collect();
                (some.contains(&self.status), wanted.join(" or "))
            }
        };
        if good {
            return Ok(());
        }
        let (host, status) = (&self.host, self.status);
        Err(
            match self.retry_after().filter(|_| matches!(status, 429 | 503)) {
                Some(wait) => format!(
                    "{host} answered with {status} instead of {wanted}, and asks to wait for {}.",
                    human(wait)
                ),
                None => format!("{host} answered with {status} instead of {wanted}."),
            },
        )
    }

    /// Values of the JSON text, by name: `pointers` says where they are (RFC 6901). A text is taken as it is, anything else
    /// as JSON.
    ///
    /// # Errors
    /// A sentence that says that it is no JSON, or which value is not there.
    pub fn values(
        &self,
        pointers: &BTreeMap<String, String>,
    ) -> Result<BTreeMap<String, String>, String> {
        if pointers.is_empty() {
            return Ok(BTreeMap::new());
        }
        let host = &self.host;
        if self.cut {
            let most = MAX_BODY >> 20;
            return Err(format!(
                "{host} answered with more than {most} MiB, which is not read as JSON."
            ));
        }
        let json: Value = serde_json::from_str(&self.body).map_err(|_| {
            format!(
                "{host} did not answer with JSON, but with {}.",
                beginning(&self.body)
            )
        })?;
        let read = pointers.iter().map(|(name, pointer)| {
            let value = match json.pointer(pointer) {
                Some(Value::String(text)) => text.clone(),
                Some(other) => other.to_string(),
                None => {
                    return Err(format!(
                        "The answer of {host} has nothing at `{pointer}`, where `{name}` should be."
                    ));
                }
            };
            Ok((name.clone(), value))
        });
        read.collect()
    }
}

/// How a text begins, for people; of one that is empty, that it is.
fn beginning(body: &str) -> String {
    let line = body.trim().lines().next().unwrap_or_default();
    match line.is_empty() {
        true => "nothing".to_owned(),
        false => format!("“{}”", shorten(line, BEGINNING)),
    }
}

#[cfg(test)]
mod tests;
