//! Questions to a web server that is slow, wrong, busy, or hangs up.

use super::*;
use crate::drivers::tests::{Asked, Server, Told, closed};
use std::sync::{Arc, Mutex};

const LONG: Duration = Duration::from_secs(40);

async fn ask(method: &str, url: Url) -> Result<Reply, String> {
    Web::default().ask(&Question::new(method, url, LONG)).await
}

#[tokio::test]
async fn a_question_arrives_as_it_is_and_its_reply_is_read() {
    let server = Server::start(|asked: &Asked| {
        let seen = format!(
            r#"{{"method": "{}", "place": "{}", "key": "{}", "body": "{}"}}"#,
            asked.method,
            asked.place,
            asked.header("x-key").unwrap_or("none"),
            asked.body,
        );
        Told::Says(201, vec![("X-Seen", "yes".to_owned())], seen.into_bytes())
    })
    .await;
    let question = Question {
        headers: vec![("X-Key".to_owned(), "hunter2".to_owned())],
        body: Some("a=1&b=ü".to_owned()),
        ..Question::new("PATCH", server.url("/things?id=7"), LONG)
    };
    let reply = Web::default().ask(&question).await.unwrap();
    assert_eq!((reply.status, reply.cut), (201, false));
    assert_eq!(
        reply.body,
        r#"{"method": "PATCH", "place": "/things?id=7", "key": "hunter2", "body": "a=1&b=ü"}"#
    );
    assert_eq!(reply.header("x-seen"), Some("yes"));
    assert_eq!(reply.expect(&[]), Ok(()));
    assert_eq!(reply.expect(&[200, 201]), Ok(()));
    let host = server.address;
    assert_eq!(
        reply.expect(&[200, 204]),
        Err(format!("{host} answered with 201 instead of 200 or 204."))
    );
}

