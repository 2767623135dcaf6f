//! Why a value that a step wants is not there: what became of the step that was to find it.

use super::board;
use super::plan::step;
use crate::base::workflow::{Source, Step, StepRow, StepState, Values, Workflow};

/// The values that this step wants of others and that are not there, each with the reason.
pub(super) fn of(
    flow: &Workflow,
    rows: &[StepRow],
    wanting: &Step,
    values: &Values,
) -> Vec<(Source, String)> {
    let why = |source: Source| {
        let (Source::Step(name, value), None) = (&source, values.get(&source)) else {
            return None;
        };
        let mut both = rows.iter().enumerate();
        let why = both.find_map(|(seq, row)| {
            let finder = step(flow, seq).filter(|finder| finder.name == *name)?;
            Some(why(finder, row, value))
        });
        Some((source.clone(), why?))
    };
    wanting.sources().into_iter().filter_map(why).collect()
}

/// Why this step has no such value, as it stands.
fn why(finder: &Step, row: &StepRow, value: &str) -> String {
    let name = &finder.name;
    let secret = finder.capture.get(value).is_some_and(|one| one.secret);
    match row.state {
        StepState::Skipped => format!("{name} was skipped"),
        StepState::Ignored | StepState::Failed => match &row.ending {
            Some(how) => {
                let how = board::words(how, Some(finder));
                format!("{name} failed ({})", how.trim_end_matches('.'))
            }
            None => format!("{name} failed"),
        },
        StepState::Blocked => format!("{name} never ran"),
        StepState::Stopped => format!("{name} was stopped"),
        StepState::Up | StepState::Done if secret => format!(
            "it is secret and kept in memory alone, and the bot was restarted after {name} found it"
        ),
        StepState::Up | StepState::Done => format!(
            "{name} did not find it, or found it with a secret in it, and the bot was restarted since"
        ),
        StepState::Waiting
        | StepState::Running
        | StepState::Asked
        | StepState::Confirming
        | StepState::Reverting
        | StepState::Stranded => format!("{name} has not found it yet"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::job::Ending;
    use crate::base::workflow::{Capture, Template, Work};
    use std::time::Duration;

    fn named(name: &str, argument: &str) -> Step {
        let argv = vec![Template::parse(argument).unwrap()];
        Step::new(name, Work::Run { argv }, Duration::from_secs(60))
    }

    #[test]
    fn the_reason_is_what_became_of_the_step() {
        let (mut finder, wanting) = (named("a", "x"), named("b", "{{ steps.a.v }}"));
        let capture = Capture {
            pattern: "x".into(),
            within: None,
            secret: true,
        };
        finder.capture.insert("secret".into(), capture);
        let flow = Workflow::new("w", vec![finder.clone(), wanting.clone()]);
        let told = |state: StepState, ending: Option<Ending>| {
            let mut rows = vec![StepRow::new(); 2];
            (rows[0].state, rows[0].ending) = (state, ending);
            of(&flow, &rows, &wanting, &Values::default())
        };
        let source = Source::Step("a".into(), "v".into());
        let broken = Ending::Broken("it did not print v".into());
        for (state, ending, why) in [
            (StepState::Skipped, None, "a was skipped"),
            (
                StepState::Ignored,
                Some(Ending::Exited(3)),
                "a failed (exit 3)",
            ),
            (
                StepState::Ignored,
                Some(broken),
                "a failed (it did not print v)",
            ),
            (StepState::Failed, None, "a failed"),
            (StepState::Blocked, None, "a never ran"),
            (
                StepState::Done,
                None,
                "a did not find it, or found it with a secret in it, and the bot was restarted since",
            ),
        ] {
            assert_eq!(told(state, ending), [(source.clone(), why.to_owned())]);
        }
        let mut row = StepRow::new();
        row.state = StepState::Done;
        let lost = why(&finder, &row, "secret");
        assert!(
            lost.contains("the bot was restarted after a found it"),
            "{lost}"
        );
    }

    #[test]
    fn what_is_there_needs_no_reason() {
        let wanting = named("b", "{{ steps.a.v }} {{ params.p }}");
        let flow = Workflow::new("w", vec![named("a", "x"), wanting.clone()]);
        let mut values = Values::default();
        values.set(Source::Step("a".into(), "v".into()), "1");
        let rows = vec![StepRow::new(); 2];
        assert_eq!(of(&flow, &rows, &wanting, &values), []);
    }
}
