//! Incidents: from the changes of checks to messages in chats. A thin shell around [`book`].
//!
//! Every step is one transaction: what is read, what is decided, the rows of incidents, and the messages in the outbox.
//! So nothing counts as told before its message is promised, and nothing is promised twice.

mod ahead;
pub mod book;
mod causes;
mod digest;
mod disks;
mod fix;
mod scene;
#[cfg(test)]
mod tests;
mod voice;
mod wishes;

pub use digest::last_before;
pub use fix::TRIES;
pub use scene::{Fix, Rule, Rules, Scene, covers, is_about, is_like, is_within};
pub use voice::{Agenda, Ahead, Day, Disk, Fixer, Line, Shown, Shows, Voice};

use super::Ledger;
use crate::access::{Access, Grant};
use crate::base::alert::Change;
use crate::base::error::Result;
use crate::base::ids::{ChatId, Place, UserId};
use crate::base::role::Role;
use crate::base::time::Millis;
use crate::config::Live;
use crate::delivery::{Outbox, Outgoing};
use crate::store::broadcasts;
use crate::store::incidents::{self, Incident, Kind};
use crate::store::outbox;
use crate::store::silences;
use crate::store::subscriptions;
use crate::store::{self, Connection, Store, Tx};
use book::Book;
use futures::future::BoxFuture;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What somebody does about an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Takes care of it.
    Ack,
    /// Does not want to be told again for this time.
    Snooze(Duration),
}

/// The incidents. Cheap to clone.
#[derive(Clone)]
pub struct Incidents {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    access: Access,
    outbox: Outbox,
    live: Live,
    rules: Rules,
    voice: Arc<dyn Voice>,
    fixer: Arc<dyn Fixer>,
    agenda: Arc<dyn Agenda>,
    /// Chats that messages were promised to since the last commit.
    promised: Mutex<BTreeSet<ChatId>>,
}

/// What a step read, and what it began with.
struct Desk {
    before: Book,
    book: Book,
    scene: Scene,
}

impl Incidents {
    /// Incidents over these parts; the rules say how each check is told.
    #[must_use]
    pub fn new(
        (store, access, outbox, live): (Store, Access, Outbox, Live),
        rules: Rules,
        voice: Arc<dyn Voice>,
        fixer: Arc<dyn Fixer>,
        agenda: Arc<dyn Agenda>,
    ) -> Self {
        Self {
            inner: Arc::new(Inner {
                store,
                access,
                outbox,
                live,
                rules,
                voice,
                fixer,
                agenda,
                promised: Mutex::default(),
            }),
        }
    }

    /// The rule of a check.
    #[must_use]
    pub fn rule(&self, check: &str) -> Rule {
        (self.inner.rules)(check)
    }

    /// Does what is due at this moment: tells what waited for others, repeats, releases what was held back, follows
    /// broadcasts, starts fixes.
    ///
    /// # Errors
    /// When the database refuses, or another instance leads; the next step comes to the same.
    pub async fn tick(&self, now: Millis) -> store::Result<()> {
        if !self.is_anything_due(now).await? {
            return Ok(());
        }
        let mut tx = self.inner.store.begin_led().await?;
        let mut desk = self.open(&mut tx, now, &[], &[]).await?;
        desk.book.tick(&desk.scene);
        let wanted = self.fixes(&mut tx, &mut desk).await?;
        self.close(&mut tx, desk).await?;
        self.follow_broadcasts(&mut tx, now).await?;
        self.inner.store.commit(tx).await?;
        self.committed();
        for fix in wanted {
            self.fix(&fix, now).await?;
        }
        Ok(())
    }

    /// Whether this moment makes something due. Mostly it does not, also while something is wrong: then nothing is written.
    async fn is_anything_due(&self, now: Millis) -> store::Result<bool> {
        let mut db = self.inner.store.read().await?;
        if !broadcasts::under_way(&mut db).await?.is_empty() {
            return Ok(true);
        }
        if incidents::unsettled(&mut db).await?.is_empty()
            && incidents::withdrawn_and_out(&mut db).await?.is_empty()
        {
            return Ok(false);
        }
        let mut desk = self.read(&mut db, 0, now, &[], &[]).await?;
        desk.book.tick(&desk.scene);
        let wanted = self.fixes(&mut db, &mut desk).await?;
        Ok(desk.book != desk.before || !wanted.is_empty())
    }

