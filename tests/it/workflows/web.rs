//! A web server that answers as the test says.

use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What is answered: after a while, a status, further headers, and a body.
pub struct Reply {
    pub after: Duration,
    pub status: u16,
    pub headers: String,
    pub body: String,
    /// Whether the connection is cut in place of an answer.
    pub cuts: bool,
}

impl Reply {
    pub fn new(status: u16, body: impl Into<String>) -> Self {
        Self {
            after: Duration::ZERO,
            status,
            headers: String::new(),
            cuts: false,
            body: body.into(),
        }
    }
}

/// The server; it ends with the test.
pub struct Web {
    pub url: String,
    task: JoinHandle<()>,
}

impl Web {
    /// Answers by `tell`, which gets the method and the place, such as `/a?b=c`.
    pub async fn start(tell: impl Fn(&str, &str) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let tell = Arc::new(tell);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let tell = Arc::clone(&tell);
                tokio::spawn(async move { serve(stream, tell.as_ref()).await });
            }
        });
        Self { url, task }
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: TcpStream, tell: &(impl Fn(&str, &str) -> Reply + Sync)) -> Option<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).ok()?;
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let named = name.eq_ignore_ascii_case("content-length");
        named.then(|| value.trim().parse::<usize>().ok())?
    });
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).await.ok()?;
    let mut words = head.split(' ');
    let reply = tell(words.next()?, words.next()?);
    // How slow it is, is the point of the test.
    tokio::time::sleep(reply.after).await;
    if reply.cuts {
        return None;
    }
    let answer = format!(
        "HTTP/1.1 {} X\r\n{}Content-Length: {}\r\nConnection: close\r\n\r\n{}",
        reply.status,
        reply.headers,
        reply.body.len(),
        reply.body
    );
    stream.write_all(answer.as_bytes()).await.ok()?;
    stream.shutdown().await.ok()
}
