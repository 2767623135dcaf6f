//! Runs one program in its own process group and sees to it that nothing it started outlives it.

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use std::collections::HashSet;
use std::fs;
use std::future::Future;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::unix::pipe;
use tokio::process::{Child, Command};
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
    /// Marks the processes of this run; a text that no other run ever has.
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
    let started = Instant::now();
    let (mut child, output) = start(spec).await?;
    let mut family = Family::of(&child, &spec.marker);
    let gone = CancellationToken::new();
    let watching = async {
        let (end, survivors) = watch(&mut child, &mut family, spec, cancel).await;
        gone.cancel();
        (end, survivors, started.elapsed())
    };
    let ((end, survivors, duration), bytes) = tokio::join!(watching, pump(output, sink, &gone));
    family.done();
    Ok(Finished {
        end,
        duration,
        bytes,
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
    };
    family.end_by(Instant::now() + grace).await
}

/// Where output is read.
trait Source: AsyncRead + AsFd + Send + Unpin {}
impl<T: AsyncRead + AsFd + Send + Unpin> Source for T {}

async fn start(spec: &Spec) -> Result<(Child, Box<dyn Source>), SpawnError> {
    let program = spec.argv.first().map_or("", String::as_str);
    let mut tries = 0;
    loop {
        let started = if spec.tty {
            start_on_terminal(spec, program)
        } else {
            start_on_pipe(spec, program)
        };
        match started {
            Ok(started) => return Ok(started),
            Err(error)
                if error.kind() == io::ErrorKind::ExecutableFileBusy && tries < BUSY_RETRIES.0 =>
            {
                tries += 1;
                sleep(BUSY_RETRIES.1).await;
            }
            Err(error) => return Err(explain(spec, program, error)),
        }
    }
}

fn start_on_pipe(spec: &Spec, program: &str) -> io::Result<(Child, Box<dyn Source>)> {
    let (reader, writer) = io::pipe()?;
    // A bigger pipe only saves switches between the two sides; the system may refuse it.
    let _ = fcntl(&reader, FcntlArg::F_SETPIPE_SZ(PIPE_BYTES));
    let child = command(spec, program)
        .process_group(0)
        .stdout(Stdio::from(writer.try_clone()?))
        .stderr(Stdio::from(writer))
        .spawn()?;
    let receiver = pipe::Receiver::from_owned_fd(OwnedFd::from(reader))?;
    Ok((child, Box::new(receiver)))
}

/// On a terminal the program leads a session, and so a group, of its own.
fn start_on_terminal(spec: &Spec, program: &str) -> io::Result<(Child, Box<dyn Source>)> {
    let failed = |error: pty_process::Error| match error {
        pty_process::Error::Io(error) => error,
        other => io::Error::other(other),
    };
    let (terminal, inside) = pty_process::open().map_err(failed)?;
    let (cols, rows) = TERMINAL_SIZE;
    terminal
        .resize(pty_process::Size::new(rows, cols))
        .map_err(failed)?;
    let mut command = command(spec, program);
    if spec.env.iter().all(|(name, _)| name != "TERM") {
        command.env("TERM", "xterm-256color");
    }
    let child = pty_process::Command::from(command)
        .stdin(Stdio::null())
        .spawn(inside)
        .map_err(failed)?;
    Ok((child, Box::new(terminal)))
}

fn command(spec: &Spec, program: &str) -> Command {
    let mut command = Command::new(program);
    command
        .args(spec.argv.iter().skip(1))
        .current_dir(&spec.cwd)
        .env_clear()
        .envs(spec.env.iter().map(|(name, value)| (name, value)))
        .env(MARKER_VARIABLE, &spec.marker)
        .stdin(Stdio::null());
    command
}

