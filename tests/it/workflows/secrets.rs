//! Values that must not be seen: told to the right person whichever instance leads, removed whatever is killed, and missed in
//! words where they are gone.

use super::program;
use crate::harness::tools::{Gate, children, lines, until};
use crate::harness::{BEN, Database, OPS, Outside, World};
use crate::on_both;
use opsgram::sandbox::{Fault, FaultKind};
use opsgram::store;
use std::fs;
use std::time::Duration;

const SECRET: &str = "https://sshx.example/s/AbC123#key,writekey";

/// A workflow `share` that serves a terminal, whose address is `SECRET` and the number of the run.
fn share(world: &mut World) {
    let fake = program(
        world,
        "sshx.py",
        &format!("import sys, time\nprint('Link: {SECRET}' + sys.argv[1])\ntime.sleep(1000)\n"),
    );
    world.set(&format!(
        "workflows:
  share:
    concurrency: parallel
    notify: []
    steps:
      - {{name: terminal, service: [python3, {fake}, '{{{{ run.id }}}}'], capture: {{url: '(https://\\S+/s/\\S+)', within: 20s, secret: true}}}}
      - {{name: hold, hold: 1h}}"
    ));
}

/// Checks that neither the database nor a log of this world has a text.
pub(super) fn is_kept_nowhere(world: &World, text: &str) {
    let mut open = vec![world.path().join("data")];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            match entry.file_type().unwrap().is_dir() {
                true => open.push(entry.path()),
                false => {
                    let bytes = fs::read(entry.path()).unwrap_or_default();
                    let kept = String::from_utf8_lossy(&bytes).contains(text);
                    assert!(!kept, "{}", entry.path().display());
                }
            }
        }
    }
}

/// How many rows of the outbox hold something sealed, and that none has a secret to be read.
async fn sealed(store: &store::Store) -> i64 {
    let mut db = store.read().await.unwrap();
    let clear: i64 = sqlx::query_scalar(
        "SELECT COUNT(*) FROM outbox WHERE payload LIKE '%writekey%' OR sealed LIKE '%writekey%'",
    )
    .fetch_one(&mut *db)
    .await
    .unwrap();
    assert_eq!(clear, 0, "a secret stands in the database");
    sqlx::query_scalar("SELECT COUNT(*) FROM outbox WHERE sealed IS NOT NULL")
        .fetch_one(&mut *db)
        .await
        .unwrap()
}

/// Two instances: the secrets of runs at the one that does not lead arrive as well, and go with the runs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_leads_tells_it() {
    let mut world = World::new(Database::postgres().await).await;
    share(&mut world);
    let (mut gate, inside) = (Gate::new(&world, "gate"), world.path().join("inside"));
    // One that is busy leaves the next to the other.
    world.set("jobs: {workers: 1}");
    world.script(
        "busy",
        &format!("echo in >> {}; {}", inside.display(), gate.wait()),
        &[],
    );
    let (first, second) = Outside::two(&world).await;
    let store = world.database().await;
    let mut at = std::collections::BTreeSet::new();
    world.say(BEN, "/run busy");
    until("one to be busy", || !lines(&inside).is_empty()).await;
    let mut runs = 1;
    // Until each instance has some.
    while at.len() < 2 {
        runs += 1;
        assert!(runs < 30, "one instance takes them all");
        world.say(BEN, "/workflow run share");
        world.sees(BEN, &format!("writekey{runs}\n")).await;
        at.extend(world.job(&store, runs).await.claimed_by);
        if runs == 2 {
            gate.open(1);
            world.sees(BEN, "✅ busy · #1 · exit 0").await;
        }
    }
    let told = || world.count(BEN, "writekey");
    assert_eq!(told(), usize::try_from(runs - 1).unwrap());
    for run in 2..=runs {
        world.say(BEN, &format!("/workflow stop {run}"));
        world
            .sees(BEN, &format!("share · #{run} · stopped by"))
            .await;
    }
    world.quiet_in(&store).await;
    assert_eq!(sealed(&store).await, 0);
    until("all of them to be removed", || told() == 0).await;
    for bot in [first, second] {
        assert!(!bot.logged().contains("writekey"));
        bot.terminate().await;
    }
    world.finish().await;
}

