//! What is typed after `/schedule <script>`: when, by which clock, how, and the script's arguments.

use crate::base::schedule::Retries;
use crate::base::suggest::closest;
use crate::base::text::grouped;
use crate::base::time::{human, parse_duration};
use crate::base::when::{When, Zone, exact};
use std::fmt;
use std::time::Duration;

/// Fields of a cron expression.
const FIELDS: usize = 5;
/// The most that runs may be spread by.
const MOST_JITTER: Duration = Duration::from_secs(3600);
/// What comes more often deserves a word.
const OFTEN: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// A schedule as typed.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Typed {
    /// When it runs.
    pub when: When,
    /// By which clock.
    pub zone: Zone,
    /// Up to so much later.
    pub jitter: Duration,
    /// How often a failed run is tried again.
    pub times: u32,
    /// The arguments of the script.
    pub given: Vec<String>,
}

/// Reads `every 30m a b`, `06:30 in Europe/Berlin a b`, `*/5 * * * * jitter 1m retry 2 a b`; a cron expression may stand in
/// quotes. `in`, `jitter` and `retry` stand before the arguments, each once; an argument that reads like one of them is
/// written with its name.
///
/// # Errors
/// A sentence that says what would be right.
pub(super) fn read(typed: &[String]) -> Result<Typed, String> {
    refuse_slip(typed)?;
    let first = typed.first().map_or("", String::as_str);
    let many = match first {
        "every" | "at" => 2,
        _ if first.contains(':') || first.contains(' ') => 1,
        _ => FIELDS,
    };
    let (when, mut rest) = typed.split_at(many.min(typed.len()));
    let when = When::parse(&when.join(" "))?;
    let (mut zone, mut jitter, mut times) = (None, None, None);
    while let [word, value, more @ ..] = rest {
        match word.as_str() {
            "in" if zone.is_none() => zone = Some(Zone::parse(value)?),
            "jitter" if jitter.is_none() => jitter = Some(spread(value, &when)?),
            "retry" if times.is_none() => times = Some(again(value)?),
            _ => break,
        }
        rest = more;
    }
    Ok(Typed {
        when,
        zone: zone.unwrap_or_default(),
        jitter: jitter.unwrap_or_default(),
        times: times.unwrap_or_default(),
        given: rest.to_vec(),
    })
}

/// Refuses a pause that is not written out, and a mistyped word before it or before a time of day.
fn refuse_slip(typed: &[String]) -> Result<(), String> {
    let (word, meant) = match typed {
        [time, ..] if parse_duration(time).is_ok() => (time.clone(), format!("every {time}")),
        [word, time, ..] => {
            let known = match parse_duration(time) {
                Ok(_) => "every",
                Err(_) if time.contains(':') => "at",
                Err(_) => return Ok(()),
            };
            match word == known || closest(word, [known]).is_none() {
                true => return Ok(()),
                false => (format!("{word} {time}"), format!("{known} {time}")),
            }
        }
        [_] | [] => return Ok(()),
    };
    Err(format!(
        "`{word}` is no time to run at; did you mean `{meant}`?"
    ))
}

fn spread(value: &str, when: &When) -> Result<Duration, String> {
    let read = parse_duration(value)
        .map_err(|_| format!("`jitter` is followed by a time such as 5m, and `{value}` is none"))?;
    match read {
        read if read.subsec_nanos() > 0 => Err("A jitter is whole seconds".to_owned()),
        read if read > MOST_JITTER => Err("A jitter is an hour at the most".to_owned()),
        read if read >= when.shortest() => {
            Err("A jitter is shorter than the time from one run to the next; write less".to_owned())
        }
        read => Ok(read),
    }
}

fn again(value: &str) -> Result<u32, String> {
    let read = value.parse().ok();
    let read = read.filter(|times| (1..=Retries::MOST).contains(times));
    read.ok_or_else(|| {
        format!(
            "`retry` is followed by how often a failed run is tried again, 1 to {}, and `{value}` is no such number",
            Retries::MOST
        )
    })
}

impl Typed {
    /// When it runs, in a sentence.
    pub(super) fn said(&self) -> String {
        let Self { when, zone, .. } = self;
        let clock = match zone {
            Zone::Machine => String::new(),
            Zone::Named(_) => format!(" in {zone}"),
        };
        let said = match when {
            When::Every(_) => when.to_string(),
            When::Daily { .. } => format!("each day at {when}{clock}"),
            When::Cron { .. } => format!("by {when}{clock}"),
        };
        match self.jitter {
            Duration::ZERO => said,
            jitter => format!("{said}, up to {} later", human(jitter)),
        }
    }

    /// Of arguments that the script does not take: which two may be meant as something about the schedule, and what is right.
    pub(super) fn slip(&self) -> Option<String> {
        self.given.windows(2).find_map(|two| {
            let [word, value] = two else { return None };
            let meant = closest(word, ["in", "jitter", "retry"])?;
            let fits = match meant {
                "in" => Zone::parse(value).is_ok(),
                "jitter" => parse_duration(value).is_ok(),
                _ => value.parse::<u32>().is_ok(),
            };
            fits.then(|| match word == meant {
                true => format!("`{word} {value}` is written once, and before the arguments"),
                false => {
                    format!("`{word} {value}` is not known here; did you mean `{meant} {value}`?")
                }
            })
        })
    }

