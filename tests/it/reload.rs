//! The configuration changes while the bot runs: what holds at once, what waits, and what is said of a fault.

use crate::harness::tools::{Gate, lines, until};
use crate::harness::{ANN, BEN, CLEO, OPS, Outside, PATIENCE, STRANGER, World};
use crate::on_both;
use opsgram::access::{By, Change};
use opsgram::base::ids::UserId;
use opsgram::base::role::Role;
use opsgram::base::time::Millis;
use opsgram::sandbox::View;
use std::fs;
use std::time::{Duration, Instant};

/// The four of the harness, with another role for Ben and without Cleo.
const OTHERS: &str = "
access:
  users:
    - {id: 111, name: ann, role: owner}
    - {id: 222, name: ben, role: viewer}
  chats:
    - {id: -1001, name: ops, role: operator}
";

/// A file that nobody touches for so long may be taken for whole; the bot waits longer.
const BREATH: Duration = Duration::from_millis(200);

/// Starts the bot; both have written to it before, so that it may write to them.
async fn begin(world: &mut World) {
    for person in [ANN, BEN] {
        world.sandbox.open_private(person);
    }
    world.start().await;
}

on_both! {
    /// Scripts and persons: what is asked from now on goes by the new file; what runs goes on.
    async fn what_changed_in_the_file_holds_at_once_and_running_jobs_go_on(world) {
        let mut gate = Gate::new(&world, "gate");
        world.script("work", &gate.wait(), &[]);
        begin(&mut world).await;
        world.say(BEN, "/run work");
        world.sees(BEN, "▶️ work · #1").await;
        world.script("hello", "echo hello", &["role: viewer"]);
        world.people(OTHERS);
        world.set("jobs: {max_queued: 1, workers: 9}");
        world.config_file();
        let told = world.sees(ANN, "The configuration was read again").await;
        for words in [
            "script added: hello", "ben is now viewer", "cleo is no longer listed", "new: jobs.max_queued",
            "needs a restart: jobs.workers",
        ] {
            assert!(told.text.contains(words), "{words}: {}", told.text);
        }
        world.say(BEN, "/run work");
        world.sees(BEN, "This needs the role operator").await;
        world.say(BEN, "/run hello");
        world.sees(BEN, "✅ hello · #2").await;
        world.say(CLEO, "/jobs");
        world.sees(CLEO, "I do not know you").await;
        gate.open(1);
        world.sees(BEN, "✅ work · #1 · exit 0").await;
        assert_eq!(world.count(ANN, "The configuration was read again"), 1);
    }
}

on_both! {
    /// A fault is told once, whatever is saved how often, and what was in force stays.
    async fn a_fault_keeps_what_was_in_force_and_is_told_once(world) {
        world.script("hello", "echo hello", &[]);
        begin(&mut world).await;
        let file = world.config_file();
        let good = fs::read_to_string(&file).unwrap();
        fs::write(&file, format!("{good}nonsense: 1\ntelegram: {{proxy: 'ftp://ann:hunter2@host'}}\n")).unwrap();
        let told = world.sees(ANN, "The configuration has 2 faults").await;
        assert!(told.text.contains("nonsense"), "{}", told.text);
        assert!(!told.text.contains("hunter2"), "{}", told.text);
        world.say(BEN, "/run hello");
        world.sees(BEN, "✅ hello · #1").await;
        // Asked for it, it is read again, and only the asker is answered.
        world.say(ANN, "/config check");
        world.say(ANN, "/reload");
        let thrice = |view: &opsgram::sandbox::View<'_>| {
            let faults = view.from_bot(ANN).filter(|m| m.text.contains("has 2 faults")).count();
            (faults == 3).then_some(())
        };
        world.sandbox.wait(PATIENCE, "both answers", thrice).await.unwrap();
        fs::write(&file, &good).unwrap();
        world.sees(ANN, "The configuration has no fault any more").await;
        world.quiet().await;
        assert_eq!(world.count(ANN, "has 2 faults"), 3);
        // Told anew when it comes again.
        fs::write(&file, format!("{good}nonsense: 1\n")).unwrap();
        world.sees(ANN, "The configuration has a fault").await;
    }
}

