//! Steps that were cut off, and clocks that were put.

use super::*;
use std::collections::BTreeMap;

fn cut(step: &Step, row: &mut StepRow) -> bool {
    begin(step, row, Millis(1));
    interrupted(step, row, Millis(2))
}

fn with(work: Work, rule: OnCrash) -> Step {
    Step {
        on_crash: rule,
        ..step("s", work, Vec::new())
    }
}

fn hold() -> Work {
    Work::Hold {
        length: Duration::from_secs(5 * 3600),
    }
}

#[test]
fn what_may_still_be_at_work_elsewhere_is_not_begun_again() {
    use StepState::{Asked, Failed, Reverting, Running, Stranded, Up, Waiting};
    let serve = || Work::Service { argv: Vec::new() };
    let approve = Work::Approve {
        question: None,
        role: crate::base::role::Role::Admin,
        by_asker: false,
    };
    for (work, rule, state, wanted) in [
        (runs(), OnCrash::Retry, Running, Asked),
        (runs(), OnCrash::Ask, Running, Asked),
        (runs(), OnCrash::Fail, Running, Failed),
        (serve(), OnCrash::Retry, Up, Asked),
        (serve(), OnCrash::Retry, Running, Asked),
        (runs(), OnCrash::Retry, Reverting, Stranded),
        (hold(), OnCrash::Retry, Running, Running),
        (approve, OnCrash::Retry, Running, Waiting),
    ] {
        let mut row = rows(&[state]).remove(0);
        row.adrift = true;
        let asks = interrupted(&with(work.clone(), rule), &mut row, Millis(5));
        assert_eq!(row.state, wanted, "{work:?} {rule:?} {state:?}");
        assert_eq!(asks, row.state.is_asked());
        assert_eq!(row.adrift, asks, "{work:?}: it is told with the question");
    }
}

#[test]
fn what_was_begun_at_github_is_followed_until_it_is_known_to_be_over() {
    let github = |keep| Work::Github {
        repo: Template::literal("ann/site"),
        workflow: Template::literal("ci.yml"),
        branch: Template::literal("main"),
        inputs: BTreeMap::new(),
        token: "TOKEN".to_owned(),
        wait: true,
        keep,
        api: "https://api.example".to_owned(),
    };
    use StepState::{Asked, Running};
    for (keep, sent, wanted) in [
        (false, None, Asked),
        (false, Some("1000"), Running),
        // The run there was over, and the bot died before that was written: another one is begun only by the rule.
        (false, Some(""), Asked),
        (true, None, Running),
    ] {
        let mut row = rows(&[Running]).remove(0);
        let noted = sent.map(|sent| (SENT.to_owned(), sent.to_owned()));
        row.found.extend(noted);
        let asks = interrupted(&with(github(keep), OnCrash::Ask), &mut row, Millis(5));
        assert_eq!(
            (row.state, asks),
            (wanted, wanted == Asked),
            "{keep} {sent:?}"
        );
    }
}

#[test]
fn what_takes_the_bot_down_is_given_up() {
    for work in [runs(), Work::Service { argv: Vec::new() }] {
        let step = with(work, OnCrash::Retry);
        let mut row = StepRow::new();
        for _ in 1..MAX_STARTS {
            assert!(!cut(&step, &mut row));
            assert_eq!(row.state, StepState::Waiting);
        }
        assert!(!cut(&step, &mut row));
        assert_eq!(row.state, StepState::Failed);
        let why = format!("{:?}", row.ending);
        assert!(why.contains("3 times, so it is not begun again"), "{why}");
    }
    // Taking it back is counted by itself.
    let step = with(runs(), OnCrash::Retry);
    let mut row = StepRow::new();
    revert(&mut row, "taken back");
    for _ in 1..MAX_STARTS {
        assert!(!interrupted(&step, &mut row, Millis(2)));
        assert_eq!(row.state, StepState::Reverting);
    }
    assert!(!interrupted(&step, &mut row, Millis(2)));
    assert_eq!(row.state, StepState::Failed);
    let why = format!("{:?}", row.ending);
    assert!(why.contains("look after it yourself"), "{why}");
}

#[test]
fn only_deaths_under_that_very_try_are_counted() {
    let step = with(runs(), OnCrash::Retry);
    let mut row = StepRow::new();
    // Stopped in good order, as by an upgrade.
    for _ in 0..9 {
        begin(&step, &mut row, Millis(1));
        left(&mut row);
        assert!(!interrupted(&step, &mut row, Millis(2)));
        assert_eq!(row.state, StepState::Waiting);
    }
    let wait = with(hold(), OnCrash::Retry);
    let mut row = StepRow::new();
    begin(&wait, &mut row, Millis(1));
    for _ in 0..9 {
        assert!(!interrupted(&wait, &mut row, Millis(2)));
        assert_eq!(row.state, StepState::Running);
    }
    // Somebody said so each time.
    let ask = with(runs(), OnCrash::Ask);
    let mut row = StepRow::new();
    for _ in 0..9 {
        assert!(cut(&ask, &mut row));
        row.answer = Some(yes());
        assert!(answered(&ask, &mut row, Millis(3)));
        assert_eq!((row.state, row.starts), (StepState::Waiting, 0));
    }
    // While it waits for its lock, taking it back did not begin.
    let mut row = StepRow::new();
    revert(&mut row, "taken back");
    lock(&mut row, "db", Some("#9 (other)".to_owned()));
    assert!(!interrupted(&ask, &mut row, Millis(2)));
    assert_eq!(row.state, StepState::Reverting);
}

