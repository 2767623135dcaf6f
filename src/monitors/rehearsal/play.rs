//! A check put through recorded samples, by the same state machine and the same book of incidents as in earnest: pure.

use super::source::{Found, Source};
use crate::base::alert::{Severity, Turn};
use crate::base::ids::{ChatId, Place};
use crate::base::time::Millis;
use crate::config::Check;
use crate::monitors::incidents::book::Book;
use crate::monitors::incidents::{Rule as Telling, Scene};
use crate::monitors::probe::Points;
use crate::monitors::state::{self, Rule, State};
use crate::monitors::watch::{Basis, change};
use crate::store::incidents::{Incident, Told};
use crate::store::samples::Past;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// So many of the newest events are kept; all are counted.
const KEPT: usize = 10;
/// After so many events it is clear enough.
const MOST: usize = 10_000;
/// Of a coarse row, looks are at least so far apart: close enough for what has to last minutes.
const COARSE: Duration = Duration::from_secs(60);
/// What waits for its time is looked after so often.
const PACE: Duration = Duration::from_secs(1);
/// Somebody who is told everything.
const SOMEBODY: Place = Place {
    chat: ChatId(1),
    thread: None,
};

/// What would have been told.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Played {
    /// The newest events, oldest first.
    pub newest: VecDeque<Event>,
    /// How many there were of each, the older ones included.
    pub counts: BTreeMap<What, usize>,
    /// What would still last at the end.
    pub lasting: Option<Lasting>,
    /// The worst value of all and when it was seen, whether or not it was bad for long enough.
    pub worst: Option<(Millis, f64)>,
    /// Where it was given up, because there was too much to tell.
    pub given_up: Option<Millis>,
}

/// What would have been told at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// The moment.
    pub at: Millis,
    /// What.
    pub what: What,
    /// Whether it is a message of its own, with a sound; else an older one is edited.
    pub rings: bool,
    /// The incident as it was then.
    pub incident: Incident,
    /// The worst value of the incident up to then.
    pub worst: Option<f64>,
}

/// What becomes of an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// It begins.
    Begins,
    /// It becomes critical.
    Worsens,
    /// It goes on, and is told once more.
    GoesOn,
    /// It is no longer critical.
    Eases,
    /// What comes and goes is back.
    ComesBack,
    /// It is over.
    Recovers,
}

/// An incident that is not over at the end.
#[derive(Clone, Debug, PartialEq)]
pub struct Lasting {
    /// The incident.
    pub incident: Incident,
    /// Its worst value.
    pub worst: Option<f64>,
    /// Where the samples end.
    pub until: Millis,
}

/// Plays the rows, which are in their order, as if the check had looked at them.
pub(super) fn play(
    check: &Check,
    host: &str,
    group_wait: Duration,
    source: &Source,
    past: &[Past],
) -> Played {
    let mut stage = Stage::new(check, host, group_wait);
    let mut points = Points::default();
    let mut due = Millis(i64::MIN);
    for row in past {
        let every = check.every.max(row.step.width().min(COARSE));
        due = due.max(row.at);
        while due < row.until {
            let found = source.look(row.value, &check.limits, &mut points, due);
            stage.look(due, found);
            due = due.plus(every);
        }
        if stage.told >= MOST {
            stage.played.given_up = Some(row.until);
            break;
        }
    }
    let end = past.last().map_or(Millis(0), |row| row.until);
    stage.end(end)
}

struct Stage<'a> {
    check: &'a Check,
    host: &'a str,
    rule: Rule,
    scene: Scene,
    state: State,
    book: Book,
    /// The last look.
    looked: Millis,
    /// When what was due was last looked after.
    ticked: Millis,
    /// The worst value since it began to be bad.
    worst: Option<f64>,
    told: usize,
    played: Played,
}

impl<'a> Stage<'a> {
    fn new(check: &'a Check, host: &'a str, group_wait: Duration) -> Self {
        let telling = Telling {
            repeat_warning: check.repeat.warning,
            repeat_critical: check.repeat.critical,
            notify: Vec::new(),
            fix: None,
        };
        Self {
            check,
            host,
            rule: Rule::of(check),
            scene: Scene {
                now: Millis(0),
                group_wait,
                subscriptions: Vec::new(),
                quiet: Vec::new(),
                silences: Vec::new(),
                owners: vec![SOMEBODY],
                rules: Arc::new(move |_| telling.clone()),
                may: Arc::new(|_| true),
                gone: Arc::new(|_| false),
                undelivered: BTreeMap::new(),
                lost: BTreeSet::new(),
                went: BTreeSet::new(),
            },
            state: State::default(),
            book: Book {
                next: 1,
                ..Book::default()
            },
            looked: Millis(i64::MIN),
            ticked: Millis(i64::MIN),
            worst: None,
            told: 0,
            played: Played::default(),
        }
    }

    fn look(&mut self, now: Millis, found: Found) {
        self.advance(now);
        self.looked = now;
        let since = self.state.since();
        let before = std::mem::take(&mut self.state);
        let (state, turn) = state::step(before, &self.rule, &found.seen, now);
        self.state = state;
        if turn != Some(Turn::Cleared) {
            self.measure(now, found.worst);
        }
        let Some(turn) = turn else { return };
        let basis = Basis {
            by_value: found
                .seen
                .as_ref()
                .is_ok_and(|seen| self.rule.decides(seen)),
            reading: found.seen.map(|seen| seen.reading),
            worst: self.worst,
        };
        let change = change(self.check, self.host, turn, basis, since, &self.state, now);
        self.scene.now = now;
        let before = self.newest().cloned();
        self.book.change(&change, &self.scene);
        self.edited(turn, change.flapping, before.as_ref());
        if self.scene.group_wait.is_zero() {
            self.tick(now);
        }
        if turn == Turn::Cleared {
            self.worst = None;
        }
        self.forget();
    }

