//! Persons in the chat: their page, its buttons, and the changes that follow from them. Shared by the commands about them.

use super::keyboards::{PAGE, Press, in_pairs};
use super::notices::{deed, moment};
use super::offers::{self, CONFIRM_WITHIN, Offer};
use super::reply::Reply;
use super::request::Request;
use crate::access::{Asked, By, Change, Origin, OwnRight, Person, may_give};
use crate::base::error::{Error, Result};
use crate::base::ids::UserId;
use crate::base::role::Role;
use crate::base::text::{capital, escape, head_units, shorten};
use crate::base::time::{self, Millis};
use crate::config::Script;
use crate::delivery::{Button, Buttons};
use crate::store::members::Source;
use std::time::Duration;

/// The times that buttons offer, in hours; 0 is for good.
const TIMES: [(u32, &str); 5] = [
    (0, "For good"),
    (1, "1 hour"),
    (8, "8 hours"),
    (24, "1 day"),
    (168, "7 days"),
];
/// A role or right with an end lasts at least so long, and at most so long.
const LASTS: (Duration, Duration) = (
    Duration::from_secs(60),
    Duration::from_secs(366 * 24 * 3600),
);

/// Reads a time as typed.
///
/// # Errors
/// Refused when it is none.
pub fn time(word: &str) -> Result<Duration> {
    time::parse_duration(word).map_err(|_| {
        let word = shorten(word, 40);
        Error::refused(format!(
            "“{word}” is not a time. Write a number and a unit, such as 30m, 8h or 2d."
        ))
    })
}

/// When something ends that lasts so long; `None` for never.
///
/// # Errors
/// Refused when it is too short or too long.
pub fn until(lasts: Option<Duration>) -> Result<Option<Millis>> {
    let (shortest, longest) = LASTS;
    match lasts {
        None => Ok(None),
        Some(lasts) if (shortest..=longest).contains(&lasts) => Ok(Some(Millis::now().plus(lasts))),
        Some(_) => Err(Error::refused(
            "A role or right lasts 1m to 366d, such as 8h; without a time it is for good.",
        )),
    }
}

/// The same, of a button's hours.
fn hours(hours: u32) -> Result<Option<Millis>> {
    let lasts = (hours > 0).then(|| Duration::from_secs(u64::from(hours) * 3600));
    until(lasts)
}

/// Makes a change, or asks first when it is a dangerous one.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn change(request: &Request, change: Change) -> Result<Reply> {
    let would = request.access().would(&by(request, &change), &change);
    let Some(done) = would.filter(|done| change.is_dangerous(done.before)) else {
        return carry_out(request, change, None).await;
    };
    let question = format!("Shall this be done?\n{}", deed(&done));
    let intent = offers::keep(request, &Offer::Change(change), CONFIRM_WITHIN).await?;
    Ok(Reply::html(question).buttons(vec![vec![
        Press::Confirm(intent.clone()).button("Do it"),
        Press::Drop(intent).button("Drop"),
    ]]))
}

/// Makes a change, with the rights of this moment; as the answer to a question when there was one.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn carry_out(request: &Request, change: Change, intent: Option<&str>) -> Result<Reply> {
    let by = by(request, &change);
    let done = request.access().change_once(&by, change, intent).await?;
    request.services.roles_changed.notify_one();
    Ok(Reply::html(deed(&done)))
}

/// About groups, a person has the role that they have in private: the group itself is what is decided about.
fn by(request: &Request, change: &Change) -> By {
    let actor = request.actor.clone();
    match change {
        Change::Chat { .. } | Change::NoChat { .. } => By::Privately(actor),
        Change::Role { .. }
        | Change::NoRole { .. }
        | Change::Script { .. }
        | Change::NoScript { .. } => By::Person(actor),
    }
}

