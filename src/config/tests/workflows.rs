//! Workflows: what they become, what is wrong with them, and the samples that come along.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::{ProptestConfig, proptest};

use super::super::{Env, check_params, content_hash, load};
use super::{Home, repository};
use crate::base::job::OnBusy;
use crate::base::name::Name;
use crate::base::schedule::Retries;
use crate::base::workflow::{
    Concurrency, OnCrash, OnFailure, Source, Step, Template, Values, Work, Workflow,
};

const VPS: &str = r#"
workflows:
  vps:
    description: Clone, install, share a terminal, hold five hours, start over
    params: [{name: repo, default: "https://example.com/x.git", pattern: '^https://'}]
    concurrency: single             # a second start is refused with the running id; or queue, or replace
    every: after_end                # keep-alive: next starts when this ends (gap < 5 s); or a schedule as in scripts
    max_duration: 6h
    notify: [start, steps, end]     # who and how much
    steps:
      - {name: clone, git: {url: "{{ params.repo }}", depth: 1, dir: repo}, timeout: 10m}
      - {name: cloudflared, run: [./install-cloudflared.sh], on_failure: continue, skip_if: [cloudflared, --version]}
      - {name: install, run: [bash, install.sh], cwd: repo, timeout: 30m, retry: {times: 2, backoff: 10s, max: 2m, not_on: [2]}}
      - name: terminal
        service: [sshx, --quiet]    # keeps running for the rest of the run; its group dies with the run
        capture: {url: '^(https://\S+/s/\S+)$', within: 30s, secret: true}
      - {name: hold, hold: 5h}
    always: [{name: clean, run: [./clean.sh]}]
"#;

impl Home {
    /// The workflow of this name.
    fn flow(&self, yaml: &str, name: &str) -> Arc<Workflow> {
        let config = self.good(yaml).config;
        let script = &config.scripts[&Name::new(name).unwrap()];
        script.steps.clone().unwrap()
    }

    /// That this is the only fault.
    fn fault(&self, yaml: &str, told: &str) {
        let faults = self.bad(yaml);
        assert!(
            matches!(faults.as_slice(), [one] if one.contains(told)),
            "{yaml}\n gives {faults:#?}\n not {told}"
        );
    }
}

/// The names of the steps, each with those that it needs.
fn shape(flow: &Workflow) -> Vec<String> {
    let name = |index: &usize| flow.steps[*index].name.as_str();
    let tell = |step: &Step| {
        let needs: Vec<&str> = step.needs.iter().map(name).collect();
        format!("{} < {}", step.name, needs.join(" "))
            .trim_end()
            .to_owned()
    };
    flow.steps.iter().map(tell).collect()
}

fn template(text: &str) -> Template {
    Template::parse(text).unwrap()
}

fn steps(of: &str) -> String {
    format!(
        "workflows: {{w: {{params: [{{name: p, default: x}}], steps: [{{name: z, notify: '{{{{ params.p }}}}'}}, {of}]}}}}"
    )
}

