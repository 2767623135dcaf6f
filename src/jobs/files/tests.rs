//! The folder of a job: what is set apart, what stays, what goes.

use super::*;
use nix::sys::stat::Mode;

const BOUNDS: Bounds = Bounds {
    files: 10,
    bytes: 1000,
};

fn folder(dir: &tempfile::TempDir) -> Folder {
    let folder = Folder::of(dir.path(), JobId(12));
    folder.prepare().unwrap();
    folder
}

fn names(left: &Left) -> Vec<&str> {
    left.sent.iter().map(|found| found.name.as_str()).collect()
}

#[test]
fn what_is_left_is_set_apart_by_name_and_gone_when_sent() {
    let dir = tempfile::tempdir().unwrap();
    let folder = folder(&dir);
    let mode = fs::metadata(folder.out()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    for name in ["b.txt", "a.txt", "-rf", "two\nlines"] {
        fs::write(folder.out().join(name), name).unwrap();
    }
    let left = folder.collect(BOUNDS).unwrap();
    assert_eq!(names(&left), ["-rf", "a.txt", "b.txt", "two_lines"]);
    assert_eq!(left.kept, 0);
    let text = io::read_to_string(folder.open(2).unwrap()).unwrap();
    assert_eq!(text, "a.txt");
    for number in 1..=4 {
        assert!(dir.path().join("12").exists());
        folder.sent(number);
    }
    assert!(!dir.path().join("12").exists(), "nothing stays behind");
}

#[test]
fn what_cannot_be_sent_is_told_and_kept() {
    let dir = tempfile::tempdir().unwrap();
    let folder = folder(&dir);
    let out = folder.out();
    fs::write(dir.path().join("secret"), "do not leak").unwrap();
    std::os::unix::fs::symlink(dir.path().join("secret"), out.join("a-link")).unwrap();
    nix::unistd::mkfifo(&out.join("b-pipe"), Mode::S_IRWXU).unwrap();
    fs::create_dir(out.join("c-folder")).unwrap();
    fs::write(out.join("c-folder/inside"), "x").unwrap();
    File::create(out.join("d-empty")).unwrap();
    let large = File::create(out.join("e-large")).unwrap();
    large.set_len(51_000_000).unwrap();
    fs::write(out.join("f-much"), [b'x'; 1001]).unwrap();
    fs::write(out.join("g-good"), "x").unwrap();
    let left = folder.collect(BOUNDS).unwrap();
    assert_eq!(names(&left), ["g-good"]);
    let why: Vec<_> = left.named.iter().map(|(_, why)| *why).collect();
    assert_eq!(
        why,
        [
            Why::Link,
            Why::Special,
            Why::Folder,
            Why::Empty,
            Why::Large(51_000_000),
            Why::Sum(1001)
        ]
    );
    folder.sent(1);
    folder.settle();
    assert!(out.join("c-folder/inside").exists());
    assert!(dir.path().join("secret").exists());
}

#[test]
fn a_crowd_is_counted_not_kept_in_mind() {
    let dir = tempfile::tempdir().unwrap();
    let folder = folder(&dir);
    for n in 0..1100 {
        fs::write(folder.out().join(format!("{n:04}")), "x").unwrap();
    }
    let left = folder.collect(BOUNDS).unwrap();
    assert_eq!((left.sent.len(), left.kept), (10, 1090));
    assert_eq!(left.named.len(), NAMED);
    assert_eq!(left.named[0], ("0010".to_owned(), Why::Number));
}

#[test]
fn a_folder_that_became_a_link_is_not_entered() {
    let dir = tempfile::tempdir().unwrap();
    let other = tempfile::tempdir().unwrap();
    fs::write(other.path().join("secret"), "x").unwrap();
    let folder = folder(&dir);
    fs::remove_dir(folder.out()).unwrap();
    std::os::unix::fs::symlink(other.path(), folder.out()).unwrap();
    assert!(folder.collect(BOUNDS).is_err());
    folder.prepare().unwrap();
    assert!(other.path().join("secret").exists());
}

#[test]
fn rights_that_a_script_took_away_do_not_keep_its_folder() {
    let dir = tempfile::tempdir().unwrap();
    let folder = folder(&dir);
    let deep = folder.out().join("deep");
    fs::create_dir(&deep).unwrap();
    fs::write(deep.join("file"), "x").unwrap();
    for path in [deep, folder.out()] {
        fs::set_permissions(path, Permissions::from_mode(0o000)).unwrap();
    }
    folder.remove().unwrap();
    assert_eq!(jobs(dir.path()).unwrap(), []);
}

#[test]
fn a_refused_file_is_kept_with_the_job() {
    let dir = tempfile::tempdir().unwrap();
    let folder = folder(&dir);
    fs::write(folder.out().join("a"), "x").unwrap();
    folder.collect(BOUNDS).unwrap();
    folder.refused(1, "a");
    folder.settle();
    assert!(folder.out().join("a").exists());
    assert_eq!(jobs(dir.path()).unwrap(), [JobId(12)]);
}

#[test]
fn a_refused_file_takes_the_place_of_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let folder = folder(&dir);
    let much = "x".repeat(1001);
    fs::write(folder.out().join("two\nlines"), "sent").unwrap();
    fs::write(folder.out().join("two_lines"), &much).unwrap();
    assert_eq!(folder.collect(BOUNDS).unwrap().kept, 1);
    folder.refused(1, "two_lines");
    let read = |name: &str| fs::read_to_string(folder.out().join(name)).unwrap();
    assert_eq!(read("two_lines"), much);
    assert_eq!(read("2-two_lines"), "sent");
}
