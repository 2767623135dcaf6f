//! Promises 1 to 3 under fire: whatever is killed when, no command is lost, none runs twice, all are told.

use crate::harness::stalls::ran_since;
use crate::harness::tools::{Gate, children, lines, until};
use crate::harness::{ANN, BEN, Database, Outside, PATIENCE, World};
use crate::on_both;
use opsgram::base::job::JobState;
use opsgram::base::role::Role;
use opsgram::sandbox::{Fault, FaultKind, Message, Sent};
use opsgram::store;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// The first of the persons of the load.
const CROWD: i64 = 5_000;
/// How many there are.
const PERSONS: i64 = 20;
/// What each asks for.
const EACH: usize = 3;
/// How often the bot is killed meanwhile.
const KILLS: usize = 8;
/// A job that the crash cut off is told this soon after the start.
const TOLD_WITHIN: Duration = Duration::from_secs(5);

/// Every job there is, newest first.
async fn every_job(db: &mut store::Connection) -> store::Result<Vec<store::jobs::Job>> {
    let (all, newest) = (
        store::history::Filter::default(),
        store::history::Cursor::Newest,
    );
    store::history::list(db, &all, Role::Owner, newest, 1000).await
}

/// The messages of the bot that answer a command, as they stand.
fn answers(world: &World, chat: i64, command: &Sent) -> Vec<Message> {
    let messages = world.sandbox.from_bot(chat);
    messages
        .into_iter()
        .filter(|message| message.reply_to == Some(command.message_id))
        .collect()
}

fn crowd(world: &mut World) {
    let mut people = "access:\n  users:\n".to_owned();
    for person in CROWD..CROWD + PERSONS {
        world
            .sandbox
            .add_person(person, &format!("P{person}"), None);
        people.push_str(&format!(
            "    - {{id: {person}, name: p{person}, role: operator}}\n"
        ));
    }
    world.people(&people);
}

on_both! {
    /// Sixty commands, eight times `kill -9` at seeded moments.
    async fn whenever_it_is_killed_no_command_is_lost_and_none_runs_twice(world) {
        let seed: u64 = match std::env::var("OPSGRAM_TEST_SEED") {
            Ok(seed) => seed.parse().unwrap(),
            Err(_) => rand::rng().random(),
        };
        println!("OPSGRAM_TEST_SEED={seed}");
        let mut random = StdRng::seed_from_u64(seed);
        crowd(&mut world);
        let runs = world.path().join("runs");
        let body = format!("echo $OPSGRAM_JOB >> {}; sleep $1; echo done", runs.display());
        world.script("work", &body, &["args: [{name: pause, pattern: '^0[.][0-9]+$'}]", "concurrency: 8"]);
        world.set("jobs: {workers: 8}");
        let mut asked: Vec<(i64, Sent)> = Vec::new();
        let mut todo: Vec<i64> = (0..PERSONS * EACH as i64).map(|n| CROWD + n % PERSONS).collect();
        for _ in 0..KILLS {
            let bot = Outside::spawn(&world);
            for _ in 0..todo.len().min(PERSONS as usize * EACH / KILLS + 1) {
                let person = todo.pop().unwrap();
                let pause = [0, 0, 1, 3][random.random_range(0..4)];
                asked.push((person, world.say(person, &format!("/run work 0.{pause}"))));
            }
            // The moment of death is the point of the test; nothing is waited for.
            tokio::time::sleep(Duration::from_millis(random.random_range(0..1500))).await;
            bot.kill().await;
        }
        assert!(todo.is_empty());
        let bot = Outside::start(&world).await;
        let db = world.database().await;
        world.quiet_in(&db).await;
        let mut started: HashMap<i64, usize> = HashMap::new();
        for line in lines(&runs) {
            *started.entry(line.parse().unwrap()).or_default() += 1;
        }
        let mut reading = db.read().await.unwrap();
        let all = every_job(&mut reading).await.unwrap();
        drop(reading);
        assert_eq!(all.len(), asked.len(), "seed {seed}: a command has not exactly one job");
        let mut lost = 0;
        for job in &all {
            let times = started.get(&job.id.0).copied().unwrap_or(0);
            match job.state {
                JobState::Succeeded => assert_eq!(times, 1, "seed {seed}: #{}", job.id),
                JobState::Lost => {
                    lost += 1;
                    assert!(times <= 1, "seed {seed}: #{} ran {times} times", job.id);
                }
                state => panic!("seed {seed}: #{} is {state:?}", job.id),
            }
        }
        println!("{lost} of {} were lost", all.len());
        for (person, command) in &asked {
            let job = all.iter().find(|job| {
                job.new.asker.0 == *person && job.new.reply_to.map(|id| id.0) == Some(command.message_id)
            });
            let job = job.unwrap_or_else(|| panic!("seed {seed}: no job for {command:?} of {person}"));
            let end = match job.state {
                JobState::Lost => format!("💥 work · #{} · lost", job.id),
                _ => format!("✅ work · #{} · exit 0", job.id),
            };
            let told = answers(&world, *person, command);
            assert!(
                told.iter().any(|message| message.text.starts_with(&end)),
                "seed {seed}: #{} was not told its end: {told:?}", job.id
            );
            assert!(
                told.iter().all(|message| message.text.contains(&format!("#{} ", job.id))),
                "seed {seed}: another job answers the command of #{}: {told:?}", job.id
            );
        }
        assert_eq!(children(&world), [0; 0], "seed {seed}");
        db.close().await;
        let (code, _) = bot.terminate().await;
        assert_eq!(code, Some(0), "seed {seed}");
    }
}

