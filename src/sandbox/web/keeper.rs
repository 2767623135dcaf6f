//! The bot as a process: started, watched, killed, and everything that it logs.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::base::time::Millis;

/// Lines of the log that are kept.
const LINES: usize = 500;
/// The longest line of the log that is kept, in bytes.
const LINE: usize = 2_000;
/// Time for the bot to stop in good order; a job may take its grace.
const STOP_WITHIN: Duration = Duration::from_secs(60);

/// How the bot is started.
#[derive(Clone)]
pub struct Program {
    /// The file to execute.
    pub path: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Variables beside those of this process.
    pub env: Vec<(String, String)>,
}

impl fmt::Debug for Program {
    // The variables hold a token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Program")
            .field("path", &self.path)
            .field("args", &self.args)
            .finish_non_exhaustive()
    }
}

/// What is wanted of the bot.
#[derive(Clone, Copy, Debug, PartialEq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Order {
    /// Run, if it does not.
    Start,
    /// `kill -9`, and stay dead.
    Kill,
    /// `kill -9`, and start again.
    Restart,
    /// SIGTERM, and stay stopped.
    Stop,
}

/// How the bot is.
#[derive(Clone, Debug, PartialEq)]
enum Status {
    Starting,
    Running { pid: u32 },
    Ended { by: Option<Order>, how: String },
}

struct Inner {
    status: Status,
    since: Millis,
    starts: u32,
    log: VecDeque<(u64, String)>,
    lines: u64,
}

/// What the task and the handle share.
struct Watched {
    inner: Mutex<Inner>,
    bell: watch::Sender<u64>,
}

impl Watched {
    fn with<T>(&self, work: impl FnOnce(&mut Inner) -> T) -> T {
        let result = work(&mut self.inner.lock().expect("no holder of this lock panics"));
        self.bell.send_modify(|n| *n += 1);
        result
    }

    fn set(&self, status: Status) {
        self.with(|inner| {
            inner.starts += u32::from(matches!(status, Status::Running { .. }));
            inner.status = status;
            inner.since = Millis::now();
        });
    }

    fn log(&self, mut line: String) {
        line.truncate(line.floor_char_boundary(LINE));
        self.with(|inner| {
            inner.lines += 1;
            inner.log.push_back((inner.lines, line));
            while inner.log.len() > LINES {
                inner.log.pop_front();
            }
        });
    }
}

