//! What is wrong is told, once, with what would be right.

use proptest::prelude::{ProptestConfig, proptest};

use super::super::Home;
use super::{VPS, steps};

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
