//! How a job shows in its chat: the card, its pace, pieces, files, streams, silence.

use crate::delivery::{Gate, all_sent, ended, refused_for_content};
use crate::harness::{ANN, BEN, Database, OPS, PATIENCE, World};
use crate::on_both;
use opsgram::sandbox::{Document, Message, Rates, What};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// What the script printed, by its own account: scripts of these tests write it to `printed` first.
fn printed(world: &World) -> Vec<u8> {
    std::fs::read(world.path().join("printed")).unwrap()
}

/// The files that the bot sent to the chat.
fn files(world: &World, chat: i64) -> Vec<Arc<Document>> {
    let messages = world.sandbox.from_bot(chat).into_iter();
    messages.filter_map(|message| message.document).collect()
}

/// The texts without files, oldest first.
fn texts(world: &World, chat: i64) -> Vec<String> {
    let messages = world.sandbox.from_bot(chat).into_iter();
    let plain = messages.filter(|message| message.document.is_none());
    plain.map(|message| message.text).collect()
}

/// How many messages the bot sent to the chat, those that are gone included.
fn sends(world: &World, chat: i64) -> usize {
    let sent = |what: &What| matches!(what, What::Sent { chat: c, .. } if *c == chat);
    let events = world.sandbox.events_since(0);
    events.iter().filter(|event| sent(&event.what)).count()
}

/// Presses *Full log* and *Run again* of the newest ending in the chat, and looks that both do what they say.
async fn both_buttons_work(world: &World, chat: i64, bytes: &[u8], next: i64) {
    let before = files(world, chat).len();
    world.press(BEN, chat, "Full log");
    let came = |view: &opsgram::sandbox::View<'_>| {
        let files = view.from_bot(chat).filter_map(|m| m.document.clone());
        files.skip(before).last()
    };
    let file = world.sandbox.wait(PATIENCE, "the log", came).await.unwrap();
    assert_eq!(file.bytes, bytes);
    world.press(BEN, chat, "Run again");
    ended(world, next).await;
    world.quiet().await;
}

/// The forms of a card until its job ended: a moment before the bot began to count the pace from it, and when it came.
/// A busy machine makes the one earlier and the other later, so the time between them is never too short by it.
fn live_forms(card: &Message) -> Vec<(Instant, Instant)> {
    let (now, clock) = (Instant::now(), SystemTime::now());
    // The script prints the time: a form was sent after its newest line was printed.
    let printed = |text: &str| {
        let mut lines = text.lines().rev();
        let seconds = lines.find_map(|line| line.parse::<f64>().ok()).unwrap();
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs_f64(seconds);
        now - clock.duration_since(at).unwrap()
    };
    let live = card.history.iter().filter(|form| !form.text.contains("✅"));
    live.enumerate()
        .map(|(n, form)| match n {
            // From the first one it is counted when Telegram has answered.
            0 => (form.at, form.at),
            _ => (printed(&form.text), form.at),
        })
        .collect()
}

on_both! {
    /// Live edits keep their pace, in a private chat and in a group, however much is printed.
    async fn live_edits_are_not_faster_than_their_pace(world) {
        let busy = "while [ ! -e stop ]; do echo $EPOCHREALTIME; sleep 0.05; done";
        world.script("busy", busy, &["concurrency: 2"]);
        world.start().await;
        world.say(BEN, "/run busy");
        world.sandbox.say(ANN, OPS, "/run busy");
        let forms = |chat: i64, least: usize| {
            move |view: &opsgram::sandbox::View<'_>| {
                let card = view.last_from_bot(chat)?;
                (card.edits() >= least).then_some(())
            }
        };
        world.sandbox.wait(PATIENCE, "three edits", forms(BEN, 3)).await.unwrap();
        world.sandbox.wait(PATIENCE, "two edits", forms(OPS, 2)).await.unwrap();
        std::fs::write(world.path().join("stop"), "").unwrap();
        world.sees(BEN, "✅").await;
        world.sees(OPS, "✅").await;
        world.quiet().await;
        assert_eq!(refused_for_content(&world), [], "an edit that changes nothing");
        for (chat, pace) in [(BEN, 1500), (OPS, 3000)] {
            let cards = world.sandbox.from_bot(chat);
            assert_eq!(cards.len(), 1);
            let forms = live_forms(&cards[0]);
            assert!(forms.len() >= 3);
            for (first, (sent, _)) in forms.iter().enumerate() {
                for (edits, (_, came)) in (1..).zip(&forms[first + 1..]) {
                    let took = came.saturating_duration_since(*sent);
                    assert!(took >= Duration::from_millis(pace) * edits, "{chat}: {edits} in {took:?} after {first}");
                }
            }
        }
    }
}

