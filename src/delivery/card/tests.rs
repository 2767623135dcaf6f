use super::*;
use crate::base::ids::ChatId;

const SUBJECT: Subject<'static> = Subject {
    id: JobId(12),
    title: "deploy",
    place: Place {
        chat: ChatId(7),
        thread: None,
    },
    reply_to: Some(MessageId(3)),
    undoes: None,
};

fn plain(message: &Outgoing) -> String {
    match &message.body {
        Body::Text { html, .. } | Body::Document { html, .. } => text::plain_of_html(html),
    }
}

fn end(mode: OutputMode, ending: &Ending, output: &str, seen: &Seen) -> Vec<Outgoing> {
    let printed = Printed {
        tail: output,
        whole: true,
        bytes: output.len() as u64,
        missing: 0,
        lines: output.lines().count() as u64,
        board: None,
    };
    let took = Some(Duration::from_secs(41));
    ended(
        &SUBJECT,
        &Phase::Ended { ending, took },
        mode,
        &printed,
        seen,
    )
}

#[test]
fn a_file_says_how_much_of_the_output_it_holds() {
    let mut printed = Printed {
        bytes: 68_000_000,
        lines: 1_945_476,
        ..Printed::default()
    };
    assert_eq!(
        contents(&printed),
        "The whole output: 68 MB in 1,945,476 lines"
    );
    printed.missing = 63_900_000;
    assert_eq!(
        contents(&printed),
        "The output, its beginning and end: 4.1 MB of 68 MB in 1,945,476 lines"
    );
}

#[test]
fn each_ending_has_its_line() {
    let took = Some(Duration::from_secs(41));
    let cases = [
        (Ending::Exited(0), "✅ deploy · #12 · exit 0 · 41 s"),
        (Ending::Exited(3), "❌ deploy · #12 · exit 3 · 41 s"),
        (
            Ending::Signaled(11),
            "❌ deploy · #12 · ended by signal 11 · 41 s",
        ),
        (
            Ending::TimedOut(Duration::from_secs(900)),
            "⏱ deploy · #12 · timed out after 15 m",
        ),
        (
            Ending::Cancelled("ann".into()),
            "🚫 deploy · #12 · cancelled by ann · 41 s",
        ),
        (
            Ending::Stopped,
            "🚫 deploy · #12 · stopped, because the bot was shut down · 41 s",
        ),
        (
            Ending::Lost,
            "💥 deploy · #12 · lost: the bot was stopped while it ran",
        ),
        (
            Ending::Broken("gone <x>".into()),
            "❌ deploy · #12 · failed · 41 s\ngone <x>",
        ),
    ];
    for (ending, line) in cases {
        let phase = Phase::Ended {
            ending: &ending,
            took,
        };
        let html = header("deploy", JobId(12), None, &phase);
        assert_eq!(text::plain_of_html(&html), line);
    }
    let queued = |ahead, lock| header("deploy", JobId(12), None, &Phase::Queued { ahead, lock });
    let locked = queued(0, Some(("db", "#9 (a<b)")));
    assert_eq!(
        text::plain_of_html(&locked),
        "⏳ deploy · #12 · queued · waits for the lock db, held by #9 (a<b)"
    );
    let queued = queued(2, None);
    assert_eq!(
        text::plain_of_html(&queued),
        "⏳ deploy · #12 · queued (2 ahead)"
    );
    let since = Duration::from_secs(14);
    let running = header(
        "deploy",
        JobId(12),
        None,
        &Phase::Running {
            since,
            stopping: false,
            doing: None,
        },
    );
    assert_eq!(text::plain_of_html(&running), "▶️ deploy · #12 · 14 s");
}

#[test]
fn only_exit_0_looks_like_success() {
    for ending in [
        Ending::Exited(1),
        Ending::Signaled(9),
        Ending::TimedOut(Duration::from_secs(9)),
        Ending::Lost,
    ] {
        let phase = Phase::Ended {
            ending: &ending,
            took: None,
        };
        assert!(!header("x", JobId(1), None, &phase).contains('✅'));
    }
}

#[test]
fn short_output_is_one_message() {
    let messages = end(
        OutputMode::Card,
        &Ending::Exited(0),
        "hello <b>\n",
        &Seen::default(),
    );
    assert_eq!(messages.len(), 1);
    assert!(plain(&messages[0]).contains("hello <b>"));
}

#[test]
fn every_message_fits_telegram() {
    for size in [0, 1, 3900, 4050, 4096, 5000, 12_000, 12_300, 60_000] {
        let output = "😀 line of output\n".repeat(size / 18 + 1);
        for mode in [OutputMode::Card, OutputMode::File, OutputMode::Silent] {
            for message in end(mode, &Ending::Exited(1), &output, &Seen::default()) {
                let limit = match message.body {
                    Body::Text { .. } => text::MESSAGE_UNITS,
                    Body::Document { .. } => text::CAPTION_UNITS,
                };
                assert!(text::utf16_len(&plain(&message)) <= limit);
            }
        }
    }
}

#[test]
fn long_output_is_pieces_then_a_file() {
    let pieces = end(
        OutputMode::Card,
        &Ending::Exited(0),
        &"a line\n".repeat(1200),
        &Seen::default(),
    );
    assert_eq!(pieces.len(), 4);
    let file = end(
        OutputMode::Card,
        &Ending::Exited(0),
        &"a line\n".repeat(5000),
        &Seen::default(),
    );
    assert_eq!(file.len(), 2);
    assert!(matches!(&file[1].body, Body::Document { name, .. } if name == "deploy-12.log"));
    assert!(
        plain(&file[1]).contains("35 kB in 5,000 lines"),
        "{}",
        plain(&file[1])
    );
}

#[test]
fn a_silent_job_tells_only_a_failure() {
    assert!(
        end(
            OutputMode::Silent,
            &Ending::Exited(0),
            "x",
            &Seen::default()
        )
        .is_empty()
    );
    assert_eq!(
        end(
            OutputMode::Silent,
            &Ending::Exited(2),
            "x",
            &Seen::default()
        )
        .len(),
        1
    );
}

#[test]
fn a_stream_ends_with_its_rest_and_the_card() {
    let seen = Seen {
        card: true,
        pieces: 9,
        skipped: true,
        rest: vec!["<pre>rest</pre>".into()],
    };
    let messages = end(OutputMode::Stream, &Ending::Exited(0), "…", &seen);
    assert_eq!(messages.len(), 3);
    assert!(matches!(messages[1].body, Body::Document { .. }));
    assert_eq!(messages[2].slot.as_deref(), Some("job:12"));
}
