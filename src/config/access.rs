//! The section `access`: who may use the bot, and the ceilings of groups.

use std::collections::BTreeMap;

use super::fault::{At, Report};
use super::map::Map;
use super::read::{is_plain, text};
use super::tree::Node;
use crate::base::ids::{ChatId, ThreadId, UserId};
use crate::base::role::Role;

/// Who may. Empty lists admit nobody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// The people.
    pub users: Vec<User>,
    /// The groups.
    pub chats: Vec<Chat>,
}

/// A person who may use the bot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The Telegram user.
    pub id: UserId,
    /// What the person is called in answers; the number when none was given.
    pub name: String,
    /// What the person may do.
    pub role: Role,
}

/// A group where the bot answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chat {
    /// The Telegram group.
    pub id: ChatId,
    /// What the group is called in answers; the number when none was given.
    pub name: String,
    /// The most that anyone may do there.
    pub role: Role,
    /// Topics of it that differ, each with the most that anyone may do in it.
    pub topics: Vec<(ThreadId, Role)>,
}

/// The longest name of a person or group, in characters.
const MAX_NAME: usize = 64;
/// The largest id: Telegram's ids fit 52 bits.
const MAX_ID: i64 = (1 << 52) - 1;

pub(super) fn read(root: &mut Map<'_>, report: &mut Report) -> Access {
    let mut access = Access::default();
    let Some(mut map) = root.section("access", report) else {
        return access;
    };
    let mut seen = BTreeMap::new();
    for (index, node) in map.list("users", report).iter().enumerate() {
        let path = format!("access.users[{index}]");
        let Some(mut entry) = Map::open(node, path, report) else {
            continue;
        };
        let read = member(&mut entry, user_id, &mut seen, report);
        entry.finish(report);
        if let Some((id, name, role)) = read {
            access.users.push(User {
                id: UserId(id),
                name,
                role,
            });
        }
    }
    seen.clear();
    for (index, node) in map.list("chats", report).iter().enumerate() {
        let path = format!("access.chats[{index}]");
        let Some(mut entry) = Map::open(node, path, report) else {
            continue;
        };
        let read = member(&mut entry, chat_id, &mut seen, report);
        let topics = topics(&mut entry, report);
        entry.finish(report);
        if let Some((id, name, role)) = read {
            access.chats.push(Chat {
                id: ChatId(id),
                name,
                role,
                topics,
            });
        }
    }
    let owned = access.users.iter().any(|user| user.role == Role::Owner);
    if !access.users.is_empty() && !owned {
        report.warn(
            map.at,
            "nobody under `access.users` is owner, and with users here no claim code is given out; \
             give somebody `role: owner`, or make one: opsgram user add ID --role owner",
        );
    }
    map.finish(report);
    access
}

/// The topics of a group that differ from it.
fn topics(map: &mut Map<'_>, report: &mut Report) -> Vec<(ThreadId, Role)> {
    let mut topics: Vec<(ThreadId, Role)> = Vec::new();
    let path = map.name("topics");
    for (index, node) in map.list("topics", report).iter().enumerate() {
        let Some(mut entry) = Map::open(node, format!("{path}[{index}]"), report) else {
            continue;
        };
        let id = entry.integer("id", 2..=i64::from(i32::MAX), report);
        for key in ["id", "role"] {
            if entry.get(key).is_none() {
                entry.missing(key, report);
            }
        }
        let role = entry.word("role", &Role::ALL.map(|role| (role.as_str(), role)), report);
        entry.finish(report);
        let id = id.and_then(|id| i32::try_from(id).ok()).map(ThreadId);
        let (Some(id), Some(role)) = (id, role) else {
            continue;
        };
        if topics.iter().any(|(known, _)| *known == id) {
            report.fault(
                &node.at,
                format!("the topic {id} is already listed; keep one of the two"),
            );
        }
        topics.push((id, role));
    }
    topics
}

