//! `/workflow`: looks at workflows and their runs, starts and stops them, and answers what they ask.

use super::{About, job_id, run};
use crate::base::error::{Error, Result};
use crate::base::ids::JobId;
use crate::base::role::Role;
use crate::base::suggest::closest;
use crate::base::text::shorten;
use crate::base::words;
use crate::base::workflow::Said;
use crate::chat::reply::Reply;
use crate::chat::request::Request;
use crate::chat::workflows::{answer, known, list, log, plan, retry, status, undo};

/// What the help says.
pub const ABOUT: About = About {
    name: "workflow",
    form: "[run|plan <name> [arguments]] [status|stop [name or number]] [log <number> [step]] [retry|undo|approve|refuse <number>]",
    does: "Run and watch workflows",
    example: (
        "/workflow run deploy tag=v1.2",
        "runs the workflow deploy; missing arguments are asked for. Alone it lists the workflows; plan instead of run shows what \
         would be done; status, stop and log look after a run; retry goes on where one failed; undo takes one back; approve and refuse answer it",
    ),
    role: Some(Role::Viewer),
    acts: true,
};

/// What may follow the command.
const PARTS: [&str; 11] = [
    "list", "run", "status", "stop", "log", "plan", "retry", "approve", "refuse", "undo", "help",
];

/// Does what follows the command; alone it lists the workflows.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn handle(request: &Request, rest: &str) -> Result<Reply> {
    let (word, rest) = split(rest);
    match word.to_lowercase().as_str() {
        "" => list::page(request, 0).await,
        "list" if rest.is_empty() => list::page(request, 0).await,
        "help" => super::help::handle(request, ABOUT.name),
        "undo" => {
            let (id, rest) = run_and_rest(rest, "undo")?;
            match rest {
                "" => undo::ask(request, id).await,
                _ => Err(needs_number("undo")),
            }
        }
        "run" => start(request, rest).await,
        "plan" => {
            let mut typed = read(rest)?;
            if typed.is_empty() {
                return Err(which("plan"));
            }
            let name = typed.remove(0);
            plan::plan(request, &name, &typed).await
        }
        "status" => match (rest, number(rest)) {
            ("", _) => status::now(request).await,
            (_, Some(id)) => status::show(request, id).await,
            (name, None) => status::of_name(request, name).await,
        },
        "stop" => match (rest, number(rest)) {
            ("", _) => Err(Error::refused(
                "Write what to stop: /workflow stop and the name of a workflow or the number of a run. /workflow status shows what runs.",
            )),
            (_, Some(id)) => status::stop(request, id).await,
            (name, None) => status::stop_named(request, name).await,
        },
        "log" => {
            let (id, step) = run_and_rest(rest, "log")?;
            log::typed(request, id, step).await
        }
        "retry" => {
            let (id, rest) = run_and_rest(rest, "retry")?;
            match rest {
                "" => retry::retry(request, id).await,
                _ => Err(needs_number("retry")),
            }
        }
        "approve" => reply(request, rest, Said::Yes, "approve").await,
        "refuse" => reply(request, rest, Said::No, "refuse").await,
        other => match number(word).filter(|_| rest.is_empty()) {
            Some(id) => status::show(request, id).await,
            None => Err(wrong(request, word, other)),
        },
    }
}

/// Starts a workflow, asking for what is missing; without a name it lists them.
async fn start(request: &Request, rest: &str) -> Result<Reply> {
    let mut typed = read(rest)?;
    if typed.is_empty() {
        return list::page(request, 0).await;
    }
    let name = typed.remove(0);
    let config = request.services.live.current();
    let scripts = crate::actions::script::find(&config, &name);
    let name = match scripts {
        Some(script) if script.steps.is_some() => script.name.to_string(),
        // Said only to those whom it may be said to.
        _ => {
            let asked = crate::access::Asked::new("workflow.list", "", Role::Viewer);
            request.allow(asked).await?;
            known(request, &config, &name)?.name.to_string()
        }
    };
    let wanted = run::Wanted {
        given: typed,
        ..run::Wanted::new(name)
    };
    run::begin(request, wanted, request.origin()).await
}

async fn reply(request: &Request, rest: &str, said: Said, command: &str) -> Result<Reply> {
    if rest.is_empty() {
        return answer::waiting(request, said, command).await;
    }
    let (id, rest) = run_and_rest(rest, command)?;
    let done = answer::typed(request, id, said, rest).await?;
    Ok(Reply::plain(&done))
}

fn read(rest: &str) -> Result<Vec<String>> {
    words::words(rest).map_err(|error| Error::refused(error.to_string()))
}

fn split(text: &str) -> (&str, &str) {
    let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    (word, rest.trim())
}

/// A run's number, if it is one; a workflow may be called `12`, but hardly `#12`.
fn number(text: &str) -> Option<JobId> {
    job_id(text)
}

fn run_and_rest<'a>(rest: &'a str, command: &str) -> Result<(JobId, &'a str)> {
    let (id, rest) = split(rest);
    match number(id) {
        Some(id) => Ok((id, rest)),
        None => Err(needs_number(command)),
    }
}

fn needs_number(command: &str) -> Error {
    Error::refused(format!(
        "Write the number of a run, as in /workflow {command} 12. /workflow shows the last ones."
    ))
}

fn which(command: &str) -> Error {
    Error::refused(format!(
        "Write which workflow, as in /workflow {command} deploy. /workflow shows them."
    ))
}

fn wrong(request: &Request, typed: &str, lower: &str) -> Error {
    let config = request.services.live.current();
    let shown = shorten(typed, 40);
    Error::refused(
        match (known(request, &config, typed), closest(lower, PARTS)) {
            (Ok(workflow), _) => {
                format!(
                    "Did you mean /workflow run {0}, or /workflow status {0}?",
                    workflow.name
                )
            }
            (Err(_), Some(near)) => {
                format!("“{shown}” is not known here. Did you mean /workflow {near}?")
            }
            (Err(_), None) => format!(
                "“{shown}” is not known here. Write /workflow alone, or with run, plan, status, stop, log, retry, undo, approve or refuse."
            ),
        },
    )
}
