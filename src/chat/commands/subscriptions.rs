//! `/subscriptions`: what this place is told.

use super::About;
use super::subscribe::{describe, here, times};
use crate::access::Asked;
use crate::base::error::Result;
use crate::base::role::Role;
use crate::base::text::{capital, escape};
use crate::chat::alerts::act::told_here;
use crate::chat::alerts::press::AlertPress;
use crate::chat::reply::Reply;
use crate::chat::request::Request;
use crate::store::subscriptions::Subscription;

/// What the help says.
pub const ABOUT: About = About {
    name: "subscriptions",
    form: "",
    does: "Show what this chat is told of",
    example: (
        "/subscriptions",
        "shows what this chat, group or topic is told of, with buttons that end it",
    ),
    role: Some(Role::Viewer),
    acts: false,
};

/// Checks that are listed; the rest is counted.
const NAMED: usize = 8;

/// Shows what this place is told.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn handle(request: &Request, _rest: &str) -> Result<Reply> {
    show(request).await
}

/// The same, for other commands.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn show(request: &Request) -> Result<Reply> {
    request
        .allow(Asked::new("alert.subscriptions", "", Role::Viewer))
        .await?;
    let place = request.actor.place;
    let (mine, quiet) = told_here(request).await?;
    let unasked = is_told_unasked(request, &mine);
    let active: Vec<_> = mine.iter().filter(|one| one.least.is_some()).collect();
    let nothing = active.is_empty() && !unasked;
    let mut rows = Vec::new();
    let mut html = match (active.is_empty(), unasked) {
        (true, true) => {
            rows.push(vec![
                AlertPress::Unsubscribe(String::new())
                    .press()
                    .button("Tell me nothing"),
            ]);
            everything_but(&elsewhere(request))
        }
        (true, false) => format!(
            "{} is told of nothing. /subscribe changes that.",
            capital(here(place))
        ),
        (false, _) => {
            let lines: Vec<_> = active
                .iter()
                .map(|one| format!("🔔 {}", escape(&describe(one))))
                .collect();
            format!("{} is told of:\n{}", capital(here(place)), lines.join("\n"))
        }
    };
    for one in active {
        let topic = one.topic.clone().unwrap_or_default();
        let press = match topic.is_empty() {
            true => AlertPress::Unsubscribe(String::new()),
            false => AlertPress::Unsubscribe(topic.clone()),
        };
        let label = match topic.is_empty() {
            true => "End all".to_owned(),
            false => format!("End {topic}"),
        };
        rows.push(vec![press.press().button(label)]);
    }
    if let Some(hours) = quiet {
        let hours = times(&hours);
        html.push_str(&match nothing {
            true => format!("\n🌙 Its quiet hours, {hours}, wait until it is told of something."),
            false => format!("\n🌙 {hours}: only what is critical"),
        });
        rows.push(vec![AlertPress::NoQuiet.press().button("No quiet hours")]);
    }
    Ok(Reply::html(html).buttons(rows))
}

/// What an owner is told who chose nothing, and of which checks others are told.
fn everything_but(elsewhere: &[String]) -> String {
    let rest = match elsewhere {
        [] => String::new(),
        names => {
            let named: Vec<_> = names.iter().take(NAMED).map(|name| escape(name)).collect();
            let more = match names.len().saturating_sub(NAMED) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            format!(
                "\nBut not of {}{more}: these go to those that their <code>notify</code> names, and to whoever subscribed. \
                 /subscribe all brings them here, too.",
                named.join(", ")
            )
        }
    };
    format!("🔔 You are told of everything, as every owner is who chose nothing else.{rest}")
}

/// The checks that name whom to tell, and not this chat.
fn elsewhere(request: &Request) -> Vec<String> {
    let here = request.actor.place.chat;
    let config = request.services.live.current();
    let checks = config.checks.values();
    let others = checks.filter(|check| !check.notify.is_empty() && !check.notify.contains(&here));
    others.map(|check| check.name.to_string()).collect()
}

/// Whether this is the private chat of an owner who chose nothing, and so is told of everything.
#[must_use]
pub fn is_told_unasked(request: &Request, mine: &[Subscription]) -> bool {
    let is_owner = || request.access().own_role(request.actor.id) == Some(Role::Owner);
    mine.is_empty() && request.actor.place.chat.is_private() && is_owner()
}
