//! The files that people read: they load, and they name exactly the keys that the code knows.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value as Json;

use super::super::env::OVERRIDABLE;
use super::super::fault::Report;
use super::super::tree::{self, Node, Value};
use super::super::{Env, Script, load, schema, schema_text};
use super::repository;
use crate::base::role::Role;

fn env() -> Env {
    let set = [
        ("PATH", "/usr/bin:/bin"),
        ("PGPASSWORD", "hunter22"),
        ("GITHUB_TOKEN", "a token"),
        ("GIT_TOKEN", "another"),
        ("LAPTOP_BACKUP", "0123456789abcdef"),
    ];
    set.into_iter().collect()
}

/// The documented file with its examples switched on.
fn with_examples() -> String {
    let text = fs::read_to_string(repository("config/opsgram.yaml")).unwrap();
    text.lines()
        .map(|line| match line.strip_prefix('#') {
            Some(rest) if !rest.starts_with(' ') || rest.starts_with("  ") => rest,
            Some(_) | None => line,
        })
        .map(|line| format!("{line}\n"))
        .collect()
}

#[test]
fn the_documented_file_loads_as_it_is() {
    let loaded = load(&repository("config/opsgram.yaml"), &env());
    let loaded = loaded.unwrap_or_else(|faults| panic!("{faults}"));
    assert_eq!(loaded.warnings, []);
    assert_eq!(loaded.config.base_dir, repository(""));
    assert!(loaded.config.access.users.is_empty());
}

#[test]
fn the_documented_file_says_the_defaults() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty.yaml");
    fs::write(&empty, "").unwrap();
    let empty = load(&empty, &env()).unwrap().config;
    let documented = load(&repository("config/opsgram.yaml"), &env())
        .unwrap()
        .config;
    assert_eq!(documented.jobs, empty.jobs);
    assert_eq!(documented.access, empty.access);
    assert_eq!(documented.telegram.api_url, empty.telegram.api_url);
    assert_eq!(documented.telegram.proxy, empty.telegram.proxy);
    assert_eq!(documented.telegram.stale_after, empty.telegram.stale_after);
}

#[test]
fn every_example_in_the_documented_file_loads() {
    let folder = tempfile::tempdir_in(repository("target")).unwrap();
    let file = folder.path().join("full.yaml");
    let text = with_examples().replace(
        "base_dir: null",
        &format!("base_dir: {}", repository("").display()),
    );
    fs::write(&file, text).unwrap();
    let loaded = load(&file, &env()).unwrap_or_else(|faults| panic!("{faults}"));
    let config = loaded.config;
    assert_eq!(config.access.users[0].role, Role::Owner);
    let names: Vec<&str> = config.scripts.keys().map(|name| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "count-lines",
            "deploy",
            "guard",
            "health-check",
            "hello",
            "hourly",
            "logs",
            "morning",
            "nightly",
            "pages",
            "publish",
            "release",
            "restart",
            "table"
        ]
    );
    let scheduled: Vec<&str> = config
        .schedules
        .iter()
        .map(|one| one.name.as_str())
        .collect();
    assert_eq!(
        scheduled,
        [
            "morning", "hourly", "nightly", "release", "pages", "guard", "publish"
        ]
    );
    assert_eq!(loaded.warnings.len(), 1);
}

#[test]
fn the_documented_file_and_the_schema_have_the_same_keys() {
    let mut report = Report::default();
    let tree = tree::parse(&with_examples(), &mut report).unwrap();
    let mut documented = BTreeSet::new();
    keys_of_tree(&tree, "", &mut documented);
    let mut described = BTreeSet::new();
    keys_of_schema(&schema(), "", &mut described);
    // What the steps of `always` may say, and what a schedule and an argument may, is shown once.
    let once = |key: &String| {
        !key.starts_with("workflows.*.always[].")
            && !key.starts_with("workflows.*.schedule.")
            && !key.starts_with("workflows.*.params[].")
    };
    documented.retain(once);
    described.retain(once);
    assert_eq!(documented, described);
}

