//! What a change of a check makes of the book.

use super::Book;
use crate::base::alert::{Change, Severity, Turn, Unit};
use crate::base::ids::Place;
use crate::monitors::incidents::scene::Scene;
use crate::store::incidents::{Incident, Kind, Message, Telling, Told};

impl Book {
    /// Takes a change of a check down. Raised and cleared alternate, whatever comes: a second beginning is the same
    /// incident, and what is not open cannot end.
    pub fn change(&mut self, change: &Change, scene: &Scene) {
        let newest = self.newest(&change.check);
        let open = newest.filter(|id| self.incidents[id].cleared.is_none());
        match (change.turn, open) {
            (Turn::Raised(severity) | Turn::Became(severity), Some(id)) => {
                self.become_(id, severity, change, scene);
            }
            (Turn::Raised(severity) | Turn::Became(severity), None) => {
                let flaps = |id: &i64| {
                    let last = &self.incidents[id];
                    change.flapping && last.flapping && last.unwatched.is_none()
                };
                match newest.filter(flaps) {
                    Some(id) => self.reopen(id, severity, change, scene),
                    None => self.begin(severity, change, scene),
                }
            }
            (Turn::Reads, Some(id)) => self.follow(id, change),
            (Turn::Cleared, Some(id)) => self.clear(id, change, scene),
            (Turn::Reads | Turn::Cleared, None) => {}
        }
        self.settle();
    }

    fn begin(&mut self, severity: Severity, change: &Change, scene: &Scene) {
        let id = self.number();
        let mut incident = Incident {
            id,
            check: change.check.clone(),
            host: change.host.clone(),
            topic: change.topic.clone(),
            severity,
            worst: severity,
            value: None,
            worst_value: None,
            unit: Unit::Number,
            note: None,
            limit: None,
            unread: false,
            unreached: false,
            flapping: change.flapping,
            began: change.since,
            raised: change.at,
            cleared: None,
            acked: None,
            snoozed: None,
            unwatched: None,
            fixed: None,
            fix_limited: None,
            settled: false,
        };
        read(&mut incident, change);
        self.incidents.insert(id, incident);
        self.address(id, scene);
    }

    /// Sees to it that everybody concerned is told.
    pub(super) fn address(&mut self, id: i64, scene: &Scene) {
        let incident = self.incidents[&id].clone();
        for place in scene.audience(&incident) {
            if self.tellings.contains_key(&(id, place)) {
                continue;
            }
            let told = match scene.hold(self, &incident, place) {
                Some(why) => self.held(&incident, why),
                None => Told::Waiting(scene.now.plus(scene.group_wait)),
            };
            self.tellings.insert(
                (id, place),
                Telling {
                    incident: id,
                    place,
                    told,
                    message: None,
                    at: None,
                    severity: None,
                    times: 0,
                },
            );
        }
    }

    fn reopen(&mut self, id: i64, severity: Severity, change: &Change, scene: &Scene) {
        if let Some(incident) = self.incidents.get_mut(&id) {
            incident.cleared = None;
            incident.settled = false;
        }
        self.become_(id, severity, change, scene);
    }

    fn become_(&mut self, id: i64, severity: Severity, change: &Change, scene: &Scene) {
        let Some(incident) = self.incidents.get_mut(&id) else {
            return;
        };
        let worse = severity > incident.severity;
        incident.severity = severity;
        incident.flapping = change.flapping;
        read(incident, change);
        if worse {
            self.escalate(id, change.flapping, scene);
        }
        self.address(id, scene);
        self.touch(id);
    }

    /// What is read while it goes on shows in the message that is there.
    fn follow(&mut self, id: i64, change: &Change) {
        if let Some(incident) = self.incidents.get_mut(&id) {
            incident.flapping = change.flapping;
            read(incident, change);
            self.touch(id);
        }
    }

