//! Fixes that rules start by themselves: when an incident begins, whoever is told of it, so often an hour at the most.

use super::book::Book;
use super::scene::{self, Scene};
use super::voice::Shows;
use super::{Desk, Incidents};
use crate::base::ids::Place;
use crate::base::job::JobState;
use crate::base::time::Millis;
use crate::delivery::Outgoing;
use crate::monitors::Ledger;
use crate::store::freeze;
use crate::store::incidents::{self, FixState, Fixed, Incident, Told};
use crate::store::{self, Connection, jobs, outbox};
use std::time::Duration;

/// The hour in which fixes that run by themselves are counted.
const HOUR: Duration = Duration::from_secs(3600);
/// What failed a moment ago would fail again: so much time passes before the next try.
const PAUSE: Duration = Duration::from_secs(300);
/// A fix that failed so often in one incident is left to people.
pub const TRIES: i64 = 3;

/// A fix that is to run.
pub(super) struct Wanted {
    incident: Incident,
    script: String,
    /// Which try it is, from 1.
    try_: i64,
    /// Where the incident is told, and in which message.
    told: Option<(Place, i64)>,
}

impl Wanted {
    /// The name of the job: a crash between the job and the mark finds it by that.
    fn source(&self) -> String {
        source(self.incident.id, self.try_)
    }
}

fn source(incident: i64, try_: i64) -> String {
    format!("fix:{incident}:{try_}")
}

impl Incidents {
    /// The fixes that are to run by themselves now; notes how those before went, and that the limit is reached.
    pub(super) async fn fixes(
        &self,
        db: &mut Connection,
        desk: &mut Desk,
    ) -> store::Result<Vec<Wanted>> {
        let now = desk.scene.now;
        let mut wanted: Vec<Wanted> = Vec::new();
        note_ends(db, &mut desk.book).await?;
        if freeze::is_frozen(db).await? {
            return Ok(wanted);
        }
        let open: Vec<Incident> = desk.book.incidents.values().cloned().collect();
        for incident in open {
            let rule = self.rule(&incident.check);
            let Some(fix) = rule.fix.filter(|fix| fix.auto) else {
                continue;
            };
            if !is_due(&incident, now) || !is_its_own(&desk.book, &incident, &desk.scene) {
                continue;
            }
            let told = match told(&desk.book, &incident, &desk.scene) {
                Telling::UnderWay => continue,
                Telling::In(place, message) => Some((place, message)),
                Telling::Nowhere => None,
            };
            let made = incidents::fixes_since(db, &incident.check, now.minus(HOUR)).await?;
            let begun = wanted
                .iter()
                .filter(|one| one.incident.check == incident.check);
            if made + begun.count() as u64 >= u64::from(fix.per_hour) {
                note_limit(&mut desk.book, incident.id, now);
                continue;
            }
            wanted.push(Wanted {
                try_: incident.fixed.map_or(0, |fixed| fixed.tries) + 1,
                script: fix.script,
                told,
                incident,
            });
        }
        Ok(wanted)
    }

    /// Starts a fix. The job comes before the mark, under a name of its own: a crash in between finds it by that.
    pub(super) async fn fix(&self, wanted: &Wanted, now: Millis) -> store::Result<()> {
        let Some(shown) = self.shown_at(wanted).await? else {
            return Ok(());
        };
        let fixer = &self.inner.fixer;
        let ran = fixer.run(&wanted.script, wanted.source(), shown).await;
        let id = wanted.incident.id;
        let mut tx = self.inner.store.begin_led().await?;
        let mut desk = self.open(&mut tx, now, &[], &[id]).await?;
        if let Some(incident) = desk.book.incidents.get_mut(&id) {
            incident.fixed = Some(Fixed {
                at: now,
                tries: wanted.try_,
                severity: wanted.incident.severity,
                state: match ran {
                    Ok(()) => FixState::Running,
                    Err(_) => FixState::Failed,
                },
            });
        }
        desk.book.touch(id);
        incidents::count_fix(&mut tx, &wanted.incident.check, now).await?;
        self.close(&mut tx, desk).await?;
        if let Err(why) = ran {
            let words = self
                .inner
                .voice
                .no_fix(&wanted.incident, &wanted.script, &why);
            // Of several tries only the first is told: nothing else will be in the way of the next.
            let message = Outgoing::text(shown.place, words, Vec::new())
                .reply_to(shown.answers)
                .silent(shown.quietly)
                .source(format!("fix:{id}"));
            self.promise(&mut tx, &message).await?;
        }
        self.inner.store.commit(tx).await?;
        self.committed();
        Ok(())
    }

