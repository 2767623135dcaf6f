//! Invitations: links that make a stranger known, once. Only the hash of the code is kept.

use super::change::welcome;
use super::news::{self, News};
use super::rules::{MEMBERS, is_full};
use super::{Access, Actor, By, Channel, People, Stored, entry_of, may_give, storable};
use crate::base::error::{Error, Result};
use crate::base::role::Role;
use crate::base::time::Millis;
use crate::store::invites::{self, Invite};
use crate::store::members::{Given, Member, Membership, Source};
use crate::store::{self, audit};
use rand::RngExt;
use rand::distr::Alphanumeric;
use sha2::{Digest, Sha256};
use std::fmt::Write;
use std::time::Duration;

/// What the payload of an invitation's link begins with.
pub const INVITE_PREFIX: &str = "inv_";
/// Letters of a code; 62^32 codes are about 190 bits. With the prefix it fits the 64 letters that a link may carry.
const CODE_LETTERS: usize = 32;
/// An invitation stands so long at the most.
const LONGEST: Duration = Duration::from_secs(30 * 24 * 3600);
/// And at least so long: it has to be sent and pressed.
const SHORTEST: Duration = Duration::from_secs(60);
/// Open invitations at the most.
const OPEN: usize = 100;

/// What became of the use of an invitation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Invited {
    /// They have this role now.
    Made(Role),
    /// They have this role, which is no lower; the invitation was not used.
    Already(Role),
}

impl Access {
    /// Makes an invitation and returns its number and the payload of its link, which is kept nowhere.
    ///
    /// # Errors
    /// The refusal in words, or a failure of the database.
    pub async fn invite(&self, by: &By, role: Role, within: Duration) -> Result<(i64, String)> {
        if !(SHORTEST..=LONGEST).contains(&within) {
            return Err(Error::refused(
                "An invitation stands for 1m to 30d, such as /invite operator 2d.",
            ));
        }
        let (actor, channel) = by.actor();
        let now = Millis::now();
        let expires_at = now.plus(within);
        let arguments = format!(
            "{role} until {}",
            expires_at.utc().format("%Y-%m-%dT%H:%M:%SZ")
        );
        let mut line = entry_of(channel, &actor, ("invite.make", String::new(), arguments));
        let mut tx = self.inner.store.begin_led().await?;
        store::members::hold(&mut tx).await?;
        let people = self.people_in(&mut tx).await?;
        let authority = by.authority(&people, now);
        let open = invites::open(&mut tx, now).await?.len();
        let wrong = match authority {
            Some(own) if own >= Role::Admin && may_give(own, role) => (open >= OPEN).then(|| {
                format!("{OPEN} invitations are open, which is the limit. Withdraw some: /invite")
            }),
            Some(own) if own >= Role::Admin => Some(format!(
                "As {own} you give roles below yours. Only an owner invites somebody as {role}."
            )),
            Some(own) => Some(format!(
                "This needs the role admin or higher. You are {own} here."
            )),
            None => Some("This needs the role admin or higher.".to_owned()),
        };
        if let Some(words) = wrong {
            drop(tx);
            line.refuse(&words);
            self.write(&line).await?;
            return Err(Error::refused(words));
        }
        let code = new_code();
        let given = Given {
            by: actor.id,
            by_name: storable(&actor.name),
            at: now,
        };
        let id = invites::add(&mut tx, &hash(&code), role, &given, expires_at).await?;
        line.target = format!("invitation {id}");
        audit::add(&mut tx, &line).await?;
        self.inner.store.commit(tx).await?;
        Ok((id, code))
    }