on_both! {
    /// Queued at the crash: it runs afterwards, once. Running: told as lost, soon, and it can be run again.
    async fn what_ran_is_told_as_lost_and_what_waited_runs(world) {
        let mut gate = Gate::new(&world, "gate");
        let runs = world.path().join("runs");
        let body = format!("echo $OPSGRAM_JOB >> {}; echo begun; {}", runs.display(), gate.wait());
        world.script("work", &body, &[]);
        let bot = Outside::start(&world).await;
        world.say(ANN, "/run work");
        world.sees(ANN, "▶️ work · #1").await;
        world.say(BEN, "/run work");
        world.sees(BEN, "⏳ work · #2").await;
        let card = world.sees(ANN, "begun").await;
        bot.kill().await;
        let begun = Instant::now();
        let bot = Outside::spawn(&world);
        let lost = world.sees(ANN, "💥 work · #1 · lost: the bot was stopped while it ran").await;
        let took = ran_since(begun);
        assert!(took < TOLD_WITHIN, "told after {took:?}");
        assert_eq!(lost.id, card.id, "the card itself says so");
        assert!(lost.text.contains("begun"), "what it printed is shown: {}", lost.text);
        gate.open(1);
        world.sees(BEN, "✅ work · #2 · exit 0").await;
        assert_eq!(lines(&runs), ["1", "2"]);
        world.press(ANN, ANN, "Run again");
        gate.open(1);
        world.sees(ANN, "✅ work · #3 · exit 0").await;
        let db = world.database().await;
        world.quiet_in(&db).await;
        db.close().await;
        bot.terminate().await;
        assert_eq!(lines(&runs), ["1", "2", "3"]);
    }
}

on_both! {
    /// Only what its script allows runs again by itself, and not for ever.
    async fn a_job_runs_again_by_itself_only_by_its_rule_and_three_times_at_most(world) {
        let runs = world.path().join("runs");
        let body = format!("echo $OPSGRAM_JOB >> {}; sleep 1000", runs.display());
        world.script("stubborn", &body, &["on_crash: retry"]);
        let mut bot = Outside::start(&world).await;
        world.say(ANN, "/run stubborn");
        for start in 1..=3 {
            until("a start", || lines(&runs).len() == start).await;
            bot.kill().await;
            bot = Outside::start(&world).await;
        }
        let lost = world.sees(ANN, "💥 stubborn · #1 · lost").await;
        let page = world.asks(ANN, ANN, "/job 1").await;
        for text in [lost.text, page.text] {
            assert!(text.contains("\nIt was started 3 times, and each time"), "{text}");
        }
        let db = world.database().await;
        world.quiet_in(&db).await;
        assert_eq!(lines(&runs), ["1", "1", "1"]);
        assert_eq!(children(&world), [0; 0]);
        db.close().await;
        bot.terminate().await;
    }
}

