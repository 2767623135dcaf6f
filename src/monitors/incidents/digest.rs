//! The daily digest: one message about a day, once, whatever clocks do.

use super::Incidents;
use super::voice::{Ahead, Day};
use crate::base::ids::Place;
use crate::base::time::Millis;
use crate::base::when::{Tz, Zone};
use crate::config::Digest;
use crate::delivery::Outgoing;
use crate::monitors::Ledger;
use crate::store::incidents::{self, Incident};
use crate::store::subscriptions;
use crate::store::{self, history};
use chrono::{DateTime, Days, LocalResult, TimeZone};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// A last digest that lies further ahead than this was told by a clock that was wrong, and counts no longer.
const AHEAD: Duration = Duration::from_secs(3600);
/// Under this name the moment of the last one is kept.
const FACT: &str = "digest";

/// The moment of the last digest that was due by now. On a day whose clocks skip the time of day, it is due when they
/// have skipped it; on a day that has it twice, the first time counts.
#[must_use]
pub fn last_before(digest: &Digest, now: Millis) -> Millis {
    let today = now.utc().with_timezone(&digest.zone).date_naive();
    let moments = [0, 1, 2].into_iter().filter_map(|back| {
        let day = today.checked_sub_days(Days::new(back))?;
        moment(digest, day.and_time(digest.at))
    });
    let due = moments.map(|at| Millis(at.timestamp_millis()));
    due.filter(|at| *at <= now).max().unwrap_or(now)
}

fn moment(digest: &Digest, wall: chrono::NaiveDateTime) -> Option<DateTime<Tz>> {
    match digest.zone.from_local_datetime(&wall) {
        LocalResult::Single(at) | LocalResult::Ambiguous(at, _) => Some(at),
        LocalResult::None => {
            // The gap's length is at most a few hours, in steps of a quarter of one.
            let later = (1..=16).filter_map(|quarters| {
                let wall = wall.checked_add_signed(chrono::TimeDelta::minutes(15 * quarters))?;
                digest.zone.from_local_datetime(&wall).earliest()
            });
            later.min()
        }
    }
}

/// Whether the digest that is due was told, by the moment of the last one. One of a clock that was wrong holds nothing
/// up: that no date is told twice is kept by the names of the messages.
fn is_told(last: Option<Millis>, due: Millis, now: Millis) -> bool {
    last.is_some_and(|last| last >= due && last <= now.plus(AHEAD))
}

impl Incidents {
    /// Promises the digest, if one is due and was not promised before. The newest that was missed is sent late.
    ///
    /// # Errors
    /// When the database refuses, or another instance leads.
    pub async fn digest(&self, now: Millis) -> store::Result<bool> {
        let config = self.inner.live.current();
        let Some(when) = config.alerts.digest else {
            return Ok(false);
        };
        let due = last_before(&when, now);
        {
            let mut db = self.inner.store.read().await?;
            if is_told(incidents::fact(&mut db, FACT).await?, due, now) {
                return Ok(false);
            }
        }
        let (disks, ahead) = self.to_come(now).await?;
        let mut tx = self.inner.store.begin_led().await?;
        incidents::hold(&mut tx, 0).await?;
        let last = incidents::fact(&mut tx, FACT).await?;
        if is_told(last, due, now) {
            return Ok(false);
        }
        incidents::put_fact(&mut tx, FACT, due).await?;
        // The first one comes after a whole day, not with the first start.
        let told = last.is_some();
        if told {
            let mut day = self.day(&mut tx, &when, due, now).await?;
            day.disks = disks;
            for place in self.readers(&mut tx).await? {
                day.ahead = ahead.clone().for_role(self.reads_as(place));
                let html = self.inner.voice.day(&day);
                let thread = place.thread.map_or(0, |thread| thread.0);
                let message = Outgoing::text(place, html, Vec::new())
                    .source(format!("digest:{}:{}:{thread}", day.date, place.chat))
                    .silent(true);
                self.promise(&mut tx, &message).await?;
            }
        }
        self.inner.store.commit(tx).await?;
        self.committed();
        Ok(told)
    }

    /// Who reads digests: whoever wants to be told of every topic, and owners who chose nothing.
    async fn readers(&self, tx: &mut store::Tx) -> store::Result<BTreeSet<Place>> {
        let all = subscriptions::all(tx).await?;
        let whole = all
            .iter()
            .filter(|one| one.topic.is_none() && one.least.is_some());
        let mut readers: BTreeSet<Place> = whole.map(|one| one.place).collect();
        let chose = |place: &Place| all.iter().any(|one| one.place == *place);
        readers.extend(self.owners().into_iter().filter(|owner| !chose(owner)));
        readers.retain(|place| self.may(*place) && !self.inner.outbox.is_gone(place.chat));
        Ok(readers)
    }

    /// What the day that ended at this moment was like.
    async fn day(
        &self,
        tx: &mut store::Tx,
        digest: &Digest,
        to: Millis,
        now: Millis,
    ) -> store::Result<Day> {
        let from = last_before(digest, Millis(to.0 - 1));
        let date = to.utc().with_timezone(&digest.zone);
        let mut jobs: BTreeMap<String, u64> = BTreeMap::new();
        let mut failed: BTreeMap<String, u64> = BTreeMap::new();
        for (state, title, count) in history::ended_between(tx, from, to).await? {
            if matches!(state.as_str(), "failed" | "timed_out" | "lost") {
                *failed.entry(title).or_default() += count;
            }
            *jobs.entry(state).or_default() += count;
        }
        let incidents: Vec<Incident> = incidents::between(tx, from, to).await?;
        Ok(Day {
            date: date.format("%Y-%m-%d").to_string(),
            zone: Zone::Named(digest.zone),
            now,
            from,
            to,
            jobs: jobs.into_iter().collect(),
            failed: failed.into_iter().collect(),
            incidents,
            disks: Vec::new(),
            ahead: Ahead::default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::{NaiveTime, Utc};

    fn at(text: &str) -> Millis {
        Millis(text.parse::<DateTime<Utc>>().unwrap().timestamp_millis())
    }

    fn due(time: (u32, u32), now: &str) -> String {
        let digest = Digest {
            at: NaiveTime::from_hms_opt(time.0, time.1, 0).unwrap(),
            zone: Tz::Europe__Berlin,
        };
        last_before(&digest, at(now))
            .utc()
            .to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
    }

    #[test]
    fn the_hour_is_that_of_the_zone_also_when_clocks_change() {
        let cases = [
            ((8, 0), "2026-01-10T06:59:59Z", "2026-01-09T07:00:00Z"),
            ((8, 0), "2026-01-10T07:00:00Z", "2026-01-10T07:00:00Z"),
            ((8, 0), "2026-03-29T06:00:00Z", "2026-03-29T06:00:00Z"),
            // 02:30 does not exist on this day; 03:00 follows 01:59.
            ((2, 30), "2026-03-29T01:30:00Z", "2026-03-29T01:00:00Z"),
            ((2, 30), "2026-03-29T00:59:00Z", "2026-03-28T01:30:00Z"),
            // 02:30 comes twice; the first one counts, and the second is no other.
            ((2, 30), "2026-10-25T00:30:00Z", "2026-10-25T00:30:00Z"),
            ((2, 30), "2026-10-25T01:30:00Z", "2026-10-25T00:30:00Z"),
        ];
        for (time, now, expected) in cases {
            assert_eq!(due(time, now), expected, "{time:?} at {now}");
        }
    }
}
