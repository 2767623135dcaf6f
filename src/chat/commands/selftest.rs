//! `/selftest`: tries every part of the bot, this chat included, and says what to do about what does not work.

use super::About;
use crate::access::{Asked, Grant};
use crate::base::error::{Error, Result};
use crate::base::ids::{ChatId, Place};
use crate::base::role::Role;
use crate::base::text::{self, escape, shorten};
use crate::base::time::human;
use crate::chat::deliver::deliver;
use crate::chat::reply::Reply;
use crate::chat::request::{From, Request};
use crate::delivery::{Answer, Outgoing, source_of};
use crate::drivers::host;
use crate::selftest::{Part, Report, State, Turn};
use crate::store;
use futures::FutureExt;

/// What the help says.
pub const ABOUT: About = About {
    name: "selftest",
    form: "",
    does: "Try every part of the bot, and this chat",
    example: (
        "/selftest",
        "tries token, chat, database, queue, Docker, ssh and more, and says what to do about what does not work",
    ),
    role: Some(Role::Admin),
    acts: false,
};

/// What is shown of a line, in UTF-16 units: usually, and when there are so many lines that this is too much.
const SHOWN: [usize; 2] = [300, 70];

/// Begins the test. Its first message goes at once; it becomes the result.
///
/// # Errors
/// Refused while another test is under way.
pub async fn handle(request: &Request, rest: &str) -> Result<Reply> {
    if !rest.is_empty() {
        return Err(Error::refused(
            "/selftest takes no arguments: it tries everything.",
        ));
    }
    let asked = Asked::new("selftest.run", "", Role::Admin);
    let grant = request.allow(asked).await?;
    let Some(turn) = request.services.selftest.begin() else {
        return Err(Error::refused(
            "A self-test is under way. Its message shows the result in a few seconds.",
        ));
    };
    let slot = slot(request);
    let message = Outgoing::text(
        request.actor.place,
        format!(
            "🩺 Self-test of {}: looking at everything …",
            escape(&host::name())
        ),
        Vec::new(),
    );
    let message = message
        .reply_to(
            request
                .message
                .filter(|_| !request.actor.place.chat.is_private()),
        )
        .edits(said_before(request, &slot).await)
        .slot(slot);
    let request = request.clone();
    request.services.outbox.clone().answer(Answer {
        message,
        instead: None,
        // The result follows what it replaces; the chat is not held up by it.
        afterwards: Box::new(|| {
            tokio::spawn(finish(request, grant, turn));
            std::future::ready(()).boxed()
        }),
    });
    Ok(Reply::pending())
}

fn slot(request: &Request) -> String {
    format!("selftest:{}", source_of(request.update))
}

/// The message of a test that a crash cut off; its update asks again.
async fn said_before(request: &Request, slot: &str) -> Option<crate::base::ids::MessageId> {
    let services = &request.services;
    let chat = services.outbox.current_id(request.actor.place.chat);
    // A database that does not answer is told by the test itself.
    let mut db = services.store.read().await.ok()?;
    store::outbox::slot(&mut db, slot, chat).await.ok()?
}

async fn finish(mut request: Request, grant: Grant, turn: Turn) {
    let report = request.services.selftest.run(turn, &grant).await;
    let reply = Reply::html(page(&report)).slot(slot(&request));
    let place = request.actor.place;
    if !report.heard && !place.chat.is_private() {
        // Where nothing can be written, the asker is told in private.
        request.actor.place = Place {
            chat: ChatId(request.actor.id.0),
            thread: None,
        };
        request.from = From::Message;
    }
    deliver(&request, reply).await;
}

fn page(report: &Report) -> String {
    let [usual, short] = SHOWN;
    let page = lines(&report.parts, usual);
    match text::visible_len(&page) <= text::MESSAGE_UNITS {
        true => page,
        false => lines(&report.parts, short),
    }
}

fn lines(parts: &[Part], shown: usize) -> String {
    let wrong = parts.iter().filter(|part| part.state != State::Ok).count();
    let mut page = format!("🩺 <b>Self-test of {}</b>: ", escape(&host::name()));
    page.push_str(&match wrong {
        0 => "everything works.".to_owned(),
        1 => "one part needs a look.".to_owned(),
        many => format!("{many} parts need a look."),
    });
    for part in parts {
        let mark = match part.state {
            State::Ok => "✅",
            State::Warn => "⚠️",
            State::Fail => "❌",
        };
        let words = escape(&shorten(&part.words, shown));
        page.push_str(&format!("\n{mark} <b>{}</b>: {words}", part.part));
        if let Some(took) = part.took {
            page.push_str(&format!(" · {}", human(took)));
        }
        if let Some(todo) = &part.todo {
            page.push_str(&format!("\n     → {}", escape(&shorten(todo, shown))));
        }
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn of(parts: Vec<Part>) -> String {
        page(&Report { parts, heard: true })
    }

    #[test]
    fn a_line_says_how_it_is_how_long_it_took_and_what_to_do() {
        let mut slow = Part::fail("docker", "it does <not> answer", "start it");
        slow.took = Some(Duration::from_millis(5000));
        let page = of(vec![Part::ok("clock", "agrees"), slow]);
        assert!(page.contains("one part needs a look."), "{page}");
        assert!(page.contains("\n✅ <b>clock</b>: agrees\n"), "{page}");
        let line = "\n❌ <b>docker</b>: it does &lt;not&gt; answer · 5 s\n     → start it";
        assert!(page.ends_with(line), "{page}");
        let well = of(vec![Part::ok("clock", "agrees")]);
        assert!(well.contains("everything works."), "{well}");
    }

    #[test]
    fn it_is_one_message_however_much_is_wrong() {
        let part = || Part::fail("github", "x".repeat(5000), "y".repeat(5000));
        let page = of((0..20).map(|_| part()).collect());
        assert!(text::visible_len(&page) <= text::MESSAGE_UNITS);
        assert_eq!(page.matches('❌').count(), 20);
    }
}
