//! What a message belongs to goes: a group that moves, a card or a topic that is deleted, markup that is refused.

use super::{Gate, all_sent, place, rows};
use crate::harness::{ANN, BEN, OPS, World};
use crate::on_both;
use opsgram::base::ids::{ChatId, JobId};
use opsgram::delivery::Outgoing;
use opsgram::sandbox::{Fault, FaultKind};

/// The id that the stand-in gives to a migrated group.
const MOVED: i64 = -1_000_000_001_002;

/// Where the job's card is to go, by the database.
async fn chat_of(world: &World, id: i64) -> i64 {
    let mut db = world.services().store.read().await.unwrap();
    let job = opsgram::store::jobs::find(&mut db, JobId(id)).await;
    job.unwrap().unwrap().new.place.chat.0
}

/// After a move: the card went on in the new chat, the job belongs there, and the group's ceiling holds there.
async fn went_on(world: &World, moved: i64) {
    let card = world.sees(moved, "✅ slow · #1 · exit 0").await;
    assert!(card.text.contains("done"), "{}", card.text);
    assert_eq!(card.reply_to, None, "it would answer some other message");
    world.quiet().await;
    assert_eq!(world.count(moved, "✅ slow · #1"), 1);
    assert_eq!(world.count(OPS, "✅"), 0);
    assert_eq!(chat_of(world, 1).await, moved);
    for person in [ANN, BEN] {
        let member = opsgram::sandbox::Standing::Member;
        world.sandbox.add_member(moved, person, member);
    }
    world.sandbox.say(ANN, moved, "/run grave");
    world.sees(moved, "admin").await;
    assert_eq!(world.count(moved, "grave ·"), 0, "the ceiling is gone");
    world.sandbox.say(BEN, moved, "/run say hello");
    world.sees(moved, "✅ say · #2").await;
    world.press(BEN, moved, "Run again");
    world.sees(moved, "✅ say · #3").await;
}

fn scripts_for_a_move(world: &mut World) {
    world.script("slow", "echo begun; read < gate; echo done", &[]);
    world.script("say", "echo $1", &["args: [{name: what}]"]);
    world.script("grave", "echo grave", &["role: admin"]);
}

on_both! {
    /// A group that moves while its job runs, told by the service message.
    async fn a_group_that_moved_gets_its_card_in_the_new_chat(world) {
        let gate = Gate::new(&world, "gate");
        scripts_for_a_move(&mut world);
        world.start().await;
        world.sandbox.say(BEN, OPS, "/run slow");
        world.sees(OPS, "▶️ slow · #1").await;
        all_sent(&world).await;
        let moved = world.sandbox.migrate(OPS);
        // The card goes on, not only its end.
        let card = world.sees(moved, "▶️ slow · #1").await;
        assert!(card.text.contains("begun"), "{}", card.text);
        gate.open().await;
        let ended = world.sees(moved, "✅ slow · #1").await;
        assert_eq!(ended.id, card.id);
        went_on(&world, moved).await;
        world.stop().await;
        world.start().await;
        world.sandbox.say(ANN, moved, "/run grave");
        world.quiet().await;
        assert_eq!(world.count(moved, "grave ·"), 0, "the ceiling is gone after a restart");
        world.sandbox.say(BEN, moved, "/run say hello");
        world.sees(moved, "✅ say · #4").await;
    }
}

on_both! {
    /// A group that moves at the very call that tells the end.
    async fn a_move_that_shows_in_an_error_loses_no_ending(world) {
        let gate = Gate::new(&world, "gate");
        scripts_for_a_move(&mut world);
        world.start().await;
        world.sandbox.say(BEN, OPS, "/run slow");
        world.sees(OPS, "▶️ slow · #1").await;
        all_sent(&world).await;
        let fault = Fault::once(FaultKind::Migrate(MOVED));
        world.sandbox.fault(fault.on("editMessageText").in_chat(OPS));
        gate.open().await;
        went_on(&world, MOVED).await;
    }
}

on_both! {
    /// A move of which only an error told: who may do what in the group holds at once.
    async fn a_move_without_a_service_message_keeps_the_access(world) {
        scripts_for_a_move(&mut world);
        world.start().await;
        world.sandbox.add_group(MOVED, "ops", false);
        let outbox = &world.services().outbox;
        outbox.chat_moved(ChatId(OPS), ChatId(MOVED)).await.unwrap();
        world.sandbox.say(BEN, MOVED, "/run say hello");
        world.sees(MOVED, "✅ say · #1").await;
        world.sandbox.say(ANN, MOVED, "/run grave");
        world.sees(MOVED, "admin").await;
    }
}

