//! Values that must not be seen, such as the address of a terminal: told in private, never written down, and taken back
//! when the run is over.

use super::Inner;
use super::plan;
use crate::base::ids::{ChatId, Place, UserId};
use crate::base::role::Role;
use crate::base::text::escape;
use crate::base::workflow::capture::Found;
use crate::base::workflow::{Step, Workflow};
use crate::delivery::{Answer, Outgoing};
use crate::store::jobs::Job;
use futures::FutureExt;

/// Tells the asker in private; of a run that nobody asked for, the owners.
pub(super) fn tell(inner: &Inner, job: &Job, seq: usize, step: &Step, found: &Found) {
    for place in places(inner, job) {
        let html = format!(
            "🔑 <b>{}</b> · #{} · {}\n{}: {}\nThis message goes when the run is over. Do not pass it on.",
            escape(&job.new.title),
            job.id,
            escape(&step.name),
            escape(&found.name),
            escape(&found.value),
        );
        let message = Outgoing::text(place, html, Vec::new());
        inner.outbox.answer(Answer {
            message: message.slot(slot(job, seq, &found.name, place)),
            instead: Some(format!(
                "#{}: {} of {} could not be shown. Stop the run and start it again to get another.",
                job.id, found.name, step.name
            )),
            afterwards: Box::new(|| async {}.boxed()),
        });
    }
}

/// Removes what was told.
pub(super) fn take_back(inner: &Inner, job: &Job, flow: &Workflow) {
    let count = flow.steps.len() + flow.always.len();
    for seq in 0..count {
        let Some(step) = plan::step(flow, seq) else {
            continue;
        };
        let secret = step.capture.iter().filter(|(_, capture)| capture.secret);
        for (name, _) in secret {
            for place in places(inner, job) {
                inner
                    .outbox
                    .clear_away(place.chat, slot(job, seq, name, place));
            }
        }
    }
}

fn places(inner: &Inner, job: &Job) -> Vec<Place> {
    let private = |user: UserId| Place {
        chat: ChatId(user.0),
        thread: None,
    };
    if job.new.telling.is_none() {
        return vec![private(job.new.asker)];
    }
    let persons = inner.access.persons();
    let owners = persons.iter().filter(|person| person.role == Role::Owner);
    owners.map(|person| private(person.id)).collect()
}

fn slot(job: &Job, seq: usize, name: &str, place: Place) -> String {
    format!("secret:{}:{seq}:{name}:{}", job.id, place.chat)
}
