//! What was promised to a chat arrives, once and in order, whatever Telegram answers.

use crate::harness::{ANN, BEN, Database, OPS, PATIENCE, World};
use crate::on_both;
use opsgram::base::ids::{ChatId, JobId, Place};
use opsgram::delivery::Outgoing;
use opsgram::sandbox::{Call, Fault, FaultKind, Forbidden, Message, Rates};
use sqlx::Row;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Holds one script, once, until it is opened.
pub struct Gate(PathBuf);

impl Gate {
    /// A gate in the folder of the test; a script waits at it by `read < NAME`.
    pub fn new(world: &World, name: &str) -> Self {
        let path = world.path().join(name);
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        Self(path)
    }

    /// Lets the script go on, once it has come to the gate.
    pub async fn open(&self) {
        let path = self.0.clone();
        let write = move || std::fs::write(path, "go\n").unwrap();
        tokio::time::timeout(PATIENCE, tokio::task::spawn_blocking(write))
            .await
            .unwrap()
            .unwrap();
    }
}

/// Waits until the job's ending is written into the database.
pub async fn ended(world: &World, id: i64) {
    let begun = Instant::now();
    loop {
        let mut db = world.services().store.read().await.unwrap();
        let job = opsgram::store::jobs::find(&mut db, JobId(id)).await;
        if job.unwrap().is_some_and(|job| job.state.is_final()) {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "job #{id} never ended");
        drop(db);
        // The database has no bell; this is the pace of looking, not a time that the test relies on.
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Waits until Telegram has everything that was promised so far, and the bot knows it.
pub async fn all_sent(world: &World) {
    let begun = Instant::now();
    loop {
        let mut db = world.services().store.read().await.unwrap();
        if opsgram::store::outbox::pending(&mut db).await.unwrap() == 0 {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "the outbox was never empty");
        drop(db);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// The messages of the bot in the chat that tell an ending, in the order in which they came to tell it.
pub fn endings(world: &World, chat: i64) -> Vec<String> {
    let mut found: Vec<(Instant, String)> = world
        .sandbox
        .from_bot(chat)
        .iter()
        .filter(|message| {
            ["✅", "❌", "⏱", "🚫", "💥"]
                .iter()
                .any(|m| message.text.starts_with(m))
        })
        .map(|message| {
            let first = message.text.lines().next().unwrap_or_default().to_owned();
            (message.history.last().unwrap().at, first)
        })
        .collect();
    found.sort();
    found.into_iter().map(|(_, line)| line).collect()
}

/// The job's number in each line, such as 12 in `✅ deploy · #12 · exit 0`.
pub fn numbers(lines: &[String]) -> Vec<i64> {
    let number = |line: &String| {
        let rest = line.split_once('#')?.1;
        let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
        digits.parse().ok()
    };
    lines.iter().filter_map(number).collect()
}

/// The calls that Telegram refused for what was in them.
pub fn refused_for_content(world: &World) -> Vec<Call> {
    let calls = world.sandbox.calls().into_iter();
    calls.filter(|call| call.code == 400).collect()
}

/// State and reason of the chat's outbox rows, oldest first.
async fn rows(world: &World, chat: i64) -> Vec<(String, Option<String>)> {
    let mut db = world.services().store.read().await.unwrap();
    let rows = sqlx::query("SELECT state, reason FROM outbox WHERE chat_id = $1 ORDER BY id")
        .bind(chat)
        .fetch_all(&mut *db)
        .await
        .unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

/// Waits until the fault has hit as often as it should.
async fn used_up(world: &World) {
    let left = |view: &opsgram::sandbox::View<'_>| {
        let _ = view;
        None::<()>
    };
    let begun = Instant::now();
    while world.sandbox.faults_left() > 0 {
        assert!(begun.elapsed() < PATIENCE, "the fault was never met");
        let _ = world
            .sandbox
            .wait(Duration::from_millis(20), "", left)
            .await;
    }
}

/// The first call that was answered by this status in this chat.
fn first(world: &World, chat: i64, code: u16) -> Call {
    let mut calls = world.sandbox.calls().into_iter();
    calls
        .find(|call| call.code == code && call.chat == Some(chat))
        .unwrap_or_else(|| panic!("no call was answered by {code}"))
}

fn place(chat: i64) -> Place {
    Place {
        chat: ChatId(chat),
        thread: None,
    }
}

fn sent_at(message: &Message) -> Instant {
    message.history[0].at
}

fn between(wait: Duration, least: u64, most: u64) {
    let range = Duration::from_millis(least)..Duration::from_millis(most);
    assert!(range.contains(&wait), "{wait:?}");
}

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
        between(sent_at(&cards[0]) - refused, 3000, 3600);
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
        between(card.history.last().unwrap().at - refused, 2000, 2600);
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
            world.say(BEN, "/run say lost");
            ended(&world, 2 * n as i64 + 1).await;
            world.quiet().await;
            let (state, reason) = rows(&world, BEN).await.pop().unwrap();
            assert_eq!(state, "failed");
            assert!(reason.as_deref().unwrap_or_default().contains(words), "{reason:?}");
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

/// A burst of jobs in a private chat at Telegram's rates: no 429 is earned, and all ends come in their order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_in_a_private_chat_never_earns_a_429() {
    let mut world = World::new(Database::sqlite()).await;
    world.sandbox.set_rates(Rates::Telegram);
    world.script(
        "say",
        "sleep 0.$1; echo done $1",
        &["args: [{name: what}]", "concurrency: 4"],
    );
    world.start_paced().await;
    for n in 0..10 {
        world.say(BEN, &format!("/run say {}", n % 10));
    }
    for n in 1..=10 {
        ended(&world, n).await;
    }
    world.quiet().await;
    assert_eq!(
        numbers(&endings(&world, BEN)),
        in_order_of_end(&world).await
    );
    assert_eq!(world.sandbox.floods_earned(), 0);
    world.finish().await;
}

/// The jobs that ended, in the order in which their ends were promised.
async fn in_order_of_end(world: &World) -> Vec<i64> {
    let mut db = world.services().store.read().await.unwrap();
    let rows = sqlx::query("SELECT slot, payload FROM outbox WHERE slot IS NOT NULL ORDER BY id")
        .fetch_all(&mut *db)
        .await
        .unwrap();
    let end = |row: &sqlx::any::AnyRow| {
        let payload: String = row.get(1);
        let slot: String = row.get(0);
        let told = payload.contains("again:");
        told.then(|| slot.trim_start_matches("job:").parse().unwrap())
    };
    rows.iter().filter_map(end).collect()
}

/// The same in a group, whose minute holds twenty: what is over waits for the next minute.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_in_a_group_never_earns_a_429() {
    let mut world = World::new(Database::sqlite()).await;
    world.sandbox.set_rates(Rates::Telegram);
    world.script(
        "say",
        "echo done $1",
        &["args: [{name: what}]", "concurrency: 4"],
    );
    world.start_paced().await;
    for n in 1..=23 {
        world.sandbox.say(BEN, OPS, &format!("/run say {n}"));
    }
    for n in 1..=23 {
        ended(&world, n).await;
    }
    let all = |view: &opsgram::sandbox::View<'_>| {
        let ended = view.from_bot(OPS).filter(|m| m.text.starts_with('✅'));
        (ended.count() == 23).then_some(())
    };
    let minutes = Duration::from_secs(120);
    world
        .sandbox
        .wait(minutes, "23 endings", all)
        .await
        .unwrap();
    world.quiet().await;
    assert_eq!(
        numbers(&endings(&world, OPS)),
        in_order_of_end(&world).await
    );
    world.finish().await;
}

/// Many chats at once stay under the rate of the whole bot.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_chats_at_once_never_earn_a_429() {
    let mut world = World::new(Database::sqlite()).await;
    world.sandbox.set_rates(Rates::Telegram);
    world.start_paced().await;
    let outbox = &world.services().outbox;
    for chat in 5_000..5_080 {
        world.sandbox.open_private(chat);
        for words in ["one", "two"] {
            let message = Outgoing::text(place(chat), words, Vec::new());
            outbox.post(&message).await.unwrap();
        }
    }
    world.quiet().await;
    for chat in 5_000..5_080 {
        let texts: Vec<_> = world
            .sandbox
            .from_bot(chat)
            .into_iter()
            .map(|m| m.text)
            .collect();
        assert_eq!(texts, ["one", "two"]);
    }
    world.finish().await;
}

