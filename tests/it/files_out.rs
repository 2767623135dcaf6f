//! What a script leaves in `$OPSGRAM_OUT` comes to the chat: bounded, whole, and nothing else.

use crate::harness::tools::{Gate, until};
use crate::harness::{ANN, BEN, Outside, PATIENCE, World};
use crate::on_both;
use opsgram::base::ids::ChatId;
use opsgram::base::time::Millis;
use opsgram::sandbox::{Fault, FaultKind, Forbidden, Message};
use opsgram::store::waiting;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

/// A whole PNG of one black pixel, as `printf` prints it.
const PIXEL: &str = r"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\0\0\0\0\x3a\x7e\x9b\x55\0\0\0\x0aIDAT\x78\x9c\x63\x60\0\0\0\x02\0\x01\x48\xaf\xa4\x71\0\0\0\0IEND\xae\x42\x60\x82";

/// The files that the bot sent into the chat, oldest first.
fn sent(world: &World, chat: i64) -> Vec<Message> {
    let mut messages = world.sandbox.from_bot(chat);
    messages.retain(|message| message.document.is_some());
    messages
}

/// Their names, with a mark for photos.
fn names(world: &World, chat: i64) -> Vec<String> {
    let name = |message: &Message| {
        let document = message.document.as_ref().unwrap();
        let mark = if document.photo { "photo:" } else { "" };
        format!("{mark}{}", document.name)
    };
    sent(world, chat).iter().map(name).collect()
}

/// The folder of the first job.
fn folder(world: &World) -> PathBuf {
    world.path().join("data/work/1")
}

on_both! {
    /// A report with a picture: by name, with its bytes, as answers to the command; and nothing stays on the disk.
    async fn files_follow_the_ending(world) {
        let body = format!(
            "stat -c %a \"$OPSGRAM_OUT\"; cd \"$OPSGRAM_OUT\"; printf '{PIXEL}' > chart; echo b > table.csv; echo secret-4711 > plan-secret-4711.txt"
        );
        world.script("report", &body, &["secrets: [KEY]"]);
        world.variable("KEY", "secret-4711");
        world.start().await;
        let asked = world.say(ANN, "/run report");
        world.quiet().await;
        assert_eq!(names(&world, ANN), ["photo:chart", "plan-•••.txt", "table.csv"]);
        let card = world.sees(ANN, "exit 0").await;
        assert!(card.text.contains("700"), "the folder is private: {}", card.text);
        for message in sent(&world, ANN) {
            assert_eq!(message.reply_to, Some(asked.message_id));
            assert!(message.id > card.id, "the ending comes first");
            assert!(message.text.starts_with("report · #1 · "), "{}", message.text);
        }
        let table = sent(&world, ANN).pop().unwrap().document.unwrap();
        assert_eq!(&table.bytes[..], b"b\n");
        // The bytes go as they are; what is masked is what the bot itself says.
        assert!(sent(&world, ANN)[1].document.as_ref().unwrap().bytes.starts_with(b"secret-4711"));
        until("the folder to be gone", || !folder(&world).exists()).await;
        world.polite();
    }
}

on_both! {
    /// Each way in which a file can be none, and a name can be more than a name.
    async fn hostile_leavings_are_told_and_leak_nothing(world) {
        let secret = world.path().join("outside");
        fs::write(&secret, "do not leak").unwrap();
        let body = format!(
            "cd \"$OPSGRAM_OUT\"
             ln -s {secret} link; ln -s {folder} linked-folder; mkfifo pipe; mkdir folder; echo x > folder/inside
             : > empty; truncate -s 51M sparse; echo dash > -rf; echo line > $'two\\nlines'
             echo long > $(printf 'n%.0s' {{1..255}}); echo fake > fake.png; exit 3",
            secret = secret.display(),
            folder = world.path().display(),
        );
        world.script("hostile", &body, &[]);
        world.start().await;
        world.say(ANN, "/run hostile");
        world.quiet().await;
        let long = "n".repeat(200);
        assert_eq!(names(&world, ANN), ["-rf", "fake.png", long.as_str(), "two_lines"]);
        for message in sent(&world, ANN) {
            assert!(!message.document.unwrap().bytes.starts_with(b"do not"));
        }
        let told = world.sees(ANN, "6 more files were left on the server:").await;
        for line in ["empty (empty)", "folder (a folder)", "link (a link)", "linked-folder (a link)",
            "pipe (no regular file)", "sparse (53 MB, Telegram takes 50 MB)"] {
            assert!(told.text.lines().any(|told| told == line), "{line}: {}", told.text);
        }
        let kept = folder(&world).join("out");
        assert!(told.text.ends_with(&format!("Kept with the job in {}", kept.display())), "{}", told.text);
        assert!(kept.join("sparse").exists(), "what was said to be left is left");
        assert!(secret.exists());
        world.sees(ANN, "exit 3").await;
        world.polite();
    }
}