/// The page of a person: who they are, and what the asker may change.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn show(request: &Request, user: UserId) -> Result<Reply> {
    let asked = Asked::new("member.show", user.to_string(), Role::Admin);
    let own = request.allow(asked).await?.role();
    let access = request.access();
    let person = access.look_up(user).await?;
    let mut rows = Buttons::new();
    let html = match &person {
        Some(person) => describe(person),
        None => {
            let wanted = access.by_id(user).await?;
            format!(
                "<b>{}</b> <code>{user}</code>\nno role",
                escape(&wanted.name)
            )
        }
    };
    let role = person.as_ref().map(|person| person.role);
    let fixed = person.as_ref().is_some_and(|p| p.origin == Origin::File);
    let may = role.is_none_or(|role| may_give(own, role)) && user != request.actor.id;
    if may && !fixed {
        let roles = Role::ALL.into_iter().filter(|one| may_give(own, *one));
        let buttons = roles.map(|one| Press::Lend(user, one).button(capital(one.as_str())));
        rows.extend(in_pairs(buttons.collect()));
    }
    if may && role.is_some() {
        let mut row = vec![Press::Rights(user, 0).button("Scripts …")];
        if !fixed {
            row.push(Press::Revoke(user).button("Take the role"));
        }
        rows.push(row);
    }
    rows.push(vec![Press::Users(0).button("‹ All persons")]);
    Ok(Reply::html(html).buttons(rows))
}

/// Asks for how long somebody is to be something.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn lend(request: &Request, user: UserId, role: Role) -> Result<Reply> {
    allow(request, user).await?;
    let wanted = request.access().by_id(user).await?;
    let time = |(hours, label): (u32, &str)| Press::Give(user, role, hours).button(label);
    Ok(Reply::html(format!(
        "For how long is <b>{}</b> to be {role}?",
        escape(&wanted.name)
    ))
    .buttons(times(time, user)))
}

/// The same for the right to a script.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn lend_script(request: &Request, user: UserId, script: &str) -> Result<Reply> {
    allow(request, user).await?;
    let wanted = request.access().by_id(user).await?;
    let time = |(hours, label): (u32, &str)| {
        Press::GiveScript(user, script.to_owned(), hours).button(label)
    };
    Ok(Reply::html(format!(
        "For how long may <b>{}</b> run {}?",
        escape(&wanted.name),
        escape(script)
    ))
    .buttons(times(time, user)))
}

fn times(button: impl Fn((u32, &str)) -> Button, user: UserId) -> Buttons {
    let mut rows = in_pairs(TIMES.into_iter().map(button).collect());
    rows.push(vec![Press::Person(user).button("‹ Back")]);
    rows
}

async fn allow(request: &Request, user: UserId) -> Result<Role> {
    let asked = Asked::new("member.show", user.to_string(), Role::Admin);
    Ok(request.allow(asked).await?.role())
}

/// Gives a role, as a button says.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn give(request: &Request, user: UserId, role: Role, for_hours: u32) -> Result<Reply> {
    let name = request.access().by_id(user).await?.name;
    let until = hours(for_hours)?;
    change(
        request,
        Change::Role {
            user,
            name,
            role,
            until,
        },
    )
    .await
}

/// Gives the right to a script, as a button says.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn give_script(
    request: &Request,
    user: UserId,
    script: &str,
    for_hours: u32,
) -> Result<Reply> {
    let config = request.services.live.current();
    let found = crate::actions::script::find(&config, script);
    let found = found.ok_or_else(|| Error::refused("That script is not configured any more."))?;
    let until = hours(for_hours)?;
    change(
        request,
        Change::Script {
            user,
            script: found.name.to_string(),
            needs: found.role,
            until,
        },
    )
    .await
}

/// No more notices of a stranger.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn ignore(request: &Request, user: UserId) -> Result<Reply> {
    let asked = Asked::new("knock.ignore", user.to_string(), Role::Admin);
    let grant = request.allow(asked).await?;
    request.access().ignore(&grant, user).await?;
    Ok(Reply::html(format!(
        "You hear no more of <code>{user}</code>. The audit trail goes on to count what they send."
    )))
}

