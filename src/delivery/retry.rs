//! What a failed call means and what follows from it, as a function of values.

use crate::base::ids::ChatId;
use std::time::Duration;
use teloxide::RequestError;

/// Pauses after the first, second, … failed attempt, in seconds; the last one repeats.
const PAUSES: [u64; 6] = [1, 2, 5, 10, 30, 60];
/// Attempts after which a message that the server itself chokes on is given up, so that it does not block its chat for ever.
const SERVER_ATTEMPTS: u32 = 30;
/// The same for a file that does not get through, each attempt of which may take minutes.
const FILE_ATTEMPTS: u32 = 3;
/// Pause when the token is refused: nothing helps but a person.
const TOKEN_PAUSE: Duration = Duration::from_secs(60);

/// What to do after a failed call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The message already is as it should be.
    Done,
    /// Telegram said for how long to be silent in this chat.
    Pause(Duration),
    /// Try again after this time; it is not known whether the message arrived.
    Again(Duration),
    /// The group has a new id.
    Moved(ChatId),
    /// Nobody there can be reached; the words say why.
    Gone(String),
    /// The message to edit is gone: send a new one.
    SendNew,
    /// The topic takes no message: send to the chat itself.
    LeaveTopic(Topic),
    /// The picture was refused as one: send it as a file.
    AsFile,
    /// The file was refused: send what stands under it.
    LeaveFile,
    /// The markup was refused: send as plain text without buttons.
    Plain,
    /// It cannot be sent; the words say why.
    GiveUp(String),
}

/// Why a topic takes no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic {
    /// It is closed, and may be opened again.
    Closed,
    /// There is none any more, and its number never comes again.
    Gone,
}

/// What was tried before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tried {
    /// Failed attempts before this one.
    pub attempts: u32,
    /// Attempts that failed at this very message, this one included.
    pub choked: u32,
    /// Plain text.
    pub plain: bool,
    /// The chat itself instead of the topic, or there was no topic.
    pub left_topic: bool,
    /// A picture as a file.
    pub as_file: bool,
    /// It is a file.
    pub is_file: bool,
}

/// Whether this very message is what failed, as far as one can tell: the server was reached, and broke; or a file did not
/// get through in time, was refused by a proxy, or could not be read from the disk.
#[must_use]
pub fn is_choke(error: &RequestError, is_file: bool) -> bool {
    match error {
        RequestError::Api(error) => error
            .to_string()
            .to_lowercase()
            .contains("internal server error"),
        RequestError::Network(error) => is_file && error.is_timeout() && !error.is_connect(),
        RequestError::InvalidJson { .. } => is_file,
        RequestError::Io(_) => is_file,
        RequestError::RetryAfter(_) | RequestError::MigrateToChatId(_) => false,
    }
}

/// Whether a message was not deleted because Telegram lets that be done for 48 hours only.
#[must_use]
pub fn is_too_old(error: &RequestError) -> bool {
    matches!(error, RequestError::Api(error) if error.to_string().contains("can't be deleted"))
}

/// Whether a message was not deleted because there is none.
#[must_use]
pub fn is_no_message(error: &RequestError) -> bool {
    matches!(error, RequestError::Api(error) if error.to_string().contains("to delete not found"))
}

/// Why a chat cannot be reached, in words, where Telegram's own are known.
fn gone(lower: &str) -> Option<&'static str> {
    let known = [
        (
            "bot can't initiate conversation",
            "this person has not written to the bot yet",
        ),
        (
            "bot was blocked by the user",
            "this person has blocked the bot",
        ),
        ("user is deactivated", "this account is deleted"),
        ("bot was kicked", "the bot was removed from this group"),
        ("bot is not a member", "the bot is not in this group"),
        ("group is deactivated", "this group is closed"),
        (
            "chat not found",
            "there is no such chat, or nobody there has written to the bot yet",
        ),
        (
            "bot can't send messages to bots",
            "this is a bot, and bots do not write to each other",
        ),
    ];
    let found = known.iter().find(|(part, _)| lower.contains(part));
    found.map(|(_, words)| *words)
}

