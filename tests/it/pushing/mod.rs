//! Pushes of jobs elsewhere: what comes and what stays away is told, over real HTTP; and what the port stands.

mod door;
mod moving;

use crate::harness::tools::{free_port, until};
use crate::harness::{ANN, CLEO, Database, Outside, UNWATCHED, World};
use crate::on_both;
use reqwest::{Method, StatusCode};
use std::sync::LazyLock;

/// The token of the check `nightly`.
pub const TOKEN: &str = "nightly-0123456789_abcdef";

/// Costly to make, and keeps no connection, since the port closes each.
static CLIENT: LazyLock<reqwest::Client> =
    LazyLock::new(|| reqwest::Client::builder().no_proxy().build().unwrap());

/// Asks the port; the code and the words of the answer.
pub async fn ask(method: Method, port: u16, path: &str, body: &str) -> (u16, String) {
    let url = format!("http://127.0.0.1:{port}{path}");
    let request = CLIENT.request(method, url).body(body.to_owned());
    let answer = request.send().await.unwrap();
    for (name, value) in [("cache-control", "no-store"), ("connection", "close")] {
        assert_eq!(answer.headers()[name], value);
    }
    (answer.status().as_u16(), answer.text().await.unwrap())
}

/// Pushes, which must be taken.
pub async fn push(port: u16, said: &str, body: &str) {
    let path = format!("/push/{TOKEN}{said}");
    let (code, words) = ask(Method::POST, port, &path, body).await;
    assert_eq!((code, words.as_str()), (200, "OK\n"));
}

/// Waits for a push every so often; tells at once.
pub fn waits(world: &mut World, port: u16, check: &str) {
    world.settings = format!(
        "http: {{listen: 127.0.0.1:{port}}}\nalerts: {{group_wait: 0s}}\nchecks:\n{UNWATCHED}  nightly: {{kind: heartbeat, push: {TOKEN}, {check}}}\n"
    );
    for person in [ANN, CLEO] {
        world.sandbox.open_private(person);
    }
}

/// Waits until the port takes connections: it opens beside everything else.
pub async fn is_open(port: u16) {
    until("the port to be open", || {
        std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
    })
    .await;
}

/// A check that is looked at once an hour, so that what is told soon is told because of a push.
const SELDOM: &str = "crit: 26h, every: 1h";

on_both! {
    /// One that stays away is an incident, and its push ends that.
    async fn a_push_that_stays_away_is_told_and_ends_when_it_comes(world) {
        let port = free_port();
        waits(&mut world, port, "warn: 1s, every: 1s, for: 0s");
        world.start().await;
        world.sees(ANN, "🟠 nightly").await;
        let told = world.sees(ANN, "has not come for").await;
        assert!(told.text.contains("warning from 1 s"), "{}", told.text);
        push(port, "", "").await;
        world.sees(ANN, "recovered after").await;
        let alerts = world.asks(CLEO, CLEO, "/alerts").await;
        assert!(!alerts.text.contains(TOKEN), "{}", alerts.text);
        world.quiet().await;
        world.polite();
    }
}

on_both! {
    /// What a job says itself is told at once, whatever the pace of looking; so is that it is well again.
    async fn a_job_that_says_that_it_failed_is_critical_at_once(world) {
        let port = free_port();
        waits(&mut world, port, SELDOM);
        world.start().await;
        is_open(port).await;
        let board = world.services().board.clone();
        until("the first look", || board.all().iter().any(|one| one.reading.is_some())).await;
        for (text, words) in [("/alerts nightly", "nightly · waits for the first push"), ("/alerts nightyl", "Did you mean nightly?")] {
            let told = world.asks(CLEO, CLEO, text).await;
            assert!(told.text.contains(words), "{text}: {}", told.text);
        }
        push(port, "/start", "").await;
        push(port, "/fail", "\ndisk <full> on /srv\nsecond line").await;
        let told = world.sees(ANN, "disk <full> on /srv").await;
        assert!(told.text.contains("🔴 nightly"), "{}", told.text);
        assert!(told.text.contains("(took "), "{}", told.text);
        assert!(!told.text.contains("second line"), "{}", told.text);
        assert!(!told.text.contains("26 h"), "no threshold decided: {}", told.text);
        push(port, "/0", "").await;
        world.sees(ANN, "recovered after").await;
        let check = world.asks(CLEO, CLEO, "/alerts nightly").await;
        for words in ["nightly · well", "last push", "Looked at"] {
            assert!(check.text.contains(words), "{}", check.text);
        }
        push(port, "/3", "no space").await;
        world.sees(ANN, "exit 3: no space").await;
        let test = world.asks(CLEO, CLEO, "/alerts test nightly").await;
        assert!(test.text.contains("of kind heartbeat, of which nothing is kept"), "{}", test.text);
        let audit = world.audit().await;
        assert!(audit.iter().all(|line| !format!("{line:?}").contains(TOKEN)));
        assert!(audit.iter().all(|line| !line.action.contains("push")), "no push is a line of the trail");
        world.quiet().await;
        world.polite();
    }
}

