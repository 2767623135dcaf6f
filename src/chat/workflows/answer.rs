//! What people say to a run: that a step may go on, that it may not, and what becomes of it after a crash.
//!
//! An answer and its line of the audit trail are one transaction; the first one counts.

use super::press::FlowPress;
use super::rows;
use super::status::sees;
use crate::access::{Asked as Wanted, Grant};
use crate::base::error::{Error, Result};
use crate::base::ids::JobId;
use crate::base::role::Role;
use crate::base::text::{escape, shorten};
use crate::base::workflow::{Answer, RunArgs, Said, Step, StepRow, StepState, Work};
use crate::chat::commands::jobs;
use crate::chat::keyboards::in_pairs;
use crate::chat::reply::Reply;
use crate::chat::request::Request;
use crate::delivery::{Button, Buttons};
use crate::store;
use crate::store::jobs::Job;
use crate::workflows::{Asked, look, plan};

/// The most that is kept of a reason, in UTF-16 units.
const REASON: usize = 300;

/// Runs that are offered at the most, and of the names of their steps, the most that is shown, in UTF-16 units.
const OFFERED: usize = 12;
const NAMES: usize = 60;

/// What somebody says.
pub struct Word {
    /// Yes, no, or go on without.
    pub said: Said,
    /// Why, if they said so.
    pub reason: Option<String>,
}

/// Takes an answer to a try of a step; what came of it in words.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn answer(
    request: &Request,
    id: JobId,
    (seq, attempt): (usize, u32),
    word: Word,
) -> Result<String> {
    let (job, args) = run(request, id).await?;
    let step = plan::step(&args.flow, seq).ok_or_else(no_longer)?;
    let before = rows(request, id).await?;
    let row = before.get(seq).ok_or_else(no_longer)?;
    let asked = Asked::of(row, step);
    if asked.is_none() || row.attempt != attempt {
        return late(request, step, row, attempt, &word);
    }
    let grant = permit(request, &job, step, asked, &word).await?;
    let said = Answer {
        said: word.said,
        by: request.actor.name.clone(),
        by_id: request.actor.id.0,
        at: request.services.clock.now(),
        reason: word.reason.clone(),
    };
    let store = &request.services.store;
    let mut tx = grant.begin(store).await?;
    if !store::workflows::answer(&mut tx, id, seq, attempt, &said).await? {
        drop(tx);
        let now = rows(request, id).await?;
        let row = now.get(seq).ok_or_else(no_longer)?;
        return late(request, step, row, attempt, &word);
    }
    tx.commit().await?;
    request.services.flows.wake(id);
    Ok(done(id, step, asked, word.said))
}

/// The buttons for what the caller may answer about a run as it stands, named after the step where several wait.
#[must_use]
pub fn buttons(request: &Request, job: &Job, args: &RunArgs, rows: &[StepRow]) -> Buttons {
    let mut open = Vec::new();
    for (seq, row) in rows.iter().enumerate() {
        if let Some(step) = plan::step(&args.flow, seq)
            && let Some(asked) = Asked::of(row, step)
            && row.answer.is_none()
        {
            open.push((seq, row, step, asked));
        }
    }
    let several = open.len() > 1;
    let mut buttons = Vec::new();
    for (seq, row, step, asked) in open {
        let row: Vec<Button> = asked
            .buttons()
            .iter()
            .filter(|(_, said)| may(request, job, step, *said))
            .map(|(label, said)| {
                let label = match several {
                    true => format!("{label}: {}", step.name),
                    false => (*label).to_owned(),
                };
                let press = FlowPress::Answer {
                    said: *said,
                    run: job.id,
                    seq,
                    attempt: row.attempt,
                };
                press.press().button(label)
            })
            .collect();
        buttons.extend((!row.is_empty()).then_some(row));
    }
    buttons
}

