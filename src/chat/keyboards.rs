//! What our buttons say to us: each press in at most 64 bytes, read back or refused.

use super::alerts::press::AlertPress;
use super::commands::outbox::press::OutboxPress;
use super::commands::schedules::press::SchedulePress;
use super::commands::top::Order;
use super::dialog::tap::Tap;
use crate::base::ids::{ChatId, JobId, UserId};
use crate::base::role::Role;
use crate::base::text::CALLBACK_BYTES;
use crate::delivery::{Button, Buttons};
use crate::drivers::host;
use crate::monitors::charts::{Span, Subject};
use crate::store::history::Cursor;

use super::workflows::press::FlowPress;

/// Entries on a page of buttons.
pub const PAGE: usize = 8;

/// A pressed button.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Press {
    /// Stop this job.
    Cancel(JobId),
    /// Run this job once more.
    Again(JobId),
    /// Ask whether to take this job back.
    Undo(JobId),
    /// Take it back.
    TakeBack(JobId),
    /// What it did holds.
    Keep(JobId),
    /// Send this job's log.
    Log(JobId),
    /// Show this job.
    Job(JobId),
    /// Show jobs: the filter's short form, and which part of the list.
    Jobs(String, Cursor),
    /// The same with a filter that is kept under this id.
    KeptJobs(String, Cursor),
    /// Show this page of the search that is kept under this id.
    Found(String, usize),
    /// Send the matches of a search as a file.
    FoundFile(String),
    /// Search in this job for the same.
    FoundJob(String, JobId),
    /// Show lines of a job's output, from and to.
    Rows(JobId, u64, u64),
    /// Look at the outbox, or do something about it.
    Outbox(OutboxPress),
    /// Look at the schedules, or do something about one.
    Schedule(SchedulePress),
    /// About incidents, silences and subscriptions.
    Alert(AlertPress),
    /// About workflows and their runs.
    Flow(FlowPress),
    /// Start this script.
    Run(String),
    /// Start this script and stream what it prints.
    Stream(String),
    /// Give the file of this offer to this script.
    GiveFile(String, String),
    /// Show this page of scripts to run.
    Scripts(usize),
    /// Show this page of scripts to stream.
    Streams(usize),
    /// Show this part of the status.
    Status(String),
    /// Send a chart: of this machine, or of the one of this name.
    Chart(Subject, Span, Option<String>),
    /// Show the processes in this order.
    Top(Order),
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
    /// Answer a question of a dialog.
    Ask {
        /// The dialog.
        dialog: i64,
        /// The question that it answers.
        step: i64,
        /// The answer.
        tap: Tap,
    },
}

/// A part of a list as it travels in a button.
fn cursor_data(cursor: Cursor) -> String {
    match cursor {
        Cursor::Newest => "0".to_owned(),
        Cursor::OlderThan(id) => format!("o{id}"),
        Cursor::NewerThan(id) => format!("n{id}"),
    }
}

fn read_cursor(data: &str) -> Option<Cursor> {
    let id = |digits: &str| digits.parse().ok().filter(|id| *id > 0).map(JobId);
    match data {
        "0" => Some(Cursor::Newest),
        _ => match data.split_at_checked(1)? {
            ("o", digits) => id(digits).map(Cursor::OlderThan),
            ("n", digits) => id(digits).map(Cursor::NewerThan),
            _ => None,
        },
    }
}

impl Press {
    /// What sends a chart of a machine. `None` when the machine is another one, whose name is too long for a button.
    #[must_use]
    pub fn chart(subject: Subject, span: Span, machine: &str) -> Option<Self> {
        let named = Press::Chart(subject, span, Some(machine.to_owned()));
        match named.data().len() <= CALLBACK_BYTES {
            true => Some(named),
            false => (machine == host::name()).then_some(Press::Chart(subject, span, None)),
        }
    }

