//! Files that people sent, brought from Telegram to this disk.

use super::send::Bots;
use crate::base::text::bytes;
use futures::StreamExt;
use std::io;
use std::path::Path;
use std::time::Duration;
use teloxide::net::Download;
use teloxide::prelude::Requester;
use teloxide::types::FileId;
use teloxide::{ApiError, RequestError};
use tokio::fs::{File, OpenOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Why a file did not come.
#[derive(Debug, thiserror::Error)]
pub enum NotFetched {
    /// Telegram does not know it any more, or not at the moment.
    #[error("Telegram does not have it")]
    Missing,
    /// It is larger than it may be.
    #[error("it is too large")]
    TooLarge,
    /// Telegram says to wait.
    #[error("Telegram says to wait {0:?}")]
    Wait(Duration),
    /// Telegram could not be reached, or broke off.
    #[error("{0}")]
    Again(String),
    /// This disk refused it.
    #[error("it cannot be written: {0}")]
    Disk(#[source] io::Error),
}

/// Brings files from Telegram. Cheap to clone.
#[derive(Clone)]
pub struct Fetcher {
    bots: Bots,
}

impl Fetcher {
    /// Fetches by these clients, through their proxy and from their server.
    #[must_use]
    pub fn new(bots: Bots) -> Self {
        Self { bots }
    }

    /// Writes the file to `to`, for this user alone, and returns its size. No more than `most` bytes are taken.
    ///
    /// # Errors
    /// Why it did not come; what was written until then is of no use.
    pub async fn fetch(&self, file_id: &str, to: &Path, most: u64) -> Result<u64, NotFetched> {
        let asked = self.bots.quick.get_file(FileId(file_id.to_owned())).await;
        let file = asked.map_err(|error| refused(&error))?;
        // What the library writes where Telegram says nothing.
        let size = (file.meta.size != u32::MAX).then_some(u64::from(file.meta.size));
        if size.is_some_and(|size| size > most) {
            return Err(NotFetched::TooLarge);
        }
        let mut disk = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(to)
            .await
            .map_err(NotFetched::Disk)?;
        let got = match Path::new(&file.path) {
            // A Bot API server of one's own on this machine says where the file is instead of handing it out.
            local if local.is_absolute() => {
                if is_telegram(&self.bots.quick.api_url()) {
                    tracing::error!("Telegram names a file of this machine; it is not read");
                    return Err(NotFetched::Missing);
                }
                copy(local, &mut disk, most).await?
            }
            _ => self.download(&file.path, &mut disk, most).await?,
        };
        disk.flush().await.map_err(NotFetched::Disk)?;
        if let Some(size) = size
            && got != size
        {
            return Err(NotFetched::Again(format!(
                "{} of {} came",
                bytes(got),
                bytes(size)
            )));
        }
        Ok(got)
    }

    async fn download(&self, path: &str, disk: &mut File, most: u64) -> Result<u64, NotFetched> {
        let mut chunks = self.bots.upload.download_file_stream(path);
        let mut got = 0;
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(broke_off)?;
            got += chunk.len() as u64;
            if got > most {
                return Err(NotFetched::TooLarge);
            }
            disk.write_all(&chunk).await.map_err(NotFetched::Disk)?;
        }
        Ok(got)
    }
}

/// Whether this is Telegram's own server, which is never on this machine.
fn is_telegram(api: &reqwest::Url) -> bool {
    let host = api.host_str().unwrap_or_default();
    host.trim_end_matches('.') == "api.telegram.org"
}

async fn copy(from: &Path, disk: &mut File, most: u64) -> Result<u64, NotFetched> {
    let file = File::open(from).await.map_err(|error| {
        tracing::warn!(path = %from.display(), %error, "the Bot API server's file cannot be read");
        NotFetched::Missing
    })?;
    let got = tokio::io::copy(&mut file.take(most + 1), disk)
        .await
        .map_err(NotFetched::Disk)?;
    match got > most {
        true => Err(NotFetched::TooLarge),
        false => Ok(got),
    }
}

/// What a refused `getFile` means.
fn refused(error: &RequestError) -> NotFetched {
    match error {
        RequestError::RetryAfter(seconds) => NotFetched::Wait(seconds.duration()),
        RequestError::Api(error) => refused_by(error),
        RequestError::Network(_) => NotFetched::Again("Telegram cannot be reached".to_owned()),
        RequestError::InvalidJson { .. }
        | RequestError::MigrateToChatId(_)
        | RequestError::Io(_) => NotFetched::Again("Telegram gives no answer".to_owned()),
    }
}

fn refused_by(error: &ApiError) -> NotFetched {
    let words = error.to_string().to_lowercase();
    let says = |part: &str| words.contains(part);
    if says("too big") {
        NotFetched::TooLarge
    } else if says("file_id") || says("file identifier") || says("file is temporarily unavailable")
    {
        NotFetched::Missing
    } else {
        NotFetched::Again(format!("Telegram answers: {error}"))
    }
}

/// What a download that broke off means. Its error names the address, and with it the token: it is not passed on.
fn broke_off(error: reqwest::Error) -> NotFetched {
    match error.status().map(|status| status.as_u16()) {
        Some(400 | 404) => NotFetched::Missing,
        Some(status) => NotFetched::Again(format!("Telegram answers with {status}")),
        None => NotFetched::Again("the connection broke off".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_refusal_means() {
        let means = |words: &str| refused_by(&ApiError::Unknown(words.to_owned()));
        assert!(matches!(
            means("Bad Request: file is too big"),
            NotFetched::TooLarge
        ));
        for gone in [
            "Bad Request: invalid file_id",
            "Bad Request: wrong file_id or the file is temporarily unavailable",
        ] {
            assert!(matches!(means(gone), NotFetched::Missing), "{gone}");
        }
        assert!(matches!(
            means("Internal Server Error"),
            NotFetched::Again(_)
        ));
    }

    #[test]
    fn only_a_server_of_ones_own_may_name_files_of_this_machine() {
        let is = |url: &str| is_telegram(&url.parse().unwrap());
        assert!(is("https://api.telegram.org") && is("https://API.telegram.org.:443/x"));
        assert!(!is("http://127.0.0.1:8081") && !is("https://bots.example.org"));
    }

    #[tokio::test]
    async fn a_server_of_ones_own_hands_out_files_of_this_machine() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        std::fs::write(&from, "0123456789").unwrap();
        let mut disk = File::create(&to).await.unwrap();
        assert_eq!(copy(&from, &mut disk, 10).await.unwrap(), 10);
        disk.flush().await.unwrap();
        assert_eq!(std::fs::read_to_string(&to).unwrap(), "0123456789");
        let more = copy(&from, &mut disk, 9).await;
        assert!(matches!(more, Err(NotFetched::TooLarge)));
        let gone = copy(&dir.path().join("gone"), &mut disk, 9).await;
        assert!(matches!(gone, Err(NotFetched::Missing)));
    }
}