/// Decides what follows from an error.
#[must_use]
pub fn decide(error: &RequestError, tried: Tried) -> Decision {
    match error {
        RequestError::RetryAfter(seconds) => Decision::Pause(seconds.duration()),
        RequestError::MigrateToChatId(chat) => Decision::Moved(ChatId(chat.0)),
        // An answer that is no JSON comes from a proxy before a server that is away.
        RequestError::Network(_) | RequestError::InvalidJson { .. } => {
            match tried.is_file && tried.choked >= FILE_ATTEMPTS {
                true => Decision::GiveUp("the file does not get through".to_owned()),
                false => Decision::Again(pause(tried.attempts)),
            }
        }
        // The disk may come round; a file that cannot be read for good must not hold up its chat.
        RequestError::Io(error) => match tried.is_file && tried.choked < FILE_ATTEMPTS {
            true => Decision::Again(pause(tried.attempts)),
            false => Decision::GiveUp(format!("reading the file: {error}")),
        },
        RequestError::Api(error) => decide_api(&error.to_string(), tried),
    }
}

fn decide_api(text: &str, tried: Tried) -> Decision {
    let lower = text.to_lowercase();
    let says = |part: &str| lower.contains(part);
    if says("message is not modified") {
        Decision::Done
    } else if says("forbidden:")
        || says("bot was kicked")
        || says("chat not found")
        || says("group is deactivated")
        || says("bot can't initiate conversation")
        || says("bot can't send messages to bots")
    {
        Decision::Gone(gone(&lower).map_or_else(|| text.to_owned(), str::to_owned))
    } else if says("image_process_failed") || says("photo_") || says("too big for a photo") {
        match tried.as_file {
            true => Decision::GiveUp(text.to_owned()),
            false => Decision::AsFile,
        }
    } else if says("message to edit not found")
        || says("message can't be edited")
        || says("message_id_invalid")
    {
        Decision::SendNew
    } else if says("message thread not found") || says("topic_closed") || says("topic_deleted") {
        let topic = match says("topic_closed") {
            true => Topic::Closed,
            false => Topic::Gone,
        };
        match tried.left_topic {
            true => Decision::GiveUp(text.to_owned()),
            false => Decision::LeaveTopic(topic),
        }
    } else if says("invalid bot token") || says("unauthorized") || says("not found\"") {
        Decision::Again(TOKEN_PAUSE)
    } else if says("entity too large")
        || says("file is too big")
        || (says("internal server error") && tried.choked >= SERVER_ATTEMPTS)
    {
        Decision::GiveUp(text.to_owned())
    } else if says("internal server error")
        || says("bad gateway")
        || says("gateway time")
        || says("service unavailable")
    {
        Decision::Again(pause(tried.attempts))
    } else if tried.plain {
        Decision::GiveUp(text.to_owned())
    } else {
        Decision::Plain
    }
}

fn pause(attempts: u32) -> Duration {
    let at = (attempts as usize).min(PAUSES.len() - 1);
    Duration::from_secs(PAUSES[at])
}

#[cfg(test)]
mod tests {
    use super::*;
    use teloxide::ApiError;

    fn api(text: &str) -> Decision {
        decide(
            &RequestError::Api(ApiError::Unknown(text.to_owned())),
            Tried::default(),
        )
    }

    fn tried(attempts: u32, choked: u32) -> Tried {
        Tried {
            attempts,
            choked,
            ..Tried::default()
        }
    }

    #[test]
    fn a_long_outage_or_a_storm_gives_nothing_up() {
        for words in ["Bad Gateway", "Gateway Timeout", "Internal Server Error"] {
            let error = RequestError::Api(ApiError::Unknown(words.into()));
            let choked = u32::from(is_choke(&error, false));
            let decision = decide(&error, tried(10_000, choked));
            assert_eq!(
                decision,
                Decision::Again(Duration::from_secs(60)),
                "{words}"
            );
        }
    }

    #[test]
    fn what_cannot_be_deleted_is_told_from_what_is_gone() {
        let refused = |text: &str| {
            let error = RequestError::Api(ApiError::Unknown(text.to_owned()));
            (is_too_old(&error), is_no_message(&error))
        };
        for (text, told) in [
            (
                "Bad Request: message can't be deleted for everyone",
                (true, false),
            ),
            ("Bad Request: message can't be deleted", (true, false)),
            ("Bad Request: message to delete not found", (false, true)),
            ("Bad Gateway", (false, false)),
        ] {
            assert_eq!(refused(text), told, "{text}");
        }
        let gone = RequestError::Api(ApiError::MessageToDeleteNotFound);
        let old = RequestError::Api(ApiError::MessageCantBeDeleted);
        assert!(is_no_message(&gone) && is_too_old(&old));
    }

