//! Two instances on one PostgreSQL database: a run goes on at the other, and hears what is said at either.

use super::keeping::Hands;
use super::program;
use crate::harness::tools::{Gate, lines, until};
use crate::harness::{ANN, BEN, Database, Outside, World};
use std::time::Duration;

/// Which of the two runs this run, and the other.
async fn by_place(world: &World, run: i64, bots: [Outside; 2]) -> (Outside, Outside) {
    let db = world.database().await;
    let at = world.job(&db, run).await.claimed_by.unwrap();
    let [first, second] = bots;
    let mut reading = db.read().await.unwrap();
    let all = opsgram::store::instances::all(&mut reading).await.unwrap();
    let label = all.into_iter().find(|one| one.id == at).unwrap().label();
    match label.ends_with(&format!("/{}", first.id())) {
        true => (first, second),
        false => (second, first),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_other_goes_on_with_it() {
    let mut world = World::new(Database::postgres().await).await;
    let mut gate = Gate::new(&world, "gate");
    let done = world.path().join("done");
    let work = program(
        &world,
        "work",
        &format!("echo work >> {}; {}", done.display(), gate.wait()),
    );
    world.set(&format!(
        "workflows: {{w: {{notify: [], steps: [{{name: first, run: [sh, -c, 'echo first >> {0}']}}, {{name: work, run: [sh, {work}], on_crash: retry}}], always: [{{name: last, run: [sh, -c, 'echo last >> {0}']}}]}}}}",
        done.display()
    ));
    let bots = <[Outside; 2]>::from(Outside::two(&world).await);
    world.say(BEN, "/workflow run w");
    until("it to be at work", || lines(&done).len() == 2).await;
    let (runs, other) = by_place(&world, 1, bots).await;
    runs.kill().await;
    until("it to go on", || lines(&done).len() == 3).await;
    gate.open(2);
    world.sees(BEN, "w · #1 · succeeded").await;
    assert_eq!(lines(&done), ["first", "work", "work", "last"]);
    other.terminate().await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_at_one_wakes_the_run_at_the_other() {
    let mut world = World::new(Database::postgres().await).await;
    world.set("workflows: {w: {concurrency: parallel, notify: [], steps: [{name: gate, approve: {question: 'Really?', role: operator}}]}}");
    let bots = <[Outside; 2]>::from(Outside::two(&world).await);
    // Enough that each instance has some.
    for _ in 0..6 {
        world.say(BEN, "/workflow run w");
    }
    for run in 1..=6 {
        world.sees(BEN, &format!("✋ w · #{run} · gate")).await;
        world.say(ANN, &format!("/workflow approve {run}"));
        world.sees(BEN, &format!("✅ w · #{run} · succeeded")).await;
    }
    for bot in bots {
        bot.terminate().await;
    }
    world.finish().await;
}

/// Another one takes the lead and dies, and what somebody pressed waits at Telegram while the time to confirm runs out where
/// the run goes on: it is heard first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_press_is_heard_though_the_lead_changed_hands() {
    let mut world = World::new(Database::postgres().await).await;
    let done = world.path().join("done");
    world.set(&format!(
        "workflows: {{careful: {{notify: [], steps: [{{name: change, run: ['true'], undo: [sh, -c, 'echo back >> {}'], confirm_within: 5m}}]}}}}",
        done.display()
    ));
    let hands = Hands::default();
    world.start_at(hands.clock()).await;
    world.say(BEN, "/workflow run careful");
    let asked = world.sees(BEN, "✋ careful · #1 · change").await;
    let leader = Outside::beside(&world).await;
    let store = world.services().store.clone();
    let mut tx = store.begin().await.unwrap();
    let text = format!(
        "UPDATE lease SET holder = (SELECT id FROM instances WHERE pid = {}), epoch = -1",
        leader.id()
    );
    sqlx::query(sqlx::AssertSqlSafe(text))
        .execute(&mut *tx)
        .await
        .unwrap();
    store.commit(tx).await.unwrap();
    until("the other to lead", || {
        leader.logged().contains("app: ready")
    })
    .await;
    // No lease of this one ran out: it would take itself for the leader until its next heartbeat.
    until("this one to notice", || !store.presence().leads()).await;
    leader.kill().await;
    let label = "It works, keep it";
    world.sandbox.press(BEN, BEN, asked.id, label).unwrap();
    hands.pass(&world, Duration::from_secs(600), 1);
    world.sees(BEN, "#1 · change\nKept by ben").await;
    assert_eq!(lines(&done).len(), 0);
    world.finish().await;
}
