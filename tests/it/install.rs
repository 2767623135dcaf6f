//! Setting the bot up and watching it: `init`, `check`, `health`, what systemd is told, completions, pages.

use crate::harness::tools::{free_port, until};
use crate::harness::{ANN, Database, Outside, PATIENCE, STRANGER, World};
use crate::{on_both, pushing};
use nix::sys::termios;
use serde_json::Value;
use sqlx::{Connection, Executor, PgConnection};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixDatagram;
use tokio::process::Command;

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o777
}

impl World {
    /// Runs a command of the program in this world.
    async fn program(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_opsgram"))
            .args(arguments)
            .env_clear()
            .envs(self.environment())
            .stdin(Stdio::null())
            .current_dir(self.path())
            .output()
            .await
            .unwrap()
    }

    /// The same for a command that takes the configuration.
    async fn configured(&self, command: &str, more: &[&str]) -> (Option<i32>, String) {
        let file = self.config_file().display().to_string();
        let arguments = [&[command, "--config", &file], more].concat();
        let done = self.program(&arguments).await;
        (done.status.code(), text(&done.stdout) + &text(&done.stderr))
    }

    /// Stands in for systemd: what the bot says arrives here.
    fn listen(&mut self, watchdog: &str) -> UnixDatagram {
        let socket = self.path().join("notify");
        let systemd = UnixDatagram::bind(&socket).unwrap();
        self.variable("NOTIFY_SOCKET", &socket.display().to_string());
        self.variable("WATCHDOG_USEC", watchdog);
        systemd
    }
}

/// Everything that systemd is told, up to and with this.
async fn told(systemd: &UnixDatagram, word: &str) -> Vec<String> {
    let mut all = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let received = tokio::time::timeout(PATIENCE, systemd.recv(&mut buffer)).await;
        let length = received.unwrap_or_else(|_| panic!("never told {word}: {all:?}"));
        let said = text(&buffer[..length.unwrap()]);
        all.extend(said.lines().map(str::to_owned));
        if all.iter().any(|line| line.starts_with(word)) {
            return all;
        }
    }
}

/// What was told so far and not yet received.
fn told_meanwhile(systemd: &UnixDatagram) -> Vec<String> {
    let mut all = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(length) = systemd.try_recv(&mut buffer) {
        all.extend(text(&buffer[..length]).lines().map(str::to_owned));
    }
    all
}

#[tokio::test]
async fn systemd_is_told_when_the_bot_is_up_lives_and_stops() {
    let mut world = World::new(Database::sqlite()).await;
    let systemd = world.listen("2000000");
    let (code, words) = world.configured("health", &[]).await;
    assert_eq!(code, Some(1), "{words}");
    assert!(words.contains("no bot runs"), "{words}");
    let bot = Outside::start(&world).await;
    let begun = told(&systemd, "WATCHDOG=1").await;
    assert_eq!(begun[0], "READY=1", "{begun:?}");
    assert!(
        begun
            .iter()
            .any(|line| line.starts_with("STATUS=polling · 0 running")),
        "{begun:?}"
    );
    told(&systemd, "WATCHDOG=1").await;
    let health = health_file(&world).await;
    assert_eq!(mode(&health), 0o600);
    let (code, words) = world.configured("health", &[]).await;
    assert_eq!(code, Some(0), "{words}");
    assert!(words.starts_with("well: polling"), "{words}");
    let done = world.program(&["health"]).await;
    assert_eq!(done.status.code(), Some(0), "OPSGRAM_DATA_DIR is enough");
    told_meanwhile(&systemd);
    assert_eq!(bot.terminate().await.0, Some(0));
    told(&systemd, "STOPPING=1").await;
    assert!(!health.exists(), "what does not run has no health");
    world.finish().await;
}

/// The file of the one bot that runs, once it is written.
async fn health_file(world: &World) -> PathBuf {
    let found = || {
        let mut entries = fs::read_dir(world.path().join("data")).ok()?.flatten();
        let health =
            |entry: &fs::DirEntry| entry.file_name().to_string_lossy().starts_with("health.");
        entries.find(health).map(|entry| entry.path())
    };
    until("the health file", || found().is_some()).await;
    found().unwrap()
}