#[test]
fn the_five_steps_load_as_they_are_written() {
    let home = Home::new();
    home.program("install-cloudflared.sh", 0o755);
    home.program("clean.sh", 0o755);
    let loaded = home.good(VPS);
    let script = &loaded.config.scripts[&Name::new("vps").unwrap()];
    assert!(script.run.is_empty());
    assert_eq!((script.concurrency, script.on_busy), (1, OnBusy::Refuse));
    assert_eq!(script.usage(), "vps [repo, else https://example.com/x.git]");
    let [schedule] = loaded.config.schedules.as_slice() else {
        panic!("{:?}", loaded.config.schedules);
    };
    assert!(schedule.after_end() && schedule.script == script.name);

    let flow = script.steps.clone().unwrap();
    assert_eq!(
        shape(&flow),
        [
            "clone <",
            "cloudflared < clone",
            "install < cloudflared",
            "terminal < install",
            "hold < terminal"
        ]
    );
    assert_eq!((flow.concurrency, flow.parallel), (Concurrency::Single, 4));
    assert_eq!(flow.max_duration, Some(Duration::from_secs(6 * 3600)));
    assert!(flow.notify.start && flow.notify.steps && flow.notify.end);
    assert_eq!(flow.undo_for, Duration::ZERO);
    let [clone, cloudflared, install, terminal, hold] = flow.steps.as_slice() else {
        panic!("{:?}", flow.steps);
    };
    let Work::Git {
        url,
        depth: Some(1),
        dir,
        ..
    } = &clone.work
    else {
        panic!("{:?}", clone.work);
    };
    assert_eq!(url, &Template::value(Source::Param("repo".into())));
    assert_eq!(dir, &Template::literal("repo"));
    let path = home
        .path()
        .join("install-cloudflared.sh")
        .display()
        .to_string();
    assert_eq!(
        cloudflared.work,
        Work::Run {
            argv: vec![Template::literal(path)]
        }
    );
    assert_eq!(cloudflared.on_failure, OnFailure::Continue);
    let version = ["cloudflared", "--version"].map(Template::literal).to_vec();
    assert_eq!(cloudflared.skip_if, Some(version));
    assert_eq!(
        install.work,
        Work::Run {
            argv: ["bash", "install.sh"].map(Template::literal).to_vec()
        }
    );
    assert_eq!(
        install.retry,
        Some(Retries {
            attempts: 3,
            backoff: Duration::from_secs(10),
            factor: 2.0,
            max: Duration::from_secs(120),
            jitter: Duration::ZERO,
            not_on: vec![2],
        })
    );
    let capture = &terminal.capture["url"];
    assert!(capture.secret && capture.within == Some(Duration::from_secs(30)));
    assert_eq!(terminal.on_crash, OnCrash::Retry);
    assert_eq!(
        (hold.timeout, hold.on_crash),
        (Duration::from_secs(5 * 3600), OnCrash::Retry)
    );
    assert_eq!(flow.always[0].name, "clean");

    // What may be installed on the way is no fault.
    let told: Vec<String> = loaded
        .warnings
        .iter()
        .map(|one| one.message.clone())
        .collect();
    assert!(
        matches!(told.as_slice(), [one] if one.contains("`sshx` is not found in PATH")),
        "{told:?}"
    );
    let stored = serde_json::to_string(&*flow).unwrap();
    assert_eq!(serde_json::from_str::<Workflow>(&stored).unwrap(), *flow);
}

#[test]
fn needs_make_a_graph_in_an_order_that_works() {
    let home = Home::new();
    let flow = home.flow(
        "workflows: {w: {steps: [{name: last, needs: [a, b], notify: x}, {name: a, notify: x}, {name: b, needs: a, notify: x}, {name: c, notify: x}]}}",
        "w",
    );
    assert_eq!(shape(&flow), ["a <", "b < a", "last < a b", "c <"]);
}

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
fn an_outline_names_each_step_with_what_was_given() {
    let home = Home::new();
    home.program("install-cloudflared.sh", 0o755);
    home.program("clean.sh", 0o755);
    let config = home.good(VPS).config;
    let script = &config.scripts[&Name::new("vps").unwrap()];
    // With `^` alone, the pattern means the beginning.
    assert!(script.params(&["https://example.com/y".to_owned()]).is_ok());
    let wrong = script.params(&["http://example.com/y".to_owned()]);
    assert!(wrong.unwrap_err().to_string().contains("expected form"));
    let told = script.steps.as_ref().unwrap().outline(&Values::default());
    assert_eq!(told[0], "clone: git {{ params.repo }} into repo");
    assert_eq!(told[4], "hold: hold 5 h");
    assert!(told[5].starts_with("at the end, clean: "));
    let wrong = script
        .params(&["https://a".to_owned(), "b".to_owned()])
        .unwrap_err();
    assert!(wrong.to_string().contains("/workflow run vps"), "{wrong}");
}

