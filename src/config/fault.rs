//! What is wrong with a configuration: every fault with its place, its line and a caret.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use regex::Regex;

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum At {
    /// The file as a whole.
    File,
    /// A place in the file, both counted from 1; columns are characters.
    Line(usize, usize),
    /// The same in another file than the configuration itself: the number that the report gave it comes first.
    Beside(usize, usize, usize),
    /// An environment variable.
    Variable(String),
}

/// Collects faults and warnings while the sections are read, so that all are told at once.
#[derive(Default)]
pub(super) struct Report {
    faults: Vec<(At, String)>,
    warnings: Vec<(At, String)>,
    /// Warnings that are told with the faults, too.
    doubts: Vec<(At, String)>,
    /// Files beside the configuration itself, with what they hold.
    beside: Vec<(PathBuf, String)>,
}

impl At {
    /// The same place, of which only line and column are known, in the file of this number.
    pub(super) fn beside(&self, file: usize) -> Self {
        match self {
            At::Line(line, column) => At::Beside(file, *line, *column),
            At::File | At::Beside(..) | At::Variable(_) => At::Beside(file, 0, 0),
        }
    }

    /// The line, for messages about something else; 0 where there is none.
    pub(super) fn line(&self) -> usize {
        match self {
            At::Line(line, _) | At::Beside(_, line, _) => *line,
            At::File | At::Variable(_) => 0,
        }
    }
}

impl Report {
    /// Notes a fault: the configuration will not be used.
    pub(super) fn fault(&mut self, at: &At, message: impl Into<String>) {
        self.faults.push((at.clone(), message.into()));
    }

    /// Notes something that the person should know, but that does not stop the start.
    pub(super) fn warn(&mut self, at: &At, message: impl Into<String>) {
        self.warnings.push((at.clone(), message.into()));
    }

    /// Notes what is probably meant otherwise: alone it does not stop the start, and where something else does, it is told with
    /// that.
    pub(super) fn doubt(&mut self, at: &At, message: impl Into<String>) {
        self.doubts.push((at.clone(), message.into()));
    }

    /// Whether there is no fault so far.
    pub(super) fn is_clean(&self) -> bool {
        self.faults.is_empty()
    }

    /// Where something else stands, for a message about `here`: its line, and its file where that is another one.
    pub(super) fn place(&self, at: &At, here: &At) -> String {
        let file = match at {
            At::Beside(file, ..) => Some(*file),
            At::File | At::Line(..) | At::Variable(_) => None,
        };
        let same = match here {
            At::Beside(other, ..) => file == Some(*other),
            At::File | At::Line(..) | At::Variable(_) => file.is_none(),
        };
        let line = match at.line() {
            0 => String::new(),
            line => format!("in line {line}"),
        };
        if same {
            return line;
        }
        let name = match file.and_then(|file| self.beside.get(file)) {
            Some((path, _)) => path.display().to_string(),
            None => "the configuration itself".to_owned(),
        };
        match line.is_empty() {
            true => format!("in {name}"),
            false => format!("{line} of {name}"),
        }
    }

    /// Takes a file in that stands beside the configuration; its places are [`At::Beside`] with this number.
    pub(super) fn file(&mut self, path: &Path, content: &str) -> usize {
        self.beside.push((path.to_owned(), content.to_owned()));
        self.beside.len() - 1
    }

    /// Takes over what was found in the file of this number, read as if it were alone.
    pub(super) fn absorb(&mut self, other: Report, file: usize) {
        let place = |(at, message): (At, String)| (at.beside(file), message);
        self.faults.extend(other.faults.into_iter().map(place));
        self.warnings.extend(other.warnings.into_iter().map(place));
        self.doubts.extend(other.doubts.into_iter().map(place));
    }

    /// Gives each finding its file and snippet: the faults, then the warnings, both in the order of the file.
    pub(super) fn finish(mut self, file: &Path, text: &str) -> (Vec<Fault>, Vec<Fault>) {
        match self.is_clean() {
            true => self.warnings.append(&mut self.doubts),
            false => self.faults.append(&mut self.doubts),
        }
        let beside = self.beside;
        let place = |mut found: Vec<(At, String)>| {
            found.sort();
            found.dedup();
            let tell = |(at, message): (At, String)| match at {
                At::Beside(number, line, column) => {
                    let (file, text) = &beside[number];
                    let at = match line {
                        0 => At::File,
                        line => At::Line(line, column),
                    };
                    let mut fault = Fault::new(file, text, at, message);
                    fault.beside = true;
                    fault
                }
                at => Fault::new(file, text, at, message),
            };
            found.into_iter().map(tell).collect()
        };
        (place(self.faults), place(self.warnings))
    }
}

/// One thing that is wrong, or worth knowing, in a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The file.
    pub file: PathBuf,
    /// The environment variable the value came from, when it did not come from the file.
    pub variable: Option<String>,
    /// The line, counted from 1; 0 when no single line is meant.
    pub line: usize,
    /// The column in characters, counted from 1; 0 when no single line is meant.
    pub column: usize,
    /// What is wrong, and what would be right.
    pub message: String,
    /// The line itself, tokens and passwords masked; empty when no single line is meant.
    pub snippet: String,
    caret: usize,
    /// Whether it is in another file than the configuration itself.
    beside: bool,
}

