//! `/schedule`: makes a schedule from the chat, after showing when it will run; and removes one.

pub(in crate::chat) mod typed;

use super::{About, freeze, run, schedules};
use crate::access::{Asked, Grant};
use crate::actions::script;
use crate::base::error::{Error, Result};
use crate::base::job::OutputMode;
use crate::base::role::Role;
use crate::base::schedule::Rule;
use crate::base::suggest::closest;
use crate::base::text::{self, escape};
use crate::base::time::Millis;
use crate::base::upload::Uploads;
use crate::base::when::{When, Zone};
use crate::base::words;
use crate::chat::keyboards::Press;
use crate::chat::offers::{self, CONFIRM_WITHIN, Offer, ScheduleOffer};
use crate::chat::reply::Reply;
use crate::chat::request::Request;
use crate::config::Script;
use crate::jobs::NewJob;
use crate::schedules::New;
use typed::{Typed, read};

/// What the help says.
pub const ABOUT: About = About {
    name: "schedule",
    form: "<script> <when> [jitter 5m] [retry 2] [arguments]",
    does: "Let a script run by itself",
    example: (
        "/schedule backup 06:30 full",
        "runs backup with the argument full each day; also: every 30m, or */5 * * * *; jitter 5m spreads the runs, retry 2 tries a failed one again. /schedule remove backup+1 ends it",
    ),
    role: Some(Role::Operator),
    acts: true,
};

/// Runs that are shown before a schedule is made.
const SHOWN: usize = 3;
/// Of the question, the most that the argv may take, in UTF-16 units.
const ARGV_UNITS: usize = 3000;

/// Asks whether to make the schedule, or removes one.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn handle(request: &Request, rest: &str) -> Result<Reply> {
    let typed = words::words(rest).map_err(|error| Error::refused(error.to_string()))?;
    match typed.as_slice() {
        [] => Err(usage()),
        [word] if word == "remove" => Err(Error::refused(
            "Which one? Write /schedule remove and its name. /schedules shows them.",
        )),
        [name] => {
            script_behind(request, &typed)?;
            Err(when_missing(request, name))
        }
        [word, name] if word == "remove" => remove(request, name).await,
        [name, rest @ ..] => match script_behind(request, &typed)? {
            Some((name, rest)) => ask(request, &name, &rest).await,
            None => ask(request, name, rest).await,
        },
    }
}

/// Removes a schedule that was made in the chat: one's own, or for an admin anybody's.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn remove(request: &Request, name: &str) -> Result<Reply> {
    let entry = schedules::find(request, name, request.services.clock.now()).await?;
    let name = &entry.schedule.name;
    let Some(made) = &entry.row.made else {
        return Err(Error::refused(format!(
            "{name} stands in the configuration; remove it there, or pause it: /pause {name}"
        )));
    };
    let need = match made.by == request.actor.id {
        true => Role::Operator,
        false => Role::Admin,
    };
    let asked = Asked::new("schedule.remove", name.clone(), need);
    let grant = request.allow(asked).await?;
    request.services.schedules.remove(&grant, name).await?;
    Ok(Reply::plain(&format!(
        "{name} is removed. What runs goes on."
    )))
}

/// The script and the rest, where the time stands before it: `every 30m backup full`. `None` where a script stands first, or what
/// stands first is no time either.
fn script_behind(request: &Request, words: &[String]) -> Result<Option<(String, Vec<String>)>> {
    let config = request.services.live.current();
    let first = words.first().map_or("", String::as_str);
    if known(request, &config, first).is_ok() {
        return Ok(None);
    }
    let has_letters = first.chars().any(char::is_alphabetic);
    let typed = match read(words) {
        Ok(typed) => typed,
        Err(wrong) if !has_letters => return Err(Error::refused(spoken(&wrong))),
        Err(_) => return Ok(None),
    };
    let Some((name, given)) = typed.given.split_first() else {
        return Err(Error::refused(format!(
            "Which script? Write it before the time: /schedule backup {typed}. /run shows those that you may run."
        )));
    };
    let time = &words[..words.len() - typed.given.len()];
    Ok(Some((name.clone(), [time, given].concat())))
}

async fn ask(request: &Request, name: &str, typed: &[String]) -> Result<Reply> {
    let config = request.services.live.current();
    let script = known(request, &config, name)?;
    let typed = read(typed).map_err(|wrong| Error::refused(spoken(&wrong)))?;
    let given = &typed.given;
    permit(request, script, given, "schedule.ask").await?;
    refuse_gaps(script, &typed)?;
    freeze::refuse(request).await?;
    let job = made(request, script, given).await?;
    let (argv, shown) = (run::deed(&job)?, run::shown(request, script, &job)?);
    if text::utf16_len(&shown) > ARGV_UNITS {
        return Err(Error::refused(
            "The arguments are too long to be shown whole, and what is not shown is not confirmed. Shorten them.",
        ));
    }
    let offer = Offer::Schedule(ScheduleOffer {
        script: script.name.to_string(),
        given: given.clone(),
        argv,
        when: typed.when.to_string(),
        zone: typed.zone.to_string(),
        jitter: typed.jitter,
        times: typed.times,
    });
    let intent = offers::keep(request, &offer, CONFIRM_WITHIN).await?;
    let now = request.services.clock.now();
    let remarks = typed.remarks().into_iter();
    let remarks: String = remarks.map(|remark| format!("\n{remark}")).collect();
    let told = match script.steps {
        Some(_) => "Each run has its card here.",
        None => "What it prints comes here; it is silent when it prints nothing and ends well.",
    };
    Ok(Reply::html(format!(
        "Run <b>{}</b> by itself, {}? This is what will be executed:\n{}\nNext: {}\n{told}{}",
        escape(script.name.as_str()),
        escape(&typed.said()),
        text::pre(&shown),
        coming(&typed, now).join(", "),
        escape(&remarks)
    ))
    .buttons(vec![vec![
        Press::Confirm(intent.clone()).button("Schedule it"),
        Press::Drop(intent).button("Drop"),
    ]]))
}

