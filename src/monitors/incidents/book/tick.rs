//! What a moment makes of the book: what waited is told, what was held is released, what goes on is repeated.

use super::Book;
use crate::base::alert::Severity;
use crate::base::ids::Place;
use crate::monitors::incidents::causes;
use crate::monitors::incidents::scene::Scene;
use crate::store::incidents::{Hold, Incident, Kind, Telling, Told};
use std::collections::{BTreeMap, BTreeSet};

/// Why something is told in a new message.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Why {
    News,
    Again,
    Released,
}

impl Book {
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
        let again: BTreeSet<i64> = due
            .values()
            .flatten()
            .filter(|(_, why)| *why == Why::Again)
            .map(|(id, _)| *id)
            .collect();
        for id in again {
            // Who wants to know of it only since it began is told when the others are told again.
            self.address(id, scene);
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
        self.wake(scene);
        self.settle();
    }

    /// Ends what was snoozed until now, once it was told again wherever somebody is to know of it.
    fn wake(&mut self, scene: &Scene) {
        let over: Vec<Incident> = self
            .incidents
            .values()
            .filter(|one| one.snoozed.as_ref().is_some_and(|(_, at)| *at <= scene.now))
            .cloned()
            .collect();
        for incident in over {
            let is_held = |place: &Place| {
                let hold = scene.hold(self, &incident, *place);
                matches!(hold, Some(Hold::Quiet | Hold::Silence))
            };
            let mut places = self.places_of(incident.id).into_iter();
            if places.any(|place| is_held(&place)) {
                continue;
            }
            if let Some(one) = self.incidents.get_mut(&incident.id) {
                one.snoozed = None;
            }
        }
    }

    /// Moves one telling on; why it is to be told now, if it is.
    fn look(&mut self, id: i64, place: Place, scene: &Scene) -> Option<Why> {
        let incident = self.incidents.get(&id)?.clone();
        let telling = self.tellings.get(&(id, place))?.clone();
        if incident.settled {
            return None;
        }
        let hold = scene.hold(self, &incident, place);
        let wants = !(scene.may)(place) || scene.audience(&incident).contains(&place);
        let (next, why) = match telling.told {
            // Whoever chose otherwise meanwhile is told nothing more; what is there already goes on to be true.
            Told::Waiting(_) | Told::Held(_) if !wants => (Told::Done, None),
            // Nobody there can be told, and when they are back, it is no news: it was over before.
            Told::Waiting(_) | Told::Held(_)
                if hold == Some(Hold::Gone) && incident.cleared.is_some() =>
            {
                (Told::Done, None)
            }
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
                if wants && scene.lost.contains(&message) {
                    // It never was out: there is nothing to edit when it is told again.
                    self.tellings.get_mut(&(id, place))?.message = None;
                    (Told::Held(Hold::Gone), None)
                } else if wants && hold.is_none() && is_due_again(&incident, &telling, scene) {
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
}

/// Whether the time has come to tell it once more.
fn is_due_again(incident: &Incident, telling: &Telling, scene: &Scene) -> bool {
    // What comes and goes is told once; when it stays, it is told again.
    if incident.flapping || !(scene.may)(telling.place) {
        return false;
    }
    if let Some((_, until)) = &incident.snoozed {
        if *until > scene.now {
            return false;
        }
        // What was told at a time to come was told by a clock that was wrong.
        if telling.at.is_none_or(|at| at < *until || at > scene.now) {
            return true;
        }
    }
    if incident.acked.is_some() {
        return false;
    }
    let rule = (scene.rules)(&incident.check);
    let every = match incident.severity {
        Severity::Warning => rule.repeat_warning,
        Severity::Critical => rule.repeat_critical,
    };
    let last = telling.at.unwrap_or(incident.raised);
    every.is_some_and(|every| last.plus(every) <= scene.now)
}