fn yes() -> Answer {
    Answer {
        said: Said::Yes,
        by: "ann".into(),
        by_id: 1,
        at: Millis(1),
        reason: None,
    }
}

#[test]
fn an_undo_that_was_cut_off_begins_again_when_somebody_says_so() {
    let step = with(runs(), OnCrash::Ask);
    for (said, wanted) in [
        (Said::Yes, StepState::Reverting),
        (Said::No, StepState::Failed),
    ] {
        let mut row = StepRow::new();
        revert(&mut row, "nobody confirmed it");
        assert!(interrupted(&step, &mut row, Millis(2)));
        assert_eq!(row.state, StepState::Stranded);
        row.answer = Some(Answer { said, ..yes() });
        assert!(answered(&step, &mut row, Millis(3)));
        assert_eq!(row.state, wanted);
    }
}

#[test]
fn taking_back_says_how_it_went_and_what_is_left_over() {
    let step = with(runs(), OnCrash::Ask);
    let why = "nobody confirmed it in time";
    let failed = format!("{why}; taking it back failed (exit 3), look after it yourself");
    let lost = format!("{why}; the bot died while it was being taken back, look after it yourself");
    for (went, words, left_over) in [
        (
            Ending::Exited(0),
            format!("{why}, so it was taken back"),
            false,
        ),
        (Ending::Exited(3), failed, true),
        (Ending::Lost, lost, true),
    ] {
        let mut row = StepRow::new();
        revert(&mut row, why);
        assert_eq!(row.ending, Some(Ending::Broken(why.to_owned())));
        reverted(&step, &mut row, &went, Millis(2));
        assert_eq!(row.ending, Some(Ending::Broken(words)));
        assert_eq!(row.left_over, left_over);
    }
}

#[test]
fn a_question_of_what_always_runs_ends_with_the_run() {
    use StepState::{Asked, Failed, Stopped};
    let mut flow = flow(
        vec![step("work", runs(), vec![])],
        vec![step("clean", runs(), vec![]), step("last", runs(), vec![])],
    );
    let asked = || {
        let mut rows = rows(&[StepState::Done, Asked, StepState::Waiting]);
        rows[0].started_at = Some(Millis(0));
        rows[1].ending = Some(Ending::Lost);
        rows
    };
    let limit = Some(Duration::from_millis(100));
    for (max, halt, now, wanted) in [
        (None, None, 999, None),
        (None, Some(Halt::Stop), 1, Some(Stopped)),
        (None, Some(Halt::Late), 1, Some(Stopped)),
        (limit, None, 99, None),
        (limit, None, 100, Some(Failed)),
    ] {
        flow.max_duration = max;
        let mut rows = asked();
        let plan = next(&flow, &rows, halt, Millis(now));
        assert!(plan.start.is_empty() && plan.over.is_none());
        assert_eq!(
            plan.withdraw.is_empty(),
            wanted.is_none(),
            "{max:?} {halt:?}"
        );
        let Some(wanted) = wanted else {
            assert_eq!(plan.wake, max.map(|max| Millis(0).plus(max)));
            continue;
        };
        withdraw(
            &flow.always[0],
            &mut rows[1],
            true,
            halt.is_some(),
            Millis(now),
        );
        assert_eq!(rows[1].state, wanted);
        assert_eq!(
            next(&flow, &rows, halt, Millis(now)).start,
            [2],
            "the rest is done"
        );
        close(&mut rows[2], StepState::Done, Millis(now));
        let verdict = match halt {
            Some(Halt::Stop) => Verdict::Stopped,
            Some(Halt::Late) => Verdict::Late,
            None => Verdict::Failed(1),
        };
        assert_eq!(next(&flow, &rows, halt, Millis(now)).over, Some(verdict));
    }
}

#[test]
fn what_is_left_stays_when_the_clock_is_put_and_is_bounded_after_a_start() {
    const DAY: i64 = 24 * 3_600_000;
    const HOLD: i64 = 5 * 3_600_000;
    let holds = with(hold(), OnCrash::Retry);
    for put in [DAY, -DAY] {
        let mut rows = vec![StepRow::new(), StepRow::new()];
        begin(&holds, &mut rows[0], Millis(DAY));
        let mut flow = flow(vec![holds.clone(), step("s", runs(), vec![0])], vec![]);
        flow.max_duration = Some(Duration::from_secs(6 * 3600));
        let late = deadline(&flow, &rows).unwrap();
        shift(&mut rows, put);
        assert_eq!(rows[0].until, Some(Millis(DAY + HOLD + put)));
        assert_eq!(deadline(&flow, &rows), Some(Millis(late.0 + put)));
        assert_eq!(rows[1], StepRow::new());
    }
    let mut row = StepRow::new();
    begin(&holds, &mut row, Millis(DAY));
    for (now, until, started) in [
        (DAY + 1, DAY + HOLD, DAY),
        (2 * DAY, DAY + HOLD, DAY),
        (0, HOLD, 0),
    ] {
        let mut row = row.clone();
        bound(&holds, &mut row, Millis(now));
        assert_eq!(
            (row.until, row.started_at),
            (Some(Millis(until)), Some(Millis(started)))
        );
    }
}
