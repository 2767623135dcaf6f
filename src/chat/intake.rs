//! Stores each update before it is confirmed, and yields it once. What was stored and not handled comes first.
//!
//! The polling stream asks Telegram for the next batch, which confirms the last, only when it is polled again;
//! so storing before yielding is storing before confirming.

use super::message;
use super::pulse::Pulse;
use crate::access::{Access, Standing};
use crate::base::ids::{ChatId, UpdateId, UserId};
use crate::base::time::Millis;
use crate::delivery::{Answer, Outbox, Outgoing};
use crate::store::{self, Store};
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use std::collections::HashMap;
use std::time::{Duration, Instant};
use teloxide::RequestError;
use teloxide::prelude::Bot;
use teloxide::stop::StopToken;
use teloxide::types::{AllowedUpdate, Update, UpdateKind};
use teloxide::update_listeners::{AsUpdateStream, Polling, UpdateListener};

/// Pauses while an update cannot be stored, longest last, which repeats.
const PAUSES: [Duration; 4] = [
    Duration::from_millis(250),
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(15),
];
/// A chat is told at most this often that its command has to wait for the database.
const TOLD_EVERY: Duration = Duration::from_secs(300);

/// The kinds of update that we ask Telegram for.
#[must_use]
pub fn wanted() -> Vec<AllowedUpdate> {
    vec![
        AllowedUpdate::Message,
        AllowedUpdate::CallbackQuery,
        AllowedUpdate::MyChatMember,
    ]
}

/// An update listener that stores what polling brings.
pub struct Intake {
    polling: Polling<Bot>,
    store: Store,
    outbox: Outbox,
    access: Access,
    pulse: Pulse,
}

impl Intake {
    /// Stores what `polling` brings, and tells chats through the outbox when it cannot; `pulse` shows that it goes on.
    #[must_use]
    pub fn new(
        polling: Polling<Bot>,
        store: Store,
        outbox: Outbox,
        access: Access,
        pulse: Pulse,
    ) -> Self {
        Self {
            polling,
            store,
            outbox,
            access,
            pulse,
        }
    }
}

impl<'a> AsUpdateStream<'a> for Intake {
    type StreamErr = RequestError;
    type Stream = BoxStream<'a, Result<Update, RequestError>>;

    fn as_stream(&'a mut self) -> Self::Stream {
        let earlier = stream::once(earlier(self.store.clone())).flat_map(stream::iter);
        let keeper = Keeper {
            store: self.store.clone(),
            outbox: self.outbox.clone(),
            access: self.access.clone(),
            told: HashMap::new(),
        };
        let pulse = self.pulse.clone();
        let polled = Box::pin(self.polling.as_stream());
        let fresh = stream::unfold((polled, keeper, pulse), |mut parts| async move {
            loop {
                let (polled, keeper, pulse) = &mut parts;
                let item = polled.next().await?;
                if item.is_ok() {
                    pulse.heard();
                }
                match item {
                    Ok(update) if !keeper.keep(&update).await => {}
                    item => return Some((item, parts)),
                }
            }
        });
        let updates = earlier.map(Ok).chain(fresh).boxed();
        self.pulse.watch(updates).boxed()
    }
}

impl UpdateListener for Intake {
    type Err = RequestError;

    fn stop_token(&mut self) -> StopToken {
        self.polling.stop_token()
    }
}

/// What an earlier run stored and did not handle, oldest first.
async fn earlier(store: Store) -> Vec<Update> {
    for attempt in 0_usize.. {
        let stored = async {
            let mut db = store.read().await?;
            store::inbox::unhandled(&mut db).await
        };
        match stored.await {
            Ok(stored) => return stored.iter().filter_map(read_back).collect(),
            Err(error) => {
                tracing::error!(%error, "the stored updates cannot be read; trying again");
                tokio::time::sleep(PAUSES[attempt.min(PAUSES.len() - 1)]).await;
            }
        }
    }
    Vec::new()
}

/// A stored update; one that cannot be read stays in the database, and the log says so at each start.
fn read_back((id, payload): &(UpdateId, String)) -> Option<Update> {
    serde_json::from_str(payload)
        .inspect_err(|error| tracing::error!(%id, %error, "a stored update cannot be read; it was not handled"))
        .ok()
}

struct Keeper {
    store: Store,
    outbox: Outbox,
    access: Access,
    told: HashMap<ChatId, Instant>,
}

impl Keeper {
    /// Stores an update, however long it takes. `false` when it was taken in before.
    async fn keep(&mut self, update: &Update) -> bool {
        let id = UpdateId(i64::from(update.id.0));
        let payload = match serde_json::to_string(update) {
            Ok(payload) => payload,
            Err(error) => {
                tracing::error!(%id, %error, "an update cannot be written down and is passed over");
                return false;
            }
        };
        for attempt in 0_usize.. {
            match self.add(id, &payload).await {
                Ok(new) => return new,
                // Neither handled nor confirmed by us: it is the one's who leads now. The poll ends with our lead.
                Err(store::Error::Deposed) => return std::future::pending().await,
                Err(error) => {
                    tracing::error!(%id, %error, "an update cannot be stored; trying again");
                    self.tell(update, &error);
                    tokio::time::sleep(PAUSES[attempt.min(PAUSES.len() - 1)]).await;
                }
            }
        }
        false
    }

    async fn add(&self, id: UpdateId, payload: &str) -> store::Result<bool> {
        let mut tx = self.store.begin().await?;
        self.store.fence(&mut tx).await?;
        let new = store::inbox::add(&mut tx, id, payload, Millis::now()).await?;
        self.store.commit(tx).await?;
        Ok(new)
    }

    /// Tells the chat, without the database, that its command waits.
    fn tell(&mut self, update: &Update, error: &store::Error) {
        let (place, from) = match &update.kind {
            UpdateKind::Message(message) => (message::place(message), message.from.as_ref()),
            UpdateKind::CallbackQuery(press) => match press.regular_message() {
                Some(message) => (message::place(message), Some(&press.from)),
                None => return,
            },
            _ => return,
        };
        // What troubles us is no stranger's business.
        let known = from.is_some_and(|user| {
            let user = UserId(i64::try_from(user.id.0).unwrap_or(0));
            matches!(self.access.standing(user, place), Standing::Known(_))
        });
        if !known {
            return;
        }
        let now = Instant::now();
        self.told
            .retain(|_, at| now.duration_since(*at) < TOLD_EVERY);
        if self.told.insert(place.chat, now).is_some() {
            return;
        }
        let why = match error {
            store::Error::Full(_) => "the disk of my database is full",
            store::Error::Locked(_) => "my database is locked by another program",
            store::Error::Cut(_)
            | store::Error::Busy(_)
            | store::Error::Other(_)
            | store::Error::Deposed
            | store::Error::Migrate(_)
            | store::Error::Corrupt(_) => "my database does not answer",
        };
        let html = format!(
            "I cannot take commands right now, because {why}. Nothing was done. \
             I keep trying, and take yours up when it works again.",
        );
        self.outbox.answer(Answer {
            message: Outgoing::text(place, html, Vec::new()),
            instead: None,
            afterwards: Box::new(|| Box::pin(async {})),
        });
    }
}
