//! What our buttons say to us: each press in at most 64 bytes, read back or refused.

use crate::base::ids::{ChatId, JobId, UserId};
use crate::base::role::Role;
use crate::delivery::{Button, Buttons};

/// Entries on a page of buttons.
pub const PAGE: usize = 8;

/// A pressed button.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Press {
    /// Stop this job.
    Cancel(JobId),
    /// Run this job once more.
    Again(JobId),
    /// Send this job's log.
    Log(JobId),
    /// Show this job.
    Job(JobId),
    /// Show jobs: which, and how many to skip.
    Jobs(String, u32),
    /// Start this script.
    Run(String),
    /// Start this script and stream what it prints.
    Stream(String),
    /// Show this page of scripts to run.
    Scripts(usize),
    /// Show this page of scripts to stream.
    Streams(usize),
    /// Show this part of the status.
    Status(String),
    /// Show this page of the persons.
    Users(usize),
    /// Show this person.
    Person(UserId),
    /// Ask for how long the person is to have the role.
    Lend(UserId, Role),
    /// Give the person the role for so many hours; 0 for good.
    Give(UserId, Role, u32),
    /// Take the person's role.
    Revoke(UserId),
    /// Show this page of the scripts that the person may be given.
    Rights(UserId, usize),
    /// Ask for how long the person is to have the right to the script.
    LendScript(UserId, String),
    /// Give the person the right to the script for so many hours; 0 for good.
    GiveScript(UserId, String, u32),
    /// Take the person's right to the script.
    RevokeScript(UserId, String),
    /// Show this page of those who wrote and are not known.
    Strangers(usize),
    /// No more notices of this person.
    Ignore(UserId),
    /// Put the group on the list with this ceiling.
    Allow(ChatId, Role),
    /// Show the groups, this page of them.
    Groups(usize),
    /// Show this group.
    Group(ChatId),
    /// Take the group off the list.
    Remove(ChatId),
    /// Leave the group.
    Leave(ChatId),
    /// Ask for how long an invitation with this role is to stand.
    InviteAs(Role),
    /// Make an invitation that stands so many hours.
    Invite(Role, u32),
    /// Withdraw this invitation.
    Withdraw(i64),
    /// Show this part of the audit trail.
    Audit(String),
    /// Do what was asked.
    Confirm(String),
    /// Do not do what was asked.
    Drop(String),
}

impl Press {
    /// As it travels in a button.
    #[must_use]
    pub fn data(&self) -> String {
        match self {
            Press::Cancel(id) => format!("cancel:{id}"),
            Press::Again(id) => format!("again:{id}"),
            Press::Log(id) => format!("log:{id}"),
            Press::Job(id) => format!("job:{id}"),
            Press::Jobs(which, skip) => format!("jobs:{which}:{skip}"),
            Press::Run(script) => format!("run:{script}"),
            Press::Stream(script) => format!("stream:{script}"),
            Press::Scripts(page) => format!("scripts:{page}"),
            Press::Streams(page) => format!("streams:{page}"),
            Press::Status(part) => format!("status:{part}"),
            Press::Users(page) => format!("users:{page}"),
            Press::Person(user) => format!("who:{user}"),
            Press::Lend(user, role) => format!("lend:{user}:{role}"),
            Press::Give(user, role, hours) => format!("give:{user}:{role}:{hours}"),
            Press::Revoke(user) => format!("revoke:{user}"),
            Press::Rights(user, page) => format!("rights:{user}:{page}"),
            Press::LendScript(user, script) => format!("ls:{user}:{script}"),
            Press::GiveScript(user, script, hours) => format!("gs:{user}:{script}:{hours}"),
            Press::RevokeScript(user, script) => format!("rs:{user}:{script}"),
            Press::Strangers(page) => format!("strangers:{page}"),
            Press::Ignore(user) => format!("ignore:{user}"),
            Press::Allow(chat, role) => format!("allow:{chat}:{role}"),
            Press::Groups(page) => format!("groups:{page}"),
            Press::Group(chat) => format!("group:{chat}"),
            Press::Remove(chat) => format!("remove:{chat}"),
            Press::Leave(chat) => format!("leave:{chat}"),
            Press::InviteAs(role) => format!("inviteas:{role}"),
            Press::Invite(role, hours) => format!("invite:{role}:{hours}"),
            Press::Withdraw(id) => format!("withdraw:{id}"),
            Press::Audit(part) => format!("audit:{part}"),
            Press::Confirm(intent) => format!("yes:{intent}"),
            Press::Drop(intent) => format!("no:{intent}"),
        }
    }