/// Each pair is a step and the one fault that it must give.
const STEPS: &[(&str, &str)] = &[
    (
        "{name: a}",
        "this step does nothing; give it one of run, script, git",
    ),
    (
        "{name: a, hold: 1s, notify: x}",
        "this step has both `hold` and `notify`; make two steps of it",
    ),
    ("{notify: x}", "lacks `name`"),
    ("{name: a.b, notify: x}", "`a.b` holds a dot"),
    ("{name: z, notify: x}", "a step named `z` is already there"),
    (
        "{name: a, notify: x, timout: 3s}",
        "`timout` is not a key of `workflows.w.steps[1]`; did you mean `timeout`?",
    ),
    ("{name: a, hold: soon}", "`soon` is not a duration"),
    (
        "{name: a, hold: 1s, timeout: 1s}",
        "means nothing for `hold`; it lasts as long as it says",
    ),
    (
        "{name: a, notify: x, retry: {times: 2}}",
        "`workflows.w.steps[1].retry` means nothing for `notify`; remove it",
    ),
    (
        "{name: a, run: ./run.sh, retry: {attempts: 3}}",
        "known here: backoff, factor, jitter, max, not_on, times",
    ),
    (
        "{name: a, run: ./run.sh, retry: {times: 0}}",
        "write a whole number from 1 to 19",
    ),
    (
        "{name: a, run: ./run.sh, on_failure: ignore}",
        "write abort, continue or skip_rest",
    ),
    (
        "{name: a, run: ./run.sh, confirm_within: 5m}",
        "add `undo: [program]`",
    ),
    ("{name: a, run: ./gone.sh}", "HOME/gone.sh does not exist"),
    ("{name: a, run: []}", "`workflows.w.steps[1].run` is empty"),
    (
        "{name: a, run: 'echo hello'}",
        "write options as a list: [program, --option]",
    ),
    (
        "{name: a, run: ['{{ params.p }}']}",
        "the program itself cannot hold places",
    ),
    (
        "{name: a, run: ['{{ run.dir }}/../x']}",
        "the program itself cannot hold places",
    ),
    (
        "{name: a, run: ./run.sh, cwd: ../x}",
        "which is not below the run's folder",
    ),
    (
        "{name: a, run: ./run.sh, cwd: /no/such/folder}",
        "the working directory /no/such/folder does not exist",
    ),
    ("{name: a, hold: 1s, cwd: x}", "no program is started"),
    (
        "{name: a, run: [./run.sh, '{{ params.q }}']}",
        "`params.q` is not a parameter of w; declare it under `params`",
    ),
    (
        "{name: a, run: [./run.sh, '{{ q }}']}",
        "`{{ q }}` names no value",
    ),
    (
        "{name: a, run: [./run.sh, '{{ env.HOME }}']}",
        "add HOME to `env_pass` of w",
    ),
    (
        "{name: a, run: [./run.sh, '{{ steps.y.v }}']}",
        "there is no step `y`; there are z, a",
    ),
    (
        "{name: a, run: [./run.sh, '{{ steps.z.v }}']}",
        "`z` finds no values; name them under its `capture`",
    ),
    (
        "{name: a, run: [./run.sh, '{{ steps.a.v }}'], capture: {v: x}}",
        "is not there before the step itself ran",
    ),
    ("{name: a, needs: y, notify: x}", "there is no step `y`"),
    (
        "{name: a, needs: a, notify: x}",
        "wait for each other: a → a; take",
    ),
    (
        "{name: a, needs: b, notify: x}, {name: b, needs: [z, c], notify: x}, {name: c, needs: a, notify: x}",
        "wait for each other: a → b → c → a; take",
    ),
    (
        "{name: a, run: ./run.sh, capture: {v: 'a('}}",
        "is not a regular expression",
    ),
    (
        "{name: a, run: ./run.sh, capture: {within: 3s}}",
        "names no value",
    ),
    (
        "{name: a, run: ./run.sh, capture: {v: {patern: x, pattern: y}}}",
        "did you mean `pattern`?",
    ),
    (
        "{name: a, http: 'https://example.com', capture: {v: x}}",
        "name values of its answer under `http.json`",
    ),
    ("{name: a, run: ./run.sh, when: 'x'}", "write a comparison"),
    (
        "{name: a, git: {url: 'http://example.com/x'}}",
        "write one that begins with https://, ssh:// or git://",
    ),
    ("{name: a, git: {url: '/srv/x'}}", "is no address for git"),
    (
        "{name: a, git: {url: 'file://{{ params.p }}'}}",
        "is no address for git",
    ),
    (
        "{name: a, git: {url: '{{ params.p }}'}}",
        "`x` is no address for git",
    ),
    (
        "{name: a, git: {url: 'https://example.com/x', dir: /tmp}}",
        "not below the run's folder",
    ),
    (
        "{name: a, git: {url: 'https://example.com/x', branch: --all}}",
        "begins with `-`",
    ),
    (
        "{name: a, git: {url: 'https://example.com/x', token: a-b}}",
        "is not the name of an environment variable",
    ),
    (
        "{name: a, http: 'ftp://example.com'}",
        "is no address of a web server",
    ),
    (
        "{name: a, http: {url: 'https://example.com', method: get}}",
        "write GET, HEAD, POST, PUT, PATCH or DELETE",
    ),
    (
        "{name: a, http: {url: 'https://example.com', json: {v: data}}}",
        "write a JSON pointer",
    ),
    (
        "{name: a, http: {url: 'https://example.com', headers: {'a b': x}}}",
        "is not the name of a header",
    ),
    (
        "{name: a, wait_for: {every: 1s}}",
        "give it one of url, tcp, file or command",
    ),
    ("{name: a, wait_for: {tcp: example.com}}", "write host:port"),
    (
        "{name: a, wait_for: {file: x, status: 200}}",
        "is only for `url`",
    ),
    (
        "{name: a, approve: {role: boss}}",
        "write viewer, operator, admin or owner",
    ),
    ("{name: a, script: s}", "there is no script `s`"),
    (
        "{name: a, script: w}",
        "`w` is a workflow; write `workflow: w`",
    ),
    ("{name: a, workflow: v}", "there is no workflow `v`"),
    (
        "{name: a, workflow: w}",
        "a workflow cannot call itself: w → w",
    ),
    (
        "{name: a, workflow: {name: w, args: {}}}",
        "known here: name, params",
    ),
    (
        "{name: a, github: {repo: x, workflow: y}}",
        "write owner/name",
    ),
    ("{name: a, github: {repo: x/y}}", "lacks `workflow`"),
    (
        "{name: a, rnu: [./run.sh, '{{ params.p }}']}",
        "`rnu` is not a key of `workflows.w.steps[1]`; did you mean `run`?",
    ),
    (
        "{name: a, htpp: {url: 'https://example.com', json: {v: /v}}}, {name: b, notify: '{{ steps.a.v }}'}",
        "did you mean `http`?",
    ),
    (
        "{name: a, notify: ' '}",
        "`workflows.w.steps[1].notify` is empty; write what people are to read",
    ),
    (
        "{name: a, approve: ''}",
        "`workflows.w.steps[1].approve` is empty; write what people are to agree to",
    ),
    (
        "{name: a, approve: {question: ''}}",
        "`workflows.w.steps[1].approve.question` is empty",
    ),
    (
        "{name: a, wait_for: {command: []}}",
        "is empty; write a path",
    ),
    (
        "{name: a, wait_for: {file: ''}}",
        "is empty; write its path",
    ),
    (
        "{name: a, hold: 1s, when: 'live == prod'}",
        "two plain texts, so it is always false; compare a value: \"{{ params.NAME }} == value\"",
    ),
    (
        "{name: a, hold: 1s, when: '\"a\" == a'}",
        "so it is always true",
    ),
    (
        "{name: a, hold: 1s, when: '{p} != prod'}",
        "`{p} != prod`, two plain texts, so it is always true",
    ),
    (
        "{name: a, hold: 1s, when: '{{ params.p }} != live && {{ params.p }} == b'}",
        "with a `&&` too many; one comparison is all there is",
    ),
    (
        "{name: a, hold: 1s, when: '{{ params.p }} === live'}",
        "with a `=` too many",
    ),
    (
        "{name: a, notify: x, skip_if: '{{ params.p }} == x'}",
        "it takes a program, [program, argument], and skips the step if that exits with 0; write a comparison under `when`",
    ),
];

