//! The logs of jobs as files that can be sent.

use super::output::{self, Found, LogReader};
use crate::base::ids::JobId;
use crate::base::text;
use crate::delivery::{Attachment, Attachments, Scratch};
use flate2::Compression;
use flate2::write::GzEncoder;
use futures::future::BoxFuture;
use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How long a search for a file may take.
const SEARCH: Duration = Duration::from_secs(60);

/// Finds logs by the key `log:<job>`, and what was found in one by the key of the search.
#[derive(Clone, Debug)]
pub struct Logs {
    folder: PathBuf,
}

impl Logs {
    /// The logs in a folder.
    #[must_use]
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    fn compose(&self, key: &str, name: &str) -> Result<Attachment, String> {
        if let Some(found) = Found::of_key(key) {
            return self.write_found(&found, name);
        }
        let id = key.strip_prefix("log:").and_then(|id| id.parse().ok());
        let id = JobId(id.ok_or_else(|| format!("There is no file {key}."))?);
        let log = LogReader::open(&self.folder, id)
            .map_err(|_| "The log is no longer kept.".to_owned())?;
        if log.is_empty() {
            return Err("It printed nothing.".to_owned());
        }
        self.write_out(&log, id, name)
            .map_err(|error| format!("The log cannot be sent: {error}."))
    }

    /// The lines that a search found, as a file.
    fn write_found(&self, found: &Found, name: &str) -> Result<Attachment, String> {
        let failed = |error: io::Error| format!("The lines cannot be sent: {error}.");
        let log = LogReader::open(&self.folder, found.job)
            .map_err(|_| "The log is no longer kept.".to_owned())?;
        let scratch = self.scratch(found.job);
        let mut file = File::create(scratch.path()).map_err(failed)?;
        let until = Instant::now() + SEARCH;
        let matches = output::write_found(&log, found, &mut file, until).map_err(failed)?;
        if matches == 0 {
            return Err("Nothing matches any more.".to_owned());
        }
        let size = file.metadata().map_err(failed)?.len();
        if size > text::DOCUMENT_BYTES {
            return Err(format!(
                "They are {}, and Telegram takes {}. Search for something rarer.",
                text::bytes(size),
                text::bytes(text::DOCUMENT_BYTES)
            ));
        }
        Ok(Attachment::new(scratch, name))
    }

    fn scratch(&self, id: JobId) -> Scratch {
        let name = format!("send-{id}-{}", ulid::Ulid::generate());
        Scratch::new(self.folder.join(name))
    }

    fn write_out(&self, log: &LogReader, id: JobId, name: &str) -> io::Result<Attachment> {
        let scratch = self.scratch(id);
        let mut file = File::create(scratch.path())?;
        if log.len() <= text::DOCUMENT_BYTES {
            log.copy_to(&mut file)?;
            return Ok(Attachment::new(scratch, name));
        }
        let mut gzip = GzEncoder::new(file, Compression::default());
        log.copy_to(&mut gzip)?;
        gzip.finish()?.flush()?;
        let size = std::fs::metadata(scratch.path())?.len();
        if size > text::DOCUMENT_BYTES {
            return Err(io::Error::other(format!(
                "it is {} even compressed, and Telegram takes {}; it is kept on the server as job {id}",
                text::bytes(size),
                text::bytes(text::DOCUMENT_BYTES)
            )));
        }
        let mut attachment = Attachment::new(scratch, format!("{name}.gz"));
        attachment.note = Some(format!("Compressed from {}.", text::bytes(log.len())));
        Ok(attachment)
    }
}

impl Attachments for Logs {
    fn open<'a>(
        &'a self,
        key: &'a str,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Attachment, String>> {
        let (logs, key, name) = (self.clone(), key.to_owned(), name.to_owned());
        Box::pin(async move {
            tokio::task::spawn_blocking(move || logs.compose(&key, &name))
                .await
                .map_err(|_| "The log cannot be read.".to_owned())?
        })
    }
}
