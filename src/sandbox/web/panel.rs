//! What goes wrong on demand: faults, absences, a bot that is killed; and the calls in detail.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Query, State as Extract};
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::faults::{Fault, FaultKind, Forbidden};
use super::Site;
use super::actions::{Answer, Trouble};
use super::keeper::Order;

/// The most seconds of a wait.
const MAX_SECONDS: u64 = 600;
/// The most calls that one rule hits.
const MAX_TIMES: u32 = 100;
/// The most rules that wait at a time.
const MAX_RULES: usize = 50;

/// The calls that bring something to a chat.
const MESSAGES: [&str; 8] = [
    "sendMessage",
    "sendDocument",
    "sendPhoto",
    "sendMediaGroup",
    "editMessageText",
    "editMessageCaption",
    "editMessageReplyMarkup",
    "deleteMessage",
];

/// What goes wrong.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    TooMany,
    ServerError,
    DropBefore,
    DropAfter,
    Garbage,
    Late,
    Blocked,
    Missing,
    Half,
}

/// Which calls it hits.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Where {
    Messages,
    Answers,
    Polls,
    Downloads,
    All,
}

/// A fault that is wanted.
#[derive(Deserialize)]
pub(super) struct Wanted {
    kind: Kind,
    on: Where,
    #[serde(default)]
    seconds: u64,
    times: u32,
}

/// `POST /api/fault`.
pub(super) async fn fault(Extract(site): Extract<Arc<Site>>, Json(wanted): Json<Wanted>) -> Answer {
    let seconds = wanted.seconds;
    let timed = matches!(wanted.kind, Kind::TooMany | Kind::Late);
    if timed && !(1..=MAX_SECONDS).contains(&seconds) {
        return Err(Trouble::bad(format!(
            "The seconds must be between 1 and {MAX_SECONDS}."
        )));
    }
    if !(1..=MAX_TIMES).contains(&wanted.times) {
        return Err(Trouble::bad(format!(
            "How often must be between 1 and {MAX_TIMES}."
        )));
    }
    if site.sandbox.faults_left() >= MAX_RULES {
        return Err(Trouble::bad(
            "Enough faults wait already; take them away first.",
        ));
    }
    let kind = match wanted.kind {
        Kind::TooMany => FaultKind::TooManyRequests(seconds),
        Kind::ServerError => FaultKind::ServerError(500),
        Kind::DropBefore => FaultKind::DropBefore,
        Kind::DropAfter => FaultKind::DropAfter,
        Kind::Garbage => FaultKind::Garbage,
        Kind::Missing => FaultKind::Missing,
        Kind::Half => FaultKind::Half,
        Kind::Late => FaultKind::Delay(Duration::from_secs(seconds)),
        Kind::Blocked => FaultKind::Forbidden(Forbidden::Blocked),
    };
    let file_only = matches!(wanted.kind, Kind::Missing | Kind::Half);
    let methods: &[&str] = match wanted.on {
        // These two can befall nothing else.
        _ if file_only => &["download"],
        Where::Downloads => &["download"],
        Where::Messages => &MESSAGES,
        Where::Answers => &["answerCallbackQuery"],
        Where::Polls => &["getUpdates"],
        Where::All => &[],
    };
    let rule = Fault::times(kind, wanted.times);
    site.sandbox
        .fault(methods.iter().fold(rule, |rule, method| rule.on(method)));
    ring(&site);
    Ok(Json(Value::Null))
}

/// `POST /api/faults/clear`.
pub(super) async fn clear_faults(Extract(site): Extract<Arc<Site>>) -> Json<Value> {
    site.sandbox.clear_faults();
    ring(&site);
    Json(Value::Null)
}

/// How long Telegram is away; 0 brings it back.
#[derive(Deserialize)]
pub(super) struct Absence {
    seconds: u64,
}

/// `POST /api/away`.
pub(super) async fn away(
    Extract(site): Extract<Arc<Site>>,
    Json(absence): Json<Absence>,
) -> Answer {
    match absence.seconds {
        0 => site.away.end(),
        seconds @ 1..=MAX_SECONDS => site.away.begin(Duration::from_secs(seconds)),
        _ => {
            return Err(Trouble::bad(format!(
                "Telegram can be away for {MAX_SECONDS} s at the most."
            )));
        }
    }
    Ok(Json(Value::Null))
}

/// What the bot is to do.
#[derive(Deserialize)]
pub(super) struct Ordered {
    order: Order,
}

/// `POST /api/bot`.
pub(super) async fn bot(
    Extract(site): Extract<Arc<Site>>,
    Json(ordered): Json<Ordered>,
) -> Json<Value> {
    site.keeper.order(ordered.order).await;
    Json(Value::Null)
}

/// Which call.
#[derive(Deserialize)]
pub(super) struct Number {
    id: u64,
}

/// `GET /api/call`: its parameters and its answer.
pub(super) async fn call(
    Extract(site): Extract<Arc<Site>>,
    Query(number): Query<Number>,
) -> Answer {
    let found = site.sandbox.shared().with(|state| {
        let record = state.records.get(number.id)?;
        Some(json!({"params": record.params, "answer": record.answer}))
    });
    let found = found.ok_or_else(|| {
        Trouble(
            axum::http::StatusCode::NOT_FOUND,
            "This call is so long ago that it was forgotten.".to_owned(),
        )
    });
    found.map(Json)
}

/// `POST /api/calls/clear`.
pub(super) async fn clear_calls(Extract(site): Extract<Arc<Site>>) -> Json<Value> {
    site.sandbox.shared().with(|state| state.records.clear());
    Json(Value::Null)
}

/// The page is told of what the world itself does not announce.
fn ring(site: &Site) {
    site.bell.send_modify(|n| *n += 1);
}
