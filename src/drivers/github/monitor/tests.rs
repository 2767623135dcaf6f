//! What a monitor does is this table; and however GitHub errs and delays, two runs never go at once.

use super::*;
use crate::drivers::github::Run;
use proptest::prelude::{any, prop, prop_assert, prop_assert_ne, proptest};

const NOW: Millis = Millis(1_000_000_000);

fn run(id: u64) -> Run {
    Run {
        id,
        status: "queued".to_owned(),
        conclusion: None,
        link: None,
        created: NOW,
        event: String::new(),
        branch: None,
        title: String::new(),
    }
}

fn listed(ids: &[u64]) -> Result<Active, Unknown> {
    Ok(Active {
        runs: ids.iter().map(|id| run(*id)).collect(),
        complete: true,
    })
}

fn unknown(until: Option<Millis>) -> Result<Active, Unknown> {
    Err(Unknown {
        why: "GitHub answered with 500.".to_owned(),
        until,
    })
}

fn after(seconds: u64) -> Millis {
    NOW.plus(Duration::from_secs(seconds))
}

fn before(seconds: u64) -> Millis {
    NOW.minus(Duration::from_secs(seconds))
}

#[test]
fn the_next_step_is_exactly_this_table() {
    let partly = Ok(Active {
        runs: Vec::new(),
        complete: false,
    });
    let none = Known::default();
    let own = |own| Known { own, failed: None };
    let failed = |failures, at| Known {
        own: Own::None,
        failed: Some((failures, at)),
    };
    let table = [
        (none.clone(), listed(&[]), Step::Dispatch),
        (none.clone(), listed(&[1]), Step::Nothing),
        (none.clone(), partly, Step::Wait(after(10))),
        (none.clone(), unknown(None), Step::Wait(after(30))),
        (
            none.clone(),
            unknown(Some(after(300))),
            Step::Wait(after(300)),
        ),
        (none, unknown(Some(after(1))), Step::Wait(after(30))),
        (failed(3, NOW), unknown(None), Step::Wait(after(120))),
        (failed(2, before(59)), listed(&[]), Step::Wait(after(1))),
        (failed(2, before(60)), listed(&[]), Step::Dispatch),
        (failed(2, before(1)), listed(&[1]), Step::Nothing),
        (own(Own::Sent(NOW)), listed(&[]), Step::Wait(after(120))),
        (
            own(Own::Sent(before(119))),
            listed(&[]),
            Step::Wait(after(1)),
        ),
        (own(Own::Sent(before(120))), listed(&[]), Step::Dispatch),
        (own(Own::Sent(NOW)), listed(&[1]), Step::Nothing),
        (
            own(Own::Sent(before(500))),
            unknown(None),
            Step::Wait(after(30)),
        ),
        // A clock that was a little ahead, and one that was wrong.
        (
            own(Own::Sent(after(60))),
            listed(&[]),
            Step::Wait(after(180)),
        ),
        (own(Own::Sent(after(9000))), listed(&[]), Step::Dispatch),
        (own(Own::Runs(7)), listed(&[]), Step::Wait(after(10))),
        (own(Own::Runs(7)), listed(&[7]), Step::Nothing),
    ];
    for (known, active, step) in table {
        assert_eq!(
            monitor_step(&known, &active, NOW),
            step,
            "{known:?} {active:?}"
        );
    }
    let mut known = Known::default();
    known.fails(before(9));
    known.fails(NOW);
    assert_eq!(known.failed, Some((2, NOW)));
}

proptest! {
    #[test]
    fn an_error_never_dispatches(
        own in 0usize..3, at in any::<i64>(), failed in prop::option::of((any::<u32>(), any::<i64>())),
        until in prop::option::of(any::<i64>()), now in any::<i64>(),
    ) {
        let own = [Own::None, Own::Sent(Millis(at)), Own::Runs(1)][own];
        let known = Known { own, failed: failed.map(|(failures, at)| (failures, Millis(at))) };
        let step = monitor_step(&known, &unknown(until.map(Millis)), Millis(now));
        prop_assert!(matches!(step, Step::Wait(_)), "{step:?}");
        let some = Active { runs: vec![run(1)], complete: false };
        prop_assert_ne!(monitor_step(&known, &Ok(some), Millis(now)), Step::Dispatch);
        let partly = Active { runs: Vec::new(), complete: false };
        prop_assert_ne!(monitor_step(&known, &Ok(partly), Millis(now)), Step::Dispatch);
    }

    /// Each look is ten seconds after the last. For each dispatch: whether it begins a run, whether its answer says so, after
    /// how long it is shown, how long it lasts, and whether its id is found.
    #[test]
    fn two_runs_never_go_at_once(
        errs in prop::collection::vec(any::<bool>(), 300),
        sent in prop::collection::vec((any::<bool>(), any::<bool>(), 0u64..12, 1u64..60, any::<bool>()), 300),
    ) {
        let mut known = Known::default();
        // When each begins, is shown, and ends.
        let mut runs: Vec<(u64, u64, u64)> = Vec::new();
        let mut not_before = NOW;
        for tick in 0..300u64 {
            let now = after(tick * 10);
            if let Own::Runs(id) = known.own && runs[id as usize].2 <= tick {
                known.own = Own::None;
            }
            if now < not_before {
                continue;
            }
            let active = match errs[tick as usize] {
                true => unknown(None),
                false => {
                    let shown = runs.iter().zip(0..).filter(|((_, shown, end), _)| (*shown..*end).contains(&tick));
                    listed(&shown.map(|(_, id)| id).collect::<Vec<u64>>())
                }
            };
            match monitor_step(&known, &active, now) {
                Step::Nothing => {}
                Step::Wait(until) => {
                    prop_assert!(until > now);
                    not_before = until;
                }
                Step::Dispatch => {
                    let (begins, is_told, shown, length, is_found) = sent[runs.len()];
                    known.own = Own::Sent(now);
                    let going = runs.iter().filter(|(_, _, end)| *end > tick).count();
                    prop_assert!(going == 0, "a second run at {tick}");
                    let length = if begins { length } else { 0 };
                    runs.push((tick, tick + shown, tick + length));
                    if !begins && is_told {
                        known.own = Own::None;
                        known.fails(now);
                    } else if begins && is_found {
                        known.own = Own::Runs(runs.len() as u64 - 1);
                    }
                }
            }
        }
        prop_assert!(!runs.is_empty() || errs.iter().filter(|err| !**err).count() < 100);
    }
}
