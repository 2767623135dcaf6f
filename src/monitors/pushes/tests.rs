//! What is made of pushes, as a table.

use super::*;
use crate::base::alert::Unit;

const NOW: Millis = Millis(1_000_000_000);

fn ago(seconds: u64) -> Millis {
    NOW.minus(Duration::from_secs(seconds))
}

fn limits() -> Limits {
    Limits::new(Unit::Seconds, true, Some(3600.0), Some(7200.0))
}

fn row() -> Row {
    Row {
        succeeded: Some(ago(180)),
        failed: None,
        began: None,
        took: None,
    }
}

#[test]
fn what_came_and_what_did_not_is_told() {
    let took = Some(Duration::from_secs(12));
    let cases = [
        (None, 60, "has not come yet, waited for 1 m", false),
        (None, 3600, "has not come for 1 h", false),
        (Some(row()), 9000, "last push 3 m ago", false),
        (
            Some(Row { took, ..row() }),
            9000,
            "last push 3 m ago (took 12 s)",
            false,
        ),
        (
            Some(Row {
                began: Some(ago(60)),
                ..row()
            }),
            9000,
            "last push 3 m ago; began 1 m ago",
            false,
        ),
        (
            Some(Row {
                succeeded: Some(ago(26 * 3600)),
                took,
                ..row()
            }),
            0,
            "has not come for 1 d 2 h",
            false,
        ),
        (
            Some(Row {
                failed: Some((ago(60), "disk full".to_owned())),
                took,
                ..row()
            }),
            9000,
            "failed (took 12 s): disk full",
            true,
        ),
        (
            Some(Row {
                succeeded: None,
                failed: Some((ago(60), String::new())),
                ..row()
            }),
            90,
            "failed",
            true,
        ),
        // A clock that was set back.
        (
            Some(Row {
                succeeded: Some(NOW.plus(Duration::from_secs(500))),
                ..row()
            }),
            0,
            "last push 0 s ago",
            false,
        ),
    ];
    for (row, waited, note, failed) in cases {
        let judged = judge(row.as_ref(), ago(waited), &limits(), None, NOW);
        assert_eq!((judged.note.as_str(), judged.failed), (note, failed));
    }
}

#[test]
fn a_closed_port_is_named_when_nothing_came() {
    let closed = Some("127.0.0.1:1 is taken");
    let told = |waited| judge(None, ago(waited), &limits(), closed, NOW).note;
    assert_eq!(told(60), "has not come yet, waited for 1 m");
    assert_eq!(
        told(7200),
        "has not come for 2 h; nothing can come: 127.0.0.1:1 is taken"
    );
}

#[test]
fn the_time_counts_from_the_last_success_whatever_failed_since() {
    let failed = Row {
        failed: Some((ago(1), "x".to_owned())),
        ..row()
    };
    let judged = judge(Some(&failed), ago(9999), &limits(), None, NOW);
    assert_eq!(judged.age, Duration::from_secs(180));
}
