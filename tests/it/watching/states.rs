//! What survives: kills, restarts, reloads, other machines; and what a step costs.

use super::{Bench, CRITICAL, WARNING};
use crate::harness::{ANN, UNWATCHED};
use crate::on_both;
use opsgram::base::alert::{Severity, Turn};
use opsgram::base::ids::UserId;
use opsgram::base::trouble::{Came, Dealer};
use opsgram::monitors::state::Standing;
use opsgram::store::freeze::{self, Freeze};
use opsgram::store::schedules::{self, Paused};
use std::fs;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// A check whose program ends with the code that stands in a file.
fn coded(
    world: &mut crate::harness::World,
    name: &str,
    more: &str,
) -> (std::path::PathBuf, String) {
    let code = world.path().join(format!("{name}.code"));
    fs::write(&code, "0").unwrap();
    let script = world.script(
        name,
        &format!(
            "echo \"{name} says so | x=1\"; exit $(cat {})",
            code.display()
        ),
        &[],
    );
    (
        code,
        format!(
            "  {name}: {{kind: script, run: {}{more}}}\n",
            script.display()
        ),
    )
}

on_both! {
    /// Restarts at every point: what was told is not told again, and what changed meanwhile is told.
    async fn a_restart_repeats_nothing_and_hides_nothing(world) {
        let (code, check) = coded(&mut world, "probe", "");
        let mut bench = Bench::new(&mut world, &check).await;
        bench.step().await;
        for (written, turn) in [
            ("2", Some(CRITICAL)), ("2", None), ("1", Some(Turn::Became(Severity::Warning))),
            ("0", Some(Turn::Cleared)), ("0", None), ("1", Some(WARNING)),
        ] {
            fs::write(&code, written).unwrap();
            bench.restart();
            match turn {
                Some(turn) => assert!(bench.turns(turn).await.contains("probe says so")),
                None => bench.is_quiet().await,
            }
            bench.restart();
            bench.is_quiet().await;
        }
        bench.store.close().await;
    }
}

on_both! {
    /// Killed after it was decided and before it was committed: neither holds, and it is decided anew.
    async fn a_kill_before_the_commit_loses_and_doubles_nothing(world) {
        let (code, check) = coded(&mut world, "probe", "");
        let mut bench = Bench::new(&mut world, &check).await;
        bench.step().await;
        fs::write(&code, "2").unwrap();
        bench.ledger.stuck.store(true, Ordering::Relaxed);
        bench.now = bench.now.plus(Duration::from_secs(60));
        let ledger = bench.ledger.clone();
        tokio::select! {
            stepped = bench.step() => panic!("it was to be killed: {stepped:?}"),
            () = ledger.reached.notified() => {}
        }
        assert_eq!(bench.told().await, []);
        bench.ledger.stuck.store(false, Ordering::Relaxed);
        bench.restart();
        bench.turns(CRITICAL).await;
        bench.is_quiet().await;
        // One for all that is read by the time it looks up: on a slow machine the rest comes with the next.
        assert_eq!(bench.ledger.commits.load(Ordering::Relaxed), bench.turning);
        assert!(bench.turning < 10, "{}", bench.turning);
        bench.store.close().await;
    }
}

on_both! {
    /// Another threshold counts at the next look; what fires goes on. A check that is gone is over, and so is what fires on
    /// a machine that looks no more.
    async fn a_reload_keeps_states_and_ends_what_is_gone(world) {
        let log = world.path().join("file");
        fs::write(&log, "x".repeat(1000)).unwrap();
        let check = |warn: &str| format!("  size: {{kind: file, path: file, measure: size, {warn}}}\n");
        let mut bench = Bench::new(&mut world, &check("warn: 500")).await;
        let told = bench.news().await;
        assert_eq!((told.len(), told[0].turn, told[0].limit), (1, WARNING, Some(500.0)));
        assert_eq!(told[0].reading.as_ref().unwrap().value, Some(1000.0));
        bench.reload(&mut world, &check("warn: 500, crit: 900"));
        bench.turns(Turn::Became(Severity::Critical)).await;
        bench.reload(&mut world, &check("warn: 600, crit: 5000"));
        bench.turns(Turn::Became(Severity::Warning)).await;
        bench.reload(&mut world, "");
        assert_eq!(bench.turns(Turn::Cleared).await, "the check was removed");
        bench.is_quiet().await;
        bench.reload(&mut world, &check("warn: 500"));
        bench.turns(WARNING).await;
        bench.host = "there";
        bench.restart();
        let told = bench.news().await;
        let turns: Vec<_> = told.iter().map(|change| (change.host.as_str(), change.turn)).collect();
        assert_eq!(turns, [("here", Turn::Cleared), ("there", WARNING)]);
        assert_eq!(told[0].topic, "file");
        bench.store.close().await;
    }
}

