//! Calls that fail: refused for now, lost, garbled, slow, or to a Telegram that is away. All comes, once and in order.

use super::{Gate, all_sent, between, ended, endings, first, numbers, rows, sent_at, used_up};
use crate::harness::{ANN, BEN, Database, World};
use crate::on_both;
use opsgram::sandbox::{Fault, FaultKind};
use std::time::Duration;

on_both! {
    /// A 429 is obeyed to the second in its chat, in order, and other chats go on meanwhile.
    async fn a_429_on_a_send_holds_its_chat_to_the_second_and_no_other(world) {
        world.script("say", "echo $1", &["args: [{name: what}]"]);
        world.start().await;
        world.sandbox.fault(Fault::once(FaultKind::TooManyRequests(3)).on("sendMessage").in_chat(BEN));
        for n in 1..=3 {
            world.say(BEN, &format!("/run say word{n}"));
            ended(&world, n).await;
        }
        world.say(ANN, "/run say other");
        let other = world.sees(ANN, "other").await;
        world.sees(BEN, "word3").await;
        world.quiet().await;
        let refused = first(&world, BEN, 429).at;
        let cards = world.sandbox.from_bot(BEN);
        assert_eq!(numbers(&endings(&world, BEN)), [1, 2, 3]);
        assert_eq!(cards.len(), 3, "nothing twice");
        assert!(sent_at(&other) < sent_at(&cards[0]), "the other chat waited");
        between([refused, sent_at(&cards[0])], 3000, 3600);
    }
}

on_both! {
    /// The same for an edit: the final form of a card waits its time and then comes.
    async fn a_429_on_an_edit_does_not_lose_the_final_state(world) {
        let gate = Gate::new(&world, "gate");
        world.script("slow", "echo begun; read < gate; echo done", &[]);
        world.start().await;
        world.say(BEN, "/run slow");
        world.sees(BEN, "▶️ slow · #1").await;
        world.sandbox.fault(Fault::once(FaultKind::TooManyRequests(2)).on("editMessageText").in_chat(BEN));
        gate.open().await;
        let card = world.sees(BEN, "✅ slow · #1 · exit 0").await;
        let refused = first(&world, BEN, 429).at;
        between([refused, card.history.last().unwrap().at], 2000, 2600);
        world.quiet().await;
        assert_eq!(world.sandbox.from_bot(BEN).len(), 1);
    }
}

on_both! {
    /// The same for a file, and for a call that was cut: the file comes, and what follows it comes after it.
    async fn a_file_that_does_not_go_at_once_is_not_lost(world) {
        world.script("much", "seq 20000", &[]);
        world.script("say", "echo $1", &["args: [{name: what}]"]);
        world.start().await;
        for (n, kind) in (0..).zip([FaultKind::TooManyRequests(2), FaultKind::DropBefore, FaultKind::Garbage]) {
            world.sandbox.fault(Fault::once(kind).on("sendDocument").in_chat(BEN));
            let before = world.sandbox.from_bot(BEN).len();
            world.say(BEN, "/run much");
            ended(&world, 2 * n + 1).await;
            world.say(BEN, "/run say after");
            ended(&world, 2 * n + 2).await;
            world.quiet().await;
            let new = world.sandbox.from_bot(BEN).split_off(before);
            assert_eq!(new.len(), 3, "{kind:?}");
            assert_eq!(new[1].document.as_ref().unwrap().bytes.len(), 108_894);
            assert!(new[2].text.contains("after"));
        }
    }
}

on_both! {
    /// One 429 after the other: every ending still comes, once, in order.
    async fn a_storm_of_429_loses_nothing_and_keeps_the_order(world) {
        world.script("say", "echo $1", &["args: [{name: what}]"]);
        world.start().await;
        world.sandbox.fault(Fault::times(FaultKind::TooManyRequests(1), 6).in_chat(BEN));
        for n in 1..=5 {
            world.say(BEN, &format!("/run say word{n}"));
            ended(&world, n).await;
        }
        world.say(BEN, "/whoami");
        world.sees(BEN, "word5").await;
        world.sees(BEN, "operator").await;
        world.quiet().await;
        assert_eq!(numbers(&endings(&world, BEN)), [1, 2, 3, 4, 5]);
        assert_eq!(world.sandbox.from_bot(BEN).len(), 6);
    }
}

on_both! {
    /// A call that Telegram never saw, or answered by nonsense, is made again; the result comes once.
    async fn a_dropped_or_garbled_call_is_made_again(world) {
        world.script("say", "echo $1", &["args: [{name: what}]"]);
        world.start().await;
        for (n, kind) in [FaultKind::DropBefore, FaultKind::Garbage].into_iter().enumerate() {
            world.sandbox.fault(Fault::once(kind).on("sendMessage").in_chat(BEN));
            let word = format!("word{n}");
            world.say(BEN, &format!("/run say {word}"));
            world.sees(BEN, &word).await;
            world.quiet().await;
            assert_eq!(world.count(BEN, &word), 1, "{kind:?}");
        }
    }
}

