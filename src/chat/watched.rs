//! Whether what a person names is watched: a slip in a name must not pass for a silence or a subscription.

use super::request::Request;
use crate::base::error::{Error, Result};
use crate::base::suggest::closest;
use crate::store::silences::About;

/// Words that `/subscribe` knows beside topics; one that is nearly such a word is no topic.
const WORDS: [&str; 4] = ["all", "critical", "warning", "quiet"];

/// Says what is to be said of a silence about this: nothing when it is about something that is watched.
///
/// # Errors
/// Refused when it is nearly the name of something that is.
pub fn check(request: &Request, about: &About) -> Result<Option<String>> {
    match about {
        About::All => Ok(None),
        About::Topic(name) => topic(request, name),
        About::Check(pattern) if pattern.contains('*') => Ok(None),
        About::Check(name) => {
            let config = request.services.live.current();
            let known: Vec<&str> = config.checks.keys().map(|check| check.as_str()).collect();
            if known.contains(&name.as_str()) {
                return Ok(None);
            }
            match closest(name, known) {
                Some(near) => Err(Error::refused(format!(
                    "There is no check “{name}”. Did you mean {near}? For several, write a star: {name}*"
                ))),
                None => Ok(Some(format!("No check is called “{name}” now."))),
            }
        }
    }
}

/// Says what is to be said of this topic: nothing when some check has it.
///
/// # Errors
/// Refused when it is nearly the name of one, or another word of `/subscribe`.
pub fn topic(request: &Request, name: &str) -> Result<Option<String>> {
    let config = request.services.live.current();
    let checks = config.checks.values();
    let mut known: Vec<&str> = checks.map(|check| check.topic.as_str()).collect();
    known.sort_unstable();
    known.dedup();
    if known.contains(&name) {
        return Ok(None);
    }
    match closest(name, known.iter().copied().chain(WORDS)) {
        Some(near) => Err(Error::refused(format!(
            "There is no topic “{name}”. Did you mean {near}?"
        ))),
        None if known.is_empty() => Ok(Some("Nothing is watched yet.".to_owned())),
        None => Ok(Some(format!(
            "No check has the topic “{name}” now. There are {}.",
            known.join(", ")
        ))),
    }
}
