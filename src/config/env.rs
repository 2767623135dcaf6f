//! The environment as a value, and the variables that override single keys of the file.

use std::collections::BTreeMap;

use super::fault::{At, Report};
use super::tree::{Entry, Node, Value};
use crate::base::suggest::closest;

/// Environment variables, captured once. Deliberately without `Debug`: it holds secrets.
#[derive(Clone, Default)]
pub struct Env(BTreeMap<String, String>);

impl Env {
    /// The variables of this process; those that are not UTF-8 are left out.
    #[must_use]
    pub fn capture() -> Self {
        std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect()
    }

    /// Gives a variable another value.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.0.insert(name.into(), value.into());
    }

    /// The value of a variable.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Env {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        Self(
            pairs
                .into_iter()
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
        )
    }
}

/// Every single key outside lists and free maps; the schema's test keeps it complete.
pub(super) const OVERRIDABLE: [&str; 22] = [
    "alerts.group_wait",
    "alerts.heartbeat_url",
    "base_dir",
    "data_dir",
    "database",
    "http.listen",
    "jobs.grace",
    "jobs.keep",
    "jobs.keep_count",
    "jobs.keep_size",
    "jobs.max_files",
    "jobs.max_files_size",
    "jobs.max_log",
    "jobs.max_queued",
    "jobs.per_user",
    "jobs.timeout",
    "jobs.workers",
    "telegram.api_url",
    "telegram.proxy",
    "telegram.stale_after",
    "telegram.token_file",
    "workflows_dir",
];

/// Variables of ours that are not keys of the file.
const OTHERS: [&str; 5] = [
    "OPSGRAM_CONFIG",
    "OPSGRAM_DATABASE_PASSWORD_FILE",
    "OPSGRAM_LOG",
    "OPSGRAM_LOG_FORMAT",
    "OPSGRAM_TELEGRAM_TOKEN",
];

/// The variable that overrides a key: `jobs.workers` is `OPSGRAM_JOBS_WORKERS`.
fn variable(key: &str) -> String {
    format!("OPSGRAM_{}", key.replace('.', "_").to_uppercase())
}

/// Puts the variables that are set into the tree, and warns of names that mean nothing.
pub(super) fn apply(env: &Env, root: &mut Node, report: &mut Report) {
    for key in OVERRIDABLE {
        let name = variable(key);
        if let Some(value) = env.get(&name) {
            set(root, key, Node::plain(At::Variable(name), value));
        }
    }
    let known: Vec<String> = OVERRIDABLE
        .into_iter()
        .map(variable)
        .chain(OTHERS.map(str::to_owned))
        .collect();
    for name in env.0.keys().filter(|name| name.starts_with("OPSGRAM_")) {
        if name.starts_with("OPSGRAM_TEST_") || known.contains(name) {
            continue;
        }
        let hint = match closest(name, known.iter().map(String::as_str)) {
            Some(near) => format!("did you mean {near}?"),
            None => "it is not used".to_owned(),
        };
        let message = format!("this variable sets nothing; {hint}");
        report.warn(&At::Variable(name.clone()), message);
    }
}

/// Sets a dotted key. Where the file has something other than a mapping in between, that is the section's fault to tell.
fn set(root: &mut Node, key: &str, node: Node) {
    let Value::Map(entries) = &mut root.value else {
        return;
    };
    let (first, rest) = match key.split_once('.') {
        Some((first, rest)) => (first, Some(rest)),
        None => (key, None),
    };
    let index = match entries.iter().position(|entry| entry.key == first) {
        Some(index) => index,
        None => {
            let at = node.at.clone();
            entries.push(Entry {
                key: first.to_owned(),
                at: at.clone(),
                node: Node::empty_map(at),
            });
            entries.len() - 1
        }
    };
    match rest {
        Some(rest) => set(&mut entries[index].node, rest, node),
        None => entries[index].node = node,
    }
}
