//! `/run`: starts a script, asks before a dangerous one, or offers those that the caller may run.

use super::About;
use crate::access::{Asked, Grant};
use crate::actions::{incoming, script};
use crate::base::error::{Error, Result};
use crate::base::ids::JobId;
use crate::base::job::OutputMode;
use crate::base::role::Role;
use crate::base::text::{self, escape, utf16_len};
use crate::base::upload::{Attached, Uploads};
use crate::base::workflow::{RUN, RunArgs, Source};
use crate::base::{suggest, words};
use crate::chat::dialog;
use crate::chat::files;
use crate::chat::keyboards::{PAGE, Press, in_pairs, turns};
use crate::chat::offers::{self, Offer, RunOffer};
use crate::chat::reply::Reply;
use crate::chat::request::Request;
use crate::chat::workflows;
use crate::config::{Config, Script};
use crate::jobs::{NewJob, Origin, Submitted};
use crate::workflows::look;
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// What the help says.
pub const ABOUT: About = About {
    name: "run",
    form: "<script> [arguments]",
    does: "Run a script",
    example: (
        "/run deploy api v1.2",
        "runs the script deploy with two arguments; without a script, /run shows buttons",
    ),
    role: Some(Role::Viewer),
    acts: true,
};

/// Of a confirmation, the most that the argv may take, in UTF-16 units.
const ARGV_UNITS: usize = 3000;

/// Starts a script, or offers those that there are.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn handle(request: &Request, rest: &str) -> Result<Reply> {
    start(request, rest, None).await
}

/// The same with another output mode than the script's own.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn start(request: &Request, rest: &str, output: Option<OutputMode>) -> Result<Reply> {
    let mut typed = words::words(rest).map_err(|error| Error::refused(error.to_string()))?;
    if typed.is_empty() {
        return match request.attached.as_ref().filter(|file| file.own) {
            Some(file) => files::offer(request, &file.upload).await,
            None => list(request, 0, output).await,
        };
    }
    let name = typed.remove(0);
    let asked = Wanted {
        given: typed,
        output,
        attached: request.attached.clone(),
        ..Wanted::new(name)
    };
    begin(request, asked, request.origin()).await
}

/// What is to be run.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The script's name as typed.
    pub script: String,
    /// Its arguments as typed.
    pub given: Vec<String>,
    /// Another output mode than the script's own.
    pub output: Option<OutputMode>,
    /// The job that it repeats.
    pub retry_of: Option<JobId>,
    /// Files, by the arguments that they are the values of.
    pub files: Uploads,
    /// A file that came along, for the first argument that is one and has no value yet.
    pub attached: Option<Attached>,
    /// Of a workflow, the failed run that it goes on with.
    pub from: Option<JobId>,
}

impl Wanted {
    /// This script with nothing given.
    #[must_use]
    pub fn new(script: String) -> Self {
        Self {
            script,
            given: Vec::new(),
            output: None,
            retry_of: None,
            files: Uploads::new(),
            attached: None,
            from: None,
        }
    }

    /// The files by argument, the one that came along among them.
    fn uploads(&self, script: &Script) -> Result<Uploads> {
        let mut uploads = self.files.clone();
        let Some(attached) = &self.attached else {
            return Ok(uploads);
        };
        let mut names = script.files().map(|(name, _)| name.to_string());
        match names.find(|name| !uploads.contains_key(name)) {
            Some(name) => {
                uploads.insert(name, attached.upload.clone());
            }
            None if attached.own => {
                return Err(Error::refused(format!(
                    "{} takes no file. Send the command alone to run it.",
                    script.name
                )));
            }
            // A command may answer a message for other reasons than the file in it.
            None => {}
        }
        Ok(uploads)
    }
}

