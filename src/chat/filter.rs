//! Which jobs a person means: their words, the short form of them in a button, and how it is said back.

use super::commands::jobs::clock;
use super::request::Request;
use crate::base::error::{Error, Result};
use crate::base::ids::UserId;
use crate::base::role::Role;
use crate::base::time::{Millis, parse_duration};
use crate::base::words::words;
use crate::base::{suggest, text};
use crate::store::history::{self, Filter, Standing};
use chrono::{Local, NaiveDate, NaiveDateTime, NaiveTime, TimeZone};

/// What a filter can be made of, as the help and a refusal say it.
pub const FORMS: &str = "running, queued, failed, lost, ok, cancelled or mine; a script’s name; by and a person; \
     today, or since and a time such as 2h, 3d or 2026-11-01";

/// The words for where jobs stand. The first of each standing is the one that is shown.
const STANDINGS: [(&str, Standing); 9] = [
    ("running", Standing::Open),
    ("queued", Standing::Queued),
    ("waiting", Standing::Queued),
    ("failed", Standing::Failed),
    ("lost", Standing::Lost),
    ("ok", Standing::Succeeded),
    ("succeeded", Standing::Succeeded),
    ("cancelled", Standing::Cancelled),
    ("canceled", Standing::Cancelled),
];
/// The other words that begin something.
const WORDS: [&str; 6] = ["all", "mine", "by", "today", "yesterday", "since"];

/// The word for a standing.
#[must_use]
pub fn word(standing: Standing) -> &'static str {
    STANDINGS
        .iter()
        .find(|(_, s)| *s == standing)
        .map_or("all", |(word, _)| word)
}

/// A filter as it travels in a button.
#[must_use]
pub fn short(filter: &Filter) -> String {
    let mut parts = vec![word(filter.standing).to_owned()];
    parts.extend(filter.title.as_ref().map(|title| format!("={title}")));
    parts.extend(filter.asker.map(|asker| format!("@{asker}")));
    parts.extend(filter.since.map(|since| format!("+{}", since.0)));
    parts.join(" ")
}

/// Reads what [`short`] wrote; `mine` is whoever presses. `None` for anything else.
#[must_use]
pub fn of_short(short: &str, presser: UserId) -> Option<Filter> {
    let mut filter = Filter::default();
    for part in short.split(' ').filter(|part| !part.is_empty()) {
        if let Some(title) = part.strip_prefix('=') {
            filter.title = Some(title.to_owned());
        } else if let Some(asker) = part.strip_prefix('@') {
            filter.asker = Some(UserId(asker.parse().ok()?));
        } else if let Some(since) = part.strip_prefix('+') {
            filter.since = Some(Millis(since.parse().ok().filter(|at| *at >= 0)?));
        } else if part == "mine" {
            filter.asker = Some(presser);
        } else if part != "all" {
            filter.standing = standing(part)?;
        }
    }
    Some(filter)
}

/// Reads a filter as a person writes it, in any order.
///
/// # Errors
/// Refused with the word that is wrong and what would be right.
pub async fn read(request: &Request, typed: &str) -> Result<Filter> {
    let words = words(typed).map_err(|error| Error::refused(error.to_string()))?;
    read_words(request, &words).await
}