    /// Does something about an incident, with the right to it. The incident as it is then, and whether that changed it;
    /// `None` when there is none of that number.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn act(
        &self,
        grant: &Grant,
        id: i64,
        act: Act,
        now: Millis,
    ) -> Result<Option<(Incident, bool)>> {
        let by = grant.actor().name.clone();
        let mut tx = grant.begin(&self.inner.store).await?;
        let mut desk = self.open(&mut tx, now, &[], &[id]).await?;
        let changed = match act {
            Act::Ack => desk.book.ack(id, &by, now),
            Act::Snooze(time) => desk.book.snooze(id, &by, now.plus(time)),
        };
        let incident = desk.book.incidents.get(&id).cloned();
        self.close(&mut tx, desk).await?;
        tx.commit().await?;
        self.committed();
        Ok(incident.map(|incident| (incident, changed)))
    }

    /// Reads what a step needs, and holds back every other one.
    async fn open(
        &self,
        tx: &mut Tx,
        now: Millis,
        checks: &[&str],
        ids: &[i64],
    ) -> store::Result<Desk> {
        let next = incidents::hold(tx, 0).await?;
        self.read(tx, next, now, checks, ids).await
    }

    /// Reads what is not settled, the newest incident of these checks, and the incidents of these numbers. `next` is the
    /// number that is free.
    async fn read(
        &self,
        db: &mut Connection,
        next: i64,
        now: Millis,
        checks: &[&str],
        ids: &[i64],
    ) -> store::Result<Desk> {
        let mut book = Book {
            next,
            ..Book::default()
        };
        for incident in incidents::unsettled(db).await? {
            book.incidents.insert(incident.id, incident);
        }
        for telling in incidents::tellings_unsettled(db).await? {
            book.tellings
                .insert((telling.incident, telling.place), telling);
        }
        for message in incidents::messages_unsettled(db).await? {
            book.messages.insert(message.id, message);
        }
        let mut more: BTreeSet<i64> = ids.iter().copied().collect();
        for check in checks {
            more.extend(incidents::last_of(db, check).await?);
        }
        let undelivered: BTreeMap<i64, Millis> =
            incidents::undelivered(db).await?.into_iter().collect();
        let went: BTreeSet<i64> = incidents::withdrawn_and_out(db)
            .await?
            .into_iter()
            .collect();
        for id in more {
            read_incident(db, &mut book, id).await?;
        }
        let told = book.tellings.values().filter_map(|telling| telling.message);
        let wanted: BTreeSet<i64> = told
            .chain(undelivered.keys().copied())
            .chain(went.iter().copied())
            .collect();
        for id in wanted {
            if !book.messages.contains_key(&id)
                && let Some(message) = incidents::message(db, id).await?
            {
                book.messages.insert(id, message);
            }
        }
        let members: BTreeSet<i64> = book
            .messages
            .values()
            .flat_map(|message| message.members.iter().copied())
            .collect();
        for id in members {
            read_incident(db, &mut book, id).await?;
        }
        let mut lost = BTreeSet::new();
        for telling in book.tellings.values() {
            if let Some(message) = telling
                .message
                .filter(|_| self.inner.outbox.is_gone(telling.place.chat))
                && let Some(message) = book.messages.get(&message)
                && !incidents::is_out(db, message).await?
            {
                lost.insert(message.id);
            }
        }
        let scene = Scene {
            undelivered,
            lost,
            went,
            ..self.scene(db, now).await?
        };
        Ok(Desk {
            before: book.clone(),
            book,
            scene,
        })
    }

    /// The moment, without what is known of messages.
    async fn scene(&self, db: &mut Connection, now: Millis) -> store::Result<Scene> {
        let (access, outbox, rules) = (
            self.inner.access.clone(),
            self.inner.outbox.clone(),
            self.inner.rules.clone(),
        );
        let moved = outbox.clone();
        Ok(Scene {
            now,
            group_wait: self.inner.live.current().alerts.group_wait,
            subscriptions: subscriptions::all(db).await?,
            quiet: subscriptions::quiet(db).await?,
            silences: silences::lasting(db, now).await?,
            owners: self.owners(),
            rules: Arc::new(move |check| {
                let mut rule = rules(check);
                for place in &mut rule.notify {
                    place.chat = moved.current_id(place.chat);
                }
                rule
            }),
            may: Arc::new(move |place| may(&access, place)),
            gone: Arc::new(move |chat| outbox.is_gone(chat)),
            undelivered: BTreeMap::new(),
            lost: BTreeSet::new(),
            went: BTreeSet::new(),
        })
    }

    /// Writes what a step changed, and promises the messages that it touched.
    async fn close(&self, tx: &mut Tx, desk: Desk) -> store::Result<()> {
        let Desk {
            before,
            mut book,
            scene,
        } = desk;
        incidents::hold(tx, book.next - before.next).await?;
        for id in &book.taken_back {
            if let Some(message) = book.messages.get(id) {
                outbox::take_back(tx, message.place.chat, &message.slot(), scene.now).await?;
            }
        }
        let touched: Vec<i64> = book.touched.difference(&book.taken_back).copied().collect();
        for id in touched {
            let Some(message) = book.messages.get_mut(&id) else {
                continue;
            };
            let place = message.place;
            if !(scene.may)(place) || (scene.gone)(place.chat) {
                continue;
            }
            message.revision += 1;
            let message = message.clone();
            let shown = self.for_reader(place, book.shown(&message, &scene));
            let rings = message.kind == Kind::Alert
                && shown
                    .lines
                    .iter()
                    .any(|line| line.incident.cleared.is_none());
            let (html, buttons) = self.inner.voice.incidents(&shown);
            let outgoing = Outgoing::text(place, html, buttons)
                .slot(message.slot())
                .source(format!("{}:{}", message.slot(), message.revision))
                .silent(!rings);
            self.promise(tx, &outgoing).await?;
        }
        for (id, incident) in &book.incidents {
            if before.incidents.get(id) != Some(incident) {
                incidents::put(tx, incident).await?;
            }
        }
        for (key, telling) in &book.tellings {
            if before.tellings.get(key) != Some(telling) {
                incidents::put_telling(tx, telling).await?;
            }
        }
        for (id, message) in &book.messages {
            if before.messages.get(id) != Some(message) {
                incidents::put_message(tx, message).await?;
            }
        }
        Ok(())
    }

    /// Without what the only reader of a private chat may not do; who that is shows again when a button is pressed.
    fn for_reader(&self, place: Place, mut shown: Shown) -> Shown {
        if !place.chat.is_private() {
            return shown;
        }
        let reader = UserId(place.chat.0);
        let access = &self.inner.access;
        let config = self.inner.live.current();
        shown.acts = access
            .own_role(reader)
            .is_some_and(|role| role >= Role::Operator);
        for line in &mut shown.lines {
            line.fix = line.fix.take().filter(|name| {
                let script = config
                    .scripts
                    .values()
                    .find(|script| script.name.as_str() == name);
                script.is_some_and(|script| access.may_run(reader, place, name, script.role))
            });
        }
        shown
    }

    async fn promise(&self, tx: &mut Tx, message: &Outgoing) -> store::Result<()> {
        if self.inner.outbox.promise(tx, message).await? {
            let mut promised = self
                .inner
                .promised
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            promised.insert(message.place.chat);
        }
        Ok(())
    }

    /// Where owners are told.
    fn owners(&self) -> Vec<Place> {
        let persons = self.inner.access.persons();
        let owners = persons.iter().filter(|person| person.role == Role::Owner);
        owners.map(|person| private(person.id)).collect()
    }

    /// Whether the place may see alerts.
    fn may(&self, place: Place) -> bool {
        may(&self.inner.access, place)
    }
}