#[test]
fn a_parameter_in_the_braces_of_scripts_is_told() {
    let home = Home::new();
    let yaml = |step: &str| {
        format!(
            "workflows:\n  w:\n    params: [{{name: version}}]\n    steps: [{{name: a, {step}}}]\n"
        )
    };
    let told =
        "`{version}` is plain text in a workflow; write {{ params.version }} for the parameter";
    let faults = home.bad(&yaml("run: [./run.sh, '--to={version}']"));
    assert_eq!(faults, [format!("4:39 {told}")]);
    // That alone is told: it says why the parameter is not used.
    let faults = home.bad(&yaml("hold: 1s, when: '{version} == 1'"));
    assert!(
        matches!(faults.as_slice(), [one] if one.contains("two plain texts")),
        "{faults:#?}"
    );
    let warned = |step: &str| -> Vec<String> {
        let warnings = home.good(&yaml(step)).warnings;
        warnings.into_iter().map(|one| one.message).collect()
    };
    let both = "run: [./run.sh, '{{ params.version }}', '{version}']";
    assert_eq!(warned(both), [told]);
    // Also beside another fault.
    let faults = home.bad(&yaml(&format!("{both}, when: x")));
    assert!(faults.iter().any(|one| one.ends_with(told)), "{faults:#?}");
    let faults = home.bad(&yaml("run: [./run.sh, '{params.version}']"));
    let dotted = told.replace("`{version}`", "`{params.version}`");
    assert_eq!(faults, [format!("4:39 {dotted}")]);
    let faults = home.bad(&yaml("run: [./run.sh, '{{ version }}']"));
    let bare = "4:39 `{{ version }}` names no value; write {{ params.version }} for the parameter";
    assert_eq!(faults, [bare]);
    assert_eq!(
        warned("run: [./run.sh, '${{ params.version }}']"),
        ["`${{ params.version }}` leaves a $ in front of the value; write {{ params.version }}"]
    );
    // What a shell reads, and braces around other words, are left alone.
    let shell = "run: [./run.sh, '{{ params.version }}', 'v=1; echo ${version} {vers}']";
    assert!(warned(shell).is_empty());
}

