//! Fixes that rules start by themselves, so often an hour.

use super::{Desk, Incidents};
use crate::base::time::Millis;
use crate::delivery::Outgoing;
use crate::monitors::Ledger;
use crate::store::freeze;
use crate::store::incidents::{self, Incident};
use crate::store::{self, Tx, outbox};
use std::time::Duration;

/// The hour in which fixes that run by themselves are counted.
const HOUR: Duration = Duration::from_secs(3600);

impl Incidents {
    /// The incidents whose fix is to run by itself now.
    pub(super) async fn fixes(&self, tx: &mut Tx, desk: &Desk) -> store::Result<Vec<Incident>> {
        let mut wanted: Vec<Incident> = Vec::new();
        if freeze::is_frozen(tx).await? {
            return Ok(wanted);
        }
        for incident in desk.book.incidents.values() {
            // The job's card answers the message, so that is out first; an outage does not hold a fix up for long.
            let out = |message: i64| {
                let (book, scene) = (&desk.book, &desk.scene);
                let new = book
                    .messages
                    .get(&message)
                    .is_none_or(|one| one.made == scene.now);
                !new && !scene.undelivered.contains_key(&message) || scene.is_stuck(message)
            };
            let told =
                desk.book.tellings.values().any(|telling| {
                    telling.incident == incident.id && telling.message.is_some_and(out)
                });
            let open = incident.cleared.is_none() && incident.fixed.is_none();
            if !open || !told || desk.scene.is_silenced(incident) {
                continue;
            }
            let Some(fix) = self.rule(&incident.check).fix.filter(|fix| fix.auto) else {
                continue;
            };
            let since = desk.scene.now.minus(HOUR);
            let made = incidents::fixes_since(tx, &incident.check, since).await?;
            if made < u64::from(fix.per_hour) {
                wanted.push(incident.clone());
            }
        }
        Ok(wanted)
    }

    /// Starts a fix. The job comes before the mark, under a name of its own: a crash in between finds it by that.
    pub(super) async fn fix(&self, incident: &Incident, now: Millis) -> store::Result<()> {
        let Some(fix) = self.rule(&incident.check).fix else {
            return Ok(());
        };
        let told = {
            let mut db = self.inner.store.read().await?;
            let tellings = incidents::tellings(&mut db, incident.id).await?;
            let Some((place, number)) = tellings
                .iter()
                .find_map(|telling| Some((telling.place, telling.message?)))
            else {
                return Ok(());
            };
            (
                place,
                outbox::slot(&mut db, &format!("alert:{number}"), place.chat).await?,
            )
        };
        let source = format!("fix:{}", incident.id);
        let run = self
            .inner
            .fixer
            .run(&fix.script, source.clone(), told.0, told.1);
        let ran = run.await;
        let mut tx = self.inner.store.begin_led().await?;
        let mut desk = self.open(&mut tx, now, &[], &[incident.id]).await?;
        if let Some(incident) = desk.book.incidents.get_mut(&incident.id) {
            incident.fixed = Some(now);
        }
        self.close(&mut tx, desk).await?;
        if let Err(why) = ran {
            let words = self.inner.voice.no_fix(incident, &fix.script, &why);
            let message = Outgoing::text(told.0, words, Vec::new())
                .reply_to(told.1)
                .source(source);
            self.promise(&mut tx, &message).await?;
        }
        self.inner.store.commit(tx).await?;
        self.committed();
        Ok(())
    }
}
