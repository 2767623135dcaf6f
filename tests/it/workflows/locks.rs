//! Named locks: one holder at a time, whoever asks, and whatever is killed.

use super::program;
use crate::harness::tools::{Gate, lines, until};
use crate::harness::{BEN, Database, OPS, Outside, World};
use crate::on_both;

/// Two scripts and a workflow that say when they begin and end, and wait for `gate` in between; all have the lock `db`.
fn three(world: &mut World, gate: &Gate) {
    let done = world.path().join("done").display().to_string();
    let body = |name: &str| {
        format!(
            "echo {name} begins >> {done}; {}; echo {name} ends >> {done}",
            gate.wait()
        )
    };
    for name in ["one", "two"] {
        world.script(name, &body(name), &["lock: db"]);
    }
    let step = program(world, "step.sh", &body("step"));
    world.set(&format!(
        "workflows: {{flow: {{steps: [{{name: work, run: [sh, {step}], lock: db}}, {{name: beside, run: [echo, beside], needs: []}}]}}}}"
    ));
}

/// Each that began ended before another did.
fn one_at_a_time(lines: &[String]) -> bool {
    lines.chunks(2).all(|two| match two {
        [first, second] => first.strip_suffix(" begins") == second.strip_suffix(" ends"),
        [first] => first.ends_with(" begins"),
        _ => false,
    })
}

on_both! {
    /// A script, another one and a step: each waits for the one before, says for whom, and nothing else waits with it.
    async fn scripts_and_steps_share_a_lock(world) {
        let mut gate = Gate::new(&world, "gate");
        three(&mut world, &gate);
        let done = world.path().join("done");
        world.start().await;
        world.say(BEN, "/run one");
        until("the first", || lines(&done) == ["one begins"]).await;
        world.sandbox.say(BEN, OPS, "/workflow run flow");
        let card = world.sees(OPS, "work · waits for the lock db, held by #1 (one)").await;
        assert!(card.text.contains("🔒"), "{}", card.text);
        world.sees(OPS, "✅ beside").await;
        world.say(BEN, "/run two");
        world.sees(BEN, "queued · waits for the lock db, held by #1 (one)").await;
        let told = world.asks(BEN, BEN, "/workflow status 2").await;
        assert!(told.text.contains("held by #1 (one)"), "{}", told.text);
        gate.open(1);
        until("the step", || lines(&done).last().is_some_and(|line| line == "step begins")).await;
        gate.open(1);
        until("the last", || lines(&done).last().is_some_and(|line| line == "two begins")).await;
        gate.open(1);
        world.sees(OPS, "✅ flow · #2 · succeeded").await;
        world.sees(BEN, "✅ two · #3 · exit 0").await;
        world.quiet().await;
        let all = lines(&done);
        assert!(all.len() == 6 && one_at_a_time(&all), "{all:?}");
    }
}

on_both! {
    /// Whoever had the lock was killed: a script gives it back with its row, a step when somebody says what becomes of it.
    async fn what_was_killed_has_no_lock(world) {
        let mut gate = Gate::new(&world, "gate");
        three(&mut world, &gate);
        let done = world.path().join("done");
        let bot = Outside::start(&world).await;
        world.say(BEN, "/run one");
        until("the script", || lines(&done) == ["one begins"]).await;
        world.say(BEN, "/workflow run flow");
        world.sees(BEN, "held by #1 (one)").await;
        bot.kill().await;
        let bot = Outside::start(&world).await;
        world.sees(BEN, "💥 one · #1").await;
        until("the step", || lines(&done) == ["one begins", "step begins"]).await;
        world.say(BEN, "/run two");
        world.sees(BEN, "held by #2 (flow)").await;
        bot.kill().await;
        let bot = Outside::start(&world).await;
        world.sees(BEN, "The bot was stopped while this step ran").await;
        until("the other script", || lines(&done).last().is_some_and(|line| line == "two begins")).await;
        gate.open(1);
        world.sees(BEN, "✅ two · #3 · exit 0").await;
        bot.terminate().await;
    }
}