on_both! {
    /// A send whose answer got lost may be doubled, never lost; an edit is not even doubled.
    async fn an_answer_that_got_lost_loses_no_result(world) {
        let gate = Gate::new(&world, "gate");
        world.script("say", "echo $1", &["args: [{name: what}]"]);
        world.script("slow", "read < gate; echo done", &[]);
        world.start().await;
        world.sandbox.fault(Fault::once(FaultKind::DropAfter).on("sendMessage").in_chat(BEN));
        world.say(BEN, "/run say once");
        world.sees(BEN, "once").await;
        world.quiet().await;
        assert!((1..=2).contains(&world.count(BEN, "once")));

        world.say(BEN, "/run slow");
        world.sees(BEN, "▶️ slow · #2").await;
        world.sandbox.fault(Fault::once(FaultKind::DropAfter).on("editMessageText").in_chat(BEN));
        gate.open().await;
        world.sees(BEN, "✅ slow · #2").await;
        world.quiet().await;
        assert_eq!(world.count(BEN, "slow · #2"), 1);
        // Made a second time, the edit is “not modified”: that is success.
        let (state, _) = rows(&world, BEN).await.pop().unwrap();
        assert_eq!(state, "sent");
    }
}

on_both! {
    /// A slow answer in one chat holds up no other, and the message is not sent a second time.
    async fn a_slow_call_holds_up_no_other_chat(world) {
        world.script("say", "echo $1", &["args: [{name: what}]"]);
        world.start().await;
        let delay = FaultKind::Delay(Duration::from_secs(3));
        world.sandbox.fault(Fault::once(delay).on("sendMessage").in_chat(BEN));
        world.say(BEN, "/run say slowly");
        used_up(&world).await;
        world.say(ANN, "/run say quickly");
        let quick = world.sees(ANN, "quickly").await;
        let slow = world.sees(BEN, "slowly").await;
        world.quiet().await;
        assert!(sent_at(&quick) < sent_at(&slow));
        assert_eq!(world.count(BEN, "slowly"), 1);
    }
}

/// A 5xx says nothing of whether the message arrived; it is sent again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_error_is_waited_out() {
    let mut world = World::new(Database::sqlite()).await;
    world.script("say", "echo $1", &["args: [{name: what}]"]);
    world.start().await;
    let fault = Fault::once(FaultKind::ServerError(502));
    world.sandbox.fault(fault.on("sendMessage").in_chat(BEN));
    world.say(BEN, "/run say word");
    world.sees(BEN, "word").await;
    world.quiet().await;
    assert_eq!(world.count(BEN, "word"), 1);
    world.finish().await;
}

on_both! {
    /// Telegram is away while jobs end: then every result comes, once, in order.
    async fn results_of_an_outage_come_in_order_when_it_is_over(world) {
        let gates: Vec<_> = (1..=3).map(|n| Gate::new(&world, &format!("gate{n}"))).collect();
        world.script("wait", "read < gate$1; echo done $1", &["args: [{name: gate}]", "concurrency: 3"]);
        world.start().await;
        for n in 1..=3 {
            world.say(BEN, &format!("/run wait {n}"));
            world.sees(BEN, &format!("▶️ wait · #{n}")).await;
        }
        all_sent(&world).await;
        world.sandbox.away(true);
        for n in [2, 3, 1] {
            gates[n - 1].open().await;
            ended(&world, n as i64).await;
        }
        world.sandbox.away(false);
        for n in 1..=3 {
            world.sees(BEN, &format!("done {n}")).await;
        }
        world.quiet().await;
        assert_eq!(numbers(&endings(&world, BEN)), [2, 3, 1]);
        assert_eq!(world.sandbox.from_bot(BEN).len(), 3);
    }
}

on_both! {
    /// What could not be sent before a stop is sent by the next start, once, in order.
    async fn results_that_were_pending_at_a_stop_come_after_the_start(world) {
        let gates: Vec<_> = (1..=2).map(|n| Gate::new(&world, &format!("gate{n}"))).collect();
        world.script("wait", "read < gate$1; echo done $1", &["args: [{name: gate}]", "concurrency: 3"]);
        world.start().await;
        for n in 1..=2 {
            world.say(BEN, &format!("/run wait {n}"));
            world.sees(BEN, &format!("▶️ wait · #{n}")).await;
        }
        all_sent(&world).await;
        world.sandbox.away(true);
        for n in [2, 1] {
            gates[n - 1].open().await;
            ended(&world, n as i64).await;
        }
        world.stop().await;
        assert_eq!(world.count(BEN, "✅"), 0);
        world.sandbox.away(false);
        world.start().await;
        world.sees(BEN, "done 1").await;
        world.quiet().await;
        assert_eq!(numbers(&endings(&world, BEN)), [2, 1]);
        assert_eq!(world.sandbox.from_bot(BEN).len(), 2);
    }
}
