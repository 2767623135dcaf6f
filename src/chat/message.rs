//! A Telegram message as what it means to us: a command of a person, or why it is none.

use crate::base::ids::{ChatId, MessageId, Place, ThreadId, UserId};
use crate::base::time::Millis;
use teloxide::types::Message;

/// Telegram's stand-in sender for anonymous group admins.
const ANONYMOUS_ADMIN: u64 = 1_087_968_824;

/// Who wrote, as Telegram says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Author {
    /// A person.
    Person {
        /// Their id, the only thing that rights hang on.
        id: UserId,
        /// Their first name.
        name: String,
        /// Their username.
        username: Option<String>,
    },
    /// An admin who hides who they are.
    AnonymousAdmin,
    /// A bot, a channel, or nobody.
    Nobody,
}

/// A message that another one replies to.
#[derive(Clone, Debug)]
pub struct Replied {
    /// Which.
    pub message: MessageId,
    /// Who wrote it.
    pub author: UserId,
    /// Its text.
    pub text: String,
}

/// A message, reduced.
#[derive(Clone, Debug)]
pub struct Incoming {
    /// Who wrote.
    pub author: Author,
    /// Where; the topic included.
    pub place: Place,
    /// Which message.
    pub message: MessageId,
    /// Its text.
    pub text: String,
    /// The message that it replies to.
    pub reply_to: Option<Replied>,
    /// When it was written.
    pub date: Millis,
    /// It was written by somebody else, elsewhere, or through another bot.
    pub second_hand: bool,
    /// Who wrote the message that it answers.
    pub answers: Option<Author>,
    /// The title of the group, and of the topic as far as it shows.
    pub titles: (String, String),
}

impl Incoming {
    /// Reduces a message; `None` for one without text.
    #[must_use]
    pub fn of(message: &Message) -> Option<Self> {
        let text = message.text()?.to_owned();
        Some(Self {
            author: author(message),
            place: place(message),
            message: MessageId(message.id.0),
            text,
            reply_to: message.reply_to_message().and_then(|replied| {
                let author = replied.from.as_ref()?;
                let author = UserId(i64::try_from(author.id.0).unwrap_or(0));
                Some(Replied {
                    message: MessageId(replied.id.0),
                    author,
                    text: replied.text().unwrap_or_default().to_owned(),
                })
            }),
            date: Millis(message.date.timestamp_millis()),
            second_hand: message.forward_origin().is_some() || message.via_bot.is_some(),
            answers: message
                .reply_to_message()
                .filter(|answered| answered.forum_topic_created().is_none())
                .map(author),
            titles: (
                message.chat.title().unwrap_or_default().to_owned(),
                topic_title(message).unwrap_or_default(),
            ),
        })
    }
}

/// Where a message stands. *General* of a forum is addressed without a topic.
#[must_use]
pub fn place(message: &Message) -> Place {
    let topic = message.thread_id.filter(|_| message.is_topic_message);
    Place {
        chat: ChatId(message.chat.id.0),
        thread: topic.map(|id| ThreadId(id.0.0)).filter(|id| id.0 != 1),
    }
}

/// In a topic, a message without an answer of its own answers the topic's beginning.
fn topic_title(message: &Message) -> Option<String> {
    let created = message.reply_to_message()?.forum_topic_created()?;
    Some(created.name.clone())
}

fn author(message: &Message) -> Author {
    match &message.from {
        Some(user) if user.id.0 == ANONYMOUS_ADMIN => Author::AnonymousAdmin,
        Some(_) if message.sender_chat.is_some() => Author::Nobody,
        Some(user) if !user.is_bot => Author::Person {
            id: UserId(i64::try_from(user.id.0).unwrap_or(0)),
            name: user.first_name.clone(),
            username: user.username.clone(),
        },
        Some(_) | None => Author::Nobody,
    }
}
