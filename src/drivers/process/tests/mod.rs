//! The driver's own tests, with real programs.

use super::*;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};

const LONG: Duration = Duration::from_secs(60);

fn unique_marker() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("test-{}-{count}", std::process::id())
}

fn spec(argv: &[&str]) -> Spec {
    Spec {
        argv: argv.iter().map(|word| (*word).to_owned()).collect(),
        cwd: std::env::temp_dir(),
        env: vec![("PATH".to_owned(), "/usr/bin:/bin".to_owned())],
        tty: false,
        marker: unique_marker(),
        timeout: LONG,
        grace: LONG,
    }
}

/// A script in a folder of its own, which is also its working directory.
struct Script {
    folder: tempfile::TempDir,
    spec: Spec,
}

impl Script {
    fn new(body: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("script");
        write_file(&path, body, 0o755);
        let mut spec = spec(&[path.to_str().unwrap()]);
        spec.cwd = folder.path().to_owned();
        Self { folder, spec }
    }

    async fn run(&self) -> (Finished, String) {
        run_to_end(&self.spec).await
    }
}

fn write_file(path: &Path, text: &str, mode: u32) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

async fn run_to_end(spec: &Spec) -> (Finished, String) {
    let mut output = Vec::new();
    let mut sink = |bytes: &[u8]| output.extend_from_slice(bytes);
    let finished = run(spec, &CancellationToken::new(), &mut sink)
        .await
        .unwrap();
    assert_eq!(finished.bytes, u64::try_from(output.len()).unwrap());
    assert_eq!(survivors(&spec.marker), [0; 0]);
    (finished, String::from_utf8(output).unwrap())
}

/// Runs and cancels as soon as `word` was printed.
async fn cancel_at(spec: &Spec, word: &str) -> (Finished, String) {
    let cancel = CancellationToken::new();
    let mut output = String::new();
    let mut sink = |bytes: &[u8]| {
        output.push_str(&String::from_utf8_lossy(bytes));
        if output.contains(word) {
            cancel.cancel();
        }
    };
    let finished = run(spec, &cancel, &mut sink).await.unwrap();
    assert_eq!(finished.survivors, [0; 0]);
    assert_eq!(survivors(&spec.marker), [0; 0]);
    (finished, output)
}

