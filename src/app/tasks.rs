//! The loops beside the conversation: feeding the workers, sweeping, tidying up, setting the menus.

use crate::base::error::Result;
use crate::base::time::Millis;
use crate::chat::pulse::Pulse;
use crate::chat::{dialog, menu};
use crate::jobs::Jobs;
use crate::jobs::retention::Keep;
use crate::monitors::sampler::{self, Sampler};
use crate::services::Services;
use crate::store;
use futures::future::BoxFuture;
use std::sync::Arc;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use teloxide::RequestError;
use teloxide::error_handlers::ErrorHandler;
use teloxide::prelude::Bot;
use tokio_util::sync::CancellationToken;

/// How often queued jobs are pushed again.
const SWEEP: Duration = Duration::from_secs(30);
/// How often an instance looks what the others do.
const RELAY: Duration = Duration::from_millis(400);
/// A look that takes longer is given up, and begun anew.
const RELAY_LIMIT: Duration = Duration::from_secs(5);
/// How often changes of rights by other processes are looked for, and what was seen is written down.
const RIGHTS: Duration = Duration::from_secs(5);
/// Old things are first removed so long after the start, when what waited is out.
const FIRST_TIDY: Duration = Duration::from_secs(60);
/// How often old things are removed.
const TIDY: Duration = Duration::from_secs(3600);
/// Handled updates are kept longer than Telegram keeps them (24 hours), so that none is taken in twice.
const KEEP_UPDATES: Duration = Duration::from_secs(48 * 3600);
/// Dialogs that are over are known so long, so that an old button is told what became of them.
const KEEP_DIALOGS: Duration = Duration::from_secs(24 * 3600);
/// The second look at this machine comes so long after the first: there are rates soon after the start.
const SECOND_LOOK: Duration = Duration::from_secs(1);
/// How often dialogs are looked for that nobody answered in time.
const EXPIRE: Duration = Duration::from_secs(10);
/// The audit trail is kept for a year.
const KEEP_AUDIT: Duration = Duration::from_secs(365 * 24 * 3600);
/// Incidents that are over, and what was told of them, are kept for a year.
const KEEP_INCIDENTS: Duration = Duration::from_secs(365 * 24 * 3600);
/// What came by push for a check that is gone is kept for a day: it may be there again.
const KEEP_PUSHES: Duration = Duration::from_secs(24 * 3600);
/// How often it is looked what nobody confirmed in time.
const UNDO: Duration = Duration::from_secs(1);
/// How often it is looked what of incidents is due.
const INCIDENTS: Duration = Duration::from_secs(1);
/// Persons without a role are remembered so long after they wrote last, and so many of them.
const KEEP_STRANGERS: (Duration, u32) = (Duration::from_secs(90 * 24 * 3600), 10_000);
/// Groups and topics are remembered so long after something came from there, and so many of them.
const KEEP_PLACES: (Duration, u32) = (Duration::from_secs(365 * 24 * 3600), 2_000);
/// What is known of a workflow kept running at GitHub; a run there lasts 35 days at the most.
const KEEP_KEPT: Duration = Duration::from_secs(40 * 24 * 3600);
/// How often schedules are looked at, whatever is due.
const SCHEDULES: Duration = Duration::from_secs(5);
/// How often it is looked whether GitHub is to be asked.
const HUBS: Duration = Duration::from_secs(1);
/// Pause after a loop's part failed.
const PAUSE: Duration = Duration::from_secs(2);
/// Pause between tries to set the menus.
const MENU_PAUSE: Duration = Duration::from_secs(30);
/// An outage is written into the log at most this often.
const SAY_EVERY: Duration = Duration::from_secs(60);

/// Feeds the workers, after a pause; the queue's engine is started again when it fails.
pub(super) async fn feed(jobs: Jobs, begin: Duration, stop: CancellationToken) {
    pause(begin, &stop).await;
    while !stop.is_cancelled() {
        if let Err(error) = jobs.run(stop.clone()).await {
            tracing::error!(%error, "the queue failed; starting it again");
            pause(PAUSE, &stop).await;
        }
    }
}

