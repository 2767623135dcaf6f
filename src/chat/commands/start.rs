//! `/start`: greets, says what the caller may do; with the claim code it makes the first owner.

use super::{About, Command};
use crate::access::{INVITE_PREFIX, Invited, Standing};
use crate::base::error::Result;
use crate::base::role::Role;
use crate::base::text::escape;
use crate::chat::reply::Reply;
use crate::chat::request::Request;

/// What the help says.
pub const ABOUT: About = About {
    name: "start",
    form: "",
    does: "Say hello and what you may do",
    example: ("/start", "greets you and lists what you may do"),
    role: None,
    acts: false,
};

/// Greets.
///
/// # Errors
/// A failure of the database while claiming.
pub async fn handle(request: &Request, rest: &str) -> Result<Reply> {
    let access = request.access();
    if !rest.is_empty() && access.claim(&request.actor, rest).await? {
        request.services.roles_changed.notify_one();
        return Ok(Reply::html(format!(
            "Welcome, {}. You are the owner of this bot now, and nobody else can claim it.\n\n{}",
            escape(&request.actor.name),
            what_next(Role::Owner)
        )));
    }
    if rest.starts_with(INVITE_PREFIX)
        && let Some(reply) = invited(request, rest).await?
    {
        return Ok(reply);
    }
    let name = escape(&request.actor.name);
    Ok(
        match access.standing(request.actor.id, request.actor.place) {
            Standing::Known(role) => {
                // Telegram takes a menu only for a chat that it knows, and this may be its first message.
                request.services.roles_changed.notify_one();
                Reply::html(format!(
                    "Hello {name}. You are <b>{role}</b> here.\n\n{}",
                    what_next(role)
                ))
            }
            Standing::UnlistedChat => Reply::html(format!(
                "Hello {name}. This group is not on my list, so I do nothing here. \
             An owner or admin can allow it by /chats allow viewer here, or in the configuration \
             under <code>access.chats</code> with the id <code>{}</code>.",
                request.actor.place.chat
            )),
            Standing::Unknown => stranger(request),
        },
    )
}

/// Uses an invitation. `None` for a stranger's that does not hold: they are turned away like any other.
async fn invited(request: &Request, code: &str) -> Result<Option<Reply>> {
    let (access, actor) = (request.access(), &request.actor);
    let known = access.own_role(actor.id).is_some();
    if !actor.place.chat.is_private() {
        return Ok(known.then(|| {
            Reply::plain(
                "An invitation is used in a private chat with me, not here. Everybody here can read this one now: \
                 withdraw it by /invite and make another.",
            )
        }));
    }
    Ok(match access.accept(actor, code).await? {
        Some(Invited::Made(role)) => {
            request.services.roles_changed.notify_one();
            Some(Reply::html(format!(
                "Welcome, {}. You are <b>{role}</b> now.\n\n{}",
                escape(&actor.name),
                what_next(role)
            )))
        }
        Some(Invited::Already(role)) => Some(Reply::html(format!(
            "You are <b>{role}</b> already. The invitation was not used and can still be given to somebody else."
        ))),
        None if known => Some(bad_invite()),
        None => None,
    })
}

/// What an invitation is answered with that does not hold.
#[must_use]
pub fn bad_invite() -> Reply {
    Reply::plain(
        "This invitation does not hold: it was used, withdrawn, or its time is over. Ask for a new one.",
    )
}

/// What a mistyped claim code is answered with.
#[must_use]
pub fn wrong_code() -> Reply {
    Reply::plain(
        "That is not the code. My log shows the right one; each start of the bot makes a new one.",
    )
}

/// What a stranger is told: how to ask, and nothing else.
#[must_use]
pub fn stranger(request: &Request) -> Reply {
    if request.access().is_unclaimed() {
        return Reply::html(format!(
            "Hello {}. Nobody owns this bot yet, so I do nothing. \
             If it is yours, look into its log: it shows the command that makes you its owner.",
            escape(&request.actor.name)
        ));
    }
    Reply::html(format!(
        "Hello {}. I do not know you, so I do nothing for you.\n\
         If you should have access, give the owner of this bot your id: <code>{}</code>",
        escape(&request.actor.name),
        request.actor.id
    ))
}

fn what_next(role: Role) -> String {
    let may: Vec<_> = Command::of(Some(role))
        .filter(|command| command.about().role.is_some())
        .map(|command| format!("/{}", command.about().name))
        .collect();
    format!("You may use {}. /help explains them.", may.join(" "))
}
