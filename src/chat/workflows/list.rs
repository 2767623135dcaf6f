//! The workflows that the caller may run: how each went last, when it starts next, and how often it went well.

use super::mine;
use super::press::FlowPress;
use crate::access::Asked as Wanted;
use crate::base::error::Result;
use crate::base::ids::JobId;
use crate::base::job::JobState;
use crate::base::role::Role;
use crate::base::text::{escape, shorten};
use crate::base::time::{Millis, human};
use crate::base::workflow::{RunArgs, StepRow};
use crate::chat::commands::jobs::clock;
use crate::chat::commands::schedules::soon;
use crate::chat::keyboards::{PAGE, Press, turns};
use crate::chat::reply::Reply;
use crate::chat::request::Request;
use crate::config::Script;
use crate::delivery::undo::words as undo_words;
use crate::schedules::Entry;
use crate::store::jobs::{self, Job};
use crate::store::undo;
use crate::store::workflows::{self, Tally};
use crate::workflows::{Asked, look, plan};
use std::collections::{BTreeSet, HashMap};

/// The most that is shown of a description and of the runs that go on, each in UTF-16 units: a line or two of a phone.
const WORDS: usize = 60;
/// Of so many runs of a workflow that go on it is looked what they wait for.
const LOOKED_AT: usize = 12;

/// A page of them.
///
/// # Errors
/// The refusal, for strangers and unlisted groups.
pub async fn page(request: &Request, page: usize) -> Result<Reply> {
    let asked = Wanted::new("workflow.list", "", Role::Viewer);
    request.allow(asked).await?;
    let config = request.services.live.current();
    let mine: Vec<&Script> = mine(request, &config).collect();
    if mine.is_empty() {
        let none = config.scripts.values().all(|script| script.steps.is_none());
        return Ok(Reply::plain(match none {
            true => {
                "No workflows are configured yet. Add some under workflows: in the configuration."
            }
            false => {
                "No workflow is open to your role here; you may look at /jobs. An owner can change that."
            }
        }));
    }
    let now = request.services.clock.now();
    let schedules = request.services.schedules.list(now).await?;
    let pages = mine.len().div_ceil(PAGE);
    let page = page.min(pages - 1);
    let shown = &mine[page * PAGE..mine.len().min((page + 1) * PAGE)];
    let runs = Runs::read(request, shown).await?;
    let mut lines = Vec::new();
    let mut buttons = Vec::new();
    for script in shown {
        let name = script.name.as_str();
        let none = Tally::default();
        let tally = runs.tallies.get(name).unwrap_or(&none);
        let latest = runs.open(tally).or_else(|| runs.last(tally, now));
        lines.push(about(script, tally, latest, &schedules, now));
        let mark = if script.confirm { " …" } else { "" };
        buttons.push(vec![
            Press::Run(name.to_owned()).button(format!("Run {name}{mark}")),
            FlowPress::Status(name.to_owned())
                .press()
                .button(format!("{name}: status")),
        ]);
    }
    buttons.extend(turns(page, pages, |page| FlowPress::List(page).press()));
    Ok(Reply::html(lines.join("\n")).buttons(buttons))
}

/// The runs of some workflows, as far as is told of them: asked of the database for all of them at once.
struct Runs {
    tallies: HashMap<String, Tally>,
    /// Of each workflow the last one that is over, and the first of those that go on.
    jobs: HashMap<JobId, Job>,
    steps: HashMap<JobId, Vec<StepRow>>,
    /// Which job takes one back, and where that stands.
    undone: HashMap<JobId, (JobId, JobState)>,
}

impl Runs {
    async fn read(request: &Request, of: &[&Script]) -> Result<Self> {
        let names: Vec<&str> = of.iter().map(|script| script.name.as_str()).collect();
        let mut db = request.services.store.read().await?;
        let tallies = workflows::tallies(&mut db, &names).await?;
        let told = tallies.values().flat_map(|tally| {
            let open = tally.open.iter().take(LOOKED_AT);
            open.chain(&tally.last).copied()
        });
        let told: Vec<JobId> = told.collect();
        Ok(Self {
            jobs: jobs::find_all(&mut db, &told).await?,
            steps: workflows::steps_of(&mut db, &told).await?,
            undone: undo::by_all(&mut db, &told).await?,
            tallies,
        })
    }

    fn run(&self, id: JobId) -> Option<(&Job, &[StepRow])> {
        let steps = self.steps.get(&id).map_or(&[][..], Vec::as_slice);
        Some((self.jobs.get(&id)?, steps))
    }

    /// The last one that is over, and what became of taking it back, in words.
    fn last(&self, tally: &Tally, now: Millis) -> Option<String> {
        let (job, rows) = self.run(tally.last?)?;
        let outcome = outcome(job, rows, now);
        Some(match self.undone.get(&job.id) {
            Some((by, state)) => format!("{outcome} · {}", undo_words(*by, *state)),
            None => outcome,
        })
    }