    /// Remembers the worst value, of all and since it is bad.
    fn measure(&mut self, now: Millis, value: Option<f64>) {
        let rises = self.rule.limits.rises;
        let worse = |held: f64, value: f64| if rises { value > held } else { value < held };
        if self.state.since().is_none() {
            self.worst = None;
        }
        let Some(value) = value else { return };
        if self.played.worst.is_none_or(|(_, held)| worse(held, value)) {
            self.played.worst = Some((now, value));
        }
        if self.state.since().is_some() && self.worst.is_none_or(|held| worse(held, value)) {
            self.worst = Some(value);
        }
    }

    fn newest(&self) -> Option<&Incident> {
        self.book.incidents.values().next_back()
    }

    /// Notes what a change makes of a message that is there already.
    fn edited(&mut self, turn: Turn, flapping: bool, before: Option<&Incident>) {
        let Some(incident) = self.newest().cloned() else {
            return;
        };
        let same = before.filter(|before| before.id == incident.id);
        let is_told = |telling: &crate::store::incidents::Telling| {
            telling.incident == incident.id && telling.times > 0
        };
        if !self.book.tellings.values().any(is_told) {
            return;
        }
        let what = match (turn, same) {
            (Turn::Raised(_), Some(_)) => What::ComesBack,
            (Turn::Became(severity), Some(before)) if severity < before.severity => What::Eases,
            (Turn::Became(_), Some(_)) if flapping => What::Worsens,
            (Turn::Cleared, _) => What::Recovers,
            // A message of its own tells it.
            (Turn::Raised(_) | Turn::Became(_) | Turn::Reads, _) => return,
        };
        self.note(what, false, incident);
    }

    /// Tells what became due before this moment.
    fn advance(&mut self, until: Millis) {
        while self.told < MOST
            && let Some(due) = self.due()
            && due < until
        {
            self.tick(due);
        }
    }

    /// When something is to be told next.
    fn due(&self) -> Option<Millis> {
        let due = self.book.tellings.values().filter_map(|telling| {
            let incident = self.book.incidents.get(&telling.incident)?;
            match telling.told {
                Told::Waiting(due) => Some(due),
                Told::Done if incident.cleared.is_none() => {
                    let repeat = self.check.repeat;
                    let every = match incident.severity {
                        Severity::Warning => repeat.warning,
                        Severity::Critical => repeat.critical,
                    };
                    Some(telling.at?.plus(every?))
                }
                Told::Done | Told::Held(_) => None,
            }
        });
        // A look may make something due that would have been so earlier, such as by what repeats sooner.
        let next = self.ticked.plus(PACE).max(self.looked);
        due.min().map(|due| due.max(next))
    }

    fn tick(&mut self, now: Millis) {
        self.ticked = now;
        self.scene.now = now;
        let before: BTreeMap<_, _> = self
            .book
            .tellings
            .iter()
            .map(|(key, telling)| (*key, (telling.times, telling.severity)))
            .collect();
        self.book.tick(&self.scene);
        let told: Vec<_> = self
            .book
            .tellings
            .iter()
            .filter_map(|(key, telling)| {
                let (times, severity) = before.get(key).copied().unwrap_or_default();
                let incident = self.book.incidents.get(&telling.incident)?.clone();
                (telling.times > times).then_some((severity, incident))
            })
            .collect();
        for (severity, incident) in told {
            let what = match severity {
                None => What::Begins,
                Some(Severity::Warning) if incident.severity == Severity::Critical => What::Worsens,
                Some(_) => What::GoesOn,
            };
            let is_over = incident.cleared.is_some();
            self.note(what, !is_over, incident.clone());
            if is_over {
                self.note(What::Recovers, false, incident);
            }
        }
        self.forget();
    }

    fn note(&mut self, what: What, rings: bool, incident: Incident) {
        self.told += 1;
        *self.played.counts.entry(what).or_default() += 1;
        let worst = incident.worst_value;
        let newest = &mut self.played.newest;
        if newest.len() == KEPT {
            newest.pop_front();
        }
        newest.push_back(Event {
            at: self.scene.now,
            what,
            rings,
            incident,
            worst: self.worst.or(worst),
        });
    }

    /// What is over and told plays no part any more, except the newest, which may come back.
    fn forget(&mut self) {
        let book = &mut self.book;
        let newest = book.incidents.keys().next_back().copied();
        book.incidents
            .retain(|id, incident| !incident.settled || Some(*id) == newest);
        let incidents = &book.incidents;
        book.tellings
            .retain(|(id, _), _| incidents.contains_key(id));
        let kept: BTreeSet<_> = book
            .tellings
            .values()
            .filter_map(|one| one.message)
            .collect();
        book.messages.retain(|id, _| kept.contains(id));
        book.touched.clear();
        book.taken_back.clear();
    }

    fn end(mut self, until: Millis) -> Played {
        self.advance(until);
        let lasting = self.newest().filter(|incident| incident.cleared.is_none());
        self.played.lasting = lasting.cloned().map(|incident| Lasting {
            incident,
            worst: self.worst,
            until,
        });
        self.played
    }
}

#[cfg(test)]
mod tests;
