//! `/invite`: makes a link that lets one person in, once.

use super::About;
use crate::access::{Asked, By, may_give};
use crate::base::error::{Error, Result};
use crate::base::role::Role;
use crate::base::text::{capital, escape, shorten};
use crate::base::time::Millis;
use crate::chat::keyboards::{Press, in_pairs};
use crate::chat::members::time;
use crate::chat::notices::moment;
use crate::chat::reply::Reply;
use crate::chat::request::Request;
use std::time::Duration;

/// What the help says.
pub const ABOUT: About = About {
    name: "invite",
    form: "[role] [time]",
    does: "Make a link that lets somebody in once",
    example: (
        "/invite operator 2d",
        "makes a link that stands for two days; whoever presses Start there first becomes operator. \
         /invite alone shows the open ones",
    ),
    role: Some(Role::Admin),
    acts: true,
};

/// The times that buttons offer, in hours.
const TIMES: [(u32, &str); 4] = [
    (1, "1 hour"),
    (24, "1 day"),
    (72, "3 days"),
    (168, "7 days"),
];
/// How long an invitation stands when nothing is said.
const USUAL: Duration = Duration::from_secs(24 * 3600);

/// Makes an invitation, or shows those that are open.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn handle(request: &Request, rest: &str) -> Result<Reply> {
    let typed: Vec<&str> = rest.split_whitespace().collect();
    let (role, time) = match typed.as_slice() {
        [] => return list(request).await,
        [role] => (role, USUAL),
        [role, typed] => (role, time(typed)?),
        [_, _, more, ..] => {
            let more = shorten(more, 40);
            return Err(Error::refused(format!(
                "“{more}” is one word too many. Write /invite, a role and a time: /invite operator 2d"
            )));
        }
    };
    let Some(known) = Role::parse(&role.to_lowercase()) else {
        let role = shorten(role, 40);
        return Err(Error::refused(format!(
            "“{role}” is not a role. Roles are viewer, operator, admin and owner: /invite operator 2d"
        )));
    };
    make(request, known, time).await
}

/// Makes an invitation.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn make(request: &Request, role: Role, within: Duration) -> Result<Reply> {
    in_private(request)?;
    let bot = request.services.bot_name.get();
    let bot = bot.ok_or_else(|| anyhow::anyhow!("the bot's own name is not known yet"))?;
    let by = By::Person(request.actor.clone());
    let (id, code) = request.access().invite(&by, role, within).await?;
    let end = Millis::now().plus(within);
    Ok(Reply::html(format!(
        "Send this to one person. Whoever presses Start there first is <b>{role}</b>; it works once, until {}.\n\n\
         https://t.me/{}?start={}",
        moment(end),
        escape(bot),
        escape(&code)
    ))
    .buttons(vec![vec![Press::Withdraw(id).button("Withdraw it")]])
    .secret("The link could not be shown, so nobody has it. Withdraw it by /invite and make another."))
}

/// The same by the hours of a button.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn pressed(request: &Request, role: Role, hours: u32) -> Result<Reply> {
    make(request, role, Duration::from_secs(u64::from(hours) * 3600)).await
}

/// Asks for how long an invitation is to stand.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn times(request: &Request, role: Role) -> Result<Reply> {
    request
        .allow(Asked::new("invite.list", "", Role::Admin))
        .await?;
    let button = |(hours, label)| Press::Invite(role, hours).button(label);
    let words = format!("How long is the invitation as {role} to stand?");
    Ok(Reply::plain(&words).buttons(in_pairs(TIMES.into_iter().map(button).collect())))
}

/// Withdraws an invitation.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn withdraw(request: &Request, id: i64) -> Result<Reply> {
    let by = By::Person(request.actor.clone());
    Ok(Reply::plain(
        match request.access().withdraw(&by, id).await? {
            true => "The invitation is withdrawn. Its link lets nobody in any more.",
            false => {
                "That invitation is not open any more: it was used, withdrawn, or its time is over."
            }
        },
    ))
}

async fn list(request: &Request) -> Result<Reply> {
    let asked = Asked::new("invite.list", "", Role::Admin);
    let own = request.allow(asked).await?.role();
    in_private(request)?;
    let open = request.access().invitations().await?;
    let roles = Role::ALL.into_iter().filter(|role| may_give(own, *role));
    let roles = roles.map(|role| Press::InviteAs(role).button(capital(role.as_str())));
    let mut rows = in_pairs(roles.collect());
    let mut html = "As what is somebody to be invited?".to_owned();
    if !open.is_empty() {
        html.push_str(&format!("\n\nOpen invitations: {}", open.len()));
    }
    // As many as a message holds well; the others stand until they lapse.
    for invite in open.iter().take(20) {
        html.push_str(&format!(
            "\n{}. {} by {}, until {}",
            invite.id,
            invite.role,
            escape(&invite.given.by_name),
            moment(invite.expires_at)
        ));
        rows.push(vec![
            Press::Withdraw(invite.id).button(format!("Withdraw {}", invite.id)),
        ]);
    }
    Ok(Reply::html(html).buttons(rows))
}

fn in_private(request: &Request) -> Result<()> {
    match request.actor.place.chat.is_private() {
        true => Ok(()),
        false => Err(Error::refused(
            "Invitations are made in our private chat, so that nobody else here takes the link.",
        )),
    }
}
