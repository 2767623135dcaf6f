//! One request of one person: who, where, when, and the handles to serve it.

use super::message::Author;
use crate::access::{Access, Actor, Asked, Grant, Standing};
use crate::base::error::Result;
use crate::base::ids::{MessageId, UpdateId};
use crate::base::role::Role;
use crate::base::time::Millis;
use crate::base::upload::Attached;
use crate::delivery::source_of;
use crate::jobs::Origin;
use crate::services::Services;
use std::sync::{Arc, Mutex, PoisonError};

/// What a request came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum From {
    /// A message with a command.
    Message,
    /// A press of a button under one of our messages.
    Press {
        /// Telegram's id of the press.
        query: String,
    },
}

/// A request.
#[derive(Clone)]
pub struct Request {
    /// The handles.
    pub services: Services,
    /// Who asks, and where.
    pub actor: Actor,
    /// The update it came in.
    pub update: UpdateId,
    /// The message with the command, or with the pressed button.
    pub message: Option<MessageId>,
    /// What it came from.
    pub from: From,
    /// The file that came with it.
    pub attached: Option<Attached>,
    /// Who wrote the message that the command answers.
    pub answers: Option<Author>,
    /// What a job is made from; the same source never makes a second one.
    pub source: String,
    grants: Arc<Mutex<Vec<Grant>>>,
}

impl Request {
    /// A request by this person.
    #[must_use]
    pub fn new(
        services: Services,
        actor: Actor,
        update: UpdateId,
        message: Option<MessageId>,
        from: From,
    ) -> Self {
        Self {
            services,
            actor,
            update,
            message,
            from,
            attached: None,
            answers: None,
            source: source_of(update),
            grants: Arc::default(),
        }
    }

    /// Decides whether the asker may; what was allowed is audited with the answer at the latest.
    ///
    /// # Errors
    /// The refusal, in words for the asker.
    pub async fn allow(&self, asked: Asked) -> Result<Grant> {
        let grant = self.services.access.allow(&self.actor, asked).await?;
        self.keep(&grant);
        Ok(grant)
    }

    /// The first of two decisions about one thing: only a refusal stands in the audit trail, else the second one does.
    ///
    /// # Errors
    /// The refusal, in words for the asker.
    pub async fn allow_first(&self, asked: Asked) -> Result<()> {
        self.services.access.allow(&self.actor, asked).await?;
        Ok(())
    }

    /// The same as [`Request::allow`] for somebody as whom the asker acts elsewhere, such as in their private chat.
    ///
    /// # Errors
    /// The refusal, in words for the asker.
    pub async fn allow_as(&self, actor: &Actor, asked: Asked) -> Result<Grant> {
        let grant = self.services.access.allow(actor, asked).await?;
        self.keep(&grant);
        Ok(grant)
    }

    /// The same for what a right to this script allows as well.
    ///
    /// # Errors
    /// The refusal, in words for the asker.
    pub async fn allow_script(&self, asked: Asked, script: &str) -> Result<Grant> {
        let access = &self.services.access;
        let grant = access.allow_script(&self.actor, asked, script).await?;
        self.keep(&grant);
        Ok(grant)
    }

    fn keep(&self, grant: &Grant) {
        let mut grants = self.grants.lock().unwrap_or_else(PoisonError::into_inner);
        grants.push(grant.clone());
    }

    /// Whether the asker may run the script here.
    #[must_use]
    pub fn may_run(&self, script: &str, need: Role) -> bool {
        let Actor { id, place, .. } = &self.actor;
        self.access().may_run(*id, *place, script, need)
    }

    /// The grants that were given so far.
    #[must_use]
    pub fn grants(&self) -> Vec<Grant> {
        self.grants
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// What was allowed so far counts as not asked: it is asked anew.
    pub fn forget_grants(&self) {
        let mut grants = self.grants.lock().unwrap_or_else(PoisonError::into_inner);
        grants.clear();
    }

    /// The asker's role here; `None` for unknown persons and unlisted groups.
    #[must_use]
    pub fn role(&self) -> Option<Role> {
        match self.access().standing(self.actor.id, self.actor.place) {
            Standing::Known(role) => Some(role),
            Standing::Unknown | Standing::UnlistedChat => None,
        }
    }

    /// Who may.
    #[must_use]
    pub fn access(&self) -> &Access {
        &self.services.access
    }

    /// The origin of a job that this request makes.
    #[must_use]
    pub fn origin(&self) -> Origin {
        Origin {
            source: self.source.clone(),
            reply_to: match self.from {
                From::Message => self.message,
                From::Press { .. } => None,
            },
            card: None,
            update: Some(self.update),
        }
    }

    /// Whether what was written at this moment waited so long that its asker may have given it up.
    #[must_use]
    pub fn is_late(&self, date: Millis) -> bool {
        let after = self.services.live.current().telegram.stale_after;
        Millis::now().since(date) > after
    }

    /// The pressed message, which an answer may replace.
    #[must_use]
    pub fn pressed(&self) -> Option<MessageId> {
        self.message.filter(|_| self.from != From::Message)
    }
}