/// Checks what is wanted and asks for what is missing; else as [`launch`].
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn begin(request: &Request, wanted: Wanted, origin: Origin) -> Result<Reply> {
    let config = request.services.live.current();
    let known = script::find(&config, &wanted.script);
    if let Some(script) = known
        && let Ok(uploads) = wanted.uploads(script)
        && let Ok(true) = dialog::is_needed(script, &wanted.given, &uploads)
    {
        permit(request, &config, &wanted, "script.ask").await?;
        super::freeze::refuse(request).await?;
        let wanted = Wanted {
            files: uploads,
            attached: None,
            ..wanted
        };
        return dialog::begin(request, script, wanted, &origin).await;
    }
    launch(request, wanted, origin).await
}

/// Checks what is wanted; then asks whether to run it, if the script wants that, or submits.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn launch(request: &Request, wanted: Wanted, origin: Origin) -> Result<Reply> {
    let config = request.services.live.current();
    let asks_first = script::find(&config, &wanted.script).is_some_and(|script| script.confirm);
    decide(request, wanted, origin, asks_first).await
}

/// Asks whether to run a script that needs no argument, whatever the script wants; the answer counts once.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn ask(request: &Request, script: String) -> Result<Reply> {
    decide(request, Wanted::new(script), request.origin(), true).await
}

async fn decide(
    request: &Request,
    wanted: Wanted,
    origin: Origin,
    asks_first: bool,
) -> Result<Reply> {
    let config = request.services.live.current();
    let action = if asks_first {
        "script.ask"
    } else {
        "script.run"
    };
    let (script, grant) = permit(request, &config, &wanted, action).await?;
    if asks_first {
        super::freeze::refuse(request).await?;
    }
    let scripts = &request.services.scripts;
    let uploads = wanted.uploads(script)?;
    dialog::is_needed(script, &wanted.given, &uploads)?;
    check_choices(request, script, &wanted.given).await?;
    let job = scripts.job(
        script,
        &wanted.given,
        &uploads,
        wanted.output,
        wanted.retry_of,
    )?;
    if !asks_first {
        return submit(request, &grant, job, origin, wanted.from).await;
    }
    let argv = deed(&job)?;
    let offer = RunOffer {
        script: script.name.to_string(),
        given: wanted.given,
        argv: argv.clone(),
        files: uploads,
        output: wanted.output,
        retry_of: wanted.retry_of,
        from: wanted.from,
        reply_to: origin.reply_to,
    };
    let shown = shown(request, script, &job)?;
    let intent = offers::keep(request, &Offer::Run(offer), offers::CONFIRM_WITHIN).await?;
    if utf16_len(&shown) > ARGV_UNITS {
        return Err(Error::refused(
            "The arguments are too long to be shown whole, and what is not shown is not confirmed. Shorten them.",
        ));
    }
    Ok(Reply::html(format!(
        "Run <b>{}</b>? This is what will be executed:\n{}",
        escape(script.name.as_str()),
        text::pre(&shown)
    ))
    .buttons(vec![vec![
        Press::Confirm(intent.clone()).button("Run"),
        Press::Drop(intent).button("Drop"),
    ]]))
}

/// Runs what was confirmed, if the asker still may and it still is what was shown.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn confirmed(request: &Request, offer: RunOffer) -> Result<Reply> {
    let config = request.services.live.current();
    let wanted = Wanted {
        script: offer.script,
        given: offer.given,
        output: offer.output,
        retry_of: offer.retry_of,
        files: offer.files,
        attached: None,
        from: offer.from,
    };
    let (script, grant) = permit(request, &config, &wanted, "script.run").await?;
    let scripts = &request.services.scripts;
    check_choices(request, script, &wanted.given).await?;
    let job = scripts.job(
        script,
        &wanted.given,
        &wanted.files,
        wanted.output,
        wanted.retry_of,
    )?;
    if deed(&job)? != offer.argv {
        return Err(Error::refused(format!(
            "The configuration of {} has changed since you asked. Send /run again to see what it does now.",
            script.name
        )));
    }
    let origin = Origin {
        reply_to: offer.reply_to,
        card: request.pressed(),
        ..request.origin()
    };
    submit(request, &grant, job, origin, wanted.from).await
}