on_both! {
    /// How far one log was read says nothing of another that the check looks at after a restart.
    async fn what_is_remembered_of_one_log_is_not_taken_for_another(world) {
        let (one, other) = (world.path().join("one.log"), world.path().join("other.log"));
        fs::write(&one, "").unwrap();
        fs::write(&other, "ERROR of yesterday\n").unwrap();
        let check = |log: &str, within: &str| {
            format!("  log: {{kind: file, path: {log}, measure: lines, pattern: ERROR, warn: 1, within: {within}, for: 0s}}\n")
        };
        let mut bench = Bench::new(&mut world, &check("one.log", "10m")).await;
        bench.step().await;
        bench.reload(&mut world, &check("other.log", "10m"));
        bench.restart();
        bench.is_quiet().await;
        fs::write(&other, "ERROR of yesterday\nERROR of today\n").unwrap();
        bench.reload(&mut world, &check("other.log", "20m"));
        bench.restart();
        assert_eq!(bench.turns(WARNING).await, "ERROR of today");
        bench.store.close().await;
    }
}

on_both! {
    /// A log that is not there at first is read from its first line, over a restart as well.
    async fn a_log_that_comes_later_is_read_whole(world) {
        let check = "  log: {kind: file, path: app.log, measure: lines, pattern: ERROR, warn: 1, for: 0s}\n";
        let mut bench = Bench::new(&mut world, check).await;
        bench.step().await;
        bench.restart();
        fs::write(world.path().join("app.log"), "ERROR at once\n").unwrap();
        assert_eq!(bench.turns(WARNING).await, "ERROR at once");
        bench.store.close().await;
    }
}

on_both! {
    /// What a look finds that began before a reload is of what nobody looks at any more: nothing is told of it.
    async fn a_look_under_way_at_something_else_counts_for_nothing(world) {
        let go = world.path().join("go");
        let slow = world.script("slow", &format!("until [ -e {} ]; do sleep 0.1; done; exit 2", go.display()), &[]);
        let fine = world.script("fine", "exit 0", &[]);
        let check = |script: &std::path::Path| {
            format!("  probe: {{kind: script, run: {}, timeout: 1m}}\n", script.display())
        };
        let mut bench = Bench::new(&mut world, &check(&slow)).await;
        assert_eq!(bench.watch.step(bench.now).await.unwrap().under_way, 1);
        bench.reload(&mut world, &check(&fine));
        assert_eq!(bench.watch.step(bench.now).await.unwrap().under_way, 1);
        fs::write(&go, "").unwrap();
        bench.step().await;
        assert_eq!(bench.told().await, []);
        // It is looked at anew at once.
        assert_eq!(bench.step().await.looks, 1);
        assert_eq!(bench.board.all()[0].standing(bench.now), Standing::Good);
        bench.store.close().await;
    }
}

on_both! {
    /// A hundred checks a second, and nothing is written while nothing changes; what changes at once is one commit.
    async fn a_hundred_checks_cost_one_commit_or_none(world) {
        let file = world.path().join("file");
        fs::write(&file, "x").unwrap();
        let checks: String = (0..100)
            .map(|n| format!("  size-{n}: {{kind: file, path: file, measure: size, warn: 500, every: 1s}}\n"))
            .collect();
        let mut bench = Bench::new(&mut world, &checks).await;
        let first = bench.step().await;
        assert_eq!((first.looks, first.written, first.changes), (100, 100, 0));
        for _ in 0..60 {
            let stepped = bench.after(Duration::from_secs(1)).await;
            assert_eq!((stepped.looks, stepped.written), (100, 0));
        }
        fs::write(&file, "x".repeat(1000)).unwrap();
        let stepped = bench.after(Duration::from_secs(1)).await;
        assert_eq!((stepped.looks, stepped.written, stepped.changes), (100, 100, 100));
        // One for all that is read by the time it looks up: on a slow machine the rest comes with the next.
        assert_eq!(bench.ledger.commits.load(Ordering::Relaxed), bench.turning);
        assert!(bench.turning < 10, "{}", bench.turning);
        bench.store.close().await;
    }
}

