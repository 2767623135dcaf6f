//! `/silence`: something is not told for a time.

use super::About as Help;
use super::jobs::clock;
use crate::access::Asked;
use crate::base::error::{Error, Result};
use crate::base::role::Role;
use crate::base::text::{escape, shorten};
use crate::base::time::{Millis, human};
use crate::chat::alerts::act::may_press;
use crate::chat::alerts::matcher::{self, Known, Matcher, typed};
use crate::chat::alerts::press::AlertPress;
use crate::chat::members;
use crate::chat::reply::Reply;
use crate::chat::request::Request;
use crate::store::silences::{self, About, Silence};
use std::collections::BTreeSet;
use std::time::Duration;

/// What the help says.
pub const ABOUT: Help = Help {
    name: "silence",
    form: "<check | topic:name | all> [host:name] <duration> [reason]",
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
/// The longest reason, and the longest request in the trail, in UTF-16 units.
const REASON: usize = 200;
const NAME: usize = 100;
/// Checks that an answer names.
const SHOWN: usize = 5;

/// Lists silences, or makes one.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn handle(request: &Request, rest: &str) -> Result<Reply> {
    if rest.trim().is_empty() {
        return list(request).await;
    }
    // Whoever may not silence anything need not learn what there is.
    let asked = Asked::new("alert.silence", shorten(rest, NAME), Role::Operator);
    request.allow_first(asked).await?;
    let split = matcher::split(rest)?;
    let known = Known::read(request).await?;
    let matcher = known.meant(&split)?;
    let (time, reason) = match split.time {
        Some(time) => (time, split.rest),
        None => {
            let rest = split.rest.trim_start();
            rest.split_once(char::is_whitespace).unwrap_or((rest, ""))
        }
    };
    if time.is_empty() {
        return Err(Error::refused(
            "For how long? Write a number and a unit, such as /silence disk-root 2h, or 30m, or 1d.",
        ));
    }
    let (time, reason) = (members::time(time)?, reason.trim());
    let matched = matched(&known.matched(&matcher), &matcher);
    let mut made = make(
        request,
        matcher,
        time,
        Some(reason).filter(|words| !words.is_empty()),
    )
    .await?;
    made.html.push_str(&matched);
    Ok(made)
}

/// How many checks are silenced now, unless one was named.
fn matched(names: &BTreeSet<&str>, matcher: &Matcher) -> String {
    let is_name = matches!(&matcher.about, About::Check(name) if !name.contains('*'));
    let shown: Vec<_> = names.iter().take(SHOWN).map(|name| escape(name)).collect();
    let shown = shown.join(", ");
    match names.len() {
        0 => "\nNo check is like that now; one that comes is held back.".to_owned(),
        _ if is_name => String::new(),
        1 => format!("\nNow that is 1 check: {shown}."),
        count if count <= SHOWN => format!("\nNow these are {count} checks: {shown}."),
        count => format!("\nNow these are {count} checks: {shown} …"),
    }
}

/// Makes a silence, with the right to it.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn make(
    request: &Request,
    matcher: Matcher,
    time: Duration,
    reason: Option<&str>,
) -> Result<Reply> {
    let minute = Duration::from_secs(60);
    if !(minute..=LONGEST).contains(&time) {
        return Err(Error::refused("A silence lasts 1m to 30d, such as 2h."));
    }
    let asked = Asked {
        arguments: human(time),
        ..Asked::new("alert.silence", matcher.words(), Role::Operator)
    };
    let grant = request.allow(asked).await?;
    let now = Millis::now();
    let silence = Silence {
        id: 0,
        about: matcher.about,
        host: matcher.host,
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
    let how = "<code>/silence disk-root 2h reason</code> holds back a check; topic:disk a topic, all everything, \
               host:web-1 what is on one machine.";
    let may_end = may_press(request, Role::Operator);
    let how = if may_end { how } else { "" };
    if all.is_empty() {
        return Ok(Reply::html(
            format!("Nothing is silenced.\n{how}").trim_end(),
        ));
    }
    let shown = all.iter().take(20);
    let lines: Vec<_> = shown
        .clone()
        .map(|one| format!("🔕 {}", line(one, now)))
        .collect();
    let rows = shown.filter(|_| may_end).map(|one| {
        let label = format!("End {}", shorten(&typed(one), 30));
        vec![AlertPress::EndSilence(one.id).press().button(label)]
    });
    Ok(Reply::html(format!("{}\n\n{how}", lines.join("\n")).trim_end()).buttons(rows.collect()))
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

fn line(silence: &Silence, now: Millis) -> String {
    let reason = silence.reason.as_deref();
    format!(
        "<b>{}</b> is silent until {} · {}{}",
        escape(&typed(silence)),
        clock(silence.until, now),
        escape(&silence.by.1),
        reason.map_or_else(String::new, |words| format!(" · {}", escape(words)))
    )
}
