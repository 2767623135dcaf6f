//! Runs one program in its own process group and sees to it that nothing it started outlives it.

mod hear;
mod start;

pub use hear::{Heard, hear};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use start::{Source, start};
use std::collections::HashSet;
use std::fs;
use std::future::Future;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::process::Child;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

/// The environment variable that marks every process of a run, so that those which leave the group are found.
pub const MARKER_VARIABLE: &str = "OPSGRAM_JOB_TOKEN";
/// Columns and rows of the pseudo-terminal.
pub const TERMINAL_SIZE: (u16, u16) = (80, 24);

/// How long what a program left behind may take to end after TERM.
const LEFTOVER_GRACE: Duration = Duration::from_secs(2);
/// How long the system may take to end what was killed; longer only hangs in the kernel (a dead disk or NFS server).
const KILL_PATIENCE: Duration = Duration::from_secs(5);
/// How long looking through the processes may take; reading one that hangs in the kernel may hang too.
const LOOK_PATIENCE: Duration = Duration::from_secs(2);
/// The pauses between looks at processes that are to end: first and longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(200));
/// The most bytes read at once.
const READ_BYTES: usize = 64 * 1024;
/// The size asked for the pipe; also the most that is read after every process is gone.
const PIPE_BYTES: i32 = 1024 * 1024;
/// Within this time, no machine begins as many processes as there are ids (32,768 at least).
const IDS_COME_ROUND: Duration = Duration::from_secs(1);
/// So many processes that began since are looked for one by one.
const FEW: i32 = 64;
/// How often, and after which pause, a program that is being written to is tried again.
const BUSY_RETRIES: (u32, Duration) = (20, Duration::from_millis(10));

/// What to run, and how.
#[derive(Clone, Debug)]
pub struct Spec {
    /// The program (a path, or a name looked up in the `PATH` of `env`) and its arguments, passed on verbatim.
    pub argv: Vec<String>,
    /// The working directory.
    pub cwd: PathBuf,
    /// The whole environment; nothing of ours is passed on. The marker is added, for a terminal also `TERM`.
    pub env: Vec<(String, String)>,
    /// Whether output goes to a pseudo-terminal instead of a pipe. There, a script without a `#!` line is run by the C
    /// library through `/bin/sh`, its arguments verbatim; elsewhere it is refused.
    pub tty: bool,
    /// Marks the processes of this run; a text that no other run ever has. Those of `a/1` are also found by `a`.
    pub marker: String,
    /// After this time the program is stopped.
    pub timeout: Duration,
    /// The time between TERM and KILL when it is stopped.
    pub grace: Duration,
}

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// By itself, with this code; -1 when the system did not tell it.
    Exited(i32),
    /// By this signal, which was not ours.
    Signaled(i32),
    /// It was stopped because its time was up.
    TimedOut,
    /// It was stopped because somebody wanted so.
    Cancelled,
}

/// The account of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    /// How it ended.
    pub end: End,
    /// From its start until all its processes were gone.
    pub duration: Duration,
    /// How many bytes it printed.
    pub bytes: u64,
    /// Process ids of what could not be ended (other users' processes, or hanging in the kernel); mostly empty.
    pub survivors: Vec<i32>,
}

/// Why a program could not be started. Each is one sentence for the person who asked.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// No such program.
    #[error("The program `{0}` was not found.")]
    NotFound(String),
    /// The file is there, but may not be executed.
    #[error("`{0}` may not be executed: it needs the right x (chmod +x).")]
    NotExecutable(String),
    /// The file is there, but what should run it is not.
    #[error(
        "`{0}` has no interpreter here: its first line must name one that exists, such as #!/bin/sh."
    )]
    BadInterpreter(String),
    /// The working directory is missing.
    #[error("The working directory `{}` does not exist.", .0.display())]
    CwdMissing(PathBuf),
    /// Anything else.
    #[error("`{0}` could not be started: {1}.")]
    Other(String, io::Error),
}

