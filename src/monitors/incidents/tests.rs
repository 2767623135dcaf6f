//! The book under every sequence of events: what each place has read, and that nothing is lost or said twice.

use super::book::Book;
use super::scene::{Rule, Scene};
use crate::base::alert::{Change, Reading, Severity, Turn, Unit};
use crate::base::ids::{ChatId, Place};
use crate::base::time::Millis;
use crate::store::incidents::{Kind, Told};
use crate::store::silences::{About, Silence};
use crate::store::subscriptions::{QuietHours, Subscription};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

const CHECKS: [&str; 3] = ["disk-a", "disk-b", "load"];
const OWNER: Place = place(1);
const OTHER: Place = place(2);
const PLACES: [Place; 2] = [OWNER, OTHER];

const fn place(id: i64) -> Place {
    Place {
        chat: ChatId(id),
        thread: None,
    }
}

/// Something that happens.
#[derive(Clone, Debug)]
enum Event {
    /// A check turns; the check's own state makes a proper sequence of it.
    Turn(usize, bool),
    /// The same of a check that comes and goes so often that it flaps.
    Flap(usize, bool),
    /// Another machine leads: what fires is watched no more, and the other one begins anew.
    Lead,
    /// Nobody at the place can be reached, or they are back.
    Gone(usize, bool),
    /// The place loses its role, or has it again.
    Role(usize, bool),
    /// Quiet hours of the owner begin, or end.
    Quiet(bool),
    /// Time goes on by so many seconds, and the step is made.
    Pass(u32),
    Ack(usize),
    Snooze(usize),
    Silence(usize, u32),
    /// Telegram is away, or back.
    Away(bool),
    /// The bot is started anew: only what is stored is known.
    Restart,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let check = 0..CHECKS.len();
    let one = prop_oneof![
        6 => (check.clone(), any::<bool>()).prop_map(|(check, worse)| Event::Turn(check, worse)),
        6 => prop_oneof![Just(1), Just(11), Just(70), Just(3700), Just(20_000)].prop_map(Event::Pass),
        1 => check.clone().prop_map(Event::Ack),
        1 => check.clone().prop_map(Event::Snooze),
        1 => (check, 1_u32..5000).prop_map(|(check, time)| Event::Silence(check, time)),
        1 => any::<bool>().prop_map(Event::Away),
        2 => (0..CHECKS.len(), any::<bool>()).prop_map(|(check, worse)| Event::Flap(check, worse)),
        1 => Just(Event::Lead),
        2 => (0..PLACES.len(), any::<bool>()).prop_map(|(place, gone)| Event::Gone(place, gone)),
        1 => (0..PLACES.len(), any::<bool>()).prop_map(|(place, lost)| Event::Role(place, lost)),
        1 => any::<bool>().prop_map(Event::Quiet),
        2 => Just(Event::Restart),
    ];
    proptest::collection::vec(one, 1..60)
}

/// A message as Telegram has it.
#[derive(Clone, Debug)]
struct Read {
    /// The incidents whose begin it told with sound, with how bad they were.
    rang: Vec<(i64, Severity)>,
    /// The incidents that it shows as over.
    over: BTreeSet<i64>,
}

/// The world around the book: the clock, the checks, the outbox, and what was delivered.
struct Around {
    now: Millis,
    checks: BTreeMap<usize, Severity>,
    away: bool,
    /// Places whose chat cannot be reached, and those without a role.
    gone: BTreeSet<Place>,
    roleless: BTreeSet<Place>,
    quiet: bool,
    /// On how many machines was looked so far.
    leads: usize,
    /// What ended since its machine looked no more.
    unwatched: BTreeSet<i64>,
    /// Of which incidents a place need not read the end: it could not be told, or might not.
    excused: BTreeSet<(i64, Place)>,
    /// Who has read the end of what, whatever the message says later.
    read: BTreeSet<(i64, Place)>,
    silences: Vec<Silence>,
    book: Book,
    /// Messages that wait, with their newest form.
    waiting: BTreeMap<i64, Read>,
    delivered: BTreeMap<i64, Read>,
    /// In the order in which they rang, by place.
    rings: BTreeMap<Place, Vec<(i64, Severity)>>,
}