#[tokio::test]
async fn a_bot_that_was_killed_is_not_well() {
    let mut world = World::new(Database::sqlite()).await;
    let bot = Outside::start(&world).await;
    let health = health_file(&world).await;
    bot.kill().await;
    let (code, words) = world.configured("health", &[]).await;
    assert_eq!(code, Some(1), "{words}");
    assert!(words.contains("was killed"), "{words}");
    let mut left: Value = serde_json::from_slice(&fs::read(&health).unwrap()).unwrap();
    left["at"] = Value::from(left["at"].as_i64().unwrap() - 60_000);
    fs::write(&health, left.to_string()).unwrap();
    let (code, words) = world.configured("health", &[]).await;
    assert_eq!(code, Some(1), "{words}");
    assert!(words.contains("no sign of life for 1 m"), "{words}");
    fs::write(&health, "{").unwrap();
    let (code, words) = world.configured("health", &[]).await;
    assert_eq!(code, Some(1), "{words}");
    assert!(!words.contains("panicked"), "{words}");
    world.finish().await;
}

#[tokio::test]
async fn without_telegram_the_bot_is_up_and_says_so() {
    let mut world = World::new(Database::sqlite()).await;
    let systemd = world.listen("4000000");
    world.sandbox.away(true);
    let bot = Outside::spawn(&world);
    let begun = told(&systemd, "WATCHDOG=1").await;
    assert_eq!(begun[0], "READY=1", "{begun:?}");
    assert!(
        begun
            .iter()
            .any(|line| line.contains("Telegram failed to answer")),
        "{begun:?}"
    );
    world.sandbox.away(false);
    world.polled_since(world.sandbox.seq()).await;
    assert_eq!(bot.terminate().await.0, Some(0));
    world.finish().await;
}

#[tokio::test]
async fn a_database_that_does_not_answer_costs_systemds_patience() {
    let mut world = World::new(Database::postgres().await).await;
    let systemd = world.listen("4000000");
    let bot = Outside::start(&world).await;
    told(&systemd, "WATCHDOG=1").await;
    let opsgram::store::Location::Postgres(url) = world.location() else {
        panic!("no server");
    };
    let mut other = PgConnection::connect(&url).await.unwrap();
    let mut holding = other.begin().await.unwrap();
    holding
        .execute("LOCK TABLE jobs IN ACCESS EXCLUSIVE MODE")
        .await
        .unwrap();
    told_meanwhile(&systemd);
    told(&systemd, "STATUS=the database does not answer").await;
    let still = told(&systemd, "STATUS=the database does not answer").await;
    assert!(!still.iter().any(|line| line == "WATCHDOG=1"), "{still:?}");
    let (code, words) = world.configured("health", &[]).await;
    assert_eq!(code, Some(1), "{words}");
    assert!(words.contains("the database does not answer"), "{words}");
    holding.rollback().await.unwrap();
    told(&systemd, "WATCHDOG=1").await;
    assert_eq!(bot.terminate().await.0, Some(0));
    world.finish().await;
}

#[tokio::test]
async fn a_check_has_a_line_for_each_part_and_makes_nothing() {
    for database in [Database::sqlite(), Database::postgres().await] {
        let mut world = World::new(database).await;
        let (code, told) = world.configured("check", &[]).await;
        assert_eq!(code, Some(0), "{told}");
        for line in [
            "ok   configuration · ",
            "ok   data folder · ",
            "ok   database · ",
            "ok   owners · 1 by the file",
            "ok   telegram · the token is @sandbox_bot's (from the variable OPSGRAM_TELEGRAM_TOKEN)",
            "ok   webhook · none",
            "ok   clock · ",
        ] {
            assert!(told.contains(line), "{line} is missing in\n{told}");
        }
        assert!(told.contains("will be made"), "{told}");
        assert!(!world.path().join("data").exists(), "a check makes nothing");
        let bot = Outside::start(&world).await;
        let (code, told) = world.configured("check", &[]).await;
        assert_eq!(code, Some(0), "{told}");
        assert!(told.contains("a bot runs on this database"), "{told}");
        assert!(told.contains("opens, and can be written"), "{told}");
        assert_eq!(bot.terminate().await.0, Some(0));
        let (_, told) = world.configured("check", &[]).await;
        assert!(told.contains("no bot runs on this database"), "{told}");
        world.finish().await;
    }
}

