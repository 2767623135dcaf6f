//! The open incidents and what was told of them, as values; each step a function of them and of the scene.

use super::causes;
use super::scene::Scene;
use super::voice::{Line, Shown};
use crate::base::alert::{Change, Severity, Turn, Unit};
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

/// Why something is told in a new message.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Why {
    News,
    Again,
    Released,
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
                let flaps = |id: &i64| change.flapping && self.incidents[id].flapping;
                match newest.filter(flaps) {
                    Some(id) => self.reopen(id, severity, change, scene),
                    None => self.begin(severity, change, scene),
                }
            }
            (Turn::Cleared, Some(id)) => self.clear(id, change, scene),
            (Turn::Cleared, None) => {}
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
            flapping: change.flapping,
            began: change.since,
            raised: change.at,
            cleared: None,
            acked: None,
            snoozed: None,
            fixed: None,
            settled: false,
        };
        read(&mut incident, change);
        self.incidents.insert(id, incident);
        self.address(id, scene);
    }

    /// Sees to it that everybody concerned is told.
    fn address(&mut self, id: i64, scene: &Scene) {
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
        incident.flapping |= change.flapping;
        read(incident, change);
        if worse && !change.flapping {
            // They were given for something less.
            incident.acked = None;
            incident.snoozed = None;
            self.escalate(id, scene);
        }
        self.address(id, scene);
        self.touch(id);
    }

    /// What was told as a warning is told anew.
    fn escalate(&mut self, id: i64, scene: &Scene) {
        let incident = self.incidents[&id].clone();
        for place in self.places_of(id) {
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
        if let Ok(reading) = &change.reading {
            incident.value = reading.value;
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

    /// Does what is due at this moment: tells what waited, releases what was held, repeats.
    pub fn tick(&mut self, scene: &Scene) {
        for message in &scene.went {
            if let Some(message) = self.messages.get_mut(message) {
                message.withdrawn = false;
                self.touched.insert(message.id);
            }
        }
        let mut due: BTreeMap<Place, Vec<(i64, Why)>> = BTreeMap::new();
        let keys: Vec<_> = self.tellings.keys().copied().collect();
        for (id, place) in keys {
            if let Some(why) = self.look(id, place, scene) {
                due.entry(place).or_default().push((id, why));
            }
        }
        for (place, mut told) in due {
            let begins = told.iter().any(|(_, why)| *why != Why::Released);
            if begins {
                told.extend(self.waiting(place, &told, scene));
            }
            let kind = match begins {
                true => Kind::Alert,
                false => Kind::Summary,
            };
            self.tell(
                place,
                kind,
                told.into_iter().map(|(id, _)| id).collect(),
                scene,
            );
        }
        for incident in self.incidents.values_mut() {
            if incident
                .snoozed
                .as_ref()
                .is_some_and(|(_, until)| *until <= scene.now)
            {
                incident.snoozed = None;
            }
        }
        self.settle();
    }

    /// Moves one telling on; why it is to be told now, if it is.
    fn look(&mut self, id: i64, place: Place, scene: &Scene) -> Option<Why> {
        let incident = self.incidents.get(&id)?.clone();
        let telling = self.tellings.get(&(id, place))?.clone();
        if incident.settled {
            return None;
        }
        let hold = scene.hold(self, &incident, place);
        let (next, why) = match telling.told {
            // A role may come back, with a faulty configuration for one; what is still wrong then is told.
            Told::Waiting(_) | Told::Held(_) if !(scene.may)(place) => match incident.cleared {
                Some(_) => (Told::Done, None),
                None => return None,
            },
            Told::Waiting(due) => match hold {
                Some(hold) => (self.held(&incident, hold), None),
                None if due <= scene.now => (telling.told, Some(Why::News)),
                None => return None,
            },
            Told::Held(was) => match (hold, was) {
                (Some(_), _) => return None,
                // It came and went with its cause, which was told.
                (None, Hold::Cause) if incident.cleared.is_some() => (Told::Done, None),
                (None, Hold::Cause) => (Told::Waiting(scene.now.plus(causes::AFTER)), None),
                (None, _) => (telling.told, Some(Why::Released)),
            },
            Told::Done => {
                let message = telling.message?;
                if incident.cleared.is_some() {
                    return None;
                }
                if scene.lost.contains(&message) {
                    (Told::Held(Hold::Gone), None)
                } else if hold.is_none() && is_due_again(&incident, &telling, scene) {
                    if scene.undelivered.contains_key(&message) {
                        // It was not told yet: its time runs from when it is.
                        self.tellings.get_mut(&(id, place))?.at = Some(scene.now);
                        return None;
                    }
                    (telling.told, Some(Why::Again))
                } else {
                    return None;
                }
            }
        };
        self.tellings.get_mut(&(id, place))?.told = next;
        why
    }

    /// What else waits for the place goes along.
    fn waiting(&self, place: Place, told: &[(i64, Why)], scene: &Scene) -> Vec<(i64, Why)> {
        let waits = self.tellings.values().filter(|telling| {
            telling.place == place
                && matches!(telling.told, Told::Waiting(due) if due <= scene.now.plus(scene.group_wait))
                && !told.iter().any(|(id, _)| *id == telling.incident)
        });
        waits.map(|telling| (telling.incident, Why::News)).collect()
    }

    fn tell(&mut self, place: Place, kind: Kind, mut members: Vec<i64>, scene: &Scene) {
        members.sort_by_key(|id| {
            let incident = &self.incidents[id];
            (
                incident.cleared.is_some(),
                std::cmp::Reverse(incident.severity),
                *id,
            )
        });
        let message = self.make(place, kind, members.clone(), scene.now);
        for id in members {
            let severity = self.incidents[&id].severity;
            let Some(telling) = self.tellings.get_mut(&(id, place)) else {
                continue;
            };
            // The older one loses its buttons.
            self.touched.extend(telling.message);
            telling.message = Some(message);
            telling.told = Told::Done;
            telling.at = Some(scene.now);
            telling.severity = Some(severity);
            telling.times += 1;
        }
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
            let hidden =
                others.filter(|other| other.cleared.is_none() && causes::hides(incident, other));
            Some(Line {
                live,
                times: telling.map_or(0, |telling| telling.times),
                follow: hidden.count(),
                fix: (scene.rules)(&incident.check).fix.map(|fix| fix.script),
                incident: incident.clone(),
            })
        });
        Shown {
            kind: message.kind,
            lines: lines.collect(),
            now: scene.now,
        }
    }
}

