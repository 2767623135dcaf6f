//! The state of this machine: load, memory, disks, uptime.

use nix::sys::statvfs::statvfs;
use nix::unistd::{SysconfVar, gethostname, sysconf};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use sysinfo::System;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

/// How long a file system may take to answer; a dead network disk never does.
const DISK_PATIENCE: Duration = Duration::from_secs(2);
/// The most questions to one path that may be without an answer; further ones are not asked.
const MAX_UNANSWERED: usize = 2;

/// What this machine is doing.
#[derive(Clone, Debug, PartialEq)]
pub struct Host {
    /// Its name; empty when the system has none.
    pub hostname: String,
    /// Load averages over 1, 5 and 15 minutes.
    pub load: [f64; 3],
    /// Processors online, at least 1.
    pub cores: usize,
    /// Memory; "used" is what is not available to programs.
    pub memory: Memory,
    /// Swap space; all zero when there is none.
    pub swap: Swap,
    /// Since the machine started.
    pub uptime: Duration,
    /// One entry for each path asked for, in that order: its disk, or a sentence that says why it cannot be read.
    pub disks: Vec<Result<Disk, String>>,
}

/// Main memory, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// All there is.
    pub total: u64,
    /// What programs and the system hold.
    pub used: u64,
    /// What programs may still get, caches included.
    pub available: u64,
}

/// Swap space, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Swap {
    /// All there is.
    pub total: u64,
    /// What is in use.
    pub used: u64,
}

/// The file system that holds a path, in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disk {
    /// The path asked for.
    pub path: PathBuf,
    /// Its size.
    pub total: u64,
    /// What is in use.
    pub used: u64,
    /// What is left for ordinary users.
    pub available: u64,
    /// Used space in percent as `df` shows it: of what ordinary users may use, rounded up.
    pub percent: u8,
}

/// Why the state of this machine cannot be told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("The system does not tell its {what}: {cause}.")]
pub struct Unreadable {
    what: &'static str,
    cause: String,
}

/// This machine's name, as files and other instances know it.
#[must_use]
pub fn name() -> String {
    let name = gethostname().ok().and_then(|name| name.into_string().ok());
    name.unwrap_or_else(|| "unknown".to_owned())
}

/// Looks at this machine now, and at the file systems that hold these paths: about a quarter of a millisecond, two seconds when
/// one of them does not answer.
///
/// # Errors
/// [`Unreadable`] when the system itself cannot be asked; a disk's failure stands in its entry.
pub async fn snapshot(paths: &[PathBuf]) -> Result<Host, Unreadable> {
    let deadline = Instant::now() + DISK_PATIENCE;
    let asked: Vec<_> = paths.iter().map(|path| (path, ask(path))).collect();
    let mut system = System::new().map_err(unreadable("memory"))?;
    system.refresh_memory();
    let load = System::load_average().map_err(unreadable("load"))?;
    let uptime = System::uptime().map_err(unreadable("uptime"))?;
    let mut disks = Vec::with_capacity(asked.len());
    for (path, answer) in asked {
        disks.push(match timeout_at(deadline, answer).await {
            Ok(Ok(disk)) => disk,
            Ok(Err(_)) | Err(_) => Err(no_answer(path)),
        });
    }
    let (total, available) = (system.total_memory(), system.available_memory());
    Ok(Host {
        hostname: System::host_name().unwrap_or_default(),
        load: [load.one, load.five, load.fifteen],
        cores: cores(),
        memory: Memory {
            total,
            used: total.saturating_sub(available),
            available,
        },
        swap: Swap {
            total: system.total_swap(),
            used: system.used_swap(),
        },
        uptime: Duration::from_secs(uptime),
        disks,
    })
}

fn unreadable<E: std::fmt::Display>(what: &'static str) -> impl FnOnce(E) -> Unreadable {
    move |error| Unreadable {
        what,
        cause: error.to_string(),
    }
}

fn no_answer(path: &Path) -> String {
    format!(
        "{} does not answer (is a network disk gone?)",
        path.display()
    )
}

fn cores() -> usize {
    let online = sysconf(SysconfVar::_NPROCESSORS_ONLN).ok().flatten();
    online
        .and_then(|count| usize::try_from(count).ok())
        .unwrap_or(1)
        .max(1)
}

/// Reads the file system in a thread of its own, which a dead network disk may keep for ever without holding up the stop of
/// the program. The receiver fails when too many such threads wait for this path already.
fn ask(path: &Path) -> oneshot::Receiver<Result<Disk, String>> {
    let (sender, answer) = oneshot::channel();
    let Some(asking) = Asking::begin(path) else {
        return answer;
    };
    let path = path.to_owned();
    // When no thread can be had, the sender is dropped and the receiver fails.
    let _ = std::thread::Builder::new()
        .name("disk".to_owned())
        .spawn(move || {
            let disk = read(&path);
            drop(asking);
            // Nobody may be waiting any more.
            let _ = sender.send(disk);
        });
    answer
}

