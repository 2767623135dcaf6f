//! A file that somebody sends becomes the argument of a script: whole, checked, in a folder of its job.

use crate::harness::tools::{Gate, until};
use crate::harness::{ANN, BEN, CLEO, OPS, Outside, PATIENCE, STRANGER, World};
use crate::on_both;
use opsgram::sandbox::{Fault, FaultKind, View};
use serde_json::json;
use std::fs;
use std::time::Duration;

/// A script that shows what it got: the argument, who may read the file, and what is in it.
const SHOW: &str = "echo \"arg ${1#\"$OPSGRAM_IN\"}\"; stat -c %a \"$1\"; cat -- \"$1\"";
const TAKES_SQL: [&str; 1] =
    ["args: [{name: dump, type: file, accept: [.sql, .gz], max_size: 3MB}]"];

fn restore(world: &mut World) {
    world.script("restore", SHOW, &TAKES_SQL);
}

/// The identifier of the file in the newest message of a person in their chat.
fn file_id(world: &World, chat: i64) -> String {
    let messages = world.sandbox.messages(chat);
    let found = messages
        .iter()
        .rev()
        .find_map(|message| message.document.clone());
    found.unwrap().file_id.clone()
}

/// Waits until the bot asked for a file so often.
async fn asked_for(world: &World, method: &'static str, times: usize) {
    let asked = |view: &View<'_>| {
        (view.calls().filter(|call| call.method == method).count() >= times).then_some(())
    };
    world
        .sandbox
        .wait(PATIENCE, "the bot to ask for the file", asked)
        .await
        .unwrap();
}

on_both! {
    /// As the caption of the file, as a reply to it, for a photo, in a group: the file is the argument.
    async fn a_file_is_an_argument(world) {
        restore(&mut world);
        world.script("look", SHOW, &["args: [{name: picture, type: file, accept: ['image/*']}]"]);
        world.script("both", "printf '%s ' \"${@##*/}\"", &["args: [{name: how, choices: [fast, slow]}, {name: what, type: file}, {name: more, optional: true}]"]);
        world.start().await;
        world.sandbox.send_file(ANN, ANN, "backup.sql", "select 1;", "/run restore");
        let card = world.sees(ANN, "exit 0").await;
        assert!(card.text.contains("arg /backup.sql\n600\nselect 1;"), "{}", card.text);
        let sent = world.sandbox.send_file(BEN, OPS, "evil/../../x.sql", "select 2;", "/run@sandbox_bot restore");
        let card = world.sees(OPS, "select 2;").await;
        assert!(card.text.contains("arg /evil_.._.._x.sql\n600"), "{}", card.text);
        assert_eq!(card.reply_to, Some(sent.message_id));
        let file = world.sandbox.send_file(CLEO, OPS, "-rf.sql", "select 3;", "");
        world.sandbox.speak(BEN, OPS).reply_to(file.message_id).text("/run restore");
        let card = world.sees(OPS, "select 3;").await;
        assert!(card.text.contains("arg /-rf.sql"), "{}", card.text);
        world.sandbox.speak(ANN, ANN).photo(&b"\xff\xd8\xff\xe0 a picture"[..], "/run look");
        let card = world.sees(ANN, "a picture").await;
        assert!(card.text.contains("arg /photo-"), "{}", card.text);
        world.sandbox.send_file(ANN, ANN, "x y.txt", "z", "/run both slow more=three");
        world.sees(ANN, "slow x y.txt three").await;
        world.quiet().await;
        assert_eq!(fs::read_dir(world.path().join("data/work")).unwrap().count(), 0, "nothing stays");
        let audited = world.audited("script.run", "allowed").await;
        assert!(audited[0].arguments.contains("backup.sql (9 B)"), "{}", audited[0].arguments);
        world.polite();
    }
}

