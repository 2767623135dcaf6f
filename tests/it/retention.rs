//! What is kept of old jobs, by age, number and size; and what never goes.

use crate::harness::tools::Gate;
use crate::harness::{ANN, BEN, World};
use crate::history::{Past, past};
use crate::on_both;
use opsgram::base::ids::{ChatId, JobId, Place};
use opsgram::base::time::Millis;
use opsgram::delivery::Outgoing;
use opsgram::jobs::retention::{Keep, Removed};
use opsgram::sandbox::{Fault, FaultKind};
use std::fs;
use std::path::PathBuf;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const DAY: i64 = 24 * 3_600_000;
const ALL: Keep = Keep {
    age: Duration::from_secs(365 * 24 * 3600),
    count: 1_000_000,
    bytes: u64::MAX,
};

fn log(world: &World, id: i64) -> PathBuf {
    world.path().join(format!("data/logs/{id}.log"))
}

/// Past jobs of these ages in days, each with a log of a thousand bytes.
async fn with_logs(world: &World, ages: &[i64]) {
    let store = world.services().store.clone();
    let now = Millis::now().0;
    let job = |age: &i64| Past {
        title: "hello",
        state: "succeeded",
        role: "operator",
        asker: BEN,
        at: now - age * DAY,
    };
    let first = past(&store, &ages.iter().map(job).collect::<Vec<_>>()).await;
    for number in (first..).take(ages.len()) {
        fs::write(log(world, number), "x".repeat(1000)).unwrap();
    }
    let mut tx = store.begin().await.unwrap();
    sqlx::query("UPDATE jobs SET log_bytes = 1000 WHERE id >= $1")
        .bind(first)
        .execute(&mut *tx)
        .await
        .unwrap();
    store.commit(tx).await.unwrap();
}

async fn forget(world: &World, keep: Keep) -> Removed {
    let (jobs, stop) = (&world.services().jobs, CancellationToken::new());
    jobs.forget_old(keep, Millis::now(), &stop).await.unwrap()
}

/// The numbers of the jobs that are kept; each has its log, and no other log is there.
async fn kept(world: &World) -> Vec<i64> {
    let mut db = world.services().store.read().await.unwrap();
    let rows = sqlx::query_scalar::<_, i64>("SELECT id FROM jobs ORDER BY id");
    let jobs = rows.fetch_all(&mut *db).await.unwrap();
    let mut logs: Vec<i64> = fs::read_dir(world.path().join("data/logs"))
        .unwrap()
        .filter_map(|entry| {
            entry
                .unwrap()
                .file_name()
                .to_str()?
                .strip_suffix(".log")?
                .parse()
                .ok()
        })
        .collect();
    logs.sort_unstable();
    assert_eq!(jobs, logs);
    jobs
}

on_both! {
    /// Each limit takes the oldest, their logs with them, and says so when they are asked for.
    async fn each_limit_takes_the_oldest_first(world) {
        world.start().await;
        with_logs(&world, &[40, 35, 20, 10, 5, 4, 3, 2, 1]).await;
        assert_eq!(forget(&world, ALL).await, Removed::default());
        assert_eq!(kept(&world).await.len(), 9);
        let removed = forget(&world, Keep { age: Duration::from_secs(30 * 24 * 3600), ..ALL }).await;
        assert_eq!((removed.by_age, kept(&world).await), (2, vec![3, 4, 5, 6, 7, 8, 9]));
        let removed = forget(&world, Keep { count: 5, ..ALL }).await;
        assert_eq!((removed.by_count, kept(&world).await), (2, vec![5, 6, 7, 8, 9]));
        let removed = forget(&world, Keep { bytes: 3500, ..ALL }).await;
        assert_eq!((removed.by_size, kept(&world).await), (2, vec![7, 8, 9]));
        for (number, why) in [
            (1, "it was older than jobs are kept (jobs.keep)."),
            (3, "more jobs had ended than are kept (jobs.keep_count)."),
            (6, "the logs were larger than is kept (jobs.keep_size)."),
        ] {
            for ask in ["/output", "/job", "/retry"] {
                let told = world.asks(BEN, BEN, &format!("{ask} {number}")).await;
                let begins = format!("#{number} and its log are no longer kept. They were removed at ");
                assert!(told.text.starts_with(&begins) && told.text.ends_with(why), "{ask}: {}", told.text);
            }
        }
        let never = world.asks(BEN, BEN, "/output 99").await;
        assert_eq!(never.text, "There is no job #99 that you may see. /jobs lists the newest.");
        assert_eq!(forget(&world, Keep { count: 5, ..ALL }).await, Removed::default());
    }
}