on_both! {
    /// Four jobs whose processes ignore TERM outlive the bot: all are ended before they are told, and told in time.
    async fn leftovers_of_a_dead_run_are_ended_before_it_is_told_and_soon(world) {
        let pids = world.path().join("pids");
        let body = format!(
            "trap '' TERM; echo $$ >> {}; setsid sleep 1000 & while :; do sleep 1000; done",
            pids.display()
        );
        world.script("rock", &body, &["concurrency: 4"]);
        let bot = Outside::start(&world).await;
        for _ in 0..4 {
            world.say(ANN, "/run rock");
        }
        until("four scripts", || lines(&pids).len() == 4).await;
        bot.kill().await;
        let left = children(&world);
        assert!(left.len() >= 8, "they outlive the bot: {left:?}");
        let begun = Instant::now();
        let bot = Outside::spawn(&world);
        let told = |view: &opsgram::sandbox::View<'_>| {
            let lost: Vec<_> = view.from_bot(ANN).filter(|m| m.text.starts_with("💥")).collect();
            (!lost.is_empty()).then_some(())
        };
        world.sandbox.wait(PATIENCE, "the first to be told", told).await.unwrap();
        assert_eq!(children(&world), [0; 0], "told before all was ended");
        let db = world.database().await;
        for number in 1..=4 {
            world.sees(ANN, &format!("💥 rock · #{number} · lost")).await;
        }
        // The rates let four edits of one chat take two seconds and more; the rows tell when it was settled.
        let mut last = 0;
        for number in 1..=4 {
            last = last.max(world.job(&db, number).await.finished_at.unwrap().0);
        }
        let settled = Duration::from_millis(u64::try_from(opsgram::base::time::Millis::now().0 - last).unwrap());
        assert!(begun.elapsed() - settled < TOLD_WITHIN, "settled after {:?}", begun.elapsed() - settled);
        db.close().await;
        bot.terminate().await;
    }
}

on_both! {
    /// The message is out, and the bot dies before it knows: sent again, once.
    async fn killed_between_sent_and_marked_it_is_sent_once_more_at_the_most(world) {
        world.script("hello", "echo hello", &[]);
        let bot = Outside::start(&world).await;
        world.sandbox.fault(Fault::times(FaultKind::DropAfter, 1).on("sendMessage"));
        world.say(ANN, "/run hello");
        world.sees(ANN, "✅ hello · #1").await;
        bot.kill().await;
        let bot = Outside::start(&world).await;
        let db = world.database().await;
        world.quiet_in(&db).await;
        let told = world.count(ANN, "✅ hello · #1");
        assert!((1..=2).contains(&told), "told {told} times");
        db.close().await;
        bot.terminate().await;
    }
}

on_both! {
    /// Stored, confirmed, and not handled when the bot died: taken up by the next start.
    async fn an_update_that_was_stored_and_not_handled_is_not_lost(world) {
        world.script("hello", "echo hello", &[]);
        world.start().await;
        world.stop().await;
        let update = serde_json::json!({
            "update_id": 700_000_000,
            "message": {
                "message_id": 4711,
                "date": opsgram::base::time::Millis::now().0 / 1000,
                "chat": {"id": ANN, "type": "private", "first_name": "Ann"},
                "from": {"id": ANN, "is_bot": false, "first_name": "Ann"},
                "text": "/run hello",
                "entities": [{"type": "bot_command", "offset": 0, "length": 4}],
            },
        });
        world.sandbox.open_private(ANN);
        let db = world.database().await;
        let mut tx = db.begin().await.unwrap();
        let now = opsgram::base::time::Millis::now();
        let id = opsgram::base::ids::UpdateId(700_000_000);
        assert!(store::inbox::add(&mut tx, id, &update.to_string(), now).await.unwrap());
        db.commit(tx).await.unwrap();
        world.start().await;
        world.sees(ANN, "✅ hello · #1").await;
        world.quiet().await;
        assert_eq!(world.count(ANN, "✅ hello"), 1);
        db.close().await;
    }
}

