//! `/users`: who has a role, from where, and when they were seen.

use super::About;
use crate::access::Asked;
use crate::base::error::{Error, Result};
use crate::base::role::Role;
use crate::base::text::escape;
use crate::chat::keyboards::{Press, in_pairs};
use crate::chat::members::{ago, describe, paged};
use crate::chat::reply::Reply;
use crate::chat::request::Request;

/// What the help says.
pub const ABOUT: About = About {
    name: "users",
    form: "",
    does: "Show who may use me, and change it",
    example: (
        "/users",
        "lists the persons with their roles; press one to change it",
    ),
    role: Some(Role::Admin),
    acts: false,
};

/// Lists the persons.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn handle(request: &Request, rest: &str) -> Result<Reply> {
    if !rest.is_empty() {
        return Err(Error::refused(
            "Write /users alone. To give somebody a role: /grant, such as /grant dora operator.",
        ));
    }
    list(request, 0, None).await
}

/// A page of the persons, under a heading.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn list(request: &Request, page: usize, heading: Option<&str>) -> Result<Reply> {
    request
        .allow(Asked::new("member.list", "", Role::Admin))
        .await?;
    let all = request.access().directory().await?;
    let count = all.len();
    let (shown, turn) = paged(all, page, Press::Users);
    let buttons = shown
        .iter()
        .map(|person| Press::Person(person.id).button(person.name.clone()));
    let mut rows = in_pairs(buttons.collect());
    rows.extend(turn);
    rows.push(vec![Press::Strangers(0).button("Others who wrote …")]);
    let lines: Vec<_> = shown.iter().map(describe).collect();
    let heading = match (heading, count) {
        (Some(words), _) => words.to_owned(),
        (None, 1) => "One person may use me.".to_owned(),
        (None, many) => format!("{many} persons may use me."),
    };
    Ok(Reply::html(format!("{heading}\n\n{}", lines.join("\n\n"))).buttons(rows))
}

/// A page of those who wrote and have no role.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn strangers(request: &Request, page: usize) -> Result<Reply> {
    request
        .allow(Asked::new("member.list", "others", Role::Admin))
        .await?;
    let all = request.access().strangers().await?;
    if all.is_empty() {
        let back = vec![vec![Press::Users(0).button("‹ All persons")]];
        let words = "Nobody else has written to me. Let them write to me once, or use their id: /grant 123456 viewer";
        return Ok(Reply::plain(words).buttons(back));
    }
    let (shown, turn) = paged(all, page, Press::Strangers);
    let lines: Vec<_> = shown
        .iter()
        .map(|seen| {
            let username = seen.username.as_ref();
            let username = username.map_or(String::new(), |name| format!(" @{}", escape(name)));
            let (name, id) = (escape(&seen.name), seen.id);
            format!("{name}{username} <code>{id}</code> · {}", ago(seen.at))
        })
        .collect();
    let button = |seen: &crate::store::people::Seen| {
        Press::Person(seen.id).button(format!("{} {}", seen.name, seen.id))
    };
    let mut rows = in_pairs(shown.iter().map(button).collect());
    rows.extend(turn);
    rows.push(vec![Press::Users(0).button("‹ All persons")]);
    Ok(Reply::html(format!(
        "They wrote to me and have no role. Their names are their own choice; the number is what counts.\n\n{}",
        lines.join("\n")
    ))
    .buttons(rows))
}
