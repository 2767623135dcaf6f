//! HTTP: finds the method, plays the faults, writes the answer.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, DefaultBodyLimit, Request, State};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use serde_json::{Value, json};

use super::connection::Cutter;
use super::decode::{read, unescape};
use super::faults::FaultKind;
use super::methods;
use super::model::Call;
use super::params::Params;
use super::record::{self, Record};
use super::refusal::Refusal;
use super::shared::Shared;
use super::spec;
use crate::base::time::Millis;

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
        return download(shared, rest).await;
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

/// The bytes of a file, as a call of the method `download`, with its faults; an error when the connection is to be cut.
async fn download(shared: &Shared, rest: &str) -> Result<Response, ()> {
    let fault = shared.with(|state| state.faults.take(DOWNLOAD, None));
    if let Some(FaultKind::Delay(time)) = fault {
        tokio::time::sleep(time).await;
    }
    let response = match found(shared, rest) {
        Ok(bytes) => played(bytes, fault),
        Err(refusal) => Some(refuse(&refusal)),
    };
    let code = response.as_ref().map_or(0, |it| it.status().as_u16());
    shared.with(|state| {
        state.called(Call {
            method: DOWNLOAD,
            chat: None,
            code,
            error: (code != 200).then(|| "the file was not given".to_owned()),
            at: Instant::now(),
        });
    });
    response.ok_or(())
}

/// The name of a download among faults and calls.
const DOWNLOAD: &str = "download";

fn found(shared: &Shared, rest: &str) -> Result<Bytes, Refusal> {
    let nothing = || Refusal::new(404, "Not Found");
    let (token, path) = rest.split_once('/').ok_or_else(nothing)?;
    if token != shared.token {
        return Err(wrong_token(token));
    }
    let bytes = shared.with(|state| state.files.at(path).map(|found| found.bytes.clone()));
    bytes.ok_or_else(nothing)
}

/// A download with its fault; nothing when the connection is to be cut at once.
fn played(bytes: Bytes, fault: Option<FaultKind>) -> Option<Response> {
    let kind = "application/octet-stream";
    let half = bytes.slice(..bytes.len() / 2);
    Some(match fault {
        None | Some(FaultKind::Delay(_) | FaultKind::Migrate(_)) => {
            write(StatusCode::OK, kind, Body::from(bytes))
        }
        Some(FaultKind::DropBefore | FaultKind::DropAfter) => return None,
        Some(FaultKind::Missing) => refuse(&Refusal::new(404, "Not Found")),
        Some(FaultKind::Forbidden(why)) => refuse(&Refusal::forbidden(why.words())),
        Some(FaultKind::Refused(code, words)) => refuse(&Refusal::new(code, words)),
        Some(FaultKind::TooManyRequests(seconds)) => refuse(&Refusal::too_many(seconds)),
        Some(FaultKind::ServerError(code)) => write(status(code), kind, Body::empty()),
        Some(FaultKind::Garbage) => {
            write(StatusCode::OK, "text/html", Body::from("<html>Oops</html>"))
        }
        Some(FaultKind::Shorter) => write(StatusCode::OK, kind, Body::from(half)),
        Some(FaultKind::Half) => {
            // The length of the whole is announced, and the connection ends with an error in the middle.
            let parts = [Ok(half), Err(io::Error::other("cut"))];
            let body = Body::from_stream(futures::stream::iter(parts));
            let mut response = write(StatusCode::OK, kind, body);
            response
                .headers_mut()
                .insert(CONTENT_LENGTH, HeaderValue::from(bytes.len()));
            response
        }
    })
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
    let (at, begun) = (Millis::now(), Instant::now());
    let wanted = shared.with(|state| state.records.wanted());
    let asked = wanted.then(|| params.as_ref().map(Params::shown).unwrap_or_default());
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
    let record = asked.map(|params| Record {
        id: 0,
        at,
        took: begun.elapsed(),
        method,
        chat,
        code,
        error: error.clone(),
        params: record::text_of(&params),
        answer: match &outcome {
            Outcome::Answer(Ok(result)) => record::text_of(result),
            Outcome::Answer(Err(refusal)) => record::text_of(&refusal.body()),
            Outcome::Raw(_, body) => (*body).to_owned(),
            Outcome::Cut => String::new(),
        },
    });
    shared.with(|state| {
        if let Some(record) = record {
            state.records.add(record);
        }
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

/// Answers a call, by the fault that fits it or by the method itself.
async fn play(
    shared: &Arc<Shared>,
    method: &'static str,
    chat: Option<i64>,
    params: &Params,
) -> Outcome {
    let paced = chat.filter(|_| methods::is_paced(method));
    let fault = shared.with(|state| {
        let waits = paced.and_then(|chat| state.meter.still_waiting(chat, Instant::now()));
        waits.map_or_else(|| Ok(state.faults.take(method, chat)), Err)
    });
    match fault {
        Err(seconds) => return Outcome::Answer(Err(Refusal::too_many(seconds))),
        Ok(None) => {}
        Ok(Some(FaultKind::Delay(time))) => tokio::time::sleep(time).await,
        Ok(Some(FaultKind::DropAfter)) => {
            act(shared, method, params).await;
            return Outcome::Cut;
        }
        Ok(Some(FaultKind::Migrate(to))) => {
            if let Some(chat) = chat {
                shared.with(|state| state.migrate(chat, to));
            }
        }
        Ok(Some(FaultKind::TooManyRequests(seconds))) => {
            return punish(shared, paced, seconds.max(1));
        }
        Ok(Some(FaultKind::DropBefore | FaultKind::Half)) => return Outcome::Cut,
        Ok(Some(FaultKind::Missing | FaultKind::Shorter)) => {
            return Outcome::Answer(Err(Refusal::new(404, "Not Found")));
        }
        Ok(Some(FaultKind::Garbage)) => return Outcome::Raw(200, "<html>Oops</html>"),
        Ok(Some(FaultKind::ServerError(500))) => {
            return Outcome::Answer(Err(Refusal::new(500, "Internal Server Error")));
        }
        Ok(Some(FaultKind::ServerError(code))) => {
            return Outcome::Raw(code, "<html><h1>Bad Gateway</h1></html>");
        }
        Ok(Some(FaultKind::Forbidden(why))) => {
            return Outcome::Answer(Err(Refusal::forbidden(why.words())));
        }
        Ok(Some(FaultKind::Refused(code, words))) => {
            return Outcome::Answer(Err(Refusal::new(code, words)));
        }
    }
    act(shared, method, params).await
}

/// 429 on demand; the chat is held to it.
fn punish(shared: &Shared, chat: Option<i64>, seconds: u64) -> Outcome {
    if let Some(chat) = chat {
        shared.with(|state| state.meter.punish(chat, seconds, Instant::now()));
    }
    Outcome::Answer(Err(Refusal::too_many(seconds)))
}

async fn act(shared: &Arc<Shared>, method: &'static str, params: &Params) -> Outcome {
    if method == "getUpdates" {
        return Outcome::Answer(methods::get_updates(shared, params).await);
    }
    Outcome::Answer(shared.with(|state| methods::run(state, method, params)))
}
