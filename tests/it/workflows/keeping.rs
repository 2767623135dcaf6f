//! Workflows that begin anew when they end: the rhythm, what is told of it, and who may break it. The clock of workflows is moved
//! by the test, so that a hold of five hours passes at once; everything else goes by the machine's.

use super::program;
use crate::harness::tools::until;
use crate::harness::{ANN, BEN, Database, OPS, Outside, PATIENCE, World};
use crate::on_both;
use opsgram::base::ids::JobId;
use opsgram::base::time::Millis;
use opsgram::store;
use opsgram::workflows::Clock;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const HOLD: Duration = Duration::from_secs(5 * 3600);

const VPS: &str = "workflows:
  vps:
    every: after_end
    steps: [{name: ready, run: [echo, ready]}, {name: hold, hold: 5h}]
    always: [{name: clean, run: [echo, cleaned]}]";

/// A clock that the test puts forward.
#[derive(Clone, Default)]
pub struct Hands(Arc<AtomicU64>);

impl Hands {
    pub fn clock(&self) -> Clock {
        let ahead = Arc::clone(&self.0);
        Arc::new(move || Millis::now().plus(Duration::from_secs(ahead.load(Ordering::SeqCst))))
    }

    /// So much time passes for a run.
    pub fn pass(&self, world: &World, time: Duration, run: i64) {
        self.0.fetch_add(time.as_secs(), Ordering::SeqCst);
        world.services().flows.wake(JobId(run));
    }
}

/// The time from the end of one run to when the next was asked for.
async fn gap(world: &World, run: i64) -> i64 {
    let store = world.services().store.clone();
    let (one, next) = (
        world.job(&store, run).await,
        world.job(&store, run + 1).await,
    );
    next.new.created_at.0 - one.finished_at.expect("it is over").0
}

/// So much time passes for what ended, and for the schedules.
async fn passes(world: &World, time: Duration) {
    let store = world.services().store.clone();
    let millis = i64::try_from(time.as_millis()).unwrap() + 1;
    let mut tx = store.begin().await.unwrap();
    for text in [
        "UPDATE jobs SET created_at = created_at - $1, finished_at = finished_at - $1",
        "UPDATE schedules SET anchor = anchor - $1, settled = settled - $1, last_due = last_due - $1",
    ] {
        sqlx::query(text)
            .bind(millis)
            .execute(&mut *tx)
            .await
            .unwrap();
    }
    store.commit(tx).await.unwrap();
    world.services().schedules.wake();
}