    #[test]
    fn every_known_answer_has_its_decision() {
        assert_eq!(
            api("Bad Request: message is not modified: specified …"),
            Decision::Done
        );
        for gone in [
            "Forbidden: bot was blocked by the user",
            "Forbidden: user is deactivated",
            "Forbidden: bot was kicked from the supergroup chat",
            "Forbidden: bot can't initiate conversation with a user",
            "Bad Request: chat not found",
            "Bad Request: group is deactivated",
        ] {
            assert!(matches!(api(gone), Decision::Gone(_)), "{gone}");
        }
        assert_eq!(
            api("Bad Request: message to edit not found"),
            Decision::SendNew
        );
        assert_eq!(
            api("Bad Request: message thread not found"),
            Decision::LeaveTopic(Topic::Gone)
        );
        assert_eq!(api("Bad Request: can't parse entities: …"), Decision::Plain);
        assert_eq!(api("Bad Request: message is too long"), Decision::Plain);
        for refused in [
            "Bad Request: IMAGE_PROCESS_FAILED",
            "Bad Request: PHOTO_INVALID_DIMENSIONS",
            "Bad Request: file of size 10485761 bytes is too big for a photo; the maximum size is 10485760 bytes",
        ] {
            assert_eq!(api(refused), Decision::AsFile, "{refused}");
        }
        let as_file = Tried {
            as_file: true,
            ..Tried::default()
        };
        let error = ApiError::Unknown("Bad Request: IMAGE_PROCESS_FAILED".to_owned());
        let again = decide(&RequestError::Api(error), as_file);
        assert!(matches!(again, Decision::GiveUp(_)), "{again:?}");
        assert!(matches!(
            api("Request Entity Too Large"),
            Decision::GiveUp(_)
        ));
        assert_eq!(api("Bad Gateway"), Decision::Again(Duration::from_secs(1)));
    }

    #[test]
    fn a_file_that_cannot_be_read_is_tried_again_and_then_given_up() {
        let error = RequestError::Io(std::sync::Arc::new(std::io::Error::other("busy")));
        assert!(is_choke(&error, true));
        let after = |choked| Tried {
            is_file: true,
            choked,
            ..Tried::default()
        };
        assert!(matches!(decide(&error, after(1)), Decision::Again(_)));
        assert!(matches!(
            decide(&error, after(FILE_ATTEMPTS)),
            Decision::GiveUp(_)
        ));
    }

    #[test]
    fn a_topic_is_left_once() {
        let error = RequestError::Api(ApiError::Unknown("Bad Request: TOPIC_CLOSED".into()));
        assert_eq!(
            decide(&error, Tried::default()),
            Decision::LeaveTopic(Topic::Closed)
        );
        let left = Tried {
            left_topic: true,
            ..Tried::default()
        };
        assert!(matches!(decide(&error, left), Decision::GiveUp(_)));
    }

    #[test]
    fn a_token_that_is_refused_waits_for_a_person() {
        let error = RequestError::Api(ApiError::InvalidToken);
        assert_eq!(decide(&error, tried(500, 0)), Decision::Again(TOKEN_PAUSE));
    }

    #[test]
    fn plain_text_that_is_refused_is_given_up() {
        let error = RequestError::Api(ApiError::Unknown("Bad Request: strange".into()));
        let plain = Tried {
            plain: true,
            ..Tried::default()
        };
        assert!(matches!(decide(&error, plain), Decision::GiveUp(_)));
    }

    #[test]
    fn an_outage_is_waited_out_and_a_poisoned_message_is_not() {
        let error = RequestError::Api(ApiError::Unknown("Internal Server Error".into()));
        assert_eq!(
            decide(&error, tried(3, 1)),
            Decision::Again(Duration::from_secs(10))
        );
        assert!(matches!(
            decide(&error, tried(SERVER_ATTEMPTS, SERVER_ATTEMPTS)),
            Decision::GiveUp(_)
        ));
    }
}