on_both! {
    /// What is wrong with a file is told before anything is fetched; a path on the server cannot be named.
    async fn a_wrong_file_is_refused_in_words(world) {
        restore(&mut world);
        world.script("hello", "echo hi there", &[]);
        world.start().await;
        let refused = async |name: &str, size: usize, caption: &str| {
            let sent = world.sandbox.send_file(ANN, ANN, name, vec![b'x'; size], caption);
            world.after(ANN, sent.message_id).await.text
        };
        let text = refused("notes.txt", 9, "/run restore").await;
        assert_eq!(text, "restore: Only .sql, .gz are taken; notes.txt is none of these.");
        let text = refused("b.sql", 3_100_000, "/run restore").await;
        assert_eq!(text, "restore: The file has 3.1 MB, and at most 3 MB are taken.");
        let text = refused("b.sql", 21 << 20, "/run restore").await;
        assert!(text.contains("Telegram hands bots files of up to"), "{text}");
        let text = refused("b.sql", 9, "/run hello").await;
        assert_eq!(text, "hello takes no file. Send the command alone to run it.");
        for typed in ["/run restore dump=/etc/shadow", "/run restore /etc/shadow", "/run restore"] {
            let text = world.asks(ANN, ANN, typed).await.text;
            assert!(!text.contains("exit"), "{typed}: {text}");
        }
        world.quiet().await;
        assert_eq!(world.jobs().await, 0);
        assert!(!world.sandbox.calls().iter().any(|call| call.method == "getFile"));
        // A command may answer a message for other reasons than the file in it.
        let file = world.sandbox.send_file(ANN, ANN, "b.sql", "x", "a note");
        world.sandbox.speak(ANN, ANN).reply_to(file.message_id).text("/run hello");
        world.sees(ANN, "hi there").await;
        world.sandbox.send_file(ANN, ANN, "b.gz", "no gzip at all", "/run restore");
        world.sees(ANN, "b.gz is no gzip archive, whatever its name says.").await;
        world.quiet().await;
        world.sandbox.send_file(CLEO, CLEO, "b.sql", "x", "/run restore");
        world.sees(CLEO, "operator").await;
        world.polite();
    }
}

on_both! {
    /// 404, half a file, a file that is shorter than announced, 502, a dropped connection: it comes whole, or not at all.
    async fn a_download_in_trouble_comes_whole_or_is_told(world) {
        restore(&mut world);
        world.start().await;
        for kind in [FaultKind::Half, FaultKind::Shorter, FaultKind::ServerError(502), FaultKind::DropBefore, FaultKind::Missing] {
            world.sandbox.fault(Fault::once(kind).on("download"));
            let sent = world.sandbox.send_file(ANN, ANN, "b.sql", "0123456789", "/run restore");
            let ended = |view: &View<'_>| {
                let mut answers = view.from_bot(ANN).filter(|m| m.reply_to == Some(sent.message_id));
                answers.find(|m| m.text.contains("exit 0")).cloned()
            };
            let card = world.sandbox.wait(PATIENCE, "the job to end", ended).await.unwrap();
            assert!(card.text.ends_with("\n0123456789"), "{kind:?}: {}", card.text);
        }
        world.sandbox.fault(Fault::once(FaultKind::TooManyRequests(1)).on("getFile"));
        world.sandbox.send_file(BEN, BEN, "b.sql", "abc", "/run restore");
        world.sees(BEN, "exit 0").await;
        world.sandbox.send_file(BEN, BEN, "old.sql", "abc", "");
        let forgotten = file_id(&world, BEN);
        world.sees(BEN, "Which script is to get old.sql (3 B)?").await;
        world.sandbox.forget_file(&forgotten);
        world.press(BEN, BEN, "restore ← old.sql");
        let told = world.sees(BEN, "Telegram no longer has the file old.sql: send it again.").await;
        assert!(told.text.contains("failed"), "{}", told.text);
        for message in world.sandbox.messages(BEN).iter().chain(&world.sandbox.messages(ANN)) {
            assert!(!message.text.contains(world.sandbox.token()), "{}", message.text);
        }
        world.polite();
    }
}

on_both! {
    /// While it is fetched, the card says so, other commands are answered, and Cancel ends it.
    async fn fetching_is_shown_and_can_be_cancelled(world) {
        restore(&mut world);
        world.script("hello", "echo hello there", &[]);
        world.start().await;
        world.sandbox.fault(Fault::always(FaultKind::ServerError(503)).on("download"));
        world.sandbox.send_file(ANN, ANN, "b.sql", vec![b'x'; 1200], "/run restore");
        world.sees(ANN, "fetching b.sql (1.2 kB)").await;
        world.say(ANN, "/run hello");
        world.sees(ANN, "hello there").await;
        world.press(ANN, ANN, "Cancel");
        world.sees(ANN, "cancelled by ann").await;
        world.sandbox.clear_faults();
        world.quiet().await;
        // Run again fetches the same file again.
        let card = world.sees(ANN, "cancelled by ann").await;
        world.presses(ANN, &card, "Run again").await;
        world.sees(ANN, "xxxxxxxx").await;
        world.say(ANN, "/retry 3");
        world.quiet().await;
        assert_eq!(world.count(ANN, "xxxxxxxx"), 2);
        world.polite();
    }
}

