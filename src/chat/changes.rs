//! In words: what a newer configuration changes, and what is wrong with one.

use crate::base::name::Name;
use crate::base::role::Role;
use crate::base::text::{escape, shorten};
use crate::config::{Changes, Fault, Faults};
use std::fmt::Display;

/// Names of one kind that are listed; the rest is counted.
const NAMED: usize = 8;
/// Faults that are listed; the rest is counted.
const FAULTS: usize = 10;
/// The most of one fault, in characters.
const FAULT_CHARS: usize = 250;

/// What changes, in one line of plain text: `2 scripts changed: backup, deploy; ben is now operator`.
#[must_use]
pub fn words(changes: &Changes) -> String {
    let mut parts = Vec::new();
    for (verb, names) in [
        ("added", &changes.added),
        ("changed", &changes.changed),
        ("removed", &changes.removed),
    ] {
        let flow = |name: &&Name| changes.workflows.contains(*name);
        let (flows, scripts): (Vec<&Name>, Vec<&Name>) = names.iter().partition(flow);
        for (noun, names) in [("script", scripts), ("workflow", flows)] {
            parts.extend(named(noun, verb, &names));
        }
    }
    for (noun, all) in [("schedule", &changes.schedules), ("check", &changes.checks)] {
        for (verb, names) in [
            ("added", &all.added),
            ("changed", &all.changed),
            ("removed", &all.removed),
        ] {
            parts.extend(named(noun, verb, names));
        }
    }
    let people: Vec<_> = changes.access.iter().map(now).collect();
    parts.extend(people.iter().take(NAMED).cloned());
    if people.len() > NAMED {
        parts.push(format!("{} more persons or groups", people.len() - NAMED));
    }
    if !changes.settings.is_empty() {
        parts.push(format!("new: {}", changes.settings.join(", ")));
    }
    if !changes.restart.is_empty() {
        parts.push(format!("needs a restart: {}", changes.restart.join(", ")));
    }
    match parts.is_empty() {
        true => "nothing changed".to_owned(),
        false => parts.join("; "),
    }
}

/// What happened to those of a kind; nothing when there are none.
fn named<T: Display>(noun: &str, verb: &str, names: &[T]) -> Option<String> {
    match names {
        [] => None,
        [name] => Some(format!("{noun} {verb}: {name}")),
        names => Some(format!("{} {noun}s {verb}: {}", names.len(), list(names))),
    }
}

fn now((name, role): &(String, Option<Role>)) -> String {
    match role {
        Some(role) => format!("{name} is now {role}"),
        None => format!("{name} is no longer listed"),
    }
}

fn list<T: Display>(all: &[T]) -> String {
    let named: Vec<_> = all.iter().take(NAMED).map(T::to_string).collect();
    let more = match all.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("{}{more}", named.join(", "))
}

/// What is wrong, fault by fault, in HTML.
#[must_use]
pub fn faults(faults: &Faults) -> String {
    each(faults.iter())
}

/// What else is worth knowing of a file, in HTML, to follow other words; empty when there is nothing.
#[must_use]
pub fn warnings(warnings: &[Fault]) -> String {
    match warnings.is_empty() {
        true => String::new(),
        false => format!("\n⚠️ Worth a look:\n{}", each(warnings.iter())),
    }
}

/// As HTML, with what stands between backquotes as code.
fn code(words: &str) -> String {
    let words = escape(words);
    let mut parts: Vec<&str> = words.split('`').collect();
    // The end of a pair may be cut off.
    let rest = if parts.len().is_multiple_of(2) {
        parts.pop()
    } else {
        None
    };
    let part = |(at, part): (usize, &&str)| match at % 2 {
        0 => (*part).to_owned(),
        _ => format!("<code>{part}</code>"),
    };
    let parts: String = parts.iter().enumerate().map(part).collect();
    parts + rest.unwrap_or_default()
}

fn each<'f>(faults: impl ExactSizeIterator<Item = &'f Fault>) -> String {
    let count = faults.len();
    let mut lines: Vec<_> = faults
        .take(FAULTS)
        .map(|fault| format!("• {}", code(&shorten(&fault.in_short(), FAULT_CHARS))))
        .collect();
    if count > FAULTS {
        lines.push(format!(
            "… and {} more. On the server, opsgram check --offline shows all.",
            count - FAULTS
        ));
    }
    lines.join("\n")
}

/// That a configuration was not taken, and why, in HTML.
#[must_use]
pub fn refused(found: &Faults) -> String {
    let count = match found.iter().count() {
        1 => "a fault".to_owned(),
        many => format!("{many} faults"),
    };
    format!(
        "⚠️ The configuration has {count}. What was in force stays in force.\n{}",
        faults(found)
    )
}

/// That a configuration is in force now, in HTML.
#[must_use]
pub fn taken(changes: &Changes) -> String {
    let taken = format!(
        "🔄 The configuration was read again: {}.",
        escape(&words(changes))
    );
    match &changes.closed {
        Some(why) => format!(
            "{taken}\n⚠️ No push can come yet: {}. I keep trying.",
            escape(why)
        ),
        None => taken,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Differing;

    #[test]
    fn changes_are_told_in_one_line() {
        let name = |name: &str| Name::new(name).unwrap();
        let changes = Changes {
            workflows: [name("deploy")].into(),
            changed: vec![name("backup"), name("deploy")],
            removed: vec![name("old")],
            schedules: Differing {
                changed: vec!["backup".to_owned()],
                ..Differing::default()
            },
            checks: Differing {
                removed: vec!["site".to_owned(), "cert".to_owned()],
                ..Differing::default()
            },
            access: vec![
                ("ben".to_owned(), Some(Role::Operator)),
                ("<cleo>".to_owned(), None),
            ],
            restart: vec!["database"],
            ..Changes::default()
        };
        assert_eq!(
            words(&changes),
            "script changed: backup; workflow changed: deploy; script removed: old; schedule changed: \
             backup; 2 checks removed: site, cert; ben is now operator; <cleo> is no longer listed; needs a restart: database"
        );
        assert!(taken(&changes).contains("&lt;cleo&gt;"));
        assert_eq!(words(&Changes::default()), "nothing changed");
    }

    #[test]
    fn what_faults_quote_is_code() {
        for (words, html) in [
            (
                "`<a>` is no `b`",
                "<code>&lt;a&gt;</code> is no <code>b</code>",
            ),
            ("`a` is cut `of", "<code>a</code> is cut of"),
            ("plain", "plain"),
        ] {
            assert_eq!(code(words), html);
        }
    }

    #[test]
    fn what_is_long_is_counted() {
        let added = (0..20).map(|n| Name::new(format!("s{n}")).unwrap());
        let access = (0..20).map(|n| (format!("p{n}"), None));
        let changes = Changes {
            added: added.collect(),
            access: access.collect(),
            ..Changes::default()
        };
        let told = words(&changes);
        assert!(told.starts_with("20 scripts added: s0, s1"), "{told}");
        assert!(told.contains("and 12 more; p0"), "{told}");
        assert!(told.ends_with("12 more persons or groups"), "{told}");
    }
}
