//! Real repositories: on the disk, behind `git daemon`, and behind a web server that wants a token.

use super::*;
use crate::drivers::tests::{Asked, Server, Told};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use url::Url;

const LONG: Duration = Duration::from_secs(60);
/// `x-access-token:hunter22` as a password goes over the wire.
const BASIC: &str = "Basic eC1hY2Nlc3MtdG9rZW46aHVudGVyMjI=";

fn git(dir: &Path, words: &[&str]) -> String {
    let done = Command::new("git")
        .args(["-c", "user.name=Ann", "-c", "user.email=ann@example.org"])
        .args(words)
        .current_dir(dir)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .output()
        .expect("these tests need git; on Debian: apt-get install git");
    assert!(done.status.success(), "{words:?}: {done:?}");
    String::from_utf8(done.stdout)
        .unwrap()
        .trim_end()
        .to_owned()
}

/// A repository with the branches `main` (two commits) and `next`, and the tag `v1`, which `next` has as a branch, too.
struct Origin {
    home: tempfile::TempDir,
    path: PathBuf,
}

impl Origin {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("origin");
        fs::create_dir(&path).unwrap();
        git(&path, &["init", "--quiet", "--initial-branch=main"]);
        let origin = Self { home, path };
        origin.commit("one");
        git(&origin.path, &["tag", "-a", "v1", "-m", "v1"]);
        origin.commit("two");
        git(&origin.path, &["checkout", "--quiet", "-b", "next/big"]);
        origin.commit("three");
        git(&origin.path, &["checkout", "--quiet", "main"]);
        origin
    }

    fn commit(&self, text: &str) -> String {
        fs::write(self.path.join("file"), text).unwrap();
        git(&self.path, &["add", "file"]);
        git(&self.path, &["commit", "--quiet", "-m", text]);
        git(&self.path, &["rev-parse", "HEAD"])
    }

    fn wanted(&self, branch: Option<&str>, depth: Option<u32>) -> Wanted {
        Wanted {
            url: self.path.display().to_string(),
            branch: branch.map(str::to_owned),
            depth,
            dir: self.home.path().join("work/repo"),
            local: true,
        }
    }
}

fn how(token: Option<&str>) -> How {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    How {
        env: vec![
            ("PATH".to_owned(), std::env::var("PATH").unwrap()),
            // None of these may matter.
            ("GIT_DIR".to_owned(), "/nowhere".to_owned()),
            ("GIT_TRACE_CURL".to_owned(), "1".to_owned()),
            ("GIT_ALLOW_PROTOCOL".to_owned(), "ext".to_owned()),
        ],
        token: token.map(SecretString::from),
        marker: format!("git-test-{}-{count}", std::process::id()),
        timeout: LONG,
        grace: LONG,
    }
}

/// What came of it, and what git told.
async fn bring_with(wanted: &Wanted, how: &How) -> (Result<State, Failed>, String) {
    let mut told = Vec::new();
    let mut sink = |bytes: &[u8]| told.extend_from_slice(bytes);
    let done = bring(wanted, how, &CancellationToken::new(), &mut sink).await;
    assert_eq!(process::survivors(&how.marker), [0; 0]);
    (done, String::from_utf8_lossy(&told).into_owned())
}

async fn good(wanted: &Wanted) -> State {
    bring_with(wanted, &how(None)).await.0.unwrap()
}

fn file(wanted: &Wanted) -> String {
    fs::read_to_string(wanted.dir.join("file")).unwrap()
}

