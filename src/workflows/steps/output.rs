//! Where the output of a step goes: its own log, and, under its name, that of the run.

use super::{Event, Hand};
use crate::base::ids::JobId;
use crate::base::workflow::capture::{Captures, Found};
use crate::delivery::render::{Size, render};
use crate::jobs::live::Output;
use crate::jobs::output::{LogWriter, steps_folder};
use crate::jobs::redact::Redactor;
use crate::workflows::secrets::Secrets;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::mpsc::UnboundedSender;
use tokio_util::sync::CancellationToken;

/// Of what a step printed, the last bytes that a card may show beside those of others.
const REMEMBERED: usize = 2048;
/// Of so many steps at the most.
const VOICES: usize = 32;
/// Lines that a card has for what steps print at the same time.
const LINES: usize = 12;

/// Who printed what into the log of the run.
pub(in super::super) type Speaker = Arc<Mutex<Voices>>;

/// What the steps of a run print, one by one: its log has the lines of steps that run at the same time in turns.
#[derive(Debug, Default)]
pub(in super::super) struct Voices {
    /// Who printed last.
    last: Option<usize>,
    /// Who printed something.
    pub printed: BTreeSet<usize>,
    /// The last bytes of the latest.
    ends: BTreeMap<usize, Vec<u8>>,
}

impl Voices {
    /// Begins with those that printed something in an earlier life of the bot.
    pub fn new(printed: BTreeSet<usize>) -> Self {
        Self {
            printed,
            ..Self::default()
        }
    }

    /// The last lines of these steps, each under its name; `None` unless several of them printed something.
    pub fn together(&self, steps: &[(usize, &str)]) -> Option<String> {
        let heard = |(seq, name): &(usize, &str)| Some((name.to_string(), self.ends.get(seq)?));
        let heard: Vec<_> = steps.iter().filter_map(heard).collect();
        if heard.len() < 2 {
            return None;
        }
        let each = (LINES / heard.len()).max(1);
        let part = |(name, end): &(String, &Vec<u8>)| {
            let shown = render(end, Size::Pipe);
            let lines: Vec<&str> = shown.trim_end().lines().collect();
            let last = &lines[lines.len().saturating_sub(each)..];
            format!("── {name} ──\n{}", last.join("\n"))
        };
        let parts: Vec<_> = heard.iter().map(part).collect();
        Some(parts.join("\n"))
    }

    /// A step begins anew, and so does its log.
    fn forget(&mut self, seq: usize) {
        self.printed.remove(&seq);
        self.ends.remove(&seq);
    }

    /// Takes what a step printed; `true` when another one printed before it.
    fn heard(&mut self, seq: usize, bytes: &[u8]) -> bool {
        self.printed.insert(seq);
        let end = self.ends.entry(seq).or_default();
        end.extend_from_slice(bytes);
        // Whole lines, so that no character is cut in two.
        if let Some(over) = end.len().checked_sub(REMEMBERED) {
            let line = end[over..].iter().position(|byte| *byte == b'\n');
            end.drain(..line.map_or(over, |at| over + at + 1));
        }
        if self.ends.len() > VOICES {
            self.ends.pop_first();
        }
        self.last.replace(seq) != Some(seq)
    }
}

/// Takes what a step prints.
pub(super) struct Printer {
    seq: usize,
    title: String,
    redactor: Redactor,
    secrets: Secrets,
    /// So many of the secrets are masked.
    masks: usize,
    captures: Captures,
    /// Fires when everything that was looked for was found.
    whole: CancellationToken,
    log: Option<LogWriter>,
    run: Arc<Output>,
    speaker: Speaker,
    events: UnboundedSender<Event>,
}

impl Printer {
    /// The output of a try, without the secrets of its run and these; the log of an earlier try gives way.
    ///
    /// # Errors
    /// Which expression of what is to be found is none.
    pub fn new(hand: &Hand, secrets: &[&str]) -> Result<Self, String> {
        let captures = Captures::new(&hand.step.capture)?;
        let mut voices = hand.speaker.lock().unwrap_or_else(PoisonError::into_inner);
        voices.forget(hand.seq);
        drop(voices);
        let folder = steps_folder(&hand.cx.log_dir, hand.cx.job.id);
        let number = JobId(i64::try_from(hand.seq).unwrap_or(i64::MAX));
        let log = LogWriter::create(&folder, number, hand.cx.max_log)
            .inspect_err(|error| tracing::error!(%error, "a step's log cannot be made"))
            .ok();
        Ok(Self {
            seq: hand.seq,
            title: hand.step.name.clone(),
            redactor: Redactor::new(secrets.iter().copied()),
            secrets: hand.secrets.clone(),
            masks: 0,
            captures,
            whole: CancellationToken::new(),
            log,
            run: Arc::clone(&hand.cx.output),
            speaker: Arc::clone(&hand.speaker),
            events: hand.events.clone(),
        })
    }

