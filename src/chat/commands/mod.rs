//! The commands: one file each. A new one is a line here and its file.

pub mod alerts;
pub mod audit;
pub mod broadcast;
pub mod cancel;
pub mod chats;
pub mod config;
pub mod freeze;
pub mod grant;
pub mod help;
pub mod invite;
pub mod job;
pub mod jobs;
pub mod outbox;
pub mod output;
pub mod pause;
pub mod reload;
pub mod resume;
pub mod retry;
pub mod revoke;
pub mod run;
pub mod runnow;
pub mod schedule;
pub mod schedules;
pub mod selftest;
pub mod silence;
pub mod start;
pub mod status;
pub mod stream;
pub mod subscribe;
pub mod subscriptions;
pub mod top;
pub mod unfreeze;
pub mod unsubscribe;
pub mod users;
pub mod whoami;
pub mod workflow;

use super::reply::Reply;
use super::request::Request;
use crate::base::error::Result;
use crate::base::ids::JobId;
use crate::base::role::Role;
use crate::base::{suggest, text};

/// What a command is called, and what the help says of it.
#[derive(Clone, Copy, Debug)]
pub struct About {
    /// Its name, without the slash.
    pub name: &'static str,
    /// The form of its arguments; empty for none.
    pub form: &'static str,
    /// What it does, in a few words.
    pub does: &'static str,
    /// An example, as typed, and what it does.
    pub example: (&'static str, &'static str),
    /// The lowest role that may use it; `None` for everybody, strangers included.
    pub role: Option<Role>,
    /// Whether it changes something: then it is not run late without asking.
    pub acts: bool,
}

/// What a command is about, for the help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// Running scripts, and what became of it.
    Jobs,
    /// What runs by itself, and when.
    Schedules,
    /// How things are.
    State,
    /// What is wrong, and who is told.
    Alerts,
    /// Who may what.
    People,
    /// The bot itself.
    Bot,
}

impl Group {
    /// All groups, in the order of the help.
    pub const ALL: [Group; 6] = [
        Group::Jobs,
        Group::Schedules,
        Group::State,
        Group::Alerts,
        Group::People,
        Group::Bot,
    ];

    /// Its heading.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Group::Jobs => "Scripts and jobs",
            Group::Schedules => "By the clock",
            Group::State => "How things are",
            Group::Alerts => "What is wrong, and who is told",
            Group::People => "People and groups",
            Group::Bot => "This bot",
        }
    }
}

/// A command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Runs a script.
    Run,
    /// Runs a script and streams what it prints.
    Stream,
    /// Looks at workflows, and runs them.
    Workflow,
    /// Shows the server's state.
    Status,
    /// Shows the busiest processes.
    Top,
    /// Shows what is wrong.
    Alerts,
    /// Holds alerts back for a time.
    Silence,
    /// Is told of incidents.
    Subscribe,
    /// Is told no more.
    Unsubscribe,
    /// Shows what is told here.
    Subscriptions,
    /// Sends a message to everybody.
    Broadcast,
    /// Lists jobs.
    Jobs,
    /// Shows one job.
    Job,
    /// Stops a job.
    Cancel,
    /// Runs a job once more.
    Retry,
    /// Gives a job's output.
    Output,
    /// Shows what waits to be sent.
    Outbox,
    /// Tries every part.
    SelfTest,
    /// Shows what runs by itself.
    Schedules,
    /// Lets a script run by itself.
    Schedule,
    /// Pauses a schedule.
    Pause,
    /// Lets a paused schedule go on.
    Resume,
    /// Runs at once what a schedule runs.
    RunNow,
    /// Stops everything new.
    Freeze,
    /// Ends that.
    Unfreeze,
    /// Shows the persons.
    Users,
    /// Gives a role or a right.
    Grant,
    /// Takes a role or a right.
    Revoke,
    /// Makes an invitation.
    Invite,
    /// Shows and allows groups.
    Chats,
    /// Shows the audit trail.
    Audit,
    /// Looks at the configuration.
    Config,
    /// Reads the configuration again.
    Reload,
    /// Explains the commands.
    Help,
    /// Says who you are here.
    Whoami,
    /// Greets.
    Start,
}

impl Command {
    /// All commands, in the order of the help.
    pub const ALL: [Command; 36] = [
        Command::Run,
        Command::Stream,
        Command::Workflow,
        Command::Status,
        Command::Top,
        Command::Alerts,
        Command::Silence,
        Command::Subscribe,
        Command::Unsubscribe,
        Command::Subscriptions,
        Command::Broadcast,
        Command::Jobs,
        Command::Job,
        Command::Cancel,
        Command::Retry,
        Command::Output,
        Command::Outbox,
        Command::SelfTest,
        Command::Schedules,
        Command::Schedule,
        Command::Pause,
        Command::Resume,
        Command::RunNow,
        Command::Freeze,
        Command::Unfreeze,
        Command::Users,
        Command::Grant,
        Command::Revoke,
        Command::Invite,
        Command::Chats,
        Command::Audit,
        Command::Config,
        Command::Reload,
        Command::Help,
        Command::Whoami,
        Command::Start,
    ];

