//! `/schedules`: what runs by itself, when next and how it went last, with buttons to run, pause and resume it.

pub mod press;

use super::schedule::typed::retried;
use super::{About, run};
use crate::access::{Asked, Grant};
use crate::base::error::{Error, Result};
use crate::base::role::Role;
use crate::base::suggest::closest;
use crate::base::text::{escape, head_units};
use crate::base::time::{Millis, human};
use crate::chat::keyboards::{PAGE, Press, in_pairs, turns};
use crate::chat::reply::Reply;
use crate::chat::request::Request;
use crate::config::Follows;
use crate::delivery::card::outcome;
use crate::schedules::Entry;
use crate::store;
use crate::store::jobs::Job;
use press::SchedulePress;

/// What the help says.
pub const ABOUT: About = About {
    name: "schedules",
    form: "",
    does: "Show what runs by itself",
    example: (
        "/schedules",
        "shows when each runs next and how it went last, with buttons to run, pause and resume it",
    ),
    role: Some(Role::Viewer),
    acts: false,
};

/// Shows the first page.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn handle(request: &Request, rest: &str) -> Result<Reply> {
    match rest {
        "" => list(request, 0).await,
        name => show(request, name).await,
    }
}

/// Does what a button says.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn pressed(request: &Request, press: SchedulePress) -> Result<Reply> {
    Ok(match press {
        SchedulePress::List(page) => list(request, page).await?.in_place(),
        SchedulePress::Show(name) => show(request, &name).await?.in_place(),
        SchedulePress::Run(name) => super::runnow::start(request, &name).await?,
        SchedulePress::Pause(name) => {
            super::pause::pause(request, &name).await?;
            show(request, &name).await?.in_place()
        }
        SchedulePress::Resume(name) => {
            super::resume::resume(request, &name).await?;
            show(request, &name).await?.in_place()
        }
        SchedulePress::Remove(name) => super::schedule::remove(request, &name).await?.in_place(),
    })
}

async fn list(request: &Request, page: usize) -> Result<Reply> {
    request
        .allow(Asked::new("schedule.list", "", Role::Viewer))
        .await?;
    let now = request.services.clock.now();
    let all = visible(request, now).await?;
    if all.is_empty() {
        return Ok(Reply::html(
            "Nothing runs by itself. /schedule makes a schedule here; in the configuration, it is the key schedule \
             of a script, or every, schedule or after_github of a workflow.",
        ));
    }
    let pages = all.len().div_ceil(PAGE);
    let page = page.min(pages - 1);
    let shown = &all[page * PAGE..all.len().min((page + 1) * PAGE)];
    let mut lines = Vec::new();
    if let Some(freeze) = super::freeze::line(request).await? {
        lines.push(freeze);
    }
    for entry in shown {
        lines.push(line(request, entry, now).await?);
    }
    let button = |entry: &Entry| {
        let name = &entry.schedule.name;
        Press::Schedule(SchedulePress::Show(name.clone())).button(name)
    };
    let mut rows = in_pairs(shown.iter().map(button).collect());
    let turn_to = |page| Press::Schedule(SchedulePress::List(page));
    rows.extend(turns(page, pages, turn_to));
    Ok(Reply::html(lines.join("\n\n")).buttons(rows))
}

