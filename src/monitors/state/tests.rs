use super::*;
use crate::base::alert::Unit;
use proptest::prelude::{
    Just, Strategy, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest,
};
use proptest::test_runner::Config;

const SECOND: i64 = 1000;
const MINUTE: i64 = 60 * SECOND;

fn rule(hold: i64) -> Rule {
    Rule {
        limits: Limits::new(Unit::Percent, true, Some(80.0), Some(90.0)),
        hold: Duration::from_millis(hold.unsigned_abs()),
        every: Duration::from_secs(60),
    }
}

fn value(value: f64) -> Result<Seen, String> {
    Ok(Seen {
        reading: Reading {
            value: Some(value),
            unit: Unit::Percent,
            note: None,
            unreached: false,
        },
        stated: None,
    })
}

fn stated(stated: Option<Severity>) -> Result<Seen, String> {
    Ok(Seen {
        reading: Reading {
            value: None,
            unit: Unit::Number,
            note: None,
            unreached: false,
        },
        stated,
    })
}

fn gone() -> Result<Seen, String> {
    Err("it does not answer".to_owned())
}

/// What is told at each of these looks, a minute apart.
fn told(rule: &Rule, seen: &[Result<Seen, String>]) -> Vec<Option<Turn>> {
    let mut state = State::default();
    let looks = seen.iter().zip(0..);
    looks
        .map(|(seen, minute)| {
            let (next, turn) = step(
                std::mem::take(&mut state),
                rule,
                seen,
                Millis(minute * MINUTE),
            );
            state = next;
            turn
        })
        .collect()
}

const WARN: Severity = Severity::Warning;
const CRIT: Severity = Severity::Critical;

#[test]
fn what_is_told_of_which_looks() {
    let raised = |severity| Some(Turn::Raised(severity));
    let became = |severity| Some(Turn::Became(severity));
    let over = Some(Turn::Cleared);
    let of = |values: &[f64]| values.iter().map(|one| value(*one)).collect::<Vec<_>>();
    let cases = [
        (
            "all is well",
            0,
            of(&[10.0, 79.9, 10.0]),
            vec![None, None, None],
        ),
        ("at once", 0, of(&[80.0, 10.0]), vec![raised(WARN), over]),
        (
            "critical at once",
            0,
            of(&[95.0, 10.0]),
            vec![raised(CRIT), over],
        ),
        (
            "worse, better, over",
            0,
            of(&[85.0, 95.0, 85.0, 10.0]),
            vec![raised(WARN), became(CRIT), became(WARN), over],
        ),
        // 77 is where a warning ends, 87 where it is critical no more.
        (
            "held by hysteresis",
            0,
            of(&[80.0, 78.0, 77.1, 77.0]),
            vec![raised(WARN), None, None, over],
        ),
        (
            "critical held",
            0,
            of(&[90.0, 87.5, 87.0, 80.0]),
            vec![raised(CRIT), None, became(WARN), None],
        ),
        (
            "not long enough",
            2 * MINUTE,
            of(&[85.0, 85.0, 10.0, 85.0, 85.0]),
            vec![None; 5],
        ),
        (
            "long enough",
            2 * MINUTE,
            of(&[85.0, 85.0, 85.0, 85.0]),
            vec![None, None, raised(WARN), None],
        ),
        (
            "critical has to last too",
            2 * MINUTE,
            of(&[85.0, 95.0, 95.0, 95.0]),
            vec![None, None, raised(WARN), became(CRIT)],
        ),
        (
            "a dip that hysteresis holds goes on",
            2 * MINUTE,
            of(&[85.0, 78.0, 85.0]),
            vec![None, None, raised(WARN)],
        ),
        (
            "one failure is no news",
            0,
            vec![gone(), value(1.0)],
            vec![None, None],
        ),
        (
            "unreadable",
            0,
            vec![gone(), gone(), gone(), value(1.0)],
            vec![None, raised(WARN), None, over],
        ),
        (
            "unreadable has to last",
            3 * MINUTE,
            vec![gone(), gone(), gone(), gone()],
            vec![None, None, None, raised(WARN)],
        ),
        (
            "readable again and critical",
            0,
            vec![gone(), gone(), value(95.0)],
            vec![None, raised(WARN), became(CRIT)],
        ),
        (
            "unreadable does not make it better",
            0,
            vec![value(95.0), gone(), gone(), value(95.0)],
            vec![raised(CRIT), None, None, None],
        ),
        (
            "stated",
            0,
            vec![stated(Some(CRIT)), stated(Some(WARN)), stated(None)],
            vec![raised(CRIT), became(WARN), over],
        ),
    ];
    for (name, hold, seen, wanted) in cases {
        assert_eq!(told(&rule(hold), &seen), wanted, "{name}");
    }
}

