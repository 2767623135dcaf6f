//! Real causes on this machine: a disk that fills, a process that burns, a log that grows, a program that complains.

use super::{Bench, CRITICAL, WARNING, world};
use crate::harness::PATIENCE;
use opsgram::base::alert::{Severity, Turn};
use std::fs::{self, File};
use std::io::Write;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// Ends with the test.
struct Running(Child);

impl Running {
    fn start(program: &str, args: &[&str]) -> Self {
        Self(Command::new(program).args(args).spawn().unwrap())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// A file system of its own, gone with the test.
struct Tmpfs(std::path::PathBuf);

impl Tmpfs {
    fn mount(path: std::path::PathBuf) -> Self {
        fs::create_dir(&path).unwrap();
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=1m,nr_inodes=40", "tmpfs"])
            .arg(&path)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&mount.stderr);
        assert!(
            mount.status.success(),
            "this test mounts a file system, so it needs root: {said}"
        );
        Self(path)
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        Command::new("umount")
            .arg("-l")
            .arg(&self.0)
            .status()
            .unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_system_that_fills() {
    let mut world = world().await;
    let disk = Tmpfs::mount(world.path().join("disk"));
    let checks = "
  full: {kind: disk, path: disk, warn: 70, crit: 90, clear: 50, for: 0s}
  free: {kind: disk, path: disk, measure: free, crit: 100kB, for: 0s}
  inodes: {kind: disk, path: disk, measure: inodes, warn: 80, for: 0s}
  gone: {kind: disk, path: no/such/folder}
";
    let mut bench = Bench::new(&mut world, checks).await;
    bench.step().await;
    let missing = bench.turns(WARNING).await;
    assert!(
        missing.contains("cannot be read: No such file"),
        "{missing}"
    );
    let fill = |name: &str, kib: usize| fs::write(disk.0.join(name), vec![1; kib << 10]).unwrap();
    fill("one", 800);
    let told = bench.news().await;
    assert_eq!(
        (told.len(), told[0].check.as_str(), told[0].turn),
        (1, "full", WARNING)
    );
    assert_eq!(told[0].limit, Some(70.0));
    fill("two", 200);
    let told = bench.news().await;
    let turns: Vec<_> = told
        .iter()
        .map(|change| (change.check.as_str(), change.turn))
        .collect();
    assert!(
        turns.contains(&("full", Turn::Became(Severity::Critical))),
        "{turns:?}"
    );
    assert!(turns.contains(&("free", CRITICAL)), "{turns:?}");
    fs::remove_file(disk.0.join("one")).unwrap();
    assert_eq!(bench.news().await.len(), 2);
    for n in 0..37 {
        File::create(disk.0.join(format!("small-{n}"))).unwrap();
    }
    let told = bench.news().await;
    assert_eq!(
        (told.len(), told[0].check.as_str(), told[0].turn),
        (1, "inodes", WARNING)
    );
    bench.store.close().await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_burns_the_processor_and_then_is_gone() {
    let mut world = world().await;
    let program = world.path().join("burner");
    fs::copy("/bin/sh", &program).unwrap();
    // By its path, since other tests burn as well.
    let checks = format!(
        "
  burner: {{kind: process, name: burner, for: 0s}}
  greedy: {{kind: process, pattern: '^{}', crit: 1kB, min: 0, for: 0s}}
  cpu: {{kind: cpu, warn: 10, for: 0s}}
",
        regex::escape(program.to_str().unwrap())
    );
    let mut bench = Bench::new(&mut world, &checks).await;
    assert!(
        bench
            .news()
            .await
            .iter()
            .any(|change| change.check == "burner" && change.turn == CRITICAL)
    );
    let burner = Running::start(program.to_str().unwrap(), &["-c", "while :; do :; done"]);
    let begun = Instant::now();
    // The processors are measured over real time.
    let is_told = |change: &opsgram::base::alert::Change, check, turn| {
        change.check == check && change.turn == turn
    };
    loop {
        bench.news().await;
        let told = bench.told().await;
        if told.iter().any(|change| is_told(change, "cpu", WARNING)) {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "never told: {told:?}");
    }
    let told = bench.told().await;
    assert!(
        told.iter()
            .any(|change| is_told(change, "burner", Turn::Cleared)),
        "{told:?}"
    );
    assert!(
        told.iter()
            .any(|change| is_told(change, "greedy", CRITICAL)),
        "{told:?}"
    );
    drop(burner);
    let told = bench.news().await;
    assert!(
        told.iter()
            .any(|change| is_told(change, "burner", CRITICAL)),
        "{told:?}"
    );
    assert!(
        told.iter()
            .any(|change| is_told(change, "greedy", Turn::Cleared)),
        "{told:?}"
    );
    bench.store.close().await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_grows_and_rotates() {
    let mut world = world().await;
    world.variable("API_KEY", "hunter22hunter22");
    world.script("any", "exit 0", &["secrets: [API_KEY]"]);
    let path = world.path().join("app.log");
    let write = |text: &str| {
        let mut file = File::options()
            .append(true)
            .create(true)
            .open(&path)
            .unwrap();
        file.write_all(text.as_bytes()).unwrap();
    };
    write("ERROR of yesterday\n");
    let checks = "  log: {kind: file, path: app.log, measure: lines, pattern: ERROR, warn: 1, crit: 3, within: 10m}\n";
    let mut bench = Bench::new(&mut world, checks).await;
    bench.step().await;
    write("all is well\n");
    bench.is_quiet().await;
    write("ERROR key=hunter22hunter22\n");
    let note = bench.turns(WARNING).await;
    assert_eq!(note, "ERROR key=•••");
    // The last line before it is moved away, and the first after.
    write("ERROR two\n");
    fs::rename(&path, world.path().join("app.log.1")).unwrap();
    write("ERROR three\n");
    bench.restart();
    assert_eq!(
        bench.turns(Turn::Became(Severity::Critical)).await,
        "ERROR three"
    );
    fs::write(&path, "").unwrap();
    bench.is_quiet().await;
    bench.after(Duration::from_secs(540)).await;
    assert_eq!(bench.told().await.last().unwrap().turn, Turn::Cleared);
    // It does not come: that is told too, but not at once.
    fs::remove_file(&path).unwrap();
    bench.is_quiet().await;
    assert!(
        bench
            .turns(WARNING)
            .await
            .contains("app.log cannot be read")
    );
    bench.store.close().await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_that_complains_hangs_or_cannot_be_run() {
    let mut world = world().await;
    let bad = world.script("bad", "echo 'DISK CRITICAL - sda | a=1'; exit 2", &[]);
    let odd = world.script("odd", "echo 'no idea' >&2; exit 3", &[]);
    let slow = world.script("slow", "sleep 600", &[]);
    let checks = format!(
        "  bad: {{kind: script, run: {}}}\n  odd: {{kind: script, run: [{}, now]}}\n  slow: {{kind: script, run: {}, timeout: 100ms}}\n",
        bad.display(),
        odd.display(),
        slow.display()
    );
    let mut bench = Bench::new(&mut world, &checks).await;
    bench.step().await;
    let told = bench.told().await;
    assert_eq!((told.len(), told[0].turn), (1, CRITICAL));
    assert_eq!(
        told[0].reading.as_ref().unwrap().note.as_deref(),
        Some("DISK CRITICAL - sda")
    );
    let mut why: Vec<_> = bench
        .news()
        .await
        .into_iter()
        .map(|change| (change.turn, change.reading.unwrap_err()))
        .collect();
    why.sort_by(|one, other| one.1.cmp(&other.1));
    assert_eq!(
        why,
        [
            (WARNING, "its program did not end in time".to_owned()),
            (
                WARNING,
                "its program ended with exit code 3: no idea".to_owned()
            ),
        ]
    );
    bench.store.close().await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_an_engine_a_container_cannot_be_read() {
    let mut world = world().await;
    let socket = world.path().join("docker.sock");
    let checks = format!(
        "  web: {{kind: docker, container: web, socket: {}, for: 0s}}\n",
        socket.display()
    );
    let mut bench = Bench::new(&mut world, &checks).await;
    bench.step().await;
    let why = bench.turns(WARNING).await;
    assert!(why.contains("there is no Docker engine here"), "{why}");
    bench.is_quiet().await;
    bench.store.close().await;
    world.finish().await;
}
