//! A log that is moved, copied, emptied and made anew.

use super::*;
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, UNIX_EPOCH};

struct Log {
    dir: tempfile::TempDir,
    place: Option<Place>,
}

impl Log {
    fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
            place: None,
        }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("log")
    }

    fn write(&self, text: &str) {
        let mut file = File::options()
            .append(true)
            .create(true)
            .open(self.path())
            .unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    fn look(&mut self) -> Vec<String> {
        self.look_at_most(MAX_BYTES)
    }

    fn look_at_most(&mut self, most: u64) -> Vec<String> {
        let mut lines = Vec::new();
        let take = |line: &[u8]| lines.push(String::from_utf8_lossy(line).into_owned());
        self.place = Some(read_some(&self.path(), self.place.as_ref(), most, take).unwrap());
        lines
    }

    /// Moves the log, or what was moved away, which was changed last at this second.
    fn moves(&self, from: &str, to: &str, second: u64) {
        let (from, to) = (self.dir.path().join(from), self.dir.path().join(to));
        fs::rename(from, &to).unwrap();
        changed(&to, second);
    }
}

fn changed(path: &Path, second: u64) {
    let at = UNIX_EPOCH + Duration::from_secs(second);
    File::open(path).unwrap().set_modified(at).unwrap();
}

#[test]
fn each_line_is_seen_once_whatever_is_done_to_the_log() {
    let mut log = Log::new();
    log.write("before\n");
    assert_eq!(log.look(), [""; 0], "what was there is old");
    log.write("one\ntwo\nhal");
    assert_eq!(log.look(), ["one", "two"]);
    assert_eq!(log.look(), [""; 0]);
    log.write("f\n");
    assert_eq!(log.look(), ["half"]);
    // Moved away with a line that nobody saw, and begun anew.
    log.write("last\n");
    fs::rename(log.path(), log.dir.path().join("log.1")).unwrap();
    assert!(read_new(&log.path(), log.place.as_ref(), |_| ()).is_err());
    log.write("first\n");
    assert_eq!(log.look(), ["last", "first"]);
    // Copied and emptied, and grown to more than before.
    log.write("a line that is lost by copying\n");
    log.look();
    let longer = "x".repeat(200);
    fs::write(log.path(), "").unwrap();
    log.write(&format!("{longer}\n"));
    assert_eq!(log.look(), [longer]);
    fs::write(log.path(), "short\n").unwrap();
    assert_eq!(log.look(), ["short"]);
    // A line without an end is no reason to hold all of it.
    log.write(&"y".repeat(BUFFER + 10));
    assert_eq!(log.look(), ["y".repeat(BUFFER)]);
}

#[test]
fn a_log_that_was_not_there_is_new_from_its_first_line() {
    let mut log = Log::new();
    log.place = Some(Place::default());
    log.write("first\n");
    assert_eq!(log.look(), ["first"]);
    assert_eq!(log.look(), [""; 0]);
    log.write("second\n");
    assert_eq!(log.look(), ["second"]);
}

#[test]
fn what_was_moved_away_more_than_once_is_read_in_its_order() {
    let mut log = Log::new();
    log.write("oldest\n");
    log.moves("log", "log.1", 100);
    log.write("old\n");
    log.look();
    changed(&log.path(), 200);
    log.write("one\n");
    log.moves("log.1", "log.2", 100);
    log.moves("log", "log.1", 300);
    log.write("two\n");
    log.moves("log.2", "log.3", 100);
    log.moves("log.1", "log.2", 300);
    log.moves("log", "log.1", 300);
    log.write("three\nwithout an end");
    log.moves("log.3", "log.4", 100);
    log.moves("log.2", "log.3", 300);
    log.moves("log.1", "log.2", 300);
    log.moves("log", "log.1", 400);
    // Neither logs of others, nor what was packed.
    for other in ["log.1.gz", "logger", "catalog", "log.bak"] {
        fs::write(log.dir.path().join(other), "not this\n").unwrap();
    }
    log.write("now\n");
    assert_eq!(log.look(), ["one", "two", "three", "without an end", "now"]);
    assert_eq!(log.look(), [""; 0]);
}

#[test]
fn what_came_after_a_file_that_was_removed_is_read() {
    let mut log = Log::new();
    log.write("old\n");
    changed(&log.path(), 200);
    log.look();
    fs::write(log.dir.path().join("log.2"), "oldest\n").unwrap();
    changed(&log.dir.path().join("log.2"), 100);
    // It stays open, so that its number is not given to another.
    let _held = File::open(log.path()).unwrap();
    fs::remove_file(log.path()).unwrap();
    log.write("between\n");
    log.moves("log", "log.1", 300);
    log.write("now\n");
    assert_eq!(log.look(), ["between", "now"]);
}

#[test]
fn a_copy_of_a_log_that_was_emptied_is_read_from_the_place_on() {
    let mut log = Log::new();
    log.write("old\n");
    log.look();
    log.write("copied\n");
    fs::copy(log.path(), log.dir.path().join("log-20260101")).unwrap();
    fs::write(log.path(), "").unwrap();
    log.write("now\n");
    assert_eq!(log.look(), ["copied", "now"]);
    // A copy of what was read, made by hand.
    let copy = log.dir.path().join("log-20260102");
    fs::copy(log.path(), &copy).unwrap();
    changed(&copy, 4_000_000_100);
    log.write("last\n");
    log.moves("log", "log.1", 4_000_000_000);
    log.write("first\n");
    assert_eq!(log.look(), ["last", "first"]);
}

#[test]
fn what_is_too_much_for_a_look_is_read_by_the_next() {
    let mut log = Log::new();
    log.write("");
    log.look();
    log.write("one\ntwo\nthree\n");
    log.moves("log", "log.1", 100);
    log.write("four\nfive\n");
    assert_eq!(log.look_at_most(5), ["one", "two"]);
    assert_eq!(log.look_at_most(5), ["three"]);
    assert_eq!(log.look_at_most(5), ["four"]);
    assert_eq!(log.look_at_most(5), ["five"]);
    assert_eq!(log.look_at_most(5), [""; 0]);
}

#[test]
fn a_program_that_still_writes_to_what_was_moved_away_is_heard() {
    let mut log = Log::new();
    log.write("");
    log.look();
    let mut writer = File::options().append(true).open(log.path()).unwrap();
    writer.write_all(b"one\n").unwrap();
    fs::rename(log.path(), log.dir.path().join("log.1")).unwrap();
    log.write("");
    assert_eq!(log.look(), ["one"]);
    writer.write_all(b"two\n").unwrap();
    assert_eq!(log.look(), ["two"]);
    log.write("three\n");
    assert_eq!(log.look(), ["three"]);
}
