//! Roles and rights that end. They count no longer from that moment on; here they are cleared away and audited.

use super::news::{News, promise_to};
use super::{Access, Actor, Channel, Stored, entry_of, locked};
use crate::base::error::Result;
use crate::base::time::Millis;
use crate::store::members::{Member, Membership};
use crate::store::{self, audit};
use std::time::Duration;

impl Access {
    /// How long it is until the next role or right ends; `None` when none does.
    #[must_use]
    pub fn until_next_end(&self, now: Millis) -> Option<Duration> {
        let end = locked(&self.inner.people).stored.next_end(now)?;
        Some(end.since(now))
    }

    /// Clears away what has ended, with a line of the audit trail each. `true` when something had.
    ///
    /// # Errors
    /// When the database refuses; what has ended counts no longer all the same.
    pub async fn settle(&self, now: Millis) -> Result<bool> {
        let ended = |stored: &Stored| {
            let over = |until: Option<Millis>| until.is_some_and(|until| until <= now);
            let mut roles: Vec<_> = stored
                .members
                .values()
                .filter(|m| m.is_over(now))
                .cloned()
                .collect();
            let rights = stored
                .rights
                .values()
                .flatten()
                .filter(|right| over(right.until));
            let mut rights: Vec<_> = rights.cloned().collect();
            roles.sort_by_key(|m| m.member.id);
            rights.sort_by(|a, b| (a.user, &a.script).cmp(&(b.user, &b.script)));
            (roles, rights)
        };
        let (roles, rights) = ended(&locked(&self.inner.people).stored);
        if roles.is_empty() && rights.is_empty() {
            return Ok(false);
        }
        let mut tx = self.inner.store.begin().await?;
        store::members::hold(&mut tx).await?;
        // Another process may have cleared it away meanwhile, or given it anew.
        let (roles, rights) = ended(&Stored::read(&mut tx).await?);
        let clock = Actor::on_server("the clock");
        let mut told = Vec::new();
        for role in roles {
            let before = role.member.role;
            let user = role.member.id;
            let noted = self.unwritten(user).is_some_and(|seen| seen.private);
            let news = News::Ended {
                role: before,
                left: role.fallback,
            };
            told.extend(promise_to(&*self.inner.herald, &mut tx, user, noted, &news).await?);
            let now_is = match role.fallback {
                Some(fallback) => {
                    let lasting = Membership {
                        member: Member {
                            role: fallback,
                            ..role.member
                        },
                        until: None,
                        fallback: None,
                        ..role
                    };
                    store::members::put(&mut tx, &lasting).await?;
                    fallback.to_string()
                }
                None => {
                    store::members::remove_right(&mut tx, user, None).await?;
                    store::members::remove(&mut tx, user).await?;
                    "nobody".to_owned()
                }
            };
            let what = (
                "member.end",
                user.to_string(),
                format!("{before}, {now_is} again"),
            );
            audit::add(&mut tx, &entry_of(Channel::Clock, &clock, what)).await?;
        }
        for right in rights {
            store::members::remove_right(&mut tx, right.user, Some(&right.script)).await?;
            let what = ("script.end", right.user.to_string(), right.script);
            audit::add(&mut tx, &entry_of(Channel::Clock, &clock, what)).await?;
        }
        let stored = Stored::read(&mut tx).await?;
        self.inner.store.commit(tx).await?;
        self.adopt(stored);
        self.kick(&told);
        Ok(true)
    }
}
