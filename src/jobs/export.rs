//! The audit trail as a file: written page by page when it is sent, so that its length does not matter to memory.

use super::scratch::{pack, scratch};
use crate::base::text::{DOCUMENT_BYTES, bytes};
use crate::base::time::Millis;
use crate::delivery::{Attachment, Attachments, Content, NoFile, Scratch};
use crate::store::{self, Store};
use futures::future::BoxFuture;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::fs::File;
use tokio::io::{AsyncWriteExt, BufWriter};

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

    async fn write(&self, range: (Millis, Millis), name: &str) -> Result<Attachment, NoFile> {
        let scratch = scratch(&self.folder, "audit");
        let file = File::create(scratch.path()).await.map_err(NoFile::Now)?;
        let mut file = BufWriter::new(file);
        let (mut after, mut size) = (0, 0);
        loop {
            let page = self.page(range, after).await.map_err(|error| {
                tracing::error!(%error, "the audit trail cannot be read");
                NoFile::Now(io::Error::other("the database refused"))
            })?;
            let Some((last, _)) = page.last() else { break };
            after = *last;
            let mut lines = Vec::new();
            for (_, entry) in &page {
                let line = serde_json::to_vec(entry).map_err(|error| NoFile::Now(error.into()))?;
                lines.extend(line);
                lines.push(b'\n');
            }
            size += lines.len() as u64;
            if size > LARGEST {
                let words = "That is more than a file may hold. Ask for fewer days.";
                return Err(NoFile::Ever(words.to_owned()));
            }
            file.write_all(&lines).await.map_err(NoFile::Now)?;
        }
        file.flush().await.map_err(NoFile::Now)?;
        drop(file);
        match size {
            0 => Err(NoFile::Ever(
                "Nothing was written down in these days.".to_owned(),
            )),
            _ if size <= DOCUMENT_BYTES => Ok(Attachment::new(Content::Scratch(scratch), name)),
            _ => self.compressed(scratch, size, name).await,
        }
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
    ) -> Result<Attachment, NoFile> {
        let (folder, name) = (self.folder.clone(), name.to_owned());
        let packing = tokio::task::spawn_blocking(move || {
            let copy = |mut gzip: &mut dyn Write| {
                let mut file = std::fs::File::open(plain.path())?;
                io::copy(&mut file, &mut gzip).map(drop)
            };
            let too_large = |packed| {
                format!(
                    "That is {packed} even compressed, and Telegram takes {}. Ask for fewer days.",
                    bytes(DOCUMENT_BYTES)
                )
            };
            pack(&folder, "audit", copy, size, &name, too_large)
        });
        packing
            .await
            .unwrap_or_else(|error| Err(NoFile::Now(io::Error::other(error))))
    }
}

impl Attachments for Exports {
    fn open<'a>(
        &'a self,
        key: &'a str,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Attachment, NoFile>> {
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
