//! What is to be silenced, as typed: checked against the checks, topics and machines that there are.

use crate::base::error::{Error, Result};
use crate::base::suggest;
use crate::base::text::head_units;
use crate::base::time;
use crate::chat::request::Request;
use crate::drivers::host;
use crate::monitors::incidents::is_about;
use crate::store::silences::{About, Silence};
use crate::store::{checks, incidents, samples};
use std::collections::BTreeSet;

/// The most of a word that an answer repeats, in UTF-16 units.
const SHOWN: usize = 60;
/// The most names that a refusal lists.
const NAMED: usize = 10;

/// What is silenced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matcher {
    /// What it is about.
    pub about: About,
    /// On this machine only.
    pub host: Option<String>,
}

impl Matcher {
    /// As it is typed.
    #[must_use]
    pub fn words(&self) -> String {
        words(&self.about, self.host.as_deref())
    }
}

/// What a silence is about, as it is typed.
#[must_use]
pub fn typed(silence: &Silence) -> String {
    words(&silence.about, silence.host.as_deref())
}

fn words(about: &About, host: Option<&str>) -> String {
    let about = match (about, host) {
        (About::All, Some(host)) => return format!("host:{host}"),
        (About::All, None) => "all".to_owned(),
        (About::Check(pattern), _) => pattern.clone(),
        (About::Topic(topic), _) => format!("topic:{topic}"),
    };
    match host {
        Some(host) => format!("{about} host:{host}"),
        None => about,
    }
}

/// The words that say what and where, and what follows them.
#[derive(Debug, PartialEq, Eq)]
pub struct Split<'a> {
    what: Option<&'a str>,
    host: Option<&'a str>,
    /// The time, where it stands before the rest.
    pub time: Option<&'a str>,
    /// The time, unless it stands first, and the reason behind it; empty when there are none.
    pub rest: &'a str,
}

/// Tells what and where from the time, which follows or stands first: a machine stands before or behind what is silenced there,
/// or alone.
///
/// # Errors
/// Refused when two machines are named, or none behind its colon, or a time alone.
pub fn split(text: &str) -> Result<Split<'_>> {
    let (first, after) = word(text);
    let (second, later) = word(after);
    if time::parse_duration(first).is_ok() && time::parse_duration(second).is_err() {
        if second.is_empty() {
            return Err(Error::refused(format!(
                "What is to be silent for {first}? Write it before the time, such as /silence disk-root {first}."
            )));
        }
        return Ok(Split {
            time: Some(first),
            ..split(after)?
        });
    }
    let (what, host, rest) = match (machine(first)?, machine(second)?) {
        (Some(_), Some(_)) => {
            return Err(Error::refused(
                "A silence is for one machine or for all. Make two of them.",
            ));
        }
        (Some(host), None) if second.is_empty() || time::parse_duration(second).is_ok() => {
            (None, Some(host), after)
        }
        (Some(host), None) => (Some(second), Some(host), later),
        (None, Some(host)) => (Some(first), Some(host), later),
        (None, None) => (Some(first), None, after),
    };
    Ok(Split {
        what,
        host,
        time: None,
        rest,
    })
}

fn word(text: &str) -> (&str, &str) {
    let text = text.trim_start();
    text.split_once(char::is_whitespace).unwrap_or((text, ""))
}

/// The name behind `host:`.
fn machine(word: &str) -> Result<Option<&str>> {
    match behind(word, "host:") {
        Some("") => Err(Error::refused(
            "Which machine? Write its name behind the colon, such as host:web-1.",
        )),
        host => Ok(host),
    }
}

fn behind<'a>(word: &'a str, prefix: &str) -> Option<&'a str> {
    let (head, rest) = word.split_at_checked(prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then_some(rest)
}

/// What there is to be silenced.
#[derive(Debug, Default)]
pub struct Known {
    /// Each check with its machine and topic: machine, check, topic.
    checks: BTreeSet<(String, String, String)>,
    hosts: BTreeSet<String>,
}