/// A question to a file system that is not answered yet.
struct Asking(PathBuf);

impl Asking {
    fn begin(path: &Path) -> Option<Self> {
        let mut unanswered = Self::unanswered();
        let count = unanswered.entry(path.to_owned()).or_default();
        if *count >= MAX_UNANSWERED {
            return None;
        }
        *count += 1;
        Some(Self(path.to_owned()))
    }

    fn unanswered() -> MutexGuard<'static, HashMap<PathBuf, usize>> {
        static UNANSWERED: LazyLock<Mutex<HashMap<PathBuf, usize>>> = LazyLock::new(Mutex::default);
        UNANSWERED.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        let mut unanswered = Self::unanswered();
        let left = unanswered
            .get(&self.0)
            .map_or(0, |count| count.saturating_sub(1));
        if left == 0 {
            unanswered.remove(&self.0);
        } else {
            unanswered.insert(self.0.clone(), left);
        }
    }
}

fn read(path: &Path) -> Result<Disk, String> {
    let stat = statvfs(path)
        .map_err(|error| format!("{} cannot be read: {}", path.display(), error.desc()))?;
    let unit = stat.fragment_size();
    let used = stat.blocks().saturating_sub(stat.blocks_free());
    let available = stat.blocks_available();
    Ok(Disk {
        path: path.to_owned(),
        total: stat.blocks().saturating_mul(unit),
        used: used.saturating_mul(unit),
        available: available.saturating_mul(unit),
        percent: percent(used, available),
    })
}

/// What share of `used + available` is used, rounded up; 0 when both are.
fn percent(used: u64, available: u64) -> u8 {
    let (used, available) = (u128::from(used), u128::from(available));
    let share = (used * 100).div_ceil((used + available).max(1));
    u8::try_from(share).unwrap_or(100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_snapshot_says_what_the_system_says() {
        let host = snapshot(&[PathBuf::from("/"), PathBuf::from("/no/such/path")])
            .await
            .unwrap();
        let memory = std::fs::read_to_string("/proc/meminfo").unwrap();
        let total = memory
            .lines()
            .find_map(|line| line.strip_prefix("MemTotal:"));
        let kib: u64 = total
            .and_then(|line| line.trim().strip_suffix(" kB"))
            .unwrap()
            .parse()
            .unwrap();
        assert_eq!(host.memory.total, kib * 1024);
        assert_eq!(host.memory.used + host.memory.available, host.memory.total);
        assert!(host.swap.used <= host.swap.total);
        assert!(host.cores >= 1 && host.uptime > Duration::ZERO && !host.hostname.is_empty());
        assert!(host.load.iter().all(|load| *load >= 0.0));
        assert_eq!(
            host.disks[1],
            Err("/no/such/path cannot be read: No such file or directory".to_owned())
        );
    }

    #[tokio::test]
    async fn a_disk_is_as_df_shows_it() {
        let host = snapshot(&[PathBuf::from("/proc/self"), PathBuf::from("/dev")])
            .await
            .unwrap();
        assert_eq!(host.disks[0].as_ref().map(|disk| disk.percent), Ok(0));
        let disk = host.disks[1].as_ref().unwrap();
        let df = std::process::Command::new("df")
            .args(["-B1", "--output=size,used,avail,pcent", "/dev"])
            .output()
            .unwrap();
        let df = String::from_utf8(df.stdout).unwrap();
        let figures: Vec<&str> = df.lines().last().unwrap().split_whitespace().collect();
        let ours = [disk.total, disk.used, disk.available].map(|bytes| bytes.to_string());
        assert_eq!(figures[..3], ours);
        assert_eq!(figures[3], format!("{}%", disk.percent));
    }

    #[test]
    fn percent_is_rounded_up_as_df_does() {
        let cases = [
            (0, 0, 0),
            (0, 10, 0),
            (1, 999_999, 1),
            (80, 20, 80),
            (801, 199, 81),
            (10, 0, 100),
            (u64::MAX, u64::MAX, 50),
        ];
        for (used, available, shown) in cases {
            assert_eq!(percent(used, available), shown, "{used} {available}");
        }
    }

    #[tokio::test]
    async fn a_disk_that_does_not_answer_is_not_asked_for_ever() {
        let path = Path::new("/no/such/hanging/disk");
        let hanging: Vec<_> = (0..MAX_UNANSWERED)
            .map(|_| Asking::begin(path).unwrap())
            .collect();
        let host = snapshot(&[path.to_owned()]).await.unwrap();
        assert_eq!(host.disks, [Err(no_answer(path))]);
        drop(hanging);
        assert!(Asking::begin(path).is_some());
    }
}