/// What is beside the folder and in it, hidden names included.
fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_folder_is_made_and_follows_its_repository() {
    let origin = Origin::new();
    let wanted = origin.wanted(None, Some(1));
    let state = good(&wanted).await;
    assert_eq!((state.name.as_deref(), state.is_new), (Some("main"), true));
    assert_eq!(state.commit, git(&origin.path, &["rev-parse", "HEAD"]));
    assert_eq!(file(&wanted), "two");
    assert_eq!(git(&wanted.dir, &["rev-list", "--count", "HEAD"]), "1");
    assert_eq!(
        git(&wanted.dir, &["status", "--porcelain", "--branch"]),
        "## main...origin/main"
    );
    assert_eq!(names(wanted.dir.parent().unwrap()), ["repo"]);

    // What was changed goes, what git does not know stays; so does what stands in the way of a tracked file.
    let commit = origin.commit("four");
    fs::write(wanted.dir.join("file"), "mine").unwrap();
    fs::write(wanted.dir.join("cache"), "kept").unwrap();
    git(&wanted.dir, &["checkout", "--quiet", "-b", "other"]);
    let state = good(&wanted).await;
    assert_eq!((state.commit, state.is_new), (commit, false));
    assert_eq!(file(&wanted), "four");
    assert_eq!(names(&wanted.dir), [".git", "cache", "file"]);

    // History that was written anew is taken over; the rest of it comes when all is asked for.
    git(&origin.path, &["reset", "--quiet", "--hard", "HEAD~2"]);
    let wanted = origin.wanted(None, None);
    good(&wanted).await;
    assert_eq!(file(&wanted), "one");
    let wanted = origin.wanted(Some("next/big"), None);
    let state = good(&wanted).await;
    assert_eq!(
        (file(&wanted).as_str(), state.name.as_deref()),
        ("three", Some("next/big"))
    );
    assert_eq!(git(&wanted.dir, &["rev-list", "--count", "HEAD"]), "3");
}

#[tokio::test]
async fn a_tag_a_branch_of_its_name_and_a_head_of_none() {
    let origin = Origin::new();
    let wanted = origin.wanted(Some("v1"), Some(1));
    let state = good(&wanted).await;
    assert_eq!(
        (file(&wanted).as_str(), state.name.as_deref()),
        ("one", Some("v1"))
    );
    // The tag moves, and then a branch has its name.
    git(&origin.path, &["tag", "-f", "v1", "main"]);
    good(&wanted).await;
    assert_eq!(file(&wanted), "two");
    git(&origin.path, &["branch", "v1", "next/big"]);
    good(&wanted).await;
    assert_eq!(file(&wanted), "three");
    git(
        &origin.path,
        &["checkout", "--quiet", "--detach", "refs/tags/v1"],
    );
    let wanted = origin.wanted(None, None);
    let state = good(&wanted).await;
    assert_eq!((file(&wanted).as_str(), state.name), ("two", None));
}

#[tokio::test]
async fn what_is_not_there_or_something_else_is_named_and_left_alone() {
    let origin = Origin::new();
    let failed = async |wanted: &Wanted| bring_with(wanted, &how(None)).await.0.unwrap_err();
    let wanted = origin.wanted(Some("nope"), None);
    let error = failed(&wanted).await;
    assert!(
        error.to_string().ends_with("has no branch or tag `nope`."),
        "{error}"
    );
    assert!(matches!(error, Failed::Wrong(_)));
    assert_eq!(names(wanted.dir.parent().unwrap()), [""; 0]);

    let wanted = origin.wanted(None, None);
    fs::create_dir(&wanted.dir).unwrap();
    good(&wanted).await;
    let mut other = Origin::new().wanted(None, None);
    other.dir = wanted.dir.clone();
    let error = failed(&other).await.to_string();
    assert!(
        error.contains("is a repository of another address"),
        "{error}"
    );
    assert_eq!(file(&wanted), "two");

    let mut wanted = origin.wanted(None, None);
    wanted.dir = origin.home.path().join("full");
    fs::create_dir(&wanted.dir).unwrap();
    fs::write(wanted.dir.join("mine"), "").unwrap();
    let error = failed(&wanted).await.to_string();
    assert!(error.contains("is there and is no repository"), "{error}");
    assert_eq!(names(&wanted.dir), ["mine"]);

    let empty = origin.home.path().join("empty");
    git(origin.home.path(), &["init", "--quiet", "empty"]);
    wanted.url = format!("file://{}", empty.display());
    wanted.dir = origin.home.path().join("work/none");
    let error = failed(&wanted).await.to_string();
    assert!(error.contains("has no commits to take"), "{error}");
    wanted.url = origin.home.path().join("missing").display().to_string();
    let error = failed(&wanted).await;
    assert!(
        matches!(error, Failed::Exited { code: 128, .. }),
        "{error:?}"
    );
    assert!(error.to_string().contains("fatal: "), "{error}");
}

