//! Steps against real counterparts: a git server, web servers that err, services that fork or die, programs that wait.

use super::program;
use super::secrets::is_kept_nowhere;
use super::web::{Reply, Web};
use crate::harness::tools::{Gate, children, free_port, is_alive, lines, until};
use crate::harness::{ANN, BEN, OPS, World};
use crate::on_both;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// A git server on a free port; it ends with the test.
pub struct Served {
    child: Child,
    pub port: u16,
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn git(folder: &Path, args: &[&str]) {
    let done = Command::new("git")
        .args(["-c", "user.name=ann", "-c", "user.email=ann@example.com"])
        .args(args)
        .current_dir(folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    assert!(done.unwrap().success(), "git {args:?}");
}

/// Serves the repository `site` with these files.
pub async fn serve_git(world: &World, files: &[(&str, &str)]) -> Served {
    let base = world.path().join("git");
    let repo = base.join("site");
    fs::create_dir_all(&repo).unwrap();
    git(&repo, &["init", "-q", "-b", "main"]);
    for (name, text) in files {
        fs::write(repo.join(name), text).unwrap();
    }
    git(&repo, &["add", "."]);
    git(&repo, &["commit", "-q", "-m", "first"]);
    let port = free_port();
    // The program itself: `git daemon` would leave it behind when it is killed.
    let path = Command::new("git")
        .arg("--exec-path")
        .output()
        .unwrap()
        .stdout;
    let child = Command::new(format!(
        "{}/git-daemon",
        String::from_utf8(path).unwrap().trim()
    ))
    .args(["--export-all", "--reuseaddr", "--listen=127.0.0.1"])
    .arg(format!("--port={port}"))
    .arg(format!("--base-path={}", base.display()))
    .stderr(Stdio::null())
    .spawn()
    .unwrap();
    let served = Served { child, port };
    until("the git server", || {
        std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
    })
    .await;
    served
}

on_both! {
    /// Whoever wants a value that is not there is told what became of the step that was to find it.
    async fn a_value_that_is_not_there_says_why(world) {
        world.set(
            "workflows:
  left:
    notify: []
    steps:
      - {name: find, run: [echo, v1], capture: {v: 'v(.)'}, skip_if: ['true']}
      - {name: tell, notify: 'It is {{ steps.find.v }}'}
  broken:
    notify: []
    steps:
      - {name: find, run: [sh, -c, 'exit 3'], capture: {v: 'v(.)'}, on_failure: continue}
      - {name: use, run: [echo, '{{ steps.find.v }}']}\n",
        );
        world.start().await;
        world.say(BEN, "/workflow run left");
        world.sees(BEN, "failed at tell: steps.find.v has no value, since find was skipped").await;
        world.say(BEN, "/workflow run broken");
        world.sees(BEN, "failed at use: steps.find.v has no value, since find failed (exit 3)").await;
    }
}

on_both! {
    /// A repository is brought, worked in, and named by its commit; what is not there fails with git's own words.
    async fn a_repository_is_brought(world) {
        let served = serve_git(&world, &[("hello", "from the repository\n")]).await;
        world.set(&format!(
            "workflows:
  bring:
    notify: []
    steps:
      - {{name: clone, git: {{url: 'git://127.0.0.1:{0}/site', depth: 1, dir: repo}}}}
      - {{name: show, run: [cat, hello], cwd: repo}}
      - {{name: tell, notify: 'is at {{{{ steps.clone.commit }}}}'}}
      - {{name: gone, git: {{url: 'git://127.0.0.1:{0}/nothing', dir: other}}}}",
            served.port
        ));
        world.start().await;
        world.say(BEN, "/workflow run bring");
        let card = world.sees(BEN, "failed at gone").await;
        assert!(card.text.contains("✅ show"), "{}", card.text);
        let told = world.sees(BEN, "is at ").await;
        assert_eq!(told.text.len(), "is at ".len() + 40, "{}", told.text);
        let log = world.asks(BEN, BEN, "/workflow log 1 show").await;
        assert!(log.text.contains("from the repository"), "{}", log.text);
    }
}

on_both! {
    /// The address of a terminal that is written by the block: found whole, told to the asker alone, and taken back.
    async fn a_terminal_is_told_in_private_alone(world) {
        let secret = "https://sshx.example/s/AbC123#key,writekey99";
        // Into a pipe it would come only when the program ends.
        let fake = program(&world, "sshx.py", &format!("import time\nprint('  Link: ')\nprint('{secret}')\ntime.sleep(1000)\n"));
        let seen = world.path().join("seen");
        let check = program(&world, "check", &format!("echo \"$URL\" > {}; echo \"it is $URL\"; exit 3", seen.display()));
        world.set(&format!(
            "workflows:
  share:
    notify: []
    steps:
      - {{name: terminal, service: [python3, {fake}], capture: {{url: '(https://\\S+/s/\\S+)', within: 20s, secret: true}}}}
      - {{name: check, run: [sh, {check}], env: {{URL: '{{{{ steps.terminal.url }}}}'}}, on_failure: continue}}
      - {{name: hold, hold: 1h}}"
        ));
        world.start().await;
        world.say(BEN, "/whoami");
        world.sandbox.say(BEN, OPS, "/workflow run share");
        let told = world.sees(BEN, secret).await;
        world.sees(OPS, "⏳ hold").await;
        assert_eq!(lines(&seen), [secret]);
        assert_eq!((world.count(OPS, "writekey"), world.count(ANN, "writekey")), (0, 0));
        world.sandbox.say(BEN, OPS, "/workflow log 1 check");
        world.sees(OPS, "it is •••").await;
        world.say(BEN, "/workflow stop 1");
        world.sees(OPS, "stopped by ben").await;
        world.quiet().await;
        let gone = || world.sandbox.from_bot(BEN).iter().all(|message| message.id != told.id);
        until("the message to be deleted", gone).await;
        assert_eq!(world.count(OPS, "writekey"), 0);
        assert_eq!(children(&world), [0; 0]);
        is_kept_nowhere(&world, "writekey99");
    }
}

on_both! {
    /// A service that dies before it says what is looked for fails; one that dies later ends the hold that relies on it;
    /// what it forked goes with it.
    async fn services_die(world) {
        let mut gate = Gate::new(&world, "gate");
        let pid = world.path().join("pid");
        let early = program(&world, "early", "echo nothing; exit 4");
        let mute = program(&world, "mute", "echo nothing; sleep 1000");
        let left = program(&world, "left", "echo at 7; sleep 0.2");
        let later = program(&world, "later", &format!("setsid sleep 1000 & echo $! > {}; echo at 7; {}; exit 3", pid.display(), gate.wait()));
        let flow = |name: &str, serve: &str, within: &str| format!(
            "  {name}:
    notify: []
    steps:
      - {{name: serve, service: [sh, {serve}], capture: {{port: 'at (\\d+)', within: {within}}}}}
      - {{name: hold, hold: 1h}}
    always: [{{name: clean, run: [echo, clean]}}]\n"
        );
        let flows = [flow("early", &early, "30s"), flow("mute", &mute, "1s"), flow("left", &left, "30s"), flow("later", &later, "30s")];
        world.set(&format!("workflows:\n{}", flows.concat()));
        world.start().await;
        world.say(BEN, "/workflow run early");
        let card = world.sees(BEN, "failed at serve: exit 4").await;
        assert!(card.text.contains("▫️ hold") && card.text.contains("✅ clean"), "{}", card.text);
        world.say(BEN, "/workflow run mute");
        world.sees(BEN, "failed at serve: it did not print port").await;
        world.say(BEN, "/workflow run left");
        let card = world.sees(BEN, "failed at serve: it ended by itself, with exit 0").await;
        assert!(card.text.contains("✅ clean") && !card.text.contains("✅ serve"), "{}", card.text);
        world.say(BEN, "/workflow run later");
        world.sees(BEN, "⏳ hold").await;
        let forked: i32 = lines(&pid)[0].parse().unwrap();
        assert!(is_alive(forked));
        gate.open(1);
        let card = world.sees(BEN, "failed at serve: exit 3").await;
        assert!(card.text.contains("🚫 hold") && card.text.contains("✅ clean"), "{}", card.text);
        assert!(!is_alive(forked));
        assert_eq!(children(&world), [0; 0]);
    }
}

on_both! {
    /// Input is at its end at once; who waits all the same is told what it may be.
    async fn nobody_types(world) {
        world.set("workflows: {ask: {notify: [], steps: [{name: ask, run: [sh, -c, 'read -r x || echo none; sleep 1000'], timeout: 4s}]}}");
        world.start().await;
        world.say(BEN, "/workflow run ask");
        let card = world.sees(BEN, "timed out after 4 s; it gets no input, should it have asked for some").await;
        assert!(card.text.contains("none"), "{}", card.text);
    }
}

on_both! {
    /// Slow, wrong and limiting servers; and a value of theirs that is hostile stays one argument.
    async fn web_servers_err(world) {
        let hostile = "a  b\"c'$(touch pwned) {{ params.x }} ;* &";
        let asked = AtomicUsize::new(0);
        let web = Web::start(move |_, place| match place {
            "/slow" => Reply { after: Duration::from_secs(600), ..Reply::new(200, "late") },
            "/limited" if asked.fetch_add(1, Ordering::SeqCst) == 0 => {
                Reply { headers: "Retry-After: 1\r\n".to_owned(), ..Reply::new(429, "slower") }
            }
            "/json" => Reply::new(200, serde_json::json!({"a": [{"b": hostile}]}).to_string()),
            "/none" => Reply::new(200, "{\"a\": []}"),
            "/limited" => Reply::new(200, "fine"),
            _ => Reply::new(500, "oh no"),
        }).await;
        let args = world.path().join("args");
        let show = program(&world, "show", &format!("printf '%s\\n' $# \"$1\" \"$2\" > {}", args.display()));
        let url = &web.url;
        world.set(&format!(
            "workflows:
  ask:
    notify: []
    steps:
      - {{name: slow, http: {{url: '{url}/slow'}}, timeout: 1s, on_failure: continue}}
      - {{name: wrong, http: {{url: '{url}/wrong'}}, on_failure: continue}}
      - {{name: none, http: {{url: '{url}/none', json: {{value: /a/0/b}}}}, on_failure: continue}}
      - {{name: limited, http: {{url: '{url}/limited'}}, retry: {{times: 1, backoff: 1s}}}}
      - {{name: read, http: {{url: '{url}/json', json: {{value: /a/0/b}}}}}}
      - {{name: show, run: [sh, {show}, '{{{{ steps.read.value }}}}', '--x={{{{ steps.read.value }}}}']}}
      - {{name: tell, notify: 'read {{{{ steps.read.value }}}}'}}"
        ));
        world.start().await;
        world.say(BEN, "/workflow run ask");
        let card = world.sees(BEN, "completed with warnings").await;
        for words in ["⚠️ slow", "⚠️ wrong", "500", "⚠️ none", "✅ limited", "try 2", "✅ show"] {
            assert!(card.text.contains(words), "{words}: {}", card.text);
        }
        assert_eq!(lines(&args), ["2", hostile, &format!("--x={hostile}")]);
        world.sees(BEN, &format!("read {hostile}")).await;
        assert!(!world.path().join("pwned").exists());
    }
}
