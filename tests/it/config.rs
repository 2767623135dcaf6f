//! The program and its configuration: never half-configured, all faults at once, an Octopus file as it is.

use crate::harness::{ANN, BEN, Database, Outside, World, tools};
use crate::on_both;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

/// A folder with a configuration, and the program to be run on it.
struct Folder {
    dir: TempDir,
}

impl Folder {
    fn with(yaml: &str) -> Self {
        let dir = TempDir::new().unwrap();
        fs::write(dir.path().join("opsgram.yaml"), yaml).unwrap();
        Self { dir }
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("opsgram.yaml")
    }

    /// Runs the program with these arguments and the file, and nothing in its environment but this.
    fn run(&self, arguments: &[&str], env: &[(&str, &str)]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_opsgram"))
            .args(arguments)
            .arg("--config")
            .arg(self.file())
            .env_clear()
            .env("PATH", std::env::var("PATH").unwrap())
            .envs(env.iter().copied())
            .current_dir(self.dir.path())
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    fn has(&self, name: &str) -> bool {
        self.dir.path().join(name).exists()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

const FAULTY: &str = "\
telegram:
  stale_after: soon
acess: {}
access:
  users:
    - {id: ann, name: ann, role: owner}
    - {id: 5, name: ben, role: king}
jobs:
  workers: 0
  workers: 4
scripts:
  deploy:
    run: null
  hello:
    run: [/bin/echo, \"{who}\"]
monitored_devices: [{name: root, path: /, alert_threshold: 101}]
";

#[test]
fn a_check_tells_all_faults_at_once_with_line_and_column() {
    let folder = Folder::with(FAULTY);
    let checked = folder.run(&["check", "--offline"], &[]);
    assert_eq!(checked.status.code(), Some(2));
    let told = text(&checked.stderr);
    let places = [
        ":2:16", ":3:1", ":6:12", ":7:32", ":9:12", ":10:3", ":13:10", ":15:22", ":16:60",
    ];
    for place in places {
        assert!(told.contains(place), "{place} is missing in\n{told}");
    }
    for line in [
        "stale_after: soon",
        "acess: {}",
        "{id: ann, name: ann, role: owner}",
    ] {
        assert!(
            told.contains(line),
            "the snippet {line:?} is missing in\n{told}"
        );
    }
    assert!(!folder.has("data"), "a check makes nothing");
}

#[test]
fn a_conversation_that_nobody_reads_any_more_ends_calmly() {
    let folder = Folder::with("access: {users: [{id: 111, name: ann, role: owner}]}\n");
    for mode in [&["--terminal"][..], &["--say", "/help"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let ended = Command::new(env!("CARGO_BIN_EXE_opsgram"))
            .arg("sandbox")
            .args(mode)
            .arg("--config")
            .arg(folder.file())
            .current_dir(folder.dir.path())
            .stdin(Stdio::null())
            .stdout(writer)
            .output()
            .unwrap();
        assert_eq!(text(&ended.stderr), "", "{mode:?}");
        assert_eq!(ended.status.code(), Some(0), "{mode:?}");
    }
}

#[test]
fn a_good_file_passes_the_check() {
    let folder = Folder::with("scripts: {hello: {run: [/bin/echo, hello]}}\n");
    let checked = folder.run(&["check", "--offline"], &[]);
    assert_eq!(checked.status.code(), Some(0), "{}", text(&checked.stderr));
    assert!(
        text(&checked.stdout).contains("1 script"),
        "{}",
        text(&checked.stdout)
    );
    assert_eq!(text(&checked.stderr), "");
    assert!(!folder.has("data"), "a check makes nothing");
}

#[test]
fn a_bad_file_starts_nothing() {
    let folder = Folder::with(FAULTY);
    let served = folder.run(
        &["serve"],
        &[(
            "OPSGRAM_TELEGRAM_TOKEN",
            "1:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        )],
    );
    assert_eq!(served.status.code(), Some(2));
    let told = text(&served.stderr);
    assert!(told.contains(":2:16"), "{told}");
    assert!(!told.contains("starting"), "{told}");
    assert!(!folder.has("data"), "no database, no logs");
}

#[test]
fn a_missing_file_is_told_by_its_name() {
    let folder = Folder::with("");
    fs::remove_file(folder.file()).unwrap();
    for command in [&["serve"][..], &["check", "--offline"]] {
        let run = folder.run(command, &[]);
        assert_eq!(run.status.code(), Some(2), "{command:?}");
        assert!(
            text(&run.stderr).contains("opsgram.yaml"),
            "{}",
            text(&run.stderr)
        );
    }
}

#[test]
fn without_a_token_one_line_says_how_to_give_one() {
    let folder = Folder::with("scripts: {}\n");
    let served = folder.run(&["serve"], &[]);
    assert_eq!(served.status.code(), Some(2), "systemd must not try again");
    let told = text(&served.stderr);
    let lines: Vec<_> = told
        .lines()
        .filter(|line| line.contains("there is no bot token"))
        .collect();
    assert_eq!(lines.len(), 1, "{told}");
    assert!(
        lines[0].contains("OPSGRAM_TELEGRAM_TOKEN") && lines[0].contains("token_file"),
        "{told}"
    );
    assert!(!told.contains("panicked"), "{told}");
}

#[test]
fn a_malformed_id_never_widens_access() {
    let ids = [
        "abc",
        "'111'",
        "111x",
        "1.5",
        "-5",
        "0",
        "null",
        "~",
        "[111]",
        "{a: 1}",
        "true",
        "1e3",
        "0x6f",
        "' 111'",
        "''",
        "*",
        "'*'",
        "all",
        "@ann",
        "99999999999999999999",
        "111,222",
        "",
    ];
    for id in ids {
        let yaml =
            format!("access:\n  users:\n    - name: ann\n      role: owner\n      id: {id}\n");
        let folder = Folder::with(&yaml);
        let checked = folder.run(&["check", "--offline"], &[]);
        assert_eq!(
            checked.status.code(),
            Some(2),
            "{id}: {}",
            text(&checked.stderr)
        );
        assert!(
            text(&checked.stderr).contains(":5:"),
            "{id}: {}",
            text(&checked.stderr)
        );
    }
    for users in [
        "users: all",
        "users: 111",
        "users: {111: owner}",
        "users: null",
        "users: [111]",
        "chats: [{id: 5, role: owner}]",
    ] {
        let folder = Folder::with(&format!("access:\n  {users}\n"));
        let checked = folder.run(&["check", "--offline"], &[]);
        assert_eq!(
            checked.status.code(),
            Some(2),
            "{users}: {}",
            text(&checked.stderr)
        );
    }
    for (name, value) in [
        ("OPSGRAM_ACCESS_USERS", "111"),
        ("OPSGRAM_ACCESS_USERS", ""),
    ] {
        let folder = Folder::with("{}\n");
        let checked = folder.run(&["check", "--offline"], &[(name, value)]);
        let told = text(&checked.stderr);
        assert!(
            told.contains(name),
            "a variable that sets nothing is told: {told}"
        );
    }
}

#[test]
fn the_printed_schema_is_the_one_in_the_repository() {
    let printed = Command::new(env!("CARGO_BIN_EXE_opsgram"))
        .arg("schema")
        .output()
        .unwrap();
    assert_eq!(printed.status.code(), Some(0));
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/opsgram.schema.json");
    assert_eq!(text(&printed.stdout), fs::read_to_string(file).unwrap());
    serde_json::from_slice::<serde_json::Value>(&printed.stdout).unwrap();
}

#[test]
fn the_documented_examples_load() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for file in ["config/opsgram.yaml", "config/sandbox.yaml"] {
        let checked = Command::new(env!("CARGO_BIN_EXE_opsgram"))
            .args(["check", "--offline", "--config"])
            .arg(root.join(file))
            .output()
            .unwrap();
        assert_eq!(
            checked.status.code(),
            Some(0),
            "{file}: {}",
            text(&checked.stderr)
        );
        assert_eq!(text(&checked.stderr), "", "{file}");
    }
}

#[test]
fn help_has_examples_everywhere() {
    for command in [&[][..], &["serve"], &["check"], &["schema"], &["sandbox"]] {
        let help = Command::new(env!("CARGO_BIN_EXE_opsgram"))
            .args(command)
            .arg("--help")
            .output()
            .unwrap();
        assert_eq!(help.status.code(), Some(0), "{command:?}");
        assert!(text(&help.stdout).contains("Example"), "{command:?}");
    }
    let wrong = Command::new(env!("CARGO_BIN_EXE_opsgram"))
        .arg("serv")
        .output()
        .unwrap();
    assert_eq!(wrong.status.code(), Some(2));
    assert!(
        text(&wrong.stderr).contains("serve"),
        "{}",
        text(&wrong.stderr)
    );
}

on_both! {
    /// An Octopus configuration works as it is: its scripts, its admin-only ones, its devices.
    async fn an_octopus_configuration_works_as_it_is(world) {
        for name in ["logs", "table", "hourly"] {
            octopus_script(&world, name);
        }
        world.set("
long_running_scripts:
  - name: logs
    path: ./logs.sh
    admin_only: true
one_time_scripts:
  - name: table
    path: ./table.sh
    admin_only: false
periodic_scripts:
  - name: hourly
    path: ./hourly.sh
    interval: 3600
    admin_only: false
monitored_devices:
  - name: root
    path: /
    alert_threshold: 90
  - name: temporary
    path: /tmp
broadcast_chunk_size: 4000
");
        let bot = Outside::start(&world).await;
        world.say(BEN, "/run table");
        world.sees(BEN, "✅ table · #1 · exit 0").await;
        world.sees(BEN, "table says hello").await;
        let refused = world.asks(BEN, BEN, "/run logs").await;
        assert_eq!(refused.text, "This needs the role admin or higher. You are operator here.");
        world.say(ANN, "/stream logs");
        world.sees(ANN, "logs says hello").await;
        world.sees(ANN, "✅ logs · #2 · exit 0").await;
        world.say(BEN, "/run hourly");
        world.sees(BEN, "✅ hourly · #3").await;
        let disks = world.asks(BEN, BEN, "/status du").await;
        assert!(disks.text.contains("root") && disks.text.contains("temporary"), "{}", disks.text);
        assert!(!bot.logged().contains("periodic_scripts"), "they run by themselves:\n{}", bot.logged());
        let list = world.asks(ANN, ANN, "/schedules").await;
        assert!(list.text.contains("hourly · every 1h"), "{}", list.text);
        // An hour passes: its last times lie back by so much.
        let store = world.database().await;
        let mut tx = store.begin().await.unwrap();
        sqlx::query("UPDATE schedules SET anchor = anchor - 3600000, settled = settled - 3600000")
            .execute(&mut *tx)
            .await
            .unwrap();
        store.commit(tx).await.unwrap();
        let told = world.sees(ANN, "✅ exit 0").await;
        assert!(told.text.contains("🗓 hourly") && told.text.contains("hourly says hello"), "{}", told.text);
        store.close().await;
        let (code, _) = bot.terminate().await;
        assert_eq!(code, Some(0));
        world.polite();
    }
}

/// A script where the configuration of Octopus looks for it: beside the file.
fn octopus_script(world: &World, name: &str) {
    let path = world.path().join(format!("{name}.sh"));
    tools::executable(&path, &format!("#!/bin/sh\necho {name} says hello\n"));
}

#[tokio::test]
async fn a_whole_check_names_what_does_not_work() {
    let world = World::new(Database::sqlite()).await;
    let file = world.config_file();
    let check = |env: Vec<(String, String)>| {
        let file = file.clone();
        tokio::task::spawn_blocking(move || {
            Command::new(env!("CARGO_BIN_EXE_opsgram"))
                .args(["check", "--config"])
                .arg(file)
                .env_clear()
                .envs(env)
                .output()
                .unwrap()
        })
    };
    let good = check(world.environment()).await.unwrap();
    let told = text(&good.stdout);
    assert_eq!(good.status.code(), Some(0), "{told}{}", text(&good.stderr));
    assert!(told.contains("the token is @sandbox_bot's"), "{told}");
    let mut wrong = world.environment();
    for (name, value) in &mut wrong {
        if name == "OPSGRAM_TELEGRAM_TOKEN" {
            "1:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb".clone_into(value);
        }
    }
    let bad = check(wrong).await.unwrap();
    let told = text(&bad.stdout);
    assert_eq!(bad.status.code(), Some(1), "{told}");
    assert!(
        told.contains("ok   database") && told.contains("FAIL telegram"),
        "{told}"
    );
    assert!(
        !told.contains("bbbbbbbb"),
        "the token is not printed: {told}"
    );
}