on_both! {
    /// While the owner of its lock lives, nobody looks; its topic and its state stay.
    async fn a_check_is_skipped_while_its_lock_is_held(world) {
        let lock = world.path().join("lock");
        let (code, check) = coded(&mut world, "probe", ", lock: lock, topic: shop");
        let mut bench = Bench::new(&mut world, &check).await;
        bench.step().await;
        fs::write(&code, "2").unwrap();
        fs::write(&lock, std::process::id().to_string()).unwrap();
        let stepped = bench.after(Duration::from_secs(60)).await;
        assert_eq!(stepped.looks, 0);
        let shown = bench.board.all();
        assert_eq!((shown[0].locked, shown[0].standing(bench.now)), (true, Standing::Good));
        // A number that no process has.
        fs::write(&lock, "4194304999").unwrap();
        let told = bench.news().await;
        assert_eq!((told[0].turn, told[0].topic.as_str()), (CRITICAL, "shop"));
        bench.store.close().await;
    }
}

on_both! {
    /// A job that does not succeed in time, and one that was lost.
    async fn jobs_that_do_not_come_or_are_lost_are_told(world) {
        world.script("backup", "exit 0", &[]);
        let checks = "  nightly: {kind: heartbeat, script: backup, crit: 2h}\n  lost: {kind: opsgram, measure: lost_jobs}\n";
        let mut bench = Bench::new(&mut world, checks).await;
        bench.step().await;
        let job = |state: &str, at: i64| format!(
            "INSERT INTO jobs (kind, payload, title, state, role, asker_id, asker_name, chat_id, source, request_id, lane,
                 lane_limit, user_limit, after_crash, output, created_at, finished_at)
             VALUES ('script.run', '{{}}', 'backup', '{state}', 'operator', 1, 'ann', 1, '{state}:{at}', 'r', 'l', 1, 1,
                 'report', 'card', {at}, {at})"
        );
        let put = async |bench: &Bench, state: &str| {
            let mut tx = bench.store.begin().await.unwrap();
            sqlx::query(sqlx::AssertSqlSafe(job(state, bench.now.0))).execute(&mut *tx).await.unwrap();
            bench.store.commit(tx).await.unwrap();
        };
        bench.after(Duration::from_secs(3600)).await;
        assert_eq!(bench.told().await, []);
        // Never yet: waited for since the first look.
        bench.now = bench.now.plus(Duration::from_secs(3600));
        assert!(bench.turns(CRITICAL).await.contains("backup has not succeeded for 2 h"));
        put(&bench, "succeeded").await;
        assert!(bench.turns(Turn::Cleared).await.contains("backup last succeeded 1 m ago"));
        put(&bench, "lost").await;
        assert!(bench.turns(WARNING).await.contains("jobs lost"));
        bench.now = bench.now.plus(Duration::from_secs(3600));
        bench.turns(Turn::Cleared).await;
        bench.store.close().await;
    }
}

