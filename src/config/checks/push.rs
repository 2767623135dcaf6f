//! The token of a push: who knows it may say that a job succeeded.

use std::fmt;

use sha2::{Digest, Sha256};

use super::super::fault::{At, Report};
use super::super::map::Map;
use super::super::read::text;
use super::Around;
use crate::base::secret::{ExposeSecret, SecretString};

/// Shorter ones could be guessed.
const SHORTEST: usize = 16;
/// More than any generator makes; it has to fit into an address.
const LONGEST: usize = 128;

/// The token of a push.
#[derive(Clone)]
pub struct PushToken {
    secret: SecretString,
    digest: [u8; 32],
}

impl PushToken {
    fn new(text: &str) -> Option<Self> {
        let plain = |c: u8| c.is_ascii_alphanumeric() || c == b'_' || c == b'-';
        let good = (SHORTEST..=LONGEST).contains(&text.len()) && text.bytes().all(plain);
        good.then(|| Self {
            secret: SecretString::from(text),
            digest: Self::digest(text),
        })
    }

    /// What a text is compared by; to be made once for all tokens.
    #[must_use]
    pub fn digest(text: &str) -> [u8; 32] {
        Sha256::digest(text.as_bytes()).into()
    }

    /// Whether it is the token of this digest. Takes the same time wherever the two differ.
    #[must_use]
    pub fn is(&self, digest: &[u8; 32]) -> bool {
        let both = self.digest.iter().zip(digest);
        both.fold(0, |differs, (one, other)| differs | (one ^ other)) == 0
    }

    /// The token itself, for whoever masks it.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.secret.expose_secret()
    }
}

impl fmt::Debug for PushToken {
    /// Tells one token from another, as a reload asks, and gives none away.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, ..] = self.digest;
        write!(f, "PushToken({a:02x}{b:02x}{c:02x}{d:02x})")
    }
}

/// The token under `push`: itself, or `${NAME}` for a variable of the bot's environment. `None` when it is not to be had,
/// which was told. Faults point at the check, since the line of a token is not to be shown.
pub(super) fn read(
    map: &mut Map<'_>,
    around: &Around<'_>,
    report: &mut Report,
) -> Option<PushToken> {
    let name = map.name("push");
    let node = map.get("push")?;
    if !around.listens {
        let message = format!(
            "`{name}` needs a port that pushes come to; write `http: {{listen: 127.0.0.1:8790}}`"
        );
        report.fault(map.at, message);
    }
    let written = text(node, &name, report)?;
    let variable = written
        .strip_prefix("${")
        .and_then(|rest| rest.strip_suffix('}'));
    let token = match variable {
        Some(variable) => match around.paths.env.get(variable) {
            Some(token) => token,
            None => {
                let message = format!(
                    "`{name}`: the variable {variable} is not in the bot's environment; set it to the token"
                );
                report.warn(map.at, message);
                return None;
            }
        },
        None => written,
    };
    let token = PushToken::new(token.trim());
    if token.is_none() {
        let message = format!(
            "`{name}` is no token; write {SHORTEST} to {LONGEST} letters, digits, `-` and `_`, such as `openssl rand -hex 16` makes, or '${{NAME}}' for a variable of the bot's environment"
        );
        report.fault(map.at, message);
    }
    token
}

/// Notes that another check has the same token: nobody could tell whose push it is.
pub(super) fn same(name: &str, other: &str, at: &At, report: &mut Report) {
    let message = format!(
        "`checks.{name}.push` is the token of `{other}`, too; give each check one of its own"
    );
    report.fault(at, message);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_known_by_its_digest_and_shown_nowhere() {
        let token = PushToken::new("0123456789abcdef").unwrap();
        assert!(token.is(&PushToken::digest("0123456789abcdef")));
        assert!(!token.is(&PushToken::digest("0123456789abcdeF")));
        let shown = format!("{token:?}");
        assert!(!shown.contains("0123"), "{shown}");
        assert_ne!(
            shown,
            format!("{:?}", PushToken::new("0123456789abcdeF").unwrap())
        );
    }

    #[test]
    fn what_could_be_guessed_or_is_no_part_of_an_address_is_no_token() {
        for wrong in [
            "",
            "0123456789abcde",
            "0123456789abcde/",
            "0123456789 abcdef",
            "é123456789abcdefg",
        ] {
            assert!(PushToken::new(wrong).is_none(), "{wrong}");
        }
        assert!(PushToken::new(&"a".repeat(LONGEST)).is_some());
        assert!(PushToken::new(&"a".repeat(LONGEST + 1)).is_none());
    }
}
