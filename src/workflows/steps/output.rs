//! Where the output of a step goes: its own log, and, under its name, that of the run.

use super::Hand;
use crate::base::ids::JobId;
use crate::jobs::live::Output;
use crate::jobs::output::{LogWriter, steps_folder};
use crate::jobs::redact::Redactor;
use std::sync::{Arc, Mutex, PoisonError};

/// Which step printed last into the log of the run.
pub(in super::super) type Speaker = Arc<Mutex<Option<usize>>>;

/// Takes what a step prints.
pub(super) struct Printer {
    seq: usize,
    title: String,
    redactor: Redactor,
    log: Option<LogWriter>,
    run: Arc<Output>,
    speaker: Speaker,
}

impl Printer {
    /// The output of a try; the log of an earlier try gives way.
    pub fn new(hand: &Hand, secrets: &[String]) -> Self {
        let folder = steps_folder(&hand.cx.log_dir, hand.cx.job.id);
        let number = JobId(i64::try_from(hand.seq).unwrap_or(i64::MAX));
        let log = LogWriter::create(&folder, number, hand.cx.max_log)
            .inspect_err(|error| tracing::error!(%error, "a step's log cannot be made"))
            .ok();
        Self {
            seq: hand.seq,
            title: hand.step.name.clone(),
            redactor: Redactor::new(secrets.iter().map(String::as_str)),
            log,
            run: Arc::clone(&hand.cx.output),
            speaker: Arc::clone(&hand.speaker),
        }
    }

    /// Takes some bytes.
    pub fn write(&mut self, bytes: &[u8]) {
        let masked = self.redactor.push(bytes).into_owned();
        self.take(&masked);
    }

    /// Takes a line of our own.
    pub fn say(&mut self, line: &str) {
        self.write(format!("{line}\n").as_bytes());
    }

    /// Takes what the masking held back.
    pub fn finish(&mut self) {
        let masked = self.redactor.finish();
        self.take(&masked);
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
