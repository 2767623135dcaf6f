//! `/subscribe`: a person, group or topic is told of incidents.

use super::About;
use super::subscriptions::is_told_unasked;
use crate::access::{Asked, Grant};
use crate::base::alert::Severity;
use crate::base::error::{Error, Result};
use crate::base::ids::Place;
use crate::base::role::Role;
use crate::base::text::{capital, escape, shorten};
use crate::base::time::Millis;
use crate::base::when::Zone;
use crate::chat::alerts::act::told_here;
use crate::chat::alerts::press::AlertPress;
use crate::chat::reply::Reply;
use crate::chat::request::Request;
use crate::chat::watched;
use crate::store::subscriptions::{QuietHours, Subscription};
use chrono::{NaiveTime, Timelike};

/// What the help says.
pub const ABOUT: About = About {
    name: "subscribe",
    form: "[topic] [warning | critical] [quiet 22:00-07:00 [zone]]",
    does: "Be told of incidents here",
    example: (
        "/subscribe disk critical quiet 22:00-07:00",
        "tells this chat when a disk is critical; at night only what is critical passes in any case",
    ),
    role: Some(Role::Viewer),
    acts: true,
};

/// The longest name of a topic, so that it fits a button.
const TOPIC: usize = 32;

/// What was typed.
#[derive(Debug, Default, PartialEq, Eq)]
struct Typed {
    topic: Option<String>,
    least: Option<Severity>,
    all: bool,
    quiet: Option<(u16, u16, String)>,
    no_quiet: bool,
}

/// Subscribes, or explains.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn handle(request: &Request, rest: &str) -> Result<Reply> {
    let typed = read(rest)?;
    if typed == Typed::default() {
        return ask(request).await;
    }
    if typed.no_quiet {
        return no_quiet(request).await;
    }
    let note = match &typed.topic {
        Some(topic) => watched::topic(request, topic)?,
        None => None,
    };
    let only_quiet =
        typed.quiet.is_some() && typed.topic.is_none() && typed.least.is_none() && !typed.all;
    let wanted = (!only_quiet).then(|| Subscription {
        place: request.actor.place,
        topic: typed.topic,
        least: Some(typed.least.unwrap_or(Severity::Warning)),
    });
    let quiet = typed.quiet.map(|(from, to, zone)| QuietHours {
        place: request.actor.place,
        from,
        to,
        zone,
    });
    let mut reply = subscribe(request, wanted, quiet).await?;
    if let Some(note) = note {
        reply.html = format!("{}\n{}", reply.html, escape(&note));
    }
    Ok(reply)
}

async fn ask(request: &Request) -> Result<Reply> {
    let asked = Asked::new("alert.subscriptions", "", Role::Viewer);
    request.allow(asked).await?;
    Ok(Reply::html(format!(
        "What is {} to be told of? For one topic write <code>/subscribe disk</code>, for quiet nights \
         <code>/subscribe quiet 22:00-07:00</code>.",
        here(request.actor.place)
    ))
    .buttons(vec![
        vec![AlertPress::Subscribe(false).press().button("Everything")],
        vec![AlertPress::Subscribe(true).press().button("Only what is critical")],
    ]))
}

/// Subscribes to every topic, as a button says.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn pressed(request: &Request, critical: bool) -> Result<Reply> {
    let least = match critical {
        true => Severity::Critical,
        false => Severity::Warning,
    };
    let wanted = Subscription {
        place: request.actor.place,
        topic: None,
        least: Some(least),
    };
    subscribe(request, Some(wanted), None).await
}

async fn subscribe(
    request: &Request,
    wanted: Option<Subscription>,
    quiet: Option<QuietHours>,
) -> Result<Reply> {
    let words = wanted.as_ref().map(describe);
    let grant = allow(
        request,
        "alert.subscribe",
        words.as_deref().unwrap_or("quiet hours"),
    )
    .await?;
    let (mine, _) = told_here(request).await?;
    let had_all = is_told_unasked(request, &mine);
    let incidents = &request.services.incidents;
    let changed = incidents
        .subscribe(&grant, wanted.as_ref(), quiet.as_ref(), Millis::now())
        .await?;
    let place = here(request.actor.place);
    let mut html = match (&words, changed) {
        (Some(words), true) => format!("🔔 From now on {place} is told of {}.", escape(words)),
        (Some(words), false) => format!(
            "🔔 {} is told of {} already.",
            capital(place),
            escape(words)
        ),
        (None, true) => String::new(),
        (None, false) => "It is so already. ".to_owned(),
    };
    let is_all = |one: &Subscription| one.topic.is_none() && one.least == Some(Severity::Warning);
    if had_all && wanted.as_ref().is_some_and(|one| !is_all(one)) {
        html.push_str(
            "\nUntil now you were told of everything, as every owner is who chose nothing else. /subscribe all brings that \
             back.",
        );
    }
    if let Some(hours) = &quiet {
        html.push_str(&format!(
            "\n🌙 {}: only what is critical; the rest is told in one message when they end.",
            times(hours)
        ));
        let (mine, _) = told_here(request).await?;
        let told = mine.iter().any(|one| one.least.is_some());
        if !told && !is_told_unasked(request, &mine) {
            html.push_str(&format!(
                "\nYet {place} is told of nothing. /subscribe changes that."
            ));
        }
    }
    Ok(Reply::html(html.trim_start()))
}

/// Ends the quiet hours of this place.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn no_quiet(request: &Request) -> Result<Reply> {
    let grant = allow(request, "alert.subscribe", "no quiet hours").await?;
    let incidents = &request.services.incidents;
    Ok(
        match incidents.no_quiet(&grant, request.actor.place).await? {
            true => Reply::plain("There are no quiet hours here any more."),
            false => Reply::plain("There are no quiet hours here already."),
        },
    )
}