#[test]
fn a_place_without_quotes_is_one_fault_that_says_what_to_write() {
    let home = Home::new();
    for (step, place, value) in [
        (
            "{name: a, run: [./run.sh, {{ params.v }}]}",
            "5:35",
            "{{ params.v }}",
        ),
        (
            "{name: a, run: [./run.sh, --v={{params.v}}, x]}",
            "5:35",
            "--v={{params.v}}",
        ),
        (
            "{name: a, notify: {{ params.v }} is live}",
            "5:27",
            "{{ params.v }} is live",
        ),
        (
            "name: a\n        notify: {{ params.v }}",
            "6:17",
            "{{ params.v }}",
        ),
        (
            "name: a\n        when: {{ params.v }} == x # only then\n        notify: x",
            "6:15",
            "{{ params.v }} == x",
        ),
    ] {
        let faults = home.bad(&format!(
            "workflows:\n  w:\n    params: [{{name: v}}]\n    steps:\n      - {step}\n"
        ));
        let told = format!(
            "{place} `{value}` needs quotes, since YAML has braces of its own; write '{value}'"
        );
        assert_eq!(faults, [told], "{step}");
    }
}

#[test]
fn what_a_parameter_never_is_needs_no_comparison() {
    let home = Home::new();
    let yaml = |when: &str| {
        format!(
            "workflows: {{w: {{params: [{{name: to, choices: [live, prod]}}, {{name: sure, type: boolean, default: no}}], \
             steps: [{{name: a, notify: '{{{{ params.to }}}} {{{{ params.sure }}}}', when: '{when}'}}]}}}}"
        )
    };
    for (when, told) in [
        (
            "{{ params.to }} == prd",
            "compares params.to with `prd`, which it never is; write live or prod (did you mean `prod`?)",
        ),
        ("test != {{ params.to }}", "write live or prod"),
        ("{{ params.sure }} == yes", "write true or false"),
    ] {
        let faults = home.bad(&yaml(when));
        assert!(
            matches!(faults.as_slice(), [one] if one.ends_with(told)),
            "{when}: {faults:#?}"
        );
    }
    for when in ["{{ params.to }} == live", "{{ params.sure }} != true"] {
        home.good(&yaml(when));
    }
}

#[test]
fn what_is_not_used_is_told_where_it_is_declared() {
    let faults = Home::new().bad(
        "workflows:\n  w:\n    params:\n      - {name: used}\n      - {name: not}\n    steps: [{name: a, notify: '{{ params.used }}'}]\n",
    );
    assert_eq!(
        faults,
        [
            "5:9 the parameter `not` of w is declared but no step uses it; write {{ params.not }} where it belongs"
        ]
    );
}

