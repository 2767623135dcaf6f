//! Which disks there are and how full they are, without ever waiting long for one that does not answer.

use super::share;
use nix::sys::statvfs::statvfs;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

/// The most disks that are found by themselves, together with those asked for.
pub const MAX_DISKS: usize = 8;
/// The most questions to one path that may be without an answer; further ones are not asked.
const MAX_UNANSWERED: usize = 2;

/// A disk by the path that leads to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Mount {
    /// The path asked for, or where the disk is mounted.
    pub path: PathBuf,
    /// How full it is, or a sentence that says why it cannot be read.
    pub disk: Result<Disk, String>,
}

/// How full a file system is, in bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Disk {
    /// Its size.
    pub total: u64,
    /// What is in use.
    pub used: u64,
    /// What is left for ordinary users.
    pub available: u64,
    /// Used space in percent as `df` shows it: of what ordinary users may use, rounded up.
    pub percent: u8,
    /// The same, not rounded.
    pub share: f64,
    /// Its room for files; `None` where the file system sets no limit.
    pub inodes: Option<Inodes>,
}

/// How many files a file system holds and may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inodes {
    /// All there can be.
    pub total: u64,
    /// Those in use.
    pub used: u64,
}

impl Inodes {
    /// What is used, in percent.
    #[must_use]
    pub fn percent(&self) -> f64 {
        share(self.used, self.total)
    }
}

/// Questions to disks that are on their way.
pub(super) struct Asked(Vec<(PathBuf, oneshot::Receiver<Result<Disk, String>>)>);

impl Asked {
    /// Begins to ask each of these paths.
    pub fn all(paths: impl Iterator<Item = PathBuf>) -> Self {
        let asked = paths.map(|path| {
            let answer = ask(&path);
            (path, answer)
        });
        Self(asked.collect())
    }

    /// The answers that come until then; the others are told as missing.
    pub async fn answers(self, until: Instant) -> Vec<Mount> {
        let mut mounts = Vec::with_capacity(self.0.len());
        for (path, answer) in self.0 {
            let disk = match timeout_at(until, answer).await {
                Ok(Ok(disk)) => disk,
                Ok(Err(_)) | Err(_) => Err(no_answer(&path)),
            };
            mounts.push(Mount { path, disk });
        }
        mounts
    }
}

fn no_answer(path: &Path) -> String {
    format!(
        "{} does not answer (is a network disk gone?)",
        path.display()
    )
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
    let inodes = Inodes {
        total: stat.files(),
        used: stat.files().saturating_sub(stat.files_free()),
    };
    Ok(Disk {
        total: stat.blocks().saturating_mul(unit),
        used: used.saturating_mul(unit),
        available: available.saturating_mul(unit),
        percent: percent(used, available),
        share: share(used, used.saturating_add(available)),
        inodes: Some(inodes).filter(|inodes| inodes.total > 0),
    })
}

/// What share of `used + available` is used, rounded up; 0 when both are.
fn percent(used: u64, available: u64) -> u8 {
    let (used, available) = (u128::from(used), u128::from(available));
    let share = (used * 100).div_ceil((used + available).max(1));
    u8::try_from(share).unwrap_or(100)
}

/// Where the disks of this machine are mounted: the root first, then what stands in `mountinfo` (proc(5)) with a device of
/// its own. Nothing is asked of the disks themselves. Network disks are left out: whoever wants one watched names it.
pub(super) fn mounted(mountinfo: &str) -> Vec<PathBuf> {
    let mut found: Vec<(&str, PathBuf)> = mountinfo.lines().filter_map(on_own_device).collect();
    // Of the places where one device is mounted, the shortest path is what people call it.
    found.sort_by_key(|(_, path)| path.as_os_str().len());
    let mut devices = HashSet::new();
    found.retain(|(device, _)| devices.insert(*device));
    let mut paths = vec![PathBuf::from("/")];
    paths.extend(
        found
            .into_iter()
            .map(|(_, path)| path)
            .filter(|path| path != Path::new("/")),
    );
    paths
}