on_both! {
    /// Telegram delivers an update again: before, and after a restart. It is not handled twice.
    async fn an_update_that_comes_again_is_not_handled_again(world) {
        let runs = world.path().join("runs");
        world.script("work", &format!("echo x >> {}", runs.display()), &[]);
        world.start().await;
        let command = world.say(ANN, "/run work");
        world.sees(ANN, "✅ work · #1").await;
        let status = world.say(ANN, "/whoami");
        world.sees(ANN, "owner").await;
        world.quiet().await;
        let said = world.sandbox.from_bot(ANN).len();
        for _ in 0..2 {
            for sent in [&command, &status] {
                assert!(world.sandbox.redeliver(sent.update_id.unwrap()));
            }
            // What comes after them is handled after them.
            world.say(BEN, "/whoami");
            world.sees(BEN, "operator").await;
            world.quiet().await;
            assert_eq!(lines(&runs).len(), 1);
            assert_eq!(world.sandbox.from_bot(ANN).len(), said);
            world.stop().await;
            world.start().await;
        }
    }
}

on_both! {
    /// The answer waits in an outage of Telegram, and the bot is killed: the next start gives it.
    async fn an_answer_that_waits_in_an_outage_survives_a_kill(world) {
        let runs = world.path().join("runs");
        world.script("work", &format!("echo x >> {}; echo out", runs.display()), &[]);
        let bot = Outside::start(&world).await;
        for method in ["sendMessage", "editMessageText"] {
            world.sandbox.fault(Fault::always(FaultKind::ServerError(502)).on(method));
        }
        world.say(ANN, "/run work");
        world.say(BEN, "/whoami");
        until("the run", || lines(&runs).len() == 1).await;
        let tried = |view: &opsgram::sandbox::View<'_>| {
            let failed = |chat| view.calls().any(|c| c.code == 502 && c.chat == Some(chat));
            (failed(ANN) && failed(BEN)).then_some(())
        };
        world.sandbox.wait(PATIENCE, "both to be tried", tried).await.unwrap();
        bot.kill().await;
        assert_eq!(world.sandbox.from_bot(ANN).len() + world.sandbox.from_bot(BEN).len(), 0);
        world.sandbox.clear_faults();
        let bot = Outside::start(&world).await;
        // Whether its ending was written before the kill or not, it is told.
        world.sees(ANN, "work · #1").await;
        world.sees(BEN, "operator").await;
        let db = world.database().await;
        world.quiet_in(&db).await;
        assert_eq!(lines(&runs).len(), 1);
        assert!(world.job(&db, 1).await.state.is_final());
        db.close().await;
        bot.terminate().await;
    }
}

on_both! {
    /// SIGTERM: what ends within the grace ends as it would have, and the chat hears of it before the bot is gone.
    async fn a_job_that_ends_within_the_grace_is_not_cut_off_by_sigterm(world) {
        let mut gate = Gate::new(&world, "gate");
        world.script("work", &format!("{}; echo finished", gate.wait()), &[]);
        let bot = Outside::start(&world).await;
        world.say(ANN, "/run work");
        world.sees(ANN, "▶️ work · #1").await;
        let log = bot.log.clone();
        let let_through = async {
            until("the stop", || log.lock().unwrap().iter().any(|line| line.contains("stopping"))).await;
            gate.open(1);
        };
        let ((code, _), ()) = tokio::join!(bot.terminate(), let_through);
        assert_eq!(code, Some(0));
        let card = world.sandbox.from_bot(ANN).pop().unwrap();
        assert!(card.text.starts_with("✅ work · #1 · exit 0"), "{}", card.text);
        assert!(card.text.contains("finished"));
    }
}

on_both! {
    /// SIGTERM: what does not end gets TERM, then KILL to all of its group, and is told as stopped, not as lost.
    async fn a_job_that_does_not_end_is_stopped_by_sigterm_and_told_so(world) {
        let pids = world.path().join("pids");
        let body = format!(
            "trap 'echo got TERM' TERM; (trap '' TERM; echo $BASHPID >> {0}; while :; do sleep 1000; done) & \
             echo $$ >> {0}; while :; do sleep 1000 & wait $!; done",
            pids.display()
        );
        world.script("rock", &body, &["grace: 300ms"]);
        world.set("jobs: {grace: 200ms}");
        let bot = Outside::start(&world).await;
        world.say(ANN, "/run rock");
        world.sees(ANN, "▶️ rock · #1").await;
        until("the processes", || lines(&pids).len() == 2).await;
        let (code, took) = bot.terminate().await;
        assert_eq!(code, Some(0));
        assert!(took < Duration::from_secs(8), "{took:?}");
        assert_eq!(children(&world), [0; 0]);
        let card = world.sandbox.from_bot(ANN).pop().unwrap();
        assert!(card.text.starts_with("🚫 rock · #1 · stopped"), "{}", card.text);
        assert!(card.text.contains("got TERM"), "{}", card.text);
        let db = world.database().await;
        assert_eq!(world.job(&db, 1).await.state, JobState::Cancelled);
        db.close().await;
    }
}