#[test]
fn each_wrong_step_is_told_once() {
    let home = Home::new();
    let mut wrong = Vec::new();
    for (step, told) in STEPS {
        let faults = home.bad(&steps(step));
        // A wrong call of itself is wrong twice.
        let most = 1 + usize::from(told.starts_with("known here"));
        if faults.len() > most || !faults.iter().any(|one| one.contains(told)) {
            wrong.push(format!("{step}\n gives {faults:#?}\n not {told}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
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
fn what_is_wrong_with_a_workflow_is_told() {
    let home = Home::new();
    for (yaml, told) in [
        ("workflows: {w: {}}", "`workflows.w` lacks `steps`"),
        (
            "workflows: {w: {steps: [{name: a, service: [sleep, '9'], lock: x}, {name: b, hold: 1s, lock: x}]}}",
            "b, which names it as well, would wait for ever",
        ),
        (
            "scripts: {s: {run: echo, lock: x}}\nworkflows: {w: {steps: [{name: a, script: s, lock: y}]}}",
            "remove `lock` from the step",
        ),
        (
            "workflows: {w: {steps: []}}",
            "`workflows.w.steps` is empty",
        ),
        (
            "workflows: {w: {stepps: [], steps: [{name: a, hold: 1s}]}}",
            "did you mean `steps`?",
        ),
        (
            "workflows: {w: {concurrency: 1, steps: [{name: a, hold: 1s}]}}",
            "write single, queue, replace or parallel",
        ),
        (
            "workflows: {w: {notify: [strat], steps: [{name: a, hold: 1s}]}}",
            "did you mean `start`?",
        ),
        (
            "workflows: {w: {every: 1h, schedule: 06:30, steps: [{name: a, hold: 1s}]}}",
            "`every` and `schedule` are both set",
        ),
        (
            "workflows: {w: {every: 1h, schedule: 06:30, after_github: {repo: a/b, workflow: ci.yml}, steps: [{name: a, hold: 1s}]}}",
            "`every`, `schedule` and `after_github` are all set; keep one",
        ),
        (
            "workflows: {w: {every: sometimes, steps: [{name: a, hold: 1s}]}}",
            "or write after_end",
        ),
        (
            "workflows: {w: {every: 1h, steps: [{name: a, hold: 50m}, {name: b, hold: 20m}]}}",
            "w would begin again after 1 h, but its steps hold for 1 h 10 m",
        ),
        (
            "workflows: {w: {schedule: '0 * * * *', steps: [{name: a, hold: 2h}]}}",
            "w would begin again after 1 h",
        ),
        (
            "workflows: {w: {max_duration: 1h, steps: [{name: a, hold: 2h}]}}",
            "`max_duration` of w is 1 h",
        ),
        (
            "workflows: {w: {params: [{name: p, default: x}], steps: [{name: a, hold: 1s}]}}",
            "is declared but no step uses it",
        ),
        (
            "workflows: {w: {params: [{name: p, type: file}], steps: [{name: a, run: [./run.sh, '{{ params.p }}']}]}}",
            "is a file, which no workflow takes",
        ),
        (
            "workflows: {w: {params: [{name: p}], every: 1h, steps: [{name: a, notify: '{{ params.p }}'}]}}",
            "cannot run w",
        ),
        (
            "workflows: {w: {env: {A: '{{ steps.a.v }}'}, steps: [{name: a, run: ./run.sh, capture: {v: x}}]}}",
            "is not there before the first step",
        ),
        (
            "workflows: {w: {max_duration: 1h, steps: [{name: a, approve: Really?, timeout: 4h}]}}",
            "`a` waits up to 4 h for an answer, but `max_duration` of w is 1 h",
        ),
        (
            "scripts: {w: {run: ./run.sh}}\nworkflows: {w: {steps: [{name: a, hold: 1s}]}}",
            "a script named `w` already stands in line 1",
        ),
        (
            "workflows: {w: {steps: [{name: a, hold: 1s}], always: [{name: b, hold: 1s}]}}",
            "`hold` cannot stand under `always`",
        ),
        (
            "workflows: {w: {steps: [{name: a, hold: 1s}], always: [{name: b, notify: x, needs: a}]}}",
            "means nothing under `always`",
        ),
        (
            "workflows: {w: {steps: [{name: a, needs: b, hold: 1s}], always: [{name: b, notify: x}]}}",
            "`b` stands under `always`, which comes last",
        ),
        (
            "workflows: {a: {steps: [{name: x, workflow: b}]}, b: {steps: [{name: x, workflow: a}]}}",
            "a workflow cannot call itself: a → b → a",
        ),
        (
            "workflows: {w: {steps: [{name: a, run: ./run.sh, capture: {v: x, secret: true}}, {name: b, notify: '{{ steps.a.v }}'}]}}",
            "`steps.a.v` is secret",
        ),
        (
            "workflows: {w: {steps: [{name: a, run: ./run.sh, capture: {v: x}}, {name: b, needs: [], notify: '{{ steps.a.v }}'}]}}",
            "may not be there yet",
        ),
        (
            "workflows: {w: {steps: [{name: a, run: ./run.sh, capture: {one: x}}, {name: b, notify: '{{ steps.a.on }}'}]}}",
            "did you mean `steps.a.one`?",
        ),
        (
            "scripts: {s: {run: ./run.sh, args: [{name: x, choices: [a, b]}]}}\nworkflows: {w: {steps: [{name: a, script: {name: s, args: [c]}}]}}",
            "“c” is not a value for x",
        ),
        (
            "scripts: {s: {run: ./run.sh, args: [{name: x}]}}\nworkflows: {w: {steps: [{name: a, script: s}]}}",
            "`s` needs x; write {name: s, args: {x: …}}",
        ),
        (
            "scripts: {s: {run: ./run.sh}}\nworkflows: {w: {steps: [{name: a, script: {name: s, args: [c]}}]}}",
            "s takes 0 values at the most",
        ),
        (
            "scripts: {s: {run: ./run.sh}}\nworkflows: {w: {steps: [{name: a, workflow: s}]}}",
            "`s` is a script; write `script: s`",
        ),
    ] {
        home.fault(yaml, told);
    }
}

#[test]
fn a_secret_reaches_programs_and_servers_but_no_argument() {
    let home = Home::new();
    let env = [("PATH", "/usr/bin:/bin"), ("TOKEN", "hunter22")];
    let load = |step: &str| {
        let yaml = format!("workflows: {{w: {{secrets: [TOKEN], steps: [{step}]}}}}");
        home.load_with(&yaml, &env)
    };
    for good in [
        "{name: a, run: ./run.sh, env: {X: '{{ env.TOKEN }}'}}",
        "{name: a, http: {url: 'https://example.com', body: '{{ env.TOKEN }}', headers: {A: '{{ env.TOKEN }}'}}}",
    ] {
        assert!(load(good).is_ok(), "{good}");
    }
    for bad in [
        "{name: a, run: [./run.sh, '{{ env.TOKEN }}']}",
        "{name: a, notify: '{{ env.TOKEN }}'}",
        "{name: a, http: 'https://example.com/{{ env.TOKEN }}'}",
        "{name: a, hold: 1s, skip_if: [./run.sh, '{{ env.TOKEN }}']}",
    ] {
        let faults = load(bad)
            .err()
            .map(|faults| home.lines(&faults))
            .unwrap_or_default();
        assert!(
            matches!(faults.as_slice(), [one] if one.contains("`env.TOKEN` is a secret")),
            "{bad}: {faults:?}"
        );
    }
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
fn a_folder_holds_a_workflow_in_each_file() {
    let home = Home::new();
    home.write("flows/one.yaml", "steps: [{name: a, workflow: two}]\n");
    home.write("flows/two.yaml", "steps: [{name: b, run: ./run.sh}]\n");
    home.write("flows/notes.txt", "not a workflow");
    home.write("flows/.hidden.yaml", "{");
    let file = home.write("c.yaml", "workflows_dir: flows\n");
    let env: Env = [("PATH", "/usr/bin:/bin")].into_iter().collect();
    let loaded = load(&file, &env).unwrap_or_else(|faults| panic!("{faults}"));
    let names: Vec<&str> = loaded
        .config
        .workflows()
        .map(|one| one.name.as_str())
        .collect();
    assert_eq!(names, ["one", "two"]);
    assert_eq!(loaded.config.workflows_dir, Some(home.path().join("flows")));
    assert_eq!(content_hash(&file, &env), Ok(loaded.hash));

    // Its files belong to what is compared, and to where a fault is.
    home.write("flows/two.yaml", "steps:\n  - {name: b, rum: ./run.sh}\n");
    assert_ne!(content_hash(&file, &env), Ok(loaded.hash));
    let faults = load(&file, &env).err().unwrap();
    let told: Vec<String> = faults.iter().map(|fault| fault.in_short()).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].starts_with("two.yaml, line 2: `rum` is not a key"),
        "{told:?}"
    );
    let first = faults.iter().next().unwrap();
    assert_eq!(first.file, home.path().join("flows/two.yaml"));
    assert!(first.snippet.contains("rum"));

    for (name, content, told) in [
        ("flows/two.yml", "", "ends with .yaml; rename it"),
        (
            "flows/a b.yaml",
            "steps: [{name: a, hold: 1s}]",
            "is not a name",
        ),
        ("flows/two.yaml", "steps: [", "this is not YAML"),
        ("flows/two.yaml", "", "lacks `steps`"),
    ] {
        let written = home.write(name, content);
        let told_now = load(&file, &env).err().unwrap().to_string();
        assert!(told_now.contains(told), "{name}: {told_now}");
        fs::remove_file(written).unwrap();
    }
    home.fault(
        "workflows_dir: gone",
        "1:16 the folder HOME/gone does not exist",
    );
    home.write("flows/two.yaml", "steps: [{name: b, hold: 1s}]\n");
    home.fault(
        "workflows: {two: {steps: [{name: a, hold: 1s}]}}\nworkflows_dir: flows",
        "a workflow named `two` already stands in line 1 of the configuration itself",
    );
}

#[test]
fn every_sample_loads() {
    let folder = repository("config/workflows");
    let file = tempfile::tempdir_in(repository("target")).unwrap();
    let yaml = file.path().join("c.yaml");
    let (base, flows) = (repository(""), folder.display());
    fs::write(
        &yaml,
        format!("base_dir: {}\nworkflows_dir: {flows}\n", base.display()),
    )
    .unwrap();
    let env: Env = [("PATH", "/usr/bin:/bin")].into_iter().collect();
    let loaded = load(&yaml, &env).unwrap_or_else(|faults| panic!("{faults}"));
    let names: Vec<&str> = loaded
        .config
        .workflows()
        .map(|one| one.name.as_str())
        .collect();
    assert_eq!(
        names,
        ["backup", "certificate", "rolling-deploy", "tunnel", "vps"]
    );
    for script in loaded.config.workflows() {
        let required = script.args.iter().find(|arg| arg.required());
        assert!(
            script.description.is_some() && required.is_none(),
            "{}",
            script.name
        );
        let outline = script
            .steps
            .as_ref()
            .unwrap()
            .outline(&script.params(&[]).unwrap());
        assert!(outline.len() > 2, "{outline:?}");
    }
    // What a sample names beside bare programs lies beside it.
    let beside = fs::read_dir(&folder).unwrap().filter(|entry| {
        let path = entry.as_ref().unwrap().path();
        path.extension().is_some_and(|end| end == "sh")
    });
    for script in beside {
        let path = script.unwrap().path();
        super::super::check_program(&path).unwrap();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let named = |file: &Path| fs::read_to_string(file).unwrap().contains(&name);
        let mut samples = fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().path());
        assert!(
            samples.any(|file| file.extension().is_some_and(|end| end == "yaml") && named(&file)),
            "{name}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_damaged_workflow_makes_the_loader_panic(
        at in 0..VPS.len(),
        length in 0_usize..40,
        put in "[a-z{}:,'=|^$\\\\. -]{0,8}|\\{\\{ (params|steps|env|run)\\.[a-z]{1,6}(\\.[a-z]{1,3})? \\}\\}|needs: (clone|hold)|workflow: vps",
    ) {
        let mut text: Vec<char> = VPS.chars().collect();
        let end = (at + length).min(text.len());
        let start = at.min(end);
        text.splice(start..end, put.chars());
        let _ = Home::new().load(&text.into_iter().collect::<String>());
    }
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

#[test]
fn who_else_is_told() {
    let home = Home::new();
    let with = |notify: &str| {
        format!(
            "access: {{users: [{{id: 111, name: ann, role: owner}}]}}
workflows: {{w: {{notify: {notify}, steps: [{{name: a, hold: 1s}}]}}}}"
        )
    };
    let told = home
        .flow(&with("{at: [start], to: [ann, -100123/42]}"), "w")
        .notify
        .clone();
    assert!(told.start && !told.end);
    let to: Vec<_> = told
        .to
        .iter()
        .map(|place| (place.chat.0, place.thread.map(|thread| thread.0)))
        .collect();
    assert_eq!(to, [(111, None), (-100_123, Some(42))]);
    assert!(home.flow(&with("{to: ann}"), "w").notify.end);
    home.fault(&with("{to: [bob]}"), "holds `bob`; write the id of a chat");
    home.fault(
        &with("{at: [begin]}"),
        "holds `begin`; write start, steps or end",
    );
}