/// Beside other instances: looks for what they promised, show, took, or want to be stopped. Alone, it asks nothing.
pub(super) async fn relay(services: Services, stop: CancellationToken) {
    let presence = services.store.presence();
    let mut look_once_more = false;
    while pause(RELAY, &stop).await {
        let has_company = presence.has_company();
        if !has_company && !look_once_more {
            continue;
        }
        let looked = async {
            match presence.leads() {
                true => services.outbox.take_from_others().await?,
                false => services.outbox.give_away().await?,
            }
            services.jobs.look_elsewhere().await
        };
        match tokio::time::timeout(RELAY_LIMIT, looked).await {
            Ok(Ok(())) => {
                // Whoever went may have promised and wished since the last look.
                look_once_more = has_company;
                continue;
            }
            Ok(Err(error)) => tracing::warn!(%error, "cannot look what other instances do"),
            Err(_) => tracing::warn!("looking what other instances do took too long"),
        }
        look_once_more = true;
        pause(PAUSE, &stop).await;
    }
}

/// Pushes queued jobs that no wake-up reached; soon when the queue or the database refused.
pub(super) async fn sweep(jobs: Jobs, stop: CancellationToken) {
    let mut failed = false;
    loop {
        let due = async {
            if !failed {
                let _ = tokio::time::timeout(SWEEP, jobs.refused()).await;
            }
            tokio::time::sleep(PAUSE).await;
        };
        if stop.run_until_cancelled(due).await.is_none() {
            return;
        }
        let swept = jobs.sweep().await;
        failed = swept.is_err();
        if let Err(error) = swept {
            tracing::error!(%error, "queued jobs could not be pushed again; trying again");
        }
    }
}

/// Follows the rights: reads what another process changed, clears away what has ended, writes down who was seen.
pub(super) async fn rights(services: Services, stop: CancellationToken) {
    let access = &services.access;
    loop {
        let due = access.until_next_end(Millis::now()).unwrap_or(RIGHTS);
        let go_on = pause(due.min(RIGHTS), &stop).await;
        let now = Millis::now();
        if go_on {
            match access.refresh().await {
                Ok(true) => services.roles_changed.notify_one(),
                Ok(false) => {}
                Err(error) => tracing::error!(%error, "changed rights could not be read"),
            }
            match access.settle(now).await {
                Ok(true) => services.roles_changed.notify_one(),
                Ok(false) => {}
                Err(error) => tracing::error!(%error, "ended rights could not be cleared away"),
            }
        }
        if let Err(error) = access.write_down(now).await {
            tracing::error!(%error, "who was seen could not be written down");
        }
        if !go_on {
            return;
        }
    }
}

/// Removes what is older than it is kept.
pub(super) async fn tidy(services: Services, stop: CancellationToken) {
    let mut wait = FIRST_TIDY;
    while pause(wait, &stop).await {
        tidy_once(&services, &stop).await;
        wait = TIDY;
    }
}

/// Each part by itself: a fault of one that lasts, such as of a folder that cannot be read, must not let the others grow.
async fn tidy_once(services: &Services, stop: &CancellationToken) {
    let now = Millis::now();
    let limits = services.live.current().jobs.clone();
    let keep = Keep {
        age: limits.keep,
        count: limits.keep_count,
        bytes: limits.keep_size,
    };
    let jobs = &services.jobs;
    if let Err(error) = jobs.forget_old(keep, now, stop).await {
        tracing::error!(%error, "old jobs could not be removed");
    }
    if let Err(error) = jobs.forget_messages(now.minus(limits.keep), stop).await {
        tracing::error!(%error, "old messages could not be removed");
    }
    if let Err(error) = jobs.tidy_files().await {
        tracing::error!(%error, "old files of jobs could not be removed");
    }
    for old in Old::ALL {
        if let Err(error) = old.prune(services, now).await {
            tracing::error!(?old, %error, "old rows could not be removed");
        }
    }
}

