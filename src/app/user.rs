//! `opsgram user`: who may use the bot, from the server's command line; a running bot takes it over by itself.

use super::cli::{Outcome, runtime};
use super::wire;
use crate::access::{Access, By, Change, Listed, Origin, Person};
use crate::base::error::Error;
use crate::base::ids::UserId;
use crate::base::role::Role;
use crate::base::time::{Millis, parse_duration};
use crate::chat::Notices;
use crate::config::{self, Config, Database, Env};
use crate::selftest::folder::existing;
use crate::store::Store;
use anyhow::{Context, Result};
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use nix::unistd::{Gid, Uid, User, setgid, setgroups, setuid};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// What is done with whom.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The configuration; without it OPSGRAM_CONFIG, config/opsgram.yaml, or that of the installed bot.
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// List everybody who has a role, and where it comes from.
    #[command(after_help = "Example:\n  opsgram user list")]
    List,
    /// Give somebody a role.
    #[command(after_help = "\
Examples:
  opsgram user add 111 --role operator --name ann
  opsgram user add @ann --role admin --for 8h     for a while; what was before comes back")]
    Add {
        /// A Telegram id, or @username of somebody who wrote to the bot.
        who: String,
        /// The role.
        #[arg(long, value_parser = roles())]
        role: Role,
        /// What they are called in answers.
        #[arg(long, value_parser = called)]
        name: Option<String>,
        /// How long, such as 8h or 30d; without it for good.
        #[arg(long = "for", value_name = "TIME", value_parser = parse_duration)]
        time: Option<Duration>,
    },
    /// Change the role of somebody who has one.
    #[command(after_help = "Example:\n  opsgram user role ann admin")]
    Role {
        /// A Telegram id, a name of `user list`, or @username.
        who: String,
        /// The new role.
        #[arg(value_parser = roles())]
        role: Role,
    },
    /// Take somebody's role, and with it everything.
    #[command(after_help = "Example:\n  opsgram user remove ann")]
    Remove {
        /// A Telegram id, a name of `user list`, or @username.
        who: String,
    },
}

fn roles() -> impl TypedValueParser<Value = Role> {
    let values = Role::ALL.map(|role| PossibleValue::new(role.as_str()));
    PossibleValuesParser::new(values).try_map(|word| Role::parse(&word).ok_or("no role"))
}

/// The longest name of a person, in characters; the same as in the configuration.
const MAX_NAME: usize = 64;

fn called(written: &str) -> std::result::Result<String, String> {
    let name = written.trim();
    let fits = (1..=MAX_NAME).contains(&name.chars().count());
    match fits && !name.chars().any(char::is_control) {
        true => Ok(name.to_owned()),
        false => Err(format!("a name has 1 to {MAX_NAME} characters in one line")),
    }
}

/// Does it.
pub(super) fn run(args: Args, env: &Env) -> Result<Outcome> {
    let file = args.config.unwrap_or_else(|| config::default_path(env));
    let config = match config::load(&file, env) {
        Ok(loaded) => loaded.config,
        Err(faults) => {
            eprintln!("{faults}");
            return Ok(Outcome::Fault);
        }
    };
    let by = By::CommandLine(me());
    as_owner_of(&config.database)?;
    runtime()?.block_on(async {
        let store = Store::open(wire::location(&config.database))
            .await
            .context("opening the database")?;
        let notices = Arc::new(Notices::written_down());
        let access = Access::open(store.clone(), Listed::from(&config), notices)
            .await
            .context("reading the members")?;
        let done = act(&access, &config, &by, args.what).await;
        store.close().await;
        match done {
            Ok(words) => {
                println!("{words}");
                Ok(Outcome::Done)
            }
            Err(Error::Refused(words)) => {
                eprintln!("opsgram: {words}");
                Ok(Outcome::Failed)
            }
            Err(Error::Internal(error)) => Err(error),
        }
    })
}

/// Root goes on as the user whose database it is: a file that root made could not be written by the service.
fn as_owner_of(database: &Database) -> Result<()> {
    let Database::Sqlite { path } = database else {
        return Ok(());
    };
    let meta =
        std::fs::metadata(existing(path)).context("looking at the folder of the database")?;
    if Uid::effective().is_root() && meta.uid() != 0 {
        setgroups(&[]).context("leaving the groups of root")?;
        setgid(Gid::from_raw(meta.gid())).context("becoming the bot's group")?;
        setuid(Uid::from_raw(meta.uid())).context("becoming the bot's user")?;
    }
    Ok(())
}

