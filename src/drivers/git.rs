//! Brings a folder to the state of a branch or tag of a git repository.
//!
//! What git is told is the list of `plan.rs`. A new folder is made beside its place and moved there when it is complete, so
//! one that is there is whole.

mod plan;

pub use plan::{Wanted, check};

use crate::base::secret::{ExposeSecret, MASK, SecretString};
use crate::drivers::process::{self, End, Sink, SpawnError, Spec};
use plan::{Place, TOKEN_VARIABLE, Target, Task};
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// The most that is kept of what git answers, in bytes.
const MAX_ANSWER: usize = 256 * 1024;
/// The most that is kept of the end of what it complains about, in bytes.
const MAX_SAID: usize = 4096;
/// Files of `.git` that a git that was killed leaves behind, and the next one trips over.
const LOCKS: [&str; 6] = [
    "index.lock",
    "HEAD.lock",
    "FETCH_HEAD.lock",
    "config.lock",
    "packed-refs.lock",
    "shallow.lock",
];

/// How git is run.
#[derive(Clone)]
pub struct How {
    /// The environment; of the variables of git itself, only those that name certificates are passed on.
    pub env: Vec<(String, String)>,
    /// The token for the server; git asks for it, and it stands in no address, argument or file.
    pub token: Option<SecretString>,
    /// Marks the processes; a text that no other run ever has.
    pub marker: String,
    /// How long all of it may take.
    pub timeout: Duration,
    /// The time between TERM and KILL when it is stopped.
    pub grace: Duration,
}

/// What the folder is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// The commit, as its full name.
    pub commit: String,
    /// The branch or tag; `None` if the repository's head is neither.
    pub name: Option<String>,
    /// Whether the folder was made now.
    pub is_new: bool,
}

/// Why the folder is not in that state. Each is a sentence for people.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failed {
    /// The repository, the branch or the folder cannot be right; another try changes nothing.
    #[error("{0}")]
    Wrong(String),
    /// git, or the disk, could not.
    #[error("{0}")]
    Broken(String),
    /// git ended with this code.
    #[error("git ended with exit code {code}{}", after(.said))]
    Exited {
        /// The code.
        code: i32,
        /// Its complaint, without the token; may be empty.
        said: String,
    },
    /// The time was up.
    #[error("git did not end in time{}", after(.0))]
    TimedOut(String),
    /// Somebody stopped it.
    #[error("git was stopped")]
    Cancelled,
}

fn after(said: &str) -> String {
    match said {
        "" => ".".to_owned(),
        said => format!(": {said}"),
    }
}

/// Brings `wanted.dir` there. Of a folder that is this repository already, what was changed in tracked files is lost, and
/// what git does not know stays. What git prints goes to `sink`.
///
/// # Errors
/// [`Failed`]; then a folder that was not there is not there now.
pub async fn bring(
    wanted: &Wanted,
    how: &How,
    cancel: &CancellationToken,
    sink: &mut impl Sink,
) -> Result<State, Failed> {
    let remote = check(wanted).map_err(Failed::Wrong)?;
    let token = how.token.as_ref().map(ExposeSecret::expose_secret);
    if token.is_some() && !remote.takes_token {
        let url = &wanted.url;
        return Err(Failed::Wrong(format!(
            "`{url}` takes no token: only an https address does."
        )));
    }
    if token.is_some_and(|token| token.is_empty() || token.contains(char::is_control)) {
        return Err(Failed::Wrong(
            "The token for the repository is empty or holds a line break.".to_owned(),
        ));
    }
    let mut git = Git {
        how,
        remote: &remote,
        folder: folder_of(&wanted.dir)?,
        deadline: Instant::now() + how.timeout,
        cancel,
        sink,
    };
    if is_missing_or_empty(&wanted.dir).map_err(|error| broken(&wanted.dir, &error))? {
        git.make(wanted).await
    } else {
        git.renew(wanted).await
    }
}

/// The folder that `dir` stands in; made if it is missing.
fn folder_of(dir: &Path) -> Result<PathBuf, Failed> {
    let wrong = || Failed::Wrong(format!("`{}` is no name of a folder.", dir.display()));
    dir.file_name().ok_or_else(wrong)?;
    let folder = dir
        .parent()
        .filter(|folder| folder.is_absolute())
        .ok_or_else(wrong)?;
    fs::create_dir_all(folder).map_err(|error| broken(folder, &error))?;
    Ok(folder.to_owned())
}

fn is_missing_or_empty(dir: &Path) -> io::Result<bool> {
    match fs::read_dir(dir) {
        Ok(mut entries) => Ok(entries.next().is_none()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error),
    }
}

fn broken(path: &Path, error: &io::Error) -> Failed {
    Failed::Broken(format!("{} cannot be used: {error}.", path.display()))
}

struct Git<'a, S> {
    how: &'a How,
    remote: &'a plan::Remote,
    /// Where git is started.
    folder: PathBuf,
    deadline: Instant,
    cancel: &'a CancellationToken,
    sink: &'a mut S,
}