/// Whether the time has come to tell it once more.
fn is_due_again(incident: &Incident, telling: &Telling, scene: &Scene) -> bool {
    if incident.acked.is_some() || !(scene.may)(telling.place) {
        return false;
    }
    if let Some((_, until)) = &incident.snoozed {
        return *until <= scene.now;
    }
    let rule = (scene.rules)(&incident.check);
    let every = match incident.severity {
        Severity::Warning => rule.repeat_warning,
        Severity::Critical => rule.repeat_critical,
    };
    let last = telling.at.unwrap_or(incident.raised);
    every.is_some_and(|every| last.plus(every) <= scene.now)
}

/// Takes over what a change read. What is worse shows by the side of the threshold on which it is.
fn read(incident: &mut Incident, change: &Change) {
    incident.worst = incident.worst.max(incident.severity);
    incident.limit = change.limit;
    match &change.reading {
        Ok(reading) => {
            incident.unread = false;
            incident.note.clone_from(&reading.note);
            incident.unit = reading.unit;
            incident.value = reading.value;
            let high = match (reading.value, change.limit) {
                (Some(value), Some(limit)) => value >= limit,
                (None, _) | (_, None) => true,
            };
            incident.worst_value = match (incident.worst_value, reading.value) {
                (Some(before), Some(now)) if high => Some(before.max(now)),
                (Some(before), Some(now)) => Some(before.min(now)),
                (before, now) => now.or(before),
            };
        }
        Err(why) => {
            incident.unread = true;
            incident.note = Some(why.clone());
            incident.value = None;
        }
    }
}
