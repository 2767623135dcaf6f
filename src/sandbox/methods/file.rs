//! `getFile`; the download itself is in the server.

use serde_json::json;

use super::Reply;
use crate::sandbox::files::{MAX_DOWNLOAD, path_of};
use crate::sandbox::params::Params;
use crate::sandbox::refusal::Refusal;
use crate::sandbox::state::State;
use crate::sandbox::wire::unique;

/// `getFile`.
pub(super) fn get(state: &State, params: &Params) -> Reply {
    let found = state.files.get(params.text("file_id").unwrap_or_default());
    let document = found.ok_or_else(|| Refusal::bad("invalid file_id"))?;
    if document.bytes.len() > MAX_DOWNLOAD {
        return Err(Refusal::bad("file is too big"));
    }
    Ok(json!({
        "file_id": document.file_id,
        "file_unique_id": unique(document),
        "file_size": document.bytes.len(),
        "file_path": path_of(document),
    }))
}