    /// It is told anew that it is worse; with `once`, only where it was not told as this bad before.
    fn escalate(&mut self, id: i64, once: bool, scene: &Scene) {
        let Some(incident) = self.incidents.get_mut(&id) else {
            return;
        };
        let told_of_less = |telling: &Telling| {
            telling
                .severity
                .is_some_and(|told| told < incident.severity)
        };
        let places: Vec<Place> = self
            .tellings
            .values()
            .filter(|telling| telling.incident == id && (!once || told_of_less(telling)))
            .map(|telling| telling.place)
            .collect();
        if !once || !places.is_empty() {
            // They were given for something less.
            incident.acked = None;
            incident.snoozed = None;
        }
        let incident = incident.clone();
        let audience = scene.audience(&incident);
        for place in places.into_iter().filter(|place| audience.contains(place)) {
            let hold = scene.hold(self, &incident, place);
            let Some(telling) = self.tellings.get_mut(&(id, place)) else {
                continue;
            };
            let unsent = telling
                .message
                .is_some_and(|message| scene.undelivered.contains_key(&message));
            match (telling.told, hold) {
                (Told::Done, _) if unsent => telling.severity = Some(incident.severity),
                (Told::Done | Told::Held(_), None) => telling.told = Told::Waiting(scene.now),
                (Told::Done, Some(why)) => telling.told = Told::Held(why),
                (Told::Held(_), Some(_)) | (Told::Waiting(_), _) => {}
            }
        }
    }

    fn clear(&mut self, id: i64, change: &Change, scene: &Scene) {
        let Some(incident) = self.incidents.get_mut(&id) else {
            return;
        };
        incident.cleared = Some(change.at);
        incident.snoozed = None;
        incident.flapping |= change.flapping;
        measure(incident, change.worst);
        match &change.reading {
            Ok(reading) => incident.value = reading.value,
            // It ends without anybody having seen that it is well.
            Err(why) => incident.unwatched = Some(why.clone()),
        }
        self.touch(id);
        for place in self.places_of(id) {
            let Some(telling) = self.tellings.get_mut(&(id, place)) else {
                continue;
            };
            match (telling.told, telling.message) {
                // It had been told, and was to be told once more: its end is an edit.
                (Told::Waiting(_), Some(_)) => telling.told = Told::Done,
                (Told::Done, Some(message)) if scene.is_stuck(message) => {
                    self.miss(id, place, message, scene);
                }
                (Told::Waiting(_) | Told::Held(_) | Told::Done, _) => {}
            }
        }
    }

    /// What began and ended while Telegram was away does not ring afterwards: it is a line of one summary.
    fn miss(&mut self, id: i64, place: Place, message: i64, scene: &Scene) {
        if self
            .messages
            .get(&message)
            .is_some_and(|m| m.kind == Kind::Missed)
        {
            return;
        }
        let others = self
            .tellings
            .values()
            .any(|telling| telling.message == Some(message) && telling.incident != id);
        if let Some(old) = self.messages.get_mut(&message) {
            if others {
                old.members.retain(|member| *member != id);
            } else {
                old.withdrawn = true;
                self.touched.remove(&message);
                self.taken_back.insert(message);
            }
        }
        let waits = |one: &&mut Message| {
            one.kind == Kind::Missed
                && one.place == place
                && (one.made == scene.now || scene.undelivered.contains_key(&one.id))
        };
        let summary = match self.messages.values_mut().find(waits) {
            Some(summary) => {
                summary.members.push(id);
                summary.id
            }
            None => self.make(place, Kind::Missed, vec![id], scene.now),
        };
        self.touched.insert(summary);
        if let Some(telling) = self.tellings.get_mut(&(id, place)) {
            telling.message = Some(summary);
        }
    }
}

/// Takes over what a change read.
fn read(incident: &mut Incident, change: &Change) {
    incident.worst = incident.worst.max(incident.severity);
    incident.limit = change.limit;
    match &change.reading {
        Ok(reading) => {
            incident.unread = false;
            incident.unreached = reading.unreached;
            incident.note.clone_from(&reading.note);
            incident.unit = reading.unit;
            incident.value = reading.value;
            measure(incident, change.worst);
        }
        Err(why) => {
            incident.unread = true;
            incident.unreached = false;
            incident.note = Some(why.clone());
            incident.value = None;
        }
    }
}

/// Takes over the worst value. What is worse shows by the side of the threshold on which it is.
fn measure(incident: &mut Incident, worst: Option<f64>) {
    let Some(worst) = worst else { return };
    let high = incident.limit.is_none_or(|limit| worst >= limit);
    incident.worst_value = Some(match incident.worst_value {
        Some(before) if high => before.max(worst),
        Some(before) => before.min(worst),
        None => worst,
    });
}