#[tokio::test]
async fn a_check_says_whose_the_port_for_pushes_is() {
    let mut world = World::new(Database::sqlite()).await;
    let port = free_port();
    let taken = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
    pushing::waits(&mut world, port, "warn: 26h");
    let (code, told) = world.configured("check", &[]).await;
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("another program listens at"), "{told}");
    drop(taken);
    let (code, told) = world.configured("check", &[]).await;
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("free, for pushes"), "{told}");
    let bot = Outside::start(&world).await;
    pushing::is_open(port).await;
    let (code, told) = world.configured("check", &[]).await;
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("taken, by the bot that runs"), "{told}");
    assert!(!told.contains(pushing::TOKEN), "{told}");
    assert_eq!(bot.terminate().await.0, Some(0));
    world.finish().await;
}

#[tokio::test]
async fn a_check_says_what_is_wrong_and_what_to_do() {
    let mut world = World::new(Database::sqlite()).await;
    world.people("");
    world.sandbox.set_webhook("https://hooks.example.org/x");
    let file = world.config_file();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).unwrap();
    let (code, told) = world.configured("check", &[]).await;
    assert_eq!(code, Some(1), "{told}");
    for line in [
        "FAIL webhook · one is set, to hooks.example.org",
        "opsgram check --delete-webhook",
        "FAIL file modes · others can write",
        "chmod go-w",
        "warn owners · nobody owns the bot yet",
    ] {
        assert!(told.contains(line), "{line} is missing in\n{told}");
    }
    let (code, told) = world.configured("check", &["--json"]).await;
    assert_eq!(code, Some(1));
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told["ok"], false);
    let parts = told["parts"].as_array().unwrap();
    assert!(
        parts
            .iter()
            .any(|part| part["part"] == "webhook" && part["state"] == "fail"),
        "{told}"
    );
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let (code, told) = world.configured("check", &["--delete-webhook"]).await;
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("is deleted"), "{told}");
    let (_, told) = world.configured("check", &[]).await;
    assert!(told.contains("ok   webhook · none"), "{told}");
    world.sandbox.away(true);
    let (code, told) = world.configured("check", &[]).await;
    assert_eq!(code, Some(1), "{told}");
    assert!(
        told.contains("FAIL telegram · Telegram cannot be reached"),
        "{told}"
    );
    assert!(
        !told.contains(world.sandbox.token()),
        "no token is shown: {told}"
    );
    world.sandbox.away(false);
    fs::write(&file, "jobs: {workers: 0}\n").unwrap();
    let named = file.display().to_string();
    let faulty = world
        .program(&["check", "--json", "--config", &named])
        .await;
    assert_eq!(faulty.status.code(), Some(2));
    let told: Value = serde_json::from_slice(&faulty.stdout).unwrap();
    assert_eq!(told["parts"][0]["state"], "fail", "{told}");
    world.finish().await;
}

#[tokio::test]
async fn a_check_knows_a_database_that_it_cannot_use() {
    let mut world = World::new(Database::sqlite()).await;
    let data = world.path().join("data");
    fs::create_dir(&data).unwrap();
    fs::write(
        data.join("opsgram.db"),
        "no database at all, but long enough to be taken for one",
    )
    .unwrap();
    let (code, told) = world.configured("check", &[]).await;
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("FAIL database"), "{told}");
    fs::remove_file(data.join("opsgram.db")).unwrap();
    let store = world.database().await;
    let mut tx = store.begin().await.unwrap();
    tx.execute("UPDATE opsgram_migrations SET version = 9999 WHERE version = 1")
        .await
        .unwrap();
    store.commit(tx).await.unwrap();
    store.close().await;
    let (code, told) = world.configured("check", &[]).await;
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("was changed by a newer opsgram"), "{told}");
    world.finish().await;
}

