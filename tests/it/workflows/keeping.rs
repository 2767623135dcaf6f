//! Workflows that begin anew when they end: the rhythm, what is told of it, and who may break it. The clock of jobs, workflows and
//! schedules is moved by the test, so that a hold of five hours passes at once.

use super::program;
use crate::harness::{ANN, BEN, Database, OPS, Outside, PATIENCE, World};
use crate::on_both;
use opsgram::base::ids::JobId;
use opsgram::base::time::{Clock, Millis};
use opsgram::base::when::Zone;
use opsgram::store;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

const HOLD: Duration = Duration::from_secs(5 * 3600);

const VPS: &str = "workflows:
  vps:
    every: after_end
    steps: [{name: ready, run: [echo, ready]}, {name: hold, hold: 5h}]
    always: [{name: clean, run: [echo, cleaned]}]";

/// A clock that the test sets.
#[derive(Clone, Default)]
pub struct Hands {
    /// How far it is ahead, in milliseconds.
    ahead: Arc<AtomicI64>,
    /// Of what: of a moment, or of the machine's clock.
    still: Option<Millis>,
}

impl Hands {
    /// A clock that moves only when it is moved, so that a slow machine gives no time to anything.
    pub fn still() -> Self {
        Self {
            still: Some(Millis::now()),
            ..Self::default()
        }
    }

    pub fn clock(&self) -> Clock {
        let (ahead, still) = (Arc::clone(&self.ahead), self.still);
        Clock::new(move || {
            let base = still.unwrap_or_else(Millis::now);
            Millis(base.0 + ahead.load(Ordering::SeqCst))
        })
    }

    /// The clock is put forward.
    pub fn forward(&self, time: Duration) {
        let millis = i64::try_from(time.as_millis()).unwrap();
        self.ahead.fetch_add(millis, Ordering::SeqCst);
    }

    /// The clock is put back.
    pub fn back(&self, time: Duration) {
        let millis = i64::try_from(time.as_millis()).unwrap();
        self.ahead.fetch_sub(millis, Ordering::SeqCst);
    }

    /// So much time passes for a run.
    pub fn pass(&self, world: &World, time: Duration, run: i64) {
        self.forward(time);
        world.services().flows.wake(JobId(run));
        world.services().schedules.wake();
    }
}

/// The time from the end of one run to when the next was due, in milliseconds; it was asked for no earlier.
async fn gap(world: &World, run: i64) -> i64 {
    let store = world.services().store.clone();
    let (one, next) = (
        world.job(&store, run).await,
        world.job(&store, run + 1).await,
    );
    let due = next.new.source.rsplit(':').next().unwrap().parse::<i64>();
    let due = due.unwrap();
    assert!(next.new.created_at.0 >= due);
    due - one.finished_at.expect("it is over").0
}

/// The schedules are looked at.
async fn look(world: &World, hands: &Hands) {
    let schedules = &world.services().schedules;
    schedules.step(hands.clock().now()).await.unwrap();
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

/// Starts with a workflow that fails at once as long as there is no file `mended`, and begins anew.
async fn failing(world: &mut World) -> Hands {
    let here = world.path().display().to_string();
    let body = format!("echo trying; [ -e {here}/mended ]");
    let work = program(world, "work", &body);
    world.set(&format!(
        "workflows: {{vps: {{every: after_end, steps: [{{name: work, run: [sh, {work}]}}]}}}}"
    ));
    world.sandbox.open_private(ANN);
    let hands = Hands::still();
    world.start_at(hands.clock()).await;
    hands
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
            world.sees(ANN, &format!("▶️ vps · #{run}")).await;
            let card = world.sees(ANN, "⏳ hold").await;
            assert!(card.button("Stop").is_some(), "{}", card.text);
            for command in ["/schedules", "/workflow"] {
                let list = world.asks(ANN, ANN, command).await;
                assert!(list.text.contains(&format!("next when #{run} ends")), "{command}: {}", list.text);
            }
            if run == 2 {
                hands.pass(&world, HOLD / 2, run);
                world.stop().await;
                world.start_at(hands.clock()).await;
                world.sees(ANN, "2 h 30 m left").await;
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
            assert_eq!(gap, 0, "#{run} lasted, so the next one is due with its end");
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
        look(&world, &hands).await;
        assert_eq!((world.jobs().await, last_job(&world).await), (2, Some(JobId(1))));
        world.say(ANN, "/freeze moving");
        world.sees(ANN, "froze everything").await;
        hands.pass(&world, HOLD, 2);
        world.sees(BEN, "✅ vps · #2 · succeeded").await;
        look(&world, &hands).await;
        assert_eq!(world.jobs().await, 2);
        world.say(ANN, "/unfreeze");
        world.sees(ANN, "▶️ vps · #3").await;
        assert_eq!(last_job(&world).await, Some(JobId(3)));
    }
}

on_both! {
    /// What fails at once is told once, and begins again later and later; what goes well again is told.
    async fn what_fails_at_once_is_told_once(world) {
        let hands = failing(&mut world).await;
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
            hands.forward(Duration::from_secs(pause));
            world.services().schedules.wake();
            ended(&world, run).await;
            assert_eq!(gap(&world, i64::try_from(run).unwrap() - 1).await, i64::try_from(pause).unwrap() * 1000);
        }
        assert_eq!(world.count(ANN, "failed at work"), 1);
        fs::write(world.path().join("mended"), "").unwrap();
        hands.forward(Duration::from_secs(20));
        world.services().schedules.wake();
        let told = world.sees(ANN, "✅ succeeded").await;
        assert!(told.text.contains("· #4\n✅ work"), "{}", told.text);
        world.say(ANN, "/pause vps");
        world.sees(ANN, "vps is paused").await;
    }
}

