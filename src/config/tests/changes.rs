//! What is said to differ between two configurations: what somebody changed, and nothing that follows from it.

use super::Home;
use crate::config::{Changes, Config, Differing};

const SLEEPY: &str = "scripts: {sleepy: {run: ./run.sh}}\n";
const FLOW: &str = "workflows: {w: {steps: [{name: a, script: sleepy}]}}\n";

fn changes(home: &Home, before: &str, after: &str) -> Changes {
    let load = |yaml: &str| -> Config { home.good(yaml).config };
    load(before).renewed(load(after)).1
}

fn removed(names: &[&str]) -> Differing {
    Differing {
        removed: names.iter().map(|name| (*name).to_owned()).collect(),
        ..Differing::default()
    }
}

#[test]
fn a_workflow_that_goes_changes_neither_its_scripts_nor_the_schedules() {
    let home = Home::new();
    let before = format!(
        "{SLEEPY}workflows: {{w: {{steps: [{{name: a, script: sleepy}}], schedule: '06:30'}}}}\n"
    );
    let found = changes(&home, &before, SLEEPY);
    assert_eq!(found.removed.len(), 1, "{found:?}");
    let expected = Changes {
        workflows: found.removed.iter().cloned().collect(),
        removed: found.removed.clone(),
        ..Changes::default()
    };
    assert_eq!(found, expected);
}

#[test]
fn a_lock_that_somebody_wrote_is_a_change() {
    let home = Home::new();
    let locked = "scripts: {sleepy: {run: ./run.sh, lock: nap}}\n";
    let found = changes(&home, SLEEPY, locked);
    assert_eq!(found.changed.len(), 1, "{found:?}");
    let found = changes(&home, SLEEPY, &format!("{SLEEPY}{FLOW}"));
    assert!(found.changed.is_empty(), "{found:?}");
}

#[test]
fn checks_and_schedules_are_named() {
    let home = Home::new();
    let before =
        "checks: {a: {kind: cpu, warn: 80}, b: {kind: cpu, warn: 90}, c: {kind: cpu, warn: 95}}\n";
    let found = changes(&home, before, "checks: {b: {kind: cpu, warn: 90}}\n");
    assert_eq!(found.checks, removed(&["a", "c"]));
    assert!(found.settings.is_empty(), "{found:?}");
    let found = changes(
        &home,
        "scripts: {s: {run: ./run.sh, schedule: '06:30'}, t: {run: ./run.sh}}",
        "scripts: {s: {run: ./run.sh, schedule: '07:30'}, t: {run: ./run.sh, schedule: '06:30'}}",
    );
    let expected = Differing {
        added: vec!["t".to_owned()],
        changed: vec!["s".to_owned()],
        ..Differing::default()
    };
    assert_eq!(found.schedules, expected);
    assert!(found.changed.is_empty() && found.settings.is_empty());
}

#[test]
fn checks_that_come_along_with_something_else_are_not_named() {
    let home = Home::new();
    for (before, after, settings) in [
        (
            "monitored_devices: []",
            "monitored_devices: [{name: root, path: /}]",
            vec!["monitored_devices"],
        ),
        (
            "monitored_devices: [{name: root, path: /}]",
            "monitored_devices: [{name: root, path: /, alert_threshold: 70}]",
            vec!["monitored_devices"],
        ),
        (
            "http: {}",
            "http: {listen: '127.0.0.1:8790'}",
            vec!["http.listen"],
        ),
        (
            "alerts: {group_wait: 10s}",
            "alerts: {repeat: {critical: 1h}, heartbeat_url: 'https://example.com/x'}",
            vec!["alerts"],
        ),
    ] {
        for (before, after) in [(before, after), (after, before)] {
            let found = changes(&home, before, after);
            assert_eq!(found.settings, settings, "{before} -> {after}");
            assert!(found.checks.is_empty(), "{before} -> {after}: {found:?}");
        }
    }
    let off = changes(
        &home,
        "http: {listen: '127.0.0.1:8790'}",
        "http: {listen: '127.0.0.1:8790'}\nchecks: {opsgram-port: false}",
    );
    assert_eq!(off.checks, removed(&["opsgram-port"]));
    let repeat = changes(
        &home,
        "checks: {a: {kind: cpu, warn: 80}}",
        "checks: {a: {kind: cpu, warn: 80, repeat: {critical: 1h}}}",
    );
    assert_eq!(repeat.checks.changed, ["a"]);
}
