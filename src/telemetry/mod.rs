//! Logs: structured, on standard error, with every secret masked.
//!
//! `OPSGRAM_LOG` takes the filter of `tracing` (such as `debug` or `opsgram=debug,sqlx=warn`), `OPSGRAM_LOG_FORMAT`
//! takes `text` or `json`. In systemd's journal, which has its own time, lines of text bring their priority instead.

use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::sync::{Arc, PoisonError, RwLock};
use tracing::{Level, Metadata};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

/// What is logged when nobody says otherwise. A slow query is logged with its whole text: on a machine that is slow itself,
/// pages of it.
const DEFAULT_FILTER: &str =
    "info,sqlx=warn,sqlx::query=error,apalis=warn,apalis_core=warn,teloxide=warn,hyper=warn";
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
    /// Lines for systemd's journal: without a time, and with the priority that `journalctl -p` looks at.
    Journal,
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
    let writer = Masked {
        prioritized: format == Format::Journal,
    };
    let builder = tracing_subscriber::fmt()
        .with_ansi(io::stderr().is_terminal())
        .with_env_filter(filter)
        .with_writer(writer);
    match format {
        Format::Text => builder.finish().try_init(),
        Format::Journal => builder.without_time().finish().try_init(),
        Format::Json => builder.json().finish().try_init(),
    }
}

/// Whether standard error leads to the journal. `named` is the value of `JOURNAL_STREAM`, by which systemd names the
/// stream that it made; whoever is started with another standard error inherits the variable all the same.
pub fn is_journal(named: Option<&str>) -> bool {
    let own = nix::sys::stat::fstat(io::stderr().as_fd());
    own.is_ok_and(|own| named == Some(format!("{}:{}", own.st_dev, own.st_ino).as_str()))
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
struct Masked {
    /// Whether each event begins with its priority.
    prioritized: bool,
}

/// One event on its way out.
struct Line {
    /// What it begins with.
    priority: &'static str,
    secrets: Arc<[String]>,
}

impl<'a> MakeWriter<'a> for Masked {
    type Writer = Line;

    fn make_writer(&'a self) -> Line {
        let secrets = SECRETS.read().unwrap_or_else(PoisonError::into_inner);
        Line {
            priority: "",
            secrets: secrets.clone().unwrap_or_default(),
        }
    }

    fn make_writer_for(&'a self, event: &Metadata<'_>) -> Line {
        let priority = match self.prioritized {
            true => priority(*event.level()),
            false => "",
        };
        Line {
            priority,
            ..self.make_writer()
        }
    }
}

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // An event is written whole, so a secret is never cut in two here.
        let masked = mask(&String::from_utf8_lossy(bytes), &self.secrets);
        io::stderr().write_all(format!("{}{masked}", self.priority).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// The priority of syslog, as `sd-daemon(3)` writes it.
fn priority(level: Level) -> &'static str {
    match level {
        Level::ERROR => "<3>",
        Level::WARN => "<4>",
        Level::INFO => "<6>",
        Level::DEBUG | Level::TRACE => "<7>",
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
    fn only_the_stream_that_systemd_made_is_the_journal() {
        let own = nix::sys::stat::fstat(io::stderr().as_fd()).unwrap();
        let (device, inode) = (own.st_dev, own.st_ino);
        assert!(is_journal(Some(&format!("{device}:{inode}"))));
        assert!(!is_journal(Some(&format!("{device}:{}", inode + 1))));
        assert!(!is_journal(Some("")));
        assert!(!is_journal(None));
    }

    #[test]
    fn a_token_never_reaches_the_log() {
        let secrets = ["123:ABC".to_owned()];
        assert_eq!(
            mask("GET http://x/bot123:ABC/getMe", &secrets),
            "GET http://x/bot•••/getMe"
        );
    }
}