impl<S: Sink> Git<'_, S> {
    async fn make(&mut self, wanted: &Wanted) -> Result<State, Failed> {
        let name = wanted.dir.file_name().unwrap_or_default().to_string_lossy();
        let part = self.folder.join(format!(".{name}.opsgram-part"));
        remove(&part)?;
        let made = self.fill(wanted, &Place::new(&part)).await;
        let moved = made.and_then(|state| {
            fs::rename(&part, &wanted.dir).map_err(|error| broken(&wanted.dir, &error))?;
            Ok(state)
        });
        if moved.is_err() {
            // The reason is what counts; the next try removes it, too.
            let _ = remove(&part);
        }
        moved
    }

    async fn fill(&mut self, wanted: &Wanted, place: &Place) -> Result<State, Failed> {
        for task in plan::beginning(place, &wanted.url) {
            self.run(&task).await?;
        }
        self.take(wanted, place, true).await
    }

    async fn renew(&mut self, wanted: &Wanted) -> Result<State, Failed> {
        let dir = wanted.dir.display();
        let place = Place::new(&wanted.dir);
        if !place.git_dir.is_dir() {
            return Err(Failed::Wrong(format!(
                "`{dir}` is there and is no repository; name another folder, or remove it."
            )));
        }
        let url = self.ask(&plan::whose(&place)).await;
        match url {
            Ok(url) if url.trim_end() == wanted.url => {}
            Ok(_) | Err(Failed::Exited { .. }) => {
                return Err(Failed::Wrong(format!(
                    "`{dir}` is a repository of another address; name another folder, or remove it."
                )));
            }
            Err(other) => return Err(other),
        }
        unlock(&place.git_dir).map_err(|error| broken(&place.git_dir, &error))?;
        self.take(wanted, &place, false).await
    }

    async fn take(
        &mut self,
        wanted: &Wanted,
        place: &Place,
        is_new: bool,
    ) -> Result<State, Failed> {
        let listed = self.ask(&plan::look(place, wanted)).await?;
        let target = Target::read(&listed, wanted).map_err(Failed::Wrong)?;
        let shallow = place.git_dir.join("shallow").exists();
        for task in plan::taking(place, wanted, &target, shallow) {
            self.run(&task).await?;
        }
        let commit = self.ask(&plan::commit(place)).await?.trim_end().to_owned();
        Ok(State {
            commit,
            name: target.name().map(str::to_owned),
            is_new,
        })
    }

    async fn run(&mut self, task: &Task) -> Result<(), Failed> {
        self.ask(task).await.map(drop)
    }

    /// Runs git and returns what it answers; what it tells otherwise goes to the sink.
    async fn ask(&mut self, task: &Task) -> Result<String, Failed> {
        let token = self.how.token.as_ref().map(ExposeSecret::expose_secret);
        let mut env = plan::environment(&self.how.env, self.remote);
        if let Some(token) = token {
            env.push((TOKEN_VARIABLE.to_owned(), token.to_owned()));
        }
        let spec = Spec {
            argv: task.argv(self.remote, token.is_some()),
            cwd: self.folder.clone(),
            env,
            tty: false,
            marker: self.how.marker.clone(),
            timeout: self.deadline.saturating_duration_since(Instant::now()),
            grace: self.how.grace,
        };
        let mut answer = Vec::new();
        let mut keep = |bytes: &[u8]| {
            let room = MAX_ANSWER - answer.len();
            answer.extend_from_slice(&bytes[..bytes.len().min(room)]);
        };
        let mut hear = Hear {
            sink: &mut *self.sink,
            said: Vec::new(),
        };
        let ended = process::run_apart(&spec, self.cancel, &mut keep, &mut hear).await;
        let said = complaint(&hear.said, token);
        match ended.map_err(cannot_start)?.end {
            End::Exited(0) => Ok(String::from_utf8_lossy(&answer).into_owned()),
            End::Exited(code) => Err(Failed::Exited { code, said }),
            End::Signaled(signal) => {
                Err(Failed::Broken(format!("git was ended by signal {signal}.")))
            }
            End::TimedOut => Err(Failed::TimedOut(said)),
            End::Cancelled => Err(Failed::Cancelled),
        }
    }
}

fn cannot_start(error: SpawnError) -> Failed {
    Failed::Broken(match error {
        SpawnError::NotFound(_) => {
            "git is not installed here; install it (apt-get install git).".to_owned()
        }
        other => other.to_string(),
    })
}

/// Passes on what git tells, and keeps its end.
struct Hear<'a, S> {
    sink: &'a mut S,
    said: Vec<u8>,
}

impl<S: Sink> Sink for Hear<'_, S> {
    async fn write(&mut self, bytes: &[u8]) {
        self.said.extend_from_slice(bytes);
        let more = self.said.len().saturating_sub(MAX_SAID);
        self.said.drain(..more);
        self.sink.write(bytes).await;
    }
}

/// The line that says what was wrong: the first that git calls so, else the last of all.
fn complaint(said: &[u8], token: Option<&str>) -> String {
    let said = String::from_utf8_lossy(said);
    let lines = said.split(['\n', '\r']).map(str::trim);
    let lines: Vec<&str> = lines.filter(|line| !line.is_empty()).collect();
    let is_fault = |line: &&&str| line.starts_with("fatal:") || line.starts_with("error:");
    let line = lines.iter().find(is_fault).or(lines.last());
    let line = line.copied().unwrap_or_default();
    match token {
        Some(token) => line.replace(token, MASK),
        None => line.to_owned(),
    }
}

fn remove(part: &Path) -> Result<(), Failed> {
    match fs::remove_dir_all(part) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(broken(part, &error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Removes what a git that was killed left locked. Nobody else works in the folder of a run.
fn unlock(git_dir: &Path) -> io::Result<()> {
    for lock in LOCKS {
        remove_file(&git_dir.join(lock))?;
    }
    let mut folders = vec![git_dir.join("refs")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            } else if entry.path().extension().is_some_and(|end| end == "lock") {
                remove_file(&entry.path())?;
            }
        }
    }
    Ok(())
}

fn remove_file(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

#[cfg(test)]
mod tests;
