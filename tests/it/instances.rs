//! Several instances on one PostgreSQL database: one polls and sends, all work, and whatever happens to one of them, no
//! job runs twice, no command is lost, and every end is told.

use crate::harness::stalls::ran_since;
use crate::harness::tools::{Gate, children, is_alive, lines, until};
use crate::harness::wire::Wire;
use crate::harness::{ANN, BEN, CLEO, Database, Outside, PATIENCE, World};
use nix::sys::signal::Signal::{SIGCONT, SIGSTOP};
use opsgram::base::job::JobState;
use opsgram::base::role::Role;
use opsgram::sandbox::{Sent, View};
use opsgram::store;
use opsgram::store::instances::{self, Instance};
use opsgram::store::presence::{self, CUT_OFF};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use sqlx::{Connection, Executor};
use std::collections::HashMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Another takes over within this time, whatever happened to the one that led.
const TAKEN_OVER: Duration = Duration::from_secs(15);
const SETTINGS: &str = "jobs: {workers: 1, per_user: 8, grace: 30s}";

async fn world() -> World {
    let mut world = World::new(Database::postgres().await).await;
    world.set(SETTINGS);
    world
}

/// The script `again`: it writes job and process into a file, waits at a gate, and runs again after a crash.
fn again(world: &mut World) -> (PathBuf, Gate) {
    let runs = world.path().join("runs");
    let gate = Gate::new(world, "gate");
    let body = format!(
        "echo $OPSGRAM_JOB $$ >> {}; {}",
        runs.display(),
        gate.wait()
    );
    world.script("again", &body, &["on_crash: retry", "concurrency: 4"]);
    (runs, gate)
}

/// Waits for the next poll that is asked for, and says how long that took.
async fn taken_over(world: &World, since: u64) -> Duration {
    let begun = Instant::now();
    world.polled_since(since).await;
    ran_since(begun)
}

