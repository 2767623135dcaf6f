//! Runs that were cut off where something is at stake: in an undo, in what always runs, again and again, on a machine that is
//! lost, and by an instance that wakes after another took its runs over.

use super::killed::rows;
use super::program;
use crate::harness::tools::{Gate, children, lines, until};
use crate::harness::{BEN, Database, Outside, World};
use crate::on_both;
use nix::sys::signal::Signal::{self, SIGCONT, SIGKILL, SIGSTOP};
use opsgram::base::workflow::StepState;
use std::path::PathBuf;

fn signal(pid: i32, signal: Signal) {
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), signal).unwrap();
}

/// A program `work` that writes its argument to `done` and waits at a gate.
fn work(world: &World) -> (String, PathBuf, Gate) {
    let done = world.path().join("done");
    let gate = Gate::new(world, "gate");
    let body = format!(
        "echo $1 >> {}; echo begun $1; {}",
        done.display(),
        gate.wait()
    );
    (program(world, "work", &body), done, gate)
}

on_both! {
    /// What takes something back does not run twice by itself; somebody says what now.
    async fn an_undo_that_was_cut_off_is_asked_about(world) {
        let (work, done, mut gate) = work(&world);
        world.set(&format!(
            "workflows: {{w: {{notify: [], steps: [{{name: put, run: ['true'], confirm_within: 1h, undo: [sh, {work}, back]}}]}}}}"
        ));
        let bot = Outside::start(&world).await;
        world.say(BEN, "/workflow run w");
        let asked = world.sees(BEN, "Unless ben or an admin confirms").await;
        world.presses(BEN, &asked, "Take it back").await;
        until("it to be taken back", || lines(&done).len() == 1).await;
        bot.kill().await;
        let bot = Outside::start(&world).await;
        let asked = world.sees(BEN, "stopped while it was being taken back").await;
        assert_eq!(lines(&done), ["back"]);
        let told = world.presses(BEN, &asked, "Take it back again").await.unwrap();
        assert_eq!(told, "It is being taken back again: put of #1.");
        until("it to be taken back again", || lines(&done).len() == 2).await;
        bot.kill().await;
        let bot = Outside::start(&world).await;
        world.sees(BEN, "stopped while it was being taken back").await;
        world.say(BEN, "/workflow stop w");
        let card = world.sees(BEN, "stopped by ben").await;
        assert!(card.text.contains("look after it yourself"), "{}", card.text);
        assert_eq!(lines(&done), ["back", "back"]);
        gate.open(1);
        bot.terminate().await;
    }
}

on_both! {
    /// A step under which the bot dies each time is given up, and what always runs does.
    async fn a_step_that_takes_the_bot_down_is_given_up(world) {
        let (work, done, _gate) = work(&world);
        world.set(&format!(
            "workflows: {{w: {{notify: [], steps: [{{name: work, run: [sh, {work}, work], on_crash: retry}}], always: [{{name: last, run: [sh, -c, 'echo last >> {}']}}]}}}}",
            done.display()
        ));
        let mut bot = Outside::start(&world).await;
        world.say(BEN, "/workflow run w");
        for start in 1..=3 {
            until("another start", || lines(&done).len() == start).await;
            bot.kill().await;
            bot = Outside::start(&world).await;
        }
        world.sees(BEN, "failed at work: the bot died under it 3 times").await;
        assert_eq!(lines(&done), ["work", "work", "work", "last"]);
        bot.terminate().await;
    }
}

on_both! {
    /// Whoever says that what always runs is to be asked about is asked, and Stop ends the question.
    async fn a_question_of_the_end_is_ended_by_stop(world) {
        let (work, done, _gate) = work(&world);
        world.set(&format!(
            "workflows: {{w: {{notify: [], steps: [{{name: first, run: ['true']}}], always: [{{name: clean, run: [sh, {work}, clean], on_crash: ask}}, {{name: last, run: [sh, -c, 'echo last >> {}']}}]}}}}",
            done.display()
        ));
        let bot = Outside::start(&world).await;
        world.say(BEN, "/workflow run w");
        until("it to tidy up", || lines(&done).len() == 1).await;
        bot.kill().await;
        let bot = Outside::start(&world).await;
        world.sees(BEN, "The bot was stopped while this step ran").await;
        world.say(BEN, "/workflow stop w");
        let card = world.sees(BEN, "stopped by ben").await;
        assert!(card.text.contains("🚫 clean") && card.text.contains("✅ last"), "{}", card.text);
        assert_eq!(lines(&done), ["clean", "last"]);
        bot.terminate().await;
    }
}