#[tokio::test]
async fn a_bot_is_set_up_without_a_question() {
    let mut world = World::new(Database::sqlite()).await;
    let token = world.path().join("given");
    fs::write(&token, format!("{}\n", world.sandbox.token())).unwrap();
    let given = token.display().to_string();
    let dir = world.path().join("etc");
    let target = dir.display().to_string();
    let without = |world: &World, arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_opsgram"));
        command
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::var("PATH").unwrap())
            .env("OPSGRAM_TELEGRAM_API_URL", world.sandbox.api_url())
            .stdin(Stdio::null());
        command
    };
    let init = ["init", "--dir", &target, "--token-file", &given];
    let alone = without(&world, &init).output().await.unwrap();
    assert_eq!(alone.status.code(), Some(1));
    assert!(
        text(&alone.stderr).contains("--owner"),
        "{}",
        text(&alone.stderr)
    );
    assert!(
        !dir.exists(),
        "nothing is written before everything is known"
    );
    let whole = [&init[..], &["--owner", "111", "--name", "ann"]].concat();
    let done = without(&world, &whole).output().await.unwrap();
    let shown = text(&done.stdout) + &text(&done.stderr);
    assert_eq!(done.status.code(), Some(0), "{shown}");
    assert!(shown.contains("The token is @sandbox_bot's."), "{shown}");
    assert!(!shown.contains(world.sandbox.token()), "{shown}");
    let file = dir.join("opsgram.yaml");
    assert_eq!(
        (mode(&file), mode(&dir.join("telegram-token"))),
        (0o600, 0o600)
    );
    let check = ["check", "--config", file.to_str().unwrap()];
    let checked = without(&world, &check).output().await.unwrap();
    assert_eq!(checked.status.code(), Some(0), "{}", text(&checked.stdout));
    assert!(text(&checked.stdout).contains("1 by the file"));

    // What is there is not replaced unasked, and kept when it is.
    let mine = fs::read_to_string(&file).unwrap() + "\n# mine\n";
    fs::write(&file, &mine).unwrap();
    let again = without(&world, &whole).output().await.unwrap();
    assert_eq!(again.status.code(), Some(1));
    assert!(text(&again.stderr).contains("--force"));
    assert_eq!(fs::read_to_string(&file).unwrap(), mine);
    let forced = [&whole[..], &["--force"]].concat();
    let forced = without(&world, &forced).output().await.unwrap();
    assert_eq!(forced.status.code(), Some(0), "{}", text(&forced.stderr));
    assert_eq!(
        fs::read_to_string(dir.join("opsgram.yaml.old")).unwrap(),
        mine
    );
    assert!(!fs::read_to_string(&file).unwrap().contains("# mine"));

    fs::write(&token, "1:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb").unwrap();
    let elsewhere = world.path().join("elsewhere").display().to_string();
    let wrong = [
        "init",
        "--dir",
        &elsewhere,
        "--token-file",
        &given,
        "--owner",
        "1",
    ];
    let wrong = without(&world, &wrong).output().await.unwrap();
    assert_eq!(wrong.status.code(), Some(1));
    assert!(text(&wrong.stderr).contains("does not know this token"));
    assert!(
        !text(&wrong.stderr).contains("bbbb"),
        "the token is not shown"
    );
    assert!(!Path::new(&elsewhere).exists());
    for id in ["0", "abc"] {
        let none = without(&world, &["init", "--owner", id])
            .output()
            .await
            .unwrap();
        assert_eq!(none.status.code(), Some(2));
        let told = text(&none.stderr);
        assert!(told.contains("an id is a number, such as 111"), "{told}");
    }
    world.finish().await;
}

/// A person at a terminal.
struct Terminal {
    pty: pty_process::Pty,
    child: tokio::process::Child,
    shown: String,
    /// How much of it was looked at.
    seen: usize,
}