on_both! {
    /// More than one batch goes in one sweep.
    async fn many_go_in_batches(world) {
        world.start().await;
        with_logs(&world, &[9; 450]).await;
        let removed = forget(&world, Keep { count: 3, ..ALL }).await;
        assert_eq!((removed.by_count, kept(&world).await), (447, vec![448, 449, 450]));
    }
}

on_both! {
    /// Jobs that run or wait are kept whatever the limits say, with their logs.
    async fn what_has_not_ended_is_kept(world) {
        let mut gate = Gate::new(&world, "gate");
        let wait = gate.wait();
        world.script("long", &format!("echo begun; {wait}"), &["concurrency: 1"]);
        world.start().await;
        world.say(BEN, "/run long");
        world.sees(BEN, "begun").await;
        world.say(ANN, "/run long");
        world.sees(ANN, "queued").await;
        let nothing = Keep { age: Duration::ZERO, count: 1, bytes: 0 };
        assert_eq!(forget(&world, nothing).await, Removed::default());
        assert!(log(&world, 1).exists());
        gate.open(2);
        world.sees(BEN, "✅ long · #1").await;
        world.sees(ANN, "✅ long · #2").await;
        world.quiet().await;
    }
}

on_both! {
    /// What somebody has to confirm yet is kept whatever the limits say: else nothing would take it back.
    async fn what_has_to_be_confirmed_is_kept(world) {
        world.script("put", "echo put", &["undo: [echo, back]", "confirm_within: 5m"]);
        world.start().await;
        world.say(BEN, "/run put");
        let asked = world.sees(BEN, "✋ put · #1").await;
        world.quiet().await;
        let nothing = Keep { age: Duration::ZERO, count: 0, bytes: 0 };
        assert_eq!(forget(&world, nothing).await, Removed::default());
        let stop = CancellationToken::new();
        world.services().jobs.forget_messages(Millis::now(), &stop).await.unwrap();
        world.presses(BEN, &asked, "It works, keep it").await;
        let kept = world.sees(BEN, "✅ put · #1\nKept by ").await;
        assert_eq!(kept.id, asked.id);
        world.quiet().await;
        assert_eq!(forget(&world, nothing).await.by_age, 1);
    }
}

on_both! {
    /// A result that has not reached its chat keeps its job; once it has, the job may go, and what the outbox kept as well.
    async fn an_undelivered_result_keeps_its_job(world) {
        world.script("hello", "echo Hello", &[]);
        world.start().await;
        world.say(BEN, "/run hello");
        world.sees(BEN, "✅ hello · #1").await;
        world.quiet().await;
        let fault = Fault::always(FaultKind::ServerError(502)).in_chat(BEN);
        world.sandbox.fault(fault);
        let place = Place { chat: ChatId(BEN), thread: None };
        let late = Outgoing::text(place, "late", Vec::new()).of_job(JobId(1));
        world.services().outbox.post(&late).await.unwrap();
        let nothing = Keep { age: Duration::ZERO, count: 1, bytes: 0 };
        assert_eq!(forget(&world, nothing).await, Removed::default());
        assert!(log(&world, 1).exists());
        world.sandbox.clear_faults();
        world.services().outbox.hurry(ChatId(BEN));
        world.sees(BEN, "late").await;
        world.quiet().await;
        assert_eq!(forget(&world, nothing).await.by_age, 1);
        assert!(!log(&world, 1).exists());
        let mut db = world.services().store.read().await.unwrap();
        for table in ["outbox", "slots", "jobs"] {
            let text = sqlx::AssertSqlSafe(format!("SELECT COUNT(*) FROM {table}"));
            let left: i64 = sqlx::query_scalar(text).fetch_one(&mut *db).await.unwrap();
            assert_eq!(left, 0, "{table}");
        }
    }
}

