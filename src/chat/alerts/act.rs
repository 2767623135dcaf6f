//! What follows from the buttons about incidents. Rights are asked for at the moment of the press.

use super::matcher::Matcher;
use super::press::AlertPress;
use super::{details, of_one, open};
use crate::access::Asked;
use crate::actions::script;
use crate::base::error::{Error, Result};
use crate::base::job::{JobState, undone};
use crate::base::role::Role;
use crate::base::text::{escape, shorten};
use crate::base::time::Millis;
use crate::chat::commands::{alerts, run, silence, subscribe, unsubscribe};
use crate::chat::keyboards::in_pairs;
use crate::chat::offers;
use crate::chat::reply::Reply;
use crate::chat::request::Request;
use crate::monitors::incidents::Act;
use crate::store::incidents::{self, Incident};
use crate::store::silences::{self, About};
use crate::store::{self, outbox, subscriptions};
use std::time::Duration;

/// How long *Snooze* is.
const SNOOZE: Duration = Duration::from_secs(3600);
/// The times of a silence that buttons offer, in hours.
const TIMES: [(u32, &str); 4] = [
    (1, "1 hour"),
    (8, "8 hours"),
    (24, "1 day"),
    (168, "7 days"),
];

/// Carries a press out.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn handle(request: &Request, press: AlertPress) -> Result<Reply> {
    match press {
        AlertPress::Now => place_of(request, alerts::now(request).await?).await,
        AlertPress::History(before) => {
            place_of(request, alerts::history(request, before).await?).await
        }
        AlertPress::Show(id) => place_of(request, show(request, id).await?).await,
        AlertPress::Ack(id) => act(request, id, Act::Ack).await,
        AlertPress::Snooze(id) => act(request, id, Act::Snooze(SNOOZE)).await,
        AlertPress::Silence(id) => place_of(request, times(request, id).await?).await,
        AlertPress::SilenceFor(id, hours) => {
            let incident = find(request, id).await?;
            let time = Duration::from_secs(u64::from(hours) * 3600);
            let matcher = Matcher {
                about: About::Check(incident.check),
                host: None,
            };
            let made = silence::make(request, matcher, time, None).await?;
            place_of(request, made).await
        }
        AlertPress::Fix(id) => fix(request, id).await,
        AlertPress::Silences => Ok(silence::list(request).await?.in_place()),
        AlertPress::EndSilence(id) => Ok(silence::end(request, id).await?.in_place()),
        AlertPress::Subscribe(critical) => {
            Ok(subscribe::pressed(request, critical).await?.in_place())
        }
        AlertPress::Unsubscribe(topic) => {
            let topic = Some(topic.as_str()).filter(|topic| !topic.is_empty());
            Ok(unsubscribe::end(request, topic).await?.in_place())
        }
        AlertPress::NoQuiet => Ok(subscribe::no_quiet(request).await?.in_place()),
    }
}

/// In place of the message with the button, unless that is the one that tells the incident: it stays as it is.
async fn place_of(request: &Request, reply: Reply) -> Result<Reply> {
    Ok(match is_telling(request).await? {
        true => reply,
        false => reply.in_place(),
    })
}

/// Whether the button stood under a message that tells incidents.
async fn is_telling(request: &Request) -> Result<bool> {
    let Some(message) = request.pressed() else {
        return Ok(false);
    };
    let mut db = request.services.store.read().await?;
    let slots = outbox::slots_of(&mut db, request.actor.place.chat, message).await?;
    Ok(slots.iter().any(|slot| slot.starts_with("alert:")))
}

/// The incident of this number.
///
/// # Errors
/// Refused when there is none.
pub async fn find(request: &Request, id: i64) -> Result<Incident> {
    let mut db = request.services.store.read().await?;
    let found = incidents::find(&mut db, id).await?;
    found.ok_or_else(|| {
        Error::refused("There is no such incident any more. /alerts shows what there is.")
    })
}

/// Everything about an incident.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn show(request: &Request, id: i64) -> Result<Reply> {
    request
        .allow(Asked::new("alert.show", id.to_string(), Role::Viewer))
        .await?;
    page(request, &find(request, id).await?).await
}

async fn page(request: &Request, incident: &Incident) -> Result<Reply> {
    let now = Millis::now();
    let silences = {
        let mut db = request.services.store.read().await?;
        silences::lasting(&mut db, now).await?
    };
    let silenced = open::remark(incident, &silences, now);
    let mut rows = Vec::new();
    if incident.cleared.is_none() {
        let may = (
            may_press(request, Role::Operator),
            may_fix(request, incident),
        );
        rows = of_one(incident, &request.services.live.current(), may);
    }
    rows.push(vec![AlertPress::Now.press().button("‹ All alerts")]);
    Ok(Reply::html(details(incident, silenced, now)).buttons(rows))
}

