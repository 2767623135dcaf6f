//! The parts that Telegram decides: the token, the chat, and what it says of the clock.

use super::Part;
use crate::base::ids::Place;
use crate::base::time::human;
use crate::config::Telegram;
use crate::delivery::clients;
use crate::delivery::reach::{Act, Denied, Identity};
use chrono::{TimeDelta, Utc};

/// What to do about a Telegram that cannot be reached.
pub const LATE: &str = "see to the network, telegram.api_url and telegram.proxy";
/// What to do about a chat that is slow.
pub const SLOW: &str = "try again in a minute: Telegram may have asked for a pause, or is slow";
/// A clock that is further off than this makes commands look old, or certificates invalid.
const CLOCK: TimeDelta = TimeDelta::seconds(30);

/// Whose the token is.
#[must_use]
pub fn token(identity: Identity, telegram: &Telegram) -> Part {
    const PART: &str = "telegram";
    let from = telegram.token_source.as_ref();
    let from = from.map_or_else(String::new, |source| format!(" (from {source})"));
    match identity {
        Identity::Bot(username) => Part::ok(PART, format!("the token is @{username}'s{from}")),
        Identity::Nobody => Part::fail(
            PART,
            format!("Telegram does not know this token{from}"),
            "ask @BotFather for it with /token",
        ),
        Identity::Unknown(why) => {
            Part::fail(PART, format!("Telegram cannot be reached: {why}"), LATE)
        }
    }
}

/// What came of a message that was written, changed and removed.
#[must_use]
pub fn chat(place: Place, tried: Result<(), Denied>) -> Part {
    const PART: &str = "chat";
    let Denied { act, why } = match tried {
        Ok(()) => return Part::ok(PART, "a message was sent, edited and removed"),
        Err(denied) => denied,
    };
    let is_group = !place.chat.is_private();
    match act {
        Act::Write => Part::fail(
            PART,
            format!("I may not write here: {why}"),
            match (is_group, place.thread) {
                (false, _) => "open the chat with me, and press Start",
                (true, None) => "let me send messages in this group, or add me again",
                (true, Some(_)) => "open the topic again, or let me send messages in this group",
            },
        ),
        Act::Edit => Part::fail(
            PART,
            format!("I can write here, but not change what I wrote: {why}"),
            "try again; what runs is told at its end until then",
        ),
        Act::Delete => Part::warn(
            PART,
            format!("I can write here, but not remove what I wrote: {why}"),
            match is_group {
                true => "make me an admin who may delete messages, and remove the test message",
                false => "remove the test message yourself, and try again",
            },
        ),
    }
}

/// How far the clock is off.
pub async fn clock(telegram: &Telegram) -> Part {
    const PART: &str = "clock";
    let theirs = match clients::server_time(telegram).await {
        Ok(Some(theirs)) => theirs,
        Ok(None) => {
            let words = "the server of Telegram does not tell its time";
            return Part::ok(PART, words);
        }
        Err(error) => {
            let words = format!("it cannot be compared: {error:#}");
            return Part::warn(PART, words, LATE);
        }
    };
    let off = (Utc::now() - theirs).abs();
    let shown = human(off.to_std().unwrap_or_default());
    match off > CLOCK {
        true => Part::warn(
            PART,
            format!("{shown} away from Telegram's"),
            "set it, for example by `sudo timedatectl set-ntp true`",
        ),
        false => Part::ok(PART, "agrees with Telegram's"),
    }
}