/// The same of words that were cut already.
///
/// # Errors
/// Refused with the word that is wrong and what would be right.
pub async fn read_words(request: &Request, words: &[String]) -> Result<Filter> {
    let mut filter = Filter::default();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let lower = word.to_lowercase();
        match lower.as_str() {
            "all" => {}
            "mine" => set(&mut filter.asker, request.actor.id, "person")?,
            "by" => {
                let Some(name) = words.next() else {
                    return Err(Error::refused(
                        "“by” is followed by a person, such as by ben.",
                    ));
                };
                set(&mut filter.asker, person(request, name).await?, "person")?;
            }
            "today" | "yesterday" => set(&mut filter.since, moment(&lower)?, "time")?,
            "since" => {
                let Some(time) = words.next() else {
                    return Err(Error::refused(
                        "“since” is followed by a time, such as since 2h, since 3d or since 2026-11-01.",
                    ));
                };
                set(&mut filter.since, moment(&time.to_lowercase())?, "time")?;
            }
            _ => {
                if word.starts_with('@') {
                    set(&mut filter.asker, person(request, word).await?, "person")?;
                } else if let Some(standing) = standing(&lower) {
                    if filter.standing != Standing::Any && filter.standing != standing {
                        return Err(Error::refused(format!(
                            "A job is not {} and {} at once. Write one of them.",
                            self::word(filter.standing),
                            self::word(standing)
                        )));
                    }
                    filter.standing = standing;
                } else {
                    set(&mut filter.title, title(request, word).await?, "script")?;
                }
            }
        }
    }
    Ok(filter)
}

/// A filter in words, to stand above its jobs: `failed · deploy · by ben · since 19 Nov 14:00`; empty for all jobs.
#[must_use]
pub fn said(request: &Request, filter: &Filter) -> String {
    let mut parts = Vec::new();
    if filter.standing != Standing::Any {
        parts.push(word(filter.standing).to_owned());
    }
    parts.extend(filter.title.clone());
    if let Some(asker) = filter.asker {
        let name = request.access().name_of(asker);
        parts.push(format!("by {}", name.unwrap_or_else(|| asker.to_string())));
    }
    if let Some(since) = filter.since {
        parts.push(format!("since {}", clock(since, Millis::now())));
    }
    text::escape(&parts.join(" · "))
}

fn standing(word: &str) -> Option<Standing> {
    let found = STANDINGS.iter().find(|(known, _)| *known == word);
    found.map(|(_, standing)| *standing)
}

fn set<T: PartialEq>(place: &mut Option<T>, value: T, what: &str) -> Result<()> {
    if place.as_ref().is_some_and(|before| *before != value) {
        return Err(Error::refused(format!(
            "There are two of a kind here: only one {what} can be asked for at a time."
        )));
    }
    *place = Some(value);
    Ok(())
}

/// The person of this name, username or id: whom the word means everywhere, else somebody who asked for jobs under it.
async fn person(request: &Request, word: &str) -> Result<UserId> {
    let name = word.strip_prefix('@').unwrap_or(word);
    if let Ok(id) = name.parse() {
        return Ok(UserId(id));
    }
    let access = request.access();
    let mut named = access.named(word).await?;
    if named.is_empty() && name != word {
        named = access.named(name).await?;
    }
    match named.as_slice() {
        [one] => return Ok(one.id),
        [] => {}
        many => {
            let ids: Vec<_> = many.iter().map(|one| format!("by {}", one.id)).collect();
            return Err(Error::refused(format!(
                "Several persons are called {}. Write {}.",
                text::shorten(name, 40),
                ids.join(" or ")
            )));
        }
    }
    let role = request.role().unwrap_or(Role::Viewer);
    let asked_before = {
        let mut db = request.services.store.read().await?;
        history::asker_named(&mut db, name, role).await?
    };
    if let Some(id) = asked_before {
        return Ok(id);
    }
    let persons = access.persons();
    let near = suggest::closest(name, persons.iter().map(|person| person.name.as_str()));
    Err(Error::refused(match near {
        Some(near) => format!(
            "I know nobody called “{}”. Did you mean {near}?",
            text::shorten(name, 40)
        ),
        None => format!(
            "I know nobody called “{}”. Write the name as in the list of jobs, or an id.",
            text::shorten(name, 40)
        ),
    }))
}