impl Terminal {
    fn start(world: &World, arguments: &[&str]) -> Self {
        let (pty, pts) = pty_process::open().unwrap();
        pty.resize(pty_process::Size::new(40, 200)).unwrap();
        let child = pty_process::Command::new(env!("CARGO_BIN_EXE_opsgram"))
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::var("PATH").unwrap())
            .env("OPSGRAM_TELEGRAM_API_URL", world.sandbox.api_url())
            .kill_on_drop(true)
            .spawn(pts)
            .unwrap();
        Self {
            pty,
            child,
            shown: String::new(),
            seen: 0,
        }
    }

    /// Waits until the words are on the screen, after what was looked at before.
    async fn sees(&mut self, words: &str) {
        let mut buffer = [0; 4096];
        loop {
            if let Some(at) = self.shown[self.seen..].find(words) {
                self.seen += at + words.len();
                return;
            }
            let read = tokio::time::timeout(PATIENCE, self.pty.read(&mut buffer)).await;
            match read {
                Ok(Ok(n)) if n > 0 => self.shown += &String::from_utf8_lossy(&buffer[..n]),
                Ok(_) | Err(_) => panic!("never saw {words:?} in\n{}", self.shown),
            }
        }
    }

    /// Waits until what is typed is not shown, and types it.
    async fn types_unseen(&mut self, line: &str) {
        self.sees("Token: ").await;
        until("the echo to be off", || {
            let modes = termios::tcgetattr(&self.pty).unwrap().local_flags;
            !modes.contains(termios::LocalFlags::ECHO)
        })
        .await;
        self.types(line).await;
    }

    async fn types(&mut self, line: &str) {
        self.pty
            .write_all(format!("{line}\n").as_bytes())
            .await
            .unwrap();
    }

    /// The exit code, and all that was shown.
    async fn ends(mut self) -> (Option<i32>, String) {
        let mut buffer = [0; 4096];
        // The other side being closed is an error on Linux.
        while let Ok(n @ 1..) = self.pty.read(&mut buffer).await {
            self.shown += &String::from_utf8_lossy(&buffer[..n]);
        }
        (self.child.wait().await.unwrap().code(), self.shown)
    }
}

#[tokio::test]
async fn a_bot_is_set_up_at_a_terminal_without_showing_the_token() {
    let mut world = World::new(Database::sqlite()).await;
    let dir = world.path().join("etc");
    let file = dir.join("opsgram.yaml");
    let target = dir.display().to_string();
    let token = world.sandbox.token().to_owned();
    let mut terminal = Terminal::start(&world, &["init", "--dir", &target]);
    terminal.types_unseen("hunter2").await;
    terminal.sees("that is not a bot token").await;
    terminal
        .types_unseen("1:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb")
        .await;
    terminal.sees("does not know this token").await;
    terminal.types_unseen(&token).await;
    terminal.sees("The token is @sandbox_bot's").await;
    terminal.sees("Now send any message to @sandbox_bot").await;
    world.say(STRANGER, "hello?");
    terminal.sees("Mallory (id 999) wrote to the bot").await;
    terminal.types("n").await;
    terminal.sees("Then I wait for another one").await;
    world.say(STRANGER, "but it is me");
    world.say(ANN, "hello");
    terminal.sees("Ann (id 111) wrote to the bot").await;
    assert!(
        !file.exists(),
        "nothing is written before the owner is known"
    );
    terminal.types("y").await;
    let (code, shown) = terminal.ends().await;
    assert_eq!(code, Some(0), "{shown}");
    for secret in [token.as_str(), "hunter2", "bbbbb"] {
        assert!(!shown.contains(secret), "{secret} was shown:\n{shown}");
    }
    assert!(shown.contains("opsgram check --config"), "{shown}");
    let written = fs::read_to_string(&file).unwrap();
    assert!(
        written.contains("{id: 111, name: \"Ann\", role: owner}"),
        "{written}"
    );
    assert!(!written.contains(&token), "the token has a file of its own");
    assert_eq!(
        fs::read_to_string(dir.join("telegram-token"))
            .unwrap()
            .trim(),
        token
    );
    world.sees(ANN, "You are my owner now").await;
    assert_eq!(
        world.sandbox.pending_updates(),
        0,
        "what was sent here is no command later"
    );

    fs::write(&file, "{}\n").unwrap();
    let mut terminal = Terminal::start(&world, &["init", "--dir", &target]);
    terminal.sees("[y/N]").await;
    terminal.types("").await;
    let (code, shown) = terminal.ends().await;
    assert_eq!(code, Some(1), "{shown}");
    assert!(shown.contains("Nothing was changed"), "{shown}");
    world.finish().await;
}

#[tokio::test]
async fn a_second_program_with_the_token_is_told_of_when_setting_up() {
    let mut world = World::new(Database::sqlite()).await;
    let dir = world.path().join("etc").display().to_string();
    let token = world.path().join("given");
    fs::write(&token, world.sandbox.token()).unwrap();
    let given = token.display().to_string();
    world.sandbox.set_webhook("https://hooks.example.org/x");
    let terminal = Terminal::start(&world, &["init", "--dir", &dir, "--token-file", &given]);
    let (code, shown) = terminal.ends().await;
    assert_eq!(code, Some(1), "{shown}");
    assert!(shown.contains("a webhook is set"), "{shown}");
    assert!(!Path::new(&dir).exists());
    world.finish().await;
}

