//! `/help`: the commands that the caller may use; with a name, one of them with an example.

use super::{About, Command, unknown};
use crate::actions::script;
use crate::base::error::Result;
use crate::base::text::escape;
use crate::chat::reply::Reply;
use crate::chat::request::Request;

/// What the help says.
pub const ABOUT: About = About {
    name: "help",
    form: "[command]",
    does: "Explain the commands",
    example: ("/help run", "explains /run"),
    role: None,
    acts: false,
};

/// Explains.
///
/// # Errors
/// None; the form is that of all commands.
pub fn handle(request: &Request, rest: &str) -> Result<Reply> {
    let role = request.role();
    let name = rest.trim_start_matches('/').to_lowercase();
    if name.is_empty() {
        let lines: Vec<_> = Command::of(role)
            .map(|command| line(command.about()))
            .collect();
        let more = "\n\n/help and a command's name gives an example.";
        return Ok(Reply::html(lines.join("\n") + more));
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

/// How a script is run, if the caller may run it.
fn of_script(request: &Request, name: &str) -> Option<Reply> {
    let config = request.services.live.current();
    let script = script::find(&config, name)
        .filter(|script| request.may_run(script.name.as_str(), script.role))?;
    let does = match &script.description {
        Some(words) => format!("\n{}", escape(words)),
        None => String::new(),
    };
    Some(Reply::html(format!(
        "{} is a script: /run {}{does}",
        escape(script.name.as_str()),
        escape(&script.usage())
    )))
}

fn line(about: &About) -> String {
    let form = match about.form {
        "" => String::new(),
        form => format!(" {}", escape(form)),
    };
    format!("/{}{form} — {}", about.name, escape(about.does))
}
