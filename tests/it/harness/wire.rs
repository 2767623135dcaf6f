//! A wire to the database that can be cut: what is sent then arrives when it is mended, as in a broken network.

use opsgram::store::Location;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

pub struct Wire {
    url: String,
    whole: watch::Sender<bool>,
    torn: watch::Sender<u64>,
}

impl Wire {
    /// A wire to a PostgreSQL database.
    pub async fn to(location: &Location) -> Self {
        let Location::Postgres(url) = location else {
            panic!("a wire leads to PostgreSQL");
        };
        let (before, rest) = url.split_once("//").unwrap();
        let (authority, name) = rest.split_once('/').unwrap();
        let (user, server) = authority.rsplit_once('@').unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let here = listener.local_addr().unwrap();
        let url = format!("{before}//{user}@{here}/{name}");
        let whole = watch::Sender::new(true);
        let torn = watch::Sender::default();
        let ends = (whole.clone(), torn.clone());
        tokio::spawn(serve(listener, server.to_owned(), ends));
        Self { url, whole, torn }
    }

    /// The address of the database through this wire.
    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn cut(&self) {
        self.whole.send_replace(false);
    }

    pub fn mend(&self) {
        self.whole.send_replace(true);
    }

    /// All connections that there are end; the server works on at what it was told.
    pub fn tear(&self) {
        self.torn.send_modify(|times| *times += 1);
    }
}

async fn serve(
    listener: TcpListener,
    server: String,
    (whole, torn): (watch::Sender<bool>, watch::Sender<u64>),
) {
    while let Ok((near, _)) = listener.accept().await {
        let (server, whole, mut torn) = (server.clone(), whole.clone(), torn.subscribe());
        tokio::spawn(async move {
            whole.subscribe().wait_for(|whole| *whole).await.unwrap();
            let (near_read, near_write) = near.into_split();
            let (far_read, far_write) = TcpStream::connect(server).await.unwrap().into_split();
            let both = async {
                tokio::join!(
                    carry(near_read, far_write, whole.subscribe()),
                    carry(far_read, near_write, whole.subscribe())
                )
            };
            tokio::select! {
                _ = both => {}
                _ = torn.changed() => {}
            }
        });
    }
}

async fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut whole: watch::Receiver<bool>) {
    let mut bytes = vec![0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        if whole.wait_for(|whole| *whole).await.is_err()
            || to.write_all(&bytes[..count]).await.is_err()
        {
            return;
        }
    }
}