/// The script of this name: one that the asker may see, or one whose jobs they may see.
async fn title(request: &Request, word: &str) -> Result<String> {
    let role = request.role().unwrap_or(Role::Viewer);
    let config = request.services.live.current();
    // Everybody known sees the jobs of scripts that operators may run.
    let seen = |script: &&crate::config::Script| script.role <= role.max(Role::Operator);
    let names = || {
        config
            .scripts
            .values()
            .filter(seen)
            .map(|s| s.name.as_str())
    };
    if let Some(name) = names().find(|name| name.eq_ignore_ascii_case(word)) {
        return Ok(name.to_owned());
    }
    let known = {
        let mut db = request.services.store.read().await?;
        history::has_title(&mut db, word, role).await?
    };
    if known {
        return Ok(word.to_owned());
    }
    let keywords = STANDINGS.iter().map(|(word, _)| *word).chain(WORDS);
    let near = suggest::nearest(word, names().chain(keywords));
    let shown = text::shorten(word, 40);
    Err(Error::refused(match near.is_empty() {
        true => format!("“{shown}” is no script that ran and no filter. A filter is {FORMS}."),
        false => format!(
            "“{shown}” is no script that ran and no filter. Did you mean {}?",
            near.join(" or ")
        ),
    }))
}

fn moment(word: &str) -> Result<Millis> {
    let now = Local::now();
    let at = match word {
        "today" => now.date_naive().and_time(NaiveTime::MIN),
        "yesterday" => now
            .date_naive()
            .pred_opt()
            .unwrap_or(now.date_naive())
            .and_time(NaiveTime::MIN),
        _ => match read_date(word) {
            Some(at) => at,
            None => {
                let age = parse_duration(word).map_err(|_| {
                    let shown = text::shorten(word, 40);
                    Error::refused(format!(
                        "“{shown}” is not a time. Write since 2h, since 3d or since 2026-11-01."
                    ))
                })?;
                return Ok(Millis(Millis::now().minus(age).0.max(0)));
            }
        },
    };
    // Of an hour that a change of the clock repeats, the first; one that it leaves out, as if in UTC.
    let at = Local.from_local_datetime(&at).earliest().map_or_else(
        || at.and_utc().timestamp_millis(),
        |at| at.timestamp_millis(),
    );
    if at > Millis::now().0 {
        return Err(Error::refused(format!("{word} is yet to come.")));
    }
    Ok(Millis(at.max(0)))
}

fn read_date(word: &str) -> Option<NaiveDateTime> {
    let with_time = NaiveDateTime::parse_from_str(word, "%Y-%m-%dt%H:%M");
    let day = || NaiveDate::parse_from_str(word, "%Y-%m-%d").ok();
    with_time
        .ok()
        .or_else(|| Some(day()?.and_time(NaiveTime::MIN)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_comes_back_from_its_short_form() {
        let all = Filter {
            standing: Standing::Cancelled,
            title: Some("deploy".to_owned()),
            asker: Some(UserId(222)),
            since: Some(Millis(1_790_000_000_000)),
            also: Vec::new(),
            printed: false,
        };
        assert_eq!(short(&all), "cancelled =deploy @222 +1790000000000");
        for filter in [Filter::default(), all] {
            assert_eq!(of_short(&short(&filter), UserId(1)), Some(filter));
        }
        let mine = of_short("failed mine", UserId(7)).unwrap();
        assert_eq!(
            (mine.standing, mine.asker),
            (Standing::Failed, Some(UserId(7)))
        );
        for forged in ["x", "@", "@x", "+", "+-1", "=a b", "<b>"] {
            assert_eq!(of_short(forged, UserId(1)), None, "{forged}");
        }
    }

    #[test]
    fn times_are_read_or_named() {
        let now = Millis::now();
        let two_hours = moment("2h").unwrap();
        assert!((7_199_000..=7_201_000).contains(&now.since(two_hours).as_millis()));
        assert!(moment("today").unwrap() <= now);
        assert!(moment("yesterday").unwrap() < moment("today").unwrap());
        assert!(moment("2026-01-31").unwrap() < moment("2026-01-31t12:30").unwrap());
        for bad in ["", "2x", "tomorrow", "2026-13-01", "<b>", "-2h"] {
            assert!(moment(bad).is_err(), "{bad}");
        }
        assert!(moment("2999-01-01").is_err());
    }
}