/// Which of the things that the system reports alike it was.
fn explain(spec: &Spec, program: &str, error: io::Error) -> SpawnError {
    let program = program.to_owned();
    if !spec.cwd.is_dir() {
        return SpawnError::CwdMissing(spec.cwd.clone());
    }
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::ENOENT) if is_there(spec, &program) => SpawnError::BadInterpreter(program),
        Some(Errno::ENOENT) => SpawnError::NotFound(program),
        Some(Errno::ENOEXEC) => SpawnError::BadInterpreter(program),
        Some(Errno::EACCES) => SpawnError::NotExecutable(program),
        _ => SpawnError::Other(program, error),
    }
}

fn is_there(spec: &Spec, program: &str) -> bool {
    if program.is_empty() {
        return false;
    }
    if program.contains('/') {
        return spec.cwd.join(program).exists();
    }
    let path = spec.env.iter().find(|(name, _)| name == "PATH");
    path.is_some_and(|(_, path)| {
        std::env::split_paths(path).any(|folder| folder.join(program).exists())
    })
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
        let (group, marker) = (self.group, self.marker.clone());
        let look = tokio::task::spawn_blocking(move || living(group, &marker));
        match timeout(LOOK_PATIENCE, look).await {
            Ok(Ok(found)) => found,
            Ok(Err(_)) | Err(_) => Vec::new(),
        }
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
    fs::read(format!("/proc/{id}/environ")).is_ok_and(|environment| {
        environment
            .split(|byte| *byte == 0)
            .any(|variable| variable == marked.as_bytes())
    })
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
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;
    use std::sync::atomic::{AtomicU32, Ordering};

    const LONG: Duration = Duration::from_secs(60);

    fn unique_marker() -> String {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        format!("test-{}-{count}", std::process::id())
    }

    fn spec(argv: &[&str]) -> Spec {
        Spec {
            argv: argv.iter().map(|word| (*word).to_owned()).collect(),
            cwd: std::env::temp_dir(),
            env: vec![("PATH".to_owned(), "/usr/bin:/bin".to_owned())],
            tty: false,
            marker: unique_marker(),
            timeout: LONG,
            grace: LONG,
        }
    }

    /// A script in a folder of its own, which is also its working directory.
    struct Script {
        folder: tempfile::TempDir,
        spec: Spec,
    }

    impl Script {
        fn new(body: &str) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("script");
            write_file(&path, body, 0o755);
            let mut spec = spec(&[path.to_str().unwrap()]);
            spec.cwd = folder.path().to_owned();
            Self { folder, spec }
        }

        async fn run(&self) -> (Finished, String) {
            run_to_end(&self.spec).await
        }
    }

    fn write_file(path: &Path, text: &str, mode: u32) {
        fs::write(path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    async fn run_to_end(spec: &Spec) -> (Finished, String) {
        let mut output = Vec::new();
        let mut sink = |bytes: &[u8]| output.extend_from_slice(bytes);
        let finished = run(spec, &CancellationToken::new(), &mut sink)
            .await
            .unwrap();
        assert_eq!(finished.bytes, u64::try_from(output.len()).unwrap());
        assert_eq!(survivors(&spec.marker), [0; 0]);
        (finished, String::from_utf8(output).unwrap())
    }

    /// Runs and cancels as soon as `word` was printed.
    async fn cancel_at(spec: &Spec, word: &str) -> (Finished, String) {
        let cancel = CancellationToken::new();
        let mut output = String::new();
        let mut sink = |bytes: &[u8]| {
            output.push_str(&String::from_utf8_lossy(bytes));
            if output.contains(word) {
                cancel.cancel();
            }
        };
        let finished = run(spec, &cancel, &mut sink).await.unwrap();
        assert_eq!(finished.survivors, [0; 0]);
        assert_eq!(survivors(&spec.marker), [0; 0]);
        (finished, output)
    }

    fn is_alive(id: i32) -> bool {
        fs::read_to_string(format!("/proc/{id}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
    }

    #[tokio::test]
    async fn the_end_is_told_as_it_was() {
        let cases = [
            ("exit 0", End::Exited(0)),
            ("exit 3", End::Exited(3)),
            ("kill -9 $$", End::Signaled(9)),
            ("kill -TERM $$", End::Signaled(15)),
            ("exec >&- 2>&-; exit 4", End::Exited(4)),
            ("cat; exit 5", End::Exited(5)),
        ];
        for (body, end) in cases {
            let script = Script::new(&format!("#!/bin/sh\n{body}\n"));
            assert_eq!(script.run().await.0.end, end, "{body}");
        }
    }

    #[tokio::test]
    async fn both_outputs_arrive_in_the_order_of_printing() {
        let script = Script::new(
            "#!/bin/sh\nfor n in 1 2 3 4 5 6 7 8 9; do echo out$n; echo err$n >&2; done\n",
        );
        let expected: String = (1..10).map(|n| format!("out{n}\nerr{n}\n")).collect();
        assert_eq!(script.run().await.1, expected);
    }

    #[tokio::test]
    async fn a_forking_script_that_ignores_term_leaves_nothing_behind() {
        let mut script = Script::new(
            "#!/bin/sh
            trap '' TERM
            for n in 1 2 3; do
                sh -c 'trap \"\" TERM; sleep 1000 & while :; do sleep 1000; done' &
            done
            echo ready
            while :; do sleep 1000; done\n",
        );
        script.spec.grace = Duration::from_millis(50);
        let (finished, _) = cancel_at(&script.spec, "ready").await;
        assert_eq!(finished.end, End::Cancelled);
    }

    #[tokio::test]
    async fn a_cancelled_script_may_clean_up() {
        let script = Script::new(
            "#!/bin/sh\ntrap 'echo clean; exit 0' TERM\necho ready\nwhile :; do sleep 0.01; done\n",
        );
        let (finished, output) = cancel_at(&script.spec, "ready").await;
        assert_eq!(finished.end, End::Cancelled);
        assert!(output.ends_with("clean\n"), "{output}");
    }

    #[tokio::test]
    async fn a_stopped_process_is_ended_too() {
        let script = Script::new("#!/bin/sh\necho ready\nkill -STOP $$\n");
        assert_eq!(cancel_at(&script.spec, "ready").await.0.end, End::Cancelled);
    }

    #[tokio::test]
    async fn time_that_is_up_ends_the_whole_group() {
        let mut script = Script::new("#!/bin/sh\nsleep 1000 &\nsleep 1000\n");
        script.spec.timeout = Duration::from_millis(100);
        let (finished, _) = script.run().await;
        assert_eq!(finished.end, End::TimedOut);
        assert!(finished.duration >= script.spec.timeout && finished.duration < LONG);
    }

    #[tokio::test]
    async fn what_a_script_leaves_in_the_background_ends_with_it() {
        let script = Script::new(
            "#!/bin/sh
            sleep 1000 &
            mkfifo up
            setsid sh -c 'trap \"\" TERM; echo >up; while :; do sleep 1000; done' </dev/null >/dev/null 2>&1 &
            read line <up
            echo done\n",
        );
        let (finished, output) = script.run().await;
        assert_eq!((finished.end, output.as_str()), (End::Exited(0), "done\n"));
        assert_eq!(finished.survivors, [0; 0]);
    }

    #[tokio::test]
    async fn a_stranger_that_holds_the_output_does_not_hang_the_run() {
        let script = Script::new(
            "#!/bin/sh
            mkfifo up
            env -i /usr/bin/setsid /bin/sh -c 'echo $$ >up; exec /bin/sleep 1000' &
            read id <up
            echo $id\n",
        );
        let (finished, output) = script.run().await;
        assert_eq!(finished.end, End::Exited(0));
        let stranger = output.trim().parse().unwrap();
        assert!(is_alive(stranger), "it has nothing that shows whose it is");
        kill(Pid::from_raw(stranger), Signal::SIGKILL).unwrap();
    }

    #[tokio::test]
    async fn leftovers_of_a_dead_run_are_found_by_their_marker() {
        let marker = unique_marker();
        let mut left = std::process::Command::new("sleep")
            .arg("1000")
            .env(MARKER_VARIABLE, &marker)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        assert_eq!(survivors(&marker), [left.id().cast_signed()]);
        assert_eq!(survivors(&marker[1..]), [0; 0]);
        assert_eq!(end_all(&marker, LONG).await, [0; 0]);
        assert_eq!(left.wait().unwrap().signal(), Some(15));
    }

    #[tokio::test]
    async fn a_run_that_is_dropped_leaves_nothing_behind() {
        let script = Script::new(
            "#!/bin/sh\ntrap '' TERM\nsleep 1000 &\necho ready\nwhile :; do sleep 1000; done\n",
        );
        let (ready, is_ready) = tokio::sync::oneshot::channel();
        let mut ready = Some(ready);
        let mut sink = |_: &[u8]| {
            let _ = ready.take().map(|ready| ready.send(()));
        };
        let cancel = CancellationToken::new();
        tokio::select! {
            finished = run(&script.spec, &cancel, &mut sink) => panic!("{finished:?}"),
            _ = is_ready => {}
        }
        while !survivors(&script.spec.marker).is_empty() {
            tokio::task::yield_now().await;
        }
    }

    /// Cancels at its first bytes and is not done with them before every process is gone.
    struct SlowSink<'a> {
        cancel: &'a CancellationToken,
        marker: &'a str,
        bytes: usize,
    }

    impl Sink for SlowSink<'_> {
        async fn write(&mut self, bytes: &[u8]) {
            self.cancel.cancel();
            while !survivors(self.marker).is_empty() {
                tokio::task::yield_now().await;
            }
            self.bytes += bytes.len();
        }
    }

    #[tokio::test]
    async fn cancelling_does_not_wait_for_a_slow_sink() {
        let spec = spec(&["yes"]);
        let cancel = CancellationToken::new();
        let mut sink = SlowSink {
            cancel: &cancel,
            marker: &spec.marker,
            bytes: 0,
        };
        let finished = run(&spec, &cancel, &mut sink).await.unwrap();
        assert_eq!(finished.end, End::Cancelled);
        assert_eq!(finished.bytes, u64::try_from(sink.bytes).unwrap());
    }

    #[tokio::test]
    async fn a_terminal_is_one_and_a_pipe_is_none() {
        let body =
            "#!/bin/sh\ntest -t 1 && test -t 2 && stty size <&1 && echo $TERM || echo pipe\n";
        let mut script = Script::new(body);
        assert_eq!(script.run().await.1, "pipe\n");
        script.spec.tty = true;
        let (finished, output) = script.run().await;
        assert_eq!(output, "24 80\r\nxterm-256color\r\n");
        assert_eq!(finished.end, End::Exited(0));
    }

    #[tokio::test]
    async fn on_a_terminal_nothing_is_lost_or_left_behind_either() {
        let mut script = Script::new("#!/bin/sh\nsleep 1000 &\nseq 20000\nexit 7\n");
        script.spec.tty = true;
        let (finished, output) = script.run().await;
        assert_eq!(finished.end, End::Exited(7));
        let expected: String = (1..=20_000).map(|n| format!("{n}\r\n")).collect();
        assert!(output == expected, "{} bytes", output.len());

        let mut script =
            Script::new("#!/bin/sh\ntrap '' TERM HUP\necho ready\nwhile :; do sleep 1000; done\n");
        script.spec.tty = true;
        script.spec.grace = Duration::from_millis(50);
        assert_eq!(cancel_at(&script.spec, "ready").await.0.end, End::Cancelled);
    }

    #[tokio::test]
    async fn the_environment_is_exactly_what_was_given() {
        let mut spec = spec(&["/usr/bin/env"]);
        spec.env = vec![
            ("B".to_owned(), "two words $HOME\nline".to_owned()),
            ("A".to_owned(), String::new()),
        ];
        let (_, output) = run_to_end(&spec).await;
        let marker = &spec.marker;
        assert_eq!(
            output,
            format!("A=\nB=two words $HOME\nline\n{MARKER_VARIABLE}={marker}\n")
        );
    }

    #[tokio::test]
    async fn arguments_arrive_verbatim() {
        let words = [
            "two words",
            "\"q\" 'q'",
            "; id && `id` $(id) | $HOME",
            "a\nb",
            "",
            "*",
            "-x",
            "ё😀",
        ];
        let mut script = Script::new("#!/bin/sh\nfor word; do printf '<%s>' \"$word\"; done\n");
        script.spec.argv.extend(words.map(str::to_owned));
        let expected: String = words.iter().map(|word| format!("<{word}>")).collect();
        assert_eq!(script.run().await.1, expected);
    }

    #[tokio::test]
    async fn what_cannot_start_says_why() {
        let script = Script::new("#!/no/such/interpreter\n");
        write_file(
            &script.folder.path().join("bare"),
            "echo no first line\n",
            0o755,
        );
        let folder = script.folder.path();
        write_file(&folder.join("plain"), "#!/bin/sh\n", 0o644);
        let in_folder = |name: &str| folder.join(name).to_str().unwrap().to_owned();
        let cases = [
            (
                vec!["no-such-program".to_owned()],
                "The program `no-such-program` was not found.",
            ),
            (vec![in_folder("gone")], "was not found."),
            (vec![String::new()], "The program `` was not found."),
            (vec![], "The program `` was not found."),
            (vec![in_folder("plain")], "may not be executed"),
            (vec![in_folder("script")], "has no interpreter here"),
            (vec!["/".to_owned()], "may not be executed"),
            (
                vec!["sh".to_owned(), "a\0b".to_owned()],
                "could not be started",
            ),
        ];
        for tty in [false, true] {
            for (argv, words) in &cases {
                let spec = Spec {
                    argv: argv.clone(),
                    tty,
                    ..script.spec.clone()
                };
                let error = run(&spec, &CancellationToken::new(), &mut |_: &[u8]| ())
                    .await
                    .unwrap_err();
                assert!(error.to_string().contains(words), "{argv:?}: {error}");
            }
            let spec = Spec {
                cwd: folder.join("gone"),
                tty,
                ..spec(&["true"])
            };
            let error = run(&spec, &CancellationToken::new(), &mut |_: &[u8]| ())
                .await
                .unwrap_err();
            assert!(matches!(error, SpawnError::CwdMissing(_)), "{error}");
        }
    }

    #[tokio::test]
    async fn a_script_without_a_first_line_says_so() {
        let script = Script::new("echo hello\n");
        let error = run(&script.spec, &CancellationToken::new(), &mut |_: &[u8]| ()).await;
        assert!(
            matches!(error, Err(SpawnError::BadInterpreter(_))),
            "{error:?}"
        );
    }

    #[tokio::test]
    async fn much_output_flows_in_bounded_pieces() {
        let spec = spec(&["head", "-c", "200000000", "/dev/zero"]);
        let mut largest = 0;
        let mut sink = |bytes: &[u8]| largest = largest.max(bytes.len());
        let finished = run(&spec, &CancellationToken::new(), &mut sink)
            .await
            .unwrap();
        assert_eq!(
            (finished.bytes, finished.end),
            (200_000_000, End::Exited(0))
        );
        assert!(largest <= READ_BYTES);
    }

    #[tokio::test]
    async fn a_run_may_be_a_task_and_cancelled_before_it_starts() {
        let spec = spec(&["sleep", "1000"]);
        let cancel = CancellationToken::new();
        cancel.cancel();
        let task = tokio::spawn(async move { run(&spec, &cancel, &mut |_: &[u8]| ()).await });
        let finished = task.await.unwrap().unwrap();
        assert_eq!(finished.end, End::Cancelled);
    }
}