/// Starts a script by its button, with its arguments at their defaults.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn pressed(
    request: &Request,
    script: String,
    output: Option<OutputMode>,
) -> Result<Reply> {
    let wanted = Wanted {
        output,
        ..Wanted::new(script)
    };
    begin(request, wanted, request.origin()).await
}

/// A page of the scripts that the caller may run, as buttons; they start it in this output mode.
///
/// # Errors
/// The refusal, for strangers and unlisted groups.
pub async fn list(request: &Request, page: usize, output: Option<OutputMode>) -> Result<Reply> {
    let asked = Asked::new("script.list", "", Role::Viewer);
    request.allow(asked).await?;
    let config = request.services.live.current();
    let mine: Vec<&Script> = mine(request, &config).collect();
    if mine.is_empty() {
        let why = match config.scripts.values().all(|script| script.steps.is_some()) {
            true => "No scripts are configured yet. Add some under scripts: in the configuration.",
            false => {
                "No script is open to your role here; you may look at /jobs. An owner can change that."
            }
        };
        return Ok(Reply::plain(why));
    }
    let pages = mine.len().div_ceil(PAGE);
    let page = page.min(pages - 1);
    let shown = &mine[page * PAGE..mine.len().min((page + 1) * PAGE)];
    let mut lines: Vec<_> = shown.iter().map(|script| describe(script)).collect();
    if output.is_some() {
        lines.insert(
            0,
            "Which one? What it prints will follow as messages.\n".to_owned(),
        );
    }
    let mut html = lines.join("\n");
    if utf16_len(&html) > text::MESSAGE_UNITS / 2 {
        html = "Which script?".to_owned();
    }
    let button = |script: &&Script| {
        let mark = if script.confirm { " …" } else { "" };
        let name = script.name.to_string();
        let press = match output {
            Some(_) => Press::Stream(name),
            None => Press::Run(name),
        };
        press.button(format!("{}{mark}", script.name))
    };
    let mut rows = in_pairs(shown.iter().map(button).collect());
    let turn_to = |page| match output {
        Some(_) => Press::Streams(page),
        None => Press::Scripts(page),
    };
    rows.extend(turns(page, pages, turn_to));
    Ok(Reply::html(html).buttons(rows))
}

/// Finds the script and asks whether the caller may run it. Of a script that the caller may not run, nothing but that is told.
async fn permit<'a>(
    request: &Request,
    config: &'a Arc<Config>,
    wanted: &Wanted,
    action: &'static str,
) -> Result<(&'a Script, Grant)> {
    let Some(script) = script::find(config, &wanted.script) else {
        let asked = Asked::new("script.list", "", Role::Viewer);
        request.allow(asked).await?;
        return Err(unknown(request, config, &wanted.script));
    };
    let sent = wanted
        .files
        .values()
        .chain(wanted.attached.as_ref().map(|file| &file.upload));
    let given: Vec<_> = wanted
        .given
        .iter()
        .cloned()
        .chain(sent.map(|file| file.words()))
        .collect();
    let arguments = masked_words(request, script, &given);
    let asked = Asked {
        action,
        target: script.name.to_string(),
        arguments,
        need: script.role,
    };
    let grant = request.allow_script(asked, script.name.as_str()).await?;
    Ok((script, grant))
}

/// The scripts that the caller may run here; workflows have a list of their own.
fn mine<'a>(request: &Request, config: &'a Config) -> impl Iterator<Item = &'a Script> {
    let may = |script: &&Script| {
        script.steps.is_none() && request.may_run(script.name.as_str(), script.role)
    };
    config.scripts.values().filter(may)
}

fn unknown(request: &Request, config: &Config, name: &str) -> Error {
    let names = mine(request, config).map(|script| script.name.as_str());
    let near = suggest::nearest(name, names);
    let name = text::head_units(name, 60);
    Error::refused(if near.is_empty() {
        format!("There is no script “{name}”. /run shows those that you may run.")
    } else {
        format!(
            "There is no script “{name}”. Did you mean {}?",
            near.join(" or ")
        )
    })
}

