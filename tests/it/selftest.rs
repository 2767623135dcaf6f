//! `/selftest` and `opsgram check`: each part tells how it is, whatever the others do.

use crate::harness::tools::{Gate, executable, free_port};
use crate::harness::wire::Wire;
use crate::harness::{ANN, BEN, Database, OPS, Outside, PATIENCE, UNWATCHED, World};
use crate::on_both;
use crate::workflows::web::{Reply, Web};
use opsgram::access::{Actor, Asked, Grant};
use opsgram::base::ids::{ChatId, Place, UserId};
use opsgram::base::role::Role;
use opsgram::sandbox::{Fault, FaultKind, Message, Standing};
use opsgram::selftest::{Part, Report, State};
use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Command, Output};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;
use tokio::sync::watch;

/// A Docker engine that answers as soon as it is let.
struct Engine {
    socket: PathBuf,
    asked: watch::Sender<bool>,
    answers: watch::Sender<bool>,
}

impl Engine {
    /// One that a check of the world asks.
    fn of(world: &mut World, answers: bool) -> Self {
        let socket = world.path().join("docker.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let engine = Self {
            socket,
            asked: watch::Sender::new(false),
            answers: watch::Sender::new(answers),
        };
        let (asked, answers) = (engine.asked.clone(), engine.answers.clone());
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (asked, mut let_go) = (asked.clone(), answers.subscribe());
                tokio::spawn(async move {
                    let mut head = vec![0; 4096];
                    let read = stream.read(&mut head).await.unwrap_or(0);
                    if !head[..read].starts_with(b"GET /version ") {
                        return;
                    }
                    asked.send_replace(true);
                    let_go.wait_for(|go| *go).await.unwrap();
                    let body = "{\"Version\": \"20.10.24\"}";
                    let length = body.len();
                    let answer =
                        format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}");
                    // Whoever waited for it may be gone.
                    let _ = stream.write_all(answer.as_bytes()).await;
                });
            }
        });
        // Looked at once an hour: what the check itself finds is no matter here.
        world.set(&format!(
            "checks:\n{UNWATCHED}  web: {{kind: docker, container: web, socket: '{}', every: 1h, for: 1h}}",
            engine.socket.display()
        ));
        engine
    }

    async fn is_asked(&self) {
        let mut asked = self.asked.subscribe();
        let asked = asked.wait_for(|asked| *asked);
        tokio::time::timeout(PATIENCE, asked)
            .await
            .unwrap()
            .unwrap();
    }

    fn answer(&self) {
        self.answers.send_replace(true);
    }
}

/// A `ssh` of the world, found before any other.
fn shell(world: &mut World) {
    let folder = world.path().join("bin");
    fs::create_dir(&folder).unwrap();
    let program = folder.join("ssh");
    executable(
        &program,
        "#!/bin/sh\necho 'OpenSSH_9.2p1 Debian-2, OpenSSL' >&2\n",
    );
    let path = std::env::var("PATH").unwrap();
    world.variable("PATH", &format!("{}:{path}", folder.display()));
}

/// A GitHub that knows this token, and a workflow that needs it.
async fn hub(world: &mut World, status: u16) -> Web {
    let web = Web::start(move |_, place| {
        assert_eq!(place, "/rate_limit");
        Reply::new(status, "{}")
    })
    .await;
    world.variable("GITHUB_TOKEN", "hunter22");
    world.set(&format!(
        "workflows: {{hub: {{steps: [{{name: build, github: {{repo: ann/site, workflow: keep.yml, api_url: '{}'}}}}]}}}}",
        web.url
    ));
    web
}

async fn result(world: &World, chat: i64) -> Message {
    world.sees(chat, "clock:").await
}

/// The line of a part.
fn line<'a>(message: &'a Message, part: &str) -> &'a str {
    let is_it = |line: &&str| line.contains(&format!(" {part}: "));
    let found = message.text.lines().find(is_it);
    found.unwrap_or_else(|| panic!("no {part} in\n{}", message.text))
}

