//! `/outbox`: what waits and what failed, tried again or dropped; by whom it may, once, and told in `/job`.

use crate::harness::tools::until;
use crate::harness::{ANN, BEN, CLEO, OPS, PATIENCE, World};
use crate::on_both;
use opsgram::base::ids::{ChatId, JobId, Place};
use opsgram::base::time::Millis;
use opsgram::delivery::Outgoing;
use opsgram::sandbox::{Fault, FaultKind};
use opsgram::store::chats;
use opsgram::store::outbox::{self, NewRow, Reach};
use opsgram::store::waiting::{self, Delivery};
use std::time::{Duration, Instant};

/// Promises a text to a chat, as a job's end does.
async fn promise(world: &World, chat: i64, words: &str) {
    let place = Place {
        chat: ChatId(chat),
        thread: None,
    };
    let message = Outgoing::text(place, words, Vec::new());
    world.services().outbox.post(&message).await.unwrap();
}

/// Waits until a message stands so, and returns its number.
async fn stands(world: &World, chat: i64, delivery: Delivery, tried: u32) -> i64 {
    let begun = Instant::now();
    loop {
        let mut db = world.services().store.read().await.unwrap();
        for id in 1..20 {
            let found = waiting::find(&mut db, id).await.unwrap();
            let found = found.filter(|m| {
                m.chat == ChatId(chat) && m.delivery == delivery && m.attempts >= tried
            });
            if let Some(message) = found {
                return message.id;
            }
        }
        drop(db);
        assert!(
            begun.elapsed() < PATIENCE,
            "no message for {chat} stands as {delivery:?}"
        );
        // The database has no bell; this is the pace of looking, not a time that the test relies on.
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

on_both! {
    /// What waits is listed by chat with its reason; Retry cuts the pause short, and then it arrives.
    async fn what_waits_is_shown_and_tried_again(world) {
        world.start().await;
        let empty = world.asks(ANN, ANN, "/outbox").await;
        assert_eq!(empty.text, "Nothing waits to be sent.\nNothing failed in the last 24 hours.");
        world.sandbox.open_private(BEN);
        world.sandbox.fault(Fault::always(FaultKind::DropBefore).in_chat(BEN));
        world.sandbox.fault(Fault::once(FaultKind::TooManyRequests(600)).in_chat(OPS));
        promise(&world, BEN, "one").await;
        promise(&world, BEN, "two").await;
        promise(&world, OPS, "three").await;
        stands(&world, BEN, Delivery::Pending, 3).await;
        stands(&world, OPS, Delivery::Pending, 1).await;
        let shown = world.asks(ANN, ANN, "/outbox").await;
        let lines: Vec<_> = shown.text.lines().collect();
        assert_eq!(lines[0], "3 messages wait to be sent.");
        assert!(lines[1].starts_with("ben: 2 since ") && lines[1].contains("Telegram does not answer"), "{}", shown.text);
        assert!(lines[2].starts_with("ops: 1 since ") && lines[2].contains("Telegram asked to wait, next try in "), "{}", shown.text);
        world.presses(ANN, &shown, "ben (2)").await;
        let chat = world.sees(ANN, "a text: one").await;
        assert_eq!(chat.id, shown.id);
        world.sandbox.clear_faults();
        world.presses(ANN, &chat, "Retry").await;
        world.sees(BEN, "two").await;
        world.sees(ANN, "Trying again.").await;
        // Telegram's word holds: what was asked to wait waits.
        world.asks(ANN, ANN, "/outbox retry all").await;
        assert_eq!(world.count(OPS, "three"), 0);
        let id = stands(&world, OPS, Delivery::Pending, 1).await;
        let one = world.asks(ANN, ANN, &format!("/outbox {id}")).await;
        assert!(one.text.contains("to ops") && one.text.contains("It waits, tried once: Telegram asked to wait"), "{}", one.text);
        world.presses(ANN, &one, "Drop").await;
        let ask = world.sees(ANN, &format!("Drop message {id} to ops?")).await;
        world.presses(ANN, &ask, "Drop it").await;
        world.sees(ANN, &format!("Message {id} was dropped.")).await;
        world.quiet().await;
        assert_eq!(world.audited("outbox.drop", "allowed").await.len(), 1);
        assert_eq!(world.audited("outbox.retry", "allowed").await.len(), 2);
        world.polite();
    }
}

on_both! {
    /// What failed is told with its reason, also in /job; dropping and trying again are told there as well.
    async fn a_failed_result_is_told_and_tried_again(world) {
        world.script("hello", "echo Hello", &["role: operator"]);
        world.start().await;
        world.say(BEN, "/run hello");
        world.sees(BEN, "✅ hello · #1").await;
        world.quiet().await;
        let told = world.asks(ANN, ANN, "/job 1").await;
        assert!(told.text.contains("\nIn the chat: sent\n") || told.text.contains("\nIn the chat: brought up to date\n")
            || told.text.contains("\nIn the chat: sent, brought up to date\n"), "{}", told.text);
        let words = "this person has blocked the bot";
        world.sandbox.fault(Fault::always(FaultKind::Forbidden(opsgram::sandbox::Forbidden::Blocked)).in_chat(BEN));
        let place = Place { chat: ChatId(BEN), thread: None };
        let late = Outgoing::text(place, "late words", Vec::new()).of_job(opsgram::base::ids::JobId(1));
        world.services().outbox.post(&late).await.unwrap();
        let id = stands(&world, BEN, Delivery::Failed, 0).await;
        let shown = world.asks(ANN, ANN, "/outbox").await;
        assert!(shown.text.contains(&format!("{id} to ben at ")) && shown.text.contains("a text of #1 hello"), "{}", shown.text);
        assert!(shown.text.contains(words) && !shown.text.contains("late words"), "{}", shown.text);
        let told = world.asks(ANN, ANN, "/job 1").await;
        assert!(told.text.contains("failed (") && told.text.contains(words), "{}", told.text);
        world.presses(ANN, &shown, &format!("Failed: {id}")).await;
        let one = world.sees(ANN, "It failed at ").await;
        world.presses(ANN, &one, "Drop").await;
        let ask = world.sees(ANN, &format!("Drop message {id}")).await;
        world.presses(ANN, &ask, "Drop it").await;
        world.sees(ANN, "was dropped.").await;
        let told = world.asks(ANN, ANN, "/job 1").await;
        assert!(told.text.contains("dropped by ann"), "{}", told.text);
        world.sandbox.clear_faults();
        let one = world.asks(ANN, ANN, &format!("/outbox {id}")).await;
        assert!(one.text.contains("It was dropped by ann at "), "{}", one.text);
        world.presses(ANN, &one, "Retry").await;
        world.sees(BEN, "late words").await;
        world.quiet().await;
        world.forges(ANN, ANN, &format!("outbox:retry:{id}")).await;
        world.sees(ANN, "It was sent already.").await;
        world.quiet().await;
        assert_eq!(world.count(BEN, "late words"), 1);
    }
}

on_both! {
    /// Of two presses one drops; what comes after the question is not dropped with it.
    async fn dropping_is_done_once_and_not_too_much(world) {
        world.start().await;
        world.sandbox.open_private(BEN);
        world.sandbox.fault(Fault::always(FaultKind::ServerError(502)).in_chat(BEN));
        promise(&world, BEN, "one").await;
        promise(&world, BEN, "two").await;
        stands(&world, BEN, Delivery::Pending, 1).await;
        let shown = world.asks(ANN, ANN, "/outbox").await;
        world.presses(ANN, &shown, "ben (2)").await;
        let chat = world.sees(ANN, "a text: two").await;
        world.presses(ANN, &chat, "Drop all").await;
        let ask = world.sees(ANN, "Drop everything that waits for ben?").await;
        promise(&world, BEN, "three").await;
        let one = world.sandbox.press(ANN, ANN, ask.id, "Drop all of it").unwrap();
        let two = world.sandbox.press(ANN, ANN, ask.id, "Drop all of it").unwrap();
        world.answer(&one).await;
        world.answer(&two).await;
        world.sees(ANN, "That does not wait any more.").await;
        world.sees(ANN, "2 messages were dropped.").await;
        world.sandbox.clear_faults();
        world.services().outbox.hurry(ChatId(BEN));
        world.sees(BEN, "three").await;
        world.quiet().await;
        assert_eq!((world.count(BEN, "one"), world.count(BEN, "two")), (0, 0));
        assert_eq!(world.audited("outbox.drop", "allowed").await.len(), 2);
    }
}

on_both! {
    /// Dropped while it is on its way: Telegram has it, and that is what is told.
    async fn what_is_dropped_on_its_way_is_told_as_sent(world) {
        world.start().await;
        world.sandbox.open_private(BEN);
        world.sandbox.fault(Fault::once(FaultKind::Delay(Duration::from_secs(2))).in_chat(BEN));
        promise(&world, BEN, "on its way").await;
        // The call that takes the fault has begun.
        until("the call", || world.sandbox.faults_left() == 0).await;
        let id = stands(&world, BEN, Delivery::Pending, 0).await;
        let store = world.services().store.clone();
        let mut tx = store.begin().await.unwrap();
        let now = opsgram::base::time::Millis::now();
        let dropped = waiting::drop_one(&mut tx, id, "ann", now).await.unwrap();
        assert!(dropped);
        store.commit(tx).await.unwrap();
        world.sees(BEN, "on its way").await;
        stands(&world, BEN, Delivery::Sent(false), 0).await;
        assert_eq!(world.count(BEN, "on its way"), 1);
    }
}

on_both! {
    /// It is for admins, in every form; what they may not see is not shown to them.
    async fn it_is_for_admins(world) {
        world.people("
access:
  users:
    - {id: 111, name: ann, role: admin}
    - {id: 222, name: ben, role: operator}
    - {id: 333, name: cleo, role: owner}
  chats: [{id: -1001, name: ops, role: operator}]
");
        world.script("secret", "echo words of the owner", &["role: owner"]);
        world.start().await;
        world.say(CLEO, "/run secret");
        world.sees(CLEO, "✅ secret · #1").await;
        world.quiet().await;
        world.sandbox.fault(Fault::always(FaultKind::ServerError(502)).in_chat(CLEO));
        promise(&world, CLEO, "words for cleo").await;
        stands(&world, CLEO, Delivery::Pending, 1).await;
        let needed = "This needs the role admin or higher";
        for (person, chat) in [(BEN, BEN), (ANN, OPS)] {
            for text in ["/outbox", "/outbox 1", "/outbox retry all"] {
                let refused = world.asks(person, chat, text).await;
                assert!(refused.text.starts_with(needed), "{}", refused.text);
            }
        }
        for data in ["all", "msg:1", "retry:1", "ask:1", "drop:1", "reall", "chat:333:0", "rechat:333", "askchat:333:9", "dropchat:333:9"] {
            let before = world.audit().await.len();
            world.forges(BEN, BEN, &format!("outbox:{data}")).await;
            world.quiet_but_for_messages().await;
            let refused = world.audit().await;
            assert_eq!(refused[before].result, "refused", "{data}");
        }
        let shown = world.asks(ANN, ANN, "/outbox").await;
        assert!(shown.text.contains("cleo: 1 since "), "{}", shown.text);
        world.presses(ANN, &shown, "cleo (1)").await;
        let chat = world.sees(ANN, " · a text").await;
        assert!(!chat.text.contains("words for cleo"), "{}", chat.text);
        let mut db = world.services().store.read().await.unwrap();
        let of_job = waiting::of_job(&mut db, opsgram::base::ids::JobId(1), 9).await.unwrap();
        drop(db);
        let one = world.asks(ANN, ANN, &format!("/outbox {}", of_job[0].id)).await;
        assert!(one.text.contains("a text of a job that you may not see"), "{}", one.text);
        for (text, answer) in [
            ("/outbox 999", "There is no message 999 in the outbox. /outbox lists what waits."),
            ("/outbox x", "Write /outbox to see what waits, /outbox and a number for one message, or /outbox retry all."),
            ("/outbox drop all now", "Write /outbox to see what waits, /outbox and a number for one message, or /outbox retry all."),
        ] {
            assert_eq!(world.asks(ANN, ANN, text).await.text, answer);
        }
        world.sandbox.clear_faults();
        world.services().outbox.hurry(ChatId(CLEO));
        world.sees(CLEO, "words for cleo").await;
    }
}

on_both! {
    /// What belongs to no job has newer forms as well: an old question does not come back over its successor. How far it came is known.
    async fn an_older_form_is_not_tried_again(world) {
        world.start().await;
        let store = world.services().store.clone();
        let mut tx = store.begin().await.unwrap();
        let question = |words: &str| NewRow {
            chat: ChatId(4711),
            payload: words.to_owned(),
            slot: Some("ask:9:0:4711".to_owned()),
            source: None,
            job: None,
            sealed: None,
        };
        outbox::add(&mut tx, &question("old"), Millis(1)).await.unwrap();
        let old = outbox::next(&mut tx, ChatId(4711)).await.unwrap().unwrap().id;
        outbox::mark_failed(&mut tx, old, "no", Millis(2)).await.unwrap();
        outbox::add(&mut tx, &question("new"), Millis(3)).await.unwrap();
        assert!(!waiting::retry(&mut tx, old).await.unwrap());
        let new = outbox::next(&mut tx, ChatId(4711)).await.unwrap().unwrap().id;
        outbox::mark_failed(&mut tx, new, "no", Millis(4)).await.unwrap();
        assert!(waiting::retry(&mut tx, new).await.unwrap(), "the newest may");
        // One that failed is not asked by pressing Start: that is promised where the chat is gone alone.
        let of_job = NewRow { job: Some(JobId(9)), ..question("of a job") };
        let (chat, other) = (ChatId(4711), ChatId(4712));
        let mut far = Vec::new();
        for deed in ["nothing", "add", "fail", "gone", "back", "add again", "gone again"] {
            match deed {
                "add" | "add again" => {
                    outbox::add(&mut tx, &of_job, Millis(5)).await.unwrap();
                }
                "fail" => {
                    let id = outbox::next(&mut tx, chat).await.unwrap().unwrap().id;
                    outbox::mark_failed(&mut tx, id, "no", Millis(6)).await.unwrap();
                }
                "gone" | "gone again" => chats::mark_gone(&mut tx, chat, "blocked", Millis(7)).await.unwrap(),
                "back" => {
                    chats::mark_back(&mut tx, chat, Millis(8)).await.unwrap();
                }
                _ => {}
            }
            let reach = outbox::reach(&mut tx, JobId(9), "ask:9:0:", &[chat, other]).await.unwrap();
            assert_eq!(reach[&other], Reach::Open);
            far.push(reach[&chat]);
        }
        use Reach::{Lost, Open, Shut, There};
        assert_eq!(far, [Open, There, Lost, Shut, Open, There, Shut]);
    }
}
