//! Looks at what runs: processes, units of systemd, containers, and what programs of checks say.

use super::{Around, Found, number, plain};
use crate::base::alert::{Severity, Unit};
use crate::base::time::Millis;
use crate::config::check_program;
use crate::drivers::process::{self, End, Spec};
use crate::drivers::{docker, processes, systemd};
use regex::Regex;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::Path;
use std::time::Duration;

/// New starts of a container are counted over this time.
const WINDOW: Duration = Duration::from_secs(3600);
/// The most that is kept of what a program prints, in bytes.
const MAX_BYTES: usize = 4096;
/// Units that are named in a note.
const NAMED: usize = 5;

/// How often a container had been started again by then, oldest first.
#[derive(Default, Serialize, Deserialize)]
struct Restarts(Vec<(Millis, u64)>);

impl Restarts {
    /// Adds what was seen, and tells how many there were within the window.
    fn add(&mut self, now: Millis, count: u64) -> u64 {
        // A container that was made anew counts from zero; a clock that was set back makes the rest worthless.
        let fits = |(at, before): &(Millis, u64)| *at <= now && *before <= count;
        if !self.0.iter().all(fits) {
            self.0.clear();
        }
        if self.0.last().is_none_or(|(_, last)| *last != count) {
            self.0.push((now, count));
        }
        // The newest one that is older than the window is where it begins.
        while self
            .0
            .get(1)
            .is_some_and(|(at, _)| now.since(*at) >= WINDOW)
        {
            self.0.remove(0);
        }
        count - self.0.first().map_or(count, |(_, first)| *first)
    }
}

impl Around<'_> {
    pub(super) async fn processes(
        &self,
        name: Option<&str>,
        pattern: Option<&Regex>,
        min: u64,
        max: Option<u64>,
    ) -> Found {
        let all = processes::all(self.check.timeout).await?;
        let found = all.iter().filter(|process| {
            name.is_none_or(|name| process.names.iter().any(|own| own == name))
                && pattern.is_none_or(|pattern| pattern.is_match(&process.command))
        });
        let (mut count, mut memory) = (0, 0);
        for process in found {
            count += 1;
            memory += process.memory;
        }
        let what = name.or(pattern.map(Regex::as_str)).unwrap_or_default();
        let (stated, note) = match max {
            _ if count < min => (
                Some(self.check.severity),
                format!("{count} of {what} run, at least {min} should"),
            ),
            Some(max) if count > max => (
                Some(self.check.severity),
                format!("{count} of {what} run, at most {max} should"),
            ),
            Some(_) | None => (None, format!("{count} of {what} run")),
        };
        match self.check.limits.is_set() {
            true => self.found(Some(number(memory)), Some(note), stated),
            false => plain(number(count), Unit::Number, Some(note), stated),
        }
    }

    pub(super) async fn units(&self, units: &[String]) -> Found {
        let env = self.prober.environment();
        let bad: Vec<systemd::Unit> = match units {
            [] => systemd::failed(&env, self.check.timeout).await?,
            units => {
                let found = systemd::named(units, &env, self.check.timeout).await?;
                let runs = ["active", "activating", "reloading"];
                found
                    .into_iter()
                    .filter(|unit| !runs.contains(&unit.state.as_str()))
                    .collect()
            }
        };
        let mut words: Vec<String> = bad
            .iter()
            .take(NAMED)
            .map(|unit| format!("{} ({})", unit.name, unit.state))
            .collect();
        if bad.len() > NAMED {
            words.push(format!("and {} more", bad.len() - NAMED));
        }
        let note = match (words.is_empty(), units.is_empty()) {
            (false, _) => words.join(", "),
            (true, true) => "no unit has failed".to_owned(),
            (true, false) => "all units run".to_owned(),
        };
        let stated = (!bad.is_empty()).then_some(self.check.severity);
        self.found(Some(number(bad.len() as u64)), Some(note), stated)
    }

    pub(super) async fn docker(&self, name: &str, socket: &Path, memory: &mut Value) -> Found {
        let Some(found) = docker::container(socket, name, self.check.timeout).await? else {
            return self.wrong(format!("there is no container {name}"));
        };
        let mut restarts: Restarts = serde_json::from_value(memory.take()).unwrap_or_default();
        let count = restarts.add(self.now, found.restarts);
        *memory = serde_json::to_value(restarts).unwrap_or_default();
        // The engine keeps the health of one that has ended; it says nothing any more.
        let runs = found.state == "running";
        let health = found.health.filter(|_| runs);
        let sick = health.as_deref() == Some("unhealthy");
        let stated = (!runs || sick).then_some(self.check.severity);
        let health = health.map_or_else(String::new, |health| format!(", {health}"));
        let again = match count {
            0 => String::new(),
            count => format!(", started again {count} times within the hour"),
        };
        let note = format!("{name} is {}{health}{again}", found.state);
        // Of one that never started again, the number would only puzzle beside what is wrong.
        let value = (count > 0 || stated.is_none()).then(|| number(count));
        self.found(value, Some(note), stated)
    }

    pub(super) async fn script(&self, argv: &[String]) -> Found {
        let program = argv.first().map_or("", String::as_str);
        check_program(Path::new(program))?;
        let spec = Spec {
            argv: argv.to_vec(),
            cwd: self.config.base_dir.clone(),
            env: self.prober.environment(),
            tty: false,
            marker: self.prober.marker(self.check),
            timeout: self.check.timeout,
            grace: Duration::ZERO,
        };
        let heard = process::hear(&spec, MAX_BYTES).await;
        let heard = heard.map_err(|error| error.to_string())?;
        let said = first_line(&heard.printed).or_else(|| first_line(&heard.complaints));
        let stated = match heard.end {
            End::Exited(0) => None,
            End::Exited(1) => Some(Severity::Warning),
            End::Exited(2) => Some(Severity::Critical),
            End::Exited(code) => {
                let said = said.unwrap_or_else(|| "it printed nothing".to_owned());
                return Err(format!("its program ended with exit code {code}: {said}"));
            }
            End::Signaled(signal) => {
                return Err(format!("its program was ended by signal {signal}"));
            }
            End::TimedOut | End::Cancelled => {
                return Err("its program did not end in time".to_owned());
            }
        };
        self.found(None, said, stated)
    }
}

/// The first line, without the figures for graphs that may follow a bar.
fn first_line(printed: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(printed);
    let line = text.lines().next()?;
    let line = line.split('|').next().unwrap_or_default().trim();
    (!line.is_empty()).then(|| line.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn restarts_are_counted_over_an_hour() {
        let minute = |n: i64| Millis(n * 60_000);
        let mut restarts = Restarts::default();
        let seen = [
            (0, 5, 0),
            (10, 6, 1),
            (20, 8, 3),
            (65, 8, 3),
            (71, 8, 2),
            (90, 9, 1),
            (200, 9, 0),
            (201, 0, 0),
            (100, 0, 0),
        ];
        for (at, count, wanted) in seen {
            assert_eq!(restarts.add(minute(at), count), wanted, "at {at}");
        }
    }

    #[test]
    fn of_what_a_program_prints_the_first_line_counts() {
        assert_eq!(
            first_line(b"DISK OK - fine | /=1MB;2;3\nmore"),
            Some("DISK OK - fine".to_owned())
        );
        assert_eq!(first_line(b""), None);
        assert_eq!(first_line(b" | x=1"), None);
    }
}