fn says(message: &Message, part: &str, words: &str) {
    let line = line(message, part);
    assert!(line.contains(words), "“{words}” is not in “{line}”");
}

on_both! {
    /// One message becomes the result; the test message is gone, and a job ran from end to end.
    async fn everything_is_tried_and_told_in_one_message(world) {
        shell(&mut world);
        let engine = Engine::of(&mut world, true);
        let _hub = hub(&mut world, 200).await;
        let port = free_port();
        world.set(&format!("http: {{listen: '127.0.0.1:{port}'}}"));
        world.start().await;
        world.say(ANN, "/selftest");
        let told = result(&world, ANN).await;
        engine.is_asked().await;
        for (part, words) in [
            ("telegram", "✅ telegram: the token is @sandbox_bot's"),
            ("chat", "a message was sent, edited and removed"),
            ("database", "written and read back"),
            ("queue", "a job that does nothing ran as #1"),
            ("outbox", "nothing waits to be sent, none failed within a day"),
            ("data folder", "free"),
            ("configuration", "is in force, and has no fault"),
            ("clock", "✅"),
            ("pushes", &format!("✅ pushes: they can come, at 127.0.0.1:{port}")),
            ("docker", "the engine 20.10.24 answers"),
            ("ssh", "OpenSSH_9.2p1 Debian-2 is here; no hosts are configured"),
            ("github", "knows the token in GITHUB_TOKEN"),
        ] {
            says(&told, part, words);
        }
        assert!(told.text.contains("everything works."), "{}", told.text);
        world.quiet().await;
        let messages = world.sandbox.from_bot(ANN);
        assert_eq!(messages.len(), 1, "{messages:?}");
        let calls = world.sandbox.calls();
        let count = |method: &str| calls.iter().filter(|call| call.method == method).count();
        assert_eq!((count("sendMessage"), count("editMessageText")), (2, 2));
        assert_eq!(count("deleteMessage"), 1);
        assert_eq!(world.audited("selftest.run", "allowed").await.len(), 1);
        assert_eq!(world.jobs().await, 1);
        world.say(BEN, "/selftest");
        world.sees(BEN, "admin").await;
        assert_eq!(world.jobs().await, 1, "an operator tests nothing");
        world.polite();
    }
}

on_both! {
    /// What is broken is told with what to do, and the rest beside it; nothing waits for what hangs.
    async fn each_part_that_is_broken_tells_so(world) {
        let gate = Gate::new(&world, "gate");
        world.set("jobs: {workers: 1}");
        world.script("slow", &gate.wait(), &[]);
        let _engine = Engine::of(&mut world, false);
        let _hub = hub(&mut world, 401).await;
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        world.set(&format!("http: {{listen: '{address}'}}"));
        world.start().await;
        world.say(ANN, "/run slow");
        world.sees(ANN, "▶️ slow").await;
        let revoked = FaultKind::Refused(401, "Unauthorized");
        world.sandbox.fault(Fault::always(revoked).on("getMe"));
        let kept = FaultKind::Refused(400, "Bad Request: message can't be deleted");
        world.sandbox.fault(Fault::always(kept).on("deleteMessage"));
        let file = world.config_file();
        let text = fs::read_to_string(&file).unwrap();
        fs::write(&file, format!("{text}\nacess: {{}}\n")).unwrap();
        world.say(ANN, "/selftest");
        let told = result(&world, ANN).await;
        for (part, words) in [
            ("telegram", "❌ telegram: Telegram does not know this token"),
            ("chat", "⚠️ chat: I can write here, but not remove what I wrote"),
            ("database", "✅"),
            ("queue", "⚠️ queue: a job had no turn within 4 s: 1 run, 0 wait"),
            ("configuration", "is not in force, it has 1 fault"),
            ("pushes", &format!("❌ pushes: none can come: another program listens at {address}")),
            ("docker", "❌ docker: the Docker engine does not answer in time"),
            ("github", "❌ github: "),
        ] {
            says(&told, part, words);
        }
        for todo in ["@BotFather", "/jobs running", "/config check", "systemctl status docker", "GITHUB_TOKEN"] {
            assert!(told.text.contains(todo), "{todo} is not in\n{}", told.text);
        }
        assert!(!told.text.contains("hunter22"));
        assert_eq!(world.count(ANN, "selftest ·"), 0, "the job that waits is not told");
        world.sandbox.clear_faults();
    }
}

