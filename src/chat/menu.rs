//! The command menu: each role sees only its own commands.

use super::commands::Command;
use crate::access::Access;
use crate::base::ids::ChatId;
use crate::base::role::Role;
use teloxide::RequestError;
use teloxide::payloads::SetMyCommandsSetters;
use teloxide::prelude::{Bot, Requester};
use teloxide::types::{BotCommand, BotCommandScope, Recipient};

/// The menu of a role; `None` for strangers'.
#[must_use]
pub fn of(role: Option<Role>) -> Vec<BotCommand> {
    Command::of(role)
        .map(|command| BotCommand::new(command.about().name, command.about().does))
        .collect()
}

/// Sets the menus: strangers' by default, each known person's and each listed group's by role.
///
/// # Errors
/// What Telegram answers; a chat that it does not know yet is passed over.
pub async fn publish(bot: &Bot, access: &Access) -> Result<(), RequestError> {
    bot.set_my_commands(of(None))
        .scope(BotCommandScope::Default)
        .await?;
    for person in access.persons() {
        publish_for(bot, ChatId(person.id.0), person.role).await?;
    }
    for (chat, ceiling) in access.chats() {
        publish_for(bot, chat, ceiling).await?;
    }
    Ok(())
}

/// Sets the menu of one chat.
///
/// # Errors
/// What Telegram answers; that it does not know the chat yet is no error.
pub async fn publish_for(bot: &Bot, chat: ChatId, role: Role) -> Result<(), RequestError> {
    let scope = BotCommandScope::Chat {
        chat_id: Recipient::Id(teloxide::types::ChatId(chat.0)),
    };
    match bot.set_my_commands(of(Some(role))).scope(scope).await {
        Err(RequestError::Api(error)) => {
            tracing::debug!(%chat, %error, "the menu of a chat is set when it writes first");
            Ok(())
        }
        Err(error) => Err(error),
        Ok(_) => Ok(()),
    }
}
