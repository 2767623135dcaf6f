//! `/unsubscribe`: a place is told no more.

use super::About;
use super::subscribe::{allow, describe, here, is_topic};
use super::subscriptions;
use crate::base::error::{Error, Result};
use crate::base::role::Role;
use crate::base::text::{capital, escape, shorten};
use crate::base::time::Millis;
use crate::chat::alerts::act::told_here;
use crate::chat::reply::Reply;
use crate::chat::request::Request;

/// What the help says.
pub const ABOUT: About = About {
    name: "unsubscribe",
    form: "[topic | all]",
    does: "Be told of no incidents here",
    example: (
        "/unsubscribe disk",
        "ends what /subscribe disk began; all ends everything, also what owners are told unasked",
    ),
    role: Some(Role::Viewer),
    acts: true,
};

/// Ends subscriptions, or shows them.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn handle(request: &Request, rest: &str) -> Result<Reply> {
    let word = rest.to_lowercase();
    match word.as_str() {
        "" => subscriptions::show(request).await,
        "all" => end(request, None).await,
        topic if is_topic(topic) => end(request, Some(topic)).await,
        other => {
            let other = shorten(other, 40);
            Err(Error::refused(format!(
                "“{other}” is no topic. Write /unsubscribe alone to see what there is."
            )))
        }
    }
}

/// Ends one subscription, or all.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn end(request: &Request, topic: Option<&str>) -> Result<Reply> {
    let grant = allow(request, "alert.unsubscribe", topic.unwrap_or("all")).await?;
    let place = request.actor.place;
    let incidents = &request.services.incidents;
    let changed = incidents
        .unsubscribe(&grant, place, topic, Millis::now())
        .await?;
    let (left, _) = told_here(request).await?;
    let left: Vec<_> = left
        .iter()
        .filter(|one| one.least.is_some())
        .map(describe)
        .collect();
    let rest = match left.is_empty() {
        true => "nothing".to_owned(),
        false => escape(&left.join(", ")),
    };
    let place = here(place);
    Ok(Reply::html(match changed {
        true => format!("🔕 From now on {place} is told of {rest}."),
        false => match topic {
            Some(topic) => format!(
                "{} had no subscription to the topic {}. /subscriptions shows what it is told.",
                capital(place),
                escape(topic)
            ),
            None => format!("{} is told of {rest} already.", capital(place)),
        },
    }))
}