/// Whether the caller would be let answer so, as [`permit`] decides it.
fn may(request: &Request, job: &Job, step: &Step, said: Said) -> bool {
    let own = job.new.asker == request.actor.id;
    let is = |need: Role| request.role().is_some_and(|role| role >= need);
    match &step.work {
        Work::Approve { role, by_asker, .. } => {
            is(*role) && (!own || *by_asker || said != Said::Yes)
        }
        _ if own => request.may_run(&job.new.title, Role::Operator),
        _ => is(Role::Admin),
    }
}

/// What waits for a yes or no that the caller may say here, since no number was written; `command` is how it is said.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn waiting(request: &Request, said: Said, command: &str) -> Result<Reply> {
    let asked = Wanted::new("workflow.status", "", Role::Viewer);
    request.allow(asked).await?;
    let (mut open, rows) = {
        let mut db = request.services.store.read().await?;
        let open = store::workflows::open(&mut db).await?;
        let ids: Vec<JobId> = open.iter().map(|job| job.id).collect();
        (open, store::workflows::steps_of(&mut db, &ids).await?)
    };
    open.retain(|job| sees(request, job));
    let steps = |job: &Job| -> Option<Vec<String>> {
        let (args, rows) = (look::args(job)?, rows.get(&job.id)?);
        let named = rows.iter().enumerate().filter_map(|(seq, row)| {
            let step = plan::step(&args.flow, seq)?;
            let mine = is_answered_by_number(step, row) && may(request, job, step, said);
            mine.then(|| step.name.clone())
        });
        Some(named.collect()).filter(|named: &Vec<String>| !named.is_empty())
    };
    let mine = open.iter().filter_map(|job| Some((job, steps(job)?)));
    let mine: Vec<(&Job, Vec<String>)> = mine.collect();
    if mine.is_empty() {
        return Ok(Reply::html(format!(
            "Nothing waits that you may {command} here. /workflow status shows what runs."
        )));
    }
    let shown = &mine[..mine.len().min(OFFERED)];
    let mut lines = vec![format!(
        "Which one? Write /workflow {command} and its number, or press it:"
    )];
    lines.extend(shown.iter().map(|(job, steps)| {
        let (title, steps) = (
            escape(&job.new.title),
            escape(&shorten(&steps.join(", "), NAMES)),
        );
        format!("✋ <b>{title}</b> · #{} · {steps}", job.id)
    }));
    if mine.len() > shown.len() {
        lines.push(format!("… and {} more", mine.len() - shown.len()));
    }
    let each = shown.iter().map(|(job, _)| {
        let label = format!("{} #{}", job.new.title, job.id);
        FlowPress::Show(job.id).press().button(label)
    });
    Ok(Reply::html(lines.join("\n")).buttons(in_pairs(each.collect())))
}

/// Whether a step waits for what a number answers. What was answered waits for its run alone, which may be at something else.
fn is_answered_by_number(step: &Step, row: &StepRow) -> bool {
    let asks = match Asked::of(row, step) {
        Some(Asked::Approval | Asked::Confirmation) => true,
        Some(Asked::Crash | Asked::Undo) | None => false,
    };
    asks && row.answer.is_none()
}

