//! Chats that cannot be reached: blocked, deleted, left or never there. They are closed, with the reason, and hold up no other.

use super::{Gate, all_sent, ended, place, rows};
use crate::harness::{ANN, BEN, OPS, PATIENCE, World};
use crate::on_both;
use opsgram::base::ids::ChatId;
use opsgram::delivery::Outgoing;
use opsgram::sandbox::{Fault, FaultKind, Forbidden};
use std::time::{Duration, Instant};

on_both! {
    /// Who blocks the bot while a job runs gets nothing more; the row says why; others are not disturbed; and after
    /// unblocking everything is as before.
    async fn a_blocked_chat_is_closed_and_comes_back(world) {
        let gate = Gate::new(&world, "gate");
        world.script("slow", "read < gate; echo done", &[]);
        world.script("say", "echo $1", &["args: [{name: what}]"]);
        world.start().await;
        world.say(BEN, "/run slow");
        world.sees(BEN, "▶️ slow · #1").await;
        world.sandbox.block(BEN);
        gone(&world, BEN).await;
        // A live edit is due by now: none may be tried.
        let before = calls_to(&world, BEN);
        gate.open().await;
        ended(&world, 1).await;
        world.say(ANN, "/run say hello");
        world.sees(ANN, "hello").await;
        world.quiet().await;
        let (state, reason) = rows(&world, BEN).await.pop().unwrap();
        assert_eq!(state, "failed");
        assert_eq!(reason.as_deref(), Some("the chat cannot be reached"));
        assert_eq!(world.count(BEN, "✅"), 0);
        assert_eq!(calls_to(&world, BEN), before);

        world.sandbox.unblock(BEN);
        world.say(BEN, "/run say again");
        world.sees(BEN, "✅ say · #3").await;
    }
}

/// How many calls were made for a chat.
fn calls_to(world: &World, chat: i64) -> usize {
    let calls = world.sandbox.calls().into_iter();
    calls.filter(|call| call.chat == Some(chat)).count()
}

/// Waits until the bot knows that a chat cannot be reached.
async fn gone(world: &World, chat: i64) {
    let begun = Instant::now();
    loop {
        let mut db = world.services().store.read().await.unwrap();
        let gone = opsgram::store::chats::gone(&mut db).await.unwrap();
        if gone.contains(&ChatId(chat)) {
            return;
        }
        assert!(
            begun.elapsed() < PATIENCE,
            "chat {chat} is still taken for reachable"
        );
        drop(db);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

on_both! {
    /// A person who deletes the account while a job runs.
    async fn a_deactivated_person_is_closed_with_the_reason(world) {
        let gate = Gate::new(&world, "gate");
        world.script("slow", "read < gate; echo done", &[]);
        world.start().await;
        world.say(BEN, "/run slow");
        world.sees(BEN, "▶️ slow · #1").await;
        all_sent(&world).await;
        world.sandbox.deactivate(BEN);
        gate.open().await;
        ended(&world, 1).await;
        gone(&world, BEN).await;
        world.quiet().await;
        let (state, reason) = rows(&world, BEN).await.pop().unwrap();
        assert_eq!(state, "failed");
        let reason = reason.unwrap_or_default();
        assert!(reason.contains("deleted") || reason.contains("cannot be reached"), "{reason}");
        assert_eq!(world.count(BEN, "✅"), 0);
    }
}

on_both! {
    /// Every answer that means “nobody there” closes what waits, and says why, and the next word of the
    /// person brings the chat back, also after a restart.
    async fn a_chat_that_cannot_be_reached_is_closed_with_the_reason(world) {
        world.script("say", "echo $1", &["args: [{name: what}]"]);
        world.start().await;
        let kinds = [
            (Forbidden::Blocked, "blocked"),
            (Forbidden::Deactivated, "deleted"),
            (Forbidden::Kicked, "removed"),
            (Forbidden::CannotInitiate, "has not written"),
        ];
        for (n, (kind, words)) in kinds.into_iter().enumerate() {
            let forbidden = FaultKind::Forbidden(kind);
            world.sandbox.fault(Fault::once(forbidden).on("sendMessage").in_chat(BEN));
            let before = rows(&world, BEN).await.len();
            world.say(BEN, "/run say lost");
            ended(&world, 2 * n as i64 + 1).await;
            world.quiet().await;
            // On a busy machine a card goes first, and it is the one that hears why.
            let lost = rows(&world, BEN).await.split_off(before);
            assert!(lost.iter().all(|(state, _)| state == "failed"), "{lost:?}");
            assert!(lost[0].1.as_deref().unwrap_or_default().contains(words), "{lost:?}");
            if n == 0 {
                world.stop().await;
                world.start().await;
            }
            let word = format!("back{n}");
            world.say(BEN, &format!("/run say {word}"));
            world.sees(BEN, &word).await;
        }
        assert_eq!(world.count(BEN, "lost"), 0);
    }
}

on_both! {
    /// Thrown out of a group: its job goes on, its messages are closed, a private chat is not disturbed.
    async fn a_group_that_threw_the_bot_out_disturbs_no_other_chat(world) {
        let gate = Gate::new(&world, "gate");
        world.script("slow", "read < gate; echo done", &[]);
        world.script("say", "echo $1", &["args: [{name: what}]"]);
        world.start().await;
        world.sandbox.say(BEN, OPS, "/run slow");
        world.sees(OPS, "▶️ slow · #1").await;
        world.sandbox.kick(OPS, ANN);
        gate.open().await;
        ended(&world, 1).await;
        world.say(BEN, "/run say hello");
        world.sees(BEN, "hello").await;
        world.quiet().await;
        assert_eq!(rows(&world, OPS).await.pop().unwrap().0, "failed");
        assert_eq!(world.count(OPS, "✅"), 0);
    }
}

on_both! {
    /// A chat that does not exist is closed with the reason; it does not block the others.
    async fn a_chat_that_does_not_exist_is_closed_with_the_reason(world) {
        world.start().await;
        world.sandbox.open_private(ANN);
        let outbox = &world.services().outbox;
        for chat in [-4_242, ANN] {
            let message = Outgoing::text(place(chat), "hello", Vec::new());
            outbox.post(&message).await.unwrap();
        }
        world.sees(ANN, "hello").await;
        world.quiet().await;
        let (state, reason) = rows(&world, -4_242).await.pop().unwrap();
        assert_eq!(state, "failed");
        assert!(reason.unwrap().contains("there is no such chat"));
    }
}