on_both! {
    /// Where nothing may be written, the asker is told in private, in the words of what to do there.
    async fn a_mute_group_is_told_in_private(world) {
        world.people(
            "access: {users: [{id: 111, name: ann, role: owner}], chats: [{id: -1001, name: ops, role: admin}]}\n",
        );
        world.sandbox.open_private(ANN);
        world.start().await;
        let mute = FaultKind::Refused(400, "Bad Request: not enough rights to send text messages to the chat");
        world.sandbox.fault(Fault::always(mute).on("sendMessage").in_chat(OPS));
        world.sandbox.say(ANN, OPS, "/selftest");
        let told = result(&world, ANN).await;
        says(&told, "chat", "❌ chat: I may not write here");
        assert!(told.text.contains("let me send messages in this group"));
        says(&told, "queue", "✅");
        assert!(world.sandbox.from_bot(OPS).is_empty());
        world.sandbox.clear_faults();
    }
}

on_both! {
    /// In a topic everything stays in the topic, the test message too.
    async fn a_topic_is_tried_itself(world) {
        const FORUM: i64 = -1_000_000_000_077;
        world.people(
            "access: {users: [{id: 111, name: ann, role: owner}], chats: [{id: -1000000000077, name: f, role: admin}]}\n",
        );
        world.sandbox.add_group(FORUM, "forum", true);
        world.sandbox.add_member(FORUM, ANN, Standing::Member);
        let topic = world.sandbox.add_topic(FORUM, "servers");
        world.start().await;
        let kept = FaultKind::Refused(400, "Bad Request: message can't be deleted");
        world.sandbox.fault(Fault::always(kept).on("deleteMessage"));
        world.sandbox.speak(ANN, FORUM).topic(topic).text("/selftest");
        let told = result(&world, FORUM).await;
        // The test message stays where it was written, to be looked at.
        says(&told, "chat", "⚠️");
        assert_eq!(told.thread, Some(topic));
        let messages = world.sandbox.from_bot(FORUM);
        assert!(messages.iter().any(|m| m.text.contains("A test message, changed")));
        assert!(messages.iter().all(|m| m.thread == Some(topic)), "{messages:?}");
        world.sandbox.clear_faults();
    }
}

on_both! {
    /// A crash in the middle: the same message becomes the result, of a test that was made again.
    async fn a_test_that_a_crash_cut_off_is_made_again(world) {
        let engine = Engine::of(&mut world, false);
        let bot = Outside::start(&world).await;
        world.say(ANN, "/selftest");
        let first = world.sees(ANN, "looking at everything").await;
        engine.is_asked().await;
        bot.kill().await;
        engine.answer();
        let bot = Outside::start(&world).await;
        let told = result(&world, ANN).await;
        assert_eq!(told.id, first.id);
        says(&told, "docker", "✅");
        says(&told, "queue", "✅");
        bot.kill().await;
    }
}

/// A decision of the running bot for Ann in private.
async fn granted(world: &World) -> Grant {
    let actor = Actor {
        id: UserId(ANN),
        name: "ann".to_owned(),
        place: Place {
            chat: ChatId(ANN),
            thread: None,
        },
        request_id: "test".to_owned(),
    };
    let asked = Asked::new("selftest.run", "", Role::Admin);
    world.services().access.allow(&actor, asked).await.unwrap()
}