on_both! {
    /// A job that waits says behind how many, and one that is cancelled lets the next go on.
    async fn a_queued_job_says_how_many_are_ahead(world) {
        let gates = [Gate::new(&world, "gate1"), Gate::new(&world, "gate3")];
        world.script("slow", "read < gate$OPSGRAM_JOB; echo done", &[]);
        world.start().await;
        world.say(BEN, "/run slow");
        world.sees(BEN, "▶️ slow · #1").await;
        world.say(BEN, "/run slow");
        world.sees(BEN, "⏳ slow · #2 · queued (1 ahead)").await;
        world.say(BEN, "/run slow");
        world.sees(BEN, "⏳ slow · #3 · queued (2 ahead)").await;
        world.say(BEN, "/cancel 2");
        let cancelled = world.sees(BEN, "🚫 slow · #2").await;
        assert_eq!(cancelled.text, "🚫 slow · #2 · cancelled by ben");
        gates[0].open().await;
        world.sees(BEN, "✅ slow · #1").await;
        gates[1].open().await;
        world.sees(BEN, "✅ slow · #3").await;
        world.quiet().await;
        for card in ["✅ slow · #1", "🚫 slow · #2", "✅ slow · #3"] {
            assert_eq!(world.count(BEN, card), 1, "{card}: {:#?}", world.sandbox.look(|v| v.transcript()));
        }
        assert_eq!(world.count(BEN, "⏳"), 0);
    }
}

on_both! {
    /// Output that just fits is in the card; one unit more makes a message beside it; nothing is lost or cut.
    async fn output_around_the_limit_is_shown_whole(world) {
        world.script("print", "cat printed", &[]);
        world.start().await;
        for (n, units) in [4000, 4040, 4044, 4048, 4052, 4060, 4090, 4096, 4097].into_iter().enumerate() {
            // Emoji of two units each, so that a limit counted otherwise shows.
            let line = format!("{}\n", "😀".repeat(19));
            let mut output = line.repeat(units / 39);
            output.push_str(&"x".repeat(units % 39));
            let output = output.trim_end();
            std::fs::write(world.path().join("printed"), output).unwrap();
            let before = texts(&world, BEN).len();
            world.say(BEN, "/run print");
            ended(&world, n as i64 + 1).await;
            world.quiet().await;
            let new = texts(&world, BEN).split_off(before);
            if new.len() == 1 {
                let (_, shown) = new[0].split_once('\n').unwrap();
                assert_eq!(shown, output);
            } else {
                assert!(units > 4030, "{units} do fit");
                assert!(new[0].contains("… the last lines:"));
                assert_eq!(new[1..].join("\n"), output);
            }
        }
        assert_eq!(refused_for_content(&world), []);
    }
}

on_both! {
    /// More than a message: up to three pieces, in order and complete; above that one file.
    async fn long_output_is_up_to_three_pieces_or_a_file(world) {
        world.script("print", "head -n $1 lines | tee printed", &["args: [{name: lines}]"]);
        let lines: String = (0..2000).map(|n| format!("line {n:04} with 40 characters or a few so\n")).collect();
        std::fs::write(world.path().join("lines"), &lines).unwrap();
        world.start().await;
        for (n, (count, pieces)) in [(60, 0), (150, 2), (270, 3), (300, 4)].into_iter().enumerate() {
            let before = world.sandbox.from_bot(BEN).len();
            world.say(BEN, &format!("/run print {count}"));
            ended(&world, n as i64 + 1).await;
            world.quiet().await;
            let new = world.sandbox.from_bot(BEN).split_off(before);
            let output = String::from_utf8(printed(&world)).unwrap();
            match pieces {
                0 => assert!(new.len() == 1 && new[0].text.ends_with(output.trim_end())),
                4 => {
                    assert_eq!(new.len(), 2);
                    let file = new[1].document.as_ref().unwrap();
                    assert_eq!(file.name, format!("print-{}.log", n + 1));
                    assert_eq!(file.bytes, output);
                    assert_eq!(new[1].reply_to, new[0].reply_to);
                }
                _ => {
                    assert_eq!(new.len(), pieces + 1);
                    let whole: Vec<_> = new[1..].iter().map(|m| m.text.as_str()).collect();
                    assert_eq!(whole.join("\n"), output.trim_end());
                }
            }
            let last = &output.trim_end()[output.len() - 45..];
            assert!(new[0].text.contains(last), "the card shows the last lines");
        }
        both_buttons_work(&world, BEN, &printed(&world), 5).await;
    }
}

