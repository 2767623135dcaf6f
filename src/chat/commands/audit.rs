//! `/audit`: who asked for what, and what became of it; filtered, paged, or all of it as a file.

mod words;

use super::About;
use crate::access::Asked;
use crate::base::error::{Error, Result};
use crate::base::ids::UserId;
use crate::base::role::Role;
use crate::base::text::{escape, head_units, shorten, utf16_len};
use crate::base::time::Millis;
use crate::chat::keyboards::Press;
use crate::chat::notices::moment;
use crate::chat::reply::Reply;
use crate::chat::request::Request;
use crate::delivery::{Body, Buttons, Outgoing};
use crate::jobs::export;
use crate::store;
use crate::store::audit::{Entry, Filter, From};
use std::time::Duration;

/// What the help says.
pub const ABOUT: About = About {
    name: "audit",
    form: "[person|action|refused] [number] | export [days]",
    does: "Show who asked for what",
    example: (
        "/audit ben refused 20",
        "shows the newest 20 things that ben was refused; /audit script what was done about scripts; \
         /audit export 30 sends the last 30 days as a file",
    ),
    role: Some(Role::Admin),
    acts: false,
};

/// Lines of a page when nothing is said, and at the most.
const LINES: (u32, u32) = (10, 30);
/// The longest line, in UTF-16 units, so that a page fits a message.
const LINE_UNITS: usize = 120;
/// The longest name of an action; with the rest it fits a button.
const ACTION: usize = 20;
/// Days that are exported when nothing is said, and at the most: longer nothing is kept.
const DAYS: (u64, u64) = (30, 366);

/// Which part of the trail is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Part {
    filter: Filter,
    lines: u32,
    from: From,
}

/// Shows a part of the trail.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn handle(request: &Request, rest: &str) -> Result<Reply> {
    let typed: Vec<&str> = rest.split_whitespace().collect();
    if let ["export", days @ ..] = typed.as_slice() {
        return send(request, days).await;
    }
    let mut part = Part {
        filter: Filter::default(),
        lines: LINES.0,
        from: From::Newest,
    };
    // Whom a word means is told to those alone who may know.
    request
        .allow(Asked::new("audit.show", rest, Role::Admin))
        .await?;
    for word in typed {
        let number = word.parse::<u32>().ok();
        match number {
            Some(lines @ 1..=100) => part.lines = lines.min(LINES.1),
            Some(0) => {
                return Err(Error::refused(format!(
                    "Write a number of lines from 1 to {}.",
                    LINES.1
                )));
            }
            Some(_) | None if word.eq_ignore_ascii_case("refused") => part.filter.refused = true,
            Some(_) | None => {
                take(request, &mut part.filter, word).await?;
            }
        }
    }
    page(request, part).await
}

/// Takes a word for an action or for a person.
async fn take(request: &Request, filter: &mut Filter, word: &str) -> Result<()> {
    if filter.action.is_none() && is_action(word) {
        filter.action = Some(word.to_owned());
        return Ok(());
    }
    if filter.actor.is_some() {
        let word = shorten(word, 40);
        return Err(Error::refused(format!(
            "“{word}” is one word too many. Write /audit with a person, an action such as script.run, refused, or a number of lines."
        )));
    }
    filter.actor = Some(match request.access().find(word).await {
        Ok(person) => person.id,
        Err(Error::Refused(refusal)) => {
            return Err(Error::refused(format!(
                "{} For what was done, write one of: {}.",
                refusal.words(),
                words::areas().join(", ")
            )));
        }
        Err(error) => return Err(error),
    });
    Ok(())
}

/// Whether a word is an action, or an area of them.
fn is_action(word: &str) -> bool {
    let letters = |c: char| c.is_ascii_lowercase() || matches!(c, '.' | '_');
    word.len() <= ACTION
        && word.chars().all(letters)
        && (words::areas().contains(&words::area(word)) || word.contains('.'))
}

/// Shows the part that a button names.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn pressed(request: &Request, part: &str) -> Result<Reply> {
    let read = read(part);
    request
        .allow(Asked::new("audit.show", part, Role::Admin))
        .await?;
    let part = read.ok_or_else(|| Error::refused("This button no longer stands for anything."))?;
    page(request, part).await
}

async fn page(request: &Request, part: Part) -> Result<Reply> {
    let mut lines = {
        let mut db = request.services.store.read().await?;
        store::audit::page(&mut db, &part.filter, part.from, part.lines + 1).await?
    };
    let beyond = lines.len() > part.lines as usize;
    // The line too many shows only that there are more: of older ones it is the last, of newer ones the first.
    let (newer, older) = match part.from {
        From::Newest => (false, beyond),
        From::Before(_) => (true, beyond),
        From::After(_) => (beyond, true),
    };
    if beyond {
        let at = if let From::After(_) = part.from {
            0
        } else {
            lines.len() - 1
        };
        lines.remove(at);
    }
    let mut rows = Buttons::new();
    let mut turn = Vec::new();
    if let (true, Some((first, _))) = (newer, lines.first()) {
        turn.push(button(&part, From::After(*first), "‹ Newer"));
        turn.push(button(&part, From::Newest, "Newest"));
    }
    if let (true, Some((last, _))) = (older, lines.last()) {
        turn.push(button(&part, From::Before(*last), "Older ›"));
    }
    if lines.is_empty() && part.from != From::Newest {
        turn.push(button(&part, From::Newest, "Newest"));
    }
    if !turn.is_empty() {
        rows.push(turn);
    }
    let html: Vec<_> = lines
        .iter()
        .map(|(_, entry)| line(request, entry))
        .collect();
    let html = match html.is_empty() {
        true => "There is nothing of the kind.".to_owned(),
        false => html.join("\n"),
    };
    Ok(Reply::html(html).buttons(rows))
}

