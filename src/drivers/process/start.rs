//! Starts a program on a pipe, on two, or on a terminal; says why it could not be.

use super::{BUSY_RETRIES, MARKER_VARIABLE, PIPE_BYTES, SpawnError, Spec, TERMINAL_SIZE};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::process::Stdio;
use tokio::io::AsyncRead;
use tokio::net::unix::pipe;
use tokio::process::{Child, Command};
use tokio::time::sleep;

/// Where output is read.
pub(super) trait Source: AsyncRead + AsFd + Send + Unpin {}
impl<T: AsyncRead + AsFd + Send + Unpin> Source for T {}

/// A program that was started, its output, and its errors if they are apart.
pub(super) type Started = (Child, Box<dyn Source>, Option<Box<dyn Source>>);

pub(super) async fn start(spec: &Spec, apart: bool) -> Result<Started, SpawnError> {
    let program = spec.argv.first().map_or("", String::as_str);
    let mut tries = 0;
    loop {
        let started = if spec.tty && !apart {
            start_on_terminal(spec, program)
        } else {
            start_on_pipe(spec, program, apart)
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

fn start_on_pipe(spec: &Spec, program: &str, apart: bool) -> io::Result<Started> {
    let (reader, writer) = io::pipe()?;
    // A bigger pipe only saves switches between the two sides; the system may refuse it.
    let _ = fcntl(&reader, FcntlArg::F_SETPIPE_SZ(PIPE_BYTES));
    let receive = |reader| -> io::Result<Box<dyn Source>> {
        Ok(Box::new(pipe::Receiver::from_owned_fd(OwnedFd::from(
            reader,
        ))?))
    };
    let mut command = command(spec, program);
    command.process_group(0);
    let complaints = if apart {
        let (complaints, complainer) = io::pipe()?;
        command.stdout(Stdio::from(writer));
        command.stderr(Stdio::from(complainer));
        Some(receive(complaints)?)
    } else {
        command.stdout(Stdio::from(writer.try_clone()?));
        command.stderr(Stdio::from(writer));
        None
    };
    let child = command.spawn()?;
    // The command holds our copies of the writing ends; with them the output would never end.
    drop(command);
    Ok((child, receive(reader)?, complaints))
}

/// On a terminal the program leads a session, and so a group, of its own.
fn start_on_terminal(spec: &Spec, program: &str) -> io::Result<Started> {
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
    Ok((child, Box::new(terminal), None))
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