on_both! {
    /// A stream shows a piece when there is enough of it, and when it is old enough, while the job runs.
    async fn a_stream_flushes_by_size_and_by_age(world) {
        let (gate, second) = (Gate::new(&world, "gate"), Gate::new(&world, "second"));
        let body = "for n in $(seq 100); do echo line $n of forty characters, more or less; done
            read < gate; echo a lonely line; read < second; echo the end";
        world.script("follow", body, &["output: stream"]);
        world.start().await;
        world.say(BEN, "/run follow");
        world.sees(BEN, "line 100 of").await;
        let begun = Instant::now();
        gate.open().await;
        world.sees(BEN, "a lonely line").await;
        let age = begun.elapsed();
        assert!(age >= Duration::from_millis(2800), "{age:?}");
        assert!(age < Duration::from_secs(8), "{age:?}");
        second.open().await;
        world.sees(BEN, "the end").await;
        world.sees(BEN, "✅ follow · #1").await;
        world.quiet().await;
        let texts = texts(&world, BEN);
        assert!(texts[0].starts_with("✅ follow · #1 · exit 0"), "{}", texts[0]);
        let pieces: Vec<_> = texts[1..].iter().map(String::as_str).collect();
        let all = pieces.join("\n");
        let expected: Vec<_> = (1..=100).map(|n| format!("line {n} of forty characters, more or less")).collect();
        assert_eq!(all, format!("{}\na lonely line\nthe end", expected.join("\n")));
    }
}

/// The lines that a stream showed and those that it says it left out.
fn counted(texts: &[String]) -> (u64, u64) {
    let (mut shown, mut left_out) = (0, 0);
    for line in texts.iter().flat_map(|text| text.lines()) {
        if let Some(rest) = line
            .strip_prefix("… ")
            .filter(|_| line.ends_with("left out here …"))
        {
            let digits: String = rest.chars().filter(char::is_ascii_digit).collect();
            left_out += digits.parse::<u64>().unwrap();
        } else if line.starts_with("line ") {
            shown += 1;
        }
    }
    (shown, left_out)
}

/// 20,000 lines of 80 bytes.
const MUCH: &str = "awk 'BEGIN { for (n = 1; n <= 20000; n++) printf \"line %-74d\\n\", n }'";

/// A long log at Telegram's rates: a stream is at most forty messages, says what it left out, and its file is complete.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_of_twenty_thousand_lines_is_at_most_forty_messages() {
    let mut world = World::new(Database::sqlite()).await;
    world.sandbox.set_rates(Rates::Telegram);
    // In bursts, so that there is always something to send.
    let bursts = format!(
        "{MUCH} > printed; for n in $(seq 1 2000 20000); do tail -n +$n printed | head -n 2000; sleep 0.4; done"
    );
    world.script("follow", &bursts, &["output: stream"]);
    world.start_paced().await;
    world.say(BEN, "/run follow");
    ended(&world, 1).await;
    world.quiet().await;
    let texts = texts(&world, BEN);
    assert!(
        texts[0].starts_with("✅ follow · #1 · exit 0"),
        "{}",
        texts[0]
    );
    assert!(sends(&world, BEN) <= 40, "{} messages", sends(&world, BEN));
    let (shown, left_out) = counted(&texts);
    assert_eq!(
        shown + left_out,
        20_000,
        "{shown} shown, {left_out} left out"
    );
    let files = files(&world, BEN);
    assert_eq!(files.len(), 1);
    assert_eq!(files[0].bytes, printed(&world));
    assert_eq!(refused_for_content(&world), []);
    world.finish().await;
}

/// The same as a card is at most five messages.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_card_of_twenty_thousand_lines_is_at_most_five_messages() {
    let mut world = World::new(Database::sqlite()).await;
    world.sandbox.set_rates(Rates::Telegram);
    world.script("much", &format!("{MUCH} | tee printed; sleep 0.5"), &[]);
    world.start_paced().await;
    for chat in [BEN, OPS] {
        world.sandbox.say(BEN, chat, "/run much");
        world.sees(chat, "✅ much").await;
        world.quiet().await;
        assert!(sends(&world, chat) <= 5);
        let files = files(&world, chat);
        assert_eq!(files.len(), 1);
        assert_eq!(files[0].bytes, printed(&world));
        let card = &texts(&world, chat)[0];
        assert!(card.contains("line 20000"), "{card}");
    }
    world.finish().await;
}