    /// What else there is to say before it is made, in sentences.
    pub(super) fn remarks(&self) -> Vec<String> {
        let mut remarks = Vec::new();
        if self.times > 0 {
            remarks.push(format!("{}.", retried(&Retries::again(self.times))));
        }
        let every = self.when.shortest();
        if every < OFTEN {
            let runs = DAY.as_millis() / every.as_millis().max(1);
            remarks.push(format!(
                "That is {} runs a day, each a job of its own; every 1m or more is easier on the server and on /jobs.",
                grouped(u64::try_from(runs).unwrap_or(u64::MAX))
            ));
        }
        remarks
    }
}

/// How a failed run is tried again, in a sentence without its full stop.
pub(in crate::chat) fn retried(retries: &Retries) -> String {
    let first = human(retries.backoff);
    match retries.attempts.saturating_sub(1) {
        1 => format!("A failed run is tried once more, {first} later"),
        times => format!("A failed run is tried up to {times} times more, first {first} later"),
    }
}

/// As it is typed, without the arguments.
impl fmt::Display for Typed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.when)?;
        if let Zone::Named(_) = self.zone {
            write!(f, " in {}", self.zone)?;
        }
        if !self.jitter.is_zero() {
            write!(f, " jitter {}", exact(self.jitter))?;
        }
        match self.times {
            0 => Ok(()),
            times => write!(f, " retry {times}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(typed: &str) -> Result<Typed, String> {
        let typed: Vec<_> = typed.split(' ').map(str::to_owned).collect();
        read(&typed)
    }

    #[test]
    fn when_and_arguments_are_told_apart() {
        let table = [
            ("every 30m a b", "every 30m | a b"),
            ("06:30", "06:30 | "),
            ("at 6:30 in UTC full", "06:30 in UTC | full"),
            ("*/5 * * * * in x", "? `x` is not a time zone"),
            ("*/5 * * * * full", "*/5 * * * * | full"),
            ("hourly", "? `hourly` is no time"),
            (
                "evry 30m",
                "? `evry 30m` is no time to run at; did you mean `every 30m`?",
            ),
            ("Every 30m full", "? `Every 30m` is no time"),
            (
                "ta 06:30 full",
                "? `ta 06:30` is no time to run at; did you mean `at 06:30`?",
            ),
            (
                "30m full",
                "? `30m` is no time to run at; did you mean `every 30m`?",
            ),
            ("* *", "? `* *` is no time"),
            (
                "every 30m jitter 90s retry 3 full",
                "every 30m jitter 1m30s retry 3 | full",
            ),
            (
                "02:00 retry 1 in UTC jitter 5m",
                "02:00 in UTC jitter 5m retry 1 | ",
            ),
            ("0 6 * * MON-FRI jitter 5m", "0 6 * * MON-FRI jitter 5m | "),
            // The words come once, and before the arguments; one alone is an argument.
            ("02:00 retry 1 retry 2", "02:00 retry 1 | retry 2"),
            ("02:00 full retry 2", "02:00 | full retry 2"),
            ("02:00 retry", "02:00 | retry"),
            ("02:00 mode=retry 2", "02:00 | mode=retry 2"),
            ("02:00 jitter soon", "? `jitter` is followed by a time"),
            ("02:00 jitter 500ms", "? A jitter is whole seconds"),
            ("02:00 jitter 2h", "? A jitter is an hour at the most"),
            ("every 5m jitter 5m", "? A jitter is shorter than"),
            ("*/5 * * * * jitter 5m", "? A jitter is shorter than"),
            ("02:00 retry 20", "? `retry` is followed by how often"),
            ("02:00 retry 0", "? `retry` is followed by how often"),
        ];
        for (typed, found) in table {
            match of(typed) {
                Ok(read) => assert_eq!(format!("{read} | {}", read.given.join(" ")), found),
                Err(wrong) => {
                    let said = found.strip_prefix("? ").unwrap_or("nothing wrong");
                    assert!(wrong.starts_with(said), "{typed}: {wrong}");
                }
            }
        }
        let quoted = ["0 6 * * 1".to_owned(), "x".to_owned()];
        let read = read(&quoted).unwrap();
        assert_eq!(
            (read.when.to_string().as_str(), read.given.len()),
            ("0 6 * * 1", 1)
        );
    }

    #[test]
    fn a_slip_among_the_arguments_is_known() {
        for (typed, found) in [
            (
                "every 30m jiter 5m",
                Some("`jiter 5m` is not known here; did you mean `jitter 5m`?"),
            ),
            (
                "every 30m full rety 2",
                Some("`rety 2` is not known here; did you mean `retry 2`?"),
            ),
            (
                "06:30 im UTC",
                Some("`im UTC` is not known here; did you mean `in UTC`?"),
            ),
            (
                "06:30 full retry 2",
                Some("`retry 2` is written once, and before the arguments"),
            ),
            ("06:30 jiter soon", None),
            ("06:30 full", None),
        ] {
            assert_eq!(of(typed).unwrap().slip().as_deref(), found, "{typed}");
        }
    }

    #[test]
    fn what_comes_often_gets_a_word_and_the_rest_none() {
        let remarks = |typed| of(typed).unwrap().remarks();
        let often = remarks("every 1s");
        assert!(
            often[0].starts_with("That is 86,400 runs a day"),
            "{often:?}"
        );
        for calm in ["every 1m", "06:30", "* * * * *"] {
            assert!(remarks(calm).is_empty(), "{calm}");
        }
        assert_eq!(
            remarks("every 1m retry 1"),
            ["A failed run is tried once more, 10 s later."]
        );
    }

    #[test]
    fn it_is_said_in_words() {
        let said = |typed| of(typed).unwrap().said();
        assert_eq!(said("06:30 in UTC"), "each day at 06:30 in UTC");
        assert_eq!(said("every 1h jitter 5m"), "every 1h, up to 5 m later");
    }
}
