//! The open incidents and what was told of them, as values; each step a function of them and of the scene.

mod change;
mod tick;

use super::causes;
use super::scene::Scene;
use super::voice::{Line, Shown};
use crate::base::ids::Place;
use crate::base::time::Millis;
use crate::store::incidents::{Hold, Incident, Kind, Message, Telling, Told};
use std::collections::{BTreeMap, BTreeSet};

/// Open incidents, with what was told of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Book {
    /// Incidents by number: all that are not settled, and those that are shown beside them.
    pub incidents: BTreeMap<i64, Incident>,
    /// What each place was told of each.
    pub tellings: BTreeMap<(i64, Place), Telling>,
    /// The messages, by number.
    pub messages: BTreeMap<i64, Message>,
    /// The next number for an incident or a message.
    pub next: i64,
    /// Messages that are to be sent, or edited.
    pub touched: BTreeSet<i64>,
    /// Messages to be taken back, since they were never out and what they say is no news.
    pub taken_back: BTreeSet<i64>,
}

impl Book {
    fn number(&mut self) -> i64 {
        let number = self.next;
        self.next += 1;
        number
    }

    /// The incidents that last and hide this one.
    pub fn causes_of<'a>(&'a self, incident: &'a Incident) -> impl Iterator<Item = &'a Incident> {
        self.incidents
            .values()
            .filter(move |cause| causes::hides(cause, incident))
    }

    /// Whether the place is told of the incident, or will be in a moment.
    #[must_use]
    pub fn tells(&self, incident: i64, place: Place) -> bool {
        let telling = self.tellings.get(&(incident, place));
        telling.is_some_and(|one| match one.told {
            Told::Waiting(_) | Told::Done | Told::Held(Hold::Quiet) => true,
            Told::Held(Hold::Silence | Hold::Gone | Hold::Cause) => false,
        })
    }

    fn newest(&self, check: &str) -> Option<i64> {
        let mut of_check = self.incidents.values().rev();
        of_check
            .find(|incident| incident.check == check)
            .map(|incident| incident.id)
    }

    fn places_of(&self, incident: i64) -> Vec<Place> {
        let all = self.tellings.keys();
        all.filter(|(id, _)| *id == incident)
            .map(|(_, place)| *place)
            .collect()
    }

    /// Every message that tells the incident now is to be edited.
    pub fn touch(&mut self, incident: i64) {
        let messages = self
            .tellings
            .values()
            .filter(|telling| telling.incident == incident)
            .filter_map(|telling| telling.message);
        self.touched.extend(messages);
    }

    /// Held for this reason; a cause counts what it hides.
    fn held(&mut self, incident: &Incident, why: Hold) -> Told {
        if why == Hold::Cause {
            let causes: Vec<_> = self.causes_of(incident).map(|cause| cause.id).collect();
            for cause in causes {
                self.touch(cause);
            }
        }
        Told::Held(why)
    }

    fn make(&mut self, place: Place, kind: Kind, members: Vec<i64>, now: Millis) -> i64 {
        let id = self.number();
        let message = Message {
            id,
            place,
            kind,
            members,
            revision: 0,
            withdrawn: false,
            made: now,
        };
        self.messages.insert(id, message);
        self.touched.insert(id);
        id
    }

    /// Somebody takes care of it. `false` when it is over, or somebody did before.
    pub fn ack(&mut self, id: i64, by: &str, now: Millis) -> bool {
        let open = self.incidents.get_mut(&id);
        let Some(incident) = open.filter(|one| one.cleared.is_none() && one.acked.is_none()) else {
            return false;
        };
        incident.acked = Some((by.to_owned(), now));
        incident.snoozed = None;
        self.touch(id);
        true
    }

    /// It is not told again until then. `false` when it is over.
    pub fn snooze(&mut self, id: i64, by: &str, until: Millis) -> bool {
        let open = self.incidents.get_mut(&id);
        let Some(incident) = open.filter(|one| one.cleared.is_none()) else {
            return false;
        };
        incident.snoozed = Some((by.to_owned(), until));
        self.touch(id);
        true
    }

    /// What is over and told wherever it had to be needs no more looking after.
    fn settle(&mut self) {
        let open: BTreeSet<i64> = self
            .tellings
            .values()
            .filter(|telling| telling.told != Told::Done)
            .map(|telling| telling.incident)
            .collect();
        for incident in self.incidents.values_mut() {
            incident.settled = incident.cleared.is_some() && !open.contains(&incident.id);
        }
    }

    /// What a message shows now.
    #[must_use]
    pub fn shown(&self, message: &Message, scene: &Scene) -> Shown {
        let lines = message.members.iter().filter_map(|id| {
            let incident = self.incidents.get(id)?;
            let telling = self.tellings.get(&(*id, message.place));
            let live = telling.is_some_and(|one| one.message == Some(message.id))
                && incident.cleared.is_none();
            let others = self.incidents.values();
            let hidden = others.filter(|other| {
                let telling = self.tellings.get(&(other.id, message.place));
                other.cleared.is_none()
                    && telling.is_some_and(|one| one.told == Told::Held(Hold::Cause))
                    && causes::hides(incident, other)
            });
            Some(Line {
                live,
                times: telling.map_or(0, |telling| telling.times),
                follow: hidden.map(|other| other.check.clone()).collect(),
                fix: (scene.rules)(&incident.check).fix.map(|fix| fix.script),
                incident: incident.clone(),
            })
        });
        Shown {
            kind: message.kind,
            lines: lines.collect(),
            acts: true,
            now: scene.now,
        }
    }
}
