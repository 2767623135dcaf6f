//! How checks stand that no incident tells of: what is bad for too short a time yet, could not be read, or is not looked at.

use super::{amount, mark};
use crate::base::alert::Severity;
use crate::base::text::{escape, shorten};
use crate::base::time::{Millis, human};
use crate::chat::commands::jobs::clock;
use crate::monitors::board::Shown;
use crate::monitors::state::Standing;
use crate::store::incidents::Incident;

/// Checks that are named.
const NAMED: usize = 20;
/// The most that a reason takes, in UTF-16 units.
const WHY: usize = 80;

/// What is said of the checks beside what is wrong, a line each.
#[must_use]
pub fn lines(all: &[Shown], open: &[Incident], watched: usize, now: Millis) -> Vec<String> {
    if let Some(words) = nobody_looked(all, watched) {
        return vec![words];
    }
    let odd: Vec<String> = odd(all, open, now)
        .filter_map(|(check, how)| line(check, how, now))
        .collect();
    let more = odd.len().saturating_sub(NAMED);
    let mut lines: Vec<String> = odd.into_iter().take(NAMED).collect();
    if more > 0 {
        lines.push(format!("… and {more} more checks like these"));
    }
    lines
}

/// The same in one line; `None` when there is nothing to say.
#[must_use]
pub fn summary(all: &[Shown], open: &[Incident], watched: usize, now: Millis) -> Option<String> {
    if let Some(words) = nobody_looked(all, watched) {
        return Some(words);
    }
    let [mut pending, mut unread, mut stale] = [0_usize; 3];
    for (check, how) in odd(all, open, now) {
        match how {
            Standing::Pending(_) => pending += 1,
            Standing::Unreadable => unread += 1,
            Standing::Stale => stale += 1,
            Standing::New if check.locked => stale += 1,
            Standing::New | Standing::Good | Standing::Firing(_) => {}
        }
    }
    let parts: Vec<String> = [
        (stale, "not looked at"),
        (unread, "could not be read"),
        (pending, "beyond the limit, but not for long yet"),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, words)| format!("{count} {words}"))
    .collect();
    let sign = if stale + unread > 0 { "⚪" } else { "🟡" };
    (!parts.is_empty()).then(|| format!("{sign} Checks: {}: /alerts", parts.join("; ")))
}

/// Whether that nothing is wrong cannot be said, since some check does not know.
#[must_use]
pub fn is_blind(all: &[Shown], watched: usize, now: Millis) -> bool {
    nobody_looked(all, watched).is_some()
        || all.iter().any(|check| match check.standing(now) {
            Standing::Unreadable | Standing::Stale => true,
            Standing::New => check.locked,
            Standing::Good | Standing::Pending(_) | Standing::Firing(_) => false,
        })
}

fn nobody_looked(all: &[Shown], watched: usize) -> Option<String> {
    (all.is_empty() && watched > 0).then(|| "⚪ The checks have not been looked at yet.".to_owned())
}

/// The checks with how they stand, without what an open incident says of them already.
fn odd<'a>(
    all: &'a [Shown],
    open: &'a [Incident],
    now: Millis,
) -> impl Iterator<Item = (&'a Shown, Standing)> {
    all.iter().filter_map(move |check| {
        let how = check.standing(now);
        let said = how == Standing::Unreadable
            && open
                .iter()
                .any(|one| one.check == check.check.as_str() && one.unread);
        (!said).then_some((check, how))
    })
}

fn line(check: &Shown, how: Standing, now: Millis) -> Option<String> {
    let name = escape(check.check.as_str());
    let at = |since: Option<Millis>| since.map_or_else(String::new, |at| clock(at, now));
    let lock = match check.locked {
        true => "; its lock is held",
        false => "",
    };
    Some(match how {
        Standing::Good | Standing::Firing(_) => return None,
        Standing::New if check.locked => {
            format!("⚪ <b>{name}</b> · not looked at yet{lock}")
        }
        Standing::New => return None,
        Standing::Stale => {
            let since = at(check.state.looked_at());
            format!("⚪ <b>{name}</b> · not looked at since {since}{lock}")
        }
        Standing::Unreadable => {
            let since = at(check.state.unreadable_since());
            let why = match &check.reading {
                Some(Err(why)) => format!(": {}", escape(&shorten(why, WHY))),
                Some(Ok(_)) | None => String::new(),
            };
            format!("⚪ <b>{name}</b> · could not be read since {since}{why}")
        }
        Standing::Pending(severity) => {
            let lasted = check.state.bad_since().map(|since| now.since(since));
            let what = beyond(check, severity).unwrap_or_else(|| "wrong".to_owned());
            format!(
                "🟡 <b>{name}</b> · {what} for {} of {}, then told: {}",
                human(lasted.unwrap_or_default()),
                human(check.rule.hold),
                mark(severity)
            )
        }
    })
}

