//! From what a handler said to what is sent, and the mark of the update that it was for.

use super::allowed::fitting;
use super::reply::Reply;
use super::request::{From, Request};
use crate::access::Grant;
use crate::base::error::{Error, Result};
use crate::base::ids::UpdateId;
use crate::base::text;
use crate::base::time::Millis;
use crate::delivery::{Answer, Outgoing, source_of};
use crate::services::Services;
use crate::store;
use futures::FutureExt;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

/// Tries to mark an update as handled; then it is left to the next start, which finds it done by its source.
const MARK_TRIES: u32 = 5;

/// Stands around the handler of a request.
pub struct Guard<'r> {
    request: &'r Request,
    was_tried: bool,
}

impl<'r> Guard<'r> {
    /// Around the handler of this request.
    pub fn new(request: &'r Request) -> Self {
        Self {
            request,
            was_tried: false,
        }
    }

    /// Runs the handler and turns its failures into words. When the connection to the database was lost under it, or none could
    /// be had, it is looked whether what it was committing holds all the same: then nothing is left to be done. If not, `None` the
    /// first time: it is to be run once more, as it would be after a crash.
    pub async fn run(&mut self, handler: impl Future<Output = Result<Reply>>) -> Option<Reply> {
        let result = match AssertUnwindSafe(handler).catch_unwind().await {
            Ok(result) => result,
            Err(_) => Err(Error::Internal(anyhow::anyhow!("a handler panicked"))),
        };
        let was_tried = std::mem::replace(&mut self.was_tried, true);
        let request = self.request;
        match &result {
            Err(Error::Internal(error)) if passes(error) => {
                tracing::warn!(
                    error = format!("{error:#}"),
                    "a request failed in the middle"
                );
            }
            _ => return Some(reply(request, result)),
        }
        match is_handled(request).await {
            Ok(true) => {
                request.forget_grants();
                request.services.outbox.kick(request.actor.place.chat);
                Some(Reply::settled())
            }
            Ok(false) if !was_tried => {
                request.forget_grants();
                None
            }
            Ok(false) => Some(reply(request, result)),
            Err(error) => {
                tracing::error!(%error, "whether it is done all the same cannot be read");
                Some(reply(request, result))
            }
        }
    }
}

async fn is_handled(request: &Request) -> store::Result<bool> {
    let store = &request.services.store;
    let mut tx = store.begin_led().await?;
    let is_handled = store::inbox::is_handled(&mut tx, request.update).await?;
    store.commit(tx).await?;
    Ok(is_handled)
}

/// What a handler's result says to the asker.
fn reply(request: &Request, result: Result<Reply>) -> Reply {
    match result {
        Ok(reply) => reply,
        Err(Error::Refused(refusal)) => {
            for grant in request.grants() {
                grant.refuse(refusal.words());
            }
            let words = text::shorten(refusal.words(), text::MESSAGE_UNITS);
            let fits = text::utf16_len(&words) <= text::ANSWER_UNITS;
            let toast = (fits && request.from != From::Message).then(|| words.to_string());
            let html = match refusal.parts() {
                (_, "") => text::escape(&words),
                _ if words != refusal.words() => text::escape(&words),
                (words, code) => {
                    format!("{}<code>{}</code>", text::escape(words), text::escape(code))
                }
            };
            Reply {
                toast,
                ..Reply::html(html)
            }
        }
        Err(Error::Internal(error)) => {
            tracing::error!(error = format!("{error:#}"), "a request failed");
            Reply::plain(&format!(
                "Something went wrong on my side, and nothing was done. The log has it under {}.",
                request.actor.request_id
            ))
        }
    }
}