impl Around {
    fn new() -> Self {
        Self {
            now: Millis(1_000_000),
            checks: BTreeMap::new(),
            away: false,
            gone: BTreeSet::new(),
            roleless: BTreeSet::new(),
            quiet: false,
            leads: 0,
            unwatched: BTreeSet::new(),
            excused: BTreeSet::new(),
            read: BTreeSet::new(),
            silences: Vec::new(),
            book: Book {
                next: 1,
                ..Book::default()
            },
            waiting: BTreeMap::new(),
            delivered: BTreeMap::new(),
            rings: BTreeMap::new(),
        }
    }

    fn scene(&self) -> Scene {
        let undelivered = self
            .waiting
            .keys()
            .filter(|id| !self.delivered.contains_key(id));
        let lost =
            self.book.messages.values().filter(|one| {
                self.gone.contains(&one.place) && !self.delivered.contains_key(&one.id)
            });
        let hours = QuietHours {
            place: OWNER,
            from: 0,
            to: 24 * 60,
            zone: "UTC".to_owned(),
        };
        let (gone, roleless) = (self.gone.clone(), self.roleless.clone());
        Scene {
            now: self.now,
            group_wait: Duration::from_secs(10),
            subscriptions: vec![Subscription {
                place: OTHER,
                topic: Some("disk".to_owned()),
                least: Some(Severity::Critical),
            }],
            quiet: self.quiet.then_some(hours).into_iter().collect(),
            silences: self
                .silences
                .iter()
                .filter(|one| one.until > self.now)
                .cloned()
                .collect(),
            owners: vec![OWNER],
            rules: Arc::new(|_| Rule::default()),
            may: Arc::new(move |place| !roleless.contains(&place)),
            gone: Arc::new(move |chat| gone.iter().any(|place| place.chat == chat)),
            undelivered: undelivered
                .map(|id| (*id, self.book.messages[id].made))
                .collect(),
            lost: lost.map(|one| one.id).collect(),
            went: BTreeSet::new(),
        }
    }

    fn happen(&mut self, event: &Event) {
        match event {
            Event::Turn(check, worse) => {
                self.turns(*check, *worse, false);
            }
            Event::Flap(check, worse) => self.turns(*check, *worse, true),
            Event::Lead => self.lead(),
            Event::Gone(place, true) => {
                self.gone.insert(PLACES[*place]);
            }
            Event::Gone(place, false) => {
                self.gone.remove(&PLACES[*place]);
            }
            Event::Role(place, true) => {
                self.roleless.insert(PLACES[*place]);
            }
            Event::Role(place, false) => {
                self.roleless.remove(&PLACES[*place]);
            }
            Event::Quiet(quiet) => self.quiet = *quiet,
            Event::Pass(seconds) => {
                self.now = self.now.plus(Duration::from_secs(u64::from(*seconds)));
                let scene = self.scene();
                self.book.tick(&scene);
            }
            Event::Ack(check) => {
                if let Some(id) = self.open(*check) {
                    self.book.ack(id, "ann", self.now);
                }
            }
            Event::Snooze(check) => {
                if let Some(id) = self.open(*check) {
                    self.book
                        .snooze(id, "ann", self.now.plus(Duration::from_secs(3600)));
                }
            }
            Event::Silence(check, seconds) => self.silences.push(Silence {
                id: 0,
                about: About::Check(CHECKS[*check].to_owned()),
                host: None,
                until: self.now.plus(Duration::from_secs(u64::from(*seconds))),
                reason: None,
                by: (crate::base::ids::UserId(1), "ann".to_owned()),
            }),
            Event::Away(away) => self.away = *away,
            Event::Restart => self.restart(),
        }
        self.promise();
        self.excuse();
    }

    fn host(&self) -> String {
        format!("host-{}", self.leads)
    }

    fn turns(&mut self, check: usize, worse: bool, flapping: bool) {
        let turn = self.turn(check, worse);
        let one = Change {
            flapping,
            host: self.host(),
            ..change(CHECKS[check], turn, self.now)
        };
        let scene = self.scene();
        self.book.change(&one, &scene);
    }

