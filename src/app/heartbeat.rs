//! The dead-man switch: an address outside hears from us once a minute, as long as the bot is well.
//!
//! Whoever is behind it raises the alarm when nothing comes. Whether anybody does so when the address itself is gone, nobody
//! knows: so a check of the bot's own tells of an address that is not reached for minutes (`opsgram-heartbeat`).

use super::health::Wellness;
use crate::base::secret::ExposeSecret;
use crate::base::trouble::{Came, Dealer, Troubles};
use crate::drivers::ping::ping;
use crate::services::Services;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often the address is asked.
const EVERY: Duration = Duration::from_secs(60);
/// How often it is looked whether the bot is well again, or was looked at for the first time.
const AGAIN: Duration = Duration::from_secs(1);

/// Asks the address of the configuration once a minute while the bot is well.
pub(super) async fn run(services: Services, wellness: Wellness, stop: CancellationToken) {
    let mut heart = Heart {
        troubles: services.troubles.clone(),
        ..Heart::default()
    };
    loop {
        let url = services.live.current().alerts.heartbeat_url.clone();
        let beat = match url {
            Some(url) => heart.beat(url.expose_secret(), wellness.now()).await,
            None => Beat::Told,
        };
        let pause = match beat {
            Beat::Told => EVERY,
            Beat::HeldBack => AGAIN,
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = stop.cancelled() => return,
        }
    }
}

/// What a beat did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Beat {
    /// The address was asked, whatever came of that.
    Told,
    /// The bot is not well, and the address is left in the dark.
    HeldBack,
}

/// What is known of the address. What changes is logged when it changes.
#[derive(Default)]
struct Heart {
    client: Option<reqwest::Client>,
    troubles: Troubles,
    unreached: bool,
    held_back: bool,
}

impl Heart {
    async fn beat(&mut self, url: &str, well: Result<(), String>) -> Beat {
        if let Err(why) = well {
            if !std::mem::replace(&mut self.held_back, true) {
                tracing::warn!(why, "alerts.heartbeat_url is not asked until I am well");
            }
            return Beat::HeldBack;
        }
        if std::mem::take(&mut self.held_back) {
            tracing::info!("alerts.heartbeat_url is asked");
        }
        let client = self.client.get_or_insert_with(reqwest::Client::new);
        let asked = ping(client, url).await;
        match (&asked, self.unreached) {
            (Ok(()), true) => tracing::info!("alerts.heartbeat_url is reached again"),
            (Err(why), false) => tracing::warn!(why, "alerts.heartbeat_url is not reached"),
            (Ok(()), false) | (Err(_), true) => {}
        }
        self.unreached = asked.is_err();
        let came = asked.map_or_else(Came::Failed, |()| Came::Well);
        self.troubles.note(Dealer::Heartbeat, came);
        Beat::Told
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    const SECRET: &str = "5f3c-secret";

    /// Somebody who wants to hear from us; counts, and answers with this status.
    async fn ear(status: u16) -> (String, Arc<AtomicUsize>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/ping/{SECRET}", listener.local_addr().unwrap());
        let heard = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&heard);
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut asked = [0; 1024];
                let read = stream.read(&mut asked).await.unwrap();
                let asked = String::from_utf8_lossy(&asked[..read]);
                assert!(
                    asked.starts_with(&format!("GET /ping/{SECRET} ")),
                    "{asked}"
                );
                count.fetch_add(1, Ordering::SeqCst);
                let answer = format!(
                    "HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
                );
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        (url, heard)
    }

    #[tokio::test]
    async fn it_beats_while_the_bot_is_well_and_not_else() {
        let (url, heard) = ear(200).await;
        let wellness = Wellness::default();
        let mut heart = Heart::default();
        assert_eq!(
            heart.beat(&url, wellness.now()).await,
            Beat::HeldBack,
            "nobody looked yet"
        );
        wellness.set(Ok(()), Duration::from_secs(60));
        assert_eq!(heart.beat(&url, wellness.now()).await, Beat::Told);
        assert_eq!(heard.load(Ordering::SeqCst), 1);
        wellness.set(
            Err("the database does not answer".to_owned()),
            Duration::from_secs(60),
        );
        assert_eq!(heart.beat(&url, wellness.now()).await, Beat::HeldBack);
        wellness.set(Ok(()), Duration::ZERO);
        assert_eq!(
            heart.beat(&url, wellness.now()).await,
            Beat::HeldBack,
            "an old look says nothing"
        );
        assert_eq!(heard.load(Ordering::SeqCst), 1);
        wellness.set(Ok(()), Duration::from_secs(60));
        assert_eq!(heart.beat(&url, wellness.now()).await, Beat::Told);
        assert_eq!(heard.load(Ordering::SeqCst), 2);
        assert!(!heart.unreached && !heart.held_back);
        assert_eq!(heart.troubles.of(&Dealer::Heartbeat), Some(Came::Well));
    }

    #[tokio::test]
    async fn why_it_was_not_reached_keeps_the_address_to_itself() {
        let client = reqwest::Client::new();
        let (refuses, heard) = ear(404).await;
        let why = ping(&client, &refuses).await.unwrap_err();
        assert_eq!(why, "it answered 404 Not Found");
        assert_eq!(heard.load(Ordering::SeqCst), 1);
        // Nobody listens on a port that was just given back.
        let free = TcpListener::bind("127.0.0.1:0")
            .await
            .unwrap()
            .local_addr()
            .unwrap();
        for url in [
            format!("http://{free}/{SECRET}"),
            format!("http://nobody.invalid/{SECRET}"),
        ] {
            let why = ping(&client, &url).await.unwrap_err();
            assert!(!why.contains(SECRET) && !why.is_empty(), "{why}");
        }
        let mut heart = Heart::default();
        assert_eq!(
            heart.beat(&format!("http://{free}/{SECRET}"), Ok(())).await,
            Beat::Told
        );
        assert!(heart.unreached);
        let told = heart.troubles.of(&Dealer::Heartbeat);
        assert!(matches!(told, Some(Came::Failed(why)) if !why.contains(SECRET)));
    }
}