/// Approves or refuses by its number, which also keeps or takes back what has to be confirmed; `rest` may begin with the
/// step, where several wait, and goes on with the reason.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn typed(request: &Request, id: JobId, said: Said, rest: &str) -> Result<String> {
    let (_, args) = run(request, id).await?;
    let all = rows(request, id).await?;
    let waits = |seq: &usize| {
        let step = plan::step(&args.flow, *seq);
        step.is_some_and(|step| is_answered_by_number(step, &all[*seq]))
    };
    let open: Vec<usize> = (0..all.len()).filter(waits).collect();
    let name = |seq: usize| plan::step(&args.flow, seq).map_or("", |step| step.name.as_str());
    let of = |seq: usize| Some((plan::step(&args.flow, seq)?, &all[seq]));
    let by_button: Vec<(&str, Asked)> = (0..all.len())
        .filter_map(of)
        .filter(|(_, row)| row.answer.is_none())
        .filter_map(|(step, row)| Some((step.name.as_str(), Asked::of(row, step)?)))
        .filter(|(_, asked)| matches!(asked, Asked::Crash | Asked::Undo))
        .collect();
    let (first, more) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let named = open
        .iter()
        .copied()
        .find(|seq| name(*seq).eq_ignore_ascii_case(first));
    let meant = |(name, _): &&(&str, Asked)| name.eq_ignore_ascii_case(first);
    if let (None, Some(meant)) = (named, by_button.iter().find(meant)) {
        return Err(answered_by_button(id, &[*meant]));
    }
    let (seq, reason) = match (named, open.as_slice()) {
        (Some(seq), _) => (seq, more.trim()),
        (None, [only]) => (*only, rest),
        (None, []) if !by_button.is_empty() => return Err(answered_by_button(id, &by_button)),
        (None, []) => {
            return Err(Error::refused(format!(
                "#{id} waits for nobody's approval. /workflow status {id} shows how it stands."
            )));
        }
        (None, several) => {
            let names: Vec<_> = several.iter().map(|seq| name(*seq)).collect();
            return Err(Error::refused(format!(
                "Several steps of #{id} wait: {}. Write which, after the number.",
                names.join(", ")
            )));
        }
    };
    let reason = Some(shorten(reason, REASON).into_owned()).filter(|why| !why.is_empty());
    answer(request, id, (seq, all[seq].attempt), Word { said, reason }).await
}

/// The refusal to take a yes or no for what is asked after a crash, with the buttons that answer it.
fn answered_by_button(id: JobId, asked: &[(&str, Asked)]) -> Error {
    let line = |(name, asked): &(&str, Asked)| {
        let what = match asked {
            Asked::Undo => "was cut off while it was being taken back",
            Asked::Crash | Asked::Approval | Asked::Confirmation => "was cut off",
        };
        let labels = asked.buttons().iter().map(|(label, _)| *label);
        let labels: Vec<_> = labels.collect();
        format!(
            "{name} {what}. Its buttons answer that: {}.",
            labels.join(", ")
        )
    };
    let lines: Vec<_> = asked.iter().map(line).collect();
    Error::refused(format!(
        "{} /workflow status {id} has them.",
        lines.join(" ")
    ))
}

/// The run, if the caller may see it; looking at it is no deed of its own.
async fn run(request: &Request, id: JobId) -> Result<(Job, RunArgs)> {
    let job = {
        let mut db = request.services.store.read().await?;
        store::jobs::find(&mut db, id).await?
    };
    let found = job.and_then(|job| Some((look::args(&job)?, job)));
    match found {
        Some((args, job)) if sees(request, &job) => Ok((job, args)),
        Some(_) => {
            let asked = Wanted::new("workflow.answer", format!("#{id}"), Role::Viewer);
            let access = request.access();
            let why = "the run is kept for a higher role";
            access.note_refusal(&request.actor, &asked, why).await?;
            Err(unknown(id))
        }
        None => Err(jobs::removed(request, id)
            .await?
            .unwrap_or_else(|| unknown(id))),
    }
}

/// The refusal of a run that is not there, or not for the caller to see.
pub(super) fn unknown(id: JobId) -> Error {
    Error::refused(format!(
        "There is no run #{id} that you may see. /workflow status shows what runs."
    ))
}

/// Whether the caller may say so: an approval by the role that the step names and, unless it says so, never by whoever
/// started the run; the rest like stopping the run.
async fn permit(
    request: &Request,
    job: &Job,
    step: &Step,
    asked: Option<Asked>,
    word: &Word,
) -> Result<Grant> {
    let own = job.new.asker == request.actor.id;
    let action = match (asked, word.said) {
        (Some(Asked::Approval), Said::Yes) => "workflow.approve",
        (Some(Asked::Approval), _) => "workflow.refuse",
        _ => "workflow.answer",
    };
    let wanted = |need: Role| Wanted {
        action,
        target: format!("#{} {}", job.id, step.name),
        arguments: word
            .reason
            .clone()
            .unwrap_or_else(|| word.said.as_str().to_owned()),
        need,
    };
    let access = request.access();
    match &step.work {
        Work::Approve { role, by_asker, .. } => {
            if own && !by_asker && word.said == Said::Yes {
                let why = "started it";
                access
                    .note_refusal(&request.actor, &wanted(*role), why)
                    .await?;
                return Err(Error::refused(
                    "You started this run, so somebody else has to approve it.",
                ));
            }
            refuse_here(request, job, wanted(*role)).await?;
            access.allow(&request.actor, wanted(*role)).await
        }
        _ if own => {
            let title = &job.new.title;
            access
                .allow_script(&request.actor, wanted(Role::Operator), title)
                .await
        }
        _ => access.allow(&request.actor, wanted(Role::Admin)).await,
    }
}