fn line(request: &Request, entry: &Entry) -> String {
    let mark = match entry.result.as_str() {
        "refused" => "⛔ ",
        _ => "",
    };
    let what = words::said(entry, |id| request.access().name_of(id));
    let name = head_units(&entry.actor_name, 24);
    let room = LINE_UNITS.saturating_sub(utf16_len(name));
    format!(
        "{} · {mark}<b>{}</b> {}",
        moment(entry.at),
        escape(name),
        escape(&shorten(&what, room))
    )
}

fn button(part: &Part, from: From, label: &str) -> crate::delivery::Button {
    let part = Part {
        from,
        ..part.clone()
    };
    Press::Audit(written(&part)).button(label)
}

/// A part as it travels in a button: numbers in base 16, to be short.
fn written(part: &Part) -> String {
    let from = match part.from {
        From::Newest => "n".to_owned(),
        From::Before(id) => format!("b{id:x}"),
        From::After(id) => format!("a{id:x}"),
    };
    let refused = if part.filter.refused { "r" } else { "" };
    let actor = part
        .filter
        .actor
        .map_or(String::new(), |user| format!("{:x}", user.0));
    let action = part.filter.action.as_deref().unwrap_or_default();
    format!("{from}:{:x}:{refused}:{actor}:{action}", part.lines)
}

fn read(text: &str) -> Option<Part> {
    let mut words = text.splitn(5, ':');
    let mut next = || words.next();
    let (from, lines, refused, actor, action) = (next()?, next()?, next()?, next()?, next()?);
    let number = |hex: &str| i64::from_str_radix(hex, 16).ok().filter(|id| *id >= 0);
    let from = match from.split_at_checked(1)? {
        ("n", "") => From::Newest,
        ("b", id) => From::Before(number(id)?),
        ("a", id) => From::After(number(id)?),
        (_, _) => return None,
    };
    let lines = u32::from_str_radix(lines, 16).ok();
    let actor = match actor {
        "" => None,
        id => Some(UserId(number(id)?)),
    };
    let action = Some(action).filter(|action| !action.is_empty());
    if action.is_some_and(|action| !is_action(action)) {
        return None;
    }
    Some(Part {
        filter: Filter {
            actor,
            action: action.map(str::to_owned),
            refused: refused == "r",
        },
        lines: lines.filter(|lines| (1..=LINES.1).contains(lines))?,
        from,
    })
}

/// The trail of some days as a file.
async fn send(request: &Request, days: &[&str]) -> Result<Reply> {
    let wrong = || {
        Error::refused(format!(
            "Write /audit export and a number of days from 1 to {}, such as /audit export 30.",
            DAYS.1
        ))
    };
    let days = match days {
        [] => DAYS.0,
        [days] => days
            .parse()
            .ok()
            .filter(|days| (1..=DAYS.1).contains(days))
            .ok_or_else(wrong)?,
        [..] => return Err(wrong()),
    };
    if !request.actor.place.chat.is_private() {
        return Err(Error::refused(
            "The trail holds what everybody did everywhere. Ask for it in our private chat.",
        ));
    }
    request
        .allow(Asked::new(
            "audit.export",
            format!("{days} days"),
            Role::Admin,
        ))
        .await?;
    let now = Millis::now();
    let since = now.minus(Duration::from_secs(days * 24 * 3600));
    let name = format!("audit-{}.jsonl", now.utc().format("%Y-%m-%d"));
    let body = Body::Document {
        key: export::key(since, now),
        name,
        html: format!("The audit trail of the last {days} days, a JSON object for each line."),
        buttons: Vec::new(),
    };
    Ok(Reply::file(Outgoing::new(request.actor.place, body)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::text::CALLBACK_BYTES;

    #[test]
    fn a_part_travels_in_a_button_and_comes_back() {
        let filter = Filter {
            actor: Some(UserId((1 << 52) - 1)),
            action: Some("job.cancel.other".to_owned()),
            refused: true,
        };
        for from in [From::Newest, From::Before(1 << 40), From::After(7)] {
            let part = Part {
                filter: filter.clone(),
                lines: 30,
                from,
            };
            let data = Press::Audit(written(&part)).data();
            assert!(data.len() <= CALLBACK_BYTES, "{data}");
            assert_eq!(read(&written(&part)), Some(part));
        }
    }

    #[test]
    fn what_no_button_says_is_nothing() {
        for forged in [
            "",
            "n",
            "n:a",
            "n:a:::",
            "x:a:::",
            "b:a:::x",
            "b-1:a:::",
            "n:0:::",
            "n:ffff:::",
            "n:a:::A B",
            "n:a::zz:",
            "n:a:::' OR 1=1",
            "n:a::-5:",
            "n:a:::script.run:more",
            "😀:a:::",
        ] {
            let read = read(forged);
            assert!(read.is_none() || forged == "n:a:::", "{forged}: {read:?}");
        }
    }
}