    /// What the help says of it.
    #[must_use]
    pub fn about(self) -> &'static About {
        match self {
            Command::Run => &run::ABOUT,
            Command::Stream => &stream::ABOUT,
            Command::Workflow => &workflow::ABOUT,
            Command::Status => &status::ABOUT,
            Command::Top => &top::ABOUT,
            Command::Alerts => &alerts::ABOUT,
            Command::Silence => &silence::ABOUT,
            Command::Subscribe => &subscribe::ABOUT,
            Command::Unsubscribe => &unsubscribe::ABOUT,
            Command::Subscriptions => &subscriptions::ABOUT,
            Command::Broadcast => &broadcast::ABOUT,
            Command::Jobs => &jobs::ABOUT,
            Command::Job => &job::ABOUT,
            Command::Cancel => &cancel::ABOUT,
            Command::Retry => &retry::ABOUT,
            Command::Output => &output::ABOUT,
            Command::Outbox => &outbox::ABOUT,
            Command::SelfTest => &selftest::ABOUT,
            Command::Schedules => &schedules::ABOUT,
            Command::Schedule => &schedule::ABOUT,
            Command::Pause => &pause::ABOUT,
            Command::Resume => &resume::ABOUT,
            Command::RunNow => &runnow::ABOUT,
            Command::Freeze => &freeze::ABOUT,
            Command::Unfreeze => &unfreeze::ABOUT,
            Command::Users => &users::ABOUT,
            Command::Grant => &grant::ABOUT,
            Command::Revoke => &revoke::ABOUT,
            Command::Invite => &invite::ABOUT,
            Command::Chats => &chats::ABOUT,
            Command::Audit => &audit::ABOUT,
            Command::Config => &config::ABOUT,
            Command::Reload => &reload::ABOUT,
            Command::Help => &help::ABOUT,
            Command::Whoami => &whoami::ABOUT,
            Command::Start => &start::ABOUT,
        }
    }

    /// What it is about.
    #[must_use]
    pub fn group(self) -> Group {
        match self {
            Command::Run
            | Command::Stream
            | Command::Workflow
            | Command::Jobs
            | Command::Job
            | Command::Cancel
            | Command::Retry
            | Command::Output => Group::Jobs,
            Command::Schedules
            | Command::Schedule
            | Command::Pause
            | Command::Resume
            | Command::RunNow
            | Command::Freeze
            | Command::Unfreeze => Group::Schedules,
            Command::Status | Command::Top | Command::Outbox | Command::SelfTest => Group::State,
            Command::Alerts
            | Command::Silence
            | Command::Subscribe
            | Command::Unsubscribe
            | Command::Subscriptions
            | Command::Broadcast => Group::Alerts,
            Command::Users
            | Command::Grant
            | Command::Revoke
            | Command::Invite
            | Command::Chats
            | Command::Audit => Group::People,
            Command::Config
            | Command::Reload
            | Command::Help
            | Command::Whoami
            | Command::Start => Group::Bot,
        }
    }

    /// Carries it out. `rest` is what was typed after it.
    ///
    /// # Errors
    /// The refusal in words, or a failure of ours.
    pub async fn handle(self, request: &Request, rest: &str) -> Result<Reply> {
        match self {
            Command::Run => run::handle(request, rest).await,
            Command::Stream => stream::handle(request, rest).await,
            Command::Workflow => workflow::handle(request, rest).await,
            Command::Status => status::handle(request, rest).await,
            Command::Top => top::handle(request, rest).await,
            Command::Alerts => alerts::handle(request, rest).await,
            Command::Silence => silence::handle(request, rest).await,
            Command::Subscribe => subscribe::handle(request, rest).await,
            Command::Unsubscribe => unsubscribe::handle(request, rest).await,
            Command::Subscriptions => subscriptions::handle(request, rest).await,
            Command::Broadcast => broadcast::handle(request, rest).await,
            Command::Jobs => jobs::handle(request, rest).await,
            Command::Job => job::handle(request, rest).await,
            Command::Cancel => cancel::handle(request, rest).await,
            Command::Retry => retry::handle(request, rest).await,
            Command::Output => output::handle(request, rest).await,
            Command::Outbox => outbox::handle(request, rest).await,
            Command::SelfTest => selftest::handle(request, rest).await,
            Command::Schedules => schedules::handle(request, rest).await,
            Command::Schedule => schedule::handle(request, rest).await,
            Command::Pause => pause::handle(request, rest).await,
            Command::Resume => resume::handle(request, rest).await,
            Command::RunNow => runnow::handle(request, rest).await,
            Command::Freeze => freeze::handle(request, rest).await,
            Command::Unfreeze => unfreeze::handle(request, rest).await,
            Command::Users => users::handle(request, rest).await,
            Command::Grant => grant::handle(request, rest).await,
            Command::Revoke => revoke::handle(request, rest).await,
            Command::Invite => invite::handle(request, rest).await,
            Command::Chats => chats::handle(request, rest).await,
            Command::Audit => audit::handle(request, rest).await,
            Command::Config => config::handle(request, rest).await,
            Command::Reload => reload::handle(request, rest).await,
            Command::Help => help::handle(request, rest),
            Command::Whoami => Ok(whoami::handle(request)),
            Command::Start => start::handle(request, rest).await,
        }
    }

    /// The command of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Command> {
        Command::ALL
            .into_iter()
            .find(|command| command.about().name == name)
    }

    /// The commands that a role may use, in the order of the help; `None` for a stranger's.
    pub fn of(role: Option<Role>) -> impl Iterator<Item = Command> {
        Command::ALL
            .into_iter()
            .filter(move |command| command.about().role <= role)
    }
}