    /// The open invitations, newest first.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn invitations(&self) -> Result<Vec<Invite>> {
        let mut db = self.inner.store.read().await?;
        Ok(invites::open(&mut db, Millis::now()).await?)
    }

    /// Withdraws an invitation: one's own, or one that gives less than what one may give. `false` when it was not open.
    ///
    /// # Errors
    /// The refusal in words, or a failure of the database.
    pub async fn withdraw(&self, by: &By, id: i64) -> Result<bool> {
        let (actor, channel) = by.actor();
        let now = Millis::now();
        let mut line = entry_of(
            channel,
            &actor,
            ("invite.withdraw", format!("invitation {id}"), String::new()),
        );
        let mut tx = self.inner.store.begin_led().await?;
        store::members::hold(&mut tx).await?;
        let people = self.people_in(&mut tx).await?;
        let own = by.authority(&people, now).unwrap_or(Role::Viewer);
        let all = invites::open(&mut tx, now).await?;
        let found = all.iter().find(|invite| invite.id == id);
        let may = |invite: &Invite| {
            own >= Role::Admin && (invite.given.by == actor.id || may_give(own, invite.role))
        };
        if own < Role::Admin || found.is_some_and(|invite| !may(invite)) {
            drop(tx);
            let words = "Only who made this invitation, or an owner, withdraws it.";
            line.refuse(words);
            self.write(&line).await?;
            return Err(Error::refused(words));
        }
        let closed = found.is_some() && invites::close(&mut tx, id, None, now).await?;
        if closed {
            audit::add(&mut tx, &line).await?;
            self.inner.store.commit(tx).await?;
        }
        Ok(closed)
    }

    /// Uses an invitation: in private, once, while it stands and while its maker may still give what it gives. `None`
    /// when there is no such invitation, for whatever reason: that is not told apart.
    ///
    /// # Errors
    /// The refusal in words, or a failure of the database.
    pub async fn accept(&self, actor: &Actor, code: &str) -> Result<Option<Invited>> {
        if !actor.place.chat.is_private() {
            return Ok(None);
        }
        let now = Millis::now();
        let mut tx = self.inner.store.begin_led().await?;
        store::members::hold(&mut tx).await?;
        let Some(invite) = invites::find(&mut tx, &hash(code)).await? else {
            return Ok(None);
        };
        let people = self.people_in(&mut tx).await?;
        let inviter = match invite.given.by.0 {
            // Made on the command line, which needs no role.
            0 => Some(Role::Owner),
            _ => people.role(invite.given.by, now),
        };
        let mut line = entry_of(
            Channel::Telegram,
            actor,
            (
                "invite.use",
                format!("invitation {}", invite.id),
                invite.role.to_string(),
            ),
        );
        let stands = invite.expires_at > now;
        if !stands || !inviter.is_some_and(|own| may_give(own, invite.role)) {
            drop(tx);
            line.refuse(match stands {
                true => "the inviter may not give this role any more",
                false => "expired",
            });
            self.write_use(&people, actor, invite.id, &line).await?;
            return Ok(None);
        }
        if let Some(own) = people.rank(actor.id, now) {
            if own >= invite.role {
                return Ok(Some(Invited::Already(own)));
            }
            if people.fixed.users.contains_key(&actor.id) {
                return Err(Error::refused(format!(
                    "You are {own}, and that is fixed in the configuration. The invitation was not used."
                )));
            }
        }
        if is_full(&people, actor.id, now) {
            drop(tx);
            line.refuse(&format!(
                "{MEMBERS} persons have a role, which is the limit"
            ));
            self.write_use(&people, actor, invite.id, &line).await?;
            return Ok(None);
        }
        if !invites::close(&mut tx, invite.id, Some(actor.id), now).await? {
            return Ok(None);
        }
        let member = Membership {
            member: Member {
                id: actor.id,
                name: super::seen::tidy(&actor.name),
                role: invite.role,
            },
            source: Source::Invited,
            given: Given {
                at: now,
                ..invite.given.clone()
            },
            until: None,
            fallback: None,
        };
        let name = member.member.name.clone();
        welcome(&mut tx, &people, &member).await?;
        audit::add(&mut tx, &line).await?;
        let used = News::Invited {
            user: actor.id,
            name,
            role: invite.role,
            inviter: invite.given.by_name.clone(),
        };
        let (herald, inviter) = (self.inner.herald.as_ref(), Some(invite.given.by));
        let told = news::promise(herald, &mut tx, &people, actor.id, inviter, &used).await?;
        let stored = Stored::read(&mut tx).await?;
        self.inner.store.commit(tx).await?;
        self.adopt(stored);
        self.kick(&told);
        Ok(Some(Invited::Made(invite.role)))
    }

    /// Writes that an invitation did not hold; a stranger's further tries are counted as what strangers send.
    async fn write_use(
        &self,
        people: &People,
        actor: &Actor,
        invitation: i64,
        line: &audit::Entry,
    ) -> Result<()> {
        let known = people.role(actor.id, Millis::now()).is_some();
        match known || self.is_first_use(invitation) {
            true => self.write(line).await,
            false => Ok(()),
        }
    }
}

fn new_code() -> String {
    let letters = rand::rng().sample_iter(Alphanumeric).take(CODE_LETTERS);
    let letters: String = letters.map(char::from).collect();
    format!("{INVITE_PREFIX}{letters}")
}

/// What is kept of a code. It is random and long, so that a plain hash cannot be turned back.
fn hash(code: &str) -> String {
    Sha256::digest(code.as_bytes())
        .iter()
        .fold(String::new(), |mut hex, byte| {
            // Writing into a text cannot fail.
            let _ = write!(hex, "{byte:02x}");
            hex
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_fits_a_link_and_its_hash_does_not_hold_it() {
        let (one, other) = (new_code(), new_code());
        assert_ne!(one, other);
        assert!(
            one.len() <= 64,
            "Telegram's limit for the payload of a link"
        );
        assert!(one.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'));
        assert_eq!(
            hash("abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