#[test]
fn lower_is_worse_where_the_rule_says_so() {
    let limits = Limits::new(Unit::Seconds, false, Some(100.0), Some(50.0));
    let cases = [
        (200.0, None, None),
        (100.0, None, Some(WARN)),
        (105.0, Some(WARN), Some(WARN)),
        (110.0, Some(WARN), None),
        (50.0, None, Some(CRIT)),
        (54.0, Some(CRIT), Some(CRIT)),
        (55.0, Some(CRIT), Some(WARN)),
    ];
    for (value, held, wanted) in cases {
        assert_eq!(limits.judge(value, held), wanted, "{value} after {held:?}");
    }
}

#[test]
fn what_flaps_is_told_once_and_again_when_it_is_calm() {
    let rule = rule(0);
    let up_and_down: Vec<_> = (0..40)
        .map(|n| value(if n % 2 == 0 { 85.0 } else { 10.0 }))
        .collect();
    let turns = told(&rule, &up_and_down);
    let news: Vec<_> = turns.iter().flatten().collect();
    assert_eq!(news.len(), 2 * RISES - 1, "{news:?}");
    assert_eq!(news.last(), Some(&&Turn::Raised(WARN)));
    // Calm begins with the last change; it is over 15 minutes later.
    let mut seen = up_and_down;
    seen.extend((0..20).map(|_| value(10.0)));
    let turns = told(&rule, &seen);
    assert_eq!(turns.iter().flatten().last(), Some(&Turn::Cleared));
    assert_eq!(turns.iter().rposition(Option::is_some), Some(39 + 15));
    // What becomes critical meanwhile is news, once.
    let mut seen: Vec<_> = (0..12)
        .map(|n| value(if n % 2 == 0 { 85.0 } else { 10.0 }))
        .collect();
    seen.extend([value(95.0), value(10.0), value(95.0), value(10.0)]);
    let news: Vec<_> = told(&rule, &seen).into_iter().flatten().collect();
    assert_eq!(news.last(), Some(&Turn::Became(CRIT)));
    assert_eq!(news.len(), 2 * RISES);
}

#[test]
fn from_bad_to_worse_is_one_rise() {
    let looks = |values: &[f64]| -> Vec<_> {
        let all = values.repeat(RISES);
        all.into_iter().map(value).collect()
    };
    let flaps = |seen: &[Result<Seen, String>]| {
        let rule = rule(0);
        let one = |state, (seen, minute)| step(state, &rule, seen, Millis(minute * MINUTE)).0;
        let state = seen.iter().zip(0..).fold(State::default(), one);
        state.is_flapping()
    };
    let up_and_over = looks(&[85.0, 95.0, 10.0]);
    assert!(!flaps(&up_and_over[..3 * (RISES - 1)]), "too early");
    assert!(flaps(&up_and_over));
    let up_and_down = looks(&[85.0, 95.0]);
    assert!(!flaps(&up_and_down[..2 * (RISES - 1)]), "too early");
    assert!(flaps(&up_and_down));
}

#[test]
fn a_clock_that_is_set_back_tells_nothing_twice_and_loses_nothing() {
    let rule = rule(2 * MINUTE);
    let mut state = State::default();
    let mut turns = Vec::new();
    // Bad all the time; after two looks the clock goes back by a day, and later forward by a week.
    let day = 24 * 60 * MINUTE;
    let times = [
        day,
        day + MINUTE,
        0,
        MINUTE,
        2 * MINUTE,
        7 * day,
        7 * day + MINUTE,
    ];
    for at in times {
        let (next, turn) = step(state, &rule, &value(85.0), Millis(at));
        state = next;
        turns.push(turn);
    }
    let raised = Some(Turn::Raised(WARN));
    assert_eq!(turns, [None, None, None, None, raised, None, None]);
    // Long enough only by a jump of the clock is not long enough.
    let mut state = step(State::default(), &rule, &value(85.0), Millis(0)).0;
    for at in [day, day + MINUTE] {
        let (next, turn) = step(state, &rule, &value(85.0), Millis(at));
        assert_eq!(turn, None, "{at}");
        state = next;
    }
    assert_eq!(
        step(state, &rule, &value(85.0), Millis(day + 2 * MINUTE)).1,
        raised
    );
}