#[tokio::test]
async fn what_a_killed_git_left_behind_trips_nobody() {
    let origin = Origin::new();
    let wanted = origin.wanted(None, Some(1));
    let work = wanted.dir.parent().unwrap();
    let part = work.join(".repo.opsgram-part/.git");
    fs::create_dir_all(&part).unwrap();
    fs::write(part.join("index.lock"), "").unwrap();
    good(&wanted).await;
    assert_eq!(names(work), ["repo"]);
    let commit = origin.commit("four");
    for lock in LOCKS
        .iter()
        .chain(&["refs/heads/main.lock", "refs/remotes/origin/main.lock"])
    {
        fs::write(wanted.dir.join(".git").join(lock), "").unwrap();
    }
    assert_eq!(good(&wanted).await.commit, commit);
}

#[tokio::test]
async fn no_program_of_a_repository_runs() {
    let origin = Origin::new();
    let wanted = origin.wanted(None, None);
    good(&wanted).await;
    assert!(!wanted.dir.join(".git/hooks").exists());
    let program = origin.home.path().join("program");
    let ran = origin.home.path().join("ran");
    fs::write(&program, format!("#!/bin/sh\ntouch {}\n", ran.display())).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let hooks = wanted.dir.join(".git/hooks");
    fs::create_dir(&hooks).unwrap();
    for hook in [
        "post-checkout",
        "reference-transaction",
        "post-index-change",
    ] {
        fs::copy(&program, hooks.join(hook)).unwrap();
    }
    for name in [
        "core.fsmonitor",
        "core.sshCommand",
        "core.askPass",
        "credential.helper",
    ] {
        git(&wanted.dir, &["config", name, program.to_str().unwrap()]);
    }
    let _ = fs::remove_file(&ran);
    origin.commit("four");
    good(&wanted).await;
    assert_eq!(file(&wanted), "four");
    assert!(!ran.exists());
}

/// Serves the folder with `git daemon`, a process for each connection.
fn daemon(folder: &Path) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let base = format!("--base-path={}", folder.display());
    std::thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            let end = |stream| Stdio::from(OwnedFd::from(stream));
            let mut daemon = Command::new("git")
                .args(["daemon", "--inetd", "--export-all", &base])
                .stdin(end(stream.try_clone().unwrap()))
                .stdout(end(stream))
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            daemon.wait().unwrap();
        }
    });
    port
}

#[tokio::test]
async fn a_repository_comes_over_the_network() {
    let origin = Origin::new();
    let port = daemon(origin.home.path());
    let mut wanted = origin.wanted(None, Some(1));
    wanted.url = format!("git://127.0.0.1:{port}/origin");
    wanted.local = false;
    good(&wanted).await;
    assert_eq!(git(&wanted.dir, &["rev-list", "--count", "HEAD"]), "1");
    let commit = origin.commit("four");
    assert_eq!(good(&wanted).await.commit, commit);
}

#[tokio::test]
async fn a_clone_that_is_cut_off_leaves_nothing() {
    let origin = Origin::new();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut wanted = origin.wanted(None, None);
    wanted.url = format!("git://{}/origin", listener.local_addr().unwrap());
    let cancel = CancellationToken::new();
    let stop = cancel.clone();
    let silent = tokio::spawn(async move {
        let first = listener.accept().await.unwrap();
        stop.cancel();
        // The second is left to itself until its time is up.
        (first, listener.accept().await.unwrap(), listener)
    });
    let mut how = how(None);
    let done = bring(&wanted, &how, &cancel, &mut |_: &[u8]| {}).await;
    assert_eq!(done, Err(Failed::Cancelled));
    assert_eq!(names(wanted.dir.parent().unwrap()), [""; 0]);
    how.timeout = Duration::from_secs(1);
    let done = bring_with(&wanted, &how).await.0;
    assert!(matches!(done, Err(Failed::TimedOut(_))), "{done:?}");
    assert_eq!(names(wanted.dir.parent().unwrap()), [""; 0]);
    silent.abort();
    wanted.url = origin.path.display().to_string();
    good(&wanted).await;
}