/// Makes the schedule that was confirmed, if the asker still may and it still runs what was shown.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn confirmed(request: &Request, offer: ScheduleOffer, intent: &str) -> Result<Reply> {
    let config = request.services.live.current();
    let script = known(request, &config, &offer.script)?;
    let grant = permit(request, script, &offer.given, "schedule.add").await?;
    if run::deed(&made(request, script, &offer.given).await?)? != offer.argv {
        return Err(Error::refused(format!(
            "The configuration of {} has changed since you asked. Send /schedule again to see what it does now.",
            script.name
        )));
    }
    let typed = Typed {
        when: When::parse(&offer.when).map_err(Error::refused)?,
        zone: Zone::parse(&offer.zone).map_err(Error::refused)?,
        jitter: offer.jitter,
        times: offer.times,
        given: offer.given,
    };
    let new = New {
        when: typed.when.clone(),
        zone: typed.zone,
        given: typed.given.clone(),
        jitter: typed.jitter,
        times: typed.times,
        rule: match script.output {
            _ if script.steps.is_some() => Rule::Always,
            OutputMode::Silent => Rule::OnFailure,
            OutputMode::Card | OutputMode::Stream | OutputMode::File => Rule::default(),
        },
    };
    let now = request.services.clock.now();
    let schedules = &request.services.schedules;
    let name = schedules.add(&grant, script, &new, intent, now).await?;
    let next = coming(&typed, now);
    Ok(Reply::html(format!(
        "🗓 <b>{}</b> runs by itself, {}. Next: {}\n/pause {} pauses it, /schedules shows all.",
        escape(&name),
        escape(&typed.said()),
        next.first().map_or("", String::as_str),
        escape(&name),
    )))
}

fn known<'a>(
    request: &Request,
    config: &'a crate::config::Config,
    name: &str,
) -> Result<&'a Script> {
    let script = script::find(config, name);
    // Of what the asker may not run, not even the name is told.
    let mine = script.filter(|script| request.may_run(script.name.as_str(), script.role));
    mine.ok_or_else(|| {
        let all = config.scripts.values();
        let mine = all.filter(|script| request.may_run(script.name.as_str(), script.role));
        let near = closest(name, mine.map(|script| script.name.as_str()));
        let name = text::head_units(name, 60);
        Error::refused(match near {
            Some(near) => format!("There is no script “{name}”. Did you mean {near}?"),
            None => format!("There is no script “{name}” that you may run. /run shows them."),
        })
    })
}

/// Refuses a schedule that would have to ask for an argument: there is nobody to answer.
fn refuse_gaps(script: &Script, typed: &Typed) -> Result<()> {
    let values = script.given(&typed.given).map_err(|error| {
        let slip = typed.slip();
        slip.map_or_else(|| error.into(), |slip| Error::refused(spoken(&slip)))
    })?;
    let mut args = script.args.iter().zip(&values);
    let missing = args.find(|(arg, value)| value.is_none() && arg.required() && !arg.is_file());
    let Some((arg, _)) = missing else {
        return Ok(());
    };
    let name = script.name.as_str();
    let usage = script.usage();
    Err(Error::refused(format!(
        "“{}” is missing, and when {name} runs by itself nobody is asked. Write /schedule {name} {typed}{}.",
        arg.name,
        usage.strip_prefix(name).unwrap_or_default()
    )))
}

/// A fault of the configuration's words, quoted as in the chat.
fn spoken(wrong: &str) -> String {
    let parts = wrong.split('`').enumerate();
    let quoted = parts.map(|(at, part)| match at % 2 {
        0 => part.to_owned(),
        _ => format!("“{part}”"),
    });
    quoted.collect()
}

async fn permit(
    request: &Request,
    script: &Script,
    given: &[String],
    action: &'static str,
) -> Result<Grant> {
    let asked = |need| Asked {
        action,
        target: script.name.to_string(),
        arguments: run::masked_words(request, script, given),
        need,
    };
    request.allow_first(asked(Role::Operator)).await?;
    request
        .allow_script(asked(script.role), script.name.as_str())
        .await
}

/// The job that it would be, its arguments checked.
async fn made(request: &Request, script: &Script, given: &[String]) -> Result<NewJob> {
    run::check_choices(request, script, given).await?;
    let scripts = &request.services.scripts;
    scripts.job(script, given, &Uploads::new(), None, None)
}

/// The next runs, on the schedule's clock.
fn coming(typed: &Typed, now: Millis) -> Vec<String> {
    let (when, zone) = (&typed.when, typed.zone);
    let mut at = now;
    let next = std::iter::from_fn(|| {
        at = when.next(zone, now, at)?;
        Some(zone.clock(at, now))
    });
    next.take(SHOWN).collect()
}

fn when_missing(request: &Request, name: &str) -> Error {
    let config = request.services.live.current();
    match known(request, &config, name) {
        Ok(script) => Error::refused(format!(
            "When? Write /schedule {0} every 30m, /schedule {0} 06:30 or /schedule {0} 0 6 * * MON-FRI, then its arguments. Before those, in Europe/Berlin names a clock, jitter 5m spreads the runs, and retry 2 tries a failed run again.",
            script.name
        )),
        Err(unknown) => unknown,
    }
}

fn usage() -> Error {
    Error::refused(
        "Write /schedule, a script, when, and its arguments: /schedule backup every 30m, /schedule backup 06:30 or \
         /schedule backup */5 * * * *. /schedules shows those that there are.",
    )
}