fn part<'a>(report: &'a Report, name: &str) -> &'a Part {
    let found = report.parts.iter().find(|part| part.part == name);
    found.unwrap_or_else(|| panic!("no {name} in {report:?}"))
}

/// What needs the database tells that it does not answer; the rest answers.
fn the_database_is_gone(report: &Report) {
    for name in ["database", "queue"] {
        let found = part(report, name);
        assert_eq!(found.state, State::Fail, "{found:?}");
        assert_eq!(found.words, "no answer within 5 s");
        assert_eq!(found.todo.as_deref(), Some("see to the database"));
    }
    for name in ["telegram", "chat", "clock", "data folder"] {
        let found = part(report, name);
        assert_eq!(found.state, State::Ok, "{found:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_postgresql_that_is_cut_off_is_told() {
    let database = Database::postgres().await;
    let mut world = World::new(database).await;
    world.sandbox.open_private(ANN);
    let wire = Wire::to(&world.location()).await;
    world.variable("OPSGRAM_DATABASE", wire.url());
    world.start().await;
    let grant = granted(&world).await;
    let selftest = world.services().selftest.clone();
    wire.cut();
    let turn = selftest.begin().unwrap();
    assert!(selftest.begin().is_none(), "one at a time");
    let report = selftest.run(turn, &grant).await;
    wire.mend();
    the_database_is_gone(&report);
    assert_eq!(part(&report, "outbox").state, State::Fail);
    assert!(selftest.begin().is_some());
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_sqlite_that_cannot_be_written_is_told() {
    let mut world = World::new(Database::sqlite()).await;
    world.sandbox.open_private(ANN);
    let engine = Engine::of(&mut world, false);
    world.start().await;
    let grant = granted(&world).await;
    let services = world.services().clone();
    // The connection that writes is taken: so it is for whoever waits for a disk.
    let held = services.store.begin().await.unwrap();
    let turn = services.selftest.begin().unwrap();
    the_database_is_gone(&services.selftest.run(turn, &grant).await);
    drop(held);
    // Through the chat: it goes away before the result can be written down, which is told all the same.
    engine.asked.send_replace(false);
    world.say(ANN, "/selftest");
    engine.is_asked().await;
    let held = services.store.begin().await.unwrap();
    engine.answer();
    let told = result(&world, ANN).await;
    says(&told, "docker", "✅");
    drop(held);
    world.quiet().await;
    world.finish().await;
}

#[tokio::test]
async fn the_check_on_the_command_line_tries_the_same() {
    let mut world = World::new(Database::sqlite()).await;
    world.sandbox.open_private(ANN);
    shell(&mut world);
    let engine = Engine::of(&mut world, true);
    let _hub = hub(&mut world, 200).await;
    let file = world.config_file();
    let environment = world.environment();
    let check = |to: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_opsgram"));
        command.args(["check", "--config"]).arg(&file);
        command.args(["--send-to", to]).env_clear();
        command.envs(environment.iter().cloned());
        tokio::task::spawn_blocking(move || command.output().unwrap())
    };
    let told = |output: Output| String::from_utf8(output.stdout).unwrap();
    let good = told(check("111").await.unwrap());
    for words in [
        "ok   chat · a message was sent, edited and removed",
        "ok   docker · the engine 20.10.24 answers",
        "ok   ssh · OpenSSH_9.2p1 Debian-2 is here; no hosts are configured",
        "ok   github · ",
    ] {
        assert!(good.contains(words), "{words} is not in\n{good}");
    }
    assert!(world.sandbox.from_bot(ANN).is_empty());
    engine.is_asked().await;
    let nobody = check("-100777").await.unwrap();
    assert_eq!(nobody.status.code(), Some(1));
    let nobody = told(nobody);
    assert!(
        nobody.contains("FAIL chat · I may not write here"),
        "{nobody}"
    );
    let wrong = check("ann").await.unwrap();
    assert_eq!(wrong.status.code(), Some(2));
    world.finish().await;
}