on_both! {
    /// `output: file`: a short job is one message, the file, unless it took long to start; a longer one is its card and
    /// the file.
    async fn a_job_with_file_output_always_gives_a_file(world) {
        let gate = Gate::new(&world, "gate");
        world.script("dump", "echo some bytes", &["output: file"]);
        world.script("slow", "read < gate; echo some bytes", &["output: file"]);
        world.script("none", "true", &["output: file"]);
        world.start().await;
        world.say(BEN, "/run dump");
        let ending = world.sees(BEN, "✅ dump · #1 · exit 0").await;
        assert!(ending.button("Run again").is_some());
        world.quiet().await;
        let before = world.sandbox.from_bot(BEN);
        let file = before.last().unwrap().document.as_ref().unwrap();
        assert_eq!((file.name.as_str(), &file.bytes[..]), ("dump-1.log", &b"some bytes\n"[..]));
        // Where the machine took longer to start it than a card waits, the ending is that card.
        match before.len() {
            1 => assert!(ending.edits() == 0),
            2 => assert!(ending.id == before[0].id && ending.edits() > 0),
            many => panic!("{many} messages"),
        }
        assert_eq!(before.len(), sends(&world, BEN));

        world.say(BEN, "/run slow");
        let card = world.sees(BEN, "▶️ slow · #2").await;
        gate.open().await;
        ended(&world, 2).await;
        world.quiet().await;
        let messages = world.sandbox.from_bot(BEN);
        let [last, file] = &messages[before.len()..] else {
            panic!("not a card and a file: {messages:#?}");
        };
        assert_eq!(last.id, card.id);
        assert!(last.text.starts_with("✅ slow · #2 · exit 0"));
        assert!(last.button("Run again").is_some());
        assert_eq!(file.document.as_ref().unwrap().bytes, "some bytes\n");

        world.say(BEN, "/run none");
        let none = world.sees(BEN, "✅ none · #3 · exit 0").await;
        assert!(none.text.contains("No output."), "{}", none.text);
        assert!(none.document.is_none());
        world.press(BEN, BEN, "Run again");
        ended(&world, 4).await;
        world.quiet().await;
    }
}

on_both! {
    /// `output: silent`: success makes no message, however long it took; a failure is told with what was printed.
    async fn a_silent_job_tells_only_its_failure(world) {
        let gate = Gate::new(&world, "gate");
        world.script("good", "echo fine; read < gate", &["output: silent"]);
        world.script("bad", "echo why; exit 3", &["output: silent"]);
        world.start().await;
        world.say(BEN, "/run good");
        gate.open().await;
        ended(&world, 1).await;
        world.quiet().await;
        assert_eq!(world.sandbox.from_bot(BEN).len(), 0);
        world.say(BEN, "/run bad");
        let told = world.sees(BEN, "❌ bad · #2 · exit 3").await;
        assert!(told.text.contains("why"));
        all_sent(&world).await;
        both_buttons_work(&world, BEN, b"why\n", 3).await;
        assert_eq!(world.count(BEN, "❌ bad · #3"), 1);
    }
}

on_both! {
    /// A job that prints nothing says so, in every mode that speaks.
    async fn a_job_without_output_says_so(world) {
        for mode in ["card", "stream", "file"] {
            world.script(mode, "true", &[&format!("output: {mode}")]);
        }
        world.start().await;
        for mode in ["card", "stream", "file"] {
            world.say(BEN, &format!("/run {mode}"));
            let card = world.sees(BEN, &format!("✅ {mode} ·")).await;
            assert!(card.text.ends_with("\nNo output."), "{}", card.text);
            assert!(card.button("Run again").is_some());
            assert!(card.button("Full log").is_none());
        }
    }
}

on_both! {
    /// What goes to stderr and to stdout comes in the order in which it was written.
    async fn stdout_and_stderr_stay_in_order(world) {
        let body = "for n in $(seq 100); do echo out $n; echo err $n >&2; done";
        world.script("both", body, &[]);
        world.start().await;
        world.say(BEN, "/run both");
        let card = world.sees(BEN, "✅ both").await;
        let expected: Vec<_> = (1..=100).map(|n| format!("out {n}\nerr {n}")).collect();
        let (_, shown) = card.text.split_once('\n').unwrap();
        assert_eq!(shown, expected.join("\n"));
    }
}

on_both! {
    /// *Run again* and *Full log* under the card of every mode.
    async fn every_ending_can_be_run_again_and_read_in_full(world) {
        world.script("card", "echo some words", &[]);
        world.script("stream", "echo some words", &["output: stream"]);
        world.script("fail", "echo some words; exit 1", &[]);
        world.script("late", "echo some words; sleep 60", &["timeout: 4s"]);
        world.start().await;
        let mut next = 1;
        for (script, mark) in [("card", "✅"), ("stream", "✅"), ("fail", "❌"), ("late", "⏱")] {
            world.say(BEN, &format!("/run {script}"));
            world.sees(BEN, &format!("{mark} {script} · #{next}")).await;
            all_sent(&world).await;
            both_buttons_work(&world, BEN, b"some words\n", next + 1).await;
            assert_eq!(world.count(BEN, &format!("{mark} {script} · #{}", next + 1)), 1);
            next += 2;
        }
    }
}
