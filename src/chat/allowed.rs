//! In a private chat, only the buttons that its reader may press. In a group all of them stand, since others may press them, and
//! pressing decides.

use super::alerts::press::AlertPress;
use super::commands::schedules::press::SchedulePress;
use super::commands::{cancel, schedules as listed};
use super::keyboards::Press;
use super::request::Request;
use super::workflows;
use super::workflows::press::FlowPress;
use crate::actions::script;
use crate::base::error::Result;
use crate::base::ids::JobId;
use crate::base::role::Role;
use crate::delivery::Buttons;
use crate::schedules;
use crate::store;
use crate::store::jobs::Job;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// What a press takes.
enum Need<'a> {
    /// Nothing but to see the button: it only looks, or stands where only those see it who may press it.
    Nothing,
    /// This role.
    Role(Role),
    /// To stop this job.
    Stop(JobId),
    /// To run what this job ran.
    Run(JobId),
    /// To run this script.
    Script(&'a str),
    /// To do this about a schedule, known by its name.
    Schedule(&'a str, &'a SchedulePress),
}

/// The buttons without those that the only reader of a private chat may not press.
pub async fn fitting(request: &Request, buttons: Buttons) -> Buttons {
    // An owner may press them all.
    if !request.actor.place.chat.is_private() || request.role() == Some(Role::Owner) {
        return buttons;
    }
    let mut known = Known::default();
    let mut rows = Buttons::new();
    for row in buttons {
        let mut kept = Vec::new();
        for button in row {
            let press = Press::read(&button.data);
            let may = match press.as_ref().map(need) {
                Some(need) => known.may(request, need).await,
                None => Ok(true),
            };
            // What cannot be looked up is asked for again when it is pressed.
            if may.unwrap_or(true) {
                kept.push(button);
            }
        }
        rows.extend((!kept.is_empty()).then_some(kept));
    }
    rows
}

/// What was looked up, once for all buttons of a message.
#[derive(Default)]
struct Known {
    jobs: HashMap<JobId, Option<Job>>,
    schedules: HashMap<String, Option<schedules::Entry>>,
}

impl Known {
    /// Whether the reader would be let. What is not there any more says so when it is pressed.
    async fn may(&mut self, request: &Request, need: Need<'_>) -> Result<bool> {
        Ok(match need {
            Need::Nothing => true,
            Need::Role(role) => request.role() >= Some(role),
            Need::Stop(id) => {
                let job = self.job(request, id).await?;
                job.is_none_or(|job| cancel::may_stop(request, job))
            }
            Need::Run(id) => {
                let job = self.job(request, id).await?;
                job.is_none_or(|job| workflows::may_run(request, job))
            }
            Need::Script(name) => {
                let config = request.services.live.current();
                let script = script::find(&config, name);
                script.is_none_or(|script| request.may_run(script.name.as_str(), script.role))
            }
            Need::Schedule(name, press) => {
                let entry = self.schedule(request, name).await?;
                entry.is_none_or(|entry| listed::may(request, entry, press))
            }
        })
    }

    async fn job(&mut self, request: &Request, id: JobId) -> Result<Option<&Job>> {
        let job = match self.jobs.entry(id) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => {
                let mut db = request.services.store.read().await?;
                new.insert(store::jobs::find(&mut db, id).await?)
            }
        };
        Ok(job.as_ref())
    }

    async fn schedule(
        &mut self,
        request: &Request,
        name: &str,
    ) -> Result<Option<&schedules::Entry>> {
        let entry = match self.schedules.entry(name.to_owned()) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => {
                let now = request.services.clock.now();
                new.insert(request.services.schedules.find(name, now).await?)
            }
        };
        Ok(entry.as_ref())
    }
}

fn need(press: &Press) -> Need<'_> {
    match press {
        Press::Cancel(id) => Need::Stop(*id),
        Press::Again(id) | Press::Undo(id) | Press::TakeBack(id) | Press::Keep(id) => {
            Need::Run(*id)
        }
        Press::Flow(
            FlowPress::Retry(id)
            | FlowPress::Undo(id)
            | FlowPress::UndoNow(id)
            | FlowPress::Leave(id),
        ) => Need::Run(*id),
        Press::Run(script) | Press::Stream(script) | Press::GiveFile(_, script) => {
            Need::Script(script)
        }
        Press::Schedule(press) => match press {
            SchedulePress::Run(name)
            | SchedulePress::Pause(name)
            | SchedulePress::Resume(name)
            | SchedulePress::Remove(name) => Need::Schedule(name, press),
            SchedulePress::List(_) | SchedulePress::Show(_) => Need::Nothing,
        },
        Press::Alert(
            AlertPress::Ack(_)
            | AlertPress::Snooze(_)
            | AlertPress::Silence(_)
            | AlertPress::SilenceFor(..)
            | AlertPress::EndSilence(_),
        ) => Need::Role(Role::Operator),
        Press::Alert(
            AlertPress::Now
            | AlertPress::History(_)
            | AlertPress::Show(_)
            | AlertPress::Fix(_)
            | AlertPress::Silences
            | AlertPress::Subscribe(_)
            | AlertPress::Unsubscribe(_)
            | AlertPress::NoQuiet,
        )
        | Press::Flow(
            FlowPress::List(_)
            | FlowPress::Status(_)
            | FlowPress::Show(_)
            | FlowPress::Log(..)
            | FlowPress::Answer { .. },
        )
        | Press::Log(_)
        | Press::Job(_)
        | Press::Jobs(..)
        | Press::KeptJobs(..)
        | Press::Found(..)
        | Press::FoundFile(_)
        | Press::FoundJob(..)
        | Press::Rows(..)
        | Press::Outbox(_)
        | Press::Scripts(_)
        | Press::Streams(_)
        | Press::Status(_)
        | Press::Chart(..)
        | Press::Top(_)
        | Press::Users(_)
        | Press::Person(_)
        | Press::Lend(..)
        | Press::Give(..)
        | Press::Revoke(_)
        | Press::Rights(..)
        | Press::LendScript(..)
        | Press::GiveScript(..)
        | Press::RevokeScript(..)
        | Press::Strangers(_)
        | Press::Ignore(_)
        | Press::Allow(..)
        | Press::Groups(_)
        | Press::Group(_)
        | Press::Remove(_)
        | Press::Leave(_)
        | Press::InviteAs(_)
        | Press::Invite(..)
        | Press::Withdraw(_)
        | Press::Audit(_)
        | Press::Confirm(_)
        | Press::Drop(_)
        | Press::Ask { .. } => Need::Nothing,
    }
}