/// Takes the output of a program.
pub trait Sink: Send {
    /// Takes the next bytes. The program waits, once its pipe is full, until this is done; stopping it does not wait.
    fn write(&mut self, bytes: &[u8]) -> impl Future<Output = ()> + Send;
}

impl<F: FnMut(&[u8]) + Send> Sink for F {
    fn write(&mut self, bytes: &[u8]) -> impl Future<Output = ()> + Send {
        self(bytes);
        std::future::ready(())
    }
}

/// Runs the program to its end: its output, both kinds in the order of printing, goes to `sink`; its input is empty.
///
/// When it is cancelled or its time is up, its whole group gets TERM and after the grace KILL. When it ends by itself, what
/// it left running gets the same with a short grace. When the returned future is dropped, all get KILL at once.
///
/// # Errors
/// [`SpawnError`] when it could not be started; then nothing was printed.
pub async fn run(
    spec: &Spec,
    cancel: &CancellationToken,
    sink: &mut impl Sink,
) -> Result<Finished, SpawnError> {
    run_through(spec, cancel, sink, None::<&mut fn(&[u8])>).await
}

/// The same with what it prints as errors going to a sink of its own; never on a terminal, which has one output only.
///
/// # Errors
/// [`SpawnError`] when it could not be started; then nothing was printed.
pub async fn run_apart(
    spec: &Spec,
    cancel: &CancellationToken,
    sink: &mut impl Sink,
    errors: &mut impl Sink,
) -> Result<Finished, SpawnError> {
    run_through(spec, cancel, sink, Some(errors)).await
}

async fn run_through(
    spec: &Spec,
    cancel: &CancellationToken,
    sink: &mut impl Sink,
    errors: Option<&mut impl Sink>,
) -> Result<Finished, SpawnError> {
    let started = Instant::now();
    let (mut child, output, complaints) = start(spec, errors.is_some()).await?;
    let mut family = Family::of(&child, &spec.marker);
    let gone = CancellationToken::new();
    let watching = async {
        let (end, survivors) = watch(&mut child, &mut family, spec, cancel).await;
        gone.cancel();
        (end, survivors, started.elapsed())
    };
    let complaining = async {
        match (complaints, errors) {
            (Some(complaints), Some(errors)) => pump(complaints, errors, &gone).await,
            _ => 0,
        }
    };
    let ((end, survivors, duration), bytes, complained) =
        tokio::join!(watching, pump(output, sink, &gone), complaining);
    family.done();
    Ok(Finished {
        end,
        duration,
        bytes: bytes + complained,
        survivors,
    })
}

/// The process ids of all living processes that carry the marker.
#[must_use]
pub fn survivors(marker: &str) -> Vec<i32> {
    living(None, marker)
}

/// Ends all processes that carry the marker: TERM, and after the grace KILL. Returns the ids of those that could not be ended.
pub async fn end_all(marker: &str, grace: Duration) -> Vec<i32> {
    let mut family = Family {
        group: None,
        marker: marker.to_owned(),
        told: HashSet::new(),
        armed: false,
        since: Instant::now(),
    };
    family.end_by(Instant::now() + grace).await
}

/// Waits until the program ended or is to be stopped, and ends all that is left of it.
async fn watch(
    child: &mut Child,
    family: &mut Family,
    spec: &Spec,
    cancel: &CancellationToken,
) -> (End, Vec<i32>) {
    let end = tokio::select! {
        biased;
        status = child.wait() => {
            family.leader_was_collected();
            let survivors = family.end_by(Instant::now() + LEFTOVER_GRACE).await;
            return (status.map_or(End::Exited(-1), End::from), survivors);
        }
        () = cancel.cancelled() => End::Cancelled,
        () = sleep(spec.timeout) => End::TimedOut,
    };
    let deadline = Instant::now() + spec.grace;
    family.terminate().await;
    // What counts is that it is gone; that it was stopped is known.
    if timeout_at(deadline, child.wait()).await.is_ok() {
        family.leader_was_collected();
    }
    let survivors = family.end_by(deadline).await;
    let _ = timeout(KILL_PATIENCE, child.wait()).await;
    (end, survivors)
}

