//! Looks at files: how old, how large, and what new lines they have.

use super::{Around, Found, number};
use crate::base::time::Millis;
use crate::config::FileMeasure;
use crate::drivers::logfile::{self, Place};
use crate::drivers::patience;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

/// The most moments that are kept; lines beyond are counted with the newest.
const MOMENTS: usize = 200;

/// How far a log was read, and what was found in it.
#[derive(Default, Serialize, Deserialize)]
struct Log {
    place: Option<Place>,
    /// When how many lines matched, oldest first.
    matches: Vec<(Millis, u64)>,
    /// The newest of them.
    last: Option<String>,
}

impl Around<'_> {
    pub(super) async fn file(
        &self,
        path: &Path,
        measure: &FileMeasure,
        memory: &mut Value,
        matters: &mut bool,
    ) -> Found {
        match measure {
            FileMeasure::Age => {
                let changed = self.meta(path, |meta| meta.modified().ok()).await?;
                let Some(changed) = changed else {
                    return Err(format!(
                        "{} does not tell when it was changed",
                        path.display()
                    ));
                };
                let since = changed.duration_since(UNIX_EPOCH).unwrap_or_default();
                let since = Millis(i64::try_from(since.as_millis()).unwrap_or(0));
                self.value(
                    self.now.since(since).as_secs_f64(),
                    Some(path.display().to_string()),
                )
            }
            FileMeasure::Size => {
                let size = self.meta(path, |meta| Some(meta.len())).await?;
                self.value(number(size.unwrap_or(0)), Some(path.display().to_string()))
            }
            FileMeasure::Lines { pattern, within } => {
                let mut log: Log = serde_json::from_value(memory.clone()).unwrap_or_default();
                let (asked, pattern, place) = (path.to_owned(), pattern.clone(), log.place.take());
                let name = path.display().to_string();
                let read = patience::ask(&name, self.check.timeout, move || {
                    let (mut count, mut last) = (0, None);
                    let place = logfile::read_new(&asked, place.as_ref(), |line| {
                        let line = String::from_utf8_lossy(line);
                        if pattern.is_match(&line) {
                            count += 1;
                            last = Some(line.into_owned());
                        }
                    });
                    place.map(|place| (place, count, last))
                });
                let read = read.await.ok_or_else(|| no_answer(path))?;
                let (place, count, last) = match read {
                    Ok(read) => read,
                    Err(error) => {
                        // Whatever comes to it later is new.
                        if memory.is_null() && error.kind() == ErrorKind::NotFound {
                            log.place = Some(Place::default());
                            *memory = serde_json::to_value(log).unwrap_or_default();
                            *matters = true;
                        }
                        return Err(unreadable(path, &error));
                    }
                };
                // Where it begins is known by the next look, whatever happens until then; what matched is counted once.
                *matters = count > 0 || memory.is_null();
                log.place = Some(place);
                log.add(self.now, *within, count);
                // The line is masked before it is kept: only then does it leave for the database.
                let short = |line: &String| {
                    self.redactor
                        .mask(line)
                        .chars()
                        .take(super::MAX_NOTE)
                        .collect()
                };
                log.last = last
                    .as_ref()
                    .map(short)
                    .or(log.last.take())
                    .filter(|_| !log.matches.is_empty());
                let total = log.matches.iter().map(|(_, count)| count).sum();
                let note = log.last.clone();
                *memory = serde_json::to_value(log).unwrap_or_default();
                self.value(number(total), note)
            }
        }
    }

    async fn meta<T: Send + 'static>(
        &self,
        path: &Path,
        of: impl FnOnce(fs::Metadata) -> Option<T> + Send + 'static,
    ) -> Result<Option<T>, String> {
        let asked = path.to_owned();
        let name = path.display().to_string();
        let read = patience::ask(&name, self.check.timeout, move || {
            fs::metadata(&asked).map(of)
        });
        let read = read.await.ok_or_else(|| no_answer(path))?;
        read.map_err(|error| unreadable(path, &error))
    }
}

impl Log {
    /// Adds what matched now, and forgets what did long ago.
    fn add(&mut self, now: Millis, within: Duration, count: u64) {
        for (at, _) in &mut self.matches {
            *at = (*at).min(now);
        }
        self.matches.retain(|(at, _)| now.since(*at) < within);
        let is_full = self.matches.len() >= MOMENTS;
        match self.matches.last_mut() {
            _ if count == 0 => {}
            Some((_, last)) if is_full => *last += count,
            Some(_) | None => self.matches.push((now, count)),
        }
    }
}

fn no_answer(path: &Path) -> String {
    format!(
        "{} does not answer (is a network disk gone?)",
        path.display()
    )
}

fn unreadable(path: &Path, error: &std::io::Error) -> String {
    format!("{} cannot be read: {error}", path.display())
}
