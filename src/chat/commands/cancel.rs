//! `/cancel`: stops a job, or takes it out of the queue.

use super::About;
use super::job::{visible, wanted};
use super::jobs;
use crate::access::Asked;
use crate::base::error::{Error, Result};
use crate::base::ids::JobId;
use crate::base::role::Role;
use crate::chat::dialog;
use crate::chat::reply::Reply;
use crate::chat::request::{From, Request};
use crate::chat::workflows;
use crate::jobs::Cancelled;
use crate::store;
use crate::store::history::{Cursor, Filter, Standing};
use crate::store::jobs::Job;

/// What the help says.
pub const ABOUT: About = About {
    name: "cancel",
    form: "<number | all>",
    does: "Stop a job",
    example: (
        "/cancel 12",
        "stops job #12 and every process that it started; /cancel all stops all of yours",
    ),
    role: Some(Role::Operator),
    acts: true,
};

/// Stops a job; without a number, ends the open question of the asker, or shows the jobs that run.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn handle(request: &Request, rest: &str) -> Result<Reply> {
    if rest.eq_ignore_ascii_case("all") {
        return all(request).await;
    }
    match wanted(rest, "cancel")? {
        Some(id) => cancel(request, id).await,
        None => match dialog::give_up(request).await? {
            Some(closed) => Ok(closed),
            None => jobs::ask_which(request, Standing::Open, "cancel").await,
        },
    }
}

/// The most jobs that one `/cancel all` stops.
const ALL: u32 = 200;

/// Stops everything that the asker has running or waiting; what others asked for goes on.
async fn all(request: &Request) -> Result<Reply> {
    let asked = Asked::new("job.list", "running", Role::Viewer);
    let role = request.allow(asked).await?.role();
    let open = Filter {
        standing: Standing::Open,
        ..Filter::default()
    };
    let own = Filter {
        asker: Some(request.actor.id),
        ..open.clone()
    };
    let own = jobs::with_own_rights(request, &own, role);
    let (mine, in_all) = {
        let mut db = request.services.store.read().await?;
        let mine = store::history::list(&mut db, &own, role, Cursor::Newest, ALL).await?;
        let in_all = store::history::count(&mut db, &open, role, ALL).await?;
        (mine, in_all)
    };
    let mut stopped = Vec::new();
    // The newest first: what waits is gone before what ran makes room for it.
    for job in &mine {
        let (_, grant) = visible(request, job.id, "job.cancel", Role::Operator).await?;
        let by = &request.actor.name;
        match request.services.jobs.cancel(&grant, job.id, by).await? {
            Cancelled::Dequeued | Cancelled::Stopping | Cancelled::Already => {
                stopped.push(format!("#{}", job.id));
            }
            // It ended meanwhile, or does so now.
            Cancelled::Over(_) | Cancelled::Passing | Cancelled::Unknown => {}
        }
    }
    let mut html = match stopped.is_empty() {
        true => "No job of yours is running or waiting.".to_owned(),
        false => format!("Stopping {} …", stopped.join(", ")),
    };
    let others = in_all.saturating_sub(mine.len() as u64);
    if others > 0 {
        html.push_str(&format!(
            "\nOf others, {others} {} on: /jobs running",
            if others == 1 { "goes" } else { "go" }
        ));
    }
    Ok(Reply::html(html))
}

/// Whether the caller may stop this job, as [`cancel`] decides it. One that is not there is not told from one that is hidden.
///
/// # Errors
/// When the database refuses.
pub async fn may(request: &Request, id: JobId) -> Result<bool> {
    let job = {
        let mut db = request.services.store.read().await?;
        store::jobs::find(&mut db, id).await?
    };
    Ok(job.is_some_and(|job| may_stop(request, &job)))
}

/// The same of a job that was looked up.
#[must_use]
pub fn may_stop(request: &Request, job: &Job) -> bool {
    match job.new.asker == request.actor.id {
        true => request.may_run(&job.new.title, Role::Operator),
        false => request.role() >= Some(job.new.role.max(Role::Admin)),
    }
}

/// Stops this job: the asker's own, or for an admin anybody's.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn cancel(request: &Request, id: JobId) -> Result<Reply> {
    // Who may start a script by a right of their own may stop what they started.
    let (job, own) = visible(request, id, "job.cancel", Role::Operator).await?;
    let grant = match job.new.asker == request.actor.id {
        true => own,
        false => {
            let asked = Asked::new("job.cancel.other", format!("#{id}"), Role::Admin);
            request.allow(asked).await?
        }
    };
    let by = &request.actor.name;
    // Looked up before: the end may pause it in this very moment.
    let follows = workflows::follows_stop(request, &job).await?;
    let cancelled = request.services.jobs.cancel(&grant, id, by).await?;
    let stops = matches!(cancelled, Cancelled::Stopping | Cancelled::Already);
    let words = match cancelled {
        Cancelled::Dequeued => format!("#{id} is taken out of the queue."),
        Cancelled::Stopping => format!("Stopping #{id} …"),
        Cancelled::Already => format!(
            "#{id} was asked to stop already. If it does not obey, it is ended after its grace time."
        ),
        Cancelled::Over(_) => {
            return Err(Error::refused(format!(
                "#{id} has ended already. /job {id} shows how."
            )));
        }
        Cancelled::Passing => format!("#{id} is starting or ending just now. Try again."),
        Cancelled::Unknown => return Err(Error::refused(format!("There is no job #{id}."))),
    };
    Ok(match (&request.from, follows.filter(|_| stops)) {
        (From::Message, None) => Reply::plain(&words),
        (From::Message, Some(follows)) => Reply::plain(&format!("{words} {follows}")),
        // The card under which the button stood tells how it ends.
        (From::Press { .. }, None) => Reply::nothing(),
        (From::Press { .. }, Some(follows)) => Reply::toast(follows),
    })
}
