//! Much at once, at Telegram's rates: no 429 is earned, and all comes.

use super::{ended, endings, numbers, place, refused_for_content};
use crate::harness::{ANN, BEN, Database, OPS, PATIENCE, World};
use opsgram::delivery::Outgoing;
use opsgram::sandbox::{Message, Rates};
use sqlx::Row;
use std::time::Duration;

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