on_both! {
    /// Too many, too much together, and a script that is set to be silent: files are wanted, so they come.
    async fn files_are_bounded(world) {
        world.script("many", "cd \"$OPSGRAM_OUT\"; for n in $(seq -w 11); do echo $n > f$n; done", &["output: silent"]);
        world.script("much", "cd \"$OPSGRAM_OUT\"; head -c 3000 /dev/zero > a; head -c 3000 /dev/zero > b; echo c > c", &[]);
        world.set("jobs: {max_files_size: 4kB}");
        world.start().await;
        world.say(ANN, "/run many");
        world.sees(ANN, "1 more file was left on the server:\nf11 (one too many)").await;
        world.quiet().await;
        assert_eq!(sent(&world, ANN).len(), 10);
        assert_eq!(world.count(ANN, "exit 0"), 0, "a silent success is told by its files alone");
        world.say(BEN, "/run much");
        world.sees(BEN, "b (3 kB, too much together)").await;
        assert_eq!(names(&world, BEN), ["a", "c"]);
    }
}

on_both! {
    /// Whatever the ending is, what is there is sent; of a crash, nothing half-written is.
    async fn every_ending_brings_what_is_there(world) {
        let mut gate = Gate::new(&world, "gate");
        let leave = "echo half > \"$OPSGRAM_OUT/half.txt\"";
        world.script("hangs", &format!("{leave}; echo there; exec sleep 600"), &[]);
        // Long enough for its first line also where many tests run at once: its time runs from the start of the program.
        world.script("slow", &format!("{leave}; exec sleep 600"), &["timeout: 4s"]);
        world.script("waits", &format!("{leave}; echo at the gate; {}", gate.wait()), &[]);
        world.start().await;
        world.say(ANN, "/run hangs");
        world.sees(ANN, "there").await;
        world.press(ANN, ANN, "Cancel");
        world.sees(ANN, "cancelled by ann").await;
        world.say(BEN, "/run slow");
        world.sees(BEN, "timed out").await;
        world.quiet().await;
        assert_eq!((names(&world, ANN), names(&world, BEN)), (vec!["half.txt".into()], vec!["half.txt".into()]));
        world.stop().await;
        let bot = Outside::start(&world).await;
        world.say(ANN, "/run waits");
        world.sees(ANN, "at the gate").await;
        bot.kill().await;
        gate.open(1);
        world.start().await;
        world.sees(ANN, "💥 waits").await;
        world.quiet().await;
        assert_eq!(sent(&world, ANN).len(), 1, "a lost job sends no files");
        assert!(!world.path().join("data/work/3").exists());
    }
}

on_both! {
    /// Killed after the ending is written and before the files are sent: they come after the next start, once.
    async fn promised_files_survive_a_kill(world) {
        let body = format!("cd \"$OPSGRAM_OUT\"; printf '{PIXEL}' > a.png; echo b > b.txt");
        world.script("report", &body, &[]);
        world.sandbox.fault(Fault::always(FaultKind::DropBefore).on("sendPhoto").on("sendDocument"));
        let bot = Outside::start(&world).await;
        world.say(ANN, "/run report");
        let tried = |view: &opsgram::sandbox::View<'_>| {
            view.calls().any(|call| call.method == "sendPhoto").then_some(())
        };
        world.sandbox.wait(PATIENCE, "a try to send", tried).await.unwrap();
        bot.kill().await;
        world.sandbox.clear_faults();
        assert!(folder(&world).join("send/2").exists());
        world.start().await;
        world.quiet().await;
        assert_eq!(names(&world, ANN), ["photo:a.png", "b.txt"]);
        until("the folder to be gone", || !folder(&world).exists()).await;
    }
}

on_both! {
    /// 429 is waited for; what Telegram does not take as a picture goes as a file; what it does not take at all is told.
    async fn trouble_with_a_file_ends_in_the_file_or_in_words(world) {
        world.script("broken", "printf '\\x89PNG\\r\\n\\x1a\\n\\0\\0\\0\\rIHDR\\0\\0\\0\\x09\\0\\0\\0\\x09' > \"$OPSGRAM_OUT/broken.png\"", &[]);
        world.script("good", &format!("printf '{PIXEL}' > \"$OPSGRAM_OUT/good.png\""), &[]);
        world.script("choked", "echo x > \"$OPSGRAM_OUT/x.txt\"", &[]);
        world.start().await;
        world.say(ANN, "/run broken");
        world.quiet().await;
        assert_eq!(names(&world, ANN), ["broken.png"], "as a file, since it is no picture");
        world.sandbox.fault(Fault::once(FaultKind::TooManyRequests(1)).on("sendPhoto"));
        world.say(BEN, "/run good");
        world.quiet().await;
        assert_eq!(names(&world, BEN), ["photo:good.png"]);
        world.sandbox.fault(Fault::always(FaultKind::Garbage).on("sendDocument"));
        world.say(ANN, "/run choked");
        let told = world.sees(ANN, "The file x.txt could not be sent. The server keeps it.").await;
        assert!(told.document.is_none());
        world.sandbox.clear_faults();
        world.quiet().await;
        let kept = world.path().join("data/work/3/out/x.txt");
        until("the file to be kept", || kept.exists()).await;
    }
}