impl From<ExitStatus> for End {
    fn from(status: ExitStatus) -> Self {
        match (status.code(), status.signal()) {
            (Some(code), _) => End::Exited(code),
            (None, Some(signal)) => End::Signaled(signal),
            (None, None) => End::Exited(-1),
        }
    }
}

/// Reads until the end of the output, or until every process is `gone` and what they printed is read. A stranger that still
/// holds the other end (a daemon started through another user) is not waited for.
async fn pump(mut output: Box<dyn Source>, sink: &mut impl Sink, gone: &CancellationToken) -> u64 {
    let mut buffer = vec![0; READ_BYTES];
    let mut total = 0;
    let mut last_bytes = usize::try_from(PIPE_BYTES).unwrap_or(0);
    while last_bytes > 0 {
        let read = if gone.is_cancelled() {
            // Straight from the system: the runtime may not know yet that there is more.
            let read = nix::unistd::read(&output, &mut buffer);
            last_bytes = last_bytes.saturating_sub(*read.as_ref().unwrap_or(&0));
            read.map_err(io::Error::from)
        } else {
            tokio::select! {
                read = output.read(&mut buffer) => read,
                () = gone.cancelled() => continue,
            }
        };
        match read {
            // A terminal reports its end as an error.
            Ok(0) | Err(_) => break,
            Ok(read) => {
                sink.write(&buffer[..read]).await;
                total += u64::try_from(read).unwrap_or(0);
            }
        }
    }
    total
}

/// The processes of a run: those of its group, and those that carry its marker wherever they went.
struct Family {
    group: Option<Group>,
    marker: String,
    /// Those that got TERM; a second one makes some programs skip their clean-up.
    told: HashSet<i32>,
    /// Whether they are to be killed when this is dropped.
    armed: bool,
    since: Instant,
}

/// A process group, named after the process that leads it.
#[derive(Clone, Copy)]
struct Group {
    leader: Pid,
    /// Whether the leader's end was collected. Its number stays taken while the group has members, so a process that has it
    /// then is a stranger, and the group is empty.
    collected: bool,
}

impl Group {
    fn has_members(self) -> bool {
        let leader = self.leader;
        let replaced = || fs::exists(format!("/proc/{leader}")).unwrap_or(true);
        !(self.collected && replaced()) && killpg(leader, None) != Err(Errno::ESRCH)
    }

    fn signal(self, signal: Signal) {
        if self.has_members() {
            // Whether it worked shows at the next look.
            let _ = killpg(self.leader, signal);
        }
    }

    fn includes(self, process: Pid) -> bool {
        nix::unistd::getpgid(Some(process)) == Ok(self.leader)
    }
}

impl Family {
    fn of(child: &Child, marker: &str) -> Self {
        let leader = child.id().and_then(|id| i32::try_from(id).ok());
        Self {
            group: leader.map(|id| Group {
                leader: Pid::from_raw(id),
                collected: false,
            }),
            marker: marker.to_owned(),
            told: HashSet::new(),
            armed: true,
            since: Instant::now(),
        }
    }

    fn leader_was_collected(&mut self) {
        if let Some(group) = &mut self.group {
            group.collected = true;
        }
    }

    fn done(mut self) {
        self.armed = false;
    }

    async fn living(&self) -> Vec<i32> {
        if self.left_nothing() {
            return Vec::new();
        }
        let (group, marker) = (self.group, self.marker.clone());
        let look = tokio::task::spawn_blocking(move || living(group, &marker));
        match timeout(LOOK_PATIENCE, look).await {
            Ok(Ok(found)) => found,
            Ok(Err(_)) | Err(_) => Vec::new(),
        }
    }

    /// Whether no process can be left, as far as that shows without reading all of them: the leader was collected, and
    /// none lives that began after it.
    ///
    /// The system hands process ids out in order, and begins again at the end of their range. So a process of this run has an
    /// id between the leader's and the newest, as long as too little time has passed for the ids to come round.
    fn left_nothing(&self) -> bool {
        let Some(group) = self.group else {
            return false;
        };
        if !group.collected || self.since.elapsed() > IDS_COME_ROUND {
            return false;
        }
        let Some(newest) = newest_process() else {
            return false;
        };
        let after = group.leader.as_raw() + 1;
        let is_alive = |id: i32| fs::exists(format!("/proc/{id}")).unwrap_or(true);
        newest + 1 >= after && newest - after < FEW && !(after..=newest).any(is_alive)
    }

