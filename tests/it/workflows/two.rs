//! Two instances on one PostgreSQL database: a run goes on at the other, and hears what is said at either.

use super::program;
use crate::harness::tools::{Gate, lines, until};
use crate::harness::{ANN, BEN, Database, Outside, World};

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
