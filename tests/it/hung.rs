//! A disk that hangs: everything else goes on, it alone is unreadable, nothing piles up, and it comes back.

use crate::harness::tools::until;
use crate::harness::{ANN, CLEO, Outside, PATIENCE, UNWATCHED, World};
use crate::on_both;
use nix::sys::signal::Signal::{self, SIGCONT, SIGKILL, SIGSTOP};
use opsgram::sandbox::Message;
use opsgram::store::{Store, samples};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Questions of one name that may hang: two, and those that were asked at the same moment as the second.
const HANGING: usize = 4;

/// A folder mounted over itself by a process, which can be made to answer nothing.
struct Mount {
    path: PathBuf,
    process: Child,
}

impl Mount {
    async fn over(folder: &Path) -> Self {
        let (source, path) = (folder.join("source"), folder.join("far"));
        fs::create_dir(&source).unwrap();
        fs::create_dir(&path).unwrap();
        fs::write(source.join("beat"), "").unwrap();
        let process = Command::new("bindfs")
            .arg("-f")
            .args([&source, &path])
            .stdin(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| {
                panic!("bindfs cannot be started: {error}; scripts/test.sh installs it, with fuse3")
            });
        let mut mount = Self { path, process };
        let begun = Instant::now();
        while !mount.path.join("beat").exists() {
            let ended = mount.process.try_wait().unwrap();
            assert!(
                ended.is_none() && begun.elapsed() < PATIENCE,
                "bindfs mounts nothing: {ended:?}; is there a /dev/fuse that this user may open?"
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        mount
    }

    fn signal(&self, signal: Signal) {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.process.id()).unwrap());
        nix::sys::signal::kill(pid, signal).unwrap();
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // Whoever still waits for it gets an error with its end.
        self.signal(SIGKILL);
        self.process.wait().unwrap();
        let _ = Command::new("fusermount3")
            .arg("-uz")
            .arg(&self.path)
            .status();
    }
}

/// The threads of a bot that ask the kernel something and wait.
fn questions(bot: &Outside) -> usize {
    let tasks = fs::read_dir(format!("/proc/{}/task", bot.id())).unwrap();
    let names = tasks
        .flatten()
        .filter_map(|task| fs::read_to_string(task.path().join("comm")).ok());
    names.filter(|name| name.trim() == "question").count()
}

/// Asks for the status until it says this.
async fn status_says(world: &World, words: &str) -> Message {
    let begun = Instant::now();
    loop {
        let status = world.asks(CLEO, CLEO, "/status").await;
        if status.text.contains(words) {
            return status;
        }
        assert!(
            begun.elapsed() < PATIENCE,
            "never “{words}”: {}",
            status.text
        );
        // The pace of asking; a look at the machine is taken every ten seconds.
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Waits until so many more looks at the machine are written down.
async fn looks(store: &Store, many: usize) {
    let host = opsgram::drivers::host::name();
    let newest = async || {
        let mut db = store.read().await.unwrap();
        let now = opsgram::base::time::Millis::now();
        samples::newest(&mut db, &host, now)
            .await
            .unwrap()
            .map(|newest| newest.at)
    };
    for _ in 0..many {
        let before = newest().await;
        let begun = Instant::now();
        while newest().await == before {
            assert!(
                begun.elapsed() < PATIENCE,
                "the machine is looked at no more"
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

on_both! {
    /// The sampler, `/status` and the checks, with one disk of two that answers nothing for a while.
    async fn a_disk_that_hangs_holds_up_nothing_else(world) {
        let mount = Mount::over(world.path()).await;
        let far = mount.path.display();
        world.set(&format!(
            "alerts: {{group_wait: 0s}}
monitored_devices: [{{name: near, path: /}}, {{name: far, path: {far}}}]
checks:
  far-disk: {{kind: disk, path: {far}, warn: 99, crit: 100, every: 1s, for: 0s, timeout: 300ms}}
  far-file: {{kind: file, path: {far}/beat, measure: age, warn: 30d, every: 1s, for: 0s, timeout: 300ms}}
{UNWATCHED}"
        ));
        for person in [ANN, CLEO] {
            world.sandbox.open_private(person);
        }
        let bot = Outside::start(&world).await;
        let store = world.database().await;
        let well = status_says(&world, " far ").await;
        assert!(!well.text.contains("cannot be read"), "{}", well.text);
        mount.signal(SIGSTOP);
        let hung = status_says(&world, "far cannot be read").await;
        for part in ["CPU ", "Load ", "Memory ", " near "] {
            assert!(hung.text.contains(part), "{part}: {}", hung.text);
        }
        assert!(!hung.text.contains("near cannot"), "{}", hung.text);
        for check in ["far-disk", "far-file"] {
            let told = world.sees(ANN, &format!("{check} · cannot be read")).await;
            assert!(told.text.contains("does not answer"), "{}", told.text);
        }
        looks(&store, 1).await;
        let hanging = questions(&bot);
        assert!((1..=2 * HANGING).contains(&hanging), "{hanging} threads");
        looks(&store, 2).await;
        // Those that are answered come and go.
        until("no more of them than before", || questions(&bot) <= hanging).await;
        let stands = status_says(&world, "far cannot be read").await;
        assert!(stands.text.contains("CPU "), "{}", stands.text);
        mount.signal(SIGCONT);
        until("the threads to go", || questions(&bot) == 0).await;
        for check in ["far-disk", "far-file"] {
            world.sees(ANN, &format!("✅ {check} recovered")).await;
        }
        let well = loop {
            let status = status_says(&world, " far ").await;
            if !status.text.contains("far cannot") {
                break status;
            }
        };
        assert!(well.text.contains(" near "), "{}", well.text);
        // It goes also while a disk hangs.
        mount.signal(SIGSTOP);
        status_says(&world, "far cannot be read").await;
        assert_eq!(bot.terminate().await.0, Some(0));
        store.close().await;
    }
}
