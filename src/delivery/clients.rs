//! The HTTP clients for Telegram: one for polls, one for short calls, one for uploads.

use crate::base::secret::ExposeSecret;
use crate::config::Telegram;
use anyhow::{Context, Result};
use chrono::{DateTime, Utc};
use std::time::Duration;
use teloxide::RequestError;
use teloxide::prelude::Bot;

/// Longer than a poll is held open, so that a dead connection is noticed.
const POLL_TIMEOUT: Duration = Duration::from_secs(45);
/// A short call that takes longer is made again.
const CALL_TIMEOUT: Duration = Duration::from_secs(20);
/// Enough for 50 MB over a slow line.
const UPLOAD_TIMEOUT: Duration = Duration::from_secs(600);
/// Time to connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The clients.
pub struct Clients {
    /// For `getUpdates`.
    pub poll: Bot,
    /// For texts, edits, answers.
    pub quick: Bot,
    /// For files.
    pub upload: Bot,
}

/// What is missing, and what to do, when there is no token.
pub const NO_TOKEN: &str = "there is no bot token: set OPSGRAM_TELEGRAM_TOKEN, or telegram.token_file in the configuration. \
     @BotFather gives you one";

/// Makes the clients; every call goes through the proxy, if there is one.
///
/// # Errors
/// When there is no token, or the address or proxy cannot be used.
pub fn make(telegram: &Telegram) -> Result<Clients> {
    let token = telegram.token.as_ref().context(NO_TOKEN)?;
    let url = reqwest::Url::parse(&telegram.api_url).context("reading telegram.api_url")?;
    let bot = |timeout: Duration| -> Result<Bot> {
        let client = http(telegram, timeout)?;
        Ok(Bot::with_client(token.expose_secret(), client).set_api_url(url.clone()))
    };
    Ok(Clients {
        poll: bot(POLL_TIMEOUT)?,
        quick: bot(CALL_TIMEOUT)?,
        upload: bot(UPLOAD_TIMEOUT)?,
    })
}

/// When Telegram's server says it is, for comparing clocks; `None` when it does not say.
///
/// # Errors
/// When it cannot be reached.
pub async fn server_time(telegram: &Telegram) -> Result<Option<DateTime<Utc>>> {
    let client = http(telegram, CALL_TIMEOUT)?;
    let answer = client.head(&telegram.api_url).send().await?;
    let date = answer.headers().get(reqwest::header::DATE);
    let date = date.and_then(|date| DateTime::parse_from_rfc2822(date.to_str().ok()?).ok());
    Ok(date.map(|date| date.to_utc()))
}

/// Why a call failed, in the words of what lies deepest: those above it repeat each other. Never with the token.
#[must_use]
pub fn why(error: &RequestError, telegram: &Telegram) -> String {
    let mut deepest: &dyn std::error::Error = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    let words = deepest.to_string();
    match &telegram.token {
        Some(token) => words.replace(token.expose_secret(), "•••"),
        None => words,
    }
}

fn http(telegram: &Telegram, timeout: Duration) -> Result<reqwest::Client> {
    let url = reqwest::Url::parse(&telegram.api_url).context("reading telegram.api_url")?;
    let mut client = reqwest::Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(timeout)
        .tcp_nodelay(true);
    if let Some(proxy) = &telegram.proxy {
        let proxy = reqwest::Proxy::all(proxy).context("reading telegram.proxy")?;
        client = client.proxy(proxy);
    } else if is_loopback(&url) {
        client = client.no_proxy();
    }
    client.build().context("making an HTTP client")
}

/// A proxy of the environment is never meant for this machine itself.
fn is_loopback(url: &reqwest::Url) -> bool {
    match url.host_str() {
        Some("localhost" | "[::1]") => true,
        Some(host) => host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback()),
        None => false,
    }
}
