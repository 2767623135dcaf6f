//! Faults on demand, and the rates.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{ANN, bad, call, good, sandbox};
use crate::sandbox::{Fault, FaultKind, Forbidden, Limits, Rates, Sandbox};

/// One send over its own connection; none when the connection is closed without an answer.
async fn send(sandbox: &Sandbox) -> Option<(u16, String)> {
    let url = format!("{}/bot{}/sendMessage", sandbox.api_url(), sandbox.token());
    let body = json!({"chat_id": ANN, "text": "x"});
    let response = reqwest::Client::new()
        .post(url)
        .json(&body)
        .send()
        .await
        .ok()?;
    let status = response.status().as_u16();
    Some((status, response.text().await.ok()?))
}

#[tokio::test]
async fn connections_drop_before_or_after_the_deed() {
    let sandbox = sandbox().await;
    sandbox.fault(Fault::once(FaultKind::DropBefore).on("sendMessage"));
    assert_eq!(send(&sandbox).await, None);
    assert_eq!(sandbox.messages(ANN).len(), 0);
    sandbox.fault(Fault::once(FaultKind::DropAfter).in_chat(ANN));
    assert_eq!(send(&sandbox).await, None);
    assert_eq!(sandbox.messages(ANN).len(), 1);
    assert_eq!(send(&sandbox).await.map(|(code, _)| code), Some(200));
    assert_eq!(sandbox.faults_left(), 0);
    let codes: Vec<u16> = sandbox.calls().iter().map(|call| call.code).collect();
    assert_eq!(codes, [0, 0, 200]);
}

#[tokio::test]
async fn answers_can_be_errors_or_nonsense() {
    let sandbox = sandbox().await;
    for (kind, code, words) in [
        (FaultKind::Garbage, 200, "Oops"),
        (FaultKind::ServerError(500), 500, "Internal Server Error"),
        (FaultKind::ServerError(502), 502, "Bad Gateway"),
        (
            FaultKind::Forbidden(Forbidden::Blocked),
            403,
            "Forbidden: bot was blocked by the user",
        ),
    ] {
        sandbox.fault(Fault::once(kind));
        let (got, body) = send(&sandbox).await.expect("an answer");
        assert_eq!(got, code);
        assert!(body.contains(words), "{body}");
    }
    assert_eq!(sandbox.messages(ANN).len(), 0, "none of them acts");
    sandbox.fault(Fault::always(FaultKind::Delay(Duration::from_millis(30))));
    let start = Instant::now();
    assert_eq!(send(&sandbox).await.map(|(code, _)| code), Some(200));
    assert!(start.elapsed() >= Duration::from_millis(30));
    sandbox.clear_faults();
    assert_eq!(sandbox.faults_left(), 0);
}

#[tokio::test]
async fn an_injected_429_must_be_obeyed() {
    let sandbox = sandbox().await;
    let body = json!({"chat_id": ANN, "text": "x"});
    sandbox.fault(Fault::once(FaultKind::TooManyRequests(60)).on("sendMessage"));
    let answer = call(&sandbox, "sendMessage", body.clone()).await;
    assert_eq!(
        (&answer["error_code"], &answer["parameters"]["retry_after"]),
        (&json!(429), &json!(60))
    );
    assert_eq!(answer["description"], "Too Many Requests: retry after 60");
    assert_eq!(sandbox.floods_earned(), 0, "it was not earned");
    assert_eq!(call(&sandbox, "sendMessage", body).await["error_code"], 429);
    assert_eq!(sandbox.floods_earned(), 1, "not waiting is");
    good(
        &sandbox,
        "sendChatAction",
        json!({"chat_id": ANN, "action": "typing"}),
    )
    .await;
}

#[tokio::test]
async fn rates_are_kept_for_messages_and_edits() {
    let sandbox = sandbox().await;
    sandbox.set_rates(Rates::Telegram);
    let body = json!({"chat_id": ANN, "text": "x"});
    for _ in 0..2 {
        good(&sandbox, "sendMessage", body.clone()).await;
    }
    good(
        &sandbox,
        "editMessageText",
        json!({"chat_id": ANN, "message_id": 1, "text": "y"}),
    )
    .await;
    let words = bad(&sandbox, "sendMessage", body.clone()).await;
    assert_eq!(words, "Too Many Requests: retry after 1");
    assert_eq!(sandbox.floods_earned(), 1);
    sandbox.set_rates(Rates::Custom(Limits {
        chat_burst: 1.0,
        ..Limits::telegram()
    }));
    good(&sandbox, "sendMessage", body.clone()).await;
    bad(&sandbox, "sendMessage", body).await;
    assert_eq!(sandbox.floods_earned(), 2);
}

#[tokio::test]
async fn a_group_can_migrate_under_a_call() {
    let sandbox = sandbox().await;
    sandbox.add_group(-9, "Team", false);
    sandbox.fault(Fault::once(FaultKind::Migrate(-1_000_000_000_099)).in_chat(-9));
    let answer = call(&sandbox, "sendMessage", json!({"chat_id": -9, "text": "x"})).await;
    assert_eq!(
        answer["parameters"]["migrate_to_chat_id"],
        -1_000_000_000_099_i64
    );
    good(
        &sandbox,
        "sendMessage",
        json!({"chat_id": -1_000_000_000_099_i64, "text": "x"}),
    )
    .await;
    assert_eq!(sandbox.pending_updates(), 2, "both service messages");
}

#[tokio::test]
async fn the_whole_server_can_be_away() {
    let sandbox = sandbox().await;
    let other = sandbox.clone();
    let poll = tokio::spawn(async move {
        let url = format!(
            "{}/bot{}/getUpdates?timeout=30",
            other.api_url(),
            other.token()
        );
        reqwest::get(url).await.is_err()
    });
    sandbox
        .wait(super::SOON, "nothing", |_| Some(()))
        .await
        .expect("at once");
    sandbox.away(true);
    assert_eq!(send(&sandbox).await, None);
    assert!(poll.await.expect("no panic"), "the call in hand is cut");
    sandbox.away(false);
    assert_eq!(send(&sandbox).await.map(|(code, _)| code), Some(200));
}
