//! Tries what the bot needs of Telegram: that it knows the token, and that a message can be written, changed and removed.

use super::clients::why;
use super::retry::{self, Decision, Tried};
use super::{Outbox, limits, locked};
use crate::base::ids::{ChatId, Place};
use crate::config::Telegram;
use std::time::Instant;
use teloxide::payloads::SendMessageSetters;
use teloxide::prelude::{Bot, Requester};
use teloxide::types::{MessageId, ThreadId};
use teloxide::{ApiError, RequestError};

/// Whom Telegram takes us for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// The bot with this username.
    Bot(String),
    /// Nobody: it does not know the token.
    Nobody,
    /// It could not be asked, for this reason.
    Unknown(String),
}

/// What is done with the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// It is written.
    Write,
    /// It is changed.
    Edit,
    /// It is removed.
    Delete,
}

/// What did not go, and why, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied {
    /// What was tried.
    pub act: Act,
    /// Telegram's reason, or that of the network.
    pub why: String,
}

/// Asks Telegram who we are.
pub async fn identity(bot: &Bot, telegram: &Telegram) -> Identity {
    match bot.get_me().await {
        Ok(me) => Identity::Bot(me.username().to_owned()),
        Err(RequestError::Api(ApiError::InvalidToken)) => Identity::Nobody,
        Err(error) => Identity::Unknown(why(&error, telegram)),
    }
}

/// Writes a message without a sound, changes it and removes it; `turn` resolves when the next call may go. Whatever fails
/// in between, it is removed if it was written.
///
/// # Errors
/// The first that did not go.
pub async fn rehearse<F: Future<Output = ()> + Send>(
    bot: &Bot,
    telegram: &Telegram,
    place: Place,
    turn: impl Fn() -> F + Send,
) -> Result<(), Denied> {
    let denied = |act| move |error| refusal(act, &error, telegram);
    let chat = teloxide::types::ChatId(place.chat.0);
    turn().await;
    let mut call = bot
        .send_message(chat, "A test message. It goes in a moment.")
        .disable_notification(true);
    if let Some(thread) = place.thread {
        call = call.message_thread_id(ThreadId(MessageId(thread.0)));
    }
    let message = call.await.map_err(denied(Act::Write))?.id;
    turn().await;
    let edited = bot
        .edit_message_text(chat, message, "A test message, changed. It goes now.")
        .await;
    turn().await;
    let deleted = bot.delete_message(chat, message).await;
    edited.map_err(denied(Act::Edit))?;
    deleted.map_err(denied(Act::Delete)).map(drop)
}

impl Outbox {
    /// [`rehearse`] at the pace of everything else that leaves from here.
    ///
    /// # Errors
    /// The first that did not go.
    pub async fn rehearse(&self, telegram: &Telegram, place: Place) -> Result<(), Denied> {
        let chat = self.current_id(place.chat);
        let place = Place { chat, ..place };
        let bot = &self.inner.bots.quick;
        rehearse(bot, telegram, place, || self.turn(chat)).await
    }

    /// Whom Telegram takes us for.
    pub async fn identity(&self, telegram: &Telegram) -> Identity {
        identity(&self.inner.bots.quick, telegram).await
    }

    /// Resolves when a call for this chat may go, and counts it.
    async fn turn(&self, chat: ChatId) {
        loop {
            let wait = {
                let mut limits = locked(&self.inner.limits);
                let now = Instant::now();
                let wait = limits.wait(chat, limits::Urgency::Result, now);
                if wait.is_zero() {
                    return limits.take(chat, now);
                }
                wait
            };
            tokio::time::sleep(wait).await;
        }
    }
}

fn refusal(act: Act, error: &RequestError, telegram: &Telegram) -> Denied {
    let why = match retry::decide(error, Tried::default()) {
        Decision::Gone(why) => why,
        Decision::Done
        | Decision::Pause(_)
        | Decision::Again(_)
        | Decision::Moved(_)
        | Decision::SendNew
        | Decision::LeaveTopic(_)
        | Decision::AsFile
        | Decision::LeaveFile
        | Decision::Plain
        | Decision::GiveUp(_) => why(error, telegram),
    };
    Denied { act, why }
}
