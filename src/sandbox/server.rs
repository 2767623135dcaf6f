//! HTTP: finds the method, reads the parameters, plays the faults, writes the answer.

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::multipart::Field;
use axum::extract::{ConnectInfo, DefaultBodyLimit, FromRequest, Multipart, Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use serde_json::{Value, json};

use super::connection::Cutter;
use super::faults::FaultKind;
use super::files::MAX_UPLOAD;
use super::methods;
use super::model::Call;
use super::params::{Params, Upload};
use super::refusal::Refusal;
use super::shared::Shared;
use super::spec;

/// The largest body that is not multipart, in bytes.
const MAX_BODY: usize = 8 * 1024 * 1024;

/// What becomes of a call.
enum Outcome {
    Answer(Result<Value, Refusal>),
    Raw(u16, &'static str),
    Cut,
}

/// The whole server as a service.
pub(super) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .fallback(handle)
        .layer(DefaultBodyLimit::disable())
        .with_state(shared)
}

async fn handle(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(cutter): ConnectInfo<Cutter>,
    request: Request,
) -> Response {
    let outcome = route(&shared, request).await;
    if shared.is_away() {
        cutter.0.now();
    }
    match outcome {
        Ok(response) => response,
        Err(()) => {
            cutter.0.now();
            write(StatusCode::OK, "", Body::empty())
        }
    }
}

/// The response, or an error when the connection is to be cut.
async fn route(shared: &Arc<Shared>, request: Request) -> Result<Response, ()> {
    if shared.is_away() {
        return Err(());
    }
    let path = unescape(request.uri().path());
    if let Some(rest) = path.strip_prefix("/file/bot") {
        return Ok(download(shared, rest));
    }
    let found = path
        .strip_prefix("/bot")
        .and_then(|rest| rest.split_once('/'));
    let Some((token, name)) = found else {
        return Ok(refuse(&Refusal::new(404, "Not Found")));
    };
    if token != shared.token {
        return Ok(refuse(&wrong_token(token)));
    }
    let Some(method) = spec::method(name) else {
        return Ok(refuse(&Refusal::new(404, "Not Found: method not found")));
    };
    let params = match read(request).await {
        Ok(mut params) => method.check(&mut params).map(|()| params),
        Err(refusal) => Err(refusal),
    };
    match call(shared, method.name, params).await {
        Outcome::Answer(Ok(result)) => {
            let body = json!({"ok": true, "result": result}).to_string();
            Ok(write(StatusCode::OK, JSON, Body::from(body)))
        }
        Outcome::Answer(Err(refusal)) => Ok(refuse(&refusal)),
        Outcome::Raw(code, body) => Ok(write(status(code), "text/html", Body::from(body))),
        Outcome::Cut => Err(()),
    }
}

const JSON: &str = "application/json";

fn write(status: StatusCode, kind: &'static str, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

fn status(code: u16) -> StatusCode {
    StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

fn refuse(refusal: &Refusal) -> Response {
    write(
        status(refusal.code),
        JSON,
        Body::from(refusal.body().to_string()),
    )
}

/// A token of the right form is unknown; anything else is no address at all.
fn wrong_token(token: &str) -> Refusal {
    let formed = token.split_once(':').is_some_and(|(id, secret)| {
        !secret.is_empty() && !id.is_empty() && id.bytes().all(|b| b.is_ascii_digit())
    });
    if formed {
        Refusal::new(401, "Unauthorized")
    } else {
        Refusal::new(404, "Not Found")
    }
}

fn download(shared: &Shared, rest: &str) -> Response {
    let Some((token, path)) = rest.split_once('/') else {
        return refuse(&Refusal::new(404, "Not Found"));
    };
    if token != shared.token {
        return refuse(&wrong_token(token));
    }
    match shared.with(|state| state.files.at(path).map(|document| document.bytes.clone())) {
        Some(bytes) => write(
            StatusCode::OK,
            "application/octet-stream",
            Body::from(bytes),
        ),
        None => refuse(&Refusal::new(404, "Not Found")),
    }
}

/// Plays the faults around the method and records the call.
async fn call(
    shared: &Arc<Shared>,
    method: &'static str,
    params: Result<Params, Refusal>,
) -> Outcome {
    let chat = params
        .as_ref()
        .ok()
        .and_then(|params| params.int("chat_id"));
    let outcome = match params {
        Ok(params) => play(shared, method, chat, &params).await,
        Err(refusal) => Outcome::Answer(Err(refusal)),
    };
    let (code, error) = match &outcome {
        Outcome::Answer(Ok(_)) => (200, None),
        Outcome::Answer(Err(refusal)) => (refusal.code, Some(refusal.description.clone())),
        Outcome::Raw(code, body) => (*code, Some((*body).to_owned())),
        Outcome::Cut => (0, Some("the connection was closed".to_owned())),
    };
    shared.with(|state| {
        state.called(Call {
            method,
            chat,
            code,
            error,
            at: Instant::now(),
        })
    });
    outcome
}

async fn play(
    shared: &Arc<Shared>,
    method: &'static str,
    chat: Option<i64>,
    params: &Params,
) -> Outcome {
    let paced = chat.filter(|_| methods::is_paced(method));
    let fault = shared.with(|state| {
        let waits = paced.and_then(|chat| state.meter.still_waiting(chat, Instant::now()));
        match waits {
            Some(seconds) => Err(Refusal::too_many(seconds)),
            None => Ok(state.faults.take(method, chat)),
        }
    });
    let fault = match fault {
        Ok(fault) => fault,
        Err(refusal) => return Outcome::Answer(Err(refusal)),
    };
    match fault {
        None => act(shared, method, params).await,
        Some(FaultKind::Delay(time)) => {
            tokio::time::sleep(time).await;
            act(shared, method, params).await
        }
        Some(FaultKind::DropAfter) => {
            act(shared, method, params).await;
            Outcome::Cut
        }
        Some(FaultKind::DropBefore) => Outcome::Cut,
        Some(FaultKind::Garbage) => Outcome::Raw(200, "<html>Oops</html>"),
        Some(FaultKind::ServerError(code)) if code != 500 => {
            Outcome::Raw(code, "<html><h1>Bad Gateway</h1></html>")
        }
        Some(FaultKind::ServerError(code)) => {
            Outcome::Answer(Err(Refusal::new(code, "Internal Server Error")))
        }
        Some(FaultKind::Forbidden(why)) => Outcome::Answer(Err(Refusal::forbidden(why.words()))),
        Some(FaultKind::TooManyRequests(seconds)) => {
            let seconds = seconds.max(1);
            if let Some(chat) = paced {
                shared.with(|state| state.meter.punish(chat, seconds, Instant::now()));
            }
            Outcome::Answer(Err(Refusal::too_many(seconds)))
        }
        Some(FaultKind::Migrate(to)) => {
            if let Some(chat) = chat {
                shared.with(|state| state.migrate(chat, to));
            }
            act(shared, method, params).await
        }
    }
}

async fn act(shared: &Arc<Shared>, method: &'static str, params: &Params) -> Outcome {
    if method == "getUpdates" {
        return Outcome::Answer(methods::get_updates(shared, params).await);
    }
    Outcome::Answer(shared.with(|state| methods::run(state, method, params)))
}

/// Reads the query and the body, whatever its form.
async fn read(request: Request) -> Result<Params, Refusal> {
    let kind = request
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    let kind = kind.unwrap_or_default().to_ascii_lowercase();
    let query = pairs(request.uri().query().unwrap_or_default());
    let mut params = if kind.starts_with("multipart/form-data") {
        read_multipart(request).await?
    } else if kind.starts_with(JSON) {
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
fn unescape(text: &str) -> String {
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
async fn read_field(
    field: &mut Field<'_>,
) -> Result<Bytes, axum::extract::multipart::MultipartError> {
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
