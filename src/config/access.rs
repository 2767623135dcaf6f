//! The section `access`: who may use the bot, and the ceilings of groups.

use std::collections::BTreeMap;

use super::fault::{At, Report};
use super::map::Map;
use super::read::{is_plain, text};
use super::tree::Node;
use crate::base::ids::{ChatId, UserId};
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
        if let Some((id, name, role)) = member(node, &path, user_id, &mut seen, report) {
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
        if let Some((id, name, role)) = member(node, &path, chat_id, &mut seen, report) {
            access.chats.push(Chat {
                id: ChatId(id),
                name,
                role,
            });
        }
    }
    map.finish(report);
    access
}

fn member<'a>(
    node: &'a Node,
    path: &str,
    check: fn(i64) -> Option<&'static str>,
    seen: &mut BTreeMap<i64, &'a At>,
    report: &mut Report,
) -> Option<(i64, String, Role)> {
    let mut map = Map::open(node, path, report)?;
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
    map.finish(report);
    Some((id?, name?, role?))
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