/// That the last value passes its limit; `None` of what is wrong in another way.
fn beyond(check: &Shown, severity: Severity) -> Option<String> {
    let limits = &check.rule.limits;
    let limit = limits.of(severity)?;
    let value = check.reading.as_ref()?.as_ref().ok()?.value?;
    let (side, passes) = match limits.rises {
        true => ("above", value >= limit),
        false => ("below", value <= limit),
    };
    passes.then(|| format!("{side} its limit of {}", amount(limit, limits.unit)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::alert::{Reading, Unit};
    use crate::base::name::Name;
    use crate::config::Limits;
    use crate::monitors::state::{Rule, Seen, State, step};
    use std::time::Duration;

    const MINUTE: i64 = 60_000;

    fn rule() -> Rule {
        Rule {
            limits: Limits::new(Unit::Percent, true, Some(80.0), None),
            hold: Duration::from_secs(300),
            every: Duration::from_secs(60),
        }
    }

    fn seen(value: f64) -> Result<Seen, String> {
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

    /// A check after these looks, a minute apart.
    fn check(name: &str, looks: &[Result<Seen, String>]) -> Shown {
        let mut state = State::default();
        for (minute, look) in looks.iter().enumerate() {
            let at = Millis(i64::try_from(minute).unwrap() * MINUTE);
            state = step(state, &rule(), look, at).0;
        }
        Shown {
            check: Name::new(name).unwrap(),
            topic: Name::new("load").unwrap(),
            state,
            rule: rule(),
            reading: looks
                .last()
                .map(|look| look.clone().map(|seen| seen.reading)),
            locked: false,
        }
    }

    #[test]
    fn what_no_incident_tells_is_said() {
        let away = || Err("it is <away>".to_owned());
        let all = [
            check("good", &[seen(10.0), seen(10.0), seen(10.0)]),
            check("bad", &[seen(90.0), seen(90.0), seen(90.0)]),
            check("blind", &[seen(10.0), away(), away()]),
            check("new", &[]),
            Shown {
                locked: true,
                ..check("locked", &[])
            },
        ];
        let now = Millis(2 * MINUTE);
        let told = lines(&all, &[], 5, now);
        assert_eq!(told.len(), 3, "{told:?}");
        assert_eq!(
            told[0],
            "🟡 <b>bad</b> · above its limit of 80 % for 2 m of 5 m, then told: 🟠"
        );
        assert!(
            told[1].starts_with("⚪ <b>blind</b> · could not be read since ")
                && told[1].ends_with(": it is &lt;away&gt;"),
            "{}",
            told[1]
        );
        assert_eq!(
            told[2],
            "⚪ <b>locked</b> · not looked at yet; its lock is held"
        );
        assert_eq!(
            summary(&all, &[], 5, now).as_deref(),
            Some(
                "⚪ Checks: 1 not looked at; 1 could not be read; 1 beyond the limit, but not for long yet: /alerts"
            )
        );
        assert!(is_blind(&all, 5, now));
        assert!(!is_blind(&all[..2], 2, now));
    }

    #[test]
    fn looks_that_stopped_are_no_good_news() {
        let all = [check("good", &[seen(10.0)])];
        let soon = Millis(9 * MINUTE);
        assert_eq!(
            (lines(&all, &[], 1, soon), summary(&all, &[], 1, soon)),
            (Vec::new(), None)
        );
        let later = Millis(11 * MINUTE);
        let told = lines(&all, &[], 1, later);
        assert!(
            told[0].starts_with("⚪ <b>good</b> · not looked at since "),
            "{told:?}"
        );
        assert!(is_blind(&all, 1, later));
        assert_eq!(
            lines(&[], &[], 1, later),
            ["⚪ The checks have not been looked at yet."]
        );
        assert!(is_blind(&[], 1, later) && !is_blind(&[], 0, later));
    }
}