/// A command line as typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// The command's name in lower case, without slash and bot.
    pub name: String,
    /// The bot that it is meant for, if it says so.
    pub bot: Option<&'a str>,
    /// What follows.
    pub rest: &'a str,
}

/// Reads a command line; `None` when the text does not begin with a slash.
#[must_use]
pub fn read_line(text: &str) -> Option<Line<'_>> {
    let text = text.strip_prefix('/')?;
    let end = text.find(char::is_whitespace).unwrap_or(text.len());
    let (word, rest) = text.split_at(end);
    let (name, bot) = match word.split_once('@') {
        Some((name, bot)) => (name, Some(bot)),
        None => (word, None),
    };
    Some(Line {
        name: name.to_lowercase(),
        bot,
        rest: rest.trim(),
    })
}

/// What a text without a slash is answered with.
#[must_use]
pub fn no_slash(text: &str, role: Option<Role>) -> Reply {
    let word = text
        .split_whitespace()
        .next()
        .unwrap_or_default()
        .to_lowercase();
    if Command::of(role).any(|command| command.about().name == word) {
        let meant = text::shorten(text.trim(), 60);
        return Reply::plain(&format!(
            "Commands begin with a slash. Did you mean /{meant}?"
        ));
    }
    Reply::plain("I understand commands. /help lists them.")
}

/// What an unknown command is answered with.
#[must_use]
pub fn unknown(name: &str, role: Option<Role>) -> Reply {
    let known: Vec<_> = Command::of(role)
        .map(|command| command.about().name)
        .collect();
    if name.is_empty() {
        return Reply::plain("A command has a name after its slash. /help lists them.");
    }
    let near = suggest::nearest(name, known);
    let near: Vec<_> = near.iter().map(|name| format!("/{name}")).collect();
    let name = text::shorten(name, 60);
    if near.is_empty() {
        Reply::plain(&format!(
            "There is no command /{name}. /help lists what there is."
        ))
    } else {
        Reply::plain(&format!(
            "There is no command /{name}. Did you mean {}?",
            near.join(" or ")
        ))
    }
}

/// Reads a job's number, with or without `#`.
pub(super) fn job_id(word: &str) -> Option<JobId> {
    let digits = word.strip_prefix('#').unwrap_or(word);
    digits.parse().ok().filter(|id| *id > 0).map(JobId)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_typed() {
        let line = read_line("/Run@opsgram_bot  deploy “api v1”").unwrap();
        assert_eq!((line.name.as_str(), line.bot), ("run", Some("opsgram_bot")));
        assert_eq!(line.rest, "deploy “api v1”");
        assert_eq!(read_line("/run\nx").unwrap().rest, "x");
        assert_eq!(read_line("run"), None);
    }

    #[test]
    fn a_typo_is_answered_with_the_nearest() {
        let reply = unknown("jbos", Some(Role::Viewer));
        assert!(reply.html.contains("/jobs"), "{}", reply.html);
        let strange = unknown("<b>", None);
        assert!(strange.html.contains("&lt;b&gt;"));
    }

    #[test]
    fn a_stranger_sees_only_what_everybody_may() {
        let names: Vec<_> = Command::of(None).map(|c| c.about().name).collect();
        assert_eq!(names, ["help", "whoami", "start"]);
    }

    #[test]
    fn the_menu_keeps_telegrams_limits() {
        for command in Command::ALL {
            let about = command.about();
            assert!((1..=32).contains(&about.name.len()));
            assert!(
                about
                    .name
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b == b'_')
            );
            assert!((1..=256).contains(&about.does.chars().count()));
            assert!(about.example.0.starts_with(&format!("/{}", about.name)));
        }
    }
}
