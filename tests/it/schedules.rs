//! Scripts that run by themselves: in the chat, through the whole bot, on both databases. Time is made to pass by moving what
//! the schedules have behind them; nothing is waited for but what is told.

use crate::harness::tools::{Gate, lines, until};
use crate::harness::{ANN, BEN, CLEO, OPS, Outside, World};
use crate::on_both;
use opsgram::base::ids::UserId;
use opsgram::base::time::Millis;
use opsgram::store::{self, Location, Store};
use sqlx::Connection as _;
use std::fs;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);

/// Everybody has written to the bot before.
async fn begin(world: &mut World) {
    for person in [ANN, BEN, CLEO] {
        world.sandbox.open_private(person);
    }
    world.start().await;
}

/// The schedules as they stand, once there are so many.
async fn rows(store: &Store, many: usize) -> Vec<store::schedules::Schedule> {
    let begun = std::time::Instant::now();
    loop {
        let mut db = store.read().await.unwrap();
        let rows = store::schedules::all(&mut db).await.unwrap();
        drop(db);
        if rows.len() == many {
            return rows;
        }
        assert!(begun.elapsed() < crate::harness::PATIENCE, "{rows:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// So much time passes for all schedules, as if it had since their last runs.
async fn passes(world: &World, time: Duration) {
    let store = world.services().store.clone();
    // A second more each time, so that no run is due at the very moment of another.
    let millis = i64::try_from(time.as_millis()).unwrap() + 1000;
    let mut tx = store.begin().await.unwrap();
    sqlx::query("UPDATE schedules SET anchor = anchor - $1, settled = settled - $1, retry_at = retry_at - $1")
        .bind(millis)
        .execute(&mut *tx)
        .await
        .unwrap();
    store.commit(tx).await.unwrap();
    world.services().schedules.wake();
}

/// Waits until so many jobs have ended, and nothing is under way.
async fn ended(world: &World, jobs: usize) {
    let begun = std::time::Instant::now();
    loop {
        world.quiet().await;
        if world.jobs().await >= jobs {
            world.quiet().await;
            return assert_eq!(world.jobs().await, jobs);
        }
        assert!(
            begun.elapsed() < crate::harness::PATIENCE,
            "never came: {jobs} jobs"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

on_both! {
    /// What it prints comes as one message with title and end; what is silent is a job and no message; a failure names its code.
    async fn what_runs_by_itself_is_told_by_its_rule(world) {
        let says = world.path().join("says");
        let body = format!("cat {}; exit $(cat {}.code)", says.display(), says.display());
        world.script("work", &body, &["schedule: every 5h"]);
        fs::write(&says, "all is well\n").unwrap();
        fs::write(world.path().join("says.code"), "0").unwrap();
        begin(&mut world).await;
        rows(&world.services().store, 1).await;
        passes(&world, HOUR * 5).await;
        let told = world.sees(ANN, "🗓 work").await;
        assert!(told.text.contains("all is well") && told.text.contains("✅ exit 0"), "{}", told.text);
        assert_eq!(told.edits(), 0);
        ended(&world, 1).await;
        fs::write(&says, "").unwrap();
        passes(&world, HOUR * 5).await;
        ended(&world, 2).await;
        assert_eq!(world.count(ANN, "🗓"), 1, "silent when it prints nothing");
        let jobs = world.asks(ANN, ANN, "/jobs").await;
        assert!(jobs.text.contains("#2"), "a quiet run is a job all the same: {}", jobs.text);
        fs::write(world.path().join("says.code"), "3").unwrap();
        passes(&world, HOUR * 5).await;
        let failed = world.sees(ANN, "❌ exit 3").await;
        assert!(failed.text.contains("🗓 work") && failed.text.contains("No output."), "{}", failed.text);
        assert!(world.sandbox.from_bot(BEN).is_empty(), "only owners are told");
        // One line a day says that the clock did it.
        let lines = world.audited("schedule.run", "allowed").await;
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert_eq!((lines[0].channel.as_str(), lines[0].actor), ("clock", UserId(0)));
        world.press(ANN, ANN, "Run again");
        world.sees(ANN, "❌ work · #4 · exit 3").await;
    }
}

on_both! {
    /// What is told only when it changes; a failure in between changes nothing.
    async fn a_change_is_told_once(world) {
        let says = world.path().join("says");
        let body = format!("cat {0}; [ ! -e {0}.fails ]", says.display());
        world.script("watch", &body, &["schedule: {when: every 1h, output: on_change, to: ops}"]);
        begin(&mut world).await;
        rows(&world.services().store, 1).await;
        let mut told = Vec::new();
        for (number, text) in ["one", "one", "two", "two", "one"].iter().enumerate() {
            fs::write(&says, format!("{text}\n")).unwrap();
            passes(&world, HOUR).await;
            ended(&world, number + 1).await;
            told.push(world.count(OPS, "🗓 watch"));
        }
        assert_eq!(told, [1, 1, 2, 2, 3]);
        fs::write(world.path().join("says.fails"), "").unwrap();
        passes(&world, HOUR).await;
        world.sees(OPS, "❌ exit 1").await;
        fs::remove_file(world.path().join("says.fails")).unwrap();
        passes(&world, HOUR).await;
        ended(&world, 7).await;
        assert_eq!(world.count(OPS, "🗓 watch"), 4);
        assert!(world.sandbox.from_bot(ANN).is_empty(), "it goes to the group");
    }
}

on_both! {
    /// A failure is tried again, and told once, with how often; a code that another try would not change is told at once.
    async fn a_failure_is_tried_again_and_told_once(world) {
        let code = world.path().join("code");
        let body = format!("echo try; exit $(cat {})", code.display());
        let schedule = "schedule: {when: every 5h, retry: {times: 2, backoff: 1h, factor: 2, not_on: [2]}}";
        world.script("work", &body, &[schedule]);
        fs::write(&code, "1").unwrap();
        begin(&mut world).await;
        rows(&world.services().store, 1).await;
        passes(&world, HOUR * 5).await;
        ended(&world, 1).await;
        assert_eq!(world.count(ANN, "🗓"), 0, "not yet");
        let list = world.asks(ANN, ANN, "/schedules").await;
        assert!(list.text.contains("try 2 at"), "{}", list.text);
        passes(&world, HOUR).await;
        ended(&world, 2).await;
        passes(&world, HOUR * 2).await;
        let told = world.sees(ANN, "Tried 3 times").await;
        assert!(told.text.contains("🗓 work") && told.text.contains("❌ exit 1"), "{}", told.text);
        ended(&world, 3).await;
        assert_eq!(world.count(ANN, "🗓 work · "), 2, "the list, and the end");
        fs::write(&code, "2").unwrap();
        passes(&world, HOUR * 5).await;
        world.sees(ANN, "Not tried again.").await;
        ended(&world, 4).await;
        let store = world.services().store.clone();
        assert_eq!(world.job(&store, 2).await.new.retry_of, Some(opsgram::base::ids::JobId(1)));
    }
}

on_both! {
    /// What fails after its schedule was paused, frozen or switched off is told, since no try follows; so is a failure whose try is
    /// given up by a pause, and resuming does not bring it back.
    async fn a_failure_that_is_not_tried_again_is_told(world) {
        let mut gate = Gate::new(&world, "gate");
        let body = format!("{}; exit 7", gate.wait());
        let schedule = |more: &str| format!("schedule: {{when: every 5h, retry: {{times: 2, backoff: 1h}}{more}}}");
        world.script("work", &body, &[&schedule("")]);
        begin(&mut world).await;
        let store = world.services().store.clone();
        rows(&store, 1).await;
        for (number, (stop, stopped, go_on)) in (1..).zip([
            ("/pause work", "work is paused", "/resume work"),
            ("/freeze", "ann froze everything", "/unfreeze"),
            ("", "The configuration was read again", ""),
        ]) {
            passes(&world, HOUR * 5).await;
            let log = world.path().join(format!("data/logs/{number}.log"));
            until("the run", || log.exists()).await;
            if stop.is_empty() {
                world.forget_scripts();
                world.script("work", &body, &[&schedule(", enabled: false")]);
                world.config_file();
            } else {
                world.say(ANN, stop);
            }
            world.sees(if number == 2 { OPS } else { ANN }, stopped).await;
            gate.open(1);
            ended(&world, number).await;
            assert_eq!(world.count(ANN, "❌ exit 7"), number, "{stop}");
            assert_eq!(rows(&store, 1).await[0].retry, None, "{stop}");
            if !go_on.is_empty() {
                world.asks(ANN, ANN, go_on).await;
            }
        }
        world.forget_scripts();
        world.script("work", &body, &[&schedule("")]);
        world.config_file();
        while rows(&store, 1).await[0].timer.starts_with("off") {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        passes(&world, HOUR * 5).await;
        gate.open(1);
        ended(&world, 4).await;
        assert!(rows(&store, 1).await[0].retry.is_some());
        assert_eq!(world.count(ANN, "❌ exit 7"), 3);
        world.say(ANN, "/pause work");
        let told = world.sees(ANN, "not tried again").await;
        assert!(told.text.contains("#4 failed, and is not tried again: ann paused the schedule."), "{}", told.text);
        world.asks(ANN, ANN, "/resume work").await;
        passes(&world, HOUR * 2).await;
        let list = world.asks(ANN, ANN, "/schedules").await;
        assert!(!list.text.contains("try 2"), "{}", list.text);
        ended(&world, 4).await;
    }
}

on_both! {
    /// Each schedule of the chat has a name of its own: of two that are made at the same moment, and of one that comes after
    /// another was removed, whose buttons do nothing to it.
    async fn a_name_is_given_once(world) {
        world.script("work", "echo work", &[]);
        begin(&mut world).await;
        let store = world.services().store.clone();
        world.asks(BEN, BEN, "/schedule work every 5h").await;
        let mut tx = store.begin().await.unwrap();
        let made = store::schedules::Made {
            spec: "{}".to_owned(),
            by: UserId(111),
            name: "ann".to_owned(),
            place: opsgram::base::ids::Place { chat: opsgram::base::ids::ChatId(111), thread: None },
            at: Millis::now(),
        };
        let added = store::schedules::add(&mut tx, "work+1", "work", "every 5h", Some(&made), Millis::now()).await.unwrap();
        assert!(added);
        world.press(BEN, BEN, "Schedule it");
        if matches!(world.location(), Location::Postgres(_)) {
            // It waits for what is not committed.
            let waiting = "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
                 AND query LIKE 'INSERT INTO schedules%'";
            let mut db = store.connect().await.unwrap();
            loop {
                let many: i64 = sqlx::query_scalar(waiting).fetch_one(&mut db).await.unwrap();
                if many > 0 {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            db.close().await.unwrap();
        }
        store.commit(tx).await.unwrap();
        world.sees(BEN, "work+2 runs by itself").await;
        rows(&store, 2).await;
        let old = world.asks(BEN, BEN, "/schedules work+2").await;
        world.asks(BEN, BEN, "/schedule remove work+2").await;
        let asked = world.asks(BEN, BEN, "/schedule work every 7h").await;
        world.presses(BEN, &asked, "Schedule it").await;
        world.sees(BEN, "work+3 runs by itself").await;
        world.presses(BEN, &old, "Pause").await;
        world.asks(BEN, BEN, "/whoami").await;
        let rows = rows(&store, 2).await;
        assert!(rows.iter().all(|row| row.paused.is_none()), "{rows:?}");
    }
}

on_both! {
    /// A schedule from the chat: asked about, made, run by the rights of its maker, removed.
    async fn a_schedule_is_made_in_the_chat(world) {
        world.script("backup", "echo saved $1", &["args: [{name: what, choices: [all, new]}]"]);
        world.script("secret", "echo no", &["role: admin"]);
        begin(&mut world).await;
        let refused = world.asks(CLEO, CLEO, "/schedule backup every 1h all").await;
        assert!(refused.text.contains("no script"), "{}", refused.text);
        let refused = world.asks(BEN, BEN, "/schedule secret every 1h").await;
        assert!(refused.text.contains("no script"), "{}", refused.text);
        let refused = world.asks(BEN, BEN, "/schedule backup hourly all").await;
        assert!(refused.text.contains("no time to run at"), "{}", refused.text);
        let refused = world.asks(BEN, BEN, "/schedule backup every 1h some").await;
        assert!(refused.text.contains("some"), "{}", refused.text);
        for (text, answer) in [
            ("/schedule backup", "When? Write /schedule backup every 30m"),
            ("/schedule bakcup 06:30", "There is no script “bakcup”. Did you mean backup?"),
            ("/schedule backup evry 30m all", "“evry 30m” is no time to run at; did you mean “every 30m”?"),
            ("/schedule backup every 30m jiter 5m", "“jiter 5m” is not known here; did you mean “jitter 5m”?"),
            ("/schedule backup every 30m all retry 2", "“retry 2” is written once, and before the arguments"),
            ("/schedule backup 0 6 * * MON-FRY all", "“MON-FRY” is no day of the week; did you mean “MON-FRI”?"),
            ("/schedule every 30m", "Which script? Write it before the time: /schedule backup every 30m."),
            ("/schedule 6:30", "Which script? Write it before the time: /schedule backup 06:30."),
            ("/schedule every 30m bakcup all", "There is no script “bakcup”. Did you mean backup?"),
            ("/schedule 0 25 * * * backup all", "“25” is no hour; write 0 to 23"),
            ("/schedule remove", "Which one? Write /schedule remove and its name."),
            ("/schedule backup 25:00 all", "“25:00” is not a time of day"),
            ("/schedule backup 06:30 in Berlin all", "did you mean “Europe/Berlin”?"),
            (
                "/schedule backup 06:30 in UTC",
                "“what” is missing, and when backup runs by itself nobody is asked. Write /schedule backup 06:30 in UTC <what: all or new>.",
            ),
            ("/pause", "Nothing runs by itself."),
            ("/schedules", "or every, schedule or after_github of a workflow."),
        ] {
            let told = world.asks(BEN, BEN, text).await;
            assert!(told.text.contains(answer), "{text}: {}", told.text);
        }
        let swapped = world.asks(BEN, BEN, "/schedule every 1h jitter 5m backup all").await;
        assert!(swapped.text.contains("every 1h, up to 5 m later?") && swapped.text.contains("backup.sh all"), "{}", swapped.text);
        world.presses(BEN, &swapped, "Drop").await;
        let asked = world.asks(BEN, BEN, "/schedule backup every 1h all").await;
        assert!(asked.text.contains("Next: ") && asked.text.contains("backup.sh all"), "{}", asked.text);
        world.presses(BEN, &asked, "Schedule it").await;
        world.sees(BEN, "backup+1 runs by itself, every 1h").await;
        rows(&world.services().store, 1).await;
        assert_eq!(world.audited("schedule.add", "allowed").await.len(), 1);
        passes(&world, HOUR).await;
        world.sees(BEN, "saved all").await;
        ended(&world, 1).await;
        assert!(world.sandbox.from_bot(ANN).is_empty(), "it is told where it was made");
        let slip = world.asks(BEN, BEN, "/pause backup").await;
        assert_eq!(slip.text, "There is no schedule “backup”. Did you mean backup+1?");
        let which = world.asks(BEN, BEN, "/pause").await;
        assert!(which.button("backup+1").is_some(), "{}", which.text);
        world.say(BEN, "/pause backup+1");
        world.sees(BEN, "backup+1 is paused").await;
        passes(&world, HOUR * 3).await;
        world.say(BEN, "/resume backup+1");
        world.sees(BEN, "backup+1 goes on").await;
        ended(&world, 1).await;
        // Without the right to the script it stands still, and the owner knows why.
        world.people("
access:
  users:
    - {id: 111, name: ann, role: owner}
    - {id: 222, name: ben, role: viewer}
");
        world.config_file();
        world.sees(ANN, "ben is now viewer").await;
        passes(&world, HOUR).await;
        let told = world.sees(ANN, "is paused").await;
        assert!(told.text.contains("backup+1") && told.text.contains("ben made it"), "{}", told.text);
        ended(&world, 1).await;
        let removed = world.asks(ANN, ANN, "/schedule remove backup+1").await;
        assert!(removed.text.contains("is removed"), "{}", removed.text);
        rows(&world.services().store, 0).await;
    }
}

on_both! {
    /// Words before the arguments: a failed run is tried again, each comes a little later, and what comes often gets a word.
    async fn a_schedule_of_the_chat_is_spread_and_tried_again(world) {
        world.script("flaky", "echo \"tried $1\"; exit 3", &["args: [{name: what}]"]);
        world.start().await;
        let often = world.asks(BEN, BEN, "/schedule flaky every 1s all").await;
        assert!(often.text.contains("That is 86,400 runs a day"), "{}", often.text);
        world.presses(BEN, &often, "Drop").await;
        let wrong = world.asks(BEN, BEN, "/schedule flaky every 1h retry all").await;
        assert!(wrong.text.contains("“retry” is followed by how often"), "{}", wrong.text);
        let asked = world.asks(BEN, BEN, "/schedule flaky every 5h jitter 5m retry 2 all").await;
        for words in ["every 5h, up to 5 m later?", "flaky.sh all", "A failed run is tried up to 2 times more, first 10 s later."] {
            assert!(asked.text.contains(words), "{words}: {}", asked.text);
        }
        assert!(!asked.text.contains("runs a day"), "{}", asked.text);
        world.presses(BEN, &asked, "Schedule it").await;
        world.sees(BEN, "flaky+1 runs by itself, every 5h, up to 5 m later").await;
        let shown = world.asks(BEN, BEN, "/schedules flaky+1").await;
        for words in ["Each run up to 5 m later than due", "A failed run is tried up to 2 times more, first 10 s later"] {
            assert!(shown.text.contains(words), "{words}: {}", shown.text);
        }
        // The first try fails, and so do both others; only the last is told.
        passes(&world, HOUR * 5 + Duration::from_secs(600)).await;
        for tries in 1..=2 {
            while world.jobs().await < tries {
                world.quiet().await;
            }
            world.quiet().await;
            passes(&world, Duration::from_secs(60)).await;
        }
        let told = world.sees(BEN, "Tried 3 times").await;
        assert!(told.text.contains("❌ exit 3"), "{}", told.text);
        ended(&world, 3).await;
    }
}

on_both! {
    /// The list and its buttons: run now by one's own right, pause, resume; the configuration's own are not removed here.
    async fn the_list_shows_what_runs_by_itself(world) {
        world.script("work", "echo worked", &["schedule: {when: '06:30', zone: Europe/Berlin}"]);
        world.script("hidden", "echo no", &["role: admin", "schedule: every 9h"]);
        begin(&mut world).await;
        rows(&world.services().store, 2).await;
        let list = world.asks(BEN, BEN, "/schedules").await;
        assert!(list.text.contains("work · 06:30 Europe/Berlin") && list.text.contains("next "), "{}", list.text);
        assert!(!list.text.contains("hidden"), "{}", list.text);
        world.presses(BEN, &list, "work").await;
        world.sees(BEN, "From the configuration").await;
        world.press(BEN, BEN, "Run now");
        world.sees(BEN, "✅ work · #1").await;
        world.press(BEN, BEN, "Pause");
        world.sees(BEN, "paused by ").await;
        world.press(BEN, BEN, "Resume");
        world.sees(BEN, "next ").await;
        let refused = world.asks(BEN, BEN, "/schedule remove work").await;
        assert!(refused.text.contains("stands in the configuration"), "{}", refused.text);
        let refused = world.asks(CLEO, CLEO, "/pause work").await;
        assert!(refused.text.contains("This needs the role operator"), "{}", refused.text);
        let refused = world.asks(CLEO, CLEO, "/runnow work").await;
        assert!(refused.text.contains("This needs the role operator"), "{}", refused.text);
        world.say(BEN, "/runnow work");
        world.sees(BEN, "✅ work · #2").await;
        world.polite();
    }
}

on_both! {
    /// Frozen, nothing new starts, whoever asks; everybody is told; what runs goes on.
    async fn a_freeze_stops_everything_new_and_tells_everybody(world) {
        let mut gate = Gate::new(&world, "gate");
        world.script("long", &gate.wait(), &[]);
        world.script("hello", "echo hello", &[]);
        world.script("ask", "echo hello", &["confirm: true"]);
        world.script("work", "echo worked", &["schedule: every 5h"]);
        begin(&mut world).await;
        rows(&world.services().store, 1).await;
        // Whoever wrote in private once may be told.
        for person in [ANN, BEN, CLEO] {
            world.asks(person, person, "/whoami").await;
        }
        world.services().access.write_down(Millis::now()).await.unwrap();
        world.say(BEN, "/run long");
        world.sees(BEN, "▶️ long · #1").await;
        let refused = world.asks(BEN, BEN, "/freeze").await;
        assert!(refused.text.contains("This needs the role admin"), "{}", refused.text);
        world.say(ANN, "/freeze moving the <database>");
        for chat in [ANN, BEN, CLEO, OPS] {
            let told = world.sees(chat, "ann froze everything").await;
            assert!(told.text.contains("moving the <database>"), "{}", told.text);
        }
        for command in ["/run hello", "/run ask", "/retry 1", "/schedule hello every 1h"] {
            if command == "/retry 1" {
                gate.open(1);
                world.sees(BEN, "✅ long · #1").await;
            }
            let refused = world.asks(BEN, BEN, command).await;
            assert!(refused.text.contains("Frozen by ann since"), "{command}: {}", refused.text);
            assert!(refused.text.contains("moving the <database>"), "{command}: {}", refused.text);
        }
        passes(&world, HOUR * 5).await;
        let status = world.asks(CLEO, CLEO, "/status").await;
        assert!(status.text.contains("Frozen by ann"), "{}", status.text);
        let again = world.asks(ANN, ANN, "/freeze once more").await;
        assert!(again.text.contains("Frozen by ann since"), "{}", again.text);
        let list = loop {
            let list = world.asks(ANN, ANN, "/schedules").await;
            if list.text.contains("skipped 1×") {
                break list;
            }
        };
        assert!(list.text.contains("everything was frozen"), "{}", list.text);
        world.say(ANN, "/unfreeze");
        for chat in [ANN, BEN, CLEO, OPS] {
            world.sees(chat, "ann ended the freeze").await;
        }
        world.say(BEN, "/run hello");
        world.sees(BEN, "✅ hello · #2").await;
        passes(&world, HOUR * 5).await;
        world.sees(ANN, "🗓 work").await;
        ended(&world, 3).await;
        assert_eq!(world.audited("freeze", "allowed").await.len(), 2);
    }
}

on_both! {
    /// While a run is open the next one is skipped and counted; a reload keeps the rhythm of what did not change.
    async fn a_run_never_meets_itself_and_a_reload_keeps_the_rhythm(world) {
        let mut gate = Gate::new(&world, "gate");
        world.script("work", &gate.wait(), &["schedule: every 5h"]);
        begin(&mut world).await;
        rows(&world.services().store, 1).await;
        passes(&world, HOUR * 5).await;
        let store = world.services().store.clone();
        until("the run", || fs::metadata(world.path().join("data/logs/1.log")).is_ok()).await;
        passes(&world, HOUR * 5).await;
        let list = loop {
            let list = world.asks(ANN, ANN, "/schedules").await;
            if list.text.contains("skipped 1×") {
                break list;
            }
        };
        assert!(list.text.contains("the run before was not over"), "{}", list.text);
        let before = rows(&store, 1).await;
        world.script("other", "echo other", &["schedule: every 7h"]);
        world.config_file();
        world.sees(ANN, "The configuration was read again: script added: other").await;
        let after = rows(&store, 2).await;
        assert_eq!((before[0].anchor, before[0].settled), (after[1].anchor, after[1].settled));
        gate.open(1);
        ended(&world, 1).await;
    }
}

on_both! {
    /// A job that takes longer than its script usually does is told of once.
    async fn what_takes_longer_than_usual_is_told_once(world) {
        let mut gate = Gate::new(&world, "gate");
        world.script("work", &gate.wait(), &[]);
        begin(&mut world).await;
        gate.open(5);
        for number in 1..=5 {
            world.say(BEN, "/run work");
            world.sees(BEN, &format!("✅ work · #{number}")).await;
        }
        world.say(BEN, "/run work");
        world.sees(BEN, "▶️ work · #6").await;
        let jobs = world.services().jobs.clone();
        let now = Millis::now();
        jobs.tell_slow(now.plus(Duration::from_secs(30))).await.unwrap();
        jobs.tell_slow(now.plus(HOUR)).await.unwrap();
        jobs.tell_slow(now.plus(HOUR * 2)).await.unwrap();
        let told = world.sees(BEN, "takes longer than usual").await;
        assert!(told.text.contains("1 h by now"), "{}", told.text);
        gate.open(1);
        world.sees(BEN, "✅ work · #6").await;
        world.quiet().await;
        assert_eq!(world.count(BEN, "longer than usual"), 1);
    }
}

on_both! {
    /// Killed again and again, at whatever moment: each time is run once at the most, and each run that was noted is a job.
    async fn a_killed_bot_runs_no_time_twice(world) {
        let runs = world.path().join("runs");
        world.script("tick", &format!("echo $OPSGRAM_JOB >> {}", runs.display()), &["schedule: every 1s"]);
        for round in 0..4u64 {
            let bot = Outside::start(&world).await;
            let before = lines(&runs).len();
            until("two runs", || lines(&runs).len() >= before + 2).await;
            // A moment that the test does not choose, so that kills fall between all steps; nothing relies on its length.
            tokio::time::sleep(Duration::from_millis(137 * round)).await;
            bot.kill().await;
        }
        let store = world.database().await;
        let mut db = store.read().await.unwrap();
        let row = store::schedules::find(&mut db, "tick").await.unwrap().unwrap();
        let sources: Vec<String> = sqlx::query_scalar("SELECT source FROM jobs ORDER BY id")
            .fetch_all(&mut *db)
            .await
            .unwrap();
        drop(db);
        let last = world.job(&store, row.last_job.unwrap().0).await;
        assert_eq!(last.new.source, format!("schedule:tick:{}:{}", row.anchor.0, row.last_due.unwrap().0));
        let mut once = sources.clone();
        once.sort();
        once.dedup();
        assert_eq!(once.len(), sources.len());
        let mut ran = lines(&runs);
        let many = ran.len();
        ran.sort();
        ran.dedup();
        assert_eq!(ran.len(), many, "no job ran twice");
        store.close().await;
    }
}

on_both! {
    /// By the rule `always` a card shows the run while it lasts, and becomes its report; others get the report alone.
    async fn a_run_that_is_always_told_has_a_card_while_it_lasts(world) {
        let mut gate = Gate::new(&world, "gate");
        let schedule = "schedule: {when: every 5h, output: always, to: [ops, ben]}";
        world.script("work", &gate.wait(), &[schedule]);
        begin(&mut world).await;
        rows(&world.services().store, 1).await;
        passes(&world, HOUR * 5).await;
        world.sees(OPS, "▶️ work · #1").await;
        gate.open(1);
        let told = world.sees(OPS, "🗓 work").await;
        assert!(told.text.contains("No output.") && told.edits() > 0, "{}", told.text);
        world.sees(BEN, "🗓 work").await;
        world.quiet().await;
        assert_eq!((world.sandbox.from_bot(OPS).len(), world.sandbox.from_bot(BEN).len()), (1, 1));
        world.polite();
    }
}

on_both! {
    /// A script with `output: stream` that is always told shows what it prints while it runs, in each of its places; by the other
    /// rules only its end says whether anything is told.
    async fn a_stream_that_is_always_told_comes_as_it_is_printed(world) {
        let mut gate = Gate::new(&world, "gate");
        let mut other = Gate::new(&world, "other");
        let body = |gate: &Gate| format!("echo first; {0}; echo second; {0}", gate.wait());
        let schedule = "schedule: {when: every 5h, output: always, to: [ops, ben]}";
        world.script("work", &body(&gate), &["output: stream", schedule]);
        let quiet = "schedule: {when: every 5h, output: on_output, to: [cleo]}";
        world.script("later", &body(&other), &["output: stream", quiet]);
        begin(&mut world).await;
        rows(&world.services().store, 2).await;
        passes(&world, HOUR * 5).await;
        for chat in [OPS, BEN] {
            let piece = world.sees(chat, "first").await;
            assert!(!piece.text.contains("🗓"), "{}", piece.text);
        }
        gate.open(1);
        for chat in [OPS, BEN] {
            world.sees(chat, "second").await;
        }
        assert!(world.sandbox.from_bot(CLEO).is_empty(), "its end decides");
        gate.open(1);
        other.open(2);
        for chat in [OPS, BEN] {
            let end = world.sees(chat, "🗓 work").await;
            assert!(end.text.contains("✅ exit 0") && !end.text.contains("first"), "{}", end.text);
            assert_eq!((world.count(chat, "first"), world.count(chat, "second")), (1, 1));
        }
        let report = world.sees(CLEO, "🗓 later").await;
        assert!(report.text.contains("first\nsecond") && report.text.contains("✅ exit 0"), "{}", report.text);
        world.quiet().await;
        assert_eq!(world.sandbox.from_bot(CLEO).len(), 1);
        assert_eq!(world.sandbox.from_bot(OPS).len(), 3, "the card that became the end, and two pieces");
        world.polite();
    }
}
