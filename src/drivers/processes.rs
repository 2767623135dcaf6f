//! The processes of this machine, to be counted; and whether the owner of a lock file lives.

use super::patience;
use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System, UpdateKind};

/// A process may seem to begin this much after it wrote its lock, since the system counts its start in whole seconds.
const ROUNDING: Duration = Duration::from_secs(2);

/// A process that runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its name: that of the program, or what it calls itself.
    pub names: Vec<String>,
    /// Its command line, the arguments separated by blanks.
    pub command: String,
    /// The memory that it holds, in bytes.
    pub memory: u64,
}

/// All processes, those aside that ended and wait to be collected.
///
/// # Errors
/// A sentence that says why they cannot be read.
pub async fn all(limit: Duration) -> Result<Vec<Process>, String> {
    let read = patience::ask("the processes", limit, || {
        let mut system = System::new().map_err(|error| error.to_string())?;
        let kind = ProcessRefreshKind::nothing()
            .with_memory()
            .with_cmd(UpdateKind::Always)
            .without_tasks();
        system.refresh_processes_specifics(ProcessesToUpdate::All, true, kind);
        let living = system.processes().values().filter(|process| {
            let dead = [sysinfo::ProcessStatus::Zombie, sysinfo::ProcessStatus::Dead];
            process.thread_kind().is_none() && !dead.contains(&process.status())
        });
        Ok(living.map(process).collect())
    });
    match read.await {
        Some(read) => {
            read.map_err(|error: String| format!("the processes cannot be read: {error}"))
        }
        None => Err("the processes cannot be read in time".to_owned()),
    }
}

fn process(found: &sysinfo::Process) -> Process {
    let words: Vec<String> = found
        .cmd()
        .iter()
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let mut names = vec![found.name().to_string_lossy().into_owned()];
    if let Some(first) = words.first() {
        let base = first.rsplit('/').next().unwrap_or_default();
        if names[0] != base {
            names.push(base.to_owned());
        }
    }
    Process {
        names,
        command: words.join(" "),
        memory: found.memory(),
    }
}

/// Whether the process lives whose number stands in a lock file. A process that has the number by now but began after the
/// file was written is another one.
#[must_use]
pub fn lock_is_held(path: &Path) -> bool {
    let written = fs::metadata(path).and_then(|meta| meta.modified());
    let content = fs::read_to_string(path).unwrap_or_default();
    let number = content.split_whitespace().next();
    let Some(number) = number.and_then(|word| word.parse::<u32>().ok()) else {
        return false;
    };
    let Ok(mut system) = System::new() else {
        return false;
    };
    let pid = Pid::from_u32(number);
    let kind = ProcessRefreshKind::nothing().without_tasks();
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), true, kind);
    let Some(process) = system.process(pid) else {
        return false;
    };
    let began = UNIX_EPOCH + Duration::from_secs(process.start_time());
    began <= written.unwrap_or_else(|_| SystemTime::now()) + ROUNDING
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn a_lock_counts_while_the_process_lives_that_wrote_it() {
        let dir = tempfile::tempdir().unwrap();
        let lock = dir.path().join("lock");
        assert!(!lock_is_held(&lock), "there is none");
        let mut child = Command::new("sleep")
            .arg("600")
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        fs::write(&lock, format!("{}\n", child.id())).unwrap();
        assert!(lock_is_held(&lock));
        let file = fs::File::options().write(true).open(&lock).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(3600))
            .unwrap();
        assert!(
            !lock_is_held(&lock),
            "the number is another process's by now"
        );
        fs::write(&lock, format!("{}\n", child.id())).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!lock_is_held(&lock), "its owner is gone");
        fs::write(&lock, "nonsense").unwrap();
        assert!(!lock_is_held(&lock));
    }

    #[tokio::test]
    async fn a_process_is_found_with_its_command_line() {
        let mut child = Command::new("sleep").arg("601").spawn().unwrap();
        let found = all(Duration::from_secs(40)).await.unwrap();
        let ours = found.iter().find(|process| process.command == "sleep 601");
        assert_eq!(ours.unwrap().names, ["sleep"]);
        assert!(ours.unwrap().memory > 0);
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
