//! A Docker engine of a test's own, with its containers, network-less, in the test's folder.

use super::PATIENCE;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Instant;

/// Named in each error, since nothing but its absence keeps these tests from running.
const NEEDS: &str = "scripts/test.sh installs docker.io and busybox-static; they run as root";
/// The image: a shell and nothing else.
const IMAGE: &str = "tiny";

/// An engine; it ends with the test, and its containers with it.
pub struct Engine {
    folder: PathBuf,
    child: Option<Child>,
}

impl Engine {
    /// Starts an engine below this folder, with an image to run.
    pub async fn start(folder: &Path) -> Self {
        let mut engine = Self {
            folder: folder.join("docker"),
            child: None,
        };
        fs::create_dir(&engine.folder).unwrap();
        engine.resume().await;
        let root = engine.folder.join("image/bin");
        fs::create_dir_all(&root).unwrap();
        fs::copy("/bin/busybox", root.join("sh"))
            .unwrap_or_else(|error| panic!("{error}; {NEEDS}"));
        let tar = engine.folder.join("image.tar");
        let packed = Command::new("tar")
            .arg("-cf")
            .arg(&tar)
            .arg("-C")
            .arg(engine.folder.join("image"))
            .arg("bin")
            .status();
        assert!(packed.unwrap().success());
        engine.ask(&["import", tar.to_str().unwrap(), IMAGE]);
        engine
    }

    /// Where it answers.
    pub fn socket(&self) -> PathBuf {
        self.folder.join("docker.sock")
    }

    /// Starts it again, with what it knew.
    pub async fn resume(&mut self) {
        let at = |name: &str| self.folder.join(name);
        let log = File::options()
            .create(true)
            .append(true)
            .open(at("log"))
            .unwrap();
        let child = Command::new("dockerd")
            .arg("--data-root")
            .arg(at("data"))
            .arg("--exec-root")
            .arg(at("exec"))
            .arg("--pidfile")
            .arg(at("pid"))
            .arg("--host")
            .arg(format!("unix://{}", self.socket().display()))
            .args([
                "--iptables=false",
                "--ip6tables=false",
                "--bridge=none",
                "--storage-driver=vfs",
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("dockerd cannot be started: {error}; {NEEDS}"));
        self.child = Some(child);
        let begun = Instant::now();
        while !self.run(&["version"]).status.success() {
            let ended = self.child.as_mut().unwrap().try_wait().unwrap();
            assert!(
                ended.is_none() && begun.elapsed() < PATIENCE,
                "the engine does not start; {NEEDS}:\n{}",
                fs::read_to_string(at("log")).unwrap()
            );
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }

    /// `kill -9`; its containers go on without it.
    pub fn kill(&mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Stops it in good order; its containers end first.
    fn stop(&mut self) {
        let Some(mut child) = self.child.take() else {
            return;
        };
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
        kill(pid, Signal::SIGTERM).unwrap();
        child.wait().unwrap();
    }

    /// Runs a container that does this in a shell, and is started again by the policy, such as `no` or `on-failure`.
    pub fn container(&self, name: &str, restart: &str, body: &str) {
        self.ask(&[
            "run",
            "--detach",
            "--name",
            name,
            "--network",
            "none",
            "--restart",
            restart,
            "--stop-timeout",
            "0",
            IMAGE,
            "/bin/sh",
            "-c",
            body,
        ]);
    }

    /// Makes a file in a container, which may end of it before the client is told that it is there.
    pub fn marks(&self, name: &str, file: &str) {
        self.run(&["exec", name, "/bin/sh", "-c", &format!(": > {file}")]);
    }

    /// Runs a command of its client, which has to succeed.
    pub fn ask(&self, args: &[&str]) {
        let output = self.run(args);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "docker {args:?}: {said}");
    }

    /// A container's state, and how often it was started again.
    pub fn says(&self, name: &str) -> String {
        let output = self.run(&[
            "inspect",
            "--format",
            "{{.State.Status}} {{.RestartCount}}",
            name,
        ]);
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Ends what a killed engine left behind: its containers, which are known by where their root is, and their keepers.
    fn clear(&self) {
        let folder = self.folder.to_str().unwrap();
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|pid| pid.parse().ok()) else {
                continue;
            };
            let read = |name| fs::read(entry.path().join(name)).unwrap_or_default();
            let command = String::from_utf8_lossy(&read("cmdline")).into_owned();
            let mounts = String::from_utf8_lossy(&read("mountinfo")).into_owned();
            // The fourth word of a mount is what of its file system is seen, the fifth is where (proc(5)).
            let lives_below = mounts.lines().any(|mount| {
                let mut words = mount.split(' ').skip(3);
                words.next().is_some_and(|root| root.starts_with(folder))
                    && words.next() == Some("/")
            });
            if lives_below || command.contains(folder) {
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
        }
    }

    fn run(&self, args: &[&str]) -> Output {
        Command::new("docker")
            .arg("--host")
            .arg(format!("unix://{}", self.socket().display()))
            .args(args)
            .stdin(Stdio::null())
            .output()
            .unwrap_or_else(|error| panic!("docker cannot be started: {error}; {NEEDS}"))
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.stop();
        self.clear();
        // It mounts its own folders, and does not always take that back.
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let own = mounts
            .lines()
            .filter_map(|line| line.split(' ').nth(1))
            .filter(|path| Path::new(path).starts_with(&self.folder));
        for path in own {
            let _ = Command::new("umount").arg("-l").arg(path).status();
        }
    }
}