/// A web server with the repository, for those who have the token. `/moved/` points to another server.
async fn private(origin: &Origin, elsewhere: Option<Url>) -> Server {
    git(&origin.path, &["update-server-info"]);
    let files = origin.path.join(".git");
    Server::start(move |asked: &Asked| {
        if let Some(elsewhere) = &elsewhere {
            let place = elsewhere.join(&asked.place).unwrap();
            return Told::with(301, "Location", place);
        }
        if asked.header("authorization") != Some(BASIC) {
            return Told::with(401, "WWW-Authenticate", "Basic realm=\"git\"");
        }
        let path = asked.path().strip_prefix("/repo.git/").unwrap();
        match fs::read(files.join(path)) {
            Ok(bytes) => Told::Says(200, Vec::new(), bytes),
            Err(_) => Told::text(404, ""),
        }
    })
    .await
}

#[tokio::test]
async fn a_token_is_given_to_its_server_alone_and_stands_nowhere() {
    let origin = Origin::new();
    let server = private(&origin, None).await;
    let mut wanted = origin.wanted(None, None);
    wanted.url = server.url("/repo.git").to_string();
    let (done, told) = bring_with(&wanted, &how(Some("hunter22"))).await;
    done.unwrap();
    assert_eq!(file(&wanted), "two");
    let kept = fs::read_to_string(wanted.dir.join(".git/config")).unwrap();
    assert!(
        !kept.contains("hunter22") && !told.contains("hunter22"),
        "{kept}{told}"
    );

    let mut wanted = Wanted {
        dir: wanted.dir.with_file_name("other"),
        ..wanted
    };
    for token in [None, Some("wrong-token")] {
        let (done, told) = bring_with(&wanted, &how(token)).await;
        let Err(Failed::Exited { code: 128, said }) = done else {
            panic!("{done:?}");
        };
        assert!(
            said.starts_with("fatal: ") && !said.contains("wrong-token"),
            "{said}"
        );
        assert!(!told.contains("wrong-token"), "{told}");
    }

    let seen: Arc<Mutex<Vec<Option<String>>>> = Arc::default();
    let note = Arc::clone(&seen);
    let thief = Server::start(move |asked: &Asked| {
        let brought = asked.header("authorization").map(str::to_owned);
        note.lock().unwrap().push(brought);
        Told::with(401, "WWW-Authenticate", "Basic realm=\"git\"")
    })
    .await;
    let pointing = private(&origin, Some(thief.url("/"))).await;
    wanted.url = pointing.url("/repo.git").to_string();
    let (done, _) = bring_with(&wanted, &how(Some("hunter22"))).await;
    assert!(done.is_err());
    let seen = seen.lock().unwrap();
    assert!(
        !seen.is_empty() && seen.iter().all(Option::is_none),
        "{seen:?}"
    );
}

#[tokio::test]
async fn a_token_that_cannot_be_given_is_refused() {
    let origin = Origin::new();
    let wanted = origin.wanted(None, None);
    let (done, _) = bring_with(&wanted, &how(Some("hunter22"))).await;
    let error = done.unwrap_err().to_string();
    assert!(error.contains("takes no token"), "{error}");
    let wanted = Wanted {
        url: "https://example.org/x.git".to_owned(),
        ..wanted
    };
    for token in ["", "a\nquit=1"] {
        let (done, _) = bring_with(&wanted, &how(Some(token))).await;
        let error = done.unwrap_err().to_string();
        assert!(error.contains("is empty or holds a line break"), "{error}");
    }
    let mut without = how(None);
    without.env = vec![("PATH".to_owned(), "/nowhere".to_owned())];
    let error = bring_with(&origin.wanted(None, None), &without)
        .await
        .0
        .unwrap_err();
    assert!(
        error.to_string().contains("git is not installed"),
        "{error}"
    );
}
