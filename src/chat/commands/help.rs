//! `/help`: the commands that the caller may use; with a name, one of them with an example.

use super::{About, Command, Group, unknown};
use crate::actions::script;
use crate::base::error::Result;
use crate::base::text::escape;
use crate::chat::reply::Reply;
use crate::chat::request::Request;

/// What the help says.
pub const ABOUT: About = About {
    name: "help",
    form: "[command|all]",
    does: "Explain the commands",
    example: ("/help run", "explains /run"),
    role: None,
    acts: false,
};

/// So many lines are read at a glance on a phone.
const AT_A_GLANCE: usize = 10;

/// Explains.
///
/// # Errors
/// None; the form is that of all commands.
pub fn handle(request: &Request, rest: &str) -> Result<Reply> {
    let role = request.role();
    let name = rest.trim_start_matches('/').to_lowercase();
    if name.is_empty() || name == "all" {
        let commands: Vec<_> = Command::of(role).collect();
        return Ok(Reply::html(
            match name.is_empty() && commands.len() > AT_A_GLANCE {
                true => in_short(&commands),
                false => in_full(&commands),
            },
        ));
    }
    let asked = Command::of(role).find(|command| command.about().name == name);
    let Some(command) = asked else {
        let needed = Command::named(&name).and_then(|command| command.about().role);
        return Ok(match (needed, role) {
            (Some(needed), Some(role)) => Reply::plain(&format!(
                "/{name} needs the role {needed} or higher. You are {role} here."
            )),
            _ => of_script(request, &name).unwrap_or_else(|| unknown(&name, role)),
        });
    };
    let about = command.about();
    let (example, does) = about.example;
    Ok(Reply::html(format!(
        "{}\n\nFor example: <code>{}</code>\n{}",
        line(about),
        escape(example),
        escape(does)
    )))
}

/// The names alone, by what they are about: each of them explains itself when it is sent bare.
fn in_short(commands: &[Command]) -> String {
    let of_group = |group: &Group| {
        let names: Vec<_> = commands
            .iter()
            .filter(|command| command.group() == *group)
            .map(|command| format!("/{}", command.about().name))
            .collect();
        (!names.is_empty()).then(|| format!("<b>{}</b>\n{}", group.title(), names.join(" ")))
    };
    let groups: Vec<_> = Group::ALL.iter().filter_map(of_group).collect();
    format!(
        "{}\n\nTap one, and it says what it takes. /help all has a line for each, /help run an example.",
        groups.join("\n\n")
    )
}

fn in_full(commands: &[Command]) -> String {
    let lines: Vec<_> = commands
        .iter()
        .map(|command| line(command.about()))
        .collect();
    let more = "\n\n/help and a command’s name gives an example.";
    lines.join("\n") + more
}

/// How a script is run, if the caller may run it.
fn of_script(request: &Request, name: &str) -> Option<Reply> {
    let config = request.services.live.current();
    let script = script::find(&config, name)
        .filter(|script| request.may_run(script.name.as_str(), script.role))?;
    let does = match &script.description {
        Some(words) => format!("\n{}", escape(words)),
        None => String::new(),
    };
    let what = match script.steps {
        None => "script",
        Some(_) => "workflow",
    };
    Some(Reply::html(format!(
        "{} is a {what}: {}{does}",
        escape(script.name.as_str()),
        escape(&script.command())
    )))
}

fn line(about: &About) -> String {
    let form = match about.form {
        "" => String::new(),
        form => format!(" {}", escape(form)),
    };
    format!("/{}{form} — {}", about.name, escape(about.does))
}
