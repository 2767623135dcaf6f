//! What was promised to a chat arrives, once and in order, whatever Telegram answers.

mod bursts;
mod closed;
mod faults;
mod moved;

use crate::harness::stalls::ran;
use crate::harness::{PATIENCE, World};
use opsgram::base::ids::{ChatId, JobId, Place};
use opsgram::sandbox::{Call, Message};
use sqlx::Row;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Holds one script, once, until it is opened.
pub struct Gate(PathBuf);

impl Gate {
    /// A gate in the folder of the test; a script waits at it by `read < NAME`.
    pub fn new(world: &World, name: &str) -> Self {
        let path = world.path().join(name);
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        Self(path)
    }

    /// Lets the script go on, once it has come to the gate.
    pub async fn open(&self) {
        let path = self.0.clone();
        let write = move || std::fs::write(path, "go\n").unwrap();
        tokio::time::timeout(PATIENCE, tokio::task::spawn_blocking(write))
            .await
            .unwrap()
            .unwrap();
    }
}

/// Waits until the job's ending is written into the database.
pub async fn ended(world: &World, id: i64) {
    let begun = Instant::now();
    loop {
        let mut db = world.services().store.read().await.unwrap();
        let job = opsgram::store::jobs::find(&mut db, JobId(id)).await;
        if job.unwrap().is_some_and(|job| job.state.is_final()) {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "job #{id} never ended");
        drop(db);
        // The database has no bell; this is the pace of looking, not a time that the test relies on.
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Waits until Telegram has everything that was promised so far, and the bot knows it.
pub async fn all_sent(world: &World) {
    let begun = Instant::now();
    loop {
        let mut db = world.services().store.read().await.unwrap();
        if opsgram::store::outbox::pending(&mut db).await.unwrap() == 0 {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "the outbox was never empty");
        drop(db);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// The messages of the bot in the chat that tell an ending, in the order in which they came to tell it.
pub fn endings(world: &World, chat: i64) -> Vec<String> {
    let mut found: Vec<(Instant, String)> = world
        .sandbox
        .from_bot(chat)
        .iter()
        .filter(|message| {
            ["✅", "❌", "⏱", "🚫", "💥"]
                .iter()
                .any(|m| message.text.starts_with(m))
        })
        .map(|message| {
            let first = message.text.lines().next().unwrap_or_default().to_owned();
            (message.history.last().unwrap().at, first)
        })
        .collect();
    found.sort();
    found.into_iter().map(|(_, line)| line).collect()
}

/// The job's number in each line, such as 12 in `✅ deploy · #12 · exit 0`.
pub fn numbers(lines: &[String]) -> Vec<i64> {
    let number = |line: &String| {
        let rest = line.split_once('#')?.1;
        let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
        digits.parse().ok()
    };
    lines.iter().filter_map(number).collect()
}

/// The calls that Telegram refused for what was in them.
pub fn refused_for_content(world: &World) -> Vec<Call> {
    let calls = world.sandbox.calls().into_iter();
    calls.filter(|call| call.code == 400).collect()
}

/// State and reason of the chat's outbox rows, oldest first.
async fn rows(world: &World, chat: i64) -> Vec<(String, Option<String>)> {
    let mut db = world.services().store.read().await.unwrap();
    let rows = sqlx::query("SELECT state, reason FROM outbox WHERE chat_id = $1 ORDER BY id")
        .bind(chat)
        .fetch_all(&mut *db)
        .await
        .unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

/// Waits until the fault has hit as often as it should.
async fn used_up(world: &World) {
    let left = |view: &opsgram::sandbox::View<'_>| {
        let _ = view;
        None::<()>
    };
    let begun = Instant::now();
    while world.sandbox.faults_left() > 0 {
        assert!(begun.elapsed() < PATIENCE, "the fault was never met");
        let _ = world
            .sandbox
            .wait(Duration::from_millis(20), "", left)
            .await;
    }
}

/// The first call that was answered by this status in this chat.
fn first(world: &World, chat: i64, code: u16) -> Call {
    let mut calls = world.sandbox.calls().into_iter();
    calls
        .find(|call| call.code == code && call.chat == Some(chat))
        .unwrap_or_else(|| panic!("no call was answered by {code}"))
}

fn place(chat: i64) -> Place {
    Place {
        chat: ChatId(chat),
        thread: None,
    }
}

fn sent_at(message: &Message) -> Instant {
    message.history[0].at
}

/// From one moment to the other so many milliseconds passed; no more of those in which the machine ran.
fn between([begun, end]: [Instant; 2], least: u64, most: u64) {
    let (wait, ran) = (end - begun, ran(begun, end));
    assert!(wait >= Duration::from_millis(least), "{wait:?}");
    assert!(ran < Duration::from_millis(most), "{ran:?} of {wait:?}");
}