on_both! {
    /// What cannot change while the bot runs is named, once.
    async fn what_needs_a_restart_is_named_once_and_does_not_change(world) {
        world.script("hello", "echo hello", &[]);
        begin(&mut world).await;
        world.set("jobs: {workers: 7}");
        world.config_file();
        world.sees(ANN, "needs a restart: jobs.workers").await;
        world.script("other", "echo other", &[]);
        world.config_file();
        world.sees(ANN, "script added: other").await;
        world.set("monitored_devices: [{name: root, path: /}]");
        world.config_file();
        world.sees(ANN, "new: monitored_devices").await;
        assert_eq!(world.count(ANN, "The configuration was read again"), 3);
        assert_eq!(world.services().live.current().jobs.workers, 4);
    }
}

on_both! {
    /// Saved as nonsense and as sense in one breath, as an editor does that empties the file first. A machine that holds this
    /// editor up for longer than a file is waited for makes it two savings: then that try says nothing, and another is made.
    async fn a_half_written_file_is_waited_for(world) {
        world.script("hello", "echo hello", &[]);
        begin(&mut world).await;
        for attempt in 0.. {
            let name = format!("other{attempt}");
            let before = world.sandbox.from_bot(ANN).len();
            world.script(&name, "echo other", &[]);
            let in_one_breath = save_in_pieces(&world);
            world.sees(ANN, &format!("script added: {name}")).await;
            world.quiet().await;
            let told = world.sandbox.from_bot(ANN);
            if in_one_breath {
                assert_eq!(told.len(), before + 1, "{told:?}");
                break;
            }
            assert!(attempt < 20, "this machine writes no file in one breath");
        }
    }
}

/// Writes the configuration piece by piece, and then whole by another way. Whether no pause was so long that the file could
/// be taken for whole.
fn save_in_pieces(world: &World) -> bool {
    let file = world.path().join("opsgram.yaml");
    let beside = file.with_extension("new");
    let old = fs::read_to_string(&file).unwrap();
    let good = fs::read_to_string(world.config_file()).unwrap();
    let begun = Instant::now();
    let (mut last, mut longest) = (begun, Duration::ZERO);
    let mut next = || {
        longest = longest.max(last.elapsed());
        last = Instant::now();
    };
    assert_ne!(old, good);
    for end in (0..good.len()).step_by(7) {
        fs::write(&file, &good[..end]).unwrap();
        next();
    }
    fs::remove_file(&file).unwrap();
    next();
    fs::write(&beside, &good).unwrap();
    fs::rename(&beside, &file).unwrap();
    next();
    longest < BREATH && begun.elapsed() < 10 * BREATH
}

on_both! {
    /// A file without an owner would lock everybody out.
    async fn the_last_owner_is_not_taken_away_by_the_file(world) {
        begin(&mut world).await;
        world.people("access: {users: [{id: 222, name: ben, role: admin}]}\n");
        world.config_file();
        world.sees(ANN, "nobody would own the bot for good any more").await;
        world.say(ANN, "/whoami");
        world.sees(ANN, "Role here: owner").await;
        // Nor is it left to an owner for a time: when that is over, nobody would be.
        let lent = Change::Role {
            user: UserId(CLEO),
            name: "cleo".to_owned(),
            role: Role::Owner,
            until: Some(Millis::now().plus(Duration::from_secs(3600))),
        };
        world.people("access: {users: [{id: 111, name: ann, role: owner}, {id: 222, name: ben, role: admin}]}\n");
        world.config_file();
        world.sees(ANN, "has no fault any more").await;
        let by = By::CommandLine("root".to_owned());
        world.services().access.change(&by, lent).await.unwrap();
        world.people("access: {users: [{id: 222, name: ben, role: viewer}]}\n");
        world.config_file();
        let told = |view: &View<'_>| {
            let all = view.from_bot(ANN).filter(|m| m.text.contains("for good any more"));
            (all.count() == 2).then_some(())
        };
        world.sandbox.wait(PATIENCE, "the second refusal", told).await.unwrap();
        world.people("access: {users: [{id: 222, name: ben, role: owner}]}\n");
        world.config_file();
        world.sees(BEN, "ann is no longer listed").await;
        world.say(ANN, "/jobs");
        world.sees(ANN, "I do not know you").await;
    }
}

