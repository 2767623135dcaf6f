//! `/grant`: gives a person a role, or the right to one script, for good or for a time.

use super::{About, users};
use crate::access::{Asked, Change, Wanted};
use crate::actions::script;
use crate::base::error::{Error, Result};
use crate::base::name::Name;
use crate::base::role::Role;
use crate::base::text::shorten;
use crate::base::{suggest, words};
use crate::chat::members;
use crate::chat::message::Author;
use crate::chat::reply::Reply;
use crate::chat::request::Request;
use crate::config::Config;

/// What the help says.
pub const ABOUT: About = About {
    name: "grant",
    form: "<person> <role|script> [time]",
    does: "Give a role, or one script",
    example: (
        "/grant ben deploy 8h",
        "lets ben run the script deploy for eight hours, whatever their role; /grant dora operator makes dora operator. \
         A person is a name, an id or an @username; as an answer to their message, leave the person out",
    ),
    role: Some(Role::Admin),
    acts: true,
};

/// Gives, or shows what could be given.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn handle(request: &Request, rest: &str) -> Result<Reply> {
    let mut typed = words::words(rest).map_err(|error| Error::refused(error.to_string()))?;
    let config = request.services.live.current();
    if typed.is_empty() && request.answers.is_none() {
        return users::list(request, 0, Some("Whom? Press the person.")).await;
    }
    // Whom a word means is told to those alone who may know.
    request
        .allow(Asked::new("member.find", "", Role::Admin))
        .await?;
    let person = person(request, &config, &mut typed).await?;
    let mut typed = typed.into_iter();
    let (what, time, more) = (typed.next(), typed.next(), typed.next());
    let Some(what) = what else {
        return members::show(request, person.id).await;
    };
    if let Some(more) = more {
        let more = shorten(&more, 40);
        return Err(Error::refused(format!(
            "“{more}” is one word too many. Write /grant, a person, a role or script, and a time if it is to end: /grant dora operator 8h"
        )));
    }
    let lasts = time.map(|time| members::time(&time)).transpose()?;
    let until = members::until(lasts)?;
    let user = person.id;
    let change = match (
        Role::parse(&what.to_lowercase()),
        script::find(&config, &what),
    ) {
        (Some(role), _) => Change::Role {
            user,
            name: person.name,
            role,
            until,
        },
        (None, Some(script)) => Change::Script {
            user,
            script: script.name.to_string(),
            needs: script.role,
            until,
        },
        (None, None) => return Err(neither(&config, &what)),
    };
    members::change(request, change).await
}

/// The person meant: the first word, or, in an answer, who wrote what is answered.
///
/// # Errors
/// Refused when nobody is meant, or no person, or a failure of ours.
pub async fn person(request: &Request, config: &Config, typed: &mut Vec<String>) -> Result<Wanted> {
    let means_thing = typed.first().is_none_or(|word| {
        Role::parse(&word.to_lowercase()).is_some() || script::find(config, word).is_some()
    });
    match &request.answers {
        Some(Author::Person { id, name, username }) if means_thing => {
            let chat = request.actor.place.chat;
            request.access().saw(*id, name, username.as_deref(), chat);
            request.access().by_id(*id).await
        }
        Some(Author::AnonymousAdmin) if means_thing => Err(Error::refused(
            "Who wrote that hides as an anonymous admin, so I cannot see who it is.",
        )),
        Some(Author::Nobody) if means_thing => Err(Error::refused(
            "That was written by a bot or a channel. Only persons have rights.",
        )),
        Some(_) | None if typed.is_empty() => {
            Err(Error::refused("Whom? Write a name, an id or an @username."))
        }
        Some(_) | None => request.access().find(&typed.remove(0)).await,
    }
}

fn neither(config: &Config, word: &str) -> Error {
    let mut known = Role::ALL.map(Role::as_str).to_vec();
    known.extend(config.scripts.keys().map(Name::as_str));
    let near = suggest::nearest(word, known);
    let word = shorten(word, 60);
    Error::refused(match near.is_empty() {
        true => format!(
            "“{word}” is neither a role nor a script. Roles are viewer, operator, admin and owner; /run shows the scripts."
        ),
        false => format!(
            "“{word}” is neither a role nor a script. Did you mean {}?",
            near.join(" or ")
        ),
    })
}