#[test]
fn every_single_key_can_be_set_by_a_variable() {
    let schema = schema();
    let top = schema["properties"].as_object().unwrap();
    let mut single = BTreeSet::new();
    for (key, property) in top {
        if let Some(inner) = property.get("properties").and_then(Json::as_object) {
            single.extend(
                inner
                    .iter()
                    .filter(|(_, inner)| is_single(inner))
                    .map(|(name, _)| format!("{key}.{name}")),
            );
        } else if is_single(property) {
            single.insert(key.clone());
        }
    }
    single.remove("broadcast_chunk_size");
    assert_eq!(single, OVERRIDABLE.map(str::to_owned).into());
}

#[test]
fn the_checked_in_schema_is_the_current_one() {
    let path = repository("config/opsgram.schema.json");
    if std::env::var_os("OPSGRAM_TEST_WRITE").is_some() {
        fs::write(&path, schema_text()).unwrap();
    }
    assert!(
        fs::read_to_string(&path).unwrap() == schema_text(),
        "config/opsgram.schema.json is old; run `opsgram schema > config/opsgram.schema.json`"
    );
}

#[test]
fn the_sandbox_file_loads_and_knows_its_people() {
    let loaded = load(&repository("config/sandbox.yaml"), &env());
    let loaded = loaded.unwrap_or_else(|faults| panic!("{faults}"));
    assert_eq!(loaded.warnings, []);
    let config = loaded.config;
    let people: Vec<_> = config
        .access
        .users
        .iter()
        .map(|user| (user.id.0, user.name.as_str(), user.role))
        .collect();
    assert_eq!(
        people,
        [
            (111, "ann", Role::Owner),
            (222, "ben", Role::Operator),
            (333, "cleo", Role::Viewer)
        ]
    );
    assert_eq!(config.access.chats[0].id.0, -1001);
    let examples = fs::read_dir(repository("scripts/examples"))
        .unwrap()
        .count();
    let is_workflow = |script: &&Script| script.steps.is_some();
    let workflows = config.scripts.values().filter(is_workflow).count();
    assert_eq!(workflows, 1);
    // One of the examples lists values for an argument of another.
    assert_eq!(config.scripts.len() - workflows + 1, examples);
}

fn is_single(property: &Json) -> bool {
    let kinds = &property["type"];
    kinds != "object" && kinds != "array"
}

/// The dotted keys, `*` for names that are free and `[]` for list items.
fn keys_of_tree(node: &Node, path: &str, found: &mut BTreeSet<String>) {
    match &node.value {
        Value::Null | Value::Scalar { .. } => {}
        Value::Seq(items) => {
            items
                .iter()
                .for_each(|item| keys_of_tree(item, &format!("{path}[]"), found));
        }
        Value::Map(entries) => {
            for entry in entries {
                const FREE: [&str; 13] = [
                    "checks",
                    "scripts",
                    "scripts.*.env",
                    "scripts.*.schedule.args",
                    "workflows",
                    "workflows.*.after_github.params",
                    "workflows.*.env",
                    "workflows.*.schedule.args",
                    "workflows.*.steps[].env",
                    "workflows.*.steps[].capture",
                    "workflows.*.steps[].script.args",
                    "workflows.*.steps[].workflow.params",
                    "workflows.*.steps[].github.inputs",
                ];
                let of_http =
                    ["headers", "json"].map(|key| format!("workflows.*.steps[].http.{key}"));
                let free = FREE.contains(&path) || of_http.iter().any(|free| free == path);
                let key = if free { "*" } else { &entry.key };
                let key = if path.is_empty() {
                    key.to_owned()
                } else {
                    format!("{path}.{key}")
                };
                keys_of_tree(&entry.node, &key, found);
                found.insert(key);
            }
        }
    }
}

fn keys_of_schema(schema: &Json, path: &str, found: &mut BTreeSet<String>) {
    let mut visit = |key: &str, inner: &Json| {
        let key = if path.is_empty() {
            key.to_owned()
        } else {
            format!("{path}.{key}")
        };
        keys_of_schema(inner, &key, found);
        found.insert(key);
    };
    for (key, inner) in schema["properties"].as_object().into_iter().flatten() {
        visit(key, inner);
    }
    if schema["additionalProperties"].is_object() {
        visit("*", &schema["additionalProperties"]);
    }
    for kind in schema["anyOf"].as_array().into_iter().flatten() {
        keys_of_schema(kind, path, found);
    }
    if schema["items"].is_object() {
        keys_of_schema(&schema["items"], &format!("{path}[]"), found);
    }
}
