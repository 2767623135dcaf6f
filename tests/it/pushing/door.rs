//! What the port stands: strangers, floods, bodies without end, callers who take their time.

use super::{TOKEN, ask, is_open, push, waits};
use crate::harness::tools::free_port;
use crate::harness::{ANN, Database, UNWATCHED, World};
use crate::on_both;
use opsgram::base::trouble::Troubles;
use opsgram::config::{self, Env, Live, Reloads};
use opsgram::http::{Limits, Port};
use opsgram::monitors::probe::Prober;
use opsgram::store::{Store, pushes};
use reqwest::Method;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The port alone, with limits of one's own.
struct Bench {
    port: Port,
    number: u16,
    store: Store,
}

impl Bench {
    async fn new(world: &mut World, limits: Limits) -> Self {
        let number = free_port();
        waits(world, number, "warn: 1h");
        let env: Env = world.environment().into_iter().collect();
        let Ok(loaded) = config::load(&world.config_file(), &env) else {
            panic!("the configuration of this test has faults");
        };
        let store = world.database().await;
        let prober = Prober::new(
            store.clone(),
            env,
            (Reloads::default(), Troubles::default()),
            "here",
        );
        let pushes = prober.pushes().clone();
        let port = Port::new(Live::new(loaded.config), pushes, limits);
        port.follow().await.unwrap();
        Self {
            port,
            number,
            store,
        }
    }

    async fn number_of_pushes(&self) -> i64 {
        let mut db = self.store.read().await.unwrap();
        let numbers = pushes::numbers(&mut db).await.unwrap();
        numbers.iter().map(|(_, number)| number).sum()
    }

    /// Sends these bytes and nothing more, and returns all that comes until the other side hangs up.
    async fn hangs_up_on(&self, sent: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.number))
            .await
            .unwrap();
        // It may hang up while this is sent.
        let _ = stream.write_all(sent.as_bytes()).await;
        let mut told = Vec::new();
        let _ = stream.read_to_end(&mut told).await;
        String::from_utf8_lossy(&told).into_owned()
    }
}

on_both! {
    /// A stranger learns nothing, and is answered so often; whoever has the token is not held up by that.
    async fn an_unknown_token_is_not_found_and_limited(world) {
        let bench = Bench::new(&mut world, Limits::default()).await;
        let mut codes = Vec::new();
        for said in ["/push/wrong", "/push/wrong/fail", "/push/wrong/start", "/push/wrong/none"] {
            codes.push(ask(Method::POST, bench.number, said, "x").await);
        }
        codes.push(ask(Method::POST, bench.number, &format!("/push/{TOKEN}/none"), "x").await);
        for path in ["/", "/push", "/push/a/b/c", "/metrics"] {
            codes.push(ask(Method::GET, bench.number, path, "").await);
        }
        let not_found = (404, "Not found\n".to_owned());
        assert!(codes.iter().all(|answer| *answer == not_found), "{codes:?}");
        let mut codes = Vec::new();
        for _ in 0..20 {
            codes.push(ask(Method::GET, bench.number, "/push/wrong", "").await.0);
        }
        assert_eq!((codes[0], codes[19]), (404, 429));
        assert_eq!(bench.number_of_pushes().await, 0);
        push(bench.number, "", "").await;
        assert_eq!(bench.number_of_pushes().await, 1);
        bench.store.close().await;
    }
}

on_both! {
    /// A flood of one job ends in refusals, and a large body is cut.
    async fn a_flood_is_refused_and_a_large_body_is_cut(world) {
        let bench = Bench::new(&mut world, Limits::default()).await;
        let large = format!("disk full\n{}", "x".repeat(1 << 20));
        push(bench.number, "/fail", &large).await;
        let mut db = bench.store.read().await.unwrap();
        let row = pushes::of(&mut db, "nightly").await.unwrap().unwrap();
        drop(db);
        assert_eq!(row.failed.unwrap().1, "disk full");
        push(bench.number, "/fail", &"y".repeat(20_000)).await;
        let mut code = 200;
        for _ in 0..60 {
            code = ask(Method::GET, bench.number, &format!("/push/{TOKEN}"), "").await.0;
        }
        assert_eq!(code, 429);
        assert_eq!(bench.number_of_pushes().await, 60);
        bench.store.close().await;
    }
}

