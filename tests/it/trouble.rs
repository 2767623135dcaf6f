//! A full disk, a locked or absent database: told in a clear line, nothing half-done, and over by itself.

use crate::harness::tools::{Gate, SmallDisk, lines, until};
use crate::harness::wire::Wire;
use crate::harness::{ANN, BEN, CLEO, Database, Outside, PATIENCE, World};
use crate::on_both;
use opsgram::base::job::JobState;
use opsgram::store::{self, Store};
use sqlx::{ConnectOptions, Connection, Executor, Row};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_loses_nothing_does_nothing_half_and_ends_by_itself() {
    let mut world = World::new(Database::sqlite()).await;
    let disk = SmallDisk::of(world.path().join("data"), 6);
    let mut gate = Gate::new(&world, "gate");
    let runs = world.path().join("runs");
    let body = format!(
        "echo before; {0}; echo while it is full; {0}; echo the end",
        gate.wait()
    );
    world.script("long", &body, &[]);
    world.script(
        "work",
        &format!("echo $OPSGRAM_JOB >> {}; echo done", runs.display()),
        &[],
    );
    world.start().await;
    world.say(ANN, "/run long");
    world.sees(ANN, "before").await;
    disk.fill();
    // What the script prints reaches the chat, although the log cannot be written.
    gate.open(1);
    world.sees(ANN, "while it is full").await;
    // The write-ahead log has some room of its own; when that is used up, the next one is told.
    let mut asked = 0;
    while world.count(BEN, "the disk of my database is full") + world.count(BEN, "My disk is full")
        == 0
    {
        asked += 1;
        assert!(asked < 500, "never told");
        world.say(BEN, "/run work");
        let before = world.sandbox.seq();
        let said = |view: &opsgram::sandbox::View<'_>| {
            let new = |event: &opsgram::sandbox::Event| matches!(event.what, opsgram::sandbox::What::Sent { chat, .. } if chat == BEN);
            view.events_since(before).any(new).then_some(())
        };
        let _ = world
            .sandbox
            .wait(std::time::Duration::from_millis(500), "an answer", said)
            .await;
    }
    // It ends while its ending cannot be written.
    gate.open(1);
    until("its processes to end", || {
        crate::harness::tools::children(&world).is_empty()
    })
    .await;
    assert!(
        !world
            .sandbox
            .from_bot(ANN)
            .last()
            .unwrap()
            .text
            .contains('✅')
    );
    disk.make_room();
    let card = world.sees(ANN, "✅ long · #1 · exit 0").await;
    assert!(
        card.text.contains("while it is full") && card.text.contains("the end"),
        "{}",
        card.text
    );
    assert_eq!(
        world.sandbox.from_bot(ANN).len(),
        1,
        "said more than once, because it could not be marked as sent"
    );
    world.quiet().await;
    // A command that was told to be refused made no job; every other one made one, and it ran once.
    let refused = world.count(BEN, "My disk is full");
    let ran = lines(&runs);
    let mut once = ran.clone();
    once.sort();
    once.dedup();
    assert_eq!(once.len(), ran.len(), "none ran twice: {ran:?}");
    assert_eq!(ran.len() + refused, asked, "{refused} refused");
    world.say(CLEO, "/whoami");
    world.sees(CLEO, "viewer").await;
    world.say(ANN, "/run work");
    world.sees(ANN, "✅ work").await;
    world.finish().await;
    drop(disk);
}