async fn show(request: &Request, name: &str) -> Result<Reply> {
    let asked = Asked::new("schedule.show", name, Role::Viewer);
    request.allow(asked).await?;
    let now = request.services.clock.now();
    let entry = find(request, name, now).await?;
    let name = entry.schedule.name.clone();
    let mut html = line(request, &entry, now).await?;
    if !entry.schedule.given.is_empty() {
        let config = request.services.live.current();
        if let Some(script) = config.scripts.get(&entry.schedule.script) {
            let given = run::masked_words(request, script, &entry.schedule.given);
            html.push_str(&format!("\nWith <code>{}</code>", escape(&given)));
        }
    }
    if !entry.schedule.jitter.is_zero() {
        let jitter = human(entry.schedule.jitter);
        html.push_str(&format!("\nEach run up to {jitter} later than due"));
    }
    if let Some(retries) = &entry.schedule.retries {
        html.push_str(&format!("\n{}", retried(retries)));
    }
    html.push_str(&match &entry.row.made {
        Some(made) => format!("\nMade in the chat by {}", escape(&made.name)),
        None => "\nFrom the configuration".to_owned(),
    });
    let press = |what: SchedulePress, label: &str| Press::Schedule(what).button(label);
    let mut first = vec![press(SchedulePress::Run(name.clone()), "Run now")];
    if entry.schedule.enabled {
        first.push(match entry.row.paused {
            Some(_) => press(SchedulePress::Resume(name.clone()), "Resume"),
            None => press(SchedulePress::Pause(name.clone()), "Pause"),
        });
    }
    let mut second = Vec::new();
    if let Some(job) = entry
        .row
        .last_job
        .filter(|_| entry.row.last_state.is_some())
    {
        second.push(Press::Job(job).button(format!("#{job}")));
    }
    if entry.row.made.is_some() {
        second.push(press(SchedulePress::Remove(name), "Remove"));
    }
    second.push(press(SchedulePress::List(0), "‹ All"));
    Ok(Reply::html(html).buttons(vec![first, second]))
}

/// A schedule in a few lines: what it is, when it runs next, how it went last.
async fn line(request: &Request, entry: &Entry, now: Millis) -> Result<String> {
    let Entry { schedule, row, .. } = entry;
    let clock = |at| schedule.zone.clock(at, now);
    let zone = match schedule.zone {
        crate::base::when::Zone::Machine => String::new(),
        named @ crate::base::when::Zone::Named(_) => format!(" {named}"),
    };
    let mut html = format!(
        "🗓 <b>{}</b> · {}{zone}",
        escape(&schedule.name),
        escape(&schedule.rhythm())
    );
    html.push_str(&match (&row.paused, soon(entry, now)) {
        (Some(paused), _) => {
            let why = paused.why.as_deref().unwrap_or_default();
            format!(
                "\n⏸ paused by {} at {}{}{}",
                escape(&paused.by),
                clock(paused.at),
                if why.is_empty() { "" } else { " " },
                escape(why)
            )
        }
        (None, _) if !schedule.enabled => "\nswitched off".to_owned(),
        // Its rhythm says it.
        (None, Some(_)) if matches!(schedule.follows, Some(Follows::GitHub(_))) => String::new(),
        (None, Some(next)) => format!("\nnext {}", escape(&next)),
        (None, None) if schedule.after_end() => "\nnothing begins now".to_owned(),
        (None, None) => "\nnext when the run before is over".to_owned(),
    });
    if let Some(job) = last(request, entry).await? {
        let at = clock(job.new.created_at);
        html.push_str(&match job.ending() {
            Some(ending) => {
                let (mark, words) = outcome(&ending, job.took());
                let words = words.lines().next().unwrap_or_default();
                format!("\nlast {at} · {mark} {words} · #{}", job.id)
            }
            None => format!("\nsince {at} · #{} is not over", job.id),
        });
    }
    if let Some(retry) = &row.retry {
        html.push_str(&format!("\ntry {} at {}", retry.number, clock(retry.at)));
    }
    if let Some(why) = &entry.trouble {
        html.push_str(&format!("\n⚠️ {}", escape(why)));
    }
    if row.skipped > 0 {
        html.push_str(&format!(
            "\nskipped {}×, last because: {}",
            row.skipped,
            escape(head_units(row.skip_why.as_deref().unwrap_or_default(), 200))
        ));
    }
    Ok(html)
}

/// When its next run begins, as far as that is known: a time, `now`, `when #12 ends`, or `when ci.yml of ann/site succeeds`.
#[must_use]
pub(in crate::chat) fn soon(entry: &Entry, now: Millis) -> Option<String> {
    let time = entry.next.map(|next| match next <= now {
        true => "now".to_owned(),
        false => entry.schedule.zone.clock(next, now),
    });
    time.or_else(|| match &entry.schedule.follows {
        Some(Follows::GitHub(there)) if entry.schedule.enabled && entry.row.paused.is_none() => {
            Some(there.to_string())
        }
        Some(Follows::GitHub(_) | Follows::Itself) | None => {
            Some(format!("when #{} ends", entry.after?))
        }
    })
}