fn is_alive(id: i32) -> bool {
    fs::read_to_string(format!("/proc/{id}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

#[tokio::test]
async fn the_end_is_told_as_it_was() {
    let cases = [
        ("exit 0", End::Exited(0)),
        ("exit 3", End::Exited(3)),
        ("kill -9 $$", End::Signaled(9)),
        ("kill -TERM $$", End::Signaled(15)),
        ("exec >&- 2>&-; exit 4", End::Exited(4)),
        ("cat; exit 5", End::Exited(5)),
    ];
    for (body, end) in cases {
        let script = Script::new(&format!("#!/bin/sh\n{body}\n"));
        assert_eq!(script.run().await.0.end, end, "{body}");
    }
}

#[tokio::test]
async fn both_outputs_arrive_in_the_order_of_printing() {
    let script =
        Script::new("#!/bin/sh\nfor n in 1 2 3 4 5 6 7 8 9; do echo out$n; echo err$n >&2; done\n");
    let expected: String = (1..10).map(|n| format!("out{n}\nerr{n}\n")).collect();
    assert_eq!(script.run().await.1, expected);
}

#[tokio::test]
async fn a_forking_script_that_ignores_term_leaves_nothing_behind() {
    let mut script = Script::new(
        "#!/bin/sh
            trap '' TERM
            for n in 1 2 3; do
                sh -c 'trap \"\" TERM; sleep 1000 & while :; do sleep 1000; done' &
            done
            echo ready
            while :; do sleep 1000; done\n",
    );
    script.spec.grace = Duration::from_millis(50);
    let (finished, _) = cancel_at(&script.spec, "ready").await;
    assert_eq!(finished.end, End::Cancelled);
}

#[tokio::test]
async fn a_cancelled_script_may_clean_up() {
    let script = Script::new(
        "#!/bin/sh\ntrap 'echo clean; exit 0' TERM\necho ready\nwhile :; do sleep 0.01; done\n",
    );
    let (finished, output) = cancel_at(&script.spec, "ready").await;
    assert_eq!(finished.end, End::Cancelled);
    assert!(output.ends_with("clean\n"), "{output}");
}

#[tokio::test]
async fn a_stopped_process_is_ended_too() {
    let script = Script::new("#!/bin/sh\necho ready\nkill -STOP $$\n");
    assert_eq!(cancel_at(&script.spec, "ready").await.0.end, End::Cancelled);
}

#[tokio::test]
async fn time_that_is_up_ends_the_whole_group() {
    let mut script = Script::new("#!/bin/sh\nsleep 1000 &\nsleep 1000\n");
    script.spec.timeout = Duration::from_millis(100);
    let (finished, _) = script.run().await;
    assert_eq!(finished.end, End::TimedOut);
    assert!(finished.duration >= script.spec.timeout && finished.duration < LONG);
}

#[tokio::test]
async fn what_a_script_leaves_in_the_background_ends_with_it() {
    let script = Script::new(
            "#!/bin/sh
            sleep 1000 &
            mkfifo up
            setsid sh -c 'trap \"\" TERM; echo >up; while :; do sleep 1000; done' </dev/null >/dev/null 2>&1 &
            read line <up
            echo done\n",
        );
    let (finished, output) = script.run().await;
    assert_eq!((finished.end, output.as_str()), (End::Exited(0), "done\n"));
    assert_eq!(finished.survivors, [0; 0]);
}

#[tokio::test]
async fn a_stranger_that_holds_the_output_does_not_hang_the_run() {
    let script = Script::new(
        "#!/bin/sh
            mkfifo up
            env -i /usr/bin/setsid /bin/sh -c 'echo $$ >up; exec /bin/sleep 1000' &
            read id <up
            echo $id\n",
    );
    let (finished, output) = script.run().await;
    assert_eq!(finished.end, End::Exited(0));
    let stranger = output.trim().parse().unwrap();
    assert!(is_alive(stranger), "it has nothing that shows whose it is");
    kill(Pid::from_raw(stranger), Signal::SIGKILL).unwrap();
}

#[tokio::test]
async fn leftovers_of_a_dead_run_are_found_by_their_marker() {
    let marker = unique_marker();
    let mut left = std::process::Command::new("cat")
        .env(MARKER_VARIABLE, &marker)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // Its variables can be read once it runs, which is a moment after it was started.
    let (mut input, mut output) = (left.stdin.take().unwrap(), left.stdout.take().unwrap());
    std::io::Write::write_all(&mut input, b"!").unwrap();
    std::io::Read::read_exact(&mut output, &mut [0]).unwrap();
    assert_eq!(survivors(&marker), [left.id().cast_signed()]);
    assert_eq!(survivors(&marker[1..]), [0; 0]);
    assert_eq!(end_all(&marker, LONG).await, [0; 0]);
    assert_eq!(left.wait().unwrap().signal(), Some(15));
}

#[tokio::test]
async fn a_run_that_is_dropped_leaves_nothing_behind() {
    let script = Script::new(
        "#!/bin/sh\ntrap '' TERM\nsleep 1000 &\necho ready\nwhile :; do sleep 1000; done\n",
    );
    let (ready, is_ready) = tokio::sync::oneshot::channel();
    let mut ready = Some(ready);
    let mut sink = |_: &[u8]| {
        let _ = ready.take().map(|ready| ready.send(()));
    };
    let cancel = CancellationToken::new();
    tokio::select! {
        finished = run(&script.spec, &cancel, &mut sink) => panic!("{finished:?}"),
        _ = is_ready => {}
    }
    while !survivors(&script.spec.marker).is_empty() {
        tokio::task::yield_now().await;
    }
}

/// Cancels at its first bytes and is not done with them before every process is gone.
struct SlowSink<'a> {
    cancel: &'a CancellationToken,
    marker: &'a str,
    bytes: usize,
}

impl Sink for SlowSink<'_> {
    async fn write(&mut self, bytes: &[u8]) {
        self.cancel.cancel();
        while !survivors(self.marker).is_empty() {
            tokio::task::yield_now().await;
        }
        self.bytes += bytes.len();
    }
}

#[tokio::test]
async fn cancelling_does_not_wait_for_a_slow_sink() {
    let spec = spec(&["yes"]);
    let cancel = CancellationToken::new();
    let mut sink = SlowSink {
        cancel: &cancel,
        marker: &spec.marker,
        bytes: 0,
    };
    let finished = run(&spec, &cancel, &mut sink).await.unwrap();
    assert_eq!(finished.end, End::Cancelled);
    assert_eq!(finished.bytes, u64::try_from(sink.bytes).unwrap());
}

#[tokio::test]
async fn a_terminal_is_one_and_a_pipe_is_none() {
    let body = "#!/bin/sh\ntest -t 1 && test -t 2 && stty size <&1 && echo $TERM || echo pipe\n";
    let mut script = Script::new(body);
    assert_eq!(script.run().await.1, "pipe\n");
    script.spec.tty = true;
    let (finished, output) = script.run().await;
    assert_eq!(output, "24 80\r\nxterm-256color\r\n");
    assert_eq!(finished.end, End::Exited(0));
}

#[tokio::test]
async fn on_a_terminal_nothing_is_lost_or_left_behind_either() {
    let mut script = Script::new("#!/bin/sh\nsleep 1000 &\nseq 20000\nexit 7\n");
    script.spec.tty = true;
    let (finished, output) = script.run().await;
    assert_eq!(finished.end, End::Exited(7));
    let expected: String = (1..=20_000).map(|n| format!("{n}\r\n")).collect();
    assert!(output == expected, "{} bytes", output.len());

    let mut script =
        Script::new("#!/bin/sh\ntrap '' TERM HUP\necho ready\nwhile :; do sleep 1000; done\n");
    script.spec.tty = true;
    script.spec.grace = Duration::from_millis(50);
    assert_eq!(cancel_at(&script.spec, "ready").await.0.end, End::Cancelled);
}

#[tokio::test]
async fn the_environment_is_exactly_what_was_given() {
    let mut spec = spec(&["/usr/bin/env"]);
    spec.env = vec![
        ("B".to_owned(), "two words $HOME\nline".to_owned()),
        ("A".to_owned(), String::new()),
    ];
    let (_, output) = run_to_end(&spec).await;
    let marker = &spec.marker;
    assert_eq!(
        output,
        format!("A=\nB=two words $HOME\nline\n{MARKER_VARIABLE}={marker}\n")
    );
}

#[tokio::test]
async fn arguments_arrive_verbatim() {
    let words = [
        "two words",
        "\"q\" 'q'",
        "; id && `id` $(id) | $HOME",
        "a\nb",
        "",
        "*",
        "-x",
        "ё😀",
    ];
    let mut script = Script::new("#!/bin/sh\nfor word; do printf '<%s>' \"$word\"; done\n");
    script.spec.argv.extend(words.map(str::to_owned));
    let expected: String = words.iter().map(|word| format!("<{word}>")).collect();
    assert_eq!(script.run().await.1, expected);
}

#[tokio::test]
async fn what_cannot_start_says_why() {
    let script = Script::new("#!/no/such/interpreter\n");
    write_file(
        &script.folder.path().join("bare"),
        "echo no first line\n",
        0o755,
    );
    let folder = script.folder.path();
    write_file(&folder.join("plain"), "#!/bin/sh\n", 0o644);
    let in_folder = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let cases = [
        (
            vec!["no-such-program".to_owned()],
            "The program `no-such-program` was not found.",
        ),
        (vec![in_folder("gone")], "was not found."),
        (vec![String::new()], "The program `` was not found."),
        (vec![], "The program `` was not found."),
        (vec![in_folder("plain")], "may not be executed"),
        (vec![in_folder("script")], "has no interpreter here"),
        (vec!["/".to_owned()], "may not be executed"),
        (
            vec!["sh".to_owned(), "a\0b".to_owned()],
            "could not be started",
        ),
    ];
    for tty in [false, true] {
        for (argv, words) in &cases {
            let spec = Spec {
                argv: argv.clone(),
                tty,
                ..script.spec.clone()
            };
            let error = run(&spec, &CancellationToken::new(), &mut |_: &[u8]| ())
                .await
                .unwrap_err();
            assert!(error.to_string().contains(words), "{argv:?}: {error}");
        }
        let spec = Spec {
            cwd: folder.join("gone"),
            tty,
            ..spec(&["true"])
        };
        let error = run(&spec, &CancellationToken::new(), &mut |_: &[u8]| ())
            .await
            .unwrap_err();
        assert!(matches!(error, SpawnError::CwdMissing(_)), "{error}");
    }
}

#[tokio::test]
async fn a_script_without_a_first_line_says_so() {
    let script = Script::new("echo hello\n");
    let error = run(&script.spec, &CancellationToken::new(), &mut |_: &[u8]| ()).await;
    assert!(
        matches!(error, Err(SpawnError::BadInterpreter(_))),
        "{error:?}"
    );
}

#[tokio::test]
async fn much_output_flows_in_bounded_pieces() {
    let spec = spec(&["head", "-c", "200000000", "/dev/zero"]);
    let mut largest = 0;
    let mut sink = |bytes: &[u8]| largest = largest.max(bytes.len());
    let finished = run(&spec, &CancellationToken::new(), &mut sink)
        .await
        .unwrap();
    assert_eq!(
        (finished.bytes, finished.end),
        (200_000_000, End::Exited(0))
    );
    assert!(largest <= READ_BYTES);
}

#[tokio::test]
async fn a_run_may_be_a_task_and_cancelled_before_it_starts() {
    let spec = spec(&["sleep", "1000"]);
    let cancel = CancellationToken::new();
    cancel.cancel();
    let task = tokio::spawn(async move { run(&spec, &cancel, &mut |_: &[u8]| ()).await });
    let finished = task.await.unwrap().unwrap();
    assert_eq!(finished.end, End::Cancelled);
}

#[tokio::test]
async fn errors_go_apart_when_that_is_wanted() {
    let script =
        Script::new("#!/bin/sh\necho one; echo bad >&2; echo two; echo worse >&2; exit 3\n");
    let (mut output, mut errors) = (Vec::new(), Vec::new());
    let mut sink = |bytes: &[u8]| output.extend_from_slice(bytes);
    let mut apart = |bytes: &[u8]| errors.extend_from_slice(bytes);
    let never = CancellationToken::new();
    let finished = run_apart(&script.spec, &never, &mut sink, &mut apart)
        .await
        .unwrap();
    assert_eq!(finished.end, End::Exited(3));
    assert_eq!(String::from_utf8(output).unwrap(), "one\ntwo\n");
    assert_eq!(String::from_utf8(errors).unwrap(), "bad\nworse\n");
    assert_eq!(finished.bytes, 18);
}

#[tokio::test]
async fn a_flood_on_one_output_does_not_hold_the_other_back() {
    let script = Script::new("#!/bin/sh\nseq 1 300000 >&2; echo done\n");
    let mut output = Vec::new();
    let mut sink = |bytes: &[u8]| output.extend_from_slice(bytes);
    let never = CancellationToken::new();
    let finished = run_apart(&script.spec, &never, &mut sink, &mut |_: &[u8]| {})
        .await
        .unwrap();
    assert_eq!(finished.end, End::Exited(0));
    assert_eq!(output, b"done\n");
}
