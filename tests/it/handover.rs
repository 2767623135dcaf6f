//! The leader changes in the middle of a schedule: killed or frozen, between a time and its job, or while the job runs. Each
//! time is run once at the most, no run meets another, and what was missed meanwhile goes by its policy.

use crate::harness::tools::{Gate, lines, until};
use crate::harness::{ANN, BEN, CLEO, Database, Outside, PATIENCE, World};
use nix::sys::signal::Signal::{SIGCONT, SIGKILL, SIGSTOP};
use opsgram::store::{self, Store};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use sqlx::{Connection, Executor};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const HOUR: i64 = 3_600_000;
const MINUTE: i64 = 60_000;

async fn world() -> World {
    let mut world = World::new(Database::postgres().await).await;
    world.set("jobs: {workers: 2, grace: 30s}");
    for person in [ANN, BEN, CLEO] {
        world.sandbox.open_private(person);
    }
    world
}

/// A script body that notes its job, and also whether another run of it was under way.
fn alone(world: &World, name: &str) -> (PathBuf, String) {
    let runs = world.path().join(format!("{name}.runs"));
    let lock = world.path().join(format!("{name}.lock"));
    let body = format!(
        "exec 9>{}; flock -n 9 || echo meets >> {1}\necho $OPSGRAM_JOB >> {1}",
        lock.display(),
        runs.display()
    );
    (runs, body)
}

/// Looks that no job ran twice and none met another.
fn each_once_and_alone(runs: &Path) {
    let mut ran = lines(runs);
    assert!(!ran.contains(&"meets".to_owned()), "two at once: {ran:?}");
    let many = ran.len();
    ran.sort();
    ran.dedup();
    assert_eq!(ran.len(), many, "a job ran twice");
}

/// So much time passes for all schedules.
async fn passes(store: &Store, millis: i64) {
    let mut db = store.connect().await.unwrap();
    sqlx::query("UPDATE schedules SET anchor = anchor - $1, settled = settled - $1")
        .bind(millis)
        .execute(&mut db)
        .await
        .unwrap();
    db.close().await.unwrap();
}

