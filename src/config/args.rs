//! The declared arguments of a script.

use std::collections::BTreeSet;

use regex::Regex;

use super::fault::{At, Report};
use super::map::Map;
use super::read::{text, texts};
use super::tree::Node;
use crate::base::name::Name;

/// A declared argument. What a person types is checked against it before anything runs.
#[derive(Clone, Debug)]
pub struct Arg {
    /// Its name, unique in the script.
    pub name: Name,
    /// What it is for, shown in help.
    pub description: Option<String>,
    /// The only values allowed; empty when any is.
    pub choices: Vec<String>,
    /// What the whole value must match.
    pub pattern: Option<Regex>,
    /// The pattern as written, for messages.
    pub pattern_text: Option<String>,
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
}

const MAX_LEN: usize = 256;

pub(super) fn read(nodes: &[Node], path: &str, report: &mut Report) -> Vec<Arg> {
    let mut args: Vec<Arg> = Vec::new();
    let mut names = BTreeSet::new();
    for (index, node) in nodes.iter().enumerate() {
        let Some(arg) = argument(node, &format!("{path}[{index}]"), report) else {
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

fn argument(node: &Node, path: &str, report: &mut Report) -> Option<Arg> {
    let mut map = Map::open(node, path, report)?;
    let name = map.own_name(report);
    let description = map.text("description", report).map(str::to_owned);
    let choices = choices(&mut map, report);
    let (pattern, pattern_text) = pattern(&mut map, report);
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
        choices,
        pattern,
        pattern_text,
        default: None,
        optional,
        allow_dash,
        max_len,
    };
    if let Some(node) = default {
        if optional {
            report.fault(
                &node.at,
                format!("`{path}` has a default and is `optional`; keep one"),
            );
        }
        let value = text(node, &format!("{path}.default"), report)?;
        if let Err(wrong) = arg.check(value) {
            report.fault(&node.at, format!("the default is not allowed: {wrong}"));
        }
        arg.default = Some(value.to_owned());
    }
    Some(arg)
}

fn choices(map: &mut Map<'_>, report: &mut Report) -> Vec<String> {
    let Some(node) = map.get("choices") else {
        return Vec::new();
    };
    let name = map.name("choices");
    let found = texts(node, &name, report);
    if found.is_empty() {
        report.fault(
            &node.at,
            format!("`{name}` is empty; list the values that are allowed, or leave the key out"),
        );
    }
    let mut seen = BTreeSet::new();
    for (choice, at) in &found {
        check_choice(choice, &name, at, report);
        if !seen.insert(*choice) {
            report.fault(
                at,
                format!("the choice `{choice}` is listed twice; keep one"),
            );
        }
    }
    found
        .into_iter()
        .map(|(choice, _)| choice.to_owned())
        .collect()
}

fn check_choice(choice: &str, name: &str, at: &At, report: &mut Report) {
    if choice.is_empty() || choice.chars().any(char::is_control) {
        report.fault(
            at,
            format!("`{name}` holds an empty value or a control character; write plain words"),
        );
    }
}

/// A pattern always means the whole value.
fn pattern(map: &mut Map<'_>, report: &mut Report) -> (Option<Regex>, Option<String>) {
    let Some(node) = map.get("pattern") else {
        return (None, None);
    };
    let name = map.name("pattern");
    let Some(written) = text(node, &name, report) else {
        return (None, None);
    };
    let whole = Regex::new(written).and_then(|_| Regex::new(&format!(r"\A(?:{written})\z")));
    match whole {
        Ok(regex) => (Some(regex), Some(written.to_owned())),
        Err(error) => {
            let reason = error.to_string();
            let reason = reason.lines().last().unwrap_or_default();
            let reason = reason.trim_start_matches("error: ");
            report.fault(&node.at, format!("`{name}` is not a regular expression ({reason}); mend it, and write it in 'single quotes'"));
            (None, Some(written.to_owned()))
        }
    }
}
