//! Whatever a script prints, it is shown as a terminal would show it, no message is refused, and no secret gets out.

use crate::delivery::{ended, refused_for_content};
use crate::harness::{BEN, Database, Outside, PATIENCE, World};
use crate::on_both;
use opsgram::sandbox::{EntityKind, Message};
use std::path::Path;

/// Runs the script `name`, the job of this number, which prints these bytes, and returns what the bot sent for it.
async fn printing(world: &World, name: &str, id: i64, bytes: &[u8]) -> Vec<Message> {
    std::fs::write(world.path().join("printed"), bytes).unwrap();
    let before = world.sandbox.from_bot(BEN).len();
    world.say(BEN, &format!("/run {name}"));
    ended(world, id).await;
    world.quiet().await;
    assert_eq!(refused_for_content(world), [], "{name}, {id}");
    world.sandbox.from_bot(BEN).split_off(before)
}

/// The card's text below its header.
fn below_header(card: &Message) -> &str {
    card.text.split_once('\n').map_or("", |(_, below)| below)
}

fn only_our_markup(message: &Message) {
    let ours = |kind: &EntityKind| matches!(kind, EntityKind::Bold | EntityKind::Pre(None));
    let strange = message.entities.iter().find(|entity| !ours(&entity.kind));
    assert!(strange.is_none(), "{strange:?} in {}", message.text);
}

/// What is printed, and what a terminal shows of it.
const SHOWN: [(&str, &[u8], &str); 32] = [
    ("tags", b"<b>bold</b> <i>", "<b>bold</b> <i>"),
    (
        "the end of our block",
        b"a</pre>b</b></code>",
        "a</pre>b</b></code>",
    ),
    (
        "entities",
        b"&amp; &lt;b&gt; &#65; &quot; &",
        "&amp; &lt;b&gt; &#65; &quot; &",
    ),
    (
        "a link",
        b"<a href=\"tg://user?id=1\">x</a>",
        "<a href=\"tg://user?id=1\">x</a>",
    ),
    ("a half tag", b"<b", "<b"),
    (
        "back-ticks",
        b"`a` ``b`` ```rust\nc\n```",
        "`a` ``b`` ```rust\nc\n```",
    ),
    (
        "markdown",
        b"_a_ *b* [c](http://d) ~e~ ||f|| \\",
        "_a_ *b* [c](http://d) ~e~ ||f|| \\",
    ),
    (
        "commands and mentions",
        b"/run hello @ann #tag http://x.org",
        "/run hello @ann #tag http://x.org",
    ),
    (
        "invalid UTF-8",
        b"a\xff\xfeb\xc3",
        "a\u{FFFD}\u{FFFD}b\u{FFFD}",
    ),
    (
        "a surrogate",
        b"a\xed\xa0\x80b",
        "a\u{FFFD}\u{FFFD}\u{FFFD}b",
    ),
    ("over-long", b"a\xc0\xafb", "a\u{FFFD}\u{FFFD}b"),
    ("NUL", b"a\0b", "ab"),
    ("only NUL", b"\0\0\0", ""),
    (
        "colours",
        b"\x1b[1;31mred\x1b[0m \x1b[38;2;1;2;3mmore\x1b[m",
        "red more",
    ),
    ("moves", b"one\ntwo\x1b[1A\x1b[3DX", "Xne\ntwo"),
    ("clear", b"gone\n\x1b[2J\x1b[Hhere", "here"),
    ("erase", b"gone\x1b[2K\rhere", "here"),
    ("a title", b"\x1b]0;title\x07a\x1b]2;<b>\x1b\\b", "ab"),
    (
        "a hyperlink",
        b"\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\",
        "link",
    ),
    ("bells", b"a\x07\x07b", "ab"),
    ("a code cut off", b"a\x1b[31", "a"),
    ("an escape at the end", b"a\x1b", "a"),
    ("a progress bar", b"1%\r50%\r100%\ndone", "100%\ndone"),
    ("a shorter bar", b"longer\rab", "abnger"),
    ("Windows lines", b"a\r\nb\r\n", "a\nb"),
    ("backspaces", b"abc\x08\x08X", "aXc"),
    ("a tab", b"a\tb\x1b[m", "a       b"),
    // Telegram takes the marks that turn the rest of the text around out by itself.
    (
        "right to left",
        "\u{5d0}\u{202e}abc\u{202c} \u{200f}x".as_bytes(),
        "\u{5d0}abc \u{200f}x",
    ),
    (
        "zero width",
        "a\u{200b}b\u{feff}c\u{2060}".as_bytes(),
        "a\u{200b}b\u{feff}c\u{2060}",
    ),
    ("C1 controls", "a\u{85}b\u{9b}31mc".as_bytes(), "ab31mc"),
    (
        "private use",
        "a\u{e000}b\u{10fffd}".as_bytes(),
        "a\u{e000}b\u{10fffd}",
    ),
    ("empty lines", b"\n\na\n\n\nb\n\n\n", "\n\na\n\n\nb"),
];