/// Rows that are kept for a time.
#[derive(Clone, Copy, Debug)]
enum Old {
    Updates,
    Offers,
    Dialogs,
    AuditTrail,
    Invitations,
    Strangers,
    Places,
    Incidents,
    Pushes,
    Kept,
}

impl Old {
    const ALL: [Old; 10] = [
        Old::Updates,
        Old::Offers,
        Old::Dialogs,
        Old::AuditTrail,
        Old::Invitations,
        Old::Strangers,
        Old::Places,
        Old::Incidents,
        Old::Pushes,
        Old::Kept,
    ];

    async fn prune(self, services: &Services, now: Millis) -> store::Result<()> {
        let store = &services.store;
        let mut tx = store.begin().await?;
        match self {
            Old::Updates => store::inbox::prune(&mut tx, now.minus(KEEP_UPDATES)).await?,
            Old::Offers => store::intents::prune(&mut tx, now).await?,
            Old::Dialogs => store::dialogs::prune(&mut tx, now.minus(KEEP_DIALOGS)).await?,
            Old::AuditTrail => store::audit::prune(&mut tx, now.minus(KEEP_AUDIT)).await?,
            Old::Invitations => store::invites::prune(&mut tx, now).await?,
            Old::Strangers => {
                let (keep, many) = KEEP_STRANGERS;
                store::people::prune(&mut tx, now.minus(keep), many).await?
            }
            Old::Places => {
                let (keep, many) = KEEP_PLACES;
                store::ceilings::prune(&mut tx, now.minus(keep), many).await?
            }
            Old::Incidents => {
                let before = now.minus(KEEP_INCIDENTS);
                store::silences::prune(&mut tx, before).await?;
                store::broadcasts::prune(&mut tx, before).await?;
                store::incidents::prune(&mut tx, before).await?
            }
            Old::Pushes => {
                let config = services.live.current();
                let waiting = config
                    .checks
                    .values()
                    .filter(|check| check.token().is_some());
                let kept = waiting.map(|check| check.name.as_str()).collect();
                store::pushes::prune(&mut tx, &kept, now.minus(KEEP_PUSHES)).await?
            }
            Old::Kept => store::kept::prune(&mut tx, now.minus(KEEP_KEPT)).await?,
        };
        store.commit(tx).await
    }
}

/// Looks at this machine, each instance at its own: soon after the start, so that there is something to compare with, and
/// then at each full ten seconds.
pub(super) async fn sample(mut sampler: Sampler, stop: CancellationToken) {
    let mut wait = Duration::ZERO;
    let mut failed = false;
    while pause(wait, &stop).await {
        let step = stop.run_until_cancelled(sampler.step(Millis::now())).await;
        match step {
            Some(Err(error)) if !failed => {
                tracing::error!(%error, "this machine could not be sampled");
                failed = true;
            }
            Some(Err(_)) | None => {}
            Some(Ok(_)) => failed = false,
        }
        wait = match wait.is_zero() {
            true => SECOND_LOOK,
            false => sampler::until_next(Millis::now()),
        };
    }
}

/// Closes dialogs that nobody answered in time.
pub(super) async fn expire(services: Services, stop: CancellationToken) {
    while pause(EXPIRE, &stop).await {
        if let Err(error) = dialog::expire(&services, Millis::now()).await {
            tracing::error!(%error, "old dialogs could not be closed");
        }
    }
}

/// Runs what is due by schedule, and tells of jobs that take long.
pub(super) async fn schedules(services: Services, stop: CancellationToken) {
    let schedules = &services.schedules;
    while !stop.is_cancelled() {
        let now = services.clock.now();
        let next = schedules.step(now).await.unwrap_or_else(|error| {
            tracing::error!(%error, "what is due by schedule cannot be looked up; trying again");
            Some(now.plus(PAUSE))
        });
        if let Err(error) = services.jobs.tell_slow(now).await {
            tracing::error!(%error, "jobs that take long cannot be looked up");
        }
        // The clock may be changed meanwhile, and other instances end runs: nothing is slept through.
        let wait = next.map_or(SCHEDULES, |next| {
            next.since(services.clock.now()).min(SCHEDULES)
        });
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = schedules.woken() => {}
            () = stop.cancelled() => {}
        }
    }
}

