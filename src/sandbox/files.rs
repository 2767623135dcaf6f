//! Files that were sent: their identifiers, paths and contents, bounded in memory.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use axum::body::Bytes;

use super::model::Document;

/// The largest document a bot may send, in bytes.
pub(super) const MAX_UPLOAD: usize = 50 * 1024 * 1024;
/// The largest photo a bot may send, in bytes.
pub(super) const MAX_PHOTO: usize = 10 * 1024 * 1024;
/// The largest file a bot may fetch, in bytes.
pub(super) const MAX_DOWNLOAD: usize = 20 * 1024 * 1024;
/// How many bytes are kept in all; the oldest contents go first.
const KEPT_BYTES: usize = 512 * 1024 * 1024;

/// All files by identifier.
#[derive(Default)]
pub(super) struct Files {
    by_id: HashMap<String, Arc<Document>>,
    order: VecDeque<String>,
    bytes: usize,
    made: u64,
}

impl Files {
    /// Keeps a file and gives it an identifier.
    pub(super) fn add(
        &mut self,
        name: &str,
        mime: &str,
        bytes: Bytes,
        photo: bool,
    ) -> Arc<Document> {
        self.made += 1;
        let kind = if photo { "AgAC" } else { "BQAC" };
        let file_id = format!("{kind}{:08x}{:016x}", self.made, rand::random::<u64>());
        self.bytes += bytes.len();
        let document = Arc::new(Document {
            file_id: file_id.clone(),
            name: name.to_owned(),
            mime: mime.to_owned(),
            bytes,
            photo,
        });
        self.by_id.insert(file_id.clone(), Arc::clone(&document));
        self.order.push_back(file_id);
        while self.bytes > KEPT_BYTES && self.order.len() > 1 {
            if let Some(old) = self.order.pop_front() {
                self.forget(&old);
            }
        }
        document
    }

    pub(super) fn get(&self, file_id: &str) -> Option<&Arc<Document>> {
        self.by_id.get(file_id)
    }

    /// Forgets a file, as Telegram does with old ones.
    pub(super) fn forget(&mut self, file_id: &str) {
        if let Some(old) = self.by_id.remove(file_id) {
            self.bytes = self.bytes.saturating_sub(old.bytes.len());
        }
    }

    /// The file behind a download path.
    pub(super) fn at(&self, path: &str) -> Option<&Arc<Document>> {
        self.by_id
            .values()
            .find(|document| path_of(document) == path)
    }
}

/// Where a file is downloaded.
pub(super) fn path_of(document: &Document) -> String {
    if document.photo {
        return format!("photos/{}.jpg", document.file_id);
    }
    let extension = document
        .name
        .rsplit_once('.')
        .map_or("bin", |(_, extension)| extension);
    let fits = extension.len() <= 8 && extension.chars().all(|c| c.is_ascii_alphanumeric());
    format!(
        "documents/{}.{}",
        document.file_id,
        if fits { extension } else { "bin" }
    )
}

/// Width and height of a picture that Telegram can process: a PNG, JPEG, WebP or GIF. Of a PNG, its end is looked for:
/// the beginning of one is none.
pub(super) fn picture_size(bytes: &[u8]) -> Option<(u32, u32)> {
    let found = imagesize::blob_size(bytes).ok()?;
    let whole = !bytes.starts_with(b"\x89PNG") || bytes.windows(4).any(|four| four == b"IEND");
    let side = |pixels| u32::try_from(pixels).ok().filter(|pixels| *pixels > 0);
    Some((side(found.width)?, side(found.height)?)).filter(|_| whole)
}

/// The content type that a client gives a file by its name.
pub(super) fn mime_of(name: &str) -> &'static str {
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
    match ending.to_ascii_lowercase().as_str() {
        "txt" | "log" => "text/plain",
        "csv" => "text/csv",
        "html" => "text/html",
        "json" => "application/json",
        "sql" => "application/sql",
        "yaml" | "yml" => "application/yaml",
        "pdf" => "application/pdf",
        "zip" => "application/zip",
        "gz" => "application/gzip",
        "tar" => "application/x-tar",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        _ => "application/octet-stream",
    }
}