on_both! {
    /// Each kind of nasty text is shown as it is, as a card.
    async fn nasty_output_is_shown_as_it_is(world) {
        world.script("print", "cat printed", &[]);
        world.start().await;
        for (id, (what, bytes, shown)) in (1..).zip(SHOWN) {
            let messages = printing(&world, "print", id, bytes).await;
            assert_eq!(messages.len(), 1, "{what}");
            assert_eq!(below_header(&messages[0]), shown, "{what}");
            only_our_markup(&messages[0]);
        }
    }
}

/// The same while the job runs: in the live card, and as pieces of a stream.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nasty_output_breaks_no_live_card_and_no_stream() {
    let mut world = World::new(Database::sqlite()).await;
    for (n, (_, bytes, _)) in SHOWN.iter().enumerate() {
        std::fs::write(world.path().join(format!("nasty{n}")), bytes).unwrap();
    }
    let body = format!(
        "for n in $(seq 0 {}); do cat nasty$n; sleep 0.15; echo; done",
        SHOWN.len() - 1
    );
    world.script("card", &body, &[]);
    world.script("stream", &body, &["output: stream"]);
    world.start().await;
    world.say(BEN, "/run card");
    world.say(BEN, "/run stream");
    world.sees(BEN, "✅ card").await;
    world.sees(BEN, "✅ stream").await;
    world.quiet().await;
    assert_eq!(refused_for_content(&world), []);
    let messages = world.sandbox.from_bot(BEN);
    messages.iter().for_each(only_our_markup);
    assert!(messages.len() > 3, "there were pieces");
    world.finish().await;
}

on_both! {
    /// No visible character is cut, wherever a limit falls; nothing is lost at a cut.
    async fn no_character_is_cut_at_a_limit(world) {
        world.script("print", "cat printed", &[]);
        world.script("stream", "cat printed; sleep 0.5", &["output: stream"]);
        world.start().await;
        // What is repeated, and how a piece may begin and end.
        let kinds = ["👨‍👩‍👧‍👦", "🇩🇪", "👍🏽", "e\u{301}", "❤\u{fe0f}", "😀", "漢"];
        let mut id = 0;
        for unit in kinds {
            let units: usize = unit.chars().map(char::len_utf16).sum();
            for shift in [0, 1, 2, 3, 5] {
                let output = format!("{}{}", "a".repeat(shift), unit.repeat(6000 / units));
                for script in ["print", "stream"] {
                    if script == "stream" && shift > 1 {
                        continue;
                    }
                    id += 1;
                    let messages = printing(&world, script, id, output.as_bytes()).await;
                    let pieces: Vec<&str> = messages[1..]
                        .iter()
                        .filter(|message| message.document.is_none())
                        .map(|message| message.text.as_str())
                        .collect();
                    assert_eq!(pieces.concat(), output, "{unit}, {shift}, {script}");
                    for piece in &pieces {
                        let rest = piece.trim_start_matches('a');
                        assert_eq!(rest.replace(unit, ""), "", "{unit} is cut");
                    }
                    if script == "print" {
                        let (_, last) = messages[0].text.split_once(":\n").unwrap();
                        assert_eq!(last.replace(unit, ""), "", "{unit} is cut on the card");
                    }
                }
            }
        }
    }
}