on_both! {
    /// Without its database it keeps nothing, and says so: the sender tries again.
    async fn a_database_that_is_away_takes_no_push(world) {
        let bench = Bench::new(&mut world, Limits::default()).await;
        bench.store.close().await;
        let (code, words) = ask(Method::POST, bench.number, &format!("/push/{TOKEN}"), "").await;
        assert_eq!((code, words.as_str()), (503, "Not kept; try again in a moment\n"));
    }
}

/// A database that does not answer is not waited for without end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_hangs_takes_no_push() {
    let mut world = World::new(Database::sqlite()).await;
    // The push that follows has to fit into it, on a busy disk as well.
    let store = Duration::from_secs(2);
    let limits = Limits {
        store,
        ..Limits::default()
    };
    let bench = Bench::new(&mut world, limits).await;
    // There is one connection that writes.
    let held = bench.store.begin().await.unwrap();
    let path = format!("/push/{TOKEN}");
    assert_eq!(ask(Method::GET, bench.number, &path, "").await.0, 503);
    drop(held);
    push(bench.number, "", "").await;
    bench.store.close().await;
    world.finish().await;
}

/// Who sends slowly, too much, or nothing holds no place for long; whoever waits for it is served then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_takes_their_time_is_hung_up_on_and_the_next_is_served() {
    let mut world = World::new(Database::sqlite()).await;
    // Requests in good order have to fit into it, on a busy machine as well.
    let short = Duration::from_secs(1);
    let limits = Limits {
        connections: 1,
        head: short,
        body: short,
        ..Limits::default()
    };
    let bench = Bench::new(&mut world, limits).await;
    assert_eq!(bench.hangs_up_on("").await, "");
    assert_eq!(bench.hangs_up_on("POST /push/").await, "");
    let half_head = format!("POST /push/{TOKEN} HTTP/1.1\r\nHost: x\r\nX-Slow: ");
    assert_eq!(bench.hangs_up_on(&half_head).await, "");
    let long_head = format!("{half_head}{}", "x".repeat(20 << 10));
    let told = bench.hangs_up_on(&long_head).await;
    assert!(!told.contains("200"), "{told}");
    let half_body = format!("POST /push/{TOKEN} HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nx");
    let told = bench.hangs_up_on(&half_body).await;
    assert!(told.starts_with("HTTP/1.1 408"), "{told}");
    assert_eq!(bench.number_of_pushes().await, 0);
    // One request a connection, also of those that would like to keep it.
    let whole = format!("GET /push/{TOKEN} HTTP/1.1\r\nHost: x\r\n\r\n");
    let told = bench.hangs_up_on(&format!("{whole}{whole}")).await;
    assert_eq!(told.matches("HTTP/1.1 200").count(), 1, "{told}");
    let held = TcpStream::connect(("127.0.0.1", bench.number))
        .await
        .unwrap();
    push(bench.number, "", "").await;
    drop(held);
    assert_eq!(bench.number_of_pushes().await, 2);
    drop(bench.port);
    bench.store.close().await;
    world.finish().await;
}

/// A start from which the port was taken: the bot works, tells it, and opens the port when it is free.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_that_is_taken_is_told_and_opened_when_it_is_free() {
    let mut world = World::new(Database::sqlite()).await;
    let port = free_port();
    let taken = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
    waits(&mut world, port, "crit: 26h");
    let own = "  opsgram-port: {kind: opsgram, measure: port, every: 1s, for: 0s}\n";
    world.settings.push_str(own);
    assert!(!UNWATCHED.contains("opsgram-port"));
    world.start().await;
    let told = world.sees(ANN, "another program listens at").await;
    assert!(told.text.contains("opsgram-port"), "{}", told.text);
    drop(taken);
    world.sees(ANN, "recovered after").await;
    is_open(port).await;
    push(port, "", "").await;
    world.finish().await;
}