async fn act(
    access: &Access,
    config: &Config,
    by: &By,
    what: What,
) -> crate::base::error::Result<String> {
    let change = match what {
        What::List => {
            let all = access.directory().await?;
            return Ok(list(&all));
        }
        What::Add {
            who,
            role,
            name,
            time,
        } => {
            let wanted = access.find(&who).await?;
            fixed(config, wanted.id)?;
            let name = name.unwrap_or(wanted.name);
            free(access, wanted.id, &name)?;
            Change::Role {
                user: wanted.id,
                name,
                role,
                until: time.map(|time| Millis::now().plus(time)),
            }
        }
        What::Role { who, role } => {
            let wanted = access.find(&who).await?;
            fixed(config, wanted.id)?;
            if wanted.role.is_none() {
                return Err(Error::refused(format!(
                    "{} has no role; `opsgram user add {who} --role {role}` gives one",
                    wanted.name
                )));
            }
            Change::Role {
                user: wanted.id,
                name: wanted.name,
                role,
                until: None,
            }
        }
        What::Remove { who } => {
            let wanted = access.find(&who).await?;
            fixed(config, wanted.id)?;
            Change::NoRole { user: wanted.id }
        }
    };
    let done = access.change(by, change).await?;
    let before = done
        .before
        .map_or_else(String::new, |role| format!(", was {role}"));
    Ok(match &done.change {
        Change::Role {
            user, role, until, ..
        } => {
            let until = until.map_or_else(String::new, |at| {
                format!(", until {} UTC", at.utc().format("%Y-%m-%d %H:%M"))
            });
            format!("{} ({user}) is {role} now{until}{before}", done.name)
        }
        Change::NoRole { user } => format!("{} ({user}) has no role now{before}", done.name),
        Change::Script { .. }
        | Change::NoScript { .. }
        | Change::Chat { .. }
        | Change::NoChat { .. } => "done".to_owned(),
    })
}

/// Whom the file names, the file alone changes.
fn fixed(config: &Config, id: UserId) -> crate::base::error::Result<()> {
    match config.access.users.iter().find(|user| user.id == id) {
        Some(user) => Err(Error::refused(format!(
            "{} ({id}) stands in the configuration under access.users; change it there",
            user.name
        ))),
        None => Ok(()),
    }
}

/// A name that means two persons names nobody.
fn free(access: &Access, id: UserId, name: &str) -> crate::base::error::Result<()> {
    let lower = name.to_lowercase();
    let persons = access.persons();
    let other = persons
        .iter()
        .find(|one| one.id != id && one.name.to_lowercase() == lower);
    match other {
        Some(other) => Err(Error::refused(format!(
            "{} is the name of {}; choose another with --name",
            other.name, other.id
        ))),
        None => Ok(()),
    }
}

fn list(all: &[Person]) -> String {
    if all.is_empty() {
        return "Nobody has a role yet. `opsgram user add ID --role owner` gives one.".to_owned();
    }
    let widest = all.iter().map(|person| person.id.to_string().len()).max();
    let width = widest.unwrap_or_default();
    let row = |id: &str, name: &str, role: &str, from: &str| {
        format!("{id:<width$}  {role:<9} {name:<20} {from}")
            .trim_end()
            .to_owned()
    };
    let mut lines = vec![row("id", "name", "role", "from")];
    for person in all {
        let from = match &person.origin {
            Origin::File => "the configuration".to_owned(),
            Origin::Stored(_, given) => {
                format!("{}, {}", given.by_name, given.at.utc().format("%Y-%m-%d"))
            }
        };
        let from = match person.until {
            Some((until, _)) => {
                format!("{from}, until {} UTC", until.utc().format("%Y-%m-%d %H:%M"))
            }
            None => from,
        };
        let name: String = person.name.chars().filter(|c| !c.is_control()).collect();
        lines.push(row(
            &person.id.to_string(),
            &name,
            person.role.as_str(),
            &from,
        ));
    }
    lines.join("\n")
}

/// Who sits at the command line, for the trail: the person behind sudo, if there is one.
fn me() -> String {
    let of_sudo = std::env::var("SUDO_USER")
        .ok()
        .filter(|name| !name.is_empty());
    of_sudo.unwrap_or_else(|| match User::from_uid(Uid::current()) {
        Ok(Some(user)) => user.name,
        Ok(None) | Err(_) => Uid::current().to_string(),
    })
}