/// Sends what a handler said, and marks the update as handled once that is safe.
pub async fn deliver(request: &Request, mut reply: Reply) {
    reply.buttons = fitting(request, reply.buttons).await;
    // Words that were shown at the button need no message as well.
    let told_at_button = reply.toast.is_some() && reply.file.is_none() && !reply.in_place;
    let audited = request.grants().iter().all(Grant::is_recorded);
    if reply.pending {
        // The update stays open until that is done; after a crash it is asked again.
    } else if reply.settled && reply.html.is_empty() && audited {
        // Written and promised, in one transaction with the update's mark.
    } else if reply.follow.is_some() && reply.html.is_empty() && audited {
        // The job's own transaction marked the update: one commit less before the job may start.
    } else if let Some(file) = reply.file {
        promise(request, file.source(source_of(request.update)), None).await;
    } else if let Some(once) = reply.once {
        let message = Outgoing::text(request.actor.place, reply.html, reply.buttons);
        promise(request, message.source(once), None).await;
    } else if let Some(slot) = reply.slot {
        let message = Outgoing::text(request.actor.place, reply.html, reply.buttons);
        let message = message.reply_to(request.message.filter(|_| is_group(request)));
        let source = source_of(request.update);
        let newest = message.clone().slot(slot).source(source);
        promise(request, newest, Some(message)).await;
    } else if reply.html.is_empty() || told_at_button {
        finish(request.clone()).await;
    } else {
        let message = Outgoing::text(request.actor.place, reply.html, reply.buttons);
        let message = match request.pressed().filter(|_| reply.in_place) {
            Some(pressed) => message.edits(Some(pressed)),
            None => message.reply_to(request.message.filter(|_| is_group(request))),
        };
        let after = request.clone();
        request.services.outbox.answer(Answer {
            message: message.source(source_of(request.update)),
            instead: reply.secret,
            afterwards: Box::new(|| finish(after).boxed()),
        });
    }
}

/// Answers that make work, such as files, are promised in the transaction that marks the update.
/// What cannot be written is told in words, or as `unwritten`.
async fn promise(request: &Request, message: Outgoing, unwritten: Option<Outgoing>) {
    let services = &request.services;
    let write = async || {
        let written = async {
            let mut tx = services.store.begin_led().await?;
            services.outbox.promise(&mut tx, &message).await?;
            for grant in request.grants() {
                grant.record(&mut tx).await?;
            }
            store::inbox::mark_handled(&mut tx, request.update, Millis::now()).await?;
            services.store.commit(tx).await
        };
        let written = written.await;
        for grant in request.grants() {
            grant.settle(&written);
        }
        written
    };
    let written = match write().await {
        Err(error) if error.passes() => write().await,
        written => written,
    };
    if let Err(error) = written {
        tracing::error!(%error, "an answer could not be promised");
        let refused = Error::from(error);
        let words = match &refused {
            Error::Refused(refusal) => refusal.words(),
            Error::Internal(_) => "My database does not answer. Try again in a moment.",
        };
        let told = || Outgoing::text(request.actor.place, text::escape(words), Vec::new());
        let message = unwritten.unwrap_or_else(told);
        let after = request.clone();
        services.outbox.answer(Answer {
            message,
            instead: None,
            afterwards: Box::new(|| finish(after).boxed()),
        });
        return;
    }
    services.outbox.kick(message.place.chat);
}

/// Marks the update as handled and audits what was allowed for it.
async fn finish(request: Request) {
    let services = &request.services;
    for attempt in 1..=MARK_TRIES {
        let marked = async {
            let mut tx = services.store.begin().await?;
            for grant in request.grants() {
                grant.record(&mut tx).await?;
            }
            store::inbox::mark_handled(&mut tx, request.update, Millis::now()).await?;
            services.store.commit(tx).await
        };
        let marked = marked.await;
        for grant in request.grants() {
            grant.settle(&marked);
        }
        match marked {
            Ok(()) => return,
            Err(error) => {
                tracing::error!(%error, attempt, "an update could not be marked as handled");
                tokio::time::sleep(Duration::from_secs(1) * attempt).await;
            }
        }
    }
}

/// Marks an update that asks for nothing.
pub async fn mark_handled(services: &Services, id: UpdateId) {
    let marked = async {
        let mut tx = services.store.begin().await?;
        store::inbox::mark_handled(&mut tx, id, Millis::now()).await?;
        services.store.commit(tx).await
    };
    if let Err(error) = marked.await {
        tracing::error!(%id, %error, "an update could not be marked as handled");
    }
}

fn passes(error: &anyhow::Error) -> bool {
    let cause = error.downcast_ref::<store::Error>();
    cause.is_some_and(store::Error::passes)
}

fn is_group(request: &Request) -> bool {
    !request.actor.place.chat.is_private()
}
