//! Real causes on the network: a page that fails, is slow or says something else, a certificate that ends, a port that closes.

use super::{Bench, CRITICAL, WARNING, world};
use opsgram::base::alert::{Severity, Turn};
use opsgram::monitors::probe::certificate_ends;
use opsgram::store::checks;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use std::fs;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

/// What the server answers: code, text, and whether it never ends.
type Answer = Arc<Mutex<(u16, String, bool)>>;

/// A web server that says what the test wants.
struct Server {
    port: u16,
    answer: Answer,
    task: JoinHandle<()>,
}

impl Server {
    async fn start(tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let answer = Answer::new(Mutex::new((200, "status: ok".to_owned(), false)));
        let told = answer.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (told, tls) = (told.clone(), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                reply(stream, told).await;
                            }
                        }
                        None => reply(stream, told).await,
                    }
                });
            }
        });
        Self { port, answer, task }
    }

    fn says(&self, code: u16, text: &str) {
        *self.answer.lock().unwrap() = (code, text.to_owned(), false);
    }
}

async fn reply(mut stream: impl AsyncRead + AsyncWrite + Unpin, told: Answer) {
    let mut asked = vec![0; 4096];
    let _ = stream.read(&mut asked).await;
    let (code, text, hangs) = told.lock().unwrap().clone();
    if hangs {
        std::future::pending::<()>().await;
    }
    let date = chrono::Utc::now().format("%a, %d %b %Y %H:%M:%S GMT");
    let answer = format!(
        "HTTP/1.1 {code} X\r\nDate: {date}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{text}",
        text.len()
    );
    let _ = stream.write_all(answer.as_bytes()).await;
    let _ = stream.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_that_fails_is_slow_or_says_something_else() {
    let mut world = world().await;
    let server = Server::start(None).await;
    let port = server.port;
    let checks = format!(
        "  page: {{kind: url, url: 'http://ann:hunter2@127.0.0.1:{port}/health', contains: 'status: ok', timeout: 4s, for: 0s}}
  found: {{kind: url, url: 'http://127.0.0.1:{port}/', status: [404], severity: warning, timeout: 30s, for: 0s}}
  clock: {{kind: clock, url: 'http://127.0.0.1:{port}/', timeout: 30s, for: 0s}}\n"
    );
    let mut bench = Bench::new(&mut world, &checks).await;
    assert!(
        bench
            .turns(WARNING)
            .await
            .contains("127.0.0.1 answers with 200")
    );
    server.says(500, "status: ok");
    assert!(bench.turns(CRITICAL).await.contains("answers with 500"));
    server.says(200, "status: ok");
    bench.turns(Turn::Cleared).await;
    server.says(200, "status: degraded");
    assert!(bench.turns(CRITICAL).await.contains("expected text"));
    server.says(404, "status: ok");
    assert_eq!(
        bench.turns(Turn::Cleared).await,
        "127.0.0.1 answers with 404"
    );
    server.says(200, "status: ok");
    let news = bench.news().await;
    let turn = |check: &str| {
        news.iter()
            .find(|change| change.check == check)
            .map(|change| change.turn)
    };
    assert_eq!(
        (turn("page"), turn("found")),
        (Some(Turn::Cleared), Some(WARNING))
    );
    server.answer.lock().unwrap().2 = true;
    let note = bench.turns(CRITICAL).await;
    assert!(
        note.contains("no answer in time") && !note.contains("hunter2"),
        "{note}"
    );
    bench.store.close().await;
    world.finish().await;
}

/// A server whose certificate, of an authority of its own, ends after so many days and a half, far from where the
/// number of days changes.
async fn secure(days: u32, ca_file: &std::path::Path) -> Server {
    let ca_key = KeyPair::generate().unwrap();
    let mut ca = CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    fs::write(ca_file, ca.self_signed(&ca_key).unwrap().pem()).unwrap();
    let issuer = Issuer::new(ca, ca_key);
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let since = SystemTime::UNIX_EPOCH.elapsed().unwrap();
    let half_a_day = Duration::from_secs(12 * 3600);
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(1970, 1, 1) + since + half_a_day * (2 * days + 1);
    let certificate = params.signed_by(&key, &issuer).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    Server::start(Some(TlsAcceptor::from(Arc::new(config)))).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_that_is_about_to_end() {
    let mut world = world().await;
    let ca = world.path().join("ca.pem");
    let server = secure(9, &ca).await;
    let check = |more: &str| {
        format!(
            "  tls: {{kind: url, url: 'https://localhost:{}/', for: 0s{more}}}\n",
            server.port
        )
    };
    let mut bench = Bench::new(&mut world, &check(", ca: ca.pem")).await;
    let note = bench.turns(WARNING).await;
    assert!(
        note.contains("the certificate of localhost ends in 9 d"),
        "{note}"
    );
    let known = {
        let mut db = bench.store.read().await.unwrap();
        let rows = checks::all(&mut db).await.unwrap();
        certificate_ends(&rows[0].memory).unwrap()
    };
    let left = known.since(bench.now).as_secs() / 86400;
    assert_eq!(left, 9, "what a look remembers, the digest tells");
    bench.reload(
        &mut world,
        &check(", ca: ca.pem, tls: {warn: 20d, crit: 12d}"),
    );
    bench.turns(Turn::Became(Severity::Critical)).await;
    bench.reload(&mut world, &check(", ca: ca.pem, tls: {warn: 5d}"));
    bench.turns(Turn::Cleared).await;
    // Nobody vouches for it any more.
    bench.reload(&mut world, &check(""));
    let note = bench.turns(CRITICAL).await;
    assert!(note.contains("certificate"), "{note}");
    bench.store.close().await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_that_closes_and_a_name_that_is_another() {
    let mut world = world().await;
    let server = Server::start(None).await;
    let checks = format!(
        "  port: {{kind: tcp, address: '127.0.0.1:{}', for: 2m}}
  name: {{kind: dns, name: localhost, expect: 127.0.0.1, for: 0s}}
  other: {{kind: dns, name: localhost, expect: 192.0.2.1, for: 0s}}\n",
        server.port
    );
    let mut bench = Bench::new(&mut world, &checks).await;
    let note = bench.turns(CRITICAL).await;
    assert!(note.contains("not 192.0.2.1"), "{note}");
    server.task.abort();
    let _ = server.task.await;
    bench.is_quiet().await;
    bench.is_quiet().await;
    assert!(bench.turns(CRITICAL).await.contains("cannot be reached"));
    let last = bench.told().await.pop().unwrap();
    assert_eq!(last.at.since(last.since), Duration::from_secs(120));
    bench.store.close().await;
    world.finish().await;
}
