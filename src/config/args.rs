//! The declared arguments of a script.

use std::collections::BTreeSet;

use regex::Regex;

use super::Paths;
use super::choices::{self, ChoicesFrom};
use super::fault::Report;
use super::kind::{self, Kind, only_with};
use super::map::Map;
use super::read::text;
use super::tree::Node;
use crate::base::name::Name;

/// A declared argument. What a person types is checked against it before anything runs.
#[derive(Clone, Debug)]
pub struct Arg {
    /// Its name, unique in the script.
    pub name: Name,
    /// What it is for, shown in help and when it is asked for.
    pub description: Option<String>,
    /// What kind of value it takes.
    pub kind: Kind,
    /// The only values allowed; empty when any is.
    pub choices: Vec<String>,
    /// The program that prints the only values allowed.
    pub choices_from: Option<ChoicesFrom>,
    /// What the whole value must match.
    pub pattern: Option<Regex>,
    /// The pattern as written, for messages.
    pub pattern_text: Option<String>,
    /// What to write, in words, told to whoever wrote something else.
    pub hint: Option<String>,
    /// The value when none is given.
    pub default: Option<String>,
    /// Whether it may be left out although it has no default.
    pub optional: bool,
    /// Whether a value may start with `-`.
    pub allow_dash: bool,
    /// The longest value, in characters.
    pub max_len: usize,
}

impl Arg {
    /// Whether a value must be given.
    #[must_use]
    pub fn required(&self) -> bool {
        self.default.is_none() && !self.optional
    }

    /// Whether it is a file, which is sent and never typed.
    #[must_use]
    pub fn is_file(&self) -> bool {
        matches!(self.kind, Kind::File(_))
    }
}

const MAX_LEN: usize = 256;

/// How much of a value a pattern has to match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Matching {
    /// All of it, however it is written.
    Whole,
    /// All of it, but of one that is written with `^` and without `$` only the beginning.
    AsAnchored,
}

pub(super) fn read(
    nodes: &[Node],
    path: &str,
    matching: Matching,
    paths: &Paths<'_>,
    report: &mut Report,
) -> Vec<Arg> {
    let mut args: Vec<Arg> = Vec::new();
    let mut names = BTreeSet::new();
    for (index, node) in nodes.iter().enumerate() {
        let path = format!("{path}[{index}]");
        let Some(arg) = argument(node, &path, &args, matching, paths, report) else {
            continue;
        };
        if !names.insert(arg.name.clone()) {
            report.fault(
                &node.at,
                format!(
                    "the argument `{}` is already declared; give each its own name",
                    arg.name
                ),
            );
        }
        if arg.required()
            && let Some(before) = args.last().filter(|before| !before.required())
        {
            report.fault(
                &node.at,
                format!(
                    "`{}` is required but follows `{}`, which is not; put required arguments first",
                    arg.name, before.name
                ),
            );
        }
        args.push(arg);
    }
    args
}

fn argument(
    node: &Node,
    path: &str,
    before: &[Arg],
    matching: Matching,
    paths: &Paths<'_>,
    report: &mut Report,
) -> Option<Arg> {
    let mut map = Map::open(node, path, report)?;
    let name = map.own_name(report);
    let description = map.text("description", report).map(str::to_owned);
    let kind = kind::read(&mut map, report);
    let choices = choices::listed(&mut map, report);
    let choices_from = choices::from(&mut map, before, paths, report);
    let (pattern, pattern_text) = pattern(&mut map, matching, report);
    let hint = map.text("hint", report).map(str::to_owned);
    if pattern_text.is_none() {
        only_with(&mut map, "hint", "with `pattern`", report);
    }
    let default = map.optional("default");
    let optional = map.flag("optional", report).unwrap_or_default();
    let allow_dash = map.flag("allow_dash", report).unwrap_or_default();
    let max_len = map.integer("max_len", 1..=4096, report);
    let max_len = max_len
        .and_then(|len| usize::try_from(len).ok())
        .unwrap_or(MAX_LEN);
    if !choices.is_empty() && pattern_text.is_some() {
        report.fault(
            map.at,
            format!("`{path}` has both `choices` and `pattern`; keep one"),
        );
    }
    map.finish(report);
    let mut arg = Arg {
        name: name?,
        description,
        kind,
        choices,
        choices_from,
        pattern,
        pattern_text,
        hint,
        default: None,
        optional,
        allow_dash,
        max_len,
    };
    if let Some(node) = default.filter(|_| !arg.is_file()) {
        if optional {
            report.fault(
                &node.at,
                format!("`{path}` has a default and is `optional`; keep one"),
            );
        }
        let value = text(node, &format!("{path}.default"), report)?;
        match arg.check(value) {
            Ok(value) => arg.default = Some(value),
            Err(wrong) => report.fault(&node.at, format!("the default is not allowed: {wrong}")),
        }
    }
    Some(arg)
}

/// A pattern, and its text in the form that matches the whole value.
fn pattern(
    map: &mut Map<'_>,
    matching: Matching,
    report: &mut Report,
) -> (Option<Regex>, Option<String>) {
    let Some(node) = map.get("pattern") else {
        return (None, None);
    };
    let name = map.name("pattern");
    let Some(written) = text(node, &name, report) else {
        return (None, None);
    };
    let begins = matching == Matching::AsAnchored
        && written.starts_with('^')
        && (!written.ends_with('$') || written.ends_with(r"\$"));
    let text = match begins {
        true if written.contains('|') => format!("(?:{written}).*"),
        true => format!("{written}.*"),
        false => written.to_owned(),
    };
    let whole = Regex::new(written).and_then(|_| Regex::new(&format!(r"\A(?:{text})\z")));
    match whole {
        Ok(regex) => (Some(regex), Some(text)),
        Err(error) => {
            let reason = error.to_string();
            let reason = reason.lines().last().unwrap_or_default();
            let reason = reason.trim_start_matches("error: ");
            report.fault(&node.at, format!("`{name}` is not a regular expression ({reason}); mend it, and write it in 'single quotes'"));
            (None, Some(written.to_owned()))
        }
    }
}
