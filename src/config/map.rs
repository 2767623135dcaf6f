//! One mapping of the tree: its keys are read one by one, and those that no code reads are faults.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::fault::{At, Report};
use super::read::{duration, flag, integer, kind, list, meant, one_of, parse_name, quoted, text};
use super::size::parse_size;
use super::tree::{Entry, Node, Value};
use crate::base::name::Name;
use crate::base::suggest::closest;

/// One mapping being read. A key counts as known when it was asked for, so no key is accepted that no code reads.
pub(super) struct Map<'a> {
    /// Where the mapping starts.
    pub(super) at: &'a At,
    path: String,
    entries: &'a [Entry],
    asked: Vec<&'static str>,
}

impl<'a> Map<'a> {
    /// The mapping at `path` (its name for people; empty for the whole file).
    pub(super) fn open(
        node: &'a Node,
        path: impl Into<String>,
        report: &mut Report,
    ) -> Option<Self> {
        let path = path.into();
        let Value::Map(entries) = &node.value else {
            let name = if path.is_empty() { "the file" } else { &path };
            report.fault(
                &node.at,
                format!(
                    "{} must hold keys and values, not {}; write `key: value` pairs",
                    quoted(name),
                    kind(node)
                ),
            );
            return None;
        };
        Some(Self {
            at: &node.at,
            path,
            entries,
            asked: Vec::new(),
        })
    }

    /// The value of a key, if it is there.
    pub(super) fn get(&mut self, key: &'static str) -> Option<&'a Node> {
        self.asked.push(key);
        let entry = self.entries.iter().find(|entry| entry.key == key)?;
        Some(&entry.node)
    }

    /// The value of a key where `null` means the same as leaving it out.
    pub(super) fn optional(&mut self, key: &'static str) -> Option<&'a Node> {
        self.get(key)
            .filter(|node| !matches!(node.value, Value::Null))
    }

    /// The full name of a key.
    pub(super) fn name(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        }
    }

    /// The mapping under a key.
    pub(super) fn section(&mut self, key: &'static str, report: &mut Report) -> Option<Map<'a>> {
        let node = self.get(key)?;
        Map::open(node, self.name(key), report)
    }

    /// The list under a key; empty when it is not there.
    pub(super) fn list(&mut self, key: &'static str, report: &mut Report) -> &'a [Node] {
        match self.get(key) {
            Some(node) => list(node, &self.name(key), report),
            None => &[],
        }
    }

    /// The text under a key.
    pub(super) fn text(&mut self, key: &'static str, report: &mut Report) -> Option<&'a str> {
        let node = self.get(key)?;
        text(node, &self.name(key), report)
    }

    /// The text under a key that must be there.
    pub(super) fn required(&mut self, key: &'static str, report: &mut Report) -> Option<&'a str> {
        let found = self.text(key, report);
        if !self.entries.iter().any(|entry| entry.key == key) {
            self.missing(key, report);
        }
        found
    }

    /// Notes that a key is missing.
    pub(super) fn missing(&self, key: &str, report: &mut Report) {
        let owner = quoted(&self.path);
        report.fault(self.at, format!("{owner} lacks `{key}`; add `{key}: …`"));
    }

    /// The whole number under a key.
    pub(super) fn integer(
        &mut self,
        key: &'static str,
        range: RangeInclusive<i64>,
        report: &mut Report,
    ) -> Option<i64> {
        let node = self.get(key)?;
        integer(node, &self.name(key), range, report)
    }

    /// The flag under a key.
    pub(super) fn flag(&mut self, key: &'static str, report: &mut Report) -> Option<bool> {
        let node = self.get(key)?;
        flag(node, &self.name(key), report)
    }

    /// The duration under a key, at least 1 ms and at most `most`.
    pub(super) fn duration(
        &mut self,
        key: &'static str,
        most: Duration,
        report: &mut Report,
    ) -> Option<Duration> {
        let node = self.get(key)?;
        duration(node, &self.name(key), most, report)
    }

    /// The duration under a key, or this one when it is not there.
    pub(super) fn duration_or(
        &mut self,
        key: &'static str,
        default: Duration,
        most: Duration,
        report: &mut Report,
    ) -> Duration {
        self.duration(key, most, report).unwrap_or(default)
    }

    /// The number of bytes under a key.
    pub(super) fn size(
        &mut self,
        key: &'static str,
        range: RangeInclusive<u64>,
        report: &mut Report,
    ) -> Option<u64> {
        let node = self.get(key)?;
        let name = self.name(key);
        let text = text(node, &name, report)?;
        match parse_size(text) {
            Ok(size) if range.contains(&size) => Some(size),
            Ok(_) => {
                let (low, high) = (range.start(), range.end());
                let high = match high >> 30 {
                    0 => format!("{} MiB", high >> 20),
                    gib => format!("{gib} GiB"),
                };
                report.fault(
                    &node.at,
                    format!("`{name}` is `{text}`; write a size from {low} bytes to {high}"),
                );
                None
            }
            Err(wrong) => {
                report.fault(&node.at, format!("`{name}`: {wrong}"));
                None
            }
        }
    }

    /// One of a few words under a key.
    pub(super) fn word<T: Copy>(
        &mut self,
        key: &'static str,
        words: &[(&'static str, T)],
        report: &mut Report,
    ) -> Option<T> {
        let node = self.get(key)?;
        let name = self.name(key);
        let text = text(node, &name, report)?;
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
            return Some(*value);
        }
        let all: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        report.fault(
            &node.at,
            format!(
                "`{name}` is `{text}`; write {}{}",
                one_of(&all),
                meant(text, &all)
            ),
        );
        None
    }

    /// The name under the key `name`, which must be there.
    pub(super) fn own_name(&mut self, report: &mut Report) -> Option<Name> {
        let written = self.required("name", report)?;
        let node = self.get("name")?;
        parse_name(written, &node.at, report)
    }

    /// The keys that nobody asked for, each with the known one that was probably meant.
    pub(super) fn strangers(&self) -> impl Iterator<Item = (&'a Entry, Option<&'static str>)> {
        let strange = |entry: &&Entry| !self.asked.contains(&entry.key.as_str());
        let near = |entry: &'a Entry| (entry, closest(&entry.key, self.asked.iter().copied()));
        self.entries.iter().filter(strange).map(near)
    }

    /// Reports the keys that nobody asked for.
    pub(super) fn finish(self, report: &mut Report) {
        for (entry, near) in self.strangers() {
            let place = if self.path.is_empty() {
                "the file".to_owned()
            } else {
                format!("`{}`", self.path)
            };
            let known = match near {
                Some(near) => format!("did you mean `{near}`?"),
                None => {
                    let mut known = self.asked.clone();
                    known.sort_unstable();
                    known.dedup();
                    format!("known here: {}", known.join(", "))
                }
            };
            report.fault(
                &entry.at,
                format!("`{}` is not a key of {place}; {known}", entry.key),
            );
        }
    }

    /// All entries, for mappings whose keys are free.
    pub(super) fn entries(&self) -> &'a [Entry] {
        self.entries
    }
}