    /// Reads a press; `None` for anything that no button of ours says.
    #[must_use]
    pub fn read(data: &str) -> Option<Self> {
        if data.chars().any(char::is_control) {
            return None;
        }
        let (word, rest) = data.split_once(':')?;
        let id = || rest.parse().ok().filter(|id| *id > 0).map(JobId);
        Some(match word {
            "cancel" => Press::Cancel(id()?),
            "again" => Press::Again(id()?),
            "log" => Press::Log(id()?),
            "job" => Press::Job(id()?),
            "jobs" => {
                let (which, skip) = rest.split_once(':')?;
                Press::Jobs(which.to_owned(), skip.parse().ok()?)
            }
            "run" => Press::Run(rest.to_owned()),
            "stream" => Press::Stream(rest.to_owned()),
            "scripts" => Press::Scripts(rest.parse().ok()?),
            "streams" => Press::Streams(rest.parse().ok()?),
            "status" => Press::Status(rest.to_owned()),
            "users" => Press::Users(rest.parse().ok()?),
            "who" => Press::Person(user(rest)?),
            "lend" => {
                let (who, role) = rest.split_once(':')?;
                Press::Lend(user(who)?, Role::parse(role)?)
            }
            "give" => {
                let (who, rest) = rest.split_once(':')?;
                let (role, hours) = rest.split_once(':')?;
                Press::Give(user(who)?, Role::parse(role)?, hours.parse().ok()?)
            }
            "revoke" => Press::Revoke(user(rest)?),
            "rights" => {
                let (who, page) = rest.split_once(':')?;
                Press::Rights(user(who)?, page.parse().ok()?)
            }
            "ls" => {
                let (who, script) = rest.split_once(':')?;
                Press::LendScript(user(who)?, script.to_owned())
            }
            "gs" => {
                let (who, rest) = rest.split_once(':')?;
                let (script, hours) = rest.rsplit_once(':')?;
                Press::GiveScript(user(who)?, script.to_owned(), hours.parse().ok()?)
            }
            "rs" => {
                let (who, script) = rest.split_once(':')?;
                Press::RevokeScript(user(who)?, script.to_owned())
            }
            "strangers" => Press::Strangers(rest.parse().ok()?),
            "ignore" => Press::Ignore(user(rest)?),
            "allow" => {
                let (chat, role) = rest.split_once(':')?;
                Press::Allow(group(chat)?, Role::parse(role)?)
            }
            "groups" => Press::Groups(rest.parse().ok()?),
            "group" => Press::Group(group(rest)?),
            "remove" => Press::Remove(group(rest)?),
            "leave" => Press::Leave(group(rest)?),
            "inviteas" => Press::InviteAs(Role::parse(rest)?),
            "invite" => {
                let (role, hours) = rest.split_once(':')?;
                Press::Invite(Role::parse(role)?, hours.parse().ok()?)
            }
            "withdraw" => Press::Withdraw(rest.parse().ok().filter(|id| *id > 0)?),
            "audit" => Press::Audit(rest.to_owned()),
            "yes" => Press::Confirm(rest.to_owned()),
            "no" => Press::Drop(rest.to_owned()),
            _ => return None,
        })
    }

    /// A button that says it.
    #[must_use]
    pub fn button(&self, label: impl Into<String>) -> Button {
        Button::new(label, self.data())
    }
}

/// A person's id; Telegram's fit 52 bits.
fn user(text: &str) -> Option<UserId> {
    let id = text.parse().ok().filter(|id| (1..1 << 52).contains(id));
    id.map(UserId)
}

fn group(text: &str) -> Option<ChatId> {
    let id = text.parse().ok().filter(|id| (-(1 << 52)..0).contains(id));
    id.map(ChatId)
}

/// Buttons two in a row.
#[must_use]
pub fn in_pairs(buttons: Vec<Button>) -> Buttons {
    let mut rows: Buttons = Vec::new();
    for button in buttons {
        match rows.last_mut() {
            Some(row) if row.len() < 2 => row.push(button),
            _ => rows.push(vec![button]),
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::name::MAX_LEN;
    use crate::base::text::CALLBACK_BYTES;
    use proptest::prelude::*;

    #[test]
    fn every_press_fits_a_button_and_reads_back() {
        let longest = "x".repeat(MAX_LEN);
        let farthest = UserId((1 << 52) - 1);
        let all = [
            Press::Cancel(JobId(i64::MAX)),
            Press::Again(JobId(1)),
            Press::Log(JobId(1)),
            Press::Job(JobId(1)),
            Press::Jobs("running".into(), u32::MAX),
            Press::Run(longest.clone()),
            Press::Stream(longest.clone()),
            Press::Scripts(usize::MAX),
            Press::Streams(usize::MAX),
            Press::Status("jobs".into()),
            Press::Users(usize::MAX),
            Press::Person(farthest),
            Press::Lend(farthest, Role::Operator),
            Press::Give(farthest, Role::Operator, u32::MAX),
            Press::Revoke(farthest),
            Press::Rights(farthest, usize::MAX),
            Press::LendScript(farthest, longest.clone()),
            Press::GiveScript(farthest, longest.clone(), 720),
            Press::RevokeScript(farthest, longest.clone()),
            Press::Strangers(usize::MAX),
            Press::Ignore(farthest),
            Press::Allow(ChatId(-(1 << 52)), Role::Operator),
            Press::Groups(usize::MAX),
            Press::Group(ChatId(-(1 << 52))),
            Press::Remove(ChatId(-(1 << 52))),
            Press::Leave(ChatId(-(1 << 52))),
            Press::InviteAs(Role::Operator),
            Press::Invite(Role::Operator, u32::MAX),
            Press::Withdraw(i64::MAX),
            Press::Audit("x".repeat(58)),
            Press::Confirm(longest.clone()),
            Press::Drop(longest),
        ];
        for press in all {
            assert!(press.data().len() <= CALLBACK_BYTES, "{press:?}");
            assert_eq!(Press::read(&press.data()), Some(press));
        }
    }

    proptest! {
        #[test]
        fn forged_data_never_panics(data in ".{0,80}") {
            let _ = Press::read(&data);
        }
    }
}
