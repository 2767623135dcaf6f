//! Which disks there are and how full they are, without ever waiting long for one that does not answer.

use super::share;
use crate::drivers::patience;
use futures::future::join_all;
use nix::sys::statvfs::statvfs;
use std::collections::HashSet;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The most disks that are found by themselves, together with those asked for.
pub const MAX_DISKS: usize = 8;
/// How long it may take to find out where a disk is mounted.
const PATIENCE: Duration = Duration::from_secs(2);

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

/// How full the file system is that holds a path, or a sentence that says why that cannot be read. A disk that does not answer
/// takes this long, and holds up nobody else.
///
/// # Errors
/// The sentence.
pub async fn disk(path: &Path, limit: Duration) -> Result<Disk, String> {
    let shown = path.display().to_string();
    let asked = path.to_owned();
    let answer = patience::ask(&shown, limit, move || read(&asked)).await;
    answer.unwrap_or_else(|| Err(format!("{shown} does not answer (is a network disk gone?)")))
}

/// The same of several, all at the same time.
pub(super) async fn disks(paths: impl Iterator<Item = PathBuf>, limit: Duration) -> Vec<Mount> {
    let each = paths.map(async |path| Mount {
        disk: disk(&path, limit).await,
        path,
    });
    join_all(each).await
}

/// Which of these places is the one where the file system is mounted that holds a path; `None` when none is, or when that
/// cannot be told soon.
pub async fn holding(path: &Path, mounts: Vec<PathBuf>) -> Option<PathBuf> {
    let asked = path.to_owned();
    let question = move || {
        let real = asked.canonicalize().ok()?;
        let device = real.metadata().ok()?.dev();
        let above = mounts.into_iter().filter(|mount| real.starts_with(mount));
        let nearest = above.max_by_key(|mount| mount.as_os_str().len())?;
        let same = nearest.metadata().ok()?.dev() == device;
        same.then_some(nearest)
    };
    let shown = path.display().to_string();
    patience::ask(&shown, PATIENCE, question).await?
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

    const LONG: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn a_disk_is_as_df_shows_it() {
        let paths = ["/proc/self", "/dev", "/no/such/path"].map(PathBuf::from);
        let mounts = disks(paths.into_iter(), LONG).await;
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
    async fn a_path_is_held_by_the_nearest_mount() {
        let holding = async |path: &str, mounts: &[&str]| {
            let mounts = mounts.iter().map(PathBuf::from).collect();
            holding(Path::new(path), mounts).await
        };
        let proc = Some(PathBuf::from("/proc"));
        assert_eq!(holding("/proc/sys", &["/", "/proc", "/dev"]).await, proc);
        assert_eq!(
            holding("/proc/sys", &["/", "/dev"]).await,
            None,
            "another device"
        );
        assert_eq!(holding("/no/such/path", &["/"]).await, None);
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
