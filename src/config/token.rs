//! The bot's token: the places it may come from, in their order.

use std::fmt;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use regex::Regex;

use super::Paths;
use super::fault::{At, Report};
use super::read::{absolute, text};
use super::tree::Node;
use crate::base::secret::SecretString;

/// Where a token was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenSource {
    /// An environment variable.
    Variable(&'static str),
    /// The file that `telegram.token_file` names.
    File(PathBuf),
    /// The systemd credential `telegram-token`.
    Credential(PathBuf),
}

impl fmt::Display for TokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TokenSource::Variable(name) => write!(f, "the variable {name}"),
            TokenSource::File(path) => write!(f, "the file {}", path.display()),
            TokenSource::Credential(path) => {
                write!(f, "the systemd credential {}", path.display())
            }
        }
    }
}

/// The variables that may hold the token, first wins.
pub(super) const VARIABLES: [&str; 3] = [
    "OPSGRAM_TELEGRAM_TOKEN",
    "TELEGRAM_TOKEN",
    "TELEGRAM_BOT_TOKEN",
];
const CREDENTIAL: &str = "telegram-token";
/// More than any token; a larger file is not one.
const MAX_FILE: u64 = 4096;

/// The first token found. An ill-formed one is a fault (its text is never repeated), a missing one is not.
pub(super) fn find(
    token_file: Option<&Node>,
    paths: &Paths<'_>,
    report: &mut Report,
) -> Option<(SecretString, TokenSource)> {
    for name in VARIABLES {
        let found = paths.env.get(name).map(str::trim);
        if let Some(token) = found.filter(|token| !token.is_empty()) {
            let at = At::Variable(name.to_owned());
            return Some((checked(token, &at, report)?, TokenSource::Variable(name)));
        }
    }
    // What whoever starts the bot hands over counts before what stands in the file, which a person's `check` reads, too.
    let (named, written_down) = match token_file {
        Some(node) if matches!(node.at, At::Variable(_)) => (Some(node), None),
        other => (None, other),
    };
    if named.is_none()
        && let Some(found) = credential(paths, report)
    {
        return found;
    }
    if let Some(node) = named.or(written_down) {
        let written = text(node, "telegram.token_file", report)?;
        let path = absolute(paths.base, written);
        let token = read_file(&path, &node.at, report)?;
        if token.trim().is_empty() {
            // As an installation leaves it: only `serve` needs to complain.
            let message = format!(
                "{} is empty; `opsgram init` asks for the token",
                path.display()
            );
            report.warn(&node.at, message);
            return None;
        }
        let token = checked(token.trim(), &node.at, report)?;
        return Some((token, TokenSource::File(path)));
    }
    None
}

/// The credential of systemd, if there is one; an empty one stands for “not given yet”.
fn credential(
    paths: &Paths<'_>,
    report: &mut Report,
) -> Option<Option<(SecretString, TokenSource)>> {
    let folder = paths.env.get("CREDENTIALS_DIRECTORY")?;
    let path = Path::new(folder).join(CREDENTIAL);
    if !path.exists() {
        return None;
    }
    let at = At::Variable("CREDENTIALS_DIRECTORY".to_owned());
    let read = read_file(&path, &at, report);
    let token = match read.as_deref().map(str::trim) {
        Some("") => None,
        Some(token) => checked(token, &at, report),
        None => None,
    };
    Some(token.map(|token| (token, TokenSource::Credential(path))))
}

fn read_file(path: &Path, at: &At, report: &mut Report) -> Option<String> {
    let mut token = String::new();
    let read = File::open(path).and_then(|file| {
        let mode = file.metadata()?.permissions().mode();
        file.take(MAX_FILE).read_to_string(&mut token)?;
        Ok(mode)
    });
    match read {
        Ok(mode) => {
            if mode & 0o004 != 0 {
                let message = format!(
                    "{} can be read by everyone on this machine; run chmod 600 on it",
                    path.display()
                );
                report.warn(at, message);
            }
            Some(token)
        }
        // Another user's commands need no token.
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            let message = format!("{} is not for this user to read", path.display());
            report.warn(at, message);
            None
        }
        Err(error) => {
            let message = format!(
                "the token cannot be read from {} ({error}); put the token there, or name another file",
                path.display()
            );
            report.fault(at, message);
            None
        }
    }
}

/// Whether a text has the form of a bot's token.
#[must_use]
pub fn is_token(text: &str) -> bool {
    static SHAPE: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"\A[0-9]+:[A-Za-z0-9_-]{20,}\z").ok());
    SHAPE.as_ref().is_some_and(|shape| shape.is_match(text))
}

fn checked(token: &str, at: &At, report: &mut Report) -> Option<SecretString> {
    if is_token(token) {
        return Some(SecretString::from(token));
    }
    report.fault(
        at,
        "what is found here is not a bot token; @BotFather gives one of the form 123456:ABC…, digits, a colon, and at least 20 letters",
    );
    None
}
