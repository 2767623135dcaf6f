//! `sendDocument`, `sendPhoto` and `sendMediaGroup`.

use std::sync::Arc;

use axum::body::Bytes;
use serde_json::{Map, Value, json};

use super::send::{deliver, envelope};
use super::{Reply, pace};
use crate::sandbox::files::{MAX_PHOTO, MAX_UPLOAD, picture_size};
use crate::sandbox::model::Document;
use crate::sandbox::params::{Params, Upload};
use crate::sandbox::refusal::Refusal;
use crate::sandbox::state::State;
use crate::sandbox::text::{self, Content, MAX_CAPTION};

/// A file before it is kept: one that is there already, or a new one.
enum Source {
    Known(Arc<Document>),
    New {
        name: String,
        mime: String,
        bytes: Bytes,
        photo: bool,
    },
}

/// `sendDocument`.
pub(super) fn document(state: &mut State, params: &Params) -> Reply {
    one(state, params, "document", false)
}

/// `sendPhoto`.
pub(super) fn photo(state: &mut State, params: &Params) -> Reply {
    one(state, params, "photo", true)
}

fn one(state: &mut State, params: &Params, field: &str, photo: bool) -> Reply {
    let envelope = envelope(state, params)?;
    let source = source(state, params.text(field), params.file(field), photo)?;
    let content = text::caption(params)?;
    pace(state, envelope.chat, 1)?;
    let document = keep(state, source);
    let id = deliver(state, &envelope, content, Some(document), Map::new());
    Ok(state.message_json(envelope.chat, id))
}

/// `sendMediaGroup`.
pub(super) fn group(state: &mut State, params: &Params) -> Reply {
    let envelope = envelope(state, params)?;
    let items = params
        .json("media")
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default();
    match items.len() {
        0 | 1 => return Err(Refusal::bad("group send requires at least 2 messages")),
        2..=10 => {}
        _ => return Err(Refusal::bad("Too much messages to send as an album")),
    }
    let documents = items.iter().filter(|item| kind(item) == "document").count();
    if documents != 0 && documents != items.len() {
        return Err(Refusal::bad(
            "document can't be mixed with other media types",
        ));
    }
    let read = |item: &Value| read_item(state, params, item);
    let parts = items
        .iter()
        .map(read)
        .collect::<Result<Vec<_>, Refusal>>()?;
    pace(state, envelope.chat, parts.len())?;
    let album = Map::from_iter([(
        "media_group_id".to_owned(),
        json!(rand::random::<u32>().to_string()),
    )]);
    let mut sent = Vec::new();
    for (source, content) in parts {
        let document = keep(state, source);
        let id = deliver(state, &envelope, content, Some(document), album.clone());
        sent.push(state.message_json(envelope.chat, id));
    }
    Ok(Value::Array(sent))
}

fn kind(item: &Value) -> &str {
    item.get("type").and_then(Value::as_str).unwrap_or_default()
}

fn read_item(state: &State, params: &Params, item: &Value) -> Result<(Source, Content), Refusal> {
    let photo = match kind(item) {
        "photo" => true,
        "document" => false,
        other => {
            return Err(Refusal::bad(format!(
                "the sandbox does not model {other:?} in an album"
            )));
        }
    };
    let text = |key: &str| item.get(key).and_then(Value::as_str);
    let media = text("media").unwrap_or_default();
    let source = source(state, Some(media), params.attached(media), photo)?;
    let caption = text("caption").unwrap_or_default();
    let content = text::read(caption, text("parse_mode"), item.get("caption_entities"))?;
    if content.units() > MAX_CAPTION {
        return Err(Refusal::bad("message caption is too long"));
    }
    Ok((source, content))
}

/// The file a parameter means.
fn source(
    state: &State,
    text: Option<&str>,
    upload: Option<&Upload>,
    photo: bool,
) -> Result<Source, Refusal> {
    if let Some(upload) = upload {
        check_upload(upload, photo)?;
        return Ok(Source::New {
            name: if upload.name.is_empty() {
                "file".to_owned()
            } else {
                upload.name.clone()
            },
            mime: upload
                .mime
                .clone()
                .unwrap_or_else(|| "application/octet-stream".to_owned()),
            bytes: upload.bytes.clone(),
            photo,
        });
    }
    let text = text.unwrap_or_default();
    if text.starts_with("http://") || text.starts_with("https://") {
        return Err(Refusal::bad(
            "the sandbox does not fetch files from addresses",
        ));
    }
    match state.files.get(text) {
        Some(known) if known.photo == photo => Ok(Source::Known(Arc::clone(known))),
        Some(_) => Err(Refusal::bad("type of file mismatch")),
        None => Err(Refusal::bad("wrong file identifier/HTTP URL specified")),
    }
}

fn check_upload(upload: &Upload, photo: bool) -> Result<(), Refusal> {
    let size = upload.bytes.len();
    if size == 0 {
        return Err(Refusal::bad("file must be non-empty"));
    }
    if size > MAX_UPLOAD {
        return Err(Refusal::new(413, "Request Entity Too Large"));
    }
    if !photo {
        return Ok(());
    }
    if size > MAX_PHOTO {
        let words = format!(
            "file of size {size} bytes is too big for a photo; the maximum size is {MAX_PHOTO} bytes"
        );
        return Err(Refusal::bad(words));
    }
    let (width, height) =
        picture_size(&upload.bytes).ok_or_else(|| Refusal::bad("IMAGE_PROCESS_FAILED"))?;
    let (long, short) = (width.max(height), width.min(height));
    if width.saturating_add(height) > 10_000 || long > short.saturating_mul(20) {
        return Err(Refusal::bad("PHOTO_INVALID_DIMENSIONS"));
    }
    Ok(())
}

fn keep(state: &mut State, source: Source) -> Arc<Document> {
    match source {
        Source::Known(document) => document,
        Source::New {
            name,
            mime,
            bytes,
            photo,
        } => state.files.add(&name, &mime, bytes, photo),
    }
}
