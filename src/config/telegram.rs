//! The section `telegram`: where the Bot API is, and what an old command is.

use std::time::Duration;

use url::Url;

use super::fault::{At, Report};
use super::map::Map;
use super::read::{one_of, text};
use super::token::{self, TokenSource};
use super::{Paths, YEAR};
use crate::base::secret::SecretString;

/// How Telegram is reached.
#[derive(Clone)]
pub struct Telegram {
    /// The Bot API server, `http` or `https`, without a slash at the end.
    pub api_url: String,
    /// The bot's token; `None` when no source had one, which only `serve` needs to complain about.
    pub token: Option<SecretString>,
    /// Where the token was found.
    pub token_source: Option<TokenSource>,
    /// The proxy for every call: `http`, `https`, `socks5` or `socks5h`. It may hold a password.
    pub proxy: Option<String>,
    /// Commands older than this are offered, not run.
    pub stale_after: Duration,
}

const API_URL: &str = "https://api.telegram.org";
const STALE_AFTER: Duration = Duration::from_secs(5 * 60);

pub(super) fn read(root: &mut Map<'_>, paths: &Paths<'_>, report: &mut Report) -> Telegram {
    let mut telegram = Telegram {
        api_url: API_URL.to_owned(),
        token: None,
        token_source: None,
        proxy: None,
        stale_after: STALE_AFTER,
    };
    let mut token_file = None;
    if let Some(mut map) = root.section("telegram", report) {
        if let Some(node) = map.get("api_url")
            && let Some(written) = text(node, "telegram.api_url", report)
            && address(
                written,
                "telegram.api_url",
                &["http", "https"],
                &node.at,
                report,
            )
        {
            telegram.api_url = written.trim_end_matches('/').to_owned();
        }
        if let Some(node) = map.optional("proxy")
            && let Some(written) = text(node, "telegram.proxy", report)
            && address(
                written,
                "telegram.proxy",
                &["http", "https", "socks5", "socks5h"],
                &node.at,
                report,
            )
        {
            telegram.proxy = Some(written.to_owned());
        }
        if let Some(found) = map.duration("stale_after", YEAR, report) {
            telegram.stale_after = found;
        }
        token_file = map.optional("token_file");
        refuse_token(&mut map, report);
        map.finish(report);
    }
    if let Some((token, source)) = token::find(token_file, paths, report) {
        telegram.token = Some(token);
        telegram.token_source = Some(source);
    }
    telegram
}

/// A token in the file ends up in backups and repositories.
fn refuse_token(map: &mut Map<'_>, report: &mut Report) {
    let entry = map.entries().iter().find(|entry| entry.key == "token");
    if let Some(entry) = entry {
        map.get("token");
        report.fault(
            &entry.at,
            "the token does not belong into this file; put it into the variable OPSGRAM_TELEGRAM_TOKEN, or into a file of mode 0600 named by `telegram.token_file`",
        );
    }
}

/// Whether an address has one of the schemes and a host; notes it otherwise, without repeating what may be a password.
fn address(written: &str, name: &str, schemes: &[&str], at: &At, report: &mut Report) -> bool {
    let good = Url::parse(written).is_ok_and(|url| {
        schemes.contains(&url.scheme())
            && url.host_str().is_some_and(|host| !host.is_empty())
            && url.query().is_none()
            && url.fragment().is_none()
    });
    if !good {
        let schemes: Vec<String> = schemes
            .iter()
            .map(|scheme| format!("{scheme}://"))
            .collect();
        let schemes: Vec<&str> = schemes.iter().map(String::as_str).collect();
        report.fault(
            at,
            format!(
                "`{name}` is not an address; write {} and a host, such as {}example.org",
                one_of(&schemes),
                schemes[0]
            ),
        );
    }
    good
}
