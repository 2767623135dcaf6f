//! Asks a script's own program which values an argument may have, and remembers the answer for a while.

use super::looks::{Look, Looks};
use super::script::Scripts;
use crate::base::error::Error;
use crate::base::ids::UserId;
use crate::base::name::Name;
use crate::base::text;
use crate::base::time::human;
use crate::config::{Arg, ChoicesFrom, Script, check_program};
use crate::drivers::process::{self, End, Spec};
use crate::jobs::redact::Redactor;
use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Mutex as AsyncMutex;
use tokio_util::sync::CancellationToken;

/// The most values of one list; the rest is not read.
pub const MAX_CHOICES: usize = 500;
/// The most bytes that are read in search of them.
const MAX_BYTES: usize = 256 << 10;
/// Of what a program says on its error output, so much is kept, in bytes.
const MAX_ERRORS: usize = 4096;
/// Of that, so many lines are told.
const ERROR_LINES: usize = 5;
/// How many programs list values at the same time.
const AT_ONCE: usize = 4;
/// The most lists that are remembered.
const MAX_LISTS: usize = 64;
/// A list that could not be had is not asked for again so long, unless on demand.
const FAILED_TTL: Duration = Duration::from_secs(5);
/// The time that a program of an earlier bot gets between TERM and KILL.
const LEFTOVER_GRACE: Duration = Duration::from_millis(500);

/// Values that an argument may have now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choices {
    /// The values, in the order of the program.
    pub values: Vec<String>,
    /// Whether there were more than are read.
    pub cut: bool,
}

/// Why there are no values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoChoices {
    /// One sentence for the person who asked.
    pub why: String,
    /// The end of what the program said on its error output, masked; for admins.
    pub said: String,
}

impl NoChoices {
    /// What the person who asked may read.
    #[must_use]
    pub fn words(&self, arg: &Arg) -> String {
        format!(
            "The values for {} cannot be looked up now. {} Try again in a moment.",
            arg.name, self.why
        )
    }
}

type Answer = Result<Choices, NoChoices>;

/// A list that was asked for, or is being asked for. Whoever comes meanwhile waits and takes the same answer.
type Entry = Arc<AsyncMutex<Option<(Instant, Answer)>>>;

/// The lists that are remembered. Cheap to clone.
#[derive(Clone)]
pub struct Lookups {
    lists: Arc<Mutex<HashMap<Key, Entry>>>,
    /// One marker for each program that may run, so that those which a killed bot left are found.
    markers: Arc<[String]>,
    free: Arc<AsyncMutexes>,
    looks: Looks,
}

/// The same program with the same arguments for the same argument.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    script: Name,
    arg: Name,
    argv: Vec<String>,
}

type AsyncMutexes = [AsyncMutex<()>; AT_ONCE];

impl Lookups {
    pub(super) fn new(marker: &str) -> Self {
        let markers = (0..AT_ONCE).map(|place| format!("{marker}:choices:{place}"));
        Self {
            lists: Arc::default(),
            markers: markers.collect(),
            free: Arc::default(),
            looks: Looks::default(),
        }
    }

    fn entry(&self, key: &Key) -> Entry {
        let mut lists = self.lists.lock().unwrap_or_else(PoisonError::into_inner);
        if lists.len() >= MAX_LISTS && !lists.contains_key(key) {
            // What is being asked for right now is held by its asker as well.
            lists.retain(|_, entry| Arc::strong_count(entry) > 1);
        }
        lists.entry(key.clone()).or_default().clone()
    }

    /// A free place, and its marker.
    async fn place(&self) -> (tokio::sync::MutexGuard<'_, ()>, &str) {
        let places = self.free.iter().zip(self.markers.iter());
        let all = places
            .map(|(place, marker)| Box::pin(async move { (place.lock().await, marker.as_str()) }));
        futures::future::select_all(all).await.0
    }
}

impl Scripts {
    /// Begins to look up values for a person; whoever waits for them holds this meanwhile.
    ///
    /// # Errors
    /// Refused while too much is being looked up for them, or was just now.
    pub fn begin_look(&self, user: UserId) -> Result<Look, Error> {
        self.lookups.looks.begin(user, Instant::now())
    }