on_both! {
    /// All that was answered with 200 survives a kill, and the token is in no log and no message.
    async fn what_was_answered_survives_a_kill_at_once(world) {
        let port = free_port();
        waits(&mut world, port, SELDOM);
        let bot = Outside::start(&world).await;
        is_open(port).await;
        push(port, "", "").await;
        push(port, "/fail", &format!("curl of /push/{TOKEN} failed")).await;
        let mut logs = bot.logged();
        bot.kill().await;
        let bot = Outside::start(&world).await;
        let told = world.sees(ANN, "curl of /push/••• failed").await;
        assert!(told.text.contains("🔴 nightly"), "{}", told.text);
        is_open(port).await;
        for _ in 0..30 {
            ask(Method::GET, port, &format!("/push/x{TOKEN}"), "").await;
        }
        push(port, "", "").await;
        world.sees(ANN, "recovered after").await;
        logs.push_str(&bot.logged());
        assert_eq!(bot.terminate().await.0, Some(0));
        logs.push_str(&world.sandbox.from_bot(ANN).iter().map(|m| m.text.as_str()).collect::<String>());
        assert!(!logs.contains(TOKEN));
    }
}

/// Any of several instances takes a push; the leader tells.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_instance_takes_a_push() {
    let mut world = World::new(Database::postgres().await).await;
    waits(&mut world, free_port(), SELDOM);
    let (first, second) = (free_port(), free_port());
    world.variable("OPSGRAM_HTTP_LISTEN", &format!("127.0.0.1:{first}"));
    let leader = Outside::start(&world).await;
    world.variable("OPSGRAM_HTTP_LISTEN", &format!("127.0.0.1:{second}"));
    let other = Outside::beside(&world).await;
    is_open(second).await;
    push(second, "/fail", "told elsewhere").await;
    world.sees(ANN, "told elsewhere").await;
    is_open(first).await;
    push(first, "", "").await;
    world.sees(ANN, "recovered after").await;
    for bot in [other, leader] {
        assert_eq!(bot.terminate().await.0, Some(0));
    }
    world.finish().await;
}

/// Every way of asking counts, since monitors and shells have different habits.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn get_head_and_post_are_pushes_and_nothing_else_is() {
    let mut world = World::new(Database::sqlite()).await;
    let port = free_port();
    waits(&mut world, port, SELDOM);
    world.start().await;
    is_open(port).await;
    let path = format!("/push/{TOKEN}");
    for (method, code) in [
        (Method::GET, StatusCode::OK),
        (Method::HEAD, StatusCode::OK),
        (Method::POST, StatusCode::OK),
        (Method::PUT, StatusCode::METHOD_NOT_ALLOWED),
        (Method::DELETE, StatusCode::METHOD_NOT_ALLOWED),
    ] {
        let (answered, _) = ask(method.clone(), port, &path, "").await;
        assert_eq!(answered, code.as_u16(), "{method}");
    }
    let store = &world.services().store;
    let mut db = store.read().await.unwrap();
    let numbers = opsgram::store::pushes::numbers(&mut db).await.unwrap();
    assert_eq!(numbers, [("nightly".to_owned(), 3)]);
    drop(db);
    world.finish().await;
}
