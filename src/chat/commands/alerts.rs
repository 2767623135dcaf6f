//! `/alerts`: what is wrong now, and what was.

use super::About;
use crate::access::Asked;
use crate::base::error::{Error, Result};
use crate::base::name::Name;
use crate::base::role::Role;
use crate::base::suggest;
use crate::base::text::{self, escape, shorten};
use crate::base::time::Millis;
use crate::chat::alerts::matcher::Known;
use crate::chat::alerts::open::Open;
use crate::chat::alerts::press::AlertPress;
use crate::chat::alerts::{self, act, mark, passed, rehearsal, standing};
use crate::chat::keyboards::{PAGE, in_pairs};
use crate::chat::reply::Reply;
use crate::chat::request::Request;
use crate::config::Probe;
use crate::drivers::host;
use crate::monitors::rehearsal::{Cannot, KINDS};
use crate::store::{incidents, pushes};

/// What the help says.
pub const ABOUT: About = About {
    name: "alerts",
    form: "[history | number | check | test check]",
    does: "Show what is wrong now, what was, how a check stands, and what it would have told",
    example: (
        "/alerts history",
        "lists past incidents with their times; press one for its details",
    ),
    role: Some(Role::Viewer),
    acts: false,
};

/// The most that a note takes in a list, in UTF-16 units.
const NOTE: usize = 80;
/// Incidents that the list of now names.
const MOST: usize = 20;

/// Words that may stand in place of a check.
const WORDS: [&str; 3] = ["now", "history", "test"];

/// Shows what is wrong.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn handle(request: &Request, rest: &str) -> Result<Reply> {
    let mut words = rest.split_whitespace();
    if let Some(word) = words.next()
        && word.eq_ignore_ascii_case("test")
    {
        let names: Vec<&str> = words.collect();
        return test(request, &names).await;
    }
    match rest.to_lowercase().trim_start_matches('#') {
        "" | "now" => now(request).await,
        "history" => history(request, 0).await,
        word => match word.parse() {
            Ok(id) => act::show(request, id).await,
            Err(_) => check(request, word).await,
        },
    }
}

/// How a check stands now.
async fn check(request: &Request, name: &str) -> Result<Reply> {
    let asked = Asked::new("alert.list", text::head_units(name, 60), Role::Viewer);
    request.allow(asked).await?;
    let board = request.services.board.all();
    let mut checks = board.iter();
    match checks.find(|shown| shown.check.as_str().eq_ignore_ascii_case(name)) {
        Some(shown) => {
            let awaited = is_awaited(request, &shown.check).await?;
            let told = alerts::check::told(shown, awaited, Millis::now());
            Ok(Reply::html(told))
        }
        None => {
            let known = Known::read(request).await?;
            Err(Error::refused(known.no_check(name, &WORDS)))
        }
    }
}

/// Whether a check waits for pushes and none has said yet that all went well.
async fn is_awaited(request: &Request, check: &Name) -> Result<bool> {
    let config = request.services.live.current();
    let probe = config.checks.get(check).map(|check| &check.probe);
    if !matches!(probe, Some(Probe::Push { .. })) {
        return Ok(false);
    }
    let mut db = request.services.store.read().await?;
    let row = pushes::of(&mut db, check.as_str()).await?;
    Ok(row.and_then(|row| row.succeeded).is_none())
}

