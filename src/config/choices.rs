//! The values that an argument may have: a list, or what a program prints.

use std::collections::BTreeSet;
use std::time::Duration;

use super::args::Arg;
use super::fault::{At, Report};
use super::kind::{Kind, only_with};
use super::map::Map;
use super::read::{text, texts};
use super::scripts::program;
use super::template::ArgTemplate;
use super::tree::{Node, Value};
use super::{Paths, YEAR};

/// A program that prints the values that an argument may have, one a line.
#[derive(Clone, Debug)]
pub struct ChoicesFrom {
    /// The argv; placeholders stand for arguments that are declared before.
    argv: Vec<ArgTemplate>,
    /// How long its answer counts.
    pub ttl: Duration,
    /// How long it may take.
    pub timeout: Duration,
}

impl ChoicesFrom {
    /// The argv with these values of the script's arguments, in their order.
    #[must_use]
    pub fn argv(&self, values: &[Option<String>]) -> Vec<String> {
        let elements = self.argv.iter();
        elements
            .filter_map(|element| element.fill(values))
            .collect()
    }

    /// The indexes of the arguments that it depends on.
    pub fn depends_on(&self) -> impl Iterator<Item = usize> + '_ {
        self.argv.iter().flat_map(ArgTemplate::arguments)
    }
}

/// How long an answer counts when the configuration does not say.
const TTL: Duration = Duration::from_secs(60);
/// How long a program may take when the configuration does not say.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The most that it may be given: the chat waits for it.
const MAX_TIMEOUT: Duration = Duration::from_secs(30);

/// Reads `choices`.
pub(super) fn listed(map: &mut Map<'_>, report: &mut Report) -> Vec<String> {
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

/// Reads `choices_from` and what belongs to it. `before` are the arguments that it may name.
pub(super) fn from(
    map: &mut Map<'_>,
    before: &[Arg],
    paths: &Paths<'_>,
    report: &mut Report,
) -> Option<ChoicesFrom> {
    let node = map.get("choices_from");
    let ttl = map.duration_or("choices_ttl", TTL, YEAR, report);
    let timeout = map.duration_or("choices_timeout", TIMEOUT, MAX_TIMEOUT, report);
    let Some(node) = node else {
        for key in ["choices_ttl", "choices_timeout"] {
            only_with(map, key, "with `choices_from`", report);
        }
        return None;
    };
    let name = map.name("choices_from");
    if map.get("choices").is_some() {
        report.fault(
            map.at,
            format!("`{name}` stands beside `choices`; keep one"),
        );
    }
    let argv = argv(node, &name, before, paths, report)?;
    Some(ChoicesFrom { argv, ttl, timeout })
}

fn argv(
    node: &Node,
    name: &str,
    before: &[Arg],
    paths: &Paths<'_>,
    report: &mut Report,
) -> Option<Vec<ArgTemplate>> {
    let elements = match &node.value {
        Value::Seq(_) => texts(node, name, report),
        Value::Null | Value::Scalar { .. } | Value::Map(_) => {
            vec![(text(node, name, report)?, &node.at)]
        }
    };
    let Some(((first, first_at), rest)) = elements.split_first() else {
        report.fault(
            &node.at,
            format!("`{name}` is empty; write a path, or a list that starts with one"),
        );
        return None;
    };
    if ArgTemplate::parse(first, &[]).is_err() {
        report.fault(
            first_at,
            "the program itself cannot hold placeholders; write its path",
        );
        return None;
    }
    let names: Vec<&str> = before.iter().map(|arg| arg.name.as_str()).collect();
    let mut argv = vec![program(first, first_at, paths, report)?];
    for (element, at) in rest {
        match ArgTemplate::parse(element, &names) {
            Ok(template) => {
                let file = |index: usize| matches!(before[index].kind, Kind::File(_));
                if template.arguments().any(file) {
                    report.fault(at, "a file cannot be looked at here; name other arguments");
                }
                argv.push(template);
            }
            Err(wrong) => report.fault(
                at,
                format!("{wrong} (here, only arguments declared before this one count)"),
            ),
        }
    }
    Some(argv)
}
