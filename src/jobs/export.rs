//! The audit trail as a file: written page by page when it is sent, so that its length does not matter to memory.

use crate::base::text::{self, DOCUMENT_BYTES, bytes};
use crate::base::time::Millis;
use crate::delivery::{Attachment, Attachments, Content, Scratch};
use crate::store::{self, Store};
use flate2::Compression;
use flate2::write::GzEncoder;
use futures::future::BoxFuture;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::sync::Arc;

/// Lines read at once.
const PAGE: u32 = 500;
/// The largest export before it is compressed, in bytes; it has to fit the disk.
const LARGEST: u64 = 500_000_000;

/// Finds exports by the key `audit:<since>:<until>`, and everything else where it was found before.
pub struct Exports {
    store: Store,
    folder: PathBuf,
    others: Arc<dyn Attachments>,
}

/// What an export is found by.
#[must_use]
pub fn key(since: Millis, until: Millis) -> String {
    format!("audit:{}:{}", since.0, until.0)
}

fn read_key(key: &str) -> Option<(Millis, Millis)> {
    let (since, until) = key.strip_prefix("audit:")?.split_once(':')?;
    Some((Millis(since.parse().ok()?), Millis(until.parse().ok()?)))
}

impl Exports {
    /// Exports from this database, written into the folder while they are sent.
    #[must_use]
    pub fn new(store: Store, folder: PathBuf, others: Arc<dyn Attachments>) -> Self {
        Self {
            store,
            folder,
            others,
        }
    }

    async fn write(&self, range: (Millis, Millis), name: &str) -> Result<Attachment, String> {
        let failed = |error: io::Error| format!("The audit trail cannot be written: {error}.");
        let scratch = self.scratch();
        let mut file = BufWriter::new(File::create(scratch.path()).map_err(failed)?);
        let (mut after, mut size) = (0, 0);
        loop {
            let page = self.page(range, after).await.map_err(|error| {
                tracing::error!(%error, "the audit trail cannot be read");
                "The audit trail cannot be read just now. Ask again.".to_owned()
            })?;
            let Some((last, _)) = page.last() else { break };
            after = *last;
            let mut lines = Vec::new();
            for (_, entry) in &page {
                let line = serde_json::to_vec(entry).map_err(|error| error.to_string())?;
                lines.extend(line);
                lines.push(b'\n');
            }
            size += lines.len() as u64;
            if size > LARGEST {
                return Err("That is more than a file may hold. Ask for fewer days.".to_owned());
            }
            file.write_all(&lines).map_err(failed)?;
        }
        file.flush().map_err(failed)?;
        drop(file);
        if size == 0 {
            return Err("Nothing was written down in these days.".to_owned());
        }
        if size <= DOCUMENT_BYTES {
            return Ok(Attachment::new(Content::Scratch(scratch), name));
        }
        self.compressed(scratch, size, name).await
    }

    async fn page(
        &self,
        range: (Millis, Millis),
        after: i64,
    ) -> store::Result<Vec<(i64, store::audit::Entry)>> {
        let mut db = self.store.read().await?;
        store::audit::between(&mut db, range, after, PAGE).await
    }

    async fn compressed(
        &self,
        plain: Scratch,
        size: u64,
        name: &str,
    ) -> Result<Attachment, String> {
        let scratch = self.scratch();
        let path = scratch.path().to_owned();
        let packed = tokio::task::spawn_blocking(move || -> io::Result<u64> {
            let mut gzip = GzEncoder::new(File::create(&path)?, Compression::default());
            io::copy(&mut File::open(plain.path())?, &mut gzip)?;
            gzip.finish()?.flush()?;
            Ok(std::fs::metadata(&path)?.len())
        });
        let packed = packed.await.map_err(|error| error.to_string())?;
        let packed =
            packed.map_err(|error| format!("The audit trail cannot be packed: {error}."))?;
        if packed > text::DOCUMENT_BYTES {
            return Err(
                "That is more than Telegram takes, even packed. Ask for fewer days.".to_owned(),
            );
        }
        let mut attachment = Attachment::new(Content::Scratch(scratch), format!("{name}.gz"));
        attachment.note = Some(format!("Compressed from {}.", bytes(size)));
        Ok(attachment)
    }

    fn scratch(&self) -> Scratch {
        let name = format!("audit-{}", ulid::Ulid::generate());
        Scratch::new(self.folder.join(name))
    }
}

impl Attachments for Exports {
    fn open<'a>(
        &'a self,
        key: &'a str,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Attachment, String>> {
        match read_key(key) {
            Some(range) => Box::pin(self.write(range, name)),
            None => self.others.open(key, name),
        }
    }

    fn sent(&self, key: &str) {
        self.others.sent(key);
    }

    fn refused(&self, key: &str, name: &str) {
        self.others.refused(key, name);
    }
}