fn member<'a>(
    map: &mut Map<'a>,
    check: fn(i64) -> Option<&'static str>,
    seen: &mut BTreeMap<i64, &'a At>,
    report: &mut Report,
) -> Option<(i64, String, Role)> {
    let id = match map.get("id") {
        Some(node) => id(node, &map.name("id"), check, seen, report),
        None => {
            map.missing("id", report);
            None
        }
    };
    let name = match map.get("name") {
        Some(node) => display_name(node, &map.name("name"), report),
        None => id.map(|id| id.to_string()),
    };
    if map.get("role").is_none() {
        map.missing("role", report);
    }
    let role = map.word("role", &Role::ALL.map(|role| (role.as_str(), role)), report);
    Some((id?, name?, role?))
}

/// The persons of a list that may name them by id or by their name under `access.users`.
pub(super) fn persons(
    map: &mut Map<'_>,
    key: &'static str,
    users: &[User],
    report: &mut Report,
) -> Vec<UserId> {
    let mut all: Vec<UserId> = Vec::new();
    let name = map.name(key);
    for node in map.list(key, report) {
        let Some(written) = text(node, &name, report) else {
            continue;
        };
        let mut named = users.iter().filter(|user| user.name == written);
        let number = written.parse::<i64>().ok();
        let found = match (named.next(), named.next(), number) {
            (Some(user), None, _) => Some(user.id),
            (Some(_), Some(_), _) => {
                report.fault(
                    &node.at,
                    format!("more than one person under `access.users` is called `{written}`; write the id"),
                );
                None
            }
            (None, _, Some(id)) if (1..=MAX_ID).contains(&id) => {
                if !users.iter().any(|user| user.id.0 == id) {
                    report.warn(
                        &node.at,
                        format!("{id} is not under `access.users`; this counts once the person has a role"),
                    );
                }
                Some(UserId(id))
            }
            (None, _, _) => {
                report.fault(
                    &node.at,
                    format!("`{name}` holds `{written}`; write a name under `access.users`, or the id of a person"),
                );
                None
            }
        };
        all.extend(found.filter(|id| !all.contains(id)));
    }
    all
}

fn id<'a>(
    node: &'a Node,
    name: &str,
    check: fn(i64) -> Option<&'static str>,
    seen: &mut BTreeMap<i64, &'a At>,
    report: &mut Report,
) -> Option<i64> {
    let written = text(node, name, report)?;
    let number = written.parse::<i64>().ok().filter(|_| is_plain(node));
    let Some(number) = number.filter(|id| *id != 0 && id.abs() <= MAX_ID) else {
        let quotes = if is_plain(node) {
            ""
        } else {
            ", without quotes"
        };
        report.fault(
            &node.at,
            format!("`{name}` is `{written}`; write the numeric id that /whoami shows, not a username{quotes}"),
        );
        return None;
    };
    if let Some(wrong) = check(number) {
        report.fault(&node.at, format!("`{name}` is {number}; {wrong}"));
        return None;
    }
    if let Some(At::Line(line, _)) = seen.insert(number, &node.at) {
        report.fault(
            &node.at,
            format!("the id {number} is already listed in line {line}; keep one of the two"),
        );
        return None;
    }
    Some(number)
}

fn user_id(id: i64) -> Option<&'static str> {
    (id < 0).then_some("a person's id is positive; a group belongs under `access.chats`")
}

fn chat_id(id: i64) -> Option<&'static str> {
    (id > 0).then_some("a group's id is negative; a person belongs under `access.users`")
}

fn display_name(node: &Node, name: &str, report: &mut Report) -> Option<String> {
    let written = text(node, name, report)?.trim();
    let length = written.chars().count();
    if (1..=MAX_NAME).contains(&length) && !written.chars().any(char::is_control) {
        return Some(written.to_owned());
    }
    report.fault(
        &node.at,
        format!("`{name}` must be 1 to {MAX_NAME} characters in one line"),
    );
    None
}