on_both! {
    /// Lines without end, and lines without content.
    async fn a_line_of_ten_megabytes_is_a_file(world) {
        for mode in ["card", "stream", "file"] {
            let mode = format!("output: {mode}");
            world.script(&mode[8..], "cat printed", &[&mode]);
        }
        world.start().await;
        let line = "x<&😀".repeat(10_000_000 / 7);
        for (id, mode) in (1..).zip(["card", "stream", "file"]) {
            let messages = printing(&world, mode, id, line.as_bytes()).await;
            let most = if mode == "stream" { 40 } else { 5 };
            assert!(messages.len() <= most, "{mode}: {} messages", messages.len());
            let files: Vec<_> = messages.iter().filter_map(|m| m.document.clone()).collect();
            assert_eq!(files.len(), 1, "{mode}");
            assert!(files[0].bytes == line, "{mode}: the file is not complete");
            assert!(messages.iter().any(|m| m.text.starts_with(&format!("✅ {mode}"))));
            if mode == "stream" {
                let gap = |message: &Message| message.text.contains(" left out here …");
                assert!(messages.iter().any(gap), "the gap is not told");
            }
            if mode == "card" {
                assert!(messages[0].text.ends_with("x<&😀"), "{}", messages[0].text);
            }
        }
    }
}

on_both! {
    /// Nothing but empty lines, few and many, in every mode: no empty block, no refused message.
    async fn empty_lines_make_no_empty_message(world) {
        for mode in ["card", "stream", "file"] {
            let mode = format!("output: {mode}");
            world.script(&mode[8..], "cat printed", &[&mode]);
        }
        world.start().await;
        let mut id = 0;
        for mode in ["card", "stream", "file"] {
            for count in [1, 1_000, 100_000] {
                id += 1;
                let output = "\n".repeat(count);
                let messages = printing(&world, mode, id, output.as_bytes()).await;
                assert!(messages.len() <= 2, "{mode}, {count}: {messages:#?}");
                let told = messages.iter().find(|m| m.text.starts_with("✅")).unwrap();
                assert!(!told.text.contains("last lines"), "{}", told.text);
                let files: Vec<_> = messages.iter().filter_map(|m| m.document.clone()).collect();
                if mode == "file" || count == 100_000 {
                    assert_eq!(files.len(), 1, "{mode}, {count}");
                    assert!(files[0].bytes == output);
                }
            }
        }
    }
}

on_both! {
    /// A stream of what nobody can see, which Telegram takes for empty, is no message.
    async fn invisible_output_makes_no_empty_message(world) {
        world.script("follow", "cat printed; sleep 3.5; echo end", &["output: stream"]);
        world.start().await;
        let output = "\u{202e}\u{30a}\n\u{2800}\u{200b}\n".repeat(500);
        let messages = printing(&world, "follow", 1, output.as_bytes()).await;
        assert!(messages.len() <= 2, "{messages:#?}");
        assert!(messages[0].text.starts_with("✅ follow"));
    }
}

on_both! {
    /// On a pseudo-terminal it is the same: what stands at the end is shown.
    async fn a_terminal_program_is_shown_as_it_stands(world) {
        let bar = "for n in $(seq 0 20 100); do printf '\\r\\033[32m%3d%%\\033[0m' $n; sleep 0.05; done; echo; [ -t 1 ] && echo a terminal";
        world.script("bar", bar, &["tty: true"]);
        world.start().await;
        world.say(BEN, "/run bar");
        let card = world.sees(BEN, "✅ bar").await;
        assert_eq!(below_header(&card), "100%\na terminal");
    }
}

/// Output that no compression makes small enough for Telegram: the ending is told all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn output_too_large_for_telegram_does_not_swallow_the_ending() {
    let mut world = World::new(Database::sqlite()).await;
    world.set("jobs: {max_log: 64MiB}");
    for mode in ["file", "card"] {
        world.script(
            mode,
            "head -c 60000000 /dev/urandom",
            &[&format!("output: {mode}")],
        );
    }
    world.start().await;
    for (id, mode) in (1..).zip(["file", "card"]) {
        world.say(BEN, &format!("/run {mode}"));
        let words = format!("✅ {mode} · #{id} · exit 0");
        let note = |view: &opsgram::sandbox::View<'_>| {
            let mut told = view.from_bot(BEN).filter(|m| m.text.starts_with(&words));
            told.find(|m| m.text.contains("it is kept on the server as job"))
                .cloned()
        };
        let told = world
            .sandbox
            // What is packed first takes its time in a build that is not optimised.
            .wait(8 * PATIENCE, "the reason", note)
            .await
            .unwrap();
        assert!(
            told.text.contains("The whole output: 60 MB"),
            "{}",
            told.text
        );
        assert!(told.document.is_none());
        world.quiet().await;
    }
    world.finish().await;
}