/// Refuses who may approve, but not in this group, and says where they may.
async fn refuse_here(request: &Request, job: &Job, wanted: Wanted) -> Result<()> {
    let access = request.access();
    let (here, need) = (request.role(), wanted.need);
    let elsewhere = access.own_role(request.actor.id) >= Some(need) && here < Some(need);
    let Some(here) = here.filter(|_| elsewhere) else {
        return Ok(());
    };
    let why = format!("in this group nobody is more than {here}");
    access.note_refusal(&request.actor, &wanted, &why).await?;
    let command = match wanted.action {
        "workflow.approve" => "approve",
        _ => "refuse",
    };
    Err(Error::refused(format!(
        "This needs the role {need}, and {why}. Say /workflow {command} {} in our private chat.",
        job.id
    )))
}

/// What is said to an answer that changes nothing; the same answer by the same person is the one that counted.
fn late(
    request: &Request,
    step: &Step,
    row: &StepRow,
    attempt: u32,
    word: &Word,
) -> Result<String> {
    let given = row.answer.as_ref().filter(|_| row.attempt == attempt);
    match given {
        Some(given) if given.by_id == request.actor.id.0 && given.said == word.said => {
            Ok(format!("You said so already, about {}.", step.name))
        }
        Some(given) => Err(Error::refused(format!(
            "{} was first: {}.",
            given.by,
            label(Asked::of(row, step), step, given.said)
        ))),
        None if row.state == StepState::Asked => Err(Error::refused("The time for this is over.")),
        None => Err(no_longer()),
    }
}

fn no_longer() -> Error {
    Error::refused("Nobody needs to answer this any more.")
}

/// What an answer means; `asked` is nothing when the step went on since, and what it is known for then tells.
fn label(asked: Option<Asked>, step: &Step, said: Said) -> &'static str {
    let asked = asked.unwrap_or(match (&step.work, step.confirm_within) {
        (Work::Approve { .. }, _) => Asked::Approval,
        (_, Some(_)) => Asked::Confirmation,
        (_, None) => Asked::Crash,
    });
    match (asked, said) {
        (Asked::Approval, Said::Yes) => "approved",
        (Asked::Approval, Said::No | Said::Skip) => "refused",
        (Asked::Confirmation, Said::Yes) => "it is kept",
        (Asked::Confirmation, Said::No | Said::Skip) => "it is taken back",
        (Asked::Undo, Said::Yes) => "it is taken back again",
        (Asked::Undo, Said::No | Said::Skip) => "it is left as it is",
        (Asked::Crash, Said::Yes) => "it runs again",
        (Asked::Crash, Said::No) => "it counts as failed",
        (Asked::Crash, Said::Skip) => "the run goes on without it",
    }
}

fn done(id: JobId, step: &Step, asked: Option<Asked>, said: Said) -> String {
    let words = match label(asked, step, said) {
        "approved" => "Approved",
        "refused" => "Refused",
        "it is kept" => "It is kept",
        "it is taken back" => "It is being taken back",
        "it is taken back again" => "It is being taken back again",
        "it is left as it is" => "It is left as it is",
        "it runs again" => "It runs again",
        "it counts as failed" => "It counts as failed",
        other => return format!("{} · #{id}: {other}.", step.name),
    };
    format!("{words}: {} of #{id}.", step.name)
}
