//! The log's own tests: limits, a full disk, a crash at any point.

use super::*;
use proptest::prelude::{prop, prop_assert, prop_assert_eq, proptest};

const ID: JobId = JobId(12);

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

fn whole(dir: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    LogReader::open(dir, ID)
        .and_then(|log| log.copy_to(&mut bytes))
        .expect("a readable log");
    bytes
}

fn on_disk(dir: &Path) -> u64 {
    let log = LogReader::open(dir, ID).expect("a log");
    log.parts.iter().map(|part| part.len).sum()
}

/// Numbered lines of ten bytes each, so that any piece tells where it stood.
fn numbered(lines: usize) -> Vec<u8> {
    (0..lines)
        .flat_map(|n| format!("{n:09}\n").into_bytes())
        .collect()
}

#[test]
fn output_up_to_the_limit_is_kept_whole() {
    for max in [4096, 4097, 4098, 4099] {
        let dir = folder();
        let bytes = vec![b'x'; usize::try_from(max).unwrap()];
        let mut log = LogWriter::create(dir.path(), ID, max).unwrap();
        for piece in bytes.chunks(700) {
            log.write(piece).unwrap();
        }
        assert_eq!((log.total(), log.dropped(), log.lost()), (max, 0, 0));
        assert_eq!(whole(dir.path()), bytes);
    }
}

#[test]
fn of_longer_output_head_and_tail_are_kept_and_the_rest_is_counted() {
    let dir = folder();
    let bytes = numbered(10_000);
    let mut log = LogWriter::create(dir.path(), ID, 8000).unwrap();
    for piece in bytes.chunks(333) {
        log.write(piece).unwrap();
        assert!(on_disk(dir.path()) <= 8000);
    }
    let reader = LogReader::open(dir.path(), ID).unwrap();
    assert_eq!(reader.dropped(), log.dropped());
    assert_eq!(reader.len() + reader.dropped(), 100_000);
    assert!(
        reader.len() >= 6000,
        "three quarters at least: {}",
        reader.len()
    );
    let text = String::from_utf8(whole(dir.path())).unwrap();
    assert!(text.starts_with("000000000\n") && text.ends_with("\n000009999\n"));
    let note = format!("\n… {} bytes left out here …\n", grouped(log.dropped()));
    assert!(text.contains(&note), "{note}");
    assert_eq!(text.matches('…').count(), 2);
}

#[test]
fn an_older_log_of_the_job_is_replaced_and_a_removed_one_is_gone() {
    let dir = folder();
    let mut log = LogWriter::create(dir.path(), ID, 0).unwrap();
    log.write(&numbered(1000)).unwrap();
    let mut log = LogWriter::create(dir.path(), ID, 0).unwrap();
    log.write(b"new").unwrap();
    assert_eq!(whole(dir.path()), b"new");
    remove(dir.path(), ID).unwrap();
    remove(dir.path(), ID).unwrap();
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    let missing = LogReader::open(dir.path(), ID)
        .err()
        .map(|error| error.kind());
    assert_eq!(missing, Some(io::ErrorKind::NotFound));
}

#[test]
fn a_log_is_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let dir = folder();
    let logs = dir.path().join("a/logs");
    LogWriter::create(&logs, ID, 0).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&logs), 0o700);
    assert_eq!(mode(&head_path(&logs, ID)), 0o600);
}

#[test]
fn a_reader_keeps_its_log_while_the_writer_goes_on() {
    let dir = folder();
    let mut log = LogWriter::create(dir.path(), ID, 4096).unwrap();
    log.write(&numbered(500)).unwrap();
    let before = whole(dir.path());
    let reader = LogReader::open(dir.path(), ID).unwrap();
    log.write(&numbered(5000)).unwrap();
    let mut after = Vec::new();
    reader.copy_to(&mut after).unwrap();
    assert_eq!(after, before);
}

#[test]
fn the_tail_starts_with_a_line_and_tells_what_is_missing() {
    let dir = folder();
    let mut log = LogWriter::create(dir.path(), ID, 4000).unwrap();
    log.write(&numbered(10_000)).unwrap();
    let reader = LogReader::open(dir.path(), ID).unwrap();
    assert_eq!(reader.tail(25).unwrap(), b"000009998\n000009999\n");
    let everything = reader.tail(1_000_000).unwrap();
    assert_eq!(everything, whole(dir.path()));
    let most = String::from_utf8(reader.tail(everything.len() - 1).unwrap()).unwrap();
    assert!(most.starts_with("000000001\n") && most.contains("bytes left out here"));
}

/// A disk of 64 KiB, where the system lets us have one.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount() -> Option<Self> {
        let dir = folder();
        let done = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=64k,mode=700", "tmpfs"])
            .arg(dir.path())
            .stderr(std::process::Stdio::null())
            .status();
        done.is_ok_and(|status| status.success())
            .then_some(Self(dir))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount")
            .arg(self.0.path())
            .status();
    }
}