on_both! {
    /// Persons are managed from the server, before the first start and while the bot runs.
    async fn persons_are_managed_from_the_command_line(world) {
        let no = |told: &(Option<i32>, String), words: &str| {
            assert_eq!(told.0, Some(1), "{}", told.1);
            assert!(told.1.contains(words), "{words:?} is missing in {}", told.1);
        };
        let yes = |told: &(Option<i32>, String), words: &str| {
            assert_eq!(told.0, Some(0), "{}", told.1);
            assert!(told.1.contains(words), "{words:?} is missing in {}", told.1);
        };
        yes(&world.configured("user", &["list"]).await, "ann");
        yes(
            &world.configured("user", &["add", "444", "--role", "operator", "--name", "dora"]).await,
            "dora (444) is operator now",
        );
        no(&world.configured("user", &["add", "555", "--role", "viewer", "--name", "Ann"]).await, "ann is the name of 111; choose another with --name");
        no(&world.configured("user", &["add", "555", "--role", "viewer", "--name", "dora"]).await, "dora is the name of 444");
        yes(&world.configured("user", &["role", "dora", "admin"]).await, "is admin now, was operator");
        no(&world.configured("user", &["role", "555", "admin"]).await, "has no role");
        no(&world.configured("user", &["add", "0", "--role", "admin"]).await, "not the id of a person");
        no(&world.configured("user", &["remove", "nobody"]).await, "I know nobody called");
        no(&world.configured("user", &["remove", "ann"]).await, "stands in the configuration");
        no(&world.configured("user", &["role", "111", "viewer"]).await, "change it there");
        for wrong in [&["add", "5"][..], &["add", "-5", "--role", "admin"], &["add", "5", "--role", "king"], &["add", "5", "--role", "admin", "--for", "soon"], &["add", "5", "--role", "admin", "--name", " "], &["add", "5", "--role", "admin", "--name", "a\nb"], &["drop", "5"], &[]] {
            assert_eq!(world.configured("user", wrong).await.0, Some(2), "{wrong:?}");
        }
        world.start().await;
        yes(
            &world.configured("user", &["add", "999", "--role", "viewer", "--for", "1h"]).await,
            "(999) is viewer now, until 2",
        );
        let (_, listed) = world.configured("user", &["list"]).await;
        for words in ["111  owner     ann", "the configuration", "444  admin     dora", "until"] {
            assert!(listed.contains(words), "{words} is missing in\n{listed}");
        }
        yes(&world.configured("user", &["remove", "dora"]).await, "has no role now, was admin");
        let (_, listed) = world.configured("user", &["list"]).await;
        assert!(!listed.contains("dora"), "{listed}");
        let trail = world.audit().await;
        assert!(trail.iter().any(|line| line.action == "member.grant" && line.target.contains("444")), "{trail:?}");
    }
}

#[tokio::test]
async fn every_command_has_a_page_and_completions() {
    let world = World::new(Database::sqlite()).await;
    let folder = world.path().join("man");
    let made = world.program(&["man", folder.to_str().unwrap()]).await;
    assert_eq!(made.status.code(), Some(0), "{}", text(&made.stderr));
    let help = text(&world.program(&["--help"]).await.stdout);
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let commands: Vec<_> = commands
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .collect();
    assert!(commands.len() >= 8, "{commands:?}");
    for command in &commands {
        let page = folder.join(format!("opsgram-{command}.1"));
        let page = fs::read_to_string(&page).unwrap_or_else(|_| panic!("no page for {command}"));
        assert!(page.contains(".SH EXAMPLES"), "{command} has no example");
        assert!(
            !page.contains("EXTRA"),
            "{command} has a section without a name"
        );
    }
    let main: PathBuf = folder.join("opsgram.1");
    assert!(fs::read_to_string(main).unwrap().starts_with(".ie"));
    for shell in ["bash", "zsh", "fish"] {
        let script = world.program(&["completions", shell]).await;
        assert_eq!(script.status.code(), Some(0));
        let script = text(&script.stdout);
        for command in &commands {
            assert!(script.contains(*command), "{shell} does not know {command}");
        }
    }
    let wrong = world.program(&["completions", "cmd.exe"]).await;
    assert_eq!(wrong.status.code(), Some(2));
}