on_both! {
    /// Taken over behind its back, a run writes nothing any more and begins no further step.
    async fn what_was_taken_over_writes_nothing(world) {
        let (work, done, mut gate) = work(&world);
        world.set(&format!(
            "workflows: {{w: {{notify: [], steps: [{{name: a, run: [sh, {work}, a]}}, {{name: b, run: [sh, {work}, b]}}], always: [{{name: last, run: [sh, {work}, last]}}]}}}}"
        ));
        let bot = Outside::start(&world).await;
        world.say(BEN, "/workflow run w");
        world.sees(BEN, "begun a").await;
        let store = world.database().await;
        let before = rows(&store, 1).await;
        let mut tx = store.begin().await.unwrap();
        sqlx::query("UPDATE jobs SET starts = starts + 1 WHERE id = 1").execute(&mut *tx).await.unwrap();
        store.commit(tx).await.unwrap();
        gate.open(1);
        until("it to notice", || bot.logged().contains("was taken over")).await;
        assert_eq!(rows(&store, 1).await, before);
        assert_eq!(lines(&done), ["a"]);
        store.close().await;
        assert_eq!(bot.terminate().await.0, Some(0));
        assert_eq!(lines(&done), ["a"]);
    }
}

/// The processes of a lost machine cannot be seen from here: a step that may be repeated is asked about all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_lost_machine_may_still_do_is_not_begun_again() {
    let mut world = World::new(Database::postgres().await).await;
    let (work, done, mut gate) = work(&world);
    world.set(&format!(
        "workflows: {{w: {{notify: [], steps: [{{name: work, run: [sh, {work}, work], on_crash: retry}}]}}}}"
    ));
    let bot = Outside::start(&world).await;
    world.say(BEN, "/workflow run w");
    until("it to be at work", || lines(&done).len() == 1).await;
    bot.kill().await;
    let db = world.database().await;
    let mut tx = db.begin().await.unwrap();
    sqlx::query("UPDATE instances SET place = 'elsewhere', host = 'lost', alone = 1")
        .execute(&mut *tx)
        .await
        .unwrap();
    db.commit(tx).await.unwrap();
    let bot = Outside::spawn(&world);
    let asked = world.sees(BEN, "It may still run there").await;
    assert_eq!(lines(&done), ["work"]);
    world.presses(BEN, &asked, "Run again").await;
    until("it to run again", || lines(&done).len() == 2).await;
    gate.open(2);
    world.sees(BEN, "✅ w · #1 · succeeded").await;
    db.close().await;
    bot.terminate().await;
    for left in children(&world) {
        signal(left, SIGKILL);
    }
    world.finish().await;
}

/// Paused, taken for dead and woken, an instance finds its programs ended, and takes that for no end of their steps.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_wakes_leaves_to_the_other_what_it_took_over() {
    const RUNS: usize = 4;
    let mut world = World::new(Database::postgres().await).await;
    let (work, done, mut gate) = work(&world);
    world.set(&format!(
        "workflows: {{w: {{concurrency: parallel, notify: [], steps: [{{name: work, run: [sh, {work}, work], on_crash: retry}}], always: [{{name: last, run: [sh, -c, 'echo last >> {}']}}]}}}}",
        done.display()
    ));
    let first = Outside::start(&world).await;
    for _ in 0..RUNS {
        world.say(BEN, "/workflow run w");
    }
    until("all to be at work", || lines(&done).len() == RUNS).await;
    let second = Outside::beside(&world).await;
    let pid = i32::try_from(first.id()).unwrap();
    signal(pid, SIGSTOP);
    until("the other to take them over", || {
        lines(&done).len() == 2 * RUNS
    })
    .await;
    signal(pid, SIGCONT);
    until("it to notice", || {
        first.logged().contains("was taken for dead")
    })
    .await;
    let db = world.database().await;
    for run in 1..=RUNS {
        let rows = rows(&db, i64::try_from(run).unwrap()).await;
        let states: Vec<_> = rows.iter().map(|row| row.state).collect();
        assert_eq!(states, [StepState::Running, StepState::Waiting], "#{run}");
    }
    gate.open(RUNS);
    world.quiet_in(&db).await;
    assert_eq!(
        lines(&done).iter().filter(|line| *line == "last").count(),
        RUNS
    );
    for run in 1..=RUNS {
        world.sees(BEN, &format!("✅ w · #{run} · succeeded")).await;
    }
    db.close().await;
    for bot in [first, second] {
        assert_eq!(bot.terminate().await.0, Some(0));
    }
    world.finish().await;
}