on_both! {
    /// What learns nothing from GitHub for an hour, and an address that is not reached for minutes: told with why and what to do,
    /// over a restart, and over when it answers. Hours in which the bot was off tell nothing, nor does one who rests.
    async fn who_gets_nowhere_outside_is_told(world) {
        world.variable("GITHUB_TOKEN", "hunter22");
        let outside = "  github: {kind: opsgram, measure: github}
  heartbeat: {kind: opsgram, measure: heartbeat}
alerts: {heartbeat_url: 'http://127.0.0.1:1/5f3c'}
workflows: {deploy: {after_github: {repo: ann/site, workflow: ci.yml}, steps: [{name: put, run: [echo]}]}}";
        let mut bench = Bench::new(&mut world, outside).await;
        let deploy = || Dealer::Schedule("deploy".to_owned());
        let unknown = || Came::Failed("GitHub does not know the token (401).".to_owned());
        let unreached = || Came::Failed("it answered 404 Not Found".to_owned());
        bench.is_quiet().await;
        bench.troubles.note(deploy(), unknown());
        bench.troubles.note(Dealer::Heartbeat, unreached());
        bench.quiet_for(2).await;
        bench.restart();
        bench.after(Duration::from_secs(8 * 3600)).await;
        bench.is_quiet().await;
        bench.troubles.note(deploy(), unknown());
        bench.troubles.note(Dealer::Heartbeat, unreached());
        bench.quiet_for(3).await;
        let words = bench.turns(WARNING).await;
        let wanted = "alerts.heartbeat_url has not been reached for 5 m: it answered 404 Not Found. Whoever watches there";
        assert!(words.starts_with(wanted), "{words}");
        bench.restart();
        bench.is_quiet().await;
        bench.troubles.note(deploy(), unknown());
        bench.troubles.note(Dealer::Heartbeat, Came::Well);
        bench.turns(Turn::Cleared).await;
        bench.quiet_for(53).await;
        let words = bench.turns(WARNING).await;
        let wanted = "deploy has learned nothing from GitHub for 1 h: GitHub does not know the token (401). It asks";
        assert!(words.starts_with(wanted), "{words}");
        bench.troubles.note(deploy(), Came::Well);
        assert_eq!(bench.turns(Turn::Cleared).await, "no trouble with GitHub");

        bench.troubles.note(deploy(), Came::Barred("GITHUB_TOKEN is not there.".to_owned()));
        bench.quiet_for(60).await;
        let words = bench.turns(WARNING).await;
        let wanted = "deploy has learned nothing from GitHub for 1 h: GITHUB_TOKEN is not there. Nothing is asked";
        assert!(words.starts_with(wanted), "{words}");
        let mut tx = bench.store.begin().await.unwrap();
        schedules::add(&mut tx, "deploy", "deploy", "", None, bench.now).await.unwrap();
        let paused = Paused { at: bench.now, by: "ann".to_owned(), why: None };
        schedules::pause(&mut tx, "deploy", &paused).await.unwrap();
        bench.store.commit(tx).await.unwrap();
        bench.turns(Turn::Cleared).await;
        let mut tx = bench.store.begin().await.unwrap();
        schedules::resume(&mut tx, "deploy", bench.now).await.unwrap();
        bench.store.commit(tx).await.unwrap();
        bench.quiet_for(60).await;
        bench.turns(WARNING).await;
        let mut tx = bench.store.begin().await.unwrap();
        let frozen = Freeze { since: bench.now, by: UserId(1), name: "ann".to_owned(), reason: None };
        freeze::begin(&mut tx, &frozen).await.unwrap();
        bench.store.commit(tx).await.unwrap();
        bench.turns(Turn::Cleared).await;

        // A run goes on while all is frozen; each of its steps is told of for itself.
        let mut tx = bench.store.begin().await.unwrap();
        let job = format!(
            "INSERT INTO jobs (kind, payload, title, state, role, asker_id, asker_name, chat_id, source, request_id,
                 lane, lane_limit, user_limit, after_crash, output, created_at)
             VALUES ('workflow.run', '{{}}', 'watch', 'running', 'operator', 1, 'ann', 1, 'test', 'r', 'l', 1, 1,
                 'report', 'card', {})",
            bench.now.0
        );
        sqlx::query(sqlx::AssertSqlSafe(job)).execute(&mut *tx).await.unwrap();
        for seq in 0..2 {
            let step = format!(
                "INSERT INTO workflow_steps (job, seq, state, attempt, found)
                 VALUES (1, {seq}, 'running', 1, '{{\"no answer\":\"GitHub answered 500.\"}}')"
            );
            sqlx::query(sqlx::AssertSqlSafe(step)).execute(&mut *tx).await.unwrap();
        }
        bench.store.commit(tx).await.unwrap();
        bench.quiet_for(60).await;
        let words = bench.turns(WARNING).await;
        let wanted = "watch · #1 · step 1 (and 1 more) has learned nothing from GitHub for 1 h: GitHub answered 500.";
        assert!(words.starts_with(wanted), "{words}");
        bench.store.close().await;
    }
}

on_both! {
    /// Jobs that pile up, messages that were not delivered, and checks that come late are told of like anything else.
    async fn what_is_wrong_with_the_bot_itself_is_told(world) {
        let own = |name: &str| format!("  {name}: {{kind: opsgram, measure: {name}, for: 0s}}\n");
        let checks: String = ["backlog", "undelivered", "lateness"].map(own).concat();
        let mut bench = Bench::new(&mut world, &checks).await;
        bench.is_quiet().await;
        let most = bench.live.current().jobs.max_queued;
        let mut tx = bench.store.begin().await.unwrap();
        for job in 0..most * 6 / 10 {
            let text = format!(
                "INSERT INTO jobs (kind, payload, title, state, role, asker_id, asker_name, chat_id, source, request_id, lane,
                     lane_limit, user_limit, after_crash, output, created_at)
                 VALUES ('script.run', '{{}}', 'backup', 'queued', 'operator', 1, 'ann', 1, 'test:{job}', 'r', 'l', 1, 1,
                     'report', 'card', {})",
                bench.now.0
            );
            sqlx::query(sqlx::AssertSqlSafe(text)).execute(&mut *tx).await.unwrap();
        }
        bench.store.commit(tx).await.unwrap();
        let words = bench.turns(WARNING).await;
        assert!(words.ends_with("jobs wait"), "{words}");
        let change = async |bench: &Bench, text: &str| {
            let mut tx = bench.store.begin().await.unwrap();
            sqlx::query(sqlx::AssertSqlSafe(text.to_owned())).execute(&mut *tx).await.unwrap();
            bench.store.commit(tx).await.unwrap();
        };
        change(&bench, "DELETE FROM jobs").await;
        bench.turns(Turn::Cleared).await;
        let failed = format!(
            "UPDATE outbox SET state = 'failed', done_at = {} WHERE id = (SELECT MIN(id) FROM outbox)",
            bench.now.0
        );
        change(&bench, &failed).await;
        let words = bench.turns(WARNING).await;
        assert!(words.starts_with("messages not delivered within the hour, to chats: 1"), "{words}");
        change(&bench, "UPDATE outbox SET state = 'sent' WHERE state = 'failed'").await;
        bench.turns(Turn::Cleared).await;

        let before = bench.told().await.len();
        bench.after(Duration::from_secs(660)).await;
        bench.after(Duration::from_secs(60)).await;
        bench.after(Duration::from_secs(60)).await;
        let told = bench.told().await.split_off(before);
        let turns: Vec<_> = told.iter().map(|one| (one.check.as_str(), one.turn)).collect();
        assert_eq!(turns, [("lateness", CRITICAL), ("lateness", Turn::Cleared)]);
        bench.store.close().await;
    }
}