#[test]
fn a_full_disk_is_told_once_and_the_log_goes_on_when_there_is_room() {
    let Some(disk) = SmallDisk::mount() else {
        eprintln!("left out: mounting a small disk needs root");
        return;
    };
    let dir = disk.0.path();
    let filler = dir.join("filler");
    fs::write(&filler, vec![0; 40 * 1024]).unwrap();
    let mut log = LogWriter::create(dir, ID, 1024 * 1024).unwrap();
    log.retry_after = Duration::ZERO;
    let bytes = numbered(1000);
    let errors = (0..10).filter(|_| log.write(&bytes).is_err()).count();
    assert_eq!(errors, 1, "said once");
    assert_eq!(log.total(), 100_000);
    assert!(log.lost() > 70_000 && log.dropped() == 0);
    fs::remove_file(filler).unwrap();
    log.write(b"room again\n").unwrap();
    let reader = LogReader::open(dir, ID).unwrap();
    assert_eq!(reader.dropped(), log.lost());
    let text = String::from_utf8(whole(dir)).unwrap();
    let end = format!(
        "… {} bytes left out here …\nroom again\n",
        grouped(log.lost())
    );
    assert!(text.ends_with(&end), "{end}");
}

#[test]
fn a_failing_disk_is_left_alone_for_a_while() {
    let dir = folder();
    let mut log = LogWriter::create(dir.path(), ID, 4096).unwrap();
    let full = fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap();
    log.file = Some(Open {
        file: full,
        len: 0,
        max: 4096,
    });
    assert_eq!(
        log.write(b"one").map_err(|error| error.kind()),
        Err(io::ErrorKind::StorageFull)
    );
    log.write(b"two").unwrap();
    assert_eq!(log.lost(), 6, "not tried so soon");
    log.retry_after = Duration::ZERO;
    log.write(b"three").unwrap();
    assert_eq!(
        whole(dir.path()),
        "… 6 bytes left out here …\nthree".as_bytes()
    );
}

#[test]
fn a_search_finds_lines_in_any_case_with_their_neighbours() {
    let dir = folder();
    let mut log = LogWriter::create(dir.path(), ID, 1_000_000).unwrap();
    log.write("a\nb\nERROR one\nc\nd\ne\nОшибка\nerror two\nf\nerror three".as_bytes())
        .unwrap();
    let reader = LogReader::open(dir.path(), ID).unwrap();
    let found = reader.grep("Error", 1, 2).unwrap();
    let lines: Vec<_> = found
        .lines
        .iter()
        .map(|line| (line.number, line.text.as_str(), line.matches))
        .collect();
    assert_eq!(
        lines,
        [
            (2, "b", false),
            (3, "ERROR one", true),
            (4, "c", false),
            (7, "Ошибка", false),
            (8, "error two", true),
            (9, "f", false),
        ]
    );
    assert_eq!(found.matches, 3);
    assert_eq!(reader.grep("ОШИБКА", 0, 9).unwrap().matches, 1);
    assert_eq!(
        reader.grep(".*", 0, 9).unwrap(),
        Search::default(),
        "plain text, no pattern"
    );
}

#[test]
fn a_search_looks_through_lines_of_any_length() {
    let dir = folder();
    let mut log = LogWriter::create(dir.path(), ID, 10_000_000).unwrap();
    for shift in 0..12 {
        let filler = "é".repeat(WINDOW_BYTES / 2 * 3 - shift);
        log.write(format!("{filler}needle{filler}\n").as_bytes())
            .unwrap();
    }
    let reader = LogReader::open(dir.path(), ID).unwrap();
    let found = reader.grep("NEEDLE", 0, 99).unwrap();
    assert_eq!((found.matches, found.lines.len()), (12, 12));
    for line in found.lines {
        assert!(line.text.len() < SHOWN_LINE_BYTES + 10);
        assert!(line.text.contains("éneedleé") && !line.text.contains('\u{FFFD}'));
    }
}

#[test]
fn the_latest_output_starts_with_a_line() {
    let mut tail = Tail::default();
    tail.push(b"one\ntwo");
    assert_eq!(
        (tail.bytes(), tail.total(), tail.lines()),
        (&b"one\ntwo"[..], 7, 2)
    );
    tail.push(&numbered(20_000));
    assert!(tail.bytes().len() <= TAIL_BYTES && tail.bytes().len() > TAIL_BYTES - 10);
    assert!(tail.bytes().ends_with(b"\n000019999\n"));
    assert_eq!(tail.bytes().len() % 10, 0, "whole lines");
    assert_eq!((tail.total(), tail.lines()), (200_007, 20_001));
    tail.push("é".repeat(TAIL_BYTES).as_bytes());
    assert!(std::str::from_utf8(tail.bytes()).is_ok());
}

proptest! {
    #[test]
    fn wherever_the_writer_stops_the_reader_accounts_for_every_byte(
        pieces in prop::collection::vec(1usize..3000, 0..30), max in 4096u64..9000,
    ) {
        let dir = folder();
        let all = numbered(10_000);
        let mut log = LogWriter::create(dir.path(), ID, max).unwrap();
        let mut at = 0;
        for piece in pieces {
            log.write(&all[at..at + piece]).unwrap();
            at += piece;
        }
        let (total, dropped) = (log.total(), log.dropped());
        drop(log);
        let reader = LogReader::open(dir.path(), ID).unwrap();
        prop_assert_eq!(total, length(at));
        prop_assert_eq!(reader.dropped(), dropped);
        prop_assert_eq!(reader.len() + dropped, total);
        prop_assert!(reader.len() <= max && (dropped == 0) == (total <= max));
        for part in &reader.parts {
            let mut bytes = Vec::new();
            PartReader { part, at: 0 }.read_to_end(&mut bytes).unwrap();
            prop_assert_eq!(&bytes, &all[size(part.start)..size(part.start + part.len)]);
        }
    }
}