/// Another program that holds SQLite's lock.
async fn lock(path: &Path) -> sqlx::SqliteConnection {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path);
    let mut other = options.connect().await.unwrap();
    other.execute("PRAGMA busy_timeout = 20000").await.unwrap();
    other.execute("BEGIN EXCLUSIVE").await.unwrap();
    other
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_locked_database_is_told_and_waited_for() {
    let mut world = World::new(Database::sqlite()).await;
    let mut gate = Gate::new(&world, "gate");
    let runs = world.path().join("runs");
    world.script("long", &format!("{}; echo the end", gate.wait()), &[]);
    world.script("work", &format!("echo x >> {}", runs.display()), &[]);
    world.start().await;
    world.say(ANN, "/run long");
    world.sees(ANN, "▶️ long · #1").await;
    let mut other = lock(&world.path().join("data/opsgram.db")).await;
    world.say(BEN, "/run work");
    let told = world.sees(BEN, "I cannot take commands right now").await;
    assert!(
        told.text.contains("locked by another program"),
        "{}",
        told.text
    );
    assert!(told.text.contains("Nothing was done"), "{}", told.text);
    gate.open(1);
    until("its processes to end", || {
        crate::harness::tools::children(&world).is_empty()
    })
    .await;
    assert_eq!(lines(&runs).len(), 0);
    other.execute("ROLLBACK").await.unwrap();
    other.close().await.unwrap();
    world.sees(BEN, "✅ work · #2").await;
    let card = world.sees(ANN, "✅ long · #1").await;
    assert!(card.text.contains("the end"));
    world.quiet().await;
    assert_eq!(lines(&runs).len(), 1);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_server_that_is_away_loses_nothing() {
    let mut world = World::new(Database::postgres().await).await;
    let mut gate = Gate::new(&world, "gate");
    let runs = world.path().join("runs");
    world.script("long", &format!("{}; echo the end", gate.wait()), &[]);
    world.script("work", &format!("echo x >> {}", runs.display()), &[]);
    world.start().await;
    world.say(ANN, "/run long");
    world.sees(ANN, "▶️ long · #1").await;
    let store::Location::Postgres(url) = world.location() else {
        panic!("not on PostgreSQL");
    };
    let (server, name) = url.rsplit_once('/').unwrap();
    let mut server = sqlx::PgConnection::connect(&format!("{server}/postgres"))
        .await
        .unwrap();
    let shut = format!("ALTER DATABASE {name} WITH ALLOW_CONNECTIONS false");
    server.execute(sqlx::AssertSqlSafe(shut)).await.unwrap();
    let throw_out =
        format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'");
    server
        .execute(sqlx::AssertSqlSafe(throw_out))
        .await
        .unwrap();
    world.say(BEN, "/run work");
    world
        .sees(
            BEN,
            "I cannot take commands right now, because my database does not answer",
        )
        .await;
    gate.open(1);
    until("its processes to end", || {
        crate::harness::tools::children(&world).is_empty()
    })
    .await;
    assert_eq!(lines(&runs).len(), 0);
    let open = format!("ALTER DATABASE {name} WITH ALLOW_CONNECTIONS true");
    server.execute(sqlx::AssertSqlSafe(open)).await.unwrap();
    world.sees(ANN, "✅ long · #1").await;
    // What the queue did not take in that moment is given to it again by the sweep, every half minute.
    let is_told = |view: &opsgram::sandbox::View<'_>| {
        let mut told = view.from_bot(BEN);
        told.any(|message| message.text.contains("✅ work · #2"))
            .then_some(())
    };
    let told = world.sandbox.wait(4 * PATIENCE, "the end of #2", is_told);
    told.await.unwrap();
    world.quiet().await;
    assert_eq!(lines(&runs).len(), 1);
    world.finish().await;
}

