//! What a monitor does is this table; and however GitHub errs and delays, two runs never go at once.

use super::*;
use crate::drivers::github::Run;
use proptest::prelude::{any, prop, prop_assert, prop_assert_ne, proptest};

const NOW: Millis = Millis(1_000_000_000);

fn run(id: u64) -> Run {
    Run {
        id,
        status: "queued".to_owned(),
        created: NOW,
        ..Run::default()
    }
}

fn goes(id: u64) -> Own {
    runs(id, NOW, true)
}

fn listed(ids: &[u64]) -> Result<Active, Unknown> {
    Ok(Active {
        runs: ids.iter().map(|id| run(*id)).collect(),
        complete: true,
        ahead: 0,
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
        ahead: 0,
    });
    let none = Known::default();
    let own = |own| Known {
        own,
        ..Known::default()
    };
    let failed = |failures, at| Known {
        own: Own::None,
        failed: Some((failures, at)),
        gone_since: None,
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
        (own(Own::Sent(NOW)), listed(&[]), Step::Wait(after(10))),
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
            Step::Wait(after(10)),
        ),
        (own(Own::Sent(after(9000))), listed(&[]), Step::Dispatch),
        (own(goes(7)), listed(&[]), Step::Wait(after(10))),
        (own(goes(7)), listed(&[7]), Step::Nothing),
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
        let own = [Own::None, Own::Sent(Millis(at)), goes(1)][own];
        let known = Known { own, failed: failed.map(|(failures, at)| (failures, Millis(at))), gone_since: None };
        let step = monitor_step(&known, &unknown(until.map(Millis)), Millis(now));
        prop_assert!(matches!(step, Step::Wait(_)), "{step:?}");
        let some = Active { runs: vec![run(1)], complete: false, ahead: 0 };
        prop_assert_ne!(monitor_step(&known, &Ok(some), Millis(now)), Step::Dispatch);
        let partly = Active { runs: Vec::new(), complete: false, ahead: 0 };
        prop_assert_ne!(monitor_step(&known, &Ok(partly), Millis(now)), Step::Dispatch);
    }

    /// Each look is ten seconds after the last; the list errs, or lies and shows nothing. For each dispatch: whether it begins
    /// a run, whether its answer says so, after how long it is shown (anywhere), how long it lasts, whether it ends well, and
    /// whether its id is told. Somebody else begins none.
    #[test]
    fn two_runs_never_go_at_once(
        lists in prop::collection::vec(0u8..4, 300),
        sent in prop::collection::vec((any::<bool>(), any::<bool>(), 0u64..12, 1u64..60, any::<bool>(), any::<bool>()), 300),
    ) {
        let mut known = Known::default();
        // When each begins, is shown, and ends; and whether it ends well.
        let mut begun: Vec<(u64, u64, u64, bool)> = Vec::new();
        let mut not_before = NOW;
        for tick in 0..300u64 {
            let now = after(tick * 10);
            if now < not_before {
                continue;
            }
            let told = |id: u64| {
                let (began, _, end, good) = begun[usize::try_from(id).unwrap()];
                let conclusion = (end <= tick).then(|| if good { "success" } else { "failure" }.to_owned());
                let event = "workflow_dispatch".to_owned();
                Run { conclusion, event, created: after(began * 10), ..run(id) }
            };
            let active = match lists[usize::try_from(tick).unwrap()] {
                0 => unknown(None),
                // Of a run that nobody saw yet, nobody could know.
                1 if !matches!(known.own, Own::Sent(_)) => listed(&[]),
                _ => {
                    let shown = begun.iter().zip(0..).filter(|((_, shown, end, _), _)| (*shown..*end).contains(&tick));
                    let runs = shown.map(|(_, id)| told(id)).collect();
                    Ok(Active { runs, complete: true, ahead: 0 })
                }
            };
            let missing = known.missing(&active).map(|id| {
                let (_, shown, ..) = begun[usize::try_from(id).unwrap()];
                Ok((shown <= tick).then(|| told(id)))
            });
            let (_, step) = known.takes(&active, missing.as_ref(), now);
            match step {
                Step::Nothing => {}
                Step::Wait(until) => {
                    prop_assert!(until > now);
                    not_before = until;
                }
                Step::Dispatch => {
                    let (begins, is_told, shown, length, good, is_found) = sent[begun.len()];
                    known.own = Own::Sent(now);
                    let going = begun.iter().filter(|(_, _, end, _)| *end > tick).count();
                    prop_assert!(going == 0, "a second run at {tick}");
                    let length = if begins { length } else { 0 };
                    begun.push((tick, tick + shown, tick + length, good));
                    if !begins && is_told {
                        known.own = Own::None;
                        known.fails(now);
                    } else if begins && is_found {
                        known.own = Own::Runs { id: begun.len() as u64 - 1, since: now, sure: true, seen: false };
                    }
                }
            }
        }
        prop_assert!(!begun.is_empty() || lists.iter().filter(|list| **list > 0).count() < 100);
    }
}