#[test]
fn what_nobody_looked_at_is_stale() {
    let rule = rule(0);
    let state = State::default();
    assert_eq!(state.standing(&rule, Millis(0)), Standing::New);
    let (state, _) = step(state, &rule, &value(85.0), Millis(0));
    assert_eq!(
        state.standing(&rule, Millis(MINUTE)),
        Standing::Firing(WARN)
    );
    assert_eq!(state.standing(&rule, Millis(11 * MINUTE)), Standing::Stale);
    let (state, _) = step(state, &rule, &gone(), Millis(12 * MINUTE));
    assert_eq!(
        state.standing(&rule, Millis(12 * MINUTE)),
        Standing::Unreadable
    );
    let (state, turn) = state.ended();
    assert_eq!((state, turn), (State::default(), Some(Turn::Cleared)));
}

fn looks() -> impl Strategy<Value = Vec<(Result<Seen, String>, i64, bool)>> {
    let seen = prop_oneof![
        6 => (0.0..100.0).prop_map(value),
        2 => prop::sample::select(vec![None, Some(WARN), Some(CRIT)]).prop_map(stated),
        1 => Just(gone()),
    ];
    let pause = prop_oneof![
        8 => Just(MINUTE),
        2 => 0..5 * MINUTE,
        1 => -600 * MINUTE..0,
        1 => 0..600 * MINUTE,
    ];
    prop::collection::vec((seen, pause, any::<bool>()), 1..200)
}

proptest! {
    #![proptest_config(Config::with_cases(1000))]

    /// Whatever is seen when, and wherever the program is started anew: raised and cleared alternate, what it became
    /// differs from what it was, what is told is what the state holds, and in the end all is told.
    #[test]
    fn raised_and_cleared_alternate(seen in looks(), hold in prop::sample::select(vec![0, MINUTE, 10 * MINUTE])) {
        let rule = rule(hold);
        let mut state = State::default();
        let mut now = Millis(1_000_000 * MINUTE);
        let mut told = None;
        let mut follow = |state: &mut State, seen: &Result<Seen, String>, now| {
            let (next, turn) = step(std::mem::take(state), &rule, seen, now);
            match (told, turn) {
                (None, Some(Turn::Raised(severity))) => told = Some(severity),
                (Some(before), Some(Turn::Became(severity))) => {
                    prop_assert!(before != severity);
                    told = Some(severity);
                }
                (Some(_), Some(Turn::Cleared)) => told = None,
                (_, None) => {}
                (_, Some(turn)) => prop_assert!(false, "{turn:?} while {told:?}"),
            }
            prop_assert_eq!(next.firing(), told);
            prop_assert_eq!(next.since().is_some() || told.is_none(), true);
            *state = next;
            Ok(())
        };
        for (seen, pause, restart) in seen {
            now = Millis(now.0 + pause);
            follow(&mut state, &seen, now)?;
            if restart {
                let text = serde_json::to_string(&state).unwrap();
                state = serde_json::from_str(&text).unwrap();
            }
        }
        for bad in [true, false] {
            for _ in 0..60 {
                now = now.plus(Duration::from_secs(60));
                follow(&mut state, &value(if bad { 95.0 } else { 1.0 }), now)?;
            }
            prop_assert_eq!(state.firing(), bad.then_some(CRIT));
        }
    }

    /// A start anew between any two looks changes nothing of what is told.
    #[test]
    fn a_restart_changes_nothing(seen in looks()) {
        let rule = rule(2 * MINUTE);
        let (mut one, mut other) = (State::default(), State::default());
        let mut now = Millis(1_000_000 * MINUTE);
        for (seen, pause, restart) in seen {
            now = Millis(now.0 + pause);
            let (next, turn) = step(one, &rule, &seen, now);
            one = next;
            if restart {
                other = serde_json::from_str(&serde_json::to_string(&other).unwrap()).unwrap();
            }
            let (next, same) = step(other, &rule, &seen, now);
            other = next;
            prop_assert_eq!(turn, same);
            prop_assert_eq!(&one, &other);
        }
    }
}