/// The database gives up a connection that waits for another's lock, as soon as there is one.
async fn give_up_one_that_waits(db: &mut sqlx::PgConnection) {
    let begun = Instant::now();
    let given_up = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = current_database() AND wait_event_type = 'Lock'";
    while !db
        .fetch_optional(given_up)
        .await
        .unwrap()
        .is_some_and(|row| row.get(0))
    {
        assert!(begun.elapsed() < PATIENCE, "nobody waits for a lock");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A connection that is lost while the schema is brought up to date.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_that_a_lost_connection_cut_off_goes_on() {
    let mut world = World::new(Database::postgres().await).await;
    let store::Location::Postgres(url) = world.location() else {
        panic!("not on PostgreSQL");
    };
    let mut db = sqlx::PgConnection::connect(&url).await.unwrap();
    let mut other = sqlx::PgConnection::connect(&url).await.unwrap();
    other.execute("BEGIN").await.unwrap();
    other
        .execute("CREATE TABLE jobs (id BIGINT)")
        .await
        .unwrap();
    let opening = tokio::spawn(Store::open(world.location()));
    give_up_one_that_waits(&mut db).await;
    other.execute("ROLLBACK").await.unwrap();
    let store = opening.await.unwrap().unwrap();
    let mut reading = store.read().await.unwrap();
    assert_eq!(store::jobs::counts(&mut reading).await.unwrap(), (0, 0));
    drop(reading);
    store.close().await;
    world.finish().await;
}

/// A connection that is lost in the middle of a command, or of a job's start, as after a pause of the whole machine: both are done
/// all the same, once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_lost_connection_cut_off_is_done_anew() {
    let mut world = World::new(Database::postgres().await).await;
    let mut gate = Gate::new(&world, "gate");
    let runs = world.path().join("runs");
    let body = format!("echo $OPSGRAM_JOB >> {}; {}", runs.display(), gate.wait());
    world.script("work", &body, &[]);
    world.start().await;
    let database = world.database().await;
    let store::Location::Postgres(url) = world.location() else {
        panic!("not on PostgreSQL");
    };
    let mut db = sqlx::PgConnection::connect(&url).await.unwrap();
    let claims = async || {
        let mut claims = database.begin().await.unwrap();
        let patient = "SET LOCAL idle_in_transaction_session_timeout = 0";
        claims.execute(patient).await.unwrap();
        database.lock_claims(&mut claims).await.unwrap();
        claims
    };
    let held = claims().await;
    world.say(BEN, "/run work");
    give_up_one_that_waits(&mut db).await;
    database.commit(held).await.unwrap();
    world.sees(BEN, "▶️ work · #1").await;
    world.say(BEN, "/run work");
    world.sees(BEN, "⏳ work · #2").await;
    let held = claims().await;
    // With the end of the first it is the second's turn.
    gate.open(1);
    give_up_one_that_waits(&mut db).await;
    database.commit(held).await.unwrap();
    gate.open(1);
    world.sees(BEN, "✅ work · #2").await;
    // Lost once more, it is told, and not done.
    let held = claims().await;
    world.say(BEN, "/run work");
    for _ in 0..2 {
        give_up_one_that_waits(&mut db).await;
    }
    let told = "Something went wrong on my side, and nothing was done.";
    world.sees(BEN, told).await;
    database.commit(held).await.unwrap();
    world.quiet().await;
    assert_eq!(lines(&runs), ["1", "2"]);
    assert_eq!(world.count(BEN, told), 1);
    database.close().await;
    world.finish().await;
}

/// A connection that is lost while an answer of a dialog is committed, which holds all the same: what was said is not taken for the
/// answer to the next question as well.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_committed_though_the_connection_was_lost_is_not_done_again() {
    let mut world = World::new(Database::postgres().await).await;
    world.script(
        "two",
        r#"echo "$@""#,
        &["args: [{name: one}, {name: other}]"],
    );
    let store::Location::Postgres(url) = world.location() else {
        panic!("not on PostgreSQL");
    };
    let wire = Wire::to(&world.location()).await;
    world.variable("OPSGRAM_DATABASE", wire.url());
    let bot = Outside::start(&world).await;
    let mut db = sqlx::PgConnection::connect(&url).await.unwrap();
    let mut gate = sqlx::PgConnection::connect(&url).await.unwrap();
    world.say(BEN, "/run two");
    world.sees(BEN, "one").await;
    // Whoever marks an update as handled waits at its commit.
    for text in [
        "CREATE FUNCTION wait_here() RETURNS trigger LANGUAGE plpgsql
         AS 'BEGIN PERFORM pg_advisory_xact_lock(4711); RETURN NULL; END'",
        "CREATE CONSTRAINT TRIGGER wait_here AFTER UPDATE ON inbox DEFERRABLE INITIALLY DEFERRED
         FOR EACH ROW WHEN (OLD.handled_at IS NULL) EXECUTE FUNCTION wait_here()",
    ] {
        db.execute(text).await.unwrap();
    }
    gate.execute("SELECT pg_advisory_lock(4711)").await.unwrap();
    world.say(BEN, "first");
    let waits = "SELECT pid FROM pg_stat_activity WHERE datname = current_database()
         AND wait_event = 'advisory' AND query = 'COMMIT'";
    while db.fetch_optional(waits).await.unwrap().is_none() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    wire.tear();
    until("the bot to notice", || {
        bot.logged().contains("a request failed in the middle")
    })
    .await;
    gate.execute("SELECT pg_advisory_unlock(4711)")
        .await
        .unwrap();
    world.sees(BEN, "other").await;
    world.say(BEN, "second");
    let card = world.sees(BEN, "✅ two · #1").await;
    assert!(card.text.contains("first second"), "{}", card.text);
    bot.terminate().await;
    world.finish().await;
}

