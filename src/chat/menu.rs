//! The command menu: each role sees only its own commands.

use super::commands::Command;
use crate::access::Access;
use crate::base::ids::ChatId;
use crate::base::role::Role;
use std::collections::HashMap;
use teloxide::RequestError;
use teloxide::payloads::{DeleteMyCommandsSetters, SetMyCommandsSetters};
use teloxide::prelude::{Bot, Requester};
use teloxide::types::{BotCommand, BotCommandScope, Recipient};

/// The menu of a role; `None` for strangers'.
#[must_use]
pub fn of(role: Option<Role>) -> Vec<BotCommand> {
    Command::of(role)
        .map(|command| BotCommand::new(command.about().name, command.about().does))
        .collect()
}

/// The menus as they were set, so that only what differs is set anew.
#[derive(Default)]
pub struct Menus {
    strangers: bool,
    set: HashMap<ChatId, Role>,
}

impl Menus {
    /// Sets the menus: strangers' by default, each known person's and each listed group's by role. Who has no role any
    /// more gets the strangers' again.
    ///
    /// # Errors
    /// What Telegram answers; a chat that it does not know yet is passed over.
    pub async fn publish(&mut self, bot: &Bot, access: &Access) -> Result<(), RequestError> {
        if !self.strangers {
            bot.set_my_commands(of(None))
                .scope(BotCommandScope::Default)
                .await?;
            self.strangers = true;
        }
        let persons = access.persons().into_iter();
        let persons = persons.map(|person| (ChatId(person.id.0), person.role));
        let wanted: HashMap<ChatId, Role> = persons.chain(access.chats()).collect();
        let gone: Vec<_> = self
            .set
            .keys()
            .copied()
            .filter(|chat| !wanted.contains_key(chat))
            .collect();
        for chat in gone {
            let cleared = bot.delete_my_commands().scope(scope(chat)).await;
            passed_over(chat, cleared)?;
            self.set.remove(&chat);
        }
        for (chat, role) in wanted {
            if self.set.get(&chat) != Some(&role) {
                let set = bot.set_my_commands(of(Some(role))).scope(scope(chat)).await;
                passed_over(chat, set)?;
                self.set.insert(chat, role);
            }
        }
        Ok(())
    }
}

fn scope(chat: ChatId) -> BotCommandScope {
    BotCommandScope::Chat {
        chat_id: Recipient::Id(teloxide::types::ChatId(chat.0)),
    }
}

/// That Telegram does not know a chat yet is no error.
fn passed_over<T>(chat: ChatId, answer: Result<T, RequestError>) -> Result<(), RequestError> {
    match answer {
        Err(RequestError::Api(error)) => {
            tracing::debug!(%chat, %error, "the menu of a chat is set when it writes first");
            Ok(())
        }
        Err(error) => Err(error),
        Ok(_) => Ok(()),
    }
}
