//! What owners and those concerned are told of changed rights, of strangers and of new groups.

use super::keyboards::Press;
use crate::access::{Change, Done, Herald, News};
use crate::base::ids::{ChatId, Place, UserId};
use crate::base::role::Role;
use crate::base::text::escape;
use crate::base::time::Millis;
use crate::delivery::{Buttons, Outbox, Outgoing};
use crate::store;
use crate::store::outbox::NewRow;
use chrono::{DateTime, Local};

/// Puts news into messages of the outbox.
pub struct Notices {
    outbox: Option<Outbox>,
}

impl Notices {
    /// Notices that leave at once.
    #[must_use]
    pub fn new(outbox: Outbox) -> Self {
        Self {
            outbox: Some(outbox),
        }
    }

    /// Notices that a running bot, or the next start, sends: for the command line.
    #[must_use]
    pub fn written_down() -> Self {
        Self { outbox: None }
    }
}

impl Herald for Notices {
    fn row(&self, to: UserId, news: &News) -> store::Result<NewRow> {
        let (html, buttons) = words(news);
        let place = Place {
            chat: ChatId(to.0),
            thread: None,
        };
        let message = Outgoing::text(place, html, buttons);
        Ok(NewRow {
            chat: place.chat,
            payload: serde_json::to_string(&message)
                .map_err(|error| store::Error::Corrupt(error.to_string()))?,
            slot: None,
            source: source(news).map(|source| format!("{source}:{to}")),
            job: None,
            sealed: None,
        })
    }

    fn kick(&self, chat: ChatId) {
        if let Some(outbox) = &self.outbox {
            outbox.kick(chat);
        }
    }
}

/// What makes a notice the only one of its kind.
fn source(news: &News) -> Option<String> {
    match news {
        News::Knock { user, day, .. } => Some(format!("knock:{user}:{day}")),
        News::Knocks { hour, .. } => Some(format!("knocks:{hour}")),
        News::Added { chat, day, .. } => Some(format!("added:{chat}:{day}")),
        News::Changed { .. } | News::Yours { .. } | News::Ended { .. } | News::Invited { .. } => {
            None
        }
    }
}

fn words(news: &News) -> (String, Buttons) {
    match news {
        News::Changed { done, by } => (format!("{}: {}", escape(by), deed(done)), Vec::new()),
        News::Yours { done, by } => (yours(done, by), Vec::new()),
        News::Ended { role, left } => (
            match left {
                Some(left) => {
                    format!("Your time as <b>{role}</b> has ended. You are <b>{left}</b> again.")
                }
                None => {
                    format!("Your time as <b>{role}</b> has ended. I do nothing for you any more.")
                }
            },
            Vec::new(),
        ),
        News::Invited {
            user,
            name,
            role,
            inviter,
        } => (
            format!(
                "{} (<code>{user}</code>) used the invitation of {} and is now <b>{role}</b>.",
                escape(name),
                escape(inviter)
            ),
            vec![vec![Press::Person(*user).button("Look")]],
        ),
        News::Knock { user, name, .. } => (
            format!(
                "Somebody whom I do not know wrote to me: {} (<code>{user}</code>). The name is their own choice.",
                escape(name)
            ),
            vec![
                vec![
                    Press::Give(*user, Role::Viewer, 0).button("Let in as viewer"),
                    Press::Give(*user, Role::Operator, 0).button("As operator"),
                ],
                vec![Press::Ignore(*user).button("Ignore")],
            ],
        ),
        News::Knocks { messages, .. } => (
            format!(
                "Persons whom I do not know wrote to me {messages} more times within an hour. \
                 I told you of the first ten; /audit knock shows all."
            ),
            Vec::new(),
        ),
        News::Added {
            chat, title, by, ..
        } => (
            format!(
                "{} added me to the group “{}” (<code>{chat}</code>). It is not on my list, so I do nothing there.",
                escape(by),
                escape(title)
            ),
            vec![
                vec![
                    Press::Allow(*chat, Role::Viewer).button("Allow as viewer"),
                    Press::Allow(*chat, Role::Operator).button("As operator"),
                ],
                vec![Press::Leave(*chat).button("Leave it")],
            ],
        ),
    }
}

/// A change as a sentence, in HTML.
#[must_use]
pub fn deed(done: &Done) -> String {
    let name = match done.change.user() {
        Some(user) => format!("{} (<code>{user}</code>)", escape(&done.name)),
        None => String::new(),
    };
    match &done.change {
        Change::Role { role, until, .. } => {
            format!("{name} is now <b>{role}</b>{}.", ending(*until, done))
        }
        Change::NoRole { .. } => format!("{name} has no role any more and gets nothing."),
        Change::Script { script, until, .. } => format!(
            "{name} may now run <b>{}</b>{}.",
            escape(script),
            until.map_or(String::new(), |end| format!(" until {}", moment(end)))
        ),
        Change::NoScript { script, .. } => format!(
            "{name} has no right of their own to <b>{}</b> any more.",
            escape(script)
        ),
        Change::Chat { place, role } => format!(
            "In the {} nobody is more than <b>{role}</b>; below that, everybody keeps their own role.",
            spot(*place)
        ),
        Change::NoChat { place } => match place.thread {
            Some(_) => format!("The {} is like its group again.", spot(*place)),
            None => format!("The {} is off my list. I do nothing there.", spot(*place)),
        },
    }
}

fn yours(done: &Done, by: &str) -> String {
    let by = escape(by);
    match &done.change {
        Change::Role { role, until, .. } => format!(
            "{by} made you <b>{role}</b>{}. /help shows what you may do.",
            ending(*until, done)
        ),
        Change::NoRole { .. } => format!("{by} took your role. I do nothing for you any more."),
        Change::Script { script, until, .. } => format!(
            "{by} lets you run <b>{}</b>{}: /run {0}",
            escape(script),
            until.map_or(String::new(), |end| format!(" until {}", moment(end)))
        ),
        Change::NoScript { script, .. } => {
            format!("{by} took your right to <b>{}</b>.", escape(script))
        }
        Change::Chat { .. } | Change::NoChat { .. } => deed(done),
    }
}

/// When a role ends, and what comes then.
fn ending(until: Option<Millis>, done: &Done) -> String {
    match (until, done.fallback) {
        (None, _) => String::new(),
        (Some(end), Some(role)) => format!(" until {}, then {role} again", moment(end)),
        (Some(end), None) => format!(" until {}", moment(end)),
    }
}

fn spot(place: Place) -> String {
    match place.thread {
        Some(topic) => format!("topic {topic} of the group <code>{}</code>", place.chat),
        None => format!("group <code>{}</code>", place.chat),
    }
}

/// A moment with its day, as people here read it.
#[must_use]
pub fn moment(at: Millis) -> String {
    let local: DateTime<Local> = at.utc().with_timezone(&Local);
    local.format("%-d %b %H:%M").to_string()
}
