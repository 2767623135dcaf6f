//! What a run is: bounded in time, told as it was, alone with its declared environment, in its turn.

use crate::harness::stalls::ran_since;
use crate::harness::tools::{Gate, children, lines, until};
use crate::harness::{ANN, BEN, Database, Outside, PATIENCE, World};
use crate::on_both;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

/// A world on SQLite, for what has nothing to do with the database.
async fn world() -> World {
    World::new(Database::sqlite()).await
}

/// Ignores TERM in itself and in what it forked, one of them in a session of its own.
fn rock(world: &World) -> String {
    format!(
        "trap 'echo got TERM' TERM
(trap '' TERM; while :; do sleep 1000; done) &
setsid bash -c \"trap '' TERM; while :; do sleep 1000; done\" &
echo ready >> {}
while :; do sleep 1000 & wait $!; done",
        world.path().join("ready").display()
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_does_not_last_longer_than_its_timeout_and_nothing_of_it_remains() {
    let mut world = world().await;
    let body = rock(&world);
    world.script("rock", &body, &["timeout: 1s", "grace: 200ms"]);
    world.start().await;
    world.say(ANN, "/run rock");
    let card = world.sees(ANN, "⏱ rock · #1 · timed out after").await;
    assert!(card.text.contains("got TERM"), "{}", card.text);
    assert_eq!(children(&world), [0; 0]);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_run_leaves_no_process_whoever_ignores_term() {
    let mut world = world().await;
    let body = rock(&world);
    world.script("rock", &body, &["grace: 200ms"]);
    let ready = world.path().join("ready");
    world.start().await;
    for (number, by_button) in [(1, false), (2, true)] {
        world.say(ANN, "/run rock");
        until("the forks", || lines(&ready).len() == number).await;
        world.sees(ANN, &format!("▶️ rock · #{number}")).await;
        match by_button {
            false => {
                world.say(ANN, &format!("/cancel {number}"));
            }
            true => {
                world.press(ANN, ANN, "Cancel");
            }
        }
        let card = world
            .sees(ANN, &format!("🚫 rock · #{number} · cancelled by"))
            .await;
        assert!(
            card.text.to_lowercase().contains("cancelled by ann"),
            "{}",
            card.text
        );
        assert!(card.text.contains("got TERM"), "{}", card.text);
        assert_eq!(children(&world), [0; 0]);
    }
    world.finish().await;
}

on_both! {
    /// Cancelled while it waits: told, and it never runs.
    async fn a_job_that_is_cancelled_in_the_queue_never_runs(world) {
        let mut gate = Gate::new(&world, "gate");
        let runs = world.path().join("runs");
        world.script("work", &format!("echo $OPSGRAM_JOB >> {}; {}", runs.display(), gate.wait()), &[]);
        world.start().await;
        for _ in 0..3 {
            world.say(ANN, "/run work");
        }
        world.sees(ANN, "⏳ work · #2 · queued (1 ahead)").await;
        world.say(ANN, "/cancel 2");
        world.sees(ANN, "🚫 work · #2 · cancelled by").await;
        gate.open(2);
        world.sees(ANN, "✅ work · #3").await;
        world.quiet().await;
        assert_eq!(lines(&runs), ["1", "3"]);
    }
}

on_both! {
    /// Cancelled in whatever moment of its start: it ends as cancelled, once, and leaves nothing.
    async fn a_cancel_while_it_starts_is_not_lost(world) {
        world.script("sleeper", "sleep 1000", &["concurrency: 20"]);
        world.set("jobs: {workers: 4, per_user: 20}");
        world.start().await;
        for number in 1..=20 {
            world.say(ANN, "/run sleeper");
            world.say(ANN, &format!("/cancel {number}"));
        }
        world.quiet().await;
        for number in 1..=20 {
            world.sees(ANN, &format!("🚫 sleeper · #{number} · cancelled by")).await;
        }
        assert_eq!(children(&world), [0; 0]);
    }
}

on_both! {
    /// Cancelled while what waited over a restart begins to run: no cancel is answered as too late and then forgotten.
    async fn a_cancel_just_after_a_restart_is_not_lost(world) {
        let mut gate = Gate::new(&world, "gate");
        world.script("sleeper", &format!("{}; sleep 1000", gate.wait()), &["concurrency: 20", "on_crash: retry", "grace: 100ms"]);
        world.set("jobs: {workers: 8, per_user: 20, grace: 100ms}");
        world.start().await;
        for _ in 0..8 {
            world.say(ANN, "/run sleeper");
        }
        world.sees(ANN, "▶️ sleeper · #8").await;
        world.stop().await;
        for number in 1..=8 {
            world.say(ANN, &format!("/cancel {number}"));
        }
        world.start().await;
        world.quiet().await;
        gate.open(1);
        for number in 1..=8 {
            world.sees(ANN, &format!("🚫 sleeper · #{number} · cancelled by")).await;
        }
        assert_eq!(world.count(ANN, "has ended already"), 0);
        assert_eq!(children(&world), [0; 0]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_holds_the_pipe_in_the_background_does_not_hang_the_job() {
    let mut world = world().await;
    world.script(
        "daemon",
        "sleep 1000 & setsid sleep 1000 & echo started",
        &[],
    );
    world.start().await;
    world.say(ANN, "/run daemon");
    let card = world.sees(ANN, "✅ daemon · #1 · exit 0").await;
    assert!(card.text.contains("started"));
    assert_eq!(children(&world), [0; 0]);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failure_is_never_told_as_a_success() {
    let mut world = world().await;
    let cases = [
        ("three", "exit 3", "❌ three · #1 · exit 3"),
        ("last", "true; exit 255", "❌ last · #2 · exit 255"),
        ("killed", "kill -9 $$", "❌ killed · #3 · ended by signal 9"),
        ("segv", "kill -SEGV $$", "❌ segv · #4 · ended by signal 11"),
        ("term", "kill -TERM $$", "❌ term · #5 · ended by signal 15"),
        (
            "deaf",
            "exec <&-; echo out; echo err >&2; exit 1",
            "❌ deaf · #6 · exit 1",
        ),
    ];
    for (name, body, _) in cases {
        world.script(name, body, &[]);
    }
    world.start().await;
    for (name, _, words) in cases {
        world.say(ANN, &format!("/run {name}"));
        let card = world.sees(ANN, words).await;
        assert!(
            name != "deaf" || card.text.contains("out\nerr"),
            "{}",
            card.text
        );
    }
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_script_that_can_no_longer_be_run_says_why_on_its_card() {
    let mut world = world().await;
    let gone = world.script("gone", "true", &[]);
    let plain = world.script("plain", "true", &[]);
    let open = world.script("open", "true", &[]);
    let alien = world.script("alien", "true", &[]);
    let cwd = world.path().join("work");
    fs::create_dir(&cwd).unwrap();
    let cwd_line = format!("cwd: {}", cwd.display());
    world.script("homeless", "true", &[&cwd_line]);
    world.start().await;
    fs::remove_file(gone).unwrap();
    fs::set_permissions(plain, fs::Permissions::from_mode(0o644)).unwrap();
    fs::set_permissions(open, fs::Permissions::from_mode(0o777)).unwrap();
    fs::write(alien, "#!/no/such/interpreter\n").unwrap();
    fs::remove_dir(cwd).unwrap();
    for (name, why) in [
        ("gone", "does not exist"),
        ("plain", "is not executable"),
        ("open", "can be written by everyone"),
        ("alien", "has no interpreter here"),
        ("homeless", "The working directory"),
    ] {
        world.say(ANN, &format!("/run {name}"));
        let card = world.sees(ANN, &format!("❌ {name} · ")).await;
        assert!(card.text.contains(why), "{name}: {}", card.text);
        assert!(card.text.contains("Not started"), "{name}: {}", card.text);
    }
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_script_gets_no_variable_that_it_does_not_declare() {
    let mut world = world().await;
    for (name, value) in [
        ("HOME", "/srv/ops"),
        ("LANG", "C.UTF-8"),
        ("TZ", "Europe/Berlin"),
        ("PGHOST", "db.example"),
        ("PGPASSWORD", "correct-horse-battery"),
        ("UNDECLARED", "nobody sees this"),
        ("AWS_SECRET_ACCESS_KEY", "nor that"),
    ] {
        world.variable(name, value);
    }
    world.script(
        "environment",
        "",
        &[
            "run: [/usr/bin/env]",
            "env: {MODE: prod}",
            "env_pass: [PGHOST]",
            "secrets: [PGPASSWORD]",
        ],
    );
    world.start().await;
    world.say(ANN, "/run environment");
    let card = world.sees(ANN, "✅ environment").await;
    let mut names: Vec<_> = card
        .text
        .lines()
        .filter_map(|line| Some(line.split_once('=')?.0))
        .collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "HOME",
            "LANG",
            "MODE",
            "OPSGRAM_JOB",
            "OPSGRAM_JOB_TOKEN",
            "OPSGRAM_OUT",
            "OPSGRAM_REQUEST",
            "PATH",
            "PGHOST",
            "PGPASSWORD",
            "TZ"
        ]
    );
    assert!(card.text.contains("OPSGRAM_JOB=1\n"));
    assert!(
        !card.text.contains("correct-horse-battery"),
        "{}",
        card.text
    );
    assert!(!card.text.contains(world.sandbox.token()));
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_argument_reaches_a_shell() {
    let mut world = world().await;
    let body = "printf '<%s>' \"$@\"";
    world.script(
        "show",
        body,
        &["args: [{name: one}, {name: two, default: nothing}]"],
    );
    world.start().await;
    let typed = [
        (";", "<;>"),
        ("&", "<&>"),
        ("&&", "<&&>"),
        ("$HOME", "<$HOME>"),
        ("$(id)", "<$(id)>"),
        ("`id`", "<`id`>"),
        ("|", "<|>"),
        ("../../etc/passwd", "<../../etc/passwd>"),
        ("*", "<*>"),
        (">out", "<>out>"),
        ("'; id #'", "<; id #>"),
        ("\"a 'b' c\"", "<a 'b' c>"),
        ("'say \"hi\"'", "<say \"hi\">"),
        ("“two words”", "<two words>"),
    ];
    for (number, (typed, shown)) in typed.iter().enumerate() {
        world.say(ANN, &format!("/run show {typed}"));
        let card = world
            .sees(ANN, &format!("✅ show · #{} ", number + 1))
            .await;
        assert!(card.text.contains(shown), "{typed}: {}", card.text);
    }
    let before = world.sandbox.from_bot(ANN).len();
    world.say(ANN, "/run show 'a\nb'");
    world.quiet().await;
    let refused = world.sandbox.from_bot(ANN).split_off(before);
    assert_eq!(refused.len(), 1);
    assert!(
        !refused[0].text.contains("show · #"),
        "a newline came through: {}",
        refused[0].text
    );
    assert!(!world.path().join("out").exists());
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn input_is_empty_and_a_terminal_only_where_it_was_asked_for() {
    let mut world = world().await;
    let body = "cat; test -t 0 && echo in; test -t 1 && echo terminal || echo pipe; exit 0";
    world.script("pipe", body, &[]);
    world.script("terminal", body, &["tty: true"]);
    world.start().await;
    for (number, name) in [(1, "pipe"), (2, "terminal")] {
        world.say(ANN, &format!("/run {name}"));
        let card = world
            .sees(ANN, &format!("✅ {name} · #{number} · exit 0"))
            .await;
        let (_, output) = card.text.split_once('\n').unwrap();
        assert_eq!(output.trim(), name);
    }
    world.finish().await;
}

on_both! {
    /// One at a time, in the order of asking.
    async fn jobs_of_a_script_do_not_overtake_each_other(world) {
        let mut gate = Gate::new(&world, "gate");
        let runs = world.path().join("runs");
        world.script("work", &format!("echo $OPSGRAM_JOB >> {}; {}", runs.display(), gate.wait()), &[]);
        world.set("jobs: {workers: 8, per_user: 20}");
        world.start().await;
        for round in 0..15 {
            world.say(ANN, "/run work");
            world.say(BEN, "/run work");
            if round == 4 {
                // Whose of the ten came last is not said; it has nine before it.
                let last = |view: &opsgram::sandbox::View<'_>| {
                    let mut cards = view.from_bot(ANN).chain(view.from_bot(BEN));
                    cards.any(|card| card.text.contains("#10 · queued (9 ahead)")).then_some(())
                };
                world.sandbox.wait(PATIENCE, "nine ahead", last).await.unwrap();
            }
            if round > 4 {
                gate.open(1);
            }
        }
        gate.open(20);
        world.quiet().await;
        let order: Vec<_> = (1..=30).map(|number| number.to_string()).collect();
        assert_eq!(lines(&runs), order);
    }
}

on_both! {
    /// `on_busy: refuse`: told which one runs, and nothing is kept.
    async fn a_busy_script_that_may_not_wait_keeps_nothing(world) {
        let mut gate = Gate::new(&world, "gate");
        world.script("work", &gate.wait(), &["on_busy: refuse"]);
        world.start().await;
        world.say(ANN, "/run work");
        world.sees(ANN, "▶️ work · #1").await;
        world.say(BEN, "/run work");
        let refusal = world.sees(BEN, "is running already as #1").await;
        assert!(refusal.text.contains("/cancel 1"), "{}", refusal.text);
        gate.open(1);
        world.sees(ANN, "✅ work · #1").await;
        world.quiet().await;
        world.say(BEN, "/run work");
        gate.open(1);
        world.sees(BEN, "✅ work · #").await;
    }
}

on_both! {
    /// One person's jobs leave room for another's; and no job waits behind one that has no room itself.
    async fn nobody_waits_for_the_limit_of_somebody_else(world) {
        let mut a = Gate::new(&world, "a-gate");
        let mut b = Gate::new(&world, "b-gate");
        let mut c = Gate::new(&world, "c-gate");
        world.script("a", &a.wait(), &[]);
        world.script("b", &b.wait(), &[]);
        world.script("c", &c.wait(), &[]);
        world.set("jobs: {workers: 8, per_user: 2}");
        world.start().await;
        world.say(ANN, "/run a");
        world.say(ANN, "/run b");
        world.sees(ANN, "▶️ b · #2").await;
        world.say(ANN, "/run a");
        world.say(ANN, "/run c");
        world.sees(ANN, "⏳ c · #4").await;
        world.say(BEN, "/run c");
        world.sees(BEN, "▶️ c · #5").await;
        c.open(1);
        world.sees(BEN, "✅ c · #5").await;
        // Ann has room for one more now. #3 waits for #1; #4 must not wait for it.
        b.open(1);
        let begun = std::time::Instant::now();
        world.sees(ANN, "▶️ c · #4").await;
        let took = ran_since(begun);
        assert!(took < Duration::from_secs(5), "woken after {took:?}");
        a.open(2);
        c.open(1);
        world.quiet().await;
        for number in [1, 3] {
            world.sees(ANN, &format!("✅ a · #{number}")).await;
        }
    }
}

on_both! {
    /// No more run at once than there are workers, and no more wait than may.
    async fn neither_workers_nor_the_queue_grow_beyond_their_limits(world) {
        let mut gate = Gate::new(&world, "gate");
        let runs = world.path().join("runs");
        let body = format!("echo $OPSGRAM_JOB >> {}; {}", runs.display(), gate.wait());
        world.script("work", &body, &["concurrency: 20"]);
        world.set("jobs: {workers: 2, per_user: 20, max_queued: 3}");
        world.start().await;
        for number in 1..=2 {
            world.say(ANN, "/run work");
            world.sees(ANN, &format!("▶️ work · #{number}")).await;
        }
        for number in 3..=5 {
            world.say(ANN, "/run work");
            world.sees(ANN, &format!("⏳ work · #{number}")).await;
        }
        world.say(BEN, "/run work");
        let refusal = world.sees(BEN, "jobs.max_queued").await;
        assert!(refusal.text.starts_with("3 jobs are waiting already"), "{}", refusal.text);
        assert_eq!(lines(&runs), ["1", "2"]);
        gate.open(5);
        world.quiet().await;
        assert_eq!(lines(&runs).len(), 5);
        assert_eq!(world.sandbox.from_bot(BEN).len(), 1);
    }
}

on_both! {
    /// Fifty at once: all end, while other commands are answered as before.
    async fn fifty_jobs_at_once_starve_neither_each_other_nor_other_commands(world) {
        let mut gate = Gate::new(&world, "gate");
        let runs = world.path().join("runs");
        let body = format!("echo $OPSGRAM_JOB >> {}; {}; echo done", runs.display(), gate.wait());
        world.script("work", &body, &["concurrency: 50"]);
        world.set("jobs: {workers: 4, per_user: 50}");
        world.start().await;
        for _ in 0..50 {
            world.say(ANN, "/run work");
        }
        until("four to run", || lines(&runs).len() == 4).await;
        // All workers are held at the gate; a command is answered all the same.
        world.say(BEN, "/status");
        world.sees(BEN, "Load").await;
        gate.open(25);
        world.say(BEN, "/jobs");
        world.sees(BEN, "#").await;
        gate.open(25);
        world.quiet().await;
        assert_eq!(lines(&runs).len(), 50);
        for number in 1..=50 {
            world.sees(ANN, &format!("✅ work · #{number} ")).await;
        }
    }
}

/// The most memory that a process had, in KiB.
fn peak(id: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_megabytes_of_output_fill_neither_memory_nor_disk() {
    let mut world = world().await;
    let body = "echo first line; yes 'a line of no great length, over and over' | head -c 200000000; echo; echo last line";
    world.script("flood", body, &[]);
    world.set("jobs: {max_log: 1MiB}");
    let bot = Outside::start(&world).await;
    world.say(ANN, "/run flood");
    let card = world.sees(ANN, "✅ flood · #1 · exit 0").await;
    assert!(card.text.contains("last line"), "{}", card.text);
    let has_file = |view: &opsgram::sandbox::View<'_>| {
        view.from_bot(ANN)
            .find_map(|message| message.document.clone())
    };
    let file = world
        .sandbox
        .wait(Duration::from_secs(20), "the log", has_file)
        .await
        .unwrap();
    let peak = peak(bot.id());
    assert!(peak <= 80 * 1024, "{peak} KiB at the most");
    let text = String::from_utf8(file.bytes.to_vec()).unwrap();
    assert!(text.len() <= (1 << 20) + 200, "{} bytes", text.len());
    assert!(text.starts_with("first line\n") && text.ends_with("last line\n"));
    let told = world.sees(ANN, "The output, its beginning and end: ").await;
    assert!(told.text.contains(" of 200 MB in "), "{}", told.text);
    let told = world.asks(ANN, ANN, "/output 1").await;
    assert!(
        told.text
            .contains("The output, its beginning and end: 1 MB of 200 MB"),
        "{}",
        told.text
    );
    let left_out = text
        .lines()
        .find(|line| !line.starts_with("a line") && line.contains("left out"));
    assert!(left_out.is_some(), "nothing says what is missing");
    // The copy that was sent is removed once it is out.
    until("at most 1 MiB on disk", || {
        size(&world.path().join("data/logs")) <= 1 << 20
    })
    .await;
    bot.terminate().await;
    world.finish().await;
}

fn size(path: &std::path::Path) -> u64 {
    let Ok(meta) = fs::metadata(path) else {
        return 0;
    };
    match meta.is_dir() {
        true => fs::read_dir(path)
            .unwrap()
            .flatten()
            .map(|entry| size(&entry.path()))
            .sum(),
        false => meta.len(),
    }
}