impl Fault {
    fn new(file: &Path, text: &str, at: At, message: String) -> Self {
        let (line, column, variable) = match at {
            At::File | At::Beside(..) => (0, 0, None),
            At::Line(line, column) => (line, column, None),
            At::Variable(name) => (0, 0, Some(name)),
        };
        let whole = match line {
            0 => "",
            _ => text.lines().nth(line - 1).unwrap_or_default(),
        };
        let (snippet, caret) = window(whole, column.saturating_sub(1));
        Self {
            file: file.to_owned(),
            variable,
            line,
            column,
            message: mask(&message),
            snippet,
            caret,
            beside: false,
        }
    }
}

/// The widest snippet, in characters: a terminal's usual width, less the line number.
const WIDTH: usize = 100;

/// Cuts a long line down to the part around the caret, and makes it safe to print.
fn window(line: &str, caret: usize) -> (String, usize) {
    let before: String = line.chars().take(caret).collect();
    let masked_before = mask(&before).chars().count();
    let after: String = line.chars().skip(caret).collect();
    let whole = if masked_before == before.chars().count() && mask(line).starts_with(&before) {
        mask(line)
    } else {
        format!("{}{}", mask(&before), mask(&after))
    };
    let start = masked_before.saturating_sub(WIDTH / 2);
    let shown = whole
        .chars()
        .skip(start)
        .take(WIDTH)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    (shown, masked_before - start)
}

/// Hides bot tokens, the passwords of addresses, and the tokens of pushes.
fn mask(text: &str) -> String {
    static SECRET: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(concat!(
            r"(?<password>://[^/\s:@]*:)[^/\s]+@|\b[0-9]{5,}:[A-Za-z0-9_-]{20,}",
            r#"|(?<push>\bpush["']?\s*:\s*)(?:"[^"$]+"?|'[^'$]+'?|[^\s"',}\]$…][^\s,}\]]*)"#
        ))
        .ok()
    });
    match SECRET.as_ref() {
        Some(secret) => secret
            .replace_all(text, |found: &regex::Captures<'_>| {
                match (found.name("password"), found.name("push")) {
                    (Some(lead), _) => format!("{}***@", lead.as_str()),
                    (None, Some(lead)) => format!("{}***", lead.as_str()),
                    (None, None) => "***".to_owned(),
                }
            })
            .into_owned(),
        None => "***".to_owned(),
    }
}

impl Fault {
    /// Where and what, in one line without the line of the file itself: that may hold a secret.
    #[must_use]
    pub fn in_short(&self) -> String {
        let short = match (&self.variable, self.line) {
            (Some(variable), _) => format!("{variable}: {}", self.message),
            (None, 0) => self.message.clone(),
            (None, line) => format!("line {line}: {}", self.message),
        };
        match self.file.file_name().filter(|_| self.beside) {
            Some(name) => format!("{}, {short}", name.to_string_lossy()),
            None => short,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(variable) = &self.variable {
            return write!(f, "{variable}: {}", self.message);
        }
        write!(f, "{}", self.file.display())?;
        if self.line == 0 {
            return write!(f, ": {}", self.message);
        }
        writeln!(f, ":{}:{}: {}", self.line, self.column, self.message)?;
        let number = self.line.to_string();
        let gap = " ".repeat(number.len());
        writeln!(f, "{gap} |")?;
        writeln!(f, "{number} | {}", self.snippet)?;
        write!(f, "{gap} | {}^", " ".repeat(self.caret))
    }
}

/// Every fault of a configuration, in the order of the file; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faults(pub(super) Vec<Fault>);

impl Faults {
    /// The faults one by one.
    pub fn iter(&self) -> std::slice::Iter<'_, Fault> {
        self.0.iter()
    }

    /// One fault of the file as a whole, found by somebody who knows more than the file.
    pub fn of_file(file: &Path, message: impl Into<String>) -> Self {
        Self(vec![Fault::new(file, "", At::File, message.into())])
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n\n")?;
            }
            write!(f, "{fault}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str, line: usize, column: usize) -> String {
        let mut report = Report::default();
        report.fault(&At::Line(line, column), "wrong; do right");
        let (faults, _) = report.finish(Path::new("c.yaml"), text);
        Faults(faults).to_string()
    }

    #[test]
    fn a_fault_points_at_its_column() {
        assert_eq!(
            one("a: 1\nbé: 2\n", 2, 5),
            "c.yaml:2:5: wrong; do right\n  |\n2 | bé: 2\n  |     ^"
        );
    }

    #[test]
    fn a_long_line_is_cut_around_the_caret() {
        let text = format!("{}X{}", "a".repeat(500), "b".repeat(500));
        let shown = one(&text, 1, 501);
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines[2].len(), "1 | ".len() + WIDTH);
        assert_eq!(lines[2].find('X'), lines[3].find('^'));
    }

    #[test]
    fn no_snippet_shows_a_token_or_a_password() {
        let shown = one("token: 123456:AAAAAAAAAAAAAAAAAAAAAAAAA", 1, 8);
        assert!(shown.contains("token: ***"), "{shown}");
        let shown = one("database: postgres://u:p@ss@host/db", 1, 11);
        assert!(shown.contains("postgres://u:***@host/db"), "{shown}");
        let shown = one("{proxy: 'http://u:secret@h', x: 1}", 1, 30);
        assert!(!shown.contains("secret"), "{shown}");
        for (line, column) in [
            ("x: {push: hunter-hunter, warn: no}", 32),
            ("x: {'push': 'hunter hunter', warn: no}", 5),
            ("push: hunter!hunter", 7),
            ("push: \"hunter, hunter", 7),
        ] {
            let shown = one(line, 1, column);
            assert!(!shown.contains("hunter"), "{shown}");
        }
        let shown = one("push: '${NIGHTLY}'", 1, 7);
        assert!(shown.contains("${NIGHTLY}"), "{shown}");
    }
}
