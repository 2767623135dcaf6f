//! A web server that says what a test wants, for the drivers that ask one.

use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinHandle;
use url::Url;

/// What it was asked.
pub struct Asked {
    pub method: String,
    /// Path and query.
    pub place: String,
    head: String,
    pub body: String,
}

impl Asked {
    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        let mut named = lines.filter(|(found, _)| found.eq_ignore_ascii_case(name));
        named.next().map(|(_, value)| value)
    }

    pub fn path(&self) -> &str {
        self.place.split('?').next().unwrap()
    }

    pub fn query(&self, name: &str) -> Option<String> {
        let url = Url::parse(&format!("http://x{}", self.place)).unwrap();
        let mut pairs = url.query_pairs();
        pairs
            .find(|(found, _)| found == name)
            .map(|(_, value)| value.into_owned())
    }
}

/// What it says to that.
#[derive(Clone)]
pub enum Told {
    Says(u16, Vec<(&'static str, String)>, Vec<u8>),
    /// Hangs up without a word.
    Drops,
    /// Hangs up in the middle of the text.
    Breaks,
    /// Says nothing.
    Hangs,
}

impl Told {
    pub fn text(status: u16, body: &str) -> Self {
        Told::Says(status, Vec::new(), body.as_bytes().to_vec())
    }

    pub fn with(status: u16, name: &'static str, value: impl ToString) -> Self {
        Told::Says(status, vec![(name, value.to_string())], Vec::new())
    }
}

pub struct Server {
    pub address: SocketAddr,
    task: JoinHandle<()>,
}

impl Server {
    pub async fn start(tell: impl Fn(&Asked) -> Told + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let tell = Arc::new(tell);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let tell = Arc::clone(&tell);
                tokio::spawn(async move { serve(stream, tell.as_ref()).await });
            }
        });
        Self { address, task }
    }

    pub fn url(&self, path: &str) -> Url {
        Url::parse(&format!("http://{}{path}", self.address)).unwrap()
    }
}

/// An address at which nothing listens, and which nobody else gets while the socket lives.
pub fn closed() -> (TcpSocket, SocketAddr) {
    let held = TcpSocket::new_v4().unwrap();
    held.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = held.local_addr().unwrap();
    (held, address)
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Answers one question; `None` when whoever asked is gone.
async fn serve(mut stream: TcpStream, tell: &(impl Fn(&Asked) -> Told + Sync)) -> Option<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
        if !head[0].is_ascii_uppercase() {
            // It is asked for a safe connection.
            stream
                .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                .await
                .ok()?;
            return stream.shutdown().await.ok();
        }
    }
    let head = String::from_utf8(head).unwrap();
    let mut words = head.split(' ').map(str::to_owned);
    let mut asked = Asked {
        method: words.next().unwrap(),
        place: words.next().unwrap(),
        head: head.clone(),
        body: String::new(),
    };
    let length = asked
        .header("content-length")
        .map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    asked.body = String::from_utf8(body).unwrap();
    let (status, headers, body, sent) = match tell(&asked) {
        Told::Says(status, headers, body) => {
            let sent = body.len();
            (status, headers, body, sent)
        }
        Told::Drops => return None,
        Told::Breaks => (200, Vec::new(), b"{\"a\": 1}".to_vec(), 3),
        Told::Hangs => {
            std::future::pending::<()>().await;
            return None;
        }
    };
    let mut answer = format!("HTTP/1.1 {status} X\r\nConnection: close\r\n");
    for (name, value) in headers {
        answer.push_str(&format!("{name}: {value}\r\n"));
    }
    answer.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
    stream.write_all(answer.as_bytes()).await.ok()?;
    if asked.method != "HEAD" {
        stream.write_all(&body[..sent]).await.ok()?;
    }
    stream.shutdown().await.ok()
}