/// Starts what follows runs at GitHub. Beside the schedules, which must not wait for it.
pub(super) async fn hubs(services: Services, stop: CancellationToken) {
    while pause(HUBS, &stop).await {
        if let Err(error) = services.schedules.look_at_hubs(services.clock.now()).await {
            tracing::error!(%error, "what follows GitHub cannot be looked up; trying again");
            pause(PAUSE, &stop).await;
        }
    }
}

/// Takes back what nobody confirmed in time.
pub(super) async fn undo(services: Services, pulse: Pulse, stop: CancellationToken) {
    loop {
        tokio::select! {
            goes_on = pause(UNDO, &stop) => if !goes_on { return },
            () = pulse.begins_to_hear() => {}
        }
        if let Err(error) = take_back(&services, pulse.hears()).await {
            tracing::error!(?error, "what nobody confirmed could not be taken back yet");
            pause(PAUSE, &stop).await;
        }
    }
}

/// While Telegram gives no updates, or what waited there may not be here yet, what becomes late may be confirmed a while
/// longer: who pressed is heard after that.
async fn take_back(services: &Services, hears: bool) -> Result<()> {
    let (flows, now) = (&services.flows, services.clock.now());
    let heard = flows.hears();
    flows.set_hears(heard && hears);
    if !(heard && hears) {
        services.undoing.hear_out(now).await?;
        flows.hear_out(now).await?;
    }
    flows.set_hears(hears);
    services.undoing.step(now).await
}

/// Tells what is due of incidents, and the day.
pub(super) async fn incidents(services: Services, stop: CancellationToken) {
    let incidents = &services.incidents;
    while pause(INCIDENTS, &stop).await {
        let now = Millis::now();
        if let Err(error) = incidents.tick(now).await {
            tracing::error!(%error, "what is due of incidents could not be told");
            pause(PAUSE, &stop).await;
        }
        if let Err(error) = incidents.digest(now).await {
            tracing::error!(%error, "the day could not be told");
            pause(PAUSE, &stop).await;
        }
    }
}

/// Sets the command menus once Telegram can be reached, and again whenever somebody's role changed.
pub(super) async fn menus(bot: Bot, services: Services, stop: CancellationToken) {
    let set = async {
        let mut menus = menu::Menus::default();
        loop {
            match menus.publish(&bot, &services.access).await {
                Ok(()) => services.roles_changed.notified().await,
                Err(error) => {
                    tracing::warn!(%error, "the command menus could not be set yet");
                    tokio::time::sleep(MENU_PAUSE).await;
                }
            }
        }
    };
    tokio::select! {
        () = set => {}
        () = stop.cancelled() => {}
    }
}

/// `false` when the stop came first.
async fn pause(time: Duration, stop: &CancellationToken) -> bool {
    tokio::select! {
        () = tokio::time::sleep(time) => true,
        () = stop.cancelled() => false,
    }
}

/// Says why polling fails, without filling the log.
#[derive(Default)]
pub(super) struct PollErrors {
    said: Mutex<Option<(String, Instant)>>,
}

impl ErrorHandler<RequestError> for PollErrors {
    fn handle_error(self: Arc<Self>, error: RequestError) -> BoxFuture<'static, ()> {
        let words = error.to_string();
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let repeated = said
            .as_ref()
            .is_some_and(|(before, at)| *before == words && at.elapsed() < SAY_EVERY);
        if !repeated {
            if words.contains("terminated by other getUpdates") {
                tracing::warn!(
                    "another program polls with this bot's token; only one may. Trying again"
                );
            } else if words.contains("webhook is active") {
                tracing::warn!(
                    "a webhook is set for this bot, so updates go there; `opsgram check --delete-webhook` ends that"
                );
            } else {
                tracing::warn!(error = words, "polling failed; trying again");
            }
            *said = Some((words, Instant::now()));
        }
        Box::pin(async {})
    }
}
