//! `/silence`: something is not told for a time.

use super::About as Help;
use super::jobs::clock;
use crate::access::Asked;
use crate::base::error::{Error, Result};
use crate::base::role::Role;
use crate::base::text::{escape, shorten};
use crate::base::time::{Millis, human};
use crate::chat::alerts::press::AlertPress;
use crate::chat::members;
use crate::chat::reply::Reply;
use crate::chat::request::Request;
use crate::chat::watched;
use crate::store::silences::{self, About, Silence};
use std::time::Duration;

/// What the help says.
pub const ABOUT: Help = Help {
    name: "silence",
    form: "<check | topic:name | all> <duration> [reason]",
    does: "Hold alerts back for a time",
    example: (
        "/silence disk-* 2h cleaning up",
        "holds back the alerts of these checks; then one message says what there was. Alone it lists silences",
    ),
    role: Some(Role::Operator),
    acts: true,
};

/// The longest silence; what is to be silent for good should not be checked.
const LONGEST: Duration = Duration::from_secs(30 * 24 * 3600);
/// The longest reason and the longest name, in UTF-16 units.
const REASON: usize = 200;
const NAME: usize = 100;

/// Lists silences, or makes one.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn handle(request: &Request, rest: &str) -> Result<Reply> {
    let mut words = rest
        .splitn(3, char::is_whitespace)
        .filter(|word| !word.is_empty());
    let (Some(what), time) = (words.next(), words.next()) else {
        return list(request).await;
    };
    let reason = words
        .next()
        .map(str::trim)
        .filter(|words| !words.is_empty());
    let about = about(what)?;
    let watched = watched::check(request, &about)?;
    let Some(time) = time else {
        let what = name(&about);
        return Err(Error::refused(format!(
            "For how long? Write a number and a unit: /silence {what} 2h, or 30m, or 1d."
        )));
    };
    let mut reply = make(request, about, members::time(time)?, reason).await?;
    if let Some(note) = watched {
        reply.html = format!("{}\n{}", reply.html, escape(&note));
    }
    Ok(reply)
}

fn about(what: &str) -> Result<About> {
    let what = shorten(what, NAME).into_owned();
    Ok(match what.split_once(':') {
        Some(("topic", "")) => {
            return Err(Error::refused(
                "Which topic? Write it behind the colon, such as topic:disk.",
            ));
        }
        Some(("topic", topic)) => About::Topic(topic.to_lowercase()),
        Some(_) | None if what.eq_ignore_ascii_case("all") => About::All,
        Some(_) | None => About::Check(what),
    })
}

/// Makes a silence, with the right to it.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn make(
    request: &Request,
    about: About,
    time: Duration,
    reason: Option<&str>,
) -> Result<Reply> {
    let minute = Duration::from_secs(60);
    if !(minute..=LONGEST).contains(&time) {
        return Err(Error::refused("A silence lasts 1m to 30d, such as 2h."));
    }
    let asked = Asked {
        arguments: human(time),
        ..Asked::new("alert.silence", name(&about), Role::Operator)
    };
    let grant = request.allow(asked).await?;
    let now = Millis::now();
    let silence = Silence {
        id: 0,
        about,
        host: None,
        until: now.plus(time),
        reason: reason.map(|words| shorten(words, REASON).into_owned()),
        by: (request.actor.id, request.actor.name.clone()),
    };
    let made = request
        .services
        .incidents
        .silence(&grant, silence, now)
        .await?;
    Ok(Reply::html(format!(
        "🔕 {}\nWhat happens until then is told in one message.",
        line(&made, now)
    ))
    .buttons(vec![vec![
        AlertPress::EndSilence(made.id).press().button("End it now"),
    ]]))
}

/// The silences, with a button each that ends it.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn list(request: &Request) -> Result<Reply> {
    request
        .allow(Asked::new("alert.silence.list", "", Role::Viewer))
        .await?;
    let now = Millis::now();
    let all = {
        let mut db = request.services.store.read().await?;
        silences::lasting(&mut db, now).await?
    };
    let how = "<code>/silence disk-root 2h reason</code> holds back a check; topic:disk a topic, all everything.";
    if all.is_empty() {
        return Ok(Reply::html(format!("Nothing is silenced.\n{how}")));
    }
    let shown = all.iter().take(20);
    let lines: Vec<_> = shown
        .clone()
        .map(|one| format!("🔕 {}", line(one, now)))
        .collect();
    let rows = shown.map(|one| {
        let label = format!("End {}", shorten(&name(&one.about), 30));
        vec![AlertPress::EndSilence(one.id).press().button(label)]
    });
    Ok(Reply::html(format!("{}\n\n{how}", lines.join("\n"))).buttons(rows.collect()))
}

/// Ends a silence.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn end(request: &Request, id: i64) -> Result<Reply> {
    let asked = Asked::new("alert.silence.end", id.to_string(), Role::Operator);
    let grant = request.allow(asked).await?;
    let incidents = &request.services.incidents;
    Ok(
        match incidents.end_silence(&grant, id, Millis::now()).await? {
            true => {
                Reply::plain("The silence has ended. If anything was held back, it is told now.")
            }
            false => Reply::plain("That silence had ended already."),
        },
    )
}

fn name(about: &About) -> String {
    match about {
        About::All => "all".to_owned(),
        About::Check(pattern) => pattern.clone(),
        About::Topic(topic) => format!("topic:{topic}"),
    }
}

fn line(silence: &Silence, now: Millis) -> String {
    let reason = silence.reason.as_deref();
    format!(
        "<b>{}</b> is silent until {} · {}{}",
        escape(&name(&silence.about)),
        clock(silence.until, now),
        escape(&silence.by.1),
        reason.map_or_else(String::new, |words| format!(" · {}", escape(words)))
    )
}