on_both! {
    /// Stopped in the gap between two runs: after the start, the next one is due at the same moment, and both lists say so.
    async fn a_restart_in_the_gap_moves_nothing(world) {
        let hands = failing(&mut world).await;
        // Six failures make a pause of 160 s: long enough to be told as a time.
        for run in 1..=6 {
            ended(&world, run).await;
            if run < 6 {
                hands.forward(Duration::from_secs(300));
                world.services().schedules.wake();
            }
        }
        let store = world.services().store.clone();
        let end = world.job(&store, 6).await.finished_at.unwrap();
        let due = end.plus(Duration::from_secs(160));
        let next = Zone::Machine.clock(due, hands.clock().now());
        for restarted in [false, true] {
            for command in ["/schedules", "/workflow"] {
                let list = world.asks(ANN, ANN, command).await;
                assert!(list.text.contains("next ") && !list.text.contains("when #"), "{command}: {}", list.text);
                assert!(list.text.contains(&next), "{next}, {restarted}, {command}: {}", list.text);
            }
            world.stop().await;
            world.start_at(hands.clock()).await;
        }
        fs::write(world.path().join("mended"), "").unwrap();
        world.quiet().await;
        assert_eq!(world.jobs().await, 6, "not before its time");
        hands.forward(Duration::from_secs(160));
        world.services().schedules.wake();
        world.sees(ANN, "· #7\n✅ work").await;
        assert_eq!(gap(&world, 6).await, 160_000);
        world.say(ANN, "/pause vps");
        world.sees(ANN, "vps is paused").await;
    }
}

on_both! {
    /// A clock that is set while a run holds, and one that is set when it ends: one run follows, and only one.
    async fn a_clock_that_is_set_begins_no_second_run(world) {
        world.set(VPS);
        world.sandbox.open_private(ANN);
        let hands = Hands::default();
        world.start_at(hands.clock()).await;
        world.sees(ANN, "⏳ hold").await;
        // By a time server, a little back; then what is left passes.
        let ten = Duration::from_secs(600);
        hands.back(ten);
        look(&world, &hands).await;
        assert_eq!(world.jobs().await, 1);
        hands.pass(&world, HOLD + ten, 1);
        world.sees(ANN, "▶️ vps · #2").await;
        world.sees(ANN, "⏳ hold").await;
        assert_eq!(gap(&world, 1).await, 0);
        // A day forward: the hold is over, and what would have been since is not made up for.
        let day = Duration::from_secs(24 * 3600);
        hands.pass(&world, day, 2);
        world.sees(ANN, "▶️ vps · #3").await;
        world.sees(ANN, "⏳ hold").await;
        // The day was wrong: what stands in the future is no reason to wait a day.
        hands.back(day);
        look(&world, &hands).await;
        assert_eq!(world.jobs().await, 3, "the third goes on");
        hands.pass(&world, HOLD + day, 3);
        world.sees(ANN, "▶️ vps · #4").await;
        world.sees(ANN, "⏳ hold").await;
        hands.back(day);
        look(&world, &hands).await;
        world.say(ANN, "/workflow stop 4");
        world.sees(ANN, "stopped #4").await;
        world.say(ANN, "/resume vps");
        world.sees(ANN, "▶️ vps · #5").await;
        assert_eq!(world.jobs().await, 5);
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
    let (first, second) = Outside::two(&world).await;
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
