//! Workflows and scripts as steps: they take the place of the call, with what guards them.

use std::time::Duration;

use super::super::super::check_params;
use super::super::Home;
use super::{shape, template};
use crate::base::name::Name;
use crate::base::workflow::{Template, Work};

#[test]
fn a_called_workflow_takes_the_place_of_its_call() {
    let home = Home::new();
    let flow = home.flow(
        "
scripts: {greet: {run: ./run.sh, args: [{name: who}, {name: how, default: well}]}}
workflows:
  outer:
    env_pass: [A]
    steps:
      - {name: first, run: ./run.sh, capture: {v: 'v(.*)'}}
      - {name: sub, workflow: {name: inner, params: {tag: '{{ steps.first.v }}'}}, when: '{{ steps.first.v }} != \"\"'}
      - {name: end, run: [./run.sh, '{{ steps.sub/make.id }}', '{{ steps.sub.tag }}']}
    always: [{name: tidy, notify: done}]
  inner:
    params: [{name: tag, pattern: '[a-z]+'}, {name: mode, choices: [x, y], default: x}]
    env: {TAG: '{{ params.tag }}'}
    env_pass: [B]
    steps:
      - {name: make, run: [./run.sh, '{{ params.mode }}'], capture: {id: '.*'}, undo: [./run.sh, '{{ steps.make.id }}']}
      - {name: greet, script: {name: greet, args: ['{{ steps.make.id }}']}}
    always: [{name: clean, run: [./run.sh, '{{ params.tag }}']}]
",
        "outer",
    );
    assert_eq!(
        shape(&flow),
        [
            "first <",
            "sub < first",
            "sub/make < sub",
            "sub/greet < sub/make",
            "end < sub/greet"
        ]
    );
    assert_eq!(flow.env_pass, ["A", "B"]);
    assert_eq!(flow.undo_for, Duration::from_secs(600));
    let [_, sub, make, greet, _] = flow.steps.as_slice() else {
        panic!();
    };
    let Work::Call {
        workflow,
        params,
        given,
    } = &sub.work
    else {
        panic!("{:?}", sub.work);
    };
    assert_eq!((workflow.as_str(), params.len()), ("inner", 2));
    assert_eq!(given["tag"], template("{{ steps.first.v }}"));
    assert!(
        sub.when
            .as_ref()
            .is_some_and(|when| !when.same && when.right == Template::literal(""))
    );
    assert_eq!(
        (make.part_of, greet.part_of, sub.part_of),
        (Some(1), Some(1), None)
    );
    assert_eq!(make.env["TAG"], template("{{ steps.sub.tag }}"));
    assert_eq!(
        make.undo.as_ref().unwrap()[1],
        template("{{ steps.sub/make.id }}")
    );
    let Work::Script { given, .. } = &greet.work else {
        panic!("{:?}", greet.work);
    };
    assert_eq!(given, &[template("who={{ steps.sub/make.id }}")]);
    let names: Vec<&str> = flow.always.iter().map(|step| step.name.as_str()).collect();
    assert_eq!(names, ["sub/clean", "tidy"]);
    assert_eq!(flow.always[0].part_of, Some(1));

    let give = |pairs: &[(&str, &str)]| {
        let owned = pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        check_params(params, &owned.collect())
    };
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(
        give(&[("tag", "abc")]),
        Ok(vec![pair("tag", "abc"), pair("mode", "x")])
    );
    for (given, told) in [
        (&[("tag", "ABC")][..], "must match [a-z]+"),
        (&[("tag", "abc"), ("mode", "z")], "is not a value for mode"),
        (&[], "“tag” is missing"),
        (&[("tag", "abc"), ("x", "y")], "no parameter “x”"),
    ] {
        let wrong = give(given).unwrap_err();
        assert!(wrong.contains(told), "{wrong}");
    }
}

#[test]
fn a_step_has_the_lock_of_its_script() {
    let home = Home::new();
    let yaml = "scripts: {s: {run: echo, lock: x}}
workflows: {w: {steps: [{name: a, script: s}, {name: b, script: s, lock: x}, {name: c, hold: 1s}]}}";
    let flow = home.flow(yaml, "w");
    let locks: Vec<_> = flow.steps.iter().map(|step| step.lock.as_deref()).collect();
    assert_eq!(locks, [Some("x"), Some("x"), None]);
}

#[test]
fn calls_do_not_grow_without_end() {
    let home = Home::new();
    let mut yaml = "workflows:\n".to_owned();
    for level in 0..12 {
        let call = |name: &str| format!("{{name: {name}, workflow: w{}}}", level + 1);
        let both = [call("a"), call("b")].join(", ");
        yaml.push_str(&format!("  w{level}: {{steps: [{both}]}}\n"));
    }
    yaml.push_str("  w12: {steps: [{name: a, hold: 1s}]}\n");
    assert!(
        home.bad(&yaml)
            .iter()
            .any(|one| one.contains("more than 2000 steps"))
    );
    let chain = |level: usize| {
        format!(
            "  w{level:03}: {{steps: [{{name: a, workflow: w{:03}}}]}}\n",
            level + 1
        )
    };
    let long: String = (0..200).map(chain).collect();
    let yaml = format!("workflows:\n{long}  w200: {{steps: [{{name: a, hold: 1s}}]}}\n");
    assert!(
        home.bad(&yaml)
            .iter()
            .any(|one| one.contains("calls within calls go deeper"))
    );
}

#[test]
fn what_guards_a_script_guards_it_as_a_step() {
    let home = Home::new();
    let scripts = "scripts:
  s: {run: echo, role: admin}
  t: {run: echo, confirm: true, timeout: 7s}
  u: {run: echo, undo: [echo], confirm_within: 1m}
  v: {run: echo, undo: [echo], concurrency: 2}
";
    let with = |steps: &str| format!("{scripts}workflows: {{w: {{steps: [{steps}]}}}}");
    home.fault(
        &with("{name: a, script: s}"),
        "`s` needs the role admin, and w may be run from operator on; write `role: admin` on w",
    );
    home.fault(
        &with("{name: a, script: u}"),
        "`u` takes itself back unless somebody confirms it, which a step must say itself",
    );
    let above = format!(
        "{scripts}workflows: {{w: {{role: admin, steps: [{{name: a, script: s}}]}}, x: {{steps: [{{name: a, workflow: w}}]}}}}"
    );
    home.fault(
        &above,
        "`w` needs the role admin, and x may be run from operator on",
    );
    let loaded = home.good(&with("{name: a, script: v}"));
    let told: Vec<_> = loaded.warnings.iter().map(ToString::to_string).collect();
    assert!(
        told.iter()
            .any(|one| one.contains("write `undo` on the step, too")),
        "{told:?}"
    );

    let steps = "{name: a, script: t}, {name: b, script: t, timeout: 3s}, {name: c, script: v, undo: [echo]}";
    let config = home.good(&with(steps)).config;
    let named = |name: &str| &config.scripts[&Name::new(name).unwrap()];
    assert!(named("w").confirm);
    assert_eq!(named("t").lock.as_deref(), Some("script:t"));
    assert_eq!((&named("s").lock, &named("v").lock), (&None, &None));
    let flow = named("w").steps.clone().unwrap();
    let seconds: Vec<_> = flow
        .steps
        .iter()
        .map(|step| step.timeout.as_secs())
        .take(2)
        .collect();
    assert_eq!(seconds, [7, 3]);
    let locks: Vec<_> = flow.steps.iter().map(|step| step.lock.as_deref()).collect();
    assert_eq!(locks, [Some("script:t"), Some("script:t"), None]);
}