/// Jobs that print all the time, in a private chat and in a group, as cards and as streams: their live edits and pieces
/// never earn a 429, and leave room for the endings.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn live_edits_and_pieces_of_many_jobs_never_earn_a_429() {
    let mut world = World::new(Database::sqlite()).await;
    world.sandbox.set_rates(Rates::Telegram);
    world.set("jobs: {workers: 8, per_user: 8}");
    let busy = "while [ ! -e stop ]; do for n in $(seq 20); do echo $SECONDS $RANDOM some words; done; sleep 0.1; done";
    world.script("busy", busy, &["concurrency: 8"]);
    world.start_paced().await;
    for (person, chat) in [(BEN, BEN), (ANN, OPS)] {
        for command in ["run", "stream", "run"] {
            world.sandbox.say(person, chat, &format!("/{command} busy"));
        }
    }
    let live = |chat: i64, least: usize| {
        move |view: &opsgram::sandbox::View<'_>| {
            let edits: usize = view.from_bot(chat).map(Message::edits).sum();
            (edits >= least && view.from_bot(chat).count() > 3).then_some(())
        }
    };
    for chat in [BEN, OPS] {
        let what = "live edits and pieces";
        world
            .sandbox
            .wait(PATIENCE, what, live(chat, 3))
            .await
            .unwrap();
    }
    std::fs::write(world.path().join("stop"), "").unwrap();
    let all = |view: &opsgram::sandbox::View<'_>| {
        let ended = |chat| {
            view.from_bot(chat)
                .filter(|m| m.button("Run again").is_some())
                .count()
        };
        (ended(BEN) == 3 && ended(OPS) == 3).then_some(())
    };
    let minutes = Duration::from_secs(120);
    world
        .sandbox
        .wait(minutes, "six endings", all)
        .await
        .unwrap();
    assert_eq!(refused_for_content(&world), []);
    // Nothing waits but what the group's minute holds back.
    world.finish().await;
}
