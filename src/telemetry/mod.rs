//! Logs: structured, on standard error, with every secret masked.
//!
//! `OPSGRAM_LOG` takes the filter of `tracing` (such as `debug` or `opsgram=debug,sqlx=warn`), `OPSGRAM_LOG_FORMAT`
//! takes `text` or `json`.

use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, PoisonError, RwLock};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

/// What is logged when nobody says otherwise.
const DEFAULT_FILTER: &str = "info,sqlx=warn,apalis=warn,apalis_core=warn,teloxide=warn,hyper=warn";
/// Shorter secrets are left: masking them would spoil every other word.
const SHORTEST_SECRET: usize = 4;

/// What is masked. One for the program, as the log is.
static SECRETS: RwLock<Option<Arc<[String]>>> = RwLock::new(None);

/// How logs look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// Lines for people.
    #[default]
    Text,
    /// A JSON object a line.
    Json,
}

/// Begins to log. `filter` is `OPSGRAM_LOG`'s value; these secrets never appear.
///
/// # Errors
/// When logging was begun before.
pub fn init(
    filter: Option<&str>,
    format: Format,
    secrets: Vec<String>,
) -> Result<(), TryInitError> {
    let filter = EnvFilter::new(filter.unwrap_or(DEFAULT_FILTER));
    mask_also(secrets);
    let writer = Masked;
    let builder = tracing_subscriber::fmt()
        .with_ansi(io::stderr().is_terminal())
        .with_env_filter(filter)
        .with_writer(writer);
    match format {
        Format::Text => builder.finish().try_init(),
        Format::Json => builder.json().finish().try_init(),
    }
}

/// From now on these never appear either.
pub fn mask_also(secrets: Vec<String>) {
    let mut held = SECRETS.write().unwrap_or_else(PoisonError::into_inner);
    let mut all: Vec<String> = held.iter().flat_map(|held| held.to_vec()).collect();
    let long = secrets
        .into_iter()
        .filter(|secret| secret.len() >= SHORTEST_SECRET);
    all.extend(long);
    all.sort();
    all.dedup();
    *held = Some(all.into());
}

/// Makes writers to standard error that mask.
#[derive(Clone)]
struct Masked;

/// One event on its way out.
struct Line {
    secrets: Arc<[String]>,
}

impl<'a> MakeWriter<'a> for Masked {
    type Writer = Line;

    fn make_writer(&'a self) -> Line {
        let secrets = SECRETS.read().unwrap_or_else(PoisonError::into_inner);
        Line {
            secrets: secrets.clone().unwrap_or_default(),
        }
    }
}

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // An event is written whole, so a secret is never cut in two here.
        let masked = mask(&String::from_utf8_lossy(bytes), &self.secrets);
        io::stderr().write_all(masked.as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

fn mask(line: &str, secrets: &[String]) -> String {
    let hide = |line: String, secret: &String| line.replace(secret.as_str(), "•••");
    secrets.iter().fold(line.to_owned(), hide)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_never_reaches_the_log() {
        let secrets = ["123:ABC".to_owned()];
        assert_eq!(
            mask("GET http://x/bot123:ABC/getMe", &secrets),
            "GET http://x/bot•••/getMe"
        );
    }
}