/// In a group it is everybody's matter: an admin decides. For oneself, everybody does.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn allow(request: &Request, action: &'static str, what: &str) -> Result<Grant> {
    let need = match request.actor.place.chat.is_private() {
        true => Role::Viewer,
        false => Role::Admin,
    };
    // The group's own ceiling is about what is done there; what it is told is the admin's to say.
    match request.actor.place.chat.is_private() {
        true => request.allow(Asked::new(action, what, need)).await,
        false => {
            request
                .allow_first(Asked::new(action, what, Role::Viewer))
                .await?;
            let mut privately = request.actor.clone();
            privately.place = Place {
                chat: crate::base::ids::ChatId(request.actor.id.0),
                thread: None,
            };
            request
                .allow_as(&privately, Asked::new(action, what, need))
                .await
        }
    }
}

/// The place, as people there say it.
#[must_use]
pub fn here(place: Place) -> &'static str {
    match (place.chat.is_private(), place.thread) {
        (true, _) => "this chat",
        (false, Some(_)) => "this topic",
        (false, None) => "this group",
    }
}

/// What a subscription is about, in plain text.
#[must_use]
pub fn describe(one: &Subscription) -> String {
    match (one.least, &one.topic) {
        (Some(Severity::Warning), None) => "everything".to_owned(),
        (Some(Severity::Warning), Some(topic)) => format!("everything about {topic}"),
        (Some(Severity::Critical), None) => "everything that is critical".to_owned(),
        (Some(Severity::Critical), Some(topic)) => format!("what is critical about {topic}"),
        (None, _) => "nothing".to_owned(),
    }
}

/// Quiet hours, in plain text.
#[must_use]
pub fn times(hours: &QuietHours) -> String {
    let clock = |minutes: u16| format!("{:02}:{:02}", minutes / 60, minutes % 60);
    let zone = match hours.zone.as_str() {
        "" => "the server’s time",
        zone => zone,
    };
    format!("{}–{} ({zone})", clock(hours.from), clock(hours.to))
}

fn read(rest: &str) -> Result<Typed> {
    let mut typed = Typed::default();
    let mut words = rest.split_whitespace().peekable();
    while let Some(word) = words.next() {
        match word.to_lowercase().as_str() {
            "warning" => typed.least = Some(Severity::Warning),
            "critical" => typed.least = Some(Severity::Critical),
            "all" => typed.all = true,
            "quiet" => {
                let range = words.next().unwrap_or_default();
                if range.eq_ignore_ascii_case("off") {
                    typed.no_quiet = true;
                    continue;
                }
                let (from, to) = hours(range)?;
                let is_zone = |word: &&str| word.contains('/') || word.eq_ignore_ascii_case("utc");
                let zone = match words.next_if(is_zone) {
                    Some(zone) if zone.eq_ignore_ascii_case("utc") => "UTC".to_owned(),
                    Some(zone) => zone_named(zone)?,
                    None => String::new(),
                };
                typed.quiet = Some((from, to, zone));
                // What follows the hours without being a word of the command is meant as a zone.
                if let Some(next) = words.peek()
                    && let Some(zone) = Zone::of_city(next)
                {
                    return Err(Error::refused(format!(
                        "Zones are written with their region: /subscribe quiet {range} {zone}."
                    )));
                }
            }
            topic if typed.topic.is_none() && is_topic(topic) => {
                typed.topic = Some(topic.to_owned())
            }
            other => {
                let other = shorten(other, 40);
                return Err(Error::refused(format!(
                    "I do not understand “{other}”. Write /subscribe disk critical, or /subscribe quiet 22:00-07:00."
                )));
            }
        }
    }
    Ok(typed)
}

/// Whether this can be the name of a topic.
#[must_use]
pub fn is_topic(word: &str) -> bool {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c);
    (1..=TOPIC).contains(&word.len()) && word.chars().all(fits)
}

fn hours(range: &str) -> Result<(u16, u16)> {
    let minutes = |text: &str| {
        let time = NaiveTime::parse_from_str(text.trim(), "%H:%M").ok()?;
        u16::try_from(time.hour() * 60 + time.minute()).ok()
    };
    let both = range.split_once(['-', '–', '—']);
    let read = both.and_then(|(from, to)| Some((minutes(from)?, minutes(to)?)));
    read.filter(|(from, to)| from != to).ok_or_else(|| {
        Error::refused("Quiet hours are written 22:00-07:00, with a zone behind them if it is not the server’s: 22:00-07:00 Europe/Berlin.")
    })
}

fn zone_named(zone: &str) -> Result<String> {
    match crate::base::when::zone_named(zone) {
        Some(name) => Ok(name),
        None => {
            let zone = shorten(zone, 40);
            Err(Error::refused(format!(
                "I know no time zone “{zone}”. Write one such as Europe/Berlin."
            )))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_is_understood_or_named() {
        let typed = read("Disk CRITICAL quiet 22:00–07:00 Europe/Berlin").unwrap();
        assert_eq!(typed.topic.as_deref(), Some("disk"));
        assert_eq!(typed.least, Some(Severity::Critical));
        assert_eq!(
            typed.quiet,
            Some((22 * 60, 7 * 60, "Europe/Berlin".to_owned()))
        );
        assert_eq!(read("").unwrap(), Typed::default());
        assert!(read("quiet off").unwrap().no_quiet);
        for wrong in [
            "disk web",
            "quiet",
            "quiet 7",
            "quiet 25:00-07:00",
            "quiet 07:00-07:00",
            "quiet 22:00-07:00 Mars/Base",
            "<b>",
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
