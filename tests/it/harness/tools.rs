//! What the tests of jobs and crashes look with: gates, the database from outside, the processes of the machine.

use super::{PATIENCE, World};
use nix::sys::stat::Mode;
use opsgram::base::ids::JobId;
use opsgram::config::{self, Env};
use opsgram::store::jobs::Job;
use opsgram::store::{self, Location, Store};
use std::fs::{self, File};
use std::io::Write;
use std::net::{TcpListener, UdpSocket};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Writes a program. Another process writes it: a process that another test forks off this one in that moment would hold what
/// is open for writing here, and a program that somebody writes cannot be started.
pub fn executable(path: &Path, text: &str) {
    let mut writer = Command::new("sh")
        .args([
            "-c",
            "cat > \"$0.new\" && chmod 755 \"$0.new\" && mv \"$0.new\" \"$0\"",
        ])
        .arg(path)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = writer.stdin.take().unwrap();
    input.write_all(text.as_bytes()).unwrap();
    drop(input);
    assert!(writer.wait().unwrap().success(), "{}", path.display());
}

/// Below those that the system hands out by itself: one that is let go while a bot starts again, nobody else gets.
const PORTS: Range<u16> = 20_000..32_000;
/// What keeps other tests away from the ports that were given out.
static RESERVED: Mutex<Vec<UdpSocket>> = Mutex::new(Vec::new());

/// A port of this machine on which nobody listens, for the one who asked and no other test.
pub fn free_port() -> u16 {
    loop {
        let port = rand::random_range(PORTS);
        let Ok(reserved) = UdpSocket::bind(("127.0.0.1", port)) else {
            continue;
        };
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            RESERVED.lock().unwrap().push(reserved);
            return port;
        }
    }
}

/// A named pipe that holds scripts back: each `read < gate` goes on once the test lets one through.
pub struct Gate {
    path: PathBuf,
    // Open for both sides, so that neither waits for the other to open.
    file: File,
}

impl Gate {
    pub fn new(world: &World, name: &str) -> Self {
        let path = world.path().join(name);
        nix::unistd::mkfifo(&path, Mode::S_IRWXU).unwrap();
        let file = File::options().read(true).write(true).open(&path).unwrap();
        Self { path, file }
    }

    /// The line of a script that waits at this gate.
    pub fn wait(&self) -> String {
        format!("read -r _ < {}", self.path.display())
    }

    /// Lets so many through.
    pub fn open(&mut self, times: usize) {
        self.file.write_all("\n".repeat(times).as_bytes()).unwrap();
    }
}

/// Waits for something outside the program that gives no event: a process to be gone, a line in a file.
pub async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "never came: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// The lines of a file; none when it does not exist.
pub fn lines(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// Whether a process runs: there, and not a zombie.
pub fn is_alive(id: i32) -> bool {
    fs::read_to_string(format!("/proc/{id}/stat")).is_ok_and(|stat| {
        let state = stat
            .rsplit_once(") ")
            .and_then(|(_, rest)| rest.chars().next());
        !matches!(state, None | Some('Z' | 'X'))
    })
}

/// The processes that work for a bot of this world, by the marker in their environment.
pub fn children(world: &World) -> Vec<i32> {
    let marker = format!("OPSGRAM_JOB_TOKEN={}/", world.path().display());
    let holds = |id: &i32| {
        fs::read(format!("/proc/{id}/environ"))
            .is_ok_and(|env| String::from_utf8_lossy(&env).contains(&marker))
    };
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    ids.filter(holds).filter(|id| is_alive(*id)).collect()
}

/// A disk of a few megabytes; gone with the guard.
pub struct SmallDisk {
    at: PathBuf,
}

impl SmallDisk {
    /// Mounts one of so many megabytes here.
    pub fn of(at: PathBuf, megabytes: u32) -> Self {
        fs::create_dir_all(&at).unwrap();
        let mut mount = Command::new("mount");
        let size = format!("size={megabytes}m,mode=755");
        mount.args(["-t", "tmpfs", "-o", &size, "tmpfs"]);
        let mounted = mount.arg(&at).status().unwrap();
        assert!(
            mounted.success(),
            "this test mounts a small disk, so it must run as root"
        );
        Self { at }
    }

    /// Leaves not a byte.
    pub fn fill(&self) {
        let mut file = File::options()
            .create(true)
            .append(true)
            .open(self.at.join("filler"))
            .unwrap();
        for size in [65536, 4096, 512, 1] {
            while file.write_all(&vec![b'x'; size]).is_ok() {}
        }
    }

    /// Gives back what was taken.
    pub fn make_room(&self) {
        fs::remove_file(self.at.join("filler")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.at).status();
    }
}

impl World {
    /// Where the database of this world is.
    pub fn location(&self) -> Location {
        let env: Env = self.environment().into_iter().collect();
        let loaded = config::load(&self.config_file(), &env);
        match loaded
            .unwrap_or_else(|faults| panic!("{faults}"))
            .config
            .database
        {
            config::Database::Sqlite { path } => Location::Sqlite(path),
            config::Database::Postgres { url } => {
                use opsgram::base::secret::ExposeSecret;
                Location::Postgres(url.expose_secret().to_owned())
            }
        }
    }

    /// The database, opened beside whoever else has it open.
    pub async fn database(&self) -> Store {
        Store::open(self.location()).await.unwrap()
    }

    /// A job as it stands in the database.
    pub async fn job(&self, store: &Store, id: i64) -> Job {
        let mut db = store.read().await.unwrap();
        store::jobs::find(&mut db, JobId(id))
            .await
            .unwrap()
            .unwrap()
    }
}
