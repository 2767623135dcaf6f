//! The processes of this machine: their names, never their command lines, which may hold secrets.

use super::{Unreadable, unreadable};
use std::time::Duration;
use sysinfo::{ProcessRefreshKind, ProcessesToUpdate, System};

/// How long processes are watched: the least that tells how busy they are.
const WATCH: Duration = Duration::from_millis(250);

/// A process.
#[derive(Clone, Debug, PartialEq)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// Its name as the kernel keeps it, 15 bytes at the most; a program may choose it.
    pub name: String,
    /// How busy it was, in percent of one processor: more than 100 when it uses several.
    pub cpu: f64,
    /// The memory it holds, in bytes.
    pub memory: u64,
}

/// Watches all processes for a quarter of a second, and tells how busy they were; in no order. Threads belong to their
/// process.
///
/// # Errors
/// [`Unreadable`] when the system cannot be asked.
pub async fn processes() -> Result<Vec<Process>, Unreadable> {
    let first = read(System::new().map_err(unreadable("processes"))?).await?;
    tokio::time::sleep(WATCH).await;
    let system = read(first).await?;
    let process = |process: &sysinfo::Process| Process {
        pid: process.pid().as_u32(),
        name: process.name().to_string_lossy().into_owned(),
        cpu: f64::from(process.cpu_usage()),
        memory: process.memory(),
    };
    Ok(system.processes().values().map(process).collect())
}

/// Reads all processes beside the conversation: some thousands take a moment.
async fn read(mut system: System) -> Result<System, Unreadable> {
    let read = tokio::task::spawn_blocking(move || {
        let what = ProcessRefreshKind::nothing()
            .without_tasks()
            .with_cpu()
            .with_memory();
        system.refresh_processes_specifics(ProcessesToUpdate::All, true, what);
        system
    });
    read.await.map_err(unreadable("processes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn this_process_is_among_them_and_its_arguments_are_not() {
        let mut child = std::process::Command::new("sleep")
            .arg("987654")
            .spawn()
            .unwrap();
        let processes = processes().await.unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        let found = |pid: u32| processes.iter().find(|process| process.pid == pid);
        let own = found(std::process::id()).unwrap();
        assert!(own.memory > 1_000_000, "{own:?}");
        let sleep = found(child.id()).unwrap();
        assert_eq!(sleep.name, "sleep");
        assert!(!format!("{processes:?}").contains("987654"));
    }
}
