//! `/chats`: the groups and topics, and the most that anyone may do in them.

use super::About;
use crate::access::{Asked, Change, Group, Origin};
use crate::base::error::{Error, Result};
use crate::base::ids::{ChatId, Place};
use crate::base::role::Role;
use crate::base::text::{capital, escape, shorten};
use crate::chat::keyboards::{Press, in_pairs};
use crate::chat::members::{self, paged};
use crate::chat::reply::Reply;
use crate::chat::request::Request;

/// What the help says.
pub const ABOUT: About = About {
    name: "chats",
    form: "[allow <role> | remove] [topic | id]",
    does: "Show the groups, allow or remove one",
    example: (
        "/chats allow viewer",
        "in a group: lets everybody known look here, and nobody do more; with “topic” it is about this topic alone",
    ),
    role: Some(Role::Admin),
    acts: true,
};

/// Shows the groups, or changes one.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn handle(request: &Request, rest: &str) -> Result<Reply> {
    let lower = rest.to_lowercase();
    let typed: Vec<&str> = lower.split_whitespace().collect();
    match typed.as_slice() {
        [] => list(request, 0).await,
        ["allow", role, which @ ..] => {
            let known = Role::parse(role).ok_or_else(|| {
                let role = shorten(role, 40);
                Error::refused(format!(
                    "“{role}” is not a role. Roles are viewer, operator, admin and owner: /chats allow viewer"
                ))
            })?;
            let place = meant(request, which)?;
            members::change(request, Change::Chat { place, role: known }).await
        }
        ["remove", which @ ..] => {
            let place = meant(request, which)?;
            members::change(request, Change::NoChat { place }).await
        }
        [..] => Err(usage()),
    }
}

/// The group meant: this one, this topic of it, or the one of this id.
fn meant(request: &Request, which: &[&str]) -> Result<Place> {
    let here = request.actor.place;
    match which {
        [] if here.chat.is_private() => Err(Error::refused(
            "Which group? Write this in the group, or add its id. /chats shows them.",
        )),
        [] => Ok(Place {
            thread: None,
            ..here
        }),
        ["topic"] if here.thread.is_some() => Ok(here),
        ["topic"] => Err(Error::refused(
            "Write this in the topic that is meant. General has no number of its own; it is like its group.",
        )),
        [id] => {
            let id = id.parse().ok().filter(|id| (-(1 << 52)..0).contains(id));
            let chat = id.map(ChatId).ok_or_else(usage)?;
            Ok(Place { chat, thread: None })
        }
        [..] => Err(usage()),
    }
}

fn usage() -> Error {
    Error::refused(
        "Write /chats alone to see the groups; in a group /chats allow viewer, or /chats remove. \
         For one topic add “topic”, for another group its id.",
    )
}

/// A page of the groups.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn list(request: &Request, page: usize) -> Result<Reply> {
    request
        .allow(Asked::new("chat.list", "", Role::Admin))
        .await?;
    let all = request.access().groups().await?;
    if all.is_empty() {
        return Ok(Reply::plain(
            "I am in no group. Add me to one and write /chats allow viewer there.",
        ));
    }
    let (shown, turn) = paged(all, page, Press::Groups);
    let lines: Vec<_> = shown.iter().map(describe).collect();
    let whole = shown.iter().filter(|group| group.place.thread.is_none());
    let buttons = whole.map(|group| Press::Group(group.place.chat).button(title(group)));
    let mut rows = in_pairs(buttons.collect());
    rows.extend(turn);
    Ok(Reply::html(lines.join("\n\n")).buttons(rows))
}

/// The page of a group.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn show(request: &Request, chat: ChatId) -> Result<Reply> {
    let asked = Asked::new("chat.list", chat.to_string(), Role::Admin);
    let own = request.allow(asked).await?.role();
    let all = request.access().groups().await?;
    let found = all
        .iter()
        .find(|group| group.place.chat == chat && group.place.thread.is_none());
    let group = found.ok_or_else(|| Error::refused("I know nothing of that group."))?;
    let mut rows = Vec::new();
    if group.origin != Some(Origin::File) {
        let roles = Role::ALL.into_iter().filter(|role| *role <= own);
        let buttons = roles.map(|role| {
            let words = format!("At most {}", capital(role.as_str()).to_lowercase());
            Press::Allow(chat, role).button(words)
        });
        rows.extend(in_pairs(buttons.collect()));
        if group.origin.is_some() {
            rows.push(vec![Press::Remove(chat).button("Take it off the list")]);
        }
    }
    if group.present == Some(true) {
        rows.push(vec![Press::Leave(chat).button("Leave it")]);
    }
    rows.push(vec![Press::Groups(0).button("‹ All groups")]);
    Ok(Reply::html(describe(group)).buttons(rows))
}

/// Leaves a group.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn leave(request: &Request, chat: ChatId) -> Result<Reply> {
    request
        .allow(Asked::new("chat.leave", chat.to_string(), Role::Admin))
        .await?;
    match request.services.outbox.leave(chat).await {
        Ok(()) => Ok(Reply::html(format!(
            "I left the group <code>{chat}</code>."
        ))),
        Err(error) => {
            tracing::info!(%chat, %error, "a group could not be left");
            Err(Error::refused(
                "Telegram says that I cannot leave it; perhaps I am not in it any more.",
            ))
        }
    }
}

fn title(group: &Group) -> String {
    match (group.title.as_str(), group.place.thread) {
        ("", Some(topic)) => format!("topic {topic}"),
        ("", None) => group.place.chat.to_string(),
        (title, _) => title.to_owned(),
    }
}

fn describe(group: &Group) -> String {
    let id = match group.place.thread {
        Some(topic) => format!("topic {topic} of <code>{}</code>", group.place.chat),
        None => format!("<code>{}</code>", group.place.chat),
    };
    let most = match (&group.ceiling, &group.origin) {
        (Some(role), Some(origin)) => format!("at most {role} · {}", members::origin(origin)),
        (Some(role), None) => format!("at most {role}, like its group"),
        (None, _) => "not on the list".to_owned(),
    };
    let away = match group.present {
        Some(false) => " · I am not in it",
        Some(true) | None => "",
    };
    format!("<b>{}</b> {id}\n{most}{away}", escape(&title(group)))
}