    /// Where the job is shown: under the message that tells the incident, else with an owner.
    async fn shown_at(&self, wanted: &Wanted) -> store::Result<Option<Shows>> {
        let Some((place, number)) = wanted.told else {
            let reached = |place: &Place| !self.inner.outbox.is_gone(place.chat);
            let owners = self.owners();
            let owner = owners.iter().copied().find(reached);
            return Ok(owner.or(owners.first().copied()).map(|place| Shows {
                place,
                answers: None,
                quietly: true,
            }));
        };
        let mut db = self.inner.store.read().await?;
        let answers = outbox::slot(&mut db, &format!("alert:{number}"), place.chat).await?;
        Ok(Some(Shows {
            place,
            answers,
            quietly: false,
        }))
    }
}

/// Whether it is time for a fix: one when it begins, one more when it gets worse, and a few after failures unless somebody
/// takes care of it. After one that was stopped it is left to people.
fn is_due(incident: &Incident, now: Millis) -> bool {
    if incident.cleared.is_some() {
        return false;
    }
    let Some(last) = incident.fixed else {
        return true;
    };
    match last.state {
        FixState::Running | FixState::Stopped => false,
        FixState::Done | FixState::Failed if incident.severity > last.severity => true,
        FixState::Done => false,
        FixState::Failed => {
            last.tries < TRIES && incident.acked.is_none() && last.at.plus(PAUSE) <= now
        }
    }
}

/// What follows from something else is not mended by mending it, and what is silenced is in somebody's hands.
fn is_its_own(book: &Book, incident: &Incident, scene: &Scene) -> bool {
    !scene.is_silenced(incident) && book.causes_of(incident).next().is_none()
}

/// How far an incident is told, as far as the card of its fix depends on it.
enum Telling {
    /// A message is on its way: the card is to answer it.
    UnderWay,
    /// In this message.
    In(Place, i64),
    /// Nobody is told for now.
    Nowhere,
}

fn told(book: &Book, incident: &Incident, scene: &scene::Scene) -> Telling {
    let mut under_way = false;
    let of_it = book
        .tellings
        .values()
        .filter(|telling| telling.incident == incident.id)
        .filter(|telling| (scene.may)(telling.place) && !(scene.gone)(telling.place.chat));
    for telling in of_it {
        let is_new = |message: i64| {
            let made = book.messages.get(&message).map(|one| one.made);
            made.is_none_or(|made| made == scene.now)
        };
        match (telling.told, telling.message) {
            (Told::Held(_), None) => {}
            (Told::Waiting(_), None) => under_way = true,
            (Told::Done, None) => {}
            (Told::Waiting(_) | Told::Held(_) | Told::Done, Some(message)) => {
                let waits = is_new(message) || scene.undelivered.contains_key(&message);
                // An outage does not hold a fix up for long.
                match waits && !scene.is_stuck(message) {
                    true => under_way = true,
                    false => return Telling::In(telling.place, message),
                }
            }
        }
    }
    match under_way {
        true => Telling::UnderWay,
        false => Telling::Nowhere,
    }
}