impl Known {
    /// What is configured here, what other machines look at, and what is wrong now.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn read(request: &Request) -> Result<Self> {
        let here = host::name();
        let config = request.services.live.current();
        let mut known = Self::default();
        for check in config.checks.values() {
            known.add(&here, check.name.as_str(), check.topic.as_str());
        }
        let mut db = request.services.store.read().await?;
        for row in checks::all(&mut db).await? {
            known.add(&row.host, &row.name, &row.topic);
        }
        for incident in incidents::unsettled(&mut db).await? {
            known.add(&incident.host, &incident.check, &incident.topic);
        }
        known.hosts.extend(samples::hosts(&mut db).await?);
        known.hosts.insert(here);
        Ok(known)
    }

    fn add(&mut self, host: &str, check: &str, topic: &str) {
        let all = (host.to_owned(), check.to_owned(), topic.to_owned());
        self.checks.insert(all);
        self.hosts.insert(host.to_owned());
    }

    fn names(&self) -> BTreeSet<&str> {
        self.checks
            .iter()
            .map(|(_, name, _)| name.as_str())
            .collect()
    }

    fn topics(&self) -> BTreeSet<&str> {
        self.checks
            .iter()
            .map(|(_, _, topic)| topic.as_str())
            .collect()
    }

    /// What is meant by the words.
    ///
    /// # Errors
    /// Refused when there is no such check, topic or machine; a pattern may be about what is yet to come.
    pub fn meant(&self, split: &Split<'_>) -> Result<Matcher> {
        let host = match split.host {
            Some(name) => Some(self.host(name)?),
            None => None,
        };
        let about = match split.what {
            None => About::All,
            Some(what) if what.eq_ignore_ascii_case("all") => About::All,
            Some(what) => match behind(what, "topic:") {
                Some(topic) => About::Topic(self.topic(topic)?),
                None => About::Check(self.check(what)?),
            },
        };
        Ok(Matcher { about, host })
    }

    /// The checks that are silenced by it now, by name.
    #[must_use]
    pub fn matched(&self, matcher: &Matcher) -> BTreeSet<&str> {
        let wanted = (&matcher.about, matcher.host.as_deref());
        let matched = self
            .checks
            .iter()
            .filter(|(host, check, topic)| is_about(wanted, (host, check, topic)));
        matched.map(|(_, check, _)| check.as_str()).collect()
    }

    /// What is said of a name of which there is no check to be shown, in a sentence; `also` are words that may be meant as well.
    #[must_use]
    pub fn no_check(&self, name: &str, also: &[&str]) -> String {
        let (checks, topics) = (self.names(), self.topics());
        let hosts = || self.hosts.iter().map(String::as_str);
        let is = |known: &&str| known.eq_ignore_ascii_case(name);
        let shown = head_units(name, SHOWN);
        if checks.iter().any(is) {
            return format!("The check “{shown}” is not looked at here now.");
        }
        if hosts().any(|host| is(&host)) {
            return format!(
                "“{shown}” is a machine, not a check. /alerts shows what is wrong on all of them."
            );
        }
        if topics.iter().any(is) {
            let of = |(_, check, topic): &(String, String, String)| {
                is(&topic.as_str()).then(|| check.clone())
            };
            let its: BTreeSet<String> = self.checks.iter().filter_map(of).collect();
            return format!(
                "“{shown}” is a topic. Its checks are {}.",
                list(its.iter().map(String::as_str))
            );
        }
        let all = checks.iter().chain(&topics).chain(also).copied();
        let near = suggest::nearest(name, all.chain(hosts()));
        match (near.is_empty(), checks.is_empty()) {
            (false, _) => format!(
                "There is no check “{shown}”. Did you mean {}?",
                near.join(" or ")
            ),
            (true, true) => "There are no checks.".to_owned(),
            (true, false) => format!(
                "There is no check “{shown}”. There are {}. Write /alerts for what is wrong now, /alerts history for what was, \
                 /alerts with a number or a check, or /alerts test with a check.",
                list(checks.iter().copied())
            ),
        }
    }

    fn host(&self, name: &str) -> Result<String> {
        let hosts = || self.hosts.iter().map(String::as_str);
        if let Some(known) = hosts().find(|host| host.eq_ignore_ascii_case(name)) {
            return Ok(known.to_owned());
        }
        let near = suggest::nearest(name, hosts());
        let name = head_units(name, SHOWN);
        Err(Error::refused(match near.is_empty() {
            true => format!("I know no machine “{name}”, only {}.", list(hosts())),
            false => format!(
                "I know no machine “{name}”. Did you mean host:{}?",
                near.join(" or host:")
            ),
        }))
    }

    fn topic(&self, name: &str) -> Result<String> {
        if name.is_empty() {
            return Err(Error::refused(
                "Which topic? Write it behind the colon, such as topic:disk.",
            ));
        }
        let topics = self.topics();
        let known = topics.iter().find(|topic| topic.eq_ignore_ascii_case(name));
        if let Some(known) = known {
            return Ok((*known).to_owned());
        }
        let near = suggest::nearest(name, topics.iter().copied());
        let name = head_units(name, SHOWN);
        Err(Error::refused(match (near.is_empty(), topics.is_empty()) {
            (false, _) => format!(
                "No check has the topic “{name}”. Did you mean topic:{}?",
                near.join(" or topic:")
            ),
            (true, false) => format!(
                "No check has the topic “{name}”. There are {}.",
                list(topics.iter().copied())
            ),
            (true, true) => "There are no checks, so there is nothing to silence.".to_owned(),
        }))
    }

    fn check(&self, name: &str) -> Result<String> {
        let names = self.names();
        if name.contains('*') || names.contains(name) {
            return Ok(name.to_owned());
        }
        let mut alike = names
            .iter()
            .filter(|known| known.eq_ignore_ascii_case(name));
        if let (Some(only), None) = (alike.next(), alike.next()) {
            return Ok((*only).to_owned());
        }
        let topics = self.topics();
        let topic = topics.iter().find(|topic| topic.eq_ignore_ascii_case(name));
        let near = suggest::nearest(name, names.iter().copied());
        let name = head_units(name, SHOWN);
        let means = match (topic, near.is_empty()) {
            (Some(topic), _) => {
                format!(" But there is a topic of this name: /silence topic:{topic} 2h.")
            }
            (None, false) => format!(" Did you mean {}?", near.join(" or ")),
            (None, true) if names.is_empty() => String::new(),
            (None, true) => format!(" There are {}.", list(names.iter().copied())),
        };
        Err(Error::refused(format!(
            "There is no check “{name}”.{means} topic:disk is a whole topic, disk-* are all names that begin so."
        )))
    }
}

fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.collect();
    let more = match names.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let first: Vec<&str> = names.into_iter().take(NAMED).collect();
    format!("{}{more}", first.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> Known {
        let mut known = Known::default();
        for (host, check, topic) in [
            ("web-1", "disk-root", "disk"),
            ("web-2", "disk-root", "disk"),
            ("web-2", "disk-data", "disk"),
            ("web-1", "Shop", "web"),
        ] {
            known.add(host, check, topic);
        }
        known
    }

    fn meant(text: &str) -> std::result::Result<(String, usize, String), String> {
        let refused = |error: Error| match error {
            Error::Refused(refusal) => refusal.to_string(),
            Error::Internal(error) => error.to_string(),
        };
        let known = known();
        let split = split(text).map_err(refused)?;
        let matcher = known.meant(&split).map_err(refused)?;
        let count = known.matched(&matcher).len();
        let time = split.time.map(|time| format!("{time}|"));
        let rest = format!("{}{}", time.unwrap_or_default(), split.rest);
        Ok((matcher.words(), count, rest))
    }

    #[test]
    fn what_is_typed_is_found_among_what_there_is() {
        for (text, words, count, rest) in [
            ("disk-root 2h why", "disk-root", 1, "2h why"),
            ("DISK-root", "disk-root", 1, ""),
            ("shop 1d", "Shop", 1, "1d"),
            ("disk-*  2h", "disk-*", 2, " 2h"),
            ("backup-* 2h", "backup-*", 0, "2h"),
            ("Topic:Disk 2h", "topic:disk", 2, "2h"),
            ("all 2h", "all", 3, "2h"),
            ("host:web-1 2h reboot", "host:web-1", 2, "2h reboot"),
            ("host:WEB-2", "host:web-2", 2, ""),
            ("disk-* host:web-1 2h", "disk-* host:web-1", 1, "2h"),
            ("host:web-2 topic:web 2h", "topic:web host:web-2", 0, "2h"),
            ("host:web-2 all 2h", "host:web-2", 2, "2h"),
            ("2h shop", "Shop", 1, "2h|"),
            (
                "2h disk-* host:web-1 new cable",
                "disk-* host:web-1",
                1,
                "2h|new cable",
            ),
            ("1d host:web-1", "host:web-1", 2, "1d|"),
        ] {
            let found = (words.to_owned(), count, rest.to_owned());
            assert_eq!(meant(text), Ok(found), "{text}");
        }
    }

    #[test]
    fn what_is_not_there_is_refused_by_name() {
        let forms = "topic:disk is a whole topic, disk-* are all names that begin so.";
        for (text, words) in [
            (
                "disk-rot 2h",
                format!("There is no check “disk-rot”. Did you mean disk-root? {forms}"),
            ),
            (
                "web 2h",
                format!(
                    "There is no check “web”. But there is a topic of this name: /silence topic:web 2h. {forms}"
                ),
            ),
            (
                "moon 2h",
                format!("There is no check “moon”. There are Shop, disk-data, disk-root. {forms}"),
            ),
            (
                "topic:disc 2h",
                "No check has the topic “disc”. Did you mean topic:disk?".to_owned(),
            ),
            (
                "topic:moon 2h",
                "No check has the topic “moon”. There are disk, web.".to_owned(),
            ),
            (
                "topic: 2h",
                "Which topic? Write it behind the colon, such as topic:disk.".to_owned(),
            ),
            (
                "all host:web-3 2h",
                "I know no machine “web-3”. Did you mean host:web-1 or host:web-2?".to_owned(),
            ),
            (
                "host:mars 2h",
                "I know no machine “mars”, only web-1, web-2.".to_owned(),
            ),
            (
                "2h",
                "What is to be silent for 2h? Write it before the time, such as /silence disk-root 2h.".to_owned(),
            ),
            (
                "host: 2h",
                "Which machine? Write its name behind the colon, such as host:web-1.".to_owned(),
            ),
            (
                "host:web-1 host:web-2 2h",
                "A silence is for one machine or for all. Make two of them.".to_owned(),
            ),
        ] {
            assert_eq!(meant(text), Err(words), "{text}");
        }
    }

    #[test]
    fn a_name_that_is_no_check_is_known_for_what_it_is() {
        let known = known();
        for (name, words) in [
            ("shpo", "There is no check “shpo”. Did you mean Shop?"),
            (
                "web1",
                "There is no check “web1”. Did you mean web or web-1?",
            ),
            (
                "histroy",
                "There is no check “histroy”. Did you mean history?",
            ),
            (
                "WEB-2",
                "“WEB-2” is a machine, not a check. /alerts shows what is wrong on all of them.",
            ),
            (
                "disk",
                "“disk” is a topic. Its checks are disk-data, disk-root.",
            ),
            ("shop", "The check “shop” is not looked at here now."),
        ] {
            assert_eq!(known.no_check(name, &["history", "test"]), words);
        }
        let far = known.no_check("moon", &["history"]);
        assert!(
            far.starts_with(
                "There is no check “moon”. There are Shop, disk-data, disk-root. Write /alerts for"
            ),
            "{far}"
        );
        assert_eq!(
            Known::default().no_check("moon", &[]),
            "There are no checks."
        );
    }

    #[test]
    fn without_checks_there_is_nothing_to_silence() {
        let split = split("topic:disk 2h").unwrap();
        assert!(Known::default().meant(&split).is_err());
    }
}
