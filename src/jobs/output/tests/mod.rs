//! The log's own tests: limits, a full disk, a crash at any point.

use super::reader::PartReader;
use super::search::{SHOWN_LINE_BYTES, WINDOW_BYTES};
use super::*;
use crate::base::text::grouped;
use proptest::prelude::{prop, prop_assert, prop_assert_eq, proptest};
use std::io::Read;
use std::time::{Duration, Instant};

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
    log.file = Some(writer::Open {
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

/// A log with this output, found in full.
fn log_of(dir: &Path, output: &[u8]) -> LogReader {
    let mut log = LogWriter::create(dir, ID, 100_000_000).unwrap();
    log.write(output).unwrap();
    LogReader::open(dir, ID).unwrap()
}

fn wanted(context: usize, matches: usize) -> Wanted {
    Wanted {
        from: Point::default(),
        context,
        matches,
        room: 3600,
        count: true,
        until: Instant::now() + Duration::from_secs(60),
    }
}

fn look(log: &LogReader, sought: &str, wanted: Wanted) -> Searched {
    let pattern = Sought::read(sought).compile().unwrap();
    log.search(&pattern, wanted).unwrap()
}

#[test]
fn a_search_finds_lines_in_any_case_with_their_neighbours() {
    let dir = folder();
    let text = "a\nb\nERROR one\nc\nd\ne\nОшибка\nerror two\nf\nerror three";
    let reader = log_of(dir.path(), text.as_bytes());
    let found = look(&reader, "error", wanted(1, 2));
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
    assert_eq!(found.lines[1].marks.first(), Some(&(0..5)));
    assert_eq!((found.matches, found.whole), (3, true));
    assert_eq!(look(&reader, "ошибка", wanted(0, 9)).matches, 1);
    assert_eq!(
        look(&reader, "Error", wanted(0, 9)).matches,
        0,
        "capitals count"
    );
    assert_eq!(
        look(&reader, ".*", wanted(0, 9)).matches,
        0,
        "plain text, no pattern"
    );
    assert_eq!(look(&reader, "/^error t/", wanted(0, 9)).matches, 2);
}

#[test]
fn the_pages_of_a_search_hold_every_match_once_and_in_order() {
    let dir = folder();
    let output: Vec<u8> = (1..=3000)
        .flat_map(|n| format!("line {n} {}\n", if n % 7 == 0 { "seven" } else { "" }).into_bytes())
        .collect();
    let reader = log_of(dir.path(), &output);
    for context in [0, 1, 3, 20] {
        let (mut numbers, mut from, mut pages) = (Vec::new(), Point::default(), 0);
        loop {
            let wanted = Wanted {
                from,
                count: false,
                room: 900,
                ..wanted(context, 30)
            };
            let found = look(&reader, "seven", wanted);
            let units: usize = found.lines.iter().map(|l| l.text.len() + 6).sum();
            assert!(units <= 900 + 30, "{units}");
            numbers.extend(found.lines.iter().filter(|l| l.matches).map(|l| l.number));
            pages += 1;
            match found.next {
                Some(next) => from = next,
                None => break,
            }
        }
        assert_eq!(
            numbers,
            (1..=428).map(|n| n * 7).collect::<Vec<_>>(),
            "±{context}"
        );
        assert!(pages > 10);
    }
}

#[test]
fn a_search_that_is_out_of_time_says_where_to_go_on() {
    let dir = folder();
    let reader = log_of(dir.path(), &numbered(1000));
    let mut at = wanted(0, 9);
    let mut steps = 0;
    loop {
        let found = look(
            &reader,
            "000000777",
            Wanted {
                until: Instant::now(),
                ..at
            },
        );
        steps += 1;
        if found.matches == 1 {
            assert_eq!(found.lines[0].number, 778);
            break;
        }
        at.from = found.next.expect("more");
    }
    assert_eq!(steps, 778, "each step looks at one line at least");
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
    for (sought, matches) in [
        ("needle", 12),
        ("/n.edle/", 12),
        ("/^éé/", 12),
        ("/^needle/", 0),
        ("/needle$/", 0),
        ("/éé$/", 12),
    ] {
        let found = look(
            &reader,
            sought,
            Wanted {
                room: 99_999,
                ..wanted(0, 99)
            },
        );
        assert_eq!(
            (found.matches, found.lines.len()),
            (matches, usize::try_from(matches).unwrap()),
            "{sought}"
        );
        for line in found.lines {
            assert!(line.text.len() < SHOWN_LINE_BYTES + 10);
            assert!(!line.text.contains('\u{FFFD}'));
        }
    }
}

#[test]
fn one_line_of_64_mib_is_searched() {
    let dir = folder();
    let mut log = LogWriter::create(dir.path(), ID, 100_000_000).unwrap();
    for _ in 0..64 {
        log.write(&vec![b'x'; 1 << 20]).unwrap();
    }
    log.write(b"needle").unwrap();
    let reader = LogReader::open(dir.path(), ID).unwrap();
    let found = look(&reader, "needle", wanted(20, 9));
    assert_eq!((found.matches, found.lines.len()), (1, 1));
    assert!(found.lines[0].text.ends_with("xneedle"));
    assert_eq!(reader.rows(Rows::Last(3)).unwrap().1, 1);
}

#[test]
fn colours_do_not_hide_what_is_looked_for_and_binary_is_text_with_holes() {
    let dir = folder();
    let reader = log_of(
        dir.path(),
        b"\x1b[31mer\x1b[1mror\x1b[0m: disk\r\n\xff\xfe\0error\x80\n",
    );
    let found = look(&reader, "error", wanted(0, 9));
    let texts: Vec<_> = found.lines.iter().map(|l| l.text.as_str()).collect();
    assert_eq!(texts, ["error: disk", "\u{FFFD}\u{FFFD}\0error\u{FFFD}"]);
    assert_eq!(found.lines[1].marks.first(), Some(&(7..12)));
}

#[test]
fn lines_are_found_by_their_numbers() {
    let dir = folder();
    let reader = log_of(dir.path(), &numbered(1000));
    let numbers = |rows| {
        let (lines, total) = reader.rows(rows).unwrap();
        assert_eq!(total, 1000);
        lines.iter().map(|l| l.number).collect::<Vec<_>>()
    };
    assert_eq!(numbers(Rows::Between(3, 5)), [3, 4, 5]);
    assert_eq!(numbers(Rows::Between(999, 5000)), [999, 1000]);
    assert_eq!(numbers(Rows::Last(2)), [999, 1000]);
    assert_eq!(numbers(Rows::Between(1, 1000)).len(), 500);
    assert_eq!(numbers(Rows::Between(2000, 3000)), [0; 0]);
}

#[test]
fn matches_are_written_out_with_their_gaps() {
    let dir = folder();
    let reader = log_of(dir.path(), b"a\nerror 1\nb\nc\nd\ne\nerror 2\n");
    let found = Found {
        job: ID,
        sought: Sought::text("error"),
        context: 1,
    };
    assert_eq!(Found::of_key(&found.key().unwrap()), Some(found.clone()));
    let mut out = Vec::new();
    let until = Instant::now() + Duration::from_secs(60);
    assert_eq!(write_found(&reader, &found, &mut out, until).unwrap(), 2);
    let out = String::from_utf8(out).unwrap();
    assert_eq!(out, "1- a\n2: error 1\n3- b\n⋯\n6- e\n7: error 2\n");
}

#[test]
fn a_survey_counts_logs_and_leaves_the_rest_alone() {
    let dir = folder();
    let mut log = LogWriter::create(dir.path(), ID, 8000).unwrap();
    log.write(&numbered(2000)).unwrap();
    fs::write(dir.path().join("7.log"), b"seven").unwrap();
    for other in ["send-7-x", "notes.txt", "x.log", "7.log.gz"] {
        fs::write(dir.path().join(other), b"other").unwrap();
    }
    let mut kept = survey(dir.path()).unwrap();
    kept.jobs.sort_unstable();
    assert_eq!(kept.jobs, [JobId(7), ID]);
    assert_eq!(kept.bytes, 5 + on_disk(dir.path()));
    assert_eq!(kept_bytes(dir.path(), ID), on_disk(dir.path()));
    assert!(dir.path().join("send-7-x").exists(), "it may be on its way");
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
