//! Pushes: jobs elsewhere that say that they succeeded, and what is made of one that stays away.

use crate::base::name::Name;
use crate::base::time::{Millis, human};
use crate::config::Limits;
use crate::store::pushes::{self, Push, Row};
use crate::store::{self, Store};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::Notify;

/// Takes pushes, and wakes whoever looks at them. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Pushes {
    store: Store,
    shared: Arc<Shared>,
}

struct Shared {
    /// Something came that nobody looked at yet. At the start nobody knows.
    came: AtomicBool,
    /// Others were there at the last look, and may have taken something just before they went.
    company: AtomicBool,
    woken: Notify,
    closed: RwLock<Option<String>>,
}

/// What a look makes of what came.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Judged {
    /// The time since it last succeeded, or since it is waited for.
    pub(super) age: Duration,
    /// In words.
    pub(super) note: String,
    /// Whether it said itself that it failed.
    pub(super) failed: bool,
}

impl Pushes {
    pub(super) fn new(store: Store) -> Self {
        Self {
            store,
            shared: Arc::new(Shared {
                came: AtomicBool::new(true),
                company: AtomicBool::new(false),
                woken: Notify::new(),
                closed: RwLock::default(),
            }),
        }
    }

    /// Keeps a push for a check: it is in the database when this returns. On any instance.
    ///
    /// # Errors
    /// When the database refuses; then nothing is kept.
    pub async fn take(&self, check: &Name, push: &Push, at: Millis) -> store::Result<()> {
        let mut tx = self.store.begin().await?;
        pushes::put(&mut tx, check.as_str(), push, at).await?;
        self.store.commit(tx).await?;
        self.shared.came.store(true, Ordering::Release);
        self.shared.woken.notify_one();
        Ok(())
    }

    /// Notes why the port for pushes is not open though it should be, as a short sentence; `None` when all is well.
    pub fn note_port(&self, closed: Option<String>) {
        let noted = self.shared.closed.write();
        *noted.unwrap_or_else(PoisonError::into_inner) = closed;
    }

    /// Why the port for pushes is not open though it should be.
    #[must_use]
    pub fn port_fault(&self) -> Option<String> {
        let closed = self.shared.closed.read();
        closed.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Lets the next look at the news ask the database, whether something came or not.
    pub(super) fn again(&self) {
        self.shared.came.store(true, Ordering::Release);
    }

    /// Resolves when something came.
    pub(super) async fn woken(&self) {
        self.shared.woken.notified().await;
    }

    /// The checks for which something came since `seen`, which follows. Alone, the database is asked only when something
    /// did; beside other instances each time, and once more when they are gone.
    pub(super) async fn news(
        &self,
        seen: &mut BTreeMap<String, i64>,
    ) -> store::Result<Vec<String>> {
        let came = self.shared.came.swap(false, Ordering::Acquire);
        let has_company = self.store.presence().has_company();
        let had_company = self.shared.company.swap(has_company, Ordering::AcqRel);
        if !came && !has_company && !had_company {
            return Ok(Vec::new());
        }
        let numbers = async {
            let mut db = self.store.read().await?;
            pushes::numbers(&mut db).await
        };
        let numbers = numbers.await.inspect_err(|_| self.again())?;
        let mut news = Vec::new();
        for (name, number) in numbers {
            if seen.insert(name.clone(), number) != Some(number) {
                news.push(name);
            }
        }
        Ok(news)
    }
}

/// What is made of what came for a check that is waited for since `waiting`. `closed` says why nothing can come now.
pub(super) fn judge(
    row: Option<&Row>,
    waiting: Millis,
    limits: &Limits,
    closed: Option<&str>,
    now: Millis,
) -> Judged {
    let ago = |at: Millis| human(now.since(at));
    let succeeded = row.and_then(|row| row.succeeded);
    let age = now.since(succeeded.unwrap_or(waiting).min(now));
    let failed = row.and_then(|row| row.failed.as_ref());
    let took = row.and_then(|row| row.took);
    let took = took.map_or_else(String::new, |took| format!(" (took {})", human(took)));
    let late = limits.judge(age.as_secs_f64(), None).is_some();
    let mut note = match (failed, succeeded, late) {
        // Since when is said by whoever tells of it: a message that stands for hours would not keep a true age.
        (Some((_, why)), _, _) if why.is_empty() => format!("failed{took}"),
        (Some((_, why)), _, _) => format!("failed{took}: {why}"),
        (None, Some(_), false) => format!("last push {} ago{took}", human(age)),
        (None, _, true) => format!("has not come for {}", human(age)),
        (None, None, false) => format!("has not come yet, waited for {}", human(age)),
    };
    if let Some(began) = row.and_then(|row| row.began) {
        note.push_str(&format!("; began {} ago", ago(began)));
    }
    if let Some(closed) = closed.filter(|_| late) {
        note.push_str(&format!("; nothing can come: {closed}"));
    }
    Judged {
        age,
        note,
        failed: failed.is_some(),
    }
}

#[cfg(test)]
mod tests;