/// Whether a button for this role is shown: in a group for others, in private only to whoever may press it.
pub fn may_press(request: &Request, need: Role) -> bool {
    let role = request.access().own_role(request.actor.id);
    !request.actor.place.chat.is_private() || role.is_some_and(|role| role >= need)
}

/// The same of the button that runs its check's fix.
fn may_fix(request: &Request, incident: &Incident) -> bool {
    let Some(fix) = request.services.incidents.rule(&incident.check).fix else {
        return false;
    };
    let (actor, config) = (&request.actor, request.services.live.current());
    let Some(script) = script::find(&config, &fix.script) else {
        return false;
    };
    !actor.place.chat.is_private()
        || request
            .access()
            .may_run(actor.id, actor.place, script.name.as_str(), script.role)
}

async fn act(request: &Request, id: i64, act: Act) -> Result<Reply> {
    let action = match act {
        Act::Ack => "alert.ack",
        Act::Snooze(_) => "alert.snooze",
    };
    let name = find(request, id).await?.check;
    let grant = request
        .allow(Asked::new(action, name, Role::Operator))
        .await?;
    let incidents = &request.services.incidents;
    let done = incidents.act(&grant, id, act, Millis::now()).await?;
    let (incident, changed) =
        done.ok_or_else(|| Error::refused("There is no such incident any more."))?;
    let words = match (act, changed, &incident.acked) {
        (_, _, _) if incident.cleared.is_some() => format!("{} is over already.", incident.check),
        (Act::Ack, true, _) => format!("You take care of {}.", incident.check),
        (Act::Ack, false, Some((by, _))) => format!("{by} takes care of it already."),
        (Act::Ack, false, None) => "Nothing changed.".to_owned(),
        (Act::Snooze(_), _, _) => format!("{} is not told again for 1 hour.", incident.check),
    };
    match is_telling(request).await? {
        true => Ok(Reply::toast(words)),
        false => Ok(Reply {
            toast: Some(words),
            ..page(request, &incident).await?.in_place()
        }),
    }
}

/// Asks for how long the check is to be silent.
async fn times(request: &Request, id: i64) -> Result<Reply> {
    let incident = find(request, id).await?;
    let asked = Asked::new("alert.silence.ask", incident.check.clone(), Role::Operator);
    request.allow(asked).await?;
    let each = TIMES.map(|(hours, label)| AlertPress::SilenceFor(id, hours).press().button(label));
    let mut rows = in_pairs(each.into());
    rows.push(vec![AlertPress::Show(id).press().button("‹ Back")]);
    Ok(Reply::html(format!(
        "For how long is <b>{}</b> to be silent? With a reason: <code>/silence {} 2h reason</code>",
        escape(&incident.check),
        escape(&shorten(&incident.check, 60))
    ))
    .buttons(rows))
}

/// Runs the script that may put it right, by the presser's own right to it; asks first, in any case.
async fn fix(request: &Request, id: i64) -> Result<Reply> {
    let asked = Asked::new("alert.show", id.to_string(), Role::Viewer);
    request.allow(asked).await?;
    let incident = find(request, id).await?;
    let rule = request.services.incidents.rule(&incident.check);
    let fix = rule
        .fix
        .ok_or_else(|| Error::refused("This check has no fix any more."))?;
    refuse_twice(request, &fix.script).await?;
    run::ask(request, fix.script).await
}

/// Refuses what the presser is asked here already, or what runs already. Of what they may not run, nothing is told.
async fn refuse_twice(request: &Request, name: &str) -> Result<()> {
    let config = request.services.live.current();
    let script = script::find(&config, name);
    let mine = script.filter(|script| request.may_run(script.name.as_str(), script.role));
    let Some(script) = mine else {
        return Ok(());
    };
    let name = script.name.as_str();
    if offers::is_asked(request, name).await? {
        return Err(Error::refused(format!(
            "I asked you already whether to run {name}. Answer that, please."
        )));
    }
    let (running, queued) = {
        let mut db = request.services.store.read().await?;
        (
            store::jobs::open(&mut db, JobState::Running).await?,
            store::jobs::open(&mut db, JobState::Queued).await?,
        )
    };
    let mut open = running.iter().chain(&queued);
    match open.find(|job| job.new.title == name && undone(&job.new.source).is_none()) {
        Some(job) => Err(Error::refused(format!(
            "{name} runs already, as #{}. Press again when that is over, if it is still needed.",
            job.id
        ))),
        None => Ok(()),
    }
}

/// What this place is told, as it stands.
///
/// # Errors
/// A failure of ours.
pub async fn told_here(
    request: &Request,
) -> Result<(
    Vec<subscriptions::Subscription>,
    Option<subscriptions::QuietHours>,
)> {
    let place = request.actor.place;
    let mut db = request.services.store.read().await?;
    let mut all = subscriptions::all(&mut db).await?;
    all.retain(|one| one.place == place);
    let quiet = subscriptions::quiet(&mut db).await?;
    Ok((all, quiet.into_iter().find(|one| one.place == place)))
}