/// Runs the bot and does what is ordered.
pub(super) struct Keeper {
    watched: Arc<Watched>,
    orders: mpsc::Sender<Order>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Keeper {
    /// Starts the bot.
    pub(super) fn start(program: Program, bell: watch::Sender<u64>) -> Keeper {
        let watched = Arc::new(Watched {
            inner: Mutex::new(Inner {
                status: Status::Starting,
                since: Millis::now(),
                starts: 0,
                log: VecDeque::new(),
                lines: 0,
            }),
            bell,
        });
        // Orders come from clicks; one that is under way is enough to wait for.
        let (orders, taken) = mpsc::channel(4);
        let task = tokio::spawn(keep(program, taken, Arc::clone(&watched)));
        Keeper {
            watched,
            orders,
            task: Mutex::new(Some(task)),
        }
    }

    /// Does this as soon as it can.
    pub(super) async fn order(&self, order: Order) {
        // The task ends only when the page does.
        let _ = self.orders.send(order).await;
    }

    /// How the bot is, as the page shows it.
    pub(super) fn json(&self) -> Value {
        let inner = self
            .watched
            .inner
            .lock()
            .expect("no holder of this lock panics");
        let (state, pid, asked, how) = match &inner.status {
            Status::Starting => ("starting", None, true, None),
            Status::Running { pid } => ("running", Some(*pid), true, None),
            Status::Ended { by, how } => ("ended", None, by.is_some(), Some(how.clone())),
        };
        json!({
            "state": state, "pid": pid, "asked": asked, "how": how,
            "since": inner.since, "starts": inner.starts,
        })
    }

    /// The lines of the log after a number, and the number of the last one.
    pub(super) fn log_since(&self, seen: u64) -> (Vec<String>, u64) {
        let inner = self
            .watched
            .inner
            .lock()
            .expect("no holder of this lock panics");
        let new = inner.log.iter().filter(|(number, _)| *number > seen);
        (new.map(|(_, line)| line.clone()).collect(), inner.lines)
    }

    fn lives(&self) -> bool {
        let inner = self
            .watched
            .inner
            .lock()
            .expect("no holder of this lock panics");
        !matches!(inner.status, Status::Ended { .. })
    }

    /// Whether it is dead because somebody wanted it killed.
    pub(super) fn was_killed(&self) -> bool {
        let inner = self
            .watched
            .inner
            .lock()
            .expect("no holder of this lock panics");
        matches!(
            inner.status,
            Status::Ended {
                by: Some(Order::Kill | Order::Restart),
                ..
            }
        )
    }

    /// Stops the bot in good order and waits for it.
    pub(super) async fn stop(&self) {
        let task = self
            .task
            .lock()
            .expect("no holder of this lock panics")
            .take();
        self.order(Order::Stop).await;
        if let Some(task) = task {
            let abort = task.abort_handle();
            let mut bell = self.watched.bell.subscribe();
            let ended = async { while self.lives() && bell.changed().await.is_ok() {} };
            // A bot that does not stop is killed with its handle.
            let _ = tokio::time::timeout(STOP_WITHIN, ended).await;
            abort.abort();
            let _ = task.await;
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        if let Ok(Some(task)) = self.task.get_mut().map(Option::take) {
            task.abort();
        }
    }
}

/// Starts the bot, and again whenever that is ordered.
async fn keep(program: Program, mut orders: mpsc::Receiver<Order>, watched: Arc<Watched>) {
    let mut wanted = true;
    loop {
        if wanted {
            wanted = once(&program, &mut orders, &watched).await;
            continue;
        }
        match orders.recv().await {
            Some(Order::Start | Order::Restart) => wanted = true,
            Some(Order::Kill | Order::Stop) => {}
            None => return,
        }
    }
}

/// One life of the bot; true when it is to start again.
async fn once(
    program: &Program,
    orders: &mut mpsc::Receiver<Order>,
    watched: &Arc<Watched>,
) -> bool {
    watched.set(Status::Starting);
    let spawned = Command::new(&program.path)
        .args(&program.args)
        .envs(program.env.iter().cloned())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // Ctrl-C in the terminal is for the page, which stops the bot itself.
        .process_group(0)
        .kill_on_drop(true)
        .spawn();
    let mut child = match spawned {
        Ok(child) => child,
        Err(error) => {
            watched.set(Status::Ended {
                by: None,
                how: format!("could not be started: {error}"),
            });
            return false;
        }
    };
    read(child.stdout.take(), watched);
    read(child.stderr.take(), watched);
    let pid = child.id().unwrap_or_default();
    watched.set(Status::Running { pid });
    watched.log(format!("── started as process {pid}"));
    let mut last = None;
    let status = loop {
        tokio::select! {
            status = child.wait() => break status.ok(),
            order = orders.recv() => match order {
                Some(Order::Start) => {}
                Some(order) => {
                    last = Some(order);
                    end(&mut child, order);
                }
                // The page is gone; the handle kills what it holds.
                None => return false,
            },
        }
    };
    let how = words(status);
    watched.log(format!("── {how}"));
    if last == Some(Order::Restart) {
        return true;
    }
    watched.set(Status::Ended { by: last, how });
    false
}

/// Sends the signal of an order; that the process is gone already is what was wanted.
fn end(child: &mut Child, order: Order) {
    match order {
        Order::Kill | Order::Restart => {
            let _ = child.start_kill();
        }
        Order::Stop => {
            let pid = child.id().and_then(|pid| i32::try_from(pid).ok());
            if let Some(pid) = pid {
                let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
            }
        }
        Order::Start => {}
    }
}

fn words(status: Option<ExitStatus>) -> String {
    use std::os::unix::process::ExitStatusExt;
    match status.map(|status| (status.code(), status.signal())) {
        Some((Some(code), _)) => format!("ended with exit code {code}"),
        Some((None, Some(9))) => "killed with signal 9".to_owned(),
        Some((None, Some(signal))) => format!("ended by signal {signal}"),
        Some((None, None)) | None => "ended".to_owned(),
    }
}

fn read(pipe: Option<impl AsyncRead + Unpin + Send + 'static>, watched: &Arc<Watched>) {
    let Some(pipe) = pipe else { return };
    let watched = Arc::clone(watched);
    tokio::spawn(async move {
        let mut lines = BufReader::new(pipe).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            watched.log(line);
        }
    });
}
