//! What the messages say.

use super::*;
use crate::base::ids::{ChatId, MessageId};
use crate::base::job::{AfterCrash, Ending, JobState, OutputMode};
use crate::base::workflow::Answer;
use crate::delivery::Body;
use crate::store::jobs::NewRow;

fn job() -> Job {
    let new = NewRow {
        kind: "workflow".to_owned(),
        payload: String::new(),
        title: "w".to_owned(),
        role: Role::Operator,
        asker: UserId(222),
        asker_name: "ben".to_owned(),
        place: Place {
            chat: ChatId(222),
            thread: None,
        },
        reply_to: Some(MessageId(1)),
        source: String::new(),
        retry_of: None,
        request_id: String::new(),
        lane: String::new(),
        lane_limit: 1,
        user_limit: 4,
        after_crash: AfterCrash::Report,
        output: OutputMode::Card,
        created_at: Millis(1),
        telling: None,
        lock: None,
        undo: None,
    };
    Job {
        id: JobId(5),
        new,
        state: JobState::Running,
        started_at: None,
        finished_at: None,
        starts: 1,
        exit_code: None,
        signal: None,
        reason: None,
        ended_by: None,
        log_bytes: 0,
        claimed_by: None,
        cancel_by: None,
    }
}

fn html(message: &Outgoing) -> &str {
    match &message.body {
        Body::Text { html, .. } => html,
        other => panic!("no text: {other:?}"),
    }
}

fn put() -> Step {
    let work = Work::Run { argv: Vec::new() };
    Step {
        confirm_within: Some(Duration::from_secs(600)),
        ..Step::new("put", work, Duration::from_secs(60))
    }
}

fn row(state: StepState) -> StepRow {
    StepRow {
        state,
        ..StepRow::new()
    }
}

#[test]
fn a_question_says_how_long_there_is_left() {
    let values = Values::default();
    for (state, until, says) in [
        (StepState::Confirming, 180_000, "confirms within 3 m that"),
        (StepState::Confirming, 900, "confirms at once that"),
        (StepState::Asked, 180_000, "answers within 3 m, it is"),
    ] {
        let row = StepRow {
            until: Some(Millis(1000 + until)),
            ..row(state)
        };
        let asked = message(&job(), &put(), 0, &row, &values, Millis(1000));
        let html = html(&asked);
        assert!(html.contains(says), "{html}");
    }
}

#[test]
fn a_question_that_was_prolonged_says_until_when() {
    let (until, now) = (Millis(61_000), Millis(1000));
    for (state, says) in [
        (StepState::Confirming, "confirms by "),
        (StepState::Asked, "answers by "),
    ] {
        let row = StepRow {
            until: Some(until),
            starts: 1,
            ending: Some(Ending::Lost),
            ..row(state)
        };
        let asked = message(&job(), &put(), 0, &row, &Values::default(), now);
        let by = format!("{says}{}", Zone::Machine.clock(until, now));
        assert!(html(&asked).contains(&by), "{asked:?}");
    }
}

#[test]
fn a_step_that_takes_another_run_back_says_so_when_it_was_cut_off() {
    let mut undoing = job();
    undoing.new.source = "undo:4".to_owned();
    for adrift in [false, true] {
        let row = StepRow {
            adrift,
            ending: Some(Ending::Lost),
            ..row(StepState::Asked)
        };
        let asked = message(&undoing, &put(), 0, &row, &Values::default(), Millis(1));
        assert!(
            html(&asked).contains("of #4 was being taken back"),
            "{asked:?}"
        );
    }
}

#[test]
fn what_is_being_taken_back_does_not_read_as_done() {
    for (state, said, says) in [
        (
            StepState::Confirming,
            Said::Yes,
            "✅ <b>w</b> · #5 · put\nKept by ann",
        ),
        (
            StepState::Confirming,
            Said::No,
            "↩️ <b>w</b> · #5 · put\nBeing taken back by ann",
        ),
        (
            StepState::Stranded,
            Said::Yes,
            "↩️ <b>w</b> · #5 · put\nBeing taken back again by ann",
        ),
        (
            StepState::Stranded,
            Said::No,
            "🚫 <b>w</b> · #5 · put\nLeft as it is by ann",
        ),
    ] {
        let answer = Answer {
            said,
            by: "ann".to_owned(),
            by_id: 1,
            at: Millis(1),
            reason: None,
        };
        let before = StepRow {
            answer: Some(answer),
            ending: Some(Ending::Exited(0)),
            ..row(state)
        };
        let told = settled(&job(), &put(), 0, &before, &before, &Values::default());
        let html = html(&told);
        assert_eq!(html, says);
    }
}

#[test]
fn only_who_can_be_reached_by_pressing_start_is_promised_to_be_asked() {
    let named = |names: &[&str]| {
        names
            .iter()
            .map(|one| (*one).to_owned())
            .collect::<Vec<_>>()
    };
    let lost = "My question to cleo was not sent; admins see more with /outbox.";
    for (asked, missed, gone, says, silent) in [
        (
            &["ann"][..],
            &[][..],
            &["cleo"][..],
            vec!["I ask in private: ann.", lost],
            "Start",
        ),
        (
            &[],
            &["ann"],
            &["cleo"],
            vec!["I cannot write to ann yet.", "press Start.", lost],
            "Nobody",
        ),
        (
            &[],
            &[],
            &["cleo"],
            vec![lost, "/workflow approve 5 in our private chat"],
            "Start",
        ),
        (
            &[],
            &["ann"],
            &[],
            vec!["Nobody is asked yet: I cannot write to ann."],
            "outbox",
        ),
        (
            &[],
            &[],
            &[],
            vec!["Nobody is asked: I know nobody who may."],
            "outbox",
        ),
    ] {
        let terms = Terms {
            asked: named(asked),
            missed: named(missed),
            lost: named(gone),
            ..Terms::default()
        };
        let told = asked_elsewhere(&job(), &terms);
        assert!(says.iter().all(|words| told.contains(words)), "{told}");
        assert!(!told.contains(silent), "{told}");
    }
}