/// The device and the path of a line; `None` for what is no disk, or only a part of one that is mounted elsewhere.
fn on_own_device(line: &str) -> Option<(&str, PathBuf)> {
    let (place, system) = line.split_once(" - ")?;
    let mut place = place.split(' ').skip(3);
    let (root, path) = (place.next()?, place.next()?);
    let mut system = system.split(' ');
    let (kind, source) = (system.next()?, system.next()?);
    let is_disk = match kind {
        "squashfs" | "iso9660" | "udf" | "erofs" => false,
        "zfs" => true,
        _ => source.starts_with("/dev/"),
    };
    // Anything but the whole file system is a file or a folder of it, such as a container's /etc/hosts.
    let whole = root == "/" || kind == "btrfs";
    // The file systems of one ZFS pool share its room.
    let device = match kind {
        "zfs" => source.split('/').next()?,
        _ => source,
    };
    (is_disk && whole).then(|| (device, PathBuf::from(unescaped(path))))
}

/// A path as it is, from the form in which `mountinfo` writes blanks, tabs, newlines and backslashes.
fn unescaped(path: &str) -> String {
    path.replace("\\040", " ")
        .replace("\\011", "\t")
        .replace("\\012", "\n")
        .replace("\\134", "\\")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    async fn answers(paths: &[&str]) -> Vec<Mount> {
        let paths = paths.iter().map(PathBuf::from);
        let until = Instant::now() + Duration::from_secs(20);
        Asked::all(paths).answers(until).await
    }

    #[tokio::test]
    async fn a_disk_is_as_df_shows_it() {
        let mounts = answers(&["/proc/self", "/dev", "/no/such/path"]).await;
        assert_eq!(mounts[0].disk.as_ref().map(|disk| disk.percent), Ok(0));
        let disk = mounts[1].disk.as_ref().unwrap();
        let df = std::process::Command::new("df")
            .args(["-B1", "--output=size,used,avail,pcent,itotal,iused", "/dev"])
            .output()
            .unwrap();
        let df = String::from_utf8(df.stdout).unwrap();
        let figures: Vec<&str> = df.lines().last().unwrap().split_whitespace().collect();
        let ours = [disk.total, disk.used, disk.available].map(|bytes| bytes.to_string());
        assert_eq!(figures[..3], ours);
        assert_eq!(figures[3], format!("{}%", disk.percent));
        let inodes = disk.inodes.unwrap();
        assert_eq!(
            figures[4..],
            [inodes.total, inodes.used].map(|n| n.to_string())
        );
        assert_eq!(
            mounts[2].disk,
            Err("/no/such/path cannot be read: No such file or directory".to_owned())
        );
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
        let mounts = answers(&["/no/such/hanging/disk"]).await;
        assert_eq!(mounts[0].disk, Err(no_answer(path)));
        drop(hanging);
        assert!(Asking::begin(path).is_some());
    }

    #[test]
    fn each_disk_is_found_once_and_by_its_shortest_path() {
        let mountinfo = "\
21 29 0:19 / /sys rw,nosuid shared:7 - sysfs sysfs rw
29 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
30 29 254:2 / /srv/my\\040data rw shared:2 - xfs /dev/vdb rw
31 29 254:2 / /mnt rw shared:2 - xfs /dev/vdb rw
32 29 254:1 /var/lib/x/hosts /etc/hosts rw - ext4 /dev/vda1 rw
33 29 7:0 / /snap/core/1 ro - squashfs /dev/loop0 ro
34 29 0:40 / /net rw - nfs4 server:/export rw
35 29 0:41 /@home /home rw - btrfs /dev/vdc rw
36 29 0:42 / /tank rw - zfs tank rw
37 29 0:43 / /tank/a rw - zfs tank/a rw
38 29 0:44 / /run rw - tmpfs tmpfs rw
nonsense";
        let paths = mounted(mountinfo);
        let paths: Vec<_> = paths.iter().map(|path| path.to_str().unwrap()).collect();
        assert_eq!(paths, ["/", "/mnt", "/home", "/tank"]);
        assert_eq!(mounted(""), [PathBuf::from("/")]);
        assert_eq!(unescaped("/a\\040b\\134c"), "/a b\\c");
    }
}