    /// What fires here ends without being well.
    fn lead(&mut self) {
        let scene = self.scene();
        for check in std::mem::take(&mut self.checks).into_keys() {
            self.unwatched.extend(self.open(check));
            let one = Change {
                reading: Err("checks run elsewhere now".to_owned()),
                host: self.host(),
                ..change(CHECKS[check], Turn::Cleared, self.now)
            };
            self.book.change(&one, &scene);
        }
        self.leads += 1;
    }

    /// Notes who has read an end. Whoever cannot be reached when something ends, or may not be told while it lasts, need not read its end.
    fn excuse(&mut self) {
        for one in self.book.incidents.values() {
            for place in PLACES {
                let (gone, roleless) = (self.gone.contains(&place), self.roleless.contains(&place));
                let read = self.has_read_end(one.id, place);
                if read {
                    self.read.insert((one.id, place));
                } else if one.cleared.is_some() && gone || roleless {
                    self.excused.insert((one.id, place));
                }
            }
        }
    }

    fn has_read_end(&self, id: i64, place: Place) -> bool {
        let telling = self.book.tellings.get(&(id, place));
        let message = telling.and_then(|one| one.message);
        let read = message.and_then(|message| self.delivered.get(&message));
        read.is_some_and(|read| read.over.contains(&id))
    }

    /// What the check says next: raised and cleared alternate.
    fn turn(&mut self, check: usize, worse: bool) -> Turn {
        match (self.checks.get(&check), worse) {
            (None, worse) => {
                let severity = if worse {
                    Severity::Critical
                } else {
                    Severity::Warning
                };
                self.checks.insert(check, severity);
                Turn::Raised(severity)
            }
            (Some(Severity::Warning), true) => {
                self.checks.insert(check, Severity::Critical);
                Turn::Became(Severity::Critical)
            }
            (Some(_), _) => {
                self.checks.remove(&check);
                Turn::Cleared
            }
        }
    }

    fn open(&self, check: usize) -> Option<i64> {
        let mut all = self.book.incidents.values().rev();
        let found = all.find(|one| one.check == CHECKS[check] && one.cleared.is_none());
        found.map(|one| one.id)
    }

    /// Keeps what the shell would read again: what is not settled, and what its messages show.
    fn restart(&mut self) {
        let book = &mut self.book;
        let open: BTreeSet<i64> = book
            .incidents
            .values()
            .filter(|one| !one.settled)
            .map(|one| one.id)
            .collect();
        let newest = CHECKS.iter().filter_map(|check| {
            book.incidents
                .values()
                .rev()
                .find(|one| one.check == *check)
                .map(|one| one.id)
        });
        let mut kept: BTreeSet<i64> = open.iter().copied().chain(newest).collect();
        let messages: BTreeSet<i64> = book
            .tellings
            .values()
            .filter(|one| kept.contains(&one.incident))
            .filter_map(|one| one.message)
            .chain(self.waiting.keys().copied())
            .collect();
        book.messages.retain(|id, _| messages.contains(id));
        kept.extend(book.messages.values().flat_map(|one| one.members.clone()));
        book.incidents.retain(|id, _| kept.contains(id));
        book.tellings.retain(|(id, _), _| kept.contains(id));
    }

    /// The outbox: a newer form replaces one that waits; what may leave is delivered.
    fn promise(&mut self) {
        for id in std::mem::take(&mut self.book.taken_back) {
            self.waiting.remove(&id);
            self.book.touched.remove(&id);
        }
        let scene = self.scene();
        for id in std::mem::take(&mut self.book.touched) {
            let message = &self.book.messages[&id];
            if self.roleless.contains(&message.place) || self.gone.contains(&message.place) {
                continue;
            }
            let shown = self.book.shown(message, &scene);
            let rang = shown
                .lines
                .iter()
                .filter(|line| message.kind == Kind::Alert && line.incident.cleared.is_none())
                .map(|line| (line.incident.id, line.incident.severity));
            let read = Read {
                rang: rang.collect(),
                over: shown
                    .lines
                    .iter()
                    .filter(|line| line.incident.cleared.is_some())
                    .map(|line| line.incident.id)
                    .collect(),
            };
            self.waiting.insert(id, read);
        }
        // What waits for a chat that is gone never arrives.
        let book = &self.book;
        self.waiting
            .retain(|id, _| !self.gone.contains(&book.messages[id].place));
        if self.away {
            return;
        }
        for (id, read) in std::mem::take(&mut self.waiting) {
            if !self.delivered.contains_key(&id) {
                let place = self.book.messages[&id].place;
                self.rings
                    .entry(place)
                    .or_default()
                    .extend(read.rang.clone());
            }
            self.delivered.insert(id, read);
        }
    }