    /// Ends what a killed bot left of its lookups.
    pub async fn end_left_lookups(&self) {
        for marker in self.lookups.markers.iter() {
            process::end_all(marker, LEFTOVER_GRACE).await;
        }
    }

    /// The values that an argument may have, given the values of the arguments before it: remembered ones while they count,
    /// unless `fresh` ones are wanted. It takes as long as the argument's `choices_timeout` at the most.
    ///
    /// # Errors
    /// Why they could not be had.
    pub async fn choices(
        &self,
        script: &Script,
        arg: &Arg,
        from: &ChoicesFrom,
        values: &[Option<String>],
        fresh: bool,
    ) -> Answer {
        self.ask(script, arg, from, values, fresh).await.0
    }

    /// Checks the values that were given for arguments whose values a program lists.
    ///
    /// # Errors
    /// Refused with what would be right.
    pub async fn check_choices(&self, script: &Script, given: &[String]) -> Result<(), Error> {
        let values = script.given(given)?;
        let known = script.with_defaults(&values);
        for (arg, value) in script.args.iter().zip(&values) {
            if let (Some(from), Some(value)) = (&arg.choices_from, value) {
                self.check_choice(script, arg, from, &known, value).await?;
            }
        }
        Ok(())
    }

    /// Checks one value against the list of now; a remembered list that lacks it is asked for anew.
    ///
    /// # Errors
    /// Refused with what would be right.
    pub async fn check_choice(
        &self,
        script: &Script,
        arg: &Arg,
        from: &ChoicesFrom,
        values: &[Option<String>],
        value: &str,
    ) -> Result<(), Error> {
        let holds = |choices: &Choices| choices.values.iter().any(|one| one == value);
        let (mut answer, remembered) = self.ask(script, arg, from, values, false).await;
        if remembered && answer.as_ref().is_ok_and(|choices| !holds(choices)) {
            answer = self.choices(script, arg, from, values, true).await;
        }
        match answer {
            Ok(choices) if holds(&choices) => Ok(()),
            // What was not listed, or not read, may still have the right form.
            Ok(choices) if choices.cut && arg.pattern.is_some() => Ok(()),
            Err(_) if arg.pattern.is_some() => Ok(()),
            Ok(choices) if choices.values.is_empty() => Err(Error::refused(format!(
                "There are no values for {} now.",
                arg.name
            ))),
            Ok(choices) => Err(arg.not_a_choice(value, &choices.values).into()),
            Err(no) => Err(Error::refused(no.words(arg))),
        }
    }

    /// The values, and whether they are remembered ones.
    async fn ask(
        &self,
        script: &Script,
        arg: &Arg,
        from: &ChoicesFrom,
        values: &[Option<String>],
        fresh: bool,
    ) -> (Answer, bool) {
        let key = Key {
            script: script.name.clone(),
            arg: arg.name.clone(),
            argv: from.argv(values),
        };
        let asked = Instant::now();
        let deadline = asked + from.timeout;
        let entry = self.lookups.entry(&key);
        let look = async {
            let mut held = entry.lock().await;
            if let Some((at, answer)) = &*held {
                let ttl = match answer {
                    Ok(_) => from.ttl,
                    Err(_) => FAILED_TTL,
                };
                let counts = !fresh && at.elapsed() < ttl;
                // Whoever waited while it was asked for gets that answer, whatever it is.
                if counts || *at >= asked {
                    return (answer.clone(), counts);
                }
            }
            let (_place, marker) = self.lookups.place().await;
            let left = deadline.saturating_duration_since(Instant::now());
            let answer = self.look(script, arg, key.argv.clone(), left, marker).await;
            *held = Some((Instant::now(), answer.clone()));
            (answer, false)
        };
        // The program's own end is awaited a little longer than its time, to hear what it said.
        let patience = from.timeout + LEFTOVER_GRACE;
        match tokio::time::timeout(patience, look).await {
            Ok(answer) => answer,
            Err(_) => (Err(too_slow(arg, String::new())), false),
        }
    }