on_both! {
    /// A waiting job of a script that is gone is told; a waiting one of a script that changed runs as it was asked for.
    async fn what_waits_runs_as_it_was_asked_for_or_says_that_its_script_is_gone(world) {
        let mut gate = Gate::new(&world, "gate");
        let ran = world.path().join("ran");
        let body = format!("echo $1 >> {}; {}", ran.display(), gate.wait());
        let path = world.script("work", &body, &["args: [{name: a, default: old}]"]);
        begin(&mut world).await;
        for _ in 0..3 {
            world.say(ANN, "/run work");
        }
        world.sees(ANN, "⏳ work · #3").await;
        world.forget_scripts();
        let run = format!("run: [{}, new]", path.display());
        world.script("work", &body, &[run.as_str()]);
        world.config_file();
        world.sees(ANN, "script changed: work").await;
        gate.open(1);
        world.sees(ANN, "✅ work · #1").await;
        until("the second", || lines(&ran).len() == 2).await;
        world.forget_scripts();
        world.config_file();
        world.sees(ANN, "script removed: work").await;
        gate.open(1);
        world.sees(ANN, "✅ work · #2").await;
        world.sees(ANN, "The script is no longer in the configuration").await;
        assert_eq!(lines(&ran), ["old", "old"]);
    }
}

on_both! {
    /// The commands and those who may not use them.
    async fn the_commands_are_for_admins_and_say_what_is_wrong_with_their_words(world) {
        world.script("hello", "echo hello", &[]);
        world.set("workflows: {w: {steps: [{name: a, run: [no-such-program]}]}}");
        begin(&mut world).await;
        let answer = world.asks(ANN, ANN, "/config").await;
        assert!(answer.text.contains("opsgram.yaml"), "{}", answer.text);
        let answer = world.asks(ANN, ANN, "/config check").await;
        assert!(answer.text.contains("it is what is in force"), "{}", answer.text);
        let warned = answer.text.contains("⚠️ Worth a look:\n• line ") && answer.text.contains("no-such-program is not found");
        assert!(warned, "{}", answer.text);
        let answer = world.asks(ANN, ANN, "/reload").await;
        assert!(answer.text.contains("nothing changed"), "{}", answer.text);
        let answer = world.asks(ANN, ANN, "/config <b>everything</b>").await;
        assert!(answer.text.contains("Write /config check"), "{}", answer.text);
        let answer = world.asks(ANN, ANN, "/reload now").await;
        assert!(answer.text.contains("takes no arguments"), "{}", answer.text);
        for person in [BEN, CLEO] {
            for command in ["/reload", "/config", "/config check"] {
                let answer = world.asks(person, person, command).await;
                assert!(answer.text.contains("This needs the role admin"), "{}", answer.text);
            }
        }
        let answer = world.asks(ANN, OPS, "/reload").await;
        assert!(answer.text.contains("private chat"), "{}", answer.text);
        let answer = world.asks(STRANGER, STRANGER, "/config check").await;
        assert!(!answer.text.contains("opsgram.yaml"), "{}", answer.text);
        world.quiet().await;
        assert_eq!(world.audited("config.reload", "refused").await.len(), 3);
        assert_eq!(world.audited("config.reload", "allowed").await.len(), 1);
        world.polite();
    }
}

on_both! {
    /// SIGHUP reads the file again although it is the same: what it names may be another. A mended fault is noticed.
    async fn a_hangup_reads_again_and_what_is_mended_outside_the_file_is_noticed(world) {
        let script = world.script("hello", "echo hello", &[]);
        world.sandbox.open_private(ANN);
        let bot = Outside::start(&world).await;
        fs::rename(&script, script.with_extension("away")).unwrap();
        let pid = i32::try_from(bot.id()).unwrap();
        let hangup = nix::sys::signal::Signal::SIGHUP;
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), hangup).unwrap();
        world.sees(ANN, "The configuration has a fault").await;
        until("the log to say so", || bot.logged().contains("what was in force stays")).await;
        fs::rename(script.with_extension("away"), &script).unwrap();
        world.sees(ANN, "no fault any more").await;
        let (code, _) = bot.terminate().await;
        assert_eq!(code, Some(0));
    }
}