on_both! {
    /// A script that asks first shows the file and gets it when it is confirmed; killed meanwhile, it is told or runs again.
    async fn a_file_survives_a_question_and_a_kill(world) {
        let gate = Gate::new(&world, "gate");
        world.script("restore", &format!("{}; {SHOW}", gate.wait()), &["args: [{name: dump, type: file}]", "confirm: true", "on_crash: retry"]);
        let mut gate = gate;
        let bot = Outside::start(&world).await;
        world.sandbox.send_file(ANN, ANN, "b.sql", "select 1;", "/run restore");
        let asked = world.sees(ANN, "This is what will be executed:").await;
        assert!(asked.text.contains("'$OPSGRAM_IN/b.sql'"), "{}", asked.text);
        world.press(ANN, ANN, "Run");
        asked_for(&world, "download", 1).await;
        world.sees(ANN, "▶️ restore").await;
        let stored = world.path().join("data/work/1/in/b.sql");
        until("the file to be there", || fs::read(&stored).is_ok_and(|bytes| bytes.len() == 9)).await;
        bot.kill().await;
        world.start().await;
        asked_for(&world, "download", 2).await;
        gate.open(2);
        world.sees(ANN, "arg /b.sql\n600\nselect 1;").await;
        world.quiet().await;
        until("the folder to be gone", || !world.path().join("data/work/1").exists()).await;
    }
}

on_both! {
    /// A file without a command: who may run what takes it is asked which; buttons are of the asker alone.
    async fn a_file_alone_is_offered_to_scripts(world) {
        world.script("hello", "echo hello", &[]);
        world.start().await;
        let sent = world.sandbox.send_file(ANN, ANN, "b.sql", "x", "");
        assert_eq!(world.after(ANN, sent.message_id).await.text, "No script of yours takes a file. /run shows what there is.");
        world.stop().await;
        restore(&mut world);
        world.script("count", "wc -c < \"$1\"", &["args: [{name: what, type: file}]", "role: viewer"]);
        world.start().await;
        let sent = world.sandbox.send_file(BEN, BEN, "b.sql", "12345", "here it is");
        let asked = world.after(BEN, sent.message_id).await;
        let labels: Vec<_> = asked.all_buttons().map(|button| button.text.clone()).collect();
        assert_eq!(labels, ["count ← b.sql", "restore ← b.sql"]);
        let data = asked.button("restore ← b.sql").unwrap().data.clone().unwrap();
        world.sandbox.open_private(CLEO);
        world.forges(CLEO, CLEO, &data).await;
        world.sees(CLEO, "This button no longer stands for anything.").await;
        let other = world.sandbox.press_forged(ANN, BEN, asked.id, &data);
        world.answer(&other).await;
        world.sees(BEN, "Only ben can answer this.").await;
        world.presses(BEN, &asked, "restore ← b.sql").await;
        world.sees(BEN, "arg /b.sql").await;
        world.presses(BEN, &asked, "restore ← b.sql").await;
        world.quiet().await;
        assert_eq!(world.jobs().await, 1, "a double press runs it once");
        for data in ["f:x", "f::", "f:nothing:restore", "yes:nothing"] {
            world.forges(BEN, BEN, data).await;
        }
        let sent = world.sandbox.send_file(CLEO, CLEO, "b.sql", "12345", "");
        let asked = world.after(CLEO, sent.message_id).await;
        assert!(asked.button("restore ← b.sql").is_none(), "a viewer may not run it");
        let forwarded = world.sandbox.speak(CLEO, CLEO).forwarded_from(BEN).file("f.sql", "1", "/run count");
        let told = world.after(CLEO, forwarded.message_id).await;
        assert!(told.text.contains("I do not carry out forwarded messages"), "{}", told.text);
        let forwarded = world.sandbox.speak(CLEO, CLEO).forwarded_from(BEN).file("f.sql", "1", "");
        let asked = world.after(CLEO, forwarded.message_id).await;
        world.presses(CLEO, &asked, "count ← f.sql").await;
        world.sees(CLEO, "exit 0").await;
        let sent = world.sandbox.send_file(BEN, BEN, "big.sql", vec![0; 21 << 20], "");
        assert!(world.after(BEN, sent.message_id).await.text.contains("is too large"));
        let before = world.sandbox.from_bot(OPS).len();
        world.sandbox.send_file(BEN, OPS, "b.sql", "12345", "");
        world.sandbox.send_file(STRANGER, STRANGER, "b.sql", "12345", "/run count");
        world.quiet().await;
        assert_eq!(world.sandbox.from_bot(OPS).len(), before, "files in a group are not for the bot");
        assert!(world.sandbox.from_bot(STRANGER).iter().all(|m| m.buttons.is_empty()));
        world.polite();
    }
}

