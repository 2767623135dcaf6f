//! How parameters come over HTTP: query, form, JSON and multipart.

use axum::body::{Bytes, to_bytes};
use axum::extract::multipart::{Field, MultipartError};
use axum::extract::{FromRequest, Multipart, Request};
use axum::http::header::CONTENT_TYPE;
use serde_json::Value;

use super::files::MAX_UPLOAD;
use super::params::{Params, Upload};
use super::refusal::Refusal;

/// The largest body that is not multipart, in bytes.
const MAX_BODY: usize = 8 * 1024 * 1024;

/// Reads the query and the body, whatever its form.
pub(super) async fn read(request: Request) -> Result<Params, Refusal> {
    let kind = request
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    let kind = kind.unwrap_or_default().to_ascii_lowercase();
    let query = pairs(request.uri().query().unwrap_or_default());
    let mut params = if kind.starts_with("multipart/form-data") {
        read_multipart(request).await?
    } else if kind.starts_with("application/json") {
        let body = to_bytes(request.into_body(), MAX_BODY)
            .await
            .map_err(too_large)?;
        read_json(&body)?
    } else if kind.starts_with("application/x-www-form-urlencoded") {
        read_form(
            &to_bytes(request.into_body(), MAX_BODY)
                .await
                .map_err(too_large)?,
        )
    } else {
        Params::default()
    };
    for (name, value) in query {
        params.put(&name, Value::String(value));
    }
    Ok(params)
}

fn too_large<E>(_: E) -> Refusal {
    Refusal::new(413, "Request Entity Too Large")
}

/// The pairs of a query or a form.
fn pairs(text: &str) -> Vec<(String, String)> {
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (
            unescape(&name.replace('+', " ")),
            unescape(&value.replace('+', " ")),
        )
    };
    text.split('&')
        .filter(|text| !text.is_empty())
        .map(pair)
        .collect()
}

/// A text without its percent signs; clients differ in what they escape.
pub(super) fn unescape(text: &str) -> String {
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        match part
            .get(..2)
            .and_then(|hex| u8::from_str_radix(hex, 16).ok())
        {
            Some(byte) => {
                bytes.push(byte);
                bytes.extend_from_slice(&part.as_bytes()[2..]);
            }
            None => {
                bytes.push(b'%');
                bytes.extend_from_slice(part.as_bytes());
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn read_json(body: &[u8]) -> Result<Params, Refusal> {
    if body.is_empty() {
        return Ok(Params::default());
    }
    let json = serde_json::from_slice(body)
        .map_err(|e| Refusal::bad(format!("can't parse request JSON object: {e}")))?;
    Params::from_json(json).map_err(Refusal::bad)
}

fn read_form(body: &[u8]) -> Params {
    let mut params = Params::default();
    for (name, value) in pairs(&String::from_utf8_lossy(body)) {
        params.put(&name, Value::String(value));
    }
    params
}

async fn read_multipart(request: Request) -> Result<Params, Refusal> {
    let broken =
        |e: &dyn std::fmt::Display| Refusal::bad(format!("can't parse multipart body: {e}"));
    let mut parts = Multipart::from_request(request, &())
        .await
        .map_err(|e| broken(&e))?;
    let mut params = Params::default();
    while let Some(mut field) = parts.next_field().await.map_err(|e| broken(&e))? {
        let name = field.name().unwrap_or_default().to_owned();
        let file = field.file_name().map(str::to_owned);
        let mime = field.content_type().map(str::to_owned);
        let bytes = read_field(&mut field).await.map_err(|e| broken(&e))?;
        match file {
            Some(file) => params.put_file(
                name,
                Upload {
                    name: file,
                    mime,
                    bytes,
                },
            ),
            None => params.put(
                &name,
                Value::String(String::from_utf8_lossy(&bytes).into_owned()),
            ),
        }
    }
    Ok(params)
}

/// Reads a part; beyond the limit the rest is read and thrown away, so that the client hears why.
async fn read_field(field: &mut Field<'_>) -> Result<Bytes, MultipartError> {
    let mut bytes = Vec::new();
    while let Some(chunk) = field.chunk().await? {
        if bytes.len() <= MAX_UPLOAD {
            bytes.extend_from_slice(&chunk);
        }
    }
    Ok(Bytes::from(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_read_as_forms_write_them() {
        assert_eq!(
            unescape("/documents%2Fa.log%C3%A9%zz%"),
            "/documents/a.logé%zz%"
        );
        let read = pairs("a=1+2&b=%26%3D&c&&d=x=y");
        let want = [("a", "1 2"), ("b", "&="), ("c", ""), ("d", "x=y")];
        assert!(
            read.iter().map(|(k, v)| (k.as_str(), v.as_str())).eq(want),
            "{read:?}"
        );
    }
}