on_both! {
    /// Files that vanish before they are sent are told; those for a chat that is gone are kept until somebody tries again.
    async fn what_vanished_is_told_and_what_failed_is_tried_again(world) {
        world.script("report", "echo a > \"$OPSGRAM_OUT/a.txt\"; echo b > \"$OPSGRAM_OUT/b.txt\"", &[]);
        world.sandbox.fault(Fault::always(FaultKind::ServerError(502)).on("sendDocument"));
        world.start().await;
        world.say(ANN, "/run report");
        let tried = |view: &opsgram::sandbox::View<'_>| {
            view.calls().any(|call| call.method == "sendDocument").then_some(())
        };
        world.sandbox.wait(PATIENCE, "a try to send", tried).await.unwrap();
        fs::remove_file(folder(&world).join("send/1")).unwrap();
        world.sandbox.clear_faults();
        world.sees(ANN, "The file a.txt is no longer on the server.").await;
        world.quiet().await;
        assert_eq!(names(&world, ANN), ["b.txt"]);
        world.sandbox.fault(Fault::always(FaultKind::Forbidden(Forbidden::Blocked)).on("sendDocument"));
        world.say(BEN, "/run report");
        world.quiet().await;
        world.services().jobs.tidy_files().await.unwrap();
        let kept = world.path().join("data/work/2/send");
        assert_eq!(fs::read_dir(&kept).unwrap().count(), 2);
        world.sandbox.clear_faults();
        world.say(BEN, "/help");
        world.sees(BEN, "/run").await;
        let services = world.services();
        let mut tx = services.store.begin().await.unwrap();
        let unsent = waiting::failed(&mut tx, Millis(0), 10).await.unwrap();
        for message in unsent.iter().filter(|message| message.payload.contains("out:2:")) {
            assert!(waiting::retry(&mut tx, message.id).await.unwrap());
        }
        services.store.commit(tx).await.unwrap();
        services.outbox.kick(ChatId(BEN));
        world.quiet().await;
        assert_eq!(names(&world, BEN), ["a.txt", "b.txt"]);
        until("the folder to be gone", || !kept.exists()).await;
    }
}

on_both! {
    /// A file that cannot be read is tried again, then told; what lies there is kept with the job, not removed.
    async fn what_cannot_be_read_is_tried_again_and_kept(world) {
        world.script("report", "echo a > \"$OPSGRAM_OUT/a.txt\"", &[]);
        world.sandbox.fault(Fault::always(FaultKind::ServerError(502)).on("sendDocument"));
        world.start().await;
        world.say(ANN, "/run report");
        let tried = |view: &opsgram::sandbox::View<'_>| {
            view.calls().any(|call| call.method == "sendDocument").then_some(())
        };
        world.sandbox.wait(PATIENCE, "a try to send", tried).await.unwrap();
        let apart = folder(&world).join("send/1");
        fs::remove_file(&apart).unwrap();
        fs::create_dir(&apart).unwrap();
        world.sandbox.clear_faults();
        world.sees(ANN, "The file a.txt could not be sent. The server keeps it.").await;
        let kept = folder(&world).join("out/a.txt");
        until("it to be kept", || kept.exists()).await;
    }
}

on_both! {
    /// With the job, its files go; of jobs that nobody knows, they go at the start.
    async fn files_go_with_their_job(world) {
        world.script("keeps", "mkdir \"$OPSGRAM_OUT/deep\"; chmod 0 \"$OPSGRAM_OUT/deep\" \"$OPSGRAM_OUT\"", &[]);
        let unknown = world.path().join("data/work/77/out");
        fs::create_dir_all(&unknown).unwrap();
        fs::write(unknown.join("x"), "x").unwrap();
        world.start().await;
        assert!(!unknown.exists());
        world.say(ANN, "/run keeps");
        world.sees(ANN, "1 file was left on the server:\ndeep (a folder)").await;
        world.quiet().await;
        let mode = fs::metadata(folder(&world)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        let later = Millis::now().plus(std::time::Duration::from_secs(1));
        let keep = opsgram::jobs::retention::Keep {
            age: std::time::Duration::ZERO,
            count: u64::MAX,
            bytes: u64::MAX,
        };
        let stop = tokio_util::sync::CancellationToken::new();
        world.services().jobs.forget_old(keep, later, &stop).await.unwrap();
        assert!(!folder(&world).exists());
    }
}
