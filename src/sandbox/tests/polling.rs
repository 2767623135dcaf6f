//! Getting updates: confirming, filtering, waiting, and one poller at a time.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{ANN, SOON, bad, call, good, sandbox};
use crate::sandbox::What;

fn ids(updates: &Value) -> Vec<i64> {
    updates
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|u| u["update_id"].as_i64())
        .collect()
}

#[tokio::test]
async fn an_offset_confirms_what_is_below_it() {
    let sandbox = sandbox().await;
    let sent: Vec<i64> = (0..3)
        .filter_map(|_| sandbox.say(ANN, ANN, "x").update_id)
        .collect();
    assert_eq!(ids(&good(&sandbox, "getUpdates", json!({})).await), sent);
    assert_eq!(
        ids(&good(&sandbox, "getUpdates", json!({"limit": 1})).await),
        sent[..1]
    );
    assert_eq!(sandbox.pending_updates(), 3, "nothing was confirmed");
    assert_eq!(
        ids(&good(&sandbox, "getUpdates", json!({"offset": sent[1]})).await),
        sent[1..]
    );
    assert_eq!(
        ids(&good(&sandbox, "getUpdates", json!({"offset": -1})).await),
        sent[2..]
    );
    assert!(sandbox.redeliver(sent[0]));
    let again = good(&sandbox, "getUpdates", json!({"offset": sent[2] + 1})).await;
    assert_eq!(ids(&again), sent[..1], "delivered once more");
    assert_eq!(
        ids(&good(&sandbox, "getUpdates", json!({"offset": sent[2] + 1})).await),
        [] as [i64; 0]
    );
    assert_eq!(sandbox.pending_updates(), 0);
}

#[tokio::test]
async fn a_poll_waits_for_the_next_update() {
    let sandbox = sandbox().await;
    let other = sandbox.clone();
    let poll =
        tokio::spawn(async move { good(&other, "getUpdates", json!({"timeout": 30})).await });
    tokio::task::yield_now().await;
    let sent = sandbox.say(ANN, ANN, "x").update_id;
    let updates = tokio::time::timeout(SOON, poll)
        .await
        .expect("soon")
        .expect("no panic");
    assert_eq!(ids(&updates).first().copied(), sent);
    let start = Instant::now();
    let offset = sent.unwrap_or_default() + 1;
    let none = good(
        &sandbox,
        "getUpdates",
        json!({"timeout": 1, "offset": offset}),
    )
    .await;
    assert_eq!(ids(&none), [] as [i64; 0]);
    assert!(start.elapsed() >= Duration::from_secs(1));
}

#[tokio::test]
async fn a_second_poller_ends_the_first() {
    let sandbox = sandbox().await;
    let other = sandbox.clone();
    let first = tokio::spawn(async move {
        call(&other, "getUpdates", json!({"timeout": 30, "limit": 7})).await
    });
    let mut first = std::pin::pin!(first);
    // The first may not have arrived yet: poll until it was thrown out.
    let answer = loop {
        good(&sandbox, "getUpdates", json!({})).await;
        if let Ok(answer) = tokio::time::timeout(Duration::from_millis(20), &mut first).await {
            break answer.expect("no panic");
        }
    };
    assert_eq!(answer["error_code"], 409);
    let words = "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running";
    assert_eq!(answer["description"], words);
}

#[tokio::test]
async fn allowed_updates_stick_until_changed() {
    let sandbox = sandbox().await;
    assert!(sandbox.say(ANN, ANN, "x").update_id.is_some());
    good(
        &sandbox,
        "getUpdates",
        json!({"allowed_updates": ["callback_query"]}),
    )
    .await;
    assert_eq!(sandbox.say(ANN, ANN, "x").update_id, None);
    good(&sandbox, "getUpdates", json!({})).await;
    assert_eq!(sandbox.say(ANN, ANN, "x").update_id, None, "still");
    good(&sandbox, "getUpdates", json!({"allowed_updates": []})).await;
    assert!(sandbox.say(ANN, ANN, "x").update_id.is_some());
    let words = bad(
        &sandbox,
        "getUpdates",
        json!({"allowed_updates": ["mesage"]}),
    )
    .await;
    assert!(words.contains("mesage"), "{words}");
    assert_eq!(
        good(&sandbox, "getWebhookInfo", json!({})).await["pending_update_count"],
        2
    );
    good(
        &sandbox,
        "deleteWebhook",
        json!({"drop_pending_updates": true}),
    )
    .await;
    assert_eq!(sandbox.pending_updates(), 0);
}

#[tokio::test]
async fn injected_updates_come_as_they_are() {
    let sandbox = sandbox().await;
    let id = sandbox.inject(json!({"poll": {"strange": true}}));
    let updates = good(&sandbox, "getUpdates", json!({})).await;
    assert_eq!(
        (ids(&updates), &updates[0]["poll"]["strange"]),
        (vec![id], &json!(true))
    );
    sandbox.inject(json!({"update_id": id + 50, "message": {}}));
    assert_eq!(
        sandbox.say(ANN, ANN, "x").update_id,
        Some(id + 51),
        "identifiers go on from there"
    );
    let events = sandbox.events_since(0);
    assert!(
        events
            .iter()
            .any(|event| matches!(event.what, What::Polled { given: 1, .. }))
    );
    assert!(events.windows(2).all(|pair| pair[0].seq < pair[1].seq));
}
