//! Where the output of a step goes: its own log, and, under its name, that of the run.

use super::{Event, Hand};
use crate::base::ids::JobId;
use crate::base::workflow::capture::{Captures, Found};
use crate::jobs::live::Output;
use crate::jobs::output::{LogWriter, steps_folder};
use crate::jobs::redact::Redactor;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::mpsc::UnboundedSender;
use tokio_util::sync::CancellationToken;

/// Which step printed last into the log of the run.
pub(in super::super) type Speaker = Arc<Mutex<Option<usize>>>;

/// Takes what a step prints.
pub(super) struct Printer {
    seq: usize,
    title: String,
    redactor: Redactor,
    captures: Captures,
    /// Fires when everything that was looked for was found.
    whole: CancellationToken,
    log: Option<LogWriter>,
    run: Arc<Output>,
    speaker: Speaker,
    events: UnboundedSender<Event>,
}

impl Printer {
    /// The output of a try; the log of an earlier try gives way.
    ///
    /// # Errors
    /// Which expression of what is to be found is none.
    pub fn new(hand: &Hand, secrets: &[String]) -> Result<Self, String> {
        let captures = Captures::new(&hand.step.capture)?;
        let folder = steps_folder(&hand.cx.log_dir, hand.cx.job.id);
        let number = JobId(i64::try_from(hand.seq).unwrap_or(i64::MAX));
        let log = LogWriter::create(&folder, number, hand.cx.max_log)
            .inspect_err(|error| tracing::error!(%error, "a step's log cannot be made"))
            .ok();
        Ok(Self {
            seq: hand.seq,
            title: hand.step.name.clone(),
            redactor: Redactor::new(secrets.iter().map(String::as_str)),
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
        let masked = self.redactor.push(bytes).into_owned();
        self.take(&masked);
    }

    fn tell(&self, found: Vec<Found>) {
        let is_news = !found.is_empty();
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
        let mut last = self.speaker.lock().unwrap_or_else(PoisonError::into_inner);
        if last.replace(self.seq) != Some(self.seq) {
            self.run.write(format!("── {} ──\n", self.title).as_bytes());
        }
        self.run.write(masked);
    }
}