on_both! {
    /// Another start of the machine than the one that is remembered is told of for three minutes, once, whatever restarts.
    async fn a_machine_that_was_started_anew_is_told(world) {
        let mut bench = Bench::new(&mut world, "  boot: {kind: reboot, for: 0s}\n").await;
        bench.is_quiet().await;
        let mut tx = bench.store.begin().await.unwrap();
        let other = r#"UPDATE checks SET memory = REPLACE(memory, '"id":"', '"id":"another-') WHERE name = 'boot'"#;
        sqlx::query(other).execute(&mut *tx).await.unwrap();
        bench.store.commit(tx).await.unwrap();
        bench.restart();
        assert_eq!(bench.turns(WARNING).await, "the machine was started anew");
        bench.restart();
        bench.is_quiet().await;
        bench.is_quiet().await;
        assert_eq!(bench.turns(Turn::Cleared).await, "it runs on");
        bench.restart();
        bench.is_quiet().await;
        bench.store.close().await;
    }
}

on_both! {
    /// A configuration that cannot be read is an incident in the chat until it can.
    async fn a_reload_that_fails_is_an_incident(world) {
        let own = "  opsgram-reload: {kind: opsgram, measure: reload, every: 1s, for: 0s}\n";
        let others = UNWATCHED.replace("  opsgram-reload: false\n", "");
        world.set(&format!("alerts: {{group_wait: 0s}}\nchecks:\n{others}{own}"));
        world.start().await;
        world.asks(ANN, ANN, "/whoami").await;
        let file = world.path().join("opsgram.yaml");
        let good = fs::read_to_string(&file).unwrap();
        fs::write(&file, format!("{good}\nnonsense: [\n")).unwrap();
        world.sees(ANN, "🟠 opsgram-reload · the configuration on the disk is not in force").await;
        fs::write(&file, &good).unwrap();
        world.sees(ANN, "✅ opsgram-reload recovered").await;
    }
}

on_both! {
    /// While it fires, what gets worse is told within a minute and what else is read within five; its worst is the worst look.
    async fn what_is_read_while_it_fires_is_told(world) {
        let file = world.path().join("file");
        let check = "  size: {kind: file, path: file, measure: size, warn: 500, for: 0s}\n";
        let mut bench = Bench::new(&mut world, check).await;
        let mut seen = Vec::new();
        for (size, minutes) in [(100, 1), (1000, 1), (5000, 1), (600, 4), (600, 1), (600, 5), (2000, 5), (10, 1)] {
            fs::write(&file, "x".repeat(size)).unwrap();
            for _ in 0..minutes {
                let before = bench.told_and_read().await.len();
                bench.after(Duration::from_secs(60)).await;
                let news = bench.told_and_read().await.split_off(before);
                seen.extend(news.into_iter().map(|one| (one.turn, one.reading.unwrap().value.unwrap(), one.worst)));
            }
        }
        assert_eq!(
            seen,
            [
                (WARNING, 1000.0, Some(1000.0)),
                (Turn::Reads, 5000.0, Some(5000.0)),
                (Turn::Reads, 600.0, Some(5000.0)),
                (Turn::Reads, 2000.0, Some(5000.0)),
                (Turn::Cleared, 10.0, Some(5000.0)),
            ]
        );
        bench.store.close().await;
    }
}
