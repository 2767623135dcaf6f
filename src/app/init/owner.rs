//! Learns who the owner is from the first message to the bot.

use super::yes;
use crate::base::ids::UserId;
use crate::config::Telegram;
use crate::delivery::clients;
use anyhow::{Context, Result, bail};
use chrono::{TimeDelta, Utc};
use std::time::Duration;
use teloxide::payloads::GetUpdatesSetters;
use teloxide::prelude::{Bot, Requester};
use teloxide::types::{AllowedUpdate, Update, UpdateKind, User};
use teloxide::{ApiError, RequestError};

/// How long a poll is held open.
const POLL: u32 = 25;
/// Messages older than this were not sent for us; clocks may differ a little.
const OLD: TimeDelta = TimeDelta::minutes(2);
/// Pause after Telegram could not be reached.
const PAUSE: Duration = Duration::from_secs(3);

/// Who the bot will obey.
pub(super) struct Owner {
    pub(super) id: UserId,
    pub(super) name: String,
}

/// Waits for somebody's message, and for the word that this is the owner.
pub(super) async fn wait(telegram: &Telegram, bot_name: &str) -> Result<Owner> {
    let clients = clients::make(telegram)?;
    let begun = Utc::now() - OLD;
    println!("Now send any message to @{bot_name}: https://t.me/{bot_name}");
    let mut offset = 0;
    let mut refused = Vec::new();
    loop {
        for update in poll(&clients.poll, offset).await? {
            offset = i32::try_from(update.id.0)
                .unwrap_or(i32::MAX)
                .saturating_add(1);
            let UpdateKind::Message(message) = &update.kind else {
                continue;
            };
            let Some(user) = message.from.as_ref() else {
                continue;
            };
            if user.is_bot
                || !message.chat.is_private()
                || message.date < begun
                || refused.contains(&user.id)
            {
                continue;
            }
            println!("{} wrote to the bot.", described(user));
            if !tokio::task::spawn_blocking(|| yes("Is this the owner?")).await?? {
                refused.push(user.id);
                println!("Then I wait for another one.");
                continue;
            }
            // Confirmed, so that the bot does not take the message for a command.
            clients
                .quick
                .get_updates()
                .offset(offset)
                .timeout(0)
                .await?;
            greet(&clients.quick, user).await;
            let id = i64::try_from(user.id.0).context("an id that Telegram never gives")?;
            return Ok(Owner {
                id: UserId(id),
                name: user.first_name.clone(),
            });
        }
    }
}

async fn poll(bot: &Bot, offset: i32) -> Result<Vec<Update>> {
    loop {
        let asked = bot
            .get_updates()
            .offset(offset)
            .timeout(POLL)
            .allowed_updates([AllowedUpdate::Message]);
        match asked.await {
            Ok(updates) => return Ok(updates),
            Err(RequestError::Api(ApiError::TerminatedByOtherGetUpdates)) => {
                bail!("another program uses this bot's token; stop it, then run this again")
            }
            // The library knows only an older form of these words.
            Err(RequestError::Api(error)) if error.to_string().contains("webhook is active") => {
                bail!(
                    "a webhook is set for this bot; run `opsgram init --owner ID`, then `opsgram check --delete-webhook`, \
                 or send /revoke to @BotFather for a new token"
                )
            }
            Err(RequestError::RetryAfter(after)) => tokio::time::sleep(after.duration()).await,
            Err(RequestError::Api(error)) => return Err(error).context("asking for messages"),
            Err(_) => {
                println!("Telegram cannot be reached; trying again.");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

fn described(user: &User) -> String {
    let full = user.full_name();
    let shown: String = full.chars().filter(|c| !c.is_control()).collect();
    match &user.username {
        Some(name) => format!("{shown} (@{name}, id {})", user.id),
        None => format!("{shown} (id {})", user.id),
    }
}

/// A word to the owner; not worth failing for.
async fn greet(bot: &Bot, user: &User) {
    let words = "You are my owner now. Once I am started, send me /help.";
    let sent = bot.send_message(user.id, words).await;
    if let Err(error) = sent {
        println!("The bot could not answer: {error}");
    }
}
