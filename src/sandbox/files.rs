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
            if let Some(old) = self.order.pop_front().and_then(|id| self.by_id.remove(&id)) {
                self.bytes = self.bytes.saturating_sub(old.bytes.len());
            }
        }
        document
    }

    pub(super) fn get(&self, file_id: &str) -> Option<&Arc<Document>> {
        self.by_id.get(file_id)
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

/// Width and height of a picture, if its first bytes are those of one.
pub(super) fn picture_size(bytes: &[u8]) -> Option<(u32, u32)> {
    const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";
    let number = |at: usize| {
        let four = bytes.get(at..at + 4)?;
        Some(u32::from_be_bytes([four[0], four[1], four[2], four[3]]))
    };
    if bytes.starts_with(PNG) {
        return Some((number(16)?, number(20)?));
    }
    let webp = bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP".as_slice());
    let known = webp || bytes.starts_with(b"\xff\xd8\xff") || bytes.starts_with(b"GIF8");
    known.then_some((800, 600))
}