/// Waits until so many runs are over, and none is under way.
async fn ended(world: &World, runs: usize) {
    let begun = Instant::now();
    while world.jobs().await < runs {
        assert!(begun.elapsed() < PATIENCE, "never came: {runs} runs");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    world.quiet().await;
    assert_eq!(world.jobs().await, runs);
}

async fn last_job(world: &World) -> Option<JobId> {
    let mut db = world.services().store.read().await.unwrap();
    let row = store::schedules::find(&mut db, "vps").await.unwrap();
    row.unwrap().last_job
}

on_both! {
    /// Three runs of five hours follow each other, over a restart in the middle of one; what comes next is said truly. A run that
    /// is stopped is the last until somebody says so.
    async fn one_run_follows_the_other(world) {
        world.set(VPS);
        world.sandbox.open_private(ANN);
        let hands = Hands::default();
        world.start_at(hands.clock()).await;
        for run in 1..=3 {
            let card = world.sees(ANN, &format!("▶️ vps · #{run}")).await;
            assert!(card.button("Stop").is_some(), "{}", card.text);
            world.sees(ANN, "⏳ hold").await;
            for command in ["/schedules", "/workflow"] {
                let list = world.asks(ANN, ANN, command).await;
                assert!(list.text.contains(&format!("next when #{run} ends")), "{command}: {}", list.text);
            }
            if run == 2 {
                hands.pass(&world, HOLD / 2, run);
                world.stop().await;
                world.start_at(hands.clock()).await;
                world.sees(ANN, "h 29 m left").await;
                hands.pass(&world, HOLD / 2, run);
            } else if run == 1 {
                hands.pass(&world, HOLD, run);
            } else {
                break;
            }
            let told = world.sees(ANN, &format!("· #{run}\n✅ ready")).await;
            assert!(told.text.starts_with("🗓 vps · "), "{}", told.text);
            for words in ["✅ hold 5 h", "✅ clean", "✅ succeeded · 5 h"] {
                assert!(told.text.contains(words), "{words}: {}", told.text);
            }
            assert!(told.button("Run again").is_some() && told.button("Log: ready").is_some());
        }
        for run in [1, 2] {
            let gap = gap(&world, run).await;
            assert!((0..5000).contains(&gap), "{gap} ms after #{run}");
        }
        let list = world.asks(ANN, ANN, "/workflow").await;
        assert!(list.text.contains("2 ok"), "{}", list.text);
        let refused = world.asks(BEN, BEN, "/workflow run vps").await;
        assert!(refused.text.contains("running already as #3"), "{}", refused.text);
        let answer = world.asks(ANN, ANN, "/workflow stop vps").await;
        assert_eq!(answer.text, "Stopping #3 …", "what follows is told once");
        let told = world.sees(ANN, "🚫 stopped by").await;
        assert!(told.text.contains("✅ clean"), "{}", told.text);
        world.sees(ANN, "stopped #3, so no new run begins").await;
        let list = world.asks(ANN, ANN, "/workflow").await;
        assert!(list.text.contains("⏸ paused; /resume vps"), "{}", list.text);
        world.quiet().await;
        assert_eq!(world.jobs().await, 3);
        world.press(ANN, ANN, "Resume");
        world.sees(ANN, "▶️ vps · #4").await;
        assert_eq!(world.jobs().await, 4);
        world.polite();
    }
}

on_both! {
    /// A run by hand counts: nothing begins beside it, and the next one follows its end. Paused and frozen, nothing follows.
    async fn a_run_by_hand_counts(world) {
        world.set(VPS);
        world.sandbox.open_private(ANN);
        let hands = Hands::default();
        world.start_at(hands.clock()).await;
        world.sees(ANN, "⏳ hold").await;
        world.say(ANN, "/pause vps");
        world.sees(ANN, "vps is paused").await;
        hands.pass(&world, HOLD, 1);
        world.sees(ANN, "✅ succeeded · 5 h").await;
        world.quiet().await;
        world.say(BEN, "/workflow run vps");
        world.sees(BEN, "⏳ hold").await;
        let answer = world.asks(ANN, ANN, "/resume vps").await;
        assert_eq!(answer.text, "vps goes on. Next: when #2 ends");
        world.services().schedules.step(Millis::now()).await.unwrap();
        assert_eq!((world.jobs().await, last_job(&world).await), (2, Some(JobId(1))));
        world.say(ANN, "/freeze moving");
        world.sees(ANN, "froze everything").await;
        hands.pass(&world, HOLD, 2);
        world.sees(BEN, "✅ vps · #2 · succeeded").await;
        world.services().schedules.step(Millis::now()).await.unwrap();
        assert_eq!(world.jobs().await, 2);
        world.say(ANN, "/unfreeze");
        world.sees(ANN, "▶️ vps · #3").await;
        assert_eq!(last_job(&world).await, Some(JobId(3)));
    }
}

on_both! {
    /// What fails at once is told once, and begins again later and later; what goes well again is told.
    async fn what_fails_at_once_is_told_once(world) {
        let here = world.path().display().to_string();
        let work = program(&world, "work", &format!("echo trying; [ -e {here}/mended ]"));
        world.set(&format!(
            "workflows: {{vps: {{every: after_end, steps: [{{name: work, run: [sh, {work}]}}]}}}}"
        ));
        world.sandbox.open_private(ANN);
        world.start().await;
        let told = world.sees(ANN, "The next run begins in 5 s").await;
        for words in ["❌ work", "failed at work: exit 1", "trying"] {
            assert!(told.text.contains(words), "{words}: {}", told.text);
        }
        assert!(told.button("Retry from work").is_some());
        for (run, pause) in [(2, 5), (3, 10)] {
            world.quiet().await;
            assert_eq!(world.jobs().await, run - 1, "not before {pause} s");
            let list = world.asks(ANN, ANN, "/schedules").await;
            assert!(list.text.contains("\nnext ") && !list.text.contains("when #"), "{}", list.text);
            passes(&world, Duration::from_secs(pause)).await;
            ended(&world, run).await;
        }
        assert_eq!(world.count(ANN, "failed at work"), 1);
        fs::write(world.path().join("mended"), "").unwrap();
        passes(&world, Duration::from_secs(20)).await;
        let told = world.sees(ANN, "✅ succeeded").await;
        assert!(told.text.contains("· #4\n✅ work"), "{}", told.text);
        world.say(ANN, "/pause vps");
        world.sees(ANN, "vps is paused").await;
    }
}

/// Waits until so many runs were made, and every update is dealt with.
async fn settled(world: &World, store: &store::Store, runs: i64) {
    let begun = Instant::now();
    loop {
        let updates = world.sandbox.pending_updates();
        let mut db = store.read().await.unwrap();
        let open = store::inbox::unhandled(&mut db).await.unwrap();
        let made: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM jobs")
            .fetch_one(&mut *db)
            .await
            .unwrap();
        drop(db);
        if updates == 0 && open.is_empty() && made >= runs {
            return assert_eq!(made, runs);
        }
        assert!(begun.elapsed() < PATIENCE, "never came: {runs} runs");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Two bots on one database: starts at the same instant, by hand and by itself, make one run; it outlives the one that led.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_instances_keep_one_run() {
    let mut world = World::new(Database::postgres().await).await;
    world.set(VPS);
    world.sandbox.open_private(ANN);
    let first = Outside::start(&world).await;
    let second = Outside::spawn(&world);
    until("the second to work beside the first", || {
        second.logged().contains("another instance leads")
    })
    .await;
    let store = world.database().await;
    world.sees(ANN, "⏳ hold").await;
    for run in 1..=3 {
        settled(&world, &store, run).await;
        world.say(ANN, &format!("/workflow stop {run}"));
        world
            .sees(ANN, &format!("stopped #{run}, so no new run begins"))
            .await;
        world.say(ANN, "/resume vps");
        world.say(BEN, "/workflow run vps");
        world.sandbox.say(ANN, OPS, "/workflow run vps");
        settled(&world, &store, run + 1).await;
    }
    let before = world.sandbox.seq();
    first.kill().await;
    world.polled_since(before).await;
    let told = world.asks(ANN, ANN, "/schedules").await;
    assert!(told.text.contains("next when #4 ends"), "{}", told.text);
    settled(&world, &store, 4).await;
    assert_eq!(second.terminate().await.0, Some(0));
    store.close().await;
    world.finish().await;
}