async fn submit(
    request: &Request,
    grant: &Grant,
    job: NewJob,
    origin: Origin,
    from: Option<JobId>,
) -> Result<Reply> {
    let jobs = &request.services.jobs;
    let submitted = match from {
        None => jobs.submit(grant, job, origin).await?,
        Some(earlier) => {
            let job = workflows::retry::going_on(job, earlier)?;
            let beside = workflows::retry::beside(request, &job, earlier).await?;
            jobs.submit_with(grant, job, origin, beside).await?
        }
    };
    Ok(match submitted {
        Submitted::New(id) => Reply::follow(id),
        Submitted::Before(id) => Reply {
            toast: Some(format!("Started already, as #{id}.")),
            follow: Some(id),
            ..Reply::default()
        },
    })
}

/// Checks the values that programs list, if the asker has not too much looked up already.
///
/// # Errors
/// Refused with which value is not among them.
pub async fn check_choices(request: &Request, script: &Script, given: &[String]) -> Result<()> {
    let scripts = &request.services.scripts;
    let looks = script.args.iter().any(|arg| arg.choices_from.is_some());
    let _look = looks
        .then(|| scripts.begin_look(request.actor.id))
        .transpose()?;
    scripts.check_choices(script, given).await
}

/// What is executed, to tell one deed from another: the argv, or what stands for all of a workflow's definition and
/// parameters.
pub(super) fn deed(job: &NewJob) -> Result<Vec<String>> {
    if job.kind == RUN {
        let print = Sha256::digest(job.payload.as_bytes());
        return Ok(vec![
            print.iter().map(|byte| format!("{byte:02x}")).collect(),
        ]);
    }
    let run: script::Run = serde_json::from_str(&job.payload).map_err(anyhow::Error::new)?;
    Ok(run.argv)
}

/// What is executed, for the eye: the argv on a line, or a line for each step of a workflow; masked.
pub(super) fn shown(request: &Request, script: &Script, job: &NewJob) -> Result<String> {
    if job.kind != RUN {
        return Ok(masked_words(request, script, &deed(job)?));
    }
    let args: RunArgs = serde_json::from_str(&job.payload).map_err(anyhow::Error::new)?;
    let mut values = look::given(&args);
    values.set(Source::Run("by".to_owned()), &request.actor.name);
    let lines = args.flow.outline(&values);
    let scripts = &request.services.scripts;
    let lines: Vec<_> = lines
        .iter()
        .map(|line| scripts.mask(script, line))
        .collect();
    Ok(lines.join("\n"))
}

fn describe(script: &Script) -> String {
    let usage = escape(&script.usage());
    match &script.description {
        Some(words) => format!("<b>{usage}</b> — {}", escape(words)),
        None => format!("<b>{usage}</b>"),
    }
}

/// Elements as one line, each masked before it is quoted, since quoting would cut a secret in two.
#[must_use]
pub fn masked_words(request: &Request, script: &Script, argv: &[String]) -> String {
    let scripts = &request.services.scripts;
    let masked: Vec<_> = argv
        .iter()
        .map(|element| scripts.mask(script, &incoming::shown(element)))
        .collect();
    shell_words(&masked)
}

/// Elements as one line that shows where each begins and ends; for reading, never for a shell.
fn shell_words(argv: &[String]) -> String {
    let quoted = argv.iter().map(|element| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@,+%".contains(c);
        if !element.is_empty() && element.chars().all(plain) {
            element.clone()
        } else {
            format!("'{}'", element.replace('\'', r"'\''"))
        }
    });
    quoted.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::shell_words;

    #[test]
    fn elements_stay_apart_for_the_eye() {
        let argv = ["./x", "a b", "it's", ""].map(str::to_owned);
        assert_eq!(shell_words(&argv), r"./x 'a b' 'it'\''s' ''");
    }
}