/// The schedules as they stand, once there are so many.
async fn rows(store: &Store, many: usize) -> Vec<store::schedules::Schedule> {
    let begun = Instant::now();
    loop {
        let mut db = store.read().await.unwrap();
        let rows = store::schedules::all(&mut db).await.unwrap();
        drop(db);
        if rows.len() == many {
            return rows;
        }
        assert!(begun.elapsed() < PATIENCE, "{rows:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// The jobs that a schedule made, by their sources.
async fn made(store: &Store, schedule: &str) -> Vec<String> {
    let mut db = store.connect().await.unwrap();
    let sources = sqlx::query_scalar("SELECT source FROM jobs WHERE source LIKE $1 ORDER BY id")
        .bind(format!("schedule:{schedule}:%"))
        .fetch_all(&mut db)
        .await
        .unwrap();
    db.close().await.unwrap();
    sources
}

/// Waits until a schedule has made so many jobs and all of them are over.
async fn made_and_over(world: &World, store: &Store, schedule: &str, many: usize) {
    let begun = Instant::now();
    while made(store, schedule).await.len() < many {
        assert!(
            begun.elapsed() < PATIENCE,
            "never {many} runs of {schedule}"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    world.quiet_in(store).await;
}

/// What becomes of the leader.
#[derive(Clone, Copy, PartialEq)]
enum Fate {
    Killed,
    /// It wakes again when another leads.
    Frozen,
}

/// The leader is held in the middle of making the job that is due, and goes then.
async fn between_the_time_and_its_job(fate: Fate) {
    let mut world = world().await;
    let (runs, body) = alone(&world, "work");
    world.script(
        "work",
        &body,
        &["schedule: {when: every 1h, output: always}"],
    );
    let store = world.database().await;
    let (first, second) = Outside::two(&world).await;
    rows(&store, 1).await;
    let mut hold = store.connect().await.unwrap();
    hold.execute("SET idle_in_transaction_session_timeout = 0")
        .await
        .unwrap();
    let mut held = hold.begin().await.unwrap();
    sqlx::query("LOCK TABLE jobs IN SHARE ROW EXCLUSIVE MODE")
        .execute(&mut *held)
        .await
        .unwrap();
    passes(&store, HOUR + 1000).await;
    until_the_job_is_being_written(&store).await;
    let since = world.sandbox.seq();
    match fate {
        Fate::Killed => first.signal(SIGKILL),
        Fate::Frozen => first.signal(SIGSTOP),
    }
    held.rollback().await.unwrap();
    hold.close().await.unwrap();
    world.polled_since(since).await;
    made_and_over(&world, &store, "work", 1).await;
    if fate == Fate::Frozen {
        first.signal(SIGCONT);
        until("it to notice", || notices(&first)).await;
    }
    world.sees(ANN, "🗓 work").await;
    // The next time is run as ever, and the first one was not run again.
    passes(&store, HOUR + 1000).await;
    made_and_over(&world, &store, "work", 2).await;
    assert_eq!(
        (made(&store, "work").await.len(), lines(&runs).len()),
        (2, 2)
    );
    each_once_and_alone(&runs);
    store.close().await;
    match fate {
        Fate::Killed => first.kill().await,
        Fate::Frozen => assert_eq!(first.terminate().await.0, Some(0)),
    }
    second.terminate().await;
    world.finish().await;
}

/// Waits until somebody writes a job and is held up by the lock of the test.
async fn until_the_job_is_being_written(store: &Store) {
    let mut db = store.connect().await.unwrap();
    let begun = Instant::now();
    let waits = "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database()
         AND wait_event_type = 'Lock' AND query LIKE '%INSERT INTO jobs%'";
    loop {
        let waiting: i64 = sqlx::query_scalar(waits).fetch_one(&mut db).await.unwrap();
        if waiting > 0 {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "no job is being written");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    db.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_between_the_time_and_its_job_it_runs_once() {
    between_the_time_and_its_job(Fate::Killed).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frozen_between_the_time_and_its_job_it_runs_once() {
    between_the_time_and_its_job(Fate::Frozen).await;
}

/// While nobody leads, three times of each policy pass, the last of them five minutes ago.
async fn missed_meanwhile(fate: Fate) {
    let mut world = world().await;
    let mut all = Vec::new();
    for policy in ["once", "skip", "all"] {
        let (runs, body) = alone(&world, policy);
        let schedule = format!("schedule: {{when: every 1h, missed: {policy}}}");
        world.script(policy, &body, &[&schedule]);
        all.push(runs);
    }
    let store = world.database().await;
    let (first, second) = Outside::two(&world).await;
    rows(&store, 3).await;
    let since = world.sandbox.seq();
    first.signal(SIGSTOP);
    passes(&store, 3 * HOUR + 5 * MINUTE).await;
    if fate == Fate::Killed {
        first.signal(SIGKILL);
    }
    world.polled_since(since).await;
    made_and_over(&world, &store, "once", 1).await;
    made_and_over(&world, &store, "all", 3).await;
    let skipped = async || {
        let rows = rows(&store, 3).await;
        rows.into_iter()
            .find(|row| row.name == "skip")
            .unwrap()
            .skip_why
    };
    let begun = Instant::now();
    while skipped().await.as_deref() != Some("the bot was away") {
        assert!(begun.elapsed() < PATIENCE, "never skipped");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    if fate == Fate::Frozen {
        first.signal(SIGCONT);
        until("it to notice", || notices(&first)).await;
    }
    world.quiet_in(&store).await;
    let mut ran = Vec::new();
    for runs in &all {
        each_once_and_alone(runs);
        ran.push(lines(runs).len());
    }
    assert_eq!(ran, [1, 0, 3]);
    store.close().await;
    match fate {
        Fate::Killed => first.kill().await,
        Fate::Frozen => assert_eq!(first.terminate().await.0, Some(0)),
    }
    second.terminate().await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_missed_while_a_killed_leader_is_followed_goes_by_its_policy() {
    missed_meanwhile(Fate::Killed).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_missed_while_a_frozen_leader_is_followed_goes_by_its_policy() {
    missed_meanwhile(Fate::Frozen).await;
}

/// Wherever the run is when its leader goes, the next time does not meet it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_while_its_job_runs_the_next_one_never_meets_it() {
    let mut world = world().await;
    let mut gate = Gate::new(&world, "gate");
    let (runs, body) = alone(&world, "work");
    let body = format!("{body}\n{}", gate.wait());
    world.script("work", &body, &["schedule: {when: every 1h, missed: all}"]);
    let store = world.database().await;
    let (first, second) = Outside::two(&world).await;
    rows(&store, 1).await;
    passes(&store, HOUR + 1000).await;
    until("the run", || lines(&runs).len() == 1).await;
    let since = world.sandbox.seq();
    first.signal(SIGKILL);
    passes(&store, HOUR + 1000).await;
    world.polled_since(since).await;
    gate.open(2);
    made_and_over(&world, &store, "work", 2).await;
    assert_eq!(lines(&runs).len(), 2);
    each_once_and_alone(&runs);
    store.close().await;
    first.kill().await;
    second.terminate().await;
    world.finish().await;
}

/// Whether an instance that was frozen has noticed what that cost it: the lead, or after longer its place among the living.
fn notices(bot: &Outside) -> bool {
    let log = bot.logged();
    log.contains("leads no more") || log.contains("was taken for dead")
}

/// Kills and frosts at moments that nobody chose, one leader after the other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_leads_when_each_time_is_run_once() {
    let mut world = world().await;
    let (runs, body) = alone(&world, "tick");
    world.script(
        "tick",
        &format!("{body}\nsleep 0.2"),
        &["schedule: every 1s"],
    );
    let store = world.database().await;
    let seed = rand::random::<u64>();
    println!("seed {seed}");
    let mut dice = StdRng::seed_from_u64(seed);
    let (mut leads, mut follows) = Outside::two(&world).await;
    for round in 0..4 {
        let before = lines(&runs).len();
        until("two runs", || lines(&runs).len() >= before + 2).await;
        // Anywhere between two times; nothing relies on its length.
        tokio::time::sleep(Duration::from_millis(dice.random_range(0..1000))).await;
        let since = world.sandbox.seq();
        match round % 2 {
            0 => leads.kill().await,
            _ => {
                leads.signal(SIGSTOP);
                world.polled_since(since).await;
                leads.signal(SIGCONT);
                until("it to notice", || notices(&leads)).await;
                assert_eq!(leads.terminate().await.0, Some(0));
            }
        }
        world.polled_since(since).await;
        leads = follows;
        follows = Outside::beside(&world).await;
    }
    for bot in [follows, leads] {
        assert_eq!(bot.terminate().await.0, Some(0));
    }
    each_once_and_alone(&runs);
    let mut sources = made(&store, "tick").await;
    let many = sources.len();
    sources.sort();
    sources.dedup();
    assert_eq!(sources.len(), many);
    store.close().await;
    world.finish().await;
}
