//! Whether what a person names is watched: a slip in a name must not pass for a subscription.

use super::request::Request;
use crate::base::error::{Error, Result};
use crate::base::suggest::closest;

/// Words that `/subscribe` knows beside topics; one that is nearly such a word is no topic.
const WORDS: [&str; 4] = ["all", "critical", "warning", "quiet"];

/// Says what is to be said of this topic: nothing when some check has it.
///
/// # Errors
/// Refused when it is a check's name, or nearly the name of a topic or another word of `/subscribe`.
pub fn topic(request: &Request, name: &str) -> Result<Option<String>> {
    let config = request.services.live.current();
    let checks = config.checks.values();
    let mut known: Vec<&str> = checks.map(|check| check.topic.as_str()).collect();
    known.sort_unstable();
    known.dedup();
    if known.contains(&name) {
        return Ok(None);
    }
    let mut checks = config.checks.iter();
    if let Some((_, check)) = checks.find(|(own, _)| own.as_str() == name) {
        return Err(Error::refused(format!(
            "{name} is a check; its topic is {0}. Write /subscribe {0}.",
            check.topic
        )));
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