async fn last(request: &Request, entry: &Entry) -> Result<Option<Job>> {
    let Some(id) = entry.row.last_job else {
        return Ok(None);
    };
    let mut db = request.services.store.read().await?;
    Ok(store::jobs::find(&mut db, id).await?)
}

/// The schedules that the asker may see: what only admins run, only they see.
async fn visible(request: &Request, now: Millis) -> Result<Vec<Entry>> {
    let mut all = request.services.schedules.list(now).await?;
    all.retain(|entry| is_visible(request, entry));
    Ok(all)
}

fn is_visible(request: &Request, entry: &Entry) -> bool {
    let config = request.services.live.current();
    let script = config.scripts.get(&entry.schedule.script);
    let need = script.map_or(Role::Viewer, |script| script.role);
    need <= Role::Operator || request.role() >= Some(need)
}

/// The schedule of this name, if the asker may see it.
///
/// # Errors
/// Refused when there is none.
pub(super) async fn find(request: &Request, name: &str, now: Millis) -> Result<Entry> {
    let found = request.services.schedules.find(name, now).await?;
    if let Some(entry) = found.filter(|entry| is_visible(request, entry)) {
        return Ok(entry);
    }
    let all = visible(request, now).await?;
    let near = closest(name, all.iter().map(|entry| entry.schedule.name.as_str()));
    let name = head_units(name, 60);
    Err(Error::refused(match near {
        Some(near) => format!("There is no schedule “{name}”. Did you mean {near}?"),
        None => format!("There is no schedule “{name}”. /schedules shows those that there are."),
    }))
}

/// Asks whether the asker may change this schedule: whoever may run its script, from operator on.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub(super) async fn permit(
    request: &Request,
    entry: &Entry,
    action: &'static str,
) -> Result<Grant> {
    let config = request.services.live.current();
    let script = config.scripts.get(&entry.schedule.script);
    let asked = |need| Asked::new(action, entry.schedule.name.clone(), need);
    match script {
        Some(script) => {
            request.allow_first(asked(Role::Operator)).await?;
            request
                .allow_script(asked(script.role), script.name.as_str())
                .await
        }
        None => request.allow(asked(Role::Admin)).await,
    }
}

/// Whether the asker would be let do this about the schedule, as [`permit`], `/runnow` and `/schedule remove` decide it.
#[must_use]
pub(in crate::chat) fn may(request: &Request, entry: &Entry, press: &SchedulePress) -> bool {
    let config = request.services.live.current();
    let script = config.scripts.get(&entry.schedule.script);
    let runs = script.map(|script| request.may_run(script.name.as_str(), script.role));
    let is = |need: Role| request.role() >= Some(need);
    match press {
        SchedulePress::List(_) | SchedulePress::Show(_) => true,
        SchedulePress::Run(_) => runs.unwrap_or(false),
        SchedulePress::Pause(_) | SchedulePress::Resume(_) => match runs {
            Some(runs) => runs && is(Role::Operator),
            None => is(Role::Admin),
        },
        SchedulePress::Remove(_) => {
            let own = entry.row.made.as_ref();
            let own = own.is_some_and(|made| made.by == request.actor.id);
            is(if own { Role::Operator } else { Role::Admin })
        }
    }
}

/// The one word that names a schedule; `None` without a word, for which the list is the answer.
///
/// # Errors
/// Refused with more than one.
pub(super) fn named<'a>(rest: &'a str, command: &str) -> Result<Option<&'a str>> {
    let mut words = rest.split_whitespace();
    match (words.next(), words.next()) {
        (name, None) => Ok(name),
        (_, Some(_)) => Err(Error::refused(format!(
            "Write /{command} and the name of one schedule. /schedules shows them."
        ))),
    }
}
