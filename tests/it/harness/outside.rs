//! The bot as a process of its own, to be killed.

use super::World;
use super::stalls::ran_since;
use super::tools::until;
use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// A running `opsgram serve`.
pub struct Outside {
    child: Child,
    pub log: std::sync::Arc<std::sync::Mutex<Vec<String>>>,
}

impl Outside {
    /// Starts `opsgram serve` in this world and waits until it polls.
    pub async fn start(world: &World) -> Self {
        let before = world.sandbox.seq();
        let outside = Self::spawn(world);
        world.polled_since(before).await;
        outside
    }

    /// One that leads, and one that works beside it.
    pub async fn two(world: &World) -> (Self, Self) {
        let first = Self::start(world).await;
        (first, Self::beside(world).await)
    }

    /// Starts another one beside one that leads, and waits until it works.
    pub async fn beside(world: &World) -> Self {
        let second = Self::spawn(world);
        until("the second to work beside the first", || {
            second.logged().contains("another instance leads")
        })
        .await;
        second
    }

    /// Starts it without waiting.
    pub fn spawn(world: &World) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_opsgram"))
            .args(["serve", "--config"])
            .arg(world.config_file())
            .env_clear()
            .envs(world.environment())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let log = std::sync::Arc::<std::sync::Mutex<Vec<String>>>::default();
        let lines = log.clone();
        let mut reader = BufReader::new(child.stderr.take().unwrap()).lines();
        tokio::spawn(async move {
            while let Ok(Some(line)) = reader.next_line().await {
                lines.lock().unwrap().push(line);
            }
        });
        Self { child, log }
    }

    /// `kill -9`.
    pub async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// Sends it this signal.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.id()).unwrap());
        signal::kill(pid, signal).unwrap();
    }

    /// SIGTERM; returns the exit code and how long it took, while the machine ran.
    pub async fn terminate(mut self) -> (Option<i32>, Duration) {
        let begun = std::time::Instant::now();
        self.signal(Signal::SIGTERM);
        let status = self.child.wait().await.unwrap();
        (status.code(), ran_since(begun))
    }

    /// Waits until it ends by itself; the exit code.
    pub async fn ended(&mut self) -> Option<i32> {
        self.child.wait().await.unwrap().code()
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id().unwrap()
    }

    /// The most memory that it ever held, in bytes.
    pub fn peak_memory(&self) -> u64 {
        let path = format!("/proc/{}/status", self.child.id().unwrap());
        let status = std::fs::read_to_string(path).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:"));
        let kib: String = line.unwrap().chars().filter(char::is_ascii_digit).collect();
        kib.parse::<u64>().unwrap() * 1024
    }

    /// What it logged so far.
    pub fn logged(&self) -> String {
        self.log.lock().unwrap().join("\n")
    }
}

impl Drop for Outside {
    /// A test that fails shows what the bot said.
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("what bot {:?} logged:\n{}", self.child.id(), self.logged());
        }
    }
}