on_both! {
    /// The chat is held up: what waits for it is sealed, and comes when it can.
    async fn what_waits_cannot_be_read(world) {
        share(&mut world);
        world.start().await;
        world.asks(BEN, BEN, "/whoami").await;
        world.sandbox.fault(Fault::always(FaultKind::ServerError(502)).on("sendMessage").in_chat(BEN));
        world.sandbox.say(BEN, OPS, "/workflow run share");
        world.sees(OPS, "⏳ hold").await;
        let store = world.services().store.clone();
        let begun = std::time::Instant::now();
        while sealed(&store).await == 0 {
            assert!(begun.elapsed() < crate::harness::PATIENCE, "never promised");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        world.sandbox.clear_faults();
        world.services().outbox.hurry(opsgram::base::ids::ChatId(BEN));
        let told = world.sees(BEN, "writekey1").await;
        assert!(told.edited.is_some(), "{told:?}");
        world.sandbox.say(BEN, OPS, "/workflow stop 1");
        world.sees(OPS, "stopped by").await;
        world.quiet().await;
        assert_eq!((sealed(&store).await, world.count(BEN, "writekey")), (0, 0));
    }
}

on_both! {
    /// Killed while it is told, and killed again while it cannot be removed: in the end nothing of it is left.
    async fn it_is_removed_after_any_crash(world) {
        share(&mut world);
        world.say(BEN, "/whoami");
        let bot = Outside::start(&world).await;
        world.sandbox.say(BEN, OPS, "/workflow run share");
        let first = world.sees(BEN, "writekey1").await;
        bot.kill().await;
        let bot = Outside::start(&world).await;
        let gone = |id: i32| world.sandbox.from_bot(BEN).iter().all(|message| message.id != id);
        until("the first to be removed", || gone(first.id)).await;
        let second = world.sees(BEN, "writekey1").await;
        world.sandbox.fault(Fault::always(FaultKind::ServerError(502)).on("deleteMessage"));
        world.sandbox.say(BEN, OPS, "/workflow stop 1");
        world.sees(OPS, "stopped by").await;
        bot.kill().await;
        assert!(!gone(second.id));
        world.sandbox.clear_faults();
        let bot = Outside::start(&world).await;
        until("the second to be removed", || gone(second.id)).await;
        assert_eq!(world.count(BEN, "writekey"), 0);
        bot.terminate().await;
    }
}

on_both! {
    /// Telegram deletes nothing that is older than 48 hours: the words are taken out.
    async fn an_old_message_loses_its_words(world) {
        share(&mut world);
        world.start().await;
        world.say(BEN, "/whoami");
        world.sandbox.say(BEN, OPS, "/workflow run share");
        let told = world.sees(BEN, "writekey1").await;
        world.sandbox.age(BEN, told.id, Duration::from_secs(49 * 3600));
        world.sandbox.say(BEN, OPS, "/workflow stop 1");
        let left = world.sees(BEN, "its words were taken out").await;
        assert_eq!((left.id, world.count(BEN, "writekey")), (told.id, 0));
    }
}

on_both! {
    /// Whoever never wrote to the bot cannot be told: the card says so, and what to do; then it comes.
    async fn a_closed_chat_is_told_in_the_card(world) {
        share(&mut world);
        world.start().await;
        world.sandbox.say(BEN, OPS, "/workflow run share");
        let card = world.sees(OPS, "url of terminal is for ").await;
        assert!(card.text.contains("opens the private chat with the bot and presses Start"), "{}", card.text);
        assert_eq!(world.count(OPS, "writekey"), 0);
        world.say(BEN, "/start");
        world.sees(BEN, "writekey1").await;
        let settled = || world.sandbox.from_bot(OPS).iter().all(|message| !message.text.contains("is for "));
        until("the card to be as always", settled).await;
        world.sandbox.say(BEN, OPS, "/workflow stop 1");
        world.sees(OPS, "stopped by").await;
        world.quiet().await;
        assert_eq!(world.count(BEN, "writekey"), 0);
        assert_eq!(children(&world), [0; 0]);
    }
}

/// A workflow `put` that finds a token and needs it after an approval, and to be taken back.
fn put(world: &mut World) -> std::path::PathBuf {
    let done = world.path().join("done");
    let here = done.display();
    let login = program(
        world,
        "login",
        &format!("echo login >> {here}; echo token=s3cr3t-token"),
    );
    let put = program(world, "put", &format!("echo put $TOKEN >> {here}"));
    let back = program(world, "back", &format!("echo back $TOKEN >> {here}"));
    world.set(&format!(
        "workflows:
  put:
    notify: []
    steps:
      - {{name: first, run: [sh, -c, 'echo first >> {here}'], undo: [sh, -c, 'echo unfirst >> {here}']}}
      - {{name: login, run: [sh, {login}], capture: {{token: 'token=(\\S+)', secret: true}}}}
      - {{name: gate, approve: {{question: 'Really?', role: operator, by_asker: true}}}}
      - {{name: put, run: [sh, {put}], env: {{TOKEN: '{{{{ steps.login.token }}}}'}}, undo: [sh, {back}]}}"
    ));
    done
}

on_both! {
    /// A secret that a later step needs went with the bot's last life: the step that finds it is asked about, and done again.
    async fn what_is_missed_is_found_anew(world) {
        let done = put(&mut world);
        let bot = Outside::start(&world).await;
        world.say(BEN, "/workflow run put");
        world.sees(BEN, "Really?").await;
        bot.kill().await;
        let bot = Outside::start(&world).await;
        world.sees(BEN, "What it found is a secret, which is kept nowhere, and a later step needs it").await;
        let pressed = world.press(BEN, BEN, "Run again");
        world.answer(&pressed).await;
        world.sees(BEN, "Run again by ").await;
        let pressed = world.press(BEN, BEN, "Approve");
        world.answer(&pressed).await;
        world.sees(BEN, "✅ put · #1 · succeeded").await;
        assert_eq!(lines(&done), ["first", "login", "login", "put s3cr3t-token"]);
        bot.terminate().await;
    }
}

on_both! {
    /// What cannot be taken back for want of a secret is refused by its name, before anything runs.
    async fn undo_that_lacks_a_secret_runs_nothing(world) {
        let done = put(&mut world);
        world.start().await;
        world.say(BEN, "/workflow run put");
        world.sees(BEN, "Really?").await;
        let pressed = world.press(BEN, BEN, "Approve");
        world.answer(&pressed).await;
        let card = world.sees(BEN, "✅ put · #1 · succeeded").await;
        world.quiet().await;
        assert!(card.button("Undo … (10 m)").is_none(), "{card:?}");
        world.say(BEN, "/workflow undo 1");
        world.sees(BEN, "put cannot be taken back: that needs steps.login.token, which is a secret").await;
        world.forges(BEN, BEN, "flow:undone:1").await;
        world.quiet().await;
        assert_eq!((lines(&done).len(), world.jobs().await), (3, 1));
    }
}

on_both! {
    /// What is looked for in what a step prints is not looked for in what takes it back; a value that it found is there.
    async fn a_step_that_finds_something_is_taken_back(world) {
        let mut gate = Gate::new(&world, "gate");
        let done = world.path().join("done");
        let make = program(&world, "make", "echo made at 7");
        let back = program(&world, "back", &format!("{}; echo back $1 >> {}", gate.wait(), done.display()));
        world.set(&format!(
            "workflows: {{make: {{notify: [], steps: [{{name: make, run: [sh, {make}], capture: {{port: 'at (\\d+)'}}, undo: [sh, {back}, '{{{{ steps.make.port }}}}'], confirm_within: 5m}}]}}}}"
        ));
        world.start().await;
        world.say(BEN, "/workflow run make");
        world.sees(BEN, "Unless ben or an admin confirms within 5 m").await;
        let pressed = world.press(BEN, BEN, "Take it back");
        world.answer(&pressed).await;
        gate.open(1);
        world.sees(BEN, "failed at make: not kept by ben, so it was taken back").await;
        assert_eq!(lines(&done), ["back 7"]);
        world.say(BEN, "/workflow run make");
        world.sees(BEN, "#2 · make\nIt succeeded.").await;
        world.press(BEN, BEN, "It works, keep it");
        world.sees(BEN, "make · #2 · succeeded").await;
        let asked = world.asks(BEN, BEN, "/workflow undo 2").await;
        assert!(asked.text.contains(&format!("make: sh {back} 7")), "{}", asked.text);
    }
}

on_both! {
    /// A step that runs already when another one finds a secret, and comes across it by a way of its own, does not show it.
    async fn what_is_found_is_masked_in_steps_that_run_already(world) {
        let mut gate = Gate::new(&world, "gate");
        let note = world.path().join("note");
        // The second one is told to nobody, and is a secret all the same.
        let both = format!("printf '%s\\n' {SECRET} {SECRET}-anew");
        let fake = program(&world, "fake", &format!("{both} | tee {}; exec sleep 1000", note.display()));
        let peek = program(&world, "peek", &format!("echo begun; {}; sed 's/^/it is /' {}; exit 3", gate.wait(), note.display()));
        world.set(&format!(
            "workflows:
  share:
    notify: []
    steps:
      - {{name: peek, run: [sh, {peek}]}}
      - {{name: terminal, service: [sh, {fake}], needs: [], capture: {{url: '(https://\\S+/s/\\S+)', within: 20s, secret: true}}}}"
        ));
        world.start().await;
        world.asks(BEN, BEN, "/whoami").await;
        world.sandbox.say(BEN, OPS, "/workflow run share");
        world.sees(OPS, "begun").await;
        world.sees(BEN, SECRET).await;
        gate.open(1);
        let card = world.sees(OPS, "failed at peek").await;
        assert!(card.text.contains("it is •••\nit is •••"), "{}", card.text);
        world.quiet().await;
        assert_eq!(world.count(OPS, "writekey"), 0);
        is_kept_nowhere(&world, "writekey");
    }
}

on_both! {
    /// A value in which a secret stands goes to later steps as it is, and is masked for people and kept nowhere.
    async fn a_secret_inside_a_value_is_not_told(world) {
        let done = world.path().join("done");
        let login = program(&world, "login", "echo connected as postgres://u:$DB_PASSWORD@h");
        let uses = program(&world, "uses", &format!("echo $1 >> {}", done.display()));
        world.variable("DB_PASSWORD", "hunter22hunter22");
        world.set(&format!(
            "workflows:
  put:
    notify: []
    secrets: [DB_PASSWORD]
    steps:
      - {{name: login, run: [sh, {login}], capture: {{line: 'as (.*)'}}}}
      - {{name: tell, notify: 'It is {{{{ steps.login.line }}}} now.'}}
      - {{name: gate, approve: {{question: 'Use {{{{ steps.login.line }}}}?', role: operator, by_asker: true}}}}
      - {{name: use, run: [sh, {uses}, '{{{{ steps.login.line }}}}']}}"
        ));
        world.start().await;
        world.say(BEN, "/workflow run put");
        world.sees(BEN, "It is postgres://u:•••@h now.").await;
        world.sees(BEN, "Use postgres://u:•••@h?").await;
        let pressed = world.press(BEN, BEN, "Approve");
        world.answer(&pressed).await;
        world.sees(BEN, "✅ put · #1 · succeeded").await;
        assert_eq!(lines(&done), ["postgres://u:hunter22hunter22@h"]);
        world.quiet().await;
        assert_eq!(world.count(BEN, "hunter22"), 0);
        let mut db = world.services().store.read().await.unwrap();
        let kept: i64 = sqlx::query_scalar(
            "SELECT (SELECT COUNT(*) FROM workflow_steps WHERE found LIKE '%hunter22%')
                 + (SELECT COUNT(*) FROM outbox WHERE payload LIKE '%hunter22%')",
        )
        .fetch_one(&mut *db)
        .await
        .unwrap();
        assert_eq!(kept, 0);
    }
}

on_both! {
    /// What Telegram refuses for good is promised once, and the card says so.
    async fn what_is_refused_is_not_promised_again_and_again(world) {
        let mut gate = Gate::new(&world, "gate");
        let fake = program(&world, "fake", &format!("echo {SECRET}; exec sleep 1000"));
        let waits = program(&world, "waits", &gate.wait());
        let chain: String = (1..=3).map(|n| format!("      - {{name: a{n}, run: [sh, {waits}]}}\n")).collect();
        world.set(&format!(
            "workflows:
  share:
    notify: []
    steps:
      - {{name: terminal, service: [sh, {fake}], capture: {{url: '(https://\\S+/s/\\S+)', within: 20s, secret: true}}}}
{chain}      - {{name: hold, hold: 1h}}"
        ));
        world.start().await;
        world.asks(BEN, BEN, "/whoami").await;
        let refused = FaultKind::Refused(400, "Bad Request: not this one");
        world.sandbox.fault(Fault::always(refused).on("sendMessage").in_chat(BEN));
        world.sandbox.say(BEN, OPS, "/workflow run share");
        let card = world.sees(OPS, "url of terminal is for ben alone, and was not sent").await;
        assert!(card.text.contains("/workflow stop 1 and a new start find it anew"), "{}", card.text);
        // Each end of a step is another look at what became of it.
        for n in 1..=3 {
            gate.open(1);
            world.sees(OPS, &format!("✅ a{n}")).await;
        }
        let mut db = world.services().store.read().await.unwrap();
        let promised: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM outbox WHERE slot LIKE 'secret:%'")
            .fetch_one(&mut *db)
            .await
            .unwrap();
        assert_eq!(promised, 1);
        drop(db);
        world.sandbox.clear_faults();
        world.sandbox.say(BEN, OPS, "/workflow stop 1");
        world.sees(OPS, "stopped by").await;
    }
}