on_both! {
    /// Of an album each message counts by itself, and its pieces without a command get one line together.
    async fn an_album_and_other_things_get_one_calm_line(world) {
        restore(&mut world);
        world.start().await;
        let piece = |name: &str, caption: &str| {
            world.sandbox.speak(ANN, ANN).album("a1").file(name, format!("from {name}"), caption);
        };
        piece("1.sql", "/run restore");
        for name in ["2.sql", "3.sql", "4.sql"] {
            piece(name, "");
        }
        world.sees(ANN, "from 1.sql").await;
        world.sees(ANN, "each job takes one").await;
        world.quiet().await;
        assert_eq!(world.count(ANN, "each job takes one"), 1);
        assert_eq!(world.jobs().await, 1);
        let point = json!({"latitude": 1.0, "longitude": 2.0});
        let sent = world.sandbox.speak(ANN, ANN).other("location", point.clone());
        let told = world.after(ANN, sent.message_id).await;
        assert!(told.text.starts_with("I cannot do anything with a location."), "{}", told.text);
        let voice = json!({"file_id": "v", "file_unique_id": "u", "duration": 3, "file_size": 9, "mime_type": "audio/ogg"});
        let sent = world.sandbox.speak(ANN, ANN).other("voice", voice);
        let told = world.after(ANN, sent.message_id).await;
        assert!(told.text.contains("a voice message"), "{}", told.text);
        world.sandbox.speak(STRANGER, STRANGER).other("location", point);
        world.quiet().await;
        assert!(!world.sandbox.from_bot(STRANGER).iter().any(|m| m.text.contains("location")));
    }
}

on_both! {
    /// A command with a file that came while the bot was away is offered, and still has its file.
    async fn a_late_file_is_offered(world) {
        restore(&mut world);
        world.start().await;
        let long_ago = opsgram::base::time::Millis::now().minus(Duration::from_secs(3 * 3600));
        world.sandbox.speak(ANN, ANN).at(long_ago.0 / 1000).file("b.sql", "select 9;", "/run restore");
        world.sees(ANN, "while I was away").await;
        world.press(ANN, ANN, "Run now");
        world.sees(ANN, "select 9;").await;
    }
}

const ASKS: [&str; 1] = [
    "args: [{name: how, choices: [fast, slow]}, {name: dump, type: file, accept: [.sql]}, {name: more, optional: true}]",
];

on_both! {
    /// A missing file is asked for like any other argument, and a file that is there first is kept while the rest is asked.
    async fn a_file_is_asked_for(world) {
        world.script("load", "printf '%s ' \"${@##*/}\"; cat \"$2\"", &ASKS);
        world.start().await;
        world.say(ANN, "/run load slow");
        let prompt = world.sees(ANN, "Reply to this message with the file").await;
        assert!(prompt.force_reply);
        let question = world.sees(ANN, "A file (.sql) of up to").await;
        let answers = async |name: &str| {
            let sent = world.sandbox.speak(ANN, ANN).reply_to(prompt.id).file(name, "select 1;", "");
            world.after(ANN, sent.message_id).await
        };
        let told = answers("b.txt").await;
        assert!(told.text.contains("Only .sql are taken; b.txt is none of these."), "{}", told.text);
        let typed = world.asks(ANN, ANN, "/etc/passwd.sql").await;
        assert!(!typed.text.contains("exit"), "{}", typed.text);
        let typed = world.asks(ANN, ANN, "etc").await;
        assert!(typed.text.contains("dump is a file: send the file itself."), "{}", typed.text);
        answers("b.sql").await;
        let question = world.sandbox.look(|view| view.message(ANN, question.id).cloned()).unwrap();
        assert!(question.text.contains("dump: b.sql"), "{}", question.text);
        world.presses(ANN, &question, "‹ Back").await;
        world.sees(ANN, "A file (.sql) of up to").await;
        world.sandbox.send_file(ANN, ANN, "c.sql", "select 2;", "");
        let question = world.sees(ANN, "dump: c.sql").await;
        world.presses(ANN, &question, "Skip").await;
        world.sees(ANN, "slow c.sql select 2;").await;
        world.quiet().await;
        // By the button under a file: the file is kept, the rest is asked for.
        world.sandbox.send_file(BEN, BEN, "d.sql", "select 3;", "");
        world.sees(BEN, "Which script is to get d.sql").await;
        world.press(BEN, BEN, "load ← d.sql");
        world.sees(BEN, "how").await;
        world.press(BEN, BEN, "fast");
        let question = world.sees(BEN, "more?").await;
        assert!(question.text.contains("dump: d.sql"), "{}", question.text);
        world.presses(BEN, &question, "Skip").await;
        world.sees(BEN, "fast d.sql select 3;").await;
        world.quiet().await;
        assert_eq!(world.jobs().await, 2);
        world.polite();
    }
}