    /// Lets everything end, and looks that nothing is owed.
    fn end(&mut self) {
        self.happen(&Event::Away(false));
        self.happen(&Event::Quiet(false));
        for place in 0..PLACES.len() {
            self.happen(&Event::Gone(place, false));
            self.happen(&Event::Role(place, false));
        }
        for check in 0..CHECKS.len() {
            if let Some(severity) = self.checks.get_mut(&check) {
                *severity = Severity::Critical;
                self.happen(&Event::Turn(check, true));
            }
        }
        self.happen(&Event::Pass(20_000));
        self.happen(&Event::Pass(20_000));
    }
}

fn change(check: &str, turn: Turn, at: Millis) -> Change {
    Change {
        check: check.to_owned(),
        host: "here".to_owned(),
        topic: check.split('-').next().unwrap().to_owned(),
        turn,
        reading: Ok(Reading {
            value: Some(97.0),
            unit: Unit::Percent,
            note: None,
            unreached: false,
        }),
        limit: Some(95.0),
        worst: Some(97.0),
        at,
        since: at,
        flapping: false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// Whatever happens in whatever order, with restarts and outages.
    #[test]
    fn nothing_is_said_twice_and_nothing_is_lost(events in events()) {
        let mut around = Around::new();
        for event in &events {
            around.happen(event);
            for check in CHECKS {
                let open = around.book.incidents.values().filter(|one| one.check == check && one.cleared.is_none());
                prop_assert!(open.count() <= 1, "two open incidents of {check}");
            }
            if !matches!(event, Event::Pass(_)) {
                continue;
            }
            // Nothing that is over is kept open for somebody who cannot be told.
            for telling in around.book.tellings.values().filter(|one| one.told != Told::Done) {
                let Some(one) = around.book.incidents.get(&telling.incident) else { continue };
                let away = around.gone.contains(&telling.place) || around.roleless.contains(&telling.place);
                prop_assert!(one.cleared.is_none() || !away, "{telling:?} is never settled");
            }
        }
        // Nobody hears twice of the same, unless its time to be repeated has come or it got worse.
        for (place, rings) in &around.rings {
            let mut times: BTreeMap<(i64, Severity), i64> = BTreeMap::new();
            for ring in rings {
                *times.entry(*ring).or_default() += 1;
            }
            for ((id, severity), times) in times {
                let Some(one) = around.book.incidents.get(&id) else { continue };
                let lasted = one.cleared.unwrap_or(around.now).since(one.raised).as_secs();
                let repeats = i64::try_from(lasted / 3600).unwrap() + 3;
                prop_assert!(times <= repeats, "{place:?} heard {times} times of {id} as {severity}");
            }
        }
        around.end();
        for telling in around.book.tellings.values() {
            prop_assert_eq!(telling.told, Told::Done, "{:?} waits for ever", telling);
        }
        for one in around.book.incidents.values() {
            prop_assert!(one.cleared.is_some() && one.settled);
            prop_assert_eq!(one.unwatched.is_some(), around.unwatched.contains(&one.id), "{:?}", one);
            let other = one.check.starts_with("disk") && one.worst == Severity::Critical;
            for (place, concerned) in [(OWNER, true), (OTHER, other)] {
                let is_told = around.book.tellings.contains_key(&(one.id, place));
                prop_assert!(concerned || !is_told, "{place:?} did not ask for {one:?}");
                let read = around.read.contains(&(one.id, place));
                let excused = around.excused.contains(&(one.id, place));
                prop_assert!(!concerned || read || excused, "{place:?} never read the end of {one:?}");
            }
        }
        prop_assert!(around.waiting.is_empty());
    }
}

/// What one change does to one place, as a table: what was, what comes, and what is decided.
#[test]
fn what_a_place_is_told_of_a_change() {
    struct Case {
        name: &'static str,
        steps: &'static [Event],
        /// How often it rang, and in how many messages it stands.
        rings: usize,
        messages: usize,
    }
    let cases = [
        Case {
            name: "waits for others",
            steps: &[Event::Turn(0, false), Event::Pass(1)],
            rings: 0,
            messages: 0,
        },
        Case {
            name: "begins",
            steps: &[Event::Turn(0, false), Event::Pass(11)],
            rings: 1,
            messages: 1,
        },
        Case {
            name: "begins and ends before it is told",
            steps: &[
                Event::Turn(0, false),
                Event::Turn(0, false),
                Event::Pass(11),
            ],
            rings: 0,
            messages: 1,
        },
        Case {
            name: "becomes critical",
            steps: &[
                Event::Turn(0, false),
                Event::Pass(11),
                Event::Turn(0, true),
                Event::Pass(1),
            ],
            rings: 2,
            messages: 2,
        },
        Case {
            name: "becomes critical before it is told",
            steps: &[Event::Turn(0, false), Event::Turn(0, true), Event::Pass(11)],
            rings: 1,
            messages: 1,
        },
        Case {
            name: "ends",
            steps: &[
                Event::Turn(0, false),
                Event::Pass(11),
                Event::Turn(0, false),
                Event::Pass(11),
            ],
            rings: 1,
            messages: 1,
        },
        Case {
            name: "goes on",
            steps: &[Event::Turn(0, true), Event::Pass(11), Event::Pass(20_000)],
            rings: 2,
            messages: 2,
        },
        Case {
            name: "goes on and somebody is at it",
            steps: &[
                Event::Turn(0, true),
                Event::Pass(11),
                Event::Ack(0),
                Event::Pass(20_000),
            ],
            rings: 1,
            messages: 1,
        },
        Case {
            name: "is snoozed",
            steps: &[
                Event::Turn(0, false),
                Event::Pass(11),
                Event::Snooze(0),
                Event::Pass(70),
            ],
            rings: 1,
            messages: 1,
        },
        Case {
            name: "was snoozed",
            steps: &[
                Event::Turn(0, false),
                Event::Pass(11),
                Event::Snooze(0),
                Event::Pass(3700),
            ],
            rings: 2,
            messages: 2,
        },
        Case {
            name: "is silenced",
            steps: &[
                Event::Silence(0, 5000),
                Event::Turn(0, true),
                Event::Pass(70),
            ],
            rings: 0,
            messages: 0,
        },
        Case {
            name: "was silenced",
            steps: &[
                Event::Silence(0, 60),
                Event::Turn(0, true),
                Event::Pass(11),
                Event::Pass(70),
            ],
            rings: 0,
            messages: 1,
        },
        Case {
            name: "is away",
            steps: &[
                Event::Away(true),
                Event::Turn(0, false),
                Event::Pass(70),
                Event::Pass(70),
                Event::Turn(0, true),
                Event::Pass(70),
                Event::Away(false),
            ],
            rings: 1,
            messages: 1,
        },
        Case {
            name: "was away",
            steps: &[
                Event::Away(true),
                Event::Turn(0, true),
                Event::Pass(70),
                Event::Pass(70),
                Event::Turn(0, true),
                Event::Away(false),
            ],
            rings: 0,
            messages: 1,
        },
        Case {
            name: "is told over a restart",
            steps: &[
                Event::Turn(0, false),
                Event::Restart,
                Event::Pass(11),
                Event::Restart,
                Event::Pass(70),
            ],
            rings: 1,
            messages: 1,
        },
    ];
    for case in cases {
        let mut around = Around::new();
        for step in case.steps {
            around.happen(step);
        }
        let rings = around.rings.get(&OWNER).map_or(0, Vec::len);
        let mut messages = around.delivered.keys().filter(|id| {
            around
                .book
                .messages
                .get(id)
                .is_none_or(|one| one.place == OWNER)
        });
        assert_eq!(rings, case.rings, "{}", case.name);
        assert_eq!(messages.by_ref().count(), case.messages, "{}", case.name);
    }
}