#[tokio::test]
async fn values_are_read_by_their_pointers() {
    let body = r#"{"id": 7, "a/b": [true, {"c": "text"}], "none": null, "~": 1.50}"#;
    let server = Server::start(move |asked: &Asked| match asked.path() {
        "/json" => Told::text(200, body),
        "/big" => Told::Says(200, Vec::new(), vec![b' '; MAX_BODY + 1]),
        _ => Told::text(200, "<html>"),
    })
    .await;
    let reply = ask("GET", server.url("/json")).await.unwrap();
    let read = |pointer: &str| {
        let pointers = BTreeMap::from([("value".to_owned(), pointer.to_owned())]);
        reply
            .values(&pointers)
            .map(|mut values| values.remove("value").unwrap())
    };
    for (pointer, value) in [
        ("/id", "7"),
        ("/a~1b/0", "true"),
        ("/a~1b/1/c", "text"),
        ("/a~1b/1", r#"{"c":"text"}"#),
        ("/none", "null"),
        ("/~0", "1.5"),
    ] {
        assert_eq!(check_pointer(pointer), Ok(()));
        assert_eq!(read(pointer).as_deref(), Ok(value), "{pointer}");
    }
    let host = server.address;
    assert_eq!(
        read("/a/b"),
        Err(format!(
            "The answer of {host} has nothing at `/a/b`, where `value` should be."
        ))
    );
    assert_eq!(
        check_pointer("data.id"),
        Err("`data.id` is no JSON pointer; write /data/id".to_owned())
    );
    assert!(check_pointer("/a~b").is_err());
    let pointers = BTreeMap::from([("value".to_owned(), "/id".to_owned())]);
    let big = ask("GET", server.url("/big")).await.unwrap();
    assert_eq!((big.cut, big.body.len()), (true, MAX_BODY));
    let why = big.values(&pointers).unwrap_err();
    assert!(why.contains("more than 1 MiB"), "{why}");
    let html = ask("GET", server.url("/")).await.unwrap();
    assert_eq!(html.values(&BTreeMap::new()), Ok(BTreeMap::new()));
    let why = html.values(&pointers).unwrap_err();
    assert!(
        why.starts_with(&format!("{host} did not answer with JSON, but with ")),
        "{why}"
    );
}

#[tokio::test]
async fn why_there_is_no_reply_is_a_sentence_without_secrets() {
    let server = Server::start(|asked: &Asked| match asked.path() {
        "/drops" => Told::Drops,
        "/breaks" => Told::Breaks,
        _ => Told::Hangs,
    })
    .await;
    let host = server.address;
    let mut slow = Question::new("GET", server.url("/slow?key=hunter2"), LONG);
    slow.limit = Duration::from_millis(100);
    let why = Web::default().ask(&slow).await.unwrap_err();
    assert_eq!(why, format!("{host} gave no answer within 0.1 s."));
    for path in ["/drops", "/breaks"] {
        for method in ["GET", "POST"] {
            let why = ask(method, server.url(path)).await.unwrap_err();
            let broken = "broke the connection off before its answer was complete.";
            assert_eq!(why, format!("{host} {broken}"), "{method} {path}");
        }
    }
    let mut tls = server.url("/");
    tls.set_scheme("https").unwrap();
    let plain = Server::start(|_: &Asked| Told::text(200, "")).await;
    tls.set_port(Some(plain.address.port())).unwrap();
    let why = ask("GET", tls).await.unwrap_err();
    assert!(why.contains("gives no safe connection"), "{why}");
    let (_held, closed) = closed();
    let url = Url::parse(&format!("http://{closed}/")).unwrap();
    let why = ask("GET", url).await.unwrap_err();
    assert_eq!(
        why,
        format!("{closed} refuses the connection: nothing listens there.")
    );
    let nowhere = Url::parse("http://ann:hunter2@nowhere.invalid/?key=hunter2").unwrap();
    let why = ask("GET", nowhere).await.unwrap_err();
    assert!(why.starts_with("nowhere.invalid has no address: "), "{why}");
    assert!(!why.contains("hunter2"), "{why}");
}

#[tokio::test]
async fn a_question_that_cannot_be_right_is_not_asked() {
    let page = || Url::parse("http://127.0.0.1:1/").unwrap();
    let with = |name: &str, value: &str| Question {
        headers: vec![(name.to_owned(), value.to_owned())],
        ..Question::new("GET", page(), LONG)
    };
    for (question, says) in [
        (
            Question::new("CONNECT", page(), LONG),
            "`CONNECT` is no method",
        ),
        (Question::new("GE T", page(), LONG), "`GE T` is no method"),
        (
            Question::new("GET", Url::parse("ftp://x/").unwrap(), LONG),
            "`ftp:` is no address",
        ),
        (with("a b", "x"), "`a b` is no name of a header"),
        (
            with("X-Key", "hunter2\r\nX-Other: 1"),
            "The value of the header `X-Key`",
        ),
        (with("Content-Length", "7"), "is set by itself"),
    ] {
        let why = Web::default().ask(&question).await.unwrap_err();
        assert!(why.contains(says) && !why.contains("hunter2"), "{why}");
    }
}

#[tokio::test]
async fn redirects_are_followed_for_reading_and_take_no_secrets_elsewhere() {
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let note = Arc::clone(&seen);
    let other = Server::start(move |asked: &Asked| {
        let key = asked.header("x-key").or(asked.header("authorization"));
        note.lock()
            .unwrap()
            .push(format!("{} {key:?}", asked.place));
        Told::text(200, "other")
    })
    .await;
    let elsewhere = other.url("/there");
    let server = Server::start(move |asked: &Asked| match asked.path() {
        "/near" => Told::with(302, "Location", "/here"),
        "/far" => Told::with(307, "Location", &elsewhere),
        "/file" => Told::with(302, "Location", "file:///etc/passwd"),
        "/round" => Told::with(302, "Location", "/round"),
        _ => Told::text(200, asked.header("x-key").unwrap_or("none")),
    })
    .await;
    let ask = async |method: &str, path: &str| {
        let mut question = Question::new(method, server.url(path), LONG);
        question.headers = vec![("X-Key".to_owned(), "hunter2".to_owned())];
        Web::default().ask(&question).await.unwrap()
    };
    assert_eq!(ask("GET", "/near").await.body, "hunter2");
    assert_eq!(ask("GET", "/far").await.body, "other");
    assert_eq!(ask("HEAD", "/far").await.status, 200);
    assert_eq!(*seen.lock().unwrap(), ["/there None", "/there None"]);
    for (method, path, status) in [
        ("POST", "/near", 302),
        ("PUT", "/far", 307),
        ("GET", "/file", 302),
        ("GET", "/round", 302),
    ] {
        assert_eq!(ask(method, path).await.status, status, "{method} {path}");
    }
    assert_eq!(seen.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn a_server_that_is_busy_says_for_how_long() {
    let server = Server::start(|asked: &Asked| match asked.path() {
        "/seconds" => Told::with(429, "Retry-After", "90"),
        "/nonsense" => Told::with(503, "Retry-After", "soon"),
        _ => {
            let headers = vec![
                ("Date", "Tue, 01 Jul 2025 10:00:00 GMT".to_owned()),
                ("Retry-After", "Tue, 01 Jul 2025 10:05:00 GMT".to_owned()),
            ];
            Told::Says(503, headers, Vec::new())
        }
    })
    .await;
    let reply = ask("POST", server.url("/seconds")).await.unwrap();
    assert_eq!(reply.retry_after(), Some(Duration::from_secs(90)));
    let why = reply.expect(&[]).unwrap_err();
    assert!(why.ends_with("answered with 429 instead of 200–299, and asks to wait for 1 m 30 s."));
    let reply = ask("GET", server.url("/date")).await.unwrap();
    assert_eq!(reply.retry_after(), Some(Duration::from_secs(300)));
    let reply = ask("GET", server.url("/nonsense")).await.unwrap();
    assert_eq!(reply.retry_after(), None);
}