/// Asks for jobs until each instance runs one; the script holds them.
async fn one_job_each(world: &World) {
    world.say(ANN, "/run work");
    world.say(BEN, "/run work");
    world.sees(ANN, "▶️ work · #").await;
    world.sees(BEN, "▶️ work · #").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_work_and_what_runs_elsewhere_is_shown_listed_and_stopped_all_the_same() {
    let mut world = world().await;
    let mut gate = Gate::new(&world, "gate");
    let body = format!("echo begun; {0}; echo further; {0}", gate.wait());
    world.script("work", &body, &["concurrency: 4"]);
    let (first, second) = Outside::two(&world).await;
    one_job_each(&world).await;
    // Live forms come from both.
    world.sees(ANN, "begun").await;
    world.sees(BEN, "begun").await;
    let status = world.asks(ANN, ANN, "/status jobs").await;
    assert!(status.text.contains("2 running"), "{}", status.text);
    assert!(
        status.text.contains("2 instances, this one leads since"),
        "{}",
        status.text
    );
    let label = format!("/{}", second.id());
    let jobs = world.asks(ANN, ANN, "/jobs running").await;
    let elsewhere = jobs.text.lines().find(|line| line.contains(&label));
    let elsewhere = elsewhere.unwrap_or_else(|| panic!("none at {label}: {}", jobs.text));
    let id: String = elsewhere
        .split('#')
        .nth(1)
        .unwrap()
        .chars()
        .take_while(char::is_ascii_digit)
        .collect();
    let job = world.asks(ANN, ANN, &format!("/job {id}")).await;
    assert!(
        job.text.contains("Runs at") && job.text.contains("begun"),
        "{}",
        job.text
    );
    let answer = world.asks(ANN, ANN, &format!("/cancel {id}")).await;
    assert!(answer.text.contains("Stopping"), "{}", answer.text);
    // Who asked first is not told by the order of asking: each chat is served by itself.
    let ended = |mark: &str| {
        let mark = format!("{mark} work · #");
        move |view: &View<'_>| {
            let mut all = view.from_bot(ANN).chain(view.from_bot(BEN));
            all.any(|message| message.text.starts_with(&mark))
                .then_some(())
        }
    };
    world
        .sandbox
        .wait(PATIENCE, "it to be stopped", ended("🚫"))
        .await
        .unwrap();
    gate.open(2);
    world
        .sandbox
        .wait(PATIENCE, "the other to end well", ended("✅"))
        .await
        .unwrap();
    for bot in [second, first] {
        assert_eq!(bot.terminate().await.0, Some(0));
    }
    assert_eq!(children(&world), [0; 0]);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_hold_over_both() {
    let mut world = world().await;
    world.settings.clear();
    world.set("jobs: {workers: 4, per_user: 3}");
    let log = world.path().join("log");
    let body = format!("echo + >> {0}; sleep 0.3; echo - >> {0}", log.display());
    world.script("narrow", &body, &["concurrency: 2"]);
    let (first, second) = Outside::two(&world).await;
    for person in [ANN, BEN, ANN, BEN, ANN, BEN, ANN, BEN] {
        world.say(person, "/run narrow");
    }
    let db = world.database().await;
    world.quiet_in(&db).await;
    let mut at_once = 0_i32;
    for line in lines(&log) {
        at_once += if line == "+" { 1 } else { -1 };
        assert!(at_once <= 2, "more than two at once");
    }
    assert_eq!(lines(&log).len(), 16);
    db.close().await;
    for bot in [first, second] {
        bot.terminate().await;
    }
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_the_leader_is_followed_at_once_and_its_job_is_told_as_lost() {
    let mut world = world().await;
    let mut gate = Gate::new(&world, "gate");
    let runs = world.path().join("runs");
    let body = format!("echo $OPSGRAM_JOB >> {}; {}", runs.display(), gate.wait());
    world.script("work", &body, &["concurrency: 4"]);
    let (first, second) = Outside::two(&world).await;
    one_job_each(&world).await;
    world.say(ANN, "/run work");
    world.sees(ANN, "⏳ work · #3").await;
    let since = world.sandbox.seq();
    first.kill().await;
    world.say(BEN, "/whoami");
    let took = taken_over(&world, since).await;
    assert!(took < TAKEN_OVER, "{took:?}");
    world.sees(BEN, "Role here: operator").await;
    let lost = |view: &View<'_>| {
        let all = view.from_bot(ANN).chain(view.from_bot(BEN));
        all.filter(|m| m.text.starts_with("💥")).count() == 1
    };
    world
        .sandbox
        .wait(PATIENCE, "one lost", |view| lost(view).then_some(()))
        .await
        .unwrap();
    gate.open(2);
    let db = world.database().await;
    world.quiet_in(&db).await;
    assert_eq!(lines(&runs).len(), 3, "none ran twice");
    assert!(world.sandbox.look(lost), "and the other two ended well");
    db.close().await;
    second.terminate().await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopped_in_good_order_the_leader_hands_over_at_once_and_its_job_is_told_by_the_other() {
    let mut world = world().await;
    let mut gate = Gate::new(&world, "gate");
    world.script("work", &gate.wait(), &["concurrency: 4"]);
    let (first, second) = Outside::two(&world).await;
    one_job_each(&world).await;
    let since = world.sandbox.seq();
    let stopping = tokio::spawn(first.terminate());
    let took = taken_over(&world, since).await;
    assert!(took < Duration::from_secs(6), "{took:?}");
    world.say(ANN, "/whoami");
    world.sees(ANN, "Role here: owner").await;
    gate.open(2);
    world.sees(ANN, "✅ work").await;
    world.sees(BEN, "✅ work").await;
    assert_eq!(stopping.await.unwrap().0, Some(0));
    second.terminate().await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn paused_the_leader_is_followed_and_does_nothing_any_more_when_it_wakes() {
    let mut world = world().await;
    let (runs, mut gate) = again(&mut world);
    let first = Outside::start(&world).await;
    world.say(ANN, "/run again");
    world.sees(ANN, "▶️ again · #1").await;
    let second = Outside::beside(&world).await;
    let since = world.sandbox.seq();
    first.signal(SIGSTOP);
    let took = taken_over(&world, since).await;
    assert!(took < TAKEN_OVER, "{took:?}");
    // Taken for dead, what it ran is ended before it runs again.
    until("the second start", || lines(&runs).len() == 2).await;
    let pid: i32 = lines(&runs)[0].split(' ').nth(1).unwrap().parse().unwrap();
    assert!(!is_alive(pid), "both starts run");
    first.signal(SIGCONT);
    until("it to notice", || {
        first.logged().contains("was taken for dead")
    })
    .await;
    world.say(BEN, "/run again");
    world.sees(BEN, "▶️ again · #2").await;
    gate.open(2);
    world.sees(ANN, "✅ again · #1").await;
    world.sees(BEN, "✅ again · #2").await;
    let db = world.database().await;
    world.quiet_in(&db).await;
    assert_eq!(lines(&runs).len(), 3);
    assert_eq!(world.count(ANN, "again · #1"), 1);
    assert_eq!(world.job(&db, 1).await.starts, 2);
    db.close().await;
    for bot in [first, second] {
        assert_eq!(bot.terminate().await.0, Some(0));
    }
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cut_off_from_the_database_the_leader_kills_what_it_runs_before_another_runs_it_again() {
    let mut world = world().await;
    let (runs, mut gate) = again(&mut world);
    let wire = Wire::to(&world.location()).await;
    world.variable("OPSGRAM_DATABASE", wire.url());
    let first = Outside::start(&world).await;
    world.env.clear();
    world.say(ANN, "/run again");
    world.sees(ANN, "▶️ again · #1").await;
    let second = Outside::beside(&world).await;
    // The first has to have noticed the second: alone, it would let its jobs run on.
    while !world
        .asks(BEN, BEN, "/status jobs")
        .await
        .text
        .contains("2 instances")
    {}
    let since = world.sandbox.seq();
    wire.cut();
    let took = taken_over(&world, since).await;
    assert!(took < TAKEN_OVER, "{took:?}");
    until("the second start", || lines(&runs).len() == 2).await;
    assert!(
        first
            .logged()
            .contains("killed, because this instance was cut off"),
        "{}",
        first.logged()
    );
    let pid: i32 = lines(&runs)[0].split(' ').nth(1).unwrap().parse().unwrap();
    assert!(!is_alive(pid), "both starts run");
    wire.mend();
    until("it to notice", || {
        first.logged().contains("was taken for dead")
    })
    .await;
    gate.open(1);
    world.sees(ANN, "✅ again · #1").await;
    world.say(BEN, "/status jobs");
    world.sees(BEN, "No jobs are running").await;
    assert_eq!(world.count(ANN, "again · #1"), 1);
    assert_eq!(lines(&runs).len(), 2);
    for bot in [first, second] {
        assert_eq!(bot.terminate().await.0, Some(0));
    }
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hearts_go_on_beating_while_it_takes_long_to_declare_another_dead() {
    let mut world = world().await;
    world.script("work", "echo done", &[]);
    let (first, second) = Outside::two(&world).await;
    let database = world.database().await;
    // Whoever declares an instance dead holds the claims; here it has to wait for them.
    let mut claims = database.begin().await.unwrap();
    let idle = "SET LOCAL idle_in_transaction_session_timeout = 0";
    claims.execute(idle).await.unwrap();
    database.lock_claims(&mut claims).await.unwrap();
    let mut db = database.connect().await.unwrap();
    db.execute(
        "INSERT INTO instances (id, host, place, pid, process_start, marker, version, started_at, heartbeat_at, alone)
         VALUES ('gone', 'gone', 'elsewhere', 1, 1, 'gone', '0', 0, 0, 0)",
    )
    .await
    .unwrap();
    let begun = Instant::now();
    let long = CUT_OFF + Duration::from_secs(4);
    until("more time than a cut-off takes", || begun.elapsed() > long).await;
    for bot in [&first, &second] {
        assert!(!bot.logged().contains("cut off"), "{}", bot.logged());
    }
    let alive = "SELECT COUNT(*) FROM instances WHERE id <> 'gone' AND dead = 0
         AND heartbeat_at > CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT) - 5000";
    let alive: i64 = sqlx::query_scalar(alive).fetch_one(&mut db).await.unwrap();
    assert_eq!(alive, 2, "{}", first.logged());
    database.commit(claims).await.unwrap();
    until("it to be declared dead", || {
        [&first, &second]
            .iter()
            .any(|bot| bot.logged().contains("settled what a dead instance ran"))
    })
    .await;
    world.say(ANN, "/run work");
    world.sees(ANN, "✅ work").await;
    db.close().await.unwrap();
    database.close().await;
    for bot in [second, first] {
        assert_eq!(bot.terminate().await.0, Some(0));
    }
    world.finish().await;
}

#[tokio::test]
async fn what_a_leader_began_is_written_before_another_leads_or_not_at_all() {
    let mut world = world().await;
    let db = world.database().await;
    let deposed = async || match db.begin_led().await {
        Ok(tx) => {
            db.commit(tx).await.unwrap();
            false
        }
        Err(error) => matches!(error, store::Error::Deposed),
    };
    assert!(!deposed().await, "the command line needs no lead");
    let presence = db.presence();
    let mut beats = db.connect().await.unwrap();
    for id in ["one", "other"] {
        let new = Instance {
            id: id.to_owned(),
            ..Instance::default()
        };
        instances::add(&mut beats, &new).await.unwrap();
    }
    presence.join("one".to_owned(), false, presence::now());
    assert!(deposed().await, "it does not lead yet");
    let beat = async |id: &str, epoch: Option<i64>| {
        let mut beats = db.connect().await.unwrap();
        let told = instances::beat(&mut beats, id, false, epoch, (true, true))
            .await
            .unwrap();
        assert!(told.epoch.is_some());
        told
    };
    let led = |told| presence.beaten(told, false, presence::now(), instances::LEASE);
    led(beat("one", None).await);
    assert!(!deposed().await);
    instances::give_up(&mut beats, "one").await.unwrap();
    beat("other", None).await;
    assert!(
        deposed().await,
        "another leads, which this one does not know yet"
    );
    instances::give_up(&mut beats, "other").await.unwrap();
    led(beat("one", presence.epoch()).await);
    assert!(deposed().await, "what began before another led");
    presence.elected().await;
    assert!(!deposed().await);
    beats.close().await.unwrap();
    db.close().await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn alone_an_instance_lets_its_jobs_run_on_while_the_database_is_away() {
    let mut world = world().await;
    let mut gate = Gate::new(&world, "gate");
    world.script("work", &gate.wait(), &[]);
    let wire = Wire::to(&world.location()).await;
    world.variable("OPSGRAM_DATABASE", wire.url());
    let bot = Outside::start(&world).await;
    world.say(ANN, "/run work");
    world.sees(ANN, "▶️ work · #1").await;
    wire.cut();
    let begun = Instant::now();
    let long = CUT_OFF + Duration::from_secs(4);
    until("more time than a cut-off takes", || begun.elapsed() > long).await;
    assert_eq!(children(&world).len(), 1);
    wire.mend();
    gate.open(1);
    world.sees(ANN, "✅ work · #1").await;
    assert!(!bot.logged().contains("cut off"), "{}", bot.logged());
    assert_eq!(bot.terminate().await.0, Some(0));
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_connections_cut_both_go_on_and_nothing_is_lost() {
    let mut world = world().await;
    let runs = world.path().join("runs");
    let mut gate = Gate::new(&world, "gate");
    let body = format!("echo $OPSGRAM_JOB >> {}; {}", runs.display(), gate.wait());
    world.script("work", &body, &["concurrency: 4"]);
    let (first, second) = Outside::two(&world).await;
    one_job_each(&world).await;
    let store::Location::Postgres(url) = world.location() else {
        panic!("not on PostgreSQL");
    };
    let mut server = sqlx::PgConnection::connect(&url).await.unwrap();
    for _ in 0..3 {
        let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                   WHERE datname = current_database() AND pid <> pg_backend_pid()";
        server.execute(cut).await.unwrap();
        world.say(ANN, "/run work");
    }
    server.close().await.unwrap();
    gate.open(5);
    let db = world.database().await;
    world.quiet_in(&db).await;
    let mut ran = lines(&runs);
    ran.sort();
    assert_eq!(ran, ["1", "2", "3", "4", "5"]);
    assert_eq!(world.count(ANN, "✅ work") + world.count(BEN, "✅ work"), 5);
    db.close().await;
    for bot in [first, second] {
        assert_eq!(bot.terminate().await.0, Some(0));
    }
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_folder_is_refused_beside_others_and_taken_alone() {
    let mut world = world().await;
    world.script("hello", "echo hello", &[]);
    let first = Outside::start(&world).await;
    let elsewhere = world.path().join("elsewhere").display().to_string();
    world.variable("OPSGRAM_DATA_DIR", &elsewhere);
    let mut second = Outside::spawn(&world);
    assert_eq!(second.ended().await, Some(1));
    until("its words", || {
        second.logged().contains("its data_dir is another folder")
    })
    .await;
    first.terminate().await;
    let moved = Outside::start(&world).await;
    assert!(
        moved.logged().contains("logs of earlier jobs stayed there"),
        "{}",
        moved.logged()
    );
    // The folder that was left does not pass for the one in use.
    world.env.clear();
    let mut third = Outside::spawn(&world);
    assert_eq!(third.ended().await, Some(1));
    moved.terminate().await;
    world.finish().await;
}

/// What is done to one of the two.
async fn disturb(world: &World, slot: &mut Option<Outside>, random: &mut StdRng) -> bool {
    let Some(bot) = slot.take() else {
        *slot = Some(Outside::spawn(world));
        return false;
    };
    match random.random_range(0..4) {
        0 => {
            bot.terminate().await;
        }
        1 => {
            bot.signal(SIGSTOP);
            // How long it sleeps is the point of the test: sometimes it is taken for dead meanwhile.
            tokio::time::sleep(Duration::from_millis(
                [300, 3000, 13_500][random.random_range(0..3)],
            ))
            .await;
            bot.signal(SIGCONT);
            *slot = Some(bot);
        }
        _ => bot.kill().await,
    }
    true
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_happens_to_either_no_command_is_lost_none_runs_twice_and_all_are_told() {
    let seed: u64 = match std::env::var("OPSGRAM_TEST_SEED") {
        Ok(seed) => seed.parse().unwrap(),
        Err(_) => rand::rng().random(),
    };
    println!("OPSGRAM_TEST_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let mut world = world().await;
    world.settings.clear();
    world.set("jobs: {workers: 2, per_user: 40, grace: 2s}");
    let runs = world.path().join("runs");
    let body = format!(
        "echo $OPSGRAM_JOB >> {}; sleep $1; echo done",
        runs.display()
    );
    world.script(
        "work",
        &body,
        &[
            "args: [{name: pause, pattern: '^0[.][0-9]+$'}]",
            "concurrency: 8",
        ],
    );
    let mut slots = [
        Some(Outside::start(&world).await),
        Some(Outside::spawn(&world)),
    ];
    let mut asked: Vec<(i64, Sent)> = Vec::new();
    let mut disturbed = 0;
    for round in 0..10 {
        for n in 0..4 {
            let person = [ANN, BEN][(round + n) % 2];
            let pause = [0, 1, 4, 9][random.random_range(0..4)];
            asked.push((person, world.say(person, &format!("/run work 0.{pause}"))));
        }
        tokio::time::sleep(Duration::from_millis(random.random_range(0..1200))).await;
        let slot = &mut slots[random.random_range(0..2)];
        disturbed += usize::from(disturb(&world, slot, &mut random).await);
    }
    for slot in &mut slots {
        slot.get_or_insert_with(|| Outside::spawn(&world));
    }
    let begun = Instant::now();
    world.say(CLEO, "/whoami");
    world.sees(CLEO, "Role here: viewer").await;
    let took = ran_since(begun);
    assert!(took < TAKEN_OVER, "seed {seed}: {took:?}");
    let db = world.database().await;
    world.quiet_in(&db).await;
    let mut started: HashMap<i64, usize> = HashMap::new();
    for line in lines(&runs) {
        *started.entry(line.parse().unwrap()).or_default() += 1;
    }
    let all = {
        let mut reading = db.read().await.unwrap();
        store::history::list(
            &mut reading,
            &store::history::Filter::default(),
            Role::Owner,
            store::history::Cursor::Newest,
            1000,
        )
        .await
        .unwrap()
    };
    assert_eq!(
        all.len(),
        asked.len(),
        "seed {seed}: a command has not exactly one job"
    );
    let mut surplus = 0;
    for job in &all {
        let times = started.get(&job.id.0).copied().unwrap_or(0);
        let mark = match job.state {
            JobState::Succeeded => {
                assert_eq!(times, 1, "seed {seed}: #{}", job.id);
                "✅"
            }
            JobState::Lost => "💥",
            JobState::Cancelled => "🚫",
            state => panic!("seed {seed}: #{} is {state:?}", job.id),
        };
        assert!(times <= 1, "seed {seed}: #{} ran {times} times", job.id);
        let chat = job.new.place.chat.0;
        let told = world.count(chat, &format!("{mark} work · #{} ", job.id));
        assert!(told >= 1, "seed {seed}: #{} was not told its end", job.id);
        surplus += world.count(chat, &format!("work · #{} ", job.id)) - 1;
    }
    // Sent and not marked when it was killed or paused: the same words once more.
    assert!(
        surplus <= disturbed,
        "seed {seed}: {surplus} too many after {disturbed}"
    );
    for (person, command) in &asked {
        let has_job = all.iter().any(|job| {
            job.new.asker.0 == *person
                && job.new.reply_to.map(|id| id.0) == Some(command.message_id)
        });
        assert!(has_job, "seed {seed}: no job for {command:?}");
    }
    assert_eq!(children(&world), [0; 0], "seed {seed}");
    db.close().await;
    for bot in slots.into_iter().flatten() {
        assert_eq!(bot.terminate().await.0, Some(0), "seed {seed}");
    }
    world.finish().await;
}