on_both! {
    /// A crash between the row and the file leaves a log that is nobody's: the next sweep takes it, and nothing else.
    async fn a_log_that_a_crash_left_behind_is_swept(world) {
        world.start().await;
        with_logs(&world, &[9, 8, 7]).await;
        let store = world.services().store.clone();
        let mut tx = store.begin().await.unwrap();
        let (why, now) = (opsgram::store::retention::Why::Age, Millis::now());
        let gone = opsgram::store::retention::forget(&mut tx, &[JobId(1), JobId(2)], why, now).await.unwrap();
        store.commit(tx).await.unwrap();
        assert_eq!(gone, [JobId(1), JobId(2)]);
        let folder = world.path().join("data/logs");
        fs::create_dir(folder.join("2.log.tail")).unwrap();
        fs::write(folder.join("2.log.tail/5"), "tail").unwrap();
        // Of a job that is yet to come, by a database that was put back to an older state.
        fs::write(folder.join("77.log"), "kept").unwrap();
        fs::write(folder.join("notes.txt"), "kept").unwrap();
        assert_eq!(forget(&world, ALL).await.orphans, 2);
        let mut left: Vec<_> = fs::read_dir(&folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        left.sort();
        assert_eq!(left, ["3.log", "77.log", "notes.txt"]);
        let told = world.asks(BEN, BEN, "/output 2").await;
        assert!(told.text.starts_with("#2 and its log are no longer kept."), "{}", told.text);
    }
}

on_both! {
    /// What jobs left on the server counts like their logs, also of those that printed nothing; of one that runs it does not.
    async fn files_that_were_left_count_like_logs(world) {
        let mut gate = Gate::new(&world, "gate");
        world.script("runs", &format!("head -c 9000 /dev/zero > \"$OPSGRAM_OUT/much\"; echo begun; {}", gate.wait()), &[]);
        world.start().await;
        with_logs(&world, &[9, 8, 7]).await;
        let left = |id: i64| world.path().join(format!("data/work/{id}"));
        for id in [1, 2] {
            let deep = left(id).join("out/deep");
            fs::create_dir_all(&deep).unwrap();
            fs::write(deep.join("left"), "x".repeat(5000)).unwrap();
            let holes = fs::File::create(deep.join("holes")).unwrap();
            holes.set_len(1 << 30).unwrap();
        }
        fs::remove_file(log(&world, 1)).unwrap();
        let mut tx = world.services().store.begin().await.unwrap();
        sqlx::query("UPDATE jobs SET log_bytes = 0 WHERE id = 1").execute(&mut *tx).await.unwrap();
        world.services().store.commit(tx).await.unwrap();
        world.say(BEN, "/run runs");
        world.sees(BEN, "begun").await;
        let room = Keep { bytes: 20_000, ..ALL };
        assert_eq!(forget(&world, room).await, Removed::default());
        let removed = forget(&world, Keep { bytes: 8000, ..ALL }).await;
        assert_eq!((removed.by_size, kept(&world).await), (1, vec![2, 3, 4]));
        assert!(!left(1).exists() && left(2).exists() && left(4).exists());
        gate.open(1);
        world.sees(BEN, "exit 0").await;
    }
}

on_both! {
    /// The steps of a run and their logs go with it.
    async fn the_steps_of_a_run_go_with_it(world) {
        world.set("workflows: {two: {steps: [{name: a, run: [echo, one]}, {name: b, run: [echo, two]}]}}");
        world.start().await;
        world.say(ANN, "/workflow run two");
        world.sees(ANN, "succeeded").await;
        world.quiet().await;
        let logs = world.path().join("data/logs/1.steps");
        assert!(logs.is_dir());
        forget(&world, Keep { count: 0, ..ALL }).await;
        let mut db = world.services().store.read().await.unwrap();
        let steps = sqlx::query_scalar::<_, i64>("SELECT COUNT(*) FROM workflow_steps");
        assert_eq!(steps.fetch_one(&mut *db).await.unwrap(), 0);
        assert!(!logs.exists());
    }
}