on_both! {
    /// A promise that names the old id, because it was being written while the move was noted, is not stranded.
    async fn a_promise_for_the_old_id_goes_to_the_new_chat(world) {
        world.start().await;
        world.sandbox.add_group(MOVED, "ops", false);
        let outbox = world.services().outbox.clone();
        outbox.chat_moved(ChatId(OPS), ChatId(MOVED)).await.unwrap();
        for words in ["one", "two"] {
            let message = Outgoing::text(place(OPS), words, Vec::new());
            let row = opsgram::store::outbox::NewRow {
                chat: ChatId(OPS),
                payload: serde_json::to_string(&message).unwrap(),
                slot: None,
                source: None,
                job: None,
                sealed: None,
            };
            let store = world.services().store.clone();
            let mut tx = store.begin().await.unwrap();
            let at = opsgram::base::time::Millis::now();
            opsgram::store::outbox::add(&mut tx, &row, at).await.unwrap();
            store.commit(tx).await.unwrap();
            if words == "one" {
                world.services().outbox.kick(ChatId(OPS));
            } else {
                world.stop().await;
                world.start().await;
            }
            world.sees(MOVED, words).await;
        }
        world.quiet().await;
        assert_eq!(world.sandbox.from_bot(OPS).len(), 0);
        assert_eq!(world.sandbox.from_bot(MOVED).len(), 2);
    }
}

on_both! {
    /// An answer that needs no row is not lost in a move either.
    async fn an_answer_to_a_group_that_moves_comes_in_the_new_chat(world) {
        world.start().await;
        let fault = Fault::once(FaultKind::Migrate(MOVED));
        world.sandbox.fault(fault.on("sendMessage").in_chat(OPS));
        world.sandbox.say(BEN, OPS, "/whoami");
        world.sees(MOVED, "operator").await;
    }
}

on_both! {
    /// Somebody deletes the card: its end comes as a new message.
    async fn a_deleted_card_does_not_swallow_the_ending(world) {
        let gate = Gate::new(&world, "gate");
        world.script("slow", "echo begun; read < gate; echo done", &[]);
        world.start().await;
        world.say(ANN, "/run slow");
        let card = world.sees(ANN, "▶️ slow · #1").await;
        all_sent(&world).await;
        world.sandbox.delete_said(ANN, card.id);
        gate.open().await;
        let ended = world.sees(ANN, "✅ slow · #1 · exit 0").await;
        assert_ne!(ended.id, card.id);
        world.quiet().await;
        assert_eq!(world.sandbox.from_bot(ANN).len(), 1);
    }
}

/// A group with topics, in which the four people are.
const FORUM: i64 = -1_000_000_000_077;

fn forum(world: &mut World) {
    world.people(
        "access:\n  users: [{id: 222, name: ben, role: operator}]\n  chats: [{id: -1000000000077, name: f, role: operator}]\n",
    );
    world.sandbox.add_group(FORUM, "forum", true);
    let member = opsgram::sandbox::Standing::Member;
    world.sandbox.add_member(FORUM, BEN, member);
}

on_both! {
    /// A card stays in the topic of its command.
    async fn a_card_goes_to_the_topic_of_its_command(world) {
        forum(&mut world);
        let topic = world.sandbox.add_topic(FORUM, "builds");
        world.script("say", "seq 2000", &[]);
        world.start().await;
        world.sandbox.speak(BEN, FORUM).topic(topic).text("/run say");
        world.sees(FORUM, "✅ say · #1").await;
        world.quiet().await;
        let messages = world.sandbox.from_bot(FORUM);
        assert!(messages.len() > 1);
        assert!(messages.iter().all(|message| message.thread == Some(topic)));
    }
}

on_both! {
    /// The topic is deleted while the job runs: the rest goes to the chat itself, no piece is lost.
    async fn a_deleted_topic_does_not_swallow_the_ending(world) {
        forum(&mut world);
        let topic = world.sandbox.add_topic(FORUM, "builds");
        let gate = Gate::new(&world, "gate");
        world.script("slow", "echo begun; read < gate; seq 2000", &[]);
        world.start().await;
        world.sandbox.speak(BEN, FORUM).topic(topic).text("/run slow");
        let card = world.sees(FORUM, "▶️ slow · #1").await;
        all_sent(&world).await;
        world.sandbox.delete_topic(FORUM, topic);
        world.sandbox.delete_said(FORUM, card.id);
        world.sandbox.delete_said(FORUM, card.reply_to.unwrap());
        gate.open().await;
        let ended = world.sees(FORUM, "✅ slow · #1 · exit 0").await;
        assert_eq!(ended.thread, None);
        world.quiet().await;
        assert!(world.count(FORUM, "1000") >= 1, "the pieces are missing");
        assert!(rows(&world, FORUM).await.iter().all(|(state, _)| state != "failed"));
    }
}

on_both! {
    /// Markup that Telegram refuses goes as plain text, and what follows it is not held up.
    async fn refused_markup_goes_as_plain_text(world) {
        world.start().await;
        world.sandbox.open_private(ANN);
        let outbox = &world.services().outbox;
        let broken = Outgoing::text(place(ANN), "<b>left open &lt;here", Vec::new());
        outbox.post(&broken).await.unwrap();
        let next = Outgoing::text(place(ANN), "<b>next</b>", Vec::new());
        outbox.post(&next).await.unwrap();
        world.sees(ANN, "next").await;
        let texts: Vec<_> = world.sandbox.from_bot(ANN).into_iter().map(|m| m.text).collect();
        assert_eq!(texts, ["left open <here", "next"]);
    }
}
