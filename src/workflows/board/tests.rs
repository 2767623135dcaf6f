//! Cards of runs with many steps.

use super::*;
use crate::base::workflow::{Concurrency, Notify, OnCrash, OnFailure};
use std::collections::BTreeMap;

fn flow(count: usize) -> Workflow {
    let step = |number: usize| Step {
        name: format!("s{number}"),
        work: Work::Run { argv: Vec::new() },
        needs: Vec::new(),
        part_of: None,
        when: None,
        skip_if: None,
        timeout: Duration::from_secs(60),
        retry: None,
        on_failure: OnFailure::Abort,
        on_crash: OnCrash::Ask,
        undo: None,
        confirm_within: None,
        lock: None,
        cwd: None,
        env: BTreeMap::new(),
        capture: BTreeMap::new(),
    };
    Workflow {
        name: "w".to_owned(),
        params: Vec::new(),
        concurrency: Concurrency::Single,
        parallel: 2,
        max_duration: None,
        notify: Notify::default(),
        steps: (1..=count).map(step).collect(),
        always: Vec::new(),
        undo_for: Duration::ZERO,
        env: BTreeMap::new(),
        env_pass: Vec::new(),
        secrets: Vec::new(),
    }
}

fn row(state: StepState) -> StepRow {
    StepRow {
        state,
        attempt: 1,
        ending: (state == StepState::Failed).then_some(Ending::Exited(1)),
        ..StepRow::new()
    }
}

fn view<'a>(flow: &'a Workflow, rows: &'a [StepRow], printed: &'a BTreeSet<usize>) -> View<'a> {
    View {
        flow,
        rows,
        run: JobId(1),
        undoes: None,
        begun: &[],
        printed,
        now: Millis(0),
    }
}

#[test]
fn many_steps_are_counted_and_what_went_wrong_is_named() {
    use StepState::{Blocked, Done, Failed, Running, Skipped, Waiting};
    let (flow, printed) = (flow(30), BTreeSet::new());
    let mut rows: Vec<_> = [row(Done)].into_iter().cycle().take(30).collect();
    rows[2] = row(Failed);
    rows[5] = row(Skipped);
    rows[29] = row(Blocked);
    let card = last(&view(&flow, &rows, &printed), Verdict::Failed(2), None);
    let lines: Vec<&str> = card.html.lines().collect();
    assert_eq!(lines[0], "27 ok · 1 failed · 1 skipped · 1 not run");
    assert_eq!(
        lines[1], "❌ s3",
        "why stands in the first line of the card"
    );
    assert!(
        card.outcome
            .unwrap()
            .1
            .contains("failed at <b>s3</b>: exit 1")
    );
    assert_eq!(lines.len(), 2 + SHOWN_AT_LAST, "{lines:?}");
    for row in &mut rows[19..] {
        *row = StepRow::new();
    }
    rows[18] = row(Running);
    assert_eq!(rows[20].state, Waiting);
    let card = live(&view(&flow, &rows, &printed));
    let lines: Vec<&str> = card.html.lines().collect();
    assert_eq!(lines[0], "18 of 30 steps: 16 ok · 1 failed · 1 skipped");
    assert!(
        lines.contains(&"❌ s3 · exit 1") && lines.contains(&"▶️ s19"),
        "{lines:?}"
    );
    assert_eq!(lines.len(), 1 + SHOWN);
}

#[test]
fn a_card_on_which_nothing_happens_changes_once_a_minute() {
    use StepState::{Asked, Running};
    let (flow, printed) = (flow(2), BTreeSet::new());
    let shown = |rows: &[StepRow], seconds: i64| {
        let now = Millis(seconds * 1000);
        let card = live(&View {
            now,
            ..view(&flow, rows, &printed)
        });
        (card.html, card.took)
    };
    let begun = |state| StepRow {
        started_at: Some(Millis(0)),
        until: (state == Asked).then_some(Millis(3_600_000)),
        ..row(state)
    };
    let waits = [begun(Asked), StepRow::new()];
    assert!(shown(&waits, 61).0.contains("59 m left"));
    assert_eq!(shown(&waits, 61), shown(&waits, 119));
    assert_ne!(shown(&waits, 119), shown(&waits, 121));
    let works = [begun(Asked), begun(Running)];
    assert_ne!(shown(&works, 61), shown(&works, 66));
}

#[test]
fn logs_are_of_what_failed_first_and_of_nothing_that_is_mute() {
    use StepState::{Done, Failed};
    let flow = flow(12);
    let mut rows: Vec<_> = [row(Done)].into_iter().cycle().take(12).collect();
    rows[9] = row(Failed);
    let printed: BTreeSet<usize> = (0..10).filter(|seq| *seq != 7).collect();
    let card = last(&view(&flow, &rows, &printed), Verdict::Failed(9), None);
    let labels: Vec<&str> = card
        .buttons
        .iter()
        .flatten()
        .map(|one| one.label.as_str())
        .collect();
    assert_eq!(
        labels,
        [
            "Log: s10",
            "Log: s4",
            "Log: s5",
            "Log: s6",
            "Log: s7",
            "Log: s9",
            "Retry from s10"
        ]
    );
}

#[test]
fn a_call_stands_as_what_it_called() {
    use StepState::{Blocked, Done, Failed, Ignored, Running, Skipped, Stopped, Waiting};
    let mut flow = flow(4);
    for (at, part_of) in [(1, 0), (2, 0), (3, 2)] {
        flow.steps[at].part_of = Some(part_of);
    }
    for at in [0, 2] {
        flow.steps[at].work = Work::Call {
            workflow: "other".to_owned(),
            params: Vec::new(),
            given: BTreeMap::new(),
        };
    }
    let printed = BTreeSet::new();
    // The call, its step, a call of its own, and the step of that.
    for (states, first, third) in [
        ([Done, Done, Done, Done], "✅", "✅"),
        ([Done, Failed, Blocked, Blocked], "❌", "▫️"),
        ([Done, Done, Done, Failed], "❌", "❌"),
        ([Done, Done, Done, Ignored], "⚠️", "⚠️"),
        ([Done, Done, Done, Running], "▶️", "▶️"),
        ([Done, Waiting, Waiting, Waiting], "▶️", "▫️"),
        ([Done, Done, Done, Stopped], "🚫", "🚫"),
        ([Skipped, Skipped, Skipped, Skipped], "⏭", "⏭"),
    ] {
        let mut rows = states.map(row);
        if states[1] == Waiting {
            rows[1..].fill(StepRow::new());
        }
        let card = live(&view(&flow, &rows, &printed));
        let lines: Vec<&str> = card.html.lines().collect();
        assert!(lines[0].starts_with(first), "{states:?}: {lines:?}");
        assert!(lines[2].starts_with(third), "{states:?}: {lines:?}");
    }
    let mut rows = [Done, Failed, Blocked, Blocked].map(row);
    (rows[0].started_at, rows[0].ended_at) = (Some(Millis(0)), Some(Millis(5)));
    (rows[1].started_at, rows[1].ended_at) = (Some(Millis(5)), Some(Millis(7000)));
    let card = live(&View {
        now: Millis(60_000),
        ..view(&flow, &rows, &printed)
    });
    assert!(card.html.starts_with("❌ s1 7 s\n❌ s2 "), "{}", card.html);
}
