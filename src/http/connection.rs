//! Connections to the port: how many there may be, how long one lives, and how much it may send before it says what it wants.

use super::Limits;
use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep_until};

/// Takes connections, so many at the same time; the others wait in the system's queue.
pub(super) struct Gate {
    listener: TcpListener,
    limits: Limits,
    room: Arc<Semaphore>,
}

impl Gate {
    pub(super) fn new(listener: TcpListener, limits: Limits) -> Self {
        Self {
            listener,
            limits,
            room: Arc::new(Semaphore::new(limits.connections)),
        }
    }
}

impl Listener for Gate {
    type Io = Wire;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Wire, SocketAddr) {
        // It is never closed.
        let place = Arc::clone(&self.room).acquire_owned().await.ok();
        let (stream, address) = Listener::accept(&mut self.listener).await;
        let now = Instant::now();
        let wire = Wire {
            stream,
            asked: Arc::default(),
            head_end: Box::pin(sleep_until(now + self.limits.head)),
            end: Box::pin(sleep_until(now + self.limits.whole)),
            head_left: self.limits.head_size,
            _place: place,
        };
        (wire, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// One connection, which ends when its time is over: a caller who sends a byte now and then holds no place for long.
pub(super) struct Wire {
    stream: TcpStream,
    /// Whether the head of its request was read.
    asked: Arc<AtomicBool>,
    head_end: Pin<Box<Sleep>>,
    end: Pin<Box<Sleep>>,
    /// Bytes that may come before the head was read.
    head_left: usize,
    _place: Option<OwnedSemaphorePermit>,
}

impl Wire {
    fn is_late(&mut self, cx: &mut Context<'_>) -> bool {
        let asked = self.asked.load(Ordering::Acquire);
        !asked && self.head_end.as_mut().poll(cx).is_ready()
            || self.end.as_mut().poll(cx).is_ready()
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.is_late(cx) {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        if self.head_left == 0 && !self.asked.load(Ordering::Acquire) {
            return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
        }
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        let count = buf.filled().len() - before;
        self.head_left = self.head_left.saturating_sub(count);
        read
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.end.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Who is at the other end, as a handler gets it.
#[derive(Clone)]
pub(super) struct Caller {
    address: IpAddr,
    asked: Arc<AtomicBool>,
}

impl Caller {
    /// Notes that the head of the request was read: the rest has more time.
    pub(super) fn has_asked(&self) {
        self.asked.store(true, Ordering::Release);
    }

    /// What counts as one address: of IPv6 the network, since a machine has as many addresses of it as it likes.
    pub(super) fn origin(&self) -> IpAddr {
        match self.address.to_canonical() {
            IpAddr::V4(address) => IpAddr::V4(address),
            IpAddr::V6(address) => IpAddr::V6((address.to_bits() & (!0 << 64)).into()),
        }
    }
}

impl Connected<IncomingStream<'_, Gate>> for Caller {
    fn connect_info(stream: IncomingStream<'_, Gate>) -> Self {
        Self {
            address: stream.remote_addr().ip(),
            asked: Arc::clone(&stream.io().asked),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_machine_counts_as_one_address() {
        let origin = |address: &str| {
            let address = address.parse().unwrap();
            let asked = Arc::default();
            Caller { address, asked }.origin().to_string()
        };
        assert_eq!(origin("192.0.2.7"), "192.0.2.7");
        assert_eq!(origin("::ffff:192.0.2.7"), "192.0.2.7");
        assert_eq!(origin("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
    }
}