/// A page of the scripts that the asker may give to somebody, and those that were given.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn rights(request: &Request, user: UserId, page: usize) -> Result<Reply> {
    let own = allow(request, user).await?;
    let Some(person) = request.access().look_up(user).await? else {
        return Err(Error::refused("They have no role. Give one first."));
    };
    let config = request.services.live.current();
    let has = |name: &str| person.rights.iter().find(|right| right.script == name);
    let may = |script: &&Script| {
        has(script.name.as_str()).is_none() && script.role <= own && script.role > person.role
    };
    let given = person.rights.iter().filter(|right| !right.fixed);
    let take = given.map(|right| {
        let press = Press::RevokeScript(user, right.script.clone());
        press.button(format!("✖ {}", right.script))
    });
    let give = config.scripts.values().filter(may).map(|script| {
        let name = script.name.to_string();
        Press::LendScript(user, name.clone()).button(format!("＋ {name}"))
    });
    let all: Vec<Button> = take.chain(give).collect();
    let heading = match all.is_empty() {
        true => "There is no script that you could give them beyond their role.",
        false => "Press a script to let them run it whatever their role; ✖ takes it back.",
    };
    let (shown, turn) = paged(all, page, |page| Press::Rights(user, page));
    let mut rows = in_pairs(shown);
    rows.extend(turn);
    rows.push(vec![Press::Person(user).button("‹ Back")]);
    Ok(Reply::html(format!("{}\n\n{heading}", describe(&person))).buttons(rows))
}

/// Of all entries those of a page, and the row that turns to the others.
#[must_use]
pub fn paged<T>(
    all: Vec<T>,
    page: usize,
    turn_to: impl Fn(usize) -> Press,
) -> (Vec<T>, Option<Vec<Button>>) {
    let pages = all.len().div_ceil(PAGE).max(1);
    let page = page.min(pages - 1);
    let shown = all.into_iter().skip(page * PAGE).take(PAGE).collect();
    let mut turn = Vec::new();
    if page > 0 {
        turn.push(turn_to(page - 1).button("‹ Back"));
    }
    if page + 1 < pages {
        turn.push(turn_to(page + 1).button(format!("More › {}/{pages}", page + 1)));
    }
    (shown, Some(turn).filter(|turn| !turn.is_empty()))
}

/// A person in a few lines.
#[must_use]
pub fn describe(person: &Person) -> String {
    let username = person.username.as_ref();
    let username = username.map_or(String::new(), |name| format!(" @{}", escape(name)));
    let seen = match person.seen {
        Some(at) => format!("seen {}", ago(at)),
        None => "not seen yet".to_owned(),
    };
    let until = match person.until {
        Some((end, Some(role))) => format!(" until {}, then {role}", moment(end)),
        Some((end, None)) => format!(" until {}", moment(end)),
        None => String::new(),
    };
    let mut html = format!(
        "<b>{}</b>{username} <code>{}</code>\n{}{until} · {} · {seen}",
        escape(&person.name),
        person.id,
        person.role,
        origin(&person.origin)
    );
    if let Some(role) = person.dormant {
        html.push_str(&format!(
            "\n{role} again when the configuration no longer names them"
        ));
    }
    if !person.rights.is_empty() {
        let rights: Vec<_> = person.rights.iter().map(right).collect();
        html.push_str(&format!(
            "\nmay run {}",
            head_units(&rights.join(", "), 300)
        ));
    }
    html
}

fn right(right: &OwnRight) -> String {
    match (right.fixed, right.until) {
        (true, _) => format!("{} (configuration)", escape(&right.script)),
        (false, Some(end)) => format!("{} until {}", escape(&right.script), moment(end)),
        (false, None) => escape(&right.script),
    }
}

/// Where a role or ceiling comes from, in words.
#[must_use]
pub fn origin(origin: &Origin) -> String {
    let on = |at: Millis| moment(at);
    match origin {
        Origin::File => "from the configuration".to_owned(),
        Origin::Stored(Source::Claimed, given) => format!("claimed {}", on(given.at)),
        Origin::Stored(Source::Granted, given) => {
            format!("by {} {}", escape(&given.by_name), on(given.at))
        }
        Origin::Stored(Source::Invited, given) => {
            format!("invited by {} {}", escape(&given.by_name), on(given.at))
        }
    }
}

/// How long ago something was.
#[must_use]
pub fn ago(at: Millis) -> String {
    let since = Millis::now().since(at);
    match since.as_secs() {
        0..60 => "just now".to_owned(),
        60..86_400 => {
            let whole = Duration::from_secs(since.as_secs() / 60 * 60);
            format!("{} ago", time::human(whole))
        }
        _ => moment(at),
    }
}