on_both! {
    /// The queue loses all that it had while the bot is off: the rows decide, so all of them run.
    async fn a_queue_that_forgot_everything_loses_no_job(world) {
        let mut gate = Gate::new(&world, "gate");
        let runs = world.path().join("runs");
        world.script("work", &format!("echo $OPSGRAM_JOB >> {}; {}", runs.display(), gate.wait()), &["grace: 100ms"]);
        world.set("jobs: {grace: 100ms}");
        world.start().await;
        for number in 1..=4 {
            world.say(ANN, "/run work");
            world.sees(ANN, &format!("work · #{number}")).await;
        }
        world.stop().await;
        match world.location() {
            store::Location::Sqlite(path) => {
                for end in [".queue", ".queue-wal", ".queue-shm"] {
                    let _ = fs::remove_file(format!("{}{end}", path.display()));
                }
            }
            store::Location::Postgres(url) => {
                let mut db = sqlx::PgConnection::connect(&url).await.unwrap();
                db.execute("DELETE FROM apalis.jobs").await.unwrap();
            }
        }
        world.start().await;
        gate.open(3);
        world.quiet().await;
        assert_eq!(lines(&runs), ["1", "2", "3", "4"]);
    }
}

on_both! {
    /// The queue delivers an id again and again, also to many at once: the job runs once.
    async fn an_id_that_the_queue_delivers_twice_runs_once(world) {
        let mut gate = Gate::new(&world, "gate");
        let runs = world.path().join("runs");
        world.script("work", &format!("echo $OPSGRAM_JOB >> {}; {}", runs.display(), gate.wait()), &[]);
        world.start().await;
        world.say(ANN, "/run work");
        world.say(ANN, "/run work");
        world.sees(ANN, "⏳ work · #2").await;
        let jobs = world.services().jobs.clone();
        let deliver = |id: i64| {
            let jobs = jobs.clone();
            tokio::spawn(async move { jobs.work(opsgram::base::ids::JobId(id)).await })
        };
        for _ in 0..5 {
            jobs.sweep().await.unwrap();
        }
        gate.open(1);
        let many: Vec<_> = (0..20).map(|n| deliver(1 + n % 2)).collect();
        gate.open(1);
        for one in many {
            one.await.unwrap();
        }
        world.quiet().await;
        deliver(1).await.unwrap();
        deliver(99).await.unwrap();
        assert_eq!(lines(&runs), ["1", "2"]);
        for number in [1, 2] {
            assert_eq!(world.job(&world.services().store, number).await.state, JobState::Succeeded);
        }
    }
}
