//! What the day to come brings.

use super::voice::{Ahead, Disk};
use super::{Incidents, disks};
use crate::base::ids::{Place, UserId};
use crate::base::role::Role;
use crate::base::time::Millis;
use crate::monitors::probe::certificate_ends;
use crate::store::{self, checks, silences};
use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 3600);
/// A certificate that ends later than this is no news.
const CERTIFICATES: Duration = Duration::from_secs(30 * 24 * 3600);

impl Ahead {
    /// What of it may be seen by who has this role: what only admins run, and what persons have for a time, only they see.
    #[must_use]
    pub fn for_role(mut self, role: Role) -> Self {
        if let Some(runs) = &mut self.runs {
            runs.retain(|run| run.need <= Role::Operator || role >= run.need);
        }
        if role < Role::Admin {
            self.lent.clear();
        }
        self
    }
}

impl Incidents {
    /// The disks that are worth telling, and what the day after this moment brings.
    pub(super) async fn to_come(&self, now: Millis) -> store::Result<(Vec<Disk>, Ahead)> {
        let until = now.plus(DAY);
        let runs = self.inner.agenda.ahead(now, until).await?;
        let config = self.inner.live.current();
        let mut db = self.inner.store.read().await?;
        let mut certificates: Vec<(String, Millis)> = checks::all(&mut db)
            .await?
            .into_iter()
            .filter_map(|row| Some((row.name, certificate_ends(&row.memory)?)))
            .filter(|(_, ends)| *ends <= now.plus(CERTIFICATES))
            .collect();
        certificates.sort_by(|a, b| (a.1, &a.0).cmp(&(b.1, &b.0)));
        let mut silences = silences::lasting(&mut db, now).await?;
        silences.retain(|silence| silence.until <= until);
        let ahead = Ahead {
            runs,
            certificates,
            silences,
            lent: self.inner.access.ending(now, until),
        };
        Ok((disks::worth_telling(&mut db, &config, now).await?, ahead))
    }

    /// The role by which a day is read there: in a group, nobody in particular reads it.
    pub(super) fn reads_as(&self, place: Place) -> Role {
        let own = place.chat.is_private().then_some(UserId(place.chat.0));
        own.and_then(|user| self.inner.access.own_role(user))
            .unwrap_or(Role::Viewer)
    }
}
