//! What kind of value an argument takes: text, a whole number, yes or no, or a file.

use super::fault::{At, Report};
use super::map::Map;
use super::read::texts;

/// The largest file that Telegram hands to a bot, in bytes.
pub const MAX_FILE: u64 = 20 << 20;

/// What kind of value an argument takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Any text that its other rules allow.
    Text,
    /// A whole number within these bounds.
    Integer {
        /// The least.
        min: i64,
        /// The most.
        max: i64,
    },
    /// Yes or no; passed on as `true` or `false`.
    Boolean,
    /// A file that is sent to the bot; passed on as the path where it was put.
    File(FileRule),
}

/// Which files an argument takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileRule {
    /// The largest, in bytes.
    pub max_size: u64,
    /// What it may be; empty: anything.
    pub accept: Vec<Accept>,
}

/// One sort of file that is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Accept {
    /// A name that ends so, in lower case with its dot.
    Extension(String),
    /// A type, whole or of this family (`image/`).
    Mime(String),
}

impl Accept {
    fn read(written: &str) -> Option<Self> {
        let token = |text: &str| {
            !text.is_empty()
                && text
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || "-+._".contains(c))
        };
        let lower = written.to_ascii_lowercase();
        if let Some(end) = lower.strip_prefix('.') {
            return token(end).then_some(Self::Extension(lower));
        }
        let (family, sort) = lower.split_once('/')?;
        match sort {
            "*" if token(family) => Some(Self::Mime(format!("{family}/"))),
            _ if token(family) && token(sort) => Some(Self::Mime(lower)),
            _ => None,
        }
    }

    /// As it is written in the configuration.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Extension(end) => end.clone(),
            Self::Mime(family) if family.ends_with('/') => format!("{family}*"),
            Self::Mime(whole) => whole.clone(),
        }
    }

    fn fits(&self, name: Option<&str>, mime: Option<&str>) -> bool {
        match self {
            Self::Extension(end) => {
                name.is_some_and(|name| name.to_lowercase().ends_with(end.as_str()))
            }
            Self::Mime(wanted) => mime.is_some_and(|mime| {
                let mime = mime.split(';').next().unwrap_or_default().trim();
                let mime = mime.to_ascii_lowercase();
                mime == *wanted || (wanted.ends_with('/') && mime.starts_with(wanted.as_str()))
            }),
        }
    }
}

impl FileRule {
    /// Whether a file of this name and type is taken.
    #[must_use]
    pub fn accepts(&self, name: Option<&str>, mime: Option<&str>) -> bool {
        self.accept.is_empty() || self.accept.iter().any(|one| one.fits(name, mime))
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Type {
    Text,
    Integer,
    Boolean,
    File,
}

/// Reads `type` and the keys that belong to one type only.
pub(super) fn read(map: &mut Map<'_>, report: &mut Report) -> Kind {
    let types = [
        ("text", Type::Text),
        ("integer", Type::Integer),
        ("boolean", Type::Boolean),
        ("file", Type::File),
    ];
    let kind = map.word("type", &types, report).unwrap_or(Type::Text);
    let (min, max) = bounds(map, kind, report);
    let rule = rule(map, kind, report);
    if kind != Type::Text {
        for key in ["choices", "choices_from", "pattern", "max_len"] {
            only_with(map, key, "without another `type` than text", report);
        }
    }
    if kind == Type::Boolean || kind == Type::File {
        only_with(map, "allow_dash", "for text and numbers", report);
    }
    if kind == Type::File {
        only_with(map, "default", "for what can be typed", report);
    }
    match kind {
        Type::Text => Kind::Text,
        Type::Integer => Kind::Integer { min, max },
        Type::Boolean => Kind::Boolean,
        Type::File => Kind::File(rule),
    }
}

fn bounds(map: &mut Map<'_>, kind: Type, report: &mut Report) -> (i64, i64) {
    let at = map.get("max").map(|node| &node.at);
    let all = i64::MIN..=i64::MAX;
    let min = map.integer("min", all.clone(), report);
    let max = map.integer("max", all, report);
    if kind != Type::Integer {
        for key in ["min", "max"] {
            only_with(map, key, "with `type: integer`", report);
        }
    }
    if let (Some(min), Some(max), Some(at)) = (min, max, at)
        && min > max
    {
        report.fault(
            at,
            format!(
                "`{}` is {max}, less than `min`, which is {min}; exchange them",
                map.name("max")
            ),
        );
    }
    (min.unwrap_or(i64::MIN), max.unwrap_or(i64::MAX))
}

fn rule(map: &mut Map<'_>, kind: Type, report: &mut Report) -> FileRule {
    let max_size = map.size("max_size", 1..=MAX_FILE, report);
    let accept = accept(map, report);
    if kind != Type::File {
        for key in ["max_size", "accept"] {
            only_with(map, key, "with `type: file`", report);
        }
    }
    FileRule {
        max_size: max_size.unwrap_or(MAX_FILE),
        accept,
    }
}

fn accept(map: &mut Map<'_>, report: &mut Report) -> Vec<Accept> {
    let Some(node) = map.get("accept") else {
        return Vec::new();
    };
    let name = map.name("accept");
    let found = texts(node, &name, report);
    if found.is_empty() {
        report.fault(
            &node.at,
            format!("`{name}` is empty; list endings or types, or leave the key out"),
        );
    }
    let read = |(written, at): (&str, &At)| {
        let read = Accept::read(written);
        if read.is_none() {
            report.fault(
                at,
                format!("`{written}` is neither an ending nor a type; write \".sql\", \"text/csv\" or \"image/*\""),
            );
        }
        read
    };
    found.into_iter().filter_map(read).collect()
}

/// A fault when a key stands where it means nothing.
pub(super) fn only_with(map: &mut Map<'_>, key: &'static str, when: &str, report: &mut Report) {
    if let Some(node) = map.get(key) {
        report.fault(
            &node.at,
            format!("`{}` has a meaning only {when}; remove it", map.name(key)),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_taken_by_its_ending_or_its_type() {
        let accept = [".SQL", "image/*", "text/csv"];
        let rule = FileRule {
            max_size: 1,
            accept: accept.into_iter().filter_map(Accept::read).collect(),
        };
        assert_eq!(rule.accept.len(), 3);
        assert!(rule.accepts(Some("dump.Sql"), None));
        assert!(rule.accepts(None, Some("image/png")));
        assert!(rule.accepts(Some("x"), Some("Text/CSV; charset=utf-8")));
        for (name, mime) in [
            (Some("dump.sql.gz"), None),
            (Some("sql"), Some("text/plain")),
            (None, None),
            (None, Some("images/png")),
        ] {
            assert!(!rule.accepts(name, mime), "{name:?} {mime:?}");
        }
        for bad in ["", ".", "sql", "image/", "/x", "*/*", ".a b", "a/b/c"] {
            assert_eq!(Accept::read(bad), None, "{bad}");
        }
    }
}