    /// As it travels in a button.
    #[must_use]
    pub fn data(&self) -> String {
        match self {
            Press::Cancel(id) => format!("cancel:{id}"),
            Press::Again(id) => format!("again:{id}"),
            Press::Undo(id) => format!("undo:{id}"),
            Press::TakeBack(id) => format!("undone:{id}"),
            Press::Keep(id) => format!("keep:{id}"),
            Press::Log(id) => format!("log:{id}"),
            Press::Job(id) => format!("job:{id}"),
            Press::Jobs(filter, at) => format!("jobs:{filter}:{}", cursor_data(*at)),
            Press::KeptJobs(id, at) => format!("kept:{id}:{}", cursor_data(*at)),
            Press::Found(id, page) => format!("found:{id}:{page}"),
            Press::FoundFile(id) => format!("foundfile:{id}"),
            Press::FoundJob(id, job) => format!("foundin:{id}:{job}"),
            Press::Rows(id, from, to) => format!("rows:{id}:{from}:{to}"),
            Press::Outbox(press) => format!("outbox:{}", press.data()),
            Press::Schedule(press) => format!("sched:{}", press.data()),
            Press::Alert(press) => format!("alert:{}", press.data()),
            Press::Flow(press) => press.data(),
            Press::Run(script) => format!("run:{script}"),
            Press::Stream(script) => format!("stream:{script}"),
            Press::GiveFile(intent, script) => format!("f:{intent}:{script}"),
            Press::Scripts(page) => format!("scripts:{page}"),
            Press::Streams(page) => format!("streams:{page}"),
            Press::Status(part) => format!("status:{part}"),
            Press::Chart(subject, span, host) => {
                let (subject, span) = (subject.as_str(), span.as_str());
                match host {
                    Some(host) => format!("chart:{subject}:{span}:{host}"),
                    None => format!("chart:{subject}:{span}"),
                }
            }
            Press::Top(order) => format!("top:{}", order.as_str()),
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
            Press::Ask { dialog, step, tap } => format!("ask:{dialog}:{step}:{}", tap.data()),
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
            "undo" => Press::Undo(id()?),
            "undone" => Press::TakeBack(id()?),
            "keep" => Press::Keep(id()?),
            "log" => Press::Log(id()?),
            "job" => Press::Job(id()?),
            "jobs" => {
                let (filter, at) = rest.rsplit_once(':')?;
                Press::Jobs(filter.to_owned(), read_cursor(at)?)
            }
            "kept" => {
                let (id, at) = rest.split_once(':')?;
                Press::KeptJobs(id.to_owned(), read_cursor(at)?)
            }
            "found" => {
                let (id, page) = rest.split_once(':')?;
                Press::Found(id.to_owned(), page.parse().ok()?)
            }
            "foundfile" => Press::FoundFile(rest.to_owned()),
            "foundin" => {
                let (id, job) = rest.split_once(':')?;
                let job = job.parse().ok().filter(|job| *job > 0)?;
                Press::FoundJob(id.to_owned(), JobId(job))
            }
            "rows" => {
                let mut parts = rest.splitn(3, ':');
                let job = parts.next()?.parse().ok().filter(|job| *job > 0)?;
                let (from, to) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
                Press::Rows(JobId(job), from, to)
            }
            "outbox" => Press::Outbox(OutboxPress::read(rest)?),
            "sched" => Press::Schedule(SchedulePress::read(rest)?),
            "alert" => Press::Alert(AlertPress::read(rest)?),
            "flow" | "step" | "steplog" => Press::Flow(FlowPress::read(data)?),
            "run" => Press::Run(rest.to_owned()),
            "stream" => Press::Stream(rest.to_owned()),
            "f" => {
                let (intent, script) = rest.split_once(':')?;
                Press::GiveFile(intent.to_owned(), script.to_owned())
            }
            "scripts" => Press::Scripts(rest.parse().ok()?),
            "streams" => Press::Streams(rest.parse().ok()?),
            "status" => Press::Status(rest.to_owned()),
            "chart" => {
                let mut parts = rest.splitn(3, ':');
                let subject = Subject::parse(parts.next()?)?;
                let span = Span::parse(parts.next()?)?;
                Press::Chart(subject, span, parts.next().map(str::to_owned))
            }
            "top" => Press::Top(Order::parse(rest)?),
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
            "ask" => {
                let mut parts = rest.splitn(3, ':');
                Press::Ask {
                    dialog: parts.next()?.parse().ok()?,
                    step: parts.next()?.parse().ok()?,
                    tap: Tap::read(parts.next()?)?,
                }
            }
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

/// The row that turns from this page, counted from 0, to the others; `None` when there are none.
pub fn turns(page: usize, pages: usize, turn_to: impl Fn(usize) -> Press) -> Option<Vec<Button>> {
    let back = page.checked_sub(1);
    let back = back.map(|page| turn_to(page).button("‹ Back"));
    let more = (page + 1 < pages).then(|| turn_to(page + 1).button("More ›"));
    let row: Vec<Button> = back.into_iter().chain(more).collect();
    Some(row).filter(|row| !row.is_empty())
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
    use proptest::prelude::*;

    #[test]
    fn every_press_fits_a_button_and_reads_back() {
        let longest = "x".repeat(MAX_LEN);
        let farthest = UserId((1 << 52) - 1);
        let all = [
            Press::Cancel(JobId(i64::MAX)),
            Press::Again(JobId(1)),
            Press::Undo(JobId(i64::MAX)),
            Press::TakeBack(JobId(1)),
            Press::Keep(JobId(1)),
            Press::Log(JobId(1)),
            Press::Job(JobId(1)),
            Press::Jobs("running".into(), Cursor::Newest),
            Press::Jobs("failed @222".into(), Cursor::OlderThan(JobId(i64::MAX))),
            Press::KeptJobs("x".repeat(20), Cursor::NewerThan(JobId(i64::MAX))),
            Press::Found("x".repeat(20), usize::MAX),
            Press::FoundFile("x".repeat(20)),
            Press::FoundJob("x".repeat(20), JobId(i64::MAX)),
            Press::Rows(JobId(i64::from(i32::MAX)), 100_000_000_000, 100_000_000_050),
            Press::Outbox(OutboxPress::All),
            Press::Outbox(OutboxPress::RetryAll),
            Press::Outbox(OutboxPress::Message(i64::MAX)),
            Press::Outbox(OutboxPress::Retry(1)),
            Press::Outbox(OutboxPress::Ask(1)),
            Press::Outbox(OutboxPress::Drop(1)),
            Press::Outbox(OutboxPress::Chat(ChatId(i64::MIN), 0)),
            Press::Outbox(OutboxPress::RetryChat(ChatId(i64::MIN))),
            Press::Outbox(OutboxPress::AskChat(ChatId(i64::MIN), i64::MAX)),
            Press::Outbox(OutboxPress::DropChat(ChatId(i64::MIN), i64::MAX)),
            Press::Schedule(SchedulePress::List(usize::MAX)),
            Press::Schedule(SchedulePress::Show(format!("{longest}+999"))),
            Press::Schedule(SchedulePress::Run(longest.clone())),
            Press::Schedule(SchedulePress::Pause(format!("{longest}+999"))),
            Press::Schedule(SchedulePress::Resume(longest.clone())),
            Press::Schedule(SchedulePress::Remove(longest.clone())),
            Press::Alert(AlertPress::Now),
            Press::Alert(AlertPress::History(i64::MAX)),
            Press::Alert(AlertPress::Show(i64::MAX)),
            Press::Alert(AlertPress::Ack(1)),
            Press::Alert(AlertPress::Snooze(1)),
            Press::Alert(AlertPress::Silence(1)),
            Press::Alert(AlertPress::SilenceFor(i64::MAX, 720)),
            Press::Alert(AlertPress::Fix(1)),
            Press::Alert(AlertPress::Silences),
            Press::Alert(AlertPress::EndSilence(1)),
            Press::Alert(AlertPress::Subscribe(true)),
            Press::Alert(AlertPress::Unsubscribe("x".repeat(32))),
            Press::Alert(AlertPress::NoQuiet),
            Press::Run(longest.clone()),
            Press::Stream(longest.clone()),
            Press::GiveFile("x".repeat(20), longest.clone()),
            Press::Scripts(usize::MAX),
            Press::Streams(usize::MAX),
            Press::Status("jobs".into()),
            Press::Chart(Subject::Network, Span::Day, None),
            Press::Chart(Subject::Inodes, Span::Day, Some("x:1".repeat(15))),
            Press::Top(Order::Memory),
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
        let taps = [
            Tap::Value(u64::MAX),
            Tap::Skip,
            Tap::SkipAll,
            Tap::Back,
            Tap::Cancel,
            Tap::Page(99),
            Tap::Again,
        ];
        let asks = taps.map(|tap| Press::Ask {
            dialog: i64::MAX,
            step: 9999,
            tap,
        });
        for press in all.into_iter().chain(asks) {
            assert!(press.data().len() <= CALLBACK_BYTES, "{press:?}");
            assert_eq!(Press::read(&press.data()), Some(press));
        }
    }

    #[test]
    fn a_chart_is_offered_of_a_machine_whose_name_fits() {
        let of = |machine: &str| Press::chart(Subject::All, Span::Day, machine);
        let fits = "x".repeat(50);
        assert_eq!(
            of(&fits),
            Some(Press::Chart(Subject::All, Span::Day, Some(fits)))
        );
        assert_eq!(of(&"x".repeat(51)), None);
        // A button of an older version.
        let old = Press::Chart(Subject::All, Span::Day, None);
        assert_eq!(Press::read("chart:all:24h"), Some(old));
    }

    proptest! {
        #[test]
        fn forged_data_never_panics(data in ".{0,80}") {
            let _ = Press::read(&data);
        }
    }
}
