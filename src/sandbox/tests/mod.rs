//! The sandbox as a bot sees it: over HTTP, by hand and through teloxide.

mod faults;
mod limits;
mod people;
mod polling;
mod teloxide;

use std::time::Duration;

use serde_json::{Value, json};

use super::{Options, Sandbox};

/// Long enough for a slow machine; nothing waits for it when all is well.
const SOON: Duration = Duration::from_secs(10);

/// The person in most tests.
const ANN: i64 = 77;

async fn sandbox() -> Sandbox {
    let sandbox = Sandbox::start(Options::default())
        .await
        .expect("a free port");
    sandbox.add_person(ANN, "Ann", Some("ann"));
    sandbox.open_private(ANN);
    sandbox
}

/// One call; gives the whole answer.
async fn call(sandbox: &Sandbox, method: &str, body: Value) -> Value {
    let url = format!("{}/bot{}/{method}", sandbox.api_url(), sandbox.token());
    let response = reqwest::Client::new()
        .post(url)
        .json(&body)
        .send()
        .await
        .expect("an answer");
    response.json().await.expect("JSON")
}

/// One call that must succeed; gives its result.
async fn good(sandbox: &Sandbox, method: &str, body: Value) -> Value {
    let answer = call(sandbox, method, body).await;
    assert_eq!(answer["ok"], true, "{method}: {answer}");
    answer["result"].clone()
}

/// One call that must be refused; gives the words.
async fn bad(sandbox: &Sandbox, method: &str, body: Value) -> String {
    let answer = call(sandbox, method, body).await;
    assert_eq!(answer["ok"], false, "{method}: {answer}");
    answer["description"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

fn id_of(message: &Value) -> i32 {
    message["message_id"]
        .as_i64()
        .and_then(|id| i32::try_from(id).ok())
        .expect("a message")
}

#[tokio::test]
async fn wrong_addresses_are_refused_as_telegram_does() {
    let sandbox = sandbox().await;
    let get = async |path: String| {
        let response = reqwest::get(format!("{}{path}", sandbox.api_url()))
            .await
            .expect("an answer");
        response.status().as_u16()
    };
    assert_eq!(get("/bot123:wrong/getMe".to_owned()).await, 401);
    assert_eq!(get("/botwrong/getMe".to_owned()).await, 404);
    assert_eq!(
        get(format!("/bot{}/getNothing", sandbox.token())).await,
        404
    );
    assert_eq!(get(format!("/bot{}/GETME", sandbox.token())).await, 200);
    assert_eq!(
        get(format!(
            "/bot{}/sendPoll?chat_id=77&question=a&options=[]",
            sandbox.token()
        ))
        .await,
        501
    );
    assert_eq!(get("/".to_owned()).await, 404);
}

#[tokio::test]
async fn parameters_come_as_query_form_json_and_multipart() {
    let sandbox = sandbox().await;
    let url = format!("{}/bot{}/sendMessage", sandbox.api_url(), sandbox.token());
    let client = reqwest::Client::new();
    let form = reqwest::multipart::Form::new()
        .text("chat_id", "77")
        .text("text", "four");
    for request in [
        client.get(format!("{url}?chat_id=77&text=o%6Ee+1")),
        client
            .post(&url)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(format!(
                "chat_id=77&text={}two+%26%3D",
                "%F0%9F%98%80".repeat(2000)
            )),
        client
            .post(&url)
            .json(&json!({"chat_id": "77", "text": "three"})),
        client.post(&url).multipart(form),
    ] {
        let response = request.send().await.expect("an answer");
        assert_eq!(response.status(), 200);
    }
    let texts: Vec<String> = sandbox.messages(ANN).into_iter().map(|m| m.text).collect();
    let long = format!("{}two &=", "😀".repeat(2000));
    assert_eq!(texts, ["one 1", &long, "three", "four"]);
}

#[tokio::test]
async fn stop_frees_the_port() {
    let sandbox = sandbox().await;
    let port = sandbox.port();
    good(&sandbox, "getMe", json!({})).await;
    sandbox.stop().await;
    let again = Sandbox::start(Options {
        port,
        ..Options::default()
    })
    .await;
    assert!(again.is_ok(), "the port is free");
}

#[tokio::test]
async fn a_wait_in_vain_tells_the_conversation() {
    let sandbox = sandbox().await;
    sandbox.say(ANN, ANN, "/hello");
    let nothing = sandbox
        .wait(Duration::from_millis(10), "an answer", |_| None::<()>)
        .await;
    let words = nothing.expect_err("nothing comes");
    assert!(
        words.contains("an answer") && words.contains("#1 77: /hello"),
        "{words}"
    );
}