/// Two instances share a lock: whatever runs where, one at a time, and whoever waits at one hears that the other gave it back.
/// While the only worker of one is busy, nothing waits for that one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_instances_share_a_lock() {
    let mut world = World::new(Database::postgres().await).await;
    let mut gate = Gate::new(&world, "gate");
    three(&mut world, &gate);
    world.set("jobs: {workers: 1}");
    let (mut leave, inside) = (Gate::new(&world, "leave"), world.path().join("inside"));
    let busy = format!("echo in >> {}; {}", inside.display(), leave.wait());
    world.script("busy", &busy, &[]);
    let done = world.path().join("done");
    let (first, second) = Outside::two(&world).await;
    let store = world.database().await;
    for round in 0..4 {
        // In the later rounds one of them is busy; else it is theirs to settle which of them takes what.
        if round == 2 {
            world.say(BEN, "/run busy");
            until("one to be busy", || !lines(&inside).is_empty()).await;
        }
        let before = lines(&done).len();
        for command in ["/run one", "/workflow run flow", "/run two"] {
            world.say(BEN, command);
        }
        for begun in 1..=3 {
            until("the next", || lines(&done).len() == before + 2 * begun - 1).await;
            gate.open(1);
        }
        until("the last to end", || lines(&done).len() == before + 6).await;
        world.quiet_but(&store, u64::from(round >= 2)).await;
    }
    leave.open(1);
    world.quiet_in(&store).await;
    let all = lines(&done);
    assert!(one_at_a_time(&all), "{all:?}");
    for bot in [first, second] {
        bot.terminate().await;
    }
    store.close().await;
    world.finish().await;
}

on_both! {
    /// What takes a step back waits for the step's lock as the step did: by itself in its run, and in a run of its own.
    async fn what_takes_back_waits_for_the_lock(world) {
        let mut gate = Gate::new(&world, "gate");
        let done = world.path().join("done");
        let here = done.display();
        world.script("long", &format!("echo long >> {here}; {}; echo ends >> {here}", gate.wait()), &["lock: db"]);
        world.set(&format!(
            "workflows: {{flow: {{notify: [], steps: [{{name: put, lock: db, run: [sh, -c, 'echo put >> {here}'], undo: [sh, -c, 'echo back >> {here}'], confirm_within: 5m}}]}}}}"
        ));
        world.start().await;
        world.say(BEN, "/workflow run flow");
        world.sees(BEN, "Unless ben or an admin confirms").await;
        world.say(BEN, "/run long");
        until("the script", || lines(&done) == ["put", "long"]).await;
        let pressed = world.press(BEN, BEN, "Take it back");
        world.answer(&pressed).await;
        world.sees(BEN, "waits for the lock db, held by #2 (long)").await;
        assert_eq!(lines(&done), ["put", "long"]);
        gate.open(1);
        world.sees(BEN, "failed at put: not kept by ben, so it was taken back").await;
        world.say(BEN, "/workflow run flow");
        world.sees(BEN, "#3 · put\nIt succeeded").await;
        let pressed = world.press(BEN, BEN, "It works, keep it");
        world.answer(&pressed).await;
        let card = world.sees(BEN, "✅ flow · #3 · succeeded").await;
        world.quiet().await;
        world.say(BEN, "/run long");
        until("the script", || lines(&done).last().is_some_and(|line| line == "long")).await;
        world.presses(BEN, &card, "Undo … (10 m)").await;
        let asked = world.sees(BEN, "Take back flow · #3?").await;
        world.presses(BEN, &asked, "Take it back").await;
        world.sees(BEN, "waits for the lock db, held by #4 (long)").await;
        gate.open(1);
        world.sees(BEN, "↩️ flow · #5 · took back #3").await;
        world.quiet().await;
        assert_eq!(lines(&done), ["put", "long", "ends", "back", "put", "long", "ends", "back"]);
    }
}