/// 100 MB, without a newline and with many, in each mode: the program is not held back, and memory stays bounded.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_is_bounded_whatever_is_printed() {
    let mut world = World::new(Database::sqlite()).await;
    world.set("jobs: {max_log: 1MiB}");
    for (name, program) in [
        ("line", "head -c 100000000 /dev/zero | tr '\\0' x"),
        ("lines", "yes 'a line of text' | head -c 100000000"),
    ] {
        for mode in ["card", "stream"] {
            world.script(
                &format!("{name}-{mode}"),
                program,
                &[&format!("output: {mode}")],
            );
        }
    }
    let outside = Outside::start(&world).await;
    for name in ["line-card", "line-stream", "lines-card", "lines-stream"] {
        world.say(BEN, &format!("/run {name}"));
        world.sees(BEN, &format!("✅ {name}")).await;
    }
    let peak = outside.peak_memory();
    outside.terminate().await;
    assert_eq!(refused_for_content(&world), []);
    // A debug build with its databases is at some 60 MB when it idles.
    assert!(peak < 150_000_000, "{peak} bytes");
    world.finish().await;
}

/// All that lies under a folder.
fn contents(folder: &Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(contents(&path));
        } else {
            found.push((path.clone(), std::fs::read(&path).unwrap_or_default()));
        }
    }
    found
}

on_both! {
    /// A secret gets into no message, no file, no log, no row, also when it is printed in two writes with a pause between.
    async fn a_secret_is_masked_everywhere(world) {
        const SECRET: &str = "hunter2-correct-horse";
        world.variable("DB_PASSWORD", SECRET);
        let body = "echo \"password: $DB_PASSWORD.\"
            printf 'one %s' \"${DB_PASSWORD:0:9}\"; sleep 1.2; echo \"${DB_PASSWORD:9} two\"
            printf 'three %s' \"${DB_PASSWORD:0:1}\"; sleep 0.1; printf %s \"${DB_PASSWORD:1:5}\" >&2; sleep 0.1; echo \"${DB_PASSWORD:6} four\"
            printf %s \"$DB_PASSWORD\"";
        let modes = ["card", "stream", "file", "silent"];
        for mode in modes {
            let more = format!("output: {mode}");
            let body = if mode == "silent" { format!("{body}; exit 1") } else { body.to_owned() };
            world.script(mode, &body, &[&more, "secrets: [DB_PASSWORD]"]);
        }
        world.start().await;
        for (id, mode) in (1..).zip(modes) {
            world.say(BEN, &format!("/run {mode}"));
            ended(&world, id).await;
            world.quiet().await;
        }
        let expected = "password: •••.\none ••• two\nthree ••• four\n•••";
        assert!(world.count(BEN, expected) >= 2, "the card and the silent one");
        let all = |view: &opsgram::sandbox::View<'_>| {
            view.from_bot(BEN)
                .flat_map(|message| {
                    let file = message.document.iter().map(|d| String::from_utf8_lossy(&d.bytes).into_owned());
                    let texts = message.history.iter().map(|form| form.text.clone());
                    file.chain(texts).collect::<Vec<_>>()
                })
                .collect::<Vec<_>>()
        };
        let told = world.sandbox.look(all);
        assert!(told.iter().any(|text| text == expected), "the file");
        // A live card must not show half a secret either.
        for part in [SECRET, &SECRET[..9], &SECRET[9..]] {
            assert!(!told.iter().any(|text| text.contains(part)), "{part} is told");
        }
        let mut db = world.services().store.read().await.unwrap();
        for query in [
            "SELECT payload FROM outbox",
            "SELECT payload FROM jobs",
            "SELECT payload FROM inbox",
            "SELECT payload FROM intents",
            "SELECT reason FROM outbox WHERE reason IS NOT NULL",
            "SELECT reason FROM jobs WHERE reason IS NOT NULL",
        ] {
            let rows: Vec<String> = sqlx::query_scalar(query).fetch_all(&mut *db).await.unwrap();
            assert!(!rows.iter().any(|row| row.contains(SECRET)), "{query}");
        }
        drop(db);
        world.stop().await;
        for (path, bytes) in contents(&world.path().join("data")) {
            let text = String::from_utf8_lossy(&bytes);
            assert!(!text.contains(SECRET), "{}", path.display());
        }
    }
}
