//! The latest calls in detail, for whoever wants to see what the bot asked and what it got.

use std::collections::VecDeque;
use std::time::Duration;

use serde_json::Value;

use crate::base::time::Millis;

/// The longest text of parameters or of an answer that is kept, in bytes; hundreds of calls are.
const MAX_TEXT: usize = 8_000;

/// One call, as it came and as it was answered.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) id: u64,
    pub(super) at: Millis,
    pub(super) took: Duration,
    pub(super) method: &'static str,
    pub(super) chat: Option<i64>,
    /// The HTTP status; 0 when the connection was closed without an answer.
    pub(super) code: u16,
    pub(super) error: Option<String>,
    pub(super) params: String,
    pub(super) answer: String,
}

/// The latest calls, oldest first.
pub(super) struct Records {
    list: VecDeque<Record>,
    made: u64,
    keep: usize,
}

impl Records {
    /// Keeps so many; 0 keeps none.
    pub(super) fn new(keep: usize) -> Records {
        Records {
            list: VecDeque::new(),
            made: 0,
            keep,
        }
    }

    /// Whether any are kept.
    pub(super) fn wanted(&self) -> bool {
        self.keep > 0
    }

    /// Keeps a call and numbers it.
    pub(super) fn add(&mut self, mut record: Record) {
        self.made += 1;
        record.id = self.made;
        self.list.push_back(record);
        while self.list.len() > self.keep {
            self.list.pop_front();
        }
    }

    /// Forgets all of them.
    pub(super) fn clear(&mut self) {
        self.list.clear();
    }

    /// Those after a number, oldest first.
    pub(super) fn since(&self, id: u64) -> impl Iterator<Item = &Record> {
        let from = self.list.partition_point(|record| record.id <= id);
        self.list.range(from..)
    }

    /// One by its number.
    pub(super) fn get(&self, id: u64) -> Option<&Record> {
        self.since(id.checked_sub(1)?)
            .next()
            .filter(|record| record.id == id)
    }

    /// The number of the last one.
    pub(super) fn last(&self) -> u64 {
        self.made
    }
}

/// A value as compact JSON, cut where it gets long.
pub(super) fn text_of(value: &Value) -> String {
    let mut text = value.to_string();
    if text.len() > MAX_TEXT {
        text.truncate(text.floor_char_boundary(MAX_TEXT));
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        Record {
            id: 0,
            at: Millis(0),
            took: Duration::ZERO,
            method: "getMe",
            chat: None,
            code: 200,
            error: None,
            params: String::new(),
            answer: String::new(),
        }
    }

    #[test]
    fn the_latest_are_kept_under_their_numbers() {
        let mut records = Records::new(3);
        (0..5).for_each(|_| records.add(record()));
        let ids = |since| -> Vec<u64> { records.since(since).map(|r| r.id).collect() };
        assert_eq!(ids(0), [3, 4, 5]);
        assert_eq!(ids(4), [5]);
        assert!(records.get(2).is_none() && records.get(0).is_none());
        assert_eq!(records.get(4).map(|r| r.id), Some(4));
        records.clear();
        assert_eq!((records.since(0).count(), records.last()), (0, 5));
    }

    #[test]
    fn a_long_text_is_cut_between_letters() {
        let text = text_of(&Value::String("é".repeat(MAX_TEXT)));
        assert!(
            text.len() <= MAX_TEXT + 3 && text.ends_with("é…"),
            "{}",
            text.len()
        );
    }
}
