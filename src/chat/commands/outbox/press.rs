//! What the buttons of the outbox say to us.

use crate::base::ids::ChatId;

/// A pressed button of the outbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutboxPress {
    /// Show what waits and what failed.
    All,
    /// Show this message.
    Message(i64),
    /// Show what waits for this chat, after this message.
    Chat(ChatId, i64),
    /// Try this message again.
    Retry(i64),
    /// Try again what waits for this chat.
    RetryChat(ChatId),
    /// Try again what waits for any chat.
    RetryAll,
    /// Ask whether to drop this message.
    Ask(i64),
    /// Ask whether to drop what waits for this chat, up to this message.
    AskChat(ChatId, i64),
    /// Drop this message.
    Drop(i64),
    /// Drop what waits for this chat, up to this message.
    DropChat(ChatId, i64),
}

impl OutboxPress {
    /// Whether it changes something.
    #[must_use]
    pub fn acts(&self) -> bool {
        match self {
            OutboxPress::Retry(_)
            | OutboxPress::RetryChat(_)
            | OutboxPress::RetryAll
            | OutboxPress::Drop(_)
            | OutboxPress::DropChat(..) => true,
            OutboxPress::All
            | OutboxPress::Message(_)
            | OutboxPress::Chat(..)
            | OutboxPress::Ask(_)
            | OutboxPress::AskChat(..) => false,
        }
    }

    /// As it travels in a button.
    #[must_use]
    pub fn data(&self) -> String {
        match self {
            OutboxPress::All => "all".to_owned(),
            OutboxPress::Message(id) => format!("msg:{id}"),
            OutboxPress::Chat(chat, after) => format!("chat:{chat}:{after}"),
            OutboxPress::Retry(id) => format!("retry:{id}"),
            OutboxPress::RetryChat(chat) => format!("rechat:{chat}"),
            OutboxPress::RetryAll => "reall".to_owned(),
            OutboxPress::Ask(id) => format!("ask:{id}"),
            OutboxPress::AskChat(chat, last) => format!("askchat:{chat}:{last}"),
            OutboxPress::Drop(id) => format!("drop:{id}"),
            OutboxPress::DropChat(chat, last) => format!("dropchat:{chat}:{last}"),
        }
    }

    /// Reads it; `None` for anything that no button of ours says.
    #[must_use]
    pub fn read(data: &str) -> Option<Self> {
        let (word, rest) = data.split_once(':').unwrap_or((data, ""));
        let id = || rest.parse().ok().filter(|id: &i64| *id > 0);
        let chat = || {
            let (chat, message) = rest.split_once(':')?;
            let message = message.parse().ok().filter(|id: &i64| *id >= 0)?;
            Some((ChatId(chat.parse().ok()?), message))
        };
        Some(match word {
            "all" if rest.is_empty() => OutboxPress::All,
            "reall" if rest.is_empty() => OutboxPress::RetryAll,
            "msg" => OutboxPress::Message(id()?),
            "retry" => OutboxPress::Retry(id()?),
            "ask" => OutboxPress::Ask(id()?),
            "drop" => OutboxPress::Drop(id()?),
            "rechat" => OutboxPress::RetryChat(ChatId(rest.parse().ok()?)),
            "chat" => chat().map(|(chat, after)| OutboxPress::Chat(chat, after))?,
            "askchat" => chat().map(|(chat, last)| OutboxPress::AskChat(chat, last))?,
            "dropchat" => chat().map(|(chat, last)| OutboxPress::DropChat(chat, last))?,
            _ => return None,
        })
    }
}