/// A run of a dispatch, begun at this second.
fn dispatched(id: u64, second: u64) -> Run {
    Run {
        event: "workflow_dispatch".to_owned(),
        created: after(second),
        ..run(id)
    }
}

#[test]
fn a_run_that_goes_is_over_only_when_github_says_so_of_it() {
    let none = listed(&[]);
    let mut known = Known {
        own: Own::Runs {
            id: 7,
            since: NOW,
            sure: true,
            seen: false,
        },
        ..Known::default()
    };
    assert_eq!(known.missing(&none), Some(7));
    assert_eq!(known.missing(&listed(&[7])), None);
    let gone = Ok(None);
    // Not shown yet, not known, listed without it: it goes.
    for missing in [Some(&gone), Some(&Err(unknown(None).unwrap_err())), None] {
        let (news, step) = known.takes(&none, missing, after(60));
        assert_eq!((news, step), (vec![], Step::Wait(after(70))));
    }
    let shown = dispatched(7, 1);
    let (news, _) = known.takes(&none, Some(&Ok(Some(shown.clone()))), after(70));
    assert_eq!(news, [News::Found(shown.clone())]);
    // Deleted: GitHub says so for a while, and meanwhile shows the list.
    let mut deleted = known.clone();
    for (list, second, again) in [
        (unknown(None), 400, 430),
        (none.clone(), 500, 510),
        (unknown(None), 510, 570),
        (none.clone(), 619, 629),
    ] {
        let (news, step) = deleted.takes(&list, Some(&gone), after(second));
        assert_eq!((news, step), (vec![], Step::Wait(after(again))), "{second}");
    }
    let mut shown_again = deleted.clone();
    assert_eq!(
        shown_again
            .takes(&none, Some(&Ok(Some(shown.clone()))), after(620))
            .0,
        []
    );
    assert_eq!(
        shown_again.takes(&none, Some(&gone), after(621)).0,
        [],
        "it counts anew"
    );
    let (news, step) = deleted.takes(&none, Some(&gone), after(620));
    assert_eq!((news, step), (vec![News::Over(7, None)], Step::Dispatch));
    let over = Run {
        conclusion: Some("failure".to_owned()),
        ..shown
    };
    let (news, step) = known.takes(&none, Some(&Ok(Some(over))), after(100));
    assert_eq!(news, [News::Over(7, Some("failure".to_owned()))]);
    assert_eq!(step, Step::Wait(after(130)), "it ended in vain");
}

#[test]
fn the_run_of_a_dispatch_is_found_in_the_list() {
    let sent = Known {
        own: Own::Sent(NOW),
        ..Known::default()
    };
    let list = |runs| {
        Ok(Active {
            runs,
            complete: true,
            ahead: 0,
        })
    };
    // By hand of somebody, from before, and by a push: none of them is it, and yet nothing is begun.
    let push = Run {
        event: "push".to_owned(),
        ..dispatched(3, 2)
    };
    let mut known = sent.clone();
    let old = Run {
        created: before(61),
        ..dispatched(2, 0)
    };
    let (news, step) = known.takes(&list(vec![push, old.clone()]), None, after(5));
    assert_eq!((news, step), (vec![], Step::Nothing));
    // When its time to be shown is over, what goes is what goes.
    let (news, _) = known.takes(&list(vec![old.clone()]), None, after(121));
    assert_eq!(news, [News::Goes(old)]);
    // One that fits, and is over soon: perhaps the right one is still to be shown.
    let mut known = sent;
    let fits = dispatched(4, 2);
    let (news, _) = known.takes(&list(vec![fits.clone()]), None, after(5));
    assert_eq!(news, [News::Found(fits.clone())]);
    let over = Run {
        conclusion: Some("success".to_owned()),
        ..fits
    };
    let (_, step) = known.takes(&listed(&[]), Some(&Ok(Some(over))), after(30));
    assert_eq!((known.own, step), (Own::Sent(NOW), Step::Wait(after(40))));
}