    /// TERM to every process that did not get it yet; a stopped one must go on to end.
    async fn terminate(&mut self) {
        let first = self.told.is_empty();
        if first && let Some(group) = self.group {
            // One call for all of the group, so that none forks away from it.
            group.signal(Signal::SIGTERM);
            group.signal(Signal::SIGCONT);
            self.told.insert(group.leader.as_raw());
        }
        for id in self.living().await {
            let process = Pid::from_raw(id);
            let had_it = first && self.group.is_some_and(|group| group.includes(process));
            if self.told.insert(id) && !had_it {
                let _ = kill(process, Signal::SIGTERM);
                let _ = kill(process, Signal::SIGCONT);
            }
        }
    }

    /// Sees all of them gone: TERM now to those that did not get it yet, KILL at the deadline. Returns those that stay.
    async fn end_by(&mut self, deadline: Instant) -> Vec<i32> {
        let mut living = self.living().await;
        let mut pause = PAUSES.0;
        while !living.is_empty() && Instant::now() < deadline {
            self.terminate().await;
            sleep(pause.min(deadline - Instant::now())).await;
            pause = PAUSES.1.min(pause * 2);
            living = self.living().await;
        }
        let deadline = Instant::now() + KILL_PATIENCE;
        pause = PAUSES.0;
        while !living.is_empty() && Instant::now() < deadline {
            self.kill(&living);
            sleep(pause).await;
            pause = PAUSES.1.min(pause * 2);
            living = self.living().await;
        }
        living
    }

    fn kill(&self, living: &[i32]) {
        if let Some(group) = self.group {
            group.signal(Signal::SIGKILL);
        }
        for id in living {
            let _ = kill(Pid::from_raw(*id), Signal::SIGKILL);
        }
    }
}

impl Drop for Family {
    fn drop(&mut self) {
        if self.armed {
            self.kill(&living(self.group, &self.marker));
        }
    }
}

/// The ids of all processes that belong to the group or carry the marker, those aside that are dead and only wait to be collected.
fn living(group: Option<Group>, marker: &str) -> Vec<i32> {
    let group = group.filter(|group| group.has_members());
    let marked = format!("{MARKER_VARIABLE}={marker}");
    let ourselves = std::process::id().cast_signed();
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok())
        .filter(|id| *id != ourselves)
        .filter(|id| {
            // A dead process has no environment any more.
            carries(*id, &marked) || group.is_some_and(|group| lives_in(*id, group.leader))
        })
        .collect()
}

fn carries(id: i32, marked: &str) -> bool {
    let is_it = |variable: &[u8]| match variable.strip_prefix(marked.as_bytes()) {
        Some(rest) => rest.is_empty() || rest.starts_with(b"/"),
        None => false,
    };
    fs::read(format!("/proc/{id}/environ"))
        .is_ok_and(|environment| environment.split(|byte| *byte == 0).any(is_it))
}

/// The id of the process that began last, by `/proc/loadavg`: `load load load running/all newest`.
fn newest_process() -> Option<i32> {
    let told = fs::read_to_string("/proc/loadavg").ok()?;
    told.split_whitespace().nth(4)?.parse().ok()
}

/// Whether the process belongs to the group and is not dead, by `/proc/<id>/stat`: `id (name) state parent group …`.
fn lives_in(id: i32, group: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    // The name may hold anything, a parenthesis included.
    let Some((_, fields)) = stat.rsplit_once(')') else {
        return false;
    };
    let mut fields = fields.split_whitespace();
    let state = fields.next();
    fields.nth(1).and_then(|field| field.parse().ok()) == Some(group.as_raw())
        && !matches!(state, Some("Z" | "X"))
}

#[cfg(test)]
mod tests;
