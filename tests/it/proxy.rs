//! A proxy is used for every call: the bot is given a name for Telegram that only the proxy knows.

use crate::harness::{ANN, Database, Outside, World};
use std::net::Ipv4Addr;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;

/// The name; nobody else can resolve it.
const NAME: &str = "telegram.test";

/// A proxy that speaks HTTP and SOCKS5, and leads to the stand-in alone.
struct Proxy {
    port: u16,
    http: Arc<AtomicUsize>,
    socks: Arc<AtomicUsize>,
}

impl Proxy {
    async fn start(telegram: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let proxy = Self {
            port: listener.local_addr().unwrap().port(),
            http: Arc::default(),
            socks: Arc::default(),
        };
        let (http, socks) = (proxy.http.clone(), proxy.socks.clone());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (http, socks) = (http.clone(), socks.clone());
                tokio::spawn(async move {
                    let mut first = [0];
                    // A client that leaves is no trouble of ours.
                    let Ok(1) = client.peek(&mut first).await else {
                        return;
                    };
                    match first[0] {
                        5 => serve_socks(client, telegram, &socks).await,
                        _ => serve_http(client, telegram, &http).await,
                    }
                });
            }
        });
        proxy
    }

    fn http_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn socks_url(&self) -> String {
        format!("socks5h://127.0.0.1:{}", self.port)
    }
}

async fn serve_http(mut client: TcpStream, telegram: u16, count: &AtomicUsize) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await.unwrap());
    }
    let text = String::from_utf8(head.clone()).unwrap();
    assert!(text.contains(NAME), "it asks for {text}");
    count.fetch_add(1, Ordering::Relaxed);
    let mut server = TcpStream::connect((Ipv4Addr::LOCALHOST, telegram))
        .await
        .unwrap();
    match text.starts_with("CONNECT ") {
        true => client
            .write_all(b"HTTP/1.1 200 Connected\r\n\r\n")
            .await
            .unwrap(),
        false => server.write_all(&head).await.unwrap(),
    }
    let _ = copy_bidirectional(&mut client, &mut server).await;
}

async fn serve_socks(mut client: TcpStream, telegram: u16, count: &AtomicUsize) {
    let mut greeting = [0; 2];
    client.read_exact(&mut greeting).await.unwrap();
    let mut ways = vec![0; usize::from(greeting[1])];
    client.read_exact(&mut ways).await.unwrap();
    client.write_all(&[5, 0]).await.unwrap();
    let mut request = [0; 5];
    client.read_exact(&mut request).await.unwrap();
    assert_eq!(request[..4], [5, 1, 0, 3], "a connection to a name");
    let mut name = vec![0; usize::from(request[4]) + 2];
    client.read_exact(&mut name).await.unwrap();
    assert_eq!(&name[..name.len() - 2], NAME.as_bytes());
    count.fetch_add(1, Ordering::Relaxed);
    let mut server = TcpStream::connect((Ipv4Addr::LOCALHOST, telegram))
        .await
        .unwrap();
    client
        .write_all(&[5, 0, 0, 1, 127, 0, 0, 1, 0, 0])
        .await
        .unwrap();
    let _ = copy_bidirectional(&mut client, &mut server).await;
}

#[tokio::test]
async fn every_call_goes_through_the_proxy() {
    for socks in [false, true] {
        let mut world = World::new(Database::sqlite()).await;
        let proxy = Proxy::start(world.sandbox.port()).await;
        let (url, count) = match socks {
            true => (proxy.socks_url(), &proxy.socks),
            false => (proxy.http_url(), &proxy.http),
        };
        let telegram = format!("http://{NAME}:{}", world.sandbox.port());
        world.variable("OPSGRAM_TELEGRAM_API_URL", &telegram);
        world.variable("OPSGRAM_TELEGRAM_PROXY", &url);
        world.script("rows", "seq 1 20000", &["output: file"]);
        let bot = Outside::start(&world).await;
        world.say(ANN, "/run rows");
        world.sees(ANN, "✅ rows").await;
        let sent = |view: &opsgram::sandbox::View<'_>| {
            view.from_bot(ANN)
                .find(|m| m.document.is_some())
                .map(|_| ())
        };
        world
            .sandbox
            .wait(crate::harness::PATIENCE, "the file", sent)
            .await
            .unwrap();
        assert_eq!(bot.terminate().await.0, Some(0));
        assert!(count.load(Ordering::Relaxed) >= 2, "polls and uploads");

        let before = count.load(Ordering::Relaxed);
        let file = world.config_file();
        let check = Command::new(env!("CARGO_BIN_EXE_opsgram"))
            .args(["check", "--config"])
            .arg(&file)
            .env_clear()
            .envs(world.environment())
            .output();
        let check = check.await.unwrap();
        let told = String::from_utf8_lossy(&check.stdout);
        assert_eq!(check.status.code(), Some(0), "{told}");
        assert!(told.contains("ok   clock"), "{told}");
        assert!(count.load(Ordering::Relaxed) > before);

        let before = count.load(Ordering::Relaxed);
        let token = world.path().join("given");
        std::fs::write(&token, world.sandbox.token()).unwrap();
        let dir = world.path().join("etc");
        let init = Command::new(env!("CARGO_BIN_EXE_opsgram"))
            .args(["init", "--owner", "111", "--proxy", &url, "--dir"])
            .arg(&dir)
            .arg("--token-file")
            .arg(&token)
            .env_clear()
            .env("OPSGRAM_TELEGRAM_API_URL", &telegram)
            .env("PATH", std::env::var("PATH").unwrap())
            .stdin(Stdio::null())
            .output();
        let init = init.await.unwrap();
        assert_eq!(init.status.code(), Some(0), "{init:?}");
        assert!(count.load(Ordering::Relaxed) > before);
        let written = std::fs::read_to_string(dir.join("opsgram.yaml")).unwrap();
        assert!(written.contains(&url), "the proxy is kept: {written}");
        world.finish().await;
    }
}

#[tokio::test]
async fn one_id_leads_from_the_message_to_the_program_it_started() {
    let mut world = World::new(Database::sqlite()).await;
    world.script(
        "who",
        "echo \"request $OPSGRAM_REQUEST job $OPSGRAM_JOB\"",
        &[],
    );
    let bot = Outside::start(&world).await;
    world.say(ANN, "/run who");
    let shown = world.sees(ANN, "job 1").await.text;
    let request = shown
        .split_whitespace()
        .skip_while(|word| *word != "request")
        .nth(1)
        .unwrap()
        .to_owned();
    let store = world.database().await;
    assert_eq!(world.job(&store, 1).await.new.request_id, request);
    let mut db = store.read().await.unwrap();
    let trail = opsgram::store::audit::latest(&mut db, 10).await.unwrap();
    drop(db);
    assert!(
        trail
            .iter()
            .any(|line| line.request_id == request && line.action == "script.run")
    );
    store.close().await;
    assert_eq!(bot.terminate().await.0, Some(0));
    world.finish().await;
}