on_both! {
    /// SIGTERM: what waits goes on waiting, does not hold up the end, and runs after the next start.
    async fn queued_jobs_neither_delay_a_stop_nor_are_lost_by_it(world) {
        let mut gate = Gate::new(&world, "gate");
        let runs = world.path().join("runs");
        world.script("work", &format!("echo $OPSGRAM_JOB >> {}; {}", runs.display(), gate.wait()), &["grace: 100ms"]);
        world.set("jobs: {grace: 200ms}");
        let bot = Outside::start(&world).await;
        for _ in 0..3 {
            world.say(ANN, "/run work");
        }
        world.sees(ANN, "⏳ work · #3 · queued (2 ahead)").await;
        // One that waits for its turn is ahead as well.
        world.sees(ANN, "▶️ work · #1").await;
        let (code, took) = bot.terminate().await;
        assert_eq!(code, Some(0));
        assert!(took < Duration::from_secs(8), "{took:?}");
        let bot = Outside::start(&world).await;
        gate.open(2);
        world.sees(ANN, "✅ work · #3").await;
        assert_eq!(lines(&runs), ["1", "2", "3"]);
        world.sees(ANN, "🚫 work · #1 · stopped").await;
        bot.terminate().await;
    }
}

on_both! {
    /// SIGTERM while Telegram is away, or takes calls and never answers: the bot ends all the same, and what it had to
    /// say is said by the next.
    async fn a_telegram_that_does_not_answer_does_not_hold_up_a_stop(world) {
        world.script("hello", "echo hello", &[]);
        for (round, silent) in [(1, false), (2, true)] {
            let bot = Outside::start(&world).await;
            match silent {
                false => world.sandbox.fault(Fault::always(FaultKind::DropBefore)),
                true => world.sandbox.fault(Fault::always(FaultKind::Delay(Duration::from_secs(100))).on("sendMessage")),
            }
            // Behind the back of the stand-in's fault, the update is already on its way.
            if !silent {
                world.sandbox.clear_faults();
                world.sandbox.fault(Fault::always(FaultKind::DropBefore).on("sendMessage"));
            }
            world.say(ANN, "/run hello");
            let db = world.database().await;
            loop {
                let mut read = db.read().await.unwrap();
                let all = every_job(&mut read).await.unwrap();
                if all.len() == round && all.iter().all(|job| job.state.is_final()) {
                    break;
                }
                drop(read);
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            db.close().await;
            if !silent {
                world.sandbox.away(true);
            }
            let (code, took) = bot.terminate().await;
            assert_eq!(code, Some(0), "silent: {silent}");
            assert!(took < Duration::from_secs(12), "silent: {silent}: {took:?}");
            world.sandbox.away(false);
            world.sandbox.clear_faults();
            let bot = Outside::start(&world).await;
            world.sees(ANN, &format!("✅ hello · #{round}")).await;
            bot.terminate().await;
        }
    }
}

/// A second bot would take the first one's running jobs for lost, and end their processes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_bot_on_the_same_file_is_refused_and_disturbs_nothing() {
    let mut world = World::new(Database::sqlite()).await;
    let mut gate = Gate::new(&world, "gate");
    let runs = world.path().join("runs");
    let body = format!("echo $OPSGRAM_JOB >> {}; {}", runs.display(), gate.wait());
    world.script("work", &body, &["on_crash: retry"]);
    let first = Outside::start(&world).await;
    world.say(ANN, "/run work");
    world.sees(ANN, "▶️ work · #1").await;
    let mut second = Outside::spawn(&world);
    assert_eq!(second.ended().await, Some(1));
    until("its words", || {
        second.logged().contains("another opsgram is running on")
    })
    .await;
    gate.open(1);
    world.sees(ANN, "✅ work · #1").await;
    assert_eq!(lines(&runs), ["1"]);
    let (code, _) = first.terminate().await;
    assert_eq!(code, Some(0));
    world.finish().await;
}