impl Ledger for Incidents {
    fn record<'a>(
        &'a self,
        tx: &'a mut Tx,
        changes: &'a [Change],
    ) -> BoxFuture<'a, store::Result<()>> {
        Box::pin(async move {
            let Some(last) = changes.last() else {
                return Ok(());
            };
            let checks: Vec<&str> = changes.iter().map(|change| change.check.as_str()).collect();
            let mut desk = self.open(tx, last.at, &checks, &[]).await?;
            for change in changes {
                desk.book.change(change, &desk.scene);
            }
            if desk.scene.group_wait.is_zero() {
                desk.book.tick(&desk.scene);
            }
            self.close(tx, desk).await
        })
    }

    fn committed(&self) {
        let promised = {
            let mut promised = self
                .inner
                .promised
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *promised)
        };
        for chat in promised {
            self.inner.outbox.kick(chat);
        }
    }
}

/// Reads an incident with what was told of it, unless it is there.
async fn read_incident(db: &mut Connection, book: &mut Book, id: i64) -> store::Result<()> {
    if book.incidents.contains_key(&id) {
        return Ok(());
    }
    if let Some(incident) = incidents::find(db, id).await? {
        book.incidents.insert(id, incident);
        for telling in incidents::tellings(db, id).await? {
            book.tellings.insert((id, telling.place), telling);
        }
    }
    Ok(())
}

/// Viewers may see alerts: any role will do, and any ceiling of a group.
fn may(access: &Access, place: Place) -> bool {
    match place.chat.is_private() {
        true => access.own_role(UserId(place.chat.0)).is_some(),
        false => access.is_listed(place.chat),
    }
}

fn private(user: UserId) -> Place {
    Place {
        chat: ChatId(user.0),
        thread: None,
    }
}
