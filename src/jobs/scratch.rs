//! Files that are composed to be sent: under names that the sweep knows, and compressed when they are too large.

use crate::base::text::{DOCUMENT_BYTES, bytes};
use crate::delivery::{Attachment, Content, NoFile, Scratch};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

/// How the name of each such file begins; what a crash leaves of them goes after a day.
pub const PREFIX: &str = "send-";

/// A new file of this kind in the folder, not made yet.
pub fn scratch(folder: &Path, what: &str) -> Scratch {
    let name = format!("{PREFIX}{what}-{}", ulid::Ulid::generate());
    Scratch::new(folder.join(name))
}

/// What `copy` writes, which is of this size, compressed. `too_large` makes the sentence for the chat when Telegram takes
/// it not even so, from how large it is.
pub fn pack(
    folder: &Path,
    what: &str,
    copy: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    size: u64,
    name: &str,
    too_large: impl FnOnce(String) -> String,
) -> Result<Attachment, NoFile> {
    let scratch = scratch(folder, what);
    let write = || {
        let mut gzip = GzEncoder::new(File::create(scratch.path())?, Compression::default());
        copy(&mut gzip)?;
        gzip.finish()?.flush()?;
        Ok(std::fs::metadata(scratch.path())?.len())
    };
    let packed = write().map_err(NoFile::Now)?;
    if packed > DOCUMENT_BYTES {
        return Err(NoFile::Ever(too_large(bytes(packed))));
    }
    let mut attachment = Attachment::new(Content::Scratch(scratch), format!("{name}.gz"));
    attachment.note = Some(format!("Compressed from {}.", bytes(size)));
    Ok(attachment)
}