    /// Fires when everything that was looked for was found.
    pub fn whole(&self) -> CancellationToken {
        self.whole.clone()
    }

    /// What was looked for and not found yet.
    pub fn missing(&self) -> Vec<String> {
        self.captures.missing().map(str::to_owned).collect()
    }

    /// Takes some bytes.
    pub fn write(&mut self, bytes: &[u8]) {
        let read = self.captures.push(bytes);
        let (shown, found) = (read.shown.into_owned(), read.found);
        self.pass(&shown);
        self.tell(found);
    }

    /// Takes a line of our own.
    pub fn say(&mut self, line: &str) {
        self.pass(format!("{line}\n").as_bytes());
    }

    /// Takes what was held back.
    pub fn finish(&mut self) {
        let read = self.captures.finish();
        self.pass(&read.shown);
        self.tell(read.found);
        let masked = self.redactor.finish();
        self.take(&masked);
    }

    fn pass(&mut self, bytes: &[u8]) {
        // Another step may have found one meanwhile.
        let known = self.secrets.all();
        if let Some(news @ [_, ..]) = known.get(self.masks..) {
            self.redactor.learn(news.iter().map(String::as_str));
            self.masks = known.len();
        }
        let masked = self.redactor.push(bytes).into_owned();
        self.take(&masked);
    }

    fn tell(&self, found: Vec<Found>) {
        let is_news = !found.is_empty();
        for secret in self.captures.secrets() {
            self.secrets.learn(secret);
        }
        for one in found {
            // The run is over when nobody listens.
            let _ = self.events.send(Event::Found {
                seq: self.seq,
                found: one,
            });
        }
        if is_news && self.captures.missing().next().is_none() {
            self.whole.cancel();
        }
    }

    fn take(&mut self, masked: &[u8]) {
        if masked.is_empty() {
            return;
        }
        if let Some(Err(error)) = self.log.as_mut().map(|log| log.write(masked)) {
            tracing::error!(%error, "a step's log cannot be written");
        }
        // Held while it writes, so that two steps at once do not print under each other's name.
        let mut voices = self.speaker.lock().unwrap_or_else(PoisonError::into_inner);
        if voices.heard(self.seq, masked) {
            self.run.write(format!("── {} ──\n", self.title).as_bytes());
        }
        self.run.write(masked);
    }
}

#[cfg(test)]
mod tests {
    use super::Voices;

    #[test]
    fn what_is_printed_at_once_stands_under_each_name() {
        let mut voices = Voices::default();
        for line in 1..=20 {
            assert!(
                voices.heard(0, format!("a {line}\n").as_bytes()),
                "in turns"
            );
            assert!(voices.heard(1, format!("b {line}\n").as_bytes()));
        }
        let steps = [(0, "a"), (1, "b"), (2, "mute")];
        assert_eq!(voices.together(&steps[..1]), None, "one alone is no choir");
        let shown = voices.together(&steps).unwrap();
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!((lines[0], lines[1], lines[6]), ("── a ──", "a 15", "a 20"));
        assert_eq!((lines[7], lines[13], lines.len()), ("── b ──", "b 20", 14));
        voices.forget(1);
        assert_eq!(voices.together(&steps), None);
        assert_eq!(voices.printed, [0].into());
    }

    #[test]
    fn the_end_of_much_is_remembered() {
        let mut voices = Voices::default();
        voices.heard(0, "x".repeat(5000).as_bytes());
        voices.heard(0, b"\nlast\n");
        voices.heard(1, b"other\n");
        let shown = voices.together(&[(0, "a"), (1, "b")]).unwrap();
        assert!(
            shown.starts_with("── a ──\n") && shown.contains("last\n── b ──"),
            "{shown}"
        );
        assert!(shown.len() < 2200, "{}", shown.len());
    }
}