    /// Those that go on: at work, or by what of somebody they wait for. `None` when there are none.
    fn open(&self, tally: &Tally) -> Option<String> {
        const AT_WORK: &str = "▶️ runs now";
        let mut parts: Vec<(&str, Vec<String>)> = vec![(AT_WORK, Vec::new())];
        for id in &tally.open {
            let waits = self
                .run(*id)
                .and_then(|(job, rows)| waits_for(&look::args(job)?, rows));
            let words = waits.unwrap_or(AT_WORK);
            match parts.iter_mut().find(|(known, _)| *known == words) {
                Some((_, runs)) => runs.push(format!("#{id}")),
                None => parts.push((words, vec![format!("#{id}")])),
            }
        }
        let parts = parts.iter().filter(|(_, runs)| !runs.is_empty());
        let parts: Vec<_> = parts
            .map(|(words, runs)| format!("{words}, {}", shorten(&runs.join(", "), WORDS)))
            .collect();
        (!parts.is_empty()).then(|| parts.join(" · "))
    }
}

/// What a run waits for that a person has to say.
fn waits_for(args: &RunArgs, rows: &[StepRow]) -> Option<&'static str> {
    let asked = |(seq, row): (usize, &StepRow)| {
        let asked = Asked::of(row, plan::step(&args.flow, seq)?)?;
        row.answer.is_none().then_some(asked)
    };
    let asked = rows.iter().enumerate().find_map(asked)?;
    Some(match asked {
        Asked::Approval => "✋ waits for approval",
        Asked::Confirmation => "✋ waits to be confirmed",
        Asked::Crash | Asked::Undo => "✋ waits for an answer",
    })
}

/// How a run ended: `✅ succeeded · 3 m · 21:04 · #12`, the time being when it was asked for, as wherever jobs are listed.
fn outcome(job: &Job, rows: &[StepRow], now: Millis) -> String {
    let none = BTreeSet::new();
    let board = look::args(job).map(|args| look::board(job, &args, rows, &none, now));
    let (mark, words) = board.and_then(|board| board.outcome).unwrap_or_else(|| {
        (
            "❌",
            format!("failed · {}", human(job.took().unwrap_or_default())),
        )
    });
    let at = clock(job.new.created_at, now);
    format!("{mark} {words} · {at} · #{}", job.id)
}

/// Two lines: what it is, and how it stands and went.
fn about(
    script: &Script,
    tally: &Tally,
    latest: Option<String>,
    schedules: &[Entry],
    now: Millis,
) -> String {
    let mut html = format!("<b>{}</b>", escape(script.name.as_str()));
    if let Some(words) = &script.description {
        html.push_str(&format!(" — {}", escape(&shorten(words, WORDS))));
    }
    // What runs for the first time needs no other word.
    let counts = counts(tally).or_else(|| latest.is_none().then(|| "not run yet".to_owned()));
    let parts = [latest, counts, next(script, schedules, now)];
    let parts: Vec<_> = parts.into_iter().flatten().collect();
    html.push_str(&format!("\n{}", parts.join(" · ")));
    html
}

/// When it runs next by itself, by whichever of its schedules is first; of one that is paused, how it goes on.
fn next(script: &Script, schedules: &[Entry], now: Millis) -> Option<String> {
    let mut own: Vec<&Entry> = schedules
        .iter()
        .filter(|entry| entry.schedule.script == script.name && entry.schedule.enabled)
        .collect();
    own.sort_by_key(|entry| (entry.next.is_none(), entry.next));
    if let Some(next) = own.iter().find_map(|entry| soon(entry, now)) {
        let trouble = own.iter().any(|entry| entry.trouble.is_some());
        let mark = if trouble {
            " ⚠️ see /schedules"
        } else {
            ""
        };
        return Some(format!("next {}{mark}", escape(&next)));
    }
    let paused = own.iter().find(|entry| entry.row.paused.is_some());
    paused.map(|entry| {
        let name = escape(&entry.schedule.name);
        format!("⏸ paused; /resume {name} lets it go on")
    })
}

/// How often, over all runs that are kept; `None` where none is over.
fn counts(tally: &Tally) -> Option<String> {
    let part = |count: u64, word: &str| (count > 0).then(|| format!("{count} {word}"));
    let parts = [
        part(tally.ok, "ok"),
        part(tally.failed, "failed"),
        part(tally.stopped, "stopped"),
    ];
    let parts: Vec<_> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_never_happened_is_not_counted() {
        let tally = |ok, failed, stopped| Tally {
            ok,
            failed,
            stopped,
            ..Tally::default()
        };
        for (tally, words) in [
            (tally(0, 0, 0), None),
            (tally(7, 0, 0), Some("7 ok")),
            (tally(7, 1, 2), Some("7 ok, 1 failed, 2 stopped")),
        ] {
            assert_eq!(counts(&tally).as_deref(), words);
        }
    }
}