/// Takes down how the jobs of fixes ended.
async fn note_ends(db: &mut Connection, book: &mut Book) -> store::Result<()> {
    let running: Vec<(i64, Fixed)> = book
        .incidents
        .values()
        .filter_map(|one| Some((one.id, one.fixed?)))
        .filter(|(_, fixed)| fixed.state == FixState::Running)
        .collect();
    for (id, fixed) in running {
        let state = match jobs::state_of(db, &source(id, fixed.tries)).await? {
            Some(JobState::Queued | JobState::Running) => continue,
            Some(JobState::Succeeded) => FixState::Done,
            Some(JobState::Cancelled | JobState::Lost) => FixState::Stopped,
            Some(JobState::Failed | JobState::TimedOut) | None => FixState::Failed,
        };
        if let Some(incident) = book.incidents.get_mut(&id) {
            incident.fixed = Some(Fixed { state, ..fixed });
        }
        book.touch(id);
    }
    Ok(())
}

/// Says once after each try that there may be no other for now.
fn note_limit(book: &mut Book, id: i64, now: Millis) {
    let Some(incident) = book.incidents.get_mut(&id) else {
        return;
    };
    let last = incident.fixed.map(|fixed| fixed.at);
    let is_said = incident
        .fix_limited
        .is_some_and(|said| last.is_none_or(|last| last < said));
    if !is_said {
        incident.fix_limited = Some(now);
        book.touch(id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::alert::{Severity, Unit};

    const MINUTE: i64 = 60_000;

    fn incident(severity: Severity, fixed: Option<(Severity, i64, FixState)>) -> Incident {
        Incident {
            id: 1,
            check: "disk".to_owned(),
            host: "here".to_owned(),
            topic: "disk".to_owned(),
            severity,
            worst: severity,
            value: None,
            worst_value: None,
            unit: Unit::Percent,
            note: None,
            limit: None,
            unread: false,
            unreached: false,
            flapping: false,
            began: Millis(0),
            raised: Millis(0),
            cleared: None,
            acked: None,
            snoozed: None,
            unwatched: None,
            fixed: fixed.map(|(severity, tries, state)| Fixed {
                at: Millis(0),
                tries,
                severity,
                state,
            }),
            fix_limited: None,
            settled: false,
        }
    }

    #[test]
    fn a_fix_is_tried_when_it_begins_when_it_worsens_and_after_a_failure() {
        use FixState::{Done, Failed, Running, Stopped};
        use Severity::{Critical, Warning};
        for (severity, fixed, minutes, due) in [
            (Warning, None, 0, true),
            (Warning, Some((Warning, 1, Running)), 60, false),
            (Critical, Some((Warning, 1, Running)), 60, false),
            (Warning, Some((Warning, 1, Done)), 60, false),
            (Critical, Some((Warning, 1, Done)), 0, true),
            (Critical, Some((Critical, 2, Done)), 60, false),
            (Warning, Some((Critical, 2, Done)), 60, false),
            (Warning, Some((Warning, 1, Failed)), 4, false),
            (Warning, Some((Warning, 1, Failed)), 5, true),
            (Warning, Some((Warning, 3, Failed)), 60, false),
            (Critical, Some((Warning, 3, Failed)), 0, true),
            (Warning, Some((Warning, 1, Stopped)), 60, false),
            (Critical, Some((Warning, 1, Stopped)), 60, false),
        ] {
            let now = Millis(minutes * MINUTE);
            let one = incident(severity, fixed);
            assert_eq!(is_due(&one, now), due, "{severity} {fixed:?} {minutes}");
            let over = Incident {
                cleared: Some(now),
                ..one.clone()
            };
            assert!(!is_due(&over, now));
            let failed = matches!(fixed, Some((as_bad, _, Failed)) if as_bad == severity);
            let acked = Incident {
                acked: Some(("ann".to_owned(), now)),
                ..one
            };
            assert_eq!(is_due(&acked, now), due && !failed, "somebody is at it");
        }
    }
}