    async fn look(
        &self,
        script: &Script,
        arg: &Arg,
        argv: Vec<String>,
        timeout: Duration,
        marker: &str,
    ) -> Answer {
        let program = argv.first().map_or("", String::as_str);
        if let Err(why) = check_program(Path::new(program)) {
            tracing::warn!(script = %script.name, arg = %arg.name, why, "a list of values cannot be had");
            return Err(NoChoices {
                why: "Its program cannot be run.".to_owned(),
                said: why,
            });
        }
        let spec = Spec {
            argv,
            cwd: self.folder(script),
            env: self.environment(script),
            tty: false,
            marker: marker.to_owned(),
            timeout,
            grace: Duration::ZERO,
        };
        let redactor = self.redactor(script);
        let full = CancellationToken::new();
        let mut reader = Reader::new(arg, &redactor, full.clone());
        let mut said: Vec<u8> = Vec::new();
        let mut read = |bytes: &[u8]| reader.take(bytes);
        let mut hear = |bytes: &[u8]| {
            said.extend_from_slice(bytes);
            if said.len() > 2 * MAX_ERRORS {
                said.drain(..said.len() - MAX_ERRORS);
            }
        };
        let ended = process::run_apart(&spec, &full, &mut read, &mut hear).await;
        let said = end_of(&redactor.mask(&String::from_utf8_lossy(&said)));
        let why = match ended {
            Ok(finished) => match finished.end {
                End::Exited(0) | End::Cancelled => return Ok(reader.finish()),
                End::Exited(code) => format!("Its program ended with exit code {code}."),
                End::Signaled(signal) => format!("Its program was ended by signal {signal}."),
                End::TimedOut => return Err(too_slow(arg, said)),
            },
            Err(error) => {
                return Err(NoChoices {
                    why: "Its program cannot be run.".to_owned(),
                    said: error.to_string(),
                });
            }
        };
        tracing::warn!(script = %script.name, arg = %arg.name, why, said, "a list of values cannot be had");
        Err(NoChoices { why, said })
    }
}

fn too_slow(arg: &Arg, said: String) -> NoChoices {
    let limit = arg
        .choices_from
        .as_ref()
        .map_or(Duration::ZERO, |from| from.timeout);
    NoChoices {
        why: format!("Its program did not end within {}.", human(limit)),
        said,
    }
}

/// The last lines, and not too much of them.
fn end_of(said: &str) -> String {
    let lines: Vec<&str> = said
        .lines()
        .map(str::trim_end)
        .filter(|line| !line.is_empty())
        .collect();
    let last = lines[lines.len().saturating_sub(ERROR_LINES)..].iter();
    let short = last.map(|line| text::shorten(line, 200).into_owned());
    short.collect::<Vec<_>>().join("\n")
}

/// Takes values out of what a program prints, a line each: no blank ones, none twice, none that the argument refuses.
struct Reader<'a> {
    arg: &'a Arg,
    redactor: &'a Redactor,
    /// Fired when more would not be read.
    full: CancellationToken,
    line: Vec<u8>,
    bytes: usize,
    seen: HashSet<String>,
    values: Vec<String>,
}

impl<'a> Reader<'a> {
    fn new(arg: &'a Arg, redactor: &'a Redactor, full: CancellationToken) -> Self {
        Self {
            arg,
            redactor,
            full,
            line: Vec::new(),
            bytes: 0,
            seen: HashSet::new(),
            values: Vec::new(),
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            if self.full.is_cancelled() {
                return;
            }
            self.bytes += piece.len();
            self.line.extend_from_slice(piece);
            if piece.ends_with(b"\n") {
                self.end_line();
            }
            if self.bytes > MAX_BYTES {
                self.line.clear();
                self.full.cancel();
            }
        }
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        let Ok(line) = std::str::from_utf8(&line) else {
            return;
        };
        let value = line.trim();
        let taken = !value.is_empty()
            && !self.seen.contains(value)
            && self.arg.check(value).is_ok()
            && self.redactor.mask(value) == value;
        if !taken {
            return;
        }
        if self.values.len() == MAX_CHOICES {
            self.full.cancel();
            return;
        }
        self.seen.insert(value.to_owned());
        self.values.push(value.to_owned());
    }

    fn finish(mut self) -> Choices {
        let cut = self.full.is_cancelled();
        if !cut {
            self.end_line();
        }
        Choices {
            values: self.values,
            cut: cut || self.full.is_cancelled(),
        }
    }
}