/// What is wrong now.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn now(request: &Request) -> Result<Reply> {
    request
        .allow(Asked::new("alert.list", "", Role::Viewer))
        .await?;
    let open = Open::read(request).await?;
    let now = open.now;
    let board = request.services.board.all();
    let watched = request.services.live.current().checks.len();
    let mut lines = vec![match open.all.len() {
        0 if standing::is_blind(&board, watched, now) => {
            "Nothing is known to be wrong, but not all checks know.".to_owned()
        }
        0 => "✅ Nothing is wrong.".to_owned(),
        1 => "<b>1 thing is wrong</b>".to_owned(),
        many => format!("<b>{many} things are wrong</b>"),
    }];
    lines.extend(open.lines(MOST, NOTE, ""));
    lines.extend(standing::lines(&board, &open.all, watched, now));
    let (others, _) = request.services.store.presence().others();
    if !others.is_empty() {
        lines.push(format!(
            "Checks look at {} alone, where the bot leads.",
            escape(&host::name())
        ));
    }
    let each = open.all.iter().take(PAGE).map(|one| {
        let label = format!("{} {}", mark(one.severity), shorten(&one.check, 30));
        AlertPress::Show(one.id).press().button(label)
    });
    let mut rows = in_pairs(each.collect());
    rows.push(vec![
        AlertPress::History(0).press().button("History"),
        AlertPress::Silences.press().button("Silences"),
    ]);
    Ok(Reply::html(lines.join("\n")).buttons(rows))
}

/// What a check would have told of what was measured.
async fn test(request: &Request, names: &[&str]) -> Result<Reply> {
    let asked = Asked::new(
        "alert.test",
        text::head_units(&names.join(" "), 60),
        Role::Viewer,
    );
    request.allow(asked).await?;
    let config = request.services.live.current();
    let &[name] = names else {
        let can: Vec<&str> = config
            .checks
            .values()
            .filter(|check| KINDS.contains(&check.probe.kind()))
            .map(|check| check.name.as_str())
            .collect();
        return Err(Error::refused(match can.is_empty() {
            true => "None of the checks can be rehearsed: nothing is kept of what they look at."
                .to_owned(),
            false => format!(
                "Write /alerts test with one check: {}.",
                text::shorten(&can.join(", "), 600)
            ),
        }));
    };
    let found = config
        .checks
        .values()
        .find(|check| check.name.as_str().eq_ignore_ascii_case(name));
    let Some(check) = found else {
        let near = suggest::nearest(name, config.checks.keys().map(Name::as_str));
        let name = text::head_units(name, 60);
        return Err(Error::refused(match near.is_empty() {
            true => format!(
                "There is no check “{name}”. /alerts test names those that can be rehearsed."
            ),
            false => format!(
                "There is no check “{name}”. Did you mean {}?",
                near.join(" or ")
            ),
        }));
    };
    let now = Millis::now();
    let rehearsals = &request.services.rehearsals;
    match rehearsals.of(check, config.alerts.group_wait, now).await {
        Ok(rehearsal) => Ok(Reply::html(rehearsal::told(check, &rehearsal, now))),
        Err(Cannot::Store(error)) => Err(error.into()),
        Err(cannot) => Err(Error::refused(rehearsal::refusal(
            check.name.as_str(),
            &cannot,
        ))),
    }
}

/// What was, before this number; 0 for the newest.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn history(request: &Request, before: i64) -> Result<Reply> {
    request
        .allow(Asked::new("alert.list", "history", Role::Viewer))
        .await?;
    let from = if before == 0 { i64::MAX } else { before };
    let mut found = {
        let mut db = request.services.store.read().await?;
        let limit = u32::try_from(PAGE + 1).unwrap_or(u32::MAX);
        incidents::older(&mut db, from, limit).await?
    };
    let more = found.len() > PAGE;
    found.truncate(PAGE);
    let now = Millis::now();
    let lines: Vec<_> = found.iter().map(|one| passed(one, now)).collect();
    let html = match lines.is_empty() {
        true => "Nothing was wrong, as far as I know.".to_owned(),
        false => lines.join("\n"),
    };
    let each = found.iter().map(|one| {
        AlertPress::Show(one.id)
            .press()
            .button(shorten(&one.check, 30))
    });
    let mut rows = in_pairs(each.collect());
    let mut turn = vec![match before {
        0 => AlertPress::Now.press().button("‹ Now"),
        _ => AlertPress::History(0).press().button("‹ Newest"),
    }];
    if let Some(last) = found.last().filter(|_| more) {
        turn.push(AlertPress::History(last.id).press().button("Older ›"));
    }
    rows.push(turn);
    Ok(Reply::html(html).buttons(rows))
}
